"""What the commands of other libraries make: GnuTLS, NSS, Botan."""

from __future__ import annotations

from .odd import Odd, Program

__all__ = ["PROGRAMS"]

# -- GnuTLS -----------------------------------------------------------------

_GNUTLS_FIRST = """
certtool --generate-privkey --key-type rsa --bits 2048 --outfile ca.key
printf 'cn = "GnuTLS CA"\nca\ncert_signing_key\ncrl_signing_key\n' > ca.cfg
certtool --generate-self-signed --load-privkey ca.key --template ca.cfg \
    --outfile ca.pem
certtool --generate-privkey --key-type rsa --bits 2048 --outfile leaf.key
printf 'cn = "box.example"\ndns_name = "box.example"\ntls_www_server\n' > l.cfg
printf 'cn = "box.example"\ndns_name = "box.example"\n' > bare.cfg
printf 'crl_next_update = 9\ncrl_number = 5\n' > crl.cfg
printf 'pkcs12_key_name = box\npassword = sesame\n' > p12.cfg
"""
_GNUTLS_SIGN = (
    "certtool --generate-certificate --load-ca-certificate ca.pem "
    "--load-ca-privkey ca.key"
)

_GNUTLS = (
    Odd(
        "an RSA key, with its numbers as text before it",
        "certtool --generate-privkey --key-type rsa --bits 2048 "
        "--outfile rsa.key",
        "rsa.key",
        "key",
    ),
    Odd(
        "an EC key whose number begins with a zero byte, as every other one",
        "for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do "
        "certtool --generate-privkey --key-type ecdsa --curve secp384r1 "
        "--no-text --outfile ec.key; openssl asn1parse -in ec.key | "
        "grep -q 'l=  49 prim: OCTET STRING' && break; done",
        "ec.key",
        "key",
    ),
    Odd(
        "the same key, encrypted",
        "certtool --to-p8 --load-privkey ec.key --pkcs-cipher aes-256 "
        "--password sesame --outfile ec-locked.key",
        "ec-locked.key",
        "key",
        encrypted=True,
        remedy="openssl pkey -passin pass:sesame -in OLD -out NEW",
    ),
    Odd(
        "an Ed448 key",
        "certtool --generate-privkey --key-type ed448 --outfile ed448.key",
        "ed448.key",
        "key",
    ),
    Odd(
        "a key for RSASSA-PSS with SHA-384",
        "certtool --generate-privkey --key-type rsa-pss --bits 2048 "
        "--hash SHA384 --salt-size 48 --outfile pss.key",
        "pss.key",
        "key",
    ),
    Odd(
        "an RSA key, encrypted with PKCS#12's RC4",
        "certtool --to-p8 --load-privkey leaf.key --pkcs-cipher arcfour "
        "--password sesame --outfile rc4.key",
        "rc4.key",
        "key",
        encrypted=True,
    ),
    Odd(
        "an RSA key, encrypted with GOST 28147",
        "certtool --to-p8 --load-privkey leaf.key --pkcs-cipher gost28147-cpa "
        "--password sesame --outfile gost-encrypted.key",
        "gost-encrypted.key",
        "key",
        encrypted=True,
    ),
    Odd(
        "a GOST key",
        "certtool --generate-privkey --key-type gost12-256 --outfile gost.key",
        "gost.key",
        "key",
    ),
    Odd(
        "a DSA key",
        "certtool --generate-privkey --key-type dsa --bits 2048 "
        "--outfile dsa.key",
        "dsa.key",
        "key",
    ),
    Odd(
        "PKCS#12",
        f"{_GNUTLS_SIGN} --load-privkey leaf.key --template l.cfg "
        "--outfile leaf.pem; certtool --to-p12 --load-privkey leaf.key "
        "--load-certificate leaf.pem --load-ca-certificate ca.pem "
        "--template p12.cfg --outder --outfile leaf.p12",
        "leaf.p12",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "PKCS#12 in PEM",
        "certtool --to-p12 --load-privkey leaf.key --load-certificate "
        "leaf.pem --template p12.cfg --outfile leaf.p12.pem",
        "leaf.p12.pem",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "a leaf for servers",
        f"{_GNUTLS_SIGN} --load-privkey leaf.key --template l.cfg "
        "--outfile leaf.pem",
        "leaf.pem",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
    Odd(
        "a leaf without any key usage",
        f"{_GNUTLS_SIGN} --load-privkey leaf.key --template bare.cfg "
        "--outfile bare.pem",
        "bare.pem",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
    Odd(
        "a leaf signed with RSASSA-PSS",
        f"{_GNUTLS_SIGN} --load-privkey leaf.key --template l.cfg "
        "--sign-params rsa-pss --hash sha384 --outfile pss-signed.pem",
        "pss-signed.pem",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
    Odd(
        "a leaf signed with SHA-1",
        f"{_GNUTLS_SIGN} --load-privkey leaf.key --template l.cfg "
        "--hash sha1 --outfile sha1.pem",
        "sha1.pem",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
    Odd(
        "a leaf that is valid from next year on",
        'printf \'cn = "box.example"\\ndns_name = "box.example"\\n'
        'activation_date = "2040-01-01 00:00:00"\\n\' > later.cfg; '
        f"{_GNUTLS_SIGN} --load-privkey leaf.key --template later.cfg "
        "--outfile later.pem",
        "later.pem",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
    Odd(
        "a leaf without an end (31 December 9999)",
        'printf \'cn = "box.example"\\ndns_name = "box.example"\\n'
        "expiration_days = -1\\n' > endless.cfg; "
        f"{_GNUTLS_SIGN} --load-privkey leaf.key --template endless.cfg "
        "--outfile endless.pem",
        "endless.pem",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
    Odd(
        "a leaf with an IP address and a URI among its names",
        'printf \'cn = "box.example"\\ndns_name = "box.example"\\n'
        'ip_address = "192.0.2.1"\\nuri = "https://a.example/"\\n'
        "tls_www_server\\n' > ip.cfg; "
        f"{_GNUTLS_SIGN} --load-privkey leaf.key --template ip.cfg "
        "--outfile ip.pem",
        "ip.pem",
        "chain",
        key="leaf.key",
        host="192.0.2.1",
        roots="ca.pem",
    ),
    Odd(
        "a proxy certificate",
        'printf \'cn = "proxy"\\nproxy_policy_language = 1.3.6.1.5.5.7.21.1'
        "\\n' > proxy.cfg; certtool --generate-proxy --load-ca-certificate "
        "leaf.pem --load-ca-privkey leaf.key --load-privkey ec.key "
        "--load-certificate leaf.pem --template proxy.cfg --outfile one.pem; "
        "cat one.pem leaf.pem > proxy.pem",
        "proxy.pem",
        "chain",
        key="ec.key",
        roots="ca.pem",
    ),
    Odd(
        "PKCS#7 in PEM",
        "certtool --p7-generate --load-certificate leaf.pem "
        "--outfile leaf.p7b",
        "leaf.p7b",
        "chain",
        remedy="openssl pkcs7 -print_certs -in OLD -out NEW",
    ),
    Odd(
        "a certificate request",
        "certtool --generate-request --load-privkey leaf.key --template "
        "bare.cfg --outfile leaf.csr",
        "leaf.csr",
        "chain",
    ),
    Odd(
        "a revocation list",
        "certtool --generate-crl --load-ca-privkey ca.key "
        "--load-ca-certificate ca.pem --template crl.cfg --outfile ca.crl",
        "ca.crl",
        "crl",
    ),
    Odd(
        "the public key",
        "certtool --load-privkey leaf.key --pubkey-info --outfile leaf.pub",
        "leaf.pub",
        "key",
    ),
)

# -- NSS --------------------------------------------------------------------

_NSS_FIRST = """
mkdir db
printf sesame > password
head -c 64 /dev/urandom > noise
certutil -N -d db --empty-password
certutil -S -d db -n ca -s 'CN=NSS CA' -x -t CTu,CTu,CTu -z noise -m 1 -2 \
    -k rsa -g 2048 -v 3 <<END
y

y
END
certutil -S -d db -n box -s CN=box.example -c ca -t ,, -z noise -m 2 -v 2 \
    -k rsa -g 2048 -8 box.example
certutil -L -d db -n ca -a > ca.pem
"""
_NSS_KEY = (
    "pk12util -o key.p12 -n box -d db -w password; openssl pkcs12 -in key.p12 "
    "-passin pass:sesame -nocerts -noenc -out box.key"
)

_NSS = (
    Odd(
        "PKCS#12 as it is by default",
        "pk12util -o box.p12 -n box -d db -w password",
        "box.p12",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "PKCS#12 with RC2 of 40 bits",
        "pk12util -o rc2.p12 -n box -d db -w password -C "
        "'PKCS #12 V2 PBE With SHA-1 And 40 Bit RC2 CBC'",
        "rc2.p12",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "PKCS#12 with Camellia",
        "pk12util -o camellia.p12 -n box -d db -w password "
        "-c CAMELLIA-256-CBC",
        "camellia.p12",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "PKCS#12 with certificates that are not encrypted",
        "pk12util -o open.p12 -n box -d db -w password -C none",
        "open.p12",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "PKCS#12 with RC4",
        "pk12util -o rc4.p12 -n box -d db -w password -c "
        "'PKCS #12 V2 PBE With SHA-1 And 128 Bit RC4'",
        "rc4.p12",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "the database of certificates",
        "cp db/cert9.db cert9.db",
        "cert9.db",
        "chain",
        remedy="certutil -L -d db -n box -a > NEW",
    ),
    Odd(
        "the database of keys",
        "cp db/key4.db key4.db",
        "key4.db",
        "key",
    ),
    Odd(
        "a certificate, with CR LF at the ends of its lines",
        f"certutil -L -d db -n box -a > box.pem; {_NSS_KEY}",
        "box.pem",
        "chain",
        key="box.key",
        roots="ca.pem",
    ),
    Odd(
        "a certificate in DER",
        f"certutil -L -d db -n box -r > box.der; {_NSS_KEY}",
        "box.der",
        "chain",
        key="box.key",
        roots="ca.pem",
    ),
    Odd(
        "a certificate as certutil shows it",
        "certutil -L -d db -n box > box.txt",
        "box.txt",
        "chain",
    ),
    Odd(
        "a leaf of Netscape's type for servers, by its number",
        "certutil -S -d db -n ns -s CN=box.example -c ca -t ,, -z noise -m 3 "
        "-k rsa -g 2048 -8 box.example --nsCertType sslServer; "
        "certutil -L -d db -n ns -a > ns.pem; pk12util -o ns.p12 -n ns -d db "
        "-w password; openssl pkcs12 -in ns.p12 -passin pass:sesame -nocerts "
        "-noenc -out ns.key",
        "ns.pem",
        "chain",
        key="ns.key",
        roots="ca.pem",
    ),
    Odd(
        "a certificate request, binary",
        "certutil -R -d db -s CN=new -z noise -k rsa -g 2048 -o new.csr",
        "new.csr",
        "chain",
    ),
    Odd(
        "a certificate request with words before it",
        "certutil -R -d db -s CN=new -z noise -k rsa -g 2048 -a -o words.csr",
        "words.csr",
        "chain",
    ),
    Odd(
        "a revocation list, binary",
        "printf '' > crl.txt; crlutil -G -d db -n ca -c crl.txt -o nss.crl",
        "nss.crl",
        "crl",
    ),
)

# -- Botan ------------------------------------------------------------------

_BOTAN_FIRST = """
botan keygen --algo=RSA --params=2048 > ca.key
botan gen_self_signed ca.key 'Botan CA' --ca > ca.pem
botan keygen --algo=ECDSA --params=secp256r1 > leaf.key
botan gen_pkcs10 leaf.key box.example --dns=box.example > leaf.csr
botan sign_cert ca.pem ca.key leaf.csr > leaf.pem
"""

_BOTAN = (
    Odd(
        "an RSA key",
        "botan keygen --algo=RSA --params=2048 > rsa.key",
        "rsa.key",
        "key",
    ),
    Odd(
        "an RSA key, encrypted",
        "botan keygen --algo=RSA --params=2048 --passphrase=sesame "
        "> encrypted.key",
        "encrypted.key",
        "key",
        encrypted=True,
    ),
    Odd(
        "an EC key, encrypted with AES-GCM",
        "botan keygen --algo=ECDSA --params=secp256r1 --passphrase=sesame "
        "--pbe='PBES2(AES-256/GCM,SHA-256)' > gcm.key",
        "gcm.key",
        "key",
        encrypted=True,
    ),
    Odd(
        "an EC key, encrypted with AES by SHA-512",
        "botan keygen --algo=ECDSA --params=secp256r1 --passphrase=sesame "
        "--pbe='PBES2(AES-256/CBC,SHA-512)' > sha512.key",
        "sha512.key",
        "key",
        encrypted=True,
    ),
    Odd(
        "an EC key, encrypted with Twofish",
        "botan keygen --algo=ECDSA --params=secp256r1 --passphrase=sesame "
        "--pbe='PBES2(Twofish/CBC,SHA-256)' > twofish.key",
        "twofish.key",
        "key",
        encrypted=True,
    ),
    Odd(
        "an EC key, encrypted by scrypt",
        "botan keygen --algo=ECDSA --params=secp256r1 --passphrase=sesame "
        "--pbe='PBES2(AES-256/CBC,Scrypt)' > scrypt.key",
        "scrypt.key",
        "key",
        encrypted=True,
    ),
    Odd(
        "an Ed25519 key in DER",
        "botan keygen --algo=Ed25519 --der-out > ed.der",
        "ed.der",
        "key",
    ),
    Odd(
        "an EC key for a Brainpool curve",
        "botan keygen --algo=ECDSA --params=brainpool256r1 > brainpool.key",
        "brainpool.key",
        "key",
    ),
    Odd(
        "an EC key for frp256v1",
        "botan keygen --algo=ECDSA --params=frp256v1 > frp.key",
        "frp.key",
        "key",
    ),
    Odd(
        "an ECGDSA key",
        "botan keygen --algo=ECGDSA --params=brainpool256r1 > ecgdsa.key",
        "ecgdsa.key",
        "key",
    ),
    Odd(
        "an SM2 key",
        "botan keygen --algo=SM2 > sm2.key",
        "sm2.key",
        "key",
    ),
    Odd(
        "an XMSS key",
        "botan keygen --algo=XMSS --params=XMSS-SHA2_10_256 > xmss.key",
        "xmss.key",
        "key",
    ),
    Odd(
        "a McEliece key",
        "botan keygen --algo=McEliece --params=1024,38 > mce.key",
        "mce.key",
        "key",
    ),
    Odd(
        "an ElGamal key",
        "botan keygen --algo=ElGamal --params=modp/ietf/2048 > elgamal.key",
        "elgamal.key",
        "key",
    ),
    Odd(
        "a leaf",
        "botan sign_cert ca.pem ca.key leaf.csr > leaf.pem",
        "leaf.pem",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
    Odd(
        "a leaf signed with RSASSA-PSS",
        "botan sign_cert ca.pem ca.key leaf.csr --emsa=EMSA4 > pss.pem",
        "pss.pem",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
    Odd(
        "a certificate request",
        "cp leaf.csr request.csr",
        "request.csr",
        "chain",
    ),
    Odd(
        "a self-signed leaf, trusted as it is",
        "botan gen_self_signed leaf.key box.example --dns=box.example "
        "> self.pem",
        "self.pem",
        "chain",
        key="leaf.key",
        roots="self.pem",
    ),
)

PROGRAMS = (
    Program(
        "GnuTLS certtool",
        ("certtool",),
        "certtool --version",
        _GNUTLS,
        first=_GNUTLS_FIRST,
    ),
    Program(
        "NSS certutil",
        ("certutil", "pk12util", "crlutil", "openssl"),
        "dpkg-query -W libnss3-tools",
        _NSS,
        first=_NSS_FIRST,
    ),
    Program("Botan", ("botan",), "botan version", _BOTAN, first=_BOTAN_FIRST),
)
