"""What ``help()``, ``inspect`` and ``repr()`` show, and subclasses."""

from __future__ import annotations

import inspect
import pickle
import typing
import warnings
from typing import Any

import pytest

import tlskit
from tlskit.testing import CA, Leaf, memory_pair

CLASSES = [
    each
    for name in tlskit.__all__
    if isinstance(each := getattr(tlskit, name), type)
]


@pytest.fixture(scope="module")
def ca() -> CA:
    """Who issues here."""
    return CA("Runtime help")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_public_classes_live_in_the_package(kind: type) -> None:
    """The name that is shown is the name that is imported; pickles use it."""
    assert "tlskit" == kind.__module__
    assert kind is pickle.loads(pickle.dumps(kind))


@pytest.mark.parametrize(
    "kind",
    [tlskit.Facts, tlskit.CertificateChain, tlskit.ListenerStatistics],
    ids=lambda kind: kind.__name__,
)
def test_annotations_can_be_resolved(kind: type) -> None:
    """A class that says ``tlskit`` still finds the names of its own module."""
    hints = typing.get_type_hints(kind)

    assert hints
    assert not any(isinstance(each, str) for each in hints.values())


@pytest.mark.parametrize("kind", [tlskit.ClientContext, tlskit.ServerContext])
def test_signatures_have_the_parameters(kind: type) -> None:
    """``inspect.signature()`` of a context gives its own parameters."""
    names = list(inspect.signature(kind).parameters)

    assert "protocol" == names[0]
    assert {"private_key", "certificate_chain", "password"} <= set(names)


@pytest.mark.parametrize("name", tlskit.__all__)
def test_all_that_can_be_called_has_a_signature(name: str) -> None:
    """Nothing hides its parameters, not even a warning."""
    each = getattr(tlskit, name)

    if callable(each):
        names = inspect.signature(each).parameters
        assert not any(name.startswith("_") for name in names)


def test_signature_of_a_subclass() -> None:
    """A subclass with a constructor of its own shows that one."""

    class Mine(tlskit.ServerContext):
        def __init__(self, tenant: str) -> None:
            super().__init__()
            self.tenant = tenant

    assert ["tenant"] == list(inspect.signature(Mine).parameters)


def test_context_is_abstract() -> None:
    """Only the two sides can be made, and the error says so."""
    with pytest.raises(TypeError, match="ClientContext or a ServerContext"):
        tlskit.Context()


def test_subclass_assigns_before_and_after() -> None:
    """The seal comes when the outermost constructor is over."""

    class Mine(tlskit.ClientContext):
        def __init__(self) -> None:
            self.before = 1
            super().__init__()
            self.after = 2

    class Deeper(Mine):
        def __init__(self) -> None:
            super().__init__()
            self.deeper = 3

    made = Deeper()

    assert (1, 2, 3) == (made.before, made.after, made.deeper)
    assert made.frozen
    with pytest.raises(tlskit.SealedError):
        made.after = 4


def test_forgotten_constructor_is_told() -> None:
    """A subclass that never calls ``super().__init__()`` hears of it."""

    class Forgetful(tlskit.ServerContext):
        def __init__(self) -> None:
            pass

    with pytest.raises(TypeError, match=r"not called super\(\).__init__"):
        Forgetful()


@pytest.mark.parametrize("protocol", ["secure", "tls13", "tls12"])
def test_secure_by_version(protocol: str) -> None:
    """``secure()`` verifies whichever version it is for, and is cached."""
    made = tlskit.ClientContext.secure(protocol=protocol)

    assert made is tlskit.ClientContext.secure(protocol)
    assert made.frozen
    assert made.settings.verify_hostname
    assert "require" == made.settings.verify.value


def test_secure_refuses_the_rest() -> None:
    """What is not secure is no argument of ``secure()``."""
    with pytest.raises(ValueError, match="'auto'"):
        tlskit.ClientContext.secure("auto")


def test_versions_have_their_names() -> None:
    """``str()`` and ``format()`` give the name; formats of numbers, those."""
    version = tlskit.TLSVersion.TLS_1_3

    assert "TLS 1.3" == str(version) == f"{version}"
    assert "TLS 1.3  " == f"{version:9}"
    assert "0x304" == f"{version:#x}"
    assert 0x0304 == version


def test_dir_has_the_public_names_only() -> None:
    """``dir(tlskit)`` lists what users may use, and all of that exists."""
    names = dir(tlskit)

    assert not {"find_spec", "import_module", "annotations"} & set(names)
    assert {*tlskit.__all__, "aio", "testing", "stdlib"} <= set(names)
    assert all(hasattr(tlskit, name) for name in names)


def test_reprs_of_testing(ca: CA) -> None:
    """``CA`` and ``Leaf`` say who they are, in a line and without a key."""
    assert "<CA 'CN=Runtime help'>" == repr(ca)
    assert repr(ca.intermediate("Below")).startswith("<CA 'CN=Below' of 'CN=")
    assert repr(ca.issue("a.example")).startswith("<Leaf ")
    assert "<Leaf without a certificate>" == repr(Leaf(ca.key, ()))


def _connected(client: tlskit.ClientContext, ca: CA) -> list[Any]:
    """Connect twice; give the warnings."""
    server = tlskit.ServerContext()
    ca.issue("localhost").apply(server)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for _ in range(2):
            for port in memory_pair(client, server, hostname="localhost"):
                port.abandon()
    return [
        each
        for each in heard
        if issubclass(each.category, tlskit.UnverifiedContextWarning)
    ]


def test_unverified_client_is_warned_of_once(ca: CA) -> None:
    """A client that verifies nobody says so once, its copy once more."""
    client = tlskit.ClientContext("tls13")

    assert 1 == len(_connected(client, ca))
    assert 0 == len(_connected(client, ca))
    assert 1 == len(_connected(client.copy(), ca))


@pytest.mark.parametrize(
    "tell",
    [
        lambda client: client.set_verify(False),
        lambda client: client.try_verify(),
        lambda client: client.set_certificate_verifier(False),
    ],
)
def test_told_client_is_silent(tell: Any, ca: CA) -> None:
    """Whoever said what is meant hears nothing."""
    client = tlskit.ClientContext("tls13")
    tell(client)

    assert [] == _connected(client, ca)


def test_warning_points_at_the_caller() -> None:
    """The line that is shown is not one of tlskit's own."""
    client = tlskit.ClientContext("auto")
    with pytest.warns(tlskit.UnverifiedContextWarning) as heard:
        client.warn_if_unverified()

    assert __file__ == heard[0].filename
