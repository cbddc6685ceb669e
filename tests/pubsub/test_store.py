"""The contract of a store, run on each adapter's; see ``StoreContract``.

An adapter's test file has one subclass, whose ``store`` fixture gives an open store. ``other`` is the same
for another process. ``pass_by`` lets seconds pass: a hand-moved clock, or a real wait.
"""

from __future__ import annotations

import threading

import pytest

from flask_cable.pubsub import Entry, Store

TTL = 5.0


class StoreContract:
    """What every store promises."""

    @pytest.fixture
    def other(self, store: Store) -> Store:
        """Return the store as another process has it."""
        return store

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        raise NotImplementedError

    # Names.

    def test_a_name_has_one_owner(self, store: Store, other: Store) -> None:
        store.beat("a", TTL)
        other.beat("b", TTL)
        assert store.claim("boss", "a:1") == "a:1"
        assert other.claim("boss", "b:1") == "a:1"
        assert store.claim("boss", "a:1") == "a:1"
        assert (store.owner("boss"), other.owner("boss"), store.owner("nobody")) == ("a:1", "a:1", None)

    def test_only_its_owner_gives_a_name_back(self, store: Store) -> None:
        store.beat("a", TTL)
        store.claim("boss", "a:1")
        assert not store.release("boss", "a:2")
        assert store.release("boss", "a:1")
        assert not store.release("boss", "a:1")
        assert store.claim("boss", "a:2") == "a:2"

    def test_the_names_of_a_dead_node_are_free(self, store: Store, other: Store) -> None:
        store.beat("a", TTL)
        store.claim("boss", "a:1")
        self.pass_by(TTL + 1)
        other.beat("b", TTL)
        assert other.owner("boss") is None
        assert other.claim("boss", "b:1") == "b:1"
        assert not store.beat("a", TTL)
        assert store.owner("boss") == "b:1"

    def test_a_node_that_beats_keeps_its_names(self, store: Store) -> None:
        assert not store.beat("a", TTL)
        store.claim("boss", "a:1")
        for _ in range(4):
            self.pass_by(TTL / 2)
            assert store.beat("a", TTL)
        assert store.owner("boss") == "a:1"

    def test_a_node_that_comes_back_has_nothing(self, store: Store) -> None:
        store.beat("a", TTL)
        store.claim("boss", "a:1")
        store.set_count("team", "a", 3)
        self.pass_by(TTL + 1)
        assert not store.beat("a", TTL)
        assert (store.owner("boss"), store.counts("team")) == (None, {})

    def test_a_node_that_retires_has_nothing(self, store: Store) -> None:
        store.beat("a", TTL)
        store.claim("boss", "a:1")
        store.set_count("team", "a", 3)
        store.retire("a")
        store.retire("unknown")
        assert (store.owner("boss"), store.counts("team")) == (None, {})

    def test_of_many_that_race_one_wins(self, store: Store, other: Store) -> None:
        store.beat("a", TTL)
        store.beat("b", TTL)
        for round in range(10):
            said: list[str] = []

            def race(at: Store, owner: str, name: str = f"boss {round}", said: list[str] = said) -> None:
                said.append(at.claim(name, owner))

            racers = [(store, "a"), (other, "b")] * 5
            threads = [
                threading.Thread(target=race, args=(at, f"{node}:{n}")) for n, (at, node) in enumerate(racers)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
            assert len(said) == 10
            assert set(said) == {store.owner(f"boss {round}")}

    # Counts.

    def test_counts_are_kept_for_each_node(self, store: Store, other: Store) -> None:
        store.beat("a", TTL)
        other.beat("b", TTL)
        store.set_count("team", "a", 3)
        other.set_count("team", "b", 1)
        store.set_count("team", "a", 2)
        other.set_count("other", "b", 1)
        assert store.counts("team") == other.counts("team") == {"a": 2, "b": 1}
        store.set_count("team", "a", 0)
        assert (store.counts("team"), store.counts("nobody")) == ({"b": 1}, {})

    def test_a_dead_node_counts_for_nothing(self, store: Store, other: Store) -> None:
        store.beat("a", TTL)
        store.set_count("team", "a", 3)
        self.pass_by(TTL + 1)
        assert other.counts("team") == {}

    # Texts.

    def test_a_text_is_kept_for_a_while(self, store: Store, other: Store) -> None:
        store.put("k", "\u4e2d {}", TTL)
        assert (other.get("k"), other.get("nothing")) == ("\u4e2d {}", None)
        store.put("k", "", TTL)
        assert other.get("k") == ""
        self.pass_by(TTL + 1)
        assert other.get("k") is None

    def test_a_text_is_taken_once(self, store: Store, other: Store) -> None:
        store.put("k", "text", TTL)
        assert (other.take("k"), store.take("k"), store.get("k")) == ("text", None, None)

    def test_keys_of_any_script_and_length_are_apart(self, store: Store) -> None:
        keys = ["k", "K", "a b", "a.b.*", ">", "\u4e2d" * 100, "x" * 5000, "'; DROP TABLE x; --", "%s", "{a}"]
        for key in keys:
            store.put(key, key, 60)
        assert [store.get(key) for key in keys] == keys

    # Logs.

    def test_a_log_is_read_from_an_offset_on(self, store: Store, other: Store) -> None:
        first, second, third = (store.append("log", text, 10, TTL) for text in ("1", "2", "3"))
        assert first < second < third
        assert other.since("log", first) == [Entry(second, "2"), Entry(third, "3")]
        assert other.since("log", third) == []

    def test_a_log_says_when_lines_are_gone(self, store: Store) -> None:
        offsets = [store.append("log", str(n), 3, TTL) for n in range(5)]
        assert store.since("log", offsets[0]) is None
        assert store.since("log", offsets[1]) == [Entry(offsets[n], str(n)) for n in (2, 3, 4)]
        assert (store.since("log", 0), store.since("never", 1)) == (None, None)

    def test_a_log_is_forgotten_and_goes_on_above(self, store: Store) -> None:
        old = store.append("log", "1", 10, TTL)
        self.pass_by(TTL + 1)
        assert store.since("log", old) is None
        assert store.append("log", "2", 10, TTL) > old

    def test_the_last_lines_are_read_without_an_offset(self, store: Store, other: Store) -> None:
        offsets = [store.append("log", str(n), 3, TTL) for n in range(5)]
        lines = [Entry(offsets[n], str(n)) for n in (2, 3, 4)]
        assert [other.last("log", count) for count in (1, 3, 9)] == [lines[2:], lines, lines]
        assert store.last("never", 3) == []

    def test_a_forgotten_log_has_no_last_lines(self, store: Store) -> None:
        store.append("log", "1", 10, TTL)
        self.pass_by(TTL + 1)
        assert store.last("log", 10) == []

    def test_it_may_be_stopped_twice(self, store: Store) -> None:
        store.stop()
        store.stop()


def test_an_adapter_has_to_keep_the_whole_promise() -> None:
    with pytest.raises(TypeError, match="abstract methods"):
        Store()  # type: ignore[abstract]
