"""The compiled engine keeps the contract of all engines."""

from gateway.media.engine import MediaEngine
from gateway.media.engines.native_engine import NativeEngine
from gateway.media.settings import MediaSettings

from .contract import MediaEngineContract


class TestNativeEngine(MediaEngineContract):
    def make_engine(self) -> MediaEngine:
        return NativeEngine(MediaSettings(rtp_ports="20000-49999", workers=2))
