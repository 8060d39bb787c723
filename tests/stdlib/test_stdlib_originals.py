"""The adapter where ``ssl`` and ``select`` were patched before."""

from __future__ import annotations

import importlib.util
import os
import select
import socket
import ssl
import subprocess
import sys

import pytest

from tlskit import ClientContext, UnsupportedError
from tlskit.ports.transport import poll
from tlskit.stdlib.originals import ContextBeneath, original_of
from tlskit.tools.deadline import Deadline

from ..peers import PATIENCE

#: What patches, and what comes of it: nothing, or an error that tells this.
PATCHES = {
    "truststore": ("import truststore; truststore.inject_into_ssl()", ""),
    "gevent": (
        "import gevent.monkey; gevent.monkey.patch_all()",
        "ssl.SSLSocket was exchanged for gevent.",
    ),
    "gevent, but for ssl": (
        "import ssl, gevent.monkey; gevent.monkey.patch_all(ssl=False)",
        "",
    ),
    "gevent, before ssl": (
        "import gevent.monkey; gevent.monkey.patch_all(ssl=False)",
        "ssl was imported after socket.socket was exchanged for gevent.",
    ),
    "eventlet": (
        "import eventlet; eventlet.monkey_patch()",
        "ssl.SSLSocket was exchanged for eventlet.",
    ),
    "": (
        """
import ssl
class Injected(ssl.SSLContext):
    def __init__(self, protocol):
        self.inner = ssl.SSLContext(protocol)
    verify_mode = property(lambda self: self.inner.verify_mode)
ssl.SSLContext = Injected
""",
        "",
    ),
    ", and sockets": (
        """
import socket, ssl
class Green(socket.socket):
    def send(self, *data):
        return super().send(*data)  # Of nothing but a Green one.
    def recv_into(self, *room):
        return super().recv_into(*room)
    def getpeername(self):
        return super().getpeername()
    def shutdown(self, how):
        return super().shutdown(how)
socket.socket = Green
""",
        "",
    ),
}
CODE = """
import socket, tlskit
from tlskit.testing import CA
ca = CA()
server, client = tlskit.ServerContext(), tlskit.ClientContext("auto")
ca.issue("localhost").apply(server)
ca.trust(client)
client.set_verify()
one, two = socket.socketpair()
import threading
def serve():
    with tlskit.SSLPort.start_tls(one, server, server_side=True) as port:
        port.sendall(b"hi")
thread = threading.Thread(target=serve)
try:
    context = client.as_ssl_context()
except tlskit.UnsupportedError as error:
    print("told:", error, error.hint)
else:
    thread.start()
    with context.wrap_socket(two, server_hostname="localhost") as sock:
        print("got:", sock.recv(2))
    thread.join()
one.close(), two.close()
"""


@pytest.mark.parametrize("package", PATCHES)
def test_patched_before(package: str) -> None:
    """The adapter works, or says what is in the way."""
    name = package.partition(",")[0]
    if name and importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    patch, told = PATCHES[package]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", patch + CODE],
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    if not told:
        assert "got: b'hi'\n" == done.stdout, done.stderr
    else:
        assert done.stdout.startswith(f"told: {told}"), done.stderr
        assert "SSLPort.start_tls()" in done.stdout


def test_the_original_is_found() -> None:
    """Whether a class was derived from it, or put beside it."""

    class Derived(ssl.SSLContext):
        pass

    class Beside(ssl.SSLContext.__mro__[1]):  # type: ignore[misc]
        pass

    assert ContextBeneath is original_of(Derived, "SSLContext")
    assert ContextBeneath is original_of(Beside, "SSLContext")
    with pytest.raises(LookupError):
        original_of(Derived, "Nothing")


def test_a_socket_class_that_was_exchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is named, with what else can be done."""

    class Green(ssl.SSLSocket):
        pass

    Green.__module__ = "green.ssl"
    monkeypatch.setattr(ssl, "SSLSocket", Green)
    with pytest.raises(UnsupportedError, match=r"green\.ssl") as caught:
        ClientContext("auto").as_ssl_context()

    assert "connect()" in caught.value.hint


def test_sockets_that_were_exchanged_before_ssl_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then ssl's own class is built upon another's."""

    class Green(socket.socket):
        pass

    Green.__module__ = "green.socket"
    monkeypatch.setattr("tlskit.stdlib.originals.SocketBeneath", Green)
    with pytest.raises(UnsupportedError, match=r"green\.socket") as caught:
        ClientContext("auto").as_ssl_context()

    assert "import ssl before" in caught.value.hint


@pytest.mark.skipif(not hasattr(select, "poll"), reason="there is no poll")
def test_waiting_without_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """select does what poll did, where that was taken away."""
    monkeypatch.delattr(select, "poll")
    one, two = socket.socketpair()
    with one, two:
        assert (False, True) == poll(
            [one.fileno()], [one.fileno()], Deadline.after(PATIENCE)
        )
        with pytest.raises(TimeoutError):
            poll([one.fileno()], [], Deadline.now())
        two.sendall(b"x")
        assert (True, True) == poll(
            [one.fileno()], [one.fileno()], Deadline.after(PATIENCE)
        )
