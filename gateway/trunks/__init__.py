"""What we keep up at each trunk: its registration (RFC 3261 section 10), health, limits, and the order of trunks."""
