"""From a Flask response to a live socket.

The view accepts inside the request; the socket is taken once Flask is done with that request, outside
all of its contexts, so that nothing of Flask's is pending while the socket idles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from flask import Response

KEY = "flask_cable.upgrade"
_NOT_OF_A_101 = ("content-type", "content-length")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Fields = list[tuple[str, str]]


class Upgrade:
    """What the middleware and the view of one request agree on.

    Attributes:
        takeover: set once the response is an upgrade: takes the socket, returns what the server iterates.
        abandon: called when the request ends otherwise although a view had begun to accept.
    """

    def __init__(self) -> None:
        self.takeover: Callable[[], Iterable[bytes]] | None = None
        self.abandon: Callable[[], None] | None = None


class UpgradeResponse(Response):
    """The response of a view that accepted a WebSocket.

    ``after_request`` functions see it as any response; their headers, cookies included, go out with the 101.

    Args:
        takeover: called with the final headers, outside Flask's contexts.
    """

    def __init__(self, takeover: Callable[[Fields], Iterable[bytes]], headers: Fields) -> None:
        super().__init__(status=101)
        self._takeover = takeover
        self._fields = headers

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        others = [(name, value) for name, value in self.headers if name.lower() not in _NOT_OF_A_101]
        fields = [*self._fields, *others]
        environ[KEY].takeover = partial(self._takeover, fields)
        start_response("101 Switching Protocols", fields)
        return ()


class UpgradeMiddleware:
    """Wraps ``app.wsgi_app`` and takes the socket of requests that ended in an ``UpgradeResponse``."""

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]]) -> None:
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
