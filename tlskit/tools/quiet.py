"""Parse what strangers wrote without warnings about how they wrote it.

``cryptography`` warns of a serial number that is zero, as public roots have
it, and of other sins that it may refuse one day.  Nobody who runs this
program can mend them, and where warnings are errors the certificate could not
be read at all.
"""

from __future__ import annotations

import re
import warnings

__all__ = ["quiet"]

_MESSAGES = re.compile(
    r"Parsed a |The parsed certificate |PKCS#12 bundle could not be parsed",
    re.IGNORECASE,
)
#: Only what is told of our own modules.
_MODULES = re.compile(r"tlskit\.")


def quiet() -> None:
    """See to it that such warnings of our own parsing are ignored.

    ``warnings.catch_warnings()`` is no way to do it: it puts back the filters
    of the whole process, which other threads may have changed meanwhile.  A
    filter as narrow as this one may stay; whoever has put others before it
    since, finds it in front again.
    """
    wanted = ("ignore", _MESSAGES, UserWarning, _MODULES, 0)
    if warnings.filters[:1] != [wanted]:
        warnings.filterwarnings(
            "ignore", _MESSAGES.pattern, UserWarning, _MODULES.pattern
        )
