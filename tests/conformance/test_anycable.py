"""The stock @anycable/core, in Node.js, against gunicorn with gevent; the scenarios are in JavaScript."""

from collections.abc import Callable
from concurrent.futures import Future

import pytest
from conformance.nodejs import scenarios, surprises
from conformance.scenarios import ALONE, CALM
from support.servers import Server

pytestmark = pytest.mark.needs("gunicorn", "gevent", "node", "node_modules")

SCRIPT = "anycable.mjs"
OWN = (
    "duplicate_subscriptions",
    "a_repeated_subscribe_is_not_confirmed_again",
    "falsy_messages_are_sent",
    "subscribes_again_after_unsubscribing",
    "hears_a_stream_by_its_signed_name",
)


@pytest.mark.parametrize("calm", CALM + OWN)
def test_the_anycable_client(calm: str, calm_plays: dict[str, Future[None]]) -> None:
    calm_plays[calm].result()


@pytest.mark.parametrize("scenario", ALONE)
def test_the_anycable_client_alone(scenario: str, play_alone: Callable[[str], None]) -> None:
    play_alone(scenario)


def test_the_server_failed_only_where_it_was_meant_to(server: Server) -> None:
    assert not surprises(server.log()), server.log()


def test_no_scenario_is_forgotten() -> None:
    assert sorted(scenarios(SCRIPT)) == sorted(CALM + ALONE + OWN)
