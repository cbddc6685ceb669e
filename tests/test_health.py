"""Health: ready or not, alive as long as it answers, and nothing that is secret."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_cable import Cable
from flask_cable.pubsub import MemoryPubSub
from flask_cable.testing import CableClient


class Bus(MemoryPubSub):
    """An adapter that is live or lost, as the test says."""

    name = "redis://internal.example.com:6379/0"
    is_remote = True
    live = lost = False

    @property
    def is_live(self) -> bool:
        return self.live

    @property
    def is_lost(self) -> bool:
        return self.lost


def application(monkeypatch: pytest.MonkeyPatch, bus: Bus | None = None, **config: Any) -> Flask:
    if bus is not None:
        monkeypatch.setattr("flask_cable.runtime.open_pubsub", lambda url, options: bus)
    app = Flask("shop")
    app.config.update(SECRET_KEY="secret", CABLE_EXECUTOR="manual", **config)
    Cable(app)
    return app


def test_a_process_is_ready_when_its_adapter_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus()
    browser = application(monkeypatch, bus).test_client()
    for live, lost, status, state in (
        (False, False, 503, "starting"),
        (True, False, 200, "live"),
        (False, True, 503, "lost"),
    ):
        bus.live, bus.lost = live, lost
        answer = browser.get("/cable/health")
        assert answer.status_code == status
        assert answer.json == {
            "live": True,
            "ready": live,
            "connections": 0,
            "draining": False,
            "pubsub": {"adapter": "redis", "state": state},
        }
        assert answer.headers["Cache-Control"] == "no-store"
        assert browser.get("/cable/health/live").status_code == 200


def test_without_a_server_it_is_ready_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    app = application(monkeypatch)
    client = CableClient(app)
    client.connect()
    answer = app.test_client().get("/cable/health")
    assert (answer.status_code, answer.json["connections"]) == (200, 1)  # type: ignore[index]
    assert answer.json["pubsub"] == {"adapter": "memory", "state": "live"}  # type: ignore[index]


def test_a_process_that_ends_is_not_ready_but_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    app = application(monkeypatch)
    app.extensions["cable"].runtime().drain.started = True
    browser = app.test_client()
    assert browser.get("/cable/health").status_code == 503
    assert browser.get("/cable/health").json["draining"] is True  # type: ignore[index]
    assert browser.get("/cable/health/live").json == {"live": True}


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({}, "/cable/health"),
        ({"CABLE_MOUNT_PATH": "/"}, "/health"),
        ({"CABLE_MOUNT_PATH": "/ws", "CABLE_HEALTH_PATH": "up"}, "/ws/up"),
        ({"CABLE_HEALTH_PATH": "/up"}, "/up"),
    ],
)
def test_where_it_is_told(monkeypatch: pytest.MonkeyPatch, config: dict[str, str], path: str) -> None:
    browser = application(monkeypatch, **config).test_client()
    assert browser.get(path).status_code == 200
    assert browser.get(f"{path}/live").status_code == 200


def test_it_need_not_be_told_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    browser = application(monkeypatch, CABLE_HEALTH_PATH=None).test_client()
    assert browser.get("/cable/health").status_code == 404


def test_it_says_nothing_that_is_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    text = application(monkeypatch, Bus()).test_client().get("/cable/health").text
    assert "example.com" not in text
