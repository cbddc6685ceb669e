"""What nobody should send, sent to a real server: it answers as it must, serves on, and keeps nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.parts import require
from support.servers import KINDS, Server
from support.wire import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    TEXT,
    Answer,
    Closed,
    Wire,
    eventually,
    frame,
    header,
    join,
)

CHANNEL = '{"channel":"GuardedChannel"}'
LIMIT = 2**20  # CABLE_MAX_MESSAGE_BYTES


@pytest.fixture(scope="module", params=["gunicorn-gevent", "gunicorn-gthread"])
def running(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server of all these tests; `server` is what a test uses. What is made once is made."""
    require(*KINDS[request.param].parts)
    with Server(request.param, "support.apps.guarded:create_app()") as server:
        for prefix in ("/", "/few/", "/proxied/", "/open/"):
            with join(server.port, f"{prefix}cable", CHANNEL) as wire:
                works(wire)
            eventually(
                lambda at=prefix: stats(server, at)["connections"] == 0, "the first connection is gone"
            )
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """The server; after the test it has to serve on, with nothing left over and no traceback in its log."""
    before, logged = stats(running), len(running.log())
    yield running
    with subscribed(running) as wire:
        works(wire)
    eventually(lambda: nothing_left(before, stats(running)), f"all is as it was: {before}")
    assert "Traceback" not in running.log()[logged:]


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    """A peer with a subscription."""
    with subscribed(server) as peer:
        yield peer


def stats(server: Server, prefix: str = "/") -> dict[str, Any]:
    answer = server.get(prefix)
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()  # type: ignore[assignment]
    return found


def nothing_left(before: dict[str, Any], now: dict[str, Any]) -> bool:
    return (
        (now["connections"], now["streams"]) == (before["connections"], before["streams"])
        and now["descriptors"] <= before["descriptors"]
        and now["reached"].get("subscribed", 0) == now["reached"].get("unsubscribed", 0)
    )


def subscribed(server: Server) -> Wire:
    return join(server.port, "/cable", CHANNEL)


def works(wire: Wire) -> None:
    """The peer is served, and what it sent before has not been answered."""
    wire.perform(CHANNEL, "echo", value="works")
    assert wire.hear() == {"identifier": CHANNEL, "message": {"echo": "works"}}


def closes(wire: Wire, code: int) -> None:
    """The server closes with this code, and then the TCP connection."""
    assert wire.hear_close()[0] == code
    assert wire.hear_end() == b""


# Text that is no command.


@pytest.mark.parametrize(
    "text",
    ["", "{", "hello", '{"command":', "null", "[1,2]", "1", '"subscribe"', "NaN", "\x00", "\ufeff{}"],
    ids=ascii,
)
def test_malformed_json(wire: Wire, text: str) -> None:
    wire.send(TEXT, text.encode())
    works(wire)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 50_000 + "]" * 50_000])
def test_deep_nesting(wire: Wire, text: str) -> None:
    wire.send(TEXT, text.encode())
    works(wire)


def test_deep_nesting_inside_data_and_identifier(wire: Wire) -> None:
    deep = "[" * 50_000 + "]" * 50_000
    wire.say(command="message", identifier=CHANNEL, data='{"action":"echo","value":' + deep + "}")
    works(wire)
    wire.say(
        command="subscribe", identifier='{"channel":"GuardedChannel","deep":' + deep[49_000:51_000] + "}"
    )
    assert wire.hear()["type"] == "reject_subscription"
    works(wire)


def test_a_number_too_long(wire: Wire) -> None:
    wire.say(command="message", identifier=CHANNEL, data='{"action":"echo","value":' + "9" * 5000 + "}")
    works(wire)


def test_a_binary_message(wire: Wire) -> None:
    wire.send(BINARY, json.dumps({"command": "subscribe", "identifier": CHANNEL}).encode())
    wire.send(BINARY, b"\xff\x00")
    works(wire)


@pytest.mark.parametrize("command", ["dance", "Subscribe", "", None, 1, ["subscribe"], {}, "__class__"])
def test_an_unknown_command(wire: Wire, command: object) -> None:
    wire.say(command=command, identifier=CHANNEL)
    works(wire)


def test_no_command(wire: Wire) -> None:
    wire.say(identifier=CHANNEL)
    wire.say()
    works(wire)


# Identifiers.


@pytest.mark.parametrize("command", ["subscribe", "unsubscribe", "message"])
@pytest.mark.parametrize("identifier", [None, 1, True, {"channel": "GuardedChannel"}, [CHANNEL]], ids=str)
def test_an_identifier_that_is_no_string(wire: Wire, command: str, identifier: object) -> None:
    wire.say(command=command, identifier=identifier, data='{"action":"echo","value":1}')
    works(wire)


@pytest.mark.parametrize("command", ["subscribe", "unsubscribe", "message"])
def test_no_identifier(wire: Wire, command: str) -> None:
    wire.say(command=command, data='{"action":"echo","value":1}')
    works(wire)


@pytest.mark.parametrize(
    "identifier",
    ["", "GuardedChannel", "{", "null", "[]", '"GuardedChannel"', "{}", "\ud800", '{"channel":null}'],
    ids=ascii,
)
def test_an_identifier_that_is_none_is_rejected(wire: Wire, identifier: str) -> None:
    wire.say(command="subscribe", identifier=identifier)
    assert wire.hear() == {"identifier": identifier, "type": "reject_subscription"}
    works(wire)


@pytest.mark.parametrize(
    "name",
    [
        "NoChannel",
        "Channel",
        "UnregisteredChannel",
        "support.apps.guarded.GuardedChannel",
        "str",
        "",
        1,
        ["x"],
    ],
    ids=str,
)
def test_an_unknown_channel_is_rejected(wire: Wire, name: object) -> None:
    identifier = json.dumps({"channel": name})
    wire.say(command="subscribe", identifier=identifier)
    assert wire.hear() == {"identifier": identifier, "type": "reject_subscription"}
    works(wire)


def test_a_second_subscription_of_the_same_name(server: Server, wire: Wire) -> None:
    before = stats(server)["reached"]["subscribed"]
    wire.say(command="subscribe", identifier=CHANNEL)
    works(wire)
    assert stats(server)["reached"]["subscribed"] == before


def test_a_message_for_no_subscription(wire: Wire) -> None:
    wire.perform('{"channel":"GuardedChannel","other":1}', "echo", value=1)
    works(wire)


def test_unsubscribing_from_what_is_not_subscribed(wire: Wire) -> None:
    wire.say(command="unsubscribe", identifier='{"channel":"GuardedChannel","other":1}')
    works(wire)
    for _ in range(2):
        wire.say(command="unsubscribe", identifier=CHANNEL)
    wire.subscribe(CHANNEL)
    works(wire)


# Data and actions.


@pytest.mark.parametrize(
    "data",
    [None, 1, {"action": "echo", "value": 1}, ["echo"], "", "echo", "{", "null", "[]", "1", '"echo"'],
    ids=str,
)
def test_data_that_is_no_object_in_a_string(wire: Wire, data: object) -> None:
    wire.say(command="message", identifier=CHANNEL, data=data)
    works(wire)


def test_no_data(wire: Wire) -> None:
    wire.say(command="message", identifier=CHANNEL)
    works(wire)


@pytest.mark.parametrize(
    "action",
    [
        *("stream_from", "stream_for", "stop_all_streams", "transmit", "broadcast_to", "reject", "perform"),
        *("subscribe", "subscribed", "unsubscribe", "unsubscribed", "receive", "run_periodic_timers"),
        *("_private", "_end", "__class__", "__init__", "__dict__", "secret", "shared", "common", "check"),
        *("tick", "broadcaster", "broadcast_to_target", "params", "connection", "connection.close"),
        *("actions", "rescue", "before_subscribe", "after_unsubscribe", "periodically", "channel_name"),
        "logger",
    ],
)
def test_what_is_no_action_cannot_be_called(server: Server, wire: Wire, action: str) -> None:
    before = stats(server)
    wire.perform(CHANNEL, action, stream="guarded", value=1, code=1000)
    works(wire)
    now = stats(server)
    assert (now["reached"], now["streams"]) == (before["reached"], before["streams"])


@pytest.mark.parametrize("action", ["dance", "Echo", "echo ", 1, True, ["echo"], {"echo": 1}], ids=str)
def test_an_unknown_action(wire: Wire, action: Any) -> None:
    wire.say(command="message", identifier=CHANNEL, data=json.dumps({"action": action, "value": 1}))
    works(wire)


def test_no_action(wire: Wire) -> None:
    """This would be `receive`, which the channel has not."""
    wire.say(command="message", identifier=CHANNEL, data='{"value":1}')
    works(wire)


def test_an_action_that_fails(running: Server) -> None:
    with subscribed(running) as wire:
        wire.perform(CHANNEL, "fail")
        wire.say(command="message", identifier=CHANNEL, data='{"action":"echo"}')
        works(wire)
    assert running.log().count("RuntimeError: failed on purpose") == 1
    assert running.log().count("KeyError: 'value'") == 1


# Messages that are too long.


def test_the_longest_message(wire: Wire) -> None:
    short = json.dumps({"command": "message", "identifier": CHANNEL, "data": '{"action":"echo","value":""}'})
    longest = short.replace('value\\":\\"', 'value\\":\\"' + "x" * (LIMIT - len(short)))
    assert len(longest) == LIMIT
    wire.send(TEXT, longest.encode())
    assert len(wire.hear_message(CHANNEL)["echo"]) == LIMIT - len(short)
    works(wire)


def test_a_message_one_byte_too_long(wire: Wire) -> None:
    wire.send(TEXT, b" " * (LIMIT + 1))
    closes(wire, 1009)


def test_a_header_that_announces_too_much(wire: Wire) -> None:
    """The server does not wait for it, and makes no room."""
    wire.write(header(TEXT, 2**40) + b"mask")
    closes(wire, 1009)


def test_a_header_whose_length_has_its_highest_bit(wire: Wire) -> None:
    wire.write(header(TEXT, 2**63) + b"mask")
    assert wire.hear_close()[0] in (1002, 1009)


def test_fragments_that_are_too_long_together(wire: Wire) -> None:
    wire.send(TEXT, b" " * (LIMIT - 10), fin=False)
    wire.send(CONT, b" " * 11, fin=False)
    closes(wire, 1009)


def test_very_many_fragments(wire: Wire) -> None:
    """However many there are, the limit is one of bytes."""
    text = json.dumps({"command": "message", "identifier": CHANNEL, "data": '{"action":"echo","value":1}'})
    padded = text.encode() + b" " * 6000
    pieces = [frame(CONT, padded[at : at + 1], fin=False) for at in range(1, len(padded))]
    wire.write(frame(TEXT, padded[:1], fin=False) + b"".join(pieces) + frame(CONT))
    assert wire.hear_message(CHANNEL) == {"echo": 1}
    works(wire)


def test_endless_empty_fragments(wire: Wire) -> None:
    """They add no bytes, and so must not add anything else either."""
    wire.send(TEXT, b"{", fin=False)
    wire.write(frame(CONT, fin=False) * 2000)
    wire.send(CONT, b"}")
    works(wire)


# Text that is no text.


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
        b'{"command":"\xe9"}',
        b"\xe2\x82",
    ],
    ids=repr,
)
def test_invalid_utf8(wire: Wire, payload: bytes) -> None:
    wire.send(TEXT, payload)
    closes(wire, 1007)


def test_invalid_utf8_split_across_fragments(wire: Wire) -> None:
    wire.send(TEXT, b"\xe2\x82", fin=False)
    wire.send(CONT, b"\x28")
    closes(wire, 1007)


def test_a_character_split_across_fragments_is_valid(wire: Wire) -> None:
    text = '{"command":"message","identifier":%s,"data":"{\\"action\\":\\"echo\\",\\"value\\":\\"€\\"}"}'
    raw = (text % json.dumps(CHANNEL)).encode()
    cut = raw.index("€".encode()) + 1
    wire.send(TEXT, raw[:cut], fin=False)
    wire.send(PING, b"in between")
    wire.send(CONT, raw[cut : cut + 1], fin=False)
    wire.send(CONT, raw[cut + 1 :])
    assert wire.hear_pong() == b"in between"
    assert wire.hear_message(CHANNEL) == {"echo": "€"}
    works(wire)


# Frames that are none.


@pytest.mark.parametrize("rsv", [1, 2, 4, 7])
def test_reserved_bits(wire: Wire, rsv: int) -> None:
    wire.send(TEXT, b"{}", rsv=rsv)
    closes(wire, 1002)


def test_an_unmasked_frame(wire: Wire) -> None:
    wire.send(TEXT, b"{}", masked=False)
    closes(wire, 1002)


@pytest.mark.parametrize("opcode", [*range(3, 8), *range(11, 16)])
def test_an_unknown_opcode(wire: Wire, opcode: int) -> None:
    wire.send(opcode)
    closes(wire, 1002)


@pytest.mark.parametrize("opcode", [PING, CLOSE])
def test_a_fragmented_control_frame(wire: Wire, opcode: int) -> None:
    wire.send(opcode, fin=False)
    closes(wire, 1002)


def test_a_control_frame_that_is_too_long(wire: Wire) -> None:
    wire.send(PING, bytes(126))
    closes(wire, 1002)


def test_a_continuation_of_nothing(wire: Wire) -> None:
    wire.send(CONT, b"{}")
    closes(wire, 1002)


def test_a_new_message_inside_another(wire: Wire) -> None:
    wire.send(TEXT, b"{", fin=False)
    wire.send(TEXT, b"{}")
    closes(wire, 1002)


@pytest.mark.parametrize(
    "payload", [b"\x03", b"\x03\xed", b"\x00\x00", b"\x03\xe7", b"\xff\xff", b"\x03\xee"], ids=repr
)
def test_a_close_frame_with_a_code_that_is_none(wire: Wire, payload: bytes) -> None:
    """One byte; 1005, 1006: never on the wire; 0, 999, 65535: out of range (RFC 6455 7.4)."""
    wire.send(CLOSE, payload)
    closes(wire, 1002)


def test_a_close_frame_whose_reason_is_no_text(wire: Wire) -> None:
    wire.send(CLOSE, b"\x03\xe8\xff")
    assert wire.hear_close()[0] in (1002, 1007)


def test_frames_after_a_close_frame_are_ignored(server: Server, wire: Wire) -> None:
    command = {"command": "message", "identifier": CHANNEL, "data": '{"action":"echo","value":"too late"}'}
    wire.write(frame(CLOSE, b"\x03\xe8") + frame(TEXT, json.dumps(command).encode()))
    with pytest.raises(Closed):
        wire.hear()


# Lines that break.


def test_a_reset_in_the_middle_of_a_frame(server: Server) -> None:
    wire = subscribed(server)
    wire.write(header(TEXT, 1000) + b"mask" + b"half of it")
    wire.reset()


def test_an_end_in_the_middle_of_a_frame(wire: Wire) -> None:
    wire.write(header(TEXT, 1000) + b"mask" + b"half of it")
    wire.end()
    wire.hear_end()


def test_half_a_frame_and_silence(server: Server, wire: Wire) -> None:
    wire.write(header(TEXT, 1000)[:1])
    with subscribed(server) as another:
        works(another)


@pytest.mark.parametrize("part", [1, 20, 0.5, -2])
@pytest.mark.parametrize("ending", ["silence", "close", "reset"])
def test_half_a_handshake(server: Server, part: float, ending: str) -> None:
    with Wire(server.port) as half:
        request = half.request()
        half.write(request[: int(part * len(request)) if isinstance(part, float) else part])
        if ending != "silence":
            half.close() if ending == "close" else half.reset()
        with subscribed(server) as another:
            works(another)


def test_a_peer_that_leaves_before_the_answer(server: Server) -> None:
    for leave in (Wire.close, Wire.reset):
        wire = Wire(server.port)
        wire.write(wire.request())
        leave(wire)


def test_a_peer_that_does_not_wait_for_the_answer(server: Server) -> None:
    """It must (RFC 6455 4.1); what it says too early, the server may have thrown away with the request."""
    with Wire(server.port) as wire:
        early = frame(TEXT, json.dumps({"command": "dance", "identifier": CHANNEL}).encode())
        wire.write(wire.request() + early)
        assert wire.answer().status == 101
        assert wire.hear() == {"type": "welcome"}
        wire.subscribe(CHANNEL)
        works(wire)


def test_half_a_frame_that_comes_too_early(server: Server) -> None:
    with Wire(server.port) as wire:
        early = frame(TEXT, json.dumps({"command": "dance", "identifier": CHANNEL}).encode())
        wire.write(wire.request() + early[:9])
        assert wire.answer().status == 101
        wire.write(early[9:])
        wire.end()
        wire.hear_end()


# Handshakes that are none.


def refused(server: Server, path: str = "/cable", method: str = "GET", **headers: str | None) -> Answer:
    """Ask with these headers, `_` for `-`, and return the answer, which is a refusal in plain text."""
    with Wire(server.port) as wire:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = wire.ask(path, fields, method=method)
    assert 400 <= answer.status < 600, answer
    assert answer.text.strip()
    return answer


@pytest.mark.parametrize(
    "key", [None, "", "x", "AQIDBAUGBwgJCgsMDQ4PEA", "AQIDBAUGBwgJCgsMDQ4P", "AQIDBAUGBwgJCgsMDQ4PEBE=", "é"]
)
def test_a_key_that_is_missing_or_wrong(server: Server, key: str | None) -> None:
    assert refused(server, Sec_WebSocket_Key=key).status == 400


@pytest.mark.parametrize("version", [None, "", "8", "14", "13, 8", "x"])
def test_another_version_of_the_protocol(server: Server, version: str | None) -> None:
    answer = refused(server, Sec_WebSocket_Version=version)
    assert answer.status == 426
    assert answer.headers["sec-websocket-version"] == "13"


def test_plain_http(server: Server) -> None:
    with Wire(server.port) as wire:
        asked = {
            "Upgrade": None,
            "Connection": "close",
            "Sec-WebSocket-Key": None,
            "Sec-WebSocket-Version": None,
        }
        answer = wire.ask(headers=asked)
    assert answer.status == 426
    assert answer.headers["upgrade"] == "websocket"
    assert "WebSocket" in answer.text


@pytest.mark.parametrize("upgrade", ["h2c", "websockets", ""])
def test_an_upgrade_to_something_else(server: Server, upgrade: str) -> None:
    assert refused(server, Upgrade=upgrade).status in (400, 426)


def test_an_upgrade_without_connection_upgrade(server: Server) -> None:
    assert refused(server, Connection="close").status in (400, 426)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_another_method(server: Server, method: str) -> None:
    assert refused(server, method=method, Content_Length="0").status in (400, 405, 426)


def test_a_post_without_an_upgrade(server: Server) -> None:
    assert server.post("/cable", {}).status in (405, 426)


def test_another_path(server: Server) -> None:
    assert refused(server, "/cable/").status == 404
    assert refused(server, "/cables").status == 404
    assert refused(server, "/").status in (400, 404, 426)


def test_an_unknown_subprotocol_is_not_chosen(server: Server) -> None:
    with Wire(server.port) as wire:
        answer = wire.ask(headers={"Sec-WebSocket-Protocol": "soap, wamp"})
        assert answer.status == 101
        assert "sec-websocket-protocol" not in answer.headers
        assert wire.hear() == {"type": "welcome"}


# Origins.


def test_a_foreign_origin_is_refused_and_the_log_says_what_to_do(running: Server, server: Server) -> None:
    logged = len(running.log())
    assert refused(server, Origin="http://evil.example").status == 403
    line = running.log()[logged:]
    assert "Origin 'http://evil.example'" in line
    assert "CABLE_ALLOWED_ORIGINS" in line


def test_a_missing_origin_is_refused_and_the_log_says_what_to_do(running: Server, server: Server) -> None:
    logged = len(running.log())
    assert refused(server, Origin=None).status == 403
    line = running.log()[logged:]
    assert "no Origin header" in line
    assert "CABLE_CHECK_ORIGIN" in line


@pytest.mark.parametrize("origin", ["null", "", "*", "file://", "https://", "http://[", "://", "\xff"])
def test_a_strange_origin_is_refused(server: Server, origin: str) -> None:
    assert refused(server, Origin=origin).status == 403


def test_an_origin_is_scheme_and_host_and_port(server: Server) -> None:
    for origin in (
        f"https://127.0.0.1:{server.port}",
        "http://127.0.0.1",
        f"http://127.0.0.1:{server.port + 1}",
        f"http://127.0.0.1:{server.port}.evil.example",
        f"http://127.0.0.1:{server.port}@evil.example",
        f"http://evil.example/#127.0.0.1:{server.port}",
        f"http://localhost:{server.port}",
    ):
        assert refused(server, Origin=origin).status == 403, origin


@pytest.mark.parametrize("port", ["99999", "x"])
def test_a_host_that_is_none_is_not_an_origin(server: Server, port: str) -> None:
    """Two addresses that cannot be read are not the same address."""
    answer = refused(server, Host=f"127.0.0.1:{port}", Origin=f"http://evil.example:{port}")
    assert answer.status in (400, 403)


def upgrades(server: Server, path: str, **headers: str) -> bool:
    with Wire(server.port) as wire:
        answer = wire.ask(path, {name.replace("_", "-"): value for name, value in headers.items()})
        assert answer.status in (101, 403), answer
        return answer.status == 101


def test_origins_that_are_allowed_by_name_or_pattern(server: Server) -> None:
    for origin in ("https://friend.example", "https://FRIEND.example:443", "https://good.friends.example"):
        assert upgrades(server, "/open/cable", Origin=origin), origin
        assert not upgrades(server, "/cable", Origin=origin), origin
    assert upgrades(server, "/open/cable")
    for origin in (
        "http://friend.example",
        "https://friend.example:8443",
        "https://friend.example.evil.example",
        "https://good.friends.example.evil.example",
        "https://evil.example/https://good.friends.example",
    ):
        assert not upgrades(server, "/open/cable", Origin=origin), origin


def test_a_forwarded_host_counts_only_behind_proxyfix(server: Server) -> None:
    forwarded = {"X_Forwarded_Host": "chat.example", "X_Forwarded_Proto": "https"}
    assert upgrades(server, "/proxied/cable", Origin="https://chat.example", **forwarded)
    assert not upgrades(server, "/proxied/cable", Origin="http://chat.example", **forwarded)
    assert not upgrades(server, "/proxied/cable", **forwarded)
    assert not upgrades(server, "/cable", Origin="https://chat.example", **forwarded)
    assert upgrades(server, "/cable", X_Forwarded_Host="chat.example")


# Too many.


def test_a_connection_too_many_is_told_to_come_back(server: Server) -> None:
    with join(server.port, "/few/cable") as first, join(server.port, "/few/cable") as second:
        for _ in range(3):
            answer = refused(server, "/few/cable")
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) > 0
        first.say_close()
        assert first.hear_close()[0] == 1000
        eventually(lambda: stats(server, "/few/")["connections"] == 1, "its place is free")
        with join(server.port, "/few/cable"):
            assert refused(server, "/few/cable").status == 503
        second.subscribe(CHANNEL)
        works(second)


def test_refused_handshakes_take_no_place(server: Server) -> None:
    for _ in range(5):
        assert refused(server, "/few/cable", Origin="http://evil.example").status == 403
        assert refused(server, "/few/cable", Sec_WebSocket_Key="short").status == 400
    with join(server.port, "/few/cable"), join(server.port, "/few/cable"):
        assert refused(server, "/few/cable").status == 503


def test_two_hundred_connections_that_vanish(server: Server) -> None:
    """Nothing is asserted here: `server` counts what is left."""
    for _ in range(4):
        wires = [subscribed(server) for _ in range(50)]
        for number, wire in enumerate(wires):
            wire.reset() if number % 2 else wire.close()
