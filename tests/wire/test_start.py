"""What a gateway that starts leaves out."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from gateway.store.database import Database
from gateway.store.settings import StoreSettings
from tests.harness.program import DEADLINE, FREE_PORTS

_START_AND_SHOW: Final = """
import asyncio, json, os, signal, sys
from gateway.app import run_gateway
from gateway.cli.options import load_config

def show(_ready):
    print(json.dumps(list(sys.modules)), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

sys.exit(asyncio.run(run_gateway(load_config(None), on_ready=show)))
"""
"""As `serve` does it."""

_UNNEEDED: Final = {
    "aioice": "the reference engine's",
    "aiortc": "nobody's: the tests' browser",
    "alembic": "the store is up to date",
    "asyncpg": "the store is SQLite",
    "av": "the native engine has its own G.722",
    "dns": "no trunk has a name to be looked up",
    "gateway.media.engines.aiortc_engine": "the engine is the native one",
    "obstore": "reports are kept in a folder",
    "pygments": "nobody prints source text",
    "rich": "there is no terminal to print a table on",
    "sqlalchemy.dialects.postgresql": "the store is SQLite",
}
"""Modules, and why a gateway with built-in settings can do without each of them."""


async def _make(store: StoreSettings) -> None:
    """As a first start leaves it, which needs Alembic."""
    await (await Database.open(store)).close()


def test_gateway_starts_without_loading_what_its_settings_do_not_need(tmp_path: Path) -> None:
    """Loading modules is most of a start: everyone waits for it, and each command and each test that starts a program.

    If this fails, something imports at the top of a module what only one choice of a setting needs; import it where the
    choice is made.
    """
    store = f"sqlite+aiosqlite:///{tmp_path}/gateway.db"
    asyncio.run(_make(StoreSettings(url=store)))
    environ = {**os.environ, **FREE_PORTS, "RTC_GATEWAY__STORE__URL": store}

    done = subprocess.run(
        [sys.executable, "-c", _START_AND_SHOW],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=DEADLINE,
    )

    loaded = set(json.loads(done.stdout))
    assert {"gateway.app", "sqlalchemy", "gateway.media.engines.native_engine"} <= loaded
    assert loaded.isdisjoint(_UNNEEDED), sorted(loaded & set(_UNNEEDED))
