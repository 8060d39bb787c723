"""Revocation lists, made by ``openssl ca``: what they refuse, and how."""

from __future__ import annotations

import errno
import pickle
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

import tlskit
from tlskit import VerifyReason
from tlskit.policy.settings import RevocationCheck
from tlskit.testing import CA, Leaf, memory_pair
from tlskit.testing.making import sign
from tlskit.verify.revocation import Revocation, load_crls, revocation_of
from tlskit.x509.der import element

from ..openssl_ca import OpenSSLCA
from ..peers import (
    ALERT,
    PATIENCE,
    VERSIONS,
    Vault,
    needs,
    s_client,
    s_server,
    serving,
)

pytestmark = needs("openssl")

HOST = "localhost"
NOW = datetime.now(timezone.utc)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> OpenSSLCA:
    """A root that ``openssl ca`` runs."""
    return OpenSSLCA(tmp_path_factory.mktemp("ca") / "root", "openssl root")


@pytest.fixture(scope="module")
def middle(
    root: OpenSSLCA, tmp_path_factory: pytest.TempPathFactory
) -> OpenSSLCA:
    """An intermediate CA below it."""
    directory = tmp_path_factory.mktemp("ca") / "middle"
    return OpenSSLCA(directory, "openssl middle", root)


@pytest.fixture(scope="module")
def good(root: OpenSSLCA) -> Leaf:
    """A certificate that nobody revoked."""
    return root.issue(HOST)


@pytest.fixture(scope="module")
def revoked(root: OpenSSLCA) -> Leaf:
    """A certificate whose key got lost."""
    leaf = root.issue(HOST)
    root.revoke(leaf, "keyCompromise")
    return leaf


def client(
    root: OpenSSLCA, *crls: bytes, check: str = "leaf"
) -> tlskit.ClientContext:
    """Make a verifying client with revocation lists."""
    context = tlskit.ClientContext("auto")
    context.load_verify_root_certificates(root.path("ca.pem"))
    context.set_verify()
    context.set_verify_hostname()
    for crl in crls:
        context.load_crls(crl, check=check)
    return context


def server(leaf: Leaf) -> tlskit.ServerContext:
    """Make a server."""
    context = tlskit.ServerContext()
    leaf.apply(context)
    return context


def meets(context: tlskit.ClientContext, leaf: Leaf) -> None:
    """Have a client accept a server with *leaf*."""
    ours, theirs = memory_pair(context, server(leaf))
    with ours, theirs:
        assert ours.peer_verified


def refuses(
    context: tlskit.ClientContext, leaf: Leaf
) -> tlskit.VerificationError:
    """Have a client refuse a server with *leaf*."""
    with pytest.raises(tlskit.VerificationError) as caught:
        memory_pair(context, server(leaf))
    return caught.value


# -- what they refuse -------------------------------------------------------


def test_good_and_revoked(root: OpenSSLCA, good: Leaf, revoked: Leaf) -> None:
    """What is listed is refused, with date and reason; the rest is not."""
    context = client(root, root.crl())
    meets(context, good)
    error = refuses(context, revoked)

    assert type(error) is tlskit.VerificationError
    assert "revoked" == error.code
    assert VerifyReason.CERT_REVOKED is error.reason
    assert error.revocation is not None
    date, reason = error.revocation
    assert "keyCompromise" == reason
    assert abs(datetime.now(timezone.utc) - date) < DAY
    stamp = date.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert f"revoked by its CA on {stamp} (keyCompromise)" in str(error)
    assert "don't trust this peer" in error.hint
    assert error.revocation == pickle.loads(pickle.dumps(error)).revocation


def test_without_lists_nothing_is_revoked(
    root: OpenSSLCA, revoked: Leaf
) -> None:
    """Who loads no list does not hear of it; that is the default."""
    meets(client(root), revoked)


def test_reload(root: OpenSSLCA) -> None:
    """A newer list of the same CA replaces the older one."""
    leaf = root.issue(HOST)
    context = client(root, root.crl())
    meets(context, leaf)
    root.revoke(leaf)
    meets(context, leaf)
    context.load_crls(root.crl())
    error = refuses(context, leaf)

    assert 1 == len(context.settings.crls)
    assert error.revocation is not None
    assert "" == error.revocation[1]
    assert ", " not in str(error)


def test_expired_list(root: OpenSSLCA, good: Leaf) -> None:
    """A list after its nextUpdate proves nothing."""
    crl = root.crl(
        *("-crl_lastupdate", f"{NOW - 9 * DAY:%Y%m%d%H%M%SZ}"),
        *("-crl_nextupdate", f"{NOW - 2 * DAY:%Y%m%d%H%M%SZ}"),
    )
    error = refuses(client(root, crl), good)

    assert "crl-expired" == error.code
    assert VerifyReason.CRL_HAS_EXPIRED is error.reason
    assert "'openssl root'" in str(error)
    assert f"the list ended on {NOW - 2 * DAY:%Y-%m-%d}" in str(error)
    assert "with load_crls()" in error.hint


def test_list_of_the_future(root: OpenSSLCA, good: Leaf) -> None:
    """A list before its thisUpdate points at the clock."""
    crl = root.crl(
        *("-crl_lastupdate", f"{NOW + 2 * DAY:%Y%m%d%H%M%SZ}"),
        *("-crl_nextupdate", f"{NOW + 9 * DAY:%Y%m%d%H%M%SZ}"),
    )
    error = refuses(client(root, crl), good)

    assert "crl-not-yet-valid" == error.code
    assert VerifyReason.CRL_NOT_YET_VALID is error.reason
    assert "clock" in error.hint


def test_missing_list(root: OpenSSLCA, good: Leaf) -> None:
    """Another CA's list covers nothing here; whose is missing is told."""
    error = refuses(client(root, CA("another CA").crl()), good)

    assert "crl-missing" == error.code
    assert VerifyReason.UNABLE_TO_GET_CRL is error.reason
    assert "its CA is 'openssl root'" in str(error)
    assert "'openssl root' with load_crls()" in error.hint


def test_forged_list(root: OpenSSLCA, revoked: Leaf) -> None:
    """A list in the CA's name that it did not sign is none."""
    liar = CA("openssl root")
    error = refuses(client(root, liar.crl()), revoked)

    assert error.code in {"bad-crl", "crl-missing"}
    forged = without_key_identifier(root, liar)
    error = refuses(client(root, forged), revoked)

    assert "bad-crl" == error.code
    assert VerifyReason.CRL_SIGNATURE_FAILURE is error.reason
    assert "'openssl root'" in error.hint


def without_key_identifier(root: OpenSSLCA, liar: CA) -> bytes:
    """Make an empty list in the name of *root*, which does not tell whose."""
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.certificate.subject)
        .last_update(NOW - DAY)
        .next_update(NOW + DAY)
        .sign(liar.key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def test_check_of_the_chain(root: OpenSSLCA, middle: OpenSSLCA) -> None:
    """Each CA's certificate needs a list, too, if that is asked for."""
    leaf = middle.issue(HOST)
    below = middle.crl()
    meets(client(root, below), leaf)
    meets(client(root, below, root.crl(), check="chain"), leaf)
    error = refuses(client(root, below, check="chain"), leaf)

    assert "crl-missing" == error.code
    assert 1 == error.depth
    assert "'openssl root'" in error.hint


def test_revoked_intermediate(root: OpenSSLCA, tmp_path: Path) -> None:
    """A CA that was revoked is found by a check of the chain only."""
    lost = OpenSSLCA(tmp_path / "lost", "lost CA", root)
    leaf = lost.issue(HOST)
    root.revoke(Leaf(leaf.key, lost.chain), "CACompromise")
    lists = (lost.crl(), root.crl())
    meets(client(root, *lists), leaf)
    error = refuses(client(root, *lists, check="chain"), leaf)

    assert "revoked" == error.code
    assert 1 == error.depth
    assert "the intermediate 'lost CA' (depth 1)" in str(error)
    assert "(cACompromise)" in str(error)
    assert "don't trust this CA" in error.hint


def test_lists_and_strict(root: OpenSSLCA, good: Leaf, revoked: Leaf) -> None:
    """Strictness and lists go together."""
    context = client(root, root.crl())
    context.set_strict()
    meets(context, good)

    assert "revoked" == refuses(context, revoked).code


def test_lists_at_another_time(root: OpenSSLCA, good: Leaf) -> None:
    """The time of verification is that for lists, too."""
    context = client(root, root.crl())
    context.set_verification_time(NOW + 10 * DAY)

    assert "crl-expired" == refuses(context, good).code


def test_servers_check_clients(
    root: OpenSSLCA, good: Leaf, revoked: Leaf
) -> None:
    """A server refuses a client whose certificate was revoked."""
    theirs = server(good)
    theirs.load_verify_root_certificates(root.path("ca.pem"))
    theirs.set_verify()
    theirs.load_crls(root.crl())
    for leaf, accepted in ((good, True), (revoked, False)):
        context = client(root)
        leaf.apply(context)
        if accepted:
            one, two = memory_pair(context, theirs)
            with one, two:
                assert two.peer_verified
            continue
        with pytest.raises(tlskit.VerificationError) as caught:
            memory_pair(context, theirs)

        assert "revoked" == caught.value.code
        assert "the client's certificate" in str(caught.value)


def test_tolerated(root: OpenSSLCA, revoked: Leaf) -> None:
    """``try_verify`` tells of it, and goes on."""
    context = client(root, root.crl())
    context.try_verify()
    ours, theirs = memory_pair(context, server(revoked))
    with ours, theirs:
        assert not ours.peer_verified
        assert ours.verify_error is not None
        assert "revoked" == ours.verify_error.code


# -- what the peer sees, and what openssl says ------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_server_hears_why(
    root: OpenSSLCA,
    revoked: Leaf,
    version: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """``s_server`` sees ``certificate_revoked``."""
    files = Vault(tmp_path_factory.mktemp("vault")).files(revoked)
    context = client(root, root.crl())
    with s_server(files, VERSIONS[version][0], "-msg") as (program, number):
        with pytest.raises(tlskit.VerificationError):
            tlskit.connect(
                "127.0.0.1",
                number,
                context,
                hostname=HOST,
                timeout=PATIENCE,
            )
        program.until(ALERT)
        seen = [alert for alert in program.alerts if not alert.sent]

    assert [(False, "fatal", "certificate_revoked")] == seen


@pytest.mark.parametrize("version", VERSIONS)
def test_client_hears_why(
    root: OpenSSLCA,
    good: Leaf,
    revoked: Leaf,
    version: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """``s_client`` sees ``certificate_revoked``."""
    files = Vault(tmp_path_factory.mktemp("vault")).files(revoked)
    theirs = server(good)
    theirs.load_verify_root_certificates(root.path("ca.pem"))
    theirs.set_verify()
    theirs.load_crls(root.crl())
    with serving(theirs) as task:
        with s_client(
            task.port, "-msg", VERSIONS[version][0], *files.options
        ) as program:
            program.try_to_say("x\n")
            program.finish()
        error = task.refusal()
        seen = [alert for alert in program.alerts if not alert.sent]

    assert isinstance(error, tlskit.VerificationError)
    assert (False, "fatal", "certificate_revoked") in seen


@pytest.mark.parametrize("check", ["leaf", "chain"])
def test_openssl_agrees(
    root: OpenSSLCA, good: Leaf, revoked: Leaf, check: str
) -> None:
    """``openssl verify`` with the same list says the same."""
    crl = root.crl()
    context = client(root, crl, check=check)
    option = {"leaf": "-crl_check", "chain": "-crl_check_all"}[check]
    for leaf in (good, revoked):
        root.path("leaf.pem").write_bytes(leaf.chain_pem)
        done = subprocess.run(
            [
                *("openssl", "verify", option, "-CRLfile", "crl.pem"),
                *("-CAfile", "ca.pem", "leaf.pem"),
            ],
            cwd=root.directory,
            capture_output=True,
            check=False,
        )
        if done.returncode == 0:
            meets(context, leaf)
        else:
            assert b"error 23 at 0 depth" in done.stderr
            assert VerifyReason.CERT_REVOKED is refuses(context, leaf).reason


# -- loading ----------------------------------------------------------------


def test_forms(root: OpenSSLCA, tmp_path: Path) -> None:
    """A list comes as PEM, DER, a path, an object, or several of them."""
    pem = root.crl()
    crl = x509.load_pem_x509_crl(pem)
    path = tmp_path / "list.pem"
    path.write_bytes(b"Two lists:\n" + pem + CA("other").crl())
    der = crl.public_bytes(Encoding.DER)

    for source in (pem, der, bytearray(der), crl, [crl]):
        assert (crl,) == load_crls(source)  # type: ignore[arg-type]
    assert 2 == len(load_crls(path))
    assert 2 == len(load_crls(str(path)))


def changed(pem: bytes) -> bytes:
    """Break the base64 of *pem*."""
    return pem.replace(b"-----\nM", b"-----\n!")


def delta(_pem: bytes) -> bytes:
    """Make a list of what is new only."""
    ca = CA()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(NOW - DAY)
        .next_update(NOW + DAY)
        .add_extension(x509.DeltaCRLIndicator(1), critical=True)
    )
    crl = builder.sign(ca.key, hashes.SHA256())
    return crl.public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda _: b"", "the data given holds no revocation list"),
        (lambda _: b"\x30\x03\x02\x01\x01", "holds no revocation list"),
        (lambda _: CA().pem, "holds only: CERTIFICATE"),
        (changed, "list number 1 in the data given is malformed"),
        (lambda pem: pem[:-30], "is malformed: .* no END line"),
        (
            lambda _: (
                b"-----BEGIN X509 CRL-----\nMAMCAQE=\n-----END X509 CRL-----\n"
            ),
            "list number 1",
        ),
        (delta, "it is a delta"),
    ],
)
def test_no_list(
    root: OpenSSLCA, damage: Callable[[bytes], bytes], words: str
) -> None:
    """What is no usable list is refused at once, and changes nothing."""
    context = client(root)
    before = context.settings
    with pytest.raises(tlskit.TrustSourceError, match=words) as caught:
        context.load_crls(damage(root.crl()))

    assert caught.value.hint
    assert before is context.settings


def test_bad_extensions() -> None:
    """A list whose extensions can't be read is refused."""
    ca = CA()
    pem = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(NOW - DAY)
        .next_update(NOW + DAY)
        .add_extension(
            x509.UnrecognizedExtension(x509.CRLNumber.oid, b"\x05\x01"), False
        )
        .sign(ca.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    with pytest.raises(tlskit.TrustSourceError):
        load_crls(pem)


def test_absent_file(tmp_path: Path) -> None:
    """An error about a file names it."""
    path = tmp_path / "absent.crl"
    with pytest.raises(tlskit.TrustSourceError) as caught:
        load_crls(path)

    assert errno.ENOENT == caught.value.errno
    assert str(path) == caught.value.filename


def test_wrong_things() -> None:
    """Other things are no lists, and nothing is no list either."""
    with pytest.raises(TypeError, match="revocation list"):
        load_crls([CA().certificate])  # type: ignore[list-item]
    with pytest.raises(tlskit.TrustSourceError, match="empty"):
        load_crls([])


def test_wrong_check() -> None:
    """Neither "off" nor nonsense is a check."""
    context = tlskit.ClientContext("auto")
    for check in ("off", "all"):
        with pytest.raises(
            tlskit.ConfigurationError, match="there are: leaf, chain"
        ):
            context.load_crls(CA().crl(), check=check)

    assert RevocationCheck.OFF is context.settings.revocation_check


def test_partitioned_lists() -> None:
    """Lists of different parts of one CA's issue stand side by side."""
    ca = CA()
    context = tlskit.ClientContext("auto")
    for only in ("only_contains_user_certs", "only_contains_ca_certs"):
        parts = dict.fromkeys(
            (
                "only_contains_user_certs",
                "only_contains_ca_certs",
                "indirect_crl",
                "only_contains_attribute_certs",
            ),
            False,
        )
        parts[only] = True
        point = x509.IssuingDistributionPoint(
            full_name=None,
            relative_name=None,
            only_some_reasons=None,
            **parts,
        )
        crl = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(ca.certificate.subject)
            .last_update(NOW - DAY)
            .next_update(NOW + DAY)
            .add_extension(point, critical=True)
            .sign(ca.key, hashes.SHA256())
        )
        context.load_crls(crl)
        context.load_crls(crl)

    assert 2 == len(context.settings.crls)


def test_entries() -> None:
    """An entry is found by issuer and serial number."""
    ca = CA()
    leaf = ca.issue(HOST)
    crls = load_crls([x509.load_pem_x509_crl(ca.crl([leaf]))])
    other = load_crls(CA("another").crl())

    found = revocation_of(leaf.certificate, other + crls)
    assert isinstance(found, Revocation)
    assert "" == found.reason
    assert None is revocation_of(ca.issue(HOST).certificate, crls)
    assert None is revocation_of(None, crls)
    assert "on 2026-01-02T00:00:00Z (superseded)" == str(
        Revocation(datetime(2026, 1, 2, tzinfo=timezone.utc), "superseded")
    )


def part(
    *, indirect: bool = False, reasons: frozenset[x509.ReasonFlags] | None
) -> x509.IssuingDistributionPoint:
    """Make the extension of a list that is special."""
    return x509.IssuingDistributionPoint(
        None if indirect else [x509.DNSName("a.example")],
        *(None, False, False, reasons, indirect, False),
    )


def special(
    ca: CA,
    point: x509.IssuingDistributionPoint,
    *entries: tuple[int, x509.ExtensionType | None],
) -> x509.CertificateRevocationList:
    """Sign a list with these serial numbers."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(NOW - DAY)
        .next_update(NOW + DAY)
        .add_extension(point, critical=True)
    )
    for number, extension in entries:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(number)
            .revocation_date(NOW)
        )
        if extension is not None:
            entry = entry.add_extension(extension, critical=True)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(ca.key, hashes.SHA256())


def test_entries_of_an_indirect_list() -> None:
    """Each is of the issuer that it names, or that one before it names."""
    own, other = CA("own"), CA("other")
    mine, theirs = own.issue(HOST), other.issue(HOST)
    names = x509.CertificateIssuer(
        [x509.DirectoryName(other.certificate.subject)]
    )
    unreadable = x509.UnrecognizedExtension(
        names.oid, element(0x30, element(0x84, b"\xff"))
    )
    point = part(indirect=True, reasons=None)
    one, two = (each.certificate.serial_number for each in (mine, theirs))

    def found(
        leaf: Leaf, *entries: tuple[int, x509.ExtensionType | None]
    ) -> bool:
        crls = load_crls([special(own, point, *entries)])
        return revocation_of(leaf.certificate, crls) is not None

    assert found(mine, (7, None), (one, None))
    assert found(mine, (one, unreadable))
    assert found(theirs, (two, names))
    assert found(theirs, (7, names), (two, None))
    assert not found(mine, (one, names))
    assert not found(mine, (7, names), (one, None))
    assert not found(theirs, (two, None))
    assert not found(theirs, (7, names))


@pytest.mark.parametrize(
    "point",
    [
        part(indirect=True, reasons=None),
        part(reasons=frozenset([x509.ReasonFlags.key_compromise])),
    ],
)
def test_a_list_that_openssl_leaves_is_told(
    point: x509.IssuingDistributionPoint,
) -> None:
    """Not "load a list", where one is loaded."""
    ca = CA()
    client = tlskit.ClientContext("auto")
    ca.trust(client)
    client.load_crls(special(ca, point))
    with pytest.raises(
        tlskit.VerificationError, match="indirect, or for some"
    ) as info:
        client.verify_chain(ca.issue(HOST).chain, hostname=HOST)

    assert "crl-missing" == info.value.code
    assert "complete" in info.value.hint


def usage(*names: str) -> x509.KeyUsage:
    """Make a key usage."""
    kinds = (
        *("digital_signature", "content_commitment", "key_encipherment"),
        *("data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"),
        *("encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{kind: kind in names for kind in kinds})


def below(root: CA, usage: x509.KeyUsage | None) -> CA:
    """Make an intermediate CA with another key usage, or none."""
    made = root.intermediate()
    constraints: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(True, None), True)
    ]
    if usage is not None:
        constraints.append((usage, True))
    made.certificate = sign(
        made.certificate.subject,
        made.key.public_key(),
        root,
        made.key,
        extensions=constraints,
        valid=(NOW - DAY, NOW + 365 * DAY),
    )
    return made


def test_a_ca_without_a_key_usage_signs_lists() -> None:
    """Nobody demands one for that: RFC 5280, section 6.3.3, step f."""
    root = CA()
    middle = below(root, None)
    leaf = middle.issue(HOST)
    told = []
    for strict in (False, True):
        for crls in ((), (middle.crl(), root.crl())):
            client = tlskit.ClientContext("auto")
            root.trust(client)
            client.set_strict(strict)
            for each in crls:
                client.load_crls(each, check="chain")
            try:
                client.verify_chain(leaf.chain, hostname=HOST)
            except tlskit.VerificationError as error:
                told.append(error.reason)
            else:
                told.append(None)

    # Both strict verifiers mind the CA itself, list or not.
    assert [None, None] == told[:2]
    assert [VerifyReason.CA_CERT_MISSING_KEY_USAGE] * 2 == told[2:]


def test_a_ca_that_may_sign_no_lists() -> None:
    """Where there is a key usage it has to have cRLSign, and we say so."""
    root = CA()
    middle = below(root, usage("key_cert_sign"))
    client = tlskit.ClientContext("auto")
    root.trust(client)
    client.load_crls(middle.crl())
    leaf = middle.issue(HOST)
    with pytest.raises(tlskit.VerificationError, match="may not sign") as info:
        client.verify_chain(leaf.chain, hostname=HOST)

    assert VerifyReason.KEYUSAGE_NO_CRL_SIGN is info.value.reason
    assert "cRLSign" in info.value.hint
