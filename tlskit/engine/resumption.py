"""One client connection's dealings with the cache of sessions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..openssl import native
from ..policy.sessions import Session, SessionCache, SessionKey
from .callbacks import Record

if TYPE_CHECKING:
    from ..openssl.gate import SSL
    from .build import Built
    from .facts import Facts

__all__ = ["Resumption"]

_TLS_1_3 = 0x0304


def _meant(record: Record) -> str:
    """Say whom a session is for: whom it must prove, and whom it was asked."""
    identity = record.identity
    assert identity is not None
    if not record.insists:
        return identity.text
    asked = (record.sni or b"").decode("ascii")
    return f"{identity.kind} {identity.text} {asked}"


class Resumption:
    """Offers a session at the start, and keeps those that the server gives.

    Args:
        cache: Where sessions come from and go to.
        key: What they are kept under.
        record: Told of the verdict that a session offered carries.
    """

    def __init__(
        self, cache: SessionCache, key: SessionKey, record: Record
    ) -> None:
        self._cache = cache
        self._key = key
        self._record = record
        self._facts: Facts | None = None
        self._verified_at = 0.0
        self._last: object = None

    @classmethod
    def of(
        cls,
        built: Built,
        record: Record,
        dialled: tuple[str, int] | None,
        alpn: tuple[bytes, ...],
    ) -> Resumption | None:
        """Say how this connection may resume; None if it must not.

        A function that judges certificates would not be asked again.
        """
        cache = built.settings.sessions
        if (
            cache is None
            or dialled is None
            or record.identity is None
            # With a key, nobody could tell which of the two was resumed.
            or built.settings.psk is not None
            or "verify_certificate" in record.used
            or not native.has("session-copies")
            or built.policy is None
        ):
            return None
        key = SessionKey(built.policy, *dialled, _meant(record), alpn)
        return cls(cache, key, record)

    def offer(self, connection: SSL.Connection) -> None:
        """Have the ClientHello offer a session, if there is a fit one."""
        session = self._cache.take(self._key)
        if session is not None and native.offer_session(
            connection, session.der
        ):
            self._record.offered = session

    def opened(self, connection: SSL.Connection, facts: Facts) -> None:
        """Keep the session of a handshake that was accepted."""
        if not facts.peer_verified:
            return
        earlier = self._record.earlier
        # However often it is resumed, a verdict is as old as its signature
        # checks.
        self._verified_at = (
            time.time() if earlier is None else earlier.verified_at
        )
        self._facts = facts
        if facts.version < _TLS_1_3:
            self._keep(connection)
        else:
            # There, sessions come later.  Each is an object of its own; as
            # long as we hold the last one, no new one has its address.
            self._last = native.held_session(connection)

    def look(self, connection: SSL.Connection) -> None:
        """Keep a session that came in with what was just read."""
        if self._last is None or native.has_session(connection, self._last):
            return
        self._last = native.held_session(connection)
        self._keep(connection)

    def failed(self) -> None:
        """Don't offer again what did not lead to a session."""
        self._cache.forget(self._key)

    def _keep(self, connection: SSL.Connection) -> None:
        facts = self._facts
        assert facts is not None
        self._cache.keep(
            self._key,
            Session(
                native.copied_session(connection),
                facts.version,
                self._verified_at,
                facts.peer_ders,
                facts.verified_ders,
            ),
        )
