"""The part of a client's context that says whether issuers are fetched."""

from __future__ import annotations

from ..engine.refusal.missing import Fetching
from ..tools.deadline import check_timeout
from .sealing import Sealable

__all__ = ["IssuerFetching"]


class IssuerFetching(Sealable):
    """The setter of ``ClientContext`` for what servers forget to send."""

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

        Source: RFC 5280, section 4.2.2.1; RFC 4325.
        """
        check_timeout(timeout)
        if max_bytes < 1:
            raise ValueError(f"max_bytes is 1 or more, not {max_bytes!r}")
        rules = Fetching(timeout, max_bytes, bool(allow_private))
        self._change(fetching=rules if on else None)
