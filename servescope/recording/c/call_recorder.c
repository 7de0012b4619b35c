/* `call_recorder` and `Quiet` of call_recorder.py, compiled. Read that file first: names and
   meaning are the same, and the tests hold the two against each other.

   A recorder takes its slot's number from the same `itertools.count` as the recorders in Python,
   under the same GIL, so that both write into one ring. The ring's memory is asked for at each
   call, as struct.pack_into does: a forked child closes what it inherited. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "call_recorder.h"

#include <structmember.h>
#include <time.h>

#define NS_PER_S 1e9

/* `SLOT` in record_layout.py. */
typedef struct {
    uint64_t end_ns;
    uint64_t outlined; /* listener, route, method, protocol and status */
    uint16_t flags;
    uint16_t reserved;
    uint32_t bytes_received;
    uint64_t bytes_sent;
    float kernel_ns, read_ns, queue_ns, app_ns, body_ns, write_ns;
    uint64_t sequence;
} Slot;

_Static_assert(sizeof(Slot) == 64, "a slot has 64 bytes");

#define ARGUMENTS 9

typedef struct {
    PyObject_HEAD
    long long until_ns;
    double until_s;
    double above_ns;
} Quiet;

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *memory;     /* a writable buffer */
    PyObject *numbers;    /* an itertools.count */
    PyObject *make_ready; /* called with each number that `ready` divides */
    Quiet *quiet;
    Py_ssize_t offset;   /* of the first slot, in bytes */
    Py_ssize_t capacity; /* in slots; a power of two, as is `ready` */
    Py_ssize_t ready;
} CallRecorder;

static int
read_arguments(PyObject *const *args, ToldCall *told)
{
    told->outlined = PyLong_AsUnsignedLongLong(args[0]);
    unsigned long flags = PyLong_AsUnsignedLong(args[1]);
    told->bytes_received = PyLong_AsUnsignedLongLong(args[2]);
    told->bytes_sent = PyLong_AsUnsignedLongLong(args[3]);
    told->kernel_ns = PyFloat_AsDouble(args[4]);
    told->began_s = PyFloat_AsDouble(args[5]);
    told->head_s = PyFloat_AsDouble(args[6]);
    told->write_s = PyFloat_AsDouble(args[7]);
    told->ended_s = PyFloat_AsDouble(args[8]);
    if (PyErr_Occurred())
        return -1;
    if (flags > UINT16_MAX) {
        PyErr_SetString(PyExc_OverflowError, "flags are 16 bits");
        return -1;
    }
    told->flags = (uint16_t)flags;
    return 0;
}

/* Take the next slot's number; -1 with an error. */
static int
take_number(CallRecorder *self, uint64_t *number)
{
    PyObject *taken = PyIter_Next(self->numbers);
    if (taken == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "there are no more numbers");
        return -1;
    }
    *number = PyLong_AsUnsignedLongLong(taken);
    int failed = *number == UINT64_MAX && PyErr_Occurred();
    if (!failed && !(*number & (uint64_t)(self->ready - 1))) {
        PyObject *done = PyObject_CallOneArg(self->make_ready, taken);
        failed = done == NULL;
        Py_XDECREF(done);
    }
    Py_DECREF(taken);
    return failed ? -1 : 0;
}

static void
write_slot(Slot *slot, const ToldCall *told, uint64_t end_ns, uint64_t number)
{
    double body_s = told->ended_s - told->head_s - told->write_s;

    __atomic_store_n(&slot->sequence, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* no reader takes a mixture for either record */
    slot->end_ns = end_ns;
    slot->outlined = told->outlined;
    slot->flags = told->flags;
    slot->reserved = 0;
    slot->bytes_received =
        told->bytes_received < UINT32_MAX ? (uint32_t)told->bytes_received : UINT32_MAX;
    slot->bytes_sent = told->bytes_sent;
    slot->kernel_ns = (float)told->kernel_ns;
    slot->read_ns = slot->queue_ns = 0.0F; /* who calls an app cannot tell them */
    slot->app_ns = (float)((told->head_s - told->began_s) * NS_PER_S);
    slot->body_ns = body_s > 0.0 ? (float)(body_s * NS_PER_S) : 0.0F;
    slot->write_ns = (float)(told->write_s * NS_PER_S);
    __atomic_store_n(&slot->sequence, number + 1, __ATOMIC_RELEASE);
}

static int
write_record(CallRecorder *self, const ToldCall *told, uint64_t end_ns, uint64_t number)
{
    Py_buffer view;
    if (PyObject_GetBuffer(self->memory, &view, PyBUF_WRITABLE) < 0)
        return -1;
    int fits = view.len >= self->offset + self->capacity * (Py_ssize_t)sizeof(Slot);
    if (fits) {
        Slot *slots = (Slot *)((char *)view.buf + self->offset);
        write_slot(&slots[number & (uint64_t)(self->capacity - 1)], told, end_ns, number);
    }
    else {
        PyErr_SetString(PyExc_ValueError, "the memory is too short for the slots");
    }
    PyBuffer_Release(&view);
    return fits ? 0 : -1;
}

static int
record(PyObject *op, const ToldCall *told, uint64_t *end_ns)
{
    CallRecorder *self = (CallRecorder *)op;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *end_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    uint64_t number;
    if (take_number(self, &number) < 0 || write_record(self, told, *end_ns, number) < 0)
        return -1;
    double total_ns = told->kernel_ns + (told->ended_s - told->began_s) * NS_PER_S;
    if (told->ended_s <= self->quiet->until_s && total_ns <= self->quiet->above_ns)
        *end_ns = 0; /* its details are not wanted */
    return 0;
}

static PyObject *
recorder_call(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (PyVectorcall_NARGS(nargsf) != ARGUMENTS || (kwnames && PyTuple_GET_SIZE(kwnames))) {
        PyErr_Format(PyExc_TypeError, "a call is recorded with %d positional arguments", ARGUMENTS);
        return NULL;
    }
    ToldCall told;
    uint64_t end_ns;
    if (read_arguments(args, &told) < 0 || record(op, &told, &end_ns) < 0)
        return NULL;
    return PyLong_FromUnsignedLongLong(end_ns);
}

static int
is_power_of_two(Py_ssize_t number)
{
    return number > 0 && !(number & (number - 1));
}

typedef struct {
    PyTypeObject *quiet_type;
    CallRecorderApi api;
} State;

static PyObject *
recorder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"memory",  "offset",     "capacity", "ready",
                               "numbers", "make_ready", "quiet",    NULL};
    State *state = PyType_GetModuleState(type);
    PyObject *memory, *numbers, *make_ready, *quiet;
    Py_ssize_t offset, capacity, ready;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OnnnOOO!", keywords, &memory, &offset,
                                     &capacity, &ready, &numbers, &make_ready, state->quiet_type,
                                     &quiet))
        return NULL;
    Py_ssize_t most = offset < 0 ? 0 : (PY_SSIZE_T_MAX - offset) / (Py_ssize_t)sizeof(Slot);
    if (offset % (Py_ssize_t)sizeof(Slot) || !is_power_of_two(capacity) || capacity > most ||
        !is_power_of_two(ready)) {
        PyErr_SetString(PyExc_ValueError, "slots lie at multiples of 64 bytes, 2 ** n of them");
        return NULL;
    }
    if (!PyIter_Check(numbers)) {
        PyErr_SetString(PyExc_TypeError, "numbers must be an iterator");
        return NULL;
    }
    CallRecorder *self = (CallRecorder *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->vectorcall = recorder_call;
    self->memory = Py_NewRef(memory);
    self->numbers = Py_NewRef(numbers);
    self->make_ready = Py_NewRef(make_ready);
    self->quiet = (Quiet *)Py_NewRef(quiet);
    self->offset = offset;
    self->capacity = capacity;
    self->ready = ready;
    return (PyObject *)self;
}

/* No tp_clear, as with a tuple: a cycle through here has links elsewhere that can be cut. */
static int
recorder_traverse(PyObject *op, visitproc visit, void *arg)
{
    CallRecorder *self = (CallRecorder *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->memory);
    Py_VISIT(self->numbers);
    Py_VISIT(self->make_ready);
    return 0;
}

static void
recorder_dealloc(PyObject *op)
{
    CallRecorder *self = (CallRecorder *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_XDECREF(self->memory);
    Py_XDECREF(self->numbers);
    Py_XDECREF(self->make_ready);
    Py_XDECREF(self->quiet);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMemberDef recorder_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(CallRecorder, vectorcall), READONLY, NULL},
    {NULL},
};

static PyType_Slot recorder_slots[] = {
    {Py_tp_doc, "What records the calls of an app into a ring."},
    {Py_tp_new, recorder_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, recorder_members},
    {Py_tp_traverse, recorder_traverse},
    {Py_tp_dealloc, recorder_dealloc},
    {0, NULL},
};

static PyType_Spec recorder_spec = {
    .name = "servescope.recording._call_recorder.call_recorder",
    .basicsize = sizeof(CallRecorder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = recorder_slots,
};

static int
quiet_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"until_ns", "until_s", "above_ns", NULL};
    Quiet *self = (Quiet *)op;
    int parsed = PyArg_ParseTupleAndKeywords(args, kwargs, "|Ldd", keywords, &self->until_ns,
                                             &self->until_s, &self->above_ns);
    return parsed ? 0 : -1;
}

static PyMemberDef quiet_members[] = {
    {"until_ns", T_LONGLONG, offsetof(Quiet, until_ns), 0, NULL},
    {"until_s", T_DOUBLE, offsetof(Quiet, until_s), 0, NULL},
    {"above_ns", T_DOUBLE, offsetof(Quiet, above_ns), 0, NULL},
    {NULL},
};

static PyType_Slot quiet_slots[] = {
    {Py_tp_doc, "Until when no request is wanted in detail."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, quiet_init},
    {Py_tp_members, quiet_members},
    {0, NULL},
};

static PyType_Spec quiet_spec = {
    .name = "servescope.recording._call_recorder.Quiet",
    .basicsize = sizeof(Quiet),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = quiet_slots,
};

static int
module_exec(PyObject *module)
{
    State *state = PyModule_GetState(module);
    state->api.record = record;
    state->api.type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &recorder_spec, NULL);
    state->quiet_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &quiet_spec, NULL);
    if (state->api.type == NULL || PyModule_AddType(module, state->api.type) < 0 ||
        state->quiet_type == NULL || PyModule_AddType(module, state->quiet_type) < 0)
        return -1;
    PyObject *capsule = PyCapsule_New(&state->api, CALL_RECORDER_API, NULL);
    int failed = capsule == NULL ? -1 : PyModule_AddObjectRef(module, "api", capsule);
    Py_XDECREF(capsule);
    return failed;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->api.type);
    Py_VISIT(state->quiet_type);
    return 0;
}

static int
module_clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
    Py_CLEAR(state->api.type);
    Py_CLEAR(state->quiet_type);
    return 0;
}

static void
module_free(void *module)
{
    module_clear((PyObject *)module);
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "servescope.recording._call_recorder",
    .m_doc = "The hot path of the recorders for apps, compiled.",
    .m_size = sizeof(State),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__call_recorder(void)
{
    return PyModuleDef_Init(&module_definition);
}
