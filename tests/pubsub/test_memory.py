"""Pub/sub within one process keeps the contract, and calls before ``publish`` returns."""

import pytest
from pubsub.test_base import PubSubContract
from pubsub.test_store import StoreContract

from flask_cable.pubsub import MemoryPubSub, MemoryStore


class TestMemoryPubSub(PubSubContract):
    @pytest.fixture
    def bus(self) -> MemoryPubSub:
        return MemoryPubSub()


def test_a_publish_has_happened_when_it_returns() -> None:
    bus, heard = MemoryPubSub(), []
    bus.subscribe("news", heard.append)
    bus.publish("news", "1")
    assert heard == ["1"]


def test_a_subscription_is_live_before_subscribe_returns() -> None:
    live: list[str] = []
    MemoryPubSub().subscribe("news", print, lambda: live.append("live"))
    assert live == ["live"]


def test_a_stream_without_subscribers_is_forgotten() -> None:
    bus = MemoryPubSub()
    for _ in range(3):
        bus.unsubscribe(bus.subscribe("news", print))
    assert (bus._streams, bus._stream_of) == ({}, {})


def test_nothing_reaches_another() -> None:
    bus, heard = MemoryPubSub(), []
    bus.subscribe("news", heard.append)
    MemoryPubSub().publish("news", "1")
    assert heard == []


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self):
        self.now = 1000.0
        return MemoryStore(lambda: self.now)

    def pass_by(self, seconds):
        self.now += seconds


def test_what_has_expired_is_swept_away():
    now = [0.0]
    store = MemoryStore(lambda: now[0])
    for n in range(100):
        store.put(f"text {n}", "x", 5)
        store.append(f"log {n}", "x", 5, 5)
        store.beat(f"node {n}", 5)
        store.claim(f"name {n}", f"node {n}:1")
        store.set_count("team", f"node {n}", 1)
    now[0] = 100.0
    store.beat("last", 5)
    assert [len(kept) for kept in (store._texts, store._logs, store._leases, store._owners)] == [0, 0, 1, 0]
    assert store._counts == {}
