"""Who rings when several clients are registered: the product's table of john1234, two credentials, six clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.verto_client import Message, VertoClient, connected
from tests.wire.whole.phone import Phone, phone

REGISTERED_WITH: Final = {
    "client_a": "john1234",
    "client_b": "gencred1",
    "client_c": "token1_1",
    "client_d": "gencred2",
    "client_e": "token2_1",
    "client_f": "token2_2",
}
"""token1_1 is a JWT of gencred1; token2_1 and token2_2 are JWTs of gencred2."""

NUMBER: Final = "+12025550190"
"""A number of the connection john1234."""


@dataclass
class Site:
    """The connection of the table, who is registered with it, and robert, who calls."""

    gateway: Running
    robert: Phone
    logins: dict[str, dict[str, str]]
    sip_usernames: dict[str, str]
    stack: AsyncExitStack
    clients: dict[str, VertoClient] = field(default_factory=dict)
    rings: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def register(self, letters: str) -> None:
        """Have `abc` log in: client_a, then client_b, then client_c, each on a socket of its own."""
        for letter in letters:
            name = f"client_{letter}"
            client = await self.stack.enter_async_context(connected(self.gateway.websocket))
            client.on_message = partial(self._note, name)
            self.clients[name] = client
            await self.log_in(letter)

    async def log_in(self, letter: str) -> None:
        """Log in (again) on the client's socket."""
        name = f"client_{letter}"
        await self.clients[name].login(**self.logins[REGISTERED_WITH[name]])

    async def leave(self, letter: str) -> None:
        """Have a client go; returns once the gateway has noticed."""
        client = self.clients.pop(f"client_{letter}")
        await client.socket.close()
        async with asyncio.timeout(30):
            while client.session_id in await self._connected():
                pass

    async def who_rings(self, dialled: str) -> str:
        """Robert dials; the name of the one client that rings."""
        call = await self.robert.call(self._address(dialled))
        name = await self._who_rang()
        await self.robert.hang_up(call)
        await self._assert_nobody_else_rang()
        return name

    async def who_rings_from_trunk(self, dialled: str) -> str:
        """The same for a call that comes in by SIP."""
        body = {"to": self._address(dialled), "from": "+12025550177", "scenario": "silence"}
        call = (await self.gateway.post("/_lab/calls", body))["data"]
        name = await self._who_rang()
        await self.gateway.delete(f"/_lab/calls/{call['id']}")
        await self._assert_nobody_else_rang()
        return name

    def _note(self, name: str, message: Message) -> None:
        if message["method"] == "telnyx_rtc.invite":
            self.rings.put_nowait(name)

    async def _who_rang(self) -> str:
        async with asyncio.timeout(30):
            return await self.rings.get()

    async def _assert_nobody_else_rang(self) -> None:
        """What the gateway sent before its answer to this has been read by then."""
        for client in self.clients.values():
            await client.request("telnyx_rtc.ping", {})
        assert self.rings.empty()

    async def _connected(self) -> set[str]:
        sessions = (await self.gateway.get("/v2/gateway/sessions"))["data"]
        return {session["session_id"] for session in sessions if session["is_connected"]}

    def _address(self, dialled: str) -> str:
        """`gencred1@sip.telnyx.com` with the generated name in it."""
        user, at, host = dialled.partition("@")
        return self.sip_usernames.get(user, user) + at + host


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    settings = {"calls": {"stop_grace": 0.0}}
    async with running(folder, settings, users=("john1234", "robert")) as gateway, phone(gateway, "robert") as robert:
        provisioning, connection_id = gateway.gateway.provisioning, gateway.connections["john1234"]
        await provisioning.add_number(NUMBER, connection_id)
        logins = {"john1234": {"username": "john1234", "password": PASSWORD}}
        names = {}
        for name, tokens in {"gencred1": ["token1_1"], "gencred2": ["token2_1", "token2_2"]}.items():
            made = await provisioning.add_credential(connection_id, name=name)
            names[name] = made.credential.sip_username
            logins[name] = {"username": made.credential.sip_username, "password": made.sip_password}
            for token in tokens:
                jwt = await provisioning.create_token(made.credential.credential_id, ttl=3600)
                logins[token] = {"login_token": jwt}
        async with AsyncExitStack() as stack:
            yield Site(gateway, robert, logins, names, stack)


@pytest.mark.parametrize(
    ("registered_in_order", "dialled", "rung"),
    [
        # Dialing ...                              ... which client gets rung
        ("abcdef", "john1234@sip.telnyx.com", "client_a"),
        ("bcdefa", "john1234@sip.telnyx.com", "client_a"),
        # the last client to register between client_b and client_c
        ("abcdef", "gencred1@sip.telnyx.com", "client_c"),
        ("acbdef", "gencred1@sip.telnyx.com", "client_b"),
        # the last client to register between client_d, client_e and client_f
        ("abcdef", "gencred2@sip.telnyx.com", "client_f"),
        ("abcfed", "gencred2@sip.telnyx.com", "client_d"),
        ("abcdfe", "gencred2@sip.telnyx.com", "client_e"),
        # a phone number on the connection: its SIP user name
        ("abcdef", NUMBER, "client_a"),
    ],
)
async def test_the_last_client_to_register_under_the_dialled_name_rings_alone(
    tmp_path: Path, registered_in_order: str, dialled: str, rung: str
) -> None:
    async with site(tmp_path) as house:
        await house.register(registered_in_order)

        assert await house.who_rings(dialled) == rung
        assert await house.who_rings_from_trunk(dialled.partition("@")[0]) == rung


async def test_a_bare_user_name_rings_like_the_address(tmp_path: Path) -> None:
    async with site(tmp_path) as house:
        await house.register("abc")

        assert await house.who_rings("gencred1") == "client_c"
        assert await house.who_rings("john1234") == "client_a"


async def test_a_client_that_logs_in_again_on_its_socket_is_the_last_to_register(tmp_path: Path) -> None:
    async with site(tmp_path) as house:
        await house.register("def")
        assert await house.who_rings("gencred2@sip.telnyx.com") == "client_f"

        await house.log_in("e")

        assert await house.who_rings("gencred2@sip.telnyx.com") == "client_e"


async def test_when_the_last_client_goes_the_one_before_it_rings_and_then_nobody(tmp_path: Path) -> None:
    async with site(tmp_path) as house:
        await house.register("bc")

        await house.leave("c")
        assert await house.who_rings("gencred1@sip.telnyx.com") == "client_b"

        await house.leave("b")
        call = await house.robert.call(house._address("gencred1@sip.telnyx.com"))
        assert await house.robert.until_over(call) == ("SUBSCRIBER_ABSENT", 480)


async def test_a_number_rings_a_client_of_a_credential_only_where_none_has_the_user_name(tmp_path: Path) -> None:
    async with site(tmp_path) as house:
        await house.register("abf")

        await house.leave("a")

        assert await house.who_rings(NUMBER) == "client_f"
