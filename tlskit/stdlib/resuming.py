"""``SSLSession``: what the adapter's ``session`` gives, and takes."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from ..x509.der import elements

if TYPE_CHECKING:
    from ..engine.resumption import Kept

__all__ = ["SSLSession", "kept_of"]

# Of OpenSSL's own form: the identifier's place, and fields by their tags.
_ID = 3
_TIME, _TIMEOUT, _HINT, _TICKET = 0xA1, 0xA2, 0xA9, 0xAA


class SSLSession:
    """A session that another connection may resume; see ``ssl.SSLSession``.

    It is resumed only under the rules that it came about by: the settings of
    the tlskit context, the host name to check, and the protocols offered.
    Otherwise the handshake is a full one.

    Args:
        context: The ``ssl.SSLContext`` that it belongs to.
        kept: The session itself.
    """

    def __init__(self, context: ssl.SSLContext, kept: Kept) -> None:
        self._adapter = context
        self._kept = kept
        (body,) = elements(kept.session.der)
        self._fields = list(elements(body.content))

    def _field(self, tag: int) -> bytes | None:
        for field in self._fields:
            if field.tag == tag:
                (inside,) = elements(field.content)
                return inside.content
        return None

    def _number(self, tag: int) -> int:
        return int.from_bytes(self._field(tag) or b"", "big")

    @property
    def id(self) -> bytes:
        """The session's identifier; in TLS 1.3 a mere label."""
        return self._fields[_ID].content

    @property
    def time(self) -> int:
        """When it came about, in seconds since 1970."""
        return self._number(_TIME)

    @property
    def timeout(self) -> int:
        """For how long, in seconds, OpenSSL would use it."""
        return self._number(_TIMEOUT)

    @property
    def ticket_lifetime_hint(self) -> int:
        """For how long, in seconds, the server means to take its ticket."""
        return self._number(_HINT)

    @property
    def has_ticket(self) -> bool:
        """Whether the server has sent a ticket."""
        return self._field(_TICKET) is not None

    def __eq__(self, other: object) -> bool:
        """Compare the sessions."""
        if not isinstance(other, SSLSession):
            return NotImplemented
        return self._kept.session.der == other._kept.session.der

    def __hash__(self) -> int:
        """Hash by the session."""
        return hash(self._kept.session.der)

    def __repr__(self) -> str:
        """Tell no secret."""
        return f"<tlskit.stdlib.{type(self).__name__} of {self._adapter!r}>"


def kept_of(session: Any, context: Any) -> Kept | None:
    """Take a session out of what ``session=`` was given.

    Args:
        session: An ``SSLSession`` of ours, or None.
        context: The adapter that it is given to.

    Raises:
        TypeError: It is something else.
        ValueError: It is one of another tlskit context.
    """
    if session is None:
        return None
    if not isinstance(session, SSLSession):
        raise TypeError("Value is not a SSLSession.")
    made_by: Any = session._adapter
    if made_by.tlskit_context is not context.tlskit_context:
        raise ValueError("Session refers to a different SSLContext.")
    return session._kept
