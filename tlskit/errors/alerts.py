"""Data: what a peer means by an alert, and the hint for it."""

from __future__ import annotations

import re

from .codes import Alert

__all__ = ["ALERTS", "IN_SESSION", "OLD_ALERTS", "alert_of", "alert_words"]

# The prefixes changed from release to release: "sslv3 alert" up to 3.1,
# "ssl/tls alert" from 3.2, "tls alert" in 4.0; some have no "alert" at all.
_REASON = re.compile(r"(?:sslv3|ssl/tls|tls|tlsv1|tlsv13) (?:alert )?(.+)")
_ALIASES = {"USER_CANCELLED": "USER_CANCELED"}

#: Alert -> what the peer means by it, and what we can do about it.
ALERTS: dict[Alert, tuple[str, str]] = {
    Alert.CLOSE_NOTIFY: (
        "it has nothing more to say",
        "open a new connection",
    ),
    Alert.UNEXPECTED_MESSAGE: (
        "it did not expect our message",
        "check that the peer speaks TLS on this port, and in this role",
    ),
    Alert.BAD_RECORD_MAC: (
        "it could not decrypt what we sent",
        "something on the way changes the data; try another network path",
    ),
    Alert.RECORD_OVERFLOW: (
        "it found our record too long",
        "something on the way changes the data; try another network path",
    ),
    Alert.HANDSHAKE_FAILURE: (
        (
            "it found no acceptable set of parameters: no cipher suite or "
            "group in common, no certificate of its own, or it misses ours; "
            "Erlang says so of a wrong name as well"
        ),
        (
            "see the peer's log; load a client certificate if it wants one, "
            "or, if it has TLS 1.2 with CBC, DHE or static RSA suites only, "
            "widen set_ciphers(), as by set_ciphers('DEFAULT')"
        ),
    ),
    Alert.BAD_CERTIFICATE: (
        (
            "it refuses our certificate, or that we have sent none, and does "
            "not say why"
        ),
        (
            "load a client certificate if the peer wants one; its trusted "
            "roots must include our CA, and our certificate the name by which "
            "it knows us, at a date that is right"
        ),
    ),
    Alert.UNSUPPORTED_CERTIFICATE: (
        "it can't use our kind of certificate",
        (
            "issue ours for the right purpose (server or client "
            "authentication), with an ECDSA P-256 or RSA key"
        ),
    ),
    Alert.CERTIFICATE_REVOKED: (
        "our certificate was revoked",
        "get a new certificate from the CA",
    ),
    Alert.CERTIFICATE_EXPIRED: (
        "our certificate has expired, or the peer's clock is wrong",
        "renew our certificate, and check the clocks of both sides",
    ),
    Alert.CERTIFICATE_UNKNOWN: (
        "it did not accept our certificate and does not say why",
        (
            "see the peer's log; its trusted roots must include our CA, and "
            "our certificate the name that it asked for and today's date: "
            "Java has this alert for all three"
        ),
    ),
    Alert.ILLEGAL_PARAMETER: (
        "it found a value in our handshake that can't be",
        "see the peer's log; one of the two TLS libraries is at fault",
    ),
    Alert.UNKNOWN_CA: (
        "it does not know the CA that issued our certificate",
        (
            "load our CA into the peer's trusted roots, and send our "
            "intermediate certificates along"
        ),
    ),
    Alert.ACCESS_DENIED: (
        (
            "our certificate is valid, but not allowed in, or, with GnuTLS, "
            "not valid"
        ),
        (
            "ask the peer's operator to admit our certificate; check its CA "
            "and its dates"
        ),
    ),
    Alert.DECODE_ERROR: (
        (
            "it could not read our message, or, with GnuTLS before TLS 1.3, "
            "it misses a certificate of ours"
        ),
        (
            "load a client certificate if the peer wants one; else see its "
            "log, as something between us may change the data"
        ),
    ),
    Alert.DECRYPT_ERROR: (
        "a signature or Finished of ours did not verify",
        "check that private key and certificate, or pre-shared keys, match",
    ),
    Alert.PROTOCOL_VERSION: (
        "it speaks none of our TLS versions",
        "use one of the peer's versions, or update the older side",
    ),
    Alert.INSUFFICIENT_SECURITY: (
        "it wants stronger ciphers than we offer",
        "remove our limits on ciphers and groups, or update this OpenSSL",
    ),
    Alert.INTERNAL_ERROR: (
        (
            "something went wrong on its side, or a check of its own refuses "
            "our certificate, our TLS version or the name that we asked for"
        ),
        (
            "see the peer's log; if it is a client, see whether our "
            "certificate has the name that it asked for, and whether we "
            "speak TLS 1.2 or newer; if a server, whether it serves the host "
            "that we named"
        ),
    ),
    Alert.INAPPROPRIATE_FALLBACK: (
        "we came back with an older version than it speaks",
        "look for something on the way that breaks newer handshakes",
    ),
    Alert.USER_CANCELED: (
        "somebody over there cancelled the handshake",
        "try again",
    ),
    Alert.NO_RENEGOTIATION: (
        "it does not renegotiate",
        "ask for a certificate in the handshake, not later",
    ),
    Alert.MISSING_EXTENSION: (
        "our handshake lacks an extension that it needs",
        "give a host name, so that a server name is sent",
    ),
    Alert.UNSUPPORTED_EXTENSION: (
        "we sent an extension that it did not ask for",
        "update both TLS libraries",
    ),
    Alert.UNRECOGNIZED_NAME: (
        "it serves no host of the name that we asked for",
        "check the host name, or pass hostname= with one that it serves",
    ),
    Alert.BAD_CERTIFICATE_STATUS_RESPONSE: (
        "it refused our stapled OCSP response",
        "staple a fresh response of our CA",
    ),
    Alert.UNKNOWN_PSK_IDENTITY: (
        "it does not know the key that we named",
        "connect without the old session",
    ),
    Alert.CERTIFICATE_REQUIRED: (
        "it demands a client certificate, and we sent none",
        (
            "load a client certificate: load_certificate_chain() and "
            "load_private_key()"
        ),
    ),
    Alert.GENERAL_ERROR: (
        "something went wrong for which it has no other alert",
        "see the peer's log for the reason",
    ),
    Alert.NO_APPLICATION_PROTOCOL: (
        "it has none of the application protocols (ALPN) that we offer",
        "offer a protocol that the peer has in alpn=, or none at all",
    ),
    Alert.ECH_REQUIRED: (
        "it wants an Encrypted ClientHello that could be decrypted",
        "give the client the newest ECH configuration, or none",
    ),
}

#: What some of them mean when they end a session that was up.
IN_SESSION: dict[Alert, tuple[str, str]] = {
    Alert.HANDSHAKE_FAILURE: (
        (
            "it wished to renegotiate, which is refused here, or it misses a "
            "certificate of ours"
        ),
        (
            "see the peer's log; TLS 1.3 knows no renegotiation, so let both "
            "sides speak it"
        ),
    ),
}

#: Alerts that RFC 8446 no longer assigns, by OpenSSL's words for them.
OLD_ALERTS: frozenset[str] = frozenset(
    {
        "bad certificate hash value",
        "certificate unobtainable",
        "decompression failure",
        "decryption failed",
        "export restriction",
        "no certificate",
    }
)


def alert_of(what: str | int) -> Alert | None:
    """Find an alert by its number, its name or OpenSSL's reason.

    Args:
        what: Such as 48, ``"unknown_ca"`` or ``"tlsv1 alert unknown ca"``.

    Returns:
        The alert, or None if ``Alert`` has no such one.
    """
    if isinstance(what, int):
        return Alert(what) if what in Alert._value2member_map_ else None
    found = _REASON.fullmatch(what)
    name = re.sub("[ -]", "_", found[1] if found else what).upper()
    return Alert.__members__.get(_ALIASES.get(name, name))


def alert_words(reason: str) -> str | None:
    """Take the alert's own words out of OpenSSL's *reason*.

    Returns:
        Such as ``"unknown ca"``; None if *reason* is about no alert.
    """
    found = _REASON.fullmatch(reason)
    if found is None:
        return None
    words = found[1]
    return (
        words if words in OLD_ALERTS or alert_of(words) is not None else None
    )
