"""A peer's side of connections and subscriptions."""

import uuid

import pytest
from support.apps.rooms import AppConnection, BrokenChannel, RoomChannel

from flask_cable import Channel


class TestSubscribing:
    def test_by_class_and_by_name(self, app, connection):
        app.extensions["cable"].cable.channel("Admin::Room")(type("Room", (RoomChannel,), {}))
        for number, channel in enumerate((RoomChannel, "RoomChannel", "Admin::Room")):
            subscription = connection.subscribe(channel, room=number)
            assert subscription.confirmed
            assert not subscription.rejected

    def test_the_channel_is_at_hand(self, connection):
        subscription = connection.subscribe(RoomChannel, room=1, deep={"a": [None, "ü"]})
        assert type(subscription.channel) is RoomChannel
        assert subscription.channel.params == {
            "channel": "RoomChannel",
            "room": 1,
            "deep": {"a": [None, "ü"]},
        }
        assert subscription.channel.identifier == subscription.identifier

    def test_params_are_encoded_as_the_application_does(self, connection):
        number = uuid.UUID(int=7)
        assert connection.subscribe(RoomChannel, room=number).channel.params["room"] == str(number)

    @pytest.mark.parametrize("channel", ["RoomChannel", "NoChannel", Channel, AppConnection])
    def test_a_rejection(self, channel, client, connection):
        if not isinstance(channel, str):
            channel = channel.__name__
        subscription = connection.subscribe(channel)
        assert subscription.rejected
        assert not subscription.confirmed
        assert subscription.channel is None
        assert subscription.streams == ()
        subscription.assert_no_streams()

    def test_a_rejected_subscription_says_so_when_used(self, connection):
        subscription = connection.subscribe(RoomChannel)
        for use in (
            subscription.unsubscribe,
            lambda: subscription.perform("say", text="hi"),
            lambda: subscription.send({}),
        ):
            with pytest.raises(AssertionError, match=r"not subscribed \(rejected\): .*RoomChannel"):
                use()

    def test_unsubscribing(self, room):
        channel = room.channel
        room.unsubscribe()
        assert room.channel is channel
        assert room.streams == ()
        with pytest.raises(AssertionError, match="not subscribed: "):
            room.perform("say", text="hi")

    def test_each_subscription_has_its_own_transmissions(self, connection):
        one, two = (connection.subscribe(RoomChannel, room=number) for number in (1, 2))
        one.perform("say", text="hi")
        two.send({"x": 1})
        assert one.transmissions == [{"from": "nobody", "text": "hi"}]
        assert two.transmissions == [["received", {"x": 1}]]
        assert len(connection.transmissions) == 1 + 2 + 2

    def test_a_second_subscription_with_the_same_identifier_starts_anew(self, room, connection):
        room.perform("say", text="first")
        room.unsubscribe()
        again = connection.subscribe(RoomChannel, room=1)
        again.perform("say", text="second")
        assert again.confirmed
        assert [message["text"] for message in again.transmissions] == ["second"]

    def test_after_the_end_nothing_can_be_sent(self, room, connection):
        connection.close()
        with pytest.raises(AssertionError, match=r"cannot send: the connection was closed with \(1000, ''\)"):
            room.perform("say", text="hi")
        with pytest.raises(AssertionError, match="cannot send"):
            connection.subscribe(RoomChannel, room=1)


class TestReplies:
    def test_are_what_an_action_returns(self, room):
        assert room.call("leave") == 1
        assert room.call("say", text="hi") is None
        assert room.streams == ()
        assert room.transmissions == []

    def test_of_a_failed_action_are_errors(self, client, connection):
        broken = connection.subscribe(BrokenChannel)
        with pytest.raises(LookupError, match="act"):
            broken.call("act")
        client.raise_server_exceptions = False
        with pytest.raises(AssertionError, match=r"'act' was replied to with .*failed.*LookupError"):
            broken.call("act")

    def test_of_a_missing_action_are_errors(self, room):
        with pytest.raises(AssertionError, match="unknown_action"):
            room.call("no_such_action")

    def test_need_a_peer_that_speaks_them(self, client):
        room = client.connect(subprotocols=["actioncable-v1-json"]).subscribe(RoomChannel, room="lobby")
        with pytest.raises(AssertionError, match="'leave' was replied to with None"):
            room.call("leave")


class TestStreams:
    def test_they_are_listed(self, room):
        room.perform("follow", name="ann")
        assert room.streams == ("room:1", "room:ann")

    def test_assertions_that_hold(self, room):
        room.perform("follow", name="ann")
        room.assert_has_stream("room:1")
        room.assert_has_stream_for("ann")
        room.assert_has_no_stream("room:2")
        room.assert_has_no_stream_for("bob")
        room.perform("leave")
        room.assert_no_streams()

    def test_what_failures_say(self, room):
        with pytest.raises(AssertionError, match="no stream 'room:2', but: \n  'room:1'"):
            room.assert_has_stream("room:2")
        with pytest.raises(AssertionError, match="no stream 'room:bob', but: \n  'room:1'"):
            room.assert_has_stream_for("bob")
        with pytest.raises(AssertionError, match="there is a stream 'room:1'"):
            room.assert_has_no_stream("room:1")
        with pytest.raises(AssertionError, match="there is a stream 'room:1'"):
            room.assert_has_no_stream_for("1")
        with pytest.raises(AssertionError, match="expected no streams, but there are: \n  'room:1'"):
            room.assert_no_streams()
        room.perform("leave")
        with pytest.raises(AssertionError, match="no stream 'room:1', but: none"):
            room.assert_has_stream("room:1")

    def test_a_rejected_subscription_has_none(self, connection):
        rejected = connection.subscribe(RoomChannel)
        with pytest.raises(AssertionError, match="no stream 'room:1', but: none"):
            rejected.assert_has_stream("room:1")
        with pytest.raises(AssertionError, match="was rejected, so it has no streams"):
            rejected.assert_has_stream_for("ann")


class TestEnding:
    def test_the_peer_closes(self, app, connection, client, room):
        connection.close()
        assert connection.closed
        assert connection.closed_with == (1000, "")
        client.assert_broadcast_on("gone", "nobody")
        assert not app.extensions["cable"].cable.connections

    def test_the_peer_is_gone(self, client, room, connection):
        connection.close(1006)
        connection.disconnect()
        assert connection.closed_with == (1006, "")
        assert client.broadcasts("gone") == ["nobody"]

    def test_the_server_disconnects(self, app, connection):
        app.extensions["cable"].cable.restart()
        assert connection.disconnect_message == {
            "type": "disconnect",
            "reason": "server_restart",
            "reconnect": True,
        }
        assert connection.closed_with == (1000, "")

    def test_names_are_easy_to_read(self, connection, room):
        assert repr(connection) == "<CableConnection to <AppConnection 1 user='nobody'>>"
        assert repr(room) == '<CableSubscription {"channel":"RoomChannel","room":1}>'
