"""`docs/tutorials/js-sdk-demo-app.md`, followed command by command: what it says is what happens."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.interop.browser.chromium import chromium
from tests.interop.tutorial.page import Section, sections
from tests.interop.tutorial.programs import ROOT, demo, file_server
from tests.interop.tutorial.shell import Shell, shell
from tests.interop.tutorial.tab import Tab, tab

pytestmark = [
    pytest.mark.interop,
    pytest.mark.xdist_group("tutorial"),
    pytest.mark.asyncio(loop_scope="module"),
]

TUTORIAL: Final = ROOT / "docs" / "tutorials" / "js-sdk-demo-app.md"
GATEWAY: Final = "127.0.0.1:8080"
PAGES: Final = "127.0.0.1:8000"
NODE_MODULES: Final = ROOT / "tests" / "interop" / "server_sdk" / "node_modules"

START: Final = "Start it"
PROVISIONING: Final = ("Outbound voice profile", "Connection", "Phone number", "Telephony credential and token")
CALLS: Final = ("The page", "Make a call", "Receive a call", "Ask the far end", "Call from another client")
WITH_PACKAGES: Final = ("The same in Python", "The same in Node")
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


async def test_every_section_of_the_tutorial_is_followed_here() -> None:
    assert tuple(sections(TUTORIAL, {})) == (START, *PROVISIONING, *CALLS, *WITH_PACKAGES, DIFFERENCES)


async def test_tutorial_leads_from_a_profile_to_calls_in_both_directions(started: Demo) -> None:
    async with terminal(started.folder) as bash, chromium() as browser:
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


async def test_official_packages_lead_to_a_token_as_well(started: Demo) -> None:
    async with terminal(started.folder) as bash:
        tutorial = sections(TUTORIAL, {GATEWAY: started.address})
        await bash.follow(tutorial[START])
        (await bash.folder() / "node_modules").symlink_to(NODE_MODULES)  # what `npm install telnyx` does

        for title in WITH_PACKAGES:
            await bash.follow(tutorial[title])


@asynccontextmanager
async def terminal(folder: Path) -> AsyncIterator[Shell]:
    """A terminal whose `python3` is this one, which has the package."""
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    async with shell(folder, PATH=path) as bash:
        yield bash


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
