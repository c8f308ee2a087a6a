"""The reference engine keeps the contract of all engines."""

from gateway.media.engine import MediaEngine
from gateway.media.engines.aiortc_engine import AiortcEngine
from gateway.media.settings import MediaSettings
from tests.harness.ports import OWN_PORTS

from .contract import MediaEngineContract


class TestAiortcEngine(MediaEngineContract):
    def make_engine(self) -> MediaEngine:
        return AiortcEngine(MediaSettings(rtp_ports=OWN_PORTS))
