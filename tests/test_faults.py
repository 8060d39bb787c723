"""Whatever happens to the bytes: an error of the tree, or a right result.

Both roles, TLS 1.2 and 1.3, every fault at every byte of a handshake and of a
short exchange.  Usually a fixed sample runs; ``--nightly`` runs them all.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

import tlskit
from tlskit.ports.opening import open_port
from tlskit.ports.port import SSLPort

from .engines import authority, client_context, server_context
from .faults import FAULTS, Fault, Lane, WireEnd, wire
from .peers import HOST, VERSIONS

QUESTION = b"What time is it?" * 3
ANSWER = b"Time to go." * 4
#: Every so many places of the stream, outside of nightly runs.  Primes.
STEP, WIDE = 83, 331
SIZES = (1, 5, 60)
MASKS = (0x01, 0x80, 0xFF)
#: Nobody waits, so it is not used up; it has to be there, though.
DEADLINE = 5.0


def contexts(version: str, *, mutual: bool = False):
    """Make both sides' contexts."""
    client, server = client_context(version), server_context(version)
    if mutual:
        authority().issue("alice@example.com").apply(client)
        authority().trust(server)
        server.set_verify()
    return client, server


@dataclass
class Side:
    """One end of a conversation, in steps that never wait."""

    port: SSLPort
    says: bytes
    hears: bytes
    heard: bytes = b""
    done: bool = False
    error: BaseException | None = None
    _steps: Iterator[None] = field(init=False)

    def __post_init__(self) -> None:
        self._steps = self._run()

    def _run(self) -> Iterator[None]:
        port = self.port
        port.setblocking(False)
        yield from self._repeat(port.handshake)
        yield from self._repeat(lambda: port.sendall(self.says))
        while len(self.heard) < len(self.hears):
            piece = yield from self._repeat(lambda: port.recv(65536))
            assert piece or self.heard == self.hears, "an end that nobody sent"
            self.heard += piece
        yield from self._repeat(lambda: port.shutdown(1))
        rest = yield from self._repeat(lambda: port.recv(65536))
        assert rest == b"", "wrong plaintext"

    def _repeat(self, call):
        while True:
            try:
                return call()
            except BlockingIOError:
                yield

    def step(self) -> None:
        """Go on as far as the bytes allow."""
        if self.done:
            return
        try:
            next(self._steps)
        except StopIteration:
            self.done = True
        except OSError as error:
            self.done, self.error = True, error
            with suppress(OSError):
                self.port.close()
        # Whatever is wrong elsewhere: no byte that was not sent.
        assert self.hears.startswith(self.heard), "wrong plaintext"

    def hang(self) -> None:
        """Wait in vain, as a blocking port: its deadline ends that."""
        if self.done:
            return
        self.port.settimeout(DEADLINE)
        call = (
            self.port.handshake
            if self.port.version is None
            else lambda: self.port.recv(1)
        )
        with pytest.raises(TimeoutError):
            call()
        self.port.setblocking(False)


def moved(lanes: tuple[Lane, ...]) -> tuple[int, ...]:
    """Give what changes if anything moves."""
    return tuple(
        number
        for lane in lanes
        for number in (lane.sent, len(lane.ready), lane.ended)
    )


def converse(both, to_server=None, to_client=None):
    """Run a conversation over a faulty wire; give both sides."""
    ends = wire(to_server, to_client)
    lanes = tuple(end.outgoing for end in ends)
    sides = (
        Side(make(both[0], ends[0], HOST), QUESTION, ANSWER),
        Side(make(both[1], ends[1], None), ANSWER, QUESTION),
    )
    for _ in range(200):
        before = moved(lanes)
        for side in sides:
            side.step()
        if all(side.done for side in sides):
            break
        if before == moved(lanes):
            if sum(lane.release() for lane in lanes):
                continue
            # Nothing moves any more.  A blocking port meets its deadline,
            # and then whoever waits is told that nothing will come.
            for side in sides:
                side.hang()
            for lane in lanes:
                lane.end()
    else:
        raise AssertionError("it goes on for ever")
    for side in sides:
        side.port.close()
        assert side.port.closed
    return sides


def make(context, end: WireEnd, hostname: str | None) -> SSLPort:
    """Open a port over one end of the wire."""
    return open_port(
        context, end, server_side=hostname is None, hostname=hostname
    )


def judge(sides, fault: Fault) -> None:
    """Right on both sides, or an error of the tree that says why."""
    for side in sides:
        if side.error is None:
            assert side.hears == side.heard
            continue
        assert isinstance(side.error, tlskit.TLSError), repr(side.error)
        assert not isinstance(side.error, tlskit.ConfigurationError)
        assert str(side.error)
    if fault.kind == "delay":
        assert [None, None] == [side.error for side in sides]


def lengths(both) -> tuple[int, int]:
    """Say how many bytes a conversation takes in each direction."""
    sides = converse(both)
    judge(sides, Fault("delay", 0))
    client = sides[0].port._driver.transport
    return client.outgoing.sent, client.incoming.sent


def faults(kind: str, length: int) -> Iterator[Fault]:
    """Give all faults of a kind in a stream."""
    variants = {
        "corrupt": [{"mask": mask} for mask in MASKS],
        "duplicate": [{"size": size} for size in SIZES],
        "reorder": [{"size": size} for size in SIZES],
    }.get(kind, [{}])
    for place, variant in itertools.product(range(length), variants):
        yield Fault(kind, place, **variant)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mutual", [False, True], ids=["server", "mutual"])
def test_without_a_fault(version, mutual):
    """The wire itself does no harm."""
    sides = converse(contexts(version, mutual=mutual))

    assert [None, None] == [side.error for side in sides]
    assert [ANSWER, QUESTION] == [side.heard for side in sides]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("direction", ["to_server", "to_client"])
@pytest.mark.parametrize("version", VERSIONS)
def test_fault(version, direction, kind, nightly, short):
    """One fault, at each byte boundary of all that is sent."""
    both = contexts(version, mutual=True)
    length = lengths(both)[direction == "to_client"]
    step = 1 if nightly else WIDE if short else STEP
    # The places differ from fault to fault, and are always the same.
    cases = itertools.islice(faults(kind, length), len(kind), None, step)
    count = harmed = failed = 0
    for fault in cases:
        sides = converse(both, **{direction: fault})
        try:
            judge(sides, fault)
        except AssertionError as error:
            raise AssertionError(f"{fault}: {error}") from error
        count += 1
        harmed += any(
            side.port._driver.transport.outgoing.harmed for side in sides
        )
        failed += any(side.error is not None for side in sides)

    assert count >= (length - len(kind)) // step
    # Few bytes may be any: another version in a record's header.
    assert failed <= harmed
    assert failed >= 0.9 * harmed


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", VERSIONS)
def test_both_directions_at_once(version, nightly):
    """Faults on both ways, at random places; the seed is fixed."""
    both = contexts(version)
    there, back = lengths(both)
    dice = random.Random(version)
    for _ in range(2000 if nightly else 40):
        one, other = (
            Fault(
                dice.choice(FAULTS),
                dice.randrange(length),
                dice.choice(SIZES),
                dice.choice(MASKS),
            )
            for length in (there, back)
        )
        sides = converse(both, one, other)
        for side in sides:
            assert side.error is None or isinstance(
                side.error, tlskit.TLSError
            ), (one, other)


def test_certificate_of_another_version():
    """X.509 of version 4, which OpenSSL reads and cryptography does not."""
    both = contexts("tls12")
    ends = wire()
    seen = bytearray()
    write = ends[1].write
    ends[1].write = lambda data: seen.extend(data) or write(data)
    port = make(both[1], ends[1], None)
    other = make(both[0], ends[0], HOST)
    for each in (other, port):
        each.setblocking(False)
        with pytest.raises(BlockingIOError):
            each.handshake()
    # [0] EXPLICIT INTEGER, in the first certificate.
    place = seen.index(b"\xa0\3\2\1\2") + 4
    client, _ = converse(both, to_client=Fault("corrupt", place))

    assert isinstance(client.error, tlskit.VerificationError)
    # OpenSSL may find the broken signature first.
    assert client.error.code in {"bad-signature", "malformed-certificate"}


@pytest.mark.parametrize("kind", FAULTS)
def test_the_faults_are_done(kind):
    """The wire does what its faults say."""
    data = bytes(range(20))
    wanted = {
        "cut": data[:7],
        "delay": data,
        "duplicate": data[:10] + data[7:],
        "corrupt": data[:7] + b"\x87" + data[8:],
        "reorder": data[:7] + data[10:13] + data[7:10] + data[13:],
    }[kind]
    for size in (1, 3, 20):
        lane = Lane(Fault(kind, 7, 3, 0x80))
        for place in range(0, len(data), size):
            lane.send(data[place : place + size])
        if kind == "delay":
            assert data[:7] == lane.ready
            assert lane.release()
        assert not lane.release()
        lane.end()

        assert wanted == lane.ready
        assert lane.ended


def test_a_fault_at_the_end():
    """What is held back is given when nothing more comes."""
    lane = Lane(Fault("reorder", 2, 3))
    lane.send(b"abcde")
    assert b"ab" == lane.ready
    lane.end()

    assert b"abcde" == lane.ready
