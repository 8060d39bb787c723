"""Waits for the context that the hook ``choose_for`` chooses."""

from __future__ import annotations

import asyncio

from ..engine.engine import Engine
from ..errors import HandshakeError
from ..tools.deadline import Deadline

__all__ = ["choose"]


async def choose(engine: Engine, deadline: Deadline) -> None:
    """Await what *engine* is suspended for, and tell it.

    Raises:
        TimeoutError: The deadline passed.
        Exception: What the hook raised.
    """
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
