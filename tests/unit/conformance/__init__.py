"""The conformance suite's own tools."""
