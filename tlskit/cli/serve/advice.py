"""What ``serve`` tells people first: where it is, and how to trust it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ..places import Place
from .journal import ListeningData

__all__ = ["EVERYWHERE", "advice"]

#: Addresses that stand for all of a machine's, and one of them each.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104

_DOING = {
    "echo": "sending back what clients send",
    "dir": "serving the files in {}",
    "forward": "forwarding to {}",
}


def advice(data: ListeningData) -> Iterator[tuple[str, str]]:
    """Give labels and texts.

    Args:
        data: Where the server listens, and for what.
    """
    where = Place(data["host"], data["port"])
    doing = _DOING[data["mode"]].format(data["target"])
    yield "listening", f"{where}, and {doing}"
    if data["http_port"] is not None:
        plain = Place(data["host"], data["http_port"])
        yield "plain HTTP", f"{plain}, for the ACME server"
    if data["client_certificates"]:
        yield "clients", "must show a certificate"
    if data["ca_file"] is not None:
        path = shlex.quote(data["ca_file"])
        yield (
            "certificate",
            f"for {', '.join(data['names'])}; by a development CA",
        )
        yield "trust it", f"the CA is in {path} while this server runs"
        yield "try it", _trial(data, path)
        yield "or", f"SSL_CERT_FILE={path} your-program"
    yield "to end it", "Ctrl-C"


def _trial(data: ListeningData, path: str) -> str:
    """Give a command that proves it."""
    here = EVERYWHERE.get(data["host"], data["host"])
    if data["mode"] == "dir":
        name = here if here in data["names"] else data["names"][0]
        return f"curl --cacert {path} https://{Place(name, data['port'])}/"
    there = Place(here, data["port"])
    return (
        f"openssl s_client -connect {there} -CAfile {path} "
        "-verify_return_error"
    )
