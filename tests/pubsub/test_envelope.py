"""Envelopes: what is wrapped comes out as it was, and nothing else comes out at all."""

import pytest

from flask_cable.pubsub.envelope import Envelope

PLAIN, SIGNED, OTHER = Envelope(), Envelope(["secret"]), Envelope([b"another"])
TEXTS = ("", "text", "a:b", "c1:", "\u00e9\U0001f600", "\n", "x" * 100_000)


@pytest.mark.parametrize("envelope", [PLAIN, SIGNED])
def test_what_is_wrapped_comes_out_as_it_was(envelope: Envelope) -> None:
    for text in TEXTS:
        for name in ("news", "\u4e2d\u6587", "a:b"):
            assert envelope.unwrap(name, envelope.wrap(name, text)) == text


@pytest.mark.parametrize("envelope", [PLAIN, SIGNED])
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"text",
        b"c1",
        b"c2:text",
        b"c1x:text",
        b'{"a":1}',
        b"c1:\xff",
        b"c1" + b"0" * 63 + b":text",
        b"\x80\x04K\x01.",
    ],
)
def test_what_is_foreign_or_malformed_does_not_come_out(envelope: Envelope, payload: bytes) -> None:
    assert envelope.unwrap("news", payload) is None


def test_with_a_secret_only_what_is_signed_with_it_comes_out() -> None:
    good = SIGNED.wrap("news", "text")
    assert SIGNED.unwrap("news", PLAIN.wrap("news", "text")) is None
    assert SIGNED.unwrap("news", OTHER.wrap("news", "text")) is None
    assert SIGNED.unwrap("other", good) is None
    assert SIGNED.unwrap("news", good[:-1] + b"T") is None
    assert SIGNED.unwrap("news", good.replace(b"c1", b"c1", 1)) == "text"


def test_where_a_name_ends_is_signed_too() -> None:
    assert SIGNED.unwrap("new", b"%b:stext" % SIGNED.wrap("news", "text").partition(b":")[0]) is None


def test_a_secret_is_replaced_step_by_step() -> None:
    old, both, new = Envelope(["old"]), Envelope(["new", "old"]), Envelope(["new"])
    assert both.unwrap("news", old.wrap("news", "text")) == "text"
    assert both.unwrap("news", new.wrap("news", "text")) == "text"
    assert new.unwrap("news", both.wrap("news", "text")) == "text"
    assert old.unwrap("news", both.wrap("news", "text")) is None


def test_without_a_secret_what_others_sign_comes_out_so_that_signing_can_be_introduced() -> None:
    assert PLAIN.unwrap("news", SIGNED.wrap("news", "text")) == "text"


def test_what_has_no_utf8_is_refused_to_who_publishes_it() -> None:
    for name, text in (("news", "\ud800"), ("\ud800", "text")):
        with pytest.raises(UnicodeEncodeError):
            SIGNED.wrap(name, text)
