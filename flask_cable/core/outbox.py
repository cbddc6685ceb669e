"""What a peer has not taken yet: ordered, bounded in bytes, written by one writer."""

from __future__ import annotations

from collections import deque


class Outbox:
    """Bytes that wait until the peer reads again.

    A peer that lets more than ``limit`` bytes pile up is too slow. One message may exceed the limit by
    itself, or nobody could be sent a large one.
    """

    __slots__ = ("_begun", "_chunks", "limit", "size")

    def __init__(self, limit: int) -> None:
        self._chunks: deque[bytes | memoryview] = deque()
        self._begun = False
        self.size = 0
        self.limit = limit

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def add(self, chunk: bytes | memoryview, begun: bool = False) -> bool:
        """Queue ``chunk``; False when that would be too much, and then it is not queued.

        Args:
            begun: the chunk is the rest of a frame whose first bytes the peer has.
        """
        if self.size and self.size + len(chunk) > self.limit:
            return False
        self._begun = self._begun or begun
        self._chunks.append(chunk)
        self.size += len(chunk)
        return True

    def first(self) -> bytes | memoryview:
        """What is to be written next."""
        return self._chunks[0]

    def taken(self, count: int) -> None:
        """``count`` bytes of ``first()`` have been written."""
        self.size -= count
        chunk = self._chunks.popleft()
        self._begun = count < len(chunk)
        if self._begun:
            self._chunks.appendleft(memoryview(chunk)[count:])

    def drop_unbegun(self) -> None:
        """Forget what has not begun to be written; a frame that has must be finished."""
        kept = self._chunks[0] if self._begun else b""
        self._chunks.clear()
        self.size = len(kept)
        if kept:
            self._chunks.append(kept)
