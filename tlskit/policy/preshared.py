"""Pre-shared keys: where they come from, and what they have to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from ..errors import ConfigurationError

__all__ = [
    "KeyOf",
    "KeyOffer",
    "Offered",
    "PreSharedKeys",
    "keys_of",
    "offer_of",
]

#: An identity and its key.
Offered = tuple[str | bytes, bytes]
_Offer = Callable[[], Offered | None]
_Find = Callable[[str], bytes | None]
#: What a client offers: a pair, or a function that gives one, or None.
KeyOffer = Offered | _Offer
#: What a server knows: keys by identity, or a function that finds one.
KeyOf = Mapping[str, bytes] | Mapping[bytes, bytes] | _Find

#: Of each hash, a suite that every library has (RFC 8446, appendix B.4).
_SUITES = {"sha256": b"\x13\x01", "sha384": b"\x13\x02"}
#: OpenSSL's own order.
_ALL = (
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256",
)
#: RFC 9257, section 4.2: 128 bits at least.  And what OpenSSL takes.
_SHORTEST, _LONGEST = 16, 256
_LONGEST_IDENTITY = 1024


@dataclass(frozen=True)
class PreSharedKeys:
    """The keys of one side, and the hash that they are used with."""

    hash: str
    #: A client's.
    offer: _Offer | None = field(default=None, repr=False)
    #: A server's.
    find: _Find | None = field(default=None, repr=False)

    @property
    def suite(self) -> bytes:
        """The number of a suite with this hash."""
        return _SUITES[self.hash]

    def ciphersuites(self, chosen: str | None, *, server_side: bool) -> str:
        """Put the suites first that a key fits; for a client, no others.

        Args:
            chosen: Names with colons between them; None for the default.
            server_side: For a server or for a client.

        Raises:
            ConfigurationError: No suite has this hash.
        """
        names = _ALL if chosen is None else tuple(chosen.split(":"))
        fitting = [name for name in names if name.endswith(self.hash.upper())]
        if not fitting:
            raise ConfigurationError(
                f"no suite of {chosen} has the hash of the pre-shared keys, "
                f"{self.hash}",
                hint='pass hash="sha384" or hash="sha256", as the suites are',
            )
        others = [name for name in names if name not in fitting]
        return ":".join([*fitting, *(others if server_side else [])])


@dataclass(frozen=True)
class _Pair:
    """What a client offers every time."""

    identity: str
    key: bytes = field(repr=False)

    def __call__(self) -> Offered:
        return self.identity, self.key


@dataclass(frozen=True)
class _Table:
    """Keys by identity."""

    keys: Mapping[str, bytes] = field(repr=False)

    def __call__(self, identity: str) -> bytes | None:
        return self.keys.get(identity)


def offer_of(source: object, hash_name: str) -> PreSharedKeys:
    """Read what a client is to offer."""
    _check_hash(hash_name)
    if callable(source):
        return PreSharedKeys(hash_name, offer=cast("_Offer", source))
    if not isinstance(source, tuple) or len(source) != 2:
        raise TypeError(
            "a client offers an identity and a key, as a pair or from a "
            f"function, not {type(source).__name__}"
        )
    identity, key = source
    return PreSharedKeys(
        hash_name, offer=_Pair(checked_identity(identity), checked_key(key))
    )


def keys_of(source: object, hash_name: str) -> PreSharedKeys:
    """Read what a server is to know."""
    _check_hash(hash_name)
    if callable(source):
        return PreSharedKeys(hash_name, find=cast("_Find", source))
    if not isinstance(source, Mapping):
        raise TypeError(
            "a server has a mapping of identities to keys, or a function "
            f"that finds a key, not {type(source).__name__}"
        )
    return PreSharedKeys(
        hash_name,
        find=_Table(
            {
                checked_identity(identity): checked_key(key)
                for identity, key in source.items()
            }
        ),
    )


def _check_hash(name: object) -> None:
    if name not in _SUITES:
        raise ValueError(
            f"the hash of pre-shared keys is one of {', '.join(_SUITES)}, "
            f"not {name!r}"
        )


def checked_identity(identity: object) -> str:
    """Read an identity.

    Raises:
        TypeError: It is no text.
        ValueError: It is no UTF-8, or has not 1 to 1024 bytes of it.
    """
    if isinstance(identity, bytes):
        try:
            identity = identity.decode()
        except UnicodeDecodeError:
            raise ValueError("an identity is text, in UTF-8") from None
    if not isinstance(identity, str):
        raise TypeError(
            f"an identity is str or bytes, not {type(identity).__name__}"
        )
    size = len(identity.encode())
    if not 1 <= size <= _LONGEST_IDENTITY:
        raise ValueError(
            f"an identity has 1 to {_LONGEST_IDENTITY} bytes, not {size}"
        )
    return identity


def checked_key(key: object) -> bytes:
    """Read a key.

    Raises:
        TypeError: It is no bytes.
        ValueError: It is too short to be safe, or too long.
    """
    if not isinstance(key, bytes):
        raise TypeError(f"a key is bytes, not {type(key).__name__}")
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(
            f"a pre-shared key has {_SHORTEST} to {_LONGEST} bytes, and as "
            f"much entropy; this one has {len(key)} (RFC 9257, section 4.2)"
        )
    return key
