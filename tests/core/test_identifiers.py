"""Identifiers: attributes that a connection class declares, and its subclasses inherit."""

import pytest
from core.test_handler import RecordingHandler

from flask_cable.core.connection import Connection
from flask_cable.core.identifiers import Identifier
from flask_cable.errors import ConfigError


class Person(Connection):
    identified_by = ("user", "tenant")


class Robot(Person):
    identified_by = "model"


def test_identifiers_are_attributes() -> None:
    person = Person(RecordingHandler())
    person.user = 7
    assert (person.user, person.tenant) == (7, None)
    assert person.identifiers == {"user": 7}


def test_identifiers_are_inherited_and_one_may_be_a_string() -> None:
    assert Connection.identified_by == ()
    assert Person.identified_by == ("user", "tenant")
    assert Robot.identified_by == ("user", "tenant", "model")

    class Again(Robot):
        identified_by = ("model", "user", "extra")

    assert Again.identified_by == ("user", "tenant", "model", "extra")


def test_identifiers_may_be_any_iterable() -> None:
    class Mine(Connection):
        identified_by = (name for name in ["a", "b"])

    assert Mine.identified_by == ("a", "b")


def test_a_subclass_without_identifiers_of_its_own_has_its_bases() -> None:
    class Mine(Person):
        pass

    assert Mine.identified_by == ("user", "tenant")


def test_an_identifier_must_not_hide_what_a_connection_has() -> None:
    for name in ("id", "data", "send", "connect"):
        with pytest.raises(ConfigError, match=f"Mine.identified_by: '{name}' is an attribute of Connection"):
            type("Mine", (Connection,), {"identified_by": (name,)})


def test_an_identifier_on_the_class_is_what_declares_it() -> None:
    assert isinstance(Person.user, Identifier)  # type: ignore[attr-defined]
