"""Many WebSocket peers in one thread: they subscribe, and what each of them hears is kept in its order.

What is said to them has a `number`; the rest of a message is not looked at.
"""

from __future__ import annotations

import json
import re
import selectors
import time
from collections.abc import Callable, Iterator, Sequence

from support.wire import CLOSE, Wire

IDENTIFIER = '{"channel":"NewsChannel"}'
NUMBER = re.compile(rb'"number":\s?(\d+)')


class Refused(Exception):
    """The handshake was answered with something else than 101: `args` are the answer."""


class Peer:
    """One of the crowd.

    Attributes:
        numbers: those of the messages that it heard, in their order.
        told: when and how it was disconnected: the time, and the reason in the protocol's words.
        ended: when its TCP connection ended; None while it has not.
    """

    def __init__(self, port: int, user: int) -> None:
        self.user = user
        self.numbers: list[int] = []
        self.told: list[tuple[float, str]] = []
        self.ended: float | None = None
        self.welcomed = self.confirmed = False
        self.wire = Wire(port)
        answer = self.wire.ask(f"/cable?user={user}")
        if answer.status != 101:
            self.wire.close()
            raise Refused(answer)
        self.sock = self.wire._sock
        self._data = bytes(self.wire._buffer)
        self.take(b"")

    def subscribe(self) -> None:
        """Ask for the news."""
        self.sock.setblocking(True)
        self.wire.say(command="subscribe", identifier=IDENTIFIER)
        self.sock.setblocking(False)

    def read(self) -> None:
        """Take what has come."""
        try:
            data = self.sock.recv(2**18)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if data:
            self.take(data)
        else:
            self.ended = time.time()

    def take(self, data: bytes) -> None:
        """Hear whole frames, and keep what is left."""
        self._data += data
        for payload in self._payloads():
            self._hear(payload)

    def _payloads(self) -> Iterator[bytes]:
        data, start = self._data, 0
        while (cut := _cut(data, start)) is not None:
            if data[start] & 0x0F == CLOSE:
                self.ended = time.time()
            else:
                yield data[cut[0] : cut[1]]
            start = cut[1]
        self._data = data[start:]

    def _hear(self, payload: bytes) -> None:
        found = NUMBER.search(payload)
        if found is not None:
            self.numbers.append(int(found[1]))
        elif b'"welcome"' in payload:
            self.welcomed = True
        elif b'"confirm_subscription"' in payload:
            self.confirmed = True
        elif b'"disconnect"' in payload:
            self.told.append((time.time(), str(json.loads(payload)["reason"])))


def _cut(data: bytes, start: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `start` begins and ends, if it is there."""
    if len(data) < start + 2:
        return None
    size, at = data[start + 1], start + 2
    if size > 125:
        wide = 2 if size == 126 else 8
        size, at = int.from_bytes(data[at : at + wide], "big"), at + wide
    return (at, at + size) if len(data) >= at + size else None


class Crowd:
    """`count` peers, spread over the ports; a context manager."""

    def __init__(self, ports: Sequence[int], count: int) -> None:
        self.ports = ports
        self.peers: list[Peer] = []
        self._selector = selectors.DefaultSelector()
        for number in range(count):
            self.join(number)

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *error: object) -> None:
        for peer in self.peers:
            peer.wire.close()
        self._selector.close()

    def join(self, user: int) -> Peer:
        """One more peer."""
        peer = Peer(self.ports[user % len(self.ports)], user)
        peer.sock.setblocking(False)
        self._selector.register(peer.sock, selectors.EVENT_READ, peer)
        self.peers.append(peer)
        return peer

    def forget_those_told(self) -> None:
        """Go on with those who have not been disconnected."""
        for peer in [peer for peer in self.peers if peer.told]:
            if peer.ended is None:
                self._selector.unregister(peer.sock)
            peer.wire.close()
            self.peers.remove(peer)

    def subscribe(self, deadline: float = 30.0) -> None:
        """Let all who have not yet subscribe, and wait until they are confirmed."""
        self.listen(lambda: all(peer.welcomed for peer in self.peers), "all are welcomed", deadline)
        for peer in self.peers:
            if not peer.confirmed:
                peer.subscribe()
        self.listen(lambda: all(peer.confirmed for peer in self.peers), "all are confirmed", deadline)

    def listen(self, done: Callable[[], object], what: str, deadline: float = 30.0) -> None:
        """Read until something is so."""
        end = time.monotonic() + deadline
        while not done():
            assert time.monotonic() < end, f"not within {deadline} s: {what}"
            self.read(0.05)

    def read(self, timeout: float = 0.0) -> None:
        """Read what there is, or comes in so many seconds."""
        for key, _ in self._selector.select(timeout):
            peer: Peer = key.data
            peer.read()
            if peer.ended is not None:
                self._selector.unregister(peer.sock)
