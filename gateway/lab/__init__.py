"""The built-in trunk: an independent SIP peer with magic numbers."""
