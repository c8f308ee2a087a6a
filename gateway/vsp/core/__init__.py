"""The Verto dialect without I/O: framing, typed messages, the session's states."""
