"""From polling to a WebSocket: probed, taken over, nothing lost or out of order; or given up, and no harm."""

from __future__ import annotations

from transports.test_polling import Line

from flask_cable.protocols.frames import Frame
from flask_cable.transports.loopback import LoopbackTransport
from flask_cable.transports.upgrading import Upgrading


class Change(Line):
    """A line with a WebSocket that wants to take over."""

    def __init__(self) -> None:
        super().__init__()
        self.upgrading = Upgrading(self.connection, self.transport, self.executor, 10)
        self.websocket = LoopbackTransport(self.upgrading)  # type: ignore[arg-type]

    def attach(self) -> Change:
        self.upgrading.attach(self.websocket)
        return self


def test_a_probe_is_answered_and_the_change_made() -> None:
    change = Change().attach()
    poll = change.get()
    change.websocket.say("2probe")
    assert (change.websocket.sent, poll.wait()) == (["3probe"], b"6")
    change.connection.send(Frame(b"4waits"))
    change.websocket.say("5")
    change.connection.send(Frame(b"4after"))
    change.websocket.say("4hello")
    assert change.websocket.sent == ["3probe", "4waits", "4after"]
    assert change.received == ["4hello"]
    assert change.websocket.connection is change.connection
    change.websocket.hang_up(1001)
    assert change.closes == [(1001, "")]


def test_what_comes_with_the_change_is_the_connections() -> None:
    change = Change().attach()
    change.transport.receive(b"4before")
    change.websocket.say("2probe")
    change.websocket.say("5", "4one", b"\x01", "4two")
    assert change.received == ["4before", "4one", b"\x01", "4two"]


def test_a_probe_and_the_change_may_come_together() -> None:
    change = Change().attach()
    change.websocket.say("2probe", "5", "4hello")
    assert (change.websocket.sent, change.received) == (["3probe"], ["4hello"])


def test_a_peer_may_be_faster_than_we_are() -> None:
    change = Change()
    change.websocket.say("2probe")
    change.websocket.say("5", "4hello")
    assert change.received == []
    change.attach()
    assert (change.websocket.sent, change.received) == (["3probe"], ["4hello"])


def test_anything_else_is_no_upgrade() -> None:
    for messages in (("4hello",), ("5",), ("3probe",), ("2",), (b"2probe",), ("2probe", "2probe"), ("",)):
        change = Change().attach()
        change.websocket.say(*messages)
        assert change.websocket.closed_with == (1002, "not an upgrade"), messages
        assert not change.connection.closed
        assert not change.get().is_there()  # polling goes on


def test_a_second_websocket_is_closed() -> None:
    change = Change().attach()
    change.websocket.say("2probe")
    second = Upgrading(change.connection, change.transport, change.executor, 10)
    other = LoopbackTransport(second)  # type: ignore[arg-type]
    second.attach(other)
    other.say("2probe")
    assert other.closed_with == (1002, "another upgrade is under way")
    other.hang_up()
    change.websocket.say("5", "4hello")
    assert change.received == ["4hello"]


def test_an_upgrade_that_takes_too_long_is_given_up() -> None:
    for messages in ((), ("2probe",)):
        change = Change().attach()
        change.websocket.say(*messages)
        change.executor.advance(11)
        assert change.websocket.closed_with == (1000, "the upgrade took too long")
        assert not change.get().is_there()
        assert not change.connection.closed


def test_one_that_was_made_in_time_is_kept() -> None:
    change = Change().attach()
    change.websocket.say("2probe", "5")
    change.executor.advance(60)
    assert change.websocket.closed_with is None


def test_a_websocket_that_goes_away_is_no_loss() -> None:
    change = Change().attach()
    change.websocket.say("2probe")
    change.websocket.hang_up(1006)
    change.connection.send(Frame(b"4still here"))
    assert change.heard() == ["4still here"]
    assert not change.get().is_there()
    change.executor.advance(60)
    assert not change.connection.closed


def test_a_connection_that_ends_meanwhile_is_not_changed() -> None:
    change = Change().attach()
    change.websocket.say("2probe")
    change.connection.close(1000, "")
    change.websocket.say("5", "4late")
    assert change.websocket.closed_with == (1000, "the connection has ended")
    assert change.received == []


def test_one_that_breaks_the_rules_is_no_loss() -> None:
    change = Change().attach()
    change.websocket.say("2probe")
    change.upgrading.handle_ping()
    change.upgrading.handle_violation(1009, "too big")
    assert not change.get().is_there()
    assert change.transport.begin_upgrade()


def test_one_that_reads_nothing_is_given_up() -> None:
    change = Change().attach()
    change.websocket.say("2probe")
    change.upgrading.handle_too_slow()
    assert change.websocket.closed_with == (1013, "too slow")
    assert not change.get().is_there()


def test_it_is_the_connection_towards_a_transport() -> None:
    change = Change()
    assert change.upgrading.id == change.connection.id
    assert change.upgrading.handler is change.handler
