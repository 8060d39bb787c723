"""Tests for ``tlskit.client.opening``: addresses, time-outs, AF_UNIX."""

from __future__ import annotations

import asyncio
import errno
import inspect
import math
import os
import socket
from contextlib import contextmanager

import pytest
import trio

import tlskit
from tlskit import aio
from tlskit.aio.dialling import _given_up
from tlskit.aio.opening import within
from tlskit.client.opening import OPENING, Address, Race, Route
from tlskit.tools.deadline import Deadline

from ..engines import client_context, server_context
from ..peers import HOST, PATIENCE, Task

LOCAL = "127.0.0.1"
SIX = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 1, 0, 0))
FOUR = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (LOCAL, 1))
OTHER = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 1))


def route(**keywords):
    """A route with all its defaults but *keywords*."""
    given = {
        "alpn": (),
        "timeout": OPENING,
        "hostname": None,
        "source_address": None,
        "proxy": None,
        "happy_eyeballs_delay": 0.25,
    }
    return Route.of(HOST, 443, "auto", **{**given, **keywords})


@contextmanager
def black_hole():
    """A listener that lets nobody in; gives its port."""
    with socket.create_server(("127.0.0.2", 0), backlog=0) as hole:
        hole.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(hole.getsockname())
            yield hole.getsockname()[1]
        finally:
            for each in waiting:
                each.close()


@contextmanager
def greeting(listener):
    """Greet one client."""

    def run():
        with listener.accept(PATIENCE) as port:
            port.sendall(b"hi")

    task = Task(run)
    yield
    task.result()


def found(*ports):
    """What a resolver gives: 127.0.0.2 and 127.0.0.1."""
    return [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
        for host, port in zip(("127.0.0.2", LOCAL), ports, strict=False)
    ]


def dial(kind, *arguments, **keywords):
    """Connect, and read two bytes."""
    if kind == "blocking":
        with tlskit.connect(*arguments, **keywords) as port:
            return port.recv(2)

    async def main():
        module = aio if kind == "asyncio" else tlskit.trio
        port = await module.open_connection(*arguments, **keywords)
        data = await port.read(2)
        await port.aclose()
        return data

    return asyncio.run(main()) if kind == "asyncio" else trio.run(main)


KINDS = pytest.mark.parametrize("kind", ["blocking", "asyncio", "trio"])


@KINDS
def test_a_silent_address_does_not_keep_the_next_waiting(kind, monkeypatch):
    """RFC 8305, section 5."""
    with (
        black_hole() as hole,
        tlskit.listen(hostname=LOCAL, context=server_context()) as listener,
        greeting(listener),
    ):
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: found(hole, listener.port)
        )
        assert b"hi" == dial(
            kind, HOST, listener.port, client_context(), timeout=PATIENCE
        )


@KINDS
def test_one_after_the_other(kind, monkeypatch):
    """Without a delay a silent address is waited for, and told."""
    with black_hole() as hole:
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: found(hole, 9)
        )
        # On a busy machine the first may end before there is an address.
        for patience in (0.1, 1.0, PATIENCE):
            with pytest.raises(TimeoutError) as caught:
                dial(
                    kind, HOST, 9, timeout=patience, happy_eyeballs_delay=None
                )
            if "no answer" in (words := str(caught.value)):
                break

    assert "no answer" in words
    assert "127.0.0.1:9: not tried" in words


@KINDS
def test_a_failure_lists_what_was_tried(kind, monkeypatch):
    """Each address, and why it failed."""
    with socket.create_server((LOCAL, 0)) as taken:
        closed = taken.getsockname()[1]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: found(closed, closed)
    )
    with pytest.raises(ConnectionRefusedError) as caught:
        dial(kind, HOST, closed)

    refused = os.strerror(errno.ECONNREFUSED)
    assert f"127.0.0.2:{closed}: {refused}" in str(caught.value)
    assert f"127.0.0.1:{closed}: {refused}" in str(caught.value)


@KINDS
def test_path(kind, tmp_path):
    """A server behind a socket of the file system."""
    place = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(place)
        sock.listen()

        def run():
            plain, _ = sock.accept()
            plain.settimeout(PATIENCE)
            with tlskit.SSLPort.start_tls(
                plain, server_context(), server_side=True
            ) as port:
                port.sendall(b"hi")

        task = Task(run)
        assert b"hi" == dial(
            kind, f"unix:{place}", context=client_context(), hostname=HOST
        )
        task.result()


@KINDS
def test_no_such_path(kind, tmp_path):
    """A missing socket is the system's own error."""
    with pytest.raises(FileNotFoundError):
        dial(kind, f"unix:{tmp_path / 'nobody'}", context="auto")


def test_impossible_routes():
    """Arguments that exclude each other, or are out of their range."""
    with pytest.raises(ValueError, match="followed by a path"):
        tlskit.connect("unix:")
    with pytest.raises(ValueError, match="for TCP"):
        tlskit.connect("unix:/x", proxy="http://localhost")
    for delay in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match="happy_eyeballs_delay"):
            tlskit.connect(HOST, happy_eyeballs_delay=delay)


def test_default_deadline():
    """60 seconds for opening, which are not the port's later."""
    for function in (
        tlskit.connect,
        aio.open_connection,
        tlskit.trio.open_connection,
    ):
        assert 60 == inspect.signature(function).parameters["timeout"].default

    assert route().timeout is None
    assert 55 < route().deadline.left() <= 60
    assert 60 == route(timeout=60).timeout
    assert route(timeout=None).deadline.left() is None


def test_families_take_turns():
    """RFC 8305, section 4; the first after 10 ms at the least."""
    race = Race(route(happy_eyeballs_delay=0), [SIX, SIX, FOUR, OTHER])
    first = race.next()

    assert "[::1]:1" == str(first)
    assert race.next() is None
    assert 0 < race.pause() <= 0.01
    race.failed(first, OSError("no route"))
    assert 0 == race.pause()
    assert "127.0.0.1:1" == str(race.next())


@KINDS
def test_a_resolver_that_finds_nothing(kind, monkeypatch):
    """It is told as that, by both drivers."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])

    with pytest.raises(OSError, match="no address"):
        dial(kind, HOST, 9)


@KINDS
def test_an_address_of_ours_that_is_none(kind):
    """A socket that can't be bound is closed, and its error told."""
    with pytest.raises(OSError, match="failed"):
        dial(kind, LOCAL, 9, source_address=("192.0.2.1", 0))


@KINDS
def test_an_address_that_fails_at_once(kind, monkeypatch):
    """What connecting refuses without waiting counts like any failure."""

    def refuse(*_):
        raise OSError("no route")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(OSError, match="no route"):
        dial(kind, LOCAL, 9)


@KINDS
def test_an_error_of_another_kind_is_not_hidden(kind, monkeypatch):
    """Only the transport's failures let the next address have its turn."""

    def broken(*_):
        raise RuntimeError("a fault")

    monkeypatch.setattr(socket.socket, "connect", broken)
    with pytest.raises(RuntimeError, match="a fault"):
        dial(kind, LOCAL, 9)


@KINDS
def test_no_deadline(kind):
    """None waits as long as it takes."""
    with (
        tlskit.listen(hostname=LOCAL, context=server_context()) as listener,
        greeting(listener),
    ):
        assert b"hi" == dial(
            kind, LOCAL, listener.port, client_context(), timeout=None
        )


def test_who_comes_second_is_closed():
    """Two addresses may answer at once; one connection is left."""

    async def main():
        loser = socket.socket()

        async def won():
            return loser

        task = asyncio.ensure_future(won())
        await asyncio.sleep(0)
        await _given_up({task: Address(*FOUR[:3], FOUR[4])})
        return loser.fileno()

    assert -1 == asyncio.run(main())


@pytest.mark.skipif(
    not hasattr(asyncio.Task, "uncancel"), reason="it can't be told"
)
def test_who_is_cancelled_by_others_too_is_cancelled():
    """The deadline's own error would hide it."""

    async def main():
        task = asyncio.current_task()
        wait = within(Deadline.after(PATIENCE), "waiting")
        with pytest.raises(asyncio.CancelledError), wait:
            wait._cancel()  # As its alarm does.
            task.cancel()
            await asyncio.sleep(0)
        assert 0 == task.uncancel()

    asyncio.run(main())
