"""Who is verified, when, and what is known of them: as the seeds have it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import tlskit
from tlskit import SSLPort, VerifySource
from tlskit.testing import CA, Leaf, memory_pair

from ..engines import authority, client_context, server_context
from ..joined import tcp_pair
from ..peers import HOST, PATIENCE, Task, needs

VERSIONS = ("tls12", "tls13")
ALICE = b"/CN=alice@example.com"
ISSUER = b"/CN=tlskit engines CA"


@pytest.fixture(scope="module")
def strangers_leaf() -> Leaf:
    """Credentials that nobody trusts."""
    return CA("stranger").issue("mallory@example.com")


# -- asked early or late, politely or firmly --------------------------------


class Outcome(NamedTuple):
    """What came of a conversation: each side's port, or its error."""

    client: SSLPort | BaseException
    server: SSLPort | BaseException


def meet(
    asking: tlskit.ClientContext,
    context: tlskit.ServerContext,
    ask: Callable[[SSLPort], None] = lambda port: None,
) -> Outcome:
    """Talk a line each way; after the first, the server may *ask*."""
    left, right = tcp_pair()

    def call(sock: socket.socket) -> SSLPort:
        sock.settimeout(PATIENCE)
        with SSLPort.start_tls(sock, asking, hostname=HOST) as port:
            port.sendall(b"first\n")
            assert b"second\n" == port.input.readline()
            return port

    def serve(sock: socket.socket) -> SSLPort:
        with SSLPort.start_tls(sock, context, server_side=True) as port:
            assert b"first\n" == port.input.readline()
            ask(port)
            port.sendall(b"second\n")
            assert b"" == port.recv(1)
            return port

    tasks = Task(call, left), Task(serve, right)
    return Outcome(*(task.settle() or task.result() for task in tasks))


def established(end: SSLPort | BaseException) -> SSLPort:
    """Give the port of a side for which all went well."""
    assert isinstance(end, SSLPort), repr(end)
    return end


@pytest.fixture(
    params=[
        pytest.param("early", id="early"),
        pytest.param("later", id="later", marks=pytest.mark.native),
    ]
)
def when(request: pytest.FixtureRequest) -> str:
    """On the context before the handshake, or on the port in mid-session."""
    value: str = request.param
    return value


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("who", ["alice", "mallory", "nobody"])
@pytest.mark.parametrize("firmly", [True, False], ids=["set", "try"])
def test_matrix(
    strangers_leaf: Leaf, when: str, firmly: bool, who: str, version: str
) -> None:
    """Who is asked firmly must be good; who is asked politely may be bad.

    Both learn the truth, and the client is sure of the server all along.
    """
    asking, context = client_context(version), server_context()
    authority().trust(context)
    if who == "alice":
        authority().issue("alice@example.com").apply(asking)
    elif who == "mallory":
        strangers_leaf.apply(asking)
    verb = "set_verify" if firmly else "try_verify"
    if when == "early":
        getattr(context, verb)()
        outcome = meet(asking, context)
    else:
        outcome = meet(asking, context, lambda port: getattr(port, verb)())

    if when == "later" and version == "tls13" and who == "nobody":
        # It did not offer post-handshake authentication: no silent pass.
        assert isinstance(outcome.server, tlskit.UnsupportedError)
        return
    if firmly and who != "alice":
        assert isinstance(outcome.server, tlskit.VerificationError)
        assert isinstance(outcome.client, tlskit.AlertError)
        return
    client, server = map(established, outcome)
    assert client.peer_verified
    assert b"/CN=localhost" == client.peer_subject_name
    assert ISSUER == client.peer_issuer_name
    assert (who == "alice") is server.peer_verified
    assert (server.verify_error is None) is server.peer_verified
    assert (ALICE if who == "alice" else None) == server.peer_subject_name
    assert (ISSUER if who == "alice" else None) == server.peer_issuer_name
    assert (who == "nobody") is (server.peer_certificate is None)


@pytest.mark.parametrize("version", VERSIONS)
def test_live_connections_keep_what_they_had(version: str) -> None:
    """A context that changes in mid-session changes for later peers only."""
    asking, context = client_context(version), server_context()
    authority().trust(context)
    outcome = meet(asking, context, lambda port: context.set_verify())

    assert established(outcome.server).verify_error is None
    assert isinstance(meet(asking, context).server, tlskit.VerificationError)


def test_off_again() -> None:
    """What was switched on can be switched off, by either verb."""
    for on, off in (
        ("set_verify", "set_verify"),
        ("set_verify", "try_verify"),
        ("try_verify", "set_verify"),
    ):
        context = server_context()
        getattr(context, on)()
        getattr(context, off)(False)
        with memory_pair(client_context(), context)[1] as port:
            assert port.verify_error is None


# -- the same by other ways -------------------------------------------------


@pytest.fixture(params=["keywords", "setters"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> tlskit.Listener:
    """A listener for server.example.com that would like to know its clients.

    The wish is made through the listener.
    """
    chain, key = authority().issue("server.example.com").write(tmp_path)
    if request.param == "keywords":
        context = tlskit.ServerContext(
            "auto", certificate_chain=chain, private_key=key
        )
    else:
        context = tlskit.ServerContext("auto")
        context.load_certificate_chain(str(chain))
        context.load_private_key(str(key), rsa=False)
    authority().trust(context)
    listener = tlskit.listen(hostname="127.0.0.1", context=context)
    listener.try_verify()
    with listener:
        yield listener


def call(listener: tlskit.Listener, **options: object) -> Outcome:
    """Connect by a wrapped socket, under a name that no resolver knows."""
    task = Task(listener.accept, PATIENCE)
    with socket.create_connection(("127.0.0.1", listener.port)) as sock:
        sock.settimeout(PATIENCE)
        client: SSLPort | BaseException
        try:
            client = tlskit.ports_to_ssl_ports(
                *(sock, sock),
                mode="connect",
                hostname="server.example.com",
                **options,  # type: ignore[arg-type]
            )
        except tlskit.TLSError as error:
            client = error
        ends = Outcome(client, task.settle() or task.result())
        for end in ends:
            if isinstance(end, SSLPort):
                end.close()
    return ends


@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "not"])
@pytest.mark.parametrize("way", ["name", "shared", "own"])
def test_secure_obeys_the_default_sources(
    server: tlskit.Listener, way: str, trusted: bool
) -> None:
    """The secure context trusts the default sources of now, and no others."""
    sources = [VerifySource.pem(authority().pem)] if trusted else []
    with tlskit.set_default_verify_sources(sources):
        options = {
            "name": lambda: {"encrypt": "secure"},
            "shared": lambda: {"context": tlskit.ClientContext.secure()},
            "own": lambda: {"context": tlskit.ClientContext()},
        }[way]()
        client, accepted = call(server, **options)

    if not trusted:
        assert isinstance(client, tlskit.VerificationError)
        assert isinstance(accepted, tlskit.AlertError)
        return
    assert established(client).peer_verified
    assert not established(accepted).peer_verified
    assert accepted.peer_certificate is None


@pytest.mark.parametrize("protocol", ["auto", "secure"])
def test_clients_credentials(server: tlskit.Listener, protocol: str) -> None:
    """With credentials, the server learns who the client is."""
    alice = authority().issue("alice@example.com")
    with tlskit.set_default_verify_sources(
        [VerifySource.pem(authority().pem)]
    ):
        context = tlskit.ClientContext(
            protocol, certificate_chain=alice.chain, private_key=alice.key
        )
        client, accepted = call(server, context=context)

    # "auto" demanded no roots of its own, so it knows none.
    assert (protocol == "secure") is established(client).peer_verified
    assert (protocol == "secure") is context.frozen
    assert established(accepted).peer_verified
    assert ALICE == accepted.peer_subject_name


def test_a_key_alone_is_no_identity() -> None:
    """A key without its certificate is refused before anything is sent."""
    context = tlskit.ClientContext(
        "auto", private_key=authority().issue("alice@example.com").key
    )
    with pytest.raises(tlskit.CredentialError, match="no certificate chain"):
        memory_pair(context, server_context())


# -- what is known without a demand -----------------------------------------


def test_peer_verified_tells_what_was_found() -> None:
    """It holds if roots are there, though no verification was demanded."""
    knowing, ignorant = (tlskit.ClientContext("auto") for _ in range(2))
    authority().trust(knowing)
    for context, found in ((knowing, True), (ignorant, False)):
        with memory_pair(context, server_context())[0] as port:
            assert found is port.peer_verified
            assert port.peer_certificate is not None
            assert (ISSUER if found else None) == port.peer_issuer_name
            assert (b"/CN=localhost" if found else None) == (
                port.peer_subject_name
            )
            # Names are there for whoever wants to look at them.
            assert ("localhost",) == port.peer_certificate_hostnames
            assert port.peer_check_hostname("localhost")


def test_a_peer_without_a_certificate() -> None:
    """It has no name, and is nobody's host."""
    with memory_pair(client_context(), server_context())[1] as port:
        assert not port.peer_verified
        assert () == port.peer_certificate_hostnames
        assert port.peer_check_hostname("localhost") is False
        assert port.peer_subject_name is port.peer_issuer_name is None


def test_names_are_checked_even_without_verification() -> None:
    """The two demands are independent of each other."""
    context = tlskit.ClientContext("auto")
    context.set_verify_hostname()
    with memory_pair(context, server_context())[0] as port:
        assert not port.peer_verified
    with pytest.raises(tlskit.IdentityError):
        memory_pair(context, server_context(), hostname="other.example")
    context.set_verify_hostname(False)
    context.load_verify_source(VerifySource.pem(authority().pem))
    context.set_verify()
    with memory_pair(context, server_context(), hostname="x.example")[0] as it:
        assert it.peer_verified
        assert not it.peer_check_hostname("x.example")


# -- where roots come from --------------------------------------------------


@needs("openssl")
def test_a_directory_is_searched_when_needed(tmp_path: Path) -> None:
    """A root that comes into the directory after the seal is found."""
    context = tlskit.ClientContext("auto")
    context.load_verify_source(VerifySource.directory(tmp_path))
    context.set_verify()
    context.seal()
    with pytest.raises(tlskit.VerificationError):
        memory_pair(context, server_context())
    tmp_path.joinpath("root.pem").write_bytes(authority().pem)
    subprocess.run(
        ["openssl", "rehash", str(tmp_path)],
        check=True,
        timeout=PATIENCE,
        capture_output=True,
    )

    with memory_pair(context, server_context())[0] as port:
        assert port.peer_verified


def test_sources_add_up() -> None:
    """Loading another source keeps the roots of those before."""
    other = CA("other root")
    context = client_context()
    context.load_verify_source(VerifySource.pem(other.pem))
    elsewhere = tlskit.ServerContext()
    other.issue("localhost").apply(elsewhere)
    for served in (server_context(), elsewhere):
        with memory_pair(context, served)[0] as port:
            assert port.peer_verified
