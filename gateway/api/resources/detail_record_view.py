"""A detail record as the API shows it (rest-v2 D)."""

from datetime import datetime

from pydantic import BaseModel

from gateway.store.detail_records import DetailRecord


class DetailRecordView(BaseModel):
    """The record of a leg between a client and the gateway."""

    record_type: str = "webrtc_detail_record"
    id: str
    telnyx_leg_id: str
    telnyx_session_id: str
    fs_channel_id: str
    session_id: str | None
    call_id: str | None
    telnyx_call_control_id: str
    auth_username: str
    connection_id: str | None
    connection_name: str | None
    direction: str
    cli: str
    cld: str
    caller_number: str
    caller_name: str
    dest_number: str
    started_at: str
    finished_at: str
    call_sec: int
    billed_sec: int
    rate: str
    cost: str
    currency: str
    payment_method: str = "rate-deck"
    country_code: int | None
    source_country_code: int | None
    billing_group_id: int | None = None
    billing_group_name: str = ""
    tags: str


class DetailRecordOptions(BaseModel):
    """What records of a type can be asked for."""

    record_type: str
    fields: tuple[str, ...]


def to_view(row: DetailRecord) -> DetailRecordView:
    """Times have whole seconds, as the service shows them."""
    return DetailRecordView(
        id=row.leg_id,
        telnyx_leg_id=row.leg_id,
        telnyx_session_id=row.call_id,
        fs_channel_id=row.channel_id,
        session_id=row.session_id,
        call_id=row.verto_call_id,
        telnyx_call_control_id=row.call_control_id,
        auth_username=row.username,
        connection_id=row.connection_id,
        connection_name=row.connection_name,
        direction=row.direction,
        cli=row.cli,
        cld=row.cld,
        caller_number=row.caller_number,
        caller_name=row.caller_name,
        dest_number=row.dest_number,
        started_at=_seconds(row.started_at),
        finished_at=_seconds(row.finished_at),
        call_sec=row.call_s,
        billed_sec=row.billed_s,
        rate=row.rate,
        cost=row.cost,
        currency=row.currency,
        country_code=row.country_code,
        source_country_code=row.source_country_code,
        tags=row.tags,
    )


def _seconds(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
