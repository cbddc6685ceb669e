"""Where a page finds the cable."""

import pytest
from flask import Flask, render_template_string
from markupsafe import Markup

from flask_cable import Cable
from flask_cable.templating import cable_meta_tag, cable_url


@pytest.fixture
def app() -> Flask:
    app = Flask("shop")
    Cable(app)
    return app


def test_the_url_is_the_mount_path(app: Flask) -> None:
    with app.test_request_context("/page"):
        assert cable_url() == "/cable"
    app.config["CABLE_MOUNT_PATH"] = "/live/cable"
    with app.test_request_context("/page"):
        assert cable_url() == "/live/cable"


def test_it_is_below_the_applications_root(app: Flask) -> None:
    with app.test_request_context("/page", base_url="http://shop.test/app/"):
        assert cable_url() == "/app/cable"


def test_without_a_request_there_is_no_root(app: Flask) -> None:
    with app.app_context():
        assert cable_url() == "/cable"


def test_the_meta_tag_is_the_stock_clients(app: Flask) -> None:
    with app.test_request_context():
        assert cable_meta_tag() == '<meta name="action-cable-url" content="/cable">'


def test_a_path_is_escaped_and_the_tag_is_not(app: Flask) -> None:
    app.config["CABLE_MOUNT_PATH"] = '/"><script>'
    with app.test_request_context():
        assert isinstance(cable_meta_tag(), Markup)
        assert cable_meta_tag() == '<meta name="action-cable-url" content="/&#34;&gt;&lt;script&gt;">'


def test_templates_have_both(app: Flask) -> None:
    with app.test_request_context():
        assert render_template_string("{{ cable_url() }} {{ cable_meta_tag() }}") == (
            '/cable <meta name="action-cable-url" content="/cable">'
        )


def test_macros_have_them_too(app: Flask) -> None:
    with app.test_request_context():
        macro = app.jinja_env.from_string("{% macro m() %}{{ cable_url() }}{% endmacro %}").module
        assert macro.m() == "/cable"  # type: ignore[attr-defined]
