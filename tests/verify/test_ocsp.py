"""Stapled OCSP responses, made by ``openssl ocsp``; both sides of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

import tlskit
from tlskit import VerifyReason
from tlskit.testing import CA, OCSP_USAGES, Leaf, memory_pair
from tlskit.testing.revoking import make_ocsp_response
from tlskit.verify.ocsp import check_staple, must_staple
from tlskit.verify.scene import VerificationScene
from tlskit.verify.stapling import Staple

from ..openssl_ca import OpenSSLCA
from ..peers import (
    ALERT,
    PATIENCE,
    VERSIONS,
    Files,
    Task,
    Vault,
    gnutls_serv,
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
    """A CA that ``openssl ca`` runs."""
    return OpenSSLCA(tmp_path_factory.mktemp("ca") / "root", "openssl root")


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Where files for programs go."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture(scope="module")
def leaf(root: OpenSSLCA) -> Leaf:
    """A certificate that is good."""
    return root.issue(HOST)


@pytest.fixture(scope="module")
def stapler(root: OpenSSLCA) -> Leaf:
    """A certificate that demands a stapled response."""
    return root.issue(HOST, section="staple")


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version, by the name of its protocol."""
    name: str = request.param
    return name


def client(root: OpenSSLCA, policy: str = "require") -> tlskit.ClientContext:
    """Make a verifying client that asks for a response."""
    context = tlskit.ClientContext("auto")
    context.load_verify_root_certificates(root.path("ca.pem"))
    context.set_verify()
    context.set_verify_hostname()
    context.set_ocsp(policy)
    return context


def server(
    leaf: Leaf, response: Any = None, protocol: str = "secure"
) -> tlskit.ServerContext:
    """Make a server that staples *response*."""
    context = tlskit.ServerContext(protocol)
    leaf.apply(context)
    context.set_ocsp_response(response)
    return context


def meets(asking: tlskit.ClientContext, theirs: tlskit.ServerContext) -> None:
    """Have a client accept a server."""
    one, two = memory_pair(asking, theirs)
    with one, two:
        two.sendall(b"hello")

        assert b"hello" == one.recv(5)
        assert one.peer_verified


def refuses(
    asking: tlskit.ClientContext, theirs: tlskit.ServerContext
) -> tlskit.VerificationError:
    """Have a client refuse a server."""
    with pytest.raises(tlskit.VerificationError) as caught:
        memory_pair(asking, theirs)
    return caught.value


@pytest.mark.native
def test_a_resumed_session_was_judged_before(
    root: OpenSSLCA, leaf: Leaf, version: str
) -> None:
    """Nothing is stapled to a session whose server was accepted before."""
    asking = client(root)
    asking.set_session_cache(tlskit.SessionCache())
    theirs = server(leaf, root.ocsp(leaf), version)
    reused = []
    with tlskit.listen(hostname="127.0.0.1", context=theirs) as listener:
        for _ in range(2):
            task = Task(connect, asking, listener.port)
            with listener.accept(PATIENCE) as two, task.result() as one:
                two.sendall(b"hello")
                assert b"hello" == one.recv(5)
                assert one.peer_verified
                reused.append(one.session_reused)

    assert [False, True] == reused


# -- what a client says of what it gets -------------------------------------


@pytest.mark.parametrize("policy", ["check", "require"])
def test_good(root: OpenSSLCA, leaf: Leaf, version: str, policy: str) -> None:
    """A good response of the CA itself is accepted."""
    theirs = server(leaf, root.ocsp(leaf), version)

    meets(client(root, policy), theirs)


def test_revoked(root: OpenSSLCA, version: str) -> None:
    """A revoked certificate is refused, with date and reason."""
    lost = root.issue(HOST)
    root.revoke(lost, "superseded")
    theirs = server(lost, root.ocsp(lost), version)
    meets(client(root, "off"), theirs)
    for policy in ("check", "require"):
        error = refuses(client(root, policy), theirs)

        assert type(error) is tlskit.VerificationError
        assert "revoked" == error.code
        assert VerifyReason.CERT_REVOKED is error.reason
        assert error.revocation is not None
        assert "superseded" == error.revocation[1]
        assert "'localhost' (depth 0) was revoked by its CA on" in str(error)
        assert "(superseded), as the stapled OCSP response tells" in str(error)
        assert lost.certificate == error.certificate
        assert "don't trust this peer" in error.hint


def test_unknown(root: OpenSSLCA, leaf: Leaf) -> None:
    """A CA that knows no such certificate did not issue it."""
    root.path("empty.txt").touch()
    response = root.ocsp(leaf, index="empty.txt")
    error = refuses(client(root, "check"), server(leaf, response))

    assert "ocsp-unknown" == error.code
    assert VerifyReason.OCSP_CERT_UNKNOWN is error.reason
    assert "unknown to its CA" in str(error)


def test_stale(root: OpenSSLCA, leaf: Leaf) -> None:
    """A response after its end proves nothing; some minutes are forgiven."""
    theirs = server(leaf, root.ocsp(leaf, "-ndays", "1"))
    asking = client(root, "check")
    asking.set_verification_time(NOW + DAY + timedelta(minutes=4))
    meets(asking, theirs)
    asking.set_verification_time(NOW + 2 * DAY)
    error = refuses(asking, theirs)

    assert "ocsp-expired" == error.code
    assert VerifyReason.OCSP_HAS_EXPIRED is error.reason
    assert f"ended on {NOW + DAY:%Y-%m-%d}" in str(error)
    assert "fresh OCSP response" in error.hint


def test_of_the_future() -> None:
    """A response that begins later points at the clock."""
    ca = CA()
    leaf = ca.issue(HOST)
    response = ca.ocsp(leaf, since=NOW + DAY)
    error = judged(response, leaf, ca)

    assert error is not None
    assert "ocsp-not-yet-valid" == error.code
    assert "clock" in error.hint


def test_wrong_signer(root: OpenSSLCA, leaf: Leaf) -> None:
    """Neither a stranger nor just any certificate of the CA may answer."""
    for signer in (CA("stranger").issue(HOST), root.issue("other.example")):
        response = root.ocsp(leaf, responder=signer)
        error = refuses(client(root, "check"), server(leaf, response))

        assert "ocsp-signature" == error.code
        assert VerifyReason.OCSP_SIGNATURE_FAILURE is error.reason
        assert "did not authorise" in str(error)


def test_delegate(root: OpenSSLCA, leaf: Leaf) -> None:
    """Whom the CA authorised may answer, by name or by key."""
    signer = root.issue("responder", section="responder", names=False)
    for options in (("-ndays", "2"), ("-ndays", "2", "-resp_key_id")):
        response = root.ocsp(leaf, *options, responder=signer)

        meets(client(root), server(leaf, response))


def test_another_certificate(root: OpenSSLCA, leaf: Leaf) -> None:
    """A response about another certificate is none about this one."""
    other = root.issue(HOST)
    error = judged(root.ocsp(other), leaf, root)

    assert error is not None
    assert "ocsp-missing" == error.code
    assert VerifyReason.OCSP_NO_RESPONSE is error.reason
    assert "about another certificate" in str(error)


def test_absent(root: OpenSSLCA, leaf: Leaf, version: str) -> None:
    """Without a response "check" goes on, and "require" does not."""
    theirs = server(leaf, None, version)
    meets(client(root, "check"), theirs)
    meets(client(root, "off"), theirs)
    error = refuses(client(root, "require"), theirs)

    assert "ocsp-missing" == error.code
    assert VerifyReason.OCSP_VERIFY_NEEDED is error.reason
    assert "though one is required" in str(error)


def test_must_staple(root: OpenSSLCA, stapler: Leaf, version: str) -> None:
    """A certificate that demands a response is not accepted without."""
    theirs = server(stapler, None, version)
    meets(client(root, "off"), theirs)
    error = refuses(client(root, "check"), theirs)

    assert "ocsp-missing" == error.code
    assert "RFC 7633" in str(error)
    theirs.set_ocsp_response(root.ocsp(stapler))
    meets(client(root, "check"), theirs)


def test_tolerated(root: OpenSSLCA, leaf: Leaf) -> None:
    """``try_verify`` keeps the complaint for the caller."""
    asking = client(root)
    asking.try_verify()
    one, two = memory_pair(asking, server(leaf))
    with one, two:
        assert not one.peer_verified
        assert one.verify_error is not None
        assert "ocsp-missing" == one.verify_error.code


def test_issuer_below_a_root(root: OpenSSLCA, tmp_path: Path) -> None:
    """The CA that issued the certificate answers, not the root."""
    middle = OpenSSLCA(tmp_path / "middle", "middle", root)
    leaf = middle.issue(HOST)
    meets(client(root), server(leaf, middle.ocsp(leaf)))
    response = middle.ocsp(
        leaf, responder=root.issue("r", section="responder", names=False)
    )

    error = refuses(client(root), server(leaf, response))
    assert "ocsp-signature" == error.code


def test_policies(root: OpenSSLCA) -> None:
    """An unknown policy is refused, and the known ones are told."""
    with pytest.raises(
        tlskit.ConfigurationError, match="there are: off, check, require"
    ):
        client(root, "maybe")


# -- real peers -------------------------------------------------------------


def status_file(root: OpenSSLCA, response: bytes) -> tuple[str, str]:
    """Give the options that make ``s_server`` staple *response*."""
    path = root.path("status.der")
    path.write_bytes(response)
    return ("-status_file", str(path))


def connect(context: tlskit.ClientContext, number: int) -> tlskit.SSLPort:
    """Connect to a program."""
    return tlskit.connect(
        "127.0.0.1", number, context, hostname=HOST, timeout=PATIENCE
    )


def test_s_server_staples(
    root: OpenSSLCA, leaf: Leaf, vault: Vault, version: str
) -> None:
    """What ``s_server`` staples is accepted."""
    options = status_file(root, root.ocsp(leaf))
    flag = VERSIONS[version][0]
    with (
        s_server(vault.files(leaf), flag, *options) as (_, number),
        connect(client(root), number) as port,
    ):
        assert port.peer_verified


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda data: b"\x30\x03\x0a\x01\x03", "ocsp-malformed"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "ocsp-signature"),
        (None, "ocsp-missing"),
    ],
    ids=["try later", "forged", "none"],
)
def test_s_server_hears_why(  # noqa: PLR0917
    root: OpenSSLCA,
    leaf: Leaf,
    vault: Vault,
    version: str,
    damage: Callable[[bytes], bytes] | None,
    code: str,
) -> None:
    """``s_server`` sees ``bad_certificate_status_response``."""
    options: tuple[str, ...] = ()
    if damage is not None:
        options = status_file(
            root, damage(root.ocsp(leaf, "-ndays", "2", "-resp_no_certs"))
        )
    files: Files = vault.files(leaf)
    flag = VERSIONS[version][0]
    with s_server(files, flag, "-msg", *options) as (program, number):
        with pytest.raises(tlskit.VerificationError) as caught:
            connect(client(root), number)
        program.until(ALERT)
        seen = [alert for alert in program.alerts if not alert.sent]

    assert code == caught.value.code
    assert [(False, "fatal", "bad_certificate_status_response")] == seen


@needs("gnutls-serv")
@pytest.mark.parametrize("garbage", [b"x", b"\0" * 5000])
def test_garbage_on_the_wire(
    root: OpenSSLCA, leaf: Leaf, vault: Vault, version: str, garbage: bytes
) -> None:
    """What can't be read is refused like what is bad."""
    path = root.path("garbage.der")
    path.write_bytes(garbage)
    priority = f"NORMAL:-VERS-ALL:{VERSIONS[version][1]}"
    with gnutls_serv(
        vault.files(leaf),
        priority,
        *("--ocsp-response", str(path), "--ignore-ocsp-response-errors"),
    ) as (_, number):
        with pytest.raises(tlskit.VerificationError) as caught:
            connect(client(root, "check"), number)

    assert "ocsp-malformed" == caught.value.code
    assert VerifyReason.OCSP_RESP_INVALID is caught.value.reason


class Interrupted(Staple):
    """A response that somebody interrupts."""

    def current(self, _now: datetime | None = None) -> bytes:
        """Raise."""
        raise KeyboardInterrupt


def test_an_interrupted_server(root: OpenSSLCA, leaf: Leaf) -> None:
    """What is raised while OpenSSL asks reaches the server's own caller."""
    theirs = server(leaf)
    theirs._change(staple=Interrupted(root.ocsp(leaf)))
    with serving(theirs) as task:
        with pytest.raises((tlskit.TLSError, OSError)):
            connect(client(root), task.port)

        assert isinstance(task.refusal(), KeyboardInterrupt)


def test_s_client_gets_it(root: OpenSSLCA, leaf: Leaf, version: str) -> None:
    """``s_client -status`` reads what we staple."""
    context = server(leaf, root.ocsp(leaf))
    with (
        serving(context) as task,
        s_client(
            task.port,
            *("-status", VERSIONS[version][0]),
            *("-CAfile", str(root.path("ca.pem"))),
        ) as program,
    ):
        program.until("Cert Status: good")
        program.until("Verify return code: 0")
        program.hang_up()
        task.result()


def test_s_client_does_not_ask(root: OpenSSLCA, leaf: Leaf) -> None:
    """Who asks for no response gets none, and nothing breaks."""
    context = server(leaf, root.ocsp(leaf))
    with serving(context) as task, s_client(task.port) as program:
        program.until("Verify return code")
        program.hang_up()
        task.result()

    assert "OCSP" not in program.output


def test_the_name_chooses_the_response(root: OpenSSLCA, leaf: Leaf) -> None:
    """The context that the server name chooses staples its own response."""
    front = server(root.issue("front.example"))
    front.set_server_names({HOST: server(leaf, root.ocsp(leaf))})

    meets(client(root), front)


# -- the server's response --------------------------------------------------


class Fetcher:
    """Gives one response after the other, or raises; counts the calls."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)
        self.calls = 0
        self.threads: list[threading.Thread] = []

    def __call__(self) -> bytes:
        """Give the next answer."""
        self.calls += 1
        self.threads.append(threading.current_thread())
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def renewed(staple: Staple, moment: datetime) -> bytes:
    """Have a handshake at *moment*, and wait until the renewal is over."""
    given = staple.current(moment)
    for thread in threading.enumerate():
        if thread.name == "tlskit-ocsp":
            thread.join(PATIENCE)
    return given


@pytest.fixture
def ca() -> CA:
    """Make a CA."""
    return CA()


def test_renewal(ca: CA) -> None:
    """After half of its life a response is renewed, off the handshake."""
    leaf = ca.issue(HOST)
    old = ca.ocsp(leaf, since=NOW, until=NOW + 4 * DAY)
    new = ca.ocsp(leaf, since=NOW + 2 * DAY, until=NOW + 6 * DAY)
    fetcher = Fetcher(old, new)
    staple = Staple(fetcher)

    assert threading.current_thread() is fetcher.threads[0]
    assert old == renewed(staple, NOW + 1.9 * DAY)
    assert 1 == fetcher.calls
    assert old == renewed(staple, NOW + 2.1 * DAY)
    assert 2 == fetcher.calls
    assert new == renewed(staple, NOW + 2.2 * DAY)
    assert 2 == fetcher.calls
    assert threading.current_thread() is not fetcher.threads[1]


def test_renewal_fails(ca: CA, caplog: pytest.LogCaptureFixture) -> None:
    """The old response is kept until it ends; each minute one may try."""
    leaf = ca.issue(HOST)
    old = ca.ocsp(leaf, since=NOW, until=NOW + 4 * DAY)
    stranger = ca.ocsp(ca.issue(HOST), until=NOW + 9 * DAY)
    older = ca.ocsp(leaf, since=NOW - DAY, until=NOW + 3 * DAY)
    fetcher = Fetcher(
        *(old, OSError("no network"), b"garbage", stranger, older),
        *(OSError("still none") for _ in range(3)),
    )
    staple = Staple(fetcher)
    with caplog.at_level(logging.WARNING, "tlskit.stapling"):
        for minutes in (0, 0.5, 1.1, 1.6, 2.2, 3.3):
            moment = NOW + 3 * DAY + timedelta(minutes=minutes)

            assert old == renewed(staple, moment)
    assert 5 == fetcher.calls
    assert "no network" in caplog.text
    assert "no OCSP response to staple" in caplog.text
    assert "is for others" in caplog.text
    assert b"" == renewed(staple, NOW + 5 * DAY)


def test_an_old_response_is_not_stapled(ca: CA) -> None:
    """Bytes can't be renewed: after their end there is no response."""
    leaf = ca.issue(HOST)
    staple = Staple(ca.ocsp(leaf, since=NOW - DAY, until=NOW + DAY))

    assert staple.current()
    assert b"" == staple.current(NOW + 2 * DAY)


@pytest.mark.parametrize("relative", [False, True])
def test_a_file_is_read_again(
    ca: CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool
) -> None:
    """A file's new response is stapled when the old one gets old.

    A relative path means the directory in which it was given.
    """
    leaf = ca.issue(HOST)
    path = tmp_path / "response.der"
    path.write_bytes(ca.ocsp(leaf, since=NOW, until=NOW + 2 * DAY))
    monkeypatch.chdir(tmp_path)
    staple = Staple(path.name if relative else str(path))
    monkeypatch.chdir("/")
    new = ca.ocsp(leaf, since=NOW + DAY, until=NOW + 3 * DAY)
    path.write_bytes(new)
    renewed(staple, NOW + 1.5 * DAY)

    assert new == staple.current(NOW + 1.5 * DAY)


def test_a_slow_fetcher_delays_nobody(ca: CA) -> None:
    """While a response is fetched, handshakes go on with the old one."""
    leaf = ca.issue(HOST)
    go, first = threading.Event(), [True]
    old = ca.ocsp(leaf, since=NOW - 3 * DAY, until=NOW + DAY)

    def fetch() -> bytes:
        if not first:
            assert go.wait(PATIENCE)
        first.clear()
        return old

    theirs = server(leaf, fetch)
    asking = tlskit.ClientContext("auto")
    ca.trust(asking)
    asking.set_verify()
    asking.set_ocsp("require")
    try:
        meets(asking, theirs)
        meets(asking, theirs)
    finally:
        go.set()


def bare(ca: CA, leaf: Leaf) -> bytes:
    """Make a response without a nextUpdate."""
    return (
        ocsp.OCSPResponseBuilder()
        .add_response(
            *(leaf.certificate, ca.certificate, hashes.SHA256()),
            *(ocsp.OCSPCertStatus.GOOD, NOW, None, None, None),
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, ca.certificate)
        .sign(ca.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def test_without_an_end(ca: CA) -> None:
    """A response that tells no end is news for a day."""
    leaf = ca.issue(HOST)
    response = bare(ca, leaf)

    assert None is judged(response, leaf, ca, NOW + 0.9 * DAY)
    error = judged(response, leaf, ca, NOW + 1.1 * DAY)
    assert error is not None
    assert "ocsp-expired" == error.code
    assert response == Staple(response).current(NOW + 0.4 * DAY)
    assert b"" == Staple(response).current(NOW + 1.1 * DAY)


def failing() -> bytes:
    """Fetch, and fail."""
    raise LookupError("no such service")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"garbage", "no OCSP response to staple"),
        (b"", "no OCSP response to staple"),
        (b"\x30\x03\x0a\x01\x03", "try_later"),
        ("/absent/response.der", "can't get the OCSP response"),
        (failing, "no such service"),
    ],
)
def test_no_response(source: Any, words: str) -> None:
    """What is no response is refused at once, and changes nothing."""
    context = tlskit.ServerContext()
    before = context.settings
    with pytest.raises(tlskit.CredentialError, match=words) as caught:
        context.set_ocsp_response(source)

    assert caught.value.hint
    assert before is context.settings
    if isinstance(source, str):
        assert source == caught.value.filename


def test_no_source() -> None:
    """Other things give no response."""
    with pytest.raises(TypeError, match="int"):
        tlskit.ServerContext().set_ocsp_response(7)  # type: ignore[arg-type]


def test_response_for_another_certificate(ca: CA) -> None:
    """A server can't staple what is about another certificate."""
    context = server(ca.issue(HOST), ca.ocsp(ca.issue(HOST)))
    with pytest.raises(tlskit.CredentialError) as caught:
        context.seal()

    assert "ocsp-mismatch" == caught.value.code


# -- the finer points of a response -----------------------------------------


def judged(
    data: bytes,
    leaf: Leaf,
    issuer: CA | OpenSSLCA,
    now: datetime = NOW,
) -> tlskit.VerificationError | None:
    """Check a response about *leaf*; give the complaint, or None."""
    chain = (leaf.certificate, issuer.certificate)
    scene = VerificationScene(
        built=tuple(each.public_bytes(Encoding.DER) for each in chain), at=now
    )
    try:
        check_staple(data, scene, required=True)
    except tlskit.VerificationError as error:
        return error
    return None


@pytest.mark.parametrize(
    "kind", ["ecdsa", "rsa", "rsa-pss", "ed25519", "ed448", "mldsa65"]
)
def test_kinds_of_keys(kind: str) -> None:
    """Each kind of CA signs its responses; a change in one is noticed."""
    try:
        ca = CA(key_type=kind)
    except tlskit.UnsupportedError:
        pytest.skip("this cryptography has no such keys")
    leaf = ca.issue(HOST)
    response = ca.ocsp(leaf)
    assert None is judged(response, leaf, ca)
    damaged = response[:-1] + bytes([response[-1] ^ 1])
    error = judged(damaged, leaf, ca)

    assert error is not None
    assert "ocsp-signature" == error.code


@pytest.mark.parametrize(
    ("usages", "valid", "accepted"),
    [
        (OCSP_USAGES, (NOW - DAY, NOW + DAY), True),
        (OCSP_USAGES, (NOW - 2 * DAY, NOW - DAY), False),
        (OCSP_USAGES, (NOW + DAY, NOW + 2 * DAY), False),
        (None, (NOW - DAY, NOW + DAY), False),
    ],
)
def test_delegates(
    ca: CA, usages: Any, valid: tuple[datetime, datetime], accepted: bool
) -> None:
    """A delegate needs the usage OCSPSigning, and to be valid now."""
    leaf = ca.issue(HOST)
    signer = ca.issue("responder", usages=usages, valid=valid)
    error = judged(ca.ocsp(leaf, responder=signer), leaf, ca)

    assert accepted is (error is None)


def test_delegate_of_another_ca(ca: CA) -> None:
    """OCSPSigning of a stranger's, or a name alone, authorises nobody."""
    leaf = ca.issue(HOST)
    stranger = CA(ca.certificate.subject.rfc4514_string().removeprefix("CN="))
    signer = stranger.issue("responder", usages=OCSP_USAGES)
    error = judged(ca.ocsp(leaf, responder=signer), leaf, ca)

    assert error is not None
    assert "ocsp-signature" == error.code


def test_weak_digest(ca: CA) -> None:
    """A response that is signed with SHA-1 is refused."""
    root = CA(key_type="rsa")
    leaf = root.issue(HOST)
    response = bytearray(root.ocsp(leaf))
    # sha256WithRSAEncryption becomes sha1WithRSAEncryption.
    at = response.rindex(bytes.fromhex("06092a864886f70d01010b"))
    response[at + 10] = 5
    error = judged(bytes(response), leaf, root)

    assert error is not None
    assert "signed with sha1, which is too weak" in str(error)


def by_name(signer: CA, pair: tuple[Leaf, CA]) -> bytes:
    """Answer in the name of *signer*, without the hash of its key."""
    leaf, issuer = pair
    is_edwards = signer.certificate.signature_hash_algorithm is None
    return (
        ocsp.OCSPResponseBuilder()
        .add_response(
            *(leaf.certificate, issuer.certificate, hashes.SHA256()),
            *(ocsp.OCSPCertStatus.GOOD, NOW, NOW + DAY, None, None),
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, signer.certificate)
        .sign(signer.key, None if is_edwards else hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


@pytest.mark.parametrize("kind", ["ecdsa", "rsa", "ed25519"])
def test_a_stranger_of_the_same_name(kind: str) -> None:
    """The name of the CA is no signature, whatever the stranger's key is."""
    for ours in ("ecdsa", "rsa"):
        ca, stranger = CA(key_type=ours), CA(key_type=kind)
        leaf = ca.issue(HOST)
        assert None is judged(by_name(ca, (leaf, ca)), leaf, ca)
        error = judged(by_name(stranger, (leaf, ca)), leaf, ca)

        assert error is not None
        assert "ocsp-signature" == error.code


def test_revoked_without_a_reason(ca: CA) -> None:
    """A reason is told if there is one."""
    leaf = ca.issue(HOST)
    response = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            *(leaf.certificate, ca.certificate, hashes.SHA256()),
            *(ocsp.OCSPCertStatus.REVOKED, NOW, None, NOW - DAY, None),
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, ca.certificate)
        .sign(ca.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    error = judged(response, leaf, ca)

    assert error is not None
    assert error.revocation is not None
    assert "" == error.revocation[1]


def test_a_trusted_peer_answers_for_itself(ca: CA) -> None:
    """A self-signed certificate that is trusted signs its own response."""
    own = Leaf(ca.key, (ca.certificate,))
    scene = VerificationScene(
        built=(ca.certificate.public_bytes(Encoding.DER),), at=NOW
    )

    check_staple(ca.ocsp(own), scene, required=True)


def test_nobody_answers_for_what_another_issued(ca: CA) -> None:
    """A certificate whose issuer is not known is no issuer of its own."""
    leaf = ca.issue(HOST)
    scene = VerificationScene(
        built=(leaf.certificate.public_bytes(Encoding.DER),), at=NOW
    )
    own = make_ocsp_response(
        (leaf.certificate, leaf.certificate),
        "good",
        (NOW - DAY, NOW + DAY),
        Leaf(leaf.key, (leaf.certificate,)),
    )
    for response in (own, ca.ocsp(leaf)):
        with pytest.raises(tlskit.VerificationError) as caught:
            check_staple(response, scene, required=False)

        assert "ocsp-failed" == caught.value.code
        assert "certificate of its CA is not known" in str(caught.value)


def test_no_chain() -> None:
    """Without a certificate there is nothing to be good."""
    with pytest.raises(tlskit.VerificationError) as caught:
        check_staple(b"", VerificationScene(), required=False)

    assert "ocsp-failed" == caught.value.code


def test_features(ca: CA) -> None:
    """Only status_request demands a staple."""
    kinds = x509.TLSFeatureType
    for features, demands in (
        ([kinds.status_request], True),
        ([kinds.status_request_v2], False),
        ([kinds.status_request_v2, kinds.status_request], True),
    ):
        leaf = ca.issue(HOST, extensions=[(x509.TLSFeature(features), False)])

        assert demands is must_staple(leaf.certificate)
    assert not must_staple(ca.certificate)


_CA = CA()
_LEAF = _CA.issue(HOST)
_GOOD = _CA.ocsp(_LEAF)


@settings(max_examples=200)
@given(st.integers(0, len(_GOOD) - 1), st.integers(1, 255), st.booleans())
def test_damage_is_never_accepted(at: int, change: int, cut: bool) -> None:
    """A response with any byte changed, or cut, is refused by our error."""
    damaged = bytearray(_GOOD)
    damaged[at] ^= change
    error = judged(bytes(damaged[:at] if cut else damaged), _LEAF, _CA)

    assert error is not None
    assert error.hint


def test_status_of_the_maker(ca: CA) -> None:
    """``CA.ocsp`` knows three statuses."""
    leaf = ca.issue(HOST)
    for status, code in (("revoked", "revoked"), ("unknown", "ocsp-unknown")):
        error = judged(ca.ocsp(leaf, status), leaf, ca)

        assert error is not None
        assert code == error.code
    with pytest.raises(ValueError, match="good, revoked, unknown"):
        ca.ocsp(leaf.certificate, "bad")
