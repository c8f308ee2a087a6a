"""Which legs may be in one call as far as encryption goes: what trunks have, and what a connection demands."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.b2bua.legs.sip import SipLeg
from gateway.b2bua.routing import Trunk
from gateway.domain.media_encryption import MediaEncryption


def serving(trunks: Sequence[Trunk], *, is_demanded: bool) -> tuple[Trunk, ...]:
    """The trunks of a route that a call can be tried on, in their order: one offer serves all of them.

    So they are those that are encrypted as the first one is. Where encryption is demanded, the first one is the first
    that has any, and what is optional becomes required.
    """
    usable = [_demanding(trunk) if is_demanded else trunk for trunk in trunks]
    usable = [trunk for trunk in usable if trunk.encryption.is_demanded or not is_demanded]
    return tuple(trunk for trunk in usable if trunk.encryption is usable[0].encryption)


def demand(leg: SipLeg) -> bool:
    """Have nothing in plain on a leg whose media has not been opened; False when it has no encryption at all."""
    leg.demand_encryption()
    return leg.options.encryption.is_demanded


def _demanding(trunk: Trunk) -> Trunk:
    if trunk.encryption is MediaEncryption.OPTIONAL:
        return replace(trunk, encryption=MediaEncryption.REQUIRED)
    return trunk
