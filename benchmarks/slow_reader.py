"""One subscriber of a thousand stops reading: what it costs the others, and what it costs the server."""

from __future__ import annotations

from collections.abc import Iterator

from .generator import Generator, Values
from .measuring import Record, broadcasts, warm_up
from .peers import Peer
from .protocols import text_of
from .scale import Scale
from .server import Server

SIZE = 4096  # bytes of a message
LONG = 60.0  # seconds within which all should be done


def slow_reader(peer: Peer, scale: Scale) -> Iterator[Record]:
    """Broadcast the same to a thousand readers, without a slow one and with one."""
    for case, slow in (("without", 0), ("with", 1)):
        with Server(peer) as server, Generator(server, payload=text_of(SIZE), patience=10) as clients:
            warm_up(clients)
            clients.connect(scale.readers)
            clients.broadcast(0.5, least=1)
            yield Record(peer.name, "slow-reader", case, _measure(clients, scale, slow))


def _measure(clients: Generator, scale: Scale, slow: int) -> Values:
    clients.small_buffers()
    clients.connect(scale.readers + slow)
    clients.stall(slow)
    before = clients.server.memory()
    seen = [before]
    values = broadcasts(clients, LONG, 1, scale.to_stall, lambda: seen.append(clients.server.memory()))
    growth = (max(*seen, clients.server.memory()) - before) / 1024
    return {**values, "growth_mib": growth, "ended": clients.stalled()["ended"]}
