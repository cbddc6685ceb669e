"""CableClient: a browser, as far as the cable is concerned, in the test's own process."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, cast
from urllib.parse import urlsplit

from flask import Flask
from flask.testing import EnvironBuilder, FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from .. import signals
from ..core.connection import Connection
from ..core.executor import ManualExecutor
from ..endpoints.channels import ChannelsHandler
from ..errors import NotReady
from ..pages import ID_PARAMETER
from ..protocols.actioncable import REPLIES, V1_JSON
from ..runtime import Runtime
from ..streams import stream_key
from ..transports.loopback import KEY, LoopbackTransport
from .connection import CableConnection
from .failures import HandshakeRefused, listed, told
from .journal import JOURNAL, journal_of, state_of
from .page import CablePage, id_of
from .peer import CablePeer
from .socketio import QUERY, SocketIOConnection, SocketIOPeer
from .turbo import TurboElement, elements_of

SAME_ORIGIN: Any = object()
"""What ``connect`` takes for a page of the application itself."""

Fields = Mapping[str, str] | Iterable[tuple[str, str]]


class CableClient:
    """A browser, as far as the cable is concerned, in the test's own process.

    Several clients of one application hear each other. Each has its own cookies.

    Attributes:
        app: the application.
        http: Flask's test client, with which cookies and the session are shared.
        raise_server_exceptions: whether an error that the application raised in a hook, an action, a
            timer or a stream callback is raised again by the call that caused it, or else by the next.
    """

    def __init__(
        self, app: Flask, client: FlaskClient | None = None, raise_server_exceptions: bool = True
    ) -> None:
        if client is not None and client.application is not app:
            raise ValueError("this test client belongs to another application")
        self.app = app
        self.http = client if client is not None else app.test_client()
        self.raise_server_exceptions = raise_server_exceptions
        self._journal = journal_of(app)
        self._journal.add(self)
        self._start = len(self._journal.broadcasts)

    def __enter__(self) -> CableClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.close(quietly=kind is not None)

    def close(self, quietly: bool = False) -> None:
        """Forget all connections and subscriptions, and give the application its own settings back.

        That holds for every client of this application. No hook runs. An error that no call has raised
        yet is raised now, unless ``quietly``. The same happens, quietly, when nothing of any client is
        referred to any more.
        """
        self._journal.close()
        if not quietly:
            self.settle()

    # Connecting.

    def connect(
        self,
        path: str | None = None,
        *,
        headers: Fields | None = None,
        query_string: Mapping[str, Any] | str | None = None,
        origin: str | None = SAME_ORIGIN,
        subprotocols: Iterable[str] = (REPLIES, V1_JSON),
        **options: Any,
    ) -> CableConnection:
        """Open a connection, through everything that a request goes through.

        A connection that ``connect`` refuses comes back with ``rejected`` set; see also
        ``assert_reject_connection``.

        Args:
            path: where the route is; by default ``CABLE_MOUNT_PATH``.
            headers: more headers of the request, or other values for those that are sent anyway.
            origin: the page's origin; None sends none, as a program that is no browser.
            subprotocols: what the peer offers; by default what Flask-Cable's own client does.
            options: more for werkzeug's ``EnvironBuilder``, such as ``base_url``.

        Raises:
            HandshakeRefused: the answer was an ordinary HTTP response.
        """
        given = {"headers": headers, "query_string": query_string, "origin": origin, **options}
        path = path or self.app.config["CABLE_MOUNT_PATH"]
        return CableConnection(self, *self._open(path, subprotocols=subprotocols, **given))

    def websocket(self, path: str, *, subprotocols: Iterable[str] = (), **options: Any) -> CablePeer:
        """Open a WebSocket on a route of any style; more arguments are those of ``connect``.

        Raises:
            HandshakeRefused: the answer was an ordinary HTTP response.
        """
        return CablePeer(self, *self._open(path, subprotocols=subprotocols, **options))

    def page(self, page: str | TestResponse, **options: Any) -> CablePage:
        """Connect the socket of a page; more arguments are those of ``connect``.

        Args:
            page: where the page is, ``"/"``, which is loaded first; or the response that it was loaded with;
                or its id alone.

        Raises:
            AssertionError: the page bears no id.
            HandshakeRefused: the answer was an ordinary HTTP response.
        """
        if isinstance(page, str) and page.startswith("/"):
            page = self.http.get(page)
        id = page if isinstance(page, str) else id_of(page)
        path = f"{self.app.config['CABLE_MOUNT_PATH'].rstrip('/')}/socket"
        given: dict[str, Any] = {"query_string": {ID_PARAMETER: id}, "subprotocols": (), **options}
        return CablePage(self, *self._open(path, **given), id)

    def socketio(
        self,
        path: str = "/socket.io",
        namespace: str = "/",
        *,
        auth: dict[str, Any] | None = None,
        query_string: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> SocketIOPeer:
        """Connect as a Socket.IO client does, over a WebSocket, and enter a namespace.

        One that is refused comes back with ``refusal`` set; ``peer.connection.enter("/admin")`` enters
        others. More arguments are those of ``connect``.

        Raises:
            HandshakeRefused: the answer was an ordinary HTTP response.
        """
        query = {**(query_string or {}), **QUERY}
        opened = self._open(f"{path}/", subprotocols=(), query_string=query, **options)
        return SocketIOConnection(self, *opened).enter(namespace, auth)

    def _open(
        self,
        path: str,
        *,
        headers: Fields | None = None,
        origin: str | None = SAME_ORIGIN,
        subprotocols: Iterable[str],
        **options: Any,
    ) -> tuple[LoopbackTransport, TestResponse]:
        self._runtime()
        acceptance = _Acceptance()
        builder = EnvironBuilder(self.app, path, **options)
        builder.headers.update(_handshake(builder.base_url, origin, subprotocols))
        builder.headers.update(Headers(headers))
        builder.environ_overrides = {**(builder.environ_overrides or {}), KEY: acceptance}
        response = self.http.open(builder)
        self.settle()
        if acceptance.transport is None:
            raise HandshakeRefused(response)
        return acceptance.transport, response

    def assert_reject_connection(
        self, path: str | None = None, *, status: int | None = None, **options: Any
    ) -> CableConnection | HandshakeRefused:
        """Connect, and expect a refusal: the cable's ``unauthorized``, or with ``status`` an HTTP answer."""
        outcome: CableConnection | HandshakeRefused
        try:
            outcome = self.connect(path, **options)
        except HandshakeRefused as refused:
            outcome = refused
        if outcome.status != (status or 101) or (status is None and not outcome.rejected):
            expected = f"HTTP {status}" if status else "a refusal by `connect`"
            raise AssertionError(f"expected {expected}, but {told(outcome)}")
        return outcome

    # Time.

    def advance_time(self, seconds: float) -> None:
        """Move the cable's time on: periodic timers fire and beats are sent, in their order."""
        cast(ManualExecutor, self._runtime().executor).advance(seconds)
        self.settle()

    # Broadcasts.

    def broadcasts(self, stream: Any) -> list[Any]:
        """What has been broadcast to a stream since this client was made, decoded."""
        name = stream_key(stream)
        return [_decoded(text) for heard, text in self._journal.broadcasts[self._start :] if heard == name]

    @contextmanager
    def capture_broadcasts(self, stream: Any) -> Iterator[list[Any]]:
        """Collect what is broadcast to a stream inside the ``with`` block, decoded."""
        name, captured = stream_key(stream), []

        def capture(sender: Flask, stream: str, text: str) -> None:
            if stream == name:
                captured.append(_decoded(text))

        with signals.broadcasting.connected_to(capture, sender=self.app):
            yield captured

    def assert_broadcasts(self, stream: Any, n: int | None = None) -> AbstractContextManager[list[Any]]:
        """Expect ``n`` broadcasts to a stream inside the ``with`` block; at least one where ``n`` is None."""
        return _Expectation(self.capture_broadcasts(stream), stream_key(stream), n)

    def assert_no_broadcasts(self, stream: Any) -> AbstractContextManager[list[Any]]:
        """Expect no broadcast to a stream inside the ``with`` block."""
        return _Expectation(self.capture_broadcasts(stream), stream_key(stream), 0)

    def assert_broadcast_on(self, stream: Any, data: Any) -> None:
        """Expect that ``data`` has been broadcast to a stream since this client was made."""
        wanted, found = self._as_heard(data), self.broadcasts(stream)
        if wanted not in found:
            others = {name for name, _ in self._journal.broadcasts[self._start :]} - {stream_key(stream)}
            raise AssertionError(
                f"not broadcast to {stream_key(stream)!r}: {wanted!r}\nbroadcast there: {listed(found)}"
                f"\nother streams that were broadcast to: {listed(sorted(others))}"
            )

    # Turbo Streams.

    @contextmanager
    def capture_turbo_stream_broadcasts(self, stream: Any) -> Iterator[list[TurboElement]]:
        """Collect the elements that are broadcast to a stream inside the ``with`` block.

        The list is filled at the end of the block, where refreshes that wait are sent.
        """
        elements: list[TurboElement] = []
        with self.capture_broadcasts(stream) as messages:
            yield elements
            self._runtime().refreshes.flush()
        elements += [element for message in messages for element in elements_of(message)]

    def assert_turbo_stream_broadcasts(
        self, stream: Any, n: int | None = None
    ) -> AbstractContextManager[list[TurboElement]]:
        """Expect ``n`` elements on a stream inside the ``with`` block; at least one where ``n`` is None."""
        return _Expectation(self.capture_turbo_stream_broadcasts(stream), stream_key(stream), n)

    def assert_no_turbo_stream_broadcasts(self, stream: Any) -> AbstractContextManager[list[TurboElement]]:
        """Expect no elements on a stream inside the ``with`` block."""
        return _Expectation(self.capture_turbo_stream_broadcasts(stream), stream_key(stream), 0)

    def _as_heard(self, data: Any) -> Any:
        return json.loads(self._handler().protocol.json.encode(data))

    # The other side.

    def settle(self) -> None:
        """Raise the first error of the application's that no call has raised yet; every call ends so."""
        unseen = self._journal.take_unseen()
        if unseen and self.raise_server_exceptions:
            raise unseen[0]

    def errors_of(self, connection: Connection) -> list[BaseException]:
        """What went wrong in a connection of the server's, its peer's mistakes included."""
        return [error for owner, error in self._journal.errors if owner is connection]

    def _runtime(self) -> Runtime:
        if self.app.extensions.get(JOURNAL) is not self._journal:
            raise NotReady("this client, or another one of the same application, was closed: make a new one")
        return state_of(self.app).runtime()

    def _handler(self) -> ChannelsHandler:
        return self._runtime().handler


class _Acceptance:
    """What takes the transport of an accepted handshake out of the WSGI environ."""

    def __init__(self) -> None:
        self.transport: LoopbackTransport | None = None

    def accepted(self, transport: LoopbackTransport) -> None:
        self.transport = transport


class _Expectation(AbstractContextManager[list[Any]]):
    """Counts the broadcasts of a ``with`` block, and warns when there is no such block to check."""

    def __init__(self, capture: AbstractContextManager[list[Any]], stream: str, count: int | None) -> None:
        self._stream = stream
        self._count = count
        self._capture = capture
        self._captured: list[Any] | None = None

    def __enter__(self) -> list[Any]:
        self._captured = self._capture.__enter__()
        return self._captured

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._capture.__exit__(kind, error, trace)
        if error is None:
            self._check(self._captured or [])

    def _check(self, captured: list[Any]) -> None:
        if len(captured) != self._count and not (captured and self._count is None):
            wanted = "at least 1" if self._count is None else self._count
            raise AssertionError(
                f"expected {wanted} broadcasts to {self._stream!r}, got {len(captured)}: {listed(captured)}"
            )

    def __del__(self) -> None:
        if self._captured is None:
            message = "nothing was checked: write `with client.assert_broadcasts(...):`"
            warnings.warn(message, RuntimeWarning, stacklevel=2)


def _handshake(base_url: str, origin: str | None, subprotocols: Iterable[str]) -> dict[str, str]:
    """The headers of a handshake (RFC 6455 4.1)."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    if origin is not None:
        url = urlsplit(base_url)
        headers["Origin"] = f"{url.scheme}://{url.netloc}" if origin is SAME_ORIGIN else origin
    if offered := ", ".join(subprotocols):
        headers["Sec-WebSocket-Protocol"] = offered
    return headers


def _decoded(text: str) -> Any:
    """A broadcast's text as its hearers get it: JSON, or a coder's text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text
