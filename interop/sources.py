"""Small clients, in the languages of those whose TLS they use.

Arguments: host, port, file with the roots, how many connections.  Each asks
for a page, reads it, and closes as its language's users do.
"""

from __future__ import annotations

__all__ = [
    "ERLANG",
    "GO",
    "GUILE",
    "JAVA",
    "LUA",
    "PERL",
    "PHP",
    "PYTHON",
    "RACKET",
    "RUBY",
    "SCRIPT",
    "WOLFSSL_VERSION",
]

_REQUEST = r"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

GO = """
package main
import ("crypto/tls"; "crypto/x509"; "fmt"; "io"; "net/http"; "os"; "strconv")
func main() {
    pem, _ := os.ReadFile(os.Args[3])
    pool := x509.NewCertPool(); pool.AppendCertsFromPEM(pem)
    times, _ := strconv.Atoi(os.Args[4])
    transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool,
        ClientSessionCache: tls.NewLRUClientSessionCache(9)}}
    client := &http.Client{Transport: transport}
    for i := 0; i < times; i++ {
        answer, err := client.Get("https://"+os.Args[1]+":"+os.Args[2]+"/")
        if err != nil { fmt.Fprintln(os.Stderr, err); return }
        io.ReadAll(answer.Body); answer.Body.Close()
        client.CloseIdleConnections()
    }
}
"""

JAVA = """
import java.io.*; import java.security.*; import java.security.cert.*;
import javax.net.ssl.*; import java.nio.charset.StandardCharsets;
public class Call { public static void main(String[] a) throws Exception {
  KeyStore s = KeyStore.getInstance(KeyStore.getDefaultType()); s.load(null);
  s.setCertificateEntry("ca", CertificateFactory.getInstance("X.509")
    .generateCertificate(new FileInputStream(a[2])));
  TrustManagerFactory t = TrustManagerFactory.getInstance("PKIX"); t.init(s);
  SSLContext c = SSLContext.getInstance("TLS");
  c.init(null, t.getTrustManagers(), null);
  for (int i = 0; i < Integer.parseInt(a[3]); i++) {
    SSLSocket x = (SSLSocket) c.getSocketFactory()
      .createSocket(a[0], Integer.parseInt(a[1]));
    SSLParameters p = x.getSSLParameters();
    p.setEndpointIdentificationAlgorithm("HTTPS"); x.setSSLParameters(p);
    x.getOutputStream().write("REQUEST".getBytes());
    byte[] b = new byte[9999]; int n = 0;
    while (!new String(b, 0, n).endsWith("hello\\n")) {
      int m = x.getInputStream().read(b, n, b.length - n);
      if (m < 0) break; n += m; }
    x.close(); } } }
""".replace("REQUEST", _REQUEST)

_NODE = """
const https=require('https'),fs=require('fs');
const [host,port,roots,times]=process.argv.slice(2);
const agent=new https.Agent({keepAlive:false,maxSockets:1});
const go=n=>{ if(!n) return;
  https.get({host,port,ca:fs.readFileSync(roots),agent,path:'/'},
    answer=>{answer.resume();answer.on('close',()=>setTimeout(go,200,n-1))})
  .on('error',e=>console.error(e.code)) };
go(+times);
"""

SCRIPT = {
    "node": _NODE,
    "bun": """
const [host,port,roots,times]=process.argv.slice(2);
const ca=await Bun.file(roots).text();
for(let i=0;i<+times;i++){
  const answer=await fetch(`https://${host}:${port}/`,
    {tls:{ca},keepalive:false});
  await answer.text(); }
""",
    "deno": """
const [host,port,roots,times]=Deno.args;
const client=Deno.createHttpClient(
  {caCerts:[Deno.readTextFileSync(roots)],poolMaxIdlePerHost:0});
for(let i=0;i<+times;i++){
  const answer=await fetch(`https://${host}:${port}/`,{client});
  await answer.text(); }
client.close();
""",
}

PHP = """<?php
[$_, $host, $port, $roots, $times] = $argv;
for ($i = 0; $i < $times; $i++) {
  $c = stream_context_create(['ssl' => ['cafile' => $roots]]);
  $s = stream_socket_client("tls://$host:$port", $e, $m, 5,
    STREAM_CLIENT_CONNECT, $c);
  if (!$s) exit(1);
  fwrite($s, "REQUEST");
  for ($d = ''; !str_ends_with($d, "hello\\n") && !feof($s);)
    $d .= fread($s, 4096);
  fclose($s);
}
""".replace("REQUEST", _REQUEST)

RUBY = """
require 'openssl'; require 'socket'
host, port, roots, times = ARGV
c = OpenSSL::SSL::SSLContext.new
c.set_params(ca_file: roots, verify_mode: OpenSSL::SSL::VERIFY_PEER)
kept = nil
c.session_cache_mode = OpenSSL::SSL::SSLContext::SESSION_CACHE_CLIENT
c.session_new_cb = lambda { |pair| kept = pair[1] }
times.to_i.times do
  s = OpenSSL::SSL::SSLSocket.new(TCPSocket.new(host, port.to_i), c)
  s.sync_close = true; s.hostname = host unless host =~ /^[0-9.]+$/
  s.session = kept if kept
  s.connect; s.post_connection_check(host)
  s.write("REQUEST")
  d = +''; d << s.readpartial(4096) until d.end_with?("hello\\n")
  s.close
end
""".replace("REQUEST", _REQUEST)

PERL = """
use IO::Socket::SSL; use IO::Socket::SSL::Utils;
my ($host, $port, $roots, $times) = @ARGV;
my $cache = IO::Socket::SSL::Session_Cache->new(9);
for (1 .. $times) {
  my $s = IO::Socket::SSL->new(PeerHost => $host, PeerPort => $port,
    SSL_ca_file => $roots, SSL_session_cache => $cache, Timeout => 5)
    or die $SSL_ERROR;
  print $s "REQUEST";
  my $d = '';
  while ($d !~ /hello\\n$/) { sysread($s, $d, 4096, length $d) or last; }
  $s->close;
}
""".replace("REQUEST", _REQUEST)

LUA = """
local socket, ssl = require('socket'), require('ssl')
local host, port, roots, times = table.unpack(arg)
for _ = 1, tonumber(times) do
  local s = socket.tcp(); s:settimeout(5); assert(s:connect(host, port))
  s = assert(ssl.wrap(s, {mode='client', protocol='any', cafile=roots,
    verify='peer', options='all'}))
  if not host:match('^[0-9]') then s:sni(host) end
  assert(s:dohandshake())
  s:send("REQUEST")
  repeat local line = s:receive('*l') until line == 'hello' or not line
  s:close()
end
""".replace("REQUEST", _REQUEST)

RACKET = """
#lang racket/base
(require openssl racket/vector)
(define args (current-command-line-arguments))
(define host (vector-ref args 0))
(define port (string->number (vector-ref args 1)))
(define c (ssl-make-client-context 'auto))
(ssl-load-verify-source! c (vector-ref args 2))
(ssl-set-verify! c #t)
(ssl-set-verify-hostname! c #t)
(for ([i (string->number (vector-ref args 3))])
  (define-values (in out) (ssl-connect host port c))
  (write-string "REQUEST" out) (flush-output out)
  (let loop ([line (read-line in 'linefeed)])
    (unless (or (eof-object? line) (equal? line "hello"))
      (loop (read-line in 'linefeed))))
  (close-input-port in) (close-output-port out))
""".replace("REQUEST", _REQUEST)

ERLANG = """
main([Host, Port, Roots, Times]) ->
  application:ensure_all_started(ssl),
  To = case inet:parse_address(Host) of {ok, A} -> A; _ -> Host end,
  [begin
    {ok, S} = ssl:connect(To, list_to_integer(Port), [{verify, verify_peer},
      {cacertfile, Roots}, {active, false}, {mode, binary},
      {session_tickets, auto}, {reuse_sessions, true},
      {versions, ['tlsv1.3', 'tlsv1.2']}], 5000),
    ok = ssl:send(S, <<"REQUEST">>),
    read(S, <<>>), ssl:close(S), timer:sleep(200)
  end || _ <- lists:seq(1, list_to_integer(Times))].
read(S, Got) ->
  case binary:match(Got, <<"hello">>) of
    nomatch -> case ssl:recv(S, 0, 5000) of
      {ok, More} -> read(S, <<Got/binary, More/binary>>); _ -> ok end;
    _ -> ok
  end.
""".replace("REQUEST", _REQUEST)

GUILE = """
(use-modules (gnutls) (rnrs bytevectors))
(define args (command-line))
(define host (list-ref args 1))
(define credentials (make-certificate-credentials))
(set-certificate-credentials-x509-trust-file! credentials
  (list-ref args 3) x509-certificate-format/pem)
(for-each (lambda (_)
  (define sock (socket PF_INET SOCK_STREAM 0))
  (connect sock AF_INET INADDR_LOOPBACK (string->number (list-ref args 2)))
  (let ((session (make-session connection-end/client)))
    (when (char-alphabetic? (string-ref host 0))
      (set-session-server-name! session server-name-type/dns host))
    (set-session-transport-fd! session (fileno sock))
    (set-session-default-priority! session)
    (set-session-credentials! session credentials)
    (handshake session)
    (unless (null? (peer-certificate-status session)) (exit 1))
    (let ((request (string->utf8 "REQUEST")))
      (record-send session request)
      (record-receive! session (make-bytevector 4096)))
    (bye session close-request/rdwr)
    (close-port sock)))
  (iota (string->number (list-ref args 4))))
""".replace("REQUEST", _REQUEST)

_HEAD = """
import sys
host, number, roots, times = sys.argv[1:]
url = f"https://{host}:{number}/"
for _ in range(int(times)):
"""


def _each(code: str, before: str = "") -> str:
    body = "".join(f"    {line}\n" for line in code.strip().splitlines())
    head, loop = _HEAD.rsplit("for", 1)
    return f"{head}{before}\nfor{loop}{body}"


_SSL = """
import socket, ssl, sys
host, number, roots, times = sys.argv[1:]
context = ssl.create_default_context(cafile=roots)
session = None
for _ in range(int(times)):
    with socket.create_connection((host, int(number)), 5) as sock:
        with context.wrap_socket(
            sock, server_hostname=host, session=session
        ) as wrapped:
            wrapped.sendall(b"REQUEST")
            said = b""
            while not said.endswith(b"hello\\n"):
                data = wrapped.recv(4096)
                if not data: break
                said += data
            session = wrapped.session
""".replace("REQUEST", _REQUEST)

_PYOPENSSL = """
import socket, sys
from OpenSSL import SSL
host, number, roots, times = sys.argv[1:]
context = SSL.Context(SSL.TLS_CLIENT_METHOD)
context.load_verify_locations(roots)
context.set_verify(SSL.VERIFY_PEER)
session = None
for _ in range(int(times)):
    c = SSL.Connection(context, socket.create_connection((host, int(number))))
    c.set_connect_state()
    try:
        from ipaddress import ip_address
        c.set_verify(SSL.VERIFY_PEER); ip_address(host)
    except ValueError:
        c.set_tlsext_host_name(host.encode())
    if session: c.set_session(session)
    c.do_handshake()
    c.sendall(b"REQUEST")
    said = b""
    while not said.endswith(b"hello\\n"):
        said += c.recv(4096)
    session = c.get_session()
    c.shutdown(); c.close()
""".replace("REQUEST", _REQUEST)

_UVLOOP = """
import asyncio, ssl, sys
try:
    import LOOP as loops
except ImportError:
    loops = None
host, number, roots, times = sys.argv[1:]
context = ssl.create_default_context(cafile=roots)
async def main():
    for _ in range(int(times)):
        r, w = await asyncio.open_connection(
            host, int(number), ssl=context)
        w.write(b"REQUEST")
        await r.readuntil(b"hello\\n")
        w.close(); await w.wait_closed()
loops.run(main())
""".replace("REQUEST", _REQUEST)

# By ctypes; the numbers are of curl/curl.h.
_CURL = """
import ctypes, sys
curl = ctypes.CDLL("LIBRARY")
host, number, roots, times = sys.argv[1:]
curl.curl_easy_init.restype = ctypes.c_void_p
handle = ctypes.c_void_p(curl.curl_easy_init())
def put(option, value):
    curl.curl_easy_setopt(handle, ctypes.c_int(option), value)
put(10002, f"https://{host}:{number}/".encode())
put(10065, roots.encode())
put(13, ctypes.c_long(5))
for _ in range(int(times)):
    print(curl.curl_easy_perform(handle), file=sys.stderr)
curl.curl_easy_cleanup(handle)
"""

#: How it is asked for its version, by ctypes.
WOLFSSL_VERSION = (
    "c.CFUNCTYPE(c.c_char_p)(('wolfSSL_lib_version', "
    "c.CDLL('libwolfssl.so.35')))()"
)

_WOLFSSL = """
import ctypes, socket, sys
w = ctypes.CDLL("libwolfssl.so.35")
P = ctypes.c_void_p
for name in ("wolfSSLv23_client_method", "wolfSSL_CTX_new", "wolfSSL_new",
             "wolfSSL_get1_session"):
    getattr(w, name).restype = P
host, number, roots, times = sys.argv[1:]
w.wolfSSL_Init()
context = P(w.wolfSSL_CTX_new(P(w.wolfSSLv23_client_method())))
assert w.wolfSSL_CTX_load_verify_locations(context, roots.encode(), None) == 1
w.wolfSSL_CTX_set_verify(context, 1, None)  # Debian's does not by default.
session = None
for _ in range(int(times)):
    sock = socket.create_connection((host, int(number)))
    s = P(w.wolfSSL_new(context))
    w.wolfSSL_check_domain_name(s, host.encode())
    if not host[0].isdigit():
        w.wolfSSL_UseSNI(s, ctypes.c_ubyte(0), host.encode(),
                         ctypes.c_ushort(len(host)))
    w.wolfSSL_UseSessionTicket(s)
    if session: w.wolfSSL_set_session(s, session)
    w.wolfSSL_set_fd(s, sock.fileno())
    if w.wolfSSL_connect(s) != 1:
        print(w.wolfSSL_get_error(s, -1), file=sys.stderr); sys.exit(1)
    request = b"REQUEST"
    w.wolfSSL_write(s, request, len(request))
    buffer, said = ctypes.create_string_buffer(4096), b""
    while not said.endswith(b"hello\\n"):
        n = w.wolfSSL_read(s, buffer, 4096)
        if n <= 0: break
        said += buffer.raw[:n]
    session = P(w.wolfSSL_get1_session(s))
    w.wolfSSL_shutdown(s); w.wolfSSL_free(s); sock.close()
""".replace("REQUEST", _REQUEST)

_MBEDTLS = """
import socket, sys
from mbedtls import tls, x509
host, number, roots, times = sys.argv[1:]
store = tls.TrustStore()
store.add(x509.CRT.from_file(roots))
context = tls.ClientContext(tls.TLSConfiguration(trust_store=store,
    validate_certificates=True))
for _ in range(int(times)):
    s = context.wrap_socket(socket.create_connection((host, int(number)), 5),
        server_hostname=host)
    s.do_handshake()
    s.sendall(b"REQUEST")
    said = b""
    while not said.endswith(b"hello\\n"):
        data = s.recv(4096)
        if not data: break
        said += data
    s.close()
""".replace("REQUEST", _REQUEST)

#: Name -> distribution of which it is ("" for Python's own), and code.
PYTHON: dict[str, tuple[str, str]] = {
    "ssl": ("", _SSL),
    "pyOpenSSL": ("pyOpenSSL", _PYOPENSSL),
    "requests": (
        "requests",
        _each("requests.get(url, verify=roots, timeout=5)", "import requests"),
    ),
    "urllib3": (
        "urllib3",
        _each(
            "urllib3.PoolManager(ca_certs=roots, retries=False)"
            ".request('GET', url)",
            "import urllib3",
        ),
    ),
    "httpx": (
        "httpx",
        _each(
            "with httpx.Client(verify=context) as c: c.get(url)",
            "import httpx, ssl\n"
            "context = ssl.create_default_context(cafile=roots)",
        ),
    ),
    "aiohttp": (
        "aiohttp",
        _each(
            "asyncio.run(main())",
            """import aiohttp, asyncio, ssl
context = ssl.create_default_context(cafile=roots)
async def main():
    async with aiohttp.ClientSession() as s:
        async with s.get(url, ssl=context) as answer: await answer.read()""",
        ),
    ),
    "uvloop": ("uvloop", _UVLOOP.replace("LOOP", "uvloop")),
    "gevent": (
        "gevent",
        "from gevent import monkey; monkey.patch_all()\n" + _SSL,
    ),
    "rtls": (
        "rtls",
        # It keeps sessions by itself.
        _SSL.replace("ssl, sys", "sys, rtls as ssl")
        .replace(", session=session", "")
        .replace("session = wrapped.session", ""),
    ),
    "utls": ("utls", _SSL.replace("ssl, sys", "sys, utls as ssl")),
    "curl_cffi": (
        "curl_cffi",
        _each(
            "curl_cffi.get(url, verify=roots, impersonate='chrome')",
            "import curl_cffi",
        ),
    ),
    "curl with GnuTLS": (
        (
            "c.CFUNCTYPE(c.c_char_p)(('curl_version', "
            "c.CDLL('libcurl-gnutls.so.4')))()"
        ),
        _CURL.replace("LIBRARY", "libcurl-gnutls.so.4"),
    ),
    "wolfSSL": (WOLFSSL_VERSION, _WOLFSSL),
    "python-mbedtls": ("python-mbedtls", _MBEDTLS),
    "tlslite-ng": (
        "tlslite-ng",
        """
import socket, sys
from tlslite.api import TLSConnection, HandshakeSettings
host, number, roots, times = sys.argv[1:]
session = None
for _ in range(int(times)):
    c = TLSConnection(socket.create_connection((host, int(number)), 5))
    c.handshakeClientCert(serverName=host, session=session)
    c.sendall(b"REQUEST")
    said = b""
    while not said.endswith(b"hello\\n"): said += c.recv(4096)
    session = c.session
    c.close()
""".replace("REQUEST", _REQUEST),
    ),
}
