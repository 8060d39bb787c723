"""Bytes of a connection, moved by OpenSSL's own functions."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from .probing import binding

if TYPE_CHECKING:
    from OpenSSL.SSL import Connection

__all__ = ["DirectIO"]


# A flight of a handshake fits in, and is copied once; list methods are atomic.
_ROOM = 4096
_spare: list[Any] = []


def _new_room() -> Any:
    _, ffi = binding()
    return ffi.new("char[]", _ROOM)


@functools.cache
def _functions() -> tuple[Any, ...]:
    """Give what every session calls: to look one up costs as much."""
    lib, ffi = binding()
    return (
        lib,
        ffi.from_buffer,
        ffi.typeof("char[]"),
        lib.BIO_write,
        lib.BIO_read,
        lib.SSL_read,
        lib.SSL_write,
        lib.BIO_get_mem_data,
        ffi.unpack,
    )


@functools.cache
def _type_of_place() -> tuple[Any, Any]:
    """Give what makes room for an address."""
    _, ffi = binding()
    return ffi.new, ffi.typeof("char **")


#: OpenSSL's reasons for an alert of the peer's are its number behind this.
_ALERTS = 1000
#: What is worth giving back, in bytes.
_MUCH = 1024
#: What a record of TLS 1.3 adds to its plaintext at least: header, type and
#: tag (RFC 8446, section 5.2).  Where it adds something else, the lane only
#: asks more often.
_AROUND = 22
_TLS_1_3 = 0x0304
#: SSL_ERROR_WANT_READ.
_WANT_READ = 2
#: Ends the names of suites whose tag has only 8 bytes.
_SHORT_TAG = "CCM_8_SHA256"


class DirectIO:
    """Moves one connection's bytes by OpenSSL's own functions.

    pyOpenSSL allocates and copies for every record, and raises to say "not
    now".  Here many records are one call, and "not now" is ``hungry``.
    """

    __slots__ = (
        "_adds_much",
        "_ask",
        "_buffer",
        "_bytes",
        "_clean",
        "_connection",
        "_feed",
        "_foreign",
        "_from",
        "_into",
        "_lib",
        "_most",
        "_place",
        "_read",
        "_ssl",
        "_take_out",
        "_unpack",
        "_write",
        "alert",
        "hungry",
        "lent",
        "owes",
    )

    def __init__(self, connection: Connection) -> None:
        (
            self._lib,
            self._buffer,
            self._bytes,
            self._feed,
            self._take_out,
            self._read,
            self._write,
            self._ask,
            self._unpack,
        ) = _functions()
        new, place = _type_of_place()
        self._place = new(place)
        self._connection = connection
        self._ssl = connection._ssl
        self._into, self._from = connection._into_ssl, connection._from_ssl
        self._most = 0  # What either side may have held at once.
        #: The number of the peer's fatal alert, if one came.
        self.alert: int | None = None
        #: Ciphertext that OpenSSL reads where it is; see ``lend``.
        self.lent: memoryview | None = None
        self._foreign = False  # What OpenSSL reads can't be written to.
        # Nothing fed is left, not even half a record, and what a record adds
        # is known.
        self._clean = False
        # The latter, once it was asked for.  No session changes its cipher
        # suite but by a renegotiation of TLS 1.2, where it is False for all.
        self._adds_much: bool | None = None
        #: Whether a read would only ask to be fed.
        self.hungry: bool = False
        #: Whether reading has made ciphertext that is to go out.
        self.owes: bool = False

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take ciphertext."""
        self.hungry = self._clean = False
        size = len(data)
        if size > self._most:  # noqa: PLR1730 - max() would cost a call
            self._most = size
        if self._foreign:
            self._own()
        done = self._feed(
            self._into,
            data if type(data) is bytes else self._buffer(data),
            size,
        )
        assert done == size  # Memory grows.

    def end(self) -> None:
        """Take the end of the peer's file."""
        self._connection.bio_shutdown()

    def feed_on(self, *, again: bool) -> bool:  # noqa: ARG002 - as in Memory
        """Say that OpenSSL has all that was fed."""
        return False

    def read_into(
        self, buffer: memoryview, done: int | None = None
    ) -> tuple[int, bool]:
        """Decrypt as many records as *buffer* has room for.

        Args:
            buffer: Where to.
            done: What OpenSSL has said to a first call, if that was made.

        Returns:
            How many bytes, and whether only room or the peer's bytes are
            missing to go on.  If not, ``Connection.recv_into`` is to be
            called next: it tells what is the matter.
        """
        lib, ssl, ask = self._lib, self._ssl, self._ask
        read, into, place = self._read, self._into, self._place
        size, total = len(buffer), 0
        self._clean = False  # It may end in the middle of a record.
        target = self._buffer(self._bytes, buffer, True)
        while total < size:
            got: int = (
                read(ssl, target + total, size - total)
                if done is None
                else done
            )
            done = None
            if got <= 0:
                self.hungry = (
                    lib.SSL_get_error(ssl, got) == lib.SSL_ERROR_WANT_READ
                )
                if not self.hungry:
                    self._look_for_alert()
                break
            total += got
            # Asking is cheaper than a read in vain.  What does not fill the
            # buffer has left nothing of its record.
            if ask(into, place) <= 0 and (
                total < size or lib.SSL_pending(ssl) <= 0
            ):
                self.hungry = True
                break
            self.hungry = False
        self.owes = ask(self._from, place) > 0
        return total, self.hungry or total == size

    def write(self, data: bytes | memoryview) -> int:
        """Encrypt all of *data*; no more than 0 is for ``explain``."""
        done: int = self._write(self._ssl, self._buffer(data), len(data))
        return done

    # -- for the express lane -----------------------------------------------

    def room(self, data: bytearray | memoryview) -> Any:
        """Give the place of writable bytes, for the next three."""
        return self._buffer(self._bytes, data, True)

    def exchange(
        self, room: Any, size: int, target: Any, most: int
    ) -> tuple[int, bool]:
        """Take ciphertext, and decrypt one record of it.

        Args:
            room: The place of the ciphertext.
            size: How many bytes there are.
            target: Where the plaintext goes; the same place will do.
            most: The most bytes of it.

        Returns:
            What OpenSSL said, and whether that is all: what came in was one
            record, whole, and it has been read.  If it was not, go on with
            ``read_into``.
        """
        self.take(room, size)
        return self.read_one(target, most, size)

    def take(self, room: Any, size: int) -> None:
        """Take ciphertext, as ``feed``, from its place.

        Args:
            room: The place.
            size: How many bytes there are.
        """
        if size > self._most:  # noqa: PLR1730 - max() would cost a call
            self._most = size
        if self._foreign:
            self._own()
        self._feed(self._into, room, size)

    def read_one(self, target: Any, most: int, size: int) -> tuple[int, bool]:
        """Decrypt one record.

        Args:
            target: Where the plaintext goes.
            most: The most bytes of it.
            size: How many bytes of ciphertext were taken since nothing was
                left of it; more do no harm.

        Returns:
            As ``exchange``.
        """
        done: int = self._read(self._ssl, target, most)
        if 0 < done == size - _AROUND:
            # Nothing but this record can have come, and nothing is left: one
            # with more plaintext would not have fit in.
            if self._clean:
                return done, True
            # Half a record may have been there before, and may be again.
            lib = self._lib
            if (
                done < most or lib.SSL_pending(self._ssl) <= 0
            ) and lib.BIO_get_mem_data(self._into, self._place) <= 0:
                known = self._adds_much
                self._clean = self._adds_so_much() if known is None else known
                return done, True
        self._clean = False
        return done, False

    def _adds_so_much(self) -> bool:
        """Say whether each record adds ``_AROUND`` bytes, or more.

        Those of TLS 1.2 with ChaCha20 add 21: whoever has read all but a byte
        of one would be told that nothing is left.
        """
        connection = self._connection
        self._adds_much = (
            connection.get_protocol_version() >= _TLS_1_3
            and not (connection.get_cipher_name() or "").endswith(_SHORT_TAG)
        )
        return self._adds_much

    def lend(self, data: memoryview) -> None:
        """Have OpenSSL read ciphertext where it is, without a copy.

        That is so if all that was fed before has been read; else they are
        copied.  ``lent`` are the bytes, and to be left alone until all of
        them are read.

        Args:
            data: The ciphertext.
        """
        lib = self._lib
        if lib.BIO_get_mem_data(self._into, self._place) > 0:
            self.feed(data)
            return
        self._most, self._clean = max(self._most, len(data)), False
        bio = lib.BIO_new_mem_buf(self.room(data), len(data))
        assert bio
        lib.BIO_set_mem_eof_return(bio, -1)  # As of memory that grows.
        self.lent, self._foreign = data, True
        self._into = self._connection._into_ssl = bio
        lib.SSL_set_bio(self._ssl, bio, self._from)  # It frees the old one.

    def _own(self) -> None:
        """Go back to memory that grows."""
        left = self._take(self._into)
        self.forget()
        if left:
            self._lib.BIO_write(self._into, self._buffer(left), len(left))

    def forget(self) -> None:
        """Forget what was fed and not used, and its memory."""
        lib = self._lib
        bio = lib.BIO_new(lib.BIO_s_mem())
        assert bio
        self._foreign = False
        self._into = self._connection._into_ssl = bio
        lib.SSL_set_bio(self._ssl, bio, self._from)
        self.lent = None

    def copied(self, room: Any, size: int) -> bytes:
        """Give the first bytes of a place."""
        data: bytes = self._unpack(room, size)
        return data

    def encrypt(self, data: bytes | memoryview, size: int) -> int:
        """Do ``write``, for bytes without a view of them."""
        done: int = self._write(
            self._ssl,
            data if type(data) is bytes else self._buffer(data),
            size,
        )
        return done

    def drain_into(self, room: Any, size: int) -> int:
        """Move ciphertext that waits to go out, and say how much."""
        made: int = self._take_out(self._from, room, size)
        if made > self._most:  # noqa: PLR1730 - as above
            self._most = made
        return made

    # -- for everybody ------------------------------------------------------

    def handshake(self) -> int | None:
        """Go on with the handshake.

        Returns:
            1 when it is done, None for "feed me"; others are for ``explain``.
        """
        lib, ssl = self._lib, self._ssl
        done: int = lib.SSL_do_handshake(ssl)
        if done <= 0 and lib.SSL_get_error(ssl, done) == _WANT_READ:
            return None
        return done

    def explain(self, done: int) -> None:
        """Raise what pyOpenSSL does for this result."""
        self._look_for_alert()
        self._connection._raise_ssl_error(self._ssl, done)

    def _look_for_alert(self) -> None:
        """Note an alert's number before pyOpenSSL makes words of errors.

        OpenSSL has no words for some, and has the number in its own.
        """
        lib = self._lib
        reason = lib.ERR_GET_REASON(lib.ERR_peek_error())
        if _ALERTS <= reason <= _ALERTS + 255:
            self.alert = reason - _ALERTS

    @property
    def owed(self) -> int:
        """How many bytes wait to go out."""
        size: int = self._lib.BIO_get_mem_data(self._from, self._place)
        return max(0, size)

    def drain(self) -> bytes | bytearray:
        """Take all ciphertext that waits to go out."""
        return self._take(self._from)

    def leftover(self) -> bytes | bytearray:
        """Take back what was fed and not used."""
        return self._take(self._into)

    def _take(self, bio: Any) -> bytes | bytearray:
        size = self._lib.BIO_get_mem_data(bio, self._place)
        if size <= 0:
            return b""
        if size > self._most:  # noqa: PLR1730 - as above
            self._most = size
        if size > _ROOM:
            taken = bytearray(size)
            self._take_out(bio, self._buffer(taken), size)
            return taken
        try:
            room = _spare.pop()
        except IndexError:
            room = _new_room()
        copied: bytes = self._unpack(room, self._take_out(bio, room, _ROOM))
        _spare.append(room)
        return copied

    def rest(self) -> None:
        """Give back the memory that ciphertext once took.

        OpenSSL's own never shrinks: of a connection that has once been busy
        it would keep some 300 KiB for ever.
        """
        lib = self._lib
        if self._most < _MUCH or any(
            lib.BIO_get_mem_data(each, self._place) > 0
            for each in (self._into, self._from)
        ):
            return
        into, out = lib.BIO_new(lib.BIO_s_mem()), lib.BIO_new(lib.BIO_s_mem())
        assert into
        assert out
        connection, swap = self._connection, lib.SSL_set_bio
        # Python looks for signals after calls: if one raises, then only when
        # nobody knows the old ones any more, which OpenSSL frees here.
        self._most = 0
        self._foreign, self.lent = False, None
        self._into = connection._into_ssl = into
        self._from = connection._from_ssl = out
        swap(self._ssl, into, out)
