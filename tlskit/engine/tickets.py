"""Session tickets of a server: whether it sends any, and which it refuses.

OpenSSL refuses a ticket of another key, another session ID context (here a
digest of the rules that peers are verified by), or too old, and makes a full
handshake instead.  What a client keeps is in ``resumption``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ..openssl import native
from ..openssl.gate import SSL
from ..policy.settings import Settings, Verify
from ..x509.gate import hashes

__all__ = ["NO_TICKET", "set_resumption"]

#: SSL_OP_NO_TICKET.
NO_TICKET = 0x4000


def set_resumption(
    context: SSL.Context, settings: Settings, hooks: frozenset[str]
) -> bool:
    """Set up what may be resumed; say whether anything may."""
    context.set_session_id(_session_id(settings))
    if settings.session_lifetime is not None:
        context.set_timeout(settings.session_lifetime)
    if settings.session_lifetime == 0 or _unsafe(settings, hooks):
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        return False
    if settings.judges_further or not native.has("session-verdicts"):
        # Nobody could tell what a session in OpenSSL's cache is worth; it
        # would know nothing of what was tolerated beyond OpenSSL's verdict.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    return True


def _unsafe(settings: Settings, hooks: Iterable[str]) -> bool:
    """Tell whether a resumed session could evade what a full one checks.

    A ticket carries the verdict of the handshake that made it, as far as
    OpenSSL was told of it.  A handshake that is refused sends none, whoever
    has refused; so what pins and a second verifier have found good once, by
    the very rule that a ticket is bound to, need not be asked again.  What
    they have merely tolerated is not in the ticket, and a hook's opinion
    neither.
    """
    return (
        # Without these nobody knows what a session carries: OpenSSL writes
        # "ok" when a callback accepts, and that can't be asked for.
        (
            settings.verify is not Verify.NONE
            and not all(
                map(
                    native.has,
                    ("session-reused", "session-verdicts", "verify-error"),
                )
            )
        )
        or (settings.verify is Verify.TRY and settings.judges_further)
        or settings.verifier is not None
        # Nobody could tell whether a key was proved, or which.
        or settings.psk is not None
        or "verify_certificate" in hooks
    )


def _session_id(settings: Settings) -> bytes:
    """Name the policy, so that a session resumes only under the same one."""
    digest = hashlib.sha256(settings.verify.value.encode())
    for der in (*settings.root_ders, b"", *settings.intermediates):
        digest.update(hashlib.sha256(der).digest())
    for crl in settings.crls:
        digest.update(crl.fingerprint(hashes.SHA256()))
    for part in (
        *settings.root_directories,
        *map(str, settings.pins),
        settings.revocation_check.value,
        *map(
            str,
            (
                settings.strict,
                settings.partial_chain,
                settings.purpose,
                settings.verification_time,
                settings.verify_depth,
            ),
        ),
    ):
        digest.update(part.encode())
    return digest.digest()[:32]
