"""What the far end of a lab call does and when: tables of timed steps, and the machine that plays one. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

MAX_TALK_S: Final = 14_400.0
"""A lab call is hung up after four hours, so that a forgotten one does not live for ever."""

MAX_RINGING_S: Final = 600.0
"""A caller that never gives up gets 480; a callee that never answers is cancelled."""


@dataclass(frozen=True, slots=True)
class Echo:
    """Every packet goes back as it came."""


@dataclass(frozen=True, slots=True)
class Tone:
    """A sine wave, in Hz, at -13 dBm0."""

    frequency: float


@dataclass(frozen=True, slots=True)
class Silence:
    """RTP flows and carries silence."""


@dataclass(frozen=True, slots=True)
class Music:
    """Four notes, half a second each, again and again."""


@dataclass(frozen=True, slots=True)
class DigitTones:
    """Each digit that came as a telephone-event, as its two tones (ITU-T Q.23); else silence."""


Sound = Echo | Tone | Silence | Music | DigitTones


@dataclass(frozen=True, slots=True)
class Ring:
    """Send 180."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Send 183 with SDP and play early media."""

    sound: Sound


@dataclass(frozen=True, slots=True)
class Answer:
    """Send 200 with SDP and play.

    `session_expires` is a session timer (RFC 4028) that the far end is to refresh, in seconds; it scales like a step.
    """

    sound: Sound
    session_expires: float | None = None


@dataclass(frozen=True, slots=True)
class PlaySound:
    """Our INVITE was answered: play."""

    sound: Sound


@dataclass(frozen=True, slots=True)
class Reject:
    """Send a final error response; `q850` goes into a Reason header field (RFC 3326)."""

    status: int
    reason: str
    q850: int | None = None
    retry_after: int | None = None
    """Seconds, for a Retry-After header field."""


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the call: BYE, or CANCEL for an INVITE of ours that is still ringing."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Hold by a re-INVITE with `sendonly`, and play to the held side once it has agreed."""

    sound: Sound


@dataclass(frozen=True, slots=True)
class Resume:
    """End the hold by a re-INVITE with `sendrecv`, and play."""

    sound: Sound


@dataclass(frozen=True, slots=True)
class ChangeCodec:
    """Offer the other G.711 law in a re-INVITE, alone; what is played goes on."""


@dataclass(frozen=True, slots=True)
class Refer:
    """Have the far end call that number of the lab (REFER); hang up once it has, go on if it does not."""

    number: str


@dataclass(frozen=True, slots=True)
class StopRtp:
    """Send no RTP any more."""


@dataclass(frozen=True, slots=True)
class MoveRtp:
    """Send RTP from another port, as after a NAT has forgotten its binding: nothing is said about it."""


Talk = Hold | Resume | ChangeCodec | Refer | StopRtp | MoveRtp
"""What needs a call that stands."""

Action = Ring | Progress | Answer | PlaySound | Reject | Hangup | Talk


@dataclass(frozen=True, slots=True)
class Step:
    """An action and its time in seconds since its phase began."""

    at: float
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The behaviour of a far end.

    Attributes:
        name: as in `MagicNumber.scenario` and in `POST /_lab/calls`.
        ringing: steps since the INVITE came; at most one `Answer` or `Reject`, the last.
        sound: what is heard once answered; None for a scenario that never answers.
        talking: steps since both sides know of the answer (the ACK came, or our INVITE got its 2xx).
        period: seconds after which the talking steps begin again; None: they come once.
        every_second: what every second call of a minute gets instead.
    """

    name: str
    ringing: tuple[Step, ...]
    sound: Sound | None = None
    talking: tuple[Step, ...] = ()
    period: float | None = None
    every_second: "Scenario | None" = None

    @property
    def may_call(self) -> bool:
        """Whether the lab can also call somebody with it: there must be something to do after the answer."""
        return self.sound is not None

    @property
    def has_media(self) -> bool:
        """Whether it needs sockets for audio."""
        return any(isinstance(step.action, Progress | Answer) for step in self.ringing)

    @property
    def needs_g711(self) -> bool:
        """Whether it makes sound of its own. An echo sends back what came, whatever the codec."""
        actions = [step.action for step in (*self.ringing, *self.talking)]
        sounds = [action.sound for action in actions if isinstance(action, Progress | Answer | Hold)]
        return any(not isinstance(sound, Echo) for sound in sounds)


ECHO: Final = Echo()
MILLIWATT: Final = Tone(1004.0)
"""The test tone of the North American network."""
RINGBACK: Final = Tone(425.0)
"""The European tone, so that it cannot be taken for a ring tone that a client makes itself (440 and 480 Hz)."""
MUSIC: Final = Music()
DIGIT_TONES: Final = DigitTones()

_RING: Final = Step(0.0, Ring())

SCENARIOS: Final[Mapping[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        Scenario(name="echo", ringing=(Step(0.0, Ring()), Step(1.0, Answer(ECHO))), sound=ECHO),
        Scenario(name="tone", ringing=(Step(0.0, Ring()), Step(1.0, Answer(MILLIWATT))), sound=MILLIWATT),
        Scenario(name="busy", ringing=(Step(0.0, Reject(486, "Busy Here", 17)),)),
        Scenario(name="decline", ringing=(Step(0.0, Reject(603, "Decline", 21)),)),
        Scenario(name="no_answer", ringing=(Step(0.0, Ring()),)),
        Scenario(name="unallocated", ringing=(Step(0.0, Reject(404, "Not Found", 1)),)),
        Scenario(name="early_media", ringing=(Step(0.0, Progress(RINGBACK)), Step(3.0, Answer(ECHO))), sound=ECHO),
        Scenario(name="early_busy", ringing=(Step(0.0, Progress(RINGBACK)), Step(3.0, Reject(486, "Busy Here", 17)))),
        Scenario(
            name="hangup",
            ringing=(Step(0.0, Ring()), Step(0.0, Answer(ECHO))),
            sound=ECHO,
            talking=(Step(3.0, Hangup()),),
        ),
        # Without a Reason header field, so that a gateway's own table of statuses is used once.
        Scenario(name="unavailable", ringing=(Step(0.0, Reject(480, "Temporarily Unavailable")),)),
        Scenario(name="dtmf", ringing=(_RING, Step(0.0, Answer(DIGIT_TONES))), sound=DIGIT_TONES),
        Scenario(
            name="hold",
            ringing=(_RING, Step(0.0, Answer(ECHO))),
            sound=ECHO,
            talking=(Step(3.0, Hold(MUSIC)), Step(6.0, Resume(ECHO))),
            period=6.0,
        ),
        Scenario(
            name="refer",
            ringing=(_RING, Step(0.0, Answer(ECHO))),
            sound=ECHO,
            talking=(Step(3.0, Refer("+12025550100")),),
        ),
        Scenario(
            name="reinvite",
            ringing=(_RING, Step(0.0, Answer(MILLIWATT))),
            sound=MILLIWATT,
            talking=(Step(3.0, ChangeCodec()),),
        ),
        Scenario(
            name="retry_after",
            ringing=(Step(0.0, Reject(503, "Service Unavailable", 41, retry_after=5)),),
            every_second=Scenario(name="retry_after", ringing=(_RING, Step(0.0, Answer(ECHO))), sound=ECHO),
        ),
        Scenario(name="not_acceptable", ringing=(Step(0.0, Reject(488, "Media Encryption Required B3")),)),
        Scenario(name="session_timer", ringing=(_RING, Step(0.0, Answer(ECHO, session_expires=90.0))), sound=ECHO),
        Scenario(
            name="rtp_stops",
            ringing=(_RING, Step(0.0, Answer(MILLIWATT))),
            sound=MILLIWATT,
            talking=(Step(3.0, StopRtp()),),
        ),
        Scenario(
            name="rtp_moves",
            ringing=(_RING, Step(0.0, Answer(ECHO))),
            sound=ECHO,
            talking=(Step(3.0, MoveRtp()),),
        ),
        Scenario(name="late_answer", ringing=(Step(10.0, Answer(ECHO)),), sound=ECHO),
        Scenario(name="silence", ringing=(Step(0.0, Ring()), Step(0.0, Answer(Silence()))), sound=Silence()),
    )
}


def rejecting(name: str, status: int, reason: str) -> Scenario:
    """A scenario that refuses at once: for numbers that have none."""
    return Scenario(name=name, ringing=(Step(0.0, Reject(status, reason)),))


class State(Enum):
    """Where a run is."""

    RINGING = "ringing"
    ANSWERED = "answered"
    """Our 200 is out, its ACK is not in yet: nothing is due, the user agent waits for the ACK."""
    TALKING = "talking"
    ENDED = "ended"


class ScenarioRun:
    """One call through a scenario. Takes the time as an argument, gives actions.

    The owner calls `handle_timeout` at `next_deadline`, tells it of the answer with `confirmed` and of the end
    with `ended`.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        now: float,
        is_outgoing: bool = False,
        time_scale: float = 1.0,
        duration: float | None = None,
    ) -> None:
        """Begin at `now` (seconds of any clock).

        Args:
            scenario: what to play.
            now: when the INVITE came, or left.
            is_outgoing: the lab is the caller: the steps before the answer are the far end's business.
            time_scale: factor for the times of the steps.
            duration: hang up that many seconds after the answer (not scaled).
        """
        self._scenario = scenario
        self._time_scale = time_scale
        self._duration = min(duration if duration is not None else MAX_TALK_S, MAX_TALK_S)
        self._is_outgoing = is_outgoing
        self.state = State.RINGING
        give_up: Action = Hangup() if is_outgoing else Reject(480, "Temporarily Unavailable", 19)
        steps = () if is_outgoing else scenario.ringing
        self._due = self._schedule(now, steps, limit=MAX_RINGING_S, at_limit=give_up)

    def next_deadline(self) -> float | None:
        """When `handle_timeout` has something to do, or None."""
        return self._due[0][0] if self._due else None

    def handle_timeout(self, now: float) -> list[Action]:
        """The actions that are due by `now`, in order."""
        actions: list[Action] = []
        while self._due and self._due[0][0] <= now:
            at, action = self._due.pop(0)
            actions.append(action)
            if isinstance(action, Talk) and self._scenario.period is not None:
                again = (at + self._scenario.period * self._time_scale, action)
                self._due = sorted([*self._due, again], key=lambda entry: entry[0])
            if isinstance(action, Answer):
                self.state, self._due = State.ANSWERED, []
            elif isinstance(action, Reject | Hangup):
                self.ended()
        return actions

    def confirmed(self, now: float) -> list[Action]:
        """The ACK for our 200 came, or our INVITE was answered: the talking steps begin."""
        if self.state is State.RINGING and self._is_outgoing and self._scenario.sound is not None:
            actions: list[Action] = [PlaySound(self._scenario.sound)]
        elif self.state is State.ANSWERED:
            actions = []
        else:
            return []  # an ACK that crossed our own end, or a second one
        self.state = State.TALKING
        self._due = self._schedule(now, self._scenario.talking, limit=self._duration, at_limit=Hangup())
        return actions

    def ended(self) -> None:
        """The call is over, whoever ended it; nothing is due any more."""
        self.state, self._due = State.ENDED, []

    def _schedule(
        self, now: float, steps: tuple[Step, ...], *, limit: float, at_limit: Action
    ) -> list[tuple[float, Action]]:
        due = [(now + step.at * self._time_scale, step.action) for step in steps]
        return sorted([*due, (now + limit, at_limit)], key=lambda entry: entry[0])
