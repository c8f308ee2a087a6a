"""Settings: what is taken, and how every kind of mistake is named."""
