"""``tlskit ca list``, ``renew`` and ``revoke``: what was issued, later."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tlskit import ConfigurationError, testing
from tlskit.cli.ca import authority
from tlskit.cli.ca import record as recording
from tlskit.cli.ca.authority import Authority
from tlskit.cli.ca.choose import choose
from tlskit.cli.ca.record import REASONS, Issued, Revocation
from tlskit.cli.main import run

from ..command import PATIENCE, PYTHON, serving, tlskit
from ..peers import needs
from .test_cli_ca import KEYS, Place, mode, requested

DAY = timedelta(days=1)


@pytest.fixture
def place(tmp_path, capsys, monkeypatch):
    """A directory with a CA in it, which is the current one."""
    monkeypatch.chdir(tmp_path)
    place = Place(tmp_path, capsys)
    place("init")
    return place


def states(place):
    """Give each certificate's names and state."""
    return [
        (" ".join(each["certificate"]["names"]), each["state"])
        for each in place.data("list")["issued"]
    ]


def crl(place):
    """Read the revocation list."""
    data = place.path.joinpath("tlskit-ca", "crl.pem").read_bytes()
    return x509.load_pem_x509_crl(data)


def number(found):
    """Give a revocation list's number."""
    return found.extensions.get_extension_for_class(
        x509.CRLNumber
    ).value.crl_number


def backdate(place, days):
    """Have what was issued last have been issued *days* days ago."""
    authority = Authority.open(place.path / "tlskit-ca")
    record = authority.record()
    old = record.issued.pop()
    now = datetime.now(timezone.utc)
    leaf = authority.ca.issue(
        *("localhost", "127.0.0.1"), valid=(now - days * DAY, now + 30 * DAY)
    )
    place.path.joinpath("localhost.pem").write_bytes(leaf.chain_pem)
    record.issued.append(
        Issued(leaf.certificate, "server", 90, "ecdsa", old.certificate_file)
    )
    record.file.path.write_bytes(record.file.data)
    return leaf.certificate


# -- the record -------------------------------------------------------------


def test_the_record_is_for_its_owner(place):
    """It tells whom one knows; nobody else reads it."""
    place("issue", "localhost")

    assert 0o600 == mode(place.path / "tlskit-ca" / "index.json")


def test_a_line_has_all_of_a_certificate(place):
    """State, names, purpose, end, serial number and file."""
    place("issue", "localhost", "::1", "--client", "alice", "--days", "9")
    place("issue", "127.0.0.2", "--out", "below")
    server, client, address = place("list").splitlines()
    serial = f"{place.read('localhost.pem').serial_number:x}"

    assert server.startswith("good           localhost, ::1  server  until ")
    assert server.endswith(f"serial {serial[:12]}  localhost.pem")
    assert "  alice  client  until " in client
    assert "  127.0.0.2  server  until " in address
    assert address.endswith("  below/127.0.0.2.pem")


def test_a_file_elsewhere_is_named_in_full(place, tmp_path_factory):
    """A path that leads up says less than a whole one."""
    out = tmp_path_factory.mktemp("elsewhere")
    place("issue", "localhost", "--out", str(out))

    assert place("list").endswith(f"  {out}/localhost.pem\n")


def test_a_new_ca_has_issued_nothing(place):
    """A sentence for people, an empty list for programs."""
    assert "has issued nothing that it knows of" in place("list")
    assert [] == place.data("list")["issued"]


def test_another_ca_in_its_place_has_another_record(place):
    """What the old one has issued is not the new one's."""
    place("issue", "localhost")
    place("init", "--force")

    assert [] == place.data("list")["issued"]


@pytest.mark.parametrize("verb", ["list", "issue", "renew", "revoke"])
def test_the_record_of_another_ca_stops_all(place, verb):
    """So it is where making another CA was broken off halfway."""
    place("issue", "localhost")
    index = place.path / "tlskit-ca" / "index.json"
    old = index.read_bytes()
    place("init", "--force")
    index.write_bytes(old)
    names = () if verb == "list" else ("localhost",)
    words = place(verb, *names, status=1)

    assert "it is that of a CA with another key" in words
    assert "tlskit ca init --force" in words
    assert old == index.read_bytes()


def test_a_record_that_names_no_owner_counts(place):
    """An earlier version wrote none."""
    place("issue", "localhost")
    index = place.path / "tlskit-ca" / "index.json"
    data = json.loads(index.read_bytes())
    del data["owner"]
    index.write_text(json.dumps(data))

    assert [("localhost", "good")] == states(place)


@pytest.mark.parametrize("kind", ["self-signed", "missing-intermediate"])
def test_what_the_ca_has_not_signed_is_not_its_own(place, kind):
    """It can't revoke it either."""
    place("issue", "localhost", "--bad", kind)

    assert [] == place.data("list")["issued"]


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("expired", "expired"),
        ("not-yet-valid", "not yet valid"),
        ("revoked", "revoked"),
        ("wrong-purpose", "bad"),
    ],
)
def test_bad_ones_are_listed_as_such(place, kind, state):
    """With what is wrong with them, and their state."""
    place("issue", "localhost", "--bad", kind)
    (found,) = place.data("list")["issued"]

    assert (state, "bad", kind) == (
        found["state"],
        found["kind"],
        found["bad"],
    )
    assert f"  bad: {kind}  " in place("list")


def test_two_thirds_of_a_life_are_soon_over(place):
    """And one that is overwritten is replaced."""
    place("issue", "localhost", "127.0.0.1")
    backdate(place, 70)
    assert [("localhost 127.0.0.1", "soon")] == states(place)
    place("issue", "localhost", "--force")

    assert [("localhost 127.0.0.1", "replaced"), ("localhost", "good")] == (
        states(place)
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"schema": 2}',
        b"""{"schema": 1, "crl_number": 0, "issued": [], "revoked": [
        {"serial": "1", "reason": "boredom", "at": "2026-01-01T00:00:00Z"}
        ]}""",
        b"""{"schema": 1, "crl_number": 0, "revoked": [], "issued": [
        {"replaced_by": null, "certificate": 1}]}""",
    ],
)
def test_a_damaged_record_stops_all(place, data):
    """Or what was revoked would silently come back."""
    path = place.path / "tlskit-ca" / "index.json"
    path.write_bytes(data)
    for verb in ("issue", "renew", "revoke"):
        words = place(verb, "localhost", status=1)
        assert "the record of what this CA issued, is damaged" in words
    assert "restore it from a copy" in place("list", status=1)
    assert data == path.read_bytes()


def test_nothing_is_issued_that_can_not_be_recorded(place, monkeypatch):
    """If the record can't be written, no certificate is there either."""
    place.path.joinpath("tlskit-ca", "index.json").mkdir()
    words = place("issue", "localhost", status=1)

    assert "index.json" in words
    assert not list(place.path.glob("*.pem"))


@pytest.mark.skipif(os.name == "nt", reason="no such locks")
def test_two_at_once_are_both_recorded(place):
    """One waits for the other; none is lost."""
    processes = [
        subprocess.Popen(
            [*PYTHON, "-m", "tlskit", "ca", "issue", f"host{n}.example"],
            stdout=subprocess.DEVNULL,
        )
        for n in range(4)
    ]
    assert [0] * 4 == [each.wait(PATIENCE) for each in processes]

    assert {f"host{n}.example" for n in range(4)} == {
        name for name, _ in states(place)
    }


@pytest.mark.skipif(os.name == "nt", reason="no such locks")
def test_a_lock_is_not_waited_for_in_vain(place, monkeypatch):
    """Another process that never ends is named, after a while."""
    monkeypatch.setattr(recording, "_PATIENCE", 0.1)
    with recording.locked(place.path / "tlskit-ca"):
        words = place("issue", "localhost", status=1)

    assert "another process is busy with the CA in tlskit-ca" in words


@pytest.mark.skipif(os.name == "nt", reason="no such locks")
def test_another_ca_waits_for_who_changes_the_record(place, monkeypatch):
    """Or the new one would get the old one's record, and its list."""
    monkeypatch.setattr(recording, "_PATIENCE", 0.1)
    before = place.read("tlskit-ca/ca.pem")
    with recording.locked(place.path / "tlskit-ca"):
        words = place("init", "--force", status=1)

    assert "another process is busy with the CA in tlskit-ca" in words
    assert before == place.read("tlskit-ca/ca.pem")


@pytest.mark.skipif(os.name == "nt", reason="no such locks")
@pytest.mark.parametrize("verb", ["issue", "renew", "revoke"])
def test_who_waited_uses_the_ca_that_is_there_then(place, monkeypatch, verb):
    """Another process has put a new one in its place meanwhile."""
    place("issue", "localhost")
    locked = recording.locked

    def late(directory):
        monkeypatch.setattr(authority, "locked", locked)
        Authority.create(directory, force=True)
        return locked(directory)

    monkeypatch.setattr(authority, "locked", late)
    old = place.read("localhost.pem").serial_number
    which = f"{old:x}" if verb != "issue" else "other.example"
    assert (0 if verb == "issue" else 1) == run(["ca", verb, which])
    new = Authority.open(place.path / "tlskit-ca")
    known = [new.has_issued(each.certificate) for each in new.record().issued]

    assert ([True] if verb == "issue" else []) == known
    assert {} == new.record().revoked


@pytest.mark.skipif(os.name == "nt", reason="no such locks")
def test_a_lock_that_can_not_be_made_is_told(place):
    """The directory may be somebody else's, or have an odd thing in it."""
    place.path.joinpath("tlskit-ca", "index.lock").unlink()
    place.path.joinpath("tlskit-ca", "index.lock").mkdir()
    words = place("issue", "localhost", status=1)

    assert "can't write tlskit-ca/index.lock" in words


# -- renewing ---------------------------------------------------------------


@needs("openssl")
@pytest.mark.parametrize("key_type", KEYS)
def test_a_renewed_one_is_as_the_old_one(place, key_type):
    """Names, purpose, kind of key and file; but the key is new."""
    place(
        *("issue", "localhost", "127.0.0.1", "--client", "a@b.example"),
        *("--key-type", key_type, "--days", "9"),
    )
    for name, purpose in (
        ("localhost", "sslserver"),
        ("a@b.example-client", "sslclient"),
    ):
        old = place.read(f"{name}.pem")
        place("renew", name.removesuffix("-client"))
        new = place.read(f"{name}.pem")

        assert old.serial_number != new.serial_number
        assert old.public_key() != new.public_key()
        assert type(old.public_key()) is type(new.public_key())
        assert old.subject == new.subject
        for extension in (x509.SubjectAlternativeName, x509.ExtendedKeyUsage):
            assert old.extensions.get_extension_for_class(
                extension
            ) == new.extensions.get_extension_for_class(extension)
        left = new.not_valid_after_utc - datetime.now(timezone.utc)
        assert 8 == left.days
        assert 0o600 == mode(place.path / f"{name}-key.pem")
        assert f"{name}.pem: OK" in place.openssl(
            "-purpose", purpose, f"{name}.pem"
        )
        check = subprocess.run(
            ["openssl", "pkey", "-in", f"{name}-key.pem", "-pubout"],
            capture_output=True,
            timeout=PATIENCE,
            check=True,
        )
        assert check.stdout.startswith(b"-----BEGIN PUBLIC KEY")
    assert {"replaced", "good"} == {state for _, state in states(place)}


def test_the_key_of_a_request_stays(place):
    """Who asked has it; only the certificate is new."""
    key = ec.generate_private_key(ec.SECP256R1())
    place.path.joinpath("x.csr").write_bytes(requested(key, "a.example"))
    place("issue", "--csr", "x.csr")
    place("renew", "a.example.pem")

    assert key.public_key() == place.read("a.example.pem").public_key()
    assert ["good"] == [
        state for _, state in states(place) if state != "replaced"
    ]


def test_what_is_due_is_renewed(place):
    """Each once, and nothing that has time; a second run does nothing."""
    place("issue", "fresh.example")
    place("issue", "localhost", "127.0.0.1")
    old = backdate(place, 70)
    (new,) = place.data("renew", "--due", "localhost")["issued"]

    assert ["localhost", "127.0.0.1"] == new["certificate"]["names"]
    assert f"{old.serial_number:x}" != new["serial"]
    assert "nothing is due" in place("renew", "--due")


def test_it_may_go_elsewhere_and_live_longer(place):
    """``--out`` and ``--days``; the old files stay."""
    place("issue", "localhost")
    before = place.read("localhost.pem")
    data = place.data("renew", "localhost", "--out", "new", "--days", "30")
    left = place.read("new/localhost.pem").not_valid_after_utc

    assert before == place.read("localhost.pem")
    assert 29 == (left - datetime.now(timezone.utc)).days
    assert (
        str(place.path / "new" / "localhost.pem")
        == (data["issued"][0]["certificate_file"])
    )
    words = place("renew", "localhost", "--out", "new")
    assert "good: renewed localhost" in words
    assert "new/localhost-key.pem" in words


@pytest.mark.parametrize("data", [b"something else", None])
def test_a_strange_file_is_not_overwritten(place, data):
    """What is there is another certificate, or none; --force knows."""
    place("issue", "localhost")
    path = place.path / "localhost.pem"
    path.write_bytes(data or testing.CA().issue("localhost").chain_pem)
    before = path.read_bytes()
    words = place("renew", "localhost", status=1)

    assert "is not the certificate that is to be renewed" in words
    assert before == path.read_bytes()
    assert [("localhost", "good")] == states(place)
    place("renew", "localhost", "--force")
    assert before != path.read_bytes()


def test_files_that_are_gone_are_made_again(place):
    """Who has lost them may renew."""
    place("issue", "localhost")
    place.path.joinpath("localhost.pem").unlink()
    place.path.joinpath("localhost-key.pem").unlink()
    place("renew", "localhost")

    assert 0o600 == mode(place.path / "localhost-key.pem")


def test_not_everything_can_be_renewed(place):
    """What is bad, revoked or replaced is told apart."""
    place("issue", "bad.example", "--bad", "expired")
    place("issue", "localhost")
    old = place.read("localhost.pem")
    shutil.copy("localhost.pem", "old.pem")
    place("renew", "localhost")
    place("issue", "--client", "alice")
    place("revoke", "alice")
    stranger = place.path / "stranger.pem"
    stranger.write_bytes(testing.CA().issue("localhost").chain_pem)

    assert "bad on purpose" in place(
        "renew", "bad.example-expired.pem", status=1
    )
    assert "was revoked" in place("renew", "alice-client.pem", status=1)
    assert "was replaced by" in place("renew", "old.pem", status=1)
    assert "was replaced by" in place(
        "renew", f"{old.serial_number:x}", status=1
    )
    assert "is not by the CA" in place("renew", "stranger.pem", status=1)
    assert "(revoked)" in place("renew", "alice", status=1)
    assert "has issued no certificate for 'bob'" in place(
        "renew", "bob", status=1
    )
    assert "say which, or --due" in place("renew", status=1)


def test_what_is_older_than_the_record_can_not_be_renewed(place):
    """Nobody knows how it was issued; it can be revoked."""
    authority = Authority.open(place.path / "tlskit-ca")
    leaf = authority.ca.issue("old.example")
    place.path.joinpath("old.pem").write_bytes(leaf.chain_pem)

    words = place("renew", "old.pem", status=1)
    assert "the record does not have the certificate in old.pem" in words
    assert f"revoked {leaf.certificate.serial_number:x}\n" in place(
        "revoke", "old.pem"
    )
    assert leaf.certificate.serial_number in {
        each.serial_number for each in crl(place)
    }


# -- revoking ---------------------------------------------------------------


@needs("openssl")
def test_each_list_has_all_and_a_higher_number(place):
    """And openssl refuses what is on it, and nothing else."""
    place("issue", "localhost", "--client", "alice", "--client", "bob")
    check = ("-crl_check", "-CRLfile", "tlskit-ca/crl.pem")
    place("revoke", "alice", "--reason", "key-compromise")
    first = number(crl(place))
    data = place.data("revoke", "bob-client.pem")
    second = crl(place)
    place("revoke", "--days", "1")

    assert (1, 2, 3) == (first, number(second), number(crl(place)))
    assert 2 == data["crl_number"]
    assert 2 == len(list(crl(place)))
    assert (
        1 == (crl(place).next_update_utc - datetime.now(timezone.utc)).days + 1
    )
    assert "localhost.pem: OK" in place.openssl(*check, "localhost.pem")
    for name in ("alice", "bob"):
        assert "certificate revoked" in place.openssl(
            *check, f"{name}-client.pem"
        )
    alice, bob = (
        each
        for each in place.data("list")["issued"]
        if each["kind"] == "client"
    )
    assert ("revoked", "key-compromise") == (alice["state"], alice["reason"])
    assert ("revoked", "unspecified") == (bob["state"], bob["reason"])


@needs("curl")
def test_curl_refuses_after_it_was_revoked(place):
    """The same server, the same client: accepted before, refused after."""
    place("issue", "127.0.0.1")
    place("revoke")

    def fetch():
        return subprocess.run(
            [
                *("curl", "-sS", "--cacert", "tlskit-ca/ca.pem"),
                *("--crlfile", "tlskit-ca/crl.pem"),
                f"https://127.0.0.1:{port}/",
            ],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        ).returncode

    pair = ("--cert", "127.0.0.1.pem", "--key", "127.0.0.1-key.pem")
    place.path.joinpath("site").mkdir()
    with serving("--json", "--dir", "site", *pair) as server:
        port = server.event()["port"]
        assert 0 == fetch()
        place("revoke", "127.0.0.1")
        # 60: the peer's certificate can't be verified.
        assert 60 == fetch()


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_on_the_list(place, reason):
    """As RFC 5280 has it; "unspecified" is not written there."""
    place("issue", "localhost")
    place("revoke", "localhost", "--reason", reason)
    (found,) = crl(place)

    assert reason == Revocation.of(found).reason
    assert (reason == "unspecified") is (len(found.extensions) == 0)


def test_a_reason_of_another_program_is_kept_as_none(place):
    """A list that somebody else made may have reasons we don't."""
    listed = (
        x509.RevokedCertificateBuilder()
        .serial_number(5)
        .revocation_date(datetime.now(timezone.utc))
        .add_extension(x509.CRLReason(x509.ReasonFlags.aa_compromise), False)
        .build()
    )

    assert "unspecified" == Revocation.of(listed).reason


def test_a_name_means_all_that_count(place):
    """The one that replaced it, and the replaced one, which still counts."""
    place("issue", "localhost")
    place("renew", "localhost")
    place("issue", "localhost", "--bad", "expired")
    words = place("revoke", "LOCALHOST")

    assert 2 == words.count("good: revoked ")
    assert ["revoked", "revoked", "expired"] == [
        state for _, state in states(place)
    ]


def test_a_serial_number_needs_some_digits(place):
    """Six are enough if no other begins so; colons and zeros don't count."""
    place("issue", "localhost")
    record = Authority.open(place.path / "tlskit-ca").record()
    serial = f"{record.issued[0].serial:x}"

    assert "has issued no certificate" in place("revoke", serial[:5], status=1)
    pairs = ":".join(serial[at : at + 2] for at in range(0, len(serial), 2))
    assert serial in place("revoke", "0" + pairs.upper())
    words = place("revoke", serial, status=1)
    assert f"{serial} has been revoked since 20" in words


def test_a_beginning_of_two_serial_numbers_is_none(place, monkeypatch):
    """More digits are asked for."""
    for _ in range(2):
        place("issue", "localhost", "--force")
    authority = Authority.open(place.path / "tlskit-ca")
    record = authority.record()
    clone = x509.load_pem_x509_certificate(
        authority.ca.issue("other").chain_pem
    )
    monkeypatch.setattr(
        Issued, "serial", property(lambda self: 0xABCDEF0 + len(self.kind))
    )
    record.issued.append(Issued(clone, "client!", 1, None, "x"))
    with pytest.raises(ConfigurationError, match="several serial numbers"):
        choose(record, "abcdef", lambda _: True)


def test_a_list_without_a_record_is_taken_over(place):
    """What an earlier version revoked stays revoked, and numbers go on."""
    directory = place.path / "tlskit-ca"
    authority = Authority.open(directory)
    old = authority.ca.issue("old.example").certificate
    directory.joinpath("crl.pem").write_bytes(
        authority.ca.crl([old], number=41)
    )
    place("issue", "localhost")
    place("revoke", "localhost")

    assert 42 == number(crl(place))
    assert {old.serial_number, place.read("localhost.pem").serial_number} == {
        each.serial_number for each in crl(place)
    }


def test_a_broken_list_without_a_record_stops_all(place):
    """Or its contents would be lost."""
    place.path.joinpath("tlskit-ca", "crl.pem").write_text("nonsense")

    assert "is no revocation list" in place("revoke", status=1)


def test_a_list_of_another_ca_without_a_record_stops_all(place):
    """It says nothing about this one's certificates."""
    other = testing.CA("other")
    place.path.joinpath("tlskit-ca", "crl.pem").write_bytes(
        other.crl([other.issue("localhost").certificate], number=1)
    )

    assert "signed by another key" in place("revoke", status=1)


@pytest.mark.parametrize("key_type", KEYS)
def test_every_kind_of_ca_makes_lists(place, key_type):
    """The list is signed by the CA, whatever its key."""
    place("init", "other", "--key-type", key_type)
    place("issue", "localhost", "--ca", "other")
    place("revoke", "localhost", "--ca", "other")
    done = subprocess.run(
        [
            *("openssl", "crl", "-noout", "-CAfile", "other/ca.pem"),
            *("-in", "other/crl.pem"),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert "verify OK" in done.stderr


def test_the_whole_way_as_a_newcomer(tmp_path):
    """The examples of the documentation, as a process."""
    ca = ("--ca", str(tmp_path / "ca"))
    out = ("--out", str(tmp_path))
    for arguments in (
        ("init", str(tmp_path / "ca")),
        ("issue", "localhost", *ca, *out),
        ("list", *ca),
        ("renew", "--due", *ca),
        ("revoke", "localhost", *ca),
        ("revoke", *ca),
    ):
        done = tlskit("ca", *arguments)
        assert (0, "") == (done.returncode, done.stderr)
    data = json.loads(tlskit("ca", "list", *ca, "--json").stdout)

    assert ["revoked"] == [each["state"] for each in data["issued"]]
    assert str(tmp_path / "ca" / "crl.pem") == data["crl_file"]
