"""The targets in Python, under Atheris."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import atheris

from tests.fuzz import native

with atheris.instrument_imports(include=["gateway"]):
    from tests.fuzz import seeds, targets


def run(name: str, options: Sequence[str]) -> None:
    """Write the seeds where libFuzzer finds them and let it run; a crash leaves its input in the working directory.

    Raises:
        SystemExit: there is no such target.
    """
    if name not in targets.TARGETS:
        raise SystemExit(f"no target {name!r}; there are {', '.join([*targets.TARGETS, *native.TARGETS])}")
    with tempfile.TemporaryDirectory() as folder:
        corpus, words = Path(folder) / "corpus", Path(folder) / "words"
        corpus.mkdir()
        words.write_text(seeds.dictionary(), encoding="utf-8")
        for number, seed in enumerate(seeds.SEEDS[name]):
            (corpus / str(number)).write_bytes(seed)
        limits = ["-rss_limit_mb=1024", "-max_len=16384", "-timeout=10"]
        atheris.Setup([sys.argv[0], *limits, f"-dict={words}", *options, str(corpus)], targets.TARGETS[name])
        atheris.Fuzz()
