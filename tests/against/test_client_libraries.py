"""Client libraries on a tlskit context, against the servers they are for."""

from __future__ import annotations

import ssl
import textwrap
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

import tlskit
from tlskit import starttls
from tlskit.testing import CA

from .. import daemons, servers
from ..daemons import News
from ..libraries import explanation
from ..peers import PATIENCE, Files, Vault, client_context, needs
from . import callers

HOST = "localhost"
#: Where the servers are, too, and what their certificates don't name.
ELSEWHERE = "127.0.0.1"


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this file."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture(scope="module")
def files(vault: Vault) -> Files:
    """The servers' credentials."""
    return vault.leaf(HOST)


# -- the servers --------------------------------------------------------------


@pytest.fixture(scope="module")
def redis(files: Files) -> Iterator[int]:
    """Redis, all the time."""
    with servers.redis(files) as port:
        yield port


@pytest.fixture(scope="module")
def memcached(files: Files) -> Iterator[int]:
    """Memcached, all the time."""
    with servers.memcached(files) as port:
        yield port


@pytest.fixture(scope="module")
def mosquitto(
    files: Files, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """Mosquitto, all the time."""
    where = tmp_path_factory.mktemp("mosquitto")
    with servers.mosquitto(files, where) as port:
        yield port


@pytest.fixture(scope="module")
def postgres(files: Files) -> Iterator[int]:
    """PostgreSQL, all the time."""
    with servers.postgres(files) as port:
        yield port


@pytest.fixture(scope="module")
def mariadb(files: Files) -> Iterator[int]:
    """MariaDB, all the time."""
    with daemons.mariadb(files) as port:
        yield port


@pytest.fixture(scope="module")
def slapd(files: Files) -> Iterator[int]:
    """OpenLDAP's server, all the time."""
    with daemons.slapd(files) as port:
        yield port


@pytest.fixture(scope="module")
def prosody(files: Files) -> Iterator[int]:
    """Prosody, all the time; its accounts are of both names."""
    with daemons.prosody(files, HOST, ELSEWHERE) as ports:
        yield ports["xmpp"]


@pytest.fixture(scope="module")
def news(files: Files) -> Iterator[News]:
    """INN's reader, all the time."""
    with daemons.nnrpd(files, callers.GROUPS) as found:
        yield found


@pytest.fixture(scope="module")
def nntp(news: News) -> int:
    """Its port."""
    return news.port


@pytest.fixture(scope="module")
def imap(mail: dict[str, int]) -> int:
    """Dovecot's IMAP."""
    return mail["imap"]


@pytest.fixture(scope="module")
def smtp(mail: dict[str, int]) -> int:
    """Dovecot's submission."""
    return mail["smtp"]


@pytest.fixture(scope="module")
def mail(files: Files) -> Iterator[dict[str, int]]:
    """Dovecot, all the time."""
    with servers.dovecot(files) as ports:
        yield ports


class Case(NamedTuple):
    """A library, and the server that it is for."""

    call: Callable[[str, int, ssl.SSLContext], object]
    server: str
    heard: object = callers.PAYLOAD


CASES = [
    pytest.param(case, id=case.call.__name__.removeprefix("by_"), marks=mark)
    for case, mark in (
        (Case(callers.by_redis, "redis"), needs("redis-server")),
        (Case(callers.by_pymemcache, "memcached"), needs("memcached")),
        (Case(callers.by_paho, "mosquitto"), needs("mosquitto")),
        (Case(callers.by_pg8000, "postgres"), servers.needs_postgres),
        (Case(callers.by_asyncpg, "postgres"), servers.needs_postgres),
        (Case(callers.by_pymysql, "mariadb"), needs("mariadbd")),
        (Case(callers.by_asyncmy, "mariadb"), needs("mariadbd")),
        (Case(callers.by_ldap3, "slapd"), needs("slapd")),
        (Case(callers.by_slixmpp, "prosody"), needs("prosody")),
        (Case(callers.by_nntp, "nntp", callers.GROUPS), daemons.needs_nnrpd),
        (Case(callers.by_imapclient, "imap", True), needs("dovecot")),
        (Case(callers.by_aiosmtplib, "smtp", True), needs("dovecot")),
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

    assert case.heard == case.call(HOST, port, context.as_ssl_context())


@pytest.mark.parametrize("case", CASES)
def test_a_library_refuses_a_stranger(
    request: pytest.FixtureRequest, case: Case
) -> None:
    """The error that it raises has ours in it, and our words."""
    port = request.getfixturevalue(case.server)
    strict = tlskit.ClientContext("auto")
    CA("nobody's CA").trust(strict)
    strict.set_verify()
    strict.set_verify_hostname()
    with pytest.raises(Exception, match="by 'tlskit peers CA'") as caught:
        case.call(HOST, port, strict.as_ssl_context())

    assert isinstance(explanation(caught.value), tlskit.VerificationError)


@pytest.mark.parametrize("case", CASES)
def test_a_library_refuses_the_wrong_server(
    request: pytest.FixtureRequest, vault: Vault, case: Case
) -> None:
    """A good certificate for another name is refused, and told."""
    port = request.getfixturevalue(case.server)
    adapter = client_context(vault).as_ssl_context()
    with pytest.raises(Exception, match="names localhost, but") as caught:
        case.call(ELSEWHERE, port, adapter)

    assert isinstance(explanation(caught.value), tlskit.IdentityError)


@daemons.needs_nnrpd
@pytest.mark.parametrize("protocol", ["tls12", "tls13"])
def test_news_arrive_as_they_were_posted(
    news: News, vault: Vault, protocol: str
) -> None:
    """The server has them line by line, after STARTTLS of our own."""
    lines = textwrap.wrap(callers.PAYLOAD.hex(), 100)
    article = [
        *("From: somebody@news.example", "Newsgroups: local.test"),
        *("Subject: a test", f"Message-ID: <{protocol}@news.example>"),
        *("", *lines, "."),
    ]
    with starttls.connect(
        *(HOST, "nntp", news.port, client_context(vault, protocol)),
        timeout=PATIENCE,
    ) as port:
        port.sendall(b"POST\r\n")
        assert port.input.readline().startswith(b"340 ")
        port.sendall("".join(f"{each}\r\n" for each in article).encode())
        assert port.input.readline().startswith(b"240 ")
    (posted,) = (
        path.read_text(encoding="ascii")
        for path in news.incoming.iterdir()
        if path.is_file() and protocol in path.read_text(encoding="ascii")
    )

    assert lines == posted.partition("\n\n")[2].split()
