"""Meet other TLS programs, and write down what they do; no part of the CI."""
