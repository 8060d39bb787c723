#!/bin/sh
# Two libraries that complete a chain by the address in the certificate fail where
# an enterprise's CA publishes its issuer: after an LDAP address, or in PKCS#7.
#
# Seen with: aia 0.2.0, aia-chaser 3.6.0, pyhanko-certvalidator 0.33.0,
#   certificates made by cryptography 50.0.2
#
# A certificate may give several addresses for its issuer, of which a client takes
# one that it can reach, and what is there may be a certificate or a PKCS#7 file
# with several (RFC 5280, section 4.2.2.1).  Windows CAs put LDAP first, and
# governments publish .p7c files.  One would expect a library for nothing but
# this to know both, as pyhanko-certvalidator does.  aia looks at the first
# address only and complains about its scheme, and takes PKCS#7 for a certificate,
# which ends in a KeyError.  aia-chaser reads PKCS#7 and hands on what it finds
# in the order of the file, which DER sorts by length: the root, being the
# shortest, comes first, is trusted, and ends the chain, so that the
# intermediate is not in it, and there is no error.
#
# Who is hurt: who hopes that such a library makes an incomplete server work: it
# does for public ones.  What to do: have the server send its intermediates.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 aia==0.2.0 aia-chaser==3.6.0 \
    pyhanko-certvalidator==0.33.0

cat >recorded <<'END'
aia 0.2.0, aia-chaser 3.6.0, pyhanko-certvalidator 0.33.0
a certificate
  aia: leaf, intermediate, root
  aia-chaser: leaf, intermediate, root
  pyhanko-certvalidator: leaf, intermediate, root
an LDAP address before it
  aia: AIASchemeError: Invalid CA issuer certificate URI protocol
  aia-chaser: leaf, intermediate, root
  pyhanko-certvalidator: leaf, intermediate, root
PKCS#7 with the issuer
  aia: KeyError: 'issuer'
  aia-chaser: leaf, intermediate, root
  pyhanko-certvalidator: leaf, intermediate, root
PKCS#7 with the root, too
  aia: KeyError: 'issuer'
  aia-chaser: leaf, root
  pyhanko-certvalidator: leaf, intermediate, root
END

cat >look.py <<'END'
import asyncio
import datetime
import importlib.metadata
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
KEYS = [rsa.generate_private_key(65537, 2048) for _ in range(3)]
FILES = {}


class Publisher(BaseHTTPRequestHandler):
    def do_GET(self):
        body = FILES[self.path]
        p7c = self.path.endswith(".p7c")
        kind = "pkcs7-mime" if p7c else "pkix-cert"
        self.send_response(200)
        self.send_header("Content-Type", f"application/{kind}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def signed(subject, holder, issuer, signer, addresses=()):
    ca = subject != "leaf"
    names = [
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
        for text in (subject, issuer)
    ]
    own, above = holder.public_key(), signer.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(own)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca, None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), False)
    )
    if subject != issuer:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(above), False
        )
    if addresses:
        method = x509.AuthorityInformationAccessOID.CA_ISSUERS
        builder = builder.add_extension(
            x509.AuthorityInformationAccess([
                x509.AccessDescription(
                    method, x509.UniformResourceIdentifier(address)
                )
                for address in addresses
            ]),
            False,
        )
    return builder.sign(signer, hashes.SHA256())


def der(certificate):
    return certificate.public_bytes(pki.Encoding.DER)


root = signed("root", KEYS[0], "root", KEYS[0])
between = signed("intermediate", KEYS[1], "root", KEYS[0])
FILES["/ca.cer"] = der(between)
FILES["/one.p7c"] = pkcs7.serialize_certificates([between], pki.Encoding.DER)
FILES["/all.p7c"] = pkcs7.serialize_certificates(
    [between, root], pki.Encoding.DER
)
with open("root.pem", "wb") as file:
    file.write(root.public_bytes(pki.Encoding.PEM))
os.environ["SSL_CERT_FILE"] = "root.pem"
os.environ["SSL_CERT_DIR"] = os.path.join(os.getcwd(), "none")

import aia
import asn1crypto.x509
from aia_chaser import AiaChaser
from pyhanko_certvalidator import CertificateValidator, ValidationContext


class Session(aia.AIASession):
    def get_host_cert(self, host):
        return der(leaf)


def by_aia():
    return [
        x509.load_der_x509_certificate(one)
        for one in Session().aia_chase("a.example")
    ]


def by_aia_chaser():
    return list(AiaChaser(allow_private_ip=True).aia_chase_cert(leaf))


def by_pyhanko():
    context = ValidationContext(
        trust_roots=[asn1crypto.x509.Certificate.load(der(root))],
        allow_fetching=True,
        revocation_mode="soft-fail",
    )
    validator = CertificateValidator(
        asn1crypto.x509.Certificate.load(der(leaf)),
        validation_context=context,
    )
    path = asyncio.run(validator.async_validate_path())
    chain = reversed(list(path.iter_certs(include_root=True)))
    return [x509.load_der_x509_certificate(one.dump()) for one in chain]


server = ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}"
print(", ".join(
    f"{name} {importlib.metadata.version(name)}"
    for name in ("aia", "aia-chaser", "pyhanko-certvalidator")
))
for title, addresses in (
    ("a certificate", [f"{base}/ca.cer"]),
    (
        "an LDAP address before it",
        ["ldap:///cn=CA?cACertificate", f"{base}/ca.cer"],
    ),
    ("PKCS#7 with the issuer", [f"{base}/one.p7c"]),
    ("PKCS#7 with the root, too", [f"{base}/all.p7c"]),
):
    print(title)
    leaf = signed("leaf", KEYS[2], "intermediate", KEYS[1], addresses)
    for name, chase in (
        ("aia", by_aia),
        ("aia-chaser", by_aia_chaser),
        ("pyhanko-certvalidator", by_pyhanko),
    ):
        try:
            found = [one.subject.rfc4514_string()[3:] for one in chase()]
            result = ", ".join(found)
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
        print(f"  {name}: {result}")
server.shutdown()
END
timeout 100 env/bin/python -W ignore look.py >seen 2>errors || cat errors >>seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
