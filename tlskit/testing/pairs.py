"""Two ports joined in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from ..client.wrapping import ports_to_ssl_ports
from ..errors import ConfigurationError
from ..ports.pipes import pipe

if TYPE_CHECKING:
    from ..context.sides import ClientContext, ServerContext
    from ..ports.port import SSLPort
    from ..verify.identity import Identity

__all__ = ["memory_pair"]


def memory_pair(
    client: ClientContext,
    server: ServerContext,
    *,
    hostname: str | None = "localhost",
    alpn: Iterable[str | bytes] = (),
    timeout: float | None = 10.0,
    capacity: int | None = None,
    identity: Identity | None = None,
) -> tuple[SSLPort, SSLPort]:
    """Join two ports in memory, and shake hands.

    Args:
        client: The client's context.
        server: The server's context.
        hostname: The name that the client announces and checks.
        alpn: Application protocols that the client offers.
        timeout: The ports' time-out in seconds, also for the handshake.
        capacity: How many bytes fit between them; None is no limit.
        identity: Whom the server has to prove to be; *hostname* is then
            announced only.

    Returns:
        The client's port and the server's.

    Raises:
        TLSError: What the client raised, or else what the server did; first
            of all what is wrong with a context.
        Exception: What a hook of the server's raised, if that is no
            ``OSError``; the client knows only the alert that came of it.
    """
    left, right = pipe(capacity)
    accepted: list[SSLPort | BaseException] = []

    def accept() -> None:
        try:
            accepted.append(
                ports_to_ssl_ports(
                    right,
                    right,
                    mode="accept",
                    context=server,
                    close_original=True,
                    shutdown_on_close=True,
                )
            )
        except BaseException as error:  # noqa: BLE001 - raised by the caller
            accepted.append(error)
            right.close_streams = True
            right.close()

    left.settimeout(timeout)
    right.settimeout(timeout)
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        port = ports_to_ssl_ports(
            left,
            left,
            mode="connect",
            context=client,
            hostname=hostname,
            identity=identity,
            alpn=alpn,
            close_original=True,
            shutdown_on_close=True,
        )
    except BaseException as error:
        left.close_streams = True
        left.close()
        thread.join(timeout)
        refusal = accepted[0] if accepted else None
        if isinstance(refusal, ConfigurationError):
            raise refusal from None
        if isinstance(refusal, Exception) and not isinstance(refusal, OSError):
            raise refusal from error
        raise
    thread.join(timeout)
    other = accepted[0] if accepted else TimeoutError("the server hangs")
    if isinstance(other, BaseException):
        with suppress(OSError):  # The other end is gone.
            port.close()
        raise other
    for each in (port, other):
        each.settimeout(timeout)
    return port, other
