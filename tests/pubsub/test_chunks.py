"""What is too large is cut and put together again; what is not of that form is told apart."""

from __future__ import annotations

import pytest

from flask_cable.pubsub.chunks import Assembler, cut


@pytest.mark.parametrize("size", [0, 1, 98, 99, 100, 101, 1000, 12345])
def test_what_was_cut_is_put_together(size: int) -> None:
    payload = bytes(n % 251 for n in range(size))
    assembler = Assembler()
    pieces = list(cut(payload, 100))
    assert max(map(len, pieces)) <= 100
    assert (len(pieces) == 1) == (size < 100)
    taken = [assembler.take("news", piece) for piece in pieces]
    assert taken == [None] * (len(pieces) - 1) + [payload]
    assert (assembler._size, assembler._unfinished) == (0, {})


def test_messages_may_come_between_each_others_parts() -> None:
    assembler = Assembler()
    first, second = (list(cut(letter * 100, 80)) for letter in (b"a", b"b"))
    taken = [assembler.take("news", piece) for pair in zip(first, second, strict=True) for piece in pair]
    assert taken[-2:] == [b"a" * 100, b"b" * 100]
    assert assembler.take("news", b"+small") == b"small"


def test_the_same_number_elsewhere_is_another_message() -> None:
    assembler = Assembler()
    pieces = list(cut(b"x" * 100, 80))
    for piece in pieces[:-1]:
        assert assembler.take("news", piece) is assembler.take("sports", piece) is None
    assert assembler.take("news", pieces[-1]) == assembler.take("sports", pieces[-1]) == b"x" * 100


def test_who_came_in_the_middle_gets_nothing() -> None:
    assembler = Assembler()
    pieces = list(cut(b"x" * 100, 80))
    assert [assembler.take("news", piece) for piece in pieces[1:]] == [None] * (len(pieces) - 1)
    assert [assembler.take("news", piece) for piece in (pieces[0], *pieces[2:])] == [None] * (len(pieces) - 1)
    assert assembler._size == 0


def test_what_is_never_finished_is_forgotten() -> None:
    assembler = Assembler(limit=1000)
    for _ in range(100):
        for piece in list(cut(b"x" * 500, 100))[:-1]:
            assembler.take("news", piece)
    assert (assembler._size <= 1000, len(assembler._unfinished) < 4) == (True, True)


@pytest.mark.parametrize(
    "data", [b"", b"x", b"@", b"@x 0 1 y", b"@0123456789abcdef 0 0 y", b"@0123456789abcdef -1 2 y", b"c1:x"]
)
def test_what_is_not_of_this_form_is_nothing_that_an_envelope_would_take(data: bytes) -> None:
    assert Assembler().take("news", data) == b""
