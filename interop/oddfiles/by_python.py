"""What libraries of Python and Node.js make."""

from __future__ import annotations

import sys

from .odd import Odd, Program

__all__ = ["PROGRAMS"]


def _python(*lines: str) -> str:
    return (
        f"{sys.executable} -W ignore - <<'END'\n" + "\n".join(lines) + "\nEND"
    )


def _version(name: str) -> str:
    return _python(
        "from importlib.metadata import version", f"print(version({name!r}))"
    )


_ECDSA = (
    Odd(
        "an EC key (RFC 5915)",
        _python(
            "import ecdsa",
            "key = ecdsa.SigningKey.generate(curve=ecdsa.NIST256p)",
            "open('ec.pem', 'wb').write(key.to_pem())",
        ),
        "ec.pem",
        "key",
    ),
    Odd(
        "an EC key that spells its curve out",
        _python(
            "import ecdsa",
            "key = ecdsa.SigningKey.generate(curve=ecdsa.NIST384p)",
            "open('explicit.pem', 'wb').write(key.to_pem("
            "format='pkcs8', curve_parameters_encoding='explicit'))",
        ),
        "explicit.pem",
        "key",
    ),
    Odd(
        "an EC key in PKCS#8 of the second version",
        _python(
            "import ecdsa",
            "key = ecdsa.SigningKey.generate(curve=ecdsa.NIST256p)",
            "open('second.pem', 'wb').write(key.to_pem(format='pkcs8'))",
        ),
        "second.pem",
        "key",
    ),
    Odd(
        "an EC key for P-192",
        _python(
            "import ecdsa",
            "key = ecdsa.SigningKey.generate(curve=ecdsa.NIST192p)",
            "open('p192.pem', 'wb').write(key.to_pem())",
        ),
        "p192.pem",
        "key",
    ),
)

_CRYPTODOME = (
    Odd(
        "an RSA key, encrypted by scrypt",
        _python(
            "from Crypto.PublicKey import RSA",
            "key = RSA.generate(2048)",
            "open('scrypt.pem', 'wb').write(key.export_key(passphrase="
            "'sesame', pkcs=8, protection='scryptAndAES256-CBC'))",
        ),
        "scrypt.pem",
        "key",
        encrypted=True,
    ),
    Odd(
        "an RSA key, encrypted with AES-GCM",
        _python(
            "from Crypto.PublicKey import RSA",
            "key = RSA.generate(2048)",
            "open('gcm.pem', 'wb').write(key.export_key(passphrase="
            "'sesame', pkcs=8, "
            "protection='PBKDF2WithHMAC-SHA512AndAES256-GCM'))",
        ),
        "gcm.pem",
        "key",
        encrypted=True,
    ),
    Odd(
        "an RSA key, encrypted by SHA3-256",
        _python(
            "from Crypto.PublicKey import RSA",
            "key = RSA.generate(2048)",
            "open('sha3.pem', 'wb').write(key.export_key(passphrase="
            "'sesame', pkcs=8, "
            "protection='PBKDF2WithHMAC-SHA3-256AndAES256-CBC'))",
        ),
        "sha3.pem",
        "key",
        encrypted=True,
    ),
    Odd(
        "an Ed25519 key in OpenSSH's form",
        _python(
            "from Crypto.PublicKey import ECC",
            "key = ECC.generate(curve='ed25519')",
            "open('ed.pub', 'w').write(key.public_key().export_key("
            "format='OpenSSH'))",
        ),
        "ed.pub",
        "key",
    ),
)

_PYJKS = (
    Odd(
        "a Java key store (JKS)",
        _python(
            "import jks",
            "from cryptography.hazmat.primitives import serialization as s",
            "from cryptography.hazmat.primitives.asymmetric import ec",
            "from tlskit.testing import CA",
            "leaf = CA('pyjks').issue('box.example')",
            "DER = s.Encoding.DER",
            "key = leaf.key.private_bytes("
            "DER, s.PrivateFormat.PKCS8, s.NoEncryption())",
            "entry = jks.PrivateKeyEntry.new('box', "
            "[leaf.certificate.public_bytes(DER)], key, 'pkcs8')",
            "jks.KeyStore.new('jks', [entry]).save('box.jks', 'sesame')",
        ),
        "box.jks",
        "pkcs12",
        encrypted=True,
        remedy="keytool -importkeystore -srckeystore OLD -srcstorepass sesame "
        "-destkeystore NEW -deststorepass sesame -deststoretype PKCS12",
    ),
)


def _trustme(what: str, name: str, names: str) -> Odd:
    return Odd(
        what,
        _python(
            "import trustme",
            "ca = trustme.CA()",
            f"leaf = ca.issue_cert({names})",
            f"ca.cert_pem.write_to_path('{name}-ca.pem')",
            f"leaf.private_key_pem.write_to_path('{name}.key')",
            "for each in leaf.cert_chain_pems:",
            f"    each.write_to_path('{name}.pem', append=True)",
        ),
        f"{name}.pem",
        "chain",
        key=f"{name}.key",
        roots=f"{name}-ca.pem",
    )


_TRUSTME = (
    _trustme("a leaf", "leaf", "'box.example'"),
    _trustme(
        "an RSA leaf that has expired",
        "old",
        "'box.example', key_type=trustme.KeyType.RSA, "
        "not_after=__import__('datetime').datetime(2021, 1, 1)",
    ),
    _trustme(
        "a leaf with a common name that is another",
        "other",
        "'box.example', common_name='other.example'",
    ),
)

_PYOPENSSL = (
    Odd(
        "an ML-DSA-65 key: seed and expanded",
        _python(
            "from OpenSSL import crypto",
            "from tlskit.testing import CA",
            "leaf = CA('x').issue('box.example', key_type='mldsa65')",
            "key = crypto.load_privatekey(crypto.FILETYPE_PEM, leaf.key_pem)",
            "open('both.pem', 'wb').write("
            "crypto.dump_privatekey(crypto.FILETYPE_PEM, key))",
        ),
        "both.pem",
        "key",
    ),
    Odd(
        "the same, encrypted",
        _python(
            "from OpenSSL import crypto",
            "key = crypto.load_privatekey(crypto.FILETYPE_PEM, "
            "open('both.pem', 'rb').read())",
            "open('locked.pem', 'wb').write(crypto.dump_privatekey("
            "crypto.FILETYPE_PEM, key, 'aes-256-cbc', b'sesame'))",
        ),
        "locked.pem",
        "key",
        encrypted=True,
    ),
)

_NODE = (
    Odd(
        "a key for RSASSA-PSS with SHA-512",
        "node -e \"const c = require('crypto'); require('fs').writeFileSync("
        "'pss.pem', c.generateKeyPairSync('rsa-pss', {modulusLength: 2048, "
        "hashAlgorithm: 'sha512', mgf1HashAlgorithm: 'sha512', saltLength: 64,"
        " privateKeyEncoding: {type: 'pkcs8', format: 'pem'}}).privateKey)\"",
        "pss.pem",
        "key",
    ),
    Odd(
        "a key as JSON (JWK)",
        "node -e \"const c = require('crypto'); require('fs').writeFileSync("
        "'key.jwk', JSON.stringify(c.generateKeyPairSync('ec', {namedCurve: "
        "'P-256'}).privateKey.export({format: 'jwk'})))\"",
        "key.jwk",
        "key",
    ),
    Odd(
        "an EC key in PKCS#8 that spells its curve out",
        "node -e \"const c = require('crypto'); require('fs').writeFileSync("
        "'explicit.der', c.generateKeyPairSync('ec', {namedCurve: 'P-256', "
        "paramEncoding: 'explicit', privateKeyEncoding: {type: 'pkcs8', "
        "format: 'der'}}).privateKey)\"",
        "explicit.der",
        "key",
    ),
    Odd(
        "a key encrypted with AES-256-CFB",
        "node -e \"const c = require('crypto'); require('fs').writeFileSync("
        "'cfb.pem', c.generateKeyPairSync('ec', {namedCurve: 'P-256', "
        "privateKeyEncoding: {type: 'pkcs8', format: 'pem', cipher: "
        "'aes-256-cfb', passphrase: 'sesame'}}).privateKey)\"",
        "cfb.pem",
        "key",
        encrypted=True,
    ),
)

PROGRAMS = (
    Program("ecdsa", ("python:ecdsa",), _version("ecdsa"), _ECDSA),
    Program(
        "PyCryptodome",
        ("python:Crypto",),
        _version("pycryptodome"),
        _CRYPTODOME,
    ),
    Program("pyjks", ("python:jks", "keytool"), _version("pyjks"), _PYJKS),
    Program("trustme", ("python:trustme",), _version("trustme"), _TRUSTME),
    Program(
        "pyOpenSSL", ("python:OpenSSL",), _version("pyOpenSSL"), _PYOPENSSL
    ),
    Program("Node.js", ("node",), "node --version", _NODE),
)
