/* The end of a request: from what is known of it to the arguments of `record_call`. */

#include "calls.h"

#define MOST_DIGITS 19 /* `_MOST_DIGITS` in wsgi_calls.py */

/* The received body's length, as the client announced it; 0 when it did not. */
static uint64_t
bytes_received(Call *call)
{
    PyObject *length = PyDict_GetItemWithError(call->environ, call->caller->state->content_length);
    if (length == NULL || !PyUnicode_Check(length) || PyUnicode_GET_LENGTH(length) > MOST_DIGITS)
        return 0;
    uint64_t count = 0;
    for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(length); i++) {
        Py_UCS4 digit = PyUnicode_READ_CHAR(length, i);
        if (digit < '0' || digit > '9')
            return 0;
        count = count * 10 + (digit - '0');
    }
    return count;
}

/* By what its kind is known; NULL with an error, and without one where a part of it is missing. */
static PyObject *
key_of(Call *call)
{
    Caller *caller = call->caller;
    State *state = caller->state;
    int is_told = call->rule == NULL ? 1 : PyDict_Contains(call->environ, state->servescope_route);
    if (is_told < 0)
        return NULL;
    if (is_told)
        return PyObject_CallMethodOneArg(caller->recording, state->key, (PyObject *)call);

    PyObject *rule = Py_NewRef(call->rule);
    PyObject *route = PyObject_GetAttr(rule, state->rule);
    Py_DECREF(rule);
    if (route == NULL)
        return NULL;
    PyObject *key = NULL;
    PyObject *method = PyDict_GetItemWithError(call->environ, state->request_method);
    PyObject *protocol = PyDict_GetItemWithError(call->environ, state->server_protocol);
    PyObject *mount = PyDict_GetItemWithError(call->environ, state->script_name);
    if (call->status != NULL && method != NULL && protocol != NULL && mount != NULL)
        key = PyTuple_Pack(5, route, call->status, method, protocol, mount);
    Py_DECREF(route);
    return key;
}

static int
ask_unusual(Call *call, ToldCall *told, int *is_failed)
{
    Caller *caller = call->caller;
    PyObject *flags = PyLong_FromLong(told->flags);
    PyObject *unusual = PyObject_CallMethodObjArgs(caller->recording, caller->state->unusual,
                                                   (PyObject *)call, flags, NULL);
    unsigned long long outlined = 0;
    int is_told = unusual != NULL &&
                  PyArg_ParseTuple(unusual, "KHp", &outlined, &told->flags, is_failed);
    told->outlined = outlined;
    Py_XDECREF(unusual);
    Py_DECREF(flags);
    return is_told ? 0 : -1;
}

/* What a request has in common with others of its kind; 0, or -1 with an error. */
static int
find_outline(Call *call, ToldCall *told, int *is_failed)
{
    PyObject *key = key_of(call);
    if (key != NULL) {
        PyObject *outlined = PyDict_GetItemWithError(call->caller->outlines, key);
        if (outlined != NULL)
            told->outlined = PyLong_AsUnsignedLongLong(outlined);
        Py_DECREF(key);
        if (outlined != NULL || PyErr_Occurred())
            return PyErr_Occurred() ? -1 : 0;
    }
    return PyErr_Occurred() ? -1 : ask_unusual(call, told, is_failed);
}

/* Record by way of a recorder in Python, or of what stands in while there is none. */
static int
record_in_python(PyObject *record, const ToldCall *told, uint64_t *end_ns)
{
    PyObject *answer = PyObject_CallFunction(
        record, "KHKKddddd", (unsigned long long)told->outlined, told->flags,
        (unsigned long long)told->bytes_received, (unsigned long long)told->bytes_sent,
        told->kernel_ns, told->began_s, told->head_s, told->write_s, told->ended_s);
    if (answer == NULL)
        return -1;
    *end_ns = PyLong_AsUnsignedLongLong(answer);
    Py_DECREF(answer);
    return PyErr_Occurred() ? -1 : 0;
}

static int
keep_detail(Call *call, const ToldCall *told, uint64_t end_ns)
{
    Caller *caller = call->caller;
    PyObject *keep = PyObject_GetAttr(caller->recording, caller->state->keep_detail);
    if (keep == NULL)
        return -1;
    PyObject *kept = PyObject_CallFunction(keep, "OKHKd", (PyObject *)call,
                                           (unsigned long long)end_ns, told->flags,
                                           (unsigned long long)told->bytes_received, told->ended_s);
    Py_DECREF(keep);
    Py_XDECREF(kept);
    return kept == NULL ? -1 : 0;
}

int
call_finish(Call *call, uint16_t flags)
{
    State *state = call->caller->state;
    ToldCall told = {.flags = flags, .ended_s = perf_counter()};
    uint64_t end_ns;
    int is_failed = 0;

    call->is_recorded = 1;
    if (find_outline(call, &told, &is_failed) < 0)
        return -1;
    told.bytes_received = bytes_received(call);
    told.bytes_sent = call->sent;
    told.kernel_ns = call->kernel_ns;
    told.began_s = call->began_s;
    told.head_s = call->head_s != 0.0 ? call->head_s : told.ended_s;
    told.write_s = call->write_s;
    PyObject *record = PyObject_GetAttr(call->caller->recording, state->record);
    if (record == NULL)
        return -1;
    int is_compiled = Py_IS_TYPE(record, state->recorder_type);
    int failed = is_compiled ? state->recorder_api->record(record, &told, &end_ns)
                             : record_in_python(record, &told, &end_ns);
    Py_DECREF(record);
    if (failed == 0 && (end_ns || is_failed))
        failed = keep_detail(call, &told, end_ns);
    return failed;
}

void
call_fail(Call *call)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *done = PyObject_CallMethodOneArg(call->caller->recording, call->caller->state->fail,
                                               (PyObject *)call);
    if (done == NULL)
        PyErr_WriteUnraisable((PyObject *)call);
    Py_XDECREF(done);
    PyErr_Restore(type, value, traceback);
}
