"""Many threads that use the same ports at random: no crash, no deadlock."""

from __future__ import annotations

import random
import socket
import sys
import threading
from contextlib import ExitStack, suppress

import pytest

import tlskit
from tlskit.tools.deadline import Deadline

from ..joined import over_sockets
from ..peers import PATIENCE, Task

THREADS = 32
PORTS = 6
#: How long, in seconds: usually, and in nightly runs.
USUAL, NIGHTLY = 3.0, 60.0
#: One call may take so long, in seconds.
PATIENT = 0.05


class Pair:
    """Two joined ports; replaced by others once they are worn out."""

    def __init__(self):
        self._lock = threading.Lock()
        self.ends = over_sockets()
        for port in self.ends:
            port.settimeout(PATIENT)

    def renew(self):
        """Replace the ports, if they are closed."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            old = self.ends
            if all(port.closed for port in old):
                fresh = over_sockets()
                for port in fresh:
                    port.settimeout(PATIENT)
                self.ends = fresh
        finally:
            self._lock.release()

    def close(self):
        """Close both ports."""
        for port in self.ends:
            with suppress(OSError):  # What was gathered has nowhere to go.
                port.close()


def query(port):
    """Ask for all that is known."""
    assert tlskit.TLSVersion.TLS_1_3 is port.version
    assert port.cipher
    assert isinstance(port.peer_verified, bool)
    assert 16 == len(port.export_keying_material("label", 16))
    assert port.default_channel_binding()
    assert repr(port)
    port.pending()
    port.fileno()
    port.handshake()


FILES = (
    lambda port, _: port.output.write(b"gathered"),
    lambda port, _: port.output.flush(),
    lambda port, _: port.input.read1(7),
)
OPERATIONS = (
    (40, lambda port, dice: port.sendall(bytes(dice.randrange(1, 40000)))),
    (40, lambda port, dice: port.recv(dice.randrange(1, 40000))),
    (10, lambda port, _: port.recv_into(bytearray(9))),
    (10, lambda port, _: query(port)),
    *((5, call) for call in FILES),
    (3, lambda port, dice: port.settimeout(dice.choice([0, PATIENT]))),
    (2, lambda port, _: port.shutdown(socket.SHUT_WR)),
    (2, lambda port, _: port.close()),
    (1, lambda port, _: port.abandon()),
)
WEIGHTS = [weight for weight, _ in OPERATIONS]
CALLS = [call for _, call in OPERATIONS]


def use(pairs, number, end, counts):
    """Do this and that until the end; only errors of ours may come."""
    dice = random.Random(number)
    while end.left():
        pair = dice.choice(pairs)
        pair.renew()
        port = dice.choice(pair.ends)
        (call,) = dice.choices(CALLS, WEIGHTS)
        counts[number] += 1
        try:
            call(port, dice)
        except OSError:
            pass  # Time-outs, ends, and ports that others have closed.
        except ValueError:
            # What the standard library's files say once they are closed.
            if call not in FILES:
                raise
            assert port.input.closed or port.output.closed


@pytest.fixture(params=[None, 1e-6], ids=["usual", "stress"])
def _switching(request):
    """Switch threads as Python does, and almost after each instruction."""
    before = sys.getswitchinterval()
    if request.param is not None:
        sys.setswitchinterval(request.param)
    yield
    sys.setswitchinterval(before)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("_switching")
def test_many_threads(nightly):
    """Reads, writes, closes and queries at random, by 32 threads."""
    end = Deadline.after(NIGHTLY if nightly else USUAL)
    counts = [0] * THREADS
    with ExitStack() as stack:
        pairs = [Pair() for _ in range(PORTS)]
        for pair in pairs:
            stack.callback(pair.close)
        tasks = [
            Task(use, pairs, number, end, counts) for number in range(THREADS)
        ]
        for task in tasks:
            task._thread.join((end.left() or 0) + PATIENCE)
        for task in tasks:
            task.result()

    assert min(counts) > 0
