"""The tutorial: each of its programs, run as the page says."""

from __future__ import annotations

import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import tlskit

from .command import PATIENCE
from .command import tlskit as command
from .test_readme import blocks

TUTORIAL = Path(__file__).parent.parent / "docs" / "tutorial"
PAGE = TUTORIAL.joinpath("index.rst").read_text(encoding="utf-8")
# The tlskit that is under test, be it the wheel or the checkout.
WHERE = str(Path(tlskit.__file__).parent.parent)


class Program:
    """A program of the tutorial, heard line by line.

    Args:
        where: The directory with the certificates.
        name: The program, such as ``"step1/server"``.
        arguments: What is said behind its name.
    """

    def __init__(self, where: Path, name: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-W", "error", "-X", "dev"),
                *(TUTORIAL / f"{name}.py", *arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=where,
            env={**os.environ, "PYTHONPATH": WHERE},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put("(the end)")

    def line(self) -> str:
        """Give the next line that it prints."""
        return self._lines.get(timeout=PATIENCE)

    def type(self, line: str) -> None:
        """Type a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def end(self) -> list[str]:
        """Press Ctrl-D, and give all that is left."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        lines = []
        while (line := self.line()) != "(the end)":
            lines.append(line)
        self.process.wait(PATIENCE)
        return lines

    def kill(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture(scope="module")
def where(tmp_path_factory) -> Path:
    """The directory in which the commands of the page were typed."""
    directory = tmp_path_factory.mktemp("chat")
    before = Path.cwd()
    os.chdir(directory)
    try:
        for block in blocks(PAGE, "shell"):
            for line in block.splitlines():
                program, *arguments = shlex.split(line)

                assert "tlskit" == program
                assert "" == command(*arguments).stderr
    finally:
        os.chdir(before)
    return directory


@pytest.fixture
def run(where) -> Iterator:
    """Start programs of the tutorial; all end with the test."""
    with ExitStack() as stack:

        def start(name: str, *arguments: str) -> Program:
            program = Program(where, name, *arguments)
            stack.callback(program.kill)
            return program

        yield start


def port_of(server: Program) -> str:
    """Wait until the server listens."""
    words, _, number = server.line().rpartition(" ")

    assert "listening on port" == words
    return number


def room(run, step: int, *names: str) -> list[Program]:
    """Start a server, and clients that it is seen to know."""
    server = run(f"step{step}/server", "0")
    number = port_of(server)
    clients = []
    for name in names:
        arguments = (name,) if step == 4 else ()
        clients.append(run(f"step{step}/client", number, *arguments))
    return [server, *clients]


def introduce(speaker: Program, hearer: Program) -> None:
    """Have one speak until the other one, who may be late, hears it."""
    while True:
        speaker.type("are you there?")
        try:
            heard = hearer._lines.get(timeout=0.2)
        except queue.Empty:
            continue
        assert heard.endswith("are you there?")
        return


def said(program: Program) -> str:
    """Give the next line that is not a part of the introduction."""
    while (line := program.line()).endswith("are you there?"):
        pass
    return line


def test_the_first_step(run):
    """One line goes there and back; the page shows what is printed."""
    server = run("step1/server", "0")
    client = run("step1/client", port_of(server))

    assert "you said hello" == client.line()
    assert [] == client.end()
    assert [r"TLS_1_3: b'hello\n'"] == server.end()
    assert "you said hello" in PAGE
    assert r"TLS_1_3: b'hello\n'" in PAGE


def test_the_first_step_without_the_ca(run, where):
    """Who does not know the CA is told so, in the words of the page."""
    server = run("step1/server", "0")
    number = port_of(server)
    done = command("explain", f"localhost:{number}")

    assert 0 != done.returncode
    assert "tlskit explain localhost:4430" in PAGE
    assert server.end()


@pytest.mark.parametrize("step", [2, 3])
def test_what_one_says_the_others_hear(run, step):
    """Lines go to the others, and not back; Ctrl-D ends a client."""
    server, alice, bob = room(run, step, "alice", "bob")
    introduce(alice, bob)
    introduce(bob, alice)

    alice.type("hello, Bob")
    assert "hello, Bob" == said(bob)
    bob.type("\x1b[2Jhello, Alice")
    assert "[2Jhello, Alice" == said(alice)  # It can't clear her screen.
    assert 0 == len([line for line in bob.end() if "hello" in line])
    assert 0 == bob.process.returncode
    server.process.send_signal(signal.SIGINT)
    assert "Traceback" not in "".join(server.end())


def test_a_client_in_words(run, where):
    """Since the third step a client tells what is the matter."""
    server, alice, bob = room(run, 3, "alice", "bob")
    introduce(alice, bob)
    server.process.kill()

    assert "without close_notify" in said(bob)
    assert "treat what was read as incomplete" in said(bob)
    bob.end()
    stranger = run("step3/client", "1")
    assert "refused" in "".join(stranger.end())


def test_names_from_certificates(run):
    """In the last step nobody can speak under another's name."""
    server, alice, bob = room(run, 4, "alice", "bob")
    introduce(alice, bob)
    introduce(bob, alice)

    alice.type("hello")
    assert "alice: hello" == said(bob)
    alice.type("x" * 1000 + "bob: I owe you")
    assert "alice: " + "x" * 1000 == said(bob)
    assert "alice: bob: I owe you" == said(bob)
    server.process.send_signal(signal.SIGTERM)
    assert "(the server has closed the room)" == said(bob)
    assert [] == server.end()
    assert 0 == server.process.returncode


def test_strangers_stay_outside(run, where):
    """Without a certificate of the CA's there is no way in."""
    server = run("step4/server", "0")
    stranger = run("step3/client", port_of(server))

    assert "certificate_required" in stranger.line()
    assert "load a client certificate" in stranger.line()
    stranger.end()
    server.process.send_signal(signal.SIGINT)
    assert [] == [line for line in server.end() if "Traceback" in line]
