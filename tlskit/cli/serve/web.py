"""HTTPS for ``serve --dir``: GET and HEAD of files, by ``http.server``."""

from __future__ import annotations

import io
import os
import urllib.parse
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from ... import __version__
from ...ports.port import SSLPort
from ...tools.deadline import Deadline
from .journal import Journal, Traffic
from .listing import POLICY, listing
from .serving import Handler
from .site import Entry, Site

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["web"]

_CHUNK = 65536


def web(site: Site, journal: Journal, seconds: float) -> Handler:
    """Make a handler that answers one request for a file.

    Args:
        site: Where the files are.
        journal: Hears of each request.
        seconds: How long a request may take to come in, as a whole; one that
            trickles would keep its place for ever otherwise.
    """

    def handle(port: SSLPort, traffic: Traffic) -> None:
        line = _Line(port, traffic, Deadline.after(seconds), seconds)
        _Request(line, site, journal)
        if line.failure is not None:
            raise line.failure

    return handle


class _Line:
    """What ``http.server`` takes for a socket: counts, and keeps time."""

    def __init__(
        self,
        port: SSLPort,
        traffic: Traffic,
        deadline: Deadline,
        seconds: float,
    ) -> None:
        self.port = port
        self.traffic = traffic
        self.deadline = deadline
        self.seconds = seconds
        #: What broke it; ``http.server`` makes nothing of a time-out.
        self.failure: OSError | None = None

    def makefile(self, _mode: str, _size: int) -> io.BufferedReader:
        """Give what the client sends."""
        return io.BufferedReader(_Incoming(self), _CHUNK)

    def patience(self) -> float:
        """Give how many seconds the request may still take."""
        left = self.deadline.left()
        if not left:  # 0 would mean: don't wait at all.
            raise TimeoutError("timed out while reading a request")
        return left

    def sendall(self, data: Buffer) -> None:
        """Send to the client, as long as it takes something."""
        self.port.settimeout(self.seconds)
        try:
            self.port.sendall(data)
        except OSError as error:
            self.failure = error
            raise
        self.traffic.sent += len(memoryview(data))


class _Incoming(io.RawIOBase):
    """The request, until the deadline."""

    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        line = self._line
        try:
            line.port.settimeout(line.patience())
            size = line.port.recv_into(buffer)
        except OSError as error:
            line.failure = error
            raise
        line.traffic.received += size
        return size


class _Request(SimpleHTTPRequestHandler):
    """One request and its answer, in HTTP/1.0: then the connection ends.

    So what follows a request, such as a body that nobody reads, can't be
    taken for another one.
    """

    server_version = f"tlskit/{__version__}"
    sys_version = ""

    def __init__(self, line: _Line, site: Site, journal: Journal) -> None:
        self._site = site
        self._journal = journal
        self._length = 0
        super().__init__(
            cast("Any", line),
            line.port.getpeername(),
            cast("Any", None),
            directory=str(site.root),
        )

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Answer, but for the content, which is returned."""
        below = self.translate_path(self.path)
        path = Path(below)
        entries = self._site.entries(path)
        if entries is None:
            # "file.txt/" would be a directory's name.
            found = None if below.endswith("/") else self._site.open(path)
            return self._give(found, below)
        where = self._where(path)
        if not self.path.partition("?")[0].partition("#")[0].endswith("/"):
            self._redirect(where)
            return None
        index = self._site.open_index(path)
        if index is not None:
            return self._give(index, "index.html")
        return self._list(where, entries)

    def _where(self, path: Path) -> str:
        """Give a directory's address: of what was found, not of what came."""
        parts = path.relative_to(self._site.root).parts
        quoted = [urllib.parse.quote(os.fsencode(part)) for part in parts]
        return "/".join(["", *quoted, ""])

    def _redirect(self, where: str) -> None:
        self.send_response(HTTPStatus.MOVED_PERMANENTLY)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _give(self, found: BinaryIO | None, path: str) -> BinaryIO | None:
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        known = os.fstat(found.fileno())
        self._length = known.st_size
        self._begin(self.guess_type(path), known.st_mtime)
        return found

    def _list(self, where: str, entries: list[Entry]) -> io.BytesIO:
        page = listing(where, entries)
        self._length = len(page)
        self._begin("text/html; charset=utf-8", None, policy=POLICY)
        return io.BytesIO(page)

    def _begin(
        self, kind: str, modified: float | None, *, policy: str = ""
    ) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(self._length))
        if modified is not None:
            self.send_header("Last-Modified", self.date_time_string(modified))
        self.send_header("X-Content-Type-Options", "nosniff")
        if policy:
            self.send_header("Content-Security-Policy", policy)
        self.end_headers()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send as much as was promised, even if the file grows meanwhile."""
        left = self._length
        while left and (data := source.read(min(left, _CHUNK))):
            outputfile.write(data)
            left -= len(data)

    def log_request(
        self,
        code: int | str = "-",
        size: int | str = "-",  # noqa: ARG002 - it is never told
    ) -> None:
        """Tell the journal."""
        self._journal.request(self.client_address, self.requestline, int(code))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing on stderr."""
