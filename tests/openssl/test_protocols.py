"""Versions, the names of protocols, and what is supported."""

from __future__ import annotations

import io
import linecache
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from OpenSSL import SSL

import tlskit
from tlskit.errors import (
    InsecureProtocolWarning,
    UnsupportedError,
    UnverifiedContextWarning,
)
from tlskit.openssl import protocols
from tlskit.openssl.protocols import (
    TLSVersion,
    max_client_protocol,
    max_server_protocol,
    protocol,
    supported_client_protocols,
    supported_server_protocols,
)

SUPPORTED = [supported_client_protocols, supported_server_protocols]
NEWEST = [max_client_protocol, max_server_protocol]
ORDER = ("secure", "auto", "tls", "tls11", "tls12", "tls13")


@pytest.fixture
def asked_again() -> Iterator[None]:
    """What is supported is found out anew, and again afterwards."""
    protocols._supported.cache_clear()
    yield
    protocols._supported.cache_clear()


def library_with(*versions: TLSVersion) -> type[SSL.Context]:
    """Make a context of a library that was built with *versions* only."""

    class Picky(SSL.Context):
        def set_min_proto_version(self, version: int) -> None:
            if version not in versions:
                raise SSL.Error([])
            super().set_min_proto_version(version)

    return Picky


# -- versions ---------------------------------------------------------------


def test_versions_have_the_numbers_of_the_wire():
    """RFC 8446, section 4.2.1, and the RFCs before it fix the numbers."""
    assert {
        "SSL_3_0": 0x0300,
        "TLS_1_0": 0x0301,
        "TLS_1_1": 0x0302,
        "TLS_1_2": 0x0303,
        "TLS_1_3": 0x0304,
    } == {each.name: each.value for each in TLSVersion}


def test_versions_compare():
    """A newer version is greater."""
    assert sorted(TLSVersion) == list(TLSVersion)


# -- names ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["secure", "auto"])
def test_ranges(name):
    """The default and its sibling mean TLS 1.2 and later."""
    found = protocol(name)

    assert name == found.name
    assert TLSVersion.TLS_1_2 == found.minimum
    assert TLSVersion.TLS_1_3 == found.maximum
    assert not found.insecure


@pytest.mark.parametrize(
    ("name", "version"),
    [("tls12", TLSVersion.TLS_1_2), ("tls13", TLSVersion.TLS_1_3)],
)
def test_pinned(name, version):
    """A version's name means this version and no other."""
    found = protocol(name)

    assert (version, version) == (found.minimum, found.maximum)
    assert not found.insecure


@pytest.mark.parametrize(
    ("name", "version"),
    [("tls", TLSVersion.TLS_1_0), ("tls11", TLSVersion.TLS_1_1)],
)
def test_insecure(name, version):
    """What RFC 8996 deprecates is pinned, with a warning to the caller."""
    with pytest.warns(InsecureProtocolWarning, match=repr(name)) as caught:
        found = protocol(name)

    assert (version, version) == (found.minimum, found.maximum)
    assert found.insecure
    assert [__file__] == [each.filename for each in caught]


def test_alias():
    """The seeds' oldest name is ``auto``, and deprecated."""
    with pytest.warns(DeprecationWarning, match="'auto'") as caught:
        found = protocol("sslv2-or-v3")

    assert protocol("auto") == found
    assert [__file__] == [each.filename for each in caught]


class Passing(tlskit.ServerContext):
    """A subclass that leaves the protocol to its caller."""


class Deciding(tlskit.ServerContext):
    """A subclass that decides the protocol itself."""

    def __init__(self, name: str) -> None:
        """Ask for the protocol, in a line of our own."""
        super().__init__(name)


def connect(name: str) -> None:
    """Try to connect, where nobody listens."""
    with socket.socket() as taken, suppress(ConnectionRefusedError):
        taken.bind(("127.0.0.1", 0))
        tlskit.connect(*taken.getsockname(), name)


def wrap(name: str, mode: str) -> None:
    """Speak TLS to a stream that says nothing."""
    ends = {"input": io.BytesIO(), "output": io.BytesIO()}
    with suppress(tlskit.TLSError):
        tlskit.ports_to_ssl_ports(**ends, encrypt=name, mode=mode)


#: How a protocol can be asked for, and a part of the line that does it.
WAYS: dict[str, tuple[Callable[[str], Any], str]] = {
    "client": (tlskit.ClientContext, "ask(name)"),
    "server": (tlskit.ServerContext, "ask(name)"),
    "passing": (Passing, "ask(name)"),
    "deciding": (Deciding, "super().__init__(name)"),
    "connect": (connect, "tlskit.connect("),
    "listen": (lambda name: tlskit.listen(context=name).close(), "listen("),
    "wrap-client": (lambda name: wrap(name, "connect"), "to_ssl_ports("),
    "wrap-server": (lambda name: wrap(name, "accept"), "to_ssl_ports("),
}


@pytest.mark.parametrize("name", ["tls", "tls11", "sslv2-or-v3"])
@pytest.mark.parametrize(("ask", "part"), WAYS.values(), ids=WAYS)
def test_warnings_name_the_callers_line(
    name: str, ask: Callable[[str], Any], part: str
) -> None:
    """Warnings name the line that asked for the protocol, and no other.

    One is of the protocol; a client that connects is warned of besides.
    """
    with pytest.warns(Warning, match=repr(name)) as caught:
        ask(name)

    kinds = [each.category for each in caught]
    assert 1 == len(set(kinds) - {UnverifiedContextWarning})
    assert len(kinds) == len(set(kinds))
    for warning in caught:
        assert __file__ == warning.filename
        assert part in linecache.getline(__file__, warning.lineno)


@pytest.mark.parametrize("name", ORDER[:2] + ORDER[4:])
def test_no_warning(name):
    """What is secure is given without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        assert name == protocol(name).name


@pytest.mark.parametrize("name", ["sslv2", "sslv3"])
def test_gone(name):
    """SSL 2.0 and 3.0 are refused, with what to use instead."""
    with pytest.raises(UnsupportedError, match=name) as caught:
        protocol(name)

    assert "unsupported" == caught.value.code
    assert "'secure'" in caught.value.hint


@pytest.mark.parametrize("name", ["", "TLS12", "tls14", " auto", None, 771])
def test_unknown(name):
    """Any other name is refused, and the message lists all there are."""
    with pytest.raises(ValueError, match="there is no protocol") as caught:
        protocol(name)

    for known in (*ORDER, "sslv2-or-v3", "sslv2", "sslv3"):
        assert known in str(caught.value)


def test_unhashable():
    """A list is no name either, and no reason for another error."""
    with pytest.raises(ValueError, match="there is no protocol"):
        protocol(["auto"])


def test_a_protocol_is_a_value():
    """A protocol can't be changed: contexts share it."""
    found = protocol("auto")
    with pytest.raises(FrozenInstanceError):
        found.minimum = TLSVersion.SSL_3_0

    assert protocol("auto") == found


# -- what is supported ------------------------------------------------------


@pytest.mark.parametrize("supported", SUPPORTED)
def test_supported(supported):
    """The names come worst first, and those of today are among them."""
    names = supported()

    assert tuple(each for each in ORDER if each in names) == names
    assert {"secure", "auto", "tls12", "tls13"} <= set(names)


@pytest.mark.parametrize("supported", SUPPORTED)
@pytest.mark.filterwarnings("ignore::tlskit.InsecureProtocolWarning")
def test_supported_is_usable(supported):
    """Whatever is called supported can be asked for by name."""
    for name in supported():
        assert name == protocol(name).name


@pytest.mark.parametrize("newest", NEWEST)
def test_newest(newest):
    """The newest is TLS 1.3."""
    assert "tls13" == newest()


@pytest.mark.usefixtures("asked_again")
@pytest.mark.parametrize(
    ("versions", "names", "newest"),
    [
        ([TLSVersion.TLS_1_2], ("secure", "auto", "tls12"), "tls12"),
        ([TLSVersion.TLS_1_3], ("secure", "auto", "tls13"), "tls13"),
        ([TLSVersion.TLS_1_0], ("tls",), "tls"),
        ([], (), None),
    ],
)
def test_the_library_is_asked(monkeypatch, versions, names, newest):
    """Only what this build of OpenSSL has is called supported."""
    monkeypatch.setattr(protocols.SSL, "Context", library_with(*versions))

    assert [names, names] == [each() for each in SUPPORTED]
    assert [newest, newest] == [each() for each in NEWEST]


@pytest.mark.usefixtures("asked_again")
def test_nothing_without_openssl(monkeypatch):
    """Without OpenSSL nothing is supported, and asking is no error."""
    monkeypatch.setattr(protocols, "is_available", lambda: False)

    assert [(), ()] == [each() for each in SUPPORTED]
    assert [None, None] == [each() for each in NEWEST]


@pytest.mark.usefixtures("asked_again")
@pytest.mark.parametrize("supported", SUPPORTED)
def test_asked_once(monkeypatch, supported: Callable[[], tuple[str, ...]]):
    """The answer is kept: the library can't change under a process."""
    first = supported()
    monkeypatch.setattr(protocols.SSL, "Context", library_with())

    assert first is supported()
