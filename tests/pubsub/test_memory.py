"""Pub/sub within one process keeps the contract, and calls before ``publish`` returns."""

import pytest
from pubsub.test_base import PubSubContract

from flask_cable.pubsub import MemoryPubSub


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
