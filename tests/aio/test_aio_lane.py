"""asyncio's express lane: the same as the long way, and no less."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from array import array
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tlskit
from tlskit.aio import AsyncSSLPort
from tlskit.aio.lane import Lane, Room
from tlskit.errors import ClosedError, StreamError
from tlskit.ports.blocking.lane import closed_lane
from tlskit.server.tally import Meter

from ..engines import client_context, server_context
from ..lanes import ROOM, SIZE, SIZES, Counted, contexts, with_lane  # noqa: F401 - a fixture
from ..looping import LOOPS, Run, joined, run_on, until
from ..peers import PATIENCE, Task

pytestmark = pytest.mark.native

Pair = tuple[AsyncSSLPort, AsyncSSLPort]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run[Any]:
    """Give what runs a coroutine, on each kind of loop."""
    return run_on(request.param)


@asynccontextmanager
async def talking(protocol: str = "tls13") -> AsyncIterator[Pair]:
    """Join two ports that have talked: tickets are behind them then."""
    client, server = contexts(protocol)[0], contexts()[1]
    async with joined(client, server) as ports:
        await talk(*ports)
        await talk(*ports)
        yield ports


async def talk(one: AsyncSSLPort, other: AsyncSSLPort) -> None:
    """Have each say a word."""
    for here, there in ((one, other), (other, one)):
        here.write(b"word")
        assert b"word" == await there.readexactly(4)


# -- the same ---------------------------------------------------------------

#: Each verb is done by one of the two ports, chosen by the first number.
VERBS = st.tuples(
    st.integers(0, 1),
    st.sampled_from(
        [
            *("write", "write", "write bytearray", "flush", "drain"),
            *("read", "read", "readinto", "readexactly", "readline"),
            *("turn", "cancelled read"),
        ]
    ),
    SIZES,
)
#: What happens at most once or twice in a conversation.
RARE = st.tuples(
    st.integers(0, 1),
    st.sampled_from(
        [
            *("write_eof", "aclose", "abort", "garbage"),
            *("cut off", "plain alert", "half a record"),
        ]
    ),
    st.just(0),
)


class Conversation:
    """Two ports, and all that they have said and seen."""

    def __init__(self, ports: Pair) -> None:
        self.ports = ports
        self.seen: list[object] = []
        self.way = [0, 0]  # Plaintext on its way from each.
        self._count = 0
        self._extra = [0, 0]  # Bytes that no driver has sent.
        self._cut: set[int] = set()  # Whose output was closed under it.
        for port in ports:
            port._driver.meter = Meter(lambda _: None)

    async def do(self, who: int, verb: str, size: int) -> None:
        """Take one step, and note what came of it."""
        port = self.ports[who]
        if "write" in verb and self.way[who] + size > ROOM:
            return
        try:
            result = await getattr(self, f"_{verb.replace(' ', '_')}")(
                who, port, size
            )
        except (tlskit.TLSError, OSError, ValueError, EOFError) as error:
            result = (
                type(error),
                getattr(error, "code", None),
                str(error),
                getattr(error, "partial", None),
            )
        await self.settle()
        self.seen.append((who, verb, size, result, self.states()))

    async def settle(self) -> None:
        """Wait until all that was sent has come."""
        for port in self.ports:
            with suppress(OSError):
                port.flush()
        for at, port in enumerate(self.ports):
            await until(lambda at=at, port=port: self._settled(at, port))

    def _settled(self, at: int, port: AsyncSSLPort) -> bool:
        ours, theirs = port._driver, self.ports[1 - at]._driver
        if ours._lost or ours.transport.is_closing():
            return ours._lost
        if ours._input_ended:
            return True
        if theirs.transport.is_closing() or 1 - at in self._cut:
            return False
        return ours.meter.received >= theirs.meter.sent + self._extra[1 - at]

    def states(self) -> list[object]:
        """Tell where both stand."""
        return [
            (
                port.closed,
                port._engine.state,
                port._engine.failure is None,
                bytes(port._ahead),
                port._driver._outbox.size,
            )
            for port in self.ports
        ]

    def _data(self, size: int) -> bytes:
        self._count += 1
        return bytes((self._count + at) % 251 for at in range(size))

    def _put(self, who: int, port: AsyncSSLPort, data: Any) -> None:
        port.write(data)
        self.way[who] += len(data)

    async def _write(self, who: int, port: AsyncSSLPort, size: int) -> None:
        self._put(who, port, self._data(size))

    async def _write_bytearray(
        self, who: int, port: AsyncSSLPort, size: int
    ) -> None:
        self._put(who, port, bytearray(self._data(size)))

    async def _flush(self, _who: int, port: AsyncSSLPort, _size: int) -> None:
        port.flush()

    async def _drain(self, _who: int, port: AsyncSSLPort, _size: int) -> None:
        await port.drain()

    async def _turn(self, _who: int, _port: AsyncSSLPort, _size: int) -> None:
        await asyncio.sleep(0)

    def _came(self, who: int, data: bytes) -> bytes:
        self.way[1 - who] -= len(data)
        return data

    async def _read(self, who: int, port: AsyncSSLPort, size: int) -> bytes:
        return self._came(who, await port.read(size, timeout=0))

    async def _readinto(
        self, who: int, port: AsyncSSLPort, size: int
    ) -> bytes:
        buffer = bytearray(size)
        got = await port.readinto(buffer, timeout=0)
        return self._came(who, bytes(buffer[:got]))

    async def _readexactly(
        self, who: int, port: AsyncSSLPort, size: int
    ) -> bytes:
        return self._came(who, await port.readexactly(size, timeout=0))

    async def _readline(
        self, who: int, port: AsyncSSLPort, _size: int
    ) -> bytes:
        return self._came(who, await port.readline(timeout=0))

    async def _cancelled_read(
        self, who: int, port: AsyncSSLPort, size: int
    ) -> object:
        reading = asyncio.ensure_future(port.read(size))
        await asyncio.sleep(0)
        reading.cancel()
        try:
            return self._came(who, await reading)
        except asyncio.CancelledError:
            return "cancelled"

    async def _write_eof(
        self, _who: int, port: AsyncSSLPort, _size: int
    ) -> None:
        port.write_eof()

    async def _aclose(self, _who: int, port: AsyncSSLPort, _size: int) -> None:
        await port.aclose()

    async def _abort(self, _who: int, port: AsyncSSLPort, _size: int) -> None:
        port.abort()

    def _raw(self, who: int, data: bytes) -> None:
        driver = self.ports[who]._driver
        if not driver.transport.is_closing() and who not in self._cut:
            self._extra[who] += len(data)
            os.write(self._socket(who).fileno(), data)

    def _socket(self, who: int) -> Any:
        return self.ports[who]._driver.transport.get_extra_info("socket")

    async def _garbage(self, who: int, _port: Any, _size: int) -> None:
        self._raw(who, b"\x17\x03\x03\x00\x20" + bytes(32))

    async def _plain_alert(self, who: int, _port: Any, _size: int) -> None:
        self._raw(who, b"\x15\x03\x03\x00\x02\x02\x28")

    async def _half_a_record(self, who: int, _port: Any, _size: int) -> None:
        self._raw(who, b"\x17\x03\x03")

    async def _cut_off(self, who: int, port: AsyncSSLPort, _: int) -> None:
        if not port._driver.transport.is_closing():
            self._cut.add(who)
            self._socket(who).shutdown(socket.SHUT_WR)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(
    protocol=st.sampled_from(["tls12", "tls13"]),
    first=st.lists(VERBS, max_size=20),
    rare=st.lists(RARE, max_size=2),
    last=st.lists(VERBS, max_size=10),
)
def test_both_ways_are_the_same(protocol, first, rare, last):
    """Whatever two ports do: each byte, state and error is the same."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            fast = Conversation(
                await stack.enter_async_context(talking(protocol))
            )
            with closed_lane():
                slow = Conversation(
                    await stack.enter_async_context(talking(protocol))
                )
            for which in (fast, slow):
                for port in which.ports:
                    stack.callback(port.abort)
            assert fast.ports[0]._driver.has_lane
            assert not slow.ports[0]._driver.has_lane
            for verb in (*first, *rare, *last):
                await fast.do(*verb)
                await slow.do(*verb)
                assert slow.seen[-1:] == fast.seen[-1:]

    run_on("asyncio", 4 * PATIENCE)(main())


def test_the_usual_case_is_express(run, monkeypatch):
    """A conversation takes the lane, in both directions."""

    async def main() -> None:
        async with talking() as (client, server):
            counted = Counted(monkeypatch, Lane, "take_now", "send_now")
            client.write(b"there")
            assert b"there" == await server.read(100)
            server.write(memoryview(b"back"))
            buffer = bytearray(100)
            assert 4 == await client.readinto(buffer)
            assert b"back" == bytes(buffer[:4])
            assert not client._ahead
            assert ["send_now", "take_now"] * 2 == counted.taken
            counted.taken.clear()
            server.write(b"some more")
            assert b"some" == await client.readexactly(4)
            assert ["send_now", "take_now"] == counted.taken
            assert b" more" == await client.read(100)
            assert ["send_now", "take_now"] == counted.taken

    run(main())


def test_much_goes_through(run):
    """More than fits anywhere comes in order, through all reads."""

    async def main() -> None:
        async with talking() as (client, server):
            data = bytes(range(251)) * 10_000

            async def send() -> None:
                for start in range(0, len(data), 100_000):
                    client.write(data[start : start + 100_000])
                    await client.drain()

            sending = asyncio.ensure_future(send())
            got = bytearray(await server.readexactly(1_000_000))
            buffer = bytearray(50_000)
            while len(got) < 2_000_000:
                size = await server.readinto(buffer)
                got += buffer[:size]
            while len(got) < len(data):
                got += await server.read(1_000)
            await sending
            assert data == got

    run(main())


def test_lines_are_express(run, monkeypatch):
    """So is whatever else is read ahead: lines, and all to the end."""

    async def main() -> None:
        async with talking() as (client, server):
            counted = Counted(monkeypatch, Lane, "take_now", "send_now")
            reading = asyncio.ensure_future(server.readline())
            await asyncio.sleep(0)
            assert server._driver.news.attended
            for part in (b"a li", b"ne\nand", b" more"):
                client.write(part)
                client.flush()
                await asyncio.sleep(0)
            assert b"a line\n" == await reading
            client.write_eof()
            assert b"and more" == await server.read()
            assert "take_now" in counted.taken

    run(main())


def test_any_buffer_will_do(run):
    """What has items of more than a byte is filled byte by byte."""

    async def main() -> None:
        async with talking() as (client, server):
            buffer = array("H", [0, 0])
            client.write(b"word")
            assert 4 == await server.readinto(buffer)
            assert b"word" == buffer.tobytes()

    run(main())


def test_who_reads_writes_within_the_turn(run):
    """What a reader writes when it was woken leaves before others run."""

    async def main() -> None:
        async with talking() as (client, server):
            turns = []

            async def echo() -> None:
                server.write(await server.readexactly(4))
                server.write(b"!")
                asyncio.get_running_loop().call_soon(look)
                await asyncio.Event().wait()

            def look() -> None:
                turns.append(server._driver._outbox.size)

            task = asyncio.ensure_future(echo())
            await asyncio.sleep(0)
            client.write(b"word")
            assert b"word!" == await client.readexactly(5)
            await until(lambda: bool(turns))
            assert [0] == turns
            assert not server._driver._ticking
            task.cancel()

    run(main())


def test_a_turns_flush_that_is_on_its_way_stays(run):
    """Whoever was woken in a turn that flushes anyway leaves it to that."""

    async def main() -> None:
        async with talking() as (client, server):
            reading = asyncio.ensure_future(server.readexactly(4))
            await asyncio.sleep(0)
            client.write(b"word")
            client.flush()
            server.write(b"first")
            driver = server._driver
            assert driver._ticking
            assert b"word" == await reading
            assert b"first" == await client.readexactly(5)
            await until(lambda: not driver._ticking)

    run(main())


def test_a_nested_loop_may_flush_before(run):
    """What is written after it is not left to the flush that has been."""

    async def main() -> None:
        async with talking() as (client, server):
            driver = server._driver
            transport = driver.transport
            woken = []

            async def nests() -> None:
                await server.readexactly(4)
                woken.append(driver._ticking)
                driver._tick()  # As in a loop that runs within this one.

            def both() -> None:
                driver._ticking = True  # Somebody has written.
                client.write(b"word")
                client.flush()
                sock = transport.get_extra_info("socket")
                assert select.select([sock], [], [], PATIENCE)[0]
                transport._readable()

            reading = asyncio.ensure_future(nests())
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(both)
            await reading
            assert [True] == woken
            server.write(b"last")
            assert b"last" == await client.readexactly(4)

    run(main())


@pytest.mark.parametrize(
    ("protocol", "suite"),
    [
        ("tls12", "ECDHE-ECDSA-CHACHA20-POLY1305"),
        ("tls12", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("tls13", "TLS_CHACHA20_POLY1305_SHA256"),
        ("tls13", "TLS_AES_128_GCM_SHA256"),
    ],
)
def test_a_byte_that_is_left_is_read(run, protocol, suite):
    """Whatever a record adds, none of its bytes is taken for read."""

    async def main() -> None:
        context = client_context(protocol)
        if protocol == "tls12":
            context.set_ciphers(suite)
        else:
            context.set_ciphersuites(suite)
        sizes = range(72, 129)
        async with joined(context, server_context()) as ports:
            client, server = ports
            await talk(*ports)
            assert suite == server.cipher
            for size in (100, *sizes):
                data = bytes(range(size))
                for first in (1, size - 1):
                    client.write(data)
                    room = bytearray(first)
                    assert first == await server.readinto(room)
                    rest = bytearray(500)
                    assert size - first == await server.readinto(rest)
                    assert data == room + rest[: size - first]

    run(main())


def test_a_half_record_behind_many_is_no_nothing(run):
    """Of several records, half the last: what comes next is read in full."""

    async def main() -> None:
        async with talking() as (client, server):
            sock = client._driver.transport.get_extra_info("socket")

            def made(size: int) -> bytes:
                return bytes(client._engine.encrypt(bytes(size)))

            many, cut, last = made(20_000), made(3000), made(1000)
            # As much of the next as the record lacks then.
            half = len(last)
            sizes = []
            driver = server._driver
            driver.meter = Meter(lambda _: None)
            for data in (many + cut[:half], cut[half:] + last):
                come = driver.meter.received + len(data)
                sock.send(data)
                await until(lambda come=come: driver.meter.received >= come)
                with suppress(TimeoutError):
                    while True:
                        sizes.append(len(await server.read(65536, timeout=0)))
            assert 24_000 == sum(sizes)

    run(main())


def test_another_reader_is_refused(run):
    """Only one coroutine waits in the lane."""

    async def main() -> None:
        async with talking() as (client, server):
            reading = asyncio.ensure_future(client.read(10))
            await asyncio.sleep(0)
            assert client._driver.news.attended
            for call in (
                lambda: client.read(1),
                lambda: client.readexactly(1),
                lambda: client.readinto(bytearray(1)),
            ):
                with pytest.raises(RuntimeError, match="another coroutine"):
                    await call()
            server.write(b"word")
            assert b"word" == await reading

    run(main())


def test_a_cancelled_read_loses_nothing(run):
    """Cancelled while bytes come in or before, the next read has them."""

    async def main() -> None:
        async with talking() as (client, server):
            for _ in range(3):
                reading = asyncio.ensure_future(client.readexactly(4))
                await asyncio.sleep(0)
                server.write(b"wo")
                await until(lambda: bool(client._ahead))
                reading.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reading
                reading = asyncio.ensure_future(client.readexactly(3))
                await asyncio.sleep(0)
                reading.cancel()
                server.write(b"rd")
                server.flush()
                with pytest.raises(asyncio.CancelledError):
                    await reading
                assert not client._driver.news.awaited
                assert b"word" == await client.readexactly(4)

    run(main())


def test_a_time_out_loses_nothing(run):
    """The time of a whole call counts; the port is as good as before."""

    async def main() -> None:
        async with talking() as (client, server):
            client.timeout = 0.01
            for call in (
                lambda: client.read(10),
                lambda: client.readexactly(10),
                lambda: client.readinto(bytearray(10)),
            ):
                with pytest.raises(TimeoutError, match="sent nothing"):
                    await call()
            server.write(b"late")
            assert b"late" == await client.readexactly(4, timeout=PATIENCE)
            for bad in (-1, float("nan")):
                with pytest.raises(ValueError, match="time-out"):
                    await client.read(1, timeout=bad)

    run(main())


def test_half_a_record_does_not_restart_the_time(run):
    """Bytes that make no message wake nobody for longer than was said."""

    async def main() -> None:
        async with talking() as (client, server):
            reading = asyncio.ensure_future(client.read(10, timeout=0.5))
            await asyncio.sleep(0)
            sock = server._driver.transport.get_extra_info("socket")
            driver, sizes = client._driver, []
            arrived = driver.arrived

            def note(place: Room, size: int) -> None:
                arrived(place, size)
                sizes.append((size, driver.news.attended))

            driver.arrived = note  # type: ignore[method-assign]
            os.write(sock.fileno(), b"\x17\x03\x03")
            await until(lambda: sizes == [(3, True)])
            with pytest.raises(TimeoutError):
                await reading

    run(main())


def test_a_hook_takes_the_long_way(run):
    """Who is called by OpenSSL in mid-session can't use the lane."""

    async def main() -> None:
        async with talking() as (client, server):
            driver, record = client._driver, client._engine.record
            server.write(b"word")
            await until(lambda: not client._engine.hungry)
            record.caller = 0
            try:
                assert driver.take_now(10) is None
                assert not driver.send_now(b"x")
                assert not driver._may_wait()
                server.write(b"word")
                await until(lambda: driver._held > 40)
            finally:
                record.caller = None
            assert b"wordword" == await client.readexactly(8)

    run(main())


def test_closed_means_closed(run):
    """After the end nothing is read or sent, and who waits is told."""

    async def main() -> None:
        async with talking() as (client, server):
            reading = asyncio.ensure_future(client.read(10))
            await asyncio.sleep(0)
            closing = asyncio.ensure_future(client.aclose())
            with pytest.raises(ClosedError):
                await reading
            await closing
            for call in (
                lambda: client.read(1),
                lambda: client.readexactly(1),
                client.drain,
            ):
                with pytest.raises(ClosedError):
                    await call()
            with pytest.raises(ClosedError):
                client.write(b"x")
            assert not client._driver.send_now(b"x")
            assert client._driver.news.waiter._alarm is None
            assert b"" == await server.read(1)
            with pytest.raises(EOFError):
                await server.readexactly(1)

    run(main())


def test_a_lost_peer_is_no_plain_sailing(run):
    """After the transport broke, a write says why."""

    async def main() -> None:
        async with talking() as (client, server):
            server._driver.transport.abort()
            await until(lambda: client._driver._input_ended)
            with pytest.raises(tlskit.TruncatedError):
                await client.read(1)
            assert not client._driver.ready

    run(main())


def test_a_bad_record_is_told_to_both(run):
    """The reader gets the error, and the peer its alert."""

    async def main() -> None:
        async with talking() as (client, server):
            reading = asyncio.ensure_future(client.read(10))
            await asyncio.sleep(0)
            sock = server._driver.transport.get_extra_info("socket")
            os.write(sock.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))
            with pytest.raises(StreamError) as caught:
                await reading
            with pytest.raises(tlskit.AlertError):
                await server.read(1)
            with pytest.raises(StreamError) as again:
                client.write(b"x")
            assert caught.value is again.value

    run(main())


def test_a_write_that_fails(run, monkeypatch):
    """A large one is told at once, and so is the peer; nothing waits."""

    async def main() -> None:
        async with talking() as (client, _):
            sent = []

            def fails(_: int) -> None:
                client._engine.owes = False
                raise StreamError("broken")

            with monkeypatch.context() as patch:
                patch.setattr(client._engine, "written", fails)
                patch.setattr(
                    "tlskit.openssl.native.DirectIO.encrypt", lambda *_: -1
                )
                patch.setattr(client._driver, "_send", lambda: sent.append(1))
                for size, calls in ((65536, 1), (300_000, 2)):
                    with pytest.raises(StreamError, match="broken"):
                        client.write(bytes(size))
                    assert calls == len(sent)
                assert 0 == client._driver._outbox.size

    run(main())


def test_large_writes_stay_behind_what_waits(run):
    """What was gathered goes first, and what can't go yet is kept."""

    async def main() -> None:
        async with talking() as (client, server):
            large = bytes(range(256)) * 256
            client.write(b"small")
            client.write(large)
            client._driver.pause_writing()
            client.write(large)
            client.write(b"end")
            assert len(large) + 3 == client._driver._outbox.size
            client._driver.resume_writing()
            want = b"small" + large + large + b"end"
            assert want == await server.readexactly(len(want))

    run(main())


def test_a_write_that_has_to_read_first(run, monkeypatch):
    """Then the long way does it all, with the same data."""

    async def main() -> None:
        async with talking() as (client, server):
            asked = []
            with monkeypatch.context() as patch:
                patch.setattr(
                    "tlskit.openssl.native.DirectIO.encrypt",
                    lambda *_: asked.append(1) or -1,
                )
                patch.setattr(client._engine, "written", lambda _: None)
                assert not client._driver.send_now(b"word")
            client.write(b"word")
            assert [1] == asked
            assert b"word" == await server.readexactly(4)

    run(main())


def test_more_is_made_than_there_is_room(run, monkeypatch):
    """What does not fit into the thread's memory is sent, too."""

    async def main() -> None:
        async with talking() as (client, server):
            data = bytes(range(200))
            monkeypatch.setattr("tlskit.aio.lane._DRAINED", 64)
            client.write(data)
            client.flush()
            assert data == await server.readexactly(200)

    run(main())


def test_answers_leave_before_a_wait(run):
    """What reading has made is sent, though nobody writes."""

    async def main() -> None:
        async with talking() as (client, _):
            sent = []
            driver = client._driver
            reading = asyncio.ensure_future(client.read(1))
            driver.engine.owes = True
            send = driver._send

            def note() -> None:
                sent.append(driver.engine.owes)
                send()

            driver._send = note  # type: ignore[method-assign]
            await asyncio.sleep(0)
            assert [True] == sent
            assert driver.news.attended
            reading.cancel()

    run(main())


def test_a_reader_who_is_behind(run):
    """Nobody reads: the transport is paused; who reads has it go on."""

    async def main() -> None:
        async with talking() as (client, server):
            data = bytes(1 << 20)
            client.write(data)
            await until(lambda: server._driver._paused)
            got = 0
            while got < len(data):
                got += len(await server.read(1 << 18))
            assert not server._driver._paused
            await client.drain()

    run(main())


def test_a_room_borrows_from_no_view():
    """Its views can be given back, so nobody borrows from them.

    Python before 3.12.7 crashes when it collects one that is borrowed.
    """
    direct = client_context().new_engine(hostname="localhost").direct
    if direct is None:
        pytest.skip("needs what --without-native switches off")

    def look():
        room = Room(direct)
        room.cipher.release()
        room.plain.release()

    # In a thread, whose memory is nobody else's.
    Task(look).result()


def test_errors_borrow_nothing(run):
    """No frame of an error keeps a memoryview from being released.

    Python before 3.12.7 crashes when it collects one that is borrowed.
    """

    async def main() -> None:
        async with talking() as (client, server):
            sock = server._driver.transport.get_extra_info("socket")
            os.write(sock.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))
            with pytest.raises(StreamError) as caught:
                await client.readinto(bytearray(SIZE))
            views = [
                value
                for entry in caught.traceback
                for value in entry.frame.f_locals.values()
                if isinstance(value, memoryview) and len(value) == SIZE
            ]
            assert views
            for view in views:
                view.release()

    run(main())
