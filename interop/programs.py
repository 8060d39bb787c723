"""The programs: how each is run as a server, and as a client that resumes."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tlskit.testing import CA

__all__ = ["CLIENTS", "SERVERS", "Place", "free_port"]

SECONDS = 20


@dataclass(frozen=True)
class Place:
    """A folder with credentials."""

    folder: Path
    roots: str
    chain: str
    key: str
    both: str

    @classmethod
    def made(cls, folder: Path, ca: CA) -> Place:
        """Write the files."""
        leaf = ca.issue("localhost", "127.0.0.1", key_type="rsa")
        roots, both = folder / "roots.pem", folder / "both.pem"
        roots.write_bytes(ca.pem)
        both.write_bytes(leaf.chain_pem + leaf.key_pem)
        chain, key = leaf.write(folder)
        return cls(folder, str(roots), str(chain), str(key), str(both))


def free_port() -> int:
    """Find a port for a program that can't tell which one it took."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def running(*command: str) -> Iterator[None]:
    """Run a server meanwhile."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield
        finally:
            process.kill()


Serve = Callable[[Place, int], AbstractContextManager[None]]
Call = Callable[[Place, int, str], None]


def _openssl(place: Place, number: int) -> AbstractContextManager[None]:
    return running(
        *("openssl", "s_server", "-www", "-accept", str(number)),
        *("-cert", place.chain, "-key", place.key),
    )


def _gnutls(place: Place, number: int) -> AbstractContextManager[None]:
    return running(
        *("gnutls-serv", "--http", "--port", str(number)),
        *("--x509certfile", place.chain, "--x509keyfile", place.key),
    )


def _nginx(place: Place, number: int) -> AbstractContextManager[None]:
    text = f"""daemon off; master_process off; pid {place.folder}/nginx.pid;
    error_log /dev/null; events {{}}
    http {{ access_log off; server {{
        listen 127.0.0.1:{number} ssl; ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate {place.chain}; ssl_certificate_key {place.key};
        location / {{ return 200 "hello"; }} }} }}"""
    path = place.folder / "nginx.conf"
    path.write_text(text)
    return running("nginx", "-c", str(path), "-p", str(place.folder))


def _haproxy(place: Place, number: int) -> AbstractContextManager[None]:
    path = place.folder / "haproxy.cfg"
    path.write_text(f"""defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend f
    bind 127.0.0.1:{number} ssl crt {place.both} ssl-min-ver TLSv1.2
    http-request return status 200 content-type text/plain string hello
""")
    return running("haproxy", "-db", "-f", str(path))


def _node(place: Place, number: int) -> AbstractContextManager[None]:
    return running(
        *("node", "-e"),
        "const f=require('fs'); require('https').createServer({"
        f"cert:f.readFileSync('{place.chain}'),"
        f"key:f.readFileSync('{place.key}')}},(q,a)=>a.end('hello'))"
        f".listen({number},'127.0.0.1')",
    )


def _socat(place: Place, number: int) -> AbstractContextManager[None]:
    return running(
        "socat",
        f"OPENSSL-LISTEN:{number},reuseaddr,fork,cert={place.both},verify=0",
        "SYSTEM:echo hello; cat",
    )


_JAVA = """
import java.io.*; import java.security.*; import javax.net.ssl.*;
public class Serve { public static void main(String[] a) throws Exception {
  KeyStore s = KeyStore.getInstance("PKCS12");
  s.load(new FileInputStream(a[0]), "secret".toCharArray());
  KeyManagerFactory k = KeyManagerFactory.getInstance("PKIX");
  k.init(s, "secret".toCharArray());
  SSLContext c = SSLContext.getInstance("TLS");
  c.init(k.getKeyManagers(), null, null);
  SSLServerSocket l = (SSLServerSocket) c.getServerSocketFactory()
    .createServerSocket(Integer.parseInt(a[1]));
  while (true) { SSLSocket x = (SSLSocket) l.accept();
    new Thread(() -> { try { x.getOutputStream().write("hello".getBytes());
      x.getInputStream().read(new byte[4096]); x.close(); }
      catch (IOException e) { } }).start(); } } }
"""


@contextmanager
def _java(place: Place, number: int) -> Iterator[None]:
    store, source = place.folder / "s.p12", place.folder / "Serve.java"
    source.write_text(_JAVA)
    subprocess.run(
        [
            *("openssl", "pkcs12", "-export", "-in", place.both),
            *("-out", str(store), "-passout", "pass:secret"),
        ],
        check=True,
    )
    with running("java", str(source), str(store), str(number)):
        yield


@contextmanager
def _ssl(place: Place, number: int) -> Iterator[None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place.chain, place.key)
    ended = threading.Event()

    def answer(sock: socket.socket) -> None:
        with (
            suppress(OSError),
            context.wrap_socket(sock, server_side=True) as wrapped,
        ):
            wrapped.sendall(b"hello")
            wrapped.recv(4096)

    with socket.create_server(("127.0.0.1", number)) as listener:

        def serve() -> None:
            while not ended.is_set():
                sock, _ = listener.accept()
                sock.settimeout(SECONDS)
                threading.Thread(target=answer, args=(sock,)).start()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            socket.create_connection(("127.0.0.1", number)).close()
            thread.join()


#: Name -> program that has to be installed, and how it serves.
SERVERS: dict[str, tuple[str, Serve]] = {
    "OpenSSL s_server": ("openssl", _openssl),
    "gnutls-serv": ("gnutls-serv", _gnutls),
    "Python ssl": ("", _ssl),
    "nginx": ("nginx", _nginx),
    "HAProxy": ("haproxy", _haproxy),
    "Node.js": ("node", _node),
    "socat": ("socat", _socat),
    "Java (JSSE)": ("java", _java),
}


# -- clients ----------------------------------------------------------------


def _run(*command: str, said: bytes = b"x\n") -> None:
    subprocess.run(
        command,
        input=said,
        timeout=SECONDS,
        capture_output=True,
        check=False,
    )


def _s_client(place: Place, number: int, _version: str) -> None:
    session = str(place.folder / "session")
    where = ("openssl", "s_client", "-connect", f"127.0.0.1:{number}")
    more = ("-servername", "localhost", "-CAfile", place.roots)
    for option in ("-sess_out", "-sess_in"):
        with subprocess.Popen(
            [*where, *more, option, session],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.rstrip() == b"hello":  # The tickets are in.
                    break
            process.communicate(b"Q\n", timeout=SECONDS)


def _gnutls_cli(place: Place, number: int, _version: str) -> None:
    _run(
        *("gnutls-cli", "--resume", "--port", str(number)),
        *("--x509cafile", place.roots, "localhost"),
    )


def _ssl_client(place: Place, number: int, _version: str) -> None:
    context = ssl.create_default_context(cafile=place.roots)
    session: ssl.SSLSession | None = None
    for _ in range(2):
        sock = socket.create_connection(("127.0.0.1", number), SECONDS)
        with context.wrap_socket(
            sock, server_hostname="localhost", session=session
        ) as wrapped:
            wrapped.recv(10)
            session = wrapped.session
            wrapped.sendall(b"x")


def _node_client(place: Place, number: int, _version: str) -> None:
    _run(
        *("node", "-e"),
        "const t=require('tls'),ca=require('fs').readFileSync("
        f"'{place.roots}');let s;const go=(n)=>{{const c=t.connect({{port:"
        f"{number},host:'127.0.0.1',servername:'localhost',ca,session:s}});"
        "c.on('session',x=>{s=x});c.on('data',()=>c.end('x'));"
        "c.on('close',()=>{if(n)go(n-1)});c.on('error',()=>{})};go(1)",
    )


def _curl(place: Place, number: int, version: str) -> None:
    # One process, two connections: HTTP/0.9 is what our listener speaks.
    url = f"https://localhost:{number}/"
    option = "--tls-max" if version == "tls12" else "--tlsv1.3"
    value = ("1.2",) if version == "tls12" else ()
    _run(
        *("curl", "-s", "--http0.9", "--cacert", place.roots, option, *value),
        *("--no-keepalive", "-H", "Connection: close", url, url),
    )


_JAVA_CLIENT = """
import java.io.*; import java.security.*; import java.security.cert.*;
import javax.net.ssl.*;
public class Call { public static void main(String[] a) throws Exception {
  KeyStore s = KeyStore.getInstance(KeyStore.getDefaultType()); s.load(null);
  s.setCertificateEntry("ca", CertificateFactory.getInstance("X.509")
    .generateCertificate(new FileInputStream(a[0])));
  TrustManagerFactory t = TrustManagerFactory.getInstance("PKIX"); t.init(s);
  SSLContext c = SSLContext.getInstance("TLS");
  c.init(null, t.getTrustManagers(), null);
  for (int i = 0; i < 2; i++) { SSLSocket x = (SSLSocket) c.getSocketFactory()
    .createSocket("localhost", Integer.parseInt(a[1]));
    x.getInputStream().read(new byte[100]); x.getOutputStream().write(120);
    x.close(); } } }
"""


def _java_client(place: Place, number: int, _version: str) -> None:
    source = place.folder / "Call.java"
    source.write_text(_JAVA_CLIENT)
    _run("java", str(source), place.roots, str(number))


#: Name -> program that has to be installed, and how it calls, twice.
CLIENTS: dict[str, tuple[str, Call]] = {
    "OpenSSL s_client": ("openssl", _s_client),
    "gnutls-cli": ("gnutls-cli", _gnutls_cli),
    "Python ssl": ("", _ssl_client),
    "Node.js": ("node", _node_client),
    "curl": ("curl", _curl),
    "Java (JSSE)": ("java", _java_client),
}
