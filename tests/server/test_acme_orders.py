"""``AcmeCredentials`` against a real ACME server, Debian's pebble."""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from functools import partial

import pytest
import trio
from cryptography.hazmat.primitives import serialization

import tlskit
from tlskit import CredentialError, aio
from tlskit.acme import AcmeCredentials
from tlskit.server.acme.transport import adapter
from tlskit.tools.deadline import Deadline
from tlskit.trust import VerifySource

from ..acme_server import Answer, front, needs_pebble, pebble
from ..peers import HOST, PATIENCE, Program, Task, needs, stdlib_client

pytestmark = needs_pebble

#: How many handshakes a renewal has to go through.
LOAD = 2000
CLIENTS = 2


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Run an ACME server for all tests of this file."""
    pytest.importorskip("acme")
    with pebble(tmp_path_factory.mktemp("pebble")) as running:
        yield running


@pytest.fixture
def before(server):
    """What stands in front of it, and may answer by itself."""
    with front(server) as standing:
        yield standing


@pytest.fixture
def make(server, tmp_path):
    """Make credentials; the storage is in a folder of the test's own."""

    def made(*names, folder="storage", at=server, **options):
        options.setdefault("directory", at.directory)
        return AcmeCredentials(
            names or (HOST,),
            storage=tmp_path / folder,
            trust=VerifySource.of(at.roots),
            contact=("mailto:us@a.example",),
            terms_agreed=True,
            **options,
        )

    return made


def context_of(credentials):
    """Make a server's context."""
    context = tlskit.ServerContext()
    context.load_credentials(credentials)
    context.set_alpn(["h2", "http/1.1"], allow_no_match=True)
    context.seal()
    return context


@contextmanager
def serving(port, credentials):
    """Serve where the ACME server looks."""
    with tlskit.listen(
        port, hostname="127.0.0.1", context=context_of(credentials)
    ) as listener:
        task = Task(listener.serve, lambda conn: conn.sendall(b"hello"))
        try:
            yield listener
        finally:
            listener.shutdown(PATIENCE)
            task.result()


def wait_until(done, patience=PATIENCE):
    """Wait for a thread to have done something."""
    deadline = time.monotonic() + patience
    look = threading.Event()
    while not done():
        assert time.monotonic() < deadline, "it never happens"
        look.wait(0.02)


def trusting(server):
    """Make a client's context that trusts what the server issues."""
    context = tlskit.ClientContext("auto")
    context.load_verify_source(VerifySource.of(issuer_file(server)))
    context.set_verify()
    context.set_verify_hostname()
    return context


def issuer_file(server):
    """Write the root of what the server issues to a file."""
    path = server.roots.with_name("issuer.pem")
    path.write_text(server.issuer())
    return path


# -- the first order --------------------------------------------------------


@needs("curl")
def test_first_order(server, make):
    """A listener that begins to serve gets its certificate by itself."""
    credentials = make(HOST, "127.0.0.1")
    issuer = issuer_file(server)
    with serving(server.tls_port, credentials) as listener:
        wait_until(lambda: credentials.generation)
        outside = ssl.create_default_context(cafile=str(issuer))
        with stdlib_client(listener.port, outside) as client:
            assert b"hello" == client.recv(5)
        with Program(
            *("curl", "--silent", "--verbose", "--http0.9"),
            *("--cacert", str(issuer), "--max-time", "10"),
            f"https://127.0.0.1:{listener.port}/",
        ) as curl:
            assert "hello" in curl.finish()

    assert credentials.last_error is None
    assert 2 <= len(credentials.certificate_chain.certificates)
    assert 2 <= listener.statistics.refused["acme-challenge"]


def test_first_order_on_asyncio(server, make):
    """asyncio's server gets it by itself, and serves it."""
    credentials = make()

    async def handler(port):
        port.write(b"hello")
        await port.drain()

    async def main():
        async with await aio.start_server(
            handler, "127.0.0.1", server.tls_port, context_of(credentials)
        ) as running:
            await asyncio.to_thread(wait_until, lambda: credentials.generation)
            async with await aio.open_connection(
                HOST, running.port, trusting(server), timeout=PATIENCE
            ) as port:
                assert b"hello" == await port.readexactly(5)
            assert 0 == running.failures

    asyncio.run(main())


def test_first_order_on_trio(server, make):
    """trio's server gets it by itself, and serves it."""
    credentials = make()

    async def handler(port):
        await port.send_all(b"hello")

    async def main():
        with trio.fail_after(2 * PATIENCE):
            async with trio.open_nursery() as nursery:
                running = await nursery.start(
                    partial(
                        tlskit.trio.serve,
                        handler,
                        "127.0.0.1",
                        server.tls_port,
                        context_of(credentials),
                    )
                )
                await trio.to_thread.run_sync(
                    wait_until, lambda: credentials.generation
                )
                async with await tlskit.trio.open_connection(
                    HOST, running.port, trusting(server), timeout=PATIENCE
                ) as port:
                    assert b"hello" == await port.receive_some(5)
                assert 0 == running.failures
                running.close()

    trio.run(main)


def test_by_http(server, make):
    """HTTP-01 is answered by a listener on the port of plain HTTP."""
    credentials = make(challenge="http-01")
    with tlskit.listen(
        server.http_port, hostname=HOST, context=context_of(credentials)
    ) as plain:
        plain.set_plain_http("redirect", hosts=[HOST])
        task = Task(plain.serve, lambda _conn: None)
        with serving(0, credentials) as listener:
            wait_until(lambda: credentials.generation)
            assert [] == hammer_once(listener.port, trusting(server))
        wait_until(lambda: plain.statistics.refused)
        plain.shutdown(PATIENCE)
        task.result()

    # An ACME server may ask from several places.
    assert {"acme-challenge"} == set(plain.statistics.refused)


def test_by_http_there_is_nobody(make):
    """The error says which port it is."""
    credentials = make(challenge="http-01")

    with pytest.raises(CredentialError):
        credentials.obtain(timeout=PATIENCE)
    assert "port 80 of each name" in credentials.last_error.hint


def test_obtain(server, make):
    """Asked for, it is ordered now, and only if it is due."""
    credentials = make()
    with serving(server.tls_port, credentials):
        credentials.obtain(timeout=PATIENCE)

        assert 1 == credentials.generation
        assert credentials.obtain(timeout=PATIENCE) is False


def test_served_by_processes(server, make):
    """Several processes order once, and all of them serve it."""
    credentials = make()
    script = f"""
import tlskit
from tlskit.acme import AcmeCredentials
from tlskit.trust import VerifySource
credentials = AcmeCredentials(
    ["{HOST}"],
    directory="{server.directory}",
    storage="{credentials._storage.folder}",
    trust=VerifySource.of("{server.roots}"),
    terms_agreed=True,
)
context = tlskit.ServerContext()
context.load_credentials(credentials)
tlskit.listen({server.tls_port}, hostname="127.0.0.1", context=context).serve(
    lambda port: None, processes=2
)
"""
    issued = server.program.output.count("Issued certificate")
    with Program(sys.executable, "-c", script) as program:
        wait_until(credentials._storage.pair.exists)
        leaf = make().certificate_chain.leaf.public_bytes(
            serialization.Encoding.DER
        )
        outside = ssl.create_default_context(cafile=issuer_file(server))
        same = 0
        deadline = time.monotonic() + PATIENCE
        while same < 20:  # By then both have been asked.
            assert time.monotonic() < deadline
            try:
                with stdlib_client(server.tls_port, outside) as client:
                    assert leaf == client.getpeercert(binary_form=True)
                    same += 1
            except ssl.SSLCertVerificationError:
                threading.Event().wait(0.05)  # It has not looked yet.
        program.interrupt()
        program.finish()

    again = server.program.output.count("Issued certificate")
    assert 1 == again - issued


# -- renewal ----------------------------------------------------------------


def hammer(port, context, end):
    """Connect until told to stop; count, and keep what went wrong."""
    count, errors = 0, []
    while not end.is_set():
        try:
            with tlskit.connect(
                "127.0.0.1", port, context, hostname=HOST, timeout=PATIENCE
            ) as conn:
                assert b"hello" == conn.recv(5)
        except Exception as error:
            errors.append(error)
        count += 1
    return count, errors


def window(begin):
    """Make a renewal window (RFC 9773) of a second."""
    end = begin + timedelta(seconds=1)
    form = "%Y-%m-%dT%H:%M:%SZ"
    return {
        "suggestedWindow": {
            "start": begin.strftime(form),
            "end": end.strftime(form),
        }
    }


@pytest.mark.timeout(180)
def test_renewal_under_load(server, before, make):
    """A renewal while clients come all the time: none of them fails."""
    first = []

    def rule(_, path):
        if not path.startswith("/renewal/"):
            return None
        # Soon for the first certificate, and not for its successor.
        first.append(path)
        wait = 2 if path == first[0] else 3600
        return Answer(200, window(now + timedelta(seconds=wait)))

    now = datetime.now(timezone.utc)
    before.extra["renewalInfo"] = "/renewal"
    before.rule = rule
    credentials = make(directory=before.directory)
    with serving(server.tls_port, credentials) as listener:
        wait_until(lambda: credentials.generation)
        context, end = trusting(server), threading.Event()
        with ThreadPoolExecutor(CLIENTS) as pool:
            jobs = [
                pool.submit(hammer, listener.port, context, end)
                for _ in range(CLIENTS)
            ]
            try:
                wait_until(
                    lambda: (
                        credentials.generation > 1
                        and listener.statistics.handshaken >= LOAD
                    ),
                    patience=120,
                )
            finally:
                end.set()
            counts, errors = zip(
                *(job.result(PATIENCE) for job in jobs), strict=True
            )

    assert sum(counts) >= LOAD
    assert not any(errors)


def test_renewal_after_two_thirds(tmp_path_factory, make):
    """Without a word of the server's it is renewed by its lifetime."""
    with pebble(tmp_path_factory.mktemp("short"), lifetime=6) as short:
        credentials = make(at=short)
        with serving(short.tls_port, credentials):
            wait_until(lambda: credentials.generation)
            first = credentials.certificate_chain.leaf
            wait_until(lambda: credentials.generation > 1)
            second = credentials.certificate_chain.leaf

    life = first.not_valid_after_utc - first.not_valid_before_utc
    age = second.not_valid_before_utc - first.not_valid_before_utc
    # What is after the comma is not in a certificate.
    assert age + timedelta(seconds=1) >= life * 2 / 3


def test_renewal_when_the_server_says_so(server, before, make):
    """A window that has passed renews at once, a later one does not."""
    now = datetime.now(timezone.utc)
    asked = []

    def rule(method, path):
        if not path.startswith("/renewal/"):
            return None
        asked.append(path)
        long = timedelta(hours=1)
        begin = now - long if len(asked) == 1 else now + long
        return Answer(200, window(begin), (("Retry-After", "3600"),))

    before.extra["renewalInfo"] = "/renewal"
    before.rule = rule
    credentials = make(directory=before.directory)
    with serving(server.tls_port, credentials):
        wait_until(lambda: credentials.generation == 2)

        assert credentials.obtain(timeout=PATIENCE) is False
    assert 2 == len(set(asked))  # One path for each certificate.


@pytest.fixture
def far_away(monkeypatch):
    """Have the clock on the wall differ from UTC."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("form", ["seconds", "date", "nothing"])
def test_when_it_is_asked_again(server, before, make, far_away, form):
    """The server says when, be it in seconds or as a date, in any zone."""
    now = datetime.now(timezone.utc)
    hour = timedelta(hours=1)
    said = {
        "seconds": (("Retry-After", "7200"),),
        "date": (("Retry-After", format_datetime(now + 2 * hour, True)),),
        "nothing": (),
    }[form]
    before.extra["renewalInfo"] = "/renewal"
    before.rule = lambda _, path: (
        Answer(200, window(now + 3 * hour), said)
        if path.startswith("/renewal/")
        else None
    )
    credentials = make(directory=before.directory)
    with serving(server.tls_port, credentials):
        wait_until(lambda: credentials._suggestion.moment)

    expected = now + (6 if form == "nothing" else 2) * hour
    again = credentials._suggestion.ask_again
    assert expected - hour / 2 < again < expected + hour / 2


def test_the_kind_that_is_ordered(server, before, make):
    """A profile is told to the server; without one it is its choice."""
    for number, profile in enumerate(("shortlived", None)):
        credentials = make(
            directory=before.directory, profile=profile, folder=f"s{number}"
        )
        with serving(server.tls_port, credentials):
            assert credentials.obtain(timeout=PATIENCE)

    assert ["shortlived", None] == [
        each.get("profile") for each in before.orders
    ]


def test_no_renewal_information(server, before, make):
    """A server that has no answer leaves it at two thirds of the life."""
    before.extra["renewalInfo"] = "/renewal"
    before.rule = lambda _, path: (
        Answer(500, {"type": "serverInternal"})
        if path.startswith("/renewal/")
        else None
    )
    credentials = make(directory=before.directory)
    with serving(server.tls_port, credentials):
        wait_until(lambda: credentials.generation)

        assert credentials.obtain(timeout=PATIENCE) is False
    assert 1800 < credentials._seconds_left() < 3600


def renewing_at_once(front):
    """Have a front want each certificate renewed, unless it is the second."""
    asked = []
    now = datetime.now(timezone.utc)

    def rule(_, path):
        if not path.startswith("/renewal/"):
            return None
        asked.append(path.removeprefix("/renewal/"))
        long = timedelta(hours=1)
        begin = now - long if asked[-1] == asked[0] else now + long
        return Answer(200, window(begin), (("Retry-After", "3600"),))

    front.extra["renewalInfo"] = "/renewal"
    front.rule = rule
    return asked


def test_a_renewal_says_what_it_replaces(server, before, make):
    """The server is told the identifier by which it was asked (RFC 9773)."""
    asked = renewing_at_once(before)
    credentials = make(directory=before.directory)
    with serving(server.tls_port, credentials):
        wait_until(lambda: credentials.generation == 2)

    assert [None, asked[0]] == [each.get("replaces") for each in before.orders]


def test_a_server_that_knows_no_renewals(server, make, before, monkeypatch):
    """Without renewal information in its directory nothing is replaced."""
    credentials = make(directory=before.directory)
    # As if most of the first one's life were over.
    monkeypatch.setattr(
        "tlskit.server.acme.credentials.renewal_time",
        lambda begin, end, _: end if credentials.generation > 1 else begin,
    )
    with serving(server.tls_port, credentials):
        wait_until(lambda: credentials.generation == 2)

    assert [None, None] == [each.get("replaces") for each in before.orders]


@pytest.mark.parametrize(
    "refusal",
    [
        Answer(409, {"type": "urn:ietf:params:acme:error:alreadyReplaced"}),
        Answer(400, {"type": "urn:ietf:params:acme:error:malformed"}),
    ],
)
def test_it_was_replaced_already(server, before, make, refusal):
    """A server that refuses the replacement gets an ordinary order."""
    asked = renewing_at_once(before)
    usual = before.rule

    def rule(method, path):
        if path == "/order-plz" and "replaces" in before.orders[-1]:
            return refusal
        return usual(method, path)

    before.rule = rule
    credentials = make(directory=before.directory)
    with serving(server.tls_port, credentials):
        wait_until(lambda: credentials.generation == 2)

    assert [None, asked[0], None] == [
        each.get("replaces") for each in before.orders
    ]
    assert 0 == credentials.failures


def test_a_renewal_that_is_refused_for_another_reason(server, before, make):
    """Who has ordered too much does not order again at once."""
    renewing_at_once(before)
    usual = before.rule
    kind = "urn:ietf:params:acme:error:rateLimited"

    def rule(method, path):
        if path == "/order-plz" and "replaces" in before.orders[-1]:
            return Answer(429, {"type": kind})
        return usual(method, path)

    before.rule = rule
    credentials = make(directory=before.directory)
    with serving(server.tls_port, credentials) as listener:
        wait_until(lambda: credentials.last_error)

        assert 1 == listener.statistics.failed_renewals
    assert 2 == len(before.orders)


# -- what goes wrong --------------------------------------------------------


def test_wrong_challenge(server, make):
    """Whoever answers wrongly gets nothing; the error says what was found."""
    credentials, other = make(), make(folder="other")
    other.start = other.stop = lambda: None
    other._proofs.present({HOST: "wrong.thumbprint"})
    with serving(server.tls_port, other):
        with pytest.raises(CredentialError) as caught:
            credentials.obtain(timeout=PATIENCE)

    assert "order-failed" == caught.value.code
    assert HOST in str(caught.value)
    assert "unauthorized" in str(caught.value)
    assert credentials.last_error is caught.value
    assert 0 == credentials.generation


def test_server_can_not_reach_us(make):
    """Without a listener the order fails, and says so."""
    credentials = make()

    with pytest.raises(CredentialError, match="Failed to connect"):
        credentials.obtain(timeout=PATIENCE)
    assert "443" in credentials.last_error.hint


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (
            "/dir",
            Answer(429, {"type": "x"}, (("Retry-After", "7200"),)),
        ),
        (
            "/order-plz",
            Answer(
                429,
                {
                    "type": "urn:ietf:params:acme:error:rateLimited",
                    "detail": "too many",
                },
                (("Retry-After", "7200"),),
            ),
        ),
        ("/order-plz", Answer(503, "busy", (("Retry-After", "7200"),))),
    ],
)
def test_server_errors(before, make, caplog, path, answer):
    """What the server refuses is told, and tried again when it says."""
    before.rule = lambda _, asked: answer if asked == path else None
    errors = []
    credentials = make(directory=before.directory, on_failure=errors.append)
    with (
        caplog.at_level(logging.ERROR, "tlskit.acme"),
        serving(0, credentials) as listener,
    ):
        wait_until(lambda: errors)
        wait_until(credentials._storage.failure.exists)
        # Clients are served all the same, by what there is.
        anybody = ssl._create_unverified_context()
        with stdlib_client(listener.port, anybody) as client:
            assert b"hello" == client.recv(5)

    assert [credentials.last_error] == errors
    assert 7000 < credentials._rest() <= 7200
    assert any("tried again in 7200 s" in text for text in caplog.messages)


def test_the_old_one_serves_while_the_new_one_fails(server, before, make):
    """A renewal that fails leaves the certificate in use, and is told."""
    gone = datetime.now(timezone.utc) - timedelta(hours=1)

    def rule(_, path):
        if path.startswith("/renewal/"):
            return Answer(200, window(gone))
        refused = credentials.generation and path == "/order-plz"
        return Answer(500, {"type": "x"}) if refused else None

    before.extra["renewalInfo"] = "/renewal"
    before.rule = rule
    credentials = make(directory=before.directory)
    with serving(server.tls_port, credentials) as listener:
        wait_until(lambda: credentials.last_error)

        context = trusting(server)
        assert ([], 1) == (
            hammer_once(listener.port, context),
            credentials.generation,
        )


def hammer_once(port, context):
    """Connect once; give what went wrong."""
    end = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(hammer, port, context, end)
        end.set()
        return job.result(PATIENCE)[1]


def test_no_challenge_of_ours(server, before, make):
    """A server that offers no TLS-ALPN-01 is told by name."""
    credentials = make(directory=before.directory)
    kept = before.answer

    def without(method, path, body, headers):
        status, more, whole = kept(method, path, body, headers)
        return status, more, whole.replace(b"tls-alpn-01", b"tls-sni-99")

    before.answer = without

    with pytest.raises(CredentialError, match="tls-sni-99"):
        credentials.obtain(timeout=PATIENCE)


def test_nothing_left_to_prove(server, before, make):
    """Names that the server knows to be ours are not asked for again."""
    credentials = make(directory=before.directory)
    kept, polled = before.answer, []

    def valid(method, path, body, headers):
        status, more, whole = kept(method, path, body, headers)
        if path.startswith("/authZ/"):
            whole = whole.replace(b'"pending"', b'"valid"')
            polled.append(path)
        return status, more, whole

    before.answer = valid

    # The server itself knows better, and issues nothing.
    with pytest.raises(CredentialError):
        credentials.obtain(timeout=PATIENCE)
    assert 1 == len(polled)


def test_order_that_becomes_invalid(server, before, make):
    """A server that does not issue in the end is told, with its reason."""
    credentials = make(directory=before.directory)

    def rule(_, path):
        if not path.startswith("/my-order/"):
            return None
        problem = {
            "type": "urn:ietf:params:acme:error:caa",
            "detail": "CAA forbids it",
        }
        nonce = (("Replay-Nonce", "bm9uY2U"),)
        body = {"status": "invalid", "error": problem, "identifiers": []}
        return Answer(200, body, nonce)

    before.rule = rule
    with (
        serving(server.tls_port, make()),
        pytest.raises(CredentialError, match="CAA forbids it"),
    ):
        credentials.obtain(timeout=PATIENCE)


def test_order_that_takes_its_time(server, before, make):
    """A server that is still at work is asked again; so is a bad nonce."""
    credentials = make(directory=before.directory)
    asked = []

    def rule(_, path):
        if not path.startswith("/my-order/") or asked:
            return None
        asked.append(path)
        nonce = (("Replay-Nonce", "bm9uY2U"),)
        body = {"status": "processing", "identifiers": []}
        return Answer(200, body, nonce)

    before.rule = rule
    with serving(server.tls_port, credentials):
        wait_until(lambda: credentials.generation)

    assert credentials.last_error is None
    assert asked


CLIENT = """
import sys
from tlskit.acme import AcmeCredentials
from tlskit.trust import VerifySource
names, directory, storage, roots = sys.argv[1:]
credentials = AcmeCredentials(
    names.split(","),
    directory=directory,
    storage=storage,
    trust=VerifySource.of(roots),
    terms_agreed=True,
)
print("obtained", credentials.obtain(timeout=30), flush=True)
"""


def client(credentials, server, directory=None):
    """Order in another process with the same storage."""
    return Program(
        *(sys.executable, "-c", CLIENT, ",".join(credentials.names)),
        directory or server.directory,
        str(credentials._storage.folder),
        str(server.roots),
    )


def test_killed_in_mid_order(server, before, make):
    """A process that was killed while it ordered leaves nothing in the way."""
    credentials = make(directory=before.directory)
    reached, go_on = threading.Event(), threading.Event()

    def rule(_, path):
        if path.startswith("/finalize-order/") and not reached.is_set():
            reached.set()
            go_on.wait(PATIENCE)

    before.rule = rule
    credentials.start = credentials.stop = lambda: None
    with ExitStack() as stack:
        stack.enter_context(serving(server.tls_port, credentials))
        stack.callback(go_on.set)
        with client(credentials, server, before.directory) as other:
            assert reached.wait(PATIENCE), other.output
            with pytest.raises(TimeoutError):
                credentials.obtain(timeout=0.05)
            other.kill()
            other.finish()
        go_on.set()

        assert credentials.obtain(timeout=PATIENCE) is True
    assert not list(credentials._storage.folder.glob("answer-*"))


def test_two_processes_with_one_storage(server, before, make):
    """One of them orders; the other one has what came of it."""
    credentials = make(directory=before.directory)
    credentials.start = credentials.stop = lambda: None
    with (
        serving(server.tls_port, credentials),
        client(credentials, server, before.directory) as one,
        client(credentials, server, before.directory) as two,
    ):
        outputs = {one.finish().strip(), two.finish().strip()}

    assert {"obtained True"} == outputs  # Both have what is new to them.
    orders = [path for _, path in before.seen if path == "/order-plz"]
    assert 1 == len(orders)
    assert credentials.reload() is True


# -- the account ------------------------------------------------------------


def account_key(credentials):
    """Give the key of the account."""
    return credentials._storage.account_key.read_bytes()


def close_account(credentials):
    """Close the account, as its owner may."""
    import josepy
    from acme import client as acme_client
    from acme import errors, messages

    key = serialization.load_pem_private_key(account_key(credentials), None)
    net = acme_client.ClientNetwork(josepy.JWKEC(key=key), alg=josepy.ES256)
    ours = adapter(credentials._request.context(), Deadline())
    net.session.mount("https://", ours)
    directory = acme_client.ClientV2.get_directory(
        credentials._request.directory, net
    )
    acme = acme_client.ClientV2(directory, net)
    asked = messages.NewRegistration(only_return_existing=True)
    with pytest.raises(errors.ConflictError) as caught:
        acme.new_account(asked)
    found = messages.RegistrationResource(
        uri=caught.value.location, body=messages.Registration()
    )
    net.account = found
    acme.deactivate_registration(found)
    net.session.close()


@pytest.mark.parametrize("how", ["closed", "broken"])
def test_account_is_made_anew(server, make, how):
    """A key that is no use any more is replaced, and the order goes on."""
    first, second = make(), make(HOST, "127.0.0.1")
    with serving(server.tls_port, first):
        wait_until(lambda: first.generation)
    before = account_key(first)
    if how == "closed":
        close_account(first)
    else:
        first._storage.account_key.write_bytes(b"nothing")
    with serving(server.tls_port, second):
        wait_until(lambda: second.generation)

    assert second.last_error is None
    assert before != account_key(second)


def test_account_is_kept(server, before, make):
    """Later orders use the account that is there, unknown to this server."""
    first, second = make(), make(HOST, "127.0.0.1")
    with serving(server.tls_port, first):
        wait_until(lambda: first.generation)
    key = account_key(first)
    with serving(server.tls_port, second):
        wait_until(lambda: second.generation)

    assert key == account_key(second)


def test_account_is_refused(before, make):
    """A server that makes no account for anybody is told once."""
    body = {
        "type": "urn:ietf:params:acme:error:unsupportedContact",
        "detail": "not you",
    }
    before.rule = lambda _, path: (
        Answer(400, body) if path == "/sign-me-up" else None
    )

    with pytest.raises(CredentialError, match="not you"):
        make(directory=before.directory).obtain(timeout=PATIENCE)


def test_a_directory_that_nobody_vouches_for(server, make, tmp_path):
    """The server's own HTTPS is verified before anything is said to it."""
    roots = tmp_path / "others.pem"
    roots.write_bytes(tlskit.testing.CA("somebody else").pem)
    credentials = make()
    credentials._request = credentials._request._replace(
        trust=VerifySource.of(roots)
    )

    with pytest.raises(CredentialError, match="verify failed"):
        credentials.obtain(timeout=PATIENCE)
