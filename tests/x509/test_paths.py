"""PEM text where a path is wanted: refused, and never repeated."""

from __future__ import annotations

import ssl
import traceback
from collections.abc import Callable

import pytest

import tlskit
from tlskit.testing import CA
from tlskit.x509.sources import path_of

LEAF = CA().issue("localhost")
SECRET = LEAF.key_pem.decode()

LOADERS: dict[str, Callable[[str], object]] = {
    "chain": lambda text: tlskit.ServerContext().load_certificate_chain(text),
    "key": lambda text: tlskit.ServerContext().load_private_key(text),
    "constructor": lambda text: tlskit.ServerContext(
        certificate_chain=LEAF.chain_pem, private_key=text
    ),
    "pkcs12": lambda text: tlskit.ServerContext().load_pkcs12(text, "x"),
    "reloadable": tlskit.ReloadableCredentials,
    "roots": lambda text: tlskit.VerifySource.file(text).load(),
    "directory": lambda text: tlskit.VerifySource.directory(text).load(),
    "reloadable roots": tlskit.ReloadableRoots,
    "verify source": lambda text: tlskit.ClientContext(
        "auto"
    ).load_verify_source(text),
    "lists": lambda text: tlskit.ClientContext("auto").load_crls(text),
    "parameters": lambda text: tlskit.ServerContext().enable_dhe(text),
    "staple": lambda text: tlskit.ServerContext().set_ocsp_response(text),
    "key log": lambda text: tlskit.ClientContext("auto").set_keylog(text),
    "adapter": lambda text: (
        tlskit.ServerContext().as_ssl_context().load_cert_chain(text)
    ),
    "adapter's roots": lambda text: (
        tlskit.ClientContext("auto")
        .as_ssl_context()
        .load_verify_locations(text)
    ),
}


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("lines", ["\n", "\r\n", "\r", " "])
def test_no_loader_repeats_a_key(name: str, lines: str) -> None:
    """The error is of the tree, or ssl's own, and no part shows the key."""
    text = SECRET.replace("\n", lines)
    with pytest.raises((tlskit.ConfigurationError, ssl.SSLError)) as caught:
        LOADERS[name](text)
    error = refused = caught.value
    if isinstance(error, ssl.SSLError):  # The adapter's; ours is the cause.
        refused = error.__cause__
    assert isinstance(refused, tlskit.ConfigurationError)
    shown = "".join(traceback.format_exception(error))
    shown += f"{error!r}{error.filename}{error.args}{refused.hint}"
    while error is not None:
        assert SECRET.splitlines()[1] not in str(error)
        error = error.__cause__ or error.__context__

    assert "not-a-path" == refused.code
    assert SECRET.splitlines()[1] not in shown
    assert "as bytes" in refused.hint


def test_what_is_too_long_is_no_path() -> None:
    """Text without armour, longer than any path, is not repeated either."""
    with pytest.raises(tlskit.ConfigurationError, match="40000 characters"):
        path_of("A" * 40000, "a certificate")


def test_paths_pass() -> None:
    """A path is given back as it is, however odd."""
    assert "/a b/-----END" == path_of("/a b/-----END", "a certificate")


def test_lines_are_no_path() -> None:
    """Text of several lines is refused, whatever it is."""
    with pytest.raises(tlskit.ConfigurationError, match="several lines"):
        path_of("one\ntwo", "a certificate")
