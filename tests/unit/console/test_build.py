"""`scripts/build_console.py`: which npm it takes, what it keeps of the packages, and what it says when it cannot."""

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "build_console.py"


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, working in an empty tree whose `npm` is the test's own."""
    spec = importlib.util.spec_from_file_location("build_console", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "package-lock.json").write_text("{}")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}/usr/bin{os.pathsep}/bin")
    modules = tmp_path / "node_modules"
    for name, value in {
        "ROOT": tmp_path,
        "MODULES": modules,
        "BUNDLE": modules / "@telnyx" / "webrtc" / "lib" / "bundle.mjs",
        "VENDOR": tmp_path / "vendor",
    }.items():
        monkeypatch.setattr(module, name, value)
    return module


def program(folder: Path, name: str, script: str) -> None:
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def fake_node(folder: Path, version: str = "v18.20.4") -> None:
    program(folder, "node", f"echo {version}")


NPM_THAT_INSTALLS = """
[ "$1" = ci ] || exit 0
mkdir -p node_modules/@telnyx/webrtc/lib node_modules/uuid
echo "export class TelnyxRTC {}" > node_modules/@telnyx/webrtc/lib/bundle.mjs
echo '{"name": "@telnyx/webrtc", "version": "2.27.10", "license": "MIT"}' > node_modules/@telnyx/webrtc/package.json
echo '{"name": "uuid", "version": "7.0.3"}' > node_modules/uuid/package.json
echo "text of a licence" > node_modules/uuid/LICENSE.md
echo run >> runs
"""


def test_bundle_is_copied_unchanged_with_version_and_licences(build: ModuleType, tmp_path: Path) -> None:
    fake_node(tmp_path)
    program(tmp_path, "npm", NPM_THAT_INSTALLS)

    assert build.main() == 0

    vendor = tmp_path / "vendor"
    assert (vendor / "telnyx-webrtc.mjs").read_bytes() == build.BUNDLE.read_bytes()
    assert json.loads((vendor / "manifest.json").read_text())["version"] == "2.27.10"
    licences = (vendor / "LICENSES.txt").read_text()
    assert "@telnyx/webrtc 2.27.10\n\nLicence by its package.json: MIT" in licences
    assert "uuid 7.0.3\n\ntext of a licence" in licences


def test_second_build_does_nothing_until_an_input_or_the_result_changes(build: ModuleType, tmp_path: Path) -> None:
    fake_node(tmp_path)
    program(tmp_path, "npm", NPM_THAT_INSTALLS)

    build.main()
    build.main()
    (tmp_path / "vendor" / "telnyx-webrtc.mjs").write_text("half of i")
    build.main()
    (tmp_path / "package-lock.json").write_text('{"lockfileVersion": 3}')
    build.main()

    assert (tmp_path / "runs").read_text().split() == ["run"] * 3


def test_failing_npm_is_quoted(build: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake_node(tmp_path)
    program(tmp_path, "npm", '[ "$1" = ci ] || exit 0; echo "npm error code ENOTFOUND"; exit 1')

    assert build.main() == 1

    error = capsys.readouterr().err
    assert "console not built" in error and "npm error code ENOTFOUND" in error
    assert not (tmp_path / "vendor").exists()


@pytest.mark.parametrize("version", ["v16.20.2", "nonsense"])
def test_old_node_is_passed_over_for_the_wheel(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    fake_node(tmp_path, version)
    program(tmp_path, "npm", "exit 0")
    program(tmp_path, "pip-that-brings-npm", f"touch {tmp_path}/scripts/npm")
    (tmp_path / "scripts").mkdir()
    monkeypatch.setattr(build.sysconfig, "get_path", lambda _name: str(tmp_path / "scripts"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "pip-that-brings-npm"))

    assert build.find_npm() == [str(tmp_path / "scripts" / "npm")]


def test_npm_that_does_not_start_is_passed_over(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_node(tmp_path)
    program(tmp_path, "npm", "exit 127")
    monkeypatch.setattr(build.sysconfig, "get_path", lambda _name: str(tmp_path / "scripts"))
    program(tmp_path, "pip-that-brings-nothing", "exit 0")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "pip-that-brings-nothing"))

    with pytest.raises(build.BuildError, match=r"requirements/npm\.txt brought no"):
        build.find_npm()
