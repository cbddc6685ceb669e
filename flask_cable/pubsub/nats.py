"""Pub/sub over NATS, with nats-py on a thread of its own.

A stream is a subject behind the prefix, with what NATS does not take in one written as ``%2E``. Messages that
are larger than the server takes are cut. Plain NATS, no JetStream: whoever is away misses them.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ..errors import BusError, ConfigError
from .chunks import Assembler, cut
from .listening import Heard, Listener
from .nats_line import NatsLine, NatsPlan, read_url
from .nats_store import NatsStore
from .nats_thread import Bell, NatsThread
from .network import BusOptions, NetworkPubSub
from .sending import Sender

LONGEST = 500
"""Bytes of a subject's last token; of a longer name the hash stands there. A server's limit is 4,096."""

MANY = 1000
"""Streams that are subscribed to in one round trip."""

BACKLOG = 64 * 2**20
"""Bytes that may wait here to be delivered, as many as a server keeps for one who does not read."""

PLAIN = re.compile(r"[^A-Za-z0-9_:/|=+-]")


class NatsPubSub(NetworkPubSub):
    """``nats://`` and ``tls://``; several hosts are separated by commas."""

    def __init__(self, url: str, options: BusOptions | None = None) -> None:
        super().__init__(url, options)
        if re.search(r"[\s*>]|^[.$]|\.\.", self.options.prefix):
            raise ConfigError(f"CABLE_PREFIX={self.options.prefix!r}: no subject of NATS may begin like this")
        self._plan = read_url(url)
        self._thread = NatsThread()

    def make_store(self) -> NatsStore:
        return NatsStore(self._thread, self._plan, self.name, self.options.prefix, self.timeout)

    def address(self, stream: str) -> str:
        token = PLAIN.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), stream) or "%"
        if len(token) > LONGEST:
            token = "#" + hashlib.blake2b(stream.encode(), digest_size=16).hexdigest()
        return self.options.prefix + token

    def listen(self) -> Listener:
        return NatsListener(self._thread, self._plan, self.timeout)

    def connect(self) -> Sender:
        return NatsSender(NatsLine(self._thread, self._plan, self.timeout))

    def stop(self) -> None:
        super().stop()
        self._thread.stop()


class NatsListener(Listener):
    """One connection that subscribes. nats-py's thread leaves here what it hears, and rings."""

    def __init__(self, thread: NatsThread, plan: NatsPlan, timeout: float) -> None:
        self._bell = Bell()
        self._heard: deque[Heard | None] = deque()
        self._arrived = self._delivered = 0
        self._assembler = Assembler()
        self._subscriptions: dict[str, Any] = {}
        try:
            self._line = NatsLine(thread, plan, timeout, self._bell.ring)
        except BaseException:
            self._bell.close()
            raise

    def subscribe(self, addresses: Sequence[str]) -> None:
        for start in range(0, len(addresses), MANY):
            some = addresses[start : start + MANY]
            self._line.call(partial(self._subscribe, some))

    async def _subscribe(self, addresses: Sequence[str]) -> None:
        client = self._line.client
        for address in addresses:
            self._subscriptions[address] = await client.subscribe(address, cb=self._take)
        await self._line.flush()
        self._put(*((address, None) for address in addresses))

    def unsubscribe(self, addresses: Sequence[str]) -> None:
        self._line.call(partial(self._unsubscribe, addresses))

    async def _unsubscribe(self, addresses: Sequence[str]) -> None:
        for address in addresses:
            await self._subscriptions.pop(address).unsubscribe()

    def probe(self) -> None:
        self._line.post(self._probe)

    async def _probe(self) -> None:
        await self._line.flush()
        self._put(None)

    async def _take(self, message: Any) -> None:
        self._arrived += len(message.data)
        self._put((message.subject, message.data))

    def _put(self, *heard: Heard | None) -> None:
        self._heard.extend(heard)
        self._bell.ring()

    def receive(self, timeout: float) -> Iterable[Heard] | None:
        if not (self._heard or self._line.ended or self._line.complaints):
            self._bell.wait(timeout)
        if self._heard:
            return self._assembled([self._heard.popleft() for _ in range(len(self._heard))])
        if self._line.ended:
            raise self._line.ended
        if self._line.complaints:
            raise BusError(self._line.complaints[-1])
        return None

    def _assembled(self, some: Iterable[Heard | None]) -> Iterator[Heard]:
        if self._arrived - self._delivered > BACKLOG:
            raise BusError(f"{BACKLOG} bytes wait to be delivered")
        for heard in some:
            if heard is None:
                continue
            address, data = heard
            payload = None
            if data is not None:
                self._delivered += len(data)
                payload = self._assembler.take(address, data)
            if data is None or payload is not None:
                yield address, payload

    def wake(self) -> None:
        self._bell.ring()

    def close(self) -> None:
        self._line.close()
        self._bell.close()


class NatsSender(Sender):
    """One connection that publishes; a flush says that the server has taken all."""

    def __init__(self, line: NatsLine) -> None:
        self._line = line

    def send(self, messages: Sequence[tuple[str, bytes]]) -> Mapping[int, Exception]:
        return self._line.call(partial(self._send, messages))

    async def _send(self, messages: Sequence[tuple[str, bytes]]) -> dict[int, Exception]:
        client = self._line.client
        self._line.complaints.clear()
        for address, payload in messages:
            for piece in cut(payload, client.max_payload):
                await client.publish(address, piece)
        await self._line.flush()
        return self._refused(messages)

    def _refused(self, messages: Sequence[tuple[str, bytes]]) -> dict[int, Exception]:
        """What the server complained about meanwhile; it names the subject in its complaint."""
        return {
            place: PermissionError(complaint)
            for complaint in self._line.complaints
            for place, (address, _) in enumerate(messages)
            if f'"{address}"'.lower() in complaint.lower()
        }

    @property
    def is_stale(self) -> bool:
        return self._line.ended is not None

    def close(self) -> None:
        self._line.close()
