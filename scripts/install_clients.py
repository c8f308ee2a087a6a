"""Install the clients that the tests drive and that come from npm. `make setup-test` calls this.

Each folder below has a `package.json` and a lock of its own, apart from the console's: none of this is part of the
product. The packages come by `npm ci`, with the integrity that the lock names and without running a script of theirs.
"""

import sys
from pathlib import Path
from typing import Final

from build_console import ROOT, BuildError, install_packages

FOLDERS: Final = (Path("tests/interop/browser"), Path("tests/interop/react_native"), Path("tests/interop/server_sdk"))
"""In the tree; each is filled by itself."""


def main() -> int:
    """Fill every folder; return the exit code."""
    for folder in FOLDERS:
        try:
            install_packages(ROOT / folder)
        except BuildError as error:
            sys.stderr.write(f"clients of {folder} not installed: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
