"""Client libraries on a context: each is called, and gives what it heard."""

from __future__ import annotations

import getpass
import os
import queue
import socket
import ssl
import traceback
import warnings
from contextlib import ExitStack, suppress

import pytest

from ..libraries import run
from ..peers import PATIENCE

__all__ = [
    "GROUPS",
    "PAYLOAD",
    "by_aiosmtplib",
    "by_asyncmy",
    "by_asyncpg",
    "by_imapclient",
    "by_ldap3",
    "by_nntp",
    "by_paho",
    "by_pg8000",
    "by_pymemcache",
    "by_pymysql",
    "by_redis",
    "by_slixmpp",
]

#: All bytes, many times: more than a record of TLS, and no whole number of it.
PAYLOAD = bytes(range(256)) * 390
#: As many bytes of a news server's list.
GROUPS = "".join(
    f"test.group{number} 0000000000 0000000001 y\n" for number in range(2500)
)


def by_redis(host: str, port: int, context: ssl.SSLContext) -> object:
    """redis-py, by a class for its connections."""
    redis = pytest.importorskip("redis")
    from ..examples.redis_client import Connection

    pool = redis.ConnectionPool(
        connection_class=Connection,
        adapter=context,
        host=host,
        port=port,
        socket_timeout=PATIENCE,
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
    )
    client = redis.Redis(connection_pool=pool)
    try:
        client.set("key", PAYLOAD)
        return client.get("key")
    finally:
        pool.disconnect()


def by_pymemcache(host: str, port: int, context: ssl.SSLContext) -> object:
    """pymemcache, by ``tls_context``."""
    pymemcache = pytest.importorskip("pymemcache")
    client = pymemcache.Client(
        (host, port), tls_context=context, timeout=PATIENCE
    )
    try:
        client.set("key", PAYLOAD, noreply=False)
        return client.get("key")
    finally:
        client.close()


def by_pg8000(host: str, port: int, context: ssl.SSLContext) -> object:
    """pg8000, by ``ssl_context``: the protocol's own STARTTLS."""
    dbapi = pytest.importorskip("pg8000.dbapi")
    connection = dbapi.connect(
        _postgres_user(),
        host=host,
        port=port,
        database="postgres",
        ssl_context=context,
        timeout=PATIENCE,
    )
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT %s::bytea", (PAYLOAD,))
        return cursor.fetchone()[0]
    finally:
        connection.close()


def by_asyncpg(host: str, port: int, context: ssl.SSLContext) -> object:
    """asyncpg, by ``ssl``; it upgrades an asyncio transport."""
    asyncpg = pytest.importorskip("asyncpg")

    async def main() -> object:
        connection = await asyncpg.connect(
            host=host,
            port=port,
            database="postgres",
            user=_postgres_user(),
            ssl=context,
            timeout=PATIENCE,
        )
        try:
            return await connection.fetchval("SELECT $1::bytea", PAYLOAD)
        finally:
            await connection.close()

    return run(main)


def _postgres_user() -> str:
    return "postgres" if os.getuid() == 0 else getpass.getuser()


def by_paho(host: str, port: int, context: ssl.SSLContext) -> object:
    """paho-mqtt, by ``tls_set_context``: non-blocking sockets, a thread."""
    mqtt = pytest.importorskip("paho.mqtt.client")
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.tls_set_context(context)
    heard: queue.Queue[bytes] = queue.Queue()
    client.on_message = lambda _1, _2, message: heard.put(message.payload)
    # They get it, so that no circle keeps it: it closes sockets as it goes.
    client.on_subscribe = lambda mine, *_: mine.publish("t", PAYLOAD)
    client.on_connect = lambda mine, *_: mine.subscribe("t")
    try:
        client.connect(host, port)
    except ssl.SSLError as error:
        # It leaves a socket open whose handshake failed, whoever made it.
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "ssl_sock" in frame.f_locals:
                frame.f_locals["ssl_sock"].close()
        raise
    client.loop_start()
    try:
        return heard.get(timeout=PATIENCE)
    finally:
        client.disconnect()
        client.loop_stop()


def by_imapclient(host: str, port: int, context: ssl.SSLContext) -> object:
    """IMAPClient, by ``starttls``."""
    imapclient = pytest.importorskip("imapclient")
    client = imapclient.IMAPClient(host, port, ssl=False, timeout=PATIENCE)
    try:
        client.starttls(context)
        client.login("somebody", "none")
        return client.has_capability("IDLE")
    finally:
        # After a failed handshake it has no socket to shut down.
        with suppress(OSError):
            client.shutdown()


def by_aiosmtplib(host: str, port: int, context: ssl.SSLContext) -> object:
    """aiosmtplib, by ``tls_context``; it upgrades an asyncio transport."""
    aiosmtplib = pytest.importorskip("aiosmtplib")

    async def main() -> object:
        client = aiosmtplib.SMTP(
            hostname=host,
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


def by_pymysql(host: str, port: int, context: ssl.SSLContext) -> object:
    """PyMySQL, by ``ssl``: the protocol's own STARTTLS."""
    pymysql = pytest.importorskip("pymysql")
    connection = pymysql.connect(
        host=host,
        port=port,
        user="somebody",
        password="none",
        ssl=context,
        connect_timeout=PATIENCE,
        read_timeout=PATIENCE,
        write_timeout=PATIENCE,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT %s", (PAYLOAD,))
        return cursor.fetchone()[0]


def by_asyncmy(host: str, port: int, context: ssl.SSLContext) -> object:
    """asyncmy, by ``ssl``; it upgrades an asyncio transport."""
    asyncmy = pytest.importorskip("asyncmy")

    async def main() -> object:
        connection = await asyncmy.connect(
            host=host,
            port=port,
            user="somebody",
            password="none",
            ssl=context,
            connect_timeout=PATIENCE,
        )
        try:
            async with connection.cursor() as cursor:
                await cursor.execute("SELECT %s", (PAYLOAD,))
                return (await cursor.fetchone())[0]
        finally:
            await connection.ensure_closed()

    return run(main)


def by_ldap3(host: str, port: int, context: ssl.SSLContext) -> object:
    """ldap3, by a class of one's own for ``tls``: StartTLS."""
    # Its own imports are old.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        ldap3 = pytest.importorskip("ldap3")
        from ..examples.ldap_client import Tls
    server = ldap3.Server(
        host, port, tls=Tls(context), connect_timeout=PATIENCE
    )
    connection = ldap3.Connection(
        server,
        "cn=admin,dc=example",
        "secret",
        receive_timeout=int(PATIENCE),
        raise_exceptions=True,
    )
    try:
        connection.start_tls()
        connection.bind()
        with suppress(ldap3.core.exceptions.LDAPEntryAlreadyExistsResult):
            connection.add(
                "dc=example", ["organization", "dcObject"], {"o": "example"}
            )
        connection.add(
            "cn=somebody,dc=example",
            "inetOrgPerson",
            {"sn": "somebody", "jpegPhoto": PAYLOAD},
        )
        connection.search(
            "dc=example", "(sn=somebody)", attributes=["jpegPhoto"]
        )
        heard = connection.response[0]["raw_attributes"]["jpegPhoto"][0]
        connection.delete("cn=somebody,dc=example")
        return heard
    finally:
        # After a failed handshake it has no socket to say good-bye by.
        with suppress(ldap3.core.exceptions.LDAPExceptionError):
            connection.unbind()


def by_slixmpp(host: str, port: int, context: ssl.SSLContext) -> object:
    """slixmpp, by ``ssl_context``; the name to check is the account's."""
    pytest.importorskip("slixmpp")
    from ..examples.xmpp_client import talk_to_oneself

    said = run(
        talk_to_oneself,
        f"user@{host}",
        "secret",
        PAYLOAD.hex(),
        context,
        ("127.0.0.1", port),
    )
    return bytes.fromhex(said)


def by_nntp(host: str, port: int, context: ssl.SSLContext) -> object:
    """NNTP by hand: what nntplib did, before Python 3.13 dropped it."""
    with ExitStack() as stack:
        plain = socket.create_connection((host, port), PATIENCE)
        stack.callback(plain.close)
        with plain.makefile("rb") as file:
            assert file.readline().startswith(b"200 ")
            plain.sendall(b"STARTTLS\r\n")
            assert file.readline().startswith(b"382 ")
        secure = context.wrap_socket(plain, server_hostname=host)
        stack.callback(secure.close)
        file = stack.enter_context(secure.makefile("rb"))
        secure.sendall(b"LIST ACTIVE test.*\r\n")
        assert file.readline().startswith(b"215 ")
        heard = list(iter(file.readline, b".\r\n"))
        secure.sendall(b"QUIT\r\n")
        assert file.readline().startswith(b"205 ")
        assert b"" == file.read()
    return b"".join(heard).decode().replace("\r\n", "\n")
