"""Lease: it begins with the first use, beats on a worker, and everything is said again after a lapse."""

import logging
from typing import Any

import pytest

from flask_cable.core.executor import ManualExecutor
from flask_cable.core.lease import FOR_EVER, Lease
from flask_cable.errors import BusError
from flask_cable.pubsub.memory import MemoryStore


class Away(MemoryStore):
    """A store that can be out of reach, and that counts beats."""

    def __init__(self, executor: ManualExecutor) -> None:
        super().__init__(executor.monotonic)
        self.away = False
        self.beats: list[tuple[str, float]] = []

    def beat(self, node: str, ttl: float) -> bool:
        self.answer()
        self.beats.append((node, ttl))
        return super().beat(node, ttl)

    def retire(self, node: str) -> None:
        self.answer()
        super().retire(node)

    def answer(self) -> None:
        if self.away:
            raise BusError("the store is away")


class House:
    """One process, its time and its store."""

    def __init__(self, is_shared: bool = True) -> None:
        self.executor = ManualExecutor()
        self.store = Away(self.executor)
        self.is_shared = is_shared
        self.lease = Lease("a", self, self.executor, 15.0)
        self.said: list[str] = []
        self.lease.when_lapsed(lambda: self.said.append("again"))


def test_nothing_is_asked_of_the_store_before_the_first_use() -> None:
    house = House()
    house.executor.advance(60)
    assert (house.store.beats, house.lease.holds) == ([], False)
    house.lease.retire()


def test_it_begins_with_the_first_use_and_is_renewed_before_it_ends() -> None:
    house = House()
    assert house.lease.hold() is house.store
    assert house.lease.holds
    house.executor.advance(60)
    assert house.store.beats == [("a", 15.0)] * 17
    assert house.lease.holds
    assert house.said == []


def test_holding_it_again_asks_nothing() -> None:
    house = House()
    for _ in range(3):
        house.lease.hold()
    assert len(house.store.beats) == 1


def test_a_store_of_one_process_is_told_once_and_for_ever() -> None:
    house = House(is_shared=False)
    house.lease.hold()
    house.executor.advance(10_000)
    assert house.store.beats == [("a", FOR_EVER)]
    assert house.lease.holds


def test_two_beats_may_go_wrong(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.lease.hold()
    house.store.away = True
    house.executor.advance(8)
    assert house.lease.holds
    house.store.away = False
    house.executor.advance(60)
    assert house.said == []
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "could not be renewed: the store is away" in caplog.records[0].getMessage()


def test_after_a_lapse_everything_is_said_again() -> None:
    house = House()
    house.lease.hold()
    house.store.away = True
    house.executor.advance(16)
    assert not house.lease.holds
    house.store.away = False
    house.executor.advance(5)
    assert (house.lease.holds, house.said) == (True, ["again"])
    house.executor.advance(60)
    assert house.said == ["again"]


def test_whoever_finds_it_lapsed_renews_it() -> None:
    house = House()
    house.lease.hold()
    house.executor.now += 20  # no timer fires: the process was asleep
    house.lease.hold()
    assert (house.lease.holds, house.said) == (True, ["again"])


def test_without_a_store_there_is_none() -> None:
    house = House()
    house.store.away = True
    with pytest.raises(BusError, match="away"):
        house.lease.hold()
    house.store.away = False
    house.lease.hold()
    assert (house.lease.holds, house.said) == (True, [])


def test_what_could_not_be_said_is_said_with_the_next_beat() -> None:
    house = House()
    house.lease.hold()
    house.lease.doubt()
    assert house.said == []
    house.executor.advance(5)
    assert house.said == ["again"]


def test_it_is_said_until_it_succeeds_and_one_who_fails_keeps_no_other() -> None:
    house = House()
    tries: list[int] = []

    def restate() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise BusError("not yet")

    house.lease.when_lapsed(restate)
    house.lease.when_lapsed(lambda: house.said.append("other"))
    house.lease.hold()
    house.lease.doubt()
    house.executor.advance(30)
    assert len(tries) == 3
    assert house.said == ["again", "other"] * 3


def test_beats_do_not_pile_up() -> None:
    class Busy(ManualExecutor):
        waiting: list[Any]

        def submit(self, function: Any, *args: Any) -> None:
            self.waiting.append(function)

    house = House()
    executor = Busy()
    executor.waiting = []
    lease = Lease("a", house, executor, 15.0)
    lease.hold()
    executor.advance(60)
    assert len(executor.waiting) == 1
    executor.waiting.pop()()
    executor.advance(5)
    assert len(executor.waiting) == 1


def test_at_the_end_all_is_given_up_and_nothing_said_any_more() -> None:
    house = House()
    house.lease.hold()
    assert house.store.claim("x", "a:1") == "a:1"
    house.lease.retire()
    assert (house.store.owner("x"), house.lease.holds) == (None, False)
    house.executor.advance(60)
    assert len(house.store.beats) == 1


def test_an_end_out_of_reach_is_told_and_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.lease.hold()
    house.store.away = True
    house.lease.retire()
    assert "free when its lease runs out" in caplog.text
