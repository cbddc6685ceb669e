"""Lease: as long as a process says so again and again, what it owns among the others is its own.

A process that dies says nothing more, and everything that it owned is free when the lease runs out. One
that was only out of reach says it all again. Knows no store; asked by ``unique.py`` and ``group.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from ..errors import BusError
from .executor import Executor, Timer

logger = logging.getLogger("flask_cable")

BEATS = 4
"""How often a lease is renewed before it would run out: two may go wrong."""

FOR_EVER = 1e9
"""Seconds of a lease that nobody else could ask for."""


class Store(Protocol):
    """What names and groups ask of a store; calls may block."""

    def beat(self, node: str, ttl: float) -> bool: ...

    def retire(self, node: str) -> None: ...

    def claim(self, name: str, owner: str) -> str: ...

    def release(self, name: str, owner: str) -> bool: ...

    def owner(self, name: str) -> str | None: ...

    def set_count(self, key: str, node: str, count: int) -> None: ...

    def counts(self, key: str) -> dict[str, int]: ...


class Shared(Protocol):
    """What has a store, and says whether another process could have it, too."""

    @property
    def is_shared(self) -> bool: ...

    @property
    def store(self) -> Store: ...


class Lease:
    """One process's lease; it begins with the first use, and nothing is asked of the store before.

    Args:
        node: what the process is called in the cluster.
        shared: where the store is; one that no other process can reach is asked once.
        seconds: after which a process that says nothing counts for dead.
    """

    def __init__(self, node: str, shared: Shared, executor: Executor, seconds: float) -> None:
        self.node = node
        self._shared = shared
        self._executor = executor
        self._seconds = seconds
        self._lock = executor.lock()
        self._until = float("-inf")
        self._timer: Timer | None = None
        self._begun = self._retired = self._beating = False
        self._doubtful = False
        self._restate: list[Callable[[], object]] = []

    @property
    def store(self) -> Store:
        """The store, for who only looks."""
        return self._shared.store

    @property
    def holds(self) -> bool:
        """Whether nobody can have been given what this process owns."""
        return self._executor.monotonic() < self._until

    def when_lapsed(self, restate: Callable[[], object]) -> None:
        """Call ``restate()`` on a worker when all has to be said again; until it raises no ``BusError``."""
        self._restate.append(restate)

    def hold(self) -> Store:
        """The store, once this process has a lease there; may block. Raises ``BusError``."""
        if not self.holds:
            self.renew()
        return self.store

    def renew(self) -> None:
        """Say that this process lives; may block. Raises ``BusError``."""
        with self._lock:
            began = self._executor.monotonic()
            seconds = self._seconds if self._shared.is_shared else FOR_EVER
            if not self.store.beat(self.node, seconds) and self._begun:
                logger.warning("the lease on names and groups had run out: they are claimed again")
                self._doubtful = True
            self._until = began + seconds
            if not self._begun and self._shared.is_shared:
                self._timer = self._executor.every(seconds / BEATS, self._beat_soon)
            self._begun = True
        if self._doubtful:
            self._executor.submit(self._say_again)

    def doubt(self) -> None:
        """Something could not be said: everything is said again with the next beat."""
        self._doubtful = True

    def _beat_soon(self) -> None:
        if not (self._beating or self._retired):
            self._beating = True
            self._executor.submit(self._beat)

    def _beat(self) -> None:
        try:
            self.renew()
        except BusError as error:
            logger.warning("the lease on names and groups could not be renewed: %s", error)
        finally:
            self._beating = False

    def _say_again(self) -> None:
        self._doubtful = False
        for restate in self._restate:
            try:
                restate()
            except BusError as error:
                self._doubtful = True
                logger.warning("names and groups could not be claimed again yet: %s", error)

    def retire(self) -> None:
        """Give up everything: the process ends; may block."""
        self._retired = True
        if self._timer is not None:
            self._timer.cancel()
        if self._begun:
            self._until = float("-inf")
            try:
                self.store.retire(self.node)
            except BusError as error:
                logger.warning("what this process owned is free when its lease runs out: %s", error)
