"""M-16 to M-31: logins of every spelling, gateway states, and the shape of whatever the gateway says."""

import asyncio
import json
import uuid

import pytest

from tests.conformance.mobile.marks import platforms
from tests.conformance.mobile.site import ECHO, OFFER, Site, converse
from tests.harness.gateway import PASSWORD
from tests.harness.mobile.client import MobileClient
from tests.harness.mobile.dialect import Login, Message
from tests.harness.mobile.flutter import SAME_ID
from tests.harness.mobile.sdk import ANDROID, Sdk

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHODS_WITHOUT_NULLS = ("telnyx_rtc.bye", "telnyx_rtc.ringing", "telnyx_rtc.invite")


@platforms("f")
async def test_m016_a_token_beside_a_null_user_name_and_a_null_password_is_a_token_login(site: Site, sdk: Sdk) -> None:
    token = await site.token(await site.user())
    params = sdk.dialect.login_params(Login(token=token), None)
    async with site.dialed(sdk) as client:
        await client.login(Login(token=token))

    assert (params["login"], params["passwd"]) == (None, None)


@platforms("iafr")
async def test_each_platform_logs_in_with_a_password_and_with_a_token(site: Site, sdk: Sdk) -> None:
    user = await site.user()
    async with site.dialed(sdk) as client:
        await client.login(Login(username=user, password=PASSWORD))
    async with site.dialed(sdk) as client:
        await client.login(Login(token=await site.token(user)))


@platforms("iafr")
@pytest.mark.parametrize("is_object", [False, True], ids=["text", "object"])
async def test_m017_the_user_agent_may_be_a_text_or_an_object(site: Site, sdk: Sdk, is_object: bool) -> None:
    login = Login(username=await site.user(), password=PASSWORD)
    async with site.dialed(sdk) as client:
        params = sdk.dialect.login_params(login, client.session_id)
        if is_object:
            params["User-Agent"] = {"sdkVersion": sdk.dialect.version, "data": sdk.dialect.agent()}
        await client.request("login", params)
        await client.register()

        sessions = (await site.gateway.get("/v2/gateway/sessions"))["data"]
        agents = [session["user_agent"] for session in sessions if session["username"] == login.username]
        assert agents == [f"{sdk.name}-{sdk.dialect.version}"]


@platforms("iafr")
@pytest.mark.parametrize("name", ["attach_call", "attach_calls"])
@pytest.mark.parametrize("value", ["true", True])
async def test_m018_the_wish_to_get_calls_back_is_read_in_every_spelling(
    site: Site, sdk: Sdk, name: str, value: object
) -> None:
    own = str(uuid.uuid4())
    login = Login(username=await site.user(), password=PASSWORD)
    async with site.dialed(sdk, session_id=own) as client:
        await client.login(login)
        call = await client.invite(ECHO, OFFER)
        await client.wait_for("telnyx_rtc.answer", call)
        client.drop()
        await client.is_closed.wait()
    async with site.dialed(sdk, session_id=own) as again:
        again.rules.calls = client.rules.calls
        await again.request("login", {**sdk.dialect.login_params(login, own), "loginParams": {name: value}})
        await again.wait_for("telnyx_rtc.attach", call)
        await again.bye(call)


@platforms("r")
async def test_m019_the_login_result_says_logged_in_and_names_the_session(site: Site, sdk: Sdk) -> None:
    async with site.dialed(sdk) as client:
        result = await client.login(Login(username=await site.user(), password=PASSWORD))

        assert result["message"] == "logged in"
        assert result["sessid"] == client.session_id


@platforms("iafr")
async def test_m020_client_ready_is_a_message_of_its_own_with_a_list(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        await client.barrier()
        ready = [message for message in client.messages if message["method"] == "telnyx_rtc.clientReady"]

        assert [message["params"]["reattached_sessions"] for message in ready] == [[]]
        assert all("result" not in message for message in ready)


@platforms("iafr")
async def test_m021_the_gateway_state_stands_in_result_params_beside_the_session(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        result = await client.register()

        assert result["params"]["state"] == "REGED"
        assert result["sessid"]


@platforms("r")
async def test_m022_the_first_gateway_state_is_reged(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        states = [answer["result"]["params"]["state"] for answer in client.answers if "params" in answer["result"]]

        assert states == ["REGED"]


@platforms("f")
async def test_m023_requests_with_the_same_odd_id_get_an_answer_each(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        before = len(client.answers)
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(client.register())

        assert [answer["id"] for answer in client.answers[before:]] == [SAME_ID] * 3


@platforms("iaf")
@pytest.mark.parametrize(("has_token", "code"), [(False, -32001), (True, -32000)], ids=["password", "token"])
async def test_m025_a_bad_login_gets_its_code_and_its_id_and_the_socket_stays(
    site: Site, sdk: Sdk, has_token: bool, code: int
) -> None:
    user = await site.user()
    bad = Login(token="eyJ.not.one") if has_token else Login(username=user, password="wrong")
    async with site.dialed(sdk) as client:
        answer = await client.ask("login", sdk.dialect.login_params(bad, None), request_id="bad-login")

        assert answer["id"] == "bad-login"
        assert answer["error"]["code"] == code
        assert answer["error"]["message"]
        await client.login(Login(username=user, password=PASSWORD))


@platforms("a")
async def test_m026_a_second_identical_login_after_a_failed_one_is_treated_alike(site: Site, sdk: Sdk) -> None:
    user = await site.user()
    params = sdk.dialect.login_params(Login(username=user, password="wrong"), None)
    for _ in range(2):
        async with site.dialed(sdk) as client:
            answers = [await client.ask("login", params) for _ in range(2)]
            assert [answer["error"]["code"] for answer in answers] == [-32001] * 2
    async with site.dialed(sdk) as client:
        await client.login(Login(username=user, password=PASSWORD))


@platforms("f")
async def test_m027_a_session_id_of_the_clients_own_making_works_whatever_the_server_calls_it(
    site: Site, sdk: Sdk
) -> None:
    user = await site.user()
    async with site.dialed(sdk) as client:
        own = client.session_id
        result = await client.login(Login(username=user, password=PASSWORD))
        assert result["sessid"]
        assert client.session_id == own
        await _calls_and_hangs_up(client)
    issued = result["sessid"]
    async with site.dialed(sdk, session_id=issued) as client:
        await client.login(Login(username=user, password=PASSWORD))
        await _calls_and_hangs_up(client)


async def _calls_and_hangs_up(client: MobileClient) -> None:
    call = await client.invite(ECHO, OFFER)
    await client.wait_for("telnyx_rtc.answer", call)
    await client.modify(call, "hold")
    await client.bye(call)


@platforms("fr")
@pytest.mark.parametrize(
    "request_id", [SAME_ID, str(uuid.UUID(int=9)).upper(), "7", 'ü 😀 \\ " /', "x" * 200], ids=range(5)
)
async def test_m028_an_id_comes_back_byte_for_byte(site: Site, sdk: Sdk, request_id: str) -> None:
    async with site.client(sdk) as client:
        answer = await client.ask("telnyx_rtc.gatewayState", {}, request_id=request_id)

        assert answer["id"] == request_id


@platforms("fr")
async def test_requests_of_the_server_have_integer_ids_of_their_own(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        await converse(site, client)

        ids = [message["id"] for message in client.messages]
        assert all(isinstance(number, int) for number in ids)
        assert len(set(ids)) == len(ids)


@platforms("af")
async def test_m029_results_and_params_are_objects_in_all_of_a_day(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        await converse(site, client)

        assert len(client.answers) > 10
        assert all(isinstance(answer["result"], dict) for answer in client.answers if "result" in answer)
        assert all(isinstance(message["params"], dict) for message in client.messages)


@platforms("a")
async def test_m030_no_message_but_the_gateway_state_has_a_state_in_its_params(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        await converse(site, client)

        assert not [message for message in client.messages if "state" in message["params"]]


@platforms("a")
async def test_m031_byes_ringings_and_invites_leave_out_what_is_not_there(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        await converse(site, client)

        seen = [message for message in client.messages if message["method"] in METHODS_WITHOUT_NULLS]
        assert {message["method"] for message in seen} == set(METHODS_WITHOUT_NULLS)
        assert not [message for message in seen if _has_null(message)]


def _has_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(_has_null(member) for member in value.values())
    return any(_has_null(item) for item in value) if isinstance(value, list) else value is None


async def test_android_writes_as_gson_does() -> None:
    message: Message = {"id": "1", "method": "login", "params": {"passwd": "<=>&'", "sessid": None}}
    text = ANDROID.dialect.encode(message)

    assert "\\u003c\\u003d\\u003e\\u0026\\u0027" in text
    assert "sessid" not in json.loads(text)["params"]
