"""Pushes, as they are kept and sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_cable.endpoints.push import Ledger, Patience, Pusher
from flask_cable.endpoints.push.ledger import SHARED
from flask_cable.errors import BusError
from flask_cable.pubsub import MemoryStore


class Post:
    id = 7


class Wire:
    """Remembers what was sent, and what was told."""

    def __init__(self, pushes: int = 10) -> None:
        self.store = MemoryStore()
        self.sent: list[tuple[str, str]] = []
        self.told: list[tuple[str, str]] = []
        ledger = Ledger(self.store, Patience(60, 60, pushes))
        self.pusher = Pusher(
            ledger,
            json.dumps,
            lambda *message: self.sent.append(message),
            lambda *told: self.told.append(told),
        )


def test_a_push_to_one_stream_goes_its_own_way() -> None:
    wire = Wire()
    wire.pusher.push({"a": 1}, Post())
    offset = wire.store.last("flask_cable/page/Post:7", 1)[0].offset
    assert wire.sent == [("flask_cable/page/Post:7", f'{offset}|{{"a": 1}}')]
    assert wire.told == [("Post:7", '{"a": 1}')]


@pytest.mark.parametrize("streams", [("a", "b"), ("a*",), (["a", ("b", "a")],)])
def test_others_are_one_message(streams: Any) -> None:
    wire = Wire()
    wire.pusher.push(1, *streams)
    names = ["a*"] if streams == ("a*",) else ["a", "b"]
    offset = wire.store.last(SHARED, 1)[0].offset
    assert wire.sent == [(SHARED, f"{offset}|{json.dumps(names)}\n1")]
    assert wire.told == [(name, "1") for name in names]


def test_a_push_to_one_page() -> None:
    wire = Wire()
    wire.pusher.push_to("digest", 1, Post())
    offset = wire.store.last("flask_cable/page@digest", 1)[0].offset
    assert wire.sent == [("flask_cable/page@digest", f'p{offset}|"Post:7"\n1')]


def test_where_none_is_kept_its_place_is_nought() -> None:
    wire = Wire(pushes=0)
    wire.pusher.push(1, "a")
    assert wire.sent == [("flask_cable/page/a", "0|1")]


def test_what_cannot_be_kept_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any) -> int:
        raise BusError("away")

    wire = Wire()
    monkeypatch.setattr(wire.store, "append", away)
    with pytest.raises(BusError):
        wire.pusher.push(1, "a")
    assert wire.sent == []


def test_no_stream_is_an_error() -> None:
    for streams in ((), ([],)):
        with pytest.raises(ValueError, match="at least one"):
            Wire().pusher.push(1, *streams)
