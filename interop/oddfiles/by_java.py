"""What Java's keytool makes."""

from __future__ import annotations

from .odd import Odd, Program

__all__ = ["PROGRAMS"]

_STORE = "-storepass sesame -keypass sesame"
#: keytool takes no shorter passwords than six letters, by luck.
_PAIR = (
    f"keytool -genkeypair -keyalg RSA -keysize 2048 {_STORE} -alias box "
    "-dname CN=box.example -ext san=dns:box.example -validity 30"
)
_TO_PEM = "openssl pkcs12 -passin pass:sesame -in NEW.p12 -noenc -out NEW"
_IMPORT = (
    "keytool -importkeystore -srckeystore OLD -srcstorepass sesame "
    "-destkeystore NEW -deststorepass sesame -deststoretype PKCS12"
)
_FIRST = f"""
{_PAIR} -keystore box.p12
keytool -genkeypair -keyalg RSA -keysize 2048 {_STORE} -alias root \
    -dname 'CN=Java CA' -ext bc:c=ca:true -validity 30 -keystore ca.p12
keytool -exportcert -rfc -alias root -keystore ca.p12 {_STORE} -file ca.pem
"""


def _store(what: str, name: str, options: str, **more: str) -> Odd:
    return Odd(
        what,
        f"{_PAIR} -keystore {name} {options}",
        name,
        "pkcs12",
        encrypted=True,
        **more,
    )


_STORES = (
    _store("a key store (PKCS#12)", "new.p12", "-storetype PKCS12"),
    _store(
        "the same as Java 8 wrote it",
        "legacy.p12",
        "-storetype PKCS12 -J-Dkeystore.pkcs12.legacy",
    ),
    _store(
        "PKCS#12 without a password for its certificates and digest",
        "bare.p12",
        "-storetype PKCS12 -J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE "
        "-J-Dkeystore.pkcs12.macAlgorithm=NONE",
    ),
    _store("a key store (JKS)", "old.jks", "-storetype JKS", remedy=_IMPORT),
    _store(
        "a key store (JCEKS)", "old.jceks", "-storetype JCEKS", remedy=_IMPORT
    ),
    Odd(
        "a trust store (PKCS#12)",
        f"keytool -importcert -noprompt -file ca.pem -alias a {_STORE} "
        "-keystore trust.p12",
        "trust.p12",
        "pkcs12",
        encrypted=True,
        remedy="openssl pkcs12 -nokeys -passin pass:sesame -in OLD -out NEW",
        then="roots",
    ),
    Odd(
        "the same as trusted roots",
        "cp trust.p12 trust-roots.p12",
        "trust-roots.p12",
        "roots",
        remedy="openssl pkcs12 -nokeys -passin pass:sesame -in OLD -out NEW",
    ),
    Odd(
        "a trust store (JKS) as trusted roots",
        f"keytool -importcert -noprompt -file ca.pem -alias a {_STORE} "
        "-keystore trust.jks -storetype JKS",
        "trust.jks",
        "roots",
        remedy="keytool -importkeystore -srckeystore OLD -srcstorepass sesame "
        "-destkeystore half.p12 -deststorepass sesame -deststoretype PKCS12; "
        "openssl pkcs12 -nokeys -passin pass:sesame -in half.p12 -out NEW",
    ),
    Odd(
        "Debian's cacerts, as Java has it",
        "cp /etc/ssl/certs/java/cacerts cacerts",
        "cacerts",
        "roots",
        remedy="keytool -importkeystore -srckeystore OLD -srcstorepass "
        "changeit -destkeystore half2.p12 -deststorepass sesame "
        "-deststoretype PKCS12; "
        "openssl pkcs12 -nokeys -passin pass:sesame -in half2.p12 -out NEW",
    ),
    Odd(
        "a key store with a secret key only",
        f"keytool -genseckey -keyalg AES -keysize 256 {_STORE} "
        "-keystore secret.p12",
        "secret.p12",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "a key store with two entries, the second one wanted",
        f"cp new.p12 two.p12; keytool -genkeypair -keyalg EC {_STORE} "
        "-alias second -dname CN=second -keystore two.p12",
        "two.p12",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "a key for RSASSA-PSS in a key store",
        f"keytool -genkeypair -keyalg RSASSA-PSS -keysize 2048 {_STORE} "
        "-alias p -dname CN=pss -keystore pss.p12",
        "pss.p12",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "a DSA key in a key store",
        f"keytool -genkeypair -keyalg DSA {_STORE} -alias d -dname CN=dsa "
        "-keystore dsa.p12",
        "dsa.p12",
        "pkcs12",
        encrypted=True,
    ),
    Odd(
        "an Ed25519 key in a key store",
        f"keytool -genkeypair -keyalg Ed25519 {_STORE} -alias e "
        "-dname CN=ed -keystore ed.p12",
        "ed.p12",
        "pkcs12",
        encrypted=True,
    ),
)

_SIGNED = (
    f"keytool -certreq -alias box -keystore box.p12 {_STORE} -file box.csr; "
    f"keytool -gencert -alias root -keystore ca.p12 {_STORE} "
    "-infile box.csr -ext san=dns:box.example"
)
_KEY = (
    "openssl pkcs12 -in box.p12 -passin pass:sesame -nocerts -noenc "
    "-out box.key"
)

_CERTIFICATES = (
    Odd(
        "a certificate request",
        f"keytool -certreq -alias box -keystore box.p12 {_STORE} "
        "-file request.csr",
        "request.csr",
        "chain",
    ),
    Odd(
        "a certificate of keytool's own CA (DER)",
        f"{_SIGNED} -outfile leaf.der; {_KEY}",
        "leaf.der",
        "chain",
        key="box.key",
        roots="ca.pem",
    ),
    Odd(
        "a certificate of keytool's own CA (PEM)",
        f"{_SIGNED} -rfc -outfile leaf.pem; {_KEY}",
        "leaf.pem",
        "chain",
        key="box.key",
        roots="ca.pem",
    ),
    Odd(
        "a self-signed certificate, trusted as it is",
        f"keytool -exportcert -rfc -alias box -keystore box.p12 {_STORE} "
        f"-file self.pem; {_KEY}",
        "self.pem",
        "chain",
        key="box.key",
        roots="self.pem",
    ),
    Odd(
        "what keytool -list -rfc prints",
        f"keytool -list -rfc -keystore box.p12 {_STORE} > list.txt",
        "list.txt",
        "chain",
    ),
    Odd(
        "a revocation list",
        f"keytool -gencrl -alias root -keystore ca.p12 {_STORE} -id 7 "
        "-rfc -file java.crl",
        "java.crl",
        "crl",
    ),
)

PROGRAMS = (
    Program(
        "keytool",
        ("keytool", "openssl"),
        "java -version",
        (*_STORES, *_CERTIFICATES),
        first=_FIRST,
    ),
)
