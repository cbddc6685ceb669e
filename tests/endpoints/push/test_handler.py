"""A page's socket from its coming to its end, and what the page says meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_cable.core.connection import Connection
from flask_cable.core.heartbeat import Liveness
from flask_cable.endpoints.push import PageLimits, Renewal, serving
from flask_cable.endpoints.push.handler import PATIENCE, RENEWAL
from flask_cable.endpoints.push.ledger import ORDERS, address_of
from flask_cable.endpoints.push.lines import CLAIM
from flask_cable.errors import EncodeError

from .conftest import Process, SlowBus, World


class TestKnown:
    def test_a_page_that_was_made_is_known(self, here: Process) -> None:
        here.render()
        page = here.connect()
        assert page.received == []
        assert page.say(id=1, action="call-route", uri="/")["status"] == 200

    @pytest.mark.parametrize("digest", ["", "wrong"])
    def test_another_is_deaf_and_may_ask_for_nothing(self, here: Process, digest: str) -> None:
        here.registered.actions["greet"] = lambda *_: pytest.fail("called")
        here.registered.hooks["join"].append(lambda _: pytest.fail("joined"))
        here.registered.hooks["leave"].append(lambda _: pytest.fail("left"))
        here.render("news")
        page = here.connect(digest)
        here.push(1, "news")
        assert page.received == [{"type": "expired"}]
        for action in ("greet", "call-route", "nothing"):
            reply = page.say(id=1, action=action)
            assert reply == {"id": 1, "status": 403, "error": "unknown_page"}
        assert page.say(id=2, action="ping")["body"] == "pong"
        page.leave()
        assert here.calls == []
        assert here.handler.counts["UnknownPage"] == 3

    def test_a_page_that_never_connects_expires(self, here: Process) -> None:
        here.render("news")
        here.executor.advance(61)
        page = here.connect()
        here.push(1, "news")
        assert page.received == [{"type": "expired"}]
        assert not here.handler.is_known("page")

    def test_pages_that_never_connect_and_those_that_are_gone_take_no_memory(self, here: Process) -> None:
        """Ten a second, for as long as it takes to make ten thousand."""
        store, most = here.world.store, 0
        for second in range(1000):
            for n in range(10):
                digest = f"{second}.{n}"
                here.render("news", f"own:{digest}", digest=digest)
                here.subscribe("more", digest=digest)
                here.push("hello", f"own:{digest}")
            here.connect(digest).leave()
            here.executor.advance(1)
            most = max(most, len(store._texts) + len(store._logs))
        kept_for = 2 * 120 + 60  # the orders of a page, and until the next sweep
        assert most < kept_for * 10 * 3
        assert (here.handler.streams._alone, here.handler.streams._streams) == ({}, {})
        here.executor.advance(kept_for)
        here.render("last", digest="last")
        assert (len(store._texts), len(store._logs)) == (1, 0)

    def test_the_store_says_whether_it_is_known(self, here: Process) -> None:
        here.render(digest="made")
        here.subscribe("a", digest="ordered")
        known = [here.handler.is_known(digest) for digest in ("made", "ordered", "other", "")]
        assert known == [True, True, False, False]

    def test_without_the_store_it_is_to_come_back(self, here: Process) -> None:
        here.render("news")
        here.world.store.away = True
        page = here.connect()
        assert page.received == [{"type": "disconnect", "reason": "unavailable", "reconnect": True}]
        assert page.transport.closed_with == (1013, "")


class TestOrders:
    def test_a_later_request_subscribes_at_once(self, here: Process, there: Process) -> None:
        here.render("a")
        page = there.connect()
        here.subscribe("b")
        here.push(1, "b")
        here.push(2, "*")
        assert (page.payloads, page.streams) == ([1, 2], ["a", "b"])

    def test_twice_is_once(self, here: Process) -> None:
        here.render("a")
        page = here.connect()
        here.subscribe("a")
        here.push(1, "a")
        assert page.payloads == [1]

    def test_a_later_request_unsubscribes_at_once(self, here: Process, there: Process) -> None:
        here.render("a", "b")
        page = there.connect()
        here.unsubscribe("a", "never heard")
        here.push(1, "a")
        here.push(2, "b")
        there.hub.broadcast("a", "3")
        assert (page.payloads, page.streams) == ([2], ["b"])

    def test_another_page_keeps_what_it_hears(self, here: Process) -> None:
        here.render("a")
        here.render("a", digest="other")
        page, other = here.connect(), here.connect("other")
        here.unsubscribe("a")
        here.push(1, "a")
        assert (page.payloads, other.payloads) == ([], [1])

    def test_orders_before_the_socket_comes_are_carried_out(self, here: Process, there: Process) -> None:
        here.render("a", "b")
        here.unsubscribe("a")
        here.subscribe("c")
        for stream in "abc":
            here.push(stream, stream)
        assert there.connect().payloads == ["b", "c"]

    def test_who_subscribes_again_hears_what_comes_from_then_on(self, here: Process) -> None:
        here.render("a")
        here.push(1, "a")
        here.unsubscribe("a")
        here.push(2, "a")
        here.subscribe("a")
        here.push(3, "a")
        assert here.connect().payloads == [3]

    def test_orders_that_come_while_it_is_looked_up_are_carried_out_once(self) -> None:
        world = World(SlowBus())
        here = world.start()
        here.render("a")
        page = here.connect()
        here.unsubscribe("a")
        here.subscribe("b")
        world.bus.confirm()  # type: ignore[attr-defined]
        assert page.streams == ["b"]

    def test_an_order_that_comes_just_after_they_were_read_is_carried_out(
        self, here: Process, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = here.ledger.orders

        def orders(*args: Any) -> Any:
            found = read(*args)
            monkeypatch.undo()
            here.subscribe("b")
            return found

        here.render("a")
        monkeypatch.setattr(here.ledger, "orders", orders)
        page = here.connect()
        here.push(1, "b")
        assert (page.streams, page.payloads) == (["a", "b"], [1])

    def test_orders_are_carried_out_once_however_often_it_comes_back(self, here: Process) -> None:
        here.render("a")
        page = here.connect()
        here.unsubscribe("a")
        here.subscribe("a")
        here.push(1, "a")
        pages = [page]
        for _ in range(3):
            pages[-1].leave()
            pages.append(here.connect())
        assert [page.payloads for page in pages] == [[1], [], [], []]

    def test_an_order_that_comes_after_its_time_changes_nothing(self, here: Process) -> None:
        here.render("a")
        page = here.connect()
        handler = here.handler
        here.subscribe("b")
        orders = handler.ledger.orders("page", -1) or []
        here.unsubscribe("b")
        handler._ordered(page.connection, orders[0][0], orders[0][1].encode())
        assert page.streams == ["a"]

    def test_an_order_makes_a_page_known(self, here: Process) -> None:
        joined: list[Connection] = []
        here.registered.hooks["join"].append(joined.append)
        page = here.connect()
        here.subscribe("a")
        here.push(1, "a")
        assert page.payloads == [1]
        assert joined == [page.connection]
        assert page.say(id=1, action="call-route")["status"] == 200

    def test_more_orders_than_are_kept_make_it_unknown(self, here: Process) -> None:
        here.render("a")
        for _ in range(ORDERS):
            here.unsubscribe("a")
        assert here.connect().received == [{"type": "expired"}]

    def test_streams_are_bounded(self, here: Process, caplog: pytest.LogCaptureFixture) -> None:
        here.handler.limits = PageLimits(streams=3)
        here.render("a", "b")
        page = here.connect()
        here.subscribe("c", "d")
        assert page.streams == ["a", "b", "c"]
        assert "CABLE_MAX_STREAMS" in caplog.text


class TestAlone:
    def test_one_page_is_pushed_to_whatever_it_hears(self, here: Process, there: Process) -> None:
        here.render("a")
        here.render("a", digest="other")
        page, other = there.connect(), there.connect("other")
        here.handler.pusher.push_to("page", {"n": 1}, "private")
        assert (page.received, other.received) == ([{"payload": {"n": 1}, "channel": "private"}], [])

    def test_before_its_socket_comes_and_while_it_is_away(self, here: Process, there: Process) -> None:
        here.render()
        here.handler.pusher.push_to("page", 1, "me")
        page = here.connect()
        here.handler.pusher.push_to("page", 2, "me")
        page.leave()
        here.handler.pusher.push_to("page", 3, "me")
        assert (page.payloads, there.connect().payloads) == ([1, 2], [3])

    def test_to_nobody_is_fine(self, here: Process) -> None:
        here.handler.pusher.push_to("nobody", 1, "me")

    def test_no_pattern_reaches_what_is_for_one_alone(self, here: Process) -> None:
        here.render()
        page = here.connect()
        here.push(1, "*")
        here.push(2, "@page")
        assert page.payloads == []


class TestReconnecting:
    def test_a_page_that_comes_back_hears_what_it_missed(self, here: Process, there: Process) -> None:
        here.render("a", "b")
        page = here.connect()
        here.push(1, "a")
        page.leave()
        here.push(2, "a")
        here.push(3, "*")
        again = there.connect()
        here.push(4, "b")
        assert (page.payloads, again.payloads) == ([1], [2, 3, 4])

    def test_what_was_ordered_before_holds(self, here: Process) -> None:
        here.render("a", "b")
        page = here.connect()
        here.subscribe("c")
        here.unsubscribe("a")
        page.leave()
        here.unsubscribe("b")
        assert here.connect().streams == ["c"]

    def test_what_could_not_be_sent_is_sent_again(self, here: Process) -> None:
        here.render("a")
        page = here.connect()
        here.push(1, "a")
        page.transport.closed_with = (1006, "")  # nobody has noticed yet
        here.push(2, "a")
        here.push(3, "a*")
        page.connection.handle_close(1006, "")
        assert here.connect().payloads == [2, 3]

    def test_a_page_that_is_away_too_long_is_forgotten(self, here: Process) -> None:
        here.render("a")
        here.connect().leave()
        here.executor.advance(121)
        assert here.connect().received == [{"type": "expired"}]

    def test_or_at_once_where_that_is_wanted(self) -> None:
        here = World(resume=0).start()
        here.render("a")
        page = here.connect()
        assert page.streams == ["a"]
        page.leave()
        assert here.connect().received == [{"type": "expired"}]

    def test_a_process_that_was_killed_leaves_its_pages_known(self, here: Process, there: Process) -> None:
        """What they heard last is not: they hear on from when they are back, and nothing twice."""
        here.render("a")
        here.connect()
        here.push(1, "a")
        here.crash()
        page = there.connect()
        here.executor.advance(sum(PATIENCE))
        there.push(2, "a")
        assert (page.payloads, page.streams) == ([2], ["a"])

    def test_and_its_orders_hold(self, here: Process, there: Process) -> None:
        here.render("a", "b")
        here.connect()
        here.unsubscribe("a")
        here.crash()
        here.executor.advance(200)
        page = there.connect()
        here.executor.advance(sum(PATIENCE))
        assert page.streams == ["b"]

    def test_a_page_that_leaves_before_it_is_looked_up_stays_as_it_was(self) -> None:
        world = World(SlowBus())
        here = world.start()
        here.render("a")
        here.push(1, "a")
        here.connect().leave()
        world.bus.confirm()  # type: ignore[attr-defined]
        page = here.connect()
        world.bus.confirm()  # type: ignore[attr-defined]
        assert page.payloads == [1]

    def test_without_the_store_it_goes_all_the_same(
        self, here: Process, caplog: pytest.LogCaptureFixture
    ) -> None:
        here.render("a")
        page = here.connect()
        here.world.store.away = True
        page.leave()
        assert "could not be written down" in caplog.text
        assert here.registry.taken == 0

    def test_its_place_is_written_before_the_process_may_end(
        self, here: Process, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counted: list[int] = []
        write = here.ledger.write

        def note(*args: Any) -> None:
            counted.append(here.registry.taken)
            write(*args)

        here.render("a")
        page = here.connect()
        monkeypatch.setattr(here.ledger, "write", note)
        page.leave()
        assert (counted, here.registry.taken) == ([1], 0)


class TestTakingOver:
    """A page has one socket: the newest. The other one is half-open, or somebody has the page twice."""

    def test_nothing_is_lost_or_doubled_in_between(self, here: Process, there: Process) -> None:
        here.render("a", "b")
        old = here.connect()
        here.push(1, "a")
        new = there.connect()
        there.push(2, "a")
        here.push(3, "b*")
        assert (old.payloads, new.payloads) == ([1], [2, 3])

    def test_the_old_one_is_told_to_stay_away(self, here: Process) -> None:
        left: list[Connection] = []
        here.registered.hooks["leave"].append(left.append)
        here.render("a")
        old, new = here.connect(), here.connect()
        assert old.received == [{"type": "disconnect", "reason": "replaced", "reconnect": False}]
        assert old.transport.closed_with == (1000, "")
        assert left == [old.connection]
        assert new.transport.closed_with is None

    def test_a_slow_handler_of_the_old_one_does_not_hold_it_up(self, here: Process, there: Process) -> None:
        here.render("a")
        old = here.connect()
        seen: list[Any] = []
        here.registered.actions["slow"] = lambda *_: seen.append(there.connect())
        old.say(action="slow")
        there.push(1, "a")
        assert (old.payloads, seen[0].payloads) == ([], [1])

    def test_one_that_has_just_gone_may_still_be_writing(self, here: Process, there: Process) -> None:
        here.render("a")
        page = here.connect()
        here.push(1, "a")
        record = here.ledger.read("page")
        page.leave()
        written = here.ledger.read("page")
        assert record is not None
        assert written is not None
        here.ledger.write("page", record, 60)  # as if it had not yet
        again = there.connect()
        there.push(2, "a")
        here.executor.advance(PATIENCE[1])
        assert again.streams == []
        here.ledger.write("page", written, 60)
        here.executor.advance(sum(PATIENCE))
        assert again.payloads == [2]

    def test_one_that_goes_late_spoils_nothing(self, here: Process, there: Process) -> None:
        """It was cut off from the others when the page came back."""
        here.render("a", "b")
        lost = here.connect()
        here.crash()
        page = there.connect()
        here.executor.advance(sum(PATIENCE))
        there.unsubscribe("a")
        there.push(1, "b")
        lost.leave()
        page.leave()
        there.push(2, "b")
        again = there.connect()
        assert (again.streams, again.payloads) == (["b"], [2])

    def test_nor_does_one_that_goes_even_after_the_newer_one(self, here: Process, there: Process) -> None:
        here.render("a", "b")
        lost = here.connect()
        here.crash()
        page = there.connect()
        here.executor.advance(sum(PATIENCE))
        there.unsubscribe("a")
        there.push(1, "b")
        page.leave()
        lost.leave()
        there.push(2, "b")
        again = there.connect()
        assert (again.streams, again.payloads) == (["b"], [2])

    def test_one_that_is_not_looked_up_yet_gives_nothing_up(self, here: Process, there: Process) -> None:
        """Or two that claim the page of one that crashed would send each other away."""
        here.render("a")
        here.connect()
        here.crash()
        page = there.connect()
        there.hub.broadcast(address_of("page"), f"{CLAIM}|another", raw=True)
        here.executor.advance(sum(PATIENCE))
        there.push(1, "a")
        assert (page.payloads, page.transport.closed_with) == ([1], None)
        there.hub.broadcast(address_of("page"), f"{CLAIM}|another", raw=True)
        assert page.transport.closed_with == (1000, "")

    def test_what_it_is_ordered_and_asked_meanwhile_waits(self, here: Process, there: Process) -> None:
        there.registered.actions["do"] = lambda *_: "done"
        here.render("a")
        here.connect()
        here.crash()
        page = there.connect()
        there.subscribe("b")
        page.say(id=1, action="do")
        assert (page.received, page.streams) == ([], [])
        here.executor.advance(sum(PATIENCE))
        assert (page.streams, page.received[-1]["body"]) == (["a", "b"], "done")

    def test_who_leaves_meanwhile_is_gone(self, here: Process, there: Process) -> None:
        here.render("a")
        here.connect()
        here.crash()
        there.connect().leave()
        here.executor.advance(sum(PATIENCE))
        assert there.handler.streams._streams == {}

    def test_two_that_come_at_once_do_not_send_each_other_away(self) -> None:
        world = World(SlowBus())
        here = world.start()
        here.render("a")
        pages = here.connect(), here.connect()
        world.bus.confirm()  # type: ignore[attr-defined]
        world.executor.advance(sum(PATIENCE))
        world.bus.confirm()  # type: ignore[attr-defined]
        here.push(1, "a")
        assert [1] in [page.payloads for page in pages]


class TestRenewal:
    def test_a_page_that_stays_is_known_after_a_crash(self, here: Process, there: Process) -> None:
        here.handler.watches = [Renewal(here.executor, here.handler)]
        here.render("a")
        here.connect()
        here.executor.advance(3600)
        here.crash()
        page = there.connect()
        here.executor.advance(sum(PATIENCE))
        assert page.streams == ["a"]

    def test_without_it_it_would_not_be(self, here: Process, there: Process) -> None:
        here.handler.watches = [Liveness(here.executor, 60)]
        here.render("a")
        here.connect()
        here.executor.advance(3600)
        assert there.connect().received == [{"type": "expired"}]

    def test_it_goes_on_without_the_store(self, here: Process, caplog: pytest.LogCaptureFixture) -> None:
        here.handler.watches = [Renewal(here.executor, here.handler)]
        here.render("a")
        here.connect()
        here.world.store.away = True
        here.executor.advance(RENEWAL)
        assert "could not be written down" in caplog.text


class TestHooks:
    def test_they_run_in_their_order_when_a_page_comes_and_goes(self, here: Process) -> None:
        told: list[Any] = []
        for event in ("join", "leave"):
            here.registered.hooks[event] += [
                lambda connection, event=event: told.append((event, 1, connection.id)),
                lambda connection, event=event: told.append((event, 2, serving.get() is connection)),
            ]
        here.render("a")
        page = here.connect()
        assert told == [("join", 1, 1), ("join", 2, True)]
        page.leave()
        assert told[2:] == [("leave", 1, 1), ("leave", 2, True)]

    def test_the_page_hears_already_when_it_has_joined_and_no_more_when_it_has_left(
        self, here: Process
    ) -> None:
        here.registered.hooks["join"].append(lambda _: here.push("welcome", "a"))
        here.registered.hooks["leave"].append(lambda _: here.push("bye", "a"))
        here.render("a")
        page = here.connect()
        assert page.payloads == ["welcome"]
        page.leave()
        assert page.payloads == ["welcome"]

    @pytest.mark.parametrize("error", [ValueError, SystemExit])
    def test_one_that_raises_stops_no_other(
        self, here: Process, error: type[BaseException], caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(connection: Connection) -> None:
            raise error("broken")

        told: list[int] = []
        for event in ("join", "leave"):
            here.registered.hooks[event] += [fail, lambda connection: told.append(connection.id)]
        here.render("a")
        here.connect().leave()
        assert told == [1, 1]
        assert here.handler.counts["failed"] == 2

    def test_who_went_before_it_was_looked_up_has_not_joined(self) -> None:
        world = World(SlowBus())
        here = world.start()
        here.registered.hooks["join"].append(lambda _: pytest.fail("joined"))
        here.registered.hooks["leave"].append(lambda _: pytest.fail("left"))
        here.render("a")
        here.connect().leave()
        world.bus.confirm()  # type: ignore[attr-defined]


class TestMessages:
    def test_a_handler_gets_the_message_the_session_and_a_response(self, here: Process) -> None:
        seen: list[Any] = []

        def greet(message: dict[str, Any], session: Any, response: dict[str, Any]) -> dict[str, Any]:
            seen.append((message, session, dict(response)))
            response["body"] = f"hello {message['name']}"
            return response

        here.registered.actions["greet"] = greet
        here.render()
        page = here.connect()
        assert page.say(id=7, action="greet", name="Bob") == {"id": 7, "body": "hello Bob"}
        assert seen == [({"id": 7, "action": "greet", "name": "Bob"}, None, {"id": 7})]

    @pytest.mark.parametrize(
        ("returned", "reply"),
        [
            (None, {"id": 1, "touched": True}),
            ({"a": 1}, {"id": 1, "a": 1}),
            ({"id": 99}, {"id": 1}),
            ("text", {"id": 1, "touched": True, "body": "text"}),
            ([1], {"id": 1, "touched": True, "body": [1]}),
            (False, {"id": 1, "touched": True, "body": False}),
        ],
    )
    def test_what_it_returns_is_the_reply(self, here: Process, returned: Any, reply: Any) -> None:
        def handle(message: Any, session: Any, response: dict[str, Any]) -> Any:
            response["touched"] = True
            return returned

        here.registered.actions["do"] = handle
        here.render()
        assert here.connect().say(id=1, action="do") == reply

    def test_nobody_who_gave_no_id_is_replied_to(self, here: Process) -> None:
        done: list[int] = []
        here.registered.actions["do"] = lambda *_: done.append(1)
        here.render()
        page = here.connect()
        for action in ("do", "ping", "nothing", "call-route"):
            page.say(action=action)
        assert (page.received, done, len(here.calls)) == ([], [1], 1)

    def test_ping(self, here: Process) -> None:
        here.render()
        pong = {"id": "p", "status": 200, "headers": {}, "body": "pong"}
        assert here.connect().say(id="p", action="ping") == pong

    def test_a_route_is_called_by_its_message(self, here: Process) -> None:
        here.render()
        reply = here.connect().say(id=1, action="call-route", uri="/x", method="post")
        assert reply == {"id": 1, "status": 200, "headers": {}, "body": "called"}
        assert here.calls[0].fields["uri"] == "/x"

    def test_calls_are_bounded_and_told_so(self, here: Process) -> None:
        here.handler.limits = PageLimits(calls_per_second=2, calls_burst=3)
        here.render()
        page = here.connect()
        statuses = [page.say(id=n, action="call-route")["status"] for n in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        assert page.received[-1] == {"id": 4, "status": 429, "error": "too_many"}
        here.executor.advance(0.6)
        assert page.say(id=6, action="call-route")["status"] == 200
        assert page.say(id=7, action="call-route")["status"] == 429
        assert page.transport.closed_with is None

    def test_the_connection_is_known_meanwhile(self, here: Process) -> None:
        here.registered.actions["who"] = lambda *_: serving.get().id  # type: ignore[union-attr]
        here.render()
        page = here.connect()
        assert page.say(id=1, action="who")["body"] == page.connection.id
        assert serving.get() is None

    def test_what_comes_before_it_is_looked_up_waits(self) -> None:
        world = World(SlowBus())
        here = world.start()
        here.registered.actions["do"] = lambda *_: "done"
        here.render()
        page = here.connect()
        page.say(id=1, action="do")
        page.say(id=2, action="do")
        assert page.received == []
        world.bus.confirm()  # type: ignore[attr-defined]
        assert [reply["id"] for reply in page.received] == [1, 2]

    def test_but_not_without_bounds(self) -> None:
        world = World(SlowBus())
        here = world.start()
        here.render()
        page = here.connect()
        for n in range(11):
            page.say(id=n, action="ping")
        assert page.transport.closed_with == (1008, "too many messages")

    def test_nor_without_bounds_of_their_length(self) -> None:
        world = World(SlowBus())
        here = world.start()
        here.handler.inbox_bytes = 1000
        here.render()
        page = here.connect()
        page.say(id=1, action="ping", text="x" * 1000)
        assert page.transport.closed_with is None
        page.say(id=2, action="ping")
        assert page.transport.closed_with == (1008, "too many messages")

    def test_hooks_of_the_connection_class_apply(self, here: Process) -> None:
        class Careful(Connection):
            __slots__ = ()

            def before_command(self) -> bool:
                self.data["before"] = True
                return not self.data.get("stop")

            def after_command(self) -> None:
                self.data["after"] = True

        here.registered.actions["do"] = lambda *_: "done"
        here.render()
        page = here.connect()
        page.connection.__class__ = Careful
        assert page.say(id=1, action="do")["body"] == "done"
        assert page.connection.data == {"before": True, "after": True}
        page.connection.data["stop"] = True
        assert page.say(id=2, action="do") == {"id": 2, "status": 403, "error": "halted"}


class TestWrong:
    @pytest.mark.parametrize(
        "message", [b"\x00", "", "nonsense", "[]", "{}", '{"id":1}', '{"action":7,"id":1}']
    )
    def test_what_is_malformed_is_ignored_counted_and_logged_once(
        self, here: Process, message: str | bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        here.render("a")
        page = here.connect()
        for _ in range(3):
            page.transport.say(message)
        here.push(1, "a")
        assert page.received == [{"payload": 1, "channel": "a"}]
        assert here.handler.counts["malformed"] == 3
        assert len(caplog.records) == 1
        assert page.transport.closed_with is None

    def test_an_unknown_action_is_told_to_who_waits(
        self, here: Process, caplog: pytest.LogCaptureFixture
    ) -> None:
        here.render()
        page = here.connect()
        page.say(action="nothing")
        assert page.say(id=1, action="nothing") == {"id": 1, "status": 404, "error": "unknown_action"}
        assert here.handler.counts["UnknownAction"] == 2
        assert len(caplog.records) == 1

    @pytest.mark.parametrize("error", [ValueError("secret"), SystemExit("secret")])
    def test_a_handler_that_raises_is_logged_and_tells_no_more_than_that(
        self, here: Process, error: BaseException, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_: Any) -> None:
            raise error

        here.registered.actions["fail"] = fail
        here.render()
        page = here.connect()
        assert page.say(id=1, action="fail") == {"id": 1, "status": 500, "error": "failed"}
        assert "secret" not in json.dumps(page.received)
        assert "secret" in caplog.text
        assert here.handler.counts["failed"] == 1
        assert page.say(id=2, action="ping")["status"] == 200

    def test_a_reply_that_has_no_json_form_has_failed(self, here: Process) -> None:
        here.registered.actions["do"] = lambda *_: object()
        here.render()
        assert here.connect().say(id=1, action="do")["error"] == "failed"

    def test_the_connection_class_may_rescue(self, here: Process, caplog: pytest.LogCaptureFixture) -> None:
        class Careful(Connection):
            __slots__ = ()

            @Connection.rescue_from(ZeroDivisionError)
            def rescued(self, error: Exception) -> None:
                self.data["rescued"] = type(error)

        here.registered.actions["do"] = lambda *_: 1 / 0
        here.render()
        page = here.connect()
        page.connection.__class__ = Careful
        assert page.say(id=1, action="do")["error"] == "failed"
        assert page.connection.data == {"rescued": ZeroDivisionError}
        assert caplog.text == ""

    def test_what_has_no_json_form_is_pushed_to_nobody(self, here: Process) -> None:
        here.render("a")
        page = here.connect()
        for stream in ("a", "*"):
            with pytest.raises(EncodeError):
                here.push(object(), stream)
        with pytest.raises(EncodeError):
            here.handler.pusher.push_to("page", object(), "a")
        assert page.received == []


def test_the_end_is_said_in_the_protocols_words(here: Process) -> None:
    here.render()
    page = here.connect()
    page.connection.disconnect("server_restart", reconnect=True, code=1012)
    assert page.received == [{"type": "disconnect", "reason": "server_restart", "reconnect": True}]
    assert page.transport.closed_with == (1012, "")


def test_a_page_may_be_sent_anything(here: Process) -> None:
    here.render()
    page = here.connect()
    page.connection.transmit({"any": "thing"})
    assert page.received == [{"any": "thing"}]
