"""What the checks say: one line each, and a remedy for what is wrong."""

from __future__ import annotations

from doctor.conftest import application, facts

from flask_cable.doctor import CHECKS, GUNICORN_CHECKS, Gunicorn


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
    findings = [check(bad) for check in (*CHECKS, *GUNICORN_CHECKS)]
    assert sum(finding.level in ("warn", "fail") for finding in findings) >= 12
    for finding in findings:
        assert "\n" not in "".join(finding)
        assert finding.remedy or finding.level in ("ok", "info"), finding
