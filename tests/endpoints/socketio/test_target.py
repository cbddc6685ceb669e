"""Which sockets are meant, here and in other processes."""

from flask_cable.endpoints.socketio.target import Target


def test_what_travels_is_what_is_said() -> None:
    for target, fields in (
        (Target(), {}),
        (Target(("a",)), {"to": ("a",)}),
        (Target(("a", "b"), ("c",)), {"to": ("a", "b"), "not": ("c",)}),
        (Target((), ("c",)), {"not": ("c",)}),
    ):
        assert target.fields() == fields
        assert Target.of(fields) == target


def test_one_of_this_process_is_no_matter_for_others() -> None:
    assert Target(("a",), skipped="x").fields() == {"to": ("a",)}


def test_whom_a_target_covers() -> None:
    for target, rooms, covered in (
        (Target(), (), True),
        (Target(), ("a",), True),
        (Target(("a",)), ("a", "b"), True),
        (Target(("a",)), ("b",), False),
        (Target(("a", "b")), ("b",), True),
        (Target(("a",), ("b",)), ("a", "b"), False),
        (Target((), ("b",)), ("a",), True),
        (Target((), ("b",)), ("b",), False),
    ):
        assert target.covers(frozenset(rooms)) is covered
