"""Half-closes (RFC 8446, section 6.1): one side ends, the other goes on.

What a client does that has ended its own half, and one whose server ends
first.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from OpenSSL import SSL

import tlskit
from tlskit.testing import Leaf

from .facts import PATIENCE, SECONDS, Answer, told

__all__ = ["after_its_close", "after_ours"]

_LATE = b"This comes late.\n"


def after_its_close(answer: Answer, found: list[str]) -> Answer:
    """Have a server write once more when its client has ended its half.

    Args:
        answer: How it serves a client before.
        found: Gets ``waits`` if the client still reads, ``closes`` if its
            TCP is gone, and a dash if it has not ended by close_notify.
    """

    def answer_and_wait(port: tlskit.SSLPort) -> bytes:
        said = answer(port)
        port.settimeout(PATIENCE)
        try:
            while port.recv(4096):
                pass
        except OSError:
            found.append("–")
            raise
        with suppress(OSError):
            port.sendall(_LATE)
        # A reset is an error and a hang-up; the mere end of its half neither.
        poll = select.poll()
        poll.register(port.fileno(), 0)
        found.append("closes" if poll.poll(PATIENCE * 1000) else "waits")
        return said

    return answer_and_wait


def after_ours(leaf: Leaf, call: Callable[[int], None], speech: str) -> str:
    """Say what a client does whose server ends its half at once.

    The end comes in the same bytes as the last message of a TLS 1.2
    handshake, so no client can have asked before it.
    """
    if speech:
        return "– (not HTTP)"
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate(leaf.certificate)
    for each in leaf.chain[1:]:
        context.add_extra_chain_cert(each)
    context.use_privatekey(leaf.key)
    found: list[str] = []

    def serve(listener: socket.socket) -> None:
        while not found:
            try:
                sock = listener.accept()[0]
            except OSError:
                found.append("– (no handshake)")
                return
            with sock:
                sock.settimeout(SECONDS)
                try:
                    said = _meet(SSL.Connection(context, None), sock)
                except (OSError, SSL.Error) as error:
                    said = f"– (fails: {told(error)})"
                if said:  # Some look first whether anybody listens.
                    found.append(said)
        listener.close()  # Nobody may try again.

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        number = int(listener.getsockname()[1])
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        call(number)
        thread.join()
    return found[0]


def _meet(connection: SSL.Connection, sock: socket.socket) -> str:
    connection.set_accept_state()
    while True:
        try:
            connection.do_handshake()
            break
        except SSL.WantReadError:
            _flush(connection, sock)
            data = sock.recv(65536)
            if not data:
                return ""
            connection.bio_write(data)
    connection.shutdown()
    _flush(connection, sock)
    asks, end = "", "without"
    try:
        while True:
            try:
                connection.recv(65536)
                asks = "asks; "
                continue
            except SSL.WantReadError:
                pass
            data = sock.recv(65536)
            if not data:
                break
            connection.bio_write(data)
    except SSL.ZeroReturnError:
        end = "close_notify"
    except TimeoutError:
        end = "stays open"
    except OSError as error:
        end = told(error)
    return asks + end


def _flush(connection: SSL.Connection, sock: socket.socket) -> None:
    with suppress(SSL.WantReadError):
        sock.sendall(connection.bio_read(65536))
