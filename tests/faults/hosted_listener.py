"""A listener and no more: `python -m tests.faults.hosted_listener FOLDER GRACE_S`.

The process reads a WorkerOrder line, serves, and prints its port. SIGTERM stops the listener with
this grace, in seconds, and ends the process, as the dashboard's leader does. It imports nothing but
what a server needs: many are started.
"""

import os
import sys
from pathlib import Path

from servescope.recording.recorder import Recorder
from servescope.serving import start_listener
from servescope.serving.workers.order import WorkerOrder
from servescope.stop_request import StopRequest


def main() -> int:
    order = WorkerOrder.from_line(sys.stdin.buffer.readline())
    stop = StopRequest()
    recorder = Recorder(Path(sys.argv[1]), capacity=2**17)
    listener = start_listener(order.spec, recorder)
    os.write(1, b"%d\n" % listener.address[1])
    stop.wait()
    listener.stop(float(sys.argv[2]))
    recorder.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
