"""Call control: the only package that knows both sides of a call."""
