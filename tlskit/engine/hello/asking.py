"""What a session does before OpenSSL sees the ClientHello: ask who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from inspect import isawaitable
from typing import TYPE_CHECKING

from ...errors import ConfigurationError, HandshakeError
from ...errors.codes import Alert
from ..refusal.alerts import alert_record, wanted_alert
from ..session.steps import Session
from ..states import State
from ..trace import tell_alert
from .choosing import Greeting

if TYPE_CHECKING:
    from ..build import Built
    from ..callbacks import Record
    from .client_hello import ClientHello

__all__ = ["Asking", "challenge_answered", "no_client_hello"]

_LONGEST_NAME = 255
_CHOOSING = frozenset({"choose_for", "choose_context"})


class Asking(Session):
    """The part of an engine that lets hooks choose the context.

    OpenSSL looks at what a client wants to resume before it tells of the
    server's name.  So the context that is chosen makes the session from the
    beginning, with keys of its own for tickets.
    """

    _greeting: Greeting | None = None
    _unheard = False  # OpenSSL has got what the hook has not.
    #: What ``choose_for`` is still to give; see ``choose``.
    choice: Awaitable[object] | None = None
    #: Whether the driver waits for it.
    can_suspend: bool = False

    # Said once more for type checkers that look at this class alone.
    state: State
    failure: BaseException | None
    owes: bool

    def __init__(self, record: Record, built: Built) -> None:
        super().__init__(record, built)
        if self.server_side:
            self._listened = False
            self._greeting = record.greeting = Greeting(
                waits=bool(record.settings.answering)
                or not record.used.isdisjoint(_CHOOSING)
            )

    @property
    def client_hello(self) -> ClientHello | None:
        """What the client has sent first; None on its own side."""
        return None if self._greeting is None else self._greeting.hello

    def _feed(self, data: bytes | bytearray | memoryview) -> None:
        greeting = self._greeting
        if greeting is not None and not self._listened:
            greeting.feed(data)
            if greeting.waits:
                self._ended = not len(data)
                return
            self._listened = greeting.done
        super()._feed(data)

    def _greeted(self) -> bool:
        """Have the hooks that choose a context answer first.

        Returns:
            False to wait: for more of the ClientHello, or for ``choose``.
        """
        greeting = self._greeting
        assert greeting is not None
        assert greeting.waits
        if self.choice is not None or not (greeting.done or self._ended):
            return False
        if greeting.raw is None:
            # That is no TLS, or cut off.  OpenSSL has the words for it, and
            # must not find a way to go on.
            self._unheard = not self._ended
            self._let_go()
            return True
        record = self.record
        wanted = "choose_for" in record.used or bool(record.settings.answering)
        if greeting.asked is None or (wanted and greeting.hello is None):
            self._turn_away(no_client_hello(), Alert.DECODE_ERROR)
        elif greeting.hello is not None and wanted:
            self._ask(greeting.hello)
        else:
            self._choose(None)
        if self.failure is not None:
            raise self.again()
        return self.choice is None

    def _ask(self, hello: ClientHello) -> None:
        try:
            with self.record.calling():
                answer = self.record.challenged(
                    self.record.settings
                ) or self.record.hooks.choose_for(hello)
        except BaseException as error:  # noqa: BLE001 - raised by a step
            self._turn_away(error)
            return
        if not isawaitable(answer):
            self._choose(answer)
        elif self.can_suspend:
            self.choice = answer
        else:
            if isinstance(answer, Coroutine):
                answer.close()
            self._turn_away(
                ConfigurationError(
                    "choose_for() is a coroutine function, and this "
                    "connection is not asyncio's or trio's",
                    hint="define choose_for() without async",
                )
            )

    def choose(self, answer: object) -> None:
        """Go on with what ``choice`` has given.

        ``handshake()`` is the next step then.  It raises if the answer is
        neither.

        Args:
            answer: A ``ServerContext``, or None for this one.
        """
        with self._step():
            self.choice = None
            self._choose(answer)

    def refuse_choice(self, error: BaseException) -> None:
        """Turn the client away: nobody has chosen.

        ``outgoing()`` has the alert, and later steps raise *error*.

        Args:
            error: Why nobody has.
        """
        with self._step():
            self.choice = None
            self._turn_away(error)

    def _choose(self, answer: object) -> None:
        built = None
        try:
            hooks = self.record.hooks
            if answer is None:
                answer = self.record.demanded(hooks)
            if answer is not None and answer is not hooks:
                built = self.record.adopt(answer)
        except BaseException as error:  # noqa: BLE001 - the same
            self._turn_away(error)
            return
        try:
            built = self._by_name() or built
        except BaseException as error:  # noqa: BLE001 - the same
            self._turn_away(
                error, wanted_alert(error, Alert.UNRECOGNIZED_NAME)
            )
            return
        if built is not None:
            self._connect(built)
        self._let_go()

    def _by_name(self) -> Built | None:
        """Have the hook ``choose_context`` answer, if it is to be asked."""
        record, greeting = self.record, self._greeting
        assert greeting is not None
        asked = greeting.asked
        assert asked is not None
        name = asked.server_name
        if name is None or "choose_context" not in record.used:
            return None
        if "\0" in name or len(name) > _LONGEST_NAME:
            return None  # OpenSSL refuses it.
        with record.calling():
            chosen = record.choose_by_name(name, asked.versions)
        return None if chosen is None else record.adopt(chosen)

    def _let_go(self) -> None:
        """Give OpenSSL what came in so far."""
        assert self._greeting is not None
        held = self._greeting.release()
        if held:
            super()._feed(held)
        if self._ended:
            super()._feed(b"")

    def _turn_away(
        self, error: BaseException, alert: Alert | None = None
    ) -> None:
        """Fail before OpenSSL has said anything."""
        chosen = alert or wanted_alert(error)
        self._last_words = alert_record(chosen)
        tell_alert(self.record, chosen)
        self.owes = True
        self.state = State.FAILED
        self._keep_failure(error)
        self._unraised = error


def no_client_hello() -> HandshakeError:
    """Say that what a client began with is nothing to answer to."""
    return HandshakeError(
        "the client's first message is no ClientHello, or malformed",
        code="malformed-client-hello",
        hint="see what the client is; it does not speak TLS as it should",
    )


def challenge_answered() -> HandshakeError:
    """Say that a connection was nothing but a question (RFC 8737)."""
    return HandshakeError(
        "an ACME server has looked whether a name is ours, and was answered",
        code="acme-challenge",
    )
