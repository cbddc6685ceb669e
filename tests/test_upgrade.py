"""From a response to a live socket: taken once Flask is done, and given up wherever it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from flask import Flask, Response, g, has_app_context, has_request_context, make_response
from werkzeug.test import run_wsgi_app

from flask_cable.upgrade import (
    KEY,
    Environ,
    Fields,
    StartResponse,
    Upgrade,
    UpgradeMiddleware,
    UpgradeResponse,
)

HEADERS = [("Upgrade", "websocket"), ("X-Accept", "abc")]


def serve(app: Callable[..., Iterable[bytes]]) -> tuple[list[bytes], str, dict[str, str]]:
    chunks, status, headers = run_wsgi_app(app, Flask("x").test_request_context("/ws").request.environ)
    return list(chunks), status, dict(headers)


class Taker:
    """A view that accepts, and what happens to its socket."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def takeover(self, fields: Fields) -> Iterable[bytes]:
        self.log.append(("taken", has_request_context(), has_app_context()))
        self.fields = fields
        return [b"stand-in"]

    def response(self) -> UpgradeResponse:
        return UpgradeResponse(self.takeover, HEADERS)


def made(view: Callable[[], Any]) -> Flask:
    app = Flask("shop")
    app.add_url_rule("/ws", view_func=view, endpoint="ws")
    app.wsgi_app = UpgradeMiddleware(app.wsgi_app)  # type: ignore[method-assign]
    return app


def test_the_socket_is_taken_outside_of_flasks_contexts() -> None:
    taker = Taker()
    app = made(taker.response)
    app.teardown_request(lambda error: taker.log.append("request torn down"))
    app.teardown_appcontext(lambda error: taker.log.append("app torn down"))
    chunks, status, headers = serve(app)
    assert taker.log == ["request torn down", "app torn down", ("taken", False, False)]
    assert (chunks, status) == ([b"stand-in"], "101 Switching Protocols")
    assert headers["X-Accept"] == "abc"


def test_what_after_request_added_goes_out_with_the_101() -> None:
    taker = Taker()
    app = made(taker.response)

    @app.after_request
    def add(response: Response) -> Response:
        response.set_cookie("flavour", "chocolate")
        response.headers["X-Added"] = "yes"
        assert response.status_code == 101
        return response

    serve(app)
    fields = dict(taker.fields)
    assert fields["X-Added"] == "yes"
    assert fields["Set-Cookie"].startswith("flavour=chocolate")


def test_a_101_has_no_content() -> None:
    taker = Taker()
    serve(made(taker.response))
    assert not {name.lower() for name, _ in taker.fields} & {"content-type", "content-length"}


def test_an_ordinary_response_is_passed_on() -> None:
    chunks, status, _ = serve(made(lambda: ("hello", 418)))
    assert (b"".join(chunks), status[:3]) == (b"hello", "418")


def test_a_response_that_replaced_the_upgrade_is_passed_on_and_the_place_given_up() -> None:
    taker = Taker()

    def view() -> Response:
        from flask import request

        request.environ[KEY].abandon = lambda: taker.log.append("abandoned")
        return taker.response()

    app = made(view)
    app.after_request(lambda response: make_response("not you", 403))
    chunks, status, _ = serve(app)
    assert (b"".join(chunks), status[:3], taker.log) == (b"not you", "403", ["abandoned"])


def middleware(view: Callable[[Upgrade, StartResponse], Iterable[bytes]]) -> UpgradeMiddleware:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return view(environ[KEY], start_response)

    return UpgradeMiddleware(app)


def test_an_error_gives_the_place_up_and_goes_on() -> None:
    log: list[str] = []

    def view(upgrade: Upgrade, start_response: StartResponse) -> Iterable[bytes]:
        upgrade.abandon = lambda: log.append("abandoned")
        raise SystemExit

    with pytest.raises(SystemExit):
        middleware(view)({}, lambda *args: None)
    assert log == ["abandoned"]


def test_a_socket_that_cannot_be_taken_gives_the_place_up() -> None:
    log: list[str] = []

    def view(upgrade: Upgrade, start_response: StartResponse) -> Iterable[bytes]:
        def takeover() -> Iterable[bytes]:
            raise OSError("gone")

        upgrade.abandon = lambda: log.append("abandoned")
        upgrade.takeover = takeover
        return ()

    with pytest.raises(OSError, match="gone"):
        middleware(view)({}, lambda *args: None)
    assert log == ["abandoned"]


def test_a_place_that_is_taken_is_not_given_up() -> None:
    log: list[str] = []

    def view(upgrade: Upgrade, start_response: StartResponse) -> Iterable[bytes]:
        upgrade.abandon = lambda: log.append("abandoned")
        upgrade.takeover = lambda: [b"taken"]
        return [b"unused"]

    assert middleware(view)({}, lambda *args: None) == [b"taken"]
    assert log == []


def test_requests_do_not_share_anything() -> None:
    seen: list[Upgrade] = []

    def view(upgrade: Upgrade, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(upgrade)
        return ()

    served = middleware(view)
    served({}, lambda *args: None)
    served({}, lambda *args: None)
    assert seen[0] is not seen[1]
    assert (seen[0].takeover, seen[0].abandon) == (None, None)


def test_g_is_gone_when_the_socket_is_taken() -> None:
    taker = Taker()

    def view() -> UpgradeResponse:
        g.something = 1
        return taker.response()

    serve(made(view))
    assert taker.log == [("taken", False, False)]
