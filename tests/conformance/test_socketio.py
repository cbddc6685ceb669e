"""The stock socket.io-client, in Node.js: its defaults, one transport alone; and two processes on Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
from conformance.nodejs import play, scenarios, surprises
from support.backends import Backend
from support.servers import Server

pytestmark = pytest.mark.needs("gunicorn", "gevent", "node", "node_modules")

SCRIPT = "socketio.mjs"
APP = "support.apps.socketio:create_app()"
MODES = ("default", "websocket", "polling")
EVERYWHERE = (
    *("chats", "sends_binary_values", "acknowledges_both_ways", "retries_until_it_is_acknowledged"),
    *(
        "keeps_the_order",
        "enters_namespaces",
        "is_refused_with_a_reason",
        "is_sent_away",
        "knows_the_session",
    ),
    *("says_who_it_is", "hears_from_routes", "is_recovered", "is_closed_for_a_message_that_is_too_large"),
)
CALM = (
    *(f"{name}:{mode}" for name in EVERYWHERE for mode in MODES),
    *(
        "changes_to_a_websocket:default",
        "recovers_from_a_foreign_sid:polling",
        "keeps_the_order_through_an_upgrade:default",
    ),
)
ALONE = tuple(
    f"{name}:{mode}" for name in ("comes_back_after_a_restart", "comes_back_after_a_crash") for mode in MODES
)
CLUSTERED = ("chats", "sends_binary_values", "acknowledges_both_ways", "keeps_the_order", "enters_namespaces")
THREADED = (
    "chats:default",
    "chats:polling",
    "keeps_the_order:polling",
    "keeps_the_order_through_an_upgrade:default",
)


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    with Server("gunicorn-gevent", APP) as running:
        yield running


@pytest.mark.parametrize("calm", CALM)
def test_the_stock_client(calm: str, calm_plays: dict[str, Future[None]]) -> None:
    calm_plays[calm].result()


@pytest.mark.parametrize("scenario", ALONE)
def test_the_stock_client_alone(scenario: str, play_alone: Callable[[str], None]) -> None:
    play_alone(scenario)


def test_the_server_failed_only_where_it_was_meant_to(server: Server) -> None:
    assert not surprises(server.log()), server.log()


def test_no_scenario_is_forgotten() -> None:
    assert sorted(scenarios(SCRIPT)) == sorted(CALM + ALONE)


# Few threads.


@pytest.fixture(scope="module")
def threads() -> Iterator[Server]:
    """A server with so few threads that none may wait with a client that polls."""
    with Server("gunicorn-gthread", APP, args=("--threads", "2")) as running:
        yield running


@pytest.mark.parametrize("scenario", THREADED)
def test_clients_of_a_server_with_few_threads(scenario: str, threads: Server) -> None:
    play(SCRIPT, scenario, threads)


# Several processes.


@pytest.fixture(scope="module")
def cluster() -> Iterator[Server]:
    """Two workers that hear each other through Redis."""
    with (
        Backend("redis") as backend,
        Server("gunicorn-gevent", APP, args=("-w", "2"), env={"FLASK_CABLE_URL": backend.url}) as running,
    ):
        yield running


@pytest.mark.needs("redis", "redis_server")
@pytest.mark.parametrize("scenario", [*CLUSTERED, "hears_from_routes", "is_recovered"])
def test_clients_of_two_workers(scenario: str, cluster: Server) -> None:
    play(SCRIPT, f"{scenario}:websocket", cluster)


@pytest.mark.needs("redis", "redis_server")
def test_two_workers_did_not_fail(cluster: Server) -> None:
    assert not surprises(cluster.log()), cluster.log()
