"""Make the pictures of the command line, from real runs.

``python docs/screens.py`` writes ``docs/_static/*.svg``.  It needs the extra
``cli``, and no network: the servers are tlskit's own, with certificates made
for the occasion.  Dates, digests and times differ from run to run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

import tlskit
from tlskit.testing import CA, Leaf

#: In characters.
WIDTH = 112
#: The first of the servers' ports.
PORT = 4433
STATIC = Path(__file__).parent / "_static"


def run(*arguments: str, **variables: str) -> Text:
    """Run ``tlskit``, and give what a terminal would show."""
    environment = {
        **os.environ,
        "COLUMNS": str(WIDTH),
        "FORCE_COLOR": "1",
        "TERM": "xterm-256color",
        **variables,
    }
    environment.pop("NO_COLOR", None)
    done = subprocess.run(  # noqa: S603 - it is us
        [sys.executable, "-m", "tlskit", *arguments],
        capture_output=True,
        check=False,
        env=environment,
        text=True,
        timeout=60,
    )
    if done.stderr:
        raise RuntimeError(done.stderr)
    return Text.from_ansi(done.stdout)


def picture(name: str, arguments: Sequence[str], shown: Text) -> None:
    """Write one picture, with the command above its output."""
    console = Console(
        file=StringIO(), record=True, width=WIDTH, force_terminal=True
    )
    console.print(Text.assemble(("$ ", "bold"), " ".join(arguments)))
    console.print(shown)
    STATIC.mkdir(exist_ok=True)
    STATIC.joinpath(f"{name}.svg").write_text(
        console.export_svg(title="tlskit", unique_id=f"tlskit-{name}"),
        encoding="utf-8",
    )


@contextmanager
def server(leaf: Leaf, port: int) -> Iterator[str]:
    """Serve handshakes with these credentials; give host and port."""
    context = tlskit.ServerContext()
    leaf.apply(context)
    context.set_alpn(["h2", "http/1.1"])

    def serve(listener: tlskit.Listener) -> None:
        while not listener.closed:
            # Some clients refuse us: that is what is to be seen.
            with suppress(OSError):
                listener.accept(10).close()

    with tlskit.listen(
        port, hostname="127.0.0.1", context=context
    ) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"localhost:{port}"


def main() -> None:
    """Make all pictures."""
    ca = CA("Example Root")
    below = ca.intermediate("Example Intermediate")
    leaves = [
        below.issue("localhost"),
        below.issue_bad("expired", "localhost"),
        below.issue_bad("wrong-host"),
        ca.issue_bad("missing-intermediate", "localhost"),
    ]
    with ExitStack() as stack:
        where = stack.enter_context(tempfile.TemporaryDirectory())
        roots = Path(where, "example-root.pem")
        roots.write_bytes(ca.pem)
        hosts = [
            stack.enter_context(server(leaf, port))
            for port, leaf in enumerate(leaves, PORT)
        ]
        for name, arguments in {
            "demo": ["demo"],
            "check": ["check", "--quiet", *hosts],
            "explain": ["explain", hosts[-1]],
        }.items():
            shown = run(*arguments, SSL_CERT_FILE=str(roots), SSL_CERT_DIR="")
            picture(name, ["tlskit", *arguments], shown)


if __name__ == "__main__":
    main()
