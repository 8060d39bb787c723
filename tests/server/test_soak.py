"""A short soak, and a short fuzzing; both can go on for as long as one likes.

``python benchmarks/soak.py`` and ``python -m fuzz NAME`` do.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from ..checkout import ROOT, load

TARGETS = (
    "engine",
    "handshake",
    "names",
    "pem",
    "pkcs12",
    "proxy",
    "sessions",
    "verbs",
)


@pytest.fixture(scope="module")
def fuzz() -> Any:
    """The package of fuzz targets."""
    load("fuzz", ROOT / "fuzz" / "__init__.py", package=True)
    from fuzz import plain, targets

    return plain, targets


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="it counts Linux's way"
)
@pytest.mark.timeout(300)
def test_soak() -> None:
    """After a thousand connections no descriptor, thread or memory is left."""
    soak = load("tlskit_soak", ROOT / "benchmarks" / "soak.py")
    first = soak.Count.now()
    before, after, made = soak.soak(1000)
    left = soak.Count.now()

    assert 900 < made.served
    assert after.growth_since(before) < 0.1
    assert before.descriptors >= after.descriptors
    assert first.descriptors == left.descriptors
    assert first.threads == left.threads


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="it counts Linux's way"
)
@pytest.mark.timeout(300)
def test_one_connection() -> None:
    """However much goes over one connection, it takes no more memory."""
    soak = load("tlskit_soak", ROOT / "benchmarks" / "soak.py")

    for _, before, after in soak.endure(2000, 32 << 20):
        assert 4 * soak.LEAK > after.resident - before.resident
        assert before.descriptors >= after.descriptors


def test_targets(fuzz: Any) -> None:
    """Each target has seeds."""
    _, targets = fuzz

    assert TARGETS == tuple(targets.TARGETS) == tuple(targets.SEEDS)


@pytest.mark.native
@pytest.mark.filterwarnings("ignore:PKCS#12 bundle could not be parsed")
@pytest.mark.parametrize("name", TARGETS)
def test_fuzz(fuzz: Any, name: str) -> None:
    """Seeds, and a few hundred mutations of them, break no promise."""
    plain, targets = fuzz
    corpus = list(targets.SEEDS[name]())
    tried = plain.run(
        targets.TARGETS[name], corpus, seconds=30, seed=1, most=300
    )

    assert len(corpus) < tried <= 300


def test_a_wrong_header_is_found(
    fuzz: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeds with a header show it if a parser takes a byte too much."""
    _, targets = fuzz
    seeds = [
        seed
        for seed in targets.SEEDS["proxy"]()
        if seed[:2] in {b"\x0bP", b"\x0b\r"}
    ]
    for seed in seeds:
        targets.TARGETS["proxy"](seed)
        assert seed.endswith(targets._headed(seed[1:], 5, required=True)[1])

    class Greedy(targets.ProxyParser):
        def feed(self, data: bytes) -> bool:
            if super().feed(data):
                del self._data[:1]
            return self.done

    monkeypatch.setattr(targets, "ProxyParser", Greedy)

    assert 10 == len(seeds)
    for seed in seeds:
        with pytest.raises(AssertionError, match="header"):
            targets.TARGETS["proxy"](seed)


def test_a_broken_promise_is_found(fuzz: Any) -> None:
    """The mutator finds what it should, and gives the input."""
    plain, _ = fuzz

    def target(data: bytes) -> None:
        if data[:1] == b"\xff":
            raise RuntimeError("unforeseen")

    with pytest.raises(plain.BrokenPromiseError) as caught:
        plain.run(target, [b"abc"], seconds=30, seed=1, most=10_000)
    assert b"\xff" == caught.value.data[:1]


def test_chance_is_repeatable(fuzz: Any) -> None:
    """The same seed gives the same inputs, of limited length."""
    plain, _ = fuzz
    one, two = random.Random(7), random.Random(7)
    inputs = [plain.mutated(one, [b"abc", b"x" * 60000]) for _ in range(50)]

    assert inputs == [
        plain.mutated(two, [b"abc", b"x" * 60000]) for _ in range(50)
    ]
    assert max(map(len, inputs)) <= 65536
