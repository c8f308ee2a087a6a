"""rtc-gateway: a self-hosted stand-in for rtc.telnyx.com. Verto over WebSocket on one side, SIP on the other."""
