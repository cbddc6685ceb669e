"""Which pages of this process hear which stream, each push exactly once.

A page that joins a stream has a place in its log. It is sent what was kept after that, then what has come
meanwhile and was held back, and then each push as it comes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ...core.connection import Connection
from ...core.hub import Hub
from ...errors import BusError
from ...protocols.push import PageProtocol
from .ledger import SHARED, Ledger, Place, address, address_of
from .lines import CLAIM, ORDER, alone_of, shared_of
from .page import Hearing, Page, Push
from .patterns import Patterns

logger = logging.getLogger("flask_cable")

Ready = Callable[[], object]
OnOrder = Callable[[Connection, int, str], object]
OnClaim = Callable[[Connection, str], object]


class _Audience:
    """Who hears one address here.

    Attributes:
        last: the last offset that was heard here.
        listener: what the hub calls.
    """

    __slots__ = ("hearings", "last", "listener")

    def __init__(self, listen: Callable[[_Audience, str], object]) -> None:
        self.hearings: dict[Connection, Hearing] = {}
        self.last = -1
        self.listener = partial(listen, self)


class Gate:
    """Calls ``ready`` once all that it waits for is live; from any thread."""

    def __init__(self, hub: Hub, ready: Ready) -> None:
        self._guard = hub.executor.guard
        self._ready = ready
        self._left = 1

    def expect(self, enter: Callable[[Ready], bool]) -> None:
        """Wait for one more; ``enter(on_live)`` says whether it is live already."""
        with self._guard:
            self._left += 1
        if enter(self.done):
            self.done()

    def done(self) -> None:
        """One is live; or all have been named, when the maker says so."""
        with self._guard:
            self._left -= 1
            left = self._left
        if not left:
            self._ready()


class PageStreams:
    """The pages of one process and the streams that they hear.

    Args:
        on_order: called at home with a connection, an order's offset and its text.
        on_claim: called at home with a connection, and with what claims to be its page's newer one.
        most_bytes: how much of what was kept one page is sent, the newest.
        most_held: how many pushes are held back for a page and a stream; past it the page is too slow.
    """

    def __init__(
        self,
        hub: Hub,
        protocol: PageProtocol,
        ledger: Ledger,
        on_order: OnOrder,
        on_claim: OnClaim,
        *,
        most_bytes: int = 2**19,
        most_held: int = 10_000,
    ) -> None:
        self._hub = hub
        self._guard = hub.executor.guard
        self._protocol = protocol
        self._ledger = ledger
        self._on_order = on_order
        self._on_claim = on_claim
        self._most_bytes = most_bytes
        self._most_held = most_held
        self._alone: dict[str, _Audience] = {}
        self._streams: dict[str, _Audience] = {}
        self._shared_last = -1

    # A page comes and goes.

    def enter(self, connection: Connection, ready: Ready) -> None:
        """Let a page hear what concerns it alone; ``ready()`` once nothing of that can be missed."""
        page = page_of(connection)
        gate = Gate(self._hub, ready)
        with self._guard:
            audience = self._alone.get(page.digest)
            if audience is None:
                audience = self._alone[page.digest] = _Audience(self._heard_alone)
            audience.hearings[connection] = page.alone
            gate.expect(partial(self._hub.listen, SHARED, self._heard_shared))
            listen = partial(self._hub.listen, address_of(page.digest), audience.listener)
            gate.expect(partial(listen, connection=connection))  # who is told of an outage
        gate.done()

    def leave_all(self, connection: Connection) -> tuple[dict[str, Place | None], int]:
        """A page is gone; returns up to where it has heard each stream, and what concerns it alone."""
        page = page_of(connection)
        with self._guard:
            page.gone = True
            places: dict[str, Place | None] = {
                name: self._leave(connection, name) for name in [*page.hearings]
            }
            audience = self._alone.get(page.digest)
            if audience is None or audience.hearings.pop(connection, None) is None:
                return places, -1
            if not audience.hearings:
                del self._alone[page.digest]
                self._hub.unlisten(address_of(page.digest), audience.listener)
            return places, page.alone.place(audience.last, -1).own

    # A page joins and leaves streams.

    def join(self, connection: Connection, places: Mapping[str, Place]) -> None:
        """Let a page hear streams from these places on; what was kept comes when nothing can be missed."""
        page = page_of(connection)
        with self._guard:
            joined = [name for name in places if name not in page.hearings and not page.gone]
            gates = [self._join(connection, name, places[name]) for name in joined]
        for gate in gates:
            gate.done()

    def _join(self, connection: Connection, name: str, place: Place) -> Gate:
        audience = self._streams.get(name)
        if audience is None:
            audience = self._streams[name] = _Audience(partial(self._heard, name))
        hearing = Hearing(place)
        page_of(connection).hearings[name] = audience.hearings[connection] = hearing
        gate = Gate(self._hub, partial(self._live, connection, name))
        gate.expect(partial(self._hub.listen, address(name), audience.listener))
        gate.expect(partial(self._hub.join, name, connection, self._protocol.push, name))
        return gate

    def _live(self, connection: Connection, name: str) -> None:
        """Nothing of a stream can be missed any more; with others it is caught up with on a worker."""
        page = page_of(connection)
        with self._guard:
            page.behind.append(name)
            is_first = len(page.behind) == 1
        if is_first:
            self._hub.executor.submit(self.catch_up, connection)

    def leave(self, connection: Connection, name: str) -> bool:
        """Let a page hear no more of a stream; False when it did not."""
        with self._guard:
            known = name in page_of(connection).hearings
            if known:
                self._leave(connection, name)
            return known

    def _leave(self, connection: Connection, name: str) -> Place:
        audience = self._streams[name]
        hearing = audience.hearings.pop(connection)
        del page_of(connection).hearings[name]
        self._hub.leave(name, connection, self._protocol.push, name)
        if not audience.hearings:
            del self._streams[name]
            self._hub.unlisten(address(name), audience.listener)
        return hearing.place(audience.last, self._shared_last)

    # What comes; called at home. Nobody leaves between the place of a push and its frame: it would be lost.

    def _heard(self, name: str, audience: _Audience, text: str) -> None:
        place, _, body = text.partition("|")
        push = Push(int(place), self._protocol.push(name, body.encode()))
        with self._guard:
            self._fan_out(audience, push)

    def _fan_out(self, audience: _Audience, push: Push) -> None:
        """The hot path: a page that has caught up costs little more than its frame."""
        offset, frame = push.offset, push.frame
        audience.last = max(audience.last, offset)
        for connection, hearing in list(audience.hearings.items()):
            if hearing.held is None and offset > hearing.after:
                try:
                    if connection.transport.send(frame):
                        continue
                except Exception:
                    logger.exception("connection %s: could not be sent to", connection.id)
                hearing.lose(push)
            else:
                self._hand(connection, hearing, push)

    def _heard_alone(self, audience: _Audience, text: str) -> None:
        kind, (offset, _, line) = text[0], text[1:].partition("|")
        if kind == CLAIM:
            return self._each(audience, self._on_claim, line)
        if kind == ORDER:
            return self._each(audience, self._on_order, int(offset), line)
        push = Push(int(offset), self._protocol.push(*alone_of(line)))
        with self._guard:
            audience.last = max(audience.last, push.offset)
            self._hand_to_all(audience, push)

    @staticmethod
    def _each(audience: _Audience, call: Callable[..., object], *args: Any) -> None:
        for connection in list(audience.hearings):
            call(connection, *args)

    def _heard_shared(self, text: str) -> None:
        place, _, line = text.partition("|")
        with self._guard:
            self._fan_out_shared(int(place), *shared_of(line))

    def _fan_out_shared(self, offset: int, patterns: Patterns, body: bytes) -> None:
        self._shared_last = max(self._shared_last, offset)
        names = patterns.among(self._streams)
        pushes = {name: Push(offset, self._protocol.push(name, body), True) for name in names}
        if len(pushes) == 1:
            return self._hand_to_all(self._streams[names[0]], pushes[names[0]])
        for connection in dict.fromkeys(one for name in names for one in self._streams[name].hearings):
            hearings = page_of(connection).hearings
            name = _by_which(hearings, patterns, offset)
            if name is not None:
                self._hand(connection, hearings[name], pushes[name])

    def _hand_to_all(self, audience: _Audience, push: Push) -> None:
        for connection, hearing in list(audience.hearings.items()):
            self._hand(connection, hearing, push)

    def _hand(self, connection: Connection, hearing: Hearing, push: Push) -> None:
        """Send a push to one page, or hold it back; who cannot be sent to delays nobody."""
        try:
            if hearing.held is None or not self._hold(connection, hearing, push):
                hearing.send(connection, push)
        except Exception:
            logger.exception("connection %s: could not be sent to", connection.id)

    def _hold(self, connection: Connection, hearing: Hearing, push: Push) -> bool:
        with self._guard:
            if hearing.held is None:
                return False
            if len(hearing.held) < self._most_held:
                hearing.held.append(push)
                return True
        connection.handle_too_slow()
        return True

    # What was kept; on a worker.

    def catch_up(self, connection: Connection) -> None:
        """Send a page what was kept of streams that it has joined, and from now on what comes."""
        page = page_of(connection)
        with self._guard:
            names, page.behind = page.behind, []
            hearings = page.hearings
            joined = {name: hearings[name] for name in names if name in hearings}
        try:
            kept = self._kept(hearings, joined)
        except BusError as error:
            connection.logger.warning("what was pushed before it connected could not be fetched: %s", error)
            kept = {}
        for name, hearing in joined.items():
            self._release(connection, hearing, _newest(kept.get(name, []), self._most_bytes // len(joined)))

    def _kept(self, hearings: Mapping[str, Hearing], joined: Mapping[str, Hearing]) -> dict[str, list[Push]]:
        kept = {
            name: [
                Push(line.offset, self._protocol.push(name, line.text.encode()))
                for line in self._ledger.missed(address(name), hearing.after)
            ]
            for name, hearing in joined.items()
        }
        start = min((hearing.after_shared for hearing in joined.values()), default=0)
        for line in self._ledger.missed(SHARED, start) if joined else ():
            patterns, body = shared_of(line.text)
            name = _by_which(hearings, patterns, line.offset)
            if name in kept and line.offset > joined[name].after_shared:
                kept[name].append(Push(line.offset, self._protocol.push(name, body), True))
        return kept

    def catch_up_alone(self, connection: Connection, after: int) -> None:
        """Send a page what was kept for it alone after an offset. Raises ``BusError``."""
        page = page_of(connection)
        page.alone.after = after
        lines = self._ledger.missed(address_of(page.digest), after)
        kept = [Push(line.offset, self._protocol.push(*alone_of(line.text))) for line in lines]
        self._release(connection, page.alone, _newest(kept, self._most_bytes))

    def _release(self, connection: Connection, hearing: Hearing, kept: list[Push]) -> None:
        """Send what was kept, then what came meanwhile; who leaves then has heard all of it, or nothing."""
        with self._guard:
            held, hearing.held = hearing.held, None
            for push in kept:
                hearing.send(connection, push)
            hearing.sent(kept)
            for push in held or ():
                hearing.send(connection, push)


def page_of(connection: Connection) -> Page:
    """The page that a connection is the socket of."""
    page: Page = connection.state
    return page


def _by_which(hearings: Mapping[str, Hearing], patterns: Patterns, offset: int) -> str | None:
    """The stream by which a page hears a push that may match several: the first, so that it hears it once."""
    for name, hearing in list(hearings.items()):
        if patterns.match(name) and (not offset or hearing.since < offset):
            return name
    return None


def _newest(kept: list[Push], budget: int) -> list[Push]:
    """The newest that fit into so many bytes."""
    fitting = len(kept)
    while fitting and budget >= len(kept[fitting - 1].frame.payload):
        fitting -= 1
        budget -= len(kept[fitting].frame.payload)
    return kept[fitting:]
