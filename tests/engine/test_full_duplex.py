"""One thread reads while another writes, both directions at once."""

from __future__ import annotations

import hashlib
import socket

import pytest

import tlskit

from ..peers import (
    HOST,
    PATIENCE,
    VERSIONS,
    Task,
    Vault,
    client_context,
    s_server,
    server_context,
    serving,
)

MEGABYTES = 100


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


def block(number: int, seed: int) -> bytes:
    """Make one of the different megabytes that are sent."""
    return hashlib.shake_128(bytes([number % 5, seed])).digest(1 << 20)


def push(port: tlskit.SSLPort, seed: int) -> str:
    """Send everything, then close_notify; give the digest of what was sent."""
    digest = hashlib.blake2b()
    blocks = [block(number, seed) for number in range(5)]
    for number in range(MEGABYTES):
        data = blocks[number % 5]
        digest.update(data)
        port.sendall(data)
    port.shutdown(socket.SHUT_WR)
    return digest.hexdigest()


def pull(port: tlskit.SSLPort) -> tuple[int, str]:
    """Read to the end; give the amount and the digest of what came."""
    digest = hashlib.blake2b()
    count = 0
    buffer = memoryview(bytearray(1 << 18))
    while size := port.recv_into(buffer):
        digest.update(buffer[:size])
        count += size
    return count, digest.hexdigest()


@pytest.mark.parametrize("version", VERSIONS)
def test_full_duplex(vault: Vault, version: str) -> None:
    """100 MB each way at the same time, byte for byte, two threads a port."""

    def both(port: tlskit.SSLPort) -> tuple[str, tuple[int, str]]:
        sender = Task(push, port, port._engine.server_side)
        received = pull(port)
        return sender.result(), received

    with (
        serving(server_context(vault.leaf(), version), both) as server,
        tlskit.connect(
            HOST, server.port, client_context(vault), timeout=PATIENCE
        ) as port,
    ):
        port.settimeout(None)
        our_digest, (our_count, our_sight) = both(port)
        their_digest, (their_count, their_sight) = server.result()

    assert (MEGABYTES << 20, their_digest) == (our_count, our_sight)
    assert (MEGABYTES << 20, our_digest) == (their_count, their_sight)
    assert our_digest != their_digest


@pytest.mark.parametrize("version", VERSIONS)
def test_send_while_recv_is_blocked(vault: Vault, version: str) -> None:
    """A thread that is blocked in ``recv`` doesn't hold up one that sends."""
    with (
        s_server(vault.leaf(), *("-" + version.replace("tls1", "tls1_"),)) as (
            peer,
            number,
        ),
        tlskit.connect(
            HOST, number, client_context(vault), timeout=PATIENCE
        ) as port,
    ):
        reader = Task(port.recv, 100)
        for line in range(50):
            port.sendall(b"line %d\n" % line)
        peer.until("^line 49$")
        assert reader.running
        peer.say("enough\n")

        assert b"enough\n" == reader.result()


def test_both_write_and_nobody_reads_yet(vault: Vault) -> None:
    """Two sides that both write first, and read later, don't block for ever.

    While a writer waits for room it takes in what the peer sends.
    """
    data = block(1, 1) * 1

    def write_then_read(port: tlskit.SSLPort) -> bytes:
        port.sendall(data)
        return port.input.read(len(data))

    with (
        serving(server_context(vault.leaf()), write_then_read) as server,
        tlskit.connect(
            HOST, server.port, client_context(vault), timeout=PATIENCE
        ) as port,
    ):
        assert data == write_then_read(port)
        assert data == server.result()
