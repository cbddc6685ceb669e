"""What is kept for one connection: its end's first reason, and a packet whose attachments are to come."""

import pytest

from flask_cable.endpoints.socketio.peer import Peer
from flask_cable.errors import MalformedMessage
from flask_cable.protocols.socketio import EVENT, Packet, SocketIO

IO = SocketIO()
WAITING = '52-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'


def test_every_peer_has_a_name_that_nobody_guesses() -> None:
    names = {Peer().sid for _ in range(100)}
    assert len(names) == 100
    assert {len(name) for name in names} == {20}


def test_the_first_reason_holds() -> None:
    peer = Peer()
    assert peer.ending == ""
    peer.ending = "first"
    peer.ending = "second"
    assert peer.ending == "first"


def test_a_packet_is_whole_at_once() -> None:
    peer = Peer()
    assert peer.read('2["a"]', IO, 10) == Packet(EVENT, "/", ["a"])
    assert peer.assembly is None


def test_a_packet_waits_for_its_attachments() -> None:
    peer = Peer()
    for _ in range(2):
        assert peer.read(WAITING, IO, 10) is None
        assert peer.read(b"x", IO, 10) is None
        packet = peer.read(b"y", IO, 10)
        assert packet is not None
        assert packet.data == ["a", b"x", b"y"]
        assert peer.assembly is None


def test_attachments_of_nothing_are_malformed() -> None:
    with pytest.raises(MalformedMessage, match="of nothing"):
        Peer().read(b"x", IO, 10)


def test_attachments_come_before_anything_else() -> None:
    peer = Peer()
    peer.read(WAITING, IO, 10)
    with pytest.raises(MalformedMessage, match="before the attachments"):
        peer.read('2["b"]', IO, 10)


def test_attachments_have_a_limit() -> None:
    peer = Peer()
    peer.read(WAITING, IO, 10)
    with pytest.raises(MalformedMessage, match="larger together"):
        peer.read(bytes(11), IO, 10)
