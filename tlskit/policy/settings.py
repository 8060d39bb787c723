"""All that a context can decide, as one frozen value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from ..errors import ConfigurationError, CredentialError
from ..openssl.protocols import Protocol as Versions
from ..trust import Roots, VerifySource
from ..x509.credentials import CertificateChain, PrivateKey, check_pair
from ..x509.pairs import Pair

if TYPE_CHECKING:
    from cryptography import x509

    from ..context.reloading import ReloadableRoots
    from ..engine.refusal.missing import Fetching
    from ..verify.chain import Pin
    from ..verify.stapling import Staple
    from ..verify.transparency.logs import Transparency
    from .preshared import PreSharedKeys
    from .sessions import SessionCache

__all__ = [
    "CredentialSource",
    "DemandSource",
    "Ocsp",
    "Purpose",
    "Renewed",
    "RevocationCheck",
    "Settings",
    "Verifier",
    "Verify",
    "alpn_names",
]

#: ``(depth, ok, certificate) -> accept``.
Verifier = Callable[[int, bool, "x509.Certificate"], bool]


class Renewed(Protocol):
    """Something that may change while a context is in use."""

    def current(self) -> Any:
        """Give the value of now."""

    def reload(self) -> object:
        """Look for a newer one."""

    @property
    def generation(self) -> int:
        """How many values were in use so far."""
        ...

    def _refuse(self, error: ConfigurationError) -> None:
        """Note that a context can't use the newest value, and why."""


class CredentialSource(Renewed, Protocol):
    """Where a chain and its key come from that may be renewed."""

    def current(self) -> Pair | None:
        """Give the newest good pair; None while there is none yet."""


class ChallengeSource(CredentialSource, Protocol):
    """One that proves, in a handshake, that a name is ours (RFC 8737)."""

    def answer(self, server_name: str | None, offered: Iterable[str]) -> Any:
        """Give the ``ServerContext`` that answers a challenge, or None.

        Args:
            server_name: What the client named.
            offered: The protocols that it offers.
        """


_REFUSING = frozenset({"optional", "require"})


class DemandSource(ChallengeSource, Protocol):
    """One that has certificates for names that clients ask for."""

    def choose(
        self, server_name: str | None, offered: Iterable[str], origin: Any
    ) -> Any:
        """Give the ``ServerContext`` that has the certificate, or None.

        Args:
            server_name: What the client named.
            offered: The protocols that it offers.
            origin: The context that decides about everything else.
        """


class Verify(Enum):
    """What is asked of the peer's certificate."""

    NONE = "none"
    #: It is asked for and checked; what is wrong is told, and tolerated.
    TRY = "try"
    #: It is asked for; none is fine, and a bad one is refused.
    OPTIONAL = "optional"
    REQUIRE = "require"

    @property
    def refuses_bad(self) -> bool:
        """Whether a certificate that is not acceptable ends the handshake."""
        # To hash a member takes longer than all else that is asked here.
        return self._value_ in _REFUSING

    @property
    def strength(self) -> int:
        """A number that is the greater the less it lets through."""
        return tuple(Verify).index(self)


class RevocationCheck(Enum):
    """Which certificates have to be in the scope of a revocation list."""

    OFF = "off"
    #: The peer's own.
    LEAF = "leaf"
    #: The peer's own and those of all CAs above it.
    CHAIN = "chain"


class Ocsp(Enum):
    """What is asked of the response that a server staples."""

    OFF = "off"
    #: What is stapled has to be good; certificates may demand a response.
    CHECK = "check"
    REQUIRE = "require"


class Purpose(Enum):
    """What the peer's certificate has to be meant for."""

    ANY = "any"
    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True)
class Settings:
    """What a context decides; change it by ``dataclasses.replace``."""

    protocol: Versions
    chain: CertificateChain | None = None
    key: PrivateKey | None = None
    #: Further pairs, each of another kind of key.
    more: tuple[Pair, ...] = ()
    sources: tuple[VerifySource, ...] = ()
    #: What the sources gave when they were loaded.
    roots: tuple[Roots, ...] = ()
    verify: Verify = Verify.NONE
    #: Whether somebody has said so, or the default just stands.
    verify_told: bool = field(default=False, compare=False)
    verify_hostname: bool = False
    verifier: Verifier | None = None
    strict: bool = False
    pins: tuple[Pin, ...] = ()
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    revocation_check: RevocationCheck = RevocationCheck.OFF
    ocsp: Ocsp = Ocsp.OFF
    #: What a server staples.
    staple: Staple | None = None
    #: The moment at which certificates have to be valid; None for now.
    verification_time: datetime | None = None
    #: How many CAs may stand between the peer and its root.
    verify_depth: int | None = None
    partial_chain: bool = False
    #: What may help to build a path, DER, and is never trusted.
    intermediates: tuple[bytes, ...] = ()
    #: None for that of the peer's side.
    purpose: Purpose | None = None
    allow_truncation: bool = False
    #: Whether a peer that wishes to renegotiate (TLS 1.2) is refused, and a
    #: server does not ask for it either.
    no_renegotiation: bool = False
    ciphers: str | None = None
    ciphersuites: str | None = None
    groups: tuple[str, ...] = ()
    #: RFC 8446's names, the preferred first; none is OpenSSL's default.
    signature_algorithms: tuple[str, ...] = ()
    alpn: tuple[bytes, ...] = ()
    alpn_allow_no_match: bool = False
    #: DER of the certificates whose names a server suggests to clients.
    suggested: tuple[bytes, ...] = ()
    dh_parameters: bytes | None = None
    ecdh_curve: str | None = None
    #: Keys that both sides have beforehand, for TLS 1.3.
    psk: PreSharedKeys | None = None
    #: Whether a client's ClientHello looks as if it had hidden another one.
    ech_grease: bool = False
    keylog: Callable[[str], object] | None = None
    choose: Callable[[str], object] | None = None
    #: Told of each handshake message.
    trace: Callable[[Any], object] | None = None
    #: How many logs have to vouch for a server's certificate, and which.
    transparency: Transparency | None = None
    #: By which rules a client fetches what a server forgot to send; None
    #: fetches nothing.
    fetching: Fetching | None = None
    #: A client's; None resumes nothing.
    sessions: SessionCache | None = None
    #: A server's, in seconds; None is OpenSSL's own, 0 resumes nothing.
    session_lifetime: int | None = None
    #: Sources that may change: the first is that of *chain* and *key*, those
    #: behind it come before *more*.  And sources of further roots.
    credentials: tuple[CredentialSource, ...] = ()
    trust: tuple[ReloadableRoots, ...] = ()
    #: Those of the sources that answer challenges; they outlive ``reloaded``.
    answering: tuple[ChallengeSource, ...] = field(default=(), compare=False)

    @property
    def root_count(self) -> int:
        """How many roots are loaded, as far as they can be counted."""
        return sum(len(roots.ders) for roots in self.roots)

    @property
    def source_names(self) -> tuple[str, ...]:
        """The trust sources in words, for messages."""
        return tuple(map(str, self.sources))

    @property
    def root_ders(self) -> tuple[bytes, ...]:
        """Every loaded root as DER, once each."""
        return tuple(
            dict.fromkeys(der for roots in self.roots for der in roots.ders)
        )

    @property
    def judges_further(self) -> bool:
        """Whether we may refuse a chain that OpenSSL has found good.

        What is tolerated of such a chain is in no session of OpenSSL's.
        """
        return self.strict or (self.partial_chain and bool(self.strangers))

    @property
    def strangers(self) -> frozenset[bytes]:
        """The intermediates that are not trusted besides."""
        return frozenset(self.intermediates).difference(self.root_ders)

    @property
    def root_directories(self) -> tuple[str, ...]:
        """Directories that OpenSSL searches when it needs a root."""
        return tuple(
            dict.fromkeys(
                path for roots in self.roots for path in roots.directories
            )
        )

    @property
    def reloadable_sources(self) -> tuple[Renewed, ...]:
        """The sources that may change."""
        return (*self.credentials, *self.trust)

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Every chain with its key; the first of a handshake's choice."""
        if self.chain is None or self.key is None:
            return self.more
        return (Pair(self.chain, self.key), *self.more)

    def reloaded(self) -> Settings:
        """Give the settings with what those sources hold now, and no source.

        Without any, they are these very settings.
        """
        if not self.reloadable_sources:
            return self
        changes: dict[str, Any] = {"credentials": (), "trust": ()}
        if self.credentials:
            found = [each.current() for each in self.credentials]
            pairs = [pair for pair in found if pair is not None]
            first = pairs[0] if pairs else None
            changes.update(
                chain=None if first is None else first.chain,
                key=None if first is None else first.key,
                more=(*pairs[1:], *self.more),
                answering=tuple(filter(_answers, self.credentials)),
            )
        moving = [roots for each in self.trust for roots in each.current()]
        known = {each.source: each for each in (*self.roots, *moving)}
        changes.update(sources=tuple(known), roots=tuple(known.values()))
        return replace(self, **changes)

    def check_pair(self) -> None:
        """See that key and chain belong together, if both are there.

        Raises:
            CredentialError: They don't, or there is only one of them.
        """
        if self.chain is not None and self.key is not None:
            check_pair(self.chain, self.key)
            self.check_kinds()
            self._check_staple()
        elif self.chain is not None or self.key is not None:
            present, missing = "certificate chain", "private key"
            if self.chain is None:
                present, missing = missing, present
            raise CredentialError(
                f"there is a {present}, but no {missing}",
                hint="load both: load_certificate_chain() and "
                "load_private_key()",
            )

    def check_certificate(self, hooks: frozenset[str]) -> None:
        """See that a server has a certificate, or a hook that finds one.

        Args:
            hooks: The names of the hooks in use.

        Raises:
            CredentialError: It has none, so no client could be served.
        """
        if (
            not self.pairs
            and self.psk is None
            and not self.answering
            and hooks.isdisjoint(("choose_context", "choose_for"))
        ):
            raise CredentialError(
                "this server has no certificate, so no client can be served",
                code="no-certificate",
                hint="load_certificate_chain() and load_private_key()",
            )

    def check_kinds(self) -> None:
        """See that no two pairs have keys of one kind.

        Raises:
            CredentialError: Two have.
        """
        slots = [pair.slot for pair in self.pairs]
        for place, slot in enumerate(slots):
            if slot in slots[:place]:
                raise CredentialError(
                    f"there are two certificates for keys of the kind {slot}, "
                    "so no client's signature algorithms can decide between "
                    "them",
                    code="same-key-type",
                    hint="add_credentials() takes a pair of another key type",
                )

    def _check_staple(self) -> None:
        if self.staple is not None and not any(
            self.staple.covers(pair.chain.leaf) for pair in self.pairs
        ):
            raise CredentialError(
                "the OCSP response to staple is about another certificate "
                "than the one that is presented",
                code="ocsp-mismatch",
                hint="call set_ocsp_response() with one for the new "
                "certificate",
            )


def _answers(source: CredentialSource) -> TypeGuard[ChallengeSource]:
    return hasattr(source, "answer")


def alpn_names(protocols: object) -> tuple[bytes, ...]:
    """Read ALPN names as RFC 7301, section 3.1, wants them.

    Args:
        protocols: An iterable of ``str`` or ``bytes``, the preferred first.

    Raises:
        TypeError: It is something else.
        ValueError: A name is empty or longer than 255 bytes.
    """
    if isinstance(protocols, (str, bytes)) or not isinstance(
        protocols, Iterable
    ):
        raise TypeError(
            "ALPN protocols are a sequence of names, such as ['h2']; "
            f"found {protocols!r}"
        )
    names = []
    for name in protocols:
        if not isinstance(name, (str, bytes)):
            raise TypeError(f"an ALPN name is str or bytes, not {name!r}")
        wire = name.encode() if isinstance(name, str) else name
        if not 1 <= len(wire) <= 255:
            raise ValueError(
                f"an ALPN name has 1 to 255 bytes; {name!r} has {len(wire)}"
            )
        names.append(wire)
    if sum(len(name) + 1 for name in names) > 65535:
        raise ConfigurationError("the ALPN names together exceed 65535 bytes")
    return tuple(names)
