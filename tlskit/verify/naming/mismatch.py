"""Guess why a certificate's names do not fit, and say what to do."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from ...errors import ConfigurationError
from ..hostname import Address, Host, is_pattern, parse_host

__all__ = ["entry_for", "mismatch_hint", "names", "quoted"]

# A certificate may present thousands of names, and difflib is slow.
_COMPARED = 64
_SHOWN = 80

_MISPLACED = (
    "has a misplaced wildcard: only the whole left-most label may be one, "
    "with two labels or more after it"
)


def mismatch_hint(
    wanted: Host,
    dns: tuple[str, ...],
    addresses: tuple[Address, ...],
    common_names: tuple[str, ...],
) -> str:
    """Find the likeliest of the usual causes.

    Args:
        wanted: Whom the certificate should name.
        dns: Its dNSName entries.
        addresses: Its iPAddress entries.
        common_names: Those of its subject.
    """
    dns = dns[:_COMPARED]
    if not isinstance(wanted, bytes):
        return _address_hint(wanted, dns, addresses[:_COMPARED])
    name = wanted.decode("ascii")
    for entry in dns:
        cause = _cause(name, entry)
        if cause:
            return f"the entry {quoted(entry)} {cause}"
    if names(common_names, wanted):
        return (
            "it is the common name, which is never looked at (RFC 9525); "
            f"have the certificate reissued with {entry_for(wanted)}"
        )
    return _nearest(name, wanted, dns)


def names(texts: Iterable[str], wanted: Host) -> bool:
    """Say whether one of *texts* is a spelling of *wanted*."""
    return any(_parsed(text) == wanted for text in texts)


def entry_for(wanted: Host) -> str:
    """Write the entry that a certificate should have."""
    if isinstance(wanted, bytes):
        return f"DNS:{wanted.decode('ascii')}"
    return f"IP:{wanted}"


def quoted(text: str) -> str:
    """Quote a stranger's *text*, without its unprintable parts, and short."""
    if len(text) > _SHOWN:
        text = text[:_SHOWN] + "..."
    return ascii(text)


def _parsed(text: str) -> Host | None:
    try:
        return parse_host(text)
    except ConfigurationError:
        return None


def _cause(name: str, entry: str) -> str | None:
    """Say why *entry* does not match *name*, which it resembles."""
    entry = entry.lower()
    if is_pattern(entry):
        return _wildcard_cause(name, entry)
    head, nul, _ = entry.partition("\0")
    if nul and _resembles(name, head):
        return "has a NUL in it, so it matches nothing"
    bare = entry.strip()
    if bare != entry and _resembles(name, bare):
        return "has white space around it, so it matches nothing"
    plain = bare.strip(".")
    if plain != bare and _resembles(name, plain):
        return "has a dot too many, so it matches nothing"
    head, star, tail = entry.partition("*")
    tail = tail.rpartition("*")[2]
    if star and name.startswith(head) and name.endswith(tail):
        return _MISPLACED
    if _parsed(entry) == name.encode("ascii"):
        return f"is not written in A-labels; it should be {name!r}"
    return None


def _resembles(name: str, entry: str) -> bool:
    wildcard = entry.startswith("*.") and name.endswith(entry[1:])
    return wildcard or entry == name


def _wildcard_cause(name: str, pattern: str) -> str | None:
    """Say why a valid *pattern* falls short of *name*."""
    if not pattern.startswith("*."):
        return None
    base = pattern[2:]
    if name == base:
        return f"stands for names below {base}, not for {base} itself"
    if not name.endswith("." + base):
        return None
    if "." in name.removesuffix("." + base):
        return f"covers one label only, but {name} has more before {base}"
    return 'does not cover labels in other scripts ("xn--...")'


def _nearest(name: str, wanted: Host, dns: tuple[str, ...]) -> str:
    import difflib  # Not needed before something failed.

    usable = [entry.lower() for entry in dns if is_pattern(entry)]
    found = difflib.get_close_matches(name, usable, n=1)
    if not found:
        return (
            "check that this is the right peer; if it is, have its "
            f"certificate reissued with {entry_for(wanted)}"
        )
    return (
        f"the nearest name there is {found[0]}: connect by that, or have "
        f"the certificate reissued with {entry_for(wanted)}"
    )


def _address_hint(
    wanted: Address, dns: tuple[str, ...], addresses: tuple[Address, ...]
) -> str:
    entry = entry_for(wanted)
    if names(dns, wanted):
        return (
            f"{wanted} stands there as a DNS name, which does not count for "
            f"an address; have the certificate reissued with {entry}"
        )
    for address in addresses:
        if _unmapped(address) == _unmapped(wanted):
            return (
                f"{address} stands there, which is the same host in the "
                f"other address family; connect by {address}"
            )
    hosts = [name for name in dns if is_pattern(name) and "*" not in name]
    others = [*hosts, *map(str, addresses)]
    if others:
        return (
            f"connect by a name that is there, such as {others[0]}, or "
            f"have the certificate reissued with {entry}"
        )
    return f"have the certificate reissued with {entry}"


def _unmapped(address: Address) -> Address:
    """Give the IPv4 address in an IPv4-mapped one (RFC 4291, 2.5.5.2)."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address
