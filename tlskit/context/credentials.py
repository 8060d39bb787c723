"""The part of a context that says who we are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..x509.credentials import (
    CertificateChain,
    PrivateKey,
    check_pair,
    load_pkcs12,
)
from .reloading import ReloadableCredentials
from .sealing import Sealable

if TYPE_CHECKING:
    from ..x509.credentials import AnyPath, Bytes, KeySource, Password, Source

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
            self._change(chain=CertificateChain.load(source), credentials=None)

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
            self._change(key=key, credentials=None)

    def load_pkcs12(
        self, source: AnyPath | Bytes, password: Password = None
    ) -> None:
        """Load certificate chain and private key from one PKCS#12 file.

        Args:
            source: A path, or bytes.
            password: Of the file.

        Raises:
            SealedError: The context is sealed.
            CredentialError: The file is broken, or lacks one of the two.

        Source: RFC 7292.
        """
        with self._unsealed():
            key, chain = load_pkcs12(source, password)
            check_pair(chain, key)
            self._change(key=key, chain=chain, credentials=None)

    def load_credentials(self, credentials: ReloadableCredentials) -> None:
        """Present certificates from files that may be renewed.

        Each later connection uses the newest good ones; a seal does not
        prevent that.  They replace other credentials, and are replaced by
        them.

        Args:
            credentials: May be shared with other contexts.

        Raises:
            SealedError: The context is sealed.
        """
        with self._unsealed():
            if not isinstance(credentials, ReloadableCredentials):
                raise TypeError(
                    f"ReloadableCredentials are wanted, not {credentials!r}"
                )
            pair = credentials.current()
            self._change(
                chain=pair.chain, key=pair.key, credentials=credentials
            )
