"""What ``inspect`` finds out, before it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal, TypedDict, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import (
    PrivateKeyTypes,
    PublicKeyTypes,
)
from cryptography.x509 import ocsp

from ...x509.glimpse import shown
from ..data import SCHEMA
from ..material import Material
from ..unpack import Locked, Mystery, Thing, Unreadable, unpack
from .chains import arrange
from .logged import Logs, logged
from .objects import (
    CertificateObject,
    KeyObject,
    OtherObject,
    RequestObject,
    RevocationObject,
    certificate_object,
    key_data,
    request_object,
    revocation_object,
)
from .responses import ResponseObject, response_object

__all__ = ["InspectData", "Inspection", "OriginData", "inspected"]

T = TypeVar("T")

Described = (
    CertificateObject
    | KeyObject
    | RequestObject
    | RevocationObject
    | ResponseObject
    | OtherObject
)


class OriginData(TypedDict):
    """One of the things that were to be inspected."""

    name: str
    #: ``"file"``, ``"stdin"`` or ``"host"``.
    origin: str


class InspectData(TypedDict):
    """What ``tlskit inspect --json`` prints; version 1."""

    schema: int
    #: Whether all could be read, and every private key fits something.
    good: bool
    #: What deserves attention, a sentence each.
    findings: list[str]
    sources: list[OriginData]
    #: Certificates first, chain by chain; ``kind`` tells them apart.
    objects: list[Described]


@dataclass
class Inspection:
    """What was found, as data and, for ``--pem``, as certificates."""

    data: InspectData
    certificates: list[x509.Certificate]


@dataclass
class _Pile:
    """Objects of one kind each, in the order in which they were found."""

    now: datetime
    certificates: list[tuple[x509.Certificate, CertificateObject]] = field(
        default_factory=list
    )
    keys: list[KeyObject] = field(default_factory=list)
    others: list[
        RequestObject | RevocationObject | ResponseObject | OtherObject
    ] = field(default_factory=list)

    def add(self, thing: Thing, source: str) -> None:
        """Describe one object, however broken it is."""
        if isinstance(thing, x509.Certificate):
            known = self._tried(
                lambda: certificate_object(thing, source, self.now),
                "CERTIFICATE",
                source,
            )
            if known is not None:
                self.certificates.append((thing, known))
        elif isinstance(thing, x509.CertificateSigningRequest):
            self._keep(lambda: request_object(thing, source), "CSR", source)
        elif isinstance(thing, x509.CertificateRevocationList):
            self._keep(
                lambda: revocation_object(thing, source, self.now),
                "X509 CRL",
                source,
            )
        elif isinstance(thing, ocsp.OCSPResponse):
            self._keep(
                lambda: response_object(thing, source, self.now),
                "OCSP RESPONSE",
                source,
            )
        elif isinstance(thing, Unreadable):
            self._unreadable(thing.label, thing.reason, source)
        elif isinstance(thing, Mystery):
            self._other("other", thing.label, None, source)
        elif isinstance(thing, Locked):
            self.keys.append(
                KeyObject(kind="private-key", source=source, key=None, fits=[])
            )
        else:
            self._key(thing, source)

    def _key(self, key: PrivateKeyTypes | PublicKeyTypes, source: str) -> None:
        derive = getattr(key, "public_key", None)
        public: Any = key if derive is None else derive()
        self.keys.append(
            KeyObject(
                kind="public-key" if public is key else "private-key",
                source=source,
                key=key_data(public),
                fits=[],
            )
        )

    def _tried(
        self, describe: Callable[[], T], label: str, source: str
    ) -> T | None:
        try:
            return describe()
        except Exception as error:  # noqa: BLE001 - a parser of strangers' bytes
            self._unreadable(label, str(error), source)
        return None

    def _keep(
        self,
        describe: Callable[
            [], RequestObject | RevocationObject | ResponseObject
        ],
        label: str,
        source: str,
    ) -> None:
        known = self._tried(describe, label, source)
        if known is not None:
            self.others.append(known)

    def _unreadable(self, label: str, reason: str, source: str) -> None:
        self._other("unreadable", label, shown(reason), source)

    def _other(
        self,
        kind: Literal["other", "unreadable"],
        label: str,
        reason: str | None,
        source: str,
    ) -> None:
        self.others.append(
            OtherObject(
                kind=kind, source=source, label=shown(label), reason=reason
            )
        )


def inspected(
    materials: Iterable[Material], password: bytes | None, logs: Logs = None
) -> Inspection:
    """Find and describe everything.

    Args:
        materials: Where to look.
        password: For what is encrypted.
        logs: Whose timestamps count.

    Raises:
        CredentialError: There is nothing that is known, or the password is
            wrong.
    """
    pile = _Pile(datetime.now(timezone.utc))
    sources = []
    for each in materials:
        sources.append(OriginData(name=each.name, origin=each.origin))
        things: list[Thing] = list(each.chain)
        if each.origin != "host":
            things = unpack(each.data, each.name, password)
        for thing in things:
            pile.add(thing, each.name)
    certificates, disorder = _arranged(pile)
    everybody = [certificate for certificate, _ in certificates]
    for certificate, known in certificates:
        number = known["issued_by"]
        issuers = [] if number is None else [everybody[number]]
        known["timestamps"] = logged([certificate, *issuers], logs, pile.now)
    objects: list[Described] = [
        *(data for _, data in certificates),
        *pile.keys,
        *pile.others,
    ]
    _match(pile.keys, objects, [_numbers(each) for each, _ in certificates])
    faults = list(_faults(objects))
    return Inspection(
        InspectData(
            schema=SCHEMA,
            good=not faults,
            findings=[*faults, *_remarks(objects), *disorder],
            sources=sources,
            objects=objects,
        ),
        [certificate for certificate, _ in certificates],
    )


def _arranged(
    pile: _Pile,
) -> tuple[list[tuple[x509.Certificate, CertificateObject]], list[str]]:
    """Bring certificates into order; say so if they were not."""
    found = pile.certificates
    links = arrange([certificate for certificate, _ in found])
    place = {link.which: new for new, link in enumerate(links)}
    for link in links:
        data = found[link.which][1]
        data["chain"], data["depth"] = link.chain, link.depth
        if link.issuer is not None:
            data["issued_by"] = place[link.issuer]
    order = [link.which for link in links]
    disorder = []
    if order != sorted(order) and links[-1].chain == 0:
        disorder.append(
            "the certificates are shown in the order of their chain, in which "
            "they are not stored; servers need it"
        )
    return [found[index] for index in order], disorder


def _numbers(certificate: x509.Certificate) -> str | None:
    """Give the pin of the certified key as it would be by itself.

    A certificate may say that it is for RSASSA-PSS only, or write the
    parameters of its curve out; the key is the same.
    """
    try:
        return key_data(certificate.public_key())["pin"]
    except Exception:  # noqa: BLE001 - a kind that the library does not know
        return None


def _match(
    keys: Iterable[KeyObject],
    objects: list[Described],
    certified: list[str | None],
) -> None:
    """Note which certificates and requests have which key.

    Args:
        keys: Whose partners are looked for.
        objects: Everything; certificates come first.
        certified: The numbers of the certificates' keys.
    """
    pins = {
        index: each["key"]["pin"]
        for index, each in enumerate(objects)
        if each["kind"] == "certificate" or each["kind"] == "request"
    }
    for each in keys:
        if each["key"] is not None:
            pin = each["key"]["pin"]
            each["fits"] = [
                index
                for index, other in pins.items()
                if pin in (other, *certified[index : index + 1])
            ]


def _faults(objects: list[Described]) -> Iterator[str]:
    """Say what makes the whole not good."""
    partners = any(
        each["kind"] in ("certificate", "request") for each in objects
    )
    for each in objects:
        fault = _fault(each, partners=partners)
        if fault is not None:
            yield f"{each['source']}: {fault}"


def _fault(each: Described, *, partners: bool) -> str | None:
    if each["kind"] == "unreadable":
        return (
            f"what says to be a {each['label']} can't be read: "
            f"{each['reason']}"
        )
    if each["kind"] == "certificate" and each["problem"] is not None:
        return f"the certificate of {each['subject']}: {each['problem']}"
    if each["kind"] == "private-key":
        stranger = each["key"] is not None and not each["fits"]
        if partners and stranger:
            return "the private key belongs to no certificate or request here"
    if each["kind"] == "request" and not each["signature_valid"]:
        return "the request is not signed by its own key"
    return None


def _remarks(objects: list[Described]) -> Iterator[str]:
    """Say what is no fault of the file."""
    for each in objects:
        if each["kind"] == "certificate" and each["validity"] != "valid":
            subject = each["subject"] or "(nameless)"
            yield f"{subject} is {each['validity'].replace('-', ' ')}"
        elif each["kind"] == "revocation-list" and each["stale"]:
            yield f"the revocation list of {each['issuer']} is out of date"
        elif each["kind"] == "ocsp-response":
            yield from _remarks_on(each)


def _remarks_on(response: ResponseObject) -> Iterator[str]:
    if response["response_status"] != "successful":
        words = response["response_status"].replace("-", " ")
        yield f"the OCSP response has no answer: {words}"
    for answer in response["answers"]:
        if answer["stale"]:
            yield f"the OCSP response about {answer['serial']} is out of date"
        if answer["status"] != "good":
            yield f"{answer['serial']} is {answer['status']}, says OCSP"
