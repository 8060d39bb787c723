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

**Layers.**  All of this is one object, with one lock and one state; parts
that know each other would be freed by the garbage collector alone.  Each
layer adds one thing to that below it:

=============================  ===========================================
``session.steps``              OpenSSL's session: the lock, the ciphertext,
                               what a failed call means
``hello.asking``               The hooks that choose a server's context
``session.handshake``          The handshake, and the verdict on the peer
``session.data``               Reading and writing
``session.reauthentication``   Asking for another certificate
``engine``, here               Who is to be reached by which rules; the end
=============================  ===========================================
"""

from __future__ import annotations

from ..errors import ConfigurationError, StreamError
from ..openssl.gate import translated
from ..policy.settings import Verify
from ..tools.public import public
from ..verify.identity import Identity
from .callbacks import Hooks, Record
from .resumption import Kept, Resumption
from .schemes import scheme_in_use
from .session.reauthentication import Reauthenticating
from .states import FINISHED, State
from .trace import HandshakeReport

__all__ = ["Engine", "State"]


@public
class Engine(Reauthenticating):
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

    # Said once more for type checkers that look at this class alone.
    state: State
    smooth: bool

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
        if settings.verify is Verify.NONE:
            if insists:
                raise ConfigurationError(
                    f"{identity} can't be proved: this context verifies "
                    "nothing",
                    code="no-verification",
                    hint="call set_verify() on the context",
                )
            if not server_side:
                hooks.warn_if_unverified()
        if identity is None and settings.verify_hostname and not server_side:
            raise ConfigurationError(
                "this context checks the host name, but there is none",
                code="no-hostname",
                hint="pass hostname=, or use set_verify_hostname(False)",
            )
        if server_side and not settings.pairs:
            settings.check_certificate(built.hooks)
        record = Record(
            hooks,
            built,
            identity,
            server_side=server_side,
            insists=insists,
            announced=announced,
        )
        super().__init__(record, built)
        if not server_side:
            offered = alpn or settings.alpn
            self._announce(offered)
            self._resumption = Resumption.of(
                built, record, offered, dialled, given
            )

    # -- closing --------------------------------------------------------------

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

    # -- facts --------------------------------------------------------------

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

    def cipher(self) -> tuple[str, str, int] | None:
        """Give the cipher suite, its protocol's name, and its secret bits."""
        with self._step():
            name = self._connection.get_cipher_name()
            protocol = self._connection.get_cipher_version()
            bits = self._connection.get_cipher_bits()
        if name is None or protocol is None or bits is None:
            return None
        return name, protocol, bits

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
            if self.version is None:
                raise StreamError(
                    "there is no keying material before the handshake"
                )
            with translated(StreamError, "exporting keying material"):
                return self._connection.export_keying_material(
                    label, length, context
                )
