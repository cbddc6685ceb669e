"""The names in ``identified_by``: each is an attribute of its connection class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    from .connection import Connection


class Identifier:
    """Attribute access to one declared identifier."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, connection: Connection | None, owner: type) -> Any:
        return self if connection is None else connection.identifiers.get(self._name)

    def __set__(self, connection: Connection, value: Any) -> None:
        connection.identifiers[self._name] = value


def declared_identifiers(cls: type[Connection]) -> tuple[str, ...]:
    """Make attributes of what a class declares; returns that and what its bases declare."""
    own = vars(cls).get("identified_by", ())
    own = (own,) if isinstance(own, str) else tuple(own)
    for name in own:
        if not hasattr(cls, name):
            setattr(cls, name, Identifier(name))
        elif not isinstance(getattr(cls, name), Identifier):
            raise ConfigError(f"{cls.__name__}.identified_by: {name!r} is an attribute of Connection already")
    inherited = [name for base in cls.__mro__[1:] for name in getattr(base, "identified_by", ())]
    return tuple(dict.fromkeys((*inherited, *own)))
