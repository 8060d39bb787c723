"""What logs promise of certificates, and how long those live, in lines."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import tlskit
from tlskit.cli.check.formats import _renewal
from tlskit.cli.data import certificate_data
from tlskit.cli.inspect.logged import TimestampData
from tlskit.cli.main import run
from tlskit.testing import CA

from ..peers import PATIENCE, Task
from ..verify.test_transparency import DAY, HOST, Site, TestLog, listing, now


class Case:
    """A certificate with timestamps of three logs, and files about it."""

    def __init__(self, folder):
        self.site = Site()
        self.oak, self.elm, self.fir = map(TestLog, ("oak", "elm", "fir"))
        entry = self.site.entry()
        self.server, certificate = self.site.server(
            self.oak.stamp(entry),
            self.elm.stamp(entry, now() + DAY),
            self.fir.stamp(entry),
        )
        self.list = folder / "logs.json"
        logs = listing(self.oak.listed(), self.elm.listed())
        self.list.write_text(json.dumps(logs))
        self.roots = folder / "roots.pem"
        self.roots.write_bytes(self.site.ca.pem)
        self.chain = folder / "chain.pem"
        self.chain.write_bytes(
            certificate.public_bytes(Encoding.PEM) + self.site.ca.pem
        )


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """Make one for all tests of this file."""
    return Case(tmp_path_factory.mktemp("logged"))


@pytest.fixture
def show(capsys):
    """Run a subcommand twice: give its text, and its data."""

    def shown(*arguments, status=0):
        given = list(map(str, arguments))
        assert status == run(given)
        text = capsys.readouterr().out
        assert status == run([*given, "--json"])
        return text, json.loads(capsys.readouterr().out)

    return shown


def verdicts(found):
    """Give what is said of each log."""
    assert {frozenset(TimestampData.__annotations__)} == set(
        map(frozenset, found)
    )
    return [(each["log"], each["verified"], each["fault"]) for each in found]


VERIFIED = [
    ("oak", True, None),
    ("elm", False, "a timestamp in the future"),
    (None, False, "a log that is not in the list"),
]
NOT_VERIFIED = [(None, None, None)] * 3


def test_inspect(case, show):
    """Each is a row: when, by whom, and whether that is true."""
    text, data = show("inspect", case.chain, "--log-list", case.list)
    leaf, root = data["objects"]

    assert VERIFIED == verdicts(leaf["timestamps"])
    assert [] == root["timestamps"]
    assert [case.oak.id.hex(), case.elm.id.hex(), case.fir.id.hex()] == [
        each["log_id"] for each in leaf["timestamps"]
    ]
    assert {"certificate"} == {each["source"] for each in leaf["timestamps"]}
    at = leaf["timestamps"][0]["at"]
    assert f"{at} by oak: verified\n" in text
    assert "by elm: a timestamp in the future\n" in text
    assert f"by {case.fir.id.hex()}: a log that is not in the list\n" in text


def test_without_a_list(case, show):
    """They are shown, and nobody says whether they are true."""
    text, data = show("inspect", case.chain)

    assert NOT_VERIFIED == verdicts(data["objects"][0]["timestamps"])
    assert f" by {case.oak.id.hex()}\n" in text


def test_without_the_issuer(case, show, tmp_path):
    """What a log has signed can't be told without the issuer's key."""
    alone = tmp_path / "leaf.pem"
    alone.write_bytes(case.chain.read_bytes().split(b"-----BEGIN")[1])
    alone.write_bytes(b"-----BEGIN" + alone.read_bytes())
    _, data = show("inspect", alone, "--log-list", case.list)
    (leaf,) = data["objects"]

    assert ("oak", False) == verdicts(leaf["timestamps"])[0][:2]
    assert "issuer is not known" in leaf["timestamps"][0]["fault"]


def test_explain(case, show):
    """They stand with the server's certificate, whether it is accepted."""
    given = "explain", "--log-list", case.list, "--ca", case.roots, case.chain
    text, data = show(*given)
    refused, more = show(*given, "--name", "other.example", status=5)

    assert VERIFIED == verdicts(data["timestamps"])
    assert VERIFIED == verdicts(more["timestamps"])
    for each in (text, refused):
        assert 1 == each.count("by oak: verified\n")


def test_check(case, show):
    """A line counts them; the data has them all."""
    with tlskit.listen(hostname="127.0.0.1", context=case.server) as listener:
        task = Task(listener.serve, lambda _: None)
        where = f"127.0.0.1:{listener.port}"
        given = "check", where, "--name", HOST, "--ca", case.roots
        text, data = show(*given, "--log-list", case.list)
        plain, other = show(*given)
        listener.shutdown(PATIENCE)
        task.result()

    assert "1 of 3 logs vouch" in text
    assert "told to 3 logs" in plain
    assert VERIFIED == verdicts(data["hosts"][0]["timestamps"])
    assert NOT_VERIFIED == verdicts(other["hosts"][0]["timestamps"])


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (90, ["renew from 2026-06-30"]),
        (300, ["renew from 2026-11-17", "lives longer than 200 days"]),
    ],
)
def test_a_life_in_a_line(days, told):
    """When it is over for two thirds, and whether it is too long."""
    begin = datetime(2026, 5, 1, tzinfo=timezone.utc)
    leaf = CA().issue(HOST, valid=(begin, begin + timedelta(days=days)))

    assert told == list(_renewal(certificate_data(leaf.certificate)))


def test_a_list_that_is_none(case, capsys):
    """What is no list is told before anything is looked at."""
    given = ["inspect", str(case.chain), "--log-list", str(case.roots)]

    assert 1 == run(given)
    assert "this list of logs is no JSON" in capsys.readouterr().err
