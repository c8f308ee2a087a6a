"""Starts Debian's Chromium through Playwright, without anything that would talk to the outside."""

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil
from playwright.async_api import Browser, async_playwright

WHOLE = Path("/usr/bin/chromium")
"""What a user has: it knows the user's certificates, and its windows cost most of a page's processor time."""
SHELL = Path("/usr/bin/chromium-headless-shell")
"""The same Blink, V8 and WebRTC without windows: a page costs a quarter. It has no certificates but the machine's."""
START_TIMEOUT = 30.0

_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=MediaRouter,OptimizationHints,Translate,DialMediaRouteProvider,CertificateTransparencyComponentUpdater",
)


@asynccontextmanager
async def chromium(
    microphone: Path | None = None, *, flags: Sequence[str] = (), executable: Path = WHOLE
) -> AsyncIterator[Browser]:
    """A browser with a profile of its own. `microphone` is a WAV file that its fake microphone repeats.

    It gathers ICE candidates as it does for a user. Only on a machine that has no address but loopback it is told to
    take those too, because otherwise it has none.
    """
    arguments = [*_FLAGS, *flags]
    if microphone is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={microphone}")
    if not has_address():
        arguments.append("--allow-loopback-in-peer-connection")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable,
            headless=True,
            chromium_sandbox=False,  # it does not run as root otherwise
            args=arguments,
            timeout=START_TIMEOUT * 1000,
        )
        try:
            yield browser
        finally:
            await browser.close()


class SharedChromium:
    """One Chromium (`SHELL`) for many tests, and another after it crashed, so that one test cannot fail the rest."""

    def __init__(self, microphone: Path) -> None:
        self._microphone, self._stack = microphone, AsyncExitStack()
        self._browser: Browser | None = None

    async def get(self) -> Browser:
        if self._browser is None or not self._browser.is_connected():
            await self.close()
            self._browser = await self._stack.enter_async_context(chromium(self._microphone, executable=SHELL))
        return self._browser

    async def close(self) -> None:
        await self._stack.aclose()


def has_address() -> bool:
    """Whether this machine has an IPv4 address that is not loopback."""
    addresses = (address for interface in psutil.net_if_addrs().values() for address in interface)
    return any(entry.family == socket.AF_INET and not entry.address.startswith("127.") for entry in addresses)
