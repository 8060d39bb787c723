"""A certification authority for tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from .faults import bad_leaf
from .leaf import Leaf
from .making import DAY, PEM, Key, key_usage, new_key, sign
from .making import name as name_of
from .making import san as san_of
from .revoking import make_crl, make_ocsp_response

if TYPE_CHECKING:
    from ..context.context import Context

__all__ = ["CA"]


class CA:
    """A certification authority.

    Args:
        name: Its common name.
        key_type: ``"ecdsa"`` (P-256), ``"ecdsa-p384"``, ``"rsa"`` (2048
            bits), ``"rsa-pss"`` (the same, for RSASSA-PSS only),
            ``"ed25519"``, ``"ed448"``, or of the post-quantum ML-DSA
            ``"mldsa44"``, ``"mldsa65"`` or ``"mldsa87"``.
        parent: Who issues its certificate; None makes a root.
        key: A key to use instead of a new one.
        valid: From when to when; by default from yesterday, ten years.
        extensions: More of them, each with whether it is critical.
        path_length: How many CAs may follow below this one.

    Raises:
        ValueError: There is no such kind of key.
        UnsupportedError: This version of ``cryptography`` doesn't have it.
    """

    def __init__(
        self,
        name: str = "tlskit test CA",
        *,
        key_type: str = "ecdsa",
        parent: CA | None = None,
        key: Key | None = None,
        valid: tuple[datetime, datetime] | None = None,
        extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
        path_length: int | None = None,
    ) -> None:
        self.key: Key = new_key(key_type) if key is None else key
        self.parent = parent
        self._made_revoked: list[x509.Certificate] = []
        self._below: list[CA] = []
        subject = name_of(name)
        now = datetime.now(timezone.utc)
        self.certificate: x509.Certificate = sign(
            subject,
            self.key.public_key(),
            parent,
            self.key,
            extensions=(
                (x509.BasicConstraints(True, path_length), True),
                (key_usage(ca=True), True),
                *extensions,
            ),
            valid=valid or (now - DAY, now + 3650 * DAY),
            pss=key_type == "rsa-pss",
        )

    def __repr__(self) -> str:
        """Tell the subject and the issuer, and no key."""
        subject = self.certificate.subject.rfc4514_string()
        if self.parent is None:
            return f"<CA {subject!r}>"
        issuer = self.certificate.issuer.rfc4514_string()
        return f"<CA {subject!r} of {issuer!r}>"

    @property
    def pem(self) -> bytes:
        """Its certificate as PEM."""
        return self.certificate.public_bytes(PEM)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Itself and the CAs above it, without the root."""
        if self.parent is None:
            return ()
        return (self.certificate, *self.parent.chain)

    def trust(self, context: Context) -> None:
        """Have *context* trust this CA.

        If the CA has issued something as ``"revoked"`` until now, its
        revocation list, and those of the CAs below it, are loaded as well.

        Args:
            context: A client's, or a server's.

        Raises:
            SealedError: The context is sealed.
        """
        from ..trust import VerifySource

        context.load_verify_source(VerifySource.pem(self.pem))
        family = list(self._family())
        if any(each._made_revoked for each in family):
            context.load_crls(b"".join(each.crl() for each in family))

    def _family(self) -> Iterator[CA]:
        """Give this CA and those below it."""
        yield self
        for each in self._below:
            yield from each._family()

    def intermediate(
        self, name: str = "tlskit test intermediate CA", **keywords: Any
    ) -> CA:
        """Make a CA below this one; further keywords as for ``CA``.

        Args:
            name: Its common name.
            keywords: As for ``CA``.

        Returns:
            The CA.
        """
        made = CA(name, parent=self, **keywords)
        self._below.append(made)
        return made

    def issue(
        self,
        *names: str,
        common_name: str | None = None,
        key_type: str = "ecdsa",
        key: Key | None = None,
        valid: tuple[datetime, datetime] | None = None,
        usages: Iterable[x509.ObjectIdentifier] | None = None,
        san: x509.SubjectAlternativeName | None = None,
        with_san: bool = True,
        extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
    ) -> Leaf:
        """Issue a certificate for a server or a client.

        Args:
            names: Host names, IP addresses, mail addresses and URIs (with
                ``//``); without any there are no subject alternative names.
            common_name: The subject's; the first name by default.
            key_type: As for ``CA``.
            key: A key to use instead of a new one.
            valid: From when to when; by default from yesterday, 90 days.
            usages: Extended key usages; by default server and client.
            san: The subject alternative names, instead of *names*.
            with_san: False leaves them out.
            extensions: More of them, each with whether it is critical.

        Returns:
            The certificate, with key and issuers.

        Raises:
            ValueError: There is no such kind of key.
            UnsupportedError: This version of ``cryptography`` doesn't have
                it.
        """
        own = new_key(key_type) if key is None else key
        now = datetime.now(timezone.utc)
        if usages is None:
            usages = (
                ExtendedKeyUsageOID.SERVER_AUTH,
                ExtendedKeyUsageOID.CLIENT_AUTH,
            )
        described: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(False, None), True),
            (key_usage(ca=False), True),
            (x509.ExtendedKeyUsage(usages), False),
            *extensions,
        ]
        # An empty list of names would make the certificate malformed.
        if with_san and (names or san is not None):
            described.append((san or san_of(names), False))
        certificate = sign(
            name_of(common_name or (names[0] if names else "nobody")),
            own.public_key(),
            self,
            self.key,
            extensions=described,
            valid=valid or (now - DAY, now + 90 * DAY),
            pss=key_type == "rsa-pss",
        )
        return Leaf(own, (certificate, *self.chain))

    def issue_bad(self, kind: str, *names: str) -> Leaf:
        """Issue a certificate with one thing wrong.

        Args:
            kind: One of ``BAD_KINDS``.  What is ``"revoked"`` is in every
                later ``crl()``, and refused by contexts that ``trust()`` is
                called for afterwards.  ``"ip-as-dns"`` is for the addresses
                among the names, or else for 127.0.0.1.
            names: As for ``issue``.

        Raises:
            ValueError: There is no such kind.
        """
        leaf = bad_leaf(self, kind, names)
        if kind == "revoked":
            self._made_revoked.append(leaf.certificate)
        return leaf

    def crl(
        self,
        revoked: Iterable[
            Leaf | x509.Certificate | x509.RevokedCertificate
        ] = (),
        *,
        number: int | None = None,
        until: datetime | None = None,
    ) -> bytes:
        """Give a certificate revocation list as PEM.

        Args:
            revoked: What it lists, besides what was issued as revoked.  A
                ``RevokedCertificate`` has a date and a reason of its own;
                others have none, and are revoked since yesterday.
            number: Its number (RFC 5280, 5.2.3), from 0; by default the
                seconds of the clock, so that later lists have higher ones.
            until: Its nextUpdate; in a week by default.
        """
        listed = [
            each.certificate if isinstance(each, Leaf) else each
            for each in revoked
        ]
        return make_crl(
            self.certificate,
            self.key,
            (*self._made_revoked, *listed),
            number=number,
            until=until,
        )

    def ocsp(
        self,
        leaf: Leaf | x509.Certificate,
        status: str = "good",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        responder: Leaf | None = None,
    ) -> bytes:
        """Give an OCSP response (DER) about a certificate of this CA.

        Args:
            leaf: The certificate.
            status: ``"good"``, ``"revoked"`` or ``"unknown"``.
            since: Its thisUpdate; an hour ago by default.
            until: Its nextUpdate; in a week by default.
            responder: Who signs; this CA by default.  ``OCSP_USAGES`` are
                the usages of one that may.

        Raises:
            ValueError: There is no such status.
        """
        certificate = leaf.certificate if isinstance(leaf, Leaf) else leaf
        now = datetime.now(timezone.utc)
        return make_ocsp_response(
            (certificate, self.certificate),
            status,
            (since or now - DAY / 24, until or now + 7 * DAY),
            responder or Leaf(self.key, (self.certificate,)),
        )
