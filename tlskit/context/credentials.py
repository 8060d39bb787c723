"""The part of a context that says who we are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..x509.credentials import (
    CertificateChain,
    PrivateKey,
    check_pair,
)
from ..x509.pairs import Pair
from ..x509.pkcs12 import load_pkcs12
from .sealing import Sealable

if TYPE_CHECKING:
    from ..policy.settings import CredentialSource
    from ..x509.credentials import KeySource, Source
    from ..x509.sources import AnyPath, Bytes, Password

__all__ = ["OwnCredentials"]


class OwnCredentials(Sealable):
    """The loaders of ``Context`` for certificates and keys."""

    def load_certificate_chain(self, source: Source) -> None:
        """Present these certificates in later handshakes.

        Args:
            source: A path, bytes (PEM or DER), or certificates of
                ``cryptography``; our own first, then its issuers.

        Raises:
            SealedError: The context is sealed.
            CredentialError: There is no certificate in *source*.

        Source: ``ssl-load-certificate-chain!``.
        """
        with self._unsealed():
            # It may come before the key that belongs to it, so an older key
            # is no reason to complain yet.
            self._change(chain=CertificateChain.load(source), credentials=())

    def load_private_key(
        self,
        source: KeySource,
        *,
        rsa: bool = False,
        asn1: bool = False,
        password: Password = None,
    ) -> None:
        """Use this key with our certificate.

        Args:
            source: A path, bytes (PEM or DER), or a key of ``cryptography``.
            rsa: Take the first RSA key and skip others.
            asn1: Read DER, and nothing else.
            password: For an encrypted key; bytes, text, or a function that
                gives it.  Nobody is ever asked for it on a terminal.

        Raises:
            SealedError: The context is sealed.
            CredentialError: There is no such key, or it doesn't belong to
                the certificate that is there.

        Source: ``ssl-load-private-key!``.
        """
        with self._unsealed():
            key = PrivateKey.load(
                source, rsa=rsa, asn1=asn1, password=password
            )
            if self._settings.chain is not None:
                check_pair(self._settings.chain, key)
            self._change(key=key, credentials=())

    def load_pkcs12(
        self,
        source: AnyPath | Bytes,
        password: Password = None,
        *,
        alias: str | None = None,
    ) -> None:
        """Load certificate chain and private key from one PKCS#12 file.

        Presented is what chains from the key's certificate, in order;
        certificates of other entries are left out.

        Args:
            source: A path, or bytes.
            password: Of the file.
            alias: The friendly name of the entry that is wanted; None takes
                the first one that has a key.

        Raises:
            SealedError: The context is sealed.
            CredentialError: The file is broken, or lacks one of the two.

        Source: RFC 7292.
        """
        with self._unsealed():
            key, chain = load_pkcs12(source, password, alias=alias)
            check_pair(chain, key)
            self._change(key=key, chain=chain, credentials=())

    def load_credentials(self, *sources: CredentialSource) -> None:
        """Present certificates that may be renewed.

        Each later connection uses the newest good ones; a seal does not
        prevent that.  They replace all other credentials, and the first of
        them is replaced by a chain or key that is loaded later.

        Args:
            sources: ``ReloadableCredentials``, perhaps shared with other
                contexts; several if their keys are of different kinds, as
                with ``add_credentials``.

        Raises:
            SealedError: The context is sealed.
            CredentialError: Two keys are of one kind.
            TypeError: There is no source, or it is something else.
        """
        with self._unsealed():
            if not sources:
                raise TypeError("give at least one ReloadableCredentials")
            for each in sources:
                if not (hasattr(each, "current") and hasattr(each, "reload")):
                    raise TypeError(
                        "ReloadableCredentials are wanted, not "
                        f"{type(each).__name__!r}"  # It may be a key.
                    )
            trial = replace(
                self._settings,
                chain=None,
                key=None,
                more=(),
                credentials=sources,
            )
            now = trial.reloaded()
            now.check_kinds()
            self._change(
                chain=now.chain, key=now.key, more=(), credentials=sources
            )

    def add_credentials(
        self,
        certificate_chain: Source,
        private_key: KeySource,
        *,
        password: Password = None,
    ) -> None:
        """Present one more pair, whose key is of another kind.

        The peer's signature algorithms decide which pair is shown; where it
        takes several, our own order of ``set_signature_algorithms()`` does.
        By default an ML-DSA certificate is shown to whoever offers that, and
        an ECDSA or RSA certificate to all others.

        Args:
            certificate_chain: As for ``load_certificate_chain``.
            private_key: As for ``load_private_key``; the chain's own.
            password: The private key's.

        Raises:
            SealedError: The context is sealed.
            CredentialError: The pair is bad, or there is one for a key of
                this kind already.

        Source: RFC 8446, sections 4.2.3 and 4.4.2.2.
        """
        with self._unsealed():
            chain = CertificateChain.load(certificate_chain)
            key = PrivateKey.load(private_key, password=password)
            check_pair(chain, key)
            settings = self._settings
            if settings.chain is None and settings.key is None:
                changed = replace(settings, chain=chain, key=key)
            else:
                more = (*settings.more, Pair(chain, key))
                changed = replace(settings, more=more)
            changed.reloaded().check_kinds()
            self._settings = changed
