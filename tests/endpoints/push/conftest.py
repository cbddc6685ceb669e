"""Processes that serve sockets of pages: no Flask, no server, and time moves by hand."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from flask_cable.core.connection import Connection
from flask_cable.core.executor import ManualExecutor
from flask_cable.core.hub import Hub
from flask_cable.core.registry import Registry
from flask_cable.endpoints.push import Ledger, Order, PagesHandler, Patience, Record, Registered
from flask_cable.endpoints.push.page import Page
from flask_cable.errors import BusError
from flask_cable.protocols.json import Json
from flask_cable.protocols.push import Message, PageProtocol
from flask_cable.pubsub import MemoryPubSub, MemoryStore
from flask_cable.transports.loopback import LoopbackTransport


class SlowBus(MemoryPubSub):
    """Confirms a subscription when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.unconfirmed: list[Any] = []

    def subscribe(self, stream: str, callback: Any, on_live: Any = None) -> int:
        self.unconfirmed.append(on_live)
        return super().subscribe(stream, callback)

    def confirm(self) -> None:
        """Confirm what was asked for; returns when nothing new is."""
        while self.unconfirmed:
            self.unconfirmed.pop(0)()


class FailingStore(MemoryStore):
    """A store whose server may be away."""

    away = False

    def _check(self) -> None:
        if self.away:
            raise BusError("the store is away")

    def get(self, key: str) -> str | None:
        self._check()
        return super().get(key)

    def put(self, key: str, text: str, ttl: float) -> None:
        self._check()
        super().put(key, text, ttl)

    def last(self, key: str, count: int) -> Any:
        self._check()
        return super().last(key, count)


class Peer:
    """A page's side of its socket."""

    def __init__(self, connection: Connection, transport: LoopbackTransport) -> None:
        self.connection = connection
        self.transport = transport

    @property
    def received(self) -> list[Any]:
        return [json.loads(message) for message in self.transport.sent]

    @property
    def payloads(self) -> list[Any]:
        return [one["payload"] for one in self.received if "payload" in one]

    @property
    def channels(self) -> list[str]:
        return [one["channel"] for one in self.received if "payload" in one]

    @property
    def streams(self) -> list[str]:
        return list(self.connection.state.hearings)

    def say(self, **fields: Any) -> Any:
        """Say something; returns the last that was received."""
        self.transport.say(json.dumps(fields))
        return self.received[-1] if self.received else None

    def leave(self) -> None:
        self.transport.hang_up(1006)


class Process:
    """One process of an application."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.executor = world.executor
        self.hub = Hub(world.bus, world.executor)
        self.registry = Registry(self.hub)
        self.registered = Registered({}, {"join": [], "leave": []})
        self.calls: list[Message] = []
        self.ledger = Ledger(world.store, world.patience)
        self.handler = PagesHandler(
            self.registered,
            PageProtocol(Json()),
            self.ledger,
            self._call,
            hub=self.hub,
            executor=world.executor,
            registry=self.registry,
            inbox_limit=10,
        )
        self._ids = itertools.count(1)

    def _call(self, connection: Connection, message: Message) -> dict[str, Any]:
        self.calls.append(message)
        return {"status": 200, "headers": {}, "body": "called"}

    def connect(self, digest: str = "page") -> Peer:
        """Open the socket of a page."""
        connection = Connection(self.handler, next(self._ids))
        connection.state = Page(digest)
        transport = LoopbackTransport(connection)
        connection.attach(transport)
        self.registry.add(connection)
        connection.handle_open()
        return Peer(connection, transport)

    def crash(self) -> None:
        """Be gone without a word: nothing is heard here any more."""
        for audience in self.hub._streams.values():
            self.world.bus.unsubscribe(audience.subscription)

    # What requests do.

    def render(self, *streams: str, digest: str = "page") -> None:
        """A request makes a page that hears these streams."""
        places = self.ledger.places(streams)
        self.ledger.write(digest, Record(dict(places)), self.ledger.patience.wait)

    def subscribe(self, *streams: str, digest: str = "page") -> None:
        """A later request subscribes a page."""
        self.handler.order(digest, Order(self.ledger.places(streams), []))

    def unsubscribe(self, *streams: str, digest: str = "page") -> None:
        """A later request unsubscribes a page."""
        self.handler.order(digest, Order({}, list(streams)))

    def push(self, message: Any, *streams: str) -> None:
        self.handler.pusher.push(message, *streams)


class World:
    """What the processes share: bus, store and time."""

    def __init__(self, bus: MemoryPubSub | None = None, **patience: Any) -> None:
        self.executor = ManualExecutor()
        self.bus = bus or MemoryPubSub()
        self.store = FailingStore(self.executor.monotonic)
        self.patience = Patience(**{"wait": 60.0, "resume": 120.0, "pushes": 10, **patience})
        self.executor.now = 1000.0

    def start(self) -> Process:
        return Process(self)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def here(world: World) -> Process:
    return world.start()


@pytest.fixture
def there(world: World) -> Process:
    """Another process of the same application."""
    return world.start()
