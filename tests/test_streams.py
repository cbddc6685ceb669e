"""Names of streams, and the coder that is built in."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from flask_cable.streams import JsonCoder, broadcasting_for, channel_name, stream_key, stream_names


@dataclass
class Post:
    id: Any


class Plain:
    def __str__(self) -> str:
        return "as text"


def test_a_stream_is_named_by_many_things() -> None:
    for value, key in (
        ("news", "news"),
        (" news ", " news "),
        ("room:\u00e9\u4e2d\U0001f600", "room:\u00e9\u4e2d\U0001f600"),
        (Post(7), "Post:7"),
        (Post(0), "Post:0"),
        (Post("a:b"), "Post:a:b"),
        (Post(UUID(int=1)), "Post:00000000-0000-0000-0000-000000000001"),
        (["chat", Post(7)], "chat:Post:7"),
        (("chat", "7"), "chat:7"),
        (("a", ["b", Post(1)]), "a:b:Post:1"),
        (7, "7"),
        (0, "0"),
        (True, "True"),
        (Plain(), "as text"),
    ):
        assert stream_key(value) == key


def test_what_names_no_stream_says_why() -> None:
    for value, hint in (
        ("", "blank"),
        ("flask_cable/control", "Flask-Cable's own"),
        (("flask_cable/control", Post(1)), "Flask-Cable's own"),
        (" \t", "blank"),
        (None, "pass a string"),
        (Post(None), "Post has no id yet"),
        ([], "at least one part"),
        (["chat", None], "pass a string"),
        (["chat", ""], "blank"),
        (("chat", Post(None)), "save it first"),
    ):
        with pytest.raises(ValueError, match=hint):
            stream_key(value)


def test_the_parts_of_a_name_are_joined() -> None:
    assert broadcasting_for("chat", Post(7), 3) == "chat:Post:7:3"
    with pytest.raises(ValueError, match="at least one part"):
        broadcasting_for()


def test_several_names_are_taken_apart_and_told_once() -> None:
    assert stream_names("a", ["b", (Post(7), {"c"})], "a") == ["a", "b", "Post:7", "c"]
    for nothing in ((), ([],), ([(), []],)):
        with pytest.raises(ValueError, match="at least one stream"):
            stream_names(*nothing)
    with pytest.raises(ValueError, match="blank"):
        stream_names("a", " ")


def test_a_channels_prefix_is_its_name_in_small_letters() -> None:
    for name, prefix in (
        ("ChatChannel", "chat"),
        ("UserChatChannel", "user_chat"),
        ("Admin::UserChatChannel", "admin:user_chat"),
        ("Turbo::StreamsChannel", "turbo:streams"),
        ("HTMLPageChannel", "html_page"),
        ("Room2Channel", "room2"),
        ("Channel", "channel"),
        ("ChannelsOfChat", "channels_of_chat"),
        ("chat", "chat"),
    ):
        assert channel_name(name) == prefix


def test_the_coder_makes_compact_json_and_reads_it() -> None:
    value = {"text": "\u00e9", "list": [1, None, True]}
    text = JsonCoder.encode(value)
    assert text == '{"text":"\u00e9","list":[1,null,true]}'
    assert JsonCoder.decode(text) == value == json.loads(text)


def test_the_coder_passes_on_what_is_not_text() -> None:
    for value in (None, 7, {"a": 1}, b"{}"):
        assert JsonCoder.decode(value) is value


def test_the_coder_says_what_it_cannot_do() -> None:
    with pytest.raises(TypeError, match="set"):
        JsonCoder.encode({1, 2})
    with pytest.raises(ValueError, match="Expecting value"):
        JsonCoder.decode("no JSON")
