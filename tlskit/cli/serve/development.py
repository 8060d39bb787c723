"""A development CA: certificates for this machine, gone when the server is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...testing import CA, Leaf

__all__ = ["development_certificate"]


@contextmanager
def development_certificate(
    names: Sequence[str],
) -> Iterator[tuple[Leaf, Path]]:
    """Have a new CA make a certificate.

    The CA's private key is never written to a file, so nothing but this one
    server can misuse the trust that is put into the CA.

    Args:
        names: Host names and IP addresses, for the certificate.

    Yields:
        The certificate with its key, and the path of the CA's own one, for
        those who are to trust it; that is removed at the end.
    """
    authority = CA("tlskit development CA")
    leaf = authority.issue(*names)
    with tempfile.TemporaryDirectory(prefix="tlskit-") as directory:
        path = Path(directory) / "ca.pem"
        path.write_bytes(authority.pem)
        yield leaf, path
