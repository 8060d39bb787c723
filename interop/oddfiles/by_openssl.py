"""What OpenSSL's command makes."""

from __future__ import annotations

from .odd import Odd, Program

__all__ = ["PROGRAMS"]

_PKCS8 = (
    "openssl pkcs8 -topk8 -v2 aes-256-cbc -passin pass:sesame "
    "-passout pass:sesame -in OLD -out NEW"
)

_KEYS = (
    Odd(
        "an RSA key in PKCS#1",
        "openssl genrsa -traditional -out rsa1.pem 2048",
        "rsa1.pem",
        "key",
    ),
    Odd(
        "the same, encrypted in the old way",
        "openssl rsa -traditional -aes128 -passout pass:sesame -in rsa1.pem "
        "-out rsa1-aes.pem",
        "rsa1-aes.pem",
        "key",
        encrypted=True,
    ),
    Odd(
        "the same, with DES",
        "openssl rsa -traditional -des -provider legacy -provider default "
        "-passout pass:sesame -in rsa1.pem -out rsa1-des.pem",
        "rsa1-des.pem",
        "key",
        encrypted=True,
        remedy="openssl pkcs8 -topk8 -v2 aes-256-cbc -provider legacy "
        "-provider default -passin pass:sesame -passout pass:sesame -in OLD "
        "-out NEW",
    ),
    Odd(
        "the same, with Camellia",
        "openssl rsa -traditional -camellia256 -passout pass:sesame "
        "-in rsa1.pem -out rsa1-camellia.pem",
        "rsa1-camellia.pem",
        "key",
        encrypted=True,
        remedy=_PKCS8,
    ),
    Odd(
        "PKCS#8, encrypted as by PKCS#5 1.5 (MD5 and DES)",
        "openssl pkcs8 -topk8 -v1 PBE-MD5-DES -provider legacy -provider "
        "default -passout pass:sesame -in rsa1.pem -out v1.pem",
        "v1.pem",
        "key",
        encrypted=True,
    ),
    Odd(
        "PKCS#8, encrypted as by PKCS#12 (SHA-1 and 3DES)",
        "openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES -passout pass:sesame "
        "-in rsa1.pem -out v1-3des.pem",
        "v1-3des.pem",
        "key",
        encrypted=True,
    ),
    Odd(
        "PKCS#8, encrypted with Camellia",
        "openssl pkcs8 -topk8 -v2 camellia-128-cbc -passout pass:sesame "
        "-in rsa1.pem -out v2-camellia.pem",
        "v2-camellia.pem",
        "key",
        encrypted=True,
        remedy=_PKCS8,
    ),
    Odd(
        "PKCS#8, encrypted with ARIA",
        "openssl pkcs8 -topk8 -v2 aria-256-cbc -passout pass:sesame "
        "-in rsa1.pem -out v2-aria.pem",
        "v2-aria.pem",
        "key",
        encrypted=True,
        remedy=_PKCS8,
    ),
    Odd(
        "PKCS#8, encrypted with a key by scrypt",
        "openssl pkcs8 -topk8 -scrypt -passout pass:sesame -in rsa1.pem "
        "-out scrypt.pem",
        "scrypt.pem",
        "key",
        encrypted=True,
    ),
    Odd(
        "PKCS#8 in DER, encrypted",
        "openssl pkcs8 -topk8 -outform DER -passout pass:sesame "
        "-in rsa1.pem -out pkcs8.der",
        "pkcs8.der",
        "key",
        encrypted=True,
    ),
    Odd(
        "an EC key with its parameters in a block before it",
        "openssl ecparam -genkey -name prime256v1 -out ec.pem",
        "ec.pem",
        "key",
    ),
    Odd(
        "an EC key with its parameters only",
        "openssl ecparam -name prime256v1 -out parameters.pem",
        "parameters.pem",
        "key",
    ),
    Odd(
        "an EC key that spells its curve out",
        "openssl ecparam -genkey -name prime256v1 -param_enc explicit "
        "-noout -out explicit.pem",
        "explicit.pem",
        "key",
    ),
    Odd(
        "an EC key for secp256k1",
        "openssl ecparam -genkey -name secp256k1 -noout -out k1.pem",
        "k1.pem",
        "key",
    ),
    Odd(
        "an EC key for a curve that hardly anybody has",
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:sect283r1 "
        "-out sect.pem",
        "sect.pem",
        "key",
    ),
    Odd(
        "an EC key for SM2",
        "openssl genpkey -algorithm SM2 -out sm2.pem",
        "sm2.pem",
        "key",
    ),
    Odd(
        "an Ed448 key",
        "openssl genpkey -algorithm ED448 -out ed448.pem",
        "ed448.pem",
        "key",
    ),
    Odd(
        "an X25519 key, for key exchange only",
        "openssl genpkey -algorithm X25519 -out x25519.pem",
        "x25519.pem",
        "key",
    ),
    Odd(
        "an RSA key for RSASSA-PSS only",
        "openssl genpkey -algorithm RSA-PSS -out pss.pem",
        "pss.pem",
        "key",
    ),
    Odd(
        "a DSA key",
        "openssl dsaparam -genkey -noout -out dsa.pem 2048",
        "dsa.pem",
        "key",
    ),
    Odd(
        "Microsoft's PVK",
        "openssl rsa -outform PVK -pvk-none -in rsa1.pem -out rsa.pvk",
        "rsa.pvk",
        "key",
        remedy="openssl pkey -in OLD -out NEW",
    ),
    Odd(
        "Microsoft's PRIVATEKEYBLOB",
        "openssl rsa -outform MSBLOB -in rsa1.pem -out rsa.blob",
        "rsa.blob",
        "key",
        remedy="openssl pkey -in OLD -out NEW",
    ),
    Odd(
        "a public key",
        "openssl pkey -pubout -in rsa1.pem -out public.pem",
        "public.pem",
        "key",
    ),
    Odd(
        "a key as text, before the block itself",
        "openssl pkey -text -in ec.pem -out text.pem",
        "text.pem",
        "key",
    ),
)

#: A CA, and what makes a leaf of a request by it.
_CA = """
openssl req -x509 -newkey rsa:2048 -noenc -keyout ca.key -out ca.pem \
    -subj '/CN=OpenSSL CA' -days 30
openssl req -new -newkey rsa:2048 -noenc -keyout leaf.key -out leaf.csr \
    -subj '/CN=box.example'
printf 'subjectAltName=DNS:box.example\n' > san.ext
printf 'basicConstraints=critical,CA:true\n' > ca.ext
"""
_SIGN = "openssl x509 -req -CA ca.pem -CAkey ca.key -days 20 -in leaf.csr"


def _leaf(what: str, name: str, extensions: str, sign: str = _SIGN) -> Odd:
    """Have a leaf issued with these lines as its extensions."""
    return Odd(
        what,
        f"printf '{extensions}' > {name}.ext; "
        f"{sign} -extfile {name}.ext -out {name}.pem",
        f"{name}.pem",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    )


_CHAINS = (
    Odd(
        "a leaf without extensions",
        f"{_SIGN} -out plain.pem",
        "plain.pem",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
    _leaf(
        "a leaf with a name, and nothing else",
        "named",
        r"subjectAltName=DNS:box.example\n",
    ),
    _leaf(
        "a leaf for an address that is written as a DNS name",
        "address",
        r"subjectAltName=DNS:192.0.2.1,DNS:box.example\n",
    ),
    _leaf(
        "a leaf with an underscore in its name",
        "underscore",
        r"subjectAltName=DNS:my_box.example,DNS:box.example\n",
    ),
    _leaf(
        "a leaf for clients only",
        "client",
        r"subjectAltName=DNS:box.example\nextendedKeyUsage=clientAuth\n",
    ),
    _leaf(
        "a leaf for any purpose",
        "any",
        r"subjectAltName=DNS:box.example\n"
        r"extendedKeyUsage=anyExtendedKeyUsage\n",
    ),
    _leaf(
        "a leaf that is a CA",
        "isca",
        r"subjectAltName=DNS:box.example\nbasicConstraints=CA:true\n"
        r"keyUsage=digitalSignature,keyCertSign\n",
    ),
    _leaf(
        "a leaf whose key may only sign certificates",
        "certsign",
        r"subjectAltName=DNS:box.example\nkeyUsage=critical,keyCertSign\n",
    ),
    _leaf(
        "a leaf with Netscape's extensions",
        "netscape",
        r"subjectAltName=DNS:box.example\nnsCertType=server\n"
        r"nsComment=hello\n",
    ),
    _leaf(
        "a leaf of Netscape's type for clients",
        "nsclient",
        r"subjectAltName=DNS:box.example\nnsCertType=client\n",
    ),
    _leaf(
        "a leaf with a critical extension that nobody knows",
        "critical",
        r"subjectAltName=DNS:box.example\n1.2.3.4=critical,DER:0500\n",
    ),
    _leaf(
        "a leaf with an email address and a directory name among its names",
        "dirname",
        r"subjectAltName=DNS:box.example,email:a@b.example,dirName:dn\n"
        r"[dn]\nCN=somebody\n",
    ),
    _leaf(
        "a leaf with the serial number 0",
        "zero",
        r"subjectAltName=DNS:box.example\n",
        f"{_SIGN} -set_serial 0",
    ),
    _leaf(
        "a leaf with a negative serial number",
        "negative",
        r"subjectAltName=DNS:box.example\n",
        f"{_SIGN} -set_serial -7",
    ),
    _leaf(
        "a leaf signed with SHA-1",
        "sha1",
        r"subjectAltName=DNS:box.example\n",
        f"{_SIGN} -sha1",
    ),
    _leaf(
        "a leaf signed with SHA3-256",
        "sha3",
        r"subjectAltName=DNS:box.example\n",
        f"{_SIGN} -sha3-256",
    ),
    _leaf(
        "a leaf signed with RSASSA-PSS and a salt of 20 bytes",
        "pss",
        r"subjectAltName=DNS:box.example\n",
        f"{_SIGN} -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20",
    ),
    _leaf(
        "a leaf without key identifiers",
        "noids",
        r"subjectAltName=DNS:box.example\nsubjectKeyIdentifier=none\n"
        r"authorityKeyIdentifier=none\n",
    ),
    _leaf(
        "a leaf of which the CA is named by issuer and serial number",
        "issuer",
        r"subjectAltName=DNS:box.example\n"
        r"authorityKeyIdentifier=keyid,issuer:always\n",
    ),
    _leaf(
        "a leaf that lives for 100 years",
        "century",
        r"subjectAltName=DNS:box.example\n",
        _SIGN.replace("-days 20", "-days 36500"),
    ),
    _leaf(
        "a leaf that has expired",
        "expired",
        r"subjectAltName=DNS:box.example\n",
        _SIGN.replace("-days 20", "-days -1"),
    ),
    Odd(
        "a leaf with an RSA key of 1024 bits",
        "openssl req -new -newkey rsa:1024 -noenc -keyout short.key "
        f"-out short.csr -subj /CN=box.example; {_SIGN} -in short.csr "
        "-extfile san.ext -out short.pem",
        "short.pem",
        "chain",
        key="short.key",
        roots="ca.pem",
    ),
    Odd(
        "a leaf with an RSA key of 2047 bits",
        "openssl req -new -newkey rsa:2047 -noenc -keyout odd.key "
        f"-out odd.csr -subj /CN=box.example; {_SIGN} -in odd.csr "
        "-extfile san.ext -out odd.pem",
        "odd.pem",
        "chain",
        key="odd.key",
        roots="ca.pem",
    ),
    Odd(
        "a leaf with the key of a Brainpool curve",
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:"
        "brainpoolP256r1 -noenc -keyout brain.key -out brain.csr "
        f"-subj /CN=box.example; {_SIGN} -in brain.csr -extfile san.ext "
        "-out brain.pem",
        "brain.pem",
        "chain",
        key="brain.key",
        roots="ca.pem",
    ),
    Odd(
        "a leaf with a key of P-256 that spells its curve out",
        "openssl req -new -key explicit.pem -out explicit.csr "
        f"-subj /CN=box.example; {_SIGN} -in explicit.csr -extfile san.ext "
        "-out spelt.pem",
        "spelt.pem",
        "chain",
        key="explicit.pem",
        roots="ca.pem",
    ),
    Odd(
        "a leaf with an Ed448 key",
        "openssl req -new -key ed448.pem -out ed448.csr "
        f"-subj /CN=box.example; {_SIGN} -in ed448.csr -extfile san.ext "
        "-out ed448-leaf.pem",
        "ed448-leaf.pem",
        "chain",
        key="ed448.pem",
        roots="ca.pem",
    ),
    Odd(
        "a leaf with a DSA key",
        "openssl req -new -key dsa.pem -out dsa.csr -subj /CN=box.example; "
        f"{_SIGN} -in dsa.csr -extfile san.ext -out dsa-leaf.pem",
        "dsa-leaf.pem",
        "chain",
        key="dsa.pem",
        roots="ca.pem",
    ),
    Odd(
        "a self-signed leaf, trusted as it is",
        "openssl req -x509 -newkey rsa:2048 -noenc -keyout self.key "
        "-out self.pem -subj /CN=box.example "
        "-addext subjectAltName=DNS:box.example",
        "self.pem",
        "chain",
        key="self.key",
        roots="self.pem",
    ),
    Odd(
        "a leaf of a CA with keyUsage that lacks keyCertSign",
        "openssl req -x509 -newkey rsa:2048 -noenc -keyout weak.key "
        "-out weak.pem -subj '/CN=weak CA' -addext keyUsage=cRLSign; "
        "openssl x509 -req -CA weak.pem -CAkey weak.key -in leaf.csr "
        "-extfile san.ext -out of-weak.pem",
        "of-weak.pem",
        "chain",
        key="leaf.key",
        roots="weak.pem",
    ),
    Odd(
        "a leaf of a root of X.509 version 1",
        "openssl req -new -newkey rsa:2048 -noenc -keyout v1.key -out v1.csr "
        "-subj '/CN=old CA'; openssl x509 -req -signkey v1.key -in v1.csr "
        "-out v1ca.pem; openssl x509 -req -CA v1ca.pem -CAkey v1.key "
        "-in leaf.csr -extfile san.ext -out of-v1.pem",
        "of-v1.pem",
        "chain",
        key="leaf.key",
        roots="v1ca.pem",
    ),
    Odd(
        "a leaf behind a CA that may have none below it",
        "openssl req -new -newkey rsa:2048 -noenc -keyout sub.key "
        "-out sub.csr -subj '/CN=sub CA'; "
        "openssl req -x509 -key ca.key -out zero-ca.pem -subj '/CN=path CA' "
        "-addext basicConstraints=critical,CA:true,pathlen:0; "
        "openssl x509 -req -CA zero-ca.pem -CAkey ca.key -in sub.csr "
        "-extfile ca.ext -out sub.pem; "
        "openssl x509 -req -CA sub.pem -CAkey sub.key -in leaf.csr "
        "-extfile san.ext -out end.pem; cat end.pem sub.pem > path.pem",
        "path.pem",
        "chain",
        key="leaf.key",
        roots="zero-ca.pem",
    ),
    Odd(
        "a leaf with the CA that issued it, in the wrong order",
        "openssl x509 -req -CA ca.pem -CAkey ca.key -in sub.csr "
        "-extfile ca.ext -out good-sub.pem; "
        "openssl x509 -req -CA good-sub.pem -CAkey sub.key -in leaf.csr "
        "-extfile san.ext -out good.pem; "
        "cat good-sub.pem good.pem > order.pem",
        "order.pem",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
    Odd(
        "the same leaf alone",
        "cp good.pem alone.pem",
        "alone.pem",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
    Odd(
        "the same leaf with its CA, and only that CA trusted",
        "cat good.pem good-sub.pem > partial.pem",
        "partial.pem",
        "chain",
        key="leaf.key",
        roots="good-sub.pem",
    ),
    Odd(
        "a CA with name constraints, and a leaf of another name",
        "openssl req -x509 -key ca.key -out nc-ca.pem -subj '/CN=nc CA' "
        "-addext nameConstraints=critical,permitted\\;DNS:other.example; "
        "openssl x509 -req -CA nc-ca.pem -CAkey ca.key -in leaf.csr "
        "-extfile san.ext -out nc.pem",
        "nc.pem",
        "chain",
        key="leaf.key",
        roots="nc-ca.pem",
    ),
)

_OTHERS = (
    Odd(
        "a certificate as text, before the block itself",
        "openssl x509 -text -in named.pem -out text-cert.pem",
        "text-cert.pem",
        "chain",
    ),
    Odd(
        "a certificate in DER",
        "openssl x509 -outform DER -in named.pem -out named.der",
        "named.der",
        "chain",
        key="leaf.key",
        roots="ca.pem",
    ),
    Odd(
        "a certificate with OpenSSL's rules of trust",
        "openssl x509 -addtrust serverAuth -trustout -in named.pem "
        "-out trusted.pem",
        "trusted.pem",
        "chain",
        remedy="openssl x509 -in OLD -out NEW",
    ),
    Odd(
        "PKCS#7",
        "openssl crl2pkcs7 -nocrl -certfile partial.pem -out chain.p7b",
        "chain.p7b",
        "chain",
        remedy="openssl pkcs7 -print_certs -in OLD -out NEW",
    ),
    Odd(
        "PKCS#7 in DER",
        "openssl crl2pkcs7 -nocrl -certfile partial.pem -outform DER "
        "-out chain.p7c",
        "chain.p7c",
        "chain",
        remedy="openssl pkcs7 -print_certs -inform DER -in OLD -out NEW",
    ),
    Odd(
        "PKCS#7 in DER as trusted roots",
        "cp chain.p7c roots.p7c",
        "roots.p7c",
        "roots",
        remedy="openssl pkcs7 -print_certs -inform DER -in OLD -out NEW",
    ),
    Odd(
        "a certificate request",
        "openssl req -new -key leaf.key -subj /CN=box.example -out new.csr",
        "new.csr",
        "chain",
    ),
    Odd(
        "a certificate request in DER",
        "openssl req -in leaf.csr -outform DER -out leaf.req",
        "leaf.req",
        "chain",
    ),
    Odd(
        "a certificate as text only",
        "openssl x509 -text -noout -in named.pem > words.txt",
        "words.txt",
        "chain",
    ),
    Odd(
        "certificates with lines about each, as by s_client -showcerts",
        "openssl crl2pkcs7 -nocrl -certfile partial.pem | openssl pkcs7 "
        "-print_certs > shown.pem",
        "shown.pem",
        "chain",
    ),
    Odd(
        "Diffie-Hellman parameters",
        "openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 "
        "-out dh.pem",
        "dh.pem",
        "key",
    ),
    Odd(
        "a revocation list without a number",
        ": > index.txt; printf '[ca]\\ndefault_ca=d\\n[d]\\n"
        "database=index.txt\\ndefault_md=sha256\\ndefault_crl_days=9\\n' "
        "> ca.conf; openssl ca -config ca.conf -gencrl -cert ca.pem "
        "-keyfile ca.key -out crl.pem",
        "crl.pem",
        "crl",
    ),
    Odd(
        "a revocation list in DER",
        "openssl crl -in crl.pem -outform DER -out crl.der",
        "crl.der",
        "crl",
    ),
    Odd(
        "a revocation list as trusted roots",
        "cp crl.der roots.crl",
        "roots.crl",
        "roots",
    ),
)

_EXPORT = "openssl pkcs12 -export -passout pass:sesame -inkey leaf.key"


def _pkcs12(what: str, name: str, options: str, **more: str) -> Odd:
    return Odd(
        what,
        f"{_EXPORT} -in named.pem {options} -out {name}.p12",
        f"{name}.p12",
        "pkcs12",
        encrypted=True,
        **more,
    )


_BUNDLES = (
    _pkcs12("PKCS#12 as it is by default", "default", "-certfile ca.pem"),
    _pkcs12("PKCS#12 as OpenSSL 1.1 made it (RC2)", "legacy", "-legacy"),
    _pkcs12("PKCS#12 with 3DES", "des", "-legacy -descert"),
    _pkcs12("PKCS#12 without a digest over it", "nomac", "-nomac"),
    _pkcs12(
        "PKCS#12 with nothing encrypted",
        "clear",
        "-keypbe NONE -certpbe NONE",
    ),
    _pkcs12("PKCS#12 with SHA-512", "sha512", "-macalg SHA512"),
    _pkcs12(
        "PKCS#12 encrypted with Camellia",
        "camellia",
        "-keypbe CAMELLIA-256-CBC -certpbe CAMELLIA-256-CBC",
    ),
    Odd(
        "PKCS#12 with an empty password",
        "openssl pkcs12 -export -passout pass: -inkey leaf.key "
        "-in named.pem -out empty.p12",
        "empty.p12",
        "pkcs12",
    ),
    Odd(
        "PKCS#12 without a key",
        "openssl pkcs12 -export -passout pass:sesame -nokeys -in ca.pem "
        "-out nokeys.p12",
        "nokeys.p12",
        "pkcs12",
        encrypted=True,
        remedy="openssl pkcs12 -nokeys -passin pass:sesame -in OLD -out NEW",
        then="roots",
    ),
    Odd(
        "PKCS#12 without a certificate",
        "openssl pkcs12 -export -passout pass:sesame -nocerts "
        "-inkey leaf.key -out nocerts.p12",
        "nocerts.p12",
        "pkcs12",
        encrypted=True,
        remedy="openssl pkcs12 -in OLD -passin pass:sesame -noenc -nocerts "
        "-out key; openssl pkcs12 -export -passout pass:sesame -inkey key "
        "-in named.pem -out NEW",
    ),
    Odd(
        "PKCS#12 as base64 without BEGIN and END",
        "openssl base64 -in default.p12 -out base64.p12",
        "base64.p12",
        "pkcs12",
        encrypted=True,
        remedy="openssl base64 -d -in OLD -out NEW",
    ),
    Odd(
        "PKCS#12 as a certificate",
        "cp default.p12 as-chain.p12",
        "as-chain.p12",
        "chain",
        remedy="openssl pkcs12 -nokeys -passin pass:sesame -in OLD -out NEW",
    ),
    Odd(
        "PKCS#12 as a private key",
        "cp default.p12 as-key.p12",
        "as-key.p12",
        "key",
        remedy="openssl pkcs12 -nocerts -noenc -passin pass:sesame -in OLD "
        "-out NEW",
    ),
)

PROGRAMS = (
    Program(
        "OpenSSL",
        ("openssl",),
        "openssl version",
        (*_KEYS, *_CHAINS, *_OTHERS, *_BUNDLES),
        first=_CA,
    ),
)
