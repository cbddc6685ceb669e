"""Route: one URL rule whose peers are served by one handler in each process.

It says what is particular to a style inside the handshake's request: who is let in, with which
subprotocol, and what plain HTTP gets. The rest is the same for all, and is ``admission.py``'s.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, ClassVar

from flask import Blueprint, Flask, Request, Response, current_app, request, session
from flask.typing import ResponseReturnValue

from ..core.connection import Connection
from ..errors import ConfigError, UnsupportedServer
from ..protocols.opening import VERSION, Refusal
from ..transports import find_socket
from ..upgrade import KEY, Layers, WsgiApp

if TYPE_CHECKING:
    from ..core.handler import Handler
    from ..runtime import CableState, Runtime

View = Callable[..., ResponseReturnValue]


TOO_MANY = Refusal(503, "Too many connections; come back later.")


class Route(ABC):
    """An endpoint style at a URL rule; one object may be registered with several applications.

    Args:
        rule: a Flask URL rule; its arguments are ``connection.request.view_args``.
        endpoint: what ``url_for`` calls it; plain HTTP requests have ``<endpoint>_http``.
        blueprint: where to register it instead of the application.
        max_message_bytes: the largest message of a peer; CABLE_MAX_MESSAGE_BYTES when None.
        decorators: wrap the view of WebSocket requests, the last one outermost.
        middleware: WSGI middleware between Flask and this route; the first is the outermost.

    Raises:
        ConfigError: ``max_message_bytes`` is no such number.
    """

    methods: tuple[str, ...] = ("GET",)
    """What plain HTTP requests may use."""

    options: ClassVar[Mapping[str, Any]] = {}
    """More for ``add_url_rule``."""

    subprotocols: tuple[str, ...] = ()
    """What is spoken here, the most wanted first."""

    def __init__(
        self,
        rule: str,
        endpoint: str,
        *,
        blueprint: Blueprint | None = None,
        max_message_bytes: int | None = None,
        decorators: Iterable[Callable[..., Any]] = (),
        middleware: Sequence[Callable[[WsgiApp], WsgiApp]] = (),
    ) -> None:
        if max_message_bytes is not None and not _is_whole(max_message_bytes):
            raise ConfigError(f"{rule}: {max_message_bytes!r} bytes: it has to be a whole number above zero")
        self.rule = rule
        self.endpoint = endpoint
        self.blueprint = blueprint
        self.max_message_bytes = max_message_bytes
        self.decorators = tuple(decorators)
        self._layers = Layers(middleware) if middleware else None

    def add_to(self, scaffold: Flask | Blueprint, rule: str | None = None) -> None:
        """Register the URL rule, for WebSockets and for plain HTTP."""
        rule = self.rule if rule is None else rule
        http = f"{self.endpoint}_http"
        view = reduce(lambda view, decorate: decorate(view), self.decorators, self._layered(self.view))
        scaffold.add_url_rule(rule, self.endpoint, view, websocket=True, **self.options)
        view_http = self._layered(self.view_http)
        scaffold.add_url_rule(rule, http, view_http, methods=self.methods, **self.options)

    def _layered(self, view: View) -> View:
        """``view`` inside the route's middleware."""
        layers = self._layers
        return view if layers is None else lambda **arguments: layers.call(partial(view, **arguments))

    def view(self, **arguments: Any) -> ResponseReturnValue:
        """Answer a request that asks for a WebSocket."""
        state: CableState = current_app.extensions["cable"]
        asked: Any = request._get_current_object()  # type: ignore[attr-defined] # a proxy looks up each time
        asked = asked.environ[KEY].request or asked
        try:
            sock = find_socket(asked.environ)
        except UnsupportedServer as error:
            return self.unsupported(error)
        return state.runtime(sock).admission.answer(self, asked, session._get_current_object())  # type: ignore[attr-defined]

    def view_http(self, **arguments: Any) -> ResponseReturnValue:
        """Answer any other request."""
        return self.refused(Refusal(426, "This address speaks WebSocket."), request)

    def unsupported(self, error: UnsupportedServer) -> ResponseReturnValue:
        """Answer where the server cannot carry a WebSocket."""
        current_app.logger.error("%s", error)
        return self.refused(Refusal(501, str(error)), request)

    def is_called(self, endpoint: str) -> bool:
        """Whether this is Flask's name for it, which may be below other blueprints than its own."""
        name = self.endpoint if self.blueprint is None else f"{self.blueprint.name}.{self.endpoint}"
        return endpoint == name or (self.blueprint is not None and endpoint.endswith(f".{name}"))

    # What a style says.

    @abstractmethod
    def make_handler(self, runtime: Runtime) -> Handler:
        """The handler that serves this route's peers in one process; made once."""

    def refusal(self, runtime: Runtime) -> Refusal | None:
        """Why nobody is let in at present; None when it is open."""
        return None

    def subprotocol(self, offered: Iterable[str]) -> str | None:
        """Choose among the subprotocols that a peer offers."""
        return None

    def admit(self, connection: Connection, request: Request) -> ResponseReturnValue | None:
        """Let a peer in with None, or refuse it with any response; what this raises is Flask's to answer.

        The connection class decides: what it refuses is a plain 403. Where the server has answered the
        handshake already, a refusal becomes ``handler.turn_away``.
        """
        connection.open()
        if connection.is_rejected:
            return self.refused(Refusal(403, "This connection is not authorized."), request)
        return None

    def refused(self, refusal: Refusal, request: Request) -> ResponseReturnValue:
        """Answer a handshake that is wrong, of a foreign origin, or one too many."""
        return plain(refusal)


def plain(refusal: Refusal) -> Response:
    """An ordinary HTTP answer to what cannot become a WebSocket."""
    response = Response(refusal.text + "\n", refusal.status, mimetype="text/plain")
    if refusal.status == 426:
        response.headers.update({"Upgrade": "websocket", "Sec-WebSocket-Version": VERSION})
    if refusal.status == 503:
        response.headers["Retry-After"] = "5"
    return response


def checked_timeout(seconds: float | None) -> float | None:
    """An ``idle_timeout``, when it is one. Raises ``ConfigError``."""
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and seconds > 0):
        raise ConfigError(f"idle_timeout={seconds!r}: it has to be a number of seconds above zero, or None")
    return seconds


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
