"""``AcmeCredentials``: a certificate that obtains and renews itself."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

from ...context.reloading import ReloadableCredentials
from ...errors import ConfigurationError, CredentialError
from ...tools.deadline import Deadline
from ...x509.credentials import CertificateChain
from ...x509.gate import Encoding
from ...x509.pairs import Pair
from .challenge import PORTS, placeholder, server_name_of
from .ordering import Orderer, Request, reason_of
from .proofs import Answering, Proofs
from .requesting import checked_request, file_name
from .schedule import after_failure, renewal_time, seconds_until
from .storage import Storage
from .working import Background, Stopped

if TYPE_CHECKING:
    import os

    from cryptography import x509

    from ...trust import VerifySource

__all__ = ["AcmeCredentials"]

_logger = logging.getLogger("tlskit.acme")

#: How often a certificate may be renewed within its lifetime at most.
_ORDERS = 5000
#: How long one order may take, in seconds.
_ORDER = 180.0
#: How often, in seconds, files that other processes may change are looked at:
#: while clients come, and at least.
_LOOK, _SELDOM = 5.0, 60.0
#: Without a word of the server's, its opinion is asked for again then (RFC
#: 9773, section 4.3.2).
_ASK_AGAIN = timedelta(hours=6)
#: ... and no sooner than this, whatever it says (section 4.3.3).
_ASK_SELDOM = timedelta(minutes=1)


class AcmeCredentials(Answering, Background, ReloadableCredentials):
    """A certificate and its key from an ACME server, such as Let's Encrypt.

    Give it to a ``ServerContext`` by ``load_credentials()``.  Ordering begins
    when a listener with that context begins to serve, or by ``obtain()``.
    The server's challenge (TLS-ALPN-01) is answered by that listener, which
    the ACME server has to reach on port 443, whatever other rules for ALPN
    and server names the context has; or by HTTP-01, by a listener on port 80
    that has this context and ``set_plain_http()``.  Renewal begins when the
    server suggests it (ARI, RFC 9773), else when two thirds of the lifetime
    are over.  While an order fails, the old certificate serves;
    ``last_error``, the logger ``tlskit.acme`` and *on_failure* tell why, and
    it is tried again after a while that grows.

    Before the first certificate is there, a self-signed one that nobody
    trusts is presented.

    Args:
        names: The host names and addresses of the certificate.
        directory: The address of the ACME server's directory (``https:``).
        storage: A folder of our own for the account and the certificates;
            made with mode 0700.  Processes and machines may share it: one of
            them orders, all of them serve what it got.
        contact: Addresses for the account, such as ``mailto:x@y.example``.
        profile: The server's name for a kind of certificate, such as
            ``"shortlived"``; None leaves it to the server.
        trust: Whom to trust as the ACME server; None trusts the default
            sources.
        terms_agreed: That you agree to the server's terms of service.
            Without it nothing is ordered.
        on_failure: Called with the ``CredentialError`` of a failed order; it
            must not wait.
        challenge: ``"tls-alpn-01"``, or ``"http-01"``.

    Raises:
        ConfigurationError: *terms_agreed* is False, a name can't be one, the
            address is not ``https:``, the folder can't be used, or there is
            no such challenge.
        ValueError: There is no name.

    Source: RFC 8555; RFC 8737; RFC 9773.
    """

    def __init__(
        self,
        names: Iterable[str],
        *,
        directory: str,
        storage: str | os.PathLike[str],
        contact: Iterable[str] = (),
        profile: str | None = None,
        trust: VerifySource | None = None,
        terms_agreed: bool = False,
        on_failure: Callable[[ConfigurationError], object] | None = None,
        challenge: str = "tls-alpn-01",
    ) -> None:
        wanted = (names,) if isinstance(names, str) else tuple(names)
        self._request = checked_request(
            Request(
                wanted, directory, tuple(contact), profile, trust, challenge
            ),
            terms_agreed=terms_agreed,
        )
        #: The host names and addresses of the certificate.
        self.names: tuple[str, ...] = self._request.names
        self._storage = Storage(storage, file_name(self._request))
        self._none = placeholder(self.names[0])
        self._proofs = Proofs(self._storage, challenge)
        self._asked_for = frozenset(map(server_name_of, self.names))
        self._order_error: CredentialError | None = None
        self._suggestion = _Suggestion()
        path = self._storage.pair
        Background.__init__(self)
        ReloadableCredentials.__init__(
            self, path, path, interval=_LOOK, on_failure=on_failure
        )
        if self._value is self._none:
            self._generation = 0

    @property
    def certificate_chain(self) -> CertificateChain:
        """The chain in use; before the first, one that nobody trusts."""
        return self._value.chain

    @property
    def last_error(self) -> ConfigurationError | None:
        """Why there is no newer certificate although one is due, or None."""
        return self._order_error or super().last_error

    def obtain(self, *, timeout: float | None = _ORDER) -> bool:
        """Order now, if a certificate is missing or due for renewal.

        A listener with these credentials has to be serving meanwhile.

        Args:
            timeout: When to give up, in seconds; None is never.

        Returns:
            Whether there is a new certificate.

        Raises:
            CredentialError: The order failed; the cause says why.
            TimeoutError: It, or another process's order, was not done in
                time.
            UnsupportedError: The package ``acme`` is not installed.
        """
        before = self._generation
        self._obtain(Deadline.after(timeout), time.sleep, patient=False)
        return self._generation != before

    # -- what a listener asks -----------------------------------------------

    def _expects(self, name: str) -> bool:
        # No reading of files for whatever a client names.
        return name in self._asked_for

    # -- the work -----------------------------------------------------------

    def _work(self, stop: threading.Event) -> None:
        def wait(seconds: float) -> None:
            if stop.wait(seconds):
                raise Stopped

        with suppress(Stopped):
            while True:
                wait(min(self._step(wait), _SELDOM))

    def _step(self, wait: Callable[[float], object]) -> float:
        """Order if it is time to; give the seconds until the next look."""
        self._look()
        left = max(self._seconds_left(), self._rest())
        if left > 0:
            return left
        # What went wrong was told, and is tried again.
        with suppress(ConfigurationError, OSError):
            self._obtain(Deadline.after(_ORDER), wait, patient=True)
            leaf = self._leaf
            life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
            # A server that wants each of them renewed at once gets no flood.
            return max(self._seconds_left(), life.total_seconds() / _ORDERS)
        return max(_LOOK, self._rest())

    def _obtain(
        self,
        deadline: Deadline,
        wait: Callable[[float], object],
        *,
        patient: bool,
    ) -> None:
        """Order, unless another process was faster.

        Args:
            deadline: When to give up.
            wait: Waits for so many seconds.
            patient: Whether to keep the rest after a failure.
        """
        with self._storage.locked(deadline, wait):
            self._look()
            if self._seconds_left() > 0 or (patient and self._rest() > 0):
                return
            with Orderer(
                self._request, self._storage, deadline, wait
            ) as orderer:
                try:
                    self._storage.write(
                        self._storage.pair,
                        orderer.obtain(self._proofs.present, self._replaced()),
                    )
                except Stopped:
                    raise
                except Exception as error:
                    told = self._failed(error, orderer.retry_after)
                    if deadline.left() == 0:
                        raise TimeoutError(f"timed out: {told}") from told
                    raise told from error
            self._storage.remove(self._storage.failure)
            self._order_error = None
            self.reload()
        _logger.info("%s: obtained", self)

    def _failed(
        self, error: Exception, retry_after: float | None
    ) -> CredentialError:
        """Tell it, and note when to try again; give what to raise."""
        failures = self._note()[0] + 1
        now = datetime.now(timezone.utc)
        left = 0.0
        if self._value is not self._none:
            left = seconds_until(self._leaf.not_valid_after_utc, now)
        rest = after_failure(failures, left, retry_after)
        note = {"failures": failures, "again": time.time() + rest}
        reason = reason_of(error)
        told = CredentialError(
            f"no certificate for {', '.join(self.names)} from "
            f"{self._request.directory}: {reason}",
            code="order-failed",
            hint=f"the server has to reach port "
            f"{PORTS[self._request.challenge]} of each name; it is tried "
            "again by itself while a listener serves",
        )
        self._order_error = told
        self._failures += 1
        _logger.error("%s; tried again in %.0f s", told, rest)
        if self._on_failure is not None:
            try:
                self._on_failure(told)
            except Exception:
                _logger.exception("on_failure of %s failed", self)
        with suppress(OSError):  # A disk that is full is told above.
            self._storage.write(
                self._storage.failure, json.dumps(note).encode("ascii")
            )
        return told

    def _note(self) -> tuple[int, float]:
        """Give how often an order has failed, and when to try again.

        All processes keep that rest, also those that are started meanwhile.
        """
        with suppress(OSError, ValueError, KeyError, TypeError):
            found = self._storage.read(self._storage.failure)
            if found is not None:
                note = json.loads(found)
                return int(note["failures"]), float(note["again"])
        return 0, 0.0

    def _rest(self) -> float:
        return max(0.0, self._note()[1] - time.time())

    def _replaced(self) -> x509.Certificate | None:
        return None if self._value is self._none else self._leaf

    # -- when ---------------------------------------------------------------

    def _seconds_left(self) -> float:
        """Give the seconds until the certificate is to be renewed."""
        if self._value is self._none:
            return 0.0
        now = datetime.now(timezone.utc)
        leaf = self._leaf
        if self._suggestion.leaf != leaf or now >= self._suggestion.ask_again:
            self._ask(now)
        moment = renewal_time(
            leaf.not_valid_before_utc,
            leaf.not_valid_after_utc,
            self._suggestion.moment,
        )
        return seconds_until(moment, now)

    def _ask(self, now: datetime) -> None:
        """Ask the server when to renew; no answer is no opinion."""
        moment, again = None, now + _ASK_AGAIN
        deadline = Deadline.after(_ORDER)
        try:
            with Orderer(
                self._request, self._storage, deadline, time.sleep
            ) as orderer:
                moment, again = orderer.suggestion(
                    self._leaf.public_bytes(Encoding.PEM)
                )
        except Exception as error:  # noqa: BLE001 - anything that a server does
            _logger.info("%s: no renewal information: %s", self, error)
        again = max(again, now + _ASK_SELDOM)
        self._suggestion = _Suggestion(self._leaf, moment, again)

    # -- the files ----------------------------------------------------------

    @property
    def _leaf(self) -> x509.Certificate:
        return self._value.chain.leaf

    def _look(self) -> None:
        with suppress(ConfigurationError):  # Told already.
            self.reload()

    def _read(self) -> Pair:
        first = getattr(self, "_value", self._none) is self._none
        if self._storage.read(self._storage.pair) is None and first:
            return self._none
        try:
            return super()._read()
        except CredentialError as error:
            if not first:
                raise
            # Such as one that has ended meanwhile: a new one is ordered.
            _logger.warning("%s: what is stored is no use: %s", self, error)
            return self._none

    def __str__(self) -> str:
        """Tell the names and the server."""
        return (
            f"certificate for {', '.join(self.names)} from "
            f"{self._request.directory}"
        )


class _Suggestion(NamedTuple):
    """What the server said about renewing a certificate."""

    leaf: x509.Certificate | None = None
    moment: datetime | None = None
    ask_again: datetime = datetime.min.replace(tzinfo=timezone.utc)
