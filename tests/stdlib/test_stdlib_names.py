"""``sni_callback``: a function that exchanges the context, as in ssl."""

from __future__ import annotations

import copy
import socket
import ssl
from collections.abc import Callable

import pytest

import tlskit

from ..libraries import authority, server, stdlib_client
from ..peers import PATIENCE, Task
from .test_stdlib_memory import End, shake

OTHER = "other.example"


def serving(*names: str) -> ssl.SSLContext:
    """Make a server's adapter for these names, not sealed."""
    context = tlskit.ServerContext()
    authority().issue(*names).apply(context)
    return context.as_ssl_context()


def switching(to: ssl.SSLContext, when: str | None = OTHER) -> Callable:
    """Make a callback that exchanges the context for one name."""

    def callback(
        sock: ssl.SSLSocket, name: str | None, _: ssl.SSLContext
    ) -> None:
        if name == when:
            sock.context = to

    return callback


def ends(
    theirs: ssl.SSLContext,
    name: str | None,
    ours: ssl.SSLContext | None = None,
) -> tuple[End, End]:
    """Make a client's end and a server's, in memory."""
    ours = stdlib_client() if ours is None else ours
    if name is None:
        ours.check_hostname = False
    made = []
    for context, side in ((ours, False), (theirs, True)):
        pipes = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(
            *pipes,
            server_side=side,
            server_hostname=None if side else name,
        )
        made.append(End(tls, *pipes))
    return made[0], made[1]


def names_of(end: End) -> tuple[str, ...]:
    """Give the host names of the peer's certificate."""
    found = end.tls.getpeercert() or {}
    return tuple(value for _, value in found["subjectAltName"])


@pytest.mark.parametrize(
    ("name", "shown"),
    [("localhost", "localhost"), (OTHER, OTHER)],
)
def test_a_name_leads_to_its_context(name, shown):
    """The client sees the certificate of the context that was set."""
    first, other = serving("localhost"), serving(OTHER)
    first.sni_callback = switching(other)
    one, two = ends(first, name)
    shake(one, two)

    assert (shown,) == names_of(one)
    assert (other if name == OTHER else first) is two.tls.context


def test_the_callback_sees_the_socket_the_name_and_the_context():
    """With ssl's three arguments, and once for a connection."""
    seen = []
    adapter = serving("localhost")
    adapter.sni_callback = lambda *given: seen.append(given)
    one, two = ends(adapter, "localhost")
    shake(one, two)

    assert [(two.tls, "localhost", adapter)] == seen
    assert seen[0][0] is two.tls


def test_it_is_called_for_clients_without_a_name():
    """With None, as by ssl."""
    first, other = serving("localhost"), serving(OTHER)
    first.sni_callback = switching(other, None)
    one, two = ends(first, None)
    shake(one, two)

    assert (OTHER,) == names_of(one)


def test_it_works_over_sockets():
    """The socket that the callback gets is the one that was wrapped."""
    first, other = serving("localhost"), serving(OTHER)
    first.sni_callback = switching(other)
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    theirs.settimeout(PATIENCE)
    with ours, theirs:
        wrapped = first.wrap_socket(
            theirs, server_side=True, do_handshake_on_connect=False
        )
        with wrapped:
            task = Task(wrapped.do_handshake)
            with stdlib_client().wrap_socket(
                ours, server_hostname=OTHER
            ) as client:
                task.result()
                assert OTHER == client.getpeercert()["subjectAltName"][0][1]
            assert other is wrapped.context


def test_the_older_method_sets_it_too():
    """``set_servername_callback`` is ssl's, and may take it away."""
    first, other = serving("localhost"), serving(OTHER)
    first.set_servername_callback(switching(other))
    one, two = ends(first, OTHER)
    shake(one, two)
    assert (OTHER,) == names_of(one)

    first.set_servername_callback(None)
    assert first.sni_callback is None
    one, two = ends(first, "localhost")
    shake(one, two)
    assert ("localhost",) == names_of(one)


@pytest.mark.parametrize("alpn", [[], ["http/1.1"]])
def test_what_it_leaves_is_chosen_by_the_tlskit_context(alpn):
    """``set_server_names()`` goes on working, and so does ALPN."""
    context = tlskit.ServerContext()
    context.set_alpn(["h2"])
    authority().issue("localhost").apply(context)
    named = tlskit.ServerContext()
    named.set_alpn(["h2"])
    authority().issue(OTHER).apply(named)
    context.set_server_names({OTHER: named})
    adapter = context.as_ssl_context()
    adapter.set_alpn_protocols(alpn)
    adapter.sni_callback = lambda *_: None
    for name in ("localhost", OTHER):
        ours = stdlib_client()
        ours.set_alpn_protocols(["h2", "http/1.1"])
        one, two = ends(adapter, name, ours)
        shake(one, two)
        assert (name,) == names_of(one)
        assert (alpn or ["h2"])[0] == one.tls.selected_alpn_protocol()


def test_the_protocols_are_those_of_the_context_that_was_set():
    """As in ssl, where ALPN comes after the name."""
    first, other = serving("localhost"), serving(OTHER)
    first.set_alpn_protocols(["h2"])
    other.set_alpn_protocols(["http/1.1"])
    first.sni_callback = switching(other)
    ours = stdlib_client()
    ours.set_alpn_protocols(["h2", "http/1.1"])
    one, two = ends(first, OTHER, ours)
    shake(one, two)

    assert "http/1.1" == one.tls.selected_alpn_protocol()


def refused(adapter: ssl.SSLContext) -> tuple[ssl.SSLError, ssl.SSLError]:
    """Fail; give the client's error, and the server's."""
    one, two = ends(adapter, OTHER)
    with pytest.raises(ssl.SSLError):
        one.tls.do_handshake()
    two.incoming.write(one.outgoing.read())
    with pytest.raises(ssl.SSLError) as theirs:
        two.tls.do_handshake()
    one.incoming.write(two.outgoing.read())
    with pytest.raises(ssl.SSLError) as ours:
        one.tls.do_handshake()
    return ours.value, theirs.value


def boom(*_: object) -> None:
    """Fail."""
    raise LookupError("no such host")


async def asynchronous(*_: object) -> None:
    """Never begin."""
    raise AssertionError


@pytest.mark.native
@pytest.mark.parametrize(
    ("callback", "alert", "told"),
    [
        (
            lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME,
            "UNRECOGNIZED_NAME",
            "alert unrecognized_name",
        ),
        (lambda *_: 48, "UNKNOWN_CA", "alert unknown_ca"),
        (lambda *_: 250, "INTERNAL_ERROR", "alert 250"),
        (lambda *_: "no", "INTERNAL_ERROR", "not 'no'"),
        (boom, "HANDSHAKE_FAILURE", "no such host"),
        (asynchronous, "HANDSHAKE_FAILURE", "can't be a coroutine function"),
        (
            lambda sock, *_: setattr(sock, "context", stdlib_client()),
            "HANDSHAKE_FAILURE",
            "another adapter",
        ),
    ],
)
def test_it_refuses_by_an_alert(callback, alert, told):
    """By its number, by an error, or by what makes no sense."""
    adapter = serving("localhost")
    adapter.sni_callback = callback
    ours, theirs = refused(adapter)

    assert alert in ours.reason
    assert told in str(theirs)
    assert theirs.__cause__ is not None


def test_a_clients_adapter_is_no_choice():
    """It would make both sides clients."""
    adapter = serving("localhost")
    client = tlskit.ClientContext().as_ssl_context()
    adapter.sni_callback = switching(client)
    _, theirs = refused(adapter)

    assert "ServerContext" in str(theirs)


def test_only_the_callback_exchanges_contexts():
    """Before or after it would come too early or too late."""
    adapter = serving("localhost")
    _, two = ends(adapter, "localhost")
    with pytest.raises(tlskit.UnsupportedError, match="sni_callback"):
        two.tls.context = serving(OTHER)


def test_what_can_be_set():
    """A function or None, on a server's context that is not sealed."""
    adapter = serving("localhost")
    with pytest.raises(TypeError, match="callable"):
        adapter.sni_callback = 7
    adapter.sni_callback = print
    assert print is adapter.sni_callback is copy.copy(adapter).sni_callback
    adapter.sni_callback = None
    with pytest.raises(ValueError, match="TLS_CLIENT"):
        tlskit.ClientContext("auto").as_ssl_context().sni_callback = print
    with pytest.raises(tlskit.SealedError):
        server().as_ssl_context().sni_callback = print
