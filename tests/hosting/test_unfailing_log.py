from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import pytest

from servescope.hosting.unfailing_log import UnfailingLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "tests.unfailing"


class RaisingHandler(logging.Handler):
    def emit(self, _record: logging.LogRecord) -> None:
        raise SystemExit("a handler")


class RaisingFilter(logging.Filter):
    def filter(self, _record: logging.LogRecord) -> bool:
        raise KeyboardInterrupt


def closed_stream() -> logging.Handler:
    """Of which logging says so on a standard error that is closed as well."""
    stream = io.StringIO()
    stream.close()
    return logging.StreamHandler(stream)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger(NAME)
    yield logger
    logger.handlers.clear()
    logger.filters.clear()


def test_it_logs_as_any_logger_does(caplog: pytest.LogCaptureFixture):
    log = UnfailingLogger(NAME)
    log.warning("%d of %s", 3, "them")
    [record] = caplog.records
    assert (record.name, record.levelname, record.getMessage()) == (NAME, "WARNING", "3 of them")
    assert record.filename == "test_unfailing_log.py", "the place is the caller's"
    assert record.funcName == "test_it_logs_as_any_logger_does"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda logger: logger.addHandler(RaisingHandler()),
        lambda logger: logger.addFilter(RaisingFilter()),
    ],
    ids=["a handler raises", "a filter raises"],
)
def test_a_line_goes_to_standard_error_when_logging_raises(
    spoil: Callable[[logging.Logger], None],
    logger: logging.Logger,
    capfd: pytest.CaptureFixture[str],
):
    spoil(logger)
    log = UnfailingLogger(NAME)
    try:
        int("no number")
    except ValueError as error:
        log.error("listener %s failed", "x", exc_info=error)  # noqa: TRY400 - one of the ways
        log.exception("listener %s failed", "y")
    told = capfd.readouterr().err
    assert "listener x failed (and logging raised " in told
    assert "listener y failed (and logging raised " in told
    assert told.count("invalid literal for int() with base 10: 'no number'") == 2


def test_a_closed_standard_error_is_no_fault_either(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """`environ["wsgi.errors"].close()` is all it takes."""
    handler = closed_stream()
    logger.addHandler(handler)
    logger.propagate = False
    errors = io.StringIO()
    errors.close()
    monkeypatch.setattr("sys.stderr", errors)
    try:
        UnfailingLogger(NAME).warning("heard all the same")
    finally:
        logger.propagate = True
    assert "heard all the same" in capfd.readouterr().err


class Unprintable:
    def __str__(self) -> str:
        raise SystemExit("no text")


def test_what_cannot_be_told_is_left_out(logger: logging.Logger):
    logger.addHandler(RaisingHandler())
    UnfailingLogger(NAME).warning("%s", Unprintable())
