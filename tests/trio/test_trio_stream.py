"""``TrioSSLPort`` as one of trio's streams, and over any of them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

import tlskit
from tlskit import trio as ours
from tlskit.trio import TrioSSLPort

from ..engines import authority, client_context, server_context
from ..peers import HOST, PATIENCE
from ..refusing import refusing

LOCAL = "127.0.0.1"
Pair = tuple[TrioSSLPort, TrioSSLPort]


def run(main: Callable[[], Awaitable[object]]) -> None:
    """Run a test, which ends in time."""

    async def bounded() -> None:
        with trio.fail_after(PATIENCE):
            await main()

    trio.run(bounded)


async def wrapped(
    left: trio.abc.Stream,
    right: trio.abc.Stream,
    *,
    client: tlskit.ClientContext | None = None,
    server: tlskit.ServerContext | None = None,
    **options: Any,
) -> Pair:
    """Upgrade both ends: the client's port, the server's."""
    made: dict[str, TrioSSLPort] = {}

    async def call() -> None:
        made["client"] = await ours.start_tls(
            left, client or client_context(), hostname=HOST, **options
        )

    async def answer() -> None:
        made["server"] = await ours.start_tls(
            right, server or server_context(), server_side=True, **options
        )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        nursery.start_soon(answer)
    return made["client"], made["server"]


async def tcp() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Connect two streams over loopback."""
    (listener,) = await trio.open_tcp_listeners(0, host=LOCAL)
    async with listener:
        port = listener.socket.getsockname()[1]
        left = await trio.open_tcp_stream(LOCAL, port)
        right = await listener.accept()
    return left, right


async def over_memory(**options: Any) -> Pair:
    """Two ports over trio's streams in memory."""
    return await wrapped(*trio.testing.memory_stream_pair(), **options)


async def over_lockstep(**options: Any) -> Pair:
    """Two ports over streams that hold nothing at all."""
    return await wrapped(*trio.testing.lockstep_stream_pair(), **options)


async def over_tcp(**options: Any) -> Pair:
    """Two ports over TCP."""
    return await wrapped(*await tcp(), **options)


async def over_ports() -> Pair:
    """TLS in TLS."""
    return await wrapped(*await over_tcp())


MAKERS = [over_memory, over_tcp, over_ports]
makers = pytest.mark.parametrize("make", MAKERS)


async def clogged() -> Pair:
    """Two ports that both take nothing more until the other one reads."""
    return await over_lockstep()


async def both(pair: Pair) -> None:
    """Close both ends."""
    for port in pair:
        await port.aclose()


@pytest.mark.parametrize("blocks", [True, False])
@makers
def test_trios_own_checks(make: Any, blocks: bool) -> None:
    """Trio's checks of a stream that can be closed by halves."""
    trio.run(
        trio.testing.check_half_closeable_stream,
        make,
        clogged if blocks else None,
    )


# -- two faces --------------------------------------------------------------


def test_each_face_has_its_errors() -> None:
    """As a stream it raises trio's errors, with tlskit's as their cause."""

    async def main() -> None:
        left, right = await over_memory()
        await trio.aclose_forcefully(right._driver.carrier._stream)
        with pytest.raises(trio.BrokenResourceError) as broken:
            await left.receive_some()
        assert isinstance(broken.value.__cause__, tlskit.TruncatedError)
        with pytest.raises(tlskit.TruncatedError):
            await left.read(1)
        await both((left, right))
        with pytest.raises(trio.ClosedResourceError) as closed:
            await left.send_all(b"x")
        assert isinstance(closed.value.__cause__, tlskit.ClosedError)
        with pytest.raises(tlskit.ClosedError):
            left.write(b"x")
        with pytest.raises(tlskit.ClosedError):
            await left.drain()
        with pytest.raises(tlskit.ClosedError):
            left.flush()

    run(main)


def test_both_faces_share_what_was_read_ahead() -> None:
    """Bytes that one face has decrypted are there for the other."""

    async def main() -> None:
        left, right = await over_memory()
        await left.send_all(b"line\nrest")
        assert b"line\n" == await right.readline()
        with trio.CancelScope() as scope:
            scope.cancel()
            await right.receive_some()
        assert scope.cancelled_caught
        assert b"re" == await right.receive_some(2)
        assert b"st" == await right.receive_some()
        await both((left, right))

    run(main)


def test_one_reader_and_one_sender() -> None:
    """A second task is refused; the first one doesn't notice."""

    async def main() -> None:
        left, right = await over_memory()

        async def first() -> None:
            assert b"ab" == await right.readexactly(2)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(first)
            await trio.testing.wait_all_tasks_blocked()
            for second in (
                right.read(1),
                right.readline(),
                right.readinto(bytearray(1)),
                right.readexactly(1),
                right.receive_some(),
                right.handshake(),
            ):
                with pytest.raises(trio.BusyResourceError, match="reading"):
                    await second
            await left.send_all(b"ab")
        await both((left, right))

    run(main)


def test_lines_and_limits() -> None:
    """What asyncio's readers can do, this one can."""

    async def main() -> None:
        left, right = await over_memory()
        left.write(b"x" * 100)
        await left.drain()
        with pytest.raises(ours.LimitOverrunError) as long:
            await right.readline(limit=50)
        assert long.value.consumed >= 50
        await left.send_all(b"\nabc")
        assert b"x" * 100 + b"\n" == await right.readline()
        assert left.can_write_eof()
        await left.write_eof()
        with pytest.raises(ours.IncompleteReadError) as short:
            await right.readexactly(4)
        assert b"abc" == short.value.partial
        assert 4 == short.value.expected
        with pytest.raises(ours.IncompleteReadError, match="expected more"):
            await right.readuntil(b";")
        await both((left, right))

    run(main)


def test_a_stream_gives_chunks() -> None:
    """Iterating is what it is for trio's streams: pieces, not lines."""

    async def main() -> None:
        left, right = await over_memory()
        await left.send_all(b"one\ntwo")
        await left.aclose()
        assert [b"one\ntwo"] == [piece async for piece in right]
        await right.aclose()

    run(main)


def test_a_large_write_is_sent_at_once() -> None:
    """From 64 KiB on nobody has to drain, as far as there is room."""

    async def main() -> None:
        left, right = await over_tcp()
        left.write(bytes(65536))
        assert bytes(65536) == await right.readexactly(65536)
        left.write(b"little")
        assert 6 == left._driver.backlog
        with trio.move_on_after(0.01):  # A read sends what was written.
            await left.read(1)
        assert b"little" == await right.readexactly(6)
        await both((left, right))

    run(main)


# -- foreign streams --------------------------------------------------------


def test_over_streams_that_hold_nothing() -> None:
    """Both ends send and receive, in whatever order."""

    async def main() -> None:
        left, right = await over_lockstep()

        async def exchange(one: TrioSSLPort, other: TrioSSLPort) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(one.send_all, bytes(100_000))
                assert bytes(100_000) == await other.readexactly(100_000)

        await exchange(left, right)
        await exchange(right, left)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange, left, right)
            nursery.start_soon(exchange, right, left)
        left.abort()
        right.abort()

    run(main)


def test_a_send_cancelled_in_its_middle() -> None:
    """Over a foreign stream it ends the output, and says why."""

    async def main() -> None:
        left, right = await over_lockstep()
        with trio.move_on_after(0.01) as scope:
            await left.send_all(b"x")
        assert scope.cancelled_caught
        with pytest.raises(trio.BrokenResourceError, match="cancelled"):
            await left.send_all(b"y")
        with pytest.raises(trio.BrokenResourceError, match="cancelled"):
            await left.send_all(b"z")
        with pytest.raises(BrokenPipeError, match="cancelled"):
            left.write(b"z")
        left.abort()
        right.abort()

    run(main)


def test_a_stream_that_can_not_be_closed_by_halves() -> None:
    """It is closed as a whole, behind our close_notify."""

    async def main() -> None:
        one, other = trio.testing.memory_stream_pair()
        left, right = await wrapped(Whole(one), Whole(other))
        await left.send_all(b"x")
        await left.aclose()
        assert b"x" == await right.receive_some()
        assert b"" == await right.receive_some()
        await right.aclose()

    class Whole(trio.abc.Stream):
        """A stream without ``send_eof``."""

        def __init__(self, stream: Any) -> None:
            self.stream = stream
            self.send_all = stream.send_all
            self.receive_some = stream.receive_some
            self.wait_send_all_might_not_block = (
                stream.wait_send_all_might_not_block
            )
            self.aclose = stream.aclose

        async def send_all(self, data: Any) -> None:
            """See above."""

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            """See above."""
            return b""

        async def wait_send_all_might_not_block(self) -> None:
            """See above."""

        async def aclose(self) -> None:
            """See above."""

    run(main)


# -- upgrades ---------------------------------------------------------------


def test_bytes_that_were_read_already() -> None:
    """What came with the go-ahead belongs to the handshake."""

    async def main() -> None:
        one, other = await tcp()
        made: dict[str, TrioSSLPort] = {}

        async def call() -> None:
            made["client"] = await ours.start_tls(
                one, client_context(), hostname=HOST, timeout=PATIENCE
            )

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            first = await other.receive_some(10)
            made["server"] = await ours.start_tls(
                other, server_context(), server_side=True, pending=first
            )
        assert PATIENCE == made["client"].timeout
        assert made["client"].name == made["server"].peer
        await both((made["client"], made["server"]))

    run(main)


def test_what_was_decrypted_before_an_upgrade() -> None:
    """TLS in TLS finds what its port has read ahead."""

    async def main() -> None:
        left, right = await over_tcp()
        await left.send_all(b"go\n")
        made: dict[str, TrioSSLPort] = {}

        async def call() -> None:
            made["client"] = await ours.start_tls(
                left, client_context(), hostname=HOST
            )

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            # With the first bytes of the inner handshake behind it.
            await trio.testing.wait_all_tasks_blocked()
            assert b"go\n" == await right.readline()
            made["server"] = await ours.start_tls(
                right, server_context(), server_side=True
            )
        await made["client"].send_all(b"inside")
        assert b"inside" == await made["server"].readexactly(6)
        await both((made["client"], made["server"]))
        assert left.closed
        assert right.closed

    run(main)


def test_a_bad_upgrade_closes_the_stream() -> None:
    """What can't be begun leaves nothing behind."""

    async def main() -> None:
        one, other = await tcp()
        with pytest.raises(tlskit.ConfigurationError, match="ServerContext"):
            await ours.start_tls(one, client_context(), server_side=True)
        assert b"" == await other.receive_some()
        with pytest.raises(tlskit.ClosedError):
            await ours.start_tls(one, client_context(), hostname=HOST)
        with pytest.raises(tlskit.ConfigurationError, match="client only"):
            await ours.start_tls(
                other, server_context(), server_side=True, alpn=["h2"]
            )
        await other.aclose()

        one, other = await tcp()
        await other.aclose()
        left, right = await over_tcp()
        await left.aclose()
        with pytest.raises(tlskit.ClosedError):
            await ours.start_tls(left, client_context(), hostname=HOST)
        await right.aclose()
        await one.aclose()

    run(main)


def test_a_socket_whose_peer_has_gone() -> None:
    """A failure on the way to the handshake closes the socket."""

    async def main() -> None:
        one, other = await tcp()
        other.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        await other.aclose()
        with pytest.raises(OSError, match=r"."):
            await ours.start_tls(one, client_context(), hostname=HOST)

    run(main)


# -- the end ----------------------------------------------------------------


def test_cancelled_tasks_abort() -> None:
    """``async with`` closes at once when its task is cancelled."""

    async def main() -> None:
        left, right = await over_tcp()
        with trio.CancelScope() as scope:
            async with left:
                scope.cancel()
                await trio.lowlevel.checkpoint()
        assert left.closed
        with pytest.raises(trio.BrokenResourceError):
            await right.receive_some()
        async with right:
            pass
        assert right.closed

    run(main)


def test_close_does_not_wait_for_a_peer_that_takes_nothing() -> None:
    """Closing is bounded; a shorter time can be given."""

    async def main() -> None:
        left, right = await over_tcp()
        with trio.move_on_after(0.1):
            await left.send_all(bytes(1 << 25))
        await left.aclose(timeout=0.05)
        right.abort()

    run(main)


def test_close_without_a_close_notify() -> None:
    """Where it is not to be sent the peer sees a truncation."""

    async def main() -> None:
        left, right = await over_tcp(shutdown_on_close=False)
        left.write(b"x")
        await left.aclose()
        assert b"x" == await right.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await right.receive_some()
        await right.aclose()

    run(main)


def test_close_while_others_wait() -> None:
    """Who waits to read or to send is told, and the port is closed."""

    async def main() -> None:
        left, right = await over_tcp()
        closed: list[str] = []

        async def read() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await left.receive_some()
            closed.append("reader")

        async def send() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await left.send_all(bytes(1 << 25))
            closed.append("sender")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            await left.aclose(timeout=0.05)
        assert {"reader", "sender"} == set(closed)
        right.abort()

    run(main)


def test_close_hears_a_talking_peer_out() -> None:
    """A peer that goes on talking is heard for a while, and not for ever."""

    async def main() -> None:
        left, right = await over_tcp()

        async def talk() -> None:
            with pytest.raises(trio.BrokenResourceError):
                while True:
                    await right.send_all(bytes(65536))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk)
            await trio.sleep(0.01)
            await left.aclose()
        await right.aclose()

    run(main)


def test_the_reason_behind_a_reset() -> None:
    """Who only sends hears why the peer has refused."""

    async def main() -> None:
        server = server_context()
        authority().trust(server)
        server.set_verify()
        async with trio.open_nursery() as nursery:

            async def handler(port: TrioSSLPort) -> None:
                raise AssertionError("nobody may come in")

            listener = await nursery.start(
                lambda task_status: ours.serve(
                    handler, LOCAL, 0, server, task_status=task_status
                )
            )
            port = await ours.open_connection(
                LOCAL, listener.port, client_context(), hostname=HOST
            )
            with pytest.raises(tlskit.AlertError):
                while True:
                    port.write(bytes(1000))
                    await port.drain(timeout=PATIENCE)
            await port.aclose()
            await listener.shutdown(0)

    run(main)


def test_what_came_before_a_reset() -> None:
    """It can still be read, when nothing more can be sent."""

    async def main() -> None:
        with refusing(b"hello") as number:
            port = await ours.open_connection(
                LOCAL, number, client_context(), hostname=HOST
            )
            with pytest.raises(ConnectionError):
                while True:
                    port.write(b"PING")
                    await port.drain(timeout=PATIENCE)
            assert b"hello" == await port.readexactly(5)
            await port.aclose()

    run(main)


# -- what hardly happens ----------------------------------------------------


def test_a_reader_with_bytes_to_send() -> None:
    """It hears what comes, and sends what it can meanwhile."""
    data = bytes(1 << 24)

    async def main() -> None:
        left, right = await over_tcp()
        with trio.move_on_after(0.05):
            await left.send_all(data)
        await right.send_all(b"x")
        assert b"x" == await left.read(1)  # Although nothing more can go.

        async with trio.open_nursery() as nursery:

            async def read() -> None:
                assert b"y" == await left.read(1)

            nursery.start_soon(read)  # Nobody else sends what is left.
            assert data == await right.readexactly(len(data))
            await right.send_all(b"y")
        await both((left, right))

    run(main)


def test_a_writer_listens_so_far() -> None:
    """Who waits to send takes in only so much for nobody."""
    data = bytes(1 << 24)

    async def main() -> None:
        left, right = await over_tcp()
        async with trio.open_nursery() as nursery:
            for port in (left, right):
                nursery.start_soon(port.send_all, data)
            await trio.sleep(0.2)
            assert left._driver._held < 1 << 20

            async def read(port: TrioSSLPort) -> None:
                assert data == await port.readexactly(len(data))

            for port in (left, right):
                nursery.start_soon(read, port)
        await both((left, right))

    run(main)


def test_a_transport_that_breaks() -> None:
    """A reset is told by every read, and closing is quiet."""

    async def main() -> None:
        left, right = await over_tcp()
        right._driver.carrier.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        right.abort()
        for _ in range(2):
            with pytest.raises(ConnectionResetError):
                await left.read(1)
        await left.aclose()

    run(main)


def test_who_owes_much_sends_before_it_hears_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reader sends what was written and not waited for."""
    monkeypatch.setattr("tlskit.trio.driver._MOST_OWED", 1000)
    data = bytes(range(256)) * 2048

    async def main() -> None:
        left, right = await over_tcp()
        left._driver.carrier.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
        )

        async def answer() -> None:
            assert data == await right.readexactly(len(data))
            right.write(b"x")
            await right.drain()

        left.write(data)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            assert b"x" == await left.read(1)
        await both((left, right))

    run(main)


def test_closing_a_session_that_broke() -> None:
    """What was written and can't be sent any more is dropped, once."""

    async def main() -> None:
        left, right = await over_tcp()
        assert right._driver.carrier.write(memoryview(b"garbage" * 10))
        await trio.lowlevel.wait_readable(left._driver.carrier.sock)
        left.write(b"never sent")
        assert left._driver.pull()
        with pytest.raises(tlskit.StreamError):
            left._driver.read_now(memoryview(bytearray(1)))
        await left.aclose()
        with pytest.raises(tlskit.AlertError):
            await right.read(1)
        right.abort()

    run(main)


def test_closing_a_session_that_breaks_just_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Closing is quiet, and the transport is closed."""

    async def main() -> None:
        left, right = await over_tcp()
        left.write(b"never sent")

        def broken(_: memoryview) -> bytes:
            raise tlskit.StreamError("just now")

        monkeypatch.setattr(left._engine, "encrypt", broken)
        await left.aclose()
        assert b"" == await right.read(1)
        right.abort()

    run(main)


def test_time_on_the_face_of_trio() -> None:
    """The port's own time-out is a TimeoutError there, too."""

    async def main() -> None:
        left, right = await over_memory()
        left.timeout = 0.05
        with pytest.raises(TimeoutError, match="sent nothing"):
            await left.receive_some()
        left.timeout = None
        left.write(b"x")
        left.flush()
        await both((left, right))

    run(main)


def test_tls_in_tls_over_a_full_pipe() -> None:
    """The inner session waits for the outer one, and loses nothing."""
    data = bytes(1 << 23)

    async def main() -> None:
        left, right = await over_ports()
        with trio.move_on_after(0.1) as scope:
            await left.send_all(data)
        assert scope.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(left.send_all, b"end")
            assert data == await right.readexactly(len(data))
            assert b"end" == await right.readexactly(3)
        left.abort()
        assert left.closed
        right.abort()

    run(main)
