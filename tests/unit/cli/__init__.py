"""The command line, on stores of its own."""
