"""Media without I/O: RTP and RTCP packets, jitter buffer, RFC 4733, tones, SDP negotiation.

Sound is linear, mono, 16 bits a sample in the host's byte order; every host that our native dependencies are built
for is little-endian, and the tables here count on it.
"""
