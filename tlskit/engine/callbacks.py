"""What OpenSSL calls in a handshake; it records, and never raises.

The functions at the end know no tlskit context: each finds the ``Record`` of
its own connection, so that what a hook raises reaches no other one.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..errors import (
    HandshakeError,
    IdentityError,
    NegotiationError,
    VerificationError,
)
from ..errors.codes import Alert, VerifyReason
from ..openssl import native
from ..openssl.gate import SSL, crypto
from ..policy.settings import Ocsp, Settings
from ..verify.chain import Fault
from ..verify.evidence import parsed, scene_of
from ..verify.ocsp import check_staple
from ..verify.scene import NAME_FAULTS
from .presenting import own_pair
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
    "on_key",
    "on_server_name",
    "on_server_name_public",
    "on_staple",
    "on_status_request",
]


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


class Record:
    """What one connection's callbacks saw, answered and must remember."""

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
        self.hooks: Hooks = hooks
        self.settings: Settings = built.settings
        self.identity = identity
        #: Whether it is checked although the context checks no names.
        self.insists = insists
        name = announced if insists and announced is not None else identity
        #: The server name that a client sends.
        self.sni: bytes | None = None if name is None else name.sni
        self.server_side = server_side
        #: Every complaint about the peer's chain, in OpenSSL's order.
        self.faults: list[Fault] = []
        self.settled: bool = False  # Whether facts were made of all this.
        #: Depth -> DER, as far as a chain could be built.
        self.chain: dict[int, bytes] = {}
        #: What a hook raised, or what refused on its behalf.
        self.error: BaseException | None = None
        #: The thread whose step has called a hook, while that is at work.
        self.caller: int | None = None
        #: What a client offers to resume, with the verdict on its peer ...
        self.offered: Session | None = None
        #: ... and the same once the server has resumed it.
        self.earlier: Session | None = None
        #: Who listens to the messages.
        self.tracer: Tracer | None = None
        #: What is wrong with a stapled response, where that is tolerated.
        self.staple_error: VerificationError | None = None
        # OpenSSL may still call a context after the switch to another; the
        # last reference to it must not go before the connection does.
        self._kept: list[object] = [built]
        # Beside each answer, the question that it was given to.
        self._name_answer: tuple[bytes | None, int | None] | None = None
        self._alpn_answer: tuple[list[bytes], bytes | int | None] | None = None

    @property
    def to_prove(self) -> Identity | None:
        """Whom the peer has to prove to be, if anybody is checked at all."""
        if self.insists or self.settings.verify_hostname:
            return self.identity
        return None

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Mark this thread while it is in what may be a hook."""
        self.caller = threading.get_ident()
        try:
            yield
        finally:
            self.caller = None

    def refuse(self, error: BaseException) -> None:
        """Keep the first error; the engine raises it from its own call."""
        if self.error is None:
            self.error = error

    def renew(self) -> None:
        """Forget an earlier verdict; the peer is about to be asked again."""
        self.faults.clear()
        self.chain.clear()

    # -- certificates -------------------------------------------------------

    def judge(self, der: bytes, code: int, depth: int, ok: bool) -> int:
        """Give the code to go on with.

        Returns:
            0 accepts, a positive code refuses, and a negative one accepts in
            spite of a fault, which then stays with the session.
        """
        if self.settled:  # The peer shows another chain, in mid-session.
            self.settled = False
            self.renew()
        if depth not in self.chain:
            parsed(der)  # The facts will need it; now an alert can tell.
        self.chain[depth] = der
        if ok and self._is_too_deep(depth):
            code, ok = VerifyReason.CERT_CHAIN_TOO_LONG, False
        if not ok:
            fault = Fault(code, depth, der)
            if fault not in self.faults:
                self.faults.append(fault)
        if code in NAME_FAULTS and not ok:
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
        if "verify_certificate" in self.hooks.hooks_in_use:
            if self.hooks.verify_certificate(parsed(der), depth, ok):
                return 0
            if ok:
                code = VerifyReason.CERT_REJECTED
                self.faults.append(Fault(code, depth, der))
            return code
        if ok or not self.settings.verify.refuses_bad:
            return 0
        return code

    def _identify(self, der: bytes) -> int:
        """Check the name inside the handshake, so that an alert can tell."""
        identity = self.to_prove
        if identity is None:
            return 0
        try:
            identity.check(parsed(der))
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
        try:
            check_staple(
                data,
                scene_of(connection, self),
                required=self.settings.ocsp is Ocsp.REQUIRE,
            )
        except VerificationError as error:
            if self.settings.verify.refuses_bad:
                raise
            self.staple_error = error
        return True

    # -- server name and ALPN -----------------------------------------------

    def name_arrived(self, connection: SSL.Connection) -> int | None:
        """Choose the context; None goes on, a number is the alert."""
        # A second ClientHello (HelloRetryRequest) must get the same answer,
        # and so has to ask the same (RFC 8446, section 4.1.2).
        name = connection.get_servername()
        if self._name_answer is None:
            self._name_answer = (name, self._choose(connection))
        asked, answer = self._name_answer
        if name != asked:
            return self._changed("server name", asked, name)
        return answer

    def _changed(self, what: str, first: object, second: object) -> int:
        self.refuse(
            NegotiationError(
                f"the client's second ClientHello has another {what} than "
                f"its first: {second!r} after {first!r}",
                hint="RFC 8446, section 4.1.2, forbids that; mend the client",
            )
        )
        return Alert.ILLEGAL_PARAMETER

    def _choose(self, connection: SSL.Connection) -> int | None:
        wire = connection.get_servername()
        if wire is None:
            return None
        try:
            name = wire.decode("ascii")
        except UnicodeDecodeError:
            self.refuse(
                NegotiationError(
                    f"the client asked for the server name {wire!r}; "
                    "RFC 6066 wants ASCII"
                )
            )
            return Alert.UNRECOGNIZED_NAME
        chosen = self.hooks.choose_context(name)
        if chosen is None or chosen is self.hooks:
            return None
        return self._switch(connection, chosen)

    def adopt(self, chosen: object) -> Built:
        """Go on by the rules of the context that ``choose_for`` has chosen.

        Raises:
            TypeError: It is no server's context.
            CredentialError: It has no certificate.
        """
        if not getattr(chosen, "server_side", False):
            raise TypeError(
                f"choose_for() returns a ServerContext or None, not {chosen!r}"
            )
        hooks: Hooks = cast("Hooks", chosen)
        built = hooks.prepared()
        built.settings.check_certificate(hooks.hooks_in_use)
        self._kept.append(built)
        self.hooks, self.settings = hooks, built.settings
        return built

    def _switch(self, connection: SSL.Connection, chosen: Hooks) -> int | None:
        if not hasattr(chosen, "prepared"):
            raise TypeError(
                "choose_context() returns a ServerContext or None, "
                f"not {chosen!r}"
            )
        built = chosen.prepared()
        version = connection.get_protocol_version()
        protocol = built.settings.protocol
        if not protocol.minimum <= version <= protocol.maximum:
            self.refuse(
                NegotiationError(
                    "the context chosen for this server name speaks "
                    f"{protocol.name}, but the client {version:#06x}",
                    hint="give all contexts of one listener the same versions",
                )
            )
            return Alert.PROTOCOL_VERSION
        self._kept.append(built)
        self.hooks, self.settings = chosen, built.settings
        # set_context moves certificate, roots, ALPN and TLS 1.2 ciphers; the
        # rest of the policy has to be carried over.
        connection.set_context(built._pyopenssl)
        built.apply_policy(connection)
        return None

    def keep(self, thing: object) -> None:
        """Hold *thing* for as long as the connection lives."""
        self._kept.append(thing)

    def alpn_arrived(self, offered: list[bytes]) -> bytes | int | None:
        """Choose the protocol; a number refuses, None selects nothing."""
        if self._alpn_answer is None:
            self._alpn_answer = (offered, self._select(offered))
        asked, answer = self._alpn_answer
        if offered != asked:
            return self._changed("list of protocols", asked, offered)
        return answer

    def _select(self, offered: list[bytes]) -> bytes | int | None:
        names = tuple(name.decode("utf-8", "replace") for name in offered)
        chosen = self.hooks.select_alpn(names)
        if chosen is None:
            if self.settings.alpn_allow_no_match:
                return None
            ours = [
                name.decode("utf-8", "replace") for name in self.settings.alpn
            ]
            self.refuse(
                NegotiationError(
                    f"the client offers the protocols {list(names)}, "
                    f"this server has {ours}",
                    code="no-application-protocol",
                    hint="add one of the client's to set_alpn(), or pass "
                    "allow_no_match=True",
                )
            )
            return Alert.NO_APPLICATION_PROTOCOL
        wire = chosen.encode() if isinstance(chosen, str) else chosen
        if wire not in offered:
            raise ValueError(
                f"select_alpn() returned {chosen!r}, which is not among the "
                f"protocols offered: {list(names)}"
            )
        return wire


def _record(connection: SSL.Connection) -> Record:
    record = connection.get_app_data()
    assert isinstance(record, Record)
    return record


def on_certificate(
    connection: SSL.Connection, der: bytes, code: int, depth: int, ok: bool
) -> int:
    """Answer for ``_native.set_verify``."""
    record = _record(connection)
    try:
        with record.calling():
            return record.judge(der, code, depth, ok)
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
    return on_certificate(connection, der, code, depth, bool(ok)) <= 0


def on_server_name(connection: SSL.Connection) -> int | None:
    """Answer for ``_native.set_server_name_function``."""
    record = _record(connection)
    try:
        with record.calling():
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


def on_staple(connection: SSL.Connection, data: bytes, _: object) -> bool:
    """Judge a stapled response, for a client."""
    record = _record(connection)
    try:
        with record.calling():
            return record.staple_arrived(connection, data)
    except BaseException as error:
        record.refuse(error)
        return False


def on_status_request(connection: SSL.Connection, _: object) -> bytes:
    """Give the response to staple, for a server."""
    record = _record(connection)
    try:
        staple = record.settings.staple
        pair = own_pair(connection, record.settings)
        if (
            staple is None
            or pair is None
            or not staple.covers(pair.chain.leaf)
        ):
            return b""
        with record.calling():
            return staple.current()
    except BaseException as error:
        record.refuse(error)
        return b""


def on_key(connection: SSL.Connection, line: bytes) -> None:
    """Take one line of the key log."""
    record = _record(connection)
    try:
        with record.calling():
            record.hooks.log_key(line.decode("ascii"))
    except BaseException as error:
        record.refuse(error)
