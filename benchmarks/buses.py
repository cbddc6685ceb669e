"""What it costs that a broadcast goes out to a server and comes back: Flask-Cable beside its rivals.

Each server under test has one process, which hears its own broadcasts over the bus as every other would.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from .brokers import Broker
from .errors import Failed, Missing
from .generator import Generator, Values
from .measuring import Note, Record, spending
from .peers import Peer
from .scale import Scale
from .server import Server

WAYS: dict[str, tuple[tuple[str, str | None], ...]] = {
    "flask-cable": (("memory", None), ("redis", "redis"), ("postgres", "postgres"), ("nats", "nats")),
    "flask-cable-socketio": (("memory", None), ("redis", "redis")),
    "flask-socketio": (("memory", None), ("redis", "redis")),
    "channels": (
        ("memory", None),
        ("channels_redis, core layer", "redis"),
        ("channels_redis, pub/sub layer", "redis"),
    ),
}
"""A peer's ways to carry a broadcast: what they are called, and the server that they need."""

FEW, MANY = 1, 100
"""Subscribers: with one, the way to the bus and back is nearly all; with a hundred, it is shared."""


def buses(peer: Peer, scale: Scale) -> Iterator[Record | Note]:
    """Every way of one peer in turn."""
    for name, kind in WAYS[peer.name]:
        try:
            yield Record(peer.name, "buses", f"{peer.name}, {name}", _way(peer, scale, name, kind))
        except (Failed, Missing) as problem:
            yield Note(peer.name, f"buses, {name}", str(problem))


def _way(peer: Peer, scale: Scale, name: str, kind: str | None) -> Values:
    with ExitStack() as stack:
        broker = stack.enter_context(Broker(kind)) if kind else None
        env = {**peer.env, "BUS_URL": broker.url if broker else "", "BUS_LAYER": name}
        server = stack.enter_context(Server(replace(peer, env=env)))
        clients = stack.enter_context(Generator(server))
        one = _measured(clients, scale, broker, FEW)
        many = _measured(clients, scale, broker, MANY)
        return {**many, **{f"one_{name}": value for name, value in one.items()}}


def _measured(clients: Generator, scale: Scale, broker: Broker | None, count: int) -> Values:
    clients.connect(count)
    clients.broadcast(0.7)  # it connects to its bus, imports and caches
    before = broker.cpu() if broker else 0.0
    found = spending(clients.server, lambda: clients.broadcast(scale.seconds, 3))
    if not found["deliveries"]:
        raise Failed("no broadcast arrived")
    spent = (broker.cpu() if broker else 0.0) - before
    return {
        "cpu_us": found["cpu"] * 1e6 / found["deliveries"],
        "broker_us": spent * 1e6 / found["broadcasts"],
        "p50_ms": found["whole_p50_ms"],
        "p99_ms": found["whole_p99_ms"],
        "missing": found["missing"],
    }
