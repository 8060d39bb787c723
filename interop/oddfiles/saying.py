"""What tlskit says of a file, and whether its advice helps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import tlskit

from .odd import PASSWORD, Odd, run

__all__ = ["Answer", "advised", "answer"]


class Answer(NamedTuple):
    """What came of loading a file."""

    good: bool
    #: What was read, or what the error says.
    words: str
    hint: str = ""


def _loaded(kind: str, path: Path, password: str | None) -> str:
    own = tlskit.ServerContext("tls")
    if kind == "key":
        key = tlskit.PrivateKey.load(path, password=password)
        return f"a private key: {key.kind}"
    if kind == "chain":
        chain = tlskit.CertificateChain.load(path)
        return _counted(len(chain.certificates))
    if kind == "pkcs12":
        own.load_pkcs12(path, password)
        return "a private key and its certificates"
    if kind == "roots":
        peer = tlskit.ClientContext("tls")
        peer.load_verify_source(path)
        return "trusted roots"
    assert kind == "crl"
    own.load_crls(path)
    return "a revocation list"


def _counted(number: int) -> str:
    return "a certificate" if number == 1 else f"{number} certificates"


def answer(odd: Odd, path: Path, kind: str = "") -> Answer:
    """Load the file as *odd* says, or as *kind*."""
    try:
        words = _loaded(
            kind or odd.kind, path, PASSWORD if odd.encrypted else None
        )
    except tlskit.TLSError as error:
        clean = str(error).replace(str(path.parent) + "/", "")
        return Answer(False, clean, error.hint or "")
    return Answer(True, f"It is read: {words}.")


def advised(odd: Odd, folder: Path, said: Answer) -> bool:
    """Do as the hint says, and load what comes of it.

    Raises:
        RuntimeError: It does not help, or is another advice.
    """
    if not odd.remedy:
        return False
    program = odd.remedy.partition(" ")[0]
    if program not in said.hint:
        raise RuntimeError(f"{odd.what}: {program} is not in {said.hint!r}")
    new = folder / "new.out"
    new.unlink(missing_ok=True)
    command = re.sub(r"\bOLD\b", odd.file, odd.remedy)
    done = run(re.sub(r"\bNEW\b", new.name, command), folder)
    if done.returncode:
        raise RuntimeError(f"{odd.what}: {command}: {done.stderr}")
    later = answer(odd, new, odd.then)
    if not later.good:
        raise RuntimeError(f"{odd.what}: then tlskit says {later}")
    return True
