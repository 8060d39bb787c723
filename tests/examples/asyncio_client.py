"""Use asyncio's own streams as a client."""

from __future__ import annotations

import asyncio

import tlskit


async def ask(host: str, port: int, context: tlskit.ClientContext) -> bytes:
    """Send a line, and get one."""
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context.as_ssl_context()
    )
    try:
        writer.write(b"hello\n")
        await writer.drain()
        return await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()


async def ask_later(
    host: str, port: int, context: tlskit.ClientContext
) -> bytes:
    """Begin in plain text, then upgrade (STARTTLS)."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.create_connection(lambda: protocol, host, port)
    transport.write(b"STARTTLS\n")
    await reader.readline()
    secure = await loop.start_tls(
        transport, protocol, context.as_ssl_context(), server_hostname=host
    )
    writer = asyncio.StreamWriter(secure, protocol, reader, loop)
    try:
        writer.write(b"hello\n")
        return await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()
