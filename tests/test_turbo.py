"""Turbo Streams in templates and responses."""

from __future__ import annotations

import pytest
from flask import Flask, render_template_string, request, session
from jinja2 import DictLoader
from markupsafe import Markup

from flask_cable import Cable
from flask_cable.turbo import can_turbo_stream, turbo_request_id, turbo_stream, turbo_stream_response

TEMPLATES = {
    "_note.html": "<li>{{ note }} {{ session.user }}</li>",
    "call.html": "{% call turbo_stream.append('notes') %}<li>{{ '<' }}</li>{% endcall %}",
    "custom.html": "{% call turbo_stream.action('log', level=2) %}<i>{{ '<' }}</i>{% endcall %}",
}


@pytest.fixture
def app() -> Flask:
    app = Flask("board")
    app.secret_key = "secret"
    app.jinja_env.loader = DictLoader(TEMPLATES)
    Cable(app)
    return app


def note(action: str, content: str, extra: str = "") -> str:
    return (
        f'<turbo-stream action="{action}" target="notes"{extra}><template>{content}</template></turbo-stream>'
    )


@pytest.mark.parametrize("action", ["append", "prepend", "before", "after", "replace", "update"])
def test_each_action_with_content(app: Flask, action: str) -> None:
    make = getattr(turbo_stream, action)
    assert make("notes", "<b>") == note(action, "&lt;b&gt;")
    assert make("notes", Markup("<b>")) == note(action, "<b>")
    assert isinstance(make("notes"), Markup)
    with app.test_request_context():
        assert make("notes", template="_note.html", note="<") == note(action, "<li>&lt; </li>")


@pytest.mark.parametrize("action", ["replace", "update"])
def test_a_morph(action: str) -> None:
    assert getattr(turbo_stream, action)("notes", "x", method="morph") == note(action, "x", ' method="morph"')


def test_what_a_response_renders_is_its_readers(app: Flask) -> None:
    with app.test_request_context():
        session["user"] = "ann"
        assert turbo_stream.append("notes", template="_note.html", note=1) == note("append", "<li>1 ann</li>")


def test_removal_refresh_and_custom() -> None:
    assert turbo_stream.remove(targets=".old") == (
        '<turbo-stream action="remove" targets=".old"></turbo-stream>'
    )
    assert turbo_stream.refresh(method="morph", scroll="preserve", request_id="1") == (
        '<turbo-stream action="refresh" method="morph" scroll="preserve" request-id="1"></turbo-stream>'
    )
    assert turbo_stream.action("set_title", title="<T>") == (
        '<turbo-stream action="set_title" title="&lt;T&gt;"></turbo-stream>'
    )
    assert turbo_stream.action("log", "a", "<", level=1) == (
        '<turbo-stream action="log" target="a" level="1"><template>&lt;</template></turbo-stream>'
    )


def test_templates_have_it_and_may_call_it_with_a_block(app: Flask) -> None:
    with app.test_request_context():
        assert render_template_string("{{ turbo_stream.remove('a') }}") == turbo_stream.remove("a")
        call, custom = (app.jinja_env.get_template(f"{name}.html").render() for name in ("call", "custom"))
    assert call == note("append", "<li>&lt;</li>")
    assert custom == ('<turbo-stream action="log" level="2"><template><i>&lt;</i></template></turbo-stream>')


def test_content_comes_from_one_place() -> None:
    with pytest.raises(TypeError, match="note, user: variables need a template="):
        turbo_stream.append("notes", "x", note=1, user=2)
    with pytest.raises(TypeError, match="content, a template or a block: one of them"):
        turbo_stream.append("notes", "x", template="_note.html")
    with pytest.raises(TypeError, match="content, a template or a block: one of them"):
        turbo_stream.append("notes", template="_note.html", caller=lambda: "x")


def test_what_turbo_cannot_do_is_an_error() -> None:
    with pytest.raises(ValueError, match="append takes a target, or targets"):
        turbo_stream.append(content="x")


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        ("text/vnd.turbo-stream.html, text/html, application/xhtml+xml", True),
        ("text/html, text/vnd.turbo-stream.html;q=0.5", True),
        ("TEXT/vnd.Turbo-Stream.html", True),
        ("text/vnd.turbo-stream.html;q=0", False),
        ("text/html", False),
        ("*/*", False),
        ("text/*", False),
        ("", False),
    ],
)
def test_who_asks_for_turbo_streams(app: Flask, accept: str, answer: bool) -> None:
    with app.test_request_context(headers={"Accept": accept}):
        assert can_turbo_stream() is answer
        assert can_turbo_stream(request._get_current_object()) is answer  # type: ignore[attr-defined]


def test_a_response(app: Flask) -> None:
    with app.test_request_context():
        response = turbo_stream_response(turbo_stream.remove("a"), turbo_stream.remove("b"), status=422)
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "text/vnd.turbo-stream.html; charset=utf-8"
    assert response.headers["Vary"] == "Accept"
    assert response.get_data(as_text=True) == f"{turbo_stream.remove('a')}\n{turbo_stream.remove('b')}"


def test_the_requests_id(app: Flask) -> None:
    assert turbo_request_id() is None
    for sent, found in (("a-1", "a-1"), ("", None), ("x" * 101, None), ("x" * 100, "x" * 100)):
        with app.test_request_context(headers={"X-Turbo-Request-Id": sent}):
            assert turbo_request_id() == found
    with app.test_request_context():
        assert turbo_request_id() is None
