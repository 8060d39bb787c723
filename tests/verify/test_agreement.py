"""On chains of all kinds, tlskit and other verifiers say the same.

Hypothesis makes chains with or without flaws.  A client of tlskit meets a
server that presents one; ``openssl verify`` and ``cryptography`` are asked
about the same chain, each for itself.
"""

from __future__ import annotations

import ipaddress
import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import event, given, settings
from hypothesis import strategies as st

import tlskit

from ..engines import client_engine, server_engine, shake
from ..peers import needs

pytestmark = needs("openssl")

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)
HOST = "www.a.example"

KEYS: list[Any] = [
    *(ec.generate_private_key(ec.SECP256R1()) for _ in range(6)),
    ec.generate_private_key(ec.SECP384R1()),
    rsa.generate_private_key(65537, 2048),
    rsa.generate_private_key(65537, 1024),
    ed25519.Ed25519PrivateKey.generate(),
]
DATES = {
    "good": (NOW - DAY, NOW + 30 * DAY),
    "expired": (NOW - 9 * DAY, NOW - DAY),
    "future": (NOW + DAY, NOW + 9 * DAY),
}
USAGES = {
    "server": [ExtendedKeyUsageOID.SERVER_AUTH],
    "both": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
    "client": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "any": [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE],
    "none": None,
}
NAMES = [
    HOST,
    "*.a.example",
    "WWW.A.Example",
    "a.example",
    "*.example",
    "*.www.a.example",
    "w*.a.example",
    "*",
    "www.*.example",
    "other.example",
    "www.a.example.",
    "192.0.2.1",
]
CONSTRAINTS = {
    "none": None,
    "fits": (["a.example"], None),
    "other": (["b.example"], None),
    "excluded": (None, ["a.example"]),
    "excluded other": (None, ["b.example"]),
    "address": (["192.0.2.0/24"], None),
}


class Issuer(NamedTuple):
    """How one CA of a chain is made."""

    key: Any
    dates: str = "good"
    is_ca: bool = True
    path_length: int | None = None
    signs: bool | None = True  # None leaves the key usage out.
    usages: str = "none"
    constraints: str = "none"
    critical: bool = False  # An extension that nobody knows.


class Plan(NamedTuple):
    """How a chain is made, and what is asked of it."""

    issuers: tuple[Issuer, ...]  # The root first.
    key: Any
    names: tuple[str, ...]
    common_name: str
    dates: str
    usages: str
    key_usage: str
    is_ca: bool
    flaw: str  # Of the signatures, or of what is sent.
    identifiers: bool
    host: str


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """Choose *usual* most of the time, or few chains would be good."""
    return st.sampled_from([usual] * (8 * len(others)) + list(others))


ISSUERS = st.builds(
    Issuer,
    key=mostly(KEYS[0], *KEYS),
    dates=mostly(*DATES),
    is_ca=mostly(True, False),
    path_length=mostly(None, 0, 1, 2),
    signs=mostly(True, False, None),
    usages=mostly("none", *USAGES),
    constraints=mostly(*CONSTRAINTS),
    critical=mostly(False, True),
)
PLANS = st.builds(
    Plan,
    issuers=st.lists(ISSUERS, min_size=1, max_size=4).map(tuple),
    key=mostly(KEYS[1], *KEYS),
    names=st.one_of(
        st.just((HOST,)),
        st.lists(st.sampled_from(NAMES), max_size=3, unique=True).map(tuple),
    ),
    common_name=mostly(HOST, "nobody"),
    dates=mostly(*DATES),
    usages=mostly("server", *USAGES),
    key_usage=mostly("signature", "none", "certificates", "encipherment"),
    is_ca=mostly(False, True),
    flaw=mostly(
        "none",
        *("leaf", "root", "gap", "reversed", "root sent", "stranger sent"),
    ),
    identifiers=mostly(True, False),
    host=mostly(HOST, "192.0.2.1", "other.example"),
)


class Chain(NamedTuple):
    """A chain that was made."""

    root: x509.Certificate
    sent: tuple[x509.Certificate, ...]
    key: Any


def key_usage(**wanted: bool) -> x509.KeyUsage:
    """Make a key usage with few bits set."""
    bits = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment"),
            *("data_encipherment", "key_agreement", "key_cert_sign"),
            *("crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    return x509.KeyUsage(**{**bits, **wanted})


def general(name: str) -> x509.GeneralName:
    """Make a name of the kind that it looks like."""
    if name[0].isdigit():
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def constraint(name: str) -> x509.GeneralName:
    """Make a constraint of the kind that it looks like."""
    if name[0].isdigit():
        return x509.IPAddress(ipaddress.ip_network(name))
    return x509.DNSName(name)


def sign(
    subject: str,
    key: Any,
    issuer: tuple[str, Any],
    dates: str,
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> x509.Certificate:
    """Sign one certificate."""
    names = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)])
        for each in (subject, issuer[0])
    ]
    builder = x509.CertificateBuilder(
        subject_name=names[0],
        issuer_name=names[1],
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=DATES[dates][0],
        not_valid_after=DATES[dates][1],
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    edwards = isinstance(issuer[1], ed25519.Ed25519PrivateKey)
    return builder.sign(issuer[1], None if edwards else hashes.SHA256())


def identifiers(
    plan: Plan, key: Any, signer: Any
) -> Iterator[tuple[x509.ExtensionType, bool]]:
    """Give the identifiers of key and issuer, if the plan has them."""
    if plan.identifiers:
        public, above = key.public_key(), signer.public_key()
        subject = x509.SubjectKeyIdentifier.from_public_key(public)
        yield subject, False
        yield (
            x509.AuthorityKeyIdentifier.from_issuer_public_key(above),
            False,
        )


def issuer_extensions(
    issuer: Issuer,
) -> Iterator[tuple[x509.ExtensionType, bool]]:
    """Give what makes a CA, or fails to."""
    length = issuer.path_length if issuer.is_ca else None
    yield x509.BasicConstraints(issuer.is_ca, length), True
    if issuer.signs is not None:
        signs = issuer.signs
        usage = key_usage(key_cert_sign=signs, digital_signature=not signs)
        yield usage, True
    if USAGES[issuer.usages]:
        yield x509.ExtendedKeyUsage(USAGES[issuer.usages] or []), False
    found = CONSTRAINTS[issuer.constraints]
    if found is not None:
        trees = [each and list(map(constraint, each)) for each in found]
        yield x509.NameConstraints(*trees), True
    if issuer.critical:
        oid = x509.ObjectIdentifier("1.2.3.4.5")
        yield x509.UnrecognizedExtension(oid, b"\x05\x00"), True


def leaf_extensions(
    plan: Plan,
) -> Iterator[tuple[x509.ExtensionType, bool]]:
    """Give what makes a server's certificate, or fails to."""
    yield x509.BasicConstraints(plan.is_ca, None), True
    bits = {
        "signature": {"digital_signature": True},
        "certificates": {"key_cert_sign": True},
        "encipherment": {"key_encipherment": True},
    }.get(plan.key_usage)
    if bits is not None:
        yield key_usage(**bits), True
    if USAGES[plan.usages]:
        yield x509.ExtendedKeyUsage(USAGES[plan.usages] or []), False
    if plan.names:
        names = map(general, plan.names)
        yield x509.SubjectAlternativeName(names), False


def make(plan: Plan) -> Chain:
    """Make what is planned."""
    made: list[x509.Certificate] = []
    above = ("CA 0", plan.issuers[0].key)
    stranger = KEYS[5]
    for number, issuer in enumerate(plan.issuers):
        name = f"CA {number}"
        signer = stranger if plan.flaw == "root" and number == 1 else above[1]
        extensions = [
            *identifiers(plan, issuer.key, above[1]),
            *issuer_extensions(issuer),
        ]
        made.append(
            sign(
                *(name, issuer.key, (above[0], signer)),
                *(issuer.dates, extensions),
            )
        )
        above = (name, issuer.key)
    signer = stranger if plan.flaw == "leaf" else above[1]
    extensions = [
        *identifiers(plan, plan.key, above[1]),
        *leaf_extensions(plan),
    ]
    leaf = sign(
        *(plan.common_name, plan.key, (above[0], signer)),
        *(plan.dates, extensions),
    )
    root, *others = made
    sent = others[::-1]
    if plan.flaw == "gap":
        del sent[:1]
    elif plan.flaw == "reversed":
        sent.reverse()
    elif plan.flaw == "root sent":
        sent.append(root)
    elif plan.flaw == "stranger sent":
        sent.insert(0, leaf)
    return Chain(root, (leaf, *sent), plan.key)


# -- the verifiers ----------------------------------------------------------


def trusting(chain: Chain, *, strict: bool) -> tlskit.ClientContext:
    """Make a client that trusts the chain's root."""
    client = tlskit.ClientContext("auto")
    pem = chain.root.public_bytes(Encoding.PEM)
    client.load_verify_source(tlskit.VerifySource.pem(pem))
    client.set_verify()
    client.set_verify_hostname()
    client.set_strict(strict)
    return client


def tlskit_accepts(plan: Plan, chain: Chain, *, strict: bool) -> bool:
    """Have a client of tlskit meet a server with *chain*."""
    return tlskit_refuses(plan, chain, strict=strict) is None


def tlskit_refuses(
    plan: Plan, chain: Chain, *, strict: bool
) -> tlskit.VerificationError | None:
    """The same; give the error."""
    client = trusting(chain, strict=strict)
    server = tlskit.ServerContext()
    server.set_ciphers("ECDHE+AESGCM:@SECLEVEL=0")  # For the weak key.
    server.load_certificate_chain(chain.sent)
    server.load_private_key(chain.key)
    ours, theirs = client_engine(client, plan.host), server_engine(server)
    try:
        shake(ours, theirs)
    except tlskit.VerificationError as error:
        assert error.hint
        return error
    return None


def openssl_accepts(plan: Plan, chain: Chain, *options: str) -> bool:
    """Ask ``openssl verify``, with the security level that TLS has."""
    check = "-verify_ip" if plan.host[0].isdigit() else "-verify_hostname"
    with TemporaryDirectory() as directory:
        for name, certificates in (
            ("root.pem", (chain.root,)),
            ("leaf.pem", chain.sent[:1]),
            ("sent.pem", chain.sent[1:]),
        ):
            Path(directory, name).write_bytes(
                b"".join(
                    each.public_bytes(Encoding.PEM) for each in certificates
                )
            )
        sent = ("-untrusted", "sent.pem") if chain.sent[1:] else ()
        done = subprocess.run(
            [
                *("openssl", "verify", "-CAfile", "root.pem", "-no-CApath"),
                *("-no-CAstore", "-purpose", "sslserver", *sent, *options),
                *("-auth_level", "2", check, plan.host, "leaf.pem"),
            ],
            cwd=directory,
            env=dict(os.environ, OPENSSL_CONF=os.devnull, LC_ALL="C"),
            capture_output=True,
            timeout=30,
            check=False,
        )
    assert done.returncode in {0, 2}, done.stderr
    return done.returncode == 0


def cryptography_accepts(plan: Plan, chain: Chain) -> bool:
    """Ask the verifier of ``cryptography``."""
    subject: x509.DNSName | x509.IPAddress = x509.DNSName(plan.host)
    if plan.host[0].isdigit():
        subject = x509.IPAddress(ipaddress.ip_address(plan.host))
    builder = verification.PolicyBuilder().time(NOW)
    builder = builder.store(verification.Store([chain.root]))
    try:
        builder.build_server_verifier(subject).verify(
            chain.sent[0], list(chain.sent[1:])
        )
    except verification.VerificationError:
        return False
    return True


# -- what must hold ---------------------------------------------------------


def is_known_difference(plan: Plan) -> bool:
    """Say whether ``openssl verify`` is known to be laxer about the name.

    It lets a wildcard stand for a part of a label, and falls back to the
    common name where there are no host names, be there addresses or not.
    RFC 9525 allows neither (sections 6.3 and 2), and neither do we.
    """
    hosts = [name for name in plan.names if not name[0].isdigit()]
    return plan.host == HOST and (
        "w*.a.example" in hosts or (not hosts and plan.common_name == HOST)
    )


@settings(max_examples=60)
@given(PLANS)
def test_default_agrees_with_openssl(plan: Plan) -> None:
    """By default tlskit accepts and refuses as ``openssl verify`` does."""
    chain = make(plan)
    ours = tlskit_accepts(plan, chain, strict=False)
    theirs = openssl_accepts(plan, chain)
    event(f"accepted: {ours}")

    if is_known_difference(plan):
        assert theirs or not ours
    else:
        assert ours == theirs


@settings(max_examples=60)
@given(PLANS)
def test_strict_is_the_stricter_of_two(plan: Plan) -> None:
    """Strict mode accepts only what both verifiers accept alone."""
    chain = make(plan)
    error = tlskit_refuses(plan, chain, strict=True)
    ours = error is None
    first = openssl_accepts(plan, chain, "-x509_strict")
    second = cryptography_accepts(plan, chain)
    event(f"strict: {ours}, openssl: {first}, cryptography: {second}")

    # Some rules are enforced by neither; see test_strict_profile.
    if error is not None and "set_strict() refuses" in str(error):
        ours = True
    assert ours == (first and second)


# Without the capability "verify-purpose" it can't look at all key usages.
@pytest.mark.native
@pytest.mark.timeout(300)
@settings(max_examples=1000)
@given(PLANS, st.booleans())
def test_a_verdict_needs_no_connection(plan: Plan, strict: bool) -> None:
    """A handshake and verify_chain() say the same of every chain."""
    chain = make(plan)
    error = tlskit_refuses(plan, chain, strict=strict)
    code = None
    try:
        trusting(chain, strict=strict).verify_chain(
            chain.sent, hostname=plan.host
        )
    except tlskit.VerificationError as other:
        code = other.code
    event(f"strict: {strict}, code: {code}")

    assert (error is None) == (code is None)


GOOD = Plan(
    issuers=(Issuer(KEYS[0]), Issuer(KEYS[2])),
    key=KEYS[1],
    names=(HOST,),
    common_name=HOST,
    dates="good",
    usages="server",
    key_usage="signature",
    is_ca=False,
    flaw="none",
    identifiers=True,
    host=HOST,
)


def test_a_good_chain_is_accepted_by_all() -> None:
    """What is compared above is not only refusals."""
    chain = make(GOOD)

    assert tlskit_accepts(GOOD, chain, strict=False)
    assert tlskit_accepts(GOOD, chain, strict=True)
    assert openssl_accepts(GOOD, chain, "-x509_strict")
    assert cryptography_accepts(GOOD, chain)


@pytest.mark.parametrize(
    "changes",
    [
        {"names": ("w*.a.example",)},
        {"names": (), "common_name": HOST},
    ],
)
def test_known_differences(changes: dict[str, Any]) -> None:
    """The differences exist, and tlskit is on the strict side of them."""
    plan = GOOD._replace(**changes)
    chain = make(plan)

    assert is_known_difference(plan)
    assert openssl_accepts(plan, chain)
    assert not tlskit_accepts(plan, chain, strict=False)
