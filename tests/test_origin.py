"""Which pages may open a socket: the application's own, those that are named, and who is told why not."""

import re
from typing import Any

from flask import Flask, Request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import EnvironBuilder

from flask_cable.origin import cors_headers, refused_origin


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


# Requests that need not say where they come from.


def test_a_request_without_an_origin_may_come_from_the_own_page() -> None:
    for headers in ({}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert refused_origin(request(None, **headers), (), needed=False) is None
    for site in ("cross-site", "same-site"):
        reason = refused_origin(request(None, **{"Sec-Fetch-Site": site}), "*", needed=False)
        assert site in str(reason)


def test_an_origin_that_is_said_is_checked_all_the_same() -> None:
    assert refused_origin(request("http://evil.test"), (), needed=False) is not None
    assert refused_origin(request("http://shop.test"), (), needed=False) is None


# What other pages may read.


def cors(
    origin: str | None, allowed: Any = (), checked: bool = True, method: str = "GET", **headers: str
) -> Any:
    asked = request(origin, **headers)
    asked.method = method
    return dict(cors_headers(asked, allowed, checked))


def test_a_page_that_is_named_may_read_with_cookies() -> None:
    for allowed in (
        "http://page.test",
        ["http://page.test"],
        [re.compile(r"http://\w+\.test")],
        ["*", "http://page.test"],
    ):
        assert cors("http://page.test", allowed) == {
            "Access-Control-Allow-Origin": "http://page.test",
            "Access-Control-Allow-Credentials": "true",
            "Vary": "Origin",
        }


def test_anybody_may_read_without_cookies() -> None:
    expected = {"Access-Control-Allow-Origin": "*", "Vary": "Origin"}
    assert cors("http://page.test", "*") == expected
    assert cors("http://page.test", ["*"]) == expected
    assert cors("http://page.test", (), checked=False) == expected


def test_nobody_else_may_read() -> None:
    for origin in (None, "http://page.test", "null", "http://shop.test"):
        assert cors(origin, "http://other.test") == {"Vary": "Origin"}


def test_a_preflight_is_answered() -> None:
    found = cors("http://page.test", "*", method="OPTIONS")
    assert found["Access-Control-Allow-Methods"] == "GET, POST"
    assert found["Access-Control-Allow-Headers"] == "Content-Type"
    asked = {"Access-Control-Request-Headers": "X-Token, Content-Type"}
    assert cors("http://page.test", "*", method="OPTIONS", **asked)["Access-Control-Allow-Headers"] == (
        "X-Token, Content-Type"
    )
    assert "Access-Control-Allow-Methods" not in cors("http://evil.test", (), method="OPTIONS")
