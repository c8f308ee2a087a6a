"""The HTTP listeners, their certificates and our own certificate authority."""
