"""A second verifier judges the same chain: that of ``cryptography``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from ...errors import VerificationError
from ...errors.codes import VerifyReason
from ...errors.verify_reasons import verification_story
from ...tools.threads import undisturbed
from ...x509.gate import oid, x509
from ...x509.gate import verification as second
from ...x509.glimpse import Glimpse, shown
from ...x509.names import is_self_issued
from ...x509.reading import (
    certificate,
    complaint_of,
    extension,
    readable,
    unreadable,
)
from ..identity import Identity
from ..scene import VerificationScene, refusal

__all__ = ["ACCEPTED", "FIRST", "SECOND", "second_opinion"]

#: The two verifiers, as ``verdicts`` names them, and a verdict of theirs.
FIRST, SECOND = "OpenSSL", "cryptography"
ACCEPTED = "accepted"

Address = IPv4Address | IPv6Address
#: That verifier's own limit.
_DEPTH = 8
#: It can't weigh such a constraint, and so refuses whatever is below it.
#: OpenSSL can, and has.
_BEYOND = "contains an unsupported directoryName constraint"
#: Debugging output of a program that is written in Rust.
_ALGORITHM = re.compile(
    r"(algorithm): AlgorithmIdentifier .*params: (\w+).*", re.DOTALL
)
_LIMIT = "; that is a limit of the second verifier: do without set_strict()"
#: What it says, and what would help, where that is no other certificate.
_HINTS = (
    (
        "can't create an empty store",
        "the second verifier can read none of the trusted roots" + _LIMIT,
    ),
    (
        "Forbidden public key algorithm",
        "it takes RSA and the NIST curves only, as the CA/Browser Forum does, "
        "and no Ed25519, Ed448 or ML-DSA" + _LIMIT,
    ),
    (
        "Forbidden signature algorithm",
        "it takes RSA and ECDSA signatures only, as the CA/Browser Forum "
        "does" + _LIMIT,
    ),
    (
        "exceeds max depth",
        "allow as many CAs as there are with set_verify_depth()",
    ),
    (
        "max signature checks",
        "let the peer send no more certificates than belong to its chain",
    ),
)


def second_opinion(
    chain_ders: Sequence[bytes],
    roots: tuple[bytes, ...],
    *,
    identity: Identity | None,
    at: datetime | None,
    server_side: bool,
    scene: VerificationScene,
    depth: int | None = None,
) -> None:
    """Let ``cryptography.x509.verification`` judge the same chain.

    It is written in another language by other people than OpenSSL is, and
    follows the stricter profile of the CA/Browser Forum.

    Args:
        chain_ders: DER, as the peer sent it, its own first.
        roots: What is trusted, DER.
        identity: Whom to look for: a host name or an address.  Somebody else
            compares a URI or a service.  None is for any.
        at: The moment that counts; None for now.
        server_side: The peer is a client.
        scene: What the error should tell.
        depth: How many CAs may stand between the peer and a root; None is
            as many as the peer sends.

    Raises:
        VerificationError: It refuses; the code is ``second-verifier``, and
            ``verdicts`` has the words of both.
    """
    dns = None if identity is None else identity.dns
    name = None if dns is None else dns.decode("ascii")
    address = None if identity is None else identity.ip
    of_no_host = identity is not None and not identity.is_host

    def ask(anchors: tuple[bytes, ...]) -> None:
        leaf = certificate(chain_ders[0])
        rest = list(_known(chain_ders[1:]))
        verify: Callable[..., object]
        policy = second.PolicyBuilder().store(_store(anchors))
        policy = policy.time(at or scene.now)
        policy = policy.max_chain_depth(
            max(_DEPTH, len(rest)) if depth is None else depth
        )
        if server_side:
            verify = policy.build_client_verifier().verify
        elif of_no_host or "_" in (name or ""):
            # It takes no underscore in a host name.  Names are compared by
            # service-identity anyway.
            verify = _of_no_host(policy).build_client_verifier().verify
        else:
            subject = _subject(leaf, name, address)
            verify = policy.build_server_verifier(subject).verify
        # It takes Ctrl-C for a signature that does not match.
        undisturbed(lambda: verify(leaf, rest))

    try:
        _ask(ask, roots, scene)
    except Exception as error:  # A parser of strangers' bytes.
        raise _refused(error, scene) from error


def _ask(
    ask: Callable[[tuple[bytes, ...]], None],
    roots: tuple[bytes, ...],
    scene: VerificationScene,
) -> None:
    """Ask, and see where the other verifier falls short of RFC 5280."""
    try:
        ask(roots)
    except Exception as error:
        if _BEYOND in str(error):
            return
        # It counts CAs that issued themselves, as with a new key, against
        # the path length, though they don't count (section 6.1.4).  Below
        # the first of them it can judge.
        for der in scene.built[1:-1]:
            if is_self_issued(readable(der)):
                ask((der,))
                return
        raise


def _known(ders: Iterable[bytes]) -> Iterator[x509.Certificate]:
    """Leave out what that verifier can't read, and so not build upon."""
    for der in ders:
        try:
            yield certificate(der)
        except unreadable():
            continue


@lru_cache(maxsize=8)
def _store(roots: tuple[bytes, ...]) -> second.Store:
    """Keep the store of the same roots; there may be hundreds."""
    return second.Store(list(_known(roots)))


def _subject(
    leaf: x509.Certificate, name: str | None, address: Address | None
) -> x509.DNSName | x509.IPAddress:
    """Say whom the second verifier shall look for.

    It can't verify a server of no name.  Where nobody wants one checked, it
    gets one that the certificate itself gives.
    """
    if address is not None:
        return x509.IPAddress(address)
    if name is not None:
        return x509.DNSName(name)
    for each in extension(leaf, x509.SubjectAlternativeName) or ():
        if isinstance(each, x509.IPAddress):
            return x509.IPAddress(each.value)
        if isinstance(each, x509.DNSName):
            return x509.DNSName(each.value.replace("*", "any", 1))
    raise ValueError("the certificate names no host")


def _of_no_host(policy: second.PolicyBuilder) -> second.PolicyBuilder:
    """Have clients judged like servers: a URI or a service is no host."""
    return policy.extension_policies(
        ca_policy=second.ExtensionPolicy.webpki_defaults_ca(),
        ee_policy=second.ExtensionPolicy.webpki_defaults_ee().may_be_present(
            x509.ExtendedKeyUsage,
            second.Criticality.AGNOSTIC,
            _check_for_servers,
        ),
    )


def _check_for_servers(
    _policy: second.Policy,
    _certificate: x509.Certificate,
    usages: x509.ExtendedKeyUsage | None,
) -> None:
    kinds = oid.ExtendedKeyUsageOID
    if usages is not None and not {
        kinds.SERVER_AUTH,
        kinds.ANY_EXTENDED_KEY_USAGE,
    }.intersection(usages):
        raise ValueError("the certificate is not meant for servers")


def _refused(error: Exception, scene: VerificationScene) -> VerificationError:
    """Make the error that tells who said what."""
    leaf = next(iter(scene.presented), None)
    words = shown(_ALGORITHM.sub(r"\1: \2", complaint_of(error)), 300)
    story = verification_story(VerifyReason.SECOND_VERIFIER, 0)
    hint = next((each for cue, each in _HINTS if cue in words), story.hint)
    return refusal(
        VerifyReason.SECOND_VERIFIER,
        story._replace(hint=hint),
        f"{FIRST} accepts the {scene.peer}'s certificate "
        f"{Glimpse(leaf).name!r} (depth 0), but the second verifier "
        f"({SECOND}) refuses it: {words}",
        scene,
        der=leaf,
        verdicts={FIRST: ACCEPTED, SECOND: f"refused: {words}"},
    )
