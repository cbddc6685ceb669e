"""One application, a client of it, a connection of that, and a subscription of this."""

import pytest
from support.apps.rooms import RoomChannel, make_app

from flask_cable.testing import CableClient


@pytest.fixture
def app():
    return make_app()


@pytest.fixture
def client(app):
    with CableClient(app) as client:
        yield client


@pytest.fixture
def connection(client):
    return client.connect()


@pytest.fixture
def room(connection):
    return connection.subscribe(RoomChannel, room=1)
