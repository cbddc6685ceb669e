"""Outages: who may have missed something is told to come back, spread out; who joins meanwhile waits."""

from __future__ import annotations

from typing import Any

from core.test_connection import LateExecutor, Wire
from core.test_handler import RecordingHandler
from core.test_hub import Encoder, SlowBus, never

from flask_cable.core.connection import Connection
from flask_cable.core.drain import CODE, RATE, TICK
from flask_cable.core.executor import ManualExecutor
from flask_cable.core.hub import Hub
from flask_cable.core.outage import Outage
from flask_cable.core.registry import Registry


class House:
    """A process whose adapter confirms when it is told to, and its outages."""

    def __init__(self, seconds: float | None = 5.0, executor: ManualExecutor | None = None) -> None:
        self.executor = executor or ManualExecutor()
        self.bus = SlowBus()
        self.hub = Hub(self.bus, self.executor)
        self.registry = Registry(self.hub)
        self.outage = Outage(self.hub, self.registry, self.executor, seconds)
        self.encode = Encoder()
        self.bus.confirm()

    def peer(self, *streams: str, **identifiers: Any) -> Wire:
        wire = Wire()
        connection = Connection(RecordingHandler(self.executor), self.registry.next_id(), identifiers)
        connection.attach(wire)
        self.registry.add(connection)
        for stream in streams:
            self.hub.join(stream, connection, self.encode, 1, lambda: None)
        return wire


def test_who_hears_a_stream_is_told_when_the_server_is_back() -> None:
    house = House()
    hearer, deaf = house.peer("news"), house.peer()
    house.bus.confirm()
    house.outage.lost()
    house.executor.advance(60)
    assert hearer.told == []
    house.outage.restored()
    assert (hearer.told, deaf.told) == ([(CODE, "")], [])


def test_who_has_an_identifier_may_have_missed_a_disconnect() -> None:
    house = House()
    peer = house.peer(user=7)
    house.outage.lost()
    house.outage.restored()
    assert peer.told == [(CODE, "")]


def test_who_listens_with_a_callback_is_told_too() -> None:
    house = House()
    peer = house.peer()
    house.hub.listen("news", print, None, house.registry[1])
    house.bus.confirm()
    house.outage.lost()
    house.outage.restored()
    assert peer.told == [(CODE, "")]


def test_who_joined_and_was_not_confirmed_yet_has_missed_nothing() -> None:
    house = House()
    peer = house.peer("news")
    house.outage.lost()
    house.bus.confirm()
    house.outage.restored()
    assert peer.told == []


def test_who_joins_meanwhile_is_confirmed_when_the_server_is_back() -> None:
    house = House()
    house.peer("news")
    house.bus.confirm()
    house.outage.lost()
    late, live = house.peer(), []
    assert not house.hub.join("news", house.registry[2], house.encode, 1, lambda: live.append("live"))
    assert not house.hub.join("new", house.registry[2], house.encode, 1, lambda: live.append("new"))
    house.outage.restored()
    assert live == ["live"]
    assert house.hub.join("news", house.registry[2], house.encode, 2, never)
    house.bus.confirm()
    assert (live, late.told) == (["live", "new"], [])


def test_nobody_is_let_in_before_a_remote_disconnect_is_heard_again() -> None:
    house, ready = House(), []
    house.outage.lost()
    assert not house.registry.is_live
    house.registry.when_live(lambda: ready.append("ready"))
    assert ready == []
    house.outage.restored()
    assert (ready, house.registry.is_live) == (["ready"], True)


def test_many_are_told_a_few_at_a_time() -> None:
    house = House(seconds=60)
    wires = [house.peer("news") for _ in range(RATE * 2)]
    house.bus.confirm()
    house.outage.lost()
    house.outage.restored()
    told = [sum(bool(wire.told) for wire in wires)]
    for _ in range(3):
        house.executor.advance(TICK)
        told.append(sum(bool(wire.told) for wire in wires))
    assert told == [RATE * TICK * n for n in range(1, 5)]
    house.executor.advance(2)
    assert all(len(wire.told) == 1 for wire in wires)


def test_nobody_is_told_where_gaps_are_ignored() -> None:
    house = House(seconds=None)
    peer = house.peer("news", user=7)
    house.bus.confirm()
    house.outage.lost()
    house.outage.restored()
    assert peer.told == []
    assert house.registry.is_live


def test_two_outages_are_told_once_each() -> None:
    house = House()
    first = house.peer("news")
    house.bus.confirm()
    for _ in range(2):
        house.outage.lost()
    house.outage.restored()
    second = house.peer("news")
    house.outage.lost()
    house.outage.restored()
    assert (len(first.told), len(second.told)) == (1, 1)


def test_it_happens_at_home() -> None:
    executor = LateExecutor()
    house = House(executor=executor)
    peer = house.peer("news")
    house.bus.confirm()
    executor.home = False
    house.outage.lost()
    house.outage.restored()
    assert peer.told == []
    executor.run()
    assert peer.told == [(CODE, "")]


def test_who_has_a_name_may_have_missed_a_message() -> None:
    house = House()
    named, nameless = house.peer(), house.peer()
    connection = house.registry[1]
    house.outage = Outage(house.hub, house.registry, house.executor, 5.0, lambda: [connection])
    house.outage.lost()
    house.outage.restored()
    assert (named.told, nameless.told) == ([(CODE, "")], [])
