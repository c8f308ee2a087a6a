"""REST under /v2: what api.telnyx.com answers, and the gateway's own views."""
