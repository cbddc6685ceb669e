"""Who hears what, exactly once: before the socket is there, while it comes, and while it is there."""

from __future__ import annotations

import pytest

from flask_cable.endpoints.push.ledger import SHARED, address
from flask_cable.endpoints.push.lines import shared_line
from flask_cable.endpoints.push.streams import Gate
from flask_cable.protocols.frames import Frame

from .conftest import Process, SlowBus, World


class TestLive:
    def test_who_hears_a_stream_is_sent_what_is_pushed(self, here: Process) -> None:
        here.render("news")
        page = here.connect()
        here.push({"n": 1}, "news")
        assert page.received == [{"payload": {"n": 1}, "channel": "news"}]

    def test_others_are_not(self, here: Process) -> None:
        here.render("news")
        here.render("sports", digest="other")
        page, other = here.connect(), here.connect("other")
        here.push(1, "news")
        assert (page.payloads, other.payloads) == ([1], [])

    def test_both_of_two_are(self, here: Process, there: Process) -> None:
        here.render("news")
        there.render("news", digest="other")
        page, other = here.connect(), there.connect("other")
        here.push(1, "news")
        assert (page.payloads, other.payloads) == ([1], [1])

    def test_to_nobody_is_fine(self, here: Process) -> None:
        here.push(1, "news")

    @pytest.mark.parametrize("value", [None, True, 0, "text", [1], {"a": None}, "漢字"])
    def test_any_json_may_be_pushed(self, here: Process, value: object) -> None:
        here.render("news")
        page = here.connect()
        here.push(value, "news")
        here.push(value, "news", "other")
        assert page.payloads == [value, value]

    def test_a_broadcast_reaches_pages_too(self, here: Process, there: Process) -> None:
        here.render("news")
        page = here.connect()
        there.hub.broadcast("news", '{"a":1}')
        assert page.received == [{"payload": {"a": 1}, "channel": "news"}]

    def test_a_push_reaches_nobody_but_pages(self, here: Process) -> None:
        heard: list[str] = []
        here.hub.listen("news", heard.append)
        here.push(1, "news")
        assert heard == []

    def test_a_peer_that_cannot_be_sent_to_delays_nobody(
        self, here: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        for digest in "ab":
            here.render("news", digest=digest)
        broken, page = here.connect("a"), here.connect("b")

        def fail(frame: Frame) -> bool:
            raise OSError("broken")

        broken.connection.transport = type("Broken", (), {"send": staticmethod(fail)})()  # type: ignore[assignment]
        here.push(1, "news")
        assert page.payloads == [1]
        assert "could not be sent to" in caplog.text


class TestSeveral:
    def test_one_copy_whatever_matches(self, here: Process, there: Process) -> None:
        there.render("a:1", "a:2", "b")
        page = there.connect()
        here.push("x", "a:*", "b", "*")
        assert page.received == [{"payload": "x", "channel": "a:1"}]

    def test_a_name_twice_is_one_push(self, here: Process) -> None:
        here.render("a")
        page = here.connect()
        here.push("x", "a", "a")
        assert page.payloads == ["x"]

    def test_each_page_hears_it_by_a_stream_of_its_own(self, here: Process) -> None:
        here.render("a", digest="1")
        here.render("b", digest="2")
        here.render("c", digest="3")
        pages = [here.connect(digest) for digest in "123"]
        here.push("x", "a", "b")
        assert [page.channels for page in pages] == [["a"], ["b"], []]

    def test_stars_end_at_semicolons(self, here: Process) -> None:
        here.render("scope:post;id:1")
        page = here.connect()
        here.push(1, "scope:*")
        here.push(2, "scope:*;id:*")
        assert page.payloads == [2]


class TestBeforeTheSocket:
    def test_what_is_pushed_meanwhile_is_not_lost(self, here: Process, there: Process) -> None:
        here.push(0, "news")
        here.render("news", "sports")
        for n in range(1, 4):
            here.push(n, "news")
        page = there.connect()
        there.push(4, "news")
        assert page.payloads == [1, 2, 3, 4]

    def test_nor_what_is_pushed_to_patterns(self, here: Process, there: Process) -> None:
        here.push(0, "*")
        here.render("a:1", "a:2")
        here.push(1, "a:*")
        here.push(2, "b:*", "a:2")
        here.push(3, "b:*")
        page = there.connect()
        assert (page.payloads, page.channels) == ([1, 2], ["a:1", "a:2"])

    def test_the_oldest_go_when_there_are_many(self, here: Process) -> None:
        here.render("news")
        for n in range(25):
            here.push(n, "news")
        assert here.connect().payloads == list(range(15, 25))

    def test_the_oldest_go_when_they_are_large(self, here: Process) -> None:
        here.handler.streams._most_bytes = 100
        here.render("a", "b")
        for n in range(5):
            here.push(f"{n}".ljust(20), "a")
            here.push(f"{n}".ljust(20), "b")
        assert [text.strip() for text in here.connect().payloads] == ["4", "4"]

    def test_nothing_is_kept_where_that_is_wanted(self) -> None:
        here = World(pushes=0).start()
        here.render("news")
        here.push(1, "news")
        here.push(1, "n*")
        page = here.connect()
        here.push(2, "news")
        here.push(3, "n*")
        page.leave()
        again = here.connect()
        here.push(4, "news")
        here.push(5, "n*")
        assert (page.payloads, again.payloads) == ([2, 3], [4, 5])


class TestWhileTheSocketComes:
    def test_nothing_is_lost_or_doubled_until_all_is_live(self) -> None:
        world = World(SlowBus())
        here, there = world.start(), world.start()
        here.render("a", "b")
        here.push("before", "a")
        page = there.connect()
        here.push("early", "a")
        here.push("early*", "*")
        world.bus.unconfirmed.pop(0)()  # type: ignore[attr-defined]
        world.bus.confirm()  # type: ignore[attr-defined]
        here.push("late", "a")
        assert page.payloads == ["before", "early", "early*", "late"]

    def test_what_comes_while_the_kept_is_fetched_is_held_back(
        self, here: Process, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here.render("a", "b")
        here.push(1, "a")
        missed = here.ledger.missed

        def push_meanwhile(log: str, after: int) -> object:
            if log in (address("a"), SHARED):
                here.push(f"before {log}", "a")
            lines = missed(log, after)
            if log in (address("a"), SHARED):
                here.push(f"after {log}", "a")
                here.push(f"after {log}*", "a*")
            return lines

        monkeypatch.setattr(here.handler.streams._ledger, "missed", push_meanwhile)
        payloads = here.connect().payloads
        assert sorted(map(str, payloads)) == sorted(
            ["1", *(f"{when} {log}" for when in ("before", "after") for log in (address("a"), SHARED))]
            + [f"after {log}*" for log in (address("a"), SHARED)]
        )

    def test_a_stream_that_is_left_before_it_is_live_holds_up_no_other(self) -> None:
        world = World(SlowBus())
        here = world.start()
        here.render("a")
        page = here.connect()
        world.bus.confirm()  # type: ignore[attr-defined]
        here.subscribe("b", "c")
        late = [*world.bus.unconfirmed]  # type: ignore[attr-defined]
        here.unsubscribe("b")
        for confirm in late[2:]:
            confirm()
        here.push(1, "c")
        assert (page.payloads, page.streams) == ([1], ["a", "c"])
        world.bus.confirm()  # type: ignore[attr-defined]
        here.push(2, "c")
        assert page.payloads == [1, 2]

    def test_a_push_that_is_late_on_the_way_is_not_doubled(self, here: Process) -> None:
        """It was kept and fetched; it comes by itself afterwards."""
        here.render("a")
        offset = here.ledger.keep(address("a"), "1")
        shared = here.ledger.keep(SHARED, shared_line(["a*"], "2"))
        page = here.connect()
        here.hub.broadcast(address("a"), f"{offset}|1", raw=True)
        here.hub.broadcast(SHARED, f"{shared}|{shared_line(['a*'], '2')}", raw=True)
        here.push(3, "a")
        assert page.payloads == [1, 2, 3]

    def test_a_page_that_is_held_back_too_long_is_too_slow(self) -> None:
        world = World(SlowBus())
        here = world.start()
        here.handler.streams._most_held = 3
        here.render("a")
        page = here.connect()
        for confirm in world.bus.unconfirmed[:3]:  # type: ignore[attr-defined]
            confirm()
        del world.bus.unconfirmed[:3]  # type: ignore[attr-defined]
        for n in range(5):
            here.push(n, "a")
        assert page.transport.closed_with is not None
        assert page.received[-1]["reason"] == "too_slow"

    def test_without_the_store_what_comes_is_heard(
        self, here: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        here.render("a")
        streams = here.handler.streams
        catch_up = streams.catch_up

        def away(*args: object) -> None:
            here.world.store.away = True
            catch_up(*args)  # type: ignore[arg-type]
            here.world.store.away = False

        monkeypatch.setattr(streams, "catch_up", away)
        page = here.connect()
        here.push(1, "a")
        assert page.payloads == [1]
        assert "could not be fetched" in caplog.text


def test_every_page_is_among_those_who_may_miss_something_in_an_outage(here: Process) -> None:
    here.render()
    here.render("a", digest="other")
    pages = {here.connect().connection, here.connect("other").connection}
    assert here.hub.handle_lost() == pages


class TestLeaving:
    def test_nothing_is_left_behind(self, here: Process) -> None:
        before = set(here.hub.streams)
        here.render("a", "b")
        page, other = here.connect(), here.connect()
        here.push(1, "*")
        page.leave()
        other.leave()
        assert set(here.hub.streams) - before == {SHARED}
        assert (here.handler.streams._streams, here.handler.streams._alone) == ({}, {})

    def test_what_is_not_heard_cannot_be_left(self, here: Process) -> None:
        here.render("a")
        page = here.connect()
        assert here.handler.streams.leave(page.connection, "b") is False
        assert here.handler.streams.leave(page.connection, "a") is True
        assert here.handler.streams.leave(page.connection, "a") is False

    def test_who_has_left_joins_nothing(self, here: Process) -> None:
        here.render("a")
        page = here.connect()
        page.leave()
        here.handler.streams.join(page.connection, here.ledger.places(["b"]))
        assert page.streams == []


class TestGate:
    def test_it_opens_once_when_all_are_live(self, here: Process) -> None:
        opened, waiting = [], []
        gate = Gate(here.hub, lambda: opened.append(1))
        gate.expect(lambda on_live: True)
        gate.expect(lambda on_live: waiting.append(on_live) or False)  # type: ignore[func-returns-value]
        gate.done()
        assert opened == []
        waiting[0]()
        assert opened == [1]
