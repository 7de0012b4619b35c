"""Dash's set-up, which is over before any request is answered.

Dash sets itself up in the first request of a process: it takes over the callbacks of all pages,
and adds those of its router. It notes that this is done before it begins, so that a request which
another thread answers meanwhile would get a document with two of the callbacks, and its page would
stand still for good. Here it waits.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def set_up_once(flask: Flask) -> None:
    """Have the first request alone call what is registered to run before requests.

    Call it when Dash has registered its functions, and nobody else has yet.
    """
    steps = flask.before_request_funcs.pop(None, [])
    setting_up = threading.Lock()
    is_set_up = False

    @flask.before_request
    def set_up() -> None:
        nonlocal is_set_up
        if is_set_up:
            return
        with setting_up:
            if not is_set_up:
                for step in steps:
                    step()
                is_set_up = True
