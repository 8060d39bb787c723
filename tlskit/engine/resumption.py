"""Which session a client offers to resume, and which it keeps.

Where it is resumed in vain, another handshake is made without it.  What a
server sends and refuses is in ``tickets``; the cache in ``policy.sessions``.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ..errors import AlertError, TLSError
from ..openssl import native
from ..policy.sessions import (
    LONGEST_AGE,
    Session,
    SessionCache,
    SessionKey,
)
from .callbacks import Record
from .session.findings import presented

if TYPE_CHECKING:
    from ..openssl.gate import SSL
    from .build import Built
    from .session.findings import Findings

__all__ = ["Kept", "Resumption"]

_TLS_1_3 = 0x0304
_HINT = (
    "an earlier session was offered to this server; for ten minutes none "
    "will be, so try again"
)


class Rule(NamedTuple):
    """All that a verdict depends on, but for where the server is."""

    policy: bytes
    meant: str
    alpn: tuple[bytes, ...]


class Kept(NamedTuple):
    """A connection's session, and the rule that its peer was judged by."""

    rule: Rule
    session: Session


def _meant(record: Record) -> str:
    """Say whom a session is for: whom it must prove, and whom it was asked."""
    identity = record.identity
    if identity is None:
        return ""
    if not record.insists:
        return identity.text
    asked = (record.sni or b"").decode("ascii")
    return f"{identity.kind} {identity.text} {asked}"


class Resumption:
    """Offers a session at the start, and keeps those that the server gives.

    Args:
        built: What the context was built to.
        record: Told of the verdict that a session offered carries.
        alpn: The protocols offered.
        dialled: Where the server is; None keeps none in the context's cache.
        given: The session to offer, if it is one by the same rule; None
            leaves it to the cache.
    """

    _cache: SessionCache | None = None
    _key: SessionKey | None = None
    _found: Findings | None = None
    _verified_at = 0.0
    _last: object = None

    def __init__(
        self,
        built: Built,
        record: Record,
        alpn: tuple[bytes, ...],
        dialled: tuple[str, int] | None,
        given: Kept | None,
    ) -> None:
        self._built = built
        self._record = record
        self._alpn = alpn
        self.given = given
        cache = built.settings.sessions
        if cache is not None and dialled is not None and record.identity:
            rule = self._rule()
            if rule is not None:
                self._cache = cache
                self._key = SessionKey(
                    rule.policy, *dialled, rule.meant, rule.alpn
                )

    @classmethod
    def of(
        cls,
        built: Built,
        record: Record,
        alpn: tuple[bytes, ...],
        dialled: tuple[str, int] | None,
        given: Kept | None,
    ) -> Resumption | None:
        """Say how this connection may resume; None if it must not.

        A function that judges certificates would not be asked again.
        """
        if (
            "verify_certificate" in record.used
            # With a key, nobody could tell which of the two was resumed.
            or built.settings.psk is not None
            or not native.has("session-copies")
        ):
            return None
        return cls(built, record, alpn, dialled, given)

    def _rule(self) -> Rule | None:
        policy = self._built.policy
        if policy is None:
            return None
        return Rule(policy, _meant(self._record), self._alpn)

    def offer(self, connection: SSL.Connection) -> None:
        """Have the ClientHello offer a session, if there is a fit one."""
        session = None
        if self.given is not None:
            kept, self.given = self.given, None
            if kept.rule == self._rule() and kept.session.usable(LONGEST_AGE):
                session = kept.session
        elif self._cache is not None and self._key is not None:
            session = self._cache.take(self._key)
        if session is not None and native.offer_session(
            connection, session.der
        ):
            self._record.offered = session

    def opened(self, connection: SSL.Connection, found: Findings) -> None:
        """Keep the session of a handshake that was accepted."""
        earlier = self._record.earlier
        # However often it is resumed, a verdict is as old as its signature
        # checks.
        self._verified_at = (
            time.time() if earlier is None else earlier.verified_at
        )
        self._found = found
        if self._cache is None or not found.verified:
            return
        if found.version < _TLS_1_3:
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

    def failed(self, error: BaseException) -> bool:
        """Don't offer again what did not lead to a session.

        Returns:
            Whether the server has broken off when it was to resume.  Some
            give tickets and then can't (OpenSSL's with client certificates
            and no session id context), so it is left alone for a while.
        """
        if self._cache is None or self._key is None:
            return False
        self._cache.forget(self._key)
        in_vain = (
            self._found is None
            and self._record.offered is not None
            and (
                isinstance(error, (AlertError, ConnectionError))
                or getattr(error, "code", "") == "closed-in-handshake"
            )
        )
        if in_vain:
            self._cache.shun(self._key)
            if isinstance(error, TLSError) and _HINT not in error.hint:
                error.hint = f"{error.hint}; {_HINT}" if error.hint else _HINT
        return in_vain

    def kept(self, connection: SSL.Connection) -> Kept | None:
        """Give the present session to another connection, by the same rule.

        What was found wrong and tolerated goes with it.
        """
        found, rule, faults = self._found, self._rule(), self._record.faults
        if found is None or rule is None:
            return None
        if not found.verified and not (
            faults and not self._record.settings.verify.refuses_bad
        ):
            return None  # Nobody could tell what was wrong with it.
        session = self._session(connection, found)
        return Kept(rule, replace(session, faults=tuple(faults)))

    def _keep(self, connection: SSL.Connection) -> None:
        assert self._found is not None
        assert self._cache is not None
        assert self._key is not None
        self._cache.keep(self._key, self._session(connection, self._found))

    def _session(self, connection: SSL.Connection, found: Findings) -> Session:
        return Session(
            native.copied_session(connection),
            found.version,
            self._verified_at,
            presented(connection, self._record, found),
            found.path,
        )
