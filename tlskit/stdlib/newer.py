"""What newer Pythons add to ``ssl.SSLContext``, on our engine, on every one.

Whatever else the standard library's context has some day is refused; see
``context.close_unknown()``.
"""

from __future__ import annotations

from .errors import loading
from .policy import Policy

__all__ = ["Newer"]


class Newer(Policy):
    """The methods of Python 3.15."""

    def set_groups(self, groups: str, /) -> None:
        """Choose the key-exchange groups.

        Args:
            groups: OpenSSL's names, with colons between them.

        Raises:
            ssl.SSLError: A name is unknown.
            SealedError: The tlskit context is sealed.
            UnsupportedError: The binding can't choose them.
        """
        with loading():
            self._tlskit.set_groups(groups)

    def set_ciphersuites(self, ciphersuites: str, /) -> None:
        """Choose the cipher suites of TLS 1.3.

        Args:
            ciphersuites: Their names, with colons between them.

        Raises:
            ssl.SSLError: A name is unknown.
            SealedError: The tlskit context is sealed.
        """
        with loading():
            self._tlskit.set_ciphersuites(ciphersuites)

    def set_server_sigalgs(self, sigalgs: str, /) -> None:
        """Choose what servers may sign the handshake with.

        As in ``ssl``, clients' certificates are judged by the same list
        unless there is another for them.

        Args:
            sigalgs: RFC 8446's names, with colons between them.

        Raises:
            ssl.SSLError: A name is unknown.
            SealedError: The tlskit context is sealed.
            UnsupportedError: The binding can't choose them.
        """
        with loading():
            self._tlskit.set_signature_algorithms(sigalgs)

    def set_client_sigalgs(self, sigalgs: str, /) -> None:
        """Choose what clients may sign the handshake with.

        Args:
            sigalgs: RFC 8446's names, with colons between them: those of
                ``set_server_sigalgs()``, which count for clients as well.

        Raises:
            UnsupportedError: They are others than the server's.
            SealedError: The tlskit context is sealed.
        """
        if tuple(sigalgs.split(":")) != self._settings.signature_algorithms:
            self._refuse(
                "the clients' own signature algorithms",
                "set_server_sigalgs() counts for clients' certificates, too",
            )
