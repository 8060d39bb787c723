"""The part of a context that says what it offers and takes."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ConfigurationError
from ..policy.keylog import KeylogTarget, keylog_writer
from ..policy.policies import find_policy
from ..policy.settings import alpn_names
from ..policy.tracing import TraceTarget, trace_writer
from .sealing import Sealable

__all__ = ["Offers"]


class Offers(Sealable):
    """The setters of ``Context`` for what a handshake negotiates."""

    def set_policy(self, name: str) -> None:
        """Choose versions, groups, suites and signatures by a dated policy.

        What is set later narrows or widens it.  A policy that is published
        never changes; ``policies()`` tells what there is.

        Args:
            name: Such as ``"2026-12-pq"``.

        Raises:
            ConfigurationError: There is no such policy.
            UnsupportedError: The binding can't choose groups or signatures.
            SealedError: The context is sealed.
        """
        with self._unsealed():
            self._try_out(**find_policy(name).changes)

    def set_ciphers(self, spec: str) -> None:
        """Choose the cipher suites of TLS 1.2 and before.

        By default they are ``"ECDHE+AESGCM:ECDHE+CHACHA20"``, and a server
        with ``enable_dhe()`` has ``"DHE+AESGCM:DHE+CHACHA20"`` behind them.
        A TLS 1.2 peer that has only others, such as CBC suites or a static
        key exchange, refuses us by ``handshake_failure``; OpenSSL's own
        choice is ``"DEFAULT"``.

        Args:
            spec: In the language of ``openssl ciphers``.

        Raises:
            ConfigurationError: It selects none.
            SealedError: The context is sealed.

        Source: ``ssl-set-ciphers!``.
        """
        with self._unsealed():
            self._try_out(ciphers=_text(spec, "a cipher list"))

    def set_ciphersuites(self, spec: str) -> None:
        """Choose the cipher suites of TLS 1.3.

        Args:
            spec: Their names, the preferred first, joined by colons.

        Raises:
            ConfigurationError: A name is unknown.
            SealedError: The context is sealed.

        Source: RFC 8446, appendix B.4.
        """
        with self._unsealed():
            self._try_out(ciphersuites=_text(spec, "a list of cipher suites"))

    def set_groups(self, names: Iterable[str] | str) -> None:
        """Choose the key-exchange groups, post-quantum ones included.

        Args:
            names: OpenSSL's names, the preferred first, such as
                ``["X25519MLKEM768", "X25519", "P-256"]``.

        Raises:
            ConfigurationError: A name is unknown.
            UnsupportedError: The binding can't choose groups.
            SealedError: The context is sealed.

        Source: RFC 8446, section 4.2.7.
        """
        with self._unsealed():
            self._try_out(groups=_texts(names, "a group"))

    def set_signature_algorithms(self, names: Iterable[str] | str) -> None:
        """Choose what the peer and we may sign handshakes with.

        A client offers them, and a server asks clients with certificates for
        them; of several pairs a server shows the first that fits, by its own
        order.  They count for the signatures in certificates, too.

        Args:
            names: RFC 8446's names, the preferred first, such as
                ``["mldsa65", "ecdsa_secp256r1_sha256"]``.

        Raises:
            ConfigurationError: A name is unknown.
            UnsupportedError: The binding can't choose them.
            SealedError: The context is sealed.

        Source: RFC 8446, section 4.2.3.
        """
        with self._unsealed():
            schemes = _texts(names, "a signature algorithm")
            for name in schemes:
                if set(name) & set(":+?"):
                    raise ConfigurationError(
                        f"{name!r} is no name of a signature algorithm",
                        hint="use names such as ecdsa_secp256r1_sha256",
                    )
            self._try_out(signature_algorithms=schemes)

    def set_alpn(
        self,
        protocols: Iterable[str | bytes],
        *,
        allow_no_match: bool = False,
    ) -> None:
        """Choose application protocols (RFC 7301).

        A client offers them; a server selects the first of its own that the
        client offers, and refuses with ``no_application_protocol`` when the
        two have none in common.

        Args:
            protocols: The names, the preferred first.
            allow_no_match: For servers: go on with none instead.

        Raises:
            ValueError: A name is empty, or longer than 255 bytes.
            SealedError: The context is sealed.

        Source: ``#:alpn``, ``ssl-set-server-alpn!``.
        """
        with self._unsealed():
            self._change(
                alpn=alpn_names(protocols),
                alpn_allow_no_match=bool(allow_no_match),
            )

    def set_trace(self, target: TraceTarget) -> None:
        """Tell of each message of later handshakes, and each alert.

        Every record then takes a call of Python's: it is for finding faults.

        Args:
            target: A function of one ``HandshakeMessage``, a
                ``logging.Logger`` (at level DEBUG), the path of a file to
                add lines to, or None to stop.

        Raises:
            ConfigurationError: The file can't be written.
            UnsupportedError: The binding can't.
            SealedError: The context is sealed.
        """
        with self._unsealed():
            self._try_out(trace=trace_writer(target))

    def set_keylog(self, target: KeylogTarget) -> None:
        """Log the secrets of later connections, to decrypt captures.

        Args:
            target: A path, a function of one line, a ``logging.Logger``
                (at level DEBUG), ``"SSLKEYLOGFILE"`` for the file which that
                variable names, or None to stop.

        Raises:
            ConfigurationError: The file can't be written.
            SealedError: The context is sealed.

        Source: ``ssl-set-keylogger!``; the format is NSS's.
        """
        with self._unsealed():
            self._change(keylog=keylog_writer(target))


def _texts(names: Iterable[str] | str, what: str) -> tuple[str, ...]:
    if isinstance(names, str):
        names = names.split(":")
    if isinstance(names, bytes) or not isinstance(names, Iterable):
        raise TypeError(
            f"names are a sequence, or one text with colons, not {names!r}"
        )
    return tuple(_text(each, what) for each in names)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {value!r}")
    if not value or not value.isascii() or "\0" in value:
        raise ConfigurationError(f"{value!r} can't be {what}")
    return value
