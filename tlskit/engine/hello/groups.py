"""Which groups keys are exchanged by, those of Diffie-Hellman included.

OpenSSL 4.0 does as RFC 7919, section 4, wants it: a TLS 1.2 client that names
groups of finite fields gets one of those, whatever parameters were set, or no
DHE at all.  So the groups that fit the parameters join the list.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from ...errors import ConfigurationError, UnsupportedError
from ...openssl import native
from ...openssl.gate import translated
from ...x509.der import elements
from ...x509.gate import ec

if TYPE_CHECKING:
    from ...openssl.gate import SSL
    from ...policy.settings import Settings

__all__ = ["set_key_exchange"]

#: RFC 7919, by the size of the prime in bits.
_SIZES = (2048, 3072, 4096, 6144, 8192)
#: OpenSSL's own list, but for the groups of finite fields in it.
_DEFAULT = ("DEFAULT", "-ffdhe2048", "-ffdhe3072")


def set_key_exchange(context: SSL.Context, settings: Settings) -> None:
    """Have these groups offered and taken, in their order.

    Raises:
        ConfigurationError: A group is unknown.
        UnsupportedError: The library lacks a curve, or the binding the means.
    """
    finite = _finite(settings)
    if settings.groups:
        _set_groups(context, settings.groups, finite)
    elif settings.ecdh_curve is not None:
        _set_curve(context, settings.ecdh_curve, finite)
    elif finite:
        _set_groups(context, _DEFAULT, finite)


def _finite(settings: Settings) -> tuple[str, ...]:
    """Give the groups beside which the Diffie-Hellman parameters are used.

    First that of the same size, which in general is the very same; then
    larger ones, then smaller ones.  Whoever lists such groups himself knows.
    """
    pem = settings.dh_parameters
    if (
        pem is None
        or not native.has("groups")
        or any("ffdhe" in name.lower() for name in settings.groups)
    ):
        return ()
    bits = _bits(pem)
    ordered = sorted(_SIZES, key=lambda size: (size < bits, abs(size - bits)))
    return tuple(f"ffdhe{size}" for size in ordered)


def _bits(pem: bytes) -> int:
    """Give the size of a prime (PKCS#3: it comes first)."""
    body = pem.partition(b"-----BEGIN DH PARAMETERS-----")[2]
    try:
        der = base64.b64decode(body.partition(b"-----END")[0])
        (parameters,) = elements(der)
        prime = next(elements(parameters.content))
    except (binascii.Error, ValueError, IndexError, StopIteration):
        return 0  # OpenSSL has read more of it than we can.
    return int.from_bytes(prime.content, "big").bit_length()


def _set_groups(
    context: SSL.Context, names: tuple[str, ...], more: tuple[str, ...]
) -> None:
    try:
        native.set_groups(context, ":".join((*names, *more)))
    except UnsupportedError:
        raise  # It is a ConfigurationError, too, and not about the names.
    except ConfigurationError as error:
        raise ConfigurationError(
            f"this OpenSSL can't use the groups {', '.join(names)}: a name is "
            "unknown, or of a curve that TLS does not have",
            hint="use names such as X25519MLKEM768, X25519, X448, P-256, "
            "P-384, P-521, ffdhe2048",
        ) from error


def _set_curve(context: SSL.Context, name: str, more: tuple[str, ...]) -> None:
    if not native.has("groups"):
        with translated(UnsupportedError, f"setting the curve {name}"):
            context.set_tmp_ecdh(_curve(name)())
        return
    # set_tmp_ecdh also takes curves that no handshake can be done with.
    try:
        native.set_groups(context, ":".join((name, *more)))
    except ConfigurationError as error:
        raise _no_curve(name) from error


def _curve(name: str) -> type[ec.EllipticCurve]:
    """Find a curve by OpenSSL's name for it."""
    aliases = {"prime192v1": "secp192r1", "prime256v1": "secp256r1"}
    kinds: dict[object, type[ec.EllipticCurve]] = {
        kind.name: kind for kind in ec.EllipticCurve.__subclasses__()
    }
    found = kinds.get(aliases.get(name, name))
    if found is None:
        raise _no_curve(name)
    return found


def _no_curve(name: str) -> UnsupportedError:
    return UnsupportedError(
        f"this library has no elliptic curve {name!r} for key exchange",
        hint="use secp256r1, secp384r1 or secp521r1",
    )
