"""JA3 and JA4 of real clients, as independent implementations tell them.

JA4 is ja4plus's, JA3 is tshark's; both read the bytes that we read.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

import tlskit
from tlskit.openssl import native

from ..peers import PATIENCE, Program, TcpServer

# They are all asked in one go.
pytestmark = pytest.mark.timeout(240)

#: A client: from the port to connect to, to the program, or to None once done.
Client = Callable[[int], "Program | None"]

#: Reads ClientHellos in hex, one a line, and writes the JA4 of each.
JA4PLUS = """
import sys
from scapy.all import IP, TCP, Raw
from ja4plus import generate_ja4
from ja4plus.utils.tls_utils import extract_tls_info
for line in sys.stdin:
    packet = IP() / TCP(sport=1234, dport=443) / Raw(bytes.fromhex(line))
    print(generate_ja4(extract_tls_info(packet)))
"""


def program(*command: str) -> Client:
    """Run a program; "PORT" stands for the port."""

    def start(port: int) -> Program:
        return Program(*(each.replace("PORT", str(port)) for each in command))

    return start


def of_ssl(port: int) -> None:
    """Come by the standard library."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", port), PATIENCE) as sock,
    ):
        context.wrap_socket(sock, server_hostname="localhost")


def of_tlskit(*, grease: bool = False, policy: str | None = None) -> Client:
    """Come by ourselves."""

    def come(port: int) -> None:
        context = tlskit.ClientContext("auto")
        context.set_verify()
        if grease:
            context.set_ech_grease()
        if policy is not None:
            context.set_policy(policy)
        with suppress(OSError):
            tlskit.connect(
                "127.0.0.1",
                port,
                context,
                hostname="localhost",
                alpn=["h2"],
                timeout=PATIENCE,
            )

    return come


def of_curl_cffi(browser: str) -> Client:
    """Come as a browser does."""

    def come(port: int) -> None:
        requests = pytest.importorskip("curl_cffi.requests")
        with suppress(requests.exceptions.RequestException):
            requests.get(
                f"https://localhost:{port}/",
                impersonate=browser,
                timeout=PATIENCE,
            )

    return come


NODE = """require("tls").connect({host: "127.0.0.1", port: PORT,
servername: "localhost", ALPNProtocols: ["h2"]}).on("error", () => {})"""
JAVA = """
import javax.net.ssl.*;
public class Client {
  public static void main(String[] arguments) throws Exception {
    var socket = (SSLSocket) SSLSocketFactory.getDefault().createSocket(
        "localhost", Integer.parseInt(arguments[0]));
    socket.startHandshake();
  }
}
"""
PROGRAMS: dict[str, tuple[str, ...]] = {
    "openssl": ("openssl", "s_client", "-connect", "localhost:PORT"),
    "openssl-tls12": (
        *("openssl", "s_client", "-connect", "localhost:PORT"),
        *("-tls1_2", "-alpn", "h2,http/1.1"),
    ),
    "openssl-noname": (
        *("openssl", "s_client", "-connect", "127.0.0.1:PORT"),
        "-noservername",
    ),
    "gnutls": ("gnutls-cli", "-p", "PORT", "localhost"),
    "curl": ("curl", "-s", "https://localhost:PORT/"),
    "node": ("node", "-e", NODE),
}
BROWSERS = ("chrome", "firefox", "safari", "edge")
OURS: dict[str, Client] = {
    "ssl": of_ssl,
    "tlskit": of_tlskit(),
    "tlskit-pq": of_tlskit(policy="2026-12-pq"),
    "tlskit-ech-grease": of_tlskit(grease=True),
    **{each: of_curl_cffi(each) for each in BROWSERS},
}


def first_words(client: Client) -> bytes:
    """Give the records of the ClientHello that a client sends."""

    def hear(sock: socket.socket) -> bytes:
        data = b""
        while True:
            with suppress(ValueError):
                tlskit.ClientHello.parse(data)
                return data
            more = sock.recv(65536)
            assert more, f"no ClientHello in {data!r}"
            data += more

    with TcpServer(hear) as server:
        running = client(server.port)
        try:
            return server.result()
        finally:
            if running is not None:
                running.__exit__()


def missing(name: str) -> str | None:
    """Say why a client can't come here, if it can't."""
    command = "javac" if name == "java" else PROGRAMS.get(name, ("",))[0]
    if command and shutil.which(command) is None:
        return f"{command} is not installed"
    if name in BROWSERS and find_spec("curl_cffi") is None:
        return "curl_cffi is not installed"
    if name == "tlskit-pq" and not native.has("groups"):
        return "the binding can't choose groups"
    if name == "tlskit-ech-grease" and not native.has("ech-grease"):
        return "OpenSSL is older than 4.0"
    return None


@pytest.fixture(scope="module")
def hellos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What each client sends first."""
    source = tmp_path_factory.mktemp("java") / "Client.java"
    source.write_text(JAVA, encoding="ascii")
    java = program("java", str(source), "PORT")
    clients = {
        **{name: program(*command) for name, command in PROGRAMS.items()},
        "java": java,
        **OURS,
    }
    return {
        name: first_words(client)
        for name, client in clients.items()
        if missing(name) is None
    }


@pytest.fixture(scope="module")
def ja4plus(hellos: dict[str, bytes]) -> dict[str, str]:
    """The JA4 of each client, by ja4plus."""
    if find_spec("ja4plus") is None:
        pytest.skip("ja4plus is not installed")
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", JA4PLUS],
        input="\n".join(each.hex() for each in hellos.values()),
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=True,
    )
    return dict(zip(hellos, told.stdout.split(), strict=True))


@pytest.fixture(params=[*PROGRAMS, "java", *OURS])
def name(request: pytest.FixtureRequest) -> str:
    """One client that is here."""
    found: str = request.param
    reason = missing(found)
    if reason is not None:
        pytest.skip(reason)
    return found


def test_ja4_is_that_of_ja4plus(
    name: str, hellos: dict[str, bytes], ja4plus: dict[str, str]
) -> None:
    """The same text, for every client."""
    assert ja4plus[name] == tlskit.ClientHello.parse(hellos[name]).ja4


@pytest.mark.skipif(
    shutil.which("tshark") is None or shutil.which("text2pcap") is None,
    reason="tshark is not installed",
)
def test_ja3_is_that_of_tshark(
    name: str, hellos: dict[str, bytes], tmp_path: Path
) -> None:
    """The same digest, for every client."""
    heard = hellos[name]
    dump = "\n".join(
        f"{at:06x} {heard[at : at + 16].hex(' ')}"
        for at in range(0, len(heard), 16)
    )
    capture = str(tmp_path / "hello.pcap")
    subprocess.run(
        ["text2pcap", "-q", "-T", "1234,443", "-", capture],
        input=f"{dump}\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    told = subprocess.run(
        [
            *("tshark", "-r", capture, "-T", "fields"),
            *("-e", "tls.handshake.ja3"),
        ],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=True,
    )

    assert told.stdout.strip() == tlskit.ClientHello.parse(heard).ja3
