"""`python -m gateway.config`: print the settings reference, `docs/reference/settings.md`."""

import sys

from gateway.config.reference import render

sys.stdout.write(render())
