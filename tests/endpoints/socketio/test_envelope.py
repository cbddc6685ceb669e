"""What processes tell each other: fields, and an event with all its attachments."""

import json
from typing import Any

import pytest

from flask_cable.endpoints.socketio.envelope import Kept, frame_of, opened, sealed
from flask_cable.errors import MalformedMessage
from flask_cable.protocols.frames import BINARY, VOLATILE, Frame
from flask_cable.protocols.socketio import SocketIO

IO = SocketIO()


def again(fields: dict[str, Any], frame: Frame) -> Frame:
    return frame_of(*opened(sealed(fields, frame)))


def test_fields_alone() -> None:
    assert opened(sealed({"n": "a", "do": "join", "with": ["x"]})) == (
        {"n": "a", "do": "join", "with": ["x"]},
        "",
    )


def test_an_event_arrives_as_it_was_encoded() -> None:
    for values in (["a"], ["a", 1, {"b": None}], ["\u20ac\u2028\x1e", "\U0001f600"]):
        frame = IO.event("/admin", values)
        assert again({"n": "a"}, frame).wire == frame.wire


def test_attachments_arrive_too() -> None:
    frame = IO.event("/", ["a", b"\x00\x1e", [b""]])
    copy = again({}, frame)
    assert copy.wire == frame.wire
    assert [part.opcode for part in copy.parts[1:]] == [BINARY, BINARY]


def test_what_may_be_dropped_may_be_dropped_elsewhere() -> None:
    for frame in (IO.event("/", ["a"]), IO.event("/", ["a", b"x"])):
        assert again({}, frame).lane is None
        frame.lane = VOLATILE
        assert again({}, frame).lane is VOLATILE


def test_what_is_kept_has_its_place() -> None:
    copy = again({"n": "a"}, Kept(IO.event("/", ["a", "7"]).parts, 7))
    assert isinstance(copy, Kept)
    assert (copy.offset, copy.payload) == (7, b'42["a","7"]')


def test_fields_are_not_changed() -> None:
    fields = {"n": "a"}
    sealed(fields, Kept(IO.event("/", ["a"]).parts, 7))
    assert fields == {"n": "a"}


def test_what_is_none_of_ours_is_an_error() -> None:
    for text in ("", "no JSON", "[]", "7", '"x"', "{"):
        with pytest.raises(ValueError, match=r"no object|Expecting"):
            opened(text)
    with pytest.raises(MalformedMessage):
        frame_of({}, "42[]\x1ebnot base64!")


def test_a_message_is_json_and_a_payload() -> None:
    head, _, payload = sealed({"to": ("a",)}, IO.event("/", ["x", b"y"])).partition("\x1e")
    assert json.loads(head) == {"to": ["a"]}
    assert payload == '451-["x",{"_placeholder":true,"num":0}]\x1ebeQ=='
