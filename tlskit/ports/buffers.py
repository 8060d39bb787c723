"""Each thread's buffers, which all its connections share."""

from __future__ import annotations

import threading

__all__ = ["buffer", "scratch"]

#: One system call takes up to this many bytes of ciphertext.
_CHUNK = 262144

_local = threading.local()


def buffer(name: str) -> memoryview:
    """Give this thread's buffer of that name."""
    view: memoryview | None = getattr(_local, name, None)
    if view is None:
        view = memoryview(bytearray(_CHUNK))
        setattr(_local, name, view)
    return view


def scratch() -> memoryview:
    """Give this thread's buffer for plaintext; good until the next await."""
    return buffer("plain")
