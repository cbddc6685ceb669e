"""How the cost of Flask-Cable grows: with connections, streams, identifiers, sizes, workers, compression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .generator import Generator
from .measuring import Note, Record, broadcasts, echoes, warm_up
from .peers import Peer
from .processes import descriptors
from .protocols import Layout, rows_of, text_of
from .scale import Scale
from .server import Server
from .visit import SPARE, WARM

Found = Iterator[Record | Note]


def connections(peer: Peer, scale: Scale) -> Found:
    """One stream, and more and more subscribers."""
    with Server(peer) as server, Generator(server) as clients:
        warm_up(clients)
        for count in scale.connections:
            if descriptors() < count + SPARE:
                reason = f"a process may open only {descriptors():,} files here"
                yield Note(peer.name, f"connections {count:,}", reason)
                continue
            clients.connect(count)
            clients.broadcast(0.3, least=1)
            yield Record(peer.name, "connections", f"{count:,}", broadcasts(clients, scale.seconds))


def streams(peer: Peer, scale: Scale) -> Found:
    """As many subscriptions as ever, on more and more streams: at last each hears its own."""
    for count in scale.streams:
        yield _spread(peer, scale, "streams", Layout(streams=count), scale.streams[-1], count)


def identifiers(peer: Peer, scale: Scale) -> Found:
    """One stream, whose subscribers name their subscriptions in more and more ways."""
    for count in scale.identifiers:
        yield _spread(peer, scale, "identifiers", Layout(identifiers=count), scale.subscribers, count)


def _spread(peer: Peer, scale: Scale, scenario: str, layout: Layout, subscribers: int, count: int) -> Record:
    with Server(peer) as server, Generator(server, layout) as clients:
        warm_up(clients)
        clients.connect(subscribers)
        clients.broadcast(0.3, least=1)
        return Record(peer.name, scenario, f"{count:,}", broadcasts(clients, scale.seconds))


def sizes(peer: Peer, scale: Scale) -> Found:
    """One stream with a thousand subscribers, and larger and larger messages."""
    with Server(peer) as server, Generator(server) as clients:
        warm_up(clients)
        clients.connect(scale.readers)
        for size in scale.sizes:
            clients.publish(text_of(size))
            clients.broadcast(0.3, least=1)
            yield Record(peer.name, "sizes", f"{size:,} B", broadcasts(clients, scale.seconds))


def compression(peer: Peer, scale: Scale) -> Found:
    """One KiB of JSON to a thousand subscribers, as it is and compressed."""
    for case, env in (("off", {}), ("on", {"COMPRESSION": "1"})):
        with (
            Server(replace(peer, env=env)) as server,
            Generator(server, payload=rows_of(1024), compressed=case == "on") as clients,
        ):
            clients.connect(scale.readers)
            clients.broadcast(0.5, least=1)
            yield Record(peer.name, "compression", case, broadcasts(clients, scale.seconds))


def workers(peer: Peer, scale: Scale) -> Found:
    """Echoes, and the memory of a thousand idle connections, with more than one worker."""
    for count in scale.workers:
        with Server(peer, count) as server:
            with Generator(server) as clients:
                clients.connect(WARM)
                clients.echo(WARM, 0.5)
                empty = server.memory()
                clients.connect(scale.readers)
                clients.idle(1)
                memory = {
                    "base_mib": empty / 1024,
                    "kib": (server.memory() - empty) / (scale.readers - WARM),
                }
            server.settle()
            with Generator(server) as clients:
                clients.connect(scale.clients)
                clients.echo(scale.clients, 0.5)
                talk = echoes(clients, scale.clients, scale.seconds)
        yield Record(peer.name, "workers", f"{count}", {**memory, **talk})


GROWTH = {
    function.__name__: function
    for function in (connections, streams, identifiers, sizes, workers, compression)
}
