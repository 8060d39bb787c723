"""The hints of alerts, beside what real programs mean by them."""

from __future__ import annotations

import pytest

import tlskit
from tlskit.errors.alerts import ALERTS

#: What real programs send (see "The peers" in the documentation), and a word
#: of the hint that leads to the cause.
MEASURED = [
    (tlskit.Alert.INTERNAL_ERROR, "certificate has the name"),  # Perl.
    (tlskit.Alert.INTERNAL_ERROR, "TLS 1.2 or newer"),  # OpenSSL 3.0.
    (tlskit.Alert.INTERNAL_ERROR, "serves the host"),  # Caddy.
    (tlskit.Alert.CERTIFICATE_UNKNOWN, "the name that it asked for"),  # Java.
    (tlskit.Alert.CERTIFICATE_UNKNOWN, "today's date"),  # Java 17.
    (tlskit.Alert.BAD_CERTIFICATE, "date"),  # Go.
    (tlskit.Alert.BAD_CERTIFICATE, "roots must include our CA"),  # gnutls-cli.
    (tlskit.Alert.ACCESS_DENIED, "check its CA"),  # gnutls-serv.
    (tlskit.Alert.DECODE_ERROR, "load a client certificate"),  # gnutls-serv.
]


@pytest.mark.parametrize(("alert", "words"), MEASURED)
def test_hints_name_what_peers_mean(alert: tlskit.Alert, words: str) -> None:
    """Not what the RFC means by the alert, but who sends it, and why."""
    _, hint = ALERTS[alert]

    assert words in hint
