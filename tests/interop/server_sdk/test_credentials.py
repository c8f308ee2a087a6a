"""Checklist I of rest-v2, items 1 to 47: authentication, telephony credentials, tokens. A test an item."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.interop.server_sdk.conftest import SDK, Backend, code_of, everything, part_of, refused

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

ROOT = "/v2/telephony_credentials"
NOBODY = "00000000-0000-4000-8000-000000000000"


async def test_sdk_is_the_one_that_the_specification_was_read_from() -> None:
    import telnyx

    assert telnyx.__version__ == SDK


async def test_item_1_unknown_key_is_an_authentication_error(backend: Backend) -> None:
    from telnyx import AsyncTelnyx

    async with AsyncTelnyx(api_key="KEYwrong", base_url=f"{backend.gateway.http}/v2", max_retries=0) as stranger:
        status, kind, body = await refused(stranger.telephony_credentials.create(connection_id="1"))

    assert (status, kind, code_of(body)[0]) == (401, "AuthenticationError", "10009")


async def test_item_2_no_authorization_is_401_in_json(backend: Backend) -> None:
    async with backend.http.get(backend.gateway.http + ROOT) as response:
        body = await response.json()

    assert (response.status, response.content_type) == (401, "application/json")
    assert code_of(body)[0] == "10009"


async def test_item_3_basic_authorization_is_401(backend: Backend) -> None:
    status, _, body = await backend.raw("GET", ROOT, headers={"Authorization": "Basic YTpi"})

    assert (status, code_of(json.loads(body))[0]) == (401, "10009")


async def test_item_4_unknown_path_is_404_in_the_envelope(backend: Backend) -> None:
    status, _, body = await backend.raw("GET", "/v2/no_such_thing")

    assert (status, code_of(json.loads(body))[0]) == (404, "10005")


async def test_item_5_body_that_is_no_json_is_400(backend: Backend) -> None:
    status, _, body = await backend.raw("POST", ROOT, data=b"{nonsense")

    assert (status, code_of(json.loads(body))[0]) == (400, "10023")


async def test_item_6_token_with_a_json_type_and_no_body_succeeds(backend: Backend) -> None:
    credential = await backend.credential()

    status, _, body = await backend.raw(
        "POST", f"{ROOT}/{credential.id}/token", headers={"Content-Type": "application/json"}, data=b""
    )

    assert (status, body.count(b".")) == (201, 2)


async def test_item_7_delete_without_a_content_type_succeeds(backend: Backend) -> None:
    credential = await backend.credential()

    status, _, _ = await backend.raw("DELETE", f"{ROOT}/{credential.id}")

    assert status == 200


async def test_item_9_unknown_key_in_a_create_is_ignored(backend: Backend) -> None:
    credential = await backend.credential(extra_body={"no_such_key": {"a": 1}})

    assert not hasattr(credential, "no_such_key")


async def test_item_10_encoded_slash_stays_inside_its_segment(backend: Backend) -> None:
    status, _, body = await backend.raw("GET", f"{ROOT}/a%2Fb")

    assert (status, code_of(json.loads(body))[0]) == (404, "10005")


async def test_item_11_create_with_only_a_connection(backend: Backend) -> None:
    credential = await backend.credential()

    assert (credential.record_type, credential.expired) == ("credential", False)


async def test_item_12_create_answers_201(backend: Backend) -> None:
    status, _, _ = await backend.raw("POST", ROOT, data=json.dumps({"connection_id": backend.connection_id}).encode())

    assert status == 201


async def test_item_13_user_names_are_generated_and_differ(backend: Backend) -> None:
    names = {(await backend.credential()).sip_username for _ in range(2)}

    assert len(names) == 2
    assert all(re.fullmatch(r"gencred[A-Za-z0-9_-]{22}", name) for name in names)


async def test_item_14_password_is_32_hex_digits_and_is_shown_again(backend: Backend) -> None:
    credential = await backend.credential()

    assert re.fullmatch(r"[0-9a-f]{32}", credential.sip_password)
    assert (
        await backend.sdk.telephony_credentials.retrieve(credential.id)
    ).data.sip_password == credential.sip_password


async def test_item_15_resource_id_names_the_connection(backend: Backend) -> None:
    assert (await backend.credential()).resource_id == f"connection:{backend.connection_id}"


async def test_item_16_omitted_expiry_is_more_than_ten_years_ahead(backend: Backend) -> None:
    credential = await backend.credential()

    assert datetime.fromisoformat(credential.expires_at).year > datetime.now(UTC).year + 10


async def test_item_17_expiry_without_a_zone_is_utc(backend: Backend) -> None:
    credential = await backend.credential(expires_at="2099-09-18T00:00:00")

    assert in_utc(credential.expires_at) == datetime(2099, 9, 18, tzinfo=UTC)


async def test_item_18_expiry_as_python_writes_it_is_accepted(backend: Backend) -> None:
    wanted = datetime(2098, 1, 2, 3, 4, 5, tzinfo=UTC)

    credential = await backend.credential(expires_at=wanted.isoformat())

    assert in_utc(credential.expires_at) == wanted


async def test_item_19_missing_connection_names_its_key(backend: Backend) -> None:
    status, _, body = await backend.raw("POST", ROOT, data=b"{}")

    assert (status, code_of(json.loads(body))) == (422, ("10004", "/connection_id"))


async def test_item_20_unknown_connection_is_unprocessable(backend: Backend) -> None:
    status, kind, body = await refused(backend.sdk.telephony_credentials.create(connection_id="1234567890123456789"))

    assert (status, kind, code_of(body)) == (422, "UnprocessableEntityError", ("10017", "/connection_id"))


async def test_item_21_unknown_credential_is_not_found(backend: Backend) -> None:
    status, kind, body = await refused(backend.sdk.telephony_credentials.retrieve(NOBODY))

    assert (status, kind, code_of(body)[0]) == (404, "NotFoundError", "10005")


async def test_item_22_patch_of_the_name_keeps_the_user_name_and_moves_the_time(backend: Backend) -> None:
    before = await backend.credential(name="before")

    after = (await backend.sdk.telephony_credentials.update(before.id, name="after")).data

    assert (after.name, after.sip_username) == ("after", before.sip_username)
    assert after.updated_at > before.updated_at


async def test_item_23_patch_to_a_past_time_expires_it(backend: Backend) -> None:
    credential = await expired(backend)

    assert (await backend.sdk.telephony_credentials.retrieve(credential.id)).data.expired is True


async def test_item_24_patch_of_an_expired_one_answers_an_object(backend: Backend) -> None:
    credential = await expired(backend)

    status, _, body = await refused(backend.sdk.telephony_credentials.update(credential.id, name="late"))

    assert status == 422
    assert body == {"errors": {"status": "can't update credentials in expired status"}}


async def test_item_25_expired_one_can_be_deleted(backend: Backend) -> None:
    credential = await expired(backend)

    assert (await backend.sdk.telephony_credentials.delete(credential.id)).data.id == credential.id


async def test_item_26_second_delete_is_not_found(backend: Backend) -> None:
    credential = await backend.credential()
    await backend.sdk.telephony_credentials.delete(credential.id)

    status, _, body = await refused(backend.sdk.telephony_credentials.delete(credential.id))

    assert (status, code_of(body)[0]) == (404, "10005")


async def test_item_27_tag_selects(backend: Backend) -> None:
    tagged = await backend.credential(tag="item-27")
    await backend.credential(tag="item-27-other")

    assert await ids(backend, tag="item-27") == [tagged.id]


async def test_item_28_status_expired_selects(backend: Backend) -> None:
    credential = await expired(backend)

    rows = await everything(backend.sdk.telephony_credentials.list(filter={"status": "expired"}))

    assert credential.id in [row.id for row in rows]
    assert all(row.expired for row in rows)


async def test_item_29_resource_id_selects_and_the_bare_id_does_not(backend: Backend) -> None:
    connection = await backend.connection("item29")
    made = (await backend.sdk.telephony_credentials.create(connection_id=connection.id)).data

    assert await ids(backend, resource_id=f"connection:{connection.id}") == [made.id]
    assert await ids(backend, resource_id=connection.id) == []


async def test_item_30_user_name_selects_exactly_one(backend: Backend) -> None:
    credential = await backend.credential()

    assert await ids(backend, sip_username=credential.sip_username) == [credential.id]


async def test_item_31_name_is_matched_whole(backend: Backend) -> None:
    credential = await backend.credential(name="item-31")
    await backend.credential(name="item-31-longer")

    assert await ids(backend, name="item-31") == [credential.id]


async def test_item_32_two_filters_both_hold(backend: Backend) -> None:
    both = await backend.credential(name="item-32", tag="item-32")
    await backend.credential(name="item-32")
    await backend.credential(tag="item-32")

    assert await ids(backend, name="item-32", tag="item-32") == [both.id]


async def test_item_33_five_rows_by_two_come_in_three_requests_each_once(backend: Backend) -> None:
    wanted = {(await backend.credential(tag="item-33")).id for _ in range(5)}
    page = await backend.sdk.telephony_credentials.list(filter={"tag": "item-33"}, page_size=2)

    found, requests = [row.id for row in page.data], 1
    while page.has_next_page():
        page, requests = await page.get_next_page(), requests + 1
        found += [row.id for row in page.data]

    assert (set(found), len(found), requests) == (wanted, 5, 3)


async def test_item_34_meta_has_four_integers(backend: Backend) -> None:
    meta = json.loads((await backend.raw("GET", ROOT))[2])["meta"]

    assert {name: type(value) for name, value in meta.items()} == dict.fromkeys(
        ("page_number", "page_size", "total_pages", "total_results"), int
    )
    assert meta["page_size"] == 50


async def test_item_35_page_past_the_end_is_empty(backend: Backend) -> None:
    status, _, body = await backend.raw("GET", f"{ROOT}?page[number]=1000")

    assert (status, json.loads(body)["data"]) == (200, [])


@pytest.mark.parametrize("size", ["0", "251"])
async def test_item_36_page_size_out_of_bounds_is_refused(backend: Backend, size: str) -> None:
    status, _, body = await backend.raw("GET", f"{ROOT}?page[size]={size}")

    assert (status, code_of(json.loads(body))) == (400, ("10015", "page[size]"))


async def test_item_38_token_is_a_bare_compact_jwt(backend: Backend) -> None:
    token = await mint(backend)

    assert isinstance(token, str)
    assert token.count(".") == 2
    assert token == token.strip().strip('"')


async def test_item_39_token_answers_201_in_plain_text(backend: Backend) -> None:
    credential = await backend.credential()

    status, headers, _ = await backend.raw("POST", f"{ROOT}/{credential.id}/token")

    assert (status, headers["Content-Type"]) == (201, "text/plain; charset=utf-8")


async def test_item_41_header_says_hs512_and_jwt(backend: Backend) -> None:
    header = part_of(await mint(backend), 0)

    assert (header["alg"], header["typ"]) == ("HS512", "JWT")


async def test_item_42_claims_are_those_of_the_service(backend: Backend) -> None:
    credential = await backend.credential()

    claims = part_of(await backend.sdk.telephony_credentials.create_token(credential.id), 1)

    assert (claims["aud"], claims["iss"], claims["typ"]) == ("telnyx_telephony", "telnyx_telephony", "access")
    assert claims["sub"] == credential.id


async def test_item_43_token_lasts_a_day(backend: Backend) -> None:
    claims = part_of(await mint(backend), 1)

    assert claims["exp"] - claims["iat"] == 86_400


async def test_item_44_token_does_not_outlive_its_credential(backend: Backend) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    credential = await backend.credential(expires_at=until.isoformat())

    claims = part_of(await backend.sdk.telephony_credentials.create_token(credential.id), 1)

    assert claims["exp"] <= until.timestamp()


async def test_item_45_tokens_are_valid_at_once_and_distinct(backend: Backend) -> None:
    first, second = part_of(await mint(backend), 1), part_of(await mint(backend), 1)

    assert first["nbf"] <= first["iat"]
    assert first["jti"] != second["jti"]


async def test_item_46_payload_decodes_with_the_standard_alphabet(backend: Backend) -> None:
    assert not {"-", "_"} & set((await mint(backend)).split(".")[1])


async def test_item_47_no_token_for_nobody_and_for_an_expired_one(backend: Backend) -> None:
    credential = await expired(backend)

    unknown = await refused(backend.sdk.telephony_credentials.create_token(NOBODY))
    dead = await refused(backend.sdk.telephony_credentials.create_token(credential.id))

    assert (unknown[0], dead[0]) == (404, 422)


async def mint(backend: Backend) -> str:
    credential = await backend.credential()
    token: str = await backend.sdk.telephony_credentials.create_token(credential.id)
    return token


async def expired(backend: Backend) -> Any:  # Any: the SDK's model
    credential = await backend.credential()
    await backend.sdk.telephony_credentials.update(credential.id, expires_at="2020-01-01T00:00:00Z")
    return credential


async def ids(backend: Backend, **wanted: str) -> list[str]:
    return [row.id for row in await everything(backend.sdk.telephony_credentials.list(filter=wanted))]


def in_utc(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
