"""Which pages may open a socket: the application's own, those that are named, and who is told why not."""

import re
from typing import Any

from flask import Flask, Request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import EnvironBuilder

from flask_cable.origin import refused_origin


def request(origin: str | None, base_url: str = "http://shop.test", **headers: str) -> Request:
    builder = EnvironBuilder(base_url=base_url, headers=headers)
    if origin is not None:
        builder.headers["Origin"] = origin
    return Request(builder.get_environ())


def allows(origin: str | None, allowed: Any = (), base_url: str = "http://shop.test") -> bool:
    return refused_origin(request(origin, base_url), allowed) is None


def test_the_applications_own_pages_may() -> None:
    for base_url, origin in (
        ("http://shop.test", "http://shop.test"),
        ("http://shop.test", "http://shop.test:80"),
        ("http://shop.test:80", "http://shop.test"),
        ("http://shop.test", "HTTP://SHOP.TEST"),
        ("https://shop.test", "https://shop.test"),
        ("https://shop.test", "https://shop.test:443"),
        ("http://shop.test:8000", "http://shop.test:8000"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://[::1]:5000", "http://[::1]:5000"),
    ):
        assert allows(origin, base_url=base_url), (base_url, origin)


def test_other_pages_may_not() -> None:
    for origin in (
        *(
            "http://evil.test",
            "https://shop.test",
            "http://shop.test:8000",
            "http://www.shop.test",
            "null",
            "",
        ),
        *("http://shop.test.evil.test", "http://evil.test/http://shop.test", "shop.test", "//shop.test"),
        *(
            "http://shop.test@evil.test",
            "file://",
            "http://",
            "http://shop.test:port",
            "http://[::1",
            "http:// ",
        ),
    ):
        assert not allows(origin), origin


def test_a_page_of_another_port_or_scheme_is_another() -> None:
    assert not allows("http://shop.test", base_url="http://shop.test:8000")
    assert not allows("http://shop.test", base_url="https://shop.test")


def test_named_origins_may() -> None:
    allowed = ["https://app.test", "http://localhost:3000"]
    for origin in ("https://app.test", "https://app.test:443", "HTTPS://APP.TEST", "http://localhost:3000"):
        assert allows(origin, allowed), origin
    for origin in (
        "http://app.test",
        "https://app.test.evil.test",
        "http://localhost:3001",
        "https://x.app.test",
    ):
        assert not allows(origin, allowed), origin


def test_they_may_be_named_in_any_collection_or_alone() -> None:
    for allowed in ("https://app.test", ["https://app.test"], ("https://app.test",), {"https://app.test"}):
        assert allows("https://app.test", allowed)
        assert not allows("https://other.test", allowed)
    assert allows("https://app.test", frozenset(["https://app.test"]))


def test_a_pattern_is_matched_whole() -> None:
    pattern = re.compile(r"https://\w+\.app\.test")
    assert allows("https://a.app.test", pattern)
    assert allows("https://a.app.test", ["http://x.test", pattern])
    for origin in (
        "https://a.app.test.evil.test",
        "https://app.test",
        "http://a.app.test",
        "xhttps://a.app.test",
    ):
        assert not allows(origin, pattern), origin


def test_a_star_is_everybody_with_an_origin() -> None:
    for allowed in ("*", ["*"], ["https://app.test", "*"]):
        assert allows("https://anywhere.test", allowed)
        assert allows("null", allowed)


def test_without_an_origin_nobody_may() -> None:
    for allowed in ((), "*", re.compile(".*"), ["https://app.test"]):
        assert not allows(None, allowed)


def test_the_reason_names_the_header_and_the_remedy() -> None:
    reason = refused_origin(request(None), ())
    assert reason is not None
    for part in ("no Origin header", "CABLE_CHECK_ORIGIN = False"):
        assert part in reason
    reason = refused_origin(request("https://evil.test"), ())
    assert reason is not None
    for part in (
        "Origin 'https://evil.test'",
        "http://shop.test",
        "Host header",
        "CABLE_ALLOWED_ORIGINS = ['https://evil.test']",
        "ProxyFix",
    ):
        assert part in reason


def test_a_reason_stays_on_its_line() -> None:
    reason = refused_origin(request("http://evil.test\t x"), ())
    assert reason is not None
    assert "\t" not in reason


def test_forwarded_headers_count_only_through_proxyfix() -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "public.test"}
    seen = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(refused_origin(Request(environ), ()) is None)
        return []

    environ = request("https://public.test", "http://10.0.0.1:8000", **forwarded).environ
    app(dict(environ), None)
    ProxyFix(app, x_proto=1, x_host=1)(dict(environ), lambda *args: None)
    assert seen == [False, True]


def test_flasks_request_will_do() -> None:
    app = Flask("shop")
    with app.test_request_context(base_url="https://shop.test", headers={"Origin": "https://shop.test"}):
        from flask import request as current

        assert refused_origin(current, ()) is None
