"""What processes share, kept in two JetStream streams of NATS 2.9 or newer, with nats-py.

``cable_store`` is a bucket of values, each of which is replaced only by who knows its revision; in
``cable_logs`` are the lines of logs. Both are in memory, and made with the first use if they are not there.
``NatsPubSub.store`` makes the store.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import re
import secrets
import threading
import time
from typing import Any, TypeVar

from ..errors import BusError
from .forking import Fork
from .nats_bucket import Bucket, JetStreamError, Value
from .nats_line import NatsLine, NatsPlan, library
from .nats_thread import Awaiting, NatsThread
from .store import Entry, Store

logger = logging.getLogger("flask_cable")

Result = TypeVar("Result")

CLOCK_EVERY = 60.0
"""Seconds for which a look at the server's clock is good."""

SWEEP_EVERY = 60.0
"""Seconds between sweeps, at most."""

LEFTOVERS = 500
"""Messages of each stream that one sweep looks at."""


class NatsStore(Store):
    """Shared by all that use the same server, account and prefix.

    A text, with its quotes escaped, is no larger than the server's ``max_payload``.

    Args:
        thread: where nats-py lives.
        plan: where the servers are.
        name: what errors call them.
        prefix: what the streams are called by.
        timeout: seconds after which a call gives up.
    """

    def __init__(
        self, thread: NatsThread, plan: NatsPlan, name: str, prefix: str = "cable", timeout: float = 5.0
    ) -> None:
        self._thread = thread
        self._plan = plan
        self._name = name
        self._timeout = timeout
        self._stem = stem_of(prefix)
        self._sweep_at = 0.0
        self._line: NatsLine | None = None
        self._fork = Fork(self._make)

    def _make(self) -> None:
        self._guard = threading.Lock()
        self._parents, self._line = self._line, None  # not ours to use, nor to close
        self._begin()

    def _begin(self) -> None:
        """Remember nothing: the server may be another, and its clock, and so may asyncio's loop."""
        bucket = Bucket(self._client, self._stem, "store", self._timeout, max_msgs_per_subject=1)
        self._records = _Records(bucket)
        self._logs = _Logs(Bucket(self._client, self._stem, "logs", self._timeout), self._records.now)

    def _client(self) -> Any:
        if self._line is None:
            raise ConnectionError("the store was stopped")
        return self._line.client

    def _run(self, coroutine: Awaiting[Result]) -> Result:
        """Await something on the thread, until the time is up."""
        deadline = time.monotonic() + self._timeout
        try:
            line = self._connected(deadline)
            try:
                return line.call(coroutine, deadline - time.monotonic())
            except (TimeoutError, asyncio.TimeoutError):
                self._drop(line)
                raise
        except (OSError, JetStreamError, asyncio.TimeoutError, library().errors.Error) as error:
            raise BusError(f"{self._name}: {error or 'no answer in time'}") from error

    def _drop(self, line: NatsLine) -> None:
        """Give up a connection that is silent: it may have been cut without a word."""
        if self._line is line:
            self._line = None
        line.post(line.client.close)

    def _connected(self, deadline: float) -> NatsLine:
        self._fork.look()
        line = self._line
        if line is not None and line.ended is None:
            return line
        if not self._guard.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise TimeoutError(f"no connection within {self._timeout:g} s")
        try:
            if self._line is None or self._line.ended is not None:
                self._begin()
                self._line = NatsLine(self._thread, self._plan, deadline - time.monotonic())
            return self._line
        finally:
            self._guard.release()

    def stop(self) -> None:
        line, self._line = self._line, None
        if line is not None and self._fork.is_ours:
            line.close()

    # Nodes.

    def beat(self, node: str, ttl: float) -> bool:
        lived = self._run(lambda: self._records.beat(node, ttl))
        self._sweep(ttl)
        return lived

    def _sweep(self, seconds: float) -> None:
        """Remove what has expired, once in so many seconds or in a minute."""
        if time.monotonic() < self._sweep_at:
            return
        self._sweep_at = time.monotonic() + min(seconds, SWEEP_EVERY)
        try:
            self._run(self._records.sweep)
            self._run(self._logs.sweep)
        except BusError as error:
            logger.warning("what has expired stays for now: %s", error)

    def retire(self, node: str) -> None:
        self._run(lambda: self._records.retire(node))

    # Names.

    def claim(self, name: str, owner: str) -> str:
        return self._run(lambda: self._records.claim(name, owner))

    def release(self, name: str, owner: str) -> bool:
        return self._run(lambda: self._records.release(name, owner))

    def owner(self, name: str) -> str | None:
        return self._run(lambda: self._records.owner(name))

    # Counts.

    def set_count(self, key: str, node: str, count: int) -> None:
        self._run(lambda: self._records.set_count(key, node, count))

    def counts(self, key: str) -> dict[str, int]:
        return self._run(lambda: self._records.counts(key))

    # Texts.

    def put(self, key: str, text: str, ttl: float) -> None:
        self._run(lambda: self._records.put(key, text, ttl))

    def get(self, key: str) -> str | None:
        return self._run(lambda: self._records.get(key))

    def take(self, key: str) -> str | None:
        return self._run(lambda: self._records.take(key))

    # Logs.

    def append(self, key: str, text: str, limit: int, ttl: float) -> int:
        return self._run(lambda: self._logs.append(key, text, limit, ttl))

    def since(self, key: str, offset: int) -> list[Entry] | None:
        return self._run(lambda: self._logs.since(key, offset))

    def last(self, key: str, count: int) -> list[Entry]:
        return self._run(lambda: self._logs.last(key, count))


class _Turns:
    """Lets those of this process who replace the same value do so in turn, and not in vain."""

    def __init__(self) -> None:
        self._locks = [asyncio.Lock() for _ in range(64)]

    def of(self, subject: str) -> asyncio.Lock:
        """What to hold while replacing a subject's value."""
        return self._locks[hash(subject) % len(self._locks)]


class _Records:
    """Leases, names, counts and texts. A lease has a term; what is noted with another one does not hold."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._turns = _Turns()
        self._ours: dict[str, Value] = {}
        self._ahead = 0.0
        self._clock_until = 0.0
        self._cursor = 1

    async def now(self) -> float:
        """The server's clock, by ours and what lay between them when it was last looked at."""
        if time.monotonic() >= self._clock_until:
            subject = self._bucket.subject("clock", "")
            before = time.monotonic()
            await self._bucket.write(subject, {})
            _, at = await self._bucket.read_with_time(subject)
            after = time.monotonic()
            self._ahead = at - (before + after) / 2
            self._clock_until = after + CLOCK_EVERY
        return time.monotonic() + self._ahead

    # Leases.

    async def _lease(self, node: str) -> Value:
        return await self._bucket.read(self._bucket.subject("lease", node))

    async def _term(self, node: str) -> str | None:
        """The term of a node of ours, if it has a lease."""
        lease = self._ours.get(node) or await self._lease(node)
        return lease.body["term"] if await self._lives(lease) else None

    async def _lives(self, lease: Value) -> bool:
        return bool(lease.body and lease.body["until"] > await self.now())

    async def _holds(self, node: str, term: str) -> bool:
        """Whether what was noted with a term holds."""
        lease = await self._lease(node)
        return await self._lives(lease) and lease.body["term"] == term

    async def beat(self, node: str, ttl: float) -> bool:
        async with self._turns.of(self._bucket.subject("lease", node)):
            return await self._beat(node, ttl)

    async def _beat(self, node: str, ttl: float) -> bool:
        while True:
            lease = self._ours.get(node) or await self._lease(node)
            lives = await self._lives(lease)
            term = lease.body["term"] if lives else secrets.token_hex(8)
            body = {"node": node, "term": term, "until": await self.now() + ttl}
            revision = await self._bucket.write(lease.subject, body, lease.revision)
            if revision:
                self._ours[node] = Value(revision, lease.subject, body)
                return lives
            self._ours.pop(node, None)  # another has ended it, or the server has forgotten it

    async def retire(self, node: str) -> None:
        self._ours.pop(node, None)
        lease = await self._lease(node)
        while lease.revision and not await self._bucket.erase(lease.revision):
            lease = await self._lease(node)

    # Names.

    async def claim(self, name: str, owner: str) -> str:
        subject = self._bucket.subject("name", name)
        while True:
            held = await self._bucket.read(subject)
            if held.body and not await self._is_free(held):
                return str(held.body["owner"])
            term = await self._term(_node_of(owner))
            if term is None:
                return ""
            body = {"name": name, "owner": owner, "term": term}
            if await self._bucket.write(subject, body, held.revision):
                return owner

    async def _is_free(self, held: Value) -> bool:
        """Whether a name's holder is dead. One whose lease has run out is ended first, or renews it."""
        while True:
            lease = await self._lease(_node_of(held.body["owner"]))
            if lease.body.get("term") != held.body["term"] or not lease.body["until"]:
                return True
            if await self._lives(lease):
                return False
            await self._bucket.write(lease.subject, {**lease.body, "until": 0}, lease.revision)

    async def release(self, name: str, owner: str) -> bool:
        held = await self._bucket.read(self._bucket.subject("name", name))
        if held.body.get("owner") != owner or not await self._holds(_node_of(owner), held.body["term"]):
            return False
        return await self._bucket.erase(held.revision)

    async def owner(self, name: str) -> str | None:
        held = await self._bucket.read(self._bucket.subject("name", name))
        if not held.body or not await self._holds(_node_of(held.body["owner"]), held.body["term"]):
            return None
        return str(held.body["owner"])

    # Counts: one value for a key, so that it is read at once.

    async def set_count(self, key: str, node: str, count: int) -> None:
        subject = self._bucket.subject("count", key)
        async with self._turns.of(subject):
            while (term := await self._term(node)) is not None:
                value = await self._bucket.read(subject)
                nodes = {
                    other: noted for other, noted in value.body.get("nodes", {}).items() if other != node
                }
                if count:
                    nodes[node] = [term, count]
                if await self._replace_counts(value, key, nodes):
                    return
                await _pause()

    async def _replace_counts(self, value: Value, key: str, nodes: dict[str, Any]) -> bool:
        if nodes:
            body = {"key": key, "nodes": nodes}
            return bool(await self._bucket.write(value.subject, body, value.revision))
        return not value.revision or await self._bucket.erase(value.revision)

    async def counts(self, key: str) -> dict[str, int]:
        value = await self._bucket.read(self._bucket.subject("count", key))
        nodes = value.body.get("nodes", {})
        hold = await asyncio.gather(*(self._holds(node, term) for node, (term, _) in nodes.items()))
        return {node: nodes[node][1] for node, holds in zip(nodes, hold, strict=True) if holds}

    # Texts.

    async def put(self, key: str, text: str, ttl: float) -> None:
        body = {"text": text, "until": await self.now() + ttl}
        await self._bucket.write(self._bucket.subject("text", key), body)

    async def get(self, key: str) -> str | None:
        value = await self._bucket.read(self._bucket.subject("text", key))
        return value.body["text"] if await self._lives(value) else None

    async def take(self, key: str) -> str | None:
        value = await self._bucket.read(self._bucket.subject("text", key))
        while value.revision and not await self._bucket.erase(value.revision):
            value = await self._bucket.read(value.subject)
        return value.body["text"] if await self._lives(value) else None

    # Leftovers.

    async def sweep(self) -> None:
        """Look at the next so many values, and remove those that hold no more."""
        values = await self._bucket.scan(first=self._cursor, count=LEFTOVERS)
        self._cursor = values[-1].revision + 1 if len(values) == LEFTOVERS else 1
        for value in values:
            if "nodes" in value.body:
                await self._sweep_counts(value)
            elif await self._is_over(value):
                await self._bucket.erase(value.revision)

    async def _is_over(self, value: Value) -> bool:
        if "owner" in value.body:
            return not await self._holds(_node_of(value.body["owner"]), value.body["term"])
        return "until" in value.body and not await self._lives(value)

    async def _sweep_counts(self, value: Value) -> None:
        nodes = value.body["nodes"]
        left = {node: noted for node, noted in nodes.items() if await self._holds(node, noted[0])}
        if left != nodes:
            await self._replace_counts(value, value.body["key"], left)


class _Logs:
    """Logs: each line knows its number, the line before, the number of the first that counts, and its end."""

    def __init__(self, bucket: Bucket, now: Awaiting[float]) -> None:
        self._bucket = bucket
        self._now = now
        self._turns = _Turns()
        self._cursor = 1

    async def _end(self, subject: str) -> Value:
        """The last line of a log that has not expired, or of none."""
        value = await self._bucket.read(subject)
        return value if value.body and value.body["until"] > await self._now() else value._replace(body={})

    async def append(self, key: str, text: str, limit: int, ttl: float) -> int:
        subject = self._bucket.subject("log", key)
        async with self._turns.of(subject):
            return await self._append(subject, text, limit, ttl)

    async def _append(self, subject: str, text: str, limit: int, ttl: float) -> int:
        while True:
            end = await self._end(subject)
            place = _place(end, limit)
            body = {"text": text, "until": await self._now() + ttl, **place}
            revision = await self._bucket.write(subject, body, end.revision)
            if revision and end.revision:
                await self._trim(subject, place["number"], revision, limit)
            if revision:
                return revision
            await _pause()

    async def _trim(self, subject: str, number: int, revision: int, limit: int) -> None:
        """Remove what does not count any more; not with every line, for it costs a round trip."""
        if number == 1:  # of a log that goes on after it has expired
            await self._bucket.purge(subject, seq=revision)
        elif number > limit and number % max(1, limit // 4) == 0:
            await self._bucket.purge(subject, keep=limit)

    async def since(self, key: str, offset: int) -> list[Entry] | None:
        end = await self._end(self._bucket.subject("log", key))
        if not end.body or offset > end.revision:
            return None
        if offset == end.revision:
            return []
        lines = await self._bucket.scan(end.subject, max(0, offset) + 1)
        first = lines[0]
        if first.body["number"] < end.body["first"] or offset < (first.body["before"] or first.revision - 1):
            return None
        return [_entry(line) for line in lines]

    async def last(self, key: str, count: int) -> list[Entry]:
        end = await self._end(self._bucket.subject("log", key))
        if not end.body:
            return []
        lines = await self._bucket.scan(end.subject)
        return [_entry(line) for line in lines if line.body["number"] >= end.body["first"]][-count:]

    async def sweep(self) -> None:
        """Look at the next so many lines, and remove the logs that have expired."""
        lines = await self._bucket.scan(first=self._cursor, count=LEFTOVERS)
        self._cursor = lines[-1].revision + 1 if len(lines) == LEFTOVERS else 1
        now = await self._now()
        for subject in {line.subject for line in lines if line.body["until"] <= now}:
            end = await self._end(subject)
            if not end.body and end.revision:
                await self._bucket.purge(subject, seq=end.revision + 1)


def stem_of(prefix: str) -> str:
    """What streams can be called by: ``cable`` for ``cable:``; what does not fit is replaced, and hashed."""
    stem = prefix.rstrip(":.") or "cable"
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", stem)[:40]
    return plain if plain == stem else f"{plain}_{hashlib.blake2b(stem.encode(), digest_size=8).hexdigest()}"


def _place(end: Value, limit: int) -> dict[str, int]:
    """Where the next line stands."""
    if not end.body:
        return {"number": 1, "before": 0, "first": 1}
    number = end.body["number"] + 1
    first = max(end.body["first"], number - limit + 1)
    return {"number": number, "before": end.revision, "first": first}


def _entry(line: Value) -> Entry:
    return Entry(line.revision, line.body["text"])


def _node_of(owner: str) -> str:
    return owner.partition(":")[0]


async def _pause() -> None:
    """Let another one who writes the same finish."""
    await asyncio.sleep(random.uniform(0, 0.005))
