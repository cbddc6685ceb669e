"""What an application imports for Socket.IO; ``cable.socketio()`` makes the endpoint."""

from __future__ import annotations

from .endpoints.socketio import Emitter, Namespace, RemoteSocket, Settings, Socket, SocketIOServer
from .errors import AckTimeout, ConnectRefused

__all__ = [
    "AckTimeout",
    "ConnectRefused",
    "Emitter",
    "Namespace",
    "RemoteSocket",
    "Settings",
    "Socket",
    "SocketIOServer",
]
