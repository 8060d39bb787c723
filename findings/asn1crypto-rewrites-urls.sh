#!/bin/sh
# asn1crypto gives other URLs than those in the certificate: an IPv6 address
# loses its brackets, and "ldap:///" two of its three slashes.
#
# Seen with: asn1crypto 1.5.1, certificates made by cryptography 50.0.2
#
# One would expect the URL of a CRL or of an OCSP responder to be what the
# certificate says.  asn1crypto takes each URL apart and puts it together again
# as text for people, and that isn't the same URL.  Without brackets the port of
# an IPv6 address can't be told from the address.  "ldap:///CN=..." is how
# Windows CAs write where their CRL is in the directory; with one slash it is no
# URL for the library itself any more.  "%2F" comes back as "%2f".  The changed
# text is what the fields for people and for fetching give, and what is encoded
# when the certificate is: its signature then doesn't fit, or, with the address,
# there is an error about the port.
#
# Who is hurt: whoever fetches CRLs, OCSP answers and issuers by asn1crypto's
# fields, as certificate validators do in labs and plants that live on IPv6 or
# Active Directory: the fetch fails, or certificates seem to be altered.
# What to do: take the bytes, contents of the URI object, or read with
# cryptography.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 asn1crypto==1.5.1

cat >recorded <<'END'
asn1crypto 1.5.1, cryptography 50.0.2
in the certificate: http://[2001:db8::1]:8080/ca.crl
  read as the name: http://2001:db8::1:8080/ca.crl
  the point's URL:  http://2001:db8::1:8080/ca.crl
  encoded anew: ValueError
in the certificate: ldap:///CN=CA,DC=example?certificateRevocationList
  read as the name: ldap:/CN=CA,DC=example?certificateRevocationList
  the point's URL:  None
  encoded anew: another value, no error
in the certificate: http://ca.example/a%2Fb.crl
  read as the name: http://ca.example/a%2fb.crl
  the point's URL:  http://ca.example/a%2fb.crl
  encoded anew: another value, no error
in the certificate: http://ca.example:8080/ca.crl
  read as the name: http://ca.example:8080/ca.crl
  the point's URL:  http://ca.example:8080/ca.crl
  encoded anew: the same
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import datetime

import asn1crypto.version
import asn1crypto.x509
import cryptography
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "name")])
NOW = datetime.datetime.now(datetime.timezone.utc)


def certificate(url):
    point = x509.DistributionPoint(
        [x509.UniformResourceIdentifier(url)], None, None, None
    )
    return (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .add_extension(x509.CRLDistributionPoints([point]), False)
        .sign(KEY, hashes.SHA256())
    )


print(
    f"asn1crypto {asn1crypto.version.__version__},"
    f" cryptography {cryptography.__version__}"
)
for url in (
    "http://[2001:db8::1]:8080/ca.crl",
    "ldap:///CN=CA,DC=example?certificateRevocationList",
    "http://ca.example/a%2Fb.crl",
    "http://ca.example:8080/ca.crl",
):
    made = certificate(url)
    points = made.extensions.get_extension_for_class(
        x509.CRLDistributionPoints
    ).value
    print("in the certificate:", points[0].full_name[0].value)
    encoded = made.public_bytes(pki.Encoding.DER)
    read = asn1crypto.x509.Certificate.load(encoded)
    point = read.crl_distribution_points[0]
    print("  read as the name:", point["distribution_point"].native[0])
    print("  the point's URL: ", point.url)
    read.native  # Now every value has been read once.
    try:
        same = read.dump(force=True) == encoded
        result = "the same" if same else "another value, no error"
    except ValueError as error:
        result = type(error).__name__
    print("  encoded anew:", result)
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
