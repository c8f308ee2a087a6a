"""The console's pages beside the phone's, as people use them: accounts, call records, the API. One gateway for all."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, Final, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.harness.gateway import Running, running
from tests.harness.lab import live_call, ring
from tests.interop.browser.chromium import SharedChromium
from tests.interop.browser.console import DESKTOP, PHONE, Console, console, faint_texts
from tests.interop.browser.sound import write_tone
from tests.wire.whole.phone import phone

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

ECHO: Final = "+12025550100"
SECRET: Final = "a long password"
CONNECTIONS: Final = "/v2/credential_connections"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    settings = {"lab": {"time_scale": 0.3}, "calls": {"stop_grace": 0.0}}
    async with running(tmp_path_factory.mktemp("gateway"), settings, users=("alice",)) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedChromium]:
    shared = SharedChromium(write_tone(tmp_path_factory.mktemp("sound") / "microphone.wav", 620.0))
    try:
        yield shared
    finally:
        await shared.close()


@pytest_asyncio.fixture(loop_scope="module")
async def opened(gateway: Running, shared_chromium: SharedChromium) -> AsyncIterator[Console]:
    """A tab of its own, on no page yet."""
    async with console(await shared_chromium.get(), gateway) as opened:
        yield opened


async def accounts(opened: Console) -> Page:
    """The page of the accounts, with the key, and all of its lists: one that comes later moves the buttons below it."""
    await opened.page.goto(f"{opened.gateway.http}/console/accounts#key={opened.gateway.key}")
    await expect(row_of(opened.page, "alice")).to_be_visible()
    for name in ("profiles", "owned"):
        await expect(opened.page.locator(f"#{name} > tr, #no-{name}:not([hidden])").first).to_be_visible()
    return opened.page


def row_of(page: Page, name: str) -> Locator:
    return page.locator("tr[data-id]", has=page.locator(".party", has_text=re.compile(f"^{re.escape(name)}$")))


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def field(page: Page, name: str) -> Locator:
    return page.get_by_role("dialog").get_by_label(name, exact=True)


def problem(page: Page, name: str) -> Locator:
    """What the form says about that field."""
    return page.locator("dialog .form-row", has=page.get_by_label(name, exact=True)).locator(".error")


async def connection(gateway: Running, name: str, **more: object) -> Any:  # Any: JSON of the API
    user_name = name.lower().replace(" ", "")
    body = {"connection_name": name, "user_name": user_name, "password": SECRET, **more}
    return (await gateway.post(CONNECTIONS, body))["data"]


async def connections(gateway: Running) -> dict[str, Any]:  # Any: JSON of the API
    rows = (await gateway.get(f"{CONNECTIONS}?page[size]=250"))["data"]
    return {row["connection_name"]: row for row in rows}


async def until_charged(gateway: Running, login: str) -> None:
    """Ask until there is a detail record of that login: it comes a moment after the call's end."""
    path = f"/v2/detail_records?filter[record_type]=webrtc&filter[auth_username]={login}"
    async with asyncio.timeout(30):
        while not (await gateway.get(path))["data"]:
            pass


async def ended_call(gateway: Running) -> None:
    """A call that is over, and is in the list of such calls."""
    await ring(gateway, **{"from": "+12025550190"})
    async with asyncio.timeout(30):
        while not (await gateway.get("/v2/gateway/calls?state=ended"))["data"]:
            pass


async def test_connection_credential_and_token_are_made_and_the_token_signs_the_phone_in(opened: Console) -> None:
    page = await accounts(opened)
    await button(page, "New profile").click()
    await field(page, "Name").fill("North America")
    await page.keyboard.press("Enter")
    await expect(row_of(page, "North America")).to_contain_text("0 connections")
    await button(page, "New connection").press("Enter")
    await field(page, "Name").fill("Support desk")
    await field(page, "User name").fill("support")
    await field(page, "Password").fill(SECRET)
    await field(page, "Outbound voice profile").select_option("North America")
    await field(page, "Caller number that a trunk sees").fill("+12025550199")
    await page.keyboard.press("Enter")
    await expect(row_of(page, "North America")).to_contain_text("1 connection")
    await button(page, "Credentials of Support desk").press("Enter")
    await button(page, "New credential").press("Enter")
    await field(page, "Name").fill("Ann's browser")
    await page.keyboard.press("Enter")
    await button(page, "Make a token for Ann's browser").press("Enter")
    token = await page.get_by_role("textbox", name="Token for Ann's browser").input_value()

    await expect(page.locator(".token")).to_contain_text(re.compile("in (24 hours|1 day)"))
    await expect(page.locator("*:focus")).to_have_accessible_name("Copy the token for Ann's browser")
    kept = await page.evaluate("JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")
    assert token not in kept
    await page.get_by_role("link", name="Phone").click()
    await page.get_by_role("radio", name="Token").check()
    await page.locator("#login-token").fill(token)
    await button(page, "Sign in").click()
    await expect(page.locator("#status-text")).to_have_text("ready")
    await page.locator("#destination").fill(ECHO)
    await page.keyboard.press("Enter")
    await opened.is_in_call()
    async with page.context.expect_page() as beside:
        await page.get_by_role("link", name="Accounts").click()
    await expect(row_of(await beside.value, "Support desk")).to_be_visible()
    await expect(page.locator("#call-state")).to_have_text("in call")


async def test_wrong_input_is_said_at_its_field_and_a_right_one_goes_through(opened: Console) -> None:
    page = await accounts(opened)
    await button(page, "New connection").click()
    await field(page, "Name").fill("Sales")
    await field(page, "User name").fill("alice")
    await field(page, "Password").fill(SECRET)
    await page.keyboard.press("Enter")
    await expect(problem(page, "User name")).to_have_text("That user_name is taken already.")
    await expect(field(page, "User name")).to_be_focused()
    await field(page, "User name").fill("sales")
    await field(page, "Calls to trunks at once").fill("many")
    await page.keyboard.press("Enter")
    await expect(problem(page, "Calls to trunks at once")).to_have_text("A number.")
    await expect(problem(page, "User name")).to_have_text("")
    assert "Sales" not in await connections(opened.gateway)

    await field(page, "Calls to trunks at once").fill("2")
    await page.keyboard.press("Enter")

    await expect(row_of(page, "Sales")).to_contain_text("2 out, any in")
    opened.problems.clear()  # Chromium writes its own line about a 422


async def test_change_sends_what_was_changed_and_leaves_the_rest_alone(opened: Console) -> None:
    before = await connection(opened.gateway, "Front desk", inbound={"channel_limit": 3, "timeout_1xx_secs": 7})
    page = await accounts(opened)
    await button(page, "Change Front desk").click()
    await field(page, "Name").fill("Reception")
    await field(page, "Calls to its clients at once").fill("")
    await field(page, "Active: its clients may log in, call and be called").uncheck()
    await field(page, "Who may call its user name").select_option("unrestricted")
    await button(page, "Save").click()

    await expect(row_of(page, "Reception")).to_contain_text("inactive")
    after = (await connections(opened.gateway))["Reception"]
    differ = {name for name in before if before[name] != after[name]}
    assert differ == {"connection_name", "active", "inbound", "sip_uri_calling_preference", "updated_at"}
    assert after["inbound"] == {**before["inbound"], "channel_limit": None}
    await expect(button(page, "Change Reception")).to_be_focused()


async def test_nothing_is_deleted_without_asking(opened: Console) -> None:
    owner = await connection(opened.gateway, "Night shift")
    await opened.gateway.post("/v2/telephony_credentials", {"connection_id": owner["id"], "name": "Old tablet"})
    page = await accounts(opened)
    await button(page, "Credentials of Night shift").click()
    for refusal in ("Escape", "Enter"):  # the button that keeps it has the focus
        await button(page, "Delete Old tablet").click()
        await page.keyboard.press(refusal)
        await expect(page.get_by_role("alertdialog")).to_have_count(0)
        await expect(row_of(page, "Old tablet")).to_be_visible()

    await button(page, "Delete Old tablet").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    await expect(row_of(page, "Old tablet")).to_have_count(0)
    await button(page, "Delete Night shift").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    await expect(row_of(page, "Night shift")).to_have_count(0)

    assert "Night shift" not in await connections(opened.gateway)


async def test_secret_is_shown_on_demand_and_an_expired_credential_makes_no_token(opened: Console) -> None:
    owner = await connection(opened.gateway, "Old fleet")
    body = {"connection_id": owner["id"], "name": "Truck", "expires_at": "2020-01-01T00:00:00"}
    truck = (await opened.gateway.post("/v2/telephony_credentials", body))["data"]
    page = await accounts(opened)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await button(page, "Credentials of Old fleet").click()
    await expect(row_of(page, "Truck")).to_contain_text("expired")
    await expect(row_of(page, "Truck")).not_to_contain_text(truck["sip_password"])
    await button(page, "Show the password of Truck").click()
    await expect(row_of(page, "Truck")).to_contain_text(truck["sip_password"])
    await button(page, "Copy the user name of Truck").press("Enter")
    await expect(page.locator("#announce")).to_have_text("Copied")

    assert await page.evaluate("navigator.clipboard.readText()") == truck["sip_username"]
    await expect(page.get_by_role("button", name="Make a token")).to_have_count(0)


async def test_profile_is_changed_disabled_and_kept_while_a_connection_uses_it(opened: Console) -> None:
    profile = (await opened.gateway.post("/v2/outbound_voice_profiles", {"name": "Overseas"}))["data"]
    await connection(opened.gateway, "Export", outbound={"outbound_voice_profile_id": profile["id"]})
    page = await accounts(opened)
    await button(page, "Change Overseas").click()
    await field(page, "Countries that may be called").fill("us, germany")
    await button(page, "Save").click()
    await expect(problem(page, "Countries that may be called")).to_contain_text("pattern")
    await field(page, "Countries that may be called").fill("us, de")
    await field(page, "Calls at once, of all its connections").fill("4")
    await button(page, "Save").click()
    await expect(row_of(page, "Overseas")).to_contain_text("US DE")
    await expect(row_of(page, "Overseas")).to_contain_text("4 calls at once")
    await button(page, "Disable Overseas").press("Enter")
    await expect(row_of(page, "Overseas")).to_contain_text("disabled")
    await expect(button(page, "Enable Overseas")).to_be_focused()
    await button(page, "Delete Overseas").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()

    await expect(page.locator(".notice")).to_contain_text("Overseas could not be deleted")
    await expect(row_of(page, "Overseas")).to_contain_text("1 connection")
    opened.problems.clear()  # Chromium writes its own line about a 422


async def test_number_is_ordered_assigned_and_given_back(opened: Console) -> None:
    page = await accounts(opened)
    await button(page, "Order a number").click()
    await field(page, "Number").fill("+12125550150")
    await page.keyboard.press("Enter")
    await expect(row_of(page, "+12125550150")).to_contain_text("nobody")
    await expect(row_of(page, "+12125550150")).to_contain_text("active")
    await button(page, "Assign +12125550150 to a connection").click()
    await field(page, "Connection").select_option(label="alice (alice)")
    await button(page, "Save").click()
    await expect(row_of(page, "+12125550150")).to_contain_text("alice")
    await button(page, "Give +12125550150 back").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Give it back").click()

    await expect(row_of(page, "+12125550150")).to_have_count(0)
    await button(page, "Order a number").click()
    await field(page, "Number").fill("+4930123456")
    await page.keyboard.press("Enter")
    await expect(problem(page, "Number")).to_contain_text("+4930123456")
    opened.problems.clear()  # Chromium writes its own line about a 422


async def test_list_goes_on_page_by_page_and_is_searched_by_name(opened: Console) -> None:
    for index in range(21):
        await connection(opened.gateway, f"Robot {index:02}")
    page = opened.page
    await page.goto(f"{opened.gateway.http}/console/accounts#key={opened.gateway.key}")
    rows = page.locator("#connections > tr[data-id]")
    await expect(rows).to_have_count(20)
    await page.get_by_role("button", name="Show more connections (20 of").press("Enter")
    await expect(row_of(page, "alice")).to_be_visible()
    await expect(page.locator("*:focus")).to_have_accessible_name(re.compile("^Change Robot 00$"))
    await page.locator("#find-connection").fill("ro")
    await expect(page.locator("#find-connection-hint")).to_have_text("Three letters or more.")
    await page.locator("#find-connection").fill("robot 1")

    await expect(rows).to_have_count(10)
    await expect(row_of(page, "alice")).to_have_count(0)


async def test_page_without_a_valid_key_asks_for_one_and_keeps_it_for_the_others(opened: Console) -> None:
    page = opened.page
    await page.goto(f"{opened.gateway.http}/console/accounts")
    await page.locator("#key").fill("KEYwrong")
    await page.keyboard.press("Enter")
    await expect(page.locator("#key-error")).to_contain_text("not, or no longer, a valid one")
    await expect(page.locator("#content")).to_be_hidden()
    await page.locator("#key").fill(opened.gateway.key)
    await page.keyboard.press("Enter")
    await expect(page.locator("#connections tr").first).to_be_visible()

    await page.get_by_role("link", name="Call records").click()

    await expect(page.locator("#searched")).to_contain_text("calls that were looked at")
    opened.problems.clear()  # Chromium writes its own line about a 401


async def test_ended_calls_are_filtered_and_opened(opened: Console) -> None:
    page = opened.page
    await page.goto(f"{opened.gateway.http}/#key={opened.gateway.key}")
    rows = page.locator("#calls tr", has_text="+1202555017")
    for caller in ("+12025550177", "+12025550178"):
        await ring(opened.gateway, **{"from": caller})
        await expect(rows.filter(has_text=caller)).to_contain_text("NO_ROUTE_DESTINATION")
    await page.get_by_role("link", name="Call records").click()
    await expect(page).to_have_url(f"{opened.gateway.http}/console/records")
    await expect(rows).to_have_count(2)
    await page.get_by_role("searchbox", name="Number").fill("555-0178")
    await expect(rows).to_have_count(1)
    await page.get_by_role("searchbox", name="User").fill("ALICE")
    await page.get_by_label("Direction").select_option("inbound")
    await page.get_by_label("Cause").select_option("NO_ROUTE_DESTINATION")
    await page.locator("#by-day").fill(await page.evaluate("new Date().toLocaleDateString('sv')"))
    await expect(page.locator("#searched")).to_contain_text("1 of")
    await page.get_by_role("button", name="Details of the call to alice").press("Enter")

    await expect(page.locator(".facts")).to_contain_text("SIP Call-ID")
    await page.get_by_role("searchbox", name="Number").fill("555-017")
    await expect(page.locator("#searched")).to_contain_text("2 of")
    await expect(page.locator(".facts")).to_contain_text("SIP Call-ID")
    await page.locator("#by-day").fill("2020-02-29")
    await expect(page.locator("#no-records")).to_have_text("No call fits.")
    await button(page, "Clear").click()
    await expect(rows).to_have_count(2)


async def test_detail_records_are_shown_by_login_and_saved_as_csv(opened: Console) -> None:
    page = opened.page
    await opened.sign_in_ready()
    await page.locator("#destination").fill("+12025550102")
    await page.keyboard.press("Enter")
    await expect(page.locator("#outcome")).to_be_visible()
    await until_charged(opened.gateway, "alice")
    await page.get_by_role("link", name="Call records").click()
    await page.get_by_label("Logged in as").fill("nobody")
    await expect(page.locator("#no-billing")).to_be_visible()
    await page.get_by_label("Logged in as").fill("alice")
    await expect(page.locator("#billing tr").first).to_contain_text("+12025550102")
    async with page.expect_download() as started:
        await button(page, "Save as CSV").press("Enter")

    head, *lines = (await (await started.value).path()).read_text().splitlines()
    assert "auth_username" in head
    assert lines and all("alice" in line for line in lines)


async def test_api_page_lists_filters_and_explains_operations_without_a_key(opened: Console) -> None:
    page = opened.page
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.goto(f"{opened.gateway.http}/console/api#create_credential_connection")
    operation = page.locator("#create_credential_connection")
    await expect(operation.get_by_role("table", name="Body")).to_contain_text("outbound.channel_limit")
    await expect(operation).to_contain_text("connection_name required")
    await button(page, "Copy the curl line of create_credential_connection").click()
    await expect(page.locator("#announce")).to_have_text("Copied")
    line = await page.evaluate("navigator.clipboard.readText()")
    await page.locator("#search").fill("patch whitelisted")
    await expect(page.locator("#found")).to_have_text("1 operation")
    await page.locator("#contents a:visible").press("Enter")

    assert '"user_name":"USER_NAME"' in line and "Bearer $KEY" in line
    assert page.url.endswith("#update_outbound_voice_profile")
    changed = page.locator("#update_outbound_voice_profile")
    await expect(changed.locator("summary")).to_be_focused()
    await expect(changed).to_contain_text("422")
    await expect(operation).to_be_hidden()


@pytest.mark.parametrize("name", ["accounts", "records", "api#update_credential_connection"])
async def test_page_fits_its_window_and_every_text_can_be_read(opened: Console, name: str) -> None:
    page = opened.page
    path, _, operation = name.partition("#")
    if path == "records":
        await ended_call(opened.gateway)
    if path != "api":
        await page.goto(f"{opened.gateway.http}/console/{path}#key={opened.gateway.key}")
    await page.goto(f"{opened.gateway.http}/console/{name}")
    opener = {"accounts": "#connections .more", "records": "#calls .more", "api": f"#{operation} summary"}[path]
    await page.locator(opener).first.click()
    if path == "accounts":
        await button(page, "New credential").click()

    for viewport in (DESKTOP, PHONE):
        await page.set_viewport_size(viewport)
        assert await page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert await faint_texts(page, "light") == []
    assert await faint_texts(page, "dark") == []


async def test_trace_of_a_live_call_grows_and_opens_its_messages(opened: Console) -> None:
    async with phone(opened.gateway, codecs=["PCMU"]) as caller:
        call = await caller.call(ECHO)
        await caller.until_answered(call)
        await opened.page.goto(f"{opened.gateway.http}/#key={opened.gateway.key}")
        await opened.page.locator("#calls button", has_text="▸").first.press("Enter")
        async with opened.page.expect_popup() as popup:
            await opened.page.get_by_role("link", name="Trace", exact=True).click()
        page = await popup.value
        await expect(page.locator("#state")).to_have_text("live")
        await expect(page.locator("#parties")).to_have_text(f"outbound call from alice to {ECHO}")
        await caller.hang_up(call)
    await expect(page.locator(".ladder .row.call", has_text="ended by leg a")).to_be_visible()
    await page.locator(".ladder .row.sip").first.focus()
    await page.keyboard.press("Enter")

    await expect(page.locator("#message-title")).to_have_text("INVITE (SDP)")
    await expect(page.locator("#message-text")).to_contain_text(f"INVITE sip:{ECHO}@127.0.0.1")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press(" ")
    await expect(page.locator("#message-title")).to_have_text("100 Trying (INVITE)")
    await page.keyboard.press("Escape")
    await expect(page.locator("#message")).to_be_hidden()
    await expect(page.locator("#state")).to_have_text("ended")
    await page.close()


async def test_trace_is_saved_as_text_svg_and_pcap(opened: Console) -> None:
    page = await trace_of_a_call(opened)
    for kind, start in (("text", b"Call "), ("SVG", b"<svg "), ("pcap", bytes.fromhex("d4c3b2a1"))):
        async with page.expect_download() as download:
            await button(page, f"Save as {kind}").click()
        saved = await (await download.value).path()

        assert (await asyncio.to_thread(saved.read_bytes)).startswith(start)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_trace_fits_a_phone_and_is_readable(opened: Console, scheme: Literal["light", "dark"]) -> None:
    page = await trace_of_a_call(opened)
    await page.set_viewport_size(PHONE)
    await page.locator(".ladder .row.verto").first.click()
    await expect(page.locator("#message-text")).to_contain_text("telnyx_rtc.invite")

    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await faint_texts(page, scheme) == []
    assert await page.evaluate(FAINT_WORDS) == []


async def test_trace_of_no_call_says_so(opened: Console) -> None:
    await opened.page.goto(f"{opened.gateway.http}/console/trace#key={opened.gateway.key}")
    await expect(opened.page.locator("#no-trace")).to_contain_text("from the details of a call")
    await opened.page.goto(f"{opened.gateway.http}/console/trace?call=nobody")
    await expect(opened.page.locator("#no-trace")).to_have_text("The gateway knows no such call.")

    await expect(button(opened.page, "Save as text")).to_be_disabled()
    assert [problem for problem in opened.problems if "404" not in problem] == []
    opened.problems.clear()  # Chromium reports the 404 itself


async def trace_of_a_call(opened: Console) -> Page:
    """The page of a call that is over."""
    async with phone(opened.gateway, codecs=["PCMU"]) as caller:
        call = await caller.call(ECHO)
        await caller.until_answered(call)
        live = await live_call(opened.gateway, call)
        await caller.hang_up(call)
    await opened.page.goto(f"{opened.gateway.http}/console/trace?call={live['call_id']}#key={opened.gateway.key}")
    await expect(opened.page.locator(".ladder .row.call", has_text="ended by leg a")).to_be_visible()
    return opened.page


# SVG text is painted with `fill`, which the check of the other texts does not look at.
FAINT_WORDS: Final = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const card = getComputedStyle(document.querySelector(".ladder-card")).backgroundColor;
  return [...document.querySelectorAll(".ladder text")].flatMap((text) => {
    const note = text.previousElementSibling;
    const behind = note?.matches(".note") ? getComputedStyle(note).fill : card;
    const [one, other] = [light(getComputedStyle(text).fill), light(behind)];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    return contrast < 4.5 ? [`${text.textContent} ${contrast.toFixed(2)}`] : [];
  });
}"""
