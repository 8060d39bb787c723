"""Credentials and roots in files that change under sealed contexts."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

import tlskit
from tlskit import ReloadableCredentials, ReloadableRoots, VerifySource
from tlskit.context import reloading
from tlskit.testing import CA, Leaf, memory_pair

from ..engines import authority, client_engine, server_engine, shake

NAME = "localhost"


def issue(number: int = 0, **keywords: Any) -> Leaf:
    """Issue a certificate that can be told from others by its subject."""
    return authority().issue(NAME, common_name=f"number {number}", **keywords)


def put(leaf: Leaf, directory: Path) -> None:
    """Replace both files, each at once."""
    for name, data in (("chain", leaf.chain_pem), ("key", leaf.key_pem)):
        new = directory / f"{name}.new"
        new.write_bytes(data)
        new.replace(directory / f"{name}.pem")


def watch(directory: Path, **keywords: Any) -> ReloadableCredentials:
    """Look at the files in *directory* each time."""
    keywords.setdefault("interval", 0)
    return ReloadableCredentials(
        directory / "chain.pem", directory / "key.pem", **keywords
    )


def serving(
    credentials: ReloadableCredentials, *, seal: bool = True
) -> tlskit.ServerContext:
    """Make a sealed server's context."""
    context = tlskit.ServerContext()
    context.load_credentials(credentials)
    if seal:
        context.seal()
    return context


def subject(certificate: x509.Certificate | None) -> str:
    """Give the common name of *certificate*."""
    assert certificate is not None
    return str(
        certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[
            0
        ].value
    )


def shown(server: tlskit.ServerContext) -> str:
    """Connect to *server*, and tell which certificate it shows."""
    ours = client_engine()
    shake(ours, server_engine(server))
    assert ours.facts is not None
    return subject(ours.facts.peer_certificate)


# -- credentials that are good ----------------------------------------------


def test_renewed(tmp_path: Path):
    """A sealed context shows what is in the files now."""
    put(issue(1), tmp_path)
    credentials = watch(tmp_path)
    server = serving(credentials)
    assert "number 1" == shown(server)
    put(issue(2), tmp_path)

    assert "number 2" == shown(server)
    assert 2 == credentials.generation
    assert "number 2" == subject(credentials.certificate_chain.leaf)
    assert credentials.last_error is None


def test_nothing_changes(tmp_path: Path):
    """While the files are the same, nothing is built again."""
    put(issue(1), tmp_path)
    credentials = watch(tmp_path)
    server = serving(credentials)
    built = server.prepared()
    put(tlskit_leaf(credentials), tmp_path)

    assert built is server.prepared()
    assert 1 == credentials.generation


def tlskit_leaf(credentials: ReloadableCredentials) -> Leaf:
    """Give what is in use, to be written once more."""
    pair = credentials.current()
    return Leaf(pair.key.key, pair.chain.certificates)


def test_old_files_are_not_read(tmp_path: Path, monkeypatch):
    """Files whose signature has not changed are not opened."""
    put(issue(1), tmp_path)
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    monkeypatch.setattr(reloading, "_TICK_NS", 0)
    credentials = watch(tmp_path)
    monkeypatch.setattr(
        credentials, "_read", lambda: pytest.fail("it was read")
    )

    credentials.current()


def test_no_file_is_looked_at_before_its_time(tmp_path: Path, monkeypatch):
    """Within an interval the files are left alone."""
    put(issue(1), tmp_path)
    clock = [0.0]
    monkeypatch.setattr(reloading.time, "monotonic", lambda: clock[0])
    credentials = watch(tmp_path, interval=30)
    server = serving(credentials)
    put(issue(2), tmp_path)
    clock[0] = 29.0
    assert "number 1" == shown(server)
    clock[0] = 31.0

    assert "number 2" == shown(server)


def test_on_request_only(tmp_path: Path):
    """Without an interval, and with one, reload() reads at once."""
    put(issue(1), tmp_path)
    credentials = watch(tmp_path, interval=None)
    server = serving(credentials)
    put(issue(2), tmp_path)
    assert "number 1" == shown(server)

    assert credentials.reload()
    assert not credentials.reload()
    assert "number 2" == shown(server)


def test_a_sealed_context_reloads(tmp_path: Path):
    """Context.reload() reads all that it was given."""
    put(issue(1), tmp_path)
    server = serving(watch(tmp_path, interval=None))
    put(issue(2), tmp_path)
    server.reload()

    assert "number 2" == shown(server)


def test_the_contexts_behind_names_reload(tmp_path: Path):
    """Context.reload() reads what those of its server names follow, too."""
    put(issue(1), tmp_path)
    watched = watch(tmp_path, interval=None)
    named = serving(watched, seal=False)
    front = tlskit.ServerContext()
    issue(0).apply(front)
    front.set_server_names({NAME: named, f"*.{NAME}": named})
    front.seal()
    put(issue(2), tmp_path)
    front.reload()

    assert "number 2" == shown(front)
    assert 2 == watched.generation


def test_a_fault_behind_a_name_is_told(tmp_path: Path):
    """What is bad there is raised from the front's reload(), too."""
    put(issue(1), tmp_path)
    front = tlskit.ServerContext()
    issue(0).apply(front)
    front.set_server_names({NAME: serving(watch(tmp_path, interval=None))})
    (tmp_path / "chain.pem").write_bytes(b"")

    with pytest.raises(tlskit.CredentialError):
        front.reload()
    assert "number 1" == shown(front)


def test_nothing_to_reload():
    """A context without such sources reloads nothing."""
    context = tlskit.ServerContext()
    issue().apply(context)
    built = context.prepared()
    context.reload()

    assert built is context.prepared()


def test_one_file_for_both(tmp_path: Path):
    """Chain and key may be in the same file."""
    path = tmp_path / "both.pem"
    leaf = issue(1)
    path.write_bytes(leaf.key_pem + leaf.chain_pem)

    assert "number 1" == shown(serving(ReloadableCredentials(path)))


def test_encrypted_key(tmp_path: Path):
    """The password is used again for each new key."""
    asked = []

    def password() -> str:
        asked.append(1)
        return "secret"

    for number in (1, 2):
        leaf = issue(number)
        (tmp_path / "chain.pem").write_bytes(leaf.chain_pem)
        (tmp_path / "key.pem").write_bytes(leaf.encrypted_key_pem(b"secret"))
        if number == 1:
            server = serving(watch(tmp_path, password=password))

    assert "number 2" == shown(server)
    assert 2 <= len(asked)


def test_a_whole_chain(tmp_path: Path):
    """Intermediates follow our own certificate, each issued by the next."""
    middle = authority().intermediate().intermediate("inner")
    leaf = middle.issue(NAME, common_name="number 1")
    put(leaf, tmp_path)

    assert 3 == len(leaf.chain)
    assert "number 1" == shown(serving(watch(tmp_path)))


def test_symbolic_links(tmp_path: Path):
    """Kubernetes: one rename of a link to a directory changes both files."""
    for number in (1, 2):
        (tmp_path / f"..{number}").mkdir()
        put(issue(number), tmp_path / f"..{number}")
    data = tmp_path / "..data"
    data.symlink_to("..1")
    for name in ("chain.pem", "key.pem"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    server = serving(watch(tmp_path))
    assert "number 1" == shown(server)
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").replace(data)

    assert "number 2" == shown(server)


def test_written_within_one_tick(tmp_path: Path):
    """New content with the old size and times is noticed all the same."""
    one, two = issue(1, key_type="ed25519"), issue(2, key_type="ed25519")
    put(one, tmp_path)
    server = serving(watch(tmp_path))
    times = {path: path.stat() for path in tmp_path.iterdir()}
    (tmp_path / "chain.pem").write_bytes(two.chain_pem)
    (tmp_path / "key.pem").write_bytes(two.key_pem)
    for path, status in times.items():
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert "number 2" == shown(server)


def test_the_directory_may_change(tmp_path: Path, monkeypatch):
    """A relative path stays what it was."""
    put(issue(1), tmp_path)
    monkeypatch.chdir(tmp_path)
    server = serving(ReloadableCredentials("chain.pem", "key.pem", interval=0))
    monkeypatch.chdir("/")
    put(issue(2), tmp_path)

    assert "number 2" == shown(server)


def test_several_contexts(tmp_path: Path):
    """One source serves contexts of both sides."""
    put(issue(1), tmp_path)
    credentials = watch(tmp_path)
    server = serving(credentials, seal=False)
    authority().trust(server)
    server.set_verify()
    server.seal()
    client = tlskit.ClientContext("auto")
    client.load_credentials(credentials)
    authority().trust(client)
    client.set_verify()
    client.seal()
    for number in (1, 2):
        put(issue(number), tmp_path)
        ours, theirs = client_engine(client), server_engine(server)
        shake(ours, theirs)
        assert ours.facts is not None
        assert theirs.facts is not None

        assert [f"number {number}"] * 2 == [
            subject(ours.facts.peer_certificate),
            subject(theirs.facts.peer_certificate),
        ]


def test_a_copy_follows_too(tmp_path: Path):
    """A copy of a sealed context has the same source."""
    put(issue(1), tmp_path)
    copy = serving(watch(tmp_path)).copy()
    put(issue(2), tmp_path)

    assert "number 2" == shown(copy)


@pytest.mark.parametrize("how", ["chain", "key", "pkcs12"])
def test_other_credentials_replace_them(tmp_path: Path, how: str):
    """Loading a chain or a key by hand ends the following."""
    put(issue(1), tmp_path)
    context = serving(watch(tmp_path), seal=False)
    leaf = issue(3)
    if how == "pkcs12":
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.serialization import pkcs12

        context.load_pkcs12(
            pkcs12.serialize_key_and_certificates(
                b"",
                leaf.key,
                leaf.certificate,
                None,
                serialization.NoEncryption(),
            )
        )
    else:
        context.load_certificate_chain(leaf.chain)
        context.load_private_key(leaf.key)
    put(issue(2), tmp_path)

    assert "number 3" == shown(context)
    assert context.settings.credentials == ()


# -- credentials that are bad -----------------------------------------------


def truncated(leaf: Leaf, directory: Path) -> None:
    """Leave a chain whose second certificate is half written."""
    text = leaf.chain_pem + authority().pem
    (directory / "chain.pem").write_bytes(text[: len(text) - 200])
    (directory / "key.pem").write_bytes(leaf.key_pem)


def misordered(leaf: Leaf, directory: Path) -> None:
    """Put a certificate after ours that has not issued it."""
    put(
        Leaf(leaf.key, (leaf.certificate, CA("stranger").certificate)),
        directory,
    )


def only_chain(leaf: Leaf, directory: Path) -> None:
    """Renew the certificate, and forget its key."""
    (directory / "chain.pem").write_bytes(leaf.chain_pem)


def removed(_leaf: Leaf, directory: Path) -> None:
    """Remove a file."""
    (directory / "key.pem").unlink()


def emptied(_leaf: Leaf, directory: Path) -> None:
    """Cut a file off at its beginning."""
    (directory / "chain.pem").write_bytes(b"")


def a_pipe(_leaf: Leaf, directory: Path) -> None:
    """Put something in a file's place that nobody writes to."""
    (directory / "chain.pem").unlink()
    os.mkfifo(directory / "chain.pem")


def a_kind(kind: str) -> Callable[[Leaf, Path], None]:
    """Put in a certificate with something wrong."""
    return lambda _leaf, directory: put(
        authority().issue_bad(kind, NAME), directory
    )


BAD = {
    "cut-off": (truncated, "cut-off"),
    "order": (misordered, "chain-order"),
    "pair": (only_chain, "key-mismatch"),
    "missing": (removed, "unreadable-file"),
    "empty": (emptied, "no-certificate"),
    "pipe": (a_pipe, "bad-credentials"),
    "expired": (a_kind("expired"), "not-valid-now"),
    "not yet valid": (a_kind("not-yet-valid"), "not-valid-now"),
    "weak": (a_kind("weak-key"), "weak-key"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_ones_are_told(tmp_path: Path, name: str, caplog):
    """The old pair stays, the reason is told once, and the next good one used.

    The reason is logged, given to the callback, kept, and raised by reload().
    """
    spoil, code = BAD[name]
    told: list[Any] = []
    put(issue(1), tmp_path)
    credentials = watch(tmp_path, on_failure=told.append)
    server = serving(credentials)
    spoil(issue(2), tmp_path)
    for _ in range(3):
        assert "number 1" == shown(server)

    assert [code] == [each.code for each in told]
    assert told[0] is not None
    assert code == credentials.last_error.code
    assert 1 == len(caplog.records)
    assert str(told[0]) in caplog.text
    with pytest.raises(tlskit.CredentialError) as caught:
        server.reload()
    assert code == caught.value.code
    assert 1 == credentials.generation
    (tmp_path / "chain.pem").unlink(missing_ok=True)
    put(issue(3), tmp_path)
    assert "number 3" == shown(server)
    assert credentials.last_error is None


@pytest.mark.parametrize("name", [name for name in BAD if name != "pair"])
def test_bad_from_the_start(tmp_path: Path, name: str):
    """What would be refused later is refused at first."""
    put(issue(1), tmp_path)
    BAD[name][0](issue(1), tmp_path)

    with pytest.raises(tlskit.CredentialError) as caught:
        watch(tmp_path)
    assert BAD[name][1] == caught.value.code


def test_a_password_that_is_not_to_be_had(tmp_path: Path):
    """What the password's function raises costs no connection, either."""
    answers: list[Any] = ["secret"]

    def password() -> str:
        return str(answers.pop())

    leaf = issue(1)
    (tmp_path / "chain.pem").write_bytes(leaf.chain_pem)
    (tmp_path / "key.pem").write_bytes(leaf.encrypted_key_pem(b"secret"))
    credentials = watch(tmp_path, password=password)

    assert "number 1" == shown(serving(credentials))
    assert "IndexError" in str(credentials.last_error)


def test_each_bad_one_is_told(tmp_path: Path):
    """Two bad pairs with the same fault are told one by one."""
    told: list[Any] = []
    put(issue(1), tmp_path)
    server = serving(watch(tmp_path, on_failure=told.append))
    for _ in range(3):
        put(authority().issue_bad("expired", NAME), tmp_path)
        shown(server)

    assert 3 == len(told)


def test_a_fault_does_not_grow_old(tmp_path: Path, monkeypatch):
    """An hour later the same fault is not told once more."""
    told: list[Any] = []
    put(issue(1), tmp_path)
    server = serving(watch(tmp_path, on_failure=told.append))
    put(authority().issue_bad("expired", NAME), tmp_path)
    shown(server)
    later = reloading.time.time() + 3600
    monkeypatch.setattr(reloading.time, "time", lambda: later)
    shown(server)

    assert 1 == len(told)


def test_its_time_has_come(tmp_path: Path, monkeypatch):
    """A certificate put in too early is used as soon as it is valid."""
    put(issue(1), tmp_path)
    credentials = watch(tmp_path)
    put(authority().issue_bad("not-yet-valid", NAME), tmp_path)
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    monkeypatch.setattr(reloading, "_TICK_NS", 0)
    assert "number 1" == subject(credentials.current().chain.leaf)
    later = reloading.time.time() + 3 * 86400
    monkeypatch.setattr(reloading.time, "time", lambda: later)

    assert NAME == subject(credentials.current().chain.leaf)
    assert credentials.last_error is None


def test_a_callback_that_fails(tmp_path: Path, caplog):
    """What on_failure raises is logged, and costs no connection."""

    def fail(_error: object) -> None:
        raise RuntimeError("no more")

    put(issue(1), tmp_path)
    server = serving(watch(tmp_path, on_failure=fail))
    (tmp_path / "chain.pem").write_bytes(b"")

    assert "number 1" == shown(server)
    assert "no more" in caplog.text


def test_a_context_refuses_what_others_take(tmp_path: Path):
    """A key too weak for one context's own level: that one stays behind."""
    put(issue(1), tmp_path)
    credentials = watch(tmp_path)
    strict = serving(credentials, seal=False)
    strict.set_ciphers("ECDHE+AESGCM:@SECLEVEL=3")
    strict.seal()
    lax = serving(credentials)
    assert "number 1" == shown(strict)
    put(issue(2, key_type="rsa"), tmp_path)  # 112 bits; it wants 128.

    assert "number 1" == shown(strict)
    assert "number 2" == shown(lax)
    assert credentials.last_error is not None
    assert "key too small" in str(credentials.last_error)
    put(issue(3), tmp_path)
    assert "number 3" == shown(strict)
    assert credentials.last_error is None


def test_only_what_changed_is_blamed(tmp_path: Path):
    """Of two sources, the one that did not change is no part of the fault."""
    put(issue(1), tmp_path)
    (tmp_path / "roots.pem").write_bytes(authority().pem)
    credentials = watch(tmp_path)
    roots = ReloadableRoots(
        tlskit.VerifySource.file(tmp_path / "roots.pem"), interval=0
    )
    context = serving(credentials, seal=False)
    context.load_verify_source(roots)
    context.set_ciphers("ECDHE+AESGCM:@SECLEVEL=3")
    context.seal()
    assert "number 1" == shown(context)
    put(issue(2, key_type="rsa"), tmp_path)

    assert "number 1" == shown(context)
    assert credentials.last_error is not None
    assert roots.last_error is None


def test_a_context_that_never_could(tmp_path: Path):
    """Without anything older to keep, the fault is raised."""
    put(issue(1, key_type="rsa"), tmp_path)
    server = serving(watch(tmp_path), seal=False)
    server.set_ciphers("ECDHE+AESGCM:@SECLEVEL=3")

    with pytest.raises(tlskit.CredentialError):
        server.prepared()


def test_files_that_change_while_read(tmp_path: Path, monkeypatch):
    """A pair from before and after a change is not taken for a fault."""
    put(issue(1), tmp_path)
    credentials = watch(tmp_path)
    real, rest = reloading.PrivateKey.load, [2, 3]

    def load(*arguments: Any, **keywords: Any) -> Any:
        if rest:  # The chain has been read already.
            put(issue(rest.pop(0)), tmp_path)
        return real(*arguments, **keywords)

    monkeypatch.setattr(reloading.PrivateKey, "load", load)

    assert credentials.reload()
    assert "number 3" == subject(credentials.certificate_chain.leaf)


def test_files_that_never_rest(tmp_path: Path, monkeypatch):
    """Who never stops writing is told so; and the old pair stays."""
    put(issue(1), tmp_path)
    credentials = watch(tmp_path)
    numbers = iter(range(100))
    monkeypatch.setattr(credentials, "_signature", lambda: next(numbers))

    with pytest.raises(tlskit.ConfigurationError, match="faster"):
        credentials.reload()
    assert "number 1" == subject(credentials.current().chain.leaf)


def test_one_thread_looks(tmp_path: Path):
    """While one thread reads, others get the old pair and don't wait."""
    put(issue(1), tmp_path)
    credentials = watch(tmp_path)
    put(issue(2), tmp_path)
    with credentials._lock:
        seen: list[Any] = []
        thread = threading.Thread(
            target=lambda: seen.append(credentials.current())
        )
        thread.start()
        thread.join(15)

    assert "number 1" == subject(seen[0].chain.leaf)
    assert "number 2" == subject(credentials.current().chain.leaf)


def test_no_secret_is_told(tmp_path: Path):
    """A repr has the paths, and nothing else."""
    put(issue(1), tmp_path)
    credentials = watch(tmp_path, password="hidden")

    assert (
        f"<ReloadableCredentials credentials in {tmp_path}/chain.pem and "
        f"{tmp_path}/key.pem>" == repr(credentials)
    )


def test_wrong_arguments(tmp_path: Path):
    """An interval below zero, no source, and something else altogether."""
    put(issue(1), tmp_path)
    with pytest.raises(ValueError, match="interval"):
        watch(tmp_path, interval=-1)
    with pytest.raises(ValueError, match="source"):
        ReloadableRoots()

    with pytest.raises(TypeError, match="ReloadableCredentials"):
        tlskit.ServerContext().load_credentials("chain.pem")  # type: ignore[arg-type]


# -- roots ------------------------------------------------------------------


def trusting(*sources: Any, **keywords: Any) -> tlskit.ClientContext:
    """Make a sealed client's context that trusts what changes."""
    context = tlskit.ClientContext("auto")
    keywords.setdefault("interval", 0)
    context.load_verify_source(ReloadableRoots(*sources, **keywords))
    context.set_verify()
    context.set_verify_hostname()
    context.seal()
    return context


def trusts(client: tlskit.ClientContext, ca: CA) -> bool:
    """Say whether *client* accepts a server of *ca*."""
    server = tlskit.ServerContext()
    ca.issue(NAME).apply(server)
    try:
        shake(client_engine(client), server_engine(server))
    except tlskit.VerificationError:
        return False
    return True


def test_roots_come_and_go(tmp_path: Path):
    """A new root is trusted, and one that left is not any more."""
    one, two = CA("one"), CA("two")
    path = tmp_path / "roots.pem"
    path.write_bytes(one.pem)
    client = trusting(path)
    seen = [(trusts(client, one), trusts(client, two))]
    for pem in (one.pem + two.pem, two.pem):
        path.write_bytes(pem)
        seen.append((trusts(client, one), trusts(client, two)))

    assert [(True, False), (True, True), (False, True)] == seen


def test_roots_of_a_server(tmp_path: Path):
    """A server follows the roots of its clients in the same way."""
    one, two = CA("one"), CA("two")
    path = tmp_path / "roots.pem"
    path.write_bytes(one.pem)
    server = tlskit.ServerContext()
    issue(1).apply(server)
    server.load_verify_source(ReloadableRoots(path, interval=0))
    server.set_verify()
    server.seal()
    client = tlskit.ClientContext("tls12")
    authority().trust(client)
    client.set_verify()
    two.issue("client.example").apply(client)
    with pytest.raises(tlskit.TLSError):
        shake(client_engine(client), server_engine(server))
    path.write_bytes(two.pem)

    shake(client_engine(client), server_engine(server))


def test_fixed_roots_stay(tmp_path: Path):
    """Other sources of the same context are trusted beside them."""
    fixed, moving = CA("fixed"), CA("moving")
    path = tmp_path / "roots.pem"
    path.write_bytes(moving.pem)
    client = trusting(path).copy()
    fixed.trust(client)
    client.seal()
    path.write_bytes(CA("another").pem)

    assert trusts(client, fixed)
    assert not trusts(client, moving)
    assert 2 == client.prepared().settings.root_count


@pytest.mark.parametrize("fault", ["cut off", "empty", "missing", "garbage"])
def test_bad_roots_are_told(tmp_path: Path, fault: str, caplog):
    """The old roots stay, and the reason is told once."""
    one, two = CA("one"), CA("two")
    told: list[Any] = []
    path = tmp_path / "roots.pem"
    path.write_bytes(one.pem)
    client = trusting(path, on_failure=told.append)
    text = two.pem + one.pem
    content = {"cut off": text[:-10], "empty": b"", "garbage": b"What?"}
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes(content[fault])
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert trusts(client, one)
            assert not trusts(client, two)

    assert 1 == len(told)
    assert isinstance(told[0], tlskit.TrustSourceError)
    assert str(path) in str(told[0])
    with pytest.raises(tlskit.TrustSourceError):
        client.reload()
    path.write_bytes(text)
    assert trusts(client, two)


def test_a_change_of_roots_ends_sessions(tmp_path: Path):
    """Sessions verified by other roots are not resumed."""
    path = tmp_path / "roots.pem"
    path.write_bytes(authority().pem)
    client = trusting(path)
    before = client.prepared().policy
    path.write_bytes(authority().pem + CA("more").pem)

    assert before != client.prepared().policy
    assert before is not None


def test_sources_that_have_no_file():
    """Sources of other kinds are asked in their own way."""
    roots = ReloadableRoots(VerifySource.pem(authority().pem), interval=0)

    assert not roots.reload()
    assert "roots from PEM data" in repr(roots)


def test_all_is_reloaded_before_a_fault_is_raised(tmp_path: Path):
    """A bad pair does not keep the context from new roots."""
    put(issue(1), tmp_path)
    path = tmp_path / "roots.pem"
    path.write_bytes(CA("one").pem)
    context = serving(watch(tmp_path, interval=None), seal=False)
    roots = ReloadableRoots(path, interval=None)
    context.load_verify_source(roots)
    context.seal()
    (tmp_path / "chain.pem").write_bytes(b"")
    path.write_bytes(CA("two").pem)

    with pytest.raises(tlskit.CredentialError):
        context.reload()
    assert 2 == roots.generation


def test_a_workload_changes_its_trust_domain(tmp_path):
    """SVID, key and bundle change in their files; later peers see all."""
    old, new = CA("old domain"), CA("new domain")
    bundle = tmp_path / "bundle.pem"

    def write(ca: CA) -> None:
        ca.issue("spiffe://example.org/a", common_name="a").write(tmp_path)
        bundle.write_bytes(ca.pem)

    def client(ca: CA) -> tlskit.ClientContext:
        made = tlskit.ClientContext("auto")
        ca.trust(made)
        made.set_verify()
        ca.issue("spiffe://example.org/b", common_name="b").apply(made)
        return made

    def meet(ca: CA) -> bool:
        try:
            pair = memory_pair(
                client(ca),
                server,
                identity=tlskit.Identity.uri("spiffe://example.org/a"),
            )
        except tlskit.TLSError:
            return False
        for port in pair:
            port.close()
        return True

    write(old)
    server = tlskit.ServerContext()
    server.load_credentials(
        tlskit.ReloadableCredentials(
            tmp_path / "chain.pem", tmp_path / "key.pem", interval=None
        )
    )
    server.load_verify_source(tlskit.ReloadableRoots(bundle, interval=None))
    server.set_verify()
    server.seal()
    assert meet(old)
    assert not meet(new)
    write(new)
    assert meet(old)
    server.reload()

    assert meet(new)
    assert not meet(old)
