"""Real servers for the command line's tests, each in a directory of its own.

They run as whoever runs the tests, root included; no service is touched.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

import tlskit

from .peers import PATIENCE, Files, Program, Task, echo, reserved_port

__all__ = [
    "dovecot",
    "echo_server",
    "memcached",
    "mosquitto",
    "needs_dovecot",
    "needs_postgres",
    "nginx",
    "postgres",
    "redis",
]

_POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
needs_postgres = pytest.mark.skipif(
    not _POSTGRES, reason="postgresql is not installed"
)


@contextmanager
def echo_server(files: Files, **settings: object) -> Iterator[int]:
    """Run tlskit's own listener, which serves any number; give its port.

    Args:
        files: Its credentials.
        settings: Names of the context's methods, with their argument.
    """
    context = tlskit.ServerContext(
        certificate_chain=files.chain, private_key=files.key
    )
    for name, value in settings.items():
        getattr(context, name)(value)

    def serve(listener: tlskit.Listener) -> None:
        while True:
            try:
                port = listener.accept(PATIENCE)
            except tlskit.ClosedError:
                return
            except OSError:
                continue  # Clients refuse us; that is what is tested.
            port.settimeout(PATIENCE)
            with suppress(OSError), port:
                echo(port)

    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        task = Task(serve, listener)
        yield listener.port
    task.settle()


@contextmanager
def nginx(files: Files, body: str, where: Path) -> Iterator[int]:
    """Run nginx, which answers every request with *body*; give its port."""
    with reserved_port() as port, _nginx(files, body, where, port) as program:
        program.until(r"start worker|using the .* event method")
        yield port


def _nginx(files: Files, body: str, where: Path, port: int) -> Program:
    where.joinpath("nginx.conf").write_text(
        f"""
daemon off;
master_process off;
pid {where}/pid;
error_log stderr notice;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {where}/body;
    proxy_temp_path {where}/proxy;
    fastcgi_temp_path {where}/fastcgi;
    uwsgi_temp_path {where}/uwsgi;
    scgi_temp_path {where}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {files.chain};
        ssl_certificate_key {files.key};
        return 200 "{body}";
    }}
}}
""",
        encoding="utf-8",
    )
    return Program(
        *("nginx", "-p", str(where), "-c", str(where / "nginx.conf")),
        *("-e", "stderr"),
    )


class _Part(NamedTuple):
    """A protocol of Dovecot's: the service that has it, and its listener."""

    protocol: str
    service: str
    listener: str
    #: The listener that begins with TLS, which is not wanted.
    other: str = ""

    def says(self, port: int) -> str:
        """Configure it."""
        listeners = {self.listener: port}
        if self.other:
            listeners[self.other] = 0
        opened = "".join(
            f"  inet_listener {name} {{\n    port = {number}\n  }}\n"
            for name, number in listeners.items()
        )
        return f"service {self.service} {{\n  chroot =\n{opened}}}\n"


#: Our name for each, and its own.
_MAIL = {
    "imap": _Part("imap", "imap-login", "imap", "imaps"),
    "pop3": _Part("pop3", "pop3-login", "pop3", "pop3s"),
    "smtp": _Part(
        "submission", "submission-login", "submission", "submissions"
    ),
    "sieve": _Part("sieve", "managesieve-login", "sieve"),
    "lmtp": _Part("lmtp", "lmtp", "lmtp"),
}
#: What Debian has in packages of their own.
_EXTRA = {"sieve": "managesieve", "lmtp": "lmtp"}


def needs_dovecot(protocol: str) -> pytest.MarkDecorator:
    """Skip a test where Dovecot's part for *protocol* is not installed."""
    part = _EXTRA[protocol]
    return pytest.mark.skipif(
        not Path("/usr/lib/dovecot", part).exists(),
        reason=f"dovecot-{part} is not installed",
    )


@contextmanager
def dovecot(files: Files | None, *protocols: str) -> Iterator[dict[str, int]]:
    """Run Dovecot with STARTTLS; give ports by the names of protocols.

    Args:
        files: Its credentials; None has it do without TLS.
        protocols: Which; all that Debian's other packages don't hold, if
            none is named.
    """
    wanted = {
        name: _MAIL[name] for name in protocols or ("imap", "pop3", "smtp")
    }
    with ExitStack() as stack:
        ports = {name: stack.enter_context(reserved_port()) for name in wanted}
        # Its sockets' paths must be short, which pytest's are not.
        where = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        where.chmod(0o755)
        me = pwd.getpwuid(os.getuid()).pw_name
        group = grp.getgrgid(os.getgid()).gr_name
        root = os.getuid() == 0
        services = "".join(
            part.says(ports[name]) for name, part in wanted.items()
        )
        tls = "ssl = no"
        if files is not None:
            tls = (
                f"ssl = required\n"
                f"ssl_cert = <{files.chain}\nssl_key = <{files.key}"
            )
        where.joinpath("conf").write_text(
            f"""
base_dir = {where}/run
log_path = /dev/stderr
listen = 127.0.0.1
protocols = {" ".join(part.protocol for part in wanted.values())}
{tls}
default_internal_user = {"dovecot" if root else me}
default_login_user = {"dovenull" if root else me}
default_internal_group = {"dovecot" if root else group}
submission_relay_host = 127.0.0.1
hostname = localhost
passdb {{
    driver = static
    args = password=none
}}
userdb {{
    driver = static
    args = uid=65534 gid=65534 home={where}
}}
mail_location = maildir:{where}/mail
{services}
""",
            encoding="utf-8",
        )
        program = stack.enter_context(
            Program("dovecot", "-F", "-c", str(where / "conf"))
        )
        program.until("starting up")
        yield ports
        program.interrupt()  # As PostgreSQL's, below.
        program.finish()


@contextmanager
def postgres(files: Files) -> Iterator[int]:
    """Run PostgreSQL with TLS, and give its port."""
    bin_ = _POSTGRES[-1].parent
    with ExitStack() as stack:
        port = stack.enter_context(reserved_port())
        where = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shutil.copy(files.chain, where / "chain.pem")
        shutil.copy(files.key, where / "key.pem")
        # It refuses to run as root.
        become: tuple[str, ...] = ()
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            become = ("setpriv", "--reuid=postgres", "--regid=postgres")
            become += ("--clear-groups",)
            for each in (where, *where.iterdir()):
                os.chown(each, user.pw_uid, user.pw_gid)
        subprocess.run(
            [*become, str(bin_ / "initdb"), "--no-sync", f"{where}/data"],
            check=True,
            cwd=where,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(where),
            "ssl": "on",
            "ssl_cert_file": f"{where}/chain.pem",
            "ssl_key_file": f"{where}/key.pem",
            "fsync": "off",
        }
        options = [f"--{key}={value}" for key, value in settings.items()]
        program = stack.enter_context(
            Program(
                *(*become, str(bin_ / "postgres"), "-D", f"{where}/data"),
                *("-p", str(port), *options),
                cwd=where,
            )
        )
        program.until("ready to accept connections")
        yield port
        # Its children outlive it if it is killed.
        program.interrupt()
        program.finish()


@contextmanager
def redis(files: Files) -> Iterator[int]:
    """Run Redis with TLS only, and give its port."""
    with (
        reserved_port() as port,
        Program(
            *("redis-server", "--port", "0", "--tls-port", str(port)),
            *("--bind", "127.0.0.1", "--save", "", "--tls-auth-clients", "no"),
            *("--tls-cert-file", files.chain, "--tls-key-file", files.key),
            *("--tls-ca-cert-file", files.chain),
        ) as program,
    ):
        program.until("[Rr]eady to accept connections")
        yield port


@contextmanager
def memcached(files: Files) -> Iterator[int]:
    """Run memcached with TLS, and give its port."""
    with (
        reserved_port() as port,
        Program(
            *("memcached", "-l", "127.0.0.1", "-p", str(port), "-Z", "-vv"),
            *("-u", pwd.getpwuid(os.getuid()).pw_name),
            *("-o", f"ssl_chain_cert={files.chain},ssl_key={files.key}"),
        ) as program,
    ):
        program.until("server listening")
        yield port


@contextmanager
def mosquitto(files: Files, where: Path) -> Iterator[int]:
    """Run mosquitto with TLS, and give its port."""
    with reserved_port() as port:
        path = where / "mosquitto.conf"
        path.write_text(
            f"""
listener {port} 127.0.0.1
certfile {files.chain}
keyfile {files.key}
allow_anonymous true
user {pwd.getpwuid(os.getuid()).pw_name}
log_dest stderr
"""
        )
        with Program("mosquitto", "-c", str(path)) as program:
            program.until("running")
            yield port
