"""Waits for the context that the hook ``choose_for`` chooses."""

from __future__ import annotations

from ..engine.engine import Engine
from ..errors import HandshakeError
from ..tools.deadline import Deadline
from .waiting import within

__all__ = ["choose"]


async def choose(engine: Engine, deadline: Deadline) -> None:
    """Await what *engine* is suspended for, and tell it.

    Raises:
        TimeoutError: The deadline passed.
        Exception: What the hook raised.
    """
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
