"""``socket``: in requests, in handlers and hooks, and in what pages bear."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, jsonify, render_template_string, session

from flask_cable import Cable, Connection, cable_is_socket, socket, socket_connection_id
from flask_cable.errors import EncodeError, NotReady, TooMany
from flask_cable.pages import ID_HEADER, KEY_HEADER, KEY_IN_SESSION
from flask_cable.testing import CableClient, CablePage, HandshakeRefused

PAGE = "<!doctype html><title>x</title><body>hi</body>"


def make_app(cable: Cable, **config: Any) -> Flask:
    app = Flask("pages")
    app.config.update(SECRET_KEY="for tests only", TESTING=True, **config)
    cable.init_app(app)

    @app.get("/")
    @app.get("/hear/<path:streams>")
    def index(streams: str = "news") -> str:
        socket.subscribe(*streams.split("/"))
        return PAGE

    @app.get("/plain")
    def plain() -> str:
        return PAGE

    @app.route("/subscribe/<stream>", methods=["POST"])
    def subscribe(stream: str) -> str:
        socket.subscribe(stream)
        return ""

    @app.route("/unsubscribe/<stream>", methods=["POST"])
    def unsubscribe(stream: str) -> str:
        socket.unsubscribe(stream)
        return ""

    @app.route("/who")
    def who() -> Any:
        return {
            "id": socket.connection_id,
            "key": socket.key,
            "digest": socket.digest,
            "connection": socket.connection and socket.connection.id,
            "is_socket": cable_is_socket(),
        }

    return app


@pytest.fixture
def cable() -> Cable:
    return Cable()


@pytest.fixture
def app(cable: Cable) -> Flask:
    return make_app(cable)


@pytest.fixture
def client(app: Flask) -> Iterator[CableClient]:
    with CableClient(app) as client:
        yield client


def id_of(response: Any) -> str:
    return re.findall('<body data-socket-connection-id="([0-9a-f]{64})">', response.text)[0]


class TestIdentity:
    def test_each_page_has_an_id_of_its_own_and_shares_the_key(self, client: CableClient) -> None:
        first, second = (client.http.get("/who").json for _ in range(2))
        assert re.fullmatch("[0-9a-f]{64}", first["id"])
        assert re.fullmatch("[0-9a-f]{64}", first["key"])
        assert first["id"] != second["id"]
        assert first["key"] == second["key"]

    def test_it_is_the_same_all_through_a_request(self, app: Flask, client: CableClient) -> None:
        @app.get("/twice")
        def twice() -> Any:
            return [socket.connection_id, socket_connection_id(), socket.key, socket.key]

        found = client.http.get("/twice").json
        assert (found[0], found[2]) == (found[1], found[3])

    def test_the_key_is_the_sessions(self, client: CableClient) -> None:
        key = client.http.get("/who").json["key"]
        with client.http.session_transaction() as kept:
            assert kept[KEY_IN_SESSION] == key
        assert CableClient(client.app).http.get("/who").json["key"] != key

    def test_the_digest_is_of_both_and_of_the_applications_secret(self, client: CableClient) -> None:
        who = client.http.get("/who").json
        secret = hashlib.pbkdf2_hmac("sha256", b"for tests only", b"flask_cable/pages", 1000, 64)
        text = f"{who['key']}:{who['id']}".encode()
        assert who["digest"] == hmac.new(secret, text, hashlib.sha256).hexdigest()

    def test_what_has_no_form_of_ours_is_no_id(self, client: CableClient) -> None:
        for wrong in ("x", "a" * 63, "A" * 64, "a" * 65):
            assert client.http.get("/who", headers={ID_HEADER: wrong}).json["id"] != wrong

    def test_a_program_may_carry_both_by_itself(self, client: CableClient) -> None:
        with CableClient(client.app) as other:
            who = other.http.get("/who").json
            program = other.app.test_client(use_cookies=False)
            headers = {ID_HEADER: who["id"], KEY_HEADER: who["key"]}
            assert program.get("/who", headers=headers).json["digest"] == who["digest"]
            program.post("/subscribe/news", headers=headers)
            bare = CableClient(other.app, program)
            assert bare.page(who["id"]).expired
            assert bare.page(who["id"], headers={KEY_HEADER: who["key"]}).streams == ("news",)
            address = {"socket_connection_id": who["id"], "socket_key": who["key"]}
            assert bare.page(who["id"], query_string=address).streams == ("news",)

    def test_elsewhere_there_is_no_page(self, app: Flask) -> None:
        with pytest.raises(NotReady, match=r"cable\.push"):
            socket.subscribe("news")
        with app.app_context(), pytest.raises(NotReady):
            _ = socket.connection_id

    def test_a_session_is_needed(self) -> None:
        app = make_app(Cable())
        app.secret_key = None
        app.config["CABLE_SECRET"] = "x"
        with pytest.raises(RuntimeError, match="secret key"):
            app.test_client().get("/")


class TestSubscribing:
    def test_a_page_hears_what_its_route_subscribed_it_to(self, cable: Cable, client: CableClient) -> None:
        page = client.page("/hear/a/b")
        page.assert_hears("a", "b")
        cable.push({"n": 1}, "a")
        assert page.pushes == [{"payload": {"n": 1}, "channel": "a"}]

    def test_lists_and_models_will_do(self, app: Flask, cable: Cable, client: CableClient) -> None:
        class Post:
            id = 7

        @app.get("/posts")
        def posts() -> str:
            socket.subscribe(["a", ("b", [Post()])], "c")
            return PAGE

        page = client.page("/posts")
        assert page.streams == ("a", "b", "Post:7", "c")
        cable.push("edited", Post())
        page.assert_pushed("edited", Post())

    @pytest.mark.parametrize("streams", [(), ([],), ([(), []],)])
    def test_no_stream_is_an_error(self, app: Flask, cable: Cable, streams: Any) -> None:
        with app.test_request_context():
            for act in (socket.subscribe, socket.unsubscribe, lambda *names: socket.push(1, *names)):
                with pytest.raises(ValueError, match="at least one stream"):
                    act(*streams)
            with pytest.raises(ValueError, match="at least one stream"):
                cable.push(1, *streams)

    @pytest.mark.parametrize("stream", ["", " ", None])
    def test_a_blank_name_is_an_error(self, app: Flask, stream: Any) -> None:
        with app.test_request_context(), pytest.raises(ValueError):  # noqa: PT011 - stream_key says it
            socket.subscribe(stream)

    def test_too_many_are_an_error(self, app: Flask) -> None:
        with app.test_request_context(), pytest.raises(TooMany, match="CABLE_MAX_STREAMS"):
            socket.subscribe([str(n) for n in range(1001)])

    def test_nor_may_they_become_too_many_one_by_one(self, cable: Cable) -> None:
        with make_app(cable, CABLE_MAX_STREAMS=3).test_request_context():
            for stream in ("a", "b", "c", "a"):
                socket.subscribe(stream)
            with pytest.raises(TooMany, match="CABLE_MAX_STREAMS"):
                socket.subscribe("d")
            socket.unsubscribe("a")
            socket.subscribe("d")

    def test_a_push_to_several_is_heard_by_the_stream_that_came_first(
        self, app: Flask, cable: Cable, client: CableClient
    ) -> None:
        @app.get("/in-turn")
        def in_turn() -> str:
            for stream in ("a", "b", "a", "c"):
                socket.subscribe(stream)
            return PAGE

        page = client.page("/in-turn")
        cable.push(1, "c", "b")
        cable.push(2, "*")
        assert page.pushes == [{"payload": 1, "channel": "b"}, {"payload": 2, "channel": "a"}]

    def test_a_route_may_change_its_mind(self, app: Flask, client: CableClient) -> None:
        @app.get("/mind")
        def mind() -> str:
            socket.subscribe("a")
            socket.subscribe("b")
            socket.unsubscribe("a", "never")
            return PAGE

        assert client.page("/mind").streams == ("b",)

    def test_what_is_pushed_before_the_socket_connects_is_not_lost(
        self, cable: Cable, client: CableClient
    ) -> None:
        response = client.http.get("/")
        cable.push(1, "news")
        assert client.page(response).payloads == [1]

    def test_later_requests_of_the_page_change_what_it_hears_at_once(
        self, cable: Cable, client: CableClient
    ) -> None:
        page, other = client.page("/"), client.page("/")
        page.open("/subscribe/sports", method="POST")
        page.open("/unsubscribe/news", method="POST")
        assert (page.streams, other.streams) == (("sports",), ("news",))

    def test_requests_that_name_no_page_make_one(self, client: CableClient) -> None:
        page = client.page("/")
        client.http.post("/subscribe/sports")
        assert page.streams == ("news",)

    def test_nobody_else_can_change_it(self, client: CableClient) -> None:
        page = client.page("/")
        other = CableClient(client.app)
        other.http.get("/who")
        other.http.post("/unsubscribe/news", headers={ID_HEADER: page.id})
        assert page.streams == ("news",)

    def test_a_page_that_comes_from_another_keeps_its_id(self, client: CableClient) -> None:
        page = client.page("/")
        response = page.open("/hear/more")
        assert page.streams == ("news", "more")
        assert "data-socket" not in response.text

    def test_reloading_makes_another_page(self, cable: Cable, client: CableClient) -> None:
        old = client.page("/")
        old.close(1001)
        new = client.page("/")
        cable.push(1, "news")
        client.advance_time(1)
        assert (old.id != new.id, old.payloads, new.payloads) == (True, [], [1])


class TestPushing:
    def test_any_request_may_push(self, app: Flask, client: CableClient) -> None:
        @app.post("/say")
        def say() -> str:
            socket.push({"text": "hi"}, "news")
            return ""

        page = client.page("/")
        response = client.http.post("/say")
        assert page.payloads == [{"text": "hi"}]
        assert "Set-Cookie" not in response.headers  # no page was made

    def test_patterns(self, app: Flask, client: CableClient) -> None:
        page = client.page("/hear/a:1/a:2")
        with app.test_request_context():
            socket.push(1, "a:*", "a:1")
        assert page.pushes == [{"payload": 1, "channel": "a:1"}]

    def test_what_has_no_json_form(self, cable: Cable, client: CableClient) -> None:
        with pytest.raises(EncodeError):
            cable.push(object(), "news")

    def test_pushes_are_broadcasts_to_those_who_watch(self, cable: Cable, client: CableClient) -> None:
        with client.assert_broadcasts("news", 1):
            cable.push({"n": 1}, "news")
        client.assert_broadcast_on("news", {"n": 1})

    def test_one_page_by_its_digest(self, app: Flask, cable: Cable, client: CableClient) -> None:
        response = client.http.get("/")
        digest = client.http.get("/who", headers={ID_HEADER: id_of(response)}).json["digest"]
        page, other = client.page(response), client.page("/")
        cable.push_to(digest, "psst", "private")
        assert (page.pushes, other.pushes) == ([{"payload": "psst", "channel": "private"}], [])


class TestPages:
    def test_a_page_bears_its_id_and_no_cache_keeps_it(self, client: CableClient) -> None:
        response = client.http.get("/")
        assert len(id_of(response)) == 64
        assert response.content_length == len(response.data)
        assert set(response.headers["Cache-Control"].split(", ")) == {"private", "no-store"}

    def test_a_page_that_used_no_socket_bears_none(self, client: CableClient) -> None:
        response = client.http.get("/plain")
        assert response.text == PAGE
        assert "Cache-Control" not in response.headers
        assert "Set-Cookie" not in response.headers

    def test_nor_does_one_where_that_is_wanted(self) -> None:
        app = make_app(Cable(), CABLE_SOCKET_BODY=False)

        @app.get("/by-hand")
        def by_hand() -> str:
            return render_template_string("<body id='{{ socket_connection_id() }}'>")

        response = app.test_client().get("/by-hand")
        assert re.fullmatch("<body id='[0-9a-f]{64}'>", response.text)
        assert "no-store" in response.headers["Cache-Control"]

    def test_what_is_sent_as_json_is_kept_out_of_caches_too(self, client: CableClient) -> None:
        assert "no-store" in client.http.get("/who").headers["Cache-Control"]

    def test_a_template_may_ask_for_the_id_alone(self, app: Flask, client: CableClient) -> None:
        @app.get("/template")
        def template() -> str:
            return render_template_string("<body>{{ socket_connection_id() }}")

        response = client.http.get("/template")
        assert response.text.endswith(id_of(response))
        page = client.page(response)
        assert not page.expired
        page.open("/subscribe/news", method="POST")
        assert page.streams == ("news",)

    def test_what_later_functions_do_to_a_response_they_do_to_the_marked_one(self, app: Flask) -> None:
        @app.after_request
        def shout(response: Response) -> Response:
            response.set_data(response.get_data(as_text=True).upper())
            return response

        assert "DATA-SOCKET-CONNECTION-ID" in app.test_client().get("/").text

    def test_an_error_page_of_a_request_that_used_it_is_a_page(self, app: Flask, client: CableClient) -> None:
        @app.get("/broken")
        def broken() -> Any:
            socket.subscribe("news")
            return PAGE, 500

        assert client.page(client.http.get("/broken")).streams == ("news",)

    def test_head_is_answered_like_get(self, client: CableClient) -> None:
        length = client.http.get("/").content_length
        assert client.http.head("/").content_length == length


class TestConnecting:
    def test_a_wrong_id_or_key_is_deaf(self, cable: Cable, client: CableClient) -> None:
        page = client.page("/")
        for wrong in (client.page("0" * 64), CableClient(client.app).page(page.id), client.page("nonsense")):
            cable.push(1, "news")
            assert wrong.received == [{"type": "expired"}]
            assert wrong.expired

    def test_or_refused_where_that_is_wanted(self, cable: Cable) -> None:
        app = make_app(cable, CABLE_SOCKET_STRICT=True)
        with CableClient(app) as client:
            page = client.page("/")
            cable.push(1, "news")
            assert page.payloads == [1]
            for id in ("0" * 64, "nonsense"):
                with pytest.raises(HandshakeRefused) as refused:
                    client.page(id)
                assert refused.value.status == 403
            page.close()
            assert page.reconnect().streams == ("news",)

    def test_plain_http_is_told_to_upgrade(self, client: CableClient) -> None:
        assert client.http.get("/cable/socket").status_code == 426

    def test_a_foreign_origin_is_refused(self, client: CableClient) -> None:
        with pytest.raises(HandshakeRefused) as refused:
            client.page("/", origin="http://evil.example")
        assert refused.value.status == 403

    def test_whom_the_connection_class_refuses_is_refused(self, cable: Cable, client: CableClient) -> None:
        cable.identify(lambda: None)
        with pytest.raises(HandshakeRefused) as refused:
            client.page("/")
        assert refused.value.status == 403

    def test_but_not_where_pages_are_for_everybody(self, cable: Cable) -> None:
        app = make_app(cable, CABLE_SOCKET_ANONYMOUS=True)

        @cable.identify
        def current_user() -> Any:
            return session.get("user")

        with CableClient(app) as client:
            page = client.page("/")
            assert (page.streams, page.connection.current_user) == (("news",), None)
            assert client.connect().rejected

    def test_a_page_that_comes_back_hears_what_it_missed(self, cable: Cable, client: CableClient) -> None:
        page = client.page("/")
        page.close(1006)
        cable.push(1, "news")
        assert page.reconnect().payloads == [1]

    def test_its_people_are_sent_away_with_the_others(self, cable: Cable, app: Flask) -> None:
        @cable.identify
        def current_user() -> Any:
            return session.get("user")

        with CableClient(app) as client:
            with client.http.session_transaction() as kept:
                kept["user"] = 7
            page = client.page("/")
            cable.remote_connections.where(current_user=7).disconnect(reconnect=False)
            assert page.received == [{"type": "disconnect", "reason": "remote", "reconnect": False}]

    def test_another_mount_path(self) -> None:
        app = make_app(Cable(), CABLE_MOUNT_PATH="/live/")
        with CableClient(app) as client:
            assert client.page("/").streams == ("news",)


class TestHandlers:
    def test_a_handler_answers(self, cable: Cable, client: CableClient) -> None:
        @cable.handler("greet")
        def greet(message: Any, session: Any, response: Any) -> Any:
            response["body"] = f"hello {message['name']} {session['cable_socket_key'][:2]}"
            return response

        page = client.page("/")
        key = client.http.get("/who").json["key"]
        assert page.ask("greet", name="Bob")["body"] == f"hello Bob {key[:2]}"

    def test_the_last_one_counts(self, cable: Cable, client: CableClient) -> None:
        cable.handler("x")(lambda *_: 1)
        cable.handler("x")(lambda *_: 2)
        assert client.page("/").ask("x")["body"] == 2

    def test_socket_is_the_pages_there(self, cable: Cable, client: CableClient) -> None:
        @cable.handler("more")
        def more(message: Any, session: Any, response: Any) -> None:
            assert socket.connection is not None
            socket.subscribe("more")
            socket.unsubscribe("news")
            socket.push("to all", "more")
            response["id"] = "ignored"
            response["of"] = [socket.connection_id, socket.key, socket.digest, socket.connection.id]

        page = client.page("/")
        who = client.http.get("/who", headers={ID_HEADER: page.id}).json
        reply = page.ask("more")
        assert reply["of"] == [page.id, who["key"], who["digest"], page.connection.id]
        assert (page.streams, page.payloads) == (("more",), ["to all"])

    def test_joining_and_leaving(self, cable: Cable, client: CableClient) -> None:
        told: list[Any] = []

        @cable.on("join")
        def joined(connection: Connection) -> None:
            told.append(("join", connection.id, socket.connection_id))
            socket.push("somebody came", "news")

        @cable.on("leave")
        def left(connection: Connection) -> None:
            told.append(("leave", connection.id, connection.request.args["socket_connection_id"]))

        page = client.page("/")
        assert page.payloads == ["somebody came"]
        page.close()
        assert told == [("join", 1, page.id), ("leave", 1, page.id)]

    def test_a_session_is_read_only(self, cable: Cable, client: CableClient) -> None:
        @cable.handler("write")
        def write(message: Any, session: Any, response: Any) -> None:
            session["x"] = 1

        client.raise_server_exceptions = False
        page = client.page("/")
        assert page.ask("write")["error"] == "failed"
        assert "copy from its handshake" in str(page.errors[0])


def test_an_ordinary_request_is_no_socket(app: Flask) -> None:
    assert not cable_is_socket()
    with app.test_request_context():
        assert not cable_is_socket()
        assert render_template_string("{{ cable_is_socket() }}") == "False"


def test_two_applications_of_one_cable_are_apart(cable: Cable) -> None:
    apps = [make_app(cable) for _ in range(2)]
    clients = [CableClient(app) for app in apps]
    pages: list[CablePage] = [client.page("/") for client in clients]
    with apps[0].app_context():
        cable.push(1, "news")
    assert [page.payloads for page in pages] == [[1], []]
    for client in clients:
        client.close()


def test_json_is_the_applications_own(cable: Cable) -> None:
    app = make_app(cable)

    @app.get("/json")
    def as_json() -> Any:
        return jsonify(socket.connection_id)

    assert len(app.test_client().get("/json").json) == 64
