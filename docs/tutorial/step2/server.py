"""A room: what one client says, all others hear."""

import sys
import threading
from contextlib import suppress

import tlskit


class Room:
    """Who is there."""

    def __init__(self):
        self._lock = threading.Lock()
        self._ports = set()

    def enter(self, conn):
        """Stay with one client until it goes."""
        with self._lock:
            self._ports.add(conn)
        try:
            while line := conn.input.readline(1000):
                self.say(line.strip() + b"\n", conn)
        finally:
            with self._lock:
                self._ports.discard(conn)

    def say(self, line, speaker):
        """Tell everybody but the speaker."""
        with self._lock:
            others = self._ports - {speaker}
        for conn in others:
            with suppress(OSError):  # Whoever serves it sees that, too.
                conn.sendall(line)


context = tlskit.ServerContext(
    certificate_chain="localhost.pem", private_key="localhost-key.pem"
)
with tlskit.listen(int(sys.argv[1]), context=context) as listener:
    print(f"listening on port {listener.port}", flush=True)
    with suppress(KeyboardInterrupt):
        listener.serve(Room().enter, timeout=600)
