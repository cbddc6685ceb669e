"""What stands in for a transport until there is one: it keeps what is sent, and reads nothing."""

from flask_cable.core.carrier import Unattached
from flask_cable.protocols.frames import Frame


def test_what_is_sent_is_kept_with_the_close_after_it() -> None:
    carrier, frames = Unattached(), [Frame(b"1"), Frame(b"2")]
    assert all(carrier.send(frame) for frame in frames)
    carrier.close(4000, "not today")
    assert (carrier.frames, carrier.closing, carrier.backlog) == (frames, (4000, "not today"), 0)


def test_before_there_is_a_transport_nothing_is_read() -> None:
    carrier = Unattached()
    carrier.pause()
    carrier.resume()
    carrier.probe(3)
    assert (carrier.frames, carrier.closing) == ([], None)
