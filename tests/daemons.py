"""More real servers, for the client libraries and the dialects of STARTTLS.

They run as whoever runs the tests, root included; no service is touched.
Those that are given None instead of credentials do without TLS.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from .peers import PATIENCE, Files, Program, Task, reserved_port

__all__ = [
    "Ftp",
    "News",
    "inspircd",
    "mariadb",
    "needs_nnrpd",
    "nnrpd",
    "proftpd",
    "prosody",
    "slapd",
    "vsftpd",
]

_NNRPD = Path("/usr/lib/news/bin/nnrpd")
needs_nnrpd = pytest.mark.skipif(
    not _NNRPD.exists(), reason="inn2 is not installed"
)


def _me() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


@contextmanager
def _folder() -> Iterator[Path]:
    # The paths of sockets must be short, which pytest's are not.
    with tempfile.TemporaryDirectory() as where:
        yield Path(where).resolve()


@contextmanager
def _serving(
    *command: str, env: dict[str, str] | None = None
) -> Iterator[int]:
    """Run a program for each client, as inetd does; give the port.

    Nobody has to find out when it is ready, or which port it took.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running: list[subprocess.Popen[bytes]] = []

        def serve() -> None:
            with suppress(OSError):  # It is closed: that is the end.
                while True:
                    client, _ = listener.accept()
                    with client:
                        running.append(
                            subprocess.Popen(
                                command,
                                stdin=client,
                                stdout=client,
                                stderr=subprocess.DEVNULL,
                                env={**os.environ, **(env or {})},
                                start_new_session=True,
                            )
                        )

        task = Task(serve)
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            task.settle()
            for each in running:
                with suppress(ProcessLookupError):
                    os.killpg(each.pid, 9)
                each.wait(PATIENCE)


@contextmanager
def mariadb(files: Files | None) -> Iterator[int]:
    """Run MariaDB, where any password will do; give its port."""
    tls = ["--skip-ssl"]
    if files is not None:
        tls = ["--require-secure-transport=on"]
        tls += [f"--ssl-cert={files.chain}", f"--ssl-key={files.key}"]
    with _folder() as where, reserved_port() as port:
        data = where / "data"
        data.mkdir()
        with Program(
            *("mariadbd", "--no-defaults", f"--datadir={data}"),
            *(f"--user={_me()}", "--bind-address=127.0.0.1"),
            *(f"--port={port}", f"--socket={where}/socket"),
            f"--pid-file={where}/pid",
            *tls,
            # Without tables of its own it begins at once.
            *("--skip-grant-tables", "--skip-networking=0"),
            *("--skip-innodb", "--default-storage-engine=Aria"),
        ) as program:
            program.until("ready for connections")
            yield port


@contextmanager
def slapd(files: Files | None) -> Iterator[int]:
    """Run OpenLDAP's server, which has ``dc=example``; give its port."""
    tls = ""
    if files is not None:
        tls = (
            f"TLSCertificateFile {files.chain}\n"
            f"TLSCertificateKeyFile {files.key}"
        )
    with _folder() as where, reserved_port() as port:
        where.joinpath("data").mkdir()
        where.joinpath("slapd.conf").write_text(
            f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {where}/pid
{tls}
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
directory {where}/data
suffix dc=example
rootdn cn=admin,dc=example
rootpw secret
""",
            encoding="utf-8",
        )
        with Program(
            *("slapd", "-d", "conns", "-f", f"{where}/slapd.conf"),
            *("-h", f"ldap://127.0.0.1:{port}/"),
        ) as program:
            # It says that it starts before it listens.
            program.until(r"daemon: added .* listener=0x")
            yield port


@contextmanager
def prosody(files: Files | None, *domains: str) -> Iterator[dict[str, int]]:
    """Run Prosody, which serves "user" of *domains*; give ports.

    They are "xmpp" for clients, and "xmpp-server" for other servers.
    """
    tls = 'modules_disabled = { "tls" }'
    if files is not None:
        tls = (
            "c2s_require_encryption = true\ns2s_require_encryption = true\n"
            f'ssl = {{ certificate = "{files.chain}"; key = "{files.key}" }}'
        )
    with (
        _folder() as where,
        reserved_port() as clients,
        reserved_port() as peers,
    ):
        hosts = []
        for domain in domains:
            # As it writes them itself.
            name = "".join(
                each if each.isalnum() else f"%{ord(each):02x}"
                for each in domain
            )
            accounts = where / "data" / name / "accounts"
            accounts.mkdir(parents=True)
            accounts.joinpath("user.dat").write_text(
                'return { ["password"] = "secret"; };\n', encoding="utf-8"
            )
            hosts.append(f'VirtualHost "{domain}"\n')
        where.joinpath("prosody.cfg.lua").write_text(
            f"""
run_as_root = true
daemonize = false
pidfile = "{where}/pid"
data_path = "{where}/data"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {clients} }}
s2s_ports = {{ {peers} }}
modules_enabled = {{ "saslauth"; "tls"; "disco"; "posix" }}
authentication = "internal_plain"
log = {{ info = "*console" }}
{tls}
{"".join(hosts)}""",
            encoding="utf-8",
        )
        with Program(
            "prosody", "-F", "--config", f"{where}/prosody.cfg.lua"
        ) as program:
            program.until(rf"Activated service 'c2s' .*{clients}")
            program.until(rf"Activated service 's2s' .*{peers}")
            yield {"xmpp": clients, "xmpp-server": peers}


@contextmanager
def inspircd(files: Files | None) -> Iterator[int]:
    """Run InspIRCd with STARTTLS; give its port."""
    tls = ""
    if files is not None:
        tls = f"""
<module name="ssl_gnutls">
<module name="starttls">
<sslprofile name="Clients" provider="gnutls" certfile="{files.chain}"
            keyfile="{files.key}" cafile="" crlfile="">
"""
    with _folder() as where, reserved_port() as port:
        where.joinpath("inspircd.conf").write_text(
            f"""
<server name="irc.example" description="tests" network="example">
<admin name="nobody" nick="nobody" email="nobody@irc.example">
<bind address="127.0.0.1" port="{port}" type="clients">
<connect allow="*">
<pid file="{where}/pid">
<path configdir="{where}" datadir="{where}" logdir="{where}"
      runtimedir="{where}">
<log method="stdout" type="*" level="default" target="stdout">
<module name="cap">
{tls}
""",
            encoding="utf-8",
        )
        root = ("--runasroot",) if os.getuid() == 0 else ()
        with Program(
            *("inspircd", "--nofork", "--debug", *root),
            *("--config", f"{where}/inspircd.conf"),
        ) as program:
            program.until("is now running|and ready")
            yield port


class News(NamedTuple):
    """Where INN's reader is, and where it puts what is posted."""

    port: int
    incoming: Path


@contextmanager
def nnrpd(files: Files | None, groups: str = "") -> Iterator[News]:
    """Run INN's server for readers.

    Args:
        files: Its credentials.
        groups: Lines of its list of groups, beside ``local.test``.
    """
    with _folder() as where:
        paths = {
            f"path{name}": where / name
            for name in ("db", "etc", "incoming", "log", "overview", "run")
        }
        paths |= {"patharticles": where / "articles"}
        paths |= {"pathspool": where / "spool", "pathtmp": where / "tmp"}
        for path in paths.values():
            path.mkdir()
        settings = {
            "domain": "news.example",
            "pathhost": "news.example",
            "pathnews": _NNRPD.parent.parent,
            "mta": '"/bin/true %s"',
            "hismethod": "hisv6",
            "ovmethod": "tradindexed",
            "enableoverview": "true",
            "nnrpdloadlimit": "0",
            "runasuser": _me(),
            "runasgroup": grp.getgrgid(os.getgid()).gr_name,
            **paths,
        }
        if files is not None:
            settings["tlscertfile"] = files.chain
            settings["tlskeyfile"] = files.key
        where.joinpath("inn.conf").write_text(
            "".join(f"{key}: {value}\n" for key, value in settings.items()),
            encoding="utf-8",
        )
        where.joinpath("etc/readers.conf").write_text(
            'auth "all" { hosts: "*" default: "<any>" }\n'
            'access "all" { users: "*" newsgroups: "*" access: RPA }\n',
            encoding="utf-8",
        )
        where.joinpath("etc/storage.conf").write_text(
            "method tradspool { class: 0 newsgroups: * }\n", encoding="utf-8"
        )
        where.joinpath("db/active").write_text(
            f"local.test 0000000000 0000000001 y\n{groups}", encoding="utf-8"
        )
        where.joinpath("db/newsgroups").touch()
        env = {"INNCONF": f"{where}/inn.conf"}
        subprocess.run(
            [_NNRPD.with_name("makehistory"), "-O"],
            check=True,
            capture_output=True,
            env={**os.environ, **env},
            timeout=PATIENCE,
        )
        # What is posted waits in a folder, as there is no innd to take it.
        with _serving(str(_NNRPD), "-n", "-o", env=env) as port:
            yield News(port, where / "incoming")


class Ftp(NamedTuple):
    """Where a server for files is, who may log in, and where to write."""

    port: int
    user: str
    folder: str


#: "secret", as "openssl passwd -6" has it.
_HASH = (
    "$6$tests$rXOlNhrqSifgig8RR6BfI5k8iTJ07NlVEJgTws0n1ixMZv3cpWNb5d6p1k"
    "WQISzCXRa/fS82tHuwVDtAbkUul0"
)


@contextmanager
def vsftpd(files: Files) -> Iterator[Ftp]:
    """Run vsftpd, which demands that sessions resume."""
    with _folder() as where:
        folder = where / "files"
        folder.mkdir()
        config = where / "vsftpd.conf"
        config.write_text(
            f"""listen=NO
run_as_launching_user=YES
seccomp_sandbox=NO
anonymous_enable=YES
no_anon_password=YES
anon_root={folder}
anon_upload_enable=YES
anon_world_readable_only=NO
write_enable=YES
ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=YES
force_anon_data_ssl=YES
require_ssl_reuse=YES
strict_ssl_read_eof=YES
rsa_cert_file={files.chain}
rsa_private_key_file={files.key}
ftp_username={_me()}
""",
            encoding="utf-8",
        )
        with _serving("vsftpd", str(config)) as port:
            yield Ftp(port, "anonymous", "")


@contextmanager
def proftpd(files: Files) -> Iterator[Ftp]:
    """Run ProFTPD, which demands that sessions resume."""
    with _folder() as where:
        folder = where / "files"
        folder.mkdir()
        users = where / "users"
        users.write_text(
            f"user:{_HASH}:{os.getuid()}:{os.getgid()}::{folder}:/bin/sh\n",
            encoding="ascii",
        )
        users.chmod(0o600)
        config = where / "proftpd.conf"
        config.write_text(
            f"""ServerType inetd
ServerName tests
DefaultServer on
LoadModule mod_tls.c
User {_me()}
Group {grp.getgrgid(os.getgid()).gr_name}
AuthUserFile {users}
AuthOrder mod_auth_file.c
RequireValidShell off
RootLogin on
DelayEngine off
WtmpLog off
TLSEngine on
TLSRequired on
TLSRSACertificateFile {files.chain}
TLSRSACertificateKeyFile {files.key}
TLSVerifyClient off
ScoreboardFile none
SystemLog none
TransferLog none
""",
            encoding="utf-8",
        )
        with _serving("proftpd", "-c", str(config)) as port:
            yield Ftp(port, "user", f"{folder}/")
