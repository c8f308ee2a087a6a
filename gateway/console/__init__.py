"""The web console: static files and their route. Talks to the public interfaces like anybody else."""
