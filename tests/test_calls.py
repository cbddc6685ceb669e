"""Routes that pages call over their sockets: the same answers as over HTTP, and nothing that HTTP forbids."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, abort, flash, g, jsonify, redirect, request, session
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_cable import Cable, cable_is_socket, socket
from flask_cable.endpoints.push import serving
from flask_cable.testing import CableClient, CablePage

PNG = b"\x89PNG\xff\x00"


def make_app(cable: Cable, **config: Any) -> Flask:
    app = Flask("calls")
    app.config.update(SECRET_KEY="for tests only", **config)
    cable.init_app(app)
    add_routes(app)
    add_others(app)
    add_hooks(app)
    return app


def add_routes(app: Flask) -> None:
    @app.get("/")
    def index() -> str:
        socket.subscribe("news")
        return "<body>"

    @app.get("/greet/<name>")
    def greet(name: str) -> str:
        return f"<p>Hello {name}, {request.args.get('times', 'once')}</p>"

    @app.route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def echo() -> Any:
        return {
            "method": request.method,
            "args": request.args.to_dict(flat=False),
            "form": request.form.to_dict(flat=False),
            "json": request.get_json(silent=True),
            "type": request.content_type,
        }

    @app.get("/environ")
    def environ() -> Any:
        return {
            "is_socket": cable_is_socket(),
            "caller": request.environ["flask_cable.socket"].id if cable_is_socket() else None,
            "headers": dict(request.headers),
            "cookies": dict(request.cookies),
            "address": request.remote_addr,
            "host": request.host,
            "uri": request.environ.get("RAW_URI"),
            "session": session.get("user"),
        }


def add_others(app: Flask) -> None:
    @app.get("/missing")
    def missing() -> None:
        abort(404, "no such thing")

    @app.get("/broken")
    def broken() -> None:
        raise ValueError("secret")

    @app.get("/moved")
    def moved() -> Any:
        return redirect("/greet/Bob")

    @app.get("/picture")
    def picture() -> Response:
        return Response(PNG, mimetype="image/png")

    @app.get("/run")
    def run() -> Any:
        """Does what a test has put there."""
        return app.config["RUN"]()


def add_hooks(app: Flask) -> None:
    app.torn_down = []  # type: ignore[attr-defined]

    @app.before_request
    def before() -> None:
        g.before = getattr(g, "before", 0) + 1

    @app.after_request
    def after(response: Response) -> Response:
        response.headers["X-Before"] = str(g.before)
        return response

    @app.teardown_appcontext
    def tear_down(error: BaseException | None) -> None:
        app.torn_down.append(g.get("before"))  # type: ignore[attr-defined]

    @app.errorhandler(404)
    def not_found(error: Any) -> Any:
        return jsonify(error=error.description), 404


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


@pytest.fixture
def page(client: CableClient) -> CablePage:
    with client.http.session_transaction() as kept:
        kept["user"] = "Ann"
    return client.page("/")


class TestAnswers:
    def test_a_route_is_called(self, page: CablePage) -> None:
        reply = page.call("/greet/Bob")
        assert (reply["status"], reply["body"]) == (200, "<p>Hello Bob, once</p>")
        assert reply["headers"]["Content-Type"] == "text/html; charset=utf-8"

    @pytest.mark.parametrize(
        "uri",
        [
            "/greet/Bob?times=2",
            "/greet/J%C3%BCrgen%2F",
            "/greet/漢字?times=é",
            "/missing",
            "/nowhere",
            "/picture",
        ],
    )
    def test_as_over_http(self, page: CablePage, uri: str) -> None:
        answer = page.client.http.get(uri)
        reply = page.call(uri)
        body = base64.b64decode(reply["body"]) if reply.get("encoding") else reply["body"].encode()
        assert (reply["status"], body) == (answer.status_code, answer.data)
        assert reply["headers"]["X-Before"] == "1"

    def test_an_error_is_a_status(self, page: CablePage, client: CableClient) -> None:
        client.raise_server_exceptions = False
        reply = page.call("/broken")
        assert reply["status"] == 500
        assert "secret" not in reply["body"]
        assert page.call("/missing")["body"] == '{"error":"no such thing"}\n'

    def test_what_is_raised_through_the_application_is_told_to_nobody_but_the_log(
        self, page: CablePage, client: CableClient, app: Flask
    ) -> None:
        client.raise_server_exceptions = False
        app.config["PROPAGATE_EXCEPTIONS"] = True
        reply = page.call("/broken")
        assert {**reply, "id": 1} == {"id": 1, "status": 500, "error": "failed"}
        assert str(page.errors[0]) == "secret"

    def test_a_redirect_is_an_answer(self, page: CablePage) -> None:
        reply = page.call("/moved")
        assert (reply["status"], reply["headers"]["Location"]) == (302, "/greet/Bob")

    def test_bytes_come_as_base64(self, page: CablePage) -> None:
        reply = page.call("/picture")
        assert (base64.b64decode(reply["body"]), reply["encoding"]) == (PNG, "base64")

    def test_each_call_has_contexts_of_its_own(self, page: CablePage, app: Flask) -> None:
        before = len([one for one in app.torn_down if one])  # type: ignore[attr-defined]
        for _ in range(2):
            assert page.call("/greet/Bob")["headers"]["X-Before"] == "1"
        assert [one for one in app.torn_down if one][before:] == [1, 1]  # type: ignore[attr-defined]

    def test_headers_that_come_twice_are_joined_and_cookies_left_out(
        self, app: Flask, page: CablePage
    ) -> None:
        def headers() -> Response:
            response = Response("x", headers=[("Link", "a"), ("Link", "b")])
            response.set_cookie("a", "b")
            return response

        app.config["RUN"] = headers
        found = page.call("/run")["headers"]
        assert found["Link"] == "a, b"
        assert "Set-Cookie" not in found

    def test_the_route_is_in_none_of_the_handlers_contexts(self, app: Flask, page: CablePage) -> None:
        app.config["RUN"] = lambda: str(serving.get())
        assert page.call("/run")["body"] == "None"

    def test_what_is_to_be_done_at_the_end_is_done(self, app: Flask, page: CablePage) -> None:
        closed: list[str] = []
        responses = [Response("x"), Response("x" * 2**21)]
        for response in responses:
            response.call_on_close(lambda: closed.append("closed"))
        for response, status in zip(responses, (200, 502), strict=True):
            app.config["RUN"] = lambda response=response: response
            assert page.call("/run")["status"] == status
        assert closed == ["closed", "closed"]

    def test_middleware_may_speak_wsgi_as_it_was(self, app: Flask, page: CablePage) -> None:
        """By ``write``, and with a status that an error replaces."""
        inner = app.wsgi_app

        def old(environ: Any, start_response: Any) -> Any:
            if environ["PATH_INFO"] != "/old":
                return inner(environ, start_response)
            start_response("200 OK", [("X-Try", "1")])
            try:
                raise ValueError
            except ValueError:
                write = start_response("503 Sorry", [("X-Try", "2")], sys.exc_info())
            write(b"written, ")
            return [b"and returned"]

        app.wsgi_app = old  # type: ignore[method-assign]
        reply = page.call("/old")
        assert (reply["status"], reply["body"]) == (503, "written, and returned")
        assert reply["headers"] == {"X-Try": "2"}

    def test_head_and_options(self, page: CablePage) -> None:
        assert page.call("/greet/Bob", "head")["body"] == ""
        assert "HEAD" in page.call("/greet/Bob", "OPTIONS")["headers"]["Allow"]


class TestInput:
    def called(self, page: CablePage, *args: Any, **fields: Any) -> Any:
        return json.loads(page.call("/echo", *args, **fields)["body"])

    def test_of_a_get_is_in_the_query(self, page: CablePage) -> None:
        seen = self.called(page, "get", {"a": "x y", "b": [1, 2], "c": True, "d": None, "e": {"f": 1}})
        assert seen["args"] == {"a": ["x y"], "b": ["1", "2"], "c": ["true"], "d": [""], "e": ['{"f": 1}']}
        assert seen["type"] is None

    def test_it_is_added_to_the_query_of_the_uri(self, page: CablePage) -> None:
        reply = page.call("/echo?a=1", "get", {"b": "é&"})
        assert json.loads(reply["body"])["args"] == {"a": ["1"], "b": ["é&"]}

    @pytest.mark.parametrize("method", ["post", "PUT", "Patch", "delete"])
    @pytest.mark.parametrize("value", [{"a": [1, {"b": None}]}, [1], "text", 0, {}])
    def test_of_others_is_json(self, page: CablePage, method: str, value: Any) -> None:
        seen = self.called(page, method, value)
        assert (seen["method"], seen["json"], seen["type"]) == (method.upper(), value, "application/json")

    def test_or_a_form(self, page: CablePage) -> None:
        seen = self.called(page, "post", {"a": ["x", "y"], "b": False, "c": "漢"}, encoding="form")
        assert seen["form"] == {"a": ["x", "y"], "b": ["false"], "c": ["漢"]}

    def test_none_is_none(self, page: CablePage) -> None:
        seen = self.called(page, "post")
        assert (seen["json"], seen["form"], seen["type"]) == (None, {}, None)

    def test_the_applications_own_bound_holds(self, cable: Cable) -> None:
        app = make_app(cable, MAX_CONTENT_LENGTH=100)

        @app.post("/data")
        def data() -> str:
            return str(len(request.get_data()))

        with CableClient(app) as client:
            page = client.page("/")
            assert page.call("/data", "post", "x" * 90)["body"] == "92"
            assert page.call("/data", "post", "x" * 100)["status"] == 413


class TestEnviron:
    def seen(self, page: CablePage, **fields: Any) -> Any:
        return json.loads(page.call("/environ", **fields)["body"])

    def test_it_is_the_handshakes(self, client: CableClient) -> None:
        client.http.set_cookie("colour", "red")
        page = client.page(
            "/", headers={"User-Agent": "tests"}, environ_overrides={"REMOTE_ADDR": "10.1.2.3"}
        )
        seen = self.seen(page)
        assert seen["is_socket"] is True
        assert seen["caller"] == page.connection.id
        assert (seen["address"], seen["host"], seen["cookies"]["colour"]) == ("10.1.2.3", "localhost", "red")
        assert seen["headers"]["User-Agent"] == "tests"
        assert seen["uri"] == "/environ"

    def test_it_asks_for_no_websocket(self, page: CablePage) -> None:
        names = {name.lower() for name in self.seen(page)["headers"]}
        assert not {name for name in names if "websocket" in name} | names & {"upgrade", "connection"}
        for path in ("/cable", "/cable/socket"):
            assert page.call(path)["status"] == 426

    def test_it_asks_for_no_compression(self, client: CableClient) -> None:
        """Browsers' handshakes do; a compressed answer would be of no use to the page."""
        page = client.page("/", headers={"Accept-Encoding": "gzip, br", "Transfer-Encoding": "chunked"})
        assert not {"Accept-Encoding", "Transfer-Encoding"} & self.seen(page)["headers"].keys()

    def test_its_session_can_be_read(self, page: CablePage) -> None:
        assert self.seen(page)["session"] == "Ann"

    def test_where_it_comes_from_is_the_pages_origin(self, page: CablePage) -> None:
        headers = self.seen(page)["headers"]
        assert (headers["Origin"], headers["Referer"]) == ("http://localhost", "http://localhost/")

    def test_some_headers_are_the_pages_to_say(self, page: CablePage) -> None:
        headers = self.seen(page, headers={"X-CSRFToken": "t", "accept": "text/html"})["headers"]
        assert (headers["X-Csrftoken"], headers["Accept"]) == ("t", "text/html")

    @pytest.mark.parametrize(
        "headers",
        [
            {"Cookie": "a=b"},
            {"Host": "evil"},
            {"X-Forwarded-For": "1.2.3.4"},
            {"Upgrade": "websocket"},
            {"Content-Length": "5"},
            {"X-CSRFToken": "a\r\nCookie: b"},
            {"X-CSRFToken": 7},
            "X-CSRFToken",
            {"": "x"},
        ],
    )
    def test_the_others_are_not(self, page: CablePage, headers: Any) -> None:
        assert page.call("/environ", headers=headers)["status"] == 400

    def test_behind_a_proxy_it_is_as_over_http(self, cable: Cable) -> None:
        app = make_app(cable)
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)  # type: ignore[method-assign]
        forwarded = {
            "X-Forwarded-For": "203.0.113.7",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "shop.example",
            "X-Forwarded-Prefix": "/shop",
            "Origin": "https://shop.example",
        }
        with CableClient(app) as client:
            response = client.http.get("/", headers=forwarded)
            id = re.findall("[0-9a-f]{64}", response.text)[0]
            cookie = response.headers["Set-Cookie"].partition(";")[0]
            page = client.page(id, headers={**forwarded, "Cookie": cookie})
            seen = json.loads(page.call("/shop/environ")["body"])
            assert (seen["address"], seen["host"]) == ("203.0.113.7", "shop.example")
            assert page.call("https://shop.example/shop/greet/Bob")["status"] == 200
            assert page.call("/environ")["status"] == 404
            assert page.call("/shopping")["status"] == 404
            assert page.call("/shop")["status"] == 200

    def test_a_page_speaks_for_itself(self, app: Flask, page: CablePage) -> None:
        def more() -> str:
            socket.subscribe("more")
            socket.unsubscribe("news")
            socket.push("hello", "more")
            return f"<body>{socket.connection_id}"

        app.config["RUN"] = more
        reply = page.call("/run")
        assert reply["body"] == f"<body>{page.id}"  # no new page was made
        assert page.streams == ("more",)
        page.assert_pushed("hello", "more")


class TestRefused:
    @pytest.mark.parametrize(
        "uri",
        [
            "http://evil.example/greet/Bob",
            "https://localhost/greet/Bob",
            "//evil.example/greet/Bob",
            "http://localhost:81/greet/Bob",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "greet/Bob",
            "",
            "?x",
            "http://[",
            None,
            7,
            ["/"],
        ],
    )
    def test_a_call_stays_with_the_application(self, page: CablePage, uri: Any) -> None:
        reply = page.call(uri)
        assert (reply["status"], reply["body"]) == (400, "")
        assert reply["error"]

    def test_its_own_address_in_full_will_do(self, page: CablePage) -> None:
        assert page.call("http://localhost/greet/Bob#part")["status"] == 200

    @pytest.mark.parametrize(
        "fields",
        [
            {"method": "TRACE"},
            {"method": "CONNECT"},
            {"method": ""},
            {"method": 7},
            {"method": "get\r\n"},
            {"input": [1]},
            {"input": "x"},
            {"method": "post", "input": "x", "encoding": "form"},
            {"method": "post", "encoding": "xml"},
            {"encoding": ["json"]},
        ],
    )
    def test_what_is_no_request_is_refused(self, page: CablePage, fields: Any) -> None:
        assert page.call("/echo", **fields)["status"] == 400

    @pytest.mark.parametrize(
        ("routes", "uri", "status"),
        [
            ((), "/greet/Bob", 403),
            (["/greet/*"], "/greet/Bob?x=/echo", 200),
            (["/greet/*"], "/echo", 403),
            (["/greet/*"], "/echo?/greet/", 403),
            (["/greet/*"], "/%67reet/Bob", 200),
            (["/echo", "/m*"], "/missing", 404),
            (["/echo"], "/echo/", 403),
        ],
    )
    def test_some_routes_alone_may_be_called(self, cable: Cable, routes: Any, uri: str, status: int) -> None:
        with CableClient(make_app(cable, CABLE_CALL_ROUTES=routes)) as client:
            assert client.page("/").call(uri)["status"] == status

    def test_an_answer_is_bounded(self, app: Flask, page: CablePage) -> None:
        closed: list[int] = []

        def endless() -> Iterator[bytes]:
            try:
                while True:
                    yield b"x" * 1000
            finally:
                closed.append(1)

        app.config["RUN"] = lambda: Response(endless())
        reply = page.call("/run")
        assert (reply["status"], closed) == (502, [1])
        assert "CABLE_CALL_BYTES" in reply["error"]

    def test_in_time_too(self, app: Flask, page: CablePage, client: CableClient) -> None:
        def slow() -> Iterator[bytes]:
            while True:
                app.extensions["cable"].runtime().executor.now += 1
                yield b"x"

        app.config["RUN"] = lambda: Response(slow())
        reply = page.call("/run")
        assert reply["status"] == 504
        assert "CABLE_CALL_SECONDS" in reply["error"]

    def test_and_ends_when_the_page_is_gone(self, app: Flask, page: CablePage) -> None:
        sent: list[int] = []

        def leave() -> Iterator[bytes]:
            for n in range(10):
                sent.append(n)
                page.connection.close()
                yield b"x"

        app.config["RUN"] = lambda: Response(leave())
        page.send_json({"action": "call-route", "uri": "/run", "id": 1})
        assert sent == [0]

    def test_a_streamed_answer_comes_whole(self, app: Flask, page: CablePage) -> None:
        app.config["RUN"] = lambda: Response(iter(["a", "b", "c"]))
        assert page.call("/run")["body"] == "abc"


class TestSession:
    @pytest.mark.parametrize(
        "write",
        [
            lambda: session.__setitem__("x", 1),
            lambda: session.pop("user"),
            lambda: session.clear(),
            lambda: session.update(x=1),
            lambda: session.setdefault("x", 1),
            lambda: setattr(session, "permanent", True),
            lambda: flash("hello"),
            lambda: setattr(session, "modified", True),
        ],
    )
    def test_writing_is_refused_and_says_why(
        self,
        app: Flask,
        page: CablePage,
        client: CableClient,
        write: Any,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        client.raise_server_exceptions = False

        app.config["RUN"] = write
        assert page.call("/run")["status"] == 500
        assert "over a page's socket" in caplog.text

    def test_reading_is_not(self, app: Flask, page: CablePage) -> None:
        app.config["RUN"] = lambda: [
            session["user"],
            session.pop("none", None),
            session.setdefault("user", "x"),
        ]
        assert page.call("/run")["body"] == '["Ann",null,"Ann"]\n'

    def test_ordinary_requests_write_as_ever(self, app: Flask, client: CableClient) -> None:
        app.config["RUN"] = lambda: {"x": session.setdefault("x", 1)}
        assert client.http.get("/run").json == {"x": 1}
        with client.http.session_transaction() as kept:
            assert kept["x"] == 1


def test_calls_are_bounded_in_number(cable: Cable) -> None:
    app = make_app(cable, CABLE_CALLS_PER_SECOND=1, CABLE_CALLS_BURST=2)
    with CableClient(app) as client:
        page = client.page("/")
        assert [page.call("/greet/Bob")["status"] for _ in range(4)] == [200, 200, 429, 429]
        client.advance_time(1)
        assert page.call("/greet/Bob")["status"] == 200


def test_a_foreign_page_makes_no_calls_with_its_visitors_cookies(cable: Cable) -> None:
    """Somebody's own id and key, in the address that their page lets a victim's browser connect to."""
    app = make_app(cable, CABLE_ALLOWED_ORIGINS="*")
    with CableClient(app) as victim, CableClient(app) as foreign:
        with victim.http.session_transaction() as kept:
            kept["user"] = "Ann"
        id = foreign.page("/").id
        with foreign.http.session_transaction() as kept:
            key = kept["cable_socket_key"]
        address = {"socket_connection_id": id, "socket_key": key}
        page = victim.page(id, query_string=address, origin="https://evil.example")
        assert page.call("/environ")["error"] == "unknown_page"
        bare = CableClient(app, app.test_client(use_cookies=False))
        basic = {"Authorization": "Basic QW5uOnNlY3JldA=="}
        assert bare.page(id, query_string=address, headers=basic).expired
        assert json.loads(bare.page(id, query_string=address).call("/environ")["body"])["session"] is None


def test_a_called_route_is_no_way_to_poll(cable: Cable) -> None:
    """It would wait for messages, and the page and a worker with it."""
    cable.socketio()
    app = make_app(cable)
    with CableClient(app) as client:
        reply = client.page("/").call("/socket.io/?EIO=4&transport=polling")
        assert reply["status"] == 403
        assert client.http.get("/socket.io/?EIO=4&transport=polling").status_code == 200


def test_a_page_that_is_unknown_calls_nothing(client: CableClient) -> None:
    assert client.page("0" * 64).call("/greet/Bob")["error"] == "unknown_page"
