/* What `_call_recorder` offers to other compiled modules, beside its Python type. */

#ifndef SERVESCOPE_CALL_RECORDER_H
#define SERVESCOPE_CALL_RECORDER_H

#include <Python.h>

#include <stdint.h>

/* What is recorded of a call: the arguments of `record_call` in call_recorder.py. */
typedef struct {
    uint64_t outlined;
    uint16_t flags;
    uint64_t bytes_received, bytes_sent;
    double kernel_ns, began_s, head_s, write_s, ended_s;
} ToldCall;

/* In the capsule of this name; `type` keeps it alive. */
#define CALL_RECORDER_API "servescope.recording._call_recorder.api"

typedef struct {
    PyTypeObject *type;
    /* Record a call into a recorder of that very type, as its `__call__` does: 0, or -1 with an
       error. `end_ns` becomes what that returns. */
    int (*record)(PyObject *recorder, const ToldCall *told, uint64_t *end_ns);
} CallRecorderApi;

#endif
