"""The whole gateway over real sockets, without a browser."""
