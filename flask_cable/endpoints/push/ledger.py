"""What is known of a page while its socket is not there, kept in the processes' common store.

A page has a *record*: the streams it hears, and up to where it has heard them. *Orders* change that from
later requests, and *pushes* are kept for a while, so that neither is lost before the page's socket connects.
Every call may block.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

SHARED = "flask_cable/pages"
"""The address of pushes that name several streams, or a pattern."""

ORDERS = 1000
"""How many orders to a page that is away are kept: CABLE_MAX_STREAMS subscriptions, one by one."""


def address(stream: str) -> str:
    """Where a push to one stream goes, and its log; no application's stream is heard there."""
    return f"flask_cable/page/{stream}"


def address_of(digest: str) -> str:
    """Where goes what concerns one page alone."""
    return f"flask_cable/page@{digest}"


class Line(Protocol):
    """A line of a log."""

    @property
    def offset(self) -> int: ...

    @property
    def text(self) -> str: ...


class Store(Protocol):
    """What the ledger asks of the common store."""

    def put(self, key: str, text: str, ttl: float) -> None: ...

    def get(self, key: str) -> str | None: ...

    def take(self, key: str) -> str | None: ...

    def append(self, key: str, text: str, limit: int, ttl: float) -> int: ...

    def since(self, key: str, offset: int) -> Any: ...

    def last(self, key: str, count: int) -> Any: ...


class Place(NamedTuple):
    """Up to where a page has heard a stream: offsets in the stream's log, and in that of ``SHARED``."""

    own: int
    shared: int


BEGINNING = Place(-1, -1)
"""Before everything."""


class Record(NamedTuple):
    """A page as it was known last.

    Attributes:
        streams: what it hears, and up to where; None is up to whenever it comes back.
        own: up to where it has heard what concerns it alone; None is as above.
        orders: the last order that has been carried out.
        turn: which connection wrote this; "" is a request.
    """

    streams: dict[str, Place | None]
    own: int | None = -1
    orders: int = -1
    turn: str = ""

    @property
    def is_connected(self) -> bool:
        """Whether a connection wrote this that has not said where it was in the end."""
        return bool(self.turn) and self.own is None

    def encode(self) -> str:
        return json.dumps(self)

    @classmethod
    def decode(cls, text: str) -> Record:
        streams, *rest = json.loads(text)
        return cls({name: place and Place(*place) for name, place in streams.items()}, *rest)


class Order(NamedTuple):
    """What a later request changes: streams to hear from a place on, streams to hear no more."""

    hear: dict[str, Place]
    forget: list[str]

    def encode(self) -> str:
        return json.dumps(self)

    @classmethod
    def decode(cls, text: str) -> Order:
        hear, forget = json.loads(text)
        return cls({name: Place(*place) for name, place in hear.items()}, forget)


class Patience(NamedTuple):
    """How long and how much is kept.

    Attributes:
        wait: seconds for which a page is known before its socket has connected.
        resume: seconds for which it is known after its socket is gone.
        pushes: how many pushes of each stream are kept.
    """

    wait: float = 60.0
    resume: float = 120.0
    pushes: int = 100


class Ledger:
    """Records, orders and pushes of one application."""

    def __init__(self, store: Store, patience: Patience) -> None:
        self._store = store
        self.patience = patience
        self._ttl = max(patience.wait, patience.resume, 1.0)

    # Pages.

    def write(self, digest: str, record: Record, ttl: float) -> None:
        """Keep a page's record for so many seconds; with none, forget it."""
        if ttl > 0:
            self._store.put(address_of(digest), record.encode(), ttl)
        else:
            self._store.take(address_of(digest))

    def read(self, digest: str) -> Record | None:
        """A page's record, while it is kept."""
        text = self._store.get(address_of(digest))
        return None if text is None else Record.decode(text)

    def order(self, digest: str, order: Order) -> int:
        """Keep an order for a page; returns its offset."""
        return self._store.append(_orders(digest), order.encode(), ORDERS, 2 * self._ttl)

    def orders(self, digest: str, after: int) -> list[tuple[int, Order]] | None:
        """The orders to a page after an offset; None when some of them may be gone."""
        lines = self._after(_orders(digest), after, ORDERS)
        return None if len(lines) >= ORDERS else [(line.offset, Order.decode(line.text)) for line in lines]

    # Pushes.

    def keep(self, log: str, line: str) -> int:
        """Keep a push for those whose sockets are not there yet; returns its offset, 0 when none is kept."""
        if not self.patience.pushes:
            return 0
        return self._store.append(log, line, self.patience.pushes, self._ttl)

    def missed(self, log: str, after: int) -> list[Line]:
        """The pushes that are kept after an offset."""
        return self._after(log, after, self.patience.pushes) if self.patience.pushes else []

    def _after(self, log: str, after: int, limit: int) -> list[Line]:
        lines: list[Line] | None = self._store.since(log, after) if after > 0 else None
        if lines is None:  # it began later, or has lost some: those that are left
            lines = self._store.last(log, limit)
        return [line for line in lines if line.offset > after]

    def places(self, streams: Iterable[str]) -> dict[str, Place]:
        """Where the logs of these streams end now: everything that is pushed later is after it."""
        if not self.patience.pushes:
            return dict.fromkeys(streams, BEGINNING)
        shared = self.end(SHARED)
        return {stream: Place(self.end(address(stream)), shared) for stream in streams}

    def end(self, log: str) -> int:
        """The last offset of a log; 0 when there is none."""
        lines = self._store.last(log, 1)
        return lines[-1].offset if lines else 0

    def settled(self, streams: Mapping[str, Place | None]) -> dict[str, Place]:
        """Streams with a place each: those without one begin now."""
        unknown = [name for name, place in streams.items() if place is None or not self.patience.pushes]
        now = self.places(unknown) if unknown else {}
        return {name: now.get(name, place or BEGINNING) for name, place in streams.items()}


def _orders(digest: str) -> str:
    return f"{address_of(digest)}/orders"
