"""What every peer is put through, in the life of one server process."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from .generator import Generator, Values
from .measuring import Note, Record, broadcasts, connecting, echoes, warm_up
from .peers import Peer
from .processes import descriptors
from .scale import Scale
from .server import Server

CROWD = ("connection", "memory", "broadcast", "reach")
SCENARIOS = (*CROWD, "echo")
WARM = 20  # connections that are there before the crowd comes
SPARE = 500  # descriptors besides those of the connections


class Visit:
    """One start of one peer's server; iterate over what was measured.

    The crowd comes first, so that memory is measured before traffic has touched it.
    """

    def __init__(self, peer: Peer, scale: Scale, wanted: Collection[str]) -> None:
        self.peer = peer
        self.scale = scale
        self.wanted = set(wanted)

    def __iter__(self) -> Iterator[Record | Note]:
        with Server(self.peer) as server:
            if self.wanted & set(CROWD):
                with Generator(server) as clients:
                    yield from self._crowd(clients)
                server.settle()
            if "echo" in self.wanted:
                with Generator(server) as clients:
                    yield from self._loop(clients)

    def _crowd(self, clients: Generator) -> Iterator[Record | Note]:
        warm_up(clients)
        empty, count = clients.server.memory(), self.scale.subscribers
        made = connecting(clients, count)
        if "connection" in self.wanted:
            yield self._record("connection", made)
        if "memory" in self.wanted:
            clients.idle(1)
            yield self._record("memory", {"kib": (clients.server.memory() - empty) / (count - WARM)})
        if "broadcast" in self.wanted:
            yield self._broadcast(clients)
        if "reach" in self.wanted:
            yield self._reach(clients)

    def _broadcast(self, clients: Generator) -> Record:
        if not self.peer.slow:
            clients.broadcast(0.3, least=1)
        least = 1 if self.peer.slow else 3
        return self._record("broadcast", broadcasts(clients, self.scale.seconds, least))

    def _reach(self, clients: Generator) -> Record | Note:
        count = self.scale.reach
        if self.peer.slow:
            return Note(self.peer.name, "reach", "one broadcast to so many takes it tens of seconds")
        if descriptors() < count + SPARE:
            return Note(self.peer.name, "reach", f"a process may open only {descriptors():,} files here")
        clients.connect(count)
        clients.broadcast(0.3, least=1)
        return self._record("reach", broadcasts(clients, self.scale.seconds))

    def _loop(self, clients: Generator) -> Iterator[Record]:
        clients.connect(self.scale.clients)
        clients.echo(self.scale.clients, 0.5)
        yield self._record("echo", echoes(clients, self.scale.clients, self.scale.seconds))

    def _record(self, scenario: str, values: Values) -> Record:
        return Record(self.peer.name, scenario, "", values)
