"""STARTTLS: each protocol, the go-ahead, and all that must be refused."""

from __future__ import annotations

import socket
from xml.parsers import expat

import pytest

from tlskit import (
    ConfigurationError,
    HandshakeError,
    IdentityError,
    NotTLSError,
    SSLPort,
    starttls,
)

from ..dialogues import GO_AHEADS, TALKS, serve_starttls
from ..peers import (
    PATIENCE,
    TcpServer,
    Vault,
    client_context,
    needs,
    server_context,
    serving,
)
from ..servers import dovecot, needs_postgres, postgres

PROTOCOLS = pytest.mark.parametrize("protocol", starttls.PROTOCOLS)


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """Credentials for this file."""
    return Vault(tmp_path_factory.mktemp("vault"))


def begun(protocol):
    """Give a dialogue to which only the go-ahead is missing."""
    dialogue = starttls.Dialogue(protocol, "localhost")
    for said, answered in TALKS[protocol]:
        if said:
            dialogue.receive(said)
        assert answered == dialogue.outgoing()
    assert dialogue.done is not bool(GO_AHEADS[protocol])
    return dialogue


# -- without I/O ------------------------------------------------------------


def test_every_protocol_has_a_port():
    """The names and the usual ports are those of the documentation."""
    assert {
        "smtp": 25,
        "imap": 143,
        "pop3": 110,
        "ftp": 21,
        "ldap": 389,
        "postgres": 5432,
        "xmpp": 5222,
        "mysql": 3306,
        "nntp": 119,
        "sieve": 4190,
        "lmtp": 24,
        "xmpp-server": 5269,
        "irc": 6667,
    } == starttls.PORTS
    assert tuple(starttls.PORTS) == starttls.PROTOCOLS


@PROTOCOLS
def test_the_go_ahead_ends_the_dialogue(protocol):
    """Each protocol's words are said in turns, then TLS can begin."""
    dialogue = begun(protocol)
    if GO_AHEADS[protocol]:
        dialogue.receive(GO_AHEADS[protocol])

    assert dialogue.done
    assert b"" == dialogue.outgoing()


@PROTOCOLS
def test_bytes_may_come_one_by_one(protocol):
    """Where a segment ends means nothing."""
    dialogue = starttls.Dialogue(protocol, "localhost")
    said = b""
    for words, _ in [*TALKS[protocol], (GO_AHEADS[protocol], b"")]:
        said += dialogue.outgoing()
        for each in words:
            assert not dialogue.done
            dialogue.receive(bytes([each]))
    said += dialogue.outgoing()

    assert dialogue.done
    assert said == b"".join(answered for _, answered in TALKS[protocol])


@pytest.mark.parametrize(
    "protocol", [name for name, words in GO_AHEADS.items() if words]
)
def test_plaintext_after_the_go_ahead_is_refused(protocol):
    """Not a byte may follow: it could pass for TLS's (CVE-2011-0411)."""
    dialogue = begun(protocol)
    with pytest.raises(NotTLSError, match="after its go-ahead") as caught:
        dialogue.receive(GO_AHEADS[protocol] + b"\n")

    assert "starttls-injection" == caught.value.code


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ("smtp", b"220 ready\r\n250 STARTTLS\r\n220 go ahead\r\n"),
        ("lmtp", b"220 ready\r\n250 STARTTLS\r\n220 go ahead\r\n"),
        ("nntp", b"200 ready\r\n101 these\r\nSTARTTLS\r\n.\r\n382 go\r\n"),
        ("sieve", TALKS["sieve"][0][0] + b"OK\r\n"),
        ("mysql", TALKS["mysql"][0][0] + b"\x16\3\3"),
        ("xmpp-server", TALKS["xmpp"][1][0] + GO_AHEADS["xmpp"]),
    ],
)
def test_answers_before_questions_are_refused(protocol, said):
    """Who answers what was not asked yet may not be the server."""
    dialogue = starttls.Dialogue(protocol)
    with pytest.raises(NotTLSError, match="before it was asked") as caught:
        dialogue.receive(said)

    assert "starttls-injection" == caught.value.code


@pytest.mark.parametrize(
    ("protocol", "said", "found"),
    [
        ("smtp", [b"554 no service\r\n"], "554 no service"),
        ("smtp", [b"220 hi\r\n", b"250-a\r\n250 SIZE\r\n"], "extensions"),
        ("smtp", [b"220 hi\r\n", b"502 what?\r\n"], "502 what"),
        (
            "smtp",
            [b"220 hi\r\n", b"250 STARTTLS\r\n", b"454 later\r\n"],
            "454 later",
        ),
        ("imap", [b"* PREAUTH welcome\r\n"], "logged in already"),
        ("imap", [b"* OK hi\r\n", b"a1 BAD what?\r\n"], "BAD"),
        (
            "imap",
            [b"* OK hi\r\n", b"* CAPABILITY IMAP4rev1\r\na1 OK\r\n"],
            "capabilities",
        ),
        (
            "imap",
            [
                b"* OK hi\r\n",
                b"* CAPABILITY STARTTLS\r\na1 OK\r\n",
                b"a2 NO later\r\n",
            ],
            "NO later",
        ),
        ("pop3", [b"+OK hi\r\n", b"-ERR what?\r\n"], "-ERR"),
        ("ftp", [b"220 hi\r\n", b"504 what?\r\n"], "504"),
        ("postgres", [b"N"], r"has none \(N\)"),
        ("postgres", [b"E"], r"error \(E\)"),
        (
            "ldap",
            [b"0\x0e\x02\x01\x01x\x09\n\x01\x02\x04\x00\x04\x02no"],
            "code 2: 'no'",
        ),
        (
            "xmpp",
            [TALKS["xmpp"][1][0].replace(b"starttls", b"bind")],
            "features",
        ),
        (
            "xmpp",
            [TALKS["xmpp"][1][0].replace(b"features", b"error")],
            "error",
        ),
        (
            "xmpp",
            [TALKS["xmpp"][1][0], b"<failure xmlns='urn:x'/>"],
            "failure",
        ),
        ("xmpp", [TALKS["xmpp"][1][0], b"</stream:stream>"], "ended"),
        ("mysql", [b"\x08\0\0\0\xff\x10\x04Too m"], "Too m"),
        (
            "mysql",
            [TALKS["mysql"][0][0].replace(b"\xfe\xff", b"\xfe\xf7")],
            "no flag",
        ),
        ("nntp", [b"200 hi\r\n", b"500 what?\r\n"], "500 what"),
        ("nntp", [b"201 hi\r\n", b"101 a\r\nOVER\r\n.\r\n"], "capabilities"),
        (
            "nntp",
            [b"200 hi\r\n", b"101 a\r\nSTARTTLS\r\n.\r\n", b"580 no\r\n"],
            "580 no",
        ),
        ("sieve", [b'"IMPLEMENTATION" "x"\r\nOK\r\n'], "capabilities"),
        ("sieve", [b'BYE "too many"\r\n'], "too many"),
        ("sieve", [TALKS["sieve"][0][0], b'NO "later"\r\n'], "later"),
        ("lmtp", [b"220 hi\r\n", b"250 SIZE\r\n"], "extensions"),
        ("irc", [b":x NOTICE * :hi\r\n:x 691 * :no\r\n"], "691"),
        ("irc", [b":x 421 * STARTTLS :what?\r\n"], "421"),
        ("irc", [b"ERROR :go away\r\n"], "go away"),
    ],
)
def test_a_server_without_starttls_is_an_error(protocol, said, found):
    """Where TLS is not offered, or refused, nobody goes on without."""
    dialogue = starttls.Dialogue(protocol)
    for words in said[:-1]:
        dialogue.receive(words)
    with pytest.raises(NotTLSError, match=found) as caught:
        dialogue.receive(said[-1])

    assert "no-starttls" == caught.value.code
    assert "don't go on without" in caught.value.hint
    assert not dialogue.done


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ("smtp", b"SSH-2.0-x\r\n"),
        ("smtp", b"22\r\n"),
        ("imap", b"* BYE\r\n"),
        ("imap", b"+OK\r\n"),
        ("pop3", b"* OK\r\n"),
        ("postgres", b"\x15"),
        ("ldap", b"HTTP/1.0"),
        ("ldap", b"0\x80"),
        ("ldap", b"0\x85\x00\x00"),
        ("ldap", b"0\x00"),
        ("ldap", b"0\x05\x02\x01\x01\x78\x00"),
        ("ldap", b"0\x03\x02\x09\x01"),
        ("ldap", GO_AHEADS["ldap"].replace(b"\x78", b"\x61")),
        ("ldap", GO_AHEADS["ldap"].replace(b"\x0a", b"\x02")),
        ("ldap", GO_AHEADS["ldap"].replace(b"\x02\x01\x01", b"\x02\x01\x02")),
        ("mysql", b"HTTP/1.0 400 Bad Request\r\n"),
        ("mysql", b"\x03\0\0\0\x0a9\0"),
        ("mysql", b"\x03\0\0\0\x099\0"),
        ("nntp", b"220 hi\r\n"),
        ("sieve", b"* OK hi\r\n"),
        ("sieve", b"OK\r\n"),
        ("sieve", b'"IMPLEMENTATION" {2}\r\nOK\r\n'),
        ("irc", b"220 hi\r\n"),
        ("irc", b"\x15\3\3\0\2\2\x32\n"),
        ("xmpp", b"HTTP/1.0"),
        ("xmpp", b"<!DOCTYPE a [<!ENTITY b 'c'>]>"),
    ],
)
def test_another_protocol_is_told_apart(protocol, said):
    """What speaks something else is not a server that refuses."""
    with pytest.raises(NotTLSError) as caught:
        starttls.Dialogue(protocol).receive(said)

    assert "not-tls" == caught.value.code


@pytest.mark.parametrize("protocol", ["xmpp", "xmpp-server"])
def test_a_domain_that_an_xmpp_server_does_not_serve(protocol):
    """That is no missing TLS, and nobody on the way."""
    header, _, _ = TALKS["xmpp"][1][0].partition(b"<stream:features>")
    dialogue = starttls.Dialogue(protocol, "other.example")
    with pytest.raises(NotTLSError, match=r"serve 'other\.example'") as caught:
        dialogue.receive(
            header + b"<stream:error><host-unknown "
            b"xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
        )

    assert "host-unknown" == caught.value.code
    assert "hostname=" in caught.value.hint


def test_an_ldap_answer_may_be_long():
    """Lengths of more than one octet are read as X.690 has them."""
    words = b"x" * 200
    response = b"\x0a\x01\x02\x04\x00\x04\x81\xc8" + words
    inside = b"\x02\x01\x01\x78\x81" + bytes([len(response)]) + response
    dialogue = starttls.Dialogue("ldap")
    dialogue.receive(b"\x30")
    with pytest.raises(NotTLSError, match=r"x{190}"):
        dialogue.receive(b"\x81" + bytes([len(inside)]) + inside)


@pytest.mark.parametrize(
    ("protocol", "piece", "found"),
    [
        ("smtp", b"x" * 4096, "longer than 4096"),
        ("smtp", b"220-" + b"x" * 1000 + b"\r\n", "longer|more than 65536"),
        ("xmpp", b" " * 5000, "more than 65536"),
    ],
)
def test_a_server_that_only_talks_is_bounded(protocol, piece, found):
    """Neither one line nor many can fill the memory."""
    dialogue = starttls.Dialogue(protocol)
    with pytest.raises(NotTLSError, match=found):
        for _ in range(100):
            dialogue.receive(piece)


def test_the_end_of_the_connection_is_an_error():
    """A server that hangs up instead of answering began no TLS."""
    with pytest.raises(HandshakeError, match="closed the connection"):
        starttls.Dialogue("smtp").receive(b"")


def test_strangers_words_cannot_paint_the_terminal():
    """What a server says is escaped in the message, and cut short."""
    with pytest.raises(NotTLSError) as caught:
        starttls.Dialogue("pop3").receive(b"\x1b[32m" + b"x" * 500 + b"\n")

    assert r"\x1b[32mx" in str(caught.value)
    assert "..." in str(caught.value)


def test_bad_arguments_are_refused_before_anything_is_said():
    """There has to be such a protocol, and such a name."""
    with pytest.raises(ValueError, match="there are: smtp, imap"):
        starttls.Dialogue("gopher")
    with pytest.raises(ConfigurationError):
        starttls.Dialogue("xmpp", "a b'/>")
    assert b"to='::1'" in starttls.Dialogue("xmpp", "[::1]").outgoing()


# -- over sockets -----------------------------------------------------------


@PROTOCOLS
def test_a_connection_goes_on_over_tls(vault, protocol):
    """After the go-ahead, the handshake is verified like any other."""
    talk = serve_starttls(protocol, vault.leaf())
    with TcpServer(talk) as server:
        with starttls.connect(
            "127.0.0.1",
            protocol,
            server.port,
            client_context(vault),
            hostname="localhost",
            timeout=PATIENCE,
        ) as port:
            port.sendall(b"secret")

            assert b"secret" == port.recv(10)
            assert port.peer_verified
            assert PATIENCE == port.gettimeout()
        assert b"secret" == server.result()


@PROTOCOLS
def test_a_wrong_certificate_is_refused_after_the_go_ahead(vault, protocol):
    """STARTTLS makes nothing weaker: the name is checked."""
    talk = serve_starttls(protocol, vault.leaf("wrong.example"))
    with TcpServer(talk) as server:
        with pytest.raises(IdentityError):
            starttls.connect(
                "127.0.0.1",
                protocol,
                server.port,
                client_context(vault),
                hostname="localhost",
                timeout=PATIENCE,
            )
        assert server.task.settle() is not None


def test_injected_bytes_end_the_connection(vault):
    """What follows the go-ahead never reaches the TLS session."""
    talk = serve_starttls("pop3", vault.leaf(), b"+OK injected\r\n")
    with TcpServer(talk) as server:
        with pytest.raises(NotTLSError, match="sent 14 bytes") as caught:
            starttls.connect(
                "localhost",
                "pop3",
                server.port,
                client_context(vault),
                timeout=PATIENCE,
            )
        assert "starttls-injection" == caught.value.code
        assert isinstance(server.task.settle(), OSError)


def test_a_silent_server_costs_no_more_than_the_deadline(vault):
    """A server that says nothing is given up, and its socket closed."""
    with TcpServer(lambda sock: sock.recv(1)) as server:
        with pytest.raises(TimeoutError):
            starttls.connect(
                "127.0.0.1",
                "smtp",
                server.port,
                client_context(vault),
                timeout=0.1,
            )
        assert b"" == server.result()


def test_a_socket_of_ones_own_is_upgraded_in_place(vault):
    """``negotiate`` stops where ``SSLPort.start_tls`` begins."""
    with TcpServer(serve_starttls("imap", vault.leaf())) as server:
        sock = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
        starttls.negotiate(sock, "imap", timeout=PATIENCE)
        with SSLPort.start_tls(
            sock, client_context(vault), hostname="localhost"
        ) as port:
            port.sendall(b"x")

            assert b"x" == port.recv(1)


def test_a_failed_negotiation_leaves_the_socket_as_it_was(vault):
    """The socket is its owner's: open, and with its old time-out."""
    with TcpServer(lambda sock: sock.sendall(b"SSH-2.0-x\r\n")) as server:
        with socket.create_connection(
            ("127.0.0.1", server.port), PATIENCE
        ) as sock:
            with pytest.raises(NotTLSError):
                starttls.negotiate(sock, "smtp", timeout=PATIENCE)

            assert PATIENCE == sock.gettimeout()
            assert -1 != sock.fileno()


def test_a_peer_that_takes_nothing_is_waited_for(vault):
    """A full send buffer is no reason to drop words."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                ours.send(b"x" * 65536)
        ours.settimeout(PATIENCE)
        with pytest.raises(TimeoutError):
            starttls.negotiate(ours, "postgres", timeout=0.01)


def test_a_tls_server_is_not_mistaken_for_another(vault):
    """A port that speaks TLS at once says nothing first: time is up."""
    with serving(server_context(vault.leaf())) as server:
        with pytest.raises(TimeoutError):
            starttls.connect(
                "127.0.0.1",
                "smtp",
                server.port,
                client_context(vault),
                timeout=0.1,
            )
        server.refusal()


# -- real servers -----------------------------------------------------------


@needs("dovecot")
def test_dovecot(vault):
    """A mail server's IMAP, POP3 and SMTP are understood."""
    context = client_context(vault)
    with dovecot(vault.leaf()) as ports:
        found = {}
        for protocol, number in ports.items():
            with starttls.connect(
                "localhost", protocol, number, context, timeout=PATIENCE
            ) as port:
                found[protocol] = port.peer_verified
                port.sendall(b"a LOGOUT\r\nQUIT\r\n")
                assert port.recv(10)

    assert {"imap": True, "pop3": True, "smtp": True} == found


@needs_postgres
def test_postgresql(vault):
    """PostgreSQL's go-ahead is one byte."""
    context = client_context(vault)
    with postgres(vault.leaf()) as number:
        with starttls.connect(
            "localhost", "postgres", number, context, timeout=PATIENCE
        ) as port:
            assert port.peer_verified


_CREATE = expat.ParserCreate


class Silent:
    """A parser that tells nothing before it has got much at once."""

    def __init__(self, **options: object) -> None:
        self._inner = _CREATE(**options)
        self._first = True

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            setattr(self._inner, name, value)

    @property
    def CurrentByteIndex(self) -> int:  # noqa: N802 - expat's name
        """Where the last event was."""
        return self._inner.CurrentByteIndex

    def Parse(self, data: bytes) -> None:  # noqa: N802 - expat's name
        """Parse what comes first, and nothing else."""
        if self._first:
            self._inner.Parse(data)
        self._first = False


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("step", [1, 7, 10000])
def test_xmpp_does_not_depend_on_when_a_parser_speaks(
    monkeypatch: pytest.MonkeyPatch, step: int, *, silent: bool
) -> None:
    """Also where it waits for more, and with ">" inside of a value."""
    if silent:
        monkeypatch.setattr(
            "tlskit.client.starttls.dialogues.expat.ParserCreate", Silent
        )
    said = TALKS["xmpp"][1][0].replace(b"<starttls", b"<a b='>>'/><starttls")
    dialogue = starttls.Dialogue("xmpp", "example.org")
    dialogue.outgoing()
    for at in range(0, len(said), step):
        assert b"" == dialogue.outgoing()
        dialogue.receive(said[at : at + step])

    assert b"<starttls" in dialogue.outgoing()
    dialogue.receive(GO_AHEADS["xmpp"])
    assert dialogue.done


def test_xmpp_with_a_parser_that_never_speaks() -> None:
    """Markup that goes on and on inside of a value is refused."""
    dialogue = starttls.Dialogue("xmpp", "example.org")

    with pytest.raises(NotTLSError):
        dialogue.receive(b"<stream:stream a='" + b">" * 100)


def test_xmpp_that_is_no_xml() -> None:
    """Tags that don't fit are refused."""
    dialogue = starttls.Dialogue("xmpp", "example.org")

    with pytest.raises(NotTLSError):
        dialogue.receive(b"<a></b>")
