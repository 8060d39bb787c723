"""Refuses a server whose certificate too few public logs vouch for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import VerificationError
from ...policy.settings import Verify
from ...verify.evidence import scene_of
from ...verify.transparency.timestamps import check_transparency

if TYPE_CHECKING:
    from ...openssl.gate import SSL
    from ..callbacks import Record

__all__ = ["untransparent"]


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
        check_transparency(path, rules, scene, staple=record.staple)
    except VerificationError as error:
        if verify.refuses_bad:
            raise
        return error
    return None
