"""``start_tls``: STARTTLS over transports and streams, and TLS in TLS."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from tlskit import aio
from tlskit.errors import (
    ClosedError,
    ConfigurationError,
    HandshakeError,
    IdentityError,
    NotTLSError,
    StreamError,
    TruncatedError,
    UnsupportedError,
)

from ..engines import client_context, server_context
from ..looping import LOOPS, joined, run_on, stdlib_contexts, until
from ..peers import HOST


@pytest.fixture(params=LOOPS)
def run(request):
    """What runs a coroutine, on each kind of loop."""
    return run_on(request.param)


@asynccontextmanager
async def streams():
    """Join two pairs of asyncio's streams over TCP."""
    arrived = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def handler(reader, writer):
        arrived.set_result((reader, writer))
        await over.wait()
        writer.close()

    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    number = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    try:
        yield (reader, writer), await arrived
    finally:
        over.set()
        writer.close()
        server.close()
        await server.wait_closed()
        await until(lambda: len(asyncio.all_tasks()) <= 2)


async def upgraded(left, right, **options):
    """Upgrade both ends at once: the client's port, and the server's."""
    return await asyncio.gather(
        aio.start_tls(left, client_context(), hostname=HOST, timeout=10),
        aio.start_tls(
            right, server_context(), server_side=True, timeout=10, **options
        ),
    )


async def exchange(ours, theirs):
    """Send a lot both ways."""
    data = bytes(range(256)) * 4096
    ours.write(data)
    theirs.write(data[::-1])
    results = await asyncio.gather(
        ours.readexactly(len(data)), theirs.readexactly(len(data))
    )
    assert [data[::-1], data] == results


def test_streams_are_upgraded(run):
    """After a plain conversation both sides go on in TLS."""

    async def main():
        async with streams() as (left, right):
            left[1].write(b"STARTTLS\n")
            assert b"STARTTLS\n" == await right[0].readline()
            right[1].write(b"go on\n")
            assert b"go on\n" == await left[0].readline()
            ours, theirs = await upgraded(left, right)
            async with ours, theirs:
                assert ours.peer_verified
                assert ours.peer == theirs.name
                await exchange(ours, theirs)
            await asyncio.wait_for(left[1].wait_closed(), 10)

    run(main())


def test_what_a_reader_holds_is_not_lost(run):
    """A handshake that began in the reader's buffer is gone on with."""

    async def main():
        async with streams() as (left, right):
            left[1].write(b"STARTTLS\n")
            starting = asyncio.ensure_future(
                aio.start_tls(left, client_context(), hostname=HOST)
            )
            assert b"STARTTLS\n" == await right[0].readline()
            # The ClientHello is in the reader's buffer by now.
            await until(lambda: len(right[0]._buffer) > 100)
            theirs = await aio.start_tls(
                right, server_context(), server_side=True
            )
            ours = await starting
            async with ours, theirs:
                await exchange(ours, theirs)

    run(main())


def test_a_reader_at_its_end_is_no_peer(run):
    """An end that the reader has seen ends the handshake."""

    async def main():
        async with streams() as (left, right):
            left[1].write_eof()
            await until(right[0].at_eof)
            with pytest.raises(HandshakeError, match="closed"):
                await aio.start_tls(right, server_context(), server_side=True)

    run(main())


def test_a_command_behind_starttls_is_no_part_of_the_session(run):
    """Plain text injected after STARTTLS is refused, not obeyed."""

    async def main():
        async with streams() as (left, right):
            left[1].write(b"STARTTLS\nDELETE everything\n")
            await right[0].readline()
            with pytest.raises(NotTLSError):
                await aio.start_tls(right, server_context(), server_side=True)
            assert right[1].transport.is_closing()

    run(main())


def test_transports_are_upgraded(run):
    """A bare transport will do; bytes read from it are given along."""

    async def main():
        async with streams() as (left, right):
            starting = asyncio.ensure_future(
                aio.start_tls(left, client_context(), hostname=HOST)
            )
            first = await right[0].readexactly(5)
            transport = right[1].transport
            rest = await right[0].read(65536)
            theirs = await aio.start_tls(
                transport,
                server_context(),
                server_side=True,
                pending=first + rest,
            )
            ours = await starting
            async with ours, theirs:
                await exchange(ours, theirs)

    run(main())


def test_tls_in_tls(run):
    """A port carries another session, which ends with its own goodbye."""

    async def main():
        async with joined() as (outer, far):
            outer.write(b"CONNECT\n")
            assert b"CONNECT\n" == await far.readline()
            ours, theirs = await upgraded(outer, far)
            assert ours.peer_verified
            await exchange(ours, theirs)
            ours.write(b"last")
            ours.write_eof()
            assert b"last" == await theirs.read()
            await asyncio.gather(ours.aclose(), theirs.aclose())
            assert outer.closed
            assert far.closed

    run(main())


def test_what_a_port_holds_is_not_lost(run):
    """A handshake that the outer port has decrypted is gone on with."""

    async def main():
        async with joined() as (outer, far):
            outer.write(b"CONNECT\n")
            starting = asyncio.ensure_future(
                aio.start_tls(outer, client_context(), hostname=HOST)
            )
            await until(lambda: far._driver._held > 300)
            assert b"CONNECT\n" == await far.readline()
            assert far._ahead
            theirs = await aio.start_tls(
                far, server_context(), server_side=True
            )
            ours = await starting
            await exchange(ours, theirs)
            await asyncio.gather(ours.aclose(), theirs.aclose())

    run(main())


def test_an_outer_output_that_was_closed_breaks_the_inner(run):
    """Who closes a tunnel's output under a session can't write there."""

    async def main():
        async with joined() as (outer, far):
            ours, theirs = await upgraded(outer, far)
            assert ours._driver.transport.get_extra_info("socket")
            assert ours._driver is ours._driver.transport.get_protocol()
            outer.write_eof()
            ours.write(b"late")
            ours.flush()
            with pytest.raises(ClosedError):
                await ours.read(1)
            with pytest.raises(TruncatedError):
                await theirs.read(1)
            await asyncio.gather(ours.aclose(), theirs.aclose())

    run(main())


def test_garbage_in_the_tunnel_breaks_the_inner(run):
    """What breaks the outer session is what the inner reader is told."""

    async def main():
        async with joined() as (outer, far):
            ours, theirs = await upgraded(outer, far)
            outer._driver.feed(b"\x17\x03\x03\x00\x20" + bytes(32))
            with pytest.raises(StreamError) as caught:
                await ours.read(1)
            assert not isinstance(caught.value, TruncatedError)
            await asyncio.gather(ours.aclose(), theirs.aclose())

    run(main())


def test_sockets_without_addresses(run, tmp_path):
    """TLS over a Unix socket has no addresses to tell, and works."""
    path = str(tmp_path / "socket")

    async def main():
        async def handler(reader, writer):
            async with await aio.start_tls(
                (reader, writer), server_context(), server_side=True
            ) as port:
                port.write(await port.readline())

        server = await asyncio.start_unix_server(handler, path)
        async with await aio.start_tls(
            await asyncio.open_unix_connection(path),
            client_context(),
            hostname=HOST,
        ) as port:
            assert port.peer is None
            with pytest.raises(UnsupportedError, match="TCP"):
                port.addresses()
            port.write(b"line\n")
            assert b"line\n" == await port.read()
        server.close()
        await server.wait_closed()
        await until(lambda: len(asyncio.all_tasks()) <= 2)

    run(main())


def test_tls_in_tls_holds_back_a_fast_writer(run):
    """Back-pressure reaches through both sessions, and lets go again."""
    data = bytes(16 << 20)

    async def main():
        async with joined() as (outer, far):
            ours, theirs = await upgraded(outer, far)
            ours.write(data)
            with pytest.raises(TimeoutError):
                await ours.drain(timeout=0.1)
            assert theirs._driver._paused
            assert ours._driver.transport.get_write_buffer_size() < 1 << 20
            draining = asyncio.ensure_future(ours.drain())
            assert data == await theirs.readexactly(len(data))
            await draining
            ours.abort()
            with pytest.raises((TruncatedError, ConnectionError)):
                await theirs.read(1)
            await theirs.aclose()

    run(main())


def test_what_ends_the_outer_session_ends_the_inner(run):
    """A tunnel that closes under a session is told as truncation."""

    async def main():
        async with joined() as (outer, far):
            ours, theirs = await upgraded(outer, far)
            reading = asyncio.ensure_future(theirs.read(1))
            await asyncio.sleep(0)
            await outer.aclose()
            with pytest.raises(TruncatedError):
                await reading
            with pytest.raises(OSError, match="closed"):
                await ours.read(1)
            await asyncio.gather(ours.aclose(), theirs.aclose())

    run(main())


def test_a_broken_tunnel_is_told(run):
    """What breaks the outer session is what the inner reader gets."""

    async def main():
        async with joined() as (outer, far):
            ours, theirs = await upgraded(outer, far)
            far.abort()
            with pytest.raises((TruncatedError, ConnectionError)):
                await ours.read(1)
            ours.abort()
            await asyncio.gather(ours.aclose(), theirs.aclose())

    run(main())


def test_over_asyncios_own_tls(run):
    """A transport of asyncio's TLS carries a session as well."""
    ours_context, theirs_context = stdlib_contexts()

    async def main():
        loop = asyncio.get_running_loop()
        async with streams() as (left, right):
            outer, far = await asyncio.gather(
                loop.start_tls(
                    left[1].transport,
                    asyncio.Protocol(),
                    ours_context,
                    server_hostname=HOST,
                ),
                loop.start_tls(
                    right[1].transport,
                    asyncio.Protocol(),
                    theirs_context,
                    server_side=True,
                ),
            )
            ours, theirs = await upgraded(outer, far)
            await exchange(ours, theirs)
            await asyncio.gather(ours.aclose(), theirs.aclose())

    run(main())


def test_the_wrong_host_is_refused(run):
    """An upgrade checks the name as a connection does, and then closes."""

    async def main():
        async with streams() as (left, right):
            results = await asyncio.gather(
                aio.start_tls(
                    left, client_context(), hostname="wrong.example"
                ),
                aio.start_tls(right, server_context(), server_side=True),
                return_exceptions=True,
            )
            assert isinstance(results[0], IdentityError)
            assert isinstance(results[1], HandshakeError)
            assert left[1].transport.is_closing()

    run(main())


def test_a_silent_peer_meets_the_deadline(run):
    """A handshake over a stream ends in time."""

    async def main():
        async with streams() as (left, _):
            with pytest.raises(TimeoutError):
                await aio.start_tls(
                    left, client_context(), hostname=HOST, timeout=0.05
                )
            assert left[1].transport.is_closing()

    run(main())


def test_cancelling_an_upgrade_closes(run):
    """Who cancels a handshake has no half of it left."""

    async def main():
        async with streams() as (left, _):
            starting = asyncio.ensure_future(
                aio.start_tls(left, client_context(), hostname=HOST)
            )
            await asyncio.sleep(0)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            assert left[1].transport.is_closing()

    run(main())


def test_impossible_upgrades(run):
    """What can't work is refused before a byte is sent."""

    async def main():
        async with streams() as (left, right):
            with pytest.raises(ConfigurationError, match="alpn"):
                await aio.start_tls(
                    left, server_context(), server_side=True, alpn=["h2"]
                )
            with pytest.raises(ConfigurationError, match="there is none"):
                await aio.start_tls(left, client_context())
            with pytest.raises(ClosedError):
                await aio.start_tls(left, client_context(), hostname=HOST)
            with pytest.raises(ConfigurationError, match="ServerContext"):
                await aio.start_tls(right, client_context(), server_side=True)
            assert b"" == await right[0].read()

    run(main())


def test_alpn_is_offered(run):
    """An upgrade offers protocols as a connection does."""
    server = server_context()
    server.set_alpn(["h2"])

    async def main():
        async with streams() as (left, right):
            ours, theirs = await asyncio.gather(
                aio.start_tls(
                    left,
                    client_context(),
                    hostname=HOST,
                    alpn=["h2"],
                ),
                aio.start_tls(right, server, server_side=True),
            )
            async with ours, theirs:
                assert "h2" == ours.alpn_selected == theirs.alpn_selected

    run(main())


@pytest.mark.parametrize("stream", [None, 3, "stream", (1, 2), (1, 2, 3)])
def test_what_can_be_no_stream(run, stream):
    """Only what has a transport can be upgraded, and the error says so."""

    async def main():
        with pytest.raises(TypeError, match="a stream is a transport"):
            await aio.start_tls(stream, client_context(), hostname=HOST)

    run(main())
