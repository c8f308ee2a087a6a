"""The console in a browser, on a whole gateway: what a user does with it, and what it may never do.

Each test has a gateway and a browser context of its own; the browser process and its microphone are shared.
"""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from gateway.sip.core.banning import Offence
from gateway.sip.endpoint import Destination
from tests.harness.gateway import PASSWORD, running
from tests.harness.stores import Stores
from tests.interop.browser.chromium import SharedChromium
from tests.interop.browser.console import DESKTOP, PHONE, Console, console, faint_texts
from tests.interop.browser.sound import write_tone
from tests.wire.trunks.registrar import Registrar

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

ECHO, BUSY, TONE, SILENCE = "+12025550100", "+12025550102", "+12025550101", "+12025550120"
NATIVE: Final = {"media": {"engine": "native"}}
"""The engine that judges."""
SUSPICIOUS: Final = 40.0
"""Seconds after which silence has been warned of, on a busy machine."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedChromium]:
    shared = SharedChromium(write_tone(tmp_path_factory.mktemp("sound") / "microphone.wav", 620.0))
    try:
        yield shared
    finally:
        await shared.close()


@pytest_asyncio.fixture(loop_scope="module")
async def browser(shared_chromium: SharedChromium) -> Browser:
    return await shared_chromium.get()


async def test_link_signs_in_and_leaves_no_secret_in_the_address(tmp_path: Path, browser: Browser) -> None:
    async with running(tmp_path) as gateway, console(browser, gateway) as opened:
        await opened.sign_in_ready()

        assert opened.page.url == f"{gateway.http}/"
        assert await opened.page.evaluate("history.length") <= 2
        await opened.page.reload()
        await expect(opened.page.locator("#status-text")).to_have_text("ready as alice")
        connected = opened.page.locator("#sessions tr", has_text="connected")  # the page before it is away for a while
        await expect(connected.locator(".party")).to_have_text("alice")


async def test_call_by_keyboard_alone_is_heard_and_stands_in_the_list_with_its_end(
    tmp_path: Path, browser: Browser
) -> None:
    async with running(tmp_path) as gateway, console(browser, gateway) as opened:
        page = opened.page
        await opened.sign_in_ready()
        await page.locator("#destination").press_sequentially(ECHO)
        await page.keyboard.press("Enter")
        await expect(page.locator("#call-state")).to_have_text("ringing")
        await opened.is_in_call()
        await opened.hears_the_far_end()
        await page.keyboard.press("m")
        await expect(page.locator("#call-state")).to_have_text("in call, muted")
        await page.keyboard.press("m")
        await page.keyboard.press("5")
        await expect(page.locator("#call-digits")).to_have_text("5")
        await page.keyboard.press("h")
        await expect(page.locator("#call-state")).to_have_text("on hold")
        await page.keyboard.press("h")
        await opened.is_in_call()
        await page.keyboard.press("Escape")

        await expect(page.locator("#outcome-words")).to_have_text("You hung up. NORMAL_CLEARING (16)")
        row = page.locator("#calls tr").first
        await expect(row).to_contain_text("NORMAL_CLEARING")
        await expect(row).to_contain_text("ended")
        await expect(row.locator("td").nth(4)).not_to_be_empty()
        await row.locator(".more").press("Enter")
        await expect(page.locator(".facts")).to_contain_text("SIP Call-ID")


async def test_quality_of_a_live_call_is_drawn_with_what_is_wrong_and_stays_when_the_call_is_over(
    tmp_path: Path, browser: Browser
) -> None:
    async with running(tmp_path, NATIVE) as gateway, console(browser, gateway) as opened:
        page = opened.page
        await opened.sign_in_ready()
        await page.locator("#destination").fill(SILENCE)
        await page.keyboard.press("Enter")
        await opened.is_in_call()
        row = page.locator("#calls tr").first
        await row.locator(".more").click()

        caller, callee = page.locator('[data-leg="a"]'), page.locator('[data-leg="b"]')
        silent = callee.locator('[data-warning="no_sound"]')
        await expect(silent).to_have_attribute("data-state", "wrong", timeout=SUSPICIOUS * 1000)
        await expect(row.locator('[data-warning="no_sound"]')).to_have_text("no sound")
        for leg, figure, line in (
            (caller, "Loss", "in"),
            (caller, "Jitter", "in"),
            (caller, "MOS", "in"),
            (caller, "Level", "in"),
            (callee, "MOS", "in"),
        ):
            drawn = leg.locator(f'[data-figure="{figure}"] path.{line}')
            await expect(drawn).to_have_attribute("d", re.compile(r"^M.*L.*L.*L"))
        await expect(caller.locator('[data-figure="MOS"] svg')).to_have_attribute(
            "aria-label", re.compile(r"MOS: [34]\.")
        )
        await expect(caller.locator(".figures")).to_contain_text("From the caller")
        for viewport in (DESKTOP, PHONE):
            await page.set_viewport_size(viewport)
            assert await page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert await faint_texts(page, "light") == []
        assert await faint_texts(page, "dark") == []
        await page.set_viewport_size(DESKTOP)

        await page.keyboard.press("Escape")
        await expect(row).to_contain_text("ended")
        await expect(row.locator('[data-warning="no_sound"]')).to_have_attribute("data-state", "over")
        await expect(caller.locator('[data-figure="MOS"]')).to_be_visible()
        await expect(callee.locator(".figures")).to_contain_text("100 % silence")
        call = (await gateway.get("/v2/gateway/calls?state=ended"))["data"][0]
        kept = (await gateway.get(f"/v2/gateway/calls/{call['call_id']}/quality"))["data"]
        assert (kept["is_live"], kept["samples"]) == (False, {})
        assert (kept["legs"]["b"]["warnings"], call["warnings"]) == (["no_sound"], {"b": ["no_sound"]})
        assert kept["legs"]["a"]["inbound"]["level_dbov"] > -50


async def test_reports_of_a_call_are_shown_and_downloaded(tmp_path: Path, browser: Browser) -> None:
    async with running(tmp_path) as gateway, console(browser, gateway) as opened:
        page, stores = opened.page, Stores(gateway)
        await opened.sign_in_ready()
        await page.locator("#destination").fill(TONE)
        await page.keyboard.press("Enter")
        await opened.is_in_call()
        await opened.hears_the_far_end()
        await page.keyboard.press("Escape")
        await stores.until(1)
        await page.locator("#calls tr").first.locator(".more").click()

        await page.get_by_role("button", name="Client's reports").click()
        await expect(page.locator("span.reports")).to_contain_text("call_report/final.json")
        async with page.expect_download() as started:
            await page.get_by_role("button", name="whole report").click()

        report = json.loads((await (await started.value).path()).read_text())["data"]
        assert report["summary"]["destinationNumber"] == TONE


async def test_busy_number_is_explained_with_cause_and_sip_status(tmp_path: Path, browser: Browser) -> None:
    async with running(tmp_path) as gateway, console(browser, gateway) as opened:
        await opened.sign_in_ready()
        await opened.page.get_by_title(f"Dial {BUSY}").click()

        await expect(opened.page.locator("#outcome-words")).to_contain_text("busy")
        await expect(opened.page.locator("#outcome-words")).to_contain_text("USER_BUSY (17) · SIP 486")
        await expect(opened.page.locator("#calls tr").first).to_contain_text("USER_BUSY SIP 486")


async def test_incoming_call_is_answered_with_enter_while_another_one_waits_on_hold(
    tmp_path: Path, browser: Browser
) -> None:
    async with running(tmp_path) as gateway, console(browser, gateway) as opened:
        page = opened.page
        await opened.sign_in_ready()
        await page.get_by_title(f"Dial {ECHO}").click()
        await opened.is_in_call()
        await gateway.post("/_lab/calls", {"to": "alice", "from": "+12025550177", "scenario": "tone"})
        await expect(page.get_by_role("alertdialog")).to_contain_text("+12025550177")
        await page.locator("#call").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#call-peer")).to_have_text("+12025550177")
        await opened.is_in_call()
        await opened.hears_the_far_end()

        held = page.locator("#lines button", has_text=ECHO)
        await expect(held).to_contain_text("on hold")
        await page.keyboard.press("Escape")
        await expect(page.locator("#call-peer")).to_have_text(ECHO)
        await page.locator("#calls tr", has_text=ECHO).get_by_role("button", name="End the call").click()
        await expect(page.locator("#outcome-title")).to_contain_text(ECHO)
        await expect(page.locator("#destination")).to_be_visible()


async def test_declined_call_ends_for_the_caller_too(tmp_path: Path, browser: Browser) -> None:
    async with running(tmp_path) as gateway, console(browser, gateway) as opened:
        await opened.sign_in_ready()
        await gateway.post("/_lab/calls", {"to": "alice", "from": "+12025550177", "scenario": "tone"})
        await expect(opened.page.get_by_role("alertdialog")).to_be_visible()
        await opened.page.keyboard.press("Escape")

        await expect(opened.page.get_by_role("alertdialog")).to_have_count(0)
        await expect(opened.page.locator("#calls tr").first).to_contain_text("USER_BUSY")


async def test_wrong_password_is_said_in_words_and_can_be_corrected(tmp_path: Path, browser: Browser) -> None:
    async with running(tmp_path) as gateway, console(browser, gateway) as opened:
        page = opened.page
        await opened.sign_in(password="wrong")
        await expect(page.locator(".notice")).to_contain_text("Sign-in refused")
        await expect(page.locator("#login-user")).to_have_value("alice")

        await page.locator("#login-password").fill(PASSWORD)
        await page.keyboard.press("Enter")

        await expect(page.locator("#status-text")).to_have_text("ready as alice")
        await expect(page.locator(".notice")).to_have_count(0)
        opened.problems.clear()  # the SDK writes its own line about the refusal


async def test_token_signs_in_as_well(tmp_path: Path, browser: Browser) -> None:
    async with running(tmp_path) as gateway, console(browser, gateway) as opened:
        store = gateway.gateway.provisioning
        made = await store.add_credential(gateway.connections["alice"])
        token = await store.create_token(made.credential.credential_id, ttl=600)
        await opened.page.goto(f"{gateway.http}/#token={token}")

        await expect(opened.page.locator("#status-text")).to_have_text("ready")


async def test_phone_works_without_a_key_and_the_lists_come_with_one(tmp_path: Path, browser: Browser) -> None:
    async with running(tmp_path) as gateway, console(browser, gateway) as opened:
        page = opened.page
        await opened.sign_in_ready(with_key=False)
        await expect(page.locator("#calls-list")).to_be_hidden()
        await page.locator("#key").fill(gateway.key)
        await page.keyboard.press("Enter")

        await expect(page.locator("#feed-text")).to_have_text("live")
        await expect(page.locator("#sessions tr .party")).to_have_text("alice")
        await expect(page.get_by_title(f"Dial {ECHO}")).to_be_visible()


async def test_banned_address_is_shown_until_its_ban_is_lifted(tmp_path: Path, browser: Browser) -> None:
    async with running(tmp_path) as gateway, console(browser, gateway) as opened:
        endpoint = gateway.gateway.sip.endpoint
        endpoint.offend(Destination("udp", "203.0.113.9", 5060), Offence.SCANNER)
        await opened.sign_in_ready()
        row = opened.page.locator("#bans tr", has_text="203.0.113.9")
        await expect(row).to_contain_text("scanner")

        await row.get_by_role("button", name="Listen to 203.0.113.9 again").click()

        await expect(opened.page.locator("#bans-card")).to_be_hidden()
        assert endpoint.bans() == ()


async def test_filter_and_choice_narrow_the_calls_down(tmp_path: Path, browser: Browser) -> None:
    async with running(tmp_path) as gateway, console(browser, gateway) as opened:
        page = opened.page
        await opened.sign_in_ready()
        await page.get_by_title(f"Dial {BUSY}").click()
        await expect(page.locator("#outcome")).to_be_visible()
        await page.get_by_title(f"Dial {TONE}").click()
        await opened.is_in_call()
        rows = page.locator("#calls tr")
        await expect(rows).to_have_count(2)

        await page.locator("#filter").fill("user_busy 0102")
        await expect(rows).to_have_count(1)
        await page.locator("#filter").fill("")
        await page.locator("input[name=which][value=live]").check()
        await expect(rows).to_have_count(1)
        await expect(rows.first).to_contain_text(TONE)
        await page.locator("body").press("Escape")
        await expect(page.locator("#no-calls")).to_be_visible()


async def test_lost_gateway_is_said_and_found_again_by_nobody(tmp_path: Path, browser: Browser) -> None:
    context = await browser.new_context()
    try:
        async with running(tmp_path) as gateway:
            opened = Console(await context.new_page(), gateway)
            await opened.sign_in_ready()

        await expect(opened.page.locator("#status-text")).to_have_text("connection lost, reconnecting …")
        await expect(opened.page.locator("#feed-text")).to_have_text("reconnecting …")
    finally:
        await context.close()


async def test_trunks_are_shown_with_their_health_registration_and_calls(tmp_path: Path, browser: Browser) -> None:
    async with Registrar.listening() as peer:
        trunk = {
            "name": "carrier",
            "uri": "sip:{}:{}".format(*peer.address),
            "username": "acme",
            "password": "s3cret",
            "register": True,
            "health_interval": 60.0,
        }
        async with running(tmp_path, {"trunks": [trunk]}) as gateway:
            for _ in range(2):
                request = await peer.request_of_any_kind()
                if request.method == "REGISTER":
                    peer.grants(request, 600)
                else:
                    peer.answers(request, 405)
            async with console(browser, gateway) as opened:
                await opened.sign_in_ready()

                row = opened.page.locator("#trunks tr", has_text="carrier")
                await expect(row.locator("td")).to_have_text(["carrier", "up", "registered", "0"])


async def test_trunks_are_not_shown_where_the_lab_is_the_only_one(tmp_path: Path, browser: Browser) -> None:
    async with running(tmp_path) as gateway, console(browser, gateway) as opened:
        await opened.sign_in_ready()

        await expect(opened.page.locator("#numbers-card")).to_be_visible()
        await expect(opened.page.locator("#trunks-card")).to_be_hidden()


async def test_page_fits_its_window_and_every_text_can_be_read(tmp_path: Path, browser: Browser) -> None:
    async with running(tmp_path) as gateway, console(browser, gateway) as opened:
        page = opened.page
        await opened.sign_in_ready()
        await page.get_by_title(f"Dial {ECHO}").click()
        await opened.is_in_call()
        await page.locator("#calls .more").first.click()
        await expect(page.locator(".facts")).to_be_visible()

        for viewport in (DESKTOP, PHONE):
            await page.set_viewport_size(viewport)
            assert await page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert await faint_texts(page, "light") == []
        assert await faint_texts(page, "dark") == []
