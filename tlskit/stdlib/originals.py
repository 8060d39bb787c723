"""The standard library's own classes, whatever stands in their place now.

truststore, gevent and eventlet exchange classes of the module ``ssl`` for
their own.  The adapter builds on the first ones: others keep what they need
in attributes that our objects do not have.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from ..errors import UnsupportedError

__all__ = [
    "ContextBeneath",
    "SSLObjectBeneath",
    "SSLSocketBeneath",
    "SocketBeneath",
    "check",
]


_OR_PORTS = (
    " (monkey.patch_all(ssl=False)); or use tlskit's own ports: connect() "
    "and SSLPort.start_tls()"
)


def original_of(now: type, name: str) -> type:
    """Find the first class of this name, from the one that is there now.

    Args:
        now: Such as ``ssl.SSLContext``.
        name: What the first one is called.

    Raises:
        LookupError: It can't be found.
    """
    root = now.__mro__[-2]
    for each in (*now.__mro__, *root.__subclasses__()):
        if each.__module__ == "ssl" and each.__name__ == name:
            return each
    raise LookupError(now)


if TYPE_CHECKING:
    import socket
    from ssl import SSLContext as ContextBeneath
    from ssl import SSLObject as SSLObjectBeneath
    from ssl import SSLSocket as SSLSocketBeneath

    SocketBeneath = socket.socket
else:
    ContextBeneath = original_of(ssl.SSLContext, "SSLContext")
    SSLSocketBeneath = ContextBeneath.sslsocket_class
    SSLObjectBeneath = ContextBeneath.sslobject_class
    SocketBeneath = SSLSocketBeneath.__base__


def check() -> None:
    """See that sockets can be made; their class looks itself up in ``ssl``.

    Raises:
        UnsupportedError: It would find another class there.
    """
    found: type = ssl.SSLSocket
    if found is not SSLSocketBeneath:
        raise UnsupportedError(
            f"ssl.SSLSocket was exchanged for {found.__module__}'s, so the "
            "adapter can't make sockets",
            hint=f"import ssl first, and don't let it patch that{_OR_PORTS}",
        )
    beneath: str = SocketBeneath.__module__
    if beneath != "socket":
        raise UnsupportedError(
            f"ssl was imported after socket.socket was exchanged for "
            f"{beneath}'s, so neither it nor the adapter can make sockets",
            hint=f"import ssl before anything is patched{_OR_PORTS}",
        )
