"""Use ldap3, whose Tls makes a context for each connection, by one of ours."""

from __future__ import annotations

import ssl

import ldap3

import tlskit


class Tls(ldap3.Tls):
    """Shakes hands by the context that it is given."""

    def __init__(self, adapter: ssl.SSLContext) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._adapter = adapter

    def wrap_socket(self, connection, do_handshake=False) -> None:
        """Replace the socket of the connection."""
        connection.socket = self._adapter.wrap_socket(
            connection.socket,
            server_hostname=connection.server.host,
            do_handshake_on_connect=do_handshake,
        )


def log_in(
    host: str, port: int, context: tlskit.ClientContext
) -> ldap3.Connection:
    """Bind once TLS has begun (StartTLS); use_ssl=True would begin with it."""
    server = ldap3.Server(
        host, port, tls=Tls(context.as_ssl_context()), connect_timeout=10
    )
    return ldap3.Connection(
        server,
        "cn=admin,dc=example",
        "secret",
        auto_bind=ldap3.AUTO_BIND_TLS_BEFORE_BIND,
        receive_timeout=10,
    )
