"""A server in a crowd: those who say nothing, garbage, or half a handshake.

What is left afterwards is counted: threads, descriptors, objects.
"""

from __future__ import annotations

import gc
import selectors
import socket
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

import tlskit
from tlskit.engine.engine import Engine
from tlskit.ports.blocking.driver import Driver
from tlskit.server.handshakes import Handshake
from tlskit.server.tally import Meter
from tlskit.tools.deadline import Deadline

from ..engines import client_context, client_engine
from ..peers import PATIENCE, Task, echo
from .test_serving import LOCAL, Server

SILENT, SLOW, GARBAGE, LEAVING = 200, 50, 50, 20
#: How many descriptors each needs: ours and the server's.
DESCRIPTORS = 2 * (SILENT + SLOW + GARBAGE + LEAVING) + 200

resource = pytest.importorskip("resource")


@pytest.fixture(autouse=True)
def _descriptors():
    """Have enough descriptors for both sides of everybody."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip(f"needs {DESCRIPTORS} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def left() -> tuple[int, int, Counter[str]]:
    """Count what a connection consists of: descriptors, threads, objects."""
    while gc.collect():
        pass
    kinds = (Driver, Engine, Handshake, Meter, socket.socket, tlskit.SSLPort)
    objects = Counter(
        type(each).__name__
        for each in gc.get_objects()
        if isinstance(each, kinds)
    )
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return descriptors, threading.active_count(), objects


class Crowd:
    """Bad clients, each kind at an address of its own.

    The slow ones are fed a byte at a time in a thread, as fast as they can:
    what counts is that their handshake never comes to its end.
    """

    def __init__(self, server, stack):
        self._server = server
        self._stack = stack
        self.silent = [self._meet("127.0.2.1") for _ in range(SILENT)]
        self.garbage = [self._meet("127.0.2.2") for _ in range(GARBAGE)]
        self.leaving = [self._meet("127.0.2.3") for _ in range(LEAVING)]
        self.slow = [self._meet("127.0.2.4") for _ in range(SLOW)]

    def _meet(self, source):
        return self._stack.enter_context(self._server.raw(source))

    def behave(self):
        """Have each do its worst."""
        for number, sock in enumerate(self.garbage):
            sock.sendall(bytes([number, 255 - number]) * 500)
        for sock in self.leaving:
            sock.sendall(hello()[:100])
            sock.close()
        for sock in self.slow:
            sock.sendall(hello()[:1])

    def send_another_byte(self, place):
        """Have the slow ones send one more byte each."""
        for sock in self.slow:
            sock.sendall(hello()[place : place + 1])

    def end(self):
        """Wait until everybody was turned out."""
        with selectors.DefaultSelector() as selector:
            for sock in (*self.silent, *self.slow, *self.garbage):
                sock.setblocking(False)
                selector.register(sock, selectors.EVENT_READ)
            deadline = Deadline.after(3 * PATIENCE)
            while selector.get_map():
                assert deadline.left()
                for key, _ in selector.select(deadline.left()):
                    try:
                        ended = not key.fileobj.recv(65536)
                    except ConnectionError:
                        ended = True
                    if ended:
                        selector.unregister(key.fileobj)


def hello() -> bytes:
    """Give a ClientHello."""
    engine = client_engine(hostname=LOCAL)
    engine.handshake()
    return engine.outgoing()


def visit(server, context) -> None:
    """Be a good client."""
    with server.connect(context) as port:
        port.sendall(b"hello")
        assert b"hello" == port.recv(10)


def warm_up(context) -> None:
    """Have everything made that is made once."""
    hello()
    server = Server(echo)
    visit(server, context)
    server.listener.shutdown(PATIENCE)
    server.task.result()


def steps_of_a_visit(server, context) -> int:
    """Count how often the server looks up for one good client."""
    reception = server.listener._reception
    count = 0
    turn = reception.turn

    def counted(*arguments, **options):
        nonlocal count
        count += 1
        return turn(*arguments, **options)

    reception.turn = counted
    try:
        visit(server, context)
    finally:
        del reception.turn
    return count


def test_a_crowd():
    """A good client is served at once in the midst of it; nothing is left."""
    context = client_context()
    warm_up(context)
    before = left()
    with ExitStack() as stack:
        server = Server(echo, handshake_timeout=6)
        alone = steps_of_a_visit(server, context)
        crowd = Crowd(server, stack)
        crowd.behave()
        server.until(
            lambda found: sum(found.refused.values()) >= GARBAGE + LEAVING
        )
        found = server.listener.statistics
        assert SILENT + SLOW <= found.handshakes
        for place in range(1, 4):
            crowd.send_another_byte(place)
            # Not by the clock: how often the server has to look up, the slow
            # ones' bytes included, is all that it costs.
            assert steps_of_a_visit(server, context) <= alone + 2 * SLOW + 20
        crowd.end()
        server.until(lambda found: found.handshakes == 0)
        visit(server, context)
        server.listener.shutdown(PATIENCE)
        server.task.result()
        found = server.listener.statistics

    assert 5 == found.handshaken
    assert SILENT + SLOW == found.refused["timed-out"]
    assert LEAVING == found.refused["closed-in-handshake"]
    assert SILENT + SLOW + GARBAGE + LEAVING == sum(found.refused.values())
    assert found.accepted == found.handshaken + sum(found.refused.values())
    assert 0 == found.active
    del server, crowd, stack
    assert before == left()


def test_silent_clients_cost_a_socket():
    """Who has said nothing has no session yet, and no thread ever."""
    with ExitStack() as stack:
        server = Server(echo)
        stack.callback(server.task.settle)
        stack.callback(server.listener.shutdown, 0)
        visit(server, client_context())
        server.until(lambda found: found.active == 0)
        _, threads, before = left()
        for _ in range(100):
            stack.enter_context(server.raw("127.0.2.1"))
        server.until(lambda found: found.handshakes == 100)
        _, now, objects = left()

        assert threads == now
        assert before["Engine"] == objects["Engine"]
        assert before["Handshake"] + 100 == objects["Handshake"]


def test_many_good_clients_at_once():
    """All of them are served, and each but once."""
    context = client_context()
    server = Server(echo, workers=4, max_connections=8)
    clients = [Task(visit, server, context) for _ in range(40)]
    for client in clients:
        client.result()
    server.listener.shutdown(PATIENCE)
    server.task.result()

    found = server.listener.statistics
    assert (40, 40, {}) == (found.accepted, found.handshaken, found.refused)
    assert 0 == found.active
