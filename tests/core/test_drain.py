"""Drain: everybody is told that the process ends, spread out, and it is over when everybody is gone."""

from itertools import pairwise
from typing import Any

import pytest
from core.test_connection import Wire
from core.test_handler import RecordingHandler

from flask_cable.core.connection import Connection
from flask_cable.core.drain import CODE, LINGER, RATE, TICK, Drain
from flask_cable.core.executor import ManualExecutor
from flask_cable.core.hub import Hub
from flask_cable.core.registry import Registry
from flask_cable.pubsub.memory import MemoryPubSub


class Leaver(RecordingHandler):
    """Forgets a connection when it has ended, as a style does."""

    def __init__(self, executor: ManualExecutor, registry: Registry) -> None:
        super().__init__(executor)
        self.registry = registry

    def closed(self, connection: Connection, code: int, reason: str) -> None:
        self.registry.remove(connection)


class House:
    """A process with so many connections."""

    def __init__(self, count: int) -> None:
        self.executor = ManualExecutor()
        self.registry = Registry(Hub(MemoryPubSub(), self.executor))
        self.drain = Drain(self.registry, self.executor)
        self.done: list[Any] = []
        self.drain._done = Done(self.done)
        self.wires = [self.join() for _ in range(count)]

    def join(self, wire: Wire | None = None) -> Wire:
        wire = wire or Wire()
        connection = Connection(Leaver(self.executor, self.registry), self.registry.next_id())
        connection.attach(wire)
        self.registry.add(connection)
        return wire

    def told(self) -> int:
        return sum(bool(wire.told) for wire in self.wires)


class Done:
    """The event that ``wait`` waits for, which can be looked at."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log

    def set(self) -> None:
        self.log.append("set")

    def clear(self) -> None:
        self.log.append("clear")

    def wait(self, timeout: float | None = None) -> object:
        self.log.append(timeout)
        return True


def test_everybody_is_told_to_come_back_and_why() -> None:
    house = House(2)
    house.drain.start(5)
    assert [wire.sent for wire in house.wires] == [[b"disconnect server_restart True"]] * 2
    assert [wire.told for wire in house.wires] == [[(CODE, "")]] * 2
    assert (house.drain.started, house.drain.is_over, house.done) == (True, True, ["set"])


def test_with_nobody_there_it_is_over_at_once() -> None:
    house = House(0)
    assert (house.drain.started, house.drain.is_over) == (False, True)
    house.drain.start(5)
    assert house.done == ["set"]


def test_few_are_told_sooner_and_many_spread_out() -> None:
    house = House(RATE)
    house.drain.start(5)
    told = [house.told()]
    for _ in range(round(1 / TICK)):
        house.executor.advance(TICK)
        told.append(house.told())
    assert told[0] == RATE * TICK
    assert told == sorted(told)
    assert max(later - sooner for sooner, later in pairwise(told)) <= RATE * TICK
    assert told[-1] == RATE
    assert house.drain.is_over


def test_it_takes_no_longer_than_it_may() -> None:
    house = House(3 * RATE)
    house.drain.start(1)
    house.executor.advance(1)
    assert house.told() == 3 * RATE
    assert house.drain.is_over


def test_without_time_everybody_is_told_at_once() -> None:
    house = House(100)
    house.drain.start(0)
    assert house.told() == 100


def test_it_starts_once() -> None:
    house = House(2)
    house.drain.start(5)
    house.drain.start(5)
    assert [len(wire.told) for wire in house.wires] == [1, 1]


def test_it_waits_for_hooks_and_sockets_but_not_for_ever() -> None:
    house = House(1)
    house.executor.watched = 1
    house.drain.start(5)
    house.executor.advance(LINGER / 2)
    assert (house.drain.is_over, house.done) == (False, [])
    house.executor.advance(LINGER)
    assert (house.drain.is_over, house.done) == (False, ["set"])


@pytest.mark.parametrize("what", ["watched", "spawned"])
def test_it_is_over_when_the_last_socket_is_closed_and_the_last_function_has_returned(what: str) -> None:
    house = House(1)
    setattr(house.executor, what, 1)
    house.drain.start(5)
    assert house.done == []
    setattr(house.executor, what, 0)
    house.executor.advance(TICK)
    assert house.done == ["set"]


def test_who_ends_it_waits() -> None:
    house = House(0)
    house.drain.wait(3)
    assert house.done == [3]


def test_one_that_fails_keeps_none_of_the_others() -> None:
    class Broken(Wire):
        def close(self, code: int, reason: str) -> None:
            raise OSError("broken")

    house = House(0)
    house.join(Broken())
    wire = house.join()
    house.drain.start(0)
    assert wire.told == [(CODE, "")]
