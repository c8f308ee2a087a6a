"""A phone with the unmodified React Native SDK, driven from Python.

The SDK runs under Node with `@roamhq/wrtc` for `react-native-webrtc`; `client/device` has the rest of what React Native
gives it. Its host is compiled in, so `rtc.telnyx.com` leads to the gateway under test as by a hosts file, and its
certificate is checked for that name.
"""

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import sysconfig
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

from tests.interop.browser.softphone import Happened, Heard

FOLDER: Final = Path(__file__).parent
MODULES: Final = FOLDER / "node_modules"
HOST: Final = "rtc.telnyx.com"
"""The SDK knows no other."""
LARGEST_ANSWER: Final = 16 * 1024 * 1024
"""Bytes of one line: a whole timeline with its frames."""
DEADLINE: Final = 30.0
"""Seconds that any command may take."""

_ALIASES: Final = {
    "react-native": "react_native.js",
    "react-native-webrtc": "webrtc.js",
    "@react-native-community/netinfo": "netinfo.js",
    "@react-native-async-storage/async-storage": "async_storage.js",
}


class CommandFailed(Exception):
    """The phone could not do it; the SDK's own words."""


class NativePhone:
    """One process, one client, one call at a time (the last that the SDK told of)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count()
        self._pending: dict[int, asyncio.Future[Any]] = {}

    async def log_in(self, address: str, **options: object) -> Happened:
        """A new client with the SDK's options (`login`, `password`, `login_token` and so on), connected and ready.

        Raises:
            CommandFailed: with what `connect()` threw.
        """
        await self.create(address, **options)
        await self.connect()
        return await self.until("client.ready")

    async def create(self, address: str, **options: object) -> None:
        """A client that does not connect yet; its host is at that URL."""
        parts = urlsplit(address)
        await self._do("create", options, {HOST: {"host": parts.hostname, "port": parts.port}})

    async def connect(self) -> None:
        """Wait for `connect()` of the SDK."""
        await self._do("connect")

    async def disconnect(self) -> None:
        await self._do("disconnect")

    async def call(self, destination: str, **options: object) -> str:
        """Wait for `newCall`, which is until the gateway has taken the invite; returns the call's id."""
        return cast("str", await self._do("newCall", {"destinationNumber": destination, **options}))

    async def answer(self, **headers: str) -> None:
        await self._do("answer", [{"name": name, "value": value} for name, value in headers.items()])

    async def hangup(self) -> None:
        await self._do("hangup")

    async def hold(self) -> None:
        """Wait for the SDK's promise: it is strict about the gateway's answer."""
        await self._do("hold")

    async def unhold(self) -> None:
        await self._do("unhold")

    async def dtmf(self, digits: str) -> Mapping[str, Any]:  # Any: JSON of the gateway
        """One `telnyx_rtc.info` for all of them; returns what the gateway answered."""
        return cast("Mapping[str, Any]", await self._do("dtmf", digits))

    async def mute(self) -> None:
        await self._do("mute")

    async def unmute(self) -> None:
        await self._do("unmute")

    async def network(self, **state: object) -> None:
        """What the operating system tells of the network: `isConnected isInternetReachable type`."""
        await self._do("network", state)

    async def process_push(self, payload: Mapping[str, object]) -> None:
        await self._do("processPush", payload)

    async def disable_push(self) -> None:
        await self._do("disablePush")

    async def say(self, frequency: float | None) -> None:
        """A steady tone into the microphone, or silence."""
        await self._do("say", frequency)

    async def until(self, name: str, *, after: Happened | None = None, timeout: float = 15.0) -> Happened:
        """The first entry of that name, already there or to come."""
        return _happened(await self._do("until", name, 0 if after is None else after.index + 1, timeout))

    async def timeline(self) -> list[Happened]:
        return [_happened(entry) for entry in cast("list[dict[str, Any]]", await self._do("timeline"))]

    async def names(self) -> list[str]:
        """What happened, by name."""
        return [entry.name for entry in await self.timeline()]

    async def frames(self, name: str) -> list[Any]:  # Any: JSON of the wire
        """The messages of that entry name, for example `sent.login` or `received.telnyx_rtc.bye`."""
        return [entry["message"] for entry in await self.timeline() if entry.name == name]

    async def measure(self, *frequencies: float, seconds: float = 0.3, timeout: float = 10.0) -> Heard:
        """Listen to the far end for that long."""
        heard = cast("dict[str, Any]", await self._do("measure", frequencies, seconds, timeout))
        return Heard(heard["level"], dict(zip(frequencies, heard["shares"], strict=True)))

    async def until_tone(self, frequency: float, *, timeout: float = 15.0) -> float:
        """Wait until 100 ms in a row are mostly that tone; the phone's time in milliseconds."""
        return cast("float", await self._do("untilTone", frequency, timeout))

    async def until_silence(self, *, timeout: float = 15.0) -> float:
        """Wait until 100 ms in a row are silent."""
        return cast("float", await self._do("untilSilence", timeout))

    async def _do(self, name: str, *arguments: object) -> object:
        number = next(self._numbers)
        future = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        assert self._process.stdin is not None
        line = json.dumps({"id": number, "name": name, "args": arguments})
        self._process.stdin.write(f"{line}\n".encode())
        async with asyncio.timeout(DEADLINE):
            return await future

    async def read(self) -> None:
        """Take the answers until the process ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            answer = json.loads(line)
            future = self._pending.pop(answer["id"])
            if future.done():
                continue
            if "error" in answer:
                future.set_exception(CommandFailed(answer["error"]))
            else:
                future.set_result(answer["value"])
        for future in self._pending.values():
            if not future.done():
                future.set_exception(CommandFailed(f"the phone ended with status {await self._process.wait()}"))


def node() -> str:
    """Node as `scripts/install_clients.py` used it: the system's, else the wheel's."""
    wheel = Path(sysconfig.get_path("scripts")) / "node"
    found = str(wheel) if wheel.is_file() else shutil.which("node")
    assert found is not None, "no node here; `make setup-test` brings one"
    return found


def build(folder: Path) -> Path:
    """Bundle the client with the SDK into that folder; returns the program."""
    program = folder / "phone.cjs"
    aliases = [f"--alias:{package}=./client/device/{file}" for package, file in _ALIASES.items()]
    options = ["--bundle", "--platform=node", "--format=cjs", "--define:__DEV__=false", "--log-level=warning"]
    externals = ["--external:@roamhq/wrtc", "--external:ws"]
    command = [node(), "node_modules/esbuild/bin/esbuild", "client/main.js", f"--outfile={program}"]
    done = subprocess.run(
        [*command, *options, *aliases, *externals], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return program


@asynccontextmanager
async def native_phone(program: Path, authority: Path, log: Path) -> AsyncIterator[NativePhone]:
    """A phone that trusts that authority. Errors that the program did not handle fail the test.

    Args:
        program: of `build`.
        authority: PEM file of the certificate authority.
        log: where the SDK's console goes.
    """
    environment = {**os.environ, "NODE_PATH": str(MODULES), "NODE_EXTRA_CA_CERTS": str(authority)}
    with log.open("wb") as console:
        process = await asyncio.create_subprocess_exec(
            node(),
            program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=console,
            env=environment,
            limit=LARGEST_ANSWER,
        )
    assert process.stdin is not None
    phone = NativePhone(process)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(phone.read())
            yield phone
            messages = [entry["message"] for entry in await phone.timeline() if entry.name == "problem"]
            problems = [message for message in messages if not _is_of_a_lost_network(message)]
            process.stdin.close()
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert problems == [], problems


def _is_of_a_lost_network(problem: str) -> bool:
    """Whether the SDK has let go of a request that was on its way when its network went.

    It rejects all of them (1.1.0: `Connection.close`), and some of its own callers do not look at what becomes of
    theirs.
    """
    return problem.startswith("Error: Connection closed") and "onNetworkUnavailable" in problem


def _happened(entry: object) -> Happened:
    values = dict(cast("dict[str, Any]", entry))
    return Happened(values.pop("index"), values.pop("at"), values.pop("name"), values)
