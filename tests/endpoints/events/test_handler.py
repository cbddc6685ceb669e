"""Raw sockets with events: the scenarios of Kelp's module, and what it leaves open."""

import json
import logging

import pytest
from flask import current_app, g, has_app_context, has_request_context

from flask_cable import Connection, before_command, rescue_from, signals
from flask_cable.errors import CommandError, EncodeError, MalformedMessage
from flask_cable.protocols.frames import BINARY, Frame

BOOM = LookupError("lost")


@pytest.fixture
def ws(cable):
    return cable.websocket("/ws")


def register(ws, **handlers):
    for event, handler in handlers.items():
        ws.on(event, handler)


def send(text):
    return lambda connection, *rest: connection.send(text)


def fail(*args):
    raise BOOM


def leftovers(client, ws):
    """What is open: the endpoint's, the process's, watched ones, streams."""
    runtime = client.app.extensions["cable"].runtime()
    watched = sum(len(phase) for watch in ws_handler(client, ws).watches for phase in watch._phases)
    streams = [name for name in runtime.hub.streams if not name.startswith("flask_cable/")]
    return len(ws.connections), runtime.registry.taken, watched, streams


def ws_handler(client, ws):
    return client.app.extensions["cable"].runtime().mount(ws).handler


NOTHING = (0, 0, 0, [])


# The scenarios.


class TestScenarios:
    def test_five_peers_are_greeted_and_their_ids_count_from_one(self, ws, client):
        register(ws, open=send("opened"))
        peers = [client.websocket("/ws") for _ in range(5)]
        assert [peer.messages for peer in peers] == [["opened"]] * 5
        assert sorted(ws.connections) == [1, 2, 3, 4, 5]

    def test_a_message_is_answered(self, ws, client):
        register(ws, message=lambda connection, message: connection.send(f'got message: "{message}"'))
        peer = client.websocket("/ws")
        peer.send("test")
        peer.send("test2")
        assert peer.messages == ['got message: "test"', 'got message: "test2"']

    def test_each_has_data_of_its_own(self, ws, client):
        def opened(connection, environ):
            connection.data["count"] = 0

        def count(connection, message):
            connection.send(str(connection.data["count"]))
            connection.data["count"] += 1

        register(ws, open=opened, message=count)
        peers = [client.websocket("/ws") for _ in range(5)]
        for _ in range(3):
            for peer in peers:
                peer.send("count")
        assert [peer.messages for peer in peers] == [["0", "1", "2"]] * 5

    def test_routes_beside_it_answer_and_what_is_no_route_does_not(self, ws, app, client):
        closed = []
        app.add_url_rule("/kelp", "kelp", lambda: "kelp")
        app.add_url_rule("/closed", "closed", lambda: str(len(closed)))
        register(ws, close=lambda connection, code, reason: closed.append(code))
        peers = [client.websocket("/ws") for _ in range(5)]
        assert client.http.get("/kelp").text == "kelp"
        assert client.http.get("/").status_code == 404
        for peer in peers:
            peer.close()
        assert client.http.get("/closed").text == "5"

    def test_json_in_and_out_booleans_among_it(self, cable, client):
        ws = cable.websocket("/json", serializer="json")
        register(ws, message=lambda connection, message: connection.send({"got": message}))
        peer = client.websocket("/json")
        peer.send('{"a msg": 1}')
        assert peer.receive() == '{"got":{"a msg":1}}'
        peer.send_json([True, False, None])
        assert peer.receive() == '{"got":[true,false,null]}'

    def test_a_malformed_message_has_a_handler_and_the_connection_lives(self, cable, client):
        ws = cable.websocket("/json", serializer="json")

        def malformed(connection, raw, error):
            connection.send({"error": str(error), "message": raw})

        register(
            ws, malformed_message=malformed, message=lambda connection, message: connection.send(message)
        )
        peer = client.websocket("/json")
        peer.send('["this is not a json"')
        answer = peer.receive_json()
        assert answer["message"] == '["this is not a json"'
        assert "delimiter" in answer["error"]
        peer.send('["this is"]')
        assert peer.receive_json() == ["this is"]
        assert not peer.closed
        assert ws_handler(client, ws).counts == {"malformed": 1}

    def test_however_it_ends_the_close_handler_runs_once(self, ws, client):
        closed = []
        register(
            ws,
            message=lambda connection, message: connection.close(4000, message),
            close=lambda connection, code, reason: closed.append((connection.id, code, reason)),
        )
        by_server, by_peer, by_drop = [client.websocket("/ws") for _ in range(3)]
        by_server.send("enough")
        by_peer.close(1001, "leaving")
        by_drop.close(1006)
        assert closed == [(1, 4000, "enough"), (2, 1001, "leaving"), (3, 1006, "")]
        by_server.close()
        assert len(closed) == 3
        assert leftovers(client, ws) == NOTHING

    def test_ids_are_never_used_again(self, ws, client):
        register(ws, message=send(""))
        for peer in [client.websocket("/ws") for _ in range(2)]:
            peer.close()
        client.websocket("/ws")
        assert list(ws.connections) == [3]


# What handlers get.


class TestOpen:
    def test_it_gets_the_handshakes_environ(self, ws, client):
        found = {}
        register(ws, open=lambda connection, environ: found.update(environ))
        client.websocket("/ws?a=1", headers={"X-Token": "t"})
        assert (found["PATH_INFO"], found["QUERY_STRING"], found["HTTP_X_TOKEN"]) == ("/ws", "a=1", "t")

    def test_the_connection_is_listed_and_has_no_data_yet(self, ws, client):
        seen = []
        register(ws, open=lambda connection, environ: seen.append((dict(ws.connections), connection.data)))
        peer = client.websocket("/ws")
        assert seen == [({1: peer.connection}, {})]

    def test_handlers_run_in_an_application_context_of_their_own(self, ws, client):
        seen = []

        def look(connection, *rest):
            seen.append((has_app_context(), has_request_context(), current_app.name, "x" in g))
            g.x = 1

        register(ws, open=look, message=look, close=look)
        peer = client.websocket("/ws")
        peer.send("a", "b")
        peer.close()
        assert seen == [(True, False, "shop", False)] * 4

    def test_one_that_raises_ends_the_connection_and_leaves_nothing(self, ws, client, caplog):
        closed = []
        client.raise_server_exceptions = False

        def opened(connection, environ):
            connection.stream_from("news")
            fail()

        register(ws, open=opened, close=lambda connection, code, reason: closed.append(code))
        peer = client.websocket("/ws")
        assert peer.closed_with == (1011, "internal error")
        assert peer.errors == [BOOM]
        assert closed == [1011]
        assert leftovers(client, ws) == NOTHING
        assert "connection 1: unhandled LookupError" in caplog.text

    def test_signals_pair_even_then(self, ws, app, client):
        client.raise_server_exceptions = False
        told = []

        def tell(name):
            return lambda sender, connection, **moment: told.append((name, connection.id))

        connected, disconnected = tell("connected"), tell("disconnected")
        register(ws, open=lambda connection, environ: fail() if connection.id == 1 else None)
        with (
            signals.connected.connected_to(connected, app),
            signals.disconnected.connected_to(disconnected, app),
        ):
            client.websocket("/ws")
            client.websocket("/ws").close()
        assert told == [("connected", 1), ("disconnected", 1), ("connected", 2), ("disconnected", 2)]


class TestMessage:
    def test_without_a_handler_nothing_happens(self, ws, client):
        peer = client.websocket("/ws")
        peer.send("text", b"bytes")
        assert (peer.messages, peer.closed) == ([], False)

    def test_text_is_str_and_binary_is_bytes(self, ws, client):
        register(ws, message=lambda connection, message: connection.send(message))
        peer = client.websocket("/ws")
        peer.send("", "hällo", b"", b"\x00\xff")
        assert peer.messages == ["", "hällo", b"", b"\x00\xff"]

    def test_one_that_raises_ends_the_connection_and_leaves_nothing(self, ws, client, caplog):
        client.raise_server_exceptions = False
        closed = []
        register(ws, message=fail, close=lambda connection, code, reason: closed.append((code, reason)))
        peer = client.websocket("/ws")
        peer.send("a", "b")
        assert peer.closed_with == (1011, "internal error")
        assert closed == [(1011, "internal error")]
        assert leftovers(client, ws) == NOTHING
        assert caplog.text.count("unhandled LookupError") == 1

    def test_even_one_that_wants_to_exit(self, ws, client, caplog):
        client.raise_server_exceptions = False

        def leave(connection, message):
            raise SystemExit(1)

        register(ws, message=leave)
        peer = client.websocket("/ws")
        peer.send("a")
        assert peer.closed_with == (1011, "internal error")
        assert leftovers(client, ws) == NOTHING

    def test_its_error_is_raised_to_a_test(self, ws, client):
        register(ws, message=fail)
        peer = client.websocket("/ws")
        with pytest.raises(LookupError):
            peer.send("a")

    def test_what_came_before_a_close_is_handled(self, ws, client):
        seen = []
        register(
            ws,
            message=lambda connection, message: seen.append(message),
            close=lambda connection, code, reason: seen.append(code),
        )
        peer = client.websocket("/ws")
        peer.send("a", "b")
        peer.close(1001)
        assert seen == ["a", "b", 1001]

    def test_what_came_after_our_close_is_not(self, ws, client):
        seen = []

        def received(connection, message):
            seen.append(message)
            connection.close()

        register(ws, message=received)
        client.websocket("/ws").send("a", "b")
        assert seen == ["a"]


class TestMalformed:
    @pytest.fixture
    def ws(self, cable):
        return cable.websocket("/ws", serializer="json")

    def test_without_a_handler_it_is_logged_and_closed(self, ws, client, caplog):
        closed = []
        register(ws, message=fail, close=lambda connection, code, reason: closed.append(code))
        peer = client.websocket("/ws")
        peer.send("{", "{}")
        assert peer.closed_with == (1007, "malformed message")
        assert closed == [1007]
        assert leftovers(client, ws) == NOTHING
        assert [type(error) for error in peer.errors] == [MalformedMessage]
        assert isinstance(peer.errors[0], CommandError)
        assert "cannot be decoded: " in caplog.text
        assert ws_handler(client, ws).counts == {"malformed": 1}

    def test_a_handler_gets_what_came_and_the_error(self, ws, client):
        seen = []
        register(ws, malformed_message=lambda connection, raw, error: seen.append((raw, type(error))))
        peer = client.websocket("/ws")
        peer.send("{", b"\xff")
        assert seen == [("{", json.JSONDecodeError), (b"\xff", UnicodeDecodeError)]
        assert not peer.closed

    def test_a_handler_that_raises_ends_the_connection(self, ws, client):
        client.raise_server_exceptions = False
        register(ws, malformed_message=fail)
        peer = client.websocket("/ws")
        peer.send("{")
        assert peer.closed_with == (1011, "internal error")
        assert leftovers(client, ws) == NOTHING


class TestClose:
    def test_it_may_look_at_everything_but_is_listed_no_more(self, ws, client):
        seen = []

        def opened(connection, environ):
            connection.data = "mine"
            connection.stream_from("news")

        def closed(connection, code, reason):
            seen.append((connection.data, connection.closed, connection.send("x"), dict(ws.connections)))
            client.app.extensions["cable"].cable.broadcast("news", 1)

        register(ws, open=opened, close=closed)
        peer = client.websocket("/ws")
        peer.close()
        assert seen == [("mine", True, False, {})]
        assert peer.messages == []

    def test_one_that_raises_leaves_nothing(self, ws, client, caplog):
        client.raise_server_exceptions = False
        told = []

        def tell(sender, connection, code, reason):
            told.append(code)

        register(ws, open=lambda connection, environ: connection.stream_from("news"), close=fail)
        with signals.disconnected.connected_to(tell, client.app):
            peer = client.websocket("/ws")
            peer.close(1001)
        assert told == [1001]
        assert leftovers(client, ws) == NOTHING
        assert caplog.text.count("unhandled LookupError") == 1

    def test_it_is_not_called_for_whom_was_never_open(self, ws, client, app):
        closed = []
        register(ws, close=lambda connection, code, reason: closed.append(code))
        runtime = app.extensions["cable"].runtime()
        connection = Connection(runtime.mount(ws).handler, 7)
        connection.handle_close(1012, "")
        assert closed == []


# The connection's class has a say.


class TestConnectionClass:
    def test_it_may_rescue_an_error_and_then_the_connection_lives(self, cable, ws, client):
        seen = []

        @cable.connection
        class Mine(Connection):
            @rescue_from(LookupError)
            def lost(self, error):
                seen.append((error, has_app_context()))
                self.send("sorry")

        register(ws, open=fail, message=fail)
        peer = client.websocket("/ws")
        peer.send("a")
        peer.connection.stream_from("news", fail)
        cable.broadcast("news", 1)
        assert peer.messages == ["sorry"] * 3
        assert seen == [(BOOM, True)] * 3
        assert not peer.closed

    def test_a_rescuer_that_raises_ends_the_connection(self, cable, ws, client):
        client.raise_server_exceptions = False

        @cable.connection
        class Mine(Connection):
            @rescue_from(LookupError)
            def lost(self, error):
                raise ValueError("worse")

        register(ws, message=fail)
        peer = client.websocket("/ws")
        peer.send("a")
        assert peer.closed_with == (1011, "internal error")
        assert [str(error) for error in peer.errors] == ["worse"]

    def test_its_hooks_run_around_each_message(self, cable, ws, client):
        seen = []

        @cable.connection
        class Mine(Connection):
            @before_command
            def check(self):
                seen.append("before")
                return "token" in self.data

            @Connection.after_command
            def note(self):
                seen.append("after")

        register(ws, message=lambda connection, message: seen.append(message))
        peer = client.websocket("/ws")
        peer.send("a")
        peer.connection.data["token"] = 1
        peer.send("b")
        assert seen == ["before", "before", "b", "after"]

    def test_it_hears_of_the_end_last(self, cable, ws, client):
        seen = []
        cable.connection(
            type("Mine", (Connection,), {"disconnected": lambda self: seen.append("disconnected")})
        )
        register(ws, close=lambda connection, code, reason: seen.append("close"))
        client.websocket("/ws").close()
        assert seen == ["close", "disconnected"]


# What goes out.


class TestSending:
    def test_what_cannot_be_sent_is_an_error_to_the_caller_and_the_connection_lives(self, cable, client):
        errors = []

        def received(connection, message):
            with pytest.raises(EncodeError) as caught:
                connection.send(object())
            errors.append(str(caught.value))
            connection.send("still here")

        paths = {"/plain": None, "/json": "json"}
        for path, serializer in paths.items():
            register(cable.websocket(path, serializer=serializer), message=received)
        for path in paths:
            peer = client.websocket(path)
            peer.send('"a"')
            assert "still here" in peer.receive()
            assert not peer.closed
            assert "a object cannot be sent" in errors.pop()

    def test_a_frame_goes_as_it_is(self, cable, client):
        register(
            cable.websocket("/json", serializer="json"),
            open=lambda connection, environ: connection.send(Frame(b"\xff", BINARY)),
        )
        assert client.websocket("/json").messages == [b"\xff"]

    def test_a_serializers_bytes_are_binary(self, cable, client):
        class Bytes:
            def encode(self, value):
                return repr(value).encode()

            def decode(self, message):
                return message

        ws = cable.websocket("/own", serializer=Bytes())
        register(ws, message=lambda connection, message: connection.send([message]))
        peer = client.websocket("/own")
        peer.send("a")
        assert peer.messages == [b"['a']"]

    def test_after_the_end_nothing_is_sent(self, ws, client):
        peer = client.websocket("/ws")
        peer.close()
        assert peer.connection.send("x") is False

    def test_a_disconnect_is_told_by_the_close_frame(self, cable, ws, client):
        peers = [client.websocket("/ws") for _ in range(2)]
        peers[0].connection.disconnect("remote", reconnect=False)
        cable.restart()
        assert [peer.closed_with for peer in peers] == [(1000, "remote"), (1012, "server_restart")]
        assert [peer.messages for peer in peers] == [[], []]


class TestStreams:
    def test_a_broadcast_is_heard_as_the_endpoints_serializer_has_it(self, cable, client):
        class Counting:
            calls = 0

            def encode(self, value):
                self.calls += 1
                return f"<{value}>"

            def decode(self, message):
                return message

        counting = Counting()
        paths = {"/plain": None, "/json": "json", "/own": counting}
        for path, serializer in paths.items():
            ws = cable.websocket(path, serializer=serializer)
            ws.on("open", lambda connection, environ: connection.stream_from("news"))
        heard = {path: [client.websocket(path) for _ in range(3)] for path in paths}
        cable.broadcast("news", "hällo")
        cable.broadcast("news", {"a": [True]})
        for peer in heard["/plain"]:
            assert peer.messages == ["hällo", '{"a":[true]}']
        for peer in heard["/json"]:
            assert [json.loads(text) for text in peer.messages] == ["hällo", {"a": [True]}]
        for peer in heard["/own"]:
            assert peer.messages == ["<hällo>", "<{'a': [True]}>"]
        assert counting.calls == 2

    def test_one_may_be_left_out(self, cable, ws, client):
        ws.on("open", lambda connection, environ: connection.stream_from("news"))
        ws.on("message", lambda connection, message: cable.broadcast("news", message, exclude=connection))
        one, other = client.websocket("/ws"), client.websocket("/ws")
        one.send("hi")
        assert (one.messages, other.messages) == ([], ["hi"])

    def test_a_broadcast_that_cannot_be_encoded_harms_nobody(self, cable, ws, client, caplog):
        class Picky:
            def encode(self, value):
                raise ValueError("no")

            def decode(self, message):
                return message

        for path, serializer in (("/picky", Picky()), ("/json", "json")):
            cable.websocket(path, serializer=serializer).on(
                "open", lambda connection, environ: connection.stream_from("news")
            )
        picky, other = client.websocket("/picky"), client.websocket("/json")
        cable.broadcast("news", 1)
        assert (picky.messages, picky.closed, other.messages) == ([], False, ["1"])
        assert "a int cannot be sent with serializer" in caplog.text

    def test_a_callback_that_raises_ends_the_connection(self, cable, ws, client):
        client.raise_server_exceptions = False
        ws.on("open", lambda connection, environ: connection.stream_from("news", fail))
        peer = client.websocket("/ws")
        cable.broadcast("news", 1)
        assert peer.closed_with == (1011, "internal error")
        assert leftovers(client, ws) == NOTHING


def test_connections_are_this_endpoints_only_and_live(cable, ws, client):
    other = cable.websocket("/other")
    connections = ws.connections
    assert dict(connections) == {}
    client.connect()
    client.websocket("/other")
    peer = client.websocket("/ws")
    assert dict(connections) == {3: peer.connection}
    assert list(other.connections) == [2]
    assert len(cable.connections) == 3
    with pytest.raises(TypeError):
        connections[3] = None
    peer.close()
    assert len(connections) == 0


def test_handlers_may_be_registered_later(ws, client):
    peer = client.websocket("/ws")
    peer.send("a")
    ws.on("message", send("now"))
    peer.send("b")
    assert peer.messages == ["now"]


def test_a_peer_that_says_nothing_may_be_closed(cable, client, caplog):
    cable.websocket("/ws", idle_timeout=10)
    caplog.set_level(logging.INFO)
    idle, busy = client.websocket("/ws"), client.websocket("/ws")
    for _ in range(5):
        client.advance_time(4)
        busy.send("a")
    assert idle.closed_with == (1001, "idle_timeout")
    assert not busy.closed


# What is sent to names and groups.


class TestServerMessages:
    def test_they_reach_their_handler(self, cable, client):
        ws = cable.websocket("/ws", serializer="json")
        register(
            ws,
            open=lambda connection, environ: cable.unique.register("ann", connection),
            server_message=lambda connection, message: connection.send({"told": message}),
        )
        peer = client.websocket("/ws")
        assert cable.unique.send_message("ann", {"text": "hi"})
        cable.group.join("all", peer.connection)
        assert cable.group.publish("all", [1, None]) == 1
        assert [peer.receive_json(), peer.receive_json()] == [{"told": {"text": "hi"}}, {"told": [1, None]}]

    def test_without_one_the_connections_class_is_told(self, cable, ws, client):
        @cable.connection
        class Mine(Connection):
            def server_message(self, message):
                self.send(f"class: {message}")

        peer = client.websocket("/ws")
        peer.connection.handle_server_message('"hi"')
        assert peer.messages == ["class: hi"]

    def test_a_handler_that_raises_ends_the_connection(self, ws, client):
        client.raise_server_exceptions = False
        register(ws, server_message=fail)
        peer = client.websocket("/ws")
        peer.connection.handle_server_message("1")
        assert peer.closed_with == (1011, "internal error")
        assert peer.errors == [BOOM]
        assert leftovers(client, ws) == NOTHING

    def test_its_class_may_rescue(self, cable, ws, client):
        @cable.connection
        class Mine(Connection):
            @rescue_from(LookupError)
            def rescued(self, error):
                self.send("rescued")

        register(ws, server_message=fail)
        peer = client.websocket("/ws")
        peer.connection.handle_server_message("1")
        assert (peer.messages, peer.closed) == (["rescued"], False)

    def test_a_peer_that_is_served_by_a_function_has_them_too(self, cable, client):
        ws = cable.websocket("/served")

        @ws
        def serve(connection):
            cable.unique.register("ann", connection)
            for message in connection:
                connection.send(message)

        register(ws, server_message=lambda connection, message: connection.send(message))
        peer = client.websocket("/served")
        peer.send("a")
        cable.unique.send_message("ann", "b")
        peer.send("c")
        assert peer.messages == ["a", "b", "c"]
