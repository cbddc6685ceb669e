"""What a page bears of its socket, and what no cache keeps."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest
from flask import Response

from flask_cable.marking import keep_out_of_caches, mark

ID = "ab" * 32
MARK = f' data-socket-connection-id="{ID}"'


def marked(html: str | bytes, **options: object) -> str:
    response = Response(html, **{"mimetype": "text/html", **options})  # type: ignore[arg-type]
    mark(response, ID)
    assert response.content_length == len(response.data)
    return response.get_data(as_text=True)


@pytest.mark.parametrize(
    ("html", "place"),
    [
        ("<body>", 5),
        ("<!doctype html><html><head></head><body class=x>hi</body></html>", 39),
        ("<BODY\n>", 5),
        ("<body/>", 5),
        ("<title>How <body> works</title><body>", 36),
        ("<!-- <body> --><body>", 20),
        ("<!-- a > b <body> -->\n<body>", 27),
        ("<script>let a = '<body>'</script><body>", 38),
        ("<SCRIPT src='a>b'>'<body>'</SCRIPT ><body>", 41),
        ("<style>/* <body> */</style><body>", 32),
        ("<template><body></template><body>", 32),
        ("""<meta content="<body>"><html lang='>'><body title=">">""", 43),
        ("<bodyguard></bodyguard><body>", 28),
        ("<p>漢字</p><body>", 18),
        ("<body><body>", 5),
        ("<!--><body>", 10),
        ("<!---><body>", 11),
        ("<!-- a --!><body>", 16),
        ("<script>'<body>'</script x='1'><body>", 36),
        ("<title-bar></title-bar><script-x/><template-y></template-y><body>", 64),
    ],
)
def test_the_body_tag_is_found_where_it_is(html: str, place: int) -> None:
    encoded = html.encode()
    expected = encoded[:place] + MARK.encode() + encoded[place:]
    assert marked(html) == expected.decode()


@pytest.mark.parametrize(
    "html",
    [
        "",
        "<p>a part of a page</p>",
        "a < b",
        "<body",
        "<bodyx>",
        "<!-- <body> -->",
        "<script>'<body>'</script>",
        "<script>'</scripts><body>'",
        "<title>x<body>",
        "<!-- x<body>",
        "<p title='<body>",
    ],
)
def test_without_one_nothing_changes(html: str) -> None:
    assert marked(html) == html


def test_a_page_that_bears_it_already_keeps_what_it_has() -> None:
    html = '<body data-socket-connection-id="mine">'
    assert marked(html) == html


@pytest.mark.parametrize(
    "opened", ["<a ", "<a title='", '<a title="', "<!--", "<script", "<script>", "<", "<body "]
)
def test_much_that_is_never_closed_takes_no_time(opened: str) -> None:
    """Were the time quadratic, this would be an hour."""
    assert len(marked(opened * 100_000)) - len(opened * 100_000) in (0, len(MARK))


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "image/svg+xml"])
def test_what_is_no_page_stays_as_it_is(kind: str) -> None:
    assert marked("<body>", mimetype=kind) == "<body>"


def test_xhtml_is_a_page() -> None:
    assert MARK in marked("<body>", mimetype="application/xhtml+xml")


def test_what_is_streamed_stays_as_it_is() -> None:
    def stream() -> Iterator[str]:
        yield "<body>"

    response = Response(stream(), mimetype="text/html")
    mark(response, ID)
    assert response.is_streamed
    assert response.get_data(as_text=True) == "<body>"


def test_a_file_stays_as_it_is() -> None:
    response = Response([b"<body>"], mimetype="text/html", direct_passthrough=True)
    mark(response, ID)
    response.direct_passthrough = False
    assert response.data == b"<body>"


def test_what_is_compressed_or_of_two_byte_letters_stays_as_it_is() -> None:
    packed = gzip.compress(b"<body>") + b"<body>"  # as any bytes may be in it
    response = Response(packed, mimetype="text/html", headers={"Content-Encoding": "gzip"})
    mark(response, ID)
    wide = Response("<body>".encode("utf-16"), content_type="text/html; charset=utf-16")
    mark(wide, ID)
    assert (response.data, wide.data) == (packed, "<body>".encode("utf-16"))


def test_no_cache_keeps_it() -> None:
    response = Response("x")
    response.cache_control.public = True
    response.cache_control.max_age = 3600
    response.cache_control.s_maxage = 3600
    response.add_etag()
    response.last_modified = 0
    keep_out_of_caches(response)
    assert sorted(response.headers["Cache-Control"].split(", ")) == ["no-store", "private"]
    assert not {"ETag", "Last-Modified"} & {*response.headers.keys()}  # nor asks whether it has changed
