"""What client, server and upgrade share: making a port, under a deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .driver import TrioDriver
from .port import TrioSSLPort

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..ports.view import Endpoints
    from .carriers import Carrier

__all__ = ["port_over"]


def port_over(
    engine: Engine,
    carrier: Carrier,
    *,
    endpoints: Endpoints | None = None,
    timeout: float | None = None,
    shutdown_on_close: bool = True,
) -> TrioSSLPort:
    """Make a port over a carrier, which it takes over."""
    return TrioSSLPort(
        TrioDriver(engine, carrier),
        timeout=timeout,
        shutdown_on_close=shutdown_on_close,
        endpoints=endpoints,
    )
