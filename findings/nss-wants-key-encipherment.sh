#!/bin/sh
# NSS refuses an RSA server whose certificate is for digital signatures only,
# also in TLS 1.3, where there is nothing else that an RSA key does.
#
# Seen with: libnss3-tools 3.87.1-1+deb12u4 (Debian 12), pyOpenSSL 26.4.0 (the
#   wheel's OpenSSL 4.0) as the server and as another verifier, cryptography
#   50.0.2
#
# Since the RSA key exchange is gone, a server's key signs and does nothing more:
# RFC 8446 (section 4.4.2.2) asks for digitalSignature, and the rules for public
# CAs leave keyEncipherment to their choice.  One would expect a client that
# offers TLS 1.3 alone to be content.  NSS decides on the key usage when it
# builds the chain, by the kind of the key and without a look at the protocol:
# for RSA it must have keyEncipherment.  For an EC key it is content with a
# signature.  Firefox has a verifier of its own and never shows this; what calls
# the one in NSS does, as NSS's own tools.
#
# Who is hurt: who tightens the key usage of RSA servers, and tests with browsers
# and OpenSSL.  What to do: EC keys; or leave keyEncipherment in until the last
# NSS client is gone.
#
# Needs: Debian 12, with apt.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

timeout 300 apt-get download --quiet=2 \
    libnss3=2:3.87.1-1+deb12u4 libnss3-tools=2:3.87.1-1+deb12u4 \
    libnspr4=2:4.35-1 >/dev/null 2>&1
for package in ./*.deb; do
    dpkg -x "$package" root
done
python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0

cat >recorded <<'END'
NSS 3.87.1, OpenSSL 4.0, TLS 1.3
RSA with digital_signature, key_encipherment
  OpenSSL: good
  NSS: good
RSA with digital_signature
  OpenSSL: good
  NSS: SEC_ERROR_INADEQUATE_KEY_USAGE
EC with digital_signature
  OpenSSL: good
  NSS: good
END

cat >serve.py <<'END'
import datetime
import glob
import os
import socket
import subprocess
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import SSL, crypto

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
NSS = dict(os.environ, LD_LIBRARY_PATH=glob.glob("root/usr/lib/*-linux-gnu")[0])
ca_key = ec.generate_private_key(ec.SECP256R1())


def named(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def signed(subject, key, serial, ca, usages):
    names = (
        "digital_signature", "content_commitment", "key_encipherment",
        "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
        "encipher_only", "decipher_only",
    )
    usage = x509.KeyUsage(*(name in usages for name in names))
    host = x509.SubjectAlternativeName([x509.DNSName("a.example")])
    purpose = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named("CA"))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca, None), True)
        .add_extension(usage, True)
    )
    if not ca:
        builder = builder.add_extension(host, False)
        builder = builder.add_extension(purpose, False)
    return builder.sign(ca_key, hashes.SHA256())


def nss(*command):
    result = subprocess.run(
        [f"root/usr/bin/{command[0]}", *command[1:]],
        env=NSS, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=20,
    )
    return result.returncode, result.stdout


def serve(listener, context):
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(None)
        tls = SSL.Connection(context, connection)
        tls.set_accept_state()
        try:
            tls.do_handshake()
            while tls.recv(100):
                pass
        except SSL.Error:
            pass


def by_nss(leaf, key):
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.use_certificate(leaf)
    context.use_privatekey(key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        thread = threading.Thread(target=serve, args=(listener, context))
        thread.start()
        port = str(listener.getsockname()[1])
        code, said = nss(
            "tstclnt", "-4", "-Q", "-d", "sql:db", "-V", "tls1.3:tls1.3",
            "-h", "127.0.0.1", "-a", "a.example", "-p", port,
        )
        thread.join(20)
    failed = [line for line in said.splitlines() if "failed" in line]
    if failed:
        return failed[0].split(": ")[2]
    return "good" if code == 0 else f"{code}: {said}"


def by_openssl(leaf, root):
    store = crypto.X509Store()
    store.add_cert(root)
    try:
        crypto.X509StoreContext(store, leaf).verify_certificate()
    except crypto.X509StoreContextError as error:
        return str(error)
    return "good"


root = signed("CA", ca_key, 1, True, {"key_cert_sign", "crl_sign"})
with open("root.pem", "wb") as file:
    file.write(root.public_bytes(pki.Encoding.PEM))
os.mkdir("db")
for command in (
    ("certutil", "-N", "-d", "sql:db", "--empty-password"),
    ("certutil", "-A", "-d", "sql:db", "-n", "CA", "-t", "C,,",
     "-i", "root.pem"),
):
    code, said = nss(*command)
    assert code == 0, said
openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
package = glob.glob("libnss3_*.deb")[0]
nss_version = package.split("_")[1].partition("%3a")[2].partition("-")[0]
print(f"NSS {nss_version}, OpenSSL {openssl[:3]}, TLS 1.3")
rsa_key = rsa.generate_private_key(65537, 2048)
ec_key = ec.generate_private_key(ec.SECP256R1())
cases = (
    ("RSA", rsa_key, ("digital_signature", "key_encipherment")),
    ("RSA", rsa_key, ("digital_signature",)),
    ("EC", ec_key, ("digital_signature",)),
)
for serial, (kind, key, usages) in enumerate(cases, 2):
    leaf = signed("server", key, serial, False, usages)
    print(f"{kind} with {', '.join(usages)}")
    certificate = crypto.X509.from_cryptography(leaf)
    verdict = by_openssl(certificate, crypto.X509.from_cryptography(root))
    print("  OpenSSL:", verdict)
    private = crypto.PKey.from_cryptography_key(key)
    print("  NSS:", by_nss(certificate, private))
END
timeout 100 env/bin/python -W ignore serve.py >seen 2>errors || cat errors >>seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
