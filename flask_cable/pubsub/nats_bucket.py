"""A JetStream stream used as a bucket of values, and what can be asked of it; awaited on the NATS thread.

The last message of a subject is its value and that message's sequence its revision. A write may say which
revision it replaces, so that of several that race one wins. Used by ``NatsStore``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, NamedTuple

from .nats_line import library

NO_MESSAGE, NO_STREAM, NAME_IN_USE, WRONG_REVISION = 10037, 10059, 10058, 10071
"""JetStream's numbers for what may go wrong."""

GONE = (NO_MESSAGE, 10043, 10057)
"""No message, no such sequence, not deleted: somebody else has removed or replaced it."""

IDLE = 5 * 10**9
"""Nanoseconds after which the server forgets a consumer that was not deleted."""

Ask = Callable[..., Awaitable[Any]]


class JetStreamError(Exception):
    """What JetStream answered instead.

    Attributes:
        code: its number for that.
    """

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error.get("description") or "JetStream failed")
        self.code = error.get("err_code", 0)


class Value(NamedTuple):
    """A message: its sequence in the stream, its subject, and what it says."""

    revision: int
    subject: str
    body: dict[str, Any]


class Bucket:
    """One stream.

    Args:
        client: returns nats-py's client.
        stem, kind: what the stream is called, ``cable_store``, and its subjects begin with, ``cable.store``.
        timeout: seconds for each request.
        limits: how the stream is made when there is none, beside our defaults.
    """

    def __init__(
        self, client: Callable[[], Any], stem: str, kind: str, timeout: float, **limits: object
    ) -> None:
        self._client = client
        self._timeout = timeout
        self._stream = f"{stem}_{kind}"
        self._start = f"{stem}.{kind}"
        self._config = {
            "name": self._stream,
            "subjects": [f"{self._start}.>"],
            "storage": "memory",
            "retention": "limits",
            "num_replicas": 1,
            **limits,
        }

    def subject(self, kind: str, key: str) -> str:
        """Where a key's value is; any text will do as a key."""
        return f"{self._start}.{kind}.{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"

    async def read(self, subject: str) -> Value:
        """The last value of a subject; its revision is 0 when there is none."""
        return (await self.read_with_time(subject))[0]

    async def read_with_time(self, subject: str) -> tuple[Value, float]:
        """The same, and when the server took it, in seconds since the epoch."""
        try:
            answer = await self._api("STREAM.MSG.GET", last_by_subj=subject)
        except JetStreamError as error:
            if error.code != NO_MESSAGE:
                raise
            return Value(0, subject, {}), 0.0
        message = answer["message"]
        body = json.loads(base64.b64decode(message.get("data", "")))
        return Value(message["seq"], subject, body), _seconds(message["time"])

    async def write(self, subject: str, body: dict[str, Any], revision: int | None = None) -> int:
        """Put a value in place of that revision, of any if it is left out; 0 is nothing.

        Returns its revision; 0 when another one is there now.
        """
        headers = None if revision is None else {"Nats-Expected-Last-Subject-Sequence": str(revision)}
        data = json.dumps(body, ensure_ascii=False).encode()
        try:
            answer = await self._making(self._request, subject, data, headers)
        except JetStreamError as error:
            if error.code != WRONG_REVISION:
                raise
            return 0
        return int(answer["seq"])

    async def erase(self, revision: int) -> bool:
        """Remove a value; False when it is gone or replaced: of several that try, one is told True."""
        try:
            await self._api("STREAM.MSG.DELETE", seq=revision, no_erase=True)
        except JetStreamError as error:
            if error.code not in GONE:
                raise
            return False
        return True

    async def purge(self, subject: str, **which: int) -> None:
        """Remove messages of a subject: those before ``seq``, 2 at least, or all but the last ``keep``."""
        await self._api("STREAM.PURGE", filter=subject, **which)

    async def scan(self, subject: str = "", first: int = 1, count: int | None = None) -> list[Value]:
        """Messages from a sequence on, of one subject or of all, at most so many."""
        reader = {
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": max(1, first),
            "filter_subject": subject or f"{self._start}.>",
            "ack_policy": "none",
            "inactive_threshold": IDLE,
            "mem_storage": True,
        }
        made = await self._api("CONSUMER.CREATE", stream_name=self._stream, config=reader)
        try:
            pending = made["num_pending"]
            return await self._fetch(made["name"], pending if count is None else min(pending, count))
        finally:
            await self._api("CONSUMER.DELETE", made["name"])

    async def _fetch(self, reader: str, count: int) -> list[Value]:
        client = self._client()
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox)
        try:
            question = json.dumps({"batch": count, "no_wait": True}).encode()
            next_one = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{reader}"
            if count:
                await client.publish(next_one, question, reply=inbox)
            values: list[Value] = []
            while len(values) < count:
                message = await subscription.next_msg(self._timeout)
                if "Status" in (message.headers or {}):  # some were removed meanwhile
                    break
                values.append(_value(message))
            return values
        finally:
            await subscription.unsubscribe()

    # Asking.

    async def _api(self, what: str, *tokens: str, **body: object) -> Any:
        """Ask JetStream about the stream, which is made if there is none."""
        subject = ".".join(("$JS.API", what, self._stream, *tokens))
        return await self._making(self._request, subject, json.dumps(body).encode())

    async def _making(self, ask: Ask, *args: Any) -> Any:
        try:
            return await ask(*args)
        except library().errors.NoRespondersError:
            await self._make()
        except JetStreamError as error:
            if error.code != NO_STREAM:
                raise
            await self._make()
        return await ask(*args)

    async def _make(self) -> None:
        """Make the stream; one that is there, whoever made it and however, will do."""
        config = json.dumps(self._config).encode()
        try:
            await self._request(f"$JS.API.STREAM.CREATE.{self._stream}", config)
        except library().errors.NoRespondersError:
            raise JetStreamError({"description": "the store needs JetStream: nats-server -js"}) from None
        except JetStreamError as error:
            if error.code != NAME_IN_USE:
                raise

    async def _request(self, subject: str, data: bytes, headers: dict[str, str] | None = None) -> Any:
        reply = await self._client().request(subject, data, timeout=self._timeout, headers=headers)
        answer = json.loads(reply.data)
        if "error" in answer:
            raise JetStreamError(answer["error"])
        return answer


def _value(message: Any) -> Value:
    return Value(message.metadata.sequence.stream, message.subject, json.loads(message.data))


def _seconds(stamp: str) -> float:
    """``2026-01-02T03:04:05.123456789Z``, whose digits may be fewer, in seconds since the epoch."""
    whole, _, fraction = re.sub(r"(Z|[+-]00:00)$", "", stamp).partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
