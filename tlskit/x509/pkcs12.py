"""PKCS#12 files (RFC 7292): a key and its certificates in one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ..errors import CredentialError
from ..tools.quiet import quiet
from . import pem
from .credentials import CertificateChain, PrivateKey
from .der import Element, dotted, element, elements
from .formats import form_of, refusal_of
from .gate import exceptions, pkcs12, x509
from .glimpse import Glimpse, shown
from .keys import checked_key
from .reading import complaint_of
from .rounds import check_rounds
from .sources import Secret, read_source

if TYPE_CHECKING:
    from .sources import AnyPath, Bytes, Password

__all__ = ["load_pkcs12"]

_log = logging.getLogger("tlskit.credentials")

_DATA = "1.2.840.113549.1.7.1"
_KEY_BAGS = ("1.2.840.113549.1.12.10.1.1", "1.2.840.113549.1.12.10.1.2")
#: SafeContents in a bag (RFC 7292, section 4.2.6), and how deep they may be.
_BAG_OF_BAGS, _DEEPEST = "1.2.840.113549.1.12.10.1.6", 8
_FRIENDLY_NAME = "1.2.840.113549.1.9.20"
_TRUST_STORE = (
    "it is a trust store: give its certificates to load_verify_source(), "
    "after: openssl pkcs12 -nokeys -in OLD -out NEW.pem"
)


def load_pkcs12(
    source: AnyPath | Bytes,
    password: Password = None,
    *,
    alias: str | None = None,
) -> tuple[PrivateKey, CertificateChain]:
    """Read a key and its chain from a PKCS#12 file (RFC 7292).

    Args:
        source: A path, or bytes; PEM armour around it will do.
        password: Of the file.
        alias: The friendly name of the entry that is wanted; None takes the
            first one that has a key.

    Returns:
        The key, and what chains from its certificate, in order.  Others that
        are in the file are left out.

    Raises:
        CredentialError: It can't be read, or lacks one of the two.
    """
    data, name = read_source(source, "a PKCS#12 file")
    name = f"the PKCS#12 file {name}"
    data = _unarmoured(data, name)
    check_rounds(data, name)
    secret = Secret(password)
    phrase = secret.bytes() if secret.given else None
    found = _loaded(data, name, phrase)
    if alias is not None:
        found = _loaded(_with_one_key(data, name, alias), name, phrase)
    leaf = found.cert
    if found.key is None or leaf is None:
        raise _incomplete(found, name)
    key = PrivateKey(checked_key(found.key, False, name))
    others = [each.certificate for each in found.additional_certs]
    return key, _ordered(leaf.certificate, others, name)


def _unarmoured(data: bytes, name: str) -> bytes:
    blocks = pem.blocks(data)
    if len(blocks) != 1 or blocks[0].label != "PKCS12":
        return data
    form = refusal_of(blocks[0])
    if form is None:
        return blocks[0].der
    raise CredentialError(
        f"{name} is {form.what}", code="bad-pkcs12", hint=form.hint
    )


def _loaded(data: bytes, name: str, phrase: bytes | None) -> Any:
    quiet()  # Where it is BER, as some programs write it.
    try:
        return pkcs12.load_pkcs12(data, phrase)
    except (
        ValueError,
        TypeError,
        exceptions.UnsupportedAlgorithm,
        x509.InvalidVersion,
    ) as error:
        raise _unreadable(data, name, phrase, error) from error


def _unreadable(
    data: bytes, name: str, phrase: bytes | None, error: Exception
) -> CredentialError:
    """Say what is the matter; it need not be the password."""
    form = form_of(data)
    if form is not None and form.what != "PKCS#12":
        return CredentialError(
            f"{name} is none: it is {form.what}",
            code="bad-pkcs12",
            hint=form.hint,
        )
    if form is None and not data.startswith(b"\x30\x80"):  # It may be BER.
        return CredentialError(
            f"{name} is none: it does not begin as one",
            code="bad-pkcs12",
            hint="look at it with: openssl pkcs12 -info -noout -in FILE",
        )
    if not str(error).startswith("Invalid password"):
        # It was decrypted, and its digest was right.
        return CredentialError(
            f"something in {name} can't be read: {complaint_of(error)}",
            code="bad-pkcs12",
            hint="take it apart, and load key and certificates from NEW: "
            "openssl pkcs12 -in OLD -noenc -out NEW",
        )
    if phrase is None:
        return CredentialError(
            f"{name} needs a password, and none was given",
            code="password-needed",
            hint="pass password=; of an empty one, pass an empty text",
        )
    return CredentialError(
        f"{name} can't be read: the password is wrong, or it is damaged",
        code="bad-pkcs12",
        hint="check the password",
    )


def _incomplete(found: Any, name: str) -> CredentialError:
    if found.key is not None:
        return CredentialError(
            f"{name} holds no certificate for its key",
            code="bad-pkcs12",
            hint="have the certificate put in: openssl pkcs12 -export -inkey "
            "KEY -in CERTIFICATE -out NEW",
        )
    count = len(found.additional_certs)
    if not count:
        return CredentialError(
            f"{name} holds neither a private key nor a certificate",
            code="bad-pkcs12",
            hint="look at it with: openssl pkcs12 -info -noout -in FILE",
        )
    return CredentialError(
        f"{name} holds no private key, and "
        + ("1 certificate" if count == 1 else f"{count} certificates"),
        code="bad-pkcs12",
        hint=_TRUST_STORE,
    )


def _ordered(
    leaf: x509.Certificate, others: list[x509.Certificate], name: str
) -> CertificateChain:
    """Follow the signatures upwards; leave strangers out, and say so."""
    path = [leaf]
    rest = {each: Glimpse.of(each) for each in others}
    rest.pop(leaf, None)
    while True:
        last = Glimpse.of(path[-1])
        issuer = next(
            (each for each, seen in rest.items() if seen.issued(last)), None
        )
        if issuer is None:
            break
        del rest[issuer]
        path.append(issuer)
    if rest:
        names = ", ".join(repr(seen.name) for seen in rest.values())
        _log.info("of %s these are left out, as strangers: %s", name, names)
    return CertificateChain(tuple(path))


# -- one entry of several ---------------------------------------------------


def _with_one_key(data: bytes, name: str, alias: str) -> bytes:
    """Leave out all keys but one of this name.

    The digest over the whole is left out, too: it has been checked.

    Raises:
        CredentialError: There is none of this name, or it can't be told.
    """
    names: list[str] = []
    try:
        (whole,) = elements(data)
        version, safe, *_ = elements(whole.content)
        (contents,) = elements(_packed(safe))
        kept = [
            _filtered(each, alias, names)
            for each in elements(contents.content)
        ]
    except (ValueError, IndexError) as error:
        raise CredentialError(
            f"{name} is written in a way in which entries can't be told apart",
            code="bad-pkcs12",
            hint="have it written anew by: openssl pkcs12 -in OLD -nodes | "
            "openssl pkcs12 -export -out NEW",
        ) from error
    if alias.casefold() not in map(str.casefold, names):
        known = ", ".join(shown(repr(each)) for each in names) or "no names"
        raise CredentialError(
            f"{name} has no key by the name {alias!r}; there are: {known}",
            code="no-private-key",
            hint="list the names with: openssl pkcs12 -info -noout -in FILE",
        )
    inner = element(contents.tag, b"".join(kept))
    return element(whole.tag, version.whole + _repacked(safe, inner))


def _packed(info: Element) -> bytes:
    """Give what a ContentInfo of the type "data" holds (RFC 5652, 3)."""
    _, tagged = elements(info.content)
    (octets,) = elements(tagged.content)
    return octets.content


def _repacked(info: Element, content: bytes) -> bytes:
    kind, tagged = elements(info.content)
    inner = element(tagged.tag, element(0x04, content))
    return element(info.tag, kind.whole + inner)


def _filtered(info: Element, alias: str, names: list[str]) -> bytes:
    """Leave out key bags of other names; what is encrypted stays."""
    kind, _ = elements(info.content)
    if dotted(kind.content) != _DATA:
        return info.whole
    (bags,) = elements(_packed(info))
    return _repacked(info, _kept(bags, alias, names, _DEEPEST))


def _kept(bags: Element, alias: str, names: list[str], deeper: int) -> bytes:
    """Leave out key bags of other names, also of bags in bags."""
    kept = []
    for bag in elements(bags.content):
        kind, value, *attributes = elements(bag.content)
        which = dotted(kind.content)
        if which in _KEY_BAGS:
            found = _friendly_name(attributes)
            names.append(found)
            if found.casefold() != alias.casefold():
                continue
        if which != _BAG_OF_BAGS:
            kept.append(bag.whole)
            continue
        if not deeper:
            raise ValueError("bags are nested too deeply")
        (inner,) = elements(value.content)
        filtered = element(value.tag, _kept(inner, alias, names, deeper - 1))
        rest = b"".join(each.whole for each in attributes)
        kept.append(element(bag.tag, kind.whole + filtered + rest))
    return element(bags.tag, b"".join(kept))


def _friendly_name(attributes: list[Element]) -> str:
    """Read the attribute of RFC 2985, section 5.5.1; empty for none."""
    for each in attributes:
        for attribute in elements(each.content):
            kind, values = elements(attribute.content)
            if dotted(kind.content) == _FRIENDLY_NAME:
                (value,) = elements(values.content)
                return value.content.decode("utf-16-be", "replace")
    return ""
