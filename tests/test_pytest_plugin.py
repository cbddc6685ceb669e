"""The fixtures, as a project that uses Flask-Cable gets them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]

CONFTEST = """
import pytest
from flask import Flask, session
from flask_cable import Cable, Channel, Connection

cable = Cable()

@cable.identify
def user():
    return session.get("user", "nobody")

@cable.channel
class RoomChannel(Channel):
    def subscribed(self):
        self.stream_from("room", callback=self.hear)

    def hear(self, message):
        raise LookupError(message)

the_app = Flask("project")
the_app.secret_key = "for tests only"
the_app.add_url_rule("/login", "login", lambda: session.update(user="ann") or "")
cable.init_app(the_app)

@pytest.fixture(scope="session")
def app():
    return the_app
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with Flask-Cable's plugin and no other."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest(CONFTEST)
    return pytester


def run(project, source):
    project.makepyfile(source)
    return project.runpytest("-p", "flask_cable.pytest_plugin", "-p", "no:cacheprovider")


def test_each_test_has_a_cable_of_its_own(project):
    source = """
        import pytest

        @pytest.mark.parametrize("number", range(3))
        def test(cable_client, number):
            connection = cable_client.connect()
            assert connection.connection.id == 1
            assert connection.subscribe("RoomChannel").confirmed
        """
    run(project, source).assert_outcomes(passed=3)


def test_the_application_has_its_settings_back_afterwards(project):
    source = """
        def test(cable_client):
            assert cable_client.app.config["CABLE_EXECUTOR"] == "manual"

        def test_without(app):
            assert app.config["CABLE_EXECUTOR"] == "auto"
        """
    run(project, source).assert_outcomes(passed=2)


def test_cookies_are_those_of_the_client_fixture(project):
    source = """
        import pytest

        @pytest.fixture
        def client(app):
            return app.test_client()

        def test(client, cable_client):
            client.get("/login")
            assert cable_client.http is client
            assert cable_client.connect().connection.user == "ann"
        """
    run(project, source).assert_outcomes(passed=1)


@pytest.mark.parametrize("other", ["object()", "Flask('other').test_client()"])
def test_another_kind_of_client_is_left_alone(project, other):
    source = f"""
        import pytest
        from flask import Flask

        @pytest.fixture
        def client():
            return {other}

        def test(client, cable_client):
            assert cable_client.http is not client
            assert cable_client.connect().connection.user == "nobody"
        """
    run(project, source).assert_outcomes(passed=1)


def test_an_error_that_nobody_has_seen_is_one_of_the_test(project):
    source = """
        def test(cable_client):
            cable_client.connect().subscribe("RoomChannel")
            cable_client.app.extensions["cable"].cable.broadcast("room", "unseen")
        """
    result = run(project, source)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*LookupError: *unseen*"])


def test_without_an_app_fixture_pytest_says_so(project):
    project.makeconftest("")
    result = run(project, "def test(cable_client): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'app' not found*"])


def test_the_documentations_examples_pass(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    guide = (ROOT / "docs" / "testing.md").read_text("utf-8")
    files = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", guide, re.DOTALL))
    pytester.makepyfile(**files)
    pytester.syspathinsert()
    result = pytester.runpytest("-p", "flask_cable.pytest_plugin", "-p", "no:cacheprovider")
    assert result.ret == 0
    assert len(files) == 10
    assert guide.count("```python") == len(files)


def test_the_plugin_is_found_by_its_entry_point():
    assert 'flask_cable = "flask_cable.pytest_plugin"' in (ROOT / "pyproject.toml").read_text()


def test_the_plugin_alone_imports_neither_flask_nor_gevent():
    program = (
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "import flask_cable.pytest_plugin\n"
        "sys.exit(bool({'flask', 'werkzeug', 'gevent', 'flask_cable.testing'} & set(sys.modules)))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
