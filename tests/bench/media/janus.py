"""Debian's Janus with its SIP plugin, told what to do as its JavaScript library does: by HTTP with long polls."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.bench.calls import NUMBER
from tests.bench.media.cases import Case
from tests.bench.media.generator import PlacedCall
from tests.bench.media.network import ADDRESS
from tests.bench.media.server import CannotMeasure, Server, running
from tests.bench.media.sip_trunk import SipTrunk
from tests.bench.media.web_end import WebEnd, browser_certificate

PROGRAM: Final = "janus"
HTTP_PORT: Final = 8088
STARTS_WITHIN: Final = 10.0
ANSWERS_WITHIN: Final = 10.0

_PLUGIN: Final = "libjanus_sip.so"
_TRANSPORT: Final = "libjanus_http.so"

_CORE: Final = """
general: {{
	configs_folder = "{folder}"
	plugins_folder = "{libraries}/plugins"
	transports_folder = "{libraries}/transports"
	events_folder = "{folder}"
	loggers_folder = "{folder}"
	debug_level = 1
	session_timeout = 0
}}
media: {{ rtp_port_range = "20000-29999" }}
plugins: {{ disable = "{other_plugins}" }}
transports: {{ disable = "{other_transports}" }}
"""
_SIP: Final = f'general: {{ local_ip = "{ADDRESS}" rtp_port_range = "30000-39999" keepalive_interval = 0 }}\n'
_HTTP: Final = f'general: {{ json = "compact" base_path = "/janus" http = true port = {HTTP_PORT} ip = "127.0.0.1" }}\n'

Event = dict[str, Any]  # Any: JSON as Janus sends it


class JanusSession:
    """One session; events go to the handle that they are about."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._path = "/janus"
        self._events: dict[int, asyncio.Queue[Event]] = {}

    async def open(self) -> None:
        """Create the session."""
        answer = await self.post("", {"janus": "create"})
        self._path += f"/{answer['data']['id']}"

    async def attach(self) -> int:
        """A handle of the SIP plugin."""
        answer = await self.post("", {"janus": "attach", "plugin": "janus.plugin.sip"})
        handle = int(answer["data"]["id"])
        self._events[handle] = asyncio.Queue()
        return handle

    async def post(self, path: str, body: Mapping[str, object]) -> Event:
        """Ask.

        Raises:
            CannotMeasure: it said error.
        """
        asked = {**body, "transaction": secrets.token_hex(6)}
        async with self._http.post(self._path + path, json=asked) as response:
            answer: Event = await response.json()
        if answer["janus"] == "error":
            raise CannotMeasure(f"janus: {answer['error']['reason']}")
        return answer

    async def message(self, handle: int, body: Mapping[str, object], **more: object) -> None:
        """Send something to the plugin; its answer is an event."""
        await self.post(f"/{handle}", {"janus": "message", "body": body, **more})

    async def wait_for(self, handle: int, name: str) -> Event:
        """The next event of the plugin with that name.

        Raises:
            CannotMeasure: it said that it failed, or hung up.
        """
        async with asyncio.timeout(ANSWERS_WITHIN):
            while True:
                event = await self._events[handle].get()
                told = event.get("plugindata", {}).get("data", {})
                result = told.get("result", {}).get("event")
                if result == name:
                    return event
                if "error" in told or result in ("registration_failed", "hangup"):
                    raise CannotMeasure(f"janus: {told.get('error') or told['result']} instead of {name}")

    async def poll(self) -> None:
        """Read events for ever; run it in a task."""
        while True:
            async with self._http.get(self._path, params={"maxev": "50"}) as response:
                found = await response.json()
            for event in found if isinstance(found, list) else [found]:
                if "sender" in event:
                    self._events[event["sender"]].put_nowait(event)


class Janus:
    """One handle for each browser, with a SIP account that needs no registrar."""

    def __init__(self, process_id: int, session: JanusSession, trunk: SipTrunk, case: Case) -> None:
        self.process_id = process_id
        self._session, self._trunk, self._case = session, trunk, case
        self._certificate = browser_certificate()
        self._handles: list[int] = []

    async def prepare(self, calls: int) -> None:
        """A handle for each call to come."""
        for number in range(calls):
            handle = await self._session.attach()
            account = {"request": "register", "type": "guest", "username": f"sip:bench{number}@{ADDRESS}"}
            await self._session.message(handle, account)
            await self._session.wait_for(handle, "registered")
            self._handles.append(handle)

    async def place(self) -> PlacedCall:
        """Call, answer, ICE, DTLS."""
        handle, web = self._handles.pop(), WebEnd(self._case.web, self._certificate)
        await self._session.message(
            handle,
            {"request": "call", "uri": f"sip:{NUMBER.removeprefix('+')}@{self._trunk.address}"},
            jsep={"type": "offer", "sdp": web.offer(), "trickle": False},
        )
        accepted = await self._session.wait_for(handle, "accepted")
        await web.connect(accepted["jsep"]["sdp"])
        return PlacedCall(web, self._trunk.answered.get_nowait())


@asynccontextmanager
async def janus(case: Case, launcher: tuple[str, ...]) -> AsyncIterator[Server]:
    """A fresh one.

    Raises:
        CannotMeasure: it cannot do the case, is not installed, or does not start.
    """
    if not case.is_relay:
        raise CannotMeasure("janus: does not transcode")
    with tempfile.TemporaryDirectory() as folder:
        _configure(Path(folder))
        command = (*launcher, PROGRAM, f"--configs-folder={folder}", f"--config={folder}/janus.jcfg")
        timeout = aiohttp.ClientTimeout(total=60.0)
        async with (
            running(command) as process,
            SipTrunk(case.sip).running() as trunk,
            aiohttp.ClientSession(f"http://127.0.0.1:{HTTP_PORT}", timeout=timeout) as http,
            asyncio.TaskGroup() as group,
        ):
            session = await _opened(http, process)
            reader = group.create_task(session.poll())
            yield Janus(process.pid, session, trunk, case)
            reader.cancel()


def _configure(folder: Path) -> None:
    libraries = next(Path("/usr/lib").glob("*/janus"), None)
    if libraries is None:
        raise CannotMeasure("janus: not installed")
    others = {
        kind: ",".join(found.name for found in (libraries / kind).glob("*.so") if found.name != wanted)
        for kind, wanted in (("plugins", _PLUGIN), ("transports", _TRANSPORT))
    }
    core = _CORE.format(
        folder=folder, libraries=libraries, other_plugins=others["plugins"], other_transports=others["transports"]
    )
    for name, text in (("janus", core), ("janus.plugin.sip", _SIP), ("janus.transport.http", _HTTP)):
        (folder / f"{name}.jcfg").write_text(text)


async def _opened(http: aiohttp.ClientSession, process: asyncio.subprocess.Process) -> JanusSession:
    loop, session = asyncio.get_running_loop(), JanusSession(http)
    deadline = loop.time() + STARTS_WITHIN
    while process.returncode is None and loop.time() < deadline:
        try:
            await session.open()
        except aiohttp.ClientConnectionError:  # not there yet
            later = loop.create_future()
            loop.call_later(0.1, later.set_result, None)
            await later
            continue
        return session
    raise CannotMeasure("janus: does not start")
