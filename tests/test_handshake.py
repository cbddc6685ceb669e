"""The handshake's request is given back as it was, and its session can only be read."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, current_app, g, request, session
from werkzeug.routing import BuildError

from flask_cable.errors import ReadOnlySession
from flask_cable.handshake import Handshake, SessionSnapshot

HEADERS = {"X-Name": "caf\u00e9", "User-Agent": "Mozilla/5.0", "Sec-WebSocket-Protocol": "a, b"}


@pytest.fixture
def app() -> Flask:
    app = Flask("shop", static_folder=None)
    app.secret_key = "secret"
    app.add_url_rule("/rooms/<room>", "room", lambda room: room)
    return app


@pytest.fixture
def handshake(app: Flask) -> Handshake:
    context = app.test_request_context(
        "/rooms/7?token=x&token=y",
        base_url="https://shop.test/app",
        headers={**HEADERS, "Cookie": "flavour=chocolate"},
        environ_overrides={"REMOTE_ADDR": "10.0.0.1", "gunicorn.socket": object(), "werkzeug.socket": 7},
    )
    with context:
        session["user"] = {"id": 7}
        made = Handshake(app, request._get_current_object(), session)  # type: ignore[attr-defined]
    return made


def test_the_request_is_as_it_was(handshake: Handshake) -> None:
    again = handshake.request
    assert again.path == "/rooms/7"
    assert again.url == "https://shop.test/app/rooms/7?token=x&token=y"
    assert again.args.getlist("token") == ["x", "y"]
    assert again.cookies.to_dict() == {"flavour": "chocolate"}
    assert {name: again.headers[name] for name in HEADERS} == HEADERS
    assert (again.scheme, again.host, again.root_path) == ("https", "shop.test", "/app")
    assert (again.method, again.remote_addr) == ("GET", "10.0.0.1")
    assert (again.view_args, again.endpoint, again.blueprint) == ({"room": "7"}, "room", None)


def test_its_body_is_empty(handshake: Handshake) -> None:
    assert handshake.request.get_data() == b""
    assert handshake.request.stream.read() == b""


def test_each_request_is_one_of_its_own(handshake: Handshake) -> None:
    first = handshake.request
    first.environ["changed"] = True
    first.view_args = {}
    assert "changed" not in handshake.request.environ
    assert handshake.request.view_args == {"room": "7"}


def test_it_is_the_applications_kind_of_request(app: Flask) -> None:
    class Special(Flask.request_class):  # type: ignore[name-defined, misc]
        pass

    app.request_class = Special
    with app.test_request_context("/rooms/7"):
        made = Handshake(app, request._get_current_object(), session)  # type: ignore[attr-defined]
    assert type(made.request) is Special


def test_a_request_without_arguments_has_none(app: Flask) -> None:
    with app.test_request_context("/elsewhere"):
        made = Handshake(app, request._get_current_object(), session)  # type: ignore[attr-defined]
    assert made.request.view_args == {}
    assert made.session == {}


def test_nothing_of_the_servers_is_kept(handshake: Handshake) -> None:
    environ = handshake.environ
    assert not [name for name in environ if name.startswith(("gunicorn.", "werkzeug.", "flask_cable."))]
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["wsgi.version"] == (1, 0)


def test_what_is_no_text_is_left_out(app: Flask) -> None:
    odd = {"mine.text": "kept", "mine.object": object(), "mine.bytes": b"x", "mine.number": 7}
    with app.test_request_context(environ_overrides=odd):
        made = Handshake(app, request._get_current_object(), session)  # type: ignore[attr-defined]
    assert {name for name in made.environ if name.startswith("mine.")} == {"mine.text"}


def test_the_offered_subprotocols(handshake: Handshake) -> None:
    assert handshake.offered == ("a", "b")
    assert handshake.offered is handshake.offered


def test_a_fresh_context_has_all_that_a_request_has(app: Flask, handshake: Handshake) -> None:
    with handshake.request_context():
        assert current_app == app
        assert request.path == "/rooms/7"
        assert request.view_args == {"room": "7"}
        assert not hasattr(g, "something")
        with pytest.raises(BuildError):
            app.url_for("nowhere")


def test_contexts_are_torn_down(app: Flask, handshake: Handshake) -> None:
    ended: list[Any] = []
    app.teardown_request(lambda error: ended.append("request"))
    app.teardown_appcontext(lambda error: ended.append("app"))
    for _ in range(2):
        with handshake.request_context():
            pass
    assert ended == ["request", "app"] * 2


def test_it_is_small() -> None:
    request = SimpleNamespace(environ={}, view_args=None, url_rule=None)
    assert not hasattr(Handshake(Flask("shop"), request, {}), "__dict__")


# The session.


def test_the_session_can_be_read(handshake: Handshake) -> None:
    found = handshake.session
    assert found["user"] == {"id": 7}
    assert (found.get("user"), found.get("nobody"), "user" in found, len(found)) == ({"id": 7}, None, True, 1)
    assert (list(found), list(found.items())) == (["user"], [("user", {"id": 7})])
    assert dict(found) == json.loads(json.dumps(found)) == {"user": {"id": 7}}


def test_writing_says_why_it_cannot_be_kept() -> None:
    snapshot = SessionSnapshot(user=7)

    def delete() -> None:
        del snapshot["user"]

    def merge() -> None:
        nonlocal snapshot
        snapshot |= {"user": 8}

    for write in (
        lambda: snapshot.__setitem__("user", 8),
        lambda: snapshot.pop("user"),
        lambda: snapshot.pop("nobody", None),
        lambda: snapshot.popitem(),
        lambda: snapshot.setdefault("user", 8),
        lambda: snapshot.update(user=8),
        lambda: snapshot.clear(),
        delete,
        merge,
    ):
        with pytest.raises(
            ReadOnlySession, match=r"Write to the session in a route.*connection\.data"
        ) as caught:
            write()
        assert isinstance(caught.value, TypeError)
    assert snapshot == {"user": 7}


def test_copies_may_be_written() -> None:
    snapshot = SessionSnapshot(user=7)
    assert {**snapshot, "more": 1} == snapshot.copy() | {"more": 1}
    writable = dict(snapshot)
    writable["user"] = 8
    assert snapshot == {"user": 7}


def test_what_flasks_session_knows_is_there() -> None:
    """Flask-Login and flashed messages ask for these."""
    snapshot = SessionSnapshot()
    assert snapshot.get("_flashes") is None
