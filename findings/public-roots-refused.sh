#!/bin/sh
# Of the public roots in certifi one can't be used with cryptography's verifier,
# and another one not with OpenSSL's strict mode, whatever it certifies.
#
# Seen with: certifi 2026.10.19.post1, cryptography 50.0.2, pyOpenSSL 26.4.0 (the
#   wheel's OpenSSL 4.0), asn1crypto 1.5.1
#
# One would expect a root that is in everybody's trust store to be good for
# verifying something.  The dates of "Certum Trusted Network CA 2" are written
# as GeneralizedTime, which RFC 5280 (section 4.1.2.5) has for 2050 and later;
# cryptography holds roots to that too.  "TWCA Global Root CA" has no subject key
# identifier, which OpenSSL asks of every CA when it is strict, as Python's
# default context is from 3.13 on.  Both are old, and widely trusted.
# Neither verifier minds the roots with the serial number 0.
#
# To test a root without its owner, the script puts a key of its own into it,
# signs that, and lets it certify a server; all else stays as it is.
#
# Who is hurt: clients of servers below one of the two, who find only that site
# broken, and only in some of their programs.  What to do: if it is one of
# these, trust the intermediate as well, where partial chains are allowed.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0 asn1crypto==1.5.1 \
    certifi==2026.10.19.post1

cat >recorded <<'END'
certifi 2026.10.19, cryptography 50.0.2, OpenSSL 4.0
roots: 117, with the serial number 0: 6
OpenSSL accepts: 117
OpenSSL, strictly, accepts: 116
  TWCA Global Root CA: Missing Subject Key Identifier
cryptography accepts: 116
  Certum Trusted Network CA 2: validity dates between 1950 and 2049 must be UtcTime
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import datetime

import certifi
import cryptography
from asn1crypto import algos, keys, pem
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from OpenSSL import SSL, crypto

# All is verified as of that day, so that nothing expires.
DAY = datetime.datetime(2026, 11, 1)
KEY = ec.generate_private_key(ec.SECP256R1())
SPKI = KEY.public_key().public_bytes(
    pki.Encoding.DER, pki.PublicFormat.SubjectPublicKeyInfo
)
ECDSA = algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"})


def with_our_key(encoded):
    """The same certificate, of our key and signed by it."""
    root = asn1.Certificate.load(encoded)
    signed = root["tbs_certificate"]
    signed["subject_public_key_info"] = keys.PublicKeyInfo.load(SPKI)
    signed["signature"] = root["signature_algorithm"] = ECDSA
    root["signature_value"] = KEY.sign(
        signed.dump(), ec.ECDSA(hashes.SHA256())
    )
    return x509.load_der_x509_certificate(root.dump())


def server(root):
    """A certificate that *root* has issued, as a public CA would."""
    try:
        identifier = root.extensions.get_extension_for_class(
            x509.SubjectKeyIdentifier
        ).value
        issuer = (
            x509.AuthorityKeyIdentifier
            .from_issuer_subject_key_identifier(identifier)
        )
    except x509.ExtensionNotFound:
        issuer = x509.AuthorityKeyIdentifier(b"unknown", None, None)
    names = x509.SubjectAlternativeName([x509.DNSName("a.example")])
    usage = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(root.subject)
        .public_key(ec.generate_private_key(ec.SECP256R1()).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(DAY - datetime.timedelta(days=1))
        .not_valid_after(DAY + datetime.timedelta(days=1))
        .add_extension(names, True)
        .add_extension(issuer, False)
        .add_extension(usage, False)
        .sign(KEY, hashes.SHA256())
    )


def by_openssl(root, certificate, flags=0):
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(root))
    store.set_time(DAY)
    if flags:
        store.set_flags(flags)
    try:
        crypto.X509StoreContext(
            store, crypto.X509.from_cryptography(certificate)
        ).verify_certificate()
    except crypto.X509StoreContextError as error:
        return str(error)


def strictly_by_openssl(root, certificate):
    return by_openssl(root, certificate, crypto.X509StoreFlags.X509_STRICT)


def by_cryptography(root, certificate):
    policy = verification.PolicyBuilder().time(DAY)
    policy = policy.store(verification.Store([root]))
    try:
        policy.build_server_verifier(x509.DNSName("a.example")).verify(
            certificate, []
        )
    except verification.VerificationError as error:
        return str(error).rsplit(": ", 1)[-1]


openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
print(
    f"certifi {certifi.__version__}, cryptography {cryptography.__version__},"
    f" OpenSSL {openssl[:3]}"
)
with open(certifi.where(), "rb") as file:
    found = pem.unarmor(file.read(), multiple=True)
    roots = [with_our_key(encoded) for _, _, encoded in found]
zero = sum(root.serial_number == 0 for root in roots)
print(f"roots: {len(roots)}, with the serial number 0: {zero}")
pairs = [(root, server(root)) for root in roots]
for name, verify in (
    ("OpenSSL", by_openssl),
    ("OpenSSL, strictly,", strictly_by_openssl),
    ("cryptography", by_cryptography),
):
    results = [verify(*pair) for pair in pairs]
    print(f"{name} accepts: {results.count(None)}")
    for root, result in zip(roots, results):
        if result is not None:
            common = root.subject.get_attributes_for_oid(
                x509.NameOID.COMMON_NAME
            )
            print(f"  {common[0].value}: {result}")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
