"""The example chat: its pages through Flask's test client, its channels through flask_cable's."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from example_app import board, create_app, vendor
from example_app.channels import SECONDS_BETWEEN_SIGNS, TEXT_LENGTH
from example_app.names import NAME_LENGTH, ROOM_LENGTH, clean_name, is_room
from example_app.pages import ROOMS
from flask_cable.testing import CableClient
from flask_cable.testing.turbo import elements_of

NO_NAMES = ["", "   ", "x" * (NAME_LENGTH + 1), "<b>", "a\x00b", "a\u202eb", "-", "'"]
NO_ROOMS = ["", "-", "-a", "a-", "a--b", "A", "a b", "a/b", "ü", "a\n", "x" * (ROOM_LENGTH + 1), None, 7, []]
SCRIPTS = sorted(Path(vendor.HERE, "static").glob("*.js"))
TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')


@pytest.fixture(autouse=True)
def databases(monkeypatch):
    """Every application's database is in memory, and closed with its test."""
    monkeypatch.setenv("FLASK_SQLALCHEMY_DATABASE_URI", "sqlite://")
    apps, init_app = [], board.db.init_app
    monkeypatch.setattr(board.db, "init_app", lambda app: (apps.append(app), init_app(app)))
    yield
    for app in apps:
        with app.app_context():
            board.db.engine.dispose()


@pytest.fixture
def app():
    app = create_app({"TESTING": True, "SECRET_KEY": "for tests only"})
    with CableClient(app):  # raises at the end what no call has raised
        yield app


@pytest.fixture
def browser(app):
    return Browser(app)


class Browser:
    """A cookie jar that fills in the application's forms as a person does."""

    def __init__(self, app):
        self.app = app
        self.http = app.test_client()

    def get(self, path):
        return self.http.get(path)

    def token_on(self, path):
        return TOKEN.search(self.get(path).text)[1]

    def sign_in(self, name, room=""):
        form = {"name": name, "room": room, "form_token": self.token_on("/login")}
        return self.http.post("/login", data=form)

    def sign_out(self):
        return self.http.post("/logout", data={"form_token": self.token_on("/rooms")})

    @property
    def session(self):
        with self.http.session_transaction() as session:
            return dict(session)

    def connect(self):
        return CableClient(self.app, client=self.http).connect()

    def enter(self, room="lobby"):
        return self.connect().subscribe("ChatChannel", room=room)


def signed_in(app, name):
    browser = Browser(app)
    assert browser.sign_in(name).status_code == 302
    return browser


def of_type(subscription, wanted):
    return [message for message in subscription.transmissions if message["type"] == wanted]


def people_told(subscription, wanted):
    return [message["name"] for message in of_type(subscription, wanted)]


class TestNames:
    @pytest.mark.parametrize(
        ("typed", "name"),
        [
            ("ann", "ann"),
            ("  Ann   van\tDyck ", "Ann van Dyck"),
            ("Zoë", "Zoë"),
            ("李雷", "李雷"),
            ("O'Neil Jr.", "O'Neil Jr."),
            ("x" * NAME_LENGTH, "x" * NAME_LENGTH),
        ],
    )
    def test_a_name_is_cleaned(self, typed, name):
        assert clean_name(typed) == name

    @pytest.mark.parametrize("typed", NO_NAMES)
    def test_what_is_no_name(self, typed):
        assert clean_name(typed) is None

    @pytest.mark.parametrize("room", ["a", "lobby", "room-1", "x" * ROOM_LENGTH])
    def test_rooms(self, room):
        assert is_room(room)

    @pytest.mark.parametrize("room", NO_ROOMS)
    def test_what_is_no_room(self, room):
        assert not is_room(room)


class TestSigningIn:
    def test_the_page_has_a_labelled_form(self, browser):
        page = browser.get("/login").text
        assert '<label for="name">' in page
        assert TOKEN.search(page)

    @pytest.mark.parametrize("path", ["/rooms", "/rooms?room=lobby"])
    def test_the_unnamed_are_asked_first(self, browser, path):
        assert browser.get(path).headers["Location"] == "/login"

    def test_the_room_they_wanted_is_remembered(self, browser):
        assert browser.get("/rooms/python").headers["Location"] == "/login?room=python"
        assert 'name="room" value="python"' in browser.get("/login?room=python").text
        assert browser.sign_in("ann", room="python").headers["Location"] == "/rooms/python"

    @pytest.mark.parametrize("room", ["//evil.example", "https://evil.example", "../logout"])
    def test_nobody_is_sent_elsewhere(self, browser, room):
        assert browser.sign_in("ann", room=room).headers["Location"] == "/rooms"

    def test_a_name_is_kept_in_the_session(self, browser):
        assert browser.sign_in(" Ann ").headers["Location"] == "/rooms"
        assert browser.session["name"] == "Ann"
        assert browser.get("/login").headers["Location"] == "/rooms"
        assert browser.get("/").headers["Location"] == "/rooms"

    @pytest.mark.parametrize("name", ["", " ", "<script>alert(1)</script>", "x" * 99])
    def test_a_bad_name_is_refused_with_a_reason(self, browser, name):
        answer = browser.sign_in(name)
        assert answer.status_code == 400
        assert 'role="alert"' in answer.text
        assert "<script>alert" not in answer.text
        assert "user" not in browser.session

    @pytest.mark.parametrize("form_token", [None, "", "0" * 32, "é"])
    def test_a_foreign_form_is_refused(self, browser, form_token):
        browser.get("/login")
        form = {"name": "ann", "form_token": form_token} if form_token is not None else {"name": "ann"}
        assert browser.http.post("/login", data=form).status_code == 400
        assert "user" not in browser.session

    def test_two_people_with_one_name_are_two_users(self, app):
        first, second = signed_in(app, "ann"), signed_in(app, "ann")
        assert first.session["user"] != second.session["user"]

    def test_the_cookie_stays_on_this_site(self, browser):
        cookie = browser.get("/login").headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie


class TestSigningOut:
    def test_it_ends_the_session(self, app):
        ann = signed_in(app, "ann")
        assert ann.sign_out().headers["Location"] == "/login"
        assert ann.session == {}

    def test_it_needs_a_post_with_the_token(self, app):
        ann = signed_in(app, "ann")
        assert ann.get("/logout").status_code == 405
        answer = ann.http.post("/logout")
        assert answer.status_code == 400
        assert "This form has expired" in answer.text
        assert "user" in ann.session

    def test_twice_is_fine(self, browser):
        assert browser.http.post("/logout").headers["Location"] == "/login"

    def test_it_closes_the_sockets_of_every_tab_for_good(self, app):
        ann, bob = signed_in(app, "ann"), signed_in(app, "bob")
        tabs, other = [ann.connect(), ann.connect()], bob.connect()
        ann.sign_out()
        goodbye = {"type": "disconnect", "reason": "remote", "reconnect": False}
        assert [tab.transmissions[-1] for tab in tabs] == [goodbye, goodbye]
        assert goodbye not in other.transmissions

    def test_a_new_name_closes_the_sockets_of_the_old_one(self, app):
        ann = signed_in(app, "ann")
        token, socket = ann.token_on("/rooms"), ann.connect()
        ann.http.post("/login", data={"name": "anna", "form_token": token})
        assert socket.transmissions[-1]["type"] == "disconnect"
        assert ann.session["name"] == "anna"


class TestRooms:
    def test_the_list_links_to_each(self, app):
        page = signed_in(app, "ann").get("/rooms").text
        assert all(f'href="/rooms/{name}"' in page for name in ROOMS)

    def test_any_other_room_by_its_name(self, app):
        ann = signed_in(app, "ann")
        assert ann.get("/rooms?room=Book+Club").headers["Location"] == "/rooms/book-club"
        assert "<h1>#book-club</h1>" in ann.get("/rooms/book-club").text

    def test_a_bad_name_in_the_form_is_explained(self, app):
        answer = signed_in(app, "ann").get('/rooms?room="><script>')
        assert answer.status_code == 400
        assert 'role="alert"' in answer.text
        assert "<script>" not in answer.text

    @pytest.mark.parametrize("room", ["A", "a_b", "x" * 33, "%3Cscript%3E", "-"])
    def test_a_bad_name_in_the_address_is_not_found(self, app, room):
        answer = signed_in(app, "ann").get(f"/rooms/{room}")
        assert answer.status_code == 404
        assert "<script" not in answer.text

    def test_the_room_page(self, app):
        ann = signed_in(app, "ann")
        page = ann.get("/rooms/lobby").text
        assert '<meta name="action-cable-url" content="/cable">' in page
        assert '<script type="module" src="/static/chat.js"></script>' in page
        assert f'data-room="lobby" data-user="{ann.session["user"]}"' in page
        assert 'role="log" aria-live="polite"' in page
        assert '<label class="unseen" for="text">' in page
        assert f'maxlength="{TEXT_LENGTH}"' in page

    def test_no_page_has_inline_script_or_style(self, app):
        ann = signed_in(app, "ann")
        pages = [ann.get(path).text for path in ("/rooms", "/rooms/lobby", "/rooms/A")]
        pages.append(Browser(app).get("/login").text)
        for page in pages:
            assert all("src=" in tag or "nonce=" in tag for tag in re.findall(r"<script[^>]*>", page))
            assert not re.search(r"\sstyle=|\son\w+=|<style", page)

    def test_a_nonce_is_for_one_page(self, app):
        ann, seen = signed_in(app, "ann"), set()
        for _ in range(2):
            page = ann.get("/rooms/lobby")
            (nonce,) = set(re.findall(r'nonce="([^"]+)"', page.text))
            assert f"script-src 'self' 'nonce-{nonce}'" in page.headers["Content-Security-Policy"]
            seen.add(nonce)
        assert len(seen) == 2

    def test_pages_tell_browsers_to_be_careful(self, app):
        headers = signed_in(app, "ann").get("/rooms/lobby").headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


class TestBrowserFiles:
    @pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
    def test_no_script_makes_html_of_text(self, script):
        source = script.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", source)

    def test_files_a_page_names_exist(self, app):
        ann = signed_in(app, "ann")
        named = re.findall(r'(?:src|href)="(/(?:static|cable)/[^"]+)"', ann.get("/rooms/lobby").text)
        assert {"/static/chat.js", "/static/chat.css"} <= set(named)
        assert any(path.startswith("/cable/cable.js?v=") for path in named)
        for path in named:
            with ann.get(path) as answer:
                assert answer.status_code == 200


class TestSketch:
    def draw(self, browser):
        return CableClient(browser.app, client=browser.http).websocket("/sketch/lines")

    def test_a_line_reaches_all_others(self, app):
        ann, bob, eve = (self.draw(signed_in(app, name)) for name in ("ann", "bob", "eve"))
        ann.send_json([0, 0.5, 1, 0.25])
        bob.send_json(None)
        assert [peer.messages for peer in (ann, bob, eve)] == [
            ["null"],
            ["[0,0.5,1,0.25]"],
            ["[0,0.5,1,0.25]", "null"],
        ]

    @pytest.mark.parametrize(
        "line", ["clear", 7, {}, [], [0, 0, 0], [0, 0, 0, 2], [0, 0, 0, -1], [0, 0, 0, "1"], [True] * 4]
    )
    def test_what_is_no_line_reaches_nobody(self, app, line):
        ann, bob = (self.draw(signed_in(app, name)) for name in ("ann", "bob"))
        ann.send_json(line)
        assert (bob.messages, ann.closed) == ([], False)

    def test_what_is_no_json_ends_the_connection(self, app):
        ann = self.draw(signed_in(app, "ann"))
        ann.send("{")
        assert ann.closed_with == (1007, "malformed message")

    def test_only_for_those_who_have_signed_in(self, app, browser):
        assert browser.get("/sketch").headers["Location"] == "/login"
        CableClient(app, client=browser.http).assert_reject_connection("/sketch/lines", status=403)
        ann = signed_in(app, "ann")
        peer = self.draw(ann)
        ann.sign_out()
        assert peer.closed_with == (1000, "remote")

    def test_its_page_is_served(self, app):
        page = signed_in(app, "ann").get("/sketch")
        assert page.status_code == 200
        assert 'src="/static/sketch.js"' in page.text
        assert "/sketch" in signed_in(app, "bob").get("/rooms").text


class TestDashboard:
    """Rooms that talk, and pages that look on."""

    @pytest.fixture
    def ann(self, app):
        return signed_in(app, "ann")

    def page(self, app, browser):
        return CableClient(app, client=browser.http).page("/dashboard")

    def talk(self, page):
        return [(one["channel"], one["payload"]) for one in page.pushes if one["channel"] != "looking"]

    def test_what_is_said_in_any_room_is_shown(self, app, ann):
        page, bob = self.page(app, ann), signed_in(app, "bob")
        bob.enter("lobby").perform("speak", text="hello")
        bob.enter("python").perform("speak", text="hiss")
        bob.enter("secret").perform("speak", text="psst")
        assert self.talk(page) == [
            ("talk:lobby", {"from": "bob", "text": "hello"}),
            ("talk:python", {"from": "bob", "text": "hiss"}),
        ]

    def test_what_was_said_while_the_page_loaded_is_shown_too(self, app, ann):
        response = ann.get("/dashboard")
        ann.enter("lobby").perform("speak", text="early")
        page = CableClient(app, client=ann.http).page(response)
        page.assert_pushed({"from": "ann", "text": "early"}, "talk:lobby")

    def test_a_room_is_switched_off_and_on(self, app, ann):
        page, seat, token = self.page(app, ann), ann.enter("lobby"), ann.token_on("/rooms")
        for words, on in (("one", True), ("two", False), ("three", True)):
            form = {"on": on, "form_token": token}
            assert page.call("/dashboard/lobby", "post", form, encoding="form")["status"] == 204
            seat.perform("speak", text=words)
        assert [payload["text"] for _, payload in self.talk(page)] == ["one", "three"]

    def test_only_rooms_that_are_shown_and_only_by_its_own_form(self, app, ann):
        page, token = self.page(app, ann), ann.token_on("/rooms")
        switch = {"on": True, "form_token": token}
        assert page.call("/dashboard/secret", "post", switch, encoding="form")["status"] == 404
        assert page.call("/dashboard/lobby", "post", {"on": True}, encoding="form")["status"] == 400
        assert "talk:secret" not in page.streams

    def test_how_many_look(self, app, ann):
        page = self.page(app, ann)
        other = self.page(app, signed_in(app, "bob"))
        other.close()
        assert [one["payload"] for one in page.pushes] == [{"count": n} for n in (1, 2, 1)]

    def test_somebody_waves(self, app, ann):
        page, other = self.page(app, ann), self.page(app, signed_in(app, "bob"))
        assert "error" not in page.ask("wave")
        other.assert_pushed({"waves": "ann"}, "looking")

    def test_only_for_those_who_have_signed_in(self, browser):
        assert browser.get("/dashboard").headers["Location"].endswith("/login")

    def test_its_page_is_no_ones_but_the_one_it_was_made_for(self, ann):
        first, second = ann.get("/dashboard"), ann.get("/dashboard")
        ids = [
            re.search('data-socket-connection-id="([0-9a-f]{64})"', page.text)[1] for page in (first, second)
        ]
        assert ids[0] != ids[1]
        assert "no-store" in first.headers["Cache-Control"]


class TestBoard:
    @pytest.fixture
    def ann(self, app):
        return signed_in(app, "Ann")

    def pin(self, browser, text, **headers):
        token = browser.token_on("/board")
        return browser.http.post("/board", data={"text": text, "form_token": token}, headers=headers)

    def press(self, browser, path, **headers):
        return browser.http.post(path, data={"form_token": browser.token_on("/board")}, headers=headers)

    def test_who_writes_is_told_to_all_others(self, app, ann):
        here, there = (
            CableClient(app, client=browser.http).websocket("/board/writers")
            for browser in (ann, signed_in(app, "Bob"))
        )
        here.send_json(True)
        assert (here.messages, there.messages) == ([], ['"Ann"'])
        for nothing in (False, 1, "Bob", None):
            here.send_json(nothing)
        assert (there.messages, here.closed) == (['"Ann"'], False)
        CableClient(app).assert_reject_connection("/board/writers", status=403)
        assert 'src="/static/writers.js"' in ann.get("/board").text

    def test_a_note_is_in_every_open_page_once_it_is_committed(self, app, ann):
        bob = signed_in(app, "Bob")
        (stream,) = bob.connect().subscribe_page(bob.get("/board").text)
        answer = self.pin(ann, " buy  <milk> ")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/board")
        assert "buy &lt;milk&gt;" in ann.get("/board").text
        self.press(ann, "/board/1/done")
        self.press(bob, "/board/1/remove")
        appended, changed, removed = (elements_of(html)[0] for html in stream.transmissions)
        assert (appended.action, appended.target) == ("append", "notes")
        assert "buy &lt;milk&gt;" in appended.content
        assert 'formaction="/board/1/done"' in appended.content
        assert (changed.action, changed.target, changed.attributes) == (
            "replace",
            "note_1",
            {"method": "morph"},
        )
        assert 'aria-pressed="true"' in changed.content
        assert (removed.action, removed.target) == ("remove", "note_1")
        assert "buy" not in bob.get("/board").text

    def test_nothing_of_the_writers_is_in_it(self, app, ann):
        with CableClient(app).assert_turbo_stream_broadcasts("board", 1) as elements:
            self.pin(ann, "a note")
        assert ann.token_on("/board") not in elements[0].content

    def test_a_page_with_turbo_has_its_form_back(self, ann):
        answer = self.pin(ann, "a note", Accept="text/vnd.turbo-stream.html")
        assert answer.mimetype == "text/vnd.turbo-stream.html"
        (element,) = elements_of(answer.text)
        assert (element.action, element.target) == ("replace", "composer")
        assert self.press(ann, "/board/1/done", Accept="text/vnd.turbo-stream.html").text == ""

    @pytest.mark.parametrize("text", ["", "  ", "x" * (board.NOTE_LENGTH + 1)])
    def test_a_bad_note_is_refused_with_a_reason(self, ann, text):
        answer = self.pin(ann, text)
        assert answer.status_code == 422
        assert "Write 1 to" in answer.text
        answer = self.pin(ann, text, Accept="text/vnd.turbo-stream.html")
        assert answer.status_code == 422
        assert 'role="alert"' in elements_of(answer.text)[0].content

    def test_the_oldest_notes_go(self, app, ann, monkeypatch):
        monkeypatch.setattr(board, "NOTES", 2)
        for number in range(3):
            self.pin(ann, f"note {number}")
        assert re.findall(r"note \d", ann.get("/board").text) == ["note 1", "note 2"]

    def test_only_those_who_signed_in_may_look_and_write(self, app, browser):
        assert browser.get("/board").headers["Location"] == "/login"
        for path in ("/board", "/board/1/done", "/board/1/remove"):
            assert browser.http.post(path).headers["Location"] == "/login"

    @pytest.mark.parametrize("path", ["/board", "/board/1/done", "/board/1/remove"])
    def test_a_foreign_form_is_refused(self, ann, path):
        self.pin(ann, "a note")
        assert ann.http.post(path, data={"text": "x", "form_token": "0" * 32}).status_code == 400

    def test_what_somebody_else_has_removed(self, ann):
        assert self.press(ann, "/board/7/remove").status_code == 303
        assert self.press(ann, "/board/7/done").status_code == 404

    @pytest.mark.parametrize("is_wanted", [True, False])
    def test_without_turbo_there_is_our_own_client(self, ann, monkeypatch, tmp_path, is_wanted):
        places = (tmp_path / "turbo.js",)
        places[0].touch()
        monkeypatch.setattr(vendor, "PLACES", () if is_wanted else places)
        monkeypatch.setitem(ann.app.config, "EXAMPLE_TURBO", is_wanted)
        page = ann.get("/board").text
        assert "<cable-stream-source" in page
        assert "/cable/cable.js" in page
        assert ann.get("/vendor/turbo.js").status_code == 404

    def test_with_turbo_there_is_turbo(self, ann, monkeypatch, tmp_path):
        (tmp_path / "turbo.js").write_text("// Turbo")
        monkeypatch.setattr(vendor, "PLACES", (tmp_path / "turbo.js",))
        page = ann.get("/board")
        assert "<turbo-cable-stream-source" in page.text
        nonce = re.search(r'name="csp-nonce" content="(\w+)"', page.text)[1]
        assert f"style-src 'self' 'nonce-{nonce}'" in page.headers["Content-Security-Policy"]
        with ann.get("/vendor/turbo.js") as answer:
            assert (answer.mimetype, answer.text) == ("text/javascript", "// Turbo")


class TestConfiguration:
    def test_the_key_comes_from_the_environment(self, monkeypatch):
        monkeypatch.setenv("SECRET_KEY", "of the environment")
        assert create_app().config["SECRET_KEY"] == "of the environment"

    def test_without_one_each_start_makes_its_own_and_says_so(self, monkeypatch, caplog):
        monkeypatch.delenv("SECRET_KEY", raising=False)
        first, second = create_app(), create_app()
        assert first.config["SECRET_KEY"] != second.config["SECRET_KEY"]
        assert "several workers" in caplog.text

    def test_flask_keys_come_from_the_environment(self, monkeypatch):
        monkeypatch.setenv("FLASK_SESSION_COOKIE_SECURE", "true")
        assert create_app({"SECRET_KEY": "x"}).config["SESSION_COOKIE_SECURE"] is True


class TestConnecting:
    def test_the_unnamed_are_refused(self, app, browser):
        CableClient(app, client=browser.http).assert_reject_connection()

    def test_after_signing_out_one_is_unnamed_again(self, app):
        ann = signed_in(app, "ann")
        ann.sign_out()
        CableClient(app, client=ann.http).assert_reject_connection()

    def test_the_named_are_welcomed(self, app):
        assert {"type": "welcome"} in signed_in(app, "ann").connect().transmissions


class TestTalking:
    def test_everybody_in_the_room_hears_it(self, app):
        ann, bob = signed_in(app, "ann"), signed_in(app, "bob")
        anns, bobs = ann.enter(), bob.enter()
        anns.perform("speak", text="  hello <b>you</b>  ")
        (heard,) = of_type(bobs, "message")
        assert of_type(anns, "message") == [heard]
        assert heard["from"] == "ann"
        assert heard["user"] == ann.session["user"]
        assert heard["text"] == "hello <b>you</b>"
        assert datetime.fromisoformat(heard["at"]).utcoffset() == timedelta(0)

    def test_what_is_said_is_broadcast_once_and_nothing_for_a_refusal(self, app):
        cable_client = CableClient(app, client=signed_in(app, "ann").http)
        seat = cable_client.connect().subscribe("ChatChannel", room="lobby")
        seat.assert_has_stream("chat:lobby")
        with cable_client.assert_broadcasts("chat:lobby", 1):
            seat.perform("speak", text="hello")
        with cable_client.assert_no_broadcasts("chat:lobby"):
            seat.perform("speak", text=" ")

    def test_messages_have_their_own_ids_and_keep_their_order(self, app):
        seat = signed_in(app, "ann").enter()
        for text in "abc":
            seat.perform("speak", text=text)
        heard = of_type(seat, "message")
        assert [message["text"] for message in heard] == ["a", "b", "c"]
        assert len({message["id"] for message in heard}) == 3

    def test_other_rooms_do_not_hear_it(self, app):
        ann, bob = signed_in(app, "ann"), signed_in(app, "bob")
        elsewhere = bob.enter("python")
        ann.enter("lobby").perform("speak", text="hello")
        assert of_type(elsewhere, "message") == []

    @pytest.mark.parametrize("text", ["", "  \n ", None, 7, ["hello"], {"text": "hello"}])
    def test_nothing_is_refused(self, app, text):
        seat = signed_in(app, "ann").enter()
        assert seat.call("speak", text=text) == "Write something first."
        assert of_type(seat, "message") == []

    def test_the_length_has_a_limit(self, app):
        ann, bob = signed_in(app, "ann"), signed_in(app, "bob")
        anns, bobs = ann.enter(), bob.enter()
        assert anns.call("speak", text="é" * TEXT_LENGTH) is None
        assert (
            anns.call("speak", text="é" * (TEXT_LENGTH + 1)) == f"At most {TEXT_LENGTH} characters, please."
        )
        assert len(of_type(bobs, "message")) == 1

    def test_a_message_without_text_is_refused(self, app):
        seat = signed_in(app, "ann").enter()
        assert seat.call("speak") == "Write something first."

    @pytest.mark.parametrize("room", ["", "No Such", "a:b", None, 7, ["lobby"]])
    def test_a_bad_room_is_refused(self, app, room):
        subscription = signed_in(app, "ann").enter(room)
        assert subscription.rejected

    def test_a_missing_room_is_refused(self, app):
        assert signed_in(app, "ann").connect().subscribe("ChatChannel").rejected

    def test_nobody_but_the_server_says_who_is_here(self, app):
        ann, bob = signed_in(app, "ann"), signed_in(app, "bob")
        anns, bobs = ann.enter(), bob.enter()
        before = list(anns.transmissions)
        for action in ("subscribed", "unsubscribed", "still_here", "_tell_people", "transmit", "stream_from"):
            bobs.perform(action, what="leave")
        assert anns.transmissions == before


class TestWhoIsHere:
    def test_coming_and_going_is_told_to_the_room(self, app):
        ann, bob = signed_in(app, "ann"), signed_in(app, "bob")
        anns, bobs = ann.enter(), bob.enter()
        assert people_told(anns, "join")[-1] == "bob"
        bobs.unsubscribe()
        assert people_told(anns, "leave") == ["bob"]

    def test_a_lost_connection_is_a_leaving_too(self, app):
        anns = signed_in(app, "ann").enter()
        connection = signed_in(app, "bob").connect()
        connection.subscribe("ChatChannel", room="lobby")
        connection.close()
        assert people_told(anns, "leave") == ["bob"]

    def test_other_rooms_are_not_told(self, app):
        anns = signed_in(app, "ann").enter("lobby")
        signed_in(app, "bob").enter("python")
        assert "bob" not in people_told(anns, "join")

    def test_a_refused_page_neither_comes_nor_goes(self, app):
        anns = signed_in(app, "ann").enter()
        before = list(anns.transmissions)
        connection = signed_in(app, "bob").connect()
        assert connection.subscribe("ChatChannel", room="No Such").rejected
        connection.close()
        assert anns.transmissions == before

    def test_every_seat_answers_a_roll_call_to_the_caller_only(self, app):
        anns, bobs, cys = (signed_in(app, name).enter() for name in ("ann", "bob", "cy"))
        bobs.perform("roll_call")
        assert sorted(people_told(bobs, "here")) == ["ann", "bob", "cy"]
        assert people_told(anns, "here") == people_told(cys, "here") == []
        assert of_type(anns, "roll_call") == []

    def test_two_tabs_are_two_seats_of_one_user(self, app):
        ann, bob = signed_in(app, "ann"), signed_in(app, "bob")
        first, second, bobs = ann.enter(), ann.enter(), bob.enter()
        bobs.perform("roll_call")
        anns = [news for news in of_type(bobs, "here") if news["name"] == "ann"]
        assert len({news["seat"] for news in anns}) == 2
        assert {news["user"] for news in anns} == {ann.session["user"]}
        first.unsubscribe()
        assert [news["seat"] in {news["seat"] for news in anns} for news in of_type(bobs, "leave")] == [True]
        bobs.perform("roll_call")
        assert people_told(bobs, "here").count("ann") == 3
        assert second.confirmed

    def test_a_seat_gives_signs_while_it_lives(self, app):
        cable_client = CableClient(app, client=signed_in(app, "ann").http)
        seat = cable_client.connect().subscribe("ChatChannel", room="lobby")
        cable_client.advance_time(2 * SECONDS_BETWEEN_SIGNS + 1)
        assert people_told(seat, "here") == ["ann", "ann"]

    def test_signing_out_leaves_the_room(self, app):
        ann, bob = signed_in(app, "ann"), signed_in(app, "bob")
        bobs = bob.enter()
        ann.enter()
        ann.sign_out()
        assert people_told(bobs, "leave") == ["ann"]


class TestClock:
    def test_it_shows_the_time_at_once_and_every_second(self, app):
        cable_client = CableClient(app, client=signed_in(app, "ann").http)
        clock = cable_client.connect().subscribe("ClockChannel")
        assert len(clock.transmissions) == 1
        cable_client.advance_time(3.5)
        assert len(clock.transmissions) == 4
        assert all(datetime.fromisoformat(tick["time"]) for tick in clock.transmissions)

    def test_it_stops_with_the_subscription(self, app):
        cable_client = CableClient(app, client=signed_in(app, "ann").http)
        clock = cable_client.connect().subscribe("ClockChannel")
        clock.unsubscribe()
        cable_client.advance_time(5)
        assert len(clock.transmissions) == 1


# Robots.


class TestRobots:
    def robot(self, app, keeper, path="/robots/lobby/clock"):
        return CableClient(app, client=keeper.http).websocket(path)

    def test_what_a_robot_sends_is_said_and_it_hears_the_others(self, app):
        ann, bob = signed_in(app, "ann"), signed_in(app, "bob")
        seat, robot = bob.enter("lobby"), self.robot(app, ann)
        robot.send("  tick  ", " ", b"tock")
        seat.perform("speak", text="hush")
        said, hushed = of_type(seat, "message")
        assert (said["text"], hushed["text"]) == ("tick", "hush")
        assert (said["from"], said["user"]) == ("clock, ann's robot", ann.session["user"])
        assert robot.receive_json()["text"] == "hush"
        assert robot.unread == []

    def test_a_name_is_one_robots_in_its_room(self, app):
        ann, bob = signed_in(app, "ann"), signed_in(app, "bob")
        first, second = self.robot(app, ann), self.robot(app, bob)
        assert (first.closed, second.closed_with[0]) == (False, 4009)
        assert not self.robot(app, bob, "/robots/kitchen/clock").closed
        first.close()
        assert not self.robot(app, bob).closed

    def test_strangers_and_other_rooms_are_refused(self, app, browser):
        for path, status in (("/robots/lobby/clock", 403), ("/robots/no--room/clock", 403)):
            CableClient(app, client=browser.http).assert_reject_connection(path, status=status)
        ann = CableClient(app, client=signed_in(app, "ann").http)
        for path in ("/robots/no--room/clock", "/robots/lobby/-"):
            ann.assert_reject_connection(path, status=404)

    def test_one_that_talks_too_much_is_sent_away(self, app):
        robot = self.robot(app, signed_in(app, "ann"))
        robot.send("é" * (TEXT_LENGTH + 1))
        assert robot.closed_with[0] == 4013
