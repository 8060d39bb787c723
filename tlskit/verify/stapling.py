"""The OCSP response that a server staples, renewed before it ends."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import cast

from ..errors import CredentialError
from ..x509.gate import x509
from ..x509.sources import path_of
from .ocsp import parse_response

__all__ = ["Staple", "StapleSource"]

#: A response, a file with one, or a function that gets one.
StapleSource = bytes | str | os.PathLike[str] | Callable[[], bytes]

_log = logging.getLogger("tlskit.stapling")
# When to try again after a fetcher failed.
_PAUSE = timedelta(minutes=1)
# What has no end is fetched again after this.
_NEWS = timedelta(days=1)


@dataclass(frozen=True)
class _Held:
    """One response, and what is in it."""

    data: bytes
    serials: frozenset[int]
    start: datetime
    end: datetime

    @classmethod
    def parse(cls, data: bytes) -> _Held:
        """Read a response.

        Raises:
            CredentialError: It is none.
        """
        try:
            singles = list(parse_response(data).responses)
            start = max(each.this_update_utc for each in singles)
            ends = [each.next_update_utc for each in singles]
        except (ValueError, TypeError) as error:
            raise CredentialError(
                f"this is no OCSP response to staple: {error}",
                code="bad-ocsp-response",
                hint="look at it with: openssl ocsp -resp_text -respin FILE",
            ) from error
        return cls(
            data,
            frozenset(each.serial_number for each in singles),
            start,
            min(each or start + _NEWS for each in ends),
        )

    @property
    def due(self) -> datetime:
        """When to get the next one: after half of this one's life."""
        return self.start + (self.end - self.start) / 2


class Staple:
    """What a server staples now.

    A fetcher is called once when the staple is made, in the caller's thread,
    and its failure is the caller's.  Later it is called in a thread of its
    own, when a handshake finds that half of the response's life is over; no
    handshake waits for it.  If it fails, the old response is good until it
    ends, and after a minute it may be tried again.

    Args:
        source: The response (DER), the path of a file, which is read again
            when its response gets old, or a function that gives a response.

    Raises:
        CredentialError: It is no response, or can't be had.
        TypeError: It is something else.
    """

    def __init__(self, source: StapleSource) -> None:
        self._lock = threading.Lock()
        self._fetch: Callable[[], bytes] | None = None
        if isinstance(source, bytes | bytearray | memoryview):
            data = bytes(source)
        else:
            self._fetch = _fetcher(source)
            data = _first(self._fetch)
        self._held = _Held.parse(data)
        self._due = self._held.due
        self._thread: threading.Thread | None = None

    def covers(self, certificate: x509.Certificate) -> bool:
        """Say whether the response is about *certificate*."""
        return certificate.serial_number in self._held.serials

    def current(self, now: datetime | None = None) -> bytes:
        """Give the response; nothing if it has ended.

        Args:
            now: The moment that counts; None for the present.
        """
        moment = now or datetime.now(timezone.utc)
        with self._lock:
            if self._fetch is not None and moment >= self._due:
                self._due = moment + _PAUSE
                self._thread = threading.Thread(
                    target=self._renew, name="tlskit-ocsp", daemon=True
                )
                self._thread.start()
            return self._held.data if moment <= self._held.end else b""

    def _renew(self) -> None:
        assert self._fetch is not None
        try:
            held = _Held.parse(self._fetch())
        except Exception as error:  # noqa: BLE001 - the fetcher is the user's
            _log.warning("can't renew the OCSP response: %s", error)
            return
        with self._lock:
            if held.serials.isdisjoint(self._held.serials):
                _log.warning("the new OCSP response is for others; not used")
            elif held.end > self._held.end:
                self._held, self._due = held, held.due


def _fetcher(source: object) -> Callable[[], bytes]:
    if isinstance(source, str | os.PathLike):
        path = path_of(source, "an OCSP response", CredentialError)
        # It is read again later, perhaps from another directory.
        return Path(os.path.abspath(path)).read_bytes
    if callable(source):
        return cast("Callable[[], bytes]", source)
    raise TypeError(
        "an OCSP response is bytes, a path or a function, not "
        f"{type(source).__name__}"
    )


def _first(fetch: Callable[[], bytes]) -> bytes:
    try:
        return fetch()
    except Exception as error:
        raise CredentialError(
            f"can't get the OCSP response: {error}",
            code="no-ocsp-response",
            errno=getattr(error, "errno", None),
            filename=getattr(error, "filename", None),
            hint="see to it that the function, or the file, gives one",
        ) from error
