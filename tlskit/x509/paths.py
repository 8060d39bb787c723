"""Tell a path from text that was meant to be the content of a file.

PEM text that is given as ``str`` where a path is wanted is taken for a path
by whoever does not look.  The error then quotes the path, and with it a
private key.  So every loader asks here first, and what is no path is never
repeated in a message.
"""

from __future__ import annotations

import os

from ..errors import ConfigurationError

__all__ = ["path_of"]

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
