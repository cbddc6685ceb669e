"""Socket.IO 5: the packets of the protocol's document, binary values both ways, and all that is malformed."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from flask_cable.errors import EncodeError, MalformedMessage
from flask_cable.protocols.frames import BINARY, TEXT
from flask_cable.protocols.json import Json
from flask_cable.protocols.socketio import (
    ACK,
    CONNECT,
    CONNECT_ERROR,
    DISCONNECT,
    EVENT,
    RESERVED,
    Assembly,
    Packet,
    SocketIO,
    is_reserved,
)

IO = SocketIO()
HOLE = {"_placeholder": True, "num": 0}
HOLES = [HOLE, {"_placeholder": True, "num": 1}]


# From the peer.


def test_packets_are_read() -> None:
    for text, expected in (
        ("0", Packet(CONNECT, "/")),
        ('4/admin,{"message":"no"}', Packet(CONNECT_ERROR, "/admin", {"message": "no"})),
        ('0{"token":"123"}', Packet(CONNECT, "/", {"token": "123"})),
        ("0/admin,", Packet(CONNECT, "/admin")),
        ("0/admin", Packet(CONNECT, "/admin")),
        ('0/admin,{"token":"abc"}', Packet(CONNECT, "/admin", {"token": "abc"})),
        ("1", Packet(DISCONNECT, "/")),
        ("1/admin,", Packet(DISCONNECT, "/admin")),
        ("1/admin", Packet(DISCONNECT, "/admin")),
        ('2["foo"]', Packet(EVENT, "/", ["foo"])),
        ('2/admin,["bar",{"a":[1,null]}]', Packet(EVENT, "/admin", ["bar", {"a": [1, None]}])),
        ('212["foo"]', Packet(EVENT, "/", ["foo"], 12)),
        ('20["foo"]', Packet(EVENT, "/", ["foo"], 0)),
        ('2/admin,13["foo",7]', Packet(EVENT, "/admin", ["foo", 7], 13)),
        ("2[7]", Packet(EVENT, "/", [7])),
        ("312[]", Packet(ACK, "/", [], 12)),
        ('3/admin,13["bar"]', Packet(ACK, "/admin", ["bar"], 13)),
        ('51-["baz",{"_placeholder":true,"num":0}]', Packet(EVENT, "/", ["baz", HOLE], None, 1)),
        (f"52-/admin,7{json.dumps(['baz', *HOLES])}", Packet(EVENT, "/admin", ["baz", *HOLES], 7, 2)),
        ('61-15["bar",{"_placeholder":true,"num":0}]', Packet(ACK, "/", ["bar", HOLE], 15, 1)),
        ('2/a b\u20ac"[,["foo"]', Packet(EVENT, '/a b\u20ac"[', ["foo"])),
        ("2[ 1.5 ] ", Packet(EVENT, "/", [1.5])),
        ('29007199254740993["big"]', Packet(EVENT, "/", ["big"], 9007199254740993)),
    ):
        assert IO.parse(text) == expected, text


def test_an_unknown_type_is_malformed() -> None:
    for text in ("", "7", "abc", "-2", " 2", "\u0662[]", "b", '["foo"]', "x" * 1_000_000):
        with pytest.raises(MalformedMessage, match=r"no Socket[.]IO packet") as caught:
            IO.parse(text)
        assert len(str(caught.value)) < 60


def test_what_is_no_json_is_malformed() -> None:
    for text in (
        *("2[", '2["a"', "2{", "2[]]", 'abc["a"]', '2abc["a"]', "2[1]x", "2\x00", "2NaN", "2[,]"),
        *("0/a\x1eb", "0/a\n,", "2/a\x00,[1]"),  # a namespace has no control characters
        *("2" + "[" * 100_000, "2" + "9" * 10_000, "0{", "3nope", '2/admin["a"]', '2/admin{"a":1},x'),
    ):
        with pytest.raises(MalformedMessage):
            IO.parse(text)


def test_every_type_has_data_of_its_own_kind() -> None:
    for text in (
        *("0[]", "0null", "0true", '0"x"', "0/admin,[]"),
        *("1{}", "1null", "1/admin,[]", "1[]"),
        *("2", "2[]", "2{}", "2null", '2"foo"', "2/admin,", "2[null]", "2[true]", "2[[]]", "2[{}]", "212"),
        *("3", "312", "3{}", '312{"a":1}', "3null"),
        *("4", "4[]", "4/admin,7", "4null"),
    ):
        with pytest.raises(MalformedMessage, match="not what a packet of type"):
            IO.parse(text)


def test_reserved_events_are_malformed() -> None:
    assert {"connect", "disconnect", "connect_error", "disconnecting"} <= RESERVED
    for name in RESERVED:
        with pytest.raises(MalformedMessage):
            IO.parse(f'2["{name}"]')
        with pytest.raises(MalformedMessage):
            IO.parse(f'51-["{name}",{json.dumps(HOLE)}]')
        assert is_reserved(name)
    assert not is_reserved("message")
    assert not is_reserved(["connect"])


def test_a_number_of_attachments_has_to_be_right() -> None:
    for text in (
        *('5["a"]', '5-["a"]', '50-["a"]', '5x-["a"]', '5-1-["a"]', '51["a"]', "51", '5 1-["a"]'),
        *('511-["a"]', '5999999999999999999-["a"]', '6["a"]', '60-1["a"]', '5/admin,1-["a"]', '51.5-["a"]'),
    ):
        with pytest.raises(MalformedMessage, match="1 to 10 attachments"):
            IO.parse(text)
    assert SocketIO(max_attachments=11).parse('511-["a"]').attachments == 11


def test_a_text_type_has_no_attachments() -> None:
    with pytest.raises(MalformedMessage):
        IO.parse('21-["a"]')


def test_json_is_the_applications_own() -> None:
    own = SocketIO(Json(loads=lambda text: ["own", text]))
    assert own.parse("2whatever").data == ["own", "whatever"]


# Attachments of the peer's.


def assembled(text: str, *attachments: bytes, limit: int = 1000) -> Packet:
    assembly = Assembly(IO.parse(text), limit)
    for attachment in attachments[:-1]:
        assert assembly.add(attachment) is None
    whole = assembly.add(attachments[-1])
    assert whole is not None
    return whole


def test_attachments_are_put_where_they_belong() -> None:
    text = '52-/admin,7["a",{"b":[{"_placeholder":true,"num":1}]},{"_placeholder":true,"num":0}]'
    expected = Packet(EVENT, "/admin", ["a", {"b": [b"two"]}, b"one"], 7, 2)
    assert assembled(text, b"one", b"two") == expected


def test_an_attachment_may_be_used_twice_or_never() -> None:
    assert assembled(f'51-["a",{json.dumps(HOLE)},{json.dumps(HOLE)}]', b"x").data == ["a", b"x", b"x"]
    assert assembled('51-["a"]', b"x").data == ["a"]


def test_only_true_makes_a_placeholder() -> None:
    for value in ({"_placeholder": 1, "num": 0}, {"_placeholder": False}, {"num": 0}):
        assert assembled(f'51-["a",{json.dumps(value)}]', b"x").data == ["a", value]


def test_a_placeholder_for_nothing_is_malformed() -> None:
    for number in (1, -1, 10**30, 0.0, True, None, "0", []):
        with pytest.raises(MalformedMessage, match="a placeholder"):
            assembled(f'51-["a",{json.dumps({"_placeholder": True, "num": number})}]', b"x")
    with pytest.raises(MalformedMessage, match="a placeholder"):
        assembled('51-["a",{"_placeholder":true}]', b"x")


def test_attachments_are_bounded_together() -> None:
    assert assembled('52-["a"]', bytes(500), bytes(500)).data == ["a"]
    with pytest.raises(MalformedMessage, match="larger together"):
        assembled('52-["a"]', bytes(500), bytes(501))


def test_a_deep_packet_is_malformed_and_no_crash() -> None:
    depth = 900  # json reads that, and nobody walks it
    packet = Packet(EVENT, "/", ["a", _nested(depth * 10)], None, 1)
    with pytest.raises(MalformedMessage, match="nested too deep"):
        Assembly(packet, 10).add(b"x")


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


# To the peer.


def test_packets_are_written() -> None:
    for frame, expected in (
        (IO.connected("/", "abc"), b'40{"sid":"abc"}'),
        (IO.connected("/admin", "abc"), b'40/admin,{"sid":"abc"}'),
        (IO.connected("/", "abc", "xyz"), b'40{"sid":"abc","pid":"xyz"}'),
        (IO.refused("/", "Not authorized"), b'44{"message":"Not authorized"}'),
        (IO.refused("/x", "no", {"code": 7}), b'44/x,{"message":"no","data":{"code":7}}'),
        (IO.disconnect("/"), b"41"),
        (IO.disconnect("/admin"), b"41/admin,"),
        (IO.event("/", ["foo"]), b'42["foo"]'),
        (IO.event("/admin", ["bar", 1, None, {"a": [True]}]), b'42/admin,["bar",1,null,{"a":[true]}]'),
        (IO.event("/", ("foo", "x"), 12), b'4212["foo","x"]'),
        (IO.event("/", ["foo"], 0), b'420["foo"]'),
        (IO.ack("/", 12, []), b"4312[]"),
        (IO.ack("/admin", 13, ["bar"]), b'43/admin,13["bar"]'),
        (IO.disconnect("/\u20ac"), "41/\u20ac,".encode()),
    ):
        assert (frame.opcode, frame.payload) == (TEXT, expected)
        assert frame.parts == (frame,)


def test_binary_values_become_attachments() -> None:
    frame = IO.event("/admin", ["baz", b"one", {"in": [bytearray(b"two")]}, memoryview(b"three")], 5)
    first, *rest = frame.parts
    assert first.payload.startswith(b'453-/admin,5["baz",{')
    assert json.loads(first.payload.partition(b",5")[2]) == [
        "baz",
        {"_placeholder": True, "num": 0},
        {"in": [{"_placeholder": True, "num": 1}]},
        {"_placeholder": True, "num": 2},
    ]
    assert [(part.opcode, part.payload) for part in rest] == [
        (BINARY, b"one"),
        (BINARY, b"two"),
        (BINARY, b"three"),
    ]
    assert frame.wire == b"".join(part.wire for part in frame.parts)


def test_an_answer_may_be_binary_too() -> None:
    first, second = IO.ack("/", 15, ["bar", b"\x01"]).parts
    assert first.payload == b'461-15["bar",{"_placeholder":true,"num":0}]'
    assert second.payload == b"\x01"


def test_what_was_sent_is_what_is_read() -> None:
    for values in (["a", b"x", [b"y", {"z": b""}], 5], ["a"], ["a", {"deep": [[[b"1"], b"2"]]}]):
        first, *rest = IO.event("/n", values, 3).parts
        packet: Packet | None = IO.parse(first.payload[1:].decode())
        assembly = Assembly(IO.parse(first.payload[1:].decode()), 100)
        for part in rest:
            packet = assembly.add(part.payload)
        assert packet is not None
        assert (packet.data, packet.id, packet.namespace) == (values, 3, "/n")


def test_more_attachments_than_clients_take_are_an_error() -> None:
    assert len(IO.event("/", ["a", *[b"x"] * 10]).parts) == 11
    with pytest.raises(EncodeError, match="11 binary values in one event, and clients take 10"):
        IO.event("/", ["a", *[b"x"] * 11])


def test_a_value_without_a_json_form_is_an_error() -> None:
    @dataclass
    class Record:
        data: bytes

    cycle: list[Any] = [b"x"]
    cycle.append(cycle)
    for value in (object(), Record(b"x"), float("nan"), [b"x", object()], cycle):
        with pytest.raises(EncodeError):
            IO.event("/", ["a", value])
    with pytest.raises(EncodeError):
        IO.refused("/", "no", b"binary")


def test_json_that_writes_bytes_itself_is_left_to_do_so() -> None:
    own = SocketIO(Json(dumps=lambda value: json.dumps(value, default=lambda data: data.hex())))
    assert own.event("/", ["a", b"\x01"]).payload == b'42["a", "01"]'
