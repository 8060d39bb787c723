"""Judge a peer's chain without a connection to the peer.

What OpenSSL does in a handshake is done here with a chain that is at hand, so
that people can be told what another policy, or another time, would have said.
It decides nothing about connections.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ..errors import ConfigurationError, IdentityError, VerificationError
from ..errors.codes import VerifyReason
from ..openssl import native
from ..openssl.gate import crypto, translated
from ..trust import Roots
from ..x509.gate import Encoding, dsa, x509
from ..x509.glimpse import Glimpse
from ..x509.reading import unreadable
from .chain import Pin, check_pins, explain_faults, second_opinion
from .evidence import certificates_of, parsed
from .hostname import is_barred
from .identity import Identity
from .scene import Fault, VerificationScene, malformed
from .strength import LEVEL, is_short, is_weak, level_of
from .strict.profile import check_profile
from .transparency.logs import Transparency
from .transparency.timestamps import check_transparency

if TYPE_CHECKING:
    from typing import TypeAlias

    from ..policy.settings import Settings

__all__ = ["Policy", "judge", "judge_ders"]

Chain: TypeAlias = "tuple[x509.Certificate, ...]"

#: X509_V_FLAG_NO_CHECK_TIME; pyOpenSSL has no name for it.
_NO_CHECK_TIME = 0x200000
#: OpenSSL's name of each purpose, and the extended key usages that suit.
_PURPOSES: dict[str, tuple[str, set[str]]] = {
    "server": ("X509_PURPOSE_SSL_SERVER", {"serverAuth", "any"}),
    "client": ("X509_PURPOSE_SSL_CLIENT", {"clientAuth", "any"}),
    "any": ("X509_PURPOSE_ANY", set()),
}


@dataclass(frozen=True)
class Policy:
    """By what a peer's chain is judged."""

    roots: tuple[Roots, ...]
    #: Whom we mean; None for anybody.
    identity: Identity | None
    #: Certificates that are trusted besides.
    also: Chain = ()
    #: What may help to build a path, DER, and is not trusted.
    others: tuple[bytes, ...] = ()
    #: Whether a second verifier must accept, too; see ``set_strict()``.
    strict: bool = False
    #: Whether a trusted certificate need not be a root.
    partial: bool = False
    #: The moment that counts; None for now.
    at: datetime | None = None
    #: Whether dates count at all.
    dated: bool = True
    #: Revocation lists, and who has to be in the scope of one: ``"off"``,
    #: ``"leaf"`` for the peer's own certificate, or ``"chain"``.
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    check: str = "off"
    #: How many CAs may stand between the peer and its root.
    depth: int | None = None
    #: What the certificate is for: ``"server"``, ``"client"`` or ``"any"``.
    purpose: str = "server"
    #: One of these keys has to be in the path, if there are any.
    pins: tuple[Pin, ...] = ()
    #: What is asked of its timestamps by logs.
    transparency: Transparency | None = None
    #: We are the server, the peer is a client.
    server_side: bool = False
    #: OpenSSL's security level.
    level: int = LEVEL

    @classmethod
    def of(
        cls,
        settings: Settings,
        identity: Identity | None,
        *,
        server_side: bool,
        at: datetime | None = None,
    ) -> Policy:
        """Take the rules of a context.

        Args:
            settings: The context's, with what its sources hold now.
            identity: Whom we mean; None for anybody.
            server_side: We are the server, the peer is a client.
            at: The moment that counts; None for the context's own, else now.
        """
        purpose = settings.purpose
        if purpose is None:
            words = "client" if server_side else "server"
        else:
            words = purpose.value
        return cls(
            settings.roots,
            identity,
            others=settings.intermediates,
            strict=settings.strict,
            partial=settings.partial_chain,
            at=at or settings.verification_time,
            crls=settings.crls,
            check=settings.revocation_check.value,
            depth=settings.verify_depth,
            purpose=words,
            pins=settings.pins,
            server_side=server_side,
            level=level_of(settings),
        )

    @property
    def ders(self) -> tuple[bytes, ...]:
        """All that is trusted, DER, once each."""
        own = (der for roots in self.roots for der in roots.ders)
        return tuple(dict.fromkeys((*own, *map(_der, self.also))))


def judge(chain: Chain, policy: Policy) -> Chain:
    """Verify a peer's chain that was read already; see ``judge_ders``."""
    return certificates_of(judge_ders(tuple(map(_der, chain)), policy))


def judge_ders(chain: tuple[bytes, ...], policy: Policy) -> tuple[bytes, ...]:
    """Verify a peer's chain.

    Args:
        chain: As the peer sent it, DER, its own certificate first.
        policy: What to judge by.

    Returns:
        The path to a trusted certificate, DER, the peer's own first.

    Raises:
        VerificationError: The chain is not acceptable.
    """
    path, faults = _build(chain, policy)
    scene = VerificationScene(
        presented=chain,
        built=path,
        expected=None if policy.identity is None else policy.identity.text,
        sources=tuple(str(each.source) for each in policy.roots),
        roots=len(policy.ders),
        server_side=policy.server_side,
        at=policy.at,
        crls=policy.crls,
        identity=policy.identity,
    )
    try:
        return _settled(chain, path, faults, policy, scene)
    except unreadable() as error:  # What OpenSSL reads, but cryptography not.
        raise malformed(error, scene) from error


def _settled(
    chain: tuple[bytes, ...],
    path: tuple[bytes, ...],
    faults: list[Fault],
    policy: Policy,
    scene: VerificationScene,
) -> tuple[bytes, ...]:
    """Add our own rules to OpenSSL's verdict."""
    read = tuple(map(parsed, path or chain[:1]))
    faults += _unfit(path or chain[:1], policy)
    faults += _misnamed(chain[0], read[0], policy.identity)
    host = None if policy.identity is None else policy.identity.dns
    if host is not None and is_barred(path, host):
        faults.append(Fault(VerifyReason.EXCLUDED_VIOLATION, 0, chain[0]))
    if faults:
        raise explain_faults(tuple(faults), scene)
    check_pins(scene.built, policy.pins, scene, linked=True)
    if policy.transparency is not None:
        check_transparency(path, policy.transparency, scene)
    if policy.strict:
        identity = policy.identity
        second_opinion(
            (*scene.presented, *policy.others),
            policy.ders,
            identity=identity,
            at=policy.at,
            server_side=policy.server_side,
            scene=scene,
            depth=policy.depth,
        )
        check_profile(scene, of_host=identity is None or identity.is_host)
    return path


def _build(
    chain: tuple[bytes, ...], policy: Policy
) -> tuple[tuple[bytes, ...], list[Fault]]:
    """Have OpenSSL look for a path, and give it, or the fault."""
    store = _store(policy)
    try:
        with translated(VerificationError, "looking for a path"):
            leaf, *others = (
                crypto.load_certificate(crypto.FILETYPE_ASN1, each)
                for each in (*chain, *policy.others)
            )
            context = crypto.X509StoreContext(store, leaf, others)
            found = context.get_verified_chain()
    except crypto.X509StoreContextError as error:
        code, depth, _ = error.errors
        return (), [Fault(code, depth, _dump(error.certificate))]
    return tuple(map(_dump, found)), []


def _dump(certificate: crypto.X509) -> bytes:
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)


def _store(policy: Policy) -> crypto.X509Store:
    store = crypto.X509Store()
    for der in policy.ders:
        with translated(ConfigurationError, "trusting a root"):
            store.add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, der))
    for roots in policy.roots:
        for directory in roots.directories:
            with translated(ConfigurationError, f"trusting {directory}"):
                store.load_locations(None, directory)
    _set_rules(store, policy)
    return store


def _set_rules(store: crypto.X509Store, policy: Policy) -> None:
    if policy.strict:
        store.set_flags(crypto.X509StoreFlags.X509_STRICT)
    if policy.partial:
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    if policy.check != "off":
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK)
    if policy.check == "chain":
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK_ALL)
    for crl in policy.crls:
        with translated(ConfigurationError, "loading a revocation list"):
            store.add_crl(crl)
    if not policy.dated:
        store.set_flags(_NO_CHECK_TIME)
    elif policy.at is not None:
        store.set_time(policy.at.astimezone(timezone.utc))
    # It looks at the key usage, too, and at those of the CAs.
    if native.has("verify-purpose"):
        native.set_purpose(store, _PURPOSES[policy.purpose][0])


def _unfit(path: tuple[bytes, ...], policy: Policy) -> Iterator[Fault]:
    """Find what only a connection's security level and rules mind."""
    for depth, each in enumerate(map(Glimpse, path)):
        key = each._field(lambda found: found.public_key(), None)
        if is_short(key, policy.level):
            code = VerifyReason.CA_KEY_TOO_SMALL
            if depth == 0:
                code = VerifyReason.EE_KEY_TOO_SMALL
            yield Fault(code, depth, path[depth])
        digest = each._field(lambda it: it.signature_hash_algorithm, None)
        weak = digest is not None and is_weak(
            digest.name, digest.digest_size, policy.level
        )
        # Nobody needs the signature of a root.
        rooted = each.self_issued and depth == len(path) - 1
        if weak and not rooted:
            yield Fault(VerifyReason.CA_MD_TOO_WEAK, depth, path[depth])
    leaf = Glimpse(path[0])
    key = leaf._field(lambda found: found.public_key(), None)
    # No server, and no client, gets as far as showing such a certificate.
    if isinstance(key, dsa.DSAPublicKey) or not (
        key is None or hasattr(key, "verify")
    ):
        yield Fault(VerifyReason.UNUSABLE_KEY, 0, path[0])
    _, wanted = _PURPOSES[policy.purpose]
    if wanted and leaf.purposes and wanted.isdisjoint(leaf.purposes):
        yield Fault(VerifyReason.INVALID_PURPOSE, 0, path[0])
    # The peer itself and its root do not count.
    if policy.depth is not None and len(path) > policy.depth + 2:
        last = len(path) - 1
        yield Fault(VerifyReason.CERT_CHAIN_TOO_LONG, last, path[last])


def _misnamed(
    der: bytes, certificate: x509.Certificate, identity: Identity | None
) -> Iterator[Fault]:
    if identity is None:
        return
    try:
        identity.check(certificate)
    except IdentityError as error:
        yield Fault(error.reason, 0, der)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
