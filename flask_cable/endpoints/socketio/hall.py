"""Hall: the sockets of one namespace in this process, and the rooms that they are in.

A room is a stream of the hub. What is emitted here reaches those who are here at once, in the order of the
calls, and everybody else through the other processes' halls.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ...core.connection import Connection
from ...core.executor import Executor
from ...errors import NotReady, TooMany
from ...protocols.frames import VOLATILE, Frame
from ...protocols.socketio import is_reserved
from .target import Target

if TYPE_CHECKING:
    from .cluster import RemoteSocket
    from .handler import SocketIOHandler
    from .sockets import Socket

logger = logging.getLogger("flask_cable")


class Room:
    """Who is in one room here, or in the whole namespace; what its stream brings is for them.

    Attributes:
        members: id of a socket -> socket.
    """

    __slots__ = ("hall", "members")

    def __init__(self, hall: Hall) -> None:
        self.hall = hall
        self.members: dict[str, Socket] = {}

    def handle_broadcast(self, body: bytes, skipped: int) -> None:
        """``cable.broadcast`` to the room's stream is a ``message`` event."""
        with self.hall.executor.guard:
            sockets = [one for one in self.members.values() if one.connection.id != skipped]
        fan_out(self.hall.handler.protocol.message(self.hall.name, body), sockets)

    def handle_packet(self, packet: str) -> None:
        """Something from another process, for those who are in the room."""
        self.hall.handler.cluster.handle(self, packet)

    def hearers(self) -> list[Connection]:
        """The connections of those who are in the room."""
        return [socket.connection for socket in self.members.values()]


class Hall:
    """One namespace in one process.

    Attributes:
        name: of the namespace, as peers say it.
        everybody: all who are here.
    """

    __slots__ = ("_rooms", "everybody", "handler", "name")

    def __init__(self, name: str, handler: SocketIOHandler) -> None:
        self.name = name
        self.handler = handler
        self.everybody = Room(self)
        self._rooms: dict[str, Room] = {}

    @property
    def executor(self) -> Executor:
        return self.handler.executor

    @property
    def sockets(self) -> dict[str, Socket]:
        """All who are here, by their ids."""
        return self.everybody.members

    # Coming and going.

    def add(self, socket: Socket, on_live: Callable[[], object]) -> bool:
        """Let a socket in. True when it misses nothing any more; else ``on_live`` is called at that time."""
        with self.executor.guard:
            self.sockets[socket.id] = socket
            return self.handler.hub.relay(self.handler.stream(self.name), self.everybody, on_live)

    def remove(self, socket: Socket) -> None:
        """Take a socket out of all its rooms and of the namespace; harmless when it is not here."""
        with self.executor.guard:
            for room in list(socket.joined):
                self.leave(socket, room)
            if self.sockets.pop(socket.id, None) is not None and not self.sockets:
                self.handler.hub.unrelay(self.handler.stream(self.name), self.everybody)

    def join(self, socket: Socket, name: str) -> bool:
        """Let a socket into a room; False when it is there already, or gone. Raises as ``Socket.join``."""
        with self.executor.guard:
            if name in socket.joined or not socket.connected:
                return False
            if socket.id not in self.sockets:
                raise NotReady("a socket joins rooms from its connect handler on; in use() it is too early")
            if len(socket.joined) >= self.handler.settings.max_rooms:
                raise TooMany(f"max_rooms: the socket is in {len(socket.joined)} rooms")
            room = self._rooms.get(name)
            if room is None:
                room = self._rooms[name] = Room(self)
                self.handler.hub.relay(self.handler.stream(self.name, name), room)
            room.members[socket.id] = socket
            socket.joined.add(name)
            return True

    def await_rooms(self, names: Iterable[str]) -> None:
        """Return once nothing is missed of what other processes emit to these rooms.

        Where nobody can wait for that, and while the adapter is away, this returns at once.
        """
        executor, hub = self.executor, self.handler.hub
        if not hub.bus.is_shared or not executor.can_wait():
            return
        for name in names:
            live = executor.event()
            if self._is_live(name, live.set) or hub.bus.is_lost:
                continue
            if not live.wait(self.handler.stream_limits.live_within):
                logger.warning("%r: the pub/sub adapter did not confirm the room in time", name)

    def _is_live(self, name: str, on_live: Callable[[], object]) -> bool:
        with self.executor.guard:
            room = self._rooms.get(name)
            return room is None or self.handler.hub.relay(self.handler.stream(self.name, name), room, on_live)

    def leave(self, socket: Socket, name: str) -> bool:
        """Undo ``join``; False when the socket is not there."""
        with self.executor.guard:
            if name not in socket.joined:
                return False
            socket.joined.discard(name)
            room = self._rooms[name]
            del room.members[socket.id]
            if not room.members:
                del self._rooms[name]
                self.handler.hub.unrelay(self.handler.stream(self.name, name), room)
            return True

    def select(self, target: Target) -> list[Socket]:
        """The sockets here that are meant."""
        with self.executor.guard:
            rooms = target.rooms
            found = self._members(rooms[0]) if rooms else self.sockets
            if len(rooms) > 1 or target.without or target.skipped:
                found = dict(found)
                for name in rooms[1:]:
                    found.update(self._members(name))
                for name in target.without:
                    for sid in self._members(name):
                        found.pop(sid, None)
                found.pop(target.skipped, None)
            return list(found.values())

    def _members(self, name: str) -> dict[str, Socket]:
        """Who is in a room, which may be named after the one socket that is always in it."""
        room = self._rooms.get(name)
        members = room.members if room is not None else {}
        own = self.sockets.get(name)
        return members if own is None else {**members, name: own}

    # What goes out.

    def emit(self, target: Target, values: Sequence[Any], is_volatile: bool = False) -> None:
        """Emit an event, from any thread. Raises as ``Emitter.emit`` does, and then nothing is sent."""
        frame = self.event(values)
        if is_volatile:
            frame.lane = VOLATILE
        elif self.handler.recovery is not None:
            frame = self.handler.recovery.log.keep(self.name, target, frame)
        self.handler.at_home(self._spread, target, frame)

    def event(self, values: Sequence[Any], id: int | None = None) -> Frame:
        """Encode an event. Raises ``EncodeError``, or ``ValueError`` when its name is reserved."""
        return self.handler.protocol.event(self.name, allowed(values), id)

    def _spread(self, target: Target, frame: Frame) -> None:
        fan_out(frame, self.select(target))
        self.handler.cluster.emit(self.name, target, frame)

    def order(self, target: Target, verb: str, argument: Any) -> None:
        """Let sockets everywhere join or leave rooms, or disconnect them, from any thread."""
        self.handler.at_home(self._order, target, verb, argument)

    def _order(self, target: Target, verb: str, argument: Any) -> None:
        self.carry_out(target, verb, argument)
        self.handler.cluster.order(self.name, target, verb, argument)

    def carry_out(self, target: Target, verb: str, argument: Any) -> None:
        """Do as ordered with the sockets here; one that fails keeps none of the others."""
        for socket in self.select(target):
            try:
                socket.obey(verb, argument)
            except Exception:
                logger.exception("socket %s: could not %s", socket.id, verb)

    def fetch(self, target: Target, timeout: float) -> list[RemoteSocket]:
        """Who is meant, here and everywhere. Blocks until all processes have answered."""
        return self.handler.cluster.fetch(self, target, timeout)


def allowed(values: Sequence[Any]) -> Sequence[Any]:
    """An event's name and values. Raises ``ValueError`` when the name is reserved."""
    if is_reserved(values[0]):
        raise ValueError(f"{values[0]!r} is an event that clients keep for themselves; choose another name")
    return values


def fan_out(frame: Frame, sockets: Iterable[Socket]) -> None:
    """The hot path: one call per socket, and nothing made for any of them."""
    for socket in sockets:
        try:
            socket.outlet.transport.send(frame)
        except Exception:
            logger.exception("socket %s: could not be sent to", socket.id)


class Held:
    """Takes what is sent to a socket that has not been told yet that it is connected."""

    __slots__ = ("_connection", "_frames")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._frames: list[Frame] | None = []

    @property
    def transport(self) -> Held:
        """Itself: it stands where a connection will stand."""
        return self

    def send(self, frame: Frame) -> bool:
        handler = self._connection.handler
        with handler.executor.guard:
            if self._frames is None:  # it was released while the sender had it in hand
                return self._connection.transport.send(frame)
            if len(self._frames) >= handler.inbox_limit:
                self._connection.handle_too_slow()
                return False
            self._frames.append(frame)
            return True

    def release(self) -> list[Frame]:
        """What was held; from now on everything goes on to the connection."""
        frames, self._frames = self._frames or [], None
        return frames


class Nowhere:
    """Takes what is still sent to a socket that has left."""

    __slots__ = ()

    @property
    def transport(self) -> Nowhere:
        return self

    def send(self, frame: Frame) -> bool:
        return False


NOWHERE = Nowhere()
