"""Which alert a peer gets when we refuse it after OpenSSL has accepted it."""

from __future__ import annotations

import pytest

import tlskit
from tlskit.engine.engine import Engine, State
from tlskit.errors.codes import Alert, VerifyReason
from tlskit.openssl import native
from tlskit.testing import CA

from ..engines import (
    authority,
    client_context,
    client_engine,
    move,
    server_engine,
    shake,
)

VERSIONS = ("tls12", "tls13")
#: No key has it.
PIN = "sha256/" + "A" * 43 + "="
#: What ``cryptography`` verifies with no key of a CA.
_ODD = CA("tlskit Ed25519 CA", key_type="ed25519")
_ODD_LEAF = _ODD.issue("localhost")


class RefusalError(Exception):
    """What a hook of these tests raises."""


class PickyClient(tlskit.ClientContext):
    """Refuses everybody, at last."""

    error: BaseException = RefusalError("not you")

    def verify_peer(self, verdict):
        """Refuse."""
        raise self.error


class PickyServer(tlskit.ServerContext):
    """Refuses everybody, at last."""

    error: BaseException = RefusalError("not you")

    def verify_peer(self, verdict):
        """Refuse."""
        raise self.error


def picky_client(how: str, version: str) -> tlskit.ClientContext:
    """Make a client's context that refuses by this."""
    kind = PickyClient if how == "hook" else tlskit.ClientContext
    context = kind(version)
    authority().trust(context)
    _ODD.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    if how == "pins":
        context.set_pins([PIN])
    elif how == "strict":
        context.set_strict()
    return context


def picky_server(how: str) -> tlskit.ServerContext:
    """Make a server's context that refuses by this."""
    context = (PickyServer if how == "hook" else tlskit.ServerContext)()
    _ODD_LEAF.apply(context)
    authority().trust(context)
    _ODD.trust(context)
    context.set_verify()
    if how == "pins":
        context.set_pins([PIN])
    elif how == "strict":
        context.set_strict()
    return context


def trusting_client(version: str) -> tlskit.ClientContext:
    """Make a client's context with a certificate of its own."""
    context = client_context(version)
    _ODD.trust(context)
    _ODD.issue("client.example").apply(context)
    return context


def trusting_server() -> tlskit.ServerContext:
    """Make a server's context that asks for a certificate."""
    context = tlskit.ServerContext()
    _ODD_LEAF.apply(context)
    authority().trust(context)
    _ODD.trust(context)
    context.try_verify()
    return context


def refuse(who: Engine, whom: Engine) -> tuple[Exception, Exception]:
    """Shake hands; give what the one raises, and then the other."""
    errors = {}
    for _ in range(20):
        for one, other in ((who, whom), (whom, who)):
            if one.state is State.HANDSHAKE:
                try:
                    one.handshake()
                except BaseException as error:
                    errors[one] = error
            elif one.state is State.OPEN:
                try:
                    one.read_into(bytearray(1))
                except tlskit.TLSError as error:
                    errors[one] = error
            move(one, other)
        if len(errors) == 2:
            return errors[who], errors[whom]
    raise AssertionError(f"nobody was refused: {errors}")


HOWS = {
    "hook": RefusalError,
    "pins": tlskit.VerificationError,
    "strict": tlskit.VerificationError,
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", HOWS)
def test_server_hears_why(version: str, how: str) -> None:
    """A client that refuses by its own rules tells the server."""
    client = client_engine(picky_client(how, version))

    ours, theirs = refuse(client, server_engine(trusting_server()))

    assert isinstance(ours, HOWS[how])
    assert isinstance(theirs, tlskit.AlertError)
    assert Alert.BAD_CERTIFICATE is theirs.alert


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", HOWS)
def test_client_hears_why(version: str, how: str) -> None:
    """A server that refuses by its own rules tells the client."""
    client = client_engine(trusting_client(version))

    ours, theirs = refuse(server_engine(picky_server(how)), client)

    assert isinstance(ours, HOWS[how])
    assert isinstance(theirs, tlskit.AlertError)
    assert Alert.BAD_CERTIFICATE is theirs.alert


SUITES = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256:TLS_AES_128_CCM_SHA256",
)


@pytest.mark.parametrize("suites", SUITES)
def test_alert_is_sealed_in_every_suite(suites: str) -> None:
    """In TLS 1.3 the client can open what the server seals by itself."""
    context, picky = trusting_client("tls13"), picky_server("hook")
    for each in (context, picky):
        each.set_ciphersuites(suites)
        each.set_ciphers("DEFAULT:@SECLEVEL=0")  # CCM_8 is a weak one.
    client = client_engine(context)

    _, theirs = refuse(server_engine(picky), client)

    assert isinstance(theirs, tlskit.AlertError)
    assert Alert.BAD_CERTIFICATE is theirs.alert
    assert suites.startswith(client.cipher()[0])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("server_refuses", [True, False])
def test_hook_chooses_the_alert(version: str, server_refuses: bool) -> None:
    """An error that wants another alert gets it; an interrupt blames none."""
    denied, interrupt = RefusalError("not now"), KeyboardInterrupt()
    denied.alert = Alert.ACCESS_DENIED
    for error, wanted in (
        (denied, Alert.ACCESS_DENIED),
        (interrupt, Alert.INTERNAL_ERROR),
    ):
        if server_refuses:
            picky = picky_server("hook")
            who = server_engine(picky)
            whom = client_engine(trusting_client(version))
        else:
            picky = picky_client("hook", version)
            who = client_engine(picky)
            whom = server_engine(trusting_server())
        picky.error = error

        ours, theirs = refuse(who, whom)

        assert error is ours
        assert wanted is theirs.alert


@pytest.mark.parametrize("version", VERSIONS)
def test_client_that_is_resumed_hears_why(version: str) -> None:
    """A hook that refuses a session which was good before tells the client."""
    if not native.has("session-copies"):
        pytest.skip("this client resumes nothing")
    asked = []

    class Moody(tlskit.ServerContext):
        def verify_peer(self, verdict):
            asked.append(verdict.session_reused)
            if len(asked) > 1:
                raise RefusalError("not again")

    context = Moody()
    _ODD_LEAF.apply(context)
    ours = client_context(version)
    _ODD.trust(ours)
    ours.set_session_cache(tlskit.SessionCache())
    first, second = (
        Engine(
            ours,
            server_side=False,
            identity=client_engine(ours).record.identity,
            dialled=("localhost", 1),
        )
        for _ in range(2)
    )
    before = server_engine(context)
    shake(first, before)
    before.write(b"x")
    move(before, first)
    first.read_into(bytearray(1))

    _, theirs = refuse(server_engine(context), second)

    assert [False, True] == asked
    assert isinstance(theirs, tlskit.AlertError)
    assert Alert.BAD_CERTIFICATE is theirs.alert


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", HOWS)
def test_refused_server_never_sees_the_client(version: str, how: str) -> None:
    """A client's own certificate does not leave for who is refused."""
    context = picky_client(how, version)
    _ODD.issue("client.example").apply(context)
    server = server_engine(trusting_server())

    refuse(client_engine(context), server)

    assert {} == server.record.chain


@pytest.mark.parametrize("version", VERSIONS)
def test_hook_is_asked_once_before_we_finish(version: str) -> None:
    """The verdict is whole though it comes before our last flight."""
    verdicts = []

    class Curious(tlskit.ClientContext):
        def verify_peer(self, verdict):
            verdicts.append((verdict, server.state))

    context = Curious(version)
    authority().trust(context)
    context.set_verify()
    context.set_verify_hostname()
    client, server = client_engine(context), server_engine()
    shake(client, server)

    ((verdict, theirs),) = verdicts
    assert State.HANDSHAKE is theirs
    assert verdict.peer_verified
    facts = client.facts
    assert verdict.tls_unique == facts.tls_unique
    assert verdict.cipher == facts.cipher == client.cipher()[0]
    assert verdict.group == facts.group
    if version == "tls12":
        assert server.facts.tls_unique == facts.tls_unique
        assert facts.exporter_is_unique is native.has("extended-master-secret")


def test_unknown_suite_or_secret_says_nothing() -> None:
    """What can't be sealed is not sent in the clear instead."""
    from tlskit.engine.refusal.alerts import LastWords

    words = LastWords(server_side=True)
    suite = "TLS_AES_128_GCM_SHA256"

    assert b"" == words.say(RefusalError(), 0x0304, suite)
    words.hear(b"SERVER_TRAFFIC_SECRET_0 00 " + b"ab" * 32)
    assert b"" == words.say(RefusalError(), 0x0304, "TLS_NEW")
    assert b"" != words.say(RefusalError(), 0x0304, suite)
    assert b"" == words.say(RefusalError(), 0x0304, suite)


@pytest.mark.parametrize("version", [0x0303, 0x0304])
def test_alert_fits_the_fault(version: int) -> None:
    """Faults that come to light late have OpenSSL's alerts."""
    from tlskit.engine.refusal.alerts import alert_for

    wanted = {
        VerifyReason.CERT_HAS_EXPIRED: Alert.CERTIFICATE_EXPIRED,
        VerifyReason.CERT_REVOKED: Alert.CERTIFICATE_REVOKED,
        VerifyReason.SELF_SIGNED_CERT_IN_CHAIN: Alert.UNKNOWN_CA,
        VerifyReason.PIN_MISMATCH: Alert.BAD_CERTIFICATE,
        VerifyReason.NO_CERTIFICATE: Alert.CERTIFICATE_REQUIRED
        if version == 0x0304
        else Alert.HANDSHAKE_FAILURE,
    }

    assert wanted == {
        reason: alert_for(tlskit.VerificationError(reason=reason), version)
        for reason in wanted
    }
