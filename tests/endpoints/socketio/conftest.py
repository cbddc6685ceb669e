"""Socket.IO's clients without a network: of an application, and of several processes that share a bus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from flask_cable import Cable
from flask_cable.core.connection import Connection
from flask_cable.core.executor import ManualExecutor
from flask_cable.core.hub import Hub
from flask_cable.core.registry import Registry
from flask_cable.endpoints.socketio import Settings, SocketIOHandler, SocketIOServer
from flask_cable.endpoints.socketio.recovery import Log, Recovery
from flask_cable.protocols.socketio import EVENT, Assembly, Packet, SocketIO
from flask_cable.pubsub.memory import MemoryPubSub, MemoryStore
from flask_cable.testing import CableClient
from flask_cable.transports.loopback import LoopbackTransport

# Of an application.


@pytest.fixture
def app() -> Flask:
    app = Flask("chat")
    app.config.update(SECRET_KEY="for tests only", TESTING=True)
    return app


@pytest.fixture
def cable(app: Flask) -> Cable:
    return Cable(app)


@pytest.fixture
def io(cable: Cable) -> SocketIOServer:
    return cable.socketio()


@pytest.fixture
def client(app: Flask, io: SocketIOServer) -> Iterator[CableClient]:
    with CableClient(app) as client:
        yield client


# Of several processes.


class SharedBus(MemoryPubSub):
    """Between processes that are all in this one; counts what is published to which stream."""

    is_shared = True

    def __init__(self) -> None:
        super().__init__()
        self.published: list[tuple[str, str]] = []
        self.muted: set[str] = set()

    def publish(self, stream: str, message: str, make_event: Callable[[], Any] = object) -> None:
        self.published.append((stream, message))
        super().publish(stream, message)


class Wire:
    """A client of one process."""

    def __init__(self, process: Process, namespace: str, auth: str) -> None:
        self.namespace = namespace
        self.connection = Connection(process.handler, process.registry.next_id())
        self.transport = LoopbackTransport(self.connection)
        self.connection.attach(self.transport)
        process.registry.add(self.connection)
        self.connection.handle_open()
        self.say(f"40{'' if namespace == '/' else namespace + ','}{auth}")

    def say(self, *messages: str | bytes) -> None:
        self.transport.say(*messages)

    def hang_up(self) -> None:
        self.transport.hang_up(1006)

    @property
    def packets(self) -> list[Packet]:
        """All that came, with attachments in place."""
        found: list[Packet] = []
        assembly = None
        for message in self.transport.sent:
            if isinstance(message, bytes):
                assert assembly is not None
                packet = assembly.add(message)
                found += [packet] if packet is not None else []
            elif message[:1] == "4":
                packet = SocketIO().parse(message[1:])
                assembly = Assembly(packet, 10**6) if packet.attachments else None
                found += [] if packet.attachments else [packet]
        return found

    @property
    def events(self) -> list[Any]:
        return [packet.data for packet in self.packets if packet.kind == EVENT]

    @property
    def welcome(self) -> dict[str, Any]:
        fields: dict[str, Any] = next(packet.data for packet in self.packets if packet.kind == 0)
        return fields

    @property
    def sid(self) -> str:
        return str(self.welcome["sid"])

    @property
    def socket(self) -> Any:
        return self.connection.state.sockets[self.namespace]


class Process:
    """One process of a cluster, with an endpoint of its own."""

    def __init__(self, bus: MemoryPubSub, node: str = "a", **settings: Any) -> None:
        self.io = SocketIOServer("/socket.io", Settings.checked(settings))
        self.executor = ManualExecutor()
        self.bus = bus
        self.hub = Hub(bus, self.executor, node)
        self.registry = Registry(self.hub)
        self.handler = SocketIOHandler(
            self.io.path,
            self.io.namespaces,
            SocketIO(),
            self.io.settings,
            hub=self.hub,
            executor=self.executor,
            registry=self.registry,
        )
        seconds = self.io.settings.recovery_seconds
        if seconds is not None:
            log = Log(self.io.path, bus.store, seconds, self.io.settings.recovery_packets)
            self.handler.recovery = Recovery(self.handler, log)
        self.io.serve_with(lambda: self.handler)

    def connect(self, namespace: str = "/", auth: str = "") -> Wire:
        return Wire(self, namespace, auth)


@pytest.fixture
def bus() -> SharedBus:
    return SharedBus()


@pytest.fixture
def now() -> list[float]:
    """The stores' time, moved by hand."""
    return [0.0]


@pytest.fixture
def lasting_bus(now: list[float]) -> SharedBus:
    """A bus whose store has its time moved by hand."""
    bus = SharedBus()
    bus._store = MemoryStore(lambda: now[0])
    return bus
