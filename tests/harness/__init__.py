"""What tests drive the gateway with: a whole gateway on free ports, a Verto client, a browser's media, SIP programs."""
