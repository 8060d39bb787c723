"""``tlskit ca trust`` and ``untrust``: have this machine believe a CA."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import click
from cryptography.hazmat.primitives import hashes
from rich.console import Console
from rich.text import Text

from ...errors import ConfigurationError
from ..console import open_console, reporting, show_json, show_rows
from ..data import SCHEMA, CertificateData, certificate_data
from ..exit import ExitCode
from ..hints import story_of
from ..names import Limits
from ..stores.here import KINDS, find_stores, way
from ..stores.store import Root, Store
from .authority import read_root, root_file
from .issue import AS_JSON_OPTION, CA_OPTION, show_good

__all__ = ["StoreData", "TrustData", "trust", "untrust"]

F = TypeVar("F", bound=Callable[..., Any])

_WORDS = {
    "added": "done",
    "removed": "done",
    "there": "nothing to do",
    "absent": "nothing to do",
    "foreign": "left alone",
    "failed": "failed",
}


class StoreData(TypedDict):
    """What became of one store."""

    #: ``"system"``, ``"nss"`` or ``"java"``; null if none could be found.
    kind: str | None
    #: Such as a path.
    place: str | None
    #: ``"added"`` or ``"removed"``; ``"there"`` or ``"absent"`` if nothing
    #: was to be done; ``"foreign"`` if somebody else has put it there, so
    #: that it was left; or ``"failed"``.
    state: str
    #: What was done, or why not.
    detail: str


class TrustData(TypedDict):
    """What ``tlskit ca trust --json`` and ``untrust`` print; version 1."""

    schema: int
    ca_file: str
    certificate: CertificateData
    stores: list[StoreData]


_OPTIONS = (
    click.option(
        "--store",
        "kinds",
        multiple=True,
        type=click.Choice(KINDS),
        help="Change this kind of store only; may be repeated.  [default: all "
        "that are there]",
    ),
    click.option(
        "--root",
        "top",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Change the system whose files are in this directory, such as an "
        "image's, and nothing here.",
    ),
    click.option("-y", "--yes", is_flag=True, help="Don't ask."),
)


def _options(function: F) -> F:
    for option in reversed((CA_OPTION, *_OPTIONS, AS_JSON_OPTION)):
        function = option(function)
    return function


@dataclass
class _Change:
    """One store, and what is to become of it."""

    store: Store | None
    state: str = ""
    detail: str = ""

    @property
    def name(self) -> str:
        """Where it is."""
        if self.store is None:
            return "?"
        return f"{self.store.kind}: {self.store.place}"

    @property
    def data(self) -> StoreData:
        """The same for programs."""
        store = self.store
        return StoreData(
            kind=None if store is None else store.kind,
            place=None if store is None else store.place,
            state=self.state,
            detail=self.detail,
        )

    def fail(self, error: BaseException) -> None:
        """Note why it can't be done."""
        self.state, self.detail = "failed", story_of(error)


@dataclass
class _Verb:
    """Trusting, or the contrary."""

    name: str
    root: Root
    #: The system whose files are changed.
    top: Path
    changes: list[_Change] = field(default_factory=list[_Change])

    @property
    def trusts(self) -> bool:
        """Whether it is the former."""
        return self.name == "trust"

    @property
    def contrary(self) -> str:
        """The command that undoes it."""
        words = ["tlskit", "ca", "untrust", "--ca", str(self.root.file.parent)]
        if self.top != Path("/"):
            words += ["--root", str(self.top)]
        return shlex.join(words)

    def look(self, kinds: Sequence[str]) -> None:
        """See what is to be done, and what need not."""
        for each in find_stores(kinds, self.top):
            if isinstance(each, ConfigurationError):
                change = _Change(None)
                change.fail(each)
            else:
                change = _Change(each)
                self._settle(change, each)
            self.changes.append(change)

    def _settle(self, change: _Change, store: Store) -> None:
        """Settle what needs no change."""
        try:
            held = store.holds(self.root)
        except ConfigurationError as error:
            change.fail(error)
            return
        if self.trusts and held is not None:
            change.state, change.detail = "there", f"is trusted as {held}"
        elif not self.trusts and held is None:
            change.state, change.detail = "absent", "is not trusted there"
        elif held is not None and self.root.label not in held:
            change.state = "foreign"
            change.detail = f"is trusted as {held}, by somebody else's doing"

    def carry_out(self) -> None:
        """Change what is to be changed; one that fails stops no other."""
        for change in self.changes:
            if change.state or change.store is None:
                continue
            # The system's own command may have changed Java's meanwhile.
            self._settle(change, change.store)
            if change.state:
                continue
            try:
                if not change.store.writable:
                    raise self._shut(change.store)
                if self.trusts:
                    change.detail = change.store.add(self.root)
                    change.state = "added"
                else:
                    change.detail = change.store.remove(self.root)
                    change.state = "removed"
            except ConfigurationError as error:
                change.fail(error)

    def _shut(self, store: Store) -> ConfigurationError:
        directory = self.root.file.parent
        again = [
            *("sudo", sys.executable, "-m", "tlskit", "ca", self.name),
            *("--store", store.kind, "--ca", str(directory)),
        ]
        return ConfigurationError(
            f"you may not change {store.place}",
            code="unwritable-file",
            hint=shlex.join(again),
        )


@click.command("trust")
@_options
@reporting
def trust(**options: Any) -> ExitCode:
    """Have this machine trust the CA.

    Its certificate is put into the system's store (Debian's, Fedora's,
    Arch's and openSUSE's), into the databases of Firefox and Chromium in the
    home directory (by certutil), and into Java's roots (by keytool), as far
    as they are there.  You are asked first.

    \b
    tlskit ca trust
    tlskit ca trust --store nss --yes
    """  # noqa: D301 - click wants the backspace itself
    return _run("trust", **options)


@click.command("untrust")
@_options
@reporting
def untrust(**options: Any) -> ExitCode:
    """Undo what "tlskit ca trust" did, and nothing else.

    A CA that somebody has put into a store by other means is left there.
    """
    return _run("untrust", **options)


def _run(
    name: str,
    *,
    directory: Path,
    kinds: tuple[str, ...],
    top: Path | None,
    yes: bool,
    as_json: bool,
) -> ExitCode:
    if top is not None:
        if set(kinds) - {"system"}:
            raise click.UsageError("--root is for --store system only")
        kinds = ("system",)
    certificate = read_root(directory)
    root = Root(certificate, root_file(directory).absolute())
    verb = _Verb(name, root, Path(top or "/").absolute())
    verb.look(kinds)
    if not verb.changes:
        raise ConfigurationError(
            "there is no store here that this command knows",
            hint="name the file to programs, many of which take the variable "
            f"SSL_CERT_FILE: {root.file}",
        )
    wanted = [each for each in verb.changes if not each.state]
    if wanted and not yes:
        _ask(verb, wanted)
    verb.carry_out()
    console = open_console()
    data = TrustData(
        schema=SCHEMA,
        ca_file=str(root.file),
        certificate=certificate_data(certificate),
        stores=[each.data for each in verb.changes],
    )
    if as_json:
        show_json(console, data)
    else:
        _show(console, verb)
    failed = any(each.state == "failed" for each in verb.changes)
    return ExitCode.USAGE if failed else ExitCode.GOOD


def _ask(verb: _Verb, wanted: Sequence[_Change]) -> None:
    """Tell what is going to happen; whoever says no ends it."""
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"whether to {verb.name} this CA is asked on a terminal, and "
            "there is none; --yes answers"
        )
    console = open_console(stderr=True)
    subject = verb.root.certificate.subject.rfc4514_string()
    console.print(Text(f"To {verb.name}: {subject}"), soft_wrap=True)
    show_rows(console, _facts(verb, wanted))
    if verb.trusts:
        console.print(
            Text(
                "Whoever has its private key can deceive every program that "
                "uses these."
            ),
            soft_wrap=True,
        )
    if not click.confirm("Go on?", err=True):
        raise ConfigurationError("nothing was changed, as you wish")


def _facts(
    verb: _Verb, wanted: Sequence[_Change]
) -> Iterator[tuple[str, str]]:
    limits = Limits.of(verb.root.certificate)
    names = [*limits.domains, *map(str, limits.networks)]
    yield "SHA-256", verb.root.sha256
    yield "may issue", f"for {', '.join(names) or 'every name'}"
    yield "in", "\n".join(each.name for each in wanted)


def _show(console: Console, verb: _Verb) -> None:
    subject = verb.root.certificate.subject.rfc4514_string()
    if any(each.state == "failed" for each in verb.changes):
        head = Text.assemble(("failed", "bold red"), f": to {verb.name} ")
        console.print(head + Text(subject), soft_wrap=True)
    else:
        show_good(console, f"{verb.name}ed {subject}")
    show_rows(console, _rows(verb), wrap=False)


def _rows(verb: _Verb) -> Iterator[tuple[str, str]]:
    for each in verb.changes:
        yield _WORDS[each.state], f"{each.name}: {each.detail}"
    if any(each.state == "added" for each in verb.changes):
        yield "to undo it", verb.contrary
    digest = verb.root.certificate.fingerprint(hashes.SHA1())  # noqa: S303
    advice = way(
        sys.platform,
        0 if verb.trusts else 1,
        file=str(verb.root.file),
        sha1=digest.hex(),
    )
    if advice is not None:
        yield "do this", advice
