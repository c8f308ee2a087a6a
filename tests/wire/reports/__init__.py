"""Reports against real services."""
