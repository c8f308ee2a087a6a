"""Every metric of the gateway, in one place. Labels come from closed sets (docs/reference/metrics.md).

Names are `gateway_<noun>_<unit>`, base units, `_total` for counters. A label value outside its set becomes `other`.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry(auto_describe=True)
"""Ours, not the global one, so that two gateways in one test process do not meet."""

_SETUP_BUCKETS: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 30.0, 60.0)

CALLS_ACTIVE: Final = Gauge("gateway_calls_active", "Calls that live now", ["direction"], registry=REGISTRY)
CALLS_ENDED: Final = Counter(
    "gateway_calls_ended_total",
    "Calls that ended, by outcome (success, client_error, upstream_error, server_error, unknown) and cause",
    ["direction", "outcome", "reason"],
    registry=REGISTRY,
)
LEGS_RECOVERED: Final = Counter(
    "gateway_legs_recovered_total",
    "Calls of a client that it has again after it lost its socket: by attach, or kept without a gap",
    ["how"],
    registry=REGISTRY,
)
CALL_SETUP_SECONDS: Final = Histogram(
    "gateway_call_setup_seconds",
    "From the invite to the answer, of calls that were answered",
    ["direction"],
    buckets=_SETUP_BUCKETS,
    registry=REGISTRY,
)
CALLS_REFUSED: Final = Counter(
    "gateway_calls_refused_total",
    "Calls refused before they began, by cause: a limit, overload, the end of the program, a header field of ours",
    ["reason"],
    registry=REGISTRY,
)
CALLS_IN_HAND: Final = Gauge(
    "gateway_calls_in_hand", "Calls being set up that wait for the gateway, not for a far end", registry=REGISTRY
)
SETUP_DELAY_SECONDS: Final = Gauge(
    "gateway_setup_delay_seconds",
    "What the gateway's own part of setting up a call takes at present, as calls.max_setup_delay bounds it",
    registry=REGISTRY,
)
CALL_CRASHES: Final = Counter("gateway_call_crashes_total", "Calls ended by a defect of the gateway", registry=REGISTRY)
VERTO_SOCKETS: Final = Gauge("gateway_verto_sockets", "Open WebSockets", registry=REGISTRY)
VERTO_SESSIONS: Final = Gauge("gateway_verto_sessions", "Logged-in Verto sessions", registry=REGISTRY)
VERTO_REQUESTS: Final = Counter(
    "gateway_verto_requests_total", "Requests of Verto clients", ["method", "result"], registry=REGISTRY
)
VERTO_FRAMES_REFUSED: Final = Counter(
    "gateway_verto_frames_refused_total",
    "Frames that were not a message (not_json, not_object, bad_message, too_large, binary, protocol)",
    ["reason"],
    registry=REGISTRY,
)
VERTO_SOCKETS_CLOSED: Final = Counter(
    "gateway_verto_sockets_closed_total",
    "WebSockets closed, by who or what did it (client, idle, login_timeout, login_attempts, busy, rate, too_large, "
    "memory, slow, protocol, replaced, unregistered, shutdown, error)",
    ["reason"],
    registry=REGISTRY,
)
VERTO_SOCKETS_REFUSED: Final = Counter(
    "gateway_verto_sockets_refused_total",
    "WebSockets refused before the upgrade (total, address, without_login, stopping)",
    ["reason"],
    registry=REGISTRY,
)
LOGINS: Final = Counter(
    "gateway_logins_total",
    "Login attempts by kind (password, token, anonymous, digest)",
    ["kind", "result"],
    registry=REGISTRY,
)
SHUT_OUT: Final = Counter(
    "gateway_shut_out_total",
    "Times that somebody was shut out for being wrong too often (login, key)",
    ["kind"],
    registry=REGISTRY,
)
SIP_REQUESTS: Final = Counter(
    "gateway_sip_requests_total",
    "SIP requests received (in) and sent (out)",
    ["method", "way"],
    registry=REGISTRY,
)
SIP_RESPONSES: Final = Counter(
    "gateway_sip_responses_total",
    "SIP responses received, by method and class (1xx to 6xx)",
    ["method", "class"],
    registry=REGISTRY,
)
TRUNK_REGISTERED: Final = Gauge(
    "gateway_trunk_registered",
    "1 while we are registered at the trunk; trunks that we register at only",
    ["trunk"],
    registry=REGISTRY,
)
TRUNK_REGISTRATIONS: Final = Counter(
    "gateway_trunk_registrations_total",
    "Attempts to register at a trunk, by the state after them (registering, registered, failed, denied)",
    ["trunk", "result"],
    registry=REGISTRY,
)
TRUNK_STATE: Final = Gauge(
    "gateway_trunk_state",
    "1 for the state that a trunk is in (unknown, up, down); trunks with a health_interval only",
    ["trunk", "state"],
    registry=REGISTRY,
)
TRUNK_PROBES: Final = Counter(
    "gateway_trunk_probes_total",
    "OPTIONS that asked a trunk whether it is alive, by the class of the answer (2xx to 6xx, silence)",
    ["trunk", "result"],
    registry=REGISTRY,
)
TRUNK_CALLS: Final = Gauge("gateway_trunk_calls", "Calls of a trunk, both ways", ["trunk"], registry=REGISTRY)
TRUNK_CALLS_REFUSED: Final = Counter(
    "gateway_trunk_calls_refused_total",
    "Calls that a limit of a trunk kept out (way: in, out; reason: calls, rate)",
    ["trunk", "way", "reason"],
    registry=REGISTRY,
)
SIP_REGISTRATIONS: Final = Gauge(
    "gateway_sip_registrations", "SIP phones that are registered now, each contact", registry=REGISTRY
)
SIP_RETRANSMISSIONS: Final = Counter(
    "gateway_sip_retransmissions_total", "SIP messages sent again", ["method"], registry=REGISTRY
)
SIP_MESSAGES_REFUSED: Final = Counter(
    "gateway_sip_messages_refused_total",
    "SIP messages dropped or refused (parse, size, source, via, flood, tls, short, banned, rate)",
    ["reason"],
    registry=REGISTRY,
)
SIP_OFFENCES: Final = Counter(
    "gateway_sip_offences_total",
    "What addresses did wrong at the SIP port (scanner, wrong_digest, unknown_user, malformed, flood)",
    ["offence"],
    registry=REGISTRY,
)
SIP_BANS: Final = Counter(
    "gateway_sip_bans_total", "Addresses banned from the SIP port, by the last straw", ["offence"], registry=REGISTRY
)
RTP_PACKETS_LOST: Final = Counter(
    "gateway_rtp_packets_lost_total",
    "RTP packets that did not reach us, counted at the end of a call",
    ["leg"],
    registry=REGISTRY,
)
RTP_PACKETS_REJECTED: Final = Counter(
    "gateway_rtp_packets_rejected_total",
    "Packets at a media port that were not taken (source, srtp, not_rtp, payload_type)",
    ["reason"],
    registry=REGISTRY,
)
MEDIA_BUSY_RATIO: Final = Gauge(
    "gateway_media_busy_ratio",
    "Share of the last second that the busiest thread of the compiled engine was at work",
    registry=REGISTRY,
)
RTP_JITTER_SECONDS: Final = Histogram(
    "gateway_rtp_jitter_seconds",
    "Interarrival jitter (RFC 3550 section 6.4.1) at the end of a call",
    ["leg"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2),
    registry=REGISTRY,
)
CALL_MOS: Final = Histogram(
    "gateway_call_mos",
    "Mean opinion score by the E-model at the end of a call; scale narrow (G.107) or full (G.107.2), not comparable",
    ["leg", "direction", "scale"],
    buckets=(1.5, 2.0, 2.5, 3.0, 3.2, 3.4, 3.6, 3.8, 4.0, 4.2, 4.3, 4.5),
    registry=REGISTRY,
)
CALL_LOSS_RATIO: Final = Histogram(
    "gateway_call_loss_ratio",
    "Share of RTP packets lost at the end of a call: in as we count it, out as the far end reports it",
    ["leg", "direction"],
    buckets=(0.0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5),
    registry=REGISTRY,
)
CALL_CONCEALED_RATIO: Final = Histogram(
    "gateway_call_concealed_ratio",
    "Share of the audio that a decoder of ours made up, at the end of a call that was transcoded",
    ["leg"],
    buckets=(0.0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5),
    registry=REGISTRY,
)
MEDIA_WARNINGS: Final = Counter(
    "gateway_media_warnings_total",
    "Legs whose media was wrong (no_sound, nothing_received, nothing_sent, dtls_late, high_loss, high_jitter)",
    ["leg", "warning"],
    registry=REGISTRY,
)
RTP_PORTS_IN_USE: Final = Gauge("gateway_rtp_ports_in_use", "Media ports taken by live calls", registry=REGISTRY)
REPORT_UPLOADS: Final = Counter(
    "gateway_report_uploads_total",
    "Uploads of SDKs by kind (report, recording) and result (ok, unauthorized, bad_request, not_yours, too_large, "
    "quota, busy, timeout, unavailable, aborted)",
    ["kind", "result"],
    registry=REGISTRY,
)
REPORT_FRAMES: Final = Counter(
    "gateway_report_frames_total", "Debug frames of SDKs (kept, dropped)", ["result"], registry=REGISTRY
)
REPORT_STORE_BYTES: Final = Gauge("gateway_report_store_bytes", "Size of all stored reports", registry=REGISTRY)
REPORTS_REMOVED: Final = Counter(
    "gateway_reports_removed_total",
    "Stored reports removed because they were old or the store was full (age, size)",
    ["reason"],
    registry=REGISTRY,
)
REPORT_STORED_BYTES: Final = Counter(
    "gateway_report_stored_bytes_total",
    "Bytes written to the store of reports by kind (report, recording, frames)",
    ["kind"],
    registry=REGISTRY,
)
DETAIL_RECORDS: Final = Counter(
    "gateway_detail_records_total",
    "Detail records of clients' legs that are over (written), and facts of legs that no record has (lost)",
    ["result"],
    registry=REGISTRY,
)
TRACE_ENTRIES: Final = Counter(
    "gateway_trace_entries_total",
    "Messages and facts of calls: kept, dropped (too many waited), lost (the database failed, or a defect of ours)",
    ["result"],
    registry=REGISTRY,
)
HEP_PACKETS: Final = Counter(
    "gateway_hep_packets_total",
    "Packets for the HEP collector: sent, dropped (no address yet, or the network is slow)",
    ["result"],
    registry=REGISTRY,
)
EVENT_LOOP_LAG_SECONDS: Final = Histogram(
    "gateway_event_loop_lag_seconds",
    "How late a timer of the event loop fired, probed ten times a second",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0),
    registry=REGISTRY,
)
GARBAGE_PAUSE_SECONDS: Final = Histogram(
    "gateway_garbage_pause_seconds",
    "How long the event loop stood still for a look through the heap for garbage",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0),
    registry=REGISTRY,
)


def closed(value: str, allowed: frozenset[str]) -> str:
    """The value if it belongs to the label's set, else `other`."""
    return value if value in allowed else "other"
