"""One session in OpenSSL: its ciphertext, its lock, and how it fails.

The layers above hand to ``_run`` what they want of OpenSSL.  Only ``data``
has a shorter way, for reads and writes that go well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

from ...errors import (
    ClosedError,
    ConfigurationError,
    HandshakeError,
    StreamError,
    TLSError,
    TruncatedError,
)
from ...errors.copies import Kept, caused
from ...openssl import native
from ...openssl.gate import SSL
from ...openssl.memory import Memory
from ..refusal.unanswered import name_first
from ..sniff import SNIFF_BYTES, not_tls
from ..states import ENDED, TABLE, Do, State
from ..trace import Tracer
from ..verdict import failure_of

if TYPE_CHECKING:
    from ..build import Built
    from ..callbacks import Record
    from ..refusal.missing import Errand

__all__ = ["Session"]

E = TypeVar("E", bound=BaseException)
T = TypeVar("T")

# On some Pythons, asking an Enum for a member is slow too.
_HANDSHAKE = State.HANDSHAKE
_OPEN = State.OPEN


class Session:
    """Ciphertext in and out, one step at a time, and the end of all steps.

    Args:
        record: What OpenSSL's callbacks are told, and tell.
        built: The context's rules, as OpenSSL has them.
    """

    #: Whether ciphertext is for OpenSSL alone.
    _listened = True
    # What nearly always stays as it is, is nothing that an instance has.
    state: State = State.HANDSHAKE
    #: What has ended the session: a copy, which nobody is to raise itself.
    failure: BaseException | None = None
    _kept: Kept | None = None  # The same, for who raises it again.
    _unraised: BaseException | None = None  # Until a step raises it.
    #: What the driver has to fetch before the next step, unless it is over;
    #: only for those that say ``fetches()``.
    errand: Errand | None = None
    _last_words = b""  # An alert from before OpenSSL has begun.
    _first = b""
    _ended = False  # The peer's end of file was fed.
    _got_close_notify = False
    #: Whether a read would only say "feed me" once more.
    hungry: bool = False
    #: Whether there may be ciphertext for ``outgoing`` to give.
    owes: bool = False
    #: Whether the express lane may be taken.  Whatever ends the usual case
    #: clears it, and ``_look_around`` alone sets it; both with the step lock
    #: held.
    smooth: bool = False

    def __init__(self, record: Record, built: Built) -> None:
        self.server_side: bool = record.server_side
        self.record: Record = record
        #: The step lock: see ``_step``.
        self.lock: threading.Lock = threading.Lock()
        self._connect(built)

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

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        """Refuse to be copied or pickled: a session has one lock."""
        raise TypeError("a session can't be copied or pickled")

    # -- ciphertext ---------------------------------------------------------

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take ciphertext from the peer.

        Args:
            data: What came in, in pieces of any size.  It is copied.  Empty
                data is the end of the peer's file.
        """
        with self.lock if self.record.caller is None else self._step():
            self._receive(data)

    def _receive(self, data: bytes | bytearray | memoryview) -> None:
        if self.state is _HANDSHAKE:
            if len(self._first) < SNIFF_BYTES:
                self._first += bytes(data[: SNIFF_BYTES - len(self._first)])
        elif self.deaf:
            return
        if self._ended:
            return
        self.hungry = False
        if len(data) and self._listened:
            self._memory.feed(data)
        else:
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
        with self.lock if self.record.caller is None else self._step():
            if self.errand is not None and not self.errand.over:
                return b""  # Nobody has accepted the peer yet.
            if self._last_words:
                return self._drain()
            self.owes = False
            return self._memory.drain()

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
        self._failed(
            StreamError(
                "an interrupt came while this connection moved bytes, "
                "and some of them are lost",
                code="interrupted",
                hint="close it, and open another one",
            )
        )

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
            raise self.again()
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
                raise self._failed(  # noqa: B904 - it has a cause
                    caused(
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
                )
            except HandshakeError:
                # pyOpenSSL raises what it found on our context; that may
                # have been another connection's refusal.
                self._check_refusal()
            else:
                self._check_hooks()
                return result if result is not None else 1

    def _check_hooks(self) -> None:
        """Fail with what a hook raised where OpenSSL could not stop."""
        if self.record.error is not None:
            self._drain()
            self._check_refusal()

    def _check_refusal(self) -> None:
        """Fail with what a hook raised, if one did."""
        if self.record.error is not None:
            raise self._failed(self.record.error)

    def _closed_by_peer(self, default: type[TLSError]) -> int:
        if self.state is State.HANDSHAKE:
            raise self._failed(_closed_in_handshake(default))
        self._got_close_notify, self.smooth = True, False
        self.state = ENDED.get(self.state, self.state)
        return 0

    def _cut_off(self, cause: Exception, default: type[TLSError]) -> int:
        """Meet an end of file that nobody announced."""
        self._check_refusal()
        if self.state is not State.HANDSHAKE and (
            self._connection.get_shutdown() & SSL.RECEIVED_SHUTDOWN
        ):
            # OpenSSL says so when a close_notify comes behind user_canceled,
            # as from Java (RFC 8446, section 6.1); but it has noted it.
            return self._closed_by_peer(default)
        if self.state is State.HANDSHAKE:
            raise self._failed(
                caused(
                    not_tls(self._first) or _closed_in_handshake(default),
                    cause,
                )
            )
        if not self.record.settings.allow_truncation:
            raise self._failed(
                caused(
                    TruncatedError(
                        "the stream ended without close_notify: "
                        "the peer vanished, or somebody cut the connection"
                    ),
                    cause,
                )
            )
        return self._closed_by_peer(default)

    def _failed(self, error: E) -> E:
        """Fail for ever; the caller raises *error*, which nobody holds.

        Its frames hold this session: whoever kept both would keep them until
        the garbage collector comes.
        """
        self.state = State.FAILED
        self.hungry = self.smooth = False
        # Nobody reads it any more; and what an error's frames hold on to may
        # be freed late.
        self._memory.forget()
        self.name_first(error)
        self._keep_failure(error)
        return error

    def _keep_failure(self, error: BaseException) -> None:
        """Keep what later steps raise again."""
        self._kept = Kept(error)
        self.failure = self._kept.copy
        if self.record.error is not None:
            self.record.error = self.failure

    def again(self) -> BaseException:
        """Give what ended the session, for who raises it again."""
        error, self._unraised = self._unraised, None
        if error is not None:  # Nobody has seen it yet.
            return error
        assert self._kept is not None
        return self._kept.again()

    def name_first(self, error: BaseException) -> None:
        """Have *error* name a missing certificate first, if that may be why.

        Args:
            error: What ended the session; also of the transport's.
        """
        name_first(error, self.record)


def _closed_in_handshake(default: type[TLSError]) -> TLSError:
    return default(
        "the peer closed the connection during the handshake",
        code="closed-in-handshake",
        status="syscall",
        hint="see the peer's log: it may not trust our certificate, or want "
        "one, or another TLS version, or no TLS at all",
    )
