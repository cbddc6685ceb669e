"""What becomes of peers when the pub/sub adapter loses its server, and when it has it again.

The runtime hands ``watcher`` to the adapter. Whoever may have missed a message, or their own remote
disconnect, is told to come back, spread out, so that they look again at what is there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from .connection import Connection
from .drain import CODE, spread
from .executor import Executor
from .hub import Hub
from .registry import Registry, disconnect_each

logger = logging.getLogger("flask_cable")

REASON = "gap"


class Outage:
    """Follows the adapter of one process.

    Args:
        seconds: over which peers are told at most; None does not tell them.
        named: who may be sent something although it hears no stream.
    """

    def __init__(
        self,
        hub: Hub,
        registry: Registry,
        executor: Executor,
        seconds: float | None,
        named: Callable[[], Iterable[Connection]] = tuple,
    ) -> None:
        self._hub = hub
        self._registry = registry
        self._executor = executor
        self._seconds = seconds
        self._named = named
        self._missing: set[Connection] = set()

    def lost(self) -> None:
        """The server is gone; from any thread."""
        self._at_home(self._lost)

    def restored(self) -> None:
        """The server is back, and every stream heard again; from any thread."""
        self._at_home(self._restored)

    def _at_home(self, function: Callable[[], object]) -> None:
        if self._executor.is_home():
            function()
        else:
            self._executor.call_home(function)

    def _lost(self) -> None:
        self._registry.handle_lost()
        self._missing |= self._hub.handle_lost()
        self._missing.update(self._named())
        # One who hears nothing may still be disconnected from afar by what it is identified by.
        self._missing.update(one for one in self._registry.all() if one.identifiers)

    def _restored(self) -> None:
        self._hub.handle_restored()
        self._registry.handle_restored()
        missing, self._missing = [one for one in self._missing if not one.closed], set()
        if self._seconds is None or not missing:
            return
        takes = spread(self._executor, missing, self._seconds, _disconnect)
        logger.warning("%d peers may have missed messages; they are told within %.1f s", len(missing), takes)


def _disconnect(connections: list[Connection]) -> None:
    disconnect_each(connections, REASON, reconnect=True, code=CODE)
