"""A call as the API shows it, live or ended: one shape for both."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Final

from gateway.api.resources.times import to_milliseconds
from gateway.b2bua.call_index import CallSnapshot
from gateway.domain.facts import CallEnded
from gateway.media.engine import LegStats
from gateway.store.calls import CallRecord, transfer_json

ENDED: Final = "ended"
_LOST: Final = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallView:
    """One call. `None` is what did not happen, or not yet.

    Attributes:
        state: `new routing preparing dialing ringing early connecting active held ended`.
        duration_s: seconds from the start to the end of an ended call.
        cause: Verto's name, `cause_code` its number.
        sip_status: the SIP status that ended a call that was not answered.
        ended_by: the leg that hung up, `a` (caller) or `b`; None when the gateway did.
        client_state: as the calling application gave it; not kept in the store.
        media: figures of both legs, `<leg>_<figure>`.
        transfers: oldest first, each with `at kind leg former successor`; `caller` and `callee` are the last ones.
        warnings: by leg, what is wrong with its media; of an ended call, what was at some time.
        stages: seconds from the start to each stage that an ended call reached.
        quality: of an ended call, how good its media was; not shown with the call.
    """

    call_id: str
    direction: str
    caller: str
    callee: str
    state: str
    is_held: bool = False
    started_at: datetime
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    duration_s: float | None = None
    codec_a: str | None = None
    codec_b: str | None = None
    cause: str | None = None
    cause_code: int | None = None
    sip_status: int | None = None
    ended_by: str | None = None
    connection_id: str | None = None
    session_id: str | None = None
    verto_call_id: str | None = None
    sip_call_id: str | None = None
    trunk: str | None = None
    client_state: str | None = None
    transfers: Sequence[Mapping[str, str]] = ()
    media: Mapping[str, float] = field(default_factory=dict)
    warnings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)
    quality: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """For a response; times in ISO 8601, UTC."""
        values = {
            name: to_milliseconds(value) if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
            if name != "quality"
        }
        return {"record_type": "gateway_call", **values}


def of_snapshot(snapshot: CallSnapshot, ringing_at: datetime | None) -> CallView:
    """A live call."""
    return CallView(
        call_id=snapshot.call_id,
        direction=snapshot.direction.value,
        caller=snapshot.caller,
        callee=snapshot.callee,
        state=snapshot.state,
        is_held=snapshot.is_held,
        started_at=snapshot.started_at,
        ringing_at=ringing_at,
        answered_at=snapshot.answered_at,
        codec_a=snapshot.codec_a or None,
        codec_b=snapshot.codec_b or None,
        connection_id=snapshot.connection_id,
        session_id=snapshot.session_id,
        verto_call_id=snapshot.verto_call_id,
        sip_call_id=snapshot.sip_call_id,
        trunk=snapshot.trunk,
        transfers=[transfer_json(transfer) for transfer in snapshot.transfers],
        client_state=snapshot.client_state,
        media=_figures(snapshot.stats),
        warnings={leg: list(stats.warnings) for leg, stats in snapshot.stats.items() if stats.warnings},
    )


def of_end(live: CallView, fact: CallEnded) -> CallView:
    """A call that ends now, with all that was known of it while it lived."""
    return replace(
        live,
        direction=fact.direction.value,
        state=ENDED,
        is_held=False,
        ended_at=fact.at,
        duration_s=fact.duration_s,
        cause=fact.cause.name,
        cause_code=fact.cause.code,
        sip_status=fact.sip_status,
        ended_by=None if fact.ended_by is None else fact.ended_by.value,
        sip_call_id=fact.sip_call_id or live.sip_call_id,
        trunk=fact.trunk or live.trunk,
        media=dict(fact.media),
        warnings=_past_warnings(fact.quality),
        stages=dict(fact.stages),
        quality=fact.quality,
    )


def of_record(record: CallRecord) -> CallView:
    """A call of the store."""
    return CallView(
        call_id=record.call_id,
        direction=record.direction.value,
        caller=record.caller,
        callee=record.callee,
        state=_LOST if record.ended_at is None else ENDED,
        started_at=record.started_at,
        ringing_at=record.ringing_at,
        answered_at=record.answered_at,
        ended_at=record.ended_at,
        duration_s=record.duration_s,
        codec_a=record.codec_a,
        codec_b=record.codec_b,
        cause=record.cause,
        cause_code=record.cause_code,
        sip_status=record.sip_status,
        ended_by=None if record.ended_by is None else record.ended_by.value,
        connection_id=record.connection_id,
        session_id=record.session_id,
        verto_call_id=record.verto_call_id,
        sip_call_id=record.sip_call_id,
        trunk=record.trunk,
        transfers=record.transfers,
        media=record.media,
        warnings=_past_warnings(record.quality),
        stages=record.stages,
        quality=record.quality,
    )


def _past_warnings(quality: Mapping[str, Mapping[str, object]]) -> dict[str, list[str]]:
    """Of each leg that had any."""
    found = {leg: figures.get("warnings") for leg, figures in quality.items()}
    return {leg: [str(name) for name in names] for leg, names in found.items() if isinstance(names, list) and names}


def _figures(stats: Mapping[str, LegStats]) -> dict[str, float]:
    """The same keys as in the record of an ended call."""
    figures: dict[str, float] = {}
    for leg, totals in stats.items():
        figures |= {
            f"{leg}_packets_received": totals.packets_received,
            f"{leg}_packets_sent": totals.packets_sent,
            f"{leg}_packets_lost": totals.packets_lost,
            f"{leg}_packets_rejected": totals.packets_rejected,
            f"{leg}_jitter_s": round(totals.jitter, 6),
        }
        if totals.round_trip is not None:
            figures[f"{leg}_round_trip_s"] = round(totals.round_trip, 6)
    return figures
