"""``tlskit ca issue``: certificates by a CA on disk."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import click
from cryptography import x509
from rich.console import Console
from rich.text import Text

from ...errors import CredentialError
from ...testing import Leaf
from ..console import open_console, reporting, show_json, show_rows
from ..data import SCHEMA, CertificateData, certificate_data
from ..disk import File, make_directory, write_all
from ..exit import ExitCode
from ..material import read_bounded
from ..names import names_in
from ..unpack import unpack
from .authority import Authority
from .record import Issued

__all__ = [
    "AS_JSON_OPTION",
    "CA_OPTION",
    "DIRECTORY",
    "FORCE_OPTION",
    "HERE",
    "KEY_TYPE_OPTION",
    "LIST_DAYS",
    "IssueData",
    "IssuedData",
    "issue",
    "show_good",
]

#: Where a CA is, if nobody says.
HERE = "tlskit-ca"
#: How long a revocation list is good, if nobody says.
LIST_DAYS = 7
DIRECTORY = click.Path(file_okay=False, path_type=Path)
_KEY_TYPES = (
    "ecdsa",
    "rsa",
    "rsa-pss",
    "ed25519",
    "ed448",
    "mldsa44",
    "mldsa65",
    "mldsa87",
)

#: What ``--bad`` offers, and what clients find wrong.
_BAD = {
    "expired": "its time was over two days ago",
    "not-yet-valid": "its time begins in two days",
    "wrong-host": "it names wrong.example instead",
    "self-signed": "it is signed by its own key, and no CA",
    "no-san": "it has no subject alternative names; common names don't count",
    "revoked": "the CA has revoked it; clients must be given the list",
    "weak-key": "its key has 1024 bits",
    "missing-intermediate": "the CA that issued it is not in the file",
    "wrong-purpose": "it is for signing code",
}


class IssuedData(TypedDict):
    """One new certificate."""

    #: ``"server"``, ``"client"`` or ``"bad"``.
    kind: str
    #: With its issuers, but the root.
    certificate_file: str
    #: Null if the key is who asked's.
    key_file: str | None
    #: What is wrong with it, or null.
    bad: str | None
    certificate: CertificateData


class IssueData(TypedDict):
    """What ``tlskit ca issue --json`` prints; version 1."""

    schema: int
    ca_file: str
    #: The certificate revocation list, if something was revoked now.
    crl_file: str | None
    issued: list[IssuedData]


AS_JSON_OPTION = click.option(
    "--json", "as_json", is_flag=True, help="Print data, not text."
)
CA_OPTION = click.option(
    "--ca",
    "directory",
    type=DIRECTORY,
    default=HERE,
    show_default=True,
    help="Where the CA is.",
)
FORCE_OPTION = click.option("--force", is_flag=True, help="Overwrite files.")
KEY_TYPE_OPTION = click.option(
    "--key-type",
    type=click.Choice(_KEY_TYPES),
    default=_KEY_TYPES[0],
    show_default=True,
    help="The kind of private key to make.",
)


@dataclass(frozen=True)
class _New:
    """A new certificate, and what it is for."""

    kind: str
    leaf: Leaf
    #: What its files are called.
    base: str
    days: int
    #: None if the key is who asked's.
    key_type: str | None
    bad: str | None = None

    def files(self, out: Path) -> list[File]:
        """Give what is to be written, the key first."""
        chain = File(out / f"{self.base}.pem", self.leaf.chain_pem)
        if self.key_type is None:
            return [chain]
        key = File(
            out / f"{self.base}-key.pem", self.leaf.key_pem, private=True
        )
        return [key, chain]


@click.command("issue")
@click.argument("names", nargs=-1)
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="NAME",
    help="Issue a certificate for a client of this name, too; may be "
    "repeated.",
)
@click.option(
    "--csr",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Issue for the key in this signing request; - is standard input.",
)
@click.option(
    "--bad",
    type=click.Choice(tuple(_BAD)),
    help="Do one thing wrong, on purpose, for tests.",
)
@CA_OPTION
@click.option(
    "--out",
    type=DIRECTORY,
    default=".",
    show_default=True,
    help="Where to write the files.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 36500),
    default=90,
    show_default=True,
    help="How long they are valid; no longer than the CA.",
)
@KEY_TYPE_OPTION
@FORCE_OPTION
@AS_JSON_OPTION
@reporting
@click.pass_context
def issue(
    context: click.Context,
    *,
    names: tuple[str, ...],
    clients: tuple[str, ...],
    csr: str | None,
    bad: str | None,
    directory: Path,
    out: Path,
    days: int,
    key_type: str,
    force: bool,
    as_json: bool,
) -> ExitCode:
    """Issue a certificate for a server, or for clients.

    NAMES are the server's host names and addresses.  The files are called
    after the first of them.

    \b
    tlskit ca issue localhost 127.0.0.1
    tlskit ca issue --client alice --client bob
    tlskit ca issue localhost --bad wrong-host
    """  # noqa: D301 - click wants the backspace itself
    _check_usage(context, names, clients, csr, bad)
    hosts = names_in(names)
    request = None if csr is None else _request(csr)
    with Authority.changing(directory) as authority:
        if bad is not None:
            leaf = authority.issue_bad(bad, hosts)
            base = f"{_base(hosts[0])}-{bad}"
            issued = [_New("bad", leaf, base, days, _KEY_TYPES[0], bad)]
        elif request is not None:
            leaf = authority.issue_for(request, hosts, days=days)
            base = _base(certificate_data(leaf.certificate)["names"][0])
            issued = [_New("server", leaf, base, days, None)]
        else:
            issued = list(_issue(authority, hosts, clients, days, key_type))
        make_directory(out)
        _write(authority, issued, out, force=force)
    console = open_console()
    data = _data(authority, issued, out)
    if as_json:
        show_json(console, data)
    else:
        _show(console, data)
    if authority.exposed:
        key = authority.file.with_name("ca-key.pem")
        click.echo(
            f"tlskit: others on this machine may read {key}; chmod 600 it",
            err=True,
        )
    return ExitCode.GOOD


def _check_usage(
    context: click.Context,
    names: Sequence[str],
    clients: Sequence[str],
    csr: str | None,
    bad: str | None,
) -> None:
    given = {
        name
        for name in ("days", "key_type")
        if context.get_parameter_source(name)
        is click.core.ParameterSource.COMMANDLINE
    }
    if not (names or clients or csr):
        raise click.UsageError("give a host name, --client or --csr")
    if bad is not None and (not names or clients or csr or given):
        raise click.UsageError(
            "--bad takes host names, and neither --client, --csr, --days nor "
            "--key-type"
        )
    if csr is not None and (clients or "key_type" in given):
        raise click.UsageError(
            "--csr brings its own key; --client and --key-type are for others"
        )


def _issue(
    authority: Authority,
    hosts: Sequence[str],
    clients: Sequence[str],
    days: int,
    key_type: str,
) -> Iterator[_New]:
    if hosts:
        leaf = authority.issue_server(hosts, days=days, key_type=key_type)
        yield _New("server", leaf, _base(hosts[0]), days, key_type)
    for name in dict.fromkeys(clients):
        leaf = authority.issue_client(name, days=days, key_type=key_type)
        base = f"{_base(name)}-client"
        yield _New("client", leaf, base, days, key_type)


def _write(
    authority: Authority, made: Sequence[_New], out: Path, *, force: bool
) -> None:
    """Write all, and what is to be known of them later."""
    record = authority.record()
    files: list[File] = []
    for each in made:
        *key, chain = each.files(out)
        files += [*key, chain]
        if authority.has_issued(each.leaf.certificate):
            record.add(
                Issued(
                    each.leaf.certificate,
                    each.kind,
                    each.days,
                    each.key_type,
                    os.path.abspath(chain.path),
                    os.path.abspath(key[0].path) if key else None,
                    each.bad,
                )
            )
    if any(each.bad == "revoked" for each in made):
        for each in made:
            serial = each.leaf.certificate.serial_number
            record.revoke(serial, "unspecified")
        files += authority.list_files(record, days=LIST_DAYS)
    else:
        files.append(record.file)
    write_all(files, force=force)


def _base(name: str) -> str:
    """Make a file's name of it, which can't lead elsewhere or hide."""
    star = name.replace("*", "_wildcard")
    return re.sub(r"[^A-Za-z0-9@._-]", "_", star).lstrip(".-") or "_"


def _request(path: str) -> x509.CertificateSigningRequest:
    for each in unpack(read_bounded(path), path, None):
        if isinstance(each, x509.CertificateSigningRequest):
            return each
    raise CredentialError(
        f"there is no signing request in {path}",
        hint="it has BEGIN CERTIFICATE REQUEST in it",
    )


def _data(
    authority: Authority, issued: Sequence[_New], out: Path
) -> IssueData:
    described = []
    for each in issued:
        *key, chain = each.files(out)
        described.append(
            IssuedData(
                kind=each.kind,
                certificate_file=str(chain.path),
                key_file=str(key[0].path) if key else None,
                bad=each.bad,
                certificate=certificate_data(each.leaf.certificate),
            )
        )
    revoked = any(each.bad == "revoked" for each in issued)
    return IssueData(
        schema=SCHEMA,
        ca_file=str(authority.file),
        crl_file=str(authority.list_file) if revoked else None,
        issued=described,
    )


def _show(console: Console, data: IssueData) -> None:
    for each in data["issued"]:
        names = each["certificate"]["names"] or [
            each["certificate"]["subject"]
        ]
        kind = "bad" if each["bad"] else f"{each['kind']}'s"
        words = f"issued a {kind} certificate for {', '.join(names)}"
        show_good(console, words)
        show_rows(console, _rows(each, data), wrap=False)


def _rows(each: IssuedData, data: IssueData) -> Iterator[tuple[str, str]]:
    certificate, key = each["certificate_file"], each["key_file"]
    yield "certificate", certificate
    if key is not None:
        yield "private key", key
    if each["bad"] is not None:
        yield "what is wrong", _BAD[each["bad"]]
    if data["crl_file"] is not None:
        yield "revocation list", f"{data['crl_file']}, good for a week"
    yield "valid until", each["certificate"]["not_after"]
    yield "issued by", data["ca_file"]
    if key is None:
        return
    if each["kind"] == "client":
        pair = f"--cert {shlex.quote(certificate)} --key {shlex.quote(key)}"
        yield "use it", f"curl {pair} https://..."
    else:
        pair = f"--cert {shlex.quote(certificate)} --key {shlex.quote(key)}"
        yield "use it", f"tlskit serve {pair}"


def show_good(console: Console, words: str) -> None:
    """Print the verdict."""
    console.print(
        Text.assemble(("good", "bold green"), f": {words}"), soft_wrap=True
    )
