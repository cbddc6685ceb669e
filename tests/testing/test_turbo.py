"""Turbo Streams as a test sees them."""

from __future__ import annotations

import pytest
from flask import render_template_string
from markupsafe import Markup
from support.apps.rooms import make_app

from flask_cable import Broadcastable
from flask_cable.testing import CableClient, TurboElement
from flask_cable.testing.turbo import elements_of, sources_of
from flask_cable.turbo import turbo_stream


class Post(Broadcastable):
    id = 7

    def broadcast_content(self):
        return Markup("<li>Hi</li>")


APPENDED = TurboElement("append", "posts", content="<li>Hi</li>")


@pytest.fixture
def post(app):
    with app.app_context():
        yield Post()


@pytest.fixture
def cable(app):
    return app.extensions["cable"].cable


class TestElements:
    def test_of_a_message(self):
        assert elements_of({"action": "append", "target": "posts", "content": "<li>Hi</li>"}) == [APPENDED]
        assert elements_of({"action": "refresh", "request-id": "1"}) == [
            TurboElement("refresh", attributes={"request-id": "1"})
        ]

    def test_of_html(self):
        html = (
            turbo_stream.append("posts", Markup("<li>Hi</li>")) + "\n" + turbo_stream.remove(targets=".a>b")
        )
        assert elements_of(str(html)) == [APPENDED, TurboElement("remove", targets=".a>b")]

    def test_content_is_as_it_was_written(self):
        content = (
            'é\n<p class="x">&amp; &lt;</p>\r\n<template a="</template>"><turbo-stream></turbo-stream>'
            '</template>\n<script>if (1 < 2) "</p>"</script><br/>'
        )
        html = f"\n  {turbo_stream.replace('x', Markup(content), method='morph')}"
        assert elements_of(html) == [
            TurboElement("replace", "x", content=content, attributes={"method": "morph"})
        ]

    @pytest.mark.parametrize("message", ["", "text", "<p>", None, 7, [], {}, {"typing": True}])
    def test_what_is_none(self, message):
        assert elements_of(message) == []

    def test_a_message_that_turbo_could_not_carry_out_is_an_error(self):
        with pytest.raises(ValueError, match="append takes a target"):
            elements_of({"action": "append"})


class TestSources:
    def test_a_page_may_have_several(self):
        html = (
            '<p><turbo-cable-stream-source channel="A" signed-stream-name="x&amp;y" data-room-id="1" id="z">'
            '</turbo-cable-stream-source><cable-stream-source channel="B"></cable-stream-source>'
        )
        assert sources_of(html) == [
            {"channel": "A", "signed_stream_name": "x&y", "room_id": "1"},
            {"channel": "B"},
        ]
        assert sources_of("<p>") == []


class TestAssertions:
    def test_elements_are_captured(self, client, post, cable):
        with client.capture_turbo_stream_broadcasts("board") as elements:
            post.broadcast_append_to("board")
            post.broadcast_append_to("other")
            cable.broadcast("board", turbo_stream.remove("x") + turbo_stream.remove("y"))
            cable.broadcast("board", {"typing": True})
        assert elements == [APPENDED, TurboElement("remove", "x"), TurboElement("remove", "y")]

    def test_refreshes_need_not_be_waited_for(self, client, post):
        with client.assert_turbo_stream_broadcasts("board", 1) as elements:
            post.broadcast_refresh_to("board")
            post.broadcast_refresh_to("board")
        assert elements == [TurboElement("refresh")]

    def test_elements_are_counted(self, client, post):
        with (
            client.assert_turbo_stream_broadcasts("board"),
            client.assert_no_turbo_stream_broadcasts("other"),
        ):
            post.broadcast_remove_to("board")
        with (
            pytest.raises(AssertionError, match="expected 2 broadcasts to 'board', got 1") as failure,
            client.assert_turbo_stream_broadcasts("board", 2),
        ):
            post.broadcast_remove_to("board")
        assert "TurboElement(action='remove', target='post_7'" in str(failure.value)
        with (
            pytest.raises(AssertionError, match="expected 0 broadcasts"),
            client.assert_no_turbo_stream_broadcasts("board"),
        ):
            post.broadcast_refresh_to("board")

    def test_an_error_in_the_block_is_not_hidden(self, client, post):
        with pytest.raises(LookupError), client.assert_turbo_stream_broadcasts("board", 3):
            raise LookupError


def test_a_page_is_heard_through_what_it_says():
    app = make_app()
    with CableClient(app) as client:
        with app.test_request_context():
            html = render_template_string("{{ turbo_stream_from('a') }}<p>{{ cable_stream_from('b', 'c') }}")
        page = client.connect().subscribe_page(html)
        assert [subscription.streams for subscription in page] == [("a",), ("b:c",)]
        app.extensions["cable"].cable.broadcast("a", turbo_stream.remove("x"))
        assert page[0].transmissions == [turbo_stream.remove("x")]
