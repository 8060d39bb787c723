"""What a subclass decides in the handshake: names, ALPN, certificates."""

from __future__ import annotations

import dataclasses
import ssl

import pytest

import tlskit
from tlskit.engine.callbacks import Record
from tlskit.engine.engine import Engine
from tlskit.openssl import native
from tlskit.testing import CA, memory_pair
from tlskit.verify.identity import Identity

from ..engines import (
    authority,
    client_context,
    server_context,
    server_engine,
    shake,
)
from .test_client_hello import hello, records, sni

_CA = authority()
VERSIONS = ("tls12", "tls13")


@pytest.fixture(params=["with", "without"], autouse=True)
def capabilities(request):
    """Run everything with and without the capabilities of ``_native``."""
    if request.param == "with":
        yield
        return
    with native.without():
        yield


def server_for(*names: str) -> tlskit.ServerContext:
    """Make a server's context with a certificate for *names*."""
    context = tlskit.ServerContext()
    _CA.issue(*names).apply(context)
    return context


def named(context: tlskit.ClientContext, server, name: str):
    """Shake hands by *name*."""
    return memory_pair(context, server, hostname=name)


# -- the server name --------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_names(version):
    """Each name leads to its certificate; others stay where they are."""
    front = server_for("front.example")
    front.set_server_names(
        {
            "A.example": server_for("a.example"),
            "*.b.example": server_for("*.b.example"),
        }
    )
    front.seal()
    for name, wanted in {
        "a.example": "a.example",
        "x.b.example": "*.b.example",
        "front.example": "front.example",
    }.items():
        client, server = named(client_context(version), front, name)
        with client, server:
            assert (wanted,) == client.peer_certificate_hostnames
            assert name == server.server_name
            assert client.peer_check_hostname(name)
    with pytest.raises(tlskit.IdentityError):
        named(client_context(version), front, "x.y.b.example")


def test_default_for_names():
    """A default takes the names that are not in the table."""
    front = server_for("front.example")
    front.set_server_names({}, default=server_for("other.example"))
    client, server = named(client_context(), front, "other.example")
    client.close()
    server.close()


def test_bad_table():
    """A table is checked when it is given."""
    context = server_context()
    with pytest.raises(TypeError):
        context.set_server_names({"a.example": client_context()})
    with pytest.raises(tlskit.ConfigurationError):
        context.set_server_names({"127.0.0.1": context})
    with pytest.raises(TypeError):
        context.set_server_name_callback("a.example")


@pytest.mark.parametrize("version", VERSIONS)
def test_whole_policy_of_the_chosen_context(version):
    """A chosen context that demands certificates really gets them."""
    strict = server_for("strict.example")
    _CA.trust(strict)
    strict.set_verify()
    strict.set_alpn(["strict"])
    front = server_for("front.example")
    front.set_alpn(["front"])
    front.set_server_name_callback(
        lambda name: strict if name == "strict.example" else front
    )
    asking = client_context(version)
    asking.set_alpn(["front", "strict"])
    with pytest.raises(tlskit.TLSError):
        client, server = named(asking, front, "strict.example")
        client.recv(1)
    _CA.issue("alice@example.com").apply(asking)
    client, server = named(asking, front, "strict.example")
    with client, server:
        assert server.peer_verified
        assert "strict" == client.alpn_selected
    client, server = named(asking, front, "front.example")
    with client, server:
        assert server.peer_certificate is None
        assert "front" == client.alpn_selected


@pytest.mark.parametrize("version", VERSIONS)
def test_version_out_of_range(version):
    """A chosen context that excludes the version refuses the client."""
    other = "tls13" if version == "tls12" else "tls12"
    narrow = tlskit.ServerContext(other)
    _CA.issue("narrow.example").apply(narrow)
    front = server_for("front.example")
    front.set_server_names({"narrow.example": narrow})

    with pytest.raises(tlskit.HandshakeError):
        named(client_context(version), front, "narrow.example")


class Refusing(tlskit.ServerContext):
    """Knows nobody."""

    wrong: object = None

    def choose_context(self, server_name):
        """Raise, or give what is no context."""
        if self.wrong is None:
            raise LookupError(server_name)
        return self.wrong


def refused_by(context, asking=None) -> BaseException:
    """Give what the server's side raises."""
    from ..engines import client_engine, move, server_engine

    client = client_engine(asking)
    server = server_engine(context)
    try:
        for _ in range(4):
            client.handshake()
            move(client, server)
            server.handshake()
            move(server, client)
    except tlskit.AlertError:
        raise AssertionError("the client heard it first") from None
    except BaseException as error:
        heard = None
        move(server, client)
        try:
            client.handshake()
        except tlskit.AlertError as alert:
            heard = alert
        error.heard = heard
        return error
    raise AssertionError("nobody refused")


def test_name_hook_that_raises(capfd):
    """It reaches this connection, the client hears it, nothing is printed."""
    context = Refusing("auto")
    _CA.issue("localhost").apply(context)
    error = refused_by(context)

    assert isinstance(error, LookupError)
    assert "localhost" == error.args[0]
    assert tlskit.Alert.UNRECOGNIZED_NAME is error.heard.alert
    assert ("", "") == capfd.readouterr()


def test_name_hook_that_gives_something_else():
    """What is no context is told as that."""
    context = Refusing("auto")
    _CA.issue("localhost").apply(context)
    context.wrong = "context"

    assert isinstance(refused_by(context), TypeError)


def test_name_hook_is_not_called_without_a_name():
    """A client that names no host is served by the context itself."""
    context = Refusing("auto")
    _CA.issue("127.0.0.1").apply(context)
    client, server = memory_pair(
        client_context(), context, hostname="127.0.0.1"
    )
    with client, server:
        assert server.server_name is None


def turned_away(name: bytes) -> tuple[BaseException, bytes]:
    """Give what a server raises for this name, and what it sends."""
    server = server_engine(Refusing_with_certificate())
    server.receive(records(hello(sni(name)), 16384))
    with pytest.raises(tlskit.HandshakeError) as caught:
        server.handshake()
    return caught.value, bytes(server.outgoing())


def test_name_that_is_not_ascii():
    """RFC 6066 has ASCII names only; a hook never sees another one."""
    error, sent = turned_away(b"stra\xdfe")

    assert isinstance(error, tlskit.NegotiationError)
    assert "'stra\\xdfe'" in str(error)
    assert tlskit.Alert.UNRECOGNIZED_NAME == sent[-1]


@pytest.mark.parametrize("name", [b"a\0b", b"a" * 300])
def test_name_that_openssl_refuses(name):
    """No hook sees it, since it can lead to nobody."""
    error, _ = turned_away(name)

    assert not isinstance(error, LookupError)


def Refusing_with_certificate():  # noqa: N802 - reads as the class does
    """Make one that could serve, if it wanted."""
    context = Refusing("auto")
    _CA.issue("localhost").apply(context)
    return context


# -- ALPN -------------------------------------------------------------------


def test_alpn_by_the_servers_order():
    """The server's preference decides."""
    asking, context = client_context(), server_context()
    asking.set_alpn(["http/1.1", b"h2"])
    context.set_alpn(["h2", "http/1.1"])
    client, server = memory_pair(asking, context)
    with client, server:
        assert "h2" == client.alpn_selected == server.alpn_selected


@pytest.mark.native
@pytest.mark.skipif(
    not tlskit.capabilities()["groups"], reason="the binding has no groups"
)
def test_hooks_are_asked_once(request):
    """A second ClientHello gets the first one's answers."""
    if not native.has("groups"):
        pytest.skip("groups are switched off")
    asked = []

    class Counting(tlskit.ServerContext):
        def choose_context(self, server_name):
            asked.append(server_name)
            return server_context()

        def select_alpn(self, offered):
            asked.append(offered)
            return offered[-1]

    context = Counting()
    authority().issue("localhost").apply(context)
    context.set_groups(["P-256"])
    asking = client_context("tls13")
    asking.set_groups("X25519:P-256")
    asking.set_alpn(["h2", "http/1.1"])
    with memory_pair(asking, context)[0] as port:
        assert port.group != "X25519"
    assert "localhost" == asked[0]
    assert len(asked) in (1, 2)


class Asked:
    """A connection, as far as a callback for server names looks at it."""

    def __init__(self) -> None:
        self.name = b"a.example"
        self.version = 0x0304
        self.options = 0

    def get_protocol_version(self) -> int:
        """Give the version that was chosen."""
        return self.version

    def set_options(self, options: int) -> None:
        """Take options."""
        self.options |= options

    def get_servername(self) -> bytes:
        """Give the name of the present ClientHello."""
        return self.name


def test_second_client_hello_with_another_name():
    """Policy by one server name, and another one told, is refused."""

    class Indifferent(tlskit.ServerContext):
        def choose_context(self, server_name):
            return None

    hooks = Indifferent()
    record = Record(hooks, hooks.prepared(), None, server_side=True)
    hello = Asked()
    assert record.name_arrived(hello) is None
    assert record.name_arrived(hello) is None

    assert not hello.options
    hello.name = b"b.example"
    assert tlskit.Alert.ILLEGAL_PARAMETER == record.name_arrived(hello)
    assert isinstance(record.error, tlskit.NegotiationError)


def test_client_that_asks_for_another_name_on_retry():
    """On the wire: what is refused is the second ClientHello of a client."""
    context = server_for("a.example")
    context.enable_ecdhe("secp384r1")  # Not what clients guess.
    engine = context.new_engine()
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client = asking.wrap_bio(coming, going, server_hostname="a.example")

    def said() -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        return going.read()

    engine.receive(said())
    assert engine.handshake() is None
    coming.write(bytes(engine.outgoing()))
    engine.receive(said().replace(b"a.example", b"b.example"))
    with pytest.raises(tlskit.NegotiationError, match="another server name"):
        engine.handshake()
    coming.write(bytes(engine.outgoing()))
    with pytest.raises(ssl.SSLError, match=r"ILLEGAL_PARAMETER|FAILURE"):
        client.do_handshake()


def test_tls_1_2_has_one_client_hello():
    """There, OpenSSL tells the name of the session that is resumed."""
    hooks = server_context()
    record = Record(hooks, hooks.prepared(), None, server_side=True)
    hello = Asked()
    hello.version = 0x0303
    assert record.name_arrived(hello) is None
    hello.name = b"b.example"
    assert record.name_arrived(hello) is None
    assert record.error is None


def test_second_client_hello_with_other_protocols():
    """A protocol is chosen from the list that was sent first, or none is."""
    hooks = server_context()
    hooks.set_alpn(["h2"])
    record = Record(hooks, hooks.prepared(), None, server_side=True)
    assert b"h2" == record.alpn_arrived([b"h2"])
    assert b"h2" == record.alpn_arrived([b"h2"])

    assert tlskit.Alert.ILLEGAL_PARAMETER == record.alpn_arrived([b"x", b"h2"])
    assert isinstance(record.error, tlskit.NegotiationError)


def test_mistake_in_a_server_hook():
    """memory_pair() raises the mistake, not the alert that came of it."""

    class Mistaken(tlskit.ServerContext):
        def choose_context(self, server_name):
            return "no context"

    context = Mistaken()
    authority().issue("localhost").apply(context)

    with pytest.raises(TypeError, match="no context") as caught:
        memory_pair(client_context(), context)
    assert isinstance(caught.value.__cause__, tlskit.TLSError)


def test_alpn_without_match():
    """Without a match the client is refused, unless that is allowed."""
    asking, context = client_context(), server_context()
    asking.set_alpn(["x"])
    context.set_alpn(["h2"])
    error = refused_by(context, asking)
    assert isinstance(error, tlskit.NegotiationError)
    assert tlskit.Alert.NO_APPLICATION_PROTOCOL is error.heard.alert

    context.set_alpn(["h2"], allow_no_match=True)
    client, server = memory_pair(asking, context)
    with client, server:
        assert client.alpn_selected is server.alpn_selected is None


class Selecting(tlskit.ServerContext):
    """Selects what it is told to."""

    answer: object = None

    def select_alpn(self, offered):
        """Answer, or raise."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("not-offered", ValueError), (LookupError("x"), LookupError)],
)
def test_alpn_hook_gone_wrong(answer, kind):
    """What a hook does wrong reaches its own connection only."""
    context = Selecting()
    _CA.issue("localhost").apply(context)
    context.answer = answer
    asking = client_context()
    asking.set_alpn(["x"])

    assert isinstance(refused_by(context, asking), kind)


def test_alpn_hook():
    """A hook may select anything that is offered."""
    context = Selecting()
    _CA.issue("localhost").apply(context)
    context.answer = "b"
    asking = client_context()
    asking.set_alpn(["a", "b"])
    with memory_pair(asking, context)[0] as port:
        assert "b" == port.alpn_selected


# -- certificates -----------------------------------------------------------


def test_verifier_sees_every_certificate():
    """The root comes first; what it returns decides."""
    seen = []

    def verifier(depth, ok, certificate):
        seen.append((depth, ok, certificate.subject.rfc4514_string()))
        return ok

    asking = client_context()
    asking.set_certificate_verifier(verifier)
    with memory_pair(asking, server_context())[0] as port:
        assert port.peer_verified
    assert [1, 0] == [depth for depth, *_ in seen]


def test_verifier_that_tolerates():
    """It overrides the verdict, but not what is known."""
    asking = tlskit.ClientContext("auto")
    asking.set_certificate_verifier(lambda *_: True)
    with memory_pair(asking, server_context())[0] as port:
        assert not port.peer_verified
        assert port.verify_error is not None
        assert port.peer_subject_name is None
        assert port.peer_issuer_name is None
        assert () == port.verified_chain


def test_verifier_that_refuses():
    """A good chain may be refused, too; also a bad one."""
    for asking in (client_context(), tlskit.ClientContext("auto")):
        asking.set_certificate_verifier(lambda *_: False)
        with pytest.raises(tlskit.VerificationError):
            memory_pair(asking, server_context())


def test_verifier_that_raises():
    """What it raises is raised, whatever it is."""

    def broken(*_):
        raise KeyboardInterrupt

    asking = client_context()
    asking.set_certificate_verifier(broken)

    with pytest.raises(KeyboardInterrupt):
        memory_pair(asking, server_context())


def test_verifier_on_and_off():
    """True verifies without a function, False does not verify."""
    asking = tlskit.ClientContext("auto")
    asking.set_certificate_verifier(True)
    with pytest.raises(tlskit.VerificationError):
        memory_pair(asking, server_context())
    asking.set_certificate_verifier(False)
    with memory_pair(asking, server_context())[0] as port:
        assert not port.peer_verified


@pytest.mark.parametrize("version", VERSIONS)
def test_try_verify(version):
    """A server that only tries tolerates no, and a bad, certificate."""
    context = server_context()
    _CA.trust(context)
    context.try_verify()
    asking = client_context(version)
    with memory_pair(asking, context)[1] as port:
        assert tlskit.VerifyReason.NO_CERTIFICATE is port.verify_error.reason
    stranger = asking.copy()
    CA("a stranger").issue("mallory@example.com").apply(stranger)
    with memory_pair(stranger, context)[1] as port:
        assert port.peer_certificate is not None
        assert not port.peer_verified
        assert port.verify_error is not None
    known = asking.copy()
    _CA.issue("alice@example.com").apply(known)
    with memory_pair(known, context)[1] as port:
        assert port.peer_verified
        assert port.peer_subject_name == b"/CN=alice@example.com"
        assert port.peer_issuer_name == b"/CN=tlskit engines CA"


def test_late_hooks_on_both_sides():
    """``verify_peer`` and ``log_key`` may be methods of a subclass."""
    seen = []

    class Watching(tlskit.ServerContext):
        def verify_peer(self, verdict):
            seen.append(verdict.cipher)

        def log_key(self, line):
            seen.append(line.split()[0])

    context = Watching()
    _CA.issue("localhost").apply(context)
    for port in memory_pair(client_context("tls12"), context):
        port.close()

    assert "CLIENT_RANDOM" == seen[0]
    assert "ECDHE" in seen[1]


def test_base_hooks_do_nothing():
    """What no subclass and no setter uses has nothing to say."""
    context = server_context()
    context.log_key("line")

    assert context.choose_context("name") is None
    assert context.select_alpn(("h2",)) is None
    assert context.verify_certificate(None, 0, False) is False
    assert context.verify_peer(None) is None
    assert frozenset() == context.hooks_in_use


# -- Diffie-Hellman ---------------------------------------------------------


def test_dhe(tmp_path):
    """The parameters are used where TLS 1.2 allows it."""
    context = server_context()
    path = tmp_path / "dh.pem"
    path.write_bytes(tlskit.DH4096_PARAMS)
    context.enable_dhe(path)
    context = tlskit.ServerContext()
    _CA.issue("localhost", key_type="rsa").apply(context)
    context.enable_dhe()
    asking = client_context("tls12")
    asking.set_ciphers("DHE-RSA-AES256-GCM-SHA384")
    with memory_pair(asking, context)[0] as port:
        assert "DHE-RSA-AES256-GCM-SHA384" == port.cipher
    for bad in (b"garbage", tmp_path / "missing.pem"):
        with pytest.raises(tlskit.CredentialError):
            context.enable_dhe(bad)


@pytest.mark.parametrize("version", VERSIONS)
def test_ecdhe(version):
    """The curve is used; a client without it is refused."""
    context = server_context()
    context.enable_ecdhe()
    with memory_pair(client_context(version), context)[0] as port:
        assert "secp521r1" == port.group
    with pytest.raises(ValueError, match="is no curve"):
        context.enable_ecdhe("curve")
    with pytest.raises(tlskit.UnsupportedError):
        context.enable_ecdhe("secp160k1")


# -- channel bindings -------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_channel_bindings(version):
    """Both ends have the same values, also after close."""
    pair = memory_pair(client_context(version), server_context())
    kinds = ["tls-server-end-point"]
    if version == "tls13":
        kinds.append("tls-exporter")
    else:
        kinds.append("tls-unique")
        if native.has("extended-master-secret"):
            kinds.append("tls-exporter")
    for kind in kinds:
        ours, theirs = (port.channel_binding(kind) for port in pair)
        assert ours == theirs
        assert len(ours) >= 12
    before = pair[0].default_channel_binding()
    assert before == pair[1].default_channel_binding()
    assert ("tls-exporter" if version == "tls13" else "tls-unique") == (
        before[0]
    )
    material = pair[0].export_keying_material("label", 20, b"x")
    assert material == pair[1].export_keying_material(b"label", 20, b"x")
    for port in pair:
        port.close()
        assert before == port.default_channel_binding()
        with pytest.raises(ValueError, match="no channel binding"):
            port.channel_binding("tls-magic")
        with pytest.raises(ValueError, match="number of bytes"):
            port.export_keying_material("label", 0)
    if version == "tls13":
        with pytest.raises(tlskit.UnsupportedError, match="undefined"):
            pair[0].channel_binding("tls-unique")


def test_end_point_without_hash():
    """A signature without a hash has no such binding (RFC 5929)."""
    context = tlskit.ServerContext()
    CA("ed", key_type="ed25519").issue("localhost").apply(context)
    with memory_pair(tlskit.ClientContext("auto"), context)[0] as port:
        with pytest.raises(tlskit.UnsupportedError):
            port.channel_binding("tls-server-end-point")


@dataclasses.dataclass(frozen=True)
class FrozenRefusal(Exception):  # noqa: N818 - as applications have them
    """Lets nobody set anything, nor note anything on it."""

    why: str


def test_a_refusal_that_can_not_change():
    """What a hook raises comes out, whatever its class lets itself be told."""

    class Refusing(tlskit.ClientContext):
        def verify_peer(self, verdict):
            raise FrozenRefusal("not you")

    context = Refusing("auto")
    _CA.trust(context)
    context.set_verify()
    with pytest.raises(FrozenRefusal, match="not you"):
        memory_pair(context, server_for("localhost"), hostname="localhost")


def refuse_in_vain(context: tlskit.ClientContext) -> list[BaseException]:
    """Have a client's handshake fail twice; give what it raises."""
    client = Engine(
        context, server_side=False, identity=Identity.parse("localhost")
    )
    server = server_engine()
    causes = []
    for _ in range(2):
        with pytest.raises((tlskit.TLSError, LookupError)) as caught:
            shake(client, server)
        causes.append(caught.value.__cause__)
        del caught
    return causes


def test_why_is_told_again():
    """A failure that is raised once more has the cause that it had."""
    context = tlskit.ClientContext("auto")
    context.set_verify()
    first, again = map(repr, refuse_in_vain(context))

    assert "certificate verify failed" in first
    assert first == again


def test_a_hook_knows_why():
    """What a hook has raised keeps its own cause, not OpenSSL's."""

    class Refusing(tlskit.ClientContext):
        def verify_certificate(self, certificate, depth, ok):
            raise LookupError("not you") from KeyError("the reason")

    context = Refusing("auto")
    context.set_verify()
    first, again = map(repr, refuse_in_vain(context))

    assert "KeyError('the reason')" == first == again
