"""A change of a context comes too late for connections already begun."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import tlskit

from ..engines import (
    authority,
    client_context,
    client_engine,
    server_context,
    server_engine,
    shake,
)
from ..peers import HOST

VERSIONS = ("tls12", "tls13")


def refuse(*_: object) -> bool:
    """Refuse every certificate."""
    return False


@pytest.mark.parametrize("version", VERSIONS)
def test_verifier(version: str) -> None:
    """A verifier that is set later judges later connections only."""
    context = client_context(version)
    begun = client_engine(context)
    context.set_certificate_verifier(refuse)

    shake(begun, server_engine())
    with pytest.raises(tlskit.VerificationError):
        shake(client_engine(context), server_engine())


@pytest.mark.parametrize("version", VERSIONS)
def test_verifier_that_is_taken_away(version: str) -> None:
    """Who is refused by a verifier is so although it goes meanwhile."""
    context = client_context(version)
    context.set_certificate_verifier(refuse)
    begun = client_engine(context)
    context.set_certificate_verifier(False)
    context.set_verify()

    with pytest.raises(tlskit.VerificationError):
        shake(begun, server_engine())
    shake(client_engine(context), server_engine())


def test_protocols() -> None:
    """A server selects among the protocols that it had at the beginning."""
    ours, theirs = client_context(), server_context()
    ours.set_alpn(["old", "new"])
    theirs.set_alpn(["old"])
    begun = server_engine(theirs)
    theirs.set_alpn(["new"])
    first, second = client_engine(ours), client_engine(ours)

    shake(first, begun)
    shake(second, server_engine(theirs))

    assert "old" == first.facts.alpn
    assert "new" == second.facts.alpn


def test_server_names() -> None:
    """A server chooses by the table that it had at the beginning."""
    other = server_context()
    other.set_alpn(["other"])
    ours, theirs = client_context(), server_context()
    ours.set_alpn(["other"])
    theirs.set_server_names({"localhost": other})
    begun = server_engine(theirs)
    theirs.set_server_names({})
    first, second = client_engine(ours), client_engine(ours)

    shake(first, begun)
    shake(second, server_engine(theirs))

    assert "other" == first.facts.alpn
    assert second.facts.alpn is None


def test_key_log() -> None:
    """Keys go to whom they were to go to at the beginning."""
    first: list[str] = []
    second: list[str] = []
    context = client_context()
    context.set_keylog(first.append)
    begun = client_engine(context)
    context.set_keylog(second.append)

    shake(begun, server_engine())
    logged = len(first)
    shake(client_engine(context), server_engine())

    assert (logged, True) == (len(first), bool(second))
    assert logged


def test_hook_of_a_subclass() -> None:
    """What a hook asks its base class has the same age as the connection."""

    class Polite(tlskit.ServerContext):
        def select_alpn(self, offered):
            return super().select_alpn(offered)

    theirs = Polite()
    authority().issue("localhost").apply(theirs)
    theirs.set_alpn(["old"])
    ours = client_context()
    ours.set_alpn(["old", "new"])
    client, begun = client_engine(ours), server_engine(theirs)
    theirs.set_alpn(["new"])

    shake(client, begun)

    assert "old" == client.facts.alpn
    assert b"new" == theirs.select_alpn(("old", "new"))


def test_hook_that_connects() -> None:
    """A hook that makes a connection finds its own context afterwards."""

    class Busy(tlskit.ServerContext):
        def select_alpn(self, offered):
            other, third = client_context(), server_context()
            third.set_alpn(["third"])
            other.set_alpn(["third"])
            inner = client_engine(other)
            shake(inner, server_engine(third))
            assert "third" == inner.facts.alpn
            return super().select_alpn(offered)

    theirs = Busy()
    authority().issue("localhost").apply(theirs)
    theirs.set_alpn(["old"])
    ours = client_context()
    ours.set_alpn(["old", "new"])
    client, begun = client_engine(ours), server_engine(theirs)
    theirs.set_alpn(["new"])

    shake(client, begun)

    assert "old" == client.facts.alpn


# -- sealed -----------------------------------------------------------------


@contextmanager
def unshaken(context: tlskit.ClientContext) -> Iterator[tlskit.SSLPort]:
    """Connect, and shake no hands."""
    with tlskit.listen(hostname="127.0.0.1", context=server_context()) as one:
        with tlskit.connect(
            "127.0.0.1", one.port, context, hostname=HOST, handshake=False
        ) as port:
            yield port


@pytest.mark.parametrize("verb", ["set_verify", "try_verify"])
def test_port_of_a_sealed_client(verb: str) -> None:
    """Before its handshake it can't demand less than its context."""
    context = client_context()
    context.seal()
    with unshaken(context) as port:
        with pytest.raises(tlskit.SealedError, match="demands more"):
            getattr(port, verb)(False)
        with pytest.raises(tlskit.SealedError, match="demands more"):
            port.try_verify()
        port.set_verify()


def test_port_of_a_sealed_client_may_demand_more() -> None:
    """What is refused is to weaken: also what the port itself demanded."""
    lax = tlskit.ClientContext("auto")
    lax.set_verify(False)
    lax.seal()
    with unshaken(lax) as port:
        port.set_verify()
        with pytest.raises(tlskit.SealedError):
            port.set_verify(False)


def test_port_of_an_unsealed_client() -> None:
    """Where the context may change, a port may differ."""
    with unshaken(client_context()) as port:
        port.try_verify()
        port.set_verify(False)


def test_sealing_reaches_what_names_lead_to() -> None:
    """A sealed server is sealed whole, through tables of tables."""
    front, middle, back, default = (server_context() for _ in range(4))
    middle.set_server_names({"back.example": back})
    front.set_server_names({"middle.example": middle}, default=default)
    back.set_server_names({"front.example": front})  # A circle.
    front.seal()

    assert all(each.frozen for each in (front, middle, back, default))
    with pytest.raises(tlskit.SealedError):
        back.set_verify(False)


def test_sealing_is_all_or_nothing() -> None:
    """A context that can't be sealed keeps the others open."""
    front, broken = server_context(), server_context()
    broken.load_certificate_chain(authority().issue("other.example").chain)
    front.set_server_names({"other.example": broken})

    with pytest.raises(tlskit.CredentialError):
        front.seal()
    assert not front.frozen
    assert not broken.frozen
