"""What goes over a page's socket: messages in, replies and pushes out."""

from __future__ import annotations

import json

import pytest

from flask_cable.errors import EncodeError, MalformedMessage
from flask_cable.protocols.json import Json
from flask_cable.protocols.push import EXPIRED, Message, PageProtocol

protocol = PageProtocol(Json())


def test_a_message_is_its_action_its_id_and_all_of_it() -> None:
    assert protocol.parse('{"id": 7, "action": "greet", "name": "Bob"}') == Message(
        "greet", 7, {"id": 7, "action": "greet", "name": "Bob"}
    )


@pytest.mark.parametrize("id", ["a", 0, -3, 1.5, "x" * 64])
def test_an_id_is_a_number_or_a_short_string(id: object) -> None:
    assert protocol.parse(json.dumps({"id": id, "action": "x"})).id == id


@pytest.mark.parametrize("message", ['{"action": "x"}', '{"action": "x", "id": null}'])
def test_who_waits_for_no_reply_gives_no_id(message: str) -> None:
    assert protocol.parse(message).id is None


@pytest.mark.parametrize(
    "message",
    [
        b'{"action": "x"}',
        "",
        "{",
        "[1]",
        '"x"',
        "null",
        "[" * 100_000,
        "{}",
        '{"action": null}',
        '{"action": ""}',
        '{"action": ["x"]}',
        '{"action": "x", "id": true}',
        '{"action": "x", "id": {}}',
        '{"action": "x", "id": "%s"}' % ("x" * 65),
    ],
)
def test_what_is_no_message_is_malformed(message: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        protocol.parse(message)


def test_a_push_says_by_which_stream_it_came() -> None:
    frame = protocol.push('a "b" ü', b'{"n":1}')
    assert json.loads(frame.payload) == {"payload": {"n": 1}, "channel": 'a "b" ü'}


def test_a_reply_bears_the_id_whatever_the_response_says() -> None:
    assert json.loads(protocol.reply(7, {"id": 8, "body": "x"}).payload) == {"id": 7, "body": "x"}
    with pytest.raises(EncodeError):
        protocol.reply(7, {"body": object()})


def test_a_failure_is_a_reply() -> None:
    assert json.loads(protocol.failure("a", 404, "unknown_action").payload) == {
        "id": "a",
        "status": 404,
        "error": "unknown_action",
    }


def test_what_is_neither_reply_nor_push_has_a_type() -> None:
    assert json.loads(EXPIRED.payload) == {"type": "expired"}
    assert json.loads(protocol.disconnect("remote", False).payload) == {
        "type": "disconnect",
        "reason": "remote",
        "reconnect": False,
    }
