"""Which Rust compiler is taken, and what Debian 12's own (1.85) needs for the crates of webrtc-rs."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
SHIM = SCRIPTS / "rust-1.85"


def compiler(folder: Path, version: str) -> Path:
    """A folder with a `cargo` and a `rustc` that says its version, or else what it was called with."""
    folder.mkdir()
    (folder / "cargo").write_text("#!/bin/sh\n")
    (folder / "rustc").write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "rustc {version} (of a test)" && exit\n'
        'echo "bootstrap=${RUSTC_BOOTSTRAP:-}" "$@"\n'
    )
    for program in folder.iterdir():
        program.chmod(0o755)
    return folder


def path_with(folder: Path) -> dict[str, str]:
    return {"PATH": f"{folder}:{os.defpath}", "HOME": str(folder)}


def said(command: list[str | Path], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("version", ["1.85.0", "1.87.1"])
def test_old_compiler_is_given_help(tmp_path: Path, version: str) -> None:
    folder = compiler(tmp_path / "bin", version)

    assert said([SCRIPTS / "rust.sh", "--path"], path_with(folder)) == f"{SHIM}:{folder}:"


@pytest.mark.parametrize("version", ["1.88.0", "1.95.0"])
def test_new_compiler_is_taken_as_it_is(tmp_path: Path, version: str) -> None:
    folder = compiler(tmp_path / "bin", version)

    assert said([SCRIPTS / "rust.sh", "--path"], path_with(folder)) == f"{folder}:"


@pytest.mark.parametrize("crate", ["rtc_crypto", "rtc_rtcp", "rtc_rtp", "rtc_shared", "rtc_srtp"])
def test_crates_that_need_newer_features_get_them(tmp_path: Path, crate: str) -> None:
    environment = path_with(compiler(tmp_path / "bin", "1.85.0"))

    heard = said([SHIM / "rustc", "--crate-name", crate, "--edition=2024", "a b.rs"], environment)

    assert heard.startswith("bootstrap=1 -Zcrate-attr=feature(")
    assert heard.endswith(f") --crate-name {crate} --edition=2024 a b.rs")


@pytest.mark.parametrize("arguments", [["--crate-name", "_native", "lib.rs"], ["-vV"], ["-", "--crate-name", "___"]])
def test_everything_else_is_compiled_as_ever(tmp_path: Path, arguments: list[str]) -> None:
    environment = path_with(compiler(tmp_path / "bin", "1.85.0"))
    environment["PATH"] = f"{SHIM}:{environment['PATH']}"

    assert said(["rustc", *arguments], environment) == f"bootstrap= {' '.join(arguments)}"
