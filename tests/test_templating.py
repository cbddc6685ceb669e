"""Where a page finds the cable."""

import pytest
from flask import Flask, g, render_template, render_template_string, session
from jinja2 import DictLoader
from markupsafe import Markup

from flask_cable import Cable
from flask_cable.errors import NotReady
from flask_cable.templating import (
    cable_meta_tag,
    cable_script,
    cable_script_url,
    cable_stream_from,
    cable_url,
    render_broadcast,
    turbo_stream_from,
)


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


# The client.


def script_tag(url: str, proof: str = "") -> str:
    return f'<script type="module" src="{url}"{proof}></script>'


def test_the_scripts_address_is_below_the_cable_and_names_its_version(app: Flask) -> None:
    version = app.extensions["cable"].script.version
    assert len(version) == 16
    with app.test_request_context(base_url="http://shop.test/app/"):
        assert cable_script_url() == f"/app/cable/cable.js?v={version}"
        path = cable_script_url().removeprefix("/app")
    assert app.test_client().get(path).headers["Cache-Control"].endswith("immutable")


def test_a_page_loads_the_script_and_may_import_it(app: Flask) -> None:
    with app.test_request_context():
        url = cable_script_url()
        assert render_template_string("{{ cable_script() }}").splitlines() == [
            '<meta name="action-cable-url" content="/cable">',
            f'<script type="importmap">{{"imports": {{"flask-cable": "{url}"}}}}</script>',
            script_tag(url),
        ]
        assert render_template_string("{{ cable_script_url() }}") == url
        assert str(cable_script(import_map=False)).splitlines()[1:] == [script_tag(url)]


def test_a_nonce_is_on_both_scripts(app: Flask) -> None:
    with app.test_request_context():
        html = cable_script(nonce='r4nd"om')
        assert html.count('<script type="importmap" nonce="r4nd&#34;om">') == 1
        assert script_tag(cable_script_url(), ' nonce="r4nd&#34;om"') in html


def test_a_path_cannot_end_the_script(app: Flask) -> None:
    app.config["CABLE_MOUNT_PATH"] = "/</script><b>&'"
    with app.test_request_context():
        html = str(cable_script())
    assert html.count("</script>") == 2
    assert "<b>" not in html


# What a page hears.

SIGNED = "Im1lc3NhZ2VzIg==--37d167f3c32c475876ccef55b4b9672bec85810fe816a183157b41dfed95d334"


@pytest.fixture
def board() -> Flask:
    app = Flask("board")
    app.config.update(SECRET_KEY="0123456789abcdef" * 8)
    app.jinja_env.loader = DictLoader(TEMPLATES)
    Cable(app)
    app.add_url_rule("/notes/<int:number>", "note", lambda number: "")
    return app


class Board:
    id = 7


def test_a_page_names_the_stream_it_hears(board: Flask) -> None:
    with board.test_request_context():
        assert render_template_string("{{ turbo_stream_from('messages') }}") == (
            '<turbo-cable-stream-source channel="Turbo::StreamsChannel" '
            f'signed-stream-name="{SIGNED}"></turbo-cable-stream-source>'
        )


def test_it_hears_it_without_turbo_too(board: Flask) -> None:
    with board.test_request_context():
        assert render_template_string("{{ cable_stream_from('messages', data_room=1) }}") == (
            '<cable-stream-source channel="Turbo::StreamsChannel" '
            f'signed-stream-name="{SIGNED}" data-room="1"></cable-stream-source>'
        )
        with pytest.raises(ValueError, match="'on click' is no attribute"):
            cable_stream_from("messages", **{"on click": "x"})


def test_the_name_is_a_records_or_has_several_parts(board: Flask) -> None:
    with board.test_request_context():
        for parts, name in (((Board(),), "Board:7"), (("a", Board()), "a:Board:7"), ((["a", "b"],), "a:b")):
            signed = board.extensions["cable"].cable.signed_stream_name(name)
            assert f'signed-stream-name="{signed}"' in turbo_stream_from(*parts)
        for blank in ((), ("",), (None,)):
            with pytest.raises(ValueError, match=r"."):
                turbo_stream_from(*blank)


def test_it_may_have_another_channel_and_more_attributes(board: Flask) -> None:
    with board.test_request_context():
        html = turbo_stream_from(
            "messages", channel='"My', data_room='<1"', class_="live", hidden=True, lang=None, dir=False
        )
    assert html == (
        f'<turbo-cable-stream-source channel="&#34;My" signed-stream-name="{SIGNED}" '
        'data-room="&lt;1&#34;" class="live" hidden=""></turbo-cable-stream-source>'
    )
    with board.test_request_context(), pytest.raises(ValueError, match="'on click' is no attribute"):
        turbo_stream_from("messages", **{"on click": "x"})


def test_without_a_cable_it_is_said() -> None:
    with Flask("none").app_context():
        for call in (
            lambda: turbo_stream_from("messages"),
            lambda: cable_stream_from("messages"),
            lambda: render_broadcast("x.html"),
        ):
            with pytest.raises(NotReady, match=r"call cable\.init_app"):
                call()


# What everybody may see.

TEMPLATES = {
    "plain.html": "<p>{{ text }}</p>",
    "plain.j2": "<p>{{ text }}</p>",
    "personal.html": "{{ session.user }}{{ request.path }}{{ g.user }}{{ current_user }}|{{ dom_id('x') }}",
    "token.html": "{{ csrf_token() }}",
    "flashes.html": "{{ get_flashed_messages() }}",
    "links.html": "{{ url_for('note', number=7, q='a b', _anchor='x y') }} {{ url_for('note', number=8) }}",
    "external.html": "{{ url_for('note', number=7, _external=True) }}",
    "macro.html": "{% from 'lib.html' import who %}{{ who() }}",
    "lib.html": "{% macro who() %}[{{ session.user }}{{ g.user }}]{% endmacro %}",
    "helper.html": "{{ later(1) }} {{ 3 | half }}",
}


def test_text_is_escaped_whatever_the_file_is_called(board: Flask) -> None:
    with board.app_context():
        for name in ("plain.html", "plain.j2"):
            html = render_broadcast(name, text="<b>")
            assert isinstance(html, Markup)
            assert html == "<p>&lt;b&gt;</p>"


def test_nothing_of_who_causes_it_is_seen(board: Flask) -> None:
    board.context_processor(lambda: {"current_user": session.get("user")})
    with board.test_request_context("/secret"):
        session["user"] = g.user = "ann"
        assert render_template("personal.html") == "ann/secretannann|x"
        assert render_broadcast("personal.html") == "|x"
        assert render_broadcast("macro.html") == "[]"
        assert render_template("macro.html") == "[annann]"


def test_what_belongs_to_one_person_is_refused(board: Flask) -> None:
    board.jinja_env.globals["csrf_token"] = lambda: "ann's"
    with board.test_request_context():
        assert render_template("token.html") == "ann&#39;s"
        for name in ("token", "flashes"):
            with pytest.raises(RuntimeError, match=r"\(\) is one person's, and what is broadcast"):
                render_broadcast(f"{name}.html")


def test_globals_and_filters_that_come_later_are_there(board: Flask) -> None:
    with board.app_context():
        render_broadcast("plain.html")
    board.jinja_env.globals["later"] = lambda number: number + 1
    board.jinja_env.filters["half"] = lambda number: number / 2
    with board.app_context():
        assert render_broadcast("helper.html") == "2 1.5"


PATHS = "/notes/7?q=a+b#x%20y /notes/8"


def test_links_are_paths_in_a_request_and_without_one(board: Flask) -> None:
    with board.test_request_context("/any"):
        assert render_broadcast("links.html") == PATHS
    with board.app_context():
        assert render_broadcast("links.html") == PATHS
    board.config["APPLICATION_ROOT"] = "/app"
    with board.app_context():
        assert render_broadcast("links.html") == PATHS.replace("/notes", "/app/notes")
    with board.test_request_context("/any", base_url="http://localhost/app/"):
        assert render_broadcast("links.html").startswith("/app/notes")


def test_with_a_server_name_links_may_be_whole(board: Flask) -> None:
    with board.app_context(), pytest.raises(RuntimeError, match="SERVER_NAME"):
        render_broadcast("external.html")
    board.config["SERVER_NAME"] = "board.test"
    with board.app_context():
        assert render_broadcast("links.html") == PATHS
        assert render_broadcast("external.html") == "http://board.test/notes/7"


def test_url_defaults_hold(board: Flask) -> None:
    @board.url_defaults
    def add(endpoint: str, values: dict[str, object]) -> None:
        values.setdefault("lang", "en")

    with board.app_context():
        assert render_broadcast("links.html").startswith("/notes/7?q=a+b&amp;lang=en#")
