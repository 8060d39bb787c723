"""HTTP clients on a tlskit context: good servers, and refused ones."""

from __future__ import annotations

import socket
import ssl

import pytest

import tlskit

from ..libraries import (
    BAD,
    client,
    explanation,
    https_server,
    leaf,
    run,
    server,
    stdlib_server,
)
from ..peers import TcpServer, serving


def _from(name: str, function: str):
    """Find an example; skip what needs a library that is not here."""
    library = name.partition("_")[0]
    if library not in {"http", "asyncio"}:
        pytest.importorskip(library)
    module = pytest.importorskip(
        f"{__package__.rpartition('.')[0]}.examples.{name}"
    )
    return getattr(module, function)


BLOCKING = [
    ("http_client", "fetch"),
    ("http_client", "fetch_url"),
    ("urllib3_client", "fetch"),
    ("requests_client", "fetch"),
    ("httpx_client", "fetch"),
]
ASYNC = [("httpx_client", "fetch_async"), ("aiohttp_client", "fetch")]


@pytest.fixture(params=BLOCKING + ASYNC, ids=".".join)
def fetch(request):
    """Every HTTP client, to be called in the same way."""
    function = _from(*request.param)
    if request.param in ASYNC:
        return lambda *args: run(function, *args)
    return function


def test_a_page_is_fetched(fetch):
    """A server with the right name, from a trusted CA, is talked to."""
    with https_server() as port:
        assert b"hello\n" == fetch("localhost", port, client())


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_server_is_refused(fetch, kind):
    """The wrong host, or a stranger's CA: refused, and explained."""
    with https_server(kind) as port:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - one each
            fetch("localhost", port, client())

    error = explanation(caught.value)
    assert BAD[kind] is type(error)
    assert error.hint


@pytest.mark.parametrize("kind", BAD)
def test_a_library_sees_the_exception_it_knows(kind):
    """http.client lets it through: a verification error of ``ssl``."""
    with https_server(kind) as port:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            _from("http_client", "fetch")("localhost", port, client())

    error = caught.value
    assert "CERTIFICATE_VERIFY_FAILED" == error.reason
    assert str(error.__cause__) == error.verify_message
    assert error.__cause__.hint.splitlines()[0] in str(error)


def test_a_page_is_fetched_from_tlskit(fetch):
    """The same clients talk to a tlskit server."""

    def answer(port: tlskit.SSLPort) -> bytes:
        request = b""
        while b"\r\n\r\n" not in request:
            request += port.recv(65536)
        port.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
            b"Connection: close\r\n\r\nyes"
        )
        return request

    with serving(server(), answer) as there:
        assert b"yes" == fetch("127.0.0.1", there.port, client())
        assert there.result().startswith(b"GET / HTTP/1.1\r\n")


def test_a_cut_body_is_not_taken_for_a_whole_one():
    """A body that ends with the connection needs a close_notify."""

    def cut(sock: socket.socket) -> None:
        wrapped = stdlib_server().wrap_socket(sock, server_side=True)
        wrapped.recv(65536)
        wrapped.sendall(b"HTTP/1.0 200 OK\r\n\r\npart of it")
        wrapped.close()  # Says no goodbye.

    with TcpServer(cut) as there:
        with pytest.raises(ssl.SSLEOFError) as caught:
            _from("http_client", "fetch")("localhost", there.port, client())

    assert isinstance(explanation(caught.value), tlskit.TruncatedError)


@pytest.mark.parametrize(
    "options", [{"verify": False}, {"cert": "client.pem"}]
)
def test_requests_may_not_weaken(options):
    """What the context has to decide is refused, not ignored."""
    requests = pytest.importorskip("requests")
    adapter = _from("requests_client", "TLSAdapter")(client())
    with requests.Session() as session, https_server("unknown-ca") as port:
        session.mount("https://", adapter)
        with pytest.raises(tlskit.ConfigurationError):
            session.get(f"https://localhost:{port}/", **options)


def test_requests_may_not_widen(tmp_path, monkeypatch):
    """A bundle that the environment names is not trusted."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(leaf("self-signed").chain_pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    fetch = _from("requests_client", "fetch")
    with https_server("self-signed") as port:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - one each
            fetch("localhost", port, client())

    assert isinstance(explanation(caught.value), tlskit.VerificationError)


def test_requests_without_the_adapter_trusts_nobody_new():
    """Given a sealed context by other ways, requests can't add its roots."""
    requests = pytest.importorskip("requests")
    adapters = pytest.importorskip("requests.adapters")

    class Plain(adapters.HTTPAdapter):
        def init_poolmanager(self, *args, **keywords):
            super().init_poolmanager(
                *args, ssl_context=client().as_ssl_context(), **keywords
            )

    with requests.Session() as session, https_server() as port:
        session.mount("https://", Plain())
        with pytest.raises(requests.exceptions.ConnectionError) as caught:
            session.get(f"https://localhost:{port}/")

    assert isinstance(explanation(caught.value), tlskit.SealedError)


def test_httpx_gets_http2_by_alpn():
    """httpx asks for HTTP/2 by ALPN on a sealed context, and gets it."""
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("h2")
    offered = []

    class Server(tlskit.ServerContext):
        def select_alpn(self, names):
            offered.append(names)
            return "http/1.1"

    context = Server()
    leaf().apply(context)

    def answer(port: tlskit.SSLPort) -> None:
        port.recv(65536)
        port.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with serving(context, answer) as there:
        with httpx.Client(
            verify=client().as_ssl_context(), http2=True
        ) as http:
            assert (
                200 == http.get(f"https://localhost:{there.port}/").status_code
            )
        there.result()

    assert [("http/1.1", "h2")] == offered
