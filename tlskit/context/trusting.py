"""The part of a context that says whom it trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import TrustSourceError, UnsupportedError
from ..trust import Roots, VerifySource, load_default_roots
from ..x509.credentials import CertificateChain, load_certificates
from ..x509.names import is_self_issued
from .reloading import ReloadableRoots
from .sealing import Sealable

if TYPE_CHECKING:
    import os

    from ..x509.credentials import Source

__all__ = ["TrustedRoots"]


class TrustedRoots(Sealable):
    """The loaders of ``Context`` for roots."""

    def load_verify_source(
        self,
        source: VerifySource | ReloadableRoots | str | os.PathLike[str],
        *,
        try_: bool = False,
    ) -> None:
        """Trust the roots of one more source.

        Args:
            source: A ``VerifySource``, or the path of a PEM file, both as
                they are now; ``ReloadableRoots`` also as they will be.
            try_: Ignore a source that can't be loaded.

        Raises:
            SealedError: The context is sealed, *try_* or not.
            TrustSourceError: The source can't be read, or holds no root.
            UnsupportedError: It is another platform's.

        Source: ``ssl-load-verify-source!``.
        """
        with self._unsealed():
            if isinstance(source, ReloadableRoots):
                trust = dict.fromkeys((*self._settings.trust, source))
                self._change(trust=tuple(trust))
                return
            found = VerifySource.of(source)
            try:
                roots = found.load()
            except (TrustSourceError, UnsupportedError):
                if not try_:
                    raise
                return
            self._trust(roots)

    def load_default_verify_sources(self) -> None:
        """Trust the default sources; those that can't be loaded are ignored.

        Raises:
            SealedError: The context is sealed.

        Source: ``ssl-load-default-verify-sources!``.
        """
        with self._unsealed():
            for roots in load_default_roots():
                self._trust(roots)

    def _trust(self, roots: Roots) -> None:
        """Add the roots of a source; loaded again, they replace the old."""
        table = {each.source: each for each in self._settings.roots}
        table[roots.source] = roots
        self._change(sources=tuple(table), roots=tuple(table.values()))

    def load_verify_root_certificates(
        self,
        path: str | os.PathLike[str] | None,
        directory: str | os.PathLike[str] | None = None,
    ) -> None:
        """Trust the roots in a PEM file, in a directory, or in both.

        Args:
            path: The file, or None.
            directory: A directory with hashed names (``openssl rehash``).

        Raises:
            SealedError: The context is sealed.
            TrustSourceError: One can't be read.
            ValueError: Both are None.

        Source: ``ssl-load-verify-root-certificates!``.
        """
        if path is None and directory is None:
            raise ValueError("give a file, a directory, or both")
        with self._unsealed():
            if path is not None:
                self.load_verify_source(VerifySource.file(path))
            if directory is not None:
                self.load_verify_source(VerifySource.directory(directory))

    def load_intermediates(self, source: Source) -> None:
        """Use these certificates where a peer forgot to send them.

        They help to build a path to a trusted root, for servers and clients
        that send their own certificate only.  They are never trusted
        themselves, not even with ``set_partial_chain()``; so one that issued
        itself can't help, and is left out.  Further calls add to them.

        Args:
            source: Their certificates, in any order; as for
                ``load_certificate_chain``.

        Raises:
            SealedError: The context is sealed.
            CredentialError: There is no certificate in *source*, or one is
                malformed.

        Source: RFC 5280, section 6.1; ``X509_STORE_CTX_set0_untrusted``.
        """
        with self._unsealed():
            chain = CertificateChain.load(source)
            found = (
                der
                for each, der in zip(
                    chain.certificates, chain.ders, strict=True
                )
                if not is_self_issued(each)
            )
            known = self._settings.intermediates
            self._change(intermediates=tuple(dict.fromkeys((*known, *found))))

    def load_suggested_certificate_authorities(self, source: Source) -> None:
        """Name these authorities when asking clients for a certificate.

        It replaces the names of an earlier call, and implies no trust.

        Args:
            source: Their certificates; as for ``load_certificate_chain``.

        Raises:
            SealedError: The context is sealed.
            CredentialError: There is no certificate in *source*.

        Source: ``ssl-load-suggested-certificate-authorities!``.
        """
        from cryptography.hazmat.primitives.serialization import Encoding

        with self._unsealed():
            ders = (
                each.public_bytes(Encoding.DER)
                for each in load_certificates(source)
            )
            self._change(suggested=tuple(dict.fromkeys(ders)))
