"""Small servers, in the languages of those whose TLS they use.

Arguments: port, chain, key, and the roots of clients' certificates ("" if
none are demanded).  Each reads a little, says hello, and closes as its
language's users do.
"""

from __future__ import annotations

from .sources import WOLFSSL_VERSION

__all__ = [
    "ERLANG",
    "GO",
    "JAVA",
    "LUA",
    "PERL",
    "PHP",
    "PYTHON",
    "RACKET",
    "RUBY",
    "SCRIPT",
]

GO = """
package main
import ("crypto/tls"; "crypto/x509"; "io"; "net/http"; "os")
func main() {
    config := &tls.Config{}
    if os.Args[4] != "" {
        pem, _ := os.ReadFile(os.Args[4])
        config.ClientCAs = x509.NewCertPool()
        config.ClientCAs.AppendCertsFromPEM(pem)
        config.ClientAuth = tls.RequireAndVerifyClientCert
    }
    server := &http.Server{Addr: "127.0.0.1:" + os.Args[1], TLSConfig: config,
        Handler: http.HandlerFunc(func(w http.ResponseWriter,
            r *http.Request) {
            io.WriteString(w, "hello\\n") })}
    server.ListenAndServeTLS(os.Args[2], os.Args[3])
}
"""

JAVA = """
import java.io.*; import java.security.*; import java.security.cert.*;
import javax.net.ssl.*;
public class Serve { public static void main(String[] a) throws Exception {
  KeyStore s = KeyStore.getInstance("PKCS12");
  s.load(new FileInputStream(a[1]), "secret".toCharArray());
  KeyManagerFactory k = KeyManagerFactory.getInstance("PKIX");
  k.init(s, "secret".toCharArray());
  TrustManager[] trusted = null;
  boolean mutual = a.length > 2 && !a[2].isEmpty();
  if (mutual) {
    KeyStore r = KeyStore.getInstance(KeyStore.getDefaultType()); r.load(null);
    r.setCertificateEntry("ca", CertificateFactory.getInstance("X.509")
      .generateCertificate(new FileInputStream(a[2])));
    TrustManagerFactory t = TrustManagerFactory.getInstance("PKIX"); t.init(r);
    trusted = t.getTrustManagers();
  }
  SSLContext c = SSLContext.getInstance("TLS");
  c.init(k.getKeyManagers(), trusted, null);
  SSLServerSocket l = (SSLServerSocket) c.getServerSocketFactory()
    .createServerSocket(Integer.parseInt(a[0]));
  l.setNeedClientAuth(mutual);
  while (true) { SSLSocket x = (SSLSocket) l.accept();
    new Thread(() -> { try { x.setSoTimeout(5000);
      x.getInputStream().read(new byte[4096]);
      x.getOutputStream().write("hello".getBytes()); x.close(); }
      catch (IOException e) { System.err.println(e); } }).start(); } } }
"""

SCRIPT = {
    "node": """
const f=require('fs'),[port,cert,key,ca]=process.argv.slice(2);
require('https').createServer({cert:f.readFileSync(cert),
  key:f.readFileSync(key),
  ...(ca?{ca:f.readFileSync(ca),requestCert:true}:{})},
  (q,a)=>a.end('hello')).listen(+port,'127.0.0.1');
""",
    "deno": """
const [port,cert,key]=Deno.args;
Deno.serve({port:+port,hostname:'127.0.0.1',
  cert:Deno.readTextFileSync(cert),key:Deno.readTextFileSync(key)},
  ()=>new Response('hello'));
""",
    "bun": """
const [port,cert,key,ca]=process.argv.slice(2);
Bun.serve({port:+port,hostname:'127.0.0.1',tls:{cert:Bun.file(cert),
  key:Bun.file(key),
  ...(ca?{ca:Bun.file(ca),requestCert:true,rejectUnauthorized:true}:{})},
  fetch(){return new Response('hello')}});
""",
}

ERLANG = """
main([Port, Chain, Key, Roots]) ->
  application:ensure_all_started(ssl),
  Mutual = case Roots of "" -> []; _ -> [{cacertfile, Roots},
    {verify, verify_peer}, {fail_if_no_peer_cert, true}] end,
  {ok, L} = ssl:listen(list_to_integer(Port), [{ip, {127, 0, 0, 1}},
    {certfile, Chain}, {keyfile, Key}, {active, false}, {mode, binary},
    {reuseaddr, true},
    {versions, ['tlsv1.3', 'tlsv1.2']} | Mutual]),
  accept(L).
accept(L) ->
  {ok, T} = ssl:transport_accept(L),
  spawn(fun() ->
    case ssl:handshake(T, 5000) of
      {ok, S} ->
        case ssl:recv(S, 0, 5000) of
          {ok, _} -> ssl:send(S, <<"hello">>); _ -> ok end,
        ssl:close(S);
      _ -> ok
    end end),
  accept(L).
"""

RUBY = """
require 'openssl'; require 'socket'
port, chain, key, roots = ARGV
c = OpenSSL::SSL::SSLContext.new
c.cert = OpenSSL::X509::Certificate.new(File.read(chain))
c.key = OpenSSL::PKey.read(File.read(key))
c.session_id_context = 'interop'
if roots != ''
  c.ca_file = roots
  c.verify_mode = OpenSSL::SSL::VERIFY_PEER |
    OpenSSL::SSL::VERIFY_FAIL_IF_NO_PEER_CERT
end
l = TCPServer.new('127.0.0.1', port.to_i)
loop do
  sock = l.accept
  Thread.new do
    s = OpenSSL::SSL::SSLSocket.new(sock, c); s.sync_close = true
    begin
      s.accept; s.readpartial(4096); s.write('hello'); s.close
    rescue StandardError
      sock.close
    end
  end
end
"""

PHP = """<?php
[$_, $port, $chain, $key, $roots] = $argv;
$o = ['local_cert' => $chain, 'local_pk' => $key, 'verify_peer' => false];
if ($roots) $o = ['verify_peer' => true, 'verify_peer_name' => false,
  'cafile' => $roots] + $o;
$l = stream_socket_server("tcp://127.0.0.1:$port", $e, $m,
  STREAM_SERVER_BIND | STREAM_SERVER_LISTEN,
  stream_context_create(['ssl' => $o]));
while (true) {
  $s = @stream_socket_accept($l, 600);
  if (!$s) continue;
  stream_set_timeout($s, 5);
  if (@stream_socket_enable_crypto($s, true,
      STREAM_CRYPTO_METHOD_TLS_SERVER)) {
    fread($s, 4096); fwrite($s, 'hello');
  }
  fclose($s);
}
"""

PERL = """
use IO::Socket::SSL;
$SIG{CHLD} = 'IGNORE'; $SIG{PIPE} = 'IGNORE';
my ($port, $chain, $key, $roots) = @ARGV;
my $l = IO::Socket::SSL->new(LocalAddr => '127.0.0.1', LocalPort => $port,
  Listen => 9, ReuseAddr => 1, SSL_cert_file => $chain, SSL_key_file => $key,
  SSL_session_id_context => 'interop',
  $roots ? (SSL_ca_file => $roots, SSL_verify_mode => SSL_VERIFY_PEER |
    SSL_VERIFY_FAIL_IF_NO_PEER_CERT) : ()) or die $SSL_ERROR;
while (1) {
  my $s = $l->accept or next;
  sysread($s, my $d, 4096); print $s 'hello'; $s->close;
}
"""

LUA = """
local socket, ssl = require('socket'), require('ssl')
local port, chain, key, roots = table.unpack(arg)
local l = assert(socket.bind('127.0.0.1', tonumber(port)))
local mutual = roots ~= ''
local c = assert(ssl.newcontext({mode='server', protocol='any',
  certificate=chain, key=key, options='all',
  cafile=mutual and roots or nil,
  verify=mutual and {'peer', 'fail_if_no_peer_cert'} or 'none'}))
while true do
  local s = l:accept(); s:settimeout(5)
  local t = ssl.wrap(s, c)
  if t and t:dohandshake() then t:receive('*l'); t:send('hello') end
  if t then t:close() end
end
"""

RACKET = """
#lang racket/base
(require openssl)
(define args (current-command-line-arguments))
(define c (ssl-make-server-context 'auto))
(ssl-load-certificate-chain! c (vector-ref args 1))
(ssl-load-private-key! c (vector-ref args 2))
(define roots (vector-ref args 3))
(unless (equal? roots "")
  (ssl-load-verify-root-certificates! c roots)
  (ssl-set-verify! c #t))
(define l (ssl-listen (string->number (vector-ref args 0)) 9 #t "127.0.0.1" c))
(let loop ()
  (with-handlers ([exn:fail? (lambda (e) (eprintf "~a\\n" (exn-message e)))])
    (define-values (in out) (ssl-accept l))
    (read-line in 'linefeed) (write-string "hello" out)
    (close-output-port out) (close-input-port in))
  (loop))
"""

_SSL = """
import socket, ssl, sys, threading
number, chain, key, roots = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(chain, key)
if roots:
    context.load_verify_locations(roots)
    context.verify_mode = ssl.CERT_REQUIRED
def answer(sock):
    sock.settimeout(5)
    try:
        with context.wrap_socket(sock, server_side=True) as wrapped:
            wrapped.recv(4096)
            wrapped.sendall(b"hello")
    except Exception as error:
        print(repr(error), file=sys.stderr)
        sock.close()
listener = socket.create_server(("127.0.0.1", int(number)))
while True:
    threading.Thread(target=answer, args=listener.accept()[:1]).start()
"""

_PYOPENSSL = """
import socket, sys, threading
from OpenSSL import SSL
number, chain, key, roots = sys.argv[1:]
context = SSL.Context(SSL.TLS_SERVER_METHOD)
context.use_certificate_chain_file(chain)
context.use_privatekey_file(key)
context.set_session_id(b"interop")
if roots:
    context.load_verify_locations(roots)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
def answer(sock):
    try:
        c = SSL.Connection(context, sock)
        c.set_accept_state()
        c.do_handshake(); c.recv(4096); c.sendall(b"hello"); c.shutdown()
        c.close()
    except SSL.Error as error:
        print(repr(error), file=sys.stderr)
        sock.close()
listener = socket.create_server(("127.0.0.1", int(number)))
while True:
    threading.Thread(target=answer, args=listener.accept()[:1]).start()
"""

_TLSLITE = """
import socket, sys, threading
from tlslite.api import *
number, chain, key, roots = sys.argv[1:]
certificates = X509CertChain(); certificates.parsePemList(open(chain).read())
private = parsePEMKey(open(key).read(), private=True)
cache = SessionCache()
def answer(sock):
    sock.settimeout(5)
    c = TLSConnection(sock)
    try:
        c.handshakeServer(certChain=certificates, privateKey=private,
            reqCert=bool(roots), sessionCache=cache)
        if roots and c.session.clientCertChain is None: raise ValueError
        c.recv(4096); c.sendall(b"hello"); c.close()
    except Exception as error:
        print(repr(error), file=sys.stderr)
    sock.close()
listener = socket.create_server(("127.0.0.1", int(number)))
while True:
    threading.Thread(target=answer, args=listener.accept()[:1]).start()
"""

# By ctypes: of the binding on PyPI there is no wheel.
_WOLFSSL = """
import ctypes, socket, sys, threading
w = ctypes.CDLL("libwolfssl.so.35")
P = ctypes.c_void_p
for name in "wolfSSLv23_server_method", "wolfSSL_CTX_new", "wolfSSL_new":
    getattr(w, name).restype = P
number, chain, key, roots = sys.argv[1:]
w.wolfSSL_Init()
context = P(w.wolfSSL_CTX_new(P(w.wolfSSLv23_server_method())))
assert w.wolfSSL_CTX_use_certificate_chain_file(context, chain.encode()) == 1
assert w.wolfSSL_CTX_use_PrivateKey_file(context, key.encode(), 1) == 1
if roots:
    w.wolfSSL_CTX_load_verify_locations(context, roots.encode(), None)
    w.wolfSSL_CTX_set_verify(context, 1 | 2, None)
def answer(sock):
    s = P(w.wolfSSL_new(context))
    w.wolfSSL_set_fd(s, sock.fileno())
    if w.wolfSSL_accept(s) == 1:
        w.wolfSSL_read(s, ctypes.create_string_buffer(4096), 4096)
        w.wolfSSL_write(s, b"hello", 5)
        w.wolfSSL_shutdown(s)
    else:
        print(w.wolfSSL_get_error(s, -1), file=sys.stderr)
    w.wolfSSL_free(s); sock.close()
listener = socket.create_server(("127.0.0.1", int(number)))
while True:
    threading.Thread(target=answer, args=listener.accept()[:1]).start()
"""

_MBEDTLS = """
import socket, sys, threading
from mbedtls import pk, tls, x509
number, chain, key, roots = sys.argv[1:]
mark = "-----BEGIN CERTIFICATE-----"
found = [x509.CRT.from_PEM(mark + each)
    for each in open(chain).read().split(mark)[1:]]
private = pk.RSA.from_PEM(open(key).read())
store = tls.TrustStore()
if roots: store.add(x509.CRT.from_file(roots))
context = tls.ServerContext(tls.TLSConfiguration(trust_store=store,
    certificate_chain=(found, private), validate_certificates=bool(roots)))
def answer(sock):
    sock.settimeout(5)
    s = context.wrap_socket(sock)
    try:
        s.do_handshake(); s.recv(4096); s.sendall(b"hello"); s.close()
    except Exception as error:
        print(repr(error), file=sys.stderr)
    sock.close()
listener = socket.create_server(("127.0.0.1", int(number)))
while True:
    threading.Thread(target=answer, args=listener.accept()[:1]).start()
"""

#: Name -> distribution, and code.
PYTHON: dict[str, tuple[str, str]] = {
    "ssl": ("", _SSL),
    "pyOpenSSL": ("pyOpenSSL", _PYOPENSSL),
    "rtls": ("rtls", _SSL.replace("socket, ssl,", "socket, rtls as ssl,")),
    "utls": ("utls", _SSL.replace("socket, ssl,", "socket, utls as ssl,")),
    "tlslite-ng": ("tlslite-ng", _TLSLITE),
    "wolfSSL": (WOLFSSL_VERSION, _WOLFSSL),
    "python-mbedtls": ("python-mbedtls", _MBEDTLS),
}
