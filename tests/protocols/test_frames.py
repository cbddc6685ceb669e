"""A server's frame, byte for byte (RFC 6455 5.2), and against a parser that is not ours."""

from websockets.protocol import CLIENT, Protocol

from flask_cable.protocols.frames import (
    BINARY,
    KEEP_LATEST,
    PING,
    TEXT,
    WORTH_DEFLATING,
    Burst,
    Frame,
    Lane,
    header,
)


def test_a_header_is_as_short_as_can_be() -> None:
    for size, expected in (
        (0, "8100"),
        (1, "8101"),
        (125, "817d"),
        (126, "817e007e"),
        (127, "817e007f"),
        (65535, "817effff"),
        (65536, "817f0000000000010000"),
        (2**32, "817f0000000100000000"),
    ):
        assert header(TEXT, size).hex() == expected


def test_the_rfcs_own_examples() -> None:
    assert Frame(b"Hello").wire.hex() == "810548656c6c6f"
    assert Frame(bytes(256), BINARY).wire[:4].hex() == "827e0100"
    assert Frame(bytes(65536), BINARY).wire[:10].hex() == "827f0000000000010000"
    assert Frame(b"Hello", PING).wire.hex() == "890548656c6c6f"


def test_another_parser_reads_it() -> None:
    parser = Protocol(CLIENT, max_size=None)
    for size in (0, 1, 125, 126, 65535, 65536):
        for opcode in (TEXT, BINARY):
            frame = Frame(b"x" * size, opcode)
            parser.receive_data(frame.wire)
            (event,) = parser.events_received()
            assert (event.opcode, event.fin, bytes(event.data)) == (opcode, True, frame.payload)
    assert parser.parser_exc is None


def test_a_frame_is_text_unless_it_says_otherwise() -> None:
    assert Frame(b"x").opcode == TEXT
    assert Frame(b"x", BINARY).opcode == BINARY


def test_a_frame_is_compressed_once_and_only_when_it_pays() -> None:
    """What a peer reads of it: test_deflate.py."""
    large, small, control = Frame(b"x" * 1000), Frame(b"x" * (WORTH_DEFLATING - 1)), Frame(b"x" * 100, PING)
    assert len(large.deflated()) < 50
    assert large.deflated() is large.deflated()
    assert small.deflated() is small.wire
    assert control.deflated() is control.wire


def test_a_frame_may_have_a_lane() -> None:
    assert Frame(b"x").lane is None
    assert Frame(b"x", lane=Lane(KEEP_LATEST, "k")).lane == (KEEP_LATEST, "k")


def test_a_long_frame_is_shown_in_short() -> None:
    assert repr(Frame(b"ab")) == "<Frame 1 b'ab'>"
    assert len(repr(Frame(b"x" * 10_000))) < 100


# Frames in one piece.


def test_a_burst_is_its_frames_with_nothing_between() -> None:
    parts = (Frame(b"451-[]"), Frame(b"\x01\x02", BINARY), Frame(bytes(200), BINARY))
    burst = Burst(parts)
    assert burst.wire == b"".join(part.wire for part in parts)
    assert burst.deflated() == b"".join(part.deflated() for part in parts)
    assert burst.deflated() is burst.deflated()
    assert (burst.parts, burst.payload, burst.opcode) == (parts, b"451-[]", TEXT)


def test_a_frame_is_its_only_part() -> None:
    frame = Frame(b"x")
    assert frame.parts == (frame,)
