"""`docs/tutorials/js-sdk-demo-app.md`, followed command by command: what it says is what happens."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.interop.browser.chromium import chromium
from tests.interop.tutorial.page import Section, sections
from tests.interop.tutorial.programs import ROOT, demo, file_server
from tests.interop.tutorial.shell import Shell, shell
from tests.interop.tutorial.tab import Tab, tab

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

TUTORIAL: Final = ROOT / "docs" / "tutorials" / "js-sdk-demo-app.md"
GATEWAY: Final = "127.0.0.1:8080"
PAGES: Final = "127.0.0.1:8000"
NODE_MODULES: Final = ROOT / "tests" / "interop" / "server_sdk" / "node_modules"


@dataclass(frozen=True)
class Installed:
    """What an installation leaves in the folder: its name there, and where the tests have it."""

    name: str
    real: Path


START: Final = "Start it"
PROVISIONING: Final = ("Outbound voice profile", "Connection", "Phone number", "Telephony credential and token")
CALLS: Final = ("The page", "Make a call", "Receive a call", "Ask the far end", "Call from another client")
WITH_PACKAGES: Final = {
    "The same in Python": Installed("venv", Path(sys.prefix)),
    "The same in Node": Installed("node_modules", NODE_MODULES),
}
DIFFERENCES: Final = "What is different from the original"


@dataclass(frozen=True)
class Demo:
    """A running demo: the folder that it was started in, host and port of its HTTP."""

    folder: Path
    address: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    folder = tmp_path_factory.mktemp("tree")
    async with demo(folder) as address:
        yield Demo(folder, address)


def test_every_section_of_the_tutorial_is_followed_here() -> None:
    assert tuple(sections(TUTORIAL, {})) == (START, *PROVISIONING, *CALLS, *WITH_PACKAGES, DIFFERENCES)


@pytest.mark.asyncio(loop_scope="module")
async def test_tutorial_leads_from_a_profile_to_calls_in_both_directions(started: Demo) -> None:
    async with shell(started.folder) as bash, chromium() as browser:
        start = sections(TUTORIAL, {GATEWAY: started.address})
        await bash.follow(start[START])
        [serve] = start["The page"].asides()
        async with file_server(serve, await bash.folder()) as pages:
            tutorial = sections(TUTORIAL, {GATEWAY: started.address, PAGES: pages})
            for title in PROVISIONING:
                await bash.follow(tutorial[title])
            address = await bash.follow(tutorial["The page"])
            async with tab(browser, address.strip()) as first:
                await first.logs("registered")
                await calls_the_echo(first)
                await is_called_by_the_lab(first, bash, tutorial)
                address, name = (await bash.follow(tutorial["Call from another client"])).split()
                async with tab(browser, address) as second:
                    await second.logs("registered")
                    await calls_by_name(second, name, first)


@pytest.mark.asyncio(loop_scope="module")
async def test_official_packages_lead_to_a_token_as_well(started: Demo) -> None:
    tutorial = sections(TUTORIAL, {GATEWAY: started.address})

    async with asyncio.TaskGroup() as readers:
        for title, installed in WITH_PACKAGES.items():
            readers.create_task(runs_the_program(started, tutorial[START], tutorial[title], installed))


def test_packages_that_the_tutorial_installs_are_those_that_it_is_tried_with() -> None:
    tutorial = sections(TUTORIAL, {})
    node = json.loads((NODE_MODULES / "telnyx" / "package.json").read_text(encoding="utf-8"))["version"]

    [python_line], [node_line] = (tutorial[title].asides() for title in WITH_PACKAGES)

    assert python_line.endswith(f"pip install telnyx=={version('telnyx')}")
    assert node_line == f"npm install telnyx@{node}"


async def runs_the_program(started: Demo, start: Section, section: Section, installed: Installed) -> None:
    """In a terminal of its own, with the package where its installation puts it."""
    async with shell(started.folder) as bash:
        await bash.follow(start)
        (await bash.folder() / installed.name).symlink_to(installed.real)

        await bash.follow(section)


async def calls_the_echo(caller: Tab) -> None:
    await caller.clicks("Call")
    await caller.logs("outbound active")
    await caller.hears_something()
    await caller.clicks("Hang up")
    await caller.logs("outbound destroy")


async def is_called_by_the_lab(callee: Tab, bash: Shell, tutorial: Mapping[str, Section]) -> None:
    await bash.follow(tutorial["Receive a call"])
    await callee.logs("inbound ringing")
    await callee.clicks("Answer")
    await callee.logs("inbound active")
    await callee.hears_something()
    await bash.follow(tutorial["Ask the far end"])
    await callee.clicks("Hang up")
    await callee.logs("inbound destroy")


async def calls_by_name(caller: Tab, name: str, callee: Tab) -> None:
    await caller.dials(name)
    await callee.logs("inbound ringing")
    await callee.clicks("Answer")
    await callee.logs("inbound active")
    await caller.logs("outbound active")
    await caller.hears_something()
    await caller.clicks("Hang up")
    await callee.logs("inbound destroy")
