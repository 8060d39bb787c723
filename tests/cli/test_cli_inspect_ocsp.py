"""``tlskit inspect`` on OCSP responses."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tlskit.cli.main import run
from tlskit.testing import CA, OCSP_USAGES

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def ca():
    """A CA for this file."""
    return CA()


@pytest.fixture(scope="module")
def leaf(ca):
    """What the responses are about."""
    return ca.issue("a.example")


def inspected(path, capsys, *options):
    """Give the text, and the data of the only object."""
    status = run(["inspect", str(path), *options])
    text = capsys.readouterr().out
    assert status == run(["inspect", str(path), "--json", *options])
    data = json.loads(capsys.readouterr().out)
    return status, text, data


@pytest.mark.parametrize("kind", ["DER", "PEM"])
@pytest.mark.parametrize("status", ["good", "revoked", "unknown"])
def test_a_response(ca, tmp_path, capsys, status, kind):
    """Who says what about which certificate, until when, in DER and PEM."""
    leaf = ca.issue("a.example")
    der = ca.ocsp(leaf, status)
    path = tmp_path / "response"
    path.write_bytes(
        b"-----BEGIN OCSP RESPONSE-----\n"
        + base64.encodebytes(der)
        + b"-----END OCSP RESPONSE-----\n"
        if kind == "PEM"
        else der
    )
    code, text, data = inspected(path, capsys)
    (found,) = data["objects"]
    (answer,) = found["answers"]
    serial = f"{leaf.certificate.serial_number:x}"

    assert 0 == code
    assert "ocsp-response" == found["kind"]
    assert ("successful", serial, status) == (
        found["response_status"],
        answer["serial"],
        answer["status"],
    )
    assert found["responder"].startswith("key ")
    assert not answer["stale"]
    assert (status == "revoked") == (answer["revoked_at"] is not None)
    assert "OCSP response: successful" in text
    assert f"status     {status}" in text
    told = f"{serial} is {status}, says OCSP"
    assert (status != "good") == (told in data["findings"])
    if status == "revoked":
        assert "(keyCompromise)" in text


def test_a_response_that_is_out_of_date(ca, leaf, tmp_path, capsys):
    """A response of a responder of its own name, whose time is over."""
    now = datetime.now(timezone.utc)
    responder = ca.issue("responder.example", usages=OCSP_USAGES)
    path = tmp_path / "response"
    path.write_bytes(
        ca.ocsp(
            leaf, since=now - 9 * DAY, until=now - DAY, responder=responder
        )
    )
    _, text, data = inspected(path, capsys)

    assert data["objects"][0]["answers"][0]["stale"]
    assert "OUT OF DATE" in text
    assert any("is out of date" in each for each in data["findings"])


def test_a_line_for_each(ca, leaf, tmp_path, capsys):
    """``--short`` names the certificate and the verdict."""
    path = tmp_path / "response"
    path.write_bytes(ca.ocsp(leaf))

    assert 0 == run(["inspect", "--short", str(path)])
    line = capsys.readouterr().out
    assert f"{leaf.certificate.serial_number:x} good" in line
    assert "until " in line
    assert 1 == run(["inspect", "--pin", str(path)])


def test_a_responder_that_gives_no_answer(tmp_path, capsys):
    """Why there is none is said."""
    path = tmp_path / "response"
    path.write_bytes(
        ocsp.OCSPResponseBuilder.build_unsuccessful(
            ocsp.OCSPResponseStatus.TRY_LATER
        ).public_bytes(Encoding.DER)
    )
    _, text, data = inspected(path, capsys)
    (found,) = data["objects"]

    assert "OCSP response: try-later" in text
    assert [] == found["answers"]
    assert found["responder"] is found["produced_at"] is None
    assert "the OCSP response has no answer: try later" in data["findings"]


def test_a_responder_with_a_name_and_no_end(ca, leaf, tmp_path, capsys):
    """It is called by its name; what ends at no given time is not stale."""
    now = datetime.now(timezone.utc)
    der = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            leaf.certificate,
            ca.certificate,
            hashes.SHA256(),
            ocsp.OCSPCertStatus.GOOD,
            now,
            None,
            None,
            None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, ca.certificate)
        .sign(ca.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    path = tmp_path / "response"
    path.write_bytes(der)
    _, text, data = inspected(path, capsys)
    (found,) = data["objects"]

    assert ca.certificate.subject.rfc4514_string() == found["responder"]
    assert found["answers"][0]["next_update"] is None
    assert "to no given time" in text


def test_a_broken_response(ca, leaf, tmp_path, capsys):
    """What says to be one and is none is told, and the status is 1."""
    path = tmp_path / "response"
    body = base64.encodebytes(ca.ocsp(leaf)[:40])
    path.write_bytes(
        b"-----BEGIN OCSP RESPONSE-----\n"
        + body
        + b"-----END OCSP RESPONSE-----\n"
    )
    status, text, _ = inspected(path, capsys)

    assert 1 == status
    assert "can't be read" in text
