"""Find out why a peer's certificate was refused, and tell what mends it.

OpenSSL's verdict is a number and a depth.  What people need is the cause:
"unable to get local issuer certificate" may mean that the server forgot its
intermediate, that a private CA was not loaded, or that no root was loaded at
all.  The certificates tell which.  Where the number says it all, as for an
expired certificate, words and hint are those of ``errors.verify_reasons``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..errors.codes import VerifyReason as R
from ..errors.verify_reasons import Story, verification_story
from ..x509.glimpse import Glimpse, shown, stamp
from .hostname import parse_host
from .interceptors import inspector_among
from .naming.mismatch import mismatch_hint
from .revocation import is_special, revocation_of, signer_of
from .scene import VerificationScene

if TYPE_CHECKING:
    from .uris import Complaint

__all__ = ["Case", "diagnose"]


@dataclass(frozen=True)
class Case:
    """One fault with all that a diagnosis may look at."""

    code: int
    depth: int
    glimpse: Glimpse
    scene: VerificationScene
    presented: tuple[Glimpse, ...]

    @property
    def reason(self) -> R:
        """The name of OpenSSL's code."""
        return R.of(self.code)

    @property
    def story(self) -> Story:
        """What can be said without looking at the certificate."""
        return verification_story(self.reason, self.depth)

    @property
    def subject(self) -> str:
        """Which certificate it is, for the beginning of a sentence."""
        if self.depth <= 0:
            role = f"the {self.scene.peer}'s certificate"
        elif self.glimpse.self_issued:
            role = "the root"
        else:
            role = "the intermediate"
        return f"{role} {self.glimpse.name!r} (depth {self.depth})"


def diagnose(case: Case) -> Story:
    """Find the cause of *case*'s fault.

    Returns:
        A story with names, dates and advice for this very certificate.
    """
    return _DIAGNOSES.get(case.reason, _plain)(case)


# -- one function for each cause that the certificates tell more about ------


def _plain(case: Case) -> Story:
    return case.story


def _other(case: Case) -> Story:
    return case.story._replace(
        text=f"was refused with OpenSSL's verify code {case.code}",
        hint="look the code up in the manual of X509_STORE_CTX_get_error(3)",
    )


def _expired(case: Case) -> Story:
    story, end, now = case.story, case.glimpse.not_after, case.scene.now
    if end is None or end >= now:
        return story
    days = (now - end).days
    ago = f"{days} days ago" if days != 1 else "1 day ago"
    text = f"expired on {stamp(end)}, {ago}; it is {stamp(now)} here"
    if case.depth <= 0:
        hint = f"renew the {case.scene.peer}'s certificate"
    elif case.glimpse.self_issued:
        hint = (
            "update the trusted roots, such as by "
            "python -m pip install --upgrade certifi"
        )
    else:
        hint = (
            f"let the {case.scene.peer} send its CA's current intermediate "
            "certificate"
        )
    return story._replace(
        text=text, hint=f"{hint}; if the date here is wrong, set the clock"
    )


def _not_yet_valid(case: Case) -> Story:
    story, start, now = case.story, case.glimpse.not_before, case.scene.now
    if start is None or start <= now:
        return story
    text = f"is valid from {stamp(start)} on, but it is {stamp(now)} here"
    starts = [each.not_before for each in case.presented]
    if len(starts) > 1 and all(each and each > now for each in starts):
        text += "; all the others begin later, too, so this clock is slow"
    return story._replace(
        text=text,
        hint=f"set this machine's clock if it is not {stamp(now)}; otherwise "
        "wait until the certificate is valid",
    )


def _no_roots(case: Case) -> Story | None:
    if case.scene.roots or case.scene.sources:
        return None
    return Story(
        "no-roots",
        "can't be trusted, because no root at all is loaded",
        "call load_default_verify_sources(), or load_verify_source() with "
        "the root of your own CA",
    )


def _intercepted(case: Case) -> Story | None:
    """Tell of a proxy, firewall or virus scanner in between."""
    chain = (case.glimpse, *case.presented)
    found = inspector_among(
        name for each in chain for name in (each.name, each.issuer)
    )
    if found is None:
        return None
    return Story(
        "intercepted",
        f"leads to {found!r}, which looks like a proxy, firewall or virus "
        "scanner that breaks TLS open on the way",
        f"if that is meant to be, get the root {found!r} from whoever runs "
        "it and load it with load_verify_source(), or use "
        "VerifySource.system() where it is installed",
    )


def _no_issuer(case: Case) -> Story:
    """Tell a forgotten intermediate from a CA that was not loaded."""
    top, peer = case.glimpse, case.scene.peer
    issuer = top.issuer
    known = _no_roots(case) or _intercepted(case)
    if known is not None:
        return known
    if top.unreadable:
        return verification_story(R.INVALID_EXTENSION, case.depth)._replace(
            text=f"has extensions that can't be read: {top.unreadable}",
        )
    namesakes = [
        each
        for each in case.presented
        if each.certificate != top.certificate
        and each.named_like_issuer_of(top)
    ]
    if namesakes and not any(each.issued(top) for each in namesakes):
        return Story(
            "wrong-intermediate",
            f"was not issued by the certificate of {issuer!r} that the "
            f"{peer} sent: same name, other key",
            f"let the {peer} send the intermediate that really issued its "
            "certificate",
        )
    if case.depth > 0 or namesakes:
        return _unknown_root(case)
    if len(case.presented) > 1:
        return Story(
            "missing-intermediate",
            f"was issued by {issuer!r}, but none of the other certificates "
            f"that the {peer} sent is that CA's",
            f"let the {peer} send its chain in order: its own certificate, "
            f"then that of {issuer!r}, and so on",
        )
    return _alone(case)


def _unknown_root(case: Case) -> Story:
    issuer = case.glimpse.issuer
    return Story(
        "unknown-issuer",
        f"was issued by {issuer!r}, which is not among the trusted roots here",
        f"load the root {issuer!r} with load_verify_source() if you trust it; "
        "to trust a CA below it only, load that one and call "
        "set_partial_chain()",
    )


def _alone(case: Case) -> Story:
    """Tell of a certificate that came without any other."""
    top, peer = case.glimpse, case.scene.peer
    issuer, url = top.issuer, top.issuer_url
    text = (
        f"was issued by {issuer!r}: the {peer} did not send that "
        "intermediate certificate, or that CA's root isn't loaded here"
    )
    if url is not None:  # Private CAs hardly ever publish theirs.
        return Story(
            "missing-intermediate",
            text,
            f"let the {peer} send the certificate of {issuer!r} after its "
            f"own; it is published at {url}, where a browser would have "
            "fetched it",
        )
    return Story(
        "unknown-issuer",
        text,
        f"load {issuer!r} with load_verify_source() if it is your own CA; "
        f"if it is an intermediate, let the {peer} send it",
    )


def _self_signed(case: Case) -> Story:
    return _no_roots(case) or case.story


def _untrusted_root(case: Case) -> Story:
    name = case.glimpse.name
    known = _no_roots(case) or _intercepted(case)
    return known or case.story._replace(
        text=f"ends the chain that the {case.scene.peer} sent, but is not "
        "among the trusted roots here",
        hint=f"load the root {name!r} with load_verify_source() if it is "
        "your own CA; sending it along does not make it trusted",
    )


def _wrong_name(case: Case) -> Story:
    """Compare the name that was wanted with those in the certificate."""
    wanted, found = case.scene.expected, case.glimpse
    if wanted is None:
        return case.story
    other = _complaint(case)
    if other is not None:
        return case.story._replace(text=other.text, hint=other.hint)
    if not found.names:
        return _nameless(case, shown(wanted))
    listed = ", ".join(found.names[:8])
    if len(found.names) > 8:
        listed += ", ..."
    story = case.story._replace(
        text=f"names {listed}, but {shown(wanted)!r} was expected"
    )
    try:
        host = parse_host(wanted)
    except ConfigurationError:  # Then nothing could be compared.
        return story
    if not isinstance(host, bytes) and wanted in found.dns:
        story = story._replace(
            text=f"names a host {shown(wanted)}, but the address "
            f"{shown(wanted)} was expected"
        )
    return story._replace(
        hint=mismatch_hint(
            host, found.dns, found.addresses, found.common_names
        )
    )


def _complaint(case: Case) -> Complaint | None:
    """Say what is wrong for a URI or a service, if one was wanted."""
    identity, found = case.scene.identity, case.glimpse
    if identity is None or found.certificate is None or found.unreadable_names:
        return None
    return identity.complaint(found.certificate)


def _nameless(case: Case, wanted: str) -> Story:
    if case.glimpse.unreadable_names:
        return case.story._replace(
            code="unreadable-san",
            text=f"can't prove {wanted!r}, because its subjectAltName is "
            f"malformed: {case.glimpse.unreadable_names}",
            hint="have the certificate reissued by other software",
        )
    names = case.glimpse.common_names
    common = (
        f"; its common name {shown(names[-1])!r} does not count"
        if names
        else ""
    )
    return case.story._replace(
        code="no-san",
        text="has no subjectAltName with a host name or address, so it "
        f"can't prove {wanted!r}{common} (RFC 9525, section 2)",
        hint=f"have it reissued with {wanted!r} as its subjectAltName",
    )


def _wrong_purpose(case: Case) -> Story:
    story, uses = case.story, case.glimpse.purposes
    wanted = "clientAuth" if case.scene.server_side else "serverAuth"
    if case.depth > 0 and not case.glimpse.is_ca:
        return verification_story(R.INVALID_CA, case.depth)
    if not uses or wanted in uses:
        return story
    return story._replace(
        text=f"is meant for {', '.join(uses)}, but {wanted} was expected",
        hint=f"have it reissued with the extended key usage {wanted}, or "
        'take any purpose with set_purpose("any")',
    )


#: What OpenSSL understands where it is critical.
_UNDERSTOOD = {
    *(f"2.5.29.{each}" for each in (15, 17, 19, 30, 31, 32, 33, 36, 37, 54)),
    "1.3.6.1.5.5.7.1.7",
    "1.3.6.1.5.5.7.1.8",
    "1.3.6.1.5.5.7.1.14",
    "2.16.840.1.113730.1.1",
}
_EXTENSION_NAMES = {
    "2.5.29.9": "subjectDirectoryAttributes",
    "2.5.29.14": "subjectKeyIdentifier",
    "2.5.29.16": "privateKeyUsagePeriod",
    "2.5.29.18": "issuerAltName",
    "2.5.29.35": "authorityKeyIdentifier",
    "2.5.29.46": "freshestCRL",
    "1.3.6.1.5.5.7.1.1": "authorityInfoAccess",
    "1.3.6.1.5.5.7.1.3": "qcStatements",
    "1.3.6.1.5.5.7.1.24": "TLS feature",
    "1.3.6.1.4.1.11129.2.4.3": "the poison of a precertificate",
}


def _unhandled(case: Case) -> Story:
    """Name the extension that is critical and not understood."""
    strange = [
        f"{_EXTENSION_NAMES[each]} ({each})"
        if each in _EXTENSION_NAMES
        else each
        for each in case.glimpse.critical
        if each not in _UNDERSTOOD
    ]
    if not strange:
        return case.story
    return case.story._replace(
        text=f"{case.story.text}: {', '.join(map(shown, strange))}"
    )


def _weak_key(case: Case) -> Story:
    return case.story._replace(
        text=f"has a key that is too short for safety: {case.glimpse.key}"
    )


def _unusable_key(case: Case) -> Story:
    return case.story._replace(text=f"{case.story.text}: {case.glimpse.key}")


def _weak_digest(case: Case) -> Story:
    digest = case.glimpse.digest
    if not digest:
        return case.story
    return case.story._replace(
        text=f"is signed with {digest}, which is too weak for safety"
    )


def _name_constraints(case: Case) -> Story:
    names = ", ".join(case.glimpse.names[:8]) or "nothing that could be read"
    return case.story._replace(text=f"{case.story.text}; it names {names}")


def _revoked(case: Case) -> Story:
    entry = revocation_of(case.glimpse.certificate, case.scene.crls)
    if entry is None:
        return case.story
    return case.story._replace(text=f"{case.story.text} {entry}")


def _of_no_use(case: Case) -> bool:
    """Whether a list of the CA's is there that OpenSSL leaves."""
    return any(
        is_special(crl)
        for crl in case.scene.crls
        if case.glimpse.issuer_is(crl.issuer)
    )


def _of_another_key(case: Case) -> bool:
    """Say whether each list of the CA's name was signed by another key."""
    identifier = case.glimpse.authority_key
    signers = [
        signer_of(crl)
        for crl in case.scene.crls
        if case.glimpse.issuer_is(crl.issuer)
    ]
    return bool(identifier and signers) and all(
        signer and signer != identifier for signer in signers
    )


def _revocation_list(case: Case) -> Story:
    issuer = case.glimpse.issuer
    if case.reason is R.UNABLE_TO_GET_CRL and _of_another_key(case):
        return case.story._replace(
            text=f"{case.story.text}: a list of its CA {issuer!r} is loaded, "
            "but another key of that name has signed it (its authority key "
            "identifier is not the certificate's)",
            hint="load the list that the CA publishes for the key that "
            "issued this certificate, or have the CA correct the authority "
            "key identifier of its list",
        )
    if case.reason is R.UNABLE_TO_GET_CRL and _of_no_use(case):
        return case.story._replace(
            text=f"{case.story.text}: a list of its CA {issuer!r} is loaded, "
            "but it is indirect, or for some reasons only, and OpenSSL does "
            "not use such lists",
            hint="load a list that is complete for this CA alone",
        )
    text = f"{case.story.text}; its CA is {issuer!r}"
    ends = [
        crl.next_update_utc
        for crl in case.scene.crls
        if crl.next_update_utc is not None
        and crl.next_update_utc < case.scene.now
        and case.glimpse.issuer_is(crl.issuer)
    ]
    if case.reason is R.CRL_HAS_EXPIRED and ends:
        text += (
            f", the list ended on {stamp(max(ends))}, and it is "
            f"{stamp(case.scene.now)} here"
        )
    return case.story._replace(
        text=text,
        hint=f"load a current revocation list (CRL) of {issuer!r} with "
        "load_crls()",
    )


_DIAGNOSES: dict[R, Callable[[Case], Story]] = {
    R.OTHER: _other,
    R.CERT_HAS_EXPIRED: _expired,
    R.CERT_NOT_YET_VALID: _not_yet_valid,
    R.UNABLE_TO_GET_ISSUER_CERT: _no_issuer,
    R.UNABLE_TO_GET_ISSUER_CERT_LOCALLY: _no_issuer,
    R.UNABLE_TO_VERIFY_LEAF_SIGNATURE: _no_issuer,
    R.DEPTH_ZERO_SELF_SIGNED_CERT: _self_signed,
    R.SELF_SIGNED_CERT_IN_CHAIN: _untrusted_root,
    R.CERT_UNTRUSTED: _self_signed,
    R.HOSTNAME_MISMATCH: _wrong_name,
    R.IP_ADDRESS_MISMATCH: _wrong_name,
    R.INVALID_PURPOSE: _wrong_purpose,
    R.UNHANDLED_CRITICAL_EXTENSION: _unhandled,
    R.EE_KEY_TOO_SMALL: _weak_key,
    R.CA_KEY_TOO_SMALL: _weak_key,
    R.UNUSABLE_KEY: _unusable_key,
    R.CA_MD_TOO_WEAK: _weak_digest,
    R.PERMITTED_VIOLATION: _name_constraints,
    R.EXCLUDED_VIOLATION: _name_constraints,
    R.CERT_REVOKED: _revoked,
    **dict.fromkeys(
        (
            R.UNABLE_TO_GET_CRL,
            R.UNABLE_TO_GET_CRL_ISSUER,
            R.CRL_SIGNATURE_FAILURE,
            R.CRL_HAS_EXPIRED,
        ),
        _revocation_list,
    ),
}
