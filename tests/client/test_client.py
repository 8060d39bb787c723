"""Tests for ``tlskit.client.connect``: look-up, TCP and handshake."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

import tlskit

from ..engines import client_context, server_context
from ..peers import PATIENCE, Task

LOCAL = "127.0.0.1"


@pytest.fixture
def server():
    """Serve one client, which gets a greeting."""
    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        yield listener


def greet(listener):
    """Accept one client in a thread of its own, and greet it."""

    def run():
        with listener.accept(PATIENCE) as port:
            port.sendall(b"hello")
            return port.server_name, port.peer

    return Task(run)


def descriptors() -> int:
    """Count what is open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_connect(server):
    """A verified connection, by name."""
    greeting = greet(server)
    with tlskit.connect(
        "localhost", server.port, client_context(), timeout=PATIENCE
    ) as port:
        assert b"hello" == port.recv(10)
        assert PATIENCE == port.gettimeout()
        assert ("localhost", LOCAL, server.port) == port.info_values()
    assert "localhost" == greeting.result()[0]


def test_other_name(server):
    """The name to check may be another one than the host's."""
    greeting = greet(server)
    with tlskit.connect(
        LOCAL, server.port, client_context(), hostname="localhost"
    ) as port:
        port.recv(10)
    assert "localhost" == greeting.result()[0]


def test_address_is_not_announced(server):
    """RFC 6066 has no server name for an address."""
    greeting = greet(server)
    with tlskit.connect(LOCAL, server.port, client_context()) as port:
        assert b"hello" == port.recv(10)
    assert greeting.result()[0] is None


def test_handshake_later(server):
    """The handshake can be left to the port."""
    greeting = greet(server)
    with tlskit.connect(
        LOCAL, server.port, client_context(), handshake=False
    ) as port:
        assert port.version is None
        port.handshake()
        port.handshake()
        assert b"hello" == port.recv(10)
    greeting.result()


def test_source_address(server):
    """The client's own address can be chosen."""
    greeting = greet(server)
    with tlskit.connect(
        LOCAL,
        server.port,
        client_context(),
        source_address=("127.0.0.7", 0),
    ) as port:
        port.recv(10)
    assert "127.0.0.7" == greeting.result()[1][0]


def test_protocol_name(server):
    """A context may be given by a protocol's name."""
    greeting = greet(server)
    with tlskit.connect(LOCAL, server.port, "auto") as port:
        assert b"hello" == port.recv(10)
        assert not port.peer_verified
    greeting.result()


def test_secure_by_default(server):
    """Without a context, a stranger is refused, and no socket is left."""
    before = descriptors()
    task = Task(lambda: server.accept(PATIENCE))
    with pytest.raises(tlskit.VerificationError):
        tlskit.connect(LOCAL, server.port, timeout=PATIENCE)
    with pytest.raises(tlskit.AlertError):
        task.result()
    with pytest.raises(TimeoutError):
        server.accept(0.05)  # The refused client's socket goes, too.

    assert before == descriptors()


@pytest.mark.parametrize("port", [0, 65536, -1, "443"])
def test_port_out_of_range(port):
    """The TCP port is checked first."""
    with pytest.raises(ValueError, match="from 1 to 65535"):
        tlskit.connect("localhost", port)


def test_bad_arguments():
    """Bad arguments cost no connection."""
    with pytest.raises(TypeError):
        tlskit.connect(b"localhost")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="empty"):
        tlskit.connect("")
    with pytest.raises(ValueError, match="empty"):
        tlskit.connect("localhost", hostname="")
    with pytest.raises(tlskit.ConfigurationError):
        tlskit.connect("local host")
    with pytest.raises(TypeError):
        tlskit.connect("localhost", context=server_context())
    with pytest.raises(ValueError, match="ALPN"):
        tlskit.connect("localhost", alpn=[""])
    with pytest.raises(ValueError, match="negative"):
        tlskit.connect("localhost", timeout=-1)


def test_nobody_listens():
    """A refused connection is the system's own error."""
    with socket.create_server((LOCAL, 0)) as taken:
        port = taken.getsockname()[1]
    before = descriptors()
    with pytest.raises(ConnectionRefusedError):
        tlskit.connect(LOCAL, port)

    assert before == descriptors()


def test_unknown_host():
    """A name that nobody knows is the resolver's own error."""
    for timeout in (None, PATIENCE):
        with pytest.raises(socket.gaierror):
            tlskit.connect("nobody.invalid", timeout=timeout)


def test_no_address(monkeypatch):
    """A resolver that finds nothing is told as that."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])

    with pytest.raises(OSError, match="no address"):
        tlskit.connect("localhost")


def test_second_address(server, monkeypatch):
    """If one address doesn't answer, the next one is tried."""
    real = socket.getaddrinfo
    with socket.create_server((LOCAL, 0)) as taken:
        closed = taken.getsockname()[1]

    def two(host, port, **keywords):
        return real(LOCAL, closed, **keywords) + real(LOCAL, port, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", two)
    greeting = greet(server)
    with tlskit.connect("localhost", server.port, client_context()) as port:
        assert b"hello" == port.recv(10)
    greeting.result()


def test_slow_resolver(monkeypatch):
    """The deadline holds for the look-up, too."""
    release = threading.Event()

    def slow(*_, **__):
        release.wait(PATIENCE)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        with pytest.raises(TimeoutError, match="looking up"):
            tlskit.connect("localhost", timeout=0.01)
    finally:
        release.set()


def test_silent_server():
    """The deadline holds for the handshake, and no socket is left."""
    before = descriptors()
    with socket.create_server((LOCAL, 0)) as silent:
        with pytest.raises(TimeoutError):
            tlskit.connect(
                LOCAL,
                silent.getsockname()[1],
                client_context(),
                timeout=0.05,
            )

    assert before == descriptors()


def test_deadline_before_tcp():
    """Time that the look-up took is gone for TCP."""
    with pytest.raises(TimeoutError, match="connecting to"):
        tlskit.connect(LOCAL, 9, timeout=0)


def test_interrupted(server, monkeypatch):
    """Ctrl-C in the middle leaves no socket behind."""
    before = descriptors()
    for place in (
        "tlskit.client.connect.open_port",
        "tlskit.ports.blocking.driver.Driver.handshake",
        "socket.socket.connect",
    ):
        with monkeypatch.context() as patch:

            def interrupt(*_, **__):
                raise KeyboardInterrupt

            patch.setattr(place, interrupt)
            with pytest.raises(KeyboardInterrupt):
                tlskit.connect(LOCAL, server.port, client_context())

        assert before == descriptors()


def test_zone_and_brackets():
    """Addresses are dialled as the resolver wants them."""
    from tlskit.client.opening import checked_target

    assert "::1" == checked_target("[::1]", 443)
    assert "fe80::1%lo" == checked_target("fe80::1%lo", 443)
    assert "xn--strae-oqa.de" == checked_target("straße.de", 443)


def test_no_socket_at_all(monkeypatch):
    """A family that this machine lacks is skipped with its error."""

    def lacking(*_, **__):
        raise OSError("address family not supported")

    monkeypatch.setattr("tlskit.client.connect.socket.socket", lacking)

    with pytest.raises(OSError, match="not supported"):
        tlskit.connect(LOCAL, 9)
