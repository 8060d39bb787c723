"""Client libraries on a tlskit context, against the servers they are for."""

from __future__ import annotations

import getpass
import os
import queue
import ssl
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

import tlskit
from tlskit.testing import CA

from .. import servers
from ..libraries import explanation, run
from ..peers import PATIENCE, Vault, client_context, needs

HOST = "localhost"


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this file."""
    return Vault(tmp_path_factory.mktemp("vault"))


# -- the libraries: each gives what it has heard ------------------------------


def by_redis(port: int, context: ssl.SSLContext) -> object:
    """redis-py, by a connection class of one's own."""
    redis = pytest.importorskip("redis")

    class Connection(redis.Connection):  # type: ignore[misc, name-defined]
        def _connect(self) -> Any:
            plain = super()._connect()
            try:
                return context.wrap_socket(plain, server_hostname=self.host)
            except BaseException:
                plain.close()
                raise

    pool = redis.ConnectionPool(
        connection_class=Connection,
        host=HOST,
        port=port,
        socket_timeout=PATIENCE,
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
    )
    client = redis.Redis(connection_pool=pool)
    try:
        client.set("key", "x" * 100_000)
        return len(client.get("key"))
    finally:
        pool.disconnect()


def by_pymemcache(port: int, context: ssl.SSLContext) -> object:
    """pymemcache, by ``tls_context``."""
    pymemcache = pytest.importorskip("pymemcache")
    client = pymemcache.Client(
        (HOST, port), tls_context=context, timeout=PATIENCE
    )
    try:
        client.set("key", b"x" * 100_000, noreply=False)
        return len(client.get("key"))
    finally:
        client.close()


def by_pg8000(port: int, context: ssl.SSLContext) -> object:
    """pg8000, by ``ssl_context``: the protocol's own STARTTLS."""
    dbapi = pytest.importorskip("pg8000.dbapi")
    connection = dbapi.connect(
        _postgres_user(),
        host=HOST,
        port=port,
        database="postgres",
        ssl_context=context,
        timeout=PATIENCE,
    )
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT repeat('x', 100000)")
        return len(cursor.fetchone()[0])
    finally:
        connection.close()


def by_asyncpg(port: int, context: ssl.SSLContext) -> object:
    """asyncpg, by ``ssl``; it upgrades an asyncio transport."""
    asyncpg = pytest.importorskip("asyncpg")

    async def main() -> object:
        connection = await asyncpg.connect(
            host=HOST,
            port=port,
            database="postgres",
            user=_postgres_user(),
            ssl=context,
            timeout=PATIENCE,
        )
        try:
            return len(await connection.fetchval("SELECT repeat('x', 100000)"))
        finally:
            await connection.close()

    return run(main)


def _postgres_user() -> str:
    return "postgres" if os.getuid() == 0 else getpass.getuser()


def by_paho(port: int, context: ssl.SSLContext) -> object:
    """paho-mqtt, by ``tls_set_context``: non-blocking sockets, a thread."""
    mqtt = pytest.importorskip("paho.mqtt.client")
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.tls_set_context(context)
    heard: queue.Queue[bytes] = queue.Queue()
    client.on_message = lambda _1, _2, message: heard.put(message.payload)
    client.on_subscribe = lambda *_: client.publish("t", b"x" * 100_000)
    client.on_connect = lambda *_: client.subscribe("t")
    client.connect(HOST, port)
    client.loop_start()
    try:
        return len(heard.get(timeout=PATIENCE))
    finally:
        client.disconnect()
        client.loop_stop()


def by_imapclient(port: int, context: ssl.SSLContext) -> object:
    """IMAPClient, by ``starttls``."""
    imapclient = pytest.importorskip("imapclient")
    client = imapclient.IMAPClient(HOST, port, ssl=False, timeout=PATIENCE)
    try:
        client.starttls(context)
        client.login("somebody", "none")
        return client.has_capability("IDLE")
    finally:
        client.shutdown()


def by_aiosmtplib(port: int, context: ssl.SSLContext) -> object:
    """aiosmtplib, by ``tls_context``; it upgrades an asyncio transport."""
    aiosmtplib = pytest.importorskip("aiosmtplib")

    async def main() -> object:
        client = aiosmtplib.SMTP(
            hostname=HOST,
            port=port,
            tls_context=context,
            start_tls=True,
            timeout=PATIENCE,
        )
        try:
            await client.connect()
            await client.ehlo()  # Within TLS it is another one.
            return client.supports_extension("auth")
        finally:
            client.close()

    return run(main)


# -- the servers --------------------------------------------------------------


@pytest.fixture(scope="module")
def redis(vault: Vault) -> Iterator[int]:
    """Redis, all the time."""
    with servers.redis(vault.leaf()) as port:
        yield port


@pytest.fixture(scope="module")
def memcached(vault: Vault) -> Iterator[int]:
    """Memcached, all the time."""
    with servers.memcached(vault.leaf()) as port:
        yield port


@pytest.fixture(scope="module")
def mosquitto(
    vault: Vault, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """Mosquitto, all the time."""
    where = tmp_path_factory.mktemp("mosquitto")
    with servers.mosquitto(vault.leaf(), where) as port:
        yield port


@pytest.fixture(scope="module")
def postgres(vault: Vault) -> Iterator[int]:
    """PostgreSQL, all the time."""
    with servers.postgres(vault.leaf()) as port:
        yield port


@pytest.fixture(scope="module")
def imap(mail: dict[str, int]) -> int:
    """Dovecot's IMAP."""
    return mail["imap"]


@pytest.fixture(scope="module")
def smtp(mail: dict[str, int]) -> int:
    """Dovecot's submission."""
    return mail["smtp"]


@pytest.fixture(scope="module")
def mail(vault: Vault) -> Iterator[dict[str, int]]:
    """Dovecot, all the time."""
    with servers.dovecot(vault.leaf()) as ports:
        yield ports


class Case(NamedTuple):
    """A library, and the server that it is for."""

    call: Callable[[int, ssl.SSLContext], object]
    server: str
    heard: int = 100_000


CASES = [
    pytest.param(case, id=case.call.__name__.removeprefix("by_"), marks=mark)
    for case, mark in (
        (Case(by_redis, "redis"), needs("redis-server")),
        (Case(by_pymemcache, "memcached"), needs("memcached")),
        (Case(by_paho, "mosquitto"), needs("mosquitto")),
        (Case(by_pg8000, "postgres"), servers.needs_postgres),
        (Case(by_asyncpg, "postgres"), servers.needs_postgres),
        (Case(by_imapclient, "imap", True), needs("dovecot")),
        (Case(by_aiosmtplib, "smtp", True), needs("dovecot")),
    )
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("protocol", ["tls12", "tls13"])
def test_a_library_talks_to_its_server(
    request: pytest.FixtureRequest, vault: Vault, case: Case, protocol: str
) -> None:
    """What was asked comes back, much of it, on both versions."""
    port = request.getfixturevalue(case.server)
    context = client_context(vault, protocol)

    assert case.heard == case.call(port, context.as_ssl_context())


@pytest.mark.parametrize("case", CASES)
def test_a_library_refuses_a_stranger(
    request: pytest.FixtureRequest, case: Case
) -> None:
    """The error that it raises has ours in it, with the whole explanation."""
    port = request.getfixturevalue(case.server)
    strict = tlskit.ClientContext("auto")
    CA("nobody's CA").trust(strict)
    strict.set_verify()
    strict.set_verify_hostname()
    with pytest.raises(Exception, match=r".*") as caught:
        case.call(port, strict.as_ssl_context())

    assert isinstance(explanation(caught.value), tlskit.VerificationError)
