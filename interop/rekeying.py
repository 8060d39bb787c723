"""Key updates (RFC 8446, section 4.6.3), which tlskit's OpenSSL can't begin.

tlslite-ng, a TLS of Python's own, asks for one in the middle of a connection;
without it the column stays empty.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tlskit.testing import Leaf

from .facts import SECONDS

__all__ = ["of_client", "of_server"]

_NEWEST = (3, 4)
_PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"


_STRANGERS = "– (no handshake with tlslite-ng)"


def _done(handshake: Callable[..., object], **keywords: object) -> bool:
    """Shake hands, if the two can."""
    try:
        handshake(**keywords)
    except Exception:  # noqa: BLE001 - it has many kinds
        return False
    return True


def _words(error: Exception) -> str:
    """Tell what came between; an alert is about something else."""
    if type(error).__name__ == "TLSRemoteAlert":
        return f"– (refuses tlslite-ng: {error})"
    return f"fails: {type(error).__name__}"


def _ask(connection: Any) -> None:
    """Ask the peer for new keys, and take new ones."""
    from tlslite.constants import KeyUpdateMessageType

    asked = connection.send_keyupdate_request(
        KeyUpdateMessageType.update_requested
    )
    for _ in asked:
        pass


def of_server(number: int, words: bytes) -> str:
    """Say whether a server goes on, and takes new keys, when asked to."""
    try:
        from tlslite.api import TLSConnection
    except ImportError:
        return ""
    try:
        with socket.create_connection(("127.0.0.1", number), SECONDS) as sock:
            connection = TLSConnection(sock)
            connection.closeSocket = False
            if not _done(
                connection.handshakeClientCert, serverName="localhost"
            ):
                return _STRANGERS
            if connection.version != _NEWEST:
                return "– (no TLS 1.3)"
            before = bytes(connection.session.sr_app_secret)
            _ask(connection)
            connection.sendall(words)
            said = connection.recv(1)
            after = bytes(connection.session.sr_app_secret)
    except Exception as error:  # noqa: BLE001 - it has many kinds
        return _words(error)
    if not said:
        return "closes"
    return "answers" if before != after else "goes on"


def of_client(leaf: Leaf, call: Callable[[int], None], speech: str) -> str:
    """Say whether a client goes on, and takes new keys, when asked to."""
    if speech:
        return "– (not HTTP)"
    try:
        from tlslite.api import TLSConnection, X509CertChain, parsePEMKey
    except ImportError:
        return ""
    chain = X509CertChain()
    chain.parsePemList(leaf.chain_pem.decode())
    key = parsePEMKey(leaf.key_pem.decode(), private=True)
    found: list[str] = []

    def serve(listener: socket.socket) -> None:
        with listener.accept()[0] as sock:
            sock.settimeout(SECONDS)
            connection = TLSConnection(sock)
            connection.closeSocket = False
            try:
                if not _done(
                    connection.handshakeServer,
                    certChain=chain,
                    privateKey=key,
                    alpn=[bytearray(b"http/1.1")],
                ):
                    found.append(_STRANGERS)
                    return
                if connection.version != _NEWEST:
                    found.append("– (no TLS 1.3)")
                    return
                said = b""
                while b"\r\n\r\n" not in said:
                    data = connection.recv(4096)
                    if not data:
                        return
                    said += data
                before = bytes(connection.session.cl_app_secret)
                _ask(connection)
                connection.sendall(_PAGE)
                # What comes now is the answer, and then the end.
                with suppress(Exception):
                    while connection.recv(4096):
                        pass
                after = bytes(connection.session.cl_app_secret)
                found.append("answers" if before != after else "goes on")
            except Exception as error:  # noqa: BLE001 - the same
                found.append(_words(error))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        call(int(listener.getsockname()[1]))
        thread.join(SECONDS)
    return found[0] if found else "– (did not ask)"
