"""What processes share, on a real NATS server with JetStream."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pubsub.networked import opened, options
from pubsub.networked_store import NetworkStoreContract
from pubsub.test_store import LEASE
from support.backends import Backend

from flask_cable.errors import BusError
from flask_cable.pubsub import NetworkPubSub
from flask_cable.pubsub.nats_store import NatsStore, stem_of


class TestNatsStore(NetworkStoreContract):
    server = "nats_server"
    library = "nats"


@pytest.fixture
def bus(nats_server: Backend) -> Iterator[NetworkPubSub]:
    yield from opened(nats_server.url, options())


@pytest.fixture
def store(bus: NetworkPubSub) -> NatsStore:
    store = bus.store
    assert isinstance(store, NatsStore)
    return store


def sizes(store: NatsStore) -> tuple[int, int]:
    """Return how many messages both streams have, the clock's left out."""
    values, lines = store._run(store._records._bucket.scan), store._run(store._logs._bucket.scan)
    return sum(bool(value.body) for value in values), len(lines)


def test_what_has_expired_is_swept_away(store: NatsStore) -> None:
    for n in range(10):
        store.beat(f"node {n}", LEASE)
        store.claim(f"name {n}", f"node {n}:1")
        store.set_count("team", f"node {n}", 1)
        store.put(f"text {n}", "x", LEASE)
        store.append(f"log {n}", "x", 5, LEASE)
        store.append(f"log {n}", "x", 5, LEASE)
    assert sizes(store) == (31, 20)
    store._records._ahead += 1.5 * LEASE
    store.append("log 0", "x", 5, LEASE)
    store.beat("node 0", LEASE)
    store.claim("name 0", "node 0:2")
    store.set_count("team", "node 0", 2)
    store._sweep_at = 0.0
    store.beat("node 0", LEASE)
    assert sizes(store) == (3, 1)
    assert (store.owner("name 0"), store.counts("team")) == ("node 0:2", {"node 0": 2})


def test_a_sweep_looks_at_so_many_at_a_time(store: NatsStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_cable.pubsub.nats_store.LEFTOVERS", 4)
    for n in range(10):
        store.put(f"text {n}", "x", LEASE)
    store._records._ahead += 1.5 * LEASE
    left = []
    for _ in range(4):
        store._run(store._records.sweep)
        left.append(sizes(store)[0])
    assert left[0] >= 6
    assert left[-1] == 0


def test_a_sweep_that_fails_is_no_beat_that_fails(
    store: NatsStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise ConnectionError("in the middle")

    store.get("k")  # with a new connection all begins anew
    monkeypatch.setattr(store._records, "sweep", fail)
    assert not store.beat("a", LEASE)
    assert store.beat("a", LEASE)
    assert "what has expired stays for now" in caplog.text


def test_a_log_keeps_little_more_than_its_limit(store: NatsStore) -> None:
    offsets = [store.append("log", str(n), 20, LEASE) for n in range(100)]
    assert 20 <= sizes(store)[1] <= 25
    assert [entry.text for entry in store.last("log", 50)] == [str(n) for n in range(80, 100)]
    assert store.since("log", offsets[78]) is None
    assert len(store.since("log", offsets[79]) or []) == 20


def test_a_text_that_is_too_large_is_told(store: NatsStore) -> None:
    with pytest.raises(BusError, match=r"(?i)payload"):
        store.put("k", "x" * 1_100_000, LEASE)


def test_without_jetstream_messages_are_carried_all_the_same() -> None:
    with Backend("nats", "-js=false") as backend:
        for bus in opened(backend.url, options()):
            bus.publish("news", "1")
            with pytest.raises(BusError, match="the store needs JetStream: nats-server -js"):
                bus.store.beat("a", LEASE)


def test_streams_are_called_by_the_prefix() -> None:
    assert [stem_of(prefix) for prefix in ("cable:", "cable.", "", "my-app_1:")] == [
        *("cable", "cable", "cable", "my-app_1")
    ]
    others = [stem_of(prefix) for prefix in ("a.b", "a:b", "a b", "a_b", "x" * 50, "x" * 51)]
    assert len(set(others)) == 6
    assert all(len(stem) < 60 for stem in others)
