"""Whether a library has put greenlets in the place of this process's threads.

gevent and eventlet replace `threading`, `socket` and `select` of the whole process. A call that
blocks in a C library (SQLite, epoll by its descriptor) then holds up everything, and modules
imported before mix real threads with greenlets: no server of ours runs on that.
"""

from __future__ import annotations

import sys
from typing import Final

_PATCHERS: Final = {
    "gevent": ("gevent.monkey", "is_module_patched", "threading"),
    "eventlet": ("eventlet.patcher", "is_monkey_patched", "thread"),
}


def threads_patched_by() -> str:
    """The library that patched the threads of this process; empty when none did."""
    for library, (module, question, what) in _PATCHERS.items():
        asked = getattr(sys.modules.get(module), question, None)
        if asked is not None and asked(what):
            return library
    return ""
