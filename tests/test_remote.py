"""Remote connections: chosen by their identifiers, and told to go."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_cable import Cable, Connection
from flask_cable.testing import CableClient


@pytest.fixture
def cable() -> Cable:
    return Cable()


class Person(Connection):
    identified_by = ("user", "tenant")

    def connect(self) -> None:
        self.user, self.tenant = self.request.args.get("user"), "x"


@pytest.fixture
def people(cable: Cable) -> dict[str, Any]:
    cable.connection(Person)
    app = Flask("shop")
    cable.init_app(app)
    client = CableClient(app)
    return {user: client.connect(query_string={"user": user}) for user in ("1", "2")}


def test_connections_are_disconnected_by_any_of_their_identifiers(
    cable: Cable, people: dict[str, Any]
) -> None:
    cable.remote_connections.where(user=1).disconnect(reconnect=False)
    assert people["1"].disconnect_message == {"type": "disconnect", "reason": "remote", "reconnect": False}
    assert people["2"].disconnect_message is None
    cable.remote_connections.where(tenant="x").where(user="2").disconnect()
    assert people["2"].disconnect_message == {"type": "disconnect", "reason": "remote", "reconnect": True}


def test_a_choice_does_not_change_when_it_is_narrowed(cable: Cable, people: dict[str, Any]) -> None:
    tenant = cable.remote_connections.where(tenant="x")
    tenant.where(user="nobody")
    tenant.disconnect()
    assert all(peer.disconnect_message for peer in people.values())


def test_unknown_identifiers_and_everybody_are_errors(cable: Cable, people: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="'name' is no identifier; the connection class has user, tenant"):
        cable.remote_connections.where(name="x")
    with pytest.raises(ValueError, match="name at least one identifier"):
        cable.remote_connections.disconnect()
    with pytest.raises(ValueError, match="the connection class has none"):
        Cable().remote_connections.where(user=1)
    assert not any(peer.disconnect_message for peer in people.values())
