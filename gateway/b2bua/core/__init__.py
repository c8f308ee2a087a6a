"""The call as a state machine: events in, actions out. Pure."""
