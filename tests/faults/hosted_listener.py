"""A listener and no more: `python -m tests.faults.hosted_listener FOLDER GRACE_S`.

The process reads a WorkerOrder line, serves, and prints its port. SIGTERM stops the listener with
this grace, in seconds, and ends the process, as the dashboard's leader does. It imports nothing but
what a server needs: many are started.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from servescope.recording.recorder import Recorder
from servescope.serving import start_listener
from servescope.serving.workers.order import WorkerOrder


def main() -> int:
    order = WorkerOrder.from_line(sys.stdin.buffer.readline())
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    recorder = Recorder(Path(sys.argv[1]), capacity=2**17)
    listener = start_listener(order.spec, recorder)
    os.write(1, b"%d\n" % listener.address[1])
    while not stop.wait(0.1):
        pass  # a signal that another thread got does not wake this one
    listener.stop(float(sys.argv[2]))
    recorder.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
