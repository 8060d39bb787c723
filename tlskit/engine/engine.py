"""One TLS session without I/O: ciphertext in, plaintext out.

OpenSSL offers to read and write sockets by itself.  We don't let it.  It
gets two pieces of memory instead, one for ciphertext that came in and one
for ciphertext that wants to go out; who moves them over a network is no
business of this module.  So the same engine serves blocking ports, asyncio,
pipes and tests, and nothing in here can ever wait.

A driver repeats three moves:

1. It takes a *step*: ``handshake``, ``read_into``, ``write`` or ``finish``.
   A step returns a value, or ``None`` for "feed me first".
2. It sends what ``outgoing()`` gives.  After every step, also after one that
   raised: the alert that tells the peer why is in there.
3. If the step gave ``None``, it gets ciphertext from the peer, hands it to
   ``receive()`` and takes the same step again.  ``receive(b"")`` is the end
   of the file.

That is all, because memory can grow: OpenSSL never has to wait for room to
write.

**States.**  OpenSSL would gladly run the handshake inside a read or a write,
where nobody checks the peer's identity.  Hence no step without a state;
``states.TABLE`` says what each allows.  Only OPEN is reached after the
peer's certificate *and* its name were accepted, and the last flight of the
handshake has not left us before that: in TLS 1.3 it holds our own
certificate.

**Two threads** may step at once, a reader and a writer, though an OpenSSL
session bears one at a time: the step lock is held over one OpenSSL call with
its error, and never while anybody waits.

**Failures** are final.  What went wrong first is raised again by every later
step.  What a hook of the user's raised inside OpenSSL's callback was kept in
the ``Record`` and is raised here, unchanged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import NoReturn, TypeVar

from ..errors import (
    ClosedError,
    ConfigurationError,
    HandshakeError,
    SealedError,
    StreamError,
    TLSError,
    TruncatedError,
    UnsupportedError,
)
from ..errors.codes import Alert
from ..openssl import native
from ..openssl.gate import SSL, translated
from ..openssl.memory import Memory
from ..policy.settings import Ocsp, Verify
from ..tools.early import MOST_EARLY, Early
from ..tools.public import public
from ..verify.identity import Identity
from .build import Built, set_verify, verify_mode
from .callbacks import Hooks, Record
from .facts import Facts
from .hello.answering import NO_TICKET
from .hello.asking import Asking, challenge_answered, no_client_hello
from .hello.choosing import Greeting
from .hello.client_hello import ClientHello
from .refusal.alerts import alert_for
from .refusal.missing import Errand, errand_for, take
from .refusal.unanswered import name_first
from .resumption import Kept, Resumption
from .schemes import scheme_in_use
from .sniff import SNIFF_BYTES, not_tls
from .states import ENDED, FINISHED, TABLE, Do, State
from .trace import HandshakeReport, Tracer, tell_alert
from .verdict import failure_of, finished, settle

__all__ = ["Engine", "State"]

T = TypeVar("T")

_TLS_1_3 = 0x0304
# On some Pythons, asking an Enum for a member is slow too.
_HANDSHAKE = State.HANDSHAKE
_OPEN = State.OPEN
#: The most plaintext that a record holds (RFC 8446, section 5.1).
_RECORD = 16384


@public
class Engine(Asking):
    """A TLS session between two pieces of memory.

    Args:
        hooks: The context that decides; its settings as they are now.
        server_side: Whether we are the server.
        identity: Whom we want to reach, for server name and name check.
        announced: Whose name to announce instead, if *insists*.
        insists: Check *identity* also if the context checks no names.
        alpn: Protocols to offer instead of the context's own.
        dialled: Host and port of the server, under which a client keeps
            sessions; without them it resumes none.
        given: The session to resume instead, if it came about by the same
            rule.

    Raises:
        ConfigurationError: The context checks host names, and there is none;
            or it verifies nothing, and *insists*.
        CredentialError: A server has no certificate.
    """

    def __init__(
        self,
        hooks: Hooks,
        *,
        server_side: bool,
        identity: Identity | None = None,
        announced: Identity | None = None,
        insists: bool = False,
        alpn: tuple[bytes, ...] = (),
        dialled: tuple[str, int] | None = None,
        given: Kept | None = None,
    ) -> None:
        built = hooks.prepared()
        settings = built.settings
        if insists and settings.verify is Verify.NONE:
            raise ConfigurationError(
                f"{identity} can't be proved: this context verifies nothing",
                code="no-verification",
                hint="call set_verify() on the context",
            )
        if not server_side:
            hooks.warn_if_unverified()
        if settings.verify_hostname and identity is None and not server_side:
            raise ConfigurationError(
                "this context checks the host name, but there is none",
                code="no-hostname",
                hint="pass hostname=, or use set_verify_hostname(False)",
            )
        super().__init__()
        if server_side:
            used = hooks.hooks_in_use
            settings.check_certificate(used)
            self._greeting = Greeting(
                waits=bool(settings.answering)
                or not used.isdisjoint({"choose_for", "choose_context"})
            )
        self.server_side = server_side
        self.state: State = State.HANDSHAKE
        self.facts: Facts | None = None
        self.failure: BaseException | None = None
        self.record: Record = Record(
            hooks,
            built,
            identity,
            server_side=server_side,
            insists=insists,
            announced=announced,
        )
        if self._greeting is not None:
            self.record.greeting = self._greeting
        #: The step lock: see ``_step``.
        self.lock: threading.Lock = threading.Lock()
        #: What the driver has to fetch before the next step, unless it is
        #: over; only for those that say ``fetches()``.
        self.errand: Errand | None = None
        self._unheard = False  # OpenSSL has got what the hook has not.
        self._last_words = b""  # An alert from before OpenSSL has begun.
        self._first = b""
        self._begun = False  # The handshake.
        self._ended = False  # The peer's end of file was fed.
        self._got_close_notify = False
        #: Whether a read would only say "feed me" once more.
        self.hungry: bool = False
        #: Whether there may be ciphertext for ``outgoing`` to give.
        self.owes: bool = False
        #: Whether the express lane may be taken.  Whatever ends the usual
        #: case clears it, and ``_look_around`` alone sets it; both with the
        #: step lock held.
        self.smooth: bool = False
        self._early = Early()
        self._end_told = False  # To whom reads.
        self._old_finished: bytes | None = None
        self._foreseen: Facts | None = None
        self._connect(built)
        self._resumption: Resumption | None = None
        if not server_side:
            offered = alpn or settings.alpn
            self._announce(offered)
            self._resumption = Resumption.of(
                built, self.record, offered, dialled, given
            )

    def _connect(self, built: Built) -> None:
        """Begin a session by this context's rules."""
        if built.settings.trace is not None:
            self.record.tracer = Tracer(
                built.settings.trace, server_side=self.server_side
            )
        self._connection = SSL.Connection(built._pyopenssl, None)
        self._connection.set_app_data(self.record)
        self.direct: native.DirectIO | None = (
            native.DirectIO(self._connection)
            if native.has("direct-io")
            else None
        )
        self._memory: native.DirectIO | Memory = self.direct or Memory(
            self._connection
        )
        if self.server_side:
            self._connection.set_accept_state()
        else:
            self._connection.set_connect_state()

    def _announce(self, alpn: tuple[bytes, ...]) -> None:
        """Say what a ClientHello says before anything is checked."""
        if alpn:
            self._connection.set_alpn_protos(list(alpn))
        if self.record.settings.ocsp is not Ocsp.OFF:
            self._connection.request_ocsp()
        if self.record.sni is not None:
            self._connection.set_tlsext_host_name(self.record.sni)
        identity = self.record.to_prove
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

    def fetches(self) -> None:
        """Promise, before the handshake, to run each ``errand``."""
        record = self.record
        record.fetches = record.settings.fetching is not None

    # -- ciphertext ---------------------------------------------------------

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take ciphertext from the peer.

        Args:
            data: What came in, in pieces of any size.  It is copied.  Empty
                data is the end of the peer's file.
        """
        with self._step():
            self._receive(data)

    def _receive(self, data: bytes | bytearray | memoryview) -> None:
        if self.state is _HANDSHAKE and len(self._first) < SNIFF_BYTES:
            self._first += bytes(data[: SNIFF_BYTES - len(self._first)])
        if self._ended or self.deaf:
            return
        self.hungry = False
        greeting = self._greeting
        if greeting is not None and (greeting.waits or not greeting.done):
            greeting.feed(data)
            if greeting.waits:
                self._ended = not len(data)
                return
        self._feed(data)

    def _feed(self, data: bytes | bytearray | memoryview) -> None:
        if len(data):
            self._memory.feed(data)
            return
        self._ended, self.smooth = True, False
        self._memory.end()

    @property
    def deaf(self) -> bool:
        """Whether no ciphertext is of any use any more.

        The session has failed, or the peer has ended it; what comes then is
        not even kept.
        """
        return self.state is not _HANDSHAKE and (
            TABLE[self.state]["read"] is not Do.RUN
        )

    def leftover(self) -> bytes | bytearray:
        """Take what was fed behind the peer's close_notify: not ours."""
        with self._step():
            return self._memory.leftover()

    @property
    def owed(self) -> int:
        """About how many bytes ``outgoing`` would give."""
        with self._step():
            return self._memory.owed

    def outgoing(self) -> bytes | bytearray:
        """Give all ciphertext that wants to go to the peer; maybe none.

        To be sent after every step, also after one that raised.
        """
        with self._step():
            if self.errand is not None and not self.errand.over:
                return b""  # Nobody has accepted the peer yet.
            return self._drain()

    def _drain(self) -> bytes | bytearray:
        self.owes = False
        if self._last_words:
            said, self._last_words = self._last_words, b""
            return said
        return self._memory.drain()

    def rest(self) -> None:
        """Give memory back; for who expects to wait for long."""
        with self._step():
            if self.state is _OPEN and not self._ended:
                self._memory.rest()

    def lose(self) -> None:
        """Fail, as ciphertext was lost on its way; the lock is held.

        An interrupt has come between what the socket gave and what OpenSSL
        got, or the other way round.
        """
        assert self.lock.locked()
        if self.failure is not None:
            return
        self._drain()  # What is there may not fit to what has left.
        with suppress(StreamError):
            self._fail(
                StreamError(
                    "an interrupt came while this connection moved bytes, "
                    "and some of them are lost",
                    code="interrupted",
                    hint="close it, and open another one",
                )
            )

    # -- steps --------------------------------------------------------------

    def handshake(self) -> bool | None:
        """Go on with the handshake.

        Returns:
            True when it is done, None for "feed me".

        Raises:
            HandshakeError: It failed, or the peer was refused.
        """
        with self._step():
            if self._what("handshake") is not Do.RUN:
                return True
            if not self._greeted():
                return None
            self._offer_session()
            done = self._run(self._memory.handshake, HandshakeError)
            if self._unheard:
                self._drain()
                error = no_client_hello()
                self._turn_away(error, Alert.UNEXPECTED_MESSAGE)
                raise error
            if done is None:
                self._foresee()
                return None
            if self._lacks_issuer():
                return None
            self._open()
            return True

    @property
    def handshake_report(self) -> HandshakeReport | None:
        """What the trace has heard; None without one."""
        tracer = self.record.tracer
        return None if tracer is None else tracer.report()

    def signature_algorithm(self, *, peer: bool) -> str | None:
        """Name what the handshake was signed with, as RFC 8446 does.

        Args:
            peer: Whether by the peer, or else by us.

        Returns:
            None if nobody signed, or nobody knows.
        """
        report = self.handshake_report
        if report is not None:
            return (
                report.peer_signature_algorithm
                if peer
                else report.signature_algorithm
            )
        return scheme_in_use(
            self.facts, self.record.settings, self.client_hello, peer=peer
        )

    @property
    def client_hello(self) -> ClientHello | None:
        """What the client has sent first; None on its own side."""
        return None if self._greeting is None else self._greeting.hello

    def _offer_session(self) -> None:
        """Offer to resume, before the first byte is made."""
        if self._begun:
            return
        self._begun = True
        if self._resumption is not None:
            self._resumption.offer(self._connection)

    def _foresee(self) -> None:
        """Judge the peer before our Finished leaves, if that is made already.

        Before TLS 1.3 that is so on the side that speaks last but one: then
        OpenSSL knows all that it will know, a client's certificate has not
        left yet, and an alert can still be in the clear.
        """
        if (
            self._foreseen is None
            and self._connection.get_finished()
            and self._connection.get_protocol_version() < _TLS_1_3
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
            if self._resumption is None or broken:
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
            self._fail(challenge_answered())
        if self._foreseen is None:
            self.facts = self._accepted()
        else:
            self.facts = finished(self._connection, self._foreseen)
        self.record.last_words.forget()
        if not self.server_side and self.facts.version < _TLS_1_3:
            # A server that renegotiates is to show its certificate again, and
            # not to resume by the ticket that it has just given.
            self._connection.set_options(NO_TICKET)
        self._old_finished = self._connection.get_peer_finished()
        self.state = State.OPEN
        self._look_around()
        self.record.fetches = False
        if self.record.tracer is not None:
            self.record.tracer.done = True
        if self._resumption is not None:
            self._resumption.opened(self._connection, self.facts)

    def _accepted(self) -> Facts:
        """Go the one way from a certificate that came to an accepted one."""
        try:
            take(self._connection, self.record, self.errand)
            facts = settle(self._connection, self.record)
            if "verify_peer" in self.record.used:
                with self.record.calling():
                    self.record.hooks.verify_peer(facts)
        except BaseException as error:
            self._drain()  # In TLS 1.3 this holds our own certificate.
            if self.state is _HANDSHAKE:
                self._say_why(error)
            self._fail(error)
        self.record.settled = True
        return facts

    def _say_why(self, error: BaseException) -> None:
        """Have the peer read nothing but why it was refused."""
        version = self._connection.get_protocol_version()
        self._last_words = self.record.last_words.say(
            error, version, self._connection.get_cipher_name() or ""
        )
        if self._last_words:
            tell_alert(self.record, alert_for(error, version))
        self.owes = True

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
        self.facts = self._accepted()
        if not self.server_side:
            self._old_finished = self._connection.get_peer_finished()

    def read_into(self, buffer: bytearray | memoryview) -> int | None:
        """Decrypt into *buffer* as much as is there and fits.

        Args:
            buffer: Any object of writable bytes.

        Returns:
            How many bytes; 0 after the peer's close_notify (or if *buffer*
            is empty), None for "feed me".

        Raises:
            TruncatedError: The stream ended without close_notify.
            ClosedError: The session was closed before the peer closed it.
            TLSError: The session broke.
        """
        view = _bytes_of(buffer)
        with self._step():
            return self._read(view)

    def decrypt(
        self, data: bytes | bytearray | memoryview, buffer: memoryview
    ) -> int | None:
        """Do ``receive(data)`` and ``read_into(buffer)`` in one step.

        Args:
            data: As for ``receive()``.
            buffer: Writable bytes.

        Returns:
            As ``read_into()``.
        """
        # Without a hook at work there is nothing for _step() to refuse.
        with self.lock if self.record.caller is None else self._step():
            direct = self.direct
            if (
                direct is None
                or self.state is not _OPEN
                or self._early.size
                or self._ended
                or not (len(data) and len(buffer))
            ):
                self._receive(data)
                return self._read(buffer)
            # What nearly always happens needs no more questions than these.
            direct.feed(data)
            size = self._decrypt(buffer)
            return self._end() if size == 0 else size

    def _read(self, buffer: memoryview) -> int | None:
        if self.state is not _OPEN or self._early.size:
            what = self._what("read")
            if self._early.size:
                return self._early.take(buffer)
            if what is Do.END:
                return self._end()
        if not len(buffer):
            return 0
        size = self._decrypt(buffer)
        return self._end() if size == 0 else size

    def read_on(
        self, buffer: memoryview, done: int | None = None
    ) -> int | None:
        """Do ``read_into`` for the express lane, which holds the lock.

        Args:
            buffer: Writable bytes.
            done: What OpenSSL has said to a first call, if that was made.

        Returns:
            As ``read_into()``.
        """
        assert self.lock.locked()
        size = self._decrypt(buffer, done)
        return self._end() if size == 0 else size

    def _decrypt(
        self, buffer: memoryview, done: int | None = None
    ) -> int | None:
        direct = self.direct
        if direct is None:
            size = self._read_publicly(buffer)
        else:
            size, healthy = direct.read_into(buffer, done)
            if healthy:
                if self.record.error is not None:
                    self._check_hooks()
                self.hungry = direct.hungry and not self._ended
                self.owes = self.owes or direct.owes
                size = size or None
            else:
                size = self._read_publicly(buffer, size)
        if not self.record.settled:
            self._judge_again()
        if size:
            self.record.unanswered = False
        if self._resumption is not None:
            self._resumption.look(self._connection)
        if not self.smooth:
            self._look_around()
        return size

    def _look_around(self) -> None:
        """Find out whether the usual case has begun (again)."""
        record = self.record
        self.smooth = (
            self.state is _OPEN
            and self.direct is not None
            and not self._ended
            and not self._early.size
            and record.settled
            and not record.unanswered
            and record.error is None
            and record.tracer is None
        )

    def _read_publicly(self, buffer: memoryview, total: int = 0) -> int | None:
        """Go on after *total* bytes, record by record."""
        while total < len(buffer):
            rest = buffer[total:]
            # More than a record is never returned, and recv_into allocates.
            size = min(len(rest), _RECORD)
            try:
                got = self._run(
                    self._connection.recv_into, StreamError, rest, size
                )
            except BaseException:
                # What came before a failure is the caller's, who gets the
                # failure from the next step.
                if total and self.state is State.FAILED:
                    return total
                raise
            self.hungry = got is None
            if not got:
                return total or got
            total += got
        return total

    def _keep_early(self, plaintext: memoryview) -> None:
        self._early.put(plaintext)
        self.hungry = self.smooth = False

    def _end(self) -> int:
        self._end_told = True
        if self.state is State.CLOSED and not self._got_close_notify:
            raise ClosedError("this port was closed; nothing can be read")
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> int | None:
        """Encrypt all of *data*.

        Args:
            data: Any object of bytes.

        Returns:
            Its length, or None for "feed me"; then call with the same data.

        Raises:
            ClosedError: Our close_notify is out.
            TLSError: The session broke.
        """
        view = _bytes_of(data)
        with self._step():
            return self._write(view)

    def encrypt(self, data: memoryview) -> bytes | bytearray | None:
        """Do ``write(data)`` and ``outgoing()`` in one step.

        Args:
            data: Bytes.

        Returns:
            The ciphertext, or None for "feed me", as ``write``.
        """
        with self.lock if self.record.caller is None else self._step():
            if self._write(data) is None:
                return None
            self.owes = False
            return self._memory.drain()

    def _write(self, data: memoryview) -> int | None:
        if self.state is not _OPEN:
            self._what("write")
        if not len(data):  # OpenSSL would call that an error.
            return 0
        direct = self.direct
        if direct is None:
            done = self._run(self._connection.send, StreamError, data)
            if not self.record.settled:
                self._judge_again()
            return done
        self.owes = True
        return self.written(direct.write(data))

    def written(self, done: int) -> int | None:
        """Look at what OpenSSL has said to a write; the lock is held.

        Args:
            done: That; how many bytes were encrypted, if it is positive.

        Returns:
            As ``write``, which see.
        """
        assert self.direct is not None
        size: int | None = done
        if done <= 0 or self.record.error is not None:
            size = self._run(self.direct.explain, StreamError, done)
        if not self.record.settled:  # OpenSSL has read in order to write.
            self._judge_again()
        if not self.smooth:
            self._look_around()
        return size

    def finish(self) -> None:
        """End our direction, with a close_notify if there is a session.

        ``outgoing()`` then has it.  The peer's direction stays open.

        Raises:
            StreamError: OpenSSL could not make it.
        """
        with self._step():
            after = FINISHED.get(self.state)
            if after is None:
                return
            self.smooth = False
            if self.state is not State.HANDSHAKE:
                self.owes = True
                with translated(StreamError, "closing"):
                    self._connection.shutdown()
            self.state = after

    def abandon(self) -> None:
        """End our direction without a close_notify."""
        with self._step():
            self.smooth = False
            self.state = FINISHED.get(self.state, self.state)

    # -- asking the peer again ----------------------------------------------

    def expect(self, verify: Verify) -> None:
        """Ask for more or less than the context does; before the handshake.

        Args:
            verify: What to ask for.

        Raises:
            SealedError: That is less than a sealed client's context demands.
        """
        with self._step():
            self._check_weakening(verify)
            self.smooth = False
            self._resumption = None  # What it knows was judged otherwise.
            self._judge_by(verify)
            if self.server_side:
                # By a ticket a client may come without the certificate that
                # is asked for now.
                self._connection.set_options(NO_TICKET)

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
        if self.server_side and settings.strict and not verify.refuses_bad:
            # What the second verifier tolerates is in no ticket; and without
            # tickets there is only OpenSSL's cache, which is off then.
            self._connection.set_options(NO_TICKET)
        set_verify(self._connection, verify_mode(settings, self.server_side))

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
            assert self.facts is not None
            self.smooth = False
            self.record.renew()
            self.record.settled = False
            self._judge_by(verify)
            # It changes when the peer has answered, and at no other time.
            self._old_finished = self._connection.get_peer_finished()
            if self.facts.version >= _TLS_1_3:
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

    def _answered(self) -> bool:
        return self._connection.get_peer_finished() != self._old_finished

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
            buffer = bytearray(_RECORD)
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
                    self._fail(_talks_instead())
            if not self._answered():
                return None
            if not self.record.settled:  # By nobody who has read meanwhile.
                self.facts = self._accepted()
            return True

    # -- facts --------------------------------------------------------------

    def export(
        self, label: bytes, length: int, context: bytes | None
    ) -> bytes:
        """Derive keying material (RFC 5705; RFC 8446, section 7.5).

        Args:
            label: From IANA's registry, or one's own.
            length: How many bytes to give.
            context: What else it depends on; None is not the same as empty.

        Returns:
            The bytes, which both ends have, and nobody between them.

        Raises:
            StreamError: The handshake is not done.
        """
        with self._step():
            if self.facts is None:
                raise StreamError(
                    "there is no keying material before the handshake"
                )
            with translated(StreamError, "exporting keying material"):
                return self._connection.export_keying_material(
                    label, length, context
                )

    def cipher(self) -> tuple[str, str, int] | None:
        """Give the cipher suite, its protocol's name, and its secret bits."""
        with self._step():
            name = self._connection.get_cipher_name()
            protocol = self._connection.get_cipher_version()
            bits = self._connection.get_cipher_bits()
        if name is None or protocol is None or bits is None:
            return None
        return name, protocol, bits

    def pending(self) -> int:
        """Say how many bytes the next read may give without being fed.

        Drivers feed more than one record at a time, so what came in is
        decrypted here as far as it takes to know.  The end counts as one byte
        until a read has told it, and a failure does for ever.
        """
        with self._step():
            return self._decrypted() or self._look_ahead()

    @property
    def decrypted(self) -> int:
        """How many bytes are decrypted already; nothing is done to know."""
        with self._step():
            return self._decrypted()

    def _decrypted(self) -> int:
        return self._early.size + self._connection.pending()

    def hear_out(self) -> None:
        """Decrypt what is there, for a failure that comes behind it."""
        with self._step():
            while self._decrypt_ahead() and not self._early.full:
                pass

    def _decrypt_ahead(self) -> int:
        """Decrypt one record, if there is one, and keep it; give its size."""
        if TABLE[self.state]["read"] is not Do.RUN or self.hungry:
            return 0
        buffer = memoryview(bytearray(_RECORD))
        try:
            size = self._decrypt(buffer)
        except BaseException:
            if self.state is not State.FAILED:
                raise
            return 0
        if size:
            self._keep_early(buffer[:size])
        return size or 0

    def _look_ahead(self) -> int:
        if size := self._decrypt_ahead():
            return size
        what = TABLE[self.state]["read"]
        return int(
            what is Do.REPEAT or (what is Do.END and not self._end_told)
        )

    def name_first(self, error: BaseException) -> None:
        """Have *error* name a missing certificate first, if that may be why.

        Args:
            error: What ended the session; also of the transport's.
        """
        name_first(error, self.record)

    # -- the one place where OpenSSL is called ------------------------------

    def _step(self) -> threading.Lock:
        """Let one thread at a time into OpenSSL, and no hook.

        The lock itself is what is entered: an interrupt then finds it held
        inside the block, or not at all.
        """
        if self.record.caller == threading.get_ident():
            raise ConfigurationError(
                "a hook can't use the port that it is called for",
                hint="decide by the hook's arguments",
            )
        return self.lock

    def _what(self, step: str) -> Do:
        """Say what to make of *step* now; raise if it can't be."""
        what = TABLE[self.state][step]
        if what is Do.REPEAT:
            assert self.failure is not None
            # Without its old traceback, which would grow with every raise.
            raise self.failure.with_traceback(None)
        if what is Do.REFUSE:
            raise StreamError(
                f"there is nothing to {step} before the handshake",
                code="no-session",
                hint="call handshake() first",
            )
        if what is Do.RAISE:
            raise ClosedError("this port's output is closed")
        return what

    def _run(
        self,
        call: Callable[..., T],
        default: type[TLSError],
        *arguments: object,
    ) -> T | int | None:
        """Call OpenSSL; None for "feed me", 0 for the end of the file."""
        assert self.lock.locked()
        self.owes = True
        fed = False
        while True:
            try:
                result = call(*arguments)
            except SSL.WantReadError:
                self._check_hooks()
                fed = self._memory.feed_on(again=fed)
                if not fed:
                    return None
            except SSL.ZeroReturnError:
                return self._closed_by_peer(default)
            except SSL.SysCallError as error:
                return self._cut_off(error, default)
            except SSL.Error as error:
                self._fail(
                    failure_of(
                        error,
                        self._connection,
                        self.record,
                        default,
                        self._first,
                        alert=self._memory.alert,
                    ),
                    error,
                )
            except HandshakeError:
                # pyOpenSSL raises what it found on our context; that may
                # have been another connection's refusal.
                if self.record.error is not None:
                    self._fail(self.record.error)
            else:
                self._check_hooks()
                return result if result is not None else 1

    def _check_hooks(self) -> None:
        """Fail with what a hook raised where OpenSSL could not stop."""
        if self.record.error is not None:
            self._drain()
            self._fail(self.record.error)

    def _closed_by_peer(self, default: type[TLSError]) -> int:
        if self.state is State.HANDSHAKE:
            self._fail(_closed_in_handshake(default))
        self._got_close_notify, self.smooth = True, False
        self.state = ENDED.get(self.state, self.state)
        return 0

    def _cut_off(self, cause: Exception, default: type[TLSError]) -> int:
        """Meet an end of file that nobody announced."""
        if self.record.error is not None:
            self._fail(self.record.error)
        if self.state is not State.HANDSHAKE and (
            self._connection.get_shutdown() & SSL.RECEIVED_SHUTDOWN
        ):
            # OpenSSL says so when a close_notify comes behind user_canceled,
            # as from Java (RFC 8446, section 6.1); but it has noted it.
            return self._closed_by_peer(default)
        if self.state is State.HANDSHAKE:
            self._fail(
                not_tls(self._first) or _closed_in_handshake(default), cause
            )
        if not self.record.settings.allow_truncation:
            self._fail(
                TruncatedError(
                    "the stream ended without close_notify: "
                    "the peer vanished, or somebody cut the connection"
                ),
                cause,
            )
        return self._closed_by_peer(default)

    def _may_owe_tickets(self) -> bool:
        """Whether OpenSSL has made some for whom nobody has judged."""
        return (
            self.server_side
            and self.facts is not None
            and not self.record.settled
            and self._answered()
        )

    def _fail(
        self, error: BaseException, cause: BaseException | None = None
    ) -> NoReturn:
        # After a fatal alert a session is not to be resumed (RFC 5246, section
        # 7.2.2); many servers just never send a close_notify.
        if self._resumption is not None and not isinstance(
            error, TruncatedError
        ):
            self._resumption.failed(error)
        if self._may_owe_tickets():
            self._drain()
        self.state = State.FAILED
        self.failure = error
        self.hungry = self.smooth = False
        self.name_first(error)
        if cause is None or cause is error:
            raise error
        raise error from cause


def _bytes_of(buffer: bytes | bytearray | memoryview) -> memoryview:
    """See a buffer as bytes, whatever its items are; no copy is made."""
    if isinstance(buffer, memoryview) and buffer.itemsize == 1:
        return buffer
    return memoryview(buffer).cast("B")


def _closed_in_handshake(default: type[TLSError]) -> TLSError:
    return default(
        "the peer closed the connection during the handshake",
        code="closed-in-handshake",
        status="syscall",
        hint="see the peer's log: it may not trust our certificate, or want "
        "one, or another TLS version, or no TLS at all",
    )


def _talks_instead() -> TLSError:
    return StreamError(
        f"the peer sent {MOST_EARLY} bytes of data instead of its certificate",
        code="no-answer",
        hint="read what the peer has to say before set_verify()",
    )
