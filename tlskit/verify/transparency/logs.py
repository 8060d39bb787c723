"""The logs that count: a list in the form that browsers publish, version 3."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ...errors import ConfigurationError
from ...x509.gate import serialization

__all__ = ["Log", "LogSource", "Transparency", "load_logs"]

#: A path, the JSON itself, or what was read of it.
LogSource = str | os.PathLike[str] | bytes | Mapping[str, Any]

#: In which states a log's timestamps count; those of one that has retired
#: count if they are older than that.
_GOOD, _RETIRED = {"qualified", "usable", "readonly"}, "retired"


@dataclass(frozen=True)
class Log:
    """One log."""

    #: The SHA-256 digest of its key.
    id: bytes
    #: SubjectPublicKeyInfo, DER.
    key: bytes
    name: str
    #: Whose certificates it takes, by their end: from, and before.
    start: datetime | None = None
    end: datetime | None = None
    #: No later timestamp of its counts.
    retired: datetime | None = None


@dataclass(frozen=True)
class Transparency:
    """What is asked of a certificate."""

    logs: tuple[Log, ...]
    #: How many logs have to vouch for it.
    require: int


def load_logs(source: LogSource) -> tuple[Log, ...]:
    """Read a list of logs.

    Raises:
        ConfigurationError: It can't be read, is of another form, or holds no
            log whose timestamps count.
    """
    found = _parsed(source)
    try:
        logs = tuple(
            log
            for operator in found["operators"]
            for kind in ("logs", "tiled_logs")
            for each in operator.get(kind, ())
            for log in _log(each)
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            "this is no list of Certificate Transparency logs, version 3: "
            f"{type(error).__name__}: {error}",
            code="bad-log-list",
            hint="see the documentation of set_certificate_transparency()",
        ) from error
    if not logs:
        raise ConfigurationError(
            "this list holds no log that counts",
            code="bad-log-list",
            hint="get a current one",
        )
    return logs


def _parsed(source: LogSource) -> Any:
    if isinstance(source, Mapping):
        return source
    if not isinstance(source, bytes | str | os.PathLike):
        raise TypeError(
            "a list of logs is a path, bytes, or what was read of it, not "
            f"{source!r}"
        )
    try:
        if isinstance(source, bytes):
            return json.loads(source)
        return json.loads(Path(source).read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"can't read the list of logs {source!r}: {error.strerror}",
            code="bad-log-list",
            errno=error.errno,
            filename=str(source),
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            f"this list of logs is no JSON: {error}", code="bad-log-list"
        ) from error


def _log(data: Mapping[str, Any]) -> Iterator[Log]:
    """Give the log, if its timestamps count."""
    state = next(iter(data.get("state", {"usable": {}})), "")
    if state not in _GOOD and state != _RETIRED:
        return
    name = str(data.get("description", data.get("url", "a log")))
    try:
        key = base64.b64decode(data["key"], validate=True)
        serialization.load_der_public_key(key)
        number = base64.b64decode(data["log_id"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{name!r} has no key: {error}") from error
    if hashlib.sha256(key).digest() != number:
        raise ValueError(f"{name!r} has the id of another key")
    interval = data.get("temporal_interval", {})
    retired = None
    if state == _RETIRED:
        retired = _moment(data["state"][state]["timestamp"])
    yield Log(
        number,
        key,
        name,
        _moment(interval.get("start_inclusive")),
        _moment(interval.get("end_exclusive")),
        retired,
    )


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return found
