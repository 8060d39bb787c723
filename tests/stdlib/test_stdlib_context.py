"""The adapter's attributes: told, set again, changed, and refused."""

from __future__ import annotations

import copy
import pickle
import socket
import ssl
from contextlib import suppress

import pytest

import tlskit
from tlskit.stdlib.context import SSLContext
from tlskit.testing import CA, memory_pair

from ..libraries import authority, client, leaf, server, stdlib_server
from ..peers import PATIENCE, TcpServer

# The standard library warns of the very versions that we refuse.
pytestmark = pytest.mark.filterwarnings("ignore:ssl:DeprecationWarning")


def loose() -> tlskit.ClientContext:
    """Make a client's context that verifies nothing, and may change."""
    return tlskit.ClientContext("auto")


def unsealed() -> tlskit.ServerContext:
    """Make a server's context that may change."""
    return server().copy()


# -- what it is -------------------------------------------------------------


def test_it_is_what_libraries_check_for():
    """isinstance() finds what it looks for, on either side."""
    adapter = client().as_ssl_context()

    assert isinstance(adapter, ssl.SSLContext)
    assert ssl.PROTOCOL_TLS_CLIENT == adapter.protocol
    assert ssl.PROTOCOL_TLS_SERVER == server().as_ssl_context().protocol
    assert issubclass(adapter.sslsocket_class, ssl.SSLSocket)
    assert issubclass(adapter.sslobject_class, ssl.SSLObject)


def test_each_call_makes_another_of_the_same_context():
    """Application protocols of one adapter are not another's."""
    context = client()
    one, two = context.as_ssl_context(), context.as_ssl_context()

    assert one is not two
    assert context is one.tlskit_context is two.tlskit_context
    assert repr(context) in repr(one)


@pytest.mark.parametrize("wrong", [ssl.PROTOCOL_TLS_CLIENT, None, "secure"])
def test_it_is_made_from_a_context_only(wrong):
    """Who passes a protocol of ssl's is told what to do."""
    with pytest.raises(TypeError, match="as_ssl_context"):
        SSLContext(wrong)


def test_a_copy_is_an_adapter_of_the_same_context():
    """copy.copy() keeps the protocols, and lets them go their own way."""
    adapter = server().as_ssl_context()
    adapter.set_alpn_protocols(["h2"])
    twin = copy.copy(adapter)
    adapter.set_alpn_protocols(["http/1.1"])

    assert adapter.tlskit_context is twin.tlskit_context
    assert (b"h2",) == twin._alpn


@pytest.mark.parametrize("act", [pickle.dumps, copy.deepcopy])
def test_it_does_not_travel(act):
    """As any ssl.SSLContext, it can't be pickled."""
    with pytest.raises(TypeError, match="pickle"):
        act(client().as_ssl_context())


# -- what is told -----------------------------------------------------------


def test_a_verifying_client_tells_so():
    """What libraries look at before they trust a connection."""
    adapter = client().as_ssl_context()

    assert ssl.CERT_REQUIRED == adapter.verify_mode
    assert adapter.check_hostname is True
    assert adapter.hostname_checks_common_name is False
    assert ssl.TLSVersion.TLSv1_2 == adapter.minimum_version
    assert ssl.TLSVersion.TLSv1_3 == adapter.maximum_version
    assert ssl.OP_NO_COMPRESSION & adapter.options
    assert ssl.OP_NO_TLSv1_1 & adapter.options
    assert not ssl.OP_NO_TLSv1_2 & adapter.options
    assert ssl.VERIFY_X509_TRUSTED_FIRST == adapter.verify_flags
    assert {"x509": 1, "crl": 0, "x509_ca": 1} == adapter.cert_store_stats()
    assert adapter.keylog_filename is None
    assert adapter.sni_callback is None
    assert adapter.post_handshake_auth is False
    assert client(credentials=True).as_ssl_context().post_handshake_auth


def test_a_context_that_verifies_nothing_tells_so():
    """Nobody takes it for a secure one."""
    adapter = loose().as_ssl_context()

    assert ssl.CERT_NONE == adapter.verify_mode
    assert adapter.check_hostname is False


@pytest.mark.parametrize(
    ("context", "mode"),
    [(loose(), ssl.CERT_NONE), (unsealed(), ssl.CERT_OPTIONAL)],
)
def test_trying_to_verify_is_no_verification(context, mode):
    """To a client CERT_OPTIONAL would mean that everything was checked."""
    context.try_verify()

    assert mode == context.as_ssl_context().verify_mode


def test_roots_are_described_as_ssl_does():
    """get_ca_certs() gives DER, or what ssl would say of it."""
    theirs = ssl.create_default_context(cadata=authority().pem.decode())
    ours = client().as_ssl_context()

    assert theirs.get_ca_certs() == ours.get_ca_certs()
    assert theirs.get_ca_certs(True) == ours.get_ca_certs(True)


def test_ciphers_are_described_as_ssl_does():
    """get_ciphers() gives OpenSSL's order, in ssl's words."""
    found = client().as_ssl_context().get_ciphers()

    assert "TLS_AES_256_GCM_SHA384" == found[0]["name"]
    assert 256 == found[0]["strength_bits"]


def test_truncation_is_an_option():
    """A context that reads a cut stream as its end says so."""
    strict = server().as_ssl_context().options
    lenient = server(allow_truncation=True).as_ssl_context().options

    assert 1 << 7 == strict ^ lenient


# -- what is set again ------------------------------------------------------

SAME = [
    "verify_mode",
    "check_hostname",
    "hostname_checks_common_name",
    "options",
    "minimum_version",
    "maximum_version",
    "verify_flags",
    "post_handshake_auth",
    "keylog_filename",
    "sni_callback",
    "num_tickets",
]


@pytest.mark.parametrize("make", [client, server])
@pytest.mark.parametrize("name", SAME)
def test_setting_what_holds_is_harmless(make, name):
    """Libraries do it all the time, on sealed contexts, too."""
    context = make()
    before = context.settings
    adapter = context.as_ssl_context()
    if name == "num_tickets" and not context.server_side:
        return  # ssl refuses even that on a client's.
    setattr(adapter, name, getattr(adapter, name))

    assert before is context.settings


def test_loading_what_is_there_is_harmless(tmp_path):
    """The same roots, and the same credentials."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority().pem)
    chain, key = leaf().write(tmp_path)
    context = server(verify=True)
    before = context.settings
    adapter = context.as_ssl_context()
    adapter.load_verify_locations(roots)
    adapter.load_verify_locations(bytes(roots))
    adapter.load_verify_locations(cadata=authority().pem.decode())
    adapter.load_verify_locations(
        cadata=ssl.PEM_cert_to_DER_cert(authority().pem.decode())
    )
    adapter.load_cert_chain(chain, key)
    adapter.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED

    assert before is context.settings


# -- what a sealed context refuses ------------------------------------------

WEAKER = {
    "verify_mode": ssl.CERT_NONE,
    "check_hostname": False,
    "hostname_checks_common_name": True,
    "options": 0,
    "minimum_version": ssl.TLSVersion.TLSv1,
    "maximum_version": ssl.TLSVersion.TLSv1_2,
    "verify_flags": ssl.VERIFY_X509_STRICT,
    "keylog_filename": "/nowhere/keys",
    "sni_callback": print,
}
CALLS = {
    "load_verify_locations": lambda path: (str(path),),
    "load_cert_chain": lambda path: (str(path), str(path.parent / "key.pem")),
    "set_ciphers": lambda path: ("ALL",),
    "set_ecdh_curve": lambda path: ("secp384r1",),
}


@pytest.mark.parametrize("name", WEAKER)
def test_a_sealed_context_keeps_its_attributes(name):
    """Whatever a library wants: it gets an error, and nothing changes."""
    context = client()
    before = context.settings
    with pytest.raises(tlskit.SealedError):
        setattr(context.as_ssl_context(), name, WEAKER[name])

    assert before is context.settings


@pytest.mark.parametrize("make", [client, server])
@pytest.mark.parametrize("name", CALLS)
def test_a_sealed_context_loads_nothing(make, name, tmp_path):
    """No more roots, no other credentials, no other ciphers."""
    chain, _ = leaf("unknown-ca").write(tmp_path)
    context = make()
    before = context.settings
    with pytest.raises(tlskit.SealedError):
        getattr(context.as_ssl_context(), name)(*CALLS[name](chain))

    assert before is context.settings


def test_a_sealed_context_trusts_no_directory_more(tmp_path):
    """Nor a directory, whose roots nobody counts."""
    with pytest.raises(tlskit.SealedError):
        client().as_ssl_context().load_verify_locations(capath=tmp_path)


def test_a_sealed_context_trusts_no_default_roots(tmp_path):
    """Nor what the system trusts; unless it does so already."""
    strangers = tmp_path / "roots.pem"
    strangers.write_bytes(leaf("self-signed").chain_pem)
    with tlskit.set_default_verify_sources([strangers]):
        adapter = client().as_ssl_context()
        with pytest.raises(tlskit.SealedError):
            adapter.load_default_certs()
        with pytest.raises(tlskit.SealedError):
            adapter.set_default_verify_paths()
        tlskit.ClientContext().as_ssl_context().load_default_certs()


def test_a_sealed_server_refuses_dh_parameters():
    """The one loader that clients have not."""
    with pytest.raises(tlskit.SealedError):
        server().as_ssl_context().load_dh_params("params.pem")
    with pytest.raises(tlskit.SealedError):
        client().as_ssl_context().load_dh_params("params.pem")


# -- what an unsealed context takes -----------------------------------------


def test_verification_is_switched():
    """The usual incantation has its usual effect, in the usual order."""
    context = loose()
    adapter = context.as_ssl_context()
    adapter.check_hostname = True
    assert ssl.CERT_REQUIRED == adapter.verify_mode
    assert context.settings.verify_hostname

    with pytest.raises(ValueError, match="check_hostname"):
        adapter.verify_mode = ssl.CERT_NONE
    adapter.check_hostname = False
    adapter.verify_mode = ssl.CERT_NONE
    assert tlskit.policy.settings.Verify.NONE is context.settings.verify

    adapter.verify_mode = ssl.CERT_OPTIONAL
    assert tlskit.policy.settings.Verify.REQUIRE is context.settings.verify
    adapter.check_hostname = True
    assert ssl.CERT_REQUIRED == adapter.verify_mode


def test_a_server_may_ask_for_certificates():
    """CERT_OPTIONAL asks, CERT_REQUIRED demands."""
    context = unsealed()
    adapter = context.as_ssl_context()
    adapter.verify_mode = ssl.CERT_OPTIONAL
    assert tlskit.policy.settings.Verify.OPTIONAL is context.settings.verify
    adapter.verify_mode = ssl.CERT_REQUIRED
    assert tlskit.policy.settings.Verify.REQUIRE is context.settings.verify

    with pytest.raises(tlskit.ConfigurationError):
        adapter.check_hostname = True


def test_versions_are_narrowed():
    """One end or the other; but no old ones, and not past each other."""
    context = loose()
    adapter = context.as_ssl_context()
    adapter.minimum_version = ssl.TLSVersion.TLSv1_3
    assert ssl.TLSVersion.TLSv1_3 == adapter.minimum_version
    assert ssl.OP_NO_TLSv1_2 & adapter.options

    with pytest.raises(tlskit.ConfigurationError, match="no version"):
        adapter.maximum_version = ssl.TLSVersion.TLSv1_2
    for old in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.MINIMUM_SUPPORTED):
        with pytest.raises(tlskit.ConfigurationError, match="can't be"):
            adapter.minimum_version = old
    adapter.minimum_version = ssl.TLSVersion.TLSv1_2
    adapter.maximum_version = ssl.TLSVersion.TLSv1_2
    assert tlskit.TLSVersion.TLS_1_2 == context.settings.protocol.maximum


def test_versions_are_left_out_by_options():
    """The older way; what is taken back is spoken again."""
    context = loose()
    adapter = context.as_ssl_context()
    adapter.options |= ssl.OP_NO_TLSv1_3
    assert ssl.TLSVersion.TLSv1_2 == adapter.maximum_version
    assert ssl.OP_NO_TLSv1_3 & adapter.options

    with pytest.raises(tlskit.ConfigurationError, match="no version is left"):
        adapter.options |= ssl.OP_NO_TLSv1_2
    adapter.options ^= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
    assert ssl.TLSVersion.TLSv1_3 == adapter.minimum_version
    adapter.options &= ~ssl.OP_NO_TLSv1_2
    assert ssl.TLSVersion.TLSv1_2 == adapter.minimum_version
    assert ssl.TLSVersion.TLSv1_3 == adapter.maximum_version
    for other in (ssl.OP_NO_TLSv1_1, ssl.OP_NO_SSLv3, ssl.OP_NO_TICKET):
        with pytest.raises(tlskit.UnsupportedError, match="options"):
            adapter.options ^= other


@pytest.mark.parametrize(
    ("option", "left", "bound"),
    [
        (ssl.OP_NO_TLSv1_2, ssl.TLSVersion.TLSv1_3, "minimum_version"),
        (ssl.OP_NO_TLSv1_3, ssl.TLSVersion.TLSv1_2, "maximum_version"),
    ],
)
def test_bounds_bring_back_nothing(
    option: ssl.Options, left: ssl.TLSVersion, bound: str
) -> None:
    """What the options leave out stays out, as in ssl, whatever comes then."""
    adapter = tlskit.ClientContext("auto").as_ssl_context()
    copy.copy(adapter).options |= option  # Of the same tlskit context.
    setattr(
        adapter,
        bound,
        ssl.TLSVersion.TLSv1_2
        if left is ssl.TLSVersion.TLSv1_3
        else ssl.TLSVersion.TLSv1_3,
    )

    assert left is adapter.minimum_version
    assert left is adapter.maximum_version
    assert option & adapter.options
    adapter.options &= ~option
    assert ssl.TLSVersion.TLSv1_2 is adapter.minimum_version
    assert ssl.TLSVersion.TLSv1_3 is adapter.maximum_version


def test_bounds_and_options_leave_nothing() -> None:
    """Bounds that want but what the options leave out are refused."""
    adapter = tlskit.ClientContext("auto").as_ssl_context()
    adapter.options |= ssl.OP_NO_TLSv1_2
    with pytest.raises(tlskit.ConfigurationError, match="no version is left"):
        adapter.maximum_version = ssl.TLSVersion.TLSv1_2
    assert ssl.TLSVersion.TLSv1_3 is adapter.maximum_version


def test_no_version_is_left_out_in_between() -> None:
    """OpenSSL speaks versions from one to another; so nothing is ignored."""
    with pytest.warns(tlskit.InsecureProtocolWarning):
        adapter = tlskit.ClientContext("tls11").as_ssl_context()
    with pytest.raises(tlskit.ConfigurationError, match="between two"):
        adapter.options &= ~ssl.OP_NO_TLSv1_3
    assert ssl.OP_NO_TLSv1_3 & adapter.options


def test_the_middlebox_compatibility_is_told():
    """OpenSSL has it on by default, and ``ssl`` tells it."""
    context = loose()
    adapter = context.as_ssl_context()
    theirs = context.prepared()._pyopenssl.set_options(0)

    assert ssl.OP_ENABLE_MIDDLEBOX_COMPAT & theirs
    assert ssl.OP_ENABLE_MIDDLEBOX_COMPAT & adapter.options
    adapter.options |= ssl.OP_ENABLE_MIDDLEBOX_COMPAT
    with pytest.raises(tlskit.UnsupportedError):
        adapter.options &= ~ssl.OP_ENABLE_MIDDLEBOX_COMPAT


def test_strictness_is_switched():
    """VERIFY_X509_STRICT is ours, too; flags of other things are not."""
    context = loose()
    adapter = context.as_ssl_context()
    adapter.verify_flags |= ssl.VERIFY_X509_STRICT
    assert context.settings.strict
    adapter.verify_flags &= ~ssl.VERIFY_X509_STRICT
    assert not context.settings.strict

    for flag in (ssl.VERIFY_ALLOW_PROXY_CERTS, 0x8):
        with pytest.raises(tlskit.UnsupportedError):
            adapter.verify_flags |= flag


def test_things_are_loaded(tmp_path):
    """Credentials, roots, ciphers, curves and the key log."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority().pem)
    chain, key = leaf().write(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(chain.read_bytes() + leaf().encrypted_key_pem(b"secret"))
    context = tlskit.ServerContext()
    adapter = context.as_ssl_context()
    adapter.load_cert_chain(chain, key)
    adapter.load_verify_locations(roots)
    adapter.load_verify_locations(capath=tmp_path)
    for _ in range(2):
        adapter.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    adapter.set_ecdh_curve("secp384r1")
    adapter.set_ecdh_curve("secp384r1")
    adapter.keylog_filename = tmp_path / "keys"
    settings = context.settings
    assert leaf().certificate == settings.chain.leaf
    assert 1 == settings.root_count
    assert "secp384r1" == settings.ecdh_curve
    assert "ECDHE-ECDSA-AES256-GCM-SHA384" in [
        each["name"] for each in adapter.get_ciphers()
    ]
    assert str(tmp_path / "keys") == adapter.keylog_filename
    adapter.keylog_filename = None
    assert context.settings.keylog is None

    other = tlskit.ServerContext().as_ssl_context()
    with pytest.raises(ssl.SSLError, match="password"):
        other.load_cert_chain(both)
    other.load_cert_chain(both, password=bytearray(b"secret"))
    assert leaf().certificate == other.tlskit_context.settings.chain.leaf


@pytest.mark.native
@pytest.mark.skipif(
    not tlskit.capabilities()["groups"], reason="the binding has no groups"
)
def test_a_client_chooses_a_curve():
    """What servers call a curve is a group to clients."""
    context = loose()
    adapter = context.as_ssl_context()
    adapter.set_ecdh_curve("P-384")
    adapter.set_ecdh_curve("P-384")

    assert ("P-384",) == context.settings.groups
    with pytest.raises(ValueError, match="unknown elliptic curve name"):
        adapter.set_ecdh_curve("nonsense")
    with pytest.raises(tlskit.SealedError):
        client().as_ssl_context().set_ecdh_curve("P-384")


def test_a_server_takes_dh_parameters(tmp_path):
    """They come from a file."""
    path = tmp_path / "params.pem"
    path.write_bytes(tlskit.DH4096_PARAMS)
    context = unsealed()
    context.as_ssl_context().load_dh_params(str(path))

    assert tlskit.DH4096_PARAMS == context.settings.dh_parameters


def test_what_does_not_fit_is_not_loaded(tmp_path):
    """A key of another certificate's leaves everything as it was."""
    chain, _ = leaf().write(tmp_path)
    other = tmp_path / "other.pem"
    other.write_bytes(leaf("wrong-host").key_pem)
    context = tlskit.ServerContext()
    with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH") as caught:
        context.as_ssl_context().load_cert_chain(chain, other)
    assert "KEY_VALUES_MISMATCH" == caught.value.reason
    assert isinstance(caught.value.__cause__, tlskit.CredentialError)

    assert context.settings.chain is None


@pytest.mark.parametrize("data", [b"no DER", b"\x30\x82\xff\xff", b"\x30"])
def test_roots_in_der_are_taken_apart_with_care(data):
    """Certificates stand one behind the other; anything else is refused."""
    adapter = loose().as_ssl_context()
    one = ssl.PEM_cert_to_DER_cert(authority().pem.decode())
    two = ssl.PEM_cert_to_DER_cert(leaf("self-signed").chain_pem.decode())
    with pytest.raises(ssl.SSLError, match="cadata"):
        adapter.load_verify_locations(cadata=one + data)
    assert 0 == adapter.cert_store_stats()["x509"]

    adapter.load_verify_locations(cadata=one + two)
    assert 2 == adapter.cert_store_stats()["x509"]


def test_default_roots_are_loaded(tmp_path):
    """Whatever the purpose is said to be; but it has to be one."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority().pem)
    adapter = loose().as_ssl_context()
    with tlskit.set_default_verify_sources([roots]):
        adapter.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    assert 1 == adapter.cert_store_stats()["x509"]

    with pytest.raises(TypeError):
        adapter.load_default_certs("client")
    with pytest.raises(TypeError, match="omitted"):
        adapter.load_verify_locations()


UNKNOWN = {
    "hostname_checks_common_name": True,
    "options": 0,
    "num_tickets": 7,
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_has_no_meaning_here_is_refused(name):
    """Not ignored: who sets it relies on it."""
    with pytest.raises(tlskit.UnsupportedError):
        setattr(unsealed().as_ssl_context(), name, UNKNOWN[name])


def test_other_things_without_meaning_are_refused():
    """NPN, counters, a client's parameters, and an offer withdrawn."""
    adapter = client(credentials=True).copy().as_ssl_context()
    with pytest.raises(tlskit.UnsupportedError):
        adapter.set_npn_protocols(["h2"])
    with pytest.raises(tlskit.UnsupportedError):
        adapter.session_stats()
    with pytest.raises(tlskit.UnsupportedError):
        adapter.load_dh_params("params.pem")
    with pytest.raises(tlskit.UnsupportedError):
        adapter.post_handshake_auth = False
    with pytest.raises(ValueError, match="TLS_CLIENT"):
        adapter.set_servername_callback(print)


#: Inherited, and known to lead to nothing that is not overridden.
HARMLESS = {
    "protocol",
    "security_level",
    "set_servername_callback",
    "wrap_bio",
}


def test_nothing_of_the_context_beneath_shows_through():
    """Every public name of ``ssl.SSLContext`` is answered by us."""
    inherited = {
        name
        for name in dir(ssl.SSLContext)
        if not name.startswith("_")
        and not any(
            name in vars(each)
            for each in SSLContext.__mro__
            if each.__module__.startswith("tlskit.")
        )
    }

    assert inherited <= HARMLESS


# -- the context beneath ----------------------------------------------------


def beneath(adapter: ssl.SSLContext, sock, **options):
    """Have the C code itself make a session with *adapter*."""
    plain = socket.socket(fileno=sock.detach())
    plain.settimeout(PATIENCE)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    # What Python calls is ours; this is the method of the C type.
    raw = super(ssl.SSLContext, adapter)._wrap_bio
    return plain, raw(incoming, outgoing, **options), incoming, outgoing


def pump(plain, session, incoming, outgoing):
    """Shake hands by hand."""
    while True:
        try:
            session.do_handshake()
        except ssl.SSLWantReadError:
            plain.sendall(outgoing.read())
            data = plain.recv(65536)
            if data:
                incoming.write(data)
            else:
                incoming.write_eof()
        else:
            return


def test_the_context_beneath_trusts_nobody():
    """Even the good server: C code gets no session from our context."""

    def shake(sock) -> None:
        with suppress(OSError):
            stdlib_server().wrap_socket(sock, server_side=True).close()

    with TcpServer(shake) as there:
        sock = socket.create_connection(("127.0.0.1", there.port), PATIENCE)
        parts = beneath(
            client().as_ssl_context(),
            sock,
            server_side=False,
            server_hostname="localhost",
        )
        with parts[0], pytest.raises(ssl.SSLCertVerificationError):
            pump(*parts)


def test_the_context_beneath_serves_nobody():
    """It has no certificate, so no client gets anywhere."""
    adapter = server().as_ssl_context()

    def shake(sock) -> None:
        parts = beneath(adapter, sock, server_side=True)
        with parts[0]:
            pump(*parts)

    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname = False
    anything.verify_mode = ssl.CERT_NONE
    with TcpServer(shake) as there:
        with socket.create_connection(
            ("127.0.0.1", there.port), PATIENCE
        ) as sock:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                anything.wrap_socket(sock)
        with pytest.raises(ssl.SSLError, match=r"(?i)no.shared.cipher|sigalg"):
            there.result()


def test_a_socket_of_another_class_is_refused():
    """Nobody gets past our own class with our context."""
    adapter = client().as_ssl_context()
    adapter.sslsocket_class = ssl.SSLSocket
    left, right = socket.socketpair()
    with right, pytest.raises(tlskit.UnsupportedError):
        adapter.wrap_socket(left, server_hostname="localhost")


def test_what_was_loaded_last_is_presented(tmp_path):
    """``load_cert_chain`` replaces credentials that are reloaded."""
    ca = CA()
    first, second = ca.issue("localhost"), ca.issue("localhost")
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    context = tlskit.ServerContext()
    context.load_credentials(
        tlskit.ReloadableCredentials(*map(str, first.write(old)))
    )
    context.as_ssl_context().load_cert_chain(*second.write(new))
    client = tlskit.ClientContext("auto")
    ca.trust(client)
    client.set_verify()
    ours, theirs = memory_pair(client, context)
    with ours, theirs:
        assert second.certificate == ours.peer_certificate


def test_hooks_with_other_protocols():
    """What the context says and chooses passes through."""
    from tlskit.stdlib.alpn import WithALPN

    async def later(_hello):
        return None

    context = tlskit.ServerContext()
    context.choose_for = later
    hooks = WithALPN(context, ("h2",))
    hooks.warn_if_unverified()
    waits = hooks.choose_for(None)
    waits.close()

    assert hooks.prepared() is not None
    assert hooks.frozen is context.frozen is False
    context.seal()
    assert hooks.frozen
