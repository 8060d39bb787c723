"""A room in which nobody has to wait for a slow reader."""

import queue
import sys
import threading
from contextlib import suppress

import tlskit


class Member:
    """A client, and the lines that wait for it."""

    def __init__(self, port):
        self._port = port
        self._lines = queue.SimpleQueue()

    def hear(self, line):
        """Put a line in the queue; who is 100 lines behind misses it."""
        if self._lines.qsize() < 100:
            self._lines.put(line)

    def leave(self):
        """Let ``send`` finish."""
        self._lines.put(None)

    def send(self):
        """Send what comes into the queue."""
        try:
            while line := self._lines.get():
                self._port.sendall(line)
        except OSError:  # Gone, or it has taken nothing for too long.
            self._port.abandon()


class Room:
    """Who is there."""

    def __init__(self):
        self._lock = threading.Lock()
        self._members = set()

    def enter(self, conn):
        """Stay with one client until it goes."""
        member = Member(conn)
        sending = threading.Thread(target=member.send)
        sending.start()
        with self._lock:
            self._members.add(member)
        try:
            while line := conn.input.readline(1000):
                self.say(line.strip() + b"\n", member)
        finally:
            with self._lock:
                self._members.discard(member)
            member.leave()
            sending.join()

    def say(self, line, speaker):
        """Tell everybody but the speaker."""
        with self._lock:
            for member in self._members - {speaker}:
                member.hear(line)


context = tlskit.ServerContext(
    certificate_chain="localhost.pem", private_key="localhost-key.pem"
)
with tlskit.listen(int(sys.argv[1]), context=context) as listener:
    print(f"listening on port {listener.port}", flush=True)
    with suppress(KeyboardInterrupt):
        listener.serve(Room().enter, timeout=600)
