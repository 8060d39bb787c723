"""The verdict on a peer's chain: OpenSSL's, and pins."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import VerificationError
from ..errors.codes import VerifyReason
from ..errors.verify_reasons import verification_story
from ..x509.der import fields
from ..x509.gate import x509
from ..x509.glimpse import Glimpse
from .diagnosis import Case, diagnose
from .revocation import revocation_of
from .scene import NAME_FAULTS, Fault, VerificationScene, refusal
from .strict.second import ACCEPTED, FIRST, SECOND, second_opinion

__all__ = [
    "ACCEPTED",
    "FIRST",
    "SECOND",
    "Fault",
    "Pin",
    "VerificationScene",
    "check_pins",
    "explain_faults",
    "no_certificate",
    "parse_pin",
    "pin_of",
    "second_opinion",
]

_PREFIX = "sha256/"


def explain_faults(
    faults: tuple[Fault, ...], scene: VerificationScene
) -> VerificationError:
    """Make one error of all that OpenSSL complained about.

    The first fault decides, but a wrong name only if nothing else is wrong:
    ``IdentityError`` says that the certificate is trusted otherwise.

    Args:
        faults: In OpenSSL's order; empty if it gave none.
        scene: What the certificates were judged by.

    Returns:
        The error, to be raised or kept by the caller.
    """
    presented = tuple(map(Glimpse, scene.presented))
    cases = [
        _case(fault, scene, presented)
        for fault in faults or (Fault(VerifyReason.UNSPECIFIED, 0),)
    ]
    first = next(
        (case for case in cases if case.reason not in NAME_FAULTS), cases[0]
    )
    story = diagnose(first)
    others = dict.fromkeys(
        f"also: {case.subject} {case.story.text}"
        for case in cases
        if (case.depth, case.story) != (first.depth, first.story)
    )
    revoked = None
    if first.reason is VerifyReason.CERT_REVOKED:
        revoked = revocation_of(first.glimpse.certificate, scene.crls)
    return refusal(
        first.reason,
        story,
        f"{first.subject} {story.text}",
        scene,
        der=first.glimpse.der,
        depth=first.depth,
        advice=tuple(others),
        revocation=revoked,
    )


def _case(
    fault: Fault, scene: VerificationScene, presented: tuple[Glimpse, ...]
) -> Case:
    der = fault.der
    if der is None and 0 <= fault.depth < len(scene.presented):
        der = scene.presented[fault.depth]
    return Case(
        fault.code,
        fault.depth,
        Glimpse(der),
        scene,
        presented,
    )


def no_certificate(
    scene: VerificationScene, *, demanded: bool = True
) -> VerificationError:
    """Make the error for a peer that should have sent a certificate.

    Args:
        scene: What a certificate would have been judged by.
        demanded: Whether it is refused for that, and not only told.
    """
    story = verification_story(VerifyReason.NO_CERTIFICATE, 0)
    if scene.server_side:
        hint = (
            "load a certificate chain and key into the client's context, or "
            "use set_verify_optional() here to let clients in without"
            if demanded
            else "load a certificate chain and key into the client's context, "
            "if it is to be known"
        )
    else:
        hint = "load a certificate chain and key into the server's context"
    return refusal(
        VerifyReason.NO_CERTIFICATE,
        story._replace(hint=hint),
        f"the {scene.peer} sent no certificate, though one is "
        + ("demanded" if demanded else "asked for"),
        scene,
    )


# -- pins -------------------------------------------------------------------


@dataclass(frozen=True)
class Pin:
    """The SHA-256 digest of a key's SubjectPublicKeyInfo (RFC 7469)."""

    digest: bytes

    def __str__(self) -> str:
        """Give the form that ``parse_pin`` takes."""
        return _PREFIX + base64.b64encode(self.digest).decode("ascii")


def parse_pin(text: str) -> Pin:
    """Parse ``"sha256/"`` and the base64 of 32 bytes.

    Raises:
        ValueError: It is something else.
        TypeError: It is no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"a pin is a str, not {text!r}")
    try:
        digest = base64.b64decode(
            text.removeprefix(_PREFIX).encode("ascii"), validate=True
        )
    except (binascii.Error, UnicodeEncodeError):
        digest = b""
    if (
        not text.startswith(_PREFIX)
        or len(digest) != hashlib.sha256().digest_size
    ):
        raise ValueError(
            f"a pin is 'sha256/' and the base64 of 32 bytes, not {text!r}"
        )
    return Pin(digest)


def pin_of(certificate: x509.Certificate) -> str:
    """Give the pin of *certificate*'s key, as ``parse_pin`` takes it."""
    return str(_pin(fields(certificate.tbs_certificate_bytes).key.whole))


def _pin(spki: bytes) -> Pin:
    return Pin(hashlib.sha256(spki).digest())


def check_pins(
    chain_ders: Sequence[bytes],
    pins: Sequence[Pin],
    scene: VerificationScene,
    *,
    linked: bool = False,
) -> None:
    """Demand that one of the chain's keys was pinned.

    Only the peer's own certificate counts, and those that issued it, link by
    link.  Anybody can send a stranger's certificate along.

    Args:
        chain_ders: DER, the peer's own first.
        pins: Any one of them suffices; none at all demands nothing.
        scene: What the error should tell.
        linked: OpenSSL has verified that each issued the one before.

    Raises:
        VerificationError: None was; its code is ``pin-mismatch``.
    """
    if not pins:
        return
    chain = tuple(map(Glimpse, chain_ders))
    seen = [
        (each.name, _pin(each.spki))
        for each in (chain if linked else _linked(chain))
        if each.spki is not None
    ]
    if any(pin in pins for _, pin in seen):
        return
    raise refusal(
        VerifyReason.PIN_MISMATCH,
        verification_story(VerifyReason.PIN_MISMATCH, 0),
        f"expected one of the keys pinned ({', '.join(map(str, pins))}), but "
        f"the {scene.peer}'s chain has "
        + (", ".join(f"{name!r} {pin}" for name, pin in seen) or "no key"),
        scene,
        der=next(iter(chain_ders), None),
    )


def _linked(chain: tuple[Glimpse, ...]) -> list[Glimpse]:
    """Follow the signatures from the first certificate upwards."""
    path = list(chain[:1])
    rest = list(chain[1:])
    while issuer := next(
        (each for each in rest if each.issued(path[-1])), None
    ):
        rest.remove(issuer)
        path.append(issuer)
    return path
