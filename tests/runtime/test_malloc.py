"""Freed memory that glibc's malloc keeps is bounded, judged by malloc_info(3) in a process."""

import subprocess
import sys

PROGRAM = """
import ctypes, threading
from servescope.runtime.malloc import bound_freed_memory
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
if {is_bounded}:
    bound_freed_memory()
ready = threading.Barrier(9)
def allocate():
    libc.malloc(1024)
    ready.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
ready.wait()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def arenas(*, is_bounded):
    """How many arenas a process has in which eight threads have allocated something."""
    program = PROGRAM.format(is_bounded=is_bounded)
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return told.stdout.count("<heap nr=")


def test_threads_share_two_arenas():
    assert arenas(is_bounded=False) > 2
    assert arenas(is_bounded=True) == 2
