"""Sockets of pages: what a page says is handled, and what is pushed to it is sent.

A page is known by its digest. The request that makes it writes a record of what it is to hear, and its socket
finds that when it connects. What must be answered is answered by id; what is wrong is survived.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

from ...core.connection import Connection
from ...core.executor import Executor
from ...core.handler import Handler
from ...core.rounds import Rounds
from ...errors import BusError, CommandError, MalformedMessage, TooMany, UnknownAction, UnknownPage
from ...protocols.frames import Frame
from ...protocols.push import EXPIRED, Message, PageProtocol
from ...signals import broadcasting, command_failed
from .ledger import Ledger, Order, Place, Record, address_of
from .lines import CLAIM, ORDER
from .page import Page
from .pusher import Pusher
from .streams import PageStreams, page_of

logger = logging.getLogger("flask_cable")

Action = Callable[[dict[str, Any], Any, dict[str, Any]], Any]
Hook = Callable[[Connection], object]
Call = Callable[[Connection, Message], dict[str, Any]]

CALL, PING = BUILT_IN = ("call-route", "ping")
PONG = {"status": 200, "headers": {}, "body": "pong"}

PATIENCE = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Seconds between looks for what a page's last socket has written in the end; it may have crashed."""

RENEWAL = 60.0
"""Seconds between two writings of the record of a page that is there."""

_REASONS: dict[type[BaseException], tuple[int, str]] = {
    UnknownAction: (404, "unknown_action"),
    UnknownPage: (403, "unknown_page"),
    TooMany: (429, "too_many"),
}

serving: ContextVar[Connection | None] = ContextVar("flask_cable.page", default=None)
"""The connection of the page whose message is being handled, or whose hooks run."""


class Registered(NamedTuple):
    """What the application has registered.

    Attributes:
        actions: action -> ``function(message, session, response)``.
        hooks: ``"join"`` and ``"leave"`` -> functions of a connection.
    """

    actions: dict[str, Action]
    hooks: dict[str, list[Hook]]


class PageLimits(NamedTuple):
    """Bounds of what one page may have: streams, and routes that it calls, a second and at once."""

    streams: int = 1000
    calls_per_second: float = 20
    calls_burst: float = 100


class PagesHandler(Handler):
    """Serves the sockets of pages; a connection's ``state`` is its ``Page``.

    Args:
        call: runs a route of the application for a message; returns the fields of the reply.
    """

    def __init__(
        self, registered: Registered, protocol: PageProtocol, ledger: Ledger, call: Call, **options: Any
    ) -> None:
        super().__init__(**options)
        self.registered = registered
        self.protocol = protocol
        self.ledger = ledger
        self.call = call
        self.limits = PageLimits()
        self.streams = PageStreams(self.hub, protocol, ledger, self._ordered, self._claimed)
        encode = partial(_encode, protocol)
        self.pusher = Pusher(ledger, encode, self._broadcast, self._pushed)

    # A page's socket comes.

    def opened(self, connection: Connection) -> None:
        if page_of(connection).digest:
            self.streams.enter(connection, partial(connection.post, self._load, connection))
        else:
            self._loaded(connection)

    def _load(self, connection: Connection, attempt: int = 0) -> None:
        """Find out what the page is to hear, once no order to it can be missed."""
        if connection.closed:
            return
        page = page_of(connection)
        try:
            record = self.ledger.read(page.digest)
            if record is not None and record.is_connected and attempt < len(PATIENCE):
                return self._take_over(connection, attempt)
            places = self._recall(page, record)
            if page.known:
                self.streams.catch_up_alone(connection, page.alone.after)
        except BusError as error:
            connection.logger.warning("cannot be served: %s", error)
            return connection.disconnect("unavailable", reconnect=True, code=1013)
        self._hear(connection, places)
        self._loaded(connection)

    def _take_over(self, connection: Connection, attempt: int) -> None:
        """The page has another socket, or had one until now: that is to write down what it has heard."""
        again = partial(connection.post, self._load, connection, attempt + 1)
        if attempt:
            self.executor.later(PATIENCE[attempt], again)
        else:
            self._broadcast(address_of(page_of(connection).digest), f"{CLAIM}|{self._turn(connection)}")
            self.executor.submit(again)

    def _claimed(self, connection: Connection, turn: str) -> None:
        """Its page has a newer socket, or claims so."""
        if turn != self._turn(connection) and page_of(connection).loaded:
            self.executor.submit(self._hand_over, connection)

    def _hand_over(self, connection: Connection) -> None:
        self._part(connection)
        connection.disconnect("replaced", reconnect=False)

    def _recall(self, page: Page, record: Record | None) -> dict[str, Place]:
        """What is written of a page, and what it has been ordered since. Raises ``BusError``."""
        orders = self.ledger.orders(page.digest, record.orders if record else -1)
        page.known = bool(record or orders) and orders is not None
        if not page.known:
            return {}
        record = record or Record({})
        streams = dict(record.streams)
        for offset, order in orders or ():
            page.orders = offset
            streams = {name: place for name, place in streams.items() if name not in order.forget}
            streams = {**streams, **{name: order.hear[name] for name in order.hear if name not in streams}}
        page.orders = max(page.orders, record.orders)
        page.alone.after = self.ledger.end(address_of(page.digest)) if record.own is None else record.own
        return self.ledger.settled(streams)

    def is_known(self, digest: str) -> bool:
        """Whether a request has made this page, not too long ago. Raises ``BusError``."""
        if not digest:
            return False
        return self.ledger.read(digest) is not None or bool(self.ledger.orders(digest, -1))

    def _hear(self, connection: Connection, places: Mapping[str, Place]) -> None:
        """Join streams, as many as a page may hear."""
        fitting = dict(list(places.items())[: self.limits.streams - len(page_of(connection).hearings)])
        if len(fitting) < len(places):
            connection.logger.warning("CABLE_MAX_STREAMS: it is to hear no more than %d", self.limits.streams)
        self.streams.join(connection, fitting)

    def _loaded(self, connection: Connection) -> None:
        page = page_of(connection)
        with self.executor.guard:
            page.loaded = True
            orders, page.early_orders = page.early_orders, []
        for offset, order in orders:
            self._carry_out(connection, offset, order)
        if page.known:
            self._keep(connection)
        else:
            connection.send(EXPIRED)
        early, page.early = page.early, []
        for message in early:
            self.received(connection, message)

    def _keep(self, connection: Connection) -> None:
        """A known page is there: it is told of, and its record outlives a crash."""
        page = page_of(connection)
        self._note(connection)
        if not page.joined and not connection.closed:
            page.joined = True
            self._run_hooks("join", connection)

    # Its record.

    def _note(self, connection: Connection) -> None:
        """Write what a page hears, for the time after a crash: then it hears on from whenever it is back."""
        page, patience = page_of(connection), self.ledger.patience
        if not page.known or page.gone or connection.closed or not patience.resume:
            return
        record = Record(dict.fromkeys(page.hearings), None, page.orders, self._turn(connection))
        try:
            self.ledger.write(page.digest, record, patience.resume + 2 * RENEWAL)
        except BusError as error:
            connection.logger.warning("what it hears could not be written down: %s", error)

    def _turn(self, connection: Connection) -> str:
        return f"{self.hub.node}:{connection.id}"

    def renew(self, connections: Sequence[Connection]) -> None:
        """Write the records of these anew, before they expire."""
        for connection in connections:
            self._note(connection)

    def _part(self, connection: Connection) -> None:
        """Write up to where a page has heard; unless it has another socket by now, which writes its own."""
        page = page_of(connection)
        if page.gone:
            return
        places, own = self.streams.leave_all(connection)
        if not page.known:
            return
        try:
            record = self.ledger.read(page.digest)
            if record is None or record.turn in ("", self._turn(connection)):
                left = Record(places, own, page.orders, self._turn(connection))
                self.ledger.write(page.digest, left, self.ledger.patience.resume)
        except BusError as error:
            connection.logger.warning("what it has heard could not be written down: %s", error)

    # Orders, from requests of the page.

    def _ordered(self, connection: Connection, offset: int, text: str) -> None:
        page, order = page_of(connection), Order.decode(text)
        with self.executor.guard:
            if not page.loaded:
                return page.early_orders.append((offset, order))
        self._carry_out(connection, offset, order)
        connection.post(self._keep, connection)

    def _carry_out(self, connection: Connection, offset: int, order: Order) -> None:
        """Change what a page hears, at once; called at home or on a worker."""
        page = page_of(connection)
        if offset <= page.orders or connection.closed:
            return
        page.orders, page.known = offset, True
        for name in order.forget:
            self.streams.leave(connection, name)
        self._hear(
            connection, {name: place for name, place in order.hear.items() if name not in page.hearings}
        )

    # Its socket goes.

    def handle_close(self, connection: Connection, code: int, reason: str) -> None:
        """The peer is gone: what it has heard is written down while the process still counts it."""
        try:
            self._part(connection)
        finally:
            super().handle_close(connection, code, reason)

    def closed(self, connection: Connection, code: int, reason: str) -> None:
        if page_of(connection).joined:
            self._run_hooks("leave", connection)

    def _run_hooks(self, event: str, connection: Connection) -> None:
        """Run the application's hooks in the order of registration; one that raises stops no other."""
        for hook in list(self.registered.hooks[event]):
            try:
                with _serving(connection):
                    hook(connection)
            except BaseException as error:  # gevent.Timeout and exit() too
                self.failed(connection, error)

    # What the page says.

    def received(self, connection: Connection, message: str | bytes) -> None:
        page = page_of(connection)
        if not page.loaded:
            return self._put_off(connection, message)
        parsed = None
        try:
            parsed = self.protocol.parse(message)
            response = self._respond(connection, parsed)
            if parsed.id is not None:
                connection.send(self.protocol.reply(parsed.id, response))
        except BaseException as error:  # gevent.Timeout and exit() too: somebody may wait for a reply
            self._answer(connection, parsed, error)

    def _put_off(self, connection: Connection, message: str | bytes) -> None:
        early = page_of(connection).early
        if len(early) >= self.inbox_limit or sum(map(len, early)) >= self.inbox_bytes:
            return connection.close(1008, "too many messages")
        early.append(message)

    def _respond(self, connection: Connection, message: Message) -> Mapping[str, Any]:
        if message.action == PING:
            return PONG
        if not page_of(connection).known:
            raise UnknownPage("a message of a page that is not known (any more)")
        if connection.hooks and not connection.run_hooks("before_command"):
            return {"status": 403, "error": "halted"}
        with _serving(connection):
            response = self._handle(connection, message)
        if connection.hooks:
            connection.run_hooks("after_command")
        return response

    def _handle(self, connection: Connection, message: Message) -> Mapping[str, Any]:
        if message.action == CALL:
            self._pay(connection)
            return self.call(connection, message)
        action = self.registered.actions.get(message.action)
        if action is None:
            raise UnknownAction(f"no handler is registered as {message.action[:100]!r}")
        response: dict[str, Any] = {"id": message.id}
        returned = action(message.fields, connection.session, response)
        if returned is None:
            return response
        return returned if isinstance(returned, Mapping) else {**response, "body": returned}

    def _pay(self, connection: Connection) -> None:
        """Count a call. Raises ``TooMany``."""
        page, rate, now = page_of(connection), self.limits.calls_per_second, self.executor.monotonic()
        until = max(page.calls_until, now) + 1 / rate
        if (until - now) * rate > self.limits.calls_burst + 0.5:
            raise TooMany(f"CABLE_CALLS_PER_SECOND: more than {rate} calls of routes a second")
        page.calls_until = until

    # What goes wrong.

    def _answer(self, connection: Connection, message: Message | None, error: BaseException) -> None:
        """A message was not handled: it is counted or logged, and who waits for a reply is told."""
        if message is not None and message.id is not None:
            status, reason = _REASONS.get(type(error), (500, "failed"))
            connection.send(self.protocol.failure(message.id, status, reason))
        if isinstance(error, Exception) and connection.rescue(error):
            return
        if isinstance(error, CommandError):
            self._count(connection, error)
        else:
            self.failed(connection, error)

    def _count(self, connection: Connection, error: CommandError) -> None:
        kind = "malformed" if isinstance(error, MalformedMessage) else type(error).__name__
        self.counts[kind] += 1
        self.tell(command_failed, connection=connection, error=error)
        if not connection.complained:
            connection.complained = True
            connection.logger.warning("%s (said once per connection)", error)

    # What goes out.

    def encode(self, data: Any) -> Frame:
        return Frame(self.protocol.json.encode(data))

    def say_disconnect(self, connection: Connection, reason: str | None, reconnect: bool) -> bool:
        connection.send(self.protocol.disconnect(reason, reconnect))
        return True

    def order(self, digest: str, order: Order) -> None:
        """Change what a page hears, wherever its socket is and whenever it comes. Raises ``BusError``."""
        offset = self.ledger.order(digest, order)
        self._broadcast(address_of(digest), f"{ORDER}{offset}|{order.encode()}")

    def _broadcast(self, log: str, text: str) -> None:
        self.hub.broadcast(log, text, raw=True)

    def _pushed(self, stream: str, body: str) -> None:
        self.tell(broadcasting, stream=stream, text=body)


class Renewal(Rounds):
    """Writes the records of pages anew while their sockets are there."""

    def __init__(self, executor: Executor, handler: PagesHandler) -> None:
        super().__init__(executor, RENEWAL)
        self._handler = handler

    def visit(self, due: list[Connection]) -> None:
        self.executor.submit(self._handler.renew, due)


def _encode(protocol: PageProtocol, message: Any) -> str:
    return protocol.json.encode(message).decode()


@contextmanager
def _serving(connection: Connection) -> Iterator[None]:
    token = serving.set(connection)
    try:
        yield
    finally:
        serving.reset(token)
