"""The stock @rails/actioncable, in Node.js, against gunicorn with gevent; the scenarios are in JavaScript."""

from collections.abc import Callable
from concurrent.futures import Future

import pytest
from conformance.nodejs import play, scenarios, surprises
from conformance.scenarios import ALONE, CALM
from support.servers import Server

pytestmark = pytest.mark.needs("gunicorn", "gevent", "node", "node_modules")

SCRIPT = "rails.mjs"
OWN = (
    "duplicate_subscriptions",
    "falsy_messages",
    "a_visible_page_reconnects_at_once",
    "offers_more_protocols",
)
UNHURRIED = ("an_idle_client_stays",)


@pytest.mark.parametrize("calm", CALM + OWN)
def test_the_rails_client(calm: str, calm_plays: dict[str, Future[None]]) -> None:
    calm_plays[calm].result()


@pytest.mark.parametrize("scenario", ALONE)
def test_the_rails_client_alone(scenario: str, play_alone: Callable[[str], None]) -> None:
    play_alone(scenario)


def test_the_server_failed_only_where_it_was_meant_to(server: Server) -> None:
    assert not surprises(server.log()), server.log()


@pytest.mark.parametrize("scenario", UNHURRIED)
def test_the_rails_client_with_all_defaults(scenario: str, unhurried_server: Server) -> None:
    play(SCRIPT, scenario, unhurried_server)


def test_no_scenario_is_forgotten() -> None:
    assert sorted(scenarios(SCRIPT)) == sorted(CALM + ALONE + OWN + UNHURRIED)
