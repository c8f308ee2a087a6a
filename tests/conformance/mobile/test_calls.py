"""M-32 to M-47 and M-56 to M-58: calls by signalling, in every spelling."""

import uuid

import pytest

from tests.conformance.mobile.marks import platforms
from tests.conformance.mobile.site import (
    ANSWER,
    BUSY,
    CALLER,
    EARLY_MEDIA,
    ECHO,
    HANGS_UP,
    OFFER,
    RINGS_FOR_EVER,
    Site,
    converse,
)
from tests.harness.mobile.client import MobileClient
from tests.harness.mobile.dialect import Message
from tests.harness.mobile.rules import is_uuid
from tests.harness.mobile.sdk import ANDROID, FLUTTER, IOS, REACT_NATIVE, Sdk

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def talking(client: MobileClient, number: str = ECHO) -> str:
    """An outbound call that is answered."""
    call = await client.invite(number, OFFER)
    await client.wait_for("telnyx_rtc.answer", call)
    return call


@platforms("r")
async def test_m032_the_invite_result_is_call_created_with_the_same_call_id(site: Site, sdk: Sdk) -> None:
    call = str(uuid.uuid4())
    async with site.client(sdk) as client:
        client.rules.placed(call)
        params = sdk.dialect.invite_params(client.session_id, call, ECHO, OFFER)
        result = await client.request("telnyx_rtc.invite", params)
        await client.bye(call)

        assert result == {"callID": call, "message": "CALL CREATED", "sessid": client.session_id}


@platforms("iaf")
@pytest.mark.parametrize("key", ["sessid", "sessionId", "sessId", None])
async def test_m033_the_session_is_found_under_each_name_and_without_any(site: Site, sdk: Sdk, key: str | None) -> None:
    def respelled(params: Message) -> Message:
        rest = {name: value for name, value in params.items() if name not in ("sessid", "sessionId", "sessId")}
        return rest if key is None else {**rest, key: client.session_id}

    call = str(uuid.uuid4())
    async with site.client(sdk) as client:
        dialect, session = sdk.dialect, client.session_id
        client.rules.placed(call)
        await client.request("telnyx_rtc.invite", respelled(dialect.invite_params(session, call, ECHO, OFFER)))
        await client.wait_for("telnyx_rtc.answer", call)
        await client.request("telnyx_rtc.modify", respelled(dialect.modify_params(session, call, "hold")))
        await client.request("telnyx_rtc.info", respelled(dialect.info_params(session, call, "1")))
        bye = respelled(dialect.bye_params(session, call, ("NORMAL_CLEARING", 16)))
        await client.request("telnyx_rtc.bye", bye)


@platforms("afr")
@pytest.mark.parametrize("key", ["callID", "callId"])
async def test_m034_bye_and_modify_find_their_call_by_either_name_in_either_case(
    site: Site, sdk: Sdk, key: str
) -> None:
    async with site.client(sdk) as client:
        call = await talking(client)
        spelled = call.upper()
        hold = {**sdk.dialect.modify_params(client.session_id, call, "hold"), "dialogParams": {key: spelled}}
        bye = sdk.dialect.bye_params(client.session_id, call, ("NORMAL_CLEARING", 16))

        assert (await client.request("telnyx_rtc.modify", hold))["holdState"] == "held"
        await client.request("telnyx_rtc.bye", {**bye, "dialogParams": {key: spelled}})
        assert not await is_live(site, client)


async def is_live(site: Site, client: MobileClient) -> bool:
    """Whether the gateway still has a call of that client."""
    live = (await site.gateway.get("/v2/gateway/calls?state=live"))["data"]
    return any(call["connection_id"] == site.connections[client.username] for call in live)


@platforms("iafr")
@pytest.mark.parametrize("variables", [[], {}, {"tier": "gold"}, None], ids=["array", "object", "filled", "missing"])
async def test_m035_user_variables_may_be_an_array_an_object_or_missing(
    site: Site, sdk: Sdk, variables: object
) -> None:
    async with site.client(sdk) as client:
        call = str(uuid.uuid4())
        client.rules.placed(call)
        params = sdk.dialect.invite_params(client.session_id, call, ECHO, OFFER)
        params["dialogParams"].pop("userVariables", None)
        if variables is not None:
            params["dialogParams"]["userVariables"] = variables
        await client.request("telnyx_rtc.invite", params)
        await client.wait_for("telnyx_rtc.answer", call)
        await client.bye(call)


@platforms("f")
async def test_m036_the_servers_dialog_params_never_hold_user_variables(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        await converse(site, client)

        dialogs = [message["params"].get("dialogParams", {}) for message in client.messages]
        assert any(dialogs)
        assert not [dialog for dialog in dialogs if "userVariables" in dialog]


@platforms("ar")
async def test_m037_ringing_names_the_caller_and_both_ids(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        call = await client.invite(RINGS_FOR_EVER, OFFER)
        ringing = await client.wait_for("telnyx_rtc.ringing", call)
        await client.bye(call, is_active=False)

        assert isinstance(ringing["caller_id_name"], str)
        assert isinstance(ringing["caller_id_number"], str)
        assert is_uuid(ringing["telnyx_session_id"])
        assert is_uuid(ringing["telnyx_leg_id"])


@platforms("iafr")
async def test_m038_an_inbound_invite_has_all_that_the_clients_demand(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        call = await site.ring(client)
        invite = await client.wait_for("telnyx_rtc.invite", call)
        await client.bye(call, is_active=False)

        assert [is_uuid(invite[name]) for name in ("callID", "telnyx_session_id", "telnyx_leg_id")] == [True] * 3
        assert "m=audio" in invite["sdp"]
        assert isinstance(invite["caller_id_name"], str)
        assert invite["caller_id_number"] == CALLER
        assert invite["dialogParams"]["custom_headers"] == []


@platforms("iafr")
async def test_m039_no_call_waits_for_the_acknowledgement_of_a_message(unhurried: Site, sdk: Sdk) -> None:
    async with unhurried.client(sdk) as client:
        client.acknowledges = False
        call = await client.invite(EARLY_MEDIA, OFFER)
        await client.wait_for("telnyx_rtc.media", call)
        await client.wait_for("telnyx_rtc.answer", call)
        await client.bye(call)
        call = await unhurried.ring(client, "hangup")
        await client.answer(call, ANSWER)

        await client.wait_for("telnyx_rtc.bye", call)


@platforms("ifr")
async def test_m040_the_acknowledgements_that_do_come_are_taken_in_silence(site: Site, sdk: Sdk) -> None:
    acknowledged = {FLUTTER: "telnyx_rtc.ringing", REACT_NATIVE: "telnyx_rtc.answer"}
    async with site.client(sdk) as client:
        call = await client.invite(ECHO, OFFER)
        await client.wait_for("telnyx_rtc.ringing", call)
        if sdk is IOS:
            ack = {"callID": call, "sessid": client.session_id}
            assert isinstance(await client.request("telnyx_rtc.ringing_ack", ack), dict)
        await client.wait_for("telnyx_rtc.answer", call)
        before = len(client.answers)
        await client.barrier()

        assert len(client.answers) == before + 1
        assert client.acknowledged == ([acknowledged[sdk]] if sdk in acknowledged else [])
        assert (await client.modify(call, "hold"))["holdState"] == "held"
        await client.bye(call)


@platforms("iafr")
async def test_m041_a_call_gets_its_description_once_with_media_or_with_the_answer(unhurried: Site, sdk: Sdk) -> None:
    async with unhurried.client(sdk) as client:
        early = await talking(client, EARLY_MEDIA)
        plain = await talking(client, ECHO)
        media = client.all_of("telnyx_rtc.media")
        answers = {answer["callID"]: answer for answer in client.all_of("telnyx_rtc.answer")}
        await client.bye(early)
        await client.bye(plain)

        assert [(one["callID"], "m=audio" in one["sdp"]) for one in media] == [(early, True)]
        assert "sdp" not in answers[early]
        assert "m=audio" in answers[plain]["sdp"]


@platforms("r")
async def test_m043_answer_attach_modify_info_and_bye_each_get_an_object(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        call = await site.ring(client)
        results = [await client.answer(call, ANSWER)]
        client.drop()
        await client.is_closed.wait()
    async with site.back(client) as again:
        await again.wait_for("telnyx_rtc.attach", call)
        results += [
            await again.attach(call, ANSWER),
            await again.modify(call, "hold"),
            await again.modify(call, "unhold"),
            await again.dtmf(call, "1"),
            await again.bye(call),
        ]

    assert all(isinstance(result, dict) for result in results)


@platforms("ir")
async def test_m044_hold_unhold_and_toggle_hold_answer_with_the_state_they_lead_to(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        call = await talking(client)
        toggles = ["toggleHold", "toggleHold"] if sdk is IOS else []  # React Native knows no such thing
        actions = ["hold", "unhold", *toggles]
        answers = [await client.modify(call, action) for action in actions]
        await client.bye(call)

        assert [answer["action"] for answer in answers] == actions
        assert [answer["holdState"] for answer in answers] == (["held", "active"] * 2)[: len(actions)]
        assert {answer["callID"] for answer in answers} == {call}
        assert all(answer["sessid"] for answer in answers)


@platforms("iafr")
async def test_m045_several_digits_in_one_message_reach_the_far_end(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        lab_call = await site.lab_call(client, "echo")
        call = (await client.wait_for("telnyx_rtc.invite"))["callID"]
        await client.answer(call, ANSWER)
        result = await client.dtmf(call, "159#")

        assert result["sessid"]
        await site.lab_hears(lab_call, digits="159#")
        await client.bye(call)


@platforms("fr")
@pytest.mark.parametrize("number", [BUSY, HANGS_UP], ids=["refused", "hung up"])
async def test_m046_a_bye_has_a_cause_an_integer_code_and_no_sip_code_but_an_integer(
    site: Site, sdk: Sdk, number: str
) -> None:
    async with site.client(sdk) as client:
        call = await client.invite(number, OFFER)
        bye = await client.wait_for("telnyx_rtc.bye", call)

        expected = ("USER_BUSY", 17, 486) if number == BUSY else ("NORMAL_CLEARING", 16, None)
        assert (bye["cause"], bye["causeCode"], bye.get("sipCode")) == expected
        assert all(isinstance(bye.get(name, 0), int) for name in ("causeCode", "sipCode"))


@platforms("iaf")
async def test_m056_preferred_codecs_do_no_harm(site: Site, sdk: Sdk) -> None:
    preferred = [
        {"mimeType": "audio/PCMU", "clockRate": 8000, "channels": 1},
        {"mimeType": "audio/opus", "clockRate": 48000, "channels": 2, "sdpFmtpLine": "minptime=10;useinbandfec=1"},
    ]
    async with site.client(sdk) as client:
        call = await client.invite(ECHO, OFFER, preferred_codecs=preferred)
        answer = await client.wait_for("telnyx_rtc.answer", call)
        await client.bye(call)

        assert "m=audio" in answer["sdp"]


@platforms("r")
async def test_m047_busy_as_the_cause_of_hanging_up_an_answered_call_is_plain_clearing(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client, site.client(ANDROID) as far:
        call = await client.invite(far.username, OFFER)
        theirs = (await far.wait_for("telnyx_rtc.invite"))["callID"]
        await far.answer(theirs, ANSWER)
        await client.wait_for("telnyx_rtc.answer", call)
        assert sdk.dialect.hang_up_cause(is_active=True) == ("USER_BUSY", 17)
        await client.bye(call)
        bye = await far.wait_for("telnyx_rtc.bye", theirs)

        assert (bye["cause"], bye["causeCode"], bye.get("sipCode")) == ("NORMAL_CLEARING", 16, None)


@platforms("iafr")
async def test_m057_custom_headers_reach_the_far_side_and_come_back(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client, site.client(IOS) as far:
        call = await client.invite(far.username, OFFER, headers=[("X-Ticket", "42"), ("X-Who", "ä b")])
        invite = await far.wait_for("telnyx_rtc.invite")
        await far.answer(invite["callID"], ANSWER, headers=[("X-Agent", "7")])
        answer = await client.wait_for("telnyx_rtc.answer", call)
        await client.bye(call)

        there = [{"name": "X-Ticket", "value": "42"}, {"name": "X-Who", "value": "ä b"}]
        assert invite["dialogParams"]["custom_headers"] == there
        assert answer["dialogParams"]["custom_headers"] == [{"name": "X-Agent", "value": "7"}]
