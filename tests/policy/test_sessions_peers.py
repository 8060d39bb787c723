"""Sessions resumed with other people's servers and clients, over sockets."""

from __future__ import annotations

import re
import socket
import ssl
import sys
from pathlib import Path

import pytest

import tlskit

from ..peers import (
    HOST,
    PATIENCE,
    VERSIONS,
    Files,
    Program,
    Task,
    Vault,
    client_context,
    gnutls_serv,
    needs,
    s_client,
    s_server,
    server_context,
    stdlib_server,
)

pytestmark = pytest.mark.native


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version, by the name of its protocol."""
    name: str = request.param
    return name


def caching(vault: Vault, version: str = "auto") -> tlskit.ClientContext:
    """Make a verifying client's context that resumes."""
    context = client_context(vault, version)
    context.set_session_cache(tlskit.SessionCache())
    return context


def visit(
    context: tlskit.ClientContext,
    port: int,
    *,
    hostname: str = HOST,
    word: bytes = b"",
) -> bool:
    """Connect, say *word* and hear something, and say whether we resumed."""
    with tlskit.connect(
        "127.0.0.1", port, context, hostname=hostname, timeout=PATIENCE
    ) as ours:
        assert ours.peer_verified
        if word:
            ours.sendall(word)
            assert ours.recv(100)
        return ours.session_reused


# -- servers ----------------------------------------------------------------


class Hosts:
    """Greets so many clients one by one, in a thread."""

    def __init__(
        self, context: tlskit.ServerContext, count: int, word: bytes = b"hi"
    ) -> None:
        self._listener = tlskit.listen(hostname="127.0.0.1", context=context)
        self._count = count
        self._word = word
        self.port = self._listener.port
        self._task = Task(self._serve)

    def _serve(self) -> list[bool]:
        seen = []
        with self._listener:
            for _ in range(self._count):
                with self._listener.accept(timeout=PATIENCE) as port:
                    port.settimeout(PATIENCE)
                    port.sendall(self._word)
                    while port.recv(1000):
                        pass
                    seen.append(port.session_reused)
        return seen

    def result(self) -> list[bool]:
        """Wait for the last client; say who resumed."""
        return self._task.result()


def test_our_own_server(vault: Vault, version: str) -> None:
    """Both ends of a connection agree that it was resumed."""
    hosts = Hosts(server_context(vault.leaf()), 3)
    context = caching(vault, version)
    seen = [visit(context, hosts.port, word=b"hello") for _ in range(3)]

    assert [False, True, True] == seen
    assert seen == hosts.result()


def test_who_only_writes_resumes_too(vault: Vault, version: str) -> None:
    """Closing takes in the tickets that nobody has read."""
    hosts = Hosts(server_context(vault.leaf()), 2)
    context = caching(vault, version)
    seen = [visit(context, hosts.port) for _ in range(2)]

    assert [False, True] == seen
    assert seen == hosts.result()


def test_standard_library_server(vault: Vault, version: str) -> None:
    """A server of the standard library sees that we resume."""
    files = vault.leaf()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    only = VERSIONS[version][2]
    context.minimum_version = context.maximum_version = only
    context.load_cert_chain(files.chain, files.key)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(PATIENCE)
    number = listener.getsockname()[1]

    def serve() -> list[bool]:
        seen = []
        for _ in range(3):
            sock, _ = listener.accept()
            sock.settimeout(PATIENCE)
            with context.wrap_socket(sock, server_side=True) as port:
                port.sendall(port.recv(100))
                seen.append(bool(port.session_reused))
        return seen

    ours = caching(vault)
    with listener:
        task = Task(serve)
        seen = [visit(ours, number, word=b"hello") for _ in range(3)]

        assert [False, True, True] == seen
        assert seen == task.result()
    assert 2 == context.session_stats()["hits"]


def test_no_ticket_no_session(vault: Vault) -> None:
    """What a TLS 1.3 server gave no ticket for is not kept."""
    files = vault.leaf()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    context.load_cert_chain(files.chain, files.key)
    ours = caching(vault, "tls13")
    with stdlib_server(context, lambda port: port.sendall(b"hi")) as server:
        assert not visit(ours, server.port, word=b"hello")
        server.result()

    assert ours.session_cache is not None
    assert 0 == len(ours.session_cache)


@needs("openssl")
def test_s_server(vault: Vault, version: str) -> None:
    """``openssl s_server`` reports what we resume."""
    ours = caching(vault)
    with s_server(vault.leaf(), VERSIONS[version][0], "-www") as (_, port):
        seen = [
            visit(ours, port, word=b"GET / HTTP/1.0\r\n\r\n") for _ in range(3)
        ]
        told = page(ours, port)

    assert [False, True, True] == seen
    assert re.search(r"^Reused, TLS", told, re.MULTILINE)


def page(context: tlskit.ClientContext, port: int) -> str:
    """Read what ``s_server -www`` tells about a connection."""
    with tlskit.connect(
        "127.0.0.1", port, context, hostname=HOST, timeout=PATIENCE
    ) as ours:
        ours.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return ours.input.read().decode()


@needs("gnutls-serv")
def test_gnutls_serv(vault: Vault, version: str) -> None:
    """``gnutls-serv`` resumes with us."""
    ours = caching(vault)
    priority = f"NORMAL:-VERS-ALL:{VERSIONS[version][1]}"
    with gnutls_serv(vault.leaf(), priority) as (_, port):
        seen = [visit(ours, port, word=b"hello\n") for _ in range(3)]

    assert [False, True, True] == seen


@needs("openssl")
def test_a_restarted_server(vault: Vault, version: str) -> None:
    """A server that lost its keys just shows its certificate again."""
    ours = caching(vault)
    cache = ours.session_cache
    assert cache is not None
    seen = []
    for _ in range(2):
        with s_server(vault.leaf(), VERSIONS[version][0], "-www") as (_, port):
            for key, sessions in list(cache._kept.items()):
                cache.keep(key._replace(port=port), sessions[-1])
            seen.append(visit(ours, port, word=b"GET / HTTP/1.0\r\n\r\n"))

            assert 0 < len(cache)
    assert [False, False] == seen


def test_another_name_at_the_same_port(vault: Vault, version: str) -> None:
    """A session with one name is not offered for another one."""
    hosts = Hosts(server_context(vault.leaf("one.example", "two.example")), 3)
    context = caching(vault, version)
    seen = [
        visit(context, hosts.port, hostname=name)
        for name in ("one.example", "two.example", "one.example")
    ]

    assert [False, False, True] == seen
    assert seen == hosts.result()


def test_a_wrong_name_is_refused_as_ever(vault: Vault, version: str) -> None:
    """With a session at hand, a server still has to prove its name."""
    context = caching(vault, version)
    server = server_context(vault.leaf("one.example"))
    with tlskit.listen(hostname="127.0.0.1", context=server) as listener:
        for name, wanted in (
            ("one.example", None),
            ("two.example", tlskit.IdentityError),
        ):
            task = Task(listener.accept, PATIENCE)
            if wanted is None:
                assert not visit(context, listener.port, hostname=name)
                task.result().close()
                continue
            with pytest.raises(wanted):
                visit(context, listener.port, hostname=name)
            assert isinstance(task.settle(), tlskit.TLSError)


def test_another_process_resumes(
    vault: Vault, version: str, tmp_path: Path
) -> None:
    """Sessions on disk are resumed by a later process; then damaged, not."""
    hosts = Hosts(server_context(vault.leaf()), 3)
    context = caching(vault, version)
    assert not visit(context, hosts.port)
    cache = context.session_cache
    assert cache is not None
    path = tmp_path / "sessions"
    path.write_bytes(cache.dump())
    script = tmp_path / "later.py"
    script.write_text(
        "import sys, pathlib, tlskit\n"
        f"context = tlskit.ClientContext({version!r},\n"
        "    session_cache=tlskit.SessionCache())\n"
        f"context.load_verify_root_certificates({vault.roots!r})\n"
        "context.set_verify()\n"
        "context.set_verify_hostname()\n"
        f"path = pathlib.Path({str(path)!r})\n"
        "print('loaded', context.session_cache.load(path.read_bytes()))\n"
        f"with tlskit.connect('127.0.0.1', {hosts.port}, context,\n"
        f"        hostname={HOST!r}, timeout={PATIENCE}) as port:\n"
        "    print('reused', port.session_reused, port.peer_verified)\n"
    )

    with python(script) as program:
        said = program.finish()
    assert "loaded 1\nreused True True\n" in said
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with python(script) as program:
        said = program.finish()
    assert "loaded 0\nreused False True\n" in said
    assert [False, True, False] == hosts.result()


def python(script: Path) -> Program:
    """Run *script* with this Python and this package."""
    place = str(Path(tlskit.__file__).parents[1])
    return Program(sys.executable, str(script), env={"PYTHONPATH": place})


# -- clients ----------------------------------------------------------------


def test_standard_library_client(vault: Vault, version: str) -> None:
    """A client of the standard library resumes with us, and verifies us."""
    hosts = Hosts(server_context(vault.leaf()), 2)
    context = ssl.create_default_context(cafile=vault.roots)
    only = VERSIONS[version][2]
    context.minimum_version = context.maximum_version = only
    session, seen = None, []
    for _ in range(2):
        sock = socket.create_connection(("127.0.0.1", hosts.port))
        sock.settimeout(PATIENCE)
        with context.wrap_socket(
            sock, server_hostname=HOST, session=session
        ) as theirs:
            assert b"hi" == theirs.recv(10)
            session = theirs.session
            seen.append(bool(theirs.session_reused))
            theirs.unwrap()
        assert session is not None
        assert session.has_ticket

    assert [False, True] == seen
    assert seen == hosts.result()


@needs("openssl")
def test_s_client_reconnects(vault: Vault) -> None:
    """``openssl s_client -reconnect`` resumes five times in a row."""
    hosts = Hosts(server_context(vault.leaf()), 6)
    with s_client(
        hosts.port,
        *("-tls1_2", "-reconnect", "-CAfile", vault.roots),
        *("-servername", HOST, "-verify_return_error"),
    ) as client:
        client.until("^Reused, TLSv1.2", 5)
        client.hang_up()
        seen = hosts.result()

    assert [False, True, True, True, True, True] == seen


@needs("openssl")
@pytest.mark.parametrize("lifetime", [None, 0])
def test_s_client_with_a_ticket(
    vault: Vault, version: str, tmp_path: Path, lifetime: int | None
) -> None:
    """A session given to ``s_client`` is resumed, unless the lifetime is 0."""
    context = server_context(vault.leaf())
    context.set_session_lifetime(lifetime)
    hosts = Hosts(context, 2, b"welcome\n")
    path = tmp_path / "session"
    for option in ("-sess_out", "-sess_in"):
        if option == "-sess_in" and not path.exists():
            option, path = "-sess_out", tmp_path / "none"  # noqa: PLW2901
        with s_client(
            hosts.port,
            *(VERSIONS[version][0], option, str(path)),
            *("-CAfile", vault.roots, "-verify_return_error"),
        ) as client:
            client.until("^welcome$")
            client.say("Q\n")
            client.finish()

    assert [False, lifetime is None] == hosts.result()


# -- who the client is ------------------------------------------------------


def test_client_certificates_resume(vault: Vault, version: str) -> None:
    """A verifying server knows again who resumes."""
    own: Files = vault.leaf("client.example")
    server = server_context(vault.leaf())
    server.load_verify_root_certificates(vault.roots)
    server.set_verify()
    client = caching(vault, version)
    client.load_certificate_chain(own.chain)
    client.load_private_key(own.key)
    names = []
    with tlskit.listen(hostname="127.0.0.1", context=server) as listener:
        for _ in range(2):

            def serve() -> tuple[bool, bool, bytes | None]:
                with listener.accept(timeout=PATIENCE) as port:
                    port.settimeout(PATIENCE)
                    port.sendall(b"hi")
                    assert b"" == port.recv(10)
                    return (
                        port.session_reused,
                        port.peer_verified,
                        port.peer_subject_name,
                    )

            task = Task(serve)
            visit(client, listener.port)
            names.append(task.result())

    assert [
        (False, True, b"/CN=client.example"),
        (True, True, b"/CN=client.example"),
    ] == names
