"""Digests of streams, and hexadecimal both ways."""

from __future__ import annotations

import hashlib
import io
import logging

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from hypothesis import given
from hypothesis import strategies as st

from tlskit.hashing import (
    bytes_to_hex_string,
    hex_string_to_bytes,
    md5,
    md5_bytes,
    sha1,
    sha1_bytes,
    sha256,
    sha256_bytes,
)
from tlskit.openssl import hashing

FUNCTIONS = [sha1, sha1_bytes, sha256, sha256_bytes, md5, md5_bytes]


@pytest.fixture(params=[True, False], ids=["openssl", "hashlib"])
def available(request, monkeypatch) -> bool:
    """With OpenSSL and without."""
    monkeypatch.setattr(hashing, "is_available", lambda: request.param)
    found: bool = request.param
    return found


class Trickle(io.RawIOBase):
    """Gives one byte at a time, whatever was asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        """Say yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Give one byte."""
        return self._data.read(1)


@pytest.mark.parametrize("data", [b"", b"abc", b"x" * 200_000])
def test_digests(available, data):
    """The digests are hashlib's, as bytes or as lower-case digits."""
    assert hashlib.sha1(data).digest() == sha1_bytes(io.BytesIO(data))
    assert hashlib.sha1(data).hexdigest() == sha1(io.BytesIO(data))
    assert hashlib.sha256(data).digest() == sha256_bytes(io.BytesIO(data))
    assert hashlib.sha256(data).hexdigest() == sha256(io.BytesIO(data))
    assert hashlib.md5(data).digest() == md5_bytes(io.BytesIO(data))
    assert hashlib.md5(data).hexdigest() == md5(io.BytesIO(data))


def test_known_value():
    """FIPS 180, RFC 3174 and RFC 1321 give these digests of "abc"."""
    assert (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        == sha256(io.BytesIO(b"abc"))
    )
    assert "a9993e364706816aba3e25717850c26c9cd0d89d" == sha1(
        io.BytesIO(b"abc")
    )
    assert "900150983cd24fb0d6963f7d28e17f72" == md5(io.BytesIO(b"abc"))


def test_short_reads(available):
    """A short read is not the end."""
    assert hashlib.sha1(b"abcdef").hexdigest() == sha1(Trickle(b"abcdef"))


def test_consumes_the_rest():
    """The stream is read from where it stands to its end, and stays open."""
    stream = io.BytesIO(b"skipped, hashed")
    stream.seek(9)

    assert hashlib.md5(b"hashed").digest() == md5_bytes(stream)
    assert b"" == stream.read()


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("stream", [b"secret", "secret", None, 5])
def test_no_stream(function, stream):
    """Bytes are no stream, nor is anything else; no message repeats them."""
    with pytest.raises(TypeError, match="a binary stream is wanted") as caught:
        function(stream)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_text_stream(available, function):
    """A text stream is refused, an empty one too."""
    for text in ("text", ""):
        with pytest.raises(TypeError, match="this one gives str"):
            function(io.StringIO(text))


def test_warns_without_openssl(monkeypatch, caplog):
    """Without OpenSSL the log tells; with it, nothing."""
    with caplog.at_level(logging.DEBUG, "tlskit.hashing"):
        sha1(io.BytesIO(b""))
        assert not caplog.records

        monkeypatch.setattr(hashing, "is_available", lambda: False)
        md5(io.BytesIO(b""))

    assert ["WARNING"] == [each.levelname for each in caplog.records]


@given(st.binary())
def test_round_trip(data):
    """Digits stand for the bytes that they were made of, in either case."""
    text = bytes_to_hex_string(data)

    assert data.hex() == text
    assert data == hex_string_to_bytes(text)
    assert data == hex_string_to_bytes(text.upper())


@pytest.mark.parametrize("data", [bytearray(b"\1"), memoryview(b"\1")])
def test_other_bytes(data):
    """Whatever holds bytes is bytes."""
    assert "01" == bytes_to_hex_string(data)


@pytest.mark.parametrize("data", ["61", None, 5, [1]])
def test_hex_of_others(data):
    """Nothing else is."""
    with pytest.raises(TypeError, match="bytes are wanted"):
        bytes_to_hex_string(data)


@pytest.mark.parametrize(
    "text", ["a", "abc", "gg", "61\n", " 61", "6 1", "61 ", "0x61", "٦١", "é1"]
)
def test_no_hex(text):
    """Odd, spaced, foreign or ended by a line feed: refused by pattern."""
    with pytest.raises(ValueError, match=r"expected .*\[0-9A-Fa-f\]"):
        hex_string_to_bytes(text)


@pytest.mark.parametrize("text", [b"61", None, 61])
def test_hex_is_text(text):
    """Digits are text."""
    with pytest.raises(TypeError, match="text is wanted"):
        hex_string_to_bytes(text)


def test_long_hex():
    """A long text is neither refused nor slow."""
    assert b"\xab" * 500_000 == hex_string_to_bytes("aB" * 500_000)


def test_refused_by_openssl(monkeypatch, caplog):
    """If OpenSSL refuses a digest, as in FIPS mode, hashlib makes it."""

    def refuse(_algorithm: object) -> None:
        raise UnsupportedAlgorithm("md5")

    monkeypatch.setattr("cryptography.hazmat.primitives.hashes.Hash", refuse)

    assert hashlib.md5(b"abc").hexdigest() == md5(io.BytesIO(b"abc"))
    assert "hashlib" in caplog.text
