"""The cable's own route: everybody is let in, and those who are refused hear why in the protocol's words."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_cable import Cable, Connection
from flask_cable.testing import CableClient


def make(connect) -> CableClient:
    app = Flask("shop")
    app.config["CABLE_EXECUTOR"] = "manual"
    cable = Cable(app)
    cable.connection(type("Mine", (Connection,), {"connect": connect}))
    return CableClient(app, raise_server_exceptions=False)


def test_who_is_refused_is_let_in_to_be_told() -> None:
    peer = make(lambda self: self.reject_unauthorized_connection()).connect()
    assert [message["reason"] for message in peer.transmissions] == ["unauthorized"]
    assert peer.closed_with[0] == 1000


def test_whom_connect_fails_for_is_closed() -> None:
    peer = make(lambda self: 1 / 0).connect()
    assert (peer.transmissions, peer.closed_with) == ([], (1011, "internal error"))


@pytest.mark.parametrize("method", ["get", "head"])
def test_plain_http_is_told_what_to_use(method: str) -> None:
    answer = getattr(make(lambda self: None).app.test_client(), method)("/cable")
    assert (answer.status_code, answer.headers["Upgrade"]) == (426, "websocket")
    assert method == "head" or "@rails/actioncable" in answer.text
