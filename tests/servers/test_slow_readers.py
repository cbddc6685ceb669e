"""Peers that do not read: they cost their bound and delay nobody, and their channel says what they lose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.parts import require
from support.servers import KINDS, Server
from support.wire import Wire, eventually, join

APP = "support.apps.load:create_app()"
BOUND = 2**16
SMALL = 2**12  # a receive buffer, so that what waits is soon with the server
ENV = {"LOAD_CABLE_OUTBOX_BYTES": str(BOUND), "LOAD_CABLE_CLOSE_TIMEOUT": "5.0"}
PADDING = "x" * 2000
ROUNDS = 2000  # of about 2 kB: far more than the kernel's buffers and the bound


@pytest.fixture(params=["gunicorn-gevent", "gunicorn-gthread"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    require(*KINDS[request.param].parts)
    with Server(request.param, APP, env=ENV) as started:
        yield started


def identifier(channel: str) -> str:
    return json.dumps({"channel": channel})


def subscriber(server: Server, channel: str, **options: Any) -> Wire:
    peer = join(server.port, "/cable?name=peer", **options)
    peer.subscribe(identifier(channel))
    return peer


def held(server: Server) -> Any:
    return server.get("/held").json()


def flood(stream: str, reader: Wire, channel: str) -> None:
    """Broadcast, each time when `reader` has heard the last one."""
    if channel != "LoadChannel":
        reader.subscribe(identifier("LoadChannel"))
    for number in range(ROUNDS):
        reader.perform(identifier("LoadChannel"), "say", stream=stream, number=number, padding=PADDING)
        assert reader.hear_message(identifier(channel))["number"] == number


def test_one_who_does_not_read_is_told_to_come_back(server: Server) -> None:
    with (
        subscriber(server, "LoadChannel") as reader,
        subscriber(server, "LoadChannel", receive_buffer=SMALL) as slow,
    ):
        before = held(server)
        flood("load", reader, "LoadChannel")
        eventually(lambda: held(server)["counts"].get("too_slow") == 1, "the slow one is counted")
        numbers = list(all_numbers(slow, identifier("LoadChannel")))
        assert numbers == list(range(len(numbers))), "what it got is whole and in order"
        assert len(numbers) < ROUNDS
        assert held(server)["rss_kib"] - before["rss_kib"] < 20_000
        eventually(lambda: held(server)["connections"] == 1, "its place is free")


def all_numbers(peer: Wire, wanted: str) -> Iterator[int]:
    """The messages until the server says too_slow and closes."""
    while (heard := peer.hear()).get("type") != "disconnect":
        assert heard["identifier"] == wanted
        yield heard["message"]["number"]
    assert heard == {"type": "disconnect", "reason": "too_slow", "reconnect": True}
    assert peer.hear_close()[0] == 1000


def test_a_channel_may_keep_the_latest_only(server: Server) -> None:
    heard = lossy(server, "PriceChannel", "prices")
    assert heard[-1] == ROUNDS - 1, "the latest arrives"
    assert heard == sorted(set(heard))
    assert len(heard) < ROUNDS


def test_a_channel_may_drop_the_oldest(server: Server) -> None:
    heard = lossy(server, "LogChannel", "lines")
    waited = BOUND // (len(PADDING) + 200)
    assert heard[-waited:] == list(range(ROUNDS - waited, ROUNDS)), "the newest are all there"
    assert heard == sorted(set(heard))
    assert len(heard) < ROUNDS


def lossy(server: Server, channel: str, stream: str) -> list[int]:
    """What a peer hears that reads nothing until all has been said."""
    with subscriber(server, channel) as reader, subscriber(server, channel, receive_buffer=SMALL) as slow:
        flood(stream, reader, channel)
        assert "too_slow" not in held(server)["counts"]
        numbers = [slow.hear_message(identifier(channel))["number"]]
        while numbers[-1] != ROUNDS - 1:
            numbers.append(slow.hear_message(identifier(channel))["number"])
        return numbers
