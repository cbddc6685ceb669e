"""Broadcastable: every kind of message by hand, from any object with an id."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, session
from markupsafe import Markup
from support import programs

from flask_cable import Broadcastable
from flask_cable.errors import ConfigError, EncodeError, NotReady
from flask_cable.testing import CableClient


class BlogPost(Broadcastable):
    def __init__(self, id: Any = 7, title: str = "Cats & dogs") -> None:
        self.id = id
        self.title = title


class Board:
    id = 3


class Shout(Broadcastable):
    id = 1

    def broadcast_content(self) -> Any:
        return Markup("<h1>Hey</h1>")


OWN = '<li id="blog_post_7">Cats &amp; dogs</li>'
pytestmark = pytest.mark.usefixtures("client")


# The messages.


def test_anything_may_be_broadcast_to_a_name_or_an_object(client: CableClient) -> None:
    BlogPost().broadcast_to("board", {"hello": 1})
    BlogPost().broadcast_to(Board(), "text")
    assert client.broadcasts("board") == [{"hello": 1}]
    assert client.broadcasts("Board:3") == ["text"]


def test_the_payload_is_action_target_and_content(client: CableClient) -> None:
    BlogPost().broadcast_append_to("board", target="posts", content=Markup("<li>"))
    assert client.broadcasts("board") == [{"action": "append", "target": "posts", "content": "<li>"}]


@pytest.mark.parametrize(
    ("method", "action", "target"),
    [
        ("broadcast_append_to", "append", "blog_posts"),
        ("broadcast_prepend_to", "prepend", "blog_posts"),
        ("broadcast_replace_to", "replace", "blog_post_7"),
        ("broadcast_update_to", "update", "blog_post_7"),
    ],
)
def test_an_object_knows_where_it_belongs_and_how_it_looks(
    client: CableClient, method: str, action: str, target: str
) -> None:
    getattr(BlogPost(), method)("board")
    assert client.broadcasts("board") == [{"action": action, "target": target, "content": OWN}]


@pytest.mark.parametrize("action", ["append", "prepend", "replace", "update", "before", "after"])
def test_each_may_be_told_where_and_what(client: CableClient, action: str) -> None:
    broadcast = getattr(BlogPost(), f"broadcast_{action}_to")
    broadcast("board", "here", "<text>")
    broadcast("board", Board(), template="other.html", word="<")
    broadcast("board", targets=".all > li")
    assert client.broadcasts("board") == [
        {"action": action, "target": "here", "content": "&lt;text&gt;"},
        {"action": action, "target": "board_3", "content": "<b>&lt;</b>"},
        {"action": action, "targets": ".all > li", "content": OWN},
    ]


def test_a_removal_has_no_content(client: CableClient) -> None:
    BlogPost().broadcast_remove_to("board")
    BlogPost().broadcast_remove_to("board", "elsewhere")
    BlogPost().broadcast_remove_to("board", targets=".old")
    assert client.broadcasts("board") == [
        {"action": "remove", "target": "blog_post_7"},
        {"action": "remove", "target": "elsewhere"},
        {"action": "remove", "targets": ".old"},
    ]


@pytest.mark.parametrize("action", ["replace", "update"])
def test_a_morph(client: CableClient, action: str) -> None:
    getattr(BlogPost(), f"broadcast_{action}_to")("board", method="morph")
    assert client.broadcasts("board")[0]["method"] == "morph"


def test_custom_actions(client: CableClient) -> None:
    BlogPost().broadcast_action_to("board", "set_title", title="New", content="x")
    assert client.broadcasts("board") == [{"action": "set_title", "content": "x", "title": "New"}]


def test_a_refresh_waits_for_more(client: CableClient) -> None:
    for _ in range(3):
        BlogPost().broadcast_refresh_to(Board(), method="morph")
    assert client.broadcasts("Board:3") == []
    client.advance_time(0.5)
    assert client.broadcasts("Board:3") == [{"action": "refresh", "method": "morph"}]


def test_an_object_may_show_itself(client: CableClient) -> None:
    Shout().broadcast_append_to("board")
    assert client.broadcasts("board") == [{"action": "append", "target": "shouts", "content": "<h1>Hey</h1>"}]


class Renamed(BlogPost):
    broadcast_target = "list"
    broadcast_template = "_shared.html"


def test_a_class_may_have_its_own_target_and_template(app: Flask, client: CableClient) -> None:
    assert app.jinja_env.loader is not None
    app.jinja_env.loader.mapping["_shared.html"] = "{{ renamed.id }}"  # type: ignore[attr-defined]
    Renamed().broadcast_prepend_to("board")
    Renamed().broadcast_replace_to("board")
    assert client.broadcasts("board") == [
        {"action": "prepend", "target": "list", "content": "7"},
        {"action": "replace", "target": "renamed_7", "content": "7"},
    ]


def test_nothing_of_who_broadcasts_is_in_it(app: Flask, client: CableClient) -> None:
    class Note(Broadcastable):
        id, text = 1, "hi"

    with app.test_request_context():
        session["user"] = "ann"
        Note().broadcast_append_to("board")
    assert client.broadcasts("board")[0]["content"] == '<p id="note_1">hi</p>'


# Mistakes.


def test_what_cannot_be_is_an_error_and_nothing_is_sent(client: CableClient) -> None:
    post = BlogPost()
    with pytest.raises(ValueError, match="before takes a target, or targets"):
        post.broadcast_before_to("board")
    with pytest.raises(ValueError, match="method is morph"):
        post.broadcast_replace_to("board", method="fade")
    with pytest.raises(TypeError, match="colour: variables need a template="):
        post.broadcast_append_to("board", colour="red")
    with pytest.raises(EncodeError):
        post.broadcast_to("board", object())
    with pytest.raises(ValueError, match="has no id yet"):
        post.broadcast_to(BlogPost(None), "x")
    assert client.broadcasts("board") == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"broadcast_inserts_by": "replace"}, "broadcast_inserts_by is append or prepend"),
        ({"broadcast_method": "fade"}, "broadcast_method is morph or None"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_class(body: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        type("Post", (Broadcastable,), body)


# Who broadcasts.


class Publisher:
    """Broadcasts without an application."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def broadcast(self, stream: Any, message: Any) -> None:
        self.log.append((stream, message))


def test_a_class_may_bring_its_own_broadcaster(client: CableClient) -> None:
    publisher = Publisher()
    lone = type("Lone", (Shout,), {"broadcaster": publisher})()
    lone.broadcast_append_to("board")
    lone.broadcast_refresh_to("board", scroll="reset")
    assert publisher.log == [
        ("board", {"action": "append", "target": "lones", "content": "<h1>Hey</h1>"}),
        ("board", {"action": "refresh", "scroll": "reset"}),
    ]
    assert client.broadcasts("board") == []


def test_without_one_there_must_be_an_application_with_a_cable() -> None:
    with Flask("other").app_context(), pytest.raises(NotReady, match="this application has no Cable"):
        Shout().broadcast_append_to("board")


def test_and_its_context() -> None:
    program = (
        "from flask_cable import Broadcastable\n"
        "class Post(Broadcastable): id = 1\n"
        "try: Post().broadcast_to('board', 1)\n"
        "except RuntimeError as error: print(type(error).__name__, error)\n"
        "import sys; print('sqlalchemy' in sys.modules)\n"
    )
    run = programs.run(program)
    assert (run.returncode, run.stdout) == (
        0,
        "NotReady there is no application here: use `with app.app_context():`\nFalse\n",
    )


# Silence.


def test_a_block_may_suppress_a_class_and_its_children(client: CableClient) -> None:
    with BlogPost.suppressing_broadcasts():
        for record in (BlogPost(), Renamed()):
            record.broadcast_to("board", 1)
            record.broadcast_append_to("board")
            record.broadcast_remove_to("board")
            record.broadcast_refresh_to("board")
            record.broadcast_action_to("board", "log")
        Shout().broadcast_to("board", "loud")
    client.advance_time(1)
    assert client.broadcasts("board") == ["loud"]
    BlogPost().broadcast_to("board", "again")
    assert client.broadcasts("board") == ["loud", "again"]


def test_or_all(client: CableClient) -> None:
    with Broadcastable.suppressing_broadcasts(), Shout.suppressing_broadcasts():
        BlogPost().broadcast_to("board", 1)
        Shout().broadcast_to("board", 1)
    assert client.broadcasts("board") == []


def test_an_error_ends_the_silence(client: CableClient) -> None:
    with pytest.raises(LookupError), BlogPost.suppressing_broadcasts():
        raise LookupError
    BlogPost().broadcast_to("board", 1)
    assert client.broadcasts("board") == [1]
