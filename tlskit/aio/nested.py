"""A port's plaintext as a transport: TLS in TLS."""

from __future__ import annotations

import asyncio
from typing import Any

from .port import AsyncSSLPort

__all__ = ["PortTransport"]


class PortTransport(asyncio.Transport):
    """Carries another session's ciphertext over *port*; owns it."""

    def __init__(self, port: AsyncSSLPort) -> None:
        super().__init__()
        self._port = port
        self._driver = port._driver
        self._protocol: asyncio.BufferedProtocol | None = None
        self._reading = True
        self._ended = False
        self._full = False
        self._closing: asyncio.Task[None] | None = None
        self._lost = False

    # -- what comes in ------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Carry for *protocol* from now on."""
        assert isinstance(protocol, asyncio.BufferedProtocol)
        self._protocol = protocol
        protocol.connection_made(self)
        self._driver.news.listener = self._pull
        self._driver.room.listener = self._watch_room
        self._pull()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Give whom we carry for."""
        assert self._protocol is not None
        return self._protocol

    def pause_reading(self) -> None:
        """Leave what comes in to the port, which then pauses, too."""
        self._reading = False

    def resume_reading(self) -> None:
        """Take in what has come meanwhile."""
        self._reading = True
        self._driver.loop.call_soon(self._pull)

    def _pull(self) -> None:
        """Take what the port has, without waiting."""
        protocol = self.get_protocol()
        assert isinstance(protocol, asyncio.BufferedProtocol)
        try:
            while self._reading and not self._ended and not self._lost:
                size = self._driver.read_now(
                    memoryview(protocol.get_buffer(-1))
                )
                if size is None:
                    self._driver.check_alive()
                    self._driver.listen_again()
                    return
                if size:
                    protocol.buffer_updated(size)
                    continue
                self._ended = True
                protocol.eof_received()
        except Exception as error:  # noqa: BLE001 - a hook raises anything
            self._lose(error)

    # -- what goes out ------------------------------------------------------

    def write(self, data: Any) -> None:
        """Send *data*, which was gathered already, at once."""
        try:
            self._driver.write(data)
            self._driver.flush()
        except OSError as error:
            self._lose(error)
        self._watch_room()

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        """Set when to pause whom we carry for."""
        self._driver.transport.set_write_buffer_limits(high, low)
        self._watch_room()

    def get_write_buffer_size(self) -> int:
        """Say how many bytes have not left yet."""
        return self._driver.backlog

    def _watch_room(self) -> None:
        """Pause and resume whom we carry for, as the port can send."""
        if self._lost or self._full is self._driver.blocked:
            return
        self._full = not self._full
        if self._full:
            self.get_protocol().pause_writing()
        else:
            self.get_protocol().resume_writing()

    def can_write_eof(self) -> bool:
        """Say yes: TLS can close one direction."""
        return True

    def write_eof(self) -> None:
        """End the port's output."""
        self._port.write_eof()

    # -- the end ------------------------------------------------------------

    def close(self) -> None:
        """Close the port, too."""
        if not self.is_closing():
            self._driver.news.listener = None
            self._closing = self._driver.loop.create_task(self._close())

    async def _close(self) -> None:
        await self._port.aclose()
        self._lose(None)

    def abort(self) -> None:
        """Abort the port, too."""
        self._lose(None)

    def is_closing(self) -> bool:
        """Say whether it is closed, or about to be."""
        return self._lost or self._closing is not None

    def _lose(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        self._port.abort()
        self._driver.loop.call_soon(self.get_protocol().connection_lost, error)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Tell what the port's own transport tells."""
        return self._driver.transport.get_extra_info(name, default)
