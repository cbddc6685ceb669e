"""Pub/sub within one process: a publish calls the callbacks before it returns."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable

from .base import PubSub

logger = logging.getLogger("flask_cable")


class MemoryPubSub(PubSub):
    """The default: nothing to install, and nothing reaches another process."""

    is_shared = False

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._streams: dict[str, dict[int, Callable[[str], object]]] = {}
        self._stream_of: dict[int, str] = {}

    def publish(self, stream: str, message: str) -> None:
        callbacks = self._streams.get(stream)
        for number, callback in list(callbacks.items()) if callbacks else ():
            if number not in self._stream_of:  # it left while others were called
                continue
            try:
                callback(message)
            except Exception:
                logger.exception("a subscriber of %r raised", stream)

    def subscribe(
        self, stream: str, callback: Callable[[str], object], on_live: Callable[[], object] | None = None
    ) -> int:
        number = next(self._numbers)
        self._streams.setdefault(stream, {})[number] = callback
        self._stream_of[number] = stream
        if on_live is not None:
            on_live()
        return number

    def unsubscribe(self, subscription: int) -> bool:
        stream = self._stream_of.pop(subscription, None)
        if stream is None:
            return False
        callbacks = self._streams[stream]
        del callbacks[subscription]
        if not callbacks:
            del self._streams[stream]
        return True

    def subscriber_count(self, stream: str) -> int:
        return len(self._streams.get(stream, ()))
