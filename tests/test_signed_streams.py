"""Streams by signed names: Turbo's and AnyCable's channels, and everything that is no signed name."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from markupsafe import Markup

from flask_cable import Cable, Channel
from flask_cable.errors import BadSignature, ConfigError
from flask_cable.protocols.signing import MessageVerifier, derive_key
from flask_cable.protocols.turbo import message
from flask_cable.signed_streams import BUILT_IN, SignedStreamsChannel, StreamsChannel, registered_name
from flask_cable.testing import CableClient, CableSubscription

BOTH = list(BUILT_IN)


def make(**config: Any) -> tuple[Cable, CableClient]:
    app = Flask("board")
    app.config.update({"SECRET_KEY": "secret", **config})
    cable = Cable(app)
    return cable, CableClient(app)


@pytest.fixture
def world() -> Any:
    return make()


def subscribe(client: CableClient, name: str, signed: Any) -> CableSubscription:
    return client.connect().subscribe(name, signed_stream_name=signed)


@pytest.mark.parametrize("name", BOTH)
def test_a_signed_name_is_a_stream(world: Any, name: str) -> None:
    cable, client = world
    subscription = subscribe(client, name, cable.signed_stream_name("board:1"))
    assert subscription.confirmed
    assert subscription.streams == ("board:1",)
    cable.broadcast("board:1", "<turbo-stream></turbo-stream>")
    assert subscription.transmissions == ["<turbo-stream></turbo-stream>"]


def test_every_application_has_them_and_no_configuration() -> None:
    assert BOTH == ["Turbo::StreamsChannel", "$pubsub"]


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    "forged",
    [
        "board:1",
        "",
        None,
        7,
        ["board:1"],
        {"a": 1},
        MessageVerifier([b"another"]).sign("board:1"),
        MessageVerifier([derive_key("secret")]).sign("board:1")[:-1] + "0",
        MessageVerifier([derive_key("secret")]).sign(["board:1"]),
        MessageVerifier([derive_key("secret")]).sign({"_rails": {"data": "board:1", "pur": "x"}}),
        MessageVerifier([derive_key("secret")]).sign(" "),
        MessageVerifier([derive_key("secret")]).sign(None),
    ],
)
def test_anything_else_is_rejected(world: Any, name: str, forged: Any) -> None:
    cable, client = world
    subscription = subscribe(client, name, forged)
    assert subscription.rejected
    assert subscription.streams == ()
    assert [type(error) for error in subscription.connection.errors] == [BadSignature]
    cable.broadcast("board:1", "secret")
    assert subscription.transmissions == []


@pytest.mark.parametrize("name", BOTH)
def test_a_name_without_a_signature_is_no_way_in(world: Any, name: str) -> None:
    _, client = world
    connection = client.connect()
    assert connection.subscribe(name).rejected
    assert connection.subscribe(name, stream_name="board:1").rejected
    assert connection.subscribe(name, stream="board:1", signed_stream_name="board:1").rejected


def test_no_action_is_there_to_be_called(world: Any) -> None:
    cable, client = world
    assert StreamsChannel.actions == SignedStreamsChannel.actions == {}
    subscription = subscribe(client, "$pubsub", cable.signed_stream_name("x"))
    for action in ("verified_stream_name", "stream_from", "broadcast_to", "translate"):
        subscription.perform(action, stream="y", data="z")
    assert len(subscription.connection.errors) == 4
    assert subscription.streams == ("x",)


def test_keys_may_be_rotated() -> None:
    (old, before), (_, client) = make(SECRET_KEY="old"), make(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"])
    signed = old.signed_stream_name("x")
    assert subscribe(before, "$pubsub", signed).confirmed
    assert subscribe(client, "$pubsub", signed).confirmed
    _, client = make(SECRET_KEY="new")
    assert subscribe(client, "$pubsub", signed).rejected


def test_without_a_secret_nothing_is_accepted_and_it_is_said_why() -> None:
    cable, client = make(SECRET_KEY=None)
    client.raise_server_exceptions = False
    subscription = subscribe(client, "Turbo::StreamsChannel", "x--y")
    assert subscription.rejected
    assert [type(error) for error in subscription.connection.errors] == [ConfigError]
    with pytest.raises(ConfigError, match="set SECRET_KEY or CABLE_SECRET"):
        cable.signed_stream_name("x")


# What Turbo hears.


def test_turbo_hears_html_and_others_the_message(world: Any) -> None:
    cable, client = world
    signed = cable.signed_stream_name("board:1")
    turbo, plain = subscribe(client, "Turbo::StreamsChannel", signed), subscribe(client, "$pubsub", signed)
    append = message("append", "notes", Markup("<li>1</li>"))
    cable.broadcast("board:1", append)
    assert plain.transmissions == [append]
    assert turbo.transmissions == [
        '<turbo-stream action="append" target="notes"><template><li>1</li></template></turbo-stream>'
    ]


def test_what_is_no_message_is_not_sent_to_turbo(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    cable, client = world
    turbo = subscribe(client, "Turbo::StreamsChannel", cable.signed_stream_name("board:1"))
    cable.broadcast("board:1", {"typing": True})
    assert caplog.text == ""
    cable.broadcast("board:1", {"action": "append", "content": "where to?"})
    assert "no Turbo Stream: append takes a target, or targets" in caplog.text
    assert turbo.transmissions == []


def test_a_message_is_made_html_once_for_all(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cable, client = world
    made: list[bytes] = []
    monkeypatch.setattr("flask_cable.signed_streams.as_html", lambda body: made.append(body) or b'""')
    signed = cable.signed_stream_name("board:1")
    pages = [subscribe(client, "Turbo::StreamsChannel", signed) for _ in range(5)]
    cable.broadcast("board:1", message("remove", "x"))
    assert (len(made), [page.transmissions for page in pages]) == (1, [[""]] * 5)


# One's own.


class BoardChannel(StreamsChannel):
    def subscribed(self) -> None:
        if self.verified_stream_name.startswith("secret"):
            return self.reject()
        super().subscribed()


def test_a_channel_of_ones_own_may_ask_for_more(world: Any) -> None:
    cable, client = world
    cable.channel(BoardChannel)
    assert subscribe(client, "BoardChannel", cable.signed_stream_name("open")).confirmed
    assert subscribe(client, "BoardChannel", cable.signed_stream_name("secret")).rejected
    assert subscribe(client, "BoardChannel", "open").rejected


def test_and_stand_in_for_the_one_that_is_there(world: Any) -> None:
    cable, client = world
    cable.channel("Turbo::StreamsChannel")(type("Mine", (BoardChannel,), {}))
    assert subscribe(client, "Turbo::StreamsChannel", cable.signed_stream_name("secret")).rejected
    assert subscribe(client, "Turbo::StreamsChannel", cable.signed_stream_name("open")).confirmed


def test_names() -> None:
    assert registered_name("X") == "X"
    assert registered_name(StreamsChannel) == "Turbo::StreamsChannel"
    assert registered_name(type("NewsChannel", (Channel,), {})) == "NewsChannel"
