"""Between processes: one adapter per technology, chosen by URL scheme and imported late."""

from __future__ import annotations

from ..errors import ConfigError
from .base import PubSub
from .memory import MemoryPubSub, MemoryStore
from .store import Entry, Store

__all__ = ["Entry", "MemoryPubSub", "MemoryStore", "PubSub", "Store", "open_pubsub"]


def open_pubsub(url: str | None) -> PubSub:
    """Open the adapter that a URL names; ``None`` and ``memory://`` stay in this process.

    Raises:
        ConfigError: no adapter has that scheme.
    """
    scheme = (url or "memory://").partition(":")[0]
    if scheme == "memory":
        return MemoryPubSub()
    raise ConfigError(f"CABLE_URL: no pub/sub adapter is called {scheme!r}; there is memory://")
