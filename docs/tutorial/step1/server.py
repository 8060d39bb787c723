"""Accept one client, and send its line back."""

import sys

import tlskit

context = tlskit.ServerContext(
    certificate_chain="localhost.pem", private_key="localhost-key.pem"
)
with tlskit.listen(int(sys.argv[1]), context=context) as listener:
    print(f"listening on port {listener.port}", flush=True)
    with listener.accept(timeout=60) as port:
        port.settimeout(10)
        line = port.input.readline(1000)
        print(f"{port.version.name}: {line}", flush=True)
        port.sendall(b"you said " + line)
