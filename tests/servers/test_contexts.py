"""No context of Flask's and no database connection is kept while a socket idles; each command has its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.parts import require
from support.servers import KINDS, Server
from support.wire import Wire, eventually, join

PEOPLE = '{"channel":"PeopleChannel"}'
TICKING = '{"channel":"TickingChannel"}'
NOWHERE = [False, False]  # neither an application context nor a request context


@pytest.fixture(scope="module", params=["gunicorn-gevent", "gunicorn-gthread"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose application has a pool of five."""
    require(*KINDS[request.param].parts, "flask_sqlalchemy")
    database: Path = tmp_path_factory.mktemp("database") / "people.sqlite"
    env = {"POOLED_DATABASE": str(database)}
    with Server(request.param, "support.apps.pooled:create_app()", env=env) as started:
        yield started


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    """A peer with a subscription; nothing is pending."""
    with subscribed(server) as peer:
        eventually(lambda: idle(server), "nothing is pending")
        yield peer
    eventually(lambda: stats(server)["connections"] == 0, "the peer is gone")


def subscribed(server: Server) -> Wire:
    """Return a peer whose `connect` and `subscribed` have asked the database."""
    wire = join(server.port)
    wire.say(command="subscribe", identifier=PEOPLE)
    assert wire.hear_message(PEOPLE) == {"subscribed": "Ada"}
    assert wire.hear() == {"identifier": PEOPLE, "type": "confirm_subscription"}
    return wire


def stats(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.get("/stats").json()  # type: ignore[assignment]
    return found


def idle(server: Server) -> bool:
    now = stats(server)
    return (now["checked_out"], now["pending"]) == (0, 0)


def test_a_hundred_idle_sockets_check_out_no_connection(server: Server) -> None:
    with ExitStack() as stack:
        wires = [stack.enter_context(subscribed(server)) for _ in range(100)]
        eventually(lambda: idle(server), "nothing is pending")
        now = stats(server)
        assert now["connections"] == 100
        assert now["pool"] == ["QueuePool", 5]
        assert server.get("/probes").json() == {"home": NOWHERE, "worker": NOWHERE}
        with ThreadPoolExecutor(5) as pool:
            answers = list(pool.map(server.get, ["/"] * 50))
        assert [(answer.status, answer.text) for answer in answers] == [(200, "Ada")] * 50
        for wire in wires:
            wire.perform(PEOPLE, "look")
        assert [wire.hear_message(PEOPLE) for wire in wires] == [{"looked": "Ada"}] * 100
        eventually(lambda: idle(server), "nothing is pending again")
    eventually(
        lambda: stats(server)["connections"] == 0 and idle(server), "all have gone, and returned theirs"
    )


def test_teardown_functions_run_once_per_command(server: Server, wire: Wire) -> None:
    before = stats(server)["teardowns"]
    for _ in range(20):
        wire.perform(PEOPLE, "look")
        assert wire.hear_message(PEOPLE) == {"looked": "Ada"}
    eventually(lambda: stats(server)["teardowns"] == before + 20, "each look has been torn down")
    wire.perform(PEOPLE, "fail")
    wire.perform(PEOPLE, "unknown")
    eventually(lambda: stats(server)["teardowns"] == before + 22, "what fails is torn down too")
    assert idle(server)


def test_a_stream_callback_has_a_context_of_its_own(server: Server, wire: Wire) -> None:
    before = stats(server)["teardowns"]
    for _ in range(5):
        server.post("/people")
        assert wire.hear_message(PEOPLE) == {"heard": "Ada", "fresh": True}
    eventually(lambda: stats(server)["teardowns"] == before + 5, "each callback has been torn down")
    assert idle(server)


def test_a_timer_has_a_context_of_its_own(server: Server) -> None:
    with join(server.port, "/cable", TICKING) as wire:
        before = stats(server)["teardowns"]
        for _ in range(5):
            assert wire.hear_message(TICKING) == {"ticked": "Ada", "fresh": True}
        wire.say(command="unsubscribe", identifier=TICKING)
        eventually(lambda: idle(server), "nothing is pending")
        assert stats(server)["teardowns"] >= before + 5


def test_a_peer_that_leaves_returns_everything(server: Server) -> None:
    """`unsubscribed` asks the database as well, when nobody is there any more."""
    subscribed(server).reset()
    eventually(lambda: stats(server)["connections"] == 0, "the peer is gone")
    eventually(lambda: idle(server), "nothing is pending")
