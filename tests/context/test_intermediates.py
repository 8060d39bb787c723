"""Certificates that help to build a path, and are never trusted."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

import tlskit
from tlskit import CredentialError, SealedError, VerificationError
from tlskit.testing import CA, Leaf, memory_pair
from tlskit.verify.chain import pin_of

HOST = "far.example"
ROOT = CA("far root")
UPPER = ROOT.intermediate("upper")
LOWER = UPPER.intermediate("lower")
LEAF = LOWER.issue(HOST)
BOTH = (LOWER.certificate, UPPER.certificate)
WHOLE = (LEAF.certificate, *BOTH, ROOT.certificate)


def client(*intermediates: x509.Certificate) -> tlskit.ClientContext:
    """Trust the root."""
    context = tlskit.ClientContext("auto")
    ROOT.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    if intermediates:
        context.load_intermediates(intermediates)
    return context


def path_to(
    context: tlskit.ClientContext, leaf: Leaf = LEAF, sent: int = 1
) -> tuple[x509.Certificate, ...]:
    """Connect to a server that sends so many certificates; give the path."""
    server = tlskit.ServerContext(
        certificate_chain=leaf.chain[:sent], private_key=leaf.key
    )
    here, there = memory_pair(context, server, hostname=HOST)
    with here, there:
        assert here.peer_verified
        assert leaf.chain[:sent] == here.peer_chain
        return here.verified_chain


def test_what_is_missing_is_found() -> None:
    """A server that sends its own certificate only is verified."""
    with pytest.raises(VerificationError):
        path_to(client())

    assert WHOLE == path_to(client(*BOTH))


def test_the_order_and_the_calls_don_t_matter() -> None:
    """Further calls add to what is there."""
    context = client(UPPER.certificate)
    context.load_intermediates([LOWER.certificate, UPPER.certificate])

    assert WHOLE == path_to(context)
    assert 2 == len(context.settings.intermediates)


def test_some_are_sent_and_some_are_not() -> None:
    """What the peer sends and what is here complete each other."""
    assert WHOLE == path_to(client(UPPER.certificate), sent=2)


def test_they_are_not_trusted() -> None:
    """Without their root, nothing leads anywhere; nor by their own root."""
    context = tlskit.ClientContext("auto")
    CA("other root").trust(context)
    context.set_verify()
    context.load_intermediates([*BOTH, ROOT.certificate])

    with pytest.raises(VerificationError):
        path_to(context)
    with pytest.raises(VerificationError):
        context.verify_chain(LEAF.chain)


@pytest.mark.parametrize("sent", [1, 3])
def test_not_even_with_partial_chains(sent: int) -> None:
    """There, what is trusted need not be a root; these stay untrusted."""
    context = tlskit.ClientContext("auto")
    CA("other root").trust(context)
    context.set_verify()
    context.set_partial_chain()
    context.load_intermediates(BOTH)

    with pytest.raises(VerificationError):
        path_to(context, sent=sent)
    with pytest.raises(VerificationError):
        context.verify_chain(LEAF.chain[:sent])


def test_a_partial_chain_goes_on_to_what_is_trusted() -> None:
    """It ends in the root, or in a CA that is trusted."""
    context = client(*BOTH)
    context.set_partial_chain()
    assert WHOLE == path_to(context)
    UPPER.trust(context)
    context = client(*BOTH)
    UPPER.trust(context)
    context.set_partial_chain()

    assert WHOLE[:3] == path_to(context)


def test_a_stranger_is_tolerated_where_everybody_is() -> None:
    """try_verify() tells that nothing trusted was found."""
    context = tlskit.ClientContext("auto")
    context.try_verify()
    context.set_partial_chain()
    context.load_intermediates(BOTH)
    server = tlskit.ServerContext(
        certificate_chain=LEAF.certificate, private_key=LEAF.key
    )
    here, there = memory_pair(context, server, hostname=HOST)
    with here, there:
        assert not here.peer_verified
        assert here.verify_error is not None
        assert () == here.verified_chain


def test_a_hook_sees_the_whole_path() -> None:
    """Also where OpenSSL had stopped before the root."""
    seen = []

    def refuse_root(depth: int, ok: bool, _: x509.Certificate) -> bool:
        seen.append(depth)
        return ok and depth < 3

    context = client(*BOTH)
    context.set_partial_chain()
    context.set_certificate_verifier(refuse_root)
    with pytest.raises(VerificationError):
        path_to(context)

    assert {0, 1, 2, 3} == set(seen)


def test_without_a_connection() -> None:
    """verify_chain() uses them, too."""
    leaf = LEAF.certificate
    assert WHOLE == client(*BOTH).verify_chain(leaf, hostname=HOST)

    with pytest.raises(VerificationError):
        client().verify_chain(leaf, hostname=HOST)


@pytest.mark.parametrize("partial", [False, True])
def test_the_second_verifier_gets_them(partial: bool) -> None:
    """Strict verification builds the same path."""
    context = client(*BOTH)
    context.set_strict()
    context.set_partial_chain(partial)

    assert WHOLE == path_to(context)
    assert WHOLE == context.verify_chain(LEAF.certificate, hostname=HOST)


def test_other_faults_stay_faults() -> None:
    """A path is found, and somebody else's certificate is refused."""
    context = client(*BOTH)
    bad = LOWER.issue("other.example")
    with pytest.raises(tlskit.IdentityError):
        path_to(context, bad)
    context.set_pins([pin_of(ROOT.certificate)])

    assert WHOLE == path_to(context)


def test_clients_that_send_too_little() -> None:
    """A server completes its clients' chains as well."""
    server = tlskit.ServerContext()
    ROOT.issue(HOST).apply(server)
    ROOT.trust(server)
    server.set_verify()
    server.load_intermediates(BOTH)
    asking = client()
    leaf = LOWER.issue("me.example")
    asking.load_certificate_chain(leaf.certificate)
    asking.load_private_key(leaf.key)
    here, there = memory_pair(asking, server, hostname=HOST)
    with here, there:
        assert there.peer_verified
        assert 4 == len(there.verified_chain)


def test_one_that_issued_itself_is_left_out() -> None:
    """It could only be trusted, or do nothing."""
    context = client()
    context.load_intermediates([ROOT.certificate, UPPER.certificate])

    assert 1 == len(context.settings.intermediates)


def test_sources(tmp_path: Path) -> None:
    """A path and bytes will do; nothing, and nonsense, are refused."""
    path = tmp_path / "more.pem"
    path.write_bytes(UPPER.pem + LOWER.pem)
    for source in (path, str(path), path.read_bytes()):
        context = client()
        context.load_intermediates(source)

        assert WHOLE == path_to(context)
    for wrong in (b"", b"nonsense", tmp_path / "absent", []):
        with pytest.raises(CredentialError):
            client().load_intermediates(wrong)


def test_a_sealed_context_takes_no_more() -> None:
    """The seal holds."""
    context = client()
    context.seal()

    with pytest.raises(SealedError):
        context.load_intermediates(BOTH)


def test_others_are_another_policy() -> None:
    """Contexts that know other intermediates are not the same."""
    assert client(*BOTH) == client(*BOTH)
    assert client() != client(*BOTH)
