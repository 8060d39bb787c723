"""Proxies: whom to ask for a connection, and in which words.

An HTTP proxy is asked by CONNECT (RFC 9110, section 9.3.6), a SOCKS proxy by
RFC 1928 and RFC 1929.  Either gets the server's name, never our own look-up
of it.  Nothing here does I/O, and no message and no ``repr`` has credentials.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from ..errors import HandshakeError, UnsupportedError
from ..verify.identity import Identity
from .conversation import Conversation, Cut, Say, Script, quoted

__all__ = ["ENVIRONMENT", "Proxy"]

#: In the place of a proxy's URL: the one that the environment names.
ENVIRONMENT = "HTTPS_PROXY"

#: Scheme -> the port that such a proxy is usually on.
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_FORM = (
    "a proxy is given as http://[user:password@]host:port, https://..., "
    f"socks5://..., or as {ENVIRONMENT!r} for the environment's"
)
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\r?\n)")


@dataclass(frozen=True)
class Proxy:
    """Somebody who connects to servers for us."""

    scheme: str
    host: str
    port: int
    #: User and password, if it wants them.
    credentials: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """Read a proxy's URL.

        Raises:
            ValueError: It is none, without saying what it contains.
            ConfigurationError: Its host can be no host name.
            UnsupportedError: It needs a package that is missing.
        """
        if not isinstance(url, str):
            raise TypeError(f"{_FORM}; not as {type(url).__name__}")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError(f"this is no URL; {_FORM}") from None
        if parts.scheme not in _PORTS or not host:
            raise ValueError(_FORM)
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"a proxy's URL ends with its port; {_FORM}")
        Identity.parse(host)
        if port == 0:
            raise ValueError(f"port 0 is nobody's; {_FORM}")
        if parts.scheme.startswith("socks"):
            _socksio()
        return cls(
            parts.scheme,
            host,
            port or _PORTS[parts.scheme],
            _credentials(parts),
        )

    @classmethod
    def from_environment(cls, host: str, port: int) -> Proxy | None:
        """Find the proxy for a server in ``HTTPS_PROXY``, not in ``NO_PROXY``.

        Both may be written in lower case, too, which counts first.  An entry
        of ``NO_PROXY`` covers a host and the hosts below it.

        Raises:
            ValueError: ``HTTPS_PROXY`` is no proxy's URL.
        """
        url = _variable("https_proxy")
        if not url or _excepted(host, port, _variable("no_proxy")):
            return None
        return cls.parse(url if "://" in url else f"http://{url}")

    def __str__(self) -> str:
        """Tell where it is; not with which credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def secured(self) -> bool:
        """Whether the proxy itself is spoken to over TLS."""
        return self.scheme == "https"

    def conversation(self, host: str, port: int) -> Conversation:
        """Begin to ask for a connection.

        Args:
            host: The server, as A-labels or as an address.
            port: Its TCP port.
        """
        ask = _socks5 if self.scheme.startswith("socks") else _connect
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

        def refused(answer: str, hint: str) -> HandshakeError:
            return HandshakeError(
                f"the proxy {self} does not connect us to {target}: {answer}",
                code="proxy-refused",
                hint=hint,
            )

        def script(say: Say) -> Script:
            return ask(say, host, port, self.credentials, refused)

        return Conversation(script, f"proxy {self}")


_Refused = Callable[[str, str], HandshakeError]


def _credentials(parts: SplitResult) -> tuple[str, str] | None:
    """Read user and password, which are percent-encoded."""
    if parts.username is None:
        return None
    user, password = unquote(parts.username), unquote(parts.password or "")
    if re.search(r"[\x00-\x1f\x7f]", user + password) or ":" in user:
        raise ValueError(
            "a proxy's user has no colon, and neither user nor password has "
            "control characters"
        )
    if not all(len(each.encode()) <= 255 for each in (user, password)):
        raise ValueError("a proxy's user or password is over 255 bytes long")
    return user, password


def _variable(name: str) -> str:
    return os.environ.get(name) or os.environ.get(name.upper()) or ""


def _excepted(host: str, port: int, exceptions: str) -> bool:
    for entry in exceptions.lower().replace(" ", "").split(","):
        name = entry.lstrip(".")
        if name in ("*", host, f"{host}:{port}", f"[{host}]"):
            return True
        if name and host.endswith(f".{name}"):
            return True
    return False


# -- HTTP -------------------------------------------------------------------


def _head(data: bytes) -> int | None:
    found = re.search(rb"\r?\n\r?\n", data)
    return found.end() if found else None


def _connect(
    say: Say,
    host: str,
    port: int,
    credentials: tuple[str, str] | None,
    refused: _Refused,
) -> Script:
    """RFC 9110, section 9.3.6."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if credentials is not None:
        pair = base64.b64encode(":".join(credentials).encode()).decode("ascii")
        lines.append(f"Proxy-Authorization: Basic {pair}")
    say("\r\n".join([*lines, "", ""]).encode("ascii"))
    while True:
        head = yield _checked_head(refused)
        found = _STATUS.match(head)
        assert found is not None
        if not found[1].startswith(b"1"):
            break
    if not found[1].startswith(b"2"):
        line = head.partition(b"\n")[0]
        raise refused(f"it answers {quoted(line)}", _advice(found[1]))


def _checked_head(refused: _Refused) -> Cut:
    def cut(data: bytes) -> int | None:
        end = data.find(b"\n") + 1
        if not b"HTTP/1.".startswith(data[:7]) or (
            end and not _STATUS.match(data)
        ):
            raise refused(
                f"it says {quoted(data[:80])}, which is no HTTP",
                "check host, port and scheme of the proxy",
            )
        return _head(data)

    return cut


def _advice(status: bytes) -> str:
    if status == b"407":
        return "give user and password: http://user:password@host:port"
    return "see the proxy's log, and its rules for hosts and ports"


# -- SOCKS ------------------------------------------------------------------


def _socksio() -> Any:
    try:
        import socksio
    except ImportError:
        raise UnsupportedError(
            "SOCKS proxies need the package socksio",
            hint="pip install 'tlskit[socks]'",
        ) from None
    return socksio


def _exactly(size: int) -> Cut:
    return lambda data: size if len(data) >= size else None


#: Kind of address -> the length of a reply with it; RFC 1928, section 6.
_REPLIES = {1: 10, 4: 22}


def _reply_end(data: bytes) -> int | None:
    if len(data) < 5:
        return None
    size = 7 + data[4] if data[3] == 3 else _REPLIES.get(data[3], 5)
    return size if len(data) >= size else None


def _socks5(
    say: Say,
    host: str,
    port: int,
    credentials: tuple[str, str] | None,
    refused: _Refused,
) -> Script:
    """RFC 1928, and RFC 1929 for user and password."""
    socks = _socksio()
    connection = socks.socks5.SOCKS5Connection()
    methods = [socks.SOCKS5AuthMethod.NO_AUTH_REQUIRED]
    if credentials is not None:
        methods.append(socks.SOCKS5AuthMethod.USERNAME_PASSWORD)

    def send(request: Any) -> None:
        connection.send(request)
        say(connection.data_to_send())

    def take(data: bytes) -> Any:
        try:
            return connection.receive_data(data)
        except (socks.SOCKSError, ValueError, IndexError):
            raise refused(
                f"it says {quoted(data)}, which is no SOCKS 5",
                "check host, port and scheme of the proxy",
            ) from None

    send(socks.SOCKS5AuthMethodsRequest(methods))
    method = take((yield _exactly(2))).method
    if method not in methods:
        raise refused(
            f"it wants another proof of who we are ({method.name})",
            "give user and password: socks5://user:password@host:port",
        )
    if method == socks.SOCKS5AuthMethod.USERNAME_PASSWORD:
        assert credentials is not None
        user, password = (each.encode() for each in credentials)
        send(socks.SOCKS5UsernamePasswordRequest(user, password))
        if not take((yield _exactly(2))).success:
            raise refused(
                "it refuses user and password", "check user and password"
            )
    command = socks.SOCKS5Command.CONNECT
    send(socks.SOCKS5CommandRequest.from_address(command, (host, port)))
    code = take((yield _reply_end)).reply_code
    if code != socks.SOCKS5ReplyCode.SUCCEEDED:
        raise refused(
            f"it answers {code.name.lower().replace('_', ' ')}",
            "see the proxy's log, and its rules for hosts and ports",
        )
