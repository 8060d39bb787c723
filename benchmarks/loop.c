/* Moves a stream with no Python in between.  SSL_read and SSL_write are given
 * as pointers, so the OpenSSL is whichever they are of.  Every function gives
 * a negative number if one of them failed. */

#include <string.h>

typedef int (*mover)(void *ssl, void *data, int size);

/* OpenSSL may move less than it was asked to: a record at a time. */
static int exactly(mover move, void *ssl, char *data, int size)
{
    for (int done = 0, more; done < size; done += more)
        if ((more = move(ssl, data + done, size - done)) <= 0)
            return -1;
    return 0;
}

/* Send `count` messages of `size` bytes, one after the other, out of a ring
 * of `pieces` of them. */
int send_stream(mover write, void *ssl, char *ring, int size, int pieces,
                long long count)
{
    for (long long turn = 0; turn < count; turn++)
        if (exactly(write, ssl, ring + turn % pieces * size, size) < 0)
            return -1;
    return 0;
}

/* Receive `total` bytes; give how many of them came last. */
int receive_stream(mover read, void *ssl, char *buffer, int room,
                   long long total)
{
    int got = 0;
    while (total > 0) {
        if ((got = read(ssl, buffer, room)) <= 0)
            return -1;
        total -= got;
    }
    return total < 0 ? -1 : got;
}

/* Send a message and have it back, `turns` times. */
int ping(mover write, mover read, void *ssl, char *message, char *buffer,
         int size, int turns)
{
    for (int turn = 0; turn < turns; turn++)
        if (exactly(write, ssl, message, size) < 0
            || exactly(read, ssl, buffer, size) < 0
            || memcmp(message, buffer, size) != 0)
            return -1;
    return 0;
}

/* The other side of that. */
int pong(mover write, mover read, void *ssl, char *buffer, int size,
         int turns)
{
    for (int turn = 0; turn < turns; turn++)
        if (exactly(read, ssl, buffer, size) < 0
            || exactly(write, ssl, buffer, size) < 0)
            return -1;
    return 0;
}
