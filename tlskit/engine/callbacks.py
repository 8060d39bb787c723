"""What OpenSSL calls in a handshake; it records, and never raises.

The functions at the end know no tlskit context: each finds the ``Record`` of
its own connection, so that what a hook raises reaches no other one.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import HandshakeError, IdentityError, VerificationError
from ..errors.codes import Alert, VerifyReason
from ..openssl import native
from ..openssl.gate import SSL, crypto
from ..policy.answers import at_once
from ..policy.settings import Ocsp, Settings
from ..verify.chain import Fault
from ..verify.evidence import can_be_read, parsed, scene_of, shared_path
from ..verify.ocsp import check_staple
from ..verify.scene import NAME_FAULTS
from ..x509.reading import unreadable
from .hello.answering import Answers
from .hello.preshared import KeyAnswers
from .refusal.alerts import LastWords
from .refusal.missing import MISSING
from .trace import Tracer

if TYPE_CHECKING:
    from cryptography import x509

    from ..policy.sessions import Session
    from ..verify.identity import Identity
    from .build import Built
    from .facts import Facts
    from .hello.client_hello import ClientHello

__all__ = [
    "Hooks",
    "Record",
    "on_alpn",
    "on_alpn_public",
    "on_certificate",
    "on_certificate_public",
    "on_certificate_request",
    "on_failure",
    "on_key",
    "on_server_name",
    "on_server_name_public",
    "on_staple",
    "settings_in_force",
]


class _Thread(threading.local):
    """Whose hook the thread is in."""

    record: Record | None = None


_thread = _Thread()


def settings_in_force(context: object) -> Settings | None:
    """Give what *context* had decided when this connection began.

    Returns:
        None if this thread is not in a hook that *context* is asked for.
    """
    record = _thread.record
    if record is None or record.hooks.origin is not context:
        return None
    return record.settings


class Hooks(Protocol):
    """What a context lets its subclasses decide; see ``context.Context``."""

    @property
    def hooks_in_use(self) -> frozenset[str]:
        """The names of the hooks that are in use."""
        ...

    @property
    def server_side(self) -> bool:
        """Which side it is for."""
        ...

    @property
    def port_class(self) -> Callable[..., Any]:
        """What makes a port from a driver and keywords."""
        ...

    def warn_if_unverified(self) -> None:
        """Say, at the first connection, that a client verifies nobody."""

    @property
    def frozen(self) -> bool:
        """Whether it can't change any more."""
        ...

    @property
    def origin(self) -> object:
        """The context whose methods these are."""
        ...

    def choose_for(
        self, hello: ClientHello
    ) -> Hooks | Awaitable[Hooks | None] | None:
        """Choose another context for a client."""

    def choose_context(self, server_name: str) -> Hooks | None:
        """Choose another context for a server name."""

    def select_alpn(self, offered: tuple[str, ...]) -> str | bytes | None:
        """Choose one of the protocols offered."""

    def verify_certificate(
        self, certificate: x509.Certificate, depth: int, ok: bool
    ) -> bool:
        """Accept or refuse one certificate."""
        ...

    def verify_peer(self, verdict: Facts) -> None:
        """Raise to refuse the peer as a whole."""

    def log_key(self, line: str) -> None:
        """Take one line of the key log."""

    def prepared(self) -> Built:
        """Give what was built from the current settings."""
        ...


class _Call:
    """Marks the thread while it is in what may be a hook of a connection's.

    Args:
        record: The connection's.
    """

    __slots__ = ("_before", "_record")

    def __init__(self, record: Record) -> None:
        self._record = record

    def __enter__(self) -> None:
        self._record.caller = threading.get_ident()
        self._before, _thread.record = _thread.record, self._record

    def __exit__(self, *_: object) -> None:
        _thread.record = self._before
        self._record.caller = None


class Record(Answers):
    """What one connection's callbacks saw, answered and must remember."""

    #: The peer's whole chain, where nothing was wrong with it up to the end.
    path: tuple[bytes, ...] = ()
    settled: bool = False  # Whether facts were made of all this.
    #: The peer's Finished before it was asked, or came, again.  It changes
    #: when the peer has answered, and at no other time.
    finished_before: bytes | None = None
    #: Whether an issuer that is missing may be fetched, by the driver;
    #: whether one is missing; and the path that it has completed.
    fetches: bool = False
    put_off: bool = False
    completed: tuple[bytes, ...] = ()
    #: The thread whose step has called a hook, while that is at work.
    caller: int | None = None
    #: What a client offers to resume, with the verdict on its peer ...
    offered: Session | None = None
    #: ... and the same once the server has resumed it.
    earlier: Session | None = None
    #: Whether the server has asked for a certificate of ours, got none, and
    #: sent nothing since; or the client has sent nothing at all.
    unanswered: bool = False
    #: Who listens to the messages.
    tracer: Tracer | None = None
    #: What was stapled, and what is wrong with it, where that is tolerated.
    staple: bytes = b""
    #: Timestamps of logs that came in the handshake, as a list.
    logged: bytes = b""
    staple_error: VerificationError | None = None
    #: What this side's alert would have to be sealed with, if that is known.
    last_words: LastWords | None = None

    def __init__(
        self,
        hooks: Hooks,
        built: Built,
        identity: Identity | None,
        *,
        server_side: bool,
        insists: bool = False,
        announced: Identity | None = None,
    ) -> None:
        super().__init__(hooks, built)
        self.identity = identity
        #: Whether it is checked although the context checks no names.
        self.insists = insists
        name = (announced if insists else None) or identity
        #: The server name that a client sends.
        self.sni: bytes | None = None if name is None else name.sni
        self.server_side = server_side
        #: Every complaint about the peer's chain, in OpenSSL's order.
        self.faults: list[Fault] = []
        #: Depth -> DER, as far as a chain could be built.
        self.chain: dict[int, bytes] = {}
        if server_side:
            self.unanswered = True  # The client has said nothing yet.

    @cached_property
    def keys(self) -> KeyAnswers:
        """What was told of pre-shared keys."""
        return KeyAnswers()

    @property
    def to_prove(self) -> Identity | None:
        """Whom the peer has to prove to be, if anybody is checked at all."""
        if self.insists or self.settings.verify_hostname:
            return self.identity
        return None

    def calling(self) -> _Call:
        """Mark this thread while it is in what may be a hook."""
        return _Call(self)

    def keep_finished(self, connection: SSL.Connection) -> None:
        """Note the peer's last Finished, to know when there is another."""
        self.finished_before = connection.get_peer_finished()

    def renew(self) -> None:
        """Forget an earlier verdict; the peer is about to be asked again."""
        self.faults.clear()
        self.chain.clear()
        self.path = self.completed = ()
        self.earlier = self.staple_error = None
        self.put_off, self.staple = False, b""

    # -- certificates -------------------------------------------------------

    def judge(
        self, ders: tuple[bytes, ...], code: int, depth: int, ok: bool
    ) -> int:
        """Give the code to go on with.

        Args:
            ders: The certificate in question, and those above it in the chain
                about which nobody has asked because nothing is wrong.
            code: OpenSSL's.
            depth: The place of the first one; 0 is the peer's own.
            ok: OpenSSL's verdict on it.

        Returns:
            0 accepts, a positive code refuses, and a negative one accepts in
            spite of a fault, which then stays with the session.
        """
        if self.settled:  # The peer shows another chain, in mid-session.
            self.settled = False
            self.renew()
        if ok and depth == 0 and self._is_fine(ders):
            return 0
        for place in range(depth + len(ders) - 1, depth, -1):
            if place not in self.chain:
                refusal = self._look(ders[place - depth], 0, place, ok=True)
                if refusal > 0:
                    return refusal
        self.path = ()
        return self._look(ders[0], code, depth, ok)

    def _is_fine(self, ders: tuple[bytes, ...]) -> bool:
        """Take a whole chain that nobody complains about, as most are.

        Returns:
            False if there is something to look at more closely; then nothing
            was taken.
        """
        above = len(ders) - 1
        if self.chain or not above or self._is_too_deep(above):
            return False
        identity = self.to_prove
        try:
            path = shared_path(ders)
            if identity is not None:
                identity.check_der(path[0])
        except IdentityError:
            return False
        except unreadable():
            return False
        self.path, self.chain = path, dict(enumerate(path))
        return True

    def _look(self, der: bytes, code: int, depth: int, ok: bool) -> int:
        needed = depth == 0 or self.settings.verify.refuses_bad
        if depth not in self.chain and not can_be_read(der, needed=needed):
            code, ok = VerifyReason.CERT_REJECTED, False
        self.chain[depth] = der
        if ok and self._is_too_deep(depth):
            code, ok = VerifyReason.CERT_CHAIN_TOO_LONG, False
        if not ok:
            fault = Fault(code, depth, der)
            if fault not in self.faults:
                self.faults.append(fault)
            if code in NAME_FAULTS:
                return -code if self.to_prove is None else code
        refusal = self._opinion(der, code, depth, ok)
        if refusal == 0 and ok and depth == 0:
            refusal = self._identify(der)
        if refusal == 0 and self.faults:
            return -self.faults[0].code
        return refusal

    def _is_too_deep(self, depth: int) -> bool:
        # OpenSSL's own limit stays behind at a switch of contexts.
        limit = self.settings.verify_depth
        return limit is not None and depth > limit + 1

    def _opinion(self, der: bytes, code: int, depth: int, ok: bool) -> int:
        """Ask the hook, if there is one; otherwise what the settings say."""
        if "verify_certificate" in self.used:
            if self._accepts(parsed(der), depth, ok):
                return 0
            if ok:
                code = VerifyReason.CERT_REJECTED
                self.faults.append(Fault(code, depth, der))
            return code
        if ok or not self.settings.verify.refuses_bad:
            return 0
        if code in MISSING and self.fetches:
            self.put_off = True
            return 0
        return code

    def _identify(self, der: bytes) -> int:
        """Check the name inside the handshake, so that an alert can tell."""
        identity = self.to_prove
        if identity is None:
            return 0
        try:
            identity.check_der(der)
        except IdentityError as error:
            # As OpenSSL would have put it; so it is told in the same way.
            self.faults.append(Fault(int(error.reason), 0, der))
            return int(error.reason)
        return 0

    # -- OCSP ---------------------------------------------------------------

    def staple_arrived(self, connection: SSL.Connection, data: bytes) -> bool:
        """Judge the response that the server stapled; empty for none."""
        if native.has("session-reused") and native.session_reused(connection):
            return True  # Nothing is stapled to a session that was verified.
        self.staple = data
        if not self.put_off:  # Until its issuer is known.
            self.judge_staple(connection)
        return True

    def judge_staple(self, connection: SSL.Connection) -> None:
        """Judge what was stapled, now that the chain is known.

        Raises:
            VerificationError: It is not acceptable.
        """
        scene = scene_of(connection, self)
        required = self.settings.ocsp is Ocsp.REQUIRE
        try:
            check_staple(self.staple, scene, required=required)
        except VerificationError as error:
            if self.settings.verify.refuses_bad:
                raise
            self.staple_error = error


def _record(connection: SSL.Connection) -> Record:
    record: Record = connection.get_app_data()
    return record


def on_failure(connection: SSL.Connection, error: BaseException) -> None:
    """Take what came up around the functions below, such as Ctrl-C."""
    _record(connection).refuse(error)


def on_certificate(
    connection: SSL.Connection,
    ders: tuple[bytes, ...],
    code: int,
    depth: int,
    ok: bool,
) -> int:
    """Answer for ``_native.set_verify``."""
    record = _record(connection)
    try:
        if record.settled:
            record.keep_finished(connection)
        if "verify_certificate" not in record.used:
            return record.judge(ders, code, depth, ok)
        with record.calling():
            return record.judge(ders, code, depth, ok)
    except BaseException as error:
        record.refuse(error)
        return VerifyReason.CERT_REJECTED


def on_certificate_public(
    connection: SSL.Connection,
    certificate: crypto.X509,
    code: int,
    depth: int,
    ok: int,
) -> bool:
    """Answer for pyOpenSSL's own ``set_verify``."""
    # Not by way of cryptography, which may refuse to parse it.
    der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
    return on_certificate(connection, (der,), code, depth, bool(ok)) <= 0


def on_server_name(connection: SSL.Connection) -> int | None:
    """Answer for ``_native.set_server_name_function``."""
    record = _record(connection)
    try:
        return record.name_arrived(connection)
    except BaseException as error:
        record.refuse(error)
        return Alert.UNRECOGNIZED_NAME


def on_server_name_public(connection: SSL.Connection) -> None:
    """Answer for pyOpenSSL's own callback, which can't refuse quietly.

    A context without a certificate has no cipher in common with anyone, so
    the client gets ``handshake_failure`` instead of the better alert.
    """
    if on_server_name(connection) is not None:
        empty = SSL.Context(SSL.TLS_SERVER_METHOD)
        _record(connection).keep(empty)
        connection.set_context(empty)


def on_alpn(
    connection: SSL.Connection, offered: list[bytes]
) -> bytes | int | None:
    """Answer for ``_native.set_alpn_function``."""
    record = _record(connection)
    try:
        with record.calling():
            return record.alpn_arrived(offered)
    except BaseException as error:
        record.refuse(error)
        return Alert.NO_APPLICATION_PROTOCOL


def on_alpn_public(connection: SSL.Connection, offered: list[bytes]) -> object:
    """Answer for pyOpenSSL's own callback, which refuses by raising.

    pyOpenSSL keeps what is raised here on the context, where any connection
    may find it; the engine takes its own ``Record`` for the truth.
    """
    answer = on_alpn(connection, offered)
    if isinstance(answer, int):
        raise HandshakeError("no application protocol in common")
    return SSL.NO_OVERLAPPING_PROTOCOLS if answer is None else answer


def on_certificate_request(connection: SSL.Connection) -> None:
    """Note that a server asks for a certificate, and that we have none."""
    _record(connection).unanswered = True


def on_staple(
    connection: SSL.Connection, data: bytes, _: object = None
) -> bool:
    """Judge a stapled response, for a client."""
    record = _record(connection)
    try:
        with record.calling():
            return record.staple_arrived(connection, data)
    except BaseException as error:
        record.refuse(error)
        return False


def on_key(connection: SSL.Connection, line: bytes) -> None:
    """Take one line of the key log."""
    record = _record(connection)
    if record.last_words is None:
        record.last_words = LastWords(server_side=record.server_side)
    record.last_words.hear(line)
    if "log_key" not in record.used:
        return
    try:
        with record.calling():
            at_once(record.hooks.log_key(line.decode()), "log_key()")  # type: ignore[func-returns-value]
    except BaseException as error:
        record.refuse(error)
