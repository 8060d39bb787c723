"""``tlskit doctor`` as a process, and the ills that it finds."""

from __future__ import annotations

import io
import json
import sys

import pytest

import tlskit
from tlskit import VerifySource, set_default_verify_sources, testing
from tlskit.cli import doctor
from tlskit.cli.exit import ExitCode
from tlskit.cli.main import run

from ..command import tlskit as run_tlskit


@pytest.fixture
def roots(tmp_path):
    """A file with one root."""
    path = tmp_path / "roots.pem"
    path.write_bytes(testing.CA().pem)
    return path


def examined(monkeypatch, *arguments):
    """Give status and text of a doctor in this process."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    return run(["doctor", *arguments]), stream.getvalue()


def test_doctor_tells_everything(roots):
    """The text has versions, capabilities, environment and sources."""
    done = run_tlskit("doctor", SSL_CERT_FILE=str(roots), SSL_CERT_DIR="")

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("good")
    for word in ("pyOpenSSL", "capabilities", "SSL_CERT_FILE", str(roots)):
        assert word in done.stdout
    assert "1 root" in done.stdout
    assert "\x1b" not in done.stdout


def test_doctor_as_data(roots):
    """``--json`` gives the same as data of schema 1."""
    done = run_tlskit(
        "doctor", "--json", SSL_CERT_FILE=str(roots), SSL_CERT_DIR=""
    )
    data = json.loads(done.stdout)

    assert (data["schema"], data["problems"]) == (1, [])
    assert data["versions"]["tlskit"] == tlskit.__version__
    assert data["capabilities"].keys() == tlskit.capabilities().keys()
    assert "tls13" in data["protocols"]["client"]
    assert data["environment"]["SSL_CERT_FILE"] == str(roots)
    assert [each["roots"] for each in data["trust"]] == [1]


def test_a_directory_is_searched_not_counted(roots, monkeypatch):
    """A hashed directory has no count, and is a source all the same."""
    with set_default_verify_sources([VerifySource.directory(roots.parent)]):
        status, text = examined(monkeypatch)

    assert status == ExitCode.GOOD
    assert "searched when a root is needed" in text


def test_nobody_trusted_is_status_6(tmp_path):
    """Without any root the verdict comes first, with a way out."""
    missing = str(tmp_path / "missing.pem")
    done = run_tlskit("doctor", SSL_CERT_FILE=missing, SSL_CERT_DIR="")

    assert done.returncode == ExitCode.UNTRUSTED
    assert done.stdout.startswith("nobody is trusted")
    assert missing in done.stdout


def test_no_source_at_all(monkeypatch):
    """No source is a problem; no variable is none."""
    for name in doctor._VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with set_default_verify_sources([]):
        status, text = examined(monkeypatch)

    assert status == ExitCode.UNTRUSTED
    assert "no variable changes anything here" in text


def test_a_broken_binding_is_status_1(monkeypatch):
    """When pyOpenSSL can't be loaded, the doctor still works."""
    monkeypatch.setattr(doctor, "is_available", lambda: False)
    monkeypatch.setattr(doctor, "why_unavailable", lambda: "it is broken")
    monkeypatch.setattr(doctor, "supported_client_protocols", lambda: ())
    status, text = examined(monkeypatch)

    assert status == ExitCode.USAGE
    assert text.startswith("TLS is not available: it is broken")
    assert "client  none" in text


def test_a_package_that_is_not_there(monkeypatch):
    """An optional package may be missing; that is told, and no problem."""
    monkeypatch.setattr(doctor, "_PACKAGES", ("no-such-package",))
    status, text = examined(monkeypatch)

    assert status == ExitCode.GOOD
    assert "no-such-package  not installed" in text
