"""WebSockets that something else opened: recognised by what they are, checked, and carried to their end."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, request
from transports.test_base import ReadyExecutor, WebSocketPeer

from flask_cable import Cable, Connection
from flask_cable.errors import ConfigError, UnsupportedServer
from flask_cable.sockets import serve


class Person(Connection):
    identified_by = ("user",)

    def connect(self) -> None:
        self.user = request.args.get("user") or self.reject_unauthorized_connection()


class Shop:
    """An application whose sockets move when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.executor = ReadyExecutor()
        monkeypatch.setattr("flask_cable.runtime.choose_executor", lambda *args: self.executor)
        self.app = Flask("shop")
        self.cable = Cable(self.app)
        self.cable.connection(Person)
        self.near, far = socket.socketpair()
        self.peer = WebSocketPeer(far)

    def serve(self, ws: Any, path: str = "/ws?user=7", origin: str = "http://localhost") -> str:
        with self.app.test_request_context(path, headers={"Origin": origin}):
            return serve(self.app.extensions["cable"], ws)

    def settle(self) -> None:
        while self.executor.turn() | self.peer.turn():
            pass


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    made = Shop(monkeypatch)
    yield made
    for connection in list(made.app.extensions["cable"].runtime().registry.values()):
        connection.close()
    made.executor.advance(3600)
    made.near.close()
    made.peer.sock.close()


def gevent_websocket(sock: socket.socket) -> Any:
    """Make what is known of a gevent-websocket object."""
    return SimpleNamespace(handler=SimpleNamespace(socket=sock), stream=object())


def test_a_gevent_websocket_object_gives_its_socket_and_is_done(shop: Shop) -> None:
    assert shop.serve(gevent_websocket(shop.near)) == ""
    shop.settle()
    assert shop.peer.heard == ['{"type":"welcome"}']
    (connection,) = shop.cable.connections.values()
    assert connection.user == "7"  # type: ignore[attr-defined]
    assert connection.request.path == "/ws"


def test_who_is_unauthorized_is_told_and_closed(shop: Shop) -> None:
    shop.serve(gevent_websocket(shop.near), "/ws")
    shop.settle()
    assert shop.peer.heard == ['{"type":"disconnect","reason":"unauthorized","reconnect":false}']
    assert shop.peer.closed_with == (1000, "")
    assert dict(shop.cable.connections) == {}


def test_the_extension_serves_within_a_request(shop: Shop) -> None:
    with shop.app.test_request_context("/ws?user=8", headers={"Origin": "http://localhost"}):
        assert shop.cable.serve(gevent_websocket(shop.near)) == ""
    assert [one.identifiers for one in shop.cable.connections.values()] == [{"user": "8"}]


class SimpleWebSocket:
    """What is known of a simple-websocket object: ``receive`` gives messages, and raises after the last."""

    max_message_size = None

    def __init__(self, sock: socket.socket, *messages: str) -> None:
        self.sock: Any = sock
        self.messages = list(messages)
        self.event = SimpleNamespace(set=lambda: None)
        self.ws = SimpleNamespace(state=SimpleNamespace(name="CLOSED"))

    def receive(self) -> str:
        from simple_websocket import ConnectionClosed

        if not self.messages:
            raise ConnectionClosed(4000, "bye")
        return self.messages.pop(0)

    def close(self, code: int, reason: str) -> None:
        self.messages.clear()


@pytest.mark.needs("simple_websocket")
def test_a_simple_websocket_object_is_read_until_its_peer_is_gone(shop: Shop) -> None:
    seen: list[Any] = []

    def received(self: Any, connection: Connection, message: str) -> None:
        seen.append((message, len(shop.cable.connections)))

    runtime = shop.app.extensions["cable"].runtime()
    runtime.handler.received = received.__get__(runtime.handler)
    assert shop.serve(SimpleWebSocket(shop.near, "a", "b")) == ""
    shop.settle()
    assert seen == [("a", 1), ("b", 1)]
    assert shop.peer.heard == ['{"type":"welcome"}']
    assert dict(shop.cable.connections) == {}
    assert runtime.registry.taken == 0


@pytest.mark.needs("simple_websocket")
def test_who_is_refused_on_such_an_object_leaves_nothing_behind(shop: Shop) -> None:
    assert shop.serve(SimpleWebSocket(shop.near), "/ws") == ""
    shop.settle()
    assert shop.peer.heard == ['{"type":"disconnect","reason":"unauthorized","reconnect":false}']
    assert shop.app.extensions["cable"].runtime().registry.taken == 0


def test_other_origins_are_refused(shop: Shop) -> None:
    shop.serve(gevent_websocket(shop.near), origin="https://evil.test")
    shop.settle()
    assert {"type": "welcome"} not in [json.loads(text) for text in shop.peer.heard]
    assert shop.peer.closed_with == (1008, "This origin may not connect.")
    assert shop.app.extensions["cable"].runtime().registry.taken == 0


def test_too_many_are_refused(shop: Shop) -> None:
    shop.app.config["CABLE_MAX_CONNECTIONS"] = 1
    runtime = shop.app.extensions["cable"].runtime()
    runtime.registry.reserve(Connection(runtime.handler, 99))
    shop.serve(gevent_websocket(shop.near))
    shop.settle()
    assert shop.peer.heard == []
    assert shop.peer.closed_with is not None
    assert runtime.registry.taken == 1


@pytest.mark.needs("simple_websocket")
def test_an_object_that_cannot_be_carried_gives_its_place_back(shop: Shop) -> None:
    tls: Any = SimpleNamespace(pending=lambda: 0, fileno=shop.near.fileno)
    with pytest.raises(UnsupportedServer):
        shop.serve(SimpleWebSocket(tls))
    assert shop.app.extensions["cable"].runtime().registry.taken == 0


def test_a_connect_that_fails_is_logged_and_closed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Connection) -> None:
        raise LookupError("no such user")

    monkeypatch.setattr(Person, "connect", fail)
    shop.serve(gevent_websocket(shop.near))
    shop.settle()
    assert shop.peer.closed_with == (1011, "internal error")
    assert caplog.records[-1].levelno == logging.ERROR
    assert shop.app.extensions["cable"].runtime().registry.taken == 0


def test_anything_else_is_refused(shop: Shop) -> None:
    for wrong in (None, 7, object(), SimpleNamespace(sock=1), SimpleNamespace(handler=1)):
        with pytest.raises(
            ConfigError, match=r"cable\.serve takes a simple-websocket or gevent-websocket object"
        ):
            shop.serve(wrong)
    assert shop.app.extensions["cable"].runtime().registry.taken == 0
