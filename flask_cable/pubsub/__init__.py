"""Between processes: one adapter per technology, chosen by URL scheme and imported late."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from ..errors import ConfigError
from .base import PubSub, Watcher
from .external import ExternalPubSub
from .memory import MemoryPubSub, MemoryStore
from .network import BusOptions, NetworkPubSub
from .store import Entry, Store

__all__ = [
    "BusOptions",
    "Entry",
    "ExternalPubSub",
    "MemoryPubSub",
    "MemoryStore",
    "NetworkPubSub",
    "PubSub",
    "Store",
    "Watcher",
    "adapter_of",
    "open_pubsub",
]

ADAPTERS = {
    "memory": (".memory", "MemoryPubSub"),
    **dict.fromkeys(("redis", "rediss", "unix", "valkey", "valkeys"), (".redis", "RedisPubSub")),
    **dict.fromkeys(("redis+sentinel", "rediss+sentinel"), (".redis", "RedisPubSub")),
    **dict.fromkeys(("redis+cluster", "rediss+cluster"), (".redis", "RedisPubSub")),
    **dict.fromkeys(("valkey+sentinel", "valkeys+sentinel"), (".redis", "RedisPubSub")),
    **dict.fromkeys(("valkey+cluster", "valkeys+cluster"), (".redis", "RedisPubSub")),
    **dict.fromkeys(("postgresql", "postgres"), (".postgres", "PostgresPubSub")),
    **dict.fromkeys(("nats", "tls"), (".nats", "NatsPubSub")),
}
"""URL scheme -> module and class; a class is made as ``RedisPubSub(url, options)``."""

LIBRARIES = {".redis": "redis", ".postgres": "psycopg", ".nats": "nats"}
"""Module -> what it imports; the extra that installs it is called as the module."""


def open_pubsub(url: str | None, options: BusOptions | None = None) -> PubSub:
    """Open the adapter that a URL names; ``None`` and ``memory://`` stay in this process.

    Nothing is connected to before the first use.

    Raises:
        ConfigError: no adapter has that scheme, its library is not installed, or the URL is wrong.
    """
    module, name = adapter_of(url)
    if name == "MemoryPubSub":
        return MemoryPubSub()
    adapter: PubSub = getattr(import_module(module, __name__), name)(url, options)
    return adapter


def adapter_of(url: str | None) -> tuple[str, str]:
    """The module and the class that a URL names; nothing is imported yet.

    Raises:
        ConfigError: no adapter has that scheme, or its library is not installed.
    """
    scheme = (url or "memory://").partition(":")[0].lower()
    if scheme not in ADAPTERS:
        known = ", ".join(f"{name}://" for name in ADAPTERS)
        raise ConfigError(f"CABLE_URL: no pub/sub adapter is called {scheme!r}; there are {known}")
    module, name = ADAPTERS[scheme]
    library = LIBRARIES.get(module)
    if library is not None and find_spec(library) is None:
        remedy = f"pip install 'Flask-Cable[{module[1:]}]'"
        raise ConfigError(f"CABLE_URL: {scheme}:// needs {library}, which is not installed: {remedy}")
    return module, name
