"""The opening handshake: what is refused with which status, and the 101 (RFC 6455 1.3, 4.2)."""

from typing import Any

from flask_cable.protocols import opening

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def environ(**changes: Any) -> dict[str, Any]:
    """Return a good handshake; a change to None removes a header."""
    good = {"REQUEST_METHOD": "GET", "HTTP_SEC_WEBSOCKET_VERSION": "13", "HTTP_SEC_WEBSOCKET_KEY": KEY}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def status(**changes: Any) -> int | None:
    found = opening.refusal(environ(**changes))
    return None if found is None else found.status


def test_a_good_handshake_is_not_refused() -> None:
    assert status() is None
    assert status(HTTP_SEC_WEBSOCKET_KEY=f" {KEY} ") is None


def test_a_handshake_is_a_get() -> None:
    for method in ("POST", "HEAD", "get", None):
        assert status(REQUEST_METHOD=method) == 400, method


def test_another_version_is_told_ours() -> None:
    for version in ("8", "0", "14", "", "13, 8", None):
        assert status(HTTP_SEC_WEBSOCKET_VERSION=version) == 426, version
    found = opening.refusal(environ(HTTP_SEC_WEBSOCKET_VERSION="8"))
    assert found is not None
    assert "version 13" in found.text


def test_a_key_is_sixteen_bytes_in_base64() -> None:
    for key in (
        *(None, "", "x", KEY[:-2], f"{KEY}x", "dGhlIHNhbXBsZSBub25jZV8="),
        *("dGhlIHNhbXBsZSBub25j", "d h l", "\u00e9" * 24, "!" * 24),
    ):
        assert status(HTTP_SEC_WEBSOCKET_KEY=key) == 400, key


def test_subprotocols_are_offered_in_order() -> None:
    for header, names in (
        (None, ()),
        ("", ()),
        (" , ,", ()),
        ("actioncable-v1-json", ("actioncable-v1-json",)),
        ("a, b,c ,\td", ("a", "b", "c", "d")),
    ):
        assert opening.offered(environ(HTTP_SEC_WEBSOCKET_PROTOCOL=header)) == names


def test_the_rfcs_own_accept() -> None:
    assert opening.accept(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert opening.accept(f" {KEY} ") == opening.accept(KEY)


def test_the_headers_name_a_subprotocol_only_when_there_is_one() -> None:
    plain = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ]
    assert opening.headers(KEY, None) == plain
    assert opening.headers(KEY, "v1") == [*plain, ("Sec-WebSocket-Protocol", "v1")]


def test_the_head_as_it_goes_on_the_wire() -> None:
    assert opening.head([("Upgrade", "websocket"), ("X-Name", "caf\u00e9")]) == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX-Name: caf\xe9\r\n\r\n"
    )
