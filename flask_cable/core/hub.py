"""Hub: which of this process's connections hear a stream.

The first to join a stream opens it at the pub/sub adapter, the last to leave closes it. A message is
encoded once for all members that share an encoding, and a member that fails delays nobody.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import BusError
from ..protocols.frames import Frame
from .executor import Executor

if TYPE_CHECKING:
    from .connection import Connection

logger = logging.getLogger("flask_cable")

_KINDS = ("j", "r")
"""How a message's body was made: as JSON, or by a coder."""

RELAYED = "p"
"""The head of a message that is for relays only."""

Encode = Callable[[Any, bytes], Frame | None]
"""Makes a message a frame for those who share a key; None where they are not to hear of it."""

Listener = Callable[[str], object]
Encoding = tuple[Encode, Any]


class Bus(Protocol):
    """What the hub asks of a pub/sub adapter."""

    @property
    def is_shared(self) -> bool: ...

    @property
    def is_remote(self) -> bool: ...

    @property
    def is_lost(self) -> bool: ...

    def publish(self, stream: str, message: str, make_event: Callable[[], Any] = ...) -> None: ...

    def post(self, stream: str, message: str, done: Callable[[BusError | None], object]) -> None: ...

    def subscribe(
        self, stream: str, callback: Callable[[str], object], on_live: Callable[[], object] | None = None
    ) -> int: ...

    def unsubscribe(self, subscription: int) -> bool: ...


class Relay(Protocol):
    """Who sees to a stream's messages itself: whom they reach in this process, and as what."""

    def handle_broadcast(self, body: bytes, skipped: int) -> object:
        """A message for everybody, as JSON, but for the connection whose id is ``skipped``, or 0."""

    def handle_packet(self, packet: str) -> object:
        """Something from a relay of the same stream, ``publish``'s caller included, in whatever process."""

    def hearers(self) -> Iterable[Connection]:
        """Whom the stream's messages reach through it."""


class _Audience:
    """Who hears one stream here."""

    __slots__ = ("listeners", "live", "lost", "members", "relays", "subscription", "waiting")

    def __init__(self) -> None:
        self.members: dict[Encoding, dict[Connection, None]] = {}
        self.listeners: dict[Listener, Connection | None] = {}
        self.relays: dict[Relay, None] = {}
        self.waiting: list[Callable[[], object]] = []
        self.live = False
        self.lost = False
        self.subscription = -1

    def __bool__(self) -> bool:
        return bool(self.members or self.listeners or self.relays)


class Hub:
    """Streams of one process.

    Attributes:
        node: this process's name in the cluster; with a connection's id it says who not to send to.
    """

    def __init__(self, bus: Bus, executor: Executor, node: str | None = None) -> None:
        self.bus = bus
        self.executor = executor
        self.node = node or secrets.token_hex(6)
        self._streams: dict[str, _Audience] = {}
        self._complained = False

    @property
    def streams(self) -> list[str]:
        """The names that somebody hears here."""
        return list(self._streams)

    def subscriber_count(self, stream: str) -> int:
        """How many members, listeners and relays a stream has in this process."""
        audience = self._streams.get(stream)
        if audience is None:
            return 0
        return len(audience.listeners) + len(audience.relays) + sum(map(len, audience.members.values()))

    # Joining and leaving.

    def join(
        self, stream: str, connection: Connection, encode: Encode, key: Any, on_live: Callable[[], object]
    ) -> bool:
        """Send a stream's messages to ``connection`` as ``encode(key, text)``.

        Members with the same ``encode`` and ``key`` share one encoded frame. Returns True when the stream
        is live now; otherwise ``on_live`` is called, from any thread, when it is.
        """
        with self.executor.guard:
            audience, first = self._audience(stream)
            audience.members.setdefault((encode, key), {})[connection] = None
            return self._await_live(stream, audience, first, on_live)

    def leave(self, stream: str, connection: Connection, encode: Encode, key: Any) -> bool:
        """Undo ``join``; False when the connection was not there."""
        with self.executor.guard:
            audience = self._streams.get(stream)
            members = audience.members.get((encode, key), {}) if audience else {}
            if audience is None or connection not in members:
                return False
            del members[connection]
            if not members:
                del audience.members[(encode, key)]
            self._leave_if_empty(stream, audience)
            return True

    def listen(
        self,
        stream: str,
        listener: Listener,
        on_live: Callable[[], object] | None = None,
        connection: Connection | None = None,
    ) -> bool:
        """Call ``listener(text)`` for each message; it must not block. Returns as ``join`` does.

        Args:
            connection: for whom it listens, so that it is not called when that one is excluded.
        """
        with self.executor.guard:
            audience, first = self._audience(stream)
            audience.listeners[listener] = connection
            return self._await_live(stream, audience, first, on_live)

    def unlisten(self, stream: str, listener: Listener) -> bool:
        """Undo ``listen``; False when it was not listening."""
        with self.executor.guard:
            audience = self._streams.get(stream)
            if audience is None or listener not in audience.listeners:
                return False
            del audience.listeners[listener]
            self._leave_if_empty(stream, audience)
            return True

    def relay(self, stream: str, relay: Relay, on_live: Callable[[], object] | None = None) -> bool:
        """Give a stream's messages to ``relay``, whose methods must not block. Returns as ``join`` does."""
        with self.executor.guard:
            audience, first = self._audience(stream)
            audience.relays[relay] = None
            return self._await_live(stream, audience, first, on_live)

    def unrelay(self, stream: str, relay: Relay) -> bool:
        """Undo ``relay``; False when it was not there."""
        with self.executor.guard:
            audience = self._streams.get(stream)
            if audience is None or relay not in audience.relays:
                return False
            del audience.relays[relay]
            self._leave_if_empty(stream, audience)
            return True

    def _audience(self, stream: str) -> tuple[_Audience, bool]:
        audience = self._streams.get(stream)
        if audience is not None:
            return audience, False
        audience = self._streams[stream] = _Audience()
        return audience, True

    def _await_live(
        self, stream: str, audience: _Audience, first: bool, on_live: Callable[[], object] | None
    ) -> bool:
        if first:
            self._open(stream, audience)
        if not audience.live and on_live is not None:
            audience.waiting.append(on_live)
        return audience.live

    def _open(self, stream: str, audience: _Audience) -> None:
        def live() -> None:
            self._at_home(self._live, audience)

        def deliver(message: str) -> None:
            self._at_home(self._deliver, audience, message)

        try:
            audience.subscription = self.bus.subscribe(stream, deliver, live)
        except BaseException:
            del self._streams[stream]
            raise

    def _at_home(self, function: Callable[..., object], *args: Any) -> None:
        """Adapters call from threads of their own; what they say keeps its order."""
        if self.executor.is_home():
            function(*args)
        else:
            self.executor.call_home(function, *args)

    def _live(self, audience: _Audience) -> None:
        with self.executor.guard:
            audience.live = True
            waiting, audience.waiting = audience.waiting, []
        for tell in waiting:
            tell()

    def _leave_if_empty(self, stream: str, audience: _Audience) -> None:
        if not audience:
            del self._streams[stream]
            self.bus.unsubscribe(audience.subscription)

    # Outages.

    def handle_lost(self) -> set[Connection]:
        """The adapter may miss messages: who joins from now on waits. Returns who may miss them, too."""
        with self.executor.guard:
            audiences = [audience for audience in self._streams.values() if audience.live]
            for audience in audiences:
                audience.live, audience.lost = False, True
            hearers: set[Connection] = set()
            for audience in audiences:
                hearers.update(*audience.members.values())
                hearers.update(owner for owner in audience.listeners.values() if owner is not None)
                hearers.update(*(relay.hearers() for relay in audience.relays))
            return hearers

    def handle_restored(self) -> None:
        """The adapter hears everything that it was asked for before the outage, and in it."""
        for audience in list(self._streams.values()):
            if audience.lost:
                audience.lost = False
                self._live(audience)

    # Out.

    def broadcast(self, stream: str, text: str, exclude: Connection | None = None, raw: bool = False) -> None:
        """Publish ``text`` to a stream everywhere, from any thread.

        Args:
            text: JSON, or with ``raw`` whatever a coder made.
            exclude: the one connection that is not to hear it.

        Raises:
            BusError: the server behind the adapter did not take it. Where the caller cannot wait for that,
                in the executor's own loop and on threads that it does not know, it is logged instead.
        """
        excluded = f"{self.node}:{exclude.id}" if exclude is not None else ""
        self._publish(stream, message_of(text, excluded, raw))

    def publish(self, stream: str, packet: str) -> None:
        """Publish something to a stream's relays everywhere, those of this process too. As ``broadcast``."""
        self._publish(stream, packet_of(packet))

    def _publish(self, stream: str, message: str) -> None:
        if not self.bus.is_remote:
            self._at_home(self.bus.publish, stream, message)
        elif self.executor.can_wait():
            self.bus.publish(stream, message, self.executor.event)
        else:
            self._at_home(self.bus.post, stream, message, self._posted)

    def _posted(self, error: BusError | None) -> None:
        if error is not None and not self._complained:
            logger.error("a broadcast that nobody waited for was lost, and perhaps more: %s", error)
        self._complained = error is not None

    def _deliver(self, audience: _Audience, message: str) -> None:
        """Hand a published message to this process's audience."""
        head, bar, text = message.partition("|")
        if head == RELAYED:
            return self._relay(audience, "handle_packet", text)
        skipped = self._local_id(head[1:])
        if skipped is None or not bar or head[:1] not in _KINDS:
            return logger.warning("a message that no hub made was dropped")
        if audience.members or audience.relays:
            body = text.encode() if head[:1] == "j" else _as_json(text)
            self._relay(audience, "handle_broadcast", body, skipped)
            for (encode, key), members in list(audience.members.items()):
                frame = _encoded(encode, key, body)
                if frame is not None:
                    _fan_out(frame, list(members), skipped)
        for listener, owner in list(audience.listeners.items()):
            if skipped and owner is not None and owner.id == skipped:
                continue
            if listener in audience.listeners:  # it may have left while others were called
                _isolated(listener, text)

    def _relay(self, audience: _Audience, method: str, *args: Any) -> None:
        for relay in list(audience.relays):
            _isolated(getattr(relay, method), *args)

    def _local_id(self, excluded: str) -> int | None:
        """The excluded connection's id, 0 for none of ours; None when that is not how a hub says it."""
        node, colon, number = excluded.partition(":")
        if not excluded:
            return 0
        if not colon or not (number.isascii() and number.isdigit()):
            return None
        return int(number) if node == self.node else 0


def _encoded(encode: Encode, key: Any, body: bytes) -> Frame | None:
    try:
        return encode(key, body)
    except Exception:
        logger.exception("a broadcast could not be encoded")
        return None


def packet_of(packet: str) -> str:
    """What is published of a packet for relays."""
    return f"{RELAYED}|{packet}"


def message_of(text: str, excluded: str = "", raw: bool = False) -> str:
    """What is published for a broadcast: ``j|text``, or ``r`` for what a coder made, and who is excluded."""
    return f"{'r' if raw else 'j'}{excluded}|{text}"


def _fan_out(frame: Frame, members: list[Connection], skipped: int) -> None:
    """The hot path: one call per member, and nothing made for any of them."""
    for connection in members:
        if skipped and connection.id == skipped:
            continue
        try:
            connection.transport.send(frame)
        except Exception:
            logger.exception("connection %s: could not be sent to", connection.id)


def _isolated(listener: Callable[..., object], *args: Any) -> None:
    try:
        listener(*args)
    except Exception:
        logger.exception("a stream's listener raised")


def _as_json(text: str) -> bytes:
    """What a coder made, as it can stand in a JSON frame: as it is when it is JSON, else as a string."""

    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return json.dumps(text).encode()
    return text.encode()
