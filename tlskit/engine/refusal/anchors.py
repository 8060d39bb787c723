"""Where a path may end, and whom its CAs may not certify."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import VerificationError
from ...errors.codes import VerifyReason
from ...verify.chain import Fault, explain_faults
from ...verify.evidence import scene_of, sent_by
from ...verify.hostname import is_barred
from ...verify.offline import Policy, judge_ders

if TYPE_CHECKING:
    from ...openssl.gate import SSL
    from ..callbacks import Record

__all__ = ["anchored", "check_barred"]


def anchored(
    connection: SSL.Connection, record: Record, path: tuple[bytes, ...]
) -> tuple[bytes, ...]:
    """See that a path ends in what is trusted, and not in what may help.

    With PARTIAL_CHAIN, OpenSSL trusts whatever its store holds.

    Returns:
        The path, or the rest of it, too.

    Raises:
        VerificationError: There is none that does.
    """
    settings = record.settings
    if not (settings.partial_chain and path) or record.faults:
        return path
    if path[-1] not in settings.strangers:
        return path
    policy = Policy.of(
        settings, record.to_prove, server_side=record.server_side
    )
    try:
        found = judge_ders(sent_by(connection, record), policy)
    except VerificationError as error:
        if settings.verify.refuses_bad:
            raise
        fault = Fault(error.reason, max(error.depth, 0), path[0])
        record.faults.append(fault)
        return path
    for depth in range(len(path), len(found)):
        with record.calling():
            code = record.judge((found[depth],), 0, depth, ok=True)
        if code > 0:
            faults = tuple(record.faults)
            raise explain_faults(faults, scene_of(connection, record))
    return found


def check_barred(
    connection: SSL.Connection, record: Record, path: tuple[bytes, ...]
) -> None:
    """Hold CAs to what they may not certify, also by a wildcard.

    Raises:
        VerificationError: One did, and that is not tolerated.
    """
    identity = record.to_prove
    host = None if identity is None else identity.dns
    if host is None or record.faults or not is_barred(path, host):
        return
    record.faults.append(Fault(VerifyReason.EXCLUDED_VIOLATION, 0, path[0]))
    if record.settings.verify.refuses_bad:
        raise explain_faults(
            tuple(record.faults), scene_of(connection, record)
        )
