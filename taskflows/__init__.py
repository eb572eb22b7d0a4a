"""Runnable documents. Start with `examples/hello.yaml`."""
