"""``docs/parity.rst`` has every name of the seeds, and tells the truth."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"

#: Every name of the five documents, and of newer Racket, by the documents
#: that have it.  Made from those, not from the page.
SEEDS = {
    "C P R7 R8 HEAD": """
        ssl-connect, ssl-make-client-context, ssl-client-context?,
        ssl-listen, port-no, queue-k, hostname-or-#f, server-protocol,
        ssl-close, ssl-listener?, ssl-accept,
        ssl-load-certificate-chain!, ssl-load-private-key!, rsa?, asn1?,
        ssl-set-verify!, ssl-load-verify-root-certificates!,
        ssl-load-suggested-certificate-authorities!,
        'sslv2-or-v3, 'sslv2, 'sslv3, 'tls
    """,
    "P R7 R8 HEAD": """
        ssl-available?, ssl-load-fail-reason,
        ssl-connect/enable-break, ssl-accept/enable-break,
        reuse?, sync, test.pem,
        ssl-make-server-context, ssl-server-context?,
        ports->ssl-ports, #:mode, 'connect, 'accept, #:context, #:encrypt,
        #:close-original?, #:shutdown-on-close?, #:error/ssl
    """,
    "P R7 R8": "one direction at a time",
    "R7 R8 HEAD": """
        ssl-secure-client-context,
        supported-client-protocols, supported-server-protocols,
        ssl-max-client-protocol, ssl-max-server-protocol,
        'secure, 'auto, 'tls11, 'tls12,
        ssl-abandon-port, ssl-addresses, port-numbers?, ssl-port?,
        #:hostname,
        ssl-load-verify-source!, #:try?, path-string,
        (list 'directory dir), (list 'win32-store name),
        (list 'macosx-keychain path),
        ssl-default-verify-sources, ssl-load-default-verify-sources!,
        ssl-set-ciphers!, ssl-seal-context!,
        ssl-server-context-enable-dhe!, ssl-server-context-enable-ecdhe!,
        'sect163k1, 'sect163r1, 'sect163r2, 'sect193r1, 'sect193r2,
        'sect233k1, 'sect233r1, 'sect239k1, 'sect283k1, 'sect283r1,
        'sect409k1, 'sect409r1, 'sect571k1, 'sect571r1,
        'secp160k1, 'secp160r1, 'secp160r2, 'secp192k1, 'secp224k1,
        'secp224r1, 'secp256k1, 'secp384r1, 'secp521r1,
        'prime192v1, 'prime256v1,
        ssl-set-server-name-identification-callback!,
        ssl-set-verify! port, ssl-try-verify!, ssl-try-verify! port,
        ssl-peer-verified?, ssl-set-verify-hostname!,
        ssl-peer-certificate-hostnames, ssl-peer-check-hostname,
        ssl-peer-subject-name, ssl-peer-issuer-name,
        sha1, sha1-bytes, bytes->hex-string, hex-string->bytes,
        md5, md5-bytes,
        libcrypto, libcrypto-load-fail-reason, openssl-lib-versions,
        libssl, libssl-load-fail-reason
    """,
    "R7": "ssl-dh4096-param-path",
    "R8 HEAD": """
        ssl-connect #:alpn, ports->ssl-ports #:alpn,
        #:private-key, (list 'pem path), (list 'der path),
        #:certificate-chain, ssl-dh4096-param-bytes,
        ssl-channel-binding, 'tls-unique, 'tls-server-end-point,
        ssl-get-alpn-selected
    """,
    "HEAD": """
        'tls13, ssl-protocol-symbol/c, ssl-context?,
        (list 'pem-data bytes), (list 'data bytes),
        (list 'macosx-keychain #f),
        ssl-set-server-alpn!, ssl-set-keylogger!, openssl/legacy,
        buffer mode,
        'tls-exporter, ssl-default-channel-binding, ssl-protocol-version,
        sha256, sha256-bytes
    """,
    "RHO": """
        ssl.is_available, ssl.unavailable_reason, ssl.connect,
        ssl.Port, ssl.Port.Input, ssl.Port.Output,
        ssl.Port.from_ports, ssl.Port.Mode, ssl.Port.addresses,
        ssl.Port.abandon, ssl.Port.set_verify,
        ssl.Port.peer_certificate_hostnames,
        ssl.Port.peer_check_hostname, ssl.Port.peer_subject_name,
        ssl.Port.peer_issuer_name, ssl.Port.selected_alpn,
        ssl.Port.is_peer_verified, ssl.listen, ssl.Listener,
        ssl.Listener.accept, ssl.Listener.close,
        ssl.Listener.addresses, ssl.Listener.load_certificate_chain,
        ssl.Listener.load_private_key,
        ssl.Listener.load_suggested_certificate_authorities,
        ssl.Context, ssl.Context.Client, ssl.Context.Server,
        ssl.Context.load_verify_source, ssl.Context.VerifySource,
        ssl.Context.VerifySource.default,
        ssl.Context.VerifySource.file,
        ssl.Context.VerifySource.directory,
        ssl.Context.VerifySource.win_store,
        ssl.Context.VerifySource.mac_keychain,
        ssl.Context.load_private_key, ssl.Context.PrivateKey,
        ssl.Context.PrivateKey.pem, ssl.Context.PrivateKey.pem_bytes,
        ssl.Context.PrivateKey.der, ssl.Context.KeyKind,
        ssl.Context.load_certificate_chain,
        ssl.Context.load_suggested_certificate_authorities,
        ssl.Context.set_verify, ssl.Context.VerifyMode,
        ssl.Context.set_verify_hostname, ssl.Context.set_ciphers,
        ssl.Context.Server.set_server_alpn, ssl.Context.seal
    """,
    "C": """
        exn openssl status, zero-return, want-read, want-write,
        want-connect, want-accept, want-X509-lookup, syscall, ssl,
        ssl-listener-port, ssl-listener-fileno, ssl-listener-accept-ready?,
        dirname
    """,
    "S": """
        make-client-tls-socket, make-server-tls-socket,
        :prng, :version, :session, :handshake, :certificates, :private-key,
        :certificate-verifier, :authorities, :client-certificate-required?,
        :raise-error,
        tls-client-handshake, tls-server-handshake,
        tls-socket-send, tls-socket-recv, tls-socket-close,
        tls-socket-closed?, tls-socket-accept,
        tls-socket-peer, tls-socket-name, tls-socket-info-values,
        *tls-version-1.2*, *tls-version-1.1*, *tls-version-1.0*,
        tls-socket-port, tls-socket-input-port, tls-socket-output-port,
        socket-close, socket-send, socket-recv, socket-accept,
        call-with-socket, socket-peer, socket-name, socket-info-values,
        socket-port, socket-input-port, socket-output-port
    """,
}
#: What tlskit does not have, on purpose; the page says why.
NOT_OFFERED = {":prng", ":session", "openssl/legacy"}


class Row(NamedTuple):
    """A row of one of the page's tables."""

    seeds: list[str]
    documents: str
    python: str
    tests: list[str]
    difference: str


@cache
def rows() -> list[Row]:
    """Read the page: its tables of five columns, without their headings."""
    page = DOCS.joinpath("parity.rst").read_text(encoding="utf-8")
    found = []
    for text in page.split("\n   * - ")[1:]:
        # The last row of a table ends where the margin does.
        cells = re.split(r"\n(?=\S)", text)[0].split("\n     -")
        if len(cells) == 5 and not cells[0].startswith("Seed"):
            seeds, documents, python, tests, difference = map(str.strip, cells)
            literal = r"``([^`]+)``"
            found.append(
                Row(
                    re.findall(literal, seeds),
                    documents,
                    python,
                    re.findall(literal, tests),
                    difference,
                )
            )
    return found


ROWS = [pytest.param(row, id=row.seeds[0]) for row in rows()]


def test_every_name_has_its_row() -> None:
    """No name is missing, twice there, invented or of another document."""
    expected = sorted(
        (name.strip(), documents)
        for documents, names in SEEDS.items()
        for name in names.split(",")
    )

    assert expected == sorted(
        (name, row.documents) for row in rows() for name in row.seeds
    )


def resolve(name: str) -> Any:
    """Give what a dotted name stands for; instances' attributes included."""
    parts = name.split(".")
    found: Any = importlib.import_module(parts[0])
    for before, part in enumerate(parts[1:], 1):
        if isinstance(found, type) and part in found.__annotations__:
            return found
        try:
            found = getattr(found, part)
        except AttributeError:
            found = importlib.import_module(".".join(parts[: before + 1]))
    return found


@pytest.mark.parametrize("row", ROWS)
def test_python_names_exist(row: Row) -> None:
    """What a row refers to is there, its arguments as well."""
    if set(row.seeds) <= NOT_OFFERED:
        assert row.python == "none"
        assert row.difference.startswith("Not offered: ")
        return
    reference = r":py:\w+:`(tlskit\.[\w.]+)`"
    (name,) = re.findall(reference, row.python)
    found = resolve(name)
    function = found.__init__ if isinstance(found, type) else found
    for argument in re.findall(r"``(\w+)=``", row.python):
        assert argument in inspect.signature(function).parameters
    for other in re.findall(reference, row.difference):
        resolve(other)


@cache
def functions_of(file: str) -> frozenset[str]:
    """Give the names of the test functions in *file*."""
    tree = ast.parse(TESTS.joinpath(file).read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize("row", ROWS)
def test_named_tests_exist(row: Row) -> None:
    """Each row has tests, and they are where it says."""
    assert row.tests or set(row.seeds) <= NOT_OFFERED
    for test in row.tests:
        file, _, name = test.removeprefix("tests/").partition("::")
        assert name in functions_of(file), test


def test_tests_named_between_the_tables_exist() -> None:
    """The same holds for tests that the text names."""
    page = DOCS.joinpath("parity.rst").read_text(encoding="utf-8")
    named = re.findall(r"``tests/([a-z_\/]+\.py)(?:::(\w+))?``", page)

    assert len(named) > 150
    for file, name in named:
        assert not name or name in functions_of(file)


def test_the_page_can_be_found() -> None:
    """The table of contents leads to it."""
    index = DOCS.joinpath("index.rst").read_text(encoding="utf-8")

    assert "\n   parity\n" in index
    assert "\n   coming-from-scheme\n" in index
