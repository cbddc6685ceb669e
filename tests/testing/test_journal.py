"""An application under test: alone, and itself again afterwards."""

import gc

import pytest
from flask import Flask, g
from support.apps.rooms import RoomChannel, make_app

from flask_cable import Cable
from flask_cable.errors import NotReady
from flask_cable.testing import CableClient


class TestIsolation:
    def test_each_block_starts_afresh(self, app):
        for _ in range(2):
            with CableClient(app) as client:
                connection = client.connect()
                assert connection.connection.id == 1
                room = connection.subscribe(RoomChannel, room=1)
                room.perform("say", text="hi")
                assert len(client.broadcasts("room:1")) == len(room.transmissions) == 1

    def test_a_client_that_nobody_holds_is_closed(self, app):
        subscription = CableClient(app).connect().subscribe(RoomChannel, room=1)
        gc.collect()
        assert "cable_testing" in app.extensions
        CableClient(app)
        assert "cable_testing" in app.extensions
        assert subscription.confirmed
        del subscription
        gc.collect()
        assert "cable_testing" not in app.extensions
        assert app.config["CABLE_EXECUTOR"] == "auto"
        assert CableClient(app).connect().connection.id == 1

    def test_applications_that_are_not_under_test_stand_aside(self):
        cable = Cable()
        apps = [Flask(f"app{number}") for number in range(3)]
        for app in apps:
            cable.init_app(app)
        with CableClient(apps[1]) as first:
            cable.broadcast("x", 1)
            with CableClient(apps[2]) as second:
                with pytest.raises(NotReady, match="several applications"):
                    cable.broadcast("x", 2)
                with apps[2].app_context():
                    cable.broadcast("x", 3)
            assert (first.broadcasts("x"), second.broadcasts("x")) == ([1], [3])
        with pytest.raises(NotReady, match="several applications"):
            cable.broadcast("x", 4)

    def test_no_hook_runs_at_the_end(self, app):
        heard = []
        with CableClient(app) as client:
            client.connect().subscribe(RoomChannel, room=1).channel.unsubscribed = lambda: heard.append(1)
        assert heard == []

    def test_nor_at_the_end_of_the_process(self, app, monkeypatch):
        heard, at_exit = [], []
        monkeypatch.setattr("atexit.register", lambda *call: at_exit.append(call))
        with CableClient(app) as client:
            subscription = client.connect().subscribe(RoomChannel, room=1)
            subscription.channel.unsubscribed = lambda: heard.append(1)
        for function, *args in at_exit:
            function(*args)
        assert heard == []

    def test_the_applications_own_settings_come_back(self):
        app = make_app(CABLE_EXECUTOR="threads")
        with CableClient(app):
            assert app.config["CABLE_EXECUTOR"] == "manual"
        assert app.config["CABLE_EXECUTOR"] == "threads"
        assert "cable_testing" not in app.extensions

    def test_a_runtime_that_was_made_to_serve_makes_way(self):
        app = make_app(CABLE_EXECUTOR="threads")
        serving = app.extensions["cable"].runtime()
        with CableClient(app) as client:
            assert app.extensions["cable"].runtime() is not serving
            assert client.connect().welcomed

    def test_a_manual_one_stays(self):
        app = make_app(CABLE_EXECUTOR="manual")
        runtime = app.extensions["cable"].runtime()
        with CableClient(app):
            assert app.extensions["cable"].runtime() is runtime

    def test_a_closed_client_says_so(self, app):
        first, second = CableClient(app), CableClient(app)
        first.close()
        first.close()
        with pytest.raises(NotReady, match="was closed: make a new one"):
            second.connect()
        second.close()
        assert CableClient(app).connect().welcomed

    def test_no_context_is_left_behind(self, app, room):
        room.perform("say", text="hi")
        with pytest.raises(RuntimeError, match="context"):
            g.anything  # noqa: B018
