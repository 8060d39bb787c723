"""One order at an ACME server (RFC 8555), by the package ``acme``."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ...context.sides import ClientContext
from ...tools.deadline import Deadline
from ...x509.gate import Encoding, ec, hashes, serialization, x509
from ...x509.reading import extension
from .challenge import general_name
from .schedule import seconds_until
from .storage import Storage
from .transport import adapter, load

if TYPE_CHECKING:
    from typing_extensions import Self

    from ...trust import VerifySource

__all__ = ["Orderer", "Request", "certificate_id", "reason_of", "seconds_of"]

_logger = logging.getLogger("tlskit.acme")

#: Of one request to the server, in seconds.
_REQUEST = 30
#: How long, in seconds, until a server that is at work is asked again: the
#: first time, and at most.
_SOON, _LATER = 0.1, 5.0
#: Without a word of the server's, its opinion is asked for again then, in
#: seconds (RFC 9773, section 4.3.2).
_ASK_AGAIN = 6 * 3600.0
#: The longest rest, in seconds, that a server may ask for.
_LONGEST = 86400.0
#: What a server says of a key whose account was closed.
_NO_ACCOUNT = {"accountDoesNotExist", "unauthorized"}
#: What it says of an order that is refused whatever it replaces.
_NOT_ABOUT_IT = {"rateLimited", "serverInternal", "userActionRequired"}


class Request(NamedTuple):
    """What is asked for."""

    #: Host names and addresses.
    names: tuple[str, ...]
    #: The address of the server's directory.
    directory: str
    #: Addresses of the account, such as ``mailto:``.
    contact: tuple[str, ...]
    #: The profile of the certificate, or None.
    profile: str | None
    #: Whom to trust as the server; None trusts the default sources.
    trust: VerifySource | None
    #: Which of the server's questions is answered.
    challenge: str = "tls-alpn-01"

    def context(self) -> ClientContext:
        """Give what decides about the server's own certificate."""
        if self.trust is None:
            return ClientContext.secure()
        context = ClientContext("auto")
        context.load_verify_source(self.trust)
        context.set_verify()
        context.set_verify_hostname()
        context.seal()
        return context


class Orderer:
    """An account at a server, for one piece of work; to be closed.

    Args:
        request: What is asked for.
        storage: Where the account's key is, or will be.
        deadline: When to give up.
        wait: Waits for so many seconds; what it raises ends the work.

    Raises:
        UnsupportedError: The package ``acme`` is not installed.
    """

    def __init__(
        self,
        request: Request,
        storage: Storage,
        deadline: Deadline,
        wait: Callable[[float], object],
    ) -> None:
        self._request = request
        self._storage = storage
        self._deadline = deadline
        self._wait = wait
        self._jose = load("josepy")
        self._messages = load("acme.messages")
        self._errors = load("acme.errors")
        self._client: Any = None
        #: For how many seconds the server wants to be left alone, if the
        #: last answer was a refusal that says so.
        self.retry_after: float | None = None
        self._rest: float | None = None

    def _connect(self, key: Any) -> None:
        client = load("acme.client")
        self.close()
        self._key = self._jose.JWKEC(key=key)
        net = client.ClientNetwork(
            self._key,
            alg=self._jose.ES256,
            user_agent="tlskit",
            timeout=_REQUEST,
        )
        self._client = client.ClientV2(None, net)
        ours = adapter(self._request.context(), self._deadline)
        net.session.mount("https://", ours)
        net.session.hooks["response"].append(self._look_at)
        self._client.directory = client.ClientV2.get_directory(
            self._request.directory, net
        )

    def _look_at(self, response: Any, **_: object) -> None:
        """Keep what an answer says about the next one."""
        self._rest = seconds_of(response.headers.get("Retry-After", ""))
        self.retry_after = None if response.ok else self._rest

    def close(self) -> None:
        """Close the connections; a second call is harmless."""
        if self._client is not None:
            self._client.net.session.close()

    def __enter__(self) -> Self:
        """Give the orderer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    # -- an order -----------------------------------------------------------

    def obtain(
        self,
        present: Callable[[dict[str, str]], None],
        replaced: x509.Certificate | None = None,
    ) -> bytes:
        """Order a certificate; give key and chain as PEM.

        Args:
            present: Called with the key authorization for each name, before
                the server is told to look; and with none when it is over.
            replaced: The certificate that it takes the place of.

        Raises:
            TimeoutError: The server was not done in time.
        """
        self._register()
        key = ec.generate_private_key(ec.SECP256R1())
        order = self._new_order(replaced)
        try:
            self._validate(order, present)
        finally:
            present({})
        request = _signing_request(key, self._request.names)
        whole = self._finish(order.update(csr_pem=request))
        return _pem(key) + whole.encode("ascii")

    def _new_order(self, replaced: x509.Certificate | None) -> Any:
        """Order; tell what it is for, if the server wants to know.

        A server with renewal information may treat renewals better, such as
        in its limits (RFC 9773, section 5).
        """
        number = None
        if replaced is not None and "renewalInfo" in self._directory():
            number = certificate_id(replaced)
        try:
            return self._ordered(number)
        except (self._messages.Error, self._errors.ConflictError) as error:
            if number is None or getattr(error, "code", "") in _NOT_ABOUT_IT:
                raise
            _logger.info(
                "%s does not take it as a renewal of %s: %s",
                self._request.directory,
                number,
                error,
            )
            return self._ordered(None)

    def _directory(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client.directory.to_partial_json()
        return found

    def _ordered(self, number: str | None) -> Any:
        """Do what the package's ``new_order()`` does, whose message is less.

        Args:
            number: The identifier of what is replaced; None for nothing.
        """
        messages, client = self._messages, self._client
        field = self._jose.field

        class NewOrder(messages.NewOrder):  # type: ignore[misc,name-defined]
            """An order that may take the place of an older one."""

            replaces: str | None = field("replaces", omitempty=True)

        said = NewOrder(
            identifiers=[
                messages.Identifier(typ=_kind_of(messages, each), value=each)
                for each in self._request.names
            ],
            profile=self._request.profile or "",
            replaces=number,
        )
        answer = client._post(client.directory["newOrder"], said)
        body = messages.Order.from_json(answer.json())
        return messages.OrderResource(
            body=body,
            uri=answer.headers.get("Location"),
            authorizations=[
                client._authzr_from_response(client._post_as_get(url), uri=url)
                for url in body.authorizations
            ],
            csr_pem=None,
        )

    def _poll(self, done: Callable[[], Any], doing: str) -> Any:
        """Ask until there is an answer, more and more slowly."""
        pause = _SOON
        while (answer := done()) is None:
            self._deadline.check(doing)
            self._wait(pause)
            pause = min(2 * pause, _LATER)
        return answer

    def _validate(
        self, order: Any, present: Callable[[dict[str, str]], None]
    ) -> None:
        """Present the answer to every challenge, say so, and wait."""
        challenges = load("acme.challenges")
        thumbprint = self._jose.b64encode(
            self._key.thumbprint(hash_function=hashes.SHA256)
        ).decode("ascii")
        asked = []
        answers: dict[str, str] = {}
        for each in order.authorizations:
            if each.body.status == self._messages.STATUS_VALID:
                continue
            found = self._challenge(each.body)
            token = found.chall.to_partial_json()["token"]
            answers[each.body.identifier.value] = f"{token}.{thumbprint}"
            asked.append((each, found))
        present(answers)
        for each, challenge in asked:
            # An empty object on the wire, whatever the kind of challenge; the
            # package has no class for this kind any more.
            self._client.answer_challenge(
                challenge,
                challenges.HTTP01Response(
                    key_authorization=answers[each.body.identifier.value]
                ),
            )
        ended = [
            self._poll(
                partial(self._ended, each),
                f"the ACME server looks at {each.body.identifier.value}",
            )
            for each, _ in asked
        ]
        failed = [
            each
            for each in ended
            if each.body.status != self._messages.STATUS_VALID
        ]
        if failed:
            raise self._errors.ValidationError(failed)

    def _challenge(self, body: Any) -> Any:
        kinds, wanted = [], self._request.challenge
        for each in body.challenges:
            said = each.chall.to_partial_json()
            kinds.append(said.get("type", "?"))
            if said.get("type") == wanted:
                return each
        raise self._errors.Error(
            f"for {body.identifier.value} the server offers only "
            f"{', '.join(kinds)}, not {wanted}"
        )

    def _ended(self, authorization: Any) -> Any:
        found, _ = self._client.poll(authorization)
        pending = found.body.status == self._messages.STATUS_PENDING
        return None if pending else found

    def _finish(self, order: Any) -> str:
        """Ask for the certificate; give its chain as PEM."""
        order = self._client.begin_finalization(order)
        order = self._poll(
            lambda: self._issued(order), "the ACME server issues"
        )
        # The package has no step for this that does not sleep.
        answer = self._client._post_as_get(order.body.certificate)
        chain: str = answer.text
        return chain

    def _issued(self, order: Any) -> Any:
        answer = self._client._post_as_get(order.uri)
        body = self._messages.Order.from_json(answer.json())
        if body.status == self._messages.STATUS_INVALID:
            raise self._errors.IssuanceError(body.error)
        if body.status == self._messages.STATUS_VALID:
            return order.update(body=body)
        return None

    # -- the account --------------------------------------------------------

    def _account_key(self, *, anew: bool = False) -> Any:
        found = self._storage.read(self._storage.account_key)
        if found is not None and not anew:
            try:
                return serialization.load_pem_private_key(found, None)
            except (
                ValueError
            ):  # Not ours, or broken: an account costs nothing.
                pass
        key = ec.generate_private_key(ec.SECP256R1())
        self._storage.write(self._storage.account_key, _pem(key))
        return key

    def _register(self) -> None:
        """Find the account of our key, or make one (RFC 8555, 7.3).

        A key whose account was closed is replaced, once.
        """
        self._connect(self._account_key())
        try:
            self._find_account()
        except self._messages.Error as error:
            if error.code not in _NO_ACCOUNT:
                raise
            _logger.warning(
                "the account at %s can't be used any more, and a new one is "
                "made: %s",
                self._request.directory,
                error,
            )
            self._connect(self._account_key(anew=True))
            self._find_account()

    def _find_account(self) -> None:
        messages = self._messages
        wanted = messages.NewRegistration(
            contact=self._request.contact, terms_of_service_agreed=True
        )
        try:
            self._client.new_account(wanted)
        except self._errors.ConflictError as error:
            found = messages.RegistrationResource(
                uri=error.location, body=messages.Registration()
            )
            self._client.net.account = found

    # -- renewal information ------------------------------------------------

    def suggestion(
        self, certificate: bytes
    ) -> tuple[datetime | None, datetime]:
        """Ask when to renew (RFC 9773).

        Args:
            certificate: The leaf as PEM.

        Returns:
            The suggested moment, or None if the server has no opinion; and
            when to ask again.
        """
        self._connect(self._account_key())
        moment, _ = self._client.renewal_time(certificate)
        # The package takes a date's hours for those of this machine's zone.
        rest = _ASK_AGAIN if self._rest is None else self._rest
        return moment, datetime.now(timezone.utc) + timedelta(seconds=rest)


def certificate_id(certificate: x509.Certificate) -> str | None:
    """Give the name of a certificate for its ACME server.

    Returns:
        The key identifier of its issuer and its serial number, in base64url
        each (RFC 9773, section 4.1); None if it does not name the former.
    """
    issuer = extension(certificate, x509.AuthorityKeyIdentifier)
    if issuer is None or issuer.key_identifier is None:
        return None
    number = certificate.serial_number
    # As DER has it: with a leading zero where the first bit is set.
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big")
    parts = issuer.key_identifier, serial
    return ".".join(
        base64.urlsafe_b64encode(each).decode("ascii").rstrip("=")
        for each in parts
    )


def _kind_of(messages: Any, name: str) -> Any:
    if isinstance(general_name(name), x509.IPAddress):
        return messages.IDENTIFIER_IP
    return messages.IDENTIFIER_FQDN


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _signing_request(
    key: ec.EllipticCurvePrivateKey, names: tuple[str, ...]
) -> bytes:
    """Make a request for *names*, all of them as alternative names."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([])
    )
    alternatives = x509.SubjectAlternativeName(map(general_name, names))
    builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def reason_of(error: BaseException) -> str:
    """Say in words why an order failed."""
    failed = getattr(error, "failed_authzrs", None)
    if failed:
        return "; ".join(
            f"{each.body.identifier.value}: {challenge.error}"
            for each in failed
            for challenge in each.body.challenges
            if challenge.error is not None
        )
    said = getattr(error, "error", None) or error
    return f"{said}" or type(error).__name__


def seconds_of(retry_after: str) -> float | None:
    """Read a ``Retry-After`` (RFC 9110, section 10.2.3): seconds, or a date.

    Returns:
        The seconds from now, a day at most; None if it is neither.
    """
    if retry_after.isdecimal():
        return min(float(retry_after), _LONGEST)
    with suppress(ValueError, TypeError):
        moment = parsedate_to_datetime(retry_after)
        left = seconds_until(moment, datetime.now(timezone.utc))
        return min(left, _LONGEST)
    return None
