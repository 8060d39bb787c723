"""Write ``explain.rst`` from real handshakes: ``python docs/make_explain.py``.

Each cause is brought about between two ports in memory, and the page shows
what ``error.explain()`` says then.  A test runs the same and compares.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import tlskit
from tlskit.testing import CA, Leaf, memory_pair, pipe

__all__ = ["CAUSES", "PAGE", "Cause", "page"]

PAGE = Path(__file__).with_name("explain.rst")
HOST = "www.example.com"
_NOW = datetime.now(timezone.utc)
_DAY = timedelta(days=1)
_ROOT = CA("Example Root CA")
_GOOD = _ROOT.issue(HOST)


class Cause(NamedTuple):
    """One usual cause of failure."""

    title: str
    #: What is the case, in a sentence.
    text: str
    #: Makes it fail; gives the error.
    run: Callable[[], tlskit.TLSError]


def failure(function: Callable[[], object]) -> tlskit.TLSError:
    """Give the error that *function* raises."""
    try:
        function()
    except tlskit.TLSError as error:
        return error
    raise AssertionError("nothing failed")


def client(root: CA = _ROOT) -> tlskit.ClientContext:
    """Make a client that trusts one root."""
    context = tlskit.ClientContext("auto")
    root.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    return context


def server(
    leaf: Leaf = _GOOD, protocol: str = "secure"
) -> tlskit.ServerContext:
    """Make a server with a certificate."""
    context = tlskit.ServerContext(protocol)
    # Else this server's own library would refuse what is weak.
    context.set_ciphers("ECDHE+AESGCM:@SECLEVEL=0")
    leaf.apply(context)
    return context


def meeting(
    ours: tlskit.ClientContext,
    theirs: tlskit.ServerContext,
    hostname: str = HOST,
) -> tlskit.TLSError:
    """Have a client meet a server, and fail."""
    return failure(lambda: memory_pair(ours, theirs, hostname=hostname))


def bad(kind: str, *names: str) -> Callable[[], tlskit.TLSError]:
    """Meet a server with a certificate that ``CA.issue_bad`` makes."""
    return lambda: meeting(
        client(), server(_ROOT.issue_bad(kind, *(names or (HOST,))))
    )


def _expired_root() -> tlskit.TLSError:
    old = CA("Example Old Root", valid=(_NOW - 90 * _DAY, _NOW - 9 * _DAY))
    return meeting(client(old), server(old.issue(HOST)))


def _no_roots() -> tlskit.TLSError:
    context = tlskit.ClientContext("auto")
    context.set_verify()
    context.set_verify_hostname()
    return meeting(context, server())


def _wrong_host() -> tlskit.TLSError:
    leaf = _ROOT.issue("example.com", "ww.example.com", "mail.example.com")
    return meeting(client(), server(leaf))


def _address_as_name() -> tlskit.TLSError:
    leaf = _ROOT.issue_bad("ip-as-dns", "192.0.2.1")
    return meeting(client(), server(leaf), "192.0.2.1")


def _revoked() -> tlskit.TLSError:
    # Whoever trusts a root that has revoked something gets its list as well;
    # so it is none of the others'.
    root = CA("Example Root CA")
    leaf = root.issue_bad("revoked", HOST)
    return meeting(client(root), server(leaf))


def _no_list() -> tlskit.TLSError:
    context = client()
    context.load_crls(CA("Example Other CA").crl())
    return meeting(context, server())


def _revoked_by_ocsp() -> tlskit.TLSError:
    theirs = server()
    theirs.set_ocsp_response(_ROOT.ocsp(_GOOD, "revoked"))
    context = client()
    context.set_ocsp("check")
    return meeting(context, theirs)


def _no_ocsp() -> tlskit.TLSError:
    context = client()
    context.set_ocsp("require")
    return meeting(context, server())


def _pins() -> tlskit.TLSError:
    context = client()
    context.set_pins(["sha256/" + "A" * 43 + "="])
    return meeting(context, server())


def _strict() -> tlskit.TLSError:
    leaf = _ROOT.intermediate("Example CA", key_type="ed25519").issue(HOST)
    context = client()
    context.set_strict()
    return meeting(context, server(leaf))


def _versions() -> tlskit.TLSError:
    ours = tlskit.ClientContext("tls12")
    return meeting(ours, server(protocol="tls13"))


def _ciphers() -> tlskit.TLSError:
    ours = tlskit.ClientContext("tls12")
    ours.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
    return meeting(ours, server())


def _demanding() -> tlskit.ServerContext:
    context = server(protocol="tls13")
    _ROOT.trust(context)
    context.set_verify()
    return context


def _no_client_certificate() -> tlskit.TLSError:
    return meeting(client(), _demanding())


def _seen_by_client(leaf: Leaf | None) -> tlskit.TLSError:
    """Be refused; TLS 1.3 tells a client so at its first read."""
    left, right = pipe()
    theirs = _demanding()

    def accept() -> None:
        with suppress(OSError):
            tlskit.ports_to_ssl_ports(
                right, right, mode="accept", context=theirs
            )

    ours = client()
    if leaf is not None:
        leaf.apply(ours)
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    port = tlskit.ports_to_ssl_ports(
        left, left, mode="connect", context=ours, hostname=HOST
    )
    port.settimeout(10)
    error = failure(lambda: port.recv(1))
    thread.join(10)
    return error


def _bad_client_certificate() -> tlskit.TLSError:
    ours = client()
    CA("Example Partner CA").issue("me.example").apply(ours)
    return meeting(ours, _demanding())


def _plain_http() -> tlskit.TLSError:
    left, right = pipe()
    right.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    return failure(
        lambda: tlskit.ports_to_ssl_ports(
            left, left, mode="connect", context=client(), hostname=HOST
        )
    )


def _http_client() -> tlskit.TLSError:
    left, right = pipe()
    right.write(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
    return failure(
        lambda: tlskit.ports_to_ssl_ports(
            left, left, mode="accept", context=server()
        )
    )


CAUSES = {
    "missing-intermediate": Cause(
        "A missing intermediate certificate",
        "The server sends its own certificate only, not that of the CA which "
        "stands between it and the root.",
        bad("missing-intermediate"),
    ),
    "wrong-intermediate": Cause(
        "An outdated intermediate certificate",
        "The CA has a new key, and the server still sends the certificate of "
        "the old one, or the other way round.",
        bad("wrong-intermediate"),
    ),
    "self-signed": Cause(
        "A self-signed certificate",
        "The server made its certificate itself.",
        bad("self-signed"),
    ),
    "unknown-ca": Cause(
        "A private CA that is not loaded",
        "The server's certificate is of a CA that this machine does not know.",
        bad("unknown-ca"),
    ),
    "untrusted-root": Cause(
        "A root that is sent, but not trusted",
        "The server sends its root along, as if that would help.",
        bad("untrusted-root"),
    ),
    "no-roots": Cause(
        "No roots at all",
        "The context verifies, but was never told whom to trust.",
        _no_roots,
    ),
    "intercepted": Cause(
        "A corporate proxy, or a virus scanner",
        "Something on the way breaks TLS open and makes certificates of its "
        "own.",
        bad("intercepted"),
    ),
    "expired": Cause(
        "An expired certificate",
        "Nobody renewed the server's certificate in time.",
        bad("expired"),
    ),
    "expired-intermediate": Cause(
        "An expired intermediate",
        "The server's own certificate is fine, but its CA's is over.",
        bad("expired-intermediate"),
    ),
    "expired-root": Cause(
        "An expired root",
        "The trusted roots of this machine are too old.",
        _expired_root,
    ),
    "not-yet-valid": Cause(
        "A certificate that is not valid yet",
        "Either it was made for later, or a clock is wrong.",
        bad("not-yet-valid"),
    ),
    "wrong-clock": Cause(
        "A wrong clock",
        "Nothing that the server sends is valid yet: this machine's clock is "
        "slow.",
        bad("wrong-clock"),
    ),
    "wrong-host": Cause(
        "A wrong host name",
        "The certificate is trusted, but names other hosts.",
        _wrong_host,
    ),
    "no-san": Cause(
        "A certificate without subjectAltName",
        "Its common name is the right one, which has not counted for a long "
        "time.",
        bad("no-san"),
    ),
    "ip-as-dns": Cause(
        "An IP address as a DNS name",
        "The address stands in the certificate, but in the wrong place.",
        _address_as_name,
    ),
    "wrong-purpose": Cause(
        "A wrong purpose",
        "The certificate was issued to sign code, not to serve.",
        bad("wrong-purpose"),
    ),
    "weak-key": Cause(
        "A weak key",
        "The server's RSA key has 1024 bits.",
        bad("weak-key"),
    ),
    "weak-digest": Cause(
        "A weak digest",
        "The CA signed the certificate with SHA-1.",
        bad("weak-digest"),
    ),
    "forged": Cause(
        "A changed certificate",
        "The signature does not fit the certificate.",
        bad("forged"),
    ),
    "name-constraints": Cause(
        "Name constraints",
        "The intermediate may not issue certificates for this name.",
        bad("name-constraints"),
    ),
    "path-length": Cause(
        "A path that is too long",
        "An intermediate issued another one, which it may not.",
        bad("path-length"),
    ),
    "revoked": Cause(
        "A revoked certificate",
        "The CA took the certificate back, and its revocation list says so.",
        _revoked,
    ),
    "crl-missing": Cause(
        "A missing revocation list",
        "Lists are demanded, but none of the server's CA is loaded.",
        _no_list,
    ),
    "ocsp-revoked": Cause(
        "A certificate that OCSP calls revoked",
        "The server staples what its CA says of it.",
        _revoked_by_ocsp,
    ),
    "ocsp-missing": Cause(
        "A missing OCSP response",
        "The client demands a stapled response, and the server has none.",
        _no_ocsp,
    ),
    "pin-mismatch": Cause(
        "A key that is not pinned",
        "The chain is trusted, but has none of the keys that the client "
        "wants.",
        _pins,
    ),
    "second-verifier": Cause(
        "Two verifiers disagree",
        "``set_strict()`` asks two, and here the second one refuses.",
        _strict,
    ),
    "no-version": Cause(
        "No TLS version in common",
        "The client speaks TLS 1.2 only, the server TLS 1.3 only.",
        _versions,
    ),
    "no-cipher": Cause(
        "No cipher suite in common",
        "The client wants ChaCha20, the server AES.",
        _ciphers,
    ),
    "no-client-certificate": Cause(
        "A client certificate is required, says the server",
        "The server demands a certificate, and the client has none.",
        _no_client_certificate,
    ),
    "certificate-required": Cause(
        "A client certificate is required, says the client",
        "The same from the other side: the peer ended the handshake.",
        lambda: _seen_by_client(None),
    ),
    "client-refused": Cause(
        "A client certificate is refused, says the server",
        "The client's certificate is of a CA that the server does not trust.",
        _bad_client_certificate,
    ),
    "unknown-ca-alert": Cause(
        "A client certificate is refused, says the client",
        "The same from the other side.",
        lambda: _seen_by_client(CA("Example Partner CA").issue("me.example")),
    ),
    "plain-http": Cause(
        "A server that speaks plain HTTP",
        "The port is the wrong one, or the server speaks no TLS there.",
        _plain_http,
    ),
    "http-client": Cause(
        "A client that speaks plain HTTP",
        "Somebody typed http:// instead of https://.",
        _http_client,
    ),
}

# What differs from run to run, or from library to library.
_VOLATILE = (
    (r"PEM data \(\d+ bytes\)", "PEM data (600 bytes)"),
    (r" \(OpenSSL: [^)]*\)", ""),
    (r"(?<=refuses it: ).*", "..."),
    (r"'Example Root CA' sha256/[\w+/=]+", "'Example Root CA' sha256/RRR="),
    (r"'www.example.com' sha256/[\w+/=]+", "'www.example.com' sha256/LLL="),
)


_TODAY = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)


def _as_if_today(found: re.Match[str]) -> str:
    """Move a date, by whole days, to where it is as seen from ``_TODAY``."""
    moment = datetime.strptime(found[0], "%Y-%m-%dT%H:%M:%S%z")
    moved = _TODAY + round((moment - _NOW) / _DAY) * _DAY
    return moved.strftime("%Y-%m-%dT%H:%M:%SZ")


def normalised(text: str) -> str:
    """Take out of *text* what differs from run to run."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", _as_if_today, text)
    for pattern, replacement in _VOLATILE:
        text = re.sub(pattern, replacement, text)
    return text


def _lines() -> Iterator[str]:
    yield from (
        ".. Made by docs/make_explain.py; change that, and run it again.",
        "",
        "What errors explain",
        "===================",
        "",
        (
            "Every failure says what happened, what was expected and found, "
            "and what to do about it: ``error.explain()`` gives it as text, "
            "and the attributes of :class:`~tlskit.VerificationError` as data."
        ),
        (
            "These are real runs, one for each of the usual causes; dates and "
            "keys are replaced."
        ),
        "",
    )
    for cause in CAUSES.values():
        error = cause.run()
        yield from (cause.title, "-" * len(cause.title), "", cause.text)
        facts = f"``{type(error).__name__}``, code ``{error.code}``"
        if isinstance(error, tlskit.VerificationError):
            facts += f", reason ``{error.reason.name}``"
        if isinstance(error, tlskit.HandshakeError):
            ended = {"us": "we", "peer": "the peer"}[error.ended_by]
            facts += f"; {ended} ended the handshake"
        yield from ("", f"{facts}.", "", ".. code-block:: text", "")
        for line in normalised(error.explain()).splitlines():
            yield f"    {line}".rstrip()
        yield ""


def page() -> str:
    """Run all causes, and give the page."""
    return "\n".join(_lines())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
