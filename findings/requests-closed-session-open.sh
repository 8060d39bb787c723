#!/bin/sh
# requests keeps the connection of a closed Session open for as long as anybody
# keeps a Response of it, though that is read to its end and closed, too.
#
# Seen with: requests 2.34.2, urllib3 2.8.0; beside them httpx 0.28.1 and
# Python's http.client
#
# One would expect the end of "with requests.Session() as session" to end its
# connections, as it does with httpx, and as the method's name, close(), says.
# It only clears the adapters' tables of pools.  A pool closes its connections
# when nobody refers to it any more, and every Response does, by its raw.
#
# Who is hurt: servers with a worker for each connection, which wait for a
# client that believes itself gone; tests that stop such a server, and hang in
# a list of answers; who counts descriptors.  It looks like a server, or a TLS
# library, that doesn't notice the end.  What to do: keep the text, not the
# Response; or send "Connection: close" with the last request.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet \
    httpx==0.28.1 requests==2.34.2 urllib3==2.8.0

cat >recorded <<'END'
http.client, connection closed: the server reads the end
httpx, client closed: the server reads the end
requests, session closed: the server reads nothing for 3 seconds
requests, response closed as well: the server reads nothing for 3 seconds
requests, response forgotten: the server reads the end
END

timeout 120 env/bin/python - >seen 2>errors <<'END' || cat errors >>seen
import gc
import http.client
import socket
import threading

import httpx
import requests

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers one request, and tells what comes afterwards."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.thread = threading.Thread(target=self.answer)
        self.thread.start()

    def answer(self):
        self.sock, _ = self.listening.accept()
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += self.sock.recv(65536)
        self.sock.sendall(ANSWER)

    def tell(self, what):
        self.thread.join(30)
        self.sock.settimeout(3)
        try:
            seen = "the end" if not self.sock.recv(1) else "data"
        except TimeoutError:
            seen = "nothing for 3 seconds"
        print(f"{what}: the server reads {seen}")


server = Server()
plain = http.client.HTTPConnection("127.0.0.1", server.port)
plain.request("GET", "/")
kept = plain.getresponse()
assert kept.read() == b"ok"
plain.close()
server.tell("http.client, connection closed")

server = Server()
with httpx.Client(trust_env=False) as client:
    kept = client.get(server.url)
    assert kept.text == "ok"
server.tell("httpx, client closed")

server = Server()
with requests.Session() as session:
    session.trust_env = False
    kept = session.get(server.url)
    assert kept.text == "ok"
server.tell("requests, session closed")
kept.close()
server.tell("requests, response closed as well")
del kept
gc.collect()
server.tell("requests, response forgotten")
END

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
