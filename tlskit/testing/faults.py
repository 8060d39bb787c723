"""Certificates with one thing wrong each."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from .leaf import Leaf
from .making import (
    DAY,
    DER,
    key_usage,
    name,
    new_key,
    san,
    sign,
    signed_with_sha1,
)

if TYPE_CHECKING:
    from .authority import CA

__all__ = ["BAD_KINDS", "bad_leaf"]

Names = tuple[str, ...]


def bad_leaf(ca: CA, kind: str, names: Names) -> Leaf:
    """Issue what ``CA.issue_bad`` promises."""
    if kind not in _MAKERS:
        raise ValueError(
            f"{kind!r} is no kind; there are: {', '.join(BAD_KINDS)}"
        )
    return _MAKERS[kind](ca, names)


def _expired(ca: CA, names: Names) -> Leaf:
    now = datetime.now(timezone.utc)
    return ca.issue(*names, valid=(now - 30 * DAY, now - 2 * DAY))


def _not_yet_valid(ca: CA, names: Names) -> Leaf:
    now = datetime.now(timezone.utc)
    return ca.issue(*names, valid=(now + 2 * DAY, now + 30 * DAY))


def _wrong_host(ca: CA, _names: Names) -> Leaf:
    return ca.issue("wrong.example")


def _self_signed(_ca: CA, names: Names) -> Leaf:
    key = new_key("ecdsa")
    now = datetime.now(timezone.utc)
    certificate = sign(
        name(names[0] if names else "nobody"),
        key.public_key(),
        None,
        key,
        extensions=(
            (x509.BasicConstraints(False, None), True),
            (key_usage(ca=False), True),
            (san(names), False),
        ),
        valid=(now - DAY, now + 90 * DAY),
    )
    return Leaf(key, (certificate,))


def _unknown_ca(ca: CA, names: Names) -> Leaf:
    return type(ca)("tlskit unknown CA").issue(*names)


def _no_san(ca: CA, names: Names) -> Leaf:
    return ca.issue(*names, with_san=False)


def _ip_as_dns(ca: CA, names: Names) -> Leaf:
    # Without an address there would be nothing wrong.
    given = names if any(map(_is_address, names)) else ("127.0.0.1",)
    return ca.issue(*names, san=san(given, address=x509.DNSName))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _missing_intermediate(ca: CA, names: Names) -> Leaf:
    leaf = ca.intermediate("tlskit hidden CA").issue(*names)
    return Leaf(leaf.key, leaf.chain[:1])


def _wrong_purpose(ca: CA, names: Names) -> Leaf:
    return ca.issue(*names, usages=[ExtendedKeyUsageOID.CODE_SIGNING])


def _weak_key(ca: CA, names: Names) -> Leaf:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - on purpose
    return ca.issue(*names, key=key)


def _weak_digest(ca: CA, names: Names) -> Leaf:
    below = ca.intermediate("tlskit SHA-1 CA", key_type="rsa")
    leaf = below.issue(*names)
    weak = signed_with_sha1(leaf.certificate, below.key)
    return Leaf(leaf.key, (weak, *below.chain))


def _name_constraints(ca: CA, names: Names) -> Leaf:
    permitted = [
        x509.DNSName("permitted.example"),
        # Else any address would do: a name says nothing about them.
        x509.IPAddress(ipaddress.ip_network("192.0.2.0/24")),
    ]
    below = ca.intermediate(
        "tlskit constrained CA",
        extensions=[(x509.NameConstraints(permitted, None), True)],
    )
    return below.issue(*names)


def _path_length(ca: CA, names: Names) -> Leaf:
    last = ca.intermediate("tlskit last CA", path_length=0)
    return last.intermediate("tlskit one CA too many").issue(*names)


def _wrong_clock(ca: CA, names: Names) -> Leaf:
    now = datetime.now(timezone.utc)
    valid = (now + 300 * DAY, now + 400 * DAY)
    below = ca.intermediate("tlskit CA of tomorrow", valid=valid)
    return below.issue(*names, valid=valid)


def _expired_intermediate(ca: CA, names: Names) -> Leaf:
    now = datetime.now(timezone.utc)
    valid = (now - 30 * DAY, now - 2 * DAY)
    return ca.intermediate("tlskit expired CA", valid=valid).issue(*names)


def _wrong_intermediate(ca: CA, names: Names) -> Leaf:
    leaf = ca.intermediate("tlskit twice made CA").issue(*names)
    other = ca.intermediate("tlskit twice made CA")
    return Leaf(leaf.key, (leaf.certificate, other.certificate))


def _untrusted_root(ca: CA, names: Names) -> Leaf:
    root = type(ca)("tlskit unknown CA")
    leaf = root.issue(*names)
    return Leaf(leaf.key, (leaf.certificate, root.certificate))


def _intercepted(ca: CA, names: Names) -> Leaf:
    return type(ca)("mitmproxy").issue(*names)


def _forged(ca: CA, names: Names) -> Leaf:
    leaf = ca.issue(*names)
    der = leaf.certificate.public_bytes(DER)
    at = der.rindex(leaf.certificate.signature) + 20
    damaged = der[:at] + bytes([der[at] ^ 1]) + der[at + 1 :]
    return Leaf(
        leaf.key, (x509.load_der_x509_certificate(damaged), *leaf.chain[1:])
    )


def _revoked(ca: CA, names: Names) -> Leaf:
    return ca.issue(*names)


_MAKERS: dict[str, Callable[[CA, Names], Leaf]] = {
    "expired": _expired,
    "not-yet-valid": _not_yet_valid,
    "wrong-host": _wrong_host,
    "self-signed": _self_signed,
    "unknown-ca": _unknown_ca,
    "no-san": _no_san,
    "ip-as-dns": _ip_as_dns,
    "missing-intermediate": _missing_intermediate,
    "wrong-purpose": _wrong_purpose,
    "weak-key": _weak_key,
    "weak-digest": _weak_digest,
    "name-constraints": _name_constraints,
    "path-length": _path_length,
    "revoked": _revoked,
    "wrong-clock": _wrong_clock,
    "expired-intermediate": _expired_intermediate,
    "wrong-intermediate": _wrong_intermediate,
    "untrusted-root": _untrusted_root,
    "intercepted": _intercepted,
    "forged": _forged,
}

#: What ``CA.issue_bad`` can do wrong.
BAD_KINDS = tuple(_MAKERS)
