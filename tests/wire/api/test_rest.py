"""What every operation has in common, on the profiles: paths, keys, bodies, errors (rest-v2 0)."""

import json

import pytest

from tests.harness.rest import Api

PROFILES = "/v2/outbound_voice_profiles"


async def made(api: Api, name: str = "lab") -> str:
    return str((await api.call("POST", PROFILES, {"name": name})).data["id"])


@pytest.mark.parametrize("prefix", ["/v2", ""])
async def test_base_url_with_and_without_v2_is_served(api: Api, prefix: str) -> None:
    answer = await api.call("GET", f"{prefix}/outbound_voice_profiles")

    assert (answer.status, answer.data) == (200, [])


@pytest.mark.parametrize("path", ["/v2/outbound_voice_profiles", "/outbound_voice_profiles", "/v2/nothing"])
@pytest.mark.parametrize("authorization", ["", "Basic YTpi", "Bearer", "Bearer KEYwrong"])
async def test_without_a_key_nothing_is_told_of_a_path(api: Api, path: str, authorization: str) -> None:
    answer = await api.call("GET", path, headers={"Authorization": authorization})

    assert (answer.status, answer.refusals) == (401, [("10009", None)])
    assert answer.headers["Content-Type"].startswith("application/json")


async def test_unknown_path_is_not_found_in_the_envelope(api: Api) -> None:
    answer = await api.call("GET", "/v2/nothing_here")

    assert (answer.status, answer.refusals) == (404, [("10005", None)])


async def test_slash_in_an_id_stays_inside_its_segment(api: Api) -> None:
    answer = await api.call("GET", f"{PROFILES}/a%2Fb")

    assert (answer.status, answer.refusals) == (404, [("10005", None)])


async def test_method_that_a_path_has_not_is_told_which_it_has(api: Api) -> None:
    answer = await api.call("PUT", PROFILES, {})

    assert (answer.status, answer.refusals) == (405, [("10015", None)])
    assert answer.headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("data", "status", "refusal"),
    [
        (b"{", 400, ("10023", None)),
        (b'{"name": NaN}', 400, ("10023", None)),
        (b"\xff\xfe{}", 400, ("10023", None)),
        (b"[" * 100_000, 400, ("10023", None)),
        (b"[1]", 422, ("10027", "/")),
        (b'"text"', 422, ("10027", "/")),
        (b"", 422, ("10004", "/name")),
        (b"{}", 422, ("10004", "/name")),
        (b'{"name": 5}', 422, ("10027", "/name")),
        (b'{"name": "ab"}', 422, ("10027", "/name")),
        (b'{"name": "a\\u0000b"}', 422, ("10027", "/name")),
        (b'{"name": "a\\ud800b"}', 422, ("10027", "/name")),
        (b'{"name": "lab", "enabled": "yes"}', 422, ("10027", "/enabled")),
        (b'{"name": "lab", "traffic_type": "x"}', 422, ("10032", "/traffic_type")),
        (b'{"name": "lab", "concurrent_call_limit": -1}', 422, ("10033", "/concurrent_call_limit")),
        (b'{"name": "lab", "whitelisted_destinations": ["US", "x"]}', 422, ("10027", "/whitelisted_destinations/1")),
        (b'{"name": "lab", "daily_spend_limit": "much"}', 422, ("10015", "/daily_spend_limit")),
        (b'{"name": "' + b"x" * (1024 * 1024) + b'"}', 413, ("10015", None)),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_bad_body_names_its_place_and_changes_nothing(
    api: Api, data: bytes, status: int, refusal: tuple[str, str | None]
) -> None:
    answer = await api.call("POST", PROFILES, data=data, headers={"Content-Type": "application/json"})

    assert (answer.status, answer.refusals) == (status, [refusal])
    assert (await api.call("GET", PROFILES)).data == []


async def test_several_mistakes_are_told_at_once_what_is_missing_first(api: Api) -> None:
    answer = await api.call("POST", PROFILES, {"enabled": 3, "service_plan": "x", "concurrent_call_limit": -2})

    assert answer.refusals == [
        ("10004", "/name"),
        ("10032", "/service_plan"),
        ("10027", "/enabled"),
        ("10033", "/concurrent_call_limit"),
    ]


async def test_unknown_keys_are_ignored(api: Api) -> None:
    answer = await api.call("POST", PROFILES, {"name": "lab", "no_such_key": {"a": 1}})

    assert answer.status == 200
    assert "no_such_key" not in answer.data


async def test_missing_resource_is_told_before_the_body_is_looked_at(api: Api) -> None:
    answer = await api.call("PATCH", f"{PROFILES}/1", {"name": 5})

    assert (answer.status, answer.refusals) == (404, [("10005", None)])


async def test_delete_without_a_content_type_gives_the_row_and_then_nothing(api: Api) -> None:
    profile_id = await made(api)

    first = await api.call("DELETE", f"{PROFILES}/{profile_id}")
    second = await api.call("DELETE", f"{PROFILES}/{profile_id}")

    assert (first.status, first.data["id"], second.status) == (200, profile_id, 404)


async def test_pages_have_their_four_numbers_and_every_row_once(api: Api) -> None:
    ids = [await made(api, f"lab {number}") for number in range(5)]

    pages = [
        await api.call("GET", f"{PROFILES}?page[number]={number}&page[size]=2&sort=name") for number in (1, 2, 3, 4)
    ]

    assert [row for page in pages for row in page.ids] == ids
    assert [page.body["meta"] for page in pages] == [
        {"page_number": number, "page_size": 2, "total_pages": 3, "total_results": 5} for number in (1, 2, 3, 4)
    ]


async def test_empty_list_has_one_page_so_that_iterators_stop(api: Api) -> None:
    answer = await api.call("GET", PROFILES)

    assert answer.body["meta"] == {"page_number": 1, "page_size": 20, "total_pages": 1, "total_results": 0}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("page[number]=0", "page[number]"),
        ("page[number]=-1", "page[number]"),
        ("page[number]=x", "page[number]"),
        ("page[number]=99999999999999999999", "page[number]"),
        ("page[size]=0", "page[size]"),
        ("page[size]=251", "page[size]"),
        ("page[size]=", "page[size]"),
        ("page_number=0", "page_number"),
        ("sort=password", "sort"),
        ("sort=", "sort"),
        ("sort=name,,name", "sort"),
        ("filter[nothing]=1", "filter[nothing]"),
        ("filter[name]=lab", "filter[name]"),
        ("filter=lab", "filter"),
        ("filter[name][contains]=" + "x" * 2000, "filter[name][contains]"),
    ],
)
async def test_page_sort_or_filter_that_a_list_has_not_is_named(api: Api, query: str, parameter: str) -> None:
    answer = await api.call("GET", f"{PROFILES}?{query}")

    assert (answer.status, answer.refusals) == (400, [("10015", parameter)])


async def test_filter_holds_its_text_in_whatever_case_and_takes_wildcards_as_letters(api: Api) -> None:
    wanted = await made(api, "Contact 100%_x")
    await made(api, "contact 1000")

    answer = await api.call("GET", f"{PROFILES}?filter[name][contains]=CT 100%25_")

    assert answer.ids == [wanted]


async def test_patch_changes_what_is_named_and_keeps_the_rest(api: Api) -> None:
    created = await api.call(
        "POST", PROFILES, {"name": "lab", "calling_window": {"calls_per_cld": 3, "start_time": "08:00:00.00Z"}}
    )
    path = f"{PROFILES}/{created.data['id']}"

    changed = await api.call("PATCH", path, {"calling_window": {"calls_per_cld": 5}, "enabled": False})

    assert changed.data["calling_window"] == {"calls_per_cld": 5, "start_time": "08:00:00.00Z", "end_time": None}
    assert (changed.data["enabled"], changed.data["name"]) == (False, "lab")
    assert (await api.call("GET", path)).data == changed.data


async def test_patch_against_the_rules_names_the_nested_key_and_changes_nothing(api: Api) -> None:
    path = f"{PROFILES}/{await made(api)}"
    before = (await api.call("GET", path)).body

    answer = await api.call("PATCH", path, {"enabled": False, "calling_window": {"calls_per_cld": -1}})

    assert (answer.status, answer.refusals) == (422, [("10033", "/calling_window/calls_per_cld")])
    assert (await api.call("GET", path)).body == before


async def test_profile_that_only_has_a_name_has_the_services_defaults(api: Api) -> None:
    profile = (await api.call("POST", PROFILES, {"name": "lab"})).data

    assert profile["whitelisted_destinations"] == ["US", "CA"]
    assert (profile["enabled"], profile["connections_count"]) == (True, 0)
    assert profile["record_type"] == "outbound_voice_profile"
    assert json.loads(profile["id"]) > 10**18


@pytest.mark.parametrize("kind", ["ios", "android"])
async def test_connection_names_a_push_credential_that_exists_and_is_of_its_kind(api: Api, kind: str) -> None:
    other = {"ios": "android", "android": "ios"}[kind]
    material: dict[str, dict[str, object]] = {
        "ios": {"certificate": "c", "private_key": "k"},
        "android": {"project_account_json_file": {"a": 1}},
    }
    made = {
        name: (await api.call("POST", "/v2/mobile_push_credentials", {"type": name, "alias": name, **keys})).data["id"]
        for name, keys in material.items()
    }
    body = {"connection_name": "lab", "user_name": "alice", "password": "long enough"}
    key = f"{kind}_push_credential_id"

    for wrong in ("nothing", made[other]):
        answer = await api.call("POST", "/v2/credential_connections", {**body, key: wrong})
        assert (answer.status, answer.refusals) == (422, [("10017", f"/{key}")])
    right = await api.call("POST", "/v2/credential_connections", {**body, key: made[kind]})

    assert (right.status, right.data[key]) == (201, made[kind])
