"""Waits for what a session is suspended for, and leaves the loop free."""

from __future__ import annotations

import trio

from ..engine.engine import Engine
from ..errors import HandshakeError
from ..ports.fetching.issuers import run_errand
from ..tools.deadline import Deadline
from .waiting import scope_until, within

__all__ = ["go_on"]


async def go_on(engine: Engine, deadline: Deadline) -> None:
    """Await what *engine* is suspended for, and tell it.

    Raises:
        TimeoutError: The deadline passed.
        Exception: What the hook raised.
    """
    if engine.choice is not None:
        await _choose(engine, deadline)
    if (errand := engine.errand) is None or errand.over:
        return
    with scope_until(deadline.sooner(errand.rules.timeout)):
        await trio.to_thread.run_sync(
            run_errand, errand, deadline, abandon_on_cancel=True
        )
    errand.give_up("timed out")


async def _choose(engine: Engine, deadline: Deadline) -> None:
    """Wait for the context that the hook ``choose_for`` chooses."""
    assert engine.choice is not None
    try:
        with within(deadline, "choose_for() chooses"):
            answer = await engine.choice
    except Exception as error:
        engine.refuse_choice(error)
        raise
    except BaseException:
        engine.refuse_choice(HandshakeError("choose_for() was cancelled"))
        raise
    engine.choose(answer)
