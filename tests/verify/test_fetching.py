"""Issuers that a server forgot to send, and where its CA publishes them."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import AuthorityInformationAccessOID

import tlskit
from tlskit import VerificationError, aio
from tlskit.engine.refusal.missing import (
    Errand,
    Fetching,
    addresses_of,
    listed,
)
from tlskit.ports.fetching import http, issuers
from tlskit.ports.fetching.http import fetch, is_public
from tlskit.testing import CA, Leaf, memory_pair
from tlskit.testing.revoking import make_ocsp_response
from tlskit.tools.deadline import Deadline
from tlskit.trio import open_connection
from tlskit.verify.offline import Policy

from ..peers import PATIENCE, Task
from ..publishing import at, publishing

HOST = "right.example"
DAY = timedelta(days=1)
RULES = Fetching(PATIENCE, 262144, allow_private=True)


@pytest.fixture
def site(monkeypatch):
    """Run a site, and begin without a memory."""
    monkeypatch.setattr(issuers, "_known", type(issuers._known)())
    with publishing() as running:
        yield running


def der(certificate):
    """Give a certificate as it is published."""
    return certificate.public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def root():
    """A CA of many years."""
    now = datetime.now(timezone.utc)
    return CA("tlskit root", valid=(now - 3650 * DAY, now + 3650 * DAY))


@pytest.fixture(scope="module")
def middle(root):
    """A CA below it."""
    return root.intermediate("tlskit middle")


def forgetful(ca, *urls, **options):
    """Issue a certificate; give a server that sends nothing else."""
    leaf = ca.issue(HOST, extensions=[(at(*urls), False)], **options)
    server = tlskit.ServerContext()
    server.load_certificate_chain(leaf.certificate)
    server.load_private_key(leaf.key)
    return server


@pytest.fixture
def client(root):
    """A client that fetches."""
    context = tlskit.ClientContext("auto")
    root.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    context.set_intermediate_fetching(timeout=PATIENCE, allow_private=True)
    return context


def met(client, server):
    """Shake hands; give the path that was verified."""
    here, there = memory_pair(client, server, hostname=HOST)
    with here, there:
        assert here.peer_verified
        assert here.verify_error is None
        return here.verified_chain


def refused(client, server):
    """Shake hands; give the error."""
    with pytest.raises(VerificationError) as caught:
        memory_pair(client, server, hostname=HOST)
    return caught.value


# -- what is fetched --------------------------------------------------------


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_an_issuer_is_fetched(site, root, middle, version):
    """The path is completed, in both versions; what was sent stays that."""
    url = site.publish("/middle.cer", der(middle.certificate))
    client = tlskit.ClientContext(version)
    root.trust(client)
    client.set_verify()
    client.set_verify_hostname()
    client.set_intermediate_fetching(allow_private=True)
    here, there = memory_pair(client, forgetful(middle, url), hostname=HOST)
    with here, there:
        there.sendall(b"hello")
        assert b"hello" == here.recv(5)
        assert here.peer_verified
        names = [each.subject for each in here.verified_chain]

    assert 1 == len(here.peer_chain)
    assert [
        here.peer_certificate.subject,
        middle.certificate.subject,
        root.certificate.subject,
    ] == names


def test_nothing_is_fetched_unasked(site, middle, root):
    """Without it nobody is asked, and the error tells the address."""
    url = site.publish("/middle.cer", der(middle.certificate))
    client = tlskit.ClientContext("auto")
    root.trust(client)
    client.set_verify()
    client.set_verify_hostname()
    server = forgetful(middle, url)
    first = refused(client, server)
    client.set_intermediate_fetching()
    client.set_intermediate_fetching(False)
    second = refused(client, server)

    assert [] == site.asked
    assert {"missing-intermediate"} == {first.code, second.code}
    assert url in first.hint
    assert "browser" in first.hint


def test_what_was_fetched_is_remembered(site, client, middle):
    """The second handshake asks nobody."""
    server = forgetful(
        middle, site.publish("/middle.cer", der(middle.certificate))
    )
    met(client, server)
    met(client, server)

    assert ["/middle.cer"] == site.asked


def test_what_was_remembered_is_forgotten(site, client, middle, monkeypatch):
    """After an hour it is fetched again; the memory has an end."""
    url = site.publish("/middle.cer", der(middle.certificate))
    monkeypatch.setattr(issuers, "_MOST", 1)
    monkeypatch.setattr(issuers, "_REMEMBERED", 0.0)
    other = site.publish("/other.cer", der(middle.certificate))
    for each in (url, url, other):
        met(client, forgetful(middle, each))

    assert ["/middle.cer", "/middle.cer", "/other.cer"] == site.asked
    assert [other] == list(issuers._known)


def test_as_pkcs7(site, client, root, middle):
    """An answer may hold several certificates."""
    both = pkcs7.serialize_certificates(
        [root.certificate, middle.certificate], Encoding.DER
    )

    assert 3 == len(
        met(client, forgetful(middle, site.publish("/both.p7c", both)))
    )


def test_several_are_missing(site, client, root):
    """Each certificate that was fetched may lead to the next."""
    upper = root.intermediate("tlskit upper")
    above = site.publish("/upper.cer", der(upper.certificate))
    lower = upper.intermediate("tlskit lower", extensions=[(at(above), False)])
    below = site.publish("/lower.cer", der(lower.certificate))

    assert 4 == len(met(client, forgetful(lower, below)))
    assert ["/lower.cer", "/upper.cer"] == site.asked


def test_not_for_ever(site, client, root):
    """A chain of too many is given up."""
    ca = root
    for number in range(6):
        path = f"/{number}.cer"
        url = site.url(f"/{number - 1}.cer")
        ca = ca.intermediate(f"tlskit {number}", extensions=[(at(url), False)])
        site.publish(path, der(ca.certificate))
    error = refused(client, forgetful(ca, site.url("/5.cer")))

    assert 4 == len(site.asked)
    assert "unknown-issuer" == error.code


def test_the_second_address(site, client, middle):
    """If one address is of no use, the next one is asked."""
    good = site.publish("/middle.cer", der(middle.certificate))
    server = forgetful(middle, "ldap://a.example/x", site.url("/none"), good)

    assert 3 == len(met(client, server))
    assert ["/none", "/middle.cer"] == site.asked


def test_by_the_other_rules_too(site, client, root, middle):
    """Pins and the second verifier judge the path that was completed."""
    server = forgetful(
        middle, site.publish("/middle.cer", der(middle.certificate))
    )
    client.set_strict()
    assert 3 == len(met(client, server))
    client.set_pins([f"sha256/{'A' * 43}="])

    assert "pin-mismatch" == refused(client, server).code


@pytest.fixture(params=["tls12", "tls13"])
def stapled(request, site, root, middle):
    """Give a leaf, and what meets its server, stapling or not."""
    url = site.publish("/middle.cer", der(middle.certificate))
    leaf = middle.issue(HOST, extensions=[(at(url), False)])
    client = tlskit.ClientContext(request.param)
    root.trust(client)
    client.set_verify()
    client.set_verify_hostname()
    client.set_intermediate_fetching(timeout=PATIENCE, allow_private=True)

    def meeting(how, policy, staple):
        server = tlskit.ServerContext()
        server.load_certificate_chain(leaf.certificate)
        server.load_private_key(leaf.key)
        # Not by its method, which refuses what is plainly no good.
        server._change(staple=staple and Served(staple))
        client.set_ocsp(policy)
        return how(client, server)

    return leaf, meeting


class Served:
    """A response that is stapled as it is."""

    def __init__(self, data):
        self.data = data

    def covers(self, _certificate):
        """Fit every certificate."""
        return True

    def current(self):
        """Give the response."""
        return self.data


def test_a_staple_of_the_ca_whose_certificate_was_missing(stapled, middle):
    """The CA that was fetched answers for the certificate."""
    leaf, meeting = stapled
    for policy in ("check", "require"):
        assert 3 == len(meeting(met, policy, middle.ocsp(leaf)))
        error = meeting(refused, policy, middle.ocsp(leaf, "revoked"))

        assert "revoked" == error.code


def test_a_staple_by_the_certificate_itself(stapled):
    """A certificate without an issuer at first never answers for itself."""
    leaf, meeting = stapled
    now = datetime.now(timezone.utc)
    own = make_ocsp_response(
        (leaf.certificate, leaf.certificate),
        "good",
        (now - DAY, now + DAY),
        Leaf(leaf.key, (leaf.certificate,)),
    )
    for policy in ("check", "require"):
        assert "ocsp-signature" == meeting(refused, policy, own).code


def test_no_staple_where_an_issuer_is_missing(stapled):
    """It is demanded all the same, if it is."""
    _, meeting = stapled

    assert 3 == len(meeting(met, "check", None))
    assert "ocsp-missing" == meeting(refused, "require", None).code


def test_of_another_driver(site, client, middle):
    """asyncio and trio fetch in a thread, and leave the loop free."""
    server = forgetful(
        middle, site.publish("/middle.cer", der(middle.certificate))
    )

    async def on_asyncio(port):
        async with await aio.open_connection(
            "127.0.0.1", port, client, hostname=HOST, timeout=PATIENCE
        ) as conn:
            return conn.peer_verified

    async def on_trio(port):
        with trio.fail_after(PATIENCE):
            async with await open_connection(
                "127.0.0.1", port, client, hostname=HOST, timeout=PATIENCE
            ) as conn:
                return conn.peer_verified

    with tlskit.listen(hostname="127.0.0.1", context=server) as listener:
        task = Task(listener.serve, lambda _: None)
        assert asyncio.run(on_asyncio(listener.port))
        issuers._known.clear()
        assert trio.run(on_trio, listener.port)
        listener.shutdown(PATIENCE)
        task.result()

    assert 2 == len(site.asked)


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_loop_is_free_meanwhile(site, client, middle, driver):
    """While a site does not answer, other tasks go on; then it is over."""
    url = site.url("/slow")
    site.pages["/slow"] = lambda _: site.over.wait(PATIENCE)
    client.set_intermediate_fetching(timeout=0.2, allow_private=True)
    turns = []

    async def on_asyncio(port):
        async def count():
            while True:
                turns.append(1)
                await asyncio.sleep(0)

        counting = asyncio.ensure_future(count())
        try:
            with pytest.raises(VerificationError):
                await aio.open_connection(
                    "127.0.0.1", port, client, hostname=HOST, timeout=PATIENCE
                )
        finally:
            counting.cancel()
            site.over.set()

    async def on_trio(port):
        async def count():
            while True:
                turns.append(1)
                await trio.lowlevel.checkpoint()

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(count)
                with pytest.raises(VerificationError):
                    await open_connection(
                        "127.0.0.1", port, client, hostname=HOST
                    )
                site.over.set()
                nursery.cancel_scope.cancel()

    with tlskit.listen(
        hostname="127.0.0.1", context=forgetful(middle, url)
    ) as listener:
        task = Task(listener.serve, lambda _: None)
        if driver == "asyncio":
            asyncio.run(on_asyncio(listener.port))
        else:
            trio.run(on_trio, listener.port)
        listener.shutdown(PATIENCE)
        task.result()

    assert len(turns) > 10


def test_without_a_connection(site, client, middle):
    """verify_chain() fetches, too, by the same rules."""
    url = site.publish("/middle.cer", der(middle.certificate))
    leaf = middle.issue(HOST, extensions=[(at(url), False)])

    assert 3 == len(client.verify_chain(leaf.certificate, hostname=HOST))
    with pytest.raises(VerificationError) as caught:
        client.verify_chain(leaf.certificate, hostname="wrong.example")
    assert "wrong-identity" == caught.value.code


# -- what is refused --------------------------------------------------------


def endless(handler):
    """Send for ever."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x" * 65536)
    except OSError:
        return


def garbage(handler):
    """Send what is no HTTP."""
    handler.wfile.write(b"220 mail.example ESMTP\r\n")


def half(handler):
    """Send less than was promised."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"x")


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (endless, "more than 262144 bytes"),
        (garbage, "no HTTP"),
        (half, "no HTTP"),
        ((200, {}, b"nothing"), "neither a certificate nor PKCS#7"),
        ((200, {}, b"x" * 262145), "more than 262144 bytes"),
        ((404, {}, b""), "status 404"),
        ((302, {"Location": "https://127.0.0.1/x"}, b""), "https scheme"),
        ((302, {"Location": "file:///etc/passwd"}, b""), "file scheme"),
        ((302, {"Location": "http://a@127.0.0.1/"}, b""), "no address"),
        ((302, {"Location": "http://[/"}, b""), "Invalid IPv6 URL"),
        ((302, {"Location": "/page"}, b""), "redirects"),
        ((302, {}, b""), "redirects"),
    ],
)
def test_answers_of_no_use(site, client, middle, page, told):
    """What is no certificate leaves the verdict, which tells what it was."""
    site.pages["/page"] = page
    error = refused(client, forgetful(middle, site.url("/page")))

    assert "missing-intermediate" == error.code
    assert any(told in each for each in error.advice), error.advice


def test_a_redirect(site, client, middle):
    """One that stays with http is followed."""
    good = site.publish("/middle.cer", der(middle.certificate))
    old = site.publish("/old.cer", b"", 301, Location=good)

    assert 3 == len(met(client, forgetful(middle, old)))


def test_a_slow_site(site, client, middle):
    """The time-out is that of everything together."""
    site.pages["/slow"] = lambda _: site.over.wait(PATIENCE)
    client.set_intermediate_fetching(timeout=0.05, allow_private=True)
    error = refused(client, forgetful(middle, site.url("/slow")))

    assert "missing-intermediate" == error.code
    assert any("timed out" in each for each in error.advice)


def test_within_the_deadline_of_the_handshake(site, client, middle):
    """The handshake's own deadline counts as well."""
    site.pages["/slow"] = lambda _: site.over.wait(PATIENCE)
    server = forgetful(middle, site.url("/slow"))
    with tlskit.listen(hostname="127.0.0.1", context=server) as listener:
        task = Task(listener.serve, lambda _: None)

        with pytest.raises((VerificationError, TimeoutError)):
            tlskit.connect(
                "127.0.0.1",
                listener.port,
                client,
                hostname=HOST,
                timeout=0.3,
            )
        site.over.set()
        listener.shutdown(PATIENCE)
        task.result()


def test_the_wrong_certificate(site, client, root, middle):
    """A certificate of the same name that did not issue it is no issuer."""
    namesake = root.intermediate("tlskit middle")
    url = site.publish("/middle.cer", der(namesake.certificate))
    error = refused(client, forgetful(middle, url))

    assert "missing-intermediate" == error.code
    assert any("another CA" in each for each in error.advice)


def test_what_is_fetched_is_not_trusted(site, client):
    """A whole chain of strangers, its root included, leads to nobody."""
    stranger = CA("tlskit stranger")
    middle = stranger.intermediate(
        "stranger's middle",
        extensions=[
            (at(site.publish("/root.cer", der(stranger.certificate))), False)
        ],
    )
    url = site.publish("/middle.cer", der(middle.certificate))
    client.set_partial_chain()
    error = refused(client, forgetful(middle, url))

    assert ["/middle.cer", "/root.cer"] == site.asked
    assert error.code in {"unknown-issuer", "untrusted-root"}


def test_an_issuer_that_is_no_ca(site, client, root):
    """A certificate that may not issue makes no path."""
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = root.issue("no-ca.example", key=key)
    lying = CA("no-ca.example", parent=root)
    lying.key, lying.certificate = key, leaf.certificate
    url = site.publish("/leaf.cer", der(leaf.certificate))
    error = refused(client, forgetful(lying, url))

    assert "not-a-ca" == error.code or "CA" in str(error)
    assert ["/leaf.cer"] == site.asked


def test_an_issuer_whose_key_is_short_for_the_level(site, client, root):
    """It is refused as it would be if the server had sent it."""
    middle = root.intermediate("tlskit short middle", key_type="rsa")
    url = site.publish("/short.cer", der(middle.certificate))
    client.set_ciphers("DEFAULT:@SECLEVEL=3")

    assert "weak-key" == refused(client, forgetful(middle, url)).code


def test_an_expired_issuer(site, client, root):
    """What was fetched has to be valid now."""
    now = datetime.now(timezone.utc)
    old = root.intermediate("tlskit old", valid=(now - 90 * DAY, now - DAY))
    url = site.publish("/old.cer", der(old.certificate))

    assert "expired" == refused(client, forgetful(old, url)).code


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:1/x", "http://[::1]:1/x", "http://169.254.169.254/x"],
)
def test_a_private_address(client, middle, address):
    """By default nobody is asked who is not on the public network."""
    client.set_intermediate_fetching()
    error = refused(client, forgetful(middle, address))

    assert "missing-intermediate" == error.code
    assert any("no public address" in each for each in error.advice)


def test_for_another_fault_nobody_is_asked(site, client, middle):
    """A name or a date that is wrong refuses at once."""
    now = datetime.now(timezone.utc)
    url = site.publish("/middle.cer", der(middle.certificate))
    old = forgetful(middle, url, valid=(now - 9 * DAY, now - DAY))
    refused(client, old)
    with pytest.raises(VerificationError):
        memory_pair(client, forgetful(middle, url), hostname="wrong.example")

    assert [] == site.asked


def test_a_function_that_judges_decides_alone(site, client, middle):
    """With a verifier nothing is put off, and nothing fetched."""
    url = site.publish("/middle.cer", der(middle.certificate))
    client.set_certificate_verifier(lambda _depth, ok, _certificate: ok)
    refused(client, forgetful(middle, url))

    assert [] == site.asked


def unwaiting(client, server):
    """Shake hands without a wait in it; give what went wrong."""
    with (
        tlskit.listen(hostname="127.0.0.1", context=server) as listener,
        socket.create_connection(("127.0.0.1", listener.port)) as sock,
    ):
        task = Task(listener.serve, lambda _: None)
        try:
            with client.as_ssl_context().wrap_socket(
                sock, server_hostname=HOST, do_handshake_on_connect=False
            ) as port:
                port.setblocking(False)
                while True:
                    try:
                        port.do_handshake()
                    except ssl.SSLWantReadError:
                        select.select([port], [], [], PATIENCE)
                    else:
                        return None
        except ssl.SSLError as error:
            return error.__cause__
        finally:
            listener.shutdown(PATIENCE)
            task.settle()


def test_a_port_that_never_waits(site, client, middle):
    """It fetches nothing, and uses what is remembered."""
    url = site.publish("/middle.cer", der(middle.certificate))
    server = forgetful(middle, url)
    refusal = unwaiting(client, server)
    issuers._known[url] = time.monotonic() + 60, der(middle.certificate)

    assert "missing-intermediate" == refusal.code
    assert unwaiting(client, server) is None
    assert [] == site.asked


def test_the_server_hears_of_it(client, middle):
    """A server that was refused reads why; nothing else has left."""
    client.set_intermediate_fetching()
    server = forgetful(middle, "http://127.0.0.1:1/x")
    with tlskit.listen(hostname="127.0.0.1", context=server) as listener:
        task = Task(listener.accept, PATIENCE)
        with pytest.raises(VerificationError):
            tlskit.connect("127.0.0.1", listener.port, client, hostname=HOST)
        error = task.settle()

    assert isinstance(error, tlskit.AlertError)
    assert tlskit.Alert.UNKNOWN_CA == error.alert


@pytest.mark.parametrize(
    "options", [{"timeout": -1}, {"timeout": float("nan")}, {"max_bytes": 0}]
)
def test_bad_rules(client, options):
    """What can't be a limit is refused."""
    with pytest.raises(ValueError, match=r"not|negative|NaN"):
        client.set_intermediate_fetching(**options)


# -- the pieces -------------------------------------------------------------


def test_addresses(root):
    """Two plain addresses at most, and none of an OCSP responder's."""
    many = [f"http://{name}.example/ca.cer" for name in "aabc"]
    leaf = root.issue(HOST, extensions=[(at("https://x", *many), False)])
    ocsp = at("http://o", method=AuthorityInformationAccessOID.OCSP)
    other = root.issue(HOST, extensions=[(ocsp, False)])

    assert (many[0], many[2]) == addresses_of(der(leaf.certificate))
    assert () == addresses_of(der(other.certificate))
    assert () == addresses_of(der(root.certificate))
    assert () == addresses_of(b"nothing")
    assert (der(root.certificate),) == listed(der(root.certificate))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1", True),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("2002:7f00:1::", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
    ],
)
def test_public_addresses(address, public):
    """Whoever is meant in the end decides, however it is written."""
    assert public is is_public(address)


def test_a_name_that_is_not_found(monkeypatch):
    """It is told, and so is one whose look-up takes too long."""

    def fail(*_, **_more):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(OSError, match="not found"):
        fetch("http://nobody.example/", RULES, Deadline.after(PATIENCE))
    never = threading.Event()
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: never.wait(PATIENCE)
    )
    try:
        with pytest.raises(TimeoutError):
            fetch("http://slow.example/", RULES, Deadline.after(0.01))
    finally:
        never.set()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(OSError, match="has no address"):
        fetch("http://none.example/", RULES, Deadline.after(PATIENCE))


def test_what_is_no_address():
    """An address that can't be taken apart is an OSError like the others."""
    with pytest.raises(OSError, match="no address"):
        fetch("http://[/", RULES, Deadline.after(PATIENCE))


def test_what_nobody_expected(root):
    """Whatever fails in the search leaves the verdict as it was."""
    leaf = root.intermediate().issue(
        HOST, extensions=[(at("http://a.example/"), False)]
    )
    policy = Policy((), None)
    errand = Errand((der(leaf.certificate),), policy, RULES)

    def fail(_):
        raise RuntimeError("a bug")

    errand.run(fail)
    errand.give_up("too late")
    assert ["RuntimeError: a bug"] == errand.notes
    assert () == errand.path


def test_too_late_to_connect(site, monkeypatch):
    """A deadline that passes while a name is looked up ends it there."""
    monkeypatch.setattr(
        http,
        "_found",
        lambda *_: [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))
        ],
    )
    passed = Deadline.now()
    with pytest.raises(TimeoutError):
        http._connected("a.example", 80, RULES, passed)
    with pytest.raises(ConnectionRefusedError):
        http._connected("a.example", 80, RULES, Deadline())


def test_too_late_to_read(site):
    """A deadline that passes between two pieces ends it there."""
    with socket.create_connection(("127.0.0.1", site.port)) as sock:
        with pytest.raises(TimeoutError):
            http._received(sock, RULES, Deadline.now())


def test_in_pieces(site):
    """An answer in chunks is put together; a query is asked as it is."""

    def chunks(handler):
        handler.wfile.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        )

    site.pages["/chunks?a=b"] = chunks
    found = fetch(site.url("/chunks?a=b"), RULES, Deadline.after(PATIENCE))

    assert b"abc" == found
