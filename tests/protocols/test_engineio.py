"""Engine.IO 4: packets and payloads as the protocol's document shows them, and all that is none."""

import json

import pytest

from flask_cable.errors import MalformedMessage
from flask_cable.protocols.engineio import (
    BAD_METHOD,
    BAD_REQUEST,
    CLOSE_FRAME,
    FORBIDDEN,
    NOOP_FRAME,
    PING_FRAME,
    PROBE_ANSWER,
    TOO_LARGE,
    UNAVAILABLE,
    UNKNOWN_SID,
    UNKNOWN_TRANSPORT,
    UNSUPPORTED_REVISION,
    join_payload,
    open_frame,
    parse,
    part_of,
    split_payload,
)
from flask_cable.protocols.frames import BINARY, Burst, Frame

# Packets.


def test_a_packet_is_its_type_and_what_it_carries() -> None:
    for text, expected in (
        ("0{}", ("0", "{}")),
        ("1", ("1", "")),
        ("2probe", ("2", "probe")),
        ("3", ("3", "")),
        ("4hello", ("4", "hello")),
        ("4\u20ac\u2028", ("4", "\u20ac\u2028")),
        ("5", ("5", "")),
        ("6", ("6", "")),
    ):
        assert parse(text) == expected


def test_bytes_are_a_binary_message() -> None:
    assert parse(b"\x01\x02") == ("4", b"\x01\x02")
    assert parse(b"") == ("4", b"")


def test_any_other_type_is_malformed() -> None:
    for text in ("", "7", "abc", "b", "-1", " 4", "\x00", "\u0664hello", "x" * 1_000_000):
        with pytest.raises(MalformedMessage, match=r"no Engine[.]IO packet") as caught:
            parse(text)
        assert len(str(caught.value)) < 60


# Payloads.


def test_a_payload_is_taken_apart() -> None:
    for body, expected in (
        (b"4hello", ["4hello"]),
        (b"4hello\x1e2\x1e4world", ["4hello", "2", "4world"]),
        (b"4hello\x1ebAQIDBA==", ["4hello", b"\x01\x02\x03\x04"]),
        ("4\u20ac".encode(), ["4\u20ac"]),
        (b"b", [b""]),
        (b"abc", ["abc"]),  # which ``parse`` refuses
    ):
        assert split_payload(body, 10) == expected


def test_a_payload_that_is_none_is_malformed() -> None:
    for body in (
        *(b"", b"\x1e", b"4a\x1e", b"\x1e4a", b"4a\x1e\x1e4b"),  # an empty packet
        *(b"4\xff", b"\xed\xa0\x80"),  # not UTF-8; a surrogate is none either
        *(b"bA", b"bAQIDBA", b"b====", b"bAQ-_", "b\u20ac".encode(), b"bAQID BA=="),  # not base64
    ):
        with pytest.raises(MalformedMessage):
            split_payload(body, 10)


def test_a_payload_has_a_limit_of_packets() -> None:
    assert len(split_payload(b"\x1e".join([b"2"] * 10), 10)) == 10
    with pytest.raises(MalformedMessage, match="more than 10 packets"):
        split_payload(b"\x1e".join([b"2"] * 11), 10)
    with pytest.raises(MalformedMessage, match="more than 10 packets"):
        split_payload(b"2\x1e" * 500_000, 10)


def test_frames_are_joined_to_a_payload() -> None:
    parts = [part_of(frame) for frame in (Frame(b"4hello"), Frame(b"\x01\x02\x03\x04", BINARY), PING_FRAME)]
    assert join_payload(parts) == b"4hello\x1ebAQIDBA==\x1e2"
    assert join_payload([b"4hello"]) == b"4hello"


def test_what_goes_out_in_one_piece_is_one_part() -> None:
    burst = Burst((Frame(b"452-[]"), Frame(b"\x01\x02\x03\x04", BINARY), Frame(b"", BINARY)))
    assert part_of(burst) == b"452-[]\x1ebAQIDBA==\x1eb"
    assert split_payload(part_of(burst), 3) == ["452-[]", b"\x01\x02\x03\x04", b""]


# What the server says.


def test_the_open_packet_has_milliseconds() -> None:
    frame = open_frame("x-Y_9", ["websocket"], 25, 20.5, 1_000_000)
    assert frame.payload[:1] == b"0"
    assert json.loads(frame.payload[1:]) == {
        "sid": "x-Y_9",
        "upgrades": ["websocket"],
        "pingInterval": 25000,
        "pingTimeout": 20500,
        "maxPayload": 1000000,
    }
    assert json.loads(open_frame("x", [], 0.3, 0.2, 5).payload[1:])["pingInterval"] == 300


def test_control_packets_are_as_short_as_can_be() -> None:
    frames = (CLOSE_FRAME, PING_FRAME, PROBE_ANSWER, NOOP_FRAME)
    assert [frame.payload for frame in frames] == [b"1", b"2", b"3probe", b"6"]


def test_a_refusal_has_its_code_and_status() -> None:
    for fault, status, body in (
        (UNKNOWN_TRANSPORT, 400, '{"code":0,"message":"Transport unknown"}'),
        (UNKNOWN_SID, 400, '{"code":1,"message":"Session ID unknown"}'),
        (BAD_METHOD, 400, '{"code":2,"message":"Bad handshake method"}'),
        (BAD_REQUEST, 400, '{"code":3,"message":"Bad request"}'),
        (FORBIDDEN, 403, '{"code":4,"message":"Forbidden"}'),
        (UNSUPPORTED_REVISION, 400, '{"code":5,"message":"Unsupported protocol version"}'),
        (TOO_LARGE, 413, '{"code":3,"message":"Bad request"}'),
        (UNAVAILABLE, 503, '{"code":4,"message":"Forbidden"}'),
    ):
        assert (fault.status, fault.body) == (status, body)
