"""A certificate of an end, with its key and its issuers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ..x509 import pem
from ..x509.credentials import CertificateChain, PrivateKey
from ..x509.pairs import Pair, is_pss
from .making import PEM, Key

if TYPE_CHECKING:
    from ..context.context import Context

__all__ = ["Leaf"]


@dataclass(frozen=True)
class Leaf:
    """A certificate of an end, with its key and its issuers."""

    key: Key
    #: As it is presented, this certificate first; no root.
    chain: tuple[x509.Certificate, ...]

    def __repr__(self) -> str:
        """Tell the subject and the serial number, and no key."""
        if not self.chain:
            return "<Leaf without a certificate>"
        subject = self.certificate.subject.rfc4514_string()
        return f"<Leaf {subject!r} serial={self.certificate.serial_number:x}>"

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate."""
        return self.chain[0]

    @property
    def chain_pem(self) -> bytes:
        """The chain as PEM."""
        return b"".join(each.public_bytes(PEM) for each in self.chain)

    @property
    def key_pem(self) -> bytes:
        """The private key as PEM (PKCS#8), not encrypted."""
        return self.encrypted_key_pem(None)

    def encrypted_key_pem(self, password: bytes | None) -> bytes:
        """Give the private key as PEM, encrypted if there is a password.

        Args:
            password: Any bytes; None does not encrypt.

        Raises:
            ValueError: A key for RSASSA-PSS is to be encrypted, which
                ``cryptography`` has no way for.
        """
        if self.chain and is_pss(self.certificate):
            if password is not None:
                raise ValueError("a key for RSASSA-PSS can't be encrypted")
            pair = Pair(CertificateChain(self.chain), PrivateKey(self.key))
            return pem.encoded("PRIVATE KEY", pair.key_der)
        return self.key.private_bytes(
            PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()
            if password is None
            else serialization.BestAvailableEncryption(password),
        )

    def write(self, directory: str | Path) -> tuple[Path, Path]:
        """Write ``chain.pem`` and ``key.pem``; give their paths.

        Args:
            directory: Where to; what is there is overwritten.

        Returns:
            The two paths.

        Raises:
            OSError: It can't be written.
        """
        chain = Path(directory, "chain.pem")
        key = Path(directory, "key.pem")
        chain.write_bytes(self.chain_pem)
        key.touch(mode=0o600)
        key.write_bytes(self.key_pem)
        return chain, key

    def apply(self, context: Context) -> None:
        """Load chain and key into *context*.

        Args:
            context: A server's, or a client's.

        Raises:
            SealedError: The context is sealed.
        """
        context.load_certificate_chain(self.chain)
        context.load_private_key(self.key)
