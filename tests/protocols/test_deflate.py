"""permessage-deflate: what is agreed on (RFC 7692 7.1), and that nothing is remembered between messages."""

from typing import Any

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.headers import parse_extension
from websockets.protocol import CLIENT, Protocol

from flask_cable.protocols import deflate
from flask_cable.protocols.frames import BINARY, TEXT, WORTH_DEFLATING, Frame


def agreed(offers: str) -> dict[str, Any] | None:
    answer = deflate.negotiate(offers)
    if answer is None:
        return None
    ((name, params),) = parse_extension(answer)
    assert name == "permessage-deflate"
    return dict(params)


BOTH = {"server_no_context_takeover": None, "client_no_context_takeover": None}


def test_what_browsers_offer_is_accepted_without_context_takeover() -> None:
    assert agreed("permessage-deflate; client_max_window_bits") == BOTH
    assert agreed("permessage-deflate") == BOTH
    assert agreed("x-webkit-deflate-frame, permessage-deflate") == BOTH


def test_a_peer_may_keep_its_own_window_small() -> None:
    found = agreed("permessage-deflate; client_max_window_bits=10")
    assert found is not None
    assert set(found) >= set(BOTH)


def test_an_offer_that_wants_a_small_window_of_ours_is_passed_over() -> None:
    small = "permessage-deflate; server_max_window_bits=10"
    assert agreed(small) is None
    assert agreed(f"{small}, permessage-deflate") == BOTH


def test_what_is_no_offer_is_no_agreement() -> None:
    for offers in (
        "",
        "permessage-bzip2",
        "permessage-deflate; unknown=1",
        "permessage-deflate; =",
        "\u00e9",
        ";;",
    ):
        assert agreed(offers) is None, offers


def peer() -> Protocol:
    """Return a peer that agreed on what a browser offers."""
    found = Protocol(CLIENT, max_size=None)
    params = parse_extension(str(deflate.negotiate("permessage-deflate")))[0][1]
    found.extensions = [ClientPerMessageDeflateFactory().process_response_params(params, [])]
    return found


def test_a_peer_reads_compressed_frames_and_plain_ones() -> None:
    there = peer()
    payloads = [b"x" * size for size in (0, 1, WORTH_DEFLATING - 1, WORTH_DEFLATING, 70_000)]
    for payload in (*payloads, bytes(range(256)) * 300, "\u4e2d".encode() * 5000):
        for opcode in (TEXT, BINARY):
            there.receive_data(Frame(payload, opcode).deflated())
            (event,) = there.events_received()
            assert bytes(event.data) == payload
            assert event.opcode == opcode
    assert there.parser_exc is None


def test_frames_may_be_read_in_any_order_and_left_out() -> None:
    frames = [Frame(b"message %d " % number * 50) for number in range(5)]
    there = peer()
    for number in (3, 1, 4, 4, 0):
        there.receive_data(frames[number].deflated())
        (event,) = there.events_received()
        assert bytes(event.data) == frames[number].payload


def test_the_parser_reads_what_a_peer_compressed() -> None:
    reader = Protocol(
        CLIENT, max_size=1000
    )  # a CLIENT's parser takes unmasked frames, which is all that differs
    reader.extensions = [deflate.inflater()]
    for payload in (b"x" * 900, b"y" * 900):
        reader.receive_data(Frame(payload).deflated())
        (event,) = reader.events_received()
        assert bytes(event.data) == payload


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    reader = Protocol(CLIENT, max_size=1000)
    reader.extensions = [deflate.inflater()]
    reader.receive_data(Frame(b"x" * 1_000_000).deflated())
    assert reader.events_received() == []
    assert reader.close_sent is not None
    assert reader.close_sent.code == 1009
