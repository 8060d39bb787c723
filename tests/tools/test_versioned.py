"""The cache by version: the very same object while nothing changed."""

from __future__ import annotations

import threading

import pytest

from tlskit.tools.versioned import VersionedCache


def test_same_version():
    """The same version gives the same object, made once."""
    cache = VersionedCache(2)

    assert cache.get("k", 1, object) is cache.get("k", 1, object)


def test_other_version():
    """Another version is made anew, and replaces the old one."""
    cache = VersionedCache(2)
    old = cache.get("k", 1, object)
    new = cache.get("k", 2, object)

    assert old is not new
    assert new is cache.get("k", 2, object)
    assert old is not cache.get("k", 1, object)


def test_bounded():
    """The longest unused goes first."""
    cache = VersionedCache(2)
    kept, lost = cache.get("a", 1, object), cache.get("b", 1, object)
    cache.get("a", 1, object)
    cache.get("c", 1, object)

    assert kept is cache.get("a", 1, object)
    assert lost is not cache.get("b", 1, object)


def test_failure_is_not_kept():
    """What couldn't be made is tried again."""
    cache = VersionedCache(2)

    def fail():
        raise LookupError

    with pytest.raises(LookupError):
        cache.get("k", 1, fail)

    assert "made" == cache.get("k", 1, lambda: "made")


def test_two_threads_share():
    """Two threads that make the same at the same time get one object."""
    cache = VersionedCache(2)
    both_in = threading.Barrier(2, timeout=60)
    results = []

    def make():
        both_in.wait()
        return object()

    def use():
        results.append(cache.get("k", 1, make))

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    first, second = results
    assert first is second
