"""A called user with several clients: all of them ring, the first to answer has the call.

They get the same offer, and only one answer ever reaches media, so that the call itself still has two legs. A user
whose devices were pushed may have no client at all yet: then the fork waits for one (verto-mobile 4.4, 4.6).
"""

from collections.abc import Callable
from typing import Final

from gateway.b2bua.core.events import (
    CandidateTrickled,
    Event,
    LegAnswered,
    LegDetached,
    LegEnded,
    LegReturned,
    LegRinging,
)
from gateway.b2bua.headers import Crossing
from gateway.b2bua.legs.base import Party, Post
from gateway.b2bua.legs.verto import VertoLeg
from gateway.domain.causes import (
    CALL_REJECTED,
    NETWORK_OUT_OF_ORDER,
    NO_ANSWER,
    PICKED_OFF,
    RECOVERY_ON_TIMER_EXPIRE,
    Cause,
)
from gateway.domain.client_media import ClientMedia
from gateway.domain.ids import LegName, Sdp
from gateway.media.engine import LegOptions, Profile
from gateway.vsp.control import ClientSession

MAX_BRANCHES: Final = 32
"""Clients that one call rings. Further ones of that user do not ring."""

MAX_EARLY_CANDIDATES: Final = 64
"""Trickled candidates that are kept of a client which has not answered yet."""

_LOSSES: Final = (NETWORK_OUT_OF_ORDER, RECOVERY_ON_TIMER_EXPIRE)
"""How the leg of a client ends whose socket is gone: it may be back in a moment."""

MakeBranch = Callable[[ClientSession, Post], VertoLeg]


class Fork:
    """A leg towards several clients of one user, until one of them has answered and takes its place."""

    profile: Final = Profile.WEBRTC
    offer: Final = None
    trunk_name: Final = None
    sip_call_id: Final = None

    def __init__(
        self,
        name: LegName,
        *,
        party: Party,
        codecs: tuple[str, ...],
        media: ClientMedia,
        make_branch: MakeBranch,
        post: Post,
        on_dial: Callable[[], bool],
        on_over: Callable[[VertoLeg | None, Cause, tuple[VertoLeg, ...]], None],
        later: Callable[[Callable[[], None]], object],
    ) -> None:
        """
        Args:
            party: the user.
            codecs, media: as of the leg of each client: they are all of one connection.
            make_branch: makes the leg of one client.
            on_dial: told when the clients ring; whether the user's devices ring too.
            on_over: told once: by the leg that answered, or by None and the cause that ended it before; and by the
                other legs, which are over. The leg that answered takes the fork's place.
            later: does something a moment later: a client that comes back is told so while it is still logging in.
        """
        self.name, self.party, self.codecs, self.media, self.post = name, party, codecs, media, post
        self._make_branch, self._on_dial, self._on_over, self._later = make_branch, on_dial, on_over, later
        self._branches: list[VertoLeg] = []
        self._ended: list[VertoLeg] = []
        self._winner: VertoLeg | None = None
        self._offer: Sdp | None = None
        self._is_waiting = self._has_rung = self._is_over = False
        self._refusal: LegEnded | None = None
        self._early: dict[VertoLeg, list[Event]] = {}

    @property
    def options(self) -> LegOptions:
        """See `Leg`."""
        return LegOptions(dtmf=self.media.dtmf, keeps_order=self.media.codecs is not None)

    @property
    def has_branches(self) -> bool:
        """Whether any client rings."""
        return bool(self._branches)

    def add(self, session: ClientSession) -> None:
        """One more client. It rings at once when the others do already."""
        is_known = any(branch.session.session_id == session.session_id for branch in self._branches)
        if self._is_over or self._winner is not None or is_known or len(self._branches) >= MAX_BRANCHES:
            return
        branch = self._make_branch(session, lambda event: self._take(branch, event))
        branch.name = self.name
        self._branches.append(branch)
        if self._offer is not None:
            branch.dial(0, self._offer)

    def give_up(self) -> None:
        """No device came in time. Clients that ring go on ringing."""
        self._is_waiting = False
        if not self._branches:
            self._end(LegEnded(self.name, NO_ANSWER, NO_ANSWER.sip_status, NO_ANSWER.sip_reason))

    def decline(self) -> None:
        """The user declined on the lock screen of a device. Other clients of theirs go on ringing."""
        if not self._branches:
            self._end(LegEnded(self.name, CALL_REJECTED, CALL_REJECTED.sip_status, CALL_REJECTED.sip_reason))

    # ---- from the branches

    def _take(self, branch: VertoLeg, event: Event) -> None:
        if self._winner is not None or self._is_over:
            return  # late news of a client that lost the race
        match event:
            case LegAnswered():
                self._win(branch, event)
            case LegEnded():
                self._lose(branch, event)
            case LegRinging():
                self._ring()
            case LegReturned():
                self._later(lambda: self._ring_again(branch))
            case CandidateTrickled():
                kept = self._early.setdefault(branch, [])
                if len(kept) < MAX_EARLY_CANDIDATES:
                    kept.append(event)
            case LegDetached():
                pass  # it may come back as long as the others ring
            case _:
                pass  # digits, hold and the like of a client that has not answered mean nothing

    def _ring_again(self, branch: VertoLeg) -> None:
        if self._offer is not None and branch in self._branches and self._winner is None and not self._is_over:
            branch.dial(0, self._offer)

    def _win(self, branch: VertoLeg, event: LegAnswered) -> None:
        self._winner = branch
        losers = [other for other in self._branches if other is not branch]
        for loser in losers:
            loser.hangup(PICKED_OFF, PICKED_OFF.sip_status, PICKED_OFF.sip_reason, ())
        branch.move(self.name, self.post)
        self._on_over(branch, PICKED_OFF, (*losers, *self._ended))
        self.post(event)
        for candidate in self._early.pop(branch, []):
            self.post(candidate)
        self._early.clear()

    def _lose(self, branch: VertoLeg, event: LegEnded) -> None:
        self._branches.remove(branch)
        self._ended.append(branch)
        self._early.pop(branch, None)
        if event.cause not in _LOSSES:
            self._refusal = self._refusal or event
        if not self._branches and (self._refusal is not None or not self._is_waiting):
            self._end(self._refusal or event)

    def _ring(self) -> None:
        if not self._has_rung:
            self._has_rung = True
            self.post(LegRinging())

    def _end(self, event: LegEnded) -> None:
        if not self._is_over and self._winner is None:
            self._is_over = True
            self._on_over(None, event.cause, (*self._branches, *self._ended))
            self.post(event)

    # ---- from call control

    def dial(self, _target: int, offer: Sdp) -> None:
        """Every client rings, and every device. A second time (a client came back) nobody rings again."""
        if self._offer is not None:
            return
        self._offer = offer
        for branch in list(self._branches):
            branch.dial(0, offer)
        self._is_waiting = self._on_dial()
        if self._is_waiting:
            self._ring()
        elif not self._branches:
            self.give_up()

    def hangup(self, cause: Cause, sip_status: int | None, sip_reason: str | None, headers: Crossing) -> None:
        """End it for everybody who rings."""
        if not self._is_over and self._winner is None:
            self._is_over = True
            for branch in self._branches:
                branch.hangup(cause, sip_status, sip_reason, headers)
            self._on_over(None, cause, (*self._branches, *self._ended))

    def show(self, party: Party) -> None:
        """Tell everybody who rings."""
        for branch in self._branches:
            branch.show(party)

    def move(self, name: LegName, post: Post) -> None:
        """See `Leg`."""
        self.name, self.post = name, post

    # What follows is for a leg that has called us or was answered; a fork is neither.

    def ring(self) -> None:
        """A fork is never told to ring."""

    def early_media(self, sdp: Sdp) -> None:
        """A fork is never given early media."""

    def answer(self, sdp: Sdp | None, headers: Crossing) -> None:
        """A fork is never answered."""

    def ask(self) -> None:
        """Nobody has media whose loss would be a reason."""

    def attach(self, sdp: Sdp, socket: int) -> None:
        """Nobody has media to take up again."""

    def answer_reoffer(self, sdp: Sdp) -> None:
        """Nobody has offered anything."""

    def reject_reoffer(self, sip_status: int) -> None:
        """Nobody has offered anything."""

    @property
    def takes_digits(self) -> bool:
        """Nobody has answered."""
        return False

    def send_digits(self, digits: str, duration: float | None) -> None:
        """Nobody has answered."""

    def set_hold(self, is_held: bool) -> None:
        """Nobody has asked for it."""

    def reinvite(self, sdp: Sdp) -> None:
        """A client takes none."""

    def accept_transfer(self) -> None:
        """Nobody has asked for one."""

    def refuse_transfer(self, cause: Cause, reason: str) -> None:
        """Nobody has asked for one."""

    def report_transfer(self, sip_status: int, sip_reason: str) -> None:
        """Nobody waits for it."""


__all__ = ["Fork", "MakeBranch"]
