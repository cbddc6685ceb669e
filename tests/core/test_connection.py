"""Connection: identity, one serial time line, an end that comes once, and a bounded inbox."""

import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from core.test_handler import RecordingHandler

from flask_cable.core.callbacks import before_command, rescue_from
from flask_cable.core.connection import Connection
from flask_cable.core.executor import Job, ManualExecutor
from flask_cable.core.handler import Rate
from flask_cable.errors import ConnectionClosed, UnauthorizedConnection
from flask_cable.protocols.frames import Burst, Frame


class Wire:
    """A transport that keeps what it is told."""

    def __init__(self, takes: bool = True) -> None:
        self.takes = takes
        self.sent: list[bytes] = []
        self.told: list[Any] = []

    def send(self, frame: Frame) -> bool:
        self.sent.append(frame.payload)
        return self.takes

    def close(self, code: int, reason: str) -> None:
        self.told.append((code, reason))

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    def probe(self, limit: int) -> None:
        self.told.append("probe")


class LateExecutor(ManualExecutor):
    """Runs nothing until it is told to, as if its workers were busy; ``home`` says where the caller is."""

    def __init__(self) -> None:
        super().__init__()
        self.home = True

    def submit(self, function: Job, *args: Any) -> None:
        self._jobs.append((function, args))

    def is_home(self) -> bool:
        return self.home

    def run(self) -> None:
        was, self.home = self.home, True
        super().run()
        self.home = was


def attached(handler: RecordingHandler | None = None, **options: Any) -> tuple[Connection, Wire]:
    connection, wire = Connection(handler or RecordingHandler(), **options), Wire()
    connection.attach(wire)
    return connection, wire


def handler_of(connection: Connection) -> RecordingHandler:
    handler = connection.handler
    assert isinstance(handler, RecordingHandler)
    return handler


# Identity.


class Person(Connection):
    identified_by = ("user", "tenant")


def test_identifiers_that_are_not_declared_may_be_set() -> None:
    connection, _ = attached()
    assert connection.set_identifier("user", 7) is connection
    assert connection.identifiers == {"user": 7}
    assert repr(connection) == "<Connection 0 user=7>"


def test_a_connection_may_be_made_with_identifiers() -> None:
    person = Person(RecordingHandler(), 3, {"user": "x"})
    assert person.user == "x"
    assert repr(person) == "<Person 3 user='x'>"


def test_each_connection_has_its_own_identifiers_and_data() -> None:
    one, other = Person(RecordingHandler()), Person(RecordingHandler())
    one.user = 1
    one.data["a"] = 1
    assert (other.user, other.data) == (None, {})


def test_data_is_a_dict_until_it_is_replaced() -> None:
    connection, _ = attached()
    connection.data["count"] = 1
    assert connection.data == {"count": 1}
    connection.data = [1, 2]
    assert connection.data == [1, 2]


def test_an_application_may_add_attributes() -> None:
    class Mine(Connection):
        pass

    mine = Mine(RecordingHandler())
    mine.anything = 1  # type: ignore[attr-defined]
    assert mine.anything == 1  # type: ignore[attr-defined]


# Opening.


def test_everybody_is_accepted_by_default() -> None:
    connection, _ = attached()
    assert connection.open() is connection
    assert not connection.is_rejected


def test_a_refusal_is_swallowed_and_ends_connect() -> None:
    class Mine(Connection):
        def connect(self) -> None:
            self.reject_unauthorized_connection()
            raise AssertionError("nothing after it runs")

    assert Mine(RecordingHandler()).open().is_rejected
    with pytest.raises(UnauthorizedConnection):
        Mine(RecordingHandler()).connect()


def test_any_other_error_of_connect_is_raised() -> None:
    class Mine(Connection):
        def connect(self) -> None:
            raise LookupError("no such user")

    with pytest.raises(LookupError):
        Mine(RecordingHandler()).open()


def test_what_connect_sends_waits_for_the_transport() -> None:
    connection, wire = Connection(RecordingHandler()), Wire()
    assert connection.transmit({"early": 1})
    assert connection.transmit({"early": 2})
    connection.attach(wire)
    assert wire.sent == [b'{"early": 1}', b'{"early": 2}']
    assert wire.told == []


def test_a_close_in_connect_waits_for_the_transport_too() -> None:
    connection, wire = Connection(RecordingHandler()), Wire()
    connection.transmit("bye")
    connection.close(4000, "not today")
    connection.attach(wire)
    assert (wire.sent, wire.told) == ([b'"bye"'], [(4000, "not today")])


def test_a_second_transport_gets_nothing_twice() -> None:
    connection, first = attached()
    connection.transmit(1)
    second = Wire()
    connection.attach(second)
    connection.transmit(2)
    assert (first.sent, second.sent) == ([b"1"], [b"2"])


def test_the_handler_learns_that_it_is_open() -> None:
    connection, _ = attached()
    connection.handle_open()
    assert handler_of(connection).calls == [("opened",)]


def test_a_peer_that_was_told_to_go_meanwhile_is_not_welcomed() -> None:
    connection, _ = attached()
    connection.disconnect("remote")
    connection.handle_open()
    assert ("opened",) not in handler_of(connection).calls


# The handshake.


def test_a_connection_knows_its_request() -> None:
    @contextmanager
    def context() -> Iterator[str]:
        yield "context"

    connection, _ = attached()
    assert (connection.request, connection.session) == (None, None)
    with pytest.raises(RuntimeError, match="not opened by a request"):
        connection.request_context()
    connection.handshake = SimpleNamespace(request="request", session="session", request_context=context)
    assert (connection.request, connection.session) == ("request", "session")
    with connection.request_context() as found:
        assert found == "context"


def test_log_lines_say_which_connection(caplog: pytest.LogCaptureFixture) -> None:
    connection, _ = attached(id=7)
    connection.logger.warning("odd: %s", 1)
    assert caplog.record_tuples == [("flask_cable", logging.WARNING, "connection 7: odd: 1")]


# Speaking.


def test_data_is_encoded_by_the_handler() -> None:
    connection, wire = attached()
    assert connection.transmit({"a": 1})
    assert wire.sent == [b'{"a": 1}']
    with pytest.raises(TypeError):
        connection.transmit({1, 2})
    assert len(wire.sent) == 1


def test_a_dropped_frame_is_told() -> None:
    connection = Connection(RecordingHandler())
    connection.attach(Wire(takes=False))
    assert not connection.transmit(1)


def test_a_frame_is_sent_as_it_is_and_anything_else_as_the_endpoint_encodes_it() -> None:
    connection, wire = attached()
    assert connection.send(Frame(b"as it is"))
    assert connection.send({"a": 1})
    assert wire.sent == [b"as it is", b'{"a": 1}']


def test_after_the_end_nothing_is_sent() -> None:
    connection, wire = attached()
    connection.close()
    assert not connection.transmit(1)
    assert not connection.send(object())
    assert wire.sent == []


def test_a_handler_that_is_handed_messages_lets_nobody_wait_for_them() -> None:
    connection, _ = attached()
    for wait in (connection.receive, lambda: next(iter(connection))):
        with pytest.raises(RuntimeError, match="nobody can wait"):
            wait()


def test_messages_may_be_iterated_until_the_peer_is_gone() -> None:
    handler = RecordingHandler()
    said: list[Any] = ["a", None, "b"]

    def receive(connection: Connection, timeout: float | None) -> Any:
        if not said:
            raise ConnectionClosed(1001, "bye")
        return said.pop(0)

    handler.receive = receive  # type: ignore[method-assign]
    connection, _ = attached(handler)
    assert list(connection) == ["a", None, "b"]
    with pytest.raises(ConnectionClosed, match="closed with 1001: bye"):
        connection.receive(timeout=1.0)


def test_elsewhere_everything_goes_home_first() -> None:
    executor = LateExecutor()
    connection, wire = attached(RecordingHandler(executor))
    executor.home = False
    assert connection.transmit(1)
    connection.disconnect("gone", reconnect=False, code=4001)
    assert (wire.sent, wire.told, connection.closed) == ([], [], False)
    executor.run()
    assert (wire.sent, wire.told, connection.closed) == ([b"1", b"disconnect gone False"], [(4001, "")], True)
    assert not connection.transmit(2)


def test_a_close_from_elsewhere_goes_home_too() -> None:
    executor = LateExecutor()
    connection, wire = attached(RecordingHandler(executor))
    executor.home = False
    connection.close(4000, "why")
    assert wire.told == []
    executor.run()
    assert wire.told == [(4000, "why")]


# Ending.


def test_a_disconnect_is_said_in_the_protocols_words_before_the_close() -> None:
    connection, wire = attached()
    connection.disconnect("remote")
    assert (wire.sent, wire.told) == ([b"disconnect remote True"], [(1000, "")])
    assert connection.closed


def test_the_end_comes_once() -> None:
    connection, wire = attached()
    connection.close(4000, "first")
    connection.close(4001, "second")
    connection.disconnect("third")
    connection.handle_close(1006, "fourth")
    connection.handle_too_slow()
    assert (wire.sent, wire.told) == ([], [(4000, "first")])
    assert handler_of(connection).calls == [("closed", 4000, "first")]


def test_the_peer_may_end_it() -> None:
    connection, wire = attached()
    connection.handle_close(1001, "leaving")
    connection.close()
    assert (connection.closed, wire.told) == (True, [])
    assert handler_of(connection).calls == [("closed", 1001, "leaving")]


class Hooked(Connection):
    def disconnected(self) -> None:
        handler_of(self).calls.append(("disconnected",))


def test_the_applications_hook_runs_after_the_handlers_and_once() -> None:
    connection = Hooked(RecordingHandler())
    connection.attach(Wire())
    connection.close()
    connection.handle_close(1000, "")
    assert handler_of(connection).calls == [("closed", 1000, ""), ("disconnected",)]


def test_the_applications_hook_runs_even_if_the_handler_raises() -> None:
    class Failing(RecordingHandler):
        def closed(self, connection: Connection, code: int, reason: str) -> None:
            raise LookupError("closed")

    connection = Hooked(Failing())
    connection.attach(Wire())
    connection.close()
    assert handler_of(connection).calls == [("disconnected",)]
    assert [type(error) for error in handler_of(connection).errors] == [LookupError]


def test_who_was_refused_was_never_there() -> None:
    connection = Hooked(RecordingHandler())
    connection.is_rejected = True
    connection.attach(Wire())
    connection.disconnect("unauthorized", reconnect=False)
    assert handler_of(connection).calls == []


def test_a_peer_that_is_too_slow_is_told_to_come_back() -> None:
    connection, wire = attached()
    connection.handle_too_slow()
    assert (wire.sent, wire.told) == ([b"disconnect too_slow True"], [(1000, "")])
    assert handler_of(connection).counts == {"too_slow": 1}


# Messages.


def test_messages_are_received_in_order() -> None:
    connection, _ = attached()
    connection.handle_messages(("a", b"b"))
    connection.handle_messages(["c"])
    assert handler_of(connection).calls == [("received", "a"), ("received", b"b"), ("received", "c")]


def test_what_a_peer_said_before_it_left_is_worked_on() -> None:
    executor = LateExecutor()
    connection, _ = attached(RecordingHandler(executor))
    connection.handle_messages(["a", "b"])
    connection.handle_close(1000, "")
    executor.run()
    assert handler_of(connection).calls == [("received", "a"), ("received", "b"), ("closed", 1000, "")]


def test_what_a_peer_said_before_we_closed_is_not() -> None:
    executor = LateExecutor()
    connection, _ = attached(RecordingHandler(executor))
    connection.handle_messages(["a", "b"])
    connection.close()
    connection.handle_messages(["c"])
    executor.run()
    assert handler_of(connection).calls == [("closed", 1000, "")]


def test_a_message_shows_that_somebody_is_there() -> None:
    connection, _ = attached()
    connection.silent_looks = 2
    connection.handle_messages(["a"])
    assert connection.silent_looks == 0


def rated(per_second: float, burst: float) -> tuple[Connection, Wire, ManualExecutor]:
    executor = ManualExecutor(now=1000)
    handler = RecordingHandler(executor)
    handler.rate = Rate(per_second, burst)
    return *attached(handler), executor


def test_a_burst_is_taken_and_one_more_ends_it() -> None:
    for per_second, burst in ((1, 1), (1, 3), (10, 20), (1000, 5000), (3, 10), (7, 100)):
        connection, wire, _ = rated(per_second, burst)
        connection.handle_messages(["x"] * burst)
        assert (wire.told, len(handler_of(connection).calls)) == ([], burst)
        connection.handle_messages(["x", "y", "z"])
        assert wire.told == [(1008, "too many messages")]
        assert handler_of(connection).calls[burst:] == [("closed", 1008, "too many messages")]


def test_a_steady_peer_may_go_on_for_ever() -> None:
    connection, wire, executor = rated(10, 5)
    for _ in range(200):
        executor.advance(0.1)
        connection.handle_messages(["x"])
    assert wire.told == []


def test_a_peer_that_is_too_fast_in_the_long_run_is_ended() -> None:
    connection, wire, executor = rated(10, 5)
    for _ in range(200):
        executor.advance(0.05)
        connection.handle_messages(["x"])
    assert wire.told == [(1008, "too many messages")]


def test_a_peer_that_paused_may_burst_again_but_saves_nothing_up() -> None:
    connection, wire, executor = rated(10, 5)
    connection.handle_messages(["x"] * 5)
    executor.advance(3600)
    connection.handle_messages(["x"] * 5)
    assert wire.told == []
    connection.handle_messages(["x"])
    assert wire.told == [(1008, "too many messages")]


# The time line.


def test_work_is_serial_and_in_order() -> None:
    connection, _ = attached()
    log: list[str] = []

    def work(name: str) -> None:
        log.append(f"begin {name}")
        if name == "a":
            connection.post(work, "b")
            connection.handle_messages(["c"])
        log.append(f"end {name}")

    connection.post(work, "a")
    assert log == ["begin a", "end a", "begin b", "end b"]
    assert handler_of(connection).calls == [("received", "c")]


def test_two_connections_do_not_wait_for_each_other() -> None:
    handler = RecordingHandler()
    (one, _), (other, _), log = attached(handler), attached(handler), []

    def work() -> None:
        other.post(log.append, "other")
        log.append("one")

    one.post(work)
    assert log == ["one", "other"]


def test_each_piece_of_work_has_a_scope_of_its_own() -> None:
    log: list[str] = []

    @contextmanager
    def scope() -> Iterator[None]:
        log.append("in")
        yield
        log.append("out")

    connection, _ = attached(RecordingHandler(scope=scope))
    connection.handle_messages(["a", "b"])
    connection.close()
    assert log == ["in", "out"] * 3


def test_an_error_fails_its_own_work_only() -> None:
    connection, log = attached()[0], []

    def fail() -> None:
        connection.post(log.append, "after")
        raise LookupError("lost")

    connection.post(fail)
    assert log == ["after"]
    assert [type(error) for error in handler_of(connection).errors] == [LookupError]
    assert not connection.closed


def test_a_worker_outlives_even_what_is_no_exception() -> None:
    for error in (SystemExit(), KeyboardInterrupt(), GeneratorExit()):
        connection, log = attached()[0], []

        def fail(error: BaseException = error) -> None:
            raise error

        connection.post(fail)
        connection.post(log.append, "after")
        assert (log, handler_of(connection).errors) == (["after"], [error])


def test_an_error_in_the_scope_is_the_works_error() -> None:
    @contextmanager
    def scope() -> Iterator[None]:
        yield
        raise LookupError("teardown")

    connection, _ = attached(RecordingHandler(scope=scope))
    connection.handle_messages(["a"])
    assert handler_of(connection).calls == [("received", "a")]
    assert [str(error) for error in handler_of(connection).errors] == ["teardown"]


def test_an_idle_connection_keeps_nothing_alive() -> None:
    class Big:
        pass

    connection, _ = attached()
    big = Big()
    alive = weakref.ref(big)
    connection.post(id, big)
    del big
    assert alive() is None


def test_a_connection_is_freed_without_the_garbage_collector() -> None:
    connection, wire = attached()
    connection.handle_messages(["a"])
    connection.close()
    alive = weakref.ref(connection)
    del connection, wire
    assert alive() is None


# The inbox.


def test_a_peer_that_sends_too_much_is_not_read_for_a_while() -> None:
    executor = LateExecutor()
    connection, wire = attached(RecordingHandler(executor, inbox_limit=4))
    connection.handle_messages("abcd")  # the first is being worked on, three wait
    executor._jobs.rotate()
    assert wire.told == []
    connection.handle_messages("e")
    assert list(executor._jobs)[-1][0] == wire.pause
    connection.handle_messages("fg")
    executor.run()
    assert wire.told == ["pause", "resume"]
    assert [call[1] for call in handler_of(connection).calls] == list("abcdefg")


def test_it_is_read_again_when_half_of_it_is_done() -> None:
    connection, wire = attached(RecordingHandler(inbox_limit=4))
    log: list[Any] = []

    def work(name: str) -> None:
        log.append((name, wire.told[-1:]))

    def flood() -> None:
        for name in "abcdef":
            connection.post(work, name)

    connection.post(flood)
    # `call_home` of the manual executor waits for its turn, which is after this connection's whole inbox
    assert [name for name, _ in log] == list("abcdef")
    assert wire.told == ["pause", "resume"]


def test_it_is_not_read_either_when_what_waits_is_long() -> None:
    executor = LateExecutor()
    connection, wire = attached(RecordingHandler(executor, inbox_limit=100, inbox_bytes=40))
    for _ in range(3):
        connection.handle_messages(["x" * 1000, "a" * 20, b"b" * 19])  # the first is being worked on
        assert not connection.is_paused
        executor.run()
    assert wire.told == []
    connection.handle_messages(["x", "a" * 21, b"b" * 19])
    assert connection.is_paused
    executor.run()
    assert wire.told == ["pause", "resume"]


# Hooks.


class Guarded(Connection):
    @before_command
    def check(self) -> bool:
        return bool(self.data.get("allowed"))

    @rescue_from(LookupError)
    def answer(self, error: Exception) -> None:
        self.transmit(str(error))


def test_hooks_and_error_handlers_are_the_classs() -> None:
    guarded, wire = Guarded(RecordingHandler()), Wire()
    guarded.attach(wire)
    assert not guarded.run_hooks("before_command")
    guarded.data["allowed"] = True
    assert guarded.run_hooks("before_command")
    assert guarded.rescue(KeyError("k"))
    assert wire.sent == [b"\"'k'\""]
    assert not guarded.rescue(ValueError())


def test_a_connection_without_hooks_has_none() -> None:
    connection, _ = attached()
    assert connection.run_hooks("before_command")
    assert not connection.rescue(ValueError())


def test_hooks_are_declared_on_the_class_as_well() -> None:
    class Mine(Connection):
        @Connection.before_command
        def inside(self) -> bool:
            return False

    @Mine.rescue_from(ValueError)
    def answer(self: Mine, error: Exception) -> None:
        self.data["error"] = error

    mine, error = Mine(RecordingHandler()), ValueError()
    assert not mine.run_hooks("before_command")
    assert mine.rescue(error)
    assert mine.data["error"] is error
    assert (Connection.hooks, Connection.rescues) == ({}, ())


def test_subscriptions_are_the_handlers_matter() -> None:
    class Subscribing(RecordingHandler):
        def add_subscription(self, connection: Connection, channel: Any) -> None:
            self.calls.append((connection, channel))

    connection, _ = attached(Subscribing())
    assert connection.add_subscription("channel") is connection
    assert handler_of(connection).calls == [(connection, "channel")]


# Who is not let in yet, and what the server sends to names and groups.


def held() -> tuple[Connection, Wire, LateExecutor]:
    executor = LateExecutor()
    connection, wire = attached(RecordingHandler(executor))
    connection.hold_back()
    return connection, wire, executor


def test_who_speaks_too_early_is_heard_after_the_opening() -> None:
    connection, _, executor = held()
    connection.handle_messages(["early"])
    executor.run()
    assert handler_of(connection).calls == []
    connection.handle_open()
    connection.handle_messages(["late"])
    executor.run()
    assert handler_of(connection).calls == [("opened",), ("received", "early"), ("received", "late")]


def test_who_is_gone_before_the_opening_has_said_nothing() -> None:
    connection, _, executor = held()
    connection.handle_messages(["early"])
    connection.handle_close(1001, "gone")
    connection.handle_open()
    executor.run()
    assert handler_of(connection).calls == [("closed", 1001, "gone")]


def test_a_peer_that_says_too_much_before_the_opening_is_not_read_for_a_while() -> None:
    connection, wire, executor = held()
    connection.handler.inbox_limit = 2
    connection.handle_messages(["a", "b", "c"])
    executor.run()
    assert wire.told == ["pause"]
    connection.handle_open()
    executor.run()
    assert wire.told == ["pause", "resume"]
    assert len(handler_of(connection).calls) == 4


class Informed(Connection):
    """Keeps its server messages."""

    def server_message(self, message: Any) -> None:
        if message == "bad":
            raise LookupError("lost")
        self.data.setdefault("heard", []).append(message)


def test_a_server_message_reaches_the_classs_hook() -> None:
    connection = Informed(RecordingHandler())
    connection.attach(Wire())
    assert connection.handle_server_message('{"a": [1, null]}')
    assert connection.handle_server_message('"text"')
    assert connection.data["heard"] == [{"a": [1, None]}, "text"]


def test_server_messages_wait_their_turn() -> None:
    executor = LateExecutor()
    connection = Informed(RecordingHandler(executor))
    connection.attach(Wire())
    connection.handle_messages(["a"])
    connection.handle_server_message("1")
    assert handler_of(connection).calls == []
    executor.run()
    assert (handler_of(connection).calls, connection.data) == ([("received", "a")], {"heard": [1]})


def test_after_the_end_no_server_message_comes() -> None:
    executor = LateExecutor()
    connection = Informed(RecordingHandler(executor))
    connection.attach(Wire())
    connection.handle_server_message("1")
    connection.close()
    assert connection.handle_server_message("2") is False
    executor.run()
    assert connection.data == {}


def test_so_many_server_messages_wait_and_one_more_ends_it() -> None:
    executor = LateExecutor()
    connection, wire = attached(RecordingHandler(executor, server_messages_limit=3))
    connection.handle_messages(["busy"])
    assert [connection.handle_server_message("1") for _ in range(5)] == [True, True, True, False, False]
    assert wire.sent == [b"disconnect too_slow True"]
    assert handler_of(connection).counts["overrun"] == 1


def test_an_error_of_the_hook_goes_to_the_classs_rescuers_or_is_the_works() -> None:
    class Rescuing(Informed):
        @rescue_from(LookupError)
        def rescued(self, error: LookupError) -> None:
            self.data["error"] = str(error)

    rescuing, failing = Rescuing(RecordingHandler()), Informed(RecordingHandler())
    for connection in (rescuing, failing):
        connection.handle_server_message('"bad"')
    assert rescuing.data == {"error": "lost"}
    assert handler_of(rescuing).errors == []
    assert [type(error) for error in handler_of(failing).errors] == [LookupError]


def test_who_heeds_no_server_messages_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    connection, _ = attached(id=7)
    for _ in range(3):
        connection.handle_server_message("1")
    assert handler_of(connection).counts == {"unheard": 3}
    assert [record.getMessage() for record in caplog.records] == [
        "connection 7: nobody heeds its server messages: define server_message(self, message)"
    ]


def test_a_ping_and_a_broken_rule_are_the_handlers_to_judge() -> None:
    class Judging(RecordingHandler):
        def pinged(self, connection: Connection) -> None:
            self.calls.append(("pinged",))

        def violated(self, connection: Connection, code: int, reason: str) -> None:
            self.calls.append(("violated", code, reason))

    connection, _ = attached(Judging())
    connection.handle_ping()
    connection.handle_violation(1009, "too big")
    connection.handle_violation(1002, "again")
    assert handler_of(connection).calls == [
        *(("pinged",), ("violated", 1009, "too big"), ("closed", 1009, "too big")),
    ]


def test_it_is_known_who_ended_it() -> None:
    ours, theirs, broken = attached()[0], attached()[0], attached()[0]
    assert not ours.deaf
    ours.close()
    theirs.handle_close(1000, "")
    broken.handle_ping()
    broken.handle_violation(1009, "")
    assert [connection.deaf for connection in (ours, theirs, broken)] == [True, False, False]


def test_a_connection_says_whether_its_peer_is_read() -> None:
    executor = LateExecutor()
    connection = Connection(RecordingHandler(executor, inbox_limit=2), 1)
    connection.attach(Wire())
    connection.handle_messages(["1", "2", "3"])
    assert connection.is_paused
    executor.run()
    assert not connection.is_paused


def test_a_frame_of_any_kind_goes_out_as_it_is() -> None:
    connection, wire = Connection(RecordingHandler(), 1), Wire()
    connection.attach(wire)
    connection.send(Burst((Frame(b"one"), Frame(b"two"))))
    assert wire.sent == [b"one"]
