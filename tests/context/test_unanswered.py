"""A server asks for a certificate, gets none, and hangs up without a word."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import threading

import pytest

import tlskit
import tlskit.aio
from tlskit.engine.refusal.unanswered import name_first
from tlskit.errors.codes import Alert
from tlskit.testing import CA

from ..peers import PATIENCE, Task

pytestmark = pytest.mark.native

WORDS = "the server asked for a client certificate and got none; "
#: SO_LINGER that makes a close a reset.
RESET = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module")
def ca():
    """A CA for this file."""
    return CA()


def server_context(ca, protocol="auto"):
    """Make a server that asks, and tolerates that nothing comes."""
    leaf = ca.issue("localhost")
    context = tlskit.ServerContext(
        protocol, certificate_chain=leaf.chain, private_key=leaf.key
    )
    ca.trust(context)
    return context


def client_context(ca, leaf=None, *, protocol="auto", **settings):
    """Make a client that trusts the CA, perhaps with a certificate."""
    context = tlskit.ClientContext(protocol, **settings)
    ca.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    if leaf is not None:
        context.load_certificate_chain(leaf.chain)
        context.load_private_key(leaf.key)
    return context


def hung_up(context, client, *, says=b"", resets=False):
    """Connect to a server that hangs up; give what reading raises."""
    with tlskit.listen(hostname="127.0.0.1", context=context) as there:

        def serve():
            port = there.accept(PATIENCE)
            port.sendall(says)
            number = port.detach()
            with socket.socket(fileno=number) as sock:
                if resets:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

        task = Task(serve)
        with tlskit.connect(
            "127.0.0.1",
            there.port,
            client,
            hostname="localhost",
            timeout=PATIENCE,
        ) as port:
            task.result()
            if says:
                assert says == port.recv(100)
            with pytest.raises(OSError) as caught:  # noqa: PT011
                port.recv(1)
    return caught.value


@pytest.mark.parametrize("protocol", ["tls12", "tls13"])
def test_an_end_without_close_notify(ca, protocol):
    """What was asked for is named first, and nothing weaker is advised."""
    context = server_context(ca, protocol)
    context.try_verify()
    error = hung_up(context, client_context(ca))

    assert isinstance(error, tlskit.TruncatedError)
    assert str(error).startswith(WORDS)
    assert "load_certificate_chain()" in error.hint
    assert "allow_truncation" not in error.hint


def test_a_reset(ca):
    """A reset keeps its class and its number, and says the same."""
    context = server_context(ca)
    context.try_verify()
    error = hung_up(context, client_context(ca), resets=True)

    assert isinstance(error, ConnectionResetError)
    assert error.errno is not None
    assert error.strerror.startswith(WORDS)
    assert "read" == error.phase


def test_who_has_shown_one_is_not_told(ca):
    """With a certificate, the end has another reason."""
    context = server_context(ca)
    context.set_verify()
    error = hung_up(context, client_context(ca, ca.issue("me")))

    assert not str(error).startswith(WORDS)
    assert "allow_truncation" in error.hint


def test_who_was_not_asked_is_not_told(ca):
    """A server that wants none hangs up for another reason."""
    error = hung_up(server_context(ca), client_context(ca))

    assert not str(error).startswith(WORDS)


def test_a_server_that_has_answered_is_content(ca):
    """Once data have come, the missing certificate is no reason."""
    context = server_context(ca)
    context.try_verify()
    error = hung_up(context, client_context(ca), says=b"welcome")

    assert not str(error).startswith(WORDS)


def test_a_demand_that_an_alert_tells(ca):
    """An alert of TLS 1.2, which may mean anything, is told with it."""
    context = server_context(ca, "tls12")
    context.set_verify()
    with tlskit.listen(hostname="127.0.0.1", context=context) as there:
        task = Task(lambda: there.accept(PATIENCE, raise_error=False))

        def talk():
            with tlskit.connect(
                "127.0.0.1",
                there.port,
                client_context(ca),
                hostname="localhost",
                timeout=PATIENCE,
            ) as port:
                port.recv(1)

        with pytest.raises(tlskit.AlertError) as caught:
            talk()
        there.close()
        task.settle()

    assert str(caught.value).startswith(WORDS)
    assert "load_private_key()" in caught.value.hint


def test_what_cannot_be_the_reason_keeps_its_words(ca):
    """Neither our own refusal nor another alert is blamed on it."""

    class Asked:
        unanswered = True
        server_side = False

    for error, named in (
        (tlskit.VerificationError("no"), False),
        (tlskit.ConfigurationError("no"), False),
        (tlskit.AlertError("no", alert=Alert.PROTOCOL_VERSION), False),
        (tlskit.AlertError("no", alert=Alert.HANDSHAKE_FAILURE), True),
        # What gnutls-serv sends before TLS 1.3.
        (tlskit.AlertError("no", alert=Alert.DECODE_ERROR), True),
        (tlskit.HandshakeError("no", code="closed-in-handshake"), True),
        (tlskit.HandshakeError("no"), False),
    ):
        name_first(error, Asked())
        name_first(error, Asked())
        assert (WORDS + "no" if named else "no") == str(error)
    for transport in (ConnectionResetError(), TimeoutError("late")):
        before = str(transport)
        name_first(transport, Asked())
        assert before == str(transport)


# -- clients that go away ---------------------------------------------------


def gone(ca, says, **settings):
    """Give the error of a server whose client goes away, without a word."""
    context = server_context(ca)
    context.set_verify(False)
    with tlskit.listen(hostname="127.0.0.1", context=context) as there:

        def serve():
            with there.accept(PATIENCE) as port:
                port.settimeout(PATIENCE)
                while port.recv(100):
                    pass

        task = Task(serve)
        client = client_context(ca, **settings)
        sock = socket.create_connection(("127.0.0.1", there.port), PATIENCE)
        port = tlskit.SSLPort.start_tls(sock, client, hostname="localhost")
        port.sendall(says)
        port.abandon()
        with pytest.raises(tlskit.TruncatedError) as caught:
            task.result()
    return caught.value


@pytest.mark.parametrize("protocol", ["tls12", "tls13"])
def test_a_client_that_says_nothing(ca, protocol):
    """It may well have judged our certificate just now."""
    error = gone(ca, b"", protocol=protocol)

    assert "before its first byte" in error.hint
    assert "truncation" not in error.hint


def test_a_client_that_has_said_something(ca):
    """It had nothing against us."""
    error = gone(ca, b"hello")

    assert tlskit.TruncatedError.hint == error.hint


# -- servers by way of the adapter ------------------------------------------


class Heard(logging.Handler):
    """Keeps the records of tlskit.stdlib."""

    def __init__(self):
        super().__init__()
        self.records = []
        self.came = threading.Event()

    def emit(self, record):
        """Keep it."""
        self.records.append(record)
        self.came.set()


@pytest.fixture
def heard():
    """Listen to what the adapter logs."""
    log = logging.getLogger("tlskit.stdlib")
    handler, level = Heard(), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield handler
    log.removeHandler(handler)
    log.setLevel(level)


def ask(number, context):
    """Send a request; give the error that comes of it."""
    with pytest.raises(OSError) as caught:  # noqa: PT011
        with tlskit.connect(
            "127.0.0.1",
            number,
            context,
            hostname="localhost",
            timeout=PATIENCE,
        ) as port:
            port.sendall(b"GET / HTTP/1.0\r\n\r\n")
            port.recv(100)
    return caught.value


def test_asyncio_with_the_adapter(ca, heard):
    """asyncio drops the alert; client and server are told all the same."""
    context = server_context(ca)
    context.set_verify()

    async def main():
        server = await asyncio.start_server(
            lambda _, writer: writer.close(),
            "127.0.0.1",
            0,
            ssl=context.as_ssl_context(),
        )
        async with server:
            number = server.sockets[0].getsockname()[1]
            error = await asyncio.to_thread(ask, number, client_context(ca))
            assert await asyncio.to_thread(heard.came.wait, PATIENCE)
            return error

    error = asyncio.run(main())
    (record,) = heard.records

    assert "client certificate" in str(error)
    assert logging.INFO == record.levelno
    assert "no-certificate" == record.reason
    assert record.getMessage().startswith("a client failed: ")


def test_threads_with_the_adapter(ca, heard):
    """A socket's record has the client's address, and comes once."""
    context = server_context(ca)
    context.set_verify()
    adapter = context.as_ssl_context()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            sock, address = listener.accept()
            sock.settimeout(PATIENCE)
            wrapped = adapter.wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False
            )
            with wrapped:
                for _ in range(2):
                    with pytest.raises(OSError):  # noqa: PT011
                        wrapped.do_handshake()
            return address

        task = Task(serve)
        ask(listener.getsockname()[1], client_context(ca))
        address = task.result()
    (record,) = heard.records

    assert record.getMessage().endswith("(peer {}:{})".format(*address))


def test_a_hook_that_fails_is_our_own_fault(ca, heard):
    """What a server's hook raised is a warning."""

    class Broken(tlskit.ServerContext):
        def select_alpn(self, offered):
            raise LookupError(offered)

    leaf = ca.issue("localhost")
    context = Broken(certificate_chain=leaf.chain, private_key=leaf.key)
    client = client_context(ca)
    client.set_alpn(["h2"])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(PATIENCE)
        theirs.settimeout(PATIENCE)
        adapter = context.as_ssl_context()
        task = Task(lambda: adapter.wrap_socket(theirs, server_side=True))
        with pytest.raises(OSError):  # noqa: PT011
            tlskit.SSLPort.start_tls(ours, client, hostname="localhost")
        task.settle()
    (record,) = heard.records

    assert logging.WARNING == record.levelno
    assert "peer" not in record.getMessage()


def test_a_socket_that_is_gone_has_no_peer(ca):
    """The record is written all the same."""
    context = server_context(ca)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wrapped = context.as_ssl_context().wrap_socket(
            theirs, server_side=True, do_handshake_on_connect=False
        )
        with wrapped:
            session = wrapped._sslobj
            assert session._peer() is None
            with socket.socket(fileno=wrapped.detach()):
                assert session._peer() is None
