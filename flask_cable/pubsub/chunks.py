"""Messages that are larger than the server takes at once: cut into parts there, put together again here.

Called by the NATS adapter. Over the wire goes ``+payload`` or, for each part, ``@id number count part``.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

OVERHEAD = 64
"""Bytes that a part's head takes at most."""

LIMIT = 64 * 2**20
"""Bytes of unfinished messages that are kept; past it the oldest of them go."""

PART = re.compile(rb"@([0-9a-f]{16}) ([0-9]{1,9}) ([1-9][0-9]{0,8}) ")


def cut(payload: bytes, size: int) -> Iterator[bytes]:
    """What is to be sent for a payload, none of it larger than ``size`` bytes."""
    if len(payload) < size:
        yield b"+" + payload
        return
    step = max(1, size - OVERHEAD)
    count, id = -(-len(payload) // step), secrets.token_hex(8)
    for number in range(count):
        head = f"@{id} {number} {count} ".encode()
        yield head + payload[number * step : (number + 1) * step]


class Assembler:
    """Puts parts together; those of one message come in their order, perhaps with others between them."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._unfinished: dict[tuple[str, bytes], list[bytes]] = {}

    def take(self, address: str, data: bytes) -> bytes | None:
        """A whole payload, or None while there is none; ``b""`` for what is not of this form."""
        if data[:1] == b"+":
            return data[1:]
        head = PART.match(data)
        if head is None:
            return b""
        id, number, count = head[1], int(head[2]), int(head[3])
        key = (address, id)
        if number == 0:
            self._unfinished[key] = []
        parts = self._unfinished.get(key)
        if parts is None or len(parts) != number:  # we came in the middle of it
            self._forget(key)
            return None
        parts.append(data[head.end() :])
        self._size += len(parts[-1])
        if number + 1 == count:
            self._forget(key)
            return b"".join(parts)
        while self._size > self._limit:
            self._forget(next(iter(self._unfinished)))
        return None

    def _forget(self, key: tuple[str, bytes]) -> None:
        self._size -= sum(map(len, self._unfinished.pop(key, ())))
