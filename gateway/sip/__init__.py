"""The trunk side: a SIP user agent (RFC 3261 and friends). Knows neither Verto nor media."""
