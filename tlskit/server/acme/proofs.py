"""What proves to an ACME server that names are ours, in a shared folder.

Who orders writes the proofs, and whoever is asked reads them: that may be
another process, or another machine with the same folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ...context.sides import ServerContext
from .challenge import ALPN, HTTP, challenge_context, server_name_of
from .storage import Storage

__all__ = ["Answering", "Proofs", "asked_name"]

#: How many contexts that answer are kept at a time.
_MOST = 16


def asked_name(server_name: str | None, offered: Iterable[str]) -> str | None:
    """Give the name that an ACME server asks about; None if it is none.

    Args:
        server_name: What the client named.
        offered: The protocols that it offers; a challenge offers one.
    """
    if tuple(offered) != (ALPN,) or server_name is None:
        return None
    return server_name.lower()


class Proofs:
    """The answers to challenges, while an order goes on.

    Args:
        storage: The folder.
        challenge: Which challenge they answer.
    """

    def __init__(self, storage: Storage, challenge: str) -> None:
        self._storage = storage
        self._challenge = challenge
        #: Name that is asked for -> key authorization and what proves it.
        self._made: dict[str, tuple[bytes, ServerContext]] = {}

    def present(self, authorizations: dict[str, str]) -> None:
        """Answer these challenges, and no others, in all processes.

        Args:
            authorizations: The key authorization for each name.
        """
        # Nobody else orders meanwhile.
        self._storage.remove_all("answer-")
        for name, authorization in authorizations.items():
            asked = server_name_of(name)
            if self._challenge == HTTP:
                asked = f"{HTTP} {authorization.partition('.')[0]}"
            self._storage.write(
                self.file_of(asked), f"{name}\n{authorization}".encode("ascii")
            )

    def context(self, name: str) -> ServerContext | None:
        """Give what answers a challenge by TLS-ALPN-01, or None.

        Args:
            name: What is asked for; no file but one of ours can be meant.
        """
        with suppress(OSError, ValueError):
            # Whoever orders may be another process.
            found = self._storage.read(self.file_of(name))
            if found is None:
                return None
            known, context = self._made.get(name, (b"", None))
            if context is None or found != known:
                whole, authorization = found.decode("ascii").split("\n")
                context = challenge_context(whole, authorization)
                if len(self._made) >= _MOST:
                    self._made.clear()
                self._made[name] = found, context
            return context
        return None

    def body(self, token: str) -> bytes | None:
        """Give what answers a challenge by HTTP-01, or None.

        Args:
            token: By which the ACME server asks.
        """
        if self._challenge != HTTP:
            return None
        with suppress(OSError, ValueError):
            found = self._storage.read(self.file_of(f"{HTTP} {token}"))
            if found is not None:
                return found.split(b"\n")[1]
        return None

    def file_of(self, asked: str) -> Path:
        """Give the place of an answer."""
        digest = hashlib.sha256(asked.encode("utf-8")).hexdigest()[:32]
        return self._storage.folder / f"answer-{digest}"


class Answering:
    """Who answers challenges, also those that another process was asked."""

    _proofs: Proofs

    def answer(
        self, server_name: str | None, offered: Iterable[str]
    ) -> ServerContext | None:
        """Give what answers a challenge, for a listener.

        Args:
            server_name: What the client named.
            offered: The protocols that it offers; a challenge offers one.

        Returns:
            What does the handshake; None if this is no challenge of ours.

        Source: RFC 8737, section 3.
        """
        name = asked_name(server_name, offered)
        if name is None or not self._expects(name):
            return None
        return self._proofs.context(name)

    def proof(self, token: str) -> bytes | None:
        """Give what answers a challenge by HTTP-01, for a listener.

        Args:
            token: By which the ACME server asks.

        Returns:
            The body of the answer; None if that is no challenge of ours.

        Source: RFC 8555, section 8.3.
        """
        return self._proofs.body(token)

    def _expects(self, _name: str) -> bool:
        """Say whether a challenge for that name may be ours."""
        return True
