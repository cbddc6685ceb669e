"""What the adapters with a server share in their tests: fixtures, and a wait until all has happened."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pubsub.test_base import PubSubContract
from support.backends import Backend
from support.wire import eventually

from flask_cable.pubsub import BusOptions, NetworkPubSub, open_pubsub

_prefixes = itertools.count(1)


def options(**changes: Any) -> BusOptions:
    """Return quick options, and a prefix that nobody else has."""
    return BusOptions(**{"prefix": f"test{next(_prefixes)}:", "timeout": 2.0, **changes})


class NetworkContract(PubSubContract):
    """The contract over a real server: `server` names the fixture of `conftest.py`."""

    server = ""

    @pytest.fixture
    def backend(self, request: pytest.FixtureRequest) -> Backend:
        backend: Backend = request.getfixturevalue(self.server)
        return backend

    @pytest.fixture
    def bus(self, backend: Backend) -> Iterator[NetworkPubSub]:
        yield from opened(backend.url, options())

    @pytest.fixture
    def other(self, backend: Backend, bus: NetworkPubSub) -> Iterator[NetworkPubSub]:
        yield from opened(backend.url, bus.options)

    def settle(self, bus: Any) -> None:
        settle(bus)


def opened(url: str, options: BusOptions) -> Iterator[NetworkPubSub]:
    """Yield an open adapter."""
    bus = open_pubsub(url, options)
    assert isinstance(bus, NetworkPubSub)
    yield bus
    bus.stop()


def settle(bus: NetworkPubSub) -> None:
    """Wait until the server has done what was asked so far: a stream asked for last hears a last message."""
    live, heard = threading.Event(), threading.Event()
    number = bus.subscribe("settle", lambda message: heard.set(), live.set)
    assert live.wait(10), "the server confirmed nothing"
    while not heard.is_set():
        bus.publish("settle", "")
        heard.wait(0.2)
    bus.unsubscribe(number)
    eventually(lambda: bus.is_live, "the adapter is live")
