/* `Call`: one request. It is the body that the server gets, and the `write` that the app gets. */

#include "calls.h"

#include <structmember.h>

/* Sort what `start` was given by its parameters; 0, or -1 with an error. */
static int
sort_arguments(PyObject *const *args, Py_ssize_t count, PyObject *kwnames, PyObject *sorted[3])
{
    static const char *const parameters[] = {"status", "headers", "exc_info"};
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t i = 0; i < count && i < 3; i++)
        sorted[i] = args[i];
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        int which = 0;
        while (which < 3 && PyUnicode_CompareWithASCIIString(name, parameters[which]) != 0)
            which++;
        if (which == 3 || sorted[which] != NULL) {
            PyErr_Format(PyExc_TypeError, "start_response got an unexpected argument %R", name);
            return -1;
        }
        sorted[which] = args[count + i];
    }
    if (count > 3 || sorted[0] == NULL || sorted[1] == NULL) {
        PyErr_SetString(PyExc_TypeError, "start_response takes status, headers and exc_info=None");
        return -1;
    }
    return 0;
}

/* Werkzeug's rule, when it matched one: asked before Flask takes its request out of the environ. */
static int
find_rule(Call *call)
{
    State *state = call->caller->state;
    PyObject *request = PyDict_GetItemWithError(call->environ, state->werkzeug_request);
    if (request == NULL)
        return PyErr_Occurred() ? -1 : 0;
    Py_INCREF(request);
    PyObject *rule = PyObject_GetAttr(request, state->url_rule);
    if (rule == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        rule = Py_NewRef(Py_None);
    }
    if (rule == Py_None)
        Py_SETREF(rule, PyObject_CallMethodOneArg(call->caller->recording, state->rule_instead,
                                                  request));
    Py_DECREF(request);
    if (rule == NULL)
        return -1;
    if (rule == Py_None)
        Py_CLEAR(rule);
    Py_XSETREF(call->rule, rule);
    return 0;
}

static PyObject *
call_start(PyObject *op, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    Call *call = (Call *)op;
    PyObject *given[3] = {NULL};
    if (sort_arguments(args, count, kwnames, given) < 0)
        return NULL;
    size_t passed = given[2] == NULL || given[2] == Py_None ? 2 : 3;
    PyObject *server_write = PyObject_Vectorcall(call->start_response, given, passed, NULL);
    if (server_write == NULL)
        return NULL;
    Py_XSETREF(call->server_write, server_write);
    Py_SETREF(call->status, Py_NewRef(given[0]));
    Py_XSETREF(call->headers, Py_NewRef(given[1]));
    return find_rule(call) < 0 ? NULL : Py_NewRef(op);
}

static PyMethodDef start_method = {"start", (PyCFunction)(void (*)(void))call_start,
                                   METH_FASTCALL | METH_KEYWORDS,
                                   "The app's `start_response`: the server's, looked at."};

PyObject *
call_start_response(Call *call)
{
    return PyCFunction_New(&start_method, (PyObject *)call);
}

/* The app's `write`. */
static PyObject *
call_write(PyObject *op, PyObject *args, PyObject *kwargs)
{
    Call *call = (Call *)op;
    if (PyTuple_GET_SIZE(args) != 1 || (kwargs != NULL && PyDict_GET_SIZE(kwargs))) {
        PyErr_SetString(PyExc_TypeError, "write takes one block");
        return NULL;
    }
    if (call->server_write == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the response has not been started");
        return NULL;
    }
    PyObject *data = PyTuple_GET_ITEM(args, 0);
    double before_s = perf_counter();
    if (call->head_s == 0.0)
        call->head_s = before_s;
    PyObject *server_write = Py_NewRef(call->server_write);
    PyObject *answer = PyObject_CallOneArg(server_write, data);
    Py_DECREF(server_write);
    if (answer == NULL)
        return NULL;
    call->write_s += perf_counter() - before_s;
    Py_ssize_t size = PyObject_Size(data);
    if (size < 0)
        Py_CLEAR(answer);
    else
        call->sent += (unsigned long long)size;
    return answer;
}

/* Note a block on its way to the server; 0, or -1 with an error. */
static int
note_block(Call *call, PyObject *block)
{
    call->left_s = perf_counter();
    Py_ssize_t size;
    if (PyBytes_CheckExact(block)) {
        size = PyBytes_GET_SIZE(block);
    }
    else {
        size = PyObject_IsTrue(block);
        if (size > 0)
            size = PyObject_Size(block);
    }
    if (size < 0)
        return -1;
    if (size > 0) {
        call->sent += (unsigned long long)size;
        if (call->head_s == 0.0)
            call->head_s = call->left_s;
    }
    return 0;
}

/* The iterator over what the app returned, as a new reference; NULL with an error. */
static PyObject *
blocks_of(Call *call)
{
    if (call->blocks == NULL) {
        if (call->result == NULL) {
            PyErr_SetString(PyExc_AttributeError, "the app has not returned yet");
            return NULL;
        }
        PyObject *blocks = PyObject_GetIter(call->result);
        Py_XSETREF(call->blocks, blocks); /* another thread may have been here meanwhile */
    }
    return Py_XNewRef(call->blocks);
}

/* `Call.__iter__`'s generator. */
static PyObject *
call_next(PyObject *op)
{
    Call *call = (Call *)op;
    if (call->is_spent)
        return NULL;
    if (call->left_s != 0.0) { /* the server asks for more */
        call->write_s += perf_counter() - call->left_s;
        call->left_s = 0.0;
    }
    PyObject *blocks = blocks_of(call);
    PyObject *block = blocks == NULL ? NULL : PyIter_Next(blocks);
    Py_XDECREF(blocks);
    if (block != NULL && note_block(call, block) == 0)
        return block;
    call->is_spent = 1;
    Py_XDECREF(block);
    if (PyErr_Occurred())
        call_fail(call);
    else if (!call->is_recorded)
        (void)call_finish(call, NO_FLAGS); /* its error goes up as it is */
    return NULL;
}

static PyObject *
call_close(PyObject *op, PyObject *Py_UNUSED(nothing))
{
    Call *call = (Call *)op;
    if (call->result == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the app has not returned yet");
        return NULL;
    }
    PyObject *close = PyObject_GetAttr(call->result, call->caller->state->close);
    PyObject *closed = NULL;
    if (close != NULL)
        closed = close == Py_None ? Py_NewRef(Py_None) : PyObject_CallNoArgs(close);
    else if (PyErr_ExceptionMatches(PyExc_AttributeError))
        PyErr_Clear();
    Py_XDECREF(close);
    Py_XDECREF(closed);
    if (!call->is_recorded) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        PyObject *left = PyObject_CallMethodOneArg(call->caller->recording,
                                                   call->caller->state->leave, op);
        Py_XDECREF(left);
        if (left == NULL && type != NULL)
            PyErr_WriteUnraisable(op); /* what the app's `close` raised is the one that goes up */
        if (type != NULL)
            PyErr_Restore(type, value, traceback);
    }
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static int
call_traverse(PyObject *op, visitproc visit, void *arg)
{
    Call *call = (Call *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(call->caller);
    Py_VISIT(call->environ);
    Py_VISIT(call->start_response);
    Py_VISIT(call->result);
    Py_VISIT(call->blocks);
    Py_VISIT(call->status);
    Py_VISIT(call->headers);
    Py_VISIT(call->rule);
    Py_VISIT(call->server_write);
    return 0;
}

/* Cuts what may be missing anyway: a cycle of other links goes through the environ. */
static int
call_clear(PyObject *op)
{
    Call *call = (Call *)op;
    Py_CLEAR(call->result);
    Py_CLEAR(call->blocks);
    Py_CLEAR(call->headers);
    Py_CLEAR(call->rule);
    return 0;
}

static void
call_dealloc(PyObject *op)
{
    Call *call = (Call *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    call_clear(op);
    Py_XDECREF(call->caller);
    Py_XDECREF(call->environ);
    Py_XDECREF(call->start_response);
    Py_XDECREF(call->status);
    Py_XDECREF(call->server_write);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
call_finish_method(PyObject *op, PyObject *flags)
{
    unsigned short number;
    if (!PyArg_Parse(flags, "H", &number))
        return NULL;
    return call_finish((Call *)op, number) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef call_methods[] = {
    {"close", call_close, METH_NOARGS, "What PEP 3333 has the server call in any case."},
    {"finish", call_finish_method, METH_O, "Record the request, which ends now."},
    {NULL},
};

static PyMemberDef call_members[] = {
    {"environ", T_OBJECT_EX, offsetof(Call, environ), READONLY, NULL},
    {"result", T_OBJECT_EX, offsetof(Call, result), READONLY, NULL},
    {"status", T_OBJECT_EX, offsetof(Call, status), 0, NULL},
    {"headers", T_OBJECT_EX, offsetof(Call, headers), READONLY, NULL},
    {"rule", T_OBJECT, offsetof(Call, rule), READONLY, NULL},
    {"kernel_ns", T_DOUBLE, offsetof(Call, kernel_ns), READONLY, NULL},
    {"began_s", T_DOUBLE, offsetof(Call, began_s), READONLY, NULL},
    {"head_s", T_DOUBLE, offsetof(Call, head_s), 0, NULL},
    {"write_s", T_DOUBLE, offsetof(Call, write_s), 0, NULL},
    {"sent", T_ULONGLONG, offsetof(Call, sent), 0, NULL},
    {"is_recorded", T_BOOL, offsetof(Call, is_recorded), READONLY, NULL},
    {NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_doc, "One request: what is known of it so far, and its record once it has ended."},
    {Py_tp_call, call_write},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, call_next},
    {Py_tp_methods, call_methods},
    {Py_tp_members, call_members},
    {Py_tp_traverse, call_traverse},
    {Py_tp_clear, call_clear},
    {Py_tp_dealloc, call_dealloc},
    {0, NULL},
};

PyType_Spec call_spec = {
    .name = "servescope.middleware._wsgi_calls.Call",
    .basicsize = sizeof(Call),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = call_slots,
};

Call *
call_new(Caller *caller, PyObject *environ, PyObject *start_response)
{
    PyTypeObject *type = caller->state->call_type;
    Call *call = (Call *)type->tp_alloc(type, 0); /* all else is 0 */
    if (call == NULL)
        return NULL;
    call->caller = (Caller *)Py_NewRef((PyObject *)caller);
    call->environ = Py_NewRef(environ);
    call->start_response = Py_NewRef(start_response);
    call->status = Py_NewRef(caller->state->nothing);
    return call;
}
