"""What is measured of one server and its clients, and what it is written down as."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .errors import Failed
from .generator import Generator, Values
from .server import Server


class Record(NamedTuple):
    """One measurement, once.

    Attributes:
        case: which row of a table about one peer it is; empty in tables that compare peers.
    """

    peer: str
    scenario: str
    case: str
    values: Values


class Note(NamedTuple):
    """Why something was not measured."""

    peer: str
    scenario: str
    reason: str


def spending(server: Server, command: Callable[[], Values]) -> Values:
    """Return what a command tells, and the server's CPU seconds meanwhile as ``cpu``."""
    before = server.cpu()
    values = command()
    return {**values, "cpu": server.cpu() - before}


def warm_up(clients: Generator) -> None:
    """Let the server import, compile and cache what it will need."""
    clients.connect(20)
    clients.broadcast(0.3, most=50)
    clients.echo(20, 0.4)
    clients.idle(0.5)


def broadcasts(
    clients: Generator,
    seconds: float,
    least: int = 3,
    most: int = 100_000,
    meanwhile: Callable[[], None] | None = None,
) -> Values:
    """Measure broadcasts to whoever is connected."""
    found = spending(clients.server, lambda: clients.broadcast(seconds, least, most, meanwhile))
    if not found["deliveries"]:
        raise Failed("no broadcast arrived")
    return {
        "cpu_per_million": found["cpu"] * 1e6 / found["deliveries"],
        "cpu_us_per_broadcast": found["cpu"] * 1e6 / found["broadcasts"],
        "per_second": found["deliveries"] / found["wall"],
        "bytes": found["bytes"] / found["deliveries"],
        "generator_us": found["generator_cpu"] * 1e6 / found["deliveries"],
        **_common(found),
        **{name: value for name, value in found.items() if name.startswith(("each", "whole"))},
    }


def echoes(clients: Generator, count: int, seconds: float) -> Values:
    """Measure a closed loop of ``count`` clients."""
    found = spending(clients.server, lambda: clients.echo(count, seconds))
    if not found["echoes"]:
        raise Failed("no echo came back")
    return {
        "per_second": found["in_time"] / found["wall"],
        "cpu_us": found["cpu"] * 1e6 / found["echoes"],
        "p50_ms": found["each_p50_ms"],
        "p99_ms": found["each_p99_ms"],
        "generator_us": found["generator_cpu"] * 1e6 / found["echoes"],
        **_common(found),
    }


def connecting(clients: Generator, count: int) -> Values:
    """Measure how connections are made, until there are ``count``."""
    found = spending(clients.server, lambda: clients.connect(count))
    return {
        "cpu_ms": found["cpu"] * 1e3 / found["made"],
        "per_second": found["made"] / found["wall"],
        **_common(found),
    }


def _common(found: Values) -> Values:
    return {
        "server_busy": found["cpu"] / found["wall"],
        "generator_busy": found["generator_cpu"] / found["wall"],
        **{name: found[name] for name in ("missing", "dead", "strays", "failed") if name in found},
    }
