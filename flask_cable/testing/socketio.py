"""A Socket.IO client in the test's own process: its connection, and its side of each namespace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from werkzeug.test import TestResponse

from ..endpoints.socketio import Socket
from ..protocols.engineio import MESSAGE, OPEN
from ..protocols.frames import TEXT, Frame
from ..protocols.socketio import ACK, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, Assembly, Packet, SocketIO
from ..transports.loopback import LoopbackTransport
from .failures import listed, told
from .peer import CablePeer

if TYPE_CHECKING:
    from .client import CableClient

QUERY = {"EIO": "4", "transport": "websocket"}


class SocketIOConnection(CablePeer):
    """A client's side of one connection, over a WebSocket; each namespace is a ``SocketIOPeer``."""

    def __init__(self, client: CableClient, transport: LoopbackTransport, response: TestResponse) -> None:
        super().__init__(client, transport, response)
        self.protocol = SocketIO(client._runtime().json, 1000)
        self._packets: list[Packet] = []
        self._decoded = 0
        self._assembly: Assembly | None = None

    @property
    def opening(self) -> dict[str, Any]:
        """What the server said first: ``sid``, ``upgrades``, ``pingInterval`` and so on."""
        first: Any = next(
            (text for text in self.messages if isinstance(text, str) and text[:1] == OPEN), "0{}"
        )
        opening: dict[str, Any] = json.loads(first[1:])
        return opening

    @property
    def packets(self) -> list[Packet]:
        """All packets of Socket.IO that were received, with their attachments in place."""
        for message in self.messages[self._decoded :]:
            self._decoded += 1
            if isinstance(message, bytes):
                assert self._assembly is not None, "the server sent an attachment of nothing"
                self._keep(self._assembly.add(message))
            elif message[:1] == MESSAGE:
                packet = self.protocol.parse(message[1:])
                self._assembly = Assembly(packet, 2**31) if packet.attachments else None
                self._keep(None if packet.attachments else packet)
        return self._packets

    def _keep(self, packet: Packet | None) -> None:
        if packet is not None:
            self._packets.append(packet)

    def enter(self, namespace: str = "/", auth: dict[str, Any] | None = None) -> SocketIOPeer:
        """Connect to a namespace."""
        return SocketIOPeer(self, namespace, auth)

    def send_frame(self, frame: Frame) -> None:
        """Send an encoded packet with its attachments."""
        self.send(*(one.payload.decode() if one.opcode == TEXT else one.payload for one in frame.parts))


class Event(list[Any]):
    """``[name, *args]`` as the server emitted it; two are equal when these are.

    Attributes:
        wants_ack: whether the server waits for an acknowledgement.
    """

    def __init__(self, peer: SocketIOPeer, packet: Packet) -> None:
        super().__init__(packet.data)
        self._peer = peer
        self._id = packet.id
        self.wants_ack = packet.id is not None

    def acknowledge(self, *values: Any) -> None:
        """Answer it."""
        assert self._id is not None, f"the server does not wait for an answer to {self}"
        connection = self._peer.connection
        connection.send_frame(connection.protocol.ack(self._peer.namespace, self._id, values))


class SocketIOPeer:
    """A client's side of one namespace.

    Attributes:
        connection: the connection below.
        namespace: its name.
    """

    def __init__(self, connection: SocketIOConnection, namespace: str, auth: dict[str, Any] | None) -> None:
        self.connection = connection
        self.namespace = namespace
        self._start = len(connection.packets)
        self._read = 0
        self._asked = 0
        text = connection.protocol.json.encode(auth).decode() if auth is not None else ""
        connection.send(f"{MESSAGE}{CONNECT}{'' if namespace == '/' else namespace + ','}{text}")

    def __repr__(self) -> str:
        return f"<SocketIOPeer of {self.namespace}>"

    def _packets(self, kind: int) -> list[Packet]:
        packets = self.connection.packets[self._start :]
        return [one for one in packets if one.kind == kind and one.namespace == self.namespace]

    # Whether it is in.

    @property
    def sid(self) -> str | None:
        """Its id, once it is in."""
        return next((packet.data["sid"] for packet in self._packets(CONNECT)), None)

    @property
    def pid(self) -> str | None:
        """What it shows to be recovered, where the server recovers clients."""
        return next((packet.data.get("pid") for packet in self._packets(CONNECT)), None)

    @property
    def connected(self) -> bool:
        """Whether it is in: let in, and not disconnected."""
        return self.sid is not None and not self.disconnected and not self.connection.closed

    @property
    def disconnected(self) -> bool:
        """Whether the server has said that it is out."""
        return bool(self._packets(DISCONNECT))

    @property
    def refusal(self) -> dict[str, Any] | None:
        """``{"message": ..., "data": ...}``, if it was refused."""
        return next((packet.data for packet in self._packets(CONNECT_ERROR)), None)

    @property
    def socket(self) -> Socket:
        """The server's side."""
        socket: Socket | None = self.connection.connection.state.sockets[self.namespace]
        assert socket is not None, f"it is not in {self.namespace}: {self.refusal or 'disconnected'}"
        return socket

    # What it was sent.

    @property
    def events(self) -> list[Event]:
        """All events that were received."""
        return [Event(self, packet) for packet in self._packets(EVENT)]

    @property
    def unread(self) -> list[Event]:
        """Those that were not yet taken by ``receive``."""
        return self.events[self._read :]

    def receive(self) -> Event:
        """Take the first event that was not taken yet. Raises ``AssertionError`` when there is none."""
        unread = self.unread
        if not unread:
            state = told(self.connection) if self.connection.closed else f"refused: {self.refusal}"
            raise AssertionError(f"no more events; {state}. All of them: {listed(self.events)}")
        self._read += 1
        return unread[0]

    # What it sends.

    def emit(self, event: Any, *args: Any) -> None:
        """Emit an event."""
        self._emit((event, *args))

    def call(self, event: Any, *args: Any) -> Any:
        """Emit an event and return what the server acknowledges it with: of several values a tuple.

        Raises:
            AssertionError: it did not, yet.
        """
        id = self._asked
        self._asked += 1
        self._emit((event, *args), id)
        values = next((packet.data for packet in self._packets(ACK) if packet.id == id), None)
        if values is None:
            raise AssertionError(f"the server has not acknowledged {[event, *args]}")
        return tuple(values) if len(values) > 1 else next(iter(values), None)

    def _emit(self, values: tuple[Any, ...], id: int | None = None) -> None:
        self.connection.send_frame(self.connection.protocol.event(self.namespace, values, id))

    def disconnect(self) -> None:
        """Leave the namespace; the connection stays."""
        self.connection.send_frame(self.connection.protocol.disconnect(self.namespace))

    def close(self) -> None:
        """Be gone without a word."""
        self.connection.close(1006)
