"""The system's policy for OpenSSL is a floor, not a suggestion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from OpenSSL import SSL

from tlskit.openssl import system

from ..peers import PATIENCE

CONF = """\
openssl_conf = all
[all]
ssl_conf = tls
[tls]
system_default = policy
[policy]
{}
"""
#: Tells, for each protocol, the version that is spoken with each other one.
CODE = """
import tlskit
from tlskit.openssl.system import minimum_version
from tlskit.testing import CA, memory_pair
ca = CA()
leaf = ca.issue("localhost")
print(hex(minimum_version()))
for name in ("auto", "tls12"):
    for other in ("auto", "tls12", "tls13"):
        client = tlskit.ClientContext(name)
        server = tlskit.ServerContext(other)
        ca.trust(client)
        client.set_verify()
        leaf.apply(server)
        try:
            one, two = memory_pair(client, server)
        except tlskit.TLSError as error:
            print(name, other, "refused")
        else:
            print(name, other, one.version.name)
            one.close(), two.close()
"""


def spoken(path: Path, *policy: str) -> list[str]:
    """Run the code under this policy."""
    path.write_text(CONF.format("\n".join(policy)))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE],
        env={
            **os.environ,
            "OPENSSL_CONF": str(path),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert not done.returncode, done.stderr
    return done.stdout.splitlines()


def test_a_minimum_is_kept(tmp_path: Path) -> None:
    """A range ends at it; a version by its name is still that."""
    assert [
        "0x304",
        "auto auto TLS_1_3",
        "auto tls12 refused",
        "auto tls13 TLS_1_3",
        "tls12 auto refused",
        "tls12 tls12 TLS_1_2",
        "tls12 tls13 refused",
    ] == spoken(tmp_path / "a.cnf", "MinProtocol = TLSv1.3")


@pytest.mark.parametrize(
    "policy", ["MinProtocol = TLSv1.2", "MinProtocol = TLSv1.1", ""]
)
def test_a_lower_minimum_lowers_nothing(tmp_path: Path, policy: str) -> None:
    """Ours stays where it is higher."""
    assert [
        "auto auto TLS_1_3",
        "auto tls12 TLS_1_2",
        "auto tls13 TLS_1_3",
        "tls12 auto TLS_1_2",
        "tls12 tls12 TLS_1_2",
        "tls12 tls13 refused",
    ] == spoken(tmp_path / "a.cnf", policy)[1:]


def test_a_maximum_says_nothing_of_a_minimum(tmp_path: Path) -> None:
    """Without TLS 1.3 a ClientHello has no list of versions."""
    assert "0x0" == spoken(tmp_path / "a.cnf", "MaxProtocol = TLSv1.2")[0]


def test_a_library_that_can_say_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then there is no policy to keep."""

    def fail(*_: object) -> None:
        raise SSL.Error([])

    monkeypatch.setattr(SSL.Connection, "do_handshake", fail)
    assert 0 == system.minimum_version.__wrapped__()
    monkeypatch.setattr(SSL.Connection, "do_handshake", lambda _: None)
    assert 0 == system.minimum_version.__wrapped__()
