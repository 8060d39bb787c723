"""What a peer sends without end is neither kept nor waited for."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

import tlskit
from tlskit.openssl.records import Backlog
from tlskit.ports.port import SSLPort
from tlskit.tools.deadline import LONGEST, Deadline
from tlskit.tools.early import MOST_EARLY, Early

from .. import engines
from ..engines import authority, client_context, server_context
from ..joined import over_sockets
from ..peers import PATIENCE, Task


def test_a_time_out_is_no_nan():
    """NaN compares with nothing, so it would never pass."""
    with pytest.raises(ValueError, match="NaN"):
        Deadline.after(math.nan)


def test_an_endless_time_out_can_be_waited_for():
    """What the system is given is a number that it bears."""
    left = Deadline.after(math.inf).left()

    assert left == LONGEST


def test_early_plaintext_keeps_its_order():
    """Pieces are given in order, in parts if need be."""
    early = Early()
    early.put(memoryview(b"abc"))
    early.put(memoryview(b"de"))
    buffer = memoryview(bytearray(2))

    assert early.take(buffer) == 2
    assert bytes(buffer) == b"ab"
    assert early.take(buffer) == 1
    assert early.size == 2


def test_early_plaintext_is_full_at_its_limit():
    """No more than a mebibyte is kept."""
    early = Early()
    early.put(memoryview(bytes(MOST_EARLY)))

    assert early.full


def test_a_backlog_is_given_record_by_record():
    """A record at a time, and at the end what there is of the next."""
    backlog = Backlog()
    backlog.put(b"\x17\x03\x03\x00\x02ab\x17\x03\x03\x00\x09c")

    assert backlog.take() == b"\x17\x03\x03\x00\x02ab"
    assert backlog.take() == b"\x17\x03\x03\x00\x09c"
    assert backlog.take() == b""
    backlog.put(b"rest")
    assert len(backlog) == 4
    assert backlog.rest() == b"rest"


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_a_session_that_fails_keeps_nothing(version: str) -> None:
    """What came before is read; the ciphertext behind it is forgotten."""
    client, server = engines.pair(client_context(version))
    client.write(memoryview(b"abc"))
    engines.move(client, server)
    assert 3 == server.pending()
    server.receive(b"\x17\x03\x03\x00\x20" + bytes(32) + bytes(100000))
    server.hear_out()

    assert server.failure is not None
    assert b"" == server.leftover()
    assert 3 == server.decrypted
    assert b"abc" == engines.read(server)
    assert 0 == server.decrypted
    with pytest.raises(tlskit.StreamError):
        engines.read(server)


# -- over sockets -----------------------------------------------------------


class Flood:
    """Somebody who writes to a socket for as long as it takes anything."""

    #: More than anybody may take, and far less than would hurt.
    MOST = 64 * 1048576

    def __init__(self, sock: socket.socket, data: bytes) -> None:
        self.sent = 0
        self._sock, self._data = sock, data
        sock.settimeout(PATIENCE)
        self._task = Task(self._run)

    def _run(self) -> None:
        with suppress(OSError):
            while self.sent < self.MOST:
                self.sent += self._sock.send(self._data)

    def settle(self) -> int:
        """Wait for the end; give what was taken."""
        self._task.settle()
        return self.sent


@pytest.fixture(params=["tls12", "tls13"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[SSLPort, SSLPort]]:
    """A client's port and a server's, over a pair of sockets."""
    ports = over_sockets(client=client_context(request.param))
    yield ports
    for port in ports:
        with suppress(OSError):
            port.close()


def raw(port: SSLPort) -> socket.socket:
    """Give a socket of one's own for what is beneath a port."""
    return socket.fromfd(port.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)


@pytest.mark.parametrize("ending", ["broken", "ended", "open"])
def test_close_takes_no_flood_in(pair, ending):
    """Whatever state the session is in, ``close`` is bounded in bytes."""
    client, server = pair
    client.settimeout(PATIENCE)
    with raw(server) as sock:
        if ending == "ended":
            server.shutdown(socket.SHUT_WR)
            assert b"" == client.recv(1)
        flood = Flood(sock, b"\x17\x03\x03\x40\x00" + bytes(16384))
        if ending == "broken":
            with pytest.raises(tlskit.StreamError):
                client.recv(1)
        client.close()
        taken = flood.settle()

    assert taken < Flood.MOST // 4


def test_connect_takes_no_flood_in():
    """Garbage instead of a ServerHello fails; what follows is not kept."""
    left, right = socket.socketpair()
    with left, right:
        flood = Flood(right, b"\x16\x03\x03\x40\x00" + b"\xff" * 16384)
        left.settimeout(PATIENCE)
        with pytest.raises(tlskit.TLSError):
            SSLPort.start_tls(left, client_context(), hostname="localhost")
        left.close()
        taken = flood.settle()

    assert taken < Flood.MOST // 4


def test_nothing_is_read_while_much_is_owed(pair, monkeypatch):
    """Who owes answers to a peer that does not read waits for room."""
    monkeypatch.setattr("tlskit.ports.blocking.flow._MOST_OWED", 1000)
    client, server = pair
    driver = client._driver
    with raw(client) as sock:
        sock.setblocking(False)
        filler = 0
        with suppress(BlockingIOError):
            while True:
                filler += sock.send(bytes(65536))
    driver._owed = 2000
    driver._enqueue(b"")
    driver._unsent = memoryview(b"answer")
    client.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(PATIENCE)
    task = Task(client.recv, 5)
    with raw(server) as sock:
        sock.settimeout(PATIENCE)
        left = filler + len(b"answer")
        while left:
            left -= len(sock.recv(min(left, 65536)))
    server.sendall(b"hello")

    assert b"hello" == task.result()
    assert 0 == driver._owed


def test_a_writer_that_goes_on_does_not_outlast_a_reader(pair, monkeypatch):
    """Who waits for a writer, to send what is owed, has a deadline."""
    monkeypatch.setattr("tlskit.ports.blocking.flow._MOST_OWED", 1000)
    client, _ = pair
    driver = client._driver
    driver._owed = 2000
    driver._unsent = memoryview(b"answer")
    client.settimeout(0.2)
    with driver._writing, pytest.raises(TimeoutError):
        client.recv(1)


def test_who_has_sent_looks_once_more(pair, monkeypatch):
    """What a reader owes by then goes out, too; nobody else would send it."""
    client, _ = pair
    driver = client._driver
    flush = driver._flush

    def meanwhile(deadline: Deadline) -> None:
        flush(deadline)
        driver.engine.owes = True

    monkeypatch.setattr(driver, "_flush", meanwhile)
    driver.finish_sending(Deadline.after(PATIENCE))

    assert not driver.engine.owes


def test_an_alert_behind_a_reset_is_heard():
    """A server that wants a certificate refuses before we have written."""
    server, client = server_context(), client_context("tls13")
    server.load_verify_source(tlskit.VerifySource.pem(authority().pem))
    server.set_verify()
    with tlskit.listen(hostname="127.0.0.1", context=server) as listener:
        task = Task(listener.accept, PATIENCE)
        port = tlskit.connect(
            "127.0.0.1",
            listener.port,
            client,
            hostname="localhost",
            timeout=PATIENCE,
        )
        assert isinstance(task.settle(), tlskit.VerificationError)
    with port, pytest.raises(tlskit.AlertError) as caught:
        while True:
            port.sendall(b"x")

    assert isinstance(caught.value.__cause__, OSError)


def test_data_instead_of_a_certificate_is_bounded(monkeypatch):
    """A client that talks on while it is asked for a certificate fails."""
    monkeypatch.setattr("tlskit.tools.early.MOST_EARLY", 20000)
    client, server = over_sockets(client=client_context("tls12"))
    with client, server:
        server.settimeout(PATIENCE)
        client.sendall(bytes(50000))
        with pytest.raises(tlskit.StreamError) as caught:
            server.set_verify()

    assert "no-answer" == caught.value.code
