"""Errors say to whom they happened, and when."""

from __future__ import annotations

import pickle
import sys
import traceback

import pytest

from tlskit import HandshakeError, TLSError, WantReadError
from tlskit.errors.whereabouts import locate, located, place_of, told

NOTES = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="notes came with Python 3.11"
)


class Sealed(Exception):  # noqa: N818 - it is no error of anybody's
    """An exception that takes no attributes of others."""

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse all but what Python itself sets."""
        if name in ("peer", "phase"):
            raise AttributeError(name)
        super().__setattr__(name, value)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (("a.example", 443), "a.example:443"),
        (("192.0.2.1", 1), "192.0.2.1:1"),
        (("::1", 443), "[::1]:443"),
        (("/run/x.sock", 0), "/run/x.sock"),
    ],
)
def test_a_peer_is_one_text(address: tuple[str, int], place: str) -> None:
    """Host and port, with brackets where they are needed; or a path."""
    assert place == place_of(address)


@pytest.mark.parametrize(
    "error", [TLSError("x"), TimeoutError("x"), KeyError("x")]
)
def test_any_error_gets_both(error: Exception) -> None:
    """The attributes are there, and stay at a second saying."""
    with pytest.raises(type(error)):
        with located("a:1", "handshake"):
            raise error
    locate(error, "a:1", "read")
    locate(error, None, "accept")

    assert ("a:1", "handshake") == (error.peer, error.phase)  # type: ignore[attr-defined]


def test_another_connection_counts_anew() -> None:
    """Of an exception that is raised again and again, the latest is told."""
    error = KeyError("one for all")
    locate(error, "a:1", "handshake")
    locate(error, "b:2", "read")

    assert ("b:2", "read") == (error.peer, error.phase)  # type: ignore[attr-defined]


def test_an_interrupt_is_left_alone() -> None:
    """What ends the program has nothing to do with a peer."""
    error = KeyboardInterrupt()
    locate(error, "a:1", "read")

    assert not hasattr(error, "peer")


@NOTES
def test_a_class_without_attributes_has_a_note() -> None:
    """Where nothing can be set, the note says it."""
    error = Sealed("x")
    locate(error, "a:1", "read")
    other = Sealed("x")
    locate(other, None, "accept")

    assert not hasattr(error, "peer")
    assert ["peer: a:1, phase: read"] == error.__notes__
    assert ["phase: accept"] == other.__notes__


@NOTES
def test_an_uncaught_error_shows_hint_and_place() -> None:
    """The traceback has the hint, the peer and the phase, and later notes."""
    error = HandshakeError("it broke", hint="mend it")
    locate(error, "a.example:443", "handshake")
    error.add_note("in the nightly job")
    shown = "".join(traceback.format_exception(error))

    assert shown.endswith(
        "it broke\nmend it\npeer: a.example:443, phase: handshake\n"
        "in the nightly job\n"
    )


def test_notes_are_a_list_of_lines() -> None:
    """What is not known is left out; they survive pickling and can be set."""
    error = WantReadError("x", hint="")
    assert [] == error.__notes__
    error.add_note("one")
    copy = pickle.loads(pickle.dumps(error))
    error.__notes__ = ["two"]

    assert ["one"] == copy.__notes__
    assert ["two"] == error.__notes__
    with pytest.raises(TypeError, match="a note is a str"):
        error.add_note(1)  # type: ignore[arg-type]


def test_a_log_has_the_peer_once() -> None:
    """Whoever knows it says it; nobody says it twice."""
    plain, ours = TimeoutError("late"), HandshakeError("no")
    locate(ours, "a:1", "handshake")

    assert "late (peer b:2)" == told(plain, "b:2")
    assert "late" == told(plain)
    assert "TimeoutError" == told(TimeoutError())
    assert "no (peer a:1)" == told(ours, "b:2")
    ours._names_peer = True
    assert "no (peer a:1)" == told(ours)
