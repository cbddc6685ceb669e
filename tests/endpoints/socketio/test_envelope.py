"""What processes tell each other: fields, and an event with all its attachments."""

import json
from typing import Any

import pytest
from endpoints.socketio.conftest import Process, SharedBus

from flask_cable.endpoints.socketio.envelope import (
    Kept,
    addressed,
    frame_of,
    is_sid,
    opened,
    sealed,
    stream_of,
)
from flask_cable.endpoints.socketio.target import Target
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


# Streams.


def test_no_two_rooms_have_the_same_stream() -> None:
    found = {
        stream_of(path, namespace, room)
        for path in ("/a", "/b/c")
        for namespace in ("/", "/a", "/a:b")
        for room in (None, "", ",", "x,y", "/a", ":")
    }
    assert len(found) == 2 * 3 * 6


def test_ids_of_sockets_are_told_from_rooms() -> None:
    process = Process(SharedBus())
    assert is_sid(process.connect().sid)
    for name in ("lobby", "x" * 23, "x" * 25, "a b" * 8, "x" * 23 + "\n", "\u00e9" * 24):
        assert not is_sid(name)


def test_an_event_goes_where_those_are_who_are_meant() -> None:
    sid = "x" * 24
    for target, stream, fields in (
        (Target(), "/p:/n", {}),
        (Target(("lobby",)), "/p:/n,lobby", {}),
        (Target(("lobby",), skipped="me"), "/p:/n,lobby", {}),
        (Target(("a", "b")), "/p:/n", {"to": ("a", "b")}),
        (Target(("a",), ("b",)), "/p:/n", {"to": ("a",), "not": ("b",)}),
        (Target((sid,)), "/p:/n", {"to": (sid,)}),
        (Target((), ("b",)), "/p:/n", {"not": ("b",)}),
    ):
        assert addressed("/p", "/n", target) == (stream, fields)
