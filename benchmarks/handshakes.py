"""Handshakes in memory: no socket, one process, both sides."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from .credentials import HOST, Files, files
from .harness import BenchmarkError, Goal, Workload

__all__ = ["workloads"]


def _standard_library(made: Files) -> Callable[[], None]:
    import ssl

    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.chain, made.key)
    client = ssl.create_default_context(cafile=made.root)

    def shake() -> None:
        ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
        sides = [
            client.wrap_bio(ours, theirs, server_hostname=HOST),
            server.wrap_bio(theirs, ours, server_side=True),
        ]
        while sides:
            for side in list(sides):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
                sides.remove(side)

    return shake


def _pyopenssl(made: Files) -> Callable[[], None]:
    from OpenSSL import SSL
    from service_identity.pyopenssl import verify_hostname

    server = SSL.Context(SSL.TLS_METHOD)
    server.use_certificate_chain_file(made.chain)
    server.use_privatekey_file(made.key)
    client = SSL.Context(SSL.TLS_METHOD)
    client.load_verify_locations(made.root)
    client.set_verify(SSL.VERIFY_PEER)

    def shake() -> None:
        one, other = SSL.Connection(client), SSL.Connection(server)
        one.set_tlsext_host_name(HOST.encode())
        one.set_connect_state()
        other.set_accept_state()
        left = [(one, other), (other, one)]
        while left:
            for side, peer in list(left):
                with suppress(SSL.WantReadError):
                    side.do_handshake()
                    left.remove((side, peer))
                with suppress(SSL.WantReadError):
                    peer.bio_write(side.bio_read(65536))
        verify_hostname(one, HOST)

    return shake


def _tlskit(made: Files) -> Callable[[], None]:
    import tlskit
    from tlskit.engine import Engine
    from tlskit.identity import Identity

    server = tlskit.ServerContext()
    server.load_certificate_chain(made.chain)
    server.load_private_key(made.key)
    client = tlskit.ClientContext("auto")
    client.load_verify_source(made.root)
    client.set_verify()
    client.set_verify_hostname()

    def shake() -> None:
        one = Engine(client, server_side=False, identity=Identity.parse(HOST))
        other = Engine(server, server_side=True)
        left = [(one, other), (other, one)]
        while left:
            for side, peer in list(left):
                if side.handshake():
                    left.remove((side, peer))
                if data := side.outgoing():
                    peer.receive(data)

    return shake


_STACKS = {
    "pyOpenSSL": _pyopenssl,
    "ssl": _standard_library,
    "tlskit": _tlskit,
}


def _rate(
    make: Callable[[Files], Callable[[], None]], key: str, times: int
) -> float:
    shake = make(files(key))
    shake()
    began = time.perf_counter()
    for _ in range(times):
        shake()
    seconds = time.perf_counter() - began
    if seconds <= 0:
        raise BenchmarkError("no time has passed")
    return times / seconds


def workloads(*, quick: bool) -> list[Workload]:
    """Give them all; small ones if it shall be *quick*."""
    times = 20 if quick else 200
    return [
        Workload(
            f"handshake in memory, {key}",
            "handshakes/s",
            {
                name: partial(_rate, make, kind, times)
                for name, make in _STACKS.items()
            },
            goals,
        )
        for key, kind, goals in (
            ("P-256", "ecdsa", (Goal("tlskit", "ssl", 1.0),)),
            ("RSA-2048", "rsa", ()),
        )
    ]
