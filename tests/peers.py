"""Real peers for tests: programs, the standard library, bare sockets.

Nothing here sleeps.  Whoever waits, waits for a line of output, for a byte or
for a thread, and gives up after ``PATIENCE`` seconds.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import tlskit
from tlskit.testing import CA, Leaf

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "ALERT",
    "HOST",
    "PATIENCE",
    "VERSIONS",
    "Files",
    "Message",
    "Program",
    "Task",
    "TcpServer",
    "Vault",
    "client_context",
    "echo",
    "gnutls_cli",
    "gnutls_serv",
    "needs",
    "reserved_port",
    "reset",
    "s_client",
    "s_server",
    "server_context",
    "serving",
    "stdlib_client",
    "stdlib_server",
]

T = TypeVar("T")

HOST = "localhost"
#: How long, in seconds, a test waits for anything before it fails.
PATIENCE = 15.0
#: Protocol name -> option of ``openssl``, of GnuTLS, of the standard library.
VERSIONS = {
    "tls12": ("-tls1_2", "+VERS-TLS1.2", ssl.TLSVersion.TLSv1_2),
    "tls13": ("-tls1_3", "+VERS-TLS1.3", ssl.TLSVersion.TLSv1_3),
}


def needs(program: str) -> pytest.MarkDecorator:
    """Skip a test where *program* is not installed, by name."""
    return pytest.mark.skipif(
        shutil.which(program) is None, reason=f"{program} is not installed"
    )


# -- threads ----------------------------------------------------------------


class Task(Generic[T]):
    """Something that goes on in a thread of its own."""

    def __init__(self, function: Callable[..., T], *args: Any) -> None:
        self._function = function
        self._args = args
        self._value: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value.append(self._function(*self._args))
        except BaseException as error:
            self._error = error

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    def settle(self) -> BaseException | None:
        """Wait for the end; give what was raised, or None."""
        self._thread.join(PATIENCE)
        assert not self.running, f"{self._function} does not end"
        return self._error

    def result(self) -> T:
        """Wait for the end; give what was returned, or raise."""
        if self.settle() is not None:
            assert self._error is not None
            raise self._error
        return self._value[0]


# -- programs ---------------------------------------------------------------


#: How ``openssl -msg`` shows an alert: direction, level and number.
ALERT = r"^(>>>|<<<) .*, Alert .*\n +(\w\w) (\w\w)$"


class Message(NamedTuple):
    """An alert as ``openssl -msg`` shows it."""

    sent: bool
    level: str
    name: str


class Program:
    """A running program; its output is gathered while it runs.

    Args:
        command: The program and its arguments.
        cwd: Its directory.
        env: Further variables of its environment.
    """

    def __init__(
        self,
        *command: str,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        # Debian's own openssl.cnf must not decide what a test shows.
        environment = dict(os.environ, OPENSSL_CONF=os.devnull, LC_ALL="C")
        environment.update(env or {})
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._gathered = bytearray()
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._gather, daemon=True)
        self._reader.start()

    def _gather(self) -> None:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while True:
            data = os.read(descriptor, 65536)
            with self._news:
                self._gathered += data
                self._ended = not data
                self._news.notify_all()
            if not data:
                return

    @property
    def output(self) -> str:
        """What the program has written so far, errors included."""
        with self._news:
            return self._gathered.decode("utf-8", "replace")

    def until(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Wait until the output matches *pattern*; give the last match."""
        wanted = re.compile(pattern, re.MULTILINE)
        found: list[re.Match[str]] = []

        def look() -> bool:
            text = self._gathered.decode("utf-8", "replace")
            found[:] = wanted.finditer(text)
            return len(found) >= times or self._ended

        with self._news:
            self._news.wait_for(look, PATIENCE)
        assert len(found) >= times, (
            f"{pattern!r} is not {times} times in ...{self.output[-600:]}"
        )
        return found[times - 1]

    def say(self, data: str | bytes) -> None:
        """Write to the program's standard input."""
        assert self._process.stdin is not None
        wire = data.encode() if isinstance(data, str) else data
        self._process.stdin.write(wire)
        self._process.stdin.flush()

    def try_to_say(self, data: str | bytes) -> None:
        """Write to the program, which may have ended already."""
        with suppress(BrokenPipeError):
            self.say(data)

    def hang_up(self) -> None:
        """End the program's standard input."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def finish(self) -> str:
        """Wait until the program has ended; give all of its output."""
        self._reader.join(PATIENCE)
        assert self._ended, f"it does not end: ...{self.output[-600:]}"
        self._process.wait(PATIENCE)
        return self.output

    @property
    def status(self) -> int:
        """The exit status, once the program has ended."""
        return self._process.wait(PATIENCE)

    @property
    def alerts(self) -> list[Message]:
        """The alerts that ``-msg`` has shown so far."""
        return [
            Message(
                arrow == ">>>",
                {1: "warning", 2: "fatal"}[int(level, 16)],
                tlskit.Alert(int(number, 16)).name.lower(),
            )
            # It has words for most of them, and numbers for all.
            for arrow, level, number in re.findall(
                ALERT, self.output, re.MULTILINE
            )
        ]

    def interrupt(self) -> None:
        """Ask the program to end, as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End the program now."""
        self._process.kill()

    def __enter__(self) -> Self:
        """Give the program."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the program, and gather what it left."""
        self.kill()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        self.hang_up()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def reserved_port() -> Iterator[int]:
    """Give a port of this machine, for a program that can't tell its own.

    Linux gives it to nobody who asks for any port, as a socket is bound to
    it; a server that names it gets it, as that socket does not listen, and
    both set ``SO_REUSEADDR``.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


def s_client(port: int, *options: str) -> Program:
    """Start ``openssl s_client`` against *port* of this machine."""
    return Program(
        "openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options
    )


@contextmanager
def s_server(
    files: Files, *options: str, cwd: Path | None = None
) -> Iterator[tuple[Program, int]]:
    """Run ``openssl s_server``; give it, and its port."""
    with Program(
        *("openssl", "s_server", "-accept", "127.0.0.1:0"),
        *files.options,
        *options,
        cwd=cwd,
    ) as program:
        yield program, int(program.until(r"^ACCEPT 127.0.0.1:(\d+)")[1])


def gnutls_cli(
    port: int,
    priority: str,
    *options: str,
    env: dict[str, str] | None = None,
) -> Program:
    """Start ``gnutls-cli`` against *port* of this machine."""
    return Program(
        *("gnutls-cli", "--port", str(port), "--priority", priority),
        *options,
        "127.0.0.1",
        env=env,
    )


@contextmanager
def gnutls_serv(
    files: Files, priority: str, *options: str
) -> Iterator[tuple[Program, int]]:
    """Run ``gnutls-serv`` as an echo server; give it, and its port."""
    # It can't tell which port it took, so one is chosen for it; another
    # program may be faster, hence several tries.
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        with Program(
            *("gnutls-serv", "--echo", "--port", str(port)),
            *("--priority", priority),
            *("--x509certfile", files.chain, "--x509keyfile", files.key),
            *options,
        ) as program:
            said = program.until(r"listening on IPv4.*done|bind\(\) failed")
            if said[0].endswith("done"):
                yield program, port
                return
    raise AssertionError("gnutls-serv finds no free port")


# -- bare sockets and the standard library ----------------------------------


class TcpServer(Generic[T]):
    """Serves one TCP client in a thread, then closes.

    Args:
        talk: Called with the client's socket; blocking, with a time-out.
    """

    def __init__(self, talk: Callable[[socket.socket], T]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self._talk = talk
        self._end = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self.task = Task(self._serve)

    def _serve(self) -> T:
        client, _ = self._listener.accept()
        with client:
            client.settimeout(PATIENCE)
            return self._talk(client)

    def result(self) -> T:
        """Wait for what *talk* returns, or raise what it raises."""
        return self.task.result()

    def __enter__(self) -> Self:
        """Give the server."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        if self.task.running:
            # Wakes accept(), should nobody have come.
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def stdlib_server(
    context: ssl.SSLContext, talk: Callable[[ssl.SSLSocket], T]
) -> TcpServer[T]:
    """Serve one TLS client by the standard library, in a thread."""

    def shake(sock: socket.socket) -> T:
        with context.wrap_socket(sock, server_side=True) as wrapped:
            return talk(wrapped)

    return TcpServer(shake)


def stdlib_client(
    port: int, context: ssl.SSLContext, hostname: str | None = HOST
) -> ssl.SSLSocket:
    """Connect by the standard library; the handshake is done."""
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
    try:
        return context.wrap_socket(sock, server_hostname=hostname)
    except BaseException:
        sock.close()
        raise


def reset(sock: socket.socket) -> None:
    """Close *sock* by a reset, as a peer does that crashed."""
    sock.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    sock.close()


# -- tlskit's own side ------------------------------------------------------


def echo(port: Any) -> int:
    """Send back what comes, until the peer has finished; count the bytes."""
    count = 0
    while data := port.recv(65536):
        port.sendall(data)
        count += len(data)
    return count


class Serving(Generic[T]):
    """A listener that serves one client in a thread."""

    def __init__(
        self,
        listener: tlskit.Listener,
        talk: Callable[[tlskit.SSLPort], T],
    ) -> None:
        self._listener = listener
        self._talk = talk
        self.port = listener.port
        #: Both sides' connection, once it is accepted.
        self.accepted: tlskit.SSLPort | None = None
        self.task = Task(self._serve)

    def _serve(self) -> T:
        with self._listener.accept(timeout=PATIENCE) as port:
            self.accepted = port
            port.settimeout(PATIENCE)
            return self._talk(port)

    def result(self) -> T:
        """Wait for what *talk* returns, or raise what went wrong."""
        return self.task.result()

    def refusal(self) -> BaseException:
        """Wait for what went wrong."""
        error = self.task.settle()
        assert error is not None, "nothing was refused"
        return error


@contextmanager
def serving(
    context: tlskit.ServerContext,
    talk: Callable[[tlskit.SSLPort], Any] = echo,
) -> Iterator[Serving[Any]]:
    """Listen with *context*, and serve one client in a thread."""
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        yield Serving(listener, talk)


# -- credentials ------------------------------------------------------------


@dataclass(frozen=True)
class Files:
    """A leaf, and the files which programs read it from."""

    leaf: Leaf
    chain: str
    key: str
    #: The chain without the leaf; None if nothing is left then.
    issuers: str | None

    @property
    def options(self) -> tuple[str, ...]:
        """What makes ``openssl`` present the whole chain."""
        # It takes only the first certificate from the file after -cert.
        above = () if self.issuers is None else ("-cert_chain", self.issuers)
        return "-cert", self.chain, "-key", self.key, *above


class Vault:
    """Credentials for a whole test session, each made when first needed.

    Args:
        directory: Where the files go.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: dict[Any, Any] = {}
        self._lock = threading.RLock()
        self._count = 0

    def _once(self, key: Any, make: Callable[[], T]) -> T:
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            found: T = self._made[key]
            return found

    @property
    def ca(self) -> CA:
        """The CA that everybody trusts."""
        return self._once("ca", lambda: CA("tlskit peers CA"))

    @property
    def stranger(self) -> CA:
        """A CA that nobody trusts."""
        return self._once("stranger", lambda: CA("tlskit stranger CA"))

    @property
    def intermediate(self) -> CA:
        """A CA below the one that everybody trusts."""
        return self._once(
            "intermediate",
            lambda: self.ca.intermediate(name="tlskit middle CA"),
        )

    @property
    def roots(self) -> str:
        """The file with the trusted CA."""
        return self._once(
            "roots", lambda: self._write("roots.pem", self.ca.pem)
        )

    def leaf(
        self,
        *names: str,
        kind: str = "ecdsa",
        ca: CA | None = None,
        bad: str | None = None,
    ) -> Files:
        """Give the credentials for *names*; for this machine by default."""
        wanted = names or (HOST, "127.0.0.1", "::1")
        issuer = self.ca if ca is None else ca
        key = (wanted, kind, issuer.pem, bad)

        def make() -> Files:
            if bad is None:
                leaf = issuer.issue(*wanted, key_type=kind)
            else:
                leaf = issuer.issue_bad(bad, *wanted)
            return self.files(leaf)

        return self._once(key, make)

    def files(self, leaf: Leaf) -> Files:
        """Write a leaf to files."""
        self._count += 1
        directory = self._directory / f"leaf{self._count}"
        directory.mkdir()
        chain, key = leaf.write(directory)
        issuers = None
        if leaf.chain[1:]:
            pem = b"".join(
                each.public_bytes(Encoding.PEM) for each in leaf.chain[1:]
            )
            issuers = self._write(f"{directory.name}/issuers.pem", pem)
        return Files(leaf, str(chain), str(key), issuers)

    def _write(self, name: str, data: bytes) -> str:
        path = self._directory / name
        path.write_bytes(data)
        return str(path)


def client_context(
    vault: Vault, protocol: str = "auto"
) -> tlskit.ClientContext:
    """Make a verifying client's context that trusts the vault's CA."""
    context = tlskit.ClientContext(protocol)
    context.load_verify_root_certificates(vault.roots)
    context.set_verify()
    context.set_verify_hostname()
    return context


def server_context(
    files: Files, protocol: str = "secure"
) -> tlskit.ServerContext:
    """Make a server's context."""
    return tlskit.ServerContext(
        protocol, certificate_chain=files.chain, private_key=files.key
    )


def moment() -> float:
    """Give the time that time-outs are measured in."""
    return time.monotonic()
