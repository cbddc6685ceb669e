"""A bucket of values on a real NATS server with JetStream."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.backends import Backend

from flask_cable.pubsub.nats_bucket import Bucket, JetStreamError, _seconds
from flask_cable.pubsub.nats_line import NatsLine, read_url
from flask_cable.pubsub.nats_thread import NatsThread

pytest.importorskip("nats")

_stems = itertools.count(1)


class Opened:
    """A bucket, whose coroutines are awaited where they belong."""

    def __init__(self, backend: Backend, **limits: object) -> None:
        self.thread = NatsThread()
        self.line = NatsLine(self.thread, read_url(backend.url), 5.0)
        self.stem = f"bucket{next(_stems)}"
        self.bucket = Bucket(lambda: self.line.client, self.stem, "store", 5.0, **limits)
        self.subject = self.bucket.subject("k", "1")

    def ask(self, function: Any, *args: Any, **options: Any) -> Any:
        return self.line.call(lambda: function(*args, **options))

    def close(self) -> None:
        self.line.close()
        self.thread.stop()


@pytest.fixture
def opened(nats_server: Backend) -> Iterator[Opened]:
    opened = Opened(nats_server, max_msgs_per_subject=1)
    yield opened
    opened.close()


def test_of_two_that_replace_the_same_revision_one_does(opened: Opened) -> None:
    ask, bucket, subject = opened.ask, opened.bucket, opened.subject
    assert ask(bucket.read, subject) == (0, subject, {})
    first = ask(bucket.write, subject, {"n": 1}, 0)
    assert ask(bucket.write, subject, {"n": 2}, 0) == 0
    second = ask(bucket.write, subject, {"n": 2}, first)
    assert second > first
    assert ask(bucket.write, subject, {"n": 3}, first) == 0
    assert ask(bucket.read, subject) == (second, subject, {"n": 2})
    assert ask(bucket.write, subject, {"n": 4}) > second


def test_of_two_that_erase_a_value_one_does(opened: Opened) -> None:
    ask, bucket, subject = opened.ask, opened.bucket, opened.subject
    first = ask(bucket.write, subject, {"n": 1})
    second = ask(bucket.write, subject, {"n": 2})
    assert [ask(bucket.erase, revision) for revision in (first, second, second, 999)] == [
        *(False, True, False, False)
    ]
    assert ask(bucket.write, subject, {"n": 3}, 0) > second


def test_the_server_says_when(opened: Opened) -> None:
    opened.ask(opened.bucket.write, opened.subject, {})
    value, at = opened.ask(opened.bucket.read_with_time, opened.subject)
    assert value.revision
    assert abs(at - time.time()) < 5


def test_values_are_scanned_in_the_order_of_their_revisions(opened: Opened) -> None:
    ask, bucket = opened.ask, opened.bucket
    assert ask(bucket.scan) == []
    subjects = [bucket.subject("k", str(n)) for n in range(5)]
    revisions = [ask(bucket.write, subject, {"n": n}) for n, subject in enumerate(subjects)]
    assert [value.body["n"] for value in ask(bucket.scan)] == [0, 1, 2, 3, 4]
    assert [value[:2] for value in ask(bucket.scan, first=revisions[3])] == [
        *zip(revisions[3:], subjects[3:], strict=True)
    ]
    assert [value.body["n"] for value in ask(bucket.scan, count=2)] == [0, 1]
    assert [value.body["n"] for value in ask(bucket.scan, subjects[2])] == [2]


def test_a_subjects_messages_are_purged(nats_server: Backend) -> None:
    opened = Opened(nats_server)
    ask, bucket, subject = opened.ask, opened.bucket, opened.subject
    revisions = [ask(bucket.write, subject, {"n": n}) for n in range(6)]
    ask(bucket.write, bucket.subject("k", "other"), {"n": 9})
    ask(bucket.purge, subject, keep=4)
    ask(bucket.purge, subject, seq=revisions[3])
    assert [value.body["n"] for value in ask(bucket.scan)] == [3, 4, 5, 9]
    opened.close()


def test_a_stream_that_is_there_will_do(nats_server: Backend) -> None:
    opened = Opened(nats_server, max_msgs_per_subject=1, storage="file")
    opened.ask(opened.bucket.write, opened.subject, {"n": 1})
    other = Bucket(lambda: opened.line.client, opened.stem, "store", 5.0, max_msgs_per_subject=1)
    opened.ask(other._make)
    assert opened.ask(other.read, opened.subject).body == {"n": 1}
    opened.close()


def test_without_jetstream_it_says_what_is_needed() -> None:
    with Backend("nats", "-js=false") as backend:
        opened = Opened(backend)
        for ask in (opened.bucket.read, opened.bucket.write):
            with pytest.raises(JetStreamError, match="the store needs JetStream: nats-server -js"):
                opened.ask(ask, opened.subject, *([{}] if ask == opened.bucket.write else []))
        opened.close()


def test_what_jetstream_will_not_have_is_told(opened: Opened) -> None:
    wrong = Bucket(lambda: opened.line.client, opened.stem, "store", 5.0, retention="whatever")
    with pytest.raises(JetStreamError) as caught:
        opened.ask(wrong.write, opened.subject, {})
    assert caught.value.code


def test_a_time_is_read_however_fine_it_is() -> None:
    assert _seconds("2026-01-02T03:04:05Z") == 1767323045.0
    assert _seconds("2026-01-02T03:04:05.5Z") == 1767323045.5
    assert _seconds("2026-01-02T03:04:05.123456789Z") == pytest.approx(1767323045.123456789)
    assert _seconds("2026-01-02T03:04:05.25+00:00") == 1767323045.25
