/* What the sources of `_wsgi_calls` share: `Caller` and `Call` of wsgi_calls.py, compiled.

   Read that file first: names, order and meaning are the same, and the tests hold the two against
   each other.

   Python code may run at each call from here, and other threads with it: what may be replaced
   meanwhile (`status`, `headers`, `rule`, what the server gave to write with) has a reference of
   its own while it is in use; the other members are set once. */

#ifndef SERVESCOPE_WSGI_CALLS_H
#define SERVESCOPE_WSGI_CALLS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <time.h>

#include "../../recording/c/call_recorder.h"

/* Keys of an environ and names of attributes, interned once for each interpreter. */
#define NAMES(X)                                                                                   \
    X(gunicorn_socket, "gunicorn.socket")                                                          \
    X(werkzeug_socket, "werkzeug.socket")                                                          \
    X(werkzeug_request, "werkzeug.request")                                                        \
    X(servescope_route, "servescope.route")                                                        \
    X(request_method, "REQUEST_METHOD")                                                            \
    X(server_protocol, "SERVER_PROTOCOL")                                                          \
    X(script_name, "SCRIPT_NAME")                                                                  \
    X(content_length, "CONTENT_LENGTH")                                                            \
    X(url_rule, "url_rule")                                                                        \
    X(rule, "rule")                                                                                \
    X(rule_instead, "rule_instead")                                                                \
    X(fileno, "fileno")                                                                            \
    X(close, "close")                                                                              \
    X(streams, "streams")                                                                          \
    X(outlines, "outlines")                                                                        \
    X(record, "record")                                                                            \
    X(handed_on, "handed_on")                                                                      \
    X(fail, "fail")                                                                                \
    X(leave, "leave")                                                                              \
    X(key, "key")                                                                                  \
    X(unusual, "unusual")                                                                          \
    X(keep_detail, "keep_detail")                                                                  \
    X(nothing, "")

#define MEMBER(name, text) PyObject *name;
typedef struct {
    PyTypeObject *caller_type, *call_type, *recorder_type;
    const CallRecorderApi *recorder_api; /* lives as long as that type */
    NAMES(MEMBER)
} State;

typedef struct {
    PyObject_HEAD
    State *state; /* of the module, which the type keeps alive */
    PyObject *app, *recording;
    PyObject *streams, *outlines; /* the recording's */
} Caller;

typedef struct {
    PyObject_HEAD
    Caller *caller;
    PyObject *environ, *start_response;
    PyObject *result, *blocks; /* what the app returned, and its iterator; NULL before */
    PyObject *status, *headers, *rule, *server_write;
    double kernel_ns, began_s, head_s, write_s;
    double left_s; /* when the server got the block it has; 0 while it has none */
    unsigned long long sent;
    char is_recorded;
    char is_spent; /* the last block is out, or the app raised */
} Call;

/* time.perf_counter, which is this clock on Linux. */
static inline double
perf_counter(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#define NO_FLAGS 0

/* call.c: */

extern PyType_Spec call_spec;

/* A call that has not begun; NULL with an error. */
Call *call_new(Caller *caller, PyObject *environ, PyObject *start_response);

/* What the app gets as its `start_response`; NULL with an error. */
PyObject *call_start_response(Call *call);

/* record.c: */

/* `Call.finish`: 0, or -1 with an error. */
int call_finish(Call *call, uint16_t flags);

/* The app has raised: have that recorded, and leave its error as it is. */
void call_fail(Call *call);

#endif
