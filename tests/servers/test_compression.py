"""permessage-deflate over TCP: off unless wanted, agreed without context, whole in both directions."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from support.parts import require
from support.servers import KINDS, Server
from support.wire import TEXT, Frame, Wire, eventually
from websockets.sync.client import connect

APP = "support.apps.load:create_app()"
IDENTIFIER = json.dumps({"channel": "LoadChannel"})
OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}


@pytest.fixture(scope="module", params=["gunicorn-gevent", "gunicorn-gthread"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    require(*KINDS[request.param].parts)
    with Server(request.param, APP, env={"LOAD_CABLE_COMPRESSION": "true"}) as started:
        yield started


def dial(server: Server, **options: Any) -> Any:
    return connect(
        server.ws_url("/cable?name=peer"), origin=server.url, subprotocols=["actioncable-v1-json"], **options
    )


def say(peer: Any, **fields: Any) -> None:
    peer.send(json.dumps(fields))


def hear(peer: Any) -> Any:
    while True:
        message = json.loads(peer.recv(timeout=20))
        if message.get("type") != "ping":
            return message


def subscribe(peer: Any) -> None:
    assert hear(peer) == {"type": "welcome"}
    say(peer, command="subscribe", identifier=IDENTIFIER)
    assert hear(peer)["type"] == "confirm_subscription"


def test_a_stock_client_speaks_it_both_ways(server: Server) -> None:
    letters = random.Random(1)
    texts = ["x", "y" * 70_000, "".join(letters.choices("abcdefgh ", k=200_000)), "後" * 3000]
    with dial(server, max_size=None) as peer:
        assert "permessage-deflate" in peer.response.headers["Sec-WebSocket-Extensions"]
        subscribe(peer)
        for number, text in enumerate(texts):
            data = json.dumps({"action": "echo", "number": number, "text": text})
            say(peer, command="message", identifier=IDENTIFIER, data=data)
            assert hear(peer)["message"]["text"] == text


def test_peers_share_a_compressed_frame_with_those_who_have_none(server: Server) -> None:
    with dial(server) as squeezed, dial(server, compression=None) as plain:
        assert "Sec-WebSocket-Extensions" not in plain.response.headers
        subscribe(squeezed)
        subscribe(plain)
        server.post("/broadcast/load", {"text": "z" * 5000})
        assert hear(squeezed) == hear(plain)


def test_no_context_is_carried(server: Server) -> None:
    """Each message inflates by itself, and is smaller than what it says."""
    with Wire(server.port) as peer:
        agreed = extensions(peer, OFFER)
        assert "server_no_context_takeover" in agreed
        assert "client_no_context_takeover" in agreed
        body = json.dumps({"command": "subscribe", "identifier": IDENTIFIER}).encode()
        peer.send(TEXT, body)
        for number in range(3):
            peer.send(TEXT, action("echo", number=number, text="w" * 900))
        found = [compressed(peer) for _ in range(3)]
    assert [json.loads(text)["message"]["number"] for _, text in found] == [0, 1, 2]
    assert all(size < 200 < len(text) for size, text in found)


def action(name: str, **data: Any) -> bytes:
    fields = {"command": "message", "identifier": IDENTIFIER, "data": json.dumps({"action": name, **data})}
    return json.dumps(fields).encode()


def compressed(peer: Wire) -> tuple[int, bytes]:
    """The next compressed message: its size on the wire, and what it says."""
    while True:
        first, heard = hear_any(peer)
        if first & 0x40:
            text = zlib.decompressobj(-15).decompress(heard.payload + b"\x00\x00\xff\xff")
            if b'"message"' in text:
                return len(heard.payload), text


def hear_any(peer: Wire) -> tuple[int, Frame]:
    """A frame whose first reserved bit may be set, which `Wire.hear_frame` would not allow."""
    first, size = peer._take(2)
    if size == 126:
        size = int.from_bytes(peer._take(2), "big")
    return first, Frame(first & 15, True, peer._take(size))


def extensions(peer: Wire, headers: dict[str, str | None]) -> str:
    peer.write(peer.request(headers=headers))
    answer = peer.answer()
    assert answer.status == 101
    return answer.headers.get("sec-websocket-extensions", "")


@pytest.mark.parametrize(
    "offer",
    [
        "x-webkit-deflate-frame",
        "permessage-deflate; server_max_window_bits=9",
        "permessage-deflate; a=b",
        "=,;",
    ],
)
def test_what_cannot_be_agreed_on_is_left_out(server: Server, offer: str) -> None:
    with Wire(server.port) as peer:
        assert extensions(peer, {"Sec-WebSocket-Extensions": offer}) == ""


def test_a_bomb_is_refused(server: Server) -> None:
    """A few kB that inflate to far more than CABLE_MAX_MESSAGE_BYTES end the connection with 1009."""
    with Wire(server.port) as peer:
        assert extensions(peer, OFFER)
        deflater = zlib.compressobj(9, wbits=-15)
        bomb = deflater.compress(b" " * 2**26) + deflater.flush(zlib.Z_SYNC_FLUSH)
        peer.send(TEXT, bomb[:-4], rsv=4)
        assert peer.hear_close()[0] == 1009
    eventually(lambda: held(server)["connections"] == 0, "it is gone")


def held(server: Server) -> Any:
    return server.get("/held").json()


def test_it_is_off_unless_wanted() -> None:
    require("gunicorn", "gevent")
    with Server("gunicorn-gevent", APP) as server, dial(server) as peer:
        assert "Sec-WebSocket-Extensions" not in peer.response.headers
