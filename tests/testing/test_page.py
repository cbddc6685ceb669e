"""A page in a test: connected from what was rendered, asked, and looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from flask_cable import Cable, socket
from flask_cable.testing import CableClient


@pytest.fixture
def cable() -> Cable:
    return Cable()


@pytest.fixture
def client(cable: Cable) -> Iterator[CableClient]:
    app = Flask("pages")
    app.config.update(SECRET_KEY="x", TESTING=True)
    cable.init_app(app)

    @app.get("/")
    def index() -> str:
        socket.subscribe("news", "sports")
        return "<body>"

    @app.get("/plain")
    def plain() -> str:
        return "<body>"

    @app.post("/leave")
    def leave() -> str:
        socket.unsubscribe("sports")
        return "left"

    with CableClient(app) as client:
        yield client


def test_a_page_is_loaded_and_connects(client: CableClient) -> None:
    page = client.page("/")
    assert (page.status, len(page.id), page.expired, page.closed) == (101, 64, False, False)
    page.assert_hears("news", "sports")
    page.assert_hears_not("weather")


def test_or_connects_when_the_test_says_so(cable: Cable, client: CableClient) -> None:
    response = client.http.get("/")
    cable.push(1, "news")
    page = client.page(response)
    assert (page.payloads, page.id in response.text) == ([1], True)


def test_or_by_its_id_alone(client: CableClient) -> None:
    page = client.page("/")
    assert client.page(page.id).streams == ("news", "sports")
    assert page.closed  # a page has one socket


def test_a_page_without_an_id_is_told_apart(client: CableClient) -> None:
    with pytest.raises(AssertionError, match=r"bears no data-socket-connection-id: 200 OK, '<body>'"):
        client.page("/plain")


def test_what_it_was_pushed(cable: Cable, client: CableClient) -> None:
    page = client.page("/")
    cable.push({"n": 1}, "news")
    assert page.received == page.pushes == [{"payload": {"n": 1}, "channel": "news"}]
    page.assert_pushed({"n": 1})
    page.assert_pushed({"n": 1}, "news")
    for payload, channel in (({"n": 2}, None), ({"n": 1}, "sports")):
        with pytest.raises(AssertionError, match="not pushed"):
            page.assert_pushed(payload, channel)


def test_what_it_hears_is_told_when_it_is_not_as_expected(client: CableClient) -> None:
    page = client.page("/")
    with pytest.raises(AssertionError, match=r"does not hear \['weather'\].*\n.*news"):
        page.assert_hears("news", "weather")
    with pytest.raises(AssertionError, match=r"hears \['news'\]"):
        page.assert_hears_not("news")


def test_it_asks_and_calls(cable: Cable, client: CableClient) -> None:
    cable.handler("double")(lambda message, session, response: message["n"] * 2)
    page = client.page("/")
    assert page.ask("double", n=4)["body"] == 8
    assert page.call("/plain")["body"] == "<body>"
    assert page.ask("ping")["body"] == "pong"


def test_an_error_of_the_application_is_raised_where_it_was_caused(cable: Cable, client: CableClient) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("broken")

    cable.handler("fail")(fail)
    page = client.page("/")
    with pytest.raises(ZeroDivisionError, match="broken"):
        page.ask("fail")


def test_a_message_that_gets_no_reply_is_an_error(client: CableClient) -> None:
    page = client.page("/")
    page.connection.handler.streams.leave_all(page.connection)
    page.connection.state.loaded = False
    with pytest.raises(AssertionError, match="was not replied to"):
        page.ask("ping")


def test_its_requests_say_that_they_are_its(client: CableClient) -> None:
    page = client.page("/")
    assert page.open("/leave", method="POST", headers={"Accept": "*/*"}).text == "left"
    page.assert_hears_not("sports")


def test_it_comes_back(cable: Cable, client: CableClient) -> None:
    page = client.page("/")
    page.close(1006)
    cable.push(1, "news")
    assert page.reconnect().payloads == [1]


def test_it_is_told_when_nobody_knows_it(client: CableClient) -> None:
    assert client.page("0" * 64).expired
