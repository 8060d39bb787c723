"""What ``AcmeCredentials`` does by itself: challenges, files, the schedule."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
import ssl
import stat
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

import tlskit
from tlskit import ConfigurationError, CredentialError, UnsupportedError, aio
from tlskit.acme import AcmeCredentials
from tlskit.server.acme import schedule
from tlskit.server.acme.ordering import (
    Request,
    certificate_id,
    reason_of,
    seconds_of,
)
from tlskit.server.acme.renewing import Renewal
from tlskit.server.acme.storage import Storage
from tlskit.testing import CA
from tlskit.tools.deadline import Deadline
from tlskit.trust import VerifySource

from ..looping import until
from ..peers import PATIENCE, Task

NAME, OTHER = "a.example", "b.example"
#: A directory where nobody is: port 1 is refused at once.
NOBODY = "https://127.0.0.1:1/dir"
PROOF = "token.thumbprint"
#: An OCTET STRING in the extension of RFC 8737, section 3.
PROVED = b"\x04\x20" + hashlib.sha256(PROOF.encode()).digest()
IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


@pytest.fixture(scope="module", autouse=True)
def _package():
    """What the extra brings."""
    pytest.importorskip("acme")


@pytest.fixture
def make(tmp_path):
    """Make credentials whose storage is in a folder of the test's own."""

    def made(*names, folder="storage", directory=NOBODY, **options):
        return AcmeCredentials(
            names or (NAME,),
            directory=directory,
            storage=tmp_path / folder,
            terms_agreed=True,
            **options,
        )

    return made


@pytest.fixture
def asked(make):
    """Credentials that have something to answer."""
    credentials = make()
    credentials._proofs.present({NAME: PROOF})
    return credentials


# -- what is asked for ------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        ({"terms_agreed": False}, ConfigurationError, "terms of service"),
        ({"directory": "http://a.example"}, ConfigurationError, "https:"),
        ({"names": ["*.a.example"]}, ConfigurationError, "wildcards"),
        ({"challenge": "dns-01"}, ConfigurationError, "'dns-01'"),
        ({"names": ["a b"]}, ConfigurationError, "a b"),
        ({"names": []}, ValueError, "at least one"),
    ],
)
def test_what_is_refused(tmp_path, options, kind, told):
    """Without an agreement, or with what can't be ordered, there is none."""
    good = {
        "names": [NAME],
        "directory": NOBODY,
        "storage": tmp_path / "storage",
        "terms_agreed": True,
    }

    with pytest.raises(kind, match=told):
        AcmeCredentials(**good | options)
    assert not (tmp_path / "storage").exists()


def test_names_in_one_form(make):
    """Names are those of the certificate: ASCII, small, once each."""
    credentials = make("A.example", "bücher.example", "a.EXAMPLE", "::1")

    assert (NAME, "xn--bcher-kva.example", "::1") == credentials.names


def test_one_name_as_text(tmp_path):
    """A single name needs no list."""
    credentials = AcmeCredentials(
        NAME, directory=NOBODY, storage=tmp_path / "s", terms_agreed=True
    )

    assert (NAME,) == credentials.names


def test_nothing_yet(make):
    """Before the first certificate one is presented that nobody trusts."""
    credentials = make()
    leaf = credentials.certificate_chain.leaf

    assert 0 == credentials.generation
    assert credentials.last_error is None
    assert leaf.subject == leaf.issuer


def test_the_package_is_missing(make, monkeypatch):
    """Without the extra an order says what to install."""
    monkeypatch.setitem(sys.modules, "acme.messages", None)

    with pytest.raises(UnsupportedError, match=r"acme") as caught:
        make().obtain(timeout=PATIENCE)
    assert "tlskit[acme]" in caught.value.hint


def test_trust_of_the_directory(tmp_path):
    """The directory's own HTTPS is verified, by the sources that are named."""
    ca = CA("a private ACME server's CA")
    (tmp_path / "roots.pem").write_bytes(ca.pem)
    named = VerifySource.of(tmp_path / "roots.pem")
    about = Request((NAME,), NOBODY, (), None, named)

    settings = about.context().settings
    assert settings.verify.refuses_bad
    assert settings.verify_hostname
    assert 1 == settings.root_count
    default = about._replace(trust=None).context()
    assert tlskit.ClientContext.secure() is default


# -- challenges -------------------------------------------------------------


def question(port, name=NAME, alpn=("acme-tls/1",)):
    """Ask as an ACME server does; give protocol, certificate and the rest."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(alpn)
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE) as sock,
        context.wrap_socket(sock, server_hostname=name) as client,
    ):
        der = client.getpeercert(binary_form=True)
        return (
            client.selected_alpn_protocol(),
            x509.load_der_x509_certificate(der),
            client.recv(1),
        )


def proof(certificate):
    """Give what a certificate says to an ACME server, or None."""
    for extension in certificate.extensions:
        if extension.oid == IDENTIFIER:
            assert extension.critical
            return extension.value.value
    return None


def server_of(credentials):
    """Make a server's context with rules of its own."""
    context = tlskit.ServerContext()
    context.load_credentials(credentials)
    context.set_alpn(["h2"])
    return context


def by_itself(credentials):
    """The listener's own context has them, and asks for certificates."""
    context = server_of(credentials)
    context.set_verify()
    return context


def other_context():
    """Make a context that has none of them."""
    leaf = CA("somebody").issue("c.example")
    context = tlskit.ServerContext(
        certificate_chain=leaf.chain, private_key=leaf.key
    )
    context.set_alpn(["h2"])
    return context


def by_table(credentials):
    """A context has them that a table of server names leads to."""
    context = other_context()
    context.set_server_names({NAME: server_of(credentials)})
    return context


def by_callback(credentials):
    """A context has them that a function gives."""
    context, chosen = other_context(), server_of(credentials)
    context.set_server_name_callback(lambda _: chosen)
    return context


class Choosing(tlskit.ServerContext):
    """Chooses by the whole ClientHello."""

    chosen = None

    def choose_for(self, hello):
        """Choose always the same."""
        return self.chosen


class Waiting(Choosing):
    """Waits first."""

    async def choose_for(self, hello):
        """Choose always the same."""
        return self.chosen


def by_hook(credentials, kind=Choosing):
    """A context has them that ``choose_for`` gives."""
    context = kind()
    context.chosen = server_of(credentials)
    return context


WAYS = [by_itself, by_table, by_callback, by_hook]


@pytest.fixture
def idle(monkeypatch):
    """Have nobody order by itself, and tell who would."""
    begun = []
    monkeypatch.setattr(
        AcmeCredentials, "start", lambda it: begun.extend([it])
    )
    monkeypatch.setattr(
        AcmeCredentials, "stop", lambda it: begun.pop(begun.index(it))
    )
    return begun


@pytest.mark.parametrize("way", WAYS)
def test_challenge_answered_by_a_listener(asked, idle, way):
    """It is answered whatever the rules are; the handler hears nothing."""
    with tlskit.listen(hostname="127.0.0.1", context=way(asked)) as listener:
        served = []
        task = Task(listener.serve, served.append)
        protocol, certificate, rest = question(listener.port)
        listener.shutdown(PATIENCE)
        task.result()

    assert ("acme-tls/1", b"") == (protocol, rest)
    assert PROVED == proof(certificate)
    assert [] == served
    assert {"acme-challenge": 1} == listener.statistics.refused
    assert [] == idle


def test_challenge_at_accept(asked, idle):
    """Who accepts by himself is told by an error what it was."""
    with tlskit.listen(
        hostname="127.0.0.1", context=server_of(asked)
    ) as listener:
        task = Task(question, listener.port)

        with pytest.raises(tlskit.HandshakeError) as caught:
            listener.accept(timeout=PATIENCE)
        assert "acme-challenge" == caught.value.code
        assert PROVED == proof(task.result()[1])
        assert [asked] == idle
    assert [] == idle


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_challenge_of_each_version(asked, idle, version):
    """TLS 1.2 answers before its client's last word, and is heard."""
    context = server_of(asked)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.set_alpn_protocols(["acme-tls/1"])
    chosen = getattr(ssl.TLSVersion, version)
    client.minimum_version = client.maximum_version = chosen
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        task = Task(listener.accept, PATIENCE)
        with (
            socket.create_connection(
                ("127.0.0.1", listener.port), PATIENCE
            ) as sock,
            client.wrap_socket(sock, server_hostname=NAME) as wrapped,
        ):
            assert "acme-tls/1" == wrapped.selected_alpn_protocol()
            assert b"" == wrapped.recv(1)
        assert "acme-challenge" == task.settle().code


@pytest.mark.parametrize(
    ("name", "alpn"),
    [
        (NAME, ("acme-tls/1", "h2")),
        (NAME, ("h2",)),
        (OTHER, ("h2",)),
        (None, ("h2",)),
    ],
)
def test_what_is_no_challenge(asked, idle, name, alpn):
    """Others get the certificate, whatever they ask for beside it."""
    with tlskit.listen(
        hostname="127.0.0.1", context=server_of(asked)
    ) as listener:
        task = Task(listener.serve, lambda _: None)
        protocol, certificate, _ = question(listener.port, name, alpn)
        listener.shutdown(PATIENCE)
        task.result()

    assert "h2" == protocol
    assert proof(certificate) is None


@pytest.mark.parametrize("name", [OTHER, None])
def test_challenge_for_nobody(asked, idle, name):
    """One for a name that is not ours finds no protocol in common."""
    with tlskit.listen(
        hostname="127.0.0.1", context=server_of(asked)
    ) as listener:
        task = Task(listener.accept, PATIENCE)

        with pytest.raises(ssl.SSLError):
            question(listener.port, name)
        assert "no-application-protocol" == task.settle().code


def test_challenge_that_is_over(asked, idle):
    """When the order has ended, there is nothing to answer."""
    assert asked.answer(NAME, ["acme-tls/1"]) is not None
    asked._proofs.present({})

    assert asked.answer(NAME, ["acme-tls/1"]) is None


def test_answer_is_made_once(asked):
    """As long as the question is the same, so is the answer."""
    first = asked.answer(NAME.upper(), ["acme-tls/1"])

    assert first is asked.answer(NAME, ["acme-tls/1"])
    asked._proofs.present({NAME: "another.thumbprint"})
    assert first is not asked.answer(NAME, ["acme-tls/1"])


def test_answer_that_is_broken(asked):
    """What is in the file of an answer, but is none, answers nothing."""
    asked._proofs.file_of(NAME).write_bytes(b"\xff")

    assert asked.answer(NAME, ["acme-tls/1"]) is None


def test_proofs_by_http(make):
    """A token is answered while its order goes on, and no other one."""
    credentials = make(challenge="http-01")
    credentials._proofs.present({NAME: PROOF})

    assert PROOF.encode("ascii") == credentials.proof("token")
    assert credentials.proof("another") is None
    assert make().proof("token") is None
    credentials._proofs.present({})
    assert credentials.proof("token") is None


def test_proof_that_is_broken(make):
    """What is in the file of a proof, but is none, answers nothing."""
    credentials = make(challenge="http-01")
    file = credentials._proofs.file_of("http-01 token")
    file.mkdir()

    assert credentials.proof("token") is None


def test_challenge_for_an_address(make, idle):
    """An address is asked for by its reverse mapping (RFC 8738)."""
    credentials = make("192.0.2.1")
    credentials._proofs.present({"192.0.2.1": PROOF})
    with tlskit.listen(
        hostname="127.0.0.1", context=server_of(credentials)
    ) as listener:
        task = Task(listener.accept, PATIENCE)
        _, certificate, _ = question(listener.port, "1.2.0.192.in-addr.arpa")
        task.settle()

    assert PROVED == proof(certificate)
    names = certificate.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value
    assert ["192.0.2.1"] == [
        str(each) for each in names.get_values_for_type(x509.IPAddress)
    ]


def test_answer_of_another_process(make, idle):
    """Who shares the storage answers for who orders."""
    orders, serves = make(), make()
    orders._proofs.present({NAME: PROOF})
    with tlskit.listen(
        hostname="127.0.0.1", context=server_of(serves)
    ) as listener:
        task = Task(listener.accept, PATIENCE)
        _, certificate, _ = question(listener.port)
        task.settle()

    assert PROVED == proof(certificate)


@pytest.mark.parametrize("way", [*WAYS, lambda it: by_hook(it, Waiting)])
def test_challenge_on_asyncio(asked, idle, way):
    """asyncio's server answers; it counts no failure, and calls nobody."""

    async def main():
        served = []

        async def handler(port):
            served.append(port)

        async with await aio.start_server(
            handler, "127.0.0.1", 0, way(asked)
        ) as server:
            begun = len(idle)
            answer = await asyncio.to_thread(question, server.port)
            await until(lambda: server.statistics.refused)
        return served, begun, server, answer

    served, begun, server, (_, certificate, rest) = asyncio.run(main())
    assert PROVED == proof(certificate)
    assert ([], b"", 0) == (served, rest, server.failures)
    assert {"acme-challenge": 1} == server.statistics.refused
    assert (way in {by_itself, by_table}) == begun
    assert [] == idle


@pytest.mark.parametrize("way", [*WAYS, lambda it: by_hook(it, Waiting)])
def test_challenge_on_trio(asked, idle, way):
    """trio's server answers; it counts no failure, and calls nobody."""
    served = []

    async def handler(port):
        served.append(port)

    async def main():
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                server = await nursery.start(
                    tlskit.trio.serve, handler, "127.0.0.1", 0, way(asked)
                )
                begun = len(idle)
                answer = await trio.to_thread.run_sync(question, server.port)
                while not server.statistics.refused:
                    await trio.lowlevel.checkpoint()
                server.close()
        return begun, server, answer

    begun, server, (_, certificate, rest) = trio.run(main)
    assert PROVED == proof(certificate)
    assert ([], b"", 0) == (served, rest, server.failures)
    assert {"acme-challenge": 1} == server.statistics.refused
    assert (way in {by_itself, by_table}) == begun
    assert [] == idle


# -- at work ----------------------------------------------------------------


class Source:
    """Counts who wants it at work."""

    def __init__(self):
        self.users = self.begun = 0

    def start(self):
        """Begin."""
        self.users += 1
        self.begun += 1

    def stop(self):
        """End."""
        self.users -= 1

    def current(self):
        """Have nothing."""

    def reload(self):
        """Have nothing new."""

    def answer(self, _name, _offered):
        """Answer nothing."""


def with_source(*sources):
    """Make a context with sources."""
    context = tlskit.ServerContext()
    context.load_credentials(*sources)
    return context


def test_who_serves_sets_them_to_work():
    """Those of a new context begin, those of an old one end, once each."""
    old, both, new = Source(), Source(), Source()
    renewal, context = Renewal(), with_source(old, both)
    renewal.begin(context)
    renewal.begin(context)
    assert (1, 1, 0) == (old.users, both.users, new.users)
    renewal.begin(with_source(both, new))

    assert (0, 1, 1) == (old.users, both.users, new.users)
    renewal.end()
    renewal.end()
    renewal.begin(context)
    assert (0, 0, 0) == (old.users, both.users, new.users)


def test_what_changes_while_it_serves(make, idle):
    """A context that is assigned while it serves has its own set to work."""
    first, second = make(folder="1"), make(folder="2")
    with tlskit.listen(
        hostname="127.0.0.1", context=server_of(first)
    ) as listener:
        task = Task(listener.serve, lambda _: None)
        question(listener.port, alpn=["h2"])
        assert [first] == idle
        listener.context = server_of(second)
        # It looks before it waits for clients; the first may have come then.
        for _ in range(50):
            question(listener.port, alpn=["h2"])
            if [second] == idle:
                break
        assert [second] == idle
        listener.shutdown(PATIENCE)
        task.result()
    assert [] == idle


def test_before_anybody_serves(make, idle):
    """Before anybody serves, nothing is at work."""
    with tlskit.listen(hostname="127.0.0.1", context=server_of(make())):
        assert [] == idle


def test_what_fails_in_the_background(make, caplog):
    """It is logged and told, kept in the storage, and tried again later."""
    told = threading.Event()
    errors = []

    def note(error):
        errors.append(error)
        told.set()
        raise ValueError("the callback's own")

    credentials = make(on_failure=note)
    with caplog.at_level(logging.ERROR, "tlskit.acme"):
        credentials.start()
        credentials.start()
        try:
            assert told.wait(PATIENCE)
        finally:
            credentials.stop()
            assert not credentials._stop.is_set()
            credentials.stop()

    assert credentials._stop.is_set()
    assert "order-failed" == credentials.last_error.code
    assert [credentials.last_error] == errors
    assert NAME in str(errors[0])
    assert any("tried again in" in text for text in caplog.messages)


def wait_for_failure(credentials):
    """Have an order fail."""
    with pytest.raises(CredentialError):
        credentials.obtain(timeout=PATIENCE)


def test_the_rest_is_kept_by_all(make, monkeypatch):
    """What failed is not tried at once by another process, nor a new one."""
    wait_for_failure(make())
    second = make()

    def order(*_):
        raise AssertionError("nothing is ordered now")

    monkeypatch.setattr("tlskit.server.acme.credentials.Orderer", order)
    assert 0 < second._rest() <= 6.25
    assert 0 < second._step(lambda _: None) <= 6.25
    # Between its look and the lock.
    second._obtain(Deadline.after(PATIENCE), lambda _: None, patient=True)


def test_failures_are_counted(make):
    """Each failure in a row makes the rest longer."""
    for _ in range(3):
        wait_for_failure(make())

    assert 3 == make()._note()[0]
    assert make()._rest() > 10


def test_the_note_is_broken(make):
    """What is no note counts as none."""
    credentials = make()
    credentials._storage.failure.write_bytes(b"{}")

    assert 0 == credentials._rest()


def test_storage_fails(make, monkeypatch):
    """With a disk that is full it goes on slowly, not in a circle."""
    credentials = make()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Storage, "write", full)
    assert 5 <= credentials._step(lambda _: None)


def test_stopped_in_mid_order(make, monkeypatch):
    """The end of the last listener ends the order, and is no failure."""
    credentials = make()
    begun, go_on = threading.Event(), threading.Event()

    def obtain(orderer, *_):
        begun.set()
        assert go_on.wait(PATIENCE)
        orderer._wait(PATIENCE)

    monkeypatch.setattr("tlskit.server.acme.ordering.Orderer.obtain", obtain)
    credentials.start()
    (worker,) = (
        each for each in threading.enumerate() if each.name == "tlskit ACME"
    )
    assert begun.wait(PATIENCE)
    credentials.stop()
    go_on.set()
    worker.join(PATIENCE)

    assert not worker.is_alive()
    assert credentials.last_error is None


def test_taken_too_long(make, monkeypatch):
    """An order that is not done in time is a TimeoutError."""
    monkeypatch.setattr(
        "tlskit.server.acme.ordering.Orderer.obtain",
        lambda orderer, *_: orderer._poll(lambda: None, "nothing happens"),
    )
    credentials = make()

    with pytest.raises(TimeoutError, match="nothing happens"):
        credentials.obtain(timeout=0.01)
    assert "order-failed" == credentials.last_error.code


# -- the certificate in its file --------------------------------------------


def stored(credentials, *, bad=None):
    """Put a certificate where an order would; give it."""
    ca = CA("an ACME CA")
    leaf = ca.issue(NAME) if bad is None else ca.issue_bad(bad, NAME)
    credentials._storage.write(
        credentials._storage.pair, leaf.key_pem + leaf.chain_pem
    )
    return leaf.certificate


def test_what_was_stored_is_used(make):
    """A process that starts again has what it had, and orders nothing."""
    leaf = stored(make())
    credentials = make()

    assert leaf == credentials.certificate_chain.leaf
    assert 1 == credentials.generation
    assert credentials.obtain(timeout=PATIENCE) is False


@pytest.mark.parametrize("bad", ["expired", None])
def test_what_is_stored_is_no_use(make, bad, caplog):
    """What has ended, or is broken, counts as none, and is told."""
    before = make()
    stored(before, bad=bad)
    if bad is None:
        before._storage.pair.write_bytes(b"nothing")

    assert 0 == make().generation
    assert any("no use" in text for text in caplog.messages)


def test_the_file_is_lost(make):
    """A certificate that serves goes on, whatever becomes of its file."""
    stored(make())
    credentials = make()
    leaf = credentials.certificate_chain.leaf
    credentials._storage.pair.unlink()

    with pytest.raises(CredentialError):
        credentials.reload()
    assert leaf == credentials.certificate_chain.leaf
    assert credentials.last_error is not None


def test_another_names_file(make):
    """Each set of names at each server has a certificate of its own."""
    stored(make(NAME))

    assert 0 == make(NAME, OTHER).generation
    assert 0 == make(NAME, directory="https://127.0.0.1:2/dir").generation
    assert 1 == make(NAME).generation


def test_what_others_order_is_noticed(make, monkeypatch):
    """A certificate that another process got is used at the next look."""
    credentials = make()
    leaf = stored(credentials)
    monkeypatch.setattr(credentials, "_ask", lambda _: None)

    assert credentials._step(lambda _: None) > 3600
    assert leaf == credentials.certificate_chain.leaf


# -- the folder -------------------------------------------------------------


def no_wait(_):
    """Don't wait."""


def test_the_folder_is_ours_only(tmp_path):
    """Folder and files are for their owner."""
    storage = Storage(tmp_path / "a" / "b", "name")
    storage.write(storage.pair, b"secret")

    assert 0o700 == stat.S_IMODE(storage.folder.stat().st_mode)
    assert 0o600 == stat.S_IMODE(storage.pair.stat().st_mode)


def test_a_folder_that_is_open(tmp_path):
    """A folder that others get into is refused, with what to do."""
    tmp_path.chmod(0o750)

    with pytest.raises(ConfigurationError, match="0750") as caught:
        Storage(tmp_path, "name")
    assert "chmod 700" in caught.value.hint


def test_a_folder_that_is_none(tmp_path):
    """A file is no folder."""
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="can't be used"):
        Storage(tmp_path / "file" / "storage", "name")


def test_write_that_fails(tmp_path, monkeypatch):
    """The old file stays, and nothing beside it."""
    storage = Storage(tmp_path / "storage", "name")
    storage.write(storage.pair, b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="No space"):
            storage.write(storage.pair, b"new")
    assert b"old" == storage.read(storage.pair)
    assert [storage.pair] == list(storage.folder.iterdir())


def test_one_at_a_time(tmp_path):
    """Who does not get the lock waits, and gives up in time."""
    first = Storage(tmp_path / "storage", "one")
    second = Storage(tmp_path / "storage", "two")
    with (
        first.locked(Deadline.now(), no_wait),
        pytest.raises(TimeoutError, match="another process"),
        second.locked(Deadline.after(0.05), no_wait),
    ):
        pass

    with second.locked(Deadline.now(), no_wait):
        pass


HOLDER = """
import sys
from tlskit.server.acme.storage import Storage
from tlskit.tools.deadline import Deadline
storage = Storage(sys.argv[1], "name")
with storage.locked(Deadline.after(10), lambda _: None):
    (storage.folder / ".new-half").write_bytes(b"half")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_holder_is_killed(tmp_path):
    """Its lock is free, and what it has half written is gone."""
    storage = Storage(tmp_path / "storage", "name")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(storage.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert b"held\n" == holder.stdout.readline()
        with (
            pytest.raises(TimeoutError),
            storage.locked(Deadline.now(), no_wait),
        ):
            pass
        holder.kill()

    with storage.locked(Deadline.after(PATIENCE), no_wait):
        assert [storage.folder / "lock"] == list(storage.folder.iterdir())


# -- when -------------------------------------------------------------------

BEGIN = datetime(2026, 12, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("life", "suggested", "expected"),
    [
        (timedelta(days=90), None, timedelta(days=60)),
        (timedelta(seconds=60), None, timedelta(seconds=40)),
        (timedelta(days=90), timedelta(days=10), timedelta(days=10)),
        (timedelta(days=90), timedelta(days=100), timedelta(days=90)),
    ],
)
def test_when_to_renew(life, suggested, expected):
    """When the server says so, else after two thirds; never after the end."""
    moment = None if suggested is None else BEGIN + suggested

    found = schedule.renewal_time(BEGIN, BEGIN + life, moment)
    assert expected == found - BEGIN


@pytest.mark.parametrize(
    ("failures", "left", "retry_after", "least", "most"),
    [
        (1, 0, None, 3.75, 6.25),
        (3, 0, None, 15, 25),
        (1000, 0, None, 16200, 27000),
        (20, 3600, None, 270, 450),
        (20, 1, None, 3.75, 6.25),
        (1, 0, 7200, 7200, 7200),
    ],
)
def test_rest_after_a_failure(failures, left, retry_after, least, most):
    """It grows to a tenth of what is left, with a jitter, as was asked for."""
    rests = [
        schedule.after_failure(failures, left, retry_after) for _ in range(50)
    ]

    assert least <= min(rests) <= max(rests) <= most


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", 120),
        ("999999999999", 86400),
        ("", None),
        ("soon", None),
        (format_datetime(BEGIN - timedelta(days=9999)), 0),
        (format_datetime(BEGIN + timedelta(days=99999)), 86400),
    ],
)
def test_retry_after(text, expected):
    """It is a number of seconds, or a date; nothing else counts."""
    assert expected == seconds_of(text)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0x7F, "fw"),
        # The example of RFC 9773, section 4.1: as DER has it.
        (0x87654321, "AIdlQyE"),
    ],
)
def test_identifier_for_renewals(number, expected):
    """Issuer and serial number name a certificate for its server."""
    certificate = CA().issue(NAME).certificate
    digest = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")
    issuer = x509.AuthorityKeyIdentifier(digest, None, None)
    signed = (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .issuer_name(certificate.issuer)
        .public_key(certificate.public_key())
        .serial_number(number)
        .not_valid_before(certificate.not_valid_before_utc)
        .not_valid_after(certificate.not_valid_after_utc)
    )
    key = ec.generate_private_key(ec.SECP256R1())
    named = signed.add_extension(issuer, critical=False)

    assert f"aYhba4dGQEHhs3uEe6CuLN4ByNQ.{expected}" == certificate_id(
        named.sign(key, hashes.SHA256())
    )
    assert certificate_id(signed.sign(key, hashes.SHA256())) is None


def test_reason_without_words():
    """An error that says nothing is told by its class."""
    assert "KeyError" == reason_of(KeyError())
