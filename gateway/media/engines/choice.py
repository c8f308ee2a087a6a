"""Which engine there is, by the setting."""

from gateway.media.engine import MediaEngine
from gateway.media.engines.native_engine import NativeEngine
from gateway.media.settings import MediaSettings


def make_engine(settings: MediaSettings, *, shows_reports: bool = True) -> MediaEngine:
    """The engine that `engine` names, not yet started.

    Args:
        shows_reports: whether whoever takes notes is told of RTCP as well (`RtcpPassed`).
    """
    if settings.engine == "aiortc":
        # Loaded only where it is wanted: it brings libraries that the other does without
        from gateway.media.engines.aiortc_engine import AiortcEngine

        return AiortcEngine(settings, shows_reports=shows_reports)
    return NativeEngine(settings, shows_reports=shows_reports)
