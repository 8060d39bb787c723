#!/bin/sh
# Gunicorn, Twisted and a library for node refuse PROXY headers that say that no
# client's address is known, as health checks send them.
#
# Seen with: gunicorn 27.0.1, Twisted 26.10.0, proxy-protocol-js 4.0.6 (npm)
#
# The PROXY protocol (haproxy's doc/proxy-protocol.txt, sections 2.1 and 2.2) has
# "PROXY UNKNOWN" in version 1, LOCAL and UNSPEC in version 2, for connections
# that a proxy makes for itself, or whose client it can't name.  The receiver
# must accept them, and use the addresses of the connection as it is.
# One would expect servers that offer the protocol to do so.  Gunicorn answers
# UNKNOWN with 400 and UNSPEC with 500; LOCAL it accepts, with None as the
# REMOTE_ADDR, which WSGI has as text.  Twisted closes the connection for the
# short UNKNOWN, which is the form in the specification's own examples, and
# takes the long one.  proxy-protocol-js refuses the short one also.
#
# Who is hurt: who sees a server marked as down by its balancer while it answers
# everybody else, or has errors in the log once in two seconds.  What to do:
# let the balancer check without the header, on a port of its own.
#
# Needs: node and npm.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    gunicorn==27.0.1 Twisted==26.10.0
timeout 600 npm install --silent --no-audit --no-fund --ignore-scripts \
    --prefix . proxy-protocol-js@4.0.6 >/dev/null

cat >recorded <<'END'
gunicorn 27.0.1, twisted 26.10.0
gunicorn: status and REMOTE_ADDR
  TCP4: 200, '192.0.2.7'
  UNKNOWN: 400
  UNKNOWN, long: 400
  TCP4 of version 2: 200, '192.0.2.7'
  LOCAL: 200, None
  LOCAL with an address: 200, None
  UNSPEC: 500
Twisted: status and client address
  TCP4: 200, '192.0.2.7'
  UNKNOWN: closed
  UNKNOWN, long: 200, '127.0.0.1'
  TCP4 of version 2: 200, '192.0.2.7'
  LOCAL: 200, '127.0.0.1'
  LOCAL with an address: 200, '127.0.0.1'
  UNSPEC: 200, '127.0.0.1'
proxy-protocol-js 4.0.6
  TCP4: TCP4, address "192.0.2.7"
  UNKNOWN: given data isn't suitable for V1 PROXY protocols definition
  UNKNOWN, long: UNKNOWN, address "192.0.2.7"
  TCP4 of version 2: command 1, address "192.0.2.7"
  LOCAL: command 0, address ""
  LOCAL with an address: command 0, address "192.0.2.7"
  UNSPEC: command 1, address ""
END

cat >headers.py <<'END'
import json
import socket
import struct

ADDRESSES = (
    socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.8")
    + struct.pack("!HH", 1111, 2222)
)


def second(command, family, body=b""):
    head = b"\r\n\r\n\0\r\nQUIT\n" + bytes((0x20 | command, family))
    return head + struct.pack("!H", len(body)) + body


HEADERS = {
    "TCP4": b"PROXY TCP4 192.0.2.7 192.0.2.8 1111 2222\r\n",
    "UNKNOWN": b"PROXY UNKNOWN\r\n",
    "UNKNOWN, long": b"PROXY UNKNOWN 192.0.2.7 192.0.2.8 1111 2222\r\n",
    "TCP4 of version 2": second(1, 0x11, ADDRESSES),
    "LOCAL": second(0, 0),
    "LOCAL with an address": second(0, 0x11, ADDRESSES),
    "UNSPEC": second(1, 0),
}
if __name__ == "__main__":
    print(json.dumps({name: it.hex() for name, it in HEADERS.items()}))
END

cat >app.py <<'END'
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(environ.get("REMOTE_ADDR")).encode()]
END

cat >web.py <<'END'
import sys

from twisted.internet import endpoints, reactor
from twisted.web import resource, server


class Page(resource.Resource):
    isLeaf = True

    def render_GET(self, request):
        return repr(request.getClientAddress().host).encode()


port = sys.argv[1]
description = f"haproxy:tcp:{port}:interface=127.0.0.1"
endpoints.serverFromString(reactor, description).listen(server.Site(Page()))
reactor.run()
END

cat >look.py <<'END'
import importlib.metadata
import socket
import subprocess
import sys
import time

from headers import HEADERS


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def connect(port):
    for _ in range(300):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=20)
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise SystemExit(f"nobody listens on {port}")


def everything(connection):
    try:
        return b"".join(iter(lambda: connection.recv(65536), b""))
    except ConnectionResetError:
        return b""


def over_http(port, header):
    with connect(port) as connection:
        connection.sendall(header + b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        answer = everything(connection)
    if not answer:
        return "closed"
    status = answer.split()[1].decode()
    body = answer.rpartition(b"\r\n\r\n")[2].decode()
    return f"{status}, {body}" if status == "200" else status


def server(title, *command):
    port = free_port()
    command = [part.replace("PORT", str(port)) for part in command]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        connect(port).close()
        print(title)
        for name, header in HEADERS.items():
            print(f"  {name}: {over_http(port, header)}")
    finally:
        process.terminate()
        process.wait(20)


print(", ".join(
    f"{name} {importlib.metadata.version(name)}"
    for name in ("gunicorn", "twisted")
), flush=True)
server(
    "gunicorn: status and REMOTE_ADDR",
    "env/bin/gunicorn", "--bind", "127.0.0.1:PORT", "--proxy-protocol", "auto",
    "--proxy-allow-from", "*", "app:app",
)
server(
    "Twisted: status and client address", sys.executable, "web.py", "PORT"
)
END

cat >parse.js <<'END'
const { execFileSync } = require('child_process');
const { readFileSync } = require('fs');
const { V1ProxyProtocol, V2ProxyProtocol } = require('proxy-protocol-js');

const headers = JSON.parse(execFileSync('env/bin/python', ['headers.py']));
const version = (name) =>
  JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;

console.log(`proxy-protocol-js ${version('proxy-protocol-js')}`);
for (const [name, hex] of Object.entries(headers)) {
  const bytes = Buffer.from(hex, 'hex');
  try {
    const first = bytes[0] === 'P'.charCodeAt(0);
    const header = first
      ? V1ProxyProtocol.parse(bytes.toString())
      : V2ProxyProtocol.parse(new Uint8Array(bytes));
    const address = first
      ? header.source.ipAddress
      : (header.proxyAddress.sourceAddress?.address ?? []).join('.');
    const what = first ? header.inetProtocol : `command ${header.command}`;
    console.log(`  ${name}: ${what}, address "${address}"`);
  } catch (error) {
    console.log(`  ${name}: ${error.message}`);
  }
}
END
{
    timeout 100 env/bin/python -W ignore look.py &&
        timeout 60 node parse.js
} >seen 2>errors || cat errors >>seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
