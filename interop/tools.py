"""The clients that are programs of their own, for the command line."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from .callers import GET, Caller, Target, plain

__all__ = ["TOOLS"]


def _tool(
    stack: str,
    name: str,
    *words: str,
    program: str = "",
    show: Sequence[str] = ("--version",),
    said: bytes = b"",
    speech: str = "",
) -> Caller:
    program = program or name
    return Caller(
        name,
        stack,
        plain(program, *words, again=False),
        program,
        (program, *show),
        said=said,
        speech=speech,
    )


def _nss(target: Target, _times: int) -> list[str]:
    base = target.folder / "nss"
    if not base.exists():
        base.mkdir()
        store = f"sql:{base}"
        for each in (
            ("-N", "--empty-password"),
            ("-A", "-n", "ca", "-t", "C,,", "-i", target.roots),
        ):
            subprocess.run(["certutil", "-d", store, *each], check=True)
    return [
        *("tstclnt", "-4", "-h", target.host, "-p", str(target.number)),
        *("-d", f"sql:{base}"),
    ]


def _configured(program: str, name: str, text: str, *words: str) -> Caller:
    """Make a client that reads a file, in which fields stand as <<name>>."""

    def command(target: Target, _times: int) -> list[str]:
        out = text
        for key, value in (
            ("host", target.host),
            ("number", str(target.number)),
            ("roots", target.roots),
            ("folder", str(target.folder)),
        ):
            out = out.replace(f"<<{key}>>", value)
        path = target.file(name, out)
        (target.folder / name).chmod(0o600)
        return [program, *(each.format(file=path) for each in words)]

    speech = {"mpop": "pop3", "fetchmail": "pop3", "msmtp": "smtp"}[program]
    return Caller(
        program,
        "OpenSSL" if program == "fetchmail" else "GnuTLS",
        command,
        program,
        (program, "--version"),
        said=_MAIL if speech == "smtp" else b"",
        speech=speech,
    )


_MAIL = b"Subject: hello\r\n\r\nhello\r\n"
_MSMTP = """account x
host <<host>>
port <<number>>
tls on
tls_starttls off
tls_trust_file <<roots>>
from nobody@example.org
account default : x
"""
_MPOP = """account x
host <<host>>
port <<number>>
tls on
tls_starttls off
tls_trust_file <<roots>>
user nobody
password none
delivery mbox <<folder>>/mbox
account default : x
"""
_FETCHMAIL = """poll <<host>> service <<number>> protocol pop3
  user nobody password none ssl sslcertck sslcertfile <<roots>>
"""

TOOLS: tuple[Caller, ...] = (
    Caller(
        *("NSS tstclnt", "NSS", _nss, "tstclnt"),
        ("dpkg-query", "-W", "-f", "${Version}", "libnss3"),
        said=GET,
        # It takes no RSA for signatures alone.
        key_type="ecdsa",
    ),
    _tool(
        *("Botan", "Botan tls_client", "tls_client", "{host}"),
        *("--port={number}", "--trusted-cas={roots}"),
        program="botan",
        show=("version",),
        said=GET,
    ),
    _tool(
        *("GnuTLS", "aria2", "--ca-certificate={roots}", "-q", "{url}"),
        *("--max-tries=1", "-d", "{folder}", "-o", "page"),
        "--allow-overwrite=true",
        program="aria2c",
    ),
    _tool(
        *("OpenSSL", "w3m", "-dump", "-o", "ssl_ca_file={roots}"),
        *("-o", "ssl_verify_server=1", "{url}"),
        show=("-version",),
    ),
    _tool("GnuTLS", "lynx", "-dump", "{url}", show=("-version",)),
    _tool(
        *("OpenSSL", "links", "-source", "-ssl.certificates", "2", "{url}"),
        show=("-version",),
    ),
    _tool("OpenSSL", "ApacheBench", "{url}", program="ab", show=("-V",)),
    _tool(
        *("OpenSSL", "wrk", "-t1", "-c1", "-d1", "{url}"),
        show=("-v",),
    ),
    _tool(
        "GnuTLS", "git", "-c", "http.sslCAInfo={roots}", "ls-remote", "{url}"
    ),
    _tool(
        *("OpenSSL", "ncat", "--ssl-verify", "--ssl-trustfile", "{roots}"),
        *("{host}", "{number}"),
        said=GET,
    ),
    _tool(
        *("OpenSSL", "socat", "-"),
        "OPENSSL:{host}:{number},cafile={roots},commonname={host}",
        show=("-V",),
        said=GET,
    ),
    _configured("msmtp", "msmtprc", _MSMTP, "-C", "{file}", "x@example.org"),
    _configured("mpop", "mpoprc", _MPOP, "-C", "{file}"),
    _configured("fetchmail", "fetchmailrc", _FETCHMAIL, "-f", "{file}", "-c"),
    _tool(
        *("OpenSSL", "s-nail", "-n", "-Sv15-compat", "-Ssmtp-auth=none"),
        *("-Stls-ca-file={roots}", "-Stls-verify=strict"),
        *("-Smta=smtps://{host}:{number}", "-Sfrom=nobody@example.org"),
        *("-s", "hello", "x@example.org"),
        said=b"hello\n",
        speech="smtp",
    ),
    _tool(
        *("OpenSSL", "swaks", "--tls-on-connect", "--tls-verify"),
        *("--tls-ca-path", "{roots}", "--server", "{host}", "-p", "{number}"),
        *("--to", "x@example.org", "--from", "y@example.org"),
        speech="smtp",
    ),
    Caller(
        "ldapsearch",
        "GnuTLS",
        plain(
            *("ldapsearch", "-x", "-H", "ldaps://{host}:{number}"),
            *("-b", "", "-s", "base"),
            again=False,
        ),
        "ldapsearch",
        ("ldapsearch", "-VV"),
        env=(("LDAPTLS_REQCERT", "demand"),),
        speech="ldap",
    ),
    _tool(
        *("OpenSSL", "redis-cli", "--tls", "--cacert", "{roots}"),
        *("-h", "{host}", "-p", "{number}", "PING"),
        speech="redis",
    ),
    _tool(
        *("OpenSSL", "mosquitto_pub", "-h", "{host}", "-p", "{number}"),
        *("--cafile", "{roots}", "-t", "x", "-m", "hello"),
        show=("--help",),
        speech="mqtt",
    ),
)
