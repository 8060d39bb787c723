"""The gate to pyOpenSSL: one import, one translation, and life without it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from OpenSSL import SSL, crypto

from tlskit.errors import (
    AlertError,
    ConfigurationError,
    CredentialError,
    HandshakeError,
    NegotiationError,
    StreamError,
    UnsupportedError,
)
from tlskit.openssl import gate as _openssl
from tlskit.openssl.gate import translated

LIBRARY = "SSL routines"


def test_the_gate_gives_pyopenssl() -> None:
    """With pyOpenSSL installed the gate is open."""
    assert _openssl.is_available()
    assert _openssl.why_unavailable() is None
    assert _openssl.SSL.Context is SSL.Context
    assert _openssl.crypto.X509 is crypto.X509


# -- translation ------------------------------------------------------------


def test_no_error_is_no_error() -> None:
    """A call that works passes through."""
    with translated(HandshakeError):
        result = 1

    assert result == 1


@pytest.mark.parametrize("kind", [SSL.Error, crypto.Error])
def test_pyopenssl_errors_are_translated(kind: type[Exception]) -> None:
    """Both of pyOpenSSL's errors become one of the tree, with the cause."""
    original = kind([(LIBRARY, "", "no shared cipher")])
    with (
        pytest.raises(NegotiationError) as caught,
        translated(HandshakeError, "shaking hands"),
    ):
        raise original

    assert caught.value.code == "no-shared-cipher"
    assert caught.value.__cause__ is original
    assert str(caught.value).startswith("shaking hands: ")
    assert caught.value.library_errors == ("SSL routines: no shared cipher",)


def test_alerts_are_translated() -> None:
    """What the peer said is an AlertError."""
    with pytest.raises(AlertError), translated(StreamError):
        raise SSL.Error([(LIBRARY, "", "tlsv1 alert unknown ca")])


@pytest.mark.parametrize(
    "original",
    [
        SSL.Error(),
        SSL.Error([]),
        SSL.ZeroReturnError(),
        SSL.WantReadError(),
        SSL.SysCallError(-1, "Unexpected EOF"),
    ],
)
def test_errors_without_a_stack(original: Exception) -> None:
    """Errors without OpenSSL's reasons get words of our own."""
    with (
        pytest.raises(StreamError, match=r"reading: .+") as caught,
        translated(StreamError, "reading"),
    ):
        raise original

    assert type(caught.value) is StreamError
    assert caught.value.library_errors == ()


@pytest.mark.parametrize(
    "original", [ValueError("x"), KeyboardInterrupt(), TimeoutError("x")]
)
def test_strangers_pass(original: BaseException) -> None:
    """What is not pyOpenSSL's is none of the gate's business."""
    with pytest.raises(type(original)) as caught, translated(StreamError):
        raise original

    assert caught.value is original


def test_a_real_failure() -> None:
    """A key that does not fit is a CredentialError."""
    context = SSL.Context(SSL.TLS_METHOD)
    with (
        pytest.raises(CredentialError) as caught,
        translated(CredentialError, "checking the key"),
    ):
        context.check_privatekey()

    assert caught.value.code == "no-credentials"


# -- without pyOpenSSL ------------------------------------------------------


def gate_without(
    monkeypatch: pytest.MonkeyPatch, stand_in: ModuleType | None
) -> ModuleType:
    """Load a second copy of the gate where importing OpenSSL fails."""
    monkeypatch.setitem(sys.modules, "OpenSSL", stand_in)
    monkeypatch.delitem(sys.modules, "OpenSSL.SSL")
    spec = importlib.util.spec_from_file_location(
        "tlskit.openssl.copy_of_the_gate", _openssl.__file__
    )
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy


def test_a_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate can be imported, and says why it is shut."""
    gate = gate_without(monkeypatch, None)

    assert not gate.is_available()
    assert "pyOpenSSL can't be loaded" in gate.why_unavailable()
    assert "ModuleNotFoundError" in gate.why_unavailable()


@pytest.mark.parametrize("name", ["SSL", "crypto"])
def test_using_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Every use raises, with the reason and with advice."""
    gate = gate_without(monkeypatch, None)
    with pytest.raises(UnsupportedError) as caught:
        getattr(getattr(gate, name), "Context")  # noqa: B009

    assert gate.why_unavailable() in str(caught.value)
    assert "pip install" in caught.value.hint


def test_introspection_is_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools that look for dunder names find none, and nothing breaks."""
    gate = gate_without(monkeypatch, None)

    assert not hasattr(gate.SSL, "__wrapped__")
    with pytest.raises(UnsupportedError):
        hasattr(gate.SSL, "Context")


def test_a_broken_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a broken binding raises is kept as the reason."""

    class Broken(ModuleType):
        @property
        def __path__(self) -> list[str]:
            raise SystemError("undefined symbol")

    gate = gate_without(monkeypatch, Broken("OpenSSL"))

    assert not gate.is_available()
    assert "SystemError" in gate.why_unavailable()


def test_translation_without_the_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stand-in's own error comes out of a translated block."""
    gate = gate_without(monkeypatch, None)
    with (
        pytest.raises(UnsupportedError, match="TLS is not available"),
        gate.translated(ConfigurationError),
    ):
        gate.SSL.Context(1)


WITHOUT = """
import json, sys
sys.modules["OpenSSL"] = None  # Importing it raises ModuleNotFoundError.
{statement}
from tlskit.openssl import gate as _openssl
from tlskit.errors import UnsupportedError
try:
    _openssl.SSL.TLS_METHOD
except UnsupportedError as error:
    told = [error.code, str(error), error.hint]
print(json.dumps([_openssl.is_available(), _openssl.why_unavailable(), told]))
"""


@pytest.mark.parametrize(
    "statement", ["import tlskit", "import tlskit.openssl.gate"]
)
def test_a_process_without_pyopenssl(statement: str) -> None:
    """``import tlskit`` works without pyOpenSSL; using TLS says why not."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(statement=statement)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    available, reason, (code, message, hint) = json.loads(done.stdout)

    assert available is False
    assert "ModuleNotFoundError" in reason
    assert code == "unsupported"
    assert reason in message
    assert "pip install" in hint


def test_the_public_facts_without_pyopenssl() -> None:
    """``tlskit.available`` and ``load_fail_reason`` tell the same."""
    script = (
        "import sys\nsys.modules['OpenSSL'] = None\nimport tlskit\n"
        "print(tlskit.available, bool(tlskit.load_fail_reason))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.split() == ["False", "True"], done.stderr


#: What a program may try first.
FIRST_STEPS = [
    "tlskit.ClientContext()",
    'tlskit.ClientContext("auto")',
    "tlskit.ClientContext.secure()",
    "tlskit.ServerContext()",
    'tlskit.connect("127.0.0.1", 9)',
    'tlskit.connect("127.0.0.1", 9, "auto")',
    'tlskit.listen(hostname="127.0.0.1")',
    'tlskit.ports_to_ssl_ports(stream, stream, mode="connect", hostname="x")',
    'tlskit.ports_to_ssl_ports(stream, stream, mode="accept", encrypt="auto")',
]
HANDICAPPED = """
import io, json, sys
if {missing}:
    sys.modules["OpenSSL"] = None
else:
    sys.path.insert(0, {directory!r})
import tlskit, tlskit.hashing
from tlskit import library
stream = io.BytesIO()
told = []
for line in {steps!r}:
    try:
        told.append([line, repr(eval(line)), ""])
    except tlskit.UnsupportedError as error:
        told.append([line, str(error), error.hint])
print(json.dumps(dict(
    available=[tlskit.available, library.available],
    reasons=[
        tlskit.load_fail_reason,
        library.libssl_load_fail_reason,
        library.libcrypto_load_fail_reason,
    ],
    handles=[library.libssl, library.libcrypto, library.version()],
    protocols=[
        tlskit.supported_client_protocols(),
        tlskit.supported_server_protocols(),
        tlskit.max_client_protocol(),
        tlskit.max_server_protocol(),
    ],
    capabilities=list(tlskit.capabilities().values()),
    sha1=tlskit.hashing.sha1(io.BytesIO(b"abc")),
    told=told,
)))
"""


@pytest.fixture(scope="module", params=["missing", "broken"])
def handicapped(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What a process says that has no, or a broken, pyOpenSSL."""
    directory = tmp_path_factory.mktemp("broken")
    package = directory / "OpenSSL"
    package.mkdir()
    package.joinpath("__init__.py").write_text(
        "raise SystemError('undefined symbol: SSL_new')\n", encoding="ascii"
    )
    script = HANDICAPPED.format(
        missing=request.param == "missing",
        directory=str(directory),
        steps=FIRST_STEPS,
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    said["words"] = {
        "missing": "ModuleNotFoundError",
        "broken": "SystemError: undefined symbol: SSL_new",
    }[request.param]
    return said


def test_every_constructor_says_the_same(handicapped: dict[str, Any]) -> None:
    """Whatever a program tries first, it hears the reason, and no other."""
    reason = handicapped["reasons"][0]
    expected = f"TLS is not available: {reason}"

    assert [[line, expected] for line in FIRST_STEPS] == [
        each[:2] for each in handicapped["told"]
    ]
    assert all("pip install" in hint for *_, hint in handicapped["told"])


def test_every_fact_says_the_same(handicapped: dict[str, Any]) -> None:
    """No handle, no version, no protocol, no capability, and one reason."""
    assert [False, False] == handicapped["available"]
    assert handicapped["words"] in handicapped["reasons"][0]
    assert 1 == len(set(handicapped["reasons"]))
    assert [None, None, None] == handicapped["handles"]
    assert [[], [], None, None] == handicapped["protocols"]
    assert not any(handicapped["capabilities"])


def test_hashing_needs_no_openssl(handicapped: dict[str, Any]) -> None:
    """Digests are made without it (FIPS 180-4, "abc")."""
    digest = "a9993e364706816aba3e25717850c26c9cd0d89d"

    assert digest == handicapped["sha1"]
