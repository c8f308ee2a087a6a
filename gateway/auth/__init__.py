"""Passwords (argon2), JWTs (RFC 7519, HS512), API keys: a login request becomes an Identity or a Refusal."""
