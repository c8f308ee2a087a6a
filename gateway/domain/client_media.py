"""What a credential connection asks of the media of its clients (rest-v2 A.2.1): codecs, digits, encryption."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

CODEC_NAMES: Final[Mapping[str, str]] = {"OPUS": "opus", "G722": "G722", "G711U": "PCMU", "G711A": "PCMA"}
"""Names of SDP by those of `inbound.codecs`. Not spoken here, and left out: G729, H.264."""


class DtmfMode(Enum):
    """How digits from the other side reach a client, as `dtmf_type` names it. Whatever it sends is understood."""

    RFC_2833 = "RFC 2833"
    """Telephone-events in RTP (RFC 4733, which replaced 2833)."""
    INBAND = "Inband"
    """Tones in the audio; telephone-event is not negotiated."""
    SIP_INFO = "SIP INFO"
    """By signalling, which for a client is `telnyx_rtc.info`; telephone-event is not negotiated."""

    @property
    def has_events(self) -> bool:
        """Whether telephone-event is negotiated."""
        return self is DtmfMode.RFC_2833


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMedia:
    """The media of a connection's clients.

    Attributes:
        codecs: of calls that ring a client, in the order in which they are offered, by their names in SDP; None: what
            `[calls] browser_codecs` says. A call for which none is left is refused.
        dtmf: see `DtmfMode`.
        requires_encryption: whether no leg of a call may be unencrypted.
    """

    codecs: tuple[str, ...] | None = None
    dtmf: DtmfMode = DtmfMode.RFC_2833
    requires_encryption: bool = False

    @classmethod
    def of_connection(cls, *, codecs: Iterable[str] | None, dtmf: DtmfMode, encrypted_media: str | None) -> Self:
        """From a connection's `inbound.codecs` (None: it says nothing), `dtmf_type` and `encrypted_media`."""
        spoken = None
        if codecs is not None:
            spoken = tuple(dict.fromkeys(CODEC_NAMES[name] for name in codecs if name in CODEC_NAMES))
        return cls(codecs=spoken, dtmf=dtmf, requires_encryption=encrypted_media == "SRTP")


DEFAULT_CLIENT_MEDIA: Final = ClientMedia()
"""Nothing is asked for."""
