"""``ClientContext`` and ``ServerContext``: the two sides of a handshake."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CredentialError
from ..openssl.dh import DH4096_PARAMS
from ..policy.sessions import SessionCache
from ..policy.settings import Ocsp
from ..tools.public import public
from ..tools.whole import check_whole
from ..trust import default_verify_sources
from ..verify.stapling import Staple
from ..x509.sources import path_of
from .context import Context
from .following import contexts_of, sources_of
from .presharing import FindsKeys, OffersKeys
from .publicity import Publicity
from .server_names import NameTable
from .sharing import leaves_alone, once, share_secure
from .verifying import member

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..policy.settings import Renewed
    from ..verify.stapling import StapleSource
    from ..x509.credentials import KeySource, Password, Source

__all__ = [
    "ClientContext",
    "ServerContext",
    "client_context",
    "server_context",
]

#: The curve names of the seed documents.
_SEED_CURVES = frozenset(
    {
        "prime192v1",
        "prime256v1",
        "secp160k1",
        "secp160r1",
        "secp160r2",
        "secp192k1",
        "secp224k1",
        "secp224r1",
        "secp256k1",
        "secp256r1",
        "secp384r1",
        "secp521r1",
        "sect163k1",
        "sect163r1",
        "sect163r2",
        "sect193r1",
        "sect193r2",
        "sect233k1",
        "sect233r1",
        "sect239k1",
        "sect283k1",
        "sect283r1",
        "sect409k1",
        "sect409r1",
        "sect571k1",
        "sect571r1",
    }
)


@public
class ClientContext(Publicity, OffersKeys, Context):
    """What a client decides: whom it trusts, and who it is.

    ``ClientContext()`` is secure: it trusts the default sources, requires a
    certificate and the right host name, and is sealed when its constructor
    is over.  A subclass may assign attributes of its own before and after
    ``super().__init__()``.

    Made by another protocol's name it verifies nobody until told to, and
    warns of that (``UnverifiedContextWarning``) at the first connection,
    unless ``set_verify(False)`` says that it is meant.
    """

    server_side: bool = False

    def __init__(
        self,
        protocol: str = "secure",
        *,
        private_key: KeySource | None = None,
        certificate_chain: Source | None = None,
        password: Password = None,
        allow_truncation: bool = False,
        session_cache: SessionCache | None = None,
    ) -> None:
        """Begin with a protocol, and perhaps with credentials.

        Args:
            protocol: ``"secure"``, or a name of
                ``supported_client_protocols()``; the others verify nothing
                until told to.
            private_key: As for ``load_private_key``.
            certificate_chain: As for ``load_certificate_chain``.
            password: The private key's.
            allow_truncation: Read an end of file without close_notify as an
                ordinary one.
            session_cache: As for ``set_session_cache``.

        Raises:
            ValueError: There is no such protocol.
            UnsupportedError: The library doesn't have it.
            CredentialError: The credentials are bad.

        Source: ``ssl-make-client-context``.
        """
        super().__init__(
            protocol,
            private_key=private_key,
            certificate_chain=certificate_chain,
            password=password,
            allow_truncation=allow_truncation,
        )
        if session_cache is not None:
            self.set_session_cache(session_cache)
        if protocol == "secure":
            given = (private_key, certificate_chain, session_cache)
            if (
                all(each is None for each in given)
                and not allow_truncation
                and leaves_alone(type(self), ClientContext)
            ):
                share_secure(self)
            else:
                self._make_secure()
            # Not yet: a subclass may have more to assign.
            vars(self)["_seals"] = True

    def _make_secure(self) -> None:
        self.load_default_verify_sources()
        self.set_verify()
        self.set_verify_hostname()

    @property
    def session_cache(self) -> SessionCache | None:
        """Where sessions to resume are kept; None resumes nothing."""
        return self._settings.sessions

    def set_session_cache(self, cache: SessionCache | None) -> None:
        """Resume sessions with servers that were verified before.

        ``connect()`` then skips certificates and signatures where it can; its
        verdict and all other facts are those of the first handshake, the
        name is checked again, and a change of the context's settings makes
        it verify again.  It is off unless asked for: a server, and before
        TLS 1.3 whoever listens, can tell that two connections are the same
        client's.  A context with a function or hook that judges certificates
        resumes nothing, nor does one without the capability
        ``"session-copies"``.

        Args:
            cache: Perhaps shared with other contexts; None stops it.

        Raises:
            SealedError: The context is sealed.
            TypeError: *cache* is no ``SessionCache``.

        Source: RFC 8446, section 2.2; RFC 5077.
        """
        with self._unsealed():
            if cache is not None and not isinstance(cache, SessionCache):
                raise TypeError(f"a SessionCache is wanted, not {cache!r}")
            self._change(sessions=cache)

    def set_ocsp(self, policy: str) -> None:
        """Ask servers for a stapled OCSP response, and check it.

        A response is good if the certificate's CA, or a responder that it
        authorised, signed it, if it is about this certificate, neither old
        nor of the future, and says "good".  A server that must staple by its
        certificate (RFC 7633) must do so under either policy.  A refused
        server sees the alert ``bad_certificate_status_response``.

        Args:
            policy: ``"check"`` refuses what is not good, but goes on without
                a response; ``"require"`` wants one; ``"off"`` asks for none,
                and is the default.

        Raises:
            SealedError: The context is sealed.
            ConfigurationError: *policy* is something else.

        Source: RFC 6066, section 8; RFC 6960.
        """
        with self._unsealed():
            self._change(ocsp=member(Ocsp, policy, "an OCSP policy"))

    def set_ech_grease(self, on: bool = True) -> None:
        """Let every ClientHello look as if it hid another one.

        An extension with random content stands where Encrypted Client Hello
        would be, so that who does use it does not stand out.  Nothing is
        hidden: the server name stays in the clear.

        Args:
            on: Whether to send it.

        Raises:
            UnsupportedError: This OpenSSL is older than 4.0.
            SealedError: The context is sealed.

        Source: RFC 9849, section 6.2.
        """
        self._try_out(ech_grease=bool(on))

    @classmethod
    def secure(cls, protocol: str = "secure") -> Self:
        """Give the secure context; the same while the default sources are.

        Args:
            protocol: ``"secure"``, or ``"tls13"`` or ``"tls12"`` for that
                version only.

        Raises:
            ValueError: *protocol* is something else.

        Source: ``ssl-secure-client-context``.
        """
        if protocol not in ("secure", "tls13", "tls12"):
            raise ValueError(
                f"a secure context is 'secure', 'tls13' or 'tls12', "
                f"not {protocol!r}"
            )
        key = (cls, protocol, default_verify_sources())

        def make() -> Context:
            made = cls(protocol)
            if not made.frozen:
                made._make_secure()
                made.seal()
            return made

        return once(key, make)  # type: ignore[return-value]


@public
class ServerContext(FindsKeys, Context):
    """What a server decides: who it is, and whom it lets in.

    It needs a certificate chain and a private key before the first client.
    """

    server_side: bool = True

    def enable_dhe(
        self, params: bytes | str | os.PathLike[str] = DH4096_PARAMS
    ) -> None:
        """Offer ephemeral Diffie-Hellman to TLS 1.2 clients.

        A client that names groups of RFC 7919 gets one of those instead, as
        that RFC wants it (OpenSSL 4.0): the one of the same size as *params*,
        if the client has it, else a larger one, else a smaller one.  They
        join the list of ``set_groups()`` or ``enable_ecdhe()``, unless there
        are some in it; a TLS 1.3 client may be served by them, too.

        Args:
            params: The parameters as PEM, or the path of a file with them.

        Raises:
            SealedError: The context is sealed.
            CredentialError: These are no parameters.

        Source: ``ssl-server-context-enable-dhe!``.
        """
        with self._unsealed():
            pem = params if isinstance(params, bytes) else _read(params)
            self._try_out(dh_parameters=pem)

    def enable_ecdhe(self, curve: str = "secp521r1") -> None:
        """Use one elliptic curve for ephemeral keys.

        ECDHE itself is always on.  The curve is used for TLS 1.3, too; a
        client without it is refused.

        Args:
            curve: OpenSSL's name of it.

        Raises:
            SealedError: The context is sealed.
            ValueError: This is no name of a curve.
            UnsupportedError: The library doesn't have the curve.

        Source: ``ssl-server-context-enable-ecdhe!``.
        """
        with self._unsealed():
            if curve not in _SEED_CURVES:
                raise ValueError(
                    f"{curve!r} is no curve; there are: "
                    + ", ".join(sorted(_SEED_CURVES))
                )
            self._try_out(ecdh_curve=curve, groups=())

    def set_session_lifetime(self, seconds: int | None) -> None:
        """Choose for how long clients may resume their sessions.

        The keys of tickets are the context's own and live in memory: who
        forks after ``prepared()`` shares them, and any change of the context
        makes new ones.

        Args:
            seconds: Up to a week; 0 resumes nothing, None leaves it to
                OpenSSL (two hours).

        Raises:
            SealedError: The context is sealed.
            ValueError: *seconds* is out of its range.
            TypeError: *seconds* is no whole number.

        Source: RFC 8446, section 4.6.1; RFC 5077, section 5.6.
        """
        with self._unsealed():
            if seconds is not None:
                check_whole(seconds, "a lifetime")
                if not 0 <= seconds <= 604800:
                    raise ValueError(
                        f"a lifetime is 0 to 604800 s, not {seconds!r}"
                    )
            self._change(session_lifetime=seconds)

    def set_ocsp_response(self, source: StapleSource | None) -> None:
        """Staple an OCSP response to later handshakes.

        Args:
            source: The response (DER).  Or the path of a file with one.  Or
                a function that gets one: it is called now, and later, in a
                thread of its own, whenever half of the response's life is
                over; a failure is logged, and the old response is stapled
                until it ends.  A file is read again in the same way.  None
                staples nothing.  Ask the responder about the certificate by
                SHA-1: for Java, a response with SHA-256 is another's.

        Raises:
            SealedError: The context is sealed.
            CredentialError: It is no response, or can't be had; at
                ``seal()`` and at first use also if it is about another
                certificate.

        Source: RFC 6066, section 8.
        """
        with self._unsealed():
            self._change(staple=None if source is None else Staple(source))

    def set_server_name_callback(
        self, callback: Callable[[str], ServerContext | None] | None
    ) -> None:
        """Choose the context by the server name that a client gives.

        The whole policy of the chosen context applies: certificate,
        verification, versions, options, ciphers and ALPN.  A server that
        chooses contexts does not resume sessions, since a session knows
        nothing of the context that a name leads to.

        Args:
            callback: Called with the name (not for a client that gives
                none); returns a context, or None to go on with this one.
                What it raises refuses the client with ``unrecognized_name``
                and is raised from its handshake.

        Raises:
            SealedError: The context is sealed.
            TypeError: *callback* is no function.

        Source: ``ssl-set-server-name-identification-callback!``; RFC 6066.
        """
        with self._unsealed():
            if callback is not None and not callable(callback):
                raise TypeError(f"{callback!r} can't be called")
            self._change(choose=callback)

    def set_server_names(
        self,
        names: Mapping[str, ServerContext],
        default: ServerContext | None = None,
    ) -> None:
        """Choose the context by a table of server names.

        Args:
            names: Context by name; ``*.example.com`` stands for any one
                label in front of ``example.com``.
            default: For every other name; None goes on with this context.

        ``seal()`` seals all of them.

        Raises:
            SealedError: The context is sealed.
            TypeError: A value or the default is no ``ServerContext``, or
                *names* no mapping.
            ConfigurationError: A key can be no host name.

        Source: RFC 6066, section 3.
        """
        with self._unsealed():
            if not isinstance(names, Mapping):
                raise TypeError(f"names are a mapping, not {names!r}")
            more = {} if default is None else {"every other name": default}
            for name, context in (*names.items(), *more.items()):
                if not isinstance(context, ServerContext):
                    raise TypeError(
                        f"{name!r} leads to a ServerContext, not to "
                        f"{context!r}"
                    )
            self.set_server_name_callback(NameTable(names, default))

    def _followed(self) -> tuple[Renewed, ...]:
        return sources_of(self)

    def seal(self) -> None:
        """Allow no more changes; a second call is harmless.

        The contexts that ``set_server_names()`` leads to are sealed, too.
        Those that a function or hook chooses are not known here: seal them
        yourself.

        Raises:
            CredentialError: Certificate chain and private key don't fit, here
                or there; then none is sealed.

        Source: ``ssl-seal-context!``.
        """
        everything = contexts_of(self)
        for each in everything:
            each.settings.check_pair()
        super().seal()
        for each in everything:
            if not each.frozen:
                each.seal()


def _read(source: str | os.PathLike[str]) -> bytes:
    path = path_of(source, "Diffie-Hellman parameters", CredentialError)
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise CredentialError(
            f"can't read the Diffie-Hellman parameters in {path!r}: {error}",
            errno=getattr(error, "errno", None),
            filename=path,
        ) from error


def client_context(context: ClientContext | str) -> ClientContext:
    """Give a client's context, from itself or from a protocol's name.

    Raises:
        TypeError: It is something else, such as a server's.
    """
    if isinstance(context, str):
        if context == "secure":
            return ClientContext.secure()
        return ClientContext(context)
    if not isinstance(context, ClientContext):
        raise TypeError(
            f"a client needs a ClientContext or a protocol's name, "
            f"not {context!r}"
        )
    return context


def server_context(context: ServerContext | str) -> ServerContext:
    """Give a server's context, from itself or from a protocol's name.

    Raises:
        TypeError: It is something else, such as a client's.
    """
    if isinstance(context, str):
        return ServerContext(context)
    if not isinstance(context, ServerContext):
        raise TypeError(
            f"a server needs a ServerContext or a protocol's name, "
            f"not {context!r}"
        )
    return context
