"""The shared vocabulary: identifiers, causes, errors, facts. Pure: no I/O, no clock, nothing of ours below it."""
