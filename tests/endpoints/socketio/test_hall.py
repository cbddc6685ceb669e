"""Halls: who is in which room here, whom that reaches, and streams that are open while anybody is there."""

from __future__ import annotations

from typing import Any

import pytest
from endpoints.socketio.conftest import Process, SharedBus, Wire

from flask_cable.core.connection import Connection
from flask_cable.endpoints.socketio.hall import NOWHERE, Held, fan_out
from flask_cable.endpoints.socketio.target import Target
from flask_cable.protocols.frames import Frame
from flask_cable.pubsub.memory import MemoryPubSub
from flask_cable.transports.loopback import LoopbackTransport


@pytest.fixture
def process() -> Process:
    return Process(MemoryPubSub())


def names(process: Process, wires: dict[str, Wire], **target: Any) -> set[str]:
    found = process.handler.hall("/").select(Target(**target))
    assert len(found) == len(set(found))
    return {name for name, wire in wires.items() if wire.socket in found}


def test_whom_a_target_selects(process: Process) -> None:
    wires = {name: process.connect() for name in "abcd"}
    for name, rooms in {"a": ("one",), "b": ("one", "two"), "c": ("two",)}.items():
        wires[name].socket.join(*rooms)
    assert names(process, wires) == {"a", "b", "c", "d"}
    assert names(process, wires, rooms=("one",)) == {"a", "b"}
    assert names(process, wires, rooms=("one", "two")) == {"a", "b", "c"}
    assert names(process, wires, rooms=("one",), without=("two",)) == {"a"}
    assert names(process, wires, without=("one",)) == {"c", "d"}
    assert names(process, wires, rooms=("nowhere",)) == set()
    assert names(process, wires, rooms=("nowhere", "one"), without=("nowhere",)) == {"a", "b"}
    assert names(process, wires, skipped=wires["a"].sid) == {"b", "c", "d"}
    assert names(process, wires, rooms=("one",), skipped=wires["a"].sid) == {"b"}


def test_a_socket_is_a_room_of_its_own(process: Process) -> None:
    wires = {name: process.connect() for name in "abc"}
    own = wires["a"].sid
    assert names(process, wires, rooms=(own,)) == {"a"}
    assert names(process, wires, without=(own,)) == {"b", "c"}
    wires["b"].socket.join(own)
    assert names(process, wires, rooms=(own,)) == {"a", "b"}
    assert names(process, wires, rooms=(own,), skipped=own) == {"b"}


def test_streams_are_open_while_anybody_is_there(process: Process) -> None:
    def streams() -> set[str]:
        return {name for name in process.hub.streams if name.startswith("/socket.io")}

    process.io.of("/a")
    one, two = process.connect(), process.connect()
    assert streams() == {"/socket.io:/"}
    one.socket.join("x")
    two.socket.join("x", "y")
    assert streams() == {"/socket.io:/", "/socket.io:/,x", "/socket.io:/,y"}
    one.socket.leave("x")
    two.hang_up()
    assert streams() == {"/socket.io:/"}
    other = process.connect("/a")
    one.say("41")
    assert streams() == {"/socket.io:/a"}
    other.hang_up()
    assert streams() == set()
    assert process.handler.halls == {}


class Confirming(SharedBus):
    """Confirms a subscription when somebody waits for it."""

    is_lost = False

    def __init__(self) -> None:
        super().__init__()
        self.unconfirmed: list[Any] = []
        self.waits: list[Any] = []

    def subscribe(self, stream: str, callback: Any, on_live: Any = None) -> int:
        if "," in stream:
            self.unconfirmed.append(on_live)
            return super().subscribe(stream, callback)
        return super().subscribe(stream, callback, on_live)

    def set(self) -> None:
        self.waits[-1] = "live"

    def wait(self, timeout: float) -> bool:
        self.waits.append(timeout)
        while self.unconfirmed:
            self.unconfirmed.pop()()
        return self.waits[-1] == "live"


def waiting(bus: Confirming) -> Process:
    """A process whose handlers may wait."""
    process = Process(bus)
    process.executor.can_wait = lambda: True  # type: ignore[method-assign]
    process.executor.event = lambda: bus  # type: ignore[method-assign, assignment, return-value]
    return process


def test_who_has_joined_a_room_misses_nothing_of_it() -> None:
    bus = Confirming()
    process = waiting(bus)
    one, two = process.connect(), process.connect()
    one.socket.join("lobby")
    assert bus.waits == ["live"]
    two.socket.join("lobby")
    one.socket.join("lobby")
    assert bus.waits == ["live"], "nobody waits for a stream that is live"


def test_a_room_is_joined_though_nobody_confirms_it(caplog: pytest.LogCaptureFixture) -> None:
    bus = Confirming()
    process = waiting(bus)
    wire = process.connect()
    bus.wait = lambda timeout: bool(bus.waits.append(timeout))  # type: ignore[method-assign, func-returns-value]
    assert wire.socket.join("lobby")
    assert (bus.waits, wire.socket.rooms) == ([10.0], {wire.sid, "lobby"})
    assert "'lobby': the pub/sub adapter did not confirm" in caplog.text
    bus.is_lost = True  # type: ignore[misc]
    assert wire.socket.join("garden")
    assert bus.waits == [10.0], "nobody waits for an adapter that is away"


def test_orders_to_join_wait_for_nothing() -> None:
    bus = Confirming()
    process = waiting(bus)
    wire = process.connect()
    process.io.sockets_join("lobby")
    assert (bus.waits, wire.socket.rooms) == ([], {wire.sid, "lobby"})


def test_a_broadcast_to_a_rooms_stream_is_a_message(process: Process) -> None:
    process.io.of("/a")
    one, two, inside = process.connect(), process.connect(), process.connect("/a")
    one.socket.join("x")
    process.hub.broadcast(process.io.stream("x"), '{"text":"hi"}')
    process.hub.broadcast(process.io.stream(), "7")
    process.hub.broadcast(process.io.stream(namespace="/a"), '"only here"')
    process.hub.broadcast(process.io.stream("x"), "no JSON", raw=True)
    assert one.events == [["message", {"text": "hi"}], ["message", 7], ["message", "no JSON"]]
    assert two.events == [["message", 7]]
    assert inside.events == [["message", "only here"]]


def test_a_broadcast_may_leave_one_out(process: Process) -> None:
    one, two = process.connect(), process.connect()
    process.hub.broadcast(process.io.stream(), "7", exclude=one.connection)
    assert (one.events, two.events) == ([], [["message", 7]])


def test_an_event_is_encoded_once_for_all(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    wires = [process.connect() for _ in range(5)]
    sent: list[Frame] = []
    monkeypatch.setattr(LoopbackTransport, "send", lambda transport, frame: sent.append(frame))
    process.io.emit("a", 1)
    process.hub.broadcast(process.io.stream(), "7")
    assert len(sent) == 2 * len(wires)
    assert len(set(sent)) == 2


def test_one_who_fails_starves_nobody(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    wires = [process.connect() for _ in range(3)]
    wires[1].connection.transport = object()  # type: ignore[assignment]
    fan_out(Frame(b'42["a"]'), [wire.socket for wire in wires])
    assert wires[0].events == wires[2].events == [["a"]]
    assert "could not be sent to" in caplog.text


def test_one_who_cannot_obey_keeps_nobody_else(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    wires = [process.connect() for _ in range(3)]
    process.handler.hall("/").order(Target((wires[0].sid,)), "join", [f"r{n}" for n in range(999)])
    process.io.sockets_join("x", "y")
    assert [{"x", "y"} <= wire.socket.rooms for wire in wires] == [False, True, True]
    assert "could not join" in caplog.text


def test_nothing_travels_where_nobody_else_is(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[str] = []
    monkeypatch.setattr(process.bus, "publish", lambda stream, *rest: published.append(stream))
    wire = process.connect()
    process.io.emit("a")
    process.io.to("x").emit("b")
    process.io.sockets_join("x")
    assert process.io.fetch_sockets()[0].id == wire.sid
    assert published == []


def test_what_is_emitted_from_elsewhere_is_brought_home(bus: SharedBus) -> None:
    process = Process(bus)
    wire = process.connect()
    calls: list[Any] = []
    process.executor.is_home = lambda: False  # type: ignore[method-assign]
    process.executor.call_home = lambda function, *args: calls.append((function, args))  # type: ignore
    process.io.emit("a")
    process.io.sockets_join("x")
    wire.socket.disconnect()
    assert wire.events == []
    process.executor.is_home = lambda: True  # type: ignore[method-assign]
    for function, args in calls:
        function(*args)
    assert wire.events == [["a"]]
    assert wire.transport.sent[-1] == "41"


# Before and after.


def test_what_is_held_is_released_in_order(process: Process) -> None:
    connection = Connection(process.handler)
    wire = LoopbackTransport(connection)
    connection.attach(wire)
    held = Held(connection)
    frames = [Frame(b"1"), Frame(b"2")]
    assert all(held.transport.send(frame) for frame in frames)
    assert wire.sent == []
    assert held.release() == frames
    assert held.send(Frame(b"3"))
    assert wire.sent == ["3"]
    assert held.release() == []


def test_what_is_held_is_bounded(process: Process) -> None:
    wire = process.connect()
    held = Held(wire.connection)
    process.handler.inbox_limit = 3
    assert [held.send(Frame(b"x")) for _ in range(4)] == [True, True, True, False]
    assert wire.connection.closed
    assert process.handler.counts["too_slow"] == 1


def test_nothing_goes_nowhere() -> None:
    assert NOWHERE.transport.send(Frame(b"x")) is False
