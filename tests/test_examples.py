"""The files in ``examples/``: each runs, and does what it says it does."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

import tlskit
from tlskit import aio
from tlskit.testing import CA

from .peers import PATIENCE, Task

EXAMPLES = Path(__file__).parent.parent / "examples"
#: What each of them prints, as a pattern.
SAYS = {
    "anyio_stream": r"""ASYNCIO\?
TRIO\?
""",
    "chat": r"""Ann hears: Ann comes in
Ann hears: Bob comes in
Bob hears: Bob comes in
Ann hears: Bob: nobody else can hear us
Ann hears: Bob leaves
""",
    "lets_encrypt": r"""at first: CN=tlskit: no certificate yet
then: CN=Pebble Intermediate CA \w+
kept: True
""",
    "message_queue": r"""the server says: IS ANYBODY THERE\?
the server hears: alert-bad-certificate
the client says: wrong-identity
""",
    "mtls_roles": r"""Edith says 'Edith was here': Edith was here
Edith says '': Edith was here
Rita says 'Rita was here': you may not
Rita says '': Edith was here
Stranger says 'Stranger was here': alert-unknown-ca
Stranger says '': alert-unknown-ca
Nobody says 'Nobody was here': alert-certificate-required
Nobody says '': alert-certificate-required
""",
    "reload": r"""at first: the first certificate
half a renewal: key-mismatch
so still: the first certificate
from now on: the second certificate
the early connection: the first certificate
""",
    "sni_hosting": r"""a stranger asks for cats.example: .*-required
a member asks for cats.example: this is cats.example
a stranger asks for rex.dogs.example: this is rex.dogs.example
a member asks for rex.dogs.example: this is rex.dogs.example
a stranger asks for birds.example: alert-handshake-failure
a member asks for birds.example: alert-handshake-failure
""",
    "starttls_client": r"""localhost; \d+ days left
no-starttls - expected the SMTP server to begin TLS, .*
""",
    "subclassing": r"""HOW ARE YOU\?
lives-too-long - expected .* 100 days at most, found one for 3650
""",
    "terminating_proxy": r"""IS ANYBODY THERE\?
no empty answer, but a \w+Error
""",
}
#: What some of them need: a program and a package.
NEEDS = {"lets_encrypt": ("pebble", "acme")}


def example(name: str) -> ModuleType:
    """Import one of them, by its path."""
    spec = importlib.util.spec_from_file_location(
        f"example_{name}", EXAMPLES / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # As dataclasses want it.
    spec.loader.exec_module(module)
    return module


def trusting(ca: CA, kind=tlskit.ClientContext) -> tlskit.ClientContext:
    """A client that trusts this CA."""
    context = kind().copy()
    ca.trust(context)
    return context


def presenting(ca: CA, *names: str, **keywords) -> tlskit.ServerContext:
    """A server with a certificate of this CA."""
    context = tlskit.ServerContext()
    ca.issue(*(names or ("localhost",)), **keywords).apply(context)
    return context


@contextmanager
def serving(
    handler: Callable[[tlskit.SSLPort], object], context: tlskit.ServerContext
) -> Iterator[int]:
    """Serve; give the port."""
    with tlskit.listen(hostname="localhost", context=context) as listener:
        task = Task(lambda: listener.serve(handler))
        yield listener.port
        listener.shutdown(PATIENCE)
        task.result()


# -- all of them ------------------------------------------------------------


def test_all_are_run():
    """No example is forgotten, neither here nor in their README."""
    there = {path.stem for path in EXAMPLES.glob("*.py")}
    readme = EXAMPLES.joinpath("README.rst").read_text(encoding="utf-8")

    assert set(SAYS) == there
    assert there == set(re.findall(r"- ``(\w+)\.py``", readme))


@pytest.mark.parametrize("name", SAYS)
def test_a_stranger_runs_it(name: str, tmp_path: Path):
    """One command, nothing to set up; it ends, with everything closed."""
    if name in NEEDS:
        program, package = NEEDS[name]
        pytest.importorskip(package)
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    # The tlskit that is under test, be it the wheel or the checkout.
    where = str(Path(tlskit.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": where},
        text=True,
        timeout=50,
    )

    assert "Traceback" not in done.stderr
    assert 0 == done.returncode
    assert re.fullmatch(SAYS[name], done.stdout), done.stdout


@pytest.mark.parametrize("name", SAYS)
def test_its_first_words_tell_how_to_run_it(name: str):
    """The docstring has one line on what it shows, and the command."""
    words = example(name).__doc__
    assert words is not None

    assert re.match(r"[A-Z].*[.]\n\n", words)
    assert f"``python {name}.py``" in words


# -- each of them -----------------------------------------------------------


def test_subclassing():
    """Rules of the class come on top of trust and name."""
    module, ca = example("subclassing"), CA()
    client = trusting(ca, module.Intranet)
    start = ca.certificate.not_valid_before_utc

    def ask(days, context):
        server = presenting(ca, valid=(start, start + timedelta(days=days)))
        with serving(module.shout, server) as port:
            return module.ask("hello", port, context)

    assert "HELLO" == ask(100, client)
    with pytest.raises(tlskit.VerificationError) as caught:
        ask(101, client)
    assert "lives-too-long" == caught.value.code
    with pytest.raises(tlskit.VerificationError) as caught:
        ask(100, trusting(CA(), module.Intranet))
    assert "lives-too-long" != caught.value.code


def test_sni_hosting():
    """Each name has its certificate and its rules; there is no other."""
    module, ca, club = example("sni_hosting"), CA(), CA("club")
    stranger = trusting(ca)
    member, cheat = stranger.copy(), stranger.copy()
    club.issue("tom@cats.example").apply(member)
    CA("another club").issue("tom@cats.example").apply(cheat)
    with serving(module.welcome, module.hosting(ca, club)) as port:

        def visit(name, context):
            return module.visit(name, port, context)

        assert "this is cats.example" == visit("cats.example", member)
        assert "this is a.dogs.example" == visit("a.dogs.example", stranger)
        for name, context in (
            ("cats.example", stranger),
            ("cats.example", cheat),
            ("dogs.example", stranger),
            ("a.b.dogs.example", member),
        ):
            with pytest.raises(tlskit.AlertError):
                visit(name, context)


def test_mtls_roles():
    """A role lets in to what it is for; a URI of another kind is none."""
    module, ca = example("mtls_roles"), CA()
    board = module.Board()
    with serving(board.serve, module.server_context(ca)) as port:

        def say(note, who):
            return module.say(note, port, module.client_context(ca, who))

        editor = module.employee(ca, "E", "editor")
        reader = module.employee(ca, "R", "reader")
        assert "one" == say("one", editor)
        assert "you may not" == say("", editor)
        assert "you may not" == say("two", reader)
        assert "one" == say("", reader)
        assert "you may not" == say("", module.employee(ca, "N"))
        assert "you may not" == say("", ca.issue("urn.example"))
        for who in (None, module.employee(CA(), "X", "reader", "editor")):
            with pytest.raises(tlskit.AlertError):
                say("three", who)

    assert ["one"] == board.notes


class Backend:
    """A plain server that hands its one client to a function."""

    def __init__(self, talk: Callable[[socket.socket], object]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.task = Task(self._serve, talk)

    def _serve(self, talk):
        with self.listener:
            self.listener.settimeout(PATIENCE)
            sock, _ = self.listener.accept()
            with sock:
                sock.settimeout(PATIENCE)
                return talk(sock)


def read_all(sock) -> bytes:
    """Read to the end."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


@contextmanager
def proxied(talk):
    """Run the proxy in front of a backend; give both, and a client."""
    module, ca = example("terminating_proxy"), CA()
    backend = Backend(talk)
    proxy = module.Proxy(*backend.listener.getsockname())
    with serving(proxy.serve, presenting(ca)) as port:
        with tlskit.connect(
            "localhost", port, trusting(ca), timeout=PATIENCE
        ) as client:
            yield backend, client


def test_a_proxy_carries_both_directions_and_both_ends():
    """The end of one direction leaves the other one open."""
    data = bytes(range(256)) * 4096

    def talk(sock):
        got = read_all(sock)
        sock.sendall(got[::-1])

    with proxied(talk) as (backend, client):
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)
        backend.task.result()

    assert data[::-1] == answer


def test_a_proxy_passes_a_broken_client_on_as_broken():
    """Half of a request, cut off, does not look like a whole one."""
    with proxied(read_all) as (backend, client):
        client.sendall(b"transfer 10")
        client.abandon()  # As who cuts the wire: without close_notify.
        error = backend.task.settle()

    assert isinstance(error, ConnectionResetError)


def test_a_proxy_passes_a_broken_backend_on_as_broken():
    """Half of an answer, cut off, does not look like a whole one."""

    def talk(sock):
        sock.recv(1)
        sock.sendall(b"you owe 10")
        option = struct.pack("ii", 1, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)

    with proxied(talk) as (backend, client):
        client.sendall(b"?")
        backend.task.result()
        with pytest.raises(OSError, match=r"close_notify|reset"):
            read_all(client)


def test_chat():
    """All hear all; who takes a name that is taken has to go."""
    module, ca = example("chat"), CA()
    client = trusting(ca)

    async def main():
        async with await aio.start_server(
            module.Room().welcome, "localhost", 0, presenting(ca)
        ) as chat:

            async def enter(name, context=client):
                return await module.enter(name, chat.port, context)

            async with await enter("Ann") as ann:
                assert "Ann comes in" == await module.hear(ann)
                async with await enter("Ann") as other:
                    assert "sorry, who are you?" == await module.hear(other)
                    assert "" == await module.hear(other)
                with pytest.raises(tlskit.VerificationError):
                    await enter("Eve", trusting(CA()))
                async with await enter("Bob") as bob:
                    assert "Bob comes in" == await module.hear(ann)
                    bob.write(b"hello\n")
                    assert "Bob: hello" == await module.hear(ann)
                assert "Bob leaves" == await module.hear(ann)

    asyncio.run(asyncio.wait_for(main(), 50))


def test_a_guest_who_does_not_listen_has_to_go(monkeypatch):
    """Only who takes nothing is shown the door, after the patience."""
    module, ca = example("chat"), CA()
    # Nobody else's patience depends on it.
    monkeypatch.setattr(module, "PATIENCE", 0.1)

    async def main():
        here = asyncio.get_running_loop().create_future()

        async def talk(port):
            await module.hand(port, "what there is room for")
            early = port.closed
            await module.hand(port, "x" * 50_000_000)
            here.set_result((early, port.closed))

        async with await aio.start_server(
            talk, "localhost", 0, presenting(ca)
        ) as server:
            async with await module.enter("Deaf", server.port, trusting(ca)):
                return await here

    assert (False, True) == asyncio.run(asyncio.wait_for(main(), 50))


def test_starttls_client():
    """Who is verified is told; everybody else, and no TLS, is an error."""
    module, ca = example("starttls_client"), CA()

    def ask(server, context):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            task = Task(module.mail_server, listener, server)
            try:
                return module.who_is(
                    "localhost", "smtp", listener.getsockname()[1], context
                )
            finally:
                task.result()

    assert ask(presenting(ca), trusting(ca)).startswith("localhost; ")
    with pytest.raises(tlskit.VerificationError):
        ask(presenting(ca), trusting(CA()))
    with pytest.raises(tlskit.IdentityError):
        ask(presenting(ca, "other.example"), trusting(ca))
    with pytest.raises(tlskit.NotTLSError) as caught:
        ask(None, trusting(ca))
    assert "no-starttls" == caught.value.code


def test_reload(tmp_path: Path):
    """What is bad is refused, and what is good is used, under a seal."""
    module, ca = example("reload"), CA()
    first, second = ca.issue("localhost"), ca.issue("localhost")
    files = first.write(tmp_path)
    context = module.following(*files)
    with serving(module.echo, context) as port:

        def serial():
            with tlskit.connect(
                "localhost", port, trusting(ca), timeout=PATIENCE
            ) as made:
                return module.serial(made)

        assert first.certificate.serial_number == serial()
        ca.issue_bad("expired", "localhost").write(tmp_path)
        with pytest.raises(tlskit.CredentialError):
            context.reload()
        assert first.certificate.serial_number == serial()
        second.write(tmp_path)
        context.reload()
        assert second.certificate.serial_number == serial()
