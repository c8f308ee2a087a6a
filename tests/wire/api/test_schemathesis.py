"""schemathesis on the document that the gateway makes of itself: what it promises is what it does."""

import asyncio
import sysconfig
from pathlib import Path
from typing import Final

import pytest

from tests.harness.gateway import running

EXAMPLES: Final = 2
"""Of each operation and phase, beside those that cover every bound of every schema."""

CONFIG: Final = Path(__file__).parent / "schemathesis.toml"


@pytest.mark.timeout(480)
async def test_every_operation_keeps_what_its_description_promises(tmp_path: Path) -> None:
    program = Path(sysconfig.get_path("scripts")) / "schemathesis"
    async with running(tmp_path / "gateway") as gateway:
        url = f"{gateway.http}/v2"
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config-file={CONFIG}",
            "run",
            f"{url}/openapi.json",
            f"--url={url}",
            f"--header=Authorization: Bearer {gateway.key}",
            "--checks=all",
            f"--max-examples={EXAMPLES}",
            "--suppress-health-check=all",
            "--generation-database=none",
            "--seed=1",
            "--no-color",
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()[-20_000:]
    assert b"No test cases were generated" not in output
