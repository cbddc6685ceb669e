"""One application in one process: made late, anew after a fork, of its settings; what an outage does."""

from __future__ import annotations

import logging
import os
import socket
import threading
from typing import Any

import pytest
from flask import Flask, current_app
from support.shop import Shop

from flask_cable import Cable, Channel, signals
from flask_cable.core.executor import ManualExecutor
from flask_cable.errors import BusError, ConfigError
from flask_cable.executors import ThreadExecutor
from flask_cable.pubsub import MemoryPubSub, Watcher
from flask_cable.runtime import Runtime
from flask_cable.testing import HandshakeRefused

# Made late.


def test_nothing_is_made_before_the_first_use() -> None:
    app = Flask("shop")
    Cable(app)
    state = app.extensions["cable"]
    assert state._runtime is None
    assert state.runtime() is state.runtime()
    assert type(state.runtime()) is Runtime
    state.reset()


def test_a_process_that_was_forked_makes_it_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop()
    before = shop.runtime
    monkeypatch.setattr(os, "getpid", lambda: -1)
    after = shop.runtime
    assert after is not before
    assert after.hub.node != before.hub.node
    assert shop.runtime is after


def test_a_reset_makes_it_anew_with_the_settings_of_then() -> None:
    shop = Shop()
    before = shop.runtime
    shop.app.config.update(CABLE_SECRET="old")
    keys = shop.state.page_key, shop.state.verifier.sign("x")
    shop.app.config.update(CABLE_MAX_CONNECTIONS=7, CABLE_SECRET="new")
    assert shop.runtime.config.max_connections == 10_000
    assert (shop.state.page_key, shop.state.verifier.sign("x")) == keys
    shop.state.reset()
    assert shop.runtime is not before
    assert shop.runtime.config.max_connections == 7
    assert shop.state.page_key != keys[0]
    assert shop.state.verifier.sign("x") != keys[1]


def test_threads_that_come_at_once_get_the_same() -> None:
    shop = Shop()
    shop.state.reset()
    found: list[Runtime] = []
    start = threading.Barrier(8)

    def look() -> None:
        start.wait(5)
        found.append(shop.state.runtime())

    threads = [threading.Thread(target=look, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_one_line_says_what_was_chosen(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "flask_cable")
    runtime = Shop().runtime
    assert isinstance(runtime.executor, ManualExecutor)
    assert isinstance(runtime.hub.bus, MemoryPubSub)
    assert [record.getMessage() for record in caplog.records] == ["manual executor, memory pub/sub"]


def test_the_servers_socket_decides_on_the_executor() -> None:
    app = Flask("shop")
    Cable(app)
    with socket.socket() as sock:
        executor = app.extensions["cable"].runtime(sock).executor
    assert type(executor) is ThreadExecutor
    app.extensions["cable"].reset()
    executor.stop()


def test_an_adapter_that_cannot_be_made_is_found_at_the_first_use() -> None:
    def fail() -> MemoryPubSub:
        raise ConfigError("no such server")

    app = Flask("shop")
    app.config.update(CABLE_EXECUTOR="threads")
    Cable(app, pubsub=fail)
    with pytest.raises(ConfigError, match="no such server"):
        app.extensions["cable"].runtime()


def test_settings_reach_who_obeys_them() -> None:
    runtime = Shop(
        CABLE_INBOX_MESSAGES=11,
        CABLE_MESSAGES_PER_SECOND=12,
        CABLE_MESSAGES_BURST=13,
        CABLE_MAX_SUBSCRIPTIONS=14,
        CABLE_MAX_STREAMS=15,
        CABLE_MAX_IDENTIFIER_BYTES=16,
        CABLE_MAX_MESSAGE_BYTES=17,
        CABLE_OUTBOX_BYTES=18,
        CABLE_OUTBOX_MESSAGES=19,
        CABLE_CLOSE_TIMEOUT=20,
        CABLE_STALE_AFTER=21,
        CABLE_INBOX_BYTES=22,
    ).runtime
    assert (runtime.handler.inbox_limit, runtime.handler.inbox_bytes) == (11, 22)
    assert runtime.handler.rate == (12, 13)
    assert runtime.handler.limits == (14, 15, 16)
    assert runtime.mount(runtime.cable.channels_route).limits._asdict() == {
        "message": 17,
        "outbox": 18,
        "outbox_messages": 19,
        "close_timeout": 20,
        "stale_after": 21,
    }
    assert len(runtime.handler.watches) == 2
    assert len(Shop(CABLE_IDLE_TIMEOUT=60).runtime.handler.watches) == 3


# Contexts.


def test_work_has_a_fresh_application_context_and_nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    class EchoChannel(Channel):
        def echo(self, data: Any) -> None:
            from flask import current_app, g

            assert not hasattr(g, "seen")
            g.seen = True
            self.transmit(current_app.name)

    shop = Shop()
    shop.cable.channel(EchoChannel)
    shop.app.teardown_appcontext(lambda error: ended.append("ended"))
    peer = shop.client.connect()
    subscription = peer.subscribe(EchoChannel)
    ended.clear()
    subscription.perform("echo")
    subscription.perform("echo")
    assert subscription.transmissions == ["shop", "shop"]
    assert ended == ["ended", "ended"]


# Outages.


class Shaky(MemoryPubSub):
    """An adapter whose server comes and goes as the test says."""

    name = "shaky://server"
    watcher: Watcher
    is_lost = False
    stopped = 0

    def watch(self, watcher: Watcher) -> None:
        self.watcher = watcher

    def stop(self) -> None:
        self.stopped += 1


def test_in_an_outage_nobody_is_let_in_and_who_was_there_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus = Shaky()
    monkeypatch.setattr("flask_cable.runtime.open_pubsub", lambda url, options: bus)
    shop = Shop()
    peer = shop.client.connect()
    told: list[Any] = []
    for signal in (signals.backend_lost, signals.backend_restored):
        signal.connect(lambda sender, **moment: told.append((current_app.name, moment)), weak=False)
    try:
        bus.is_lost = True
        bus.watcher.lost(BusError("cut"))
        refused = shop.client.assert_reject_connection(status=503)
        assert isinstance(refused, HandshakeRefused)
        assert refused.response.headers["Retry-After"] == "5"
        assert not peer.closed
        bus.is_lost = False
        bus.watcher.restored(7.5)
    finally:
        for signal in (signals.backend_lost, signals.backend_restored):
            for receiver in list(signal.receivers_for(shop.app)):
                signal.disconnect(receiver)
    assert [moment for _, moment in told] == [
        {"adapter": "shaky://server", "error": told[0][1]["error"]},
        {"adapter": "shaky://server", "seconds": 7.5},
    ]
    assert told[0][0] == shop.app.name
    assert shop.client.connect().welcomed
    shop.app.extensions["cable"].reset()
    assert bus.stopped == 1


def test_a_cable_may_bring_its_own_adapter_made_in_each_process() -> None:
    made: list[Shaky] = []

    def make() -> Shaky:
        made.append(Shaky())
        return made[-1]

    one = Shaky()
    ways: list[Any] = [make, one]
    for given in ways:
        app = Flask("shop")
        app.config.update(SECRET_KEY="secret", CABLE_EXECUTOR="threads", CABLE_URL="redis://never.asked:1")
        Cable(app, pubsub=given)
        state = app.extensions["cable"]
        assert state.runtime().bus is (made[-1] if given is make else one)
        runtime = state.runtime()
        state.reset()
        runtime.executor.stop()
    assert len(made) == 1


def test_a_refresh_that_cannot_be_broadcast_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop()

    def fail(*args: object) -> None:
        raise ConnectionError("down")

    monkeypatch.setattr(shop.runtime.handler, "broadcast", fail)
    shop.cable.broadcast_refresh("orders")
    shop.runtime.refreshes.flush()
    assert "a refresh of 'orders' was not broadcast" in caplog.text


def test_handlers_are_told_of_the_end_while_they_can_still_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    shop, log = Shop(), list[str]()
    monkeypatch.setattr(type(shop.runtime.handler), "stop", lambda self: log.append("handler"))
    monkeypatch.setattr(shop.runtime.bus, "stop", lambda: log.append("bus"))
    shop.runtime.stop()
    assert log == ["handler", "bus"]
