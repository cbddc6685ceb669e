"""Namespace: what an application does with the sockets of one namespace; registered once, for every process.

``Namespaces`` knows them all, those whose names are patterns among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import ConfigError, NotReady
from ...protocols.socketio import MAIN
from .emitter import FETCH_TIMEOUT, Audience, Emitter
from .handlers import Handlers

if TYPE_CHECKING:
    from .cluster import RemoteSocket
    from .sockets import Socket

Function = TypeVar("Function", bound=Callable[..., Any])
Find = Callable[[str], Audience]

PREFIX = "on_"

_NAME = re.compile(r"/[^,\x00-\x1f]*\Z")


class Namespace:
    """Handlers of one namespace: functions that are given to it, or methods of a subclass.

    A method ``on_joined(self, socket, nick)`` of a subclass handles the event ``joined``. A handler that has
    a parameter ``ack`` acknowledges by calling that, perhaps later; of others, what they return does.

    Attributes:
        name: as clients say it: ``/`` or ``/admin``; of several that match a pattern, that pattern.
        handlers: what is called for which event.
        checks: who is asked before a socket may connect.
    """

    def __init__(self, name: str = MAIN) -> None:
        self.name = name
        self.handlers = Handlers()
        self.checks: list[Callable[[Socket], object]] = []
        self._find: Find | None = None
        for attribute in dir(type(self)):
            if attribute.startswith(PREFIX):
                self.handlers.add(attribute[len(PREFIX) :], getattr(self, attribute))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    # What is done with its sockets.

    def on(self, event: str, function: Function | None = None) -> Any:
        """Handle an event with ``function(socket, *args)``; also a decorator. The last one given holds.

        ``connect`` is called with the socket and, where it takes two, the environ of the connection's
        request; False, or ``ConnectRefused``, refuses. ``disconnecting`` and ``disconnect`` are called with
        the socket and, where they take two, the reason: before and after it has left its rooms.
        ``server_message`` is called with the socket and what was sent to a name or a group of it. ``*`` is
        for events without a handler of their own, and is called with the event's name after the socket.

        Raises:
            ConfigError: the event is one that no client can send, or the function cannot be called.
        """
        if function is None:
            return partial(self.on, event)
        self.handlers.add(event, function)
        return function

    def use(self, function: Function) -> Function:
        """Ask ``function(socket)`` before a socket may connect: False, or ``ConnectRefused``, refuses."""
        if not callable(function):
            raise ConfigError(f"use() takes a function, not a {type(function).__name__}")
        self.checks.append(function)
        return function

    @property
    def is_used(self) -> bool:
        """Whether anything was given to it: else it may have been named to be spoken to only."""
        return bool(self.handlers or self.checks)

    # Speaking to its sockets, from anywhere.

    def bind(self, find: Find) -> None:
        """Let it speak: ``find`` finds a namespace in the process, and the application, of the call."""
        self._find = find

    def _audience(self) -> Audience:
        if self._find is None:
            raise NotReady(f"{self!r} belongs to no cable yet: give it to io.add_namespace()")
        return self._find(self.name)

    @property
    def sockets(self) -> Emitter:
        """Everybody in the namespace, in every process."""
        return Emitter(self._audience)

    @property
    def volatile(self) -> Emitter:
        """Everybody who has read what came before."""
        return self.sockets.volatile

    def to(self, *rooms: Any) -> Emitter:
        """Everybody in these rooms."""
        return self.sockets.to(*rooms)

    in_ = to

    def except_(self, *rooms: Any) -> Emitter:
        """Everybody but those in these rooms."""
        return self.sockets.except_(*rooms)

    def emit(self, event: str, *args: Any) -> None:
        """Emit an event to everybody. Raises as ``Emitter.emit`` does."""
        self.sockets.emit(event, *args)

    def send(self, *args: Any) -> None:
        """Emit ``message`` to everybody."""
        self.sockets.send(*args)

    def fetch_sockets(self, timeout: float = FETCH_TIMEOUT) -> list[RemoteSocket]:
        """Who is there, in every process; see ``Emitter.fetch_sockets``."""
        return self.sockets.fetch_sockets(timeout)

    def sockets_join(self, *rooms: Any) -> None:
        """Let everybody join these rooms."""
        self.sockets.sockets_join(*rooms)

    def sockets_leave(self, *rooms: Any) -> None:
        """Let everybody leave these rooms."""
        self.sockets.sockets_leave(*rooms)

    def disconnect_sockets(self, close: bool = False) -> None:
        """Disconnect everybody."""
        self.sockets.disconnect_sockets(close)


class Namespaces:
    """The namespaces of one endpoint, by their names and by patterns of names."""

    def __init__(self, main: Namespace) -> None:
        self._named: dict[str, Namespace] = {MAIN: main}
        self._patterns: dict[re.Pattern[str], Namespace] = {}

    def named(self, name: str | re.Pattern[str], find: Find) -> Namespace:
        """The namespace of that name or pattern, which is made when there is none. Raises ``ConfigError``."""
        if isinstance(name, re.Pattern):
            return self._patterns.get(name) or self._match(name, find)
        return self._named.get(name) or self.add(Namespace(name), find)

    def _match(self, pattern: re.Pattern[str], find: Find) -> Namespace:
        namespace = self._patterns[pattern] = Namespace(pattern.pattern)
        namespace.bind(_which_one)
        return namespace

    def add(self, namespace: Namespace, find: Find) -> Namespace:
        """Register a namespace under its name, in the place of one that nobody has used.

        Raises:
            ConfigError: there is one already, or no client can say that name.
        """
        name = namespace.name
        if not isinstance(name, str) or not _NAME.match(name):
            raise ConfigError(f"a namespace is called '/admin', say, and without a comma: not {name!r}")
        known = self._named.get(name)
        if known is not None and known.is_used:
            raise ConfigError(f"there is a namespace {name!r} already: {known!r}")
        self._named[name] = namespace
        namespace.bind(find)
        return namespace

    def find(self, name: str) -> Namespace | None:
        """What serves the clients that ask for ``name``; None when nothing does."""
        known = self._named.get(name)
        if known is not None and known.is_used:
            return known
        matching = (one for pattern, one in self._patterns.items() if pattern.fullmatch(name))
        return next(matching, known)


def _which_one(pattern: str) -> Audience:
    raise NotReady(f"many namespaces match {pattern!r}: speak to one of them with io.sockets_of('/its-name')")
