"""An application, its cable and a test client for tests of channels; no server, no socket, no clock."""

import pytest
from flask import Flask

from flask_cable import Cable, Connection
from flask_cable.pubsub import MemoryPubSub
from flask_cable.testing import CableClient, CableConnection
from flask_cable.transports.loopback import LoopbackTransport


def make_app(cable, **config):
    app = Flask("channels")
    app.config.update(SECRET_KEY="for tests only", TESTING=True, **config)
    cable.init_app(app)
    return app


@pytest.fixture(scope="session")
def shared_app():
    """One application for all tests that change nothing but its cable's classes: making one is slow."""
    return make_app(Cable())


@pytest.fixture
def app(shared_app):
    return shared_app


@pytest.fixture
def cable(app):
    """The application's cable, with no channels and the plain connection class."""
    cable = app.extensions["cable"].cable
    yield cable
    cable.channels.clear()
    cable.connection_class = Connection


@pytest.fixture
def client(app, cable):
    with CableClient(app) as client:
        yield client


@pytest.fixture(scope="session")
def request_of_all(shared_app):
    """The handshake's request of connections that need none of their own."""
    return shared_app.test_request_context("/cable").request


@pytest.fixture
def connection(client, request_of_all):
    """A connection without the handshake, which takes longer than most tests do."""
    runtime = client.app.extensions["cable"].runtime()
    server = runtime.admission.make_connection(runtime.handler, request_of_all, {})
    transport = LoopbackTransport(server)
    server.attach(transport)
    runtime.admission.begin(server)
    return CableConnection(client, transport, None)


@pytest.fixture
def hub(app, client):
    return app.extensions["cable"].runtime().hub


class SlowBus(MemoryPubSub):
    """A pub/sub adapter that confirms a subscription when it is told to."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def subscribe(self, stream, callback, on_live=None):
        self.asked.append((stream, callback, on_live))
        return len(self.asked)

    def unsubscribe(self, subscription):
        return True

    def publish(self, stream, message, make_event=None):
        for name, callback, _ in self.asked:
            if name == stream:
                callback(message)

    def confirm(self, *names):
        """Every subscription to these streams is live now."""
        for name, _, on_live in list(self.asked):
            if name in names:
                on_live()


@pytest.fixture
def slow_bus(hub):
    """What the hub subscribes at from now on."""
    hub.bus = SlowBus()
    return hub.bus
