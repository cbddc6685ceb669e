"""Our own cable.js, in Node.js, against gunicorn with gevent; the scenarios are in JavaScript."""

from collections.abc import Callable
from concurrent.futures import Future

import pytest
from conformance.nodejs import play, scenarios, surprises
from conformance.scenarios import ALONE, CALM
from support.servers import Server

pytestmark = pytest.mark.needs("gunicorn", "gevent", "node", "node_modules")

SCRIPT = "flask_cable.mjs"
OWN = (
    "replies",
    "many_replies",
    "no_replies_where_they_are_not_spoken",
    "buffered_until_confirmed",
    "duplicate_subscriptions",
    "a_second_confirmation_is_no_news",
    "subscribes_again_after_unsubscribing",
    "falsy_messages",
)
UNHURRIED = ("an_idle_client_stays",)


@pytest.mark.parametrize("calm", CALM + OWN)
def test_our_client(calm: str, calm_plays: dict[str, Future[None]]) -> None:
    calm_plays[calm].result()


@pytest.mark.parametrize("scenario", ALONE)
def test_our_client_alone(scenario: str, play_alone: Callable[[str], None]) -> None:
    play_alone(scenario)


def test_the_server_failed_only_where_it_was_meant_to(server: Server) -> None:
    assert not surprises(server.log()), server.log()


@pytest.mark.parametrize("scenario", UNHURRIED)
def test_our_client_with_all_defaults(scenario: str, unhurried_server: Server) -> None:
    play(SCRIPT, scenario, unhurried_server)


def test_no_scenario_is_forgotten() -> None:
    assert sorted(scenarios(SCRIPT)) == sorted(CALM + ALONE + OWN + UNHURRIED)
