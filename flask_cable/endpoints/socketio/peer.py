"""Peer: what is kept for one connection, and how its messages become packets."""

from __future__ import annotations

import secrets

from ...core.executor import Timer
from ...errors import MalformedMessage
from ...protocols.socketio import Assembly, Packet, SocketIO
from .sockets import Socket


class Peer:
    """What is kept for one connection.

    Attributes:
        sid: names the connection between the client and this process; only they know it.
        upgrades: what the client is told to change to.
        sockets: namespace -> socket; None for one that the server has put it out of.
        assembly: a packet whose attachments are still to come.
        ending: why the connection ends, in words of Socket.IO; what came first holds.
        overdue: ends a connection that enters no namespace.
    """

    __slots__ = ("_ending", "assembly", "overdue", "sid", "sockets", "upgrades")

    def __init__(self, upgrades: tuple[str, ...] = ()) -> None:
        self.sid = secrets.token_urlsafe(15)
        self.upgrades = upgrades
        self.sockets: dict[str, Socket | None] = {}
        self.assembly: Assembly | None = None
        self.overdue: Timer | None = None
        self._ending = ""

    @property
    def ending(self) -> str:
        return self._ending

    @ending.setter
    def ending(self, reason: str) -> None:
        self._ending = self._ending or reason

    def inside(self) -> list[Socket]:
        """The sockets that have not left."""
        return [socket for socket in self.sockets.values() if socket is not None]

    def has_place(self, namespace: str, limit: int) -> bool:
        """Whether it may be in one more namespace; the oldest that it is out of is forgotten for it."""
        if namespace not in self.sockets and len(self.sockets) >= limit:
            left = next((name for name, socket in self.sockets.items() if socket is None), None)
            if left is None:
                return False
            del self.sockets[left]
        return True

    def read(self, data: str | bytes, protocol: SocketIO, limit: int) -> Packet | None:
        """The packet that is whole with this message; None while attachments are to come.

        Args:
            limit: bytes of all attachments of a packet.

        Raises:
            MalformedMessage: it is no packet, or no attachment where one has to be.
        """
        if isinstance(data, bytes):
            return self._attach(data)
        if self.assembly is not None:
            raise MalformedMessage("a packet before the attachments of the last one")
        packet = protocol.parse(data)
        if not packet.attachments:
            return packet
        self.assembly = Assembly(packet, limit)
        return None

    def _attach(self, data: bytes) -> Packet | None:
        if self.assembly is None:
            raise MalformedMessage("an attachment of nothing")
        packet = self.assembly.add(data)
        if packet is not None:
            self.assembly = None
        return packet
