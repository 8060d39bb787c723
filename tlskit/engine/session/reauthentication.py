"""Asking a peer for another certificate than the context asks for.

Before the handshake the question is changed; in mid-session the peer is
asked again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import SealedError, StreamError, TLSError, UnsupportedError
from ...openssl import native
from ...openssl.gate import translated
from ...policy.settings import Verify
from ...tools.early import MOST_EARLY
from ..build import set_verify, verify_mode
from ..tickets import NO_TICKET
from .data import RECORD, Carrying

if TYPE_CHECKING:
    from ..build import Built

__all__ = ["Reauthenticating"]

_TLS_1_3 = 0x0304


class Reauthenticating(Carrying):
    """Asks for more or less, before the handshake or after it."""

    # Said once more for type checkers that look at this class alone.
    smooth: bool

    # What ``expect`` was told, for another context, too.
    _told: Verify | None = None

    def _connect(self, built: Built) -> None:
        super()._connect(built)
        # An ACME server's question is answered to whoever asks, and nothing
        # else is said to it.
        if self._told is not None and not self.record.challenge:
            demanded = built.settings.verify
            self._ask_for(max(self._told, demanded, key=_strength))

    def expect(self, verify: Verify) -> None:
        """Ask for more or less than the context does; before the handshake.

        Where hooks choose another context, the stronger of the two counts.

        Args:
            verify: What to ask for.

        Raises:
            SealedError: That is less than a sealed client's context demands.
        """
        with self._step():
            self._check_weakening(verify)
            self.smooth = False
            self._resumption = None  # What it knows was judged otherwise.
            self._told = verify
            self._ask_for(verify)

    def _ask_for(self, verify: Verify) -> None:
        self._judge_by(verify)
        if self.server_side:
            # By a ticket, or a session's id, a client may come without the
            # certificate that is asked for now.
            self._connection.set_options(NO_TICKET)
            if native.has("session-ids"):
                native.resume_nothing(self._connection)

    def _check_weakening(self, verify: Verify) -> None:
        record = self.record
        if (
            not self.server_side
            and record.hooks.frozen
            and verify.strength < record.settings.verify.strength
        ):
            raise SealedError(
                "this client's context is sealed and demands more of the "
                f"server ({record.settings.verify.value}) than "
                f"{verify.value}",
                hint="make the port from a copy() of the context, and "
                "change that",
            )

    def _judge_by(self, verify: Verify) -> None:
        settings = replace(self.record.settings, verify=verify)
        self.record.settings = settings
        lax = settings.judges_further and not verify.refuses_bad
        if self.server_side and lax:
            # What is tolerated beyond OpenSSL's verdict is in no ticket; and
            # without tickets there is only OpenSSL's cache, which is off then.
            self._connection.set_options(NO_TICKET)
        set_verify(
            self._connection,
            verify_mode(settings, self.server_side),
            each="verify_certificate" in self.record.used,
        )

    def reauthenticate(self, verify: Verify) -> None:
        """Ask a client for its certificate in mid-session.

        TLS 1.2 renegotiates (RFC 5246, section 7.4.1.1); TLS 1.3 has
        post-handshake authentication (RFC 8446, section 4.6.2).  Afterwards
        ``reauthenticated()`` is the step to drive.

        Args:
            verify: What to ask for.

        Raises:
            UnsupportedError: Neither is possible with this peer.
        """
        with self._step():
            self._what("write")
            facts = self.write_down()  # What is told until the peer answers.
            self.smooth = False
            self.record.renew()
            self.record.settled = False
            self._judge_by(verify)
            self.record.keep_finished(self._connection)
            if facts.version >= _TLS_1_3:
                self._ask_on_13()
            else:
                self._renegotiate()

    def _ask_on_13(self) -> None:
        asked = native.request_client_certificate(self._connection)
        if not asked:
            raise UnsupportedError(
                "this TLS 1.3 client does not offer post-handshake "
                "authentication, so it can't be asked for a certificate now",
                hint="ask in the handshake: call set_verify() on the context",
            )
        self._run(self._connection.do_handshake, StreamError)

    def _renegotiate(self) -> None:
        # A renegotiation that resumes the session asks for no certificate:
        # SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION.
        self._connection.set_options(0x10000)
        with translated(StreamError, "renegotiating"):
            self._connection.renegotiate()
        self._run(self._connection.do_handshake, StreamError)

    def reauthenticated(self) -> bool | None:
        """Go on with ``reauthenticate``.

        Returns:
            True when the peer has answered, None for "feed me".

        Raises:
            StreamError: The peer closed, or talks of something else.
            VerificationError: The peer gave no certificate, or a bad one.
        """
        with self._step():
            self._what("read")
            buffer = bytearray(RECORD)
            while not self._answered():
                size = self._run(
                    self._connection.recv_into, StreamError, buffer
                )
                if size is None:
                    break
                if size == 0:
                    raise StreamError(
                        "the peer closed instead of giving its certificate"
                    )
                self._keep_early(memoryview(buffer)[:size])
                if self._early.full:
                    raise self._failed(_talks_instead())
            if not self._answered():
                return None
            if not self.record.settled:  # By nobody who has read meanwhile.
                self._establish(self._accepted())
            return True


def _strength(verify: Verify) -> int:
    return verify.strength


def _talks_instead() -> TLSError:
    return StreamError(
        f"the peer sent {MOST_EARLY} bytes of data instead of its certificate",
        code="no-answer",
        hint="read what the peer has to say before set_verify()",
    )
