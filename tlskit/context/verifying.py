"""The part of a context that says by which rules peers are verified."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import TypeVar

from ..engine.refusal.missing import MISSING, Errand
from ..errors import ConfigurationError, VerificationError
from ..policy.settings import Purpose, RevocationCheck, Verifier, Verify
from ..ports.fetching.issuers import run_errand
from ..tools.deadline import Deadline
from ..tools.whole import check_whole
from ..verify.chain import parse_pin
from ..verify.evidence import certificates_of
from ..verify.identity import Identity
from ..verify.offline import Policy, judge_ders
from ..verify.revocation import CrlSource, load_crls, renewed
from ..verify.strict.profile import note_unchecked
from ..x509.credentials import Source, load_ders
from ..x509.gate import x509
from .sealing import Sealable

__all__ = ["VerificationRules", "member"]

E = TypeVar("E", bound=Enum)


class VerificationRules(Sealable):
    """The setters of ``Context`` for what is asked of a peer's chain."""

    def set_verify(self, on: bool = True) -> None:
        """Require a certificate of later peers, and check it.

        Args:
            on: False demands none.

        Raises:
            SealedError: The context is sealed.

        Source: ``ssl-set-verify!``.
        """
        self._change(
            verify=Verify.REQUIRE if on else Verify.NONE, verify_told=True
        )

    def try_verify(self, on: bool = True) -> None:
        """Ask later peers for a certificate; tolerate none, or a bad one.

        ``peer_verified`` and ``verify_error`` of the port tell.

        Args:
            on: False asks for none.

        Raises:
            SealedError: The context is sealed.

        Source: ``ssl-try-verify!``.
        """
        self._change(
            verify=Verify.TRY if on else Verify.NONE, verify_told=True
        )

    def set_verify_optional(self, on: bool = True) -> None:
        """Ask later peers for a certificate; none is fine, a bad one is not.

        A server lets clients in without a certificate, and refuses those
        that show one which does not verify; ``peer_verified`` tells who is
        who.  For a client it is the same as ``set_verify()``, since a server
        always has a certificate.

        Args:
            on: False asks for none.

        Raises:
            SealedError: The context is sealed.

        Source: ``ssl.CERT_OPTIONAL``.
        """
        self._change(
            verify=Verify.OPTIONAL if on else Verify.NONE, verify_told=True
        )

    def set_verify_hostname(self, on: bool = True) -> None:
        """Check later peers' names against the host name of the connection.

        It does not imply ``set_verify``, without which names prove nothing.

        Args:
            on: False takes any name.

        Raises:
            ConfigurationError: Servers don't know their clients' names.
            SealedError: The context is sealed.

        Source: ``ssl-set-verify-hostname!``; RFC 9525.
        """
        with self._unsealed():
            if on and self.server_side:
                raise ConfigurationError(
                    "a server has no host name to expect of its clients",
                    hint="override verify_peer(), or look at the port's "
                    "peer_certificate",
                )
            self._change(verify_hostname=bool(on))

    def set_certificate_verifier(self, callback: Verifier | bool) -> None:
        """Decide about each certificate by a function.

        Args:
            callback: Called as ``(depth, ok, certificate)`` for each
                certificate, the root first, and again for each fault; what
                it returns overrides *ok*.  True verifies without a function,
                False doesn't verify.

        Raises:
            SealedError: The context is sealed.
            TypeError: *callback* is neither a function nor a bool.

        Source: ``:certificate-verifier``.
        """
        with self._unsealed():
            if callable(callback):
                self._change(verifier=callback, verify=Verify.REQUIRE)
                return
            if not isinstance(callback, bool):
                raise TypeError(
                    "a certificate verifier is a function, True or False, "
                    f"not {callback!r}"
                )
            self._change(
                verifier=None,
                verify=Verify.REQUIRE if callback else Verify.NONE,
                verify_told=True,
            )

    def verify_chain(
        self,
        chain: Source,
        *,
        hostname: str | None = None,
        at: datetime | None = None,
    ) -> tuple[x509.Certificate, ...]:
        """Judge a peer's chain by this context's rules, without a connection.

        It is judged whether or not ``set_verify()`` was called.  Functions
        and hooks are not asked, and no OCSP response is looked for.  With
        ``set_intermediate_fetching()`` it waits for what is fetched.

        Args:
            chain: As the peer would send it, its own certificate first; as
                for ``load_certificate_chain``.
            hostname: The host name or IP address that the first certificate
                has to be for; None checks no name.
            at: The moment that counts, with a time zone; None is that of
                ``set_verification_time()``, else now.

        Returns:
            The path to a trusted certificate, the peer's own first.

        Raises:
            VerificationError: A handshake would refuse the chain.
            CredentialError: There is no certificate in *chain*.
            ValueError: *at* has no time zone.
            TypeError: *at* is no ``datetime``.

        Source: RFC 5280, section 6; RFC 9525.
        """
        if at is not None:
            _check_zone(at)
        settings = self._settings.reloaded()
        policy = Policy.of(
            settings,
            None if hostname is None else Identity.parse(hostname),
            server_side=self.server_side,
            at=at,
        )
        policy = replace(policy, transparency=settings.transparency)
        ders = load_ders(chain)
        try:
            return certificates_of(judge_ders(ders, policy))
        except VerificationError as error:
            rules = settings.fetching
            if rules is None or error.reason not in MISSING:
                raise
            errand = Errand(ders, policy, rules)
            run_errand(errand, Deadline())
            return certificates_of(errand.result(error))

    def set_pins(self, pins: Iterable[str]) -> None:
        """Accept only chains that hold one of these public keys.

        Args:
            pins: Each ``"sha256/"`` and the base64 of the SHA-256 digest of
                a SubjectPublicKeyInfo (RFC 7469, section 2.4).  Give a
                backup pin, too.  None at all removes the demand.

        Raises:
            SealedError: The context is sealed.
            ValueError: A pin is malformed.
            TypeError: These are no pins.
        """
        with self._unsealed():
            if isinstance(pins, str) or not isinstance(pins, Iterable):
                raise TypeError(f"pins are a sequence of texts, not {pins!r}")
            self._change(pins=tuple(map(parse_pin, pins)))

    def set_strict(self, on: bool = True) -> None:
        """Have two independent verifiers accept the peer's chain.

        OpenSSL by its strict rules (``X509_STRICT``, RFC 5280), and the
        verifier of ``cryptography``, which follows the profile of the
        CA/Browser Forum.  Both get the same chain, roots and time.  Clients'
        certificates, too, have to have a subjectAltName then.  Both refuse a
        CA without a key usage (RFC 5280, section 4.2.1.3), a trusted root
        included; of revocation lists nobody demands more than that a key
        usage, where there is one, has cRLSign.

        Of what neither of them minds, these are refused, too: a common name
        of a server that is not among its names; a server's certificate that
        is not expressly for servers, or whose root is for something else;
        RSA keys whose bits are no multiple of 8; serial numbers of zero or
        less; name or policy constraints that are not critical; revocation
        lists without a number; and wildcards under a public suffix, where
        ``tlskit[strict]`` is installed.  A verifier function or hook may
        refuse more, but not accept what is refused here.

        Args:
            on: False leaves it to OpenSSL's usual rules.

        Raises:
            SealedError: The context is sealed.
        """
        self._change(strict=bool(on))
        if on:
            note_unchecked()

    def load_crls(self, source: CrlSource, *, check: str = "leaf") -> None:
        """Refuse what these revocation lists list, or do not cover.

        A list replaces one of the same CA that was loaded before.  Nothing
        is fetched: when a list has expired and no newer one is loaded, its
        CA's certificates are refused.

        Args:
            source: A path, bytes (PEM or DER), or lists of ``cryptography``.
            check: ``"leaf"`` wants a list for the peer's own certificate
                only, ``"chain"`` for every CA's above it, too.

        Raises:
            SealedError: The context is sealed.
            TrustSourceError: There is no list in *source*.
            ConfigurationError: *check* is something else.

        Source: RFC 5280, section 6.3.
        """
        with self._unsealed():
            wanted = member(RevocationCheck, check, "a check", ("off",))
            crls = renewed(self._settings.crls, load_crls(source))
            self._change(crls=crls, revocation_check=wanted)

    def set_verification_time(self, moment: datetime | None) -> None:
        """Verify peers as if it were another time.

        Args:
            moment: With a time zone; None is the present again.

        Raises:
            SealedError: The context is sealed.
            ValueError: *moment* has no time zone.
            TypeError: *moment* is no ``datetime``.
        """
        with self._unsealed():
            if moment is not None:
                _check_zone(moment)
            self._change(verification_time=moment)

    def set_verify_depth(self, depth: int | None) -> None:
        """Limit how many CAs may stand between a peer and its root.

        Args:
            depth: 0 wants a certificate that the root itself issued; None
                is OpenSSL's own limit, 100.

        Raises:
            SealedError: The context is sealed.
            ValueError: *depth* is negative.
            TypeError: *depth* is no whole number.
        """
        with self._unsealed():
            if depth is not None:
                check_whole(depth, "a depth")
                if depth < 0:
                    raise ValueError(
                        f"depth is a number of CAs, not {depth!r}"
                    )
            self._change(verify_depth=depth)

    def set_partial_chain(self, on: bool = True) -> None:
        """Let chains end in any certificate that is trusted, root or not.

        Without it a CA that is loaded as trusted, but was issued by another
        one, needs that other one, too.

        Args:
            on: False wants chains to end in a root.

        Raises:
            SealedError: The context is sealed.
        """
        self._change(partial_chain=bool(on))

    def set_purpose(self, purpose: str | None) -> None:
        """Demand another purpose of peers' certificates than usual.

        Args:
            purpose: ``"server"``, ``"client"``, or ``"any"``, which looks at
                no purpose at all; None demands what the peer is.

        Raises:
            SealedError: The context is sealed.
            ConfigurationError: *purpose* is something else.
            UnsupportedError: The binding can't.

        Source: RFC 5280, section 4.2.1.12.
        """
        with self._unsealed():
            wanted = None
            if purpose is not None:
                wanted = member(Purpose, purpose, "a purpose")
            self._try_out(purpose=wanted)


def _check_zone(moment: object) -> None:
    if not isinstance(moment, datetime):
        raise TypeError(f"a moment is a datetime, not {moment!r}")
    if moment.utcoffset() is None:
        raise ValueError(
            f"{moment!r} has no time zone; add tzinfo=timezone.utc"
        )


def member(
    kind: type[E], text: str, what: str, left_out: tuple[str, ...] = ()
) -> E:
    """Find the member of an enumeration that a caller names.

    Raises:
        ConfigurationError: There is none.
    """
    known = [each.value for each in kind if each.value not in left_out]
    if text not in known:
        raise ConfigurationError(
            f"{text!r} is not {what}; there are: {', '.join(known)}"
        )
    return kind(text)
