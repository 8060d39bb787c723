"""Write down what each program does: ``python -m interop.peers [NAME ...]``.

Every program that is installed meets tlskit on loopback, in good and in bad
cases; the tables of the documentation are then written anew: the rows of
programs that were met, with the date.  Programs that are missing keep the
rows that they have.  With ``--list`` the programs are named, and nothing is
run.
"""

from __future__ import annotations

import csv
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import tlskit
from tlskit.testing import CA, Leaf

from .callers import CALLERS, Caller, Target
from .facts import Seen, Stage, ask, client_context, page
from .halves import after_its_close, after_ours
from .hosting import Host
from .hosts import HOSTS
from .programs import Place, free_port
from .rekeying import of_client, of_server
from .speech import SPEECHES
from .tools import TOOLS

#: The tables, and their columns after program, version and date.
TABLES = {
    "clients-offers": (
        "Library",
        "Versions",
        "Groups",
        "Key shares",
        "Agreed",
        "HelloRetry",
        "ALPN",
        "SNI localhost",
        "SNI address",
        "Post-handshake auth",
        "Resumes 1.3",
        "Resumes 1.2",
    ),
    "clients-ends": (
        "Unknown CA",
        "Expired",
        "Wrong name",
        "By address",
        "TLS 1.2 only",
        "TLS 1.1 only",
        "Asked for a certificate",
        "End",
        "user_canceled",
        "After our close",
        "After its close",
        "Our close first",
        "Key update",
    ),
    "servers-offers": (
        "Library",
        "Groups",
        "Agreed",
        "HelloRetry",
        "Tickets",
        "Resumes 1.3",
        "Resumes 1.2",
        "End",
        "user_canceled",
        "Half-close",
        "Key update",
    ),
    # By ``python -m interop``: with which versions they resume.
    "resuming-servers": (
        "Library",
        "connect",
        "start_tls",
        "asyncio",
        "adapter",
    ),
    "resuming-clients": (
        "Library",
        "Listener",
        "start_tls",
        "asyncio",
        "adapter",
    ),
    "servers-refuse": (
        "TLS 1.1 only",
        "Unknown name",
        "Unknown ALPN",
        "No certificate 1.3",
        "No certificate 1.2",
        "Unknown CA",
        "Expired",
    ),
}

FOLDER = Path(__file__).parents[1] / "docs" / "peers"
#: The last one is what OpenLDAP takes "localhost" for.
NAMES = ("localhost", "127.0.0.1", socket.gethostname())
#: What a server is asked for, each alone.
GROUPS = (
    *("X25519MLKEM768", "SecP256r1MLKEM768", "X25519", "X448", "P-256"),
    *("P-384", "P-521", "ffdhe2048"),
)
#: How many bad things a client is shown: column -> kind of certificate.
BAD = {
    "Unknown CA": "unknown-ca",
    "Expired": "expired",
    "Wrong name": "wrong-host",
}


def version_of(caller: Caller | Host) -> str:
    """Ask a program for its version, and shorten what it says."""
    done = subprocess.run(
        caller.version, capture_output=True, text=True, check=False
    )
    lines = (done.stdout + "\n" + done.stderr).splitlines()
    line = next((each for each in lines if re.search(r"\d\.\d", each)), "")
    found = re.findall(r"(?:(?:OpenSSL|LibreSSL) )?v?\d+(?:\.\d+)+\w*", line)
    return ", ".join(dict.fromkeys(found[:2]))


def today() -> str:
    """Give the date."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%d")


def short(names: Iterable[str]) -> str:
    """Shorten names of groups: the finite fields are one."""
    found = ["ffdhe" if each[:5] == "ffdhe" else each for each in names]
    return " ".join(dict.fromkeys(found)) or "–"


class Meeting:
    """One program in every case."""

    def __init__(self, caller: Caller, folder: Path, ca: CA) -> None:
        self._caller = caller
        self._folder = folder
        self._ca = ca
        self._good = ca.issue(*NAMES, key_type=caller.key_type)
        self._answer = SPEECHES.get(caller.speech)
        self._roots = folder / "roots.pem"
        self._roots.write_bytes(ca.pem)

    def _stage(self, leaf: Leaf | None = None, **more: Any) -> Stage:
        return Stage(leaf or self._good, answer=self._answer, **more)

    def _see(self, stage: Stage, host: str = NAMES[0], times: int = 1) -> Seen:
        with stage.open() as number:
            target = Target(self._folder, str(self._roots), host, number)
            self._caller.call(target, times)
        # Some try again, in another way; what got through tells most.
        return next(
            (each for each in stage.seen if each.said),
            stage.seen[0] if stage.seen else Seen(error="no connection"),
        )

    def _call(self, number: int) -> None:
        roots = str(self._roots)
        self._caller.call(Target(self._folder, roots, NAMES[0], number))

    def _refusal(self, leaf: Leaf, protocol: str = "secure") -> str:
        seen = self._see(self._stage(leaf, protocol=protocol))
        if seen.version and seen.said:
            return "accepts"
        if seen.version:
            return f"after the handshake: {seen.error or seen.end}"
        return seen.error or "–"

    def row(self) -> dict[str, str]:
        """Meet it in each case."""
        caller = self._caller
        good = self._see(self._stage())
        hello = good.hello
        if hello is None:
            raise LookupError(f"{caller.name} did not connect")
        row = {
            "Program": caller.name,
            "Version": version_of(caller),
            "Library": caller.stack,
            "Versions": " ".join(
                str(each).removeprefix("TLS ") for each in hello.versions
            ),
            "Groups": short(hello.groups),
            "Key shares": short(hello.key_shares),
            "Agreed": f"{good.version} {good.group}"
            if good.version
            else f"fails: {good.error}",
            "HelloRetry": "yes" if good.retried else "no",
            "ALPN": " ".join(hello.alpn) or "–",
            "SNI localhost": hello.server_name or "none",
            "Post-handshake auth": "offers"
            if 49 in hello.extensions
            else "no",
            "End": good.end or good.error,
            "user_canceled": "yes" if "user_canceled" in good.alerts else "no",
        }
        address = self._see(self._stage(), "127.0.0.1")
        row["SNI address"] = (
            "–"
            if address.hello is None
            else address.hello.server_name or "none"
        )
        row["By address"] = (
            "accepts" if address.version else f"refuses: {address.error}"
        )
        for protocol, name in (("tls13", "1.3"), ("tls12", "1.2")):
            row[f"Resumes {name}"] = self._resumes(protocol)
        row["After our close"] = self._see(self._stage(close=True)).end
        row.update(self.halves())
        row["Key update"] = of_client(self._good, self._call, caller.speech)
        for column, kind in BAD.items():
            row[column] = self._refusal(self._ca.issue_bad(kind, *NAMES))
        row["TLS 1.2 only"] = self._refusal(self._good, "tls12")
        row["TLS 1.1 only"] = self._refusal(self._good, "tls11")
        row["Asked for a certificate"] = self._see(
            self._stage(ca=self._ca)
        ).error
        row["Date"] = today()
        return row

    def halves(self) -> dict[str, str]:
        """Meet it where one side ends first."""
        found: list[str] = []
        answer = after_its_close(self._answer or page, found)
        self._see(Stage(self._good, answer=answer))
        return {
            "After its close": found[0] if found else "–",
            "Our close first": after_ours(
                self._good, self._call, self._caller.speech
            ),
        }

    def _resumes(self, protocol: str) -> str:
        if not self._caller.twice:
            return "– (one connection)"
        stage = self._stage(protocol=protocol, close=True)
        self._see(stage, times=2)
        met = [each for each in stage.seen if each.version]
        if len(met) < 2:
            return "– (did not come twice)"
        return "yes" if met[-1].resumed else "no"


class Visit:
    """One server in every case."""

    def __init__(self, host: Host, folder: Path, ca: CA) -> None:
        self._host = host
        self._ca = ca
        self._place = Place.made(folder, ca)

    def row(self) -> dict[str, str]:
        """Meet it in each case."""
        host = self._host
        number = free_port()
        row = {
            "Program": host.name,
            "Version": version_of(host),
            "Library": host.stack,
        }
        with host.serve(self._place, number):
            self.awaits(self._host.name, number)
            good = self._ask(number)
            row["Agreed"] = (
                f"{good.version} {good.group}"
                if good.version
                else f"fails: {good.error}"
            )
            row["Groups"] = self._groups(number)
            row["HelloRetry"] = "yes" if good.retried else "no"
            row["Tickets"] = str(good.tickets)
            for protocol, name in (("tls13", "1.3"), ("tls12", "1.2")):
                row[f"Resumes {name}"] = self._resumes(number, protocol)
            row["End"] = good.end or good.error
            row["user_canceled"] = (
                "yes" if "user_canceled" in good.alerts else "no"
            )
            half = self._ask(number, half=True)
            row["Half-close"] = (
                "answers" if half.said else f"no: {half.error or half.end}"
            )
            if host.starttls is None:
                row["Key update"] = of_server(number, host.words)
            old = self._ask(number, "tls11")
            row["TLS 1.1 only"] = (
                f"accepts {old.version}" if old.version else old.error
            )
            if host.starttls is None:
                row["Unknown name"] = self._outcome(
                    self._ask(number, hostname="nobody.example")
                )
                row["Unknown ALPN"] = self._outcome(
                    self._ask(number, alpn=("nonsense",))
                )
        row.update(self._mutual())
        row["Date"] = today()
        return row

    @staticmethod
    def _outcome(seen: Seen) -> str:
        if seen.error == "wrong-identity" or not seen.error or seen.said:
            return "goes on"
        return seen.error

    @staticmethod
    def _refusal(seen: Seen) -> str:
        page = re.match(rb"HTTP/1\.[01] (\d+)", seen.said)
        if page is not None and page[1] != b"200":
            return f"page {page[1].decode()}"
        if b"requires a valid client certificate" in seen.said:
            return "by its own protocol"  # PostgreSQL's.
        if seen.error:
            return seen.error
        return "accepts" if seen.said else "closes without an alert"

    def _mutual(self) -> dict[str, str]:
        columns = ["No certificate 1.3", "No certificate 1.2"]
        columns += ["Unknown CA", "Expired"]
        number = free_port()
        with self._host.serve(self._place, number, mutual=True) as can:
            if not can:
                return dict.fromkeys(columns, "– (not set up)")
            self.awaits(self._host.name, number)
            stranger = CA("stranger").issue("client.example")
            old = self._ca.issue_bad("expired", "client.example")
            mine = self._ask(number, leaf=self._ca.issue("client.example"))
            if not mine.said:
                return dict.fromkeys(columns, f"– (fails: {mine.error})")
            cases = (
                self._ask(number, "tls13"),
                self._ask(number, "tls12"),
                self._ask(number, leaf=stranger),
                self._ask(number, leaf=old),
            )
            return {
                column: self._refusal(seen)
                for column, seen in zip(columns, cases, strict=True)
            }

    def _ask(
        self,
        number: int,
        protocol: str = "auto",
        leaf: Leaf | None = None,
        **more: Any,
    ) -> Seen:
        context = client_context(self._place.roots, protocol, leaf)
        return self._ask_with(number, context, **more)

    def _ask_with(
        self, number: int, context: tlskit.ClientContext, **more: Any
    ) -> Seen:
        opened = self._host.open if self._host.starttls else None
        return ask(number, context, self._host.words, opened=opened, **more)

    def _resumes(self, number: int, protocol: str) -> str:
        context = client_context(self._place.roots, protocol)
        for _ in range(2):
            seen = self._ask_with(number, context)
        if not seen.version:
            return f"fails: {seen.error}"
        return "yes" if seen.resumed else "no"

    def _groups(self, number: int) -> str:
        found = []
        for group in GROUPS:
            context = client_context(self._place.roots)
            context.set_groups([group])
            seen = self._ask_with(number, context)
            if seen.version:
                found.append(seen.group or group)
        return short(found)

    @staticmethod
    def awaits(name: str, number: int) -> None:
        """Wait until it listens.

        Raises:
            LookupError: It does not.
        """
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", number), 1).close()
                return
            time.sleep(0.1)
        raise LookupError(f"{name} does not listen")


def write(role: str, row: Mapping[str, str]) -> None:
    """Put the row of a program into the tables of its role."""
    FOLDER.mkdir(exist_ok=True)
    for table, columns in TABLES.items():
        if not table.startswith(role + "-") and table != role:
            continue
        path = FOLDER / f"{table}.csv"
        rows: dict[str, Mapping[str, str]] = {}
        with suppress(FileNotFoundError), path.open(newline="") as file:
            rows = {each["Program"]: each for each in csv.DictReader(file)}
        known = rows.get(row["Program"], {})
        rows[row["Program"]] = {**known, **row}
        names = ("Program", "Version", *columns, "Date")
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, names, lineterminator="\n")
            writer.writeheader()
            for each in sorted(rows.values(), key=by_name):
                writer.writerow({name: each.get(name, "") for name in names})


def by_name(row: Mapping[str, str]) -> str:
    """Sort as people look things up."""
    return row["Program"].lower()


def run(
    made: Callable[[Path, CA], Meeting | Visit], name: str, table: str
) -> None:
    """Meet one, and write its row."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            row = made(Path(folder), CA("interop CA")).row()
        except LookupError as error:
            print(error, flush=True)
            return
    print(f"{table} {name}: {time.monotonic() - begun:.0f} s", flush=True)
    write(table, row)
    for key, value in row.items():
        print(f"    {key}: {value}")


def main() -> None:
    """Meet them, and write the tables."""
    names = sys.argv[1:]
    print(f"# {tlskit.library.version()}")
    for table, known in (("servers", HOSTS), ("clients", (*CALLERS, *TOOLS))):
        for each in known:
            if names and each.name not in names and table not in names:
                continue
            if not each.found():
                print(f"{each.name}: not installed, skipped")
            elif isinstance(each, Host):
                run(partial(Visit, each), each.name, table)
            else:
                run(partial(Meeting, each), each.name, table)


if __name__ == "__main__":
    main()
