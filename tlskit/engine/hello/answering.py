"""What hooks answer: on a ClientHello, by which context, which protocol."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeGuard, cast

from ...errors import NegotiationError
from ...errors.codes import Alert
from ...policy.answers import at_once
from ..tickets import NO_TICKET
from .choosing import Greeting

if TYPE_CHECKING:
    from cryptography import x509

    from ...openssl.gate import SSL
    from ...policy.settings import DemandSource, Settings
    from ..build import Built
    from ..callbacks import Hooks

__all__ = ["Answers"]

_TLS_1_3 = 0x0304


class Answers:
    """Who decides about one connection, and what was answered to its client.

    What decides is taken at the beginning, and when another context is
    chosen; a change of the context comes too late for this connection.

    Args:
        hooks: The context that decides.
        built: What was built from its settings.
    """

    #: What a client says first.
    greeting: Greeting = Greeting(waits=False)
    #: Whether a protocol was offered, so that one may be agreed on.
    talks_alpn: bool = False
    #: Whether that was an ACME server's question, which was answered.
    challenge: bool = False
    #: What a hook raised, or what refused on its behalf.
    error: BaseException | None = None
    # OpenSSL may still call a context after the switch to another; the last
    # reference to it must not go before the connection does.
    _kept: tuple[object, ...] = ()
    # The name that the first ClientHello asks for; and beside the answer to
    # its protocols, the question that it was given to.
    _asked: tuple[bytes | None] | None = None
    _alpn_answer: tuple[list[bytes], bytes | int | None] | None = None

    def __init__(self, hooks: Hooks, built: Built) -> None:
        self.hooks: Hooks = hooks
        self.settings: Settings = built.settings
        #: Whether a server may resume, and so sends tickets.
        self.resumes: bool = built.resumes
        #: The names of the hooks that have something to say.
        self.used: frozenset[str] = built.hooks
        self._built = built

    def refuse(self, error: BaseException) -> None:
        """Keep the first error; the engine raises it from its own call."""
        if self.error is None:
            self.error = error

    def keep(self, thing: object) -> None:
        """Hold *thing* for as long as the connection lives."""
        self._kept = (*self._kept, thing)

    def _take_on(self, hooks: Hooks, built: Built) -> None:
        self.keep(built)
        self.hooks, self.settings = hooks, built.settings
        self.used = built.hooks
        self.resumes = built.resumes

    def name_arrived(self, connection: SSL.Connection) -> int | None:
        """Look at the name that OpenSSL has read; a number is the alert.

        The context was chosen before, by the first ClientHello.  A second one
        (HelloRetryRequest) must ask the same (RFC 8446, section 4.1.2).
        """
        if not self.resumes:
            # Set here, and not before, it keeps OpenSSL from sending any.
            connection.set_options(NO_TICKET)
        name = connection.get_servername()
        if self._asked is None:
            self._asked = (name,)
        (asked,) = self._asked
        # On TLS 1.2 the name of a session that is resumed is its first one.
        if name != asked and connection.get_protocol_version() >= _TLS_1_3:
            return self._changed("server name", asked, name)
        return None

    def _changed(self, what: str, first: object, second: object) -> int:
        self.refuse(
            NegotiationError(
                f"the client's second ClientHello has another {what} than "
                f"its first: {second!r} after {first!r}",
                hint="RFC 8446, section 4.1.2, forbids that; mend the client",
            )
        )
        return Alert.ILLEGAL_PARAMETER

    def choose_by_name(self, name: str, versions: Iterable[int]) -> object:
        """Ask the hook ``choose_context``; None goes on with this one.

        Args:
            name: As the client sent it.
            versions: The versions of TLS that it offers.

        Raises:
            NegotiationError: The name is not ASCII, or what was chosen does
                not speak the version that this context would have chosen.
            TypeError: It is no context.
            Exception: Whatever the hook raises.
        """
        if "\\" in name:
            raise NegotiationError(
                f"the client asked for the server name '{name}'; "
                "RFC 6066 wants ASCII"
            )
        self._asked = (name.encode("ascii"),)
        chosen = at_once(self.hooks.choose_context(name), "choose_context()")
        if chosen is None or chosen is self.hooks:
            return None
        if not hasattr(chosen, "prepared"):
            raise TypeError(
                "choose_context() returns a ServerContext or None, "
                f"not {chosen!r}"
            )
        ours = self.settings.protocol
        theirs = chosen.prepared().settings.protocol
        common = [v for v in versions if ours.minimum <= v <= ours.maximum]
        version = max(common, default=theirs.minimum)
        if not theirs.minimum <= version <= theirs.maximum:
            error = NegotiationError(
                "the context chosen for this server name speaks "
                f"{theirs.name}, but the client {version:#06x}",
                hint="give all contexts of one listener the same versions",
            )
            setattr(error, "alert", Alert.PROTOCOL_VERSION)  # noqa: B010
            raise error
        return chosen

    def challenged(self, settings: Settings) -> Hooks | None:
        """Give who answers instead, if the client is an ACME server.

        Args:
            settings: Of a context that may have what such a server validates.
        """
        sources = settings.answering
        hello = self.greeting.hello if sources else None
        if hello is None:
            return None
        asked = hello.server_name, hello.alpn
        found = (source.answer(*asked) for source in sources)
        answer: Hooks | None = next(filter(None, found), None)
        self.challenge = answer is not None
        return answer

    def demanded(self, hooks: Hooks) -> Hooks | None:
        """Give who has a certificate that was ordered on demand, if one has.

        Args:
            hooks: What decides about everything else.

        Raises:
            NegotiationError: Nobody has one, and there is no other.
            Exception: Whatever the hook raises that allows names.
        """
        settings = hooks.prepared().settings
        sources = [each for each in settings.answering if _chooses(each)]
        hello = self.greeting.hello if sources else None
        if hello is None:
            return None
        for source in sources:
            chosen: Hooks | None = source.choose(
                hello.server_name, hello.alpn, getattr(hooks, "origin", hooks)
            )
            if chosen is not None:
                ours = getattr(hooks, "ours", None)
                return chosen if ours is None else cast("Hooks", ours(chosen))
        if not settings.pairs and "choose_context" not in hooks.hooks_in_use:
            raise _nothing_for(hello.server_name)
        return None

    def adopt(self, chosen: object) -> Built:
        """Go on by the rules of the context that was chosen.

        Raises:
            TypeError: It is no server's context.
            CredentialError: It has no certificate.
        """
        if not getattr(chosen, "server_side", False):
            raise TypeError(
                "choose_for() and choose_context() return a ServerContext or "
                f"None, not {chosen!r}"
            )
        hooks: Hooks = cast("Hooks", chosen)
        hooks = (
            self.challenged(hooks.prepared().settings)
            or self.demanded(hooks)
            or hooks
        )
        built = hooks.prepared()
        built.settings.check_certificate(hooks.hooks_in_use)
        self._take_on(hooks, built)
        return built

    def _accepts(
        self, certificate: x509.Certificate, depth: int, ok: bool
    ) -> bool:
        """Have the hook judge one certificate of the peer's."""
        answer = self.hooks.verify_certificate(certificate, depth, ok)
        return at_once(answer, "verify_certificate()")

    def alpn_arrived(self, offered: list[bytes]) -> bytes | int | None:
        """Choose the protocol; a number refuses, None selects nothing."""
        self.talks_alpn = True
        if self._alpn_answer is None:
            self._alpn_answer = (offered, self._select(offered))
        asked, answer = self._alpn_answer
        if offered != asked:
            return self._changed("list of protocols", asked, offered)
        return answer

    def _select(self, offered: list[bytes]) -> bytes | int | None:
        names = tuple(name.decode("utf-8", "replace") for name in offered)
        chosen = at_once(self.hooks.select_alpn(names), "select_alpn()")
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


def _chooses(source: object) -> TypeGuard[DemandSource]:
    return hasattr(source, "choose")


def _nothing_for(name: str | None) -> NegotiationError:
    whose = "without a server name" if name is None else f"for {name!r}"
    error = NegotiationError(
        f"there is no certificate {whose}, or not yet",
        code="no-certificate-yet",
        hint="it comes when its order is done; load_credentials() takes "
        "another source for everybody else",
    )
    setattr(error, "alert", Alert.UNRECOGNIZED_NAME)  # noqa: B010
    return error
