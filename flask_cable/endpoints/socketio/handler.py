"""The packets of Socket.IO, carried out on sockets.

What a peer gets wrong ends its connection, as the protocol's document says, and nobody else's; what an
application's handler gets wrong is logged, and the connection lives on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...core.connection import Connection
from ...core.handler import Handler
from ...errors import (
    CommandError,
    MalformedMessage,
)
from ...protocols import socketio as packets
from ...protocols.engineio import CLOSE, MESSAGE, PING, open_frame, parse
from ...protocols.frames import Frame
from ...protocols.socketio import Packet, SocketIO
from ...signals import command_failed
from .cluster import Cluster
from .entrance import Entrance
from .envelope import stream_of
from .hall import NOWHERE, Hall
from .handlers import DISCONNECT, DISCONNECTING, SERVER_MESSAGE, UNASKED, Ack
from .namespace import Namespaces
from .peer import Peer
from .recovery import Recovery
from .settings import Settings
from .sockets import CURRENT, FORCED, SERVER_LEFT, Socket

PEER_LEFT = "client namespace disconnect"
PARSE_ERROR = "parse error"
TRANSPORT_CLOSE, TRANSPORT_ERROR = "transport close", "transport error"

WORDS = {"server_restart": "server shutting down", "too_slow": "too slow"}
"""Reasons of ours, as handlers of ``disconnect`` are told them."""

FAILURES = frozenset((1002, 1003, 1007, 1008, 1009, 1011))
"""Close codes of a transport that ended because something was wrong."""


class SocketIOHandler(Handler):
    """Serves all connections of one endpoint in one process; a connection's ``state`` is its ``Peer``."""

    def __init__(
        self,
        path: str,
        namespaces: Namespaces,
        protocol: SocketIO,
        settings: Settings,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.path = path
        self.namespaces = namespaces
        self.protocol = protocol
        self.settings = settings
        self.recovery: Recovery | None = None
        self.polls: dict[str, Any] = {}  # sid -> what a peer polls, or None if it has changed to a WebSocket
        self.halls: dict[str, Hall] = {}
        self.entrance = Entrance(self)
        self.cluster = Cluster(self)

    def stream(self, namespace: str, room: str | None = None) -> str:
        """The stream of a room, or of a whole namespace."""
        return stream_of(self.path, namespace, room)

    def hall(self, name: str) -> Hall:
        """A namespace in this process, perhaps with nobody in it."""
        return self.halls.get(name) or Hall(name, self)

    def at_home(self, function: Callable[..., object], *args: Any) -> None:
        """Call now if we are at home, and there soon if not; in the order of the calls."""
        if self.executor.is_home():
            function(*args)
        else:
            self.executor.call_home(function, *args)

    # A connection's life.

    def opened(self, connection: Connection) -> None:
        settings = self.settings
        if connection.state is None:
            connection.state = Peer()
        peer: Peer = connection.state
        peer.overdue = self.executor.later(settings.connect_timeout, self._overdue, connection)
        connection.send(
            open_frame(
                peer.sid, peer.upgrades, settings.ping_interval, settings.ping_timeout, settings.max_payload
            )
        )

    def _overdue(self, connection: Connection) -> None:
        self.counts["overdue"] += 1
        connection.close(1000, "no namespace was entered in time")

    def closed(self, connection: Connection, code: int, reason: str) -> None:
        peer: Peer | None = connection.state
        if peer is None:
            return
        if peer.overdue is not None:
            peer.overdue.cancel()
        if self.polls.get(peer.sid, peer) is None:
            del self.polls[peer.sid]
        why = peer.ending or _ending(code)
        may_return = why not in (SERVER_LEFT, PARSE_ERROR)
        for socket in peer.inside():
            self.leave(socket)
            self._left(socket, why, may_return)

    def stop(self) -> None:
        self.cluster.retire()

    def encode(self, data: Any) -> Frame:
        return self.protocol.event(packets.MAIN, ("message", data))

    def encode_broadcast(self, key: Any, body: bytes) -> Frame:
        return self.protocol.message(packets.MAIN, body)

    def say_disconnect(self, connection: Connection, reason: str | None, reconnect: bool) -> bool:
        peer: Peer | None = connection.state
        if peer is None:
            return False
        if reconnect:  # a client whose transport closes comes back
            peer.ending = WORDS.get(reason or "", FORCED)
            return False
        peer.ending = SERVER_LEFT
        for socket in peer.inside():
            socket.send_frame(self.protocol.disconnect(socket.hall.name))
        return True

    def server_message(self, connection: Connection, message: Any) -> None:
        """Each socket that has a handler for it is told, or else the connection's class."""
        peer: Peer | None = connection.state
        found = [(one, one.handler_of_moment(SERVER_MESSAGE)) for one in (peer.inside() if peer else ())]
        handled = [(socket, function) for socket, function in found if function is not None]
        if not handled:
            return super().server_message(connection, message)
        for socket, function in handled:
            self.run(connection, function.__call__, socket, lambda: message)

    # Messages.

    def received(self, connection: Connection, message: str | bytes) -> None:
        try:
            packet = self._read(connection, message)
            if packet is not None:
                self._carry_out(connection, packet)
        except CommandError as error:
            self._malformed(connection, error)

    def _read(self, connection: Connection, message: str | bytes) -> Packet | None:
        kind, data = parse(message)
        peer: Peer = connection.state
        if kind == MESSAGE:
            return peer.read(data, self.protocol, self.settings.max_payload)
        if kind == PING:
            raise MalformedMessage("a ping, which is the server's to send")
        if kind == CLOSE:
            peer.ending = TRANSPORT_CLOSE
            connection.close(1000, "")
        return None

    def _malformed(self, connection: Connection, error: CommandError) -> None:
        self.counts["malformed"] += 1
        self.tell(command_failed, connection=connection, error=error)
        connection.logger.warning("closed for %s", error)
        connection.state.ending = PARSE_ERROR
        connection.close(1007, PARSE_ERROR)

    # Packets.

    def _carry_out(self, connection: Connection, packet: Packet) -> None:
        peer: Peer = connection.state
        if packet.kind == packets.CONNECT:
            return self.entrance.connect(connection, packet)
        socket = peer.sockets.get(packet.namespace)
        if socket is None:
            if packet.namespace in peer.sockets:  # it crossed our word that the socket is out
                return
            raise MalformedMessage(f"a packet for {packet.namespace!r}, which it has not entered")
        if packet.kind == packets.EVENT:
            self._event(socket, packet)
        elif packet.kind == packets.ACK:
            self._answered(socket, packet)
        elif packet.kind == packets.DISCONNECT:
            self.leave(socket)
            self._left(socket, PEER_LEFT)
        else:
            raise MalformedMessage("a refusal, which is the server's to send")

    def _event(self, socket: Socket, packet: Packet) -> None:
        function = socket.handler_of(packet.data[0])
        if function is None:
            self.counts["unknown_event"] += 1
            return
        connection = socket.connection
        ack = UNASKED if packet.id is None else Ack(partial(self._answer, socket, packet.id))
        call = partial(function, socket, *packet.data[1:], ack=ack)
        if connection.hooks:
            self.run(connection, self._between_hooks, connection, call)
        else:
            self.run(connection, call)

    def _between_hooks(self, connection: Connection, call: Callable[[], object]) -> None:
        if connection.run_hooks("before_command"):
            call()
            connection.run_hooks("after_command")

    def _answer(self, socket: Socket, id: int, values: tuple[Any, ...]) -> None:
        socket.send_frame(self.protocol.ack(socket.hall.name, id, values))

    def _answered(self, socket: Socket, packet: Packet) -> None:
        question = socket.take_question(packet.id)
        if question is None:
            self.counts["unknown_ack"] += 1
        else:
            self.run(socket.connection, question.answered, *packet.data)

    def run(self, connection: Connection, function: Callable[..., object], *args: Any) -> bool:
        """Run user code on a connection's time line; its errors go to the connection's rescuers."""
        token = CURRENT.set(connection)
        try:
            function(*args)
        except BaseException as error:  # gevent.Timeout and exit() too: what comes after must run
            self.failed_in(connection, error)
            return False
        finally:
            CURRENT.reset(token)
        return True

    def failed_in(self, connection: Connection, error: BaseException) -> None:
        """User code raised: the connection's rescuers answer, or it is logged."""
        try:
            rescued = connection.rescue(error)
        except BaseException as worse:
            error, rescued = worse, False
        if not rescued:
            self.failed(connection, error)

    # Leaving a namespace.

    def turn_out(self, socket: Socket, close: bool = False) -> None:
        """The server disconnects a socket, and perhaps its connection; at home."""
        connection = socket.connection
        if close:
            connection.state.ending = FORCED
        if self.leave(socket, self.protocol.disconnect(socket.hall.name)):
            connection.post(self._left, socket, SERVER_LEFT)
        if close:
            connection.close(1000, FORCED)

    def leave(self, socket: Socket, farewell: Frame | None = None) -> bool:
        """From now on nothing is sent to a socket, nor heard from it; False when it had left already."""
        with self.executor.guard:
            if socket.outlet is NOWHERE:
                return False
            if farewell is not None and socket.outlet is socket.connection:
                socket.connection.send(farewell)
            socket.outlet = NOWHERE
            sockets = socket.connection.state.sockets
            if sockets.get(socket.hall.name) is socket:
                sockets[socket.hall.name] = None
            return True

    def _left(self, socket: Socket, reason: str, may_return: bool = False) -> None:
        """Its handlers are told, while it is in its rooms and afterwards."""
        self._tell(socket, DISCONNECTING, reason)
        rooms = sorted(socket.joined)
        self.vacate(socket)
        if may_return and self.recovery is not None:  # not earlier, or there could be two of the same id
            self.recovery.remember(socket, rooms)
        socket.drop_questions()
        self._tell(socket, DISCONNECT, reason)

    def _tell(self, socket: Socket, moment: str, reason: str) -> None:
        function = socket.handler_of_moment(moment)
        if function is not None:
            self.run(socket.connection, function.__call__, socket, lambda: reason)

    def vacate(self, socket: Socket) -> None:
        """Take a socket out of all its rooms and of its namespace."""
        hall = socket.hall
        with self.executor.guard:
            hall.remove(socket)
            if not hall.sockets and self.halls.get(hall.name) is hall:
                del self.halls[hall.name]


def _ending(code: int) -> str:
    """What a transport's end is called."""
    return TRANSPORT_ERROR if code in FAILURES else TRANSPORT_CLOSE
