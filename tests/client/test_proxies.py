"""Tests for ``tlskit.client.proxies``: CONNECT and SOCKS 5."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from contextlib import suppress

import pytest
import trio

import tlskit
from tlskit import aio
from tlskit.client.proxies import Proxy
from tlskit.testing import CA

from ..engines import client_context, server_context
from ..peers import HOST, PATIENCE, Task

LOCAL = "127.0.0.1"
KINDS = pytest.mark.parametrize("kind", ["blocking", "asyncio", "trio"])


def pump(source, sink):
    """Copy until the end."""
    try:
        while data := source.recv(4096):
            sink.sendall(data)
    except OSError:
        pass


class Middle:
    """A proxy that answers by a script, and then passes bytes on."""

    def __init__(self, steps, target=None, context=None):
        self.steps, self.target, self.context = steps, target, context
        self.heard: list[bytes] = []
        self.sock = socket.create_server((LOCAL, 0))
        self.port = self.sock.getsockname()[1]
        self.task = Task(self.run)

    def run(self):
        """Serve one client."""
        plain, _ = self.sock.accept()
        plain.settimeout(PATIENCE)
        with plain:
            if self.context is not None:
                plain = tlskit.SSLPort.start_tls(
                    plain, self.context, server_side=True
                )
            for answer in self.steps:
                self.heard.append(plain.recv(4096))
                plain.sendall(answer)
            if self.target is not None:
                with socket.create_connection((LOCAL, self.target)) as far:
                    back = threading.Thread(target=pump, args=(far, plain))
                    back.start()
                    pump(plain, far)
                    with suppress(OSError):
                        far.shutdown(socket.SHUT_WR)
                    back.join(PATIENCE)
            plain.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.task.result()
        self.sock.close()


def dial(kind, proxy, port=443, **keywords):
    """Connect to localhost through *proxy*, and read two bytes."""
    if kind == "blocking":
        with tlskit.connect(
            HOST, port, client_context(), proxy=proxy, **keywords
        ) as made:
            return made.recv(2)

    async def main():
        module = aio if kind == "asyncio" else tlskit.trio
        made = await module.open_connection(
            HOST, port, client_context(), proxy=proxy, **keywords
        )
        data = await made.read(2)
        await made.aclose()
        return data

    return asyncio.run(main()) if kind == "asyncio" else trio.run(main)


@pytest.fixture
def server():
    """Greet one client."""
    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:

        def run():
            with listener.accept(PATIENCE) as port:
                port.sendall(b"hi")

        task = Task(run)
        yield listener.port
        task.result()


OK = b"HTTP/1.1 200 Connection established\r\n\r\n"
CHOICE = b"\x05\x00"
DONE = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x09"


@KINDS
def test_connect(kind, server):
    """CONNECT, with user and password; an interim answer is passed over."""
    with Middle([b"HTTP/1.1 100 Continue\r\n\r\n" + OK], server) as proxy:
        url = f"http://me:p%40ss@{LOCAL}:{proxy.port}"
        assert b"hi" == dial(kind, url, server)

    head = proxy.heard[0]
    assert head.startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % server)
    assert b"\r\nProxy-Authorization: Basic bWU6cEBzcw==\r\n\r\n" in head


@KINDS
def test_secured_proxy(kind, server):
    """A proxy spoken to over TLS is verified by the default sources."""
    ca = CA()
    leaf = ca.issue(HOST)
    theirs = tlskit.ServerContext("auto")
    theirs.load_certificate_chain(leaf.chain_pem)
    theirs.load_private_key(leaf.key_pem)
    with (
        tlskit.set_default_verify_sources([tlskit.VerifySource.pem(ca.pem)]),
        Middle([OK], server, theirs) as proxy,
    ):
        assert b"hi" == dial(kind, f"https://{HOST}:{proxy.port}", server)


@KINDS
def test_socks(kind, server):
    """SOCKS 5; the proxy gets the name."""
    pytest.importorskip("socksio")
    with Middle([CHOICE, DONE], server) as proxy:
        assert b"hi" == dial(kind, f"socks5://{LOCAL}:{proxy.port}", server)

    assert b"\x05\x01\x00\x03\x09localhost" == proxy.heard[1][:14]


@KINDS
@pytest.mark.parametrize(
    ("scheme", "steps", "said"),
    [
        (
            "http",
            [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"],
            "407",
        ),
        ("http", [b"HTTP/1.0 403 Forbidden\r\n\r\n"], "403 Forbidden"),
        ("http", [b"SSH-2.0-x\r\n"], "no HTTP"),
        ("http", [b"HTTP/1.1 what\r\n"], "no HTTP"),
        ("socks5", [b"\x05\xff"], "another proof"),
        ("socks5", [b"\x05\x02", b"\x01\x01"], "user and password"),
        (
            "socks5",
            [b"\x05\x02", b"\x01\x00", b"\x05\x05\0\1\0\0\0\0\0\0"],
            "connection refused",
        ),
        ("socks5", [CHOICE, b"\x05\x04\0\3\0\0\0"], "host unreachable"),
        ("socks5", [CHOICE, b"\x05\x04\0\x09\0"], "no SOCKS 5"),
        ("socks5", [b"HTTP/1.1 400 Bad\r\n"], "no SOCKS 5"),
    ],
)
def test_refusals(kind, scheme, steps, said):
    """What the proxy answers is in the error; what it was told is not."""
    if scheme == "socks5":
        pytest.importorskip("socksio")
    with Middle(steps) as proxy:
        url = f"{scheme}://me:secret@{LOCAL}:{proxy.port}"
        with pytest.raises(tlskit.HandshakeError, match=said) as caught:
            dial(kind, url)

    assert "proxy-refused" == caught.value.code
    assert "secret" not in str(caught.value)


@KINDS
def test_a_proxy_that_says_too_much(kind):
    """Bytes behind the go-ahead are refused."""
    with Middle([OK + b"more"]) as proxy:
        with pytest.raises(tlskit.NotTLSError, match="attacker") as caught:
            dial(kind, f"http://{LOCAL}:{proxy.port}")

    assert "starttls-injection" == caught.value.code


@KINDS
def test_a_proxy_that_says_nothing(kind):
    """The one deadline holds for the proxy, too."""
    with socket.create_server((LOCAL, 0)) as silent:
        url = f"http://{LOCAL}:{silent.getsockname()[1]}"
        with pytest.raises(TimeoutError):
            dial(kind, url, timeout=0.1)


@KINDS
def test_a_secured_proxy_that_refuses(kind):
    """Its answer comes over TLS, and is told as well."""
    ca = CA()
    leaf = ca.issue(HOST)
    theirs = tlskit.ServerContext("auto")
    theirs.load_certificate_chain(leaf.chain_pem)
    theirs.load_private_key(leaf.key_pem)
    with (
        tlskit.set_default_verify_sources([tlskit.VerifySource.pem(ca.pem)]),
        Middle([b"HTTP/1.1 403 No\r\n\r\n"], None, theirs) as proxy,
        pytest.raises(tlskit.HandshakeError, match="403 No"),
    ):
        dial(kind, f"https://{HOST}:{proxy.port}")


def test_no_credentials_are_shown():
    """Neither a proxy's text nor its repr has them."""
    proxy = Proxy.parse("http://me:secret@[::1]:3128")

    assert "http://[::1]:3128" == str(proxy)
    assert "secret" not in repr(proxy)
    assert ("me", "secret") == proxy.credentials


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://x",
        "http://:secret@",
        "http://h:secret",
        "http://h:0",
        "http://h/secret",
        "http://a%3Ab:secret@h",
        "http://a:sec%0Aret@h",
        f"http://a:{'secret' * 50}@h",
    ],
)
def test_impossible_proxies(url):
    """A bad URL is refused before a byte is sent, and not quoted."""
    with pytest.raises(ValueError, match="prox") as caught:
        tlskit.connect(HOST, proxy=url)

    assert "secret" not in str(caught.value)


def test_a_proxy_is_text():
    """Another kind of object is told as that."""
    with pytest.raises(TypeError, match="bytes"):
        tlskit.connect(HOST, proxy=b"http://h")


def test_socks_needs_a_package(monkeypatch):
    """Without it the extra is named."""
    monkeypatch.setitem(sys.modules, "socksio", None)

    with pytest.raises(tlskit.UnsupportedError) as caught:
        Proxy.parse("socks5://h")
    assert "tlskit[socks]" in caught.value.hint


def test_environment(monkeypatch):
    """HTTPS_PROXY counts where it is asked for, but for NO_PROXY's hosts."""
    for name in ("https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    assert Proxy.from_environment("a.example", 443) is None

    monkeypatch.setenv("HTTPS_PROXY", "h:3128")
    assert ("http", "h", 3128) == (
        (found := Proxy.from_environment("a.example", 443)).scheme,
        found.host,
        found.port,
    )
    monkeypatch.setenv("NO_PROXY", "b.example, .example")
    assert Proxy.from_environment("a.example", 443) is None
    assert Proxy.from_environment("example", 443) is None
    assert Proxy.from_environment("a.test", 443) is not None


@KINDS
def test_the_environments_proxy(kind, server, monkeypatch):
    """``proxy="HTTPS_PROXY"`` asks for it by name."""
    monkeypatch.setenv("no_proxy", "other.example")
    with Middle([OK], server) as proxy:
        monkeypatch.setenv("https_proxy", f"http://{LOCAL}:{proxy.port}")
        assert b"hi" == dial(kind, "HTTPS_PROXY", server)
