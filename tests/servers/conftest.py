"""What the tests with real servers share: a certificate, and parts that only they need."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.parts import require


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1, and return its file and the key's."""
    require("openssl")
    place = tmp_path_factory.mktemp("certificate")
    files = (place / "certificate.pem", place / "key.pem")
    kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command = ["openssl", "req", *kind, "-out", files[0], "-keyout", files[1]]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return files
