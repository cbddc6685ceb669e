"""What belongs to one process is made anew in its fork, once."""

from __future__ import annotations

import os
import threading

import pytest
from pubsub.test_store import together

from flask_cable.pubsub.forking import Fork, Home, Stray


class Made:
    """Counts how often it was made; the second time takes a while."""

    def __init__(self) -> None:
        self.times = 0
        self.fork = Fork(self.make)

    def make(self) -> None:
        if self.times:
            threading.Event().wait(0.05)  # so that the others come meanwhile
        self.times += 1

    def look(self) -> int:
        self.fork.look()
        return self.times


def test_in_its_own_process_it_is_made_once() -> None:
    made = Made()
    assert (made.look(), made.look(), made.fork.is_ours) == (1, 1, True)


def test_of_many_threads_of_a_fork_one_makes_it_and_all_wait_for_it() -> None:
    made = Made()
    made.fork._pid = -1  # as a child finds it
    assert not made.fork.is_ours
    assert together([made.look] * 8) == [2] * 8
    assert made.fork.is_ours


def test_a_real_fork_is_noticed() -> None:
    made = Made()
    child = os.fork()
    if not child:
        os._exit(0 if (made.fork.is_ours, made.look(), made.look()) == (False, 2, 2) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert made.look() == 1


def test_who_was_forked_along_with_its_process_touches_nothing() -> None:
    home = Home()
    home.check()
    home._pid = -1  # as a child finds it
    assert not home.is_here
    with pytest.raises(Stray):
        home.check()
