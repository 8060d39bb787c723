"""``tlskit.testing`` as a plugin: pytest itself runs with it."""

from __future__ import annotations

import pytest

from ..command import python

pytest_plugins = ["pytester"]

USER = """
from tlskit.testing import CA, Leaf

def test_ca(tls_ca):
    assert isinstance(tls_ca, CA)

def test_leaf(tls_leaf, tls_ca):
    assert isinstance(tls_leaf, Leaf)
    assert tls_ca.certificate.subject == tls_leaf.certificate.issuer
    tls_leaf.certificate.verify_directly_issued_by(tls_ca.certificate)

def test_the_same_for_all(tls_ca, request):
    assert request.getfixturevalue("tls_ca") is tls_ca
"""


@pytest.mark.parametrize(
    "conftest",
    [
        'pytest_plugins = ["tlskit.testing"]',
        'import tlskit.testing\npytest_plugins = ["tlskit.testing"]',
    ],
)
def test_fixtures(pytester: pytest.Pytester, conftest: str) -> None:
    """Who names the plugin gets the fixtures, and no warning."""
    pytester.makeconftest(conftest)
    pytester.makepyfile(USER)
    done = pytester.runpytest_subprocess("-W", "error", "-p", "no:cov")

    done.assert_outcomes(passed=3)


def test_fixtures_are_described(pytester: pytest.Pytester) -> None:
    """``pytest --fixtures`` tells what they are."""
    done = pytester.runpytest_subprocess("-p", "tlskit.testing", "--fixtures")

    done.stdout.fnmatch_lines(
        ["tls_ca *session*", "*certification authority*", "tls_leaf *"]
    )


def test_pytest_is_not_needed() -> None:
    """Without pytest, or trustme, the module works all the same."""
    done = python(
        "-c",
        "import sys\n"
        "sys.modules['pytest'] = sys.modules['trustme'] = None\n"
        "from tlskit.testing import CA\n"
        "print(len(CA().issue('localhost').chain))",
    )

    assert "1" == done.stdout.strip(), done.stderr
