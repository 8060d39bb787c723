"""What becomes of good files on their way: by editors, mails and scripts."""

from __future__ import annotations

from .odd import Odd, Program

__all__ = ["PROGRAMS"]

_FIRST = """
openssl req -x509 -newkey rsa:2048 -noenc -keyout box.key -out box.pem \
    -subj /CN=box.example -addext subjectAltName=DNS:box.example
"""

_ICONV = (
    Odd(
        "a certificate in UTF-16 with its mark, as by PowerShell's >",
        "iconv -f UTF-8 -t UTF-16 box.pem > utf16.pem",
        "utf16.pem",
        "chain",
        remedy="iconv -f UTF-16 -t UTF-8 OLD > NEW",
    ),
    Odd(
        "a key in UTF-16 without a mark",
        "iconv -f UTF-8 -t UTF-16LE box.key > utf16le.key",
        "utf16le.key",
        "key",
        remedy="iconv -f UTF-16LE -t UTF-8 OLD > NEW",
    ),
    Odd(
        "a certificate in UTF-32",
        "iconv -f UTF-8 -t UTF-32 box.pem > utf32.pem",
        "utf32.pem",
        "chain",
        remedy="iconv -f UTF-32 -t UTF-8 OLD > NEW",
    ),
    Odd(
        "a certificate in EBCDIC",
        "iconv -f UTF-8 -t IBM1047 box.pem > ebcdic.pem",
        "ebcdic.pem",
        "chain",
        remedy="iconv -f IBM1047 -t UTF-8 OLD > NEW",
    ),
    Odd(
        "roots in UTF-16",
        "iconv -f UTF-8 -t UTF-16 box.pem > roots16.pem",
        "roots16.pem",
        "roots",
        remedy="iconv -f UTF-16 -t UTF-8 OLD > NEW",
    ),
)

_SED = (
    Odd(
        "a certificate with a byte order mark",
        "{ printf '\\357\\273\\277'; cat box.pem; } > bom.pem",
        "bom.pem",
        "chain",
    ),
    Odd(
        "a certificate with CR LF",
        "sed 's/$/\\r/' box.pem > crlf.pem",
        "crlf.pem",
        "chain",
    ),
    Odd(
        "a certificate with CR only",
        "tr '\\n' '\\r' < box.pem > cr.pem",
        "cr.pem",
        "chain",
    ),
    Odd(
        "a certificate on one line",
        "tr -d '\\n' < box.pem > line.pem",
        "line.pem",
        "chain",
    ),
    Odd(
        "a certificate with \\n as two characters",
        "awk '{printf \"%s\\\\n\", $0}' box.pem > escaped.pem",
        "escaped.pem",
        "chain",
    ),
    Odd(
        "a certificate that is quoted in a mail",
        "sed 's/^/> /' box.pem > quoted.pem",
        "quoted.pem",
        "chain",
        remedy="sed 's/^[>|#* ]*//' OLD > NEW",
    ),
    Odd(
        "an indented certificate, as out of YAML",
        "{ echo 'tls.crt: |'; sed 's/^/  /' box.pem; } > secret.yaml",
        "secret.yaml",
        "chain",
    ),
    Odd(
        "a certificate whose hyphens became dashes",
        "sed 's/-----/\\xe2\\x80\\x94\\xe2\\x80\\x94-/g' box.pem > dashes.pem",
        "dashes.pem",
        "chain",
    ),
    Odd(
        "a certificate without its last line",
        "sed '$d' box.pem > cut.pem",
        "cut.pem",
        "chain",
    ),
    Odd(
        "a certificate in DER, cut off",
        "openssl x509 -in box.pem -outform DER | head -c 500 > cut.der",
        "cut.der",
        "chain",
    ),
    Odd(
        "base64 without BEGIN and END",
        "sed '/-----/d' box.pem > bare.b64",
        "bare.b64",
        "chain",
        remedy="openssl base64 -d -in OLD -out NEW",
    ),
    Odd(
        "PEM in base64 once more, as in a secret of Kubernetes",
        "base64 -w0 box.pem > twice.b64",
        "twice.b64",
        "chain",
        remedy="base64 -d OLD > NEW",
    ),
    Odd(
        "a certificate in DER as hexadecimal digits",
        "openssl x509 -in box.pem -outform DER | od -An -v -tx1 | "
        "tr -d ' \\n' > hex.txt",
        "hex.txt",
        "chain",
        remedy="xxd -r -p OLD NEW",
    ),
    Odd(
        "a certificate, compressed",
        "gzip -c box.pem > box.pem.gz",
        "box.pem.gz",
        "chain",
        remedy="gzip -dc OLD > NEW",
    ),
    Odd(
        "a page that says that the file is not there",
        "printf '<!DOCTYPE html>\\n<html><title>404</title></html>\\n' "
        "> page.html",
        "page.html",
        "chain",
    ),
    Odd("nothing at all", ": > empty.pem", "empty.pem", "chain"),
    Odd(
        "a file of blanks, as trusted roots",
        "printf ' \\n\\n' > blanks.pem",
        "blanks.pem",
        "roots",
    ),
    Odd(
        "certificate and key in one file, the key first",
        "cat box.key box.pem > both.pem",
        "both.pem",
        "chain",
    ),
    Odd(
        "the key where the certificate is wanted",
        "cp box.key swapped.pem",
        "swapped.pem",
        "chain",
    ),
    Odd(
        "the certificate where the key is wanted",
        "cp box.pem swapped.key",
        "swapped.key",
        "key",
    ),
)

PROGRAMS = (
    Program(
        "iconv", ("iconv", "openssl"), "iconv --version", _ICONV, first=_FIRST
    ),
    Program(
        "coreutils and sed",
        ("sed", "openssl", "awk", "gzip"),
        "sort --version",
        _SED,
        first=_FIRST,
    ),
)
