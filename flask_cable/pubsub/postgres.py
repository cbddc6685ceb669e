"""Pub/sub over PostgreSQL's LISTEN and NOTIFY, with psycopg's libpq.

A stream is a channel of the same name, or of its hash where PostgreSQL would cut the name or not have it;
what NOTIFY cannot carry goes through a table. One connection hears, another one publishes.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from ..errors import BusError
from .listening import Heard, Listener, Waiter
from .network import BusOptions, NetworkPubSub
from .postgres_connection import PostgresConnection, PostgresError, check_url, content, literal
from .postgres_store import PostgresStore
from .postgres_tables import SWEEP_MESSAGES, Tables
from .sending import Sender

LONGEST_NAME = 63
"""Bytes of a channel's name."""

HASHED = "#"
"""What the name of a hash begins with, and no other."""

LONGEST = 7900
"""Bytes of a payload that NOTIFY carries, the number before it left out; 7,999 is PostgreSQL's limit."""

MANY = 500
"""Streams that one script listens to."""

SWEEP_EVERY = 10.0
"""Seconds between looks for large messages that all have fetched."""

# A notification is a number, without which PostgreSQL would send two equal ones of a transaction only once;
# then "+" and the payload, or "@" and the payload's id in the table.
FORM = re.compile(rb"[0-9]+(?:\+(?P<payload>.*)|@(?P<id>[0-9]{1,18}))", re.DOTALL)
NOTIFY = """
SELECT pg_notify(convert_from(decode(name, 'hex'), 'UTF8'), convert_from(decode(payload, 'hex'), 'UTF8'))
    FROM (VALUES {rows}) AS messages (name, payload)
"""
KEEP = "INSERT INTO {messages} (id, payload) VALUES ({id}, {payload})"
ANY_LEFT = "SELECT EXISTS (SELECT FROM {messages})"
FETCH = "SELECT payload FROM {messages} WHERE id = {id}"


class PostgresPubSub(NetworkPubSub):
    """``postgresql://`` as libpq takes it."""

    def __init__(self, url: str, options: BusOptions | None = None) -> None:
        super().__init__(url, options)
        check_url(url)
        self._tables = Tables(self.options.prefix)

    def make_store(self) -> PostgresStore:
        return PostgresStore(self.url, self.name, self.options.prefix, self.timeout)

    def address(self, stream: str) -> str:
        name = self.options.prefix + stream
        if (
            len(name) <= LONGEST_NAME
            and name.isascii()
            and name.isprintable()
            and name[:1] not in ("", HASHED)
        ):
            return name
        return HASHED + hashlib.blake2b(name.encode(), digest_size=16).hexdigest()

    def listen(self) -> Listener:
        return PostgresListener(PostgresConnection(self.url, self.timeout), self._tables)

    def connect(self) -> Sender:
        return PostgresSender(PostgresConnection(self.url, self.timeout), self._tables)


class PostgresListener(Listener):
    """One session that listens. It waits for every answer; what it hears meanwhile is kept by libpq."""

    def __init__(self, connection: PostgresConnection, tables: Tables) -> None:
        self._connection = connection
        self._tables = tables
        self._waiter = Waiter(connection)
        self._confirmed: deque[Heard] = deque()
        self._is_alive = False

    def subscribe(self, addresses: Sequence[str]) -> None:
        self._each("LISTEN", addresses)
        self._confirmed.extend((address, None) for address in addresses)

    def unsubscribe(self, addresses: Sequence[str]) -> None:
        self._each("UNLISTEN", addresses)

    def _each(self, command: str, addresses: Sequence[str]) -> None:
        for start in range(0, len(addresses), MANY):
            some = addresses[start : start + MANY]
            self._connection.run("; ".join(f"{command} {_quoted(address)}" for address in some))

    def probe(self) -> None:
        self._connection.run("SELECT 1")
        self._is_alive = True

    def receive(self, timeout: float) -> Iterable[Heard] | None:
        notified = self._connection.notifications()
        if not (notified or self._confirmed or self._is_alive):
            if not self._waiter.wait(timeout):
                return None
            notified = self._connection.notifications()
        self._is_alive = False
        return self._heard(notified)

    def _heard(self, notified: Iterable[tuple[str, bytes]]) -> Iterator[Heard]:
        while self._confirmed:
            yield self._confirmed.popleft()
        for address, extra in notified:
            form = FORM.fullmatch(extra)
            if form is None:
                yield address, b""  # which no envelope looks like
            elif form["id"]:
                yield address, self._fetch(int(form["id"]))
            else:
                yield address, form["payload"]

    def _fetch(self, id: int) -> bytes:
        """A payload that went through the table.

        Raises:
            BusError: it is gone already: as good as an outage, for it has been missed.
        """
        rows = self._connection.run(self._tables.script(FETCH, id=id), making=self._tables.making)
        if not rows:
            raise BusError("a large message was gone before it was fetched")
        return content(rows[0][0])

    def wake(self) -> None:
        self._waiter.wake()

    def close(self) -> None:
        self._waiter.close()
        self._connection.close()


class PostgresSender(Sender):
    """One session that notifies: a transaction for all that goes out in one round trip."""

    def __init__(self, connection: PostgresConnection, tables: Tables) -> None:
        self._connection = connection
        self._tables = tables
        self._sweep_at: float | None = None

    def send(self, messages: Sequence[tuple[str, bytes]]) -> Mapping[int, Exception]:
        if self._sweep_at is not None and time.monotonic() >= self._sweep_at:
            self._sweep()
        try:
            self._notify(messages)
        except PostgresError as error:
            return self._send_each(messages) if len(messages) > 1 else {0: error}
        return {}

    def _send_each(self, messages: Sequence[tuple[str, bytes]]) -> dict[int, Exception]:
        """Find out which of them it is that the server will not have."""
        refused: dict[int, Exception] = {}
        for place, message in enumerate(messages):
            why = self.send([message])
            if why:
                refused[place] = why[0]
        return refused

    def _notify(self, messages: Sequence[tuple[str, bytes]]) -> None:
        kept, rows = [], []
        for number, (address, payload) in enumerate(messages):
            if self._fits(payload):
                extra = b"%d+%b" % (number, payload)
            else:
                id = secrets.randbits(59)
                kept.append(self._tables.script(KEEP, id=id, payload=literal(payload)))
                extra = b"%d@%d" % (number, id)
            rows.append(f"('{address.encode().hex()}', '{extra.hex()}')")
        script = "; ".join([*kept, NOTIFY.format(rows=", ".join(rows))])
        self._connection.run(script, making=self._tables.making)
        if kept and self._sweep_at is None:
            self._sweep()  # for those, too, that lived no longer than their message

    def _fits(self, payload: bytes) -> bool:
        """Whether NOTIFY carries this: not too long, no NUL, no letter that the database does not have."""
        if len(payload) > LONGEST or b"\0" in payload:
            return False
        return self._connection.encoding == "UTF8" or payload.isascii()

    def _sweep(self) -> None:
        """Remove large messages of a while ago, and look again later for those that are too young."""
        self._sweep_at = None
        with suppress(PostgresError):
            rows = self._connection.run(self._tables.script(f"{SWEEP_MESSAGES}; {ANY_LEFT}"))
            if rows == [(b"t",)]:
                self._sweep_at = time.monotonic() + SWEEP_EVERY

    @property
    def is_stale(self) -> bool:
        return self._connection.is_stale

    def close(self) -> None:
        self._connection.close()


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))
