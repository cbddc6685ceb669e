"""Entrance: how a peer comes into a namespace: asked, let in, welcomed, or refused.

What its handler says to a socket before the peer knows that it is in waits until it does.
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

from ...core.connection import Connection
from ...errors import CableError, ConnectRefused, MalformedMessage, UnauthorizedConnection
from ...protocols.frames import Frame
from ...protocols.socketio import Packet
from .envelope import Kept
from .hall import Held
from .handlers import CONNECT
from .namespace import Namespace
from .peer import Peer
from .recovery import Past, new_pid
from .sockets import CURRENT, Socket

if TYPE_CHECKING:
    from .handler import SocketIOHandler


class Entrance:
    """Lets peers into the namespaces of one endpoint; called on their connections' time lines."""

    def __init__(self, handler: SocketIOHandler) -> None:
        self._handler = handler

    def connect(self, connection: Connection, packet: Packet) -> None:
        """A peer asks to come in. Raises ``MalformedMessage`` when it is in already."""
        peer: Peer = connection.state
        if peer.sockets.get(packet.namespace) is not None:
            raise MalformedMessage(f"it has entered {packet.namespace!r} already")
        namespace = self._handler.namespaces.find(packet.namespace)
        if namespace is None:
            return self._turn_away(connection, packet, "Invalid namespace")
        if not peer.has_place(packet.namespace, self._handler.settings.max_namespaces):
            self._handler.counts["too_many_namespaces"] += 1
            return self._turn_away(connection, packet, "too many namespaces")
        past = None
        if self._handler.recovery is not None:
            past = self._handler.recovery.recall(connection, packet.namespace, packet.data or {})
        socket = self._make_socket(connection, namespace, packet, past)
        try:
            self._enter(socket, past)
        except ConnectRefused as refused:
            self._refuse(socket, str(refused), refused.data)
        except UnauthorizedConnection as error:
            self._refuse(socket, str(error))
        except BaseException as error:
            self._refuse(socket, "internal error")
            self._handler.failed_in(connection, error)

    def _turn_away(self, connection: Connection, packet: Packet, message: str) -> None:
        connection.send(self._handler.protocol.refused(packet.namespace, message))

    def _make_socket(
        self, connection: Connection, namespace: Namespace, packet: Packet, past: Past | None
    ) -> Socket:
        auth = packet.data or {}
        sid = past.sid if past else secrets.token_urlsafe(18)
        socket = Socket(sid, connection, self._handler.hall(packet.namespace), namespace, auth)
        if self._handler.recovery is not None:
            socket.pid = auth["pid"] if past else new_pid()
        if past:
            socket.data = past.data
            socket.recovered = True
        return socket

    def _enter(self, socket: Socket, past: Past | None) -> None:
        token = CURRENT.set(socket.connection)
        try:
            for check in socket.definition.checks:
                if check(socket) is False:
                    raise ConnectRefused("not authorized")
            is_live = self._admit(socket, past)
            moment = socket.definition.handlers.of_moment(CONNECT)
            if moment is not None and moment(socket, partial(_environ_of, socket)) is False:
                raise ConnectRefused("not authorized")
        finally:
            CURRENT.reset(token)
        if is_live:
            self._welcome(socket, past)

    def _admit(self, socket: Socket, past: Past | None) -> bool:
        """Let a socket into its hall; False when its welcome has to wait for the hall's stream."""
        name = socket.hall.name
        with self._handler.executor.guard:
            hall = socket.hall = self._handler.halls.setdefault(name, socket.hall)
            socket.connection.state.sockets[name] = socket
            welcome = partial(socket.connection.post, self._welcome, socket, past)
            is_live = hall.add(socket, welcome)
        if past:
            for room in past.rooms:
                hall.join(socket, room)
            hall.await_rooms(past.rooms)
        return is_live

    def _welcome(self, socket: Socket, past: Past | None) -> None:
        """Tell the peer that it is in, and what it has missed; then everything goes straight to it."""
        held = socket.outlet
        if not isinstance(held, Held):  # it has left again
            return
        peer: Peer = socket.connection.state
        if peer.overdue is not None:
            peer.overdue.cancel()
            peer.overdue = None
        try:
            missed = self._missed_by(socket, past)
        except CableError as error:  # it comes back as somebody new
            self._handler.failed(socket.connection, error)
            return socket.connection.close(1013, "what it missed cannot be had")
        last = missed[-1].offset if missed else -1
        frames: list[Frame] = [self._handler.protocol.connected(socket.hall.name, socket.id, socket.pid)]
        with self._handler.executor.guard:
            news = [frame for frame in held.release() if getattr(frame, "offset", last + 1) > last]
            for frame in (*frames, *missed, *news):
                socket.connection.send(frame)
            socket.outlet = socket.connection

    def _missed_by(self, socket: Socket, past: Past | None) -> list[Kept]:
        recovery = self._handler.recovery
        return recovery.missed_by(socket, past.offset) if recovery is not None and past is not None else []

    def _refuse(self, socket: Socket, message: str, data: Any = None) -> None:
        self._handler.leave(socket)
        self._handler.vacate(socket)
        socket.drop_questions()
        socket.connection.send(self._handler.protocol.refused(socket.hall.name, message, data))


def _environ_of(socket: Socket) -> Any:
    request = socket.request
    return None if request is None else request.environ
