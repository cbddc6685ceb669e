"""Sockets of pages in Flask: ``socket``, of the page that a request makes or comes from, and the page's mark.

A page has an id of its own, and shares a key with all pages of one session; the two together, digested with
the application's secret, are who it is. See ``endpoints/push``.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Any, cast

from flask import Request, Response, after_this_request, has_request_context, request, session
from werkzeug.local import LocalProxy

from .core.connection import Connection
from .endpoints.push import Order, PagesHandler, Place, Record, serving
from .errors import NotReady, TooMany
from .marking import keep_out_of_caches, mark
from .streams import stream_names
from .templating import state_of_current_app

if TYPE_CHECKING:
    from .runtime import CableState

ID_HEADER, ID_PARAMETER = "X-Socket-Connection-Id", "socket_connection_id"
KEY_HEADER, KEY_PARAMETER = "X-Socket-Key", "socket_key"
KEY_IN_SESSION = "cable_socket_key"
IN_ENVIRON = "flask_cable.page"
CALLED_BY = "flask_cable.socket"
"""In the environ of a route that a page calls over its socket: the socket's connection."""

_TOKEN = re.compile("[0-9a-f]{64}")


def _new_token() -> str:
    return secrets.token_hex(32)


def _token(*candidates: str | None) -> str | None:
    """The first that is there, if it has the form of one of ours."""
    found = next((one for one in candidates if one), None)
    return found if found is not None and _TOKEN.fullmatch(found) else None


def digest_of(secret: bytes, connection_id: str | None, key: str | None) -> str:
    """Who a page is; "" where its id or its key is missing."""
    if not connection_id or not key:
        return ""
    return hmac.new(secret, f"{key}:{connection_id}".encode(), hashlib.sha256).hexdigest()


class PageSocket:
    """The socket of one page, whether it has connected yet or not."""

    def __init__(self, state: CableState) -> None:
        self._state = state

    @property
    def connection_id(self) -> str | None:
        """What the page calls itself; a new one for each page that is made."""
        raise NotImplementedError

    @property
    def key(self) -> str | None:
        """What the page's session proves itself with; the same for all of its pages."""
        raise NotImplementedError

    @property
    def connection(self) -> Connection | None:
        """The live connection, while the page speaks over it; None in requests."""
        return None

    @property
    def digest(self) -> str:
        """Who the page is, for ``cable.push_to``; nobody can connect with it."""
        return digest_of(self._state.page_key, self.connection_id, self.key)

    def subscribe(self, *streams: Any) -> None:
        """Let the page hear these streams, from now on and whenever its socket connects.

        Raises:
            ValueError: no stream is named.
            TooMany: more than CABLE_MAX_STREAMS.
            BusError: the server behind the store did not answer.
        """
        names = stream_names(*streams)
        self._expect({*names})
        self._change(self._pages.ledger.places(names), [])

    def unsubscribe(self, *streams: Any) -> None:
        """Let the page hear these streams no more, at once; harmless for what it does not hear.

        Raises:
            ValueError: no stream is named.
            BusError: the server behind the store did not answer.
        """
        self._change({}, stream_names(*streams))

    def push(self, message: Any, *streams: Any) -> None:
        """Push any JSON value to every page that hears one of these streams, this one included.

        Args:
            streams: names, in which ``*`` stands for anything but a ``;``, or models. A page that several of
                them reach is sent one copy.

        Raises:
            ValueError: no stream is named.
            EncodeError: the message has no JSON form; nothing was sent.
            BusError: the server behind the adapter or the store did not answer.
        """
        self._pages.pusher.push(message, *streams)

    @property
    def _pages(self) -> PagesHandler:
        return self._state.pages

    def _expect(self, names: set[str]) -> None:
        """Raises ``TooMany``."""
        limit = self._pages.limits.streams
        if len(names) > limit:
            raise TooMany(f"CABLE_MAX_STREAMS: a page hears {limit} at most")

    def _change(self, hear: dict[str, Place], forget: list[str]) -> None:
        """Change what the page hears, wherever it is."""
        self._pages.order(self.digest, Order(hear, forget))


class ConnectedPage(PageSocket):
    """The socket of a page that speaks over it: in handlers and hooks, and in routes that it calls."""

    def __init__(self, state: CableState, connection: Connection) -> None:
        super().__init__(state)
        self._connection = connection

    @property
    def connection(self) -> Connection:
        return self._connection

    @property
    def connection_id(self) -> str | None:
        return id_and_key(self._connection.request, self._connection.session)[0]

    @property
    def key(self) -> str | None:
        return id_and_key(self._connection.request, self._connection.session)[1]


class RequestedPage(PageSocket):
    """The socket of the page that a request makes; or that it comes from, which its header names."""

    def __init__(self, state: CableState, request: Request) -> None:
        super().__init__(state)
        self._named = _token(request.headers.get(ID_HEADER))
        self._key = _token(request.headers.get(KEY_HEADER))
        self._made: str | None = None
        self._streams: dict[str, Place | None] = {}
        self._is_written = False

    @property
    def connection_id(self) -> str:
        if self._named is not None:
            return self._named
        if self._made is None:
            self._made = _new_token()
            after_this_request(self._finish)
        return self._made

    @property
    def key(self) -> str:
        if self._key is None:
            self._key = _token(session.get(KEY_IN_SESSION))
        if self._key is None:
            self._key = session[KEY_IN_SESSION] = _new_token()
        return self._key

    def _expect(self, names: set[str]) -> None:
        super()._expect(names.union(self._streams))

    def _change(self, hear: dict[str, Place], forget: list[str]) -> None:
        if self._named is not None:
            return super()._change(hear, forget)
        for name, place in hear.items():
            self._streams.setdefault(name, place)
        for name in forget:
            self._streams.pop(name, None)
        self._write()

    def _write(self) -> None:
        pages = self._pages
        pages.ledger.write(self.digest, Record(self._streams), pages.ledger.patience.wait)
        self._is_written = True

    def _finish(self, response: Response) -> Response:
        """The response carries a new id: the page is known from now on, and no cache may keep it."""
        if not self._is_written:
            self._write()
        if self._state.marks_pages:
            mark(response, self.connection_id)
        keep_out_of_caches(response)
        return response


def id_and_key(request: Request, session: Any) -> tuple[str | None, str | None]:
    """What the handshake of a page's socket says: in its URL, in headers, and by its session.

    A key in the URL is a program's. A foreign page could put its own there, and would then speak with what
    its visitor's browser adds: cookies, a password.
    """
    arguments, headers = request.args, request.headers
    is_browsers = "Cookie" in headers or "Authorization" in headers
    return (
        _token(arguments.get(ID_PARAMETER), headers.get(ID_HEADER)),
        _token(
            headers.get(KEY_HEADER),
            None if is_browsers else arguments.get(KEY_PARAMETER),
            session.get(KEY_IN_SESSION),
        ),
    )


def current_page() -> PageSocket:
    """The page of the current request, or whose message is being handled. Raises ``NotReady``."""
    connection = serving.get()
    if connection is not None:
        return ConnectedPage(state_of_current_app(), connection)
    if has_request_context():
        return page_of_request(request)
    raise NotReady("`socket` belongs to a request or to a page's message; elsewhere use cable.push()")


def page_of_request(request: Request) -> PageSocket:
    """The page that a request makes or comes from; the same whenever it is asked for."""
    environ = request.environ
    page: PageSocket | None = environ.get(IN_ENVIRON)
    if page is None:
        state = state_of_current_app()
        caller: Connection | None = environ.get(CALLED_BY)
        page = environ[IN_ENVIRON] = (
            RequestedPage(state, request) if caller is None else ConnectedPage(state, caller)
        )
    return page


socket = cast(PageSocket, LocalProxy(current_page))


def socket_connection_id() -> str | None:
    """The id of the page that is being made, for templates, and for clients that are no browsers."""
    return socket.connection_id


def cable_is_socket() -> bool:
    """Whether the current request came over a page's socket."""
    return has_request_context() and CALLED_BY in request.environ
