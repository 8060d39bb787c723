"""Our own transport: bytes in order, room, ends; as asyncio's does it."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
from contextlib import suppress

import pytest

from tlskit.aio import sockets
from tlskit.aio.driver import AsyncDriver
from tlskit.aio.sockets import SocketTransport, attached
from tlskit.ports.blocking import lane
from tlskit.ports.engines import new_engine

from ..engines import server_context
from ..joined import tcp_pair
from ..looping import LOOPS, joined, run_on, until
from ..peers import reset

pytestmark = pytest.mark.native


@pytest.fixture(autouse=True)
def _with_lane(monkeypatch):
    """Have a lane, also in a run of all tests without one."""
    monkeypatch.setattr(lane, "_open", True)


@pytest.fixture(params=LOOPS)
def run(request):
    """Give what runs a coroutine, on each kind of loop."""
    return run_on(request.param)


class Heard(AsyncDriver):
    """Notes what it is told."""

    def __init__(self):
        super().__init__(
            new_engine(
                server_context(), server_side=True, hostname=None, alpn=()
            )
        )
        self.got = b""
        self.told = []

    def feed(self, data):
        """Keep what comes in."""
        self.got += bytes(data)
        if not data:
            self.told.append("end")

    def pause_writing(self):
        """Note it."""
        self.told.append("pause")

    def resume_writing(self):
        """Note it."""
        self.told.append("resume")

    def connection_lost(self, exc):
        """Note it."""
        self.told.append(("lost", exc))


class Joined:
    """A transport over one end of a TCP connection, and the other end."""

    def __enter__(self):
        sock, self.other = tcp_pair()
        self.other.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.driver = Heard()
        loop = asyncio.get_running_loop()
        self.transport = SocketTransport(loop, sock, self.driver)
        return self

    def __exit__(self, *_):
        self.transport.abort()
        self.other.close()

    def take(self):
        """Receive what is there."""
        with suppress(BlockingIOError):
            return self.other.recv(1 << 20)
        return b""

    async def heard(self, told):
        """Wait until the driver was told something."""
        await until(lambda: told in self.driver.told)


def test_what_comes_is_heard(run):
    """Bytes, and their end; a look in vain is none."""

    async def main():
        with Joined() as pair:
            pair.transport._readable()
            pair.other.send(b"some")
            await until(lambda: pair.driver.got == b"some")
            pair.other.send(b"thing")
            pair.other.shutdown(socket.SHUT_WR)
            await pair.heard("end")
            assert b"something" == pair.driver.got
            pair.transport.resume_reading()
            pair.transport.write(b"answer")
            await until(lambda: pair.take() == b"answer")
        await pair.heard(("lost", None))
        assert ["end", ("lost", None)] == pair.driver.told

    run(main())


def test_paused(run):
    """While it is paused nothing is received, and nothing lost."""

    async def main():
        with Joined() as pair:
            pair.transport.pause_reading()
            pair.transport.pause_reading()
            pair.other.send(b"something")
            for _ in range(3):
                await asyncio.sleep(0)
            assert b"" == pair.driver.got
            pair.transport.resume_reading()
            await until(lambda: pair.driver.got == b"something")

    run(main())


def test_what_does_not_fit_waits(run):
    """It is sent in order; the driver hears when there is no room."""

    async def main():
        with Joined() as pair:
            transport = pair.transport
            transport.set_write_buffer_limits(200_000, 1000)
            piece = bytearray(range(250)) * 400
            written = 0
            while "pause" not in pair.driver.told:
                transport.write(memoryview(piece))
                written += 1
            want = bytes(piece) * written
            piece[:] = bytes(len(piece))  # It was copied.
            assert 200_000 < transport.get_write_buffer_size()
            got = b""
            while len(got) < len(want):
                got += pair.take()
                await asyncio.sleep(0)
            assert want == got
            assert ["pause", "resume"] == pair.driver.told
            assert 0 == transport.get_write_buffer_size()

    run(main())


def test_a_lower_limit_counts_at_once(run):
    """Who wants to know when all is sent is told that it is not."""

    async def main():
        with Joined() as pair:
            pair.transport.set_write_buffer_limits(1 << 30)
            while not pair.transport.get_write_buffer_size():
                pair.transport.write(bytes(100_000))
            assert [] == pair.driver.told
            pair.transport.set_write_buffer_limits(0)
            assert ["pause"] == pair.driver.told
            while "resume" not in pair.driver.told:
                pair.take()
                await asyncio.sleep(0)

    run(main())


@pytest.mark.parametrize("end", ["close", "write_eof"])
def test_an_end_follows_what_waits(run, end):
    """Nothing that was written is lost by closing."""

    async def main():
        with Joined() as pair:
            transport = pair.transport
            size = 0
            while not transport.get_write_buffer_size():
                transport.write(bytes(100_000))
                size += 100_000
            getattr(transport, end)()
            assert transport.is_closing() is (end == "close")
            if end == "close":
                transport.close()
            assert [] == pair.driver.told
            got = 0
            while got < size:
                got += len(pair.take())
                await asyncio.sleep(0)
            pair.other.setblocking(True)
            pair.other.settimeout(0)
            while True:
                try:
                    assert b"" == pair.other.recv(1)
                    break
                except BlockingIOError:
                    await asyncio.sleep(0)
            if end == "close":
                await pair.heard(("lost", None))

    run(main())


def test_an_end_at_once(run):
    """With nothing left, our direction closes at once, and then all."""

    async def main():
        with Joined() as pair:
            assert pair.transport.can_write_eof()
            pair.transport.write_eof()
            await until(lambda: pair.other.recv(1) == b"")
            pair.other.send(b"still")
            await until(lambda: pair.driver.got == b"still")
            pair.transport.close()
            pair.transport.write(b"late")
            await pair.heard(("lost", None))
            assert -1 == pair.transport.get_extra_info("socket").fileno()

    run(main())


def test_a_reset(run):
    """The driver gets the error, once, whoever finds it."""

    async def main():
        with Joined() as pair:
            linger = struct.pack("ii", 1, 0)
            pair.other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            pair.other.close()
            await until(lambda: bool(pair.driver.told))
            [(what, error)] = pair.driver.told
            assert "lost" == what
            assert isinstance(error, ConnectionResetError)

    run(main())


@pytest.mark.parametrize("paused", [False, True])
def test_what_came_before_a_reset(run, paused):
    """A write that finds the reset leaves nothing of it unheard."""

    async def main():
        with Joined() as pair:
            if paused:  # Nobody reads so much that it matters.
                pair.transport.pause_reading()
            pair.other.setblocking(True)
            pair.other.sendall(b"last words")
            reset(pair.other)
            pair.transport.write(b"x")
            await until(lambda: bool(pair.driver.told))
            [(what, error)] = pair.driver.told
            assert "lost" == what
            assert isinstance(error, ConnectionError)
            assert pair.driver.got == (b"" if paused else b"last words")

    run(main())


def test_an_end_before_a_reset(run):
    """What has ended is not read again."""

    async def main():
        with Joined() as pair:
            pair.other.shutdown(socket.SHUT_WR)
            await pair.heard("end")
            reset(pair.other)
            while not pair.transport.is_closing():
                pair.transport.write(b"x")
            await until(lambda: bool(pair.driver.told[1:]))
            what, error = pair.driver.told[1]
            assert "lost" == what
            assert isinstance(error, ConnectionError)
            assert b"" == pair.driver.got

    run(main())


class BrokenError(OSError):
    """What a socket raises."""


def fails(*_):
    """Be a socket's broken method."""
    raise BrokenError


@pytest.mark.parametrize("full", [True, False])
def test_a_write_that_fails(run, full):
    """What can't be sent ends the connection; what waits is dropped."""

    async def main():
        with Joined() as pair:
            transport = pair.transport
            while full and not transport.get_write_buffer_size():
                transport.write(bytes(100_000))
            transport._give = fails
            if full:
                while not transport.is_closing():
                    pair.take()
                    await asyncio.sleep(0)
            else:
                transport.write(b"x")
            assert 0 == transport.get_write_buffer_size()
            transport.close()
            await until(lambda: bool(pair.driver.told))
            [(what, error)] = pair.driver.told
            assert "lost" == what
            assert isinstance(error, BrokenError)

    run(main())


@pytest.mark.parametrize("end", ["write", "close", "abort"])
def test_an_end_while_the_driver_hears_of_room(run, end):
    """The loop watches no socket that is closed."""

    async def main():
        with Joined() as pair:
            transport = pair.transport
            while not transport._full:
                transport.write(bytes(100_000))

            def resume():
                transport._give = fails
                getattr(transport, end)(*[b"more"] * (end == "write"))

            pair.driver.resume_writing = resume
            transport._give = len  # The system takes all of it.
            await until(lambda: bool(pair.driver.told[1:]))
            assert ["pause", "lost"] == [
                pair.driver.told[0],
                pair.driver.told[1][0],
            ]
            loop = asyncio.get_running_loop()
            assert not loop.remove_writer(transport._number)
            assert not loop.remove_reader(transport._number)

    run(main())


def test_a_socket_that_takes_no_option(run, monkeypatch):
    """It stays its owner's, and the loop does not watch it."""
    monkeypatch.setattr(sockets, "tune", fails)

    async def main():
        sock, other = tcp_pair()
        with sock, other:
            loop = asyncio.get_running_loop()
            with pytest.raises(BrokenError):
                SocketTransport(loop, sock, Heard())
            assert not loop.remove_reader(sock.fileno())

    run(main())


class Deaf:
    """A socket whose output does not close."""

    def __init__(self, sock):
        self._sock = sock

    def shutdown(self, _):
        """Fail."""
        raise BrokenError

    def __getattr__(self, name):
        """Be the socket for the rest."""
        return getattr(self._sock, name)


def test_a_direction_that_does_not_close(run):
    """Whoever closes it is told; the driver, if that was long ago."""

    async def main():
        with Joined() as pair:
            transport = pair.transport
            transport._sock = Deaf(transport._sock)
            with pytest.raises(BrokenError):
                transport.write_eof()
            while not transport.get_write_buffer_size():
                transport.write(bytes(100_000))
            transport.write_eof()
            while not transport.is_closing():
                pair.take()
                await asyncio.sleep(0)
            await until(lambda: bool(pair.driver.told))
            [(what, error)] = pair.driver.told
            assert "lost" == what
            assert isinstance(error, BrokenError)

    run(main())


def test_a_full_socket(run):
    """A socket that takes nothing at all is waited for."""

    async def main():
        with Joined() as pair:
            give, times = pair.transport._give, []

            def blocks(data):
                times.append(1)
                if len(times) < 3:
                    raise BlockingIOError
                return give(data)

            pair.transport._give = blocks
            pair.transport.write(b"word")
            assert 4 == pair.transport.get_write_buffer_size()
            await until(lambda: pair.take() == b"word")

    run(main())


def test_what_it_tells(run):
    """Addresses and socket, as long as there are any; else the default."""

    async def main():
        with Joined() as pair:
            tell = pair.transport.get_extra_info
            assert pair.other.getsockname() == tell("peername")
            assert pair.other.getpeername() == tell("sockname")
            assert tell("socket").getsockname() == tell("sockname")
            assert 1 == tell("cipher", 1)
            assert "open" in repr(pair.transport)
            pair.transport.abort()
            assert "closing" in repr(pair.transport)
            await pair.heard(("lost", None))
            assert 2 == tell("peername", 2)

    run(main())


def test_one_that_is_forgotten():
    """The socket is closed, with a warning."""

    async def main():
        sock, other = tcp_pair()
        with other:
            driver = Heard()
            transport = SocketTransport(driver.loop, sock, driver)
            transport.itself = transport  # Who is in a circle waits for gc.
            del transport
            driver.loop.remove_reader(sock.fileno())
            del driver.transport
            with pytest.warns(ResourceWarning, match="unclosed transport"):
                gc.collect()
            assert -1 == sock.fileno()

    run_on("asyncio")(main())


def test_a_loop_that_watches_no_sockets(run, monkeypatch):
    """Then the loop's own transport serves."""

    def refuses(*_):
        raise NotImplementedError

    async def main():
        loop = asyncio.get_running_loop()
        sock, other = tcp_pair()
        with monkeypatch.context() as patch, other:
            patch.setattr(
                "tlskit.aio.sockets.SocketTransport.__init__", refuses
            )
            driver = Heard()
            transport = await attached(loop, sock, driver)
            assert not isinstance(transport, SocketTransport)
            assert not driver.has_lane
            transport.abort()
            await until(lambda: bool(driver.told))

    run(main())


def test_ports_have_it(run):
    """Both kinds of ports over TCP go by our transport, and say so."""

    async def main():
        async with joined() as ports:
            for port in ports:
                assert isinstance(port._driver.transport, SocketTransport)
                assert port._driver.has_lane

    run(main())
