"""Measure who resumes with whom: ``python -m interop [NAME ...]``.

Each program that is installed is met on loopback, twice for each version of
TLS and each way of tlskit's, as a server and as a client.  The tables of
``docs/howto/resumption.rst`` are then written anew: the rows of programs that
were met, with the date.  Programs that are missing keep the rows that they
have.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import tlskit
from tlskit import SessionCache
from tlskit.testing import CA

from .callers import CALLERS, Caller
from .calling import CALLED
from .hosting import Host
from .hosts import HOSTS
from .peers import Visit, today, version_of, write
from .programs import Place, free_port
from .serving import SERVED
from .twice import TWICE

VERSIONS = {"1.2": "tls12", "1.3": "tls13"}


def told(act: Callable[[], bool]) -> str:
    """Say what came of it, in a word."""
    try:
        return "yes" if act() else "no"
    except (OSError, subprocess.SubprocessError) as error:
        print(f"    {error!r}")
        return "fails"


def cell(act: Callable[[str], bool]) -> str:
    """Meet it with each version; say with which ones it resumes."""
    found = {
        name: told(partial(act, protocol))
        for name, protocol in VERSIONS.items()
    }
    yes = [name for name, said in found.items() if said == "yes"]
    fails = [
        f"{name}: fails" for name, said in found.items() if said[0] == "f"
    ]
    return "; ".join([" ".join(yes) or "no", *fails])


def client_context(place: Place, version: str) -> tlskit.ClientContext:
    """Make a client's context."""
    context = tlskit.ClientContext(version)
    context.load_verify_source(place.roots)
    context.set_verify()
    context.set_verify_hostname()
    context.set_session_cache(SessionCache())
    return context


def server_context(place: Place, version: str) -> tlskit.ServerContext:
    """Make a server's context."""
    context = tlskit.ServerContext(version)
    context.load_certificate_chain(place.chain)
    context.load_private_key(place.key)
    return context


def served(host: Host, place: Place) -> Mapping[str, str]:
    """Meet a server in each way."""
    number = free_port()
    with host.serve(place, number):
        Visit.awaits(host.name, number)
        return {
            way: cell(
                lambda version, call=call: call(
                    number, client_context(place, version), host.words
                )
            )
            for way, call in CALLED.items()
        }


def called(caller: Caller, place: Place) -> Mapping[str, str]:
    """Be met by a client in each way."""
    return {
        way: cell(
            lambda version, serve=serve: serve(
                server_context(place, version),
                partial(caller.call_twice, place),
            )
        )
        for way, serve in SERVED.items()
    }


def main() -> None:
    """Meet them, and write the tables."""
    names = sys.argv[1:]
    print(f"# {today()}, {tlskit.library.version()}")
    callers = (*TWICE, *(each for each in CALLERS if each.twice))
    hosts = (each for each in HOSTS if each.starttls is None)
    for each in (*hosts, *callers):
        role = "servers" if isinstance(each, Host) else "clients"
        if names and each.name not in names and role not in names:
            continue
        if not each.found():
            print(f"{each.name}: not installed, skipped")
            continue
        with tempfile.TemporaryDirectory() as folder:
            place = Place.made(Path(folder), CA("interop CA"))
            try:
                cells = (
                    served(each, place)
                    if isinstance(each, Host)
                    else called(each, place)
                )
            except LookupError as error:
                print(error)
                continue
        row = {
            "Program": each.name,
            "Version": version_of(each),
            "Library": each.stack,
            **cells,
            "Date": today(),
        }
        print(role, row, flush=True)
        write(f"resuming-{role}", row)


if __name__ == "__main__":
    main()
