"""Has requests, by which ``acme`` speaks HTTP, leave TLS to a context."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...errors import UnsupportedError

if TYPE_CHECKING:
    from ...context.sides import ClientContext
    from ...tools.deadline import Deadline

__all__ = ["adapter", "load"]

#: Of a second; none at all would be an error of another kind.
_LEAST = 0.001


def load(name: str) -> Any:
    """Import a module that the extra ``acme`` brings.

    Raises:
        UnsupportedError: It is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise UnsupportedError(
            f"ACME needs the package {error.name}, which is not installed",
            hint='python -m pip install "tlskit[acme]"',
        ) from error


def adapter(context: ClientContext, deadline: Deadline) -> Any:
    """Make an ``HTTPAdapter`` whose connections are those of *context*.

    Without it requests would trust roots of its own.

    Args:
        context: Whom to trust as the server.
        deadline: When no request may last any longer.
    """
    made = load("requests.adapters").HTTPAdapter()
    attributes, send = made.build_connection_pool_key_attributes, made.send
    own = {
        "cert_reqs": "CERT_REQUIRED",
        "ssl_context": context.as_ssl_context(),
    }

    def build(request: Any, _verify: object, _cert: object = None) -> Any:
        host, _ = attributes(request, True)
        return host, own

    def load_nothing(*_: object) -> None:
        """Add no roots: they are in the context."""

    def send_in_time(request: Any, **options: Any) -> Any:
        deadline.check("the ACME server is asked")
        left = deadline.left()
        if left is not None:
            options["timeout"] = max(_LEAST, min(options["timeout"], left))
        return send(request, **options)

    made.build_connection_pool_key_attributes = build
    made.cert_verify = load_nothing
    made.send = send_in_time
    return made
