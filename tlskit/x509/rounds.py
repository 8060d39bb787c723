"""Bound what a password may cost: how often a file wants it hashed.

Whoever writes an encrypted file says in it how many rounds of a derivation
lead from the password to the key (RFC 8018, RFC 7292, RFC 7914).  Nothing
stops OpenSSL in the middle of them, so they are counted before it begins.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import CredentialError
from .der import dotted

__all__ = ["MOST_ROUNDS", "check_rounds", "rounds_of"]

#: Usual are some thousands, careful are a million; this takes seconds.
MOST_ROUNDS = 10_000_000
#: So deep are files nested, and so many elements do they have, at most.
_DEEPEST, _MOST_ELEMENTS = 40, 200_000

_INTEGER, _OCTETS, _OID, _SEQUENCE = 0x02, 0x04, 0x06, 0x30
_CONSTRUCTED = 0x20
_SCRYPT = "1.3.6.1.4.1.11591.4.11"
#: PBKDF2, and the schemes of PKCS#5 1.5 and PKCS#12, by their beginnings.
_SCHEMES = ("1.2.840.113549.1.5.", "1.2.840.113549.1.12.1.")

_Node = tuple[int, bytes]


def check_rounds(data: bytes, name: str) -> None:
    """Refuse what would keep this machine busy for minutes.

    Args:
        data: A file, DER or BER; what is no such thing is let pass.
        name: What to call it in messages.

    Raises:
        CredentialError: It demands too many rounds; the code is
            ``"too-large"``.
    """
    rounds = rounds_of(data)
    if rounds > MOST_ROUNDS:
        raise CredentialError(
            f"{name} wants its password hashed {rounds} times; "
            f"{MOST_ROUNDS} are enough",
            code="too-large",
            hint="have it written anew with fewer rounds",
        )


def rounds_of(data: bytes) -> int:
    """Find the largest number of rounds that *data* demands; 0 for none."""
    return _Walk().most(data, 0)


class _Walk:
    """A way through one file; every element counts."""

    def __init__(self) -> None:
        self._left = _MOST_ELEMENTS

    def most(self, data: bytes, depth: int) -> int:
        """Look into all that looks like BER; 0 for what is none."""
        if depth > _DEEPEST:
            return 0
        try:
            nodes = list(self._nodes(data))
            found = [_demanded(nodes)]
        except (ValueError, IndexError):
            return 0
        for tag, content in nodes:
            if tag & _CONSTRUCTED or tag & 0x1F == _OCTETS or tag == 0x80:
                found.append(self.most(content, depth + 1))
        if len(nodes) > 1 and {tag for tag, _ in nodes} == {_OCTETS}:
            # BER may cut a string into pieces.
            whole = b"".join(content for _, content in nodes)
            found.append(self.most(whole, depth + 1))
        return max(found)

    def _nodes(self, data: bytes) -> Iterator[_Node]:
        at = 0
        while at < len(data):
            self._left -= 1
            if self._left < 0:  # Nobody needs so many.
                raise CredentialError(
                    "the file has too many parts to be looked at",
                    code="too-large",
                )
            tag, content, at = self._node(data, at, 0)
            yield tag, content

    def _node(
        self, data: bytes, at: int, depth: int
    ) -> tuple[int, bytes, int]:
        """Read one element, of definite length or not (X.690, 8.1.3)."""
        tag, size, at = data[at], data[at + 1], at + 2
        if tag & 0x1F == 0x1F or depth > _DEEPEST:
            raise ValueError("not what such files are made of")
        if size == 0x80:
            start = at
            while data[at : at + 2] != b"\0\0":
                self._left -= 1
                if self._left < 0:
                    raise ValueError("too many parts")
                _, _, at = self._node(data, at, depth + 1)
            return tag, data[start:at], at + 2
        if size > 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + size > len(data):
            raise ValueError("cut off")
        return tag, data[at : at + size], at + size


def _demanded(nodes: list[_Node]) -> int:
    """Say what rounds an AlgorithmIdentifier, or a MacData, demands."""
    tags = [tag for tag, _ in nodes]
    if tags == [_SEQUENCE, _OCTETS, _INTEGER]:
        return _number(nodes[2])
    if tags[:2] != [_OID, _SEQUENCE]:
        return 0
    kind, parts = dotted(nodes[0][1]), _Walk()._nodes(nodes[1][1])
    numbers = [_number(each) for each in parts if each[0] == _INTEGER]
    if kind == _SCRYPT and len(numbers) > 2:
        cost, block, parallel = numbers[:3]
        return cost * block * parallel
    if kind.startswith(_SCHEMES) and numbers:
        return numbers[0]
    return 0


def _number(node: _Node) -> int:
    return int.from_bytes(node[1], "big", signed=True)
