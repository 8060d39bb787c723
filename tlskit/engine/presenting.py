"""Our own certificates and keys, as OpenSSL gets them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CredentialError, UnsupportedError
from ..openssl import native
from ..openssl.gate import SSL, crypto, translated
from ..policy.settings import Settings
from ..x509.pairs import Pair
from ..x509.pem import encoded

if TYPE_CHECKING:
    from .callbacks import Record

__all__ = ["on_status_request", "own_pair", "set_credentials"]


#: The kinds that pyOpenSSL takes by its public interface.
_PUBLIC = {"RSA", "EC", "Ed25519", "Ed448"}


def set_credentials(context: SSL.Context, settings: Settings) -> None:
    """Have *context* present the pairs of the settings.

    Raises:
        CredentialError: OpenSSL refuses one.
        UnsupportedError: It can't use a key of that kind.
    """
    pairs = settings.pairs
    for pair in pairs:
        with translated(CredentialError, "loading the certificate"):
            if pair.chain.exact:
                context.use_certificate(pair.chain.leaf)
        with translated(CredentialError, "loading the certificate chain"):
            _set_issuers(context, pair, len(pairs) == 1)
        with translated(CredentialError, "loading the private key"):
            _set_key(context, pair)
        with translated(CredentialError, "pairing certificate and key"):
            context.check_privatekey()


def _set_issuers(context: SSL.Context, pair: Pair, alone: bool) -> None:
    """Send these issuers; what is added as extra goes with every leaf."""
    if alone and pair.chain.exact:
        for certificate in pair.chain.certificates[1:]:
            context.add_extra_chain_cert(certificate)
        return
    # The only door to a chain of one certificate's own reads a file, and so
    # does the one to what cryptography can't read.  It holds no secret.
    descriptor, name = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            for der in pair.chain.ders:
                file.write(encoded("CERTIFICATE", der))
        context.use_certificate_chain_file(name)
    finally:
        Path(name).unlink()


def _set_key(context: SSL.Context, pair: Pair) -> None:
    if native.has("any-private-key"):
        native.use_private_key(context, pair.key_der)
        return
    if pair.slot not in _PUBLIC:
        raise UnsupportedError(
            f"this pyOpenSSL takes no key of this kind: {pair.slot}",
            hint="use an RSA, EC, Ed25519 or Ed448 key",
        )
    context.use_privatekey(pair.key.key)  # type: ignore[arg-type]


def own_pair(connection: SSL.Connection, settings: Settings) -> Pair | None:
    """Give the pair that was presented, or would be if one was asked for.

    With several it is the one that OpenSSL has chosen in this handshake.
    """
    pairs = settings.pairs
    if len(pairs) < 2:
        return pairs[0] if pairs else None
    chosen = connection.get_certificate()
    if chosen is None:
        return None
    der = crypto.dump_certificate(crypto.FILETYPE_ASN1, chosen)
    return next((each for each in pairs if each.chain.ders[0] == der), None)


def on_status_request(connection: SSL.Connection, _: object = None) -> bytes:
    """Give the response to staple, for a server."""
    record: Record = connection.get_app_data()
    try:
        staple = record.settings.staple
        pair = own_pair(connection, record.settings)
        if (
            staple is None
            or pair is None
            or not staple.covers(pair.chain.leaf)
        ):
            return b""
        with record.calling():
            return staple.current()
    except BaseException as error:  # noqa: BLE001 - raised by the engine
        record.refuse(error)
        return b""
