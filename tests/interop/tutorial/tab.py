"""The tutorial's page in a real browser, used by its buttons."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Browser, ConsoleMessage, Page, expect

PATIENCE: Final = 30.0
"""Seconds that a step of a call may take on a busy machine."""


class Tab:
    """One open page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._note)

    async def logs(self, text: str) -> None:
        """Wait until the last line of its log is that."""
        last_line = re.compile(rf"(^|\n){re.escape(text)}\n?$")
        await expect(self._page.locator("#log")).to_have_text(last_line, timeout=PATIENCE * 1000)

    async def dials(self, destination: str) -> None:
        """Put that into the field and call it."""
        await self._page.locator("#destination").fill(destination)
        await self.clicks("Call")

    async def clicks(self, button: str) -> None:
        """Click the button of that name."""
        await self._page.get_by_role("button", name=button, exact=True).click()

    async def hears_something(self) -> None:
        """Wait until a sound comes out of the page's audio element."""
        await self._page.evaluate(_HEARS, PATIENCE)

    def _note(self, entry: ConsoleMessage) -> None:
        if entry.type == "error" and not entry.location["url"].endswith("/favicon.ico"):
            self.problems.append(entry.text)


@asynccontextmanager
async def tab(browser: Browser, address: str) -> AsyncIterator[Tab]:
    """The page at that address; what went wrong in it fails the test."""
    context = await browser.new_context()
    try:
        page = await context.new_page()
        opened = Tab(page)
        await page.goto(address)
        yield opened
        assert opened.problems == []
    finally:
        await context.close()


_HEARS: Final = """async (patience) => {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context);
  context.createMediaStreamSource(document.getElementById("remote").srcObject).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const deadline = context.currentTime + patience;
  while (context.currentTime < deadline) {
    analyser.getFloatTimeDomainData(samples);
    if (samples.some((sample) => Math.abs(sample) > 0.02)) return context.close();
    await new Promise(requestAnimationFrame);
  }
  throw new Error(`silence for ${patience} s`);
}"""
