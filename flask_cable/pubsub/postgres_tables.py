"""The tables of the PostgreSQL adapter and its store: what they are called, and how they are made.

UNLOGGED: nothing in them outlives a crash of the server, as no lease and no message on its way does.
"""

from __future__ import annotations

import hashlib

PARTS = ("leases", "names", "counts", "texts", "logs", "lines", "messages")
INDEXES = ("names_node", "counts_node", "texts_until", "logs_until", "messages_at")

LONGEST_STEM = 40
"""Bytes; PostgreSQL cuts a name after 63."""

MAKE = """
SELECT pg_advisory_xact_lock({lock});
CREATE UNLOGGED TABLE IF NOT EXISTS {leases} (
    node bytea PRIMARY KEY, until timestamptz NOT NULL, term bigint NOT NULL);
CREATE UNLOGGED TABLE IF NOT EXISTS {names} (
    name bytea PRIMARY KEY, node bytea NOT NULL, owner bytea NOT NULL);
CREATE UNLOGGED TABLE IF NOT EXISTS {counts} (
    key bytea, node bytea, count bigint NOT NULL, PRIMARY KEY (key, node));
CREATE UNLOGGED TABLE IF NOT EXISTS {texts} (
    key bytea PRIMARY KEY, text bytea NOT NULL, until timestamptz NOT NULL);
CREATE UNLOGGED TABLE IF NOT EXISTS {logs} (
    key bytea PRIMARY KEY, gone bigint NOT NULL, last bigint NOT NULL, until timestamptz NOT NULL);
CREATE UNLOGGED TABLE IF NOT EXISTS {lines} (
    key bytea REFERENCES {logs} ON DELETE CASCADE, place bigint, text bytea NOT NULL,
    PRIMARY KEY (key, place));
CREATE UNLOGGED TABLE IF NOT EXISTS {messages} (
    id bigint PRIMARY KEY, payload bytea NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX IF NOT EXISTS {names_node} ON {names} (node);
CREATE INDEX IF NOT EXISTS {counts_node} ON {counts} (node);
CREATE INDEX IF NOT EXISTS {texts_until} ON {texts} (until);
CREATE INDEX IF NOT EXISTS {logs_until} ON {logs} (until);
CREATE INDEX IF NOT EXISTS {messages_at} ON {messages} (at)
"""

SWEEP_MESSAGES = """
DELETE FROM {messages} WHERE id IN (
    SELECT id FROM {messages} WHERE at <= clock_timestamp() - interval '1 minute'
    LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""
"""A listener that is a minute behind has been given up long ago."""


class Tables:
    """The tables of one prefix: ``cable:`` and ``cable`` make ``cable_names``; a long one is hashed."""

    def __init__(self, prefix: str) -> None:
        self.stem = prefix.rstrip(":") or "cable"
        if len(self.stem.encode()) > LONGEST_STEM:
            self.stem = hashlib.blake2b(self.stem.encode(), digest_size=16).hexdigest()
        quoted = self.stem.replace('"', '""')
        self._names = {part: f'"{quoted}_{part}"' for part in (*PARTS, *INDEXES)}

    def script(self, template: str, **values: object) -> str:
        """A template with the tables' names and these values in it."""
        return template.format(**self._names, **values)

    @property
    def making(self) -> str:
        """The script that makes what is missing, and lets no other do so at the same time."""
        return self.script(MAKE, lock=self.lock("tables"))

    def lock(self, what: str) -> int:
        """The number of an advisory lock of ours."""
        digest = hashlib.blake2b(f"{self.stem}\0{what}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)
