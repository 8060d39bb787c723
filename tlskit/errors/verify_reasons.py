"""Data: the words and the hint for each fault of a certificate."""

from __future__ import annotations

from typing import NamedTuple

from .codes import VerifyReason as R

__all__ = ["Story", "verification_story"]


class Story(NamedTuple):
    """One fault of a certificate, told so that somebody can mend it."""

    #: A stable slug.
    code: str
    #: Goes on after "the server's certificate 'x' ".
    text: str
    #: One sentence: what solves it.
    hint: str


_REISSUE = "have the certificate reissued by a CA that follows RFC 5280"
_REISSUE_CA = "have the CA's own certificate reissued after RFC 5280"
_STRONGER = (
    "issue a new certificate with ECDSA P-256 or RSA of 2048 bits or more, "
    "signed with SHA-256"
)
_CRL = "load a current revocation list (CRL) of that CA"
_CHAIN = (
    "let the peer send its intermediate certificates, or load the root that "
    "issued it with load_verify_source()"
)
_CLOCK = "check this machine's clock and time zone"
_OCSP = "let the peer staple a fresh OCSP response"
_TRUST = "load the root you trust with load_verify_source()"
_SELF = (
    "if this is the peer you mean, load its certificate with "
    "load_verify_source(); otherwise give it one from a CA"
)
_STRICT = _REISSUE + ", or do without set_strict()"

_NOT_A_CA = Story(
    "not-a-ca", "issued another certificate, but is no CA's", _REISSUE_CA
)
_MALFORMED = Story("malformed", "is malformed", _REISSUE)
_LOOP = Story(
    "path-loop",
    "stands in a circle of certificates that issued each other",
    "let the peer send only the certificates between its own and the root",
)
_SUITE_B = Story(
    "suite-b",
    "does not keep to Suite B (RFC 5759), which is demanded here",
    "have it issued with ECDSA P-256 and SHA-256, or P-384 and SHA-384",
)
_MALFORMED_CRL = Story(
    "bad-crl", "is covered by a malformed revocation list", _CRL
)
_BAD_SIGNATURE = Story(
    "bad-signature",
    "has a signature that does not verify: it was changed, or another key "
    "than its issuer's made it",
    "let the peer send the very certificates that its CA issued",
)
_NO_ISSUER = Story(
    "unknown-issuer", "was issued by a CA that is not trusted here", _CHAIN
)
_LONG = Story(
    "chain-too-long",
    "stands at the end of a chain that is longer than allowed",
    "let the peer send only the certificates between its own and the root, or "
    "allow more of them with set_verify_depth()",
)
_WRONG_ISSUER = Story(
    "wrong-issuer",
    "does not fit the certificate that claims to have issued it",
    "let the peer send the intermediate that really issued it",
)
_POLICY = Story(
    "bad-policy", "does not fulfil the certificate policies", _REISSUE
)
_NAMES = Story(
    "name-constraints",
    "has a name that its CA is not allowed to certify",
    "have it issued by a CA whose name constraints permit the name",
)
_BAD_CONSTRAINTS = Story(
    "bad-name-constraints",
    "has name constraints that can't be understood",
    _REISSUE_CA,
)
_PROXY = Story("proxy-certificate", "is a proxy certificate", _REISSUE)
_CRL_SIGNATURE = Story(
    "bad-crl",
    "is covered by a revocation list whose signature does not verify",
    _CRL,
)
_CRL_USELESS = Story(
    "bad-crl",
    "is covered by a revocation list that can't be used for it",
    _CRL,
)
_UNFIT_SIGNATURE = Story(
    "bad-signature-algorithm",
    "is signed with an algorithm that does not fit",
    _STRONGER,
)
_WEAK_KEY = Story(
    "weak-key", "has a key that is too short for safety", _STRONGER
)
_KEY_USAGE = Story(
    "wrong-purpose", "may not be used for this by its key usage", _REISSUE
)
_PATH_LENGTH = Story(
    "path-length",
    "issued a longer chain of CAs than its path length permits",
    "have the intermediate issued with a greater path length, or drop one",
)
_NO_OCSP = Story(
    "ocsp-missing", "came without the OCSP response it needs", _OCSP
)
_NO_RESOURCE = Story("bad-resources", "claims foreign resources", _REISSUE)
_INTERNAL = Story(
    "verifier-failed",
    "could not be verified because the verifier itself failed",
    "try again; if it stays, report it with the versions in use",
)
_APPLICATION = Story(
    "rejected",
    "was refused by this program's own verifier",
    "see the program's verify_certificate() or certificate verifier",
)

_STORIES: dict[R, Story] = {
    R.OK: Story("rejected", "was refused though nothing is wrong", _TRUST),
    R.UNABLE_TO_GET_ISSUER_CERT: _NO_ISSUER,
    R.UNABLE_TO_GET_ISSUER_CERT_LOCALLY: _NO_ISSUER,
    R.UNABLE_TO_VERIFY_LEAF_SIGNATURE: _NO_ISSUER,
    R.PATH_LOOP: _LOOP,
    **dict.fromkeys(
        (reason for reason in R if reason.name.startswith("SUITE_B_")),
        _SUITE_B,
    ),
    R.DUPLICATE_EXTENSION: _MALFORMED,
    R.UNABLE_TO_GET_CRL: Story(
        "crl-missing", "has no revocation list that covers it", _CRL
    ),
    R.UNABLE_TO_GET_CRL_ISSUER: _CRL_USELESS,
    R.CRL_PATH_VALIDATION_ERROR: _CRL_USELESS,
    R.DIFFERENT_CRL_SCOPE: _CRL_USELESS,
    R.CRL_VERIFY_FAILED: _CRL_USELESS,
    R.KEYUSAGE_NO_CRL_SIGN: Story(
        "bad-crl",
        "is covered by a revocation list whose CA may not sign any by its "
        "key usage",
        "have that CA's certificate reissued with cRLSign (RFC 5280, 4.2.1.3)",
    ),
    R.UNHANDLED_CRITICAL_CRL_EXTENSION: _CRL_USELESS,
    R.UNABLE_TO_DECRYPT_CRL_SIGNATURE: _CRL_SIGNATURE,
    R.CRL_SIGNATURE_FAILURE: _CRL_SIGNATURE,
    R.ERROR_IN_CRL_LAST_UPDATE_FIELD: _MALFORMED_CRL,
    R.ERROR_IN_CRL_NEXT_UPDATE_FIELD: _MALFORMED_CRL,
    R.CRL_NOT_YET_VALID: Story(
        "crl-not-yet-valid",
        "is covered by a revocation list that is not valid yet",
        _CLOCK,
    ),
    R.CRL_HAS_EXPIRED: Story(
        "crl-expired",
        "is covered by a revocation list that has expired",
        _CRL,
    ),
    R.UNABLE_TO_DECRYPT_CERT_SIGNATURE: _BAD_SIGNATURE,
    R.CERT_SIGNATURE_FAILURE: _BAD_SIGNATURE,
    R.UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: _MALFORMED,
    R.NO_ISSUER_PUBLIC_KEY: _MALFORMED,
    R.ERROR_IN_CERT_NOT_BEFORE_FIELD: _MALFORMED,
    R.ERROR_IN_CERT_NOT_AFTER_FIELD: _MALFORMED,
    R.INVALID_EXTENSION: _MALFORMED,
    R.INVALID_POLICY_EXTENSION: _MALFORMED,
    R.CERT_NOT_YET_VALID: Story("not-yet-valid", "is not valid yet", _CLOCK),
    R.CERT_HAS_EXPIRED: Story(
        "expired", "has expired", "renew the peer's certificate"
    ),
    R.DEPTH_ZERO_SELF_SIGNED_CERT: Story(
        "self-signed", "is self-signed and not trusted here", _SELF
    ),
    R.SELF_SIGNED_CERT_IN_CHAIN: Story(
        "untrusted-root", "is a root that is not trusted here", _TRUST
    ),
    R.CERT_UNTRUSTED: Story(
        "untrusted-root", "is not trusted for this purpose", _TRUST
    ),
    R.RPK_UNTRUSTED: Story(
        "untrusted-key", "is a bare key that is not trusted here", _TRUST
    ),
    R.CERT_REJECTED: _APPLICATION,
    R.APPLICATION_VERIFICATION: _APPLICATION,
    R.CERT_CHAIN_TOO_LONG: _LONG,
    R.CERT_REVOKED: Story(
        "revoked",
        "was revoked by its CA",
        "don't trust this peer until it has a new certificate",
    ),
    R.PATH_LENGTH_EXCEEDED: _PATH_LENGTH,
    R.PROXY_PATH_LENGTH_EXCEEDED: _PATH_LENGTH,
    R.INVALID_PURPOSE: Story(
        "wrong-purpose",
        "is not meant for this use",
        "have it reissued with the extended key usage for this side: "
        "serverAuth for servers, clientAuth for clients",
    ),
    R.SUBJECT_ISSUER_MISMATCH: _WRONG_ISSUER,
    R.AKID_SKID_MISMATCH: _WRONG_ISSUER,
    R.AKID_ISSUER_SERIAL_MISMATCH: _WRONG_ISSUER,
    R.KEYUSAGE_NO_CERTSIGN: _NOT_A_CA,
    R.INVALID_CA: _NOT_A_CA,
    R.INVALID_NON_CA: Story(
        "ca-as-leaf",
        "is a CA's where the peer's own is wanted",
        "give the peer a certificate of its own, not its CA's",
    ),
    R.KEYUSAGE_NO_DIGITAL_SIGNATURE: _KEY_USAGE,
    R.KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA: _KEY_USAGE,
    R.UNHANDLED_CRITICAL_EXTENSION: Story(
        "unknown-extension",
        "has a critical extension that OpenSSL does not know",
        _REISSUE,
    ),
    R.PROXY_CERTIFICATES_NOT_ALLOWED: _PROXY,
    R.PROXY_SUBJECT_NAME_VIOLATION: _PROXY,
    R.NO_EXPLICIT_POLICY: _POLICY,
    R.UNSUPPORTED_EXTENSION_FEATURE: _MALFORMED,
    R.UNNESTED_RESOURCE: _NO_RESOURCE,
    R.PERMITTED_VIOLATION: _NAMES,
    R.EXCLUDED_VIOLATION: _NAMES,
    R.SUBTREE_MINMAX: _BAD_CONSTRAINTS,
    R.UNSUPPORTED_CONSTRAINT_TYPE: _BAD_CONSTRAINTS,
    R.UNSUPPORTED_CONSTRAINT_SYNTAX: _BAD_CONSTRAINTS,
    R.UNSUPPORTED_NAME_SYNTAX: _BAD_CONSTRAINTS,
    R.HOSTNAME_MISMATCH: Story(
        "wrong-identity",
        "names another host",
        "connect by a name in the certificate, or have it reissued",
    ),
    R.EMAIL_MISMATCH: Story(
        "wrong-identity", "names another mail address", _REISSUE
    ),
    R.IP_ADDRESS_MISMATCH: Story(
        "wrong-identity",
        "does not name this IP address",
        "connect by a host name that it has, or have it reissued with the "
        "address among its iPAddress names",
    ),
    R.DANE_NO_MATCH: Story(
        "dane-mismatch", "matches no TLSA record", "update the TLSA records"
    ),
    R.EE_KEY_TOO_SMALL: _WEAK_KEY,
    R.CA_KEY_TOO_SMALL: _WEAK_KEY,
    R.CA_MD_TOO_WEAK: Story(
        "weak-digest", "is signed with a digest that is broken", _STRONGER
    ),
    R.EC_KEY_EXPLICIT_PARAMS: Story(
        "bad-key", "has an EC key that does not name its curve", _STRONGER
    ),
    R.UNUSABLE_KEY: Story(
        "unusable-key", "has a key that can't sign a handshake", _STRONGER
    ),
    R.NO_VALID_SCTS: Story(
        "no-transparency",
        "is in no log of Certificate Transparency",
        "have it reissued by a CA that logs what it issues",
    ),
    R.OCSP_VERIFY_NEEDED: _NO_OCSP,
    R.OCSP_NO_RESPONSE: _NO_OCSP,
    R.OCSP_RESP_INVALID: Story(
        "ocsp-malformed",
        "came with an OCSP response that can't be read",
        _OCSP,
    ),
    R.OCSP_SIGNATURE_FAILURE: Story(
        "ocsp-signature",
        "came with an OCSP response that its CA did not sign",
        _OCSP,
    ),
    R.OCSP_NOT_YET_VALID: Story(
        "ocsp-not-yet-valid",
        "came with an OCSP response that is not valid yet",
        _CLOCK,
    ),
    R.OCSP_HAS_EXPIRED: Story(
        "ocsp-expired",
        "came with an OCSP response that has expired",
        _OCSP,
    ),
    R.OCSP_VERIFY_FAILED: Story(
        "ocsp-failed", "came with an OCSP response that is no good", _OCSP
    ),
    R.OCSP_CERT_UNKNOWN: Story(
        "ocsp-unknown", "is unknown to its CA's OCSP service", _REISSUE
    ),
    R.UNSUPPORTED_SIGNATURE_ALGORITHM: _UNFIT_SIGNATURE,
    R.SIGNATURE_ALGORITHM_MISMATCH: _UNFIT_SIGNATURE,
    R.SIGNATURE_ALGORITHM_INCONSISTENCY: _UNFIT_SIGNATURE,
    R.OUT_OF_MEM: _INTERNAL,
    R.INVALID_CALL: _INTERNAL,
    R.STORE_LOOKUP: _INTERNAL,
    R.NO_CERTIFICATE: Story(
        "no-certificate",
        "is missing",
        "load a certificate chain and key into the peer's context",
    ),
    R.PIN_MISMATCH: Story(
        "pin-mismatch",
        "leads to none of the keys that were pinned",
        "if the peer has new keys, pass their pins to set_pins()",
    ),
    R.SECOND_VERIFIER: Story(
        "second-verifier", "was refused by the second verifier", _STRICT
    ),
}

#: Faults against RFC 5280 that only X509_STRICT minds, and their words.
_STRICT_TEXTS: dict[R, str] = {
    R.PATHLEN_INVALID_FOR_NON_CA: "has a path length, but is no CA's",
    R.PATHLEN_WITHOUT_KU_KEY_CERT_SIGN: (
        "has a path length, but may not sign certificates"
    ),
    R.ISSUER_NAME_EMPTY: "does not name its issuer",
    R.SUBJECT_NAME_EMPTY: "is a CA's without a name",
    R.MISSING_AUTHORITY_KEY_IDENTIFIER: "has no authority key identifier",
    R.MISSING_SUBJECT_KEY_IDENTIFIER: "has no subject key identifier",
    R.EMPTY_SUBJECT_ALT_NAME: "has an empty subjectAltName",
    R.EMPTY_SUBJECT_SAN_NOT_CRITICAL: (
        "has no subject, but its subjectAltName is not critical"
    ),
    R.CA_BCONS_NOT_CRITICAL: "has basic constraints that are not critical",
    R.AUTHORITY_KEY_IDENTIFIER_CRITICAL: (
        "has an authority key identifier that is critical"
    ),
    R.SUBJECT_KEY_IDENTIFIER_CRITICAL: (
        "has a subject key identifier that is critical"
    ),
    R.CA_CERT_MISSING_KEY_USAGE: ("is a CA's without a key usage (4.2.1.3)"),
    R.EXTENSIONS_REQUIRE_VERSION_3: "has extensions, but is not version 3",
    R.EMPTY_AUTHORITY_KEY_IDENTIFIER: (
        "has an authority key identifier with nothing in it"
    ),
    R.AKID_ISSUER_SERIAL_NOT_PAIRED: (
        "has an authority key identifier with an issuer or a serial number, "
        "but not both"
    ),
}

# The same fault of a CA's certificate has to be mended elsewhere.
_CA_HINTS: dict[R, str] = {
    R.CERT_HAS_EXPIRED: (
        "let the peer send its CA's current intermediate, and update the "
        "trusted roots here"
    ),
    R.CERT_REVOKED: "don't trust this CA until it has a new certificate",
    R.INVALID_PURPOSE: (
        "use a CA whose own certificate permits this purpose, and is marked "
        "as a CA's"
    ),
}


def verification_story(reason: R, depth: int) -> Story:
    """Tell what *reason* says about the certificate at *depth*.

    Args:
        reason: OpenSSL's verify code, or one of our own.
        depth: 0 for the peer's own certificate.

    Returns:
        A story for every reason; one nobody has words for gets its name.
    """
    story = _STORIES.get(reason)
    if story is None and reason in _STRICT_TEXTS:
        story = Story(reason.slug, _STRICT_TEXTS[reason], _STRICT)
    if story is None:
        story = Story("unverified", "was refused", _TRUST)
    if depth > 0 and reason in _CA_HINTS:
        return story._replace(hint=_CA_HINTS[reason])
    return story
