"""Plain HTTP, or a PROXY header, in front of TLS: taken apart without I/O."""

from __future__ import annotations

import http.client
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tlskit
from tlskit import HandshakeError
from tlskit.engine.sniff import speaks_http
from tlskit.server.plain_http import MOST_HEAD, PlainHTTP
from tlskit.server.preface import Preface
from tlskit.server.proxy_protocol import ProxyParser
from tlskit.verify.identity import Identity

HELLO = b"\x16\3\1\2\0\1"
UNKNOWN = b"PROXY UNKNOWN\r\n"


def identities(*names):
    """Parse host names."""
    return tuple(map(Identity.parse, names))


OURS = identities("right.example", "192.0.2.1", "2001:db8::1")


def is_ours(identity):
    """Say whether it is one of ours."""
    return identity in OURS


class Answered:
    """A response, read by the standard library."""

    def __init__(self, data, method="GET"):
        class Socket:
            def makefile(self, _):
                return io.BytesIO(data)

        response = http.client.HTTPResponse(Socket(), method=method)
        response.begin()
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()
        assert str(len(self.body)) == (
            self.headers["Content-Length"] if self.body else "0"
        )


def ask(head, *, redirect=True, hosts=None, method="GET"):
    """Let *head* be answered."""
    answer = PlainHTTP(redirect, hosts).answer(head, is_ours)
    return Answered(answer, method)


def request(
    host: bytes, target: bytes = b"/", method: bytes = b"GET"
) -> bytes:
    """Make a request's head."""
    return method + b" " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"


def test_error():
    """Without redirects, every request is answered by 400 and advice."""
    found = ask(request(b"right.example"), redirect=False)

    assert 400 == found.status
    assert b"https://" in found.body
    assert found.headers["Location"] is None
    assert "close" == found.headers["Connection"]


@pytest.mark.parametrize(
    ("head", "location"),
    [
        (request(b"right.example"), "https://right.example/"),
        (
            request(b"Right.Example:8443", b"/a?b=%20#c"),
            "https://right.example:8443/a?b=%20#c",
        ),
        (request(b"192.0.2.1:1"), "https://192.0.2.1:1/"),
        (request(b"[2001:DB8::1]:443"), "https://[2001:db8::1]:443/"),
        (request(b" \tright.example \t"), "https://right.example/"),
        (
            request(b"right.example", b"//evil/"),
            "https://right.example//evil/",
        ),
        (request(b"right.example", method=b"POST"), "https://right.example/"),
        (
            b"GET / HTTP/1.0\r\nA: b\r\nhOST:right.example\r\n\r\nHost: x",
            "https://right.example/",
        ),
    ],
)
def test_redirect(head, location):
    """A request for us is sent to the same place by https."""
    found = ask(head)

    assert 308 == found.status
    assert location == found.headers["Location"]
    assert location.encode() in found.body


def test_head_has_no_body():
    """An answer to HEAD says how long a body would be, and has none."""
    answer = PlainHTTP(redirect=True).answer(
        request(b"right.example", method=b"HEAD"), is_ours
    )

    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: 0" not in answer


@pytest.mark.parametrize(
    "head",
    [
        request(b"wrong.example"),
        request(b"evil.example@right.example"),
        request(b"right.example@evil.example"),
        request(b"right.example:0"),
        request(b"right.example:65536"),
        request(b"right.example:"),
        request(b"right.example:443:443"),
        request(b"right.example\r\nHost: right.example"),
        request(b""),
        request(b"[]"),
        request(b"[right.example]"),
        request(b"2001:db8::1"),
        request(b"a b"),
        request("räuber.example".encode()),
        request(b"\xff"),
        request(b"right.example", b"*"),
        request(b"right.example", b"http://right.example/"),
        request(b"right.example", b"/a b"),
        request(b"right.example", b"/\x01"),
        request(b"right.example", b"/\xff"),
        request(b"right.example", b"/a\rSet-Cookie: b"),
        request(b"right.example", b"/a\nSet-Cookie: b"),
        b"GET /\r\nHost: right.example\r\n\r\n",
        b"GET / HTTP/2\r\nHost: right.example\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\nHost: right.example\r\n\r\n",
        b"GET /" + b"a" * MOST_HEAD,
        b"",
    ],
)
def test_no_redirect(head):
    """What is no good request for us is answered by 400."""
    found = ask(head)

    assert 400 == found.status
    assert found.headers["Location"] is None


def test_hosts():
    """The hosts that are given decide, and nothing else."""
    hosts = identities("other.example")

    assert 308 == ask(request(b"other.example"), hosts=hosts).status
    assert 400 == ask(request(b"right.example"), hosts=hosts).status


@given(st.binary(), st.binary())
def test_any_request(target, host):
    """Whatever a request holds, no line of the answer is made of it."""
    answer = PlainHTTP(redirect=True).answer(
        request(host, b"/" + target), lambda _: True
    )
    fields = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")

    assert fields[0].split()[1] in {b"308", b"400"}
    names = [line.partition(b":")[0] for line in fields[1:]]
    assert names in (
        [b"Content-Type", b"Content-Length", b"Connection"],
        [b"Location", b"Content-Type", b"Content-Length", b"Connection"],
    )


# -- the preface ------------------------------------------------------------


def preface(*, proxy=False, http=True, required=True):
    """Make a preface."""
    return Preface(
        ("192.0.2.9", 9),
        ProxyParser(required=required) if proxy else None,
        PlainHTTP(redirect=True) if http else None,
        is_ours,
        {"a-token_1": b"a-token_1.proof"}.get,
    )


PROOF = b"/.well-known/acme-challenge/"


def test_a_question_of_an_acme_server():
    """What it asks for is answered, and nothing else about it is said."""
    asked = preface()
    with pytest.raises(HandshakeError) as caught:
        asked.feed(b"GET %sa-token_1 HTTP/1.1\r\nHost: x\r\n\r\n" % PROOF)

    assert "acme-challenge" == caught.value.code
    assert asked.answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Length: 15\r\n" in asked.answer
    assert asked.answer.endswith(b"\r\n\r\na-token_1.proof")


@pytest.mark.parametrize(
    "line",
    [
        b"GET %sanother HTTP/1.1" % PROOF,
        b"GET %s HTTP/1.1" % PROOF,
        b"GET %sa-token_1/ HTTP/1.1" % PROOF,
        b"GET %s../x HTTP/1.1" % PROOF,
        b"GET /x%sa-token_1 HTTP/1.1" % PROOF,
        b"POST %sa-token_1 HTTP/1.1" % PROOF,
        b"GET a-token_1 HTTP/1.1",
        b"x" * MOST_HEAD,
    ],
)
def test_no_question_of_an_acme_server(line):
    """Everything else gets the answer that it would have got anyway."""
    head = b"%s\r\nHost: a.example\r\n\r\n" % line

    assert PlainHTTP(redirect=True).proof(head, {}.get) is None


def test_speaks_http():
    """A method is recognized, and its beginning is not judged yet."""
    assert speaks_http(b"GET /")
    assert speaks_http(b"") is None
    assert speaks_http(b"OPTION") is None
    assert speaks_http(b"GETA") is False
    assert speaks_http(HELLO) is False


def test_tls_begins_at_once():
    """TLS is told by its first byte."""
    made = preface()

    assert made.headed
    assert made.feed(HELLO[:1])
    assert HELLO[:1] == made.rest


def test_neither():
    """What is neither is for the engine to refuse."""
    assert preface().feed(b"SSH-2.0-x\r\n")
    assert preface(http=False).feed(b"GET / HTTP/1.0\r\n\r\n")


def test_request_in_pieces():
    """A request is answered when its head is complete."""
    made = preface()
    head = request(b"right.example")
    for place in range(len(head) - 1):
        assert not made.feed(head[place : place + 1])
    with pytest.raises(tlskit.NotTLSError) as caught:
        made.feed(head[-1:])

    assert "plain-http" == caught.value.code
    assert 308 == Answered(made.answer).status


def test_endless_request():
    """A head without an end is answered when it is long enough."""
    made = preface()
    assert not made.feed(b"GET /" + bytes(MOST_HEAD - 6))
    with pytest.raises(tlskit.NotTLSError):
        made.feed(b"x")

    assert 400 == Answered(made.answer).status


def test_header_then_tls():
    """The header is taken away; TLS has to follow."""
    made = preface(proxy=True)
    assert not made.headed
    assert not made.feed(UNKNOWN)
    assert made.headed
    assert made.header is not None
    assert made.feed(HELLO)
    assert HELLO == made.rest


def test_header_then_http():
    """Plain HTTP is recognized behind a header."""
    made = preface(proxy=True)
    with pytest.raises(tlskit.NotTLSError):
        made.feed(UNKNOWN + request(b"right.example"))

    assert 308 == Answered(made.answer).status


def test_absent_header():
    """Where a header may be absent, the first bytes are TLS's."""
    made = preface(proxy=True, required=False)
    assert made.feed(HELLO)

    assert made.header is None
    assert HELLO == made.rest


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"PROXY", "bad-proxy-header"),
        (UNKNOWN, "health-check"),
        (b"PROXY TCP4 192.0.2.9 192.0.2.2 9 2\r\n", "health-check"),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "health-check"),
    ],
)
def test_end_is_judged(data, code):
    """An end within the header, and a health check, have their codes."""
    made = preface(proxy=True)
    assert not made.feed(data)
    with pytest.raises(tlskit.HandshakeError) as caught:
        made.end()

    assert code == caught.value.code


@pytest.mark.parametrize(
    "data", [b"", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", UNKNOWN + HELLO]
)
def test_end_is_not_judged(data):
    """Other ends are TLS's business."""
    made = preface(proxy=True)
    if data:
        made.feed(data)
    made.end()

    assert preface().end() is None
