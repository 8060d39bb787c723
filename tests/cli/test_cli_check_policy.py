"""``tlskit check --policy``: who fails, and why; and both halves by name."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import tlskit as library
from tlskit.cli.check.policies import (
    Rule,
    key_kind,
    withstands,
    words_of_certificate,
)
from tlskit.cli.main import run
from tlskit.openssl import native
from tlskit.testing import CA, memory_pair

from ..command import tlskit
from ..peers import TcpServer, Vault
from ..servers import echo_server

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(
        not native.has("groups"), reason="the binding can't choose groups"
    ),
]
PQ = "2026-12-pq"
CNSA = "2026-12-cnsa2"


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """Credentials for this file."""
    return Vault(tmp_path_factory.mktemp("vault"))


def checked(vault, policy, *ports):
    """Check servers by a policy: status, lines, and data."""
    hosts = [f"localhost:{port}" for port in ports]
    arguments = ("check", "-q", "--policy", policy, "--ca", vault.roots)
    text = tlskit(*arguments, *hosts)
    data = tlskit(*arguments, "--json", *hosts)

    assert text.returncode == data.returncode
    return (
        text.returncode,
        text.stdout.splitlines(),
        json.loads(data.stdout)["hosts"],
    )


@contextmanager
def servers(vault, *settings):
    """Run servers that differ in their settings; give their ports."""
    if not settings:
        yield ()
        return
    with (
        echo_server(vault.leaf(), **settings[0]) as port,
        servers(vault, *settings[1:]) as ports,
    ):
        yield (port, *ports)


def test_who_fails_and_why(vault):
    """Of two servers one keeps to it; the other has the wrong group."""
    with servers(vault, {}, {"set_groups": ["X25519"]}) as ports:
        status, lines, hosts = checked(vault, PQ, *ports)

    assert 8 == status
    assert lines[0].startswith(f"good            localhost:{ports[0]}  TLS")
    assert "X25519MLKEM768 (post-quantum)" in lines[0]
    assert (
        f"policy          localhost:{ports[1]}  fails {PQ}: it exchanges "
        "keys by x25519, which is none of X25519MLKEM768, "
        "SecP256r1MLKEM768, SecP384r1MLKEM1024" == lines[1]
    )
    assert [PQ, PQ] == [each["policy"] for each in hosts]
    assert [0, 1] == [len(each["misfits"]) for each in hosts]
    assert hosts[0]["error"] is None
    assert "alert-handshake-failure" == hosts[1]["error"]["code"]


def test_without_a_policy_nobody_is_held_to_one(vault):
    """The same server is good, and its halves have their names."""
    with servers(vault, {"set_groups": ["X25519"]}) as ports:
        done = tlskit("check", "--ca", vault.roots, f"localhost:{ports[0]}")

    assert 0 == done.returncode
    assert "  x25519 (not post-quantum)  " in done.stdout
    assert (
        "  certificate EC-secp256r1 (not post-quantum)  localhost <- "
        in done.stdout
    )


def test_versions_suites_and_signatures(vault):
    """Each line of a policy has its words."""
    settings = {"set_ciphersuites": "TLS_AES_128_GCM_SHA256"}
    with servers(vault, settings) as ports:
        _, lines, _ = checked(vault, CNSA, *ports)

    for words in (
        "it exchanges keys by X25519MLKEM768, which is none of SecP384r1",
        "it encrypts by TLS_AES_128_GCM_SHA256, which is none of TLS_AES_256",
        "it signs by ecdsa_secp256r1_sha256, which is none of mldsa87",
        "the certificate of CN=localhost is signed by ecdsa_secp256r1_sha256",
    ):
        assert words in lines[0]
    context = library.ServerContext("tls12")
    vault.leaf().leaf.apply(context)
    asking = library.ClientContext("auto")
    vault.ca.trust(asking)
    asking.set_verify()
    client, server = memory_pair(asking, context, hostname="localhost")
    with client, server:
        (first, *_) = Rule("2026-12-modern").misfits(client)

    assert "it speaks TLS 1.2, not TLS 1.3" == first


def test_a_chain_that_does_not_keep_to_it(vault):
    """The handshake may; a certificate above may not."""
    root = CA(key_type="rsa")
    with echo_server(vault.files(root.issue("localhost"))) as port:
        roots = vault._write("rsa.pem", root.pem)
        done = tlskit(
            *("check", "--json", "--ca", roots, f"localhost:{port}"),
            *("--policy", "2026-12-modern"),
        )
        assert 0 == done.returncode
    below = root.intermediate()
    with echo_server(vault.files(below.issue("localhost"))) as port:
        done = tlskit(
            *("check", "--ca", roots, f"localhost:{port}", "--policy", CNSA)
        )

    assert 8 == done.returncode
    assert (
        "signed by rsa_pkcs1_sha256, which is none of mldsa87" in done.stdout
    )


def test_a_chain_misfits_though_the_handshake_succeeds(vault):
    """Then the session is told, too: OpenSSL takes what signed a CA's."""
    key = ec.generate_private_key(ec.SECP384R1())
    files = vault.files(vault.ca.issue("localhost", key=key))
    groups = list(Rule(CNSA).policy.groups)
    with echo_server(files, set_groups=groups) as port:
        status, lines, hosts = checked(vault, CNSA, port)
    (host,) = hosts

    assert (8, "policy") == (status, host["verdict"])
    assert "TLS 1.3" in host["session"]["version"]
    assert host["error"] is None
    words = lines[0].split("  ")
    place = words.index("TLS 1.3")
    assert "SecP384r1MLKEM1024 (post-quantum)" == words[place + 1]
    assert "signed by ecdsa_secp256r1_sha256, which is none of" in lines[0]


def test_a_bad_certificate_counts_more(vault):
    """What is wrong under any rule is told first."""
    with (
        servers(vault) as _,
        echo_server(vault.leaf(bad="expired"), set_groups=["X25519"]) as port,
    ):
        status, _, hosts = checked(vault, PQ, port)

    assert 4 == status
    assert "expired" == hosts[0]["verdict"]
    assert [] == hosts[0]["misfits"]


def test_nobody_there_is_no_misfit(vault):
    """Neither is a server that speaks no TLS, or only once."""
    with TcpServer(lambda sock: sock.sendall(b"SSH-2.0-x\r\n")) as server:
        done = tlskit(
            *("check", "--policy", PQ, "--ca", vault.roots),
            f"localhost:{server.port}",
        )

    assert 9 == done.returncode
    assert "fails" not in done.stdout

    def close(sock):
        sock.recv(4096)

    with TcpServer(close) as server:
        done = tlskit(
            *("check", "--policy", PQ, "--ca", vault.roots),
            f"localhost:{server.port}",
        )

    assert 2 == done.returncode
    assert "fails" not in done.stdout


def test_an_unknown_policy(vault):
    """Those that there are, are named."""
    done = tlskit("check", "--policy", "2026-12", "localhost")

    assert 1 == done.returncode
    assert CNSA in done.stderr


def test_a_binding_that_can_not(vault, capsys):
    """A policy that can't be kept to is not checked."""
    with native.without("groups"):
        status = run(
            ["check", "--policy", PQ, "--ca", vault.roots, "localhost:1"]
        )

    assert 1 == status
    assert "capability 'groups'" in capsys.readouterr().err


# -- the certificate's half -------------------------------------------------


def ml_dsa():
    """Make a CA for ML-DSA, where there are such keys."""
    try:
        return CA(key_type="mldsa65")
    except library.UnsupportedError:
        pytest.skip("this cryptography makes no ML-DSA keys")


def test_a_chain_withstands_as_a_whole():
    """One key that does not spoils it."""
    root = ml_dsa()
    whole = (root.issue("a", key_type="mldsa87").certificate, root.certificate)
    mixed = (root.issue("a").certificate, root.certificate)

    assert withstands(whole)
    assert not withstands(mixed)
    assert not withstands(())
    assert (
        "certificate MLDSA87, signed by MLDSA65 (post-quantum)"
        == words_of_certificate(whole)
    )
    assert (
        "certificate EC-secp256r1, signed by MLDSA65 (not post-quantum)"
        == words_of_certificate(mixed)
    )


def test_a_server_with_both_halves(vault):
    """Key exchange and certificate are post-quantum, each by name."""
    root = ml_dsa()
    roots = vault._write("mldsa.pem", root.pem)
    files = vault.files(root.issue("localhost", key_type="mldsa65"))
    with echo_server(files) as port:
        done = tlskit(
            *("check", "--ca", roots, f"localhost:{port}", "--policy", PQ)
        )
        data = tlskit("check", "--json", "--ca", roots, f"localhost:{port}")
    (host,) = json.loads(data.stdout)["hosts"]

    assert 0 == done.returncode
    assert "X25519MLKEM768 (post-quantum)" in done.stdout
    assert "certificate MLDSA65 (post-quantum)" in done.stdout
    assert host["session"]["post_quantum"] is True
    assert host["certificate_post_quantum"] is True
    assert "MLDSA65" == host["certificate_key"]


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [
        ("rsa", "rsa_pkcs1_sha256"),
        ("rsa-pss", "rsa_pss_pss_sha256"),
        ("ecdsa", "ecdsa_secp256r1_sha256"),
        ("ed25519", "ed25519"),
        ("ed448", "ed448"),
    ],
)
def test_schemes_of_certificates(kind, scheme):
    """They have RFC 8446's names, so that policies can be compared."""
    root = CA(key_type=kind)
    leaf = root.issue("a").certificate

    class Port:
        version = library.TLSVersion.TLS_1_3
        group = cipher = peer_signature_algorithm = None
        verified_chain = (leaf, root.certificate)

    (said,) = Rule(CNSA).misfits(Port())

    assert f"is signed by {scheme}, " in said
    assert key_kind(leaf) == "EC-secp256r1"


def test_a_curve_and_a_digest_that_do_not_belong_together():
    """RFC 8446 has no name for that, and no policy takes it."""
    root = CA(key=ec.generate_private_key(ec.SECP384R1()))
    leaf = root.issue("a").certificate

    class Port:
        version = library.TLSVersion.TLS_1_3
        group = cipher = peer_signature_algorithm = None
        verified_chain = (leaf, root.certificate)

    (said,) = Rule("2026-12-modern").misfits(Port())

    assert "is signed by ecdsa_secp384r1 with sha256, " in said
