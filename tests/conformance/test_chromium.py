"""The example application in headless Chromium, under gunicorn -k gevent."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from conformance.browser import Browser, Page
from support.servers import Server

pytestmark = pytest.mark.needs("gunicorn", "gevent", "chromium")

CONNECTED = "document.body.dataset.state == 'connected'"
RECONNECTED = "document.querySelector('#messages').innerText.includes('Reconnected')"
DRAWN = (
    """document.querySelector('#sketch').getContext('2d').getImageData(0, 0, 900, 600).data.some(Boolean)"""
)
# The client tries again in a while, and at once when somebody comes back to its page.
LOOK_AGAIN = "document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))"
ENV = {"SECRET_KEY": "conformance", "FLASK_SQLALCHEMY_DATABASE_URI": "sqlite://"}
TRY_TO_CONNECT = """new Promise((resolve) => {
    const heard = []
    const socket = new WebSocket(%r, ["actioncable-v1-json", "actioncable-unsupported"])
    socket.onmessage = (event) => heard.push(JSON.parse(event.data))
    socket.onclose = (event) => resolve({ heard, code: event.code })
})"""

SignIn = Callable[..., Page]


@pytest.fixture(scope="module")
def chat() -> Iterator[Server]:
    """The example; its secret outlives a restart, as in production."""
    with Server("gunicorn-gevent", "example_app:create_app()", env=ENV) as running:
        yield running


@pytest.fixture
def sign_in(browser: Browser, opened: list[Page]) -> SignIn:
    """Opens a new person's browser, signs in and enters a room; afterwards no script may have failed."""

    def sign_in(server: Server, name: str, room: str) -> Page:
        page = browser.open(server.url)
        opened.append(page)
        page.enter("input[name=name]", name)
        page.until("location.pathname == '/rooms' && document.readyState == 'complete'")
        page.enter("input[name=room]", room)
        page.until(CONNECTED)
        return page

    return sign_in


def say(page: Page, text: str) -> None:
    page.enter("#text", text)
    page.until("document.querySelector('#text').value == ''")


def messages(*lines: str) -> tuple[str, list[str]]:
    return "#messages .message .words", list(lines)


def people(*names: str) -> tuple[str, list[str]]:
    return "#people .name", list(names)


def test_what_one_says_the_other_reads(chat: Server, sign_in: SignIn) -> None:
    ann, bob = sign_in(chat, "Ann", "talk"), sign_in(chat, "Bob", "talk")
    say(ann, "Hello, <b>Bob</b> 😀")
    bob.until_texts(*messages("Hello, <b>Bob</b> 😀"))
    say(bob, "漢字 שלום")
    for page in (ann, bob):
        page.until_texts(*messages("Hello, <b>Bob</b> 😀", "漢字 שלום"))
        page.until_texts("#messages .message .name", ["Ann", "Bob"])


def test_the_clock_ticks(chat: Server, sign_in: SignIn) -> None:
    ann = sign_in(chat, "Ann", "clock")
    first = ann.until("document.querySelector('#clock').dateTime")
    second = ann.until(f"(time => time > {first!r} && time)(document.querySelector('#clock').dateTime)")
    ann.until(f"document.querySelector('#clock').dateTime > {second!r}")


def test_everybody_sees_who_is_here(chat: Server, sign_in: SignIn) -> None:
    ann, bob = sign_in(chat, "Ann", "people"), sign_in(chat, "Bob", "people")
    ann.until_texts(*people("Ann", "Bob"))
    bob.until_texts(*people("Bob", "Ann"))
    bob.click("a.brand")
    ann.until_texts(*people("Ann"))
    ann.until_texts("#messages .notice", ["Bob joined", "Bob left"])


def test_a_reloaded_page_is_back(chat: Server, sign_in: SignIn) -> None:
    ann, bob = sign_in(chat, "Ann", "reload"), sign_in(chat, "Bob", "reload")
    ann.until_texts(*people("Ann", "Bob"))
    bob.reload()
    bob.until(CONNECTED)
    bob.until_texts(*people("Bob", "Ann"))
    say(ann, "back already?")
    bob.until_texts(*messages("back already?"))
    say(bob, "yes")
    ann.until_texts(*messages("back already?", "yes"))


def test_a_restarted_server_is_found_again(chat: Server, sign_in: SignIn) -> None:
    ann, bob = sign_in(chat, "Ann", "restart"), sign_in(chat, "Bob", "restart")
    say(ann, "before")
    bob.until_texts(*messages("before"))
    chat.restart()
    for page in (ann, bob):
        page.evaluate(LOOK_AGAIN)
        page.until(f"{CONNECTED} && {RECONNECTED}", 40)
    say(ann, "after")
    bob.until_texts(*messages("before", "after"))
    say(bob, "indeed")
    ann.until_texts(*messages("before", "after", "indeed"))


@pytest.mark.needs("node_modules")
def test_a_note_is_on_every_board(chat: Server, sign_in: SignIn) -> None:
    follow_the_board(chat, sign_in, "turbo-cable-stream-source")


def test_with_our_own_client_too(sign_in: SignIn) -> None:
    with Server(
        "gunicorn-gevent", "example_app:create_app()", env={**ENV, "FLASK_EXAMPLE_TURBO": "false"}
    ) as own:
        follow_the_board(own, sign_in, "cable-stream-source")


def follow_the_board(server: Server, sign_in: SignIn, source: str) -> None:
    pages = ann, bob = sign_in(server, "Ann", "lobby"), sign_in(server, "Bob", "lobby")
    for page in pages:
        page.goto(f"{server.url}/board")
        page.until(f"document.querySelector('{source}').hasAttribute('connected')")
        page.until("document.querySelector('#writers').dataset.state == 'connected'")
    assert bob.evaluate("document.querySelector('#writers').textContent") == ""
    ann.enter("#text", "Buy <milk> 漢字")
    bob.until_texts("#writers", ["Writing: Ann"])  # over a raw socket
    for page in pages:
        page.until_texts(".note .words", ["Buy <milk> 漢字"])
        page.until("document.querySelector('#text').value == ''")
    bob.evaluate("document.querySelector('#text').value = 'half a thought'")
    ann.until("performance.getEntriesByType('paint').length > 0")  # until then clicks are dropped
    ann.click(".note button[formaction$=done]")
    for page in pages:
        page.until("document.querySelector('.note').classList.contains('done')")
    ann.until(f"document.querySelector('{source}').hasAttribute('connected')")
    ann.click(".note button[formaction$=remove]")
    for page in pages:
        page.until_texts(".note", [])
    assert bob.evaluate("document.querySelector('#text').value") == "half a thought"


def test_a_line_is_drawn_on_every_sheet(chat: Server, sign_in: SignIn) -> None:
    """Over a raw socket."""
    pages = ann, bob = sign_in(chat, "Ann", "lobby"), sign_in(chat, "Bob", "lobby")
    for page in pages:
        page.goto(f"{chat.url}/sketch")
        page.until(CONNECTED)
        assert not page.evaluate(DRAWN)
    ann.drag("#sketch", 100)
    for page in pages:
        page.until(DRAWN)
    bob.click("#wipe")
    for page in pages:
        page.until(f"!({DRAWN})")
    assert bob.evaluate("document.querySelector('#state').textContent") == ""


def test_signing_out_in_one_tab_ends_the_other(chat: Server, browser: Browser, sign_in: SignIn) -> None:
    ann = sign_in(chat, "Ann", "out")
    tab = browser.open_tab(ann.person, chat.url)
    tab.click(".account button")
    tab.until("location.pathname == '/login'")
    ann.until("document.body.dataset.state == 'ended'")
    ann.until_texts("#state", ["Signed out"])
    answer = tab.evaluate(TRY_TO_CONNECT % chat.ws_url())
    goodbye = {"type": "disconnect", "reason": "unauthorized", "reconnect": False}
    assert answer == {"heard": [goodbye], "code": 1000}
    assert ann.evaluate("document.body.dataset.state") == "ended"
    tab.close()


def test_the_dashboard_shows_what_is_said_and_switches_rooms(chat: Server, sign_in: SignIn) -> None:
    ann, bob = sign_in(chat, "Ann", "lobby"), sign_in(chat, "Bob", "lobby")
    ann.goto(f"{chat.url}/dashboard")
    ann.until(CONNECTED)
    ann.until_texts("#looking", ["Only you look."])
    say(bob, "Hello, <b>Ann</b>")
    ann.until_texts("[data-room=lobby] .last", ["Bob: Hello, <b>Ann</b>"])
    ann.click("[data-room=lobby] input")
    ann.until("document.querySelector('[data-room=lobby]').dataset.state == 'off'")
    say(bob, "unheard")
    ann.click("[data-room=lobby] input")
    ann.until("document.querySelector('[data-room=lobby]').dataset.state == 'on'")
    say(bob, "heard again")
    ann.until_texts("[data-room=lobby] .last", ["Bob: heard again"])
    ann.until_texts("[data-room=lobby] .count", ["2"])
    ann.click("#wave")
    ann.until_texts("#waves", ["Ann waves"])


def test_a_page_of_another_origin_cannot_connect(chat: Server, sign_in: SignIn) -> None:
    ann = sign_in(chat, "Ann", "origin")
    ann.goto("about:blank")
    assert ann.evaluate(TRY_TO_CONNECT % chat.ws_url()) == {"heard": [], "code": 1006}
