"""How pushes are written down for other processes."""

from __future__ import annotations

from flask_cable.endpoints.push.lines import alone_line, alone_of, shared_line, shared_of


def test_a_push_to_several_streams_survives_the_way() -> None:
    patterns, body = shared_of(shared_line(["a\nb", "ü*"], '{"a":\n1}'))
    assert (patterns.match("a\nb"), patterns.match("üx"), patterns.match("x")) == (True, True, False)
    assert body == b'{"a":\n1}'


def test_a_push_to_one_page_survives_the_way() -> None:
    assert alone_of(alone_line('a"\nb', "[1,\n2]")) == ('a"\nb', b"[1,\n2]")
