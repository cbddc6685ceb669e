"""An application with a cable, and a client of it; no server, no socket, no clock."""

import pytest
from flask import Flask

from flask_cable import Cable
from flask_cable.testing import CableClient


@pytest.fixture
def cable():
    return Cable()


@pytest.fixture
def app(cable):
    app = Flask("shop")
    app.config["SECRET_KEY"] = "for tests only"
    cable.init_app(app)
    return app


@pytest.fixture
def client(app):
    with CableClient(app) as client:
        yield client
