"""The setters of contexts for keys that both sides have beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..policy.preshared import keys_of, offer_of
from .sealing import Sealable

if TYPE_CHECKING:
    from ..policy.preshared import KeyOf, KeyOffer

__all__ = ["FindsKeys", "OffersKeys"]


class OffersKeys(Sealable):
    """The part of ``ClientContext`` that offers a pre-shared key."""

    def set_psk_client(
        self,
        source: KeyOffer | None,
        *,
        hash: str = "sha256",  # noqa: A002 - its name in RFC 8446
    ) -> None:
        """Offer a key that the server has, too, for TLS 1.3.

        If the server proves it, there are no certificates:
        ``facts.psk_identity`` says so, ``peer_verified`` is False, and names,
        pins and roots are not looked at; only an ``identity=`` of the
        connection still wants a certificate.  A server that does not know
        the key goes on with its certificate, which has to be good; a context
        that verifies none refuses it then.

        Sessions are not resumed, and only cipher suites with the key's hash
        are offered.  Whoever has the key can be either side: give each pair
        of machines its own (RFC 9257, section 4).

        Args:
            source: A pair of an identity (1 to 1024 bytes of UTF-8, in the
                clear on the wire) and a key (16 to 256 random bytes; no
                password); or a function without arguments that gives such a
                pair, or None to offer nothing.  None stops it.
            hash: ``"sha256"`` or ``"sha384"``, as the server has it.

        Raises:
            ConfigurationError: The context speaks no TLS 1.3, or no suite
                with this hash.
            UnsupportedError: The binding can't.
            ValueError: Identity or key has a wrong length.
            SealedError: The context is sealed.

        Source: RFC 8446, sections 2.2 and 4.2.11; RFC 9257.
        """
        with self._unsealed():
            self._try_out(
                psk=None if source is None else offer_of(source, hash)
            )


class FindsKeys(Sealable):
    """The part of ``ServerContext`` that knows pre-shared keys."""

    def set_psk_server(
        self,
        source: KeyOf | None,
        *,
        hash: str = "sha256",  # noqa: A002 - its name in RFC 8446
    ) -> None:
        """Accept clients that prove a key, for TLS 1.3.

        Such a client needs no certificate, even if ``set_verify()`` asks for
        one, and is shown none; ``facts.psk_identity`` names it.  The others
        are served with a certificate, by the context's rules; without a
        certificate they are refused.

        Sessions are not resumed, and suites with the key's hash come first.
        A context that is chosen for a client brings its own keys.

        Args:
            source: Keys (16 to 256 random bytes) by identity, or a function
                of an identity that gives its key, or None if it has none.
                It is asked before the client has proved anything.  None
                stops it.
            hash: ``"sha256"`` or ``"sha384"``, as the clients have it.

        Raises:
            ConfigurationError: The context speaks no TLS 1.3, or no suite
                with this hash.
            UnsupportedError: The binding can't.
            ValueError: An identity or a key has a wrong length.
            SealedError: The context is sealed.

        Source: RFC 8446, sections 2.2 and 4.2.11; RFC 9257.
        """
        with self._unsealed():
            self._try_out(
                psk=None if source is None else keys_of(source, hash)
            )
