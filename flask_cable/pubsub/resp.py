"""Replies of a Redis server, as far as pub/sub needs them (RESP 2): hiredis' reader, or one in Python.

Called by ``redis.py`` only.
"""

from __future__ import annotations

from typing import Any

_MORE = object()


def make_reader() -> Any:
    """A reader with ``feed(data)`` and ``gets()``, which is False when no whole reply is there."""
    try:
        from hiredis import Reader
    except ImportError:
        return PythonReader()
    return Reader()


class PythonReader:
    """Arrays, strings, numbers and errors; an error is returned, and not raised."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        self._data = self._data[self._at :] + data
        self._at = 0

    def gets(self) -> Any:
        """The next reply; False when it is not whole yet."""
        reply, end = self._parse(self._at)
        if reply is _MORE:
            return False
        self._at = end
        return reply

    def _parse(self, start: int) -> tuple[Any, int]:
        end = self._data.find(b"\r\n", start)
        if end < 0:
            return _MORE, start
        kind, line = self._data[start : start + 1], self._data[start + 1 : end]
        if kind == b"$":
            return self._text(int(line), end + 2)
        if kind == b"*":
            return self._list(int(line), end + 2)
        if kind == b"+":
            return line, end + 2
        if kind == b":":
            return int(line), end + 2
        if kind == b"-":
            return RuntimeError(line.decode(errors="replace")), end + 2
        raise ValueError(f"no reply of Redis begins with {kind!r}")

    def _text(self, size: int, start: int) -> tuple[Any, int]:
        if size < 0:
            return None, start
        end = start + size
        if len(self._data) < end + 2:
            return _MORE, start
        return self._data[start:end], end + 2

    def _list(self, size: int, at: int) -> tuple[Any, int]:
        found = []
        for _ in range(size):
            item, at = self._parse(at)
            if item is _MORE:
                return _MORE, at
            found.append(item)
        return found, at
