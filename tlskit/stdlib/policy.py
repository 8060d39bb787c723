"""The attributes of an ``ssl.SSLContext``, told and changed by a context.

Reading tells what the tlskit context has decided.  Setting the value that
already holds is harmless, since libraries do that all the time.  Any other
value changes the tlskit context where that has a meaning, and so raises
``SealedError`` if it is sealed; what has no meaning there is refused.

Nothing of all this reaches the standard library's own context beneath; see
``stdlib``.
"""

# What typeshed declares as variables are properties in ssl, too.
# pyright: reportIncompatibleVariableOverride=false

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from typing import Any

from ..context.sides import ClientContext, ServerContext
from ..errors import ConfigurationError, UnsupportedError
from ..openssl.protocols import Protocol, TLSVersion
from ..policy.answers import at_once
from ..policy.settings import RevocationCheck, Verify
from .material import Material

__all__ = ["Policy"]

_VERSIONS = {
    TLSVersion.TLS_1_0: (ssl.TLSVersion.TLSv1, ssl.OP_NO_TLSv1),
    TLSVersion.TLS_1_1: (ssl.TLSVersion.TLSv1_1, ssl.OP_NO_TLSv1_1),
    TLSVersion.TLS_1_2: (ssl.TLSVersion.TLSv1_2, ssl.OP_NO_TLSv1_2),
    TLSVersion.TLS_1_3: (ssl.TLSVersion.TLSv1_3, ssl.OP_NO_TLSv1_3),
}
#: What holds of every tlskit context.
_ALWAYS = (
    ssl.OP_ALL
    | ssl.OP_NO_SSLv2
    | ssl.OP_NO_SSLv3
    | ssl.OP_NO_COMPRESSION
    | ssl.OP_CIPHER_SERVER_PREFERENCE
    | ssl.OP_ENABLE_MIDDLEBOX_COMPAT
    | ssl.OP_SINGLE_DH_USE
    | ssl.OP_SINGLE_ECDH_USE
)
#: SSL_OP_IGNORE_UNEXPECTED_EOF; ``ssl`` names it where OpenSSL is new enough.
_IGNORE_EOF: ssl.Options = getattr(
    ssl, "OP_IGNORE_UNEXPECTED_EOF", ssl.Options(1 << 7)
)
_VERIFY_MODES = {
    Verify.NONE: ssl.CERT_NONE,
    Verify.TRY: ssl.CERT_OPTIONAL,
    Verify.OPTIONAL: ssl.CERT_OPTIONAL,
    Verify.REQUIRE: ssl.CERT_REQUIRED,
}
_CHECKS = {
    RevocationCheck.OFF: ssl.VerifyFlags(0),
    RevocationCheck.LEAF: ssl.VERIFY_CRL_CHECK_LEAF,
    RevocationCheck.CHAIN: ssl.VERIFY_CRL_CHECK_CHAIN,
}
#: The options that can be set: no others are about what we leave open.
_OPTIONS = ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3 | ssl.OP_NO_RENEGOTIATION
#: The flags that can be set.
_FLAGS = (
    ssl.VERIFY_X509_STRICT
    | ssl.VERIFY_X509_PARTIAL_CHAIN
    | ssl.VERIFY_CRL_CHECK_CHAIN
)


class Policy(Material):
    """What a context decides, by the names of the standard library."""

    _keylog_filename: str | None = None
    _sni_callback: Callable[..., Any] | None = None

    # -- whom to accept -----------------------------------------------------

    @property
    def verify_mode(self) -> ssl.VerifyMode:
        """What is asked of the peer's certificate.

        A server that only tries to verify reads as ``CERT_OPTIONAL``, too,
        and shows no certificate that is not valid.  A client that only tries
        accepts everybody, so it reads as ``CERT_NONE``.
        """
        verify = self._settings.verify
        if verify is Verify.TRY and not self._tlskit.server_side:
            return ssl.CERT_NONE
        return _VERIFY_MODES[verify]

    @verify_mode.setter
    def verify_mode(self, value: int) -> None:
        wanted = ssl.VerifyMode(value)
        if wanted == self.verify_mode:
            return
        self._check_unsealed("verify_mode")
        if wanted == ssl.CERT_NONE and self.check_hostname:
            raise ValueError(
                "Cannot set verify_mode to CERT_NONE when check_hostname is "
                "enabled."
            )
        if wanted == ssl.CERT_OPTIONAL and self._tlskit.server_side:
            self._tlskit.set_verify_optional()
        else:
            # For a client CERT_OPTIONAL is the same as CERT_REQUIRED.
            self._tlskit.set_verify(wanted != ssl.CERT_NONE)

    @property
    def check_hostname(self) -> bool:
        """Whether the peer's name is checked."""
        return self._settings.verify_hostname

    @check_hostname.setter
    def check_hostname(self, value: object) -> None:
        wanted = bool(value)
        if wanted == self.check_hostname:
            return
        self._check_unsealed("check_hostname")
        self._tlskit.set_verify_hostname(wanted)
        if wanted and self.verify_mode == ssl.CERT_NONE:
            self._tlskit.set_verify()

    def set_psk_client_callback(
        self, callback: Callable[[str | None], tuple[str | None, bytes]] | None
    ) -> None:
        """Offer a pre-shared key, for TLS 1.3 with SHA-256.

        A server that does not prove it has to have a good certificate; with
        ``CERT_NONE`` it is refused.

        Args:
            callback: Called with None, as TLS 1.3 has no hints; gives an
                identity and a key of 16 bytes or more, or no key: ``b""``.
                None stops it.

        Raises:
            ssl.SSLError: This is a server's context.
            SealedError: The tlskit context is sealed.
        """
        context = self._tlskit
        if callback is None and context.server_side:
            return
        self._check_unsealed("set_psk_client_callback")
        if context.server_side:
            raise ssl.SSLError(
                "Cannot add PSK client callback to a PROTOCOL_TLS_SERVER "
                "context"
            )
        assert isinstance(context, ClientContext)
        if callback is None:
            context.set_psk_client(None)
            return

        def offer() -> tuple[str, bytes] | None:
            identity, key = at_once(callback(None), "a PSK callback")
            return (identity or "", key) if key else None

        context.set_psk_client(offer)

    def set_psk_server_callback(
        self,
        callback: Callable[[str | None], bytes] | None,
        identity_hint: str | None = None,
    ) -> None:
        """Accept clients that prove a pre-shared key, for TLS 1.3.

        Args:
            callback: Gives the key of an identity; ``b""`` for none.  None
                stops it.
            identity_hint: Not used; TLS 1.3 has none.

        Raises:
            ssl.SSLError: This is a client's context.
            SealedError: The tlskit context is sealed.
        """
        del identity_hint
        context = self._tlskit
        if callback is None and not context.server_side:
            return
        self._check_unsealed("set_psk_server_callback")
        if not context.server_side:
            raise ssl.SSLError(
                "Cannot add PSK server callback to a PROTOCOL_TLS_CLIENT "
                "context"
            )
        assert isinstance(context, ServerContext)
        if callback is None:
            context.set_psk_server(None)
            return

        def find(identity: str) -> bytes | None:
            return at_once(callback(identity), "a PSK callback") or None

        context.set_psk_server(find)

    @property
    def hostname_checks_common_name(self) -> bool:
        """False: the common name is never looked at (RFC 9525)."""
        return False

    @hostname_checks_common_name.setter
    def hostname_checks_common_name(self, value: object) -> None:
        if value:
            self._refuse(
                "hostname_checks_common_name",
                "have the certificate reissued with a subjectAltName",
            )

    @property
    def verify_flags(self) -> ssl.VerifyFlags:
        """Flags of the verification: strictness, partial chains, CRLs."""
        settings = self._settings
        flags = (
            ssl.VERIFY_X509_TRUSTED_FIRST | _CHECKS[settings.revocation_check]
        )
        if settings.strict:
            flags |= ssl.VERIFY_X509_STRICT
        if settings.partial_chain:
            flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return flags

    @verify_flags.setter
    def verify_flags(self, value: int) -> None:
        change = self.verify_flags ^ value
        lists = value & ssl.VERIFY_CRL_CHECK_CHAIN
        known = {flag: check for check, flag in _CHECKS.items()}
        if change & ~_FLAGS or lists not in known:
            self._refuse(
                f"verify_flags {ssl.VerifyFlags(change)!r}",
                "VERIFY_X509_STRICT, VERIFY_X509_PARTIAL_CHAIN, "
                "VERIFY_CRL_CHECK_LEAF and VERIFY_CRL_CHECK_CHAIN can be set",
            )
        if change:
            self._check_unsealed("verify_flags")
            self._tlskit._change(
                revocation_check=known[ssl.VerifyFlags(lists)],
                partial_chain=bool(value & ssl.VERIFY_X509_PARTIAL_CHAIN),
            )
            self._tlskit.set_strict(bool(value & ssl.VERIFY_X509_STRICT))

    # -- versions and options -----------------------------------------------

    @property
    def minimum_version(self) -> ssl.TLSVersion:
        """The oldest version that is spoken."""
        return _VERSIONS[self._settings.protocol.minimum][0]

    @minimum_version.setter
    def minimum_version(self, value: int) -> None:
        self._set_version("minimum", value)

    @property
    def maximum_version(self) -> ssl.TLSVersion:
        """The newest version that is spoken."""
        return _VERSIONS[self._settings.protocol.maximum][0]

    @maximum_version.setter
    def maximum_version(self, value: int) -> None:
        self._set_version("maximum", value)

    def _set_version(self, end: str, value: int) -> None:
        name = f"{end}_version"
        if value == ssl.TLSVersion.MAXIMUM_SUPPORTED:
            value = ssl.TLSVersion.TLSv1_3
        if value == getattr(self, name):
            return
        self._check_unsealed(name)
        known = {number: version for version, (number, _) in _VERSIONS.items()}
        wanted = known.get(ssl.TLSVersion(value))
        if wanted is None or wanted < TLSVersion.TLS_1_2:
            raise ConfigurationError(
                f"{name} can't be {ssl.TLSVersion(value).name} here",
                hint="versions before TLS 1.2 are broken (RFC 8996); they "
                "are asked for by name, as in ClientContext('tls11')",
            )
        ends = {
            "minimum": self._settings.protocol.minimum,
            "maximum": self._settings.protocol.maximum,
            end: wanted,
        }
        left_out = self._settings.protocol.left_out
        options = 0
        for version, (_, option) in _VERSIONS.items():
            inside = ends["minimum"] <= version <= ends["maximum"]
            if version in left_out or not inside:
                options |= option
        protocol = self._protocol_with(options, left_out, name)
        self._tlskit._change(protocol=protocol)

    @property
    def options(self) -> ssl.Options:
        """Options of OpenSSL, as far as they describe what is done."""
        protocol = self._settings.protocol
        options = _ALWAYS
        for version, (_, without) in _VERSIONS.items():
            if not protocol.minimum <= version <= protocol.maximum:
                options |= without
        if self._settings.allow_truncation:
            options |= _IGNORE_EOF
        if self._settings.no_renegotiation:
            options |= ssl.OP_NO_RENEGOTIATION
        return ssl.Options(options)

    @options.setter
    def options(self, value: int) -> None:
        change = self.options ^ value
        if change & ~_OPTIONS:
            self._refuse(
                f"options {ssl.Options(change)!r}",
                "OP_NO_TLSv1_2, OP_NO_TLSv1_3 and OP_NO_RENEGOTIATION can be "
                "set; for a truncated end, see allow_truncation of the tlskit "
                "context",
            )
        if change:
            self._check_unsealed("options")
            before = self._settings.protocol.left_out
            left_out = tuple(
                version
                for version, (_, option) in _VERSIONS.items()
                if value & option and (change & option or version in before)
            )
            self._tlskit._change(
                protocol=self._protocol_with(value, left_out, "options"),
                no_renegotiation=bool(value & ssl.OP_NO_RENEGOTIATION),
            )

    def _protocol_with(
        self, options: int, left_out: tuple[TLSVersion, ...], what: str
    ) -> Protocol:
        left = [
            version
            for version, (_, without) in _VERSIONS.items()
            if not without & options
        ]
        if not left:
            raise ConfigurationError(f"no version is left with this {what}")
        if _VERSIONS[left[-1]][0] - _VERSIONS[left[0]][0] >= len(left):
            raise ConfigurationError(
                f"this {what} would leave out a version between two others"
            )
        protocol = self._settings.protocol
        return Protocol(protocol.name, left[0], left[-1], left_out)

    @property
    def post_handshake_auth(self) -> bool:
        """Whether a client can be asked for its certificate later on.

        It is offered by every client that has a certificate.
        """
        return (
            not self._tlskit.server_side and self._settings.chain is not None
        )

    @post_handshake_auth.setter
    def post_handshake_auth(self, value: object) -> None:
        # Without a certificate there is nothing that could be offered.
        if not value and self.post_handshake_auth:
            self._refuse(
                "post_handshake_auth", "use a context without certificate"
            )

    @property
    def num_tickets(self) -> int:
        """How many tickets a server sends; OpenSSL's own number."""
        return super().num_tickets

    @num_tickets.setter
    def num_tickets(self, value: int) -> None:
        if value != self.num_tickets:
            self._refuse("num_tickets", "leave it to OpenSSL")

    # -- what is watched, and what can't be ---------------------------------

    @property  # type: ignore[override]  # Where it is not set, it is None.
    def keylog_filename(self) -> str | None:
        """The file of the key log, if it was set here."""
        return self._keylog_filename

    @keylog_filename.setter
    def keylog_filename(self, value: str | os.PathLike[str] | None) -> None:
        path = None if value is None else os.fspath(value)
        if path == self._keylog_filename:
            return
        self._check_unsealed("the key log")
        self._tlskit.set_keylog(path)
        self._keylog_filename = path

    @property
    def sni_callback(self) -> Callable[..., Any] | None:
        """What chooses another adapter for a client, by its server name.

        As in ``ssl``, it is called for every client: with the ``SSLSocket``
        or ``SSLObject``, the server name or None, and this adapter.  It may
        set the first one's ``context`` to another adapter of a
        ``ServerContext``, and gives None, or the number of the alert that
        refuses the client.  If it chooses nothing, the tlskit context does.
        What it raises fails the handshake, as its cause.
        """
        return self._sni_callback

    @sni_callback.setter
    def sni_callback(self, value: Callable[..., Any] | None) -> None:
        if value is self._sni_callback:
            return
        self._check_unsealed("sni_callback")
        if not self._tlskit.server_side:
            raise ValueError(
                "sni_callback cannot be set on TLS_CLIENT context"
            )
        if value is not None and not callable(value):
            raise TypeError("not a callable object")
        self._sni_callback = value

    def session_stats(self) -> dict[str, int]:
        """Not counted.

        Raises:
            UnsupportedError: Always; pyOpenSSL doesn't count sessions.
        """
        raise UnsupportedError("pyOpenSSL doesn't count sessions")
