"""Contexts: what a side decides, changeable until it is sealed."""

from __future__ import annotations

from operator import is_not
from typing import TYPE_CHECKING, NamedTuple

from ..engine.build import Built, build
from ..errors import ConfigurationError
from ..openssl.gate import check_available
from ..openssl.protocols import protocol as find_protocol
from ..policy.policies import policy_in_use
from ..policy.settings import Settings, alpn_names
from ..ports.engines import new_engine
from ..ports.port import SSLPort
from ..tools.public import public
from ..x509.names import subject_text
from .credentials import OwnCredentials
from .hooks import HookMethods
from .offering import Offers
from .sharing import Shared
from .trusting import TrustedRoots
from .verifying import VerificationRules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..engine.engine import Engine
    from ..policy.settings import Renewed
    from ..stdlib import SSLContext
    from ..verify.identity import Identity
    from ..x509.credentials import KeySource, Password, Source

__all__ = ["Context"]


class _Prepared(NamedTuple):
    """What was built, and what from."""

    origin: Settings
    #: What its reloadable sources held.
    values: tuple[object, ...]
    built: Built


@public
class Context(
    OwnCredentials, TrustedRoots, VerificationRules, Offers, HookMethods
):
    """What clients and servers have in common; make one of those.

    A context may change until ``seal()``; connections made before a change
    keep what they had.  Subclasses override the hooks: ``choose_context``,
    ``select_alpn``, ``verify_certificate``, ``verify_peer``, ``log_key`` and
    ``port_class``.  Hooks run on the thread that drives the handshake, and
    concurrently: keep nothing about one connection on ``self``.  What a hook
    raises refuses the peer, and is raised from that connection's
    ``handshake()``.
    """

    #: What ports are made of; a subclass of ``SSLPort``.
    port_class: type[SSLPort] = SSLPort

    _built: _Prepared | None
    _shared: Shared | None = None

    def __init__(
        self,
        protocol: str = "secure",
        *,
        private_key: KeySource | None = None,
        certificate_chain: Source | None = None,
        password: Password = None,
        allow_truncation: bool = False,
    ) -> None:
        """Begin with a protocol, and perhaps with credentials.

        Args:
            protocol: A name of ``supported_client_protocols()`` or
                ``supported_server_protocols()``.  A range of versions
                (``"secure"``, ``"auto"``) never goes below the system's
                policy, ``MinProtocol`` in the file of ``OPENSSL_CONF``; a
                single version that is named is spoken all the same.
            private_key: As for ``load_private_key``.
            certificate_chain: As for ``load_certificate_chain``.
            password: The private key's.
            allow_truncation: Read an end of file without close_notify as an
                ordinary one.

        Raises:
            ValueError: There is no such protocol.
            UnsupportedError: The library doesn't have it, or there is no
                library; see ``load_fail_reason``.
            CredentialError: The credentials are bad.

        Source: ``ssl-make-client-context``, ``ssl-make-server-context``.
        """
        check_available()
        self._settings = Settings(
            protocol=find_protocol(protocol),
            allow_truncation=allow_truncation,
        )
        if certificate_chain is not None:
            self.load_certificate_chain(certificate_chain)
        if private_key is not None:
            self.load_private_key(private_key, password=password)

    def __repr__(self) -> str:
        """Tell what matters, and no secret."""
        settings = self._settings
        words = [settings.protocol.name, f"verify={settings.verify.value}"]
        policy = policy_in_use(settings)
        if policy is not None:
            words.append(f"policy={policy}")
        if settings.verify_hostname:
            words.append("hostname")
        if settings.roots:
            words.append(f"roots={settings.root_count}")
        chains = [pair.chain for pair in settings.pairs]
        if not chains and settings.chain is not None:
            chains = [settings.chain]
        for chain in chains:
            subject = subject_text(chain.leaf)
            words.append(f"certificate={subject!r}")
        if self._frozen:
            words.append("sealed")
        return f"<{type(self).__name__} {' '.join(words)}>"

    @property
    def settings(self) -> Settings:
        """All that this context has decided, as a frozen value."""
        return self._settings

    def prepared(self) -> Built:
        """Give what is built from the current settings, for an engine."""
        settings, kept = self._settings, self._built
        if kept is not None and not kept.values and kept.origin is settings:
            return kept.built
        with self._lock:
            settings, kept = self._settings, self._built
            values = tuple(
                each.current() for each in settings.reloadable_sources
            )
            if (
                kept is None
                or kept.origin is not settings
                or any(map(is_not, kept.values, values))
            ):
                kept = self._prepare(settings, values)
                vars(self)["_built"] = kept
            return kept.built

    def _prepare(
        self, settings: Settings, values: tuple[object, ...]
    ) -> _Prepared:
        """Build; after a reload that OpenSSL refuses, stay with the old."""
        old, shared, hooks = self._built, self._shared, self.hooks_in_use
        if shared is not None and shared.settings is settings:
            if hooks not in shared.builds:
                shared.builds[hooks] = build(
                    settings, hooks, server_side=self.server_side
                )
            return _Prepared(settings, values, shared.builds[hooks])
        try:
            built = build(
                settings.reloaded(), hooks, server_side=self.server_side
            )
        except ConfigurationError as error:
            if old is None or old.origin is not settings:
                raise
            sources = settings.reloadable_sources
            for source, was, now in zip(
                sources, old.values, values, strict=True
            ):
                if was is not now:
                    source._refuse(error)
            return old._replace(values=values)
        return _Prepared(settings, values, built)

    def reload(self) -> None:
        """Read again what may change; also if the context is sealed.

        That is what ``load_credentials()`` was given, and the
        ``ReloadableRoots`` among the trust sources, also of the contexts that
        ``set_server_names()`` leads to.  Those that a function or hook
        chooses are not known here: reload them yourself.  Later connections
        use what is new.

        Raises:
            ConfigurationError: Something there is bad, and the old is kept;
                the rest is in use.
        """
        errors = []
        for each in self._followed():
            try:
                each.reload()
            except ConfigurationError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _followed(self) -> tuple[Renewed, ...]:
        """Give all that ``reload()`` reads."""
        return self._settings.reloadable_sources

    def new_engine(
        self,
        *,
        hostname: str | None = None,
        identity: Identity | None = None,
        alpn: Iterable[str | bytes] = (),
    ) -> Engine:
        """Begin a session without I/O, for a driver of your own.

        The engine does no input or output and never waits: the driver moves
        the ciphertext, over whatever it likes.  See ``Engine``.

        Args:
            hostname: Whom a client wants to reach: the name to announce and
                to check.
            identity: Whom the peer has to prove to be, instead of a host
                name; *hostname* is then announced only.
            alpn: Application protocols to offer; only for a client.

        Returns:
            The engine, before its handshake.

        Raises:
            ConfigurationError: The context checks host names, and there is
                none; it verifies nothing, and there is an *identity*; or
                *alpn* is for a server.
            CredentialError: A server has no certificate.
            ValueError: *hostname* is empty, or *alpn* has a bad name.
        """
        names = alpn_names(alpn) if alpn != () else ()
        if names and self.server_side:
            raise ConfigurationError(
                "alpn is for a client only",
                hint="call set_alpn() on the server's context",
            )
        return new_engine(
            self,
            server_side=self.server_side,
            hostname=hostname,
            alpn=names,
            identity=identity,
        )

    def as_ssl_context(self) -> SSLContext:
        """Give an ``ssl.SSLContext`` that leaves TLS to this context.

        For libraries that want one.  Each call makes another; see
        ``tlskit.stdlib``.
        """
        from ..stdlib import SSLContext

        return SSLContext(self)
