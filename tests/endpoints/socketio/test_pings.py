"""Engine.IO's heartbeat: asked in good time, and gone without an answer."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_cable import Cable
from flask_cable.endpoints.socketio import SocketIOServer
from flask_cable.testing import CableClient, SocketIOPeer


def pings(peer: SocketIOPeer) -> int:
    return peer.connection.messages.count("2")


def test_a_client_is_pinged_once_an_interval(client: CableClient) -> None:
    peer = client.socketio()
    client.advance_time(12.4)
    assert pings(peer) == 0
    client.advance_time(12.7)
    assert pings(peer) == 1
    for count in range(2, 6):
        peer.connection.send("3")
        client.advance_time(25)
        assert pings(peer) == count
    assert peer.connected


def test_one_that_is_silent_is_gone(io: SocketIOServer, client: CableClient) -> None:
    reasons: list[str] = []
    io.on("disconnect", lambda socket, reason: reasons.append(reason))
    peer = client.socketio()
    client.advance_time(25)
    client.advance_time(19)
    assert not (peer.connection.closed and pings(peer) == 2)
    client.advance_time(2)
    assert peer.connection.closed_with == (1011, "ping timeout")
    assert reasons == ["ping timeout"]
    client.advance_time(60)
    assert pings(peer) <= 2


def test_anything_is_an_answer(io: SocketIOServer, client: CableClient) -> None:
    peer = client.socketio()
    for number in range(20):
        client.advance_time(15)
        peer.emit("a", number)
    assert peer.connected


def test_a_ping_that_comes_before_the_last_is_overdue_changes_nothing(cable: Cable, app: Flask) -> None:
    io = cable.socketio("/fast", ping_interval=1, ping_timeout=5)
    with CableClient(app) as client:
        silent, alive = client.socketio(io.path), client.socketio(io.path)
        for _ in range(5):
            client.advance_time(1)
            alive.connection.send("3")
        assert (silent.connection.closed, alive.connection.closed) == (False, False)
        for _ in range(2):
            client.advance_time(1)
            alive.connection.send("3")
        assert (silent.connection.closed, alive.connection.closed) == (True, False)


def test_an_answer_to_the_last_ping_counts_for_that_one_only(cable: Cable, app: Flask) -> None:
    io = cable.socketio("/fast", ping_interval=4, ping_timeout=3)
    with CableClient(app) as client:
        peer = client.socketio(io.path)
        while not pings(peer):
            client.advance_time(0.1)
        client.advance_time(2.9)
        peer.connection.send("3")
        while pings(peer) < 2:
            client.advance_time(0.1)
        client.advance_time(2.9)
        assert peer.connected
        client.advance_time(0.2)
        assert peer.connection.closed


def test_one_that_is_not_read_is_not_silent(client: CableClient, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = client.socketio()
    connection = peer.socket.connection
    paused = [True]
    monkeypatch.setattr(type(connection), "is_paused", property(lambda self: paused[0]))
    client.advance_time(200)
    assert peer.connected
    paused[0] = False
    client.advance_time(50)
    assert peer.connection.closed


def test_one_timer_looks_after_all_that_are_asked_together(client: CableClient) -> None:
    peers = [client.socketio() for _ in range(60)]
    executor: Any = peers[0].socket.hall.executor
    client.advance_time(25)
    asked = sum(pings(peer) for peer in peers)
    planned = [
        timer for _, _, timer in executor._timers if "_look" in getattr(timer.function, "__name__", "")
    ]
    assert asked == 60
    assert len(planned) <= 30


def test_one_that_has_left_is_pinged_no_more(client: CableClient) -> None:
    peer = client.socketio()
    client.advance_time(25)
    peer.close()
    count = pings(peer)
    client.advance_time(100)
    assert pings(peer) == count
    assert client._runtime().registry.taken == 0
