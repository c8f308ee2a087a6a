"""The other side of the gateway: a carrier on a bare SIP socket, which does what a test says and shows what came."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from gateway.domain.ids import Sdp
from gateway.lab.rtp_peer import RtpPeer
from gateway.sip.core.message import Request, Response
from tests.conformance.conftest import QUICK
from tests.harness.gateway import Running, merged, running
from tests.wire.sip.agents import Peer

NUMBER: Final = "+4930123456"
"""What clients dial to reach the carrier."""

CALLER: Final = "+12025550199"
"""Who calls from the carrier."""


class FarEnd(Peer):
    """The carrier's one socket, and the audio of its calls."""

    def __init__(self) -> None:
        super().__init__()
        self._media: list[RtpPeer] = []

    def media(self) -> RtpPeer:
        """Audio of one more call."""
        made = RtpPeer("127.0.0.1", is_g711_only=True)
        self._media.append(made)
        return made

    def close(self) -> None:
        """Let go of all audio."""
        for media in self._media:
            media.close()

    # ---- calls of the gateway

    async def is_called(self) -> Request:
        """The next INVITE."""
        return await self.expects("INVITE")

    def ring(self, invite: Request) -> None:
        """180."""
        self.answers(invite, 180)

    def progress(self, invite: Request) -> RtpPeer:
        """183 with early media."""
        media = self.media()
        self.answers(invite, 183, sdp=media.answer(_offer(invite)))
        return media

    async def answer(self, invite: Request, media: RtpPeer | None = None) -> RtpPeer:
        """200, and wait for the ACK."""
        media = media if media is not None else self.media()
        self.answers(invite, 200, sdp=media.answer(_offer(invite)))
        await self.expects("ACK")
        return media

    async def reject(self, invite: Request, status: int, *headers: tuple[str, str]) -> None:
        """An error, and wait for the ACK."""
        self.answers(invite, status, more=headers)
        await self.expects("ACK")

    async def expects_cancel(self, invite: Request) -> Request:
        """The CANCEL, which gets its 200 and the INVITE its 487."""
        cancel = await self.expects("CANCEL")
        self.answers(cancel, 200)
        await self.reject(invite, 487)
        return cancel

    async def hang_up(self, invite: Request, *headers: tuple[str, str]) -> None:
        """BYE in the dialog of an INVITE of the gateway's."""
        bye = self.request_as_callee(invite, "BYE")
        for name, value in headers:
            bye.headers.add(name, value)
        self.sends(bye)
        await self.expects_response(200)

    # ---- calls of ours

    def call(self, gateway: Running, user: str, *headers: tuple[str, str], call_id: str = "conformance") -> Request:
        """INVITE for a client."""
        host, _, port = gateway.sip().rpartition(":")
        self._from = (host, int(port))
        invite = self.request("INVITE", call_id=call_id, sdp=self.media().offer(), more=headers)
        invite.uri = f"sip:{user}@{host}"
        self.sends(invite)
        return invite

    def confirm(self, invite: Request, final: Response) -> None:
        """ACK that final response to an INVITE of ours."""
        branch = invite.top_via.branch if final.status >= 300 else None
        to = final.headers.get("To") or ""
        ack = self.request("ACK", call_id=invite.call_id, to=to, branch=branch)
        ack.uri = invite.uri
        self.sends(ack)

    def again(self, invite: Request, final: Response, sdp: Sdp | None = None) -> Request:
        """A re-INVITE in the dialog of an INVITE of ours, with new audio unless it is given; not sent yet."""
        to, offer = final.headers.get("To") or "", sdp if sdp is not None else self.media().offer()
        reinvite = self.request("INVITE", cseq=2, to=to, call_id=invite.call_id, sdp=offer)
        reinvite.uri = (final.headers.get("Contact") or "").strip("<>")
        return reinvite

    def cancel(self, invite: Request) -> None:
        """CANCEL an INVITE of ours."""
        cancel = self.request("CANCEL", call_id=invite.call_id, branch=invite.top_via.branch)
        cancel.uri = invite.uri
        self.sends(cancel)

    # ---- both

    async def expects_bye(self) -> Request:
        """The gateway's BYE, which gets its 200."""
        bye = await self.expects("BYE")
        self.answers(bye, 200)
        return bye


def _offer(invite: Request) -> Sdp:
    return Sdp(invite.body.decode())


@asynccontextmanager
async def carrier(folder: Path, settings: Mapping[str, object] | None = None) -> AsyncIterator[tuple[Running, FarEnd]]:
    """A gateway whose one trunk is the far end."""
    async with FarEnd.listening() as far:
        trunk = {"name": "carrier", "uri": f"sip:127.0.0.1:{far.address[1]}", "accept_from": ["127.0.0.1/32"]}
        config = merged(QUICK, {"lab": {"enabled": False}, "trunks": [trunk]}, settings or {})
        async with running(folder, config) as gateway:
            try:
                yield gateway, far
            finally:
                far.close()
