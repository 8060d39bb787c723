"""Two engines of ours, driven by verbs in any order; and what always holds.

An input is a rule byte, a client byte, and then one byte a verb.  Whatever
the order: no data come before the handshake is done, those that come are what
the peer has sent, in order and without a gap; nobody is verified without a
good certificate, and nobody let in who must show one and has none; an end of
file is never one that somebody cut; a failure is final, and always the same;
and nothing grows beyond its bound.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from functools import cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import tlskit
from tlskit.engine.engine import Engine, State
from tlskit.errors.copies import is_copy
from tlskit.policy.settings import Verify
from tlskit.testing import CA, Leaf
from tlskit.tools.early import MOST_EARLY
from tlskit.verify.identity import Identity

__all__ = ["seeds", "verbs"]

_RULES = (Verify.NONE, Verify.TRY, Verify.OPTIONAL, Verify.REQUIRE)
_SHOWN = ("nothing", "good", "foreign")
_PROTOCOLS = ("tls13", "tls12")
#: The bytes that are written, again and again.
_TEXT = bytes(range(251)) * 300
#: What one verb writes at most.
_MOST = 40_000
#: What a session may make beside what it is given to encrypt.
_OVERHEAD = 65_536


class _Interrupt(BaseException):
    """What a hook raises, at times."""


class _Moody(tlskit.ServerContext):
    """Lets its hook raise when it is told to."""

    def verify_peer(self, verdict: tlskit.Facts) -> None:  # noqa: ARG002
        """Raise, if that is this run's idea."""
        if _mood:
            raise _Interrupt


_mood: list[bool] = []
_logged: list[str] = []


@cache
def _credentials() -> tuple[CA, Leaf, dict[str, Leaf]]:
    ca, stranger = CA("tlskit verbs CA"), CA("tlskit verbs stranger")
    shown = {
        "good": ca.issue("client.example"),
        "foreign": stranger.issue("client.example"),
    }
    return ca, ca.issue("localhost"), shown


@cache
def _server(rule: Verify) -> tlskit.ServerContext:
    ca, leaf, _ = _credentials()
    context = _Moody()
    leaf.apply(context)
    ca.trust(context)
    if rule is Verify.TRY:
        context.try_verify()
    elif rule is Verify.OPTIONAL:
        context.set_verify_optional()
    elif rule is Verify.REQUIRE:
        context.set_verify()
    return context


@cache
def _client(protocol: str, shown: str) -> tlskit.ClientContext:
    ca, _, leaves = _credentials()
    context = tlskit.ClientContext(protocol)
    ca.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    if shown in leaves:
        leaves[shown].apply(context)
    context.set_session_cache(tlskit.SessionCache())
    if protocol == "tls13":
        context.set_ciphersuites("TLS_AES_128_GCM_SHA256")
        context.set_keylog(_logged.append)
    return context


class _Keys:
    """A client's keys of TLS 1.3, to go on in its place (RFC 8446, 7.2).

    OpenSSL is not asked for key updates by any function that we have.
    """

    def __init__(self, number: int) -> None:
        line = [one for one in _logged if one.startswith("CLIENT_TRAFFIC")][-1]
        self._secret = bytes.fromhex(line.split()[2])
        self._number = number

    def _expand(self, label: bytes, size: int) -> bytes:
        name = b"tls13 " + label
        info = size.to_bytes(2, "big") + bytes((len(name),)) + name + b"\0\1"
        return hmac.digest(self._secret, info, "sha256")[:size]

    def seal(self, content: bytes, kind: int) -> bytes:
        """Make a record."""
        header = b"\x17\x03\x03" + (len(content) + 17).to_bytes(2, "big")
        number = int.from_bytes(self._expand(b"iv", 12), "big") ^ self._number
        self._number += 1
        sealed = AESGCM(self._expand(b"key", 16)).encrypt(
            number.to_bytes(12, "big"), content + bytes((kind,)), header
        )
        return header + sealed

    def update(self, wanted: int) -> bytes:
        """Change them; *wanted* is 1 to want the peer's changed, too."""
        record = self.seal(bytes((24, 0, 0, 1, wanted)), 22)
        self._secret, self._number = self._expand(b"traffic upd", 32), 0
        return record


class _End:
    """One engine, what it has sent and read, and what is on its way to it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.wire = bytearray()  # To it, and not delivered yet.
        self.sent = 0  # Plaintext, by it.
        self.read = 0
        self.finished = False  # It has said that no more comes.
        self.cut = False  # Nobody delivers anything any more.
        self.spoilt = False  # What is on its way to it was changed.
        self.asking = False  # For a certificate, in mid-session.
        self.waiting: memoryview | None = None  # To be written again.
        self.made = 0  # Ciphertext, by it.
        self.shaken = False  # Its last flight has left.
        self.records = 0  # After that, by it.
        self.keys: _Keys | None = None  # By which we go on in its place.
        self.updates = 0

    def left(self, out: bytes | bytearray) -> None:
        """Count what has left it."""
        self.made += len(out)
        if self.shaken:
            while out:
                self.records += 1
                out = out[5 + int.from_bytes(out[3:5], "big") :]
        self.shaken = self.shaken or self.engine.facts is not None


class _Run:
    """One pair after another, under one rule."""

    def __init__(self, rule: int, client: int) -> None:
        self.rule = _RULES[rule % len(_RULES)]
        self.port_rule: Verify | None = None
        self.shown = _SHOWN[client % len(_SHOWN)]
        self.protocol = _PROTOCOLS[client // len(_SHOWN) % len(_PROTOCOLS)]
        self.name = "other.example" if client & 0x80 else "localhost"
        _client(self.protocol, self.shown).session_cache.clear()
        _mood.clear()
        self.begin()

    def begin(self) -> None:
        """Begin a new pair, which may resume."""
        self.port_rule = None
        _logged.clear()
        self.client = _End(
            Engine(
                _client(self.protocol, self.shown),
                server_side=False,
                identity=Identity.parse(self.name),
                dialled=("localhost", 1),
            )
        )
        self.server = _End(Engine(_server(self.rule), server_side=True))

    def do(self, verb: int) -> None:
        """Do one verb, and look at what became of it."""
        ends = (self.client, self.server)
        who, whom = ends if verb & 1 else ends[::-1]
        how = verb >> 5
        before = [end.engine.failure for end in ends]
        engines = [end.engine for end in ends]
        try:
            self._do(verb >> 1 & 15, who, whom, how)
        except tlskit.TLSError as error:
            if not (str(error) and error.code and error.explain()):
                raise AssertionError(f"without words: {error!r}") from error
        except _Interrupt as error:
            if not any(is_copy(error, engine.failure) for engine in engines):
                raise AssertionError("an interrupt was forgotten") from error
        for engine, failure in zip(engines, before, strict=True):
            if failure is not None and engine.failure is not failure:
                raise AssertionError("a failure has changed")
        self._collect(who, whom)
        answers = 64 * whom.updates
        if who.made > 2 * who.sent + _OVERHEAD * 4 + answers:
            raise AssertionError(f"{who.made} bytes out of {who.sent}")
        self._look()

    def _do(  # noqa: C901, PLR0912 - one branch a verb
        self, verb: int, who: _End, whom: _End, how: int
    ) -> None:
        engine = who.engine
        if verb <= 1:
            engine.handshake()
        elif verb <= 4:
            self._deliver(who, len(who.wire) if how == 0 else 1 << how * 2)
        elif verb == 5:
            self._write(who, (1, 100, 16_384, _MOST)[how % 4])
        elif verb <= 7:
            self._read(who, (1, 100, 16_384, _MOST)[how % 4])
        elif verb == 8:
            engine.finish()
            who.finished = True
        elif verb == 9:
            if how == 0:
                who.cut = True
                engine.receive(b"")
            elif how == 1 and who.wire:
                who.spoilt = True
                who.wire[len(who.wire) // 2] ^= 1 << how
            else:
                engine.pending()
                engine.rest()
        elif verb == 10:
            self._ask_again(who, how)
        elif verb == 11:
            if how < 3:
                self.begin()
            elif how == 3:
                with engine.lock:
                    engine.lose()
            elif how == 4:
                _mood[:] = [] if _mood else [True]
            else:
                engine.abandon()
        elif verb == 12 and engine.state is State.HANDSHAKE:
            self._expect(who, _RULES[how % 4])
        elif verb == 14:
            self._update(how)
        else:  # What usually helps, so that runs get somewhere.
            for _ in range(3):
                for each, other in ((who, whom), (whom, who)):
                    self._deliver(each, len(each.wire))
                    if each.engine.state is State.HANDSHAKE:
                        each.engine.handshake()
                    elif each.asking:
                        self._go_on_asking(each)
                    self._collect(each, other)

    def _collect(self, each: _End, other: _End) -> None:
        out = each.engine.outgoing()
        each.left(out)
        if not other.cut and each.keys is None:
            other.wire += out

    def _deliver(self, who: _End, size: int) -> None:
        if not who.cut and who.wire:
            data = bytes(who.wire[:size])
            del who.wire[:size]
            who.engine.receive(data)

    def _write(self, who: _End, size: int) -> None:
        if who.keys is not None:
            start = who.sent % 251
            data = memoryview(_TEXT)[start : start + min(size, 16_384)]
            self._other(who).wire += who.keys.seal(bytes(data), 23)
            who.sent += len(data)
            return
        data = who.waiting
        if data is None:
            start = who.sent % 251
            data = memoryview(_TEXT)[start : start + size]
        done = who.engine.write(data)
        who.waiting = data if done is None else None
        who.sent += done or 0

    def _read(self, who: _End, size: int) -> None:
        if who.asking:
            self._go_on_asking(who)
            return
        buffer = bytearray(size)
        got = who.engine.read_into(buffer)
        if got is None:
            return
        if who.engine.facts is None:
            raise AssertionError("data before the handshake is done")
        start = who.read % 251
        if bytes(buffer[:got]) != _TEXT[start : start + got]:
            raise AssertionError("not what was sent")
        who.read += got
        peer = self._other(who)
        if who.read > peer.sent:
            raise AssertionError("more than was sent")
        if got == 0 and not (peer.finished and who.read == peer.sent):
            raise AssertionError("an end that nobody has told")

    def _other(self, who: _End) -> _End:
        return self.server if who is self.client else self.client

    def _update(self, how: int) -> None:
        """Have the client change its keys, from now on in its place."""
        client, server = self.client, self.server
        if self.protocol != "tls13" or not client.shaken:
            return
        if client.keys is None:
            if client.finished or client.engine.state is not State.OPEN:
                return
            client.keys = _Keys(client.records)
        for _ in range((1, 2, 10, 100)[how & 3]):
            server.wire += client.keys.update(how >> 2)
            client.updates += 1

    def _ask_again(self, who: _End, how: int) -> None:
        if who is self.server and not who.asking:
            rule = Verify.REQUIRE if how & 1 else Verify.TRY
            who.engine.reauthenticate(rule)
            who.asking = True
            self.port_rule = rule

    def _go_on_asking(self, who: _End) -> None:
        if who.engine.reauthenticated():
            who.asking = False
            self._must_be_good(self.port_rule)

    def _expect(self, who: _End, rule: Verify) -> None:
        # A client's port may demand less, as its context is not sealed; that
        # is not tried here.
        if who is self.server and not self.server.made:
            who.engine.expect(rule)
            self.port_rule = rule

    # -- what always holds --------------------------------------------------

    def _must_be_good(self, rule: Verify | None) -> None:
        facts = self.server.engine.facts
        if facts is None or rule is None:
            return
        if rule is Verify.REQUIRE and not facts.peer_verified:
            raise AssertionError("let in without a certificate that is good")
        shown = facts.peer_certificate is not None
        if rule.refuses_bad and shown and not facts.peer_verified:
            raise AssertionError("let in with a bad certificate")

    def _look(self) -> None:
        for each in (self.client, self.server):
            engine = each.engine
            if engine.state is State.OPEN and engine.facts is None:
                raise AssertionError("open without facts")
            if engine.decrypted > MOST_EARLY + 2 * 16_384:
                raise AssertionError("plaintext is kept without bound")
        facts = self.client.engine.facts
        meant = self.name == "localhost"
        if facts is not None and not (meant and facts.peer_verified):
            raise AssertionError("a server that was not meant")
        facts = self.server.engine.facts
        if facts is None:
            return
        if facts.peer_verified and self.shown != "good":
            raise AssertionError(f"{self.shown} is verified")
        if self.server.engine.state is State.OPEN and not self.server.asking:
            self._must_be_good(self.port_rule or self.rule)


def verbs(data: bytes) -> None:
    """Drive two engines; see above."""
    run = _Run(*(data[:2].ljust(2, b"\0")))
    for verb in data[2:400]:
        run.do(verb)


def seeds() -> Iterator[bytes]:
    """Give conversations that come to something."""
    helps, who = 13 << 1, 1
    talk = bytes(
        (
            *(helps | who, helps),
            *(5 << 1 | who, helps, 6 << 1 | 3 << 5),
            *(5 << 1 | 3 << 5, helps, 6 << 1 | who | 3 << 5),
        )
    )
    again = bytes((10 << 1 | 1 << 5, helps, helps | who, 6 << 1, 6 << 1))
    update = bytes((14 << 1 | 4 << 5, helps, 14 << 1 | 7 << 5, helps))
    end = bytes((8 << 1 | who, helps, 6 << 1, 8 << 1, helps, 6 << 1 | who))
    new = bytes((11 << 1,))
    for rule in range(len(_RULES)):
        for client in range(len(_SHOWN) * len(_PROTOCOLS)):
            begin = bytes((rule, client))
            yield begin + talk + end
            yield begin + talk + again + talk + end
            yield begin + talk + update + talk + update + talk + end
            yield begin + talk + end + new + talk + again + end
            yield begin + bytes((12 << 1 | 3 << 5,)) + talk + new + talk
    yield bytes((3, 0x81)) + talk
