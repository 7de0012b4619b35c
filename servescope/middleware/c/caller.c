/* `Caller`: a WSGI app that calls another one; and the module. */

#include "calls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <structmember.h>
#include <sys/socket.h>

#define NS_PER_MS 1e6

/* Nanoseconds since the newest bytes arrived, as kernel_wait.py tells them: 0.0 where nobody shows
   a socket, or it does not tell; -1.0 with an error. */
static double
kernel_wait_ns(State *state, PyObject *environ)
{
    PyObject *socket = PyDict_GetItemWithError(environ, state->gunicorn_socket);
    if (socket == NULL && !PyErr_Occurred())
        socket = PyDict_GetItemWithError(environ, state->werkzeug_socket);
    if (socket == NULL)
        return PyErr_Occurred() ? -1.0 : 0.0;

    Py_INCREF(socket);
    PyObject *descriptor = PyObject_CallMethodNoArgs(socket, state->fileno);
    Py_DECREF(socket);
    int number = descriptor == NULL ? -1 : (int)PyLong_AsLong(descriptor);
    Py_XDECREF(descriptor);
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_Exception)) /* a signal's, say */
            return -1.0;
        PyErr_Clear();
        return 0.0;
    }
    struct tcp_info told;
    socklen_t size = sizeof(told);
    if (getsockopt(number, IPPROTO_TCP, TCP_INFO, &told, &size) < 0 ||
        size < offsetof(struct tcp_info, tcpi_last_data_recv) + sizeof(told.tcpi_last_data_recv))
        return 0.0;
    return told.tcpi_last_data_recv * NS_PER_MS;
}

/* A list or tuple is the server's to look at: its bytes are counted, and the call is at its end. */
static PyObject *
count_blocks(Call *call)
{
    PyObject *blocks = Py_NewRef(call->result);
    unsigned long long sent = 0;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(blocks); i++) {
        PyObject *block = Py_NewRef(PySequence_Fast_GET_ITEM(blocks, i));
        Py_ssize_t size = PyObject_Size(block);
        Py_DECREF(block);
        if (size < 0) {
            Py_DECREF(blocks);
            return NULL;
        }
        sent += (unsigned long long)size;
    }
    call->sent += sent;
    if (call_finish(call, NO_FLAGS) < 0)
        Py_CLEAR(blocks);
    return blocks;
}

/* What the server gets in the place of what the app returned; NULL with an error. */
static PyObject *
handed_on(Call *call)
{
    PyObject *result = call->result;
    if (PyList_Check(result) || PyTuple_Check(result))
        return count_blocks(call);
    int is_stream = PySet_Contains(call->caller->streams, (PyObject *)Py_TYPE(result));
    if (is_stream < 0)
        return NULL;
    if (is_stream)
        return Py_NewRef((PyObject *)call);
    return PyObject_CallMethodOneArg(call->caller->recording, call->caller->state->handed_on,
                                     (PyObject *)call);
}

static PyObject *
caller_call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    Caller *self = (Caller *)op;
    PyObject *given[2]; /* environ and start_response */
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "PEP 3333: a WSGI app takes positional arguments");
        return NULL;
    }
    if (!PyArg_UnpackTuple(args, "app", 2, 2, &given[0], &given[1]))
        return NULL;
    if (self->app == NULL || !PyDict_Check(given[0])) {
        PyErr_SetString(PyExc_TypeError, "PEP 3333: an environ is a dict");
        return NULL;
    }
    double kernel_ns = kernel_wait_ns(self->state, given[0]);
    Call *call = kernel_ns < 0.0 ? NULL : call_new(self, given[0], given[1]);
    if (call == NULL)
        return NULL;
    call->kernel_ns = kernel_ns;
    call->began_s = perf_counter();
    given[1] = call_start_response(call);
    if (given[1] != NULL) {
        call->result = PyObject_Vectorcall(self->app, given, 2, NULL);
        Py_DECREF(given[1]);
    }
    PyObject *body = call->result == NULL ? NULL : handed_on(call);
    if (body == NULL)
        call_fail(call);
    Py_DECREF(call);
    return body;
}

static PyModuleDef module_definition;

static PyObject *
caller_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *module = PyType_GetModuleByDef(type, &module_definition);
    Caller *self = module == NULL ? NULL : (Caller *)type->tp_alloc(type, 0);
    if (self != NULL)
        self->state = PyModule_GetState(module);
    return (PyObject *)self;
}

static int
caller_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"app", "recording", NULL};
    Caller *self = (Caller *)op;
    PyObject *app, *recording;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO", keywords, &app, &recording))
        return -1;
    PyObject *streams = PyObject_GetAttr(recording, self->state->streams);
    PyObject *outlines =
        streams == NULL ? NULL : PyObject_GetAttr(recording, self->state->outlines);
    if (outlines == NULL || self->app != NULL || !PyAnySet_Check(streams) ||
        !PyDict_Check(outlines)) {
        Py_XDECREF(streams);
        Py_XDECREF(outlines);
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "a caller is made once, with a WsgiRecording");
        return -1;
    }
    self->app = Py_NewRef(app);
    self->recording = Py_NewRef(recording);
    self->streams = streams;
    self->outlines = outlines;
    return 0;
}

/* No tp_clear, as with a tuple: a cycle through here has links elsewhere that can be cut. */
static int
caller_traverse(PyObject *op, visitproc visit, void *arg)
{
    Caller *self = (Caller *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->app);
    Py_VISIT(self->recording);
    Py_VISIT(self->streams);
    Py_VISIT(self->outlines);
    return 0;
}

static void
caller_dealloc(PyObject *op)
{
    Caller *self = (Caller *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_XDECREF(self->app);
    Py_XDECREF(self->recording);
    Py_XDECREF(self->streams);
    Py_XDECREF(self->outlines);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMemberDef caller_members[] = {
    {"app", T_OBJECT_EX, offsetof(Caller, app), READONLY, NULL},
    {"recording", T_OBJECT_EX, offsetof(Caller, recording), READONLY, NULL},
    {NULL},
};

static PyType_Slot caller_slots[] = {
    {Py_tp_doc, "A WSGI app that calls `app`, and has `recording` keep a record of each call."},
    {Py_tp_new, caller_new},
    {Py_tp_init, caller_init},
    {Py_tp_call, caller_call},
    {Py_tp_members, caller_members},
    {Py_tp_traverse, caller_traverse},
    {Py_tp_dealloc, caller_dealloc},
    {0, NULL},
};

static PyType_Spec caller_spec = {
    .name = "servescope.middleware._wsgi_calls.Caller",
    .basicsize = sizeof(Caller),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = caller_slots,
};

static int
module_exec(PyObject *module)
{
    State *state = PyModule_GetState(module);
#define INTERN(name, text)                                                                         \
    if ((state->name = PyUnicode_InternFromString(text)) == NULL)                                  \
        return -1;
    NAMES(INTERN)
    /* Imported, so that the capsule can be found; then by the name that it bears. */
    PyObject *recorders = PyImport_ImportModule("servescope.recording._call_recorder");
    Py_XDECREF(recorders);
    if (recorders == NULL || !(state->recorder_api = PyCapsule_Import(CALL_RECORDER_API, 0)))
        return -1;
    state->recorder_type = (PyTypeObject *)Py_NewRef((PyObject *)state->recorder_api->type);
    state->call_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &call_spec, NULL);
    state->caller_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &caller_spec, NULL);
    if (state->call_type == NULL || state->caller_type == NULL ||
        PyModule_AddType(module, state->call_type) < 0)
        return -1;
    return PyModule_AddType(module, state->caller_type);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->call_type);
    Py_VISIT(state->caller_type);
    Py_VISIT(state->recorder_type);
    return 0;
}

static int
module_clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
#define CLEAR(name, text) Py_CLEAR(state->name);
    NAMES(CLEAR)
    Py_CLEAR(state->call_type);
    Py_CLEAR(state->caller_type);
    Py_CLEAR(state->recorder_type);
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
    .m_name = "servescope.middleware._wsgi_calls",
    .m_doc = "The hot path of the WSGI recorder, compiled.",
    .m_size = sizeof(State),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__wsgi_calls(void)
{
    return PyModuleDef_Init(&module_definition);
}
