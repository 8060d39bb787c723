"""``open_connection``: look-up, TCP and handshake under one deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..client.connect import checked_target
from ..context.sides import ClientContext, client_context
from ..policy.settings import alpn_names
from ..ports.port import new_engine
from ..tools.deadline import Deadline
from .driver import AsyncDriver
from .opening import port_over, shaken, within
from .port import AsyncSSLPort

__all__ = ["open_connection"]


async def open_connection(
    host: str,
    port: int = 443,
    context: ClientContext | str = "secure",
    *,
    alpn: Iterable[str | bytes] = (),
    timeout: float | None = None,
    hostname: str | None = None,
    handshake: bool = True,
    shutdown_on_close: bool = True,
    source_address: tuple[str, int] | None = None,
) -> AsyncSSLPort:
    """Connect to a TLS server.

    Each address of *host* is tried.  No failure, and no cancellation, leaves
    a socket behind.

    Args:
        host: A host name or an IP address.
        port: The TCP port, 1 to 65535.
        context: A ``ClientContext``, or the name of a protocol.  The default
            verifies certificate and host name.
        alpn: Application protocols to offer, the preferred first.
        timeout: One deadline, in seconds, for look-up, TCP and handshake
            together; None is none.  It is also the port's time-out later.
        hostname: The name to announce and to check, if it is not *host*.
        handshake: False leaves it to the port's ``handshake()``.
        shutdown_on_close: Whether closing sends a close_notify.
        source_address: Our own ``(host, port)``.

    Returns:
        The port, with its handshake done.

    Raises:
        HandshakeError: No session came about; above all
            ``VerificationError`` and ``IdentityError``.
        TimeoutError: The deadline passed.
        OSError: The look-up or TCP failed.
        ConfigurationError: *host* or *hostname* can be no host name.
        ValueError: An argument is empty or out of its range.

    Source: ``connect``, whose arguments it has.
    """
    address = checked_target(host, port)
    names = alpn_names(alpn)
    engine = new_engine(
        client_context(context),
        server_side=False,
        hostname=host if hostname is None else hostname,
        alpn=names,
        dialled=(host, port),
    )
    deadline = Deadline.after(timeout)
    driver = AsyncDriver(engine)
    with within(deadline, f"connecting to {host}:{port}"):
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: driver, address, port, local_addr=source_address
        )
    made = port_over(
        driver,
        transport,
        hostname=host,
        timeout=timeout,
        shutdown_on_close=shutdown_on_close,
    )
    return await shaken(made, deadline) if handshake else made
