"""``AcmeOnDemand``: certificates for names that clients ask for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ...context.sides import ServerContext
from ...errors import ConfigurationError
from ...policy.answers import at_once
from ...tools.forks import tell_child
from .credentials import AcmeCredentials
from .ordering import Request
from .proofs import Answering, Proofs, asked_name
from .requesting import checked_request, host_of
from .schedule import after_failure
from .storage import Storage
from .working import Background, Stopped

if TYPE_CHECKING:
    import os

    from ...policy.settings import Settings
    from ...trust import VerifySource
    from ...x509.credentials import CertificateChain

__all__ = ["AcmeOnDemand"]

_logger = logging.getLogger("tlskit.acme")

#: How often, in seconds, the work is looked after at least.
_SELDOM = 60.0
_NEVER = float("inf")


class _Name:
    """A name that was allowed.

    Args:
        name: The host name.
        credentials: Its certificate, to be ordered.
    """

    def __init__(self, name: str, credentials: AcmeCredentials) -> None:
        self.name = name
        self.credentials = credentials
        #: When it is looked after, by the monotonic clock.
        self.due = 0.0
        #: Before this a client that asks again changes nothing.
        self.rests_until = 0.0
        #: Before this nobody else gets its place.
        self.stays_until = 0.0
        self._made: tuple[ServerContext, Settings, ServerContext] | None = None

    @property
    def ready(self) -> bool:
        """Whether there is a certificate."""
        return self.credentials.generation > 0

    def context(self, origin: ServerContext) -> ServerContext:
        """Give the rules of *origin* with this certificate."""
        settings = origin.settings
        known = self._made
        if known is not None and known[0] is origin and known[1] is settings:
            return known[2]
        made = origin.copy()
        made.set_ocsp_response(None)  # It is about another certificate.
        made.load_credentials(self.credentials)
        self._made = origin, settings, made
        return made


class AcmeOnDemand(Answering, Background):
    """Certificates from an ACME server for names that clients ask for.

    Give it to a ``ServerContext`` by ``load_credentials()``, perhaps behind
    other credentials, which serve all other names.  When a client asks for a
    name that is not known yet, *allow* is asked; if it says so, the name's
    certificate is ordered in the background, once, whoever asks meanwhile.
    No handshake waits for that: until the certificate is there, clients get
    the other credentials, or are refused with ``unrecognized_name`` if there
    are none.  Each certificate is renewed as those of ``AcmeCredentials``
    are, as long as *allow* says so.

    Names that are known, and so the orders that strangers can cause, are at
    most *most*.  Orders go one after another.  What has failed is tried again
    when its name is asked for again, after a rest that grows.  It makes room
    for another name after a wait that grows with each name in a row that got
    no certificate, up to six hours: else strangers with ever other names
    could use up all orders that the server allows, renewals included.

    Args:
        allow: Called with the host name, in small letters, that a client has
            asked for; says whether it is ours.  It must not wait (a coroutine
            function refuses everybody), and must not say yes to everything.
            What it raises refuses the client.
        directory: As for ``AcmeCredentials``, like all the others.
        storage: The folder.
        most: How many names there may be.
        contact: Addresses for the account.
        profile: The kind of certificate.
        trust: Whom to trust as the ACME server.
        terms_agreed: That you agree to the server's terms of service.
        on_failure: Called with the ``CredentialError`` of a failed order.
        challenge: ``"tls-alpn-01"``, or ``"http-01"``.

    Raises:
        ConfigurationError: As for ``AcmeCredentials``.
        TypeError: *allow* is no function.
        ValueError: *most* is below 1.

    Source: RFC 8555; RFC 8737.
    """

    def __init__(
        self,
        allow: Callable[[str], bool],
        *,
        directory: str,
        storage: str | os.PathLike[str],
        most: int = 100,
        contact: Iterable[str] = (),
        profile: str | None = None,
        trust: VerifySource | None = None,
        terms_agreed: bool = False,
        on_failure: Callable[[ConfigurationError], object] | None = None,
        challenge: str = "tls-alpn-01",
    ) -> None:
        if not callable(allow):
            raise TypeError(
                f"a function that says which names are ours is wanted, not "
                f"{allow!r}"
            )
        if most < 1:
            raise ValueError(f"most is 1 or more, not {most!r}")
        contact = tuple(contact)
        checked_request(
            Request(
                ("a.example",), directory, contact, profile, trust, challenge
            ),
            terms_agreed=terms_agreed,
        )
        super().__init__()
        self._allow = allow
        self._most = most
        self._proofs = Proofs(Storage(storage, "none"), challenge)
        self._make = partial(
            AcmeCredentials,
            directory=directory,
            storage=storage,
            contact=contact,
            profile=profile,
            trust=trust,
            terms_agreed=terms_agreed,
            on_failure=on_failure,
            challenge=challenge,
        )
        self._directory = directory
        self._known: dict[str, _Name] = {}
        self._past_failures = 0
        self._in_vain = 0  # So many first orders have failed in a row.
        self._full = False  # That was said.
        self._news = threading.Event()
        tell_child(self)

    def _after_fork(self) -> None:
        self._news = threading.Event()

    # -- what there is ------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The names that have a certificate now."""
        return tuple(each.name for each in self._all() if each.ready)

    @property
    def certificate_chains(self) -> tuple[CertificateChain, ...]:
        """Their chains."""
        return tuple(
            each.credentials.certificate_chain
            for each in self._all()
            if each.ready
        )

    @property
    def last_error(self) -> ConfigurationError | None:
        """Why a certificate is not there although it is due, or None."""
        errors = (each.credentials.last_error for each in self._all())
        return next(filter(None, errors), None)

    @property
    def generation(self) -> int:
        """How many certificates were in use so far."""
        return sum(each.credentials.generation for each in self._all())

    @property
    def failures(self) -> int:
        """How many orders have failed."""
        present = (each.credentials.failures for each in self._all())
        return self._past_failures + sum(present)

    def _all(self) -> list[_Name]:
        with self._state:
            return list(self._known.values())

    def current(self) -> None:
        """Give the pair for clients whose name is not known: there is none."""

    def reload(self) -> bool:
        """Look whether another process has renewed something.

        Returns:
            Whether it has.
        """
        found = [each.credentials.reload() for each in self._all()]
        return any(found)

    def _refuse(self, error: ConfigurationError) -> None:
        """Hear that a context can't be used; nothing of ours is in it."""

    # -- what a listener asks -----------------------------------------------

    def choose(
        self,
        server_name: str | None,
        offered: Iterable[str],
        origin: ServerContext,
    ) -> ServerContext | None:
        """Give the context with the name's certificate, for a listener.

        Args:
            server_name: What the client named.
            offered: The protocols that it offers.
            origin: What decides about everything else.

        Returns:
            None if there is no certificate for that name, or not yet.
        """
        if server_name is None or asked_name(server_name, offered):
            return None
        name = host_of(server_name)
        if name is None:
            return None
        entry = self._known.get(name) or self._new(name)
        if entry is None:
            return None
        if entry.ready:
            return entry.context(origin)
        now = time.monotonic()
        with self._state:
            if entry.due == _NEVER and now >= entry.rests_until:
                entry.due = now
                self._news.set()
        return None

    def _new(self, name: str) -> _Name | None:
        """Take a name up, if it is allowed and there is room."""
        if not self._has_room() or not self._is_ours(name):
            return None
        credentials = self._make([name])
        with self._state:
            found = self._known.get(name)
            if found is None and self._has_room(make=True):
                found = self._known[name] = _Name(name, credentials)
                self._news.set()
            return found

    def _is_ours(self, name: str) -> bool:
        """Ask the function, which has to answer at once."""
        return at_once(self._allow(name), "allow() of AcmeOnDemand")

    def _has_room(self, *, make: bool = False) -> bool:
        """See whether there is room for one more.

        Args:
            make: Whether to forget somebody who has none of it any more.
        """
        with self._state:
            if len(self._known) < self._most:
                self._full = False
                return True
            now = time.monotonic()
            for each in self._known.values():
                if each.due == _NEVER and now >= each.stays_until:
                    if make:
                        self._forget(each)
                    return True
            if not self._full:
                self._full = True
                _logger.error(
                    "%s: %d names are known, and no others are taken up",
                    self,
                    self._most,
                )
            return False

    def _forget(self, each: _Name) -> None:
        with self._state:
            del self._known[each.name]
            self._past_failures += each.credentials.failures

    # -- the work -----------------------------------------------------------

    def stop(self) -> None:
        """End the work in the background, when the last listener has ended."""
        super().stop()
        self._news.set()

    def _work(self, stop: threading.Event) -> None:
        def wait(seconds: float) -> None:
            if stop.wait(seconds):
                raise Stopped

        with suppress(Stopped):
            while not stop.is_set():
                now = time.monotonic()
                for each in self._all():
                    if each.due <= now:
                        self._mind(each, wait)
                soonest = min((each.due for each in self._all()), default=now)
                self._news.wait(_pause(soonest))
                self._news.clear()

    def _mind(self, each: _Name, wait: Callable[[float], object]) -> None:
        """Order or renew, if it is time to."""
        wait(0)
        was_ready = each.ready
        if was_ready and not self._is_still_ours(each):
            return
        failures = each.credentials.failures
        seconds = each.credentials._step(wait)
        now = time.monotonic()
        then = now + min(seconds, _SELDOM)
        with self._state:
            if each.ready:
                each.due = then
                if not was_ready:
                    self._in_vain = 0
            else:
                # Nobody may want it any more.
                each.rests_until, each.due = then, _NEVER
                stay = 0.0
                if each.credentials.failures > failures:  # It was ordered.
                    self._in_vain += 1
                    stay = after_failure(self._in_vain, 0.0)
                each.stays_until = max(each.stays_until, then, now + stay)

    def _is_still_ours(self, each: _Name) -> bool:
        """Ask before a renewal; who is not ours any more is forgotten."""
        if each.credentials._seconds_left() > 0:
            return True
        try:
            allowed = self._is_ours(each.name)
        except Exception:
            _logger.exception("%s: asking for %s failed", self, each.name)
            with self._state:
                each.due = time.monotonic() + _SELDOM
            return False
        if not allowed:
            _logger.info("%s: %s is not ours any more", self, each.name)
            self._forget(each)
        return allowed

    def __str__(self) -> str:
        """Tell the server."""
        return f"certificates on demand from {self._directory}"

    def __repr__(self) -> str:
        """Tell the server, and how many names there are."""
        return f"<{type(self).__name__} {self}, {len(self._known)} names>"


def _pause(soonest: float) -> float:
    return max(0.0, min(soonest - time.monotonic(), _SELDOM))
