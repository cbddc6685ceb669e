"""What one session's transactions have changed, until it is known how they end.

A savepoint's changes become its parent's when it is released, and nobody's when it is rolled back. Knows
nothing of SQLAlchemy: a transaction is any object.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from flask import current_app, has_app_context

from ..errors import BusError, NotReady
from ..signals import broadcast_failed
from ..streams import stream_key
from .model import (
    CREATED,
    DELETED,
    UPDATED,
    Broadcastable,
    broadcast_refresh,
    broadcaster_of,
    is_suppressed,
    says_itself,
    streams_of,
)

logger = logging.getLogger("flask_cable")

Announcement = tuple[str, dict[str, Any]]
"""A stream's name, and a message for it."""


class Change:
    """One record's net change in one transaction.

    Attributes:
        announcements: what will be broadcast; None until it is known.
    """

    __slots__ = ("announcements", "kind", "record")

    def __init__(self, record: Broadcastable, kind: str) -> None:
        self.record = record
        self.kind = kind
        self.announcements: list[Announcement] | None = None

    def announce(self) -> None:
        """Find out what to broadcast, while the record can be shown."""
        if self.announcements is None:
            silent = is_suppressed(self.record)
            self.announcements = [] if silent else attempt(self.record, self._announcements) or []

    def _announcements(self) -> list[Announcement]:
        return [(stream_key(stream), message) for stream, message in self.record.broadcasts_on(self.kind)]

    def streams(self) -> list[str]:
        """The streams that are to hear of it."""
        if says_itself(self.record):
            self.announce()
        if self.announcements is not None:
            return [stream for stream, _ in self.announcements]
        return attempt(self.record, streams_of, self.record) or []


class Changes:
    """The net changes of one transaction or savepoint, in order.

    Attributes:
        by_record: changes by the identity of their records, which they keep alive.
        refreshes: the streams of records past the limit, each with one of those.
        is_full: whether there were too many of those, too.
    """

    __slots__ = ("by_record", "is_full", "refreshes")

    def __init__(self) -> None:
        self.by_record: dict[int, Change] = {}
        self.refreshes: dict[str, Broadcastable] = {}
        self.is_full = False

    def add(self, change: Change) -> None:
        """Take in one more change; of one record the net change is kept."""
        number = id(change.record)
        known = self.by_record.get(number)
        if known is None:
            self.by_record[number] = change
        elif change.kind == DELETED:
            del self.by_record[number]
            if known.kind != CREATED:
                self.by_record[number] = change
        elif known.kind == DELETED:  # and here again
            self.by_record[number] = Change(change.record, UPDATED)
        else:
            known.announcements = None  # if it was shown, then as it was before

    def take(self, other: Changes, limit: int) -> None:
        """Take in what a savepoint changed."""
        for change in other.by_record.values():
            self.add(change)
        for stream, record in other.refreshes.items():
            self.refresh(stream, record, limit)

    def refresh(self, stream: str, record: Broadcastable, limit: int) -> None:
        """Tell a stream no more than to load its pages again; past the limit it is told nothing."""
        if stream in self.refreshes or len(self.refreshes) < limit:
            self.refreshes[stream] = record
        elif not self.is_full:
            self.is_full = True
            logger.warning("CABLE_MODEL_BROADCASTS: some streams, %r the first, are not told of all", stream)

    def broadcast(self) -> None:
        """Broadcast everything; one message that fails stops no other, but for want of a pub/sub server."""
        for record, stream, message in self._messages():
            try:
                send(record, stream, message)
            except BusError as error:  # each of the others would wait as long as this one did
                return report(record, error)
            except Exception as error:
                report(record, error)

    def _messages(self) -> Iterator[tuple[Broadcastable, str, dict[str, Any]]]:
        for change in self.by_record.values():
            change.announce()
            for stream, message in change.announcements or ():
                if not is_suppressed(change.record):
                    yield change.record, stream, message
        for stream, record in self.refreshes.items():
            if not is_suppressed(record):
                yield record, stream, {"action": "refresh"}


class Pending:
    """What a session's open transactions have changed, and what is to be broadcast of it.

    Args:
        limit: how many records are told of singly; of all others their streams are told to refresh.

    Attributes:
        is_announced: whether the end of a transaction has begun: whatever is flushed now was not seen yet.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.is_announced = False
        self._open: dict[Hashable, Changes] = {}
        self._committed: Changes | None = None

    def add(self, transaction: Hashable, change: Change) -> None:
        """Note a change that was flushed in ``transaction``."""
        self._open.setdefault(transaction, Changes()).add(change)

    def trim(self, transaction: Hashable) -> None:
        """Keep no more records than the limit: of the others remember their streams."""
        changes = self._open.get(transaction)
        surplus = sum(len(one.by_record) for one in self._open.values()) - self._limit
        while changes is not None and changes.by_record and surplus > 0:
            _, change = changes.by_record.popitem()
            surplus -= 1
            for stream in change.streams():
                changes.refresh(stream, change.record, self._limit)

    def announce(self) -> None:
        """Find out what to broadcast of everything that was flushed."""
        self.is_announced = True
        for changes in list(self._open.values()):
            for change in list(changes.by_record.values()):
                change.announce()

    def release(self, savepoint: Hashable, parent: Hashable) -> None:
        """A savepoint is over, and its changes are its parent's."""
        changes = self._open.pop(savepoint, None)
        if changes is not None:
            self._open.setdefault(parent, Changes()).take(changes, self._limit)

    def commit(self, transaction: Hashable) -> None:
        """The outermost transaction is committed."""
        self._committed = self._open.pop(transaction, None)

    def forget(self, transaction: Hashable) -> None:
        """A transaction is over; what was not committed has not happened."""
        self._open.pop(transaction, None)

    def broadcast(self) -> None:
        """Broadcast what was committed, if anything was."""
        if self._committed is not None:
            self._committed.broadcast()


def send(record: Broadcastable, stream: str, message: dict[str, Any]) -> None:
    """Broadcast one message; refreshes are put off."""
    broadcaster = broadcaster_of(record)
    if message.get("action") == "refresh":
        attributes = {name: message[name] for name in ("method", "scroll") if name in message}
        broadcast_refresh(broadcaster, stream, **attributes)
    else:
        broadcaster.broadcast(stream, message)


def attempt(record: Broadcastable, function: Callable[..., Any], *args: Any) -> Any:
    """Call what must not stop a commit; returns None when it fails, which is reported."""
    try:
        return function(*args)
    except Exception as error:
        report(record, error)
        return None


def report(record: Broadcastable, error: Exception) -> None:
    """Log that a change is not told of, and tell those who watch."""
    kind = type(record).__name__
    if isinstance(error, NotReady):
        logger.warning("%s was changed, and nobody is told: %s", kind, error)
    elif isinstance(error, BusError):
        logger.error("%s was changed, and nobody is told of this transaction's rest: %s", kind, error)
    else:
        logger.error("a change of %s could not be broadcast", kind, exc_info=error)
    sender = current_app._get_current_object() if has_app_context() else None  # type: ignore[attr-defined]
    try:
        broadcast_failed.send(sender, record=record, error=error)
    except Exception:
        logger.exception("a receiver of %s raised", broadcast_failed.name)
