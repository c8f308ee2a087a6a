"""`make fuzz ARGS="verto -max_total_time=60"`: a target, in Python or of the packet path, then options of libFuzzer."""

import sys

from tests.fuzz import native


def main() -> None:
    """Fuzz the target that is named first."""
    name, *options = sys.argv[1:] or ["verto"]
    if name in native.TARGETS:
        native.run(name, options)
    from tests.fuzz import python  # it instruments the whole gateway, which takes a while

    python.run(name, options)


main()
