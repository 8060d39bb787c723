"""What the small authorities make, and the keepers of keys and trust."""

from __future__ import annotations

from .odd import Odd, Program

__all__ = ["PROGRAMS"]

_EASY_RSA = (
    Odd(
        "a leaf for servers, with text before it",
        "easyrsa --batch --subject-alt-name=DNS:box.example "
        "build-server-full box nopass; cp pki/issued/box.crt box.crt; "
        "cp pki/private/box.key box.key",
        "box.crt",
        "chain",
        key="box.key",
        roots="pki/ca.crt",
    ),
    Odd(
        "a leaf for clients",
        "easyrsa --batch --subject-alt-name=DNS:box.example "
        "build-client-full guest nopass; cp pki/issued/guest.crt guest.crt; "
        "cp pki/private/guest.key guest.key",
        "guest.crt",
        "chain",
        key="guest.key",
        roots="pki/ca.crt",
    ),
    Odd(
        "a key with a password",
        "easyrsa --batch --passin=pass:sesame --passout=pass:sesame "
        "build-server-full locked; cp pki/private/locked.key locked.key",
        "locked.key",
        "key",
        encrypted=True,
    ),
    Odd(
        "PKCS#12",
        "easyrsa --batch --passout=pass:sesame export-p12 box; "
        "cp pki/private/box.p12 box.p12",
        "box.p12",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "PKCS#7",
        "easyrsa --batch export-p7 box; cp pki/issued/box.p7b box.p7b",
        "box.p7b",
        "chain",
        remedy="openssl pkcs7 -print_certs -in OLD -out NEW",
    ),
    Odd(
        "a revocation list",
        "easyrsa --batch revoke guest; easyrsa --batch gen-crl; "
        "cp pki/crl.pem crl.pem",
        "crl.pem",
        "crl",
    ),
    Odd(
        "a credentials file for OpenVPN, with tags about the blocks",
        "easyrsa --batch --subject-alt-name=DNS:box.example "
        "build-server-full inline nopass; easyrsa --batch export-p8 inline "
        "nopass; { echo '<cert>'; cat pki/issued/inline.crt; echo '</cert>'; "
        "echo '<key>'; cat pki/private/inline.key; echo '</key>'; } "
        "> box.ovpn",
        "box.ovpn",
        "key",
    ),
)

_MKCERT = (
    Odd(
        "a leaf",
        "mkcert box.example",
        "box.example.pem",
        "chain",
        key="box.example-key.pem",
        roots="rootCA.pem",
    ),
    Odd(
        "an EC leaf for a wildcard",
        "mkcert -ecdsa '*.box.example'; cp _wildcard.box.example.pem wild.pem",
        "wild.pem",
        "chain",
        key="_wildcard.box.example-key.pem",
        host="www.box.example",
        roots="rootCA.pem",
    ),
    Odd(
        "PKCS#12, with mkcert's password (changeit) instead of ours",
        "mkcert -pkcs12 box.example",
        "box.example.p12",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "a leaf for clients",
        "mkcert -client box.example",
        "box.example-client.pem",
        "chain",
        key="box.example-client-key.pem",
        roots="rootCA.pem",
    ),
)

_MINICA = (
    Odd(
        "a leaf",
        "minica box.example; cp box.example*.crt leaf.pem; "
        "cp box.example*.key leaf.key",
        "leaf.pem",
        "chain",
        key="leaf.key",
        roots="cacert.crt",
    ),
)

_CFSSL_FIRST = """
echo '{"CN":"cfssl CA","key":{"algo":"rsa","size":2048}}' > ca.json
echo '{"CN":"box.example","hosts":["box.example"],
  "key":{"algo":"ecdsa","size":256}}' > box.json
cfssl genkey -initca ca.json > ca.out
openssl version > /dev/null
python3 -c '
import json
found = json.load(open("ca.out"))
open("ca.pem", "w").write(found["cert"])
open("ca.key", "w").write(found["key"])
'
cfssl gencert -ca ca.pem -ca-key ca.key box.json > box.out
"""

_CFSSL = (
    Odd(
        "JSON with certificate and key, as a certificate",
        "cp box.out chain.json",
        "chain.json",
        "chain",
        remedy="jq -r .cert OLD > NEW",
    ),
    Odd(
        "JSON with certificate and key, as a key",
        "cp box.out key.json",
        "key.json",
        "key",
        remedy="jq -r .key OLD > NEW",
    ),
    Odd(
        "a leaf",
        'python3 -c \'import json; found = json.load(open("box.out")); '
        'open("leaf.pem", "w").write(found["cert"]); '
        'open("leaf.key", "w").write(found["key"])\'',
        "leaf.pem",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
)

_PKI_FIRST = """
pki --gen --type rsa --size 2048 --outform pem > ca.key
pki --self --ca --in ca.key --dn 'CN=strongSwan CA' --outform pem > ca.pem
pki --gen --type rsa --size 2048 --outform pem > leaf.key
pki --pub --type rsa --in leaf.key > leaf.pub
"""
_PKI_ISSUE = (
    "pki --issue --cacert ca.pem --cakey ca.key --in leaf.pub --type pub "
    "--dn CN=box.example --san box.example"
)

_PKI = (
    Odd("an RSA key in DER (PKCS#1)", "pki --gen > rsa.der", "rsa.der", "key"),
    Odd(
        "a public key in DER",
        "cp leaf.pub public.der",
        "public.der",
        "key",
    ),
    Odd(
        "a leaf for servers in DER",
        f"{_PKI_ISSUE} --flag serverAuth > leaf.der",
        "leaf.der",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
    Odd(
        "a leaf for IKE only",
        f"{_PKI_ISSUE} --flag ikeIntermediate --outform pem > ike.pem",
        "ike.pem",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
    Odd(
        "a certificate request in DER",
        "pki --req --type rsa --in leaf.key --dn CN=box.example > leaf.csr",
        "leaf.csr",
        "chain",
    ),
    Odd(
        "a revocation list in DER",
        "pki --signcrl --cacert ca.pem --cakey ca.key > ca.crl",
        "ca.crl",
        "crl",
    ),
    Odd(
        "a revocation list as a certificate",
        "cp ca.crl chain.crl",
        "chain.crl",
        "chain",
    ),
)

_GPGSM_FIRST = """
mkdir -m 700 .gnupg
echo allow-loopback-pinentry > .gnupg/gpg-agent.conf
cat > parameters <<END
Key-Type: RSA
Key-Length: 2048
Key-Usage: sign
Serial: random
Name-DN: CN=box.example
Name-DNS: box.example
END
echo sesame | gpgsm --batch --pinentry-mode loopback --passphrase-fd 0 \
    --output self.der --gen-key parameters
gpgsm --batch --disable-crl-checks --import self.der
"""
_GPGSM_EXPORT = (
    "echo sesame | gpgsm --batch --pinentry-mode loopback --passphrase-fd 0"
)

_GPGSM = (
    Odd(
        "a certificate with its names as text before it",
        "gpgsm --armor --export box.example > box.pem",
        "box.pem",
        "chain",
    ),
    Odd(
        "PKCS#12 in PEM",
        f"{_GPGSM_EXPORT} --armor --export-secret-key-p12 box.example "
        "> box.p12",
        "box.p12",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "PKCS#12, binary",
        f"{_GPGSM_EXPORT} --export-secret-key-p12 box.example > binary.p12",
        "binary.p12",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "its own file of the private key",
        "cp .gnupg/private-keys-v1.d/*.key gnupg.key",
        "gnupg.key",
        "key",
    ),
    Odd(
        "its key box",
        "cp .gnupg/pubring.kbx pubring.kbx",
        "pubring.kbx",
        "chain",
    ),
)

_GPG = (
    Odd(
        "an OpenPGP private key",
        "mkdir -m 700 -p .gnupg; gpg --batch --pinentry-mode loopback "
        "--passphrase sesame --quick-gen-key a@b.example rsa2048; "
        "gpg --batch --pinentry-mode loopback --passphrase sesame --armor "
        "--export-secret-keys > pgp.asc",
        "pgp.asc",
        "key",
    ),
    Odd(
        "an OpenPGP public key",
        "gpg --armor --export > public.asc",
        "public.asc",
        "chain",
    ),
    Odd(
        "an OpenPGP public key, binary",
        "gpg --export > public.gpg",
        "public.gpg",
        "chain",
    ),
)

_SSH = (
    Odd(
        "an OpenSSH key",
        "ssh-keygen -q -t rsa -b 2048 -N '' -f rsa",
        "rsa",
        "key",
        remedy="ssh-keygen -q -p -m PKCS8 -P '' -N '' -f OLD; cp OLD NEW",
    ),
    Odd(
        "an OpenSSH key, encrypted",
        "ssh-keygen -q -t ecdsa -N sesame -f ecdsa",
        "ecdsa",
        "key",
        encrypted=True,
        remedy="ssh-keygen -q -p -m PKCS8 -P sesame -N sesame -f OLD; "
        "cp OLD NEW",
    ),
    Odd(
        "an OpenSSH key for Ed25519",
        "ssh-keygen -q -t ed25519 -N '' -f ed25519",
        "ed25519",
        "key",
    ),
    Odd(
        "a key in PEM (PKCS#1)",
        "ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f pem",
        "pem",
        "key",
    ),
    Odd(
        "a key in PKCS#8, encrypted",
        "ssh-keygen -q -t rsa -b 2048 -m PKCS8 -N sesame -f pkcs8",
        "pkcs8",
        "key",
        encrypted=True,
    ),
    Odd("a public key", "cp rsa.pub public", "public", "key"),
    Odd(
        "a public key in RFC 4716's form",
        "ssh-keygen -e -m RFC4716 -f rsa.pub > rsa.ssh2",
        "rsa.ssh2",
        "key",
    ),
    Odd(
        "a public key in PEM (PKCS#1)",
        "ssh-keygen -e -m PEM -f rsa.pub > rsa.pub.pem",
        "rsa.pub.pem",
        "key",
    ),
    Odd(
        "a host's certificate of OpenSSH's own kind",
        "ssh-keygen -q -s ed25519 -I box -h -n box.example rsa.pub; "
        "cp rsa-cert.pub host-cert.pub",
        "host-cert.pub",
        "chain",
    ),
    Odd(
        "a list of known hosts",
        "echo \"box.example $(cut -d' ' -f1,2 rsa.pub)\" > known_hosts",
        "known_hosts",
        "chain",
    ),
)

_PUTTY = (
    Odd(
        "a key in PuTTY's form",
        "printf '' > empty; puttygen -q -t rsa -b 2048 --new-passphrase empty "
        "-o rsa.ppk",
        "rsa.ppk",
        "key",
        remedy="puttygen OLD -O private-openssh -o NEW; ssh-keygen -q -p -m "
        "PKCS8 -P '' -N '' -f NEW",
    ),
    Odd(
        "a key in PuTTY's older form",
        "puttygen -q -t ed25519 --new-passphrase empty --ppk-param version=2 "
        "-o old.ppk",
        "old.ppk",
        "key",
    ),
    Odd(
        "a key in ssh.com's form",
        "puttygen rsa.ppk -O private-sshcom --new-passphrase empty "
        "-o rsa.sshcom",
        "rsa.sshcom",
        "key",
    ),
)

_TRUST = (
    Odd(
        "roots as a Java trust store",
        "trust extract --format=java-cacerts --filter=ca-anchors cacerts.jks",
        "cacerts.jks",
        "roots",
    ),
    Odd(
        "roots with OpenSSL's rules of trust",
        "trust extract --format=openssl-bundle --filter=ca-anchors "
        "openssl.pem",
        "openssl.pem",
        "roots",
    ),
    Odd(
        "roots as PEM, with comments",
        "trust extract --format=pem-bundle --filter=ca-anchors --comment "
        "bundle.pem",
        "bundle.pem",
        "roots",
    ),
    Odd(
        "roots for UEFI",
        "trust extract --format=edk2-cacerts --filter=ca-anchors "
        "--purpose=server-auth roots.edk2",
        "roots.edk2",
        "roots",
    ),
    Odd(
        "roots in p11-kit's own form",
        "trust list --filter=ca-anchors > /dev/null; "
        "trust dump --filter=ca-anchors > roots.p11-kit",
        "roots.p11-kit",
        "roots",
    ),
)

PROGRAMS = (
    Program(
        "easy-rsa",
        ("easyrsa", "openssl"),
        "dpkg-query -W easy-rsa",
        _EASY_RSA,
        first="easyrsa --batch init-pki; EASYRSA_REQ_CN='easy CA' "
        "easyrsa --batch build-ca nopass",
    ),
    Program(
        "mkcert",
        ("mkcert",),
        "mkcert -version",
        _MKCERT,
        first="mkcert first.example",
    ),
    Program("minica", ("minica",), "dpkg-query -W minica", _MINICA),
    Program(
        "cfssl",
        ("cfssl", "python3", "jq"),
        "cfssl version",
        _CFSSL,
        first=_CFSSL_FIRST,
    ),
    Program("strongSwan pki", ("pki",), "pki --help", _PKI, first=_PKI_FIRST),
    Program(
        "gpgsm",
        ("gpgsm",),
        "gpgsm --version",
        _GPGSM,
        first=_GPGSM_FIRST,
    ),
    Program("GnuPG", ("gpg",), "gpg --version", _GPG),
    Program(
        "OpenSSH ssh-keygen",
        ("ssh-keygen",),
        "ssh -V",
        _SSH,
        number=r"\d+\.\d+\w*",
    ),
    Program("PuTTY puttygen", ("puttygen",), "puttygen --version", _PUTTY),
    Program("p11-kit trust", ("trust",), "dpkg-query -W p11-kit", _TRUST),
)
