"""`python -m gateway` is `rtc-gateway`."""

from gateway.cli import main

main()
