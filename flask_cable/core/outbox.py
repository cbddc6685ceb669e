"""What a peer has not taken yet: ordered, bounded in bytes and messages, written by one writer."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from ..protocols.frames import DROP_OLDEST, KEEP_LATEST, Lane


class _Entry:
    """One frame, or what is left of it."""

    __slots__ = ("data", "lane")

    def __init__(self, data: bytes | memoryview, lane: Lane | None) -> None:
        self.data = data
        self.lane = lane


class Outbox:
    """Bytes that wait until the peer reads again.

    A peer that lets more than ``limit`` bytes or ``max_messages`` frames pile up is too slow. One message
    may exceed the bytes by itself, or nobody could be sent a large one. Frames with a lane make room first:
    by the lane's own oldest, or by taking the place of the lane's last.
    """

    __slots__ = ("_begun", "_entries", "_latest", "limit", "max_messages", "size")

    def __init__(self, limit: int, max_messages: int = 10_000) -> None:
        self._entries: deque[_Entry] = deque()
        self._latest: dict[Hashable, _Entry] = {}
        self._begun = False
        self.size = 0
        self.limit = limit
        self.max_messages = max_messages

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, data: bytes | memoryview, lane: Lane | None = None, begun: bool = False) -> bool:
        """Queue ``data``; False when that would be too much, and then it is not queued.

        Args:
            lane: how this frame and those like it make room for each other.
            begun: it is the rest of a frame whose first bytes the peer has.
        """
        if lane is not None and lane.policy == KEEP_LATEST and self._replace(data, lane):
            return True
        if not self._fits(data) and not (lane and lane.policy == DROP_OLDEST and self._make_room(data, lane)):
            return False
        entry = _Entry(data, lane)
        self._begun = self._begun or begun
        self._entries.append(entry)
        self.size += len(data)
        if lane is not None and lane.policy == KEEP_LATEST and not begun:
            self._latest[lane.key] = entry
        return True

    def force(self, data: bytes | memoryview) -> None:
        """Queue ``data`` whatever waits already: a few bytes that end the connection, or keep it alive."""
        self._entries.append(_Entry(data, None))
        self.size += len(data)

    def _fits(self, data: bytes | memoryview) -> bool:
        if not self._entries:
            return True
        return self.size + len(data) <= self.limit and len(self._entries) < self.max_messages

    def _replace(self, data: bytes | memoryview, lane: Lane) -> bool:
        entry = self._latest.get(lane.key)
        if entry is None:
            return False
        self.size += len(data) - len(entry.data)
        entry.data = data
        return True

    def _make_room(self, data: bytes | memoryview, lane: Lane) -> bool:
        """Drop the lane's oldest frames, one by one, until ``data`` fits."""
        begun = self._entries[0] if self._begun else None
        for entry in [entry for entry in self._entries if entry.lane == lane and entry is not begun]:
            self._entries.remove(entry)
            self.size -= len(entry.data)
            if self._fits(data):
                return True
        return False

    def first(self) -> bytes | memoryview:
        """What is to be written next."""
        return self._entries[0].data

    def begin_first(self) -> None:
        """``first()`` may not change any more, although none of it has been written: TLS has encrypted it."""
        self._begun = True
        self._settle(self._entries[0])

    def _settle(self, entry: _Entry) -> None:
        """Nothing takes this entry's place any more."""
        if entry.lane is not None and self._latest.get(entry.lane.key) is entry:
            del self._latest[entry.lane.key]

    def taken(self, count: int) -> None:
        """``count`` bytes of ``first()`` have been written."""
        self.size -= count
        entry = self._entries[0]
        self._begun = count < len(entry.data)
        self._settle(entry)
        if self._begun:
            entry.data = memoryview(entry.data)[count:]
        else:
            self._entries.popleft()

    def drop_unbegun(self) -> None:
        """Forget what has not begun to be written; a frame that has must be finished."""
        kept = [self._entries[0]] if self._begun else []
        self._entries.clear()
        self._latest.clear()
        self._entries.extend(kept)
        self.size = sum(len(entry.data) for entry in kept)
