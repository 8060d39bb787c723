"""The how-to guides: what no doctest can run."""

from __future__ import annotations

from pathlib import Path

import pytest

import tlskit

pytest_plugins = ["pytester"]

HOWTO = Path(__file__).parent.parent / "docs" / "howto"


def test_the_example_of_tests(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests that the guide shows pass, with what it says of conftest."""
    page = HOWTO.joinpath("testing.rst").read_text(encoding="utf-8")
    example = HOWTO.joinpath("testing_example.py").read_text(encoding="utf-8")
    conftest = 'pytest_plugins = ["tlskit.testing"]'

    assert f"    {conftest}\n" in page
    pytester.makeconftest(conftest)
    pytester.makepyfile(example)
    # The tlskit that is under test, be it the wheel or the checkout.
    where = Path(tlskit.__file__).parent.parent
    monkeypatch.setenv("PYTHONPATH", str(where))
    done = pytester.runpytest_subprocess("-W", "error", "-p", "no:cov")

    done.assert_outcomes(passed=2)


def test_no_guide_is_lost() -> None:
    """The page of guides has them all."""
    index = HOWTO.joinpath("index.rst").read_text(encoding="utf-8")
    guides = {path.stem for path in HOWTO.glob("*.rst")} - {"index"}

    assert set() == guides - set(index.split())
