"""A reader's terminal: one bash that keeps its variables and its folder from block to block."""

import asyncio
import os
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.interop.tutorial.page import Section, differences

PATIENCE: Final = 60.0
"""Seconds that a block may take on a busy machine."""

_MARK: Final = b"\x1e"


class Shell:
    """Runs blocks one after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, commands: str) -> str:
        """What the commands print, errors too; a failing one fails the test."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # Its own standard input is where the commands come from: none of them may read it.
        self._process.stdin.write(f"{{\n{commands}\n}} </dev/null\nprintf '\\036'\n".encode())
        async with asyncio.timeout(PATIENCE):
            await self._process.stdin.drain()
            try:
                printed = await self._process.stdout.readuntil(_MARK)
            except asyncio.IncompleteReadError as error:
                raise AssertionError(f"failed:\n{commands}\n{error.partial.decode()}") from error
        return printed.removesuffix(_MARK).decode()

    async def follow(self, section: Section) -> str:
        """Save its files, run its commands, compare what they print with what it says; what was printed last."""
        printed = ""
        for block in section.blocks():
            if block.language == "sh":
                printed = await self.run(block.text)
            elif block.file is not None:
                await self.save(block.file, block.text)
            else:
                unlike = differences(block, printed)
                assert not unlike, f"{section.title}: {unlike} in {printed}"
        return printed

    async def save(self, name: str, text: str) -> None:
        """As a reader does with an editor."""
        path = await self.folder() / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    async def folder(self) -> Path:
        """Where it is now."""
        return Path((await self.run("pwd")).strip())


@asynccontextmanager
async def shell(folder: Path, **environ: str) -> AsyncIterator[Shell]:
    """A bash in that folder; its temporary folders are in there too."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        "--noprofile",
        "--norc",
        "-euo",
        "pipefail",
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder), **environ},
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        limit=2**20,
    )
    try:
        yield Shell(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
