"""A TLS server for behind HAProxy: tells each client who it is.

Each line is answered by the server's name, the client's true address and the
line itself.  SIGTERM lets those finish who are being served.
"""

from __future__ import annotations

import argparse
import logging
import signal

import tlskit


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--name", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cert", required=True, help="with its issuers, PEM")
    parser.add_argument("--key", required=True, help="PEM")
    parser.add_argument(
        "--proxy",
        action="append",
        default=[],
        metavar="NETWORK",
        help="believe PROXY headers that come from here",
    )
    return parser.parse_args()


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    options = parse()
    logging.basicConfig(level=logging.INFO)
    context = tlskit.ServerContext(
        certificate_chain=options.cert, private_key=options.key
    )
    context.seal()

    def answer(conn: tlskit.SSLPort) -> None:
        who = "{} {}:{} ".format(options.name, *conn.getpeername()).encode()
        for line in conn.input:
            conn.sendall(who + line)

    with tlskit.listen(
        options.port, hostname=options.host, context=context
    ) as listener:
        if options.proxy:
            listener.set_proxy_protocol(options.proxy)
        signal.signal(signal.SIGTERM, lambda *_: listener.shutdown(30))
        print(f"listening on {listener.port}", flush=True)
        listener.serve(answer, workers=64)
    print(tlskit.prometheus_text(listener.statistics), flush=True)


if __name__ == "__main__":
    main()
