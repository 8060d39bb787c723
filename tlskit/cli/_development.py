"""A development CA: certificates for this machine, gone when the server is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..sides import ServerContext
from ..testing import CA

__all__ = ["development_certificate"]


@contextmanager
def development_certificate(
    context: ServerContext, names: Sequence[str]
) -> Iterator[Path]:
    """Give *context* a certificate that a new CA makes.

    The CA's private key is never written to a file, so nothing but this one
    server can misuse the trust that is put into the CA.

    Args:
        context: Not sealed yet.
        names: Host names and IP addresses, for the certificate.

    Yields:
        The path of the CA's own certificate, for those who are to trust it;
        it is removed at the end.
    """
    authority = CA("tlskit development CA")
    authority.issue(*names).apply(context)
    with tempfile.TemporaryDirectory(prefix="tlskit-") as directory:
        path = Path(directory) / "ca.pem"
        path.write_bytes(authority.pem)
        yield path
