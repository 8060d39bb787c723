"""The end of a connection: orderly, cut off, or never; and deadlines."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable

import pytest

import tlskit
from tlskit.ports.blocking import farewell
from tlskit.testing import memory_pair

from .. import engines
from ..joined import over_sockets, read_exactly
from ..peers import (
    HOST,
    PATIENCE,
    VERSIONS,
    Task,
    TcpServer,
    Vault,
    client_context,
    reset,
    server_context,
    serving,
    stdlib_client,
    stdlib_server,
)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version, by the name of its protocol."""
    name: str = request.param
    return name


def theirs(vault: Vault, version: str) -> ssl.SSLContext:
    """Make a server's context of the standard library's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = VERSIONS[version][2]
    files = vault.leaf()
    context.load_cert_chain(files.chain, files.key)
    # Set by some builds of Python: a missing close_notify would be no error.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    return context


def connected(vault: Vault, number: int, **options: object) -> tlskit.SSLPort:
    """Connect to a server of this module."""
    context = client_context(vault)
    return tlskit.connect(
        HOST,
        number,
        context,
        timeout=PATIENCE,
        **options,  # type: ignore[arg-type]
    )


# -- truncation -------------------------------------------------------------


def test_close_notify_is_end_of_file(vault: Vault, version: str) -> None:
    """close_notify reads as ``b""``, again and again."""

    def talk(sock: ssl.SSLSocket) -> None:
        sock.sendall(b"all of it")
        sock.unwrap()

    with (
        stdlib_server(theirs(vault, version), talk) as server,
        connected(vault, server.port) as port,
    ):
        assert b"all of it" == port.input.read(9)
        assert b"" == port.recv(100)
        assert b"" == port.recv(100)
        assert b"" == port.input.read()


def test_truncation_raises(vault: Vault, version: str) -> None:
    """A TCP connection that just ends is no end of file."""
    with (
        stdlib_server(
            theirs(vault, version), lambda sock: sock.sendall(b"half of")
        ) as server,
        connected(vault, server.port) as port,
    ):
        assert b"half of" == port.input.read(7)
        for _ in range(2):
            with pytest.raises(tlskit.TruncatedError) as caught:
                port.recv(100)

            assert "truncated" == caught.value.code
            assert "syscall" == caught.value.status
            assert "allow_truncation" in caught.value.hint


def test_truncation_raises_through_file(vault: Vault) -> None:
    """``read()`` to the end of a file raises, too, instead of returning."""
    with (
        stdlib_server(
            theirs(vault, "tls13"), lambda sock: sock.sendall(b"half of")
        ) as server,
        connected(vault, server.port) as port,
        port.makefile("rb") as file,
        pytest.raises(tlskit.TruncatedError),
    ):
        file.read()


def test_truncation_allowed(vault: Vault, version: str) -> None:
    """``allow_truncation=True`` reads it as end of file."""
    context = tlskit.ClientContext("auto", allow_truncation=True)
    context.load_verify_root_certificates(vault.roots)
    context.set_verify()
    with (
        stdlib_server(
            theirs(vault, version), lambda sock: sock.sendall(b"half of")
        ) as server,
        tlskit.connect(HOST, server.port, context, timeout=PATIENCE) as port,
    ):
        assert b"half of" == port.input.read()
        assert b"" == port.recv(1)


def test_truncated_client_seen_by_server(vault: Vault, version: str) -> None:
    """A server tells a client that left from one that said goodbye."""
    asking = ssl.create_default_context(cafile=vault.roots)
    asking.maximum_version = VERSIONS[version][2]
    with serving(
        server_context(vault.leaf()), lambda port: port.input.read()
    ) as server:
        with stdlib_client(server.port, asking) as client:
            client.sendall(b"half of")
            # Ends TCP, and not TLS.
            client.shutdown(socket.SHUT_WR)

            assert isinstance(server.refusal(), tlskit.TruncatedError)


def test_reset_is_no_end_of_file(vault: Vault, version: str) -> None:
    """A reset raises the system's own error."""

    def talk(sock: ssl.SSLSocket) -> None:
        sock.recv(1)
        reset(socket.socket(fileno=sock.detach()))

    with (
        stdlib_server(theirs(vault, version), talk) as server,
        connected(vault, server.port) as port,
    ):
        port.sendall(b"x")
        server.result()
        with pytest.raises(ConnectionResetError) as caught:
            port.recv(100)

        assert not isinstance(caught.value, tlskit.TLSError)


def test_half_close(vault: Vault, version: str) -> None:
    """After our close_notify the peer may still send, and we still read."""

    def ours(port: tlskit.SSLPort) -> bytes:
        request: bytes = port.input.read()
        port.sendall(b"answer to " + request)
        return request

    only = server_context(vault.leaf(), version)
    with (
        serving(only, ours) as server,
        connected(vault, server.port) as port,
    ):
        port.sendall(b"request")
        port.shutdown(socket.SHUT_WR)
        with pytest.raises(tlskit.ClosedError):
            port.send(b"more")

        assert b"answer to request" == port.input.read()
        assert b"request" == server.result()


def test_close_without_notify(vault: Vault, version: str) -> None:
    """``shutdown_on_close=False`` and ``abandon`` send no close_notify."""

    def end(sock: ssl.SSLSocket) -> str:
        sock.suppress_ragged_eofs = False
        data = b""
        try:
            while more := sock.recv(100):
                data += more
        except ssl.SSLError as error:  # Older Pythons have no class for it.
            assert isinstance(error, ssl.SSLEOFError) or (
                error.reason == "UNEXPECTED_EOF_WHILE_READING"
            )
            return f"{data.decode()} cut off"
        return f"{data.decode()} ended"

    def seen(act: Callable[[tlskit.SSLPort], None], **options: bool) -> str:
        with stdlib_server(theirs(vault, version), end) as server:
            port = connected(vault, server.port, **options)
            port.output.write(b"all")
            act(port)
            return server.result()

    assert "all ended" == seen(lambda port: port.close())
    assert "all cut off" == seen(lambda port: port.abandon())
    assert "all cut off" == seen(
        lambda port: port.close(), shutdown_on_close=False
    )


# -- close is bounded -------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time that ``close`` gives to a peer who doesn't read."""
    monkeypatch.setattr(farewell, "_FAREWELL", 0.2)
    monkeypatch.setattr(farewell, "_LINGER", 0.2)


def idle(sock: ssl.SSLSocket, over: threading.Event) -> None:
    """Say nothing, read nothing, and stay."""
    over.wait(PATIENCE)


def vanished(sock: ssl.SSLSocket, over: threading.Event) -> None:
    """Be gone with a reset."""
    reset(socket.socket(fileno=sock.detach()))


def talking(sock: ssl.SSLSocket, over: threading.Event) -> None:
    """Talk without end, and never listen."""
    try:
        while not over.is_set():
            sock.sendall(b"x" * 16384)
    except OSError:
        pass


@pytest.mark.parametrize("peer", [idle, vanished, talking])
@pytest.mark.parametrize("notify", [True, False])
@pytest.mark.usefixtures("hasty")
def test_close_is_bounded(
    vault: Vault,
    version: str,
    peer: Callable[[ssl.SSLSocket, threading.Event], None],
    notify: bool,
) -> None:
    """``close`` ends with an idle, a vanished and a talking peer."""
    over = threading.Event()
    with stdlib_server(
        theirs(vault, version), lambda sock: peer(sock, over)
    ) as server:
        port = connected(vault, server.port, shutdown_on_close=notify)
        port.settimeout(None)
        # Nobody limits the wait but close() itself.
        Task(port.close).result()
        over.set()
        server.result()

        assert port.closed
        assert -1 == port.fileno()


@pytest.mark.usefixtures("hasty")
def test_close_is_bounded_when_nothing_fits(
    vault: Vault, version: str
) -> None:
    """``close`` ends although the peer's buffers are full."""
    over = threading.Event()
    with stdlib_server(
        theirs(vault, version), lambda sock: idle(sock, over)
    ) as server:
        port = connected(vault, server.port)
        port.settimeout(0.2)
        with pytest.raises(TimeoutError):
            while True:
                port.sendall(b"x" * 1000000)
        port.settimeout(None)
        Task(port.close).result()
        over.set()
        server.task.settle()

        assert port.closed


def test_timed_out_handshake_does_not_linger(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silent peer costs the time-out and no more: it is owed no alert."""
    monkeypatch.setattr(farewell, "_LINGER", 10 * PATIENCE)
    over = threading.Event()
    with TcpServer(lambda sock: over.wait(PATIENCE)) as server:
        error = Task(
            lambda: tlskit.connect(
                HOST, server.port, client_context(vault), timeout=0.05
            )
        ).settle()
        over.set()

        assert isinstance(error, TimeoutError)


def test_close_under_a_reader_is_no_truncation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The end that a reader sees because we closed is told as that."""
    monkeypatch.setattr(farewell, "_LINGER", 0.0)
    client, server = memory_pair(
        engines.client_context(), engines.server_context()
    )

    def closed_meanwhile(_buffer: memoryview) -> int:
        """Be closed by another thread, just when the reader looks."""
        Task(client.close).result()
        return 0

    monkeypatch.setattr(
        client._driver.transport, "read_into", closed_meanwhile
    )
    with pytest.raises(tlskit.ClosedError, match="this port was closed"):
        client.recv(1)
    server.close()


def test_close_wakes_reader(vault: Vault, version: str) -> None:
    """A thread that is blocked in ``recv`` is woken by ``close``."""
    over = threading.Event()
    with stdlib_server(
        theirs(vault, version), lambda sock: idle(sock, over)
    ) as server:
        port = connected(vault, server.port)
        port.settimeout(None)
        reader = Task(port.recv, 100)
        Task(port.close).result()
        error = reader.settle()
        over.set()

        assert isinstance(error, tlskit.ClosedError)


# -- deadlines --------------------------------------------------------------


def test_recv_deadline(vault: Vault, version: str) -> None:
    """``recv`` gives up in time, and the connection goes on."""
    over = threading.Event()

    def talk(sock: ssl.SSLSocket) -> None:
        over.wait(PATIENCE)
        sock.sendall(b"late")
        sock.unwrap()

    with (
        stdlib_server(theirs(vault, version), talk) as server,
        connected(vault, server.port) as port,
    ):
        port.settimeout(0.05)
        with pytest.raises(TimeoutError):
            port.recv(100)
        over.set()
        port.settimeout(PATIENCE)

        assert b"late" == port.recv(100)


def test_recv_deadline_is_one_deadline(vault: Vault) -> None:
    """A peer that drips bytes of one record can't prolong the wait."""
    over = threading.Event()

    def drip(sock: socket.socket) -> None:
        wrapped = MemoryServer(sock, theirs(vault, "tls13"))
        for byte in wrapped.encrypt(b"a message"):
            if over.wait(0.02):
                return
            sock.sendall(bytes([byte]))

    with (
        TcpServer(drip) as server,
        connected(vault, server.port) as port,
    ):
        port.settimeout(0.1)
        with pytest.raises(TimeoutError):
            port.recv(100)
        over.set()


class MemoryServer:
    """The standard library's TLS over a socket, by hand."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                sock.sendall(self._out.read())
                self._in.write(sock.recv(65536))
            else:
                sock.sendall(self._out.read())
                return

    def encrypt(self, data: bytes) -> bytes:
        """Make a record."""
        self._tls.write(data)
        return self._out.read()


def test_send_deadline_loses_nothing(vault: Vault, version: str) -> None:
    """After a time-out in ``send`` the stream goes on where it stopped."""
    ready = threading.Event()

    def talk(sock: ssl.SSLSocket) -> bytes:
        ready.wait(PATIENCE)
        data = b""
        while more := sock.recv(262144):
            data += more
        return data

    with stdlib_server(theirs(vault, version), talk) as server:
        with connected(vault, server.port) as port:
            port.settimeout(0.1)
            sent = 0
            try:
                while True:
                    block = bytes([sent % 251]) * 100000
                    port.sendall(block)
                    sent += 1
            except TimeoutError:
                pass
            port.settimeout(PATIENCE)
            ready.set()
            port.sendall(b"the end")
        data = server.result()

        whole = b"".join(bytes([n % 251]) * 100000 for n in range(sent + 1))
        rest = data[sent * 100000 :]
        assert whole[: sent * 100000] == data[: sent * 100000]
        assert rest.endswith(b"the end")
        # What had been encrypted of the interrupted block came, once.
        assert set(rest[: -len(b"the end")]) <= {sent % 251}
        assert len(rest) <= 100000 + len(b"the end")


def test_non_blocking(vault: Vault, version: str) -> None:
    """Without anything to read, a non-blocking port says so at once."""
    over = threading.Event()
    with (
        stdlib_server(
            theirs(vault, version), lambda sock: idle(sock, over)
        ) as server,
        connected(vault, server.port) as port,
    ):
        port.setblocking(False)
        with pytest.raises(tlskit.WantReadError) as caught:
            port.recv(1)
        over.set()

        assert isinstance(caught.value, BlockingIOError)


@pytest.mark.parametrize("meanwhile", ["close", "recv"])
def test_another_port_in_the_middle_of_a_read(
    monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """The garbage collector, or a signal's handler, may use other ports.

    That harms nothing of what has come in and is not decrypted yet.
    """
    client, server = over_sockets()
    other, its_peer = over_sockets()
    real = client._driver.engine.decrypt

    def interrupted(
        data: bytes | bytearray | memoryview, buffer: memoryview
    ) -> int | None:
        """Come to the data late."""
        if meanwhile == "close":
            other.close()
        else:
            assert b"noise" * 1000 == read_exactly(other, 5000)
        return real(data, buffer)

    monkeypatch.setattr(client._driver.engine, "decrypt", interrupted)
    with client, server, other, its_peer:
        its_peer.sendall(b"noise" * 1000)
        server.sendall(b"precious")

        assert b"precious" == client.recv(100)
