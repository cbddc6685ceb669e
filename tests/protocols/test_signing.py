"""Signed values, against what Rails and AnyCable make of the same secrets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from flask_cable.protocols.signing import MessageVerifier, derive_key

SECRET_KEY_BASE = "0123456789abcdef" * 8
KEY = (
    "7abcd5758752313f1d691ad878b93c5c7e9bf71bd853e9b10c3d2861233525e8"
    "98d0a04aae89abc8b5da1e1ccbd749cccb3a93a9900de3d53189b40191b5a460"
)
RAILS = {  # ActiveSupport::MessageVerifier, SHA256, JSON, under the key above
    "messages": "Im1lc3NhZ2VzIg==--37d167f3c32c475876ccef55b4b9672bec85810fe816a183157b41dfed95d334",
    "café ☃": "ImNhZsOpIOKYgyI=--9eea1ba4ab81e18fe00122c698fee692edf2fe042c80498fcd4f14cf2c0a8dbb",
}
ANYCABLE = "ImNoYXQ6MjAyMSI=--f9ee45dbccb1da04d8ceb99cc820207804370ba0d06b46fc3b8b373af1315628"  # key s3Krit


@pytest.fixture
def verifier() -> MessageVerifier:
    return MessageVerifier([derive_key(SECRET_KEY_BASE)])


def signed(key: bytes, payload: bytes) -> str:
    """Sign any bytes, JSON or not, as a holder of the key could."""
    encoded = base64.b64encode(payload)
    return f"{encoded.decode()}--{hmac.new(key, encoded, hashlib.sha256).hexdigest()}"


class TestKeys:
    def test_as_rails_derives_them(self) -> None:
        assert derive_key(SECRET_KEY_BASE).hex() == KEY
        assert derive_key(SECRET_KEY_BASE.encode()).hex() == KEY

    def test_each_salt_has_its_own(self) -> None:
        assert (
            derive_key("secret", "one") != derive_key("secret", "another") != derive_key("other", "another")
        )

    @pytest.mark.parametrize("keys", [[], [b""], [b"key", b""]])
    def test_an_empty_one_is_none(self, keys: list[bytes]) -> None:
        with pytest.raises(ValueError, match="not empty"):
            MessageVerifier(keys)


class TestSigning:
    @pytest.mark.parametrize(("name", "text"), RAILS.items())
    def test_as_rails_signs(self, verifier: MessageVerifier, name: str, text: str) -> None:
        assert verifier.sign(name) == text
        assert verifier.verified(text) == name

    def test_as_anycable_signs(self) -> None:
        verifier = MessageVerifier([b"s3Krit"])
        assert verifier.sign("chat:2021") == ANYCABLE
        assert verifier.verified(ANYCABLE) == "chat:2021"

    @pytest.mark.parametrize("value", ["", "a--b", '"', "\x00", "😀" * 500, 7, [1], {"a": None}, False])
    def test_a_value_comes_back(self, verifier: MessageVerifier, value: object) -> None:
        assert verifier.verified(verifier.sign(value)) == value

    def test_json_of_another_hand_is_read_too(self, verifier: MessageVerifier) -> None:
        escaped = json.dumps("café ☃ <b>").replace("<", "\\u003c").encode()
        assert verifier.verified(signed(bytes.fromhex(KEY), escaped)) == "café ☃ <b>"


class TestRotation:
    def test_the_first_key_signs_and_all_verify(self) -> None:
        old, new = MessageVerifier([b"old"]), MessageVerifier([b"new", b"old"])
        assert new.verified(old.sign("x")) == "x"
        assert new.sign("x") == MessageVerifier([b"new"]).sign("x")
        assert old.verified(new.sign("x")) is None


class TestForgery:
    @pytest.mark.parametrize(
        "forged",
        [
            "messages",
            "",
            "--",
            "Im1lc3NhZ2VzIg==",
            "Im1lc3NhZ2VzIg==--",
            "--37d167f3c32c475876ccef55b4b9672bec85810fe816a183157b41dfed95d334",
            RAILS["messages"][:-1],
            RAILS["messages"] + "0",
            RAILS["messages"].upper(),
            RAILS["messages"].replace("--", "-"),
            RAILS["messages"].replace("Im1l", "Im1m"),
            "Im1lc3NhZ2VzIg" + RAILS["messages"][16:],  # without padding
            " " + RAILS["messages"],
            RAILS["messages"] + "\n",
            RAILS["messages"].replace("=", "\uff1d"),
            RAILS["messages"][:-1] + "\u0664",  # a digit, of another script
            RAILS["messages"][:-1] + "\ud800",
            RAILS["café ☃"].split("--")[0] + "--" + RAILS["messages"].split("--")[1],
            None,
            7,
            True,
            ["Im1lc3NhZ2VzIg=="],
            {"signed": RAILS["messages"]},
            RAILS["messages"].encode(),
        ],
    )
    def test_nothing_comes_of_it(self, verifier: MessageVerifier, forged: object) -> None:
        assert verifier.verified(forged) is None

    def test_another_secrets_signature_is_none(self, verifier: MessageVerifier) -> None:
        assert verifier.verified(MessageVerifier([derive_key("another")]).sign("messages")) is None

    @pytest.mark.parametrize("payload", [b"", b"messages", b'{"a":', b"\xff", b"[" * 100_000, b"null"])
    def test_a_signature_over_no_json_is_none(self, verifier: MessageVerifier, payload: bytes) -> None:
        assert verifier.verified(signed(bytes.fromhex(KEY), payload)) is None

    def test_nor_over_no_base64(self, verifier: MessageVerifier) -> None:
        digest = hmac.new(bytes.fromhex(KEY), b"%%%%", hashlib.sha256).hexdigest()
        assert verifier.verified(f"%%%%--{digest}") is None

    def test_what_was_signed_for_a_purpose_serves_no_other(self, verifier: MessageVerifier) -> None:
        envelopes = (
            {"_rails": {"data": "messages", "pur": "login"}},
            {"_rails": {"message": "Im1lc3NhZ2VzIg==", "exp": "2030-01-01T00:00:00.000Z", "pur": None}},
        )
        for envelope in envelopes:
            assert verifier.verified(signed(bytes.fromhex(KEY), json.dumps(envelope).encode())) is None
