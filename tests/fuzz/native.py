"""The packet path's targets: parsers in Rust, under libFuzzer with AddressSanitizer, libopus' C code with it.

As `cargo fuzz` builds them, but with any compiler: what a stable one keeps for nightly, `RUSTC_BOOTSTRAP` allows.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

_ROOT: Final = Path(__file__).parents[2]
_CRATE: Final = _ROOT / "gateway/media/native/fuzz"
TARGETS: Final = tuple(sorted(path.stem for path in (_CRATE / "fuzz_targets").glob("*.rs")))

_COVERAGE: Final = (
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-stack-depth",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
)


def run(name: str, options: Sequence[str]) -> NoReturn:
    """Compile the target and become it. Inputs are kept in `corpus/`, crashes in `artifacts/`, below the crate.

    Raises:
        subprocess.CalledProcessError: it does not compile; the compiler has said why.
    """
    scripts = _ROOT / "scripts"
    subprocess.run([scripts / "rust.sh"], check=True)
    subprocess.run([scripts / "debian-packages.sh", "g++"], check=True)  # libFuzzer is C++
    path = _said([str(scripts / "rust.sh"), "--path"], dict(os.environ))
    environment = {**os.environ, "PATH": path + os.environ["PATH"]}
    host, has_sanitizer = _compiler(environment)
    flags = list(_COVERAGE)
    if has_sanitizer:
        flags.append("-Zsanitizer=address")
        environment[f"CFLAGS_{host.replace('-', '_')}"] = "-fsanitize=address"
    else:
        print("this compiler comes without AddressSanitizer; Rust's own checks are on")  # noqa: T201 # a tool
    # a target directory of its own: one build with a sanitizer must not stand in for one without
    built = _CRATE / ("target/asan" if has_sanitizer else "target/plain")
    environment |= {"RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": " ".join(flags), "CARGO_TARGET_DIR": str(built)}
    command = ["cargo", "build", "--release", "--locked", "--target", host, "--bin", name]
    subprocess.run(command, cwd=_CRATE, env=environment, check=True)
    corpus, crashes = _CRATE / "corpus" / name, _CRATE / "artifacts" / name
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    program = built / host / "release" / name
    seeds = _CRATE / "seeds" / name
    os.execv(program, [str(program), str(corpus), str(seeds), f"-artifact_prefix={crashes}/", *options])  # noqa: S606


def _compiler(environment: dict[str, str]) -> tuple[str, bool]:
    """For what it compiles, and whether it has the sanitizer's library."""
    host, sysroot = (_said(["rustc", *asked], environment) for asked in (["-vV"], ["--print=sysroot"]))
    host = next(line.partition(": ")[2] for line in host.splitlines() if line.startswith("host: "))
    libraries = Path(sysroot) / "lib/rustlib" / host / "lib"
    return host, any(libraries.glob("librustc*rt.asan.a"))


def _said(command: Sequence[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
