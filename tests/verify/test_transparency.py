"""Public logs vouch for a server's certificate, or too few of them do."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

import tlskit
from tlskit import ConfigurationError, VerificationError
from tlskit.engine.refusal.unlogged import look_for_timestamps
from tlskit.openssl import native
from tlskit.testing import CA, memory_pair
from tlskit.verify.transparency import timestamps
from tlskit.verify.transparency.logs import Transparency, load_logs
from tlskit.verify.transparency.timestamps import stamps_of
from tlskit.x509.der import element, fields

from ..peers import PATIENCE, Program, Task, needs

HOST = "right.example"
INSIDE = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
STAPLED = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.5")
DAY = timedelta(days=1)


def now():
    """Give the moment, as timestamps have it."""
    return datetime.now(timezone.utc)


class TestLog:
    """A log of our own."""

    __test__ = False

    def __init__(self, name, key=None):
        self.name = name
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.spki = self.key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        self.id = hashlib.sha256(self.spki).digest()

    def listed(self, **more):
        """Give its entry in a list."""
        return {
            "description": self.name,
            "log_id": base64.b64encode(self.id).decode(),
            "key": base64.b64encode(self.spki).decode(),
            "url": f"https://{self.name}.example/",
            "mmd": 86400,
            "state": {"usable": {"timestamp": "2024-01-01T00:00:00Z"}},
            **more,
        }

    def stamp(self, entry, at=None):
        """Sign an entry; give the timestamp as it is sent."""
        milliseconds = int((at or now()).timestamp() * 1000)
        return self.stamp_of(entry, milliseconds)

    def stamp_of(self, entry, milliseconds):
        """Sign an entry at a moment since 1970."""
        moment = milliseconds.to_bytes(8, "big")
        message = b"\0\0" + moment + entry + b"\0\0"
        if isinstance(self.key, rsa.RSAPrivateKey):
            kind = b"\x04\x01"
            signature = self.key.sign(
                message, padding.PKCS1v15(), hashes.SHA256()
            )
        elif isinstance(self.key, ed25519.Ed25519PrivateKey):
            kind, signature = b"\x04\x03", self.key.sign(message)
        else:
            kind = b"\x04\x03"
            signature = self.key.sign(message, ec.ECDSA(hashes.SHA256()))
        size = len(signature).to_bytes(2, "big")
        return b"\0" + self.id + moment + b"\0\0" + kind + size + signature


def listing(*entries):
    """Make a list in the form that browsers publish."""
    return {
        "version": "1.2.3",
        "operators": [
            {"name": "we", "logs": list(entries[:1])},
            {"name": "they", "logs": [], "tiled_logs": list(entries[1:])},
        ],
    }


def as_list(*stamps):
    """Put timestamps together as an extension holds them."""
    body = b"".join(len(each).to_bytes(2, "big") + each for each in stamps)
    return element(0x04, len(body).to_bytes(2, "big") + body)


def whole(data):
    """Give an entry's part with its size before it."""
    return len(data).to_bytes(3, "big") + data


class Site:
    """A CA whose certificates have timestamps."""

    def __init__(self):
        self.ca = CA("tlskit logged CA")
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.ca.certificate.subject)
            .public_key(self.key.public_key())
            .serial_number(4711)
            .not_valid_before(now() - DAY)
            .not_valid_after(now() + 90 * DAY)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(HOST)]),
                critical=True,
            )
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
                critical=False,
            )
        )

    def entry(self):
        """Give what logs sign: the certificate without their timestamps."""
        first = self.signed(b"\x04\x02\0\0")
        issuer = self.ca.certificate.tbs_certificate_bytes
        digest = hashlib.sha256(fields(issuer).key.whole).digest()
        return b"\0\1" + digest + whole(first.tbs_precertificate_bytes)

    def signed(self, value=None):
        """Sign the certificate, with these timestamps in it."""
        builder = self.builder
        if value is not None:
            extension = x509.UnrecognizedExtension(INSIDE, value)
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.ca.key, hashes.SHA256())

    def server(self, *stamps):
        """Make a server whose certificate holds *stamps*."""
        certificate = self.signed(as_list(*stamps) if stamps else None)
        context = tlskit.ServerContext()
        context.load_certificate_chain(certificate)
        context.load_private_key(self.key)
        return context, certificate

    def client(self, logs, **options):
        """Make a client that asks for timestamps."""
        context = tlskit.ClientContext("auto")
        self.ca.trust(context)
        context.set_verify()
        context.set_verify_hostname()
        context.set_certificate_transparency(logs, **options)
        return context


@pytest.fixture(scope="module")
def site():
    """Make a CA and a certificate to come."""
    return Site()


@pytest.fixture(scope="module")
def logs():
    """Make two logs, of different keys."""
    key = rsa.generate_private_key(65537, 2048)
    return TestLog("oak"), TestLog("elm", key)


@pytest.fixture
def client(site, logs):
    """Make a client that wants both logs."""
    return site.client(listing(*(each.listed() for each in logs)))


def refused(client, server):
    """Shake hands; give the error."""
    with pytest.raises(VerificationError) as caught:
        memory_pair(client, server, hostname=HOST)
    assert "no-transparency" == caught.value.code
    return str(caught.value)


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_enough_logs(site, logs, version):
    """Two logs vouch, by ECDSA and by RSA: the server is accepted."""
    server, certificate = site.server(
        *(each.stamp(site.entry()) for each in logs)
    )
    client = tlskit.ClientContext(version)
    site.ca.trust(client)
    client.set_verify()
    client.set_certificate_transparency(
        listing(*(each.listed() for each in logs))
    )
    here, there = memory_pair(client, server)
    with here, there:
        assert here.peer_verified

    assert 2 == len(client.verify_chain(certificate))


def test_too_few_logs(site, logs, client):
    """One log is not two; nor is the same one twice."""
    oak, _ = logs
    one, certificate = site.server(oak.stamp(site.entry()))
    twice, _ = site.server(oak.stamp(site.entry()), oak.stamp(site.entry()))

    assert "has 1 good timestamps" in refused(client, one)
    assert "oak: good" in refused(client, one)
    assert "has 1 good timestamps" in refused(client, twice)
    with pytest.raises(VerificationError):
        client.verify_chain(certificate, hostname=HOST)
    client.set_certificate_transparency(
        listing(*(each.listed() for each in logs)), require=1
    )
    here, there = memory_pair(client, one, hostname=HOST)
    here.close()
    there.close()


def test_none_at_all(site, client):
    """A certificate without timestamps is refused; the server is told."""
    server, _ = site.server()

    assert "it came without any" in refused(client, server)
    client.set_certificate_transparency(None)
    here, there = memory_pair(client, server, hostname=HOST)
    here.close()
    there.close()


def test_an_unknown_log(site, logs, client):
    """A log that is not in the list does not count."""
    stranger = TestLog("stranger")
    server, _ = site.server(
        logs[0].stamp(site.entry()), stranger.stamp(site.entry())
    )
    told = refused(client, server)

    assert f"{stranger.id.hex()}: a log that is not in the list" in told


def test_a_wrong_signature(site, logs, client):
    """A signature by another key, or of other bytes, does not count."""
    oak, elm = logs
    forged = TestLog("oak")
    forged.id = oak.id
    good = elm.stamp(site.entry())
    bad = good[:-1] + bytes([good[-1] ^ 1])
    server, _ = site.server(forged.stamp(site.entry()), bad)
    told = refused(client, server)

    assert "oak: a wrong signature" in told
    assert "elm: a wrong signature" in told


def test_of_another_certificate(site, logs, client):
    """Timestamps of another precertificate do not count."""
    entry = site.entry()
    other = entry[:-1] + bytes([entry[-1] ^ 1])
    server, _ = site.server(*(each.stamp(other) for each in logs))

    assert "has 0 good timestamps" in refused(client, server)


def test_of_the_future(site, logs, client):
    """A timestamp of tomorrow does not count today."""
    server, _ = site.server(
        *(each.stamp(site.entry(), now() + DAY) for each in logs)
    )

    assert "in the future" in refused(client, server)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            {
                "temporal_interval": {
                    "start_inclusive": "2020-01-01T00:00:00Z",
                    "end_exclusive": "2021-01-01T00:00:00Z",
                }
            },
            "other years",
        ),
        (
            {
                "temporal_interval": {
                    "start_inclusive": "2090-01-01T00:00:00Z",
                    "end_exclusive": "2091-01-01T00:00:00Z",
                }
            },
            "other years",
        ),
        (
            {"state": {"retired": {"timestamp": "2020-01-01T00:00:00Z"}}},
            "had retired",
        ),
        ({"state": {"rejected": {"timestamp": "x"}}}, "not in the list"),
    ],
)
def test_logs_that_do_not_count(site, logs, more, told):
    """A log of other years, or one that was given up, does not count."""
    oak, elm = logs
    client = site.client(listing(oak.listed(**more), elm.listed()))
    server, _ = site.server(*(each.stamp(site.entry()) for each in logs))

    assert told in refused(client, server)


def test_a_log_that_retired_later(site, logs):
    """What a log has signed before it retired counts."""
    oak, elm = logs
    tomorrow = (now() + DAY).isoformat()
    client = site.client(
        listing(
            oak.listed(state={"retired": {"timestamp": tomorrow}}),
            elm.listed(
                temporal_interval={
                    "start_inclusive": "2020-01-01T00:00:00Z",
                    "end_exclusive": "2090-01-01T00:00:00Z",
                }
            ),
        )
    )
    server, _ = site.server(*(each.stamp(site.entry()) for each in logs))
    here, there = memory_pair(client, server, hostname=HOST)
    here.close()
    there.close()


def test_of_the_end_of_time(site, logs, client):
    """A moment that no calendar has does not count, and breaks nothing."""
    server, _ = site.server(
        *(each.stamp_of(site.entry(), 2**64 - 1) for each in logs)
    )

    assert "has 0 good timestamps" in refused(client, server)


def test_logs_of_one_name(site):
    """Two logs that are called alike are two, all the same."""
    twins = TestLog("twin"), TestLog("twin")
    client = site.client(listing(*(each.listed() for each in twins)))
    server, _ = site.server(*(each.stamp(site.entry()) for each in twins))
    here, there = memory_pair(client, server, hostname=HOST)
    here.close()
    there.close()


def test_where_it_is_only_told(site, logs):
    """With try_verify() it is told, without verification nobody asks."""
    server, _ = site.server()
    client = site.client(listing(*(each.listed() for each in logs)))
    client.try_verify()
    here, there = memory_pair(client, server, hostname=HOST)
    with here, there:
        assert not here.peer_verified
        assert "no-transparency" == here.verify_error.code
    client.set_verify(False)
    client.set_verify_hostname(False)
    here, there = memory_pair(client, server)
    with here, there:
        assert here.verify_error is None or (
            "no-transparency" != here.verify_error.code
        )


@pytest.mark.native
def test_a_session_that_is_resumed(site, logs):
    """What a session's first handshake has shown holds for the session."""
    server, _ = site.server(*(each.stamp(site.entry()) for each in logs))
    client = site.client(listing(*(each.listed() for each in logs)))
    client.set_session_cache(tlskit.SessionCache())
    resumed = []
    with tlskit.listen(hostname="127.0.0.1", context=server) as listener:
        for _ in range(2):
            task = Task(listener.accept, PATIENCE)
            with tlskit.connect(
                "127.0.0.1",
                listener.port,
                client,
                hostname=HOST,
                timeout=PATIENCE,
            ) as conn:
                with task.result() as there:
                    there.sendall(b"x")
                    assert b"x" == conn.recv(1)
                resumed.append(conn.session_reused)
                assert conn.peer_verified

    assert [False, True] == resumed


# -- in a staple ------------------------------------------------------------


def stapled(site, certificate, *stamps):
    """Make an OCSP response with timestamps, or with none."""
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=certificate,
        issuer=site.ca.certificate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=now() - DAY,
        next_update=now() + DAY,
        revocation_time=None,
        revocation_reason=None,
    )
    builder = builder.responder_id(
        ocsp.OCSPResponderEncoding.HASH, site.ca.certificate
    )
    response = builder.sign(site.ca.key, hashes.SHA256())
    return response.public_bytes(Encoding.DER)


def test_a_staple_without_timestamps(site, logs, client):
    """An ordinary OCSP response changes nothing."""
    server, certificate = site.server(
        *(each.stamp(site.entry()) for each in logs)
    )
    server.set_ocsp_response(stapled(site, certificate))
    client.set_ocsp("require")
    here, there = memory_pair(client, server, hostname=HOST)
    with here, there:
        assert here.peer_verified


def test_timestamps_in_a_staple(site, logs, monkeypatch):
    """Those in a response are about the certificate as it is."""
    certificate = site.signed()
    der = certificate.public_bytes(Encoding.DER)
    value = as_list(*(each.stamp(b"\0\0" + whole(der)) for each in logs))
    holder = site.builder.add_extension(
        x509.UnrecognizedExtension(INSIDE, value), critical=False
    ).sign(site.ca.key, hashes.SHA256())
    found = holder.extensions.get_extension_for_class(
        x509.PrecertificateSignedCertificateTimestamps
    ).value

    class Extensions:
        def get_extension_for_class(self, kind):
            assert kind is x509.SignedCertificateTimestamps
            return type("Found", (), {"value": list(found)})

    class Response:
        single_extensions = Extensions()

    # cryptography can read such a response, and not make one.
    class Reader:
        @staticmethod
        def load_der_ocsp_response(data):
            assert b"a response" == data
            return Response()

    monkeypatch.setattr(timestamps, "ocsp", Reader)
    rules = Transparency(
        load_logs(listing(*(each.listed() for each in logs))), 2
    )
    path = der, site.ca.certificate.public_bytes(Encoding.DER)
    stamps = stamps_of(path, rules.logs, now(), b"a response")

    assert [("oak", ""), ("elm", "")] == [each[:2] for each in stamps]
    assert {"staple"} == {each.source for each in stamps}


# -- in the handshake -------------------------------------------------------

asks = pytest.mark.skipif(
    not native.has("handshake-timestamps"), reason="no door to them"
)


@contextmanager
def s_server(site, folder, data, *options):
    """Run OpenSSL's server, which sends *data* as what logs have signed."""
    # TLS 1.3's Certificate, TLS 1.2's ServerHello, and the ClientHello.
    where = 0x1000 | 0x0100 | 0x0080
    whole = struct.pack("!IHH", where, 18, len(data)) + data
    text = base64.encodebytes(whole).decode("ascii")
    chain, key, info = (folder / name for name in ("c.pem", "k.pem", "i.pem"))
    info.write_text(
        f"-----BEGIN SERVERINFOV2 FOR LOGS-----\n{text}"
        "-----END SERVERINFOV2 FOR LOGS-----\n"
    )
    chain.write_bytes(site.signed().public_bytes(Encoding.PEM))
    key.write_bytes(
        site.key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    with Program(
        *("openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", "1"),
        *("-cert", str(chain), "-key", str(key), "-serverinfo", str(info)),
        *options,
    ) as program:
        yield int(program.until(r"^ACCEPT 127.0.0.1:(\d+)")[1])


def sized(*stamps):
    """Put timestamps together as a handshake has them."""
    body = b"".join(len(each).to_bytes(2, "big") + each for each in stamps)
    return len(body).to_bytes(2, "big") + body


def of_certificate(site):
    """Give what logs sign of a certificate as it is."""
    return b"\0\0" + whole(site.signed().public_bytes(Encoding.DER))


@pytest.fixture
def plain(monkeypatch):
    """Make a CA whose certificate is the same each time."""
    made = Site()
    certificate = made.signed()
    monkeypatch.setattr(
        made,
        "signed",
        lambda value=None: (
            certificate if value is None else Site.signed(made, value)
        ),
    )
    return made


def dial(client, port):
    """Connect to OpenSSL's server; give how it went."""
    with tlskit.connect(
        "127.0.0.1", port, client, hostname=HOST, timeout=PATIENCE
    ) as conn:
        return conn.peer_verified


@pytest.mark.native
@asks
@needs("openssl")
@pytest.mark.parametrize(
    "options",
    [("-tls1_2",), ("-tls1_3",), ("-tls1_3", "-groups", "P-384")],
    ids=["tls12", "tls13", "asked twice"],
)
def test_timestamps_in_the_handshake(plain, logs, tmp_path, options):
    """A server may send them beside its certificate, in both versions."""
    client = plain.client(listing(*(each.listed() for each in logs)))
    told = []
    client.set_trace(told.append)
    data = sized(*(each.stamp(of_certificate(plain)) for each in logs))
    with s_server(plain, tmp_path, data, *options) as port:
        assert dial(client, port)

    assert "certificate" in {each.type for each in told}


@pytest.mark.native
@asks
@needs("openssl")
@pytest.mark.parametrize("fault", ["other", "one", "broken", "future"])
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_bad_ones_in_the_handshake(plain, logs, tmp_path, fault, version):
    """They are judged as those in a certificate are."""
    client = plain.client(listing(*(each.listed() for each in logs)))
    entry = of_certificate(plain)
    first, second = (each.stamp(entry) for each in logs)
    data, wanted = {
        "other": (
            sized(first, logs[1].stamp(plain.entry())),
            "elm: a wrong signature",
        ),
        "one": (sized(first), "oak: good"),
        "broken": (sized(first, second)[:-1], "it came without any"),
        "future": (
            sized(first, logs[1].stamp_of(entry, 2**64 - 1)),
            "elm: a moment that no calendar has",
        ),
    }[fault]
    with s_server(plain, tmp_path, data, version) as port:
        with pytest.raises(VerificationError) as caught:
            dial(client, port)

    assert "no-transparency" == caught.value.code
    assert wanted in str(caught.value)


@needs("openssl")
def test_nobody_is_asked_in_the_handshake(plain, logs, tmp_path):
    """Without the capability they are not there; others may be."""
    data = sized(*(each.stamp(of_certificate(plain)) for each in logs))
    with native.without("handshake-timestamps"):
        client = plain.client(listing(*(each.listed() for each in logs)))
        with s_server(plain, tmp_path, data) as port:
            with pytest.raises(VerificationError, match="without any"):
                dial(client, port)


def test_of_another_version(site, logs):
    """A timestamp of a version that is to come is passed over."""
    der = site.signed().public_bytes(Encoding.DER)
    good = logs[0].stamp(b"\0\0" + whole(der))
    known = load_logs(listing(logs[0].listed()))
    found = stamps_of((der,), known, now(), b"", sized(b"\1?", good))

    assert [("oak", "", "handshake")] == [
        (each.log, each.fault, each.source) for each in found
    ]


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (0x0303, b"\x02\0\0\x02\3\3"),
        (0x0304, b"\x0b\0\0\x01\1"),
        (0x0304, b"\x0b\0\0\x04\0\0\0\x09"),
        (0x0304, b"\x14\0\0\0"),
    ],
)
def test_messages_with_nothing_of_logs(site, logs, version, message):
    """What is cut off, or another message, is left to OpenSSL."""
    client = site.client(listing(logs[0].listed()))
    record = client.new_engine(hostname=HOST).record
    connection = SimpleNamespace(get_protocol_version=lambda: version)
    look_for_timestamps(connection, record, message)

    assert b"" == record.logged


# -- odd ones ---------------------------------------------------------------


def test_a_log_of_another_kind_of_key(site):
    """A log whose key is of no kind that RFC 6962 has does not count."""
    odd = TestLog("odd", ed25519.Ed25519PrivateKey.generate())
    client = site.client(listing(odd.listed()), require=1)
    server, _ = site.server(odd.stamp(site.entry()))

    assert "odd: a wrong signature" in refused(client, server)


def test_what_can_not_be_read(site, logs):
    """A certificate that can't be read has no timestamps that count."""
    known = load_logs(listing(logs[0].listed()))
    (found,) = stamps_of((b"nothing",), known, now())
    alone = site.signed(as_list(logs[0].stamp(site.entry())))

    assert "can't be read" in found.fault
    der = alone.public_bytes(Encoding.DER)
    (lonely,) = stamps_of((der,), known, now(), b"no response")
    assert "issuer is not known" in lonely.fault


# -- the list ---------------------------------------------------------------


def test_a_list_from_a_file(tmp_path, logs):
    """A path, bytes and a mapping are all the same list."""
    data = listing(*(each.listed() for each in logs))
    path = tmp_path / "logs.json"
    path.write_text(json.dumps(data))

    assert load_logs(data) == load_logs(path) == load_logs(str(path))
    assert load_logs(data) == load_logs(path.read_bytes())
    assert ["oak", "elm"] == [each.name for each in load_logs(data)]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("/no/such/list.json", "can't read"),
        (b"nothing", "no JSON"),
        ({"logs": []}, "no list of Certificate Transparency logs"),
        ({"operators": [1]}, "no list of Certificate Transparency logs"),
        ({"operators": []}, "no log that counts"),
    ],
)
def test_what_is_no_list(source, told):
    """What can't be read, or is something else, is told."""
    with pytest.raises(ConfigurationError, match=told):
        load_logs(source)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"key": "!"}, "has no key"),
        ({"key": "AAAA"}, "has no key"),
        ({"log_id": "AAAA"}, "id of another key"),
        (
            {"temporal_interval": {"start_inclusive": "2020-01-01T00:00:00"}},
            "no time zone",
        ),
    ],
)
def test_a_log_that_is_none(logs, more, told):
    """An entry that contradicts itself spoils the list, which says where."""
    with pytest.raises(ConfigurationError, match=told):
        load_logs(listing(logs[0].listed(**more)))


def test_none_required(client):
    """To require no log is to ask for nothing; None says so."""
    with pytest.raises(ValueError, match="1 or more"):
        client.set_certificate_transparency(None, require=0)
