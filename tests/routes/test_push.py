"""Where pages connect: what the settings make of the handler, and who is let in."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_cable import Cable, socket
from flask_cable.core.heartbeat import IdleWatch, Liveness
from flask_cable.endpoints.push import PageLimits, Patience, Renewal
from flask_cable.errors import BusError
from flask_cable.pubsub import MemoryPubSub
from flask_cable.testing import CableClient, HandshakeRefused


class SharedBus(MemoryPubSub):
    is_shared = True


def make_app(**config: Any) -> Flask:
    app = Flask("pages")
    app.config.update(SECRET_KEY="x", CABLE_EXECUTOR="manual", **config)
    Cable(app)

    @app.get("/")
    def index() -> str:
        socket.subscribe("news")
        return "<body>"

    return app


def test_the_settings_are_the_handlers() -> None:
    app = make_app(
        CABLE_SOCKET_WAIT_SECONDS=1,
        CABLE_SOCKET_RESUME_SECONDS=2,
        CABLE_SOCKET_BUFFER=3,
        CABLE_MAX_STREAMS=4,
        CABLE_CALLS_PER_SECOND=5,
        CABLE_CALLS_BURST=6,
        CABLE_IDLE_TIMEOUT=7,
    )
    handler = app.extensions["cable"].pages
    assert handler.ledger.patience == Patience(1, 2, 3)
    assert handler.limits == PageLimits(4, 5, 6)
    assert [type(watch) for watch in handler.watches] == [Liveness, IdleWatch]


@pytest.mark.parametrize(("resume", "renewed"), [(120, True), (0, False)])
def test_records_are_written_anew_where_they_outlive_the_process(
    monkeypatch: pytest.MonkeyPatch, resume: float, renewed: bool
) -> None:
    monkeypatch.setattr("flask_cable.runtime.open_pubsub", lambda *_: SharedBus())
    handler = make_app(CABLE_SOCKET_RESUME_SECONDS=resume).extensions["cable"].pages
    assert any(isinstance(watch, Renewal) for watch in handler.watches) is renewed


def test_without_the_store_a_strict_route_asks_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(digest: str) -> bool:
        raise BusError("redis://secret is away")

    app = make_app(CABLE_SOCKET_STRICT=True)
    with CableClient(app) as client:
        response = client.http.get("/")
        monkeypatch.setattr(app.extensions["cable"].pages, "is_known", away)
        with pytest.raises(HandshakeRefused) as refused:
            client.page(response)
    assert refused.value.status == 503
    assert refused.value.response.headers["Retry-After"]
    assert "secret" not in refused.value.body


def test_it_says_what_it_is_for() -> None:
    answer = make_app().test_client().get("/cable/socket")
    assert (answer.status_code, "pages" in answer.text) == (426, True)


def test_without_a_secret_there_are_no_pages() -> None:
    app = Flask("pages")
    app.config["CABLE_EXECUTOR"] = "manual"
    Cable(app)
    with CableClient(app) as client:
        page = client.page("0" * 64, query_string={"socket_connection_id": "0" * 64, "socket_key": "1" * 64})
        assert page.expired
