"""Socket.IO: events with acknowledgements, rooms and namespaces, for its stock clients."""

from .cluster import RemoteSocket
from .emitter import Emitter
from .handler import SocketIOHandler
from .namespace import Namespace
from .outside import speak_from_outside
from .recovery import Log
from .server import SocketIOServer
from .settings import Settings
from .sockets import Socket

__all__ = [
    "Emitter",
    "Log",
    "Namespace",
    "RemoteSocket",
    "Settings",
    "Socket",
    "SocketIOHandler",
    "SocketIOServer",
    "speak_from_outside",
]
