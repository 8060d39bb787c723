"""The benchmarks refuse what can't be true, and every workload runs."""

from __future__ import annotations

import io
import json
import socket
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from .checkout import ROOT, load

pytest.importorskip("click")
pytest.importorskip("rich")

TOTAL = 1 << 20
#: What workers compare before anything is timed.
CHECKED = 4 << 20
#: Between them they run every stack; the others are like one of these.
THOROUGH = (
    "small writes, blocking",
    "ping-pong, blocking",
    "small writes, asyncio",
    "ping-pong, asyncio",
    "ping-pong, one thread",
    "bulk 64 KiB, one loop",
    "ping-pong, one loop",
    "http.client, 64 KiB both ways",
    "handshake in memory, P-256, default groups",
    "handshake over loopback, P-256, default groups",
    "handshake in memory, another host each time",
    "20 clients",
    "import",
)


@pytest.fixture(scope="module")
def it() -> Any:
    """The modules of the package, as attributes."""
    load("benchmarks", ROOT / "benchmarks" / "__init__.py", package=True)
    from benchmarks import (
        __main__,
        archive,
        blocking,
        c_loop,
        content,
        coroutines,
        credentials,
        harness,
        http_worker,
        machine,
        processes,
        report,
        shaking,
        shaking_worker,
    )

    modules = (
        *(archive, blocking, c_loop, content, coroutines, credentials),
        *(harness, http_worker, machine, processes, report),
        *(shaking, shaking_worker),
    )
    names = {each.__name__.rpartition(".")[2]: each for each in modules}
    return SimpleNamespace(
        main=__main__, error=harness.BenchmarkError, **names
    )


@pytest.fixture(autouse=True)
def _unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start workers without coverage, which would only slow them down."""
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        monkeypatch.delenv(name, raising=False)


def quiet(_: str) -> None:
    """Hear of no progress."""


def workload(it: Any, unit: str = "bytes/s", **figures: Any) -> Any:
    """Make a workload of stacks that always give these figures."""

    def stack(figure: Any) -> Any:
        if not isinstance(figure, it.harness.Measurement):
            figure = it.harness.Measurement(figure)
        return lambda: figure

    calls = {name: stack(figure) for name, figure in figures.items()}
    return it.harness.Workload("example", unit, calls)


# -- what is refused --------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "figure"),
    [
        ("bytes/s", 0.0),
        ("bytes/s", 60e9),
        ("bytes/s", float("nan")),
        ("turns/s", 2e6),
        ("handshakes/s", 1e6),
        ("s", -1.0),
        ("s", 1e-9),
        ("bytes", 0.0),
        ("bytes", -4096.0),
    ],
)
def test_impossible_figures(it, unit, figure):
    """A figure that can't be is no result; one that can be is."""
    assert it.harness.measure(workload(it, "bytes/s", tlskit=1e9), 1, quiet)
    with pytest.raises(it.error, match="impossible"):
        it.harness.measure(workload(it, unit, tlskit=figure), 1, quiet)


@pytest.mark.parametrize(
    ("seconds", "cpu"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.0), (0.1, 1e4)]
)
def test_impossible_clocks(it, seconds, cpu):
    """Time passes, and nobody works longer than the cores were there."""
    good = {"seconds": 1.0, "cpu": 0.5, "suite": ""}
    bad = {"seconds": seconds, "cpu": cpu, "suite": ""}
    rate = it.harness.Measurement.rate

    assert 7.0 == rate(7, {"client": good}, "client").figure
    assert 14.0 == rate(7, {"client": good}, "client").by_cpu
    with pytest.raises(it.error, match="impossible"):
        rate(7, {"client": bad}, "client")


def test_other_ciphers(it):
    """Nobody is compared with one who has an easier cipher."""
    made = it.harness.Measurement
    plain, easy = made(1e9), made(1e9, suite="EASY")
    hard = made(1e9, suite="HARD")
    side = {"seconds": 1.0, "cpu": 1.0}

    it.harness.measure(workload(it, a=plain, b=hard, c=hard), 2, quiet)
    with pytest.raises(it.error, match=r"EASY \(b\), HARD \(c\)"):
        it.harness.measure(workload(it, a=plain, b=easy, c=hard), 1, quiet)
    with pytest.raises(it.error, match="different ciphers"):
        made.rate(
            1,
            {"a": {**side, "suite": "EASY"}, "b": {**side, "suite": "HARD"}},
            "a",
        )


def test_dead_worker(it, capfd):
    """A worker that dies fails the run, before and after it has spoken."""
    files = it.credentials.files("ecdsa")
    worker = it.processes.Worker
    with worker("worker", "receive", "nobody", files=files, total=1) as one:
        with pytest.raises(it.error, match=r"died.*receive nobody"):
            one.said()
    assert "KeyError: 'nobody'" in capfd.readouterr().err

    options = {"files": files, "total": TOTAL}
    with worker("worker", "receive", "plain TCP", **options) as one:
        with socket.create_connection(("127.0.0.1", one.said()["port"])):
            one._process.kill()
            one.tell("too late")
            with pytest.raises(it.error, match="died"):
                one.said()
            with pytest.raises(it.error, match="at its end"):
                one.ended()


def test_worker_that_hangs(it, monkeypatch):
    """A worker that waits for ever is killed."""
    monkeypatch.setattr(it.processes, "LIMIT", 2.0)
    options = {"files": it.credentials.files("ecdsa"), "total": 1, "size": 1}
    with it.processes.Worker("worker", "send", "ssl", **options) as one:
        with pytest.raises(it.error, match="or took 2 seconds"):
            one.said()


@pytest.mark.parametrize("module", ["worker", "coroutine_worker"])
@pytest.mark.parametrize("damage", ["", "checked", "timed", "short", "long"])
def test_differing_byte(it, module, damage, capfd):
    """A byte that differs, is missing or too many fails the run."""
    checked = bytearray(it.content.stretch(0, CHECKED))
    timed = bytearray(it.content.stretch(0, TOTAL))
    if damage == "checked":
        checked[CHECKED // 2] ^= 1
    elif damage == "timed":
        timed[-1] ^= 1
    elif damage == "short":
        del timed[-1:]
    elif damage == "long":
        timed += b"!"
    options = {"files": it.credentials.files("ecdsa"), "total": TOTAL}
    with it.processes.Worker(module, "receive", "plain TCP", **options) as one:
        port = one.said()["port"]
        with socket.create_connection(("127.0.0.1", port), 30) as sock:
            sock.sendall(checked)
            answer = sock.recv(1)
            if answer:
                sock.sendall(timed)
                if not damage:  # Nothing may follow before this is told.
                    assert sock.recv(1) == it.content.DONE
                sock.sendall(it.content.END)
            sock.shutdown(socket.SHUT_WR)
            if not damage:
                assert "" == one.said()["suite"]
                one.ended()
                return
            with pytest.raises(it.error, match="died"):
                one.said()
    assert damage != "checked" or not answer
    assert "Error: " in capfd.readouterr().err


@pytest.mark.parametrize("module", ["worker", "coroutine_worker"])
def test_other_echo(it, module, capfd):
    """An echo that is another one fails the run."""
    options = {
        "files": it.credentials.files("ecdsa"),
        "turns": 10,
        "size": 100,
    }
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        with it.processes.Worker(
            module, "ping", "plain TCP", **options
        ) as one:
            one.tell({"port": server.getsockname()[1]})
            with server.accept()[0] as sock:
                sock.recv(100, socket.MSG_WAITALL)
                sock.sendall(bytes(100))
                with pytest.raises(it.error, match="died"):
                    one.said()
    assert "the echo is another one" in capfd.readouterr().err


@pytest.mark.native
def test_resumption_is_insisted_on(it):
    """A full handshake does not pass for a resumed one, or the reverse."""
    insist = it.shaking_worker.insist
    files = it.credentials.files("ecdsa")

    for name in ("ssl", "tlskit"):
        for resume in (False, True):
            made = it.shaking.STACKS[name](files, "", resume=resume)
            insist(made.shake(), resume=False)
            insist(made.shake(), resume=resume)
            with pytest.raises(ValueError, match="resumed: expected"):
                insist(made.shake(), resume=not resume)


@pytest.mark.parametrize(
    ("request_", "size"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 4),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", 4),
        (b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nxxxx", 4),
        (b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nxxxx", 0),
    ],
)
def test_other_request(it, request_, size):
    """A request whose body is another one fails the run."""
    take = it.http_worker.take_request
    body = it.content.stretch(0, 4)
    good = b"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\n" + body
    take(io.BytesIO(good), 4)
    take(io.BytesIO(b"GET / HTTP/1.1\r\n\r\n"), 0)

    with pytest.raises(ValueError, match="another one"):
        take(io.BytesIO(request_), size)


def test_failed_program(it):
    """A program that fails, or says nothing, is no measurement."""
    from benchmarks import footprint

    with pytest.raises(it.error, match=r"nonsense[^$]*ModuleNotFoundError"):
        footprint._fresh(footprint._TIMED, before="", code="import nonsense")


# -- what is sent -----------------------------------------------------------


def test_stream(it):
    """Messages of every size are pieces of the same stream."""
    whole = it.content.stretch(0, 2 * TOTAL)
    for size in (1024, 65536, 1 << 20):
        assert whole == b"".join(it.content.messages(size, 2 * TOTAL))

    assert whole[1000:9000] == it.content.stretch(1000, 8000)
    it.content.check(whole[77:], 77)
    for data, start in ((whole[77:], 78), (whole[:99] + b"!", 0)):
        with pytest.raises(ValueError, match="a byte differs"):
            it.content.check(data, start)
    for size, total in ((1000, 5000), (1024, 1500)):
        with pytest.raises(ValueError, match="not"):
            list(it.content.messages(size, total))


# -- rounds and ratios ------------------------------------------------------


def test_rounds_are_interleaved(it):
    """Each stack runs once a round, and ratios are those of a round."""
    order = []

    def stack(name, figures):
        def run():
            order.append(name)
            return it.harness.Measurement(next(figures), by_cpu=8.0)

        return run

    calls = {
        "tlskit": stack("tlskit", iter([10.0, 40.0, 90.0])),
        "ssl": stack("ssl", iter([10.0, 20.0, 30.0])),
    }
    made = it.harness.Workload("example", "bytes/s", calls)
    result = it.harness.measure(made, 3, quiet)

    assert [{"tlskit", "ssl"}] * 3 == [
        set(order[turn : turn + 2]) for turn in (0, 2, 4)
    ]
    assert [1.0, 2.0, 3.0] == result.ratios("tlskit", "ssl")
    assert [1.0] * 3 == result.ratios("tlskit", "ssl", by_cpu=True)


@pytest.mark.parametrize(
    ("higher", "bound", "ratio", "met"),
    [
        (True, ("at least", 2.0), 2.0, True),
        (True, ("at least", 2.1), 2.0, False),
        (False, ("at least", 0.5), 0.5, True),
        (False, ("no more than", 2.0), 2.0, True),
        (False, ("no more than", 1.9), 2.0, False),
    ],
)
def test_goals(it, higher, bound, ratio, met):
    """More is better, or less; a goal is a lower or an upper bound."""
    kind, wanted = bound
    goal = it.harness.Goal(
        "tlskit", "ssl", wanted, at_least=kind == "at least"
    )
    made = replace(workload(it, tlskit=200.0, ssl=100.0), higher=higher)
    result = it.harness.measure(made, 1, quiet)

    assert [ratio] == result.towards(goal)
    assert met is goal.met(ratio)
    assert [] == result.towards(replace(goal, against="uvloop"))


def test_missing_stacks(it, monkeypatch, tmp_path):
    """What is not there is skipped, and the reason is told."""
    monkeypatch.setattr(
        it.coroutines, "find_spec", lambda name: name != "uvloop" or None
    )
    reason = "uvloop is not installed"
    assert (
        ["asyncio", "trio"],
        {"uvloop": reason, "tlskit on uvloop": reason},
    ) == it.coroutines.available(
        "asyncio", "uvloop", "trio", "tlskit on uvloop"
    )

    source = tmp_path / "broken.c"
    source.write_text("this is not C")
    monkeypatch.setattr(it.c_loop, "_SOURCE", source)
    assert it.c_loop.compiled(tmp_path)
    monkeypatch.setattr(it.c_loop.shutil, "which", lambda _: None)
    it.c_loop.compiled.cache_clear()
    assert "there is no C compiler" == it.c_loop.compiled(tmp_path)
    assert (["ssl"], {"C loop": "there is no C compiler"}) == (
        it.blocking.available("ssl", "C loop")
    )
    monkeypatch.setattr(it.blocking, "find_spec", lambda _: None)
    assert (["ssl"], {"rtls, AES-128": "rtls is not installed"}) == (
        it.blocking.available("ssl", "rtls, AES-128")
    )
    it.c_loop.compiled.cache_clear()


# -- results ----------------------------------------------------------------


def measured(it: Any, name: str, ratio: float, rounds: int = 10) -> Any:
    """Give a result, and what a run in which it came about would write."""
    goal = it.harness.Goal
    made = replace(
        workload(it, tlskit=ratio * 1e6, ssl=1e6),
        name=name,
        goals=(goal("tlskit", "ssl", 1.5), goal("tlskit", "uvloop", 1.5)),
        missing={"uvloop": "it is not there"},
    )
    return made, it.archive.as_json(
        {"processor": "abacus"},
        [it.harness.measure(made, rounds, quiet)],
        it.machine.Conditions("today", rounds, (0.5, 1.0), (2.0, 1.9), 0.01),
    )


def test_results_are_merged(it, tmp_path):
    """A part that is measured anew replaces its figures, and only these."""
    first, one = measured(it, "first", 2.0)
    second, two = measured(it, "second", 1.0)
    _, three = measured(it, "second", 1.6)
    every = [first, second]
    it.archive.write(tmp_path, one, every)
    it.archive.write(tmp_path, two, every)
    before = (tmp_path / "RESULTS.md").read_text("utf-8")
    it.archive.write(tmp_path, three, every)
    after = (tmp_path / "RESULTS.md").read_text("utf-8")

    row = "| tlskit | ssl | at least 1.5 |"
    assert f"| first {row}  | 2 [2, 2] | yes |" in before
    assert f"| second {row}  | 1 [1, 1] | no |" in before
    assert f"| first {row}  | 2 [2, 2] | yes |" in after
    assert f"| second {row}  | 1.6 [1.6, 1.6] | yes |" in after
    assert "| tlskit | uvloop | at least 1.5 |  |  | not measured |" in after
    assert "Skipped: uvloop, since it is not there." in after
    assert "- processor: abacus" in after
    assert "today: 10 rounds; load 0.50 before, 1.00 after" in after

    it.archive.write(tmp_path, one, [first])
    assert "second" not in (tmp_path / "RESULTS.md").read_text("utf-8")


def test_results_of_other_machines(it, tmp_path):
    """Figures of two machines are not mixed; all of them can be replaced."""
    first, one = measured(it, "first", 2.0)
    second, two = measured(it, "second", 2.0)
    it.archive.write(tmp_path, one, [first, second])
    kept = (tmp_path / "RESULTS.md").read_text("utf-8")
    two["machine"] = {"processor": "slide rule"}

    with pytest.raises(it.error, match="processor was abacus, is slide rule"):
        it.archive.write(tmp_path, two, [first, second])
    assert kept == (tmp_path / "RESULTS.md").read_text("utf-8")
    it.archive.write(tmp_path, two, [second])
    assert "slide rule" in (tmp_path / "RESULTS.md").read_text("utf-8")


def test_machine(it):
    """The machine is described, with the cores that were really had."""
    begin, end = it.machine.Sample.take(), it.machine.Sample.take()
    made = it.machine.Conditions.between(begin, end, 10)

    assert {"processor", "cores", "Python"} <= it.machine.description().keys()
    assert 0 < made.cores[0] <= int(it.machine.description()["cores"]) + 0.5
    assert 0 <= made.stolen <= 1
    assert "cores really had" in str(made)


# -- the command ------------------------------------------------------------


def run(it: Any, monkeypatch: Any, made: Any, *arguments: Any) -> Any:
    """Run the command with one workload."""
    monkeypatch.setattr(it.main, "workloads", lambda **_: [made])
    from click.testing import CliRunner

    return CliRunner().invoke(it.main.main, list(map(str, arguments)))


def test_command(it, monkeypatch, tmp_path):
    """Figures are printed, and written as JSON."""
    made, _ = measured(it, "example", 2.0)
    target = tmp_path / "figures.json"
    result = run(it, monkeypatch, made, "--rounds", 2, "--json", target)

    assert 0 == result.exit_code
    assert "2 [2, 2]" in result.output
    written = json.loads(target.read_text())["workloads"]["example"]
    assert [2e6, 2e6] == [
        each["figure"] for each in written["rounds"]["tlskit"]
    ]
    assert 2 == written["conditions"]["rounds"]

    assert "example\n" == run(it, monkeypatch, made, "exam", "--list").output


def test_command_that_fails(it, monkeypatch, tmp_path):
    """A run that fails prints no figure, and writes none."""
    made = workload(it, ssl=1e6, tlskit=1e99)
    target = tmp_path / "figures.json"
    result = run(it, monkeypatch, made, "--rounds", 2, "--json", target)

    assert 1 == result.exit_code
    assert "tlskit gave 1e+99 bytes/s: impossible" in result.output
    assert "Mbytes" not in result.output
    assert not target.exists()


@pytest.mark.parametrize(
    "arguments",
    [("nothing",), ("--results", "--quick"), ("--results", "--rounds", "4")],
)
def test_command_that_is_wrong(it, monkeypatch, arguments):
    """Unknown names are refused, and results of too few rounds."""
    result = run(it, monkeypatch, workload(it, tlskit=1e6), *arguments)

    assert 2 == result.exit_code


# -- every workload ---------------------------------------------------------


def test_names_of_workloads(it):
    """Every workload has a name of its own, quick or not as many."""
    quick = [each.name for each in it.main.workloads(quick=True)]
    full = [each.name for each in it.main.workloads(quick=False)]

    assert len(set(full)) == len(full) == len(quick)
    assert set(THOROUGH) < set(quick)


@pytest.mark.parametrize("number", range(36))
@pytest.mark.native
def test_workload(it, number):
    """A workload gives figures for a round: for ours, or for all stacks."""
    every = it.main.workloads(quick=True)
    assert len(every) == 36
    made = every[number]
    if made.name not in THOROUGH:
        made = replace(made, stacks={"tlskit": made.stacks["tlskit"]})
    result = it.harness.measure(made, 1, quiet)

    assert made.stacks.keys() == result.rounds.keys()
    assert all(1 == len(rounds) for rounds in result.rounds.values())
    assert all(
        goal.stack in it.main.workloads(quick=True)[number].stacks
        for goal in made.goals
    )
