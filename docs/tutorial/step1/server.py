"""Accept one client, and send its line back."""

import sys

import tlskit

context = tlskit.ServerContext(
    certificate_chain="localhost.pem", private_key="localhost-key.pem"
)
with tlskit.listen(int(sys.argv[1]), context=context) as listener:
    print(f"listening on port {listener.port}", flush=True)
    with listener.accept(timeout=60) as conn:
        conn.settimeout(10)
        line = conn.input.readline(1000)
        print(f"{conn.version.name}: {line}", flush=True)
        conn.sendall(b"you said " + line)
