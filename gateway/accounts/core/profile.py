"""The model of an outbound voice profile: where its connections may call, how often, at what price.

Source: rest-v2 A.3.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, StringConstraints

from gateway.accounts.core.model import Decimal, Document, Tags, Whole, telnyx_error

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""


def _check_amount(text: str) -> str:
    whole, _, cents = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and (not cents or (cents.isascii() and cents.isdigit()))):
        raise telnyx_error("10015", 'an amount in USD as text, for example "100.00"')
    return text


Amount = Annotated[str, StringConstraints(max_length=16), AfterValidator(_check_amount)]
"""USD as decimal text: no float ever holds money."""

ProfileName = Annotated[str, StringConstraints(min_length=3, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]


class CallRecording(Document):
    """What of the profile's calls is recorded."""

    call_recording_type: Literal["all", "none", "by_caller_phone_number"] = "none"
    call_recording_caller_phone_numbers: tuple[
        Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")], ...
    ] = ()
    call_recording_channels: Literal["single", "dual"] = "single"
    call_recording_format: Literal["wav", "mp3"] = "wav"


class CallingWindow(Document):
    """Hours of a day in which the profile may call, and how often one number."""

    start_time: (
        Annotated[str, StringConstraints(pattern=r"^[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z$")] | None
    ) = None
    end_time: (
        Annotated[str, StringConstraints(pattern=r"^[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z$")] | None
    ) = None
    calls_per_cld: Annotated[Whole, Field(ge=0, le=1_000_000)] | None = None


class ProfileSettings(Document):
    """Everything of a profile that is not a column of its table."""

    traffic_type: Literal["conversational"] = "conversational"
    service_plan: Literal["global"] = "global"
    concurrent_call_limit: Annotated[Whole, Field(ge=0, le=1_000_000)] | None = None
    tags: Tags = ()
    usage_payment_method: Literal["rate-deck"] = "rate-deck"
    whitelisted_destinations: Annotated[tuple[Country, ...], Field(max_length=300)] = ("US", "CA")
    max_destination_rate: Annotated[Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False)] | None = None
    daily_spend_limit: Amount | None = None
    daily_spend_limit_enabled: StrictBool = False
    call_recording: CallRecording = CallRecording()
    billing_group_id: str | None = None
    calling_window: CallingWindow | None = None
