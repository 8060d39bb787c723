"""Contexts: what a side decides, changeable until it is sealed."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from operator import is_not
from typing import TYPE_CHECKING, Any, NamedTuple

from ..engine.build import Built, build
from ..engine.callbacks import Hooks
from ..engine.facts import Facts
from ..errors import (
    ConfigurationError,
    SealedError,
    TrustSourceError,
    UnsupportedError,
)
from ..openssl.gate import check_available
from ..openssl.protocols import protocol as find_protocol
from ..policy.keylog import KeylogTarget, keylog_writer
from ..policy.settings import Settings, Verifier, Verify, alpn_names
from ..ports.port import SSLPort
from ..tools.forks import ForkLock
from ..trust import Roots, VerifySource, load_default_roots
from ..x509.credentials import (
    CertificateChain,
    PrivateKey,
    check_pair,
    load_certificates,
    load_pkcs12,
)
from .reloading import ReloadableCredentials, ReloadableRoots
from .verifying import VerificationRules

if TYPE_CHECKING:
    import os

    from cryptography import x509
    from typing_extensions import Self

    from ..stdlib import SSLContext
    from ..x509.credentials import AnyPath, Bytes, KeySource, Password, Source

__all__ = ["Context"]

_HOOKS = (
    "choose_context",
    "select_alpn",
    "verify_certificate",
    "verify_peer",
    "log_key",
)


class _Prepared(NamedTuple):
    """What was built, and what from."""

    origin: Settings
    #: What its reloadable sources held.
    values: tuple[object, ...]
    built: Built


class Context(VerificationRules, ABC):
    """What clients and servers have in common; make one of those.

    A context may change until ``seal()``; connections made before a change
    keep what they had.  Subclasses override the hooks: ``choose_context``,
    ``select_alpn``, ``verify_certificate``, ``verify_peer``, ``log_key`` and
    ``port_class``.  Hooks run on the thread that drives the handshake, and
    concurrently: keep nothing about one connection on ``self``.  What a hook
    raises refuses the peer, and is raised from that connection's
    ``handshake()``.
    """

    server_side: bool
    #: What ports are made of; a subclass of ``SSLPort``.
    port_class: type[SSLPort] = SSLPort

    _lock: ForkLock
    _frozen: bool
    _built: _Prepared | None
    _settings: Settings

    def __new__(cls, *_args: Any, **_keywords: Any) -> Self:
        """Prepare what must exist before a subclass assigns anything."""
        self = super().__new__(cls)
        vars(self).update(_lock=ForkLock(), _frozen=False, _built=None)
        return self

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
                ``supported_server_protocols()``.
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

    # -- the seal -----------------------------------------------------------

    @contextmanager
    def _unsealed(self) -> Iterator[Settings | None]:
        """Hold the lock and give the settings, if they may change."""
        with self._lock:
            if self._frozen:
                raise SealedError("this context is sealed; it can't change")
            yield vars(self).get("_settings")

    def __setattr__(self, name: str, value: object) -> None:
        """Assign, unless the context is sealed."""
        with self._unsealed():
            super().__setattr__(name, value)
            # A hook may have been assigned.
            vars(self)["_built"] = None

    def __delattr__(self, name: str) -> None:
        """Delete, unless the context is sealed."""
        with self._unsealed():
            super().__delattr__(name)
            vars(self)["_built"] = None

    def _change(self, **changes: Any) -> None:
        with self._unsealed():
            self._settings = replace(self._settings, **changes)

    def seal(self) -> None:
        """Allow no more changes; a second call is harmless.

        Raises:
            CredentialError: Certificate chain and private key don't fit.

        Source: ``ssl-seal-context!``.
        """
        with self._lock:
            if not self._frozen:
                self._settings.check_pair()
                vars(self)["_frozen"] = True

    @property
    def frozen(self) -> bool:
        """Whether the context is sealed."""
        return self._frozen

    def copy(self) -> Self:
        """Make an unsealed copy."""
        copy = type(self).__new__(type(self))
        own = {
            name: value
            for name, value in vars(self).items()
            if name not in ("_lock", "_frozen", "_built")
        }
        vars(copy).update(own)
        return copy

    def __copy__(self) -> Self:
        """Make an unsealed copy."""
        return self.copy()

    def __eq__(self, other: object) -> bool:
        """Compare class and settings."""
        if type(other) is not type(self):
            return NotImplemented
        assert isinstance(other, Context)
        return self._settings == other._settings

    def __hash__(self) -> int:
        """Agree with equality, also of a context that still changes."""
        return hash(type(self))

    def __repr__(self) -> str:
        """Tell what matters, and no secret."""
        settings = self._settings
        words = [settings.protocol.name, f"verify={settings.verify.value}"]
        if settings.verify_hostname:
            words.append("hostname")
        if settings.roots:
            words.append(f"roots={settings.root_count}")
        if settings.chain is not None:
            subject = settings.chain.leaf.subject.rfc4514_string()
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
        old = self._built
        try:
            built = build(
                settings.reloaded(),
                self.hooks_in_use,
                server_side=self.server_side,
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
        ``ReloadableRoots`` among the trust sources.  Later connections use
        what is new.

        Raises:
            ConfigurationError: Something there is bad, and the old is kept;
                the rest is in use.
        """
        errors = []
        for each in self._settings.reloadable_sources:
            try:
                each.reload()
            except ConfigurationError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def as_ssl_context(self) -> SSLContext:
        """Give an ``ssl.SSLContext`` that leaves TLS to this context.

        For libraries that want one.  Each call makes another; see
        ``tlskit.stdlib``.
        """
        from ..stdlib import SSLContext

        return SSLContext(self)

    # -- credentials --------------------------------------------------------

    def load_certificate_chain(self, source: Source) -> None:
        """Present these certificates in later handshakes.

        Args:
            source: A path, bytes (PEM or DER), or certificates of
                ``cryptography``; our own first, then its issuers.

        Raises:
            SealedError: The context is sealed.
            CredentialError: There is no certificate in *source*.

        Source: ``ssl-load-certificate-chain!``.
        """
        with self._unsealed():
            # It may come before the key that belongs to it, so an older key
            # is no reason to complain yet.
            self._change(chain=CertificateChain.load(source), credentials=None)

    def load_private_key(
        self,
        source: KeySource,
        *,
        rsa: bool = False,
        asn1: bool = False,
        password: Password = None,
    ) -> None:
        """Use this key with our certificate.

        Args:
            source: A path, bytes (PEM or DER), or a key of ``cryptography``.
            rsa: Take the first RSA key and skip others.
            asn1: Read DER, and nothing else.
            password: For an encrypted key; bytes, text, or a function that
                gives it.  Nobody is ever asked for it on a terminal.

        Raises:
            SealedError: The context is sealed.
            CredentialError: There is no such key, or it doesn't belong to
                the certificate that is there.

        Source: ``ssl-load-private-key!``.
        """
        with self._unsealed():
            key = PrivateKey.load(
                source, rsa=rsa, asn1=asn1, password=password
            )
            if self._settings.chain is not None:
                check_pair(self._settings.chain, key)
            self._change(key=key, credentials=None)

    def load_pkcs12(
        self, source: AnyPath | Bytes, password: Password = None
    ) -> None:
        """Load certificate chain and private key from one PKCS#12 file.

        Args:
            source: A path, or bytes.
            password: Of the file.

        Raises:
            SealedError: The context is sealed.
            CredentialError: The file is broken, or lacks one of the two.

        Source: RFC 7292.
        """
        with self._unsealed():
            key, chain = load_pkcs12(source, password)
            check_pair(chain, key)
            self._change(key=key, chain=chain, credentials=None)

    def load_credentials(self, credentials: ReloadableCredentials) -> None:
        """Present certificates from files that may be renewed.

        Each later connection uses the newest good ones; a seal does not
        prevent that.  They replace other credentials, and are replaced by
        them.

        Args:
            credentials: May be shared with other contexts.

        Raises:
            SealedError: The context is sealed.
        """
        with self._unsealed():
            if not isinstance(credentials, ReloadableCredentials):
                raise TypeError(
                    f"ReloadableCredentials are wanted, not {credentials!r}"
                )
            pair = credentials.current()
            self._change(
                chain=pair.chain, key=pair.key, credentials=credentials
            )

    # -- trust --------------------------------------------------------------

    def load_verify_source(
        self,
        source: VerifySource | ReloadableRoots | str | os.PathLike[str],
        *,
        try_: bool = False,
    ) -> None:
        """Trust the roots of one more source.

        Args:
            source: A ``VerifySource``, or the path of a PEM file, both as
                they are now; ``ReloadableRoots`` also as they will be.
            try_: Ignore a source that can't be loaded.

        Raises:
            SealedError: The context is sealed, *try_* or not.
            TrustSourceError: The source can't be read, or holds no root.
            UnsupportedError: It is another platform's.

        Source: ``ssl-load-verify-source!``.
        """
        with self._unsealed():
            if isinstance(source, ReloadableRoots):
                trust = dict.fromkeys((*self._settings.trust, source))
                self._change(trust=tuple(trust))
                return
            found = VerifySource.of(source)
            try:
                roots = found.load()
            except (TrustSourceError, UnsupportedError):
                if not try_:
                    raise
                return
            self._trust(roots)

    def load_default_verify_sources(self) -> None:
        """Trust the default sources; those that can't be loaded are ignored.

        Raises:
            SealedError: The context is sealed.

        Source: ``ssl-load-default-verify-sources!``.
        """
        with self._unsealed():
            for roots in load_default_roots():
                self._trust(roots)

    def _trust(self, roots: Roots) -> None:
        """Add the roots of a source; loaded again, they replace the old."""
        table = {each.source: each for each in self._settings.roots}
        table[roots.source] = roots
        self._change(sources=tuple(table), roots=tuple(table.values()))

    def load_verify_root_certificates(
        self,
        path: str | os.PathLike[str] | None,
        directory: str | os.PathLike[str] | None = None,
    ) -> None:
        """Trust the roots in a PEM file, in a directory, or in both.

        Args:
            path: The file, or None.
            directory: A directory with hashed names (``openssl rehash``).

        Raises:
            SealedError: The context is sealed.
            TrustSourceError: One can't be read.
            ValueError: Both are None.

        Source: ``ssl-load-verify-root-certificates!``.
        """
        if path is None and directory is None:
            raise ValueError("give a file, a directory, or both")
        with self._unsealed():
            if path is not None:
                self.load_verify_source(VerifySource.file(path))
            if directory is not None:
                self.load_verify_source(VerifySource.directory(directory))

    def load_suggested_certificate_authorities(self, source: Source) -> None:
        """Name these authorities when asking clients for a certificate.

        It replaces the names of an earlier call, and implies no trust.

        Args:
            source: Their certificates; as for ``load_certificate_chain``.

        Raises:
            SealedError: The context is sealed.
            CredentialError: There is no certificate in *source*.

        Source: ``ssl-load-suggested-certificate-authorities!``.
        """
        from cryptography.hazmat.primitives.serialization import Encoding

        with self._unsealed():
            ders = (
                each.public_bytes(Encoding.DER)
                for each in load_certificates(source)
            )
            self._change(suggested=tuple(dict.fromkeys(ders)))

    # -- verification -------------------------------------------------------

    def set_verify(self, on: bool = True) -> None:
        """Require a certificate of later peers, and check it.

        Args:
            on: False demands none.

        Raises:
            SealedError: The context is sealed.

        Source: ``ssl-set-verify!``.
        """
        self._change(verify=Verify.REQUIRE if on else Verify.NONE)

    def try_verify(self, on: bool = True) -> None:
        """Ask later peers for a certificate; tolerate none, or a bad one.

        ``peer_verified`` and ``verify_error`` of the port tell.

        Args:
            on: False asks for none.

        Raises:
            SealedError: The context is sealed.

        Source: ``ssl-try-verify!``.
        """
        self._change(verify=Verify.TRY if on else Verify.NONE)

    def set_verify_hostname(self, on: bool = True) -> None:
        """Check later peers' names against the host name of the connection.

        It does not imply ``set_verify``, without which names prove nothing.

        Args:
            on: False takes any name.

        Raises:
            ConfigurationError: Servers don't know their clients' names.
            SealedError: The context is sealed.

        Source: ``ssl-set-verify-hostname!``; RFC 9525.
        """
        if on and self.server_side:
            raise ConfigurationError(
                "a server has no host name to expect of its clients",
                hint="override verify_peer(), or look at the port's "
                "peer_certificate",
            )
        self._change(verify_hostname=bool(on))

    def set_certificate_verifier(self, verifier: Verifier | bool) -> None:
        """Decide about each certificate by a function.

        Args:
            verifier: Called as ``(depth, ok, certificate)`` for each
                certificate, the root first, and again for each fault; what
                it returns overrides *ok*.  True verifies without a function,
                False doesn't verify.

        Raises:
            SealedError: The context is sealed.

        Source: ``:certificate-verifier``.
        """
        if not callable(verifier):
            self._change(
                verifier=None,
                verify=Verify.REQUIRE if verifier else Verify.NONE,
            )
            return
        self._change(verifier=verifier, verify=Verify.REQUIRE)

    # -- what is offered ----------------------------------------------------

    def set_ciphers(self, spec: str) -> None:
        """Choose the cipher suites of TLS 1.2 and before.

        Args:
            spec: In the language of ``openssl ciphers``.

        Raises:
            ConfigurationError: It selects none.
            SealedError: The context is sealed.

        Source: ``ssl-set-ciphers!``.
        """
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
        groups = names.split(":") if isinstance(names, str) else names
        self._try_out(groups=tuple(_text(each, "a group") for each in groups))

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
        self._change(
            alpn=alpn_names(protocols), alpn_allow_no_match=allow_no_match
        )

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

    def _try_out(self, **changes: Any) -> None:
        """Change what only OpenSSL can judge, if it accepts it."""
        with self._unsealed():
            # Without credentials: they may still be on their way.
            trial = replace(
                self._settings, chain=None, key=None, roots=(), **changes
            )
            build(trial, frozenset(), server_side=self.server_side)
            self._change(**changes)

    # -- hooks --------------------------------------------------------------

    @property
    def hooks_in_use(self) -> frozenset[str]:
        """The names of the hooks that have something to say."""
        settings = self._settings
        wanted = {
            "choose_context": settings.choose is not None,
            "verify_certificate": settings.verifier is not None,
            "log_key": settings.keylog is not None,
        }
        return frozenset(
            name
            for name in _HOOKS
            if wanted.get(name)
            or name in vars(self)
            or getattr(type(self), name) is not getattr(Context, name)
        )

    def choose_context(self, server_name: str) -> Hooks | None:
        """Choose another context for the server name that a client gave.

        Args:
            server_name: As the client sent it; not called if it sent none.

        Returns:
            A ``ServerContext``, whose whole policy then applies, or None to
            go on with this one.

        Source: RFC 6066, section 3.
        """
        if self._settings.choose is None:
            return None
        return self._settings.choose(server_name)  # type: ignore[return-value]

    def select_alpn(self, offered: tuple[str, ...]) -> str | bytes | None:
        """Select one of the protocols that a client offers.

        Args:
            offered: The client's names, the preferred first.

        Returns:
            One of *offered*, or None if there is no match.

        Source: RFC 7301, section 3.2.
        """
        for name in self._settings.alpn:
            if name.decode("utf-8", "replace") in offered:
                return name
        return None

    def verify_certificate(
        self,
        certificate: x509.Certificate,
        depth: int,
        ok: bool,
    ) -> bool:
        """Accept or refuse one certificate of the peer's chain.

        Called for each, the root first, and again for each fault; not when a
        session is resumed.

        Args:
            certificate: The one in question.
            depth: Its place; 0 is the peer's own.
            ok: OpenSSL's verdict so far.

        Returns:
            Whether to accept it; this overrides *ok*.
        """
        if self._settings.verifier is None:
            return ok
        return bool(self._settings.verifier(depth, ok, certificate))

    def verify_peer(self, verdict: Facts) -> None:
        """Raise to refuse the peer.

        Called once in each handshake, when chain and name are settled and
        before our last flight leaves; also when a session is resumed.

        Args:
            verdict: What the handshake has established; ``peer_verified`` may
                be False where it was not demanded.

        Raises:
            Exception: Whatever refuses the peer; ``handshake()`` raises it.
        """

    def log_key(self, line: str) -> None:
        """Take one line of the key log.

        Args:
            line: In the format of NSS's key log; it holds a secret of the
                session.
        """
        if self._settings.keylog is not None:
            self._settings.keylog(line)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {value!r}")
    if not value or not value.isascii() or "\0" in value:
        raise ConfigurationError(f"{value!r} can't be {what}")
    return value
