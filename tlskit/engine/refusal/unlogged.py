"""Refuses a server whose certificate too few public logs vouch for."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ...errors import VerificationError
from ...policy.settings import Verify
from ...tools.wire import Reader
from ...verify.evidence import scene_of
from ...verify.transparency.timestamps import check_transparency

if TYPE_CHECKING:
    from ...openssl.gate import SSL
    from ..callbacks import Record

__all__ = ["look_for_timestamps", "untransparent"]

_SERVER_HELLO, _CERTIFICATE = 2, 11
_TLS_1_3 = 0x0304
#: signed_certificate_timestamp (RFC 6962, section 3.3.1).
_TIMESTAMPS = 18


def look_for_timestamps(
    connection: SSL.Connection, record: Record, message: bytes
) -> None:
    """Keep what a server's message says of logs.

    In TLS 1.3 it stands beside the certificate (RFC 8446, section 4.4.2.1),
    in TLS 1.2 in the ServerHello.  OpenSSL checks that it was asked for, and
    what else is wrong with a message.

    Args:
        connection: Whose message it is.
        record: Where it is kept, if it counts there.
        message: The whole message.
    """
    if record.settings.transparency is None or record.server_side:
        return
    kind, rest = message[0], Reader(message[4:])
    with suppress(ValueError):
        if kind == _SERVER_HELLO:  # The version is not decided yet.
            rest.take(34)
            rest.vector(1)
            rest.take(3)
        elif (
            kind == _CERTIFICATE
            and connection.get_protocol_version() >= _TLS_1_3
        ):
            rest.vector(1)
            rest = rest.vector(3)
            rest.vector(3)
        else:
            return
        extensions = rest.vector(2)
        while extensions:
            number, value = extensions.number(2), extensions.vector(2)
            if number == _TIMESTAMPS:
                record.logged = value.rest()


def untransparent(
    connection: SSL.Connection, record: Record, path: tuple[bytes, ...]
) -> VerificationError | None:
    """Ask for timestamps of logs, in the session's first handshake.

    Returns:
        What is wrong, where that is tolerated.

    Raises:
        VerificationError: There are too few.
    """
    rules = record.settings.transparency
    verify = record.settings.verify
    if (
        rules is None
        or verify is Verify.NONE
        or record.faults
        or record.earlier is not None
    ):
        return None
    try:
        scene = scene_of(connection, record)
        check_transparency(
            path,
            rules,
            scene,
            staple=record.staple,
            handshake=record.logged,
        )
    except VerificationError as error:
        if verify.refuses_bad:
            raise
        return error
    return None
