"""Drives the unmodified JavaScript SDK in a real Chromium, and measures in the page what it hears."""
