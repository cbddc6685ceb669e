"""Pub/sub over any client that an application brings, for servers that have no adapter here.

Given to the extension: ``Cable(pubsub=lambda: ExternalPubSub(MyClient()))``.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from ..errors import ConfigError
from .listening import Heard, Listener
from .network import BusOptions, NetworkPubSub
from .sending import Broken, Sender
from .store import Store


class ExternalClient(Protocol):
    """What a client has to have. Every method may block, and raises when it cannot do what it is asked.

    ``subscribe`` returns when nothing can be missed any more, with what ``unsubscribe`` wants. Callbacks
    get text, or bytes of UTF-8, on any thread. ``publish`` returns when the server has the message.
    ``subscriber_count`` and ``close`` are welcome, and not needed.
    """

    def subscribe(self, stream: str, callback: Callable[[Any], Any]) -> Any: ...

    def unsubscribe(self, subscription: Any) -> Any: ...

    def publish(self, stream: str, message: str) -> Any: ...


class ExternalPubSub(NetworkPubSub):
    """Lets a client carry the messages.

    The client is called by two threads of this adapter's: one subscribes and unsubscribes, the other
    publishes. It is subscribed once to each stream. What ``subscribe`` raises is an outage: everything
    is subscribed anew, for ever. What ``publish`` raises reaches who broadcast.

    Args:
        client: what talks to the server.
        options: unlike elsewhere, there is no prefix by default.
        store: what the processes share beside messages, for the features that need it.
    """

    def __init__(
        self, client: ExternalClient, options: BusOptions | None = None, store: Store | None = None
    ) -> None:
        super().__init__(f"external://{type(client).__name__}", options or BusOptions(prefix=""))
        self._client = client
        self._given_store = store

    def make_store(self) -> Store:
        if self._given_store is None:
            raise ConfigError("this needs a store: ExternalPubSub(client, store=...)")
        return self._given_store

    def listen(self) -> Listener:
        return ExternalListener(self._client)

    def connect(self) -> Sender:
        return ExternalSender(self._client)

    def stop(self) -> None:
        super().stop()
        close = getattr(self._client, "close", None)
        if close is not None:
            with suppress(Exception):
                close()


class ExternalListener(Listener):
    """What the client calls back goes into a queue, and is taken from it by the adapter's thread."""

    def __init__(self, client: ExternalClient) -> None:
        self._client = client
        self._subscriptions: dict[str, Any] = {}
        self._said: queue.SimpleQueue[Heard | None] = queue.SimpleQueue()

    def subscribe(self, addresses: Sequence[str]) -> None:
        for address in addresses:
            self._subscriptions[address] = self._client.subscribe(address, partial(self._hear, address))
            self._said.put((address, None))

    def unsubscribe(self, addresses: Sequence[str]) -> None:
        for address in addresses:
            self._client.unsubscribe(self._subscriptions.pop(address))

    def _hear(self, address: str, message: str | bytes) -> None:
        self._said.put((address, message.encode() if isinstance(message, str) else bytes(message)))

    def receive(self, timeout: float) -> Iterable[Heard] | None:
        try:
            said = self._said.get(timeout=timeout)
        except queue.Empty:
            return ()  # the client watches over its connection itself
        return None if said is None else (said,)

    def probe(self) -> None:
        """There is nobody to ask."""

    def wake(self) -> None:
        self._said.put(None)

    def close(self) -> None:
        for subscription in self._subscriptions.values():
            with suppress(Exception):
                self._client.unsubscribe(subscription)


class ExternalSender(Sender):
    """Hands one message after the other to the client."""

    def __init__(self, client: ExternalClient) -> None:
        self._client = client

    def send(self, messages: Sequence[tuple[str, bytes]]) -> Mapping[int, Exception]:
        for place, (address, payload) in enumerate(messages):
            try:
                self._client.publish(address, payload.decode())
            except Exception as error:
                raise Broken(error, place) from error
        return {}

    def close(self) -> None:
        """The client is the application's."""
