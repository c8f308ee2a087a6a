"""CPU, memory and delay of media: this gateway, rtpengine and Janus in turns, under one generator.

Everything runs in a network namespace of its own (`namespace.py`): Janus refuses loopback addresses, and nobody else's
packets come by. The set-up is Python; the talk is `generator/`, which is Rust, because one process has to send and get
20,000 packets a second without being late.
"""
