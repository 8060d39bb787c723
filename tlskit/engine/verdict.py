"""Read a finished or failed handshake: the verdict, or its error."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import HandshakeError, IdentityError, TLSError, VerificationError
from ..errors.codes import VerifyReason
from ..errors.stack import describe_failure
from ..openssl import native
from ..openssl.gate import SSL
from ..policy.sessions import outdated
from ..policy.settings import Verify
from ..verify.chain import (
    ACCEPTED,
    FIRST,
    SECOND,
    Fault,
    VerificationScene,
    check_pins,
    explain_faults,
    no_certificate,
    second_opinion,
)
from ..verify.evidence import (
    leaf_of,
    path_of,
    scene_of,
    shared,
)
from ..verify.ocsp import malformed_staple
from ..verify.scene import NAME_FAULTS, malformed
from ..verify.strict.profile import check_profile
from ..x509.reading import readable, unreadable
from .hello.preshared import demand_key, identity_proved, keyless
from .refusal.anchors import anchored, check_barred
from .refusal.unlogged import untransparent
from .session.findings import Findings
from .sniff import alert_in_clear, not_tls

if TYPE_CHECKING:
    from .callbacks import Record

__all__ = ["failure_of", "settle"]

# OpenSSL 4.0 parses what was stapled before anybody is asked about it, and
# adds these words of an alert to the complaints of its parser.
_UNREADABLE_STAPLE = "tlsv1 bad certificate status response"


def failure_of(
    error: Exception,
    connection: SSL.Connection,
    record: Record,
    default: type[TLSError],
    first: bytes,
    *,
    alert: int | None = None,
) -> BaseException:
    """Find the best words for a failed step.

    Args:
        error: What pyOpenSSL raised.
        connection: Where it did.
        record: What the callbacks saw before.
        default: The class for what no table knows.
        first: The first bytes that the peer sent.
        alert: The number of the alert that the peer sent, if it is known.
    """
    if record.error is not None:
        return record.error
    stack = error.args[0] if error.args else []
    reasons = {entry[2] for entry in stack}
    if "certificate verify failed" in reasons and record.faults:
        scene = scene_of(connection, record)
        # If a name comes last, it decides: those before were tolerated.
        last = record.faults[-1]
        decisive = [last] if last.code in NAME_FAULTS else record.faults
        error = explain_faults(tuple(decisive), scene)
        return _compared(error, record, scene)
    if _UNREADABLE_STAPLE in reasons and len(stack) > 1:
        return malformed_staple(stack[0][2], scene_of(connection, record))
    if "peer did not return a certificate" in reasons:
        return no_certificate(scene_of(connection, record))
    if issubclass(default, HandshakeError):
        without_key = keyless(record, reasons)
        if without_key is not None:
            return without_key
        spoken = not_tls(first)
        if spoken is not None:
            return spoken
    return describe_failure(
        stack,
        default,
        "the handshake failed"
        if issubclass(default, HandshakeError)
        else "the session broke",
        alert if alert is not None else alert_in_clear(first),
    )


def _compared(
    error: VerificationError, record: Record, scene: VerificationScene
) -> VerificationError:
    """Add to OpenSSL's refusal what the second verifier says."""
    if not record.settings.strict or not scene.presented:
        return error
    words = ACCEPTED
    try:
        _second_opinion(record, scene, ())
    except VerificationError as other:
        words = other.verdicts[SECOND]
    error.verdicts = {FIRST: error.message, SECOND: words}
    error.advice += (f"{SECOND}, the second verifier: {words}",)
    return error


def settle(connection: SSL.Connection, record: Record) -> Findings:
    """Accept the peer, or raise.

    Returns:
        What was decided, and on what grounds.

    Raises:
        VerificationError: The peer is not acceptable.
    """
    try:
        return _settle(connection, record)
    except unreadable() as error:  # What OpenSSL reads, but cryptography not.
        raise malformed(error, scene_of(connection, record)) from error


def _settle(connection: SSL.Connection, record: Record) -> Findings:
    settings = record.settings
    psk: str | None = None
    if settings.psk is not None:
        psk = identity_proved(connection, record)
        if psk is None:
            demand_key(record)
    reused = _reused(connection)
    # A certificate that was shown now (post-handshake authentication) is
    # judged like any other, whatever the session began with.
    shown = bool(record.chain)
    leaf, path = _peer(connection, record)
    if (
        record.server_side
        and psk is None
        and not shown
        and settings.verify is Verify.NONE
    ):
        # If there is one, a session that was resumed has brought it, where
        # somebody had asked in mid-session.  By this rule nobody would have,
        # and a ticket carries no verdict of another rule.
        leaf, path = None, ()
    error: VerificationError | None = None
    if leaf is None and record.server_side and settings.verify is Verify.NONE:
        _check_identity(connection, record, leaf)  # Nobody asked for more.
    elif psk is None or shown:
        old = psk is None and reused and not shown
        path = _path(connection, record, leaf, path, resumed=old)
        old = reused and not shown
        error = _doubt(connection, record, leaf, path, reused=old)
    elif record.insists:
        _check_identity(connection, record, leaf)
    if leaf is not None:
        leaf = shared(leaf)
    if error is not None:
        path = ()
    elif path is not record.path:
        path = tuple(map(shared, path))
    version = connection.get_protocol_version()
    return Findings(version, leaf, path, error, reused, psk)


def _peer(
    connection: SSL.Connection, record: Record
) -> tuple[bytes | None, tuple[bytes, ...]]:
    """Give the peer's own certificate, and its path to a root."""
    if record.path:
        return record.path[0], record.path
    leaf = leaf_of(connection)
    if leaf is None:
        return None, ()
    return leaf, record.completed or path_of(connection)


def _path(
    connection: SSL.Connection,
    record: Record,
    leaf: bytes | None,
    path: tuple[bytes, ...],
    *,
    resumed: bool,
) -> tuple[bytes, ...]:
    """Accept the peer's own certificate, and the path to a root.

    Returns:
        The path that counts.

    Raises:
        VerificationError: They are not acceptable.
    """
    if leaf is not None:
        if resumed:
            record.earlier = record.offered
            path = _still_good(connection, record, leaf) or path
        if record.server_side:
            _check_carried(connection, record, leaf)
    _check_identity(connection, record, leaf)
    if not resumed:
        if record.settings.partial_chain:
            path = anchored(connection, record, path)
        if len(path) > 1:
            check_barred(connection, record, path)
    return path


def _doubt(
    connection: SSL.Connection,
    record: Record,
    leaf: bytes | None,
    path: tuple[bytes, ...],
    *,
    reused: bool,
) -> VerificationError | None:
    """Apply the rules of ours, and give what is wrong and tolerated.

    Raises:
        VerificationError: Something is wrong, and not tolerated.
    """
    settings = record.settings
    doubt: VerificationError | None = None
    if leaf is None or settings.pins or settings.strict:
        doubt = _check_policy(connection, record, leaf, path, reused=reused)
    if doubt is None and settings.transparency is not None:
        doubt = untransparent(connection, record, path)
    return _complaint(connection, record, leaf) or record.staple_error or doubt


def _still_good(
    connection: SSL.Connection, record: Record, der: bytes
) -> tuple[bytes, ...]:
    """Hold a resumed session to the verdict of its first handshake.

    Returns:
        The path to a root that was found then.

    Raises:
        VerificationError: There was no such verdict on this certificate, or
            one of its certificates has expired since.
    """
    earlier = record.earlier
    path: tuple[bytes, ...] = (der,)
    if not record.server_side:
        if earlier is None or der not in earlier.peer_chain[:1]:
            fault = Fault(VerifyReason.CERT_REJECTED, 0, der)
            raise explain_faults((fault,), scene_of(connection, record))
        path = earlier.verified_chain
        record.faults += earlier.faults
    scene = scene_of(connection, record)
    faults = tuple(
        Fault(VerifyReason.CERT_HAS_EXPIRED, depth, each)
        for depth, each in enumerate(path)
        if outdated(readable(each), scene.now.timestamp())
    )
    if faults and record.settings.verify.refuses_bad:
        raise explain_faults(faults, scene)
    record.faults += faults
    return () if earlier is None else path


def _check_carried(
    connection: SSL.Connection, record: Record, der: bytes
) -> None:
    """Judge a client by what its session carries, if nobody judged it here.

    A certificate that was only tolerated, by whichever rule, is no verified
    one when its session is resumed.

    Raises:
        VerificationError: It is demanded, and was never verified.
    """
    if record.chain:
        return
    code: int = VerifyReason.CERT_REJECTED
    if native.has("session-verdicts") and native.has("verify-error"):
        code = native.verify_result(connection)
    if code == 0:
        return
    record.faults.append(Fault(code, 0, der))
    if record.settings.verify.refuses_bad:
        raise explain_faults(
            tuple(record.faults), scene_of(connection, record)
        )


def _check_identity(
    connection: SSL.Connection, record: Record, der: bytes | None
) -> None:
    """Check the name again, now also of a session that was resumed."""
    identity = record.to_prove
    if identity is None:
        return
    if der is None:
        raise no_certificate(scene_of(connection, record))
    try:
        identity.check_der(der)
    except IdentityError as error:
        raise explain_faults(
            (Fault(int(error.reason), 0, der),), scene_of(connection, record)
        ) from None


def _check_policy(
    connection: SSL.Connection,
    record: Record,
    leaf: bytes | None,
    path: tuple[bytes, ...],
    *,
    reused: bool,
) -> VerificationError | None:
    """Apply what OpenSSL knows nothing of: pins, and a second verifier.

    Returns:
        What the second verifier found wrong, where that is tolerated.
    """
    settings = record.settings
    more = bool(settings.pins) or settings.strict
    if leaf is not None and record.server_side and not record.chain and reused:
        # These two had agreed before there was a ticket, which holds no more
        # than the client's own certificate.
        return None
    if leaf is None:
        # OpenSSL verifies nothing in a suite without certificates.
        if settings.verify is Verify.REQUIRE or (
            not record.server_side and (more or settings.verify.refuses_bad)
        ):
            raise no_certificate(scene_of(connection, record))
        return None
    if not more or record.completed:  # It was judged by these rules, too.
        return None
    scene = scene_of(connection, record)
    if settings.pins:
        linked = bool(path) and not record.faults
        check_pins(
            path or scene.presented, settings.pins, scene, linked=linked
        )
    if settings.strict:
        return _strict_doubt(record, scene, path)
    return None


def _strict_doubt(
    record: Record,
    scene: VerificationScene,
    path: tuple[bytes, ...],
) -> VerificationError | None:
    """Have both verifiers accept, whatever a hook has said before.

    Raises:
        VerificationError: One refuses, and acceptance is required.
    """
    required = record.settings.verify.refuses_bad
    if record.faults:
        if required:
            error = explain_faults(tuple(record.faults), scene)
            raise _compared(error, record, scene)
        return None  # It is told anyway.
    identity = record.to_prove
    try:
        _second_opinion(record, scene, path[-1:])
        check_profile(
            replace(scene, built=path),
            of_host=identity is None or identity.is_host,
        )
    except VerificationError as error:
        if required:
            raise
        return error
    return None


def _second_opinion(
    record: Record,
    scene: VerificationScene,
    anchor: tuple[bytes, ...],
) -> None:
    """Have the second verifier judge the chain of *scene*.

    Raises:
        VerificationError: It refuses.
    """
    settings = record.settings
    roots = settings.root_ders
    if settings.root_directories:
        # Nobody but OpenSSL looks into those; whom it found there is trusted.
        roots += anchor
    second_opinion(
        (*scene.presented, *settings.intermediates),
        roots,
        identity=record.to_prove,
        at=scene.at,
        depth=settings.verify_depth,
        server_side=record.server_side,
        scene=scene,
    )


def _complaint(
    connection: SSL.Connection, record: Record, leaf: bytes | None
) -> VerificationError | None:
    """Give what was found wrong and tolerated."""
    if record.faults:
        return explain_faults(
            tuple(record.faults), scene_of(connection, record)
        )
    verify = record.settings.verify
    if leaf is None and (verify is Verify.TRY or verify is Verify.REQUIRE):
        return no_certificate(scene_of(connection, record), demanded=False)
    return None


def _reused(connection: SSL.Connection) -> bool:
    # Only servers resume without it: a client needs it to do so at all.
    return native.has("session-reused") and native.session_reused(connection)
