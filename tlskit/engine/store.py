"""What OpenSSL trusts, and by which rules: the store of a built context."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timezone

from ..errors import ConfigurationError
from ..openssl import native
from ..openssl.gate import SSL, crypto, translated
from ..policy.settings import Purpose, RevocationCheck, Settings
from ..tools.forks import ForkLock
from ..trust import Roots

__all__ = ["fill_store"]

# The roots are in the value, so that no other object takes over their id.
_Stores = OrderedDict[
    tuple[int, ...], tuple[tuple[Roots, ...], native.RootStore]
]
_stores: _Stores = OrderedDict()
_stores_lock = ForkLock()
_STORES = 16


def fill_store(context: SSL.Context, settings: Settings) -> None:
    """Give *context* its roots, and the rules for what leads to them.

    Roots alone are parsed once where the binding allows it, and shared; a
    store with rules belongs to its context.

    Raises:
        ConfigurationError: OpenSSL refuses one of them.
        UnsupportedError: The binding can't set a purpose.
    """
    flags = _flags(settings)
    ruled = flags or settings.verification_time or settings.purpose
    if not (ruled or settings.intermediates):
        _trust(context, settings)
        return
    store = _own_store(context, settings)
    # Whatever is in a store, OpenSSL ends a path only in what has issued
    # itself, which none of these has; or, with PARTIAL_CHAIN, in any of them:
    # see ``verdict``.
    for der in settings.intermediates:
        with translated(ConfigurationError, "adding an intermediate"):
            store.add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, der))
    if settings.verification_time is not None:
        moment = settings.verification_time.astimezone(timezone.utc)
        store.set_time(moment)
    if settings.purpose is not None:
        native.set_purpose(store, _PURPOSES[settings.purpose])
    for crl in settings.crls:
        with translated(ConfigurationError, "loading a revocation list"):
            store.add_crl(crl)
    if flags:
        store.set_flags(flags)


_PURPOSES = {
    Purpose.ANY: "X509_PURPOSE_ANY",
    Purpose.CLIENT: "X509_PURPOSE_SSL_CLIENT",
    Purpose.SERVER: "X509_PURPOSE_SSL_SERVER",
}


def _flags(settings: Settings) -> int:
    known = crypto.X509StoreFlags
    flags = 0
    if settings.strict:
        flags |= known.X509_STRICT
    if settings.partial_chain:
        flags |= known.PARTIAL_CHAIN
    if settings.revocation_check is not RevocationCheck.OFF:
        flags |= known.CRL_CHECK
    if settings.revocation_check is RevocationCheck.CHAIN:
        flags |= known.CRL_CHECK_ALL
    return flags


def _trust(context: SSL.Context, settings: Settings) -> None:
    if not settings.roots:
        return
    if native.has("shared-roots"):
        _shared(settings).give_to(context)
        return
    _own_store(context, settings)


def _own_store(context: SSL.Context, settings: Settings) -> crypto.X509Store:
    """Have *context* trust the roots in a store that nobody else has."""
    store = context.get_cert_store()
    assert store is not None
    for der in settings.root_ders:
        with translated(ConfigurationError, "trusting a root"):
            store.add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, der))
    for directory in settings.root_directories:
        with translated(ConfigurationError, f"trusting {directory}"):
            context.load_verify_locations(None, directory)
    return store


def _shared(settings: Settings) -> native.RootStore:
    # Roots are cached values: the same sources give the same objects.
    key = tuple(map(id, settings.roots))
    with _stores_lock:
        found = _stores.get(key)
        if found is None:
            store = native.RootStore(
                settings.root_ders, settings.root_directories
            )
            found = _stores[key] = (settings.roots, store)
            if len(_stores) > _STORES:
                _stores.popitem(last=False)
        _stores.move_to_end(key)
        return found[1]
