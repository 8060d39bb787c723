"""Sessions that go from socket to socket, as FTPS clients hand them on."""

from __future__ import annotations

import ssl

import pytest

import tlskit
from tlskit.stdlib.resuming import SSLSession

from ..libraries import authority, client, server, stdlib_server
from ..peers import VERSIONS
from .test_stdlib_memory import End, move, shake

NAME = "localhost"
native = pytest.mark.native


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version, by the name of its protocol."""
    name: str = request.param
    return name


def end(
    context: ssl.SSLContext,
    hostname: str | None = None,
    session: object = None,
) -> End:
    """Make an end; a client's, if there is a host name."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(
        *(incoming, outgoing),
        server_side=hostname is None,
        server_hostname=hostname,
        session=session,  # type: ignore[arg-type]
    )
    return End(tls, incoming, outgoing)


def heard(
    ours: ssl.SSLContext,
    theirs: ssl.SSLContext,
    session: object = None,
    name: str = NAME,
) -> ssl.SSLObject:
    """Shake hands, and hear a word, with which tickets come."""
    one, two = end(ours, name, session), end(theirs)
    shake(one, two)
    two.tls.write(b"220 ready")
    move(two, one)
    assert b"220 ready" == one.tls.read(100)
    return one.tls


def adapter(version: str) -> ssl.SSLContext:
    """Make a client's adapter of this version."""
    context = tlskit.ClientContext(version)
    authority().trust(context)
    context.set_verify()
    context.set_verify_hostname()
    return context.as_ssl_context()


@native
@pytest.mark.parametrize("make", [stdlib_server, None])
def test_the_usual_recipe(version: str, make) -> None:
    """``wrap_socket(session=control.session)``, again and again."""
    ours = adapter(version)
    theirs = server().as_ssl_context() if make is None else make()
    control = heard(ours, theirs)
    assert not control.session_reused
    for _ in range(3):
        data = heard(ours, theirs, control.session)
        assert data.session_reused
        assert control.getpeercert() == data.getpeercert()


@native
def test_it_may_be_assigned(version: str) -> None:
    """Before the handshake, and not after it."""
    ours, theirs = adapter(version), server().as_ssl_context()
    session = heard(ours, theirs).session
    one, two = end(ours, NAME), end(theirs)
    one.tls.session = session
    shake(one, two)

    assert one.tls.session_reused
    with pytest.raises(ValueError, match="after handshake"):
        one.tls.session = session
    with pytest.raises(ValueError, match="server-side"):
        two.tls.session = session


@native
def test_another_name_is_verified_anew() -> None:
    """A session is good for the name that was checked; ssl does not ask."""
    ours, theirs = client().as_ssl_context(), server().as_ssl_context()
    session = heard(ours, theirs).session

    assert not heard(ours, theirs, session, "127.0.0.1").session_reused
    with pytest.raises(ssl.SSLCertVerificationError):
        heard(ours, theirs, session, "other.example")


@native
def test_another_rule_is_applied_anew() -> None:
    """The context has changed since: whom it pins now, it looks for."""
    context = client().copy()
    ours, theirs = context.as_ssl_context(), server().as_ssl_context()
    session = heard(ours, theirs).session
    context.set_pins(["sha256/" + "A" * 43 + "="])

    with pytest.raises(ssl.SSLCertVerificationError):
        heard(ours, theirs, session)


@native
def test_a_hook_is_asked_every_time() -> None:
    """Who judges certificates by a function of his own resumes nothing."""
    context = client().copy()
    ours, theirs = context.as_ssl_context(), server().as_ssl_context()
    session = heard(ours, theirs).session
    context.set_certificate_verifier(lambda _depth, ok, _certificate: ok)
    one, two = end(ours, NAME), end(theirs)
    one.tls.session = session
    shake(one, two)

    assert not one.tls.session_reused
    assert one.tls.session is None


@native
def test_another_context_is_a_mistake() -> None:
    """As in ssl; two adapters of one context are at home in it."""
    context, theirs = client(), server().as_ssl_context()
    session = heard(context.as_ssl_context(), theirs).session

    assert heard(context.as_ssl_context(), theirs, session).session_reused
    with pytest.raises(ValueError, match="different SSLContext"):
        end(client().as_ssl_context(), NAME, session)
    with pytest.raises(TypeError, match="not a SSLSession"):
        end(context.as_ssl_context(), NAME, object())
    # From 3.14 on Python looks at that itself.
    with pytest.raises((ssl.SSLError, ValueError), match=r"server|client mod"):
        end(context.as_ssl_context(), None, session)


def test_a_server_is_given_none() -> None:
    """What it resumes, clients ask for."""
    context = server()
    session = SSLSession.__new__(SSLSession)
    session._adapter = context.as_ssl_context()
    session._kept = ()  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"server-side|client mode"):
        end(context.as_ssl_context(), None, session)


@native
def test_what_it_tells(version: str) -> None:
    """What ``ssl.SSLSession`` tells, and no secret."""
    ours, theirs = adapter(version), server().as_ssl_context()
    control = heard(ours, theirs)
    session = control.session
    assert isinstance(session, SSLSession)

    assert session.has_ticket
    assert session.ticket_lifetime_hint > 0
    assert session.timeout > 0
    assert session.time > 0
    assert isinstance(session.id, bytes)
    assert session == control.session
    assert hash(session) == hash(control.session)
    assert session != heard(ours, theirs).session
    assert session != "session"
    assert "SSLSession of <tlskit" in repr(session)


def test_there_is_none_before_the_handshake() -> None:
    """Nor where nothing can be resumed."""
    one = end(client().as_ssl_context(), NAME)
    assert one.tls.session is None
    one.tls.session = None


@native
def test_without_a_ticket(version: str) -> None:
    """A server that sends none has nothing to be resumed."""
    context = server().copy()
    context.set_session_lifetime(0)
    ours = adapter(version)
    session = heard(ours, context.as_ssl_context()).session
    assert isinstance(session, SSLSession)

    assert not session.has_ticket
    assert 0 == session.ticket_lifetime_hint
    assert not heard(ours, context.as_ssl_context(), session).session_reused
