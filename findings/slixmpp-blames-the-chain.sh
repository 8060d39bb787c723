#!/bin/sh
# slixmpp logs "Invalid certificate trust chain" for whatever goes wrong in the
# handshake after STARTTLS.
#
# Seen with: slixmpp 1.17.0, certificates made by cryptography 50.0.2, Python's
# ssl
#
# One would expect the log to tell a certificate that nobody vouches for from
# one for another name, and both from a server that speaks no version of TLS
# that we speak.  All three get the same line at the level ERROR, and the real
# reason is logged at DEBUG only.  Where TLS comes first ("direct TLS") nothing
# is logged as an error, and "connection_failed" tells.
#
# Who is hurt: who looks for a missing root or intermediate, although the chain
# is good.  What to do: handle the event "ssl_invalid_chain", which is given
# ssl's own exception, and log that.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    cryptography==50.0.2 slixmpp==1.17.0

cat >recorded <<'END'
slixmpp 1.17.0
good.example, its root loaded: logged nothing, begins TLS
good.example, its root not loaded: logged CERT: Invalid certificate trust chain.
good.example, which speaks no version of ours: logged CERT: Invalid certificate trust chain.
other.example, its root loaded: logged CERT: Invalid certificate trust chain.
what ssl said: CERTIFICATE_VERIFY_FAILED, TLSV1_ALERT_PROTOCOL_VERSION, Hostname mismatch
END

timeout 120 env/bin/python -W ignore - >seen 2>errors <<'END' || cat errors >>seen
import asyncio
import datetime
import logging
import ssl

import slixmpp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec

now = datetime.datetime.now(datetime.timezone.utc)
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "chat")])
usage = x509.KeyUsage(
    True, False, False, False, False, True, False, False, False
)
identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
certificate = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(now - datetime.timedelta(hours=1))
    .not_valid_after(now + datetime.timedelta(days=1))
    .add_extension(x509.BasicConstraints(True, None), True)
    .add_extension(usage, True)
    .add_extension(identifier, False)
    .add_extension(
        x509.SubjectAlternativeName([x509.DNSName("good.example")]), False
    )
    .sign(key, hashes.SHA256())
)
with open("server.pem", "wb") as file:
    file.write(certificate.public_bytes(pki.Encoding.PEM))
    file.write(
        key.private_bytes(
            pki.Encoding.PEM, pki.PrivateFormat.PKCS8, pki.NoEncryption()
        )
    )

STREAM = (
    b"<?xml version='1.0'?><stream:stream id='1' version='1.0' "
    b"xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
)
TLS = b"xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
#: The fatal alert of a server that speaks no version of the client's.
PROTOCOL_VERSION = bytes.fromhex("15030300020246")
logged = []


class Keep(logging.Handler):
    def emit(self, record):
        if record.levelno >= logging.ERROR:
            logged.append(record.getMessage())
        elif record.exc_info and isinstance(record.exc_info[1], ssl.SSLError):
            reasons.append(record.exc_info[1])


reasons = []
logger = logging.getLogger("slixmpp")
logger.addHandler(Keep())
logger.setLevel(logging.DEBUG)
logger.propagate = False


async def attempt(domain, refusing, trusting):
    """A server of a few words, and slixmpp against it."""
    ended = asyncio.Event()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain("server.pem")
    begun = []

    async def serve(reader, writer):
        await reader.readuntil(b"stream:stream")
        await reader.readuntil(b">")
        writer.write(
            STREAM + b"<stream:features><starttls " + TLS
            + b"/></stream:features>"
        )
        await reader.readuntil(b"starttls")
        await reader.readuntil(b">")
        writer.write(b"<proceed " + TLS + b"/>")
        await writer.drain()
        if refusing:
            await reader.readexactly(5)
            writer.write(PROTOCOL_VERSION)
            writer.close()
            return
        loop = asyncio.get_running_loop()
        transport = writer.transport
        try:
            secured = await loop.start_tls(
                transport, transport.get_protocol(), server_context,
                server_side=True,
            )
            begun.append(True)
            ended.set()
            secured.abort()
        except (OSError, asyncio.CancelledError):
            transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    context = ssl.create_default_context()
    if trusting:
        context.load_verify_locations("server.pem")
    client = slixmpp.ClientXMPP(
        f"user@{domain}", "secret", ssl_context=context
    )
    client.enable_direct_tls = False
    client.add_event_handler("disconnected", lambda _: ended.set())
    client.connect("127.0.0.1", port)
    await asyncio.wait_for(ended.wait(), 30)
    client.abort()
    server.close()
    return "begins TLS" if begun and not logged else ""


print("slixmpp", slixmpp.__version__)
for domain, refusing, trusting, what in (
    ("good.example", False, True, "its root loaded"),
    ("good.example", False, False, "its root not loaded"),
    ("good.example", True, True, "which speaks no version of ours"),
    ("other.example", False, True, "its root loaded"),
):
    logged.clear()
    begins = asyncio.run(attempt(domain, refusing, trusting))
    found = "; ".join(logged) or "nothing"
    print(f"{domain}, {what}: logged {found}" + (begins and f", {begins}"))
words = []
for reason in reasons:
    text = str(reason)
    words.append(
        "Hostname mismatch" if "Hostname mismatch" in text else reason.reason
    )
print("what ssl said:", ", ".join(words))
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
