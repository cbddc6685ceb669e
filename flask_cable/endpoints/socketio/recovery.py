"""Recovery: a peer that comes back soon is who it was, and gets what it has missed.

Events are kept in one bounded log for each namespace, with their places in it as a last argument, which the
stock client remembers and says when it comes back. Everything here may block, and is never called at home.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ...core.connection import Connection
from ...errors import BusError, CableError
from ...protocols.frames import Frame
from ...streams import stream_key
from .envelope import Kept, frame_of, opened, sealed, stream_of
from .target import Target

if TYPE_CHECKING:
    from .handler import SocketIOHandler
    from .sockets import Socket

logger = logging.getLogger("flask_cable")


class Line(Protocol):
    """One line of a log."""

    @property
    def offset(self) -> int: ...

    @property
    def text(self) -> str: ...


class Memory(Protocol):
    """What is asked of a pub/sub adapter's store."""

    def put(self, key: str, text: str, ttl: float) -> None: ...

    def take(self, key: str) -> str | None: ...

    def append(self, key: str, text: str, limit: int, ttl: float) -> int: ...

    def since(self, key: str, offset: int) -> Iterable[Line] | None: ...


class Past(NamedTuple):
    """What a socket was before, and the last event that its peer has heard of."""

    sid: str
    rooms: tuple[str, ...]
    data: dict[str, Any]
    offset: int


class Log:
    """The events of an endpoint: the last ``packets`` of each namespace, for ``seconds`` after the last."""

    def __init__(self, path: str, store: Memory, seconds: float, packets: int) -> None:
        self._path = path
        self.store = store
        self.seconds = seconds
        self._packets = packets

    def keep(self, namespace: str, target: Target, frame: Frame) -> Frame:
        """Keep an event for those who are away, and give it its place; as it is when that is impossible."""
        meant = target
        if target.skipped:
            meant = Target(target.rooms, (*target.without, target.skipped))
        try:
            text = sealed(meant.fields(), frame)
            offset = self.store.append(self.key(namespace), text, self._packets, self.seconds)
        except CableError as error:
            logger.error("an event could not be kept for recovery: %s", error)
            return frame
        return placed(frame, offset)

    def key(self, namespace: str) -> str:
        """What a namespace's log is called in the store."""
        return stream_of(self._path, namespace)

    def missed(self, namespace: str, offset: int) -> list[Line] | None:
        """What was kept since; None when some of it is gone. Raises ``CableError``."""
        lines = self.store.since(self.key(namespace), offset)
        return None if lines is None else list(lines)


class Recovery:
    """Keeps sockets as long as there is a log of what they miss."""

    def __init__(self, handler: SocketIOHandler, log: Log) -> None:
        self._handler = handler
        self._kept: deque[float] = deque()  # until when each that was cut off may come back
        self.log = log

    def _has_room(self) -> bool:
        """Whether one more may be kept; then it is counted."""
        executor = self._handler.executor
        with executor.guard:
            now = executor.monotonic()
            while self._kept and self._kept[0] <= now:
                self._kept.popleft()
            has_room = len(self._kept) < self._handler.settings.recovery_sockets
            if has_room:
                self._kept.append(now + self.log.seconds)
        return has_room

    def remember(self, socket: Socket, rooms: list[str]) -> None:
        """Keep a socket whose peer has gone without a word, and the rooms that it was in."""
        if socket.pid is None:
            return
        if not self._has_room():
            self._handler.counts["not_kept"] += 1
            return
        fields = {
            "sid": socket.id,
            "rooms": rooms,
            "data": socket.data,
            "who": _identity(socket.connection),
        }
        try:
            text = self._handler.protocol.json.encode(fields).decode()
            self.log.store.put(self._key(socket.hall.name, socket.pid), text, self.log.seconds)
        except CableError as error:  # its data has no JSON form, or the store is away
            socket.logger.warning("cannot be recovered: %s", error)

    def _key(self, namespace: str, pid: str) -> str:
        return f"{self.log.key(namespace)},{pid}"

    # When it comes back.

    def recall(self, connection: Connection, namespace: str, auth: Mapping[str, Any]) -> Past | None:
        """What a peer was that says ``pid`` and ``offset``; None for a new one, or when too much is lost."""
        pid, offset = auth.get("pid"), auth.get("offset")
        if not isinstance(pid, str) or not isinstance(offset, str) or not offset.isascii():
            return None
        if not offset.isdecimal() or len(offset) > 20:
            return None
        try:
            text = self.log.store.take(self._key(namespace, pid))
            if text is None or self.log.missed(namespace, int(offset)) is None:
                return None
        except CableError as error:
            logger.error("a peer could not be recovered: %s", error)
            return None
        fields = json.loads(text)
        if fields["who"] != _identity(connection):
            connection.logger.warning("came back as somebody else: not recovered")
            return None
        return Past(fields["sid"], tuple(fields["rooms"]), fields["data"], int(offset))

    def missed_by(self, socket: Socket, offset: int) -> list[Kept]:
        """Those of the events since then that were meant for a socket. Raises ``CableError``."""
        lines, found = self.log.missed(socket.hall.name, offset), []
        if lines is None:
            raise BusError("more was emitted meanwhile than is kept")
        for line in lines:
            fields, payload = opened(line.text)
            if Target.of(fields).covers(socket.rooms):
                found.append(placed(frame_of(fields, payload), line.offset))
        return found


def new_pid() -> str:
    """What a peer shows to be recovered; nobody can guess it."""
    return secrets.token_urlsafe(18)


def placed(frame: Frame, offset: int) -> Kept:
    """The event with its place in the log as a last argument."""
    first, *rest = frame.parts
    head = Frame(b'%b,"%d"]' % (first.payload[:-1], offset))
    return Kept((head, *rest), offset)


def _identity(connection: Connection) -> dict[str, str]:
    """Who a connection is, in a form that can be kept and compared."""
    found = {}
    for name, value in connection.identifiers.items():
        try:
            found[name] = stream_key(value)
        except ValueError:  # it names nothing
            found[name] = ""
    return found
