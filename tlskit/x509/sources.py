"""What loaders are given: paths, bytes and passwords.

PEM text that is given as ``str`` where a path is wanted is taken for a path
by whoever does not look.  The error then quotes the path, and with it a
private key.  So every loader asks here first, and what is no path is never
repeated in a message.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ..errors import ConfigurationError, CredentialError

__all__ = ["AnyPath", "Bytes", "Password", "Secret", "path_of", "read_source"]

Bytes = bytes | bytearray | memoryview
AnyPath = str | os.PathLike[str]
_Text = str | bytes | bytearray
Password = _Text | Callable[[], _Text] | None

#: No system takes a longer path (Linux: 4096 bytes with the final null byte;
#: Windows: 32767 characters).
_LONGEST = 32767


def path_of(
    source: str | os.PathLike[str],
    wanted: str,
    kind: type[ConfigurationError] = ConfigurationError,
) -> str:
    """Give *source* as text, if it can be a path.

    Args:
        source: A path.
        wanted: What is in the file, for the message.
        kind: The class of the error.

    Raises:
        ConfigurationError: It is the content of a file, or far too long; of
            the class *kind*.
    """
    text = os.fspath(source)
    if "-----BEGIN" in text:
        found = "this is PEM text"
    elif "\n" in text or "\r" in text:
        found = "this is text of several lines"
    elif len(text) > _LONGEST:
        found = f"this is text of {len(text)} characters"
    else:
        return text
    raise kind(
        f"{wanted} was to be given by the path of a file, but {found}",
        code="not-a-path",
        hint="give the content of a file as bytes: text.encode()",
    )


class Secret:
    """A password, asked for once and only when it is needed."""

    def __init__(self, password: Password) -> None:
        self._password = password

    @property
    def given(self) -> bool:
        """Whether there is one."""
        return self._password is not None

    def bytes(self) -> bytes:
        """Ask for it.

        Raises:
            TypeError: It is no password.
        """
        value = self._password
        if callable(value):
            value = value()
        if isinstance(value, str):
            value = value.encode()
        if not isinstance(value, bytes | bytearray):
            raise TypeError("a password is str, bytes, or gives one of them")
        return bytes(value)


def read_source(source: object, wanted: str) -> tuple[bytes, str]:
    """Give the bytes of a path or of bytes, and a name for messages."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), "the bytes given"
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(
            f"{wanted} is a path, bytes, or an object of cryptography, "
            f"not {type(source).__name__}"
        )
    path = path_of(source, wanted, CredentialError)
    try:
        return Path(path).read_bytes(), path
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number else str(error)
        raise CredentialError(
            f"can't read {wanted} from {path!r}: {reason}",
            code="unreadable-file",
            hint="check the path and its permissions",
            errno=number,
            filename=path,
        ) from error
