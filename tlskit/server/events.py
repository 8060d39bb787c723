"""What happens at a listener, told to ``logging`` and counted.

One logger for each topic, below ``tlskit.listener``; what a record is about
stands in its ``extra`` attributes, so that nobody has to parse its text.
"""

from __future__ import annotations

import logging
from typing import Any

from ..errors import ConfigurationError, TLSError
from ..errors.whereabouts import place_of, told
from ..ports.port import SSLPort
from .tally import HARMLESS, Tally, reason_of

__all__ = ["Events"]

_accepted = logging.getLogger("tlskit.listener.accepted")
_handshaken = logging.getLogger("tlskit.listener.handshaken")
_refused = logging.getLogger("tlskit.listener.refused")
_handler = logging.getLogger("tlskit.listener.handler")
_server = logging.getLogger("tlskit.listener.server")

Peer = tuple[str, int]


class Events:
    """Tells and counts what happens at one listener.

    Args:
        name: Where it listens.
        tally: What counts.
    """

    def __init__(self, name: str, tally: Tally) -> None:
        self._name = name
        self._tally = tally

    def _about(self, peer: Peer | None, **more: Any) -> dict[str, Any]:
        return {"listener": self._name, "peer": peer, **more}

    def accepted(self, peer: Peer) -> None:
        """A TCP connection was accepted."""
        if _accepted.isEnabledFor(logging.DEBUG):
            _accepted.debug("%s:%s came", *peer, extra=self._about(peer))

    def handshaken(self, port: SSLPort, seconds: float) -> None:
        """A handshake was completed, so long after the client had come."""
        self._tally.shaken(seconds)
        if not _handshaken.isEnabledFor(logging.INFO):
            return
        about = self._about(
            port.peer,
            proxy=port.proxy,
            version=None if port.version is None else port.version.name,
            cipher=port.cipher,
            server_name=port.server_name,
            alpn=port.alpn_selected,
            session_reused=port.session_reused,
        )
        _handshaken.info(
            "%s: %s, %s",
            _shown(port.peer),
            about["version"],
            about["cipher"],
            extra=about,
        )

    def refused(self, error: BaseException, peer: Peer) -> None:
        """A client was refused."""
        reason = reason_of(error)
        self._tally.refuse(reason)
        level = logging.INFO
        if reason in HARMLESS:
            level = logging.DEBUG
        elif isinstance(error, ConfigurationError) or (
            not isinstance(error, OSError)
        ):
            level = logging.WARNING  # Ours to mend.
        _refused.log(
            level,
            "a client failed: %s",
            told(error),
            extra=self._about(
                peer,
                reason=reason,
                hint=error.hint if isinstance(error, TLSError) else "",
            ),
        )

    def dropped(self, peer: Peer) -> None:
        """A client's handshake was given up, because we close."""
        self._tally.refuse("closed")
        _refused.info(
            "%s is dropped, since the listener closes",
            _shown(peer),
            extra=self._about(peer, reason="closed", hint=""),
        )

    def failed(self, error: BaseException, port: SSLPort) -> None:
        """A handler raised *error*."""
        self._tally.count("failed_handlers")
        about = self._about(
            port.peer, reason=reason_of(error), error=type(error).__name__
        )
        ours = isinstance(error, ConfigurationError)
        if isinstance(error, OSError) and not ours:  # The peer's, mostly.
            _handler.info("%s: %s", _shown(port.peer), error, extra=about)
            return
        _handler.error(
            "the handler failed for %s",
            _shown(port.peer),
            exc_info=error,
            extra=about,
        )

    def unheard(self, error: Exception) -> None:
        """A callback for refused clients raised *error*."""
        _handler.error(
            "on_refused failed",
            exc_info=error,
            extra=self._about(
                None, reason=reason_of(error), error=type(error).__name__
            ),
        )

    def scarce(self, error: OSError) -> None:
        """The system can't accept a client."""
        _server.error(
            "no client can be accepted for now: %s",
            error,
            extra=self._about(None, reason="system-error"),
        )

    def forks_beside(self, others: int) -> None:
        """Other threads go on in a process that is about to fork."""
        _server.warning(
            "%d other threads are running; what they hold locked at the "
            "moment of a fork stays locked in the child: start threads in "
            "handlers, or use processes=1",
            others,
            extra=self._about(None, state="forking"),
        )

    def cannot_fork(self, error: OSError) -> None:
        """The system has no room for another process."""
        _server.error(
            "no process can be started for now, trying again: %s",
            error,
            extra=self._about(None, reason="system-error"),
        )

    def broke(self, error: BaseException) -> None:
        """This process can't serve any longer."""
        _server.error(
            "a process that serves has failed",
            exc_info=error,
            extra=self._about(None, reason=reason_of(error)),
        )

    def ended(self, pid: int, status: int | None, *, wanted: bool) -> None:
        """A process that serves has ended; *wanted*: all have to."""
        how = "in an unknown way"
        if status is not None:
            how = f"with status {status}"
            if status < 0:
                how = f"by signal {-status}"
        good = status == 0
        _server.log(
            logging.INFO if good else logging.ERROR,
            "process %d has ended %s%s",
            pid,
            how,
            "" if wanted else "; another one takes its place",
            extra=self._about(None, state="lost", pid=pid, status=status),
        )

    def state(self, state: str, **about: Any) -> None:
        """A service begins, drains or ends."""
        _server.info(
            "%s: %s",
            self._name,
            state,
            extra=self._about(None, state=state) | about,
        )


def _shown(peer: Peer | None) -> str:
    return "a client" if peer is None else place_of(peer)
