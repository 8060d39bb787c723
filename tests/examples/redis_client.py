"""Use redis-py, by a class for its connections: it makes contexts itself."""

from __future__ import annotations

import ssl

import redis

import tlskit


class Connection(redis.Connection):
    """Shakes hands by the context that it is given."""

    def __init__(self, *, adapter: ssl.SSLContext, **keywords) -> None:
        self._adapter = adapter
        super().__init__(**keywords)

    def _connect(self):
        plain = super()._connect()
        try:
            return self._adapter.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


def connect(
    host: str, port: int, context: tlskit.ClientContext
) -> redis.Redis:
    """Make a client, whose connections are made when they are needed."""
    pool = redis.ConnectionPool(
        connection_class=Connection,
        adapter=context.as_ssl_context(),
        host=host,
        port=port,
        socket_timeout=10,
    )
    return redis.Redis.from_pool(pool)
