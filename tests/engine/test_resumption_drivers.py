"""The matrix of resumption on asyncio, by the adapter, and by session id."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

import pytest

import tlskit
from tlskit import aio

from ..peers import PATIENCE, VERSIONS, Task, Vault
from .test_resumption_matrix import (
    BY_ID,
    CLIENTS,
    CONTEXTS,
    PORTS,
    Seen,
    ask,
    client,
    rules,
    serve,
    server,
)

LOCAL = "127.0.0.1"
#: What a port on asyncio, or an adapter's socket, can ask for.
LATER = ("as the context", "try later", "demand later")
ADAPTER = ("as the context", "demand later")


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("drivers"))


def by_asyncio(
    sock: socket.socket, context: tlskit.ServerContext, rule: str
) -> Seen | None:
    """Serve one client on asyncio; None if it is refused."""

    async def main() -> Seen | None:
        streams = await asyncio.open_connection(sock=sock)
        with suppress(tlskit.TLSError, ConnectionError):
            port = await aio.start_tls(
                streams, context, server_side=True, timeout=PATIENCE
            )
            async with port:
                await port.read(1)
                if rule == "try later":
                    await port.try_verify()
                elif rule == "demand later":
                    await port.set_verify()
                port.write(b"x")
                await port.drain()
                await port.read(1)
                return Seen(port.peer_verified, port.session_reused, None)
        return None

    return asyncio.run(main())


def by_adapter(
    sock: socket.socket, context: tlskit.ServerContext, rule: str
) -> Seen | None:
    """Serve one client as ``ssl`` does; None if it is refused."""
    adapter = context.as_ssl_context()
    with sock, suppress(OSError):
        sock.settimeout(PATIENCE)
        with adapter.wrap_socket(sock, server_side=True) as wrapped:
            wrapped.recv(1)
            if rule == "demand later":
                wrapped.verify_client_post_handshake()
            wrapped.sendall(b"x")
            wrapped.recv(1)
            return Seen(
                bool(wrapped.getpeercert()),
                bool(wrapped.session_reused),
                None,
            )
    return None


def accepted(listener: socket.socket, *then: object) -> Seen | None:
    """Accept by TCP, and serve as told."""
    by, context, rule = then
    sock, _ = listener.accept()
    return by(sock, context, rule)  # type: ignore[operator,no-any-return]


def pair_of(
    by: Callable[..., Seen | None],
    context: tlskit.ServerContext,
    asking: ssl.SSLContext,
    pair: tuple[str, str],
) -> list[Seen | None]:
    """Have a client come twice; give what is seen of it each time."""
    session, seen = None, []
    with socket.create_server((LOCAL, 0)) as listener:
        listener.settimeout(PATIENCE)
        number = listener.getsockname()[1]
        for rule in pair:
            task = Task(accepted, listener, by, context, rule)
            session = ask(asking, number, session)
            seen.append(task.result())
    return seen


def check(
    cell: tuple[str, str, str], seen: Seen | None, *, by_id: bool = False
) -> None:
    """Hold one cell to what a full handshake would have given.

    By session id a good client whose session holds no certificate may be
    refused by a port that demands one, rather than be asked anew.
    """
    rule, port, shown = cell
    if seen is None:
        refused = {"demand", *(["optional"] * (shown == "foreign"))}
        assert refused & rules(rule, port), cell
        assert shown != "good" or (by_id and port == "demand"), cell
        return
    assert not seen.verified or shown == "good", (cell, seen)
    assert not seen.verified or rules(rule, port) != {"none"}, (cell, seen)
    assert seen.verified or "demand" not in rules(rule, port), (cell, seen)
    if shown == "foreign":
        assert "optional" not in rules(rule, port), (cell, seen)


@pytest.mark.parametrize("version", [*VERSIONS, BY_ID])
@pytest.mark.parametrize("shown", CLIENTS)
@pytest.mark.parametrize("rule", CONTEXTS)
@pytest.mark.parametrize("by", [by_asyncio, by_adapter])
def test_what_a_ticket_is_worth(
    vault: Vault,
    by: Callable[..., Seen | None],
    rule: str,
    shown: str,
    version: str,
) -> None:
    """Each driver: verified only who is, let in only who may.

    In the first handshake, which is a full one, and in the second.
    """
    context, asking = server(vault, rule), client(vault, version, shown)
    ports = LATER if by is by_asyncio else ADAPTER
    if version != "tls13" and by is by_adapter:
        ports = ADAPTER[:1]  # As ssl: post-handshake is TLS 1.3's only.
    elif (
        version == "tls13"
        and not tlskit.capabilities()["post-handshake-authentication"]
    ):
        ports = ADAPTER[:1]
    for pair in itertools.product(ports, ports):
        found = pair_of(by, context, asking, pair)
        for port, seen in zip(pair, found, strict=True):
            check((rule, port, shown), seen)


@pytest.mark.parametrize("shown", CLIENTS)
@pytest.mark.parametrize("rule", CONTEXTS)
def test_what_a_session_id_is_worth(
    vault: Vault, rule: str, shown: str
) -> None:
    """The same in TLS 1.2 without tickets, from the server's own cache."""
    context, asking = server(vault, rule), client(vault, "tls12", shown)
    asking.options |= ssl.OP_NO_TICKET
    for pair in itertools.product(("as the context", "try later"), PORTS):
        session, seen = None, None
        with tlskit.listen(hostname=LOCAL, context=context) as listener:
            for port in pair:
                task = Task(serve, listener, port)
                session = ask(asking, listener.port, session)
                seen = task.result()
        check((rule, pair[1], shown), seen, by_id=True)
