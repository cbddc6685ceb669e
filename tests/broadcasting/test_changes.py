"""What transactions have changed: net changes, savepoints, limits; without a database."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from flask_cable import Broadcastable, signals
from flask_cable.broadcasting.changes import Change, Pending
from flask_cable.broadcasting.model import CREATED, DELETED, UPDATED
from flask_cable.errors import BusError

KINDS = {"c": CREATED, "u": UPDATED, "d": DELETED}


FAILURES = {"broken": LookupError("broken"), "down": BusError("down")}


class Log:
    """A broadcaster that only remembers."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def broadcast(self, stream: str, message: dict[str, Any]) -> None:
        if stream in FAILURES:
            raise FAILURES[stream]
        target = message.get("target", "")
        self.said.append(f"{stream}: {message['action']} {target}".strip())


LOG = Log()


class Item(Broadcastable):
    broadcaster = LOG

    def __init__(self, id: int, stream: str | None = None) -> None:
        self.id = id
        self.stream = stream or f"s{id}"

    def broadcasts_to(self) -> str:
        return self.stream

    def broadcast_content(self) -> str:
        return str(self.id)


@pytest.fixture(autouse=True)
def said() -> list[Any]:
    LOG.said.clear()
    return LOG.said


def committed(pending: Pending, transaction: object = "root") -> None:
    pending.announce()
    pending.commit(transaction)
    pending.forget(transaction)
    pending.broadcast()


def happened(*kinds: str) -> list[str]:
    """What is broadcast when this happens to one record in one transaction."""
    LOG.said.clear()
    pending, item = Pending(10), Item(1)
    for kind in kinds:
        pending.add("root", Change(item, KINDS[kind]))
    committed(pending)
    return [line.split()[1] for line in LOG.said]


def test_of_one_record_the_net_change_is_told() -> None:
    for kinds, told in (
        ("c", ["append"]),
        ("u", ["replace"]),
        ("d", ["remove"]),
        ("cu", ["append"]),
        ("uu", ["replace"]),
        ("cd", []),
        ("cud", []),
        ("ud", ["remove"]),
        ("dc", ["replace"]),
        ("cdc", ["append"]),
        ("dcd", ["remove"]),
    ):
        assert happened(*kinds) == told, kinds


def test_changes_are_told_in_order_and_a_removal_last(said: list[str]) -> None:
    pending, items = Pending(10), [Item(number, "s") for number in range(3)]
    for number, kind in ((0, "u"), (1, "c"), (2, "c"), (0, "d")):
        pending.add("root", Change(items[number], KINDS[kind]))
    committed(pending)
    assert said == ["s: append items", "s: append items", "s: remove item_0"]


def test_what_was_not_committed_is_not_told(said: list[str]) -> None:
    pending = Pending(10)
    pending.add("root", Change(Item(1), CREATED))
    pending.announce()
    pending.forget("root")
    pending.broadcast()
    assert said == []


def test_a_released_savepoint_is_its_parents(said: list[str]) -> None:
    pending, item = Pending(10), Item(1)
    pending.add("root", Change(item, CREATED))
    pending.add("inner", Change(item, UPDATED))
    pending.add("inner", Change(Item(2), CREATED))
    pending.release("inner", "outer")
    pending.release("outer", "root")
    pending.release("never seen", "root")
    committed(pending)
    assert said == ["s1: append items", "s2: append items"]


def test_a_savepoint_that_is_rolled_back_leaves_no_trace(said: list[str]) -> None:
    pending, item = Pending(10), Item(1)
    pending.add("root", Change(item, CREATED))
    pending.add("inner", Change(item, DELETED))
    pending.add("inner", Change(Item(2), CREATED))
    pending.forget("inner")
    committed(pending)
    assert said == ["s1: append items"]


def test_past_the_limit_streams_are_refreshed(said: list[str]) -> None:
    pending = Pending(3)
    for number in range(7):
        pending.add("root", Change(Item(number, f"s{number % 2}"), CREATED))
    deleted = Change(Item(9, "gone"), DELETED)
    deleted.announce()
    pending.add("root", deleted)
    pending.trim("root")
    pending.trim("unknown")
    committed(pending)
    assert said == [
        *("s0: append items", "s1: append items", "s0: append items"),
        *("gone: refresh", "s0: refresh", "s1: refresh"),
    ]


def test_past_the_limit_of_streams_it_is_said(said: list[str], caplog: pytest.LogCaptureFixture) -> None:
    pending = Pending(2)
    for number in range(6):
        pending.add("root", Change(Item(number), CREATED))
        pending.trim("root")
    committed(pending)
    assert said == ["s0: append items", "s1: append items", "s2: refresh", "s3: refresh"]
    assert [record.getMessage() for record in caplog.records] == [
        "CABLE_MODEL_BROADCASTS: some streams, 's4' the first, are not told of all"
    ]


def test_a_savepoints_refreshes_are_its_parents(said: list[str]) -> None:
    pending = Pending(1)
    pending.add("root", Change(Item(1), CREATED))
    pending.add("inner", Change(Item(2), CREATED))
    pending.trim("inner")
    pending.release("inner", "root")
    committed(pending)
    assert said == ["s1: append items", "s2: refresh"]


def test_one_that_fails_stops_no_other(said: list[str], caplog: pytest.LogCaptureFixture) -> None:
    broken = Item(1)
    broken.broadcast_content = lambda: 1 / 0  # type: ignore[method-assign]
    pending = Pending(10)
    for item in (broken, Item(2, "broken"), Item(3)):
        pending.add("root", Change(item, CREATED))
    told: list[Any] = []

    def note(sender: object, record: Item, error: Exception) -> None:
        told.append((sender, record.id, type(error)))
        raise LookupError("in a receiver")

    with signals.broadcast_failed.connected_to(note):
        committed(pending)
    assert said == ["s3: append items"]
    assert told == [(None, 1, ZeroDivisionError), (None, 2, LookupError)]
    assert caplog.text.count("a change of Item could not be broadcast") == 2
    assert "a receiver of cable-broadcast-failed raised" in caplog.text


def test_without_a_pubsub_server_only_one_message_is_waited_for(
    said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    pending = Pending(10)
    for item in (Item(1), Item(2, "down"), Item(3)):
        pending.add("root", Change(item, CREATED))
    committed(pending)
    assert said == ["s1: append items"]
    assert [record.getMessage() for record in caplog.records] == [
        "Item was changed, and nobody is told of this transaction's rest: down"
    ]


def test_a_stream_past_the_limit_that_cannot_be_named_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    pending = Pending(1)
    for item in (Item(1), Item(2, " ")):
        pending.add("root", Change(item, CREATED))
    pending.trim("root")
    committed(pending)
    assert LOG.said == ["s1: append items"]
    assert "a stream's name must not be blank" in caplog.text


def test_without_a_cable_a_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    class Lost(Item):
        broadcaster = None

    pending = Pending(10)
    pending.add("root", Change(Lost(1), CREATED))
    with caplog.at_level(logging.WARNING):
        committed(pending)
    assert [record.getMessage() for record in caplog.records] == [
        "Lost was changed, and nobody is told: there is no application here: use `with app.app_context():`"
    ]


def test_a_suppressed_record_is_not_even_shown(said: list[str]) -> None:
    pending, item = Pending(1), Item(1)
    item.broadcast_content = lambda: 1 / 0  # type: ignore[method-assign]
    pending.add("root", Change(item, CREATED))
    with Item.suppressing_broadcasts():
        committed(pending)
    assert said == []


def test_what_was_shown_may_still_be_suppressed(said: list[str]) -> None:
    pending = Pending(1)
    for number in (1, 2):
        pending.add("root", Change(Item(number), CREATED))
    pending.trim("root")
    pending.announce()
    with Item.suppressing_broadcasts():
        committed(pending)
    assert said == []


def test_a_class_may_say_itself_what_is_told() -> None:
    class Own(Item):
        def broadcasts_on(self, change: str) -> Any:
            yield "log", {"action": change}
            yield self, {"action": "refresh", "method": "morph"}

    pending = Pending(1)
    for number in (5, 6):
        pending.add("root", Change(Own(number), DELETED))
    pending.trim("root")
    committed(pending)
    assert LOG.said == ["log: deleted", "Own:5: refresh", "log: refresh"]
