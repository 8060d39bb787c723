"""Waits for what a session is suspended for, and leaves the loop free."""

from __future__ import annotations

import asyncio

from ..engine.engine import Engine
from ..errors import HandshakeError
from ..ports.fetching.issuers import run_errand
from ..tools.deadline import Deadline

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
    loop = asyncio.get_running_loop()
    soonest = deadline.sooner(errand.rules.timeout)
    job = loop.run_in_executor(None, run_errand, errand, deadline)
    await asyncio.wait((job,), timeout=soonest.left())
    errand.give_up("timed out")


async def _choose(engine: Engine, deadline: Deadline) -> None:
    """Wait for the context that the hook ``choose_for`` chooses."""
    assert engine.choice is not None
    chosen = asyncio.ensure_future(engine.choice)
    try:
        await asyncio.wait((chosen,), timeout=deadline.left())
        deadline.check("choose_for() chooses")
        engine.choose(chosen.result())
    except Exception as error:
        engine.refuse_choice(error)
        raise
    except BaseException:
        engine.refuse_choice(HandshakeError("choose_for() was cancelled"))
        raise
    finally:
        chosen.cancel()
