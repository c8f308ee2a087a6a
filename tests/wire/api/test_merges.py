"""Fifty PATCHes at once, each of another key of one connection: all of them count."""

import asyncio
from collections.abc import Mapping
from typing import Final

from tests.harness.rest import Api

CONNECTIONS: Final = "/v2/credential_connections"

CHANGES: Final[tuple[tuple[str, object], ...]] = (
    ("active", False),
    ("anchorsite_override", "London, UK"),
    ("bridge_generate_comfort_noise_on_cn", True),
    ("call_cost_in_webhooks", True),
    ("connection_name", "changed"),
    ("conversation_persistence", True),
    ("default_on_hold_comfort_noise_enabled", False),
    ("dtmf_type", "Inband"),
    ("encode_contact_header_enabled", True),
    ("encrypted_media", "SRTP"),
    ("inbound/ani_number_format", "+E.164"),
    ("inbound/channel_limit", 7),
    ("inbound/codecs", ["OPUS"]),
    ("inbound/default_routing_method", "sequential"),
    ("inbound/dnis_number_format", "+e164"),
    ("inbound/generate_ringback_tone", True),
    ("inbound/isup_headers_enabled", True),
    ("inbound/prack_enabled", True),
    ("inbound/shaken_stir_enabled", True),
    ("inbound/simultaneous_ringing", "enabled"),
    ("inbound/sip_compact_headers_enabled", False),
    ("inbound/timeout_1xx_secs", 11),
    ("inbound/timeout_2xx_secs", 12),
    ("jitter_buffer/enable_jitter_buffer", True),
    ("jitter_buffer/jitterbuffer_msec_max", 300),
    ("jitter_buffer/jitterbuffer_msec_min", 70),
    ("noise_suppression", "both"),
    ("noise_suppression_details/attenuation_limit", 50),
    ("noise_suppression_details/engine", "deep_filter_net"),
    ("onnet_t38_passthrough_enabled", True),
    ("outbound/ani_override", "+12025550111"),
    ("outbound/ani_override_type", "normal"),
    ("outbound/call_parking_enabled", True),
    ("outbound/channel_limit", 9),
    ("outbound/generate_ringback_tone", True),
    ("outbound/instant_ringback_enabled", False),
    ("outbound/localization", "DE"),
    ("outbound/t38_reinvite_source", "customer"),
    ("password", "another password"),
    ("rtcp_settings/capture_enabled", True),
    ("rtcp_settings/port", "rtcp-mux"),
    ("rtcp_settings/report_frequency_secs", 10),
    ("sip_uri_calling_preference", "internal"),
    ("tags", ["changed"]),
    ("user_name", "changed1"),
    ("webhook_api_version", "2"),
    ("webhook_event_failover_url", "https://b.example/"),
    ("webhook_event_url", "https://a.example/"),
    ("webhook_timeout_secs", 20),
)
"""Every key of the model but the references to other resources, with a value that is not its default."""


def _document(key: str, value: object) -> dict[str, object]:
    outer, _, inner = key.partition("/")
    return {outer: {inner: value} if inner else value}


def _at(document: Mapping[str, object], key: str) -> object:
    outer, _, inner = key.partition("/")
    value = document[outer]
    if not inner:
        return value
    assert isinstance(value, dict)
    return value[inner]


async def test_of_fifty_merges_at_once_none_is_lost(api: Api) -> None:
    profile = (await api.call("POST", "/v2/outbound_voice_profiles", {"name": "lab"})).data["id"]
    body = {"connection_name": "lab", "user_name": "alice", "password": "long enough"}
    before = (await api.call("POST", CONNECTIONS, body)).data
    changes = (*CHANGES, ("outbound/outbound_voice_profile_id", profile))
    path = f"{CONNECTIONS}/{before['id']}"

    answers = await asyncio.gather(*(api.call("PATCH", path, _document(key, value)) for key, value in changes))

    after = (await api.call("GET", path)).data
    assert len(changes) == 50
    assert [answer.status for answer in answers] == [200] * 50
    assert [_at(after, key) for key, _ in changes] == [value for _, value in changes]
    assert all(_at(before, key) != value for key, value in changes)
