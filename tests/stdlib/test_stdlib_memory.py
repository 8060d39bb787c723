"""``wrap_bio``: two SSLObjects, or one and ssl's own, and two MemoryBIOs."""

from __future__ import annotations

import ssl
from typing import NamedTuple

import pytest

import tlskit

from ..libraries import (
    authority,
    client,
    explanation,
    leaf,
    server,
    stdlib_client,
    stdlib_server,
)


class End(NamedTuple):
    """One end of a connection in memory."""

    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO


def end(context, hostname: str | None = None) -> End:
    """Make an end; a client's, if there is a host name."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(
        incoming,
        outgoing,
        server_side=hostname is None,
        server_hostname=hostname,
    )
    return End(tls, incoming, outgoing)


def move(source: End, target: End, size: int = -1) -> int:
    """Carry ciphertext over."""
    data = source.outgoing.read(size)
    target.incoming.write(data)
    return len(data)


def step(one: End, function, *args):
    """Call; None where bytes are wanted first."""
    try:
        result = function(*args)
    except ssl.SSLWantReadError:
        return None
    return True if result is None else result


def shake(one: End, two: End) -> None:
    """Shake hands; raise what either raises."""
    for _ in range(20):
        done = [step(one, one.tls.do_handshake)]
        move(one, two)
        done.append(step(two, two.tls.do_handshake))
        move(two, one)
        if all(done):
            return
    raise AssertionError("no handshake in 20 rounds")


def ours_server(**options) -> ssl.SSLContext:
    """Make an adapter of a server's context."""
    return server(**options).as_ssl_context()


PAIRS = {
    "ours-ours": (lambda: client().as_ssl_context(), ours_server),
    "ours-ssl": (lambda: client().as_ssl_context(), stdlib_server),
    "ssl-ours": (stdlib_client, ours_server),
}


@pytest.fixture(params=PAIRS)
def pair(request) -> tuple[End, End]:
    """A client and a server that have shaken hands."""
    one, two = (make() for make in PAIRS[request.param])
    ends = end(one, "localhost"), end(two)
    shake(*ends)
    return ends


def both() -> tuple[End, End]:
    """Make two ends of ours that have shaken hands."""
    ends = end(client().as_ssl_context(), "localhost"), end(ours_server())
    shake(*ends)
    return ends


def test_it_is_what_libraries_check_for():
    """isinstance() finds what it looks for."""
    one, two = both()

    assert isinstance(one.tls, ssl.SSLObject)
    assert (False, True) == (one.tls.server_side, two.tls.server_side)
    assert ("localhost", None) == (
        one.tls.server_hostname,
        two.tls.server_hostname,
    )
    assert isinstance(one.tls.context, tlskit.stdlib.SSLContext)
    assert one.tls._sslobj.owner is one.tls


def test_nothing_is_told_before_the_handshake():
    """As ssl does it: None, and an error for the certificate."""
    one = end(client().as_ssl_context(), "localhost").tls

    assert (None, None, None) == (
        one.version(),
        one.cipher(),
        one.selected_alpn_protocol(),
    )
    assert (None, None, None) == (
        one.compression(),
        one.shared_ciphers(),
        one.get_channel_binding(),
    )
    assert ([], []) == (one.get_verified_chain(), one.get_unverified_chain())
    assert not one.session_reused
    with pytest.raises(ValueError, match="handshake not done"):
        one.getpeercert()


def test_both_ends_tell_the_same(pair):
    """Version and cipher are what the other end says, too."""
    one, two = (each.tls for each in pair)

    assert "TLSv1.3" == one.version() == two.version()
    assert one.cipher() == two.cipher()
    assert one.pending() == two.pending() == 0


def test_the_certificate_is_told():
    """As a dictionary, as DER, and with its chain."""
    one, two = (each.tls for each in both())
    der = ssl.PEM_cert_to_DER_cert(leaf().chain_pem.decode())
    root = ssl.PEM_cert_to_DER_cert(authority().pem.decode())

    assert ("DNS", "localhost") in one.getpeercert()["subjectAltName"]
    assert der == one.getpeercert(binary_form=True)
    assert [der, root] == one.get_verified_chain()
    assert [der] == one.get_unverified_chain()
    assert two.getpeercert() is two.getpeercert(True) is None


def test_a_tolerated_certificate_is_told_as_such():
    """A client's check is off, or a server only tries: nobody is fooled."""
    careless = tlskit.ClientContext("auto")
    leaf("unknown-ca").apply(careless)
    trying = server().copy()
    trying.try_verify()
    one = end(careless.as_ssl_context(), "other.example")
    two = end(trying.as_ssl_context())
    shake(one, two)

    assert {} == one.tls.getpeercert()
    assert one.tls.getpeercert(True)
    # Who gets DER from a server takes it for verified.
    assert ({}, None) == (two.tls.getpeercert(), two.tls.getpeercert(True))
    assert two.tls.get_unverified_chain()


def test_bytes_go_both_ways(pair):
    """Small and large, into new bytes and into a buffer."""
    one, two = pair
    assert 5 == one.tls.write(b"hello")
    move(one, two)
    buffer = bytearray(10)
    assert 5 == two.tls.read(10, buffer)
    assert b"hello" == buffer[:5]

    assert 3 == two.tls.write(memoryview(b"abc"))
    move(two, one)
    assert b"a" == one.tls.read(1)
    assert 2 == one.tls.pending()
    assert b"bc" == one.tls.read(100)
    with pytest.raises(ssl.SSLWantReadError):
        one.tls.read(1)


def test_a_large_write_arrives_whole():
    """Many records, carried over in crumbs."""
    one, two = both()
    data = bytes(range(256)) * 400
    assert len(data) == one.tls.write(data)
    heard = b""
    while len(heard) < len(data):
        move(one, two, 1000)
        heard += step(two, two.tls.read, 65536) or b""

    assert data == heard


@pytest.mark.parametrize("size", [0, 3])
def test_sizes_are_what_ssl_takes_them_for(size):
    """A buffer limits, 0 with a buffer fills it; less than 0 is an error."""
    one, two = both()
    two.tls.write(b"abcd")
    move(two, one)
    buffer = bytearray(4)
    assert (size or 4) == one.tls.read(size, buffer)

    with pytest.raises(ValueError, match="negative"):
        one.tls.read(-1)
    assert b"" == one.tls.read(0)
    assert 0 == one.tls.write(b"")


def test_the_first_read_shakes_hands():
    """Who leaves the handshake to us gets it, with all its checks."""
    one = end(client().as_ssl_context(), "localhost")
    two = end(ours_server())
    with pytest.raises(ssl.SSLWantReadError):
        one.tls.write(b"hello")
    heard = None
    for _ in range(5):
        move(one, two)
        heard = heard or step(two, two.tls.read, 100)
        move(two, one)
        if not heard:
            step(one, one.tls.write, b"hello")

    assert heard == b"hello"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("wrong-host", tlskit.IdentityError),
        ("unknown-ca", tlskit.VerificationError),
    ],
)
@pytest.mark.parametrize("reading", [False, True])
def test_a_bad_server_is_refused(kind, error, reading):
    """Before a byte of ours is sent, and with an alert for the peer."""
    one = end(client().as_ssl_context(), "localhost")
    two = end(stdlib_server(kind))
    go = (lambda: one.tls.read(1)) if reading else one.tls.do_handshake
    step(one, go)
    move(one, two)
    step(two, two.tls.do_handshake)
    move(two, one)
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        go()
    assert error is type(caught.value.__cause__)

    move(one, two)
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        two.tls.do_handshake()
        two.tls.read(1)
    with pytest.raises(ssl.SSLCertVerificationError):
        one.tls.write(b"a secret")
    assert one.outgoing.pending == 0


def test_what_a_hook_raises_is_an_error_of_ssl():
    """asyncio would hang on any other; the hook's own is the cause."""

    class Refusing(tlskit.ClientContext):
        def verify_peer(self, verdict):
            raise PermissionError("not today")

    context = Refusing("auto")
    authority().trust(context)
    ends = end(context.as_ssl_context(), "localhost"), end(ours_server())
    with pytest.raises(ssl.SSLError, match="not today") as caught:
        shake(*ends)

    assert isinstance(caught.value.__cause__, PermissionError)


# -- the end ----------------------------------------------------------------


def test_both_ends_say_goodbye(pair):
    """unwrap() wants the peer's close_notify; reading ends with b''."""
    one, two = pair
    assert step(one, one.tls.unwrap) is None
    move(one, two)
    assert b"" == two.tls.read(100)
    assert step(two, two.tls.unwrap)
    move(two, one)

    assert step(one, one.tls.unwrap)


def test_what_follows_the_goodbye_is_left_alone():
    """Plain text right behind a close_notify belongs to the application."""
    one, two = both()
    step(one, one.tls.unwrap)
    move(one, two)
    step(two, two.tls.unwrap)
    two.outgoing.write(b"plain text")
    move(two, one)
    one.tls.unwrap()

    assert b"plain text" == one.incoming.read()


def test_unwrap_loses_no_data():
    """Data that was not read is an error, as in ssl."""
    one, two = both()
    two.tls.write(b"unread")
    move(two, one)
    with pytest.raises(ssl.SSLError, match="AFTER_CLOSE_NOTIFY"):
        one.tls.unwrap()


def test_unwrap_before_the_handshake_is_harmless():
    """There is nothing to end."""
    one = end(client().as_ssl_context(), "localhost")

    assert one.tls.unwrap() is None
    assert 0 == one.outgoing.pending


def test_a_cut_stream_is_an_error():
    """And stays one; with ``allow_truncation`` it is the end."""
    one, two = both()
    two.incoming.write_eof()
    for _ in range(2):
        with pytest.raises(ssl.SSLEOFError) as caught:
            two.tls.read(1)
    assert isinstance(explanation(caught.value), tlskit.TruncatedError)

    one = end(client().as_ssl_context(), "localhost")
    two = end(ours_server(allow_truncation=True))
    shake(one, two)
    two.incoming.write_eof()
    assert b"" == two.tls.read(1)


def test_a_cut_handshake_is_an_error():
    """Whoever ends it there is no peer."""
    one = end(client().as_ssl_context(), "localhost")
    one.incoming.write_eof()
    with pytest.raises(ssl.SSLEOFError):
        one.tls.do_handshake()


def test_a_peer_that_speaks_no_tls_is_told_apart():
    """A few bytes of something else are enough."""
    two = end(ours_server())
    two.incoming.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ssl.SSLError) as caught:
        two.tls.do_handshake()

    assert isinstance(caught.value.__cause__, tlskit.NotTLSError)


# -- host names -------------------------------------------------------------


@pytest.mark.parametrize("name", ["", None])
def test_a_host_name_is_required(name):
    """A context that checks it can do nothing without."""
    with pytest.raises(ValueError, match=r"empty|check_hostname requires"):
        client().as_ssl_context().wrap_bio(
            ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name
        )


def test_host_names_are_read_as_tlskit_does():
    """In any script, as bytes, as an address; not just anything."""
    adapter = client().as_ssl_context()
    names = {
        "Bücher.example": "xn--bcher-kva.example",
        b"a.example": "a.example",
        "127.0.0.1": "127.0.0.1",
        "::1": "::1",
    }

    assert list(names.values()) == [
        end(adapter, name).tls.server_hostname for name in names
    ]
    with pytest.raises(ValueError, match="bad name"):
        end(adapter, "bad name")


def test_an_address_is_checked():
    """It is in the certificate, or not."""
    ends = end(client().as_ssl_context(), "127.0.0.1"), end(ours_server())
    shake(*ends)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(end(client().as_ssl_context(), "127.0.0.2"), end(ours_server()))


def test_no_name_is_needed_where_none_is_checked():
    """Then none is announced either."""
    context = client().copy()
    context.set_verify_hostname(False)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.as_ssl_context().wrap_bio(incoming, outgoing)
    one = End(tls, incoming, outgoing)
    shake(one, end(ours_server()))

    assert tls.server_hostname is None
    assert tls.getpeercert()


def test_sides_are_not_mixed_up():
    """A client's context serves nobody, a server's connects nowhere."""
    bios = ssl.MemoryBIO(), ssl.MemoryBIO()
    # From 3.14 on Python looks for the name that such a client checks first.
    with pytest.raises(
        (ssl.SSLError, ValueError), match=r"server socket|server_hostname"
    ):
        client().as_ssl_context().wrap_bio(*bios, server_side=True)
    with pytest.raises(ssl.SSLError, match="client socket"):
        ours_server().wrap_bio(*bios)
    with pytest.raises(ValueError, match="client mode"):
        ours_server().wrap_bio(
            *bios, server_side=True, server_hostname="localhost"
        )


def test_a_context_that_can_not_be_built_says_so():
    """Half of the credentials is a mistake, as an error of ssl's."""
    context = tlskit.ServerContext(certificate_chain=leaf().chain)
    with pytest.raises(ssl.SSLError, match="private key") as caught:
        end(context.as_ssl_context())

    assert isinstance(caught.value.__cause__, tlskit.CredentialError)


# -- sessions, contexts, bindings -------------------------------------------


def test_a_session_of_another_context_is_refused():
    """None is fine; anything else is not one of ours."""
    one, two = both()
    with pytest.raises(TypeError, match="not a SSLSession"):
        one.tls.session = object()
    assert two.tls.session is None
    with pytest.raises(ValueError, match="server-side"):
        two.tls.session = None
    with pytest.raises(TypeError, match="not a SSLSession"):
        client().as_ssl_context().wrap_bio(
            *(ssl.MemoryBIO(), ssl.MemoryBIO()),
            server_hostname="localhost",
            session=object(),
        )
    with pytest.raises(tlskit.UnsupportedError):
        two.tls.context = one.tls.context


def test_channel_bindings_agree():
    """Both ends have the same; one that is undefined is None."""
    one, two = (each.tls for each in both())
    for kind in ("tls-exporter", "tls-server-end-point"):
        assert one.get_channel_binding(kind) == two.get_channel_binding(kind)
        assert one.get_channel_binding(kind)
    assert one.get_channel_binding() is None  # RFC 9266: not in TLS 1.3.
    with pytest.raises(ValueError, match="not implemented"):
        one.get_channel_binding("tls-other")


def test_tls_unique_is_what_ssl_says():
    """On TLS 1.2 it is defined, and the same at the other end."""
    old = stdlib_client()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    one, two = end(old, "localhost"), end(ours_server())
    shake(one, two)

    assert one.tls.get_channel_binding() == two.tls.get_channel_binding()
    assert "TLSv1.2" == two.tls.version()
    assert one.tls.cipher()[0] == two.tls.cipher()[0]


@pytest.mark.native
def test_a_client_is_asked_later():
    """Post-handshake authentication: asked for, and read with the data."""
    trusting = server().copy()
    authority().trust(trusting)
    one = end(client(credentials=True).as_ssl_context(), "localhost")
    two = end(trusting.as_ssl_context())
    shake(one, two)
    assert two.tls.getpeercert() is None
    two.tls.verify_client_post_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        two.tls.read(1)
    move(two, one)
    with pytest.raises(ssl.SSLWantReadError):
        one.tls.read(1)
    one.tls.write(b"x")
    move(one, two)

    assert b"x" == two.tls.read(1)
    assert (("DNS", "client.example"),) == two.tls.getpeercert()[
        "subjectAltName"
    ]


# -- ALPN -------------------------------------------------------------------


def agreed(one, two, *, server_first: tuple[str, ...] = ()) -> str | None:
    """Shake hands between two adapters; give what both selected."""
    ends = end(one, "localhost"), end(two)
    shake(*ends)
    assert (
        ends[0].tls.selected_alpn_protocol()
        == ends[1].tls.selected_alpn_protocol()
    )
    return ends[1].tls.selected_alpn_protocol()


def test_protocols_belong_to_the_adapter():
    """Two adapters of one sealed context, each with its own."""
    ours, theirs = client(), server()
    one, two = ours.as_ssl_context(), theirs.as_ssl_context()
    one.set_alpn_protocols(["http/1.1", "h2"])
    two.set_alpn_protocols(["h2", "http/1.1"])
    assert "h2" == agreed(one, two)  # The server's order.
    assert () == ours.settings.alpn == theirs.settings.alpn

    assert agreed(one, theirs.as_ssl_context()) is None
    two.set_alpn_protocols([])
    assert agreed(one, two) is None


def test_no_protocol_in_common_is_refused():
    """RFC 7301, section 3.2; unless the context says otherwise."""
    one = client().as_ssl_context()
    one.set_alpn_protocols(["foo"])
    two = ours_server()
    two.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError) as caught:
        agreed(one, two)
    assert "no-application-protocol" == explanation(caught.value).code

    lenient = server().copy()
    lenient.set_alpn([], allow_no_match=True)
    two = lenient.as_ssl_context()
    two.set_alpn_protocols(["h2"])
    assert agreed(one, two) is None


def test_what_is_built_for_the_protocols_is_kept():
    """Tickets must stay good: connections share one context of OpenSSL's."""
    adapter = ours_server()
    adapter.set_alpn_protocols(["h2"])
    hooks = adapter._hooks
    assert hooks.prepared() is hooks.prepared()

    context = server().copy()
    adapter = context.as_ssl_context()
    adapter.set_alpn_protocols(["h2"])
    before = adapter._hooks.prepared()
    context.set_strict()
    assert before is not adapter._hooks.prepared()
    assert adapter._hooks.prepared().settings.strict


def test_protocols_outlive_a_choice_by_name():
    """The server name leads to another context; HTTP stays HTTP."""
    special = tlskit.ServerContext()
    leaf().apply(special)
    front = tlskit.ServerContext()
    front.set_server_names({"localhost": special})
    adapter = front.as_ssl_context()
    adapter.set_alpn_protocols(["h2"])
    one = client().as_ssl_context()
    one.set_alpn_protocols(["h2"])

    assert "h2" == agreed(one, adapter)


@pytest.mark.parametrize("choice", ["self", "none", "garbage"])
def test_a_choice_by_name_may_be_no_choice(choice):
    """The context itself, and None, go on; garbage is refused."""

    class Choosing(tlskit.ServerContext):
        def choose_context(self, name):
            return {"self": self, "none": None, "garbage": "garbage"}[choice]

    front = Choosing()
    leaf().apply(front)
    adapter = front.as_ssl_context()
    adapter.set_alpn_protocols(["h2"])
    one = client().as_ssl_context()
    one.set_alpn_protocols(["h2"])
    if choice == "garbage":
        with pytest.raises(ssl.SSLError, match="choose_context"):
            agreed(one, adapter)
        return

    assert "h2" == agreed(one, adapter)


def test_all_hooks_are_the_contexts_own():
    """With protocols of the adapter's, the others still decide and see."""
    seen = []

    class Watching(tlskit.ServerContext):
        def select_alpn(self, offered):
            seen.append("alpn")
            return offered[-1]

        def verify_certificate(self, certificate, depth, ok):
            seen.append("certificate")
            return ok

        def verify_peer(self, verdict):
            seen.append("peer")

        def log_key(self, line):
            seen.append("key")

    context = Watching()
    leaf().apply(context)
    authority().trust(context)
    context.set_verify()
    adapter = context.as_ssl_context()
    adapter.set_alpn_protocols(["h2"])
    one = client(credentials=True).as_ssl_context()
    one.set_alpn_protocols(["a", "b"])

    assert "b" == agreed(one, adapter)
    assert {"alpn", "certificate", "peer", "key"} == set(seen)
    assert context.port_class is adapter._hooks.port_class


@pytest.mark.parametrize("names", [[""], ["x" * 256]])
def test_names_of_protocols_have_limits(names):
    """As in ssl, with its exception."""
    with pytest.raises(ssl.SSLError, match="ALPN"):
        client().as_ssl_context().set_alpn_protocols(names)
