"""Alerts of our own, for refusals that OpenSSL knows nothing of.

Pins, the second verifier and ``verify_peer()`` judge when OpenSSL has done
its part of the handshake, and no function of its sends an alert of our
choice.  But what it wants to send then has not left us.  It is dropped, and
so the peer's next message is in the clear or under a key that is new:

=======  ======  ==========================================================
Version  Side    What the peer reads next
=======  ======  ==========================================================
1.2      both    in the clear: our ChangeCipherSpec is among what is dropped
1.3      client  in the clear, as from OpenSSL: it waits for our first
                 encrypted record
1.3      server  the first record under our traffic secret, which is sealed
                 here (RFC 8446, section 5.2)
=======  ======  ==========================================================
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from ...errors import VerificationError
from ...errors.codes import Alert, VerifyReason
from ...policy.settings import Verify
from ...x509.gate import aead, hashes, kdf

if TYPE_CHECKING:
    from ...policy.settings import Settings

__all__ = [
    "LastWords",
    "alert_for",
    "alert_record",
    "may_refuse",
    "wanted_alert",
]

_TLS_1_3 = 0x0304
_SECRET = b"SERVER_TRAFFIC_SECRET_0 "
_FATAL = 2
#: Cipher suite -> its hash's name, its key's bytes, and its tag's.
_SUITES = {
    "TLS_AES_128_GCM_SHA256": ("SHA256", 16, 16),
    "TLS_AES_256_GCM_SHA384": ("SHA384", 32, 16),
    "TLS_CHACHA20_POLY1305_SHA256": ("SHA256", 32, 16),
    "TLS_AES_128_CCM_SHA256": ("SHA256", 16, 16),
    "TLS_AES_128_CCM_8_SHA256": ("SHA256", 16, 8),
}
#: What OpenSSL says of a fault, where that is not bad_certificate.
_OF_FAULTS = {
    VerifyReason.CERT_HAS_EXPIRED: Alert.CERTIFICATE_EXPIRED,
    VerifyReason.CRL_HAS_EXPIRED: Alert.CERTIFICATE_EXPIRED,
    VerifyReason.CERT_REVOKED: Alert.CERTIFICATE_REVOKED,
    VerifyReason.INVALID_PURPOSE: Alert.UNSUPPORTED_CERTIFICATE,
    VerifyReason.UNABLE_TO_GET_ISSUER_CERT: Alert.UNKNOWN_CA,
    VerifyReason.UNABLE_TO_GET_ISSUER_CERT_LOCALLY: Alert.UNKNOWN_CA,
    VerifyReason.UNABLE_TO_VERIFY_LEAF_SIGNATURE: Alert.UNKNOWN_CA,
    VerifyReason.DEPTH_ZERO_SELF_SIGNED_CERT: Alert.UNKNOWN_CA,
    VerifyReason.SELF_SIGNED_CERT_IN_CHAIN: Alert.UNKNOWN_CA,
}


def wanted_alert(
    error: BaseException, default: Alert = Alert.INTERNAL_ERROR
) -> Alert:
    """Give the alert that an error asks for, else *default*."""
    wanted = getattr(error, "alert", None)
    return wanted if isinstance(wanted, Alert) else default


def alert_for(error: BaseException, version: int) -> Alert:
    """Give the alert for a peer that was refused with *error*."""
    if not isinstance(error, Exception):  # It is not about the peer.
        return wanted_alert(error)
    default = Alert.BAD_CERTIFICATE
    if isinstance(error, VerificationError):
        if error.reason is VerifyReason.NO_CERTIFICATE:
            default = (
                Alert.CERTIFICATE_REQUIRED
                if version >= _TLS_1_3
                else Alert.HANDSHAKE_FAILURE
            )
        else:
            default = _OF_FAULTS.get(error.reason, default)
    return wanted_alert(error, default)


def alert_record(alert: Alert) -> bytes:
    """Make the record of a fatal alert, in the clear (RFC 8446, section 6)."""
    return bytes((21, 3, 3, 0, 2, _FATAL, alert))


def may_refuse(settings: Settings, hooks: Collection[str]) -> bool:
    """Tell whether a server may refuse whom OpenSSL has accepted."""
    return settings.verify is not Verify.NONE or "verify_peer" in hooks


class LastWords:
    """Makes the alert for a peer that is refused at the handshake's end.

    Args:
        server_side: Whether we are the server.
    """

    def __init__(self, *, server_side: bool) -> None:
        self._server_side = server_side
        self._secret = b""

    def hear(self, line: bytes) -> None:
        """Take a line of the key log, in which our traffic secret may be."""
        if self._server_side and line.startswith(_SECRET):
            self._secret = bytes.fromhex(line.split()[2].decode("ascii"))

    def forget(self) -> None:
        """Keep no secret: the peer was accepted."""
        self._secret = b""

    def say(self, error: BaseException, version: int, suite: str) -> bytes:
        """Make the record that tells the peer why.

        Args:
            error: Why it was refused.
            version: The protocol's.
            suite: The cipher suite in use.

        Returns:
            What is to be sent, and nothing else; empty if it can't be made.
        """
        alert = alert_for(error, version)
        if version < _TLS_1_3 or not self._server_side:
            return alert_record(alert)
        if not self._secret or suite not in _SUITES:
            return b""
        digest, key_size, tag_size = _SUITES[suite]
        key = self._expand(digest, b"key", key_size)
        nonce = self._expand(digest, b"iv", 12)  # Of record 0: as it is.
        self.forget()
        plain = bytes((_FATAL, alert, 21))
        header = bytes((23, 3, 3, 0, len(plain) + tag_size))
        cipher: aead.AESGCM | aead.AESCCM | aead.ChaCha20Poly1305
        if "GCM" in suite:
            cipher = aead.AESGCM(key)
        elif "CCM" in suite:
            cipher = aead.AESCCM(key, tag_size)
        else:
            cipher = aead.ChaCha20Poly1305(key)
        return header + cipher.encrypt(nonce, plain, header)

    def _expand(self, digest: str, label: bytes, size: int) -> bytes:
        """Do HKDF-Expand-Label (RFC 8446, section 7.1)."""
        name = b"tls13 " + label
        info = size.to_bytes(2, "big") + bytes((len(name),)) + name + b"\0"
        algorithm: hashes.HashAlgorithm = getattr(hashes, digest)()
        return kdf.HKDFExpand(algorithm, size, info).derive(self._secret)
