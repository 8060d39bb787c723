"""Recognise the files that people have, and say how to convert them.

Whoever gets "malformed" for a file that another program reads every day
learns nothing.  So say what it is, and the one command that makes of it what
is wanted here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from . import pem
from .der import Element, dotted, elements

__all__ = ["Form", "form_of", "refusal_of"]


class Form(NamedTuple):
    """What a file is."""

    #: Such as ``"a Java key store (JKS)"``.
    what: str
    #: What makes of it what is wanted.
    hint: str


_JKS = Form(
    "a Java key store (JKS)",
    "convert it: keytool -importkeystore -srckeystore OLD -destkeystore "
    "NEW.p12 -deststoretype PKCS12",
)
_PKCS12 = Form(
    "PKCS#12",
    "take its key and certificates by load_pkcs12(), or its certificates out: "
    "openssl pkcs12 -nokeys -in OLD -out NEW.pem",
)
_PKCS7 = Form(
    "PKCS#7",
    "take the certificates out: openssl pkcs7 -print_certs -in OLD -out NEW "
    "(with -inform DER if it is binary)",
)
_OPENSSH = Form(
    "an OpenSSH key",
    "convert a copy of it: ssh-keygen -p -m PKCS8 -f COPY",
)
_KEY = Form(
    "a private key",
    "give the file that has BEGIN CERTIFICATE in it; this one goes to "
    "load_private_key()",
)
_PUBLIC_KEY = Form(
    "a public key", "give the certificate that its authority has issued"
)
_REQUEST = Form(
    "a certificate request",
    "give the certificate that the authority has made of it",
)
_LIST = Form("a revocation list", "give it to load_crls()")

#: By the words between BEGIN and the dashes.
_LABELS = {
    "CERTIFICATE": Form(
        "a PEM certificate",
        "give it to load_certificate_chain(), and its key to "
        "load_private_key()",
    ),
    "TRUSTED CERTIFICATE": Form(
        "a certificate in OpenSSL's own form, with rules of trust behind it",
        "leave the rules out: openssl x509 -in OLD -out NEW",
    ),
    "PKCS7": _PKCS7,
    "CMS": _PKCS7,
    "PKCS12": _PKCS12,
    "OPENSSH PRIVATE KEY": _OPENSSH,
    "PUBLIC KEY": _PUBLIC_KEY,
    "RSA PUBLIC KEY": _PUBLIC_KEY,
    "CERTIFICATE REQUEST": _REQUEST,
    "NEW CERTIFICATE REQUEST": _REQUEST,
    "X509 CRL": _LIST,
    "CRL": _LIST,
    "PRIVATE KEY": _KEY,
    "ENCRYPTED PRIVATE KEY": _KEY,
    "RSA PRIVATE KEY": _KEY,
    "EC PRIVATE KEY": _KEY,
}
_LABELS["X509 CERTIFICATE"] = _LABELS["CERTIFICATE"]

#: By how they begin.
_MAGIC = (
    (
        (b"\xff\xfe", b"\xfe\xff", b"-\0-\0", b"\0-\0-"),
        Form(
            "text in UTF-16, as PowerShell's > writes it",
            "write it anew: iconv -f UTF-16 -t UTF-8 OLD > NEW",
        ),
    ),
    ((b"\xfe\xed\xfe\xed",), _JKS),
    (
        (b"\xce\xce\xce\xce",),
        _JKS._replace(what="a Java key store (JCEKS)"),
    ),
    (
        (b"PuTTY-User-Key-File-",),
        Form(
            "a key of PuTTY's",
            "convert it: puttygen OLD -O private-openssh -o NEW, and then "
            "ssh-keygen -p -m PKCS8 -f NEW",
        ),
    ),
    (
        (b"ssh-rsa ", b"ssh-ed25519 ", b"ecdsa-sha2-", b"---- BEGIN SSH2"),
        Form(
            "a public key of SSH's, which is no certificate",
            "TLS needs a certificate (X.509) and its key",
        ),
    ),
)

_SIGNED_DATA = "1.2.840.113549.1.7.2"
_BASE64 = re.compile(rb"\s*M[A-Za-z0-9+/\s]{40,}={0,2}\s*")
_SEQUENCE, _INTEGER, _OID, _OCTETS = 0x30, 0x02, 0x06, 0x04


def form_of(data: bytes) -> Form | None:
    """Say what *data* is; None if nobody knows."""
    if not data.strip():
        return Form(
            "empty", "give the file that has BEGIN lines, or bytes, in it"
        )
    for beginnings, form in _MAGIC:
        if data.startswith(beginnings):
            return form
    blocks = pem.blocks(data)
    if blocks:
        return _armoured(blocks)
    if _BASE64.fullmatch(data):
        return Form(
            "base64 without BEGIN and END",
            "make it binary: openssl base64 -d -A -in OLD -out NEW, which is "
            "taken as it is",
        )
    return _binary(data)


def _armoured(blocks: tuple[pem.Block, ...]) -> Form | None:
    """Tell what the first block is that says what it is."""
    known = (_LABELS.get(block.label) for block in blocks)
    return next((form for form in known if form is not None), None)


def _binary(data: bytes) -> Form | None:
    """Look at the outermost structure only."""
    try:
        (whole,) = elements(data)
        parts = list(elements(whole.content))
    except (ValueError, IndexError):
        return _cut_off(data)
    if whole.tag != _SEQUENCE or not parts:
        return None
    if len(data) > len(whole.whole) or _is_short(data, parts):
        return _cut_off(data)
    first = parts[0]
    if first.tag == _OID and dotted(first.content) == _SIGNED_DATA:
        return _PKCS7
    if (first.tag, first.content) == (_INTEGER, b"\3") and len(parts) > 1:
        return _PKCS12
    tags = [each.tag for each in parts]
    if tags == [_SEQUENCE, _OCTETS]:
        return _KEY._replace(what="an encrypted private key")
    if tags[:3] == [_INTEGER, _SEQUENCE, _OCTETS]:
        return _KEY
    return None


def _is_short(data: bytes, parts: list[Element]) -> bool:
    """Whether the end is missing: slices don't complain of that."""
    last = parts[-1].whole
    return _length(data) > len(data) or _length(last) > len(last)


def _cut_off(data: bytes) -> Form | None:
    wanted = _length(data)
    if data[:1] != bytes((_SEQUENCE,)) or wanted <= len(data):
        return None
    return Form(
        f"cut off: there are {len(data)} bytes of {wanted}",
        "copy it again, in binary",
    )


def _length(data: bytes) -> int:
    """Say how long an element wants to be; 0 if it does not say."""
    size = data[1] if len(data) > 1 else 0x80
    if size < 0x80:
        return 2 + size
    count = size & 0x7F
    number = data[2 : 2 + count]
    if not 0 < count <= 4 or len(number) < count:
        return 0
    return 2 + count + int.from_bytes(number, "big")


def refusal_of(block: pem.Block) -> Form | None:
    """Say why a block can't be decoded; None if it can."""
    if block.label == "TRUSTED CERTIFICATE":
        return _LABELS[block.label]
    try:
        block.der  # noqa: B018 - decoded on access
    except ValueError as error:
        return _undecoded(block, error)
    return None


def _undecoded(block: pem.Block, error: ValueError) -> Form:
    if "no END line" in str(error):
        return Form(
            f"without its line -----END {block.label}-----",
            "copy it again, to its last line and with all its dashes",
        )
    if b"\\n" in block.text or b"\\r" in block.text:
        return Form(
            "not base64: its line ends are written as a backslash and an n",
            "put real line ends there, as by: text.replace('\\\\n', '\\n')",
        )
    return Form(
        "not base64: there are characters in it that do not belong there",
        "copy it again as plain text",
    )
