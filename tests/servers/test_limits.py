"""Peers out of step: one that never reads costs little and delays nobody; one in a hurry is held back."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.parts import require
from support.servers import KINDS, Server
from support.wire import TEXT, Wire, eventually, frame, join

APP = "support.apps.limited:create_app()"
FEED = '{"channel":"FeedChannel"}'
LOSSY = '{"channel":"LossyChannel"}'
SLOW = '{"channel":"SlowChannel"}'
OUTBOX = 2**17  # bytes that may wait for one peer
INBOX = 20  # messages of one peer that may wait
ENV = {
    "FLASK_CABLE_OUTBOX_BYTES": str(OUTBOX),
    "FLASK_CABLE_INBOX_MESSAGES": str(INBOX),
    "FLASK_CABLE_MESSAGES_PER_SECOND": "1000000",
    "FLASK_CABLE_MESSAGES_BURST": "1000000",
}
ROUND, SIZE = 20, 4000  # messages at once, and their size: less than the outbox takes
ROUNDS = 300  # 24 MB for each peer


@pytest.fixture(params=["gunicorn-gevent", "gunicorn-gthread"])
def kind(request: pytest.FixtureRequest) -> str:
    """One kind of server."""
    require(*KINDS[request.param].parts)
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["TCP", "TLS"])
def tls(request: pytest.FixtureRequest) -> dict[str, Path]:
    """The files that a server needs for TLS, or none."""
    files = request.getfixturevalue("certificate") if request.param else ()
    return dict(zip(("certfile", "keyfile"), files, strict=False))


def stats(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.get("/").json()  # type: ignore[assignment]
    return found


def enter(
    stack: ExitStack, server: Server, identifier: str, count: int, receive_buffer: int = 0
) -> list[Wire]:
    """Return so many peers with a subscription."""
    tls = server.url.startswith("https")
    return [
        stack.enter_context(join(server.port, "/cable", identifier, tls=tls, receive_buffer=receive_buffer))
        for _ in range(count)
    ]


def feed(readers: list[Wire], begin: int) -> None:
    """Let the first one broadcast a round; when every reader has heard it, whole and in order, it is over."""
    readers[0].perform(FEED, "feed", begin=begin, end=begin + ROUND, size=SIZE)
    for reader in readers:
        numbers = [reader.hear_message(FEED)["number"] for _ in range(ROUND)]
        assert numbers == list(range(begin, begin + ROUND))


def test_peers_that_never_read_cost_little_and_delay_nobody(kind: str, tls: dict[str, Path]) -> None:
    env = {**ENV, "FLASK_CABLE_CLOSE_TIMEOUT": "1.0"}
    with Server(kind, APP, env=env, **tls) as server, ExitStack() as stack:
        readers = enter(stack, server, FEED, 3)
        before = stats(server)
        enter(stack, server, FEED, 4, receive_buffer=2**12)
        for number in range(ROUNDS):
            feed(readers, number * ROUND)
        eventually(lambda: stats(server)["connections"] == 3, "those who never read are not waited for")
        eventually(
            lambda: stats(server)["descriptors"] <= before["descriptors"], "nor are their sockets kept"
        )
        assert stats(server)["resident"] - before["resident"] < 16 * 2**20, "what waited was bounded"
        assert "Traceback" not in server.log()


def test_one_who_reads_at_last_hears_a_whole_beginning_and_why_it_ends(
    kind: str, tls: dict[str, Path]
) -> None:
    with Server(kind, APP, env=ENV, **tls) as server, ExitStack() as stack:
        readers = enter(stack, server, FEED, 1)
        (late,) = enter(stack, server, FEED, 1, receive_buffer=2**12)
        rounds = 0
        while rounds % 10 or stats(server)["connections"] == 2:
            feed(readers, rounds * ROUND)
            rounds += 1
        numbers = []
        while (heard := late.hear()).get("type") != "disconnect":
            numbers.append(heard["message"]["number"])
        assert numbers == list(range(len(numbers)))
        assert len(numbers) < rounds * ROUND
        assert heard == {"type": "disconnect", "reason": "too_slow", "reconnect": True}
        assert late.hear_close()[0] == 1000


LARGE = 2**22  # an outbox that the kernel's buffers do not take at once


def test_one_who_reads_now_and_then_hears_whole_messages_in_order(kind: str, tls: dict[str, Path]) -> None:
    """What it misses is dropped between others; what the kernel, or OpenSSL, has begun to send is not."""
    env = {**ENV, "FLASK_CABLE_OUTBOX_BYTES": str(LARGE)}
    with Server(kind, APP, env=env, **tls) as server, ExitStack() as stack:
        readers = enter(stack, server, FEED, 1)
        (late,) = enter(stack, server, LOSSY, 1, receive_buffer=2**12)
        numbers: list[int] = []
        for rounds in range(ROUNDS):
            feed(readers, rounds * ROUND)
            if rounds * ROUND * SIZE > 2 * LARGE:
                numbers += [late.hear_message(LOSSY)["number"] for _ in range(ROUND // 3)]
        while numbers[-1] != ROUNDS * ROUND - 1:
            numbers.append(late.hear_message(LOSSY)["number"])
        assert numbers == sorted(set(numbers))
        assert len(numbers) < ROUNDS * ROUND
        assert "Traceback" not in server.log()


COMMANDS, LETTERS = 3000, 16_000  # 48 MB: more than any kernel keeps for us


def test_a_peer_in_a_hurry_is_not_read_and_loses_nothing(kind: str) -> None:
    with Server(kind, APP, env=ENV) as server, join(server.port, "/cable", SLOW) as wire:
        stream = memoryview(b"".join(map(command, range(COMMANDS))))
        sent = write_until_stuck(wire, stream, server)
        assert sent < len(stream) - 2**20, "the server has read far less than all"
        server.post("/gate")
        wire.write(bytes(stream[sent:]))
        assert [wire.hear_message(SLOW)["number"] for _ in range(COMMANDS)] == list(range(COMMANDS))
        assert "Traceback" not in server.log()


def command(number: int) -> bytes:
    """Return one command, as bytes of the wire."""
    data = json.dumps({"action": "count", "number": number, "letters": "x" * LETTERS})
    return frame(TEXT, json.dumps({"command": "message", "identifier": SLOW, "data": data}).encode())


def write_until_stuck(wire: Wire, stream: memoryview, server: Server) -> int:
    """Write until the kernel takes no more although the server, which answers others, had time to read."""
    sent, refused = 0, 0
    while sent < len(stream) and refused < 20:
        wrote = wire.write_some(stream[sent : sent + 2**18])
        sent += wrote
        refused = 0 if wrote else refused + 1
        if not wrote:
            stats(server)
    return sent
