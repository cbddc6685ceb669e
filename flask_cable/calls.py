"""Routes that a page calls over its socket: each is a request of its own to the whole application.

It has the handshake's cookies, address and headers, so that hooks, logins and error handlers apply as over
HTTP. What it cannot do is to set cookies: its session is read-only.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, NoReturn
from urllib.parse import SplitResult, unquote_to_bytes, urlencode, urlsplit

from flask import Flask, Response, after_this_request, request, session
from werkzeug.urls import iri_to_uri

from .core.connection import Connection
from .errors import CableError, ReadOnlySession
from .pages import CALLED_BY
from .protocols.push import Message

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = frozenset({"accept", "accept-language", "x-csrf-token", "x-csrftoken", "x-requested-with"})
"""What a page may say in headers of its own; all others are the handshake's."""

CONTENT_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
_OF_A_HANDSHAKE = (
    *("HTTP_UPGRADE", "HTTP_CONNECTION", "HTTP_SEC_WEBSOCKET_", "HTTP_SEC_FETCH_MODE", "HTTP_SEC_FETCH_DEST"),
    *("CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"),
    "HTTP_ACCEPT_ENCODING",  # a reply is JSON, which the socket compresses by itself
)
_NOT_FOR_PAGES = frozenset({"set-cookie", "connection", "keep-alive", "transfer-encoding"})

Environ = dict[str, Any]


class CallLimits(NamedTuple):
    """Bounds of one call.

    Attributes:
        routes: the paths that may be called, with ``*`` as wildcard.
        bytes: the largest answer.
        seconds: how long a route may go on streaming its answer.
    """

    routes: Sequence[str] = ("/*",)
    bytes: int = 2**20
    seconds: float = 10.0


class BadCall(CableError):
    """A call that is refused before a route sees it, or whose answer cannot be handed on."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Calls:
    """Runs routes of an application for its pages.

    Args:
        monotonic: seconds that only grow.
    """

    def __init__(self, app: Flask, limits: CallLimits, monotonic: Callable[[], float]) -> None:
        self._app = app
        self._limits = limits
        self._monotonic = monotonic

    def __call__(self, connection: Connection, message: Message) -> dict[str, Any]:
        """Call the route that a message names; returns the fields of the reply."""
        try:
            environ = self._environ(connection, message.fields)
            return Context().run(self._run, connection, environ)  # none of the handler's own contexts
        except BadCall as error:
            return {"status": error.status, "headers": {}, "body": "", "error": str(error)}

    # The request.

    def _environ(self, connection: Connection, fields: Mapping[str, Any]) -> Environ:
        handshake: Any = connection.handshake
        environ: Environ = handshake.environ
        environ = {name: value for name, value in environ.items() if not name.startswith(_OF_A_HANDSHAKE)}
        uri = _uri(environ, fields)
        path = unquote_to_bytes(_below(environ, uri.path)).decode("latin-1")
        if not any(fnmatchcase(_unicode(path), pattern) for pattern in self._limits.routes):
            raise BadCall(403, "CABLE_CALL_ROUTES: this path may not be called")
        environ.update(_own_headers(environ, fields), PATH_INFO=path, RAW_URI=uri.geturl())
        environ.update(_input(fields, uri.query))
        environ[CALLED_BY] = connection
        return environ

    # The answer.

    def _run(self, connection: Connection, environ: Environ) -> dict[str, Any]:
        heads: list[tuple[str, list[tuple[str, str]]]] = []
        chunks: list[bytes] = []

        def start_response(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[..., object]:
            heads.append((status, headers))
            return chunks.append

        app_iter = self._app.wsgi_app(environ, start_response)
        try:
            body = self._read(app_iter, chunks, connection)
        finally:
            if hasattr(app_iter, "close"):
                app_iter.close()
        status, headers = heads[-1]
        return {"status": int(status[:3]), "headers": _handed_on(headers), **_as_text(body)}

    def _read(self, app_iter: Any, chunks: list[bytes], connection: Connection) -> bytes:
        end, size = self._monotonic() + self._limits.seconds, 0
        for chunk in app_iter:
            chunks.append(chunk)
            size += len(chunk)
            if size > self._limits.bytes:
                raise BadCall(502, "CABLE_CALL_BYTES: the answer is too long")
            if connection.closed or self._monotonic() > end:
                raise BadCall(504, "CABLE_CALL_SECONDS: the answer has no end")
        return b"".join(chunks)


def _uri(environ: Environ, fields: Mapping[str, Any]) -> SplitResult:
    """The URI of a message, if it is the application's own: a path, or all of it."""
    text = fields.get("uri")
    if not isinstance(text, str):
        raise BadCall(400, "a call names its uri with a string")
    try:
        uri = urlsplit(iri_to_uri(text))
    except ValueError as error:
        raise BadCall(400, f"no URI: {error}") from error
    own = (environ["wsgi.url_scheme"], environ.get("HTTP_HOST", ""))
    if (uri.scheme or uri.netloc) and (uri.scheme, uri.netloc) != own:
        raise BadCall(400, "a call stays with the application; name a path")
    if not uri.path.startswith("/"):
        raise BadCall(400, "a path begins with /")
    return SplitResult("", "", uri.path, uri.query, "")


def _below(environ: Environ, path: str) -> str:
    """A path as the application sees it, below where it is mounted."""
    root: str = environ.get("SCRIPT_NAME", "").rstrip("/")
    if not root:
        return path
    if path != root and not path.startswith(f"{root}/"):
        raise BadCall(404, f"this application is mounted at {root}")
    return path[len(root) :] or "/"


def _unicode(path: str) -> str:
    return path.encode("latin-1").decode(errors="replace")


def _own_headers(environ: Environ, fields: Mapping[str, Any]) -> Environ:
    given = fields.get("headers") or {}
    if not isinstance(given, Mapping):
        raise BadCall(400, "headers are an object")
    own = {"HTTP_REFERER": environ["HTTP_ORIGIN"] + "/"} if environ.get("HTTP_ORIGIN") else {}
    for name, value in given.items():
        if name.lower() not in HEADERS or not isinstance(value, str) or not value.isprintable():
            raise BadCall(400, f"a call's headers are {', '.join(sorted(HEADERS))}")
        own[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return own


def _input(fields: Mapping[str, Any], query: str) -> Environ:
    """Method, query and body: input goes where a browser's form would put it, or is JSON."""
    method, encoding = _method(fields), fields.get("encoding", "json")
    if not isinstance(encoding, str) or encoding not in CONTENT_TYPES:
        raise BadCall(400, "an encoding is json or form")
    given, body = fields.get("input"), b""
    if given not in (None, {}) and method in WITHOUT_BODY:
        query = "&".join(part for part in (query, _form(given)) if part)
    elif given is not None and method not in WITHOUT_BODY:
        body = (json.dumps(given) if encoding == "json" else _form(given)).encode()
    found = {"REQUEST_METHOD": method, "QUERY_STRING": query, "wsgi.input": io.BytesIO(body)}
    if body:
        found.update(CONTENT_LENGTH=str(len(body)), CONTENT_TYPE=CONTENT_TYPES[encoding])
    return found


def _method(fields: Mapping[str, Any]) -> str:
    method = fields.get("method", "get")
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise BadCall(400, f"a method is one of {', '.join(sorted(METHODS))}")
    return method.upper()


def _form(given: Any) -> str:
    if not isinstance(given, Mapping):
        raise BadCall(400, "input of this kind is an object")
    pairs = [(name, one) for name, value in given.items() for one in _several(value)]
    return urlencode([(name, _field(one)) for name, one in pairs])


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _field(value: Any) -> str:
    """A value as a browser's ``URLSearchParams`` has it; what is nested is JSON."""
    if value is None or isinstance(value, (bool, dict, list)):
        return "" if value is None else json.dumps(value)
    return str(value)


def _handed_on(headers: list[tuple[str, str]]) -> dict[str, str]:
    """A response's headers for the page: no cookies, which only a browser could take."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name.lower() not in _NOT_FOR_PAGES:
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _as_text(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(body).decode(), "encoding": "base64"}


# The session of a route that is called.


def seal_session(app: Flask, **_: Any) -> None:
    """Receives Flask's ``request_started``: no response of a called route can carry a session's cookie."""
    if CALLED_BY in request.environ and hasattr(session, "on_update"):
        session.on_update = _refuse
        after_this_request(_unless_changed)


def _unless_changed(response: Response) -> Response:
    """A change deep inside, which the route has marked: ``session.modified = True``."""
    if session.modified:
        session.modified = False  # this is called again for the error
        _refuse(session)
    return response


def _refuse(session: Any) -> NoReturn:
    raise ReadOnlySession(
        "this request came over a page's socket, whose response sets no cookie: its session cannot be "
        "written. Let the page use an ordinary request for that, or keep it elsewhere"
    )
