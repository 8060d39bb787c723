"""What may be ordered at all: names, and where they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress

from ...errors import ConfigurationError
from ...verify.identity import Identity
from .challenge import PORTS
from .ordering import Request

__all__ = ["checked_request", "file_name", "host_of"]


def checked_request(request: Request, *, terms_agreed: bool) -> Request:
    """Check what ``AcmeCredentials`` is given.

    Returns:
        The same with its names in one form.

    Raises:
        ConfigurationError: It can't be.
        ValueError: There is no name.
    """
    directory, challenge = request.directory, request.challenge
    names = _checked(request.names)
    if not terms_agreed:
        raise ConfigurationError(
            "nothing is ordered before you agree to the terms of service",
            code="terms-not-agreed",
            hint="read the terms of the server and give terms_agreed=True",
        )
    if not directory.startswith("https://"):
        raise ConfigurationError(
            f"the directory of an ACME server is an https: address, not "
            f"{directory!r} (RFC 8555, section 6.1)",
            hint="Let's Encrypt's is "
            "https://acme-v02.api.letsencrypt.org/directory",
        )
    if challenge not in PORTS:
        raise ConfigurationError(
            f"the challenge {challenge!r} can't be answered",
            hint=f"it is one of {', '.join(PORTS)}",
        )
    return request._replace(names=names)


def _checked(names: Iterable[str]) -> tuple[str, ...]:
    found = []
    for name in names:
        if name.startswith("*."):
            raise ConfigurationError(
                f"{name!r} can't be validated: TLS-ALPN-01 and HTTP-01 have "
                "no wildcards",
                hint="name each host, or use a client that does DNS-01",
            )
        identity = Identity.parse(name)
        address = identity.ip
        host = identity.sni or str(address).encode("ascii")
        found.append(host.decode("ascii").lower())
    if not found:
        raise ValueError("give at least one name")
    return tuple(dict.fromkeys(found))


def host_of(server_name: str) -> str | None:
    """Give the host name that a client asks for; None if it can be none."""
    name = server_name.lower()
    with suppress(ConfigurationError, ValueError):
        host = Identity.parse(name).sni
        # Neither a wildcard, nor an address, nor what would be mapped.
        if host is not None and "*" not in name:
            return name if host.decode("ascii") == name else None
    return None


def file_name(request: Request) -> str:
    """Name the file of this set of names at this server."""
    whole = "\n".join((request.directory, *sorted(request.names)))
    return hashlib.sha256(whole.encode("utf-8")).hexdigest()[:32]
