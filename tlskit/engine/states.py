"""Where a session stands, and what each state makes of a step."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from ..tools.public import public

__all__ = ["ENDED", "FINISHED", "TABLE", "Do", "State"]


@public
class State(Enum):
    """Where a session stands."""

    # Enum's own is slow, and every step looks into a table.
    if not TYPE_CHECKING:
        __hash__ = object.__hash__

    HANDSHAKE = auto()
    OPEN = auto()
    INPUT_ENDED = auto()  # The peer's close_notify is in; we may still send.
    OUTPUT_ENDED = auto()  # Ours is out; the peer may still send.
    CLOSED = auto()
    FAILED = auto()


class Do(Enum):
    """What a state makes of a step."""

    RUN = auto()
    NOTHING = auto()
    END = auto()  # Read: the end of the file, again.
    REFUSE = auto()  # There is no session yet.
    RAISE = auto()  # This direction is closed.
    REPEAT = auto()  # Raise the first error again.


TABLE: dict[State, dict[str, Do]] = {
    State.HANDSHAKE: {
        "handshake": Do.RUN,
        "read": Do.REFUSE,
        "write": Do.REFUSE,
    },
    State.OPEN: {
        "handshake": Do.NOTHING,
        "read": Do.RUN,
        "write": Do.RUN,
    },
    State.INPUT_ENDED: {
        "handshake": Do.NOTHING,
        "read": Do.END,
        "write": Do.RUN,
    },
    State.OUTPUT_ENDED: {
        "handshake": Do.NOTHING,
        "read": Do.RUN,
        "write": Do.RAISE,
    },
    State.CLOSED: {
        "handshake": Do.NOTHING,
        "read": Do.END,
        "write": Do.RAISE,
    },
    State.FAILED: {
        "handshake": Do.REPEAT,
        "read": Do.REPEAT,
        "write": Do.REPEAT,
    },
}
#: What our close_notify makes of a state; the others stay as they are.
FINISHED = {
    State.HANDSHAKE: State.CLOSED,
    State.OPEN: State.OUTPUT_ENDED,
    State.INPUT_ENDED: State.CLOSED,
}
#: What the peer's close_notify makes of a state.
ENDED = {
    State.OPEN: State.INPUT_ENDED,
    State.OUTPUT_ENDED: State.CLOSED,
}
