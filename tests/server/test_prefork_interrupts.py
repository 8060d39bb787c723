"""An interrupt at every place where a child is born, and where all end.

In a process of its own: what is interrupted is how processes begin and end.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ..checkout import ROOT
from ..peers import PATIENCE

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks"),
    pytest.mark.timeout(180),
]

BEGIN = """
import logging, multiprocessing.connection, os, signal, sys
sys.path.append(sys.argv.pop(1))  # Last: tlskit is to be what is installed.
from itertools import count
from tests.interrupts import Interrupt, interrupted
from tlskit.server.events import Events
from tlskit.server.processes.prefork import Crew
from tlskit.server.tally import Tally
from tlskit.tools.deadline import Deadline

logging.disable()
# Python forgets in a child which signals its parent was to handle.
os.register_at_fork(after_in_child=lambda: sys.setprofile(None))
BLOCKED = {signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_SETMASK, BLOCKED)

def work(parent):
    parent._line.poll(100)  # Until the parent says something, or is gone.

def crew():
    made = Crew(work, Events("here", Tally(lambda: None)), "here", processes=2)
    made._bell, made._ringer = os.pipe()
    return made

def look_around(number):
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert BLOCKED == mask, (number, mask)
    try:
        found = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return
    raise AssertionError((number, found))
"""

BIRTH = """
one = crew()
for number in count():
    before = len(one._children)
    more = interrupted(number, lambda: one._fork(Deadline.now()))
    for child in list(one._children):
        child.kill()
        one._children.remove(child)
        child.line.close()
    look_around(number)
    if not more:
        break
assert number > 30, number
"""

END = """
def run():
    beats = []
    one = Crew(work, Events("here", Tally(lambda: None)), "here", processes=2)
    turn = one._turn

    def beat(deadline):
        if not beats:
            beats.append(1)
            one.drain(Deadline.after(5))
        turn(deadline)

    one._turn = beat
    one.run(lambda: None)

run()  # Modules load.
for number in count(step=int(sys.argv[1])):
    more = interrupted(number, run)
    look_around(number)
    if not more:
        break
assert number > 300, number
"""


def tried(program: str, *arguments: str) -> None:
    """Run it in a process of its own."""
    subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            BEGIN + program,
            ROOT,
            *arguments,
        ],
        check=True,
        timeout=10 * PATIENCE,
    )


def test_where_a_child_is_born() -> None:
    """There is no child that nobody knows, and signals are heard again."""
    tried(BIRTH)


def test_where_all_end() -> None:
    """Whatever is interrupted from beginning to end, no child is left.

    All places take a minute; these are some of each kind.
    """
    tried(END, "13")
