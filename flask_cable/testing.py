"""Testing channels without a server: connect, subscribe, perform, and look at what the peer was sent.

A handshake goes through the real WSGI application, and everything that a call causes has happened when
it returns: work runs at once and time moves only by ``advance_time``. Used by applications' tests;
``pytest_plugin.py`` makes fixtures of it.
"""

from __future__ import annotations

import json
import warnings
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, cast
from urllib.parse import urlsplit
from weakref import WeakSet

from flask import Flask
from flask.testing import EnvironBuilder, FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from . import signals
from .core.connection import Connection
from .core.executor import ManualExecutor
from .endpoints.channels import Channel, ChannelsHandler
from .errors import CableError, CommandError, NotReady
from .protocols.actioncable import V1_JSON
from .pubsub.memory import MemoryPubSub
from .runtime import CableState, Runtime
from .streams import stream_key
from .transports.loopback import KEY, LoopbackTransport

SAME_ORIGIN: Any = object()
"""What ``connect`` takes for a page of the application itself."""

_MANUAL = {"CABLE_EXECUTOR": "manual", "CABLE_URL": None}
_JOURNAL = "cable_testing"

Fields = Mapping[str, str] | Iterable[tuple[str, str]]


class HandshakeRefused(CableError):
    """The handshake was answered with an ordinary HTTP response.

    Attributes:
        status: its status code.
        body: its text.
        response: all of it.
        rejected: False, for it was not ``connect`` that refused.
    """

    rejected = False

    def __init__(self, response: TestResponse) -> None:
        self.response = response
        self.status: int = response.status_code
        self.body: str = response.get_data(as_text=True)
        super().__init__(f"the handshake was answered with {response.status}: {self.body.strip()[:500]}")


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
        self._journal = _journal_of(app)
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
        subprotocols: Iterable[str] = (V1_JSON,),
        **options: Any,
    ) -> CableConnection:
        """Open a connection, through everything that a request goes through.

        A connection that ``connect`` refuses comes back with ``rejected`` set; see also
        ``assert_reject_connection``.

        Args:
            path: where the route is; by default ``CABLE_MOUNT_PATH``.
            headers: more headers of the request, or other values for those that are sent anyway.
            origin: the page's origin; None sends none, as a program that is no browser.
            subprotocols: what the peer offers.
            options: more for werkzeug's ``EnvironBuilder``, such as ``base_url``.

        Raises:
            HandshakeRefused: the answer was an ordinary HTTP response.
        """
        self._runtime()
        acceptance = _Acceptance()
        builder = EnvironBuilder(
            self.app, path or self.app.config["CABLE_MOUNT_PATH"], query_string=query_string, **options
        )
        builder.headers.update(_handshake(builder.base_url, origin, subprotocols))
        builder.headers.update(Headers(headers))
        builder.environ_overrides = {**(builder.environ_overrides or {}), KEY: acceptance}
        response = self.http.open(builder)
        self.settle()
        if acceptance.transport is None:
            raise HandshakeRefused(response)
        return CableConnection(self, acceptance.transport, response)

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
            raise AssertionError(f"expected {expected}, but {_told(outcome)}")
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
        return _Expectation(self, stream_key(stream), n)

    def assert_no_broadcasts(self, stream: Any) -> AbstractContextManager[list[Any]]:
        """Expect no broadcast to a stream inside the ``with`` block."""
        return _Expectation(self, stream_key(stream), 0)

    def assert_broadcast_on(self, stream: Any, data: Any) -> None:
        """Expect that ``data`` has been broadcast to a stream since this client was made."""
        wanted, found = self._as_heard(data), self.broadcasts(stream)
        if wanted not in found:
            others = {name for name, _ in self._journal.broadcasts[self._start :]} - {stream_key(stream)}
            raise AssertionError(
                f"not broadcast to {stream_key(stream)!r}: {wanted!r}\nbroadcast there: {_listed(found)}"
                f"\nother streams that were broadcast to: {_listed(sorted(others))}"
            )

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
        if self.app.extensions.get(_JOURNAL) is not self._journal:
            raise NotReady("this client, or another one of the same application, was closed: make a new one")
        return _state_of(self.app).runtime()

    def _handler(self) -> ChannelsHandler:
        return self._runtime().handler


class CableConnection:
    """A peer's side of one connection.

    Attributes:
        client: whose connection it is.
        response: the answer to the handshake.
        status: its status code, which is 101.
    """

    status = 101

    def __init__(self, client: CableClient, transport: LoopbackTransport, response: TestResponse) -> None:
        self.client = client
        self.response = response
        self._transport = transport
        self._frames: list[Any] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} to {self.connection!r}>"

    @property
    def connection(self) -> Any:
        """The server's ``Connection``: identifiers, ``data``, and what the application keeps there."""
        return self._transport.connection

    @property
    def frames(self) -> list[Any]:
        """All that was received, decoded."""
        sent = self._transport.sent
        self._frames += [json.loads(text) for text in sent[len(self._frames) :]]
        return list(self._frames)

    @property
    def transmissions(self) -> list[Any]:
        """All that was received but pings, decoded."""
        return [frame for frame in self.frames if _type_of(frame) != "ping"]

    @property
    def errors(self) -> list[BaseException]:
        """What went wrong at the server: the application's errors, and commands that were not carried out."""
        return self.client.errors_of(self.connection)

    @property
    def welcomed(self) -> bool:
        """Whether the connection was accepted."""
        return any(_type_of(frame) == "welcome" for frame in self.frames)

    @property
    def rejected(self) -> bool:
        """Whether ``connect`` refused."""
        return (self.disconnect_message or {}).get("reason") == "unauthorized"

    @property
    def disconnect_message(self) -> dict[str, Any] | None:
        """``{"type": "disconnect", "reason": ..., "reconnect": ...}``, once the server has said so."""
        return next((frame for frame in self.frames if _type_of(frame) == "disconnect"), None)

    @property
    def closed(self) -> bool:
        """Whether either side has closed."""
        return self._transport.closed_with is not None

    @property
    def closed_with(self) -> tuple[int, str] | None:
        """Code and reason of the close."""
        return self._transport.closed_with

    @property
    def subprotocol(self) -> str | None:
        """What the server chose of those that were offered."""
        return self.response.headers.get("Sec-WebSocket-Protocol")

    def subscribe(self, channel: str | type[Channel], /, **params: Any) -> CableSubscription:
        """Subscribe to a channel: its class, or the name it is registered under."""
        self._assert_open()
        name = channel if isinstance(channel, str) else channel.registered_as or channel.__name__
        identifier = self.client._handler().protocol.json.encode({"channel": name, **params}).decode()
        return CableSubscription(self, identifier)

    def send_raw(self, *messages: str | bytes) -> None:
        """Send messages as they are; several arrive together."""
        self._transport.say(*messages)
        self.client.settle()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close from the peer's side; with 1006 the peer is just gone."""
        self._transport.hang_up(code, reason)
        self.client.settle()

    disconnect = close

    def _command(self, name: str, identifier: str, **fields: Any) -> None:
        self.send_raw(json.dumps({"command": name, "identifier": identifier, **fields}))

    def _assert_open(self) -> None:
        if self.closed:
            raise AssertionError(f"cannot send: {_told(self)}")


class CableSubscription:
    """A peer's side of one subscription.

    Attributes:
        connection: the ``CableConnection`` that it belongs to.
        identifier: its name, as it was sent.
        channel: the server's ``Channel``; None where there is none because the subscription was rejected.
    """

    def __init__(self, connection: CableConnection, identifier: str) -> None:
        self.connection = connection
        self.identifier = identifier
        self._start = len(connection.frames)
        connection._command("subscribe", identifier)
        self.channel: Any = self._current()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.identifier}>"

    @property
    def transmissions(self) -> list[Any]:
        """The payloads that this subscription has received."""
        return [frame["message"] for frame in self._frames() if "message" in frame]

    @property
    def confirmed(self) -> bool:
        """Whether the server has confirmed the subscription, and not rejected it since."""
        return self._verdict() == "confirm_subscription"

    @property
    def rejected(self) -> bool:
        """Whether the server has rejected the subscription."""
        return self._verdict() == "reject_subscription"

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of the streams that the channel hears."""
        return self.channel.streams if self.channel is not None else ()

    def perform(self, action: str, **data: Any) -> None:
        """Call an action of the channel; one that it does not have is in ``connection.errors``."""
        self.send({"action": action, **data})

    def send(self, data: Mapping[str, Any]) -> None:
        """Send data that names no action: the channel's ``receive`` gets it."""
        self._assert_subscribed()
        text = self.connection.client._handler().protocol.json.encode(dict(data)).decode()
        self.connection._command("message", self.identifier, data=text)

    def unsubscribe(self) -> None:
        """End the subscription."""
        self._assert_subscribed()
        self.connection._command("unsubscribe", self.identifier)

    def assert_has_stream(self, stream: Any) -> None:
        """Expect that the channel hears a stream, as by ``stream_from``."""
        if stream_key(stream) not in self.streams:
            raise AssertionError(f"no stream {stream_key(stream)!r}, but: {_listed(self.streams)}")

    def assert_has_stream_for(self, target: Any) -> None:
        """Expect that the channel hears a target's stream, as by ``stream_for``."""
        self.assert_has_stream(self._stream_for(target))

    def assert_has_no_stream(self, stream: Any) -> None:
        """Expect that the channel does not hear a stream."""
        if stream_key(stream) in self.streams:
            raise AssertionError(f"there is a stream {stream_key(stream)!r}")

    def assert_has_no_stream_for(self, target: Any) -> None:
        """Expect that the channel does not hear a target's stream."""
        self.assert_has_no_stream(self._stream_for(target))

    def assert_no_streams(self) -> None:
        """Expect that the channel hears nothing."""
        if self.streams:
            raise AssertionError(f"expected no streams, but there are: {_listed(self.streams)}")

    def _stream_for(self, target: Any) -> str:
        if self.channel is None:
            raise AssertionError(f"the subscription was rejected, so it has no streams: {self.identifier}")
        return cast(str, self.channel.broadcasting_for(target))

    def _frames(self) -> list[dict[str, Any]]:
        frames = self.connection.frames[self._start :]
        return [f for f in frames if isinstance(f, dict) and f.get("identifier") == self.identifier]

    def _verdict(self) -> str | None:
        return next((frame["type"] for frame in reversed(self._frames()) if "type" in frame), None)

    def _current(self) -> Channel | None:
        connection = self.connection.connection
        return self.connection.client._handler().subscriptions(connection).get(self.identifier)

    def _assert_subscribed(self) -> None:
        self.connection._assert_open()
        if self._current() is None:
            raise AssertionError(f"not subscribed{' (rejected)' if self.rejected else ''}: {self.identifier}")


class _Acceptance:
    """What takes the transport of an accepted handshake out of the WSGI environ."""

    def __init__(self) -> None:
        self.transport: LoopbackTransport | None = None

    def accepted(self, transport: LoopbackTransport) -> None:
        self.transport = transport


class _Expectation(AbstractContextManager[list[Any]]):
    """Counts the broadcasts of a ``with`` block, and warns when there is no such block to check."""

    def __init__(self, client: CableClient, stream: str, count: int | None) -> None:
        self._stream = stream
        self._count = count
        self._capture = client.capture_broadcasts(stream)
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
                f"expected {wanted} broadcasts to {self._stream!r}, got {len(captured)}: {_listed(captured)}"
            )

    def __del__(self) -> None:
        if self._captured is None:
            message = "nothing was checked: write `with client.assert_broadcasts(...):`"
            warnings.warn(message, RuntimeWarning, stacklevel=2)


class _Journal:
    """What one application did since it is under test; shared by its clients, and gone with the last.

    Meanwhile its cable knows no applications but those under test: what factories made for earlier tests
    waits for the garbage collector, and would make a broadcast outside of any context ambiguous.

    Attributes:
        broadcasts: stream and text of all that was broadcast.
        errors: connection and error of all that went wrong.
    """

    def __init__(self, app: Flask) -> None:
        self.broadcasts: list[tuple[str, str]] = []
        self.errors: list[tuple[Connection, BaseException]] = []
        self._unseen: list[BaseException] = []
        self._clients = 0
        self._app = app
        state = _state_of(app)
        self._settings = {name: app.config[name] for name in _MANUAL}
        app.config.update(_MANUAL)
        _stop_other_runtime(state)
        self._apps = state.cable._apps
        self._aside = WeakSet(other for other in self._apps if _JOURNAL not in other.extensions)
        self._apps -= self._aside
        self._apps.add(app)
        signals.broadcasting.connect(self._note_broadcast, sender=app)
        signals.command_failed.connect(self._note_error, sender=app)

    def add(self, client: CableClient) -> None:
        """Take in one more client."""
        self._clients += 1
        weakref.finalize(client, self._left).atexit = False

    def _left(self) -> None:
        self._clients -= 1
        if not self._clients:
            self.close()

    def close(self) -> None:
        """Give the application back as it was; harmless when that has happened."""
        if self._app.extensions.get(_JOURNAL) is self:
            del self._app.extensions[_JOURNAL]
            signals.broadcasting.disconnect(self._note_broadcast, sender=self._app)
            signals.command_failed.disconnect(self._note_error, sender=self._app)
            self._apps |= self._aside
            self._app.config.update(self._settings)
            _state_of(self._app).reset()

    def _note_broadcast(self, sender: Flask, stream: str, text: str) -> None:
        self.broadcasts.append((stream, text))

    def _note_error(self, sender: Flask, connection: Connection, error: BaseException) -> None:
        self.errors.append((connection, error))
        if not isinstance(error, CommandError):
            self._unseen.append(error)

    def take_unseen(self) -> list[BaseException]:
        """The application's errors since the last call."""
        unseen, self._unseen = self._unseen, []
        return unseen


def _journal_of(app: Flask) -> _Journal:
    if _JOURNAL not in app.extensions:
        app.extensions[_JOURNAL] = _Journal(app)
    return cast(_Journal, app.extensions[_JOURNAL])


def _state_of(app: Flask) -> CableState:
    state: CableState | None = app.extensions.get("cable")
    if state is None:
        raise NotReady("this application has no Cable: call cable.init_app(app) first")
    return state


def _stop_other_runtime(state: CableState) -> None:
    """Let go of a runtime that was made for serving, in whose place a manual one will be made."""
    runtime = state.runtime()
    if not isinstance(runtime.executor, ManualExecutor) or not isinstance(runtime.hub.bus, MemoryPubSub):
        runtime.hub.bus.stop()  # type: ignore[attr-defined]
        runtime.executor.stop()
        state.reset()


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


def _type_of(frame: Any) -> Any:
    return frame.get("type") if isinstance(frame, dict) else None


def _told(outcome: CableConnection | HandshakeRefused) -> str:
    """What became of a connection, for the message of a failed assertion."""
    if isinstance(outcome, HandshakeRefused):
        return str(outcome)
    if outcome.rejected:
        return "the connection was refused by `connect`"
    if outcome.closed_with is not None:
        return f"the connection was closed with {outcome.closed_with}: {outcome.disconnect_message}"
    return "the connection was accepted"


def _listed(found: Iterable[Any]) -> str:
    return "".join(f"\n  {each!r}" for each in found) or "none"
