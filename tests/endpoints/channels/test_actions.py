"""Which methods a peer may call."""

import functools
import json

import pytest

from flask_cable import Channel, after_subscribe, periodically, rescue_from
from flask_cable.endpoints.channels.actions import collect_actions
from flask_cable.errors import MalformedMessage, UnknownAction


def names(cls, taken=()):
    return set(collect_actions(cls, Channel, taken))


def decorated(function):
    @functools.wraps(function)
    def wrapper(self, data):
        return function(self, data)

    return wrapper


class Helpers:
    def helped(self, data):
        """A mixin's public method is the application's."""


class ChatChannel(Helpers, Channel):
    limit = 5

    def subscribed(self):
        self.stream_from("chat")

    def unsubscribed(self):
        """Nothing."""

    def speak(self, data):
        self.transmit(["speak", data])
        return "spoken"

    def nothing(self):
        self.transmit("nothing")

    def optional(self, data=None):
        self.transmit(data)

    def variable(self, *data):
        self.transmit(data)

    def keyword(self, *, data=7):
        self.transmit(data)

    @decorated
    def wrapped(self, data):
        self.transmit("wrapped")

    short = lambda self, data: self.transmit("short")  # noqa: E731

    def _secret(self, data):
        self.transmit("secret")

    def __mangled(self, data):
        self.transmit("mangled")

    @property
    def room(self):
        raise AssertionError("a property was read")

    @classmethod
    def make(cls, data):
        raise AssertionError

    @staticmethod
    def help(data):
        raise AssertionError

    partial = functools.partialmethod(_secret)

    class Inner:
        pass

    @after_subscribe
    def hook(self):
        """A hook."""

    @periodically(every=1)
    def tick(self):
        """A timer."""

    @rescue_from(ZeroDivisionError)
    def rescued(self, error):
        """A handler of errors."""


ALLOWED = {"helped", "speak", "nothing", "optional", "variable", "keyword", "wrapped", "short"}

NOT_CALLABLE = [
    *("stream_from", "stream_for", "stop_all_streams", "transmit", "broadcast_to", "broadcast_to_target"),
    *("reject", "perform", "subscribe", "unsubscribe", "subscribed", "unsubscribed", "run_periodic_timers"),
    *("_secret", "_ChatChannel__mangled", "__mangled", "__init__", "__class__", "__repr__", "_end"),
    *("room", "make", "help", "partial", "Inner", "limit", "hook", "tick", "rescued"),
    *("params", "identifier", "connection", "actions", "no_such", "Speak", "speak ", "mro", "attached"),
]


class TestCollecting:
    def test_public_methods_below_the_base_are_actions(self):
        assert names(ChatChannel) == ChatChannel.actions.keys() == ALLOWED

    def test_the_base_has_none(self):
        assert Channel.actions == {}
        assert names(type("Empty", (Channel,), {})) == set()

    def test_subclasses_inherit_and_add(self):
        class More(ChatChannel):
            def more(self):
                """One more."""

        assert More.actions.keys() == ALLOWED | {"more"}
        assert "more" not in ChatChannel.actions

    def test_an_overridden_action_counts_as_it_is_now(self):
        class Less(ChatChannel):
            speak = None
            nothing = property(lambda self: None)

            def optional(self):
                """Takes no data any more."""

            @periodically(every=1)
            def wrapped(self):
                """A timer now."""

            @classmethod
            def short(cls, data):
                """A class method now."""

        assert Less.actions.keys() == ALLOWED - {"speak", "nothing", "wrapped", "short"}
        assert Less.actions["optional"] is False
        assert ChatChannel.actions["optional"] is True

    def test_what_was_no_action_may_become_one(self):
        class Other(ChatChannel):
            def make(self, data):
                """No class method any more."""

            def room(self):
                """No property any more."""

        assert Other.actions.keys() == ALLOWED | {"make", "room"}

    def test_hooks_timers_and_handlers_stay_out_of_reach_when_they_are_overridden(self):
        class Other(ChatChannel):
            def hook(self):
                """Still a hook."""

            def tick(self):
                """Still a timer."""

            def rescued(self, error):
                """Still a handler of errors."""

        assert Other.actions.keys() == ALLOWED

    def test_names_may_be_taken_by_something_else(self):
        assert names(ChatChannel, {"speak", "nothing", print}) == ALLOWED - {"speak", "nothing"}

    def test_overridden_framework_methods_stay_out_of_reach(self):
        class Bold(Channel):
            def transmit(self, data):
                return super().transmit(data)

            def reject(self):
                return super().reject()

            def before_subscribe(self):
                """A hook by its name."""

        assert Bold.actions == {}

    def test_whether_an_action_takes_data_is_known(self):
        takes = {name for name, takes_data in ChatChannel.actions.items() if takes_data}
        assert takes == ALLOWED - {"nothing", "keyword"}


class TestByHand:
    def test_perform_returns_what_the_action_returns(self, cable, connection):
        cable.channel(ChatChannel)
        channel = connection.subscribe(ChatChannel).channel
        assert channel.perform("speak", {"text": "hi"}) == "spoken"
        assert channel.perform("speak") == "spoken"
        assert channel.perform("nothing", {"ignored": True}) is None

    def test_anything_else_is_unknown(self, cable, connection):
        cable.channel(ChatChannel)
        channel = connection.subscribe(ChatChannel).channel
        channel.attached = lambda data: pytest.fail("an attribute was called")
        for name in NOT_CALLABLE:
            with pytest.raises(UnknownAction, match=f"ChatChannel has no action '{name}'"):
                channel.perform(name)


class TestByPeer:
    @pytest.fixture
    def chat(self, cable, connection):
        cable.channel(ChatChannel)
        return connection.subscribe(ChatChannel)

    def test_an_action_gets_its_data(self, chat):
        chat.perform("speak", text="hi")
        assert chat.transmissions == [["speak", {"action": "speak", "text": "hi"}]]

    def test_an_action_gets_as_many_arguments_as_it_takes(self, chat):
        for action in ("nothing", "optional", "variable", "keyword", "wrapped", "short"):
            chat.perform(action)
        assert chat.transmissions == [
            "nothing",
            {"action": "optional"},
            [{"action": "variable"}],
            7,
            "wrapped",
            "short",
        ]

    def test_nothing_else_may_be_called(self, chat, connection, hub):
        chat.channel.attached = lambda data: pytest.fail("an attribute was called")
        for name in NOT_CALLABLE:
            chat.perform(name)
        assert [type(error) for error in connection.errors] == [UnknownAction] * len(NOT_CALLABLE)
        assert chat.transmissions == []
        assert chat.confirmed
        assert not connection.closed
        assert hub.subscriber_count("chat") == 1

    def test_without_an_action_receive_is_called(self, cable, connection):
        @cable.channel
        class EchoChannel(Channel):
            def receive(self, data):
                self.transmit(data)

        echo = connection.subscribe(EchoChannel)
        said = [{"x": 1}, {"action": "", "x": 1}, {"action": None, "x": 1}, {}]
        for data in said:
            echo.send(data)
        assert echo.transmissions == said

    def test_receive_need_not_exist(self, chat, connection):
        chat.send({"x": 1})
        assert [type(error) for error in connection.errors] == [UnknownAction]

    def test_an_action_is_named_by_a_string(self, chat, connection):
        for action in (1, True, False, 0, ["speak"], {"speak": 1}):
            chat.send({"action": action})
        assert chat.transmissions == []
        assert [type(error) for error in connection.errors] == [MalformedMessage] * 6

    def test_data_is_what_the_peer_sent(self, chat):
        data = {
            "action": "speak",
            "text": 'ü "\u2028\x00 \U0001f600',
            "deep": [None, {"a": 1.5}],
            "action2": 0,
        }
        chat.send(data)
        assert chat.transmissions == [["speak", data]]

    def test_the_last_of_two_equal_keys_counts(self, chat, connection):
        message = {"command": "message", "identifier": chat.identifier}
        connection.send_raw(json.dumps({**message, "data": '{"action":"_secret","action":"nothing"}'}))
        assert chat.transmissions == ["nothing"]
