"""What processes share, kept in a few tables of PostgreSQL, with psycopg's libpq.

Every call is one script, sent at once and run as one transaction. The tables are made with the first use, and
are UNLOGGED: a server that crashes forgets them, as it does its leases. ``PostgresPubSub.store`` makes it.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time

from ..errors import BusError
from .lending import Lender
from .postgres_connection import PostgresConnection, Row, content, literal
from .postgres_tables import SWEEP_MESSAGES, Tables
from .store import Entry, Store

logger = logging.getLogger("flask_cable")

SWEEP_EVERY = 60.0
"""Seconds between looks for what has expired, at most."""

LONGEST_KEY = 200
"""Bytes of a key that stand in an index; of a longer one its hash does."""

# Leases, texts and logs end by the server's clock alone. `clock_timestamp()` is now, at that very moment;
# `now()` would be when the script began.

# A node that has lapsed begins a new term, and what it had goes in the same moment.
BEAT = """
INSERT INTO {leases} AS l (node, until, term) VALUES ({node}, clock_timestamp() + {ttl}, {term})
    ON CONFLICT (node) DO UPDATE SET until = excluded.until,
        term = CASE WHEN l.until > clock_timestamp() THEN l.term ELSE excluded.term END;
DELETE FROM {names} WHERE node = {node} AND EXISTS (
    SELECT FROM {leases} WHERE node = {node} AND term = {term});
DELETE FROM {counts} WHERE node = {node} AND EXISTS (
    SELECT FROM {leases} WHERE node = {node} AND term = {term});
SELECT term <> {term} FROM {leases} WHERE node = {node}
"""

RETIRE = """
DELETE FROM {leases} WHERE node = {node};
DELETE FROM {names} WHERE node = {node};
DELETE FROM {counts} WHERE node = {node}
"""

# What is locked by somebody is left for the next time. A lease outlives what was owned under it.
SWEEP = (
    """
DELETE FROM {names} WHERE name IN (
    SELECT n.name FROM {leases} l JOIN {names} n USING (node) WHERE l.until <= clock_timestamp()
    LIMIT 1000 FOR UPDATE OF n SKIP LOCKED);
DELETE FROM {counts} WHERE (key, node) IN (
    SELECT c.key, c.node FROM {leases} l JOIN {counts} c USING (node) WHERE l.until <= clock_timestamp()
    LIMIT 1000 FOR UPDATE OF c SKIP LOCKED);
DELETE FROM {leases} WHERE node IN (
    SELECT node FROM {leases} l WHERE until <= clock_timestamp() - interval '1 minute'
        AND NOT EXISTS (SELECT FROM {names} n WHERE n.node = l.node)
        AND NOT EXISTS (SELECT FROM {counts} c WHERE c.node = l.node)
    LIMIT 1000 FOR UPDATE SKIP LOCKED);
DELETE FROM {texts} WHERE key IN (
    SELECT key FROM {texts} WHERE until <= clock_timestamp() LIMIT 1000 FOR UPDATE SKIP LOCKED);
DELETE FROM {logs} WHERE key IN (
    SELECT key FROM {logs} WHERE until <= clock_timestamp() LIMIT 100 FOR UPDATE SKIP LOCKED);
"""
    + SWEEP_MESSAGES
)

# One claims a name at a time, so that each statement sees all that others did before. A holder whose lease
# has run out is first marked as dead, which its own beat, if it is under way, either prevents or sees.
CLAIM = """
SELECT pg_advisory_xact_lock({lock});
UPDATE {leases} l SET until = '-infinity' FROM {names} n
    WHERE n.name = {name} AND l.node = n.node AND l.until <= clock_timestamp() AND l.until > '-infinity';
INSERT INTO {names} AS n (name, node, owner)
    SELECT {name}, node, {owner} FROM {leases} WHERE node = {node} AND until > clock_timestamp()
    ON CONFLICT (name) DO UPDATE SET node = excluded.node, owner = excluded.owner
        WHERE NOT EXISTS (SELECT FROM {leases} l WHERE l.node = n.node AND l.until > '-infinity');
SELECT n.owner FROM {names} n JOIN {leases} l USING (node) WHERE n.name = {name} AND l.until > '-infinity'
"""

RELEASE = """
DELETE FROM {names} n USING {leases} l WHERE n.name = {name} AND n.owner = {owner}
    AND l.node = n.node AND l.until > clock_timestamp() RETURNING 1
"""

OWNER = """
SELECT n.owner FROM {names} n JOIN {leases} l USING (node)
    WHERE n.name = {name} AND l.until > clock_timestamp()
"""

SET_COUNT = """
INSERT INTO {counts} (key, node, count)
    SELECT {key}, node, {count} FROM {leases} WHERE node = {node} AND until > clock_timestamp()
    ON CONFLICT (key, node) DO UPDATE SET count = excluded.count
"""

FORGET_COUNT = "DELETE FROM {counts} WHERE key = {key} AND node = {node}"

COUNTS = """
SELECT c.node, c.count FROM {counts} c JOIN {leases} l USING (node)
    WHERE c.key = {key} AND l.until > clock_timestamp()
"""

PUT = """
INSERT INTO {texts} (key, text, until) VALUES ({key}, {text}, clock_timestamp() + {ttl})
    ON CONFLICT (key) DO UPDATE SET text = excluded.text, until = excluded.until
"""

GET = "SELECT text FROM {texts} WHERE key = {key} AND until > clock_timestamp()"

TAKE = "DELETE FROM {texts} WHERE key = {key} RETURNING CASE WHEN until > clock_timestamp() THEN text END"

# Places are consecutive, and begin with the time in microseconds: a log goes on above a forgotten one.
APPEND = """
INSERT INTO {logs} AS l (key, gone, last, until)
    SELECT {key}, micros, micros + 1, clock_timestamp() + {ttl}
        FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros) AS began
    ON CONFLICT (key) DO UPDATE SET until = excluded.until,
        last = CASE WHEN l.until > clock_timestamp() THEN l.last + 1
            ELSE greatest(excluded.last, l.last + 1) END,
        gone = CASE WHEN l.until > clock_timestamp() THEN greatest(l.gone, l.last + 1 - {limit})
            ELSE greatest(excluded.gone, l.last) END;
DELETE FROM {lines} WHERE key = {key} AND place <= (SELECT gone FROM {logs} WHERE key = {key});
INSERT INTO {lines} (key, place, text) SELECT key, last, {text} FROM {logs} WHERE key = {key} RETURNING place
"""

SINCE = """
SELECT n.place, n.text FROM {logs} g LEFT JOIN {lines} n ON n.key = g.key AND n.place > {offset}
    WHERE g.key = {key} AND g.until > clock_timestamp() AND {offset} BETWEEN g.gone AND g.last
    ORDER BY n.place
"""

LAST = """
SELECT n.place, n.text FROM {logs} g JOIN {lines} n USING (key)
    WHERE g.key = {key} AND g.until > clock_timestamp() ORDER BY n.place DESC LIMIT {count}
"""


class PostgresStore(Store):
    """Shared by all that use the same database, schema and prefix.

    Args:
        url: as libpq takes it; ``?options=-csearch_path%3Dcable`` names a schema.
        name: what errors call the server.
        prefix: what the tables' names begin with.
        timeout: seconds after which a call gives up.
    """

    def __init__(self, url: str, name: str, prefix: str = "cable", timeout: float = 5.0) -> None:
        self._lender = Lender(lambda until: PostgresConnection(url, timeout, until), name, timeout)
        self._tables = Tables(prefix)
        self._sweep_at = 0.0

    def _run(self, script: str, **values: object) -> list[Row]:
        with self._lender.borrowed() as (connection, deadline):
            return connection.run(self._tables.script(script, **values), deadline, self._tables.making)

    def stop(self) -> None:
        self._lender.stop()

    # Nodes.

    def beat(self, node: str, ttl: float) -> bool:
        rows = self._run(BEAT, node=_key(node), ttl=_interval(ttl), term=secrets.randbits(62))
        self._sweep(ttl)
        return rows[0][0] == b"t"

    def _sweep(self, seconds: float) -> None:
        """Remove what has expired, once in so many seconds or in a minute."""
        if time.monotonic() < self._sweep_at:
            return
        self._sweep_at = time.monotonic() + min(seconds, SWEEP_EVERY)
        try:
            self._run(SWEEP)
        except BusError as error:
            logger.warning("what has expired stays for now: %s", error)

    def retire(self, node: str) -> None:
        self._run(RETIRE, node=_key(node))

    # Names.

    def claim(self, name: str, owner: str) -> str:
        node = _key(owner.partition(":")[0])
        rows = self._run(
            CLAIM, name=_key(name), node=node, owner=_text(owner), lock=self._tables.lock(f"name {name}")
        )
        return _one_text(rows) or ""

    def release(self, name: str, owner: str) -> bool:
        return bool(self._run(RELEASE, name=_key(name), owner=_text(owner)))

    def owner(self, name: str) -> str | None:
        return _one_text(self._run(OWNER, name=_key(name)))

    # Counts.

    def set_count(self, key: str, node: str, count: int) -> None:
        script = SET_COUNT if count else FORGET_COUNT
        self._run(script, key=_key(key), node=_key(node), count=count)

    def counts(self, key: str) -> dict[str, int]:
        return {content(node).decode(): int(count or 0) for node, count in self._run(COUNTS, key=_key(key))}

    # Texts.

    def put(self, key: str, text: str, ttl: float) -> None:
        self._run(PUT, key=_key(key), text=_text(text), ttl=_interval(ttl))

    def get(self, key: str) -> str | None:
        return _one_text(self._run(GET, key=_key(key)))

    def take(self, key: str) -> str | None:
        return _one_text(self._run(TAKE, key=_key(key)))

    # Logs.

    def append(self, key: str, text: str, limit: int, ttl: float) -> int:
        rows = self._run(APPEND, key=_key(key), text=_text(text), limit=int(limit), ttl=_interval(ttl))
        return int(rows[0][0] or 0)

    def since(self, key: str, offset: int) -> list[Entry] | None:
        rows = self._run(SINCE, key=_key(key), offset=int(offset))
        if not rows:
            return None
        return [_entry(row) for row in rows if row[0] is not None]

    def last(self, key: str, count: int) -> list[Entry]:
        rows = self._run(LAST, key=_key(key), count=int(count))
        return [_entry(row) for row in reversed(rows)]


def _key(text: str) -> str:
    key = text.encode()
    return literal(key if len(key) <= LONGEST_KEY else b"\0" + hashlib.sha256(key).digest())


def _text(text: str) -> str:
    return literal(text.encode())


def _interval(seconds: float) -> str:
    return f"interval '{seconds:.3f} seconds'"


def _entry(row: Row) -> Entry:
    return Entry(int(row[0] or 0), content(row[1]).decode())


def _one_text(rows: list[Row]) -> str | None:
    return content(rows[0][0]).decode() if rows and rows[0][0] is not None else None
