"""Pushes to pages, from a process that serves them or from any other: each is kept for a while, then sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...streams import stream_key, stream_names
from .ledger import SHARED, Ledger, address, address_of
from .lines import PUSH, alone_line, shared_line
from .patterns import is_pattern


class Pusher:
    """Pushes any JSON value to pages, wherever they are.

    Args:
        encode: makes JSON text. Raises ``EncodeError``.
        broadcast: takes an address and a text to every process. Raises ``BusError``.
        pushed: told of each stream and the JSON text that is pushed to it.
    """

    def __init__(
        self,
        ledger: Ledger,
        encode: Callable[[Any], str],
        broadcast: Callable[[str, str], object],
        pushed: Callable[[str, str], object] = lambda stream, body: None,
    ) -> None:
        self._ledger = ledger
        self._encode = encode
        self._broadcast = broadcast
        self._pushed = pushed

    def push(self, message: Any, *streams: Any) -> None:
        """Push to every page that hears one of these streams, once.

        Raises:
            ValueError: no stream is named.
            EncodeError: the message has no JSON form; nothing was sent.
            BusError: the server behind the adapter or the store did not answer.
        """
        names, body = stream_names(*streams), self._encode(message)
        for name in names:
            self._pushed(name, body)
        if len(names) == 1 and not is_pattern(names[0]):
            self._send(address(names[0]), body)
        else:
            self._send(SHARED, shared_line(names, body))

    def push_to(self, digest: str, message: Any, stream: Any) -> None:
        """Push to one page, as if by a stream, which it need not hear. Raises as ``push`` does."""
        line = alone_line(stream_key(stream), self._encode(message))
        self._send(address_of(digest), line, PUSH)

    def _send(self, log: str, line: str, kind: str = "") -> None:
        offset = self._ledger.keep(log, line)
        self._broadcast(log, f"{kind}{offset}|{line}")
