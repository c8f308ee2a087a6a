"""Clients that connect, log in, call, drop and come back at random: every call accounted for, nothing left behind."""

import asyncio
import json
import os
import random
import statistics
import tempfile
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil

from gateway.app import Gateway
from gateway.config import load
from gateway.domain.ids import Sdp
from tests.bench.calls import seconds
from tests.bench.process import PROGRAM, GatewayProcess
from tests.harness.gateway import PASSWORD
from tests.harness.verto_client import Message, RequestFailed, VertoClient, connected
from tests.wire.media.browser import Browser

ECHO, TONE, BUSY, RINGS, HANGS_UP = "+12025550100", "+12025550101", "+12025550102", "+12025550104", "+12025550108"
HUNG_UP: Final = frozenset({"NORMAL_CLEARING"})
FAR_END: Final = frozenset(
    {"NORMAL_CLEARING", "MEDIA_TIMEOUT", "RECOVERY_ON_TIMER_EXPIRE", "NO_ROUTE_DESTINATION", "SUBSCRIBER_ABSENT"}
)
"""What a call to another client may end with beside the caller's own doing: that one may vanish or be away."""
ALLOWED: Final = {
    "hang_up": HUNG_UP,
    "return": HUNG_UP,
    "busy": frozenset({"USER_BUSY"}),
    "give_up": frozenset({"ORIGINATOR_CANCEL", "NORMAL_CLEARING", "USER_BUSY"}),
    "far_end": HUNG_UP,
    "vanish": frozenset({"NETWORK_OUT_OF_ORDER", "RECOVERY_ON_TIMER_EXPIRE", "NORMAL_CLEARING", "MEDIA_TIMEOUT"}),
}
"""The causes that a call's record may show, by what its caller did."""


@dataclass(frozen=True, slots=True)
class Soak:
    """What `clients` clients did in `duration` seconds. Times are milliseconds, memory is bytes.

    Attributes:
        records: calls in the gateway's store.
        unaccounted: calls that a client made without exactly one ended record, or whose record shows a cause that what
            the client did cannot have had.
        returns: sockets lost in mid-call with a call that was there again afterwards; `not_returned` those where not.
        crashes: calls that ended by a defect, and lines of level error in the log.
        left: live calls, sessions and RTP ports at the end.
    """

    clients: int
    duration: float
    logins: int
    login_median: float
    login_p99: float
    login_max: float
    calls: int
    records: int
    unaccounted: int
    endings: str
    returns: int
    not_returned: int
    failures: int
    crashes: int
    left: str
    gateway_cpu_share: float
    memory_start: int
    memory_half: int
    memory_end: int


@dataclass
class Tally:
    """What the clients saw."""

    logins: list[float] = field(default_factory=list)
    calls: dict[str, str] = field(default_factory=dict)
    """By Verto call id, what its caller did; a key of `ALLOWED`."""
    to_clients: set[str] = field(default_factory=set)
    returns: int = 0
    not_returned: int = 0
    failures: list[str] = field(default_factory=list)


class Client:
    """One user. Answers what rings, and does something else at random."""

    def __init__(
        self,
        user: str,
        token: str | None,
        others: Sequence[str],
        url: str,
        tally: Tally,
        *,
        latest_return: float,
        idle: float,
        seed: int,
    ) -> None:
        self._user, self._token, self._others, self._url, self._tally = user, token, others, url, tally
        self._latest_return, self._idle = latest_return, idle
        self._chance = random.Random(seed)
        self._media: dict[str, Browser] = {}

    async def live(self, until: float) -> None:
        """Connect and come back again and again until then (the loop's time)."""
        loop = asyncio.get_running_loop()
        await seconds(self._chance.uniform(0.0, 3.0 * self._idle))
        while loop.time() < until:
            try:
                await self._visit(None)
            except (RequestFailed, ConnectionError, TimeoutError, aiohttp.ClientError) as error:
                self._tally.failures.append(f"{self._user}: {type(error).__name__} {error}")
            await self._close_media()
            await seconds(self._chance.uniform(0.2, 2.0 * self._idle))

    async def _visit(self, lost: tuple[str, str] | None) -> None:
        """One socket, from login to its end; `lost` is the session id and the call of the one before it."""
        async with connected(self._url) as verto:
            news: asyncio.Queue[Message] = asyncio.Queue()
            verto.on_message = news.put_nowait
            async with asyncio.TaskGroup() as group:
                answering = group.create_task(self._answer(verto, news))
                await self._log_in(verto, lost)
                after = await (self._act(verto) if lost is None else self._resume(verto, lost[1]))
                answering.cancel()
        if after is not None:
            await seconds(self._chance.uniform(0.1, self._latest_return))
            await self._visit(after)

    async def _log_in(self, verto: VertoClient, lost: tuple[str, str] | None) -> None:
        more: Message = {} if lost is None else {"sessid": lost[0], "reconnection": True}
        if self._token is None:
            more |= {"login": self._user, "passwd": PASSWORD}
        else:
            more |= {"login_token": self._token}
        loop = asyncio.get_running_loop()
        began = loop.time()
        common: Message = {"userVariables": {}, "loginParams": {}, "User-Agent": {"sdkVersion": "2.27.10"}}
        result = await verto.request("login", common | more)
        self._tally.logins.append((loop.time() - began) * 1000.0)
        verto.session_id = result["sessid"]
        await verto.wait_for("telnyx_rtc.clientReady")

    async def _answer(self, verto: VertoClient, news: asyncio.Queue[Message]) -> None:
        """Pick up what rings and what is attached again; let go of the media of what is over."""
        while True:
            message = await news.get()
            params, call_id = message["params"], message["params"].get("callID", "")
            try:
                match message["method"]:
                    case "telnyx_rtc.invite":
                        await verto.answer(call_id, await self._new_media(call_id, params["sdp"]))
                    case "telnyx_rtc.attach":
                        await verto.attach(call_id, await self._new_media(call_id, params["sdp"]))
                    case "telnyx_rtc.bye" if call_id in self._media:
                        await self._media.pop(call_id).close()
            except RequestFailed:
                continue  # the far end was faster

    async def _new_media(self, call_id: str, offer: str) -> str:
        old = self._media.pop(call_id, None)
        if old is not None:
            await old.close()
        browser = self._media[call_id] = Browser(codecs=("opus", "PCMU"))
        return await browser.answer(Sdp(offer))

    async def _act(self, verto: VertoClient) -> tuple[str, str] | None:
        """A few calls one after the other. Returns session and call when the socket was dropped to come back."""
        for _ in range(self._chance.randrange(1, 4)):
            await seconds(self._chance.uniform(0.1, 2.0 * self._idle))
            doing = self._chance.choices(
                ("hang_up", "return", "busy", "give_up", "far_end", "vanish"), weights=(4, 4, 1, 1, 1, 1)
            )[0]
            call_id = await self._call(verto, doing)
            match doing:
                case "hang_up":
                    await self._talk(verto, call_id)
                case "give_up":
                    await seconds(self._chance.uniform(0.0, 1.0))
                    await verto.bye(call_id, cause="USER_BUSY", code=17)
                case "busy" | "far_end":
                    await verto.wait_for("telnyx_rtc.bye", call_id=call_id)
                case _:
                    if not await self._is_answered(verto, call_id):
                        continue
                    await seconds(self._chance.uniform(0.0, 1.0))
                    verto.drop()
                    assert verto.session_id is not None
                    return (verto.session_id, call_id) if doing == "return" else None
        return None

    async def _call(self, verto: VertoClient, doing: str) -> str:
        number = {"busy": BUSY, "give_up": RINGS, "far_end": HANGS_UP}.get(doing) or self._chance.choice(
            [ECHO, TONE, self._chance.choice(self._others)]
        )
        call_id = str(uuid.uuid4())
        browser = self._media[call_id] = Browser(codecs=("opus", "PCMU"))
        offer = await browser.offer()
        self._tally.calls[call_id] = doing
        if not number.startswith("+"):
            self._tally.to_clients.add(call_id)
        await verto.invite(number, offer, call_id=call_id)
        return call_id

    async def _is_answered(self, verto: VertoClient, call_id: str) -> bool:
        """Wait for the answer and connect media; False when the call ended instead."""
        message = await verto.first_of("telnyx_rtc.answer", "telnyx_rtc.bye", call_id=call_id)
        browser = self._media.get(call_id)
        if message["method"] == "telnyx_rtc.bye" or browser is None:
            return False
        await browser.accept(Sdp(message["params"]["sdp"]))
        async with asyncio.timeout(20):
            await browser.connected.wait()
        return True

    async def _talk(self, verto: VertoClient, call_id: str) -> None:
        if await self._is_answered(verto, call_id):
            await seconds(self._chance.uniform(0.2, 4.0))
            await verto.bye(call_id)

    async def _resume(self, verto: VertoClient, call_id: str) -> None:
        """Back on a new socket: the call must be there again, unless its far end is a client, which may have gone."""
        ready = await verto.wait_for("telnyx_rtc.clientReady")
        is_back = call_id in ready["params"]["reattached_sessions"]
        if is_back:
            first = await verto.first_of("telnyx_rtc.attach", "telnyx_rtc.bye", call_id=call_id)
            is_back = first["method"] == "telnyx_rtc.attach"
        if not is_back:
            self._tally.not_returned += call_id not in self._tally.to_clients
            return
        self._tally.returns += 1
        await seconds(self._chance.uniform(0.5, 2.0))
        await verto.bye(call_id)

    async def _close_media(self) -> None:
        for browser in self._media.values():
            await browser.close()
        self._media.clear()


async def measure(clients: int, duration: float, *, window: float = 10.0, idle: float = 1.0, seed: int = 1) -> Soak:
    """Start a gateway with as many users, let them live, wait until what they left is over, look at what is left.

    Args:
        window: seconds that the gateway keeps the calls of a lost socket; who comes back does so in half of them.
        idle: seconds, on average, between two visits of a client and before each of its calls.
    """
    users = [f"soak{number}" for number in range(clients)]
    with tempfile.TemporaryDirectory() as folder:
        tokens = await _provision(Path(folder), users)
        async with _gateway(Path(folder), window) as gateway:
            tally, start, cpu = Tally(), gateway.memory_bytes, gateway.cpu_seconds
            loop = asyncio.get_running_loop()
            until = loop.time() + duration
            async with asyncio.TaskGroup() as group:
                for number, user in enumerate(users):
                    others = [one for one in users if one != user]
                    client = Client(
                        user, tokens.get(user), others, gateway.websocket, tally,
                        latest_return=window / 2, idle=idle, seed=seed * 1000 + number,
                    )  # fmt: skip
                    group.create_task(client.live(until))
                half = group.create_task(_memory_at(gateway, until - duration / 2))
            share = (gateway.cpu_seconds - cpu) / duration
            await seconds(window + 5.0)
            records = await _records(gateway)
            left, crashes = await _left(gateway)
            log = (Path(folder) / "log").read_text(encoding="utf-8")
            end = gateway.memory_bytes
    crashes += sum('"level": "error"' in line or '"level":"error"' in line for line in log.splitlines())
    wrong = [call for call, doing in tally.calls.items() if not _is_accounted(call, doing, tally, records)]
    logins = sorted(tally.logins)
    return Soak(
        clients=clients,
        duration=duration,
        logins=len(logins),
        login_median=statistics.median(logins),
        login_p99=logins[int(len(logins) * 0.99)],
        login_max=logins[-1],
        calls=len(tally.calls),
        records=sum(len(found) for found in records.values()),
        unaccounted=len(wrong),
        endings=_endings(records, wrong, tally),
        returns=tally.returns,
        not_returned=tally.not_returned,
        failures=len(tally.failures),
        crashes=crashes,
        left=left,
        gateway_cpu_share=share,
        memory_start=start,
        memory_half=half.result(),
        memory_end=end,
    )


def _is_accounted(call: str, doing: str, tally: Tally, records: dict[str, list[Message]]) -> bool:
    found = records.get(call, [])
    allowed = ALLOWED[doing] | (FAR_END if call in tally.to_clients else frozenset())
    return len(found) == 1 and found[0]["state"] == "ended" and found[0]["cause"] in allowed


def _endings(records: dict[str, list[Message]], wrong: list[str], tally: Tally) -> str:
    causes = Counter(record["cause"] for found in records.values() for record in found)
    odd = Counter(
        f"{tally.calls[call]}{' client' if call in tally.to_clients else ''}: "
        + (", ".join(str(record["cause"]) for record in records.get(call, [])) or "no record")
        for call in wrong
    )
    return json.dumps({"causes": causes, "odd": odd, "failures": tally.failures[:5]})


async def _provision(folder: Path, users: Sequence[str]) -> dict[str, str]:
    """Connections of those names; a token for every other one."""
    tokens = {}
    preset = {
        "data_dir": str(folder),
        "http": {"listen": ["http://127.0.0.1:0"]},
        "metrics": {"listen": "127.0.0.1:0"},
        "sip": {"listen": ["udp:127.0.0.1:0"]},
    }
    async with Gateway(load(None, environ={}, preset=preset)) as gateway:
        for number, user in enumerate(users):
            made = await gateway.provisioning.add_connection(name=user, user_name=user, password=PASSWORD)
            if number % 2:
                credential = await gateway.provisioning.add_credential(made.connection_id)
                tokens[user] = await gateway.provisioning.create_token(credential.credential.credential_id, ttl=86_400)
    return tokens


@asynccontextmanager
async def _gateway(folder: Path, window: float) -> AsyncIterator[GatewayProcess]:
    settings = {
        "HTTP__LISTEN": '["http://127.0.0.1:0"]',
        "METRICS__LISTEN": "127.0.0.1:0",
        "SIP__LISTEN": '["udp:127.0.0.1:0"]',
        "LOG__LEVEL": "error",
        "LOG__FORMAT": "json",
        "VERTO__REATTACH_WINDOW": str(window),
    }
    environment = os.environ | {f"RTC_GATEWAY__{name}": value for name, value in settings.items()}
    async with AsyncExitStack() as stack:
        log = stack.enter_context((folder / "log").open("wb"))
        process = await asyncio.create_subprocess_exec(
            str(PROGRAM), "demo", "--data-dir", str(folder), "--json",
            env=environment, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            async with asyncio.timeout(60):
                line = await process.stdout.readline()
            yield GatewayProcess(psutil.Process(process.pid), json.loads(line))
        finally:
            process.terminate()
            await process.wait()


async def _memory_at(gateway: GatewayProcess, at: float) -> int:
    await seconds(at - asyncio.get_running_loop().time())
    return gateway.memory_bytes


async def _records(gateway: GatewayProcess) -> dict[str, list[Message]]:
    """Every call that the gateway knows, by the caller's Verto call id."""
    found: dict[str, list[Message]] = {}
    before = ""
    while True:
        page = await gateway.get(f"/v2/gateway/calls?limit=250{before}")
        for record in page["data"]:
            found.setdefault(record["verto_call_id"] or record["call_id"], []).append(record)
        if page["meta"]["next_before"] is None:
            return found
        before = f"&before={page['meta']['next_before']}"


async def _left(gateway: GatewayProcess) -> tuple[str, int]:
    """What should be gone, and the calls that crashed."""
    live = (await gateway.get("/v2/gateway/calls?state=live"))["data"]
    sessions = (await gateway.get("/v2/gateway/sessions"))["data"]
    async with aiohttp.ClientSession() as client, client.get(f"{gateway.access['metrics_url']}/metrics") as response:
        metrics = await response.text()
    values: dict[str, Any] = {}
    for line in metrics.splitlines():
        name, _, value = line.rpartition(" ")
        if name in ("gateway_rtp_ports_in_use", "gateway_call_crashes_total", "gateway_verto_sockets"):
            values[name] = float(value)
    crashes = int(values.pop("gateway_call_crashes_total", 0.0))
    return json.dumps({"calls": len(live), "sessions": len(sessions), **values}), crashes
