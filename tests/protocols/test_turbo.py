"""Turbo Stream messages and elements: every action, and what cannot be one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from markupsafe import Markup

from flask_cable.protocols.turbo import as_html, dom_id, element, markup_of, message


class Record:
    def __init__(self, id: Any) -> None:
        self.id = id


class BlogPost(Record):
    pass


def made(*args: Any, **options: Any) -> str:
    return element(message(*args, **options))


class TestContent:
    def test_text_is_escaped_and_markup_is_not(self) -> None:
        assert markup_of("<b>Ann & Bob's</b>") == "&lt;b&gt;Ann &amp; Bob&#x27;s&lt;/b&gt;"
        assert markup_of(Markup("<b>%s</b>") % "<i>") == "<b>&lt;i&gt;</b>"

    def test_markup_is_a_plain_string_afterwards(self) -> None:
        assert type(markup_of(Markup("<b>"))) is str

    def test_anything_has_a_text(self) -> None:
        assert [markup_of(value) for value in (None, 7, "")] == ["", "7", ""]


class TestIds:
    def test_a_record_has_its_type_and_id(self) -> None:
        assert dom_id(BlogPost(7)) == "blog_post_7"
        assert dom_id(BlogPost("x-1"), "edit") == "edit_blog_post_x-1"
        assert dom_id(BlogPost(0)) == "blog_post_0"

    def test_a_record_to_be(self) -> None:
        assert dom_id(BlogPost(None)) == "new_blog_post"
        assert dom_id(BlogPost(None), "edit") == "edit_blog_post"

    def test_what_has_no_id_is_itself(self) -> None:
        assert dom_id("posts") == "posts"
        assert dom_id(7) == "7"


class TestMessages:
    @pytest.mark.parametrize("action", ["append", "prepend", "replace", "update", "before", "after"])
    def test_with_content(self, action: str) -> None:
        assert message(action, "posts", "<b>") == {
            "action": action,
            "target": "posts",
            "content": "&lt;b&gt;",
        }

    def test_without_content_there_is_an_empty_one(self) -> None:
        assert message("update", "posts") == {"action": "update", "target": "posts", "content": ""}

    def test_a_removal_has_no_content(self) -> None:
        assert message("remove", BlogPost(7)) == {"action": "remove", "target": "blog_post_7"}
        assert message("remove", "x", "ignored") == {"action": "remove", "target": "x"}

    def test_attributes_come_last(self) -> None:
        refresh = message("refresh", request_id="a-1", method="morph", scroll="preserve")
        assert refresh == {"action": "refresh", "request-id": "a-1", "method": "morph", "scroll": "preserve"}
        assert message("refresh", request_id=None) == {"action": "refresh"}

    def test_a_custom_action_has_what_it_is_given(self) -> None:
        assert message("log") == {"action": "log"}
        assert message("log", content="<") == {"action": "log", "content": "&lt;"}
        assert message("set_title", title="T", times=2) == {"action": "set_title", "title": "T", "times": 2}


class TestMistakes:
    @pytest.mark.parametrize(
        ("args", "options", "reason"),
        [
            (("append",), {}, "append takes a target, or targets"),
            (("remove",), {}, "remove takes a target, or targets"),
            (("replace", "a"), {"targets": ".b"}, "replace takes a target, or targets"),
            (("refresh", "a"), {}, "refresh takes no target"),
            (("log", "a"), {"targets": ".b"}, "log takes a target, or targets"),
            (("",), {}, "needs an action"),
            ((" ",), {}, "needs an action"),
            ((None,), {}, "needs an action"),
            (("replace", "a"), {"method": "Morph"}, "replace: method is morph, not 'Morph'"),
            (("refresh",), {"method": "replaced"}, "refresh: method is morph or replace, not 'replaced'"),
            (("refresh",), {"scroll": "keep"}, "refresh: scroll is preserve or reset, not 'keep'"),
            (("log",), {"on click": "x"}, "'x' is no attribute"),
            (("log",), {"onClick": "x"}, "'x' is no attribute"),
            (("log",), {"": "x"}, "'x' is no attribute"),
            (("log",), {"data": {"a": 1}}, "is no attribute"),
            (("append",), {"targets": [".a"]}, "is no attribute"),
        ],
    )
    def test_are_said(self, args: Any, options: Any, reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            message(*args, **options)


class TestElements:
    def test_as_turbo_rails_writes_them(self) -> None:
        assert made("append", "messages", Markup('<div id="m1">Hi</div>')) == (
            '<turbo-stream action="append" target="messages">'
            '<template><div id="m1">Hi</div></template></turbo-stream>'
        )
        assert made("refresh", request_id="abc") == (
            '<turbo-stream action="refresh" request-id="abc"></turbo-stream>'
        )
        assert made("remove", "m1") == '<turbo-stream action="remove" target="m1"></turbo-stream>'

    def test_a_morph_and_a_selector(self) -> None:
        assert made("replace", targets=".row > td", content="x", method="morph") == (
            '<turbo-stream action="replace" targets=".row &gt; td" method="morph">'
            "<template>x</template></turbo-stream>"
        )

    def test_an_attribute_cannot_break_out(self) -> None:
        assert made("log", text="\"'><script>&", quiet=True, loud=False, times=0) == (
            '<turbo-stream action="log" text="&quot;&#x27;&gt;&lt;script&gt;&amp;" quiet="" times="0">'
            "</turbo-stream>"
        )

    def test_nor_can_an_action_or_a_target(self) -> None:
        assert made('x" y="', 'a">') == (
            '<turbo-stream action="x&quot; y=&quot;" target="a&quot;&gt;"></turbo-stream>'
        )


class TestAsHtml:
    def test_a_string_is_html_already(self) -> None:
        assert as_html(b'"<turbo-stream>"') == b'"<turbo-stream>"'
        assert as_html(b'""') == b'""'

    def test_a_message_becomes_an_element(self) -> None:
        body = json.dumps(message("append", "posts", Markup('<p class="é">\u2028</p>'))).encode()
        html = as_html(body)
        assert html is not None
        assert json.loads(html) == (
            '<turbo-stream action="append" target="posts">'
            '<template><p class="é">\u2028</p></template></turbo-stream>'
        )
        assert b"\xc3\xa9" in html

    @pytest.mark.parametrize("body", [b'{"typing":true}', b"[]", b"7", b"null", b"true", b"{}"])
    def test_what_is_no_message_is_not_for_turbo(self, body: bytes) -> None:
        assert as_html(body) is None

    @pytest.mark.parametrize(
        "body", [b'{"action":7}', b'{"action":"append"}', b'{"action":"x","on click":"y"}', b"{"]
    )
    def test_a_broken_message_is_an_error(self, body: bytes) -> None:
        with pytest.raises(ValueError, match=r"."):
            as_html(body)
