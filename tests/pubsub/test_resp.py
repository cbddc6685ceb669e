"""Replies of a Redis server: the reader in Python reads what hiredis reads, however it is cut."""

import sys
from typing import Any

import pytest

from flask_cable.pubsub.resp import PythonReader, make_reader

REPLIES = (
    b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
    b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$6\r\na\r\nb\r\n\r\n"
    b"+PONG\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n:-7\r\n$-1\r\n*0\r\n*1\r\n*1\r\n:1\r\n-ERR no\r\n"
)
READ = [
    [b"subscribe", b"news", 1],
    [b"message", b"news", b"a\r\nb\r\n"],
    b"PONG",
    [b"pong", b""],
    -7,
    None,
    [],
    [[1]],
    "ERR no",
]


def read(reader: Any, size: int) -> list[Any]:
    found = []
    for start in range(0, len(REPLIES), size):
        reader.feed(REPLIES[start : start + size])
        while (reply := reader.gets()) is not False:
            found.append(str(reply) if isinstance(reply, Exception) else reply)
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
def test_replies_are_read_however_they_are_cut(size: int) -> None:
    assert read(PythonReader(), size) == READ


@pytest.mark.needs("hiredis")
def test_hiredis_reads_the_same() -> None:
    assert type(make_reader()).__module__.startswith("hiredis")
    assert read(make_reader(), 7) == READ


def test_it_goes_without_hiredis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hiredis", None)
    assert isinstance(make_reader(), PythonReader)


def test_what_is_no_reply_is_an_error() -> None:
    reader = PythonReader()
    reader.feed(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(ValueError, match="no reply of Redis"):
        reader.gets()
