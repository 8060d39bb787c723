"""A listener behind a proxy, and one that meets plain HTTP."""

from __future__ import annotations

import http.client
import logging
import subprocess

import pytest

import tlskit
from tlskit.testing import CA
from tlskit.verify.identity import Identity

from ..engines import authority, client_context, server_context
from ..joined import read_to_end
from ..peers import PATIENCE, Task, needs, reset
from .test_proxy_protocol import V2, V4_BLOCK, tlv, v2
from .test_serving import LOCAL, serving

CLIENT = ("192.0.2.1", 40)
LINE = b"PROXY TCP4 192.0.2.1 198.51.100.2 40 443\r\n"


def who(port):
    """Say of whom the port speaks."""
    port.sendall(repr((port.peer, port.name, port.proxy)).encode())


def behind(server, header):
    """Connect, and send a header first; give the port and our address."""
    sock = server.raw()
    sock.sendall(header)
    port = tlskit.SSLPort.start_tls(sock, client_context(), hostname=LOCAL)
    return port, sock.getsockname()


def proxied(server, trusted=("127.0.0.0/8",), *, required=True):
    """Have *server* take headers."""
    server.listener.set_proxy_protocol(trusted, required=required)
    return server


@pytest.mark.parametrize("header", [LINE, v2()])
def test_client_behind_a_proxy(header):
    """The port speaks of the client, and still knows the proxy."""
    with serving(who) as server:
        proxied(server)
        port, ours = behind(server, header)
        with port:
            assert repr((CLIENT, ("198.51.100.2", 443), ours)).encode() == (
                read_to_end(port)
            )


def test_all_that_is_known():
    """Every way to ask for addresses tells of the client."""
    context = server_context()
    with tlskit.listen(hostname=LOCAL, context=context) as listener:
        listener.set_proxy_protocol([LOCAL])
        header = v2(V4_BLOCK + tlv(2, b"x.example"))

        def connect():
            with tlskit.connect(
                LOCAL, listener.port, client_context(), handshake=False
            ) as port:
                port._driver.transport.sock.sendall(header)
                port.handshake()
                return port.name

        task = Task(connect)
        with listener.accept(PATIENCE) as port:
            assert CLIENT == port.peer == port.getpeername()
            assert ("198.51.100.2", "192.0.2.1") == port.addresses()
            assert ("198.51.100.2", 443, *CLIENT) == port.addresses(True)
            assert ("192.0.2.1", *CLIENT) == port.info_values()
            assert "192.0.2.1:40" in repr(port)
            assert ((2, b"x.example"),) == port.proxy_header.tlvs
            assert task.result() == port.proxy


def test_without_a_proxy():
    """Without a header, nothing of a proxy is known."""
    with serving(who) as server:
        with server.connect() as port:
            assert port.proxy is None
            assert port.proxy_header is None
            assert read_to_end(port).endswith(b"None)")


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", v2(family=0)])
def test_proxy_that_names_nobody(header):
    """Without a client's address, it is the proxy's that is known."""
    with serving(who) as server:
        proxied(server)
        port, ours = behind(server, header)
        with port:
            listening = (LOCAL, server.listener.port)
            assert repr((ours, listening, ours)).encode() == read_to_end(port)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"PROXY TCP4 no\r\n", "bad-proxy-header"),
        (v2(family=0x12), "bad-proxy-header"),
        (b"PROXY" + bytes(5), "no-proxy-header"),
        (b"\x16\3\1\2\0\1", "no-proxy-header"),
        (b"GET / HTTP/1.0\r\n\r\n", "no-proxy-header"),
    ],
)
def test_refused_header(data, code):
    """A bad header, and none, are refused, and nothing is answered."""
    with serving(who) as server:
        proxied(server)
        with server.raw() as sock:
            sock.sendall(data)
            assert b"" == read_to_end(sock)
        assert {code: 1} == server.refused()


@pytest.mark.parametrize("data", [LINE[:9], V2[:5]])
def test_end_within_the_header(data):
    """A stream that ends too soon is refused for that."""
    with serving(who) as server:
        proxied(server)
        with server.raw() as sock:
            sock.sendall(data)
            sock.shutdown(1)
            assert b"" == read_to_end(sock)
        assert {"bad-proxy-header": 1} == server.refused()


def test_header_is_part_of_the_deadline():
    """A header that does not come takes no longer than a handshake."""
    with serving(who, handshake_timeout=0.05) as server:
        proxied(server)
        with server.raw() as sock:
            sock.sendall(LINE[:20])
            assert b"" == read_to_end(sock)
        assert {"timed-out": 1} == server.refused()


def test_untrusted_source():
    """Where a proxy is required, others can't get in, header or not."""
    with serving(who) as server:
        proxied(server, ["127.0.0.2"])
        with server.raw() as sock:
            sock.sendall(LINE)
            assert b"" == read_to_end(sock)
        sock = server.raw("127.0.0.2")
        sock.sendall(LINE)
        with tlskit.SSLPort.start_tls(
            sock, client_context(), hostname=LOCAL
        ) as port:
            assert b"192.0.2.1" in read_to_end(port)
        assert {"untrusted-proxy": 1} == server.refused()


def test_optional_header():
    """Where it is optional, proxies may send one, and others may not."""
    with serving(who) as server:
        proxied(server, ["127.0.0.2"], required=False)
        for source in (LOCAL, "127.0.0.2"):
            with server.connect(source=source) as port:
                assert repr(source).encode() in read_to_end(port)
        with server.raw() as sock:  # Nobody believes this one.
            sock.sendall(LINE)
            read_to_end(sock)
        assert {"not-tls": 1} == server.refused()
        sock = server.raw("127.0.0.2")
        sock.sendall(LINE)
        with tlskit.SSLPort.start_tls(
            sock, client_context(), hostname=LOCAL
        ) as port:
            assert b"192.0.2.1" in read_to_end(port)


def test_switched_off():
    """None takes headers no longer."""
    with serving(who) as server:
        proxied(server)
        proxied(server, None)
        with server.connect() as port:
            assert read_to_end(port).endswith(b"None)")


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", v2(command=0x20)])
@pytest.mark.parametrize("ending", ["close", "reset"])
def test_health_check(header, ending, caplog):
    """A proxy that looks whether we are alive is no client that failed."""
    caplog.set_level(logging.INFO, "tlskit.listener.refused")
    with serving(who) as server:
        proxied(server)
        sock = server.raw()
        sock.sendall(header)
        if ending == "reset":
            reset(sock)
        else:
            sock.close()
        found = server.until(lambda found: found.refused)

    assert {"health-check": 1} == found.refused
    assert not caplog.records


def test_reset_of_a_client():
    """A reset without a header is a lost connection."""
    with serving(who) as server:
        sock = server.raw()
        server.until(lambda found: found.handshakes == 1)
        reset(sock)
        found = server.until(lambda found: found.refused)

    assert {"connection-lost": 1} == found.refused


def test_reset_before_a_port_is_made():
    """Who is gone when its port is to be made is refused."""
    with serving(who) as server:
        proxied(server)
        sock = server.raw()
        server.until(lambda found: found.handshakes == 1)
        sock.sendall(LINE + b"\x16\3\1\2\0\1")
        reset(sock)
        found = server.until(lambda found: found.refused)

    assert found.refused.keys() <= {"connection-lost", "system-error"}


def test_sources_behind_a_proxy():
    """Each client behind a proxy counts for itself, the proxy not at all."""
    with serving(who, max_handshakes_per_source=1) as server:
        proxied(server)
        with server.raw() as one, server.raw() as two, server.raw() as three:
            one.sendall(LINE)
            server.until(lambda found: found.received == len(LINE))
            two.sendall(LINE)
            assert b"" == read_to_end(two)
            assert {"too-many-handshakes": 1} == (server.refused())
            three.sendall(LINE.replace(b"192.0.2.1", b"192.0.2.2"))
            port, _ = behind(server, LINE.replace(b"192.0.2.1", b"192.0.2.3"))
            with port:
                assert b"192.0.2.3" in read_to_end(port)


def test_header_for_those_who_shake_hands_themselves():
    """A port without a handshake has met its header, and lost no byte."""
    context = server_context()
    with tlskit.listen(hostname=LOCAL, context=context) as listener:
        listener.set_proxy_protocol([LOCAL])

        def connect():
            with tlskit.connect(
                LOCAL, listener.port, client_context(), handshake=False
            ) as port:
                port._driver.transport.sock.sendall(LINE)
                port.handshake()

        task = Task(connect)
        with listener.accept(PATIENCE, handshake=False) as port:
            assert CLIENT == port.peer
            assert port.version is None
            port.settimeout(PATIENCE)
            port.handshake()
            task.result()
            assert port.version is not None


def test_hosts_over_ipv6():
    """IPv4 on a socket for both is IPv4, for rules and for counts."""
    context = server_context()
    with tlskit.listen(context=context) as listener:
        listener.set_proxy_protocol([LOCAL])

        def connect():
            with tlskit.connect(
                LOCAL, listener.port, client_context(), handshake=False
            ) as port:
                port._driver.transport.sock.sendall(LINE)
                port.handshake()

        task = Task(connect)
        with listener.accept(PATIENCE) as port:
            assert CLIENT == port.peer
        task.result()


# -- plain HTTP -------------------------------------------------------------


def ask(server, target="/", host=None, method="GET"):
    """Ask by plain HTTP; give status, location and body."""
    connection = http.client.HTTPConnection(
        LOCAL, server.listener.port, timeout=PATIENCE
    )
    try:
        headers = {} if host is None else {"Host": host}
        connection.request(method, target, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers["Location"], response.read()
    finally:
        connection.close()


def test_error_for_plain_http():
    """If asked for, plain HTTP is answered by 400, and refused."""
    with serving(who) as server:
        server.listener.set_plain_http("error")
        status, location, body = ask(server)
        assert (400, None) == (status, location)
        assert b"https://" in body
        assert {"plain-http": 1} == server.refused()
        with server.connect() as port:
            assert read_to_end(port)


def test_redirect_for_plain_http():
    """A request for a name of the certificate is redirected, others not."""
    with serving(who) as server:
        server.listener.set_plain_http("redirect")
        port = server.listener.port
        for host in ("localhost", LOCAL):
            status, location, _ = ask(server, "/a?b", f"{host}:{port}")
            assert (308, f"https://{host}:{port}/a?b") == (status, location)
        assert 400 == ask(server, "/", "other.example")[0]
        assert (308, "https://localhost/", b"") == ask(
            server, "/", "localhost", "HEAD"
        )


def test_redirect_to_hosts_behind_names():
    """The certificates of the contexts for other names count, too."""
    context = tlskit.ServerContext()
    authority().issue("localhost").apply(context)
    other = tlskit.ServerContext()
    authority().issue("other.example").apply(other)
    context.set_server_names({"other.example": other})
    with serving(who, context) as server:
        server.listener.set_plain_http("redirect")

        assert 308 == ask(server, "/", "other.example")[0]
        assert 308 == ask(server, "/", "localhost")[0]
        assert 400 == ask(server, "/", "stranger.example")[0]


def test_a_stranger_is_compared_with_nobody(monkeypatch):
    """However many names there are, who asks for another costs little."""
    context = tlskit.ServerContext()
    names = ("Www.Example", "*.b.example", "127.0.0.1", "::1")
    authority().issue(*names).apply(context)
    compared = []
    matches = Identity.matches

    def note(identity, certificate):
        compared.append(identity.text)
        return matches(identity, certificate)

    monkeypatch.setattr(Identity, "matches", note)
    strangers = ("b.example", "a.a.b.example", "w.example", "::2", "example")
    with serving(who, context) as server:
        server.listener.set_plain_http("redirect")

        for host in ("www.example", "a.B.example", "127.0.0.1", "[0:0::1]"):
            assert 308 == ask(server, "/", host)[0]
        found = len(compared)
        for host in strangers:
            assert (
                400
                == ask(server, "/", f"[{host}]" if ":" in host else host)[0]
            )

    assert 4 == found == len(compared)


def test_redirect_to_given_hosts():
    """Hosts may be given, as where contexts are chosen by a function."""
    with serving(who) as server:
        server.listener.set_plain_http("redirect", hosts=["other.example"])
        assert 308 == ask(server, "/", "other.example")[0]
        assert 400 == ask(server, "/", "localhost")[0]


def test_redirect_without_a_certificate():
    """A context without a certificate redirects to whom names lead to."""
    context = tlskit.ServerContext()
    context.set_server_names({"localhost": server_context()})
    with serving(who, context) as server:
        server.listener.set_plain_http("redirect")

        assert 308 == ask(server, "/", "localhost")[0]
        assert 400 == ask(server, "/", "other.example")[0]


def test_no_answer_any_more():
    """None goes back to closing the connection."""
    with serving(who) as server:
        server.listener.set_plain_http("error")
        server.listener.set_plain_http(None)
        with pytest.raises(http.client.HTTPException):
            ask(server)


def test_slow_request():
    """A request's head is part of the handshake's deadline."""
    with serving(who, handshake_timeout=0.05) as server:
        server.listener.set_plain_http("error")
        with server.raw() as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost:")
            assert b"" == read_to_end(sock)
        assert {"timed-out": 1} == server.refused()


def test_plain_http_behind_a_proxy():
    """Header first, then HTTP."""
    with serving(who) as server:
        proxied(server)
        server.listener.set_plain_http("redirect")
        with server.raw() as sock:
            sock.sendall(LINE + b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = read_to_end(sock)
        assert b"Location: https://localhost/x\r\n" in answer


def test_bad_arguments():
    """Answers and hosts are checked when they are given."""
    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        with pytest.raises(ValueError, match="answer is"):
            listener.set_plain_http("404")
        with pytest.raises(ValueError, match="empty"):
            listener.set_plain_http("redirect", hosts=[""])
        with pytest.raises(tlskit.ConfigurationError):
            listener.set_plain_http("redirect", hosts=["a b"])
        assert listener.plain_http is None


@needs("curl")
@pytest.mark.parametrize("answer", ["error", "redirect"])
def test_curl(answer, tmp_path):
    """curl follows the redirect into TLS; an error it shows."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority().pem)

    def answer_https(port):
        port.input.readline()
        port.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nsafe")

    with serving(answer_https) as server:
        server.listener.set_plain_http(answer)
        done = subprocess.run(
            [
                *("curl", "--silent", "--location", "--cacert", str(roots)),
                *("--noproxy", "*", "--max-time", str(PATIENCE)),
                f"http://localhost:{server.listener.port}/",
                *("--resolve", f"localhost:{server.listener.port}:{LOCAL}"),
            ],
            capture_output=True,
            check=True,
        )

    assert (b"safe" if answer == "redirect" else b"https://") in done.stdout


def test_strangers_name():
    """A certificate for another name redirects to that name only."""
    context = tlskit.ServerContext()
    CA().issue("*.right.example").apply(context)
    with serving(who, context) as server:
        server.listener.set_plain_http("redirect")
        assert 308 == ask(server, "/", "a.right.example")[0]
        assert 400 == ask(server, "/", "right.example")[0]
        assert 400 == ask(server, "/", "localhost")[0]
