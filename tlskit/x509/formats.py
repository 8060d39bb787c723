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


_NO_TLS = "TLS needs a certificate (X.509) and its key"
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
    "a public key",
    "give the private key that belongs to it, or the certificate that an "
    "authority has issued for it",
)
_REQUEST = Form(
    "a certificate request",
    "give the certificate that the authority has made of it, or the key that "
    "it was made with",
)
_LIST = Form("a revocation list", "give it to load_crls()")
_PGP = Form("an OpenPGP key", _NO_TLS)
_PARAMETERS = Form(
    "parameters without a key",
    "make a key with them: openssl genpkey -paramfile OLD -out NEW",
)
_MICROSOFT = Form(
    "a private key in Microsoft's own form",
    "convert it: openssl pkey -in OLD -out NEW",
)
_DATABASE = Form(
    "a database (SQLite), perhaps of NSS",
    "take out of it what is wanted: pk12util -o NEW.p12 -n NAME -d FOLDER, or "
    "a certificate alone: certutil -L -n NAME -a -d FOLDER > NEW",
)
_SIGNATURE_LIST = Form(
    "a list of certificates for UEFI",
    "have it written as PEM: trust extract --format=pem-bundle NEW",
)
_JSON = Form(
    "JSON",
    "take the PEM text out of it, as by: jq -r .cert OLD > NEW, or .key",
)
_JWK = Form(
    "a key as JSON (JWK, RFC 7517)",
    "have it written as PKCS#8, as by Node.js: crypto.createPrivateKey({key, "
    "format: 'jwk'}).export({type: 'pkcs8', format: 'pem'})",
)
_GNUPG = Form(
    "a file of GnuPG's own",
    "have it exported: gpgsm --export -a NAME > NEW, or the key, too: gpgsm "
    "--export-secret-key-p12 NAME > NEW.p12",
)
_PAGE = Form(
    "a page of the web (HTML)",
    "see what it says: it may tell an error instead of the file",
)
_AS_TEXT = Form(
    "a certificate as text for people, without the certificate itself",
    "have it printed as PEM: openssl x509 -in OLD -out NEW, or certutil -L "
    "-n NAME -a",
)

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
    "EC PARAMETERS": _PARAMETERS,
    "DH PARAMETERS": _PARAMETERS,
    "X9.42 DH PARAMETERS": _PARAMETERS,
    "DSA PARAMETERS": _PARAMETERS,
    "PGP PRIVATE KEY BLOCK": _PGP,
    "PGP PUBLIC KEY BLOCK": _PGP,
    "SSL SESSION PARAMETERS": Form("a saved session of TLS", _NO_TLS),
    "TSS2 PRIVATE KEY": Form(
        "a key that a TPM keeps", "only that TPM can use it; make another key"
    ),
}
_LABELS["X509 CERTIFICATE"] = _LABELS["CERTIFICATE"]


def _text_in(name: str, encoding: str) -> Form:
    return Form(
        f"text in {name}",
        f"write it anew: iconv -f {encoding} -t UTF-8 OLD > NEW",
    )


def _packed(name: str, command: str) -> Form:
    return Form(f"compressed ({name})", f"unpack it: {command}")


_UTF16 = _text_in("UTF-16, as PowerShell's > writes it", "UTF-16")

#: By how they begin; the first one counts.
_BEGINNINGS: tuple[tuple[bytes, Form], ...] = (
    (
        rb"\xff\xfe\0\0|\0\0\xfe\xff|-\0\0\0|\0\0\0-",
        _text_in("UTF-32", "UTF-32"),
    ),
    (rb"\xff\xfe|\xfe\xff", _UTF16),
    (rb"-\0-\0", _text_in("UTF-16 without a mark", "UTF-16LE")),
    (rb"\0-\0-", _text_in("UTF-16 without a mark", "UTF-16BE")),
    (rb"\x60{5}\xc2\xc5\xc7\xc9\xd5", _text_in("EBCDIC", "IBM1047")),
    (rb"\xfe\xed\xfe\xed", _JKS),
    (rb"\xce\xce\xce\xce", _JKS._replace(what="a Java key store (JCEKS)")),
    (
        rb"PuTTY-User-Key-File-",
        Form(
            "a key of PuTTY's",
            "convert it: puttygen OLD -O private-openssh -o NEW, and then "
            "ssh-keygen -p -m PKCS8 -f NEW",
        ),
    ),
    (
        rb"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY",
        Form(
            "a key of ssh.com's",
            "convert it: puttygen OLD -O private-openssh -o NEW, and then "
            "ssh-keygen -p -m PKCS8 -f NEW",
        ),
    ),
    (
        rb"(?:ssh|ecdsa-sha2|sk-ssh|sk-ecdsa)-\S+-cert-v01@openssh\.com ",
        Form("a certificate of OpenSSH's, which is none of X.509", _NO_TLS),
    ),
    (
        rb"(?:\S+ )?(?:ssh-rsa|ssh-ed25519|ecdsa-sha2-\S+) |---- BEGIN SSH2",
        Form("a public key of SSH's, which is no certificate", _NO_TLS),
    ),
    (rb"\x1e\xf1\xb5\xb0|\x07\x02\0\0", _MICROSOFT),
    (rb"SQLite format 3\0", _DATABASE),
    (rb"\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a", _SIGNATURE_LIST),
    (rb"(?s).{8}KBXf|(?:Created: \w+\n)?Key: \(|\(\d+:\S*private-key", _GNUPG),
    # A packet of a key, of version 4, its length in two bytes (RFC 9580).
    (rb"(?s)[\x95\x99]..\x04", _PGP),
    (rb"\x1f\x8b", _packed("gzip", "gzip -d -c OLD > NEW")),
    (rb"PK\x03\x04", _packed("ZIP", "unzip OLD")),
    (rb"BZh", _packed("bzip2", "bzip2 -d -c OLD > NEW")),
    (rb"\xfd7zXZ", _packed("xz", "xz -d -c OLD > NEW")),
    (rb"(?i)\s*<(?:!doctype html|html)", _PAGE),
    (rb"\s*\{[^{}]*\"kty\"", _JWK),
    (rb"\s*[{\[]\s*[\"{]", _JSON),
    (rb"\s*Certificate:\s+Data:", _AS_TEXT),
    (
        rb"LS0tLS1CRUdJTi",  # -----BEGIN
        Form(
            "PEM in base64 once more, as in a secret of Kubernetes",
            "take one layer off: base64 -d OLD > NEW",
        ),
    ),
    (
        rb"(?i)\s*30(?:[:\s]?[0-9a-f]{2}){40,}\s*\Z",
        Form("hexadecimal digits", "make it binary: xxd -r -p OLD NEW.der"),
    ),
)
#: Text that was PEM once.
_SPOILT: tuple[tuple[bytes, Form], ...] = (
    (
        rb"(?m)^[ \t]*[>|#*]+[ \t]*-----BEGIN ",
        Form(
            "PEM that is quoted, or commented out",
            "take off what each line begins with: sed 's/^[>|#* ]*//' OLD "
            "> NEW",
        ),
    ),
    (
        rb"-----BEGIN ",
        Form(
            "PEM whose -----BEGIN does not begin its line",
            "put it at the beginning of a line of its own",
        ),
    ),
    (
        rb"BEGIN (?:[A-Z0-9]+ )*(?:CERTIFICATE|PRIVATE KEY|PKCS7|X509 CRL)",
        Form(
            "PEM without the five hyphens on both sides of BEGIN",
            "copy it again as plain text: a word processor changes hyphens",
        ),
    ),
)

_SIGNED_DATA = "1.2.840.113549.1.7.2"
_BASE64 = re.compile(rb"\s*M[A-Za-z0-9+/\s]{40,}={0,2}\s*")
_SEQUENCE, _INTEGER, _OID, _OCTETS, _BITS = 0x30, 0x02, 0x06, 0x04, 0x03
_ATTRIBUTES = 0xA0
_TIMES = ([0x17], [0x18])


def form_of(data: bytes) -> Form | None:
    """Say what *data* is; None if nobody knows."""
    if not data.strip():
        return Form(
            "empty", "give the file that has BEGIN lines, or bytes, in it"
        )
    for beginning, form in _BEGINNINGS:
        if re.match(beginning, data):
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
    known = _binary(data)
    if known is not None or data[:1] == bytes((_SEQUENCE,)):
        return known
    found = (form for spoilt, form in _SPOILT if re.search(spoilt, data))
    return next(found, None)


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
    if tags == [_SEQUENCE, _BITS]:
        return _PUBLIC_KEY
    if tags == [_SEQUENCE, _SEQUENCE, _BITS]:
        return _signed(first)
    return None


def _signed(body: Element) -> Form | None:
    """Tell what an authority, or its customer, has signed; no certificate."""
    try:
        tags = [each.tag for each in elements(body.content)]
    except IndexError:
        return None
    # RFC 2986, section 4.1: a version, a name, a key and attributes.
    if tags == [_INTEGER, _SEQUENCE, _SEQUENCE, _ATTRIBUTES]:
        return _REQUEST
    # RFC 5280, section 5.1: after the issuer, a time stands by itself.
    rest = tags[1:] if tags[:1] == [_INTEGER] else tags
    if rest[:2] == [_SEQUENCE, _SEQUENCE] and rest[2:3] in _TIMES:
        return _LIST
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
