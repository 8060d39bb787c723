"""Who accepts a chain: tlskit, ``openssl verify``, and Python's ``ssl``."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import NamedTuple

import tlskit
from tlskit.x509 import pem

from .odd import Odd, run

__all__ = ["Verdicts", "reason", "verdicts"]

#: Serves whatever has a certificate and a key.
_CIPHERS = "ALL:@SECLEVEL=0"


class Verdicts(NamedTuple):
    """What each says: empty is "accepted", else why not."""

    tlskit: str
    openssl: str
    ssl: str

    @property
    def agreed(self) -> bool:
        """Whether all accept or all refuse."""
        return len({not each for each in self}) == 1


class _Case(NamedTuple):
    """A chain and where its parts are."""

    odd: Odd
    folder: Path

    def path(self, name: str) -> str:
        return str(self.folder / name)


def _by_tlskit(case: _Case, *, strict: bool = False) -> str:
    context = tlskit.ClientContext("tls")
    context.load_verify_source(case.path(case.odd.roots))
    context.set_strict(strict)
    try:
        context.verify_chain(case.path(case.odd.file), hostname=case.odd.host)
    except tlskit.TLSError as error:
        return error.code
    return ""


def _certificates(path: str) -> tuple[bytes, ...]:
    data = Path(path).read_bytes()
    return pem.certificates(data) or (data,)


def _by_openssl(case: _Case, *options: str) -> str:
    """Ask the command."""
    leaf, *others = _certificates(case.path(case.odd.file))
    files = {"leaf.one": (leaf,), "others.one": tuple(others)}
    for name, ders in files.items():
        text = b"".join(pem.encoded("CERTIFICATE", der) for der in ders)
        (case.folder / name).write_bytes(text)
    if others:
        options = ("-untrusted", "others.one", *options)
    done = run(
        "openssl verify -no-CApath -no-CAstore -purpose sslserver "
        f"-CAfile {case.odd.roots} {_name(case.odd.host)} "
        f"{' '.join(options)} leaf.one",
        case.folder,
    )
    if not done.returncode:
        return ""
    found = re.search(r"lookup: ?(.*)", done.stderr)
    return found[1].strip() if found else done.stderr.strip()[:200]


def _name(host: str) -> str:
    is_address = host.replace(".", "").isdigit()
    return f"-verify_{'ip' if is_address else 'hostname'} {host}"


def _by_ssl(
    case: _Case,
    *,
    strict: bool = True,
    curve: str = "",
    common_names: bool = True,
) -> str:
    """Meet a server that shows the chain; both are in memory."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.create_default_context(cafile=case.path(case.odd.roots))
    client.hostname_checks_common_name = common_names
    if not strict:
        client.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if curve:
        client.set_ecdh_curve(curve)
        server.set_ecdh_curve(curve)
        client.maximum_version = ssl.TLSVersion.TLSv1_2
    chain = case.folder / "chain.one"
    ders = _certificates(case.path(case.odd.file))
    chain.write_bytes(
        b"".join(pem.encoded("CERTIFICATE", der) for der in ders)
    )
    try:
        server.set_ciphers(_CIPHERS)
        server.load_cert_chain(chain, case.path(case.odd.key), "sesame")
    except ssl.SSLError as error:
        return f"can't serve it: {_reason(error)}"
    return _meet(client, server, case.odd.host)


def _meet(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> str:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(down, up, server_hostname=host)
    theirs = server.wrap_bio(up, down, server_side=True)
    for _ in range(10):
        for each in (ours, theirs):
            try:
                each.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return _reason(error)
            if each is ours:
                return ""
    raise RuntimeError("the handshake does not end")


def _reason(error: ssl.SSLError) -> str:
    words = getattr(error, "verify_message", "")
    return words or (error.reason or str(error)).lower().replace("_", " ")


def verdicts(odd: Odd, folder: Path) -> Verdicts:
    """Ask all three."""
    case = _Case(odd, folder)
    return Verdicts(_by_tlskit(case), _by_openssl(case), _by_ssl(case))


# -- why they differ --------------------------------------------------------


def reason(odd: Odd, folder: Path, found: Verdicts) -> str:
    """Say why they differ; each reason is tried, by what it leaves.

    Returns:
        What was changed so that all three agree, and why; ``"?"`` if they
        still don't.
    """
    case = _Case(odd, folder)
    words: list[str] = []
    lax = _by_ssl(case, strict=False)
    if found.ssl != lax:
        words.append(
            "Python 3.13 asks for OpenSSL's strict rules; without "
            "VERIFY_X509_STRICT it "
            + (f"says: {lax}." if lax else "accepts.")
            + _strictly(case)
        )
    here, there = found.tlskit, found.openssl
    high = _by_openssl(case, "-auth_level", "2")
    if high and not there:
        words.append(
            "The command judges keys and digests by security level 1, "
            f"connections by 2; with -auth_level 2 it says: {high}."
        )
        there = high
    if here == "no-san" and not there:
        words.append(
            "The command and Python take the common name where there is no "
            "other, which RFC 9525 forbids"
        )
        there = here
        if not lax:
            lax = _by_ssl(case, strict=False, common_names=False)
            words[-1] += (
                f"; with hostname_checks_common_name=False Python says: {lax}."
            )
    if lax == "no shared cipher":
        words.append(_unshown(case, here))
        lax = here
        there = here if here == "unusable-key" else there
    agreed = len({not each for each in (here, there, lax)}) == 1
    return " ".join(words) if agreed else "?"


def _strictly(case: _Case) -> str:
    strict = _by_tlskit(case, strict=True)
    if not strict:
        return " With set_strict() tlskit accepts it, too."
    return f" With set_strict() tlskit refuses it: {strict}."


def _unshown(case: _Case, here: str) -> str:
    if here:
        return (
            "No handshake can be signed by such a key, so it never gets to a "
            "verdict; the command looks at the chain alone."
        )
    for curve in ("brainpoolP256r1", "secp256k1"):
        if not _by_ssl(case, strict=False, curve=curve):
            return (
                "Python's client does not name this curve, so it is shown no "
                f"certificate; with set_ecdh_curve({curve!r}) it accepts."
            )
    return "?"
