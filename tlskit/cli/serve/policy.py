"""What ``serve`` presents and demands: built from files, again and again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...context.sides import ServerContext
from ...errors import ConfigurationError
from ...policy.settings import CredentialSource, DemandSource
from ...testing import Leaf
from ...trust import VerifySource
from ...verify.identity import Identity, certificate_hostnames

__all__ = ["Pair", "Policy"]


@dataclass(frozen=True)
class Pair:
    """A certificate chain, and the private key that belongs to it."""

    chain: Path
    key: Path


class Policy:
    """Which certificates there are, and which clients are let in.

    Args:
        pairs: The first is for clients that ask for nobody, or for somebody
            who is not here; the others are chosen by the names in them.
        leaf: Presented if there are no pairs.
        sources: Presented instead of both.
        client_ca: Who issues the certificates that clients must show; None
            asks for none.
        alpn: Application protocols.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        leaf: Leaf | None,
        *,
        sources: Sequence[CredentialSource | DemandSource] = (),
        client_ca: Path | None = None,
        alpn: Sequence[str] = (),
    ) -> None:
        self._pairs = tuple(pairs)
        self._leaf = leaf
        self._sources = tuple(sources)
        self._client_ca = client_ca
        self._alpn = tuple(alpn)
        self._seen: list[object] = []

    @property
    def files(self) -> list[str]:
        """What it is read from."""
        paths = [
            path for each in self._pairs for path in (each.chain, each.key)
        ]
        if self._client_ca is not None:
            paths.append(self._client_ca)
        return list(dict.fromkeys(map(str, paths)))

    def changed(self) -> bool:
        """Whether a file is not what it was when ``build`` read it last."""
        return self._seen != self._stamps()

    def build(self) -> ServerContext:
        """Read everything, and try it out.

        Raises:
            ConfigurationError: Something is missing, broken or unfitting.
        """
        # Looked at before they are read: what changes meanwhile is noticed.
        self._seen = self._stamps()
        contexts = [self._presenting(each) for each in self._pairs]
        if self._leaf is not None:
            first = self._demanding()
            self._leaf.apply(first)
            contexts.append(first)
        if self._sources:
            first = self._demanding()
            first.load_credentials(*self._sources)
            contexts.append(first)
        if len(contexts) > 1:
            contexts[0].set_server_names(_by_name(contexts))
        for each in contexts:
            each.seal()
            each.prepared()
        return contexts[0]

    def _stamps(self) -> list[object]:
        return [_stamp(each) for each in self.files]

    def _presenting(self, pair: Pair) -> ServerContext:
        context = self._demanding()
        context.load_certificate_chain(pair.chain)
        context.load_private_key(pair.key)
        return context

    def _demanding(self) -> ServerContext:
        context = ServerContext()
        if self._alpn:
            context.set_alpn(self._alpn)
        if self._client_ca is not None:
            context.load_verify_source(VerifySource.file(self._client_ca))
            context.load_suggested_certificate_authorities(self._client_ca)
            context.set_verify()
        return context


def _stamp(path: str) -> object:
    try:
        found = Path(path).stat()
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def _by_name(contexts: Sequence[ServerContext]) -> dict[str, ServerContext]:
    """Find out which names lead where; of two that have one, the first."""
    table: dict[str, ServerContext] = {}
    for context in contexts:
        chain = context.settings.chain
        assert chain is not None
        for name in certificate_hostnames(chain.leaf):
            # A certificate may present nonsense, too.
            with suppress(ConfigurationError, ValueError):
                if Identity.parse(name.removeprefix("*.")).dns is not None:
                    table.setdefault(name, context)
    return table
