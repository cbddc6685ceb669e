"""The tests' own servers: they start, are killed, come back where they were, and hang when told to."""

import socket

import pytest
from support.backends import KINDS, Backend


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_starts_dies_comes_back_and_hangs(kind: str) -> None:
    with Backend(kind) as backend:
        assert str(backend.port) in backend.url
        backend.kill()
        with pytest.raises(OSError, match=r"refused|reset"):  # by a child that goes a moment later
            backend._answers()
        backend.restart()
        assert backend._answers()
        with backend.paused(), pytest.raises(socket.timeout):
            backend._answers()
        assert backend._answers()


def test_what_does_not_start_says_why() -> None:
    with pytest.raises(AssertionError, match="carrier-pigeon"), Backend("redis", "--carrier-pigeon", "yes"):
        pass
