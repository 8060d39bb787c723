"""A server whose certificate changes all the time, under load.

With ``TLSKIT_NIGHTLY`` in the environment there are 20,000 requests instead
of a sample.
"""

from __future__ import annotations

import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

import tlskit
from tlskit.testing import CA, Leaf

from ..peers import HOST, PATIENCE, Task

REQUESTS = 20_000 if os.environ.get("TLSKIT_NIGHTLY") else 400
CHANGES = 50
CLIENTS = 4
#: What every second change puts in: kind, and the code that tells.
FAULTS = (
    ("expired", "not-valid-now"),
    ("weak-key", "weak-key"),
    ("other key", "key-mismatch"),
    ("not-yet-valid", "not-valid-now"),
    ("cut off", "cut-off"),
)


class Site:
    """A server with files of credentials, and clients that count.

    Args:
        directory: Where the files go.
        in_place: Whether they are written over, piece by piece; otherwise a
            link to a directory is swapped.
    """

    def __init__(self, directory: Path, *, in_place: bool) -> None:
        self.ca = CA("tlskit load CA")
        self.told: list[str] = []
        self.good: set[int] = set()
        self._directory = directory
        self._in_place = in_place
        self._numbers = itertools.count()
        self._now = directory / "now"
        self.renew()
        self.credentials = tlskit.ReloadableCredentials(
            self._now / "chain.pem",
            self._now / "key.pem",
            interval=0,
            on_failure=lambda error: self.told.append(error.code),
        )
        self.server = tlskit.ServerContext()
        self.server.load_credentials(self.credentials)
        self.server.seal()
        self.client = tlskit.ClientContext("auto")
        self.ca.trust(self.client)
        self.client.set_verify()
        self.client.set_verify_hostname()
        self.client.seal()

    def renew(self) -> int:
        """Put in a good certificate; give its serial number."""
        leaf = self.ca.issue(HOST)
        number = leaf.certificate.serial_number
        self.good.add(number)
        self._put(leaf.chain_pem, leaf.key_pem)
        return number

    def spoil(self, fault: str) -> None:
        """Put in a bad one."""
        leaf = self.ca.issue(HOST)
        chain, key = leaf.chain_pem, leaf.key_pem
        if fault == "cut off":
            chain = chain[:-30]
        elif fault == "other key":
            key = self.ca.issue(HOST).key_pem
        else:
            bad: Leaf = self.ca.issue_bad(fault, HOST)
            chain, key = bad.chain_pem, bad.key_pem
        self._put(chain, key)

    def _put(self, chain: bytes, key: bytes) -> None:
        if self._in_place and self._now.exists():
            for name, data in (("chain.pem", chain), ("key.pem", key)):
                with (self._now / name).open("wb", buffering=0) as file:
                    for start in range(0, len(data), 100):
                        file.write(data[start : start + 100])
            return
        place = self._directory / f"state{next(self._numbers)}"
        place.mkdir()
        (place / "chain.pem").write_bytes(chain)
        (place / "key.pem").write_bytes(key)
        if self._in_place:
            place.rename(self._now)
            return
        link = self._directory / "link"
        link.symlink_to(place)
        link.replace(self._now)

    def serve(self, listener: tlskit.Listener) -> list[BaseException]:
        """Echo one line to each client, until the listener is closed."""
        errors: list[BaseException] = []

        def answer(port: tlskit.SSLPort) -> None:
            try:
                with port:
                    port.settimeout(PATIENCE)
                    port.sendall(port.input.readline())
            except BaseException as error:
                errors.append(error)

        with ThreadPoolExecutor(CLIENTS) as pool, suppress(tlskit.ClosedError):
            while True:
                pool.submit(answer, listener.accept())
        return errors

    def request(self, number: int, port: int) -> int:
        """Ask once; give the serial number of the certificate shown."""
        with tlskit.connect(
            HOST, port, self.client, timeout=PATIENCE
        ) as connection:
            connection.sendall(b"%d\n" % number)
            assert b"%d\n" % number == connection.input.readline()
            assert connection.peer_verified
            assert connection.peer_certificate is not None
            return connection.peer_certificate.serial_number


@pytest.mark.timeout(60 + REQUESTS // 10)
@pytest.mark.parametrize("in_place", [False, True], ids=["swap", "in-place"])
def test_no_request_fails(tmp_path: Path, in_place: bool) -> None:
    """Good and bad certificates come and go; every client is served.

    Every connection has one of the good ones, the newest one as soon as it is
    there, and each bad one is told with its reason.
    """
    site = Site(tmp_path, in_place=in_place)
    counted = itertools.count()
    progress = threading.Condition()
    done: list[int] = []
    expected = []
    faults = itertools.cycle(FAULTS)

    def ask(port: int) -> None:
        while (number := next(counted)) < REQUESTS:
            serial = site.request(number, port)
            with progress:
                done.append(serial)
                progress.notify_all()

    with tlskit.listen(hostname=HOST, context=site.server) as listener:
        serving = Task(site.serve, listener)
        clients = [Task(ask, listener.port) for _ in range(CLIENTS)]
        for change in range(CHANGES):
            share = change * REQUESTS // CHANGES

            def moved_on(share: int = share) -> bool:
                return len(done) >= share or not all(
                    each.running for each in clients
                )

            with progress:
                assert progress.wait_for(moved_on, 4 * PATIENCE)
            if change % 2:
                serial = site.renew()
                assert serial == site.request(-1, listener.port)
                assert site.credentials.last_error is None
                continue
            fault, code = next(faults)
            site.spoil(fault)
            expected.append(code)
            assert site.request(-1, listener.port) in site.good
            assert site.credentials.last_error is not None
            assert code == site.credentials.last_error.code
        for each in clients:
            each.result()
    errors = serving.result()

    assert [] == errors
    assert REQUESTS == len(done)
    assert site.good >= set(done)
    if in_place:  # Also what was half written may have been told.
        told = iter(site.told)
        assert all(code in told for code in expected)
    else:
        assert expected == site.told
    assert CHANGES // 2 + 1 == len(site.good) == site.credentials.generation
