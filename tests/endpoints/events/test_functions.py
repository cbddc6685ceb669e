"""A function for each connection: it waits, is bounded, holds nothing while it waits, and ends cleanly."""

import threading

import pytest
from flask import current_app, g, has_app_context

from flask_cable import Connection, rescue_from
from flask_cable.core.executor import ManualExecutor
from flask_cable.core.handler import Scope
from flask_cable.endpoints.events.functions import Breath, Mailbox
from flask_cable.errors import ConnectionClosed, EncodeError, MalformedMessage


def echo(connection):
    for message in connection:
        connection.send(message)


def nothing_left(client):
    runtime = client.app.extensions["cable"].runtime()
    streams = [name for name in runtime.hub.streams if not name.startswith("flask_cable/")]
    return (runtime.registry.taken, runtime.executor.spawned, streams) == (0, 0, [])


def test_it_echoes_until_the_peer_is_gone(cable, client):
    assert cable.websocket("/echo")(echo) is echo
    for code in (1000, 1001, 1006):
        peer = client.websocket("/echo")
        peer.send("a", "b", b"\xff")
        peer.send("")
        assert peer.messages == ["a", "b", b"\xff", ""]
        peer.close(code)
        assert peer.closed_with == (code, "")
    assert nothing_left(client)


def test_arguments_of_the_rule_are_its_arguments(cable, client):
    @cable.websocket("/ws/<room>/<int:page>")
    def greet(connection, page, room):
        connection.send(f"{room} {page}")

    assert client.websocket("/ws/kitchen/7").messages == ["kitchen 7"]


def test_when_it_returns_the_connection_is_closed(cable, client):
    @cable.websocket("/once")
    def once(connection):
        connection.send(connection.receive())

    peer = client.websocket("/once")
    assert not peer.closed
    peer.send("a", "b")
    assert (peer.messages, peer.closed_with) == (["a"], (1000, ""))
    assert nothing_left(client)


def test_it_may_close_by_itself_and_then_hears_nothing_more(cable, client):
    heard = []

    @cable.websocket("/ws")
    def serve(connection):
        connection.receive()
        connection.close(4000, "enough")
        heard.append(connection.send("x"))
        heard.extend(connection)
        with pytest.raises(ConnectionClosed) as closed:
            connection.receive()
        heard.append((closed.value.code, closed.value.reason))

    peer = client.websocket("/ws")
    peer.send("a", "b", "c")
    assert peer.closed_with == (4000, "enough")
    assert heard == [False, (4000, "enough")]
    assert nothing_left(client)


def test_when_it_raises_that_is_logged_and_the_connection_closed(cable, client, caplog):
    client.raise_server_exceptions = False

    @cable.websocket("/ws")
    def serve(connection):
        connection.stream_from("news")
        raise LookupError("lost")

    peer = client.websocket("/ws")
    assert peer.closed_with == (1011, "internal error")
    assert caplog.text.count("unhandled LookupError") == 1
    assert [type(error) for error in peer.errors] == [LookupError]
    assert nothing_left(client)


def test_even_when_it_wants_to_exit(cable, client, caplog):
    client.raise_server_exceptions = False

    @cable.websocket("/ws")
    def serve(connection):
        raise SystemExit(1)

    assert client.websocket("/ws").closed_with == (1011, "internal error")
    assert nothing_left(client)


def test_its_error_may_be_rescued(cable, client):
    @cable.connection
    class Mine(Connection):
        @rescue_from(LookupError)
        def lost(self, error):
            assert has_app_context()
            self.send(f"sorry: {error}")

    @cable.websocket("/ws")
    def serve(connection):
        raise LookupError("lost")

    peer = client.websocket("/ws")
    assert (peer.messages, peer.closed_with) == (["sorry: lost"], (1000, ""))


def test_a_rescued_open_handler_does_not_keep_it_from_its_work(cable, client):
    @cable.connection
    class Mine(Connection):
        @rescue_from(LookupError)
        def lost(self, error):
            self.send("sorry")

    ws = cable.websocket("/ws")
    ws.on("open", lambda connection, environ: {}["lost"])
    ws(echo)
    peer = client.websocket("/ws")
    peer.send("a")
    assert peer.messages == ["sorry", "a"]


def test_an_open_handler_that_raises_does(cable, client):
    client.raise_server_exceptions = False
    ws = cable.websocket("/ws")
    ws.on("open", lambda connection, environ: {}["lost"])
    ws(echo)
    assert client.websocket("/ws").closed_with == (1011, "internal error")
    assert nothing_left(client)


def test_a_peer_that_is_gone_while_it_waits_is_no_error(cable, client, caplog):
    seen = []

    @cable.websocket("/ws")
    def serve(connection):
        try:
            while True:
                seen.append(connection.receive())
        finally:
            seen.append("cleaned up")

    peer = client.websocket("/ws")
    peer.send("a")
    peer.close(1001, "bye")
    assert seen == ["a", "cleaned up"]
    assert caplog.text == ""
    assert nothing_left(client)


def test_patience_has_an_end(cable, client):
    @cable.websocket("/ws")
    def serve(connection):
        connection.send(repr(connection.receive(timeout=0)))
        connection.send(repr(connection.receive(timeout=10)))
        connection.send(repr(connection.receive(timeout=10)))
        connection.send(repr(connection.receive(timeout=-1)))

    peer = client.websocket("/ws")
    assert peer.messages == ["None"]
    client.advance_time(9)
    assert peer.messages == ["None"]
    client.advance_time(2)
    assert peer.messages == ["None", "None"]
    peer.send("a")
    assert peer.messages == ["None", "None", "'a'", "None"]
    assert peer.closed


def test_it_hears_what_was_said_before_the_end(cable, client):
    seen = []

    @cable.websocket("/ws")
    def serve(connection):
        connection.receive()
        peer.send("b", "c")
        peer.close(1001)
        seen.extend(connection)
        seen.append(connection.closed)

    peer = client.websocket("/ws")
    peer.send("a")
    assert seen == ["b", "c", True]


def test_with_a_serializer_it_gets_and_sends_values(cable, client):
    @cable.websocket("/ws", serializer="json")
    def serve(connection):
        for message in connection:
            with pytest.raises(EncodeError):
                connection.send(object())
            connection.send({"got": message})

    peer = client.websocket("/ws")
    peer.send_json({"a": True})
    assert peer.receive_json() == {"got": {"a": True}}
    peer.send("{")
    assert peer.closed_with == (1007, "malformed message")
    assert isinstance(peer.errors[0], MalformedMessage)
    assert nothing_left(client)


def test_it_has_events_too(cable, client):
    seen = []
    ws = cable.websocket("/ws", serializer="json")
    ws(echo)
    ws.on("open", lambda connection, environ: seen.append("open"))
    ws.on("malformed_message", lambda connection, raw, error: seen.append(raw))
    ws.on("close", lambda connection, code, reason: seen.append(code))
    peer = client.websocket("/ws")
    peer.send("{", "1")
    peer.close(1001)
    assert (seen, peer.messages) == (["open", "{", 1001], ["1"])


def test_broadcasts_reach_it(cable, client):
    @cable.websocket("/ws")
    def serve(connection):
        connection.stream_from("news")
        echo(connection)

    peer = client.websocket("/ws")
    cable.broadcast("news", "hi")
    peer.send("a")
    assert peer.messages == ["hi", "a"]
    peer.close()
    assert nothing_left(client)


def test_a_test_that_ends_ends_what_waits(app, cable):
    from flask_cable.testing import CableClient

    seen = []

    @cable.websocket("/ws")
    def serve(connection):
        try:
            connection.receive()
        finally:
            seen.append("cleaned up")

    before = threading.active_count()
    with CableClient(app) as client:
        client.websocket("/ws")
        assert threading.active_count() == before + 1
    assert seen == ["cleaned up"]


# Only the function waits.


def test_nobody_else_may_wait_for_its_messages(cable, client):
    ws = cable.websocket("/ws")
    ws.on("close", lambda connection, code, reason: connection.receive())
    ws(echo)
    peer = client.websocket("/ws")
    with pytest.raises(RuntimeError, match="only the function that serves"):
        peer.connection.receive()
    with pytest.raises(RuntimeError, match="only the function that serves"):
        peer.close()


# Bounds.


def test_so_many_run_at_once(app, cable, caplog):
    from flask_cable.testing import CableClient, HandshakeRefused

    app.config["CABLE_MAX_FUNCTIONS"] = 2
    cable.websocket("/echo")(echo)
    cable.websocket("/events")
    with CableClient(app) as client:
        peers = [client.websocket("/echo") for _ in range(2)]
        with pytest.raises(HandshakeRefused) as refused:
            client.websocket("/echo")
        assert refused.value.status == 503
        assert refused.value.response.headers["Retry-After"]
        assert "CABLE_MAX_FUNCTIONS = 2" in caplog.text
        client.websocket("/events")
        peers[0].close()
        client.websocket("/echo")


def test_one_that_came_through_meanwhile_is_told_to_try_again(cable, client):
    ws = cable.websocket("/echo")
    ws(echo)
    runtime = client.app.extensions["cable"].runtime()
    ws.on("open", lambda connection, environ: setattr(runtime.executor, "spawned", 1000))
    peer = client.websocket("/echo")
    assert peer.closed_with == (1013, "too many connections are being served")
    runtime.executor.spawned = 0


@pytest.mark.parametrize(
    "bounds", [{"CABLE_INBOX_MESSAGES": 4}, {"CABLE_INBOX_BYTES": 4}], ids=["by number", "by length"]
)
def test_a_peer_is_not_read_while_a_slow_function_has_enough_to_do(app, cable, bounds):
    from flask_cable.testing import CableClient

    app.config.update(bounds)
    seen = []

    @cable.websocket("/ws")
    def serve(connection):
        event = connection.handler.executor.event()
        connection.data["go"] = event
        event.wait()
        for message in connection:
            seen.append((message, peer._transport.paused))
            event.clear()
            event.wait()

    with CableClient(app) as client:
        peer = client.websocket("/ws")
        for number in range(3):
            peer.send(str(number))
        assert not peer._transport.paused
        peer.send("3")
        assert peer._transport.paused
        peer.send("4")  # it was on its way
        for _ in range(5):
            peer.connection.data["go"].set()
        assert seen == [("0", True), ("1", True), ("2", True), ("3", False), ("4", False)]


class TestSlowReaders:
    def test_a_function_waits_until_its_peer_has_read_and_nobody_else_does(self, cable, client):
        seen = []
        ws = cable.websocket("/ws")

        @ws
        def serve(connection):
            connection.stream_from("news")
            connection.receive()
            seen.append("sends")
            seen.append(connection.send("late"))

        peer = client.websocket("/ws")
        transport = peer._transport
        transport.behind = 1000
        peer.send("go")
        cable.broadcast("news", "at once")
        assert peer.connection.send("at once, too")
        assert (seen, peer.messages) == (["sends"], ["at once", "at once, too"])
        transport.behind = 10
        peer.connection.handle_written()  # it was told too early
        assert seen == ["sends"]
        transport.behind = 0
        peer.connection.handle_written()
        assert (seen, peer.messages[2:]) == (["sends", True], ["late"])
        assert peer.closed_with == (1000, "")

    @pytest.mark.parametrize("end", ["peer", "server"])
    def test_it_waits_no_longer_than_the_connection_lives(self, cable, client, end):
        seen = []

        @cable.websocket("/ws")
        def serve(connection):
            connection.receive()
            seen.append(connection.send("late"))

        peer = client.websocket("/ws")
        peer._transport.behind = 1000
        peer.send("go")
        assert seen == []
        if end == "peer":
            peer.close(1006)
        else:
            peer.connection.disconnect("too_slow")
        assert seen == [False]
        assert nothing_left(client)

    def test_what_it_broadcasts_waits_for_nobody_itself_included(self, cable, client):
        @cable.websocket("/ws")
        def serve(connection):
            connection.stream_from("news")
            for message in connection:
                cable.broadcast("news", message)

        slow, other = client.websocket("/ws"), client.websocket("/ws")
        slow._transport.behind = 1000
        slow.send("hi")
        assert (slow.messages, other.messages) == (["hi"], ["hi"])

    def test_what_it_sends_to_others_does_not_wait_for_its_own_peer(self, cable, client):
        @cable.websocket("/ws")
        def serve(connection):
            for message in connection:
                other.connection.send(message)

        slow, other = client.websocket("/ws"), client.websocket("/ws")
        slow._transport.behind = other._transport.behind = 1000
        slow.send("hi")
        assert other.messages == ["hi"]


class TestMailbox:
    def made(self, limit=4, bytes_limit=1000):
        scope: Scope = threading.Lock
        return Mailbox(ManualExecutor(), limit, bytes_limit, Breath(scope, lambda context: True))

    def test_it_says_when_it_is_full_and_once_when_it_has_emptied(self):
        mailbox = self.made(limit=4)
        assert [mailbox.put(number, 1) for number in range(5)] == [False, False, False, True, True]
        rooms = []
        for number in range(5):
            assert mailbox.take() == number
            rooms.append(mailbox.has_emptied())
        assert rooms == [False, False, True, False, False]
        assert [mailbox.put(number, 1) for number in range(4)] == [False, False, False, True]

    def test_or_when_what_is_in_it_is_long(self):
        mailbox = self.made(bytes_limit=100)
        assert [mailbox.put(size, size) for size in (60, 39, 1)] == [False, False, True]
        rooms = []
        for _ in range(3):
            mailbox.take()
            rooms.append(mailbox.has_emptied())
        assert rooms == [True, False, False]
        mailbox.put("x", 99)
        mailbox.drop()
        assert not mailbox.put("x", 99)

    def test_the_end_comes_after_all_messages(self):
        mailbox = self.made()
        mailbox.put("a", 1)
        mailbox.end(1001, "bye")
        assert mailbox.wait(None)
        assert mailbox.take() == "a"
        assert mailbox.wait(None)
        for _ in range(2):
            with pytest.raises(ConnectionClosed, match="closed with 1001: bye"):
                mailbox.take()

    def test_what_is_dropped_is_gone(self):
        mailbox = self.made()
        mailbox.put("a", 1)
        mailbox.drop()
        assert not mailbox.wait(0)

    def test_what_comes_between_two_looks_is_not_missed(self):
        mailbox = self.made()
        clear = mailbox._event.clear
        mailbox._event.clear = lambda: (clear(), mailbox.put("a", 1))
        mailbox._event.wait = lambda timeout: pytest.fail("it waits")
        assert mailbox.wait(None)
        assert mailbox.take() == "a"


# Contexts.


class TestContexts:
    def test_each_message_has_an_application_context_of_its_own(self, app, cable, client):
        seen, torn = [], []
        app.teardown_appcontext(torn.append)

        @cable.websocket("/ws")
        def serve(connection):
            for message in connection:
                seen.append((current_app.name, "last" in g))
                g.last = message

        peer = client.websocket("/ws")
        del torn[:]
        for text in "abc":
            before = len(torn)
            peer.send(text)
            assert len(torn) > before
        assert seen == [("shop", False)] * 3

    def test_nothing_is_pending_while_it_waits(self, app, cable, client):
        open_sessions = []

        @app.teardown_appcontext
        def close_session(error):
            open_sessions.clear()

        @cable.websocket("/ws")
        def serve(connection):
            for _ in connection:
                open_sessions.append("a database session")

        peer = client.websocket("/ws")
        peer.send("a")
        assert open_sessions == []

    def test_one_that_the_function_has_entered_is_left_alone(self, app, cable, client):
        seen = []

        @cable.websocket("/ws")
        def serve(connection):
            with app.app_context():
                g.mine = 1
                for _ in connection:
                    seen.append(g.mine)
            with connection.request_context():
                seen.append(has_app_context())

        peer = client.websocket("/ws")
        peer.send("a", "b")
        peer.close()
        assert seen == [1, 1, True]
        assert peer.errors == []

    def test_a_request_context_too(self, app, cable, client):
        from flask import request

        seen = []

        @cable.websocket("/ws")
        def serve(connection):
            with connection.request_context():
                for message in connection:
                    seen.append((message, request.path))

        peer = client.websocket("/ws")
        peer.send("a", "b")
        peer.close()
        assert seen == [("a", "/ws"), ("b", "/ws")]
        assert peer.errors == []

    def test_a_teardown_that_raises_reaches_the_function(self, app, cable, client):
        client.raise_server_exceptions = False

        @app.teardown_appcontext
        def fail(error):
            if g.get("bad"):
                raise LookupError("teardown")

        @cable.websocket("/ws")
        def serve(connection):
            g.bad = True
            connection.receive()

        peer = client.websocket("/ws")
        assert peer.closed_with == (1011, "internal error")
        assert [str(error) for error in peer.errors] == ["teardown"]
        assert nothing_left(client)
