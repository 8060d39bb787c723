"""Listeners on sockets of the file system (AF_UNIX)."""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path

import pytest

import tlskit
from tlskit.server.local import SocketFile, place_of

from ..engines import client_context, server_context
from ..peers import HOST, PATIENCE, Serving, Task

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "AF_UNIX"), reason="there are no such sockets here"
)


def call(path: Path, before: bytes = b"") -> bytes:
    """Connect, and read what the server says."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(path))
        sock.sendall(before)
        with tlskit.SSLPort.start_tls(
            sock, client_context(), hostname=HOST
        ) as port:
            return port.recv(10)


def greet(port: tlskit.SSLPort) -> tuple[object, object]:
    """Say something; tell what is known of the client."""
    port.sendall(b"hi")
    return port.peer, port.proxy


def test_a_client_by_path(tmp_path: Path) -> None:
    """Clients are served, the file is there, and gone at the end."""
    path = tmp_path / "s"
    with tlskit.listen(path=path, context=server_context()) as listener:
        assert stat.S_ISSOCK(path.lstat().st_mode)
        assert (str(path), 0, "0.0.0.0", 0) == listener.addresses(True)
        assert 0 == listener.port
        assert str(path) in repr(listener)
        server = Serving(listener, greet)
        with tlskit.connect(
            f"unix:{path}", context=client_context(), hostname=HOST
        ) as port:
            assert b"hi" == port.recv(10)
        assert (None, None) == server.result()
        assert 1 == listener.statistics.accepted
    assert not path.exists()


def test_a_socket_from_elsewhere(tmp_path: Path) -> None:
    """What a supervisor has opened is served, and its file left alone."""
    path = tmp_path / "s"
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    with tlskit.Listener(sock, server_context()) as listener:
        server = Serving(listener, greet)
        assert b"hi" == call(path)
        assert (None, None) == server.result()
    assert path.exists()


def test_serve(tmp_path: Path) -> None:
    """Many are served at once, whatever the limit of one address."""
    path = tmp_path / "s"
    listener = tlskit.listen(path=path, context=server_context())
    with listener:
        task = Task(
            lambda: listener.serve(
                lambda port: port.sendall(b"hi"),
                max_handshakes_per_source=1,
                workers_per_source=1,
            )
        )
        silent = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        try:
            for each in silent:
                each.connect(str(path))
            assert b"hi" == call(path)
        finally:
            for each in silent:
                each.close()
        listener.shutdown(PATIENCE)
        task.result()
    assert not path.exists()


def test_a_refused_client(tmp_path: Path) -> None:
    """What went wrong names the path, since clients have no name."""
    path = tmp_path / "s"
    with tlskit.listen(path=path, context=server_context()) as listener:
        task = Task(lambda: listener.accept(timeout=PATIENCE))
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(b"this is no TLS")
            error = task.settle()
    assert isinstance(error, tlskit.NotTLSError)
    assert str(path) in str(getattr(error, "peer", ""))


def test_a_proxy_by_path(tmp_path: Path) -> None:
    """A proxy on this machine says for whom it speaks, if it is trusted."""
    path = tmp_path / "s"
    header = b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n"
    with tlskit.listen(path=path, context=server_context()) as listener:
        listener.set_proxy_protocol(["unix:"])
        server = Serving(listener, greet)
        assert b"hi" == call(path, header)
        assert (("192.0.2.7", 5000), None) == server.result()


def test_a_proxy_that_names_nobody(tmp_path: Path) -> None:
    """Then there is no address to tell."""
    path = tmp_path / "s"
    with tlskit.listen(path=path, context=server_context()) as listener:
        listener.set_proxy_protocol(["unix:"])
        server = Serving(listener, greet)
        assert b"hi" == call(path, b"PROXY UNKNOWN\r\n")
        assert (None, None) == server.result()


def test_a_proxy_that_is_not_trusted(tmp_path: Path) -> None:
    """Trust in addresses is none in whoever comes by the file system."""
    path = tmp_path / "s"
    with tlskit.listen(path=path, context=server_context()) as listener:
        listener.set_proxy_protocol(["127.0.0.0/8"])
        task = Task(lambda: listener.accept(timeout=PATIENCE))
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            error = task.settle()
    assert "untrusted-proxy" == getattr(error, "code", None)


def test_what_was_left_over(tmp_path: Path) -> None:
    """A dead socket is replaced, a living one and a file are not."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    with pytest.raises(OSError, match="in use"):
        tlskit.listen(path=path, reuse=False)
    with tlskit.listen(path=path), pytest.raises(OSError, match="in use"):
        tlskit.listen(path=path)
    assert not path.exists()
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        tlskit.listen(path=path)
    assert "precious" == path.read_text()


def test_the_file_of_a_successor(tmp_path: Path) -> None:
    """Who has taken the place keeps it."""
    path = tmp_path / "s"
    with tlskit.listen(path=path):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
    assert path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="processes fork")
def test_the_file_in_a_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forked process does not remove it."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        file = SocketFile(str(path))
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: -1)
            file.remove()
        assert path.exists()
        file.remove()
        assert not path.exists()
        file.remove()


def test_places() -> None:
    """Addresses of all families have a host and a port."""
    assert ("::1", 5) == place_of(("::1", 5, 0, 0))
    assert ("/run/s", 0) == place_of("/run/s")
    assert ("\0name", 0) == place_of(b"\0name")


def test_impossible_paths(tmp_path: Path) -> None:
    """Arguments that exclude each other, and what is no path."""
    with pytest.raises(ValueError, match="for TCP"):
        tlskit.listen(443, path=tmp_path / "s")
    with pytest.raises(ValueError, match="for TCP"):
        tlskit.listen(hostname="localhost", path=tmp_path / "s")
    for path in ("", "a\0b", b"s"):
        with pytest.raises(ValueError, match="path is that of a socket"):
            tlskit.listen(path=path)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        tlskit.listen(path=tmp_path / "no" / "s")
