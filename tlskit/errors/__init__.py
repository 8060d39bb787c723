"""The exception tree: what went wrong, whose fault, and what to do.

::

    TLSError(OSError)          error              never raised itself
      ConfigurationError       bad-configuration  the caller's mistake
        SealedError            sealed
        CredentialError        bad-credentials
        TrustSourceError       bad-trust-source
        UnsupportedError       unsupported        not with this platform
      HandshakeError           handshake-failed   no session came about
        NegotiationError       nothing-in-common  version, cipher, group, ALPN
        AlertError             peer-refused       the peer sent an alert
        NotTLSError            not-tls            plain HTTP, SSH, garbage
        VerificationError      unverified         no acceptable path to a root
          IdentityError        wrong-identity     trusted, but someone else
      StreamError              broken             a session broke
        TruncatedError         truncated          end without close_notify
        ClosedError            closed             used after close
        WantReadError          want-read          also a BlockingIOError
        WantWriteError         want-write         also a BlockingIOError

``TLSError`` is an ``OSError``, as ``ssl.SSLError`` is.  Failures of the
transport stay plain ``OSError`` and time-outs ``TimeoutError``; so catch
``TLSError`` first.

Whatever leaves a connection or a listener has the attributes ``peer`` and
``phase``, time-outs and failures of the transport as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..tools.public import public
from ..tools.quiet import quiet
from .codes import VerifyReason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cryptography import x509

    from .codes import Alert

__all__ = [
    "AlertError",
    "ClosedError",
    "ConfigurationError",
    "CredentialError",
    "HandshakeError",
    "IdentityError",
    "InsecureProtocolWarning",
    "NegotiationError",
    "NotTLSError",
    "SealedError",
    "StreamError",
    "TLSError",
    "TruncatedError",
    "TrustSourceError",
    "UnsupportedError",
    "UnverifiedContextWarning",
    "VerificationError",
    "WantReadError",
    "WantWriteError",
]

E = TypeVar("E", bound="TLSError")


@public
class InsecureProtocolWarning(UserWarning):
    """A protocol was asked for by name that is known to be broken.

    Args:
        message: Which one, and what is better.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)


@public
class UnverifiedContextWarning(UserWarning):
    """A client connects, verifies nobody, and was never told not to.

    Args:
        message: How to verify, and how to say that it is meant.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)


@public
class TLSError(OSError):
    """The root of the tree; never raised itself.

    Args:
        message: What was expected and what was found.
        code: A stable slug, finer than the class's own.
        status: The status of the seed documents: ``"zero-return"``,
            ``"want-read"``, ``"want-write"``, ``"want-connect"``,
            ``"want-accept"``, ``"want-x509-lookup"``, ``"syscall"``,
            ``"ssl"``, or None.
        hint: One line that tells what to do.
        errno: The system's error number, where a file was the reason.
        filename: That file.
        library_errors: OpenSSL's whole error stack, as text.
    """

    code: str = "error"
    status: str | None = None
    hint: str = ""
    #: To whom it happened: ``"host:port"``, a path, or None.
    peer: str | None = None
    #: When it happened: ``"resolve"``, ``"connect"``, ``"proxy"``,
    #: ``"accept"``, ``"preface"``, ``"handshake"``, ``"read"``, ``"write"``,
    #: ``"close"``, or None.
    phase: str | None = None
    #: Whether the message names the peer, as a listener's errors do.
    _names_peer = False
    _further: tuple[str, ...] = ()

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        status: str | None = None,
        hint: str | None = None,
        errno: int | None = None,
        filename: str | None = None,
        library_errors: tuple[str, ...] = (),
    ) -> None:
        # OSError reads a second positional argument as errno's text, so only
        # the message is passed on; the rest are attributes.
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status
        if hint is not None:
            self.hint = hint
        self.library_errors = library_errors
        if errno is not None:
            self.errno: int | None = errno
        if filename is not None:
            self.filename = filename

    def __str__(self) -> str:
        """Give the message; the class's own words if there is none."""
        words = self.message or f"{type(self).__name__} ({self.code})"
        if self._names_peer and self.peer is not None:
            return f"{words} (peer {self.peer})"
        return words

    @property
    def __notes__(self) -> list[str]:
        """What a traceback shows below the message (PEP 678).

        The hint, to whom it happened and when, and what ``add_note`` added.
        """
        told = (("peer", self.peer), ("phase", self.phase))
        place = ", ".join(f"{name}: {text}" for name, text in told if text)
        return [each for each in (self.hint, place) if each] + list(
            self._further
        )

    @__notes__.setter
    def __notes__(self, notes: list[str]) -> None:
        self._further = tuple(notes)

    def add_note(self, note: str) -> None:
        """Add a line to what a traceback shows.

        Args:
            note: The line.
        """
        if not isinstance(note, str):
            raise TypeError(f"a note is a str, not {note!r}")
        self._further += (note,)

    def explain(self) -> str:
        """Tell the whole story: what happened, and what to do about it."""
        return f"{self}\n{self.hint}" if self.hint else str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by attributes; OSError's own way loses the keywords."""
        state = dict(self.__dict__)
        # These two live in slots of OSError, not in __dict__.
        state.update(errno=self.errno, filename=self.filename)
        return _rebuild, (type(self), self.args, state)


def _rebuild(kind: type[E], args: tuple[Any, ...], state: dict[str, Any]) -> E:
    error = kind.__new__(kind, *args)
    error.args = args
    for name, value in state.items():
        setattr(error, name, value)
    return error


@public
class ConfigurationError(TLSError):
    """The caller asked for something that can't be."""

    code = "bad-configuration"


@public
class SealedError(ConfigurationError):
    """A sealed context was to be changed."""

    code = "sealed"
    hint = "change a copy() of the context, or set it up before sealing it"


@public
class CredentialError(ConfigurationError):
    """A certificate chain or private key is missing, broken or unfitting."""

    code = "bad-credentials"


@public
class TrustSourceError(ConfigurationError):
    """A source of trusted roots can't be read, or holds none."""

    code = "bad-trust-source"


@public
class UnsupportedError(ConfigurationError):
    """This platform or this OpenSSL can't do what was asked for."""

    code = "unsupported"


@public
class HandshakeError(TLSError):
    """No session came about."""

    code = "handshake-failed"
    status: str | None = "ssl"

    @property
    def ended_by(self) -> str:
        """Who ended the handshake: ``"us"`` or the ``"peer"``."""
        return "peer" if self.code == "closed-in-handshake" else "us"


@public
class NegotiationError(HandshakeError):
    """The two sides have no version, cipher, group or protocol in common."""

    code = "nothing-in-common"


@public
class AlertError(HandshakeError):
    """The peer refused us by a fatal alert.

    Args:
        message: As for ``TLSError``.
        alert: Which alert it was, or None if its number is not known.
    """

    code = "peer-refused"

    def __init__(
        self, message: str = "", *, alert: Alert | None = None, **data: Any
    ) -> None:
        super().__init__(message, **data)
        self.alert = alert

    @property
    def ended_by(self) -> str:
        """Who ended the handshake: the ``"peer"``."""
        return "peer"


@public
class NotTLSError(HandshakeError):
    """The peer speaks, but not TLS."""

    code = "not-tls"


@public
class VerificationError(HandshakeError):
    """The peer's certificate has no acceptable path to a trusted root.

    Args:
        message: As for ``TLSError``.
        reason: Which fault it is.
        der: The certificate at fault, DER.
        depth: Its place in the chain; 0 is the peer's own.
        presented_chain: What the peer sent, DER, its own first.
        built_chain: What could be built towards a root, DER, peer's first.
        expected: The host name or IP address that was wanted.
        presented: The names that the peer's certificate gives.
        sources: The trust sources that were loaded, one text each.
        roots: How many roots they hold together.
        advice: Further sentences for ``explain()``.
        revocation: When the certificate was revoked and why, if it was: a
            tuple of date and reason.
        verdicts: What each verifier said, by its name, where two were asked.
    """

    code = "unverified"
    status: str | None = None

    def __init__(
        self,
        message: str = "",
        *,
        reason: VerifyReason = VerifyReason.UNSPECIFIED,
        der: bytes | None = None,
        depth: int = 0,
        presented_chain: tuple[bytes, ...] = (),
        built_chain: tuple[bytes, ...] = (),
        expected: str | None = None,
        presented: tuple[str, ...] = (),
        sources: tuple[str, ...] = (),
        roots: int = 0,
        advice: tuple[str, ...] = (),
        revocation: tuple[datetime, str] | None = None,
        verdicts: Mapping[str, str] | None = None,
        **data: Any,
    ) -> None:
        super().__init__(message, **data)
        self.reason = reason
        self.depth = depth
        self.expected = expected
        self.presented = presented
        self.sources = sources
        self.roots = roots
        self.advice = advice
        self.revocation = revocation
        self.verdicts: dict[str, str] = dict(verdicts or {})
        # Kept as DER, so that the error can be pickled.
        self._der = der
        self._presented_chain = presented_chain
        self._built_chain = built_chain

    @property
    def certificate(self) -> x509.Certificate | None:
        """The certificate at fault, or None if there was none."""
        return None if self._der is None else _certificate(self._der)

    @property
    def presented_chain(self) -> tuple[x509.Certificate, ...]:
        """What the peer sent, its own certificate first."""
        return tuple(map(_certificate, self._presented_chain))

    @property
    def built_chain(self) -> tuple[x509.Certificate, ...]:
        """The path as far as it could be built, the peer's own first."""
        return tuple(map(_certificate, self._built_chain))

    def explain(self) -> str:
        """Tell the whole story: what happened, and what to do about it."""
        return "\n".join(
            line for line in (str(self), *self.advice, self.hint) if line
        )


def _certificate(der: bytes) -> x509.Certificate:
    from cryptography import x509  # Not needed before something failed.

    quiet()
    return x509.load_der_x509_certificate(der)


@public
class IdentityError(VerificationError):
    """The peer's certificate may be trusted, but names someone else."""

    code = "wrong-identity"
    hint = "connect by a name in the certificate, or have it reissued"


@public
class StreamError(TLSError):
    """A session that had been established broke."""

    code = "broken"
    status: str | None = "ssl"


@public
class TruncatedError(StreamError):
    """The stream ended without close_notify; data may be missing.

    RFC 8446, section 6.1: an end of file that nobody signed may be an
    attacker's.
    """

    code = "truncated"
    status: str | None = "syscall"
    hint = (
        "treat what was read as incomplete; if this peer is known to close "
        "without close_notify, use a context with allow_truncation=True"
    )


@public
class ClosedError(StreamError):
    """The port was used after it, or this direction of it, was closed."""

    code = "closed"
    status: str | None = None


@public
class WantReadError(StreamError, BlockingIOError):
    """Nothing can be done until the transport has something to read."""

    code = "want-read"
    status: str | None = "want-read"
    hint = "wait until the port is readable, then call again"


@public
class WantWriteError(StreamError, BlockingIOError):
    """Nothing can be done until the transport takes bytes again."""

    code = "want-write"
    status: str | None = "want-write"
    hint = "wait until the port is writable, then call again"
