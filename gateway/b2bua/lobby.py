"""Calls that wait for a device which a push wakes up, and what devices hear that come too late (verto-mobile 4).

A push names the `callID` of the invite that the device will get. Whoever of that user logs in while the call waits gets
the invite, once; whoever comes after it is over gets a bye with that id, because iOS shows a call since the push.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.b2bua.legs.base import Party, Post
from gateway.b2bua.legs.fork import Fork, MakeBranch
from gateway.b2bua.legs.verto import VertoLeg
from gateway.b2bua.routing import ToUser
from gateway.domain.causes import PICKED_OFF, Cause
from gateway.domain.ids import LegName, VertoCallId
from gateway.domain.push import Device, Push, PushKind, PushSender
from gateway.observability.logging import get_logger
from gateway.vsp.control import ClientSession

MAX_GONE: Final = 1000
"""Calls that are over and remembered for devices that come too late."""


@dataclass(slots=True, kw_only=True)
class Pushed:
    """A call whose called user has devices, or asked to be offered calls late."""

    username: str
    devices: Sequence[Device]
    call_id: VertoCallId
    voice_sdk_id: str
    caller_name: str
    caller_number: str
    fork: Fork | None = None
    timer: asyncio.TimerHandle | None = None


@dataclass(frozen=True, slots=True)
class _Gone:
    """A pushed call that is over."""

    call: Pushed
    cause: Cause
    until: float


class Lobby:
    """One per process, on the loop's thread."""

    def __init__(self, *, sender: PushSender | None, push_wait: float) -> None:
        """
        Args:
            sender: None sends nothing, and no call waits.
            push_wait: see `[calls] push_wait`.
        """
        self._sender, self._push_wait = sender, push_wait
        self._waiting: dict[VertoCallId, Pushed] = {}
        self._gone: deque[_Gone] = deque(maxlen=MAX_GONE)
        self._log = get_logger()

    def __len__(self) -> int:
        """Calls that wait."""
        return len(self._waiting)

    def fork(
        self,
        name: LegName,
        route: ToUser,
        verto_call_id: VertoCallId,
        *,
        caller: Party,
        codecs: tuple[str, ...],
        make_branch: MakeBranch,
        post: Post,
        on_over: Callable[[Fork, VertoLeg | None, tuple[VertoLeg, ...]], None],
    ) -> Fork:
        """A leg that calls the clients of a user, and those that a push brings.

        Args:
            verto_call_id: of every client's leg, and of the push.
            on_over: told by the leg that answered, if one did, and by the others.
        """
        call = Pushed(
            username=route.username,
            devices=route.devices,
            call_id=verto_call_id,
            voice_sdk_id="VSDK1" + secrets.token_urlsafe(24),
            caller_name=caller.name,
            caller_number=caller.number,
        )

        def over(winner: VertoLeg | None, cause: Cause, losers: tuple[VertoLeg, ...]) -> None:
            self.close(call, cause, answered_on=None if winner is None else winner.device_token)
            on_over(fork, winner, losers)

        fork = call.fork = Fork(
            name,
            party=Party(name=route.username, number=route.username),
            codecs=codecs,
            media=route.media,
            make_branch=make_branch,
            post=post,
            on_dial=lambda: self.open(call),
            on_over=over,
            later=asyncio.get_running_loop().call_soon,
        )
        for session in route.sessions:
            fork.add(session)
        return fork

    def open(self, call: Pushed) -> bool:
        """The call rings: push its devices. Whether it waits for one of them."""
        self._waiting[call.call_id] = call
        if self._sender is None or not call.devices:
            return False
        self._send(call, "call", call.devices)
        loop = asyncio.get_running_loop()
        call.timer = loop.call_at(loop.time() + self._push_wait, self._give_up, call)
        self._log.info("call_pushed", username=call.username, count=len(call.devices), verto_call_id=call.call_id)
        return True

    def close(self, call: Pushed, cause: Cause, *, answered_on: str | None = None) -> None:
        """The call was answered (PICKED_OFF) or is over; tell the devices that want to know.

        Args:
            answered_on: the device token of who answered: it needs no telling.
        """
        if self._waiting.pop(call.call_id, None) is None:
            return
        if call.timer is not None:
            call.timer.cancel()
            self._gone.append(_Gone(call, cause, asyncio.get_running_loop().time() + self._push_wait))
        if cause is PICKED_OFF:
            others = [one for one in call.devices if one.token != answered_on]
            self._send(call, "answered_elsewhere", [one for one in others if one.wants_answered_elsewhere])
        else:
            self._send(call, "missed_call", [one for one in call.devices if one.wants_missed_calls])

    def arrived(self, session: ClientSession, *, is_mobile: bool, is_late: bool) -> None:
        """A client has logged in: ring it with what waits for its user, or tell it that it is too late."""
        username, now = session.identity.username, asyncio.get_running_loop().time()
        for call in [call for call in self._waiting.values() if call.username == username]:
            fork = call.fork
            if fork is not None and (is_mobile or is_late or not fork.has_branches):
                fork.add(session)
        while self._gone and self._gone[0].until <= now:
            self._gone.popleft()
        if is_mobile:
            for gone in self._gone:
                if gone.call.username == username:
                    cause = gone.cause
                    session.send_missed(gone.call.call_id, cause=cause, sip_code=cause.sip_status)

    def declined(self, username: str) -> None:
        """The user declined a pushed call without looking (M-69)."""
        for call in [call for call in self._waiting.values() if call.username == username]:
            if call.fork is not None:
                call.fork.decline()

    def _give_up(self, call: Pushed) -> None:
        if call.fork is not None:
            call.fork.give_up()

    def _send(self, call: Pushed, kind: PushKind, devices: Sequence[Device]) -> None:
        if self._sender is None:
            return
        for device in devices:
            push = Push(
                kind=kind,
                device=device,
                call_id=call.call_id,
                voice_sdk_id=call.voice_sdk_id,
                caller_name=call.caller_name,
                caller_number=call.caller_number,
            )
            self._sender.send(push)
