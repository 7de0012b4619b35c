"""Files of `/assets/` and `/_dash-component-suites/`, each named by a fingerprint of its content.

A URL whose fingerprint is the file's answers with a year in the browser's cache, so a second visit
asks for none of them; any other URL of the file has the browser ask again, with an entity tag. Each
coded representation is made once a process and has a tag of its own. Copies are found by file and
coding, never by URL: made-up queries and fingerprints fill nothing.

Our own scripts are one file to a browser, and our style sheets another, see
`components.delivery.sources`: each has a URL among the assets.
"""

from __future__ import annotations

import hashlib
import re
import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dash._validate import validate_js_path
from dash.fingerprint import check_fingerprint
from flask import Response, abort, request
from werkzeug.security import safe_join

from components.delivery.compression import accepted_coding, compress
from components.delivery.sources import CompiledEarly, File
from servescope.hosting.static.content_coding import IDENTITY
from servescope.hosting.static.content_types import content_type

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Mapping

    from components.delivery.sources import Bundle, Source

FOR_GOOD: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"

MOST_KEPT_BYTES: Final = 8 * 1024 * 1024
"""Of coded representations in a process. All that the pages load takes 1.5 MB with brotli and 1.6
with gzip; the rest is there for clients that ask for files which no page loads."""

_SMALLEST_CODED: Final = 512
_CODED_SUFFIXES: Final = (".js", ".css", ".svg")
_DIGEST_BYTES: Final = 8
SUITES: Final = "_dash-component-suites/"
ASSETS: Final = "assets/"
_ASSET_FINGERPRINT: Final = "m"
"""The query in which Dash puts an asset's time of change, and we its fingerprint."""

_COMPILED_EARLY: Final = {"dash_mantine_components.js", "dcc/dash_core_components.js"}
"""Scripts in a wrapper that Chromium takes for a function to be compiled when it is called."""

_SUITE_FINGERPRINT: Final = re.compile(r"(\.v[\w-]+m)([0-9a-fA-F]+)(?=\.)")
"""As `dash.fingerprint` has it: `name.v4_4_1m1795879818.min.js`."""


@dataclass(frozen=True, slots=True)
class _Known:
    """The fingerprint of a source in a state, and its size then."""

    state: Hashable
    size: int
    fingerprint: str


class FileCache:
    """Fingerprints of sources, and coded representations up to `most_bytes`, oldest out first.

    A file that changes on disk is read anew. Raises FileNotFoundError for what is no file.
    """

    def __init__(self, most_bytes: int = MOST_KEPT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._known: dict[Source, _Known] = {}
        self._coded: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._kept_bytes = 0

    def fingerprint(self, source: Source) -> str:
        """Sixteen hexadecimal digits of the content."""
        return self._look_at(source).fingerprint

    def size(self, source: Source) -> int:
        """Bytes of the content."""
        return self._look_at(source).size

    def _look_at(self, source: Source) -> _Known:
        state = source.state()
        known = self._known.get(source)
        if known is None or known.state != state:
            content = source.read()
            known = self._known[source] = _Known(state, len(content), _digest(content))
        return known

    def content(self, source: Source, coding: str) -> tuple[str, bytes]:
        """The fingerprint of the content, and its bytes in the coding."""
        with self._lock:
            fingerprint = self.fingerprint(source)
            coded = self._coded.get((fingerprint, coding))
            if coded is not None:
                self._coded.move_to_end((fingerprint, coding))
                return fingerprint, coded
        plain = source.read()
        fingerprint = _digest(plain)  # of these very bytes, whatever was written meanwhile
        if coding == IDENTITY:
            return fingerprint, plain
        coded = compress(plain, coding)
        self._keep((fingerprint, coding), coded)
        return fingerprint, coded

    def _keep(self, key: tuple[str, str], coded: bytes) -> None:
        with self._lock:
            if key not in self._coded:
                self._coded[key] = coded
                self._kept_bytes += len(coded)
            while self._kept_bytes > self._most_bytes:
                _, dropped = self._coded.popitem(last=False)
                self._kept_bytes -= len(dropped)

    @property
    def kept_bytes(self) -> int:
        """Bytes of all coded representations that are kept."""
        return self._kept_bytes


class StaticFiles:
    """The files that pages load: their URLs below `prefix`, and the answers to them."""

    def __init__(
        self,
        packages: Mapping[str, Collection[str]],
        folder: Path,
        prefix: str,
        bundles: Iterable[Bundle] = (),
    ) -> None:
        """`packages`: the files of each that may be asked for; `folder`: the assets."""
        self.cache = FileCache()
        self._packages = packages
        self._folder = folder
        self._bundles = {bundle.name: bundle for bundle in bundles}
        self.prefix = prefix

    def url(self, url: str) -> str:
        """A URL as Dash writes it into a document, with the fingerprint of the file's content."""
        if not url.startswith(self.prefix):
            return url
        path = url.removeprefix(self.prefix).partition("?")[0]
        try:
            if path.startswith(SUITES):
                package, _, name = path.removeprefix(SUITES).partition("/")
                fingerprint = self.cache.fingerprint(_package_file(package, name))
                return _SUITE_FINGERPRINT.sub(rf"\g<1>{fingerprint}", url)
            if path.startswith(ASSETS):
                return self.asset_url(path.removeprefix(ASSETS))
        except FileNotFoundError:
            pass  # as Dash has it: asking for it tells
        return url

    def asset_url(self, name: str) -> str:
        """The URL of a bundle, or of a file of the folder `assets`. Raises FileNotFoundError."""
        source = self._bundles.get(name) or File(self._folder / name)
        fingerprint = self.cache.fingerprint(source)
        return f"{self.prefix}{ASSETS}{name}?{_ASSET_FINGERPRINT}={fingerprint}"

    def asset(self, filename: str) -> Response:
        """Answer with a bundle, or with a file of the folder `assets`."""
        path = safe_join(str(self._folder), filename)
        if path is None:
            abort(HTTPStatus.NOT_FOUND)
        source = self._bundles.get(filename) or File(Path(path))
        return self._answer(source, filename, request.args.get(_ASSET_FINGERPRINT))

    def component_file(self, package_name: str, fingerprinted_path: str) -> Response:
        """Answer with a package's file. Raises DependencyException for what no page asks for."""
        name = _without_fingerprint(fingerprinted_path)
        validate_js_path(self._packages, package_name, name)  # type: ignore[no-untyped-call]
        found = _SUITE_FINGERPRINT.search(fingerprinted_path.rpartition("/")[2])
        return self._answer(_package_file(package_name, name), name, found and found[2])

    def _answer(self, source: Source, name: str, asked_for: str | None) -> Response:
        try:
            size = self.cache.size(source)
            is_coded = name.endswith(_CODED_SUFFIXES) and size >= _SMALLEST_CODED
            coding = accepted_coding() if is_coded else IDENTITY
            fingerprint, content = self.cache.content(source, coding)
        except FileNotFoundError:
            abort(HTTPStatus.NOT_FOUND)
        response = Response(content, content_type=content_type(name))
        response.headers["Cache-Control"] = FOR_GOOD if asked_for == fingerprint else ASK_AGAIN
        if is_coded:
            response.vary.add("Accept-Encoding")
        if coding != IDENTITY:
            response.headers["Content-Encoding"] = coding
        response.set_etag(f"{fingerprint}-{coding}" if coding != IDENTITY else fingerprint)
        response.make_conditional(request)
        return response


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()


def _package_file(package: str, name: str) -> Source:
    """A package's file, with or without a fingerprint in its name."""
    module = sys.modules.get(package)
    if module is None or module.__file__ is None:
        raise FileNotFoundError(package)
    name = _without_fingerprint(name)
    file = File(Path(module.__file__).parent / name)
    return CompiledEarly(file) if name in _COMPILED_EARLY else file


def _without_fingerprint(name: str) -> str:
    found: str = check_fingerprint(name)[0]  # type: ignore[no-untyped-call]  # Dash has no types
    return found
