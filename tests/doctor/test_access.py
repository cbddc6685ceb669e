"""Who may come, and from where: origins, proxies, the key of sessions."""

from __future__ import annotations

import re
from typing import Any

from doctor.conftest import application, found
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_cable import Cable
from flask_cable.doctor.access import check_nginx, check_origin, check_proxy, check_secret_key


def test_origins_are_told() -> None:
    pattern = re.compile(r"https://.*\.test")
    for config, expected in (
        ({}, "ok: the application's own"),
        ({"CABLE_ALLOWED_ORIGINS": "https://a.test"}, "ok: the application's own, and https://a.test"),
        (
            {"CABLE_ALLOWED_ORIGINS": ["https://a.test", pattern]},
            r"ok: the application's own, and https://a.test, https://.*\.test",
        ),
        ({"CABLE_CHECK_ORIGIN": False}, "warn: CABLE_CHECK_ORIGIN is off: any site's page may connect"),
        ({"CABLE_ALLOWED_ORIGINS": "*"}, "warn: CABLE_ALLOWED_ORIGINS has '*': any site's page may connect"),
        ({"CABLE_ALLOWED_ORIGINS": ["https://a.test", "*"]}, "warn: CABLE_ALLOWED_ORIGINS has '*'"),
    ):
        assert found(check_origin, config=config).startswith(expected)


def test_proxyfix_is_found_wherever_it_is() -> None:
    app = application()
    assert found(check_proxy, app).startswith("info: no ProxyFix: right without a proxy")
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    assert found(check_proxy, app).startswith("ok: ProxyFix takes x_for=1, x_proto=1, x_host=1; the proxy")

    class Middleware:
        def __init__(self, application: Any) -> None:
            self.application = application

    app.wsgi_app = Middleware(app.wsgi_app)  # type: ignore[assignment]
    assert found(check_proxy, app).startswith("ok: ProxyFix takes")


def test_proxyfix_that_was_there_before_the_cable_is_found() -> None:
    app = Flask("shop")
    app.wsgi_app = ProxyFix(app.wsgi_app, x_host=0)  # type: ignore[method-assign]
    Cable(app)
    assert found(check_proxy, app) == (
        "ok: ProxyFix takes x_for=1, x_proto=1, x_host=0; the proxy has to pass Host on"
    )


def test_proxyfix_without_the_scheme_gets_browsers_refused() -> None:
    app = application()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=0)  # type: ignore[method-assign]
    assert found(check_proxy, app).startswith("warn: ProxyFix takes x_for=1, x_proto=0, x_host=0: https is")


def test_middleware_that_leads_in_circles_ends_somewhere() -> None:
    class Circle:
        def __init__(self) -> None:
            self.app = self

    app = application()
    app.wsgi_app = Circle()  # type: ignore[assignment]
    assert found(check_proxy, app).startswith("info: no ProxyFix")


def test_nginx_is_told_what_to_pass_on() -> None:
    said = found(check_nginx, config={"CABLE_MOUNT_PATH": "/live"})
    assert said.startswith("info: /live needs its Upgrade headers passed on -> location /live { proxy_pass")
    for line in (
        "proxy_http_version 1.1;",
        "Upgrade $http_upgrade;",
        'Connection "upgrade";',
        "Host $http_host;",
    ):
        assert line in said
    assert said.count("{") == said.count("}") == 1


def test_a_secret_key_is_needed_for_identity() -> None:
    assert found(check_secret_key) == "ok: set"
    assert found(check_secret_key, config={"SECRET_KEY": None}).startswith("warn: not set: connect() finds")
