"""Periodic timers: what declares them, when they fire, and that they never outlive a subscription."""

import pytest
from flask import g

from flask_cable import Channel, JsonCoder, periodically, rescue_from
from flask_cable.endpoints.channels.timers import PeriodicTimer


class ClockChannel(Channel):
    """Fires by decorator, by name and by a callable."""

    def subscribed(self):
        if self.params.get("refuse"):
            self.reject()

    @periodically(every=3)
    def tick(self):
        self.transmit("tick")

    def named(self):
        self.transmit("named")


ClockChannel.periodically("named", every=5)
ClockChannel.periodically(lambda channel: channel.transmit("called"), every=7.5)


@pytest.fixture
def clock(cable, connection):
    cable.channel(ClockChannel)
    return connection.subscribe(ClockChannel)


class TestDeclaring:
    def test_by_decorator(self):
        class One(Channel):
            @periodically(every=3)
            def tick(self):
                """Every three seconds."""

        assert One.periodic_timers == (PeriodicTimer("tick", 3.0),)

    def test_on_the_class_which_is_given_back(self):
        class Two(Channel):
            """Nothing yet."""

        assert Two.periodically("tick", every=1).periodically(print, every=2) is Two
        assert Two.periodic_timers == (PeriodicTimer("tick", 1.0), PeriodicTimer(print, 2.0))

    def test_the_bases_come_first_and_keep_their_own(self):
        class Base(Channel):
            @periodically(every=1)
            def first(self):
                """The base's."""

        class Sub(Base):
            @periodically(every=2)
            def second(self):
                """Its own."""

        Sub.periodically("third", every=3)
        assert [timer.callback for timer in Sub.periodic_timers] == ["first", "second", "third"]
        assert [timer.callback for timer in Base.periodic_timers] == ["first"]

    def test_an_overridden_method_keeps_its_timer(self):
        class Sub(ClockChannel):
            def tick(self):
                self.transmit("mine")

        assert Sub.periodic_timers == ClockChannel.periodic_timers

    def test_an_overriding_timer_replaces_the_old_one(self):
        class Sub(ClockChannel):
            @periodically(every=60)
            def tick(self):
                self.transmit("mine")

        assert PeriodicTimer("tick", 60.0) in Sub.periodic_timers
        assert PeriodicTimer("tick", 3.0) not in Sub.periodic_timers

    def test_an_interval_is_a_number_above_zero(self):
        for every in (0, -1, "3", None, True, float("nan"), [3]):
            with pytest.raises(ValueError, match="every= is a number of seconds above zero"):
                periodically(every=every)
            with pytest.raises(ValueError, match="every= is a number of seconds above zero"):
                ClockChannel.periodically("tick", every=every)

    def test_a_callback_is_a_name_or_callable(self):
        for callback in (None, 7, ["tick"]):
            with pytest.raises(TypeError, match="a method's name or a callable"):
                ClockChannel.periodically(callback, every=1)

    def test_both_are_needed(self):
        with pytest.raises(TypeError):
            ClockChannel.periodically("tick")
        with pytest.raises(TypeError):
            ClockChannel.periodically(every=1)
        with pytest.raises(TypeError):
            periodically()

    def test_a_decorator_needs_a_function(self):
        with pytest.raises(TypeError, match="decorates a function"):
            periodically(every=1)("tick")

    def test_a_timer_is_no_action(self, clock, connection):
        clock.perform("tick")
        clock.perform("named")
        assert clock.transmissions == []
        assert len(connection.errors) == 2

    def test_nor_is_it_one_of_a_subclass(self):
        class Sub(ClockChannel):
            """Inherits the timers."""

        class Overriding(ClockChannel):
            def tick(self):
                """Still a timer."""

            def named(self):
                """Still a timer."""

        assert Sub.actions == {}
        assert Overriding.actions == {}


class TestFiring:
    def test_each_on_its_interval_in_the_order_of_time(self, clock, client):
        client.advance_time(2.9)
        assert clock.transmissions == []
        client.advance_time(6.2)
        assert clock.transmissions == ["tick", "named", "tick", "called", "tick"]

    def test_all_by_hand(self, clock):
        clock.channel.run_periodic_timers()
        assert clock.transmissions == ["tick", "named", "called"]

    def test_each_subscription_has_its_own(self, cable, client):
        cable.channel(ClockChannel)
        first = client.connect().subscribe(ClockChannel)
        client.advance_time(2)
        second = client.connect().subscribe(ClockChannel)
        client.advance_time(2)
        assert first.transmissions == ["tick"]
        assert second.transmissions == []

    def test_a_rejected_subscription_has_none(self, cable, connection, client):
        cable.channel(ClockChannel)
        rejected = connection.subscribe(ClockChannel, refuse=True)
        client.advance_time(60)
        assert rejected.transmissions == []

    @pytest.mark.parametrize("end", ["unsubscribe", "close", "disconnect"])
    def test_it_stops_with_the_subscription(self, end, clock, client, connection):
        client.advance_time(4)
        {
            "unsubscribe": clock.unsubscribe,
            "close": connection.close,
            "disconnect": connection.connection.disconnect,
        }[end]()
        client.advance_time(60)
        assert clock.transmissions == ["tick"]

    def test_a_timer_may_end_its_own_subscription(self, cable, connection, client):
        fired = []

        @cable.channel
        class ShortChannel(Channel):
            @periodically(every=1)
            def tick(self):
                fired.append("tick")
                self.connection.disconnect()

            @periodically(every=1)
            def tock(self):
                fired.append("tock")

        connection.subscribe(ShortChannel)
        client.advance_time(60)
        assert fired.count("tick") == 1
        assert fired.count("tock") <= 1

    def test_a_timer_may_reject(self, cable, connection, client):
        @cable.channel
        class FickleChannel(Channel):
            def subscribed(self):
                self.stream_from("news")

            @periodically(every=1)
            def tick(self):
                self.transmit("tick")
                self.reject()

        fickle = connection.subscribe(FickleChannel)
        client.advance_time(60)
        assert fickle.transmissions == ["tick"]
        assert fickle.rejected
        assert connection.subscribe(FickleChannel).confirmed

    def test_by_the_time_of_the_first_the_subscription_is_confirmed(self, clock, connection, client):
        client.advance_time(3)
        kinds = [frame.get("type", "message") for frame in connection.transmissions]
        assert kinds == ["welcome", "confirm_subscription", "message"]


class TestErrors:
    @pytest.fixture
    def faulty(self, cable, connection):
        @cable.channel
        class FaultyChannel(Channel):
            @periodically(every=1)
            def fail(self):
                raise LookupError("every time")

            @periodically(every=1)
            def divide(self):
                1 / 0  # noqa: B018

            @periodically(every=1)
            def work(self):
                self.transmit("worked")

            @rescue_from(ZeroDivisionError)
            def answer(self, error):
                self.transmit("rescued")

        return connection.subscribe(FaultyChannel)

    def test_are_rescued_or_logged_and_the_timers_go_on(self, faulty, client, connection, caplog):
        client.raise_server_exceptions = False
        client.advance_time(3)
        assert faulty.transmissions == ["rescued", "worked"] * 3
        assert [str(error) for error in connection.errors] == ["every time"] * 3
        assert "LookupError: every time" in caplog.text
        assert not connection.closed

    def test_reach_the_connections_handlers(self, cable, client):
        class AppConnection(cable.connection_class):
            @rescue_from(LookupError)
            def answer(self, error):
                self.transmit({"answer": str(error)})

        @cable.channel
        class FaultyChannel(Channel):
            @periodically(every=1)
            def fail(self):
                raise LookupError("no")

        cable.connection(AppConnection)
        connection = client.connect()
        connection.subscribe(FaultyChannel)
        client.advance_time(1)
        assert connection.transmissions[-1] == {"answer": "no"}


class TestTimeLine:
    def test_each_beat_has_a_context_of_its_own(self, cable, connection, client):
        @cable.channel
        class CountChannel(Channel):
            @periodically(every=1)
            def count(self):
                g.count = g.get("count", 0) + 1
                self.transmit(g.count)

        counts = connection.subscribe(CountChannel)
        client.advance_time(3)
        assert counts.transmissions == [1, 1, 1]

    def test_beats_that_fall_due_while_one_works_are_one(self, cable, connection, client):
        """As when an action takes longer than the interval: the beats do not pile up."""

        @cable.channel
        class SlowChannel(Channel):
            def sleep(self):
                self.connection.handler.executor.advance(10)
                self.transmit("woke")

            @periodically(every=1)
            def tick(self):
                self.transmit("tick")

        slow = connection.subscribe(SlowChannel)
        slow.perform("sleep")
        assert slow.transmissions == ["woke", "tick"]
        client.advance_time(1)
        assert slow.transmissions == ["woke", "tick", "tick"]

    def test_a_beat_that_waits_when_the_subscription_ends_is_dropped(self, cable, connection):
        @cable.channel
        class EndingChannel(Channel):
            def sleep(self):
                self.connection.handler.executor.advance(5)
                self.unsubscribe()

            @periodically(every=1)
            def tick(self):
                self.transmit("tick")

        ending = connection.subscribe(EndingChannel)
        ending.perform("sleep")
        assert ending.transmissions == []

    def test_a_callback_of_a_stream_and_a_timer_never_overlap(self, cable, connection, client):
        running = []

        @cable.channel
        class BusyChannel(Channel):
            def subscribed(self):
                self.stream_from("work", callback=self.hear, coder=JsonCoder)

            def hear(self, message):
                running.append("heard")

            @periodically(every=1)
            def tick(self):
                running.append("begins")
                self.broadcast_to("work", 1)
                running.append("ends")

        connection.subscribe(BusyChannel)
        client.advance_time(1)
        assert running == ["begins", "ends", "heard"]
