"""What a context is made of, loaded by the names of the standard library.

What is there already may be loaded again, for libraries do so with each
connection.  The rest changes the tlskit context, and so raises
``SealedError`` if it is sealed.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..context.context import Context
from ..context.sides import ServerContext
from ..errors import ConfigurationError, SealedError, UnsupportedError
from ..openssl.gate import SSL
from ..policy.settings import Settings
from ..trust import Roots, VerifySource, load_default_roots
from ..x509.credentials import CertificateChain, PrivateKey
from ..x509.reading import readable
from .certificate import certificate_dict
from .errors import loading
from .originals import ContextBeneath

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Material"]

_Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
_Secret = str | bytes | bytearray
_Password = Callable[[], _Secret] | _Secret | None


class Material(ContextBeneath):
    """Credentials, roots and ciphers of a context."""

    _tlskit: Context

    @property
    def _settings(self) -> Settings:
        return self._tlskit.settings

    def _check_unsealed(self, what: str) -> None:
        if self._tlskit.frozen:
            raise SealedError(f"this context is sealed; {what} can't change")

    def _refuse(self, what: str, hint: str) -> NoReturn:
        """Refuse a change, the better known reason first."""
        self._check_unsealed(what)
        raise UnsupportedError(f"{what} can't be changed here", hint=hint)

    # -- ciphers and groups -------------------------------------------------

    def set_ciphers(self, cipherlist: str, /) -> None:
        """Choose the cipher suites of TLS 1.2 and before.

        Raises:
            ssl.SSLError: OpenSSL knows none of these.
            SealedError: The tlskit context is sealed.
        """
        if cipherlist != self._settings.ciphers:
            with loading():
                self._tlskit.set_ciphers(cipherlist)

    def get_ciphers(self) -> list[Any]:
        """Describe the cipher suites, the preferred first."""
        connection = SSL.Connection(self._tlskit.prepared()._pyopenssl, None)
        known = _known_ciphers()
        return [
            known.get(name, {"name": name})
            for name in connection.get_cipher_list()
        ]

    def set_ecdh_curve(self, name: str, /) -> None:
        """Choose the curve of ephemeral keys.

        Raises:
            ValueError: There is no such curve.
            SealedError: The tlskit context is sealed.
        """
        if isinstance(self._tlskit, ServerContext):
            if name != self._settings.ecdh_curve:
                self._tlskit.enable_ecdhe(name)
        elif self._settings.groups != (name,):
            try:
                self._tlskit.set_groups([name])
            except (SealedError, UnsupportedError):
                raise
            except ConfigurationError as error:
                raise ValueError(
                    f"unknown elliptic curve name {name!r}"
                ) from error

    def load_dh_params(self, path: str, /) -> None:
        """Load the parameters of ephemeral Diffie-Hellman.

        Raises:
            OSError: The file can't be read.
            ssl.SSLError: It holds something else.
            SealedError: The tlskit context is sealed.
            UnsupportedError: This is a client's context.
        """
        if not isinstance(self._tlskit, ServerContext):
            self._refuse("the Diffie-Hellman parameters", "servers have them")
        with loading():
            self._tlskit.enable_dhe(path)

    # -- credentials and roots ----------------------------------------------

    def load_cert_chain(
        self,
        certfile: _Path,
        keyfile: _Path | None = None,
        password: _Password = None,
    ) -> None:
        """Present a certificate; the key may be in the same file.

        Raises:
            OSError: A file can't be read.
            ssl.SSLError: The files are broken, don't fit, or need a
                password.  Nobody is asked for it on a terminal.
            SealedError: The tlskit context is sealed.
        """
        with loading():
            self._load_pair(certfile, keyfile, password)

    def _load_pair(
        self, certfile: _Path, keyfile: _Path | None, password: _Password
    ) -> None:
        chain = CertificateChain.load(os.fsdecode(certfile))
        key = PrivateKey.load(
            os.fsdecode(certfile if keyfile is None else keyfile),
            password=password,
        )
        loaded = replace(self._settings, chain=chain, key=key)
        loaded.check_pair()
        if loaded != self._settings:
            self._tlskit._change(chain=chain, key=key, credentials=())

    def load_verify_locations(
        self,
        cafile: _Path | None = None,
        capath: _Path | None = None,
        cadata: str | Buffer | None = None,
    ) -> None:
        """Trust more roots; those that are trusted already are harmless.

        Revocation lists among them count where ``verify_flags`` say so.

        Raises:
            OSError: A file can't be read.
            ssl.SSLError: There is nothing of that kind in it.
            SealedError: The tlskit context is sealed.
        """
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        with loading():
            self._load_locations(cafile, capath, cadata)

    def _load_locations(
        self,
        cafile: _Path | None,
        capath: _Path | None,
        cadata: str | Buffer | None,
    ) -> None:
        sources = []
        if cafile is not None:
            path = os.fsdecode(cafile)
            if self._load_lists(Path(path)):
                sources.append(VerifySource.file(path))
        if capath is not None:
            sources.append(VerifySource.directory(os.fsdecode(capath)))
        if isinstance(cadata, str):
            sources.append(VerifySource.pem(cadata))
        elif cadata is not None:
            sources += map(VerifySource.pem, _split_der(bytes(cadata)))
        self._trust(source.load() for source in sources)

    def _load_lists(self, path: Path) -> bool:
        """Load the revocation lists in a file; say if it has certificates."""
        try:
            data = path.read_bytes()
        except OSError:
            return True  # Who reads the certificates has the words.
        if b"-----BEGIN X509 CRL-----" not in data:
            return True
        # What ssl checks is said by its flags.
        check = self._settings.revocation_check
        self._tlskit.load_crls(data)
        self._tlskit._change(revocation_check=check)
        return b"CERTIFICATE-----" in data

    def set_default_verify_paths(self) -> None:
        """Trust the default sources."""
        self._trust(load_default_roots())

    def load_default_certs(
        self, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH
    ) -> None:
        """Trust the default sources, whatever the purpose."""
        if not isinstance(purpose, ssl._ASN1Object):
            raise TypeError(purpose)
        self.set_default_verify_paths()

    def _trust(self, found: Iterable[Roots]) -> None:
        known = set(self._settings.root_ders)
        directories = set(self._settings.root_directories)

        def new(roots: Roots) -> bool:
            return not (
                known.issuperset(roots.ders)
                and directories.issuperset(roots.directories)
            )

        fresh = [roots for roots in found if new(roots)]
        if fresh:
            self._check_unsealed("the trusted roots")
            for roots in fresh:
                self._tlskit._trust(roots)

    def get_ca_certs(self, binary_form: bool = False) -> list[Any]:
        """Give the roots that are loaded; not those in directories."""
        ders = self._settings.root_ders
        if binary_form:
            return list(ders)
        return [certificate_dict(readable(each)) for each in ders]

    def cert_store_stats(self) -> dict[str, int]:
        """Count the roots that are loaded."""
        count = len(self._settings.root_ders)
        lists = len(self._settings.crls)
        return {"x509": count, "crl": lists, "x509_ca": count}


def _known_ciphers() -> dict[str, dict[str, Any]]:
    """Describe every cipher suite that ``ssl`` knows, by name."""
    everything = ContextBeneath(ssl.PROTOCOL_TLS_CLIENT)
    everything.set_ciphers("ALL:@SECLEVEL=0")
    return {str(each["name"]): dict(each) for each in everything.get_ciphers()}


def _split_der(data: bytes) -> list[bytes]:
    """Take certificates apart that stand one behind the other.

    Raises:
        ssl.SSLError: This is no DER.
    """
    found = []
    while data:
        # X.690, section 8.1.3: a SEQUENCE with a length of two bytes.
        size = 4 + int.from_bytes(data[2:4], "big")
        if data[:2] != b"\x30\x82" or size > len(data):
            raise ssl.SSLError(
                ssl.SSL_ERROR_SSL, "not enough data: cadata is no DER"
            )
        found.append(data[:size])
        data = data[size:]
    return found
