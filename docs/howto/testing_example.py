"""Tests of a server and of its clients."""

import threading

import pytest

import tlskit


@pytest.fixture
def server(tls_leaf):
    """A server that says hello."""
    context = tlskit.ServerContext()
    tls_leaf.apply(context)
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        thread = threading.Thread(
            target=listener.serve, args=[lambda conn: conn.sendall(b"hello")]
        )
        thread.start()
        yield listener
        listener.shutdown(5)
        thread.join()


@pytest.fixture
def context(tls_ca):
    """A client's context that trusts the CA."""
    context = tlskit.ClientContext().copy()
    tls_ca.trust(context)
    context.seal()
    return context


def test_hello(server, context):
    """A client that trusts the CA is served."""
    with tlskit.connect("localhost", server.port, context, timeout=5) as conn:
        assert conn.recv(100) == b"hello"


def test_stranger(server):
    """A client that does not trust the CA refuses."""
    with pytest.raises(tlskit.VerificationError):
        tlskit.connect("localhost", server.port, timeout=5)
