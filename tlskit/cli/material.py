"""Where ``inspect`` reads from: a file, standard input, or a server."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography import x509

from ..client.connect import connect
from ..context.sides import ClientContext
from ..errors import ConfigurationError, CredentialError, TLSError
from .places import Place, parse_place

__all__ = ["MOST_BYTES", "Material", "gather", "read_bounded"]

#: Larger files are refused, in bytes; certificate lists of whole systems have
#: less than one MiB, and revocation lists a few.
MOST_BYTES = 16 * 1024 * 1024
#: What ends like this is meant to be a file, though it could be a host.
_SUFFIXES = (
    *(".pem", ".crt", ".cer", ".cert", ".der", ".key", ".csr", ".req"),
    *(".crl", ".p12", ".pfx", ".p7b", ".p7c", ".p8", ".pub", ".txt"),
)


@dataclass(frozen=True)
class Material:
    """What there is to inspect."""

    #: As it was given.
    name: str
    #: ``"file"``, ``"stdin"`` or ``"host"``.
    origin: str
    data: bytes = b""
    #: What a server presented, its own certificate first.
    chain: tuple[x509.Certificate, ...] = ()


def gather(text: str, timeout: float) -> Material:
    """Read a file, standard input (``-``), or a server's chain.

    A file that exists is read.  Anything else that could be a host, and does
    not end like a file's name, is one.

    Args:
        text: Which of them.
        timeout: For a server, in seconds.

    Raises:
        CredentialError: It can't be read, or there is too much of it.
        OSError: The server can't be reached, or does not speak TLS.
    """
    if text == "-":
        return Material("stdin", "stdin", read_bounded(text))
    place = None if os.path.lexists(text) else _place(text)
    if place is None:
        return Material(text, "file", read_bounded(text))
    return Material(str(place), "host", chain=_presented(place, timeout))


def _place(text: str) -> Place | None:
    if (
        os.sep in text
        or (os.altsep or os.sep) in text
        or text.lower().endswith(_SUFFIXES)
    ):
        return None
    try:
        return parse_place(text, 443)
    except (ConfigurationError, ValueError):
        return None


# -- files ------------------------------------------------------------------


def read_bounded(path: str, most: int = MOST_BYTES) -> bytes:
    """Read a file, or standard input (``-``).

    Args:
        path: Which.
        most: How many bytes are too many not to be a mistake.

    Raises:
        CredentialError: It can't be read, or it is larger.
    """
    try:
        if path == "-":
            data = _read(sys.stdin.buffer, most)
        else:
            with Path(path).open("rb") as file:
                data = _read(file, most)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number else str(error)
        raise CredentialError(
            f"can't read {path!r}: {reason}",
            code="unreadable-file",
            hint="check the path and its permissions",
            errno=number,
            filename=path,
        ) from error
    if len(data) > most:
        raise CredentialError(
            f"{path!r} has more than {most} bytes",
            code="too-large",
            hint="give a file with certificates or keys in it",
        )
    return data


def _read(file: BinaryIO, most: int) -> bytes:
    """Read one byte more than allowed, at most; a pipe gives it in pieces."""
    data = bytearray()
    while len(data) <= most:
        piece = file.read(most + 1 - len(data))
        if not piece:
            break
        data += piece
    return bytes(data)


# -- servers ----------------------------------------------------------------


class _Witness(ClientContext):
    """Sees what a server presents, whatever becomes of the handshake.

    A TLS 1.2 server that demands a certificate of ours refuses us only after
    it has shown its own.
    """

    def __init__(self) -> None:
        self.seen: dict[int, x509.Certificate] = {}
        super().__init__("auto")
        self.try_verify()

    def verify_certificate(
        self, certificate: x509.Certificate, depth: int, ok: bool
    ) -> bool:
        """Keep what was presented, and refuse nothing."""
        del ok
        self.seen[depth] = certificate
        return True


def _presented(place: Place, timeout: float) -> tuple[x509.Certificate, ...]:
    """Fetch a server's chain; it is shown, and nobody trusts it."""
    witness = _Witness()
    try:
        with connect(place.host, place.port, witness, timeout=timeout) as port:
            return port.peer_chain
    except TLSError:
        if not witness.seen:
            raise
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        words = f"can't reach {place}: {reason}"
        raise type(error)(
            f"{words}; nor is there a file of that name"
        ) from error
    return tuple(each for _, each in sorted(witness.seen.items()))
