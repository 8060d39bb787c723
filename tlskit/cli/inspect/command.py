"""``tlskit inspect``: what is in a file, or what a server presents."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator

import click
from cryptography.hazmat.primitives.serialization import Encoding
from rich.console import Console
from rich.text import Text

from ...errors import CredentialError
from ..console import open_console, printable, reporting, show_json, show_rows
from ..exit import ExitCode
from ..material import gather
from ..secrets import password_from, password_options
from .inspection import Described, InspectData, Inspection, inspected
from .logged import Logs, log_list_option, words_of_log
from .objects import (
    CertificateObject,
    KeyData,
    KeyObject,
    RequestObject,
    RevocationObject,
)
from .responses import AnswerData, ResponseObject

__all__ = ["command"]

Rows = Iterator[tuple[str, str]]

#: So many names or serial numbers are listed for people.
_MOST_LISTED = 20


@click.command("inspect")
@click.argument("sources", nargs=-1, required=True, metavar="X...")
@click.option(
    "--short", "style", flag_value="short", help="Print a line for each."
)
@click.option(
    "--pin", "style", flag_value="pin", help="Print the keys' pins only."
)
@click.option(
    "--pem",
    "style",
    flag_value="pem",
    help="Print the certificates only, as PEM, in the order of their chain.",
)
@click.option(
    "--json", "style", flag_value="json", help="Print data, not text."
)
@log_list_option
@password_options
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up on a server after so long.",
)
@reporting
def command(
    *,
    sources: tuple[str, ...],
    style: str | None,
    logs: Logs,
    password_file: str | None,
    password_env: str | None,
    ask_password: bool,
    timeout: float,
) -> ExitCode:
    """Show certificates, keys, requests, CRLs, OCSP responses and PKCS#12.

    X is a file (PEM or DER, which is found out), - for standard input, or a
    server as HOST or HOST:PORT, whose chain is fetched and shown without
    trusting it.  Several are looked at together: does this key belong to
    that certificate?

    \b
    tlskit inspect chain.pem key.pem
    tlskit inspect www.example.org --pin
    openssl req -new -key key.pem | tlskit inspect -

    Of private keys only kind, size and public pin are shown.  The exit
    status is 1 if something can't be read, or a private key belongs to none
    of the certificates.
    """  # noqa: D301 - click wants the backspace itself
    password = password_from(password_file, password_env, ask=ask_password)
    with warnings.catch_warnings():
        # Of a stranger's odd serial number, say; it is shown anyway.
        warnings.simplefilter("ignore")
        found = inspected(
            [gather(each, timeout) for each in sources], password, logs
        )
    _STYLES[style or "text"](open_console(), found)
    return ExitCode.GOOD if found.data["good"] else ExitCode.USAGE


# -- short forms ------------------------------------------------------------


def _show_json(console: Console, found: Inspection) -> None:
    show_json(console, found.data)


def _show_pem(console: Console, found: Inspection) -> None:
    if not found.certificates:
        raise CredentialError("there is no certificate to print as PEM")
    for each in found.certificates:
        pem = each.public_bytes(Encoding.PEM).decode("ascii")
        console.out(pem, end="", highlight=False)


def _show_pins(console: Console, found: Inspection) -> None:
    pins = dict.fromkeys(
        key["pin"] for key in map(_key_of, found.data["objects"]) if key
    )
    if not pins:
        raise CredentialError("there is no key whose pin could be printed")
    for each in pins:
        console.out(each, highlight=False)


def _show_short(console: Console, found: Inspection) -> None:
    for each in found.data["objects"]:
        words = [_title(each), *_summary(each)]
        line = "  ".join(printable(word) for word in words)
        console.print(Text(line), soft_wrap=True)


def _key_of(each: Described) -> KeyData | None:
    if each["kind"] in (
        "revocation-list",
        "ocsp-response",
        "other",
        "unreadable",
    ):
        return None
    return each["key"]  # type: ignore[typeddict-item]


def _summary(each: Described) -> Iterator[str]:
    """Give what belongs into one line, without the title."""
    if each["kind"] == "certificate":
        yield from filter(None, [_listed(each["names"])])
        yield _key_words(each["key"])
        yield _days(each)
        yield each["key"]["pin"]
    elif each["kind"] == "request":
        yield from filter(None, [_listed(each["names"])])
        yield _key_words(each["key"])
        yield each["key"]["pin"]
    elif each["kind"] == "private-key" or each["kind"] == "public-key":
        if each["key"] is not None:
            yield _key_words(each["key"])
            yield each["key"]["pin"]
    elif each["kind"] == "revocation-list":
        yield f"{each['revoked_count']} revoked"
        yield f"until {each['next_update'] or 'no given time'}"
    elif each["kind"] == "ocsp-response":
        for answer in each["answers"]:
            yield f"{answer['serial']} {answer['status']}"
            yield f"until {answer['next_update'] or 'no given time'}"


# -- text -------------------------------------------------------------------


def _show_text(console: Console, found: Inspection) -> None:
    data = found.data
    style = "bold green" if data["good"] else "bold red"
    verdict = "good" if data["good"] else "NOT GOOD"
    console.print(
        Text.assemble((verdict, style), f": {_counted(data)}"), soft_wrap=True
    )
    for finding in data["findings"]:
        console.print(Text(printable(finding), "yellow"), soft_wrap=True)
    for source in data["sources"]:
        if source["origin"] == "host":
            words = (
                f"presented by {source['name']}, and not verified: anybody "
                f"could have answered"
            )
            console.print(Text(printable(words), "yellow"), soft_wrap=True)
    for each in data["objects"]:
        console.print()
        console.print(Text(printable(_title(each)), "bold"), soft_wrap=True)
        show_rows(console, _rows(each, data), wrap=False)


def _counted(data: InspectData) -> str:
    counts: dict[str, int] = {}
    for each in data["objects"]:
        kind = each["kind"].replace("-", " ")
        counts[kind] = counts.get(kind, 0) + 1
    return ", ".join(
        f"{number} {kind}{'s' if number > 1 else ''}"
        for kind, number in counts.items()
    )


def _title(each: Described) -> str:
    if each["kind"] == "certificate":
        subject = each["subject"] or "(nameless)"
        return f"certificate {each['depth']}: {subject}"
    if each["kind"] == "request":
        return f"request: {each['subject'] or '(nameless)'}"
    if each["kind"] == "revocation-list":
        return f"revocation list: {each['issuer']}"
    if each["kind"] == "ocsp-response":
        return f"OCSP response: {each['response_status']}"
    if "label" in each:
        return f"{each['kind']}: {each['label']}"
    words = each["kind"].replace("-", " ")
    return words if each["key"] is not None else f"{words}, encrypted"


def _rows(each: Described, data: InspectData) -> Rows:
    if len(data["sources"]) > 1:
        yield "from", each["source"]
    if each["kind"] == "certificate":
        yield from _certificate_rows(each, data)
    elif each["kind"] == "request":
        yield from _request_rows(each)
    elif each["kind"] == "revocation-list":
        yield from _revocation_rows(each)
    elif each["kind"] == "ocsp-response":
        yield from _response_rows(each)
    elif "fits" in each:
        yield from _key_rows(each, data)
    elif each["kind"] == "unreadable":
        yield "because", each["reason"] or "it is broken"
    else:
        yield "meaning", "nothing that TLS needs; not looked into"


def _certificate_rows(each: CertificateObject, data: InspectData) -> Rows:
    yield "issuer", _issuer(each, data)
    yield "names", _listed(each["names"]) or "none"
    yield "key", _key_words(each["key"])
    yield "signature", each["signature"]
    yield (
        "valid",
        f"{each['not_before']} to {each['not_after']}, {_days(each)}",
    )
    if not each["ca"]:
        yield "renew", _renewal(each)
    usages = [*each["key_usage"], *each["extended_key_usage"]]
    yield "usage", ", ".join(usages) or "any"
    yield "CA", _ca_words(each)
    for promise in each["timestamps"]:
        yield "logged", words_of_log(promise)
    yield "serial", each["serial"]
    yield "pin", each["key"]["pin"]
    yield "SHA-256", _colons(each["sha256"])
    yield "SHA-1", _colons(each["sha1"])


def _issuer(each: CertificateObject, data: InspectData) -> str:
    number = each["issued_by"]
    if number is None:
        return f"{each['issuer']}, which is not here"
    if data["objects"][number] is each:
        return "itself"
    return each["issuer"]


def _renewal(each: CertificateObject) -> str:
    """Tell when, and whether a public CA might have issued it."""
    words = f"from {each['renew_from']} on"
    if each["over_max_days"]:
        words += (
            f"; it lives longer than the {each['max_days']} days that a "
            "public CA may give a server"
        )
    return words


def _ca_words(each: CertificateObject) -> str:
    if not each["ca"]:
        return "no"
    if each["path_length"] is None:
        return "yes"
    return f"yes; {each['path_length']} more below it"


def _days(each: CertificateObject) -> str:
    if each["validity"] == "valid":
        return f"{each['days_left']} days left"
    if each["validity"] == "expired":
        # The days left are rounded down: half a day ago they were -1.
        days = -1 - each["days_left"]
        return f"EXPIRED {days} {'day' if days == 1 else 'days'} ago"
    return "NOT YET VALID"


def _request_rows(each: RequestObject) -> Rows:
    yield "names", _listed(each["names"]) or "none"
    yield "key", _key_words(each["key"])
    yield "signature", each["signature"]
    yield "signed", "by its own key" if each["signature_valid"] else "WRONGLY"
    yield "pin", each["key"]["pin"]


def _revocation_rows(each: RevocationObject) -> Rows:
    end = each["next_update"] or "no given time"
    stale = ", OUT OF DATE" if each["stale"] else ""
    yield "valid", f"{each['this_update']} to {end}{stale}"
    yield "number", "none" if each["number"] is None else str(each["number"])
    yield "signature", each["signature"]
    yield "revoked", str(each["revoked_count"])
    if each["revoked"]:
        yield "serials", _listed(each["revoked"], each["revoked_count"])


def _response_rows(each: ResponseObject) -> Rows:
    if each["responder"] is not None:
        yield "responder", each["responder"]
        yield "produced", each["produced_at"] or ""
        yield "signature", f"{each['signature']}, not verified"
    for answer in each["answers"]:
        yield "serial", answer["serial"]
        yield "status", _status_words(answer)
        end = answer["next_update"] or "no given time"
        stale = ", OUT OF DATE" if answer["stale"] else ""
        yield "valid", f"{answer['this_update']} to {end}{stale}"


def _status_words(answer: AnswerData) -> str:
    words = [answer["status"]]
    if answer["revoked_at"] is not None:
        words.append(f"on {answer['revoked_at']}")
    if answer["reason"] is not None:
        words.append(f"({answer['reason']})")
    return " ".join(words)


def _key_rows(each: KeyObject, data: InspectData) -> Rows:
    if each["key"] is None:
        yield "to see more", "--password-file or --password-env"
        return
    yield "key", _key_words(each["key"])
    yield "pin", each["key"]["pin"]
    for index in each["fits"]:
        yield "belongs to", _title(data["objects"][index])


def _key_words(key: KeyData) -> str:
    if key["type"] is None:
        return "of an unknown kind"
    words = [key["type"], key["curve"]]
    if key["curve"] is None and key["size"] is not None:
        words.append(f"{key['size']} bits")
    return " ".join(filter(None, words))


def _listed(words: Iterable[str], count: int | None = None) -> str:
    known = list(words)
    more = (count or len(known)) - len(known[:_MOST_LISTED])
    tail = [f"and {more} more"] if more else []
    return ", ".join([*known[:_MOST_LISTED], *tail])


def _colons(digest: str) -> str:
    return ":".join(
        digest[at : at + 2].upper() for at in range(0, len(digest), 2)
    )


_STYLES: dict[str, Callable[[Console, Inspection], None]] = {
    "json": _show_json,
    "pem": _show_pem,
    "pin": _show_pins,
    "short": _show_short,
    "text": _show_text,
}
