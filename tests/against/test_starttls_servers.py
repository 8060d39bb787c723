"""STARTTLS with the server that each dialect is for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import NamedTuple

import pytest

import tlskit
from tlskit import starttls
from tlskit.testing import CA

from .. import daemons, servers
from ..peers import HOST, PATIENCE, Files, Vault, client_context, needs

#: Where the servers are, too, and what their certificates don't name.
ELSEWHERE = "127.0.0.1"
VERSIONS = pytest.mark.parametrize("version", ["tls12", "tls13"])
_STREAM = (
    f"<?xml version='1.0'?><stream:stream to='{HOST}' version='1.0' "
    "xmlns='jabber:{}' xmlns:stream='http://etherx.jabber.org/streams'>"
)
#: An anonymous bind, and that it was one.
_BIND = bytes.fromhex("300c020101600702010304008000")
_BOUND = bytes.fromhex("300c02010161070a010004000400")

Run = Callable[["Files | None"], AbstractContextManager["Mapping[str, int]"]]


@contextmanager
def _one(name: str, protocol: str, files: Files | None) -> Iterator[object]:
    with getattr(daemons, name)(files) as found:
        yield {protocol: getattr(found, "port", found)}


def _prosody(files: Files | None) -> AbstractContextManager[object]:
    return daemons.prosody(files, HOST, ELSEWHERE)


class Case(NamedTuple):
    """A dialect, who speaks it, what is said after it, and what answered."""

    protocol: str
    run: Callable[..., AbstractContextManager[object]]
    words: bytes
    answer: bytes


def _mail(protocol: str, words: bytes, answer: bytes) -> Case:
    def run(files: Files | None) -> AbstractContextManager[object]:
        return servers.dovecot(files, protocol)

    return Case(protocol, run, words, answer)


def _case(name: str, protocol: str, words: bytes, answer: bytes) -> Case:
    return Case(protocol, partial(_one, name, protocol), words, answer)


def _xmpp(protocol: str, kind: str) -> Case:
    # The answer may be written with either kind of quotes.
    return Case(
        protocol, _prosody, _STREAM.format(kind).encode(), b"<?xml version="
    )


CASES = [
    pytest.param(case, id=case.protocol, marks=mark)
    for case, mark in (
        # It has no go-ahead, and its own next packet says who comes.
        (_case("mariadb", "mysql", b"", b""), needs("mariadbd")),
        (_case("nnrpd", "nntp", b"DATE\r\n", b"111 "), daemons.needs_nnrpd),
        (_case("slapd", "ldap", _BIND, _BOUND), needs("slapd")),
        (_case("inspircd", "irc", b"CAP LS\r\n", b":irc."), needs("inspircd")),
        (_xmpp("xmpp", "client"), needs("prosody")),
        (_xmpp("xmpp-server", "server"), needs("prosody")),
        (
            _mail("sieve", b"NOOP\r\n", b'"IMPLEMENTATION" '),
            servers.needs_dovecot("sieve"),
        ),
        (
            _mail("lmtp", b"LHLO there\r\n", b"250-"),
            servers.needs_dovecot("lmtp"),
        ),
    )
]


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this file."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """Each dialect."""
    return request.param


@pytest.fixture(scope="module")
def port(case: Case, vault: Vault) -> Iterator[int]:
    """Its server, all the time."""
    with case.run(vault.leaf(HOST)) as ports:
        yield ports[case.protocol]


@VERSIONS
def test_tls_begins(case: Case, port: int, vault: Vault, version: str) -> None:
    """The server is verified, and what is said then is answered."""
    with starttls.connect(
        *(HOST, case.protocol, port, client_context(vault, version)),
        timeout=PATIENCE,
    ) as conn:
        assert conn.peer_verified
        conn.sendall(case.words)
        assert case.answer == conn.input.read(len(case.answer))


def test_a_stranger_is_refused(case: Case, port: int) -> None:
    """Its CA is unknown."""
    context = tlskit.ClientContext("auto")
    CA("nobody's CA").trust(context)
    context.set_verify()
    context.set_verify_hostname()
    with pytest.raises(tlskit.VerificationError, match="tlskit peers CA"):
        starttls.connect(HOST, case.protocol, port, context, timeout=PATIENCE)


def test_the_wrong_server_is_refused(
    case: Case, port: int, vault: Vault
) -> None:
    """Its certificate names somebody else."""
    with pytest.raises(tlskit.IdentityError, match="names localhost"):
        starttls.connect(
            *(ELSEWHERE, case.protocol, port, client_context(vault)),
            timeout=PATIENCE,
        )


def test_no_tls_is_no_reason_to_go_on(case: Case, vault: Vault) -> None:
    """A server that has none is refused, with the same code for all but one.

    InspIRCd has no answer to a command that it does not know.
    """
    silent = case.protocol == "irc"
    with (
        case.run(None) as ports,
        pytest.raises(TimeoutError if silent else tlskit.NotTLSError) as error,
    ):
        starttls.connect(
            *(HOST, case.protocol, ports[case.protocol]),
            client_context(vault),
            timeout=0.3 if silent else PATIENCE,
        )

    assert silent or "no-starttls" == error.value.code
