"""Settings of call control: `[calls]` in the configuration file."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from gateway.b2bua.core.hold import HoldPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """How calls are made and bounded."""

    ring_timeout: float = 60.0
    """Seconds that the called side may ring. The SDKs have no ring timeout of their own, so this one ends the call."""

    push_wait: float = 30.0
    """Seconds that a call waits for a mobile device which a push wakes up; never longer than `ring_timeout`."""

    stop_grace: float = 5.0
    """Seconds that calls may go on after the program was told to stop; then they get a BYE."""

    max_calls: int = 1000
    """Calls at once in the whole gateway; further ones are refused with 503."""

    max_outbound_calls: int = 1000
    """Calls to trunks at once, the channel limit of the account; further ones are refused with 403 and D1's text."""

    max_outbound_calls_per_hour: int = 0
    """Calls to trunks that one connection may begin within an hour, transfers that far ends ask for among them; further
    ones are refused with 403. 0 sets no limit. A bound on what a stolen password costs; a restart counts anew."""

    max_calls_per_session: int = 20
    """Calls at once of one client. The SDK's network check makes six (verto-js 10)."""

    max_setup_delay: float = 1.0
    """Seconds that the gateway itself may take to set up a call, about. While it would take longer, because more calls
    come than the machine carries, as many new ones are refused as it takes: with 503 and Retry-After, clients with
    SWITCH_CONGESTION. Calls that exist go on. 0 refuses none."""

    browser_codecs: tuple[str, ...] = ("opus", "G722", "PCMU", "PCMA")
    """Codecs offered to and accepted from clients, in order of preference."""

    hold_reinvite: bool = True
    """Whether a far end behind a trunk is told by a re-INVITE when a client holds. Without it the trunk only hears
    what `hold_audio` says, and goes on sending."""

    hold_audio: Literal["music", "silence"] = "music"
    """What a held far end hears: a melody of the gateway's own, or silence. A sound file cannot be named."""

    refer: Literal["refuse", "follow", "anywhere"] = "follow"
    """What becomes of a REFER from a trunk. `follow`: the far end is connected with a registered client, with a number
    of one, or with a number of the lab. `anywhere`: with the trunks as well, at your cost: whoever is on the phone may
    choose the number. `refuse`: 603."""

    max_transfers: int = 10
    """Transfers of one call; further ones are refused, so that far ends which forward to each other come to an end."""

    @property
    def hold(self) -> "HoldPolicy":
        """The two above, as the core knows them."""
        # Here, because all commands read settings, and few of them control calls.
        from gateway.b2bua.core.hold import HoldPolicy
        from gateway.media.engine import Sound

        sound = Sound.MUSIC if self.hold_audio == "music" else None
        return HoldPolicy(tells_trunk=self.hold_reinvite, sound=sound)
