"""Calls that two agents make of each other, for the tests of what gets lost between them (`two_agents`)."""

from collections.abc import Callable
from typing import Final

from gateway.sip.call import Answered, Ended, Provisional, Rejected, Reoffered, SipCallEvent
from tests.unit.sip.core.script import ANSWER, OTHER
from tests.unit.sip.core.two_agents import Side, World

Plot = Callable[[World], None]


def _called(world: World, *, early: bool = False, answers: bool = True) -> None:
    """The callee rings at once, sends early media after 1 s and answers after 2 s; it takes every new offer."""
    side = world.callee

    def react(event: SipCallEvent | None) -> None:
        match event:
            case None:
                side.perform(side.callee_core.ring(world.now))
                if early:
                    world.after(1, lambda: side.perform(side.callee_core.progress(ANSWER, world.now)))
                if answers:
                    world.after(2, lambda: side.perform(side.callee_core.answer(ANSWER, world.now)))
            case Reoffered():
                side.perform(side.callee_core.answer_reoffer(ANSWER, world.now))

    side.react = react


def _once(side: Side, kind: type[SipCallEvent], act: Callable[[], None]) -> None:
    """Have call control act on the first event of that kind."""
    react, done = side.react, [False]

    def also(event: SipCallEvent | None) -> None:
        react(event)
        if isinstance(event, kind) and not done[0]:
            done[0] = True
            act()

    side.react = also


def plain(world: World) -> None:
    """Rings, is answered, held by a re-INVITE and hung up by the caller."""
    _called(world)
    _once(world.caller, Answered, lambda: world.after(1, lambda: world.caller.reinvite(OTHER)))
    _once(world.caller, Answered, lambda: world.after(150, world.caller.hangup))
    world.caller.call()


def hung_up_by_the_callee(world: World) -> None:
    """Rings, is answered and hung up by the callee."""
    _called(world)
    _once(world.caller, Answered, lambda: world.after(60, world.callee.hangup))
    world.caller.call()


def reliable(world: World) -> None:
    """Rings and has early media, both reliably."""
    _called(world, early=True)
    _once(world.caller, Answered, lambda: world.after(60, world.caller.hangup))
    world.caller.call()


def cancelled(world: World) -> None:
    """Rings and is cancelled."""
    _called(world, answers=False)
    _once(world.caller, Provisional, lambda: world.after(3, world.caller.hangup))
    world.caller.call()


def refused(world: World) -> None:
    """Rings and is refused."""
    _called(world, answers=False)
    refuse = lambda: world.callee.perform(world.callee.callee_core.reject(486, "Busy Here", 17))  # noqa: E731
    ring = world.callee.react

    def react(event: SipCallEvent | None) -> None:
        ring(event)
        if event is None:
            world.after(1, refuse)

    world.callee.react = react
    world.caller.call()


def refreshed(world: World) -> None:
    """Lasts until its session timer has been refreshed by an UPDATE."""
    _called(world)
    _once(world.caller, Answered, lambda: world.after(1000, world.caller.hangup))
    world.caller.call()


PLOTS: Final[dict[str, Plot]] = {
    plot.__name__: plot for plot in (plain, hung_up_by_the_callee, reliable, cancelled, refused, refreshed)
}


def outcome(side: Side) -> str:
    """How the call ended for that side's call control: its last event, or the last before its own hang-up."""
    last = side.heard[-1] if side.heard else None
    match last:
        case None:
            return "nothing"
        case Ended(reason=reason):
            return reason
        case Rejected(status=status):
            return str(status)
        case event:
            return type(event).__name__.lower()
