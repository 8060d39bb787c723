"""The part of a client's context that asks others than the server."""

from __future__ import annotations

from ..engine.refusal.missing import Fetching
from ..tools.deadline import check_timeout
from ..tools.whole import check_whole
from ..verify.transparency.logs import LogSource, Transparency, load_logs
from .sealing import Sealable

__all__ = ["Publicity"]


class Publicity(Sealable):
    """What of a certificate is published: its issuers, and by logs."""

    def set_certificate_transparency(
        self, log_list: LogSource | None, *, require: int = 2
    ) -> None:
        """Demand that public logs vouch for servers' certificates.

        A log vouches by a signed timestamp, which is found in the
        certificate, in the handshake, where the server is asked for it (not
        without the capability ``"handshake-timestamps"``), or in a stapled
        OCSP response if ``set_ocsp()`` asks for one.  A timestamp counts if
        its log is in the list and takes such certificates, if it is not of
        the future, and if its signature is right for this very certificate.

        Args:
            log_list: The path of a list in the form that browsers' makers
                publish (version 3), or the JSON itself, or what was read of
                it.  None asks for no timestamps.  tlskit ships no list.
            require: So many different logs have to vouch.

        Raises:
            SealedError: The context is sealed.
            ConfigurationError: *log_list* can't be read, or is no such list.
            ValueError: *require* is below 1.
            TypeError: *require* is no whole number, or *log_list* no list.

        Source: RFC 6962, sections 3.2 and 3.3.
        """
        with self._unsealed():
            check_whole(require, "require")
            if require < 1:
                raise ValueError(f"require is 1 or more, not {require!r}")
            rules = None
            if log_list is not None:
                rules = Transparency(load_logs(log_list), require)
            self._change(transparency=rules)

    def set_intermediate_fetching(
        self,
        on: bool = True,
        *,
        timeout: float = 5.0,
        max_bytes: int = 262144,
        allow_private: bool = False,
    ) -> None:
        """Fetch the intermediates that servers forget to send.

        A certificate may tell where its CA publishes the certificate above
        it.  Whoever runs the server has chosen that address, and learns that
        this client has connected; so it is off unless asked for.  Only
        ``http:`` is asked, one address at a time and within the handshake's
        deadline.  Nothing that is fetched is trusted: the path has to lead
        to a root, by all other rules.  What was fetched is remembered for an
        hour.

        It is for contexts that refuse what does not verify, and that have no
        function or hook that judges certificates.  A port that never waits
        (``settimeout(0)``) fetches nothing, nor do the streams of
        ``as_ssl_context()`` over memory; they use what is remembered.  A
        stapled OCSP response of a chain that lacks its issuer is not good.

        Args:
            on: False fetches nothing.
            timeout: Of all that is fetched for one handshake, in seconds.
            max_bytes: Of one answer.
            allow_private: Whether addresses are asked that only this network
                or this machine has.

        Raises:
            SealedError: The context is sealed.
            ValueError: *timeout* is negative, or *max_bytes* is below 1.
            TypeError: *timeout* is no number, or *max_bytes* no whole one.

        Source: RFC 5280, section 4.2.2.1; RFC 4325.
        """
        with self._unsealed():
            check_timeout(timeout)
            check_whole(max_bytes, "max_bytes")
            if max_bytes < 1:
                raise ValueError(f"max_bytes is 1 or more, not {max_bytes!r}")
            rules = Fetching(timeout, max_bytes, bool(allow_private))
            self._change(fetching=rules if on else None)
