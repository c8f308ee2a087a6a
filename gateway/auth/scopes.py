"""What an API key may be good for."""

from typing import Final

SCOPES: Final = frozenset({"read", "write", "lab"})
"""`read` and `write` are the REST API's, `lab` is `/_lab`."""
