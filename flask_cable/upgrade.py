"""From a Flask response to a live socket.

The view accepts inside the request; the socket is taken once Flask is done with that request, outside
all of its contexts, so that nothing of Flask's is pending while the socket idles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from flask import Request, Response, current_app, make_response, request
from flask.typing import ResponseReturnValue
from werkzeug.test import run_wsgi_app

KEY = "flask_cable.upgrade"
_NOT_OF_A_101 = ("content-type", "content-length")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Fields = list[tuple[str, str]]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]
View = Callable[[], ResponseReturnValue]


class Upgrade:
    """What the middleware and the view of one request agree on.

    Attributes:
        takeover: set once the response is an upgrade: takes the socket, returns what the server iterates.
        abandon: called when the request ends otherwise although a view had begun to accept.
        request: the request as a route's own middleware has left it; None where there is no such middleware.
        view: what is called inside that middleware.
        accepted: what it answered, if that was an upgrade.
    """

    def __init__(self) -> None:
        self.takeover: Callable[[], Iterable[bytes]] | None = None
        self.abandon: Callable[[], None] | None = None
        self.request: Request | None = None
        self.view: View | None = None
        self.accepted: UpgradeResponse | None = None


class UpgradeResponse(Response):
    """The response of a view that accepted a WebSocket.

    ``after_request`` functions see it as any response; their headers, cookies included, go out with the 101.

    Args:
        takeover: called with the final headers, outside Flask's contexts.
    """

    def __init__(self, takeover: Callable[[Fields], Iterable[bytes]], headers: Fields) -> None:
        super().__init__(status=101)
        self.takeover = takeover
        self.fields = headers

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        others = [(name, value) for name, value in self.headers if name.lower() not in _NOT_OF_A_101]
        fields = [*self.fields, *others]
        environ[KEY].takeover = partial(self.takeover, fields)
        start_response("101 Switching Protocols", fields)
        return ()


class UpgradeMiddleware:
    """Wraps ``app.wsgi_app`` and takes the socket of requests that ended in an ``UpgradeResponse``."""

    def __init__(self, wsgi_app: WsgiApp) -> None:
        self.wsgi_app = wsgi_app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        upgrade = environ[KEY] = Upgrade()
        accepted = False
        try:
            body = self.wsgi_app(environ, start_response)
            if upgrade.takeover is not None:
                body = upgrade.takeover()
                accepted = True
        finally:
            if not accepted and upgrade.abandon is not None:
                upgrade.abandon()
        return body


class Layers:
    """WSGI middleware around the views of one route, between Flask and them.

    Args:
        middleware: each makes a WSGI application of one; the first is the outermost.
    """

    def __init__(self, middleware: Sequence[Callable[[WsgiApp], WsgiApp]]) -> None:
        self._app: WsgiApp = _call_view
        for wrap in reversed(middleware):
            self._app = wrap(self._app)

    def call(self, view: View) -> Response:
        """Answer the current request with ``view()``, as the middleware leaves it."""
        environ: Environ = request.environ
        upgrade: Upgrade = environ[KEY]
        upgrade.view = view
        try:
            body, status, headers = run_wsgi_app(self._app, environ)
        finally:
            upgrade.takeover = None  # nothing is taken before Flask has had its say
        if upgrade.accepted is None or not status.startswith("101"):
            return Response(body, status, headers)
        if hasattr(body, "close"):
            body.close()
        fields = [(name, value) for name, value in headers if name.lower() not in _NOT_OF_A_101]
        return UpgradeResponse(upgrade.accepted.takeover, fields)


def _call_view(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    upgrade: Upgrade = environ[KEY]
    request.environ.update(environ)  # for `flask.request`
    left = upgrade.request = current_app.request_class(environ)
    left.url_rule, left.view_args = request.url_rule, request.view_args
    assert upgrade.view is not None
    response = make_response(upgrade.view())
    upgrade.accepted = response if isinstance(response, UpgradeResponse) else None
    return response(environ, start_response)
