"""Clients that come twice only as two processes, or are told to.

``openssl s_client`` keeps its session in a file, and ``gnutls-cli`` has an
option for it.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress

from .callers import GET, Caller, Target, plain

__all__ = ["TWICE"]

SECONDS = 10


class _SClient(Caller):
    """Two processes; the tickets are in when the page is."""

    def call(self, target: Target, times: int = 1) -> None:
        """Run it once for each connection."""
        command = [
            *("openssl", "s_client", "-ign_eof", "-servername", target.host),
            *("-connect", f"127.0.0.1:{target.number}"),
            *("-CAfile", target.roots),
        ]
        session = str(target.folder / "session")
        for option in ("-sess_out", "-sess_in")[:times]:
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    [*command, option, session],
                    input=GET,
                    timeout=SECONDS,
                    capture_output=True,
                    check=False,
                )


TWICE: tuple[Caller, ...] = (
    _SClient(
        "OpenSSL s_client",
        "OpenSSL",
        plain("openssl"),
        "openssl",
        ("openssl", "version"),
    ),
    Caller(
        "gnutls-cli",
        "GnuTLS",
        plain(
            *("gnutls-cli", "--resume", "--waitresumption"),
            *("--port", "{number}", "--x509cafile", "{roots}", "{host}"),
            again=False,
        ),
        "gnutls-cli",
        ("gnutls-cli", "--version"),
        said=GET,
    ),
)
