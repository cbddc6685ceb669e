"""Socket.IO: events with acknowledgements, rooms and namespaces, for its stock clients."""

from .emitter import Emitter
from .handler import SocketIOHandler
from .namespace import Namespace
from .server import SocketIOServer
from .settings import Settings
from .sockets import Socket

__all__ = ["Emitter", "Namespace", "Settings", "Socket", "SocketIOHandler", "SocketIOServer"]
