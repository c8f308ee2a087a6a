"""Coverage-guided fuzzing of what strangers send: `make fuzz`. The targets run on a small corpus in `make test` too."""
