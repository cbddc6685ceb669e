"""The test client: what it tells of the cable, and what its failures say."""

import uuid
import warnings

import pytest
from flask import Flask, abort
from support.apps.rooms import AppConnection, BrokenChannel, RoomChannel, make_app
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_cable import JsonCoder
from flask_cable.errors import EncodeError, NotReady, UnknownAction
from flask_cable.testing import CableClient, HandshakeRefused


class TestConnecting:
    def test_a_connection_is_welcomed(self, client):
        connection = client.connect()
        assert connection.welcomed
        assert not connection.rejected
        assert not connection.closed
        assert connection.closed_with is None
        assert connection.disconnect_message is None
        assert connection.transmissions == connection.frames == [{"type": "welcome"}]

    def test_the_servers_connection_is_at_hand(self, app, client):
        connection = client.connect()
        assert isinstance(connection.connection, AppConnection)
        assert app.extensions["cable"].cable.connections[connection.connection.id] is connection.connection

    def test_cookies_are_shared_with_flasks_test_client(self, app):
        http = app.test_client()
        http.post("/login/ann")
        assert CableClient(app, client=http).connect().connection.user == "ann"
        assert CableClient(app).connect().connection.user == "nobody"

    def test_so_is_a_session_that_a_test_writes(self, client):
        with client.http.session_transaction() as session:
            session["user"] = "bob"
        assert client.connect().connection.user == "bob"

    def test_a_cookie_of_the_handshakes_answer_is_kept(self, app, client):
        @app.after_request
        def set_cookie(response):
            response.set_cookie("seen", "yes")
            return response

        assert client.connect().response.headers["Set-Cookie"].startswith("seen=yes")
        assert client.http.get_cookie("seen").value == "yes"
        assert client.connect().connection.request.cookies["seen"] == "yes"

    def test_headers_and_query_string(self, client):
        request = client.connect(headers={"X-Token": "t"}, query_string={"a": "1"}).connection.request
        assert request.headers["X-Token"] == "t"
        assert request.args["a"] == "1"
        assert client.connect("/cable?b=2").connection.request.args["b"] == "2"

    def test_the_origin_is_the_applications_own_wherever_it_is(self, client):
        for base_url in (None, "https://example.com", "http://[::1]:8000"):
            assert client.connect(base_url=base_url).welcomed
        app = make_app(SERVER_NAME="example.org", PREFERRED_URL_SCHEME="https", APPLICATION_ROOT="/root")
        request = CableClient(app).connect().connection.request
        assert request.headers["Origin"] == "https://example.org"
        assert request.root_path == "/root"

    def test_the_mount_path_is_known(self):
        assert CableClient(make_app(CABLE_MOUNT_PATH="/live")).connect().welcomed

    def test_subprotocols(self, client):
        assert client.connect().subprotocol == "flask-cable-v1-json"
        assert client.connect(subprotocols=["actioncable-v1-json"]).subprotocol == "actioncable-v1-json"
        assert client.connect(subprotocols=["unknown"]).subprotocol is None
        assert client.connect(subprotocols=()).connection.handshake.offered == ()

    def test_before_request_runs(self, app, client):
        @app.before_request
        def refuse():
            abort(401, "who are you?")

        with pytest.raises(HandshakeRefused, match=r"(?s)401 UNAUTHORIZED.*who are you"):
            client.connect()

    def test_middleware_runs(self, app, client):
        app.wsgi_app = ProxyFix(app.wsgi_app, x_host=1, x_proto=1)
        forwarded = {"X-Forwarded-Host": "example.com", "X-Forwarded-Proto": "https"}
        assert client.connect(headers=forwarded, origin="https://example.com").welcomed

    @pytest.mark.parametrize(
        ("options", "status", "body"),
        [
            ({"origin": "https://evil.example"}, 403, "origin may not"),
            ({"origin": None}, 403, "origin may not"),
            ({"path": "/elsewhere"}, 404, "Not Found"),
            ({"headers": {"Upgrade": ""}}, 426, "speaks WebSocket"),
            ({"headers": {"Sec-WebSocket-Version": "8"}}, 426, "version 13"),
        ],
    )
    def test_an_http_refusal_is_raised_and_tells_all(self, client, options, status, body):
        with pytest.raises(HandshakeRefused, match=f"answered with {status}") as caught:
            client.connect(**options)
        assert caught.value.status == caught.value.response.status_code == status
        assert body in caught.value.body
        assert body in str(caught.value)

    def test_inside_a_block_of_flasks_test_client(self, client):
        with client.http:
            assert client.connect().subscribe(RoomChannel, room=1).confirmed


class TestRejection:
    def test_is_seen_on_the_connection(self, client):
        client.http.post("/login/banned")
        connection = client.connect()
        assert connection.rejected
        assert not connection.welcomed
        assert connection.closed_with == (1000, "")
        assert connection.disconnect_message == {
            "type": "disconnect",
            "reason": "unauthorized",
            "reconnect": False,
        }

    def test_may_be_asserted(self, client):
        client.http.post("/login/banned")
        assert client.assert_reject_connection().rejected

    def test_by_http_may_be_asserted(self, client):
        refused = client.assert_reject_connection(status=403, origin="https://evil.example")
        assert "origin may not connect" in refused.body

    @pytest.mark.parametrize("status", [None, 403])
    def test_a_welcome_is_a_failure(self, client, status):
        with pytest.raises(AssertionError, match="but the connection was accepted"):
            client.assert_reject_connection(status=status)

    @pytest.mark.parametrize("status", [None, 403])
    def test_another_status_is_a_failure(self, client, status):
        with pytest.raises(AssertionError, match="but the handshake was answered with 404 NOT FOUND"):
            client.assert_reject_connection("/elsewhere", status=status)

    def test_by_connect_is_no_status(self, client):
        client.http.post("/login/banned")
        with pytest.raises(
            AssertionError, match="expected HTTP 403, but the connection was refused by `conn"
        ):
            client.assert_reject_connection(status=403)

    def test_an_error_in_connect_is_no_rejection(self, app):
        client = CableClient(app, raise_server_exceptions=False)
        with pytest.raises(AssertionError, match=r"closed with \(1011"):
            client.assert_reject_connection("/cable?explode")

    def test_a_rejected_connection_says_so_when_used(self, client):
        client.http.post("/login/banned")
        with pytest.raises(AssertionError, match="cannot send: the connection was refused by `connect`"):
            client.connect().subscribe(RoomChannel, room=1)


def say(room, *texts):
    for text in texts:
        room.perform("say", text=text)


class TestBroadcasts:
    def test_the_number_inside_the_block_counts(self, client, room):
        room.perform("say", text="before")
        with client.assert_broadcasts("room:1", 2) as messages:
            say(room, "one", "two")
        assert [message["text"] for message in messages] == ["one", "two"]

    def test_without_a_number_one_will_do(self, client, room):
        with client.assert_broadcasts("room:1"):
            room.perform("say", text="hi")

    @pytest.mark.parametrize(("n", "said"), [(1, "1"), (3, "3"), (0, "0")])
    def test_another_number_is_a_failure_that_lists_them(self, client, room, n, said):
        expected = f"expected {said} broadcasts to 'room:1', got 2: \n  .*'one'.*\n  .*'two'"
        with pytest.raises(AssertionError, match=expected), client.assert_broadcasts("room:1", n):
            say(room, "one", "two")

    def test_none_is_a_failure(self, client):
        expected = "expected at least 1 broadcasts to 'room:1', got 0: none"
        with pytest.raises(AssertionError, match=expected), client.assert_broadcasts("room:1"):
            pass

    def test_none_may_be_wanted(self, client, room):
        with client.assert_no_broadcasts("room:2"):
            room.perform("say", text="hi")
        with pytest.raises(AssertionError, match="expected 0"), client.assert_no_broadcasts("room:1"):
            room.perform("say", text="hi")

    def test_an_error_inside_the_block_is_not_hidden(self, client):
        with pytest.raises(LookupError), client.assert_broadcasts("room:1", 1):
            raise LookupError

    def test_without_a_block_nothing_is_checked_and_that_is_said(self, client):
        with pytest.warns(RuntimeWarning, match="nothing was checked: write `with "):
            client.assert_broadcasts("room:1", 1)

    def test_with_a_block_nothing_is_said(self, client):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with client.assert_no_broadcasts("room:1"):
                pass

    def test_they_are_captured_as_they_come(self, client, room):
        with client.capture_broadcasts("room:1") as messages:
            assert messages == []
            room.perform("say", text="one")
            assert len(messages) == 1
        room.perform("say", text="two")
        assert messages == [{"from": "nobody", "text": "one"}]

    def test_one_may_be_looked_for_afterwards(self, app, client):
        number = uuid.UUID(int=7)
        app.extensions["cable"].cable.broadcast("x", {"number": number})
        client.assert_broadcast_on("x", {"number": number})
        client.assert_broadcast_on("x", {"number": str(number)})
        assert client.broadcasts("x") == [{"number": str(number)}]
        assert client.broadcasts("y") == []

    def test_when_it_is_not_there_the_failure_says_what_is(self, app, client):
        cable = app.extensions["cable"].cable
        cable.broadcast("x", 1)
        cable.broadcast("y", 2)
        with pytest.raises(AssertionError) as caught:
            client.assert_broadcast_on("x", 2)
        assert str(caught.value) == (
            "not broadcast to 'x': 2\nbroadcast there: \n  1\nother streams that were broadcast to: \n  'y'"
        )

    def test_models_name_streams_here_too(self, app, client):
        post = type("Post", (), {"id": 7})()
        with client.assert_broadcasts(post, 1):
            app.extensions["cable"].cable.broadcast(post, "x")
        client.assert_broadcast_on(post, "x")
        client.assert_broadcast_on("Post:7", "x")

    def test_a_coders_text_is_decoded_where_it_is_json(self, app, client):
        class Shout:
            @staticmethod
            def encode(value):
                return f"{value}!"

        cable = app.extensions["cable"].cable
        cable.broadcast("x", "hey", coder=Shout)
        cable.broadcast("x", {"a": 1}, coder=JsonCoder)
        assert client.broadcasts("x") == ["hey!", {"a": 1}]

    def test_a_client_knows_what_was_broadcast_since_it_was_made(self, app, client):
        app.extensions["cable"].cable.broadcast("x", 1)
        late = CableClient(app)
        app.extensions["cable"].cable.broadcast("x", 2)
        assert client.broadcasts("x") == [1, 2]
        assert late.broadcasts("x") == [2]


class TestTime:
    def test_timers_fire_when_time_is_moved(self, client, room):
        client.advance_time(9.9)
        assert room.transmissions == []
        client.advance_time(20.2)
        assert room.transmissions == ["tick"] * 3

    def test_pings_are_frames_and_no_transmissions(self, client, connection):
        client.advance_time(30)
        pings = [frame for frame in connection.frames if frame["type"] == "ping"]
        assert len(pings) == 10
        assert connection.transmissions == [{"type": "welcome"}]


def break_unseen(client):
    """Let a stream callback raise where no call of the client's sees it."""
    client.connect().subscribe(BrokenChannel)
    client.app.extensions["cable"].cable.broadcast("broken", 1)
    return 0


class TestServerErrors:
    def test_of_subscribed_are_raised_by_subscribe(self, connection):
        with pytest.raises(LookupError, match="subscribed"):
            connection.subscribe(BrokenChannel, broken=True)

    def test_of_actions_are_raised_by_perform(self, connection):
        broken = connection.subscribe(BrokenChannel)
        with pytest.raises(LookupError, match="act"):
            broken.perform("act")
        broken.perform("answered")
        assert broken.transmissions == ["answered"]

    def test_of_unsubscribed_are_raised_by_the_end(self, connection):
        with pytest.raises(LookupError, match="unsubscribed"):
            connection.subscribe(BrokenChannel).unsubscribe()
        connection.subscribe(BrokenChannel)
        with pytest.raises(LookupError, match="unsubscribed"):
            connection.close()

    def test_of_timers_are_raised_when_time_is_moved(self, client, connection):
        connection.subscribe(BrokenChannel)
        with pytest.raises(LookupError, match="tick"):
            client.advance_time(1)

    def test_of_callbacks_are_raised_by_whoever_caused_them(self, app, connection, room):
        connection.subscribe(BrokenChannel)
        app.extensions["cable"].cable.broadcast("broken", 1)
        with pytest.raises(LookupError, match="hear 1"):
            room.perform("say", text="next")
        assert len(room.transmissions) == 1

    def test_of_connect_are_raised_by_connect(self, client):
        with pytest.raises(ZeroDivisionError):
            client.connect("/cable?explode")

    def test_are_raised_once(self, client, connection):
        broken = connection.subscribe(BrokenChannel)
        with pytest.raises(LookupError):
            broken.perform("act")
        client.settle()
        assert [str(error) for error in connection.errors] == ["act"]

    def test_are_raised_in_the_client_that_caused_them(self, app, client, connection):
        connection.subscribe(BrokenChannel)
        other = CableClient(app)
        speaker = other.connect().subscribe(RoomChannel, room=1)
        speaker.channel.broadcast_to("broken", 1)
        with pytest.raises(LookupError):
            other.settle()
        client.settle()

    def test_may_be_left_to_the_log(self, app, caplog):
        connection = CableClient(app, raise_server_exceptions=False).connect()
        broken = connection.subscribe(BrokenChannel)
        broken.perform("act")
        assert "LookupError: act" in caplog.text
        assert [str(error) for error in connection.errors] == ["act"]

    def test_nobody_has_seen_are_raised_at_the_end(self, app):
        with pytest.raises(LookupError, match="hear 1"), CableClient(app) as client:
            break_unseen(client)

    def test_do_not_hide_an_error_of_the_test(self, app):
        with pytest.raises(ZeroDivisionError), CableClient(app) as client:
            1 / break_unseen(client)

    def test_a_value_without_json_form_is_one(self, connection, room):
        with pytest.raises(EncodeError):
            room.channel.transmit(object())
        with pytest.raises(EncodeError):
            connection.subscribe(RoomChannel, room=object())

    def test_a_mistake_of_the_peers_is_not_raised(self, connection, room):
        room.perform("no_such_action")
        connection.send_raw("not JSON", b"binary")
        assert type(connection.errors[0]) is UnknownAction
        assert len(connection.errors) == 3
        assert connection.client.connect().errors == []


class TestSeveral:
    def test_clients_of_one_application_hear_each_other(self, app):
        rooms = []
        for name in ("ann", "bob"):
            client = CableClient(app)
            client.http.post(f"/login/{name}")
            rooms.append(client.connect().subscribe(RoomChannel, room=1))
        rooms[0].perform("say", text="hi")
        assert rooms[0].transmissions == rooms[1].transmissions == [{"from": "ann", "text": "hi"}]

    def test_applications_do_not(self):
        apps = [make_app(), make_app()]
        clients = [CableClient(app) for app in apps]
        rooms = [client.connect().subscribe(RoomChannel, room=1) for client in clients]
        rooms[0].perform("say", text="hi")
        assert rooms[1].transmissions == []
        assert clients[0].broadcasts("room:1")
        assert not clients[1].broadcasts("room:1")

    def test_a_test_client_of_another_application_is_refused(self, app):
        with pytest.raises(ValueError, match="another application"):
            CableClient(app, client=make_app().test_client())

    def test_an_application_without_a_cable_is_refused(self):
        with pytest.raises(NotReady, match=r"call cable\.init_app\(app\) first"):
            CableClient(Flask(__name__))
