"""A leg translates between call control and one signalling side, and never decides."""
