"""A loop in C over the same OpenSSL as tlskit's: the limit.

cryptography's wheel carries an OpenSSL of its own, which no C program can be
linked with; but C can be told where its SSL_read and SSL_write are.  So
Python shakes hands, by pyOpenSSL, and ``loop.c`` moves the bytes.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from .content import ring
from .moving import Mover

__all__ = ["CMover", "compiled"]

_SOURCE = Path(__file__).with_name("loop.c")
_PLACE = "TLSKIT_BENCHMARKS_LOOP"
_POINTER, _INT, _LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
_ARGUMENTS = {
    "send_stream": (_POINTER, _POINTER, _POINTER, _INT, _INT, _LONG),
    "receive_stream": (_POINTER, _POINTER, _POINTER, _INT, _LONG),
    "ping": (*[_POINTER] * 5, _INT, _INT),
    "pong": (*[_POINTER] * 4, _INT, _INT),
}


@cache
def compiled(place: Path) -> str:
    """Compile the loop into *place*, for this process's children.

    Returns:
        Why that can't be done; nothing if it is done.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return "there is no C compiler"
    target = place / "loop.so"
    done = subprocess.run(
        (compiler, "-O2", "-shared", "-fPIC", _SOURCE, "-o", target),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return f"loop.c can't be compiled: {done.stderr.strip()}"
    os.environ[_PLACE] = str(target)
    return ""


class CMover(Mover):
    """Moves the bytes of a pyOpenSSL connection."""

    def __init__(self, connection: Any) -> None:
        # The public Binding().lib is a copy, which has no addresses.
        from cryptography.hazmat.bindings._rust import _openssl

        super().__init__(connection)
        lib, ffi = _openssl.lib, _openssl.ffi

        def address(pointer: Any) -> int:
            return int(ffi.cast("uintptr_t", pointer))

        self._library = ctypes.CDLL(os.environ[_PLACE])
        self._ssl = address(connection._ssl)
        self._read = address(ffi.addressof(lib, "SSL_read"))
        self._write = address(ffi.addressof(lib, "SSL_write"))

    def send_stream(self, size: int, total: int) -> None:
        """Send *total* bytes in messages of *size*."""
        source = ring(size)
        self._call(
            *("send_stream", self._write, self._ssl, source),
            *(size, len(source) // size, total // size),
        )

    def receive_stream(self, buffer: bytearray, total: int) -> int:
        """Receive *total* bytes, and give how many of them came last."""
        room = (ctypes.c_char * len(buffer)).from_buffer(buffer)
        return self._call(
            *("receive_stream", self._read, self._ssl),
            *(room, len(buffer), total),
        )

    def ping(self, message: bytes, turns: int) -> None:
        """Send *message* and have it back."""
        room = ctypes.create_string_buffer(len(message))
        self._call(
            *("ping", self._write, self._read, self._ssl),
            *(message, room, len(message), turns),
        )

    def pong(self, size: int, turns: int) -> None:
        """Send back what comes."""
        room = ctypes.create_string_buffer(size)
        self._call(
            *("pong", self._write, self._read, self._ssl),
            *(room, size, turns),
        )

    def _call(self, name: str, *arguments: Any) -> int:
        function = getattr(self._library, name)
        function.argtypes = _ARGUMENTS[name]
        done: int = function(*arguments)
        if done < 0:
            raise OSError(f"{name} failed in C")
        return done
