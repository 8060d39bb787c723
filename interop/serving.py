"""Tlskit's ways of being a server that resumes."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import tlskit
from tlskit import aio

from .facts import PAGE

__all__ = ["SERVED"]

SECONDS = 10.0
_LOCAL = "127.0.0.1"
Call = Callable[[int], None]


class _Adapter:
    """Wraps as users of ssl do."""

    def __init__(self, context: tlskit.ServerContext) -> None:
        self._context = context.as_ssl_context()

    def __call__(self, sock: socket.socket) -> bool:
        with self._context.wrap_socket(sock, server_side=True) as wrapped:
            if wrapped.recv(4096):
                wrapped.sendall(PAGE)
            return bool(wrapped.session_reused)


class _StartTLS:
    """Begins TLS in a connection that is there."""

    def __init__(self, context: tlskit.ServerContext) -> None:
        self._context = context

    def __call__(self, sock: socket.socket) -> bool:
        with tlskit.SSLPort.start_tls(
            sock, self._context, server_side=True
        ) as port:
            return _answer(port)


def _answer(port: tlskit.SSLPort) -> bool:
    """Answer one request, and close; say whether it has resumed."""
    if port.recv(4096):
        port.sendall(PAGE)
    return port.session_reused


@contextmanager
def _accepting(
    meet: Callable[[socket.socket], bool], seen: list[bool]
) -> Iterator[int]:
    """Accept by a plain socket, in a thread."""

    def serve(listener: socket.socket) -> None:
        while True:
            sock, _ = listener.accept()
            with sock, suppress(OSError):
                sock.settimeout(SECONDS)
                if ended.is_set():
                    return
                seen.append(meet(sock))

    ended = threading.Event()
    with socket.create_server((_LOCAL, 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            ended.set()
            socket.create_connection(listener.getsockname()).close()
            thread.join()


def _by_start_tls(context: tlskit.ServerContext, call: Call) -> bool:
    seen: list[bool] = []
    with _accepting(_StartTLS(context), seen) as number:
        call(number)
    return any(seen)


def _by_adapter(context: tlskit.ServerContext, call: Call) -> bool:
    seen: list[bool] = []
    with _accepting(_Adapter(context), seen) as number:
        call(number)
    return any(seen)


def _by_listener(context: tlskit.ServerContext, call: Call) -> bool:
    seen: list[bool] = []

    def answer(port: tlskit.SSLPort) -> None:
        with suppress(OSError):
            seen.append(_answer(port))

    with tlskit.listen(hostname=_LOCAL, context=context) as listener:
        thread = threading.Thread(
            target=listener.serve, args=(answer,), kwargs={"timeout": SECONDS}
        )
        thread.start()
        try:
            call(listener.port)
        finally:
            listener.shutdown(SECONDS)
            thread.join()
    return any(seen)


def _by_asyncio(context: tlskit.ServerContext, call: Call) -> bool:
    seen: list[bool] = []

    async def answer(port: aio.AsyncSSLPort) -> None:
        with suppress(OSError):
            if await port.read(4096):
                port.write(PAGE)
                await port.drain()
            seen.append(port.session_reused)

    async def main() -> None:
        async with await aio.start_server(
            answer, _LOCAL, context=context, timeout=SECONDS
        ) as server:
            await asyncio.get_running_loop().run_in_executor(
                None, call, server.port
            )

    asyncio.run(main())
    return any(seen)


#: Column -> is met by a client twice; gives whether one of them resumed.
SERVED: dict[str, Callable[[tlskit.ServerContext, Call], bool]] = {
    "Listener": _by_listener,
    "start_tls": _by_start_tls,
    "asyncio": _by_asyncio,
    "adapter": _by_adapter,
}
