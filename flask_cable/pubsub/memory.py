"""Pub/sub within one process: a publish calls the callbacks before it returns. Its store is a few dicts."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from .base import MakeEvent, PubSub
from .store import Entry, Store

logger = logging.getLogger("flask_cable")


SWEEP = 60.0
"""Seconds between looks for what has expired, at most."""


class MemoryPubSub(PubSub):
    """The default: nothing to install, and nothing reaches another process."""

    name = "memory"
    is_shared = False

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._streams: dict[str, dict[int, Callable[[str], object]]] = {}
        self._stream_of: dict[int, str] = {}
        self._store = MemoryStore()

    @property
    def store(self) -> MemoryStore:
        return self._store

    def publish(self, stream: str, message: str, make_event: MakeEvent = threading.Event) -> None:
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


class MemoryStore(Store):
    """Shared by the threads of one process, and gone with it.

    Args:
        clock: seconds that only grow; tests move it by hand.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._leases: dict[str, float] = {}
        self._owners: dict[str, str] = {}
        self._counts: dict[str, dict[str, int]] = {}
        self._texts: dict[str, tuple[str, float]] = {}
        self._logs: dict[str, _Log] = {}
        self._sweep_at = 0.0

    def _lives(self, node: str) -> bool:
        return self._leases.get(node, 0.0) > self._clock()

    def beat(self, node: str, ttl: float) -> bool:
        with self._lock:
            lived = self._lives(node)
            if not lived:
                self._forget(node)
            self._leases[node] = self._clock() + ttl
            self._sweep(ttl)
            return lived

    def _sweep(self, seconds: float) -> None:
        """Remove what has expired, once in so many seconds."""
        now = self._clock()
        if now < self._sweep_at:
            return
        self._sweep_at = now + min(seconds, SWEEP)
        for node in [node for node in self._leases if not self._lives(node)]:
            self._forget(node)
        self._texts = {key: kept for key, kept in self._texts.items() if kept[1] > now}
        self._logs = {key: log for key, log in self._logs.items() if log.until > now}

    def retire(self, node: str) -> None:
        with self._lock:
            self._forget(node)

    def _forget(self, node: str) -> None:
        self._leases.pop(node, None)
        self._owners = {name: owner for name, owner in self._owners.items() if _node_of(owner) != node}
        for key in [key for key, counts in self._counts.items() if node in counts]:
            self._count(key, node, 0)

    def _owner(self, name: str) -> str | None:
        owner = self._owners.get(name)
        return owner if owner is not None and self._lives(_node_of(owner)) else None

    def claim(self, name: str, owner: str) -> str:
        with self._lock:
            holder = self._owner(name)
            if holder is None and self._lives(_node_of(owner)):
                self._owners[name] = holder = owner
            return holder or ""

    def release(self, name: str, owner: str) -> bool:
        with self._lock:
            if self._owner(name) != owner:
                return False
            del self._owners[name]
            return True

    def owner(self, name: str) -> str | None:
        with self._lock:
            return self._owner(name)

    def set_count(self, key: str, node: str, count: int) -> None:
        with self._lock:
            self._count(key, node, count)

    def _count(self, key: str, node: str, count: int) -> None:
        counts = self._counts.setdefault(key, {})
        counts[node] = count
        if not count:
            del counts[node]
        if not counts:
            del self._counts[key]

    def counts(self, key: str) -> dict[str, int]:
        with self._lock:
            counts = self._counts.get(key, {})
            return {node: count for node, count in counts.items() if self._lives(node)}

    def put(self, key: str, text: str, ttl: float) -> None:
        with self._lock:
            self._texts[key] = (text, self._clock() + ttl)
            self._sweep(ttl)

    def get(self, key: str) -> str | None:
        with self._lock:
            return self._kept(self._texts.get(key))

    def take(self, key: str) -> str | None:
        with self._lock:
            return self._kept(self._texts.pop(key, None))

    def _kept(self, kept: tuple[str, float] | None) -> str | None:
        return kept[0] if kept is not None and kept[1] > self._clock() else None

    def append(self, key: str, text: str, limit: int, ttl: float) -> int:
        with self._lock:
            self._sweep(ttl)
            log = self._logs.get(key)
            if log is None or log.until <= self._clock():
                log = self._logs[key] = _Log(self._clock())
            return log.append(text, limit, self._clock() + ttl)

    def since(self, key: str, offset: int) -> list[Entry] | None:
        with self._lock:
            log = self._logs.get(key)
            return log.since(offset) if log is not None and log.until > self._clock() else None

    def last(self, key: str, count: int) -> list[Entry]:
        with self._lock:
            log = self._logs.get(key)
            return log.last(count) if log is not None and log.until > self._clock() else []


class _Log:
    """The last lines of one log. It begins at a time, so that one that is made anew goes on above the old."""

    def __init__(self, now: float) -> None:
        self._entries: deque[Entry] = deque()
        self._last = int(now * 1_000_000)
        self._gone = self._last
        self.until = 0.0

    def append(self, text: str, limit: int, until: float) -> int:
        self._last += 1
        self.until = until
        self._entries.append(Entry(self._last, text))
        while len(self._entries) > limit:
            self._gone = self._entries.popleft().offset
        return self._last

    def since(self, offset: int) -> list[Entry] | None:
        if not self._gone <= offset <= self._last:
            return None
        return [entry for entry in self._entries if entry.offset > offset]

    def last(self, count: int) -> list[Entry]:
        return list(self._entries)[-count:]


def _node_of(owner: str) -> str:
    return owner.partition(":")[0]
