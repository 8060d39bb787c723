"""How long a connection is taken leave of, and when it needs no leave."""

from __future__ import annotations

__all__ = ["FAREWELL", "LINGER", "MOST_DRAINED", "at_rest"]

#: How long, in seconds, ``close`` tries to get its last bytes out ...
FAREWELL = 5.0
#: ... and how long and how many bytes it drains then.
LINGER = 0.5
MOST_DRAINED = 1048576

_TLS_1_3 = 0x0304


def at_rest(
    version: int | None,
    *,
    server_side: bool,
    failed: bool,
    heard: bool,
    drained: int,
) -> bool:
    """Say whether closing now resets nothing that matters.

    It would, if we refused a peer that is still talking, and if we are a
    TLS 1.3 client: the server's tickets follow its last flight.

    Args:
        version: The protocol's number; None if there was no handshake.
        server_side: Whether we are the server.
        failed: Whether the session broke.
        heard: Whether bytes came in after the handshake.
        drained: How many bytes came in after our last.
    """
    if failed or drained:
        return False
    if version is None:  # Given up in mid-handshake: no alert is owed.
        return True
    return heard or server_side or version < _TLS_1_3
