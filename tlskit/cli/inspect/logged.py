"""What logs of Certificate Transparency say about certificates (RFC 6962)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ...verify.transparency.logs import Log, load_logs
from ...verify.transparency.timestamps import stamps_of
from ...x509.glimpse import Glimpse, stamp

__all__ = [
    "Logs",
    "TimestampData",
    "log_list_option",
    "logged",
    "words_of_log",
    "words_of_logs",
]

F = TypeVar("F", bound=Callable[..., Any])
#: Those of the list; None if there is no list.
Logs = tuple[Log, ...] | None


class TimestampData(TypedDict):
    """A log's promise to show a certificate."""

    #: SHA-256 of the log's key, in hex.
    log_id: str
    #: Its name in the list; null if it is not there, or there is no list.
    log: str | None
    #: When it promised; null if no calendar has that.
    at: str | None
    #: ``"certificate"`` or ``"staple"``: where it was found.
    source: str
    #: Whether the log has signed that, for this certificate; null if there
    #: is no list.
    verified: bool | None
    #: Why not; null if it has, or there is no list.
    fault: str | None


def _read(_ctx: object, _param: object, path: Path | None) -> Logs:
    return None if path is None else load_logs(path)


def log_list_option(function: F) -> F:
    """Give a subcommand the option that names the logs that count."""
    return click.option(
        "--log-list",
        "logs",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_read,
        metavar="FILE",
        help="Verify the timestamps of Certificate Transparency by this list "
        "of logs, JSON of version 3 as browsers' makers publish it; without "
        "it they are only shown.",
    )(function)


def logged(
    chain: Iterable[x509.Certificate], logs: Logs, now: datetime
) -> list[TimestampData]:
    """Judge the timestamps of a certificate.

    Args:
        chain: The certificate, and others, its issuer perhaps among them.
        logs: Which logs count.
        now: Later timestamps don't.
    """
    own, *others = [each.public_bytes(Encoding.DER) for each in chain] or [b""]
    leaf = Glimpse(own)
    issuers = [each for each in others if Glimpse(each).issued(leaf)]
    known = {log.id for log in logs or ()}
    found = stamps_of((own, *issuers), logs or (), now)
    return [
        TimestampData(
            log_id=each.id.hex(),
            log=each.log if each.id in known else None,
            at=None if each.at is None else stamp(each.at),
            source=each.source,
            verified=None if logs is None else not each.fault,
            fault=None if logs is None else each.fault or None,
        )
        for each in found
        if each.id
    ]


def words_of_log(each: TimestampData) -> str:
    """Say one of them for people."""
    words = f"{each['at'] or 'at no time'} by {each['log'] or each['log_id']}"
    if each["verified"] is None:
        return words
    return f"{words}: {each['fault'] or 'verified'}"


def words_of_logs(found: list[TimestampData]) -> str:
    """Count them for people."""
    count = f"{len(found)} log{'' if len(found) == 1 else 's'}"
    good = [each for each in found if each["verified"]]
    if any(each["verified"] is not None for each in found):
        return f"{len(good)} of {count} vouch"
    return f"told to {count}"
