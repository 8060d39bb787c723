"""What to do about an error, in options instead of the library's methods."""

from __future__ import annotations

import re
import socket

from ..errors import TLSError, VerificationError

__all__ = ["hint_of", "in_options", "message_of", "story_of"]

#: The library's words, and the command line's for the same.
_WORDS = tuple(
    (re.compile(pattern, re.VERBOSE), option)
    for pattern, option in (
        (
            r"""call\ load_default_verify_sources\(\),\ or
            \ load_verify_source\(\)\ with\ the\ root""",
            "name the root",
        ),
        (r"of\ your\ own\ CA$", "of your own CA with --ca"),
        (r"with\ load_verify_source\(\)", "with --ca"),
        (r"with\ load_crls\(\)", "with --crl"),
        (
            r"""(load\ a\ client\ certificate:\ |load\ both:\ |call\ |^)
            load_certificate_chain\(\)\ and\ load_private_key\(\)
            (\ first)?""",
            "show a certificate with --cert and --key",
        ),
        (r",\ with\ set_groups\(\)", ""),
        (
            r"load\ a\ client\ certificate\ if",
            "show a client certificate with --cert and --key if",
        ),
        (r"(to|in)\ (alpn=|set_alpn\(\))", "with --alpn"),
        (r"pass\ hostname=(\ with)?", "give --name"),
        (
            r"""use\ tlskit\.starttls\.connect\(host,\ '([\w-]+)'\),
            \ or\ SSLPort\.start_tls\(\)[^,]*,""",
            r"give --starttls \1 to check, explain or connect,",
        ),
        (r"pass\ password=", "give --password-file"),
    )
)
#: What only a program can do.
_CODE = re.compile(r"\w\(|\w=")
#: Names of strangers, which may look like anything; the apostrophe of "peer's"
#: begins none.
_QUOTED = re.compile(r"(?<!\w)'[^']*'")
_CLAUSES = re.compile(r"(?:;|, or,?|, and) ")

#: Errors of the system, and what to do if they come up in that phase.
_TRANSPORT = (
    (
        socket.gaierror,
        "resolve",
        "check the spelling of the host, and this machine's DNS",
    ),
    (
        ConnectionRefusedError,
        "connect",
        "check host and port, and whether the server runs",
    ),
    (
        TimeoutError,
        "connect",
        "check host and port, and the firewalls on the way",
    ),
    (
        TimeoutError,
        "handshake",
        "check that TLS is spoken on this port, and at once (or --starttls)",
    ),
)


def in_options(hint: str) -> str:
    """Say *hint* in the command line's language.

    Args:
        hint: Of an error of the library's.

    Returns:
        The same with options instead of methods.  A clause that no option
        does is left out; so nothing may be left.
    """
    for pattern, option in _WORDS:
        hint = pattern.sub(option, hint)
    if not _is_code(hint):
        return hint
    return "; ".join(c for c in _CLAUSES.split(hint) if not _is_code(c))


def _is_code(text: str) -> bool:
    return _CODE.search(_QUOTED.sub("", text)) is not None


def hint_of(error: BaseException) -> str:
    """Say what to do about *error*; empty if nobody knows."""
    if isinstance(error, TLSError):
        return in_options(error.hint)
    phase = getattr(error, "phase", None)
    for kind, when, hint in _TRANSPORT:
        if isinstance(error, kind) and phase == when:
            return hint
    return ""


def message_of(error: BaseException) -> str:
    """Say what went wrong in a line; the system's number says nothing."""
    peer = getattr(error, "peer", None)
    if (
        isinstance(error, ConnectionRefusedError)
        and getattr(error, "phase", None) == "connect"
        and peer is not None
    ):
        return f"connection refused: nothing listens on {peer}"
    if isinstance(error, socket.gaierror) and peer is not None:
        return f"can't find the address of {peer}: {error.strerror}"
    if (
        isinstance(error, OSError)
        and error.errno is not None
        and error.strerror
        and not isinstance(error, TLSError)
    ):
        return error.strerror
    return str(error) or type(error).__name__


def story_of(error: BaseException) -> str:
    """Tell all that there is to tell of *error*, in lines."""
    words = message_of(error)
    advice = error.advice if isinstance(error, VerificationError) else ()
    return "\n".join(filter(None, (words, *advice, hint_of(error))))
