"""Real SIP programs on one side of a whole gateway, a client with a browser's media on the other."""
