"""What adapters with a server have in common; a technology adds ``listen``, ``connect`` and their classes.

``NetworkPubSub`` keeps this process's callbacks and one supervised connection each for hearing and for
publishing. Both are made with the first use, and anew in a process that finds itself forked.
"""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..errors import BusError, ConfigError
from .base import Callback, Done, MakeEvent, PubSub, Watcher
from .envelope import Envelope
from .listening import Incoming, Listener
from .sending import Outgoing, Sender
from .store import Store

logger = logging.getLogger("flask_cable")


class BusOptions(NamedTuple):
    """How a networked adapter behaves.

    Attributes:
        prefix: what every address on the server begins with.
        secrets: sign messages with the first of these, take those signed with any.
        timeout: seconds that the server gets to answer; twice that, and its silence is an outage.
        buffer: messages that are kept while the server is away; with 0 publishing fails then.
        queue: messages that may wait to be sent while it is there.
    """

    prefix: str = "cable:"
    secrets: Sequence[str | bytes] = ()
    timeout: float = 5.0
    buffer: int = 0
    queue: int = 10_000


class NetworkPubSub(PubSub):
    """Pub/sub over a server.

    One subscription at the server for each stream that somebody in this process hears; one supervised
    connection that hears, on a thread of its own, which is a greenlet where gevent has patched; another
    that publishes what all threads have to say, as much in one round trip as there is.
    """

    is_remote = True

    def __init__(self, url: str, options: BusOptions | None = None) -> None:
        self.url = url
        self.options = options or BusOptions()
        self.name = described(url)
        self.timeout = self.options.timeout
        self.envelope = Envelope(self.options.secrets)
        self._store: Store | None = None
        self._incoming = Incoming(self.listen, self.envelope, self.timeout, self.name)
        self._outgoing = Outgoing(
            self.connect,
            self._incoming.hurry,
            self.timeout,
            self.options.buffer,
            self.options.queue,
            name=self.name,
        )
        self._incoming.watch(Watcher(lambda error: self._outgoing.doubt(), lambda seconds: None))

    # For one technology to provide.

    @abstractmethod
    def listen(self) -> Listener:
        """Open a connection that hears; may block for ``timeout``. Raises any error when it cannot."""

    @abstractmethod
    def connect(self) -> Sender:
        """Open a connection that publishes; may block for ``timeout``. Raises any error when it cannot."""

    @abstractmethod
    def make_store(self) -> Store:
        """The store on the same server, which connects with its first use."""

    def address(self, stream: str) -> str:
        """Where the server has a stream: its name behind the prefix. Different streams never share one.

        An adapter whose server cannot take every name overrides this.
        """
        return self.options.prefix + stream

    # The port.

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = self.make_store()
        return self._store

    def publish(self, stream: str, message: str, make_event: MakeEvent = threading.Event) -> None:
        outcome = _Outcome(make_event())
        self.post(stream, message, outcome.done)
        if not outcome.event.wait(self.timeout) and not self.options.buffer:
            raise BusError(f"{self.name} did not answer within {self.timeout:g} s")
        if outcome.error is not None:
            raise outcome.error

    def post(self, stream: str, message: str, done: Done | None = None) -> None:
        address = self._checked(stream)
        self._outgoing.post(address, self.envelope.wrap(address, message), done)

    def subscribe(self, stream: str, callback: Callback, on_live: Callable[[], object] | None = None) -> int:
        self._outgoing.start()
        return self._incoming.subscribe(self._checked(stream), callback, on_live)

    def _checked(self, stream: str) -> str:
        """An address that has UTF-8, which is found out here and not on the threads that all share."""
        address = self.address(stream)
        address.encode()
        return address

    def unsubscribe(self, subscription: int) -> bool:
        return self._incoming.unsubscribe(subscription)

    def subscriber_count(self, stream: str) -> int:
        return self._incoming.subscriber_count(self.address(stream))

    @property
    def is_live(self) -> bool:
        return self._incoming.is_live

    @property
    def is_lost(self) -> bool:
        return self._incoming.is_lost

    @property
    def dropped(self) -> int:
        """How many messages were malformed, foreign or not signed as they have to be."""
        return self._incoming.dropped

    def watch(self, watcher: Watcher) -> None:
        self._incoming.watch(watcher)

    def stop(self) -> None:
        self._outgoing.stop()
        self._incoming.stop()
        if self._store is not None:
            self._store.stop()


class _Outcome:
    """How a post went, for one who waits for it."""

    __slots__ = ("error", "event")

    def __init__(self, event: Any) -> None:
        self.event = event
        self.error: BusError | None = None

    def done(self, error: BusError | None) -> None:
        self.error = error
        self.event.set()


def described(url: str) -> str:
    """A URL as it may be logged: without user, password and query.

    Raises:
        ConfigError: it is none, or has a password in it that looks like its end.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # whose text may hold the password
        raise ConfigError("CABLE_URL: the host cannot be read; is all before it percent-encoded?") from None
    rest = parts.path + parts.query.partition("=")[0] + parts.fragment
    if "@" in rest and parts.scheme != "unix":
        raise ConfigError(
            "CABLE_URL: '/', '?', '#' and '@' in a name or a password are written as %2F, %3F, %23 and %40"
        )
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
