"""Pre-shared keys of TLS 1.3: offered, found, and what they prove.

Whoever proves the key needs no certificate: in such a handshake there is
none, on either side (RFC 8446, section 2.2).  A server that does not know the
key goes on with a certificate instead, so a client that verifies none must
insist on the key, or anybody could be its server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import ConfigurationError, HandshakeError
from ...errors.codes import Alert
from ...openssl import native
from ...openssl.protocols import TLSVersion
from ...policy.answers import at_once
from ...policy.preshared import checked_identity, checked_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...openssl.gate import SSL
    from ...policy.preshared import PreSharedKeys
    from ...policy.settings import Settings

__all__ = [
    "KeyAnswers",
    "demand_key",
    "identity_proved",
    "keyless",
    "set_keys",
]

#: What OpenSSL says to a client that there is no certificate for.
_FUNCTION = "a function that gives a pre-shared key"
_NO_CERTIFICATE = {"no shared cipher", "no suitable signature algorithm"}


class KeyAnswers:
    """What one connection was told, for a second ClientHello, too."""

    def __init__(self) -> None:
        #: The last identity that there was a key for.
        self.identity: str | None = None
        self._offered: list[tuple[bytes, bytes] | None] = []
        self._found: dict[bytes, bytes | None] = {}

    def offer(self, keys: PreSharedKeys) -> tuple[bytes, bytes] | None:
        """Give what a client offers."""
        if not self._offered:
            self._offered.append(self._offer(keys))
        return self._offered[0]

    def _offer(self, keys: PreSharedKeys) -> tuple[bytes, bytes] | None:
        assert keys.offer is not None
        offered = at_once(keys.offer(), _FUNCTION)
        if offered is None:
            return None
        identity, key = offered
        self.identity = checked_identity(identity)
        return self.identity.encode(), checked_key(key)

    def find(self, keys: PreSharedKeys, identity: bytes) -> bytes | None:
        """Give a server's key for what a client offers, or None."""
        if identity not in self._found:
            self._found[identity] = _find(keys, identity)
        key = self._found[identity]
        if key is not None:
            self.identity = identity.decode()
        return key


def _find(keys: PreSharedKeys, wire: bytes) -> bytes | None:
    assert keys.find is not None
    try:
        identity = checked_identity(wire)
    except ValueError:  # Such as a ticket of somebody else's.
        return None
    key = at_once(keys.find(identity), _FUNCTION)
    return None if key is None else checked_key(key)


def set_keys(
    context: SSL.Context,
    settings: Settings,
    failed: Callable[[SSL.Connection, BaseException], None],
    *,
    server_side: bool,
) -> None:
    """Have *context* use the keys of the settings.

    Args:
        context: Of pyOpenSSL's.
        settings: What was decided.
        failed: Told what comes up where no function of ours can catch it.
        server_side: For a server or for a client.

    Raises:
        ConfigurationError: The version does not go with them.
    """
    keys = settings.psk
    if keys is None:
        return
    if settings.protocol.maximum < TLSVersion.TLS_1_3:
        raise ConfigurationError(
            "pre-shared keys are for TLS 1.3, which this context "
            f"({settings.protocol.name}) does not speak"
        )
    if not server_side:
        native.set_psk_client_function(context, keys.suite, on_offer, failed)
        return
    native.set_psk_server_function(context, keys.suite, on_identity, failed)


def _answered(connection: Any, ask: Callable[[Any], Any]) -> Any:
    record = connection.get_app_data()
    try:
        with record.calling():
            return ask(record)
    except BaseException as error:  # noqa: BLE001 - raised by the engine
        record.refuse(error)
        return 0


def on_offer(connection: Any) -> tuple[bytes, bytes] | int | None:
    """Answer for ``native.set_psk_client_function``."""
    return _answered(  # type: ignore[no-any-return]
        connection, lambda record: record.keys.offer(record.settings.psk)
    )


def on_identity(connection: Any, identity: bytes) -> bytes | int | None:
    """Answer for ``native.set_psk_server_function``."""
    return _answered(  # type: ignore[no-any-return]
        connection,
        lambda record: record.keys.find(record.settings.psk, identity),
    )


def identity_proved(connection: SSL.Connection, record: Any) -> str | None:
    """Give the identity whose key both sides have proved, if one was used.

    Neither side resumes where there are keys, so it was no ticket.
    """
    if record.settings.psk is None or not native.session_reused(connection):
        return None
    identity: str | None = record.keys.identity
    return identity


def keyless(record: Any, reasons: set[str]) -> HandshakeError | None:
    """Say that a client had no key, to a server that has nothing else."""
    if (
        not record.server_side
        or record.settings.psk is None
        or record.settings.pairs
        or reasons.isdisjoint(_NO_CERTIFICATE)
    ):
        return None
    return HandshakeError(
        "the client offered no pre-shared key that we know, and we have no "
        "certificate for it",
        code="psk-unknown",
        hint="see which identity the client offers, and with which hash; "
        "or load a certificate for clients without a key",
    )


def demand_key(record: Any) -> None:
    """Refuse a server that proves nothing else either.

    Raises:
        HandshakeError: It did not prove the key, and nobody looks at its
            certificate.
    """
    if (
        record.settings.psk is not None
        and not record.server_side
        and not record.settings.verify.refuses_bad
    ):
        error = HandshakeError(
            "the server did not prove the pre-shared key, and this context "
            "verifies no certificate",
            code="psk-not-used",
            hint="see that the server knows the identity, and uses the same "
            "hash; or call set_verify(), to accept its certificate instead",
        )
        vars(error)["alert"] = Alert.HANDSHAKE_FAILURE
        raise error
