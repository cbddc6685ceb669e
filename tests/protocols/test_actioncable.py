"""actioncable-v1-json: the frames byte for byte, and what re-implementations got wrong."""

import json
from typing import Any

import pytest

from flask_cable.errors import MalformedMessage, UnknownCommand
from flask_cable.protocols.actioncable import (
    REPLIES,
    UNSUPPORTED,
    V1_JSON,
    WELCOME,
    ActionCable,
    Command,
    negotiate,
    wants_reply,
)
from flask_cable.protocols.frames import TEXT
from flask_cable.protocols.json import Json

CABLE = ActionCable()
IDENTIFIER = '{"channel":"ChatChannel","id":42}'


def command(**fields: Any) -> str:
    return json.dumps({"command": "subscribe", "identifier": IDENTIFIER, **fields})


# The subprotocol.


def test_the_peers_order_wins() -> None:
    for offered, chosen in (
        ([], None),
        (["graphql-ws"], None),
        ([V1_JSON], V1_JSON),
        ([V1_JSON, UNSUPPORTED], V1_JSON),
        ([UNSUPPORTED, V1_JSON], UNSUPPORTED),
        ([REPLIES, V1_JSON, UNSUPPORTED], REPLIES),
        ([V1_JSON, REPLIES], V1_JSON),
        (["actioncable-v9", V1_JSON, UNSUPPORTED, "extra"], V1_JSON),
        (["anycable-token.ey", V1_JSON], V1_JSON),
        (["ACTIONCABLE-V1-JSON"], None),
    ):
        assert negotiate(offered) == chosen, offered


# From the peer.


def test_a_command_is_read() -> None:
    for name in ("subscribe", "unsubscribe", "message"):
        assert CABLE.parse(command(command=name)) == Command(name, IDENTIFIER, None)
    data = '{"action":"speak"}'
    assert CABLE.parse(command(command="message", data=data)) == Command("message", IDENTIFIER, data)


def test_unknown_fields_are_no_matter() -> None:
    assert CABLE.parse(command(history={}, presence=1)) == Command("subscribe", IDENTIFIER, None)


def test_only_a_message_with_a_whole_number_for_an_id_waits_for_a_reply() -> None:
    def waits(name: str, **fields: Any) -> bool:
        return wants_reply(CABLE.parse(command(command=name, **fields)))

    assert all(waits("message", id=number) for number in (0, 1, -1, 2**53 - 1))
    assert not waits("message")
    assert not any(
        waits("message", id=odd) for odd in (None, True, 1.0, "1", [1], {}, 2**53, -(2**53), 10**400)
    )
    assert not waits("subscribe", id=1)
    assert not waits("unsubscribe", id=1)


def test_what_is_no_object_of_json_is_malformed() -> None:
    for text in (
        *("", " ", "no JSON", "{", "null", "7", '"text"', "[1,2]", "{}x", "\x00", '{"a":1,}'),
        *("[" * 100_000, '{"a":' * 100_000, "9" * 10_000),
    ):
        with pytest.raises(MalformedMessage, match="a message"):
            CABLE.parse(text)


def test_a_pong_is_taken_with_or_without_an_identifier() -> None:
    for text in ('{"command": "pong"}', '{"command": "pong", "identifier": "x", "data": 7}'):
        assert ActionCable().parse(text) == Command("pong", "", None)


def test_an_unknown_command_is_named() -> None:
    for name in (None, 7, "", "Subscribe", "history", "Pong"):
        with pytest.raises(UnknownCommand) as caught:
            CABLE.parse(command(command=name))
        assert str(caught.value) == f"unknown command {name!r}"


def test_a_command_of_another_type_is_unknown_too() -> None:
    for name in (["subscribe"], {"a": 1}):
        with pytest.raises(UnknownCommand):
            CABLE.parse(command(command=name))


def test_a_long_command_is_named_in_short() -> None:
    with pytest.raises(UnknownCommand) as caught:
        CABLE.parse(command(command="x" * 10_000))
    assert len(str(caught.value)) < 100


def test_an_identifier_is_a_string() -> None:
    for identifier in (None, 7, {"channel": "ChatChannel"}, ["x"], True):
        with pytest.raises(MalformedMessage, match="subscribe needs an identifier"):
            CABLE.parse(command(identifier=identifier))


def test_an_identifier_is_opaque() -> None:
    """Two spellings of one object are two subscriptions; each is echoed as it was written."""
    for identifier in (IDENTIFIER, '{ "id":42,  "channel":"X" }', "", "no JSON", '"\u00e9\U0001f600"', "a/b"):
        assert CABLE.parse(command(identifier=identifier)).identifier == identifier
        assert json.loads(CABLE.confirm(identifier).payload)["identifier"] == identifier


def test_params_are_a_copy_of_the_identifier() -> None:
    assert CABLE.params(IDENTIFIER) == {"channel": "ChatChannel", "id": 42}


def test_params_are_an_object_of_json() -> None:
    for identifier in ("", "no JSON", "null", "[]", '"x"', "7"):
        with pytest.raises(MalformedMessage, match="an identifier"):
            CABLE.params(identifier)


def test_data_is_json_inside_a_string() -> None:
    assert CABLE.action_data('{"action":"speak","n":null}') == {"action": "speak", "n": None}


def test_data_of_another_form_is_malformed() -> None:
    for data in (None, {"action": "speak"}, 7, [], "", "speak", "null", "[]", '"x"'):
        with pytest.raises(MalformedMessage, match=r"data must|data is not JSON"):
            CABLE.action_data(data)


# To the peer.


def test_the_frames_as_they_go_on_the_wire() -> None:
    quoted = b'"{\\"channel\\":\\"ChatChannel\\",\\"id\\":42}"'
    assert WELCOME.payload == b'{"type":"welcome"}'
    assert CABLE.confirm(IDENTIFIER).payload == b'{"identifier":%b,"type":"confirm_subscription"}' % quoted
    assert CABLE.reject(IDENTIFIER).payload == b'{"identifier":%b,"type":"reject_subscription"}' % quoted
    assert CABLE.reply(IDENTIFIER, 7, b"[1]").payload == (
        b'{"type":"reply","identifier":%b,"id":7,"data":[1]}' % quoted
    )
    assert CABLE.failure(IDENTIFIER, -7, 'no "way"').payload == (
        b'{"type":"reply","identifier":%b,"id":-7,"error":"no \\"way\\""}' % quoted
    )
    assert CABLE.message(IDENTIFIER, b"[1]").payload == b'{"identifier":%b,"message":[1]}' % quoted
    assert CABLE.message(IDENTIFIER, b"[1]").opcode == TEXT


def test_a_ping_counts_whole_seconds() -> None:
    assert CABLE.ping(1795208324.987).payload == b'{"type":"ping","message":1795208324}'


def test_a_disconnect_always_says_whether_to_come_back() -> None:
    """The stock client takes a missing ``reconnect`` for False and stops for good."""
    for reason in ("unauthorized", "server_restart", "remote", 'with "quotes"', "\u00e9", None):
        for reconnect in (True, False):
            frame = json.loads(CABLE.disconnect(reason, reconnect).payload)
            assert frame == {"type": "disconnect", "reason": reason, "reconnect": reconnect}


def test_falsy_messages_are_messages() -> None:
    for body in (b"null", b"false", b"0", b'""', b"[]", b'"\xc3\xa9"'):
        frame = json.loads(CABLE.message(IDENTIFIER, body).payload)
        assert frame == {"identifier": IDENTIFIER, "message": json.loads(body)}


def test_a_lone_surrogate_in_an_identifier_is_echoed() -> None:
    identifier = CABLE.parse(command(identifier='{"channel":"X","a":"\ud800"}')).identifier
    assert "\ud800" in identifier
    assert json.loads(CABLE.reject(identifier).payload)["identifier"] == identifier


def test_the_applications_json_reads_what_comes() -> None:
    cable = ActionCable(Json(loads=lambda text: {"command": "message", "identifier": text}))
    assert cable.parse("anything") == Command("message", "anything", None)
