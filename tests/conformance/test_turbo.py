"""turbo-rails' own JavaScript in headless Chromium: two open pages follow commits of SQLAlchemy models."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from conformance.browser import DEADLINE, Browser, Page
from support.backends import Backend
from support.servers import Server

pytestmark = pytest.mark.needs("gunicorn", "gevent", "flask_sqlalchemy", "chromium", "node_modules")

KIND, APP = "gunicorn-gevent", "support.apps.turbo:create_app()"
CONNECTED = "document.querySelectorAll('turbo-cable-stream-source[connected]').length >= 2"
REFRESHES = "heard.filter((html) => html.includes('action=\"refresh\"')).length"
FORGED = "signed_stream_name is none that this application signed"

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(KIND, APP) as running:
        yield running
        assert "Traceback (most recent call last)" not in running.log(), running.log()


@pytest.fixture
def visit(browser: Browser, server: Server, opened: list[Page]) -> Visit:
    """Opens the page in a new person's browser, and waits until it hears its streams."""

    def visit(**query: str) -> Page:
        page = browser.open(f"{server.url}/?{urlencode(query)}")
        opened.append(page)
        page.until(CONNECTED)
        return page

    return visit


@pytest.fixture
def two(visit: Visit, server: Server) -> tuple[Page, Page]:
    return visit(who="ann"), visit(who="bob")


def do(server: Server, *deeds: list[Any]) -> None:
    answer = server.post("/do", deeds)
    assert answer.status == 204, answer.text


def mark(page: Page, selector: str) -> None:
    """Remember an element: one that is put in its place has no such mark."""
    page.evaluate(f"document.querySelector('{selector}').mark = true")


def is_marked(page: Page, selector: str) -> bool:
    marked: bool = page.evaluate(f"document.querySelector('{selector}').mark === true")
    return marked


def test_a_commit_appends_replaces_and_removes_in_both_pages(two: tuple[Page, Page], server: Server) -> None:
    do(server, ["add", "Note", 1, "Hello <b>you</b>"], ["add", "Note", 2, "second"], ["commit"])
    for page in two:
        page.until_texts("#notes .note", ["Hello <b>you</b>", "second"])
        mark(page, "#note_1")
    do(server, ["change", "Note", 1, "changed 漢字"], ["commit"])
    for page in two:
        page.until_texts("#notes .note", ["changed 漢字", "second"])
        assert not is_marked(page, "#note_1")
    do(server, ["delete", "Note", 1], ["commit"])
    for page in two:
        page.until_texts("#notes .note", ["second"])
    do(server, ["delete", "Note", 2], ["commit"])


def test_a_commit_prepends_and_morphs(two: tuple[Page, Page], server: Server) -> None:
    do(server, ["add", "Card", 11, "one"], ["commit"], ["add", "Card", 12, "two"], ["commit"])
    ann, bob = two
    for page in two:
        page.until_texts("#cards .card", ["two", "one"])
        mark(page, "#card_11 b")
    ann.evaluate("document.querySelector('#card_11 input').focus()")
    do(server, ["change", "Card", 11, "ONE"], ["commit"])
    for page in two:
        page.until_texts("#cards .card", ["two", "ONE"])
        assert is_marked(page, "#card_11 b")
    assert ann.evaluate("document.activeElement == document.querySelector('#card_11 input')")
    assert [html.count('method="morph"') for html in bob.evaluate("heard")][-1] == 1
    do(server, ["delete", "Card", 11], ["delete", "Card", 12], ["commit"])
    for page in two:
        page.until_texts("#cards .card", [])


def test_what_is_rolled_back_is_not_shown(two: tuple[Page, Page], server: Server) -> None:
    do(server, ["add", "Note", 21, "never"], ["flush"], ["rollback"])
    do(
        server,
        ["add", "Note", 22, "and then"],
        ["commit"],
        ["change", "Note", 22, "never"],
        ["flush"],
        ["rollback"],
    )
    do(server, ["add", "Note", 23, "last"], ["commit"])
    for page in two:
        page.until_texts("#notes .note", ["and then", "last"])
        assert len(page.evaluate("heard")) == 2
    do(server, ["delete", "Note", 22], ["delete", "Note", 23], ["commit"])


@pytest.mark.parametrize("channel", ["Turbo::StreamsChannel", "$pubsub"])
def test_a_tampered_name_is_rejected(visit: Visit, server: Server, channel: str) -> None:
    signed = server.get("/sign/staff").text
    tampered = signed[:-1] + ("1" if signed.endswith("0") else "0")
    before = server.log().count(FORGED)
    page = visit(hear=tampered, channel=channel)
    end = time.monotonic() + DEADLINE
    while server.log().count(FORGED) == before:
        assert time.monotonic() < end, server.log()
        time.sleep(0.02)
    do(server, ["reveal", "staff", "the secret"], ["set_title", f"after {channel}"])
    page.until(f"document.title == 'after {channel}'")
    page.until_texts("#secret", ["nothing"])
    assert not page.evaluate("document.querySelector('#other').hasAttribute('connected')")


def test_and_the_signed_one_is_not(visit: Visit, server: Server) -> None:
    page = visit(hear=server.get("/sign/staff").text)
    page.until("document.querySelector('#other').hasAttribute('connected')")
    do(server, ["reveal", "staff", "the secret"])
    page.until_texts("#secret", ["the secret"])


def test_a_custom_action(two: tuple[Page, Page], server: Server) -> None:
    do(server, ["set_title", '"Custom" & <more>'])
    for page in two:
        page.until("document.title == '\"Custom\" & <more>'")


def test_refreshes_that_come_together_are_one(two: tuple[Page, Page], server: Server) -> None:
    do(server, *[["change_title", f"Title {number}"] for number in range(5)])
    for page in two:
        page.until_texts("h1", ["Title 4"])
    do(server, ["change_title", "Title 5"])
    for page in two:
        page.until_texts("h1", ["Title 5"])
        assert page.evaluate(REFRESHES) == 2


def test_a_page_is_not_refreshed_for_its_own_request(two: tuple[Page, Page], server: Server) -> None:
    ann, bob = two
    do(server, ["change_title", "Before"])
    for page in two:
        page.until_texts("h1", ["Before"])
    before = server.get("/loads").json()
    ann.evaluate(
        "Turbo.fetch('/do', {method: 'POST', headers: {'Content-Type': 'application/json'},"
        " body: JSON.stringify([['change_title', 'By Ann']])}).then((answer) => answer.status)"
    )
    bob.until_texts("h1", ["By Ann"])
    ann.until(f"{REFRESHES} == 2")
    assert ann.evaluate("heard.at(-1).includes('request-id')")
    do(server, ["change_title", "By nobody"])
    for page in two:
        page.until_texts("h1", ["By nobody"])
    after = server.get("/loads").json()
    assert {who: after[who] - before[who] for who in ("ann", "bob")} == {"ann": 1, "bob": 2}


@pytest.mark.needs("redis", "redis_server")
def test_pages_of_two_servers_follow_one_database(browser: Browser, tmp_path: Path) -> None:
    with Backend("redis") as redis:
        env = {
            "FLASK_CABLE_URL": redis.url,
            "FLASK_SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/board.db",
        }
        with Server(KIND, APP, env=env) as first, Server(KIND, APP, env=env) as second:
            pages = [browser.open(f"{server.url}/") for server in (first, second)]
            for page in pages:
                page.until(CONNECTED)
            do(first, ["add", "Card", 1, "one"], ["commit"])
            do(second, ["add", "Card", 2, "two"], ["commit"], ["change", "Card", 1, "ONE"], ["commit"])
            do(first, ["change_title", "From the first"])
            for page in pages:
                page.until_texts("#cards .card", ["two", "ONE"])
                page.until_texts("h1", ["From the first"])
                assert page.errors() == []
                page.close()


def test_a_form_is_answered_with_turbo_streams(two: tuple[Page, Page], server: Server) -> None:
    ann, bob = two
    ann.enter("#form input", "only for me <3")
    ann.until_texts("#secret", ["only for me <3"])
    ann.until("document.title == 'Sent'")
    bob.until_texts("#secret", ["nothing"])
