"""TLS over streams that exist already, however small they are."""

from __future__ import annotations

import io
import socket
import ssl
from contextlib import nullcontext
from typing import Any

import pytest

import tlskit
from tlskit import ports_to_ssl_ports
from tlskit.client import wrapping
from tlskit.errors import (
    ClosedError,
    ConfigurationError,
    CredentialError,
    HandshakeError,
    TruncatedError,
    VerificationError,
)
from tlskit.openssl import native as _native
from tlskit.testing import memory_pair, pipe

from ..engines import authority, client_context, server_context
from ..joined import (
    file_pairs,
    over_sockets,
    read_exactly,
    read_to_end,
    tcp_pair,
    wrap_both,
)
from ..peers import HOST, PATIENCE, Task


def talk(client: tlskit.SSLPort, server: tlskit.SSLPort) -> None:
    """Prove that bytes go both ways, and that each direction ends."""
    for one, other in ((client, server), (server, client)):
        task = Task(one.sendall, b"hello")
        assert b"hello" == read_exactly(other, 5)
        task.result()


class Bare:
    """An end of a pipe with read and write, and nothing else."""

    def __init__(self, end: Any) -> None:
        self._end = end

    def read(self, size: int) -> bytes:
        """Read."""
        data: bytes = self._end.recv(size)
        return data

    def write(self, data: bytes) -> int:
        """Write."""
        self._end.sendall(bytes(data))
        return len(data)

    def close(self) -> None:
        """Close."""
        self._end.close()


class Raw(io.RawIOBase):
    """An end of a pipe as a raw file."""

    def __init__(self, end: Any) -> None:
        super().__init__()
        self._end = end

    def readable(self) -> bool:
        """Say yes."""
        return True

    def writable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read."""
        data = self._end.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        """Write."""
        self._end.sendall(bytes(data))
        return len(data)

    def close(self) -> None:
        """Close the pipe, too."""
        if not self.closed:
            super().close()
            self._end.close()


def bare_objects() -> tuple[Any, Any]:
    """Objects with read and write only."""
    left, right = pipe()
    one, other = Bare(left), Bare(right)
    return (one, one), (other, other)


def raw_files() -> tuple[Any, Any]:
    """Raw files without a descriptor."""
    left, right = pipe()
    one, other = Raw(left), Raw(right)
    return (one, one), (other, other)


def pipe_ends() -> tuple[Any, Any]:
    """Transports of our own."""
    left, right = pipe()
    return (left, left), (right, right)


def sockets() -> tuple[Any, Any]:
    """A pair of sockets."""
    left, right = socket.socketpair()
    return (left, left), (right, right)


def tcp_sockets() -> tuple[Any, Any]:
    """Sockets over TCP."""
    left, right = tcp_pair()
    return (left, left), (right, right)


def socket_files() -> tuple[Any, Any]:
    """Files of a pair of sockets."""
    left, right = socket.socketpair()
    with left, right:
        return (left.makefile("rb"), left.makefile("wb")), (
            right.makefile("rwb", 0),
            right.makefile("wb", 0),
        )


def unbuffered_pipes() -> tuple[Any, Any]:
    """Two pipes without buffers."""
    return file_pairs(0)


STREAMS = [
    bare_objects,
    file_pairs,
    pipe_ends,
    raw_files,
    socket_files,
    sockets,
    tcp_sockets,
    unbuffered_pipes,
]


@pytest.mark.parametrize("native", [True, False], ids=["", "no native"])
@pytest.mark.parametrize("streams", STREAMS)
def test_any_stream_carries_tls(streams, native):
    """Bytes travel both ways, and close_notify is the end."""
    left, right = streams()
    with nullcontext() if native else _native.without():
        client, server = wrap_both(left, right, close_original=True)
        talk(client, server)
        task = Task(read_to_end, server)
        client.close()

        assert b"" == task.result()
    server.close()


# -- the seed's own test ----------------------------------------------------


@pytest.mark.parametrize("close_original", [True, False])
@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("capacity", [1, 10, 100])
@pytest.mark.parametrize("protocol", ["tls12", "tls13"])
def test_tiny_pipes(protocol, capacity, buffered, close_original):
    """The conversation of the seed's test goes over any pipe.

    The client writes five bytes, and the server reads just those.  The server
    answers and closes its output; the client reads the answer, then the end.
    """
    left, right = pipe(capacity)
    client, server = wrap_both(
        (left, left),
        (right, right),
        context=client_context(protocol),
        server_options={"context": server_context()},
        close_original=close_original,
    )

    def ask() -> bytes:
        if buffered:
            client.output.write(b"howdy")
            client.output.flush()
        else:
            client.sendall(b"howdy")
        return client.input.read(5)

    task = Task(ask)
    assert b"howdy" == read_exactly(server, 5)
    server.output.write(b"hello")
    end = Task(server.output.close)
    assert b"hello" == task.result()
    assert b"" == client.input.read(1)
    end.result()
    task = Task(client.close)
    assert b"" == server.input.read(1)
    server.input.close()
    task.result()

    if close_original:
        with pytest.raises(BrokenPipeError):
            left.sendall(b"x")
        with pytest.raises(BrokenPipeError):
            right.sendall(b"x")


@pytest.mark.parametrize("protocol", ["tls12", "tls13"])
@pytest.mark.parametrize("streams", [file_pairs, sockets, pipe_ends])
def test_originals_that_stay_open_carry_plain_bytes(streams, protocol):
    """After both ends have closed, the streams are as before."""
    left, right = streams()
    client, server = wrap_both(
        left,
        right,
        context=client_context(protocol),
        server_options={"context": server_context()},
    )
    client.settimeout(PATIENCE)
    talk(client, server)
    client.output.close()
    assert b"" == server.recv(1)
    server.output.close()
    assert b"" == client.recv(1)
    client.close()
    server.close()

    for (_, sink), (source, _) in ((left, right), (right, left)):
        if hasattr(sink, "sendall"):
            sink.sendall(b"plain")
            assert b"plain" == read_exactly(source, 5)
        else:
            sink.write(b"plain")
            sink.flush()
            assert b"plain" == source.read(5)
    for stream in {*left, *right}:
        stream.close()


@pytest.mark.parametrize("close_original", [True, False])
@pytest.mark.parametrize("streams", [file_pairs, sockets, raw_files])
def test_close_original_is_obeyed(streams, close_original):
    """Closing the port closes its streams exactly if that was wished."""
    left, right = streams()
    client, server = wrap_both(left, right, close_original=close_original)
    client.close()
    server.close()

    for stream in {*left, *right}:
        gone = (
            stream.fileno() == -1
            if isinstance(stream, socket.socket)
            else stream.closed
        )
        assert close_original is gone
        stream.close()


def test_both_write_at_once_over_a_tiny_pipe():
    """Two writers whose bytes don't fit do not wait for each other."""
    left, right = pipe(10)
    client, server = wrap_both((left, left), (right, right))
    data = bytes(range(256)) * 40
    tasks = [
        Task(client.sendall, data),
        Task(server.sendall, data),
        Task(read_exactly, client, len(data)),
        Task(read_exactly, server, len(data)),
    ]

    assert [None, None, data, data] == [task.result() for task in tasks]


# -- options ----------------------------------------------------------------


def test_the_seeds_default_is_no_close_notify():
    """Without shutdown_on_close the peer sees a cut, and may allow it."""
    for allowed in (False, True):
        left, right = socket.socketpair()
        client, server = wrap_both(
            (left, left),
            (right, right),
            close_original=True,
            shutdown_on_close=False,
            server_options={
                "context": server_context(allow_truncation=allowed)
            },
        )
        client.close()

        if allowed:
            assert b"" == server.recv(1)
        else:
            with pytest.raises(TruncatedError):
                server.recv(1)
        server.close()


def test_a_timeout_is_taken_from_the_stream():
    """Also the handshake obeys it, and the socket gets it back."""
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(0.01)
        with pytest.raises(TimeoutError):
            ports_to_ssl_ports(
                left,
                left,
                mode="connect",
                context=client_context(),
                hostname=HOST,
                close_original=True,
            )

        assert 0.01 == left.gettimeout()
        left.sendall(b"")


def test_addresses_are_those_of_the_socket():
    """A port over a TCP socket knows its peer."""
    left, right = tcp_pair()
    theirs = left.getpeername()
    client, server = wrap_both(
        (left, left), (right, right), close_original=True
    )

    assert theirs == client.getpeername()
    client.close()
    server.close()


def test_alpn_is_offered():
    """The client's names reach the server."""
    context = server_context()
    context.set_alpn(["b", "a"])
    left, right = socket.socketpair()
    task = Task(
        lambda: ports_to_ssl_ports(
            right, right, mode="accept", context=context, close_original=True
        )
    )
    client = ports_to_ssl_ports(
        left,
        left,
        mode="connect",
        context=client_context(),
        hostname=HOST,
        alpn=["a", b"b"],
        close_original=True,
    )
    server = task.result()

    assert "b" == client.alpn_selected == server.alpn_selected
    client.close()
    server.close()


def test_alpn_is_for_clients():
    """On the accepting side it is a mistake."""
    with pytest.raises(ConfigurationError, match="client"):
        ports_to_ssl_ports(*pipe(), mode="accept", alpn=["a"])


def test_error_has_to_be_callable():
    """What can make no exception is refused before anything is sent."""
    left, right = socket.socketpair()
    with left, right:
        with pytest.raises(TypeError, match="error makes an exception"):
            tlskit.ports_to_ssl_ports(
                left,
                left,
                mode="connect",
                context=client_context(),
                hostname=HOST,
                error=None,
            )
        right.setblocking(False)

        with pytest.raises(BlockingIOError):
            right.recv(1)


def test_the_mode_has_two_values():
    """There is no default, and no third one."""
    with pytest.raises(ValueError, match="'listen'"):
        ports_to_ssl_ports(*pipe(), mode="listen")
    with pytest.raises(TypeError):
        ports_to_ssl_ports(*pipe())


@pytest.mark.parametrize("mode", ["connect", "accept"])
def test_a_context_of_the_other_side_is_refused(mode):
    """Before a byte is sent; the streams stay open."""
    wrong = server_context() if mode == "connect" else client_context()
    left, right = socket.socketpair()
    with left, right:
        with pytest.raises(ConfigurationError, match="needs a"):
            ports_to_ssl_ports(left, left, mode=mode, context=wrong)
        left.sendall(b"x")

        assert b"x" == right.recv(1)


def test_a_server_needs_a_certificate():
    """Accepting without one is the caller's mistake, told before a byte."""
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(PATIENCE)
        for options in ({}, {"context": tlskit.ServerContext("tls13")}):
            with pytest.raises(CredentialError) as caught:
                ports_to_ssl_ports(left, left, mode="accept", **options)
            assert "no-certificate" == caught.value.code
            assert "load_certificate_chain" in caught.value.hint
        left.sendall(b"x")

        assert b"x" == right.recv(1)


def test_a_server_may_find_its_certificate_by_name():
    """A context that only leads to others needs none of its own."""
    front = tlskit.ServerContext()
    front.set_server_names({HOST: server_context()})
    left, right = pipe()
    client, server = wrap_both(
        (left, left), (right, right), server_options={"context": front}
    )
    with client, server:
        assert HOST == server.server_name


def test_a_host_name_must_be_there_to_be_checked():
    """A context that checks it fails without one, and sends nothing."""
    left, right = pipe()
    with pytest.raises(ConfigurationError, match="host"):
        ports_to_ssl_ports(left, left, mode="connect", encrypt="secure")

    assert right.read_into(memoryview(bytearray(1))) is None


@pytest.mark.parametrize(
    ("encrypt", "server_side", "kind"),
    [
        ("auto", False, tlskit.ClientContext),
        ("secure", True, tlskit.ServerContext),
    ],
)
def test_encrypt_names_a_context(encrypt, server_side, kind):
    """Without a context one is made; "secure" is the shared one."""
    assert isinstance(wrapping._made(encrypt, server_side), kind)
    with tlskit.set_default_verify_sources(
        (tlskit.VerifySource.pem(authority().pem),)
    ):
        secure = tlskit.ClientContext.secure()

        assert secure is wrapping._made("secure", False)


# -- failures ---------------------------------------------------------------


class MyError(Exception):
    """What an application raises."""


def test_error_makes_the_exception_for_the_handshake():
    """It is called with the message; the cause is the tree's error."""
    left, right = socket.socketpair()
    with left, right:
        right.sendall(b"220 this is not TLS, but a mail server\r\n")
        with pytest.raises(MyError) as caught:
            ports_to_ssl_ports(
                left,
                left,
                mode="connect",
                context=client_context(),
                hostname=HOST,
                error=MyError,
            )

    assert isinstance(caught.value.__cause__, HandshakeError)
    assert str(caught.value) == str(caught.value.__cause__)


def test_error_makes_the_exception_for_later_failures():
    """A truncation, for one."""
    left, right = socket.socketpair()
    client, server = wrap_both(
        (left, left), (right, right), close_original=True, error=MyError
    )
    client.abandon()

    with pytest.raises(MyError) as caught:
        server.recv(1)
    assert isinstance(caught.value.__cause__, TruncatedError)
    server.close()


def test_error_must_make_an_exception():
    """Anything else is a mistake that is named."""
    left, right = socket.socketpair()
    client, server = wrap_both(
        (left, left), (right, right), close_original=True, error=str
    )
    client.abandon()

    with pytest.raises(TypeError, match="instead of an exception"):
        server.recv(1)
    server.close()


def test_a_missing_host_name_is_no_communication_failure():
    """A mistake in the program is not given to error."""
    with pytest.raises(ConfigurationError):
        ports_to_ssl_ports(
            *pipe(), mode="connect", encrypt="secure", error=MyError
        )


def test_a_failed_handshake_leaves_the_streams_open():
    """They are the caller's until the port is there."""
    left, right = socket.socketpair()
    left.settimeout(PATIENCE)
    with left, right:
        task = Task(
            lambda: ports_to_ssl_ports(
                right,
                right,
                mode="accept",
                context=server_context(),
                close_original=True,
            )
        )
        with pytest.raises(VerificationError):
            ports_to_ssl_ports(
                left,
                left,
                mode="connect",
                context=client_context(),
                hostname="other.example",
                close_original=True,
            )

        assert isinstance(task.settle(), HandshakeError)
        assert -1 not in (left.fileno(), right.fileno())
        assert PATIENCE == left.gettimeout()


# -- bytes before TLS -------------------------------------------------------


@pytest.mark.parametrize("streams", [file_pairs, socket_files])
def test_what_was_read_ahead_is_not_lost(streams):
    """A plain line first; the hello that came with it is used."""
    left, right = streams()
    if not isinstance(right[0], io.BufferedReader):
        right = (io.BufferedReader(right[0]), right[1])
    left[1].write(b"STARTTLS\n")
    left[1].flush()
    task = Task(
        lambda: ports_to_ssl_ports(
            *left, mode="connect", context=client_context(), hostname=HOST
        )
    )
    assert b"STARTTLS\n" == right[0].readline()
    # The whole hello is in the buffer, or the beginning of it.
    assert right[0].peek(1)
    server = ports_to_ssl_ports(
        *right, mode="accept", context=server_context()
    )
    client = task.result()
    talk(client, server)
    client.close()
    server.close()
    for stream in {*left, *right}:
        stream.close()


def test_what_was_gathered_goes_first():
    """A plain line that was not flushed yet precedes the hello."""
    left, right = file_pairs()
    left[1].write(b"STARTTLS\n")
    task = Task(
        lambda: ports_to_ssl_ports(
            *left, mode="connect", context=client_context(), hostname=HOST
        )
    )
    assert b"STARTTLS\n" == right[0].readline()
    server = ports_to_ssl_ports(
        *right, mode="accept", context=server_context()
    )
    client = task.result()
    talk(client, server)
    client.close()
    server.close()
    for stream in {*left, *right}:
        stream.close()


# -- TLS in TLS -------------------------------------------------------------


def same(port: tlskit.SSLPort) -> tuple[Any, Any]:
    """Give the port itself, for both directions."""
    return port, port


def files(port: tlskit.SSLPort) -> tuple[Any, Any]:
    """Give its files."""
    return port.input, port.output


@pytest.mark.parametrize("streams", [same, files])
@pytest.mark.parametrize("close_original", [True, False])
def test_tls_in_tls(streams, close_original):
    """A port carries another one, which may close it, or give it back."""
    outer = over_sockets()
    client, server = wrap_both(
        streams(outer[0]), streams(outer[1]), close_original=close_original
    )
    talk(client, server)
    fileno = client.fileno()
    big = bytes(range(256)) * 2000
    task = Task(client.sendall, big)
    assert big == read_exactly(server, len(big))
    task.result()
    client.output.close()
    assert b"" == server.recv(1)
    server.output.close()
    assert b"" == client.recv(1)
    assert fileno == outer[0].fileno()
    client.close()
    server.close()

    assert [close_original] * 2 == [port.closed for port in outer]
    if not close_original:
        assert PATIENCE == outer[0].gettimeout()
        talk(*outer)
        for port in outer:
            port.close()


def test_tls_in_tls_over_tiny_pipes():
    """Two layers of TLS over ten bytes: both writing, no deadlock."""
    left, right = pipe(10)
    outer = wrap_both((left, left), (right, right))
    client, server = wrap_both(same(outer[0]), same(outer[1]))
    data = bytes(range(256)) * 20
    tasks = [
        Task(client.sendall, data),
        Task(server.sendall, data),
        Task(read_exactly, client, len(data)),
        Task(read_exactly, server, len(data)),
    ]

    assert [None, None, data, data] == [task.result() for task in tasks]


@pytest.mark.parametrize(
    ("close_original", "seconds"), [(True, PATIENCE), (False, 0.05)]
)
def test_closing_under_a_reader_of_tls_in_tls(close_original, seconds):
    """A reader gets a ClosedError: at once, or when a lent port times out."""
    outer = over_sockets()
    client, server = wrap_both(
        same(outer[0]), same(outer[1]), close_original=close_original
    )
    server.sendall(b"x")
    assert b"x" == client.recv(1)
    client.settimeout(seconds)
    task = Task(client.recv, 1)
    client.close()

    assert isinstance(task.settle(), ClosedError)
    for port in (server, *outer):
        port.close()


def test_a_file_of_something_else_is_no_port():
    """Only ports are used without a detour over a thread."""
    from tlskit.ports.files import InputFile, RawInput

    class Other:
        def fileno(self) -> int:
            return -1

        def read_plain(self, buffer: memoryview) -> int:
            return 0

    file = InputFile(RawInput(Other(), lambda: None))

    assert wrapping._port_of(file) is None
    assert wrapping._port_of(io.BytesIO()) is None


def test_our_streams_meet_the_standard_library():
    """Over pipes, the standard library's own engine understands us."""
    context = ssl.create_default_context(
        cadata=authority().pem.decode("ascii")
    )
    left, right = socket.socketpair()
    task = Task(lambda: context.wrap_socket(left, server_hostname=HOST))
    with right.makefile("rb") as reader, right.makefile("wb") as writer:
        server = ports_to_ssl_ports(
            reader,
            writer,
            mode="accept",
            context=server_context(),
            shutdown_on_close=True,
        )
        with task.result() as client:
            client.sendall(b"hello")
            assert b"hello" == read_exactly(server, 5)
            server.sendall(b"answer")
            server.close()

            assert b"answer" == read_to_end(client)
    right.close()


def test_a_port_that_is_given_back_after_a_time_out():
    """What the outer session had given it is sent, and expected no more."""
    inner, peer = memory_pair(
        client_context(), server_context(), capacity=3000
    )
    transport = wrapping.PortTransport(inner, close=False)
    assert transport.write(memoryview(bytes(60000))) is None
    reader = Task(peer.input.read, 60005)
    transport.close()
    inner.settimeout(PATIENCE)
    inner.sendall(b"hello")

    assert bytes(60000) + b"hello" == reader.result()
    inner.abandon()
    peer.abandon()
