"""What a context may change, until it is sealed; tests for ``context``."""

from __future__ import annotations

import copy
import inspect
import logging
import math
import pickle
from collections import OrderedDict
from dataclasses import FrozenInstanceError, fields
from types import ModuleType

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

import tlskit
from tlskit import VerifySource
from tlskit.context import sharing
from tlskit.policy.settings import Verify
from tlskit.testing import CA, memory_pair

from ..engines import authority, client_context, server_context

_CA = authority()
_LEAF = _CA.issue("localhost")
_PIN = "sha256/" + "A" * 43 + "="

#: Every mutator, called with what an unsealed context accepts.
MUTATORS = {
    "load_certificate_chain": (_LEAF.chain,),
    "load_private_key": (_LEAF.key,),
    "load_pkcs12": (b"", None),
    "load_credentials": (None,),
    "add_credentials": (b"", b""),
    "load_verify_source": (VerifySource.pem(_CA.pem),),
    "load_default_verify_sources": (),
    "load_verify_root_certificates": ("roots.pem",),
    "load_suggested_certificate_authorities": (_CA.pem,),
    "set_verify": (False,),
    "try_verify": (),
    "set_verify_optional": (),
    "set_verify_hostname": (False,),
    "set_ciphers": ("ECDHE+AESGCM",),
    "set_ciphersuites": ("TLS_AES_128_GCM_SHA256",),
    "set_groups": (["X25519"],),
    "set_policy": ("2026-12-modern",),
    "set_signature_algorithms": (["ed25519"],),
    "set_alpn": (["h2"],),
    "set_keylog": (None,),
    "set_trace": (None,),
    "set_pins": ([_PIN],),
    "set_strict": (),
    "set_certificate_verifier": (False,),
    "load_crls": (_CA.crl(),),
    "load_intermediates": (_CA.pem,),
    "set_verification_time": (None,),
    "set_verify_depth": (1,),
    "set_partial_chain": (),
    "set_purpose": (None,),
}
SERVER_MUTATORS = {
    "enable_dhe": (),
    "enable_ecdhe": (),
    "set_ocsp_response": (None,),
    "set_psk_server": (None,),
    "set_server_name_callback": (None,),
    "set_session_lifetime": (0,),
    "set_server_names": ({},),
}


def test_table_is_complete():
    """No mutator is missing from the table above."""
    verbs = {
        name
        for name in dir(tlskit.ServerContext)
        if name.startswith(("set_", "load_", "try_", "enable_", "add_"))
    }

    assert verbs == MUTATORS.keys() | SERVER_MUTATORS.keys()


@pytest.mark.parametrize("name", MUTATORS | SERVER_MUTATORS)
def test_sealed(name):
    """A sealed context refuses every mutator, before it opens any file."""
    context = server_context()
    context.seal()
    before = context.settings

    with pytest.raises(tlskit.SealedError) as caught:
        getattr(context, name)(*(MUTATORS | SERVER_MUTATORS)[name])
    assert "sealed" == caught.value.code
    assert before is context.settings


def test_sealed_attributes():
    """Neither can attributes be assigned or deleted."""
    context = client_context()
    context.note = "before"
    context.seal()

    with pytest.raises(tlskit.SealedError):
        context.note = "after"
    with pytest.raises(tlskit.SealedError):
        context.log_key = print
    with pytest.raises(tlskit.SealedError):
        del context.note
    with pytest.raises(tlskit.SealedError):
        context.port_class = None
    assert "before" == context.note
    context.seal()
    assert context.frozen


def test_attributes_before_the_seal():
    """An unsealed context takes attributes, and gives them up."""
    context = client_context()
    context.note = "x"
    del context.note

    assert not hasattr(context, "note")


def test_secure_seals_itself():
    """The default context is sealed; a subclass assigns before."""

    class Named(tlskit.ClientContext):
        def __init__(self, name):
            self.name = name
            super().__init__()

    assert tlskit.ClientContext().frozen
    assert "x" == Named("x").name
    assert Named("x").frozen


def test_secure_with_credentials():
    """Credentials go in before the seal."""
    context = tlskit.ClientContext(
        private_key=_LEAF.key_pem, certificate_chain=_LEAF.chain_pem
    )

    assert context.frozen
    assert context.settings.chain is not None


def test_secure_is_shared():
    """While the default sources are equal, it is the same object."""
    first = tlskit.ClientContext.secure()
    with tlskit.set_default_verify_sources([VerifySource.pem(_CA.pem)]):
        other = tlskit.ClientContext.secure()
        assert other is tlskit.ClientContext.secure()

    assert first is tlskit.ClientContext.secure()
    assert first is not other
    assert 1 == other.settings.root_count


def test_secure_cache_is_bounded(monkeypatch):
    """Old entries give way to new ones."""
    monkeypatch.setattr("tlskit.context.sharing._MOST", 1)
    monkeypatch.setattr("tlskit.context.sharing._contexts", OrderedDict())
    with tlskit.set_default_verify_sources([VerifySource.pem(_CA.pem)]):
        one = tlskit.ClientContext.secure()
    other = CA("another").pem
    with tlskit.set_default_verify_sources([VerifySource.pem(other)]):
        tlskit.ClientContext.secure()
    with tlskit.set_default_verify_sources([VerifySource.pem(_CA.pem)]):
        assert one is not tlskit.ClientContext.secure()


class Shouting(tlskit.ClientContext):
    """A context with a hook."""

    def log_key(self, line):
        """Take a line, and forget it."""


class Choosy(tlskit.ClientContext):
    """A context whose class trusts other roots."""

    def load_default_verify_sources(self):
        """Trust one root."""
        self.load_verify_source(VerifySource.pem(_CA.pem))


def test_what_is_secure_is_built_once():
    """Contexts are objects of their own, and share what was built."""
    with tlskit.set_default_verify_sources([VerifySource.pem(_CA.pem)]):
        one, other = tlskit.ClientContext(), tlskit.ClientContext()
        shouting = Shouting()
    elsewhere = tlskit.ClientContext()

    assert one is not other
    assert one == other
    assert other.frozen
    assert one.prepared() is other.prepared()
    assert shouting.settings == one.settings
    assert frozenset({"log_key"}) == shouting.prepared().hooks
    assert elsewhere.settings != one.settings
    assert elsewhere.prepared() is not one.prepared()


def test_what_is_not_by_the_book_is_not_shared():
    """An overridden method is called; a changed copy is built anew."""
    with tlskit.set_default_verify_sources([]):
        choosy, empty = Choosy(), tlskit.ClientContext()
    copied = empty.copy()
    built = empty.prepared()
    copied.set_alpn(["h2"])

    assert 1 == choosy.settings.root_count
    assert 0 == empty.settings.root_count
    assert copied.prepared() is not built
    assert (b"h2",) == copied.prepared().settings.alpn
    assert () == empty.prepared().settings.alpn


def test_few_secure_settings_are_kept(monkeypatch):
    """Old ones give way to new ones."""
    monkeypatch.setattr("tlskit.context.sharing._MOST", 1)
    monkeypatch.setattr("tlskit.context.sharing._ready", OrderedDict())
    for root in (_CA, CA("another"), _CA):
        with tlskit.set_default_verify_sources([VerifySource.pem(root.pem)]):
            assert 1 == tlskit.ClientContext().settings.root_count

    assert 1 == len(sharing._ready)


def test_copy_is_not_sealed():
    """A copy is equal, and can change."""
    context = client_context()
    context.seal()
    for other in (context.copy(), copy.copy(context)):
        assert other == context
        assert hash(other) == hash(context)
        assert not other.frozen
        other.set_alpn(["h2"])
        assert other != context
    assert context != server_context()
    assert context != "context"


def test_repr_tells_what_matters():
    """A repr names protocol, demands and certificate, and no secret."""
    context = server_context()
    _CA.trust(context)
    context.set_verify()
    text = repr(context)

    assert "secure" in text
    assert "verify=require" in text
    assert "roots=1" in text
    assert "CN=localhost" in text
    context.seal()
    assert "sealed" in repr(context)
    assert "hostname" in repr(client_context())


def test_seal_checks_the_pair():
    """What can't work is not sealed."""
    context = tlskit.ServerContext()
    context.load_certificate_chain(_LEAF.chain)
    with pytest.raises(tlskit.CredentialError, match="no private key"):
        context.seal()
    context = tlskit.ServerContext()
    context.load_private_key(_LEAF.key)
    with pytest.raises(tlskit.CredentialError, match="no certificate chain"):
        context.seal()
    assert not context.frozen


def test_wrong_key():
    """A key that doesn't belong to the chain is refused at once."""
    context = tlskit.ServerContext()
    context.load_certificate_chain(_LEAF.chain)
    other = _CA.issue("other.example")

    with pytest.raises(tlskit.CredentialError, match="does not belong"):
        context.load_private_key(other.key)
    context.load_private_key(_LEAF.key)
    context.load_certificate_chain(other.chain)  # Its key comes next.
    with pytest.raises(tlskit.CredentialError, match="does not belong"):
        context.seal()


def test_pkcs12():
    """Key and chain may come in one file."""
    data = pkcs12.serialize_key_and_certificates(
        b"name",
        _LEAF.key,
        _LEAF.certificate,
        None,
        serialization.BestAvailableEncryption(b"secret"),
    )
    context = tlskit.ServerContext()
    context.load_pkcs12(data, "secret")
    client, server = memory_pair(client_context(), context)
    with client, server:
        assert _LEAF.certificate == client.peer_certificate


def test_change_after_use():
    """Later connections see a change; those that are there don't."""
    context = server_context()
    context.set_alpn(["one"])
    asking = client_context()
    asking.set_alpn(["one", "two"])
    first = memory_pair(asking, context)
    context.set_alpn(["two"])
    second = memory_pair(asking, context)
    try:
        assert "one" == first[0].alpn_selected
        assert "two" == second[0].alpn_selected
        first[0].sendall(b"still")
        assert b"still" == first[1].recv(10)
    finally:
        for port in (*first, *second):
            port.close()


def test_built_once():
    """What was built is good until something changes."""
    context = server_context()
    built = context.prepared()
    assert built is context.prepared()
    context.set_alpn(["h2"])

    assert built is not context.prepared()


# -- what mutators make of their arguments ----------------------------------


def test_roots_from_file_and_directory(tmp_path):
    """C's two-argument form: a file, a directory, or both."""
    file = tmp_path / "roots.pem"
    file.write_bytes(_CA.pem)
    context = tlskit.ClientContext("auto")
    context.load_verify_root_certificates(file, tmp_path)
    assert 2 == len(context.settings.sources)
    context.load_verify_root_certificates(file)
    assert 2 == len(context.settings.sources)
    context.load_verify_root_certificates(None, tmp_path)

    with pytest.raises(ValueError, match="file, a directory"):
        context.load_verify_root_certificates(None)
    with pytest.raises(tlskit.TrustSourceError):
        context.load_verify_root_certificates(tmp_path / "missing.pem")
    context.load_verify_source(tmp_path / "missing.pem", try_=True)


def test_verify_hostname_is_for_clients():
    """A server does not know what to expect."""
    context = server_context()
    context.set_verify_hostname(False)

    with pytest.raises(tlskit.ConfigurationError):
        context.set_verify_hostname()


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("set_ciphers", "NOSUCH", tlskit.ConfigurationError),
        ("set_ciphers", "", tlskit.ConfigurationError),
        ("set_ciphers", b"HIGH", TypeError),
        ("set_ciphersuites", "NOSUCH", tlskit.ConfigurationError),
        ("set_groups", ["NOSUCH"], tlskit.ConfigurationError),
        ("set_groups", [1], TypeError),
        ("set_policy", "2026-12-best", tlskit.ConfigurationError),
        ("set_signature_algorithms", ["no"], tlskit.ConfigurationError),
        (
            "set_signature_algorithms",
            ["ed25519:ed448"],
            tlskit.ConfigurationError,
        ),
        ("set_signature_algorithms", [1], TypeError),
        ("set_alpn", "h2", TypeError),
        ("set_alpn", 1, TypeError),
        ("set_alpn", [1], TypeError),
        ("set_alpn", [""], ValueError),
        ("set_alpn", ["x" * 256], ValueError),
        ("set_alpn", ["x" * 255] * 300, tlskit.ConfigurationError),
        ("set_pins", _PIN, TypeError),
        ("set_pins", ["sha1/x"], ValueError),
        ("set_keylog", 1, TypeError),
        ("load_suggested_certificate_authorities", b"", None),
    ],
)
@pytest.mark.native
def test_bad_values(name, value, error):
    """A bad value is refused at once, and changes nothing."""
    context = server_context()
    before = context.settings

    with pytest.raises(error or tlskit.CredentialError) as caught:
        getattr(context, name)(value)
    assert str(caught.value)
    assert before is context.settings


@pytest.mark.native
def test_good_values():
    """What is chosen is what is used."""
    asking, context = client_context(), server_context()
    context.set_ciphersuites("TLS_CHACHA20_POLY1305_SHA256")
    with memory_pair(asking, context)[0] as port:
        assert "TLS_CHACHA20_POLY1305_SHA256" == port.cipher
    asking = client_context("tls12")
    asking.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    with memory_pair(asking, context)[0] as port:
        assert "ECDHE-ECDSA-AES128-GCM-SHA256" == port.cipher


@pytest.mark.native
@pytest.mark.skipif(
    not tlskit.capabilities()["groups"], reason="the binding has no groups"
)
def test_groups():
    """The group is one that both have chosen."""
    asking, context = client_context(), server_context()
    asking.set_groups("X25519:P-256")
    context.set_groups(["P-256"])
    with memory_pair(asking, context)[0] as port:
        assert port.group in ("secp256r1", "P-256", "prime256v1")


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_keylog(tmp_path, caplog, monkeypatch, version):
    """The key log goes where it was sent; None stops it."""
    path = tmp_path / "keys"
    lines = []
    caplog.set_level(logging.DEBUG, "tests.keys")
    context = server_context()
    monkeypatch.setenv("SSLKEYLOGFILE", str(path))
    for target in (
        "SSLKEYLOGFILE",
        lines.append,
        logging.getLogger("tests.keys"),
        None,
    ):
        context.set_keylog(target)
        for port in memory_pair(client_context(version), context):
            port.close()

    written = path.read_text("ascii").splitlines()
    assert {"tls12": 1, "tls13": 5}[version] == len(written) == len(lines)
    assert len(lines) == len(caplog.records)
    assert 0o600 == path.stat().st_mode & 0o777


def test_pins():
    """A chain without a pinned key is refused; a backup pin is enough."""
    from tlskit.verify.chain import pin_of

    asking = client_context()
    asking.set_pins([_PIN])
    with pytest.raises(tlskit.VerificationError) as caught:
        memory_pair(asking, server_context())
    assert "pin-mismatch" == caught.value.code
    asking.set_pins([_PIN, pin_of(_CA.certificate)])
    with memory_pair(asking, server_context())[0] as port:
        assert port.peer_verified


def test_strict():
    """Two verifiers must accept."""
    asking = client_context()
    asking.set_strict()
    with memory_pair(asking, server_context())[0] as port:
        assert port.peer_verified


@pytest.mark.parametrize("demand", ["pins", "strict"])
def test_policy_without_certificate(demand):
    """A server's pins hold for clients that must give a certificate."""
    context = server_context()
    _CA.trust(context)
    if demand == "pins":
        context.set_pins([_PIN])
    else:
        context.set_strict()
    with memory_pair(client_context(), context)[1] as port:
        assert not port.peer_verified
    own = client_context("tls12")
    _CA.issue("alice@example.com").apply(own)
    context.set_verify()
    if demand == "pins":
        with pytest.raises(tlskit.TLSError):
            memory_pair(own, context)
    else:
        with memory_pair(own, context)[1] as port:
            assert port.peer_verified


# -- what a seal holds out against ------------------------------------------


def reachable(*starts):
    """Give what the public attributes of *starts* lead to, step by step."""
    found = {}
    waiting = [(type(each).__name__, each) for each in starts]
    while waiting:
        path, value = waiting.pop()
        if id(value) in found or isinstance(value, (type, ModuleType)):
            continue
        found[id(value)] = path, value
        if isinstance(value, (tuple, list, set, frozenset)):
            waiting += [(f"{path}[]", each) for each in value]
        if not type(value).__module__.startswith(("tlskit", "OpenSSL")):
            continue
        for name in dir(value):
            if name[0] != "_" and (part := getattr(value, name, None)):
                waiting.append((f"{path}.{name}", part))
    return found.values()


@pytest.fixture
def sealed_pair():
    """Join two ports of sealed contexts: contexts first, then the ports."""
    asking, context = client_context(), server_context()
    asking.seal()
    context.seal()
    ports = memory_pair(asking, context)
    yield asking, context, *ports
    for port in ports:
        port.close()


def test_no_store_is_handed_out(sealed_pair):
    """No public name leads to pyOpenSSL's objects, and to their stores.

    The store of a context that is in use can still be changed.
    """
    asking, context, *_ = sealed_pair
    kinds = {
        path: type(value).__module__
        for path, value in reachable(
            *sealed_pair, asking.prepared(), context.prepared()
        )
    }
    packages = {kind.partition(".")[0] for kind in kinds.values()}

    assert "tlskit.trust.sources" in kinds.values()
    assert {"OpenSSL", "_cffi_backend"}.isdisjoint(packages), kinds


def test_settings_can_not_be_changed(sealed_pair):
    """What a context has decided is a frozen value all through."""
    for context in sealed_pair[:2]:
        settings = context.settings
        for each in fields(settings):
            value = getattr(settings, each.name)
            assert not isinstance(value, (list, dict, set, bytearray))
            with pytest.raises(FrozenInstanceError):
                setattr(settings, each.name, None)
        with pytest.raises(tlskit.SealedError):
            context.settings = settings


def test_what_was_loaded_is_ours():
    """Changing afterwards what was loaded changes nothing."""
    names, roots = ["h2"], bytearray(_CA.pem)
    context = client_context("auto")
    context.set_alpn(names)
    context.load_verify_source(VerifySource.pem(roots))
    context.seal()
    before = context.settings
    names.append("http/1.1")
    roots[:] = CA("another").pem

    assert before == context.settings
    assert (b"h2",) == context.settings.alpn
    with pytest.raises(tlskit.VerificationError):
        memory_pair(context, stranger_context())


def test_sealed_constructor():
    """A second call of the constructor is a mutator, too."""
    context = tlskit.ClientContext()
    for protocol in ("auto", "secure"):
        with pytest.raises(tlskit.SealedError):
            context.__init__(protocol)

    assert context == tlskit.ClientContext()


def test_a_subclass_is_no_way_around():
    """Neither inherited mutators nor new ones change what is sealed."""

    class Loose(tlskit.ClientContext):
        def set_verify(self, on=True):
            super().set_verify(on)

        def trust_anybody(self):
            self._change(verify=Verify.NONE)

        def swap(self):
            self._settings = tlskit.ClientContext("auto").settings

        def unseal(self):
            self._frozen = False

    context = Loose()
    before = context.settings
    for weaken in (
        lambda: context.set_verify(False),
        context.trust_anybody,
        context.swap,
        context.unseal,
    ):
        with pytest.raises(tlskit.SealedError):
            weaken()

    assert before is context.settings
    assert context.frozen


def test_sealed_through_a_port(sealed_pair):
    """A port's set_verify is for that connection only."""
    asking, _context, client, _server = sealed_pair
    before = asking.settings
    client.try_verify(False)

    assert Verify.REQUIRE is asking.settings.verify
    assert before is asking.settings
    with pytest.raises(tlskit.VerificationError):
        memory_pair(asking, stranger_context())


def stranger_context():
    """Make the context of a server that nobody trusts."""
    context = tlskit.ServerContext()
    CA("stranger").issue("localhost").apply(context)
    return context


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps])
def test_a_context_is_not_pickled(copied):
    """It says so, and what to do; ``copy()`` is the way to have another."""
    with pytest.raises(TypeError, match=r"call copy\(\)"):
        copied(server_context())


@pytest.mark.parametrize("name", MUTATORS | SERVER_MUTATORS)
def test_the_seal_comes_first(name):
    """What is wrong with the arguments does not matter any more."""
    context = server_context()
    context.seal()
    mutator = getattr(context, name)
    needed = [
        each
        for each in inspect.signature(mutator).parameters.values()
        if each.default is each.empty
    ]

    with pytest.raises(tlskit.SealedError):
        mutator(*(object() for _ in needed))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("set_certificate_verifier", None),
        ("set_certificate_verifier", 1),
        ("set_certificate_verifier", "accept"),
        ("set_pins", None),
        ("set_pins", b"sha256/"),
        ("set_pins", [3]),
        ("set_groups", 3),
        ("set_groups", b"X25519"),
        ("set_signature_algorithms", None),
        ("set_verification_time", 0),
        ("set_verify_depth", 1.5),
        ("set_verify_depth", math.nan),
        ("set_session_lifetime", 1.5),
        ("set_server_name_callback", "a.example"),
        ("set_server_names", None),
        ("set_server_names", {3: tlskit.ServerContext()}),
        ("set_server_names", {"a.example": None}),
        ("load_crls", None),
    ],
)
def test_what_is_of_the_wrong_kind(name, found):
    """It is refused at once, in our words, and nothing is changed."""
    context = server_context()
    before = context.settings

    with pytest.raises(TypeError, match=r"not |wanted|can't be called"):
        getattr(context, name)(found)
    assert before is context.settings


@pytest.mark.parametrize("default", ["auto", tlskit.ClientContext("auto"), 3])
def test_the_default_of_names_is_a_server(default):
    """A default that serves nobody is refused as the other contexts are."""
    with pytest.raises(TypeError, match="every other name"):
        server_context().set_server_names({}, default)


@pytest.mark.parametrize(
    "keywords",
    [{"timeout": None}, {"timeout": "5"}, {"max_bytes": math.nan}],
    ids=str,
)
def test_limits_of_fetching_are_numbers(keywords):
    """What limits nothing is refused."""
    context = client_context()

    with pytest.raises(TypeError, match="not "):
        context.set_intermediate_fetching(**keywords)


@pytest.mark.parametrize(("logs", "require"), [(3, 2), (None, 1.5)])
def test_logs_are_a_list_and_counted(logs, require):
    """Neither a number for a list, nor a fraction of a log."""
    context = client_context()

    with pytest.raises(TypeError, match="not "):
        context.set_certificate_transparency(logs, require=require)
