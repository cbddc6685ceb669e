"""The test client of Socket.IO: what an application's own tests see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from flask_cable import Cable
from flask_cable.testing import CableClient, Event


@pytest.fixture
def client() -> Iterator[CableClient]:
    app = Flask("chat")
    app.config.update(SECRET_KEY="for tests only", TESTING=True)
    io = Cable(app).socketio()
    io.on("add", lambda socket, one, two: one + two)
    io.on("both", lambda socket: (1, b"\x02"))
    io.on("ask", lambda socket: socket.emit("question", b"\x01", ack=lambda *got: socket.emit("got", *got)))
    io.on("fail", lambda socket: {}["lost"])
    io.of("/admin").use(lambda socket: socket.auth.get("token") == "right")
    with CableClient(app) as client:
        yield client


def test_a_peer_calls_and_emits(client: CableClient) -> None:
    peer = client.socketio()
    assert (peer.call("add", 1, 2), peer.call("both"), peer.call("add", "a", "b")) == (3, (1, b"\x02"), "ab")
    peer.emit("ask")
    question = peer.receive()
    assert question == ["question", b"\x01"]
    assert question.wants_ack
    question.acknowledge("x", b"\x03")
    assert peer.receive() == ["got", "x", b"\x03"]
    assert peer.unread == []
    assert len(peer.events) == 2


def test_what_is_missing_is_said(client: CableClient) -> None:
    peer = client.socketio()
    with pytest.raises(AssertionError, match="no more events"):
        peer.receive()
    with pytest.raises(AssertionError, match="has not acknowledged"):
        peer.call("nobody handles this")
    with pytest.raises(AssertionError, match="does not wait for an answer"):
        _event_without_id(peer).acknowledge()
    peer.close()
    with pytest.raises(AssertionError, match="no more events; the connection was closed"):
        peer.receive()
    with pytest.raises(AssertionError, match="cannot send"):
        peer.emit("late")


def _event_without_id(peer: Any) -> Event:
    peer.socket.emit("plain")
    event: Event = peer.receive()
    return event


def test_namespaces_of_one_connection(client: CableClient) -> None:
    main = client.socketio()
    admin = main.connection.enter("/admin", {"token": "right"})
    admin.socket.emit("inside")
    assert (main.events, admin.events) == ([], [["inside"]])
    admin.disconnect()
    with pytest.raises(AssertionError, match="it is not in /admin"):
        _ = admin.socket
    again = main.connection.enter("/admin", {"token": "right"})
    assert (again.connected, again.events) == (True, [])
    assert repr(again) == "<SocketIOPeer of /admin>"


def test_a_refusal_is_seen(client: CableClient) -> None:
    peer = client.socketio(namespace="/admin")
    assert (peer.connected, peer.sid, peer.refusal) == (False, None, {"message": "not authorized"})


def test_an_error_of_the_applications_is_raised(client: CableClient) -> None:
    with pytest.raises(KeyError):
        client.socketio().emit("fail")


def test_the_opening_is_seen(client: CableClient) -> None:
    peer = client.socketio()
    assert set(peer.connection.opening) == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}
    assert peer.pid is None
    assert not peer.disconnected
