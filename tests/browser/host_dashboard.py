"""This project's own dashboard as a hosted WSGI app, in a process of its own.

`python -m tests.browser.host_dashboard MODEL FOLDER` serves `app:server` by one of our listeners at
the port that a dashboard would have, prints its address, and ends on SIGTERM.
"""

import os
import sys
from pathlib import Path

from servescope.recording.recorder import Recorder
from servescope.records.listeners import AppKind, ConcurrencyModel, ListenerOptions, ListenerSpec
from servescope.serving import start_listener
from servescope.stop_request import StopRequest


def main(model, folder):
    stop = StopRequest()
    spec = ListenerSpec(
        name="dashboard",
        address="127.0.0.1",
        port=int(os.environ["SERVESCOPE_PORT"]),
        model=ConcurrencyModel(model),
        app_kind=AppKind.WSGI,
        app="app:server",
        options=ListenerOptions(threads=4),
    )
    recorder = Recorder(Path(folder))
    listener = start_listener(spec, recorder)
    runtime = sys.modules["app"].runtime
    runtime.start()  # as gunicorn's hook does after the fork
    host, port = listener.address
    sys.stdout.write(f"Servescope: http://{host}:{port}/\n")
    sys.stdout.flush()
    stop.wait()
    listener.stop()
    recorder.close()
    runtime.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
