"""SIP without I/O: messages, transactions, dialogs, digest, offer/answer."""
