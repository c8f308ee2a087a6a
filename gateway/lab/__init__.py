"""The built-in trunk: an independent SIP peer on loopback with magic numbers (RFC 3261, 3264, 3550, 4733).

It speaks SIP and RTP to the gateway and shares no object with it: own endpoint, own sockets, own ports.
"""
