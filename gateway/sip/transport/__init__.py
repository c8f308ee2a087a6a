"""Sockets: UDP and TCP listeners and connections (RFC 3261 section 18)."""
