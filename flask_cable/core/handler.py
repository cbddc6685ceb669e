"""Handler: what a connection calls. A style of server code is one handler."""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import signals
from ..protocols.frames import Frame
from .executor import Executor

if TYPE_CHECKING:
    from .connection import Connection
    from .hub import Hub
    from .registry import Registry
    from .rounds import Rounds

logger = logging.getLogger("flask_cable")


class Rate(NamedTuple):
    """How many messages of one peer are taken: ``burst`` at once, ``per_second`` in the long run."""

    per_second: float
    burst: float


class StreamLimits(NamedTuple):
    """Bounds of what a connection hears: how many streams, and seconds until one of them is live."""

    maximum: int = 1000
    live_within: float = 10.0


CLOSE_CODES = {"server_restart": 1012, "too_slow": 1013, "idle_timeout": 1001}
"""How a close frame says why, to peers whose protocol has no words for it; 1000 for all other reasons."""

Scope = Callable[[], AbstractContextManager[Any]]


class Handler(ABC):
    """Serves every connection of one endpoint in one process; what belongs to a peer is in its connection.

    All methods but ``encode``, ``say_disconnect`` and those that say otherwise are called on the
    connection's own time line, one at a time, inside ``scope()``.

    Attributes:
        hub: who hears what.
        executor: where work runs.
        registry: this process's live connections.
        watches: what visits every connection while it is open.
        scope: makes the context that user code runs in, afresh for each piece of work.
        inbox_limit: how many messages of one peer may wait before its socket is not read any more.
        inbox_bytes: and how long all of them may be; text counts by its characters.
        rate: how many messages of one peer are taken; past it close 1008. None takes all.
        stream_limits: bounds of ``connection.stream_from``.
        decode: makes a value of a server message, which is JSON.
        server_messages_limit: how many server messages may wait for one connection; past it "too_slow".
        counts: what was refused or failed, by kind.
        sender: who sends the signals: the Flask application.
    """

    def __init__(
        self,
        hub: Hub,
        executor: Executor,
        *,
        registry: Registry | None = None,
        watches: Sequence[Rounds] = (),
        scope: Scope = nullcontext,
        inbox_limit: int = 1000,
        inbox_bytes: int = 2**22,
        rate: Rate | None = None,
        stream_limits: StreamLimits = StreamLimits(),  # noqa: B008 - a constant
        sender: Any = None,
        decode: Callable[[str], Any] = json.loads,
        server_messages_limit: int = 10_000,
    ) -> None:
        self.hub = hub
        self.executor = executor
        self.registry = registry
        self.watches = watches
        self.scope = scope
        self.inbox_limit = inbox_limit
        self.inbox_bytes = inbox_bytes
        self.rate = rate
        self.stream_limits = stream_limits
        self.sender = sender
        self.decode = decode
        self.server_messages_limit = server_messages_limit
        self.counts: Counter[str] = Counter()

    # A connection's life; ``handle_open`` and ``handle_close`` are the connection's to call.

    def handle_open(self, connection: Connection) -> None:
        """The peer is there: it is watched over and greeted."""
        try:
            self.opened(connection)
        finally:
            for watch in self.watches:
                watch.add(connection)
            self.tell(signals.connected, connection=connection)

    @abstractmethod
    def opened(self, connection: Connection) -> None:
        """The peer is there and may be spoken to."""

    @abstractmethod
    def received(self, connection: Connection, message: str | bytes) -> None:
        """A whole message came: text is ``str``, binary is ``bytes``."""

    def server_message(self, connection: Connection, message: Any) -> None:
        """Something was sent to a name or a group of this connection: its class's hook is told."""
        try:
            connection.server_message(message)
        except Exception as error:
            if not connection.rescue(error):
                raise

    def pinged(self, connection: Connection) -> None:  # noqa: B027 - a ping says nothing to most styles
        """The peer sent a ping, which has been answered; called at home."""

    def handle_close(self, connection: Connection, code: int, reason: str) -> None:
        """The peer is gone: it is watched and listed no more, and hears nothing."""
        for watch in self.watches:
            watch.discard(connection)
        if self.registry is not None:
            self.registry.remove(connection)
        try:
            connection.stop_all_streams()
        finally:
            self.closed(connection, code, reason)

    @abstractmethod
    def closed(self, connection: Connection, code: int, reason: str) -> None:
        """The peer is gone; called once, whatever happened before."""

    def gone(self, connection: Connection, code: int, reason: str) -> None:
        """Every hook has run, ``connection.disconnected()`` last."""
        self.tell(signals.disconnected, connection=connection, code=code, reason=reason)

    def stop(self) -> None:  # noqa: B027 - most have nobody to tell
        """The process ends, and all connections have; may block."""

    def turn_away(self, connection: Connection) -> None:
        """Tell a peer that was refused, where no HTTP answer can say so."""
        connection.close(1008, "not authorized")
        self.tell(signals.rejected, connection=connection)

    # What goes out.

    @abstractmethod
    def encode(self, data: Any) -> Frame:
        """Make the frame of ``connection.transmit(data)``. Raises ``EncodeError``."""

    def encode_broadcast(self, key: Any, body: bytes) -> Frame:
        """Make the frame of a broadcast for all connections that ``stream_from`` it; ``body`` is its JSON."""
        return Frame(body)

    def disconnect(
        self, connection: Connection, reason: str | None, reconnect: bool, code: int | None
    ) -> None:
        """Tell the peer that this is the end, and close: with ``code``, or else the one that says why."""
        if self.say_disconnect(connection, reason, reconnect):
            connection.close(code or 1000)
        else:
            connection.close(code or CLOSE_CODES.get(reason or "", 1000), reason or "")

    @abstractmethod
    def say_disconnect(self, connection: Connection, reason: str | None, reconnect: bool) -> bool | None:
        """Tell the peer in the protocol's words that this is the end, and whether to come back.

        Returns True where the protocol has such words; elsewhere the close frame says it.
        """

    waits_to_send = False
    """Whether ``before_send`` has something to say."""

    def before_send(self, connection: Connection) -> None:  # noqa: B027 - most wait for nothing
        """Somebody is about to ``send`` to a connection; called where they are."""

    def written(self, connection: Connection) -> None:  # noqa: B027
        """A peer that was behind has read all that waited for it; called at home, must not block."""

    # What is waited for.

    def receive(self, connection: Connection, timeout: float | None) -> Any:
        """Wait for a message, where a function of its own serves each connection; elsewhere an error."""
        raise RuntimeError("messages are handed to this connection's handler; nobody can wait for them")

    # What goes wrong.

    def too_slow(self, connection: Connection) -> None:
        """A peer does not read what it is sent, and is about to be disconnected for it."""
        self.counts["too_slow"] += 1
        connection.logger.warning("does not read what it is sent: disconnected with too_slow")
        self.tell(signals.too_slow, connection=connection)

    def violated(self, connection: Connection, code: int, reason: str) -> None:  # noqa: B027 - no news to most
        """What the peer sent breaks the protocol, and it is about to be closed with ``code``; at home."""

    def overrun(self, connection: Connection) -> None:
        """More server messages wait for a connection than may, and it is about to be disconnected for it."""
        self.counts["overrun"] += 1
        connection.logger.warning("more than CABLE_SERVER_MESSAGES wait: disconnected with too_slow")

    def unheard(self, connection: Connection) -> None:
        """A server message came that nobody heeds: it is counted, and told once per connection."""
        self.counts["unheard"] += 1
        if not connection.complained:
            connection.complained = True
            connection.logger.warning(
                "nobody heeds its server messages: define server_message(self, message)"
            )

    def too_fast(self, connection: Connection) -> None:
        """A peer sends more messages than ``rate`` takes, and is about to be closed for it."""
        self.counts["too_fast"] += 1
        connection.logger.warning("sends more than CABLE_MESSAGES_PER_SECOND: closed with 1008")

    def rescue(self, connection: Connection, error: Exception) -> bool:
        """Answer an error that work on the connection's time line raised; False when nobody does."""
        return False

    def failed(self, connection: Connection, error: BaseException) -> None:
        """Something raised that nobody rescued: it is logged, and the connection lives on."""
        self.counts["failed"] += 1
        self.tell(signals.command_failed, connection=connection, error=error)
        connection.logger.error("unhandled %s", type(error).__name__, exc_info=error)

    def tell(self, signal: signals.NamedSignal, **moment: Any) -> None:
        """Send a signal; one who watches and raises stops nothing."""
        try:
            signal.send(self.sender, **moment)
        except Exception:
            logger.exception("a receiver of %s raised", signal.name)
