"""Credentials: what is loaded, what is refused, and in which words."""

from __future__ import annotations

import errno
import getpass
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import (
    dsa,
    ec,
    ed448,
    ed25519,
    rsa,
    x25519,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from hypothesis import example, given
from hypothesis import strategies as st

from tlskit.errors import CredentialError
from tlskit.testing import CA, Leaf
from tlskit.x509.credentials import (
    CertificateChain,
    PrivateKey,
    check_pair,
    load_certificates,
)
from tlskit.x509.pkcs12 import load_pkcs12

PASSWORD = "correct horse"
TRADITIONAL = PrivateFormat.TraditionalOpenSSL
PKCS8 = PrivateFormat.PKCS8

MAKERS = {
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
    "EC-secp256r1": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EC-secp521r1": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
    "DSA-1024": lambda: dsa.generate_private_key(1024),
    "X25519": x25519.X25519PrivateKey.generate,
}
USABLE = tuple(kind for kind in MAKERS if kind not in {"DSA-1024", "X25519"})
FORMATS = [
    ("RSA-2048", TRADITIONAL),
    ("EC-secp256r1", TRADITIONAL),
    *((kind, PKCS8) for kind in USABLE),
]


@cache
def key_of(kind: str) -> Any:
    """Make one key of each kind."""
    return MAKERS[kind]()


def saved(
    kind: str,
    encoding: Encoding = Encoding.PEM,
    form: PrivateFormat = PKCS8,
    password: str | None = None,
) -> bytes:
    """Give a key as bytes."""
    protection = (
        NoEncryption()
        if password is None
        else BestAvailableEncryption(password.encode())
    )
    data: bytes = key_of(kind).private_bytes(encoding, form, protection)
    return data


@cache
def authority() -> CA:
    """Make one CA below another."""
    return CA("root").intermediate("between")


@cache
def leaf_of(kind: str = "EC-secp256r1") -> Leaf:
    """Issue one certificate for each kind of key."""
    return authority().issue("a.example", key=key_of(kind))


def refusal(function: Any, *args: Any, **keywords: Any) -> CredentialError:
    """Give the error of a call; it is well told, and can be pickled."""
    with pytest.raises(CredentialError) as caught:
        function(*args, **keywords)
    error = caught.value
    assert str(error)
    assert str(error) == str(pickle.loads(pickle.dumps(error)))
    return error


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail whatever asks a human."""

    def ask(*_args: object, **_keywords: object) -> str:
        raise AssertionError("something was asked for on the terminal")

    monkeypatch.setattr("builtins.input", ask)
    monkeypatch.setattr(getpass, "getpass", ask)


# -- files ------------------------------------------------------------------

LOADERS = [CertificateChain.load, PrivateKey.load, load_pkcs12]


@pytest.mark.parametrize("load", LOADERS)
def test_missing_file(load, tmp_path):
    """A missing file is told by number, name, words and cause."""
    path = tmp_path / "missing.pem"
    error = refusal(load, path)

    assert "unreadable-file" == error.code
    assert errno.ENOENT == error.errno
    assert str(path) == error.filename
    assert isinstance(error.__cause__, FileNotFoundError)
    assert "No such file" in str(error)
    assert str(path) in str(error)
    assert error.hint


@pytest.mark.parametrize("load", LOADERS)
def test_directory(load, tmp_path):
    """A directory is no file."""
    error = refusal(load, str(tmp_path))

    assert errno.EISDIR == error.errno
    assert str(tmp_path) == error.filename


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("path", ["a\0b", "a\udcff\0"])
def test_impossible_path(load, path):
    """A path that no system can have is refused like one that is missing."""
    error = refusal(load, path)

    assert "unreadable-file" == error.code
    assert error.errno is None
    assert path == error.filename
    assert isinstance(error.__cause__, ValueError)


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("source", [None, 5, 1.5, object()])
def test_wrong_type(load, source):
    """What can't be a source is a mistake in the program."""
    with pytest.raises(TypeError, match="not "):
        load(source)


def test_paths_and_bytes(tmp_path):
    """Paths as text or objects, and bytes of any sort, give the same."""
    chain, key = leaf_of().write(tmp_path)
    data = chain.read_bytes()
    sources = [chain, str(chain), data, bytearray(data), memoryview(data)]

    assert {CertificateChain(leaf_of().chain)} == {
        CertificateChain.load(each) for each in sources
    }
    assert PrivateKey.load(key) == PrivateKey.load(str(key))


# -- certificates -----------------------------------------------------------


def test_chain_order():
    """The chain is in the order of the file, our own first."""
    chain = CertificateChain.load(leaf_of().chain_pem)

    assert leaf_of().chain == chain.certificates
    assert leaf_of().certificate == chain.leaf
    assert 2 == len(chain.certificates)


def test_chain_from_objects():
    """A certificate, or several, is a chain already."""
    leaf = leaf_of()

    assert (leaf.certificate,) == load_certificates(leaf.certificate)
    assert leaf.chain == load_certificates(list(leaf.chain))
    assert leaf.chain == load_certificates(iter(leaf.chain))


def test_chain_from_der():
    """One certificate may be DER."""
    der = leaf_of().certificate.public_bytes(Encoding.DER)

    assert leaf_of().certificate == CertificateChain.load(der).leaf


def test_chain_among_other_blocks():
    """Keys and text between the certificates don't matter."""
    leaf = leaf_of()
    data = leaf.key_pem + b"words\n" + leaf.chain_pem

    assert leaf.chain == load_certificates(data)


def test_empty_sequence():
    """No object is no chain."""
    error = refusal(load_certificates, [])

    assert "empty sequence" in str(error)


@pytest.mark.parametrize("item", [b"", "path", None])
def test_wrong_object(item):
    """A sequence holds certificates, and nothing else."""
    with pytest.raises(TypeError, match="a certificate is wanted"):
        load_certificates([leaf_of().certificate, item])


@pytest.mark.parametrize("data", [b"", b"\n \n"])
def test_empty_chain(data):
    """An empty file says that it is empty."""
    error = refusal(CertificateChain.load, data)

    assert "no-certificate" == error.code
    assert "it is empty" in str(error)
    assert error.hint


def test_key_as_chain():
    """A file with only a key says so: the two were swapped."""
    error = refusal(CertificateChain.load, leaf_of().key_pem)

    assert "no-certificate" == error.code
    assert "holds only: PRIVATE KEY" in str(error)
    assert "BEGIN CERTIFICATE" in error.hint


def test_commented_chain():
    """A certificate that is commented out is only text."""
    data = b"# " + leaf_of().chain_pem.replace(b"\n", b"\n# ")
    error = refusal(CertificateChain.load, data)

    assert "is PEM that is quoted, or commented out" in str(error)


@pytest.mark.parametrize("data", [b"garbage", b"\0" * 99, b"0\x82\xff\xff"])
def test_garbage_chain(data):
    """Garbage is malformed, and the library's words are kept."""
    error = refusal(CertificateChain.load, data)

    assert "malformed-certificate" == error.code
    assert "the bytes given holds no certificate, PEM or DER" in str(error)
    assert error.__cause__ is not None


def test_malformed_block_is_numbered(tmp_path):
    """A broken certificate is named by its number and its file."""
    path = tmp_path / "chain.pem"
    bad = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    path.write_bytes(leaf_of().chain_pem + bad)
    error = refusal(CertificateChain.load, path)

    assert "malformed-certificate" == error.code
    assert f"certificate number 3 in {path} is malformed" in str(error)


def test_truncated_block():
    """A certificate without its END line is not skipped."""
    data = leaf_of().chain_pem + leaf_of().chain_pem[:99]
    error = refusal(CertificateChain.load, data)

    assert "number 3" in str(error)


def test_impossible_version():
    """A certificate of a version that there is not is malformed."""
    der = leaf_of().certificate.public_bytes(Encoding.DER)
    four = der.replace(b"\xa0\3\2\1\2", b"\xa0\3\2\1\3", 1)
    error = refusal(CertificateChain.load, four)

    assert "malformed-certificate" == error.code


def test_unknown_key_algorithm():
    """A certificate whose public key nobody knows is refused at once."""
    der = leaf_of().certificate.public_bytes(Encoding.DER)
    ec_oid = bytes.fromhex("06072a8648ce3d0201")
    strange = der.replace(ec_oid, bytes.fromhex("06072a8648ce3d027f"), 1)
    error = refusal(CertificateChain.load, strange)

    assert "malformed-certificate" == error.code


# -- keys -------------------------------------------------------------------


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize(("kind", "form"), FORMATS)
def test_every_format(kind, form, encoding):
    """PKCS#1, SEC1 and PKCS#8 are told apart by themselves."""
    key = PrivateKey.load(saved(kind, encoding, form))

    assert PrivateKey(key_of(kind)) == key
    assert kind == key.kind
    assert type(key_of(kind)) is type(key.key)


@pytest.mark.parametrize(("kind", "form"), FORMATS)
def test_asn1(kind, form):
    """With asn1=True, DER of every format is read."""
    data = saved(kind, Encoding.DER, form)

    assert PrivateKey(key_of(kind)) == PrivateKey.load(data, asn1=True)


def test_asn1_refuses_pem():
    """With asn1=True, PEM is not."""
    error = refusal(PrivateKey.load, saved("RSA-2048"), asn1=True)

    assert "malformed-key" == error.code


def test_asn1_rsa():
    """The filter works on DER, too."""
    good = saved("RSA-2048", Encoding.DER)
    bad = saved("Ed25519", Encoding.DER)
    error = refusal(PrivateKey.load, bad, asn1=True, rsa=True)

    assert PrivateKey.load(good, asn1=True, rsa=True)
    assert "an RSA key is wanted, but the bytes given is Ed25519" == str(error)


def test_first_key():
    """The first key of a file counts."""
    data = saved("EC-secp256r1") + saved("RSA-2048")

    assert "EC-secp256r1" == PrivateKey.load(data).kind


def test_rsa_skips_others():
    """With rsa=True, keys of other kinds are skipped."""
    data = saved("EC-secp256r1") + saved("RSA-2048")

    assert "RSA-2048" == PrivateKey.load(data, rsa=True).kind


def test_rsa_finds_none():
    """If there is no RSA key, what there is gets named."""
    data = saved("EC-secp256r1") + saved("Ed25519")
    error = refusal(PrivateKey.load, data, rsa=True)

    assert "no-private-key" == error.code
    assert "holds only: EC-secp256r1, Ed25519" in str(error)
    assert "leave out rsa=True" == error.hint


def test_key_objects():
    """A key of cryptography is taken as it is, but filtered."""
    key = key_of("EC-secp256r1")
    error = refusal(PrivateKey.load, key, rsa=True)

    assert key is PrivateKey.load(key).key
    assert "the key object is EC-secp256r1" in str(error)


@pytest.mark.parametrize("kind", ["DSA-1024", "X25519"])
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_unusable_key(kind, encoding):
    """Keys that can't sign a handshake are refused by name."""
    error = refusal(PrivateKey.load, saved(kind, encoding))

    assert "unusable-key" == error.code
    assert kind.partition("-")[0] in str(error)
    assert error.hint


@pytest.mark.parametrize("data", [b"", b" \n"])
def test_empty_key(data):
    """An empty file says that it is empty."""
    error = refusal(PrivateKey.load, data)

    assert "no-private-key" == error.code
    assert "is empty" in str(error)


def test_certificate_as_key():
    """A file with only certificates says so."""
    error = refusal(PrivateKey.load, leaf_of().chain_pem)

    assert "no-private-key" == error.code
    assert "holds only: CERTIFICATE" in str(error)


def test_commented_key():
    """A key that is commented out is only text."""
    error = refusal(PrivateKey.load, b"# " + b"-----BEGIN PRIVATE KEY-----")

    assert "is PEM that is quoted, or commented out" in str(error)


@pytest.mark.parametrize(
    "data",
    [
        b"garbage",
        b"0\x82",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ],
)
def test_garbage_key(data):
    """Garbage is malformed, in one sentence, with its cause."""
    error = refusal(PrivateKey.load, data)

    assert "malformed-key" == error.code
    assert "the private key in the bytes given " in str(error)
    assert "\n" not in str(error)
    assert isinstance(error.__cause__, ValueError)


def test_equality():
    """Keys are equal by their public halves, and to nothing else."""
    one = PrivateKey(key_of("Ed25519"))
    two = PrivateKey.load(saved("Ed25519"))
    other = PrivateKey(key_of("Ed448"))

    assert one == two
    assert hash(one) == hash(two)
    assert one != other
    assert one != key_of("Ed25519")


# -- passwords --------------------------------------------------------------

LOCKED = [
    (Encoding.PEM, PKCS8),
    (Encoding.PEM, TRADITIONAL),
    (Encoding.DER, PKCS8),
]
locked = pytest.mark.parametrize(("encoding", "form"), LOCKED)


@locked
@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        PASSWORD.encode(),
        bytearray(PASSWORD.encode()),
        lambda: PASSWORD,
        PASSWORD.encode,
    ],
    ids=["str", "bytes", "bytearray", "gives str", "gives bytes"],
)
def test_right_password(encoding, form, password):
    """The password is text, bytes, or a function that gives it."""
    data = saved("RSA-2048", encoding, form, PASSWORD)
    key = PrivateKey.load(data, password=password)

    assert PrivateKey(key_of("RSA-2048")) == key
    assert PASSWORD not in repr(key)
    assert "<PrivateKey RSA-2048>" == repr(key)


@locked
def test_no_password(encoding, form):
    """Without a password nobody is asked; the error says what to pass."""
    data = saved("RSA-2048", encoding, form, PASSWORD)
    error = refusal(PrivateKey.load, data)

    assert "password-needed" == error.code
    assert "pass password=" == error.hint


@locked
@pytest.mark.parametrize("wrong", ["Tr0ub4dor", b"Tr0ub4dor", "", "x" * 2000])
def test_wrong_password(encoding, form, wrong):
    """A wrong password is called so, and not shown."""
    data = saved("RSA-2048", encoding, form, PASSWORD)
    error = refusal(PrivateKey.load, data, password=wrong)

    assert error.code in {"wrong-password", "password-needed"}
    for told in (str(error), repr(error), error.explain()):
        assert PASSWORD not in told
        assert "Tr0ub4dor" not in told


def test_wrong_password_code():
    """The usual wrong password has a code and a hint of its own."""
    data = saved("Ed25519", password=PASSWORD)
    error = refusal(PrivateKey.load, data, password="Tr0ub4dor")

    assert "wrong-password" == error.code
    assert "check the password" == error.hint


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_needless_password(encoding):
    """For a key that is not encrypted the password isn't even asked for."""

    def ask() -> str:
        raise AssertionError

    key = PrivateKey.load(saved("Ed25519", encoding), password=ask)

    assert PrivateKey(key_of("Ed25519")) == key


@pytest.mark.parametrize("password", [5, lambda: None, ["x"]])
def test_password_type(password):
    """A password of another type is a mistake in the program."""
    data = saved("Ed25519", password=PASSWORD)

    with pytest.raises(TypeError, match="a password is"):
        PrivateKey.load(data, password=password)


def test_password_function_fails():
    """What the function raises goes to the caller as it is."""

    def ask() -> str:
        raise ValueError("no vault")

    bundle = bundled("Ed25519")
    with pytest.raises(ValueError, match=r"^no vault$"):
        PrivateKey.load(saved("Ed25519", password=PASSWORD), password=ask)
    with pytest.raises(ValueError, match=r"^no vault$"):
        load_pkcs12(bundle, ask)


# -- pairs ------------------------------------------------------------------


@pytest.mark.parametrize("kind", USABLE)
def test_pair(kind):
    """A certificate and its key are a pair, for every kind."""
    leaf = authority().issue("a.example", key=key_of(kind))

    check_pair(CertificateChain(leaf.chain), PrivateKey(leaf.key))


@pytest.mark.parametrize(
    ("certified", "kind"),
    [("RSA-2048", "EC-secp256r1"), ("EC-secp256r1", "RSA-2048")],
)
def test_mismatch(certified, kind):
    """A mismatch names the subject, and both kinds."""
    chain = CertificateChain(leaf_of(certified).chain)
    error = refusal(check_pair, chain, PrivateKey(key_of(kind)))

    assert "key-mismatch" == error.code
    assert f"({kind})" in str(error)
    assert f"'CN=a.example' ({certified})" in str(error)
    assert "issued for" in error.hint


def test_mismatch_of_one_kind():
    """Two keys of one kind are still two keys."""
    chain = CertificateChain(leaf_of().chain)
    other = ec.generate_private_key(ec.SECP256R1())

    refusal(check_pair, chain, PrivateKey(other))


def test_chain_in_wrong_order():
    """A key of a later certificate means that the order is wrong."""
    chain = CertificateChain(tuple(reversed(leaf_of().chain)))
    error = refusal(check_pair, chain, PrivateKey(leaf_of().key))

    assert "key belongs to certificate number 2 of the chain" in error.hint


# -- PKCS#12 ----------------------------------------------------------------


def bundled(
    kind: str,
    password: str | None = PASSWORD,
    *,
    with_key: bool = True,
    with_leaf: bool = True,
) -> bytes:
    """Make a PKCS#12 file."""
    leaf = leaf_of(kind)
    return pkcs12.serialize_key_and_certificates(
        b"name",
        leaf.key if with_key else None,
        leaf.certificate if with_leaf else None,
        leaf.chain[1:],
        NoEncryption()
        if password is None
        else BestAvailableEncryption(password.encode()),
    )


@pytest.mark.parametrize(
    "password", [PASSWORD, PASSWORD.encode(), lambda: PASSWORD]
)
def test_pkcs12(password, tmp_path):
    """Key and whole chain come out of a PKCS#12 file."""
    path = Path(tmp_path, "a.p12")
    path.write_bytes(bundled("RSA-2048"))
    key, chain = load_pkcs12(path, password)

    assert PrivateKey(leaf_of("RSA-2048").key) == key
    assert leaf_of("RSA-2048").chain == chain.certificates
    check_pair(chain, key)


def test_pkcs12_without_password():
    """A file without a password needs none."""
    key, _ = load_pkcs12(bundled("Ed25519", None))

    assert "Ed25519" == key.kind


def test_pkcs12_that_needs_a_password():
    """One is needed, and none was given; nothing else is suspected."""
    error = refusal(load_pkcs12, bundled("Ed25519"))

    assert "password-needed" == error.code


@pytest.mark.parametrize("password", ["Tr0ub4dor", b"", "\N{SNOWMAN}"])
def test_pkcs12_wrong_password(password):
    """A wrong password is suspected, and not shown."""
    error = refusal(load_pkcs12, bundled("Ed25519"), password)

    assert "bad-pkcs12" == error.code
    assert "Tr0ub4dor" not in error.explain()
    assert "password" in error.hint


def test_pkcs12_password_type():
    """A password of another type is a mistake in the program."""
    with pytest.raises(TypeError, match="a password is"):
        load_pkcs12(bundled("Ed25519"), 5)


@pytest.mark.parametrize(
    ("lacking", "missing"),
    [("with_key", "private key"), ("with_leaf", "certificate")],
)
def test_pkcs12_missing_part(lacking, missing):
    """A file that lacks one of the two says which."""
    data = bundled("Ed25519", **{lacking: False})
    error = refusal(load_pkcs12, data, PASSWORD)

    assert "bad-pkcs12" == error.code
    assert f"holds no {missing}" in str(error)


def test_pkcs12_dsa():
    """A DSA key is refused here, too."""
    leaf = leaf_of("DSA-1024")
    data = pkcs12.serialize_key_and_certificates(
        b"name", leaf.key, leaf.certificate, None, NoEncryption()
    )

    assert "unusable-key" == refusal(load_pkcs12, data).code


# -- anything ---------------------------------------------------------------

BEGIN = b"-----BEGIN %b-----\n"
END = b"\n-----END %b-----\n"
LABELS = st.sampled_from(
    [
        b"CERTIFICATE",
        b"PRIVATE KEY",
        b"ENCRYPTED PRIVATE KEY",
        b"RSA PRIVATE KEY",
        b"OPENSSH PRIVATE KEY",
        b"PRIVATE KEY\xff",
    ]
)
ARMOURED = st.builds(
    lambda label, body: BEGIN % label + body + END % label,
    LABELS,
    st.binary() | st.text("AQIDMw=/+\n", max_size=64).map(str.encode),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Change one byte of something good."""
    leaf = leaf_of()
    data = draw(
        st.sampled_from(
            [
                leaf.certificate.public_bytes(Encoding.DER),
                leaf.chain_pem,
                saved("EC-secp256r1"),
                saved("EC-secp256r1", Encoding.DER),
                bundled("EC-secp256r1", None),
            ]
        )
    )
    at = draw(st.integers(0, len(data) - 1))
    byte = draw(st.integers(0, 255))
    return data[:at] + bytes([byte]) + data[at + 1 :]


@pytest.mark.parametrize(
    "load",
    [
        load_certificates,
        CertificateChain.load,
        PrivateKey.load,
        lambda data: PrivateKey.load(data, rsa=True, password="x"),
        lambda data: PrivateKey.load(data, asn1=True, password="x"),
        load_pkcs12,
        lambda data: load_pkcs12(data, "x"),
    ],
    ids=["certificates", "chain", "key", "rsa", "asn1", "pkcs12", "locked"],
)
@given(data=st.binary() | ARMOURED | damaged())
@example(data=b"-----BEGIN ")
@example(data=b"-----BEGIN \xffPRIVATE KEY-----\xff")
def test_any_bytes(load, data):
    """No bytes make a loader fail with anything but a CredentialError."""
    try:
        load(data)
    except CredentialError as error:
        assert str(error)
