"""Identity: parsed once, checked against certificates of any kind."""

from __future__ import annotations

import datetime
import ipaddress
import pickle
import re
import subprocess
import sys
import threading
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID
from hypothesis import given
from hypothesis import strategies as st
from service_identity import hazmat

from tlskit.errors import ConfigurationError, IdentityError, TLSError
from tlskit.errors.codes import VerifyReason
from tlskit.testing import CA
from tlskit.verify import identity as module
from tlskit.verify.identity import (
    Identity,
    certificate_hostnames,
    issuer_oneline,
    oneline,
    presented_names,
    subject_oneline,
)
from tlskit.verify.naming import presented as naming


@cache
def key() -> ec.EllipticCurvePrivateKey:
    """Give the one key of these tests."""
    return ec.generate_private_key(ec.SECP256R1())


def issue(
    *entries: x509.GeneralName | str,
    san: bytes | None = None,
    common_names: tuple[str, ...] = (),
    extra: x509.ExtensionType | None = None,
) -> x509.Certificate:
    """Issue a certificate for DNS names, other names, or bytes as SAN."""
    name = x509.Name(
        x509.NameAttribute(NameOID.COMMON_NAME, text) for text in common_names
    )
    start = datetime.datetime(2025, 1, 1, tzinfo=datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key().public_key())
        .serial_number(5)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
    )
    extensions = [extra]
    if san is not None:
        extensions.append(
            x509.UnrecognizedExtension(
                ExtensionOID.SUBJECT_ALTERNATIVE_NAME, san
            )
        )
    elif entries:
        extensions.append(
            x509.SubjectAlternativeName(
                x509.DNSName(entry) if isinstance(entry, str) else entry
                for entry in entries
            )
        )
    for extension in extensions:
        if extension is not None:
            builder = builder.add_extension(extension, critical=False)
    return builder.sign(key(), hashes.SHA256())


def sequence(entries: list[tuple[int, bytes]]) -> bytes:
    """Encode entries, of tags and short contents, in DER."""
    content = b"".join(bytes([tag, len(data)]) + data for tag, data in entries)
    if len(content) < 0x80:
        return bytes([0x30, len(content)]) + content
    return b"\x30\x81" + len(content).to_bytes(1, "big") + content


def address(text: str) -> x509.IPAddress:
    """Make an iPAddress entry; also of a network, which is none."""
    if "/" in text:
        return x509.IPAddress(ipaddress.ip_network(text))
    return x509.IPAddress(ipaddress.ip_address(text))


def refused(name: str, certificate: x509.Certificate | None) -> IdentityError:
    """Give the error of a check that has to fail."""
    with pytest.raises(IdentityError) as caught:
        Identity.parse(name).check(certificate)
    return caught.value


# -- parsing ----------------------------------------------------------------


def test_a_host_name():
    """A host name is kept as given, and understood as A-labels."""
    wanted = Identity.parse("Bücher.Example.")

    assert "Bücher.Example." == wanted.text
    assert b"xn--bcher-kva.example" == wanted.dns
    assert b"xn--bcher-kva.example" == wanted.sni
    assert wanted.ip is None
    assert "Bücher.Example. (xn--bcher-kva.example)" == str(wanted)


def test_an_address():
    """An address has no server name (RFC 6066, section 3), and no zone."""
    wanted = Identity.parse("fe80::1%eth0")

    assert ipaddress.ip_address("fe80::1") == wanted.ip
    assert wanted.dns is None
    assert wanted.sni is None
    assert "fe80::1%eth0" == str(wanted)


def test_text_only():
    """Bytes are refused: nobody can know their encoding."""
    with pytest.raises(TypeError, match="not b'example'"):
        Identity.parse(b"example")  # type: ignore[arg-type]


def test_the_empty_name():
    """An empty name is a ValueError, and never means "anybody"."""
    with pytest.raises(ValueError, match="empty"):
        Identity.parse("")


def test_no_host_name():
    """What is no host name has a code, and says what was found."""
    with pytest.raises(ConfigurationError) as caught:
        Identity.parse("a b")

    assert "bad-hostname" == caught.value.code
    assert "'a b'" in str(caught.value)


def test_equality():
    """Two identities are equal if they mean the same peer."""
    assert Identity.parse("a.example") == Identity.parse("A.Example.")
    assert Identity.parse("::1") == Identity.parse("[0:0::1]")
    assert Identity.parse("a.example") != Identity.parse("b.example")
    assert 1 == len({Identity.parse("a.test"), Identity.parse("A.TEST")})


def test_frozen():
    """What was parsed can't be changed."""
    with pytest.raises(AttributeError):
        Identity.parse("a.example").text = "b"  # type: ignore[misc]


# -- checking ---------------------------------------------------------------


def test_no_certificate():
    """A peer without certificate is refused before anything else."""
    error = refused("a.example", None)

    assert "no-certificate" == error.code
    assert VerifyReason.NO_CERTIFICATE == error.reason
    assert "expected a certificate for a.example" in str(error)
    assert error.certificate is None
    assert not Identity.parse("a.example").matches(None)


def test_somebody_else():
    """A refusal tells who was wanted, who was found, and what to do."""
    presented = issue("www.example.com", address("192.0.2.1"))
    error = refused("ww.example.com", presented)

    assert "wrong-identity" == error.code
    assert VerifyReason.HOSTNAME_MISMATCH == error.reason
    assert (
        "expected ww.example.com, but the certificate names "
        "www.example.com, 192.0.2.1"
    ) == str(error)
    assert "ww.example.com" == error.expected
    assert ("www.example.com", "192.0.2.1") == error.presented
    assert presented == error.certificate
    assert "nearest name there is www.example.com" in error.hint


def test_another_address():
    """A refused address has a reason of its own."""
    error = refused("192.0.2.2", issue(address("192.0.2.1")))

    assert VerifyReason.IP_ADDRESS_MISMATCH == error.reason
    assert "connect by a name that is there, such as 192.0.2.1" in error.hint


def test_no_extension():
    """Without subjectAltName a certificate names nobody, and says so."""
    error = refused("a.example", issue())

    assert "no-san" == error.code
    assert "has no subjectAltName extension" in str(error)
    assert "have it reissued with DNS:a.example" == error.hint
    assert () == error.presented


def test_common_name_only():
    """The common name is not looked at; the hint knows that it would fit."""
    error = refused("a.example", issue(common_names=("A.example",)))

    assert "no-san" == error.code
    assert "common name is never looked at" in error.hint


def test_common_name_beside():
    """The same holds beside other names."""
    error = refused("a.example", issue("b.test", common_names=("a.example",)))

    assert "wrong-identity" == error.code
    assert "common name, which is never looked at" in error.hint


def test_nothing_usable():
    """An extension without hosts says that it names none."""
    error = refused("a.example", issue(x509.RFC822Name("a@a.example")))

    assert "wrong-identity" == error.code
    assert "names no host and no address" in str(error)


def test_unreadable_extension():
    """Malformed bytes are the peer's fault, and an error of the tree."""
    error = refused("a.example", issue(san=b"\x30\x05\x82"))

    assert "unreadable-san" == error.code
    assert "malformed: 'it is no valid DER: " in str(error)
    assert isinstance(error.__cause__, Exception)


@pytest.mark.parametrize(
    ("oid", "value"),
    [
        (ExtensionOID.KEY_USAGE, b"\xff"),
        (ExtensionOID.ISSUER_ALTERNATIVE_NAME, b"\x30\x04\xa3\x02\x30\x00"),
    ],
)
def test_other_unreadable_extension(oid, value):
    """Names are read by themselves, whatever else is malformed."""
    broken = x509.UnrecognizedExtension(oid, value)
    presented = issue("a.example", extra=broken)
    Identity.parse("a.example").check(presented)

    assert "wrong-identity" == refused("b.example", presented).code
    assert ("a.example",) == presented_names(presented)
    assert ("a.example",) == certificate_hostnames(presented)


def test_no_names_beside_an_unreadable_extension():
    """Without names there is nobody, also where another part is malformed."""
    broken = x509.UnrecognizedExtension(ExtensionOID.KEY_USAGE, b"\xff")

    assert "no-san" == refused("a.example", issue(extra=broken)).code


def test_long_lists_are_cut():
    """A message stays readable, however many names there are."""
    error = refused(
        "a.test", issue(*(f"host{number}.example" for number in range(1000)))
    )

    assert str(error).endswith("host7.example, and 992 more")
    assert 1000 == len(error.presented)


def test_messages_are_harmless():
    """A certificate can't steer the terminal that shows the message."""
    presented = issue("\x1b[2J\n.example", "", common_names=("\x1b",))
    error = refused("a.example", presented)

    assert error.explain().replace("\n", "").isprintable()
    assert r"'\x1b[2J\n.example', ''" in str(error)
    assert r"\x1b[2J\n.example" in error.presented


def test_errors_travel():
    """A refusal can be pickled, and keeps what it knows."""
    error = refused("a.example", issue("b.example"))
    copy = pickle.loads(pickle.dumps(error))

    assert str(error) == str(copy)
    assert error.presented == copy.presented
    assert error.certificate == copy.certificate


# -- remembering ------------------------------------------------------------


@pytest.fixture
def decisions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Forget what was decided, and note what is decided from now on."""
    noted: list[str] = []
    decide = Identity._decide

    def note(
        self: Identity, certificate: x509.Certificate, der: bytes
    ) -> None:
        noted.append(self.text)
        decide(self, certificate, der)

    monkeypatch.setattr(Identity, "_decide", note)
    # Or what is known of a certificate would decide.
    monkeypatch.setattr(module, "known", lambda _: None)
    monkeypatch.setattr(module, "_accepted", type(module._accepted)(size=2))
    return noted


def test_acceptance_is_remembered(decisions: list[str]):
    """The same certificate for the same name is decided about once."""
    presented = issue("a.example", "b.example")
    for name in ("a.example", "A.Example", "b.example", "a.example"):
        Identity.parse(name).check(presented)

    assert ["a.example", "b.example"] == decisions


def test_other_certificates_are_not_mixed_up(decisions: list[str]):
    """What one certificate was accepted for, another has to show again."""
    Identity.parse("a.example").check(issue("a.example"))

    assert not Identity.parse("a.example").matches(issue("b.example"))
    assert not Identity.parse("b.example").matches(issue("a.example"))
    assert 3 == len(decisions)


def test_refusal_is_not_remembered(decisions: list[str]):
    """A refusal is made anew, with the name as it was spelled this time."""
    presented = issue("a.example")

    assert "b.example" == refused("b.example", presented).expected
    assert "B.example" == refused("B.example", presented).expected
    assert 2 == len(decisions)


@pytest.mark.parametrize(
    "name",
    ["a.example", "A.example", "b.example", "x.c.example", "192.0.2.1", "::1"],
)
def test_known_names_decide_alike(name: str, monkeypatch: pytest.MonkeyPatch):
    """What is known of a certificate says what reading it anew would."""
    presented = issue(
        "a.example",
        "*.c.example",
        x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
    )
    der, wanted = presented.public_bytes(Encoding.DER), Identity.parse(name)
    assert naming.known(der) is None
    Identity.parse("a.example").check_der(der)
    assert naming.known(der) is not None
    known = wanted.matches(presented)
    for each in (module, naming):
        monkeypatch.setattr(each, "known", lambda _: None)
    monkeypatch.setattr(module, "_accepted", type(module._accepted)(size=2))

    assert known is wanted.matches(presented)


def test_known_certificates_are_not_parsed(monkeypatch: pytest.MonkeyPatch):
    """A certificate that is known accepts another of its names as it is."""
    der = issue("*.d.example").public_bytes(Encoding.DER)
    Identity.parse("a.d.example").check_der(der)
    monkeypatch.delattr(Identity, "_decide")

    Identity.parse("b.d.example").check_der(der)


@pytest.mark.parametrize("plain", [True, False])
def test_names_of_service_identity(
    plain: bool, monkeypatch: pytest.MonkeyPatch
):
    """A name is the same with and without service-identity's constructor."""
    monkeypatch.setattr(naming, "_is_plain", lambda: plain)

    assert hazmat.DNS_ID("a-b_c.example") == naming._dns_id(b"a-b_c.example")


def test_large_certificates_are_not_remembered(
    decisions: list[str], monkeypatch: pytest.MonkeyPatch
):
    """What would take much memory is decided about each time."""
    monkeypatch.setattr(module, "LARGEST", 10)
    monkeypatch.setattr(naming, "LARGEST", 10)
    presented = issue("a.example")
    for _ in range(2):
        Identity.parse("a.example").check(presented)

    assert ["a.example", "a.example"] == decisions
    assert naming._kept.get(presented.public_bytes(Encoding.DER)) is None


def test_bytes_are_checked_as_the_certificate(decisions: list[str]):
    """DER is accepted and refused as what is read from it."""
    der = issue("a.example").public_bytes(Encoding.DER)
    Identity.parse("a.example").check_der(der)

    with pytest.raises(IdentityError) as caught:
        Identity.parse("b.example").check_der(der)
    assert "wrong-identity" == caught.value.code
    assert ("a.example",) == caught.value.presented
    assert 2 == len(decisions)


def test_memory_is_bounded(decisions: list[str]):
    """What was not used for long is forgotten."""
    presented = issue("*.example.com")
    for name in ("a", "b", "c", "a"):
        Identity.parse(f"{name}.example.com").check(presented)

    assert 4 == len(decisions)


def test_threads(decisions: list[str]):
    """Many threads may check at once, and each gets its own verdict."""
    good, bad = issue("a.example"), issue("b.example")
    verdicts: list[tuple[bool, bool]] = []
    start = threading.Barrier(8)

    def check() -> None:
        start.wait(10)
        wanted = Identity.parse("a.example")
        verdicts.extend(
            (wanted.matches(good), wanted.matches(bad)) for _ in range(50)
        )

    threads = [threading.Thread(target=check) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert [(True, False)] * 400 == verdicts


# -- reading names ----------------------------------------------------------


def test_presented_names():
    """All names and addresses are given in order, as text."""
    presented = issue(
        address("2001:db8::1"),
        "*.b.example",
        x509.UniformResourceIdentifier("https://c.example"),
        "a.example",
        address("192.0.2.0/24"),
        "a\n.example",
    )

    assert (
        "2001:db8::1",
        "*.b.example",
        "a.example",
        "192.0.2.0/24",
        r"a\n.example",
    ) == presented_names(presented)
    assert () == presented_names(issue())


def test_presented_names_beyond_ascii():
    """A DNS name of other characters is escaped, and matches nobody."""
    presented = issue(san=sequence([(0x82, "ä\u202e.example".encode())]))

    assert (r"\xe4\u202e.example",) == presented_names(presented)
    assert not Identity.parse("ä.example").matches(presented)


def test_certificate_hostnames():
    """DNS names come in order and unchanged; addresses are none."""
    presented = issue(
        "*.b.example", address("::1"), "A.example", common_names=("c",)
    )

    assert ("*.b.example", "A.example") == certificate_hostnames(presented)


def test_certificate_hostnames_without_any():
    """RFC 2818: without a DNS name the last common name is listed."""
    two = issue(address("::1"), common_names=("first", "last"))

    assert ("last",) == certificate_hostnames(two)
    assert ("only",) == certificate_hostnames(issue(common_names=("only",)))
    assert () == certificate_hostnames(issue())
    assert not Identity.parse("last").matches(two)


def test_oneline():
    """Names are written in OpenSSL's form from here as well."""
    presented = issue(common_names=("a", "b"))

    assert b"/CN=a/CN=b" == oneline(presented.subject)
    assert b"/CN=a/CN=b" == subject_oneline(presented)
    assert b"/CN=a/CN=b" == issuer_oneline(presented)


# -- anything ---------------------------------------------------------------


def by_the_book(pattern: str, name: str) -> bool:
    """Match by a second, independent reading of RFC 9525."""
    label = r"[A-Za-z0-9_-]{1,63}"
    if re.fullmatch(rf"(\*\.{label}|{label})(\.{label})*", pattern) is None:
        return False
    pattern = pattern.lower()
    if not pattern.startswith("*."):
        return pattern == name
    first, _, rest = name.partition(".")
    return "." in rest and rest == pattern[2:] and not first.startswith("xn--")


@given(
    st.lists(st.text(alphabet="abA*.- \0_xn", max_size=12), max_size=4),
    st.from_regex(r"[ab](\.[abx_-]){0,4}", fullmatch=True),
)
def test_any_names(entries: list[str], name: str):
    """The verdict is the one that the RFC gives, read independently."""
    try:
        wanted = Identity.parse(name)
    except ConfigurationError:  # It ends in "_" or "-", say.
        return
    expected = any(by_the_book(entry, name) for entry in entries)

    assert expected == wanted.matches(issue(*entries))


@given(
    st.text(min_size=1),
    st.binary()
    | st.lists(
        st.tuples(
            st.sampled_from([0x82, 0x87, 0x86, 0x81, 0x88, 0xA0]),
            st.binary(max_size=20)
            | st.text(max_size=10).map(str.encode)
            | st.binary(min_size=4, max_size=4),
        ),
        max_size=5,
    ).map(sequence),
)
def test_anything(name: str, san: bytes):
    """Whatever is wanted and presented, only errors of the tree come out."""
    presented = issue(san=san)
    presented_names(presented)
    certificate_hostnames(presented)
    for text in (name, "a.example", "192.0.2.1"):
        try:
            Identity.parse(text).check(presented)
        except TLSError as error:
            assert error.explain()


def test_imported_when_needed():
    """Importing costs nothing that only a handshake needs."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import sys, tlskit.verify.identity; print(sorted({'idna', "
                "'service_identity'} & set(sys.modules)))"
            ),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert "[]" == done.stdout.strip()


def test_name_of_one_label_beside_a_wildcard():
    """A wildcard is passed by; the name itself is found behind it."""
    ca = CA()
    wild = ca.issue("*.right.example").certificate
    both = ca.issue("*.right.example", "localhost").certificate

    with pytest.raises(IdentityError):
        Identity.parse("localhost").check(wild)
    Identity.parse("localhost").check(both)
