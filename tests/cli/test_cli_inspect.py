"""``tlskit inspect`` as a process, on files that other programs made."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import threading
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from tlskit import ServerContext, listen, testing
from tlskit.cli import material, secrets, unpack
from tlskit.cli.data import certificate_data
from tlskit.cli.exit import ExitCode
from tlskit.cli.inspect import chains
from tlskit.cli.main import run
from tlskit.x509.der import element, elements, fields

from ..altered import altered
from ..command import PATIENCE, PYTHON, _environment
from ..command import tlskit as run_tlskit
from ..peers import needs

PASSWORD = "correct horse"
PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER


def openssl(*arguments, data=None):
    """Run the program; give what it prints."""
    done = subprocess.run(
        ["openssl", *arguments],
        input=data,
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout


def inspect(*arguments, **variables):
    """Run the command in this process, which is quicker than in another."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, variables),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        status = run(["inspect", *arguments])
    return SimpleNamespace(
        returncode=status, stdout=out.getvalue(), stderr=err.getvalue()
    )


def inspect_json(*arguments, status=0, **variables):
    """Give the data of a run that ends with *status*."""
    done = inspect("--json", *arguments, **variables)

    assert (status, "") == (done.returncode, done.stderr)
    return json.loads(done.stdout)


def refused(*arguments, **variables):
    """Give the complaint of a run that shows nothing; its status is 1."""
    done = inspect(*arguments, **variables)

    assert (ExitCode.USAGE, "") == (done.returncode, done.stdout)
    return done.stderr


@pytest.fixture(scope="module")
def root():
    """A root CA."""
    return testing.CA("root of inspect")


@pytest.fixture(scope="module")
def leaf(root):
    """A certificate below an intermediate CA."""
    return root.intermediate("between", path_length=0).issue(
        "a.example", "192.0.2.1"
    )


@pytest.fixture
def put(tmp_path):
    """Write bytes to a file; give its path."""

    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write


def pin_by_openssl(certificate_pem):
    """Compute a pin with another program."""
    public = openssl("x509", "-pubkey", "-noout", data=certificate_pem)
    spki = openssl("pkey", "-pubin", "-outform", "DER", data=public)
    digest = hashlib.sha256(spki).digest()
    return "sha256/" + base64.b64encode(digest).decode()


# -- certificates -----------------------------------------------------------


@needs("openssl")
def test_everything_about_a_certificate(put, leaf, root):
    """Names, key, times, usage, pin and fingerprints, as openssl has them."""
    path = put("leaf.pem", leaf.certificate.public_bytes(PEM))
    (found,) = inspect_json(path)["objects"]
    fingerprint = openssl("x509", "-in", path, "-noout", "-fingerprint")
    serial = openssl("x509", "-in", path, "-noout", "-serial")

    assert "certificate" == found["kind"]
    assert ("CN=a.example", "CN=between") == (
        found["subject"],
        found["issuer"],
    )
    assert ["a.example", "192.0.2.1"] == found["names"]
    assert pin_by_openssl(leaf.chain_pem) == found["key"]["pin"]
    assert ("EC", 256, "secp256r1") == (
        found["key"]["type"],
        found["key"]["size"],
        found["key"]["curve"],
    )
    assert "ECDSA with SHA256" == found["signature"]
    assert ("valid", 89) == (found["validity"], found["days_left"])
    assert ["digitalSignature"] == found["key_usage"]
    assert ["serverAuth", "clientAuth"] == found["extended_key_usage"]
    assert (False, None) == (found["ca"], found["path_length"])
    sha1 = fingerprint.decode().partition("=")[2].strip()
    assert sha1.replace(":", "").lower() == found["sha1"]
    number = serial.decode().partition("=")[2].strip().lower()
    assert number.lstrip("0") == found["serial"]
    assert (
        leaf.certificate.fingerprint(hashes.SHA256()).hex()
        == (found["sha256"])
    )


def test_the_text_has_it_all(put, leaf):
    """The verdict comes first; there is no escape in what is no terminal."""
    done = run_tlskit("inspect", put("c.pem", leaf.chain_pem + leaf.key_pem))

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("good: 2 certificates, 1 private key\n")
    assert "\x1b" not in done.stdout
    for words in (
        "certificate 0: CN=a.example",
        "certificate 1: CN=between",
        "names      a.example, 192.0.2.1",
        "89 days left",
        "serverAuth",
        "CA         yes; 0 more below it",
        "issuer     CN=root of inspect, which is not here",
        "belongs to  certificate 0: CN=a.example",
    ):
        assert words in done.stdout


def test_no_color_and_colours(put, leaf):
    """NO_COLOR wins over a wish for colours."""
    path = put("c.pem", leaf.chain_pem)
    wish = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    coloured = run_tlskit("inspect", path, **wish).stdout
    plain = run_tlskit("inspect", path, **wish, NO_COLOR="1").stdout

    assert "\x1b[" in coloured
    assert "\x1b" not in plain


def test_a_chain_is_brought_into_order(put, leaf, root):
    """Root first in the file, an end's own first in what is shown."""
    pems = [each.public_bytes(PEM) for each in leaf.chain]
    path = put("c.pem", b"".join([root.pem, *reversed(pems)]))
    data = inspect_json(path)
    places = [(each["chain"], each["depth"]) for each in data["objects"]]

    assert [(0, 0), (0, 1), (0, 2)] == places
    assert [1, 2, 2] == [each["issued_by"] for each in data["objects"]]
    assert ["CN=a.example", "CN=between", "CN=root of inspect"] == [
        each["subject"] for each in data["objects"]
    ]
    assert any("order" in each for each in data["findings"])


def test_an_orderly_chain_is_not_complained_about(put, leaf):
    """What is stored as servers send it has no findings."""
    assert [] == inspect_json(put("c.pem", leaf.chain_pem))["findings"]


def test_pem_prints_the_chain_in_order(put, leaf, root):
    """``--pem`` gives what a server can use."""
    pems = [each.public_bytes(PEM) for each in leaf.chain]
    done = run_tlskit(
        "inspect", "--pem", put("c.pem", pems[1] + b"junk\n" + pems[0])
    )

    assert b"".join(pems).decode() == done.stdout


def test_pins_can_be_used(put, leaf):
    """``--pin`` gives what ``set_pins`` takes, a line each, once each."""
    path = put("c.pem", leaf.chain_pem + leaf.key_pem)
    done = inspect("--pin", path)
    pins = done.stdout.splitlines()
    context = ServerContext("auto")
    context.set_pins(pins)

    assert [pin_by_openssl(leaf.chain_pem)] == pins[:1]
    assert 2 == len(pins)


def test_short_is_a_line_each(put, leaf, root):
    """``--short`` has kind, names, key, days and pin."""
    path = put("c.pem", leaf.chain_pem + leaf.key_pem + root.crl())
    lines = inspect("--short", path).stdout.splitlines()

    assert 4 == len(lines)
    assert lines[0].startswith(
        "certificate 0: CN=a.example  a.example, 192.0.2.1  EC secp256r1  "
        "89 days left  sha256/"
    )
    assert lines[2].startswith("private key  EC secp256r1  sha256/")
    assert "0 revoked" in lines[3]


@pytest.mark.parametrize(
    ("kind", "validity", "words"),
    [
        ("expired", "expired", "EXPIRED 2 days ago"),
        ("not-yet-valid", "not-yet-valid", "NOT YET VALID"),
    ],
)
def test_what_is_out_of_its_time_is_told(put, root, kind, validity, words):
    """It is shown and remarked on, but no fault of the file."""
    path = put("c.pem", root.issue_bad(kind, "a.example").chain_pem)
    data = inspect_json(path)
    text = inspect(path).stdout

    assert validity == data["objects"][0]["validity"]
    assert [f"CN=a.example is {validity.replace('-', ' ')}"] == (
        data["findings"]
    )
    assert words in text


def test_many_names_are_cut_for_people_only(put, root):
    """Data have all names, the text has twenty."""
    names = [f"n{number}.example" for number in range(50)]
    path = put("c.pem", root.issue(*names).chain_pem)

    assert names == inspect_json(path)["objects"][0]["names"]
    assert "n19.example, and 30 more" in inspect(path).stdout


# -- forms ------------------------------------------------------------------


def request(root):
    """Make a signing request, and its key."""
    key = root.issue("x").key
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "wish")])
    )
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.DNSName("wish.example")]), False
    )
    return builder.sign(key, hashes.SHA256()), key


def p12(leaf, password):
    """Make a PKCS#12 file."""
    return pkcs12.serialize_key_and_certificates(
        b"name",
        leaf.key,
        leaf.certificate,
        leaf.chain[1:],
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption(),
    )


def forms(root, leaf):
    """Give bytes of every kind and form, and the kinds found in them."""
    csr, _ = request(root)
    crl = x509.load_pem_x509_crl(root.crl([leaf]))
    public = leaf.key.public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    plain = serialization.NoEncryption()
    yield leaf.certificate.public_bytes(DER), ["certificate"]
    yield leaf.certificate.public_bytes(PEM), ["certificate"]
    yield b"\xef\xbb\xbf" + leaf.chain_pem, ["certificate"] * 2
    yield leaf.chain_pem.replace(b"\n", b"\r\n"), ["certificate"] * 2
    for encoding in (PEM, DER):
        yield csr.public_bytes(encoding), ["request"]
        yield crl.public_bytes(encoding), ["revocation-list"]
        yield public.public_bytes(encoding, spki), ["public-key"]
        for form in ("PKCS8", "TraditionalOpenSSL"):
            yield (
                leaf.key.private_bytes(
                    encoding,
                    getattr(serialization.PrivateFormat, form),
                    plain,
                ),
                ["private-key"],
            )
        yield (
            pkcs7.serialize_certificates(leaf.chain, encoding),
            ["certificate"] * 2,
        )
    yield p12(leaf, None), ["certificate", "certificate", "private-key"]


@pytest.mark.parametrize("number", range(17))
def test_every_form_is_found_out(put, root, leaf, number):
    """PEM or DER, whatever the file is called."""
    data, kinds = list(forms(root, leaf))[number]
    found = inspect_json(put("thing.dat", data))

    assert kinds == [each["kind"] for each in found["objects"]]
    assert found["good"]


def test_no_form_is_forgotten(root, leaf):
    """The numbers above are those of all forms."""
    assert 17 == len(list(forms(root, leaf)))


def test_stdin_is_read(leaf):
    """A dash is standard input."""
    done = subprocess.run(
        [*PYTHON, "-m", "tlskit", "inspect", "-", "--json"],
        input=leaf.certificate.public_bytes(DER),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    data = json.loads(done.stdout)

    assert [{"name": "stdin", "origin": "stdin"}] == data["sources"]
    assert "certificate" == data["objects"][0]["kind"]


def test_several_files_are_one(put, leaf, root):
    """Certificate and key may be in files of their own."""
    data = inspect_json(
        put("k.pem", leaf.key_pem), put("c.pem", leaf.chain_pem)
    )
    text = inspect(
        put("k.pem", leaf.key_pem), put("c.pem", leaf.chain_pem)
    ).stdout

    assert [0] == data["objects"][2]["fits"]
    assert data["objects"][2]["source"].endswith("k.pem")
    assert data["good"]
    assert "k.pem\n" in text


def test_a_key_of_somebody_else_is_a_fault(put, leaf, root):
    """Status 1, and said in words."""
    path = put("c.pem", leaf.chain_pem + root.issue("b").key_pem)
    data = inspect_json(path, status=1)
    text = inspect(path).stdout

    assert not data["good"]
    assert "belongs to no certificate" in data["findings"][0]
    assert text.startswith("NOT GOOD: ")


@needs("openssl")
def test_a_request_of_openssl(put):
    """Subject, names, key, and who signed it."""
    csr = openssl(
        *("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "-"),
        *("-subj", "/CN=wish", "-addext", "subjectAltName=DNS:w.example"),
    )
    key, found = inspect_json(put("r.pem", csr))["objects"]

    assert ("CN=wish", ["w.example"]) == (found["subject"], found["names"])
    assert ("RSA", 2048) == (found["key"]["type"], found["key"]["size"])
    assert found["signature_valid"]
    assert ("private-key", [1]) == (key["kind"], key["fits"])


def test_a_forged_request_is_a_fault(put, root):
    """Nobody should issue for what the owner of the key did not sign."""
    csr, _ = request(root)
    # It asks for another name than what was signed.
    forged = csr.public_bytes(DER).replace(b"wish.example", b"bank.example")
    data = inspect_json(put("r.der", forged), status=1)

    assert "not signed by its own key" in data["findings"][0]
    assert not data["objects"][0]["signature_valid"]


def test_a_revocation_list(put, root, leaf):
    """Issuer, times, and the serial numbers."""
    path = put("l.pem", root.crl([leaf]))
    (found,) = inspect_json(path)["objects"]
    text = inspect(path).stdout

    assert "CN=root of inspect" == found["issuer"]
    assert [f"{leaf.certificate.serial_number:x}"] == found["revoked"]
    assert (1, False) == (found["revoked_count"], found["stale"])
    assert f"{leaf.certificate.serial_number:x}" in text


def test_a_stale_and_bare_revocation_list(put, root):
    """One that is out of date is remarked on; a number may be missing."""
    now = datetime.now(timezone.utc)
    built = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.certificate.subject)
        .last_update(now - timedelta(days=9))
        .next_update(now - timedelta(days=2))
        .sign(root.key, hashes.SHA256())
    )
    path = put("l.der", built.public_bytes(DER))
    data = inspect_json(path)
    text = inspect(path).stdout

    assert (None, True) == (
        data["objects"][0]["number"],
        data["objects"][0]["stale"],
    )
    assert "out of date" in data["findings"][0]
    assert "OUT OF DATE" in text


def test_other_blocks_are_named(put, leaf):
    """Parameters and SSH keys are no fault, and not looked into."""
    ssh = leaf.key.private_bytes(
        PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    parameters = (
        b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
        b"-----END EC PARAMETERS-----\n"
    )
    path = put("o.pem", parameters + ssh)
    data = inspect_json(path)
    text = inspect(path).stdout

    assert ["EC PARAMETERS", "OPENSSH PRIVATE KEY"] == [
        each["label"] for each in data["objects"]
    ]
    assert "other: EC PARAMETERS" in text
    assert "other: EC PARAMETERS\n" in inspect("--short", path).stdout


def test_an_rsa_public_key_of_old(put):
    """PKCS#1 has a block of its own, which may be broken, too."""
    key = testing.CA(key_type="rsa").key.public_key()
    pem = key.public_bytes(PEM, serialization.PublicFormat.PKCS1)
    broken = pem.replace(b"M", b"!", 1)

    assert "public-key" == inspect_json(put("k", pem))["objects"][0]["kind"]
    assert not inspect_json(put("k", broken), status=1)["good"]


# -- secrets ----------------------------------------------------------------


def key_material(key):
    """Give what must never be printed, in the forms that it could have."""
    numbers = key.private_numbers()
    secret = (
        numbers.private_value
        if hasattr(numbers, "private_value")
        else (numbers.d)
    )
    size = (secret.bit_length() + 7) // 8
    raw = secret.to_bytes(size, "big")
    yield raw.hex()
    yield ":".join(f"{byte:02X}" for byte in raw)
    yield str(secret)
    body = key.private_bytes(
        PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    # The first line of an EC key says the algorithm only.
    yield from (line for line in body.splitlines()[2:-1] if len(line) > 20)


@pytest.mark.parametrize("key_type", ["ecdsa", "rsa"])
@pytest.mark.parametrize(
    "style", [(), ("--short",), ("--pin",), ("--pem",), ("--json",)]
)
def test_no_secret_is_printed(put, root, style, key_type):
    """Neither a key nor a password shows in any form of output."""
    leaf = root.issue("a.example", key_type=key_type)
    locked = leaf.encrypted_key_pem(PASSWORD.encode())
    path = put("c.pem", leaf.chain_pem + leaf.key_pem + locked)
    done = run_tlskit(
        *("inspect", path, *style, "--password-env", "SECRET"),
        SECRET=PASSWORD,
    )
    printed = (done.stdout + done.stderr).replace("\n", " ").lower()

    assert done.returncode == 0
    for secret in (PASSWORD, "PRIVATE KEY-----", *key_material(leaf.key)):
        assert secret.lower() not in printed


def test_a_broken_key_is_not_quoted(put, leaf):
    """What is wrong with a key is said without what is in it."""
    lines = leaf.key_pem.decode().splitlines()
    path = put("k.pem", "\n".join([lines[0], *lines[2:]]).encode())
    data = inspect_json(path, status=1)

    assert "it is malformed, or of an unknown kind" in data["findings"][0]
    assert lines[2] not in json.dumps(data)


# -- passwords --------------------------------------------------------------


@pytest.mark.parametrize("form", ["pem", "der", "p12"])
def test_a_password_from_a_file_or_a_variable(put, leaf, form):
    """Both open what is encrypted."""
    secret = PASSWORD.encode()
    data = {
        "pem": leaf.encrypted_key_pem(secret),
        "der": leaf.key.private_bytes(
            DER,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(secret),
        ),
        "p12": p12(leaf, secret),
    }[form]
    path = put("k", data)
    by_file = inspect_json(
        path, "--password-file", put("pw", secret + b"\r\nmore")
    )
    by_variable = inspect_json(path, "--password-env", "PW", PW=PASSWORD)

    assert by_file == by_variable
    assert "EC" == by_file["objects"][-1]["key"]["type"]


@pytest.mark.parametrize("form", ["pem", "der", "p12"])
def test_a_wrong_password_is_status_1(put, leaf, form):
    """It is said, and the one that was given is not."""
    secret = b"another one"
    data = {
        "pem": leaf.encrypted_key_pem(secret),
        "der": leaf.key.private_bytes(
            DER,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(secret),
        ),
        "p12": p12(leaf, secret),
    }[form]
    complaint = refused(put("k", data), "--password-env", "PW", PW=PASSWORD)

    assert "the password is wrong" in complaint
    assert PASSWORD not in complaint


def test_without_a_password_a_key_is_called_encrypted(put, leaf):
    """Nobody is asked; that it is encrypted is all that is known."""
    path = put("k", leaf.encrypted_key_pem(b"x"))
    data = inspect_json(path)
    text = inspect(path).stdout
    short = inspect("--short", path).stdout

    assert data["objects"][0]["key"] is None
    assert data["good"]
    assert "private key, encrypted" in text
    assert "--password-file" in text
    assert "private key, encrypted\n" == short


def test_a_p12_without_its_password_is_status_1(put, leaf):
    """There is nothing to show, and a hint."""
    complaint = refused(put("k.p12", p12(leaf, b"x")))

    assert "it needs a password" in complaint
    assert "--password-env" in complaint


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--password-env", "NO_SUCH_VARIABLE"], "no variable"),
        (["--password-file", "no-such-file"], "No such file"),
        (["--password-env", "A", "--password-file", "b"], "enough"),
        (["--ask-password"], "needs a terminal"),
    ],
)
def test_a_password_that_can_t_be_had(put, leaf, options, words):
    """Every way has its complaint; nothing prompts."""
    done = subprocess.run(
        [
            *(*PYTHON, "-m", "tlskit", "inspect"),
            *(put("k", leaf.encrypted_key_pem(b"x")), *options),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=_environment({}),
        check=False,
    )

    assert (ExitCode.USAGE, "") == (done.returncode, done.stdout)
    assert words in done.stderr


def test_on_a_terminal_one_may_be_asked(monkeypatch):
    """Only there, only on demand, and the answer is hidden."""
    asked = {}

    def prompt(text, **options):
        asked.update(options)
        return "said"

    monkeypatch.setattr(secrets.sys.stdin, "isatty", lambda: True, False)
    monkeypatch.setattr(secrets.click, "prompt", prompt)

    assert b"said" == secrets.password_from(None, None, ask=True)
    assert {"hide_input": True, "err": True} == asked


# -- what is bad ------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"hello, world\n", "neither as PEM nor as DER"),
        (b"\x00" * 1000, "neither as PEM nor as DER"),
        (b"\x30\x82\x01\x00\x02\x01\x03\x30garbage", "PKCS#12"),
        (b"\x30\x82\xff\xff" + b"x" * 100, "neither as PEM nor as DER"),
        (b"-----BEGIN X-----\n-----END X-----\n" * 2001, "2001 blocks"),
    ],
)
def test_garbage_is_status_1(put, data, words):
    """A sentence tells what is wrong, and nothing is shown."""
    assert words in refused(put("g.pem", data))


def test_a_huge_file_is_refused(tmp_path):
    """More than 16 MiB are not even read to the end."""
    path = tmp_path / "huge.pem"
    with path.open("wb") as file:
        file.truncate(17 * 1024 * 1024)

    assert "more than 16777216 bytes" in refused(str(path))


@pytest.mark.skipif(os.name == "nt", reason="no /dev/zero")
def test_an_endless_file_is_refused():
    """The bound is on what is read, not on what a file says to have."""
    done = run_tlskit("inspect", "/dev/zero")

    assert (ExitCode.USAGE, "") == (done.returncode, done.stdout)
    assert "more than 16777216 bytes" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_can_t_be_read_is_status_1(tmp_path):
    """Missing files, directories and odd names."""
    assert "No such file" in refused(str(tmp_path / "missing.pem"))
    assert "No such file" in refused("missing.PEM")
    assert "irectory" in refused(str(tmp_path))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="root may read everything",
)
def test_a_file_without_permission_is_status_1(put):
    """The system's reason is given."""
    path = put("k.pem", b"x")
    Path(path).chmod(0)

    assert "Permission denied" in refused(path)


@pytest.mark.parametrize("style", ["--pem", "--pin"])
def test_nothing_to_print_is_status_1(put, root, style):
    """A list has neither certificate nor key."""
    assert "there is no" in refused(style, put("l.pem", root.crl()))


@pytest.mark.parametrize(
    "label",
    [
        "CERTIFICATE",
        "CERTIFICATE REQUEST",
        "X509 CRL",
        "PUBLIC KEY",
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "PKCS7",
    ],
)
@pytest.mark.parametrize("body", ["", "AAAA", "MAA=", "!!!!", "no end"])
def test_one_bad_block_hides_no_other(put, leaf, label, body):
    """It is called unreadable; what is good is shown; the status is 1."""
    end = "" if body == "no end" else f"-----END {label}-----\n"
    bad = f"-----BEGIN {label}-----\n{body}\n{end}".encode()
    data = inspect_json(put("c.pem", bad + leaf.chain_pem), status=1)
    kinds = [each["kind"] for each in data["objects"]]

    assert ["certificate", "certificate", "unreadable"] == kinds
    assert label in data["findings"][0]


def test_a_label_cannot_paint_the_terminal(put, leaf):
    """Escapes in a PEM file come out as text."""
    bad = b"-----BEGIN \x1b[31mX-----\n-----END \x1b[31mX-----\n"
    text = inspect(put("c.pem", bad + leaf.chain_pem)).stdout

    assert "\x1b" not in text
    assert r"\x1b[31mX" in text


def flipped(der, seed):
    """Change one byte of *der*."""
    at = seed * 37 % len(der)
    return der[:at] + bytes([der[at] ^ (1 << seed % 8)]) + der[at + 1 :]


def test_damaged_objects_cause_no_traceback(tmp_path, root, leaf):
    """Whatever bit is flipped: it is shown or refused, with 0 or 1."""
    csr, _ = request(root)
    crl = x509.load_pem_x509_crl(root.crl([leaf]))
    path = tmp_path / "damaged"
    statuses = set()
    for whole in (
        leaf.certificate.public_bytes(DER),
        csr.public_bytes(DER),
        crl.public_bytes(DER),
        p12(leaf, None),
    ):
        for seed in range(40):
            path.write_bytes(flipped(whole, seed))
            statuses.add(inspect(str(path)).returncode)

    assert {ExitCode.GOOD, ExitCode.USAGE} == statuses


def test_a_p12_that_wants_endless_work_is_refused(put, leaf):
    """Nobody could stop it in the middle, not even by Ctrl-C."""
    data = p12(leaf, b"x")
    (whole,) = elements(data)
    version, safe, mac = elements(whole.content)
    digest, salt, _ = elements(mac.content)
    rounds = element(0x02, b"\x7f\xff\xff\xff")
    mac_der = element(mac.tag, digest.whole + salt.whole + rounds)
    greedy = element(whole.tag, version.whole + safe.whole + mac_der)

    assert "times" in refused(put("k.p12", greedy))


def test_broken_extensions_are_told(put, root):
    """A certificate with a malformed extension is shown as far as it goes."""
    bad = root.issue(
        "a.example",
        extensions=[
            (
                x509.UnrecognizedExtension(
                    x509.ObjectIdentifier("2.5.29.32"), b"\xff\xff"
                ),
                False,
            )
        ],
    )
    data = inspect_json(put("c.pem", bad.chain_pem), status=1)

    assert "extensions are malformed" in data["objects"][0]["problem"]
    assert "extensions are malformed" in data["findings"][0]


def test_an_unknown_kind_of_key_still_has_a_pin(put, root):
    """The pin is of the bytes, so it needs no understanding."""
    leaf = root.issue("a.example")
    der = leaf.certificate.public_bytes(DER)
    # id-ecPublicKey becomes an algorithm that nobody has.
    unknown = der.replace(
        bytes.fromhex("06072a8648ce3d0201"),
        bytes.fromhex("06072a8648ce3d027f"),
    )
    path = put("c.der", unknown)
    (found,) = inspect_json(path)["objects"]
    text = inspect(path).stdout

    assert found["key"]["type"] is None
    assert found["key"]["pin"].startswith("sha256/")
    assert "of an unknown kind" in text


def test_a_name_that_is_no_text_is_told(put, root):
    """A certificate whose subject can't be read is shown without it."""
    der = root.issue("a.example").certificate.public_bytes(DER)
    data = inspect_json(
        put("c.der", der.replace(b"a.example", b"\xff.example")), status=1
    )

    assert ["certificate"] == [each["kind"] for each in data["objects"]]
    assert "malformed" in json.dumps(data)
    assert "(unreadable)" in json.dumps(data)


def test_what_no_parser_can_describe_is_told(put, root, monkeypatch, capsys):
    """Whatever a parser thinks of, it is no traceback."""

    def refuse(*_):
        raise ValueError("of a kind that nobody has seen")

    monkeypatch.setattr(
        "tlskit.cli.inspect.inspection.certificate_object", refuse
    )
    data = put("c.pem", root.issue("a.example").chain_pem)
    run(["inspect", "--json", str(data)])
    told = capsys.readouterr()

    assert "of a kind that nobody has seen" in told.out
    assert not told.err


def test_rare_usages_and_lines(put):
    """What hardly any certificate says is shown, too, in every style."""
    usage = x509.KeyUsage(
        *(False, False, False, False, True, False, False),
        encipher_only=True,
        decipher_only=True,
    )
    plain = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "old")])
    key = testing.CA().key
    now = datetime.now(timezone.utc)
    bare = (
        x509.CertificateBuilder()
        .subject_name(plain)
        .issuer_name(plain)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=2))
        .add_extension(usage, True)
        .sign(key, hashes.SHA256())
    )
    csr, _ = request(testing.CA())
    root = testing.CA("top")
    whole = [
        bare.public_bytes(PEM),
        csr.public_bytes(PEM),
        root.issue("below").chain_pem,
        root.pem,
    ]
    path = put("c.pem", b"".join(whole))
    text = inspect(path).stdout
    short = inspect("--short", path).stdout

    assert "keyAgreement, encipherOnly, decipherOnly" in text
    assert "issuer     CN=top\n" in text
    assert "CA         yes\n" in text
    assert "request: CN=wish  wish.example  EC secp256r1  sha256/" in short


# -- chains -----------------------------------------------------------------


def test_strangers_and_twins_have_chains_of_their_own(root, leaf):
    """Each certificate stands once, and roots are their own issuers."""
    stranger = testing.CA("stranger")
    given = [
        root.certificate,
        leaf.certificate,
        stranger.certificate,
        root.certificate,
    ]
    links = chains.arrange(given)

    assert [0, 1, 2, 3] == sorted(link.which for link in links)
    assert {0: 0, 1: None, 2: 2, 3: 3} == {
        link.which: link.issuer for link in links
    }
    assert {0} == {link.depth for link in links}


def test_a_ring_has_an_end():
    """Two CAs that issued each other are shown, and not for ever."""
    one = testing.CA("one")
    two = testing.CA("two", parent=one)
    again = testing.CA("one", key=one.key, parent=two)
    links = chains.arrange([two.certificate, again.certificate])

    assert [0, 1] == [link.which for link in links]
    assert [0, 1] == [link.depth for link in links]


def test_a_shared_issuer_stands_once(root):
    """The second leaf of an intermediate CA names it by index."""
    below = root.intermediate("shared")
    leaves = [below.issue("a").certificate, below.issue("b").certificate]
    links = chains.arrange([*leaves, below.certificate])

    assert [(0, 0, 2), (2, 1, None), (1, 0, 2)] == [
        (link.which, link.depth, link.issuer) for link in links
    ]


def test_namesakes_are_asked_in_bounded_number():
    """A file full of one name costs no signature check for each pair."""
    twins = [testing.CA("twin") for _ in range(10)]
    leaf = twins[9].issue("a")
    links = chains.arrange(
        [leaf.certificate, *(each.certificate for each in twins)]
    )

    assert links[0].issuer is None


# -- servers ----------------------------------------------------------------


@pytest.fixture
def server(root, leaf):
    """A TLS server; give the context, and a function that starts it."""
    threads = []
    listeners = []

    def start(context):
        listener = listen(hostname="127.0.0.1", context=context)
        listeners.append(listener)

        def serve():
            for port in listener:
                with port:
                    pass

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return f"127.0.0.1:{listener.port}"

    yield start
    for each in listeners:
        each.close()
    for each in threads:
        each.join(PATIENCE)


def test_a_server_s_chain_is_shown_and_not_trusted(server, leaf):
    """The chain as presented, and a word that nobody verified it."""
    context = ServerContext()
    leaf.apply(context)
    place = server(context)
    data = inspect_json(place)
    text = inspect(place).stdout

    assert [{"name": place, "origin": "host"}] == data["sources"]
    assert ["CN=a.example", "CN=between"] == [
        each["subject"] for each in data["objects"]
    ]
    assert f"presented by {place}, and not verified" in text


@pytest.mark.parametrize("protocol", ["tls12", "tls13"])
def test_a_server_that_wants_a_certificate_shows_its_own(
    server, leaf, root, protocol
):
    """It refuses us, after it has shown its chain."""
    context = ServerContext(protocol)
    leaf.apply(context)
    root.trust(context)
    context.set_verify()
    data = inspect_json(server(context))

    assert "CN=a.example" == data["objects"][0]["subject"]


def test_what_can_t_be_reached_is_status_2(tmp_path):
    """Nobody listens, or nobody has the name; a file is not there either."""
    with listen(hostname="127.0.0.1") as listener:
        place = f"127.0.0.1:{listener.port}"
    nobody = run_tlskit("inspect", place)
    nameless = run_tlskit("inspect", "no-such-host.invalid", "--timeout", "20")

    for done in (nobody, nameless):
        assert (ExitCode.CANNOT_CONNECT, "") == (done.returncode, done.stdout)
        assert "can't reach " in done.stderr
        assert "nor is there a file of that name" in done.stderr


def plain_server(answer):
    """Answer a client with bytes that are no TLS, or not at all."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(PATIENCE)

    def serve():
        sock, _ = listener.accept()
        with sock, listener:
            sock.settimeout(PATIENCE)
            if answer:
                sock.recv(1)
                sock.sendall(answer)
            while sock.recv(65536):
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    return thread, f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", ExitCode.NOT_TLS),
        (b"", ExitCode.CANNOT_CONNECT),
    ],
)
def test_what_is_no_tls_server(answer, status):
    """Another protocol is 9; silence is 2, after ``--timeout``."""
    thread, place = plain_server(answer)
    done = run_tlskit("inspect", place, "--timeout", "1")
    thread.join(PATIENCE)

    assert (status, "") == (done.returncode, done.stdout)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("example.org", ("example.org", 443)),
        ("example.org:8443", ("example.org", 8443)),
        ("[::1]:1", ("::1", 1)),
        ("::1", ("::1", 443)),
        ("[::1]", ("::1", 443)),
        ("example.org:x", None),
        ("dir/example.org", None),
        ("key.pem", None),
        ("a b", None),
        ("", None),
        (":443", None),
    ],
)
def test_what_is_taken_for_a_server(text, place):
    """What could be a host and does not end like a file."""
    assert place == material._place(text)


def test_an_address_is_written_as_it_is_read():
    """IPv6 addresses get brackets."""
    place = material._place("[::1]:1")

    assert "[::1]:1" == str(place)


def test_help_is_for_newcomers():
    """What X may be, and examples, a line each."""
    done = run_tlskit("inspect", "--help")

    assert "  tlskit inspect chain.pem key.pem\n" in done.stdout
    assert "without\n  trusting it" in done.stdout


def test_unpack_says_where(root):
    """Messages name the source, not the bytes."""
    with pytest.raises(unpack.CredentialError, match="the thing is empty"):
        unpack.unpack(b"", "the thing", None)


@pytest.mark.parametrize("kind", ["rsa-pss", "explicit curve"])
def test_a_pair_that_certifies_its_key_in_other_words(put, tmp_path, kind):
    """The key belongs to a certificate that describes it at more length."""
    if kind == "rsa-pss":
        ca = testing.CA(key_type=kind)
        key = put(
            "key.pem",
            ca.key.private_bytes(
                PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
        certificate = put("c.pem", ca.pem)
    else:
        key, certificate = tmp_path / "key.pem", tmp_path / "c.pem"
        openssl(
            "req",
            "-x509",
            "-nodes",
            "-days",
            "9",
            "-subj",
            "/CN=explicit",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-pkeyopt",
            "ec_param_enc:explicit",
            "-keyout",
            key,
            "-out",
            certificate,
        )
    data = inspect_json(str(certificate), str(key))

    assert [0] == data["objects"][1]["fits"]


def test_a_key_for_pss_does_not_fit_a_stranger(put):
    """Another certificate of that kind is another one."""
    one, other = testing.CA(key_type="rsa-pss"), testing.CA(key_type="rsa-pss")
    key = put(
        "key.pem",
        one.key.private_bytes(
            PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    data = inspect_json(put("c.pem", other.pem), key, status=1)

    assert [] == data["objects"][1]["fits"]


def test_a_life_that_no_public_ca_would_give(tmp_path):
    """It is told, with the most that one may give."""
    now = datetime.now(timezone.utc)
    leaf = testing.CA().issue("a.example", valid=(now, now + timedelta(900)))
    path = tmp_path / "long.pem"
    path.write_bytes(leaf.chain_pem)
    done = inspect(str(path), COLUMNS="200")

    assert 0 == done.returncode
    assert "it lives longer than the" in done.stdout


def test_a_date_that_is_none(tmp_path):
    """A year zero has no place in any calendar; the rest is shown."""
    ca = testing.CA()
    leaf = ca.issue("a.example").certificate
    validity = fields(leaf.tbs_certificate_bytes).validity
    begin, _ = elements(validity.content)
    never = element(0x18, b"00000101000000Z")
    der = altered(leaf, ca, (begin.whole, never))
    data = certificate_data(x509.load_der_x509_certificate(der))

    assert "(unreadable)" == data["not_before"]
    assert "(unreadable)" == data["renew_from"]
    assert not data["over_max_days"]
    assert ["a.example"] == data["names"]
