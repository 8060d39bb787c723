"""Bring certificates into the order of their chains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ...x509.glimpse import Glimpse

__all__ = ["Link", "arrange"]

#: So many certificates of one name are asked whether they issued another;
#: more would make a hostile file cost a signature check for each pair.
_MOST_NAMESAKES = 8


class Link(NamedTuple):
    """One certificate's place."""

    #: Which of the certificates given.
    which: int
    #: Which chain, counted from 0 ...
    chain: int
    #: ... and where in it; 0 is an end's own certificate.
    depth: int
    #: Which of those given issued it; itself if it is a root; or None.
    issuer: int | None


def arrange(certificates: Sequence[x509.Certificate]) -> list[Link]:
    """Put each certificate once into a chain, ends first, roots last.

    A certificate that issued several others stands in the first one's chain.

    Args:
        certificates: In any order; strangers to each other may be among them.
    """
    issuers = _issuers(certificates)
    busy = {above for below, above in issuers.items() if above != below}
    ends = [each for each in issuers if each not in busy]
    links: list[Link] = []
    placed: set[int] = set()
    # Those that issued each other in a ring have no end; any will do.
    for start in (*ends, *issuers):
        chain = links[-1].chain + 1 if links else 0
        at: int | None = start
        depth = 0
        while at is not None and at not in placed:
            placed.add(at)
            links.append(Link(at, chain, depth, issuers[at]))
            at, depth = issuers[at], depth + 1
    return links


def _issuers(
    certificates: Sequence[x509.Certificate],
) -> dict[int, int | None]:
    glimpses = [
        Glimpse(each.public_bytes(Encoding.DER)) for each in certificates
    ]
    named: dict[bytes, list[int]] = {}
    for index, each in enumerate(certificates):
        subject = _encoded(each, "subject")
        if subject is not None:
            named.setdefault(subject, []).append(index)
    issuers: dict[int, int | None] = {}
    for index, each in enumerate(certificates):
        issuer = _encoded(each, "issuer")
        namesakes = [] if issuer is None else named.get(issuer, [])
        # A root is its own issuer, also if its twin is there.
        candidates = [index] if index in namesakes else []
        candidates += namesakes[:_MOST_NAMESAKES]
        issuers[index] = next(
            (i for i in candidates if glimpses[i].issued(glimpses[index])),
            None,
        )
    return issuers


def _encoded(certificate: x509.Certificate, which: str) -> bytes | None:
    """Give a name's DER, or None if ``cryptography`` can't read it."""
    try:
        name: x509.Name = getattr(certificate, which)
    except ValueError:
        return None
    return name.public_bytes()
