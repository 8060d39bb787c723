"""PEM text (RFC 7468): its blocks, and the certificates among them."""

from __future__ import annotations

import base64
import re
from typing import NamedTuple

__all__ = [
    "LABELS",
    "Block",
    "blocks",
    "certificates",
    "encoded",
    "is_armoured",
]

# Only at the start of a line, so that what is commented out stays out; a
# byte order mark or blanks may come first.  A line may end with CR alone, as
# on old Macs; and files that were joined without a line end between them have
# a block begin right behind the end of another one.
_BEGIN = re.compile(
    rb"(?m)(?:^(?:\xef\xbb\xbf)?|(?<=\r)|(?<=-----))[ \t]*-----BEGIN "
)
_DASHES = b"-----"
# OpenSSL's own form, TRUSTED CERTIFICATE, is not among them: what follows the
# certificate there may say that it is not to be trusted.
_CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE")
#: What says to be a certificate.
LABELS = (*_CERTIFICATES, "TRUSTED CERTIFICATE")


class Block(NamedTuple):
    """One block: what it says to hold, and its text with both armour lines."""

    label: str
    text: bytes

    @property
    def der(self) -> bytes:
        """The decoded content.

        Raises:
            ValueError: The END line is missing, or it is not base64.
        """
        label = self.label.encode("latin-1")
        begin = b"-----BEGIN " + label + _DASHES
        end = b"-----END " + label + _DASHES
        if not self.text.endswith(end):
            raise ValueError(f"a {self.label} has no END line")
        body = self.text[len(begin) : -len(end)]
        return base64.b64decode(b"".join(body.split()), validate=True)


def is_armoured(data: bytes) -> bool:
    """Whether *data* is text with a block in it, and not DER.

    DER may hold any text, such as a comment with blocks of somebody else's.
    """
    return b"-----BEGIN " in data and not _is_binary(data)


def _is_binary(data: bytes) -> bool:
    """Whether it begins as a SEQUENCE of DER or BER does.

    No text has such a byte behind the digit zero, which the tag is in ASCII;
    a short one has to be as long as it says.
    """
    if data[:1] != b"\x30" or len(data) < 2:
        return False
    return 0x80 <= data[1] <= 0x84 or data[1] == len(data) - 2


def blocks(data: bytes) -> tuple[Block, ...]:
    """Find every block in *data*; the text between them is skipped.

    There are none in DER, whatever text it holds.
    """
    if not is_armoured(data):
        return ()
    return tuple(map(_block, _BEGIN.split(data)[1:]))


def _block(part: bytes) -> Block:
    label, _, rest = part.partition(_DASHES)
    body, end, _ = rest.partition(b"-----END " + label + _DASHES)
    text = b"-----BEGIN " + label + _DASHES + body + end
    return Block(label.decode("latin-1"), text)


def encoded(label: str, der: bytes) -> bytes:
    """Give *der* as one block."""
    text = base64.encodebytes(der).replace(b"\n", b"")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    armour = [
        f"-----{word} {label}-----".encode() for word in ("BEGIN", "END")
    ]
    return b"\n".join((armour[0], *lines, armour[1], b""))


def certificates(data: bytes) -> tuple[bytes, ...]:
    """Give each certificate in *data* as DER.

    Returns:
        One entry per block.  It is empty for one that can't be decoded, so
        that the caller can count and report those.
    """
    return tuple(
        _der(block) for block in blocks(data) if block.label in LABELS
    )


def _der(block: Block) -> bytes:
    if block.label not in _CERTIFICATES:
        return b""
    try:
        return block.der
    except ValueError:
        return b""
