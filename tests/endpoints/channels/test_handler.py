"""The Action Cable protocol as a peer meets it: replies, order, mistakes, contexts, and the end."""

import json
import logging
from functools import partial

import pytest
from flask import Blueprint, current_app, g, has_app_context, has_request_context, request, session

from flask_cable import (
    Cable,
    Channel,
    Connection,
    after_command,
    before_command,
    periodically,
    rescue_from,
    signals,
)
from flask_cable.endpoints.channels.handler import ChannelLimits
from flask_cable.errors import (
    AlreadySubscribed,
    CommandError,
    ConfigError,
    MalformedMessage,
    NotReady,
    ReadOnlySession,
    TooMany,
    UnknownAction,
    UnknownChannel,
    UnknownCommand,
    UnknownSubscription,
)
from flask_cable.testing import CableClient

from .conftest import SlowBus, make_app

ECHO = '{"channel":"EchoChannel"}'
OURS = ("flask-cable-v1-json", "actioncable-v1-json", "actioncable-unsupported")
RAILS = ("actioncable-v1-json", "actioncable-unsupported")


@pytest.fixture(autouse=True)
def echo(cable):
    """A channel that hears and tells."""

    @cable.channel
    class EchoChannel(Channel):
        def subscribed(self):
            self.stream_from("echo")

        def unsubscribed(self):
            self.connection.data.setdefault("ended", []).append(self.identifier)

        def echo(self, data):
            self.transmit(data["text"])

        def fail(self):
            raise LookupError("fail")

    return EchoChannel


def command(name="subscribe", identifier=ECHO, **fields):
    return json.dumps({"command": name, "identifier": identifier, **fields})


def message(identifier=ECHO, **data):
    return command("message", identifier, data=json.dumps(data))


def kinds(connection):
    """What was received, as a list of types; data frames have none."""
    return [frame.get("type", "message") for frame in connection.transmissions]


class TestReplies:
    def test_a_welcome_comes_first(self, client):
        assert client.connect().frames == [{"type": "welcome"}]

    def test_a_subscription_is_confirmed(self, connection):
        connection.send_raw(command())
        assert connection.frames[1:] == [{"identifier": ECHO, "type": "confirm_subscription"}]

    def test_an_unknown_channel_is_rejected(self, connection):
        identifier = '{"channel":"NoChannel"}'
        connection.send_raw(command(identifier=identifier))
        assert connection.frames[1:] == [{"identifier": identifier, "type": "reject_subscription"}]

    def test_messages_and_unsubscribing_have_none(self, connection):
        connection.send_raw(command(), message(action="echo", text="hi"), command("unsubscribe"))
        assert kinds(connection) == ["welcome", "confirm_subscription", "message"]

    def test_a_message_has_no_type(self, connection):
        connection.send_raw(command(), message(action="echo", text="hi"))
        assert connection.frames[-1] == {"identifier": ECHO, "message": "hi"}

    def test_a_beat_is_whole_seconds(self, client, connection):
        client.advance_time(3)
        ping = connection.frames[-1]
        assert ping.keys() == {"type", "message"}
        assert ping["type"] == "ping"
        assert type(ping["message"]) is int

    def test_unknown_fields_are_ignored(self, connection):
        connection.send_raw(command(history={"since": 1}, extra=[None]))
        assert kinds(connection) == ["welcome", "confirm_subscription"]


class TestRepliesToActions:
    """What flask-cable-v1-json adds: a message with an id is replied to."""

    @pytest.fixture
    def subscribe(self, cable, client):
        @cable.channel
        class AskChannel(Channel):
            def double(self, data):
                self.transmit("working")
                return {"twice": 2 * data["number"]}

            def nothing(self):
                pass

            def fail(self):
                raise LookupError("the password is swordfish")

            def rescued(self):
                raise KeyError("the password is swordfish")

            def unspeakable(self):
                return object()

            def leave(self):
                self.reject()
                return "bye"

            def receive(self, data):
                return sorted(data)

            @rescue_from(KeyError)
            def answer(self, error):
                self.transmit("rescued")

        def subscribe(subprotocols=OURS):
            client.raise_server_exceptions = False
            connection = client.connect(subprotocols=subprotocols)
            connection.send_raw(command(identifier=self.ASK))
            assert kinds(connection) == ["welcome", "confirm_subscription"]
            return connection

        return subscribe

    ASK = '{"channel":"AskChannel"}'

    def told(self, connection, id=7, identifier=ASK, **data):
        """What a peer is told when it sends a message."""
        before = len(connection.frames)
        fields = {} if id is None else {"id": id}
        connection.send_raw(command("message", identifier, data=json.dumps(data), **fields))
        return connection.frames[before:]

    def reply(self, identifier=ASK, **outcome):
        return {"type": "reply", "identifier": identifier, "id": 7, **outcome}

    def test_the_value_of_an_action_comes_after_what_it_transmits(self, subscribe):
        assert self.told(subscribe(), action="double", number=21) == [
            {"identifier": self.ASK, "message": "working"},
            self.reply(data={"twice": 42}),
        ]

    def test_no_value_is_null(self, subscribe):
        assert self.told(subscribe(), action="nothing") == [self.reply(data=None)]

    def test_what_names_no_action_is_replied_to_as_well(self, subscribe):
        assert self.told(subscribe(), a=1, b=2) == [self.reply(data=["a", "b"])]

    def test_only_the_one_who_asks_hears(self, subscribe):
        asking, other = subscribe(), subscribe()
        self.told(asking, action="nothing")
        assert kinds(other) == ["welcome", "confirm_subscription"]

    def test_without_an_id_there_is_none(self, subscribe):
        assert self.told(subscribe(), None, action="nothing") == []

    @pytest.mark.parametrize("id", ["7", 7.5, True, None, [7], {"id": 7}, 2**53])
    def test_an_odd_id_is_as_good_as_none(self, subscribe, id):
        connection = subscribe()
        connection.send_raw(command("message", self.ASK, data='{"action":"nothing"}', id=id))
        assert kinds(connection)[2:] == []
        assert connection.errors == []

    @pytest.mark.parametrize("subprotocols", [RAILS, RAILS[:1], (), ("actioncable-v1-json", *OURS)])
    def test_peers_of_the_plain_protocol_get_none(self, subscribe, subprotocols):
        connection = subscribe(subprotocols)
        assert self.told(connection, action="nothing") == []
        assert self.told(connection, action="no_such_action") == []
        assert self.told(connection, action="fail") == []

    def test_a_failed_action_is_no_secret_its_error_is(self, subscribe, caplog):
        connection = subscribe()
        assert self.told(connection, action="fail") == [self.reply(error="failed")]
        assert [type(error) for error in connection.errors] == [LookupError]
        assert "swordfish" in caplog.text
        assert "swordfish" not in json.dumps(connection.frames)

    def test_a_rescued_error_failed_all_the_same(self, subscribe):
        assert self.told(subscribe(), action="rescued") == [
            self.reply(error="failed"),
            {"identifier": self.ASK, "message": "rescued"},
        ]

    def test_a_value_without_a_json_form_failed(self, subscribe):
        connection = subscribe()
        assert self.told(connection, action="unspeakable") == [self.reply(error="failed")]
        assert [type(error).__name__ for error in connection.errors] == ["EncodeError"]
        assert self.told(connection, None, action="unspeakable") == []
        assert len(connection.errors) == 1  # nobody wanted it

    def test_commands_that_cannot_be_carried_out(self, subscribe):
        connection = subscribe()
        told, elsewhere = self.told, '{"channel":"Elsewhere"}'
        assert told(connection, action="no_such") == [self.reply(error="unknown_action")]
        assert told(connection, action="transmit") == [self.reply(error="unknown_action")]
        assert told(connection, action=7) == [self.reply(error="malformed")]
        assert told(connection, identifier=elsewhere) == [self.reply(elsewhere, error="unknown_subscription")]
        connection.send_raw(command("message", self.ASK, data={"action": "nothing"}, id=7))
        assert connection.frames[-1] == self.reply(error="malformed")
        assert connection.connection.handler.counts["malformed"] == 2

    def test_the_value_of_an_action_that_rejects_comes_before_the_rejection(self, subscribe):
        connection = subscribe()
        assert self.told(connection, action="leave") == [
            self.reply(data="bye"),
            {"identifier": self.ASK, "type": "reject_subscription"},
        ]
        assert self.told(connection, action="nothing") == [self.reply(error="unknown_subscription")]

    def test_other_commands_have_none_whatever_they_bear(self, subscribe):
        connection = subscribe()
        connection.send_raw(
            command("unsubscribe", self.ASK, id=7),
            command("unsubscribe", self.ASK, id=7),
            command("subscribe", self.ASK, id=7),
            command("subscribe", '{"channel":"NoChannel"}', id=7),
        )
        assert kinds(connection)[2:] == ["confirm_subscription", "reject_subscription"]

    def test_a_hook_that_stops_the_command_is_told(self, cable, subscribe):
        answers = [False, None, None]
        cable.connection(type("AppConnection", (Connection,), {"before_command": lambda self: answers.pop()}))
        connection = subscribe()
        assert self.told(connection, action="nothing") == [self.reply(data=None)]
        assert self.told(connection, action="nothing") == [self.reply(error="halted")]

    def test_a_hook_that_raises_is_told_once(self, cable, subscribe):
        @cable.connection
        class AppConnection(Connection):
            @before_command
            def before(self):
                if self.data.get("refuses"):
                    raise PermissionError("swordfish")

            @after_command
            def after(self):
                raise LookupError("swordfish")

        connection = subscribe()
        assert self.told(connection, action="nothing") == [self.reply(data=None)]
        connection.connection.data["refuses"] = True
        assert self.told(connection, action="nothing") == [self.reply(error="failed")]
        assert [type(error) for error in connection.errors] == [LookupError, LookupError, PermissionError]


class TestIdentifiers:
    SPELLINGS = (
        ECHO,
        '{ "channel": "EchoChannel" }',
        '{"channel":"EchoChannel","id":1}',
        '{"id":1,"channel":"EchoChannel"}',
        '{"channel":"EchoChannel","id":1.0}',
        '{"channel":"Echo\\u0043hannel"}',
        '{"channel":"EchoChannel","name":"ü\u2028\U0001f600"}',
        '{"channel":"EchoChannel","name":"\\ud800"}',
        '{"channel":"EchoChannel","name":"' + "x" * 4000 + '"}',
        '\n{"channel":"NoChannel","channel":"EchoChannel"}\t',
    )

    def test_are_echoed_as_they_were_written(self, connection):
        for identifier in self.SPELLINGS:
            connection.send_raw(command(identifier=identifier), message(identifier, action="echo", text="hi"))
            assert connection.frames[-2:] == [
                {"identifier": identifier, "type": "confirm_subscription"},
                {"identifier": identifier, "message": "hi"},
            ]

    def test_each_spelling_is_a_subscription(self, cable, connection, hub):
        connection.send_raw(*(command(identifier=identifier) for identifier in self.SPELLINGS))
        assert list(connection.connection.state) == list(self.SPELLINGS)
        cable.broadcast("echo", "hi")
        heard = {frame["identifier"] for frame in connection.frames if frame.get("message") == "hi"}
        assert heard == set(self.SPELLINGS)
        assert hub.subscriber_count("echo") == len(self.SPELLINGS)

    def test_a_lone_surrogate_is_echoed_too(self, connection):
        identifier = '{"channel":"EchoChannel","name":"\ud800"}'
        connection.send_raw(command(identifier=identifier))
        assert connection.frames[-1] == {"identifier": identifier, "type": "confirm_subscription"}

    NO_CHANNELS = (
        *("", "not JSON", "null", "[]", '"EchoChannel"', "{}", '{"channel":null}', '{"channel":["x"]}'),
        *('{"channel":{"a":1}}', '{"channel":7}', '{"Channel":"EchoChannel"}', '{"channel":"echochannel"}'),
        *('{"channel":"Channel"}', '{"channel":"object"}', '{"channel":"os.system"}', "[" * 4000),
        *('{"channel":""}', '{"channel":"EchoChannel "}', '{"channel":"' + "x" * 4000 + '"}'),
    )

    def test_one_that_names_no_channel_is_rejected(self, connection):
        for identifier in self.NO_CHANNELS:
            connection.send_raw(command(identifier=identifier))
            assert connection.frames[-1] == {"identifier": identifier, "type": "reject_subscription"}
            assert isinstance(connection.errors[-1], UnknownChannel | MalformedMessage)
        assert len(connection.errors) == len(self.NO_CHANNELS)
        assert not connection.connection.state
        connection.send_raw(command())
        assert kinds(connection)[-1] == "confirm_subscription"


class TestMistakes:
    """Action Cable: the peer sees nothing and the connection survives."""

    CASES = [
        ("", MalformedMessage),
        ("not JSON", MalformedMessage),
        ("{", MalformedMessage),
        ("null", MalformedMessage),
        ("[1,2]", MalformedMessage),
        ('"subscribe"', MalformedMessage),
        ("7", MalformedMessage),
        ("[" * 10_000, MalformedMessage),
        ('{"command":' * 10_000, MalformedMessage),
        ("9" * 10_000, MalformedMessage),
        ("NaN", MalformedMessage),
        (b"binary", MalformedMessage),
        (command().encode(), MalformedMessage),
        (b"", MalformedMessage),
        (command("subscribe", None), MalformedMessage),
        (command("subscribe", {"channel": "EchoChannel"}), MalformedMessage),
        (command("subscribe", 7), MalformedMessage),
        ('{"command":"subscribe"}', MalformedMessage),
        ('{"command":"unsubscribe"}', MalformedMessage),
        ('{"command":"message"}', MalformedMessage),
        (command("message"), MalformedMessage),
        (command("message", data=None), MalformedMessage),
        (command("message", data={"action": "echo"}), MalformedMessage),
        (command("message", data="[]"), MalformedMessage),
        (command("message", data="null"), MalformedMessage),
        (command("message", data='"echo"'), MalformedMessage),
        (command("message", data="{"), MalformedMessage),
        (command("message", data=""), MalformedMessage),
        ("{}", UnknownCommand),
        (command("welcome"), UnknownCommand),
        (command("SUBSCRIBE"), UnknownCommand),
        (command("_subscribe"), UnknownCommand),
        (command("history"), UnknownCommand),
        (command(None), UnknownCommand),
        (command(7), UnknownCommand),
        (command(["subscribe"]), UnknownCommand),
        (command({"subscribe": 1}), UnknownCommand),
        (command("unsubscribe", "{}"), UnknownSubscription),
        (command("unsubscribe", ECHO + " "), UnknownSubscription),
        (message("{}", action="echo", text="hi"), UnknownSubscription),
        (message(action="nope"), UnknownAction),
        (message(action="stream_from"), UnknownAction),
        (message(), UnknownAction),
    ]

    def test_nothing_is_seen_and_all_goes_on(self, connection):
        connection.send_raw(command())
        for number, (text, error) in enumerate(self.CASES, 1):
            connection.send_raw(text)
            assert [type(each) for each in connection.errors[number - 1 :]] == [error], text[:50]
        assert kinds(connection) == ["welcome", "confirm_subscription"]
        assert not connection.closed
        connection.send_raw(message(action="echo", text="still here"))
        assert connection.frames[-1]["message"] == "still here"

    def test_they_are_counted_by_kind(self, connection):
        connection.send_raw("no", "no", command("history"), message(), command("unsubscribe"))
        counts = connection.connection.handler.counts
        assert counts == {"malformed": 2, "unknown_command": 1, "UnknownSubscription": 2}

    def test_they_are_logged_once_per_connection(self, client, connection, caplog):
        connection.send_raw("no", "no", command("history"))
        client.connect().send_raw("no")
        said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(said) == 2
        assert said[0].startswith("connection 1: a message is not JSON")
        assert said[1].startswith("connection 2: ")

    def test_what_is_logged_of_a_peers_words_is_short(self, connection, caplog):
        connection.send_raw(command("x" * 100_000))
        assert len(caplog.text) < 1000

    def test_they_can_be_watched(self, connection):
        seen = []

        def watch(sender, connection, error):
            seen.append((sender.name, connection.id, type(error)))

        with signals.command_failed.connected_to(watch):
            connection.send_raw("no")
        assert seen == [("channels", 1, MalformedMessage)]

    def test_an_application_may_answer_them(self, cable, client):
        class AppConnection(Connection):
            @rescue_from(CommandError)
            def answer(self, error):
                self.transmit({"type": "error", "error": type(error).__name__})

            @rescue_from(MalformedMessage)
            def close_it(self, error):
                self.close(1007, "not JSON")

        cable.connection(AppConnection)
        connection = client.connect()
        connection.send_raw(command("history"), command("unsubscribe"), message(), command(identifier="{}"))
        answers = [frame["error"] for frame in connection.frames if frame["type"] == "error"]
        assert answers == ["UnknownCommand", "UnknownSubscription", "UnknownSubscription", "UnknownChannel"]
        connection.send_raw("no", command())
        assert connection.closed_with == (1007, "not JSON")
        assert connection.errors == []


class TestLimits:
    @pytest.fixture
    def limits(self, connection):
        limits = ChannelLimits(subscriptions=3, streams=2, identifier=100)
        connection.connection.handler.limits = limits
        return limits

    def test_of_subscriptions(self, limits, connection):
        subscriptions = [connection.subscribe("EchoChannel", number=number) for number in range(4)]
        assert [each.confirmed for each in subscriptions] == [True, True, True, False]
        assert subscriptions[3].rejected
        assert [type(error) for error in connection.errors] == [TooMany]
        assert "CABLE_MAX_SUBSCRIPTIONS" in str(connection.errors[0])
        subscriptions[0].unsubscribe()
        assert connection.subscribe("EchoChannel", number=3).confirmed

    def test_of_streams(self, limits, connection, cable, hub):
        @cable.channel
        class GreedyChannel(Channel):
            def subscribed(self):
                for number in range(self.params["streams"]):
                    self.stream_from(f"greedy:{number}")
                    self.stream_from(f"greedy:{number}")

        assert connection.subscribe(GreedyChannel, streams=2).confirmed
        assert connection.subscribe(GreedyChannel, streams=3).rejected
        assert [type(error) for error in connection.errors] == [TooMany]
        assert "CABLE_MAX_STREAMS" in str(connection.errors[0])
        assert hub.subscriber_count("greedy:0") == 1

    @pytest.mark.parametrize("letter", ["x", "ü"])
    def test_of_an_identifier_in_bytes(self, letter, limits, connection):
        room = limits.identifier - len(b'{"channel":"EchoChannel","x":""}')
        for length in (room // len(letter.encode()), room // len(letter.encode()) + 1):
            identifier = '{"channel":"EchoChannel","x":"' + letter * length + '"}'
            connection.send_raw(command(identifier=identifier))
        assert kinds(connection) == ["welcome", "confirm_subscription", "reject_subscription"]
        assert "CABLE_MAX_IDENTIFIER_BYTES" in str(connection.errors[0])

    def test_what_is_remembered_of_identifiers_is_bounded(self, connection):
        handler = connection.connection.handler
        for number in range(1100):
            handler._resolve(f'{{"channel":"EchoChannel","x":{number}}}')
        assert 0 < len(handler._resolved) <= 1024

    def test_come_from_the_settings(self):
        app = make_app(Cable(), CABLE_MAX_SUBSCRIPTIONS=7, CABLE_MAX_STREAMS=8, CABLE_MAX_IDENTIFIER_BYTES=9)
        client = CableClient(app)
        assert client.connect().connection.handler.limits == ChannelLimits(7, 8, 9)


class TestDuplicates:
    def test_the_stock_client_is_confirmed_again(self, client):
        connection = client.connect(subprotocols=RAILS)
        connection.send_raw(command(), command())
        assert connection.frames[1:] == [{"identifier": ECHO, "type": "confirm_subscription"}] * 2
        assert connection.errors == []

    def test_others_hear_nothing(self, connection):
        connection.send_raw(command(), command())
        assert kinds(connection) == ["welcome", "confirm_subscription"]
        assert [type(error) for error in connection.errors] == [AlreadySubscribed]

    @pytest.mark.parametrize("subprotocols", [RAILS, RAILS[:1]])
    def test_while_pending_they_are_ignored(self, subprotocols, client, slow_bus):
        connection = client.connect(subprotocols=subprotocols)
        connection.send_raw(command(), command())
        slow_bus.confirm("echo")
        assert kinds(connection) == ["welcome", "confirm_subscription"]
        assert connection.errors == []

    def test_the_first_stays_as_it_is(self, cable, client, hub):
        connection = client.connect(subprotocols=RAILS)
        connection.send_raw(command())
        first = connection.connection.state[ECHO]
        connection.send_raw(command())
        assert connection.connection.state[ECHO] is first
        cable.broadcast("echo", "hi")
        assert kinds(connection)[3:] == ["message"]
        assert hub.subscriber_count("echo") == 1


@pytest.fixture
def late_adapter(echo, monkeypatch):
    """A client of an application whose adapter answers when it is told to, and that adapter."""
    cable, bus = Cable(), SlowBus()
    cable.channels["EchoChannel"] = echo
    app = make_app(cable)
    client = CableClient(app)
    monkeypatch.setattr("flask_cable.runtime.open_pubsub", lambda url, options: bus)
    app.extensions["cable"].reset()
    return client, bus


class TestOrder:
    def test_commands_are_carried_out_one_after_the_other(self, connection):
        connection.send_raw(command(), *(message(action="echo", text=number) for number in range(200)))
        assert [frame["message"] for frame in connection.frames[2:]] == list(range(200))

    def test_commands_that_come_together_see_what_the_earlier_did(self, connection):
        connection.send_raw(
            command(),
            command("unsubscribe"),
            message(action="echo", text="unheard"),
            command(),
            message(action="x"),
        )
        assert kinds(connection) == ["welcome", "confirm_subscription", "confirm_subscription"]
        assert [type(error) for error in connection.errors] == [UnknownSubscription, UnknownAction]

    def test_what_subscribed_transmits_comes_before_the_confirmation(self, cable, connection):
        @cable.channel
        class EagerChannel(Channel):
            def subscribed(self):
                self.transmit("first")
                self.stream_from("eager")
                self.broadcast_to("eager", "second")

        connection.subscribe(EagerChannel)
        assert kinds(connection) == ["welcome", "message", "message", "confirm_subscription"]

    def test_what_connect_sends_comes_before_the_welcome(self, cable, client):
        class AppConnection(Connection):
            def connect(self):
                self.transmit({"type": "early"})

        cable.connection(AppConnection)
        assert kinds(client.connect()) == ["early", "welcome"]

    def test_frames_that_come_before_the_welcome_wait_for_it(self, late_adapter):
        client, bus = late_adapter
        connection = client.connect()
        connection.send_raw(command())
        assert connection.frames == []
        bus.confirm("flask_cable/control")
        bus.confirm("echo")
        assert kinds(connection) == ["welcome", "confirm_subscription"]

    def test_an_adapter_that_never_answers_ends_the_handshake(self, late_adapter):
        client, _ = late_adapter
        connection = client.connect()
        client.advance_time(11)
        assert connection.frames == []
        assert connection.closed_with[0] == 1013
        assert not client.app.extensions["cable"].runtime().registry.taken

    def test_what_came_before_the_peers_close_is_worked_on(self, cable, connection, echo):
        heard = []

        def hear(sender, channel):
            heard.append(channel.connection.data)

        def act(channel, data):
            channel.connection.transport.hang_up()
            channel.connection.data["acted"] = channel.transmit("unheard")

        echo.echo = act
        with signals.unsubscribed.connected_to(hear):
            connection.send_raw(command(), message(action="echo"))
        assert heard == [{"acted": False, "ended": [ECHO]}]

    def test_what_comes_after_the_servers_close_is_ignored(self, connection, cable):
        connection.send_raw(command())
        connection.connection.close(1000)
        connection.send_raw(command(identifier='{"channel":"EchoChannel","late":1}'), "not JSON")
        assert kinds(connection) == ["welcome", "confirm_subscription"]
        assert connection.errors == []


class TestCommandHooks:
    def test_they_run_around_every_command(self, cable, client):
        steps = []

        class AppConnection(Connection):
            @before_command
            def before(self):
                steps.append("before")

            @after_command
            def after(self):
                steps.append("after")

        cable.connection(AppConnection)
        connection = client.connect()
        connection.send_raw(command(), message(action="echo", text=1), command("unsubscribe"))
        assert steps == ["before", "after"] * 3

    def test_false_stops_the_command(self, cable, client):
        class AppConnection(Connection):
            @before_command
            def before(self):
                return self.data.get("open", False)

            @before_command
            def later(self):
                self.data["later"] = True

            @after_command
            def after(self):
                self.data["after"] = True

        cable.connection(AppConnection)
        connection = client.connect()
        connection.send_raw(command())
        assert kinds(connection) == ["welcome"]
        assert connection.connection.data == {}
        connection.connection.data["open"] = True
        connection.send_raw(command())
        assert kinds(connection) == ["welcome", "confirm_subscription"]
        assert connection.connection.data == {"open": True, "later": True, "after": True}

    def test_nothing_but_false_does(self, cable, client):
        answers = [None, 0, "", []]
        cable.connection(type("AppConnection", (Connection,), {"before_command": lambda self: answers.pop()}))
        connection = client.connect()
        assert all(connection.subscribe("EchoChannel", number=number).confirmed for number in range(4))

    def test_an_error_in_one_is_rescued_or_logged(self, cable, client):
        client.raise_server_exceptions = False

        class AppConnection(Connection):
            @before_command
            def before(self):
                raise self.data["error"]

            @rescue_from(LookupError)
            def answer(self, error):
                self.transmit("rescued")

        cable.connection(AppConnection)
        connection = client.connect()
        for error in (LookupError(), ZeroDivisionError()):
            connection.connection.data["error"] = error
            connection.send_raw(command())
        assert connection.frames[1:] == ["rescued"]
        assert [type(error) for error in connection.errors] == [ZeroDivisionError]
        assert not connection.closed

    def test_they_are_inherited_and_may_be_added_later(self, cable, client):
        steps = []

        class Base(Connection):
            @before_command
            def first(self):
                steps.append("first")

        class AppConnection(Base):
            @before_command
            def second(self):
                steps.append("second")

        AppConnection.after_command(lambda connection: steps.append(f"after {connection.id}"))
        cable.connection(AppConnection)
        client.connect().send_raw(command())
        assert steps == ["first", "second", "after 1"]


class TestIdentity:
    def test_identifiers_are_attributes_and_inherited(self, cable, client):
        class Base(Connection):
            identified_by = "tenant"

        class AppConnection(Base):
            identified_by = ("user", "tenant")

            def connect(self):
                self.user = request.args["user"]
                self.set_identifier("extra", 1)

        cable.connection(AppConnection)
        server = client.connect(query_string={"user": "ann"}).connection
        assert AppConnection.identified_by == ("tenant", "user")
        assert (server.user, server.tenant) == ("ann", None)
        assert server.identifiers == {"user": "ann", "extra": 1}
        with pytest.raises(AttributeError):
            server.extra  # noqa: B018

    def test_the_shorthand(self, cable, client):
        @cable.identify
        def current_user():
            return session.get("user")

        assert current_user() is None if has_request_context() else current_user
        client.assert_reject_connection()
        with client.http.session_transaction() as cookie:
            cookie["user"] = 7
        connection = client.connect()
        assert connection.connection.current_user == 7
        assert connection.subscribe("EchoChannel").channel.current_user == 7

    def test_only_none_refuses(self, cable, client):
        values = [0, "", False]

        @cable.identify
        def user():
            return values.pop()

        assert [client.connect().connection.user for _ in range(3)] == [False, "", 0]

    def test_a_refusal(self, cable, client):
        steps = []

        class AppConnection(Connection):
            identified_by = "user"

            def connect(self):
                self.user = "ann"
                self.reject_unauthorized_connection()
                steps.append("after the refusal")

            def disconnected(self):
                steps.append("disconnected")

        cable.connection(AppConnection)
        connection = client.connect()
        assert connection.frames == [{"type": "disconnect", "reason": "unauthorized", "reconnect": False}]
        assert connection.closed_with == (1000, "")
        assert connection.connection.is_rejected
        connection.send_raw(command())
        connection.close(1006)
        assert len(connection.frames) == 1
        assert steps == []
        assert not cable.connections

    def test_an_error_in_connect_closes(self, cable, client, caplog):
        client.raise_server_exceptions = False

        class AppConnection(Connection):
            def connect(self):
                raise LookupError("no database")

        cable.connection(AppConnection)
        connection = client.connect()
        assert connection.frames == []
        assert connection.closed_with[0] == 1011
        assert "no database" in caplog.text
        assert "no database" not in connection.closed_with[1]
        assert not cable.connections

    def test_connect_runs_inside_the_request(self, cable, client):
        class AppConnection(Connection):
            def connect(self):
                self.data["path"] = request.full_path
                session["written"] = True

        cable.connection(AppConnection)
        assert client.connect("/cable?a=1").connection.data == {"path": "/cable?a=1"}
        with client.http.session_transaction() as cookie:
            assert cookie["written"]


class TestConnection:
    def test_ids_count_from_one_and_never_return(self, cable, client):
        first, second = client.connect(), client.connect()
        first.close()
        third = client.connect()
        assert [each.connection.id for each in (first, second, third)] == [1, 2, 3]
        assert list(cable.connections) == [2, 3]
        assert cable.connections[3] is third.connection
        with pytest.raises(TypeError):
            cable.connections[4] = third.connection

    def test_it_may_be_transmitted_to(self, client):
        connection, other = client.connect(), client.connect()
        assert connection.connection.transmit({"a": [None, "ü"]})
        assert connection.transmissions[1:] == [{"a": [None, "ü"]}]
        assert other.transmissions[1:] == []
        connection.close()
        assert connection.connection.transmit("unheard") is False

    def test_the_handshakes_request_is_kept(self, client):
        server = client.connect("/cable?room=1", headers={"X-Token": "t", "Cookie": "a=b"}).connection
        assert server.request.path == "/cable"
        assert server.request.args["room"] == "1"
        assert server.request.headers["X-Token"] == "t"
        assert server.request.remote_addr == "127.0.0.1"

    def test_so_is_its_session_which_is_read_only(self, client):
        with client.http.session_transaction() as cookie:
            cookie["user"] = 7
        server = client.connect().connection
        assert server.session["user"] == 7
        with pytest.raises(ReadOnlySession, match=r"connection\.data"):
            server.session["user"] = 8
        with pytest.raises(ReadOnlySession):
            server.session.pop("user")
        assert server.session == {"user": 7}

    def test_a_request_context_may_be_had(self, cable, client, echo):
        def look(self, data):
            with self.connection.request_context():
                self.transmit([request.path, session.get("user"), request.args["a"]])
            self.transmit(has_request_context())

        echo.echo = look
        with client.http.session_transaction() as cookie:
            cookie["user"] = 7
        subscription = client.connect("/cable?a=1").subscribe("EchoChannel")
        subscription.perform("echo")
        assert subscription.transmissions == [["/cable", 7, "1"], False]

    def test_data_is_its_own(self, client):
        first, second = client.connect().connection, client.connect().connection
        first.data["a"] = 1
        assert first.data == {"a": 1}
        assert second.data == {}
        second.data = "anything"
        assert second.data == "anything"


class TestDisconnecting:
    def test_says_why_and_whether_to_come_back(self, connection):
        connection.connection.disconnect("remote", reconnect=False)
        assert connection.frames[-1] == {"type": "disconnect", "reason": "remote", "reconnect": False}
        assert connection.closed_with[0] == 1000

    def test_reconnect_is_always_said(self, connection):
        connection.connection.disconnect()
        assert connection.frames[-1] == {"type": "disconnect", "reason": None, "reconnect": True}

    def test_happens_once(self, connection):
        connection.connection.disconnect()
        connection.connection.disconnect("remote")
        connection.connection.close(1011)
        assert kinds(connection) == ["welcome", "disconnect"]
        assert connection.closed_with[0] == 1000

    def test_a_bare_close_says_nothing(self, connection):
        connection.connection.close(1013, "later")
        assert kinds(connection) == ["welcome"]
        assert connection.closed_with == (1013, "later")

    def test_a_restart_tells_everybody_and_the_process_lives_on(self, cable, client):
        connections = [client.connect() for _ in range(3)]
        cable.restart()
        for connection in connections:
            assert connection.disconnect_message["reason"] == "server_restart"
            assert connection.disconnect_message["reconnect"] is True
            assert connection.closed
        assert not cable.connections
        assert client.connect().subscribe("EchoChannel").confirmed

    def test_an_action_may_end_its_own_connection(self, connection, echo, hub):
        echo.echo = lambda self, data: self.connection.disconnect("remote", reconnect=False)
        connection.send_raw(command(), message(action="echo"), message(action="fail"))
        assert kinds(connection) == ["welcome", "confirm_subscription", "disconnect"]
        assert connection.connection.data == {"ended": [ECHO]}
        assert connection.errors == []
        assert hub.subscriber_count("echo") == 0


class TestRemoteDisconnect:
    @pytest.fixture
    def users(self, cable, client):
        class AppConnection(Connection):
            identified_by = ("user", "tenant")

            def connect(self):
                self.user, self.tenant = int(request.args["user"]), request.args.get("tenant")

        cable.connection(AppConnection)
        return [
            client.connect("/cable?user=1&tenant=a"),
            client.connect("/cable?user=1&tenant=b"),
            client.connect("/cable?user=2&tenant=a"),
            client.connect("/cable?user=3"),
        ]

    def test_any_of_the_identifiers_will_do(self, cable, users):
        for where, gone in (
            ({"user": 9}, []),
            ({"tenant": "None"}, []),
            ({"user": 1, "tenant": "b"}, [1]),
            ({"tenant": "a"}, [0, 1, 2]),
            ({"user": "3"}, [0, 1, 2, 3]),
        ):
            cable.remote_connections.where(**where).disconnect()
            assert [number for number, each in enumerate(users) if each.closed] == gone
        message = {"type": "disconnect", "reason": "remote", "reconnect": True}
        assert [each.disconnect_message for each in users] == [message] * 4

    def test_it_may_be_for_good(self, cable, users):
        cable.remote_connections.where(user=1).where(tenant="a").disconnect(reconnect=False)
        assert users[0].disconnect_message["reconnect"] is False
        assert not users[1].closed

    def test_a_model_is_known_by_its_id(self, cable, client):
        class User:
            def __init__(self, id):
                self.id = id

        class AppConnection(Connection):
            identified_by = "user"

            def connect(self):
                self.user = User(7)

        cable.connection(AppConnection)
        connection = client.connect()
        cable.remote_connections.where(user=User(8)).disconnect()
        assert not connection.closed
        cable.remote_connections.where(user=User(7)).disconnect()
        assert connection.closed


class TestEnd:
    @pytest.fixture
    def steps(self, cable, echo):
        steps = []

        class AppConnection(Connection):
            def disconnected(self):
                steps.append("disconnected")

        cable.connection(AppConnection)
        echo.unsubscribed = lambda self: steps.append(self.params.get("number", "unsubscribed"))
        return steps

    @pytest.mark.parametrize("code", [1000, 1006])
    def test_everything_is_given_back_once(self, code, steps, cable, client, hub):
        connection = client.connect()
        subscription = connection.subscribe("EchoChannel")
        connection.close(code)
        connection.connection.handle_close(1006, "")
        connection.connection.disconnect()
        client.advance_time(30)
        assert steps == ["unsubscribed", "disconnected"]
        assert connection.connection.state is None
        assert connection.connection.closed
        assert not cable.connections
        assert hub.subscriber_count("echo") == 0
        assert [frame for frame in connection.frames if frame.get("type") == "ping"] == []
        assert subscription.channel.transmit("unheard") is False

    def test_subscriptions_end_in_their_order_and_the_connection_last(self, steps, client):
        connection = client.connect()
        for number in range(5):
            connection.subscribe("EchoChannel", number=number)
        connection.close()
        assert steps == [0, 1, 2, 3, 4, "disconnected"]

    @pytest.fixture
    def three_end(self, client, echo):
        """Subscribes three times with a hook that raises, and leaves."""

        def three_end(error):
            client.raise_server_exceptions = False
            ended = echo.unsubscribed

            def fail(self):
                ended(self)
                raise error

            echo.unsubscribed = fail
            connection = client.connect()
            for number in range(3):
                connection.subscribe("EchoChannel", number=number)
            connection.close()
            return connection

        return three_end

    def test_an_error_in_one_hook_stops_no_other(self, steps, cable, three_end, hub):
        connection = three_end(LookupError)
        assert steps == [0, 1, 2, "disconnected"]
        assert len(connection.errors) == 3
        assert not cable.connections
        assert hub.subscriber_count("echo") == 0

    @pytest.mark.parametrize("error", [SystemExit, GeneratorExit])
    def test_nor_does_one_that_is_no_exception(self, error, steps, three_end, hub):
        three_end(error)
        assert steps == [0, 1, 2, "disconnected"]
        assert hub.subscriber_count("echo") == 0

    def test_nor_does_a_handler_that_makes_it_worse(self, steps, echo, three_end, hub):
        def make_it_worse(self, error):
            raise ZeroDivisionError

        echo.rescue_from(LookupError)(make_it_worse)
        three_end(LookupError)
        assert steps == [0, 1, 2, "disconnected"]
        assert hub.subscriber_count("echo") == 0

    @pytest.mark.parametrize("signal", ["connected", "subscribed", "unsubscribed", "disconnected"])
    def test_a_watcher_that_raises_stops_nothing(self, signal, steps, cable, client, hub):
        client.raise_server_exceptions = False

        def fail(sender, **_):
            raise LookupError(signal)

        with getattr(signals, signal).connected_to(fail):
            connection = client.connect()
            subscriptions = [connection.subscribe("EchoChannel", number=number) for number in range(3)]
            connection.close()
        assert connection.welcomed
        assert all(subscription.confirmed for subscription in subscriptions)
        assert steps == [0, 1, 2, "disconnected"]
        assert not cable.connections
        assert hub.subscriber_count("echo") == 0

    def test_an_error_in_disconnected_is_logged(self, cable, client, caplog):
        client.raise_server_exceptions = False

        class AppConnection(Connection):
            def disconnected(self):
                raise LookupError("the end")

        cable.connection(AppConnection)
        connection = client.connect()
        connection.close()
        assert "LookupError: the end" in caplog.text
        assert not cable.connections


class TestSignals:
    def test_each_moment_has_one(self, app, cable, client, echo, request):
        told = []

        def watch(name):
            def hear(sender, **details):
                told.append((name, sender is app, details))

            return hear

        names = (
            "connected",
            "disconnected",
            "subscribed",
            "subscription_rejected",
            "unsubscribed",
            "rejected",
        )
        watchers = {name: watch(name) for name in names}
        for name, hear in watchers.items():
            signal = getattr(signals, name)
            signal.connect(hear)
            request.addfinalizer(partial(signal.disconnect, hear))
        connection = client.connect()
        server = connection.connection
        channel = connection.subscribe("EchoChannel").channel
        connection.subscribe("NoChannel")
        connection.close(1001, "gone")
        assert told == [
            ("connected", True, {"connection": server}),
            ("subscribed", True, {"channel": channel}),
            ("subscription_rejected", True, {"connection": server, "identifier": '{"channel":"NoChannel"}'}),
            ("unsubscribed", True, {"channel": channel}),
            ("disconnected", True, {"connection": server, "code": 1001, "reason": "gone"}),
        ]
        cable.identify(lambda: None)
        refused = client.connect()
        assert told[5:] == [("rejected", True, {"connection": refused.connection})]

    def test_disconnected_is_told_when_the_hooks_have_run(self, cable, client):
        steps = []

        class AppConnection(Connection):
            def disconnected(self):
                steps.append("hook")

        cable.connection(AppConnection)
        with signals.disconnected.connected_to(lambda sender, **_: steps.append("signal")):
            client.connect().close()
        assert steps == ["hook", "signal"]

    def test_a_peer_that_does_not_read_is_told_of(self, connection):
        told = []

        def hear(sender, connection):
            told.append(connection)

        with signals.too_slow.connected_to(hear):
            connection.connection.handler.too_slow(connection.connection)
        assert told == [connection.connection]
        assert connection.connection.handler.counts["too_slow"] == 1

    def test_a_broadcast_is_told_with_its_text(self, app, cable, client):
        told = []

        def hear(sender, stream, text):
            told.append((sender, stream, json.loads(text)))

        with signals.broadcasting.connected_to(hear):
            cable.broadcast("news", {"a": 1})
        assert told == [(app, "news", {"a": 1})]


@pytest.fixture
def torn_down():
    return []


@pytest.fixture
def counting(torn_down):
    """A client of an application that notes each teardown; its cable has one busy channel."""
    cable = Cable()

    @cable.channel
    class BusyChannel(Channel):
        def note(self, what):
            assert current_app.name == "channels"
            assert not has_request_context()
            g.count = g.get("count", 0) + 1
            self.connection.data.setdefault("noted", []).append((what, g.count))

        note.__cable_marks__ = [("helper", None)]

        def subscribed(self):
            self.note("subscribed")
            self.stream_from("busy", callback=lambda text: self.note("heard"))
            self.stream_from("plain")

        def unsubscribed(self):
            self.note("unsubscribed")

        def act(self):
            self.note("act")

        def fail(self):
            self.note("fail")
            raise LookupError

        @periodically(every=1)
        def tick(self):
            self.note("tick")

    app = make_app(cable)
    app.teardown_appcontext(lambda error: torn_down.append(g.get("count", 0)))
    return CableClient(app, raise_server_exceptions=False)


class TestContexts:
    def test_each_piece_of_work_has_one_of_its_own(self, counting, torn_down):
        connection = counting.connect()
        subscription = connection.subscribe("BusyChannel")
        subscription.perform("act")
        subscription.perform("fail")
        counting.app.extensions["cable"].cable.broadcast("busy", 1)
        counting.advance_time(1)
        subscription.unsubscribe()
        assert connection.connection.data["noted"] == [
            (what, 1) for what in ("subscribed", "act", "fail", "heard", "tick", "unsubscribed")
        ]
        assert torn_down.count(1) == 6

    def test_a_teardown_follows_each_command_and_none_is_pending(self, counting, torn_down):
        connection = counting.connect()
        before = len(torn_down)
        subscription = connection.subscribe("BusyChannel")
        assert len(torn_down) == before + 1
        subscription.perform("act")
        assert len(torn_down) == before + 2
        assert not has_app_context()

    def test_plain_streams_and_beats_need_none(self, counting, torn_down):
        connection = counting.connect()
        connection.subscribe("BusyChannel")
        before = len(torn_down)
        counting.app.extensions["cable"].cable.broadcast("plain", 1)
        assert connection.frames[-1]["message"] == 1
        assert len(torn_down) == before

    def test_the_handshakes_own_is_over_before_the_welcome(self, cable, torn_down):
        app = make_app(Cable())
        app.teardown_request(lambda error: torn_down.append("request"))
        with signals.connected.connected_to(lambda sender, connection: torn_down.append("connected")):
            CableClient(app).connect()
        assert torn_down == ["request", "connected"]

    def test_the_last_hooks_have_one_too(self, counting, torn_down):
        class AppConnection(Connection):
            def disconnected(self):
                self.data["app"] = current_app.name

        counting.app.extensions["cable"].cable.connection(AppConnection)
        connection = counting.connect()
        connection.subscribe("BusyChannel")
        connection.close()
        assert connection.connection.data["app"] == "channels"
        assert ("unsubscribed", 1) in connection.connection.data["noted"]


class TestSeveralApplications:
    @pytest.fixture
    def apps(self, cable):
        """Two applications that share one cable with its channels."""
        shared = Cable()

        @shared.channel
        class SharedChannel(Channel):
            def subscribed(self):
                self.stream_from("news")
                self.stream_for("all")
                self.stream_from("names", callback=lambda text: self.transmit(current_app.config["NAME"]))

            def tell(self, data):
                self.broadcast_to("news", current_app.config["NAME"])
                type(self).broadcast_to_target("all", current_app.config["NAME"])

        return [make_app(shared, NAME=name) for name in ("one", "two")]

    def test_do_not_hear_each_other(self, apps):
        first, second = (CableClient(app).connect().subscribe("SharedChannel") for app in apps)
        first.perform("tell")
        assert first.transmissions == ["one", "one"]
        assert second.transmissions == []

    def test_which_is_meant_is_told_by_the_context(self, apps):
        first, second = (CableClient(app).connect().subscribe("SharedChannel") for app in apps)
        cable = apps[0].extensions["cable"].cable
        with apps[1].app_context():
            cable.broadcast("names", 1)
            assert list(cable.connections) == [1]
        assert first.transmissions == []
        assert second.transmissions == ["two"]

    def test_without_one_it_is_an_error(self, apps):
        with pytest.raises(NotReady, match=r"with app\.app_context\(\)"):
            apps[0].extensions["cable"].cable.broadcast("news", 1)

    def test_another_applications_context_does_not_count(self, apps, client, cable):
        with client.app.app_context(), pytest.raises(NotReady):
            apps[0].extensions["cable"].cable.broadcast("news", 1)

    def test_before_any_it_is_an_error(self):
        with pytest.raises(NotReady, match=r"call cable\.init_app\(app\) first"):
            Cable().broadcast("news", 1)

    def test_an_application_has_one_cable(self, apps):
        with pytest.raises(RuntimeError, match="once per application"):
            Cable(apps[0])


class TestRegistering:
    def test_a_name_belongs_to_one_class(self, cable, echo):
        with pytest.raises(ConfigError, match="registered as 'EchoChannel' already"):
            cable.channel("EchoChannel")(type("Other", (Channel,), {}))

    def test_only_channels_may_be_registered(self, cable):
        for wrong in (Channel, Connection, object, None, 7, lambda: None):
            with pytest.raises(ConfigError, match="subclasses of Channel"):
                cable.channel(wrong)

    def test_only_connections_may_be_the_connection_class(self, cable):
        for wrong in (Channel, object, None, 7, lambda: None):
            with pytest.raises(ConfigError, match="a subclass of Connection"):
                cable.connection(wrong)

    def test_a_class_may_be_registered_after_the_application_has_begun(self, cable, connection):
        assert connection.subscribe("LateChannel").rejected

        @cable.channel
        class LateChannel(Channel):
            """Late, but in time."""

        assert connection.subscribe("LateChannel").confirmed

    def test_blueprints_and_routes_are_untouched(self):
        app = make_app(Cable(), CABLE_MOUNT_PATH="/api/cable")
        blueprint = Blueprint("api", __name__, url_prefix="/api")
        blueprint.add_url_rule("/cables", "cables", lambda: "the blueprint's own")
        blueprint.add_url_rule("/cable/x", "below", lambda: "below")
        app.register_blueprint(blueprint)
        http = app.test_client()
        assert http.get("/api/cables").text == "the blueprint's own"
        assert http.get("/api/cable/x").text == "below"
        assert http.get("/api/cable").status_code == 426
        assert http.get("/cable").status_code == 404
        assert CableClient(app, client=http).connect().welcomed
