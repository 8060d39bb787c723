"""``tlskit ca`` as a process, judged by other programs' verifiers."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tlskit import ConfigurationError, connect, testing
from tlskit.cli import disk
from tlskit.cli.ca import issue as _ca_issue
from tlskit.cli.ca.authority import Authority
from tlskit.cli.exit import ExitCode
from tlskit.cli.main import run
from tlskit.cli.names import Limits, names_in

from ..command import PATIENCE, PYTHON, serving
from ..command import tlskit as run_tlskit
from ..peers import needs
from .test_cli_serve import trusting

KEYS = ("ecdsa", "rsa", "rsa-pss", "ed25519", "ed448")


class Place:
    """A directory to work in, and the command ``ca`` in this process."""

    def __init__(self, path, capsys):
        self.path = path
        self.capsys = capsys

    def __call__(self, *arguments, status=0):
        """Run it; give what it prints, stdout or else stderr."""
        assert status == run(["ca", *arguments])
        out, err = self.capsys.readouterr()
        return err if status else out

    def data(self, *arguments):
        """The same with ``--json``."""
        return json.loads(self(*arguments, "--json"))

    def read(self, name):
        """Parse a certificate."""
        pem = self.path.joinpath(name).read_bytes()
        return x509.load_pem_x509_certificate(pem)

    def openssl(self, *arguments):
        """Verify with another program; give its words."""
        done = subprocess.run(
            ["openssl", "verify", "-CAfile", "tlskit-ca/ca.pem", *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            cwd=self.path,
            check=False,
        )
        return done.stdout + done.stderr


@pytest.fixture
def place(tmp_path, capsys, monkeypatch):
    """A directory of the test's own, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path, capsys)


@pytest.fixture
def made(place):
    """The same, with a CA in it."""
    place("init")
    return place


def mode(path):
    """Give permissions."""
    return stat.S_IMODE(path.stat().st_mode)


def requested(key, *names, forged=False):
    """Make a signing request as PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "wish")])
    )
    builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName(map(x509.DNSName, names)), False
        )
    made = builder.sign(key, hashes.SHA256())
    der = made.public_bytes(serialization.Encoding.DER)
    if forged:
        der = der.replace(b"wish", b"bank")
    return x509.load_der_x509_csr(der).public_bytes(serialization.Encoding.PEM)


# -- a process --------------------------------------------------------------


def test_a_certificate_serves_who_trusts_the_ca(tmp_path):
    """init, issue, serve: and a verifying client accepts it."""
    directory = str(tmp_path / "ca")
    init = run_tlskit("ca", "init", directory, "--json")
    issue = run_tlskit(
        *("ca", "issue", "localhost", "127.0.0.1", "--client", "alice"),
        *("--ca", directory, "--out", str(tmp_path), "--json"),
    )
    server, client = json.loads(issue.stdout)["issued"]
    ca_file = json.loads(init.stdout)["ca_file"]
    with serving(
        *("--json", "--client-ca", ca_file),
        *("--cert", server["certificate_file"], "--key", server["key_file"]),
    ) as process:
        listening = process.event()
        context = trusting(
            ca_file,
            certificate_chain=client["certificate_file"],
            private_key=client["key_file"],
        )
        with connect(
            "127.0.0.1", listening["port"], context, timeout=PATIENCE
        ) as port:
            assert port.peer_verified
            told = process.event()

    assert (0, "", 0, "") == (
        *(init.returncode, init.stderr),
        *(issue.returncode, issue.stderr),
    )
    assert "CN=alice" == told["verification"]["chain"][0]["subject"]


@pytest.mark.skipif(os.name == "nt", reason="no permissions")
@pytest.mark.parametrize("umask", [0o000, 0o777, 0o022])
def test_keys_are_private_whatever_the_umask(tmp_path, umask):
    """Private keys are 0600, certificates can be read by all."""

    def loosen():
        os.umask(umask)

    for arguments in (("init",), ("issue", "localhost", "--client", "a")):
        subprocess.run(
            [*PYTHON, "-m", "tlskit", "ca", *arguments],
            cwd=tmp_path,
            # It only makes a system call.
            preexec_fn=loosen,
            timeout=PATIENCE,
            capture_output=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            check=True,
        )
    files = list(tmp_path.rglob("*.pem"))

    assert 6 == len(files)
    for each in files:
        wanted = 0o600 if "key" in each.name else 0o644
        assert wanted == mode(each)
    assert 0o700 == mode(tmp_path / "tlskit-ca")
    for each in (tmp_path / "tlskit-ca").iterdir():  # The lock is one, too.
        assert 0o600 == mode(each) & 0o600


def test_help_is_for_newcomers():
    """The group and both commands explain themselves by examples."""
    group = run_tlskit("ca", "--help")
    issue = run_tlskit("ca", "issue", "--help")

    assert "  tlskit ca init\n" in group.stdout
    assert "  tlskit ca issue localhost --bad wrong-host\n" in issue.stdout
    for kind in _ca_issue._BAD:
        assert kind in issue.stdout


# -- the CA -----------------------------------------------------------------


@pytest.mark.parametrize("key_type", KEYS)
def test_a_ca_may_sign_certificates_and_no_cas(place, key_type):
    """CA:TRUE, keyCertSign and cRLSign, and no CA below it."""
    place("init", "--key-type", key_type, "--days", "30", "--name", "mine")
    place("issue", "a.example", "--out", "a/b")
    place("issue", "a.example", "--out", "a/b", "--force")
    certificate = place.read("tlskit-ca/ca.pem")
    basic = certificate.extensions.get_extension_for_class(
        x509.BasicConstraints
    )
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    days = certificate.not_valid_after_utc - datetime.now(timezone.utc)

    assert "CN=mine" == certificate.subject.rfc4514_string()
    assert (True, 0, True) == (
        basic.value.ca,
        basic.value.path_length,
        basic.critical,
    )
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature
    assert 29 == days.days


def test_two_cas_have_two_names(place):
    """Or a verifier would take one for the other."""
    one, two = place.data("init", "a"), place.data("init", "b")

    assert one["certificate"]["subject"] != two["certificate"]["subject"]


def test_it_says_how_to_trust_it(place):
    """The text has the file, a command, and what to keep."""
    text = place("init", "my ca")

    assert text.startswith("good: made CN=tlskit local CA ")
    assert f"SSL_CERT_FILE='{place.path}/my ca/ca.pem'" in text
    assert "my ca/ca-key.pem, for nobody else" in text
    assert "tlskit ca trust --ca 'my ca'" in text


def test_a_ca_is_not_overwritten(made):
    """Not without ``--force``, and then it is another one."""
    before = made.read("tlskit-ca/ca.pem")
    complaint = made("init", status=1)
    between = made.read("tlskit-ca/ca.pem")
    made("issue", "a.example", "--bad", "revoked")
    made("init", "--force")
    after = made.read("tlskit-ca/ca.pem")

    assert "exists, and is left as it is" in complaint
    assert "--force" in complaint
    assert before == between != after
    # What the old CA has revoked is not the new one's.
    assert not made.path.joinpath("tlskit-ca", "crl.pem").exists()


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "\x1b[31m"])
def test_odd_names_of_a_ca_are_refused(place, name):
    """X.509 has room for 64 characters, which one should see."""
    assert "printable characters" in place("init", "--name", name, status=1)


# -- limits -----------------------------------------------------------------


@needs("openssl")
def test_limits_are_obeyed_by_openssl(place):
    """A CA for one domain is believed in that domain only."""
    place("init", "--only", "example.test", "--only", "127.0.0.0/8")
    place(
        *("issue", "a.example.test", "*.example.test", "127.0.0.1"),
        *("--client", "alice", "--client", "bob@example.test"),
    )
    # Past our own check, for the verifier's.
    outside = Authority.open(place.path / "tlskit-ca").ca
    for base, name in (
        ("x", "a.example"),
        ("y", "192.0.2.1"),
        ("z", "a@b.example"),
        ("w", "::1"),
    ):
        place.path.joinpath(f"{base}.pem").write_bytes(
            outside.issue(name).chain_pem
        )

    assert "a.example.test.pem: OK" in place.openssl(
        "-x509_strict", "-purpose", "sslserver", "a.example.test.pem"
    )
    for name in ("alice", "bob@example.test"):
        assert "OK" in place.openssl(
            "-x509_strict", "-purpose", "sslclient", f"{name}-client.pem"
        )
    for base in "xyzw":
        assert "subtree violation" in place.openssl(f"{base}.pem") or (
            "excluded subtree" in place.openssl(f"{base}.pem")
        )


@needs("openssl")
def test_a_network_alone_excludes_all_names(place):
    """A CA for addresses is not one for every host name as well."""
    place("init", "--only", "127.0.0.0/8")
    place("issue", "127.0.0.1", "--client", "J. Smith")
    outside = Authority.open(place.path / "tlskit-ca").ca
    place.path.joinpath("x.pem").write_bytes(outside.issue("a.b").chain_pem)

    assert "127.0.0.1.pem: OK" in place.openssl("127.0.0.1.pem")
    assert "OK" in place.openssl("J._Smith-client.pem")
    assert "subtree" in place.openssl("x.pem")


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.example"],
        ["xexample.test"],
        ["a.example.test", "192.0.2.1"],
        ["::1"],
        ["--client", "a@sub.example.test"],
        ["--client", "a.example"],
        ["a.example.test", "--bad", "wrong-host"],
    ],
)
def test_nothing_is_issued_outside_the_limits(place, arguments):
    """It would be refused by everybody; so it is here, and at once."""
    place("init", "--only", ".example.test", "--only", "127.0.0.0/8")
    complaint = place("issue", *arguments, status=1)

    assert "may issue for example.test, 127.0.0.0/8 only" in complaint
    assert not list(place.path.glob("*.pem"))


@pytest.mark.parametrize("limit", ["", "a b", "x@example.test", "10.0.0.1/8"])
def test_odd_limits_are_refused(place, limit):
    """A domain or a network, or nothing is made."""
    place("init", "--only", limit, status=1)

    assert not place.path.joinpath("tlskit-ca").exists()


@needs("openssl")
def test_a_domain_alone_excludes_all_addresses(place):
    """A CA for a domain is not one for every address as well."""
    place("init", "--only", "example.test")
    place("issue", "example.test")
    outside = Authority.open(place.path / "tlskit-ca").ca
    place.path.joinpath("x.pem").write_bytes(
        outside.issue("::1", common_name="no host").chain_pem
    )

    assert "example.test.pem: OK" in place.openssl("example.test.pem")
    assert "excluded subtree" in place.openssl("x.pem")


def test_limits_are_read_as_they_were_written():
    """What ``extensions`` says, ``of`` understands."""
    limits = Limits.parse(["Example.Test", "*.b.test", "::1", "10.0.0.0/8"])
    root = testing.CA(extensions=limits.extensions)

    assert ("example.test", "b.test") == limits.domains
    assert limits == Limits.of(root.certificate)
    assert Limits() == Limits.of(testing.CA().certificate)


# -- issuing ----------------------------------------------------------------


@needs("openssl")
@pytest.mark.parametrize("key_type", KEYS)
def test_servers_and_clients_get_what_they_need(made, key_type):
    """Each has its own purpose, and the names that were given."""
    made(
        *("issue", "LOCALHOST", "127.0.0.1", "[::1]", "*.Example.org"),
        *("--client", "alice", "--client", "bob@example.org"),
        *("--client", "c.example", "--key-type", key_type, "--days", "7"),
    )
    server = made.read("localhost.pem")
    names = server.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value

    assert ["localhost", "*.example.org"] == names.get_values_for_type(
        x509.DNSName
    )
    assert ["127.0.0.1", "::1"] == list(
        map(str, names.get_values_for_type(x509.IPAddress))
    )
    for purpose, good, bad in (
        ("sslserver", "localhost", "alice-client"),
        ("sslclient", "alice-client", "localhost"),
        ("sslclient", "bob@example.org-client", "localhost"),
        ("sslclient", "c.example-client", "localhost"),
    ):
        assert f"{good}.pem: OK" in made.openssl(
            "-x509_strict", "-purpose", purpose, f"{good}.pem"
        )
        assert "unsuitable certificate purpose" in made.openssl(
            "-purpose", purpose, f"{bad}.pem"
        )
    left = server.not_valid_after_utc - datetime.now(timezone.utc)
    assert 6 == left.days


def test_a_certificate_does_not_outlive_its_ca(place):
    """Nobody would accept it after that."""
    place("init", "--days", "10")
    place("issue", "localhost", "--days", "90")
    ca_end = place.read("tlskit-ca/ca.pem").not_valid_after_utc

    assert ca_end == place.read("localhost.pem").not_valid_after_utc


#: What ``openssl verify`` finds wrong, if it looks for all there is.
COMPLAINTS = {
    "expired": "certificate has expired",
    "not-yet-valid": "certificate is not yet valid",
    "wrong-host": "hostname mismatch",
    "self-signed": "self-signed certificate",
    "no-san": "hostname mismatch",
    "revoked": "certificate revoked",
    "weak-key": "EE certificate key too weak",
    "missing-intermediate": "unable to get local issuer certificate",
    "wrong-purpose": "unsuitable certificate purpose",
}


@needs("openssl")
@pytest.mark.parametrize("kind", list(_ca_issue._BAD))
def test_bad_certificates_are_bad(made, kind):
    """Each has the fault that it is named after, by openssl's verdict."""
    text = made("issue", "a.example", "--bad", kind)
    certificate = made.read(f"a.example-{kind}.pem")
    options = [
        *("-purpose", "sslserver", "-auth_level", "2"),
        *("-verify_hostname", "a.example"),
    ]
    if kind == "revoked":
        options += ["-crl_check", "-CRLfile", "tlskit-ca/crl.pem"]
        assert "revocation list  tlskit-ca/crl.pem" in text
    if kind == "no-san":
        # OpenSSL falls back to common names; tlskit and browsers don't.
        with pytest.raises(x509.ExtensionNotFound):
            certificate.extensions.get_extension_for_class(
                x509.SubjectAlternativeName
            )
        return
    found = made.openssl(*options, f"a.example-{kind}.pem")

    assert COMPLAINTS[kind] in found
    assert _ca_issue._BAD[kind] in text


@needs("openssl")
def test_what_was_revoked_stays_revoked(made):
    """The list grows, and a good certificate is not on it."""
    made("issue", "a.example", "--bad", "revoked")
    made("issue", "b.example", "--bad", "revoked")
    made("issue", "c.example")
    check = ["-crl_check", "-CRLfile", "tlskit-ca/crl.pem"]

    for name in "ab":
        assert "certificate revoked" in made.openssl(
            *check, f"{name}.example-revoked.pem"
        )
    assert "c.example.pem: OK" in made.openssl(*check, "c.example.pem")


def test_the_data_say_where_everything_is(made):
    """``--json`` has every file, the fault and the list."""
    data = made.data("issue", "a.example", "--bad", "revoked")
    (issued,) = data["issued"]

    assert (1, "tlskit-ca/ca.pem", "tlskit-ca/crl.pem") == (
        data["schema"],
        data["ca_file"],
        data["crl_file"],
    )
    assert ("bad", "revoked") == (issued["kind"], issued["bad"])
    assert Path(issued["certificate_file"]).exists()
    assert Path(issued["key_file"]).exists()
    assert ["a.example"] == issued["certificate"]["names"]


def test_no_private_key_is_printed(made):
    """Neither as text nor as data."""
    text = made("issue", "a.example", "--client", "b")
    data = made("issue", "c.example", "--json")

    for name in ("a.example-key.pem", "b-client-key.pem", "c.example-key.pem"):
        body = made.path.joinpath(name).read_text().splitlines()[2]
        assert body not in text + data
    assert "BEGIN" not in text + data


# -- requests ---------------------------------------------------------------


def test_a_request_brings_its_own_key(made):
    """Only its key and its names count; a CA it does not become."""
    key = ec.generate_private_key(ec.SECP256R1())
    csr = made.path / "r.csr"
    csr.write_bytes(requested(key, "w.example"))
    data = made.data("issue", "--csr", str(csr), "--days", "5")
    text = made("issue", "other.example", "--csr", str(csr))
    certificate = made.read("w.example.pem")
    basic = certificate.extensions.get_extension_for_class(
        x509.BasicConstraints
    )

    assert key.public_key() == certificate.public_key()
    assert data["issued"][0]["key_file"] is None
    assert not basic.value.ca
    assert "private key" not in text
    assert ["other.example"] == made.data(
        "issue", "other.example", "--csr", str(csr), "--force"
    )["issued"][0]["certificate"]["names"]


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        (b"garbage", "neither as PEM nor as DER"),
        (b"", "is empty"),
        (testing.CA().pem, "no signing request"),
        (
            requested(ec.generate_private_key(ec.SECP256R1())),
            "names no host",
        ),
        (
            requested(rsa.generate_private_key(65537, 1024), "a.example"),
            "1024 bits",
        ),
        (
            requested(
                ec.generate_private_key(ec.SECP256R1()), "a.b", forged=True
            ),
            "not signed by its own key",
        ),
        (
            requested(ec.generate_private_key(ec.SECP256R1()), "a.b").replace(
                b"BEGIN CERT", b"BEGIN X509 CERT"
            ),
            "no signing request",
        ),
    ],
)
def test_bad_requests_are_refused(made, pem, words):
    """Garbage, weak keys, no names, forgery: status 1, and no file."""
    csr = made.path / "r.csr"
    csr.write_bytes(pem)

    assert words in made("issue", "--csr", str(csr), status=1)
    assert not list(made.path.glob("*.pem"))


def test_a_request_with_broken_extensions_is_refused(made):
    """What can't be read is not signed."""
    good = requested(ec.generate_private_key(ec.SECP256R1()), "a.example")
    der = x509.load_pem_x509_csr(good).public_bytes(serialization.Encoding.DER)
    at = der.index(bytes.fromhex("0603551d11")) + 5
    csr = made.path / "r.csr"
    csr.write_bytes(der[:at] + bytes([der[at] + 1]) + der[at + 1 :])

    assert "malformed" in made("issue", "--csr", str(csr), status=1)


# -- refusing ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give a host name"),
        (["--bad", "expired"], "give a host name"),
        (["a", "--bad", "expired", "--client", "b"], "--bad takes host names"),
        (["a", "--bad", "expired", "--days", "3"], "--bad takes host names"),
        (["a", "--bad", "expired", "--csr", "x"], "--bad takes host names"),
        (["--csr", "x", "--client", "b"], "brings its own key"),
        (["--csr", "x", "--key-type", "rsa"], "brings its own key"),
        (["a", "--bad", "nonsense"], "nonsense"),
        (["a b"], "white space"),
        (["*.127.0.0.1"], "no wildcard for addresses"),
        ([""], "no host name"),
        (["ü@example.org"], "no host name"),
        (["--client", ""], "printable characters"),
        (["--client", "x\ny"], "printable characters"),
        (["--client", "a..b"], "a..b"),
        (["--csr", "missing.csr"], "No such file"),
        (["a", "--client", "a", "--client", "a/"], None),
        (["a", "--client", "x/y", "--client", "x_y"], "two files"),
        (["a", "--days", "0"], "--days"),
    ],
)
def test_what_can_t_be_issued(made, arguments, words):
    """Status 1 and a sentence; or files that lead nowhere else."""
    if words is None:
        made("issue", *arguments)
        assert made.path.joinpath("a_-client.pem").exists()
        return

    assert run(["ca", "issue", *arguments]) == ExitCode.USAGE
    assert words in made.capsys.readouterr().err
    assert not list(made.path.glob("*.pem"))


def test_a_client_s_name_leads_nowhere_else(made):
    """Its file lies in the directory that was given, whatever it is."""
    made("issue", "--client", "../../etc/pass wd", "--client", "-rf")

    assert ["_.._etc_pass_wd-client.pem", "rf-client.pem"] == sorted(
        each.name for each in made.path.glob("*.pem") if "key" not in each.name
    )


def test_files_are_not_overwritten(made):
    """Neither the certificate nor its key, and neither is left alone."""
    made("issue", "a.example")
    before = made.path.joinpath("a.example.pem").read_bytes()
    made.path.joinpath("a.example-key.pem").unlink()
    complaint = made("issue", "a.example", status=1)
    between = made.path.joinpath("a.example.pem").read_bytes()

    assert "a.example.pem exists" in complaint
    assert before == between
    assert not made.path.joinpath("a.example-key.pem").exists()
    made("issue", "a.example", "--force")
    assert before != made.path.joinpath("a.example.pem").read_bytes()


def test_without_a_ca_it_says_how_to_make_one(place):
    """The hint is the command."""
    assert "tlskit ca init" in place("issue", "localhost", status=1)


def broken_cas(ca_path):
    """Break a CA in every way; give what is said of it."""
    certificate, key = ca_path / "ca.pem", ca_path / "ca-key.pem"
    now = datetime.now(timezone.utc)
    day = timedelta(days=1)
    leaf = testing.CA().issue("x")
    old = testing.CA("old", valid=(now - 3 * day, now - day))
    certificate.write_bytes(leaf.chain_pem)
    key.write_bytes(leaf.key_pem)
    yield "is no CA's"
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bare")])
    bare = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(leaf.key.public_key())
        .serial_number(1)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .sign(leaf.key, hashes.SHA256())
    )
    certificate.write_bytes(bare.public_bytes(serialization.Encoding.PEM))
    yield "is no CA's"
    certificate.write_bytes(old.pem)
    key.write_bytes(testing.Leaf(old.key, ()).key_pem)
    yield "out of its time"
    certificate.write_bytes(testing.CA().pem)
    yield "does not belong"
    certificate.write_bytes(b"garbage")
    yield "ca.pem"
    certificate.write_bytes(leaf.chain_pem)
    key.unlink()
    yield "ca-key.pem"


def test_a_broken_ca_issues_nothing(made):
    """Whatever is wrong with its two files: a sentence, and status 1."""
    for words in broken_cas(made.path / "tlskit-ca"):
        assert words in made("issue", "localhost", status=1)

    assert not list(made.path.glob("*.pem"))


@pytest.mark.skipif(os.name == "nt", reason="no permissions")
def test_an_exposed_key_is_told(made):
    """Others might read it: a word on stderr, and the work is done."""
    made.path.joinpath("tlskit-ca", "ca-key.pem").chmod(0o640)

    assert run(["ca", "issue", "localhost"]) == 0
    assert "chmod 600" in made.capsys.readouterr().err


# -- files ------------------------------------------------------------------


def listing(path):
    """Give the names in a directory, hidden ones too."""
    return sorted(each.name for each in path.iterdir())


def test_what_can_t_be_written_leaves_nothing(tmp_path):
    """Neither a half of the files nor what they were made of."""
    files = [
        disk.File(tmp_path / "a", b"a"),
        disk.File(tmp_path / "missing" / "b", b"b"),
    ]
    with pytest.raises(ConfigurationError, match="can't write"):
        disk.write_all(files)

    assert [] == listing(tmp_path)


def test_a_file_that_comes_in_between_is_kept(tmp_path, monkeypatch):
    """Of two at once one wins, and the other takes back what it placed."""
    stage = disk._stage

    def staged(file, known):
        stage(file, known)
        tmp_path.joinpath("b").write_bytes(b"theirs")

    monkeypatch.setattr(disk, "_stage", staged)
    files = [disk.File(tmp_path / name, b"ours") for name in "ab"]
    with pytest.raises(ConfigurationError, match="exists"):
        disk.write_all(files)

    assert ["b"] == listing(tmp_path)
    assert b"theirs" == tmp_path.joinpath("b").read_bytes()


def test_a_link_is_not_followed(tmp_path):
    """What a link points at is neither overwritten nor made."""
    target = tmp_path / "target"
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(ConfigurationError, match="exists"):
        disk.write_all([disk.File(link, b"x")])
    disk.write_all([disk.File(link, b"x")], force=True)

    assert not target.exists()
    assert not link.is_symlink()


def test_a_directory_that_can_t_be_made_is_told(tmp_path):
    """A file is in the way."""
    tmp_path.joinpath("file").touch()
    with pytest.raises(ConfigurationError, match="can't write"):
        disk.make_directory(tmp_path / "file" / "below")


def test_names_are_parsed_once():
    """Each name is as certificates have it, and stands once."""
    given = ["A.example", "a.example.", "*.B.example", "192.0.2.1", "[::1]"]
    parsed = ("a.example", "*.b.example", "192.0.2.1", "::1", "c@d.example")

    assert parsed == names_in([*given, "::1", "c@d.example"])
