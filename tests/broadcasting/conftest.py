"""An application whose cable's broadcasts are seen, inside of its context."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from jinja2 import DictLoader

from flask_cable import Cable
from flask_cable.testing import CableClient

TEMPLATES = {
    "_blog_post.html": '<li id="{{ dom_id(blog_post) }}">{{ blog_post.title }}</li>',
    "_note.html": '<p id="{{ dom_id(note) }}">{{ note.text }}{{ session.user }}</p>',
    "other.html": "<b>{{ word }}</b>",
}


@pytest.fixture
def app() -> Flask:
    app = Flask("blog")
    app.secret_key = "secret"
    app.jinja_env.loader = DictLoader(TEMPLATES)
    Cable(app)
    return app


@pytest.fixture
def client(app: Flask) -> Iterator[CableClient]:
    with CableClient(app) as client, app.app_context():
        yield client
