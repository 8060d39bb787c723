"""Real proxies: tinyproxy for CONNECT, microsocks and Dante for SOCKS 5."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

import tlskit
from tlskit import aio

from ..command import tlskit as command_line
from ..peers import (
    HOST,
    PATIENCE,
    Program,
    Task,
    Vault,
    client_context,
    needs,
    server_context,
)

LOCAL = "127.0.0.1"
#: What the proxies that ask for it are told.
USER, PASSWORD = "me", "secret"
KINDS = pytest.mark.parametrize("kind", ["blocking", "asyncio", "trio"])

_TINYPROXY = f"""Port {{port}}
Listen {LOCAL}
Timeout {int(PATIENCE)}
BasicAuth {USER} {PASSWORD}
ConnectPort {{allowed}}
"""
_HAPROXY = f"""defaults
    mode tcp
    timeout client {int(PATIENCE)}s
    timeout server {int(PATIENCE)}s
    timeout connect {int(PATIENCE)}s
frontend secured
    bind {LOCAL}:{{port}} ssl crt {{both}}
    default_backend plain
backend plain
    server it {LOCAL}:{{behind}}
"""
_DANTE = f"""logoutput: stderr
internal: {LOCAL} port = {{port}}
external: {LOCAL}
user.privileged: {{user}}
user.unprivileged: {{user}}
clientmethod: none
socksmethod: none
client pass {{{{ from: 127.0.0.0/8 to: 0/0 }}}}
socks pass {{{{ from: 127.0.0.0/8 to: 127.0.0.0/8 port = {{allowed}} }}}}
"""


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture
def server(vault: Vault) -> Iterator[int]:
    """Greet every client; give the port."""
    # Some proxies try but one of the addresses that localhost has.
    first = socket.getaddrinfo(HOST, None, type=socket.SOCK_STREAM)[0]
    address = str(first[4][0])
    context = server_context(vault.leaf())
    with tlskit.listen(hostname=address, context=context) as listener:

        def run() -> None:
            while True:
                try:
                    port = listener.accept(PATIENCE)
                except tlskit.ClosedError:
                    return
                with suppress(OSError), port:
                    port.sendall(b"hello")

        task = Task(run)
        yield listener.port
        listener.close()
        task.result()


@pytest.fixture
def closed() -> Iterator[int]:
    """Give a port on which nobody listens, and which nobody can take."""
    with socket.socket() as sock:
        sock.bind((LOCAL, 0))
        yield int(sock.getsockname()[1])


def free_port() -> int:
    """Find a port; none of these programs can tell which one it took."""
    with socket.create_server((LOCAL, 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def chosen(start: Callable[[int], Program], ready: str) -> Iterator[int]:
    """Run a program on a port that it gets, even if others want it too.

    Args:
        start: Starts it on a port.
        ready: The pattern of what it says once it listens; "" if nothing.
    """
    for _ in range(5):
        port = free_port()
        with start(port) as program:
            try:
                if ready:
                    program.until(ready)
                else:
                    await_port(port)
            except AssertionError:
                continue
            yield port
            return
    raise AssertionError("no free port is found")


def await_port(port: int) -> None:
    """Wait until somebody listens there."""
    nothing = threading.Event()
    for _ in range(int(PATIENCE * 50)):
        with suppress(ConnectionRefusedError):
            socket.create_connection((LOCAL, port), PATIENCE).close()
            return
        nothing.wait(0.02)
    raise AssertionError(f"nobody listens on port {port}")


@contextmanager
def tinyproxy(folder: Path, allowed: int) -> Iterator[int]:
    """Run it for connections to one port, with user and password."""

    def start(port: int) -> Program:
        path = folder / "tinyproxy.conf"
        path.write_text(_TINYPROXY.format(port=port, allowed=allowed))
        return Program("tinyproxy", "-d", "-c", str(path))

    with chosen(start, "Accepting connections") as port:
        yield port


@contextmanager
def microsocks() -> Iterator[int]:
    """Run it, with user and password."""

    def start(port: int) -> Program:
        return Program(
            *("microsocks", "-i", LOCAL, "-p", str(port)),
            *("-u", USER, "-P", PASSWORD),
        )

    with chosen(start, "") as port:
        yield port


@contextmanager
def dante(folder: Path, allowed: int) -> Iterator[int]:
    """Run it for connections to one port, for everybody."""

    def start(port: int) -> Program:
        path = folder / "dante.conf"
        user = pwd.getpwuid(os.getuid()).pw_name
        path.write_text(_DANTE.format(port=port, allowed=allowed, user=user))
        return Program("danted", "-f", str(path))

    with chosen(start, r"Dante/server.* running") as port:
        yield port


@contextmanager
def secured(folder: Path, vault: Vault, behind: int) -> Iterator[int]:
    """Run HAProxy, which takes TLS off in front of a proxy."""
    files = vault.leaf()
    both = folder / "both.pem"
    both.write_bytes(files.leaf.chain_pem + files.leaf.key_pem)

    def start(port: int) -> Program:
        path = folder / "haproxy.cfg"
        path.write_text(_HAPROXY.format(port=port, both=both, behind=behind))
        return Program("haproxy", "-db", "-f", str(path))

    with chosen(start, "") as port:
        yield port


def dial(kind: str, vault: Vault, port: int, proxy: str) -> bytes:
    """Connect to localhost through *proxy*, and read to the end."""
    context = client_context(vault)
    if kind == "blocking":
        with tlskit.connect(
            HOST, port, context, proxy=proxy, timeout=PATIENCE
        ) as made:
            return made.recv(5)

    async def main() -> bytes:
        module: Any = aio if kind == "asyncio" else tlskit.trio
        made = await module.open_connection(
            HOST, port, context, proxy=proxy, timeout=PATIENCE
        )
        try:
            data: bytes = await made.readexactly(5)
        finally:
            await made.aclose()
        return data

    if kind == "asyncio":
        return asyncio.run(main())
    found: bytes = trio.run(main)
    return found


def refusal(dialled: Callable[[str], bytes], url: str) -> str:
    """Give what the error says, which shows no password."""
    with pytest.raises(tlskit.HandshakeError) as caught:
        dialled(url)
    assert "proxy-refused" == caught.value.code
    assert "wrong" not in f"{caught.value!s}{caught.value!r}"
    return str(caught.value)


@needs("tinyproxy")
@KINDS
def test_connect(kind: str, vault: Vault, server: int, tmp_path: Path) -> None:
    """tinyproxy connects us, and tells why it does not."""
    dialled = partial(dial, kind, vault, server)
    with tinyproxy(tmp_path, server) as port:
        assert b"hello" == dialled(f"http://{USER}:{PASSWORD}@{LOCAL}:{port}")
        assert "407" in refusal(dialled, f"http://{LOCAL}:{port}")
        said = refusal(dialled, f"http://{USER}:wrong@{LOCAL}:{port}")
        assert re.search("40[17]", said)


@needs("tinyproxy")
@KINDS
def test_a_port_that_is_not_allowed(
    kind: str, vault: Vault, server: int, tmp_path: Path
) -> None:
    """tinyproxy connects to the ports of its configuration only."""
    with tinyproxy(tmp_path, 1) as port:
        url = f"http://{USER}:{PASSWORD}@{LOCAL}:{port}"
        assert "403" in refusal(partial(dial, kind, vault, server), url)


@needs("tinyproxy")
@KINDS
def test_nobody_behind(
    kind: str, vault: Vault, closed: int, tmp_path: Path
) -> None:
    """What tinyproxy says of a server that is not there is the error."""
    with tinyproxy(tmp_path, closed) as port:
        url = f"http://{USER}:{PASSWORD}@{LOCAL}:{port}"
        said = refusal(partial(dial, kind, vault, closed), url)
        assert re.search(r"it answers .*\b50\d", said)


@needs("tinyproxy")
@needs("haproxy")
@KINDS
def test_connect_over_tls(
    kind: str, vault: Vault, server: int, tmp_path: Path
) -> None:
    """A proxy behind TLS is verified, before it learns the password."""
    with ExitStack() as stack:
        behind = stack.enter_context(tinyproxy(tmp_path, server))
        port = stack.enter_context(secured(tmp_path, vault, behind))
        url = f"https://{USER}:{PASSWORD}@{HOST}:{port}"
        with pytest.raises(tlskit.VerificationError):
            dial(kind, vault, server, url)
        source = tlskit.VerifySource.pem(vault.ca.pem)
        stack.enter_context(tlskit.set_default_verify_sources([source]))
        assert b"hello" == dial(kind, vault, server, url)


@needs("microsocks")
@KINDS
def test_socks(kind: str, vault: Vault, server: int) -> None:
    """microsocks connects us, and tells why it does not."""
    pytest.importorskip("socksio")
    dialled = partial(dial, kind, vault, server)
    with microsocks() as port:
        assert b"hello" == dialled(
            f"socks5://{USER}:{PASSWORD}@{LOCAL}:{port}"
        )
        said = refusal(dialled, f"socks5://{LOCAL}:{port}")
        assert "another proof" in said
        said = refusal(dialled, f"socks5://{USER}:wrong@{LOCAL}:{port}")
        assert "refuses user and password" in said


@needs("microsocks")
@KINDS
def test_nobody_behind_socks(kind: str, vault: Vault, closed: int) -> None:
    """What microsocks says of a server that is not there is the error."""
    pytest.importorskip("socksio")
    with microsocks() as port:
        url = f"socks5://{USER}:{PASSWORD}@{LOCAL}:{port}"
        said = refusal(partial(dial, kind, vault, closed), url)
        assert "connection refused" in said


@needs("danted")
@KINDS
def test_dante(
    kind: str, vault: Vault, server: int, closed: int, tmp_path: Path
) -> None:
    """Dante connects us where its rules allow it, and says so."""
    pytest.importorskip("socksio")
    with dante(tmp_path, server) as port:
        url = f"socks5://{LOCAL}:{port}"
        assert b"hello" == dial(kind, vault, server, url)
        said = refusal(partial(dial, kind, vault, closed), url)
        assert "not allowed by ruleset" in said


def called(vault: Vault, port: int, url: str) -> tuple[int, str, str]:
    """Run ``tlskit connect`` through a proxy; give status and output."""
    done = command_line(
        *("connect", "--ca", vault.roots, "--proxy", url),
        f"{HOST}:{port}",
    )
    return done.returncode, done.stdout, done.stderr


@needs("tinyproxy")
def test_command_line(vault: Vault, server: int, tmp_path: Path) -> None:
    """``connect`` goes through tinyproxy, or tells what that says."""
    with tinyproxy(tmp_path, server) as port:
        url = f"http://{USER}:{PASSWORD}@{LOCAL}:{port}"
        status, out, err = called(vault, server, url)
        assert (0, "hello") == (status, out), err
        status, out, err = called(vault, server, f"http://{LOCAL}:{port}")
        assert 0 != status
        assert "407" in err


@needs("microsocks")
def test_command_line_by_socks(vault: Vault, server: int) -> None:
    """``connect`` goes through microsocks, or tells what that says."""
    pytest.importorskip("socksio")
    with microsocks() as port:
        url = f"socks5://{USER}:{PASSWORD}@{LOCAL}:{port}"
        status, out, err = called(vault, server, url)
        assert (0, "hello") == (status, out), err
        url = f"socks5://{USER}:wrong@{LOCAL}:{port}"
        status, out, err = called(vault, server, url)
        assert 0 != status
        assert "refuses user and password" in err
        assert "wrong" not in err
