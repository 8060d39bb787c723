#!/bin/sh
# A TLS session that a pyOpenSSL client saved can be resumed as long as the
# connection that it came from is in memory, and never afterwards, unless the
# client itself sent close_notify.
#
# Seen with: pyOpenSSL 26.4.0 and cryptography 50.0.2 (its wheel's OpenSSL 4.0)
#
# One would expect Connection.get_session() to give something that is one's own
# to keep.  It shares OpenSSL's session object, and when the connection object
# is freed without having sent close_notify, OpenSSL marks that object as not
# resumable, also in TLS 1.3, where closing has nothing to do with resumption.
# To have read the server's close_notify is not enough.  set_session() still
# takes the session and says nothing; the client then just does not offer it.
# So it is Python's garbage collection that decides: a client that still has a
# variable for the last connection resumes, and the same code in a function,
# where it is gone, never does.
#
# Who is hurt: who resumes sessions with pyOpenSSL, and measures nothing; the
# handshakes work, and each is a full one.  What to do: call shutdown(), or
# set_shutdown(SENT_SHUTDOWN), before the connection goes.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0

cat >recorded <<'END'
pyOpenSSL 26.4.0, OpenSSL 4.0
TLSv1.2, connection kept: resumed
TLSv1.2, connection freed: full handshake
TLSv1.2, connection freed after the server's close_notify: full handshake
TLSv1.2, connection freed after its own close_notify: resumed
TLSv1.3, connection kept: resumed
TLSv1.3, connection freed: full handshake
TLSv1.3, connection freed after the server's close_notify: full handshake
TLSv1.3, connection freed after its own close_notify: resumed
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import datetime
import gc

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, __version__

key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
now = datetime.datetime.now(datetime.timezone.utc)
certificate = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(now)
    .not_valid_after(now + datetime.timedelta(days=1))
    .sign(key, hashes.SHA256())
)


def connect(client, server, session=None):
    """Connect in memory; say how many bytes the server's flight had."""
    one, other = SSL.Connection(client, None), SSL.Connection(server, None)
    one.set_connect_state()
    other.set_accept_state()
    if session is not None:
        one.set_session(session)
    flights = []
    for source, sink in [(one, other), (other, one)] * 2:
        try:
            source.do_handshake()
        except SSL.WantReadError:
            pass
        try:
            flights.append(source.bio_read(1 << 16))
            sink.bio_write(flights[-1])
        except SSL.WantReadError:
            pass
    one.do_handshake()
    try:
        other.do_handshake()
    except SSL.WantReadError:
        other.bio_write(one.bio_read(1 << 16))
        other.do_handshake()
    # What follows the handshake, the tickets of TLS 1.3, is read with data.
    other.send(b"!")
    one.bio_write(other.bio_read(1 << 16))
    assert one.recv(1) == b"!"
    return one, other, len(flights[1])


openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
print(f"pyOpenSSL {__version__}, OpenSSL {openssl[:3]}")
for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
    for fate in (
        "kept",
        "freed",
        "freed after the server's close_notify",
        "freed after its own close_notify",
    ):
        server = SSL.Context(SSL.TLS_SERVER_METHOD)
        server.use_privatekey(key)
        server.use_certificate(certificate)
        client = SSL.Context(SSL.TLS_CLIENT_METHOD)
        client.set_max_proto_version(version)
        one, other, full = connect(client, server)
        protocol = one.get_protocol_version_name()
        session = one.get_session()
        if "server's" in fate:
            other.shutdown()
            one.bio_write(other.bio_read(1 << 16))
            try:
                one.recv(1)
            except SSL.ZeroReturnError:
                pass
        if "own" in fate:
            one.shutdown()
        if fate != "kept":
            del one
            gc.collect()
        # A resumed handshake has no certificate in it.
        again = connect(client, server, session)[2]
        resumed = again < full - len(certificate.tbs_certificate_bytes)
        result = "resumed" if resumed else "full handshake"
        print(f"{protocol}, connection {fate}: {result}")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
