"""Benchmarks: the gateway as a process of its own, driven by a browser's media on one side and a trunk on the other.

`make bench` runs them all; docs/how-to/benchmark.md says how to read them.
"""
