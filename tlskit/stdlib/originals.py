"""The standard library's own classes, whatever stands in their place now.

truststore, gevent and eventlet exchange classes of the module ``ssl`` for
their own.  The adapter builds on the first ones: others keep what they need
in attributes that our objects do not have.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from ..errors import UnsupportedError

__all__ = ["ContextBeneath", "SSLObjectBeneath", "SSLSocketBeneath", "check"]


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
    from ssl import SSLContext as ContextBeneath
    from ssl import SSLObject as SSLObjectBeneath
    from ssl import SSLSocket as SSLSocketBeneath
else:
    ContextBeneath = original_of(ssl.SSLContext, "SSLContext")
    SSLSocketBeneath = ContextBeneath.sslsocket_class
    SSLObjectBeneath = ContextBeneath.sslobject_class


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
            hint="don't let it patch ssl (monkey.patch_all(ssl=False)), or "
            "use tlskit's own ports: connect() and SSLPort.start_tls()",
        )
