"""The cache of sessions, and engines that resume from it."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509

import tlskit
from tlskit import SessionCache
from tlskit.engine.engine import Engine
from tlskit.openssl import native
from tlskit.openssl.protocols import protocol
from tlskit.policy.sessions import Session, SessionKey, policy_of
from tlskit.policy.settings import Settings, Verify
from tlskit.testing import CA
from tlskit.verify.chain import pin_of
from tlskit.verify.identity import Identity

from ..engines import (
    authority,
    client_context,
    exchange,
    move,
    read,
    server_context,
    server_engine,
    shake,
)

VERSIONS = ("tls12", "tls13")
MAGIC = b"tlskit sessions 1\n"


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version, by the name of its protocol."""
    name: str = request.param
    return name


def caching(version: str = "tls13", **keywords: Any) -> tlskit.ClientContext:
    """Make a verifying client's context that resumes."""
    return client_context(version, session_cache=SessionCache(), **keywords)


def dial(
    client: tlskit.ClientContext,
    server: tlskit.ServerContext,
    name: str = "localhost",
    dialled: tuple[str, int] | None = ("localhost", 443),
    alpn: tuple[bytes, ...] = (),
) -> Engine:
    """Shake hands, hear a word from the server, and part."""
    ours = Engine(
        client,
        server_side=False,
        identity=Identity.parse(name),
        dialled=dialled,
        alpn=alpn,
    )
    theirs = server_engine(server)
    shake(ours, theirs)
    assert b"hello" == exchange(theirs, ours, b"hello")
    assert ours.facts is not None
    assert theirs.facts is not None
    assert ours.facts.session_reused is theirs.facts.session_reused
    ours.finish()
    return ours


def resumes(*arguments: Any, **keywords: Any) -> bool:
    """Say whether a connection resumed."""
    facts = dial(*arguments, **keywords).facts
    assert facts is not None
    return facts.session_reused


# -- what is resumed --------------------------------------------------------


@pytest.mark.native
def test_same_verdict(version: str):
    """A resumed connection has the facts of the one that was verified."""
    client, server = caching(version), server_context()
    first = dial(client, server).facts
    second = dial(client, server).facts

    assert first is not None
    assert second is not None
    assert not first.session_reused
    assert second.session_reused
    assert second.peer_verified
    for name in ("peer_certificate", "peer_chain", "verified_chain"):
        assert getattr(first, name) == getattr(second, name)
    assert 2 == len(second.verified_chain)
    assert second.verify_error is None


@pytest.mark.native
def test_again_and_again(version: str):
    """Each resumed connection leaves a session for the next one."""
    client, server = caching(version), server_context()
    seen = [resumes(client, server) for _ in range(4)]

    assert [False, True, True, True] == seen


@pytest.mark.native
def test_an_intermediate_is_remembered(version: str):
    """What the server sent beside its certificate is known later, too."""
    server = tlskit.ServerContext()
    authority().intermediate().issue("localhost").apply(server)
    client = caching(version)
    dial(client, server)
    facts = dial(client, server).facts

    assert facts is not None
    assert facts.session_reused
    assert 2 == len(facts.peer_chain)
    assert 3 == len(facts.verified_chain)


@pytest.mark.native
@pytest.mark.parametrize("setting", ["pins", "strict"])
def test_policy_beyond_openssl_is_applied_again(version: str, setting: str):
    """Pins, and a second verifier, are asked on resumption, and accept."""
    client, server = caching(version), server_context()
    if setting == "pins":
        client.set_pins(
            [tlskit.verify.chain.pin_of(authority().certificate)],
        )
    else:
        client.set_strict()

    assert not resumes(client, server)
    assert resumes(client, server)


@pytest.mark.native
def test_verify_peer_is_asked_again(version: str):
    """The hook sees a resumed connection, and may refuse it."""
    seen = []

    class Picky(tlskit.ClientContext):
        def verify_peer(self, verdict: tlskit.Facts) -> None:
            seen.append(verdict.session_reused)
            if len(seen) == 2:
                raise PermissionError("enough")

    client, server = Picky(version, session_cache=SessionCache()), None
    authority().trust(client)
    client.set_verify()
    server = server_context()
    dial(client, server)
    with pytest.raises(PermissionError):
        dial(client, server)

    assert [False, True] == seen
    assert 0 == len(client.session_cache)


# -- what is not ------------------------------------------------------------


def test_off_by_default(version: str):
    """Nobody resumes who did not ask for it."""
    client, server = client_context(version), server_context()

    assert client.session_cache is None
    assert not resumes(client, server)
    assert not resumes(client, server)


@pytest.mark.parametrize(
    "other",
    [
        {"name": "127.0.0.1"},
        {"dialled": ("localhost", 444)},
        {"dialled": ("127.0.0.1", 443)},
        {"dialled": None},
        {"alpn": (b"h2",)},
    ],
)
def test_another_peer(version: str, other: dict[str, Any]):
    """Another name, host, port or offer: certificates are shown again."""
    client, server = caching(version), server_context()
    server.set_alpn(["h2"], allow_no_match=True)
    dial(client, server)

    assert not resumes(client, server, **other)


def test_another_name_is_refused(version: str):
    """A session for one name never lets in a server as another one."""
    client, server = caching(version), server_context()
    dial(client, server)

    with pytest.raises(tlskit.IdentityError):
        dial(client, server, name="other.example")


@pytest.mark.native
def test_name_is_checked_on_resumption(version: str):
    """Were a session kept under a wrong name, the name would be refused."""
    client, server = caching(version), server_context()
    dial(client, server)
    cache = client.session_cache
    ((key, (session, *_)),) = cache._kept.items()
    cache.keep(key._replace(name="other.example"), session)

    with pytest.raises(tlskit.IdentityError):
        dial(client, server, name="other.example")


def strangers(context: tlskit.ClientContext) -> None:
    """Trust one more CA."""
    CA("tlskit other CA").trust(context)


@pytest.mark.parametrize(
    "change",
    [
        lambda context: context.set_strict(),
        lambda context: context.set_verify_hostname(False),
        lambda context: context.set_verify(False),
        lambda context: context.try_verify(),
        lambda context: context.set_ciphersuites("TLS_AES_128_GCM_SHA256"),
        lambda context: context.set_pins(
            [tlskit.verify.chain.pin_of(authority().certificate)]
        ),
        lambda context: authority().issue("me.example").apply(context),
        strangers,
    ],
)
def test_another_policy(version: str, change: Any):
    """A context that was changed verifies again, though it has the cache."""
    client, server = caching(version), server_context()
    dial(client, server)
    other = client.copy()
    change(other)

    assert client.session_cache is other.session_cache
    assert not resumes(other, server)


@pytest.mark.native
def test_equal_policies_share(version: str):
    """Two contexts that decide the same may use each other's sessions."""
    one, server = caching(version), server_context()
    dial(one, server)
    other = client_context(version, session_cache=one.session_cache)

    assert resumes(other, server)


@pytest.mark.parametrize("how", ["hook", "verifier", "expect"])
def test_judges_see_every_certificate(version: str, how: str):
    """Who judges certificates by a function gets them to see each time."""

    class Judge(tlskit.ClientContext):
        def verify_certificate(self, _certificate, _depth, ok) -> bool:
            return ok

    kind = Judge if how == "hook" else tlskit.ClientContext
    client = kind(version, session_cache=SessionCache())
    authority().trust(client)
    client.set_verify()
    if how == "verifier":
        client.set_certificate_verifier(lambda _depth, ok, _certificate: ok)
    server = server_context()
    if how == "expect":
        dial(client, server)
        ours = Engine(
            client,
            server_side=False,
            identity=Identity.parse("localhost"),
            dialled=("localhost", 443),
        )
        ours.expect(Verify.TRY)
        shake(ours, server_engine(server))
        assert ours.facts is not None
        assert not ours.facts.session_reused
        return

    assert not resumes(client, server)
    assert not resumes(client, server)
    assert 0 == len(client.session_cache)


@pytest.mark.parametrize("protocol_name", VERSIONS)
def test_unverified_peers_are_not_kept(protocol_name: str):
    """What was tolerated once is found wrong each time."""
    client = tlskit.ClientContext(protocol_name, session_cache=SessionCache())
    server = server_context()
    facts = dial(client, server).facts

    assert facts is not None
    assert not facts.peer_verified
    assert 0 == len(client.session_cache)
    assert not resumes(client, server)


def test_without_the_capability(version: str):
    """Where sessions can't be copied, every handshake is a full one."""
    client, server = caching(version), server_context()
    with native.without("session-copies"):
        assert not resumes(client, server)
        assert not resumes(client, server)


def test_settings_without_a_name(version: str, monkeypatch):
    """A setting of a kind that has no digest: nothing is resumed."""
    client, server = caching(version), server_context()
    monkeypatch.setattr(
        "tlskit.engine.build.policy_of", lambda _settings: None
    )

    assert not resumes(client, server)
    assert not resumes(client, server)


@pytest.mark.native
def test_a_failure_forgets(version: str):
    """A server that breaks a session off with an alert starts anew."""
    client, server = caching(version), server_context()
    dial(client, server)
    dial(client, server)
    ours = Engine(
        client,
        server_side=False,
        identity=Identity.parse("localhost"),
        dialled=("localhost", 443),
    )
    ours.handshake()
    ours.receive(b"\x15\x03\x03\x00\x02\x02\x28")  # handshake_failure
    with pytest.raises(tlskit.AlertError):
        ours.handshake()

    assert 0 == len(client.session_cache)


@pytest.mark.native
def test_truncation_forgets_nothing(version: str):
    """Servers that never say goodbye can be resumed with."""
    client, server = caching(version), server_context()
    ours = Engine(
        client,
        server_side=False,
        identity=Identity.parse("localhost"),
        dialled=("localhost", 443),
    )
    theirs = server_engine(server)
    shake(ours, theirs)
    exchange(theirs, ours, b"hello")
    ours.receive(b"")
    with pytest.raises(tlskit.TruncatedError):
        read(ours)

    assert resumes(client, server)


# -- tickets ----------------------------------------------------------------


@pytest.mark.native
def test_a_ticket_is_used_once():
    """Two TLS 1.3 connections at once don't offer the same ticket."""
    client, server = caching("tls13"), server_context()
    dial(client, server)
    cache = client.session_cache
    assert 1 == len(cache)
    engines = []
    for _ in range(2):
        ours = Engine(
            client,
            server_side=False,
            identity=Identity.parse("localhost"),
            dialled=("localhost", 443),
        )
        theirs = server_engine(server)
        shake(ours, theirs)
        engines.append(ours)

    assert [True, False] == [each.facts.session_reused for each in engines]
    assert 0 == len(cache)


@pytest.mark.native
def test_a_session_of_tls12_serves_many():
    """Two TLS 1.2 connections at once may resume the same session."""
    client, server = caching("tls12"), server_context()
    dial(client, server)
    for _ in range(2):
        ours = Engine(
            client,
            server_side=False,
            identity=Identity.parse("localhost"),
            dialled=("localhost", 443),
        )
        shake(ours, server_engine(server))
        assert ours.facts is not None

        assert ours.facts.session_reused


@pytest.mark.native
def test_tickets_are_kept_once_read():
    """A TLS 1.3 ticket is kept when it comes, and not before."""
    client = caching("tls13")
    ours = Engine(
        client,
        server_side=False,
        identity=Identity.parse("localhost"),
        dialled=("localhost", 443),
    )
    theirs = server_engine()
    shake(ours, theirs)
    before = len(client.session_cache)
    move(theirs, ours)
    assert read(ours) is None
    assert read(ours) is None

    assert (0, 1) == (before, len(client.session_cache))


# -- time -------------------------------------------------------------------


def at(moment: float) -> SimpleNamespace:
    """Stand for the module ``time``, at *moment*."""
    return SimpleNamespace(time=lambda: moment)


@pytest.mark.native
@pytest.mark.parametrize("days", [-3, 1, 100])
def test_a_verdict_ages(version: str, monkeypatch, days: int):
    """No session is resumed after its age, nor with the clock set back."""
    client, server = caching(version), server_context()
    dial(client, server)
    monkeypatch.setattr(
        "tlskit.policy.sessions.time", at(time.time() + days * 86400)
    )

    assert not resumes(client, server)


@pytest.mark.native
def test_resuming_does_not_rejuvenate(version: str, monkeypatch):
    """A verdict is as old as its first handshake, however often it is used."""
    client, server = caching(version), server_context()
    dial(client, server)
    now = time.time()
    monkeypatch.setattr("tlskit.policy.sessions.time", at(now + 7000))
    monkeypatch.setattr("tlskit.engine.resumption.time", at(now + 7000))
    assert resumes(client, server)
    monkeypatch.setattr("tlskit.policy.sessions.time", at(now + 7300))

    assert not resumes(client, server)


@pytest.mark.native
def test_a_verdict_ends_with_its_certificates(version: str, monkeypatch):
    """A certificate that expired since is not hidden by a session."""
    client, server = caching(version), server_context()
    client.set_session_cache(SessionCache(max_age=604800))
    dial(client, server)
    later = time.time() + 100 * 86400
    monkeypatch.setattr("tlskit.verify.evidence.time", at(later))

    with pytest.raises(tlskit.VerificationError) as caught:
        dial(client, server)
    assert "expired" == caught.value.code


@pytest.mark.native
def test_a_server_sees_a_client_expire(version: str, monkeypatch):
    """Nor does a client's certificate live on in the ticket it got."""
    ca = authority()
    now, day = datetime.now(timezone.utc), timedelta(days=1)
    client = caching(version)
    ca.issue("client.example", valid=(now - day, now + day)).apply(client)
    server = server_context()
    ca.trust(server)
    server.set_verify()
    dial(client, server)
    assert resumes(client, server)
    monkeypatch.setattr(
        "tlskit.verify.evidence.time", at(time.time() + 2 * 86400)
    )

    with pytest.raises(tlskit.VerificationError) as caught:
        dial(client, server)
    assert "expired" == caught.value.code


# -- which servers resume ---------------------------------------------------


def tolerant_and_strict(context: tlskit.ServerContext) -> None:
    """Tolerate what a second verifier finds, of which no ticket tells."""
    context.try_verify()
    context.set_strict()


@pytest.mark.parametrize(
    "change",
    [
        tolerant_and_strict,
        lambda context: context.set_certificate_verifier(
            lambda _depth, ok, _certificate: ok
        ),
        lambda context: context.set_session_lifetime(0),
    ],
)
def test_servers_that_must_not_resume(version: str, change: Any):
    """What a ticket knows nothing of is looked at in every handshake."""
    server = server_context()
    authority().trust(server)
    change(server)
    client = caching(version)
    authority().issue("client.example").apply(client)

    assert not resumes(client, server)
    assert not resumes(client, server)
    if version == "tls13":
        assert 0 == len(client.session_cache), "it has sent a ticket"


@pytest.mark.native
@pytest.mark.parametrize(
    "change",
    [
        lambda context: context.try_verify(),
        lambda context: context.set_verify(),
        lambda context: context.set_verify_optional(),
        lambda context: context.set_server_name_callback(lambda _name: None),
        lambda context: context.set_server_names(
            {"localhost": demanding(), "other.example": server_context()}
        ),
        lambda context: (context.set_verify(), context.set_strict()),
        lambda context: (
            context.set_verify(),
            context.set_pins([pin_of(authority().certificate)]),
        ),
    ],
)
def test_servers_that_resume(version: str, change: Any):
    """The verdict comes with the ticket, by the same rule."""
    server = server_context()
    authority().trust(server)
    change(server)
    client = caching(version)
    authority().issue("client.example").apply(client)

    assert not resumes(client, server)
    assert resumes(client, server)
    assert resumes(client, server)


def demanding() -> tlskit.ServerContext:
    """Make a server that demands certificates."""
    server = server_context()
    authority().trust(server)
    server.set_verify()
    return server


@pytest.mark.native
def test_a_changed_server_starts_anew(version: str):
    """A change of the server's context costs resumption once, no more."""
    server, client = server_context(), caching(version)
    dial(client, server)
    server.set_alpn(["h2"])

    assert [False, True] == [resumes(client, server) for _ in range(2)]


@pytest.mark.native
def test_the_lifetime_is_told():
    """A TLS 1.3 server tells clients how long its tickets live."""
    server, client = server_context(), caching("tls13")
    server.set_session_lifetime(777)
    dial(client, server)
    ((_, (session,)),) = client.session_cache._kept.items()

    # tlsext_tick_lifetime_hint is [9], an INTEGER of two bytes.
    assert b"\xa9\x04\x02\x02" + (777).to_bytes(2, "big") in session.der


@pytest.mark.parametrize("seconds", [-1, 604801])
def test_lifetimes_out_of_range(seconds: int):
    """RFC 8446 allows a week."""
    with pytest.raises(ValueError, match="604800"):
        server_context().set_session_lifetime(seconds)


# -- persisted --------------------------------------------------------------


@pytest.mark.native
def test_dump_and_load(version: str):
    """What one process dumped, another one resumes."""
    client, server = caching(version), server_context()
    dial(client, server)
    data = client.session_cache.dump()
    later = client_context(version, session_cache=SessionCache())

    assert 1 == later.session_cache.load(data)
    facts = dial(later, server).facts
    assert facts is not None
    assert facts.session_reused
    assert facts.peer_verified
    assert 2 == len(facts.verified_chain)


@pytest.mark.native
def test_dumped_tickets_are_gone():
    """A TLS 1.3 ticket is in the dump or in the cache, not in both."""
    client, server = caching("tls13"), server_context()
    dial(client, server)
    client.session_cache.dump()

    assert 0 == len(client.session_cache)


@pytest.mark.native
@pytest.mark.parametrize("place", [0, 20, 60, 400, -1])
def test_damaged_dumps(version: str, place: int, caplog):
    """One changed byte: nothing is loaded, and the handshake is a full one."""
    client, server = caching(version), server_context()
    dial(client, server)
    data = bytearray(client.session_cache.dump())
    data[place] ^= 1
    client.session_cache.clear()

    assert 0 == client.session_cache.load(bytes(data))
    assert "damaged" in caplog.text
    assert not resumes(client, server)


def sealed(entries: Any) -> bytes:
    """Write *entries* as a dump does."""
    body = json.dumps(entries).encode()
    return MAGIC + hashlib.sha256(body).digest() + body


@pytest.mark.native
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("der", "MAA="),
        ("der", ""),
        ("verified_at", 1.0),
        ("verified_at", float("nan")),
        ("verified_at", float("inf")),
    ],
)
def test_stale_or_broken_entries(version: str, name: str, value: Any):
    """A dump that is whole, but useless, costs a full handshake."""
    client, server = caching(version), server_context()
    dial(client, server)
    cache = client.session_cache
    (entry,) = json.loads(cache.dump()[len(MAGIC) + 32 :])
    cache.clear()
    cache.load(sealed([entry | {name: value}]))

    assert not resumes(client, server)


@pytest.mark.native
def test_tickets_of_another_server(version: str):
    """A server that can't read our ticket just shows its certificate."""
    client = caching(version)
    dial(client, server_context())

    assert not resumes(client, server_context())


@pytest.mark.native
def test_a_verdict_on_another_certificate(version: str):
    """A verdict that is about someone else is refused."""
    client, server = caching(version), server_context()
    dial(client, server)
    cache = client.session_cache
    (entry,) = json.loads(cache.dump()[len(MAGIC) + 32 :])
    cache.clear()
    cache.load(sealed([entry | {"peer_chain": entry["verified_chain"][1:]}]))

    with pytest.raises(tlskit.VerificationError):
        dial(client, server)
    assert 0 == len(cache)


@pytest.mark.native
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", float("inf")),
        ("version", "tls13"),
        ("peer_chain", ["MAA="]),
        ("peer_chain", ["no base64"]),
        ("verified_chain", None),
    ],
)
def test_malformed_entries(name: str, value: Any):
    """An entry of another shape spoils the whole dump, and nothing else."""
    client = caching()
    dial(client, server_context())
    cache = client.session_cache
    (entry,) = json.loads(cache.dump()[len(MAGIC) + 32 :])

    assert 1 == cache.load(sealed([entry]))
    assert 0 == cache.load(sealed([entry | {name: value}]))


@pytest.mark.native
def test_certificate_of_a_later_version():
    """A certificate that cryptography can't read is a damaged entry."""
    client = caching()
    dial(client, server_context())
    cache = client.session_cache
    (entry,) = json.loads(cache.dump()[len(MAGIC) + 32 :])
    der = base64.b64decode(entry["verified_chain"][0])
    fourth = der.replace(b"\xa0\3\2\1\2", b"\xa0\3\2\1\3", 1)
    entry["verified_chain"] = [base64.b64encode(fourth).decode()]

    assert 0 == cache.load(sealed([entry]))


def test_nesting_without_end():
    """Not even a parser that gives up."""
    body = b"[" * 100_000
    data = MAGIC + hashlib.sha256(body).digest() + body

    assert 0 == SessionCache().load(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        MAGIC,
        sealed({}),
        sealed([{}]),
        sealed([1]),
        sealed(None),
        sealed([{"policy": 1, "der": 2}]),
    ],
)
def test_nothing_to_load(data: bytes):
    """Whatever a file holds, loading it doesn't fail."""
    assert 0 == SessionCache().load(data)


# -- the cache itself -------------------------------------------------------


def key(number: int = 0) -> SessionKey:
    """Make a key."""
    return SessionKey(b"policy", "localhost", number, "localhost", ())


def session(version: int = 0x0304, name: bytes = b"") -> Session:
    """Make a session that nobody can resume."""
    return Session(name, version, time.time(), (), ())


def test_bounded_by_servers():
    """The server that was unused for longest is forgotten."""
    cache = SessionCache(size=2)
    cache.keep(key(1), session(0x0303))
    cache.keep(key(2), session(0x0303))
    assert cache.take(key(1)) is not None
    cache.keep(key(3), session(0x0303))

    assert cache.take(key(2)) is None
    assert cache.take(key(1)) is not None
    assert 2 == len(cache)


def test_bounded_per_server():
    """Of one server no more than the newest four tickets are kept."""
    cache = SessionCache()
    for number in range(6):
        cache.keep(key(), session(name=bytes([number])))
    taken = [cache.take(key()) for _ in range(5)]

    assert [b"\5", b"\4", b"\3", b"\2", None] == [
        each and each.der for each in taken
    ]


def test_one_of_tls12():
    """Before TLS 1.3 the newest session replaces the others."""
    cache = SessionCache()
    cache.keep(key(), session())
    cache.keep(key(), session(0x0303))

    assert 1 == len(cache)


def test_what_is_told():
    """A cache tells how full it is, and is true though it is empty."""
    cache = SessionCache()

    assert "<SessionCache 0 sessions>" == repr(cache)
    assert cache
    assert "secret" not in repr(session(name=b"secret"))


@pytest.mark.parametrize(
    "wrong", [{"size": 0}, {"max_age": 0}, {"max_age": 604801}]
)
def test_out_of_range(wrong: dict[str, int]):
    """A cache holds at least one server, for at most a week."""
    with pytest.raises(ValueError, match="not"):
        SessionCache(**wrong)


def test_sealed():
    """A sealed context keeps its cache; another kind of thing is none."""
    context = caching()
    with pytest.raises(TypeError):
        context.set_session_cache({})  # type: ignore[arg-type]
    context.set_session_cache(None)
    context.seal()

    with pytest.raises(tlskit.SealedError):
        context.set_session_cache(SessionCache())


def test_secure_with_a_cache():
    """The secure context takes its cache before it seals itself."""
    cache = SessionCache()

    assert cache is tlskit.ClientContext(session_cache=cache).session_cache


# -- the name of the settings -----------------------------------------------


def test_policies_have_names():
    """Equal settings have the same name, other settings another one."""
    settings = Settings(protocol("auto"))

    assert policy_of(settings) == policy_of(Settings(protocol("auto")))
    assert policy_of(settings) != policy_of(replace(settings, strict=True))
    assert policy_of(settings) == policy_of(replace(settings, keylog=print))


@pytest.mark.parametrize(
    "value",
    [
        datetime(2030, 1, 1, tzinfo=timezone.utc),
        x509.load_pem_x509_crl(authority().crl()),
        authority().certificate,
        (b"bytes", None, 1.5),
    ],
)
def test_kinds_of_values(value: Any):
    """Each kind of value that settings may hold has a part in the name."""

    @dataclass(frozen=True)
    class More(Settings):
        thing: object = None

    names = {
        policy_of(More(protocol("auto"), thing=thing))
        for thing in (value, (value,), None, "text")
    }

    assert None not in names
    assert 4 == len(names)


def test_what_is_unknown_has_no_name():
    """A setting that is not understood prevents resumption."""

    @dataclass(frozen=True)
    class More(Settings):
        thing: object = None

    assert policy_of(More(protocol("auto"))) is not None
    assert policy_of(More(protocol("auto"), thing=object())) is None


def test_no_name_to_check():
    """Without a host name there is nothing to keep a session under."""
    context = caching()
    context.set_verify_hostname(False)
    for _ in range(2):
        ours = Engine(context, server_side=False, dialled=("localhost", 443))
        theirs = server_engine(server_context())
        shake(ours, theirs)
        assert b"hello" == exchange(theirs, ours, b"hello")
        assert ours.facts is not None
        assert not ours.facts.session_reused
    assert 0 == len(context.session_cache)
