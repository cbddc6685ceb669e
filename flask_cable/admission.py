"""Who is let in: one process's handshakes, refused or accepted; peers begin once their socket is ours.

Routes and ``sockets.py`` ask it, in the request. It knows no style: a route adds its own refusals.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Request
from flask.typing import ResponseReturnValue

from . import signals
from .core.connection import Connection
from .core.drain import CODE, REASON
from .core.executor import Executor
from .core.handler import Handler
from .handshake import Handshake
from .origin import refused_origin
from .protocols import deflate, opening
from .routes.base import TOO_MANY
from .transports import Begin, Codecs, Limits, find_socket, is_upgraded, open_loopback, open_native
from .upgrade import KEY, Environ, Fields, Upgrade, UpgradeResponse

if TYPE_CHECKING:
    from .routes import Route
    from .runtime import Mounted, Runtime

Resources = tuple[Executor, Codecs, Limits]

logger = logging.getLogger("flask_cable")


class Admission:
    """The door of one process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._warned = False

    # The handshake, inside the request.

    def answer(self, route: Route, request: Request, session: Any) -> ResponseReturnValue:
        """Accept a handshake with an ``UpgradeResponse``, or refuse it with an ordinary one."""
        self._warn_of_workers(request.environ)
        opened = is_upgraded(request.environ)
        refusal = self.refusal(request, opened) or route.refusal(self._runtime)
        if refusal is not None and not opened:
            return route.refused(refusal, request)
        mounted = self._runtime.mount(route)
        if refusal is not None:
            return self.upgrade(route, request.environ, *self.turned_away(mounted, refusal))
        connection = self.make_connection(mounted.handler, request, session)
        upgrade: Upgrade = request.environ[KEY]
        upgrade.abandon = partial(self._runtime.registry.remove, connection)
        response = route.admit(connection, request)
        if response is not None:
            connection.is_rejected = True
            if not opened:
                mounted.handler.tell(signals.rejected, connection=connection)
                return response
        return self.upgrade(route, request.environ, connection, partial(self.begin, connection))

    def turned_away(self, mounted: Mounted, refusal: opening.Refusal) -> tuple[Connection, Begin]:
        """A connection that is closed at once, where the server has said 101 already."""
        connection = Connection(mounted.handler)
        connection.is_rejected = True
        code = 1013 if refusal.status == 503 else 1008
        return connection, partial(connection.close, code, refusal.text)

    def _warn_of_workers(self, environ: Environ) -> None:
        if environ.get("wsgi.multiprocess") and not (self._runtime.bus.is_shared or self._warned):
            self._warned = True
            logger.warning(
                "several workers, and CABLE_URL names no pub/sub adapter that reaches them all: "
                "a broadcast is heard by this worker's peers only"
            )

    def refusal(
        self, request: Request, opened: bool = False, origin_needed: bool = True
    ) -> opening.Refusal | None:
        """Why this handshake is not accepted, whoever its peer is; None when it may be.

        Args:
            opened: something else has seen to the handshake itself.
            origin_needed: who does not say where it comes from is not let in.
        """
        wrong = None if opened else opening.refusal(request.environ)
        return wrong or self.refusal_of_origin(request, origin_needed) or self._refusal_of_one_more()

    def refusal_of_origin(self, request: Request, needed: bool = True) -> opening.Refusal | None:
        """Why a page of that origin may not connect; None when it may."""
        if not self._runtime.config.check_origin:
            return None
        reason = refused_origin(request, self._runtime.config.allowed_origins, needed)
        if reason is None:
            return None
        logger.warning("refused a connection: %s", reason)
        return opening.Refusal(403, "This origin may not connect.")

    def _refusal_of_one_more(self) -> opening.Refusal | None:
        runtime, most = self._runtime, self._runtime.config.max_connections
        if runtime.drain.started:
            return opening.Refusal(503, "This process is about to end; come back.")
        if runtime.bus.is_lost:
            return opening.Refusal(503, "What connects this process to the others is away; come back.")
        if runtime.registry.taken >= most:
            logger.warning("refused a connection: CABLE_MAX_CONNECTIONS = %d", most)
            return TOO_MANY
        return None

    def make_connection(self, handler: Handler, request: Request, session: Any) -> Connection:
        """A connection for a request, with its place in the registry reserved."""
        connection = self._runtime.cable.connection_class(handler, self._runtime.registry.next_id())
        connection.handshake = Handshake(self._runtime.app, request, session)
        connection.hold_back()
        self._runtime.registry.reserve(connection)
        return connection

    # Once the socket is ours, outside the request.

    def begin(self, connection: Connection) -> None:
        """Let a peer begin, or tell it why not."""
        runtime, registry = self._runtime, self._runtime.registry
        if connection.closed:  # by its own hook, or a remote disconnect that came meanwhile
            return registry.remove(connection)
        if connection.is_rejected:
            registry.remove(connection)
            return connection.handler.turn_away(connection)
        registry.add(connection)
        if runtime.drain.started:  # it was let in just before
            return connection.disconnect(REASON, reconnect=True, code=CODE)
        if registry.is_live:
            return connection.handle_open()
        timer = runtime.executor.later(runtime.config.handshake_timeout, self._too_late, connection)
        registry.when_live(partial(self._ready, connection, timer))

    def _ready(self, connection: Connection, timer: Any) -> None:
        timer.cancel()
        connection.handle_open()

    def _too_late(self, connection: Connection) -> None:
        connection.close(1013, "the pub/sub adapter did not answer in time")

    def upgrade(
        self, route: Route, environ: Environ, connection: Connection, begin: Begin
    ) -> UpgradeResponse:
        """Accept a WebSocket for a connection, or for what stands for one; then ``begin`` is called."""
        subprotocol = self._subprotocol(route, environ)
        if connection.handshake is not None:
            connection.handshake.subprotocol = subprotocol
        fields = opening.headers(environ["HTTP_SEC_WEBSOCKET_KEY"], subprotocol)
        extensions = self._extensions(environ)
        if extensions is not None:
            fields.append(("Sec-WebSocket-Extensions", extensions))
        mounted = self._runtime.mount(route)
        codecs = mounted.codecs if extensions is None else mounted.inflating_codecs
        resources = (self._runtime.executor, codecs, mounted.limits)
        return UpgradeResponse(partial(self._take_over, environ, connection, begin, resources), fields)

    def _subprotocol(self, route: Route, environ: Environ) -> str | None:
        offered = opening.offered(environ)
        if not is_upgraded(environ):
            return route.subprotocol(offered)
        app: Any = self._runtime.app
        answer: str | None = app.app_protocol(environ["PATH_INFO"])  # as the server did
        return answer if answer in offered else None

    def _extensions(self, environ: Environ) -> str | None:
        offers = environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS")
        if not self._runtime.config.compression or not offers or is_upgraded(environ):
            return None
        return deflate.negotiate(offers)

    def _take_over(
        self, environ: Environ, connection: Connection, begin: Begin, resources: Resources, fields: Fields
    ) -> Iterable[bytes]:
        sock = find_socket(environ)
        if sock is None:
            open_loopback(environ, connection, fields, begin)
            return ()
        head = b"" if is_upgraded(environ) else opening.head(fields)
        transport = open_native(sock, connection, head, begin, resources)
        del environ, connection, begin
        transport.hold()
        return ()
