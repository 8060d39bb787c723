"""Have a server get its own certificate from an ACME server.

At work the directory is Let's Encrypt's, and the names are yours.  Here it is
that of pebble, a small ACME server of Let's Encrypt's makers for trying
things out, which runs on this machine while the example does.

Run it, with ``tlskit[acme]`` and pebble installed (``apt install pebble``):
``python lets_encrypt.py``
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import tlskit
from tlskit.acme import AcmeCredentials
from tlskit.testing import CA

HOST = "127.0.0.1"


def serving_by_itself(
    names: list[str],
    directory: str,
    storage: Path,
    trust: tlskit.VerifySource | None = None,
) -> tuple[tlskit.ServerContext, AcmeCredentials]:
    """Make a context that orders its certificate, and renews it."""
    credentials = AcmeCredentials(
        names,
        directory=directory,
        storage=storage,
        trust=trust,  # Not needed for an ACME server that all trust.
        terms_agreed=True,
    )
    context = tlskit.ServerContext()
    context.load_credentials(credentials)
    context.seal()
    return context, credentials


def greet(conn: tlskit.SSLPort) -> None:
    """Say hello: a server's handler."""
    conn.sendall(b"hello\n")


def issuer(port: int) -> str:
    """Tell who has issued what a server shows, whether we trust it or not."""
    context = tlskit.ClientContext("auto")
    context.set_verify(False)
    with tlskit.connect(HOST, port, context, timeout=10) as conn:
        assert conn.input.readline() == b"hello\n"
        certificate = conn.peer_certificate
        assert certificate is not None
        return certificate.issuer.rfc4514_string()


# -- an ACME server on this machine -----------------------------------------


def free_port() -> int:
    """Find a port that nobody uses, nor gets for a connection."""
    while True:
        port = random.randrange(10240, 32768)  # noqa: S311 - no secret
        with suppress(OSError), socket.create_server((HOST, port)):
            return port


@contextmanager
def pebble(folder: Path) -> Iterator[tuple[str, tlskit.VerifySource, int]]:
    """Run it; give its directory, whom to trust, and where it looks."""
    ca = CA("the example's own CA")
    chain, key = ca.issue(HOST).write(folder)
    api, asks = free_port(), free_port()
    config = folder / "pebble.json"
    config.write_text(
        json.dumps(
            {
                "pebble": {
                    "listenAddress": f"{HOST}:{api}",
                    "certificate": str(chain),
                    "privateKey": str(key),
                    "tlsPort": asks,
                    "httpPort": asks,
                }
            }
        )
    )
    with subprocess.Popen(  # noqa: S603
        ["pebble", "-config", config],  # noqa: S607 - found by which()
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PEBBLE_VA_NOSLEEP": "1"},
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            for line in server.stdout:
                if "ACME directory available" in line:
                    break
            # Somebody has to read what it says.
            Thread(target=server.stdout.read).start()
            trust = tlskit.VerifySource.pem(ca.pem)
            yield f"https://{HOST}:{api}/dir", trust, asks
        finally:
            server.kill()


def main() -> None:
    """Serve before there is a certificate, and afterwards."""
    if shutil.which("pebble") is None:
        sys.exit("this example needs pebble: apt install pebble")
    with TemporaryDirectory() as name, pebble(Path(name)) as found:
        directory, trust, port = found
        storage = Path(name, "acme")
        context, credentials = serving_by_itself(
            [HOST], directory, storage, trust
        )
        with tlskit.listen(port, hostname=HOST, context=context) as listener:
            shown = credentials.certificate_chain.leaf.issuer
            print("at first:", shown.rfc4514_string())
            Thread(target=listener.serve, args=[greet]).start()
            # It orders by itself; who can't wait says so.
            credentials.obtain(timeout=30)
            print("then:", issuer(port))
            listener.shutdown(5)
        # Another start has it in its folder, and orders nothing.
        _, again = serving_by_itself([HOST], directory, storage, trust)
        print("kept:", again.generation == 1)


if __name__ == "__main__":
    main()
