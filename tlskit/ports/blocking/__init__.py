"""The driver for threads, in layers: bytes, lane, flow, farewell, verbs."""
