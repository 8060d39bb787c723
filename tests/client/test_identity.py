"""``identity=`` in every way to open a connection: who may come of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509

import tlskit
from tlskit import Identity, IdentityError, aio, starttls
from tlskit.engine.engine import Engine
from tlskit.testing import CA, memory_pair

from ..engines import shake
from ..looping import run_on
from ..peers import HOST, PATIENCE, Task

CA_ = CA("tlskit workloads CA")
BILLING = "spiffe://example.org/billing"
LEAF = CA_.issue(BILLING, common_name="billing")
HOSTED = CA_.issue("localhost", "127.0.0.1")
RIGHT, WRONG = Identity.uri(BILLING), Identity.uri(BILLING + "/x")
LOCAL = "127.0.0.1"


def server(leaf: Any = LEAF) -> tlskit.ServerContext:
    """A server's context that presents the SVID."""
    context = tlskit.ServerContext()
    leaf.apply(context)
    return context


def client(*, names: bool = False) -> tlskit.ClientContext:
    """A client's context that verifies; host names only if told to."""
    context = tlskit.ClientContext("auto")
    CA_.trust(context)
    context.set_verify()
    context.set_verify_hostname(names)
    return context


# -- every door -------------------------------------------------------------


def by_connect(port: int, identity: Identity) -> str | None:
    """``connect``."""
    with tlskit.connect(
        LOCAL, port, client(), timeout=PATIENCE, identity=identity
    ) as made:
        assert b"hi" == made.recv(2)
        return made.server_name


def by_start_tls(port: int, identity: Identity) -> str | None:
    """``SSLPort.start_tls``."""
    sock = socket.create_connection((LOCAL, port), PATIENCE)
    with tlskit.SSLPort.start_tls(sock, client(), identity=identity) as made:
        assert b"hi" == made.recv(2)
        return made.server_name


def by_ports(port: int, identity: Identity) -> str | None:
    """``ports_to_ssl_ports``."""
    with socket.create_connection((LOCAL, port), PATIENCE) as sock:
        made = tlskit.ports_to_ssl_ports(
            sock, sock, mode="connect", context=client(), identity=identity
        )
        with made:
            assert b"hi" == made.recv(2)
            return made.server_name


def by_aio(port: int, identity: Identity) -> str | None:
    """``tlskit.aio.open_connection``."""

    async def main() -> str | None:
        made = await aio.open_connection(
            LOCAL, port, client(), timeout=PATIENCE, identity=identity
        )
        async with made:
            assert b"hi" == await made.readexactly(2)
            return made.server_name

    name: str | None = run_on("asyncio")(main())
    return name


def by_aio_start_tls(port: int, identity: Identity) -> str | None:
    """``tlskit.aio.start_tls``."""

    async def main() -> str | None:
        streams = await asyncio.open_connection(LOCAL, port)
        made = await aio.start_tls(
            streams, client(), timeout=PATIENCE, identity=identity
        )
        async with made:
            assert b"hi" == await made.readexactly(2)
            return made.server_name

    name: str | None = run_on("asyncio")(main())
    return name


DOORS = [by_connect, by_start_tls, by_ports, by_aio, by_aio_start_tls]
Door = Callable[[int, Identity], "str | None"]


@pytest.mark.parametrize("door", DOORS)
def test_the_right_one(door: Door) -> None:
    """The SVID is accepted by a context that checks no host names."""
    with tlskit.listen(hostname=LOCAL, context=server()) as listener:

        def greet() -> None:
            with listener.accept(PATIENCE) as port:
                port.sendall(b"hi")

        task = Task(greet)
        name = door(listener.port, RIGHT)
        task.result()

    assert name is None


@pytest.mark.parametrize("door", DOORS)
def test_the_wrong_one(door: Door) -> None:
    """Another path is refused, and the server hears of it by an alert."""
    with tlskit.listen(hostname=LOCAL, context=server()) as listener:
        task = Task(lambda: listener.accept(PATIENCE))
        with pytest.raises(IdentityError) as caught:
            door(listener.port, WRONG)
        heard = task.settle()

    assert "the path differs" in caught.value.hint
    assert WRONG.text == caught.value.expected
    assert isinstance(heard, tlskit.AlertError)


def test_starttls() -> None:
    """A conversation in plaintext may come before it."""
    with socket.create_server((LOCAL, 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            sock.settimeout(PATIENCE)
            sock.sendall(b"220 hello\r\n")
            sock.recv(1000)
            sock.sendall(b"250-hello\r\n250 STARTTLS\r\n")
            sock.recv(1000)
            sock.sendall(b"220 go on\r\n")
            with tlskit.SSLPort.start_tls(sock, server(), server_side=True):
                pass

        task = Task(serve)
        with starttls.connect(
            LOCAL,
            "smtp",
            listener.getsockname()[1],
            client(),
            timeout=PATIENCE,
            identity=RIGHT,
        ) as port:
            task.result()

            assert port.peer_verified


# -- what it means ----------------------------------------------------------


def test_in_memory() -> None:
    """A pair in memory knows it, too; *hostname* is announced only."""
    ours, theirs = memory_pair(client(), server(), identity=RIGHT)
    with ours, theirs:
        assert "localhost" == theirs.server_name
        assert RIGHT in ours._engine.facts.peer_identities


def test_a_host_name_is_announced() -> None:
    """An identity that is a host is announced unless told otherwise."""
    context = server(HOSTED)
    ours, theirs = memory_pair(
        client(), context, hostname=None, identity=Identity.host(HOST)
    )
    ours.close()
    theirs.close()

    assert HOST == theirs.server_name


def test_hostname_is_announced_only() -> None:
    """With an identity a host name is not checked, even if wrong."""
    ours, theirs = memory_pair(
        client(names=True),
        server(),
        hostname="front.example",
        identity=RIGHT,
    )
    ours.close()
    theirs.close()

    assert "front.example" == theirs.server_name


def test_a_host_where_a_uri_is_wanted() -> None:
    """A certificate for the host that was dialled is not enough."""
    with pytest.raises(IdentityError, match="and no URI"):
        memory_pair(client(), server(HOSTED), identity=RIGHT)


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_the_wrong_host(version: str) -> None:
    """A host is checked although the context checks no host names."""
    context = tlskit.ClientContext(version)
    CA_.trust(context)
    context.set_verify()

    with pytest.raises(IdentityError):
        memory_pair(
            context,
            server(HOSTED),
            identity=Identity.host("other.example"),
        )


def test_it_needs_verification() -> None:
    """A context that verifies nothing can't prove anybody."""
    with pytest.raises(tlskit.ConfigurationError) as caught:
        memory_pair(tlskit.ClientContext("auto"), server(), identity=RIGHT)

    assert "no-verification" == caught.value.code


def test_a_bad_argument_costs_no_connection() -> None:
    """Text instead of an identity is refused before anything is dialled."""
    with pytest.raises(TypeError, match="not 'spiffe"):
        tlskit.connect(
            "host.invalid",
            443,
            client(),
            identity=BILLING,  # type: ignore[arg-type]
        )


@pytest.mark.parametrize(("leaf", "ok"), [(LEAF, True), (HOSTED, False)])
def test_a_server_asks_its_client(leaf: Any, ok: bool) -> None:
    """On a server it is the client who has to prove it."""
    context = server(HOSTED)
    CA_.trust(context)
    context.set_verify()
    ours = client()
    leaf.apply(ours)
    asking = Engine(context, server_side=True, identity=RIGHT, insists=True)
    asked = ours.new_engine(identity=Identity.host(HOST))

    if ok:
        shake(asked, asking)
        assert RIGHT in asking.facts.peer_identities
        return
    with pytest.raises(IdentityError, match="and no URI"):
        shake(asked, asking)


def test_a_client_without_certificate_proves_nothing() -> None:
    """Also where a certificate is only asked for."""
    context = server(HOSTED)
    CA_.trust(context)
    context.try_verify()
    asking = Engine(context, server_side=True, identity=RIGHT, insists=True)
    asked = client().new_engine(identity=Identity.host(HOST))

    with pytest.raises(tlskit.VerificationError, match="no certificate"):
        shake(asked, asking)


def test_unverified_peers_prove_nothing() -> None:
    """What a certificate says is nobody's identity before it is verified."""
    context = tlskit.ClientContext("auto")
    ours, theirs = memory_pair(context, server())
    with ours, theirs:
        facts = ours._engine.facts

    assert facts.peer_certificate is not None
    assert () == facts.peer_identities
    assert () == theirs._engine.facts.peer_identities


class Workloads(tlskit.ServerContext):
    """A server for some workloads: the pattern of the documentation."""

    allowed = frozenset({RIGHT})

    def verify_peer(self, verdict: tlskit.Facts) -> None:
        """Let in who may come in."""
        if self.allowed.isdisjoint(verdict.peer_identities):
            raise PermissionError("not on the list")


@pytest.mark.parametrize(("leaf", "ok"), [(LEAF, True), (HOSTED, False)])
def test_a_hook_sees_identities(leaf: Any, ok: bool) -> None:
    """``verify_peer`` sees whom the client has proved to be."""
    context = Workloads()
    HOSTED.apply(context)
    CA_.trust(context)
    context.set_verify()
    ours = client()
    leaf.apply(ours)

    if ok:
        for port in memory_pair(ours, context, identity=Identity.host(HOST)):
            port.close()
        return
    with pytest.raises(PermissionError):
        memory_pair(ours, context, identity=Identity.host(HOST))


@pytest.mark.parametrize(("leaf", "ok"), [(LEAF, True), (HOSTED, False)])
def test_strict(leaf: Any, ok: bool) -> None:
    """Both verifiers accept an SVID, and refuse what is none."""
    context = client()
    context.set_strict()

    if ok:
        for port in memory_pair(context, server(leaf), identity=RIGHT):
            port.close()
        return
    with pytest.raises(IdentityError):
        memory_pair(context, server(leaf), identity=RIGHT)


@pytest.mark.native
def test_strict_about_purpose() -> None:
    """An SVID for clients only is no server's, whoever verifies."""
    from cryptography.x509.oid import ExtendedKeyUsageOID

    only = CA_.issue(
        BILLING, usages=[ExtendedKeyUsageOID.CLIENT_AUTH], common_name="x"
    )
    context = client()
    context.set_strict()

    with pytest.raises(tlskit.VerificationError):
        memory_pair(context, server(only), identity=RIGHT)


@pytest.mark.native
def test_sessions_know_whom_they_are_for() -> None:
    """A session for one identity is not offered for another."""
    cache = tlskit.SessionCache()
    context = client()
    context.set_session_cache(cache)
    both = CA_.issue("localhost", BILLING)

    def reused(listener: tlskit.Listener, **whom: Any) -> bool:
        def greet() -> None:
            with listener.accept(PATIENCE) as port:
                port.sendall(b"hi")

        task = Task(greet)
        with tlskit.connect(
            LOCAL, listener.port, context, timeout=PATIENCE, **whom
        ) as port:
            assert b"hi" == port.recv(2)
            task.result()
            return port.session_reused

    with tlskit.listen(hostname=LOCAL, context=server(both)) as listener:
        assert not reused(listener, identity=RIGHT)
        assert reused(listener, identity=RIGHT)
        assert not reused(listener, identity=RIGHT, hostname="localhost")
        assert not reused(listener, identity=Identity.host("localhost"))
        assert not reused(listener, hostname="localhost")


def test_every_kind_of_name() -> None:
    """A certificate's service is proved in a handshake, too."""
    name = "_xmpp-server.example.org"
    entry = x509.OtherName(
        x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7"),
        bytes((0x16, len(name))) + name.encode(),
    )
    leaf = CA_.issue(
        san=x509.SubjectAlternativeName([entry]), common_name="xmpp"
    )

    for port in memory_pair(
        client(), server(leaf), identity=Identity.service(name)
    ):
        port.close()
    with pytest.raises(IdentityError, match="names the service"):
        memory_pair(
            client(),
            server(leaf),
            identity=Identity.service("_imap.example.org"),
        )
