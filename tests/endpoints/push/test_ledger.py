"""What is known of pages whose sockets are not there, on a store whose clock is moved by hand."""

from __future__ import annotations

import pytest

from flask_cable.endpoints.push import BEGINNING, Ledger, Order, Patience, Place, Record
from flask_cable.endpoints.push.ledger import ORDERS, SHARED, address, address_of
from flask_cable.pubsub import MemoryStore


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(clock: Clock, **patience: float) -> Ledger:
    return Ledger(MemoryStore(clock), Patience(**patience))  # type: ignore[arg-type]


@pytest.fixture
def ledger(clock: Clock) -> Ledger:
    return make(clock, wait=60, resume=30, pushes=3)


def texts(ledger: Ledger, log: str, after: int) -> list[str]:
    return [line.text for line in ledger.missed(log, after)]


class TestRecords:
    def test_an_unknown_page_has_none(self, ledger: Ledger) -> None:
        assert ledger.read("d") is None

    def test_a_record_is_kept_for_a_while(self, ledger: Ledger, clock: Clock) -> None:
        record = Record({"a": Place(1, 2), "b": None}, 7, 8, "n:1")
        ledger.write("d", record, 60)
        assert ledger.read("d") == record
        clock.now += 61
        assert ledger.read("d") is None

    def test_no_time_forgets_it(self, ledger: Ledger) -> None:
        ledger.write("d", Record({}), 60)
        ledger.write("d", Record({}), 0)
        assert ledger.read("d") is None

    def test_pages_are_apart(self, ledger: Ledger) -> None:
        ledger.write("d", Record({"a": None}), 60)
        assert ledger.read("e") is None


class TestOrders:
    def test_orders_are_read_from_one_on(self, ledger: Ledger) -> None:
        orders = [Order({"a": Place(1, 2)}, []), Order({}, ["a", "b"]), Order({}, [])]
        offsets = [ledger.order("d", order) for order in orders]
        assert ledger.orders("d", -1) == list(zip(offsets, orders, strict=True))
        assert ledger.orders("d", offsets[1]) == [(offsets[2], orders[2])]
        assert ledger.orders("d", offsets[2]) == []
        assert ledger.orders("e", -1) == []

    def test_too_many_may_hide_some_that_are_gone(self, ledger: Ledger) -> None:
        for _ in range(ORDERS):
            ledger.order("d", Order({}, ["a"]))
        assert ledger.orders("d", -1) is None

    def test_they_outlive_the_record_that_they_change(self, ledger: Ledger, clock: Clock) -> None:
        ledger.order("d", Order({}, ["a"]))
        clock.now += 61
        assert ledger.orders("d", -1)


class TestPushes:
    def test_what_comes_after_a_place_is_missed(self, ledger: Ledger) -> None:
        ledger.keep(address("a"), "1")
        place = ledger.places(["a"])["a"]
        ledger.keep(address("a"), "2")
        ledger.keep(address("b"), "x")
        assert texts(ledger, address("a"), place.own) == ["2"]

    def test_a_place_before_everything_misses_all(self, ledger: Ledger) -> None:
        place = ledger.places(["a"])["a"]
        assert place == (0, 0)
        ledger.keep(address("a"), "1")
        assert texts(ledger, address("a"), place.own) == ["1"]

    def test_all_streams_share_the_place_of_patterns(self, ledger: Ledger) -> None:
        last = ledger.keep(SHARED, "x")
        assert {place.shared for place in ledger.places(["a", "b"]).values()} == {last}

    def test_the_last_few_are_kept(self, ledger: Ledger) -> None:
        start = ledger.keep(address("a"), "0")
        for n in range(1, 6):
            ledger.keep(address("a"), str(n))
        assert texts(ledger, address("a"), start) == ["3", "4", "5"]

    def test_a_log_that_began_anew_goes_on(self, ledger: Ledger, clock: Clock) -> None:
        place = ledger.keep(address("a"), "1")
        clock.now += 61
        assert texts(ledger, address("a"), place) == []
        ledger.keep(address("a"), "2")
        assert texts(ledger, address("a"), place) == ["2"]

    def test_nothing_is_kept_where_that_is_wanted(self, clock: Clock) -> None:
        ledger = make(clock, pushes=0)
        assert ledger.keep(address("a"), "1") == 0
        assert texts(ledger, address("a"), -1) == []
        assert ledger.places(["a"]) == {"a": BEGINNING}
        assert ledger.settled({"a": Place(5, 5)}) == {"a": BEGINNING}


def test_a_place_that_nobody_knows_is_now(ledger: Ledger) -> None:
    last = ledger.keep(address("a"), "1")
    assert ledger.settled({"a": None, "b": Place(3, 4)}) == {"a": Place(last, 0), "b": Place(3, 4)}


def test_addresses_of_streams_and_of_pages_never_meet() -> None:
    assert address("@d") != address_of("d")
    assert address("s") != SHARED != address_of("s")
