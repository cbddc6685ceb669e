"""The request that opened a connection, kept small after it is over, and given back as a Flask request."""

from __future__ import annotations

import io
import marshal
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, NoReturn

from flask import Flask, Request

from .errors import ReadOnlySession
from .protocols.opening import offered

_LEFT_OUT = ("wsgi.", "werkzeug.", "gunicorn.", "flask_cable.")


class Handshake:
    """A snapshot of a request and its session.

    The environ is kept as one string of bytes, and read again when somebody asks: ten thousand idle
    connections would otherwise keep ten thousand dicts of headers.

    Attributes:
        subprotocol: what was chosen of those that the peer offered.
    """

    __slots__ = ("_app", "_environ", "_offered", "_session", "_url_rule", "_view_args", "subprotocol")

    def __init__(self, app: Flask, request: Request, session: Mapping[str, Any]) -> None:
        self._app = app
        self._environ = marshal.dumps(_plain(request.environ))
        self._offered: tuple[str, ...] | None = None
        self._session = dict(session) or None
        self._url_rule = request.url_rule
        self._view_args = request.view_args or None
        self.subprotocol: str | None = None

    @property
    def environ(self) -> dict[str, Any]:
        """A WSGI environ like the handshake's, with an empty body."""
        environ: dict[str, Any] = marshal.loads(self._environ)
        environ.update(
            {
                "wsgi.version": (1, 0),
                "wsgi.input": io.BytesIO(),
                "wsgi.errors": sys.stderr,
                "wsgi.multithread": True,
                "wsgi.multiprocess": True,
                "wsgi.run_once": False,
            }
        )
        return environ

    @property
    def offered(self) -> tuple[str, ...]:
        """The subprotocols that the peer offered; kept once somebody has asked."""
        if self._offered is None:
            self._offered = tuple(map(sys.intern, offered(marshal.loads(self._environ))))
        return self._offered

    @property
    def request(self) -> Request:
        """The request: headers, cookies, args, path, ``endpoint``, ``view_args``."""
        request = self._app.request_class(self.environ)
        request.url_rule, request.view_args = self._url_rule, self._view_args or {}
        return request

    @property
    def session(self) -> SessionSnapshot:
        """The session as the handshake had it."""
        return SessionSnapshot(self._session or {})

    def request_context(self) -> AbstractContextManager[Any]:
        """A fresh context of a request like the handshake's."""
        return self._app.request_context(self.environ)


def _plain(environ: Mapping[str, Any]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in environ.items()
        if type(value) is str and not name.startswith(_LEFT_OUT)
    }
    kept["wsgi.url_scheme"] = environ.get("wsgi.url_scheme", "http")
    return kept


class SessionSnapshot(dict[str, Any]):
    """A session that can be read; writing says why it cannot be kept."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ReadOnlySession(
            "a connection's session is a copy from its handshake: no response carries a cookie back. "
            "Write to the session in a route; keep what belongs to the connection in connection.data"
        )

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse
