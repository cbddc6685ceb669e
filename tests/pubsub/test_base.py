"""The contract of a pub/sub adapter, run on each of them; it starts from what broke elsewhere.

An adapter's test file has one subclass, whose ``bus`` fixture gives an open adapter. ``other`` is the same
for another process; an adapter that reaches one overrides it. ``settle`` waits until what was asked for has
happened; an adapter that is asynchronous overrides it with a wait that has a deadline.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from flask_cable.pubsub import MemoryPubSub, PubSub, open_pubsub

NAMES = (
    *("news", "a b", "a:b/c|d", "Chat::Room:7", "*", "a.b.*", ">", "'; DROP TABLE x; --", '"', "\\", "%s"),
    *(
        "\u00e9",
        "\u4e2d\u6587\u9891\u9053",
        "\U0001f600",
        "e\u0301",
        "\u202eabc",
        "x" * 63,
        "x" * 64,
        "x" * 5000,
    ),
    *("\u4e2d" * 63, "News", "NEWS", " news", "news "),
)
MESSAGES = (
    *(
        "",
        " ",
        "text",
        "null",
        '{"a":[1,2]}',
        "\n\r\t",
        "a|b",
        "\u00e9\u4e2d\U0001f600",
        "\u2028",
        "'",
        '"',
        "\\",
    ),
    *("x" * 100, "x" * 7999, "x" * 8000, "\u00e9" * 8000, "x" * 1_000_000),
)


class PubSubContract:
    """What every adapter promises."""

    @pytest.fixture
    def other(self, bus: PubSub) -> PubSub:
        """Return the adapter as another process has it."""
        return bus

    def settle(self, bus: PubSub) -> None:
        """Wait until everything that was asked of ``bus`` has happened."""

    # Delivery.

    def test_who_subscribed_hears(self, bus: PubSub, other: PubSub) -> None:
        heard: list[str] = []
        bus.subscribe("news", heard.append)
        self.settle(bus)
        other.publish("news", "1")
        self.settle(bus)
        assert heard == ["1"]

    def test_a_publisher_hears_itself(self, bus: PubSub) -> None:
        heard: list[str] = []
        bus.subscribe("news", heard.append)
        self.settle(bus)
        bus.publish("news", "1")
        self.settle(bus)
        assert heard == ["1"]

    def test_messages_keep_their_order(self, bus: PubSub, other: PubSub) -> None:
        heard: list[str] = []
        bus.subscribe("news", heard.append)
        self.settle(bus)
        for number in range(500):
            other.publish("news", str(number))
        self.settle(bus)
        assert heard == [str(number) for number in range(500)]

    def test_nobody_there_is_fine(self, bus: PubSub) -> None:
        bus.publish("news", "1")
        self.settle(bus)
        assert bus.subscriber_count("news") == 0

    def test_streams_are_apart(self, bus: PubSub) -> None:
        heard: dict[str, list[str]] = {name: [] for name in NAMES}
        for name, messages in heard.items():
            bus.subscribe(name, messages.append)
        self.settle(bus)
        for name in NAMES:
            bus.publish(name, name)
        self.settle(bus)
        assert heard == {name: [name] for name in NAMES}

    def test_messages_arrive_as_they_were(self, bus: PubSub, other: PubSub) -> None:
        heard: list[str] = []
        bus.subscribe("news", heard.append)
        self.settle(bus)
        for message in MESSAGES:
            other.publish("news", message)
        self.settle(bus)
        assert heard == list(MESSAGES)

    # Subscribing.

    def test_each_subscriber_hears_once(self, bus: PubSub) -> None:
        first: list[str] = []
        second: list[str] = []
        bus.subscribe("news", first.append)
        bus.subscribe("news", second.append)
        self.settle(bus)
        bus.publish("news", "1")
        self.settle(bus)
        assert (first, second) == (["1"], ["1"])

    def test_one_callback_may_be_subscribed_twice(self, bus: PubSub) -> None:
        heard: list[str] = []
        first = bus.subscribe("news", heard.append)
        second = bus.subscribe("news", heard.append)
        self.settle(bus)
        bus.publish("news", "1")
        self.settle(bus)
        assert heard == ["1", "1"]
        assert first != second
        bus.unsubscribe(first)
        self.settle(bus)
        bus.publish("news", "2")
        self.settle(bus)
        assert heard == ["1", "1", "2"]

    def test_confirmation_comes_once_and_then_nothing_is_missed(self, bus: PubSub, other: PubSub) -> None:
        heard: list[str] = []
        live: list[str] = []

        def on_live() -> None:
            live.append("live")
            other.publish("news", "1")

        bus.subscribe("news", heard.append, on_live)
        self.settle(bus)
        assert (live, heard) == (["live"], ["1"])

    def test_every_subscriber_is_confirmed(self, bus: PubSub) -> None:
        live: list[str] = []
        bus.subscribe("news", print, lambda: live.append("first"))
        self.settle(bus)
        bus.subscribe("news", repr, lambda: live.append("second"))
        self.settle(bus)
        assert live == ["first", "second"]

    def test_subscribers_are_counted(self, bus: PubSub) -> None:
        numbers = [bus.subscribe("news", print) for _ in range(3)]
        bus.subscribe("other", print)
        assert (bus.subscriber_count("news"), bus.subscriber_count("nothing")) == (3, 0)
        for number in numbers:
            bus.unsubscribe(number)
        assert (bus.subscriber_count("news"), bus.subscriber_count("other")) == (0, 1)

    # Unsubscribing.

    def test_who_unsubscribed_hears_nothing_more(self, bus: PubSub) -> None:
        heard: list[str] = []
        number = bus.subscribe("news", heard.append)
        bus.subscribe("news", print)
        self.settle(bus)
        assert bus.unsubscribe(number)
        bus.publish("news", "1")
        self.settle(bus)
        assert heard == []

    def test_an_unknown_subscription_is_false(self, bus: PubSub) -> None:
        number = bus.subscribe("news", print)
        assert bus.unsubscribe(number)
        assert not bus.unsubscribe(number)
        assert not bus.unsubscribe(987_654)

    def test_without_any_subscription_it_goes_on(self, bus: PubSub) -> None:
        heard: list[str] = []
        for round in ("1", "2"):
            number = bus.subscribe("news", heard.append)
            self.settle(bus)
            bus.publish("news", round)
            self.settle(bus)
            bus.unsubscribe(number)
            self.settle(bus)
            bus.publish("news", "to nobody")
            self.settle(bus)
        assert heard == ["1", "2"]

    def test_a_subscriber_may_leave_while_it_is_called(self, bus: PubSub) -> None:
        heard: list[str] = []

        def leave(message: str) -> None:
            heard.append(message)
            bus.unsubscribe(number)

        number = bus.subscribe("news", leave)
        self.settle(bus)
        bus.publish("news", "1")
        bus.publish("news", "2")
        self.settle(bus)
        assert heard == ["1"]

    def test_a_subscriber_may_remove_another_that_is_not_called_any_more(self, bus: PubSub) -> None:
        heard: list[str] = []

        def remove(message: str) -> None:
            bus.unsubscribe(second)

        bus.subscribe("news", remove)
        second = bus.subscribe("news", heard.append)
        self.settle(bus)
        bus.publish("news", "1")
        self.settle(bus)
        assert heard == []

    def test_a_subscriber_may_subscribe_another(self, bus: PubSub) -> None:
        heard: list[str] = []
        numbers: list[int] = []

        def add(message: str) -> None:
            if not numbers:
                numbers.append(bus.subscribe("news", heard.append))

        bus.subscribe("news", add)
        self.settle(bus)
        bus.publish("news", "1")
        self.settle(bus)
        bus.publish("news", "2")
        self.settle(bus)
        assert heard[-1:] == ["2"]

    # Errors.

    def test_a_subscriber_that_raises_starves_nobody(
        self, bus: PubSub, caplog: pytest.LogCaptureFixture
    ) -> None:
        heard: list[str] = []

        def fail(message: str) -> None:
            raise LookupError("lost")

        bus.subscribe("news", fail)
        bus.subscribe("news", heard.append)
        self.settle(bus)
        bus.publish("news", "1")
        bus.publish("news", "2")
        self.settle(bus)
        assert heard == ["1", "2"]
        assert "raised" in caplog.text
        assert "news" in caplog.text

    # Threads, and the end.

    def test_any_thread_may_publish(self, bus: PubSub) -> None:
        heard: list[str] = []
        bus.subscribe("news", heard.append)
        self.settle(bus)

        def publish(name: int) -> None:
            for number in range(50):
                bus.publish("news", f"{name} {number}")

        threads = [threading.Thread(target=publish, args=(name,), daemon=True) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        self.settle(bus)
        assert len(heard) == 200
        for name in range(4):
            assert [line for line in heard if line.startswith(f"{name} ")] == [
                f"{name} {n}" for n in range(50)
            ]

    def test_it_may_be_stopped_twice(self, bus: PubSub) -> None:
        bus.subscribe("news", print)
        bus.stop()
        bus.stop()


def test_an_adapter_has_to_keep_the_whole_promise() -> None:
    with pytest.raises(TypeError, match=r"abstract methods.*publish.*subscribe.*unsubscribe"):
        PubSub()  # type: ignore[abstract]


def test_an_adapter_is_chosen_by_the_urls_scheme() -> None:
    for url in (None, "", "memory://", "memory:"):
        assert type(open_pubsub(url)) is MemoryPubSub


def test_an_unknown_scheme_says_what_there_is() -> None:
    from flask_cable.errors import ConfigError

    unknown: Any = ("carrier-pigeon://coop", "http://x", "memoryx://")
    for url in unknown:
        with pytest.raises(ConfigError, match=r"CABLE_URL: no pub/sub adapter is called .*memory://"):
            open_pubsub(url)
