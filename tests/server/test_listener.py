"""Tests for ``tlskit.server.listener`` and the handshakes in it."""

from __future__ import annotations

import errno
import selectors
import signal
import socket
import threading
from pathlib import Path

import pytest

import tlskit
from tlskit.server.listener import Listener
from tlskit.tools.deadline import Deadline

from ..engines import authority, client_context, server_context
from ..peers import PATIENCE, Task

LOCAL = "127.0.0.1"


@pytest.fixture
def listener():
    """Give a listener on loopback."""
    with tlskit.listen(hostname=LOCAL, context=server_context()) as made:
        yield made


def good(listener, context=None):
    """Connect a good client in a thread of its own."""
    return Task(
        tlskit.connect,
        "localhost" if listener.addresses()[0] == "::" else LOCAL,
        listener.port,
        client_context() if context is None else context,
    )


def raw(listener) -> socket.socket:
    """Connect by TCP, and say nothing."""
    return socket.create_connection((LOCAL, listener.port), PATIENCE)


def turn(listener, until, *, shake=True):
    """Take turns until something is so."""
    deadline = Deadline.after(PATIENCE)

    def work():
        while not until():
            listener._reception.turn(deadline, shake=shake)

    listener._reception.within(deadline, work)


@pytest.mark.parametrize("hostname", [None, LOCAL])
def test_a_port_that_is_taken_is_named(hostname):
    """The system's words alone don't say which of many."""
    with tlskit.listen(hostname=hostname, context=server_context()) as made:
        where = f"port {made.port}" + (f" of {hostname}" if hostname else "")
        with pytest.raises(OSError, match=f"can't listen on {where}: ") as got:
            tlskit.listen(made.port, hostname=hostname)

    assert errno.EADDRINUSE == got.value.errno


def test_accept(listener):
    """A client is accepted with its handshake done."""
    client = good(listener)
    with listener.accept(PATIENCE) as port, client.result() as other:
        assert port.peer == other.name
        assert port.name == other.peer
        assert tlskit.TLSVersion.TLS_1_3 is port.version


def test_silent_client_delays_nobody(listener):
    """Silent clients stay where they are; the good one comes first."""
    with raw(listener), raw(listener):
        client = good(listener)
        with listener.accept(PATIENCE) as port, client.result():
            assert port.version is not None


def test_slow_client_comes_through(listener):
    """A handshake goes on over several calls of accept."""
    with raw(listener) as sock:
        with pytest.raises(TimeoutError, match="waiting for a client"):
            listener.accept(0.01)
        upgraded = Task(
            lambda: tlskit.SSLPort.start_tls(
                sock, client_context(), hostname=LOCAL
            )
        )
        with listener.accept(PATIENCE), upgraded.result():
            pass


def test_broken_client_is_told(listener):
    """What a client did wrong is raised with its address."""
    with raw(listener) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(tlskit.NotTLSError) as caught:
            listener.accept(PATIENCE)
        assert "{}:{}".format(*sock.getsockname()) == caught.value.peer
        assert str(sock.getsockname()[1]) in str(caught.value)
        client = good(listener)
        with listener.accept(PATIENCE), client.result():
            pass


def test_broken_client_is_skipped(listener, caplog):
    """What a client did wrong is logged, if it shall not be raised."""
    caplog.set_level("INFO", "tlskit.listener")
    with raw(listener) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        client = good(listener)
        with (
            listener.accept(PATIENCE, raise_error=False),
            client.result(),
        ):
            pass

        while not caplog.records:
            with pytest.raises(TimeoutError):
                listener.accept(0.01, raise_error=False)
        assert "plain HTTP" in caplog.text


def test_too_slow_client(listener):
    """A handshake that takes too long is given up."""
    listener.handshake_timeout = 0.01
    with raw(listener) as sock:
        with pytest.raises(TimeoutError) as caught:
            listener.accept(PATIENCE)
        assert "{}:{}".format(*sock.getsockname()) == caught.value.peer


def test_refused_client_is_heard_out(listener):
    """A refused client that goes on talking is dropped in the end."""
    with raw(listener) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(tlskit.NotTLSError):
            listener.accept(PATIENCE)
        sock.sendall(b"more")
        with pytest.raises(TimeoutError):
            listener.accept(0.01)
        assert 1 == len(listener._reception.handshakes)
        sock.shutdown(socket.SHUT_WR)
        with pytest.raises(TimeoutError):
            listener.accept(0.05)

        assert not listener._reception.handshakes


def test_handshake_left_to_the_port(listener):
    """Without a handshake, the next client comes at once."""
    with raw(listener) as sock:
        with listener.accept(PATIENCE, handshake=False) as port:
            assert port.version is None
            upgraded = Task(
                lambda: tlskit.SSLPort.start_tls(
                    sock, client_context(), hostname=LOCAL
                )
            )
            port.handshake()
            with upgraded.result():
                assert port.version is not None


def test_ready(listener):
    """A pending client makes the listener ready, in every way of asking."""
    assert not listener.accept_ready()
    assert listener.wait(0.01) is None
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        assert not selector.select(0)
        with raw(listener):
            assert listener is listener.wait(PATIENCE)
            assert listener.accept_ready()
            assert selector.select(PATIENCE)
        selector.unregister(listener)


def test_finished_client_makes_ready(listener):
    """Two that finish together: one is given, one makes the listener ready."""
    with raw(listener) as one, raw(listener) as two:
        for sock in (one, two):
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        turn(listener, lambda: len(listener._reception.done) == 2)
        assert 2 == len(listener._reception.done)

        assert listener.accept_ready()
        assert listener is listener.wait(0)
        for _ in range(2):
            with pytest.raises(tlskit.NotTLSError):
                listener.accept(0)


def test_not_more_handshakes_than_allowed(listener):
    """Beyond the limit, clients wait in the backlog until there is room."""
    listener.max_handshakes = 1
    with raw(listener) as first:
        with pytest.raises(TimeoutError):
            listener.accept(0.01)
        assert 1 == len(listener._reception.handshakes)
        client = good(listener)
        with pytest.raises(TimeoutError):
            listener.accept(0.05)
        first.close()
        with pytest.raises(tlskit.HandshakeError):
            listener.accept(PATIENCE)
        with listener.accept(PATIENCE), client.result():
            pass


def test_gone_before_it_was_accepted(listener, monkeypatch):
    """A client that the system takes back is no error."""

    class Vanishing:
        def accept(self):
            raise ConnectionAbortedError

        def __getattr__(self, name):
            return getattr(real, name)

    real = listener._reception._sock
    with raw(listener):
        monkeypatch.setattr(listener._reception, "_sock", Vanishing())
        assert not listener._reception._take(shake=True)
        monkeypatch.undo()

    assert not listener._reception.done


def test_no_port_can_be_made(listener, monkeypatch):
    """What is wrong on our side closes the socket, and is raised."""

    def broken(*_):
        raise OSError("no more")

    monkeypatch.setattr("tlskit.server.reception.tune", broken)
    with raw(listener) as sock:
        with pytest.raises(OSError, match="no more"):
            listener.accept(PATIENCE)
        assert b"" == sock.recv(1)

    def wrong(*_):
        raise LookupError("a bug")

    monkeypatch.setattr("tlskit.server.reception.tune", wrong)
    with raw(listener), pytest.raises(LookupError):
        listener.accept(PATIENCE)


def test_no_certificate():
    """A listener may begin without a certificate, but not accept."""
    with tlskit.listen(hostname=LOCAL) as listener:
        with pytest.raises(tlskit.CredentialError) as caught:
            listener.accept(0)
        assert "no-certificate" == caught.value.code
        leaf = authority().issue("localhost", LOCAL)
        listener.load_certificate_chain(leaf.chain)
        listener.load_private_key(leaf.key)
        client = good(listener)
        with listener.accept(PATIENCE), client.result():
            pass


def test_no_certificate_of_its_own():
    """A context that only leads to others needs none."""
    context = tlskit.ServerContext()
    context.set_server_names({"localhost": server_context()})
    with tlskit.listen(hostname=LOCAL, context=context) as listener:
        client = Task(
            lambda: tlskit.connect(
                LOCAL, listener.port, client_context(), hostname="localhost"
            )
        )
        with listener.accept(PATIENCE) as port, client.result():
            assert "localhost" == port.server_name


def test_setters_reach_later_clients(tmp_path):
    """A listener's setters change its context, for whoever comes next."""
    context = server_context()
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority().pem)
    with tlskit.listen(hostname=LOCAL, context=context) as listener:
        client = good(listener)
        with listener.accept(PATIENCE) as before, client.result():
            listener.load_verify_root_certificates(roots)
            listener.load_suggested_certificate_authorities(authority().pem)
            listener.try_verify()
            assert listener.context is context
            assert before.verify_error is None
            client = good(listener)
            with listener.accept(PATIENCE) as port, client.result():
                assert port.verify_error is not None
        listener.set_verify()
        with_name = client_context("tls12")
        authority().issue("alice@example.com").apply(with_name)
        client = good(listener, with_name)
        with listener.accept(PATIENCE) as port, client.result():
            assert port.peer_verified


def test_sealed_context_stays_sealed():
    """A listener is no way around a seal."""
    context = server_context()
    context.seal()
    with tlskit.listen(hostname=LOCAL, context=context) as listener:
        for change in (
            listener.set_verify,
            listener.try_verify,
            lambda: listener.load_certificate_chain(authority().pem),
            lambda: listener.load_private_key(b""),
            lambda: listener.load_verify_root_certificates("x.pem"),
            lambda: listener.load_suggested_certificate_authorities(b""),
        ):
            with pytest.raises(tlskit.SealedError):
                change()


def test_addresses(listener):
    """A listener knows where it is, and nobody at the other end."""
    assert (LOCAL, "0.0.0.0") == listener.addresses()
    assert (LOCAL, listener.port, "0.0.0.0", 0) == listener.addresses(True)
    assert str(listener.port) in repr(listener)


def test_everywhere():
    """Without a host name, IPv4 and IPv6 are served."""
    with tlskit.listen(context=server_context()) as listener:
        assert ("::", "0.0.0.0") == listener.addresses()
        client = good(listener)
        with listener.accept(PATIENCE), client.result():
            pass


def test_everywhere_without_ipv6(monkeypatch):
    """A machine without IPv6 serves IPv4."""
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with tlskit.listen(context=server_context(), reuse=False) as listener:
        assert "0.0.0.0" == listener.addresses()[0]


@pytest.mark.parametrize(
    "arguments",
    [(-1,), (65536,), ("80",), (0, -1), (0, "5")],
)
def test_out_of_range(arguments):
    """Port and backlog are checked before anything happens."""
    with pytest.raises(ValueError, match="is a number from 0"):
        tlskit.listen(*arguments)


def test_wrong_context():
    """A client's context can't listen."""
    with pytest.raises(TypeError):
        tlskit.listen(context=client_context())


def test_taken_port(listener):
    """A port that is taken is an error of the system's, and leaks nothing."""
    with pytest.raises(OSError, match="in use"):
        tlskit.listen(listener.port, hostname=LOCAL)


def test_closed():
    """A closed listener says so; closing it again is harmless."""
    listener = tlskit.listen(hostname=LOCAL, context=server_context())
    with raw(listener) as silent, raw(listener) as pending:
        pending.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(tlskit.NotTLSError):
            listener.accept(PATIENCE)
        client = raw(listener)
        turn(listener, lambda: listener._reception.done, shake=False)
        listener.close()
        listener.close()
        assert b"" == client.recv(10)
        client.close()
        assert b"" == silent.recv(10)

    assert listener.closed
    assert "closed" in repr(listener)
    for use in (listener.accept, listener.wait, listener.accept_ready):
        with pytest.raises(tlskit.ClosedError):
            use()
    assert [] == list(listener)


def test_closed_with_failures_that_nobody_heard():
    """What was not accepted goes with the listener, failures as well."""
    listener = tlskit.listen(hostname=LOCAL, context=server_context())
    with raw(listener) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        turn(listener, lambda: listener._reception.done)
        listener.close()

    assert not listener._reception.done


def test_waiting_while_a_handshake_goes_on(listener):
    """A client that says something is not yet one that is done."""
    with raw(listener) as sock:
        with pytest.raises(TimeoutError):
            listener.accept(0.01)
        sock.sendall(b"\x16")
        assert listener.wait(0.05) is None


def test_close_while_another_thread_is_at_work(listener):
    """What a thread inside still uses is left to it."""
    reception = listener._reception

    def work():
        reception._inside = -1  # Some other thread's number.
        reception._leave(0)
        return listener._sock.fileno()

    assert -1 != reception.within(Deadline(), work)


def test_a_signal_wakes_who_accepts(listener):
    """One that comes just before the wait is not slept over."""
    reception = listener._reception
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:

        def work():
            signal.raise_signal(signal.SIGUSR1)
            [(key, _)] = reception.selector.select(PATIENCE)
            return key.fileobj

        assert reception._bell is reception.within(Deadline(), work)
        assert -1 == signal.set_wakeup_fd(-1)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_signals_of_an_event_loop_stay_its_own(listener):
    """A descriptor that a loop has signals written to is left in place."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        before = signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.set_wakeup_fd(theirs.fileno())
        try:
            listener._reception.within(
                Deadline(), lambda: signal.raise_signal(signal.SIGUSR1)
            )
        finally:
            assert theirs.fileno() == signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGUSR1, before)

        assert bytes([signal.SIGUSR1]) == ours.recv(9)


def test_no_signal_rings_what_is_closed(listener):
    """What an interrupt left in place is taken away by the next call."""
    ringer = listener._reception._ringer
    signal.set_wakeup_fd(ringer.fileno(), warn_on_full_buffer=False)
    listener._reception.within(Deadline(), lambda: None)
    assert -1 == signal.set_wakeup_fd(-1)

    signal.set_wakeup_fd(ringer.fileno(), warn_on_full_buffer=False)
    listener.close()
    assert -1 == signal.set_wakeup_fd(-1)


def test_a_loop_keeps_its_signals_when_we_close(listener):
    """Closing takes away nobody else's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        signal.set_wakeup_fd(theirs.fileno())
        listener.close()
        assert theirs.fileno() == signal.set_wakeup_fd(-1)


def test_close_wakes_who_accepts(listener):
    """Closing ends an accept in another thread."""
    waiting = Task(listener.accept)
    other = Task(listener.wait)
    listener.close()

    for each in (waiting, other):
        with pytest.raises(tlskit.ClosedError):
            each.result()


def test_iteration(listener):
    """A listener is an iterable of ports, until it is closed."""
    client = good(listener)
    seen = []
    for port in listener:
        seen.append(port)
        with port, client.result():
            pass
        break
    iterator = iter(listener)
    ending = Task(lambda: list(iterator))
    listener.close()

    assert 1 == len(seen)
    assert [] == ending.result()


def test_two_threads_accept(listener):
    """Each of two threads gets a client."""
    tasks = [Task(listener.accept, PATIENCE) for _ in range(2)]
    clients = [good(listener) for _ in range(2)]
    ports = [task.result() for task in tasks]
    for port in (*ports, *(client.result() for client in clients)):
        port.close()

    assert 2 == len({port.peer for port in ports})


def test_waiting_for_another_thread(listener):
    """A time-out holds also while another thread is inside."""

    def work():
        with pytest.raises(TimeoutError, match="another thread"):
            listener.accept(0.01)
        return listener.wait(0.01)

    assert listener._reception.within(Deadline(), work) is None


def test_interrupt_in_a_hook(listener):
    """A KeyboardInterrupt is never logged away."""

    class Interrupted(tlskit.ServerContext):
        def verify_peer(self, verdict):
            raise KeyboardInterrupt

    context = Interrupted()
    authority().issue(LOCAL).apply(context)
    with tlskit.listen(hostname=LOCAL, context=context) as interrupted:
        client = good(interrupted, client_context("tls12"))
        with pytest.raises(KeyboardInterrupt):
            interrupted.accept(PATIENCE, raise_error=False)
        with pytest.raises(tlskit.HandshakeError):
            client.result()


def test_nothing_is_left():
    """Afterwards no descriptor and no thread is left."""

    def count():
        here = list(Path("/proc/self/fd").iterdir())
        return len(here), threading.active_count()

    before = count()
    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        with raw(listener), raw(listener) as broken:
            broken.sendall(b"garbage!" * 20)
            client = good(listener)
            with (
                listener.accept(PATIENCE, raise_error=False),
                client.result(),
            ):
                pass

    assert before == count()


def test_given_socket():
    """A listener can be made of a listening socket."""
    sock = socket.create_server((LOCAL, 0))
    with Listener(sock, server_context()) as listener:
        client = good(listener)
        with listener.accept(PATIENCE), client.result():
            pass


def test_full_socket(listener, monkeypatch):
    """A handshake whose bytes don't fit waits until the socket takes them."""

    def full(*_):
        raise tlskit.WantWriteError("full")

    with raw(listener) as sock:
        sock.sendall(b"\x16")
        monkeypatch.setattr(
            "tlskit.ports.blocking.driver.Driver.handshake", full
        )
        with pytest.raises(TimeoutError):
            listener.accept(0.05)
        (handshake,) = listener._reception.handshakes.values()

        assert handshake.interest & selectors.EVENT_WRITE


def test_talker_is_not_heard_for_ever(listener, monkeypatch):
    """A refused client that talks too much is dropped."""
    monkeypatch.setattr("tlskit.server.handshakes._MOST_DRAINED", 10)
    with raw(listener) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(tlskit.NotTLSError):
            listener.accept(PATIENCE)
        sock.sendall(b"more and more and more")
        with pytest.raises(TimeoutError):
            listener.accept(0.05)

        assert not listener._reception.handshakes
