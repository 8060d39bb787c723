"""``tlskit ca list``, ``renew`` and ``revoke``: what was issued, later."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TypedDict

import click
from rich.console import Console
from rich.text import Text

from ...errors import ConfigurationError
from ...testing import Leaf
from ...x509.credentials import load_certificates
from ...x509.glimpse import stamp
from ..console import (
    open_console,
    printable,
    reporting,
    show_hanging,
    show_json,
    show_rows,
)
from ..data import SCHEMA, CertificateData, certificate_data
from ..disk import File, make_directory, write_all
from ..exit import ExitCode
from ..inspect.lifetimes import renewal_of
from .authority import Authority
from .choose import choose, names_of, serial_in
from .issue import (
    AS_JSON_OPTION,
    CA_OPTION,
    FORCE_OPTION,
    LIST_DAYS,
    show_good,
)
from .record import REASONS, Issued, Record

__all__ = ["ListData", "ListedData", "list_", "renew", "revoke"]

_STYLES = {
    "good": "bold green",
    "soon": "bold yellow",
    "not yet valid": "bold yellow",
    "replaced": "dim",
}
_WIDTH = max(map(len, _STYLES))
#: The digits of a serial number that people are shown.
_SHOWN = 12


class ListedData(TypedDict):
    """One certificate that the CA has issued."""

    #: ``"good"``, ``"bad"`` (on purpose), ``"soon"`` (two thirds of its
    #: lifetime are over), ``"replaced"``, ``"not yet valid"``,
    #: ``"expired"`` or ``"revoked"``.
    state: str
    #: ``"server"``, ``"client"`` or ``"bad"``.
    kind: str
    bad: str | None
    #: In hexadecimal.
    serial: str
    #: Where it was written.
    certificate_file: str
    #: Null if the key is who asked's.
    key_file: str | None
    #: When and why, or null.
    revoked_at: str | None
    reason: str | None
    #: The serial number of its successor, or null.
    replaced_by: str | None
    certificate: CertificateData


class ListData(TypedDict):
    """What ``tlskit ca list``, ``renew`` and ``revoke`` print; version 1.

    ``renew`` has the new certificates in ``issued``, ``revoke`` those that it
    revoked.
    """

    schema: int
    ca_file: str
    #: The certificate revocation list, if there is one, and its number.
    crl_file: str | None
    crl_number: int | None
    issued: list[ListedData]


def _data(
    authority: Authority, record: Record, issued: Sequence[Issued]
) -> ListData:
    number = record.crl_number or None
    return ListData(
        schema=SCHEMA,
        ca_file=str(authority.file),
        crl_file=None if number is None else str(authority.list_file),
        crl_number=number,
        issued=[_listed(record, each) for each in issued],
    )


def _listed(record: Record, issued: Issued) -> ListedData:
    revoked = record.revoked.get(issued.serial)
    replaced = issued.replaced_by
    return ListedData(
        state=_state(record, issued),
        kind=issued.kind,
        bad=issued.bad,
        serial=f"{issued.serial:x}",
        certificate_file=issued.certificate_file,
        key_file=issued.key_file,
        revoked_at=None if revoked is None else stamp(revoked.at),
        reason=None if revoked is None else revoked.reason,
        replaced_by=None if replaced is None else f"{replaced:x}",
        certificate=certificate_data(issued.certificate),
    )


def _state(record: Record, issued: Issued) -> str:
    state = record.state(issued)
    if state != "good":
        return state
    if issued.bad is not None:
        return "bad"
    return "soon" if _is_due(issued) else state


def _is_due(issued: Issued) -> bool:
    certificate = issued.certificate
    begin = certificate.not_valid_before_utc
    due = renewal_of(begin, certificate.not_valid_after_utc)
    return due <= datetime.now(timezone.utc)


# -- list -------------------------------------------------------------------


@click.command("list")
@CA_OPTION
@AS_JSON_OPTION
@reporting
def list_(*, directory: Path, as_json: bool) -> ExitCode:
    """Show what the CA has issued, the newest last.

    A certificate is good, soon to be renewed, replaced by a newer one, not
    yet valid, expired, or revoked.
    """
    authority = Authority.open(directory)
    record = authority.record()
    console = open_console()
    if as_json:
        show_json(console, _data(authority, record, record.issued))
        return ExitCode.GOOD
    for each in record.issued:
        _show_line(console, record, each)
    if not record.issued:
        words = f"{authority.directory} has issued nothing that it knows of"
        console.print(Text(words), soft_wrap=True)
    return ExitCode.GOOD


def _show_line(console: Console, record: Record, issued: Issued) -> None:
    state = _state(record, issued)
    style = _STYLES.get(state, "bold red")
    show_hanging(
        console,
        Text(state.ljust(_WIDTH) + "  ", style),
        Text.assemble(
            (printable(", ".join(_names(issued))), "cyan"),
            "  ",
            printable("  ".join(_words(record, issued))),
        ),
    )


def _names(issued: Issued) -> list[str]:
    names = names_of(issued.certificate)
    # Addresses alone have a common name that nobody wants to read.
    return names[:-1] if names[-1].startswith("server at ") else names


def _words(record: Record, issued: Issued) -> Iterator[str]:
    yield issued.kind if issued.bad is None else f"bad: {issued.bad}"
    revoked = record.revoked.get(issued.serial)
    if revoked is not None:
        yield f"since {stamp(revoked.at)} ({revoked.reason})"
    else:
        yield f"until {stamp(issued.certificate.not_valid_after_utc)}"
    yield f"serial {issued.serial:x}"[: len("serial ") + _SHOWN]
    yield _near(issued.certificate_file)


def _near(path: str) -> str:
    """Write a path as one would from here, if it is below."""
    near = os.path.relpath(path)
    return path if near.startswith(os.pardir) else near


# -- renew ------------------------------------------------------------------


@click.command("renew")
@click.argument("which", nargs=-1)
@click.option(
    "--due",
    is_flag=True,
    help="Renew all of which two thirds of the lifetime are over, too.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write the files.  [default: where the old ones are]",
)
@click.option(
    "--days",
    type=click.IntRange(1, 36500),
    help="How long they are valid.  [default: as long as the old ones]",
)
@CA_OPTION
@FORCE_OPTION
@AS_JSON_OPTION
@reporting
def renew(
    *,
    which: tuple[str, ...],
    due: bool,
    out: Path | None,
    days: int | None,
    directory: Path,
    force: bool,
    as_json: bool,
) -> ExitCode:
    """Issue certificates anew, for the same names and the same purpose.

    WHICH are names, serial numbers as "tlskit ca list" shows them, or the
    files of certificates.  The new ones have new keys, and replace the old
    ones' files.  The old ones stay valid: "tlskit ca revoke" ends that.

    \b
    tlskit ca renew localhost alice
    tlskit ca renew --due
    """  # noqa: D301 - click wants the backspace itself
    if not (which or due):
        raise click.UsageError("say which, or --due")
    with Authority.changing(directory) as authority:
        record = authority.record()
        chosen = _to_renew(authority, record, which, due=due)
        made: list[Issued] = []
        files: list[File] = []
        for old in chosen:
            leaf = authority.renew(old, days=days or old.days)
            new = _successor(old, leaf, days or old.days, out)
            files += _files(old, new, leaf, force=force)
            old.replaced_by = new.serial
            record.add(new)
            made.append(new)
        if out is not None:
            make_directory(out)
        write_all([*files, record.file], force=force)
    console = open_console()
    if as_json:
        show_json(console, _data(authority, record, made))
        return ExitCode.GOOD
    for each in made:
        show_good(console, f"renewed {', '.join(_names(each))}")
        show_rows(console, _new_rows(each), wrap=False)
    if not made:
        show_good(console, "nothing is due")
    return ExitCode.GOOD


def _to_renew(
    authority: Authority, record: Record, which: Sequence[str], *, due: bool
) -> list[Issued]:
    """Find them, each once, and see that they can be renewed."""

    def counts(issued: Issued) -> bool:
        return issued.kind != "bad" and _obstacle(record, issued) is None

    found: list[Issued] = []
    for text in which:
        serial = serial_in(authority, text)
        if serial is None:
            found += choose(record, text, counts)
            continue
        known = record.find(serial)
        if known is None:
            raise ConfigurationError(
                f"the record does not have the certificate in {text}",
                hint="issue another one with: tlskit ca issue",
            )
        found.append(known)
    for each in found:
        obstacle = _obstacle(record, each)
        if obstacle is not None:
            raise ConfigurationError(f"{each.serial:x} {obstacle}")
    if due:
        found += [
            each for each in record.issued if counts(each) and _is_due(each)
        ]
    return list({each.serial: each for each in found}.values())


def _obstacle(record: Record, issued: Issued) -> str | None:
    """Say why it can't be renewed; None if it can."""
    if issued.bad is not None:
        return "is bad on purpose; issue another one with --bad"
    if issued.serial in record.revoked:
        return "was revoked; issue another one with: tlskit ca issue"
    if issued.replaced_by is not None:
        return f"was replaced by {issued.replaced_by:x} already"
    return None


def _successor(old: Issued, leaf: Leaf, days: int, out: Path | None) -> Issued:
    def place(path: str) -> str:
        return path if out is None else os.path.abspath(out / Path(path).name)

    return Issued(
        leaf.certificate,
        old.kind,
        days,
        old.key_type,
        place(old.certificate_file),
        None if old.key_file is None else place(old.key_file),
    )


def _files(
    old: Issued, new: Issued, leaf: Leaf, *, force: bool
) -> Iterator[File]:
    """Give what is to be written, the key first."""
    path = Path(new.certificate_file)
    ours = path.exists() and _holds(path, old)
    if path.exists() and not (ours or force):
        raise ConfigurationError(
            f"{path} is not the certificate that is to be renewed",
            code="file-exists",
            hint="--out writes elsewhere, and --force overwrites it",
        )
    if new.key_file is not None:
        yield File(
            Path(new.key_file), leaf.key_pem, private=True, replace=ours
        )
    yield File(path, leaf.chain_pem, replace=ours)


def _holds(path: Path, issued: Issued) -> bool:
    try:
        return load_certificates(path)[0] == issued.certificate
    except OSError:
        return False


def _new_rows(issued: Issued) -> Iterator[tuple[str, str]]:
    yield "certificate", _near(issued.certificate_file)
    if issued.key_file is not None:
        yield "private key", _near(issued.key_file)
    yield "valid until", stamp(issued.certificate.not_valid_after_utc)


# -- revoke -----------------------------------------------------------------


@click.command("revoke")
@click.argument("which", nargs=-1)
@click.option(
    "--reason",
    type=click.Choice(tuple(REASONS)),
    default="unspecified",
    show_default=True,
    help="Why; it is on the list.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=LIST_DAYS,
    show_default=True,
    help="How long the list is good.",
)
@CA_OPTION
@AS_JSON_OPTION
@reporting
def revoke(
    *,
    which: tuple[str, ...],
    reason: str,
    days: int,
    directory: Path,
    as_json: bool,
) -> ExitCode:
    """Revoke certificates for good, and make a new revocation list.

    WHICH are names, which mean every certificate of that name that still
    counts; serial numbers as "tlskit ca list" shows them; or the files of
    certificates.  Without any, the list is made anew, for some more days.

    \b
    tlskit ca revoke alice --reason key-compromise
    tlskit ca revoke localhost.pem
    tlskit ca revoke
    """  # noqa: D301 - click wants the backspace itself
    with Authority.changing(directory) as authority:
        record = authority.record()
        serials: dict[int, None] = {}
        for text in which:
            serial = serial_in(authority, text)
            if serial is not None:
                serials[serial] = None
                continue
            found = choose(record, text, lambda e: _still_counts(record, e))
            serials.update((each.serial, None) for each in found)
        for serial in serials:
            record.revoke(serial, reason)
        write_all(authority.list_files(record, days=days))
    revoked = [each for each in record.issued if each.serial in serials]
    console = open_console()
    if as_json:
        show_json(console, _data(authority, record, revoked))
        return ExitCode.GOOD
    for serial in serials:
        known = record.find(serial)
        name = "" if known is None else f" ({', '.join(_names(known))})"
        show_good(console, f"revoked {serial:x}{name}")
    if not serials:
        show_good(console, f"made list {record.crl_number}")
    show_rows(console, _list_rows(authority, record, days), wrap=False)
    return ExitCode.GOOD


def _list_rows(
    authority: Authority, record: Record, days: int
) -> Iterator[tuple[str, str]]:
    file = authority.list_file
    length = "1 day" if days == 1 else f"{days} days"
    number = record.crl_number
    yield "revocation list", f"{file}, number {number}, good for {length}"
    yield "clients need it", f"tlskit check --crl {shlex.quote(str(file))}"


def _still_counts(record: Record, issued: Issued) -> bool:
    return record.state(issued) not in {"revoked", "expired"}
