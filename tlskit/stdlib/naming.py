"""``sni_callback``: a function that chooses among adapters by server name.

``ssl`` calls it for every client, with a name or without; it may give the
socket another context, or refuse the client by an alert.  Here it is the hook
``choose_for`` of one session.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..engine.build import Built, build
from ..errors import HandshakeError
from ..errors.codes import Alert
from ..policy.answers import at_once
from .alpn import Cache, WithALPN

if TYPE_CHECKING:
    from ..context.context import Context
    from ..engine.callbacks import Hooks
    from ..engine.hello.client_hello import ClientHello
    from .context import SSLContext
    from .session import Session

__all__ = ["NameCallback", "Question", "WithNames"]

#: Called with the socket or object, the name or None, and the context.
NameCallback = Callable[..., Any]


class Question:
    """One session's question to the callback.

    Args:
        context: The adapter that the session began with.
        callback: Whom to ask.
    """

    def __init__(self, context: SSLContext, callback: NameCallback) -> None:
        self._context = context
        self._callback = callback
        # Its owner holds it: a cycle would keep sockets open.
        self._session: weakref.ref[Session] | None = None

    def of(self, session: Session) -> None:
        """Ask on behalf of *session* from now on."""
        self._session = weakref.ref(session)

    def ask(self, hello: ClientHello) -> Hooks | None:
        """Give the hooks of the context that was chosen, if one was.

        Raises:
            HandshakeError: The callback refuses the client.
            TypeError: It gives something that is no alert.
            Exception: Whatever it raises.
        """
        session = None if self._session is None else self._session()
        assert session is not None  # It is what shakes hands just now.
        with session.choosing() as chosen:
            try:
                answer = at_once(
                    self._callback(
                        session.owner, hello.server_name, self._context
                    ),
                    "sni_callback",
                )
            except Exception as error:
                with suppress(Exception):  # Some take no attributes.
                    vars(error).setdefault("alert", Alert.HANDSHAKE_FAILURE)
                raise
        if answer is not None:
            raise _refusal(answer, hello.server_name)
        found = chosen()
        return None if found is self._context else found._hooks


def _refusal(answer: object, name: str | None) -> Exception:
    """Make the error of what a callback returned."""
    if not isinstance(answer, int):
        return TypeError(
            "sni_callback returns None or the number of an alert, "
            f"not {answer!r}"
        )
    known = answer in Alert._value2member_map_
    alert = Alert(answer) if known else Alert.INTERNAL_ERROR
    words = alert.name.lower() if known else str(answer)
    error = HandshakeError(
        f"sni_callback refuses the server name {name!r} with the alert "
        f"{words}",
        code="refused-by-callback",
        hint="give the callback a context for this name",
    )
    vars(error)["alert"] = alert
    return error


class WithNames(WithALPN):
    """Hooks that ask a callback before their context.

    Args:
        context: What decides everything else.
        alpn: The protocols, the preferred first; none leaves them to the
            context.
        cache: What was built for this adapter.
        question: Asks the callback.
    """

    def __init__(
        self,
        context: Context,
        alpn: tuple[bytes, ...],
        cache: Cache,
        question: Question,
    ) -> None:
        super().__init__(context, alpn, cache)
        self._question = question

    @property
    def hooks_in_use(self) -> frozenset[str]:
        """The names of the hooks that have something to say."""
        return super().hooks_in_use | {"choose_for"}

    def choose_for(
        self, hello: ClientHello
    ) -> Hooks | Awaitable[Hooks | None] | None:
        """Ask the callback; if it says nothing, as the context does."""
        chosen = self._question.ask(hello)
        return super().choose_for(hello) if chosen is None else chosen

    def prepared(self) -> Built:
        """Give what is built from the context's settings and our ALPN."""
        if self._alpn:
            return super().prepared()
        original = self._context.prepared()
        return self._cache.get(
            (id(self._context), ()),
            original,
            lambda: build(
                original.settings, self.hooks_in_use, server_side=True
            ),
        )

    def select_alpn(self, offered: tuple[str, ...]) -> str | bytes | None:
        """Select by our protocols, or as the context does."""
        if self._alpn:
            return super().select_alpn(offered)
        return self._context.select_alpn(offered)

    def ours(self, chosen: Hooks | None) -> Hooks | None:
        """Have *chosen* speak our protocols, if there are any."""
        if self._alpn or chosen is self._context:
            return super().ours(chosen)
        return chosen
