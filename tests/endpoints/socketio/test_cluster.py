"""Several processes: what is emitted in one reaches the sockets of all, once; and who is where is known."""

from __future__ import annotations

import json
from typing import Any

import pytest
from endpoints.socketio.conftest import Process, SharedBus

from flask_cable.endpoints.socketio.cluster import BEAT
from flask_cable.errors import BusError


@pytest.fixture
def pair(bus: SharedBus) -> tuple[Process, Process]:
    return Process(bus, "a"), Process(bus, "b")


# Events.


def test_everybody_everywhere(pair: tuple[Process, Process]) -> None:
    a, b = pair
    here, there = a.connect(), b.connect()
    a.io.emit("one", 1, b"\x00", {"deep": [b"\x1e"]})
    here.socket.sockets.emit("two")
    there.socket.broadcast.emit("three")
    a.io.volatile.emit("four")
    assert here.events == [["one", 1, b"\x00", {"deep": [b"\x1e"]}], ["two"], ["three"], ["four"]]
    assert there.events == [["one", 1, b"\x00", {"deep": [b"\x1e"]}], ["two"], ["four"]]


def test_rooms_everywhere(pair: tuple[Process, Process]) -> None:
    a, b = pair
    wires = [a.connect(), a.connect(), b.connect(), b.connect()]
    for wire in wires[::2]:
        wire.socket.join("lobby")
    a.io.to("lobby").emit("one")
    wires[0].socket.to("lobby").emit("two")
    a.io.except_("lobby").emit("three")
    a.io.to("lobby", "nowhere").emit("four")
    wires[0].socket.except_("lobby").emit("five")
    assert [[event[0] for event in wire.events] for wire in wires] == [
        ["one", "four"],
        ["three", "five"],
        ["one", "two", "four"],
        ["three", "five"],
    ]


def test_a_socket_of_another_process_is_spoken_to_by_its_id(pair: tuple[Process, Process]) -> None:
    a, b = pair
    here, there, other = a.connect(), b.connect(), b.connect()
    a.io.to(there.sid).emit("one")
    a.io.to(there.sid, here.sid).emit("two")
    a.io.except_(there.sid).emit("three")
    there.socket.join(here.sid)
    b.io.to(here.sid).emit("four")
    assert there.events == [["one"], ["two"], ["four"]]
    assert other.events == [["three"]]
    assert here.events == [["two"], ["three"], ["four"]]


def test_namespaces_are_apart(pair: tuple[Process, Process]) -> None:
    for process in pair:
        process.io.of("/a")
    a, b = pair
    main, inside = b.connect(), b.connect("/a")
    for wire in (main, inside):
        wire.socket.join("lobby")
    a.io.to("lobby").emit("main")
    a.io.of("/a").to("lobby").emit("inside")
    assert (main.events, inside.events) == ([["main"]], [["inside"]])


def test_an_endpoint_is_apart_from_another(bus: SharedBus) -> None:
    a, b = Process(bus, "a"), Process(bus, "b")
    b.handler.path = "/other"
    here, there = a.connect(), b.connect()
    a.io.emit("x")
    assert (here.events, there.events) == ([["x"]], [])


def test_events_of_a_room_travel_to_those_who_have_somebody_in_it(
    pair: tuple[Process, Process], bus: SharedBus
) -> None:
    a, b = pair
    a.connect().socket.join("here")
    bus.published.clear()
    a.io.to("here").emit("x")
    a.io.to("there").emit("x")
    a.io.to("here").except_("there").emit("x")
    assert [stream for stream, _ in bus.published] == [
        "/socket.io:/,here",
        "/socket.io:/,there",
        "/socket.io:/",
    ]
    assert "/socket.io:/,here" not in b.hub.streams


def test_order_is_kept_for_the_one_who_emits(pair: tuple[Process, Process]) -> None:
    a, b = pair
    here, there = a.connect(), b.connect()
    for wire in (here, there):
        wire.socket.join("lobby")
    for number in range(0, 30, 3):
        here.socket.emit("e", number)
        a.io.to("lobby").emit("e", number + 1)
        a.io.emit("e", number + 2)
    assert [event[1] for event in here.events] == list(range(30))
    assert [event[1] for event in there.events] == [n for n in range(30) if n % 3]


def test_a_broadcast_from_anywhere_reaches_a_room(pair: tuple[Process, Process]) -> None:
    a, b = pair
    here, there = a.connect(), b.connect()
    for wire in (here, there):
        wire.socket.join("lobby")
    a.hub.broadcast(a.io.stream("lobby"), '{"a":1}', exclude=here.connection)
    assert (here.events, there.events) == ([], [["message", {"a": 1}]])


def test_what_cannot_be_read_harms_nobody(
    pair: tuple[Process, Process], bus: SharedBus, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = pair
    there = b.connect()
    for packet in (
        *("", "no JSON", "[]", "7", "{}x", '{"n":"a"}', '{"n":"a","to":7}\x1e42["x"]'),
        *('{"n":"a"}\x1e42["x"]\x1ebnot base64!', '{"n":"a","do":"dance"}', '{"n":"a","do":"join"}'),
        *('{"n":7,"do":"fetch"}', '{"n":"z","do":"fetch"}', '{"n":"z","do":"answer","for":"b","id":[]}'),
    ):
        for stream in ("/socket.io:/", "/socket.io"):
            bus.publish(stream, f"p|{packet}")
    a.io.emit("after")
    assert there.events[-1] == ["after"]
    assert there.transport.closed_with is None
    assert "a stream's listener raised" in caplog.text


# Orders.


def test_orders_are_carried_out_everywhere(pair: tuple[Process, Process]) -> None:
    a, b = pair
    here, there = a.connect(), b.connect()
    a.io.sockets_join("x", "y")
    assert here.socket.rooms - {here.sid} == there.socket.rooms - {there.sid} == {"x", "y"}
    a.io.to(there.sid).sockets_leave("x")
    assert ("x" in here.socket.rooms, "x" in there.socket.rooms) == (True, False)
    b.io.to("x").disconnect_sockets()
    assert (here.transport.sent[-1], there.connection.closed) == ("41", False)
    a.io.disconnect_sockets(close=True)
    assert there.transport.closed_with == (1000, "forced server close")


# Who is there.


def test_sockets_of_all_processes_are_fetched(pair: tuple[Process, Process]) -> None:
    a, b = pair
    here, there = a.connect(), b.connect()
    there.socket.set("nick", "ann").join("lobby")
    here.socket.set("self", object())
    found = {one.id: one for one in a.io.fetch_sockets()}
    assert set(found) == {here.sid, there.sid}
    assert (found[there.sid].rooms, found[there.sid].data) == ({there.sid, "lobby"}, {"nick": "ann"})
    assert found[here.sid].data is here.socket.data
    assert {one.id: one.data for one in b.io.fetch_sockets()}[here.sid] == {}  # an object cannot travel
    assert [one.id for one in a.io.to("lobby").fetch_sockets()] == [there.sid]
    assert a.io.of("/none").fetch_sockets() == []


def test_a_fetched_socket_is_spoken_to(pair: tuple[Process, Process]) -> None:
    a, b = pair
    there = b.connect()
    (found,) = a.io.fetch_sockets()
    found.emit("hello", 1)
    found.join("x")
    found.join("y")
    found.leave("y")
    assert there.events == [["hello", 1]]
    assert "x" in there.socket.rooms
    assert there.sid in repr(found)
    found.disconnect()
    assert there.transport.sent[-1] == "41"


def test_a_process_knows_the_others(bus: SharedBus) -> None:
    a = Process(bus, "a")
    b = Process(bus, "b")
    c = Process(bus, "c")
    assert [process.handler.cluster._living() for process in (a, b, c)] == [
        {"b", "c"},
        {"a", "c"},
        {"a", "b"},
    ]


def test_one_that_gives_no_sign_of_life_is_gone(bus: SharedBus) -> None:
    a, b = Process(bus, "a"), Process(bus, "b")
    for _ in range(5):
        a.executor.advance(BEAT)
        b.executor.advance(BEAT)
    assert a.handler.cluster._living() == {"b"}
    a.executor.advance(3 * BEAT)
    assert a.handler.cluster._living() == set()


def test_one_that_ends_is_not_waited_for(bus: SharedBus) -> None:
    a, b, c = (Process(bus, node) for node in "abc")
    wires = [process.connect() for process in (a, b, c)]
    b.handler.stop()
    b.handler.stop()
    b.executor.advance(2 * BEAT)
    assert (a.handler.cluster._living(), c.handler.cluster._living()) == ({"c"}, {"a"})
    b.hub.unrelay("/socket.io", b.handler.cluster)
    assert {one.id for one in a.io.fetch_sockets()} == {wires[0].sid, wires[2].sid}


def test_one_that_ends_while_it_is_asked_is_not_waited_for(
    pair: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = pair
    here = a.connect()
    monkeypatch.setattr(b.handler.cluster, "_answer", lambda fields: b.handler.stop())
    assert [one.id for one in a.io.fetch_sockets()] == [here.sid]
    assert caplog.text == ""


def test_one_that_ends_in_an_outage_tells_nobody(
    pair: tuple[Process, Process],
    bus: SharedBus,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def publish(*arguments: Any) -> None:
        raise BusError("away")

    a, b = pair
    monkeypatch.setattr(bus, "publish", publish)
    b.handler.stop()
    assert "the other processes will wait for this one: away" in caplog.text
    monkeypatch.setattr(type(bus), "is_lost", True)
    a.handler.stop()
    assert len(caplog.records) == 1


def test_one_that_does_not_answer_is_waited_for_once(
    pair: tuple[Process, Process], caplog: pytest.LogCaptureFixture
) -> None:
    a, b = pair
    here = a.connect()
    b.connect()
    b.hub.unrelay("/socket.io", b.handler.cluster)
    assert [one.id for one in a.io.fetch_sockets(timeout=1)] == [here.sid]
    assert "1 processes did not say who is with them in time" in caplog.text
    caplog.clear()
    assert len(a.io.fetch_sockets(timeout=1)) == 1
    assert caplog.text == ""


def test_an_answer_that_nobody_waits_for_is_no_matter(pair: tuple[Process, Process], bus: SharedBus) -> None:
    a, b = pair
    there = b.connect()
    answer = json.dumps({"n": "b", "do": "answer", "for": "a", "id": 99, "sockets": [{"id": "x"}]})
    bus.publish("/socket.io", f"p|{answer}")
    assert [one.id for one in a.io.fetch_sockets()] == [there.sid]


def test_each_process_answers_once(pair: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = pair
    b.connect()
    say = b.handler.cluster._say

    def twice(verb: str, **more: Any) -> None:
        say(verb, **more)
        say(verb, **more)

    monkeypatch.setattr(b.handler.cluster, "_say", twice)
    assert len(a.io.fetch_sockets()) == 1


def test_nobody_misses_anything_by_the_endpoints_own_stream(pair: tuple[Process, Process]) -> None:
    a, _ = pair
    a.connect()
    a.hub.broadcast("/socket.io", "7")
    assert list(a.handler.cluster.hearers()) == []


def test_those_who_may_have_missed_something_are_known(pair: tuple[Process, Process]) -> None:
    a, _ = pair
    one, two = a.connect(), a.connect()
    assert a.hub.handle_lost() == {one.connection, two.connection}
