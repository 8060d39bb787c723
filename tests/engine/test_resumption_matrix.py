"""Whatever is resumed, nobody is verified who was not, and nobody let in.

A client of the standard library's connects twice to a server, and offers the
session of the first connection in the second one.  The server's ports may
have rules of their own, before the handshake or after it.
"""

from __future__ import annotations

import itertools
import ssl
from contextlib import suppress
from typing import NamedTuple

import pytest

import tlskit
from tlskit.verify.chain import pin_of

from ..peers import HOST, PATIENCE, VERSIONS, Task, Vault

#: Rules of a context, and those that a port sets before its handshake.
CONTEXTS = ("none", "try", "optional", "demand")
#: With more than OpenSSL knows of.
MORE = (
    "none strict",
    "try strict",
    "demand strict",
    "none pinned",
    "try pinned",
    "demand pinned",
    "demand named",
)
PORTS = ("as the context", "try", "demand", "try later", "demand later")
#: Without tickets, a session is found by its id where the server keeps it.
BY_ID = "tls12 by id"
#: What the client shows.  In whom there are doubts, OpenSSL finds nothing
#: wrong; the second verifier does, and its key is not pinned.
CLIENTS = ("good", "foreign", "nothing")
DOUBTS = "doubtful"


class Seen(NamedTuple):
    """What a server's port tells of its client."""

    verified: bool
    reused: bool
    error: str | None


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("matrix"))


def server(vault: Vault, rule: str) -> tlskit.ServerContext:
    """Make a server's context with this rule."""
    files = vault.leaf()
    context = tlskit.ServerContext(
        certificate_chain=files.chain, private_key=files.key
    )
    context.load_verify_root_certificates(vault.roots)
    verify, _, more = rule.partition(" ")
    if verify == "try":
        context.try_verify()
    elif verify == "optional":
        context.set_verify_optional()
    elif verify == "demand":
        context.set_verify()
    if more == "strict":
        context.set_strict()
    elif more == "pinned":
        good = vault.leaf("client.example").leaf.certificate
        context.set_pins([pin_of(good)])
    elif more == "named":
        front = server(vault, "none")
        front.set_server_names({HOST: context})
        return front
    return context


def client(vault: Vault, version: str, shown: str) -> ssl.SSLContext:
    """Make a client that shows a certificate, or none."""
    context = ssl.create_default_context(cafile=vault.roots)
    if version == BY_ID:
        version = "tls12"
        context.options |= ssl.OP_NO_TICKET
    context.minimum_version = context.maximum_version = VERSIONS[version][2]
    context.post_handshake_auth = True
    if shown == "good":
        own = vault.leaf("client.example")
        context.load_cert_chain(own.chain, own.key)
    elif shown == DOUBTS:
        own = vault.files(vault.ca.issue("c.example", with_san=False))
        context.load_cert_chain(own.chain, own.key)
    elif shown == "foreign":
        own = vault.leaf("admin.example", ca=vault.stranger)
        context.load_cert_chain(own.chain, own.key)
    return context


def serve(listener: tlskit.Listener, rule: str) -> Seen | None:
    """Serve one client by this rule of a port; None if it is refused."""
    with suppress(tlskit.TLSError, ConnectionError):
        port = listener.accept(timeout=PATIENCE, handshake=False)
        port.settimeout(PATIENCE)
        with port:
            if rule == "try":
                port.try_verify()
            elif rule == "demand":
                port.set_verify()
            port.handshake()
            port.recv(1)
            if rule == "try later":
                port.try_verify()
            elif rule == "demand later":
                port.set_verify()
            port.sendall(b"x")
            port.recv(1)
            return Seen(
                port.peer_verified,
                port.session_reused,
                getattr(port.verify_error, "code", None),
            )
    return None


def ask(
    context: ssl.SSLContext, number: int, session: ssl.SSLSession | None
) -> ssl.SSLSession | None:
    """Connect, exchange a byte each way; give the session at the end."""
    import socket

    with suppress(OSError):
        raw = socket.create_connection(("127.0.0.1", number), PATIENCE)
        with context.wrap_socket(
            raw, server_hostname=HOST, session=session
        ) as sock:
            sock.sendall(b"x")
            sock.recv(1)
            sock.sendall(b"y")
            found: ssl.SSLSession | None = sock.session
            return found
    return None


def rules(context: str, port: str) -> set[str]:
    """The rules that count, in the handshake and later."""
    context = context.partition(" ")[0]
    if port.endswith("later"):
        return {context, port.split(maxsplit=1)[0]}
    return {context if port == "as the context" else port}


@pytest.mark.parametrize("version", [*VERSIONS, BY_ID])
@pytest.mark.parametrize("shown", CLIENTS)
@pytest.mark.parametrize("rule", CONTEXTS)
def test_what_a_ticket_is_worth(
    vault: Vault, version: str, shown: str, rule: str
) -> None:
    """25 pairs of ports each: verified only who is, let in only who may."""
    context = server(vault, rule)
    asking = client(vault, version, shown)
    asks_later = (
        version in {"tls12", BY_ID}
        or tlskit.capabilities()["post-handshake-authentication"]
    )
    ports = PORTS if asks_later else PORTS[:3]
    for first, second in itertools.product(ports, ports):
        session = None
        with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
            for port in (first, second):
                task = Task(serve, listener, port)
                session = ask(asking, listener.port, session)
                seen = task.result()
                cell = (rule, first, port, version, shown, seen)
                check(cell, rules(rule, port), shown, seen)


def check(
    cell: object, counted: set[str], shown: str, seen: Seen | None
) -> None:
    """Hold one handshake to the rules that count."""
    if seen is None:
        refused = {"demand", *(["optional"] * (shown == "foreign"))}
        assert refused & counted, cell
        assert shown != "good", cell
        return
    assert not seen.verified or shown == "good", cell
    assert not seen.verified or counted != {"none"}, cell
    assert seen.verified or "demand" not in counted, cell
    if shown == "foreign":
        assert "optional" not in counted, cell


@pytest.mark.parametrize("version", [*VERSIONS, BY_ID])
@pytest.mark.parametrize("shown", ["good", DOUBTS])
@pytest.mark.parametrize("rule", MORE)
def test_what_a_ticket_is_worth_to_others(
    vault: Vault, version: str, shown: str, rule: str
) -> None:
    """What pins, second verifiers and names decide outlives no ticket."""
    context = server(vault, rule)
    asking = client(vault, version, shown)
    ports = ("as the context", "demand")
    if (
        version in {"tls12", BY_ID}
        or tlskit.capabilities()["post-handshake-authentication"]
    ):
        ports += ("try later", "demand later")
    more = rule.partition(" ")[2]
    for first, second in itertools.product(ports, ports):
        session, seen = None, None
        with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
            for port in (first, second):
                task = Task(serve, listener, port)
                session = ask(asking, listener.port, session)
                seen = task.result()
        cell = (rule, first, second, version, shown, seen)
        asked = rules(rule, second) - {"none"}
        refused = (more == "strict" and "demand" in asked) or (
            more == "pinned" and bool(asked)
        )
        if shown == "good" or more == "named":
            assert seen is not None, cell
            assert seen.verified or not asked, cell
        elif refused:
            assert seen is None, cell
        else:
            assert seen is not None, cell
            assert not seen.verified, cell


@pytest.mark.parametrize("version", ["tls13", BY_ID])
@pytest.mark.parametrize("rule", ["demand", *MORE])
def test_good_clients_do_resume(vault: Vault, rule: str, version: str) -> None:
    """The matrix is not empty: a verified client comes back by its ticket."""
    context = server(vault, rule)
    asking = client(vault, version, "good")
    session, seen = None, []
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        for _ in range(2):
            task = Task(serve, listener, "as the context")
            session = ask(asking, listener.port, session)
            seen.append(task.result())

    powers = tlskit.capabilities()
    resumes = powers["session-reused"] and (
        rule.startswith("none") or powers["session-verdicts"]
    )
    resumes = resumes and rule != "try strict"
    if version == BY_ID and rule.endswith("strict"):
        resumes = False  # OpenSSL's cache is off then.
    verified = not rule.startswith("none")
    error = None
    assert [
        Seen(verified=verified, reused=False, error=error),
        Seen(verified=verified, reused=resumes, error=error),
    ] == seen
