"""What ``cable.socketio()`` returns: the main namespace, which knows the others."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from ...errors import ConfigError, NotReady
from ...streams import stream_key
from .emitter import Audience, Emitter
from .envelope import stream_of
from .namespace import Namespace, Namespaces
from .settings import Settings

_PATH = re.compile(r"/[^<>:,\s]*[^<>:,\s/]/?\Z")

NamespaceClass = TypeVar("NamespaceClass", bound=type[Namespace])


class Halls(Protocol):
    """Where namespaces are found by their names."""

    def hall(self, name: str) -> Audience: ...


class SocketIOServer(Namespace):
    """An endpoint for Socket.IO's clients; it is their main namespace, too.

    Attributes:
        path: where it is.
        settings: how it is served.
        namespaces: all of them.
    """

    def __init__(self, path: str, settings: Settings) -> None:
        if not isinstance(path, str) or not _PATH.match(path):
            raise ConfigError(f"cable.socketio({path!r}): it has to be a path such as '/socket.io'")
        super().__init__()
        self.path = path.rstrip("/")
        self.settings = settings
        self.namespaces = Namespaces(self)
        self._halls: Callable[[], Halls] | None = None
        self.bind(self._audience_of)

    @property
    def endpoint(self) -> str:
        """A name for its route, made of the path."""
        name = re.sub(r"\W+", "_", self.path).strip("_")
        return "socketio" if name == "socket_io" else f"socketio_{name}"

    def serve_with(self, find: Callable[[], Halls]) -> None:
        """Let it speak: ``find`` finds its handler in the process, and the application, of the call."""
        self._halls = find

    def _audience_of(self, name: str) -> Audience:
        if self._halls is None:
            raise NotReady("this SocketIOServer belongs to no cable: make one with cable.socketio()")
        return self._halls().hall(name)

    def of(self, name: str | re.Pattern[str]) -> Namespace:
        """The namespace of that name, or all whose names a pattern matches; made with its first mention.

        Raises:
            ConfigError: no client can say that name.
        """
        return self.namespaces.named(name, self._audience_of)

    def add_namespace(self, namespace: Namespace) -> Namespace:
        """Serve a namespace that is an object of its own class. Raises ``ConfigError`` where there is one."""
        return self.namespaces.add(namespace, self._audience_of)

    def namespace(self, name: str) -> Callable[[NamespaceClass], NamespaceClass]:
        """Serve a namespace by a class: ``@io.namespace("/admin")`` over a subclass of ``Namespace``."""

        def decorate(namespace_class: NamespaceClass) -> NamespaceClass:
            self.add_namespace(namespace_class(name))
            return namespace_class

        return decorate

    def sockets_of(self, namespace: str) -> Emitter:
        """Everybody in the namespace of that name, which may be one of many that a pattern matches."""
        return Emitter(partial(self._audience_of, namespace))

    def stream(self, room: Any = None, namespace: str = "/") -> str:
        """The stream of a room, or of everybody: what is broadcast there is a ``message`` event."""
        return stream_of(self.path, namespace, None if room is None else stream_key(room))
