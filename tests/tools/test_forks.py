"""What forked processes share, and what they must not."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

import tlskit
from tlskit.policy.sessions import Session, SessionKey
from tlskit.tools import forks

from ..peers import HOST, PATIENCE, VERSIONS, Program, Vault, client_context

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="this platform can't fork"
)

#: A server of several processes.  Each serves one client and ends, so that
#: the next client meets another one.
SERVER = """
import os, socket, sys, tlskit
chain, key, processes, moment = sys.argv[1:]
context = tlskit.ServerContext(certificate_chain=chain, private_key=key)
sock = socket.create_server(("127.0.0.1", 0))
if moment == "before":
    context.prepared()
children = []
for _ in range(int(processes)):
    child = os.fork()
    if not child:
        with tlskit.Listener(sock, context) as listener:
            with listener.accept(timeout=15) as port:
                port.settimeout(15)
                random = port.channel_binding("tls-exporter").hex()
                port.sendall(f"{os.getpid()} {random}\\n".encode())
                port.recv(1)
        os._exit(0)
    children.append(child)
print("PORT", sock.getsockname()[1], flush=True)
print("ENDED", [os.waitpid(each, 0)[1] for each in children], flush=True)
"""

HELD = """
import os, threading
from tlskit.tools.forks import ForkLock
lock, held, over = ForkLock(), threading.Event(), threading.Event()
def hold():
    with lock:
        held.set()
        over.wait(15)
thread = threading.Thread(target=hold)
thread.start()
held.wait(15)
print("parent", lock.acquire(blocking=False), flush=True)
child = os.fork()
if not child:
    print("child", lock.acquire(blocking=False), flush=True)
    lock.release()
    os._exit(0)
os.waitpid(child, 0)
over.set()
thread.join()
"""


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


def python(tmp_path: Path, text: str, *arguments: str) -> Program:
    """Run *text* with this Python and this package."""
    script = tmp_path / "script.py"
    script.write_text(text)
    place = str(Path(tlskit.__file__).parents[1])
    return Program(
        # Python 3.12 warns of forks beside threads, which is the point here.
        *(sys.executable, "-W", "ignore", str(script), *arguments),
        env={"PYTHONPATH": place},
    )


@pytest.mark.native
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("version", VERSIONS)
def test_processes_share_tickets(
    vault: Vault, tmp_path: Path, version: str, moment: str
) -> None:
    """Who forks once the context is prepared resumes others' sessions.

    Forked before, each process has keys of its own.
    """
    files = vault.leaf()
    context = client_context(vault, version)
    context.set_session_cache(tlskit.SessionCache())
    pids, bindings, reused = set(), set(), []
    with python(
        tmp_path, SERVER, files.chain, files.key, "4", moment
    ) as program:
        number = int(program.until(r"^PORT (\d+)$")[1])
        for _ in range(4):
            with tlskit.connect(
                "127.0.0.1", number, context, hostname=HOST, timeout=PATIENCE
            ) as port:
                pid, binding = port.input.readline().split()
                pids.add(pid)
                bindings.add(binding)
                reused.append(port.session_reused)
        program.until(r"^ENDED \[0, 0, 0, 0\]$")

    assert 4 == len(pids)
    assert 4 == len(bindings)
    assert [False, *[moment == "before"] * 3] == reused


def test_locks_are_free_in_children(tmp_path: Path) -> None:
    """A lock that another thread holds is not held in a forked child."""
    with python(tmp_path, HELD) as program:
        assert "parent False\nchild True\n" == program.finish()


def test_children_use_no_ticket_of_their_parent() -> None:
    """A forked child begins with an empty cache and free locks."""
    cache, lock = tlskit.SessionCache(), forks.ForkLock()
    key = SessionKey(b"", HOST, 443, HOST, ())
    cache.keep(key, Session(b"", 0x0304, time.time(), (), ()))
    assert lock.acquire()
    forks._in_child()

    assert 0 == len(cache)
    assert lock.acquire(blocking=False)
    lock.release()
