"""What an application writes: subscriptions, streams, broadcasts, hooks and errors of a channel."""

import base64
import json
import logging

import pytest

from flask_cable import (
    Channel,
    Connection,
    JsonCoder,
    after_subscribe,
    after_unsubscribe,
    before_subscribe,
    before_unsubscribe,
    periodically,
    rescue_from,
)
from flask_cable.errors import AlreadySubscribed, ConfigError, EncodeError, NotReady, UnknownAction


class Post:
    def __init__(self, id):
        self.id = id


class Base64:
    """A coder whose text is no JSON."""

    @staticmethod
    def encode(value):
        return base64.b64encode(json.dumps(value).encode()).decode()

    @staticmethod
    def decode(text):
        return json.loads(base64.b64decode(text))


@pytest.fixture
def news(cable):
    """A channel that hears one stream."""

    @cable.channel
    class NewsChannel(Channel):
        def subscribed(self):
            self.stream_from("news")

        def tell(self, data):
            self.broadcast_to("news", data["text"])

        def tell_others(self, data):
            self.broadcast_to("news", data["text"], exclude=self.connection)

        def stop(self):
            self.transmit(["stopped", self.stop_stream_from("news")])

        def again(self):
            self.stream_from("news")

    return NewsChannel


def subscribe(cable, connection, subscribed, **params):
    """Subscribe to a channel whose ``subscribed`` is this function."""
    channel = cable.channel("AChannel")(type("AChannel", (Channel,), {"subscribed": subscribed}))
    return connection.subscribe(channel, **params)


class TestDelivery:
    def test_what_is_broadcast_reaches_who_streams_it(self, cable, connection, news):
        subscription = connection.subscribe(news)
        cable.broadcast("news", {"text": "hi"})
        assert subscription.transmissions == [{"text": "hi"}]

    def test_two_connections_both_hear(self, cable, client, news, hub):
        subscriptions = [client.connect().subscribe(news) for _ in range(2)]
        cable.broadcast("news", "hi")
        assert [each.transmissions for each in subscriptions] == [["hi"], ["hi"]]
        assert hub.subscriber_count("news") == 2

    def test_nobody_need_listen(self, cable, client, hub):
        cable.broadcast("news", "hi")
        assert hub.subscriber_count("news") == 0

    def test_a_peer_hears_its_own_broadcast(self, connection, news):
        subscription = connection.subscribe(news)
        subscription.perform("tell", text="hi")
        assert subscription.transmissions == ["hi"]

    def test_after_unsubscribing_nothing_comes(self, cable, connection, news, hub):
        subscription = connection.subscribe(news)
        subscription.unsubscribe()
        cable.broadcast("news", "hi")
        assert subscription.transmissions == []
        assert hub.subscriber_count("news") == 0
        assert "news" not in hub.streams

    @pytest.mark.parametrize("end", ["close", "disconnect"])
    def test_after_the_connections_end_nothing_comes(self, end, cable, connection, news, hub):
        subscription = connection.subscribe(news)
        {"close": connection.close, "disconnect": connection.connection.disconnect}[end]()
        cable.broadcast("news", "hi")
        assert subscription.transmissions == []
        assert hub.subscriber_count("news") == 0

    def test_one_peer_may_be_excluded(self, cable, client, news):
        speaker, listener = (client.connect().subscribe(news) for _ in range(2))
        speaker.perform("tell_others", text="hi")
        cable.broadcast("news", "ho", exclude=listener.channel)
        assert speaker.transmissions == ["ho"]
        assert listener.transmissions == ["hi"]

    @pytest.mark.parametrize("option", [{"callback": True}, {"coder": Base64}])
    def test_an_excluded_peer_hears_nothing_by_callback_or_coder_either(self, option, cable, client):
        def subscribed(self):
            callback = self.transmit if option.get("callback") else None
            self.stream_from("news", callback=callback, coder=option.get("coder"))

        speaker, listener = (subscribe(cable, client.connect(), subscribed) for _ in range(2))
        speaker.channel.broadcast_to(
            "news", "hi", coder=option.get("coder"), exclude=speaker.connection.connection
        )
        assert len(listener.transmissions) == 1
        assert speaker.transmissions == []

    def test_order_is_kept(self, cable, connection, news):
        subscription = connection.subscribe(news)
        for number in range(100):
            cable.broadcast("news", number)
        assert subscription.transmissions == list(range(100))

    def test_any_json_may_be_sent(self, cable, connection, news):
        subscription = connection.subscribe(news)
        messages = [None, False, True, 0, "", [], {}, "null", "ü\u2028\x00\U0001f600", 1.5, "{}"]
        for message in messages:
            cable.broadcast("news", message)
            subscription.channel.transmit(message)
        heard = [message for message in messages for _ in range(2)]
        assert subscription.transmissions == heard
        assert list(map(type, subscription.transmissions)) == list(map(type, heard))

    def test_a_data_frame_has_no_type(self, cable, connection, news):
        subscription = connection.subscribe(news)
        cable.broadcast("news", 1)
        assert connection.frames[-1] == {"identifier": subscription.identifier, "message": 1}

    def test_two_subscriptions_of_one_connection_both_hear(self, cable, connection, news):
        subscriptions = [connection.subscribe(news, number=number) for number in range(2)]
        cable.broadcast("news", "hi")
        assert [each.transmissions for each in subscriptions] == [["hi"], ["hi"]]

    def test_one_that_fails_starves_nobody(self, cable, client, news, caplog):
        failing, fine = (client.connect().subscribe(news) for _ in range(2))
        failing.connection.connection.transport = None
        cable.broadcast("news", "hi")
        assert fine.transmissions == ["hi"]
        assert "could not be sent to" in caplog.text

    def test_who_leaves_during_a_broadcast_hears_no_more_of_it(self, cable, client):
        subscriptions = []

        def subscribed(self):
            self.stream_from("news", callback=self.hear)

        def hear(self, message):
            self.transmit(message)
            for subscription in subscriptions:
                subscription.channel.stop_all_streams()

        channel = type("LeavingChannel", (Channel,), {"subscribed": subscribed, "hear": hear})
        cable.channel(channel)
        subscriptions += [client.connect().subscribe(channel) for _ in range(2)]
        cable.broadcast("news", "hi")
        cable.broadcast("news", "ho")
        assert [each.transmissions for each in subscriptions] == [['"hi"'], []]


class TestValuesWithoutJsonForm:
    def test_a_broadcast_is_an_error_and_nothing_is_sent(self, cable, connection, news):
        subscription = connection.subscribe(news)
        with pytest.raises(EncodeError, match="a Post cannot be sent"):
            cable.broadcast("news", Post(1))
        with pytest.raises(EncodeError, match=r"a dict cannot be sent.*Post"):
            cable.broadcast("news", {"a": 1, "post": Post(1)})
        with pytest.raises(EncodeError):
            cable.broadcast("news", float("nan"))
        assert subscription.transmissions == []

    def test_a_transmission_too(self, connection, news):
        subscription = connection.subscribe(news)
        with pytest.raises(EncodeError, match="a Post cannot be sent"):
            subscription.channel.transmit(Post(1))
        assert subscription.transmissions == []


class TestStreams:
    def test_the_same_stream_twice_is_heard_once(self, cable, connection, news, hub):
        subscription = connection.subscribe(news)
        subscription.perform("again")
        cable.broadcast("news", "hi")
        assert subscription.transmissions == ["hi"]
        assert subscription.streams == ("news",)
        assert hub.subscriber_count("news") == 1

    def test_the_last_way_of_hearing_counts(self, cable, connection, hub):
        def subscribed(self):
            self.stream_from("a")
            self.stream_from("a", callback=lambda text: self.transmit(["first", text]))
            self.stream_from("a", callback=lambda text: self.transmit(["second", text]))
            self.stream_from("b", callback=self.transmit)
            self.stream_from("b")

        subscription = subscribe(cable, connection, subscribed)
        cable.broadcast("a", 1)
        cable.broadcast("b", 2)
        assert subscription.transmissions == [["second", "1"], 2]
        assert hub.subscriber_count("a") == hub.subscriber_count("b") == 1
        subscription.unsubscribe()
        assert hub.subscriber_count("a") == hub.subscriber_count("b") == 0

    def test_one_may_be_stopped(self, cable, connection, news, hub):
        subscription = connection.subscribe(news)
        subscription.perform("stop")
        subscription.perform("stop")
        cable.broadcast("news", "hi")
        assert subscription.transmissions == [["stopped", True], ["stopped", False]]
        assert subscription.confirmed
        assert hub.subscriber_count("news") == 0

    def test_all_may_be_stopped(self, cable, connection, hub):
        def subscribed(self):
            for name in "abc":
                self.stream_from(name)

        subscription = subscribe(cable, connection, subscribed)
        assert subscription.streams == ("a", "b", "c")
        subscription.channel.stop_all_streams()
        assert subscription.streams == ()
        assert [hub.subscriber_count(name) for name in "abc"] == [0, 0, 0]

    def test_a_target_has_a_stream_of_this_channel(self, cable, connection):
        def subscribed(self):
            self.stream_for(Post(7))
            self.stream_for("all")
            self.stream_for([Post(7), "comments"])

        subscription = subscribe(cable, connection, subscribed)
        assert subscription.streams == ("a:Post:7", "a:all", "a:Post:7:comments")
        assert subscription.channel.stop_stream_for(Post(7))
        assert not subscription.channel.stop_stream_for(Post(7))
        assert subscription.streams == ("a:all", "a:Post:7:comments")

    def test_a_target_that_is_not_there_rejects(self, cable, connection):
        def subscribed(self):
            self.stream_or_reject_for(self.params["post"] and Post(self.params["post"]), coder=Base64)

        assert subscribe(cable, connection, subscribed, post=None).rejected
        found = subscribe(cable, connection, subscribed, post=7)
        found.assert_has_stream_for(Post(7))
        found.channel.broadcast_to_target(Post(7), [1], coder=Base64)
        assert found.transmissions == [[1]]

    def test_what_names_no_stream_is_an_error(self, connection, news):
        channel = connection.subscribe(news).channel
        for stream in ("", "  ", None, Post(None), []):
            with pytest.raises(ValueError, match=r"names? "):
                channel.stream_from(stream)
        assert channel.streams == ("news",)

    def test_names_may_have_any_length_and_script(self, cable, connection, news):
        subscription = connection.subscribe(news)
        names = ["x" * 10_000, "ü:\U0001f600", "a|b", "j:1|x", "*", "{}", "a\nb\x00"]
        for name in names:
            subscription.channel.stream_from(name)
        for name in names:
            cable.broadcast(name, name)
        assert subscription.transmissions == names

    def test_after_the_end_none_can_be_added(self, connection, news, hub):
        subscription = connection.subscribe(news)
        subscription.unsubscribe()
        subscription.channel.stream_from("news")
        assert subscription.channel.streams == ()
        assert hub.subscriber_count("news") == 0


class TestCallbacksAndCoders:
    def hearing(self, cable, connection, **options):
        heard = []
        if options.pop("callback", True):
            options["callback"] = heard.append
        return heard, subscribe(cable, connection, lambda self: self.stream_from("news", **options))

    def test_a_callback_gets_the_text_and_nothing_is_sent(self, cable, connection):
        heard, subscription = self.hearing(cable, connection)
        cable.broadcast("news", {"a": [1, "ü"]})
        assert [json.loads(text) for text in heard] == [{"a": [1, "ü"]}]
        assert subscription.transmissions == []

    @pytest.mark.parametrize("coder", [JsonCoder, JsonCoder()])
    def test_a_coder_decodes_for_a_callback(self, coder, cable, connection):
        heard, _ = self.hearing(cable, connection, coder=coder)
        cable.broadcast("news", {"a": 1})
        assert heard == [{"a": 1}]

    @pytest.mark.parametrize("coder", [JsonCoder(), Base64])
    def test_a_coder_alone_decodes_for_the_peer(self, coder, cable, connection):
        _, subscription = self.hearing(cable, connection, callback=False, coder=coder)
        cable.broadcast("news", {"a": None}, coder=coder)
        subscription.channel.broadcast_to("news", "b", coder=coder)
        assert subscription.transmissions == [{"a": None}, "b"]

    def test_a_coders_text_reaches_plain_streams_as_a_string(self, cable, connection, news):
        subscription = connection.subscribe(news)
        cable.broadcast("news", 1, coder=Base64)
        assert subscription.transmissions == [Base64.encode(1)]

    def test_a_callback_runs_after_the_command_that_caused_it(self, cable, connection):
        steps = []

        @cable.channel
        class StepChannel(Channel):
            def subscribed(self):
                self.stream_from("steps", callback=lambda text: steps.append(f"heard {text}"))

            def step(self, data):
                steps.append("begins")
                self.broadcast_to("steps", 1)
                steps.append("ends")

        connection.subscribe(StepChannel).perform("step")
        assert steps == ["begins", "ends", "heard 1"]

    def test_what_a_callback_has_coming_when_its_subscription_ends_is_dropped(self, cable, connection):
        @cable.channel
        class HastyChannel(Channel):
            def subscribed(self):
                self.stream_from("news", callback=self.transmit)

            def leave(self):
                self.broadcast_to("news", "too late")
                self.unsubscribe()

        hasty = connection.subscribe(HastyChannel)
        hasty.perform("leave")
        assert hasty.transmissions == []

    def test_text_that_a_coder_cannot_decode_is_an_error_of_that_message_only(
        self, cable, client, connection
    ):
        client.raise_server_exceptions = False
        heard, _ = self.hearing(cable, connection, coder=Base64)
        cable.broadcast("news", "!")
        cable.broadcast("news", 2, coder=Base64)
        assert heard == [2]
        assert len(connection.errors) == 1


class TestBroadcasting:
    def test_to_a_model_meets_stream_from_it(self, cable, connection):
        subscription = subscribe(cable, connection, lambda self: self.stream_from(Post(7)))
        subscription.channel.broadcast_to(Post(7), 1)
        cable.broadcast(Post(7), 2)
        cable.broadcast("Post:7", 3)
        assert subscription.transmissions == [1, 2, 3]

    def test_to_a_target_meets_stream_for_it(self, cable, connection):
        subscription = subscribe(cable, connection, lambda self: self.stream_for(Post(7)))
        subscription.channel.broadcast_to_target(Post(7), 1)
        cable.channels["AChannel"].broadcast_to_target(Post(7), 2)
        cable.broadcast(Post(7), "not to a target")
        assert subscription.transmissions == [1, 2]

    def test_from_the_class(self, cable, client):
        @cable.channel
        class BroadcastChannel(Channel):
            """Its name is its streams' prefix."""

        with client.assert_broadcasts("broadcast:lobby", 1):
            BroadcastChannel.broadcast_to_target("lobby", {"text": "hi"})
        client.assert_broadcast_on("broadcast:lobby", {"text": "hi"})

    def test_from_the_class_one_may_be_excluded(self, cable, connection):
        subscription = subscribe(cable, connection, lambda self: self.stream_for("all"))
        type(subscription.channel).broadcast_to_target("all", 1, exclude=subscription.channel)
        assert subscription.transmissions == []

    def test_from_a_class_that_is_not_registered_is_an_error(self):
        class LooseChannel(Channel):
            """Nobody knows it."""

        with pytest.raises(NotReady, match=r"put @cable\.channel on it"):
            LooseChannel.broadcast_to_target("x", 1)

    def test_a_channel_has_its_registered_name(self, cable):
        for name, prefix in {
            "RoomChannel": "room",
            "UserChatChannel": "user_chat",
            "HTTPChannel": "http",
            "Channel1": "channel1",
            "Admin::UserChatChannel": "admin:user_chat",
            "Turbo::StreamsChannel": "turbo:streams",
        }.items():
            channel = cable.channel(name)(type("Anything", (Channel,), {}))
            assert channel.channel_name() == prefix
            assert channel.broadcasting_for(Post(7), 3) == f"{prefix}:Post:7:3"

    def test_an_unregistered_one_the_name_of_its_class(self):
        assert type("RoomChannel", (Channel,), {}).channel_name() == "room"


class TestReject:
    @pytest.fixture
    def picky(self, cable):
        @cable.channel
        class PickyChannel(Channel):
            ended = []

            def subscribed(self):
                self.stream_from("news")
                self.transmit("before")
                self.broadcast_to("news", "broadcast")
                if self.params.get("refuse", True):
                    self.reject()
                    self.stream_from("late")
                    self.broadcast_to("news", "too late")
                    self.transmit("after")

            def unsubscribed(self):
                self.ended.append("unsubscribed")

            def refuse(self):
                self.reject()
                self.transmit("refused")

            def listen(self):
                self.stream_from("refusal", callback=lambda text: self.reject())

        return PickyChannel

    def test_does_not_raise_and_nothing_is_kept(self, picky, connection, hub, client):
        subscription = connection.subscribe(picky)
        assert subscription.rejected
        assert connection.connection.state == {}
        assert hub.subscriber_count("news") == hub.subscriber_count("late") == 0
        assert picky.ended == []

    def test_what_was_sent_before_has_been_sent(self, picky, connection):
        subscription = connection.subscribe(picky)
        assert subscription.transmissions == ["before", "broadcast", "after"]
        assert connection.frames[-1] == {"identifier": subscription.identifier, "type": "reject_subscription"}

    def test_is_answered_once_and_never_confirmed(self, picky, connection):
        connection.subscribe(picky)
        kinds = [frame.get("type") for frame in connection.frames if "type" in frame]
        assert kinds == ["welcome", "reject_subscription"]

    def test_one_may_try_again(self, picky, connection):
        identifier = connection.subscribe(picky).identifier
        assert connection.subscribe(picky).rejected
        assert connection.subscribe(picky, refuse=False).confirmed
        assert sum(frame.get("identifier") == identifier for frame in connection.frames) == 8

    def test_a_rejected_subscription_performs_nothing(self, cable, connection):
        kept = []
        subscribe(cable, connection, lambda self: (kept.append(self), self.reject()))
        kept[0].actions = {"anything": False}
        with pytest.raises(UnknownAction):
            kept[0].perform("anything")
        identifier = kept[0].identifier
        connection.send_raw(
            json.dumps({"command": "message", "identifier": identifier, "data": '{"action":"anything"}'})
        )
        assert len(connection.errors) == 1

    def test_in_an_action_ends_the_subscription(self, picky, cable, connection, hub):
        subscription = connection.subscribe(picky, refuse=False)
        subscription.perform("refuse")
        cable.broadcast("news", "unheard")
        assert subscription.transmissions[2:] == ["refused"]
        assert subscription.rejected
        assert connection.connection.state == {}
        assert picky.ended == []
        assert connection.subscribe(picky, refuse=False).confirmed

    def test_in_a_stream_callback(self, picky, cable, connection):
        subscription = connection.subscribe(picky, refuse=False)
        subscription.perform("listen")
        cable.broadcast("refusal", 1)
        assert subscription.rejected
        assert connection.connection.state == {}

    def test_in_a_hook_before_subscribing_skips_subscribed(self, cable, connection):
        called = []

        @cable.channel
        class GuardedChannel(Channel):
            @before_subscribe
            def guard(self):
                self.reject()

            def subscribed(self):
                called.append("subscribed")

            @after_subscribe
            def after(self):
                called.append(f"after, rejected is {self.rejected}")

        assert connection.subscribe(GuardedChannel).rejected
        assert called == ["after, rejected is True"]

    def test_in_a_hook_after_subscribing_rejects_too(self, cable, connection):
        @cable.channel
        class LateChannel(Channel):
            @after_subscribe
            def after(self):
                self.reject()

        assert connection.subscribe(LateChannel).rejected


class TestHooks:
    def test_their_order(self, cable, connection):
        steps = []

        def step(self):
            steps.append("lambda")

        @cable.channel
        class HookedChannel(Channel):
            @after_unsubscribe
            def last(self):
                steps.append("after_unsubscribe")

            @after_subscribe
            def third(self):
                steps.append("after_subscribe")

            def unsubscribed(self):
                steps.append("unsubscribed")

            def subscribed(self):
                steps.append("subscribed")

            @before_subscribe
            def first(self):
                steps.append("before_subscribe")

            @before_subscribe
            def second(self):
                steps.append("before_subscribe again")

            @before_unsubscribe
            def before_the_end(self):
                steps.append("before_unsubscribe")

        HookedChannel.after_subscribe(step)
        subscription = connection.subscribe(HookedChannel)
        begun = len(steps)
        subscription.unsubscribe()
        assert steps[:begun] == [
            *("before_subscribe", "before_subscribe again", "subscribed", "after_subscribe", "lambda")
        ]
        assert steps[begun:] == ["before_unsubscribe", "unsubscribed", "after_unsubscribe"]

    def test_they_are_inherited_and_overridden_by_name(self, cable, connection):
        steps = []

        class Base(Channel):
            @before_subscribe
            def one(self):
                steps.append("one of the base")

            def before_subscribe(self):
                steps.append("by its name")

        @cable.channel
        class SubChannel(Base):
            def one(self):
                steps.append("one of the subclass")

            @before_subscribe
            def two(self):
                steps.append("two")

        connection.subscribe(SubChannel)
        assert steps == ["one of the subclass", "by its name", "two"]
        assert SubChannel.actions == {}

    def test_one_may_be_added_to_a_class_later(self, cable, connection, news):
        @news.after_subscribe
        def greet(channel):
            channel.transmit("hello")

        assert connection.subscribe(news).transmissions == ["hello"]

    def test_what_was_added_later_is_inherited(self, cable, connection):
        class Base(Channel):
            def fail(self):
                raise LookupError

        Base.before_subscribe(lambda channel: channel.transmit("hello"))
        Base.rescue_from(LookupError)(lambda channel, error: channel.transmit("rescued"))
        cable.channel("SubChannel")(type("SubChannel", (Base,), {}))
        subscription = connection.subscribe("SubChannel")
        subscription.perform("fail")
        assert subscription.transmissions == ["hello", "rescued"]

    def test_one_function_may_be_several(self, cable, connection):
        @cable.channel
        class CountChannel(Channel):
            count = 0

            @before_subscribe
            @after_subscribe
            def up(self):
                self.count += 1

        assert connection.subscribe(CountChannel).channel.count == 2

    def test_what_unsubscribed_transmits_still_arrives(self, cable, connection):
        @cable.channel
        class PoliteChannel(Channel):
            sent = []

            def unsubscribed(self):
                self.sent.append(self.transmit("bye"))

        subscription = connection.subscribe(PoliteChannel)
        subscription.unsubscribe()
        assert subscription.transmissions == ["bye"]
        again = connection.subscribe(PoliteChannel)
        connection.close()
        assert again.transmissions == []
        assert PoliteChannel.sent == [True, False]

    def test_a_broadcast_of_unsubscribed_does_not_come_back(self, cable, connection):
        @cable.channel
        class LeavingChannel(Channel):
            def subscribed(self):
                self.stream_from("news")

            def unsubscribed(self):
                self.broadcast_to("news", "I leave")

        subscription = connection.subscribe(LeavingChannel)
        other = connection.subscribe(LeavingChannel, other=True)
        subscription.unsubscribe()
        assert subscription.transmissions == []
        assert other.transmissions == ["I leave"]


class TestCleanup:
    @pytest.fixture
    def fragile(self, cable, client):
        """A channel every ending hook of which fails; what ran is in ``steps``."""
        client.raise_server_exceptions = False

        @cable.channel
        class FragileChannel(Channel):
            steps = []

            def step(self, name):
                self.steps.append(name)
                raise LookupError(name)

            def subscribed(self):
                self.stream_from("news")

            @before_unsubscribe
            def before(self):
                self.step("before")

            def unsubscribed(self):
                self.step("unsubscribed")

            @after_unsubscribe
            def after(self):
                self.step("after")

            @after_unsubscribe
            def finally_after(self):
                self.step("after again")

        return FragileChannel

    ALL = ["before", "unsubscribed", "after", "after again"]

    def test_each_hook_runs_whatever_the_others_do(self, fragile, connection, hub):
        connection.subscribe(fragile).unsubscribe()
        assert fragile.steps == self.ALL
        assert hub.subscriber_count("news") == 0
        assert not connection.closed

    def test_each_subscription_is_ended_whatever_the_others_do(self, fragile, connection, hub):
        for number in range(3):
            connection.subscribe(fragile, number=number)
        connection.close()
        assert fragile.steps.count("before") == fragile.steps.count("unsubscribed") == 3
        assert hub.subscriber_count("news") == 0

    def test_their_errors_are_logged(self, fragile, connection, caplog):
        connection.subscribe(fragile).unsubscribe()
        assert "LookupError" in caplog.text
        assert connection.errors

    def test_it_happens_once(self, cable, connection):
        steps = []
        channel = type("OnceChannel", (Channel,), {"unsubscribed": lambda self: steps.append(1)})
        cable.channel(channel)
        subscription = connection.subscribe(channel)
        subscription.unsubscribe()
        subscription.channel.unsubscribe()
        connection.close()
        connection.connection.disconnect()
        assert steps == [1]


class TestErrorsInSubscribed:
    @pytest.fixture
    def failing(self, cable, client):
        client.raise_server_exceptions = False

        @cable.channel
        class FailingChannel(Channel):
            ended = []

            def subscribed(self):
                self.stream_from("news")
                self.stream_from("heard", callback=self.transmit)
                if self.params.get("fail", True):
                    raise LookupError("no")

            def unsubscribed(self):
                self.ended.append(1)

            @periodically(every=1)
            def tick(self):
                self.transmit("tick")

        return FailingChannel

    def test_nothing_leaks_and_the_peer_is_told(self, failing, connection, hub, client):
        subscription = connection.subscribe(failing)
        assert subscription.rejected
        assert connection.connection.state == {}
        assert hub.subscriber_count("news") == hub.subscriber_count("heard") == 0
        client.advance_time(10)
        assert subscription.transmissions == []
        assert [str(error) for error in connection.errors] == ["no"]
        assert failing.ended == []

    def test_one_may_try_again(self, failing, connection):
        connection.subscribe(failing)
        assert connection.subscribe(failing).rejected
        assert connection.subscribe(failing, fail=False).confirmed

    @pytest.mark.parametrize("hook", [before_subscribe, after_subscribe])
    def test_hooks_are_no_different(self, hook, cable, client, connection, hub):
        client.raise_server_exceptions = False

        @cable.channel
        class HookedChannel(Channel):
            def subscribed(self):
                self.stream_from("news")

            @hook
            def fail(self):
                raise LookupError("no")

        assert connection.subscribe(HookedChannel).rejected
        assert hub.subscriber_count("news") == 0

    def test_one_that_is_no_exception_is_no_different(self, cable, client, connection, hub):
        client.raise_server_exceptions = False

        def subscribed(self):
            self.stream_from("news")
            raise SystemExit

        assert subscribe(cable, connection, subscribed).rejected
        assert hub.subscriber_count("news") == 0
        assert subscribe(cable, connection, lambda self: None, other=True).confirmed

    def test_a_rescued_one_is_answered_and_still_rejected(self, cable, connection):
        @cable.channel
        class RescuedChannel(Channel):
            def subscribed(self):
                raise LookupError("no such room")

            @rescue_from(LookupError)
            def answer(self, error):
                self.transmit({"error": str(error)})

        subscription = connection.subscribe(RescuedChannel)
        assert subscription.transmissions == [{"error": "no such room"}]
        assert subscription.rejected
        assert connection.errors == []


class Failing(Channel):
    """Fails as it is told to, and answers some of that."""

    def fail(self, data):
        raise {"key": KeyError, "index": IndexError, "zero": ZeroDivisionError, "value": ValueError}[
            data["by"]
        ]

    @rescue_from(LookupError)
    def lookup(self, error):
        self.transmit("lookup")

    @rescue_from(ZeroDivisionError, ValueError)
    def arithmetic(self, error):
        self.transmit("arithmetic")


class MoreFailing(Failing):
    """Answers all of it."""

    @rescue_from(Exception)
    def everything(self, error):
        self.transmit("everything")

    @rescue_from(KeyError)
    def keys(self, error):
        self.transmit("keys")


class TestRescue:
    def test_what_was_declared_last_wins_and_a_subclass_over_its_bases(self, cable, connection):
        answers = {}
        for channel in (Failing, MoreFailing):
            cable.channel(channel)
            subscription = connection.subscribe(channel)
            for by in ("key", "index", "zero", "value"):
                subscription.perform("fail", by=by)
            answers[channel] = subscription.transmissions
        assert answers == {
            Failing: ["lookup", "lookup", "arithmetic", "arithmetic"],
            MoreFailing: ["keys", "everything", "everything", "everything"],
        }

    def test_a_handler_may_be_overridden_by_its_name(self, cable, connection):
        class Base(Channel):
            @rescue_from(LookupError)
            def answer(self, error):
                self.transmit("base")

        @cable.channel
        class SubChannel(Base):
            def fail(self):
                raise LookupError

            def answer(self, error):
                self.transmit("sub")

        subscription = connection.subscribe(SubChannel)
        subscription.perform("fail")
        subscription.perform("answer")
        assert subscription.transmissions == ["sub"]

    def test_one_may_be_added_to_a_class_later(self, cable, connection, news):
        @news.rescue_from(KeyError)
        def answer(channel, error):
            channel.transmit(repr(error))

        subscription = connection.subscribe(news)
        subscription.perform("tell")
        assert subscription.transmissions == ["KeyError('text')"]

    def test_it_takes_classes_of_errors(self):
        for errors in ((), ("LookupError",), (LookupError(),), (LookupError, None), (int,)):
            with pytest.raises(TypeError, match="takes the classes of the errors"):
                rescue_from(*errors)

    @pytest.mark.parametrize("kind", ["act", "hear", "unsubscribed", "subscribed"])
    def test_of_the_connection_gets_what_the_channels_leave(self, kind, cable, client):
        class AppConnection(Connection):
            @rescue_from(LookupError)
            def answer(self, error):
                self.transmit({"answer": str(error)})

        @cable.channel
        class FailingChannel(Channel):
            @rescue_from(ZeroDivisionError)
            def other(self, error):
                """Another kind of error."""

            def fail(self, name):
                if self.params["kind"] == name:
                    raise LookupError(name)

            def subscribed(self):
                self.stream_from("news", callback=lambda text: self.fail("hear"))
                self.fail("subscribed")

            def act(self):
                self.fail("act")

            def unsubscribed(self):
                self.fail("unsubscribed")

        cable.connection(AppConnection)
        connection = client.connect()
        subscription = connection.subscribe(FailingChannel, kind=kind)
        if kind != "subscribed":
            subscription.perform("act")
            cable.broadcast("news", 1)
            subscription.unsubscribe()
        assert {"answer": kind} in connection.transmissions
        assert connection.errors == []

    @pytest.mark.parametrize("kind", ["act", "hear"])
    def test_nobody_answers_and_all_goes_on(self, kind, cable, client, connection, caplog):
        client.raise_server_exceptions = False

        @cable.channel
        class FailingChannel(Channel):
            def subscribed(self):
                self.stream_from("news", callback=self.hear)

            def act(self):
                self.broadcast_to("news", 1)
                if self.params["kind"] == "act":
                    raise LookupError("act")

            def hear(self, message):
                if self.params["kind"] == "hear":
                    raise LookupError("hear")
                self.transmit("heard")

        with caplog.at_level(logging.ERROR):
            subscription = connection.subscribe(FailingChannel, kind=kind)
            subscription.perform("act")
            subscription.perform("act")
        assert caplog.text.count(f"LookupError: {kind}") == 2
        assert f"connection {connection.connection.id}: unhandled LookupError" in caplog.text
        assert subscription.confirmed
        assert not connection.closed
        assert len(subscription.transmissions) == (2 if kind == "act" else 0)

    def test_an_error_in_a_handler_is_logged_too(self, cable, client, connection):
        client.raise_server_exceptions = False

        @cable.channel
        class WorseChannel(Channel):
            def act(self):
                raise LookupError

            @rescue_from(LookupError)
            def make_it_worse(self, error):
                raise ZeroDivisionError

        worse = connection.subscribe(WorseChannel)
        worse.perform("act")
        assert [type(error) for error in connection.errors] == [ZeroDivisionError]
        assert worse.confirmed

    def test_what_is_no_exception_ends_nothing_either(self, cable, client, connection):
        client.raise_server_exceptions = False
        errors = [SystemExit, KeyboardInterrupt, GeneratorExit]

        @cable.channel
        class ExitChannel(Channel):
            def leave(self, data):
                raise errors[data["number"]]

        subscription = connection.subscribe(ExitChannel)
        for number in range(3):
            subscription.perform("leave", number=number)
        assert subscription.confirmed
        assert not connection.closed
        assert [type(each) for each in connection.errors] == errors


class TestAttributes:
    @pytest.fixture
    def known(self, cable, client, news):
        class AppConnection(Connection):
            identified_by = ("user", "tenant")

            def connect(self):
                self.user = "ann"

        cable.connection(AppConnection)
        return client.connect().subscribe(news, room=7, deep={"tags": ["a"]})

    def test_identifiers_are_the_channels_too(self, known):
        assert known.channel.user == "ann"
        assert known.channel.tenant is None

    def test_others_are_missing_as_ever(self, known):
        with pytest.raises(AttributeError, match="'NewsChannel' has no attribute 'nobody'"):
            known.channel.nobody  # noqa: B018
        assert not hasattr(known.channel, "nobody")

    def test_params_are_what_the_identifier_holds(self, known):
        assert known.channel.params == {"channel": "NewsChannel", "room": 7, "deep": {"tags": ["a"]}}
        with pytest.raises(TypeError):
            known.channel.params["room"] = 8

    def test_params_are_shared_with_nobody(self, client, news, known):
        other = client.connect().subscribe(news, room=7, deep={"tags": ["a"]})
        known.channel.params["deep"]["tags"].append("mine")
        assert other.channel.params["deep"]["tags"] == ["a"]
        assert client.connect().subscribe(news, room=7, deep={"tags": ["a"]}).channel.params["deep"] == {
            "tags": ["a"]
        }

    def test_own_attributes_may_be_set(self, known):
        known.channel.room = "anything"
        assert known.channel.room == "anything"

    def test_a_channel_says_whose_it_is(self, known):
        assert repr(known.channel) == f"<NewsChannel {known.identifier} of {known.connection.connection!r}>"

    def test_whether_it_is_confirmed(self, known):
        assert known.channel.confirmed
        assert not known.channel.rejected


class TestDefining:
    def test_the_frameworks_own_names_are_refused(self):
        for name in ("actions", "hooks", "rescues", "periodic_timers", "registered_as", "broadcaster"):
            with pytest.raises(ConfigError, match=f"AChannel.{name}: the name is the framework's own"):
                type("AChannel", (Channel,), {name: ()})

    def test_what_happens_to_slow_peers_is_one_of_three(self):
        for overflow in ("disconnect", "drop_oldest", "keep_latest"):
            assert type("AChannel", (Channel,), {"overflow": overflow}).overflow == overflow
        with pytest.raises(
            ConfigError, match=r"AChannel\.overflow is one of disconnect, drop_oldest, keep_latest"
        ):
            type("AChannel", (Channel,), {"overflow": "drop"})

    @pytest.mark.parametrize("overflow", ["disconnect", "drop_oldest", "keep_latest"])
    def test_which_changes_nothing_for_others(self, overflow, cable, client, connection, hub):
        @cable.channel
        class LossyChannel(Channel):
            def subscribed(self):
                self.stream_from("lossy")
                self.transmit("subscribed")

        LossyChannel.overflow = overflow
        subscription = connection.subscribe(LossyChannel)
        cable.broadcast("lossy", 1)
        cable.broadcast("lossy", 2)
        subscription.unsubscribe()
        assert subscription.transmissions == ["subscribed", 1, 2]
        assert hub.subscriber_count("lossy") == 0


class TestTranslating:
    @pytest.fixture(params=["disconnect", "drop_oldest", "keep_latest"])
    def loud(self, request, cable):
        @cable.channel
        class LoudChannel(Channel):
            overflow = request.param
            translated = []

            def subscribed(self):
                self.stream_from("news")

            @staticmethod
            def translate(body):
                LoudChannel.translated.append(body)
                if body == b'"broken"':
                    raise LookupError
                return None if body == b'"secret"' else body.upper()

        return LoudChannel

    def test_what_is_broadcast_is_translated_once_for_all(self, cable, client, loud):
        heard = [client.connect().subscribe(loud) for _ in range(3)]
        cable.broadcast("news", "hi")
        assert [one.transmissions for one in heard] == [["HI"]] * 3
        assert loud.translated == [b'"hi"']

    def test_whatever_their_identifiers_are(self, cable, client, loud):
        heard = [client.connect().subscribe(loud, number=number) for number in range(3)]
        for text in ("hi", "ho"):
            cable.broadcast("news", text)
        assert [one.transmissions for one in heard] == [["HI", "HO"]] * 3
        assert loud.translated == [b'"hi"', b'"ho"']

    def test_others_hear_it_as_it_is(self, cable, connection, news, loud):
        plain, translated = connection.subscribe(news), connection.subscribe(loud)
        cable.broadcast("news", "hi")
        assert (plain.transmissions, translated.transmissions) == (["hi"], ["HI"])

    def test_what_is_not_for_its_peers_is_not_sent(self, cable, connection, news, loud):
        plain, translated = connection.subscribe(news), connection.subscribe(loud)
        cable.broadcast("news", "secret")
        assert (plain.transmissions, translated.transmissions) == (["secret"], [])

    def test_an_error_starves_nobody(self, cable, connection, news, loud, caplog):
        translated, plain = connection.subscribe(loud), connection.subscribe(news)
        cable.broadcast("news", "broken")
        assert (plain.transmissions, translated.transmissions) == (["broken"], [])
        assert "could not be translated" in caplog.text

    def test_what_is_transmitted_is_not_translated(self, connection, loud):
        subscription = connection.subscribe(loud)
        subscription.channel.transmit("as it is")
        assert subscription.transmissions == ["as it is"]

    def test_leaving_is_leaving(self, cable, hub, connection, loud):
        subscription = connection.subscribe(loud)
        subscription.unsubscribe()
        assert hub.subscriber_count("news") == 0

    def test_it_is_no_action(self, connection, loud):
        subscription = connection.subscribe(loud)
        subscription.perform("translate")
        assert "has no action 'translate'" in str(connection.errors[0])

    def test_a_method_cannot_serve_many(self):
        with pytest.raises(
            ConfigError, match=r"AChannel\.translate serves many peers at once: make it a @static"
        ):
            type("AChannel", (Channel,), {"translate": lambda self, body: body})


class TestByHand:
    """As the Raku original has it: ``connection.add_subscription(RoomChannel(connection))``."""

    def test_a_channel_may_be_added_and_hears(self, cable, connection, news):
        server = connection.connection
        assert server.add_subscription(news(server)) is server
        cable.broadcast("news", "hi")
        identifier = '{"channel":"NewsChannel"}'
        assert connection.frames[1:] == [
            {"identifier": identifier, "type": "confirm_subscription"},
            {"identifier": identifier, "message": "hi"},
        ]

    def test_a_rejected_one_is_not_kept(self, cable, connection, hub):
        class PickyChannel(Channel):
            def subscribed(self):
                self.stream_from("news")
                self.reject()

        server = connection.connection
        channel = PickyChannel(server)
        server.add_subscription(channel)
        assert channel.rejected
        assert server.state == {}
        assert hub.subscriber_count("news") == 0

    def test_the_same_twice_is_an_error_and_the_first_stays(self, cable, connection, news):
        server = connection.connection
        server.add_subscription(news(server))
        with pytest.raises(AlreadySubscribed):
            server.add_subscription(news(server))
        cable.broadcast("news", "hi")
        assert [frame["message"] for frame in connection.frames if "message" in frame] == ["hi"]

    def test_an_error_is_the_callers_unless_it_is_rescued(self, connection):
        class FailingChannel(Channel):
            def subscribed(self):
                raise LookupError("no")

        server = connection.connection
        with pytest.raises(LookupError, match="no"):
            server.add_subscription(FailingChannel(server))
        assert server.state == {}
        FailingChannel.rescue_from(LookupError)(lambda channel, error: None)
        server.add_subscription(FailingChannel(server))
        assert server.state == {}

    def test_it_may_be_ended(self, connection, news, hub):
        server = connection.connection
        channel = news(server)
        server.add_subscription(channel)
        channel.unsubscribe()
        channel.unsubscribe()
        assert hub.subscriber_count("news") == 0


class TestConfirmation:
    def test_comes_when_every_stream_is_live_and_subscribed_has_run(self, cable, connection, slow_bus):
        def subscribed(self):
            self.stream_from("a")
            self.stream_from("b", callback=self.transmit)
            self.transmit("subscribed")

        subscription = subscribe(cable, connection, subscribed)
        slow_bus.confirm("b")
        assert not subscription.confirmed
        slow_bus.confirm("a")
        assert subscription.confirmed
        slow_bus.confirm("a", "b")
        kinds = [frame.get("type", "message") for frame in connection.frames]
        assert kinds == ["welcome", "message", "confirm_subscription"]

    def test_messages_may_come_before_it(self, cable, connection, slow_bus):
        subscription = subscribe(cable, connection, lambda self: self.stream_from("a"))
        cable.broadcast("a", "early")
        assert subscription.transmissions == ["early"]
        assert not subscription.confirmed

    def test_an_action_is_carried_out_before_it(self, connection, news, slow_bus):
        subscription = connection.subscribe(news)
        subscription.perform("tell", text="hi")
        assert subscription.transmissions == ["hi"]
        assert not subscription.confirmed
        slow_bus.confirm("news")
        assert subscription.confirmed

    def test_who_comes_later_to_a_live_stream_waits_for_nothing(self, client, news, slow_bus):
        client.connect().subscribe(news)
        waiting = client.connect().subscribe(news)
        assert not waiting.confirmed
        slow_bus.confirm("news")
        assert waiting.confirmed
        assert client.connect().subscribe(news).confirmed
        assert len(slow_bus.asked) == 1

    def test_a_stream_that_is_stopped_is_not_waited_for(self, connection, news, slow_bus):
        subscription = connection.subscribe(news)
        subscription.perform("stop")
        assert subscription.confirmed

    def test_a_stream_that_is_asked_for_again_is_waited_for(self, connection, news, slow_bus):
        subscription = connection.subscribe(news)
        subscription.perform("again")
        assert not subscription.confirmed
        slow_bus.confirm("news")
        assert subscription.confirmed

    def test_an_answer_to_a_subscription_that_is_over_confirms_nothing(self, connection, news, slow_bus):
        subscription = connection.subscribe(news)
        subscription.perform("stop")
        again = connection.subscribe(news, number=2)
        slow_bus.asked[0][2]()
        assert not again.confirmed
        slow_bus.asked[1][2]()
        assert again.confirmed

    def test_after_unsubscribing_it_never_comes(self, connection, news, slow_bus):
        subscription = connection.subscribe(news)
        subscription.unsubscribe()
        slow_bus.confirm("news")
        assert not subscription.confirmed

    def test_a_rejected_subscription_never_gets_one(self, cable, connection, slow_bus):
        subscription = subscribe(cable, connection, lambda self: (self.stream_from("a"), self.reject()))
        slow_bus.confirm("a")
        assert subscription.rejected
        assert len(connection.frames) == 2

    def test_a_stream_that_cannot_be_opened_rejects(self, client, connection, news, slow_bus, hub):
        client.raise_server_exceptions = False
        slow_bus.subscribe = None
        assert connection.subscribe(news).rejected
        assert hub.subscriber_count("news") == 0
