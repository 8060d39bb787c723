"""Name constraints with parts that ``cryptography`` can't read."""

from __future__ import annotations

import pytest
from cryptography import x509

import tlskit
from tlskit import TLSError, VerificationError
from tlskit.testing import CA, Leaf, memory_pair
from tlskit.verify import hostname
from tlskit.x509.der import element

ROOT = CA("root")
HOST = "b.a.example"
X400 = element(0x30, element(0xA3, element(0x30, element(2, b"\1"))))
BAD_MASK = element(0x30, element(0x87, bytes.fromhex("0a000000ff00ff00")))
OTHER = element(0x30, element(0x82, b"other.example"))
HERE = element(0x30, element(0x82, b"B.a.Example"))
ABOVE = element(0x30, element(0x82, b"a.example"))
DOTTED = element(0x30, element(0x82, b".a.example"))


def issued(
    name: str, *excluded: bytes, permitted: tuple[bytes, ...] = ()
) -> Leaf:
    """Have a CA with such constraints issue a certificate."""
    parts = b""
    if permitted:
        parts += element(0xA0, b"".join(permitted))
    if excluded:
        parts += element(0xA1, b"".join(excluded))
    constraints = x509.UnrecognizedExtension(
        x509.NameConstraints.oid, element(0x30, parts)
    )
    ca = ROOT.intermediate(extensions=[(constraints, True)])
    return ca.issue(name)


def verdicts(leaf: Leaf) -> list[str | None]:
    """Give the code of a handshake's refusal, and of that without one."""
    client = tlskit.ClientContext("auto")
    ROOT.trust(client)
    client.set_verify()
    client.set_verify_hostname()
    server = tlskit.ServerContext()
    leaf.apply(server)
    found: list[str | None] = [None, None]
    try:
        for port in memory_pair(client, server, hostname=HOST):
            port.close()
    except TLSError as error:
        found[0] = error.code
    try:
        client.verify_chain(leaf.chain, hostname=HOST)
    except VerificationError as error:
        found[1] = error.code
    return found


@pytest.mark.parametrize("name", [HOST, "*.a.example"])
@pytest.mark.parametrize("odd", [X400, BAD_MASK])
def test_a_subtree_that_decides_nothing(name: str, odd: bytes) -> None:
    """OpenSSL has decided; a parser that gives up is no reason."""
    assert [None, None] == verdicts(issued(name, odd, OTHER))
    assert [None, None] == verdicts(issued(name, permitted=(ABOVE,)))


@pytest.mark.parametrize("name", [HOST, "*.a.example"])
@pytest.mark.parametrize("domain", [HERE, DOTTED])
def test_a_domain_beside_it_is_still_excluded(
    name: str, domain: bytes
) -> None:
    """Also where only a wildcard reaches the host."""
    leaf = issued(name, X400, domain)

    assert ["name-constraints"] * 2 == verdicts(leaf)


def test_what_can_t_be_read_is_an_error_of_the_tree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever a parser raises, a VerificationError comes of it."""

    def raises(_: bytes) -> tuple[bytes, ...]:
        raise ValueError("something of the parser's")

    leaf = issued(HOST, OTHER)
    monkeypatch.setattr(hostname, "_excluded", raises)

    assert ["malformed-certificate"] * 2 == verdicts(leaf)
