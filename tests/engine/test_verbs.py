"""Two engines driven by verbs in any order; the fuzz target, for a moment."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tlskit.engine import engine
from tlskit.engine.session import handshake

from ..checkout import ROOT, load


@pytest.fixture(scope="module")
def fuzz() -> Any:
    """The package of fuzz targets."""
    load("fuzz", ROOT / "fuzz" / "__init__.py", package=True)
    from fuzz import plain, verbs

    return plain, verbs


@pytest.fixture
def try_all(fuzz: Any) -> Callable[[], None]:
    """Try every seed."""
    _, verbs = fuzz

    def run() -> None:
        for seed in verbs.seeds():
            verbs.verbs(seed)

    return run


def test_seeds(try_all: Callable[[], None]) -> None:
    """What always holds does so in ordinary conversations."""
    try_all()


def test_anything(fuzz: Any) -> None:
    """And in conversations that are not ordinary, the same in each run."""
    plain, verbs = fuzz
    chance, seeds = random.Random(15), list(verbs.seeds())
    for _ in range(300):
        verbs.verbs(plain.mutated(chance, seeds))


def test_keys_are_changed(fuzz: Any) -> None:
    """Data arrive behind changes of keys, and the server answers those."""
    _, verbs = fuzz
    helps, change = 13 << 1, 14 << 1 | 6 << 5
    run = verbs._Run(0, 0)
    for verb in (helps, helps | 1, change, 5 << 1 | 1 | 1 << 5):
        run.do(verb)
    before = run.server.made
    for verb in (13 << 1, 6 << 1 | 1 << 5):
        run.do(verb)

    assert 10 == run.client.updates
    assert 100 == run.server.read
    assert run.server.made > before


def test_target_sees_who_is_verified(
    monkeypatch: pytest.MonkeyPatch, try_all: Callable[[], None]
) -> None:
    """It would see a stranger verified."""
    facts_of = handshake.facts_of
    monkeypatch.setattr(
        handshake,
        "facts_of",
        lambda *about: replace(facts_of(*about), peer_verified=True),
    )

    with pytest.raises(AssertionError, match="is verified"):
        try_all()


def test_target_sees_who_is_let_in(
    monkeypatch: pytest.MonkeyPatch, try_all: Callable[[], None]
) -> None:
    """It would see a client who has nothing of what is demanded."""
    facts_of = handshake.facts_of
    monkeypatch.setattr(
        handshake,
        "facts_of",
        lambda link, record, found: replace(
            facts_of(link, record, found),
            peer_verified=not record.server_side,
        ),
    )

    with pytest.raises(AssertionError, match="let in"):
        try_all()


def test_target_sees_what_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, try_all: Callable[[], None]
) -> None:
    """It would see bytes changed, and an end that nobody has told."""
    read_into = engine.Engine.read_into

    def change(self: engine.Engine, buffer: bytearray) -> int | None:
        size = read_into(self, buffer)
        if size:
            buffer[0] ^= 1
        return size

    with monkeypatch.context() as patch:
        patch.setattr(engine.Engine, "read_into", change)
        with pytest.raises(AssertionError, match="not what was sent"):
            try_all()
    monkeypatch.setattr(engine.Engine, "read_into", lambda *_: 0)
    with pytest.raises(AssertionError, match="an end that nobody"):
        try_all()
