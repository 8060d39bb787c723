"""``tlskit explain --complete``: a chain is repaired by what is published."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tlskit.cli.explain.completing import CompletionData
from tlskit.cli.main import run
from tlskit.ports.fetching import issuers
from tlskit.testing import CA

from ..peers import Files
from ..publishing import at, publishing
from ..servers import echo_server

HOST = "localhost"


@pytest.fixture
def site(monkeypatch):
    """Run a site, and begin without a memory."""
    monkeypatch.setattr(issuers, "_known", type(issuers._known)())
    with publishing() as running:
        yield running


@pytest.fixture(scope="module")
def root():
    """A CA that is older than what it issues."""
    now = datetime.now(timezone.utc)
    day = timedelta(days=1)
    return CA("tlskit root", valid=(now - 99 * day, now + 99 * day))


@pytest.fixture(scope="module")
def middle(root):
    """A CA below it."""
    return root.intermediate("tlskit middle")


@pytest.fixture
def explain(root, tmp_path, capsys):
    """Run it; give its status, what it prints and the data."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(root.pem)

    def explained(*arguments):
        given = ("explain", "--ca", str(roots), *map(str, arguments))
        text_status = run(given)
        text, errors = capsys.readouterr()
        assert "" == errors
        status = run((*given, "--json"))
        assert text_status == status
        return status, text, json.loads(capsys.readouterr().out)

    return explained


def written(tmp_path, *certificates):
    """Write certificates to a file."""
    path = tmp_path / "chain.pem"
    path.write_bytes(
        b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
    )
    return path


def forgetful(tmp_path, ca, *urls, **options):
    """Write a certificate without its issuer."""
    leaf = ca.issue(HOST, extensions=[(at(*urls), False)], **options)
    return leaf, written(tmp_path, leaf.certificate)


def der(certificate):
    """Give a certificate as it is published."""
    return certificate.public_bytes(Encoding.DER)


def test_the_whole_chain_is_written(site, middle, explain, tmp_path):
    """What is missing is fetched; the file then serves, the verdict stays."""
    url = site.publish("/middle.cer", der(middle.certificate))
    leaf, path = forgetful(tmp_path, middle, url)
    whole = tmp_path / "whole.pem"
    status, text, data = explain(path, "--complete", whole, "--allow-private")

    assert 6 == status
    assert f"asked    {url}: fetched\n" in text
    assert f"written  {whole}: CN={HOST}, CN=tlskit middle; the root" in text
    found = data["completed"]
    assert set(CompletionData.__annotations__) == set(found)
    assert (str(whole), True, [f"{url}: fetched"], None) == (
        found["file"],
        found["written"],
        found["fetched"],
        found["reason"],
    )
    assert [f"CN={HOST}", "CN=tlskit middle"] == [
        each["subject"] for each in found["certificates"]
    ]
    assert [leaf.certificate, middle.certificate] == (
        x509.load_pem_x509_certificates(whole.read_bytes())
    )
    assert (0, "good") == (explain(whole)[0], explain(whole)[2]["verdict"])


def test_of_a_server(site, middle, explain, tmp_path):
    """What a server forgets to send is written, for its owner to serve."""
    url = site.publish("/middle.cer", der(middle.certificate))
    leaf, path = forgetful(tmp_path, middle, url)
    key = tmp_path / "key.pem"
    key.write_bytes(leaf.key_pem)
    whole = tmp_path / "whole.pem"
    with echo_server(Files(leaf, str(path), str(key), None)) as port:
        status, _, data = explain(
            f"{HOST}:{port}", "--complete", whole, "--allow-private"
        )

    assert (6, True) == (status, data["completed"]["written"])
    assert 2 == len(x509.load_pem_x509_certificates(whole.read_bytes()))


def test_nothing_is_fetched_unasked(site, middle, explain, tmp_path):
    """Without the option nobody is asked; the address is told."""
    url = site.publish("/middle.cer", der(middle.certificate))
    _, path = forgetful(tmp_path, middle, url)
    _, text, data = explain(path)

    assert [] == site.asked
    assert f"it is published at {url}, where a browser would have" in text
    assert "or repair   by --complete FILE, which writes" in text
    assert data["completed"] is None


def test_a_whole_chain_is_put_in_order(site, root, middle, explain, tmp_path):
    """Where nothing is missing, what is superfluous is left out."""
    leaf, _ = forgetful(tmp_path, middle, site.url("/none"))
    path = written(
        tmp_path, leaf.certificate, root.certificate, middle.certificate
    )
    status, _, data = explain(path, "--complete", path)

    assert (0, [], []) == (status, site.asked, data["completed"]["fetched"])
    assert [leaf.certificate, middle.certificate] == (
        x509.load_pem_x509_certificates(path.read_bytes())
    )


def test_a_certificate_that_is_trusted_itself(root, explain, tmp_path):
    """What is its own root is written all the same."""
    leaf = root.issue_bad("self-signed", HOST)
    path = written(tmp_path, leaf.certificate)
    status, _, data = explain(path, "--ca", path, "--complete", path)

    assert (0, True) == (status, data["completed"]["written"])
    assert [leaf.certificate] == (
        x509.load_pem_x509_certificates(path.read_bytes())
    )


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (None, ("status 404", "makes no path to a root")),
        ("stranger", ("another CA", "makes no path to a root")),
        ("strangers", ("fetched", "tlskit stranger")),
    ],
)
def test_what_is_not_written(site, explain, page, told, request):
    """Without a path to a root there is no file."""
    middle, tmp_path = map(request.getfixturevalue, ("middle", "tmp_path"))
    stranger = CA("tlskit stranger")
    issuer = middle
    if page == "stranger":
        site.publish("/x.cer", der(stranger.certificate))
    elif page == "strangers":
        issuer = stranger.intermediate("tlskit another")
        site.publish("/x.cer", der(issuer.certificate))
    _, path = forgetful(tmp_path, issuer, site.url("/x.cer"))
    whole = tmp_path / "whole.pem"
    status, text, data = explain(path, "--complete", whole, "--allow-private")

    assert 6 == status
    assert not whole.exists()
    assert f"not written  {whole}: " in text
    found = data["completed"]
    assert (False, []) == (found["written"], found["certificates"])
    assert told[0] in found["fetched"][0]
    assert told[1] in found["reason"]


def test_private_addresses_are_not_asked(site, middle, explain, tmp_path):
    """Unless it is allowed, nobody is asked who is not on the public net."""
    url = site.publish("/middle.cer", der(middle.certificate))
    _, path = forgetful(tmp_path, middle, url)
    _, _, data = explain(path, "--complete", tmp_path / "whole.pem")

    assert [] == site.asked
    assert ["127.0.0.1 is no public address, and not asked"] == [
        each.removeprefix(f"{url}: ") for each in data["completed"]["fetched"]
    ]


def test_no_address(middle, explain, tmp_path):
    """A certificate that names no address of plain HTTP says so."""
    _, path = forgetful(tmp_path, middle, "https://a.example/x")
    _, _, data = explain(path, "--complete", tmp_path / "whole.pem")

    assert (
        "no certificate tells an http: address of its issuer"
        == (data["completed"]["reason"])
    )


def test_another_fault(site, middle, explain, tmp_path):
    """What is refused for something else is not fetched for."""
    leaf, _ = forgetful(tmp_path, middle, site.url("/none"))
    path = written(tmp_path, leaf.certificate, middle.certificate)
    status, _, data = explain(
        path, "--name", "x.example", "--complete", tmp_path / "whole.pem"
    )

    assert 5 == status
    assert [] == site.asked
    assert data["completed"]["reason"].startswith("no issuer is missing: ")


@pytest.mark.parametrize("there", ["", "chain and key", "a letter"])
def test_only_certificates_are_overwritten(middle, there, tmp_path, capsys):
    """What could not be had again is kept."""
    leaf, path = forgetful(tmp_path, middle, "http://a.example/x")
    place = tmp_path / "place"
    both = leaf.chain_pem + leaf.key_pem
    before = both if there == "chain and key" else there.encode("ascii")
    place.write_bytes(before)

    assert 1 == run(["explain", str(path), "--complete", str(place)])
    assert "is left as it is" in capsys.readouterr().err
    assert before == place.read_bytes()


def test_a_device_is_not_read(middle, tmp_path, capsys):
    """What could keep its reader waiting is no place."""
    _, path = forgetful(tmp_path, middle, "http://a.example/x")

    assert 1 == run(["explain", str(path), "--complete", "/dev/null"])
    assert "something else" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--allow-private",), "belongs to --complete"),
        (("--complete", "x", "--proxy", "http://p:1"), "through no --proxy"),
        (("--complete", "no/such/x"), "there is no directory"),
    ],
)
def test_options_that_do_not_fit(arguments, told, tmp_path, capsys):
    """A mistake in usage is told before anything is asked."""
    assert 1 == run(["explain", "a.example", *arguments])
    assert told in capsys.readouterr().err
