"""Hold: who holds, what each far end hears then, and what a far end behind a trunk is told about it. Pure.

A far end is told by a re-INVITE, one after the other and never two at once. It says what we wish and nothing about what
the far end wishes: `sendonly` with music, `inactive` with silence, `sendrecv` at the end. RFC 3264 section 8.4 would
have a far end that holds us itself be told `inactive` in either case; with RFC 6337 section 5.3 its own answer says so,
and whoever lets go first leaves the other's hold as it is.
"""

from dataclasses import dataclass
from typing import Final

from gateway.b2bua.core.actions import (
    Action,
    Play,
    PrepareReinvite,
    Reinvite,
    SetDirection,
    SetHold,
    TakeReinviteAnswer,
)
from gateway.b2bua.core.events import ReinviteAnswered, ReinviteReady, ReinviteRefused
from gateway.domain.ids import LegName
from gateway.media.engine import Sound

RETRY_AFTER: Final = 2.0
"""Seconds until a re-INVITE that met another one, or a far end in trouble, is sent again."""
MAX_TRIES: Final = 3
"""Re-INVITEs that may be refused in a row before the far end is left in its belief."""
_PASSING: Final = frozenset({491, 500, 503, 504})
"""Refusals that say nothing about the offer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPolicy:
    """How a client's hold is made known to its far end.

    Attributes:
        tells_trunk: by a re-INVITE, where the far end is behind a trunk.
        sound: what it hears; None is silence.
    """

    tells_trunk: bool = True
    sound: Sound | None = Sound.MUSIC


class HoldSignal:
    """One far end: what it shall believe, what it believes, and what is on its way to it."""

    def __init__(self, *, is_told: bool = False) -> None:
        self._is_wanted = self._is_told = is_told
        self._sent: bool | None = None
        self._tries = 0
        self.deadline: float | None = None

    @property
    def is_told(self) -> bool:
        """Whether it believes that it is on hold."""
        return self._is_told

    @property
    def is_busy(self) -> bool:
        """Whether a re-INVITE of ours is being made or waits for its answer."""
        return self._sent is not None

    def want(self, is_held: bool) -> None:
        """What it shall believe from now on."""
        if is_held is not self._is_wanted:
            self._is_wanted, self._tries, self.deadline = is_held, 0, None

    def next(self, now: float) -> bool | None:
        """What to tell it now, which the caller then does; None: nothing, or not yet."""
        is_waiting = self.deadline is not None and now < self.deadline
        if self.is_busy or is_waiting or self._tries >= MAX_TRIES or self._is_wanted is self._is_told:
            return None
        self._sent, self.deadline = self._is_wanted, None
        return self._sent

    def accepted(self) -> None:
        """It took the re-INVITE."""
        if self._sent is not None:
            self._is_told, self._sent, self._tries = self._sent, None, 0

    def refused(self, sip_status: int, now: float) -> None:
        """It refused the re-INVITE: it believes what it did before, and neither hold nor call ends by that."""
        self._sent = None
        self._tries = self._tries + 1 if sip_status in _PASSING else MAX_TRIES
        self.deadline = now + RETRY_AFTER if self._tries < MAX_TRIES else None


class Hold:
    """Both legs of a call. Every method returns what is to be done because of it."""

    def __init__(self, policy: HoldPolicy) -> None:
        self._policy = policy
        self._held: set[LegName] = set()
        self._signals: dict[LegName, HoldSignal] = {}
        self._playing: dict[LegName, Sound] = {}
        self._waiting: LegName | None = None

    @property
    def held(self) -> frozenset[LegName]:
        """The legs that hold."""
        return frozenset(self._held)

    @property
    def deadline(self) -> float | None:
        """When `tell` is due again."""
        deadlines = (signal.deadline for signal in self._signals.values())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def is_busy(self, leg: LegName) -> bool:
        """Whether a re-INVITE of ours to that leg is under way."""
        signal = self._signals.get(leg)
        return signal is not None and signal.is_busy

    def may_tell(self, leg: LegName) -> None:
        """That leg is behind a trunk: it can be told."""
        if self._policy.tells_trunk:
            self._signals[leg] = HoldSignal()

    def request(self, leg: LegName, is_held: bool | None) -> list[Action]:
        """A client holds (True), takes off hold (False) or toggles (None)."""
        wanted = (leg not in self._held) if is_held is None else is_held
        (self._held.add if wanted else self._held.discard)(leg)
        return [SetHold(leg, wanted), *self._choose_sounds()]

    def ring(self, leg: LegName | None) -> list[Action]:
        """That leg waits until somebody answers who will take the other's place; None: no longer."""
        self._waiting = leg
        return self._choose_sounds()

    def leave(self, leg: LegName) -> list[Action]:
        """That leg's far end is gone, and its hold with it."""
        self._signals.pop(leg, None)
        was_held = leg in self._held
        self._held.discard(leg)
        return [*([SetHold(leg, False)] if was_held else []), *self._choose_sounds()]

    def seat(self, leg: LegName, *, is_trunk: bool, is_told: bool, is_holding: bool) -> list[Action]:
        """Another far end is on that leg now; see `LegGiven`."""
        self._signals.pop(leg, None)
        if is_trunk and self._policy.tells_trunk:
            self._signals[leg] = HoldSignal(is_told=is_told)
        return self.request(leg, True) if is_holding else []

    def is_told(self, leg: LegName) -> bool:
        """Whether that leg's far end believes that it is on hold."""
        signal = self._signals.get(leg)
        return signal is not None and signal.is_told

    def _sound(self, leg: LegName) -> Sound | None:
        """Who holds hears silence, whatever the other does; who is held hears what the policy says."""
        if leg in self._held:
            return None
        if leg is self._waiting:
            return Sound.RINGBACK
        return self._policy.sound if leg.other in self._held else None

    def _choose_sounds(self) -> list[Action]:
        actions: list[Action] = []
        for leg in LegName:
            sound = self._sound(leg)
            if sound is not self._playing.get(leg):
                actions.append(Play(leg, sound))
            if sound is None:
                self._playing.pop(leg, None)
            else:
                self._playing[leg] = sound
        return actions

    def tell(self, now: float, *, busy: frozenset[LegName]) -> list[Action]:
        """Re-INVITE each far end that does not know yet; those in `busy` have an exchange of their own under way."""
        actions: list[Action] = []
        for leg, signal in self._signals.items():
            signal.want(leg.other in self._held)
            is_held = None if leg in busy else signal.next(now)
            if is_held is not None:
                actions.append(PrepareReinvite(leg, *self._direction(is_held)))
        return actions

    def _direction(self, is_held: bool) -> tuple[bool, bool]:
        """Whether we send and whether we receive."""
        return not is_held or self._policy.sound is not None, not is_held

    def handle(self, event: ReinviteReady | ReinviteAnswered | ReinviteRefused, now: float) -> list[Action]:
        """How a re-INVITE of ours fares."""
        signal = self._signals.get(event.leg)
        if signal is None or not signal.is_busy:
            return []  # late news
        match event:
            case ReinviteReady(leg, sdp):
                return [Reinvite(leg, sdp)]
            case ReinviteAnswered(leg, sdp):
                signal.accepted()
                return [TakeReinviteAnswer(leg, sdp)]
            case ReinviteRefused(leg, sip_status):
                signal.refused(sip_status, now)
                # What we say must stay what it believes: an answer of ours to its next offer is a telling, too.
                return [SetDirection(leg, *self._direction(signal.is_told))]
