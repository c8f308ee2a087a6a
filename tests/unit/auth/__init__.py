"""Logins, tokens, keys and provisioning."""
