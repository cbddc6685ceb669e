"""Coming back: the same id, rooms and values, and what was missed; or somebody new, and nothing wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from endpoints.socketio.conftest import Process, SharedBus, Wire

from flask_cable.endpoints.socketio import Socket
from flask_cable.endpoints.socketio.recovery import new_pid, placed
from flask_cable.errors import BusError
from flask_cable.protocols.frames import Frame
from flask_cable.protocols.socketio import SocketIO


def process(bus: SharedBus, node: str = "a", **settings: Any) -> Process:
    return Process(bus, node, **{"recovery_seconds": 60, "recovery_packets": 10, **settings})


def offset_of(wire: Wire) -> str:
    """What the stock client remembers: the last argument of the last event, if it is a text."""
    found: str = [event[-1] for event in wire.events if isinstance(event[-1], str)][-1]
    return found


def back(process: Process, wire: Wire, namespace: str = "/", **auth: Any) -> Wire:
    """The client of ``wire`` connects again."""
    offset = offset_of(wire) if wire.events else None
    says = {"pid": wire.welcome["pid"], "offset": offset, **auth}
    return process.connect(namespace, json.dumps({key: value for key, value in says.items() if value}))


@pytest.fixture
def a(lasting_bus: SharedBus) -> Process:
    return process(lasting_bus)


def test_without_it_nothing_is_promised(bus: SharedBus) -> None:
    plain = Process(bus)
    wire = plain.connect()
    plain.io.emit("a")
    assert (wire.welcome.keys(), wire.events) == ({"sid"}, [["a"]])


def test_one_who_was_cut_off_is_who_it_was(a: Process) -> None:
    seen: list[Any] = []
    a.io.on("connect", lambda socket: seen.append((socket.recovered, socket.get("nick"))))
    wire = a.connect()
    wire.socket.set("nick", "ann").join("lobby", "other")
    wire.socket.emit("first")
    wire.hang_up()
    again = back(a, wire)
    assert (again.sid, again.welcome["pid"]) == (wire.sid, wire.welcome["pid"])
    assert again.socket.rooms == {wire.sid, "lobby", "other"}
    assert again.socket.recovered
    assert seen == [(False, None), (True, "ann")]
    a.io.to("lobby").emit("here")
    assert [event[0] for event in again.events] == ["here"]


def test_what_was_missed_comes_in_order_and_once(a: Process) -> None:
    wire, other = a.connect(), a.connect()
    wire.socket.join("lobby")
    a.io.emit("heard", 1)
    wire.hang_up()
    a.io.emit("missed", 1)
    a.io.to("lobby").emit("missed", b"\x02")
    a.io.to("elsewhere").emit("not for it")
    a.io.except_("lobby").emit("not for it")
    other.socket.broadcast.emit("missed", 3)
    a.io.to(wire.sid).emit("missed", 4)
    a.io.to(other.sid).emit("not for it")
    again = back(a, wire)
    a.io.emit("after")
    assert again.packets[0].kind == 0
    assert [event[:-1] for event in again.events] == [
        ["missed", 1],
        ["missed", b"\x02"],
        ["missed", 3],
        ["missed", 4],
        ["after"],
    ]
    offsets = [int(event[-1]) for event in again.events]
    assert offsets == sorted(set(offsets))


def test_what_one_said_to_others_does_not_come_back(a: Process) -> None:
    wire = a.connect()
    wire.socket.emit("first")
    socket = wire.socket
    a.io.on("disconnect", lambda socket: socket.broadcast.emit("left"))
    wire.hang_up()
    assert not socket.connected
    assert back(a, wire).events == []


def test_events_have_their_places(a: Process) -> None:
    wire = a.connect()
    wire.socket.emit("own", 1)
    wire.socket.broadcast.emit("others")
    a.io.emit("all", b"x")
    wire.socket.emit("question", ack=print)
    wire.socket.volatile.emit("volatile")
    a.io.volatile.emit("volatile")
    a.hub.broadcast(a.io.stream(), '"plain"')
    assert [len(event) for event in wire.events] == [3, 3, 1, 1, 1, 2]
    assert int(wire.events[1][-1]) == int(wire.events[0][-1]) + 2


def test_one_comes_back_to_another_process(lasting_bus: SharedBus) -> None:
    a, b = process(lasting_bus, "a"), process(lasting_bus, "b")
    wire = a.connect()
    wire.socket.join("lobby")
    a.io.emit("heard")
    wire.hang_up()
    b.io.to("lobby").emit("missed")
    again = back(b, wire)
    assert (again.sid, [event[0] for event in again.events]) == (wire.sid, ["missed"])
    a.io.to(wire.sid).emit("found")
    assert again.events[-1][0] == "found"


def test_one_who_comes_too_late_is_somebody_new(a: Process, now: list[float]) -> None:
    wire = a.connect()
    a.io.emit("heard")
    wire.hang_up()
    now[0] += 61
    again = back(a, wire)
    assert again.sid != wire.sid
    assert again.welcome["pid"] != wire.welcome["pid"]
    assert (again.socket.recovered, again.events) == (False, [])


def test_one_who_has_missed_too_much_is_somebody_new(a: Process) -> None:
    wire = a.connect()
    a.io.emit("heard")
    wire.hang_up()
    for number in range(11):
        a.io.emit("missed", number)
    again = back(a, wire)
    assert (again.sid != wire.sid, again.events) == (True, [])


def test_one_comes_back_once(a: Process) -> None:
    wire = a.connect()
    a.io.emit("heard")
    wire.hang_up()
    first, second = back(a, wire), back(a, wire)
    assert first.sid == wire.sid
    assert second.sid != wire.sid


def test_one_who_left_is_not_kept(a: Process) -> None:
    for leave in (
        lambda wire: wire.say("41"),
        lambda wire: wire.socket.disconnect(),
        lambda wire: wire.say("4abc"),
        lambda wire: wire.connection.disconnect("remote", reconnect=False),
    ):
        wire = a.connect()
        a.io.emit("heard")
        leave(wire)
        wire.hang_up()
        assert back(a, wire).sid != wire.sid


def test_one_who_was_sent_away_to_come_back_is_kept(a: Process) -> None:
    for send_away in (
        lambda wire: wire.connection.disconnect("server_restart"),
        lambda wire: wire.connection.disconnect("gap"),
        lambda wire: wire.connection.close(1011, "ping timeout"),
    ):
        wire = a.connect()
        a.io.emit("heard")
        send_away(wire)
        assert back(a, wire).sid == wire.sid


def test_words_that_prove_nothing_make_somebody_new(a: Process) -> None:
    wire = a.connect()
    a.io.emit("heard")
    pid, offset = wire.welcome["pid"], offset_of(wire)
    wire.hang_up()
    for auth in (
        *(
            {"pid": "guessed", "offset": offset},
            {"pid": pid},
            {"offset": offset},
            {"pid": 7, "offset": offset},
        ),
        *({"pid": pid, "offset": int(offset)}, {"pid": pid, "offset": "x"}, {"pid": pid, "offset": "-1"}),
        *({"pid": pid, "offset": "1" * 21}, {"pid": pid, "offset": "\u0661"}, {"pid": [], "offset": {}}),
        {"pid": pid, "offset": None},
    ):
        again = a.connect("/", json.dumps(auth))
        assert again.sid != wire.sid
        assert not again.socket.recovered
    assert back(a, wire).sid == wire.sid


def test_somebody_else_is_somebody_new(a: Process, caplog: pytest.LogCaptureFixture) -> None:
    wire = a.connect()
    wire.connection.set_identifier("user", "ann")
    a.io.emit("heard")
    wire.hang_up()
    again = back(a, wire)
    assert again.sid != wire.sid
    assert "came back as somebody else" in caplog.text


def test_one_who_is_asked_again_may_be_refused(a: Process) -> None:
    wire = a.connect()
    a.io.emit("heard")
    a.io.use(lambda socket: socket.auth.get("token") == "right")
    wire.hang_up()
    refused = back(a, wire, token="wrong")
    assert refused.packets[0].kind == 4
    assert a.handler.halls == {}


def test_namespaces_have_logs_of_their_own(a: Process) -> None:
    for name in ("/a", "/b"):
        a.io.of(name)
    wire = a.connect("/a")
    a.io.of("/a").emit("heard")
    wire.hang_up()
    for number in range(20):
        a.io.of("/b").emit("other", number)
    a.io.of("/a").emit("missed")
    assert back(a, wire, "/b").sid != wire.sid
    assert [event[0] for event in back(a, wire, "/a").events] == ["missed"]


def test_what_is_said_while_one_comes_back_comes_once(a: Process) -> None:
    wire = a.connect()
    a.io.emit("heard")
    wire.hang_up()
    a.io.emit("missed")

    @a.io.on("connect")
    def connected(socket: Socket) -> None:
        a.io.emit("meanwhile")
        socket.emit("hello")
        socket.emit("question", "7", ack=print)

    names = [event[0] for event in back(a, wire).events]
    assert names == ["missed", "meanwhile", "hello", "question"]


def test_values_without_a_json_form_are_not_kept(a: Process, caplog: pytest.LogCaptureFixture) -> None:
    wire = a.connect()
    wire.socket.set("self", object())
    a.io.emit("heard")
    wire.hang_up()
    assert "cannot be recovered" in caplog.text
    assert back(a, wire).sid != wire.sid


# A store that is away.


class Away:
    """A store that fails at one of its methods."""

    def __init__(self, store: Any, method: str) -> None:
        self._store = store
        self.method = method

    def __getattr__(self, name: str) -> Any:
        if name == self.method:
            return self._fail
        return getattr(self._store, name)

    def _fail(self, *args: Any) -> None:
        raise BusError("away")


def fail(a: Process, method: str) -> Away:
    assert a.handler.recovery is not None
    away = Away(a.bus.store, method)
    a.handler.recovery.log.store = away
    return away


def test_an_event_that_cannot_be_kept_is_sent(a: Process, caplog: pytest.LogCaptureFixture) -> None:
    wire = a.connect()
    fail(a, "append")
    a.io.emit("a", 1)
    wire.socket.emit("b")
    assert wire.events == [["a", 1], ["b"]]
    assert "could not be kept" in caplog.text


def test_one_who_cannot_be_kept_or_recalled_is_somebody_new(a: Process) -> None:
    for method in ("put", "take", "since"):
        wire = a.connect()
        a.io.emit("heard")
        away = fail(a, method)
        wire.hang_up()
        again = back(a, wire)
        away.method = ""
        assert again.sid != wire.sid
        assert again.socket.connected


def test_a_store_that_goes_away_meanwhile_ends_the_connection(a: Process) -> None:
    wire = a.connect()
    a.io.emit("heard")
    wire.hang_up()

    @a.io.on("connect")
    def connected(socket: Socket) -> None:
        fail(a, "since")

    again = back(a, wire)
    assert again.transport.closed_with == (1013, "what it missed cannot be had")
    assert a.handler.counts["failed"] == 1


# Small parts.


def test_the_place_is_the_last_argument() -> None:
    io = SocketIO()
    assert placed(Frame(b'42["a"]'), 7).payload == b'42["a","7"]'
    assert placed(io.event("/n", ["a", {"b": "]"}]), 12).payload == b'42/n,["a",{"b":"]"},"12"]'
    kept = placed(io.event("/", ["a", b"x"]), 3)
    assert kept.parts[0].payload == b'451-["a",{"_placeholder":true,"num":0},"3"]'
    assert (kept.parts[1].payload, kept.offset) == (b"x", 3)
    assert kept.wire == b"".join(part.wire for part in kept.parts)


def test_what_a_peer_shows_cannot_be_guessed() -> None:
    assert len({new_pid() for _ in range(100)}) == 100
    assert len(new_pid()) == 24


def test_one_can_come_back_only_once_it_has_left_all_rooms(a: Process) -> None:
    """Else there could be two of the same id in one process, and the end of the first would be both's."""
    log: list[Any] = []
    wire = a.connect()
    wire.socket.emit("first")
    says = {"pid": wire.welcome["pid"], "offset": offset_of(wire)}

    def remembered(socket: Socket, moment: str) -> None:
        recovery = a.handler.recovery
        assert recovery is not None
        log.append((moment, recovery.recall(socket.connection, "/", says) is not None))

    a.io.on("disconnecting", lambda socket: remembered(socket, "disconnecting"))
    a.io.on("disconnect", lambda socket: remembered(socket, "disconnect"))
    wire.hang_up()
    assert log == [("disconnecting", False), ("disconnect", True)]


def test_one_for_whom_too_much_came_meanwhile_is_closed(a: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = a.connect()
    a.io.emit("heard")
    wire.hang_up()
    assert a.handler.recovery is not None
    seen = iter([[], None])
    monkeypatch.setattr(a.handler.recovery.log, "missed", lambda *_: next(seen))
    again = back(a, wire)
    assert again.packets == []
    assert again.transport.closed_with == (1013, "what it missed cannot be had")


def test_those_who_may_come_back_are_bounded(lasting_bus: SharedBus, now: list[float]) -> None:
    a = process(lasting_bus, recovery_sockets=2)
    wires = [a.connect() for _ in range(4)]
    a.io.emit("first")
    for wire in wires[:3]:
        wire.hang_up()
    assert a.handler.counts["not_kept"] == 1
    assert [back(a, wire).sid == wire.sid for wire in wires[:3]] == [True, True, False]
    now[0] += 61
    a.executor.advance(61)
    a.io.emit("second")
    wires[3].hang_up()
    assert back(a, wires[3]).sid == wires[3].sid
