"""Pure: how often somebody may be wrong."""
