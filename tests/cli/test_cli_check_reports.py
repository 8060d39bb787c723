"""What ``tlskit check`` tells of many hosts, to people and to machines."""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from tlskit.cli.check.command import _style_in
from tlskit.cli.check.finding import Patience
from tlskit.cli.check.round import Round
from tlskit.cli.data import certificate_data
from tlskit.cli.exit import ExitCode
from tlskit.cli.inspect import lifetimes
from tlskit.cli.main import run
from tlskit.testing import CA

from ..command import PATIENCE, on_terminal, start, tlskit
from ..peers import TcpServer, Vault, needs, s_server
from ..servers import echo_server

DAY = timedelta(days=1)
ON_UNIX = pytest.mark.skipif(os.name == "nt", reason="terminals differ")


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """Credentials for this file."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture(scope="module")
def hosts(vault):
    """Four servers: two are good, one has expired, one is not valid yet."""
    with ExitStack() as stack:
        yield [
            f"localhost:{stack.enter_context(echo_server(leaf))}"
            for leaf in (
                vault.leaf(),
                vault.leaf(bad="expired"),
                vault.leaf(bad="not-yet-valid"),
                vault.leaf(),
            )
        ]


def checked(vault, *arguments):
    """Run it, with the CA of these tests."""
    return tlskit("check", "--ca", vault.roots, *arguments)


@contextmanager
def silent_server():
    """Have a server that never answers; give its place, and when it heard."""
    heard = threading.Event()

    def listen(sock):
        while sock.recv(65536):
            heard.set()

    with TcpServer(listen) as server:
        yield f"127.0.0.1:{server.port}", heard
        server.task.settle()


def short_lived(vault, life, left):
    """Issue a certificate of so long a life, of which so much is left."""
    now = datetime.now(timezone.utc)
    return vault.files(
        vault.ca.issue("localhost", valid=(now - life + left, now + left))
    )


# -- lines ------------------------------------------------------------------


@ON_UNIX
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_terminal_of_80_columns_breaks_no_word(vault, hosts, which):
    """What does not fit goes below, under the host, between words."""
    status, lines, _ = on_terminal("check", "--ca", vault.roots, hosts[which])
    _, (whole,), _ = on_terminal(
        *("check", "--ca", vault.roots, hosts[which]), columns=900
    )

    assert (0, 4, 4)[which] == status
    assert 80 >= max(map(len, lines))
    assert {" " * 16} == {line[:16] for line in lines[1:]}
    told = " ".join(line.strip() for line in lines)
    # What the clock says may have changed since.
    assert whole.split()[:16] == told.split()[:16]


def test_a_pipe_gets_one_line_for_each_host(vault, hosts):
    """However long they are; the summary is not among them."""
    done = checked(vault, *hosts)

    assert 4 == done.returncode
    assert hosts == [line[16:].split()[0] for line in done.stdout.splitlines()]
    assert "2 of 4 hosts good: 1 expired, 1 not yet valid\n" == done.stderr


def test_a_certificate_of_tomorrow_has_not_expired(vault, hosts):
    """It has a verdict of its own, and the status of those out of time."""
    text = checked(vault, hosts[2])
    data = json.loads(checked(vault, hosts[2], "--json").stdout)

    assert 4 == text.returncode == data["status"]
    assert text.stdout.startswith("not yet valid   localhost:")
    assert "not yet valid" == data["verdict"] == data["hosts"][0]["verdict"]


def test_failing_leaves_out_the_good(vault, hosts):
    """One line for each that is not good; nothing at all if all are."""
    some = checked(vault, "--failing", *hosts)
    data = json.loads(checked(vault, "--failing", "--json", *hosts).stdout)
    none = checked(vault, "--failing", hosts[0], hosts[3])

    assert (4, 2) == (some.returncode, some.stdout.count("\n"))
    assert "2 of 4 hosts good" in some.stderr
    assert [4, 4] == [each["status"] for each in data["hosts"]]
    assert (0, "", "") == (none.returncode, none.stdout, none.stderr)


def test_quiet_leaves_out_the_summary(vault, hosts):
    """The lines are all there is."""
    done = checked(vault, "-q", hosts[0], hosts[3])

    assert (0, "") == (done.returncode, done.stderr)
    assert 2 == done.stdout.count("\n")


def test_a_host_is_checked_once(vault, hosts):
    """Who is named twice is one host, and one series."""
    text = checked(vault, hosts[0], hosts[0])
    series = checked(vault, "--format", "prometheus", hosts[0], hosts[0])
    names = [
        line.rsplit(" ", 1)[0]
        for line in series.stdout.splitlines()
        if not line.startswith("#")
    ]

    assert 1 == text.stdout.count("\n")
    assert sorted(set(names)) == sorted(names)


@ON_UNIX
def test_the_bar_leaves_nothing_behind(vault, hosts):
    """Its line is taken back; what is left are the hosts and the summary."""
    status, lines, painted = on_terminal(
        *("check", "--ca", vault.roots, hosts[0], hosts[3])
    )

    assert 0 == status
    assert b"checking" in painted
    # The last time it is shown, the line is erased, and the cursor is back.
    assert painted.rindex(b"\x1b[2K") > painted.rindex(b"checking")
    assert painted.count(b"\x1b[?25h") == painted.count(b"\x1b[?25l")
    assert "2 of 2 hosts good" == lines[-1]


# -- when a certificate expires soon ----------------------------------------


def test_short_lives_are_measured_by_themselves(vault):
    """A quarter of six days is enough; with less, it expires soon."""
    life = 6 * DAY
    for left, status in ((5 * DAY, 0), (DAY, 3)):
        with echo_server(short_lived(vault, life, left)) as port:
            place = f"localhost:{port}"
            assert status == checked(vault, place).returncode
            plugin = checked(vault, "--format", "nagios", place)
            assert min(1, status) == plugin.returncode
            assert ";1.5:;0:" in plugin.stdout


def test_days_that_are_asked_for_count_whatever_the_life_is(vault):
    """--min-days is what it says."""
    with echo_server(short_lived(vault, 6 * DAY, 5 * DAY)) as port:
        done = checked(vault, f"localhost:{port}", "--min-days", "10")

    assert 3 == done.returncode


def test_a_share_of_the_life_that_is_asked_for(vault):
    """--min-life is a share of each certificate's own lifetime."""
    with echo_server(short_lived(vault, 6 * DAY, 3 * DAY)) as port:
        place = f"localhost:{port}"
        good = checked(vault, place, "--min-life", "40%")
        soon = checked(vault, place, "--min-life", "60", "--json")
        both = checked(vault, place, "--min-life", "1%", "--min-days", "4")
        bad = checked(vault, place, "--min-life", "120%")

    assert [0, 3, 3, 1] == [
        each.returncode for each in (good, soon, both, bad)
    ]
    (found,) = json.loads(soon.stdout)["hosts"]
    assert found["certificate"]["max_days"] >= 47
    assert not found["certificate"]["over_max_days"]
    assert "%" in bad.stderr or "120" in bad.stderr


def test_a_ca_may_live_longer():
    """The limit is one for servers; a CA's certificate is never over it."""
    ca = CA()
    cert = ca.certificate
    begin, end = cert.not_valid_before_utc, cert.not_valid_after_utc

    assert lifetimes.too_long(begin, end)
    assert not certificate_data(cert)["over_max_days"]


@pytest.mark.parametrize(
    ("begin", "days", "most", "over"),
    [
        ((2019, 1, 1), 825, 825, False),
        ((2026, 3, 14), 399, 398, True),
        ((2026, 3, 15), 200, 200, False),
        ((2026, 3, 15), 201, 200, True),
        ((2027, 3, 15), 100, 100, False),
        ((2029, 3, 15), 47, 47, False),
        ((2029, 3, 15), 48, 47, True),
    ],
)
def test_how_long_a_certificate_may_live(begin, days, most, over):
    """Public CAs may give less and less, by the day it begins."""
    start = datetime(*begin, tzinfo=timezone.utc)
    # A certificate of a day ends a second before that is over.
    end = start + timedelta(days=days, seconds=-1)

    assert most == lifetimes.most_days(start)
    assert over is lifetimes.too_long(start, end)
    renewal = lifetimes.renewal_of(start, end)
    assert renewal <= start + (end - start) * 2 / 3
    assert renewal > start + (end - start) * 2 / 3 - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("days", "life", "wanted"),
    [
        (None, 90, 14),
        (None, 56, 14),
        (None, 6, 1.5),
        (None, 1, 0.25),
        (30.0, 6, 30),
        (0.0, 90, 0),
    ],
)
def test_the_days_of_each_lifetime(days, life, wanted):
    """Two weeks by default, or a quarter of a shorter life."""
    assert wanted == Patience(days).for_life(life * DAY)


# -- client certificates ----------------------------------------------------


@pytest.mark.native
def test_a_server_that_asks_for_a_certificate(vault):
    """It is told, and of others it is known that they don't ask."""
    for asks in (True, False):
        settings = {"load_verify_source": vault.roots, "set_verify": asks}
        with echo_server(vault.leaf(), **settings) as port:
            place = f"localhost:{port}"
            text = checked(vault, place).stdout
            (host,) = json.loads(checked(vault, place, "--json").stdout)[
                "hosts"
            ]
        assert asks == ("  asks for a client certificate  " in text)
        assert asks is host["asks_for_certificate"]


@needs("openssl")
def test_our_certificate_is_shown(vault):
    """A server that demands one refuses us without --cert, and then not."""
    mine = vault.leaf("me")
    demand = ("-tls1_2", "-Verify", "1", "-verify_return_error")
    with s_server(vault.leaf(), *demand, "-CAfile", vault.roots) as (_, port):
        place = f"localhost:{port}"
        without = checked(vault, place)
        pair = ("--cert", mine.chain, "--key", mine.key)
        shown = checked(vault, place, *pair)

    assert ExitCode.POLICY == without.returncode
    assert (0, "") == (shown.returncode, shown.stderr)


# -- where it goes ----------------------------------------------------------


def test_a_file_is_written_whole(vault, hosts, tmp_path):
    """--output replaces what was there, and stdout gets nothing."""
    path = tmp_path / "tls.prom"
    path.write_text("old")
    form = ("--format", "prometheus")
    done = checked(vault, *form, "-o", str(path), hosts[0], hosts[1])

    assert (4, "", "") == (done.returncode, done.stdout, done.stderr)
    assert f'tlskit_check_status{{host="{hosts[1]}"}} 4' in path.read_text()
    assert 0o644 == path.stat().st_mode & 0o777
    assert [path] == list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_wrong_usage(vault, hosts, tmp_path):
    """Without a directory for it, nobody is checked."""
    missing = tmp_path / "missing" / "tls.prom"
    done = checked(vault, "--output", str(missing), hosts[0])

    assert (1, "") == (done.returncode, done.stdout)
    assert "no directory" in done.stderr


# -- Ctrl-C -----------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT between processes")
@pytest.mark.parametrize(
    ("options", "status"),
    [
        ((), 130),
        (("--json",), 130),
        (("--format", "prometheus"), 130),
        (("--format", "nagios"), 3),
    ],
)
def test_ctrl_c_shows_what_was_found(vault, hosts, options, status):
    """The silent host does not hide what the others have said."""
    with silent_server() as (silent, heard):
        process = start(
            *("check", "--ca", vault.roots, "--timeout", "600"),
            *("--jobs", "1", *options, hosts[0], silent, hosts[3]),
        )
        assert heard.wait(PATIENCE)  # The first host is done by now.
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)

    assert status == process.returncode
    assert b"Traceback" not in err
    if not options:
        assert 1 == out.count(b"\n")
        assert out.startswith(b"good ")
        assert b"1 of 3 hosts good; interrupted, 2 not checked" in err
    elif "--json" in options:
        data = json.loads(out)
        assert (130, "interrupted") == (data["status"], data["verdict"])
        assert [0] == [each["status"] for each in data["hosts"]]
    elif "nagios" in options:
        assert out.startswith(b"TLS UNKNOWN - 1 of 3 hosts good; interrupted")
    else:
        assert b"" == out


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT between processes")
def test_ctrl_c_leaves_the_file_as_it_was(vault, hosts, tmp_path):
    """Half of the series would look like hosts that went away."""
    path = tmp_path / "tls.json"
    path.write_text("old")
    with silent_server() as (silent, heard):
        process = start(
            *("check", "--ca", vault.roots, "--timeout", "600", "--json"),
            *("-o", str(path), hosts[0], silent),
        )
        assert heard.wait(PATIENCE)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)

    assert 130 == process.returncode
    assert "old" == path.read_text()


def test_ctrl_c_loses_no_result_behind_a_silent_host():
    """What a later host has said is shown, though its turn never came."""
    later = threading.Event()

    def examine(target):
        if target == "silent":
            assert later.wait(PATIENCE)
            raise KeyboardInterrupt
        later.set()
        return SimpleNamespace(target=target)

    found = Round(("silent", "later"), examine, workers=2, quiet=True)

    assert ["later"] == [each.target for each in found]
    assert found.interrupted


# -- plug-ins ---------------------------------------------------------------


def test_the_first_line_names_the_worst(vault, hosts):
    """Pagers show one line; it has the hosts, the worst ones first."""
    done = checked(vault, "--format", "nagios", "--failing", *hosts)
    lines = done.stdout.splitlines()
    first = f"{hosts[1]} expired, {hosts[2]} not yet valid"

    assert 2 == done.returncode
    assert lines[0].startswith(f"TLS CRITICAL - 2 of 4 good; {first} | ")
    assert 3 == len(lines)


def test_a_long_list_is_cut_short(capsys):
    """Five are named, the others counted."""
    names = [f"127.0.0.1:{number}" for number in range(1, 8)]
    status = run(["check", "--format", "nagios", "--timeout", "5", *names])
    first = capsys.readouterr().out.splitlines()[0]

    assert 2 == status
    assert f"0 of 7 good; {names[0]} cannot connect, " in first
    assert first.endswith(f"{names[4]} cannot connect and 2 more")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--format", "nagios"), "which hosts?"),
        (("--format=nagios", "--tiemout", "3", "localhost"), "--tiemout"),
        (("--format", "nagios", "--ca", "/no/such", "a"), "does not exist"),
        (("--format", "nagios", "--ca", os.devnull, "a"), "certificates"),
        (("--format", "nagios", "--file", "/no/such"), "can't read"),
        (("--format", "nagios", "--timeout", "0", "a"), "--timeout"),
        (("--format", "nagios", "a b"), "is no host"),
        (("--format", "nagios", "--key", "k", "a"), "--cert"),
    ],
)
def test_a_plug_in_that_cannot_work_is_unknown(arguments, words, capsys):
    """Whatever the reason is: 3, and one line on stdout."""
    status = run(["check", *arguments])
    out, err = capsys.readouterr()

    assert (3, "") == (status, err)
    assert out.startswith("TLS UNKNOWN - ")
    assert words in out
    assert 1 == out.count("\n")


@pytest.mark.parametrize(
    ("arguments", "style"),
    [
        (["--format", "nagios"], "nagios"),
        (["--format=nagios", "--x"], "nagios"),
        (["--format", "nagios", "--format", "json"], "json"),
        (["--", "--format", "nagios"], None),
        (["--format"], ""),
        ([], None),
    ],
)
def test_the_format_of_what_cannot_be_parsed(arguments, style):
    """It is found as click would have found it."""
    assert style == _style_in(arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--failing", "--format", "prometheus", "a"), "--failing"),
        (("--key", "k", "a"), "--key needs --cert"),
        (("--cert", "/no/such", "a"), "can't"),
        (("--json", "--format", "nagios"), "which hosts?"),
    ],
)
def test_wrong_usage(arguments, words, capsys):
    """What does not go together is said; the status is the usual one."""
    status = run(["check", *arguments])
    out, err = capsys.readouterr()

    assert (1, "") == (status, out)
    assert words in err


def test_dates_that_cannot_be_read_are_no_dates(vault, monkeypatch):
    """A broken certificate, which was refused anyway, has no days left."""
    from tlskit.cli.check import finding
    from tlskit.x509.glimpse import Glimpse

    monkeypatch.setattr(finding, "glimpse_of", lambda _: Glimpse(None))

    assert finding._first((vault.ca.certificate,)) is None
