"""Wildcards in the names of streams that are pushed to."""

from __future__ import annotations

import pytest

from flask_cable.endpoints.push.patterns import Patterns, is_pattern


@pytest.mark.parametrize(
    ("pattern", "stream", "matches"),
    [
        ("news", "news", True),
        ("news", "news2", False),
        ("news:*", "news:1", True),
        ("news:*", "news:", True),
        ("news:*", "news", False),
        ("*:1", "sports:1", True),
        ("*:1", "sports:11", False),
        ("a*b*c", "a--b--c", True),
        ("*", "anything at all\n", True),
        ("**", "x", True),
        ("scope:*", "scope:post;id:1", False),  # it ends at a ;
        ("scope:*;id:*", "scope:post;id:1", True),
        ("foo.ar*", "foobar", False),  # other letters are themselves
        ("foo.ar*", "foo.ar", True),
        ("[ab]*", "a", False),
        ("[ab]*", "[ab]c", True),
        ("a|b*", "a", False),
        ("Ünï*", "Ünïcode", True),
    ],
)
def test_a_star_is_anything_but_a_semicolon(pattern: str, stream: str, matches: bool) -> None:
    assert Patterns([pattern]).match(stream) is matches


def test_several_names_are_meant_at_once() -> None:
    patterns = Patterns(["news", "sports:*", "x*"])
    streams = {"news": 1, "sports:1": 1, "sports": 1, "xy": 1}
    assert patterns.among(streams) == ["news", "sports:1", "xy"]


def test_exact_names_are_looked_up() -> None:
    assert sorted(Patterns(["b", "a", "c"]).among({"a": 1, "b": 1, "d": 1})) == ["a", "b"]


def test_no_name_means_nothing() -> None:
    assert Patterns([]).among(["a"]) == []


def test_a_pattern_has_a_star() -> None:
    assert is_pattern("a*")
    assert not is_pattern("a?[b]")


def test_many_stars_take_no_time() -> None:
    assert not Patterns(["*a" * 20]).match("a" * 19 + "b")
