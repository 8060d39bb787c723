"""``SessionCache``: what a client may resume, and with whom.

A resumed handshake shows no certificates.  What they were, and that they
were found good, is remembered here beside the session, and under a key that
names all that the verdict depended on: the server dialled, the name checked,
the protocols offered, and every setting of the context.  Who asks with
another key finds nothing, and has to verify.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from ..tools.deadline import Deadline
from ..tools.forks import ForkLock, tell_child
from ..tools.public import public
from ..x509.credentials import PrivateKey
from ..x509.gate import Encoding, x509
from ..x509.reading import readable

if TYPE_CHECKING:
    from ..verify.chain import Fault

__all__ = [
    "LONGEST_AGE",
    "Session",
    "SessionCache",
    "SessionKey",
    "outdated",
    "policy_of",
]

_logger = logging.getLogger("tlskit.sessions")

_TLS_1_3 = 0x0304
#: Connections to one server that may be opened at once, each with a ticket.
_PER_SERVER = 4
#: Seconds; RFC 8446, section 4.6.1, allows a ticket no more.
LONGEST_AGE = 604800.0
#: How long, in seconds, a server is left alone that can't resume.
_REST = 600.0
#: What a dump begins with; the number goes up with the format.
_MAGIC = b"tlskit sessions 1\n"
#: What reading something else than a dump may raise.
_MALFORMED = (
    ArithmeticError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)


class SessionKey(NamedTuple):
    """All that a session's verdict depended on."""

    #: What ``policy_of`` gave.
    policy: bytes
    host: str
    port: int
    #: The name that was checked and announced.
    name: str
    alpn: tuple[bytes, ...]


@dataclass(frozen=True)
class Session:
    """One session, and what was found out about its peer."""

    #: OpenSSL's own form; it holds the secret.
    der: bytes = field(repr=False)
    version: int
    #: When the certificates were verified, in seconds since 1970.
    verified_at: float
    #: DER, as the peer sent them.
    peer_chain: tuple[bytes, ...] = field(repr=False)
    #: DER, up to the root.
    verified_chain: tuple[bytes, ...] = field(repr=False)
    #: What was wrong with it, and tolerated; no cache keeps such a one.
    faults: tuple[Fault, ...] = ()

    def usable(self, max_age: float) -> bool:
        """Say whether the verdict still holds."""
        now = time.time()
        return 0 <= now - self.verified_at <= max_age and not any(
            outdated(readable(der), now) for der in self.verified_chain
        )


def outdated(certificate: x509.Certificate, now: float) -> bool:
    """Say whether *certificate* is not valid at *now*."""
    return not (
        certificate.not_valid_before_utc.timestamp()
        <= now
        <= certificate.not_valid_after_utc.timestamp()
    )


@public
class SessionCache:
    """Sessions of a client, to be resumed by later connections.

    Give one to a context by ``set_session_cache()``.  Several contexts may
    share it: none finds what another one's settings let in.  Only sessions
    whose peer was verified without complaint are kept, and no verdict
    outlives one of the certificates that it was made from.  A TLS 1.3 ticket
    is used once (RFC 8446, appendix C.4).  A server that breaks off when it
    is to resume is left alone for ten minutes.  A forked child begins with an
    empty cache, since its parent uses the tickets.

    Args:
        size: Of how many servers sessions are kept; the longest unused goes
            first.
        max_age: For how many seconds after its certificates were verified a
            server may be resumed with, up to a week.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(self, size: int = 256, *, max_age: float = 7200.0) -> None:
        if size < 1:
            raise ValueError(f"size is at least 1, not {size!r}")
        if not 0 < max_age <= LONGEST_AGE:
            raise ValueError(
                f"max_age is above 0 and at most {LONGEST_AGE:.0f} seconds, "
                f"not {max_age!r}"
            )
        self.size = size
        self.max_age = max_age
        self._kept: OrderedDict[SessionKey, list[Session]] = OrderedDict()
        self._shunned: OrderedDict[SessionKey, Deadline] = OrderedDict()
        self._lock = ForkLock()
        tell_child(self)

    def _after_fork(self) -> None:
        self._kept = OrderedDict()
        self._shunned = OrderedDict()

    def __len__(self) -> int:
        """Count the sessions."""
        with self._lock:
            return sum(map(len, self._kept.values()))

    def __bool__(self) -> bool:
        """Be true, also if it is empty."""
        return True

    def __repr__(self) -> str:
        """Tell how full it is."""
        return f"<{type(self).__name__} {len(self)} sessions>"

    def clear(self) -> None:
        """Forget every session, and who could not resume."""
        with self._lock:
            self._kept.clear()
            self._shunned.clear()

    def keep(self, key: SessionKey, session: Session) -> None:
        """Remember *session* for whoever has the same key."""
        with self._lock:
            if self._is_shunned(key):
                return
            kept = self._kept.setdefault(key, [])
            if session.version < _TLS_1_3:
                kept.clear()  # One serves all connections.
            kept.append(session)
            del kept[:-_PER_SERVER]
            self._kept.move_to_end(key)
            while len(self._kept) > self.size:
                self._kept.popitem(last=False)

    def take(self, key: SessionKey) -> Session | None:
        """Give a session to resume, or None.

        A TLS 1.3 ticket leaves the cache by that.
        """
        with self._lock:
            kept = self._kept.get(key)
            while kept:
                session = kept[-1]
                usable = session.usable(self.max_age)
                if not usable or session.version >= _TLS_1_3:
                    kept.pop()
                if usable:
                    self._kept.move_to_end(key)
                    return session
            self._kept.pop(key, None)
            return None

    def shun(self, key: SessionKey) -> None:
        """Keep nothing for a while where resuming fails.

        Args:
            key: What nothing is kept under.
        """
        with self._lock:
            self._kept.pop(key, None)
            self._shunned[key] = Deadline.after(_REST)
            while len(self._shunned) > self.size:
                self._shunned.popitem(last=False)

    def _is_shunned(self, key: SessionKey) -> bool:
        until = self._shunned.get(key)
        if until is None:
            return False
        if until.left() == 0.0:
            del self._shunned[key]
            return False
        return True

    def forget(self, key: SessionKey) -> None:
        """Drop what is kept under *key*; it has failed."""
        with self._lock:
            self._kept.pop(key, None)

    # -- on disk ------------------------------------------------------------

    def dump(self) -> bytes:
        """Give the sessions as bytes, for ``load()`` in a later process.

        The tickets of TLS 1.3 leave the cache, as they may be used once.

        **Keep the bytes as secret as a private key, and as safe as your list
        of trusted roots:** who reads them can read the resumed connections,
        and who writes them decides whom a connection takes for verified.
        """
        with self._lock:
            entries = [
                _entry(key, session)
                for key, kept in self._kept.items()
                for session in kept
                if session.usable(self.max_age)
            ]
            for kept in self._kept.values():
                kept[:] = [each for each in kept if each.version < _TLS_1_3]
        body = json.dumps(entries).encode()
        return _MAGIC + hashlib.sha256(body).digest() + body

    def load(self, data: bytes) -> int:
        """Add the sessions that ``dump()`` gave.

        What is damaged, of another version of the format, or too old is left
        out; the connections concerned then make a full handshake.  Load a
        dump only once.

        Args:
            data: What ``dump()`` gave.

        Returns:
            How many sessions were added.
        """
        try:
            found = [
                (key, session)
                for key, session in _entries(data)
                if session.usable(self.max_age)
            ]
        except (*_MALFORMED, x509.InvalidVersion) as error:
            _logger.warning("ignored the sessions to load: %s", error)
            return 0
        for key, session in found:
            self.keep(key, session)
        return len(found)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _texts(items: tuple[bytes, ...]) -> list[str]:
    return list(map(_text, items))


def _bytes(items: list[str]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(each, validate=True) for each in items)


def _entry(key: SessionKey, session: Session) -> dict[str, Any]:
    return {
        "policy": _text(key.policy),
        "host": key.host,
        "port": key.port,
        "name": key.name,
        "alpn": _texts(key.alpn),
        "der": _text(session.der),
        "version": session.version,
        "verified_at": session.verified_at,
        "peer_chain": _texts(session.peer_chain),
        "verified_chain": _texts(session.verified_chain),
    }


def _entries(data: bytes) -> Iterator[tuple[SessionKey, Session]]:
    body = data[len(_MAGIC) + 32 :]
    digest = hashlib.sha256(body).digest()
    if data[: len(_MAGIC) + 32] != _MAGIC + digest:
        raise ValueError("they are damaged, or of another format")
    for entry in json.loads(body):
        (policy, der) = _bytes([entry["policy"], entry["der"]])
        key = SessionKey(
            policy,
            str(entry["host"]),
            int(entry["port"]),
            str(entry["name"]),
            _bytes(entry["alpn"]),
        )
        peer = _bytes(entry["peer_chain"])
        verified = _bytes(entry["verified_chain"])
        for each in (*peer, *verified):
            readable(each)
        yield (
            key,
            Session(
                der,
                int(entry["version"]),
                float(entry["verified_at"]),
                peer,
                verified,
            ),
        )


# -- the settings as a key --------------------------------------------------

#: What its text tells apart.
_PLAIN = (bool, int, float, str, Enum, datetime)
#: They don't change who is accepted, or contexts with them never resume.
_NO_MATTER = frozenset({"choose", "keylog", "sessions", "trace", "verifier"})


def policy_of(settings: Any) -> bytes | None:
    """Name *settings* by a digest, the same in every process.

    Every field counts, also one that is added some day; a value of a kind
    not known here has no name.

    Returns:
        The digest, or None if they can't be named: then nothing is resumed.
    """
    digest = hashlib.sha256()
    try:
        for part in _parts(settings):
            digest.update(len(part).to_bytes(8, "big") + part)
    except TypeError as error:
        _logger.debug("no session is kept: %s", error)
        return None
    return digest.digest()


def _parts(value: Any) -> Iterator[bytes]:
    yield type(value).__qualname__.encode()
    if isinstance(value, tuple):
        yield str(len(value)).encode()
        for each in value:
            yield from _parts(each)
    elif is_dataclass(value):
        for field_ in fields(value):
            if field_.name not in _NO_MATTER:
                yield field_.name.encode()
                yield from _parts(getattr(value, field_.name))
    else:
        yield _named(value)


def _named(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, (x509.Certificate, x509.CertificateRevocationList)):
        return value.public_bytes(Encoding.DER)
    if isinstance(value, PrivateKey):
        return value.public_bytes
    if value is None or isinstance(value, _PLAIN):
        return str(value).encode("utf-8", "surrogatepass")
    raise TypeError(f"{value!r} has no name")
