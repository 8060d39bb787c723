"""``Listener.serve(processes=N)``: forked servers, and the parent's care."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Pipe
from pathlib import Path

import pytest

import tlskit
from tlskit.server.events import Events
from tlskit.server.metrics import ListenerStatistics
from tlskit.server.processes.children import Child, total
from tlskit.server.processes.prefork import Crew
from tlskit.server.tally import Tally
from tlskit.tools.deadline import Deadline

from ..engines import server_context
from ..peers import (
    HOST,
    PATIENCE,
    VERSIONS,
    Program,
    Task,
    Vault,
    client_context,
    echo,
)

linux = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="it looks into /proc"
)

#: A server whose handler tells its process, and echoes.  What a test wants
#: otherwise comes in front (``first``), and just before it serves (``last``).
SERVER = """
import faulthandler, json, logging, os, signal, sys, threading, tlskit
# Who hangs says where, before the test gives up.
faulthandler.dump_traceback_later(<patience> - 5, file=sys.stdout)
chain, key, options = sys.argv[1:]
options = json.loads(options)
logging.basicConfig(
    level="INFO", stream=sys.stdout, format="LOG %(levelname)s %(message)s"
)
signal.signal(signal.SIGINT, signal.default_int_handler)
context = tlskit.ServerContext(certificate_chain=chain, private_key=key)
context.seal()

def handler(port):
    port.settimeout(None)
    port.sendall(b"%d\\n" % os.getpid())
    while data := port.recv(100):
        port.sendall(data)

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def tell(*_):
    found = listener.statistics
    say("COUNTS", found.accepted, found.handshaken, found.active)

def descriptors():
    return sorted(os.listdir("/proc/self/fd"))

<first>
listener = tlskit.listen(hostname="127.0.0.1", context=context)
before = descriptors()
signal.signal(signal.SIGUSR1, lambda *_: listener.shutdown(15))
signal.signal(signal.SIGUSR2, tell)
<last>
say("PORT", listener.port, os.getpid())
try:
    listener.serve(handler, processes=3, **options)
    how = "returned"
except KeyboardInterrupt:
    how = "interrupted"
try:
    listener.shutdown(0)
except TimeoutError:
    pass
try:
    os.waitpid(-1, os.WNOHANG)
    left = "children"
except ChildProcessError:
    left = "nobody"
more = len(set(descriptors()) - set(before))
say("END", how, left, more, listener.closed)
"""


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


class Fleet:
    """A server of three processes, and its clients."""

    def __init__(self, program, vault):
        self.program = program
        self.vault = vault
        found = program.until(r"^PORT (\d+) (\d+)$")
        self.number, self.pid = int(found[1]), int(found[2])
        self.context = client_context(vault)
        self.stack = ExitStack()

    def connect(self, context=None):
        """Connect; give port and the process that serves it."""
        port = self.stack.enter_context(
            tlskit.connect(
                "127.0.0.1",
                self.number,
                context or self.context,
                hostname=HOST,
                timeout=PATIENCE,
            )
        )
        port.settimeout(PATIENCE)
        return port, int(port.input.readline())

    @property
    def children(self):
        """The processes that serve, or did so and are not buried."""
        return set(children_of(self.pid))

    def connect_to_each(self):
        """Connect once to each of the processes; give them by number."""
        found = {}
        self.program.until(": serving$", times=4)
        for pid in self.children:
            with only(pid, self.children):
                port, server = self.connect()
            assert pid == server
            found[pid] = port
        assert 3 == len(found)
        return found

    def counts(self, *expected):
        """Wait until so many were accepted, handshaken, and are active."""
        deadline = Deadline.after(PATIENCE)
        nothing = threading.Event()
        while (found := self.counted()) != expected:
            assert deadline.left(), found
            nothing.wait(0.02)

    def counted(self):
        """Give how many were accepted, handshaken, and are active."""
        times = self.program.output.count("COUNTS") + 1
        self.signal(signal.SIGUSR2)
        line = self.program.until(r"^COUNTS (\d+) (\d+) (\d+)$", times)
        return tuple(map(int, line.groups()))

    def signal(self, number, pid=None):
        """Send a signal, to the parent unless told otherwise."""
        os.kill(pid or self.pid, number)

    def end(self, how="returned"):
        """Wait until it has ended, with nothing left."""
        self.program.until(rf"^END {how} nobody 0 True$")
        assert self.program.finish()
        assert 0 == self.program.status


@contextmanager
def fleet(vault, tmp_path, first="", last="", **options):
    """Run a server; afterwards none of its processes is left."""
    script = tmp_path / "server.py"
    text = SERVER.replace("<patience>", str(PATIENCE))
    text = text.replace("<first>", first).replace("<last>", last)
    script.write_text(text)
    files = vault.leaf()
    place = str(Path(tlskit.__file__).parents[1])
    family = set()
    with Program(
        # Python 3.12 warns of forks beside threads, where a test has some.
        *(sys.executable, "-W", "ignore", str(script)),
        *(files.chain, files.key, json.dumps(options)),
        env={"PYTHONPATH": place},
    ) as program:
        found = Fleet(program, vault)
        try:
            with found.stack:
                yield found
                family = found.children
            program.interrupt()
            program.finish()
        finally:
            family |= found.children
            program.kill()
    gone(family)


def stat(pid):
    """Give state and parent of a process, or None."""
    with suppress(FileNotFoundError, ProcessLookupError):
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        state, parent = text.rpartition(")")[2].split()[:2]
        return state, int(parent)
    return None


def children_of(pid):
    """Give the living children of a process."""
    names = [path.name for path in Path("/proc").iterdir()]
    for number in map(int, filter(str.isdecimal, names)):
        found = stat(number)
        if found is not None and found[1] == pid and found[0] != "Z":
            yield number


def gone(pids):
    """Wait until none of these processes lives."""
    deadline = Deadline.after(PATIENCE)
    for pid in pids:
        while (stat(pid) or "Z")[0] != "Z":
            assert deadline.left(), f"{pid} goes on"


@contextmanager
def only(pid, pids):
    """Have no other one of these processes do anything."""
    others = set(pids) - {pid}
    for each in others:
        os.kill(each, signal.SIGSTOP)
        while stat(each)[0] != "T":
            pass
    try:
        yield
    finally:
        for each in others:
            os.kill(each, signal.SIGCONT)


def says(port, data=b"still here"):
    """Whether the server echoes."""
    port.sendall(data)
    return data == port.recv(100)


# -- serving ----------------------------------------------------------------


@linux
@pytest.mark.native
@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_are_resumed_by_all(vault, tmp_path, version):
    """Whoever answers, a client that comes back is resumed.

    Each process takes one client only, so three clients see all of them.
    """
    context = client_context(vault, version)
    context.set_session_cache(tlskit.SessionCache())
    with fleet(vault, tmp_path, max_connections=1) as server:
        found = [server.connect(context) for _ in range(3)]

        assert 3 == len({pid for _, pid in found})
        assert server.pid not in {pid for _, pid in found}
        assert [False, True, True] == [
            port.session_reused for port, _ in found
        ]
        assert all(says(port) for port, _ in found)


@linux
def test_a_process_that_is_killed(vault, tmp_path):
    """Its own connections are lost, and no others; another one follows."""
    over = threading.Event()
    failures = []

    def load():
        while not over.is_set():
            pid = None
            try:
                with tlskit.connect(
                    *("127.0.0.1", server.number, server.context),
                    hostname=HOST,
                    timeout=PATIENCE,
                ) as port:
                    pid = int(port.input.readline())
                    assert says(port)
            except (OSError, ValueError):
                failures.append(pid)

    with fleet(vault, tmp_path) as server:
        held = server.connect_to_each()
        busy = [threading.Thread(target=load) for _ in range(4)]
        for each in busy:
            each.start()
        try:
            victim, port = held.popitem()
            server.signal(signal.SIGKILL, victim)
            server.program.until(
                f"LOG ERROR process {victim} has ended by signal 9; another"
            )
            with pytest.raises((tlskit.TruncatedError, ConnectionError)):
                says(port)
            server.program.until(": serving$", times=5)
        finally:
            over.set()
            for each in busy:
                each.join(PATIENCE)
        # Each of the busy ones has lost one connection at most.
        assert len(failures) <= len(busy)
        assert set(failures) <= {None, victim}
        assert all(says(port) for port in held.values())
        (heir,) = server.children - held.keys()
        with only(heir, server.children):
            assert heir == server.connect()[1]


@linux
@pytest.mark.native
def test_an_heir_resumes(vault, tmp_path):
    """Who takes another's place has the same keys."""
    context = client_context(vault)
    context.set_session_cache(tlskit.SessionCache())
    with fleet(vault, tmp_path) as server:
        _, first = server.connect(context)
        server.program.until(": serving$", times=4)
        before = server.children
        server.signal(signal.SIGKILL, first)
        server.program.until(": serving$", times=5)
        (heir,) = server.children - before
        with only(heir, server.children):
            port, pid = server.connect(context)

        assert heir == pid
        assert port.session_reused


@linux
def test_a_process_that_is_told_to_end(vault, tmp_path):
    """SIGTERM ends one when it has served its clients; others go on."""
    with fleet(vault, tmp_path) as server:
        held = server.connect_to_each()
        pid, port = held.popitem()
        server.signal(signal.SIGTERM, pid)
        server.program.until(": draining$")
        assert says(port)
        port.close()
        server.program.until(
            f"LOG INFO process {pid} has ended with status 0; another one"
        )
        server.program.until(": serving$", times=5)

        assert all(says(port) for port in held.values())
        assert 3 == len(server.children)


@linux
def test_counts_are_added_up(vault, tmp_path):
    """The parent knows what all have counted, those that ended included."""
    with fleet(vault, tmp_path) as server:
        held = server.connect_to_each()
        server.counts(3, 3, 3)
        pid, port = held.popitem()
        port.close()
        server.counts(3, 3, 2)
        server.signal(signal.SIGTERM, pid)
        server.program.until(": serving$", times=5)
        server.connect()
        server.counts(4, 4, 3)
        server.signal(signal.SIGKILL, held.popitem()[0])
        server.program.until(": serving$", times=6)

        assert (4, 4) == server.counted()[:2]


@linux
@pytest.mark.native
def test_credentials_are_reloaded_by_all(vault, tmp_path):
    """Each process looks for itself whether files have changed."""
    files = vault.leaf()
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"

    def renew(leaf):
        chain.write_bytes(leaf.chain_pem)
        key.write_bytes(leaf.key_pem)

    old, new = (vault.ca.issue(HOST) for _ in range(2))
    renew(old)
    assert files.chain
    first = f"""
context = tlskit.ServerContext()
context.load_credentials(
    tlskit.ReloadableCredentials({str(chain)!r}, {str(key)!r}, interval=0)
)
"""
    with fleet(vault, tmp_path, first) as server:
        before = server.connect_to_each()
        renew(new)
        after = server.connect_to_each()

        assert before.keys() == after.keys()
        for found, leaf in ((before, old), (after, new)):
            assert {leaf.certificate} == {
                port.peer_certificate for port in found.values()
            }


# -- the end ----------------------------------------------------------------

CLOSE = "signal.signal(signal.SIGUSR1, lambda *_: listener.close())"
RAISED = "signal.raise_signal = lambda number: say('RAISED', number)"
TERM = "signal.signal(signal.SIGTERM, lambda *_: listener.shutdown(15))"


@linux
@pytest.mark.parametrize(
    ("last", "number", "how"),
    [
        ("", signal.SIGUSR1, "returned"),
        (CLOSE, signal.SIGUSR1, "returned"),
        (TERM, signal.SIGTERM, "returned"),
        ("", signal.SIGINT, "interrupted"),
        ("", signal.SIGTERM, None),
        (RAISED, signal.SIGTERM, "returned"),
    ],
    ids=["shutdown", "close", "handler", "ctrl-c", "sigterm", "raised"],
)
def test_the_end_is_that_of_all(vault, tmp_path, last, number, how):
    """Nobody is accepted anew, all are served, and nothing is left."""
    with fleet(vault, tmp_path, last=last) as server:
        held = server.connect_to_each()
        server.signal(number)
        server.program.until(": draining$", times=4)
        assert all(says(port) for port in held.values())
        refused(server.number)
        for port in held.values():
            port.close()
        if how is None:
            server.program.finish()
            assert -signal.SIGTERM == server.program.status
        else:
            server.end(how)

        for pid in held:
            assert f"process {pid} has ended with status 0\n" in (
                server.program.output
            )


def refused(number):
    """Wait until nobody listens any longer."""
    deadline = Deadline.after(PATIENCE)
    while deadline.left():
        try:
            socket.create_connection(("127.0.0.1", number), PATIENCE).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue  # It went in that moment.
    raise AssertionError(f"somebody listens on {number}")


@linux
def test_a_terminal_tells_all(vault, tmp_path):
    """Ctrl-C comes to the children, too; they wait for their parent."""
    with fleet(vault, tmp_path) as server:
        held = server.connect_to_each()
        for pid in held:
            server.signal(signal.SIGINT, pid)
        assert all(says(port) for port in held.values())
        server.signal(signal.SIGINT)
        server.program.until(": draining$", times=4)
        assert all(says(port) for port in held.values())
        for port in held.values():
            port.close()
        server.end("interrupted")


@linux
def test_a_second_ctrl_c(vault, tmp_path):
    """It waits for nobody."""
    with fleet(vault, tmp_path) as server:
        held = server.connect_to_each()
        server.signal(signal.SIGINT)
        server.program.until(": draining$", times=4)
        server.signal(signal.SIGINT)
        server.end("interrupted")

        for pid in held:
            server.program.until(f"process {pid} has ended by signal 9$")


#: Serves in another thread; the main one ends it when it is told to.
THREAD = """
import errno
wanted = threading.Event()
signal.signal(signal.SIGUSR1, lambda *_: wanted.set())
def end():
    wanted.wait(60)
    say("OPEN", listener.fileno() > 0, listener.accept_ready())
    try:
        listener.accept()
    except tlskit.ConfigurationError as error:
        say("ACCEPT", error)
    try:
        listener.shutdown(0)
    except TimeoutError as error:
        say("LATE", error)
serve = listener.serve
def serve_beside(*arguments, **options):
    thread = threading.Thread(target=serve, args=arguments, kwargs=options)
    thread.start()
    end()
    thread.join()
listener.serve = serve_beside
"""


@linux
def test_clients_are_cut_off(vault, tmp_path):
    """After the time-out of shutdown(), which says how many they were."""
    with fleet(vault, tmp_path, last=THREAD) as server:
        held = server.connect_to_each()
        server.program.until("LOG WARNING 1 other threads are running")
        server.signal(signal.SIGUSR1)
        server.program.until("^OPEN True False$")
        server.program.until("^ACCEPT this listener is in serve")
        server.program.until("^LATE 3 clients were not done in time")
        assert [b"", b"", b""] == [port.recv(1) for port in held.values()]
        server.end()


@linux
def test_a_process_that_hangs(vault, tmp_path):
    """It is ended, and its clients count as cut off."""
    first = "from tlskit.server.processes import prefork; prefork.MARGIN = 0.2"
    with fleet(vault, tmp_path, first, THREAD) as server:
        held = server.connect_to_each()
        server.counts(3, 3, 3)
        pid, _ = held.popitem()
        server.signal(signal.SIGSTOP, pid)
        server.signal(signal.SIGUSR1)
        server.program.until("^LATE 3 clients were not done in time")
        server.program.until(f"process {pid} has ended by signal 9$")
        server.end()


@linux
def test_without_the_parent(vault, tmp_path):
    """Children whose parent was killed serve whom they have, and end."""
    with fleet(vault, tmp_path) as server:
        held = server.connect_to_each()
        server.signal(signal.SIGKILL)
        assert all(says(port) for port in held.values())
        server.program.until(": draining$", times=3)
        refused(server.number)
        assert all(says(port) for port in held.values())
        for port in held.values():
            port.close()
        gone(held)
        server.program.finish()

        assert 3 == server.program.output.count(": ended\n")


#: A hook that never returns holds up the thread that serves.
HANGING = """
from tlskit.server.processes import children
children.HURRY = children.MARGIN = 0.1
class Hanging(tlskit.ServerContext):
    def verify_peer(self, verdict):
        say("HANGS")
        threading.Event().wait()
context = Hanging(certificate_chain=chain, private_key=key)
"""


@linux
def test_a_process_that_hangs_without_the_parent(vault, tmp_path):
    """It ends all the same, when its time is over."""
    with fleet(vault, tmp_path, HANGING) as server:
        server.program.until(": serving$", times=4)
        children = server.children
        client = Task(server.connect, client_context(vault, "tls12"))
        server.program.until("^HANGS$")
        server.signal(signal.SIGKILL)
        gone(children)
        assert isinstance(client.settle(), OSError)


# -- what goes wrong --------------------------------------------------------


@linux
def test_a_system_without_room_for_processes(vault, tmp_path):
    """It is told, and tried again."""
    first = """
import errno
real, errors = os.fork, [errno.EAGAIN, errno.ENOMEM]
def fork():
    if errors:
        raise OSError(errors.pop(), "no room")
    return real()
os.fork = fork
"""
    with fleet(vault, tmp_path, first) as server:
        for _ in range(2):
            server.program.until("LOG ERROR no process can be started")
        held = server.connect_to_each()
        server.signal(signal.SIGUSR1)
        for port in held.values():
            port.close()
        server.end()


@linux
def test_a_process_that_fails(vault, tmp_path):
    """What it raises is logged, and another one takes its place."""
    first = """
import tlskit.server.listener
made, parent = tlskit.server.listener.Reception, os.getpid()
def broken(*arguments):
    if os.getpid() != parent and not os.path.exists(chain + ".mended"):
        open(chain + ".mended", "w").close()
        raise LookupError("a bug")
    return made(*arguments)
tlskit.server.listener.Reception = broken
"""
    Path(vault.leaf().chain + ".mended").unlink(missing_ok=True)
    with fleet(vault, tmp_path, first) as server:
        server.program.until("LOG ERROR a process that serves has failed")
        server.program.until("^LookupError: a bug")
        server.program.until("has ended with status 1; another one")
        server.connect_to_each()


@linux
def test_children_that_others_wait_for(vault, tmp_path):
    """Where the system buries children by itself, they are missed, too."""
    last = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    with fleet(vault, tmp_path, last=last) as server:
        held = server.connect_to_each()
        pid, _ = held.popitem()
        server.signal(signal.SIGKILL, pid)
        server.program.until(
            f"LOG ERROR process {pid} has ended in an unknown way; another"
        )
        server.program.until(": serving$", times=5)
        for port in held.values():
            assert says(port)
            port.close()
        server.signal(signal.SIGUSR1)
        server.end()


def test_no_processes():
    """Below one there is no server; and the listener stays as it is."""
    with tlskit.listen(hostname="127.0.0.1", context=server_context()) as one:
        for number in (0, -1):
            with pytest.raises(
                tlskit.ConfigurationError, match=f"from 1 on, not {number}"
            ):
                one.serve(echo, processes=number)
        assert not one.closed


def test_a_platform_without_forks(monkeypatch):
    """It is refused, and says what can be done instead."""
    monkeypatch.delattr(os, "fork", raising=False)
    with tlskit.listen(hostname="127.0.0.1", context=server_context()) as one:
        with pytest.raises(tlskit.UnsupportedError, match="fork") as caught:
            one.serve(echo, processes=2)
        assert not one.closed

    assert "behind a proxy" in caught.value.hint


def test_no_descriptor_is_left_to_begin_with(monkeypatch):
    """It fails as a whole: nothing listens, and nobody waits for ever."""

    def dup(_):
        raise OSError(errno.EMFILE, "no room")

    monkeypatch.setattr(socket.socket, "dup", dup)
    with tlskit.listen(hostname="127.0.0.1", context=server_context()) as one:
        with pytest.raises(OSError, match="no room"):
            one.serve(echo, processes=2)
        assert one.closed
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", one.port), PATIENCE)
        one.shutdown(None)


# -- a line -----------------------------------------------------------------


@pytest.fixture
def child():
    """A child that only waits, and its end of the line."""
    ours, theirs = Pipe()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    ) as process:
        found = Child(process.pid, ours, "here", Deadline())
        yield found, theirs, process
        process.stdin.close()
        ours.close()
        theirs.close()


@pytest.mark.parametrize("ending", [False, True])
def test_clients_that_were_cut_off(child, ending):
    """Those of the end count there; those of a child long gone do not."""
    found, _, _ = child
    crew = Crew(echo, Events("here", Tally(echo)), "here", processes=1)
    crew._children.append(found)
    found.cut_off = 2
    if ending:
        crew.drain(Deadline.now())
    found.kill()
    crew._bury(found)

    assert 2 * ending == crew.cut_off


def test_a_child_that_somebody_else_has_buried(child, monkeypatch):
    """A number that is nobody's any more is no error."""
    found, _, process = child
    process.kill()
    process.wait()
    real, looks = os.waitpid, []

    def waitpid(pid, options):
        looks.append(pid)
        return (0, 0) if len(looks) == 1 else real(pid, options)

    monkeypatch.setattr(os, "waitpid", waitpid)
    found.kill()

    assert found.ended
    assert found.status is None


def test_a_child_is_heard(child):
    """What it has counted is taken, also its last words."""
    found, line, process = child
    for accepted in (1, 2, 3):
        counts = {"accepted": accepted, "active": 1, "refused": {"x": 1}}
        line.send_bytes(
            json.dumps({"counts": counts, "cut_off": accepted}).encode()
        )
    assert found.look(heard=True)
    assert 1 == found.counts.accepted
    process.stdin.close()
    deadline = Deadline.after(PATIENCE)
    while found.look(heard=False):
        assert deadline.left()

    assert (3, 3) == (found.counts.accepted, found.cut_off)
    assert (3, 0) == (found.legacy().accepted, found.legacy().active)
    found.kill()
    assert 1 == found.status


def test_a_child_that_talks_nonsense(child):
    """It is ended."""
    found, line, _ = child
    line.send_bytes(b"{")

    assert not found.look(heard=True)
    assert -signal.SIGKILL == found.status


def test_a_child_is_told_once(child):
    """It hears of each deadline; nobody minds that it has gone."""
    found, line, _ = child
    for moment in (2.5, 2.5, None):
        found.tell(Deadline(moment))
    assert [2.5, None] == [json.loads(line.recv_bytes()) for _ in range(2)]
    assert not line.poll()
    line.close()
    found.tell(Deadline(1.0))


def test_the_sum_of_counts():
    """Numbers are added, reasons one by one."""
    found = total(
        "here",
        [
            ListenerStatistics("x", accepted=2, sent=5, refused={"a": 1}),
            ListenerStatistics("y", accepted=3, refused={"a": 1, "b": 2}),
        ],
    )

    assert found == ListenerStatistics(
        "here", accepted=5, sent=5, refused={"a": 2, "b": 2}
    )


# -- what changes in all of them --------------------------------------------

#: Files that are read again at SIGHUP; SIGUSR2 tells the generation.
RELOADING = """
source = tlskit.ReloadableCredentials({chain!r}, {key!r}, interval=None)
context = tlskit.ServerContext()
context.load_credentials(source)
context.seal()
signal.signal(signal.SIGHUP, lambda *_: context.reload())
"""
TELLING = """
def tell_generation(*_):
    say("GENERATION", listener.statistics.generation)

signal.signal(signal.SIGUSR2, tell_generation)
"""


@linux
def test_a_reload_reaches_every_process(vault, tmp_path):
    """SIGHUP at the parent: all show the new certificate, and count alike."""
    paths = {"chain": tmp_path / "chain.pem", "key": tmp_path / "key.pem"}

    def renew():
        leaf = vault.ca.issue(HOST)
        paths["chain"].write_bytes(leaf.chain_pem)
        paths["key"].write_bytes(leaf.key_pem)
        return leaf.certificate.serial_number

    def generation(fleet):
        times = fleet.program.output.count("GENERATION") + 1
        fleet.signal(signal.SIGUSR2)
        line = fleet.program.until(r"^GENERATION (\d+)$", times)
        return int(line[1])

    def await_generation(fleet, wanted):
        deadline, nothing = Deadline.after(PATIENCE), threading.Event()
        while (found := generation(fleet)) != wanted:
            assert deadline.left(), found
            nothing.wait(0.02)

    def serials(fleet):
        found = fleet.connect_to_each()
        return {port.peer_certificate.serial_number for port in found.values()}

    old = renew()
    first = RELOADING.format(**{k: str(v) for k, v in paths.items()})
    with fleet(vault, tmp_path, first, TELLING) as server:
        assert {old} == serials(server)
        await_generation(server, 1)
        new = renew()
        server.signal(signal.SIGHUP)
        await_generation(server, 2)

        assert {new} == serials(server)


def test_a_child_is_told_what_it_does_not_know(child):
    """Only of what was there when it was born, and of each change once."""
    found, line, _ = child
    found._known = {1: 1, 2: 5}
    for wanted in ({1: 1, 2: 5}, {1: 2, 2: 5, 3: 9}, {1: 2, 2: 5}):
        found.follow(wanted)

    assert {"1": 2} == json.loads(line.recv_bytes())
    assert not line.poll()
    line.close()
    found.follow({1: 3})


def test_the_lowest_generation_counts():
    """Who follows nothing, or has ended, does not count."""
    parts = [ListenerStatistics("x", generation=n) for n in (3, 0, 2)]

    assert 2 == total("here", parts).generation
    assert 0 == total("here", parts[1:2]).generation
