"""A response that is waited for once Flask is done: no context is left, and WSGI's rules are kept."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, g, has_app_context, has_request_context

from flask_cable.late import LateResponse


class Body:
    """A body that is there when the test says so."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.there = False

    def is_there(self) -> bool:
        return self.there

    def wait(self) -> bytes:
        assert not has_request_context()
        assert not has_app_context()
        self.log.append("wait")
        return b"body"

    def cancel(self) -> None:
        self.log.append("cancel")


@pytest.fixture
def late() -> Body:
    return Body()


@pytest.fixture
def app(late: Body) -> Flask:
    app = Flask("late")

    @app.get("/")
    def view() -> LateResponse:
        g.used = True
        return LateResponse(late, mimetype="text/plain")

    @app.after_request
    def mark(response: Any) -> Any:
        response.headers["X-Mark"] = "1"
        response.set_cookie("seen", "yes")
        return response

    return app


def test_it_is_waited_for_outside_of_all_contexts(app: Flask, late: Body) -> None:
    late_calls: list[str] = []
    app.teardown_request(lambda error: late_calls.append("teardown"))
    response = app.test_client().get("/")
    assert (response.status_code, response.data) == (200, b"body")
    assert response.headers["Content-Length"] == "4"
    assert response.headers["X-Mark"] == "1"
    assert "seen=yes" in response.headers["Set-Cookie"]
    assert (late_calls, late.log) == (["teardown"], ["wait"])


def call(app: Flask) -> tuple[Any, list[Any]]:
    """Call the application as a server does; returns what it is to iterate over."""
    from werkzeug.test import EnvironBuilder

    started: list[Any] = []
    body = app.wsgi_app(EnvironBuilder().get_environ(), lambda *args: started.append(args))
    return body, started


def test_a_server_gets_the_status_with_the_first_step(app: Flask, late: Body) -> None:
    body, started = call(app)
    assert (started, late.log) == ([], [])
    assert next(iter(body)) == b"body"
    assert started[0][0] == "200 OK"
    assert list(body) == []
    body.close()
    assert late.log == ["wait"]


def test_a_server_that_does_not_iterate_cancels(app: Flask, late: Body) -> None:
    body, _ = call(app)
    body.close()
    body.close()
    assert late.log == ["cancel"]
    assert list(body) == []


def environ_of(response: LateResponse) -> tuple[list[Any], list[bytes], Any]:
    started: list[Any] = []
    body = response({}, lambda *args: started.append(args))
    return started, list(body), body


def test_the_socket_may_be_taken_instead(late: Body) -> None:
    heads: list[bytes] = []

    def detach(environ: Any, head: bytes) -> bool:
        heads.append(head)
        return True

    response = LateResponse(late, detach, mimetype="text/plain", headers={"X-Mark": "1"})
    started, chunks, body = environ_of(response)
    assert (chunks, late.log) == ([], [])
    assert started[0][0] == "200 OK"
    assert ("Connection", "close") in started[0][1]
    assert heads[0].startswith(b"HTTP/1.1 200 OK\r\nX-Mark: 1\r\n")
    assert heads[0].endswith(b"Connection: close\r\n")
    assert b"Content-Length" not in heads[0]
    body.close()
    assert late.log == []  # whoever took the socket cancels


def test_a_socket_that_cannot_be_taken_is_waited_with(late: Body) -> None:
    _, chunks, _ = environ_of(LateResponse(late, lambda environ, head: False))
    assert (chunks, late.log) == ([b"body"], ["wait"])


def test_what_is_there_needs_no_socket(late: Body) -> None:
    def detach(environ: Any, head: bytes) -> bool:
        raise AssertionError("not needed")

    late.there = True
    _, chunks, _ = environ_of(LateResponse(late, detach))
    assert chunks == [b"body"]
