"""Cable: attaching to applications, registering, and reaching peers from anywhere."""

from __future__ import annotations

import gc
import sys
import weakref
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Blueprint, Flask, render_template_string, session

from flask_cable import Cable, Channel, Connection
from flask_cable.errors import ConfigError, EncodeError, NotReady
from flask_cable.pubsub import MemoryPubSub
from flask_cable.streams import JsonCoder
from flask_cable.testing import CableClient, HandshakeRefused


class ChatChannel(Channel):
    def subscribed(self) -> None:
        self.stream_from("chat")


@dataclass
class Room:
    id: int


def application(cable: Cable, name: str = "shop", **config: Any) -> Flask:
    app = Flask(name)
    app.config.update(SECRET_KEY="secret", CABLE_EXECUTOR="manual", **config)
    cable.init_app(app)
    return app


@pytest.fixture
def cable() -> Cable:
    cable = Cable()
    cable.channel(ChatChannel)
    return cable


# Attaching.


def test_an_application_may_be_given_at_once_or_later() -> None:
    at_once, later = Flask("one"), Flask("two")
    assert Cable(at_once) is at_once.extensions["cable"].cable
    cable = Cable()
    cable.init_app(later)
    assert later.extensions["cable"].cable is cable


def test_a_url_that_names_no_adapter_is_said_at_once() -> None:
    app = Flask("shop")
    app.config["CABLE_URL"] = "carrier-pigeon://coop"
    with pytest.raises(
        ConfigError, match="no pub/sub adapter is called 'carrier-pigeon'; there are memory://"
    ):
        Cable(app)
    Cable(app, pubsub=MemoryPubSub)  # which does not look at it


@pytest.mark.parametrize(
    ("url", "library", "extra"),
    [
        ("redis://localhost", "redis", "redis"),
        ("valkeys+sentinel://localhost/main", "redis", "redis"),
        ("postgresql://localhost/shop", "psycopg", "postgres"),
        ("nats://localhost", "nats", "nats"),
    ],
)
def test_a_library_that_is_missing_is_said_at_once_and_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, url: str, library: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    app = Flask("shop")
    app.config["CABLE_URL"] = url
    cure = rf"CABLE_URL: .* needs {library}.*: pip install 'Flask-Cable\[{extra}\]'"
    with pytest.raises(ConfigError, match=cure):
        Cable(app)


def test_an_application_has_one_cable() -> None:
    app = Flask("shop")
    cable = Cable(app)
    for other in (cable, Cable()):
        with pytest.raises(RuntimeError, match="call init_app once per application"):
            other.init_app(app)


def test_every_setting_has_its_default_and_keeps_what_was_set() -> None:
    app = application(Cable(), CABLE_MAX_CONNECTIONS=7)
    assert app.config["CABLE_MOUNT_PATH"] == "/cable"
    assert app.config["CABLE_MAX_CONNECTIONS"] == 7


def test_a_wrong_setting_is_found_at_start_up() -> None:
    for config in ({"CABLE_MOUNT_PATH": "cable"}, {"CABLE_MAX_CONNECTION": 7}):
        with pytest.raises(ConfigError):
            application(Cable(), **config)


def test_no_application_is_kept_alive(cable: Cable) -> None:
    app = application(cable)
    alive = weakref.ref(app)
    del app
    gc.collect()
    assert alive() is None
    with pytest.raises(NotReady, match=r"call cable\.init_app\(app\) first"):
        cable.broadcast("chat", 1)


def test_routes_and_blueprints_are_left_alone(cable: Cable) -> None:
    app = Flask("shop")
    app.config["CABLE_EXECUTOR"] = "manual"
    blueprint = Blueprint("pages", __name__)
    blueprint.add_url_rule("/page", "page", lambda: "a page")
    app.register_blueprint(blueprint)
    cable.init_app(app)
    app.add_url_rule("/later", "later", lambda: "later")
    browser = app.test_client()
    assert (browser.get("/page").text, browser.get("/later").text) == ("a page", "later")
    assert {rule.endpoint for rule in app.url_map.iter_rules()} == {
        *(
            "static",
            "pages.page",
            "later",
            "cable",
            "cable_http",
            "cable_script",
            "cable_health",
            "cable_live",
        ),
        *("cable_socket", "cable_socket_http"),
    }
    assert app.before_request_funcs == {}
    assert app.teardown_appcontext_funcs == []


def test_plain_http_on_the_route_is_told_what_it_is_for(cable: Cable) -> None:
    response = application(cable).test_client().get("/cable")
    assert response.status_code == 426
    assert response.headers["Upgrade"] == "websocket"
    assert response.mimetype == "text/plain"
    assert "@rails/actioncable" in response.text


def test_the_route_is_where_it_is_wanted(cable: Cable) -> None:
    app = application(cable, CABLE_MOUNT_PATH="/live/socket")
    assert CableClient(app).connect().welcomed
    assert app.test_client().get("/cable").status_code == 404
    with pytest.raises(HandshakeRefused) as caught:
        CableClient(app).connect("/cable")
    assert caught.value.status == 404


def test_before_request_functions_may_refuse(cable: Cable) -> None:
    app = application(cable)
    app.before_request(lambda: ("not today", 403))
    with pytest.raises(HandshakeRefused) as caught:
        CableClient(app).connect()
    assert (caught.value.status, caught.value.body) == (403, "not today")


def test_templates_and_the_command_line_know_it(cable: Cable) -> None:
    app = application(cable)
    with app.test_request_context():
        assert render_template_string("{{ cable_url() }}") == "/cable"
    assert "cable" in app.cli.commands


def test_gevent_websocket_is_told_the_subprotocol_of_each_route(cable: Cable) -> None:
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)
    cable.websocket("/ws/<int:number>", subprotocols=["news.v2", "news.v1"])
    cable.websocket("/ws/<int:number>", subprotocols=["below"], blueprint=inner)
    cable.websocket("/plain")
    app: Any = application(cable)
    outer.register_blueprint(inner, url_prefix="/inner")
    app.register_blueprint(outer, url_prefix="/outer")
    app.add_url_rule("/elsewhere", view_func=str)
    assert app.app_protocol("/cable") == "actioncable-v1-json"
    assert app.app_protocol("/ws/7") == "news.v2"
    assert app.app_protocol("/outer/inner/ws/7") == "below"
    for path in ("/plain", "/cable/socket", "/ws/x", "/elsewhere", "/nowhere", "//", ""):
        assert app.app_protocol(path) is None


# Registering.


def test_a_channel_is_registered_under_its_name_or_another() -> None:
    cable = Cable()

    @cable.channel
    class RoomChannel(Channel):
        pass

    @cable.channel("Admin::LogChannel")
    class LogChannel(Channel):
        pass

    assert cable.channels == {"RoomChannel": RoomChannel, "Admin::LogChannel": LogChannel}
    assert (RoomChannel.registered_as, LogChannel.registered_as) == ("RoomChannel", "Admin::LogChannel")
    assert LogChannel.channel_name() == "admin:log"


def test_what_is_no_channel_cannot_be_registered(cable: Cable) -> None:
    for wrong in (Channel, object, Connection, lambda: None, 7, None):
        with pytest.raises(
            ConfigError, match=r"@cable\.channel is for subclasses of Channel, and .* is none"
        ):
            cable.channel(wrong)
    with pytest.raises(ConfigError, match="and Chat is none"):
        cable.channel("Chat")(object)
    assert list(cable.channels) == ["ChatChannel"]


def test_two_channels_cannot_have_one_name(cable: Cable) -> None:
    class OtherChannel(Channel):
        pass

    with pytest.raises(ConfigError, match=r"registered as 'ChatChannel' already: .*\.ChatChannel"):
        cable.channel("ChatChannel")(OtherChannel)


def test_a_module_that_is_loaded_again_registers_again(cable: Cable) -> None:
    again = type(
        "ChatChannel", (Channel,), {"__module__": ChatChannel.__module__, "__qualname__": "ChatChannel"}
    )
    assert cable.channel(again) is again
    assert cable.channels == {"ChatChannel": again}


def test_the_connection_class_is_what_every_peer_becomes(cable: Cable) -> None:
    @cable.connection
    class Mine(Connection):
        pass

    assert type(CableClient(application(cable)).connect().connection) is Mine
    for wrong in (object, Channel, 7, None):
        with pytest.raises(ConfigError, match=r"@cable\.connection is for a subclass of Connection"):
            cable.connection(wrong)


def test_one_function_may_say_who_it_is(cable: Cable) -> None:
    @cable.identify
    def current_user() -> Any:
        return session.get("user")

    with application(cable).test_request_context():
        assert current_user() is None
    client = CableClient(application(cable, "other"))
    client.assert_reject_connection()
    for user in (7, 0, "", False):
        with client.http.session_transaction() as stored:
            stored["user"] = user
        connection = client.connect().connection
        assert (connection.current_user, connection.identified_by) == (user, ("current_user",))


# From anywhere.


def heard(client: CableClient) -> Any:
    return client.connect().subscribe("ChatChannel")


def test_a_broadcast_needs_no_context(cable: Cable) -> None:
    subscription = heard(CableClient(application(cable)))
    cable.broadcast("chat", {"text": "hi"})
    assert subscription.transmissions == [{"text": "hi"}]


def test_a_broadcast_may_leave_one_out_and_bring_its_coder(cable: Cable) -> None:
    client = CableClient(application(cable))
    one, other = heard(client), heard(client)
    cable.broadcast("chat", 1, exclude=one.connection.connection)
    cable.broadcast("chat", 2, exclude=other.channel)
    cable.broadcast("chat", {"b": 3, "a": 3}, coder=JsonCoder())
    assert (one.transmissions, other.transmissions) == ([2, {"b": 3, "a": 3}], [1, {"b": 3, "a": 3}])


def test_a_stream_may_be_named_by_a_model(cable: Cable) -> None:
    class RoomChannel(Channel):
        def subscribed(self) -> None:
            self.stream_from(Room(7))

    cable.channel(RoomChannel)
    subscription = CableClient(application(cable)).connect().subscribe(RoomChannel)
    cable.broadcast(Room(7), "hi")
    cable.broadcast(Room(8), "no")
    assert subscription.transmissions == ["hi"]


def test_what_cannot_be_sent_is_sent_to_nobody(cable: Cable) -> None:
    subscription = heard(CableClient(application(cable)))
    with pytest.raises(EncodeError, match="set"):
        cable.broadcast("chat", {"text": {1, 2}})
    with pytest.raises(ValueError, match="blank"):
        cable.broadcast("", 1)
    assert subscription.transmissions == []


def test_without_an_application_there_is_nobody_to_reach() -> None:
    cable = Cable()
    for call in (lambda: cable.broadcast("chat", 1), lambda: cable.connections, cable.restart):
        with pytest.raises(NotReady, match=r"call cable\.init_app\(app\) first"):
            call()


def test_of_several_applications_the_current_one_is_meant(cable: Cable) -> None:
    one, other = application(cable, "one"), application(cable, "other")
    subscriptions = heard(CableClient(one)), heard(CableClient(other))
    with pytest.raises(NotReady, match=r"with app\.app_context\(\)"):
        cable.broadcast("chat", 1)
    for number, app in ((2, one), (3, other)):
        with app.app_context():
            cable.broadcast("chat", number)
            assert len(cable.connections) == 1
    assert [subscription.transmissions for subscription in subscriptions] == [[2], [3]]


def test_the_context_of_an_application_without_it_says_nothing(cable: Cable) -> None:
    subscription = heard(CableClient(application(cable)))
    with Flask("stranger").app_context():
        cable.broadcast("chat", 1)
    assert subscription.transmissions == [1]


def test_two_cables_may_live_in_one_process() -> None:
    first, second = Cable(), Cable()
    first.channel("ChatChannel")(type("One", (ChatChannel,), {}))
    second.channel("ChatChannel")(type("Other", (ChatChannel,), {}))
    subscriptions = heard(CableClient(application(first))), heard(CableClient(application(second)))
    first.broadcast("chat", 1)
    assert [subscription.transmissions for subscription in subscriptions] == [[1], []]


def test_connections_are_this_processs_live_ones(cable: Cable) -> None:
    client = CableClient(application(cable))
    one, other = client.connect(), client.connect()
    assert dict(cable.connections) == {1: one.connection, 2: other.connection}
    one.close()
    assert dict(cable.connections) == {2: other.connection}
    assert client.connect().connection.id == 3


def test_a_restart_sends_everybody_back(cable: Cable) -> None:
    client = CableClient(application(cable))
    peers = client.connect(), client.connect()
    cable.restart()
    for peer in peers:
        assert peer.disconnect_message == {
            "type": "disconnect",
            "reason": "server_restart",
            "reconnect": True,
        }
        assert peer.closed_with is not None
    assert dict(cable.connections) == {}
    assert client.connect().welcomed


# Signed names and refreshes.


def test_a_stream_is_signed_by_the_name_that_it_has(cable: Cable) -> None:
    app = application(cable)
    signed = cable.signed_stream_name(Room(7))
    assert app.extensions["cable"].verifier.verified(signed) == "Room:7"
    assert cable.signed_stream_name("a", Room(7)) == cable.signed_stream_name(["a", Room(7)])
    with pytest.raises(ValueError, match="at least one part"):
        cable.signed_stream_name()


def test_each_application_signs_with_its_own_secret(cable: Cable) -> None:
    one, two = application(cable, "one"), application(cable, "two", CABLE_SECRET="another")
    with pytest.raises(NotReady):
        cable.signed_stream_name("x")
    with one.app_context():
        first = cable.signed_stream_name("x")
    with two.app_context():
        assert cable.signed_stream_name("x") != first


def test_a_new_runtime_has_the_secret_of_then(cable: Cable) -> None:
    app = application(cable)
    first = cable.signed_stream_name("x")
    app.secret_key = "new"
    app.extensions["cable"].reset()
    assert cable.signed_stream_name("x") != first


def test_refreshes_become_one_for_each_stream_and_request(cable: Cable) -> None:
    app = application(cable)
    client = CableClient(app)
    for request_id in ("a", "a", "b", None):
        with app.test_request_context(headers={"X-Turbo-Request-Id": request_id} if request_id else {}):
            cable.broadcast_refresh(Room(7), method="morph")
    cable.broadcast_refresh("other", scroll="preserve")
    client.advance_time(0.4)
    assert client.broadcasts(Room(7)) == []
    client.advance_time(0.1)
    refresh = {"action": "refresh", "method": "morph"}
    assert client.broadcasts(Room(7)) == [
        {**refresh, "request-id": "a"},
        {**refresh, "request-id": "b"},
        refresh,
    ]
    assert client.broadcasts("other") == [{"action": "refresh", "scroll": "preserve"}]


def test_how_long_refreshes_wait_is_a_setting(cable: Cable) -> None:
    client = CableClient(application(cable, CABLE_REFRESH_DELAY=2))
    cable.broadcast_refresh("x")
    client.advance_time(1.9)
    assert client.broadcasts("x") == []
    client.advance_time(0.1)
    assert client.broadcasts("x") == [{"action": "refresh"}]


def test_a_wrong_refresh_is_refused_at_once(cable: Cable) -> None:
    application(cable)
    with pytest.raises(ValueError, match="method is morph or replace"):
        cable.broadcast_refresh("x", method="reload")


# Sockets of pages.


@pytest.mark.parametrize("action", ["", "ping", "call-route", None, 7, len])
def test_an_action_is_a_name_that_nobody_has(cable: Cable, action: Any) -> None:
    with pytest.raises(ConfigError, match="needs an action"):
        cable.handler(action)


@pytest.mark.parametrize("event", ["", "open", None])
def test_pages_join_and_leave_and_nothing_else(cable: Cable, event: Any) -> None:
    with pytest.raises(ConfigError, match="knows join, leave"):
        cable.on(event)


def test_what_handles_is_a_function(cable: Cable) -> None:
    for register in (cable.handler("greet"), cable.on("join")):
        with pytest.raises(ConfigError, match="is for functions"):
            register("greet")  # type: ignore[type-var]


def test_what_was_registered_is_still_itself(cable: Cable) -> None:
    def greet(*_: Any) -> None:
        """Does nothing."""

    assert cable.handler("greet")(greet) is greet
    assert cable.on("leave")(greet) is greet


def test_a_push_needs_an_application(cable: Cable) -> None:
    with pytest.raises(NotReady):
        cable.push(1, "news")
    with pytest.raises(NotReady):
        cable.push_to("digest", 1, "news")


def test_a_push_needs_no_context(cable: Cable) -> None:
    app = application(cable)
    cable.push(1, "news", Room(7))
    cable.push_to("digest", 1, Room(7))
    with pytest.raises(EncodeError):
        cable.push(object(), "news")
    log = app.extensions["cable"].pages.ledger.missed("flask_cable/page@digest", 0)
    assert [line.text for line in log] == ['"Room:7"\n1']
