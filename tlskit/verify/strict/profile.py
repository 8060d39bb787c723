"""Rules that neither of the two verifiers enforces.

They are RFC 5280's, and those of the CA/Browser Forum that x509-limbo
collects, for chains that OpenSSL has accepted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

from ...errors.codes import VerifyReason
from ...errors.verify_reasons import verification_story
from ...x509.alternatives import read_names
from ...x509.gate import rsa, x509
from ...x509.glimpse import Glimpse
from ...x509.names import common_names
from ...x509.reading import (
    critical_extensions,
    extension,
    extension_value,
    readable,
    serial_number,
)
from ..scene import VerificationScene, refusal

__all__ = ["check_profile", "note_unchecked"]

_log = logging.getLogger("tlskit.verify")
_OWN = "tlskit's own rules"

Complaint = tuple[int, str]
Path = tuple[Any, ...]


def check_profile(scene: VerificationScene, *, of_host: bool) -> None:
    """Hold a path to the rules.

    Args:
        scene: Its ``built`` is the path that OpenSSL has accepted.
        of_host: A host's certificate is wanted, and not one for a URI or a
            service.

    Raises:
        VerificationError: One is broken; the code is ``second-verifier``.
    """
    path = tuple(map(readable, scene.built))
    for depth, words in _complaints(path, scene, of_host=of_host):
        glimpse = Glimpse(scene.built[depth])
        raise refusal(
            VerifyReason.SECOND_VERIFIER,
            verification_story(VerifyReason.SECOND_VERIFIER, 0),
            f"set_strict() refuses the certificate {glimpse.name!r} (depth "
            f"{depth}): {words}",
            scene,
            der=glimpse.der,
            depth=depth,
            verdicts={"OpenSSL": "accepted", _OWN: f"refused: {words}"},
        )


def _complaints(
    path: Path, scene: VerificationScene, *, of_host: bool
) -> Iterator[Complaint]:
    for depth, each in enumerate(path):
        # What is trusted was chosen, and its number is its owner's affair.
        trusted = depth == len(path) - 1 > 0
        if not trusted and serial_number(each) <= 0:
            yield depth, "its serial number is not positive (4.1.2.2)"
        yield from ((depth, words) for words in _of_key(each))
        yield from ((depth, words) for words in _not_critical(each))
    if path and not scene.server_side and of_host:
        yield from ((0, words) for words in _of_server(path[0]))
        yield from _of_anchor(path)
    yield from _of_lists(path, scene)


def _of_key(each: x509.Certificate) -> Iterator[str]:
    key = each.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size % 8:
        yield (
            f"its RSA key has {key.key_size} bits, which is no multiple of 8 "
            "(CA/Browser Forum, 6.1.5)"
        )


def _not_critical(each: x509.Certificate) -> Iterator[str]:
    critical = critical_extensions(each)
    for kind, name, section in (
        (x509.NameConstraints, "name constraints", "4.2.1.10"),
        (x509.PolicyConstraints, "policy constraints", "4.2.1.11"),
    ):
        number = kind.oid.dotted_string
        there = extension_value(each, number) is not None
        if there and number not in critical:
            yield f"its {name} are not critical ({section})"


def _of_server(leaf: x509.Certificate) -> Iterator[str]:
    purposes = Glimpse.of(leaf).purposes
    if "serverAuth" not in purposes:
        yield (
            "it does not have the extended key usage serverAuth, but "
            + (", ".join(purposes) or "none at all")
            + " (CA/Browser Forum, 7.1.2.7.10)"
        )
    names = read_names(leaf)
    texts = () if names is None else tuple(map(str, names.entries))
    for each in common_names(leaf):
        if each not in texts:
            yield (
                f"its common name {each!r} is not among its names, in this "
                "very spelling (CA/Browser Forum, 7.1.4.3)"
            )
    for text in texts:
        base = text.removeprefix("*.")
        if base != text and _is_public_suffix(base):
            yield (
                f"its name {text!r} stands for everybody below a public "
                "suffix (CA/Browser Forum, 3.2.2.6)"
            )


def _of_anchor(path: Path) -> Iterator[Complaint]:
    purposes = Glimpse.of(path[-1]).purposes
    if purposes and "serverAuth" not in purposes:
        yield (
            len(path) - 1,
            f"it is meant for {', '.join(purposes)}, and not for servers",
        )


def _of_lists(path: Path, scene: VerificationScene) -> Iterator[Complaint]:
    for depth, each in enumerate(map(Glimpse.of, path)):
        for crl in scene.crls:
            if not each.issuer_is(crl.issuer):
                continue
            if extension(crl, x509.CRLNumber) is None:
                yield (
                    depth,
                    "the revocation list of its CA has no number (5.2.3)",
                )


# -- public suffixes --------------------------------------------------------


@cache
def _suffixes() -> Callable[[str], bool] | None:
    """Load the list of public suffixes, if it is installed."""
    try:
        found: Any = import_module("publicsuffixlist").PublicSuffixList()
    except ImportError:
        return None
    return lambda name: bool(found.is_public(name))


def _is_public_suffix(name: str) -> bool:
    known = _suffixes()
    return known is not None and known(name.lower())


def note_unchecked() -> None:
    """Say it where one of the rules can't be checked."""
    if _suffixes() is None:
        _log.info(
            "set_strict() does not check wildcards under public suffixes "
            "here; install tlskit[strict] for that"
        )
