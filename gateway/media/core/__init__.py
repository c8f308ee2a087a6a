"""Media without I/O: RTP and RTCP packets, jitter buffer, RFC 4733, tones, SDP negotiation."""
