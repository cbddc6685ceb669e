"""What one application has in one process: hub, executor, registry, handler; made with the first use.

Nothing here is made before a worker forks, and a process that finds itself forked makes it anew.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response
from flask.json.provider import DefaultJSONProvider

from .config import Config
from .core.connection import Connection
from .core.drain import Drain
from .core.handler import Rate
from .core.heartbeat import Heartbeat, IdleWatch, Liveness
from .core.hub import Hub
from .core.registry import Registry
from .core.rounds import Rounds
from .endpoints.channels import ChannelLimits, ChannelsHandler
from .errors import UnsupportedServer
from .executors import choose_executor
from .handshake import Handshake
from .lifespan import Lifespan
from .origin import refused_origin
from .protocols import deflate, opening
from .protocols.actioncable import ActionCable, negotiate
from .protocols.json import Json, enum_aware
from .pubsub import open_pubsub
from .transports import Begin, Codecs, Limits, find_socket, is_upgraded, open_loopback, open_native
from .upgrade import KEY, Environ, Fields, Upgrade, UpgradeResponse

if TYPE_CHECKING:
    from .extension import Cable

logger = logging.getLogger("flask_cable")


class CableState:
    """``app.extensions["cable"]``: the extension, its settings, and this process's runtime."""

    def __init__(self, app: Flask, cable: Cable) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._runtime: Runtime | None = None
        self._pid = 0
        self.cable = cable

    def runtime(self, sock: Any = None) -> Runtime:
        """This process's runtime; ``sock`` is a server's socket, which tells under what it runs."""
        if self._runtime is None or self._pid != os.getpid():
            with self._lock:
                if self._runtime is None or self._pid != os.getpid():
                    self._runtime = Runtime(self._app, self.cable, sock)
                    self._pid = os.getpid()
        return self._runtime

    def reset(self) -> None:
        """Let the next use make a new runtime, with the settings of then."""
        if self._runtime is not None:
            self._runtime.lifespan.forget()
        self._runtime = None


class Runtime:
    """One application in one process."""

    def __init__(self, app: Flask, cable: Cable, sock: Any = None) -> None:
        self.app = app
        self.cable = cable
        self.config = config = Config(app.config)
        self.executor = choose_executor(config.executor, sock, config.workers)
        self.bus = open_pubsub(config.url)
        self.hub = Hub(self.bus, self.executor)
        self.registry = Registry(self.hub)
        self.handler = self._make_handler(ActionCable(json_of(app)))
        self.drain = Drain(self.registry, self.executor)
        self.lifespan = Lifespan(self.drain, self.executor, config.drain_seconds)
        if self.executor.is_real:
            self.lifespan.watch()
        self.codecs = Codecs(config.max_message_bytes)
        self.inflating_codecs = Codecs(config.max_message_bytes, inflating=True)
        self.limits = Limits(
            config.max_message_bytes,
            config.outbox_bytes,
            config.close_timeout,
            config.stale_after,
            config.outbox_messages,
        )
        self._warned = False
        logger.info("%s executor, %s pub/sub", self.executor.name, type(self.bus).__name__)

    def _make_handler(self, protocol: ActionCable) -> ChannelsHandler:
        config = self.config
        handler = ChannelsHandler(
            self.cable.channels,
            protocol,
            self.registry,
            self._watches(protocol),
            hub=self.hub,
            executor=self.executor,
            scope=self.app.app_context,
            inbox_limit=config.inbox_messages,
            sender=self.app,
        )
        handler.rate = Rate(config.messages_per_second, config.messages_burst)
        handler.limits = ChannelLimits(
            config.max_subscriptions, config.max_streams, config.max_identifier_bytes
        )
        return handler

    def _watches(self, protocol: ActionCable) -> list[Rounds]:
        watches: list[Rounds] = [
            Heartbeat(self.executor, self.config.ping_interval, protocol.ping),
            Liveness(self.executor, self.config.stale_after),
        ]
        if self.config.idle_timeout is not None:
            watches.append(IdleWatch(self.executor, self.config.idle_timeout))
        return watches

    # The handshake, inside the request.

    def answer(self, request: Request, session: Any) -> Response:
        """Accept a handshake with an ``UpgradeResponse``, or refuse it with an ordinary one."""
        self._warn_of_workers(request.environ)
        opened = is_upgraded(request.environ)
        refusal = self.refusal(request, opened)
        if refusal is not None and not opened:
            return plain(refusal)
        connection, begin = self.admit(request, session, refusal)
        upgrade: Upgrade = request.environ[KEY]
        upgrade.abandon = partial(self.registry.remove, connection)
        return self._upgrade(request.environ, connection, begin)

    def _warn_of_workers(self, environ: Environ) -> None:
        if environ.get("wsgi.multiprocess") and not (self.bus.is_shared or self._warned):
            self._warned = True
            logger.warning(
                "several workers, and CABLE_URL names no pub/sub adapter that reaches them all: "
                "a broadcast is heard by this worker's peers only"
            )

    def refusal(self, request: Request, opened: bool = False) -> opening.Refusal | None:
        """Why this handshake is not accepted, whoever its peer is; None when it may be.

        Args:
            opened: something else has seen to the handshake itself.
        """
        wrong = None if opened else opening.refusal(request.environ)
        if wrong is not None:
            return wrong
        reason = refused_origin(request, self.config.allowed_origins) if self.config.check_origin else None
        if reason is not None:
            logger.warning("refused a WebSocket: %s", reason)
            return opening.Refusal(403, "This origin may not connect.")
        if self.drain.started:
            return opening.Refusal(503, "This process is about to end; come back.")
        if self.registry.taken >= self.config.max_connections:
            logger.warning("refused a WebSocket: CABLE_MAX_CONNECTIONS = %d", self.config.max_connections)
            return opening.Refusal(503, "Too many connections; come back later.")
        return None

    def admit(
        self, request: Request, session: Any, refusal: opening.Refusal | None
    ) -> tuple[Connection, Begin]:
        """A connection, and what is to be done once it has a transport.

        With a refusal, where the server has said 101 already, that is to close it.
        """
        if refusal is None:
            connection = self.make_connection(request, session)
            return connection, partial(self.begin, connection, self.identify(connection))
        connection = Connection(self.handler)
        connection.is_rejected = True
        code = 1013 if refusal.status == 503 else 1008
        return connection, partial(connection.close, code, refusal.text)

    def make_connection(self, request: Request, session: Any) -> Connection:
        """A connection for a request, with its place in the registry reserved."""
        connection = self.cable.connection_class(self.handler, self.registry.next_id())
        connection.handshake = Handshake(self.app, request, session)
        self.registry.reserve(connection)
        return connection

    def identify(self, connection: Connection) -> bool:
        """Run ``connect`` in the request's context; False when it raised something else than a refusal."""
        try:
            connection.open()
        except Exception as error:
            self.handler.failed(connection, error)
            connection.is_rejected = True
            return False
        return True

    # Once the socket is ours, outside the request.

    def begin(self, connection: Connection, identified: bool = True) -> None:
        """Welcome a peer, or tell it why not."""
        if connection.closed:  # by its own hook, or a remote disconnect that came meanwhile
            return self.registry.remove(connection)
        if not connection.is_rejected:
            self.registry.add(connection)
            if self.registry.is_live:
                return connection.handle_open()
            timer = self.executor.later(self.config.handshake_timeout, self._too_late, connection)
            return self.registry.when_live(partial(self._ready, connection, timer))
        self.registry.remove(connection)
        if not identified:
            return connection.close(1011, "internal error")
        connection.disconnect("unauthorized", reconnect=False)
        self.handler.refused(connection)

    def _ready(self, connection: Connection, timer: Any) -> None:
        timer.cancel()
        connection.handle_open()

    def _too_late(self, connection: Connection) -> None:
        connection.close(1013, "the pub/sub adapter did not answer in time")

    def _upgrade(self, environ: Environ, connection: Connection, begin: Begin) -> UpgradeResponse:
        fields = opening.headers(environ["HTTP_SEC_WEBSOCKET_KEY"], negotiate(opening.offered(environ)))
        extensions = self._extensions(environ)
        if extensions is not None:
            fields.append(("Sec-WebSocket-Extensions", extensions))
        codecs = self.codecs if extensions is None else self.inflating_codecs
        return UpgradeResponse(partial(self._take_over, environ, connection, begin, codecs), fields)

    def _extensions(self, environ: Environ) -> str | None:
        offers = environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS")
        if not self.config.compression or not offers or is_upgraded(environ):
            return None
        return deflate.negotiate(offers)

    def _take_over(
        self, environ: Environ, connection: Connection, begin: Begin, codecs: Codecs, fields: Fields
    ) -> Iterable[bytes]:
        sock = find_socket(environ)
        if sock is None:
            open_loopback(environ, connection, fields, begin)
            return ()
        head = b"" if is_upgraded(environ) else opening.head(fields)
        resources = (self.executor, codecs, self.limits)
        transport, stand_in = open_native(sock, connection, head, begin, resources)
        if stand_in is not None:
            return stand_in
        del environ, connection, begin
        transport.hold()
        return ()


def plain(refusal: opening.Refusal) -> Response:
    """An ordinary HTTP answer to what cannot become a WebSocket."""
    response = Response(refusal.text + "\n", refusal.status, mimetype="text/plain")
    if refusal.status == 426:
        response.headers.update({"Upgrade": "websocket", "Sec-WebSocket-Version": opening.VERSION})
    if refusal.status == 503:
        response.headers["Retry-After"] = "5"
    return response


def answer_websocket(state: CableState, request: Request, session: Any) -> Response:
    """The view of the cable's route."""
    try:
        sock = find_socket(request.environ)
    except UnsupportedServer as error:
        logger.error("%s", error)
        return plain(opening.Refusal(501, str(error)))
    return state.runtime(sock).answer(request, session)


def json_of(app: Flask) -> Json:
    """JSON as the application's provider has it; compact, strict, and fast where that changes nothing."""
    provider = app.json
    kind = type(provider)
    own = vars(provider)  # functions may be set on the object, too
    dumps_is_own = kind.dumps is not DefaultJSONProvider.dumps or "dumps" in own
    if not isinstance(provider, DefaultJSONProvider) or dumps_is_own:
        return Json(provider.dumps, provider.loads)
    default = enum_aware(provider.default)
    dumps = partial(provider.dumps, default=default, allow_nan=False, separators=(",", ":"))
    is_plain = kind.loads is DefaultJSONProvider.loads and "loads" not in own
    loads = json.loads if is_plain else provider.loads
    as_flask = provider.default is DefaultJSONProvider.default
    return Json(dumps, loads, default if as_flask else None, provider.sort_keys)
