"""M-1 to M-77: what the four mobile SDKs need of the gateway, each by a named test with scripted clients."""
