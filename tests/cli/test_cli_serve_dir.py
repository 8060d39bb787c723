"""``tlskit serve --dir`` as a process: files by HTTPS, and none outside."""

from __future__ import annotations

import http.client
import os
import shlex
import socket
import ssl
import subprocess

import pytest

from tlskit import UnsupportedError
from tlskit.cli.exit import ExitCode
from tlskit.cli.serve import web
from tlskit.cli.serve.site import Site
from tlskit.tools.deadline import Deadline

from ..command import PATIENCE, serving
from ..command import tlskit as run_tlskit
from ..peers import needs

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="no SIGINT between processes, and no openat()"
)

SECRET = b"the secret\n"


def make_site(tmp_path):
    """Make a directory with all that may be there, and a secret beside it."""
    tmp_path.joinpath("secret.txt").write_bytes(SECRET)
    root = tmp_path / "site"
    root.mkdir()
    root.joinpath("hello.txt").write_bytes(b"hello\n")
    root.joinpath("big.bin").write_bytes(bytes(range(256)) * 2000)
    root.joinpath("a <b> & c.html").write_text("<p>odd</p>")
    root.joinpath(".env").write_bytes(SECRET)
    root.joinpath(".git").mkdir()
    root.joinpath(".git", "config").write_bytes(SECRET)
    root.joinpath("git").symlink_to(".git")
    root.joinpath("out").symlink_to(tmp_path / "secret.txt")
    root.joinpath("up").symlink_to(tmp_path)
    root.joinpath("inside").symlink_to("hello.txt")
    root.joinpath("loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    below = root / "below"
    below.mkdir()
    below.joinpath("index.html").write_text("<h1>below</h1>")
    root.joinpath("empty").mkdir()
    return root


@pytest.fixture
def site(tmp_path):
    """A directory of the test's own."""
    return make_site(tmp_path)


class Client:
    """An HTTPS client of the standard library, over paths as they are."""

    def __init__(self, event):
        self.event = event
        self.context = ssl.create_default_context(cafile=event["ca_file"])

    def connect(self):
        """Give a TLS socket."""
        sock = socket.create_connection(
            (self.event["host"], self.event["port"]), PATIENCE
        )
        return self.context.wrap_socket(sock, server_hostname="localhost")

    def ask(self, path, method="GET"):
        """Give the response, read, to a request for exactly *path*."""
        with self.connect() as sock:
            sock.sendall(f"{method} {path} HTTP/1.0\r\n\r\n".encode("latin-1"))
            response = http.client.HTTPResponse(sock, method=method)
            response.begin()
            response.content = response.read()
        return response


@pytest.fixture
def client(site):
    """A client of a server of ``site``."""
    with serving("--json", "--dir", str(site)) as server:
        made = Client(server.event())
        made.server = server
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The same for tests that don't look at the journal."""
    site = make_site(tmp_path_factory.mktemp("shared"))
    with serving("--json", "--dir", str(site)) as server:
        yield Client(server.event())


@needs("curl")
def test_curl_gets_what_is_there(site, tmp_path):
    """The command that is shown works, for files of any size."""
    with serving("--dir", str(site)) as server:
        head = server.head()
        command = shlex.split(head["try it"])
        command[-1] += "big.bin"
        done = subprocess.run(
            [*command, "-sS", "-o", str(tmp_path / "got"), "-w", "%{json}"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    assert (0, "") == (done.returncode, done.stderr)
    assert (
        site.joinpath("big.bin").read_bytes()
        == (tmp_path / "got").read_bytes()
    )
    assert '"content_type":"application/octet-stream"' in done.stdout
    assert f"serving the files in {site}" in head["listening"]


@pytest.mark.parametrize(
    ("path", "kind", "content"),
    [
        ("/hello.txt", "text/plain", b"hello\n"),
        ("/hello.txt?query=1", "text/plain", b"hello\n"),
        ("/below/../hello.txt", "text/plain", b"hello\n"),
        ("/inside", "application/octet-stream", b"hello\n"),
        ("/below/", "text/html", b"<h1>below</h1>"),
        ("/a%20%3Cb%3E%20%26%20c.html", "text/html", b"<p>odd</p>"),
    ],
)
def test_files_have_type_and_length(shared, path, kind, content):
    """GET gives the content, HEAD the same headers without it."""
    got = shared.ask(path)
    head = shared.ask(path, "HEAD")

    assert (200, content) == (got.status, got.content)
    assert (200, b"") == (head.status, head.content)
    for response in (got, head):
        assert kind == response.headers["Content-Type"]
        assert str(len(content)) == response.headers["Content-Length"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/below/../../secret.txt",
        "//secret.txt",
        "/..\\secret.txt",
        "../secret.txt",
        "/out",
        "/up/secret.txt",
        "/up/",
        "/.env",
        "/.git/config",
        "/git/config",
        "/git/",
        "/loop",
        "/pipe",
        "/hello.txt/",
        "/missing",
        "/%00",
        "/hello.txt%00",
        "/%ff%fe",
        "/%ed%a0%80",
        "/" + "x" * 5000,
        "/" + "a/" * 3000,
        "//[x",
    ],
)
def test_nothing_outside_can_be_had(shared, path):
    """Traversal, links, hidden files and junk are all 404."""
    got = shared.ask(path)

    assert got.status == 404
    assert SECRET.strip() not in got.content


def test_a_directory_has_one_address(shared):
    """Without the slash one is sent there; never to another server."""
    plain = shared.ask("/below?x=1")
    doubled = shared.ask("//below")

    assert (301, "/below/") == (plain.status, plain.headers["Location"])
    assert (301, "/below/") == (doubled.status, doubled.headers["Location"])


def test_a_listing_is_escaped_and_shows_what_can_be_had(shared):
    """Names are escaped; hidden files, and links that lead out, are not in."""
    got = shared.ask("/")
    page = got.content.decode()

    assert got.status == 200
    assert "text/html; charset=utf-8" == got.headers["Content-Type"]
    assert '<a href="./a%20%3Cb%3E%20%26%20c.html">a &lt;b&gt; &amp; c' in page
    for name in ("hello.txt", "below/", "empty/", "inside"):
        assert f'<a href="./{name}">' in page
    for name in (".env", ".git", "git", "out", "up", "loop", "pipe"):
        assert f">{name}" not in page


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE", "X"])
def test_only_get_and_head(shared, method):
    """Other methods are refused, whatever the path."""
    assert shared.ask("/hello.txt", method).status == 501


def test_a_body_is_no_second_request(shared):
    """What follows a request is not answered, so nothing can be smuggled."""
    with shared.connect() as sock:
        sock.sendall(
            b"GET /hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n"
            b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        received = b"".join(iter(lambda: sock.recv(65536), b""))

    assert 1 == received.count(b"HTTP/1.0 ")
    assert received.endswith(b"hello\n")


def test_garbage_is_answered(client):
    """What is no HTTP gets an error, and the next client is served."""
    with client.connect() as sock:
        sock.sendall(b"\x00\xff\x1b[31m garbage \r\n\r\n")
        received = b"".join(iter(lambda: sock.recv(65536), b""))
    told = [client.server.event() for _ in range(2)]

    assert b"400" in received
    assert told[1]["event"] == "request"
    assert told[1]["status"] == 400
    assert 200 == client.ask("/hello.txt").status


def test_the_journal_tells_requests(client):
    """Client, request and end, in this order, with the bytes sent."""
    client.ask("/hello.txt")
    told = [client.server.event() for _ in range(3)]

    assert ["client", "request", "left"] == [each["event"] for each in told]
    assert told[0]["session"]["alpn"] is None
    assert "GET /hello.txt HTTP/1.0" == told[1]["request"]
    assert 200 == told[1]["status"]
    assert told[2]["error"] is None
    assert told[2]["sent"] > len(b"hello\n")


def test_terminal_escapes_in_a_request_are_escaped(site):
    """A path can't paint the terminal of who runs the server."""
    with serving("--dir", str(site), "--name", "localhost") as server:
        head = server.head()
        number = int(head["listening"].partition(":")[2].partition(",")[0])
        ca_file = shlex.split(head["try it"])[2]
        client = Client(
            {"host": "127.0.0.1", "port": number, "ca_file": ca_file}
        )
        client.ask("/\x1b[32mgood")
        server.line()
        line = server.line()

    assert "404" in line
    assert "\\x1b[32mgood" in line
    assert "\x1b" not in line


def test_http_1_1_is_chosen_by_alpn(client):
    """A browser offers h2 first, and gets what is spoken here."""
    client.context.set_alpn_protocols(["h2", "http/1.1"])
    with client.connect() as sock:
        assert "http/1.1" == sock.selected_alpn_protocol()


def test_h2_alone_is_refused(client):
    """Who can't speak HTTP/1 is told so in the handshake (RFC 7301)."""
    client.context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError), client.connect():
        pass

    assert client.server.event()["event"] == "refused"


def test_a_trickling_client_is_ended(site):
    """A request that does not get done is ended; others are served."""
    with serving("--json", "--dir", str(site), "--idle", "1") as server:
        client = Client(server.event())
        with client.connect() as slow:
            slow.sendall(b"GET / HT")
            assert 200 == client.ask("/hello.txt").status
            assert b"" == slow.recv(100)
        told = [server.event() for _ in range(5)]

    errors = [each["error"] for each in told if each["event"] == "left"]
    assert {"TimeoutError", None} == {
        each and each["error"] for each in errors
    }


def test_a_client_that_takes_nothing_is_ended(site):
    """Who asks for much and reads nothing does not stay for ever."""
    site.joinpath("huge.bin").write_bytes(bytes(50_000_000))
    with serving("--json", "--dir", str(site), "--idle", "1") as server:
        client = Client(server.event())
        with client.connect() as slow:
            slow.sendall(b"GET /huge.bin HTTP/1.0\r\n\r\n")
            told = [server.event() for _ in range(3)]

    assert "left" == told[2]["event"]
    assert "TimeoutError" == told[2]["error"]["error"]


def test_a_private_key_is_not_served(site, tmp_path):
    """A directory with the server's own key in it is refused at once."""
    run_tlskit("ca", "init", str(tmp_path / "ca"))
    run_tlskit(
        *("ca", "issue", "localhost"),
        *("--ca", str(tmp_path / "ca"), "--out", str(site)),
    )
    pair = ["--cert", str(site / "localhost.pem"), "--key"]
    with serving(
        "--dir", str(site), *pair, str(site / "localhost-key.pem")
    ) as server:
        status, complaint = server.end()
    elsewhere = tmp_path / "key.pem"
    site.joinpath("localhost-key.pem").rename(elsewhere)
    with serving(
        "--json", "--dir", str(site), *pair, str(elsewhere)
    ) as server:
        assert "dir" == server.event()["mode"]

    assert status == ExitCode.USAGE
    assert "everybody could fetch it" in complaint


@pytest.mark.parametrize("name", ["missing", "hello.txt"])
def test_what_is_no_directory_can_t_be_served(site, name):
    """The path is named, with the system's reason; status 1."""
    with serving("--dir", str(site / name)) as server:
        status, complaint = server.end()

    assert status == ExitCode.USAGE
    assert f"can't serve {site / name}: " in complaint
    assert "Traceback" not in complaint


def test_a_system_without_openat_is_told(site, monkeypatch):
    """Where files can't be opened safely, none are served."""
    monkeypatch.setattr(os, "supports_dir_fd", set())
    with pytest.raises(UnsupportedError, match="openat"):
        Site(site)


def test_a_request_has_one_deadline():
    """After it, not even a byte that is there would be read."""
    line = web._Line(None, None, Deadline.after(0), 1.0)
    with pytest.raises(TimeoutError):
        line.patience()

    assert 0 < web._Line(None, None, Deadline.after(9), 1.0).patience() <= 9
