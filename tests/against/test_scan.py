"""What the scanner testssl.sh has to say of ``tlskit serve``."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tlskit.testing import CA

from ..command import serving

_SCANNER = shutil.which("testssl") or shutil.which("testssl.sh")
_ENOUGH = 280.0  # Seconds; it takes half a minute.
#: Severities of testssl.sh that are no complaint.
_FINE = {"OK", "INFO", "DEBUG"}
#: Of the test's own certificate: its CA publishes no revocation lists; and of
#: the scanner's own machine, which lacks a package that it recommends.
_OURS = {"cert_revocation", "engine_problem"}
#: Protocols, suites, forward secrecy, order, defaults, vulnerabilities.
_CHECKS = ["-p", "-s", "-f", "-P", "-S", "-U"]


#: What it says where it could not go on.  For one thing, it has ``openssl
#: s_client`` save a session and leave at once; a ticket that comes later than
#: that is missed, and then it can't read the empty file.
_UNDECIDED = "check failed because of connect problem"
#: How often it may try again what it could not decide.
_TRIES = 3


def scanned(
    port: int, root: Path, report: Path, *checks: str
) -> list[dict[str, str]]:
    """Give what it finds at a port of localhost."""
    report.unlink(missing_ok=True)
    subprocess.run(
        [
            *(str(_SCANNER), "--quiet", "--color", "0"),
            *("--warnings", "off", "--nodns", "none"),
            *("--add-ca", root, "--jsonfile", report),
            *(*checks, f"localhost:{port}"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=_ENOUGH,
        check=False,  # Its status counts its findings.
    )
    findings: list[dict[str, str]] = json.loads(report.read_text("utf-8"))
    return findings


@pytest.mark.scan
@pytest.mark.timeout((1 + _TRIES) * _ENOUGH)
@pytest.mark.skipif(_SCANNER is None, reason="testssl.sh is not installed")
def test_scanner_has_nothing_to_complain_of(tmp_path):
    """Neither of protocols and suites, nor of any known attack."""
    ca = CA("tlskit scanned CA", key_type="rsa")
    chain, key = ca.issue("localhost", key_type="rsa").write(tmp_path)
    root, report = tmp_path / "root.pem", tmp_path / "report.json"
    root.write_bytes(ca.pem)
    with serving("--json", "--cert", str(chain), "--key", str(key)) as server:
        target = (server.event()["port"], root, report)
        findings = scanned(*target, *_CHECKS)
        for _ in range(_TRIES):
            if all(each["finding"] != _UNDECIDED for each in findings):
                break
            again = scanned(*target, "-S")
            renewed = {each["id"] for each in again}
            findings = [
                *(each for each in findings if each["id"] not in renewed),
                *again,
            ]
    judged = {each["id"]: each["severity"] for each in findings}

    assert "OK" == judged["SSLv3"] == judged["heartbleed"]
    assert "OK" == judged["TLS1_3"] == judged["secure_client_renego"]
    assert {} == {
        each["id"]: each["finding"]
        for each in findings
        if each["severity"] not in _FINE and each["id"] not in _OURS
    }
