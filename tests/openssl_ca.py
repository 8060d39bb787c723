"""A CA that ``openssl ca`` runs: certificates, lists and OCSP responses."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tlskit.testing import Leaf

__all__ = ["OpenSSLCA"]

_CONFIG = """
[ca]
default_ca = ours
[ours]
dir = {directory}
database = $dir/index.txt
serial = $dir/serial
crlnumber = $dir/crlnumber
new_certs_dir = $dir
certificate = $dir/ca.pem
private_key = $dir/ca.key
default_md = sha256
default_days = 30
default_crl_days = 7
unique_subject = no
copy_extensions = copy
policy = any
x509_extensions = leaf
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[below]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[staple]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
tlsfeature = status_request
[responder]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,OCSPSigning
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
noCheck = ignored
"""


class OpenSSLCA:
    """A CA in a directory.

    Args:
        directory: Where its database and keys are; it is made.
        name: Its common name.
        parent: Who issues its certificate; None makes a root.
    """

    def __init__(
        self, directory: Path, name: str, parent: OpenSSLCA | None = None
    ) -> None:
        directory.mkdir()
        self.directory = directory
        self.parent = parent
        self._count = 0
        self.path("index.txt").touch()
        self.path("serial").write_text("1000\n")
        self.path("crlnumber").write_text("01\n")
        self.path("openssl.cnf").write_text(
            _CONFIG.format(directory=directory)
        )
        if parent is None:
            self._key("ca")
            self.run(
                *("req", "-x509", "-new", "-key", "ca.key", "-out", "ca.pem"),
                *("-config", "openssl.cnf", "-extensions", "root"),
                *("-subj", f"/CN={name}", "-days", "30"),
            )
            return
        made = parent.issue(name, section="below", names=False)
        self.path("ca.key").write_bytes(made.key_pem)
        self.path("ca.pem").write_bytes(made.chain_pem)

    def path(self, name: str) -> Path:
        """Give the path of one of its files."""
        return self.directory / name

    def run(self, *arguments: str) -> str:
        """Run ``openssl`` in its directory; give what it prints."""
        done = subprocess.run(
            ["openssl", *arguments],
            cwd=self.directory,
            env=dict(os.environ, OPENSSL_CONF=os.devnull, LC_ALL="C"),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout

    def _key(self, name: str) -> None:
        self.run(
            *("genpkey", "-algorithm", "EC", "-out", f"{name}.key"),
            *("-pkeyopt", "ec_paramgen_curve:P-256"),
        )

    @property
    def certificate(self) -> x509.Certificate:
        """Its certificate."""
        return x509.load_pem_x509_certificate(self.path("ca.pem").read_bytes())

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Itself and the CAs above it, without the root."""
        if self.parent is None:
            return ()
        return (self.certificate, *self.parent.chain)

    def issue(
        self, name: str, *, section: str = "leaf", names: bool = True
    ) -> Leaf:
        """Issue a certificate by a section of the configuration."""
        self._count += 1
        file = f"leaf{self._count}"
        self._key(file)
        san = ("-addext", f"subjectAltName=DNS:{name}") if names else ()
        self.run(
            *("req", "-new", "-key", f"{file}.key", "-out", f"{file}.csr"),
            *("-config", "openssl.cnf", "-subj", f"/CN={name}", *san),
        )
        self.run(
            *("ca", "-batch", "-notext", "-config", "openssl.cnf"),
            *("-in", f"{file}.csr", "-out", f"{file}.pem"),
            *("-extensions", section),
        )
        certificate = x509.load_pem_x509_certificate(
            self.path(f"{file}.pem").read_bytes()
        )
        key = load_pem_private_key(self.path(f"{file}.key").read_bytes(), None)
        return Leaf(key, (certificate, *self.chain))  # type: ignore[arg-type]

    def file_of(self, leaf: Leaf) -> str:
        """Find the file of a certificate that it issued."""
        return f"{leaf.certificate.serial_number:04X}.pem"

    def revoke(self, leaf: Leaf, reason: str | None = None) -> None:
        """Take a certificate back."""
        why = () if reason is None else ("-crl_reason", reason)
        self.run(
            *("ca", "-config", "openssl.cnf", "-revoke", self.file_of(leaf)),
            *why,
        )

    def crl(self, *options: str) -> bytes:
        """Give its revocation list as PEM."""
        self.run(
            *("ca", "-config", "openssl.cnf", "-gencrl"),
            *("-out", "crl.pem", *options),
        )
        return self.path("crl.pem").read_bytes()

    def ocsp(
        self,
        leaf: Leaf,
        *options: str,
        responder: Leaf | None = None,
        index: str = "index.txt",
    ) -> bytes:
        """Have ``openssl ocsp`` answer for a certificate of this CA.

        Args:
            leaf: The certificate.
            options: More of the program's options.
            responder: Who signs; this CA by default.
            index: The database; an empty one knows nobody.
        """
        self.path("signer.pem").write_bytes(
            self.path("ca.pem").read_bytes()
            if responder is None
            else responder.chain_pem
        )
        self.path("signer.key").write_bytes(
            self.path("ca.key").read_bytes()
            if responder is None
            else responder.key_pem
        )
        self.path("asked.pem").write_bytes(leaf.chain_pem)
        self.run(
            *("ocsp", "-issuer", "ca.pem", "-cert", "asked.pem"),
            *("-no_nonce", "-reqout", "request.der"),
        )
        self.run(
            *("ocsp", "-index", index, "-CA", "ca.pem"),
            *("-rsigner", "signer.pem", "-rkey", "signer.key"),
            *("-reqin", "request.der", "-respout", "response.der"),
            *(options or ("-ndays", "2")),
        )
        return self.path("response.der").read_bytes()
