"""Where Socket.IO's clients connect: by long polling, by WebSocket, and from the one to the other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from flask import Request, Response, current_app, request, session
from flask.typing import ResponseReturnValue

from .. import signals
from ..core.carrier import Carrier
from ..core.connection import Connection
from ..core.executor import Executor
from ..endpoints.socketio import SocketIOHandler, SocketIOServer
from ..endpoints.socketio.peer import Peer
from ..endpoints.socketio.pings import Pings
from ..endpoints.socketio.recovery import Log, Recovery
from ..errors import UnsupportedServer
from ..late import LateResponse
from ..origin import cors_headers
from ..pages import cable_is_socket
from ..protocols.engineio import (
    BAD_METHOD,
    BAD_REQUEST,
    FORBIDDEN,
    POLLING,
    REVISION,
    TOO_LARGE,
    UNAVAILABLE,
    UNKNOWN_SID,
    UNKNOWN_TRANSPORT,
    UNSUPPORTED_REVISION,
    WEBSOCKET,
    Fault,
)
from ..protocols.opening import Refusal
from ..protocols.opening import refusal as opening_refusal
from ..protocols.socketio import SocketIO
from ..transports import detach, find_socket, is_upgraded
from ..transports.polling import Poll, PollingTransport
from ..transports.upgrading import Upgrading
from .base import Route

if TYPE_CHECKING:
    from ..runtime import CableState, Mounted, Runtime

FAULTS = {403: FORBIDDEN, 501: BAD_REQUEST._replace(status=501), 503: UNAVAILABLE}
"""What refuses a handshake, in Engine.IO's words; all else is a bad request."""

UNKNOWN = object()
"""Stands for what no peer polls, where None is one that has changed to a WebSocket."""

ONE_AT_A_TIME = (
    "This server handles one request at a time, and a polling client needs two. "
    "Run gunicorn with -k gevent or with --threads 8."
)


class SocketIORoute(Route):
    """One endpoint for Socket.IO's clients."""

    methods = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    options: ClassVar[dict[str, Any]] = {"strict_slashes": False, "provide_automatic_options": False}

    def __init__(self, io: SocketIOServer, endpoint: str) -> None:
        super().__init__(f"{io.path}/", endpoint, max_message_bytes=io.settings.max_payload)
        self.io = io

    def make_handler(self, runtime: Runtime) -> SocketIOHandler:
        settings = self.io.settings
        pings = Pings(runtime.executor, settings.ping_interval, settings.ping_timeout)
        protocol = SocketIO(runtime.json, settings.max_attachments)
        handler = SocketIOHandler(
            self.io.path, self.io.namespaces, protocol, settings, watches=[pings], **runtime.resources()
        )
        if settings.recovery_seconds is not None:
            log = Log(self.io.path, runtime.bus.store, settings.recovery_seconds, settings.recovery_packets)
            handler.recovery = Recovery(handler, log)
        return handler

    # By WebSocket.

    def view(self, **arguments: Any) -> ResponseReturnValue:
        fault, sid = self._fault(WEBSOCKET), request.args.get("sid")
        if fault is None and sid is None:
            return super().view(**arguments)
        try:
            runtime = _runtime(find_socket(request.environ))
        except UnsupportedServer as error:
            return self.unsupported(error)
        return self._refuse(runtime, fault) if fault is not None else self._upgrade(runtime, str(sid))

    def _refuse(self, runtime: Runtime, fault: Fault) -> ResponseReturnValue:
        """Refuse a WebSocket, by closing it where the server has said 101 already."""
        if not is_upgraded(request.environ):
            return answer(fault)
        turned_away = runtime.admission.turned_away(runtime.mount(self), Refusal(fault.status, fault.message))
        return runtime.admission.upgrade(self, request.environ, *turned_away)

    def admit(self, connection: Connection, request: Request) -> ResponseReturnValue | None:
        connection.state = Peer()
        return super().admit(connection, request)

    def _upgrade(self, runtime: Runtime, sid: str) -> ResponseReturnValue:
        """Let a WebSocket take over from polling. Only who polls knows the sid, so it shows who asks."""
        wrong = None if is_upgraded(request.environ) else opening_refusal(request.environ)
        refusal = wrong or runtime.admission.refusal_of_origin(request, needed=False)
        if refusal is not None:
            return self._refuse(runtime, fault_of(refusal))
        mounted = runtime.mount(self)
        polls = cast(SocketIOHandler, mounted.handler).polls
        polling = polls.get(sid, UNKNOWN)
        if polling is UNKNOWN:
            return self._refuse(runtime, UNKNOWN_SID)
        if polling is None:  # the protocol's document wants that one closed, and not refused
            second = Refusal(400, "This connection has its WebSocket.")
            turned_away = runtime.admission.turned_away(mounted, second)
            return runtime.admission.upgrade(self, request.environ, *turned_away)
        timeout = self.io.settings.upgrade_timeout
        upgrading = Upgrading(polling.connection, polling, runtime.executor, timeout)
        stand_in = cast(Connection, upgrading)  # as far as a transport asks
        return runtime.admission.upgrade(self, request.environ, stand_in, lambda: None)

    # By long polling.

    def view_http(self, **arguments: Any) -> ResponseReturnValue:
        runtime = _runtime(_socket_of(request))
        if runtime.executor.threaded and not request.environ.get("wsgi.multithread"):
            return self.unsupported(UnsupportedServer(ONE_AT_A_TIME))
        response = self._answer_http(runtime)
        response.headers["Cache-Control"] = "no-store"
        config = runtime.config
        response.headers.extend(cors_headers(request, config.allowed_origins, config.check_origin))
        return response

    def _answer_http(self, runtime: Runtime) -> Response:
        refusal = runtime.admission.refusal_of_origin(request, needed=False)
        if refusal is not None or cable_is_socket():  # a page's call is not to wait for what may be said
            return answer(FORBIDDEN)
        if request.method == "OPTIONS":
            return Response(status=204)
        fault = self._fault(POLLING)
        if fault is not None:
            return answer(fault)
        sid = request.args.get("sid")
        if sid is None:
            return self._open(runtime)
        polls = cast(SocketIOHandler, runtime.mount(self).handler).polls
        polling = polls.get(sid, UNKNOWN)
        if polling is UNKNOWN:  # it may be another worker's: the client connects anew
            return answer(UNKNOWN_SID)
        if polling is None:
            return answer(BAD_REQUEST)
        return self._receive(polling) if request.method == "POST" else self._poll(runtime, polling)

    def _open(self, runtime: Runtime) -> Response:
        if request.method != "GET":
            return answer(BAD_METHOD)
        refusal = runtime.admission.refusal(request, opened=True, origin_needed=False)
        if refusal is not None:
            return answer(fault_of(refusal))
        mounted = runtime.mount(self)
        connection = runtime.admission.make_connection(mounted.handler, request, session)
        try:
            connection.open()
        except BaseException:
            runtime.registry.remove(connection)
            raise
        if connection.is_rejected:
            runtime.registry.remove(connection)
            mounted.handler.tell(signals.rejected, connection=connection)
            return answer(FORBIDDEN)
        polling = self._attach(runtime, mounted, connection)
        runtime.admission.begin(connection)
        return self._poll(runtime, polling)

    def _attach(self, runtime: Runtime, mounted: Mounted, connection: Connection) -> PollingTransport:
        """Let requests find the connection by its sid, as long as it polls."""
        peer = connection.state = Peer((WEBSOCKET,) if self._can_upgrade(runtime) else ())
        polls = cast(SocketIOHandler, mounted.handler).polls

        def forget(successor: Carrier | None) -> None:
            if successor is None or connection.closed:
                polls.pop(peer.sid, None)
            else:
                polls[peer.sid] = None

        polling = PollingTransport(connection, runtime.executor, mounted.limits, forget)
        polls[peer.sid] = polling
        connection.attach(polling)  # which may end it at once
        return polling

    def _can_upgrade(self, runtime: Runtime) -> bool:
        if WEBSOCKET not in self.io.settings.transports:
            return False
        return _socket_of(request) is not None or not runtime.executor.is_real

    def _poll(self, runtime: Runtime, polling: PollingTransport) -> Response:
        settings = self.io.settings
        poll = polling.poll(settings.ping_interval + settings.ping_timeout)
        if poll is None:
            return answer(BAD_REQUEST)
        executor = runtime.executor
        take = partial(_detach, executor, poll) if executor.threaded else None
        return LateResponse(poll, take, mimetype="text/plain")

    def _receive(self, polling: PollingTransport) -> Response:
        limit = self.io.settings.max_payload
        if (request.content_length or 0) > limit:
            return answer(TOO_LARGE)
        body = request.stream.read(limit + 1)
        if len(body) > limit:
            return answer(TOO_LARGE)
        fault = polling.receive(body)
        return Response("ok", mimetype="text/plain") if fault is None else answer(fault)

    # What is wrong.

    def _fault(self, transport: str) -> Fault | None:
        """What is wrong with a request's method and arguments, whoever asks."""
        asked = request.args.get("transport")
        if asked not in self.io.settings.transports:
            return UNKNOWN_TRANSPORT
        if asked != transport:
            return BAD_REQUEST
        if request.args.get("EIO") != REVISION:
            return UNSUPPORTED_REVISION
        return None if request.method in ("GET", "POST") else BAD_METHOD

    def refused(self, refusal: Refusal, request: Request) -> Response:
        return answer(fault_of(refusal))


def fault_of(refusal: Refusal) -> Fault:
    """A refusal in Engine.IO's words."""
    return FAULTS.get(refusal.status, BAD_REQUEST)


def _detach(executor: Executor, poll: Poll, environ: Mapping[str, Any], head: bytes) -> bool:
    """Answer a GET on the server's socket, once there is something to say; no thread waits with it."""
    answering = detach(environ, executor, poll.cancel)
    if answering is None:
        return False
    poll.deliver_to(
        lambda body: answering.answer(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
    )
    return True


def answer(fault: Fault) -> Response:
    """Say what is wrong as Engine.IO's clients expect it."""
    response = Response(fault.body, fault.status, mimetype="application/json")
    if fault.status == 503:
        response.headers["Retry-After"] = "5"
    return response


def _runtime(sock: Any) -> Runtime:
    state: CableState = current_app.extensions["cable"]
    return state.runtime(sock)


def _socket_of(request: Request) -> Any:
    """The server's socket, which tells under what it runs; None where it shows none."""
    try:
        return find_socket(request.environ)
    except UnsupportedServer:
        return None
