"""A listener: an app at a bound port, served by a concurrency model, recorded."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from servescope import catalog
from servescope.capturing.files import CaptureFolder
from servescope.errors import ListenerError
from servescope.forked_child import close_in_children, disown_in_children, no_fork
from servescope.hosting.app_import import import_app
from servescope.hosting.asgi.host import AsgiHost, WebSocketTraffic
from servescope.hosting.site import Site
from servescope.hosting.static.folder import StaticFolder
from servescope.hosting.wsgi import WsgiHost
from servescope.records.listeners import UNIX, AppKind, ConcurrencyModel
from servescope.records.metrics import Sample
from servescope.serving.access import AccessList
from servescope.serving.access_log.log import AccessLog
from servescope.serving.capture_gate import CaptureGate, CaptureSwitch
from servescope.serving.debugging import debugged
from servescope.serving.model import Assignment, Load, Model
from servescope.serving.models import model_class
from servescope.serving.models.prefork import Prefork
from servescope.serving.request_recording import RequestRecording
from servescope.serving.source_files import SourceWatch
from servescope.serving.tls.served_certificate import CertificateWatch, ServedCertificate
from servescope.sockets.binding import address_of, bind, prepare
from servescope.sockets.unix import SocketFile
from servescope.wire.forwarded import TrustedProxies

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from servescope.hosting.exchange import Exchange
    from servescope.hosting.site import Application
    from servescope.recording.recorder import Recorder
    from servescope.records.captures import CaptureOrder
    from servescope.records.listeners import ListenerOptions, ListenerSpec, ShownCertificate
    from servescope.records.metrics import Labels
    from servescope.serving.tls.certificates import Pair

GRACE_SECONDS = 2.0


class RunningListener:
    """A started listener. Any thread may call its methods."""

    def __init__(
        self,
        assignment: Assignment,
        model: Model,
        address: tuple[str, int],
        access_log: AccessLog | None,
        socket_file: SocketFile | None,
        certificate_watch: CertificateWatch | None,
    ) -> None:
        self.spec = assignment.spec
        self.address = address
        """Host and port in use; of a unix socket `unix:` with its path, and 0."""
        self._assignment = assignment
        self._model = model
        self._access_log = access_log
        self._socket_file = socket_file
        self._certificate_watch = certificate_watch
        self._is_retired = False
        self._told = WebSocketTraffic()  # what the last samples told of
        self._told_accepted = self._told_turned_away = 0
        self._stop_lock = threading.Lock()
        self._is_stopped = False

    @property
    def is_running(self) -> bool:
        """Whether nobody has stopped it."""
        return not self._is_stopped

    @property
    def problem(self) -> str:
        """Its trouble beside serving; empty when there is none."""
        parts = (self._access_log, self._certificate_watch)
        return "; ".join(part.problem for part in parts if part is not None and part.problem)

    @property
    def certificate(self) -> ShownCertificate | None:
        """The part of its certificate that clients see; None without TLS."""
        return self._certificate_watch.shown if self._certificate_watch is not None else None

    def look_at_certificate(self) -> bool:
        """Take a renewed certificate from its files; whether another one is in use now.

        For one thread, several times a second; files must lie still a moment before they are read.
        Connections that are open keep the certificate they began with. `problem` says why a pair
        cannot be used, and the old one stays.
        """
        watch = self._certificate_watch
        return watch is not None and not self._is_stopped and watch.look(time.time())

    def change_certificate(self, pair: Pair) -> None:
        """Show another certificate from the next connection on; without effect without TLS.

        Raises CertificateError; then the old one stays.
        """
        if self._assignment.tls is not None:
            self._assignment.tls.replace(pair)

    @property
    def sources(self) -> SourceWatch | None:
        """The source files of its app, where they are watched."""
        return self._assignment.sources

    def duplicate_socket(self) -> socket.socket:
        """Its listening socket once more: another listener may take over the accept queue."""
        with no_fork():
            duplicate = self._assignment.listening.dup()
            close_in_children(duplicate)
        return duplicate

    def inherit_socket_file(self, old: RunningListener) -> None:
        """Remove the file of a unix socket in place of `old`, whose socket this one took over."""
        self._socket_file, old._socket_file = old._socket_file, None

    def change_access(self, deny: Iterable[str], allow: Iterable[str]) -> None:
        """Deny others from the next request on.

        Raises ListenerError for an entry that is neither an address nor a network.
        """
        self._assignment.access.change(deny, allow)

    def change_captures(self, order: CaptureOrder | None) -> None:
        """Capture the next requests by this order, or none; nothing happens if it is the same."""
        self._assignment.captures.change(order)

    def retire(self) -> None:
        """Leave new connections to another listener at the same socket.

        Each kept connection is closed after one more request, so that its client is not cut off
        while it sends one; call `stop` when none is left, or for those that stay idle.
        """
        with self._stop_lock:
            if not self._is_stopped and not self._is_retired:
                self._is_retired = True
                self._model.retire()

    def load(self) -> Load:
        """How busy its model is."""
        return self._model.load()

    def samples(self) -> list[Sample]:
        """Its gauges now and its counters' increase since the last call, labelled with its name.

        Empty once it is stopped.
        """
        if self._is_stopped:
            return []
        load = self._model.load()
        labels = (("listener", self.spec.name),)
        samples = [
            Sample(catalog.OPEN_CONNECTIONS, load.open_connections, labels),
            Sample(catalog.LEFT_CONNECTIONS, load.left_connections, labels),
            Sample(catalog.ACTIVE_REQUESTS, load.active_requests, labels),
            Sample(catalog.REPLACED_WORKERS, load.replaced_workers, labels),
            *self._connection_samples(load, labels),
        ]
        if load.has_request_threads:
            samples += [
                Sample(catalog.BUSY_THREADS, load.busy_threads, labels),
                Sample(catalog.QUEUED_REQUESTS, load.queued_requests, labels),
            ]
        samples += [
            Sample(catalog.REQUESTS_IN_STAGE, number, (*labels, ("stage", stage)))
            for stage, number in load.in_stage.items()
        ]
        if load.websocket is not None:
            samples += self._websocket_samples(load.websocket)
        return samples

    def _connection_samples(self, load: Load, labels: Labels) -> list[Sample]:
        samples = [
            Sample(catalog.NEW_CONNECTIONS, load.accepted - self._told_accepted, labels),
            Sample(catalog.TURNED_AWAY, load.turned_away - self._told_turned_away, labels),
        ]
        self._told_accepted, self._told_turned_away = load.accepted, load.turned_away
        return samples

    def _websocket_samples(self, now: WebSocketTraffic) -> list[Sample]:
        told, self._told = self._told, now
        listener = ("listener", self.spec.name)
        received = (listener, ("network.io.direction", "receive"))
        sent = (listener, ("network.io.direction", "transmit"))
        return [
            Sample(catalog.WEBSOCKETS_OPEN, now.open_now, (listener,)),
            Sample(catalog.WEBSOCKETS_CLOSED, now.closed - told.closed, (listener,)),
            Sample(catalog.WEBSOCKET_TIME, (now.closed_ns - told.closed_ns) / 1e9, (listener,)),
            Sample(
                catalog.WEBSOCKET_MESSAGES, now.messages_received - told.messages_received, received
            ),
            Sample(catalog.WEBSOCKET_MESSAGES, now.messages_sent - told.messages_sent, sent),
            Sample(catalog.WEBSOCKET_IO, now.bytes_received - told.bytes_received, received),
            Sample(catalog.WEBSOCKET_IO, now.bytes_sent - told.bytes_sent, sent),
        ]

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Stop accepting, let requests in flight finish within the grace, end its threads.

        Returns when that is done, at most 1.5 s after the grace. Further calls do nothing.
        """
        with self._stop_lock:
            if not self._is_stopped:
                self._is_stopped = True
                try:
                    self._model.stop(grace_seconds)
                finally:
                    self._assignment.captures.change(None)
                    if self._socket_file is not None:
                        self._socket_file.remove()
                if self._access_log is not None:
                    self._access_log.stop()


def start_listener(
    spec: ListenerSpec,
    recorder: Recorder,
    sock: socket.socket | None = None,
    *,
    multiprocess: bool = False,
    pair: Pair | None = None,
    sources: SourceWatch | None = None,
) -> RunningListener:
    """Import the app or mount the folder, bind, and serve in daemon threads.

    `sock` is a socket that listens already; without it the spec's address and port are bound.
    `multiprocess` tells the app that other processes serve it as well (PEP 3333). `pair` is a
    certificate that somebody else has read, and renews by `change_certificate`; without it the
    files of the spec are read, and `look_at_certificate` reads them again. `sources` is the watch
    over the app's source files that a former generation has begun.
    Raises AppImportError, PortTakenError (its `holder` is empty), PortNotPermittedError,
    CertificateError or ListenerError; then nothing is left bound that was bound here.
    """
    application = _application(spec, multiprocess=multiprocess)
    loaded_s = time.time()
    access = AccessList(spec.options.deny, spec.options.allow)
    proxies = _proxies(spec.options)
    access_log = _access_log(spec)
    if spec.options.reload:
        model_type: type[Model] = Prefork
        sources = sources or SourceWatch()
    else:
        model_type = _model_type(spec)
    rings = recorder.ring.path.parent
    watch = None if pair else CertificateWatch.of(spec.options, rings.parent)
    tls = ServedCertificate(pair) if pair else watch.served if watch else None
    socket_file = None
    if sock is None:
        listening = bind(spec.address, spec.port, spec.options.backlog)
        socket_file = SocketFile.of(listening)
    else:
        listening = sock
        prepare(listening)
    address = address_of(listening)
    host = address[0].removeprefix(UNIX)
    site = Site(spec.name, application, spec.options, host, address[1], is_tls=tls is not None)
    site.proxies = proxies

    def judge_anew() -> None:
        site.denies = access.judge

    access.on_change(judge_anew)
    captures = CaptureSwitch()
    captures.on_change(_SiteCaptures(site, spec, CaptureFolder(rings.parent), loaded_s))
    assignment = Assignment(
        spec=spec,
        rings=rings,
        site=site,
        listening=listening,
        options=spec.options,
        access=access,
        record=RequestRecording(recorder, spec.name, access_log).record,
        shares_socket=multiprocess,
        tls=tls,
        captures=captures,
        sources=sources,
    )
    try:
        with no_fork():
            model = model_type(assignment)
            disown_in_children(model)
        model.start()
    except BaseException:  # no descriptors for an event loop, say
        if sock is None:
            listening.close()
        if socket_file is not None:
            socket_file.remove()
        raise
    if access_log is not None:
        access_log.start()
    return RunningListener(assignment, model, address, access_log, socket_file, watch)


class _SiteCaptures:
    """Gives a site a gate for each order, and closes the one before."""

    def __init__(
        self, site: Site, spec: ListenerSpec, folder: CaptureFolder, loaded_s: float
    ) -> None:
        self._site = site
        self._spec = spec
        self._folder = folder
        self._loaded_s = loaded_s
        self._gate: CaptureGate | None = None

    def __call__(self, order: CaptureOrder | None) -> None:
        before, self._gate = self._gate, None
        if order is not None:
            self._gate = CaptureGate(order, self._spec, self._folder, self._loaded_s)
        self._site.captures = self._gate
        if before is not None:
            before.close()


def _proxies(options: ListenerOptions) -> TrustedProxies | None:
    """The proxies whose word about a client is believed; None: of no peer. Raises ListenerError."""
    if not options.trusted_proxies:
        return None
    try:
        return TrustedProxies(options.trusted_proxies, options.proxy_headers)
    except ValueError as error:
        raise ListenerError(f"trusted proxies: {error}") from error


def _access_log(spec: ListenerSpec) -> AccessLog | None:
    """The log the options ask for; processes of its own have one each, at the same file."""
    is_elsewhere = spec.model is ConcurrencyModel.PREFORK or spec.options.reload
    if not spec.options.access_log or is_elsewhere:
        return None
    return AccessLog(spec.options, spec.name)


def _model_type(spec: ListenerSpec) -> type[Model]:
    try:
        return model_class(spec.model)
    except KeyError:
        raise ListenerError(f"there is no concurrency model {spec.model!r}") from None


class _HostedElsewhere:
    """Stands for an app that only processes of its own import."""

    accepts_body = True

    def __call__(self, exchange: Exchange) -> None:
        raise NotImplementedError


def _application(spec: ListenerSpec, *, multiprocess: bool) -> Application:
    if spec.options.reload:
        return _HostedElsewhere()
    match spec.app_kind:
        case AppKind.STATIC:
            return StaticFolder(spec.app)
        case AppKind.WSGI:
            app = import_app(spec.app, AppKind.WSGI)
            return WsgiHost(
                debugged(app, spec) if spec.options.debugger else app,
                multithread=spec.model is not ConcurrencyModel.SEQUENTIAL,
                multiprocess=multiprocess,
            )
        case AppKind.ASGI:
            if spec.model is not ConcurrencyModel.ASYNCIO:
                raise ListenerError(
                    f"an ASGI app needs an event loop: choose the model asyncio, not {spec.model}"
                )
            return AsgiHost(import_app(spec.app, AppKind.ASGI))
