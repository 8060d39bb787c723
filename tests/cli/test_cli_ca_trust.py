"""``tlskit ca trust`` and ``untrust``, in sandboxes: no store of ours."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

from tlskit import ConfigurationError
from tlskit.cli.ca import trusting
from tlskit.cli.main import run
from tlskit.cli.stores import here, store, system
from tlskit.cli.stores.java import JavaStore
from tlskit.cli.stores.nss import NSSStore
from tlskit.cli.stores.store import Root, run_tool
from tlskit.testing import CA

from ..chromium import browsing, needs_chromium
from ..command import PATIENCE, serving
from ..peers import needs
from .test_cli_ca import Place

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no such stores")

SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
needs_debian = pytest.mark.skipif(
    shutil.which("update-ca-certificates", path=SBIN) is None,
    reason="update-ca-certificates is not installed",
)


@pytest.fixture
def place(tmp_path, capsys, monkeypatch):
    """A directory with a CA, a home, and no store at all."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    # No test may change this machine, whoever runs it.
    monkeypatch.setattr(here.SystemStore, "find", classmethod(find_in_sandbox))
    place = Place(tmp_path, capsys)
    place("init")
    return place


def find_in_sandbox(cls, top):
    """Find a system's store, but not this one's."""
    if top == Path("/"):
        return None
    return found_by(top)


found_by = system.SystemStore.find


def root_of(place):
    """Give the CA of the place, as stores take it."""
    file = place.path / "tlskit-ca" / "ca.pem"
    return Root(place.read("tlskit-ca/ca.pem"), file)


def state(place, *arguments, status=0):
    """Run it; give kind and state of each store."""
    assert status == run(["ca", *arguments, "--yes", "--json"])
    data = json.loads(place.capsys.readouterr().out)
    return [(each["kind"], each["state"]) for each in data["stores"]]


def tool(place, monkeypatch, name, script):
    """Put a program of this name first on the path."""
    path = place.path / "bin"
    path.mkdir(exist_ok=True)
    path.joinpath(name).write_text("#!/bin/sh\n" + textwrap.dedent(script))
    path.joinpath(name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{path}{os.pathsep}{os.environ['PATH']}")


def answer(monkeypatch, words):
    """Be a terminal at which somebody types this."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(words))


# -- asking -----------------------------------------------------------------


@pytest.fixture
def fedora(place):
    """The files of a system like Fedora."""
    top = place.path / "fedora"
    top.joinpath("etc/pki/ca-trust/source/anchors").mkdir(parents=True)
    top.joinpath("etc/pki/ca-trust/extracted/pem").mkdir(parents=True)
    return top


#: What ``update-ca-trust extract`` does, as far as matters here.
EXTRACT = """
    test "$2 $3" = "update-ca-trust extract" || exit 9
    cd "$1"/etc/pki/ca-trust
    cat source/anchors/* > extracted/pem/tls-ca-bundle.pem 2>/dev/null
    exit 0
"""


def test_without_a_terminal_nothing_is_changed(place, fedora):
    """A script has to say --yes; what is refused is not done."""
    words = place("trust", "--root", str(fedora), status=1)

    assert "--yes answers" in words
    assert not list(fedora.joinpath("etc/pki/ca-trust/source").glob("*/*"))


@pytest.mark.parametrize(("typed", "status"), [("y\n", 0), ("n\n", 1)])
def test_one_is_asked(place, fedora, monkeypatch, typed, status):
    """What, where, and what that means; "no" leaves all as it was."""
    tool(place, monkeypatch, "chroot", EXTRACT)
    place("init", "limited", "--only", "example.test")
    answer(monkeypatch, typed)
    assert status == run(
        ["ca", "trust", "--ca", "limited", "--root", str(fedora)]
    )
    out, err = place.capsys.readouterr()

    assert "To trust: CN=tlskit local CA " in err
    assert "may issue  for example.test" in err
    assert f"system: {fedora}/etc/pki/ca-trust/source/anchors" in err
    assert "Go on? [y/N]:" in err
    assert ("good: trusted" in out) is (status == 0)
    found = list(fedora.joinpath("etc/pki/ca-trust/source").glob("*/*"))
    assert len(found) is (1 - status)
    if not status:
        answer(monkeypatch, typed)
        undo = ["ca", "untrust", "--ca", "limited", "--root", str(fedora)]
        assert 0 == run(undo)
        assert "can deceive" not in place.capsys.readouterr().err


def test_where_there_is_no_store_the_file_is_named(place):
    """Then programs have to be told; SSL_CERT_FILE does that."""
    words = place("trust", "--yes", status=1)

    assert "there is no store here" in words
    assert f"SSL_CERT_FILE: {place.path}/tlskit-ca/ca.pem" in words


@pytest.mark.parametrize("kind", here.KINDS)
def test_a_store_that_was_asked_for_is_missed(place, kind):
    """Silence would be taken for success."""
    assert [(None, "failed")] == state(
        place, "trust", "--store", kind, status=1
    )


def test_an_image_has_one_store(place, fedora):
    """Browsers and Java are not looked for in there."""
    words = place("trust", "--root", str(fedora), "--store", "nss", status=1)

    assert "--root is for --store system only" in words


def test_what_is_no_ca_is_not_trusted(place):
    """A server's certificate in its place would help nobody."""
    leaf = CA().issue("localhost")
    place.path.joinpath("tlskit-ca", "ca.pem").write_bytes(leaf.chain_pem)

    assert "is no CA's" in place("trust", "--yes", status=1)


@pytest.mark.parametrize(
    ("platform", "trust", "undo"),
    [
        ("darwin", "security add-trusted-cert", "remove-trusted-cert"),
        ("win32", "certutil -addstore", "certutil -delstore -user Root "),
    ],
)
def test_other_systems_are_told_what_to_do(
    place, monkeypatch, platform, trust, undo
):
    """Not supported; but there is a command for it."""
    for module in (here, trusting):
        monkeypatch.setattr(module, "sys", SimpleNamespace(platform=platform))
    for verb, command in (("trust", trust), ("untrust", undo)):
        assert 1 == run(["ca", verb, "--yes"])
        out = place.capsys.readouterr().out
        assert f"the roots of {platform} are not changed by this" in out
        assert command in out.split("do this")[1]


# -- systems ----------------------------------------------------------------


def test_fedora_gets_an_anchor(place, fedora, monkeypatch):
    """Trusted twice is trusted once; untrusted, nothing is left."""
    tool(place, monkeypatch, "chroot", EXTRACT)
    where = ("--root", str(fedora))
    bundle = fedora / "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
    root = root_of(place)

    assert [("system", "added")] == state(place, "trust", *where)
    assert [("system", "there")] == state(place, "trust", *where)
    anchor = fedora / f"etc/pki/ca-trust/source/anchors/{root.label}.pem"
    assert root.pem == anchor.read_bytes() == bundle.read_bytes()
    assert [("system", "removed")] == state(place, "untrust", *where)
    assert [("system", "absent")] == state(place, "untrust", *where)
    assert b"" == bundle.read_bytes()
    assert not anchor.exists()


def test_what_somebody_else_did_is_left(place, fedora, monkeypatch):
    """It is trusted; "untrust" does not take that back."""
    tool(place, monkeypatch, "chroot", EXTRACT)
    anchors = fedora / "etc/pki/ca-trust/source/anchors"
    bundle = fedora / "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
    shutil.copy("tlskit-ca/ca.pem", anchors / "mine.pem")
    shutil.copy("tlskit-ca/ca.pem", bundle)
    where = ("--root", str(fedora))

    assert [("system", "there")] == state(place, "trust", *where)
    assert [("system", "foreign")] == state(place, "untrust", *where)
    assert ["mine.pem"] == [each.name for each in anchors.iterdir()]
    assert "left alone" in place("untrust", *where, "--yes")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo broken >&2; exit 3", "chroot: broken"),
        ("exit 3", "chroot: status 3"),
        (
            ": > $1/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
            "update-ca-trust extract has not put it into",
        ),
    ],
)
def test_a_failure_leaves_nothing_behind(
    place, fedora, monkeypatch, script, words
):
    """The reason is told, the file is taken back, and status is 1."""
    tool(place, monkeypatch, "chroot", script)
    assert 1 == run(["ca", "trust", "--root", str(fedora), "--yes"])
    out = place.capsys.readouterr().out

    assert "failed: to trust CN=" in out
    assert words in out
    assert not list(fedora.joinpath("etc/pki/ca-trust/source").glob("*/*"))


def test_a_file_that_can_not_go_is_told(place, fedora, monkeypatch):
    """The file is as good as there, and trusted."""
    tool(place, monkeypatch, "chroot", EXTRACT)
    where = ("--root", str(fedora))
    state(place, "trust", *where)

    def fail(self, missing_ok=False):
        raise PermissionError(1, "not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fail)
        assert 1 == run(["ca", "untrust", *where, "--yes"])
    assert ".pem: not permitted" in place.capsys.readouterr().out


def test_what_is_left_in_the_bundle_is_told(place, fedora, monkeypatch):
    """A command that says it did it, and did not."""
    tool(place, monkeypatch, "chroot", EXTRACT)
    where = ("--root", str(fedora))
    state(place, "trust", *where)
    tool(place, monkeypatch, "chroot", "exit 0")
    assert 1 == run(["ca", "untrust", *where, "--yes"])

    assert "update-ca-trust extract has left it in" in (
        place.capsys.readouterr().out
    )


def test_who_may_not_is_told_how(place, fedora, monkeypatch):
    """The same command, as root."""
    monkeypatch.setattr(system.SystemStore, "writable", False)
    assert 1 == run(["ca", "trust", "--root", str(fedora), "--yes"])
    out = place.capsys.readouterr().out

    assert f"you may not change {fedora}" in out
    assert f"sudo {sys.executable} -m tlskit ca trust --store system" in out


@pytest.mark.parametrize(
    ("anchors", "command"),
    [
        ("usr/local/share/ca-certificates", "update-ca-certificates"),
        ("etc/ca-certificates/trust-source/anchors", "trust extract-compat"),
        ("etc/pki/trust/anchors", "update-ca-certificates"),
    ],
)
def test_each_family_has_its_command(
    place, tmp_path, monkeypatch, anchors, command
):
    """Recorded from the distributions' manuals."""
    top = tmp_path / "top"
    top.joinpath(anchors).mkdir(parents=True)
    found = found_by(top)
    ran = []
    monkeypatch.setattr(
        system, "run_tool", lambda *words, **_: ran.append(words)
    )
    monkeypatch.setattr(
        system.shutil, "which", lambda name, path: f"/found/{name}"
    )
    words = found.add(root_of(place))

    assert words.endswith(f"and ran {command}")
    ((program, *arguments),) = ran
    assert "/found/chroot" == program
    assert [str(top), *command.split()] == arguments


def test_this_systems_own_command_takes_no_directories(place, monkeypatch):
    """Where it is at home it knows its way."""
    ran = []
    monkeypatch.setattr(
        system, "run_tool", lambda *words, **_: ran.append(words)
    )
    monkeypatch.setattr(
        system.shutil, "which", lambda name, path: f"/found/{name}"
    )
    found = system.SystemStore(system.FAMILIES[1])

    assert "update-ca-certificates" == found._update()
    assert [("/found/update-ca-certificates",)] == ran


def test_a_command_that_is_not_there_is_told(place, fedora, monkeypatch):
    """And no file is left."""
    monkeypatch.setattr(system.shutil, "which", lambda *_, **__: None)
    assert 1 == run(["ca", "trust", "--root", str(fedora), "--yes"])

    assert "chroot is not installed" in place.capsys.readouterr().out


def test_a_system_of_another_kind_has_no_store(tmp_path):
    """None of the directories is there."""
    assert found_by(tmp_path) is None


def fetch(port, *options):
    """Have curl fetch a page; give its status."""
    return subprocess.run(
        ["curl", "-sS", *options, f"https://127.0.0.1:{port}/"],
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    ).returncode


#: Debian's own command, as it would work in an image that has it.
CHROOT = """
    top=$1
    shift
    case $1 in
        update-ca-certificates)
            exec /usr/sbin/update-ca-certificates \\
                --certsconf $top/etc/ca-certificates.conf \\
                --certsdir $top/usr/share/ca-certificates \\
                --localcertsdir $top/usr/local/share/ca-certificates \\
                --etccertsdir $top/etc/ssl/certs \\
                --hooksdir $top/etc/ca-certificates/update.d;;
        openssl) exec openssl $2 $top$3;;
        *) exec $top$1;;
    esac
    """


def debian(place):
    """The files of a system like Debian, without any root."""
    top = place.path / "debian"
    for name in (
        "etc/ssl/certs",
        "etc/ca-certificates/update.d",
        "usr/share/ca-certificates",
        "usr/local/share/ca-certificates",
    ):
        top.joinpath(name).mkdir(parents=True)
    top.joinpath("etc/ca-certificates.conf").touch()
    return top


@needs_debian
@needs("curl")
@needs("openssl")
def test_debians_own_command(place, monkeypatch):
    """Curl and openssl accept after trust, and refuse after untrust."""
    tool(place, monkeypatch, "chroot", CHROOT)
    top = debian(place)
    for name in ("one", "two"):
        other = top / f"usr/local/share/ca-certificates/{name}.crt"
        other.write_bytes(CA(name).pem)
    hook = top / "etc/ca-certificates/update.d/hook"
    hook.write_text(f"#!/bin/sh\ncat >> {place.path}/told\n")
    hook.chmod(0o755)
    hook.with_name("not.run").write_text("#!/bin/sh\nexit 9\n")
    found = found_by(top)
    found._update()

    def tree():
        return sorted(
            (str(each), each.is_symlink() and each.readlink())
            for each in top.rglob("*")
        )

    before = tree()
    place("issue", "127.0.0.1")
    pair = ("--cert", "127.0.0.1.pem", "--key", "127.0.0.1-key.pem")
    bundle = str(top / "etc/ssl/certs/ca-certificates.crt")
    folder = str(top / "etc/ssl/certs")
    place.path.joinpath("site").mkdir()

    def verified():
        done = subprocess.run(
            [
                *("openssl", "verify", "-no-CAfile", "-no-CAstore"),
                *("-CApath", folder, "127.0.0.1.pem"),
            ],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode == 0

    with serving("--json", "--dir", "site", *pair) as server:
        port = server.event()["port"]
        assert 60 == fetch(port, "--cacert", bundle)
        assert [("system", "added")] == state(
            place, "trust", "--root", str(top)
        )
        assert 0 == fetch(port, "--cacert", bundle)
        assert verified()
        assert [("system", "removed")] == state(
            place, "untrust", "--root", str(top)
        )
        assert 60 == fetch(port, "--cacert", bundle)
        assert not verified()
    assert before == tree()
    # Java's hook has to hear of both.
    link = f"/etc/ssl/certs/{root_of(place).label}.pem\n"
    told = place.path.joinpath("told").read_text()
    assert f"+{top}{link}" in told
    assert told.endswith(f"-{link}")


@needs_debian
@needs("openssl")
def test_the_only_root_of_an_image_goes(place, monkeypatch):
    """Debian's command leaves a bundle for which there is no root."""
    tool(place, monkeypatch, "chroot", CHROOT)
    top = debian(place)
    state(place, "trust", "--root", str(top))
    folder = top / "etc/ssl/certs"
    assert folder.joinpath("ca-certificates.crt").exists()

    assert [("system", "removed")] == state(
        place, "untrust", "--root", str(top)
    )
    assert [] == list(folder.iterdir())


@pytest.mark.parametrize(
    "link", ["usr/local/share/ca-certificates", "etc/ssl/certs"]
)
def test_links_out_of_an_image_are_refused(place, monkeypatch, link):
    """Nothing is written, or removed, where they lead."""
    tool(place, monkeypatch, "chroot", "exit 0")
    top = debian(place)
    root = root_of(place)
    outside = place.path / "outside"
    outside.mkdir()
    files = [outside / f"{root.label}{end}" for end in (".crt", ".pem")]
    for each in files:
        each.symlink_to("nowhere")
    top.joinpath(link).rmdir()
    top.joinpath(link).symlink_to(outside)

    with pytest.raises(ConfigurationError, match="leads out of"):
        found_by(top).remove(root)
    assert all(each.is_symlink() for each in files)


def test_a_bundle_of_others_stays(place, monkeypatch):
    """A command that leaves the root among others has failed."""
    tool(place, monkeypatch, "chroot", "exit 0")
    top = debian(place)
    bundle = top / "etc/ssl/certs/ca-certificates.crt"
    bundle.write_bytes(CA("other").pem + root_of(place).pem)

    with pytest.raises(ConfigurationError, match="has left it in"):
        found_by(top).remove(root_of(place))
    assert bundle.exists()


def test_what_debians_command_leaves_is_cleaned_up(place, monkeypatch):
    """The link goes, and hooks hear of it, all in the image; by a stand-in."""
    top = debian(place)
    hooks = top / "etc/ca-certificates/update.d"
    hooks.joinpath("hook").write_text(f"#!/bin/sh\ntouch {place.path}/here\n")
    hooks.joinpath("hook").chmod(0o755)
    hooks.joinpath("off").touch()
    hooks.joinpath("not.run").touch(0o755)
    for name in ("update-ca-certificates", "openssl"):
        tool(place, monkeypatch, name, f"touch {place.path}/here")
    tool(
        place,
        monkeypatch,
        "chroot",
        f"""
        echo "$@" >> {place.path}/ran
        cd $1/usr/local/share/ca-certificates
        case $2 in
        update-ca-certificates)
            cat *.crt > $1/etc/ssl/certs/ca-certificates.crt 2>/dev/null
            for each in *.crt
            do test -e $each && ln -sf /nowhere/$each \\
                $1/etc/ssl/certs/$(basename $each .crt).pem
            done;;
        *.d/hook) cat >> {place.path}/ran;;
        esac
        exit 0
        """,
    )
    link = top / "etc/ssl/certs" / f"{root_of(place).label}.pem"

    assert [("system", "added")] == state(place, "trust", "--root", str(top))
    assert link.is_symlink()
    assert [("system", "removed")] == state(
        place, "untrust", "--root", str(top)
    )
    assert not link.is_symlink()
    assert not place.path.joinpath("here").exists()
    assert [
        f"{top} update-ca-certificates",
        f"{top} update-ca-certificates",
        f"{top} openssl rehash /etc/ssl/certs",
        f"{top} /etc/ca-certificates/update.d/hook",
        f"-/etc/ssl/certs/{link.name}",
    ] == place.path.joinpath("ran").read_text().splitlines()


# -- browsers ---------------------------------------------------------------


def database(place, name=".pki/nssdb"):
    """Make a database of NSS in the home directory."""
    path = place.path / "home" / name
    path.mkdir(parents=True)
    subprocess.run(
        ["certutil", "-N", "-d", f"sql:{path}", "--empty-password"],
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    return path


def certutil(path, *arguments):
    """Ask a database; give the words."""
    return subprocess.run(
        ["certutil", *arguments, "-d", f"sql:{path}"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout


@needs("certutil")
def test_databases_of_browsers(place):
    """Each gets it, and loses it; what else is there stays."""
    paths = [
        database(place, ".mozilla/firefox/abc.default"),
        database(place),
    ]
    # A directory of Firefox's that is no profile.
    place.path.joinpath("home/.mozilla/firefox/Crash Reports").mkdir()
    place.path.joinpath("other.pem").write_bytes(CA("other").pem)
    for path in paths:
        certutil(path, "-A", "-t", "C,,", "-n", "x, y  z", "-i", "other.pem")
    before = [certutil(path, "-L") for path in paths]

    words = place("trust", "--yes")
    assert 2 == words.count(f": added it as {root_of(place).label}\n")
    assert words.endswith(f"tlskit ca untrust --ca {place.path}/tlskit-ca\n")
    assert [("nss", "there")] * 2 == state(place, "trust")
    for path in paths:
        listed = certutil(path, "-L", "-n", root_of(place).label, "-a")
        assert listed.replace("\r", "").encode() == root_of(place).pem
    assert [("nss", "removed")] * 2 == state(place, "untrust")
    assert [("nss", "absent")] * 2 == state(place, "untrust")
    assert before == [certutil(path, "-L") for path in paths]


@needs("certutil")
@pytest.mark.parametrize(
    ("trust", "trusted", "untrusted"),
    [("C,,", "there", "foreign"), (",,", "failed", "failed")],
)
def test_a_database_may_have_it_already(place, trust, trusted, untrusted):
    """Trusted by hand: left so.  Not trusted, by hand: that, too."""
    path = database(place)
    certutil(
        *(path, "-A", "-t", trust, "-n", "mine", "-i", "tlskit-ca/ca.pem")
    )
    before = certutil(path, "-L")
    status = int(trusted == "failed")

    assert [("nss", trusted)] == state(place, "trust", status=status)
    assert [("nss", untrusted)] == state(place, "untrust", status=status)
    assert before == certutil(path, "-L")
    if status:
        words = "it is in there as 'mine', and not trusted"
        assert 1 == run(["ca", "trust", "--yes"])
        assert words in place.capsys.readouterr().out


def test_without_certutil_one_is_told_where_to_get_it(place, monkeypatch):
    """There is a database, and nothing to change it with."""
    path = place.path / "home/.pki/nssdb"
    path.mkdir(parents=True)
    path.joinpath("cert9.db").touch()
    monkeypatch.setattr(here.shutil, "which", lambda _: None)
    assert 1 == run(["ca", "trust", "--yes"])

    assert "libnss3-tools" in place.capsys.readouterr().out


def test_a_certificate_that_can_not_be_read_is_not_ours(place, monkeypatch):
    """A database may have what cryptography can't parse."""
    tool(
        place,
        monkeypatch,
        "certutil",
        'test "$2" = -d && echo "odd   C,,"; exit 0',
    )
    found = NSSStore(place.path, str(place.path / "bin" / "certutil"))

    assert found.holds(root_of(place)) is None


def test_a_database_without_its_program(place, monkeypatch):
    """The same by a stand-in, which knows what it was told."""
    root = root_of(place)
    database = place.path / "home/.pki/nssdb"
    database.mkdir(parents=True)
    database.joinpath("cert9.db").touch()
    tool(
        place,
        monkeypatch,
        "certutil",
        f"""
        cd {place.path}
        case "$1 $2 $4" in
        "-A -t "*) cat > given; echo "$5   $3" > names;;
        "-D -n "*) rm given names; test "$3" = {root.label};;
        "-L -n "*) test "$3" = "else" && cat else.pem || cat given;;
        *) cat names 2>&1; exit 0;;
        esac
        """,
    )

    words = place("trust", "--yes")
    assert words.endswith(f"tlskit ca untrust --ca {place.path}/tlskit-ca\n")
    assert root.pem == place.path.joinpath("given").read_bytes()
    assert [("nss", "there")] == state(place, "trust")
    place.path.joinpath("else.pem").write_bytes(CA("other").pem)
    place.path.joinpath("names").write_text("else  ,,\nmine   C,,\n")
    assert [("nss", "foreign")] == state(place, "untrust")
    place.path.joinpath("names").write_text("mine   ,,\n")
    assert [("nss", "failed")] == state(place, "trust", status=1)
    place.path.joinpath("names").write_text(f"{root.label}   C,,\n")
    assert [("nss", "removed")] == state(place, "untrust")


@needs_chromium
@needs("certutil")
def test_chromium_believes_whom_the_database_has(place):
    """It refuses, accepts after trust, and refuses after untrust."""
    database(place)
    place("issue", "localhost")
    pair = ("--cert", "localhost.pem", "--key", "localhost-key.pem")
    site = place.path / "site"
    site.mkdir()
    home = place.path / "home"

    def look():
        shutil.rmtree(home / "profile", ignore_errors=True)
        with browsing(home) as browser:
            return browser.look(address)

    with serving("--json", "--dir", "site", *pair) as server:
        address = f"https://localhost:{server.event()['port']}/"
        assert "net::ERR_CERT_AUTHORITY_INVALID" == look()
        assert [("nss", "added")] == state(place, "trust")
        assert look() is None
        assert [("nss", "removed")] == state(place, "untrust")
        assert "net::ERR_CERT_AUTHORITY_INVALID" == look()


# -- Java -------------------------------------------------------------------


@needs("keytool")
def test_javas_roots(place):
    """Added and removed by keytool; what else is there stays."""
    file = place.path / "java" / "lib" / "security" / "cacerts"
    file.parent.mkdir(parents=True)
    place.path.joinpath("other.pem").write_bytes(CA("other").pem)

    def keytool(*arguments):
        done = subprocess.run(
            [
                *("keytool", *arguments, "-keystore", str(file)),
                *("-storepass", "changeit", "-J-Duser.language=en"),
            ],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        return done.stdout

    keytool(
        *("-importcert", "-noprompt", "-alias", "other", "-file", "other.pem")
    )
    before = keytool("-list")

    assert [("java", "added")] == state(place, "trust")
    assert [("java", "there")] == state(place, "trust")
    assert f"{root_of(place).label}, " in keytool("-list")
    assert [("java", "removed")] == state(place, "untrust")
    assert before == keytool("-list")


def entry(alias, root):
    """Give what keytool lists of a root."""
    pairs = [root.sha256[at : at + 2] for at in range(0, 64, 2)]
    digest = ":".join(pairs).upper()
    return (
        f"{alias}, Nov 30, 2026, trustedCertEntry, \n"
        f"Certificate fingerprint (SHA-256): {digest}\n"
    )


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["mine", "{0}"], "{0}"),
        (["debian:{0}.pem"], "debian:{0}.pem"),
        (["mine"], "mine"),
        ([], None),
    ],
)
def test_java_may_have_it_by_another_name(place, monkeypatch, names, wanted):
    """Debian copies the system's; ours are known by their name."""
    root = root_of(place)
    listed = "".join(entry(each.format(root.label), root) for each in names)
    place.path.joinpath("listed").write_text("your keystore\n\n" + listed)
    tool(
        place,
        monkeypatch,
        "keytool",
        f"""
        echo "$@" >> {place.path}/ran
        cat {place.path}/listed
        """,
    )
    found = JavaStore(place.path, str(place.path / "bin" / "keytool"))
    held = found.holds(root)
    found.remove(root)
    ran = place.path.joinpath("ran").read_text()

    assert (wanted and wanted.format(root.label)) == held
    assert ran.count("-delete") == sum("{0}" in each for each in names)
    assert "-alias mine" not in ran


def test_keytool_is_given_what_it_needs(place):
    """The certificate by its stdin; without Java, by a stand-in."""
    java = place.path / "java"
    for name in ("lib/security", "bin"):
        java.joinpath(name).mkdir(parents=True)
    java.joinpath("lib/security/cacerts").touch()
    stranger = Root(CA("other").certificate, place.path)
    java.joinpath("listed").write_text(entry("other", stranger))
    java.joinpath("bin/keytool").write_text(
        f"""#!/bin/sh
        case $1 in
        -list) cat {java}/listed;;
        -importcert) cat > {java}/given;;
        esac
        """
    )
    java.joinpath("bin/keytool").chmod(0o755)

    assert [("java", "added")] == state(place, "trust")
    assert root_of(place).pem == java.joinpath("given").read_bytes()


def test_java_is_where_its_keytool_is(tmp_path):
    """JAVA_HOME names one; else the keytool that is found leads there."""
    for name in ("one", "two"):
        home = tmp_path / name
        home.joinpath("bin").mkdir(parents=True)
        home.joinpath("bin", "keytool").touch()
    one, two = tmp_path / "one", tmp_path / "two"
    two.joinpath("jre/lib/security").mkdir(parents=True)
    cacerts = two / "jre/lib/security/cacerts"
    cacerts.touch()
    tmp_path.joinpath("keytool").symlink_to(two / "bin" / "keytool")
    link = str(tmp_path / "keytool")

    assert JavaStore.find({}, None) is None
    assert JavaStore.find({}, str(one / "bin" / "keytool")) is None
    assert JavaStore(cacerts, link) == JavaStore.find({}, link)
    named = JavaStore.find({"JAVA_HOME": str(two)}, None)
    assert JavaStore(cacerts, str(two / "bin" / "keytool")) == named
    assert JavaStore.find({"JAVA_HOME": str(tmp_path)}, None) is None


# -- tools ------------------------------------------------------------------


def test_a_store_that_changes_meanwhile_is_looked_at_again(place, monkeypatch):
    """Debian's command may have told Java; then there is nothing to do."""

    class Late:
        kind, place, writable = "java", "somewhere", True
        held = iter([None, "debian:x"])

        def holds(self, root):
            return next(self.held)

    monkeypatch.setattr(here, "_java", lambda: iter([Late()]))

    assert [("java", "there")] == state(place, "trust")


def test_a_tool_has_a_deadline(monkeypatch):
    """One that hangs is ended, and named."""
    monkeypatch.setattr(store, "_PATIENCE", 0.2)
    with pytest.raises(ConfigurationError, match="sleep has not ended"):
        run_tool("sleep", "60")


def test_a_tool_that_can_not_be_run_is_named():
    """It may vanish between looking and running."""
    with pytest.raises(ConfigurationError, match=r"can't run .*nobody: No"):
        run_tool("/nowhere/nobody")
