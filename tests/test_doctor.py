"""The doctor: what each check sees, says and advises, and where gunicorn's settings are read."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from flask.json.provider import DefaultJSONProvider, JSONProvider
from support.backends import Backend
from support.parts import require
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_cable import Cable, doctor
from flask_cable.doctor import Facts, Finding, Gunicorn, UnusableSettings, diagnose, observe, read_gunicorn

EVERYTHING = frozenset(doctor.OPTIONAL) - {"engineio"}


def application(**config: Any) -> Flask:
    app = Flask("shop")
    app.config.update({"SECRET_KEY": "secret", **config})
    Cable(app)
    return app


def facts(app: Flask | None = None, config: dict[str, Any] | None = None, **seen: Any) -> Facts:
    """Return what is seen of a sound deployment, but for what is said otherwise."""
    sound: dict[str, Any] = {"gunicorn": Gunicorn("gevent"), "installed": EVERYTHING, "open_files": 20_000}
    return Facts(app or application(**(config or {})), **{**sound, **seen})


def found(check: Callable[[Facts], Finding], *args: Any, **seen: Any) -> str:
    """Return what a check says, as ``"warn: seen -> remedy"``."""
    level, _, said, remedy = check(facts(*args, **seen))
    return f"{level}: {said}" + (f" -> {remedy}" if remedy else "")


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Look at nobody's real settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GUNICORN_CMD_ARGS", raising=False)
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    return tmp_path


# As a whole.


def test_a_sound_deployment_has_nothing_to_fix() -> None:
    for check in (*doctor.CHECKS, *doctor.GUNICORN_CHECKS):
        finding = check(facts())
        assert finding.level in ("ok", "info"), finding


def test_every_check_is_registered_documented_and_has_a_name_of_its_own() -> None:
    functions = {function for name, function in vars(doctor).items() if name.startswith("check_")}
    assert functions == {*doctor.CHECKS, *doctor.GUNICORN_CHECKS}
    assert all(function.__doc__ for function in functions)
    names = [function(facts()).name for function in functions]
    assert len(names) == len(set(names))


def test_every_finding_is_one_line_and_what_is_wrong_has_a_remedy() -> None:
    bad = facts(
        application(
            CABLE_CHECK_ORIGIN=False, SECRET_KEY=None, CABLE_EXECUTOR="manual", CABLE_PING_INTERVAL=30
        ),
        gunicorn=Gunicorn("gevent", workers=4, preload=True, max_requests=9, tls=True, graceful_timeout=1),
        installed=frozenset({"geventwebsocket", "engineio"}),
        open_files=256,
        imported=("shop", "psycopg"),
    )
    findings = [check(bad) for check in (*doctor.CHECKS, *doctor.GUNICORN_CHECKS)]
    assert sum(finding.level in ("warn", "fail") for finding in findings) >= 12
    for finding in findings:
        assert "\n" not in "".join(finding)
        assert finding.remedy or finding.level in ("ok", "info"), finding


def test_long_polling_needs_one_worker() -> None:
    check = doctor.check_long_polling
    four = Gunicorn("gevent", workers=4)
    assert found(check, gunicorn=four) == "ok: nobody polls"
    app = application()
    app.extensions["cable"].cable.socketio("/ws", transports=["websocket"])
    assert found(check, app, gunicorn=four) == "ok: nobody polls"
    app.extensions["cable"].cable.socketio()
    assert found(check, app) == "ok: /socket.io: one worker, which knows all who poll"
    said = found(check, app, gunicorn=four)
    assert said.startswith("warn: /socket.io: 4 workers")
    assert "transports=['websocket']" in said


def test_gunicorns_settings_are_judged_only_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    app = application()
    assert len(diagnose(app)) == len(doctor.CHECKS)
    monkeypatch.setattr(doctor, "read_gunicorn", lambda command: Gunicorn("gevent"))
    assert len(diagnose(app, "gunicorn -k gevent")) == len(doctor.CHECKS) + len(doctor.GUNICORN_CHECKS)


# Looking.


def test_the_process_is_looked_at() -> None:
    seen = observe(application())
    assert seen.imported.index("flask") < seen.imported.index("flask_cable.doctor")
    assert "gunicorn" not in seen.installed or "packaging" in seen.installed
    assert (seen.gunicorn, seen.trouble, seen.patched) == (None, "", False)


def test_what_cannot_be_read_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(command: str) -> None:
        raise UnusableSettings("because")

    monkeypatch.setattr(doctor, "read_gunicorn", refuse)
    assert observe(application()).trouble == "because"


def test_the_limit_of_open_files_is_the_soft_one(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = ModuleType("resource")
    vars(resource).update(RLIMIT_NOFILE=7, RLIM_INFINITY=-1, getrlimit=lambda which: (256, 4096))
    monkeypatch.setitem(sys.modules, "resource", resource)
    assert observe(application()).open_files == 256
    vars(resource).update(getrlimit=lambda which: (-1, -1))
    assert observe(application()).open_files is None
    monkeypatch.setitem(sys.modules, "resource", None)
    assert observe(application()).open_files is None


def patching(monkeypatch: pytest.MonkeyPatch, patched: bool) -> ModuleType:
    monkey = ModuleType("gevent.monkey")
    vars(monkey).update(patched=patched, is_module_patched=lambda name: vars(monkey)["patched"])
    monkeypatch.setitem(sys.modules, "gevent.monkey", monkey)
    return monkey


def test_patching_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    patching(monkeypatch, True)
    assert observe(application()).patched
    patching(monkeypatch, False)
    assert not observe(application()).patched
    monkeypatch.delitem(sys.modules, "gevent.monkey")
    assert not observe(application()).patched


# gunicorn's settings.


@pytest.fixture
def gunicorn() -> None:
    require("gunicorn")


def test_without_any_settings_there_are_none() -> None:
    assert read_gunicorn() is None


def test_a_command_line_is_read(gunicorn: None) -> None:
    for command, expected in (
        ("gunicorn -k gevent -w 4 app:app", Gunicorn("gevent", workers=4)),
        ("gunicorn app:app", Gunicorn()),
        ("gunicorn --threads 8 'app:create_app(1)'", Gunicorn("gthread", threads=8)),
        ("/venv/bin/gunicorn --preload --max-requests 9 app", Gunicorn(preload=True, max_requests=9)),
        ("A=b python -m gunicorn --worker-connections=7 -t 5 a", Gunicorn(worker_connections=7, timeout=5)),
        ("gunicorn --certfile x.pem --graceful-timeout 9 app", Gunicorn(tls=True, graceful_timeout=9)),
        ("exec gunicorn -k gunicorn.workers.ggevent.GeventWorker a", Gunicorn("gevent")),
        ("gunicorn -k gevent_wsgi a", Gunicorn("gevent_pywsgi")),
        ("gunicorn -k gunicorn.workers.ggevent.GeventPyWSGIWorker a", Gunicorn("gevent_pywsgi")),
        (
            "gunicorn -k geventwebsocket.gunicorn.workers.GeventWebSocketWorker a",
            Gunicorn("gevent-websocket"),
        ),
        ("gunicorn -k gunicorn.workers.gthread.ThreadWorker a", Gunicorn("gthread")),
        ("gunicorn -k mine.SpecialWorker a", Gunicorn("SpecialWorker")),
    ):
        assert read_gunicorn(command) == expected, command


def test_the_environment_is_read(gunicorn: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "-k gevent --workers=3")
    assert read_gunicorn() == Gunicorn("gevent", workers=3, complete=False)


def test_the_file_is_read(gunicorn: None, elsewhere: Path) -> None:
    (elsewhere / "gunicorn.conf.py").write_text(
        "import os\nworker_class = 'gevent'\nworkers = 1 + 1\npreload_app = True\nother = 7\n"
        "def post_fork(server, worker): ...\n"
    )
    assert read_gunicorn() == Gunicorn("gevent", workers=2, preload=True, complete=False)


def test_a_file_may_be_named(gunicorn: None, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "deploy.py").write_text("workers = 5")
    monkeypatch.syspath_prepend(elsewhere)
    for location in ("deploy.py", "./deploy.py", f"file:{elsewhere}/deploy.py", "python:deploy"):
        assert read_gunicorn(f"gunicorn -c {location} app") == Gunicorn(workers=5)
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "-c deploy.py")
    assert read_gunicorn() == Gunicorn(workers=5, complete=False)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    gunicorn: None, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "gunicorn.conf.py").write_text("workers = 2; timeout = 2; max_requests = 2")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "-w 3 -t 3")
    expected = Gunicorn(workers=4, timeout=3, max_requests=2)
    assert read_gunicorn("gunicorn -w 4 app") == expected


def test_a_file_that_patches_is_noticed(
    gunicorn: None, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkey = patching(monkeypatch, False)
    (elsewhere / "gunicorn.conf.py").write_text(
        "import sys, warnings\nvars(sys.modules['gevent.monkey'])['patched'] = True\nwarnings.warn('late')\n"
    )
    settings = read_gunicorn()
    assert settings is not None
    assert settings.patches
    assert vars(monkey)["patched"]
    settings = read_gunicorn()
    assert settings is not None
    assert not settings.patches  # it was patched before


def test_what_gunicorn_would_refuse_is_told_in_its_words(
    gunicorn: None, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "broken.py").write_text("workers = 1 / 0")
    (elsewhere / "wrong.py").write_text("workers = 'many'")
    for command, hint in (
        ("gunicorn --bogus app", "gunicorn: error: unrecognized arguments: --bogus"),
        ("gunicorn -w many app", "invalid int value: 'many'"),
        ("gunicorn -w -3 app", "must be positive: -3"),
        ("gunicorn -c missing.py app", "missing.py"),
        ("gunicorn -c python:no_such_module app", "no_such_module"),
        ("gunicorn -c broken.py app", "ZeroDivisionError"),
        ("gunicorn -c wrong.py app", "many"),
        ("gunicorn 'app", "No closing quotation"),
        ("uwsgi --http :80", "there is no gunicorn in 'uwsgi --http :80'"),
        ("gunicorn --version", "gunicorn"),
    ):
        with pytest.raises(UnusableSettings, match=re.escape(hint)) as caught:
            read_gunicorn(command)
        assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")


def test_without_gunicorn_there_is_nothing_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    assert read_gunicorn() is None
    with pytest.raises(
        UnusableSettings, match=r"gunicorn is not installed \(pip install 'flask-cable\[gevent\]'\)"
    ):
        read_gunicorn("gunicorn app")


# The server.


def test_versions_name_who_is_here() -> None:
    said = found(doctor.check_versions)
    assert said.startswith(f"info: Python {sys.version_info.major}.{sys.version_info.minor}.")
    assert "Flask 3" in said
    assert "websockets " in said


def test_a_package_that_is_missing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "VERSIONS", ("no-such-package",))
    assert re.fullmatch(r"info: Python [\w.+]+", found(doctor.check_versions))


def test_the_worker_class_decides() -> None:
    for server, expected in (
        (Gunicorn("gevent"), "ok: gevent, 1 worker"),
        (Gunicorn("gevent", workers=4), "ok: gevent, 4 workers"),
        (Gunicorn("gevent_pywsgi"), "ok: gevent_pywsgi, 1 worker"),
        (Gunicorn("gthread", threads=8), "ok: gthread, 1 worker, 8 threads"),
        (Gunicorn("gevent-websocket"), "warn: gevent-websocket, 1 worker: it upgrades before"),
        (
            Gunicorn("sync"),
            "fail: sync serves one request at a time: every WebSocket gets a 501 -> use -k gevent",
        ),
        (Gunicorn("sync", complete=False), "warn: sync, unless the command line says otherwise -> say how"),
        (Gunicorn("tornado"), "warn: tornado, which is not known here -> use -k gevent"),
        (None, "info: not known: there is no command line, GUNICORN_CMD_ARGS or gunicorn.conf.py -> say how"),
    ):
        assert found(doctor.check_worker, gunicorn=server).startswith(expected)


def test_gevents_worker_needs_what_it_imports() -> None:
    said = found(doctor.check_worker, installed=EVERYTHING - {"packaging"})
    assert said == "fail: gevent, 1 worker, but not installed: packaging -> pip install 'gunicorn[gevent]'"
    assert "not installed: gevent, packaging" in found(doctor.check_worker, installed=frozenset())


def test_settings_that_gunicorn_refuses_fail() -> None:
    said = found(doctor.check_worker, gunicorn=None, trouble="unrecognized arguments: --bogus")
    assert said.startswith("fail: gunicorn's settings are of no use: unrecognized arguments: --bogus -> ")


def test_the_executor_has_to_fit_the_worker() -> None:
    for executor, worker, expected in (
        ("auto", "gevent", "ok: CABLE_EXECUTOR = 'auto'"),
        ("auto", "gthread", "ok: "),
        ("gevent", "gevent", "ok: "),
        ("threads", "gthread", "ok: "),
        ("gevent", "gthread", "fail: CABLE_EXECUTOR = 'gevent' under a gthread worker -> leave it at 'auto'"),
        ("threads", "gevent", "warn: CABLE_EXECUTOR = 'threads' under a gevent worker -> leave it at 'auto'"),
        (
            "manual",
            "gevent",
            "fail: CABLE_EXECUTOR = 'manual': nothing runs until a test says so -> leave it",
        ),
    ):
        config = {"CABLE_EXECUTOR": executor}
        assert found(doctor.check_executor, config=config, gunicorn=Gunicorn(worker)).startswith(expected)
    assert found(doctor.check_executor, config={"CABLE_EXECUTOR": "gevent"}, gunicorn=None).startswith("ok: ")


def test_patching_has_to_come_first() -> None:
    flask_first = ("flask", "ssl", "werkzeug.serving")
    for patched, imported, expected in (
        (False, (*flask_first, "shop", "psycopg"), "ok: the application leaves it to its server"),
        (
            True,
            (*flask_first, "shop", "gevent.monkey", "psycopg", "redis"),
            "ok: the application patches first",
        ),
        (
            True,
            (*flask_first, "shop", "redis", "psycopg", "gevent.monkey", "urllib3"),
            "fail: imported before ",
        ),
        (True, ("shop", "ssl", "gevent.monkey"), "fail: imported before gevent patched: ssl -> call gevent"),
        (True, ("psycopg", "gevent.monkey"), "fail: imported before gevent patched: psycopg"),
    ):
        assert found(doctor.check_patching, patched=patched, imported=imported).startswith(expected), imported
    said = found(doctor.check_patching, patched=True, imported=("shop", "redis", "psycopg", "gevent.monkey"))
    assert said == (
        "fail: imported before gevent patched: psycopg, redis -> call gevent.monkey.patch_all() "
        "above every other import, or leave it to gunicorn -k gevent"
    )


def test_patching_is_for_gevents_workers() -> None:
    said = found(doctor.check_patching, patched=True, imported=("shop",), gunicorn=Gunicorn("gthread"))
    assert said.startswith("warn: the application patches, but the worker class is gthread -> ")
    assert found(doctor.check_patching, patched=True, imported=("shop",), gunicorn=None).startswith("ok: ")


def test_broadcasts_have_to_reach_every_worker() -> None:
    for url, workers, expected in (
        (None, 1, "ok: memory://, and one worker"),
        ("memory://", 1, "ok: memory://, and one worker"),
        (
            None,
            4,
            "fail: memory:// with 4 workers: a broadcast reaches the peers of one only -> run one worker",
        ),
        ("memory://", 2, "fail: memory:// with 2 workers"),
        ("redis://:password@127.0.0.1:1/0", 4, "warn: redis://127.0.0.1:1/0: publishing failed: "),
        ("redis://localhost?no_such_option=1", 4, "fail: no adapter -> CABLE_URL: "),
    ):
        said = found(
            doctor.check_pubsub, config={"CABLE_URL": url}, gunicorn=Gunicorn("gevent", workers=workers)
        )
        assert said.startswith(expected)
        assert "password" not in said
    assert found(doctor.check_pubsub, gunicorn=None).startswith("info: memory:// reaches one process only")


def test_the_server_between_the_workers_is_asked() -> None:
    with Backend("redis") as backend:
        said = found(doctor.check_pubsub, config={"CABLE_URL": backend.url})
        assert said == f"ok: {backend.url} answers"


def test_preloading_imports_before_gevent_patches() -> None:
    preloaded = Gunicorn("gevent", preload=True)
    for seen, expected in (
        ({"gunicorn": Gunicorn("gevent")}, "ok: off"),
        ({"gunicorn": Gunicorn("gthread", preload=True)}, "ok: on; "),
        ({"gunicorn": Gunicorn("gevent", preload=True, patches=True)}, "ok: on; "),
        ({"gunicorn": preloaded, "patched": True}, "ok: on; "),
        (
            {"gunicorn": preloaded, "imported": ("ssl", "shop", "json")},
            "warn: on: the application is imported bef",
        ),
        (
            {"gunicorn": preloaded, "imported": ("shop", "redis", "psycopg")},
            "fail: on: the application is import",
        ),
    ):
        assert found(doctor.check_preload, **seen).startswith(expected), seen
    said = found(doctor.check_preload, gunicorn=preloaded, imported=("shop", "redis", "psycopg"))
    assert "waits of psycopg, redis block every peer -> drop --preload, or call gevent" in said


def test_restarts_of_workers_are_told() -> None:
    for server, expected in (
        (Gunicorn("gevent"), "ok: off"),
        (
            Gunicorn("gevent", max_requests=1000),
            "warn: 1000: a worker that has served as many ends, and sends",
        ),
        (Gunicorn("gthread", max_requests=1000), "warn: 1000: "),
        (Gunicorn("gevent_pywsgi", max_requests=1000), "info: 1000, which gevent_pywsgi ignores"),
    ):
        assert found(doctor.check_max_requests, gunicorn=server).startswith(expected)


def test_places_of_gunicorns_are_used_up_only_by_tls() -> None:
    few = {"CABLE_MAX_CONNECTIONS": 500}
    for server, config, expected in (
        (Gunicorn("gevent"), {}, "ok: 1000 at a time; the cable's open WebSockets are none of them"),
        (
            Gunicorn("gevent", tls=True),
            few,
            "ok: --worker-connections 1000, above CABLE_MAX_CONNECTIONS = 500",
        ),
        (
            Gunicorn("gevent", tls=True),
            {},
            "warn: with TLS in the worker a WebSocket keeps one of --worker-conn",
        ),
        (
            Gunicorn("gthread", threads=8, tls=True),
            few,
            "warn: with TLS in the worker a WebSocket keeps one of --thr",
        ),
    ):
        assert found(doctor.check_worker_connections, config=config, gunicorn=server).startswith(expected)
    said = found(doctor.check_worker_connections, gunicorn=Gunicorn("gthread", threads=8, tls=True))
    assert said.endswith("-> let a proxy end TLS, or set CABLE_MAX_CONNECTIONS below 8 (it is 10000)")


def test_the_timeout_is_no_matter_but_to_sync() -> None:
    assert found(doctor.check_timeout) == "ok: 30 s; ends no WebSocket under gevent"
    assert found(doctor.check_timeout, gunicorn=Gunicorn("sync")).startswith("info: 30 s; ends a sync worker")


def test_the_end_of_a_worker_needs_time() -> None:
    assert found(doctor.check_graceful_timeout) == "ok: 30 s, for CABLE_DRAIN_SECONDS = 5"
    said = found(doctor.check_graceful_timeout, gunicorn=Gunicorn("gevent", graceful_timeout=3))
    assert said.startswith("warn: 3 s, for CABLE_DRAIN_SECONDS = 5: peers may be cut off")
    assert said.endswith("-> set it above 7, or CABLE_DRAIN_SECONDS lower")


# Routes.


def mine() -> str:
    return "mine"


def test_the_route_is_the_cables() -> None:
    assert found(doctor.check_route) == "ok: /cable"
    app = application(CABLE_MOUNT_PATH="/live")
    app.add_url_rule("/cable", "mine", mine)
    assert found(doctor.check_route, app) == "ok: /live"


def shadowed(rule: str, **options: Any) -> Flask:
    """Return an application that had a rule before it had a cable."""
    app = Flask("shop")
    app.secret_key = "secret"
    app.add_url_rule(rule, "mine", mine, **options)
    Cable(app)
    return app


def test_a_rule_that_shadows_the_cable_fails() -> None:
    said = found(doctor.check_route, shadowed("/cable", websocket=True))
    assert said.startswith("fail: WebSockets to /cable reach 'mine' (")
    assert said.endswith("mine) -> remove the other rule, or set CABLE_MOUNT_PATH to a path of its own")


def test_a_rule_for_plain_http_on_the_path_is_told() -> None:
    said = found(doctor.check_route, shadowed("/cable"))
    assert said.startswith("warn: plain HTTP to /cable reaches 'mine'")
    assert "without websocket=True" in said


def test_a_rule_that_takes_everything_else_is_no_matter() -> None:
    assert found(doctor.check_route, shadowed("/<path:anything>", websocket=True)) == "ok: /cable"
    assert found(doctor.check_route, shadowed("/cable/<int:number>", websocket=True)) == "ok: /cable"


def test_a_route_that_is_gone_fails() -> None:
    app = application()
    app.config["CABLE_MOUNT_PATH"] = "/moved"
    assert found(doctor.check_route, app).startswith(
        "fail: WebSockets to /moved reach nothing (404 Not Found)"
    )


def test_a_server_name_changes_nothing() -> None:
    assert found(doctor.check_route, application(SERVER_NAME="shop.test")) == "ok: /cable"


def test_functions_that_want_a_websocket_need_a_rule_for_one() -> None:
    def reads() -> str:
        from flask import request

        return str(request.environ.get("wsgi.websocket"))

    app = application()
    assert found(doctor.check_websocket_rules, app) == "ok: the cable's rules only"
    app.add_url_rule("/a", "a", mine)
    app.add_url_rule("/b", "b", reads, websocket=True)
    assert found(doctor.check_websocket_rules, app) == "ok: besides the cable: /b"
    app.add_url_rule("/c", "c", reads)
    assert found(doctor.check_websocket_rules, app) == (
        "warn: /c: reads environ['wsgi.websocket'], but its rule lets no upgrade through "
        "-> register it with @app.route(..., websocket=True)"
    )


def test_rules_without_functions_and_odd_functions_are_no_matter() -> None:
    class Page:
        def __call__(self) -> str:
            return "page"

    app = application()
    app.add_url_rule("/nobody", "nobody")
    app.add_url_rule("/page", "page", Page())
    app.add_url_rule("/builtin", "builtin", print)
    assert found(doctor.check_websocket_rules, app).startswith("ok: ")
    assert found(doctor.check_flask_sock, app).startswith("ok: ")


@pytest.mark.needs("flask_sock")
def test_flask_socks_routes_are_better_served_by_the_cable() -> None:
    from flask_sock import Sock

    app = application()
    cable: Cable = app.extensions["cable"].cable
    sock = Sock(app)
    assert found(doctor.check_flask_sock, app) == "ok: no route that writes by itself"

    @sock.route("/served")
    def served(ws: Any) -> str:
        return cable.serve(ws)

    assert found(doctor.check_flask_sock, app) == "ok: no route that writes by itself"

    @sock.route("/loose")
    def loose(ws: Any) -> None:
        ws.send("hello")

    assert found(doctor.check_flask_sock, app).startswith(
        "warn: /loose: simple-websocket loses bytes under gevent"
    )
    assert found(doctor.check_websocket_rules, app) == "ok: besides the cable: /loose, /served"


# Who may come, and from where.


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
        assert found(doctor.check_origin, config=config).startswith(expected)


def test_proxyfix_is_found_wherever_it_is() -> None:
    app = application()
    assert found(doctor.check_proxy, app).startswith("info: no ProxyFix: right without a proxy")
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    assert found(doctor.check_proxy, app).startswith(
        "ok: ProxyFix takes x_for=1, x_proto=1, x_host=1; the proxy"
    )

    class Middleware:
        def __init__(self, application: Any) -> None:
            self.application = application

    app.wsgi_app = Middleware(app.wsgi_app)  # type: ignore[assignment]
    assert found(doctor.check_proxy, app).startswith("ok: ProxyFix takes")


def test_proxyfix_that_was_there_before_the_cable_is_found() -> None:
    app = Flask("shop")
    app.wsgi_app = ProxyFix(app.wsgi_app, x_host=0)  # type: ignore[method-assign]
    Cable(app)
    assert found(doctor.check_proxy, app) == (
        "ok: ProxyFix takes x_for=1, x_proto=1, x_host=0; the proxy has to pass Host on"
    )


def test_proxyfix_without_the_scheme_gets_browsers_refused() -> None:
    app = application()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=0)  # type: ignore[method-assign]
    assert found(doctor.check_proxy, app).startswith(
        "warn: ProxyFix takes x_for=1, x_proto=0, x_host=0: https is"
    )


def test_middleware_that_leads_in_circles_ends_somewhere() -> None:
    class Circle:
        def __init__(self) -> None:
            self.app = self

    app = application()
    app.wsgi_app = Circle()  # type: ignore[assignment]
    assert found(doctor.check_proxy, app).startswith("info: no ProxyFix")


def test_nginx_is_told_what_to_pass_on() -> None:
    said = found(doctor.check_nginx, config={"CABLE_MOUNT_PATH": "/live"})
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
    assert found(doctor.check_secret_key) == "ok: set"
    assert found(doctor.check_secret_key, config={"SECRET_KEY": None}).startswith(
        "warn: not set: connect() finds"
    )


# Bounds and libraries.


def test_beats_have_to_be_quicker_than_the_clients_patience() -> None:
    assert found(doctor.check_heartbeat) == "ok: a beat every 3 s"
    said = found(doctor.check_heartbeat, config={"CABLE_PING_INTERVAL": 6.5})
    assert said.startswith("warn: a beat every 6.5 s, but stock clients give up after 6 s -> ")


def test_there_have_to_be_files_for_all_peers() -> None:
    for limit, most, expected in (
        (20_000, 10_000, "ok: 20000 per process, for CABLE_MAX_CONNECTIONS = 10000"),
        (10_100, 10_000, "ok: "),
        (10_099, 10_000, "warn: 10099 per process, seen from here, are not enough for CABLE_MAX_CONN"),
        (1024, 500, "ok: "),
        (None, 10_000, "ok: no limit seen"),
    ):
        config = {"CABLE_MAX_CONNECTIONS": most}
        assert found(doctor.check_open_files, config=config, open_files=limit).startswith(expected)
    assert "ulimit -n 10100" in found(doctor.check_open_files, open_files=1024)


def test_gevent_websocket_and_engineio_do_not_go_together() -> None:
    for installed, expected in (
        (frozenset(), "ok: not installed"),
        ({"engineio"}, "ok: not installed"),
        ({"geventwebsocket"}, "ok: installed"),
        ({"geventwebsocket", "engineio"}, "warn: installed beside python-engineio, which then answers 500"),
    ):
        assert found(doctor.check_gevent_websocket, installed=frozenset(installed)).startswith(expected)


def test_json_is_fast_where_the_provider_is_flasks() -> None:
    class Own(JSONProvider):
        def dumps(self, obj: Any, **kwargs: Any) -> str:
            return "{}"

        def loads(self, s: str | bytes, **kwargs: Any) -> Any:
            return {}

    class Shouting(DefaultJSONProvider):
        def dumps(self, obj: Any, **kwargs: Any) -> str:
            return super().dumps(obj, **kwargs).upper()

    assert found(doctor.check_json) == "ok: Flask's provider, with orjson where that changes nothing"
    assert found(doctor.check_json, installed=frozenset()) == (
        "info: Flask's provider, without orjson -> pip install 'flask-cable[fast]'"
    )
    for provider in (Own, Shouting):
        app = application()
        app.json = provider(app)
        assert found(doctor.check_json, app).endswith(f"{provider.__name__}, the application's own provider")
    app = application()
    app.json.default = str  # type: ignore[attr-defined]
    assert (
        found(doctor.check_json, app) == "info: Flask's provider with a default of its own, so without orjson"
    )
