"""A handshake told: one value for each message, and a summary of all.

Nothing secret is told: of keys and signatures only their kinds and sizes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..errors.codes import Alert
from ..openssl.protocols import TLSVersion
from ..policy.answers import at_once
from ..tools.public import public
from .hello.client_hello import ClientHello
from .hello.registry import cipher_suite_name, group_name, scheme_name
from .refusal.unlogged import look_for_timestamps

__all__ = [
    "HandshakeMessage",
    "HandshakeReport",
    "Tracer",
    "on_message",
    "tell_alert",
]

_ALERT, _HANDSHAKE, _HEADER = 21, 22, 256
#: More messages than a handshake has are told, and not kept.
_MOST = 64
#: RFC 8446, section 4; RFC 5246, section 7.4.
_NAMES = {
    0: "hello_request",
    1: "client_hello",
    2: "server_hello",
    4: "new_session_ticket",
    5: "end_of_early_data",
    8: "encrypted_extensions",
    11: "certificate",
    12: "server_key_exchange",
    13: "certificate_request",
    14: "server_hello_done",
    15: "certificate_verify",
    16: "client_key_exchange",
    20: "finished",
    22: "certificate_status",
    24: "key_update",
    25: "compressed_certificate",
}
_PRE_SHARED_KEY, _SUPPORTED_VERSIONS, _KEY_SHARE = 41, 43, 51
#: The random of a HelloRetryRequest (RFC 8446, section 4.1.3).
_RETRY = bytes.fromhex(
    "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
)


@public
@dataclass(frozen=True)
class HandshakeMessage:
    """One message of a handshake, or an alert."""

    #: Whether we sent it.
    sent: bool
    #: The RFC's name, such as ``"client_hello"``, or ``"alert"``.
    type: str
    #: In bytes, with its header.
    size: int
    #: In seconds since the session was begun.
    at: float
    #: What is in it, in words; no secret.
    summary: str

    def __str__(self) -> str:
        """Tell it in one line."""
        arrow = "->" if self.sent else "<-"
        words = f"{self.at:9.4f} s {arrow} {self.type}, {self.size} bytes"
        return f"{words}: {self.summary}" if self.summary else words


@public
@dataclass(frozen=True)
class HandshakeReport:
    """A handshake summed up."""

    messages: tuple[HandshakeMessage, ...]
    #: How often a client waits for its server before data can flow.
    round_trips: int
    #: Whether the server asked for another key share.
    hello_retry: bool
    #: Ciphertext of the handshake, in bytes.
    bytes_sent: int
    bytes_received: int
    #: From the first message to the last.
    seconds: float
    #: What we signed with, and the peer; None where nobody did.
    signature_algorithm: str | None
    peer_signature_algorithm: str | None


class Tracer:
    """Listens to one session.

    Args:
        tell: Called with each message.
        server_side: Whether we are the server.
    """

    def __init__(
        self, tell: Callable[[HandshakeMessage], object], *, server_side: bool
    ) -> None:
        self._tell = tell
        self._server_side = server_side
        self._start = time.monotonic()
        self._kept: list[HandshakeMessage] = []
        self._bytes = [0, 0]
        self._schemes: list[str | None] = [None, None]
        #: Whether the handshake is over; then messages are told, not kept.
        self.done = False

    def heard(self, sent: bool, kind: int, data: bytes) -> None:
        """Take what OpenSSL tells."""
        if kind == _HEADER:
            if not self.done and len(data) == 5:
                self._bytes[sent] += 5 + int.from_bytes(data[3:5], "big")
            return
        if kind == _ALERT and len(data) == 2:
            name, summary = "alert", _alert(data)
        elif kind == _HANDSHAKE and len(data) >= 4:
            name, summary = self._message(sent, data)
        else:
            return
        message = HandshakeMessage(
            sent, name, len(data), time.monotonic() - self._start, summary
        )
        if not self.done and len(self._kept) < _MOST:
            self._kept.append(message)
        at_once(self._tell(message), "a trace's function")

    def _message(self, sent: bool, data: bytes) -> tuple[str, str]:
        name = _NAMES.get(data[0], f"message {data[0]}")
        body = data[4:]
        if name == "client_hello":
            return name, _client_hello(data)
        if name == "server_hello":
            if body[2:34] == _RETRY:
                name = "hello_retry_request"
            return name, "; ".join(_answers(body, name))
        if name == "certificate_verify":
            return name, self._signed(sent, body[:2])
        if name == "server_key_exchange" and body[:1] == b"\3":
            # ECDHE: a named curve, the point, then who signed it how.
            group = group_name(int.from_bytes(body[1:3], "big"))
            scheme = self._signed(
                sent, body[4 + int.from_bytes(body[3:4], "big") :][:2]
            )
            return name, f"{group}; {scheme}"
        return name, ""

    def _signed(self, sent: bool, scheme: bytes) -> str:
        name = scheme_name(int.from_bytes(scheme, "big"))
        self._schemes[sent] = name
        return name

    def report(self) -> HandshakeReport:
        """Sum up what was heard so far."""
        kept = tuple(self._kept)
        return HandshakeReport(
            messages=kept,
            round_trips=self._round_trips(),
            hello_retry=any(e.type == "hello_retry_request" for e in kept),
            bytes_sent=self._bytes[True],
            bytes_received=self._bytes[False],
            seconds=kept[-1].at - kept[0].at if kept else 0.0,
            signature_algorithm=self._schemes[True],
            peer_signature_algorithm=self._schemes[False],
        )

    def _round_trips(self) -> int:
        by_client = [
            each.sent != self._server_side
            for each in self._kept
            if each.type not in {"alert", "new_session_ticket"}
        ]
        return sum(now and not after for now, after in pairwise(by_client))


def _answers(body: bytes, name: str) -> Iterator[str]:
    """Say what a server has chosen (RFC 8446, section 4.1.3)."""
    at = 35 + int.from_bytes(body[34:35], "big")
    yield cipher_suite_name(int.from_bytes(body[at : at + 2], "big"))
    extensions = dict(_extensions(body[at + 5 :]))
    version = extensions.get(_SUPPORTED_VERSIONS, body[:2])
    if version[:1] == b"\3" and len(version) == 2:
        yield f"TLS 1.{version[1] - 1}"
    share = extensions.get(_KEY_SHARE)
    if share is not None:
        group = group_name(int.from_bytes(share[:2], "big"))
        wants = name == "hello_retry_request"
        yield (
            f"wants a key share of {group}" if wants else f"key share {group}"
        )
    if _PRE_SHARED_KEY in extensions:
        yield "a pre-shared key or ticket"


def _extensions(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        size = int.from_bytes(data[2:4], "big")
        yield int.from_bytes(data[:2], "big"), data[4 : 4 + size]
        data = data[4 + size :]


def _alert(data: bytes) -> str:
    level = "fatal" if data[0] == 2 else "warning"
    try:
        return f"{level} {Alert(data[1]).name.lower()}"
    except ValueError:
        return f"{level} {data[1]}"


def _client_hello(data: bytes) -> str:
    try:
        hello = ClientHello.parse(data)
    except ValueError:
        return "malformed"
    versions = (
        each.name.replace("_", " ", 1).replace("_", ".")
        if isinstance(each, TLSVersion)
        else f"0x{each:04x}"
        for each in hello.versions
    )
    return (
        f"{hello.server_name or 'no server name'}; "
        f"versions {', '.join(versions)}; "
        f"suites {' '.join(hello.cipher_suites)}; "
        f"groups {' '.join(hello.groups)}; "
        f"key shares {' '.join(hello.key_shares) or 'none'}; "
        f"signatures {' '.join(hello.signature_algorithms) or 'none'}; "
        f"ALPN {' '.join(hello.alpn) or 'none'}"
    )


def on_message(connection: Any, sent: bool, kind: int, data: bytes) -> None:
    """Take a message of the handshake, for the trace and for timestamps."""
    record = connection.get_app_data()
    if kind == _HANDSHAKE and not sent:
        look_for_timestamps(connection, record, data)
    _tell(record, sent, kind, data)


def tell_alert(record: Any, alert: Alert) -> None:
    """Tell of an alert that we send and OpenSSL knows nothing of."""
    _tell(record, True, _ALERT, bytes((2, alert)))


def _tell(record: Any, sent: bool, kind: int, data: bytes) -> None:
    if record.tracer is None:
        return
    try:
        with record.calling():
            record.tracer.heard(sent, kind, data)
    except BaseException as error:  # noqa: BLE001 - raised by the engine
        record.refuse(error)
