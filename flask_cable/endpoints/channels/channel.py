"""Channel: what a user writes. One instance is one subscription of one connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from ...core.callbacks import (
    HookDecorator,
    Hooks,
    Rescue,
    after_subscribe,
    after_unsubscribe,
    before_subscribe,
    before_unsubscribe,
    collect,
    hooks_of,
    rescue,
    rescue_from,
    run_hooks,
)
from ...core.connection import Connection
from ...core.executor import Timer
from ...errors import ConfigError, NotReady, TooMany, UnknownAction
from ...protocols.frames import DROP_OLDEST, KEEP_LATEST
from ...streams import Coder, JsonCoder, broadcasting_for, channel_name, stream_key
from .actions import Actions, collect_actions
from .timers import Callback, PeriodicTimer, checked_timer, collect_timers

if TYPE_CHECKING:
    from .handler import ChannelsHandler

DISCONNECT = "disconnect"
OVERFLOWS = (DISCONNECT, DROP_OLDEST, KEEP_LATEST)
HOOKS = ("before_subscribe", "after_subscribe", "before_unsubscribe", "after_unsubscribe")
FRAMEWORK = frozenset(
    ("actions", "broadcaster", "hook_kinds", "hooks", "periodic_timers", "registered_as", "rescues")
)
Broadcast = Callable[..., None]
Translate = Callable[[bytes], bytes | None]


class Channel:
    """Subclass it, register it with ``@cable.channel``, and write ``subscribed`` and actions.

    Every public method that a subclass defines is an action, which a peer may call with a message
    ``{"action": "speak", ...}``; ``receive`` is called when the message names none. Framework names,
    hooks, timers, properties and names with a leading underscore are never callable.

    Attributes:
        connection: whose subscription this is. Its identifiers are attributes of the channel too.
        identifier: the subscription's name, as the peer wrote it.
        params: what the identifier holds, ``channel`` among it; read-only.
        confirmed: whether the peer has been told that the subscription is live.
        rejected: whether ``reject()`` was called.
    """

    __slots__ = (
        "__dict__",
        "__ended",
        "__pending",
        "__settled",
        "__streams",
        "__timers",
        "__weakref__",
        "confirmed",
        "connection",
        "identifier",
        "params",
        "rejected",
    )

    overflow: ClassVar[str] = DISCONNECT
    """What happens when this channel's messages pile up for a peer that does not read: ``"disconnect"``
    it, ``"drop_oldest"`` of this subscription and stream, or ``"keep_latest"`` of them only."""

    registered_as: ClassVar[str | None] = None
    actions: ClassVar[Actions] = {}
    hook_kinds: ClassVar[tuple[str, ...]] = HOOKS
    hooks: ClassVar[Hooks] = {}
    rescues: ClassVar[tuple[Rescue, ...]] = ()
    periodic_timers: ClassVar[tuple[PeriodicTimer, ...]] = ()
    broadcaster: ClassVar[Broadcast | None] = None
    """How the class broadcasts without a connection; set by ``@cable.channel``."""

    before_subscribe = HookDecorator(before_subscribe)
    after_subscribe = HookDecorator(after_subscribe)
    before_unsubscribe = HookDecorator(before_unsubscribe)
    after_unsubscribe = HookDecorator(after_unsubscribe)
    rescue_from = HookDecorator(rescue_from)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in FRAMEWORK.intersection(vars(cls)):
            raise ConfigError(f"{cls.__name__}.{name}: the name is the framework's own; choose another")
        if cls.overflow not in OVERFLOWS:
            raise ConfigError(f"{cls.__name__}.overflow is one of {', '.join(OVERFLOWS)}")
        if not isinstance(vars(cls).get("translate", Channel.__dict__["translate"]), staticmethod):
            raise ConfigError(f"{cls.__name__}.translate serves many peers at once: make it a @staticmethod")
        collect(cls)
        cls.periodic_timers = collect_timers(cls, cls.periodic_timers)
        taken = {hook for hooks in cls.hooks.values() for hook in hooks}
        taken.update(hook for _, hook in cls.rescues)
        taken.update(timer.callback for timer in cls.periodic_timers)
        cls.actions = collect_actions(cls, Channel, taken)
        cls.registered_as = None

    def __init__(
        self, connection: Connection, identifier: str = "", params: Mapping[str, Any] | None = None
    ) -> None:
        self.connection = connection
        self.params: Mapping[str, Any] = params or MappingProxyType({"channel": self._public_name()})
        self.identifier = identifier or JsonCoder.encode(dict(self.params))
        self.confirmed = False
        self.rejected = False
        self.__settled = False  # `subscribed` has run, and was content
        self.__ended = False
        self.__pending: set[str] | None = None  # streams that are not live yet
        self.__streams: dict[str, Callable[[str], None] | None] = {}
        self.__timers: tuple[Timer, ...] = ()

    def __getattr__(self, name: str) -> Any:
        """The connection's identifiers."""
        connection = object.__getattribute__(self, "connection")
        if name in connection.identified_by:
            return getattr(connection, name)
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.identifier} of {self.connection!r}>"

    # For the application to override.

    def subscribed(self) -> None:
        """A peer subscribes: stream from something, transmit, or reject."""

    def unsubscribed(self) -> None:
        """The subscription has ended, by command or with the connection."""

    @staticmethod
    def translate(body: bytes) -> bytes | None:
        """Make of a broadcast's JSON what this channel's peers get, or None where that is nothing.

        Called once for all peers. It must neither block nor raise.
        """
        return body

    # Subscribing and ending; called by the handler, or by hand through ``add_subscription``.

    def subscribe(self) -> bool:
        """Run the hooks and ``subscribed``; False when the subscription was rejected.

        An error ends the streams and is raised on.
        """
        try:
            run_hooks(self, "before_subscribe")
            if not self.rejected:
                self.subscribed()
            run_hooks(self, "after_subscribe")
        except BaseException:
            self.end_subscription()
            raise
        if self.rejected:
            self.end_subscription()
            return False
        self.__start_timers()
        self.__settled = True
        self.__confirm_when_live()
        return True

    def unsubscribe(self) -> None:
        """End the streams and timers, then run the hooks and ``unsubscribed``; only the first call counts."""
        if not self.__ended:
            self.end_subscription()
            last_words = (
                hooks_of(self, "before_unsubscribe"),
                [self.unsubscribed],
                hooks_of(self, "after_unsubscribe"),
            )
            for hook in chain.from_iterable(last_words):
                self.__handler.run_in(self, hook)

    def reject(self) -> None:
        """Refuse the subscription. Does not raise; what was transmitted before has been sent."""
        self.rejected = True
        self.stop_all_streams()

    @property
    def is_subscribed(self) -> bool:
        """Whether the peer is subscribed, confirmed or not."""
        return self.__settled and not self.__ended

    def end_subscription(self) -> None:
        """End the streams and timers, without a word to anybody."""
        self.__ended = True
        self.stop_all_streams()
        for timer in self.__timers:
            timer.cancel()
        self.__timers = ()

    def __confirm_when_live(self) -> None:
        """Tell the peer, once: every stream is live, and ``subscribed`` has run."""
        if self.__settled and not self.__pending and not self.confirmed and not self.__ended:
            self.confirmed = True
            self.__handler.confirm(self)

    @property
    def __handler(self) -> ChannelsHandler:
        return self.connection.handler  # type: ignore[return-value]

    # Actions.

    def perform(self, action: str, data: Mapping[str, Any] | None = None) -> Any:
        """Call an action by its name, as a peer would; returns what it returns.

        Raises:
            UnknownAction: none is declared under that name, or the subscription was rejected or is over.
        """
        method, args = self.prepare_action(action, data)
        return method(*args)

    def prepare_action(
        self, action: str, data: Mapping[str, Any] | None = None
    ) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """What ``perform`` would call, and with what. Raises ``UnknownAction``."""
        takes_data = self.actions.get(action)
        if takes_data is None or self.rejected or self.__ended:
            raise UnknownAction(f"{type(self).__name__} has no action {action!r}")
        return getattr(self, action), (data if data is not None else {},) if takes_data else ()

    def rescue(self, error: BaseException) -> bool:
        """Let a ``rescue_from`` handler answer ``error``; False when none does."""
        return rescue(self, error)

    # Streams.

    def stream_from(
        self, stream: Any, callback: Callable[[Any], Any] | None = None, coder: Coder | None = None
    ) -> None:
        """Send what is broadcast to ``stream`` to this peer; once per name, however often it is called.

        Args:
            stream: a name, or an object that ``stream_key`` names.
            callback: called instead with each message, on the connection's time line, in an application
                context. It gets text, or what ``coder`` decodes.
            coder: decodes what was broadcast with the same coder; not needed for JSON.
        """
        if self.rejected or self.__ended:
            return
        name = stream_key(stream)
        plain = callback is None and (coder is None or isinstance(coder, JsonCoder))
        if plain and self.__streams.get(name, self) is None:  # it is heard that way already
            return
        self.__leave(name)
        if len(self.__streams) >= self.__handler.limits.streams:
            raise TooMany(f"CABLE_MAX_STREAMS: {len(self.__streams)} are open in {self.identifier}")
        live = partial(self.connection.post, self.__stream_live, name)
        if plain:
            self.__streams[name] = None
            is_live = self.__handler.join(name, self, live)
        else:
            listener = self.__streams[name] = self.__listener(callback or self.transmit, coder)
            is_live = self.__handler.hub.listen(name, listener, live, self.connection)
        if is_live:
            self.__stream_live(name)
        else:
            self.__pending = {*(self.__pending or ()), name}

    def __stream_live(self, name: str) -> None:
        if self.__pending is not None:
            self.__pending.discard(name)
            self.__confirm_when_live()

    def __listener(self, callback: Callable[[Any], Any], coder: Coder | None) -> Callable[[str], None]:
        def hear(text: str) -> None:
            self.connection.post(self.__heard, callback, coder, text)

        return hear

    def __heard(self, callback: Callable[[Any], Any], coder: Coder | None, text: str) -> None:
        if not self.__ended:
            self.__handler.run_in(self, lambda: callback(coder.decode(text) if coder else text))

    def stream_for(
        self, target: Any, callback: Callable[[Any], Any] | None = None, coder: Coder | None = None
    ) -> None:
        """Stream what ``broadcast_to_target(target, ...)`` sends: ``<channel name>:<stream key>``."""
        self.stream_from(self.broadcasting_for(target), callback, coder)

    def stream_or_reject_for(self, target: Any, **options: Any) -> None:
        """``stream_for`` a target that exists, ``reject()`` for None."""
        if target is None:
            self.reject()
        else:
            self.stream_for(target, **options)

    def stop_stream_from(self, stream: Any) -> bool:
        """Hear no more of ``stream``; False when it was not heard."""
        name = stream_key(stream)
        left = self.__leave(name)
        self.__stream_live(name)  # nobody waits for it any more
        return left

    def __leave(self, name: str) -> bool:
        if name not in self.__streams:
            return False
        listener = self.__streams.pop(name)
        if listener is None:
            return self.__handler.leave(name, self)
        return self.__handler.hub.unlisten(name, listener)

    def stop_stream_for(self, target: Any) -> bool:
        """Undo ``stream_for``."""
        return self.stop_stream_from(self.broadcasting_for(target))

    def stop_all_streams(self) -> None:
        """Hear no more of anything."""
        for name in list(self.__streams):
            self.stop_stream_from(name)

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of the streams that are heard."""
        return tuple(self.__streams)

    # Speaking.

    def transmit(self, data: Any) -> bool:
        """Send ``data`` to this subscription's peer; False when it is gone. Raises ``EncodeError``."""
        return self.__handler.transmit(self, data)

    def broadcast_to(
        self,
        stream: Any,
        data: Any,
        coder: Coder | None = None,
        exclude: Connection | Channel | None = None,
    ) -> None:
        """Broadcast to a stream, this peer included if it hears it; meets ``stream_from``.

        Args:
            exclude: a connection that is not to hear it, such as ``self.connection``.
        """
        self.__handler.broadcast(stream_key(stream), data, coder, exclude)

    @classmethod
    def broadcast_to_target(
        cls,
        target: Any,
        data: Any,
        coder: Coder | None = None,
        exclude: Connection | Channel | None = None,
    ) -> None:
        """Broadcast to those who ``stream_for(target)``; on the class, from anywhere.

        Raises:
            NotReady: the class is registered with no cable.
        """
        if cls.broadcaster is None:
            raise NotReady(f"{cls.__name__} is registered with no cable: put @cable.channel on it")
        cls.broadcaster(cls.broadcasting_for(target), data, coder=coder, exclude=exclude)

    @classmethod
    def channel_name(cls) -> str:
        """The prefix of this channel's streams: ``RoomChannel`` -> ``room``."""
        return channel_name(cls._public_name())

    @classmethod
    def _public_name(cls) -> str:
        return cls.registered_as or cls.__name__

    @classmethod
    def broadcasting_for(cls, *targets: Any) -> str:
        """The stream of ``stream_for(target)``: ``RoomChannel.broadcasting_for(post)`` -> ``room:Post:7``."""
        return broadcasting_for(cls.channel_name(), *targets)

    # Timers.

    @classmethod
    def periodically(cls, callback: Callback, *, every: float) -> type[Channel]:
        """Declare a periodic timer on the class: a method's name, or a callable that gets the channel.

        Raises:
            TypeError, ValueError: neither a name nor callable; not a number above zero.
        """
        cls.periodic_timers = (*cls.periodic_timers, checked_timer(callback, every))
        if isinstance(callback, str):
            cls.actions = {name: takes for name, takes in cls.actions.items() if name != callback}
        return cls

    def run_periodic_timers(self) -> None:
        """Fire every periodic timer once, now."""
        for timer in self.periodic_timers:
            self.__fire(timer.callback)

    def __start_timers(self) -> None:
        self.__timers = tuple(
            self.connection.every(timer.every, partial(self.__fire, timer.callback))
            for timer in self.periodic_timers
        )

    def __fire(self, callback: Callback) -> None:
        method = getattr(self, callback) if isinstance(callback, str) else partial(callback, self)
        self.__handler.run_in(self, method)
