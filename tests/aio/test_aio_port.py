"""An asynchronous port: reading, writing, deadlines, cancellation, the end."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

import pytest

from tlskit import aio
from tlskit.aio import AsyncSSLPort
from tlskit.aio.signal import Signal
from tlskit.errors import (
    AlertError,
    ClosedError,
    StreamError,
    TruncatedError,
    VerificationError,
)
from tlskit.openssl import native
from tlskit.tools.deadline import Deadline

from ..engines import authority, client_context, server_context
from ..looping import LOOPS, joined, run_on, serving, until
from ..peers import HOST


@pytest.fixture(params=LOOPS)
def run(request):
    """What runs a coroutine, on each kind of loop."""
    return run_on(request.param)


@pytest.fixture(params=["tls12", "tls13", "without native"])
def client(request):
    """A client's context for each version, and one without any capability."""
    if request.param != "without native":
        yield client_context(request.param)
        return
    with native.without():
        yield client_context()


# -- reading and writing ----------------------------------------------------


def test_bytes_go_both_ways(run, client):
    """What is written at one end is read at the other."""

    async def main():
        async with joined(client) as (ours, theirs):
            ours.write(b"hello")
            ours.flush()
            assert b"hel" == await theirs.read(3)
            assert b"lo" == await theirs.read(100)
            theirs.write(b"world")
            assert b"world" == await ours.readexactly(5)

    run(main())


def test_the_facts_are_there(run):
    """An asynchronous port tells what a blocking one tells."""

    async def main():
        async with joined() as (ours, theirs):
            assert ours.peer_verified
            assert not theirs.peer_verified
            assert ours.version == theirs.version
            assert ours.cipher == theirs.cipher
            assert HOST == theirs.server_name
            assert ours.name == theirs.peer
            assert ours.channel_binding("tls-exporter") == (
                theirs.channel_binding("tls-exporter")
            )
            assert "127.0.0.1" == ours.info_values().hostname
            assert "open" in repr(ours)
        assert ours.peer_verified
        assert "closed" in repr(ours)

    run(main())


def test_many_small_writes_are_one_record(run, monkeypatch):
    """Writes of one turn of the loop leave together, in order."""

    async def main():
        async with joined() as (ours, theirs):
            sent = []
            engine = ours._engine
            for way, name in ((engine, "encrypt"), (ours._driver, "send_now")):
                whole = getattr(way, name)
                monkeypatch.setattr(
                    *(way, name),
                    lambda data, whole=whole: (
                        ((done := whole(data)) and sent.append(1)) or done
                    ),
                )
            for number in range(1000):
                ours.write(number.to_bytes(2, "big"))
            data = await theirs.readexactly(2000)

            assert [1] == sent
            assert list(range(1000)) == [
                int.from_bytes(data[at : at + 2], "big")
                for at in range(0, 2000, 2)
            ]

    run(main())


def test_huge_writes_arrive_intact(run, client):
    """Megabytes in one write go through, in order, both ways at once."""
    data = bytes(range(256)) * 16384

    async def push(port):
        port.write(data)
        await port.drain()

    async def main():
        async with joined(client) as (ours, theirs):
            results = await asyncio.gather(
                push(ours),
                push(theirs),
                ours.readexactly(len(data)),
                theirs.readexactly(len(data)),
            )
            assert [data, data] == results[2:]

    run(main())


def test_any_buffer_can_be_written_and_changed(run):
    """The port has taken its own copy when ``write`` returns."""

    async def main():
        async with joined() as (ours, theirs):
            small, large = bytearray(b"abcd"), bytearray(b"x" * 300_000)
            ours.write(memoryview(small).cast("I"))
            small[:] = b"...."
            ours.write(large)
            large[:] = b"." * len(large)

            assert b"abcd" == await theirs.readexactly(4)
            assert b"x" * len(large) == await theirs.readexactly(len(large))

    run(main())


def test_readinto_fills_the_buffer(run):
    """Bytes land in the caller's buffer; first those read ahead."""

    async def main():
        async with joined() as (ours, theirs):
            ours.write(b"hello world")
            await theirs.readexactly(1)
            buffer = bytearray(5)
            assert 5 == await theirs.readinto(buffer)
            assert b"ello " == buffer
            assert 5 == await theirs.readinto(bytearray(100))
            assert 0 == await theirs.readinto(bytearray())
            ours.write(b"straight")
            assert 5 == await theirs.readinto(buffer)
            assert b"strai" == buffer

    run(main())


def test_nothing_is_written_and_read(run):
    """No bytes are no record, and asking for none doesn't wait."""

    async def main():
        async with joined() as (ours, theirs):
            ours.write(b"")
            await ours.drain()
            assert b"" == await theirs.read(0)
            assert b"" == await theirs.readexactly(0)

    run(main())


def test_lines(run):
    """Lines come one by one; the last one needs no newline."""

    async def main():
        async with joined() as (ours, theirs):
            ours.write(b"one\ntwo\nthr")
            assert b"one\n" == await theirs.readline()
            ours.write(b"ee\nrest")
            ours.write_eof()
            assert [b"two\n", b"three\n", b"rest"] == [
                line async for line in theirs
            ]
            assert b"" == await theirs.readline()

    run(main())


def test_a_separator_may_come_in_pieces(run):
    """A separator is found where one record ends and another begins."""

    async def main():
        async with joined() as (ours, theirs):
            reading = asyncio.ensure_future(theirs.readuntil(b"\r\n\r\n"))
            for piece in (b"head\r\n", b"\r", b"\nbody"):
                ours.write(piece)
                await asyncio.sleep(0)
            assert b"head\r\n\r\n" == await reading
            assert b"body" == await theirs.read(100)

    run(main())


def test_a_line_has_a_limit(run):
    """A line that is too long is refused, and can still be read."""

    async def main():
        async with joined() as (ours, theirs):
            ours.write(b"x" * 100)
            with pytest.raises(asyncio.LimitOverrunError):
                await theirs.readline(limit=50)
            ours.write(b"\n")
            with pytest.raises(asyncio.LimitOverrunError):
                await theirs.readuntil(limit=99)
            assert b"x" * 100 + b"\n" == await theirs.readline(limit=100)

    run(main())


def test_an_end_that_comes_too_early(run):
    """Who wants more than there is gets what there is, in the error."""

    async def main():
        async with joined() as (ours, theirs):
            ours.write(b"abc")
            ours.write_eof()
            with pytest.raises(asyncio.IncompleteReadError) as caught:
                await theirs.readexactly(4)
            assert b"abc" == caught.value.partial
            with pytest.raises(asyncio.IncompleteReadError):
                await theirs.readuntil()

    run(main())


def test_impossible_reads(run):
    """What can't be read is refused before anything is taken."""

    async def main():
        async with joined() as (ours, theirs):
            with pytest.raises(ValueError, match="-1"):
                await theirs.readexactly(-1)
            with pytest.raises(ValueError, match="separator"):
                await theirs.readuntil(b"")
            with pytest.raises(ValueError, match="negative"):
                await theirs.read(1, timeout=-1)
            ours.write(b"x")
            assert b"x" == await theirs.read(1)

    run(main())


def test_one_reader_at_a_time(run):
    """A second reader is refused; the first one doesn't notice."""

    async def main():
        async with joined() as (ours, theirs):
            first = asyncio.ensure_future(theirs.readexactly(2))
            await asyncio.sleep(0)
            for second in (
                theirs.read(1),
                theirs.readline(),
                theirs.readinto(bytearray(1)),
                theirs.readexactly(1),
            ):
                with pytest.raises(RuntimeError, match="another coroutine"):
                    await second
            ours.write(b"ab")
            assert b"ab" == await first

    run(main())


# -- deadlines and cancellation ---------------------------------------------


def test_a_silent_peer_meets_the_deadline(run):
    """Every read ends in time, and the port is as good as before."""

    async def main():
        async with joined() as (ours, theirs):
            for reading in (
                theirs.read(1, timeout=0.01),
                theirs.readexactly(1, timeout=0.01),
                theirs.readline(timeout=0.01),
                theirs.readinto(bytearray(1), timeout=0.01),
                theirs.read(timeout=0.01),
            ):
                with pytest.raises(TimeoutError, match="sent nothing"):
                    await reading
            theirs.timeout = 0.01
            with pytest.raises(TimeoutError):
                await theirs.read(1)
            ours.write(b"x")
            assert b"x" == await theirs.read(1, timeout=10)

    run(main())


def test_a_deadline_does_not_restart(run):
    """A peer that dribbles does not put the deadline off."""

    async def main():
        async with joined() as (ours, theirs):

            async def dribble():
                while True:
                    ours.write(b".")
                    await asyncio.sleep(0)

            dribbling = asyncio.ensure_future(dribble())
            with pytest.raises(TimeoutError):
                await theirs.readexactly(1_000_000, timeout=0.1)
            dribbling.cancel()
            assert b"." == await theirs.read(1)

    run(main())


def test_a_cancelled_read_loses_nothing(run):
    """However often reads are cancelled, every byte is read once."""
    data = bytes(range(256)) * 1024

    async def main():
        async with joined() as (ours, theirs):

            async def push():
                for at in range(0, len(data), 1000):
                    ours.write(data[at : at + 1000])
                    await asyncio.sleep(0)
                ours.write_eof()

            pushing = asyncio.ensure_future(push())
            got = bytearray()
            kinds = [
                lambda: theirs.read(700),
                lambda: theirs.readexactly(3000),
                lambda: theirs.readuntil(b"\xff\x00"),
            ]
            cancelled = 0
            for turn in range(1_000_000):
                reading = asyncio.ensure_future(kinds[turn % 3]())
                for _ in range(turn % 4):
                    await asyncio.sleep(0)
                reading.cancel()
                try:
                    piece = await reading
                except asyncio.CancelledError:
                    cancelled += 1
                    continue
                except asyncio.IncompleteReadError as error:
                    piece = error.partial
                got += piece
                if not piece:
                    break
            await pushing
            assert cancelled > 10
            assert data == got

    run(main())


def test_a_cancelled_drain_neither_loses_nor_doubles(run):
    """Cancelled in mid-write, all that was written arrives once."""
    data = bytes(range(256)) * 65536

    async def main():
        async with joined() as (ours, theirs):
            ours.write(data)
            draining = asyncio.ensure_future(ours.drain())
            await asyncio.sleep(0)
            assert not draining.done()
            draining.cancel()
            with pytest.raises(asyncio.CancelledError):
                await draining
            with pytest.raises(TimeoutError, match="takes no more"):
                await ours.drain(timeout=0.01)
            ours.write(b"end")
            assert data == await theirs.readexactly(len(data))
            assert b"end" == await theirs.readexactly(3)
            await ours.drain()

    run(main())


# -- bounded memory ---------------------------------------------------------


def test_a_slow_reader_bounds_what_is_held(run):
    """Nobody reads: the writer stops, and both sides hold little."""
    piece = bytes(65536)

    async def main():
        async with joined() as (ours, theirs):
            sent = 0
            with pytest.raises(TimeoutError):
                while sent < 1 << 30:
                    ours.write(piece)
                    sent += len(piece)
                    await ours.drain(timeout=0.2)

            assert sent < 64 << 20
            # One slice is encrypted before the transport says that it is
            # full, and less than a prompt waits after that.
            assert ours._driver.backlog < 1 << 20
            assert theirs._driver._held <= 1 << 19
            assert theirs._driver._paused

            got = 0
            while got < sent:
                got += len(await theirs.read(1 << 18))
            await ours.drain()
            assert not theirs._ahead

    run(main())


# -- a session that breaks ---------------------------------------------------


def test_garbage_breaks_the_session_for_good(run):
    """After a bad record every call raises the same; the peer has an alert."""
    record = b"\x17\x03\x03\x00\x20" + bytes(32)

    async def main():
        async with joined() as (ours, theirs):
            ours.write(b"gathered")
            ours._driver.feed(record)
            with pytest.raises(StreamError) as caught:
                await ours.read(1)
            await asyncio.sleep(0)  # The turn that would have sent it.
            for call in (
                lambda: ours.read(1),
                ours.drain,
                ours.handshake,
            ):
                with pytest.raises(StreamError) as again:
                    await call()
                assert caught.value is again.value
            with pytest.raises(StreamError):
                ours.write(b"more")
            ours._driver.feed(record)  # Of no use, and no harm.
            with pytest.raises(AlertError):
                await theirs.read(1)

    run(main())


def test_a_failing_flush_is_told_to_whoever_waits(run):
    """What is gathered when the session breaks can't be sent; drain says."""

    async def main():
        async with joined() as (ours, _):
            ours.write(bytes(32 << 20))
            draining = asyncio.ensure_future(ours.drain())
            await asyncio.sleep(0)
            ours._driver.feed(b"\x17\x03\x03\x00\x20" + bytes(32))
            with pytest.raises(StreamError):
                await ours.read(1)
            ours._driver.resume_writing()
            with pytest.raises(StreamError):
                await draining

    run(main())


def test_a_reset_is_a_plain_error(run):
    """A connection that is reset raises the system's own error."""

    async def main():
        async with joined() as (ours, theirs):
            sock = theirs._driver.transport.get_extra_info("socket")
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            theirs.abort()
            with pytest.raises(ConnectionResetError):
                await ours.read(1)
            with pytest.raises(ConnectionResetError):
                ours.write(b"late")
            with pytest.raises(ConnectionResetError):
                await ours.drain()

    run(main())


# -- the end ----------------------------------------------------------------


def test_half_close(run, client):
    """After our close_notify the peer may still talk."""

    async def main():
        async with joined(client) as (ours, theirs):
            assert ours.can_write_eof()
            ours.write(b"question")
            ours.write_eof()
            ours.write_eof()
            assert b"question" == await theirs.read()
            with pytest.raises(ClosedError):
                ours.write(b"more")
            theirs.write(b"answer" * 100_000)
            await theirs.drain()
            theirs.write_eof()
            assert b"answer" * 100_000 == await ours.read()
            assert b"" == await ours.read(1)

    run(main())


def test_simultaneous_close(run, client):
    """Both close at once; neither hangs, and neither raises."""

    async def main():
        async with joined(client) as (ours, theirs):
            await asyncio.gather(ours.aclose(), theirs.aclose())
            await ours.aclose()
            assert ours.closed
            assert theirs.closed

    run(main())


def test_close_delivers_what_was_written(run):
    """Closing sends first what is still gathered."""
    data = bytes(3_000_000)

    async def main():
        async with joined() as (ours, theirs):
            ours.write(data)
            closing = asyncio.ensure_future(ours.aclose())
            assert data == await theirs.read()
            await closing

    run(main())


def test_without_close_notify_it_is_truncated(run, client):
    """An end that nobody announced is no end of file."""

    async def main():
        async with joined(client, shutdown_on_close=False) as (ours, theirs):
            ours.write(b"part")
            await ours.aclose()
            assert b"part" == await theirs.readexactly(4)
            with pytest.raises(TruncatedError):
                await theirs.read(1)
            with pytest.raises(TruncatedError):
                theirs.write(b"late")
            with pytest.raises(TruncatedError):
                await theirs.drain()

    run(main())


def test_truncation_may_be_allowed(run):
    """A context that allows it reads such an end as an end."""
    context = server_context(allow_truncation=True)

    async def main():
        pair = joined(server=context, shutdown_on_close=False)
        async with pair as (ours, theirs):
            ours.write(b"part")
            await ours.aclose()
            assert b"part" == await theirs.read()

    run(main())


def test_close_while_reading(run):
    """Who reads is told that the port was closed under it."""

    async def main():
        async with joined() as (ours, theirs):
            reading = asyncio.ensure_future(ours.read(1))
            await asyncio.sleep(0)
            await ours.aclose()
            with pytest.raises(ClosedError):
                await reading
            for late in (ours.read(1), ours.drain(), ours.handshake()):
                with pytest.raises(ClosedError):
                    await late
            with pytest.raises(ClosedError):
                ours.write(b"late")
            with pytest.raises(ClosedError):
                ours.write_eof()
            assert b"" == await theirs.read(1)

    run(main())


def test_abort_is_heard_as_a_broken_stream(run):
    """Aborting drops everything, and the peer can't take it for an end."""

    async def main():
        async with joined() as (ours, theirs):
            reading = asyncio.ensure_future(theirs.read(1))
            ours.write(b"lost")
            ours.abort()
            with pytest.raises((TruncatedError, ConnectionError)):
                await reading
            with pytest.raises((TruncatedError, ConnectionError)):
                theirs.write(b"late")
            with pytest.raises((TruncatedError, ConnectionError)):
                await theirs.drain()

    run(main())


def test_closing_to_a_peer_that_takes_nothing_is_bounded(run):
    """A peer that does not read can't hold our end."""

    async def main():
        async with joined() as (ours, _):
            ours.write(bytes(32 << 20))
            await ours.aclose(timeout=0.05)
            assert ours.closed
            assert ours._driver.backlog == 0

    run(main())


def test_a_cancelled_close_closes_at_once(run):
    """Cancelling the farewell leaves no transport open."""

    async def main():
        async with joined() as (ours, _):
            ours.write(bytes(32 << 20))
            closing = asyncio.ensure_future(ours.aclose())
            await asyncio.sleep(0)
            assert not closing.done()
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            await until(lambda: ours._driver._lost)

    run(main())


def test_a_peer_that_never_stops_is_not_heard_out(run, monkeypatch):
    """So much is taken in after a close, and no more."""
    monkeypatch.setattr("tlskit.aio.driver._MOST_DRAINED", 3000)

    async def main():
        async with joined() as (ours, theirs):
            theirs.write(b"word")  # Tickets are behind us then.
            assert b"word" == await ours.readexactly(4)
            before = ours._driver._held
            theirs.write(bytes(1000))
            await until(lambda: ours._driver._held >= before + 1000)
            closing = asyncio.ensure_future(ours.aclose())
            while not closing.done():
                with suppress(OSError):
                    theirs.write(bytes(1000))
                    theirs.flush()
                await asyncio.sleep(0)
            await closing
            assert ours._driver._drained >= 3000

    run(main())


def test_a_peer_that_vanishes_ends_a_close(run):
    """Closing ends at once when nobody takes what is left."""

    async def main():
        async with joined() as (ours, theirs):
            ours.write(bytes(32 << 20))
            closing = asyncio.ensure_future(ours.aclose())
            await asyncio.sleep(0)
            assert not closing.done()
            theirs.abort()
            await closing
            assert ours.closed

    run(main())


def test_waiting_until_all_is_sent_ends_with_the_transport(run):
    """What can't be sent any more is not waited for."""

    async def main():
        async with joined() as (ours, theirs):
            ours.write(bytes(32 << 20))
            assert ours._driver.transport.get_write_buffer_size()
            sending = asyncio.ensure_future(ours._driver._sent(Deadline()))
            await asyncio.sleep(0)
            assert not sending.done()
            theirs.abort()
            await sending

    run(main())


def test_a_transport_that_is_closed_under_a_port(run):
    """It reads as what it is: an end without close_notify."""

    async def main():
        async with joined() as (ours, _):
            reading = asyncio.ensure_future(ours.read(1))
            await asyncio.sleep(0)
            ours._driver.transport.close()
            with pytest.raises(TruncatedError):
                await reading

    run(main())


def test_woken_in_the_turn_of_the_deadline(run):
    """Who is woken and out of time at once was woken, and takes it."""

    async def main():
        loop = asyncio.get_running_loop()
        signal = Signal(loop, "late")
        loop.call_later(0, signal.set)
        await signal.wait(Deadline.after(0))
        with pytest.raises(TimeoutError, match="late"):
            await signal.wait(Deadline.after(0))
        assert not signal.awaited

    run(main())


def test_leaving_a_block_by_cancellation_aborts(run):
    """``async with`` says no goodbye when its coroutine is cancelled."""

    async def main():
        async with joined() as (ours, theirs):

            async def hold():
                async with ours:
                    await asyncio.Event().wait()

            holding = asyncio.ensure_future(hold())
            await asyncio.sleep(0)
            holding.cancel()
            with suppress(asyncio.CancelledError):
                await holding
            assert ours.closed
            with pytest.raises((TruncatedError, ConnectionError)):
                await theirs.read(1)

    run(main())


# -- the handshake, and after it --------------------------------------------


def test_nothing_before_the_handshake(run):
    """Without a handshake nothing is read or written; then it is."""

    async def echo(port):
        port.write(await port.readexactly(1))

    async def main():
        async with serving(echo) as server:
            port = await aio.open_connection(
                "127.0.0.1",
                server.port,
                client_context(),
                hostname=HOST,
                handshake=False,
            )
            async with port:
                with pytest.raises(StreamError, match="before the handshake"):
                    port.write(b"early")
                with pytest.raises(StreamError, match="before the handshake"):
                    await port.read(1)
                await port.handshake(timeout=10)
                await port.handshake()
                port.write(b"x")
                assert b"x" == await port.read()

    run(main())


@pytest.mark.native
@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_a_client_is_asked_again(run, version):
    """A certificate can be demanded in mid-session, while data flows."""
    client = client_context(version)
    authority().issue("someone").apply(client)
    server = server_context()
    authority().trust(server)

    async def main():
        async with joined(client, server) as (ours, theirs):
            reading = asyncio.ensure_future(ours.readexactly(4))
            ours.write(b"meanwhile")
            await theirs.set_verify()
            assert b"/CN=someone" == theirs.peer_subject_name
            theirs.write(b"done")
            assert b"done" == await reading
            assert b"meanwhile" == await theirs.readexactly(9)
            await theirs.try_verify(False)
            await theirs.set_verify(False)

    run(main())


@pytest.mark.native
def test_a_client_without_a_certificate_is_refused_later(run):
    """Demanding what a client doesn't have breaks the session."""

    async def main():
        async with joined(client_context("tls12")) as (ours, theirs):
            reading = asyncio.ensure_future(ours.read(1))
            with pytest.raises(VerificationError):
                await theirs.set_verify()
            with pytest.raises(AlertError):
                await reading

    run(main())


def test_before_the_handshake_more_can_be_demanded(run):
    """What a port is told before its handshake holds for that port."""

    async def main():
        async def nothing(port):
            await port.read()

        async with serving(nothing) as server:
            context = client_context()
            context.set_verify(False)
            context.set_verify_hostname(False)
            port = await aio.open_connection(
                "127.0.0.1", server.port, context, handshake=False
            )
            async with port:
                await port.try_verify()
                await port.handshake()
                assert isinstance(port, AsyncSSLPort)
                await port.set_verify()
            with pytest.raises(ClosedError):
                await port.set_verify()

    run(main())
