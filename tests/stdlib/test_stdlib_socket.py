"""``wrap_socket``: an SSLSocket that behaves, on tlskit's driver."""

from __future__ import annotations

import os
import select
import socket
import socketserver
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import tlskit
from tlskit.stdlib.context import SSLSocket

from ..joined import read_exactly, tcp_pair
from ..libraries import (
    authority,
    client,
    leaf,
    running,
    server,
    stdlib_client,
    stdlib_server,
)
from ..peers import PATIENCE, Task, TcpServer
from ..peers import stdlib_client as connect


def ours(
    theirs: ssl.SSLContext | None = None,
    **options: Any,
) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """Join our client's socket with a server's, ssl's own by default."""
    left, right = tcp_pair()
    task = Task(
        lambda: (theirs or stdlib_server()).wrap_socket(
            right, server_side=True
        )
    )
    wrapped = (
        client()
        .as_ssl_context()
        .wrap_socket(left, server_hostname="localhost", **options)
    )
    return wrapped, task.result()


@pytest.fixture
def pair():
    """Our client's socket, and a server's of ssl's own."""
    one, two = ours()
    with one, two:
        yield one, two


@pytest.fixture
def both():
    """A client's and a server's socket, both ours."""
    one, two = ours(server().as_ssl_context())
    with one, two:
        yield one, two


# -- what it is -------------------------------------------------------------


def test_it_is_what_libraries_check_for(pair):
    """isinstance() finds what it looks for, and the facts are there."""
    one, two = pair

    assert isinstance(one, ssl.SSLSocket)
    assert "TLSv1.3" == one.version()
    assert two.cipher() == one.cipher()
    assert (False, "localhost") == (one.server_side, one.server_hostname)
    assert one.selected_alpn_protocol() is None
    assert not one.session_reused
    assert isinstance(one.context, tlskit.stdlib.SSLContext)
    assert ("DNS", "localhost") in one.getpeercert()["subjectAltName"]
    assert 2 == len(one.get_verified_chain())
    assert 1 == len(one.get_unverified_chain())


def test_bytes_go_both_ways(pair):
    """By every method that a socket has for it."""
    one, two = pair
    one.sendall(b"one")
    assert b"one" == two.recv(100)
    two.sendall(b"two and more")
    assert b"two" == one.recv(3)
    assert 9 == one.pending()
    buffer = bytearray(100)
    assert 9 == one.recv_into(buffer)
    with one.makefile("rwb") as file:
        file.write(b"a line\n")
        file.flush()
        two.sendall(two.recv(100) * 2)
        assert [b"a line\n"] * 2 == [file.readline(), file.readline()]


def test_a_file_is_sent(pair, tmp_path):
    """sendfile() can't leave it to the system, and doesn't."""
    one, two = pair
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    task = Task(read_exactly, two, 100_000)
    with path.open("rb") as file:
        assert 100_000 == one.sendfile(file)

    assert b"x" * 100_000 == task.result()
    # What Python 3.15 asks before it sends one.
    assert not one._sslobj.uses_ktls_for_send()
    assert not one._sslobj.uses_ktls_for_recv()


@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_much_goes_both_ways_at_once(both, timeout):
    """Two writers wait for each other's readers, but not for ever."""
    data = os.urandom(3_000_000)
    for sock in both:
        sock.settimeout(timeout)
    tasks = [Task(sock.sendall, data) for sock in both]
    readers = [Task(read_exactly, sock, len(data)) for sock in both]

    assert [data, data] == [reader.result() for reader in readers]
    for task in tasks:
        task.result()


def test_plain_methods_are_refused(pair):
    """Nothing leaves unencrypted."""
    one, _ = pair
    with pytest.raises(ValueError, match="not allowed"):
        one.sendto(b"x", ("127.0.0.1", 1))
    with pytest.raises(NotImplementedError):
        one.sendmsg([b"x"])
    with pytest.raises(ValueError, match="flags"):
        one.recv(1, socket.MSG_PEEK)


# -- the handshake ----------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("wrong-host", tlskit.IdentityError),
        ("unknown-ca", tlskit.VerificationError),
        ("expired", tlskit.VerificationError),
    ],
)
def test_a_bad_server_is_refused(kind, error):
    """The socket is closed, the peer has its alert, and we an explanation."""

    def shake(sock: socket.socket) -> None:
        with stdlib_server(kind).wrap_socket(sock, server_side=True) as there:
            there.recv(1)

    with TcpServer(shake) as there:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            connect(there.port, client().as_ssl_context())
        assert error is type(caught.value.__cause__)
        with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
            there.result()


def test_a_socket_is_connected_later():
    """connect() shakes hands, as for any SSLSocket."""

    def shake(sock: socket.socket) -> bytes:
        with stdlib_server().wrap_socket(sock, server_side=True) as there:
            return there.recv(100)

    with TcpServer(shake) as there:
        with (
            client()
            .as_ssl_context()
            .wrap_socket(socket.socket(), server_hostname="localhost") as sock
        ):
            sock.settimeout(PATIENCE)
            assert sock.version() is None
            sock.connect(("127.0.0.1", there.port))
            sock.sendall(b"hello")
        assert b"hello" == there.result()


@pytest.mark.parametrize("explicit", [True, False])
def test_the_handshake_can_wait(explicit):
    """It is done when first needed, with all its checks."""
    left, right = tcp_pair()
    one = (
        client()
        .as_ssl_context()
        .wrap_socket(
            left, server_hostname="localhost", do_handshake_on_connect=False
        )
    )
    two = (
        server()
        .as_ssl_context()
        .wrap_socket(right, server_side=True, do_handshake_on_connect=False)
    )
    with one, two:
        task = Task(two.recv, 5)
        if explicit:
            one.do_handshake()
            one.do_handshake()
        one.sendall(b"hello")

        assert b"hello" == task.result()


def test_a_silent_server_meets_the_time_out():
    """The handshake has a deadline, and gives the socket back to nobody."""
    left, right = tcp_pair()
    left.settimeout(0.05)
    with right, pytest.raises(TimeoutError):
        client().as_ssl_context().wrap_socket(
            left, server_hostname="localhost"
        )


def test_an_interrupt_leaves_no_socket_behind():
    """What passes every "except Exception" closes the socket, too."""

    class Interrupted(tlskit.ClientContext):
        def verify_peer(self, verdict):
            raise KeyboardInterrupt

    context = Interrupted("auto")
    authority().trust(context)
    left, right = tcp_pair()
    task = Task(
        lambda: stdlib_server().wrap_socket(right, server_side=True).recv(1)
    )
    with pytest.raises(KeyboardInterrupt):
        context.as_ssl_context().wrap_socket(left, server_hostname="localhost")
    assert task.settle() is not None
    right.close()


def test_a_listening_socket_is_wrapped():
    """accept() gives clients with whom hands were shaken."""
    with (
        server()
        .as_ssl_context()
        .wrap_socket(
            socket.create_server(("127.0.0.1", 0)), server_side=True
        ) as listening
    ):
        listening.settimeout(PATIENCE)
        task = Task(listening.accept)
        with connect(listening.getsockname()[1], stdlib_client()) as one:
            two, address = task.result()
            with two:
                assert one.getsockname() == address
                one.sendall(b"hello")
                assert b"hello" == two.recv(100)


def test_datagrams_are_refused():
    """There is no DTLS here."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        with pytest.raises(NotImplementedError):
            client().as_ssl_context().wrap_socket(
                sock, server_hostname="localhost"
            )


# -- time-outs --------------------------------------------------------------


def test_the_time_out_is_the_sockets(pair):
    """It comes from the socket, can be changed, and is obeyed."""
    left, right = tcp_pair()
    left.settimeout(7)
    task = Task(lambda: stdlib_server().wrap_socket(right, server_side=True))
    one = (
        client()
        .as_ssl_context()
        .wrap_socket(left, server_hostname="localhost")
    )
    with one, task.result():
        assert 7.0 == one.gettimeout() == one.timeout
        one.settimeout(0.01)
        with pytest.raises(TimeoutError):
            one.recv(1)
        one.setblocking(False)
        assert (0.0, False) == (one.gettimeout(), one.getblocking())
        with pytest.raises(ssl.SSLWantReadError):
            one.recv(1)
        one.setblocking(True)
        assert (None, True) == (one.gettimeout(), one.getblocking())
        with pytest.raises(ValueError, match="out of range"):
            one.settimeout(-1)


def nonblocking(
    sock: socket.socket, function: Callable[..., Any], *args: Any
) -> Any:
    """Call until it is done, selecting for what it wants."""
    while True:
        try:
            return function(*args)
        except ssl.SSLWantReadError:
            ready = select.select([sock], [], [], PATIENCE)
        except ssl.SSLWantWriteError:
            ready = select.select([], [sock], [], PATIENCE)
        assert any(ready)


def test_a_socket_that_never_waits():
    """Handshake, reading, writing and the end, all by select()."""
    left, right = tcp_pair()
    data = os.urandom(2_000_000)

    def talk() -> bytes:
        with stdlib_server().wrap_socket(right, server_side=True) as there:
            heard = read_exactly(there, len(data))
            there.sendall(heard)
            there.unwrap().close()
            return heard

    task = Task(talk)
    left.setblocking(False)
    adapter = client().as_ssl_context()
    with adapter.wrap_socket(
        left, server_hostname="localhost", do_handshake_on_connect=False
    ) as one:
        nonblocking(one, one.do_handshake)
        assert one.getpeercert()
        left = memoryview(data)
        while left:
            left = left[nonblocking(one, one.send, left) :]
        # It comes back when all of it has left, with no help but select()'s.
        heard = b""
        while piece := nonblocking(one, one.recv, 65536):
            heard += piece
        assert data == heard
        nonblocking(one, one.unwrap)
        assert data == task.result()


def test_a_handshake_can_not_be_asked_of_what_never_waits():
    """As with ssl."""
    left, right = tcp_pair()
    left.setblocking(False)
    with right, pytest.raises(ValueError, match="non-blocking"):
        client().as_ssl_context().wrap_socket(
            left, server_hostname="localhost"
        )


def fill(sock: ssl.SSLSocket, data: bytes) -> int:
    """Write until nothing fits; count what was taken."""
    count = 0
    with pytest.raises((ssl.SSLWantWriteError, TimeoutError)):
        while True:
            count += sock.send(data)
    return count


@pytest.mark.parametrize("timeout", [0.0, 0.05])
def test_nothing_is_sent_twice(pair, timeout):
    """After a full buffer the same call goes on; another one is an error."""
    one, two = pair
    one.settimeout(timeout)
    data = b"0123456789abcdef" * 1024
    count = fill(one, data)
    with pytest.raises(ssl.SSLError, match="BAD_WRITE_RETRY"):
        one.send(b"something else")
    task = Task(read_exactly, two, count + len(data))
    one.settimeout(PATIENCE)
    assert len(data) == one.send(data)
    assert data * (count // len(data) + 1) == task.result()

    one.sendall(b"and on")
    assert b"and on" == read_exactly(two, 6)


def test_what_is_pending_is_seen_by_select(pair):
    """No ciphertext is taken from the system before it is asked for."""
    one, two = pair
    for _ in range(3):
        two.sendall(b"x" * 100)
    assert b"x" * 50 == one.recv(50)
    assert 50 == one.pending()
    assert b"x" * 50 == one.recv(50)
    for _ in range(2):
        assert 0 == one.pending()
        assert select.select([one], [], [], PATIENCE)[0]
        assert b"x" * 100 == one.recv(1000)


# -- the end ----------------------------------------------------------------


def test_close_says_goodbye(pair):
    """The peer can tell the end from an attack."""
    one, two = pair
    two.suppress_ragged_eofs = False
    one.close()

    assert b"" == two.recv(1)
    assert -1 == one.fileno()


@pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR])
def test_shutdown_says_goodbye(pair, how):
    """One direction or both."""
    one, two = pair
    two.suppress_ragged_eofs = False
    one.shutdown(how)
    assert b"" == two.recv(1)

    with pytest.raises(ssl.SSLZeroReturnError):
        one.send(b"late")


def test_after_shutdown_reading_is_still_tls(pair):
    """ssl's own class would hand out ciphertext, or anybody's bytes."""
    one, two = pair
    one.shutdown(socket.SHUT_WR)
    two.sendall(b"the rest")

    assert b"the rest" == one.recv(100)


def test_after_shutdown_the_end_is_the_end(pair):
    """Who cut the connection needs no error about it."""
    one, _ = pair
    task = Task(one.recv, 1)
    one.shutdown(socket.SHUT_RDWR)
    assert b"" == task.result() == one.recv(1)

    one.shutdown(socket.SHUT_RD)


def test_a_cut_stream_is_an_error(pair):
    """Whatever ``suppress_ragged_eofs`` says: the context decides."""
    one, two = pair
    two.close()  # ssl's own class says no goodbye.
    for _ in range(2):
        with pytest.raises(ssl.SSLEOFError) as caught:
            one.recv(1)

    assert isinstance(caught.value.__cause__, tlskit.TruncatedError)


def test_a_cut_stream_may_be_the_end():
    """With ``allow_truncation``."""
    context = tlskit.ClientContext("auto", allow_truncation=True)
    authority().trust(context)
    context.set_verify()
    left, right = tcp_pair()
    task = Task(lambda: stdlib_server().wrap_socket(right, server_side=True))
    with context.as_ssl_context().wrap_socket(
        left, server_hostname="localhost"
    ) as one:
        task.result().close()
        assert b"" == one.recv(1)


def test_unwrap_gives_the_plain_socket_back(both):
    """With its time-out, and with what follows the goodbye."""
    one, two = both
    one.settimeout(5)
    task = Task(one.unwrap)
    plain = two.unwrap()
    plain.sendall(b"plain text")
    same = task.result()
    assert one is same
    assert (5, None) == (one.gettimeout(), one.version())
    assert b"plain text" == one.recv(100)

    one.sendall(b"plain answer")
    assert b"plain answer" == two.recv(100)
    one.shutdown(socket.SHUT_WR)
    assert b"" == two.recv(100)
    with pytest.raises(ValueError, match="No SSL wrapper"):
        one.unwrap()


def test_unwrap_loses_no_data(both):
    """Data that was not read is an error, as in ssl."""
    one, two = both
    two.sendall(b"unread")
    with pytest.raises(ssl.SSLError, match="AFTER_CLOSE_NOTIFY"):
        one.unwrap()


def test_detach_leaves_the_descriptor(both):
    """Without a word to the peer."""
    one, two = both
    one.settimeout(3)
    with socket.socket(fileno=one.detach()) as plain:
        assert one.fileno() == -1
        two.sendall(b"ciphertext")
        plain.settimeout(PATIENCE)
        assert b"\x17" == plain.recv(1)


def test_what_never_began_is_ended():
    """Before the handshake there is nothing to say, to whomever."""
    adapter = client().as_ssl_context()
    for end in (SSLSocket.unwrap, SSLSocket.detach):
        left, right = tcp_pair()
        one = adapter.wrap_socket(
            left, server_hostname="localhost", do_handshake_on_connect=False
        )
        given = end(one)
        assert -1 == one.fileno() or one is given
        plain = socket.socket(fileno=given) if given is not one else one
        with plain, right:
            plain.sendall(b"plain text")
            assert b"plain text" == right.recv(100)


def test_closing_is_harmless():
    """Twice, before the handshake, and when the peer has vanished."""
    left, right = tcp_pair()
    one = (
        client()
        .as_ssl_context()
        .wrap_socket(
            left, server_hostname="localhost", do_handshake_on_connect=False
        )
    )
    one.close()
    one.close()
    right.close()

    one, two = ours()
    socket.socket.setsockopt(
        two, socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
    )
    two.close()
    with suppress(OSError):
        while one.recv(1):
            pass
    one.close()


def test_close_never_waits_where_nothing_may():
    """A socket that never waits doesn't do so in close() either."""
    one, two = ours()
    one.setblocking(False)
    fill(one, b"x" * 16384)
    one.close()
    two.close()


def test_close_wakes_a_reader(both):
    """Another thread that reads comes back."""
    one, _ = both
    task = Task(one.recv, 1)
    one.close()

    with suppress(OSError, ValueError):
        assert b"" == task.result()


def test_a_forgotten_socket_is_closed():
    """No cycle of references keeps it open."""
    one, two = ours()
    with pytest.warns(ResourceWarning, match="unclosed"):
        del one
    # What it had not read may make a reset of the end.
    with two, suppress(ConnectionResetError):
        assert b"" == two.recv(1)


@pytest.mark.native
def test_a_client_is_asked_later():
    """Post-handshake authentication, while the client reads."""
    left, right = tcp_pair()
    trusting = server().copy()
    authority().trust(trusting)
    task = Task(
        lambda: trusting.as_ssl_context().wrap_socket(right, server_side=True)
    )
    with (
        client(credentials=True)
        .as_ssl_context()
        .wrap_socket(left, server_hostname="localhost") as one,
        task.result() as two,
    ):
        assert two.getpeercert() is None
        reader = Task(one.recv, 100)
        two.verify_client_post_handshake()
        assert ("DNS", "client.example") in two.getpeercert()["subjectAltName"]
        two.sendall(b"welcome")
        assert b"welcome" == reader.result()


# -- a process for each client ----------------------------------------------


class Forking(socketserver.ForkingTCPServer):
    """Shakes hands, then forks: the parent closes, the child talks on."""

    block_on_close = True

    def get_request(self):
        """Accept a client, and shake hands."""
        sock, address = super().get_request()
        wrapped = server().as_ssl_context().wrap_socket(sock, server_side=True)
        return wrapped, address


class Echo(socketserver.StreamRequestHandler):
    """Sends each line back."""

    def handle(self) -> None:
        """Serve one client."""
        for line in self.rfile:
            self.wfile.write(line)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_parent_does_not_say_goodbye_for_its_child():
    """After a fork, close() closes one copy, and nothing else."""
    leaf()  # Made before the fork, not in it.
    with Forking(("127.0.0.1", 0), Echo) as httpd:
        with running(httpd) as port:
            with connect(port, stdlib_client()) as sock:
                for _ in range(2):
                    sock.sendall(b"hello\n")
                    assert b"hello\n" == read_exactly(sock, 6)
                sock.unwrap()
