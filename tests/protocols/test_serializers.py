"""Serializers: what goes out as text and what as bytes, what cannot go out, and what a broadcast becomes."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

import pytest
from support.parts import require

from flask_cable.errors import ConfigError, EncodeError
from flask_cable.protocols.frames import BINARY, TEXT
from flask_cable.protocols.json import Json
from flask_cable.protocols.serializers import (
    Codec,
    JsonCodec,
    MsgpackSerializer,
    OwnCodec,
    PlainCodec,
    make_codec,
)


class Shout:
    """Upper case on the wire, lower case here; counts in ``made`` how many there are."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1

    def encode(self, value: Any) -> str:
        return str(value.upper())

    def decode(self, message: Any) -> Any:
        return message.lower()


def sent(codec: Codec, value: Any) -> tuple[int, bytes]:
    frame = codec.frame(value)
    return frame.opcode, frame.payload


def heard(codec: Codec, value: Any) -> tuple[int, bytes]:
    frame = codec.frame_of_json(json.dumps(value, separators=(",", ":")).encode())
    return frame.opcode, frame.payload


def make(serializer: Any) -> Codec:
    return make_codec(serializer, repr(serializer), Json())


class TestPlain:
    def test_text_and_bytes_are_what_they_are(self) -> None:
        codec = make(None)
        assert isinstance(codec, PlainCodec)
        for text in ("", "0", "hällo"):
            assert sent(codec, text) == (TEXT, text.encode())
        for data in (b"", b"\xff", bytearray(b"\xff"), memoryview(b"\xff")):
            assert sent(codec, data) == (BINARY, bytes(data))

    def test_anything_else_is_an_error_that_names_its_type_and_the_remedy(self) -> None:
        for value in (None, 0, 1.5, {}, [], object()):
            with pytest.raises(EncodeError, match=f"a {type(value).__name__} cannot be sent.* serializer"):
                make(None).frame(value)

    def test_a_string_that_is_no_text_is_an_error(self) -> None:
        with pytest.raises(EncodeError, match="a str that is no text"):
            make(None).frame("\ud800")

    def test_a_string_that_is_broadcast_is_heard_as_it_is_and_anything_else_as_json(self) -> None:
        assert heard(make(None), "hi") == (TEXT, b"hi")
        assert heard(make(None), 'say "ü"') == (TEXT, 'say "ü"'.encode())
        assert heard(make(None), {"a": [1]}) == (TEXT, b'{"a":[1]}')
        assert heard(make(None), None) == (TEXT, b"null")

    def test_messages_come_as_they_are(self) -> None:
        for message in ("", "text", b"", b"bytes"):
            assert make(None).decode(message) is message


class TestJson:
    def test_values_go_out_as_text(self) -> None:
        codec = make("json")
        assert isinstance(codec, JsonCodec)
        assert sent(codec, {"a": [True, None, "é"]}) == (TEXT, b'{"a":[true,null,"\\u00e9"]}')
        assert sent(codec, 0) == (TEXT, b"0")

    def test_what_has_no_json_is_an_error_that_names_its_type(self) -> None:
        with pytest.raises(EncodeError, match="a object cannot be sent as JSON"):
            make("json").frame(object())

    def test_a_broadcast_is_not_made_again(self) -> None:
        assert heard(make("json"), {"a": 1}) == (TEXT, b'{"a":1}')

    def test_messages_are_decoded_binary_ones_too(self) -> None:
        for message in ('{"a": false}', b'{"a": false}'):
            assert make("json").decode(message) == {"a": False}

    @pytest.mark.parametrize("message", ["", "{", "nan", "[1]]", b"\xff", "[" * 100_000])
    def test_what_is_no_json_raises(self, message: str | bytes) -> None:
        with pytest.raises(ValueError, match=r"^"):
            make("json").decode(message)


class TestMsgpack:
    @pytest.fixture(autouse=True)
    def msgpack(self) -> Any:
        require("msgpack")
        import msgpack

        return msgpack

    def test_values_go_out_as_bytes_and_come_back(self, msgpack: Any) -> None:
        codec = make("msgpack")
        value = {"a": [True, None, 1.5, b"\xff", "é"]}
        opcode, packed = sent(codec, value)
        assert (opcode, msgpack.unpackb(packed)) == (BINARY, value)
        assert codec.decode(packed) == value

    def test_a_broadcast_is_packed(self, msgpack: Any) -> None:
        opcode, packed = heard(make("msgpack"), {"a": ["é"]})
        assert (opcode, msgpack.unpackb(packed)) == (BINARY, {"a": ["é"]})

    def test_what_cannot_be_packed_is_an_error_that_names_its_type(self) -> None:
        with pytest.raises(EncodeError, match="a datetime cannot be sent with serializer 'msgpack'"):
            make("msgpack").frame(datetime(2020, 1, 1))

    def test_values_may_be_made_something_that_can(self, msgpack: Any) -> None:
        codec = make_codec("msgpack", "'msgpack'", Json(), default=str)
        assert msgpack.unpackb(codec.frame([datetime(2020, 1, 1)]).payload) == ["2020-01-01 00:00:00"]

    @pytest.mark.parametrize("message", ["text", b"", b"\xc1", b"\x91", b"\x01\x02"])
    def test_what_is_no_msgpack_raises(self, message: str | bytes) -> None:
        with pytest.raises(ValueError, match=r"^"):
            make("msgpack").decode(message)


def test_without_msgpack_its_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(ConfigError, match=r"pip install 'Flask-Cable\[msgpack\]'"):
        MsgpackSerializer()


class TestOwn:
    def test_any_object_will_do_and_a_class_or_function_that_makes_one(self) -> None:
        for serializer in (Shout(), Shout, lambda: Shout()):
            before = Shout.made
            codec = make(serializer)
            assert isinstance(codec, OwnCodec)
            assert sent(codec, "hi") == (TEXT, b"HI")
            assert heard(codec, "hi") == (TEXT, b"HI")
            assert codec.decode("HI") == "hi"
            assert Shout.made - before == (0 if isinstance(serializer, Shout) else 1)

    def test_an_object_that_can_be_called_is_used_as_it_is(self) -> None:
        class Callable(Shout):
            def __call__(self) -> None:
                raise AssertionError("it was called")

        assert sent(make(Callable()), "hi") == (TEXT, b"HI")

    def test_what_it_raises_is_an_error_that_names_the_type_and_the_serializer(self) -> None:
        with pytest.raises(EncodeError, match=r"a int cannot be sent with serializer 'shout': .*upper"):
            make_codec(Shout(), "'shout'", Json()).frame(7)

    def test_so_is_what_it_makes_that_is_neither_text_nor_bytes(self) -> None:
        class Lists(Shout):
            def encode(self, value: Any) -> Any:
                return [value]

        with pytest.raises(EncodeError, match="it made a list, and not str or bytes"):
            make(Lists()).frame("hi")

    def test_what_has_not_both_is_no_serializer(self) -> None:
        for wrong in (object(), "yaml", 7, json, lambda: object()):
            with pytest.raises(ConfigError, match="needs `encode` and `decode`"):
                make(wrong)
