"""The console's pages in a browser, watched: what no page of ours may do is collected while it is open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, cast
from urllib.parse import quote, urlsplit

from playwright.async_api import Browser, Page, ViewportSize, expect

from tests.harness.gateway import PASSWORD, Running

DESKTOP: ViewportSize = {"width": 1366, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 844}
PATIENCE: Final = 30.0
"""Seconds that anything may take on a busy machine."""

expect.set_options(timeout=PATIENCE * 1000)


@dataclass
class Console:
    """An open console. What no page of ours may do is collected while it runs."""

    page: Page
    gateway: Running
    problems: list[str] = field(default_factory=list)

    async def sign_in(self, *, with_key: bool = True, password: str = PASSWORD) -> None:
        """Open the link that `rtc-gateway demo` prints."""
        key = f"key={quote(self.gateway.key)}&" if with_key else ""
        await self.page.goto(f"{self.gateway.http}/#{key}login=alice&password={quote(password)}")

    async def sign_in_ready(self, *, with_key: bool = True) -> None:
        await self.sign_in(with_key=with_key)
        await expect(self.page.locator("#status-text")).to_have_text("ready as alice")

    async def is_in_call(self) -> None:
        await expect(self.page.locator("#call-state")).to_have_text("in call")

    async def hears_the_far_end(self) -> None:
        """Wait until the level meter of the far end shows more than a third."""
        async with asyncio.timeout(PATIENCE):
            await self.page.evaluate(IS_LOUD)

    def watch(self) -> None:
        page = self.page
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("console", lambda entry: self.problems.append(entry.text) if entry.type == "error" else None)
        page.on("request", lambda request: self._check_host(request.url))

    def _check_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(self.gateway.http).netloc:
            self.problems.append(f"foreign host: {url}")


@asynccontextmanager
async def console(browser: Browser, gateway: Running) -> AsyncIterator[Console]:
    context = await browser.new_context(viewport=DESKTOP)
    try:
        opened = Console(await context.new_page(), gateway)
        opened.watch()
        yield opened
        assert opened.problems == []
    finally:
        await context.close()


async def faint_texts(page: Page, scheme: Literal["light", "dark"]) -> list[str]:
    """Texts with too little contrast in that colour scheme."""
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    return cast("list[str]", await page.evaluate(FAINT_TEXTS))


# Not `wait_for_function`: it would need `eval` in the page, which the console's own policy forbids.
IS_LOUD = """() => new Promise((resolve) => {
  const bar = document.getElementById("meter-far");
  const look = () => {
    const hidden = parseFloat(bar.style.clipPath.split(" ")[1] ?? "100");
    if (hidden < 66) resolve();
    else requestAnimationFrame(look);
  };
  look();
})"""

FAINT_TEXTS = """() => {
  // WCAG 2.2, 1.4.3: text needs a contrast of 4.5 to what is behind it.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [x, y, z] = [r, g, b].map((v) => linear(v / 255));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const box = element.getBoundingClientRect();
    if (!own || box.width < 2 || element.closest(".unseen, :disabled") || !element.checkVisibility()) continue;
    const [one, other] = [light(rgba(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const text = element.textContent.trim().slice(0, 30);
    if (contrast < 4.5) faint.push(`${element.tagName}.${element.className} "${text}" ${contrast.toFixed(2)}`);
  }
  return faint;
}"""
