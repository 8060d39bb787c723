"""The handshake, and whether the peer that it brings is accepted.

A peer is judged in one way (``_accepted``), at the end of the handshake or
when it comes with another certificate later.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from ...errors import HandshakeError, TruncatedError
from ...errors.codes import Alert
from ...openssl import native
from ...policy.answers import at_once
from ...policy.settings import Ocsp
from ...tools.holding import take as hold
from ..hello.asking import Asking, challenge_answered, no_client_hello
from ..refusal.alerts import LastWords, alert_for
from ..refusal.missing import errand_for, take
from ..resumption import Resumption
from ..states import State
from ..tickets import NO_TICKET
from ..trace import tell_alert
from ..verdict import settle
from .findings import Findings, facts_of, last_for_good

if TYPE_CHECKING:
    from ..facts import Facts
    from ..refusal.missing import Errand
    from ..resumption import Kept

__all__ = ["Handshaking"]

E = TypeVar("E", bound=BaseException)

_TLS_1_3 = 0x0304
#: How long a step of another thread may take, in seconds.
_STEP = 1.0
# On some Pythons, asking an Enum for a member is slow too.
_HANDSHAKE = State.HANDSHAKE
_OPEN = State.OPEN


class Handshaking(Asking):
    """Goes on with the handshake until its peer is accepted or refused."""

    # Said once more for type checkers that look at this class alone.
    state: State
    errand: Errand | None
    owes: bool
    smooth: bool

    _begun = False  # The handshake.
    _resumption: Resumption | None = None
    _foreseen: Findings | None = None
    _found: Findings | None = None
    _written: Facts | None = None

    def _announce(self, alpn: tuple[bytes, ...]) -> None:
        """Say what a ClientHello says before anything is checked."""
        connection, record = self._connection, self.record
        if alpn:
            record.talks_alpn = True
            connection.set_alpn_protos(list(alpn))
        if record.settings.ocsp is not Ocsp.OFF:
            connection.request_ocsp()
        if record.sni is not None:
            connection.set_tlsext_host_name(record.sni)
        identity = record.to_prove
        if (
            identity is not None
            and identity.is_host
            and native.has("peer-name")
        ):
            address = identity.ip
            native.expect_peer(
                self._connection,
                identity.plain_dns,
                None if address is None else address.packed,
            )

    @property
    def suspended(self) -> bool:
        """Whether the driver has to wait for a hook, or run an ``errand``."""
        errand = self.errand
        return self.choice is not None or (
            errand is not None and not errand.over
        )

    @property
    def version(self) -> int | None:
        """The protocol's number on the wire; None before the handshake."""
        return None if self._found is None else self._found.version

    @property
    def facts(self) -> Facts | None:
        """What the handshake has established; None before it is done."""
        if self._written is not None or self._found is None:
            return self._written
        if self.record.caller == threading.get_ident():
            return self.write_down()  # For a hook, whose step has the lock.
        taken: list[bool] = []
        try:
            # A signal's handler may ask in the middle of a step of its own
            # thread: that step is then no danger, but would never end.
            hold(self.lock, taken, _STEP)
            return self.write_down()
        finally:
            if True in taken:
                self.lock.release()

    def write_down(self) -> Facts:
        """Give the facts, before they change, or when they are wanted.

        The handshake is done, and the lock is held, by whomever.
        """
        assert self._found is not None
        if self._written is None:
            self._written = facts_of(
                self._connection, self.record, self._found
            )
        return self._written

    def fetches(self) -> None:
        """Promise, before the handshake, to run each ``errand``."""
        record = self.record
        record.fetches = record.settings.fetching is not None

    def handshake(self) -> bool | None:
        """Go on with the handshake.

        Returns:
            True when it is done, None for "feed me".

        Raises:
            HandshakeError: It failed, or the peer was refused.
        """
        record = self.record
        with self.lock if record.caller is None else self._step():
            if self.state is not _HANDSHAKE:
                self._what("handshake")
                return True
            if not self._begun and not self._begin():
                return None
            done = self._shake()
            if self._unheard:
                self._drain()
                self._turn_away(no_client_hello(), Alert.UNEXPECTED_MESSAGE)
                raise self.again()
            if not done:
                if self._first:  # The peer has said something.
                    self._foresee()
                return None
            if record.put_off and self._lacks_issuer():
                return None
            self._open()
            return True

    def _shake(self) -> int | None:
        """Have OpenSSL go on; 1 when it is done, else as ``_run``."""
        direct = self.direct
        if direct is None:
            return self._run(self._memory.handshake, HandshakeError)
        self.owes = True
        done = direct.handshake()
        if done is not None and done <= 0:
            return self._run(direct.explain, HandshakeError, done)
        if self.record.error is not None:
            self._check_hooks()
        return done

    def _begin(self) -> bool:
        """Have everything chosen and offered before the first byte is made.

        Returns:
            False to wait: nobody has chosen the context yet.
        """
        greeting = self._greeting
        if greeting is not None and greeting.waits and not self._greeted():
            return False
        self._begun = True
        if self._resumption is not None:
            self._resumption.offer(self._connection)
        return True

    def _foresee(self) -> None:
        """Judge the peer before our Finished leaves, if that is made already.

        Before TLS 1.3 that is so on the side that speaks last but one: then
        OpenSSL knows all that it will know, a client's certificate has not
        left yet, and an alert can still be in the clear.
        """
        if (
            self._foreseen is None
            and self._connection.get_protocol_version() < _TLS_1_3
            and self._connection.get_finished()
            and not self._lacks_issuer()
        ):
            self._foreseen = self._accepted()

    def resumable(self) -> Kept | None:
        """Give the session for another connection.

        Returns:
            What ``resume()`` takes; None if there is nothing to resume.
        """
        with self._step():
            broken = self.state is State.FAILED and not isinstance(
                self.failure, TruncatedError
            )
            # Unsettled, it is another session already, and nobody has judged.
            if self._resumption is None or broken or not self.record.settled:
                return None
            return self._resumption.kept(self._connection)

    def resume(self, kept: Kept) -> bool:
        """Offer another connection's session, if its rule is ours.

        Args:
            kept: What its ``resumable()`` gave.

        Returns:
            False if the handshake has begun already.
        """
        with self._step():
            if self._begun:
                return False
            if self._resumption is not None:
                self._resumption.given = kept
            return True

    def resumed_in_vain(self, error: BaseException) -> bool:
        """Say whether *error* is what came of an offer to resume.

        Args:
            error: What the handshake has raised.

        Returns:
            True once more to try; no session will be offered then.
        """
        return self._resumption is not None and self._resumption.failed(error)

    def _lacks_issuer(self) -> bool:
        """Whether the driver has to fetch something first: ``errand``."""
        if not self.record.put_off:
            return False
        if self.errand is None:
            self.errand = errand_for(self._connection, self.record)
        return not self.errand.over

    def _open(self) -> None:
        """Reach OPEN, if the peer is the one that was meant."""
        if self.record.challenge:
            # It has seen the certificate; nothing else is to be said (RFC
            # 8737, section 3).
            self._connection.shutdown()
            raise self._failed(challenge_answered())
        record = self.record
        found = self._foreseen or self._accepted()
        self._establish(found)
        if record.last_words is not None:
            record.last_words = None  # With its secret.
        if found.version < _TLS_1_3 and not self.server_side:
            # A server that renegotiates is to show its certificate again, and
            # not to resume by the ticket that it has just given.
            self._connection.set_options(NO_TICKET)
        self.state = _OPEN
        self._first = b""  # It is TLS.
        if record.fetches:
            record.fetches = False
        if record.tracer is not None:
            record.tracer.done = True
        if self._resumption is not None:
            self._resumption.opened(self._connection, found)

    def _establish(self, found: Findings) -> None:
        self._found, self._written = found, None
        if not last_for_good(self.record, found):
            self.write_down()

    # -- the verdict on the peer ----------------------------------------------

    def _accepted(self) -> Findings:
        """Go the one way from a certificate that came to an accepted one."""
        try:
            if self.record.put_off:
                take(self._connection, self.record, self.errand)
            found = settle(self._connection, self.record)
            if "verify_peer" in self.record.used:
                facts = facts_of(self._connection, self.record, found)
                with self.record.calling():
                    at_once(
                        self.record.hooks.verify_peer(facts),  # type: ignore[func-returns-value]
                        "verify_peer()",
                    )
        except BaseException as error:
            self._drain()  # In TLS 1.3 this holds our own certificate.
            if self.state is State.HANDSHAKE:
                self._say_why(error)
            self._failed(error)
            raise
        self.record.settled = True
        return found

    def _say_why(self, error: BaseException) -> None:
        """Have the peer read nothing but why it was refused."""
        version = self._connection.get_protocol_version()
        words = self.record.last_words or LastWords(
            server_side=self.server_side
        )
        self._last_words = words.say(
            error, version, self._connection.get_cipher_name() or ""
        )
        if self._last_words:
            tell_alert(self.record, alert_for(error, version))
        self.owes = True

    def _answered(self) -> bool:
        before = self.record.finished_before
        return self._connection.get_peer_finished() != before

    def _judge_again(self) -> None:
        """Judge a peer that has come with another chain, in mid-session.

        Until its Finished has come, data are those of the earlier session.
        A server has asked for it, and ``reauthenticated`` waits; but OpenSSL
        has made new tickets, which must not leave for whom we refuse.
        """
        if not self._answered():
            self.smooth = False
            return
        self._resumption = None  # What it keeps is the earlier session's.
        self._establish(self._accepted())

    def _may_owe_tickets(self) -> bool:
        """Whether OpenSSL has made some for whom nobody has judged."""
        return (
            self.server_side
            and self._found is not None
            and not self.record.settled
            and self._answered()
        )

    def _failed(self, error: E) -> E:
        # After a fatal alert a session is not to be resumed (RFC 5246, section
        # 7.2.2); many servers just never send a close_notify.
        if self._resumption is not None and not isinstance(
            error, TruncatedError
        ):
            self._resumption.failed(error)
        if self._may_owe_tickets():
            self._drain()
        return super()._failed(error)
