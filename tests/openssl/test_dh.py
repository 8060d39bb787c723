"""The Diffie-Hellman group that comes along."""

from __future__ import annotations

from tlskit.openssl.dh import DH4096_PARAMS
from tlskit.x509 import pem


def numbers() -> tuple[int, int]:
    """Give prime and generator."""
    (block,) = pem.blocks(DH4096_PARAMS)
    # SEQUENCE of 520 bytes; INTEGER of 513; INTEGER of 1 (PKCS#3).
    head, prime, rest = block.der[:8], block.der[8:521], block.der[521:]

    assert "DH PARAMETERS" == block.label
    assert bytes.fromhex("3082020802820201") == head
    assert b"\2\1" == rest[:2]
    return int.from_bytes(prime, "big"), int.from_bytes(rest[2:], "big")


def e_fraction(bits: int) -> int:
    """Give the first *bits* of e, as an integer: the sum of 1/k!."""
    guard = 64
    total = term = 1 << (bits + guard)
    count = 1
    while term:
        term //= count
        total += term
        count += 1
    return total >> guard


def test_ffdhe4096():
    """It is the prime of RFC 7919, section A.3, made from the digits of e."""
    fixed = (1 << 4096) - (1 << 4032) - 1
    middle = (e_fraction(3966) + 5736041) << 64

    assert (fixed + middle, 2) == numbers()


def test_safe_prime():
    """Fermat finds no fault with the prime, nor with its half."""
    prime, _ = numbers()
    half = (prime - 1) // 2

    assert 4096 == prime.bit_length()
    assert 1 == pow(3, prime - 1, prime)
    assert 1 == pow(3, half - 1, half)
