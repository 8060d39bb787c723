"""``TLSVersion``, the protocols' names, and what is supported."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from ..errors import InsecureProtocolWarning, UnsupportedError
from ..tools.public import public
from .gate import SSL, is_available

__all__ = [
    "Protocol",
    "TLSVersion",
    "max_client_protocol",
    "max_server_protocol",
    "protocol",
    "supported_client_protocols",
    "supported_server_protocols",
]


@public
class TLSVersion(IntEnum):
    """Versions by their number on the wire (RFC 8446, section 4.2.1).

    Source: ``*tls-version-1.2*`` and its siblings.
    """

    SSL_3_0 = 0x0300
    TLS_1_0 = 0x0301
    TLS_1_1 = 0x0302
    TLS_1_2 = 0x0303
    TLS_1_3 = 0x0304

    def __str__(self) -> str:
        """Give the name that people use, such as ``TLS 1.3``."""
        family, major, minor = self.name.split("_")
        return f"{family} {major}.{minor}"

    def __format__(self, form: str) -> str:
        """Format the name, or the number where *form* is for numbers."""
        if form[-1:] and form[-1] in "bdnoxX":
            return int.__format__(self, form)
        return format(str(self), form)


@dataclass(frozen=True)
class Protocol:
    """A range of versions, by its name."""

    name: str
    minimum: TLSVersion
    maximum: TLSVersion
    #: What stays out, also when the range grows again.
    left_out: tuple[TLSVersion, ...] = ()

    @property
    def insecure(self) -> bool:
        """Whether all its versions are deprecated (RFC 8996)."""
        return self.maximum < TLSVersion.TLS_1_2


# Worst first.
_PINNED = (
    Protocol("tls", TLSVersion.TLS_1_0, TLSVersion.TLS_1_0),
    Protocol("tls11", TLSVersion.TLS_1_1, TLSVersion.TLS_1_1),
    Protocol("tls12", TLSVersion.TLS_1_2, TLSVersion.TLS_1_2),
    Protocol("tls13", TLSVersion.TLS_1_3, TLSVersion.TLS_1_3),
)
_PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "secure": Protocol("secure", TLSVersion.TLS_1_2, TLSVersion.TLS_1_3),
        "auto": Protocol("auto", TLSVersion.TLS_1_2, TLSVersion.TLS_1_3),
        **{each.name: each for each in _PINNED},
    }
)
_ALIAS = "sslv2-or-v3"
_GONE = ("sslv2", "sslv3")
_NAMES = (*_PROTOCOLS, _ALIAS, *_GONE)


def protocol(name: str) -> Protocol:
    """Find a protocol by its name; warn whoever called this package.

    Args:
        name: ``"secure"``, ``"auto"``, ``"tls13"`` and so on.

    Raises:
        ValueError: There is no such name; the message lists the names.
        UnsupportedError: No current library has it.
    """
    if name in _GONE:
        raise UnsupportedError(
            f"the protocol {name!r} is broken, and no current OpenSSL has it",
            hint="use 'secure'",
        )
    if name == _ALIAS:
        warnings.warn(
            f"{_ALIAS!r} is an old name of 'auto'",
            DeprecationWarning,
            stacklevel=_callers_level(),
        )
        name = "auto"
    found = _PROTOCOLS.get(name) if isinstance(name, str) else None
    if found is None:
        raise ValueError(
            f"there is no protocol {name!r}; there are: {', '.join(_NAMES)}"
        )
    if found.insecure:
        warnings.warn(
            f"the protocol {name!r} is insecure (RFC 8996)",
            InsecureProtocolWarning,
            stacklevel=_callers_level(),
        )
    return found


def _callers_level() -> int:
    """Give the ``stacklevel`` of the first line that is not this package's.

    A context is made directly, by ``connect``, by ``listen`` and so on: the
    depth differs.
    """
    # Python 3.12 has skip_file_prefixes for this.
    level = 1
    frame = sys._getframe(level)
    while frame.f_back is not None and _is_ours(frame.f_globals):
        level += 1
        frame = frame.f_back
    return level


def _is_ours(names: Mapping[str, Any]) -> bool:
    module = str(names.get("__name__"))
    return f"{module}.".startswith("tlskit.")


@lru_cache(maxsize=2)
def _supported(*, server_side: bool) -> tuple[str, ...]:
    if not is_available():
        return ()
    method = SSL.TLS_SERVER_METHOD if server_side else SSL.TLS_CLIENT_METHOD
    pinned = [each for each in _PINNED if _works(each, method)]
    # These two are no more than ways to ask for the secure ones.
    ranges = ("secure", "auto")
    secure = not all(each.insecure for each in pinned)
    return (*(ranges if secure else ()), *(each.name for each in pinned))


def _works(pinned: Protocol, method: int) -> bool:
    try:
        context = SSL.Context(method)
        context.set_min_proto_version(pinned.minimum)
        context.set_max_proto_version(pinned.maximum)
    except SSL.Error:
        return False
    return True


def supported_client_protocols() -> tuple[str, ...]:
    """Name what a client can speak, the worst first.

    Returns:
        Names of protocols; empty if there is no OpenSSL.

    Source: ``supported-client-protocols``.
    """
    return _supported(server_side=False)


def supported_server_protocols() -> tuple[str, ...]:
    """Name what a server can speak, the worst first.

    Returns:
        Names of protocols; empty if there is no OpenSSL.

    Source: ``supported-server-protocols``.
    """
    return _supported(server_side=True)


def max_client_protocol() -> str | None:
    """Name the newest version that a client can speak, or give None.

    Returns:
        Such as ``"tls13"``; None if there is no OpenSSL.

    Source: ``ssl-max-client-protocol``.
    """
    return next(reversed(supported_client_protocols()), None)


def max_server_protocol() -> str | None:
    """Name the newest version that a server can speak, or give None.

    Returns:
        Such as ``"tls13"``; None if there is no OpenSSL.

    Source: ``ssl-max-server-protocol``.
    """
    return next(reversed(supported_server_protocols()), None)
