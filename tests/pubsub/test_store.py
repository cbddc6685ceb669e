"""The contract of a store, run on each adapter's; see ``StoreContract``.

An adapter's test file has one subclass, whose ``store`` fixture gives an open store. ``other`` is the same
for another process. ``pass_by`` lets seconds pass: a hand-moved clock, or a real wait, with a short ``ttl``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from flask_cable.pubsub import Entry, Store

LEASE = 60.0
KEYS = (
    "k",
    "K",
    "a b",
    "a.b.*",
    ">",
    "",
    "\u4e2d" * 100,
    "x" * 5000,
    "'; DROP TABLE x; --",
    "%s",
    "{a}",
    "a\0b",
)


def together(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """Make these calls at once, each on a thread; returns their answers in the order of the calls."""
    calls = list(calls)
    barrier = threading.Barrier(len(calls))

    def call(function: Callable[[], Any]) -> Any:
        barrier.wait(20)
        return function()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls, timeout=30))


class StoreContract:
    """What every store promises."""

    ttl = 5.0

    @pytest.fixture
    def other(self, store: Store) -> Store:
        """Return the store as another process has it."""
        return store

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        raise NotImplementedError

    # Names.

    def test_a_name_has_one_owner(self, store: Store, other: Store) -> None:
        store.beat("a", LEASE)
        other.beat("b", LEASE)
        assert store.claim("boss", "a:1") == "a:1"
        assert other.claim("boss", "b:1") == "a:1"
        assert store.claim("boss", "a:1") == "a:1"
        assert (store.owner("boss"), other.owner("boss"), store.owner("nobody")) == ("a:1", "a:1", None)

    def test_only_its_owner_gives_a_name_back(self, store: Store) -> None:
        store.beat("a", LEASE)
        store.claim("boss", "a:1")
        assert not store.release("boss", "a:2")
        assert store.release("boss", "a:1")
        assert not store.release("boss", "a:1")
        assert store.claim("boss", "a:2") == "a:2"

    def test_the_names_of_a_dead_node_are_free(self, store: Store, other: Store) -> None:
        store.beat("a", self.ttl)
        store.claim("boss", "a:1")
        self.pass_by(self.ttl * 1.2)
        other.beat("b", self.ttl)
        assert other.owner("boss") is None
        assert other.claim("boss", "b:1") == "b:1"
        assert not store.beat("a", self.ttl)
        assert store.owner("boss") == "b:1"

    def test_a_node_that_beats_keeps_its_names(self, store: Store) -> None:
        assert not store.beat("a", self.ttl)
        store.claim("boss", "a:1")
        for _ in range(4):
            self.pass_by(self.ttl / 2)
            assert store.beat("a", self.ttl)
        assert store.owner("boss") == "a:1"

    def test_a_node_that_comes_back_has_nothing(self, store: Store) -> None:
        store.beat("a", self.ttl)
        store.claim("boss", "a:1")
        store.set_count("team", "a", 3)
        self.pass_by(self.ttl * 1.2)
        assert not store.beat("a", self.ttl)
        assert (store.owner("boss"), store.counts("team")) == (None, {})

    def test_a_node_that_retires_has_nothing(self, store: Store) -> None:
        store.beat("a", LEASE)
        store.claim("boss", "a:1")
        store.set_count("team", "a", 3)
        store.retire("a")
        store.retire("unknown")
        assert (store.owner("boss"), store.counts("team")) == (None, {})

    def test_what_a_retired_node_had_is_free_at_once(self, store: Store, other: Store) -> None:
        store.beat("a", LEASE)
        other.beat("b", LEASE)
        store.claim("boss", "a:1")
        store.retire("a")
        assert other.claim("boss", "b:1") == "b:1"
        assert (store.release("boss", "a:1"), store.owner("boss")) == (False, "b:1")

    def test_a_node_without_a_lease_gets_nothing(self, store: Store, other: Store) -> None:
        assert (store.claim("boss", "a:1"), store.owner("boss")) == ("", None)
        store.set_count("team", "a", 1)
        assert store.counts("team") == {}
        other.beat("b", LEASE)
        other.claim("boss", "b:1")
        assert store.claim("boss", "a:1") == "b:1"

    def test_a_node_that_lapsed_gets_nothing_before_it_beats(self, store: Store) -> None:
        store.beat("a", self.ttl)
        store.claim("boss", "a:1")
        self.pass_by(self.ttl * 1.2)
        assert (store.claim("boss", "a:1"), store.release("boss", "a:1")) == ("", False)
        store.beat("a", LEASE)
        assert store.claim("boss", "a:2") == "a:2"

    def test_owners_are_told_apart_by_all_of_their_text(self, store: Store) -> None:
        store.beat("a", LEASE)
        owner = "a:1:\u4e2d | \0'"
        assert store.claim("boss", owner) == store.owner("boss") == owner
        assert not store.release("boss", "a:1")
        assert store.release("boss", owner)

    def test_of_many_that_race_one_wins(self, store: Store, other: Store) -> None:
        store.beat("a", LEASE)
        store.beat("b", LEASE)
        for round in range(10):
            racers = [(store, "a"), (other, "b")] * 5
            said = together(
                partial(at.claim, f"boss {round}", f"{node}:{n}") for n, (at, node) in enumerate(racers)
            )
            assert len(said) == 10
            assert set(said) == {store.owner(f"boss {round}")}

    # Counts.

    def test_counts_are_kept_for_each_node(self, store: Store, other: Store) -> None:
        store.beat("a", LEASE)
        other.beat("b", LEASE)
        store.set_count("team", "a", 3)
        other.set_count("team", "b", 1)
        store.set_count("team", "a", 2)
        other.set_count("other", "b", 1)
        assert store.counts("team") == other.counts("team") == {"a": 2, "b": 1}
        store.set_count("team", "a", 0)
        assert (store.counts("team"), store.counts("nobody")) == ({"b": 1}, {})

    def test_a_dead_node_counts_for_nothing(self, store: Store, other: Store) -> None:
        store.beat("a", self.ttl)
        store.set_count("team", "a", 3)
        self.pass_by(self.ttl * 1.2)
        assert other.counts("team") == {}

    # Texts.

    def test_a_text_is_kept_for_a_while(self, store: Store, other: Store) -> None:
        store.put("k", "\u4e2d {}", self.ttl)
        assert (other.get("k"), other.get("nothing")) == ("\u4e2d {}", None)
        store.put("k", "", self.ttl)
        assert other.get("k") == ""
        self.pass_by(self.ttl * 1.2)
        assert other.get("k") is None

    def test_a_text_is_taken_once(self, store: Store, other: Store) -> None:
        store.put("k", "text", LEASE)
        assert (other.take("k"), store.take("k"), store.get("k")) == ("text", None, None)

    def test_of_many_that_take_a_text_one_gets_it(self, store: Store, other: Store) -> None:
        for round in range(10):
            store.put("k", str(round), LEASE)
            said = together(partial(at.take, "k") for at in (store, other) * 4)
            assert sorted(said, key=str) == [str(round)] + [None] * 7

    def test_a_text_may_be_long_and_hold_anything(self, store: Store, other: Store) -> None:
        for text in ("\0", "'\"\\%s{}$1", "\U0001f600\u2028", "\u00e9" * 250_000):
            store.put("k", text, LEASE)
            assert other.get("k") == text
            assert other.take("k") == text

    # Keys.

    def test_keys_of_any_script_and_length_are_apart(self, store: Store) -> None:
        store.beat("a", LEASE)
        for key in KEYS:
            store.put(key, key, LEASE)
            store.claim(key, f"a:{key}")
        assert [store.get(key) for key in KEYS] == list(KEYS)
        assert [store.owner(key) for key in KEYS] == [f"a:{key}" for key in KEYS]

    def test_each_kind_has_keys_of_its_own(self, store: Store) -> None:
        store.beat("a", LEASE)
        for number, key in enumerate(KEYS):
            store.set_count(key, "a", number + 1)
            store.append(key, key, 1, LEASE)
        assert [store.counts(key) for key in KEYS] == [{"a": number + 1} for number in range(len(KEYS))]
        assert [(store.get(key), store.owner(key)) for key in KEYS] == [(None, None)] * len(KEYS)

    # Logs.

    def test_a_log_is_read_from_an_offset_on(self, store: Store, other: Store) -> None:
        first, second, third = (store.append("log", text, 10, LEASE) for text in ("1", "2", "3"))
        assert first < second < third
        assert other.since("log", first) == [Entry(second, "2"), Entry(third, "3")]
        assert other.since("log", third) == []

    def test_a_log_says_when_lines_are_gone(self, store: Store) -> None:
        offsets = [store.append("log", str(n), 3, LEASE) for n in range(5)]
        assert store.since("log", offsets[0]) is None
        assert store.since("log", offsets[1]) == [Entry(offsets[n], str(n)) for n in (2, 3, 4)]
        assert (store.since("log", 0), store.since("never", 1)) == (None, None)

    def test_a_log_is_forgotten_and_goes_on_above(self, store: Store) -> None:
        old = store.append("log", "1", 10, self.ttl)
        self.pass_by(self.ttl * 1.2)
        assert store.since("log", old) is None
        assert store.append("log", "2", 10, self.ttl) > old

    def test_who_is_ahead_of_a_log_has_a_gap_too(self, store: Store) -> None:
        last = store.append("log", "1", 10, LEASE)
        assert store.since("log", last + 1) is None

    def test_a_log_may_get_shorter_and_longer(self, store: Store) -> None:
        offsets = [store.append("log", str(n), limit, LEASE) for n, limit in enumerate((5, 5, 5, 2, 5, 5))]
        assert store.since("log", offsets[1]) == [Entry(offsets[n], str(n)) for n in (2, 3, 4, 5)]
        assert store.since("log", offsets[0]) is None

    def test_of_many_that_append_each_has_its_place(self, store: Store, other: Store) -> None:
        start = store.append("log", "start", 100, LEASE)
        said = together(
            partial(at.append, "log", str(n), 100, LEASE) for n, at in enumerate((store, other) * 8)
        )
        lines = store.since("log", start) or []
        assert sorted(said) == [entry.offset for entry in lines]
        assert [entry.text for entry in lines] == [str(said.index(entry.offset)) for entry in lines]

    def test_the_last_lines_are_read_without_an_offset(self, store: Store, other: Store) -> None:
        offsets = [store.append("log", str(n), 3, LEASE) for n in range(5)]
        lines = [Entry(offsets[n], str(n)) for n in (2, 3, 4)]
        assert [other.last("log", count) for count in (1, 3, 9)] == [lines[2:], lines, lines]
        assert store.last("never", 3) == []

    def test_a_forgotten_log_has_no_last_lines(self, store: Store) -> None:
        store.append("log", "1", 10, self.ttl)
        self.pass_by(self.ttl * 1.2)
        assert store.last("log", 10) == []

    def test_it_may_be_stopped_twice(self, store: Store) -> None:
        store.stop()
        store.stop()


def test_an_adapter_has_to_keep_the_whole_promise() -> None:
    with pytest.raises(TypeError, match="abstract methods"):
        Store()  # type: ignore[abstract]
