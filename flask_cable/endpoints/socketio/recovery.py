"""Recovery: a peer that comes back soon is who it was, and gets what it has missed.

Events are kept in one bounded log for each namespace, with their places in it as a last argument, which the
stock client remembers and says when it comes back. Everything here may block, and is never called at home.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ...core.connection import Connection
from ...errors import CableError
from ...protocols.frames import Frame
from ...streams import stream_key
from .envelope import Kept, frame_of, opened, sealed
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


class Recovery:
    """Keeps sockets and events for ``seconds``, and at most ``packets`` events of each namespace."""

    def __init__(self, handler: SocketIOHandler, store: Memory, seconds: float, packets: int) -> None:
        self._handler = handler
        self._store = store
        self._seconds = seconds
        self._packets = packets

    # While it is here.

    def keep(self, namespace: str, target: Target, frame: Frame) -> Frame:
        """Keep an event for those who are away, and give it its place; as it is when that is impossible."""
        meant = target
        if target.skipped:
            meant = Target(target.rooms, (*target.without, target.skipped))
        try:
            log = self._handler.stream(namespace)
            offset = self._store.append(log, sealed(meant.fields(), frame), self._packets, self._seconds)
        except CableError as error:
            logger.error("an event could not be kept for recovery: %s", error)
            return frame
        return placed(frame, offset)

    def remember(self, socket: Socket) -> None:
        """Keep a socket whose peer has gone without a word."""
        if socket.pid is None:
            return
        fields = {
            "sid": socket.id,
            "rooms": sorted(socket.joined),
            "data": socket.data,
            "who": _identity(socket.connection),
        }
        try:
            text = self._handler.protocol.json.encode(fields).decode()
            self._store.put(self._key(socket.hall.name, socket.pid), text, self._seconds)
        except CableError as error:  # its data has no JSON form, or the store is away
            socket.logger.warning("cannot be recovered: %s", error)

    def _key(self, namespace: str, pid: str) -> str:
        return f"{self._handler.stream(namespace)},{pid}"

    # When it comes back.

    def recall(self, connection: Connection, namespace: str, auth: Mapping[str, Any]) -> Past | None:
        """What a peer was that says ``pid`` and ``offset``; None for a new one, or when too much is lost."""
        pid, offset = auth.get("pid"), auth.get("offset")
        if not isinstance(pid, str) or not isinstance(offset, str) or not offset.isascii():
            return None
        if not offset.isdecimal() or len(offset) > 20:
            return None
        try:
            text = self._store.take(self._key(namespace, pid))
            if text is None or self.missed(namespace, int(offset)) is None:
                return None
        except CableError as error:
            logger.error("a peer could not be recovered: %s", error)
            return None
        fields = json.loads(text)
        if fields["who"] != _identity(connection):
            connection.logger.warning("came back as somebody else: not recovered")
            return None
        return Past(fields["sid"], tuple(fields["rooms"]), fields["data"], int(offset))

    def missed(self, namespace: str, offset: int) -> list[Line] | None:
        """What was kept since; None when some of it is gone."""
        lines = self._store.since(self._handler.stream(namespace), offset)
        return None if lines is None else list(lines)

    def missed_by(self, socket: Socket, offset: int) -> list[Kept]:
        """Those of the events since then that were meant for a socket. Raises ``CableError``."""
        found = []
        for line in self.missed(socket.hall.name, offset) or ():
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
