"""What waits for a peer: in order, whole, and bounded."""

import pytest

from flask_cable.core.outbox import Outbox
from flask_cable.protocols.frames import DROP_OLDEST, KEEP_LATEST, Lane

OLD, LATEST = Lane(DROP_OLDEST, "old"), Lane(KEEP_LATEST, "latest")


def waiting(outbox: Outbox) -> list[bytes]:
    """Write everything, whole, and return it."""
    found = []
    while outbox:
        found.append(bytes(outbox.first()))
        outbox.taken(len(outbox.first()))
    assert (outbox.size, len(outbox)) == (0, 0)
    return found


def test_what_waits_keeps_its_order() -> None:
    outbox = Outbox(100)
    assert not outbox
    assert all(outbox.add(data) for data in (b"a", b"bb", memoryview(b"ccc")))
    assert (bool(outbox), outbox.size, len(outbox)) == (True, 6, 3)
    assert waiting(outbox) == [b"a", b"bb", b"ccc"]


def test_what_is_written_in_part_leaves_the_rest() -> None:
    outbox = Outbox(100)
    outbox.add(b"abcdef")
    outbox.add(b"gh")
    outbox.taken(2)
    assert bytes(outbox.first()) == b"cdef"
    outbox.taken(3)
    assert (bytes(outbox.first()), outbox.size, len(outbox)) == (b"f", 3, 2)
    outbox.taken(1)
    assert bytes(outbox.first()) == b"gh"
    assert outbox.size == 2


def test_bytes_are_bounded() -> None:
    outbox = Outbox(10)
    assert outbox.add(b"x" * 6)
    assert not outbox.add(b"y" * 5)
    assert outbox.size == 6
    assert outbox.add(b"z" * 4)
    assert not outbox.add(b"!")
    assert waiting(outbox) == [b"x" * 6, b"z" * 4]


def test_messages_are_bounded() -> None:
    outbox = Outbox(1000, max_messages=2)
    assert outbox.add(b"a")
    assert outbox.add(b"b")
    assert not outbox.add(b"c")
    outbox.taken(1)
    assert outbox.add(b"d")


def test_one_message_may_be_larger_than_all() -> None:
    outbox = Outbox(10)
    assert outbox.add(b"x" * 50)
    assert not outbox.add(b"y")
    outbox.taken(45)
    assert outbox.add(b"y" * 5)
    assert not outbox.add(b"z")


def test_nothing_but_a_frame_that_has_begun_is_kept() -> None:
    for begun, kept in ((True, [b"rest"]), (False, [])):
        outbox = Outbox(100)
        outbox.add(b"rest", begun=begun)
        outbox.add(b"more")
        outbox.drop_unbegun()
        assert outbox.size == len(b"".join(kept))
        assert waiting(outbox) == kept


def test_a_frame_begins_with_its_first_byte() -> None:
    outbox = Outbox(100)
    outbox.add(b"first")
    outbox.add(b"second")
    outbox.add(b"third")
    outbox.taken(5)
    outbox.taken(1)
    outbox.drop_unbegun()
    assert waiting(outbox) == [b"econd"]
    outbox.drop_unbegun()
    assert not outbox


# Lanes.


def test_the_oldest_of_a_lane_makes_room() -> None:
    outbox = Outbox(10)
    for data in (b"aaa", b"bbb", b"ccc"):
        assert outbox.add(data, OLD)
    assert outbox.add(b"dddd", OLD)
    assert waiting(outbox) == [b"bbb", b"ccc", b"dddd"]


def test_as_many_go_as_are_needed() -> None:
    outbox = Outbox(10)
    for data in (b"aaa", b"bbb", b"ccc"):
        outbox.add(data, OLD)
    assert outbox.add(b"d" * 7, OLD)
    assert waiting(outbox) == [b"ccc", b"d" * 7]


def test_messages_make_room_for_messages() -> None:
    outbox = Outbox(1000, max_messages=3)
    for number in range(10):
        assert outbox.add(b"%d" % number, OLD)
    assert waiting(outbox) == [b"7", b"8", b"9"]


def test_only_the_lanes_own_frames_go() -> None:
    outbox = Outbox(10)
    outbox.add(b"plain")
    outbox.add(b"aaa", OLD)
    outbox.add(b"o", Lane(DROP_OLDEST, "other"))
    assert outbox.add(b"bbbb", OLD)
    assert not outbox.add(b"c" * 5, OLD)
    assert waiting(outbox)[:2] == [b"plain", b"o"]


def test_a_frame_that_has_begun_stays() -> None:
    outbox = Outbox(10)
    outbox.add(b"aaaa", OLD)
    outbox.add(b"bbbb", OLD)
    outbox.taken(1)
    assert outbox.add(b"ccccc", OLD)
    assert waiting(outbox) == [b"aaa", b"ccccc"]


def test_what_has_begun_when_it_is_added_stays_too() -> None:
    outbox = Outbox(10)
    outbox.add(b"rest", OLD, begun=True)
    outbox.add(b"bbbb", OLD)
    assert outbox.add(b"cccccc", OLD)
    assert waiting(outbox) == [b"rest", b"cccccc"]


def test_the_latest_of_a_lane_takes_the_place_of_the_last() -> None:
    outbox = Outbox(100)
    outbox.add(b"before")
    outbox.add(b"a", LATEST)
    outbox.add(b"after")
    assert outbox.add(b"bb", LATEST)
    assert outbox.add(b"ccc", LATEST)
    assert (outbox.size, len(outbox)) == (14, 3)
    assert waiting(outbox) == [b"before", b"ccc", b"after"]


def test_each_lane_has_a_latest_of_its_own() -> None:
    outbox, other = Outbox(100), Lane(KEEP_LATEST, "other")
    for data, lane in ((b"a", LATEST), (b"b", other), (b"c", LATEST), (b"d", other)):
        outbox.add(data, lane)
    assert waiting(outbox) == [b"c", b"d"]


def test_a_latest_that_has_begun_is_finished_before_the_next() -> None:
    outbox = Outbox(100)
    outbox.add(b"aaa", LATEST)
    outbox.taken(1)
    outbox.add(b"b", LATEST)
    outbox.add(b"c", LATEST)
    assert waiting(outbox) == [b"aa", b"c"]


def test_a_latest_whose_beginning_was_sent_already_is_not_replaced() -> None:
    outbox = Outbox(100)
    outbox.add(b"rest", LATEST, begun=True)
    outbox.add(b"new", LATEST)
    assert waiting(outbox) == [b"rest", b"new"]


def test_what_was_written_is_not_replaced() -> None:
    outbox = Outbox(100)
    outbox.add(b"a", LATEST)
    outbox.taken(1)
    outbox.add(b"b", LATEST)
    assert waiting(outbox) == [b"b"]


def test_what_was_dropped_is_not_replaced() -> None:
    outbox = Outbox(100)
    outbox.add(b"a", LATEST)
    outbox.drop_unbegun()
    outbox.add(b"b", LATEST)
    assert outbox.size == 1
    assert waiting(outbox) == [b"b"]


def test_what_tls_has_encrypted_may_not_change_any_more() -> None:
    outbox = Outbox(10)
    outbox.add(b"aaa", LATEST)
    outbox.begin_first()
    outbox.add(b"bbb", LATEST)
    assert (bytes(outbox.first()), len(outbox)) == (b"aaa", 2)
    outbox.drop_unbegun()
    assert waiting(outbox) == [b"aaa"]
    outbox.add(b"aaaa", OLD)
    outbox.begin_first()
    outbox.add(b"bbbb", OLD)
    assert outbox.add(b"cccc", OLD)
    assert waiting(outbox) == [b"aaaa", b"cccc"]


@pytest.mark.parametrize("lane", [LATEST, None])
def test_a_full_outbox_takes_nothing_that_cannot_make_room(lane: Lane | None) -> None:
    outbox = Outbox(10)
    outbox.add(b"x" * 10)
    assert not outbox.add(b"y", lane)
    assert waiting(outbox) == [b"x" * 10]


def test_what_is_forced_has_room_whatever_waits() -> None:
    outbox = Outbox(limit=5, max_messages=1)
    assert outbox.add(b"much more than that")
    assert not outbox.add(b"x")
    outbox.force(b"end")
    assert (len(outbox), outbox.size) == (2, 22)
    outbox.taken(19)
    assert outbox.first() == b"end"
