"""``tlskit demo``: both sides of a connection, verified; and one refusal."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypedDict

import click
from rich.text import Text

from ... import __version__
from ...openssl.library import version
from ...verify.identity import presented_names
from ..console import open_console, reporting, show_json, show_rows
from ..data import (
    SCHEMA,
    ErrorData,
    SessionData,
    VerificationData,
    alert_name,
    error_data,
    session_data,
    subject_of,
    verification_data,
)
from ..exit import ExitCode
from ..hints import story_of
from .tour import HOST, WRONG_HOST, Tour, take_tour

if TYPE_CHECKING:
    from cryptography import x509
    from rich.console import Console

    from ...ports.port import SSLPort

__all__ = ["DemoData", "RefusalData", "TalkData", "command"]


class TalkData(TypedDict):
    """What the two said, over TLS."""

    client: str
    server: str


class RefusalData(TypedDict):
    """What came of a connection to a server of another name."""

    #: The name that the client meant.
    expected: str
    #: Why the client refused the server; null if it did not.
    client: ErrorData | None
    #: What the server saw of it; null if it saw nothing wrong.
    server: ErrorData | None


class DemoData(TypedDict):
    """What ``tlskit demo --json`` prints; version 1."""

    schema: int
    #: Whether everything was as it should be.
    good: bool
    tlskit: str
    #: The library's own words about its version.
    openssl: str | None
    session: SessionData
    #: How long the handshake took.
    handshake_seconds: float
    #: The client's finding, then the server's.
    verification: list[VerificationData]
    talk: TalkData
    refusal: RefusalData
    #: How long all of it took, with the making of the certificates.
    seconds: float


@click.command("demo")
@click.option("--json", "as_json", is_flag=True, help="Print data, not text.")
@reporting
def command(*, as_json: bool) -> ExitCode:
    """See it work: a verified connection, and a refusal.

    Makes a throw-away CA, a server and a client on this machine, neither of
    which can be talked into less security.  They verify each other and talk.
    Then the client meets the same server under a wrong name.  Needs no
    network, and leaves nothing behind.
    """
    tour = take_tour()
    good = _is_good(tour)
    console = open_console()
    if as_json:
        show_json(console, _data(tour, good=good))
    else:
        _show(console, tour, good=good)
    return ExitCode.GOOD if good else ExitCode.POLICY


def _is_good(tour: Tour) -> bool:
    meeting, refusal = tour.meeting, tour.refusal
    return (
        meeting.client.peer_verified
        and meeting.server.peer_verified
        and refusal.error is not None
        and refusal.heard is not None
    )


def _data(tour: Tour, *, good: bool) -> DemoData:
    meeting, refusal = tour.meeting, tour.refusal
    return DemoData(
        schema=SCHEMA,
        good=good,
        tlskit=__version__,
        openssl=version(),
        session=session_data(meeting.client),
        handshake_seconds=meeting.seconds,
        verification=[
            verification_data(meeting.client, "client", expected=HOST),
            verification_data(meeting.server, "server"),
        ],
        talk=TalkData(client=meeting.client_said, server=meeting.server_said),
        refusal=RefusalData(
            expected=WRONG_HOST,
            client=_described(refusal.error),
            server=_described(refusal.heard),
        ),
        seconds=tour.seconds,
    )


def _described(error: OSError | None) -> ErrorData | None:
    return None if error is None else error_data(error)


def _show(console: Console, tour: Tour, *, good: bool) -> None:
    verdict = (
        ("good", "bold green")
        if good
        else ("NOT GOOD, please report this", "bold red")
    )
    console.print(
        Text.assemble(
            verdict,
            f": two sealed sides, one talk and one refusal in "
            f"{tour.seconds:.2f} s",
        )
    )
    console.print(
        f"tlskit {__version__}, {version()}, "
        f"Python {platform.python_version()}\n"
    )
    console.print(Text("1. A client meets a server", "bold"))
    show_rows(console, _meeting_rows(tour))
    console.print()
    console.print(Text(f"2. It meets the same server as {WRONG_HOST}", "bold"))
    show_rows(console, _refusal_rows(tour))


def _meeting_rows(tour: Tour) -> Iterator[tuple[str, str]]:
    meeting = tour.meeting
    client, server = meeting.client, meeting.server
    session = session_data(client)
    quantum = " (post-quantum)" if session["post_quantum"] else ""
    yield "version", session["version"]
    yield "cipher", session["cipher"] or "unknown"
    yield "key exchange", (session["group"] or "unknown") + quantum
    yield "ALPN", session["alpn"] or "none"
    yield "handshake", f"{meeting.seconds * 1000:.1f} ms"
    yield "client verified", _verified(client)
    yield "server verified", _verified(server)
    yield "host name", _host_name(client)
    yield "client said", meeting.client_said
    yield "server said", meeting.server_said


def _verified(port: SSLPort) -> str:
    if not port.peer_verified:
        return f"nobody: {port.verify_error or 'there was no certificate'}"
    return " <- ".join(map(_short, port.verified_chain)) + " (trusted)"


def _short(certificate: x509.Certificate) -> str:
    return subject_of(certificate).removeprefix("CN=")


def _host_name(client: SSLPort) -> str:
    certificate = client.peer_certificate
    found = () if certificate is None else presented_names(certificate)
    names = ", ".join(found) or "nobody"
    verb = "is" if client.peer_check_hostname(HOST) else "is not"
    return f"{HOST} {verb} among the certificate's: {names}"


def _refusal_rows(tour: Tour) -> Iterator[tuple[str, str]]:
    refusal = tour.refusal
    if refusal.error is None:
        yield "refused", "no, and that is wrong"
    else:
        yield "refused", f"yes, {type(refusal.error).__name__}"
        yield "because", story_of(refusal.error)
    alert = alert_name(refusal.heard)
    if alert is not None:
        yield "server heard", f"the alert {alert}"
    else:
        yield "server heard", str(refusal.heard or "nothing")
