"""Use slixmpp, which takes a context, and tells of failures by events."""

from __future__ import annotations

import asyncio
import ssl

import slixmpp


async def talk_to_oneself(
    jid: str, password: str, words: str, adapter: ssl.SSLContext, at: tuple
) -> str:
    """Send a message, and wait until it comes back."""
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    client = slixmpp.ClientXMPP(jid, password, ssl_context=adapter)
    client.enable_plaintext = False
    client.enable_direct_tls = False

    def begin(_: object) -> None:
        client.send_message(mto=client.boundjid, mbody=words)

    def hear(message: slixmpp.Message) -> None:
        heard.set_result(message["body"])

    def fail(error: object) -> None:
        if not heard.done():
            heard.set_exception(
                error
                if isinstance(error, Exception)
                else ConnectionError(error)
            )

    client.add_event_handler("session_start", begin)
    client.add_event_handler("message", hear)
    client.add_event_handler("ssl_invalid_chain", fail)
    client.add_event_handler("connection_failed", fail)
    client.add_event_handler("failed_all_auth", fail)
    client.connect(*at)
    try:
        return await heard
    finally:
        await client.disconnect()
