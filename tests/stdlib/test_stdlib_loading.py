"""What is loaded and set through the adapter, and raised as in ssl."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

import tlskit
from tlskit.testing import CA, memory_pair

from ..engines import authority, client_context, server_context
from ..peers import VERSIONS


def unsealed() -> tlskit.ClientContext:
    """Make a client's context that may change."""
    return client_context()


Act = Callable[[ssl.SSLContext, Path], object]
ACTS: dict[str, Act] = {
    "no chain": lambda context, where: context.load_cert_chain(where / "none"),
    "no key": lambda context, where: context.load_cert_chain(
        where / "chain.pem", where / "none"
    ),
    "a folder": lambda context, where: context.load_cert_chain(where),
    "no roots": lambda context, where: context.load_verify_locations(
        where / "none"
    ),
    "text as chain": lambda context, where: context.load_cert_chain(
        where / "text"
    ),
    "another key": lambda context, where: context.load_cert_chain(
        where / "chain.pem", where / "other.pem"
    ),
    "text as roots": lambda context, where: context.load_verify_locations(
        where / "text"
    ),
    "text as data": lambda context, _: context.load_verify_locations(
        cadata="text"
    ),
    "no ciphers": lambda context, _: context.set_ciphers("NONSENSE"),
}


def raised(context: ssl.SSLContext, act: Act, where: Path) -> OSError:
    """Give what is raised."""
    with pytest.raises(OSError) as caught:  # noqa: PT011 - looked at
        act(context, where)
    return caught.value


@pytest.mark.parametrize("name", ACTS)
def test_errors_are_those_of_ssl(name: str, tmp_path: Path) -> None:
    """Of the same classes, with ours as the cause."""
    leaf = authority().issue("localhost")
    (tmp_path / "chain.pem").write_bytes(leaf.chain_pem)
    other = authority().issue("localhost").key_pem
    (tmp_path / "other.pem").write_bytes(other)
    (tmp_path / "text").write_text("text")
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs = raised(plain, ACTS[name], tmp_path)
    ours = raised(unsealed().as_ssl_context(), ACTS[name], tmp_path)

    assert isinstance(ours.__cause__, tlskit.ConfigurationError)
    assert isinstance(ours, ssl.SSLError) is isinstance(theirs, ssl.SSLError)
    if not isinstance(theirs, ssl.SSLError):
        assert type(theirs) is type(ours)
        assert theirs.errno == ours.errno
        assert ours.filename


@pytest.mark.parametrize("name", ["none", "text"])
def test_parameters_that_are_none(name: str, tmp_path: Path) -> None:
    """A server's Diffie-Hellman parameters fail as in ``ssl``, too."""
    (tmp_path / "text").write_text("text")

    def act(context: ssl.SSLContext, where: Path) -> object:
        return context.load_dh_params(str(where / name))

    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs = raised(plain, act, tmp_path)
    ours = raised(server_context().as_ssl_context(), act, tmp_path)

    assert isinstance(ours.__cause__, tlskit.ConfigurationError)
    assert isinstance(ours, ssl.SSLError) is isinstance(theirs, ssl.SSLError)
    assert isinstance(ours, FileNotFoundError) is (name == "none")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """ssl takes it in silence, and later trusts nobody; we tell."""
    with pytest.raises(FileNotFoundError):
        unsealed().as_ssl_context().load_verify_locations(
            capath=tmp_path / "none"
        )


def test_what_is_sealed_stays_so(tmp_path: Path) -> None:
    """That is no error of ssl's, and nothing is told of files."""
    context = unsealed()
    context.seal()
    leaf = authority().issue("localhost")
    chain, key = leaf.write(tmp_path)
    adapter = context.as_ssl_context()
    for act in (
        lambda: adapter.load_cert_chain(chain, key),
        lambda: adapter.set_ciphers("ECDHE+AESGCM"),
        lambda: setattr(
            adapter, "options", adapter.options | NO_RENEGOTIATION
        ),
        lambda: setattr(
            adapter,
            "verify_flags",
            adapter.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN,
        ),
    ):
        with pytest.raises(tlskit.SealedError):
            act()


# -- flags ------------------------------------------------------------------

NO_RENEGOTIATION = ssl.OP_NO_RENEGOTIATION


def met(context: tlskit.ClientContext, leaf: tlskit.testing.Leaf) -> str:
    """Say how a server with this certificate is met."""
    server = tlskit.ServerContext()
    leaf.apply(server)
    try:
        ours, theirs = memory_pair(context, server)
    except tlskit.VerificationError as error:
        return error.code
    with ours, theirs:
        return "good"


def test_revocation_lists_by_flags(tmp_path: Path) -> None:
    """Lists come with the roots, and count once a flag says so."""
    ca = CA("tlskit lists CA")
    good, bad = ca.issue("localhost"), ca.issue("localhost")
    path = tmp_path / "roots.pem"
    path.write_bytes(ca.pem + ca.crl([bad]))
    context = unsealed()
    adapter = context.as_ssl_context()
    adapter.load_verify_locations(path)
    assert {"x509": 2, "crl": 1, "x509_ca": 2} == adapter.cert_store_stats()

    assert ["good", "good"] == [met(context, each) for each in (good, bad)]
    adapter.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    assert adapter.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF
    assert ["good", "revoked"] == [met(context, each) for each in (good, bad)]
    adapter.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    assert tlskit.policy.settings.RevocationCheck.CHAIN is (
        context.settings.revocation_check
    )
    adapter.verify_flags &= ~ssl.VERIFY_CRL_CHECK_CHAIN
    assert "good" == met(context, bad)


def test_a_file_of_lists_only(tmp_path: Path) -> None:
    """It brings no root; what is checked without any list is refused."""
    ca = CA("tlskit lists CA")
    leaf = ca.issue("localhost")
    path = tmp_path / "list.pem"
    path.write_bytes(ca.crl([leaf]))
    context = tlskit.ClientContext("auto")
    ca.trust(context)
    context.set_verify()
    adapter = context.as_ssl_context()
    adapter.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    assert "good" != met(context, leaf)
    assert "revoked" != met(context, leaf)
    adapter.load_verify_locations(path)
    assert "revoked" == met(context, leaf)
    assert 1 == context.settings.root_count


def test_partial_chains_by_a_flag(tmp_path: Path) -> None:
    """A CA that was loaded as trusted is enough, with the flag."""
    middle = CA("tlskit far root").intermediate()
    path = tmp_path / "middle.pem"
    path.write_bytes(middle.pem)
    context = tlskit.ClientContext("auto")
    context.set_verify()
    adapter = context.as_ssl_context()
    adapter.load_verify_locations(path)
    leaf = middle.issue("localhost")

    assert "good" != met(context, leaf)
    adapter.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    assert adapter.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert "good" == met(context, leaf)
    adapter.verify_flags &= ~ssl.VERIFY_X509_PARTIAL_CHAIN
    assert "good" != met(context, leaf)


def test_no_renegotiation() -> None:
    """The option is kept, and a server then asks nobody later on."""
    context = server_context()
    adapter = context.as_ssl_context()
    assert not adapter.options & NO_RENEGOTIATION
    adapter.options |= NO_RENEGOTIATION
    assert adapter.options & NO_RENEGOTIATION
    asking = client_context("tls12")
    authority().issue("client.example").apply(asking)
    authority().trust(context)
    ours, theirs = memory_pair(asking, context)
    with ours, theirs, pytest.raises(tlskit.StreamError):
        theirs.set_verify()
    adapter.options &= ~NO_RENEGOTIATION
    assert not context.settings.no_renegotiation


@pytest.mark.parametrize("version", VERSIONS)
def test_connections_without_renegotiation(version: str) -> None:
    """What needs none works as before."""
    asking, context = client_context(version), server_context()
    for each in (asking, context):
        adapter = each.as_ssl_context()
        adapter.options |= NO_RENEGOTIATION
    ours, theirs = memory_pair(asking, context)
    with ours, theirs:
        ours.sendall(b"x")
        assert b"x" == theirs.recv(1)
