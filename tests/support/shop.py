"""An application with a cable and a browser, for tests of the handshake and of a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_cable import Cable, Connection
from flask_cable.runtime import CableState, Runtime
from flask_cable.testing import CableClient, CableConnection, HandshakeRefused


class Shop:
    """An application, its cable and a browser."""

    def __init__(self, connection: type[Connection] | None = None, **config: Any) -> None:
        self.app = Flask("shop")
        self.app.secret_key = "secret"
        self.app.config.update(CABLE_EXECUTOR="manual", **config)
        self.cable = Cable(self.app)
        if connection is not None:
            self.cable.connection(connection)
        self.client = CableClient(self.app, raise_server_exceptions=False)

    @property
    def state(self) -> CableState:
        state: CableState = self.app.extensions["cable"]
        return state

    @property
    def runtime(self) -> Runtime:
        return self.state.runtime()

    def refused(self, **options: Any) -> HandshakeRefused:
        with pytest.raises(HandshakeRefused) as caught:
            self.client.connect(**options)
        assert self.runtime.registry.taken == 0 or "CABLE_MAX_CONNECTIONS" in self.app.config
        return caught.value


def connecting(hook: Callable[[Connection], object], **config: Any) -> tuple[Shop, CableConnection]:
    """Connect to an application whose ``connect`` is ``hook``."""
    kind = type("Mine", (Connection,), {"connect": lambda self: hook(self), "identified_by": ("user",)})
    shop = Shop(kind, **config)
    return shop, shop.client.connect()


def nobody_is_left(shop: Shop) -> bool:
    return (dict(shop.cable.connections), shop.runtime.registry.taken) == ({}, 0)
