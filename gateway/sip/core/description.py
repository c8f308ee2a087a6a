"""Whether a session description says something new (RFC 3264 section 8). Apart from that SDP stays opaque here."""

from typing import Final

from gateway.domain.ids import Sdp

_DECISIVE: Final = ("c=", "m=", "a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")
_DECISIVE_KEYS: Final = ("a=rtpmap:", "a=crypto:", "a=fingerprint:", "a=setup:", "a=ice-ufrag:", "a=ice-pwd:")


def says_the_same(new: Sdp, old: Sdp | None) -> bool:
    """Whether it only repeats the one before, so that nothing in the media may change.

    That is so when they are equal, or when the o= line with its version is the same and so are addresses, ports,
    formats, directions and keys. These are compared because there are far ends that hold without a new version.
    """
    if old is None or new == old:
        return new == old
    origin, old_origin = _lines(new, ("o=",)), _lines(old, ("o=",))
    return bool(origin) and origin == old_origin and _lines(new) == _lines(old)


def _lines(sdp: Sdp, starts: tuple[str, ...] = (*_DECISIVE, *_DECISIVE_KEYS)) -> list[str]:
    return [line.strip() for line in sdp.splitlines() if line.startswith(starts)]
