"""The facts of a call in a few words each."""

from collections.abc import Mapping

from gateway.domain.facts import (
    CallAnswered,
    CallEnded,
    CallHeld,
    CallInitiated,
    CallRinging,
    CallRouted,
    CallTransferred,
    Fact,
)

_FIGURES = {
    "packets_received": "received",
    "packets_sent": "sent",
    "packets_lost": "lost",
    "packets_rejected": "rejected",
}


def title_of(fact: Fact) -> str:
    """What happened."""
    match fact:
        case CallInitiated():
            return f"{fact.direction.value} call from {fact.caller} to {fact.callee}"
        case CallRouted():
            return "routed to a client"
        case CallRinging():
            return "ringing"
        case CallAnswered():
            return f"answered, leg a {fact.codec_a or '?'}, leg b {fact.codec_b or '?'}"
        case CallHeld():
            return f"leg {fact.leg.value} {'on hold' if fact.is_held else 'off hold'}"
        case CallTransferred():
            return f"{fact.kind.value} transfer: leg {fact.leg.value} was {fact.former}, is {fact.successor}"
        case CallEnded():
            by = "the gateway" if fact.ended_by is None else f"leg {fact.ended_by.value}"
            status = "" if fact.sip_status is None else f", SIP {fact.sip_status}"
            return f"ended by {by}: {fact.cause.name}{status}, after {fact.duration_s:.3f} s"


def figures_of(media: Mapping[str, float]) -> list[tuple[str, str]]:
    """Leg and text of the figures at the end of a call (`CallEnded.media`); nothing of a leg without packets."""
    found = []
    for leg in ("a", "b"):
        counts = [f"{word} {media.get(f'{leg}_{name}', 0):.0f}" for name, word in _FIGURES.items()]
        jitter = media.get(f"{leg}_jitter_s", 0.0) * 1000
        if any(media.get(f"{leg}_{name}") for name in _FIGURES):
            found.append((leg, f"leg {leg}: packets {', '.join(counts)}, jitter {jitter:.1f} ms"))
    return found
