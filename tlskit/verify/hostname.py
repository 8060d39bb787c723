"""Parse host names and IP addresses; refuse all other text.

They are compared with a certificate's names in ``identity``.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import unicodedata
from collections.abc import Sequence

from ..errors import ConfigurationError
from ..x509.alternatives import read_names
from ..x509.der import elements
from ..x509.reading import extension_value, readable

__all__ = [
    "Address",
    "Host",
    "is_barred",
    "is_pattern",
    "parse_any_host",
    "parse_host",
]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: A name in A-labels, lower case, without trailing dot; or an address.
Host = bytes | Address

_MAX_NAME = 253  # Bytes, without the trailing dot (RFC 1035, section 3.1).
_MAX_LABEL = 63
# No host name that fits into 253 bytes as A-labels is longer as text, even
# with its letters decomposed.  What is longer isn't worth parsing.
_MAX_TEXT = 4 * _MAX_NAME
_SHOWN = 80

# The underscore is no letter of host names, but common in names of services
# and used by real hosts; it harms nobody.
_FOREIGN = re.compile(r"[^A-Za-z0-9._-]")
_FOREIGN_ASCII = re.compile(r"[\x00-,/:-@[-^`{-\x7f]")
# Resolvers take "1234", "127.1" and "0x7f.1" for IPv4 addresses.  No
# top-level domain looks like that (RFC 3696, section 2).
_NUMBER = re.compile(r"-?[0-9_]+|0x[0-9a-f]*")
# Invisible both, but some languages can't be written without them; IDNA
# knows where they are allowed (RFC 5892, appendix A).
_JOINERS = "\u200c\u200d"

# What nearly all names are; there is nothing to find out about them.  The
# last label begins with a letter, so it is no number and no address.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_USUAL = re.compile(rf"(?:{_LABEL}\.)*(?=[A-Za-z]){_LABEL}")

# RFC 5280, section 4.2.1.10, and of a GeneralName, section 4.2.1.6.
_NAME_CONSTRAINTS, _EXCLUDED, _DNS_NAME = "2.5.29.30", 0xA1, 0x82

_EXAMPLES = (
    'give a host name such as "www.example.com", or an address such as '
    '"192.0.2.1" or "2001:db8::1"'
)
_NUMERIC = "ends in a number, but is no IPv4 address of four decimal parts"
_IPV4 = 'write IPv4 addresses in full, such as "192.0.2.1"'


# Clients mean the same few hosts again and again.
@functools.lru_cache(256)
def parse_host(text: str) -> Host:
    """Parse *text* as a host name or an IP address.

    A host name comes back lower-cased, in A-labels, without its trailing
    dot.  Like browsers, map and encode other scripts by UTS 46 without
    transitional processing and check them by IDNA 2008 (RFC 5891); so an
    emoji must be written as the A-label that it is.

    An address comes back without brackets and zone: a zone (RFC 4007,
    section 11) names an interface of ours, and nothing of the peer's.

    Raises:
        ConfigurationError: It is neither; the code is ``"bad-hostname"``.
    """
    if len(text) <= _MAX_NAME and _USUAL.fullmatch(text):
        name = text.lower()
        if "xn--" not in name:
            return name.encode("ascii")
    return parse_any_host(text)


def parse_any_host(text: str) -> Host:
    """Do ``parse_host``, for all that it takes and refuses."""
    if len(text) > _MAX_TEXT:
        raise _bad(text, f"has {len(text)} characters")
    fault = _invisible(text)
    if fault is not None:
        raise _bad(text, fault, "remove that character")
    address = _address(text)
    if address is not None:
        return address
    foreign = _FOREIGN_ASCII.search(text)
    if foreign is not None:
        raise _bad(text, f"has {foreign[0]!r} in it", _advice(text))
    name = _to_ascii(text).removesuffix(".")
    fault = _fault(name)
    if fault is not None:
        raise _bad(text, fault, _IPV4 if fault == _NUMERIC else _EXAMPLES)
    return name.encode("ascii")


def is_pattern(text: str) -> bool:
    """Say whether *text* is a name that a certificate may present.

    That is a host name in A-labels, or one whose whole left-most label is
    ``*`` before at least two more (RFC 9525, sections 6.3 and 7.1).
    """
    # ASCII first: lower() makes a "k" of the Kelvin sign.
    if not text.isascii() or len(text) > _MAX_NAME:
        return False
    name = text.lower()
    if name.startswith("*."):
        name = name[2:]
        # A wildcard right under the root would stand for half the world.
        if "." not in name:
            return False
    return _fault(name) is None


def _fault(name: str) -> str | None:
    """Say what keeps lower-case *name* from being a host name, if anything."""
    if len(name) > _MAX_NAME:
        return f"is longer than {_MAX_NAME} bytes"
    labels = name.split(".")
    for label in labels:
        fault = _label_fault(label)
        if fault is not None:
            return fault
    if _NUMBER.fullmatch(labels[-1]):
        return _NUMERIC
    return None


def _label_fault(label: str) -> str | None:
    if not label:
        return "has an empty label"
    if len(label) > _MAX_LABEL:
        return f"has a label of more than {_MAX_LABEL} bytes"
    foreign = _FOREIGN.search(label)
    if foreign is not None:
        return f"has {foreign[0]!r} in it"
    if label.startswith("xn--") and not _is_a_label(label):
        return f"has the broken A-label {label!r}"
    return None


def _is_a_label(label: str) -> bool:
    """Say whether *label* is Punycode in its one canonical spelling.

    More would need IDNA's tables; but a name that goes over the wire as it
    is, and is compared byte by byte, can't be mistaken for another.
    """
    code = label[4:]
    try:
        plain = code.encode("ascii").decode("punycode")
        again = plain.encode("punycode").decode("ascii")
    except UnicodeError:
        return False
    return not plain.isascii() and again == code


def _to_ascii(text: str) -> str:
    """Lower-case *text*, with every label of other scripts as an A-label."""
    if text.isascii():
        return text.lower()
    import idna  # Its tables take as long to load as half of cryptography.

    try:
        # Label by label, because idna.encode() refuses underscores and odd
        # hyphens also where nothing needs encoding.
        labels = idna.uts46_remap(text, std3_rules=False).split(".")
        return ".".join(
            label if label.isascii() else idna.alabel(label).decode("ascii")
            for label in labels
        )
    except ValueError as error:
        raise _bad(
            text,
            f"can't be encoded by IDNA ({error})",
            'check the spelling, or give the name in A-labels ("xn--...")',
        ) from error


def _address(text: str) -> Address | None:
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
        if ":" not in text:  # Brackets are for IPv6 (RFC 3986, section 3.2.2).
            return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return ipaddress.IPv6Address(address.packed)
    return address


def _invisible(text: str) -> str | None:
    """Name the first character of *text* that nobody sees, if any."""
    for character in text:
        if character in _JOINERS:
            continue
        point = f"U+{ord(character):04X}"
        if character.isspace():
            return f"has white space in it ({point})"
        if unicodedata.category(character)[0] == "C":
            return f"has an invisible character in it ({point})"
    return None


def _advice(text: str) -> str:
    """Guess what *text* was meant to be."""
    if "://" in text or "/" in text:
        return "give the host name alone, without scheme and path"
    if "@" in text:
        return "give the host name alone, without user name"
    if re.fullmatch(r"(\[.*\]|[^:]+):[0-9]*", text):
        return "give the port number as an argument of its own"
    if "*" in text:
        return "a wildcard is for certificates; give the name of one host"
    return _EXAMPLES


def _bad(text: str, fault: str, hint: str = _EXAMPLES) -> ConfigurationError:
    # Before the "@" of a URL there may be a password.
    head, at, tail = text.rpartition("@")
    shown = f"...@{tail}" if head and at else text
    if len(shown) > _SHOWN:
        shown = shown[:_SHOWN] + "..."
    return ConfigurationError(
        f"expected a host name or an IP address, found {shown!r}, "
        f"which {fault}",
        code="bad-hostname",
        hint=hint,
    )


# -- what a CA may not certify ----------------------------------------------


def is_barred(path: Sequence[bytes], host: bytes) -> bool:
    """Say whether only a wildcard reaches *host*, which a CA excludes.

    OpenSSL compares constraints with the names in a certificate, and
    ``*.example.com`` is not the excluded ``a.example.com``.  The host that
    was asked for is (RFC 5280, section 4.2.1.10).

    Args:
        path: The peer's own certificate, and those of its CAs, DER.
        host: In A-labels, lower case.
    """
    bases = [base for der in path[1:] for base in _excluded(der)]
    if not bases or not any(
        host == base or host.endswith(b"." + base) for base in bases
    ):
        return False
    # What is named by itself has been compared by OpenSSL.
    names = read_names(readable(path[0]))
    text = host.decode("ascii")
    return names is None or text not in map(str.lower, names.dns)


@functools.lru_cache(maxsize=256)
def _excluded(der: bytes) -> tuple[bytes, ...]:
    """Give the domains that a CA may not certify.

    They are read by themselves: a subtree of another kind that
    ``cryptography`` can't read is OpenSSL's affair, which has decided.
    """
    found = extension_value(readable(der), _NAME_CONSTRAINTS)
    if found is None:
        return ()
    (constraints,) = elements(found)
    bases = (
        next(elements(subtree.content))
        for subtrees in elements(constraints.content)
        if subtrees.tag == _EXCLUDED
        for subtree in elements(subtrees.content)
    )
    return tuple(
        base.content.lower().lstrip(b".")
        for base in bases
        if base.tag == _DNS_NAME
    )
