"""The certificate a listener shows, and how a renewed one takes its place while it serves.

Theory of operation. Each accept takes the current context; a renewed pair is a new context, put in
the old one's place at one stroke. Connections keep the one they began with. A pair that cannot be
used changes nothing. Files are compared by their stat(2), several times a second, and read when
they have come to rest: a renewal replaces two of them, one after the other.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Final

from servescope.errors import CertificateError
from servescope.records.listeners import SELF_SIGNED, ShownCertificate
from servescope.serving.tls.certificates import (
    RENEW_DAYS,
    Pair,
    context_of,
    files_of,
    read_pair,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from servescope.records.listeners import ListenerOptions

SETTLE_S: Final = 0.5
"""How long the files must have stayed as they are before they are read again."""

RETRY_S: Final = 60.0
"""How often files that could not be used are read again though they did not change."""

REMAKE_S: Final = 60.0
"""How often the end of a self-signed certificate is looked at."""

_DAY_S: Final = 86_400.0
_Stamps = tuple[tuple[int, int, int, int] | None, ...]


class ServedCertificate:
    """The pair in use. Any thread may read `context`; one at a time may call `replace`.

    Raises CertificateError when the first pair cannot be used.
    """

    def __init__(self, pair: Pair) -> None:
        self.context = context_of(pair)
        self.pair = pair
        self._on_change: Callable[[], None] | None = None

    def on_change(self, tell: Callable[[], None]) -> None:
        """Call `tell` after each change."""
        self._on_change = tell

    def replace(self, pair: Pair) -> None:
        """Show another certificate from the next connection on.

        Raises CertificateError; then all stays as it is.
        """
        self.context = context_of(pair)
        self.pair = pair
        if self._on_change is not None:
            self._on_change()


class CertificateWatch:
    """Keeps a ServedCertificate as its files are; used by one thread at a time.

    `shown` is what clients see, `problem` why files that have changed are not in use.
    """

    def __init__(
        self, options: ListenerOptions, data_folder: Path, files: tuple[Path, Path]
    ) -> None:
        self._options = options
        self._data_folder = data_folder
        self._files = files
        self._read = self._found = self._stamps()  # before the reading: a change in it is seen
        self._found_s = self._next_remake_s = self._retry_s = 0.0
        self.served = ServedCertificate(read_pair(*files))
        self.shown: ShownCertificate = shown(self.served.pair, time.time())
        self.problem = ""

    @classmethod
    def of(cls, options: ListenerOptions, data_folder: Path) -> CertificateWatch | None:
        """That of a listener, None for one without TLS. Raises CertificateError."""
        files = files_of(options, data_folder)
        return None if files is None else cls(options, data_folder, files)

    def look(self, now_s: float) -> bool:
        """Read the files if they have changed; whether another certificate is in use now.

        `now_s` is epoch seconds.
        """
        try:
            self._remake_own(now_s)
            stamps = self._stamps()
            if stamps != self._found:
                self._found, self._found_s = stamps, now_s
            is_due = self.problem != "" and now_s >= self._retry_s
            if (stamps == self._read and not is_due) or 0 <= now_s - self._found_s < SETTLE_S:
                return False
            self._read, self._retry_s = stamps, now_s + RETRY_S
            return self._take(now_s)
        except CertificateError as error:
            ends = dt.datetime.fromtimestamp(self.shown.ends_s, dt.UTC)
            self.problem = f"{error}; the certificate that ends on {ends:%Y-%m-%d} stays in use"
            return False

    def _take(self, now_s: float) -> bool:
        """Read and use what the files hold."""
        files = files_of(self._options, self._data_folder)
        pair = read_pair(*(files or self._files))
        self.problem = ""
        if pair == self.served.pair:
            return False
        now_shown = shown(pair, now_s)
        self.served.replace(pair)
        self.shown = now_shown
        return True

    def _remake_own(self, now_s: float) -> None:
        """Replace a self-signed pair in time: its files change, and are read as any others."""
        if self._options.certificate != SELF_SIGNED or now_s < self._next_remake_s:
            return
        self._next_remake_s = now_s + REMAKE_S
        if self.shown.ends_s - now_s < RENEW_DAYS * _DAY_S:
            files_of(self._options, self._data_folder)

    def _stamps(self) -> _Stamps:
        """A mark that shows a change of the files, behind links too; None: one is missing."""
        found: list[tuple[int, int, int, int] | None] = []
        for path in self._files:
            try:
                stat = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino))
        return tuple(found)
