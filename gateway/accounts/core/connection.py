"""The model of a credential connection and the rules of its fields.

Source: rest-v2 A.2.1. What a call does with them is `admission`'s and `media`'s; the others are kept and shown.
"""

from enum import Enum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StringConstraints, model_validator

from gateway.accounts.core.model import Document, Name, Tags, Url, Whole, telnyx_error
from gateway.domain.client_media import DtmfMode

Codec = Literal["G722", "G711U", "G711A", "G729", "OPUS", "H.264"]

DEFAULT_CODECS: Final[tuple[Codec, ...]] = ("G722", "G711U", "G711A", "G729", "OPUS", "H.264")

Anchorsite = Literal[
    "Latency",
    "Chicago, IL",
    "Ashburn, VA",
    "San Jose, CA",
    "Sydney, Australia",
    "Amsterdam, Netherlands",
    "London, UK",
    "Toronto, Canada",
    "Vancouver, Canada",
    "Frankfurt, Germany",
]


class SipUriCalling(Enum):
    """Who may call the connection's clients by SIP URI."""

    DISABLED = "disabled"
    UNRESTRICTED = "unrestricted"
    INTERNAL = "internal"
    """Only clients of the same account, which here are all clients of this gateway."""


class AniOverride(Enum):
    """When `ani_override` replaces the caller's number."""

    ALWAYS = "always"
    NORMAL = "normal"
    """On calls that are not emergency calls."""
    EMERGENCY = "emergency"
    """On emergency calls only."""


def _enabled_is_unrestricted(value: object) -> object:
    """One tutorial of the product sends `enabled`, which the model does not have (rest-v2 J)."""
    return "unrestricted" if value == "enabled" else value


def _unique(codecs: tuple[Codec, ...]) -> tuple[Codec, ...]:
    return tuple(dict.fromkeys(codecs))


class Inbound(Document):
    """Calls to the connection's clients."""

    ani_number_format: Literal["+E.164", "E.164", "+E.164-national", "E.164-national"] = "E.164-national"
    dnis_number_format: Literal["+e164", "e164", "national", "sip_username"] = "e164"
    codecs: Annotated[tuple[Codec, ...], AfterValidator(_unique), Field(max_length=16)] = DEFAULT_CODECS
    default_routing_method: Literal["sequential", "round-robin"] | None = None
    channel_limit: Annotated[Whole, Field(ge=0, le=1_000_000)] | None = None
    generate_ringback_tone: StrictBool = False
    isup_headers_enabled: StrictBool = False
    prack_enabled: StrictBool = False
    sip_compact_headers_enabled: StrictBool = True
    timeout_1xx_secs: Annotated[Whole, Field(ge=1, le=120)] = 3
    timeout_2xx_secs: Annotated[Whole, Field(ge=1, le=600)] = 90
    shaken_stir_enabled: StrictBool = False
    simultaneous_ringing: Literal["disabled", "enabled"] = "disabled"


class Outbound(Document):
    """Calls of the connection's clients. `outbound_voice_profile_id` is kept apart: it refers to another resource."""

    call_parking_enabled: StrictBool | None = False
    outbound_voice_profile_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}$")] | None = None
    ani_override: Annotated[str, StringConstraints(max_length=255)] = ""
    ani_override_type: AniOverride = AniOverride.ALWAYS
    channel_limit: Annotated[Whole, Field(ge=0, le=1_000_000)] | None = None
    instant_ringback_enabled: StrictBool = True
    generate_ringback_tone: StrictBool = False
    localization: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "US"
    t38_reinvite_source: Literal["telnyx", "customer", "disabled", "passthru", "caller-passthru", "callee-passthru"] = (
        "telnyx"
    )


class RtcpSettings(Document):
    """RTCP towards the trunk."""

    port: Literal["rtp+1", "rtcp-mux"] = "rtp+1"
    capture_enabled: StrictBool = False
    report_frequency_secs: Annotated[Whole, Field(ge=5, le=3000)] = 5


class JitterBuffer(Document):
    """A jitter buffer of the connection."""

    enable_jitter_buffer: StrictBool = False
    jitterbuffer_msec_min: Annotated[Whole, Field(ge=40, le=400)] = 60
    jitterbuffer_msec_max: Annotated[Whole, Field(ge=40, le=400)] = 200

    @model_validator(mode="after")
    def _ordered(self) -> "JitterBuffer":
        if self.jitterbuffer_msec_min > self.jitterbuffer_msec_max:
            raise telnyx_error("10033", "jitterbuffer_msec_min is at most jitterbuffer_msec_max")
        return self


class NoiseSuppressionDetails(Document):
    """Which engine suppresses noise, and how much."""

    engine: Literal[
        "denoiser",
        "deep_filter_net",
        "deep_filter_net_large",
        "krisp_viva_tel",
        "krisp_viva_tel_lite",
        "krisp_viva_promodel",
        "krisp_viva_ss",
        "quail_voice_focus",
    ] = "denoiser"
    attenuation_limit: Annotated[Whole, Field(ge=0, le=100, multiple_of=10)] = 0


class ConnectionSettings(Document):
    """Everything of a connection that is not a column of its table: defaults are the service's."""

    anchorsite_override: Anchorsite = "Latency"
    sip_uri_calling_preference: Annotated[SipUriCalling | None, BeforeValidator(_enabled_is_unrestricted)] = (
        SipUriCalling.DISABLED
    )
    default_on_hold_comfort_noise_enabled: StrictBool = True
    bridge_generate_comfort_noise_on_cn: StrictBool = False
    dtmf_type: DtmfMode = DtmfMode.RFC_2833
    encode_contact_header_enabled: StrictBool = False
    encrypted_media: Literal["SRTP"] | None = None
    onnet_t38_passthrough_enabled: StrictBool = False
    ios_push_credential_id: str | None = None
    android_push_credential_id: str | None = None
    webhook_event_url: Url = ""
    webhook_event_failover_url: Url | None = ""
    webhook_api_version: Literal["1", "2", "texml"] = "1"
    webhook_timeout_secs: Annotated[Whole, Field(ge=0, le=30)] | None = None
    call_cost_in_webhooks: StrictBool = False
    conversation_persistence: StrictBool = False
    tags: Tags = ()
    rtcp_settings: RtcpSettings = RtcpSettings()
    noise_suppression: Literal["inbound", "outbound", "both", "disabled"] = "disabled"
    noise_suppression_details: NoiseSuppressionDetails = NoiseSuppressionDetails()
    jitter_buffer: JitterBuffer = JitterBuffer()
    inbound: Inbound = Inbound()
    outbound: Outbound = Outbound()

    @model_validator(mode="after")
    def _texml_needs_parking(self) -> "ConnectionSettings":
        if self.webhook_api_version == "texml" and not self.outbound.call_parking_enabled:
            raise telnyx_error("10015", "webhook_api_version texml goes with outbound.call_parking_enabled")
        return self


UserName = Annotated[str, StringConstraints(pattern=r"^(?=[A-Za-z0-9]{0,4}[A-Za-z])[A-Za-z0-9]{4,32}$")]
"""4 to 32 letters and digits, a letter among the first five; unique in the lab."""

Password = Annotated[str, StringConstraints(min_length=8, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]

__all__ = ["ConnectionSettings", "Inbound", "Name", "Outbound", "Password", "SipUriCalling", "UserName"]
