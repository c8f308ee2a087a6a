"""Renew `requirements/*.txt` from `pyproject.toml`: exact versions with hashes, no index address in them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def compile_lock(name: str, options: list[str]) -> None:
    """Resolve one lock for the lowest Python that we support, universal in platform."""
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--python-version",
        "3.11",
        "--generate-hashes",
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--no-header",
        "--no-annotate",
        "--output-file",
        f"requirements/{name}.txt",
        *options,
    ]
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603 -- fixed arguments


def main() -> None:
    """Renew every lock; the developer's one is constrained by the program's."""
    compile_lock("run", ["pyproject.toml", "requirements/setup.in"])
    compile_lock("dev", ["--group", "dev", "-c", "requirements/run.txt"])
    compile_lock("npm", ["--group", "build"])
    compile_lock("fuzz", ["--group", "fuzz"])
    compile_lock("speech", ["--group", "speech"])


if __name__ == "__main__":
    main()
