"""``AcmeOnDemand``: certificates for names that clients ask for."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

import tlskit
from tlskit import AlertError, ConfigurationError, NegotiationError, aio
from tlskit.acme import AcmeOnDemand
from tlskit.context.following import certificates_of
from tlskit.server.acme.demand import _NEVER
from tlskit.testing import CA, memory_pair
from tlskit.trust import VerifySource

from ..acme_server import front, needs_pebble, pebble
from ..peers import HOST, PATIENCE, Task
from .test_acme_orders import issuer_file, trusting, wait_until

NAME, OTHER = "a.ours.example", "b.ours.example"
#: A directory where nobody is: port 1 is refused at once.
NOBODY = "https://127.0.0.1:1/dir"


@pytest.fixture(autouse=True)
def _package():
    """What the extra brings."""
    pytest.importorskip("acme")


class Owner:
    """Allows names, and remembers for which it was asked."""

    def __init__(self):
        self.asked = []
        self.error = None
        self.answer = True

    def __call__(self, name):
        """Say whether it is ours."""
        self.asked.append(name)
        if self.error is not None:
            raise self.error
        return self.answer and name.endswith(".ours.example")


@pytest.fixture
def owner():
    """Allow names below ours."""
    return Owner()


@pytest.fixture
def make(tmp_path, owner):
    """Make a source; its storage is in a folder of the test's own."""

    def made(**options):
        options.setdefault("directory", NOBODY)
        return AcmeOnDemand(
            options.pop("allow", owner),
            storage=tmp_path / "storage",
            terms_agreed=options.pop("terms_agreed", True),
            **options,
        )

    return made


@pytest.fixture(scope="module")
def issuer():
    """Make the CA of what is stored."""
    return CA("an ACME CA")


def stored(source, issuer, name=NAME):
    """Put a certificate where an order would."""
    leaf = issuer.issue(name)
    storage = source._make([name])._storage
    storage.write(storage.pair, leaf.key_pem + leaf.chain_pem)
    return leaf.certificate


def server_of(*sources):
    """Make a server's context."""
    context = tlskit.ServerContext()
    context.load_credentials(*sources)
    context.set_alpn(["h2"], allow_no_match=True)
    context.seal()
    return context


def client_of(*cas):
    """Make a client's context."""
    context = tlskit.ClientContext("auto")
    for each in cas:
        each.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    return context


def met(client, server, name=NAME):
    """Shake hands; give what the server showed."""
    here, there = memory_pair(client, server, hostname=name, alpn=["h2"])
    with here, there:
        return here.peer_certificate, there.alpn_selected


def refused(server, name=NAME):
    """Shake hands; give the server's error."""
    client = tlskit.ClientContext("auto")
    client.set_verify(False)
    engines = client.new_engine(hostname=name), server.new_engine()
    here, there = engines
    with suppress(tlskit.WantReadError):
        here.handshake()
    there.receive(here.outgoing())
    with pytest.raises(Exception) as caught:  # noqa: PT011 - it is given
        there.handshake()
    here.receive(there.outgoing())
    with pytest.raises(AlertError) as told:
        here.handshake()
    return caught.value, told.value


# -- against an ACME server -------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Run an ACME server for all tests of this file."""
    with pebble(tmp_path_factory.mktemp("pebble")) as running:
        yield running


@contextmanager
def serving(port, context):
    """Serve where the ACME server looks."""
    with tlskit.listen(port, hostname=HOST, context=context) as listener:
        task = Task(listener.serve, lambda conn: conn.sendall(b"hello"))
        try:
            yield listener
        finally:
            listener.shutdown(PATIENCE)
            task.result()


@needs_pebble
def test_ordered_once(server, make, owner):
    """Many ask at once for a new name: it is ordered once, then served."""
    with front(server) as before:
        source = make(
            directory=before.directory, trust=VerifySource.of(server.roots)
        )
        context = trusting(server)

        def ask(name):
            with suppress(AlertError):
                with tlskit.connect(
                    HOST,
                    listener.port,
                    context,
                    hostname=name,
                    timeout=PATIENCE,
                ) as conn:
                    return conn.recv(5)
            return None

        with serving(server.tls_port, server_of(source)) as listener:
            with ThreadPoolExecutor(8) as pool:
                early = list(pool.map(ask, [NAME, "x.example"] * 8))
            wait_until(lambda: NAME in source.names)
            late = ask(NAME)

            # From outside, too.
            outside = ssl.create_default_context(
                cafile=str(issuer_file(server))
            )
            with socket.create_connection((HOST, listener.port)) as raw:
                with outside.wrap_socket(raw, server_hostname=NAME) as conn:
                    assert b"hello" == conn.recv(5)

    assert {None, b"hello"} >= set(early)
    assert b"hello" == late
    assert [[{"type": "dns", "value": NAME}]] == [
        each["identifiers"] for each in before.orders
    ]
    assert {NAME, "x.example"} == set(owner.asked)
    assert (NAME,) == source.names


@needs_pebble
def test_on_asyncio(server, make, issuer):
    """asyncio's server does the same, with another certificate meanwhile."""
    source = make(
        directory=server.directory, trust=VerifySource.of(server.roots)
    )
    default = tlskit.ServerContext()
    leaf = issuer.issue(NAME)
    default.load_certificate_chain(leaf.chain_pem)
    default.load_private_key(leaf.key)
    folder = source._proofs._storage.folder
    files = leaf.write(folder)
    context = server_of(tlskit.ReloadableCredentials(*files), source)

    async def main():
        async with await aio.start_server(
            lambda port: port.sendall(b"hello"),
            HOST,
            server.tls_port,
            context,
        ):

            async def shown(client):
                async with await aio.open_connection(
                    HOST,
                    server.tls_port,
                    client,
                    hostname=NAME,
                    timeout=PATIENCE,
                ) as conn:
                    return conn.peer_certificate

            first = await shown(client_of(issuer))
            await asyncio.to_thread(wait_until, lambda: source.names)
            return first, await shown(trusting(server))

    first, second = asyncio.run(asyncio.wait_for(main(), 50))
    assert leaf.certificate == first
    (chain,) = source.certificate_chains
    assert chain.leaf == second


# -- who is served ----------------------------------------------------------


def test_what_is_there_is_served(make, owner, issuer):
    """A name whose certificate is stored is served at once."""
    source = make()
    leaf = stored(source, issuer)
    context = server_of(source)

    assert (leaf, "h2") == met(client_of(issuer), context)
    assert (leaf, "h2") == met(client_of(issuer), context, NAME.upper())
    assert [NAME] == owner.asked
    assert (NAME,) == source.names
    assert [leaf] == certificates_of(context)
    assert 1 == source.generation


def test_rules_follow_the_context(make, issuer):
    """What is presented goes by the rules of the listener's context of now."""
    source = make()
    leaf = stored(source, issuer)
    context = tlskit.ServerContext()
    context.load_credentials(source)
    context.set_alpn(["h3"], allow_no_match=True)
    first = met(client_of(issuer), context)
    context.set_alpn(["h2"])

    assert [(leaf, None), (leaf, "h2")] == [
        first,
        met(client_of(issuer), context),
    ]


def test_without_a_certificate(make, owner):
    """Who asks too early, or for nobody, is refused; both sides hear why."""
    source = make()
    context = server_of(source)
    errors = [refused(context, name) for name in (NAME, "x.example", None)]

    assert [NegotiationError] * 3 == [type(error) for error, _ in errors]
    assert {"no-certificate-yet"} == {error.code for error, _ in errors}
    assert NAME in str(errors[0][0])
    assert "without a server name" in str(errors[2][0])
    assert {tlskit.Alert.UNRECOGNIZED_NAME} == {it.alert for _, it in errors}
    assert [NAME, "x.example"] == owner.asked


def test_others_have_another_certificate(make, issuer, tmp_path):
    """Beside it there may be credentials for everybody else."""
    source = make()
    leaf = stored(source, issuer)
    other = issuer.issue("x.example", NAME, OTHER)
    pair = tlskit.ReloadableCredentials(*other.write(tmp_path))
    context = server_of(pair, source)
    client = client_of(issuer)

    assert [leaf, other.certificate, other.certificate] == [
        met(client, context, name)[0] for name in (NAME, "x.example", OTHER)
    ]


def test_a_table_of_names_comes_first(make, issuer, owner):
    """A name that a table leads to is not asked for; others are, there too."""
    source = make()
    leaf = stored(source, issuer)
    special = issuer.issue(OTHER)
    known = tlskit.ServerContext(
        certificate_chain=special.chain_pem, private_key=special.key
    )
    context = tlskit.ServerContext()
    context.set_server_names({OTHER: known}, default=server_of(source))
    client = client_of(issuer)

    assert [leaf, special.certificate] == [
        met(client, context, name)[0] for name in (NAME, OTHER)
    ]
    assert [NAME] == owner.asked


def test_under_the_adapter(make, issuer):
    """Protocols of the adapter's stay, whoever's certificate it is."""
    source = make()
    stored(source, issuer)
    context = tlskit.ServerContext()
    context.load_credentials(source)
    adapter = context.as_ssl_context()
    adapter.set_alpn_protocols(["x"])
    client = ssl.create_default_context(cadata=issuer.pem.decode("ascii"))
    client.set_alpn_protocols(["x"])
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(PATIENCE)
        right.settimeout(PATIENCE)
        task = Task(lambda: adapter.wrap_socket(right, server_side=True))
        with client.wrap_socket(left, server_hostname=NAME) as conn:
            assert "x" == conn.selected_alpn_protocol()
            task.result().close()


@pytest.mark.parametrize(
    "name",
    ["*.ours.example", "192.0.2.1", "", "x" * 300, "\xfc.example"],
)
def test_no_name_to_ask_for(make, owner, name):
    """What can be no host name is not even asked about."""
    assert make().choose(name, (), tlskit.ServerContext()) is None
    assert [] == owner.asked


def test_a_challenge_is_no_client(make, owner):
    """Who asks as an ACME server does causes no order."""
    source = make()

    assert source.choose(NAME, ("acme-tls/1",), tlskit.ServerContext()) is None
    assert source.answer(NAME, ("acme-tls/1",)) is None
    assert source.answer(NAME, ("h2",)) is None
    assert source.proof("token") is None
    assert [] == owner.asked


def test_a_challenge_of_another_process(make):
    """Who shares the storage answers for who orders."""
    make()._proofs.present({NAME: "token.thumbprint"})
    source = make()

    assert source.answer(NAME, ("acme-tls/1",)) is not None
    assert source.answer(OTHER, ("acme-tls/1",)) is None


def test_answers_do_not_pile_up(make):
    """Contexts that answer are kept for a while only."""
    source = make()
    for number in range(40):
        name = f"{number}.ours.example"
        source._proofs.present({name: "token.thumbprint"})
        assert source.answer(name, ("acme-tls/1",)) is not None

    assert len(source._proofs._made) <= 16


def test_an_owner_that_fails(make, owner):
    """What the function raises refuses the client, and is raised there."""
    owner.error = LookupError("the database is away")
    error, alert = refused(server_of(make()))

    assert owner.error is error
    assert tlskit.Alert.UNRECOGNIZED_NAME != alert.alert


async def never(_):
    """Allow nobody, if anybody waits for it."""
    return False


def test_an_owner_that_is_a_coroutine_function(make):
    """What nobody waits for allows no name; both sides hear so."""
    source = make(allow=never)
    error, alert = refused(server_of(source))

    assert isinstance(error, ConfigurationError)
    assert "hook-not-awaited" == error.code
    assert tlskit.Alert.INTERNAL_ERROR == alert.alert
    assert () == source.names


# -- how many ---------------------------------------------------------------


def ask(source, *names):
    """Ask as clients do."""
    return [source.choose(name, (), tlskit.ServerContext()) for name in names]


def test_no_more_than_so_many(make, owner, caplog):
    """A flood of names is not taken up, nor asked about; it is told once."""
    source = make(most=2)
    with caplog.at_level(logging.ERROR, "tlskit.acme"):
        ask(source, *(f"{n}.ours.example" for n in range(50)))

    assert 2 == len(source._known)
    assert 2 == len(owner.asked)
    assert 1 == sum("no others are taken up" in it for it in caplog.messages)


def test_what_is_not_ours_takes_no_room(make, owner):
    """Names that are not allowed are forgotten at once."""
    source = make(most=2)
    ask(source, *(f"{n}.example" for n in range(50)))
    ask(source, NAME)

    assert {NAME} == set(source._known)
    assert 51 == len(owner.asked)


def test_two_at_once(make, owner):
    """Who was faster decides; nothing is taken up twice, or too much."""
    source = make(most=1)
    usual = owner.__call__

    def slow(name):
        if name == OTHER:
            ask(source, NAME)
        elif len(owner.asked) == 3:
            ask(source, name)
        return usual(name)

    source._allow = slow
    ask(source, OTHER)

    assert {NAME} == set(source._known)


def failing(source, name=NAME):
    """Have a name's order fail, as the work in the background would."""
    ask(source, name)
    source._mind(source._known[name], lambda _: None)
    return source._known[name]


def test_a_failure_rests(make, owner):
    """What failed is tried again if it is asked for, after a rest."""
    errors = []
    source = make(on_failure=errors.append)
    entry = failing(source)

    assert [source.last_error] == errors
    assert "order-failed" == errors[0].code
    assert 1 == source.failures
    ask(source, NAME)
    assert _NEVER == entry.due
    entry.rests_until = time.monotonic()
    ask(source, NAME)
    assert entry.due <= time.monotonic()
    assert [NAME] == owner.asked


def test_a_failure_makes_room(make):
    """Whose order has failed goes, after its rest, when others come."""
    source = make(most=1)
    entry = failing(source)
    ask(source, OTHER)
    assert {NAME} == set(source._known)
    entry.stays_until = time.monotonic()
    ask(source, "x.example", OTHER)

    assert {OTHER} == set(source._known)
    assert 1 == source.failures
    assert source.last_error is None


def test_who_only_asks_again_waits_no_longer(make):
    """What is not ordered, as it rests, has not failed once more."""
    source = make()
    entry = failing(source)
    for _ in range(9):
        source._mind(entry, lambda _: None)

    assert 1 == source.failures
    assert entry.stays_until - time.monotonic() < 60
    assert failing(source, OTHER).stays_until - time.monotonic() < 60


def test_ever_other_names_wait_longer(make, issuer):
    """Who asks for names without end causes few orders that fail.

    An ACME server allows so many, and then no renewals either.
    """
    source = make(most=1)
    waits = []
    for number in range(14):
        entry = failing(source, f"{number}.ours.example")
        waits.append(entry.stays_until - time.monotonic())
        entry.stays_until = time.monotonic()
    ask(source, NAME)
    stored(source, issuer)
    failing(source)  # There is one now; so it does not fail.
    source._forget(source._known[NAME])
    entry = failing(source, OTHER)

    assert waits[-1] > 4 * 3600
    assert entry.stays_until - time.monotonic() < 60


# -- the work ---------------------------------------------------------------


def held(source, issuer, owner, *, left):
    """Hold a name that is to be renewed in so many seconds."""
    stored(source, issuer)
    ask(source, NAME)
    entry = source._known[NAME]
    minded = []
    entry.credentials._seconds_left = lambda: left
    entry.credentials._step = lambda _: minded.append(left) or 1000.0
    owner.asked.clear()
    return entry, minded


def test_renewed_while_it_is_ours(make, issuer, owner):
    """The function is asked before a renewal, and only then."""
    source = make()
    entry, minded = held(source, issuer, owner, left=0.0)
    source._mind(entry, lambda _: None)
    entry.credentials._seconds_left = lambda: 9.0
    source._mind(entry, lambda _: None)

    assert ([0.0, 0.0], [NAME]) == (minded, owner.asked)
    assert entry.due > time.monotonic()


def test_not_ours_any_more(make, issuer, owner):
    """Who is not allowed any more is not renewed, and not served."""
    source = make()
    entry, minded = held(source, issuer, owner, left=0.0)
    owner.answer = False
    source._mind(entry, lambda _: None)

    assert ([], ()) == (minded, source.names)
    assert [None] == ask(source, NAME)


def test_an_owner_that_fails_later(make, issuer, owner, caplog):
    """Nobody is dropped, or renewed, because the function has failed."""
    source = make()
    entry, minded = held(source, issuer, owner, left=0.0)
    owner.error = LookupError("the database is away")
    source._mind(entry, lambda _: None)

    assert ([], (NAME,)) == (minded, source.names)
    assert entry.due > time.monotonic()
    assert "the database is away" in caplog.text


def test_an_owner_that_becomes_a_coroutine_function(
    make, issuer, owner, caplog
):
    """Nothing is renewed on the word of what nobody waits for."""
    source = make()
    entry, minded = held(source, issuer, owner, left=0.0)
    source._allow = never
    source._mind(entry, lambda _: None)

    assert ([], (NAME,)) == (minded, source.names)
    assert "can't be a coroutine function" in caplog.text


def test_it_works_while_somebody_serves(make, monkeypatch):
    """What is asked for wakes the work; the last listener's end ends it."""
    minded = threading.Event()
    source = make()

    def mind(each, _wait):
        each.due = _NEVER
        minded.set()

    monkeypatch.setattr(source, "_mind", mind)
    source.start()
    before = threading.active_count()
    try:
        ask(source, NAME)
        assert minded.wait(PATIENCE)
    finally:
        source.stop()
    wait_until(lambda: threading.active_count() < before)


def test_stopped_in_between(make, monkeypatch):
    """An end that comes while names are minded leaves the others alone."""
    source = make()
    began = threading.Event()

    def step(wait):
        began.set()
        wait(PATIENCE)
        raise AssertionError("it was to stop")

    ask(source, NAME)
    source._known[NAME].credentials._step = step
    before = threading.active_count()
    source.start()
    try:
        assert began.wait(PATIENCE)
    finally:
        source.stop()
    wait_until(lambda: threading.active_count() <= before)


def test_what_others_have_renewed(make, issuer):
    """It is read again when it is asked to."""
    source = make()
    stored(source, issuer)
    ask(source, NAME)
    before = source.certificate_chains
    assert source.reload() is False
    stored(source, issuer)

    assert source.reload() is True
    assert before != source.certificate_chains
    assert 2 == source.generation


def test_a_child_has_its_own_bell(make):
    """What another thread held at a fork does not matter there."""
    source = make()
    before = source._news
    source._after_fork()

    assert before is not source._news


# -- what is no good --------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        ({"terms_agreed": False}, ConfigurationError, "terms of service"),
        ({"directory": "http://x"}, ConfigurationError, "https:"),
        ({"challenge": "dns-01"}, ConfigurationError, "dns-01"),
        ({"most": 0}, ValueError, "most is 1"),
        ({"allow": True}, TypeError, "which names are ours"),
    ],
)
def test_what_is_refused(make, options, kind, told):
    """What can't be is told when it is made."""
    with pytest.raises(kind, match=told):
        make(**options)


def test_how_it_is_shown(make):
    """It tells the server, and how many names there are."""
    source = make()
    ask(source, NAME)

    assert (
        f"<AcmeOnDemand certificates on demand from {NOBODY}, 1 names>"
        == repr(source)
    )
    source._refuse(ConfigurationError("x"))
    assert source.current() is None
