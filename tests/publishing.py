"""A site that publishes certificates by plain HTTP, for tests."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from .peers import PATIENCE

__all__ = ["Site", "at", "publishing"]


class Site:
    """Publishes answers by path, and counts who asks."""

    def __init__(self, port):
        self.port = port
        #: Path -> status, headers and body; or a function of the handler.
        self.pages = {}
        self.asked = []
        self.over = threading.Event()

    def url(self, path):
        """Give an address here."""
        return f"http://127.0.0.1:{self.port}{path}"

    def publish(self, path, body, status=200, **headers):
        """Publish something; give its address."""
        self.pages[path] = status, headers, body
        return self.url(path)

    def answer(self, handler):
        """Answer one request."""
        self.asked.append(handler.path)
        page = self.pages.get(handler.path, (404, {}, b""))
        if callable(page):
            page(handler)
            return
        status, headers, body = page
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@contextmanager
def publishing():
    """Run a site."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            """Answer as the site says."""
            site.answer(self)

        def log_message(self, *_):
            """Print nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_):
            """Print nothing about clients that have gone."""

    with Server(("127.0.0.1", 0), Handler) as server:
        site = Site(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield site
        finally:
            site.over.set()
            server.shutdown()
            thread.join(PATIENCE)


def at(*urls, method=AuthorityInformationAccessOID.CA_ISSUERS):
    """Make the extension that names addresses of the issuer."""
    return x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
            for url in urls
        ]
    )
