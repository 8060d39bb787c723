"""Use gunicorn; this file is its configuration and the application.

``gunicorn --config gunicorn_server.py gunicorn_server:application``
"""

from __future__ import annotations

import functools
import os

import tlskit

bind = "127.0.0.1:0"
# They say that this is https.
certfile, keyfile = os.environ["CHAIN"], os.environ["KEY"]


@functools.cache
def adapter():
    """Make the context, once for each worker."""
    context = tlskit.ServerContext(
        certificate_chain=certfile, private_key=keyfile
    )
    context.load_verify_root_certificates(os.environ["ROOTS"])
    context.set_verify_optional()
    context.seal()
    return context.as_ssl_context()


def ssl_context(config, default_ssl_context_factory):
    """Have gunicorn take ours; it asks for each connection."""
    return adapter()


def application(environ, start_response):
    """Say hello to a client by its name, if it has proved that."""
    environ = {**environ, **environ["gunicorn.socket"].facts.environ()}
    name = environ.get("SSL_CLIENT_S_DN", "stranger")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"hello, {name}\n".encode()]
