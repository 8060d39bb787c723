"""The servers that speak something else than HTTP, or are a tool."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .facts import HTTP
from .hosting import Command, Host, filed, words
from .programs import Place

__all__ = ["SERVICES"]

_NSS = ("dpkg-query", "-W", "-f", "${Version}", "libnss3")
_MOSQUITTO = """listener <<number>> 127.0.0.1
certfile <<chain>>
keyfile <<key>>
allow_anonymous true
user root
<<mutual>>
"""
#: CONNECT, and DISCONNECT once that was answered.
_MQTT = bytes.fromhex("100d00044d5154540402003c000178") + bytes.fromhex("e000")
_NGIRCD = """[Global]
Name = irc.example
Info = interop
Listen = 127.0.0.1
Ports =
[Options]
Ident = no
PAM = no
DNS = no
[SSL]
CertFile = <<chain>>
KeyFile = <<key>>
Ports = <<number>>
"""
_SLAPD = """include /etc/ldap/schema/core.schema
pidfile <<folder>>/slapd.pid
TLSCACertificateFile <<roots>>
TLSCertificateFile <<chain>>
TLSCertificateKeyFile <<key>>
<<mutual>>
database config
"""
#: An anonymous bind; it answers, and waits.
_LDAP = bytes.fromhex("300c020101600702010304008000")
_UNBOUND = """server:
  interface: 127.0.0.1@<<number>>
  tls-port: <<number>>
  tls-service-key: "<<key>>"
  tls-service-pem: "<<chain>>"
  chroot: ""
  username: ""
  directory: "<<folder>>"
  pidfile: "<<folder>>/unbound.pid"
  use-syslog: no
  local-zone: "example." static
  local-data: "www.example. A 127.0.0.9"
remote-control:
  control-enable: no
"""
#: The address of www.example; it closes when we do.
_DNS = (
    bytes.fromhex("001d0001010000010000000000000377777707")
    + b"example"
    + bytes.fromhex("0000010001")
)
_DOVECOT = """base_dir = <<folder>>/run
log_path = /dev/null
listen = 127.0.0.1
protocols = imap
ssl = required
ssl_cert = <<<chain>>
ssl_key = <<<key>>
passdb {
  driver = static
  args = password=none
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=/tmp
}
service imap-login {
  chroot =
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = <<number>>
    ssl = yes
  }
}
"""


def _selfserv(place: Place, number: int, mutual: bool) -> list[str]:
    base = place.folder / "nss"
    store = f"sql:{base}"
    if not base.exists():
        base.mkdir()
        bundle = str(place.folder / "nss.p12")
        for command in (
            [
                "openssl",
                "pkcs12",
                "-export",
                "-in",
                place.both,
                "-out",
                bundle,
                "-passout",
                "pass:",
                "-name",
                "leaf",
            ],
            ["certutil", "-d", store, "-N", "--empty-password"],
            [
                "certutil",
                "-d",
                store,
                "-A",
                "-n",
                "ca",
                "-t",
                "CT,,",
                "-i",
                place.roots,
            ],
            ["pk12util", "-d", store, "-i", bundle, "-W", "", "-K", ""],
        ):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return [
        *("selfserv", "-d", store, "-n", "leaf", "-p", str(number)),
        *("-H", "1", *(["-r", "-r"] if mutual else [])),
    ]


def _postgres(place: Place, number: int, mutual: bool) -> list[str]:
    """Run it as its own user, who has copies of the files."""
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data = place.folder / "pg"
    become = ["setpriv", "--reuid=postgres", "--regid=postgres"]
    become += ["--clear-groups"]
    user = pwd.getpwnam("postgres")
    if not data.exists():
        place.folder.chmod(0o755)
        data.mkdir()
        for each in (place.chain, place.key, place.roots):
            Path(each).chmod(0o600)
        _own([data, place.chain, place.key, place.roots], user)
        subprocess.run(
            [*become, str(binaries / "initdb"), "--no-sync", str(data)],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=data,
        )
        (data / "pg_hba.conf").write_text(
            "hostssl all all 127.0.0.1/32 trust\n"
        )
    if mutual:
        (data / "pg_hba.conf").write_text(
            "hostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n"
        )
    options = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(data),
        "ssl": "on",
        "ssl_cert_file": place.chain,
        "ssl_key_file": place.key,
        "ssl_ca_file": place.roots,
    }
    return [
        *(*become, str(binaries / "postgres"), "-D", str(data)),
        *("-p", str(number)),
        *(f"--{key}={value}" for key, value in options.items()),
    ]


def _own(paths: Sequence[str | Path], user: pwd.struct_passwd) -> None:
    for each in paths:
        os.chown(each, user.pw_uid, user.pw_gid)


def _mariadb(place: Place, number: int, mutual: bool) -> list[str] | None:
    if mutual:
        return None
    data = place.folder / "mysql"
    if not data.exists():
        data.mkdir()
        subprocess.run(
            [
                *("mariadb-install-db", "--no-defaults", "--user=root"),
                f"--datadir={data}",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return [
        *("mariadbd", "--no-defaults", f"--datadir={data}", "--user=root"),
        *("--bind-address=127.0.0.1", f"--port={number}"),
        *(f"--socket={data}/s", f"--ssl-cert={place.chain}"),
        f"--ssl-key={place.key}",
    ]


def _service(
    name: str,
    stack: str,
    command: Command,
    *show: str,
    said: bytes = HTTP,
    starttls: str | None = None,
    needs: str = "",
) -> Host:
    return Host(name, stack, command, needs or show[0], show, said, starttls)


SERVICES: tuple[Host, ...] = (
    _service(
        *("mosquitto", "OpenSSL"),
        filed(
            *("mosquitto.conf", _MOSQUITTO, "mosquitto", "-c", "{file}"),
            mutual="cafile <<roots>>\nrequire_certificate true",
        ),
        *("mosquitto", "-h"),
        said=_MQTT,
    ),
    _service(
        *("memcached", "OpenSSL"),
        words(
            *("memcached", "-l", "127.0.0.1", "-p", "{number}", "-Z"),
            *("-u", "root", "-o", "ssl_chain_cert={chain},ssl_key={key}"),
            mutual=("-o", "ssl_verify_mode=2,ssl_ca_cert={roots}"),
        ),
        *("memcached", "-V"),
        said=b"version\r\nquit\r\n",
    ),
    _service(
        *("ngircd", "GnuTLS"),
        filed("ngircd.conf", _NGIRCD, "ngircd", "-n", "-f", "{file}"),
        *("ngircd", "--version"),
        said=b"QUIT\r\n",
    ),
    _service(
        *("slapd", "GnuTLS"),
        filed(
            *("slapd.conf", _SLAPD, "slapd", "-d", "0", "-f", "{file}"),
            *("-h", "ldaps://127.0.0.1:{number}/"),
            mutual="TLSVerifyClient demand",
        ),
        *("slapd", "-VV"),
        said=_LDAP,
    ),
    _service(
        *("Unbound", "OpenSSL"),
        filed("unbound.conf", _UNBOUND, "unbound", "-d", "-c", "{file}"),
        *("unbound", "-V"),
        said=_DNS,
    ),
    _service(
        *("Dovecot", "OpenSSL"),
        filed(
            *("dovecot.conf", _DOVECOT, "dovecot", "-F", "-c", "{file}"),
        ),
        *("dovecot", "--version"),
        said=b"a LOGOUT\r\n",
    ),
    _service(
        *("PostgreSQL", "OpenSSL", _postgres),
        *("psql", "--version"),
        # Who we are, and good-bye.
        said=bytes.fromhex("0000001700030000")
        + b"user\x00postgres\x00\x00"
        + b"X\x00\x00\x00\x04",
        starttls="postgres",
    ),
    _service(
        *("MariaDB", "OpenSSL", _mariadb),
        *("mariadbd", "--version"),
        said=b"\x01\x00\x00\x02\x01",
        starttls="mysql",
    ),
    _service(*("NSS selfserv", "NSS", _selfserv), *_NSS, needs="selfserv"),
    _service(
        *("Botan tls_server", "Botan"),
        words(
            *("botan", "tls_server", "{chain}", "{key}"),
            "--port={number}",
            mutual=None,
        ),
        *("botan", "version"),
    ),
)
