"""Emitting from a process that serves nobody, as ``Publisher.socketio`` does."""

from __future__ import annotations

import pytest
from endpoints.socketio.conftest import Process, SharedBus

from flask_cable import Publisher
from flask_cable.endpoints.socketio import SocketIOServer
from flask_cable.errors import ConfigError, EncodeError, NotReady


@pytest.fixture
def io(bus: SharedBus) -> SocketIOServer:
    return Publisher(bus).socketio()


def test_events_reach_those_who_are_meant(bus: SharedBus, io: SocketIOServer) -> None:
    a, b = Process(bus, "a"), Process(bus, "b")
    for process in (a, b):
        process.io.of("/admin")
    here, there, inside = a.connect(), b.connect(), b.connect("/admin")
    there.socket.join("lobby")
    io.emit("one", 1, b"\x01")
    io.to("lobby").emit("two")
    io.except_("lobby").emit("three")
    io.to(here.sid).send("four")
    io.of("/admin").emit("five")
    io.sockets_of("/admin").volatile.emit("six")
    assert here.events == [["one", 1, b"\x01"], ["three"], ["message", "four"]]
    assert there.events == [["one", 1, b"\x01"], ["two"]]
    assert inside.events == [["five"], ["six"]]


def test_orders_are_carried_out(bus: SharedBus, io: SocketIOServer) -> None:
    process = Process(bus)
    one, two = process.connect(), process.connect()
    io.to(one.sid).sockets_join("lobby")
    assert ("lobby" in one.socket.rooms, "lobby" in two.socket.rooms) == (True, False)
    io.to("lobby").disconnect_sockets()
    assert (one.transport.sent[-1], two.connection.closed) == ("41", False)


def test_who_is_where_cannot_be_asked(io: SocketIOServer) -> None:
    with pytest.raises(NotReady, match="a process that serves"):
        io.fetch_sockets()


def test_what_cannot_be_sent_is_an_error(bus: SharedBus, io: SocketIOServer) -> None:
    with pytest.raises(EncodeError):
        io.emit("a", object())
    with pytest.raises(ValueError, match="keep for themselves"):
        io.emit("connect")
    with pytest.raises(ConfigError, match="a path such as"):
        Publisher(bus).socketio("nowhere")
    assert bus.published == []


def test_clients_that_come_back_have_missed_nothing(lasting_bus: SharedBus) -> None:
    process = Process(lasting_bus, recovery_seconds=60)
    io = Publisher(lasting_bus).socketio(recovery_seconds=60)
    wire = process.connect()
    io.emit("heard")
    wire.hang_up()
    io.emit("missed", 7)
    welcome, offset = wire.welcome, wire.events[0][-1]
    again = process.connect("/", f'{{"pid":"{welcome["pid"]}","offset":"{offset}"}}')
    assert (again.sid, [event[:-1] for event in again.events]) == (wire.sid, [["missed", 7]])


def test_a_broadcast_reaches_a_room(bus: SharedBus, io: SocketIOServer) -> None:
    wire = Process(bus).connect()
    wire.socket.join("lobby")
    Publisher(bus).broadcast(io.stream("lobby"), {"a": 1})
    assert wire.events == [["message", {"a": 1}]]
