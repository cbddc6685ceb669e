"""Connection: one live peer, as the application sees it.

Its transport calls ``handle_messages`` and ``handle_close``; users subclass it for identity and hooks.
One connection's work is strictly serial: messages, stream callbacks and timers never overlap.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol

from ..errors import ConnectionClosed, NotReady, UnauthorizedConnection
from ..protocols.frames import Frame
from ..streams import Coder, stream_key
from .callbacks import (
    HookDecorator,
    Hooks,
    Rescue,
    after_command,
    before_command,
    collect,
    rescue,
    rescue_from,
    run_hooks,
)
from .carrier import Carrier, Unattached
from .executor import Timer
from .handler import Handler, Rate
from .identifiers import declared_identifiers
from .streaming import Streams
from .ticker import Ticker

Job = tuple[Callable[..., Any], tuple[Any, ...]]


class Handshake(Protocol):
    """The request that opened a connection, kept after the request is over."""

    @property
    def request(self) -> Any: ...

    @property
    def session(self) -> Any: ...

    subprotocol: str | None

    def request_context(self) -> AbstractContextManager[Any]: ...


if TYPE_CHECKING:
    LoggerAdapter = logging.LoggerAdapter[logging.Logger]
else:  # which takes no argument before Python 3.11
    LoggerAdapter = logging.LoggerAdapter


class _ConnectionLogger(LoggerAdapter):
    """Says which connection a line is about."""

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        connection: Any = (self.extra or {})["connection"]
        return f"connection {connection.id}: {msg}", kwargs


class Connection:
    """One live peer.

    Subclass it, name its ``identified_by``, and set those in ``connect``. Methods and attributes may be
    added at will. Identifiers are read back as attributes; one that was not set is None.

    Attributes:
        id: counts from 1 in each process and is never used again.
        identifiers: name -> value, as ``connect`` set them.
        data: this peer's own dict, free to use or to replace.
        is_rejected: whether ``connect`` refused.
        transport: what moves the bytes.
        state: what the handler keeps for this peer; nobody else's.
    """

    __slots__ = (
        "__busy",
        "__busy_until",
        "__closed",
        "__data",
        "__deaf",
        "__held",
        "__inbox",
        "__inbox_bytes",
        "__paused",
        "__streams",
        "__weakref__",
        "complained",
        "handler",
        "handshake",
        "id",
        "identifiers",
        "is_rejected",
        "silent_looks",
        "state",
        "transport",
    )

    identified_by: ClassVar[str | Iterable[str]] = ()
    hook_kinds: ClassVar[tuple[str, ...]] = ("before_command", "after_command")
    hooks: ClassVar[Hooks] = {}
    rescues: ClassVar[tuple[Rescue, ...]] = ()

    before_command = HookDecorator(before_command)
    after_command = HookDecorator(after_command)
    rescue_from = HookDecorator(rescue_from)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.identified_by = declared_identifiers(cls)
        collect(cls)

    def __init__(self, handler: Handler, id: int = 0, identifiers: dict[str, Any] | None = None) -> None:
        self.handler = handler
        self.id = id
        self.identifiers: dict[str, Any] = identifiers if identifiers is not None else {}
        self.transport: Carrier = Unattached()
        self.handshake: Handshake | None = None
        self.state: Any = None
        self.is_rejected = False
        self.complained = False
        self.silent_looks = 0  # since the last message; see IdleWatch
        self.__data: Any = None
        self.__busy_until = 0.0
        self.__inbox: deque[Job] | None = None
        self.__inbox_bytes = 0
        self.__streams: Streams | None = None
        self.__busy = self.__closed = self.__deaf = self.__held = self.__paused = False

    def __repr__(self) -> str:
        names = "".join(f" {name}={value!r}" for name, value in self.identifiers.items())
        return f"<{type(self).__name__} {self.id}{names}>"

    # For the application to override.

    def connect(self) -> None:
        """Accept, set identifiers, or refuse; runs inside the handshake's request context."""

    def server_message(self, message: Any) -> None:
        """Something was sent to a name or a group of this connection; whoever has none, overrides nothing."""
        self.handler.unheard(self)

    def disconnected(self) -> None:
        """The peer is gone and its subscriptions have ended; runs once, unless ``connect`` refused."""

    # Identity.

    def open(self) -> Connection:
        """Run ``connect``; only its refusal is swallowed."""
        try:
            self.connect()
        except UnauthorizedConnection:
            self.is_rejected = True
        return self

    def reject_unauthorized_connection(self) -> NoReturn:
        """Refuse the peer; nothing after this runs."""
        raise UnauthorizedConnection("the connection is not authorized")

    def set_identifier(self, name: str, value: Any) -> Connection:
        """Set an identifier, declared or not."""
        self.identifiers[name] = value
        return self

    @property
    def data(self) -> Any:
        if self.__data is None:
            self.__data = {}
        return self.__data

    @data.setter
    def data(self, value: Any) -> None:
        self.__data = value

    @property
    def request(self) -> Any:
        """The handshake's request: headers, cookies, args, path. None without one."""
        return self.handshake and self.handshake.request

    @property
    def session(self) -> Any:
        """The Flask session as the handshake had it; read-only."""
        return self.handshake and self.handshake.session

    @property
    def subprotocol(self) -> str | None:
        """What was chosen of the subprotocols that the peer offered."""
        return None if self.handshake is None else self.handshake.subprotocol

    def request_context(self) -> AbstractContextManager[Any]:
        """A request context like the handshake's, for code that needs ``flask.request``."""
        if self.handshake is None:
            raise RuntimeError("this connection was not opened by a request")
        return self.handshake.request_context()

    @property
    def logger(self) -> LoggerAdapter:
        """Log lines that say which connection they are about."""
        return _ConnectionLogger(logging.getLogger("flask_cable"), {"connection": self})

    # Speaking to the peer, from any thread.

    def transmit(self, data: Any) -> bool:
        """Send ``data`` to this peer only; False when it is gone. Raises ``EncodeError``."""
        return self.send(self.handler.encode(data))

    def send(self, message: Any) -> bool:
        """Send to this peer; dropped, with False, once the connection is closed. Raises ``EncodeError``.

        A ``Frame`` goes out as it is, and anything else as its endpoint encodes it.
        """
        if self.__closed:
            return False
        handler = self.handler
        frame: Frame = message if isinstance(message, Frame) else handler.encode(message)
        if handler.waits_to_send:
            handler.before_send(self)
        if handler.executor.is_home():
            return self.transport.send(frame)
        handler.executor.call_home(self.transport.send, frame)
        return True

    def disconnect(self, reason: str | None = None, reconnect: bool = True, code: int | None = None) -> None:
        """Say in the protocol's words that this is the end, and close.

        A protocol that has no words for it says so by the close frame's code and reason.
        """
        if not self.handler.executor.is_home():
            return self.handler.executor.call_home(self.disconnect, reason, reconnect, code)
        if not self.__closed:
            self.handler.disconnect(self, reason, reconnect, code)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with an RFC 6455 code; what the peer said that is still unread is ignored."""
        if not self.handler.executor.is_home():
            return self.handler.executor.call_home(self.close, code, reason)
        if self.__is_first_to_close():
            self.__deaf = True
            self.transport.close(code, reason)
            self.__end(code, reason)

    @property
    def closed(self) -> bool:
        """Whether the peer is gone, or told to go."""
        return self.__closed

    # What it hears, and waits for.

    def stream_from(
        self, stream: Any, callback: Callable[[Any], Any] | None = None, coder: Coder | None = None
    ) -> None:
        """Send what is broadcast to ``stream`` to this peer; once per name, however often it is called.

        When this returns, nothing is missed that is broadcast from then on.

        Args:
            stream: a name, or an object that ``stream_key`` names.
            callback: called instead with each message, on the connection's time line. It gets text, or
                what ``coder`` decodes.
            coder: decodes what was broadcast with the same coder; not needed for JSON.

        Raises:
            NotReady: the handshake is not over; in ``connect`` it is too early.
            TooMany: one more than ``CABLE_MAX_STREAMS``.
            BusError: the pub/sub adapter did not confirm it in time.
        """
        if isinstance(self.transport, Unattached):
            raise NotReady("a connection hears streams once it is open, and not in `connect` yet")
        with self.handler.executor.guard:
            streams = self.__streams = self.__streams or Streams(self)
        streams.start(stream_key(stream), callback, coder)

    def stop_stream_from(self, stream: Any) -> bool:
        """Hear no more of ``stream``; False when it was not heard."""
        return self.__streams is not None and self.__streams.stop(stream_key(stream))

    def stop_all_streams(self) -> None:
        """Hear no more of anything."""
        if self.__streams is not None:
            self.__streams.stop_all()

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of the streams that the connection as a whole hears; channels have their own."""
        return self.__streams.names if self.__streams is not None else ()

    def receive(self, timeout: float | None = None) -> Any:
        """Wait for the peer's next message, in a function that serves this connection.

        Returns None when none came within ``timeout`` seconds.

        Raises:
            ConnectionClosed: the peer is gone, or was told to go, and nothing that it said is left.
        """
        return self.handler.receive(self, timeout)

    def __iter__(self) -> Iterator[Any]:
        """The peer's messages as ``receive`` returns them, until it is gone."""
        while True:
            try:
                message = self.receive()
            except ConnectionClosed:
                return
            yield message

    @property
    def deaf(self) -> bool:
        """Whether what the peer says is ignored: it has been told to go."""
        return self.__deaf

    @property
    def is_paused(self) -> bool:
        """Whether the peer is not read for now, because too much that it said waits."""
        return self.__paused

    def add_subscription(self, channel: Any) -> Connection:
        """Subscribe ``channel``, which the connection keeps unless it is rejected."""
        self.handler.add_subscription(self, channel)  # type: ignore[attr-defined]
        return self

    # Called by the transport, at home.

    def attach(self, transport: Carrier) -> None:
        """Take a transport; what ``connect`` sent goes out."""
        kept, self.transport = self.transport, transport
        if isinstance(kept, Unattached):
            for frame in kept.frames:
                transport.send(frame)
            if kept.closing is not None:
                transport.close(*kept.closing)

    def hold_back(self) -> None:
        """Let all that is posted wait for ``handle_open``: some peers speak before they are spoken to."""
        self.__busy = self.__held = True

    def handle_open(self) -> None:
        """The handshake is done, and the peer has not been told to go meanwhile."""
        with self.handler.executor.guard:
            if not self.__closed:
                self.__begin(self.handler.handle_open, self)

    def __begin(self, function: Callable[..., Any], *args: Any) -> None:
        """Post, before all that was held back."""
        if self.__held:
            self.__held = False
            self.handler.executor.submit(self.__work, (function, args))
        else:
            self.post(function, *args)

    def handle_messages(self, messages: Iterable[str | bytes]) -> None:
        """Whole messages have come."""
        self.silent_looks = 0
        rate = self.handler.rate
        for message in messages:
            if rate is not None and not self.__is_within(rate):
                self.handler.too_fast(self)
                return self.close(1008, "too many messages")
            self.post(self.__received, message)

    def __is_within(self, rate: Rate) -> bool:
        """A bucket that holds ``rate.burst`` messages and loses ``rate.per_second``; kept as its end."""
        now, until = self.handler.executor.monotonic(), self.__busy_until
        until = (until if until > now else now) + 1.0 / rate.per_second
        self.__busy_until = until
        return (until - now) * rate.per_second < rate.burst + 0.5

    def handle_ping(self) -> None:
        """The peer pinged, and has its pong."""
        self.handler.pinged(self)

    def handle_violation(self, code: int, reason: str) -> None:
        """What the peer sent breaks the protocol; the transport has closed with this code."""
        if not self.__closed:
            self.handler.violated(self, code, reason)
            self.handle_close(code, reason)

    def handle_close(self, code: int, reason: str) -> None:
        """The peer is gone; what it said before is still worked on. Only the first call counts."""
        if self.__is_first_to_close():
            self.__end(code, reason)

    def __is_first_to_close(self) -> bool:
        with self.handler.executor.guard:
            first, self.__closed = not self.__closed, True
            return first

    def __end(self, code: int, reason: str) -> None:
        with self.handler.executor.guard:
            if self.__held:
                self.__inbox = None  # who was not let in has said nothing
            self.__begin(self.__finish, code, reason)

    def handle_written(self) -> None:
        """The peer has read all that waited for it."""
        self.handler.written(self)

    def handle_too_slow(self) -> None:
        """More waits for the peer than it may let wait; it is told to come back."""
        if not self.__closed:
            self.post(self.handler.too_slow, self)
            self.disconnect("too_slow", reconnect=True)

    # Called from anywhere at home.

    def handle_server_message(self, text: str) -> bool:
        """A message to a name or a group of this connection came, as JSON; False when it is dropped."""
        if self.__closed:
            return False
        if len(self.__inbox or ()) >= self.handler.server_messages_limit:
            self.handler.overrun(self)
            self.disconnect("too_slow", reconnect=True)
            return False
        self.post(self.__server_message, text)
        return True

    # The connection's own time line.

    def post(self, function: Callable[..., Any], *args: Any) -> None:
        """Run ``function(*args)`` after everything that was posted before, in a fresh scope."""
        executor = self.handler.executor
        if not executor.threaded:  # nobody else runs between these lines
            if self.__busy:
                return self.__queue((function, args))
            self.__busy = True
        else:
            with executor.guard:
                if self.__busy:
                    return self.__queue((function, args))
                self.__busy = True
        executor.submit(self.__work, (function, args))

    def __queue(self, job: Job) -> None:
        if self.__inbox is None:
            self.__inbox = deque()
        self.__inbox.append(job)
        self.__inbox_bytes += _size_of(job)
        handler = self.handler
        is_full = len(self.__inbox) >= handler.inbox_limit or self.__inbox_bytes >= handler.inbox_bytes
        if is_full and not self.__paused:
            self.__paused = True
            self.handler.executor.call_home(self.transport.pause)

    def __work(self, job: Job | None) -> None:
        while job is not None:
            self.__run(*job)
            job = self.__next_job()

    def __next_job(self) -> Job | None:
        if self.__inbox is None and not self.handler.executor.threaded:
            self.__busy = False
            return None
        with self.handler.executor.guard:
            job = self.__inbox.popleft() if self.__inbox else None
            if job is None:
                self.__busy, self.__inbox = False, None
            else:
                self.__inbox_bytes -= _size_of(job)
            resume = self.__paused and self.__is_half_empty()
            if resume:
                self.__paused = False
        if resume:
            self.handler.executor.call_home(self.transport.resume)
        return job

    def __is_half_empty(self) -> bool:
        handler, count = self.handler, len(self.__inbox or ())
        return count <= handler.inbox_limit // 2 and self.__inbox_bytes <= handler.inbox_bytes // 2

    def __run(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            with self.handler.scope():
                try:
                    function(*args)
                except Exception as error:
                    if not self.handler.rescue(self, error):
                        raise
        except BaseException as error:  # a worker outlives what it runs, gevent.Timeout and exit() too
            self.handler.failed(self, error)

    def __received(self, message: str | bytes) -> None:
        if not self.__deaf:
            self.handler.received(self, message)

    def __server_message(self, text: str) -> None:
        if not self.__closed:
            self.handler.server_message(self, self.handler.decode(text))

    def __finish(self, code: int, reason: str) -> None:
        if self.is_rejected:
            return
        try:
            self.handler.handle_close(self, code, reason)
        finally:
            try:
                self.disconnected()
            finally:
                self.handler.gone(self, code, reason)

    def every(self, seconds: float, function: Callable[[], Any]) -> Timer:
        """Run ``function`` on this connection's time line every so many seconds, until cancelled.

        A beat that comes while the last one still waits is skipped.
        """
        return Ticker(self, seconds, function)

    def rescue(self, error: BaseException) -> bool:
        """Let a ``rescue_from`` handler answer ``error``; False when none does."""
        return rescue(self, error)

    def run_hooks(self, kind: str) -> bool:
        """Run the hooks of one kind; False when one of them stops the command."""
        return run_hooks(self, kind)


def _size_of(job: Job) -> int:
    """What a job keeps of what came: a message's length, text by its characters."""
    _, args = job
    return len(args[0]) if args and isinstance(args[0], (str, bytes)) else 0
