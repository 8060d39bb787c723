"""Which alert ``openssl s_server`` sees for each bad certificate."""

from __future__ import annotations

import pytest

import tlskit
from tlskit.testing import BAD_KINDS

from ..peers import (
    ALERT,
    HOST,
    PATIENCE,
    VERSIONS,
    Vault,
    client_context,
    needs,
    s_server,
)

pytestmark = needs("openssl")

#: Kind -> the alert that OpenSSL's table has for what is wrong, or ours.
ALERTS = {
    "expired": "certificate_expired",
    "not-yet-valid": "bad_certificate",
    "wrong-host": "bad_certificate",
    "self-signed": "unknown_ca",
    "unknown-ca": "unknown_ca",
    "no-san": "bad_certificate",
    "ip-as-dns": "bad_certificate",
    "missing-intermediate": "unknown_ca",
    "wrong-purpose": "unsupported_certificate",
    "weak-key": "bad_certificate",
    "weak-digest": "bad_certificate",
    "name-constraints": "certificate_unknown",
    "path-length": "unknown_ca",
    "revoked": "certificate_revoked",
    "wrong-clock": "bad_certificate",
    "expired-intermediate": "certificate_expired",
    "wrong-intermediate": "unknown_ca",
    "untrusted-root": "unknown_ca",
    "intercepted": "unknown_ca",
    "forged": "decrypt_error",
}
#: Our own check of names has no alert of its own without a capability.
OURS = {"wrong-host", "no-san", "ip-as-dns"}


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


def test_each_kind_is_tried() -> None:
    """Whatever ``issue_bad`` can do wrong has its alert here."""
    assert set(BAD_KINDS) == ALERTS.keys()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ALERTS)
def test_server_hears_why(vault: Vault, version: str, kind: str) -> None:
    """The server gets one fatal alert, and the one that fits."""
    host = "127.0.0.1" if kind == "ip-as-dns" else HOST
    files = vault.leaf(host, bad=kind)
    context = client_context(vault)
    if kind == "revoked":
        context.load_crls(vault.ca.crl())
    wanted = ALERTS[kind]
    if kind in OURS and not tlskit.capabilities()["verify-error"]:
        wanted = "internal_error"
    options = (VERSIONS[version][0], "-msg", "-cipher", "ALL:@SECLEVEL=0")
    with s_server(files, *options) as (server, number):
        with pytest.raises(tlskit.VerificationError):
            tlskit.connect(
                "127.0.0.1", number, context, hostname=host, timeout=PATIENCE
            )
        server.until(ALERT)
        seen = [alert for alert in server.alerts if not alert.sent]

    assert [(False, "fatal", wanted)] == seen
